"""DOT, the language of Graphviz; every other laid-out format is made of this text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from serverfsm.diagram import lines as texts
from serverfsm.diagram.lines import Line, cell_lines, clean
from serverfsm.diagram.model import (
    Arrow,
    Cell,
    Diagram,
    Grid,
    Group,
    LegendEntry,
    Mark,
    Node,
    NodeKind,
)
from serverfsm.diagram.palette import CAUSES, FONT, INK, KINDS, MARKS, MUTED, PAPER, RULE

__all__ = ["quoted", "render", "source"]

_SIZES = {"name": 12, "detail": 9, "chip": 9, "staying": 9, "forth": 9.5, "back": 9.5}
_FRAME = 'labelloc=t; labeljust=l; pencolor="transparent"; margin=6;'
_SIZE = "16.6,60"  # inches: wider pictures are scaled down to 1,195 points
_LONGEST_TIP = 2_000  # characters
_CHARACTER = 5.2  # points, of a character on an arrow
_SAMPLES = {
    "solid": "\u2500\u2500\u2500",
    "bold": "\u2501\u2501\u2501",
    "dotted": "\u00b7\u00b7\u00b7\u00b7",
    "dashed": "- - -",
}


def render(drawing: Diagram | Grid, manual: str | None = None) -> str:
    """Return the DOT text of a picture, with links to the manual if its root is given."""
    return source(drawing, manual)


def source(
    drawing: Diagram | Grid, manual: str | None = None, *, rich: bool = True, paper: bool = False
) -> str:
    """Return the DOT text of a picture.

    Args:
        drawing: what to draw.
        manual: the address of the manual's root, to link to; None: no links.
        rich: with HTML-like labels, which Graphviz as a WebAssembly module does not know.
        paper: on a white ground instead of a transparent one.
    """
    writer = _Writer(manual, rich)
    body = writer.grid(drawing) if isinstance(drawing, Grid) else writer.diagram(drawing)
    ground = PAPER.light if paper else "transparent"
    direction = drawing.direction if isinstance(drawing, Diagram) else "LR"
    head = [f"digraph {quoted(drawing.view)} {{", *_common(ground, direction)]
    return "\n".join([*head, *body, "}", ""])


def quoted(text: str) -> str:
    """Return a text as a quoted string of DOT, shown as it is.

    >>> quoted('say "no"')
    '"say \\\\"no\\\\""'
    """
    escaped = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tooltip(text: str) -> str:
    """Return a tooltip: Graphviz refuses long strings, and SVG has the whole text besides."""
    return quoted(text if len(text) <= _LONGEST_TIP else text[:_LONGEST_TIP] + "\u2026")


def _common(ground: str, direction: str) -> list[str]:
    face = quoted(FONT)
    graph = (
        f'bgcolor="{ground}", fontname={face}, fontcolor="{INK.light}", compound=true, '
        f'rankdir={direction}, nodesep=0.22, ranksep=0.3, pad="0.45,0.15", size="{_SIZE}", '
        "labelloc=b, labeljust=l"
    )
    node = f'fontname={face}, fontsize=12, fontcolor="{INK.light}", margin="0.12,0.06"'
    edge = f"fontname={face}, fontsize=10.5, arrowsize=0.7"
    return [f"  graph [{graph}];", f"  node [{node}];", f"  edge [{edge}];"]


class _Writer:
    def __init__(self, manual: str | None, rich: bool) -> None:
        self._manual = manual
        self._rich = rich

    # ------------------------------------------------------------------ diagrams

    def diagram(self, drawing: Diagram) -> Iterator[str]:
        yield f"  label={self._legend(drawing.legend, drawing.notes)};"
        yield "  subgraph cluster_picture {"
        yield f"    label={self._title(drawing)}; {_FRAME}"
        inside = {member for group in drawing.groups for member in group.members}
        for node in drawing.nodes:
            if node.id not in inside:
                yield "    " + self._node(node, drawing)
        yield from self._groups(drawing)
        for rank in drawing.ranks:
            yield f"    {{ rank=same; {'; '.join(map(quoted, rank))}; }}"
        for first, second in pairwise(drawing.columns):
            yield f"    {quoted(first)} -> {quoted(second)} [style=invis, weight=0];"
        for arrow in drawing.arrows:
            yield "    " + self._arrow(arrow, drawing)
        yield "  }"

    def _groups(self, drawing: Diagram) -> Iterator[str]:
        def written(group: Group, indent: str) -> Iterator[str]:
            yield f"{indent}subgraph {quoted('cluster_' + group.id)} {{"
            said = [Line(group.label, "detail")] if group.label else []
            yield (
                f'{indent}  id={quoted(group.id)}; style="rounded,dashed"; '
                f'pencolor="{RULE.light}"; margin=10; label={self._label(said)}; '
                f"tooltip={_tooltip(group.tip or group.label)};"
            )
            inner = _inside(group, drawing.groups)
            of_inner = {member for each in inner for member in each.members}
            for each in inner:
                yield from written(each, indent + "  ")
            for member in group.members:
                if member not in of_inner:
                    yield f"{indent}  " + self._node(drawing.node(member), drawing)
            yield f"{indent}}}"

        outermost = [
            group
            for group in drawing.groups
            if not any(set(group.members) < set(other.members) for other in drawing.groups)
        ]
        for group in outermost:
            yield from written(group, "    ")

    def _node(self, node: Node, drawing: Diagram) -> str:
        look = MARKS[node.mark] if node.mark else KINDS[node.kind]
        shape = KINDS[node.kind]
        given = {
            "id": quoted(node.id),
            "label": self._label(texts.of_node(node)),
            "shape": shape.shape,
            "style": quoted(shape.style),
            "fillcolor": f'"{look.ground.light}"',
            "color": f'"{look.border.light}"',
            "tooltip": _tooltip(node.tip or node.label),
        }
        if shape.rings > 1:
            given["peripheries"] = str(shape.rings)
        if node.kind is NodeKind.START:
            given |= {"label": '""', "width": "0.22", "fixedsize": "true"}
        if node.id in drawing.spine:
            given["group"] = "spine"
        if node.page and self._manual is not None:
            given["URL"] = quoted(self._manual + node.page)
        return f"{quoted(node.id)} [{_listed(given)}];"

    def _arrow(self, arrow: Arrow, drawing: Diagram) -> str:
        ink = CAUSES[arrow.cause]
        colour = MARKS[arrow.mark].border.light if arrow.mark else ink.colour.light
        groups = {group.id: group for group in drawing.groups}
        start = arrow.start
        given = {
            "id": quoted(arrow.id),
            "label": self._label(texts.of_arrow(arrow), is_beside=_is_upright(arrow, drawing)),
            "color": f'"{colour}"',
            "fontcolor": f'"{colour}"',
            "style": "dashed" if arrow.mark is Mark.UNSEEN else ink.line,
            "penwidth": f"{ink.width:g}",
            "tooltip": _tooltip(arrow.tip),
            "labeltooltip": _tooltip(arrow.tip),
        }
        if arrow.back:
            given["dir"] = "both"
        if start in groups:
            given["ltail"] = quoted("cluster_" + start)
            start = _last_member(groups[start], drawing)
        on_spine = drawing.spine
        if start in on_spine and arrow.end in on_spine:
            given["weight"] = "100"
        return f"{quoted(start)} -> {quoted(arrow.end)} [{_listed(given)}];"

    # ------------------------------------------------------------------ texts

    def _label(self, lines: Sequence[Line], *, is_beside: bool = False) -> str:
        """The lines as a label; `is_beside`: in its right half, as the arrow runs through it."""
        longest = max((len(line.text) for line in lines), default=0) if is_beside else 0
        if not lines:
            return '""'
        if not self._rich:
            pad = " " * longest
            return '"' + "".join(pad + _plain(line.text) + "\\l" for line in lines) + '"'
        spacer = f'<TD WIDTH="{round(longest * _CHARACTER)}"></TD>' if is_beside else ""
        rows = "".join(
            f'<TR>{spacer}<TD ALIGN="LEFT">{self._font(line)}</TD></TR>' for line in lines
        )
        return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{rows}</TABLE>>'

    def _font(self, line: Line) -> str:
        colour = CAUSES[line.cause].colour if line.cause else INK
        if line.kind in ("detail", "staying"):
            colour = MUTED
        text = html(line.text)
        if line.kind == "name":
            text = f"<B>{text}</B>"
        return f'<FONT COLOR="{colour.light}" POINT-SIZE="{_SIZES[line.kind]:g}">{text}</FONT>'

    def _title(self, drawing: Diagram | Grid) -> str:
        if not self._rich:
            return f'"{_plain(drawing.title)}\\n{_plain(drawing.subtitle)}\\n"'
        rows = [
            f'<FONT POINT-SIZE="17"><B>{html(drawing.title)}</B></FONT>',
            f'<FONT POINT-SIZE="11" COLOR="{MUTED.light}">{html(drawing.subtitle)}</FONT>',
        ]
        body = "".join(f'<TR><TD ALIGN="LEFT">{row}</TD></TR>' for row in rows)
        return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="1">{body}</TABLE>>'

    def _legend(self, entries: Iterable[LegendEntry], notes: Iterable[str]) -> str:
        entries, notes = tuple(entries), tuple(notes)
        if not self._rich:
            said = [", ".join(_in_words(entry) for entry in entries), *notes]
            return '"' + "".join(_plain(text) + "\\l" for text in said if text) + '"'
        if not entries and not notes:
            return '""'
        cells = "".join(
            f"<TD>{_sample(entry)}</TD>"
            f'<TD ALIGN="LEFT"><FONT POINT-SIZE="10">{html(entry.text)}   </FONT></TD>'
            for entry in entries
        )
        span = max(2 * len(entries), 1)
        rows = [f"<TR>{cells}</TR>"] if entries else []
        rows += [
            f'<TR><TD ALIGN="LEFT" COLSPAN="{span}"><FONT POINT-SIZE="10" COLOR="{MUTED.light}">'
            f"{html(note)}</FONT></TD></TR>"
            for note in notes
        ]
        table = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="2" CELLPADDING="2">'
        return f"<{table}{''.join(rows)}</TABLE>>"

    # ------------------------------------------------------------------ grids

    def grid(self, drawing: Grid) -> Iterator[str]:
        yield f"  label={self._legend(drawing.legend, drawing.notes)};"
        yield "  subgraph cluster_picture {"
        yield f"    label={self._title(drawing)}; {_FRAME}"
        rows = [drawing.columns, *drawing.rows]
        if self._rich:
            cells = "".join(
                "<TR>" + "".join(_cell(cell, number == 0) for cell in row) + "</TR>"
                for number, row in enumerate(rows)
            )
            table = (
                f'<<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="3" '
                f'COLOR="{RULE.light}">{cells}</TABLE>>'
            )
        else:
            table = (
                '"'
                + "".join(_plain("  ".join(cell.text for cell in row)) + "\\l" for row in rows)
                + '"'
            )
        yield f'    "grid" [id="grid", shape=plain, label={table}];'
        yield "  }"


def _last_member(group: Group, drawing: Diagram) -> str:
    """Where an arrow of a group is fastened: neither in an inner group nor on the spine."""
    inner = {member for each in _inside(group, drawing.groups) for member in each.members}
    own = [member for member in group.members if member not in inner] or list(group.members)
    return ([member for member in own if member not in drawing.spine] or own)[-1]


def _inside(group: Group, groups: Iterable[Group]) -> list[Group]:
    """The groups directly inside another."""
    inner = [each for each in groups if set(each.members) < set(group.members)]
    return [
        each for each in inner if not any(set(each.members) < set(other.members) for other in inner)
    ]


def _is_upright(arrow: Arrow, drawing: Diagram) -> bool:
    """Whether both ends stand in one column: told so, or both reached from one node."""
    if drawing.direction == "TB":
        return False  # Graphviz then puts labels beside of itself
    if any(arrow.start in rank and arrow.end in rank for rank in drawing.ranks):
        return True
    before = [
        {other.start for other in drawing.arrows if other.end == end}
        for end in (arrow.start, arrow.end)
    ]
    return bool(before[0] & before[1])


def _cell(cell: Cell, is_head: bool) -> str:
    look = MARKS.get(cell.mark)
    ground = look.ground.light if look else PAPER.light
    colour = look.border.light if look else INK.light
    text = '<BR ALIGN="LEFT"/>'.join(map(html, cell_lines(cell)))
    text = f"<B>{text}</B>" if is_head else text
    return (
        f'<TD ALIGN="LEFT" BGCOLOR="{ground}">'
        f'<FONT POINT-SIZE="9" COLOR="{colour}">{text}</FONT></TD>'
    )


def html(text: str) -> str:
    """Return a text as it stands in an HTML-like label, which must not be empty."""
    for character, name in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("\\", "#92")):
        text = text.replace(character, f"&{name};")
    return clean(text) or "&#160;"


def _plain(text: str) -> str:
    """Return a text as it stands inside a quoted label, where `&` begins an entity."""
    return quoted(text.replace("&", "&amp;"))[1:-1]


def _sample(entry: LegendEntry) -> str:
    if entry.cause is not None:
        ink = CAUSES[entry.cause]
        return f'<FONT COLOR="{ink.colour.light}" POINT-SIZE="11">{_SAMPLES[ink.line]}</FONT>'
    look = MARKS[entry.mark] if entry.mark else KINDS[entry.kind or NodeKind.RESTING]
    sample = _SHAPES[look.shape, look.style]
    return f'<FONT COLOR="{look.border.light}" POINT-SIZE="11">{sample}</FONT>'


_SHAPES = {
    ("box", "rounded,filled"): "\u25a2",
    ("box", "rounded,filled,dashed"): "\u25cc",
    ("box", "filled,diagonals"): "\u2b21",
    ("box", "filled"): "\u25a3",
    ("box", "filled,dashed"): "\u25cc",
    ("circle", "filled"): "\u25cf",
    ("folder", "filled"): "\u25a4",
    ("box", "filled,bold"): "\u25fc",
    ("note", "filled"): "\u25a8",
}


def _in_words(entry: LegendEntry) -> str:
    if entry.cause is not None:
        return f"{CAUSES[entry.cause].line} line: {entry.text}"
    look = MARKS[entry.mark] if entry.mark else KINDS[entry.kind or NodeKind.RESTING]
    return f"{_SHAPES[look.shape, look.style]} {entry.text}"


def _listed(given: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in given.items())
