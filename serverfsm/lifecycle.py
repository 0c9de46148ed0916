"""The table as a graph: every (start, event, end), with who or what causes it.

Whatever draws, plans, verifies or tests reads this and not the rows again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from serverfsm.options import Options
from serverfsm.requests import Guard, Policy
from serverfsm.rows import ALWAYS, Action, Cause, End, Outcome, Reaction, Timer, When
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import PowerState, TaskState, VmState
from serverfsm.unprompted import REACTIONS, TIMERS

__all__ = ["GONE", "Cause", "Edge", "State", "edges", "state_name"]

State = tuple[VmState, TaskState | None]
"""A vm_state and the task under way, None for none."""

GONE: State = (VmState.DELETED, None)


class Edge(NamedTuple):
    """One step in the life of a server.

    Attributes:
        start: the state before; None: there is no server yet.
        event: the action's name for its acceptance; then "NAME.progress", "NAME.done", or
            "NAME." and the failure; for a timer its option; for what Nova does on seeing a
            guest the occasion, a dot, and the guest's power state.
        end: the state afterwards.
        cause: who or what brings it about.
        row: the row that says so.
        outcome: for the asynchronous half, the outcome of the row that it belongs to.
    """

    start: State | None
    event: str
    end: State
    cause: Cause
    row: Action | Timer | Reaction
    outcome: Outcome | None = None


def state_name(state: State) -> str:
    """Return a state as one word: the vm_state, and the task after a plus sign.

    >>> state_name((VmState.ACTIVE, TaskState.POWERING_OFF))
    'active+powering-off'
    """
    vm_state, task_state = state
    return vm_state.value if task_state is None else f"{vm_state.value}+{task_state.value}"


def edges(rulebook: Rulebook = API_REFERENCE, options: Options | None = None) -> tuple[Edge, ...]:
    """Return every edge, in the table's order: all states, all actions, all their outcomes.

    Args:
        rulebook: whose rules.
        options: the operator's. None: the edges of every setting of them, with the rulebook's
            hypervisor.

    >>> stop = [edge for edge in edges() if edge.event == "os-stop.done"]
    >>> [(state_name(edge.start), state_name(edge.end)) for edge in stop]
    [('active+powering-off', 'stopped'), ('paused+powering-off', 'stopped'), \
('stopped+powering-off', 'stopped'), ('error+powering-off', 'stopped')]
    >>> timers = {edge.event for edge in edges(options=Options()) if edge.cause is Cause.TIMER}
    >>> sorted(timers)[:2]
    ['power-sync.CRASHED', 'power-sync.PAUSED']
    """
    return _edges(rulebook.having(options), options is not None)


@cache
def _edges(rulebook: Rulebook, is_exact: bool) -> tuple[Edge, ...]:
    world = _World(rulebook, is_exact)
    found: dict[Edge, None] = {}
    for row in rulebook:
        found.update(dict.fromkeys(_accepting(row, world)))
        if row.sources.run:
            found.update(dict.fromkeys(_running(row, world)))
    for timer in TIMERS:
        if not is_exact or getattr(rulebook.options, timer.option) >= timer.on_from:
            found.update(dict.fromkeys(_ticking(timer, world)))
    found.update(dict.fromkeys(_reacting()))
    return tuple(found)


class _World(NamedTuple):
    """What is known besides the server's state."""

    rulebook: Rulebook
    is_exact: bool  # whether the options are known, or any

    def rest(self, when: When) -> When | None:
        """What of a condition remains to be seen; None if it cannot hold."""
        if when.driver not in (None, self.rulebook.options.compute_driver):
            return None
        if (
            self.is_exact
            and when.option is not None
            and not self.rulebook.option_holds(when.option)
        ):
            return None
        if when.driver is None and (when.option is None or not self.is_exact):
            return when  # nothing of it is known
        return replace(when, driver=None, option=None if self.is_exact else when.option)

    def successes(self, row: Action, origin: VmState) -> Iterator[Outcome]:
        """The ways in which a row may succeed from here: up to the first that is certain."""
        for outcome in row.success:
            when = self.rest(outcome.when)
            if when is not None and (when.vm_states is None or origin in when.vm_states):
                yield outcome
                if when in (ALWAYS, When(vm_states=when.vm_states)):
                    return


def _accepting(row: Action, world: _World) -> Iterator[Edge]:
    if row.removed is not None:
        return
    cause = Cause.ADMINISTRATOR if row.policy is Policy.ADMIN else Cause.PERSON
    for start in _starts(row):
        for end in _written(row, start, world):
            yield Edge(start, row.name.value, end, cause, row)


