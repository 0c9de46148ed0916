"""Actions that belong together, with every task of theirs: what leads to a state, and back."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from serverfsm.diagram.folding import hub
from serverfsm.diagram.model import Diagram
from serverfsm.diagram.parts import direction_of, legend, subtitle
from serverfsm.diagram.runs import (
    Place,
    Sketch,
    apart,
    begins,
    comes_back,
    fold_all,
    grouped,
    left_behind,
    single,
    spine_of,
    triggers,
)
from serverfsm.errors import UnknownViewError
from serverfsm.lifecycle import GONE, Edge, State, edges
from serverfsm.requests import Guard
from serverfsm.rows import Action, Cause, Timer
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import VmState

__all__ = ["families", "subjects", "view"]

_MOST_FAILURES = 5  # that are named for one end


def subjects(rulebook: Rulebook = API_REFERENCE) -> tuple[str, ...]:
    """Return the families' names.

    >>> subjects()
    ('resize', 'pause', 'rescue', 'suspend', 'stop', 'shelve', 'delete', 'resetState', 'create')
    """
    return tuple(families(rulebook))


def view(subject: str, rulebook: Rulebook = API_REFERENCE) -> Diagram:
    """Return the picture of one family.

    Raises:
        UnknownViewError: there is no such family.

    >>> view("rescue").title.split(":")[0]
    'The family rescue'
    """
    known = families(rulebook)
    if subject not in known:
        raise UnknownViewError(subject, known, "family")
    rows = known[subject]
    sketch = _sketch(rows, rulebook)
    nodes = sketch.nodes()
    arrows, groups = grouped(sketch.arrows(), nodes)
    failures = {edge.event for edge in sketch.edges() if edge.cause is Cause.FAILURE}
    timers = {edge.row for edge in sketch.edges() if edge.cause is Cause.TIMER}
    tasks = {edge.start[1] for edge in sketch.edges() if edge.start and edge.outcome}
    title = (
        f"The family {subject}: {_count(len(rows), 'action')}, "
        f"{_count(len(tasks - {None}), 'task')}, {_count(len(timers), 'timer')}, "
        f"{_count(len(failures), 'way to fail', 'ways to fail')}"
    )
    names = ", ".join(row.name.value for row in rows)
    return Diagram(
        view="family",
        title=title,
        subtitle=subtitle(rulebook),
        nodes=nodes,
        arrows=arrows,
        groups=groups,
        legend=legend(nodes, arrows),
        notes=(f"Its actions: {names}.",),
        spine=spine_of(sketch, next(iter(sketch.places))),
        direction=direction_of(nodes),
    )


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


# --------------------------------------------------------------------------------- which there are


@cache
def families(rulebook: Rulebook = API_REFERENCE) -> dict[str, tuple[Action, ...]]:
    """Return each family's actions, in the table's order.

    An action that always leaves the hub founds a family, with its variants; those that leave it
    for one and the same state are in one. So are the actions that are accepted where it leads and
    not in the hub.
    """
    centre = hub(rulebook)
    homes: dict[Action, frozenset[VmState | None]] = {}
    for row in rulebook:
        if row.removed is None and (home := _home(row, centre)):
            homes[row] = home
    found: list[tuple[set[Action], set[VmState | None]]] = []
    for row, home in homes.items():
        alike = [each for each in found if each[1] & home]
        found = [each for each in found if each not in alike]
        rows = {row}.union(*(each[0] for each in alike))
        found.append((rows, set(home).union(*(each[1] for each in alike))))
    order = list(rulebook)
    named = []
    for founders, states in found:
        keys = {row.name.key for row in founders}
        variants = {row for row in rulebook if row.name.key in keys}
        rows = variants | _following(states, centre, rulebook)
        named.append((_name(founders, homes, order), rows))
    named.sort(key=lambda each: min(order.index(row) for row in each[1]))
    return {name: tuple(row for row in order if row in rows) for name, rows in named}


def _home(row: Action, centre: VmState) -> frozenset[VmState | None]:
    """Where an action leads from the hub, if it never stays there; nowhere: it makes servers."""
    if Guard.ABSENT in row.guards:
        return frozenset((None,))
    if centre not in row.origins:
        return frozenset()
    ends: set[VmState] = set()
    for outcome in row.successes(centre):
        ends.update(outcome.ends(centre) or (GONE[0],))
    return frozenset(ends) if centre not in ends else frozenset()


def _name(
    founders: Iterable[Action],
    homes: dict[Action, frozenset[VmState | None]],
    order: list[Action],
) -> str:
    """The key of the founder that leads to most of the family's states, the first of equals."""
    rows = sorted(founders, key=lambda row: (-len(homes[row]), order.index(row)))
    return rows[0].name.key.removeprefix("os-")


