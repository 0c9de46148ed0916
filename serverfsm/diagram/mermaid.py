"""Diagrams as Mermaid, a stateDiagram-v2 as GitHub renders it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from serverfsm.diagram.model import Diagram, Label, Mark, Node, NodeKind
from serverfsm.diagram.palette import INK, Look
from serverfsm.diagram.structure import Block, drawn_starts, nested, pseudo_states, tokens
from serverfsm.diagram.wording import (
    address,
    class_of,
    kept_lines,
    legible,
    looks,
    marked,
    moves,
    plain_line,
)

__all__ = ["MAX_CHARACTERS", "MAX_EDGES", "edge_count", "render"]

MAX_CHARACTERS, MAX_EDGES = 50_000, 500
"""What Mermaid draws unless told otherwise; GitHub does not tell it otherwise."""


_KEYWORD = re.compile(
    "(?i)^(?=default|acctitle|accdescr|statediagram|(state|note|class|classdef|style|scale|click"
    "|href|direction)$)"
)


def render(drawing: Diagram, manual: str | None) -> str:
    """Return the diagram as a stateDiagram-v2, the events of two-headed arrows on two arrows."""
    names = _names(drawing)
    lines = [
        f"accTitle: {_escaped(plain_line(drawing.title))}",
        f"accDescr: {_escaped(plain_line(drawing.subtitle))}",
        f"direction {drawing.direction}",
        *_classes(drawing),
        *_states(nested(drawing), names, drawing.direction),
        *_ends(drawing, names),
        *(f"{start} --> {end} : {text}" for start, end, text in _edges(drawing, names)),
        # Not inside the groups: Mermaid does not heed it there.
        *(
            f"class {names[node.id]} {class_of(node)}"
            for node in drawing.nodes
            if names[node.id] != "[*]"
        ),
        *_links(drawing, names, manual),
    ]
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in lines)]) + "\n"


def edge_count(drawing: Diagram) -> int:
    """Return how many arrows Mermaid draws, which has a limit: see `MAX_EDGES`."""
    names = _names(drawing)
    return len([*_ends(drawing, names), *_edges(drawing, names)])


def _names(drawing: Diagram) -> dict[str, str]:
    ids = [*(node.id for node in drawing.nodes), *(group.id for group in drawing.groups)]
    # What may be read as a keyword becomes illegal by its first letter; "n" is put before it.
    names = tokens((_KEYWORD.sub(".", each) for each in ids), r"[^A-Za-z0-9_]")
    plain = {each: names[_KEYWORD.sub(".", each)] for each in ids}
    return plain | dict.fromkeys(pseudo_states(drawing), "[*]")


def _classes(drawing: Diagram) -> Iterator[str]:
    hidden = pseudo_states(drawing)
    used = {class_of(node) for node in drawing.nodes if node.id not in hidden}
    for name, look in looks().items():
        if name in used:
            yield f"classDef {name} {_style(look)}"


def _style(look: Look) -> str:
    dashes = ",stroke-dasharray:4 3" if "dashed" in look.style else ""
    width = f",stroke-width:{2 * look.rings}px" if look.rings > 1 else ""
    return f"fill:{look.ground.light},stroke:{look.border.light},color:{INK.light}{width}{dashes}"


def _states(block: Block, names: dict[str, str], direction: str) -> Iterator[str]:
    for node in block.nodes:
        if names[node.id] != "[*]":
            yield from _state(node, names[node.id])
    for inner in block.blocks:
        assert inner.group is not None
        label = _escaped(inner.group.label) or " "
        yield f'state "{label}" as {names[inner.group.id]} {{'
        yield f"    direction {direction}"
        yield from (f"    {line}" for line in _states(inner, names, direction))
        yield "}"


def _state(node: Node, name: str) -> Iterator[str]:
    yield f'state "{_escaped(marked(node.label, node.mark)) or " "}" as {name}'
    for line in _inside(node):
        yield f"{name} : {line}"


def _inside(node: Node) -> Iterator[str]:
    """The lines below a state's name: its detail, what leads away, and what leaves it as it is."""
    if node.detail.strip():
        yield _escaped(node.detail)
    for chip in moves(node):
        yield _escaped(f"{chip.label.full} → {chip.end}")
    yield from map(_escaped, kept_lines(node))


def _ends(drawing: Diagram, names: dict[str, str]) -> Iterator[str]:
    for node in drawing.nodes:
        if node.kind is NodeKind.FINAL:
            yield f"{names[node.id]} --> [*]"


def _edges(drawing: Diagram, names: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for arrow in drawing.arrows:
        for start in drawn_starts(drawing, arrow):
            yield names[start], names[arrow.end], _text(arrow.labels, arrow.mark)
            if arrow.back:
                yield names[arrow.end], names[start], _text(arrow.back, arrow.mark)


def _text(labels: Iterable[Label], mark: Mark) -> str:
    return _escaped(marked("\n".join(label.full for label in labels), mark)) or " "


def _links(drawing: Diagram, names: dict[str, str], manual: str | None) -> Iterator[str]:
    for node in drawing.nodes:
        link = address(manual, node.page)
        if link is not None and names[node.id] != "[*]":
            yield f'click {names[node.id]} href "{link}"'


# What is neither Mermaid's nor Markdown's, in which Mermaid writes labels.
_PLAIN = re.compile(r"[A-Za-z0-9 ,/()?!+.-]|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9])")
_LIST = re.compile(r"^[+-]|^\d+[.)]", re.MULTILINE)
_DIRECTION = re.compile(r"d(?=irection\s)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<=www)\.", re.IGNORECASE)


def _escaped(text: str) -> str:
    """Text as Mermaid shows it unchanged: whatever might mean something as its number."""
    text = legible(text).strip()
    numbered = {
        found.end() - 1
        for pattern in (_LIST, _DIRECTION, _ADDRESS)
        for found in pattern.finditer(text)
    }
    return "".join(
        "<br/>"
        if character == "\n"
        else character
        if _PLAIN.match(text, place) and place not in numbered
        else f"#{ord(character)};"
        for place, character in enumerate(text)
    )
