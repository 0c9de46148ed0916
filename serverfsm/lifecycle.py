"""The table as a graph: every (start, event, end), with who or what causes it.

Whatever draws, plans, verifies or tests reads this and not the rows again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from serverfsm.requests import Guard, Policy
from serverfsm.rows import Action, End, Outcome, Timer
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import TaskState, VmState

__all__ = ["GONE", "Cause", "Edge", "State", "edges", "state_name"]

State = tuple[VmState, TaskState | None]
"""A vm_state and the task under way, None for none."""

GONE: State = (VmState.DELETED, None)


class Cause(StrEnum):
    """Who or what brings an edge about."""

    PERSON = "person"
    ADMINISTRATOR = "administrator"
    SYSTEM = "system"
    TIMER = "timer"
    FAILURE = "failure"


class Edge(NamedTuple):
    """One step in the life of a server.

    Attributes:
        start: the state before; None: there is no server yet.
        event: the action's name for its acceptance; then "NAME.progress", "NAME.done", or
            "NAME." and the failure; for a timer its option.
        end: the state afterwards.
        cause: who or what brings it about.
        row: the row that says so.
        outcome: for the asynchronous half, the outcome of the row that it belongs to.
    """

    start: State | None
    event: str
    end: State
    cause: Cause
    row: Action | Timer
    outcome: Outcome | None = None


def state_name(state: State) -> str:
    """Return a state as one word: the vm_state, and the task after a plus sign.

    >>> state_name((VmState.ACTIVE, TaskState.POWERING_OFF))
    'active+powering-off'
    """
    vm_state, task_state = state
    return vm_state.value if task_state is None else f"{vm_state.value}+{task_state.value}"


@cache
def edges(rulebook: Rulebook = API_REFERENCE) -> tuple[Edge, ...]:
    """Return every edge, in the table's order: all states, all actions, all their outcomes.

    >>> stop = [edge for edge in edges() if edge.event == "os-stop.done"]
    >>> [(state_name(edge.start), state_name(edge.end)) for edge in stop]
    [('active+powering-off', 'stopped'), ('error+powering-off', 'stopped')]
    """
    from serverfsm.table import TIMERS

    found: dict[Edge, None] = {}
    for row in rulebook:
        found.update(dict.fromkeys(_accepting(row)))
        if row.sources.run:
            found.update(dict.fromkeys(_running(row)))
    for timer in TIMERS:
        found.update(dict.fromkeys(_ticking(timer, rulebook)))
    return tuple(found)


def _accepting(row: Action) -> Iterator[Edge]:
    if row.removed is not None:
        return
    cause = Cause.ADMINISTRATOR if row.policy is Policy.ADMIN else Cause.PERSON
    for start in _starts(row):
        for end in _written(row, start):
            yield Edge(start, row.name.value, end, cause, row)


def _starts(row: Action) -> Iterable[State | None]:
    if Guard.ABSENT in row.guards:
        return (None,)
    return [(vm, task) for vm in VmState for task in (None, *TaskState) if row.accepts(vm, task)]


def _written(row: Action, start: State | None) -> Iterator[State]:
    """Every state that accepting the row in `start` may write."""
    for write in row.writes:
        among = row.volume_backed_vm_states if write.when.volume_backed else None
        if start is not None and among is not None and start[0] not in among:
            continue
        vm_state = write.values.get("vm_state", start[0] if start else None)
        task_state = write.values.get("task_state", start[1] if start else None)
        assert isinstance(vm_state, VmState)
        assert task_state is None or isinstance(task_state, TaskState)
        yield vm_state, task_state
    if not row.writes and start is not None:
        yield start


def _running(row: Action) -> Iterator[Edge]:
    for origin in row.origins or (VmState.BUILDING,):
        for outcome in row.successes(origin):
            yield from _success(row, outcome, origin)
        for failure in row.failures:
            yield from _failure(row, failure, origin)


def _path(outcome: Outcome, origin: VmState) -> list[State]:
    return [step if isinstance(step, tuple) else (origin, step) for step in outcome.path]


def _success(row: Action, outcome: Outcome, origin: VmState) -> Iterator[Edge]:
    path = _path(outcome, origin)
    if row.writes and not path:
        return  # what acceptance wrote was all
    for start, end in pairwise(path):
        yield Edge(start, f"{row.name}.progress", end, Cause.SYSTEM, row, outcome)
    last = path[-1] if path else (origin, None)
    for end in _ends(outcome, origin):
        if path or end != last:
            yield Edge(last, f"{row.name}.done", end, Cause.SYSTEM, row, outcome)


def _failure(row: Action, failure: Outcome, origin: VmState) -> Iterator[Edge]:
    strikes = set(failure.path)
    starts: dict[State, None] = {}
    for success in row.successes(origin):
        path = zip(success.path, _path(success, origin), strict=True)
        starts.update({state: None for step, state in path if not strikes or step in strikes})
    if not strikes and not row.during:
        starts[(origin, None)] = None
    for start in starts:
        for end in _ends(failure, start[0]):
            if start != end or failure.left is not None:
                yield Edge(start, f"{row.name}.{failure.name}", end, Cause.FAILURE, row, failure)


def _ends(outcome: Outcome, origin: VmState) -> list[State]:
    if outcome.end is End.GONE:
        return [GONE]
    return [(vm_state, outcome.left) for vm_state in outcome.ends(origin)]


def _ticking(timer: Timer, rulebook: Rulebook) -> Iterator[Edge]:
    for vm_state in VmState:
        if timer.vm_states is not None and vm_state not in timer.vm_states:
            continue
        for task_state in (None, *TaskState):
            if timer.task_states is not None and task_state not in timer.task_states:
                continue
            start = (vm_state, task_state)
            for end in _timed_ends(timer, rulebook, start):
                yield Edge(start, timer.option, end, Cause.TIMER, timer)


def _timed_ends(timer: Timer, rulebook: Rulebook, start: State) -> Iterable[State]:
    if timer.event is not None:
        return _written(rulebook[timer.event], start)
    if timer.end is End.GONE:
        return (GONE,)
    task_state = start[1] if timer.leaves_task else None
    return ((timer.end, task_state),) if isinstance(timer.end, VmState) else ()
