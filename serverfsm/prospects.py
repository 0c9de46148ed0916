"""What a server may show after a request was accepted: on the way, at a good end, at a bad one.

Every run of the table is followed to each of its ends; who waits for which is `waiting.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from serverfsm.check import check
from serverfsm.errors import ImpossibleEventError, MalformedServerError
from serverfsm.requests import ActionName, Actor, Microversion, action_names
from serverfsm.rows import Action, End
from serverfsm.rulebook import Rulebook
from serverfsm.server import Server
from serverfsm.states import Family, LockedBy, PowerState, Status, TaskState, VmState
from serverfsm.step import Step, accept, concerns, follow
from serverfsm.unprompted import TIMERS
from serverfsm.verdict import RefusedError

__all__ = ["GONE", "Prospect", "Sight", "prospect"]

Sight = tuple[Status, TaskState | None]
"""What GET /servers/{id} shows of a server's state; with no task under way it tells all of it."""

GONE: Sight = (Status.DELETED, None)


@dataclass(frozen=True, slots=True)
class Prospect:
    """Everything that may be seen after a request was accepted, and what it means.

    Attributes:
        origins: what was seen before the request.
        way: what is seen on the way to a good end.
        good: what is seen at a good end; with each the timer that brings it about, "" for none.
        bad: what is seen of a failure, with the failures' names; some may be in `way` or `good`.
        endless: the failures that leave the server looking as if the work went on.
        at_once: whether all work was done when the request was answered.
        overtakes: whether the request may have been accepted over another's task.
        families: what the tasks on the way belong to.
    """

    origins: frozenset[Sight]
    way: frozenset[Sight]
    good: Mapping[Sight, str]
    bad: Mapping[Sight, tuple[str, ...]]
    endless: tuple[str, ...]
    at_once: bool
    overtakes: bool
    families: frozenset[Family]


@dataclass(slots=True)
class _Asker:
    """Who asks, by whose rules."""

    actor: Actor | str
    microversion: Microversion
    rulebook: Rulebook

    def follow(
        self, server: Server | None, name: str, failure: str = "done", at: TaskState | None = None
    ) -> tuple[Step, ...]:
        return follow(
            server,
            name,
            failure=failure,
            at=at,
            actor=self.actor,
            microversion=self.microversion,
            rulebook=self.rulebook,
        )


@dataclass(slots=True)
class _Run:
    """One fully known server's prospect, while it is being found."""

    way: set[Sight] = field(default_factory=set)
    good: dict[Sight, str] = field(default_factory=dict)
    bad: dict[Sight, dict[str, None]] = field(default_factory=dict)
    ends: dict[Sight, dict[str, None]] = field(default_factory=dict)  # of the failures alone
    is_gone: bool = False  # at its good end


def prospect(
    server: Server | None,
    action: ActionName | str,
    *,
    actor: Actor | str,
    microversion: Microversion | str,
    rulebook: Rulebook,
) -> Prospect:
    """Return what may be seen of a server after this request was accepted.

    Args:
        server: as it was before the request; None: there was none. What is not known of it may
            be anything with which the request is accepted. Where only the status is known, no
            task was under way, unless the status means that one was.
        action, actor, microversion, rulebook: as `check`.

    Raises:
        RefusedError: the request is not accepted.
        MalformedServerError: too little is known of the server: what is a good end for one that
            it may be is a step on the way for another.
        UnknownActionError, UnknownActorError, UnknownMicroversionError: as `check`.

    >>> from serverfsm.rulebook import API_REFERENCE
    >>> seen = prospect(Server("active"), "os-stop", actor="member", microversion="latest",
    ...                 rulebook=API_REFERENCE)
    >>> [(status.value, task) for status, task in seen.good], list(seen.bad.values())
    ([('SHUTOFF', None)], [('driver-error',)])
    """
    asker = _Asker(actor, Microversion(microversion), rulebook)
    accepted = list(_accepted(server, action, asker))
    runs = [_run(case, row, asker) for case, row in accepted]
    way = frozenset(sight for run in runs for sight in run.way)
    good = {sight: timer for run in reversed(runs) for sight, timer in run.good.items()}
    if both := sorted(f"{status}, task {task or 'none'}" for status, task in way & good.keys()):
        raise MalformedServerError(
            f"{action} of a server in status {_status(server)}: too little is known of the server "
            f"to say whether {both[0]} is the end; give its vm_state and task_state before it"
        )
    bad = _collected(run.bad for run in runs)
    ends = _collected(run.ends for run in runs)
    return Prospect(
        frozenset(_sight(case) for case, _ in accepted if case is not None),
        way,
        good,
        {sight: tuple(names) for sight, names in bad.items()},
        tuple(dict.fromkeys(name for sight in way for name in ends.get(sight, ()))),
        not way and not any(run.is_gone for run in runs),
        any(case is not None and case.task_state is not None for case, _ in accepted),
        frozenset(task.family for _, row in accepted for task in row.during if task.family),
    )


def _collected(found: Iterable[dict[Sight, dict[str, None]]]) -> dict[Sight, dict[str, None]]:
    every: dict[Sight, dict[str, None]] = {}
    for each in found:
        for sight, names in each.items():
            every.setdefault(sight, {}).update(names)
    return every


