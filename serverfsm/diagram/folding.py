"""The lifecycle's graph folded: what each event comes to between states without a task.

A request, its progress and its end are one fold; so is each of its failures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from serverfsm.lifecycle import Edge, State, edges
from serverfsm.requests import ActionName
from serverfsm.rows import Action, Cause, Reaction, Timer
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import VmState

__all__ = ["MOST", "Fold", "failed_state", "folds", "hub", "is_passing", "universal"]

MOST = 3 / 4  # of all other states: from so many on, an event is said to come from anywhere


class Fold(NamedTuple):
    """From one vm_state to another, or staying there, by one event.

    Attributes:
        start: the vm_state before; None: there is no server yet.
        event: the action's name; of what the system does later, the name and ".done"; of a
            failure the name, a dot and the failure; of a timer its option; of what Nova does
            on seeing a guest the occasion.
        end: the vm_state afterwards.
        cause: who or what brings it about.
        row: the row that says so.
        edges: every edge of the lifecycle that is folded here.
    """

    start: VmState | None
    event: str
    end: VmState
    cause: Cause
    row: Action | Timer | Reaction
    edges: frozenset[Edge] = frozenset()

    @property
    def is_failure(self) -> bool:
        """Whether it is an action that went wrong."""
        return self.cause is Cause.FAILURE

    @property
    def stays(self) -> bool:
        """Whether the vm_state is afterwards what it was before."""
        return self.start is self.end


@cache
def folds(rulebook: Rulebook = API_REFERENCE) -> tuple[Fold, ...]:
    """Return every fold of what begins where no task is under way, in the table's order.

    >>> [(fold.start.value, fold.end.value) for fold in folds() if fold.event == "pause"]
    [('active', 'paused')]
    """
    graph = _Graph(edges(rulebook))
    found: dict[tuple[object, ...], Fold] = {}
    for edge in graph.edges:
        if _is_first(edge):
            for fold in graph.walk(edge):
                key = fold[:4]
                known = found.get(key)
                found[key] = fold._replace(edges=fold.edges | known.edges) if known else fold
    return tuple(found.values())


def _is_first(edge: Edge) -> bool:
    """Whether it begins something, in a state without a task."""
    return edge.outcome is None and (edge.start is None or edge.start[1] is None)


class _Graph:
    """The edges, and those of each action's work by their start."""

    def __init__(self, found: tuple[Edge, ...]) -> None:
        self.edges = found
        work: dict[tuple[ActionName, State], list[Edge]] = defaultdict(list)
        for edge in found:
            if isinstance(edge.row, Action) and edge.outcome is not None and edge.start:
                work[edge.row.name, edge.start].append(edge)
        self._work: Mapping[tuple[ActionName, State], list[Edge]] = work

    def walk(self, first: Edge) -> Iterator[Fold]:
        """Every fold that begins with this edge."""
        start = first.start[0] if first.start else None
        event = first.row.name if isinstance(first.row, Reaction) else first.event
        # Where it stands, since which vm_state, by which event and cause, and the edges so far.
        begun = Fold(start, event, first.end[0], first.cause, first.row, frozenset((first,)))
        todo = [(first.end, self._passed(begun, first.end))]
        if start is None:
            yield begun
        seen: set[State] = set()
        while todo:
            state, fold = todo.pop(0)
            seen.add(state)
            following = self._following(first, state)
            if not any(edge.cause is Cause.SYSTEM for edge in following):
                yield fold._replace(end=state[0])
            for edge in following:
                if edge.cause is Cause.FAILURE:
                    yield _fold_of(edge, state[0])
                    continue
                step = fold._replace(end=edge.end[0], edges=fold.edges | {edge})
                if edge.start != edge.end and edge.end not in seen:
                    todo.append((edge.end, self._passed(step, edge.end)))

    def _passed(self, fold: Fold, state: State) -> Fold:
        """A server that is built is shown while it is: from there, another fold goes on."""
        if fold.start is None and isinstance(fold.row, Action):
            return Fold(state[0], f"{fold.row.name.value}.done", state[0], Cause.SYSTEM, fold.row)
        return fold

    def _following(self, first: Edge, state: State) -> list[Edge]:
        name = _work_of(first.row)
        return self._work.get((name, state), []) if name is not None else []


def _fold_of(edge: Edge, start: VmState) -> Fold:
    return Fold(start, edge.event, edge.end[0], edge.cause, edge.row, frozenset((edge,)))


def _work_of(row: Action | Timer | Reaction) -> ActionName | None:
    if isinstance(row, Action):
        return row.name
    return row.event if isinstance(row, Timer) else row.then


def universal(
    found: Iterable[Fold], states: Iterable[VmState]
) -> dict[tuple[str, VmState], frozenset[VmState]]:
    """Return the events that lead to one state from nearly anywhere, each with its exceptions.

    The key is the event and its end; the value every other state from which it does not lead
    there.
    """
    starts: dict[tuple[str, VmState], set[VmState]] = defaultdict(set)
    for fold in found:
        if fold.start is not None:
            starts[fold.event, fold.end].add(fold.start)
    everything = frozenset(states)
    return {
        (event, end): everything - among - {end}
        for (event, end), among in starts.items()
        if len(among - {end}) >= MOST * len(everything - {end})
    }


@cache
def hub(rulebook: Rulebook = API_REFERENCE) -> VmState:
    """Return the state in which most of what is done to servers ends.

    >>> hub().value
    'active'
    """
    ends: Counter[VmState] = Counter()
    for start, end in {(fold.start, fold.end) for fold in folds(rulebook) if not fold.stays}:
        ends[end] += bool(start)
    return _commonest(ends, rulebook)


@cache
def failed_state(rulebook: Rulebook = API_REFERENCE) -> VmState:
    """Return the state in which most failures leave a server that do not leave it as it was.

    >>> failed_state().value
    'error'
    """
    found = folds(rulebook)
    return _commonest(
        Counter(fold.end for fold in found if fold.is_failure and not fold.stays), rulebook
    )


def _commonest(counted: Counter[VmState], rulebook: Rulebook) -> VmState:
    after_work = {
        fold.end for fold in folds(rulebook) if isinstance(fold.row, Action) and fold.row.during
    }
    return max((vm for vm in VmState if vm in after_work), key=lambda vm: counted[vm])


@cache
def is_passing(vm_state: VmState, rulebook: Rulebook = API_REFERENCE) -> bool:
    """Whether no work ever leaves a server in this state without a task, as in building.

    >>> is_passing(VmState.BUILDING), is_passing(VmState.RESIZED)
    (True, False)
    """
    return not any(
        edge.end == (vm_state, None) and (edge.event.endswith(".done") or _resets(edge))
        for edge in edges(rulebook)
    )


def _resets(edge: Edge) -> bool:
    """Whether a request alone brings a server to another vm_state."""
    return edge.outcome is None and edge.start is not None and edge.start[0] is not edge.end[0]
