"""Diagrams as PlantUML, a state diagram."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from serverfsm.diagram.model import Arrow, Diagram, Label, Node, NodeKind
from serverfsm.diagram.palette import CAUSES, INK, Look
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

__all__ = ["render"]


def render(drawing: Diagram, manual: str | None) -> str:
    """Return the diagram as PlantUML, the events of two-headed arrows on two arrows."""
    names = _names(drawing)
    lines = [
        "@startuml",
        f"title {_escaped(plain_line(drawing.title)) or '.'}",
        f"caption {_escaped(plain_line(drawing.subtitle)) or '.'}",
        "left to right direction" if drawing.direction == "LR" else "top to bottom direction",
        "hide empty description",
        "skinparam shadowing false",
        f"skinparam StateFontColor {INK.light}",
        *_looks(drawing),
        *_states(nested(drawing), names, manual),
        *(f"{names[node.id]} --> [*]" for node in drawing.nodes if node.kind is NodeKind.FINAL),
        *_arrows(drawing, names, manual),
        *_notes(drawing),
        "@enduml",
    ]
    return "\n".join(lines) + "\n"


def _names(drawing: Diagram) -> dict[str, str]:
    ids = [*(node.id for node in drawing.nodes), *(group.id for group in drawing.groups)]
    names = tokens(ids, r"[^A-Za-z0-9_]")
    # The underscore keeps a name from being read as a keyword.
    legal = {each: f"{name}_" for each, name in names.items()}
    return legal | dict.fromkeys(pseudo_states(drawing), "[*]")


def _looks(drawing: Diagram) -> Iterator[str]:
    hidden = pseudo_states(drawing)
    used = {class_of(node) for node in drawing.nodes if node.id not in hidden}
    for name, look in looks().items():
        if name in used:
            yield from _look(name, look)


def _look(name: str, look: Look) -> Iterator[str]:
    yield f"skinparam State<<{name}>> {{"
    yield f"  BackgroundColor {look.ground.light}"
    yield f"  BorderColor {look.border.light}"
    yield "}"


def _states(block: Block, names: dict[str, str], manual: str | None) -> Iterator[str]:
    for node in block.nodes:
        if names[node.id] != "[*]":
            yield from _state(node, names[node.id], manual)
    for inner in block.blocks:
        assert inner.group is not None
        yield f'state "{_escaped(inner.group.label) or " "}" as {names[inner.group.id]} {{'
        yield from (f"  {line}" for line in _states(inner, names, manual))
        yield "}"


def _state(node: Node, name: str, manual: str | None) -> Iterator[str]:
    link = address(manual, node.page)
    shown = _escaped(marked(node.label, node.mark)) or " "
    yield f'state "{shown}" as {name} <<{class_of(node)}>>' + (f" [[{link}]]" if link else "")
    if node.detail.strip():
        yield f"{name} : {_escaped(node.detail)}"
    for chip in moves(node):
        text = f"{_linked(chip.label, manual)} {_escaped(f'→ {chip.end}')}"
        yield f"{name} : {text}"
    for line in kept_lines(node):
        yield f"{name} : {_escaped(line)}"


def _arrows(drawing: Diagram, names: dict[str, str], manual: str | None) -> Iterator[str]:
    for arrow in drawing.arrows:
        for start in drawn_starts(drawing, arrow):
            yield _arrow(names[start], names[arrow.end], arrow.labels, arrow, manual)
            if arrow.back:
                yield _arrow(names[arrow.end], names[start], arrow.back, arrow, manual)


def _arrow(start: str, end: str, labels: Iterable[Label], arrow: Arrow, manual: str | None) -> str:
    labels = tuple(labels)
    look = CAUSES[labels[0].cause]
    line = "" if look.line == "solid" else f",{look.line}"
    lines = [_linked(label, manual) for label in labels]
    text = marked(r"\n".join(lines), arrow.mark)
    return f"{start} -[{look.colour.light}{line}]-> {end} : {text}"


def _linked(label: Label, manual: str | None) -> str:
    text, link = _escaped(label.full), address(manual, label.page)
    return f"[[{link} {text}]]" if link and text else text


def _notes(drawing: Diagram) -> Iterator[str]:
    said = [
        *drawing.notes,
        *(f"{marked(entry.text, entry.mark)}" for entry in drawing.legend if entry.mark),
    ]
    if said:
        yield "legend"
        yield from (_escaped(plain_line(note)) for note in said)
        yield "endlegend"


_PLAIN = re.compile(r"[A-Za-z0-9 ,/()?+.→✓✗○-]|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9])")
# Creole: lists, headings and rules at a line's beginning, and doubled signs.
_MARKUP = re.compile(r"^[+.-]|(?<=[-.+/])[-.+/]|[-.+/](?=[-.+/])|^e(?=nd\s?legend)", re.MULTILINE)


def _escaped(text: str) -> str:
    """Text as PlantUML shows it unchanged: whatever might mean something as its code point."""
    text = legible(text).strip()
    special = {found.start() for found in _MARKUP.finditer(text)}
    return "".join(
        r"\n"
        if character == "\n"
        else character
        if (_PLAIN.match(text, place) and place not in special) or ord(character) > 0xFFFF
        else f"<U+{ord(character):04X}>"
        for place, character in enumerate(text)
    )