def _status(server: Server | None) -> str:
    return "none" if server is None else server.status.value


def _sight(server: Server) -> Sight:
    return server.status, server.task_state


# ------------------------------------------------------------------- which server, which action


def _accepted(
    server: Server | None, action: ActionName | str, asker: _Asker
) -> Iterator[tuple[Server | None, Action]]:
    """Every fully known server that it may be and every variant, as far as it is accepted."""
    refused = None
    found = False
    for name in action_names(action):
        for case in (None,) if server is None else _possible(server):
            verdict = check(case, name, asker.actor, asker.microversion, asker.rulebook)
            if not verdict:
                refused = refused or verdict
                continue
            found = True
            assert verdict.request is not None  # an action was asked for
            row = verdict.request.row
            for each in _with_powers(case, row):
                yield each, row
    if not found:
        asked = check(server, action, asker.actor, asker.microversion, asker.rulebook)
        raise RefusedError(refused or asked)


def _possible(server: Server) -> Iterator[Server]:
    """Every server that this may be: what the API does not show may be anything."""
    cases: Iterable[Server] = (server,)
    backings: tuple[bool, ...] = (server.volume_backed,)
    if server.vm_state is None:
        every = tuple(server.possible())
        cases = tuple(each for each in every if each.task_state is None) or every
        backings = (True,) if server.volume_backed else (False, True)
    for each, backed in product(cases, backings):
        is_resized = each.vm_state is VmState.RESIZED and each.vm_state_before_resize is None
        befores = (
            (VmState.ACTIVE, VmState.STOPPED) if is_resized else (each.vm_state_before_resize,)
        )
        nobody_knows = each.locked and each.locked_by is None
        owners = tuple(LockedBy) if nobody_knows else (each.locked_by,)
        for before, owner in product(befores, owners):
            yield replace(
                each, volume_backed=backed, vm_state_before_resize=before, locked_by=owner
            )


def _with_powers(server: Server | None, row: Action) -> Iterator[Server | None]:
    """The server, and where the end depends on a power state that is not known, with each."""
    yield server
    ends = (end for each in row.success for end in (each.end, *(seen[0] for seen in each.passing)))
    depends = End.POWER_STATE in ends
    if server is not None and depends and server.power_state is PowerState.NOSTATE:
        yield replace(server, power_state=PowerState.SHUTDOWN)


# --------------------------------------------------------------------------- what becomes of it


def _run(server: Server | None, row: Action, asker: _Asker) -> _Run:
    run = _Run()
    steps = _good_steps(server, row, asker)
    seen = [each for step in steps for each in (*step.passing, step.server) if each is not None]
    end = seen.pop()
    run.is_gone = end.deleted
    run.good[_sight(end)] = ""
    run.way.update(map(_sight, seen))
    run.way -= run.good.keys()
    tasks = tuple(dict.fromkeys(each.task_state for each in seen if each.task_state is not None))
    # What was done when the request was answered would have been refused had it failed.
    failing = _bad_ends(server, row, tasks, asker) if len(steps) > 1 else ()
    for name, step in failing:
        assert step.server is not None
        run.ends.setdefault(_sight(step.server), {})[name] = None
        for each in (*step.passing, step.server):
            run.bad.setdefault(_sight(each), {})[name] = None
    for sight, timer in _timed(end, asker):
        if sight not in run.way and sight not in run.bad:
            run.good.setdefault(sight, timer)
    return run


def _good_steps(server: Server | None, row: Action, asker: _Asker) -> tuple[Step, ...]:
    if row.sources.run:
        return asker.follow(server, row.name)
    book, version = asker.rulebook, asker.microversion
    return (accept(server, row.name, actor=asker.actor, microversion=version, rulebook=book),)


def _bad_ends(
    server: Server | None, row: Action, tasks: tuple[TaskState, ...], asker: _Asker
) -> Iterator[tuple[str, Step]]:
    """The last step of every failing run, whatever the hypervisor says of the guest by then."""
    for name in dict.fromkeys(failure.name for failure in row.failures):
        for case, at in product(_with_failing_powers(server, row), tasks or (None,)):
            try:
                yield name, asker.follow(case, row.name, name, at)[-1]
            except ImpossibleEventError:
                continue  # it does not strike there


def _with_failing_powers(server: Server | None, row: Action) -> Iterator[Server | None]:
    yield server
    named = {power for each in row.failures for power in each.when.power_states or ()}
    if server is not None:
        for power in sorted(named - {server.power_state}):
            yield replace(server, power_state=power)


def _timed(end: Server, asker: _Asker) -> Iterator[tuple[Sight, str]]:
    """What a timer makes of a good end that nobody looked at in time."""
    for timer in TIMERS:
        if getattr(asker.rulebook.options, timer.option) <= 0 or not concerns(timer, end):
            continue
        if timer.end is End.GONE:
            yield GONE, timer.option
        elif timer.event is not None:
            by_itself = _Asker(Actor.ADMIN, asker.microversion, asker.rulebook)
            after = by_itself.follow(end, timer.event)[-1].server
            assert after is not None
            yield _sight(after), timer.option