def _following(states: set[VmState | None], centre: VmState, rulebook: Rulebook) -> set[Action]:
    """What is accepted in these states and not in the hub."""
    return {
        row
        for row in rulebook
        if row.removed is None and centre not in row.origins and states & set(row.origins)
    }


# -------------------------------------------------------------------------------------- the picture


def _sketch(rows: tuple[Action, ...], rulebook: Rulebook) -> Sketch:
    known = edges(rulebook)
    among = {row.name for row in rows}
    own = [edge for edge in known if isinstance(edge.row, Action) and edge.row.name in among]
    begun = [edge for row in rows for edge in triggers(row, known)]
    work = [edge for edge in own if not begins(edge)]
    steps = _steps(own, rulebook)
    sketch = Sketch(most=_MOST_FAILURES, is_shared=True, fails_inside=True)
    for row in sorted(rows, key=lambda row: not _home(row, hub(rulebook))):  # the way there first
        starts = _starts(row, own, rulebook)
        for edge in own:
            if edge.row is row and begins(edge):
                sketch.link(starts[edge.start], steps.get(edge.end) or _end(edge, rulebook), edge)
    for edge in begun:
        assert edge.start is not None
        start = steps.get(edge.start) or single(edge.start, rulebook)
        sketch.link(start, steps.get(edge.end) or single(edge.end, rulebook), edge)
    for edge in work:
        assert edge.start is not None
        start = steps.get(edge.start) or single(edge.start, rulebook)
        sketch.link(start, _outcome(edge, work, steps, rulebook), edge)
    _run_out(sketch, known, rulebook)
    return sketch


def _run_out(sketch: Sketch, known: Iterable[Edge], rulebook: Rulebook) -> None:
    """Add the timers that set no action going, where they find one of the states shown."""
    shown = {
        state: place
        for place in tuple(sketch.places.values())
        for state in place.states
        if len(place.states) == 1
    }
    found = [edge for edge in known if isinstance(edge.row, Timer) and edge.row.event is None]
    found = [edge for edge in found if edge.start in shown]
    stay = {edge.end for edge in found if edge.end[1] is not None}
    for edge in found:
        end = single(edge.end, rulebook)
        if edge.end in stay:
            end = left_behind(fold_all(stay, rulebook, role="left", name="run-out"))
        sketch.link(shown[edge.start], end, edge)


def _steps(own: list[Edge], rulebook: Rulebook) -> dict[State, Place]:
    """Where a task is under way: one place a task, whatever the vm_state."""
    by_task: dict[object, set[State]] = {}
    for edge in own:
        for state in (edge.start, *((edge.end,) if begins(edge) else ())):
            if state is not None and state[1] is not None and not _is_only_found(edge, state):
                by_task.setdefault(state[1], set()).add(state)
    return {
        state: place
        for task, states in by_task.items()
        for place in (fold_all(states, rulebook, role="step", name=str(task)),)
        for state in states
    }


def _is_only_found(edge: Edge, state: State) -> bool:
    """Whether the request finds the server in this state, and another task begins."""
    return begins(edge) and state == edge.start


def _starts(row: Action, own: Iterable[Edge], rulebook: Rulebook) -> dict[State | None, Place]:
    """Where a row's request finds the server; in nearly any state: in one place."""
    states = {edge.start for edge in own if edge.row is row and begins(edge)}
    return {state: place for place in apart(states, rulebook) for state in place.states}


def _end(edge: Edge, rulebook: Rulebook) -> Place:
    return single(edge.end, rulebook)


def _outcome(
    edge: Edge, work: Iterable[Edge], steps: dict[State, Place], rulebook: Rulebook
) -> Place:
    """Where one outcome leaves the server."""
    outcome = edge.outcome
    assert outcome is not None
    task = edge.end[1]
    if outcome.goes_on or edge.event.endswith(".progress"):
        return steps.get(edge.end) or single(edge.end, rulebook)
    if comes_back(edge):
        kept = {each.end for each in work if comes_back(each) and each.end[1] is task}
        of_this = {each.end for each in work if each.outcome is outcome and each.end[1] is task}
        if task is not None:
            return left_behind(fold_all(kept, rulebook, role="left", name=str(task)))
        if len(of_this) > 1:
            return fold_all(kept, rulebook, label="as before", role="end", name="as-before")
    if task is not None:
        return left_behind(single(edge.end, rulebook, role="left"))
    return single(edge.end, rulebook)
