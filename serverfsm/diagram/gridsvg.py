"""A grid as SVG, columns as wide as their longest text; it takes no layout program."""

from __future__ import annotations

import textwrap
from typing import NamedTuple
from xml.etree import ElementTree as ET

from serverfsm.diagram.lines import cell_lines, clean
from serverfsm.diagram.model import Cell, Grid
from serverfsm.diagram.svg import dress, written

__all__ = ["render"]

_SVG = "http://www.w3.org/2000/svg"
_SIZE = 9  # points
_CHARACTER = 4.9  # points, of an average character
_CAPITAL = 6.8
_LINE = 12
_LEADING = 6
_PADDING = 5
_TOP = 58


def render(grid: Grid, manual: str | None = None) -> str:
    """Return a grid as SVG, with links to the manual if its root is given."""
    rows = [[(cell, cell_lines(cell)) for cell in row] for row in (grid.columns, *grid.rows)]
    widths = [
        2 * _PADDING + max(_length(line) for row in rows for line in row[at][1])
        for at in range(len(grid.columns))
    ]
    heights = [_LINE * max(len(lines) for _, lines in row) + _LEADING for row in rows]
    width = max(sum(widths), 8.7 * len(grid.title))
    said = [", ".join(f"{_sign(entry.mark.value)} {entry.text}" for entry in grid.legend)]
    below = [line for text in (*said, *grid.notes) for line in _wrap(text, int(width / 4.6))]
    height = _TOP + sum(heights) + 16 * len(below) + 14
    root = ET.Element(
        f"{{{_SVG}}}svg",
        {
            "width": f"{width + 20:.0f}pt",
            "height": f"{height:.0f}pt",
            "viewBox": f"0 0 {width + 20:.2f} {height:.2f}",
        },
    )
    _text(root, 10, 24, grid.title, "title", "frame of-ink", 15).set("font-weight", "bold")
    _text(root, 10, 42, grid.subtitle, "subtitle", "frame of-muted", 10)
    y = float(_TOP)
    for number, (row, tall) in enumerate(zip(rows, heights, strict=True)):
        x = 10.0
        for at, (cell, lines) in enumerate(row):
            group = _group(root, cell, f"cell-{number}-{at}", _Box(x, y, widths[at], tall))
            _words(group, cell, lines, f"cell-{number}-{at}", x, y, number == 0, manual)
            x += widths[at]
        y += tall
    for number, text in enumerate(below):
        _text(root, 10, y + 16 * (number + 1), text, f"note-{number}", "frame of-muted", 9)
    dress(root, grid)
    return written(root)


class _Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float


def _length(text: str) -> float:
    return sum(_CAPITAL if each.isupper() or each == "_" else _CHARACTER for each in text)


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(clean(text), width, break_long_words=False, break_on_hyphens=False)


def _sign(mark: str) -> str:
    return f"[{mark}]" if mark else ""


def _group(root: ET.Element, cell: Cell, name: str, box: _Box) -> ET.Element:
    mark = f" mark-{cell.mark.value}" if cell.mark else ""
    group = ET.SubElement(root, f"{{{_SVG}}}g", {"id": name, "class": "cell" + mark})
    if cell.tip:
        tip = ET.SubElement(group, f"{{{_SVG}}}title")
        tip.text = "\n".join(map(clean, cell.tip.splitlines()))
    place = {side: f"{value:.2f}" for side, value in box._asdict().items()}
    given = {"id": f"{name}.0", "class": "shape" + mark, **place}
    ET.SubElement(group, f"{{{_SVG}}}rect", given)
    return group


def _words(
    group: ET.Element,
    cell: Cell,
    lines: list[str],
    name: str,
    x: float,
    y: float,
    is_head: bool,
    manual: str | None,
) -> None:
    if cell.page and manual is not None:
        group = ET.SubElement(group, f"{{{_SVG}}}a", {"href": manual + cell.page})
    mark = f" mark-{cell.mark.value}" if cell.mark else ""
    for number, line in enumerate(lines, start=1):
        below = y + _LINE * number
        text = _text(group, x + _PADDING, below, line, f"{name}.{number}", "cell" + mark, _SIZE)
        if is_head:
            text.set("font-weight", "bold")


def _text(
    parent: ET.Element, x: float, y: float, text: str, name: str, kind: str, size: float
) -> ET.Element:
    element = ET.SubElement(
        parent,
        f"{{{_SVG}}}text",
        {"id": name, "class": kind, "x": f"{x:.2f}", "y": f"{y:.2f}", "font-size": f"{size:g}"},
    )
    element.text = clean(text)
    return element
