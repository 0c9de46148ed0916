"""Words and signs that several text formats share, and text made safe for all of them."""

from __future__ import annotations

import re
import textwrap
from urllib.parse import quote

from serverfsm.diagram.model import Chip, Mark, Node
from serverfsm.diagram.palette import KINDS, MARKS, Look

__all__ = [
    "SIGNS",
    "address",
    "class_of",
    "kept_lines",
    "legible",
    "looks",
    "marked",
    "moves",
    "plain_line",
    "stays",
]

SIGNS: dict[Mark, str] = {
    Mark.NONE: "",
    Mark.YES: "✓",
    Mark.NO: "✗",
    Mark.DEPENDS: "?",
    Mark.UNSEEN: "○",
}
"""A sign for each mark, for readers who see no colours."""

_WIDTH = 44  # characters in a line inside a state

_PICTURES = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def legible(text: str) -> str:
    """Return a text without characters that XML or HTML cannot hold, which stay visible.

    >>> legible("bell\\x07, line\\r\\nline")
    'bell␇, line\\nline'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNREADABLE.sub(lambda found: chr(_PICTURES.get(ord(found[0]), 0xFFFD)), text)


def plain_line(text: str) -> str:
    """Return a text as one legible line.

    >>> plain_line(" two\\n lines ")
    'two lines'
    """
    return " ".join(legible(text).split())


def marked(text: str, mark: Mark) -> str:
    """Return a text with its mark's sign behind it.

    >>> marked("os-stop", Mark.YES), marked("os-stop", Mark.NONE)
    ('os-stop ✓', 'os-stop')
    """
    return f"{text} {SIGNS[mark]}" if mark is not Mark.NONE else text


def moves(node: Node) -> tuple[Chip, ...]:
    """Return the chips of a node that lead elsewhere."""
    return tuple(chip for chip in node.chips if chip.end is not None)


def stays(node: Node) -> tuple[Chip, ...]:
    """Return the chips of a node that leave it as it is."""
    return tuple(chip for chip in node.chips if chip.end is None)


def kept_lines(node: Node) -> list[str]:
    """Return in short lines which events leave a node as it is; nothing where none does."""
    kept = ", ".join(chip.label.full for chip in stays(node))
    return textwrap.wrap(
        f"no change: {kept}" if kept else "", _WIDTH, break_long_words=False, break_on_hyphens=False
    )


def class_of(node: Node) -> str:
    """Return the name of a node's look: of its mark if it has one, else of its kind."""
    return node.kind.value if node.mark is Mark.NONE else f"mark_{node.mark.value}"


def looks() -> dict[str, Look]:
    """Return every look by the name that `class_of` gives it."""
    kinds = {kind.value: look for kind, look in KINDS.items()}
    return kinds | {f"mark_{mark.value}": look for mark, look in MARKS.items()}


def address(manual: str | None, page: str | None) -> str | None:
    """Return the address of a page of the manual; None where there is nothing to link to.

    Characters that could end an address early are percent-encoded.

    >>> address("../", "reference/states/active.html")
    '../reference/states/active.html'
    >>> address("../", None) is None, address(None, "a.html") is None
    (True, True)
    """
    if manual is None or page is None:
        return None
    return quote(legible(manual + page), safe="/:#?&=%~.-_+,@!;")
