"""Which row's work may be under way on a server, how far it is, and what may come of it next.

Only the reading of paths and conditions belongs here. What depends on a row and a pair of states
alone is worked out once and kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from serverfsm.guards import Request, condition_holds
from serverfsm.requests import Guard
from serverfsm.rows import ALWAYS, Action, Outcome, Step, When
from serverfsm.states import TaskState, VmState

__all__ = ["DONE", "PROGRESS", "due", "goes_on", "may_run", "state_at", "ways", "words"]

PROGRESS, DONE = "progress", "done"


@cache
def words(row: Action) -> tuple[str, ...]:
    """What may come of a row's work: each is the last part of an event's name."""
    names = (PROGRESS, DONE, *(each.name for each in row.failures))
    return tuple(dict.fromkeys(names)) if row.sources.run else ()


def due(request: Request, word: str) -> Iterator[tuple[Outcome, Step | None]]:
    """The outcome that the word stands for now, and the step that follows; None at its end."""
    row = request.row
    if word == PROGRESS:
        for outcome, place in ways(request):
            if place + 1 < len(outcome.path):
                yield outcome, outcome.path[place + 1]
            return
    elif word == DONE:
        for outcome, place in ways(request):
            if place + 1 == len(outcome.path) and goes_on(row, outcome):
                yield outcome, None
            return
    else:
        for outcome in row.failures:
            if outcome.name == word and _strikes(request, outcome):
                yield outcome, None


def ways(request: Request) -> Iterator[tuple[Outcome, int]]:
    """Every way to succeed on which the server is, with its place on it; -1 before the first.

    Where the vm_state is still that of the origin, the first outcome that holds is the way.
    """
    server = request.server
    assert server is not None
    is_decided = False
    for outcome, places in _places(request.row, server.vm_state, server.task_state):
        is_the_way = not is_decided and _holds(request, outcome, None)
        for place in places:
            step = outcome.path[place] if place >= 0 else None
            if is_the_way or (isinstance(step, tuple) and _holds(request, outcome, step)):
                yield outcome, place
        is_decided = is_decided or is_the_way


def may_run(row: Action, vm_state: VmState | None, task_state: TaskState | None) -> bool:
    """Whether the row's work comes by this pair of states at all, whatever else must hold."""
    return bool(row.sources.run and _places(row, vm_state, task_state))


@cache
def _places(
    row: Action, vm_state: VmState | None, task_state: TaskState | None
) -> tuple[tuple[Outcome, tuple[int, ...]], ...]:
    """Every way to succeed with the places where the pair stands on it; empty if on none."""
    found = []
    for outcome in row.success:
        places = [
            place
            for place, step in enumerate(outcome.path)
            if _is_at(row, step, vm_state, task_state)
        ]
        is_idle = task_state is None and vm_state in _beginnings(row)
        if is_idle and not outcome.path and goes_on(row, outcome):
            places = [-1]
        found.append((outcome, tuple(places)))
    return tuple(found) if any(places for _, places in found) else ()


def _strikes(request: Request, failure: Outcome) -> bool:
    row, server = request.row, request.server
    assert server is not None
    pair = server.vm_state, server.task_state
    here = [step for step in failure.path if _is_at(row, step, *pair)] if failure.path else [None]
    return any(_holds(request, failure, step) for step in here) and any(
        goes_on(row, outcome) for outcome, _ in ways(request)
    )


def goes_on(row: Action, outcome: Outcome) -> bool:
    """Whether anything follows acceptance on this way: else what that wrote was all."""
    return bool(outcome.path) or not row.writes_state


def _is_at(row: Action, step: Step, vm_state: VmState | None, task_state: TaskState | None) -> bool:
    """Whether this pair of states is this step of the row."""
    if isinstance(step, tuple):
        return (vm_state, task_state) == step
    return task_state is step and vm_state in _beginnings(row)


@cache
def _beginnings(row: Action) -> frozenset[VmState]:
    """Every vm_state that may still be that of the origin while the row's work is under way."""
    built = {VmState.BUILDING} if Guard.ABSENT in row.guards else set()
    return frozenset(row.runs_in) | built


def _holds(request: Request, outcome: Outcome, step: Step | None) -> bool:
    # On a step that names its own vm_state, the origin is not the server's vm_state any more.
    when = outcome.when
    if when is ALWAYS:
        return True
    return condition_holds(request, _anywhere(when) if isinstance(step, tuple) else when)[0]


@cache
def _anywhere(when: When) -> When:
    """The condition without that on the vm_state."""
    return replace(when, vm_states=None)


def state_at(step: Step, request: Request) -> tuple[VmState, TaskState | None]:
    if isinstance(step, tuple):
        return step
    assert request.server is not None
    assert request.server.vm_state is not None
    return request.server.vm_state, step
