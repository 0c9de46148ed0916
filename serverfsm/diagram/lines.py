"""The lines of text of each element of a picture, in the order in which every format shows them."""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

from serverfsm.diagram.model import Arrow, Cell, Label, Node, NodeKind
from serverfsm.rows import Cause

__all__ = ["Line", "cell_lines", "clean", "of_arrow", "of_node"]

_INDENT = "\u00a0\u00a0"  # of a chip's further lines; blanks would be dropped
_WIDTH = 30  # characters of a line of text in a node, where it can be broken
_MOST_LINES = 14  # of an arrow


class Line(NamedTuple):
    """One line: its text, what it is, and the label that it shows if it shows one alone.

    Attributes:
        text: to be escaped by the format.
        kind: "name", "detail", "chip", "staying", "forth" or "back".
        cause: whose colour it has; None: the common one.
        label: for its tooltip and link.
    """

    text: str
    kind: str
    cause: Cause | None = None
    label: Label | None = None


def clean(text: str) -> str:
    """Return a text without control characters, which no format may hold, on one line.

    >>> clean("a\\x00b\\nc")
    'a b c'
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+", " ", text)


def of_node(node: Node) -> list[Line]:
    """Return the lines of a node: its name, what it is inside, and its chips."""
    if node.kind is NodeKind.START:
        return []
    lines = [Line(clean(node.label), "name")]
    lines += [Line(part, "detail") for part in _wrapped(node.detail)]
    for chip in node.chips:
        if chip.end is not None:
            text = f"{clean(chip.label.full)} \u2192 {clean(chip.end)}"
            lines += [
                Line(part, "chip", chip.label.cause, chip.label) for part in _wrapped(text, _INDENT)
            ]
    staying = [clean(chip.label.full) for chip in node.chips if chip.end is None]
    if staying:
        lines += [Line(part, "staying") for part in _wrapped("no change: " + ", ".join(staying))]
    return lines


def of_arrow(arrow: Arrow) -> list[Line]:
    """Return the lines of an arrow: what goes forth, then what goes back."""
    both = bool(arrow.back)
    forth = [
        Line(clean(label.full) + (" \u2192" if both else ""), "forth", label.cause, label)
        for label in arrow.labels
    ]
    back = [Line("\u2190 " + clean(label.full), "back", label.cause, label) for label in arrow.back]
    return _shortened(forth) + _shortened(back)


def cell_lines(cell: Cell) -> list[str]:
    """Return the lines of a cell's text, broken where it is long; at least one."""
    return _wrapped(cell.text) or [""]


def _shortened(lines: list[Line]) -> list[Line]:
    """The first lines; of more, how many there are: the tooltip has them all."""
    if len(lines) <= _MOST_LINES:
        return lines
    kept = lines[: _MOST_LINES - 1]
    more = len(lines) - len(kept)
    return [*kept, Line(f"and {more} more", lines[-1].kind, lines[-1].cause)]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        clean(text),
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
