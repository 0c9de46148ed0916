"""The server after something happened to it: a request was accepted, or work went on or ended.

Pure functions from one `Server` to the next; nothing belongs here that decides whether a request
is accepted. An event has the name that it has in `lifecycle.edges()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from serverfsm.check import check
from serverfsm.errors import ImpossibleEventError, MalformedServerError, UnknownEventError
from serverfsm.guards import Request, condition_holds
from serverfsm.options import Options
from serverfsm.requests import LATEST, ActionName, Actor, Guard, Microversion
from serverfsm.rows import Action, Effect, End, Outcome
from serverfsm.rows import Step as PathStep
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import PowerState, TaskState, VmState
from serverfsm.verdict import Verdict

__all__ = ["DONE", "PROGRESS", "Step", "accept", "advance", "events", "follow"]

State = tuple[VmState, TaskState | None]

PROGRESS, DONE = "progress", "done"


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a request or an event.

    Attributes:
        server: the server afterwards; the same as before if the request was refused, None if
            there is none.
        verdict: the answer to the request; None for an event.
        event: what happened: an action's name, or an event as `advance` takes it.
        effects: what else came of it, in order.
    """

    server: Server | None
    verdict: Verdict | None
    event: str
    effects: tuple[Effect, ...] = ()


def accept(
    server: Server | None,
    action: ActionName | str,
    *,
    actor: Actor | str = Actor.MEMBER,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
    options: Options | None = None,
) -> Step:
    """Return the server after the synchronous half of a request.

    Args:
        server: its snapshot; None if there is none.
        action, actor, microversion, rulebook: as `check`.
        options: the operator's; None: the rulebook's, which are Nova's defaults.

    Raises:
        UnknownActionError, UnknownActorError, UnknownMicroversionError: as `check`.
        MalformedServerError: the request is allowed, and of the server only the status is known.

    >>> accept(Server("active"), "os-stop").server.task_state
    <TaskState.POWERING_OFF: 'powering-off'>
    """
    book = rulebook.having(options)
    verdict = check(server, action, actor=actor, microversion=microversion, rulebook=book)
    event = verdict.action.value
    if verdict.guard is None:
        return Step(server, verdict, event)
    request = verdict.request
    effects = next(
        (write.effects for write in request.row.writes if condition_holds(request, write.when)[0]),
        (),
    )
    return Step(written(server, verdict.guard.set), verdict, event, effects)


def written(server: Server | None, values: Mapping[str, Any]) -> Server:
    """Return the server with these columns written; a new one if there is none yet."""
    if server is None:
        return Server(launched=False, host=False, **values)
    if server.vm_state is None:
        raise MalformedServerError(
            f"only the status {server.status} is known: what becomes of the server cannot be said"
        )
    return replace(server, **values) if values else server


def advance(
    server: Server,
    event: str,
    *,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
    options: Options | None = None,
) -> Step:
    """Return the server after an event that is no request.

    Args:
        server: its snapshot.
        event: an action's name, a dot, and "progress" (the next task_state), "done" (the end), or
            one of the row's failures, such as "os-stop.driver-error".
        microversion: that of the request whose work goes on, where the outcome depends on it.
        rulebook: whose rules.
        options: the operator's; None: the rulebook's, which are Nova's defaults.

    Raises:
        UnknownEventError: there is no such event.
        ImpossibleEventError: it cannot come about in the server's present state.
        MalformedServerError: of the server only the status is known.

    >>> stopping = accept(Server("active"), "os-stop").server
    >>> advance(stopping, "os-stop.done").server.status
    <Status.SHUTOFF: 'SHUTOFF'>
    >>> advance(stopping, "os-stop.driver-error").server.status
    <Status.ACTIVE: 'ACTIVE'>
    """
    _known(server)
    request, word = _asked(server, event, microversion, rulebook.having(options))
    found = next(_due(request, word), None)
    if found is None:
        can = events(server, microversion=microversion, rulebook=rulebook, options=options)
        raise ImpossibleEventError(
            f"{event} cannot come about with {_text(server)}; possible: "
            f"{', '.join(can) or 'nothing but requests'}"
        )
    outcome, following = found
    if following is not None:
        return Step(progress(server, following), None, event)
    return Step(finish(server, outcome, request.rulebook), None, event, outcome.effects)


