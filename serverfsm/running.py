"""Which row's work may be under way on a server, how far it is, and what may come of it next.

Only the reading of paths and conditions belongs here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from serverfsm.guards import Request, condition_holds
from serverfsm.requests import Guard
from serverfsm.rows import Action, Outcome, Step
from serverfsm.states import TaskState, VmState

__all__ = ["DONE", "PROGRESS", "due", "goes_on", "state_at", "ways", "words"]

PROGRESS, DONE = "progress", "done"


def words(row: Action) -> Iterator[str]:
    if row.sources.run:
        yield from dict.fromkeys((PROGRESS, DONE, *(each.name for each in row.failures)))


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
    is_decided = False
    for outcome in request.row.success:
        is_the_way = not is_decided and _holds(request, outcome, None)
        for place, step in enumerate(outcome.path):
            if not _is_at(step, request):
                continue
            if is_the_way or (isinstance(step, tuple) and _holds(request, outcome, step)):
                yield outcome, place
        if is_the_way and not outcome.path and _is_idle_origin(request):
            yield outcome, -1
        is_decided = is_decided or is_the_way


def _strikes(request: Request, failure: Outcome) -> bool:
    if not any(goes_on(request.row, outcome) for outcome, _ in ways(request)):
        return False
    if not failure.path:
        return _holds(request, failure, None)
    return any(_is_at(step, request) and _holds(request, failure, step) for step in failure.path)


def goes_on(row: Action, outcome: Outcome) -> bool:
    """Whether anything follows acceptance on this way: else what that wrote was all."""
    return bool(outcome.path) or not row.writes_state


def _is_at(step: Step, request: Request) -> bool:
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
    return vm_state in row.runs_in or (Guard.ABSENT in row.guards and vm_state is VmState.BUILDING)


def _holds(request: Request, outcome: Outcome, step: Step | None) -> bool:
    # On a step that names its own vm_state, the origin is not the server's vm_state any more.
    when = replace(outcome.when, vm_states=None) if isinstance(step, tuple) else outcome.when
    return condition_holds(request, when)[0]


def state_at(step: Step, request: Request) -> tuple[VmState, TaskState | None]:
    if isinstance(step, tuple):
        return step
    assert request.server is not None
    assert request.server.vm_state is not None
    return request.server.vm_state, step
