"""The server after something happened to it: a request was accepted, or work went on or ended.

Pure functions from one `Server` to the next; nothing belongs here that decides whether a request
is accepted. An event has the name that it has in `lifecycle.edges()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from serverfsm.check import check
from serverfsm.errors import ImpossibleEventError, UnknownEventError
from serverfsm.guards import Request, condition_holds, first_failure
from serverfsm.options import Options
from serverfsm.record import finish, passing, progress, require_states, written
from serverfsm.requests import LATEST, ActionName, Actor, Microversion
from serverfsm.rows import Action, Effect, Outcome, Reaction, Timer, Write
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.running import DONE, PROGRESS, due, goes_on, may_run, state_at, ways, words
from serverfsm.server import Server
from serverfsm.states import PowerState, TaskState
from serverfsm.unprompted import REACTIONS as TABLE
from serverfsm.unprompted import TIMERS
from serverfsm.verdict import Verdict

__all__ = ["DONE", "PROGRESS", "Step", "accept", "advance", "attempt", "events", "follow"]

OVERTAKEN = "overtaken"
TIMERS_BY_OPTION = {timer.option: timer for timer in TIMERS}
REACTIONS = {
    name: tuple(row for row in TABLE if row.name == name)
    for name in dict.fromkeys(row.name for row in TABLE)
}
_SIGHTS = {f"{name}.{guest.name}": (name, guest) for name in REACTIONS for guest in PowerState}


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a request or an event.

    Attributes:
        server: the server afterwards; the same as before if the request was refused, None if
            there is none.
        verdict: the answer to the request; None for an event.
        event: what happened: an action's name, or an event as `advance` takes it.
        then: the action whose work goes on; None: none does.
        effects: what else came of it, in order.
        passing: what was saved, and showed for an instant, before `server`.
    """

    server: Server | None
    verdict: Verdict | None
    event: str
    then: ActionName | None = None
    effects: tuple[Effect, ...] = ()
    passing: tuple[Server, ...] = ()


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
    refusal, request = verdict.refusal, verdict.request
    assert request is not None  # an action was asked for
    event = request.row.name.value
    if verdict.allowed and server is not None:
        require_states(server)
    if verdict.allowed and not verdict.depends_on:
        return _begun(request, event, verdict)
    if refusal is None or verdict.maybe or not book.answer(request.row, refusal.guard).too_late:
        return Step(server, verdict, event)
    return replace(_begun(request, event, verdict), then=None)


def _begun(request: Request, event: str, verdict: Verdict | None = None) -> Step:
    """The server with what its row writes at once, and what comes with it."""
    row, seen = request.row, request.server
    writing = (each for each in row.writes if condition_holds(request, each.when)[0])
    write = next(writing, Write({}))
    after = written(seen, write.values)
    shown = () if seen is None else passing(seen, write.passing, request.rulebook, asks=False)
    on_the_way = ways(replace(request, server=after)) if row.sources.run else ()
    has_more = any(goes_on(row, outcome) for outcome, _ in on_the_way)
    then = row.name if has_more else None
    return Step(after, verdict, event, then, _holding(request, write.effects), shown)


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
            one of the row's failures, such as "os-stop.driver-error"; an occasion, a dot, and
            the guest's power state: "power-sync.SHUTDOWN", "compute-restart.RUNNING"; or a
            timer that has run out, by its option: "rescue_timeout".
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
    book, version = rulebook.having(options), Microversion(microversion)
    step = attempt(server, event, microversion=version, rulebook=book)
    if step is None:
        can = events(server, microversion=version, rulebook=book)
        raise ImpossibleEventError(
            f"{event} cannot come about with {_text(server)}; possible: "
            f"{', '.join(can) or 'nothing but requests'}"
        )
    return step