def events(
    server: Server,
    *,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
    options: Options | None = None,
) -> tuple[str, ...]:
    """Return every event that `advance` would carry out now, in the table's order.

    >>> events(Server("active", "pausing"))
    ('pause.done', 'pause.driver-error')
    """
    _known(server)
    book, version = rulebook.having(options), Microversion(microversion)
    found: dict[str, None] = {}
    for row in book:
        request = Request(row, server, Actor.ADMIN, version, book)
        for word in _words(row):
            if next(_due(request, word), None) is not None:
                found[f"{row.name}.{word}"] = None
    return tuple(found)


def follow(
    server: Server | None,
    action: ActionName | str,
    *,
    failure: str = DONE,
    at: TaskState | None = None,
    actor: Actor | str = Actor.MEMBER,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
    options: Options | None = None,
) -> tuple[Step, ...]:
    """Return every step of one run: its acceptance, its progress, its end.

    Args:
        failure: the failure of the row that strikes; "done" for none.
        at: the task_state at which it strikes; None: the first at which it can.
        server, action, actor, microversion, rulebook, options: as `accept`.

    Raises:
        UnknownEventError: the row has no such failure.
        ImpossibleEventError: it does not strike there, or not on this server's way.
        Everything that `accept` raises.

    >>> [str(step.server.task_state) for step in follow(Server("active"), "reboot:SOFT")]
    ['rebooting', 'reboot_pending', 'reboot_started', 'None']
    >>> failing = follow(Server("active"), "suspend", failure="driver-error")
    >>> [str(step.server.vm_state) for step in failing]
    ['active', 'error']
    """
    book = rulebook.having(options)
    first = accept(server, action, actor=actor, microversion=microversion, rulebook=book)
    steps = [first]
    verdict, now = first.verdict, first.server
    if verdict is None or not verdict.allowed or now is None:
        return (first,)
    name = verdict.action
    final = f"{name}.{failure}"
    while True:
        request, word = _asked(now, final, microversion, book)
        is_here = at is None or now.task_state is at
        if is_here and next(_due(request, word), None) is not None:
            return (*steps, advance(now, final, microversion=microversion, rulebook=book))
        if next(_due(request, PROGRESS), None) is None:
            break
        steps.append(advance(now, f"{name}.{PROGRESS}", microversion=microversion, rulebook=book))
        now = steps[-1].server
        assert now is not None
    if failure == DONE:
        return tuple(steps)  # what acceptance wrote was all
    raise ImpossibleEventError(
        f"{final} does not strike{f' at {at}' if at else ''} on the way that begins with "
        f"{_text(server)}"
    )


# ---------------------------------------------------------------- which outcome, and where it is


def _known(server: Server) -> None:
    if server.vm_state is None:
        raise MalformedServerError(
            f"only the status {server.status} is known: what becomes of the server cannot be said"
        )


def _text(server: Server | None) -> str:
    if server is None:
        return "no server"
    return f"vm_state {server.vm_state} and task_state {server.task_state or 'none'}"


def _words(row: Action) -> Iterator[str]:
    if row.sources.run:
        yield from dict.fromkeys((PROGRESS, DONE, *(each.name for each in row.failures)))


def _asked(
    server: Server, event: str, microversion: Microversion | str, book: Rulebook
) -> tuple[Request, str]:
    """The row and the word of an event; UnknownEventError if it has none."""
    name, _, word = event.rpartition(".") if isinstance(event, str) else ("", "", "")
    row = next((row for row in book if row.name.value == name), None)
    if row is None or word not in _words(row):
        raise UnknownEventError(event, _near(event, row, book))
    return Request(row, server, Actor.ADMIN, Microversion(microversion), book), word


def _near(event: object, row: Action | None, book: Rulebook) -> Iterable[str]:
    rows = (row,) if row is not None else tuple(book)
    return [f"{row.name}.{word}" for row in rows for word in _words(row)]