def _starts(row: Action) -> Iterable[State | None]:
    if Guard.ABSENT in row.guards:
        return (None,)
    return [(vm, task) for vm in VmState for task in (None, *TaskState) if row.accepts(vm, task)]


def _written(row: Action, start: State | None, world: _World) -> Iterator[State]:
    """Every state that accepting the row in `start` may write."""
    for write in row.writes:
        when = world.rest(write.when)
        among = row.volume_backed_vm_states if write.when.volume_backed else None
        if when is None or (start is not None and among is not None and start[0] not in among):
            continue
        vm_state = write.values.get("vm_state", start[0] if start else None)
        task_state = write.values.get("task_state", start[1] if start else None)
        assert isinstance(vm_state, VmState)
        assert task_state is None or isinstance(task_state, TaskState)
        yield vm_state, task_state
        if when == ALWAYS:
            return
    if not row.writes and start is not None:
        yield start


def _running(row: Action, world: _World) -> Iterator[Edge]:
    for origin in row.runs_in or (VmState.BUILDING,):
        successes = tuple(world.successes(row, origin))
        for outcome in successes:
            yield from _success(row, outcome, origin)
        for failure in row.failures:
            among = failure.when.vm_states
            if world.rest(failure.when) is not None and (among is None or origin in among):
                yield from _failure(row, failure, origin, successes)


def _path(outcome: Outcome, origin: VmState) -> list[State]:
    return [step if isinstance(step, tuple) else (origin, step) for step in outcome.path]


def _success(row: Action, outcome: Outcome, origin: VmState) -> Iterator[Edge]:
    path = _path(outcome, origin)
    if row.writes_state and not path:
        return  # what acceptance wrote was all
    for start, end in pairwise(path):
        yield Edge(start, f"{row.name}.progress", end, Cause.SYSTEM, row, outcome)
    last = path[-1] if path else (origin, None)
    for end in _ends(outcome, (origin, None)):
        if path or end != last:
            yield Edge(last, f"{row.name}.done", end, Cause.SYSTEM, row, outcome)


def _failure(
    row: Action, failure: Outcome, origin: VmState, successes: Iterable[Outcome]
) -> Iterator[Edge]:
    strikes = set(failure.path)
    starts: dict[State, None] = {}
    for success in successes:
        path = zip(success.path, _path(success, origin), strict=True)
        starts.update({state: None for step, state in path if not strikes or step in strikes})
    if not strikes and not row.during:
        starts[(origin, None)] = None
    for start in starts:
        for end in _ends(failure, start):
            if start != end or failure.left is not None:
                yield Edge(start, f"{row.name}.{failure.name}", end, Cause.FAILURE, row, failure)


def _ends(outcome: Outcome, start: State) -> list[State]:
    if outcome.end is End.GONE:
        return [GONE]
    left = start[1] if outcome.left == "kept" else outcome.left
    return [(vm_state, left) for vm_state in outcome.ends(start[0])]


def _ticking(timer: Timer, world: _World) -> Iterator[Edge]:
    for vm_state in VmState:
        if timer.vm_states is not None and vm_state not in timer.vm_states:
            continue
        for task_state in (None, *TaskState):
            if timer.task_states is not None and task_state not in timer.task_states:
                continue
            start = (vm_state, task_state)
            for end in _timed_ends(timer, world, start):
                yield Edge(start, timer.option, end, Cause.TIMER, timer)


def _timed_ends(timer: Timer, world: _World, start: State) -> Iterable[State]:
    if timer.event is not None:
        return _written(world.rulebook[timer.event], start, world)
    if timer.end is End.GONE:
        return (GONE,)
    task_state = start[1] if timer.leaves_task else None
    return ((timer.end, task_state),) if isinstance(timer.end, VmState) else ()


def _reacting() -> Iterator[Edge]:
    """What Nova does on seeing a guest, where that changes the state."""
    for name in dict.fromkeys(row.name for row in REACTIONS):
        rows = [row for row in REACTIONS if row.name == name]
        for vm_state in VmState:
            for task_state in (None, *TaskState):
                start = (vm_state, task_state)
                for guest in PowerState:
                    row = next(row for row in rows if row.applies(vm_state, task_state, guest))
                    end = _reacted(row, start)
                    if end != start:
                        yield Edge(start, f"{name}.{guest.name}", end, row.cause, row)


def _reacted(row: Reaction, start: State) -> State:
    if row.end is End.GONE:
        return GONE
    vm_state = row.end if isinstance(row.end, VmState) else start[0]
    return vm_state, start[1] if row.left == "kept" else row.left
