"""One state's neighbourhood: what leads there, what leads away, and what is accepted in it.

A state without a task is drawn with its neighbours that have none either, the work between them
folded away. A state with one is drawn with the pairs next to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from serverfsm.diagram.folding import Fold, folds, is_passing, universal
from serverfsm.diagram.model import Arrow, Chip, Diagram, Label, Node, NodeKind, identifier
from serverfsm.diagram.parts import (
    action_label,
    direction_of,
    legend,
    state_node,
    subtitle,
    timer_label,
)
from serverfsm.diagram.runs import (
    Place,
    Sketch,
    apart,
    few,
    fold_all,
    in_order,
    is_request,
    led_by,
    nowhere,
    reachable,
    single,
    words_of_vm_states,
)
from serverfsm.errors import UnknownViewError
from serverfsm.lifecycle import GONE, Edge, State, edges, state_name
from serverfsm.rows import Action, Cause
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import Status, VmState, status_of

__all__ = ["subjects", "view"]

_MOST_FAILURES = 5  # that an arrow names
_FEW_STATES = 4  # so many stand each for itself
_ANYWHERE = "anywhere"


def subjects(rulebook: Rulebook = API_REFERENCE) -> tuple[str, ...]:
    """Return every status that occurs, and every vm_state; pairs are accepted, too.

    >>> subjects()[0], subjects()[-1]
    ('ACTIVE', 'shelved_offloaded')
    """
    seen = {status_of(*state) for state in reachable(rulebook)}
    statuses = [status.value for status in Status if status in seen]
    return (*statuses, *(vm_state.value for vm_state in VmState))


def view(subject: str, rulebook: Rulebook = API_REFERENCE) -> Diagram:
    """Return the neighbourhood of a state.

    Args:
        subject: a status, a vm_state, or a pair as "active+powering-off".
        rulebook: whose rules.

    Raises:
        UnknownViewError: there is no such state.

    >>> view("PAUSED").node("state-PAUSED").kind.value
    'resting'
    """
    for vm_state in VmState:
        is_still = not is_passing(vm_state, rulebook)
        if is_still and subject in (vm_state.value, status_of(vm_state, None).value):
            return _still(vm_state, subject, rulebook)
    found = _pairs(subject, rulebook)
    if not found:
        raise UnknownViewError(subject, subjects(rulebook), "state")
    return _busy(found, subject, rulebook)


def _pairs(subject: str, rulebook: Rulebook) -> tuple[State, ...]:
    """The pairs that a status or vm_state stands for and that are reached, or the one named."""
    known = in_order(reachable(rulebook))
    found = [state for state in known if subject in (status_of(*state).value, state[0].value)]
    if found:
        return tuple(found)
    occurring = {edge.end for edge in edges(rulebook)} | {edge.start for edge in edges(rulebook)}
    return tuple(state for state in in_order(occurring) if state_name(state) == subject)


# ---------------------------------------------------------------------------- without a task


def _still(vm_state: VmState, subject: str, rulebook: Rulebook) -> Diagram:
    found = [fold for fold in folds(rulebook) if fold.start is not GONE[0] or vm_state is GONE[0]]
    there = [fold for fold in found if fold.end is vm_state and fold.start is not vm_state]
    away = [fold for fold in found if fold.start is vm_state and fold.end is not vm_state]
    staying = [fold for fold in found if fold.start is vm_state and fold.end is vm_state]
    accepted = {edge.event for edge in edges(rulebook) if edge.start == (vm_state, None)}
    refused = [row for row in rulebook if row.name.value not in accepted]
    living = [vm for vm in VmState if vm is not GONE[0]]
    everywhere = {
        event: exceptions - {vm_state}
        for (event, end), exceptions in universal(there, living).items()
        if end is vm_state
    }
    centre = state_node((vm_state, None), rulebook, _chips(staying))
    nodes: dict[str, Node] = {}
    arrows: list[Arrow] = []
    if everywhere:
        nodes[_ANYWHERE] = _anywhere(everywhere)
        labels = _labels(fold for fold in there if fold.event in everywhere)
        arrows.append(Arrow(f"edge-{_ANYWHERE}", _ANYWHERE, centre.id, labels))
    single_there = [fold for fold in there if fold.event not in everywhere]
    others = dict.fromkeys([*(fold.start for fold in single_there), *(fold.end for fold in away)])
    onward: dict[str, Node] = {}
    for other in sorted(others, key=_place):
        node = nowhere().node if other is None else state_node((other, None), rulebook)
        back = _labels(fold for fold in single_there if fold.start is other)
        forth = _labels(fold for fold in away if fold.end is other)
        (onward if forth else nodes)[node.id] = node
        start, end = (centre.id, node.id) if forth else (node.id, centre.id)
        words = (_word(start), _word(end))
        arrows.append(
            Arrow(identifier("edge", *words), start, end, forth or back, back if forth else ())
        )
    if refused:
        onward["refused"] = _refused(refused)
        label = Label(f"{len(refused)} actions", Cause.PERSON, "refused here")
        arrows.append(Arrow("edge-refused", centre.id, "refused", (label,)))
    drawn = (*nodes.values(), centre, *onward.values())
    accepting = sum(row.name.value in accepted for row in rulebook)
    title = (
        f"{subject}: {accepting} actions accepted with no task under way, "
        f"{len(away)} ways out, {len(there)} ways in"
    )
    return Diagram(
        view="state",
        title=title,
        subtitle=subtitle(rulebook),
        nodes=drawn,
        arrows=tuple(arrows),
        legend=legend(drawn, arrows),
        notes=("The tasks on the way are folded away: see the actions' own pictures.",),
        spine=(centre.id,),
    )


def _place(vm_state: VmState | None) -> int:
    return -1 if vm_state is None else list(VmState).index(vm_state)


def _word(node_id: str) -> str:
    return node_id.removeprefix("state-")


def _label(fold: Fold) -> Label:
    if isinstance(fold.row, Action):
        return action_label(fold.row, fold.cause, fold.event)
    return timer_label(fold.row, fold.event, fold.cause)


def _labels(found: Iterable[Fold]) -> tuple[Label, ...]:
    """What people do first, failures last, of which there may be many."""
    order = list(Cause)
    labels = {fold.event: _label(fold) for fold in found}
    ordered = sorted(labels.values(), key=lambda label: order.index(label.cause))
    failures = [label for label in ordered if label.cause is Cause.FAILURE]
    others = [label for label in ordered if label.cause is not Cause.FAILURE]
    return (*others, *few(failures, _MOST_FAILURES, "failures"))


def _chips(staying: Iterable[Fold]) -> tuple[Chip, ...]:
    return tuple(Chip(label) for label in _labels(staying))


def _anywhere(everywhere: dict[str, frozenset[VmState]]) -> Node:
    excepted = [
        f"{event} not in {words_of_vm_states([vm for vm in VmState if vm in exceptions])}"
        for event, exceptions in everywhere.items()
        if exceptions
    ]
    return Node(
        _ANYWHERE,
        "any state",
        NodeKind.ANYWHERE,
        detail="; ".join(excepted),
        tip="any other state with no task under way" + "".join(f"\n{each}" for each in excepted),
    )


def _refused(rows: list[Action]) -> Node:
    names = [row.name.value for row in rows]
    return Node(
        "refused",
        "refused",
        NodeKind.REFUSAL,
        detail=f"{len(names)} actions",
        tip="\n".join(names),
    )


# ------------------------------------------------------------------------------- with a task


def _busy(pairs: tuple[State, ...], subject: str, rulebook: Rulebook) -> Diagram:
    known = reachable(rulebook) | {None, *pairs}
    near = [
        edge
        for edge in edges(rulebook)
        if edge.start in pairs or (edge.end in pairs and edge.start in known)
    ]
    own = _own(pairs, near, rulebook)
    moving = [edge for edge in near if edge.start != edge.end]
    asked = [edge for edge in moving if edge.start in own and is_request(edge)]
    asked = [edge for edge in asked if edge.end not in own]
    moving = [edge for edge in moving if edge not in set(asked)]
    chips = {place.node.id: _within(place, asked, near) for place in own.values()}
    common = _common(chips.values())
    own = {
        state: place.having(
            chips=tuple(chip for chip in chips[place.node.id] if chip not in common)
        )
        for state, place in own.items()
    }
    sketch = Sketch(most=_MOST_FAILURES, is_shared=True)
    if common:
        sketch.put(_of_all(subject, pairs, common))
    starts = _starts(moving, own, rulebook)
    for edge in moving:  # what leads there stands first
        if edge.start not in own:
            sketch.link(starts[edge.event, own[edge.end], edge.start], own[edge.end], edge)
    for place in own.values():
        sketch.put(place)
    ends = _ends(moving, own, rulebook)
    for edge in moving:
        if edge.start in own:
            sketch.link(own[edge.start], own.get(edge.end) or ends[edge], edge)
    nodes, arrows = sketch.nodes(), sketch.arrows()
    ways_in = len({edge.event for edge in moving if edge.start not in own})
    ways_out = len({edge.event for edge in (*moving, *asked) if edge.end not in own})
    count = "1 pair of states" if len(pairs) == 1 else f"{len(pairs)} pairs of states"
    return Diagram(
        view="state",
        title=f"{subject}: {count}, {ways_in} events lead in, {ways_out} lead out",
        subtitle=subtitle(rulebook),
        nodes=nodes,
        arrows=arrows,
        legend=legend(nodes, arrows),
        notes=_NOTES if any(len(place.states) > 1 for place in own.values()) else _NOTES[:1],
        direction=direction_of(nodes),
    )


_NOTES = (
    "What leads here from pairs that no server comes to is left out.",
    "A box for several vm_states keeps them apart: each goes on to the same one.",
)


def _within(place: Place, asked: Iterable[Edge], near: Iterable[Edge]) -> tuple[Chip, ...]:
    return (*led_by(asked, place.states), *_kept(place, near))


def _common(chips: Iterable[tuple[Chip, ...]]) -> tuple[Chip, ...]:
    """The chips that several places all have."""
    lists = list(chips)
    if len(lists) == 1:
        return ()
    return tuple(chip for chip in lists[0] if all(chip in each for each in lists))


def _of_all(subject: str, pairs: tuple[State, ...], common: tuple[Chip, ...]) -> Place:
    """The box of what is accepted in every pair alike; it stands for no pair by itself."""
    named = ", ".join(map(state_name, pairs))
    node = Node(
        "each",
        f"each pair of {subject}",
        NodeKind.ANYWHERE,
        chips=common,
        tip=f"what is accepted in each of these alike: {named}",
    )
    return Place(node, frozenset())


def _own(
    pairs: tuple[State, ...], near: Iterable[Edge], rulebook: Rulebook
) -> dict[State | None, Place]:
    """The pairs themselves: one place a task, and apart what another vm_state leads to."""
    entered = {
        edge.end
        for edge in near
        if edge.start is not None and edge.start[0] is not edge.end[0] and edge.end[1] is not None
    }
    by_task: dict[object, list[State]] = {}
    for state in pairs:
        by_task.setdefault((state[1], state if state in entered else None), []).append(state)
    found: dict[State | None, Place] = {}
    for states in by_task.values():
        place = fold_all(states, rulebook, role="state", name=f"any.{states[0][1]}")
        found.update(dict.fromkeys(states, place))
    return found


def _kept(place: Place, near: Iterable[Edge]) -> tuple[Chip, ...]:
    """What is accepted in every member of a place, or fails there, and leaves it as it is."""
    labels: dict[str, Label] = {}
    starts: dict[str, set[State]] = {}
    for edge in near:
        if edge.start == edge.end and edge.start in place.states and isinstance(edge.row, Action):
            labels.setdefault(edge.event, action_label(edge.row, edge.cause, edge.event))
            starts.setdefault(edge.event, set()).add(edge.end)
    chips = []
    for event, label in labels.items():
        among = {vm_state for vm_state, _ in starts[event]}
        text = event
        if among != place.vm_states:
            text += f" [{words_of_vm_states([vm for vm in VmState if vm in among])}]"
        chips.append(Chip(label._replace(text=text)))
    return tuple(chips)


Begin = tuple[str, Place, State | None]


def _starts(
    moving: Iterable[Edge], own: dict[State | None, Place], rulebook: Rulebook
) -> dict[Begin, Place]:
    """Where each event comes from: the states of one event to one place as few places."""
    grouped: dict[tuple[str, Place], set[State | None]] = {}
    for edge in moving:
        if edge.start not in own:
            grouped.setdefault((edge.event, own[edge.end]), set()).add(edge.start)
    found: dict[Begin, Place] = {}
    for (event, end), states in grouped.items():
        for place in _places(states, rulebook):
            found.update(((event, end, state), place) for state in place.states)
    return found


def _places(states: set[State | None], rulebook: Rulebook) -> Iterator[Place]:
    if len(states) > _FEW_STATES:
        yield from apart(states, rulebook)
        return
    if None in states:
        yield nowhere()
    yield from (single(state, rulebook) for state in in_order(states))


def _ends(
    moving: Iterable[Edge], own: dict[State | None, Place], rulebook: Rulebook
) -> dict[Edge, Place]:
    """Where each event leads; where it keeps each of several vm_states, to one place."""
    grouped: dict[tuple[str, Place], list[Edge]] = {}
    for edge in moving:
        if edge.start in own and edge.end not in own:
            grouped.setdefault((edge.event, own[edge.start]), []).append(edge)
    kept: dict[object, set[State]] = {}
    keeping = []
    for among in grouped.values():
        tasks = {edge.end[1] for edge in among}
        is_kept = all(edge.start and edge.start[0] is edge.end[0] for edge in among)
        if is_kept and len(tasks) == 1 and len({edge.end for edge in among}) > 1:
            keeping += among
            kept.setdefault(tasks.pop(), set()).update(edge.end for edge in among)
    found = {edge: single(edge.end, rulebook) for among in grouped.values() for edge in among}
    for edge in keeping:
        task = edge.end[1]
        label = "" if task else "as before"
        name = str(task or "as-before")
        found[edge] = fold_all(kept[task], rulebook, label=label, role="end", name=name)
    return found