def _due(request: Request, word: str) -> Iterator[tuple[Outcome, State | None]]:
    """The outcome that the word stands for now, and the state that follows; None at its end."""
    row = request.row
    if word == PROGRESS:
        for outcome, place in _ways(request):
            if place + 1 < len(outcome.path):
                yield outcome, _state(outcome.path[place + 1], request)
            return
    elif word == DONE:
        for outcome, place in _ways(request):
            if place + 1 == len(outcome.path) and (outcome.path or not row.writes):
                yield outcome, None
            return
    else:
        for outcome in row.failures:
            if outcome.name == word and _strikes(request, outcome):
                yield outcome, None


def _ways(request: Request) -> Iterator[tuple[Outcome, int]]:
    """Every way to succeed on which the server is, with its place on it; -1 before the first."""
    for outcome in request.row.success:
        if not outcome.path:
            if _is_idle_origin(request) and _holds(request, outcome, None):
                yield outcome, -1
            continue
        for place, step in enumerate(outcome.path):
            if _is_at(step, request) and _holds(request, outcome, step):
                yield outcome, place


def _strikes(request: Request, failure: Outcome) -> bool:
    if not any(True for _ in _ways(request)):
        return False
    if not failure.path:
        return _holds(request, failure, None)
    return any(_is_at(step, request) and _holds(request, failure, step) for step in failure.path)


def _is_at(step: PathStep, request: Request) -> bool:
    """Whether the server is at this step of the row."""
    server = request.server
    assert server is not None
    if isinstance(step, tuple):
        return (server.vm_state, server.task_state) == step
    return server.task_state is step and _may_begin(request.row, server.vm_state)


def _is_idle_origin(request: Request) -> bool:
    server = request.server
    assert server is not None
    return server.task_state is None and _may_begin(request.row, server.vm_state)


def _may_begin(row: Action, vm_state: VmState | None) -> bool:
    return vm_state in row.origins or (Guard.ABSENT in row.guards and vm_state is VmState.BUILDING)


def _holds(request: Request, outcome: Outcome, step: PathStep | None) -> bool:
    # On a step that names its own vm_state, the origin is not the server's vm_state any more.
    when = replace(outcome.when, vm_states=None) if isinstance(step, tuple) else outcome.when
    return condition_holds(request, when)[0]


def _state(step: PathStep, request: Request) -> State:
    if isinstance(step, tuple):
        return step
    assert request.server is not None
    assert request.server.vm_state is not None
    return request.server.vm_state, step


# ------------------------------------------------------------------------- the server afterwards


def progress(server: Server, pair: State) -> Server:
    """Return the server at the next step of its task."""
    return replace(server, vm_state=pair[0], task_state=pair[1])


def finish(server: Server, outcome: Outcome, rulebook: Rulebook = API_REFERENCE) -> Server:
    """Return the server after an outcome of its task.

    >>> stopping = accept(Server("active"), "os-stop").server
    >>> finish(stopping, API_REFERENCE[ActionName.STOP].success[0]).status
    <Status.SHUTOFF: 'SHUTOFF'>
    """
    from serverfsm.table import POWER_STATES

    assert server.vm_state is not None
    end = reached(server, outcome)
    offloaded = outcome.end is End.GONE or end is VmState.SHELVED_OFFLOADED
    powers = POWER_STATES[rulebook.options.compute_driver]
    return replace(
        server,
        vm_state=end,
        task_state=outcome.left,
        power_state=powers.get(end, server.power_state),
        launched=server.launched or end is VmState.ACTIVE,
        host=not offloaded and (server.host or end is VmState.ACTIVE),
        vm_state_before_resize=_before_resize(server, end),
        deleted=outcome.end is End.GONE,
    )


def _before_resize(server: Server, end: VmState) -> VmState | None:
    if end is not VmState.RESIZED:
        return None
    return server.vm_state_before_resize if server.vm_state is end else server.vm_state


def reached(server: Server, outcome: Outcome) -> VmState:
    """The vm_state to which an outcome leads this server."""
    assert server.vm_state is not None
    if isinstance(outcome.end, VmState):
        return outcome.end
    if outcome.end is End.ORIGIN:
        return server.vm_state
    if outcome.end is End.GONE:
        return VmState.DELETED
    if outcome.end is End.BEFORE_RESIZE:
        return server.vm_state_before_resize or VmState.ACTIVE
    is_off = server.power_state is PowerState.SHUTDOWN
    return VmState.STOPPED if is_off else VmState.ACTIVE
