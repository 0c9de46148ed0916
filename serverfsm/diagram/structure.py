"""How a diagram hangs together: groups in groups, names legal in a format, single transitions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from serverfsm.diagram.model import Arrow, Diagram, Group, Label, Node, NodeKind

__all__ = [
    "Block",
    "Transition",
    "drawn_starts",
    "nested",
    "pseudo_states",
    "starts",
    "tokens",
    "transitions",
]


@dataclass(frozen=True, slots=True)
class Block:
    """A group with what stands in it; the outermost has none.

    Attributes:
        group: the group; None for the diagram itself.
        nodes: the nodes that stand in it and in no inner group.
        blocks: the inner groups.
    """

    group: Group | None
    nodes: tuple[Node, ...]
    blocks: tuple[Block, ...]


def nested(diagram: Diagram) -> Block:
    """Return the nodes and groups of a diagram as a tree, in the order of the diagram."""
    # Small groups first: the first that holds a node, or all of a smaller group, is its parent.
    by_size = sorted(diagram.groups, key=lambda group: len(set(group.members)))
    inner: dict[str | None, list[Group]] = {}
    for place, group in enumerate(by_size):
        parent = _holder(group.members, by_size[place + 1 :])
        inner.setdefault(parent, []).append(group)
    home: dict[str | None, list[Node]] = {}
    for node in diagram.nodes:
        home.setdefault(_holder((node.id,), by_size), []).append(node)
    order = {group.id: place for place, group in enumerate(diagram.groups)}

    def block(group: Group | None) -> Block:
        key = group.id if group else None
        groups = sorted(inner.get(key, ()), key=lambda each: order[each.id])
        return Block(group, tuple(home.get(key, ())), tuple(block(each) for each in groups))

    return block(None)


def _holder(members: Iterable[str], groups: Iterable[Group]) -> str | None:
    wanted = set(members)
    return next((group.id for group in groups if wanted <= set(group.members)), None)


def starts(diagram: Diagram, arrow: Arrow) -> tuple[Node, ...]:
    """Return the nodes that an arrow starts from: one, or the members of its group."""
    members = {group.id: group.members for group in diagram.groups}
    wanted = members.get(arrow.start, (arrow.start,))
    return tuple(node for node in diagram.nodes if node.id in wanted)


def drawn_starts(diagram: Diagram, arrow: Arrow) -> tuple[str, ...]:
    """Return the ids that an arrow is drawn from: its start, but the members of a group if it ends
    in one of them, for no program draws an arrow from a group to what is inside.
    """
    members = {group.id: group.members for group in diagram.groups}.get(arrow.start, ())
    return members if arrow.end in members else (arrow.start,)


def pseudo_states(diagram: Diagram) -> frozenset[str]:
    """Return the ids of nodes that UML writes as [*]: where there is no server yet."""
    grouped = {member for group in diagram.groups for member in group.members}
    return frozenset(
        node.id for node in diagram.nodes if node.kind is NodeKind.START and node.id not in grouped
    )


class Transition(NamedTuple):
    """From one node to one other, by one event.

    Attributes:
        start: where it begins.
        label: the event.
        end: where it ends, which may be the start; None: in no node of this picture.
        words: the end in words.
    """

    start: Node
    label: Label
    end: Node | None
    words: str


def transitions(diagram: Diagram) -> tuple[Transition, ...]:
    """Return every single transition of a diagram: of arrows, both ways, and of chips.

    An arrow from a group is one from each member. A transition from the box that stands for any
    state starts in that box.
    """
    found: dict[tuple[str, str, str], Transition] = {}
    for each in (*_of_arrows(diagram), *_of_chips(diagram)):
        found.setdefault((each.start.id, each.label.text, each.words), each)
    return tuple(found.values())


def _of_arrows(diagram: Diagram) -> Iterator[Transition]:
    nodes = {node.id: node for node in diagram.nodes}
    for arrow in diagram.arrows:
        end = nodes[arrow.end]
        for start in starts(diagram, arrow):
            for label in arrow.labels:
                yield Transition(start, label, end, end.label)
            for label in arrow.back:
                yield Transition(end, label, start, start.label)


def _of_chips(diagram: Diagram) -> Iterator[Transition]:
    named: dict[str, list[Node]] = {}
    for node in diagram.nodes:
        if node.kind is not NodeKind.ANYWHERE:
            named.setdefault(node.label, []).append(node)
    for node in diagram.nodes:
        for label, words in node.chips:
            if words is None:
                yield Transition(node, label, node, node.label)
                continue
            ends = [words] if words in named else words.split(" or ")
            if all(len(named.get(end, ())) == 1 for end in ends):
                for end in ends:
                    yield Transition(node, label, named[end][0], end)
            else:
                yield Transition(node, label, None, words)


def tokens(words: Iterable[str], illegal: str) -> dict[str, str]:
    """Return a name for each word, legal in a format and unique.

    Args:
        words: in the order in which they are to be named.
        illegal: a regular expression of what may not stand in a name.

    >>> tokens(["state-ACTIVE", "state.ACTIVE", "1", ""], r"[^A-Za-z0-9_]")
    {'state-ACTIVE': 'state_ACTIVE', 'state.ACTIVE': 'state_ACTIVE_2', '1': 'n1', '': 'n'}
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for word in dict.fromkeys(words):
        stem = re.sub(illegal, "_", word)
        if not re.match("[A-Za-z]", stem):
            stem = f"n{stem}"
        name, count = stem, 1
        while name in taken:
            count += 1
            name = f"{stem}_{count}"
        taken.add(name)
        names[word] = name
    return names
