"""Pictures as tables in Markdown, as GitHub renders it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from serverfsm.diagram.model import Cell, Diagram, Grid, LegendEntry, Node
from serverfsm.diagram.structure import starts
from serverfsm.diagram.wording import SIGNS, address, legible, marked, moves, plain_line, stays

__all__ = ["escaped", "render"]


def render(drawing: Diagram | Grid, manual: str | None) -> str:
    """Return a diagram as tables of its arrows and states, or a grid as a table."""
    paragraphs = [f"# {_line(drawing.title)}", _line(drawing.subtitle)]
    if isinstance(drawing, Diagram):
        paragraphs += [
            "## Arrows",
            _table(("from", "event", "to", "who"), _arrows(drawing, manual)),
        ]
        heads = ("state", "inside", "kind", "what leaves it as it is")
        paragraphs += ["## States", _table(heads, _states(drawing, manual))]
    else:
        cells = ([_cell(cell, manual) for cell in row] for row in drawing.rows)
        paragraphs += [_table([_cell(cell, manual) for cell in drawing.columns], cells)]
    signs = [] if isinstance(drawing, Diagram) else _signs(drawing.legend)
    paragraphs += [_list([*signs, *drawing.notes])]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _arrows(drawing: Diagram, manual: str | None) -> Iterator[Sequence[str]]:
    """One row an event: those of arrows, both ways, and those of chips that lead elsewhere."""
    nodes = {node.id: node for node in drawing.nodes}
    for arrow in drawing.arrows:
        first = ", ".join(_name(node, manual) for node in starts(drawing, arrow))
        end = _name(nodes[arrow.end], manual)
        for labels, (here, there) in ((arrow.labels, (first, end)), (arrow.back, (end, first))):
            for text, cause, _, page in labels:
                event = _link(marked(text, arrow.mark), page, manual)
                yield here, event, there, cause.value
    for node in drawing.nodes:
        for label, words in moves(node):
            event = _link(label.text, label.page, manual)
            yield _name(node, manual), event, escaped(words or ""), label.cause.value


def _states(drawing: Diagram, manual: str | None) -> Iterator[Sequence[str]]:
    for node in drawing.nodes:
        kept = ", ".join(_link(label.full, label.page, manual) for label, _ in stays(node))
        name = _link(marked(node.label, node.mark), node.page, manual)
        yield name, escaped(node.detail), node.kind.value, kept


def _name(node: Node, manual: str | None) -> str:
    return _link(node.label, node.page, manual)


def _cell(cell: Cell, manual: str | None) -> str:
    return _link(marked(cell.text, cell.mark), cell.page, manual)


def _link(text: str, page: str | None, manual: str | None) -> str:
    target = address(manual, page)
    shown = escaped(text)
    return f"[{shown}](<{target}>)" if target and shown else shown


def _signs(legend: Iterable[LegendEntry]) -> list[str]:
    return [f"{SIGNS[entry.mark]} {entry.text}" for entry in legend if entry.mark]


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *map(list, rows)]
    shown = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([shown[0], "|" + " --- |" * len(lines[0]), *shown[1:]])


def _list(texts: Iterable[str]) -> str:
    return "\n".join(f"- {_line(text)}" for text in texts)


def _line(text: str) -> str:
    """Text at the beginning of a line, where lists and headings begin, too."""
    shown = escaped(plain_line(text))
    return re.sub(
        r"^(?:[+=~#-]|(?<=\d)[.)])|^(\d+)([.)])",
        lambda found: f"{found[1] or ''}&#{ord((found[2] or found[0])[0])};",
        shown,
    )


_SPECIAL = re.compile(
    r"[\\`*\[\]<>&|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"
    r"|:(?=//|[\w+-]+:)|(?<=www)\.|(?<=[\w.+-])@(?=\w)|\{(?=[{%])|(?<=\{)\{",
    re.IGNORECASE,
)


def escaped(text: str) -> str:
    """Return text as Markdown shows it unchanged, also in a cell of a table.

    >>> escaped("a|b <i> vm_state *x*")
    'a&#124;b &#60;i&#62; vm_state &#42;x&#42;'
    """
    shown = _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", legible(text).strip())
    return shown.replace("\n", "<br>")