def attempt(
    server: Server,
    event: str,
    *,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
) -> Step | None:
    """Return what `advance` returns, or None where that would raise ImpossibleEventError."""
    require_states(server)
    book, version = rulebook, Microversion(microversion)
    if not isinstance(event, str):
        raise UnknownEventError(event, _near(event, book))
    if event in _SIGHTS:
        name, guest = _SIGHTS[event]
        return _reacted(server, event, REACTIONS[name], guest, book)
    if event in TIMERS_BY_OPTION:
        return _struck(server, TIMERS_BY_OPTION[event], version, book)
    request, word = _asked(server, event, version, book)
    found = next(due(request, word), None)
    if found is None:
        return None
    outcome, following = found
    shown = passing(server, outcome.passing, book, following)
    now = shown[-1] if shown else server
    if following is None:
        after = finish(_powered(server, now.power_state), outcome, book, failed=word != DONE)
        if word != DONE and server.task_state in request.row.hosted_at:
            after = replace(after, host=False)
        then = request.row.name if outcome.goes_on else None
        return Step(after, None, event, then, _holding(request, outcome.effects), shown)
    row, pair = request.row, state_at(following, request)
    after = progress(now, pair, book)
    if after.task_state in row.hosted_at:
        after = replace(after, host=True)
    effects = () if after.task_state is None else row.effects.get(after.task_state, ())
    return Step(after, None, event, row.name, _holding(request, effects), shown)


def _powered(server: Server, power: PowerState) -> Server:
    return server if server.power_state is power else replace(server, power_state=power)


