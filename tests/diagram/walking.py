"""Transitions read off a diagram by themselves, to hold what renderers made of it against."""

from __future__ import annotations

from typing import NamedTuple

from serverfsm.diagram.model import Diagram, NodeKind


class Leg(NamedTuple):
    """From a node's label, by an event, to a node's label; start None: from any state."""

    start: str | None
    event: str
    end: str


def legs(diagram: Diagram) -> set[Leg]:
    """Every transition between nodes, by their labels, which are unique in the views."""
    labels = {
        node.id: None if node.kind is NodeKind.ANYWHERE else node.label for node in diagram.nodes
    }
    known = {label for label in labels.values() if label is not None}
    groups = {group.id: group.members for group in diagram.groups}
    found = set()
    for arrow in diagram.arrows:
        end = labels[arrow.end]
        for start in groups.get(arrow.start, (arrow.start,)):
            found |= {(labels[start], label.text, end) for label in arrow.labels}
            found |= {(end, label.text, labels[start]) for label in arrow.back}
    for node in diagram.nodes:
        for chip in node.chips:
            ends = [labels[node.id]] if chip.end is None else chip.end.split(" or ")
            if all(end is None or end in known for end in ends):
                found |= {(labels[node.id], chip.label.text, end) for end in ends}
    return {Leg(start, event, end) for start, event, end in found if end is not None}
