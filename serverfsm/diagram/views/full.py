"""Every pair of vm_state and task_state that a server may come to.

Work that goes on is drawn as lines, a tree for each vm_state. Its ends, failures and interruptions
are text in the pair that they leave; requests that are accepted while work is under way stand in
a box for all the pairs that accept them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from serverfsm.diagram.model import Chip, Diagram, Group, Label, NodeKind, identifier
from serverfsm.diagram.parts import legend, state_id, subtitle
from serverfsm.diagram.runs import (
    Place,
    Rectangle,
    Sketch,
    begins,
    few,
    fold,
    in_order,
    is_everywhere,
    is_request,
    led_by,
    nowhere,
    reachable,
    rectangles,
    single,
)
from serverfsm.lifecycle import Edge, State, edges
from serverfsm.rows import Cause, Reaction
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import TaskState, VmState

__all__ = ["view"]

_NOTES = (
    "Lines are where work goes on in the same vm_state. Its ends and failures are text.",
    "What changes no state is left out: the matrix has it.",
)
_MOST_NAMED = 2  # failures that a pair names for one end


def view(rulebook: Rulebook = API_REFERENCE) -> Diagram:
    """Return the picture of every pair.

    >>> view().title.split(":")[0]
    'Every pair of states'
    """
    pairs = reachable(rulebook)
    found = [edge for edge in edges(rulebook) if edge.start is None or edge.start in pairs]
    moving = [edge for edge in found if edge.start != edge.end]
    with_a_task = [
        edge.row for edge in moving if is_request(edge) and edge.start and edge.start[1] is not None
    ]
    apart = [edge for edge in moving if edge.row not in with_a_task or not is_request(edge)]
    sketch = Sketch()
    own: dict[State | None, Place] = {None: sketch.put(nowhere())}
    for state in in_order(pairs):
        here = [edge for edge in apart if edge.start == state and not _goes_on(edge)]
        own[state] = sketch.put(single(state, rulebook).having(chips=tuple(_chips(here))))
    for place in _boxes(with_a_task, rulebook):
        sketch.put(place)
    for edge in apart:
        if _goes_on(edge):
            sketch.link(own[edge.start], own[edge.end], edge)
    nodes, arrows = sketch.nodes(), sketch.arrows()
    changes = {(edge.start, edge.event, edge.end) for edge in moving}
    return Diagram(
        view="full",
        title=f"Every pair of states: {len(pairs)} that are reached of "
        f"{len(VmState) * (len(TaskState) + 1)}, {len(changes)} transitions",
        subtitle=subtitle(rulebook),
        nodes=nodes,
        arrows=arrows,
        groups=_groups(pairs),
        legend=legend(nodes, arrows),
        notes=_NOTES,
    )


def _goes_on(edge: Edge) -> bool:
    """Whether it leads on to work in the same vm_state, and is not what a failure leaves."""
    if edge.start is None:
        return True
    is_kept = edge.start[0] is edge.end[0] and edge.end[1] is not None
    return is_kept and (begins(edge) or edge.cause is Cause.SYSTEM) and not _restarts(edge)


def _restarts(edge: Edge) -> bool:
    """Whether it is what a compute service does on starting."""
    return isinstance(edge.row, Reaction) and edge.cause is Cause.SYSTEM


def _chips(here: Sequence[Edge]) -> Iterator[Chip]:
    """What strikes a pair: a line an end; failures are counted where there are more than few."""
    chips = led_by(here, {edge.start for edge in here})
    by_end: dict[str | None, list[Label]] = {}
    for chip in chips:
        by_end.setdefault(chip.end, []).append(chip.label)
    for end, labels in by_end.items():
        failures = [label for label in labels if label.cause is Cause.FAILURE]
        yield from (Chip(label, end) for label in labels if label not in failures)
        yield from (Chip(label, end) for label in few(failures, _MOST_NAMED, "failures"))


def _boxes(rows: Sequence[object], rulebook: Rulebook) -> Iterator[Place]:
    """What is accepted with a task under way, too: a box for each set of pairs."""
    accepted = [edge for edge in edges(rulebook) if is_request(edge) and edge.row in rows]
    by_states: dict[Rectangle, list[Edge]] = {}
    for row in dict.fromkeys(rows):
        here = [edge for edge in accepted if edge.row is row]
        for rectangle in rectangles(edge.start for edge in here):
            by_states.setdefault(rectangle, []).extend(
                edge for edge in here if edge.start in rectangle.states and edge.start != edge.end
            )
    for number, (rectangle, here) in enumerate(by_states.items()):
        place = fold(rectangle, rulebook, label="any of these", role="box", name=str(number))
        label = "any state" if is_everywhere(rectangle) else place.node.label
        yield place.having(
            label=label, kind=NodeKind.ANYWHERE, chips=led_by(here, rectangle.states)
        )


def _groups(pairs: frozenset[State]) -> tuple[Group, ...]:
    """A group for each vm_state."""
    return tuple(
        Group(
            identifier("group", vm_state.value),
            tuple(state_id(state) for state in in_order(pairs) if state[0] is vm_state),
            f"vm_state {vm_state.value}",
        )
        for vm_state in VmState
        if any(state[0] is vm_state for state in pairs)
    )