def _holding(request: Request, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
    """The effects whose condition holds."""
    return tuple(effect for effect in effects if condition_holds(request, effect.when)[0])


def _reacted(
    server: Server, event: str, rows: tuple[Reaction, ...], guest: PowerState, book: Rulebook
) -> Step | None:
    assert server.vm_state is not None
    for row in rows:
        if row.applies(server.vm_state, server.task_state, guest):
            seen = _powered(server, guest) if row.stores_power else server
            after = finish(seen, Outcome("", row.end, left=row.left), book)
            shown = passing(seen, row.passing, book)
            return Step(after, None, event, row.then, row.effects, shown)
    return None


def _struck(server: Server, timer: Timer, version: Microversion, book: Rulebook) -> Step | None:
    """The server after a timer ran out; None if the timer is not about it."""
    if not concerns(timer, server):
        return None
    if timer.event is not None:
        request = Request(book[timer.event], server, Actor.ADMIN, version, book)
        if not timer.past_guards and first_failure(request) is not None:
            return None
        return _begun(request, timer.option)
    if timer.end is None:
        return Step(server, None, timer.option)
    left = server.task_state if timer.leaves_task else None
    after = finish(server, Outcome("", timer.end, left=left), book)
    return Step(after, None, timer.option)


def concerns(timer: Timer, server: Server) -> bool:
    """Whether a timer looks at a server in this state at all."""
    return (timer.vm_states is None or server.vm_state in timer.vm_states) and (
        timer.task_states is None or server.task_state in timer.task_states
    )


def events(
    server: Server,
    *,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
    options: Options | None = None,
) -> tuple[str, ...]:
    """Return every event that `advance` would carry out now, in the table's order.

    What depends on the guest, "power-sync" and "compute-restart", always may and is left out; so
    is, of an idle server, what neither changes it nor has an effect.

    >>> events(Server("active", "pausing"))
    ('pause.done', 'pause.not-implemented', 'pause.driver-error')
    """
    require_states(server)
    book, version = rulebook.having(options), Microversion(microversion)
    found: dict[str, None] = {}
    for row in book:
        if not may_run(row, server.vm_state, server.task_state):
            continue
        request = Request(row, server, Actor.ADMIN, version, book)
        for word in words(row):
            event = f"{row.name}.{word}"
            if next(due(request, word), None) is not None and _shows(server, event, version, book):
                found[event] = None
    for option, timer in TIMERS_BY_OPTION.items():
        if (timer.event is not None or timer.end is not None) and concerns(timer, server):
            found[option] = None
    return tuple(found)


def overtake(
    server: Server,
    action: ActionName,
    at: TaskState | None,
    *,
    rulebook: Rulebook = API_REFERENCE,
    options: Options | None = None,
) -> Step:
    """Return the server after work on it has found that another request changed it meanwhile.

    Mostly that work ends and writes nothing; some of Nova's writes look at nothing before.

    Args:
        server: its snapshot, as the other request or its work has left it.
        action: whose work it is.
        at: the task_state at which that work had left the server.
        rulebook, options: as `accept`.

    >>> deleting = Server("active", "deleting")
    >>> overtake(deleting, ActionName.PAUSE, TaskState.PAUSING).server == deleting
    True
    >>> str(overtake(deleting, ActionName.REBOOT_SOFT, TaskState.REBOOT_STARTED).server.task_state)
    'None'
    """
    return overtakings(server, action, at, rulebook=rulebook.having(options))[0]


def overtakings(
    server: Server, action: ActionName, at: TaskState | None, *, rulebook: Rulebook
) -> tuple[Step, ...]:
    """Return all that `overtake` may lead to, the likeliest first: how far work was may matter."""
    require_states(server)
    row, event = rulebook[action], f"{action}.{OVERTAKEN}"
    request = Request(row, server, Actor.ADMIN, LATEST, rulebook)
    found = tuple(
        _overtaken(request, outcome, event)
        for outcome in (() if server.deleted else row.overtaken)
        if not outcome.path or at in tasks_of(outcome)
        if condition_holds(request, outcome.when)[0]
    )
    return found or (Step(server, None, event),)


def _overtaken(request: Request, outcome: Outcome, event: str) -> Step:
    server, book = request.server, request.rulebook
    assert server is not None
    shown = passing(server, outcome.passing, book)
    power = shown[-1].power_state if shown else server.power_state
    after = finish(replace(server, power_state=power), outcome, book)
    then = request.row.name if outcome.goes_on else None
    return Step(after, None, event, then, _holding(request, outcome.effects), shown)


def tasks_of(outcome: Outcome) -> tuple[TaskState | None, ...]:
    """The task_states of an outcome's path."""
    return tuple(step[1] if isinstance(step, tuple) else step for step in outcome.path)


def _shows(server: Server, event: str, version: Microversion, book: Rulebook) -> bool:
    if server.task_state is not None:
        return True  # also where the task is left as it is, and nothing is under way any more
    step = attempt(server, event, microversion=version, rulebook=book)
    return step is not None and (step.server != server or bool(step.effects))


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
    if first.then is None and failure == DONE:
        return (first,)
    final = f"{name}.{failure}"
    while True:
        request, word = _asked(now, final, microversion, book)
        is_here = at is None or now.task_state is at
        if is_here and next(due(request, word), None) is not None:
            steps.append(advance(now, final, microversion=microversion, rulebook=book))
            if steps[-1].then is None:
                return tuple(steps)
            now, final, at = steps[-1].server, f"{name}.{DONE}", None  # it goes on, and well
            assert now is not None
            continue
        if next(due(request, PROGRESS), None) is None:
            break
        steps.append(advance(now, f"{name}.{PROGRESS}", microversion=microversion, rulebook=book))
        now = steps[-1].server
        assert now is not None
    raise ImpossibleEventError(
        f"{final} does not strike{f' at {at}' if at else ''} on the way that begins with "
        f"{_text(server)}"
    )


def _text(server: Server | None) -> str:
    if server is None:
        return "no server"
    return f"vm_state {server.vm_state} and task_state {server.task_state or 'none'}"


def _asked(
    server: Server, event: str, microversion: Microversion | str, book: Rulebook
) -> tuple[Request, str]:
    """The row and the word of an event; UnknownEventError if it has none."""
    known = _outcomes(book)
    if event not in known:
        raise UnknownEventError(event, _near(event, book))
    row, word = known[event]
    return Request(row, server, Actor.ADMIN, Microversion(microversion), book), word


@cache
def _outcomes(book: Rulebook) -> Mapping[str, tuple[Action, str]]:
    """Every event that may come of a row's work, with the row and the word."""
    return {f"{row.name}.{word}": (row, word) for row in book for word in words(row)}


def _near(event: object, book: Rulebook) -> Iterable[str]:
    """The events that may be meant: those of the same action, if it is one."""
    name = event.rpartition(".")[0] if isinstance(event, str) else ""
    same = [known for known in _outcomes(book) if known.rpartition(".")[0] == name]
    return same or [*_outcomes(book), *_SIGHTS, *TIMERS_BY_OPTION]
