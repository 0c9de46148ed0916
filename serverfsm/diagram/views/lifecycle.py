"""The overview: states without a task, and what leads from one to another.

What comes from nearly anywhere is one box, what leads back to the hub a line of text inside its
state, and states that share an arrow are one group, where that is exact for each of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from serverfsm.diagram.folding import MOST, Fold, failed_state, folds, hub, is_passing, universal
from serverfsm.diagram.model import (
    Arrow,
    Chip,
    Diagram,
    Group,
    Label,
    Node,
    NodeKind,
    identifier,
)
from serverfsm.diagram.parts import (
    action_label,
    legend,
    state_id,
    state_node,
    subtitle,
    timer_label,
)
from serverfsm.lifecycle import GONE
from serverfsm.rows import Action, Cause
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import VmState, status_of

__all__ = ["Frame", "overview", "view"]

START = "start"
ANYWHERE = "anywhere"


class Frame(NamedTuple):
    """What stands around a picture."""

    view: str
    title: str
    subtitle: str
    notes: tuple[str, ...] = ()


def view(rulebook: Rulebook = API_REFERENCE) -> Diagram:
    """Return the overview of a rulebook."""
    found = folds(rulebook)
    counted = [fold for fold in found if not fold.is_failure and not _is_gone(fold.start)]
    states = {fold.end for fold in counted}
    actions = {fold.row.name for fold in counted if isinstance(fold.row, Action)}
    moves = {(fold.start, fold.event, fold.end) for fold in counted if not fold.stays}
    title = (
        f"The lifecycle of a server: {len(states)} states, {len(actions)} actions, "
        f"{len(moves)} transitions"
    )
    return overview(found, rulebook, Frame("lifecycle", title, subtitle(rulebook)))


def overview(found: Iterable[Fold], rulebook: Rulebook, frame: Frame) -> Diagram:
    """Return the overview of some folds; it is exact for these."""
    parts = _sort(found, rulebook)
    arrows = [*_begins(parts), *_shared(parts), *_from_anywhere(parts)]
    groups = tuple(
        Group(identifier("group", *sorted(map(_status, members))), _ids(members))
        for members in parts.groups
    )
    nodes = _nodes(parts, rulebook)
    return Diagram(
        view=frame.view,
        title=frame.title,
        subtitle=frame.subtitle,
        nodes=nodes,
        arrows=tuple(arrows),
        groups=groups,
        legend=legend(nodes, arrows),
        notes=(*frame.notes, *_notes(parts)),
        spine=_spine(parts),
        ranks=_ranks(parts, arrows),
        columns=(START, ANYWHERE) if parts.begins and parts.universal else (),
    )


class _Parts(NamedTuple):
    """Every fold, sorted by how it is drawn."""

    states: tuple[VmState, ...]
    hub: VmState
    sides: frozenset[VmState]  # entered from anywhere alone
    begins: tuple[Fold, ...]  # from no server to the hub
    universal: tuple[Fold, ...]
    staying: tuple[Fold, ...]  # accepted nearly everywhere, and changing nothing
    exceptions: Mapping[str, frozenset[VmState]]  # by event
    chips: tuple[Fold, ...]
    arrows: tuple[Fold, ...]
    back: Mapping[tuple[VmState, VmState], tuple[Fold, ...]]
    failures: tuple[Fold, ...]
    groups: tuple[frozenset[VmState], ...]


def _sort(found: Iterable[Fold], rulebook: Rulebook) -> _Parts:
    living = [fold for fold in found if not _is_gone(fold.start)]
    failures = tuple(fold for fold in living if fold.is_failure and not fold.stays)
    plain = [fold for fold in living if not fold.is_failure]
    states = tuple(vm for vm in VmState if any(vm in (fold.start, fold.end) for fold in plain))
    alive = [vm for vm in states if not _is_gone(vm)]
    centre = hub(rulebook)
    everywhere = universal(plain, alive)
    idle = _idle(plain, alive)
    sides = {end for _, end in everywhere if end is not centre} | {failed_state(rulebook)}
    starts = _starts(plain)
    ahead = {
        fold.end
        for fold in plain
        if fold.start is centre and starts[fold.event, fold.end] - sides == {centre}
    }
    to_hub = {(fold.start, fold.event) for fold in plain if fold.end is centre}
    begins, of_all, staying, chips, arrows = [], [], [], [], []
    back: dict[tuple[VmState, VmState], list[Fold]] = defaultdict(list)
    for fold in plain:
        if (fold.event, fold.end) in everywhere:
            of_all.append(fold)
        elif fold.event in idle:
            staying.append(fold)
        elif fold.start is None or (is_passing(fold.start, rulebook) and fold.end is centre):
            begins.append(fold)
        elif fold.stays or (fold.start in sides) != (fold.end in sides):
            chips.append(fold)
        elif (fold.start, fold.event) not in to_hub:
            arrows.append(fold)
        elif fold.start in ahead and starts[fold.event, fold.end] == {fold.start}:
            back[fold.end, fold.start].append(fold)
        else:
            chips.append(fold)
    excepted = {event: among for (event, _), among in everywhere.items() if among} | idle
    return _Parts(
        states=states,
        hub=centre,
        sides=frozenset(sides),
        begins=tuple(begins),
        universal=tuple(of_all),
        staying=tuple(staying),
        exceptions={event: among for event, among in excepted.items() if among},
        chips=tuple(chips),
        arrows=tuple(arrows),
        back={pair: tuple(among) for pair, among in back.items()},
        failures=failures,
        groups=_groups(arrows),
    )


def _idle(found: Sequence[Fold], alive: Sequence[VmState]) -> dict[str, frozenset[VmState]]:
    """The events that nearly every state accepts and that change none, with the exceptions."""
    moving = {fold.event for fold in found if not fold.stays}
    among: dict[str, set[VmState]] = defaultdict(set)
    for fold in found:
        if fold.start is not None and fold.event not in moving:
            among[fold.event].add(fold.start)
    everything = frozenset(alive)
    return {
        event: everything - starts
        for event, starts in among.items()
        if len(starts & everything) >= MOST * len(everything)
    }


def _starts(found: Iterable[Fold]) -> dict[tuple[str, VmState], set[VmState]]:
    starts: dict[tuple[str, VmState], set[VmState]] = defaultdict(set)
    for fold in found:
        if fold.start is not None:
            starts[fold.event, fold.end].add(fold.start)
    return starts


def _is_gone(vm_state: VmState | None) -> bool:
    return vm_state is GONE[0]


def _groups(arrows: Iterable[Fold]) -> tuple[frozenset[VmState], ...]:
    """The sets of states that share arrows, those first that save most; none overlaps another."""
    shared: dict[frozenset[VmState], set[VmState]] = defaultdict(set)
    for (_, end), starts in _starts(arrows).items():
        if len(starts) > 1:
            shared[frozenset(starts)].add(end)
    by_saving = sorted(
        shared, key=lambda among: (-(len(among) - 1) * len(shared[among]), sorted(among))
    )
    chosen: list[frozenset[VmState]] = []
    for among in by_saving:
        if all(among <= other or other <= among or not among & other for other in chosen):
            chosen.append(among)
    return tuple(sorted(chosen, key=lambda among: (-len(among), sorted(among))))


def _cover(
    starts: frozenset[VmState], groups: Sequence[frozenset[VmState]]
) -> list[frozenset[VmState]]:
    """The fewest groups and single states that make up these starts exactly."""
    left, found = set(starts), []
    for group in groups:  # the larger ones first
        if group <= left:
            found.append(group)
            left -= group
    return [*found, *(frozenset((vm,)) for vm in VmState if vm in left)]


def _shared(parts: _Parts) -> list[Arrow]:
    labels: dict[tuple[frozenset[VmState], VmState], dict[str, Label]] = defaultdict(dict)
    starts = _starts(parts.arrows)
    for fold in parts.arrows:
        for among in _cover(frozenset(starts[fold.event, fold.end]), parts.groups):
            if fold.start in among:
                labels[among, fold.end].setdefault(fold.event, _label(fold))
    arrows = []
    for (among, end), texts in labels.items():
        members = [vm for vm in VmState if vm in among]
        back = parts.back.get((members[0], end), ()) if len(members) == 1 else ()
        start = _node_id(members[0]) if len(members) == 1 else _group_id(among)
        arrows.append(
            Arrow(
                identifier("edge", *map(_status, members), "to", _status(end)),
                start,
                _node_id(end),
                _by_cause(texts.values()),
                _by_cause(_label(fold) for fold in back),
            )
        )
    return arrows


def _begins(parts: _Parts) -> list[Arrow]:
    by_pair: dict[tuple[VmState | None, VmState], list[Label]] = defaultdict(list)
    for fold in parts.begins:
        by_pair[fold.start, fold.end].append(_label(fold))
    return [
        Arrow(
            identifier("edge", _status(start), "to", _status(end)),
            _node_id(start),
            _node_id(end),
            tuple(labels),
        )
        for (start, end), labels in by_pair.items()
    ]


def _from_anywhere(parts: _Parts) -> list[Arrow]:
    by_end: dict[VmState, dict[str, Label]] = defaultdict(dict)
    for fold in parts.universal:
        if not fold.stays and fold.end is not parts.hub:
            by_end[fold.end].setdefault(fold.event, _label(fold))
    for end, (label, _) in _failing(parts).items():
        by_end[end][label.text] = label
    return [
        Arrow(
            identifier("edge", ANYWHERE, "to", _status(end)),
            ANYWHERE,
            _node_id(end),
            _by_cause(labels.values()),
        )
        for end, labels in by_end.items()
    ]


def _failing(parts: _Parts) -> dict[VmState, tuple[Label, frozenset[VmState]]]:
    """What failures leave in a side state, as one label an end, with the exceptions."""
    alive = [vm for vm in parts.states if not _is_gone(vm)]
    one_name = [
        fold._replace(event="any failure") for fold in parts.failures if fold.end in parts.sides
    ]
    found = {}
    for (event, end), exceptions in universal(one_name, alive).items():
        names = sorted({fold.event for fold in parts.failures if fold.end is end})
        tip = f"{len(names)} failures end here: {', '.join(names)}"
        found[end] = (Label(event, Cause.FAILURE, tip), exceptions)
    return found


def _nodes(parts: _Parts, rulebook: Rulebook) -> tuple[Node, ...]:
    nodes = []
    if any(fold.start is None for fold in parts.begins):
        nodes.append(Node(START, START, NodeKind.START, tip="there is no server yet"))
    for vm_state in _ordered(parts):
        found = [fold for fold in parts.chips if fold.start is vm_state]
        nodes.append(state_node((vm_state, None), rulebook, _chips(found)))
    if parts.universal or parts.staying:
        nodes.append(_anywhere(parts))
    return tuple(nodes)


def _ordered(parts: _Parts) -> list[VmState]:
    """The states, the hub first among those that share a group."""
    return sorted(parts.states, key=lambda vm: (vm is not parts.hub, list(VmState).index(vm)))


def _chips(found: Iterable[Fold]) -> tuple[Chip, ...]:
    """One chip an event, with all its ends; those that stay come last."""
    ends: dict[str, dict[VmState, None]] = defaultdict(dict)
    first: dict[str, Fold] = {}
    for fold in found:
        ends[fold.event][fold.end] = None
        first.setdefault(fold.event, fold)
    moving, staying = [], []
    for event, fold in first.items():
        if list(ends[event]) == [fold.start]:
            staying.append(Chip(_label(fold)))
        else:
            moving.append(Chip(_label(fold), " or ".join(map(_status, ends[event]))))
    return (*moving, *staying)


def _anywhere(parts: _Parts) -> Node:
    to_hub = {fold.event: fold for fold in parts.universal if fold.end is parts.hub}
    staying = {fold.event: fold for fold in parts.staying}
    return Node(
        ANYWHERE,
        "any state",
        NodeKind.ANYWHERE,
        detail="; ".join(_exceptions(parts)),
        chips=(
            *(Chip(_label(fold), _status(fold.end)) for fold in to_hub.values()),
            *(Chip(_label(fold)) for fold in staying.values()),
        ),
        tip="what may happen in nearly every state; the exceptions are named",
    )


def _exceptions(parts: _Parts) -> list[str]:
    """What is excepted, in words: "delete not in DELETED"."""
    excepted = dict(parts.exceptions)
    excepted |= {label.text: among for label, among in _failing(parts).values() if among}
    return [
        f"{event} not in {', '.join(_status(vm) for vm in VmState if vm in among)}"
        for event, among in excepted.items()
    ]


def _notes(parts: _Parts) -> tuple[str, ...]:
    drawn = _failing(parts)
    elsewhere = sorted(
        {fold.event for fold in parts.failures if fold.end not in drawn},
    )
    if not elsewhere:
        return ()
    return (f"{len(elsewhere)} more failures end elsewhere: see the views of their actions.",)


def _label(fold: Fold) -> Label:
    if isinstance(fold.row, Action):
        return action_label(fold.row, fold.cause, fold.event)
    return timer_label(fold.row, fold.event, fold.cause)


def _by_cause(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Labels with those first that most people may cause."""
    order = list(Cause)
    return tuple(sorted(labels, key=lambda label: order.index(label.cause)))


def _status(vm_state: VmState | None) -> str:
    return START if vm_state is None else status_of(vm_state, None).value


def _node_id(vm_state: VmState | None) -> str:
    return START if vm_state is None else state_id((vm_state, None))


def _group_id(members: Iterable[VmState]) -> str:
    return identifier("group", *sorted(map(_status, members)))


def _ids(members: Iterable[VmState]) -> tuple[str, ...]:
    among = set(members)
    return tuple(_node_id(vm) for vm in VmState if vm in among)


def _spine(parts: _Parts) -> tuple[str, ...]:
    order: list[VmState | None] = [None]
    while len(order) <= len(parts.begins):
        order += [fold.end for fold in parts.begins if fold.start is order[-1]][:1] or [parts.hub]
    return tuple(map(_node_id, order)) if parts.begins else ()


def _ranks(parts: _Parts, arrows: Iterable[Arrow]) -> tuple[tuple[str, ...], ...]:
    """The columns: what groups lead to, and what is entered from anywhere."""
    grouped = {_group_id(members) for members in parts.groups}
    after = dict.fromkeys(arrow.end for arrow in arrows if arrow.start in grouped)
    sides = dict.fromkeys(arrow.end for arrow in arrows if arrow.start == ANYWHERE)
    return tuple(tuple(column) for column in (after, sides) if len(column) > 1)
