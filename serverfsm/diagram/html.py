"""Pictures as one self-contained page: the drawing, and tables that say the same in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from serverfsm.diagram.model import Cell, Diagram, Grid, Mark
from serverfsm.diagram.palette import CAUSES, INK, MARKS, MUTED, PAPER, RULE, Tint
from serverfsm.diagram.structure import starts
from serverfsm.diagram.wording import SIGNS, address, legible, moves, stays
from serverfsm.errors import MissingPackageError

__all__ = ["inline_svg", "page", "render"]


_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render(drawing: Diagram | Grid, manual: str | None) -> str:
    """Return the page. It loads nothing and runs nothing; it follows the light or dark scheme.

    Where no layout program is there it has no drawing, and says why.
    """
    body = _diagram(drawing, manual) if isinstance(drawing, Diagram) else _grid(drawing, manual)
    lines = [f'<p class="subtitle">{_text(drawing.subtitle)}</p>', *body]
    if drawing.notes:
        notes = "".join(f"<li>{_text(note)}</li>" for note in drawing.notes)
        lines.append(f"<h2>Notes</h2>\n<ul>{notes}</ul>")
    return page(drawing.title, lines)


def page(title: str, body: Iterable[str], policy: str = _POLICY) -> str:
    """Return a page of lines of markup below a title, which is text."""
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        f"<title>{_text(title)}</title>",
        f"<style>{_style()}</style>",
        "</head>",
        "<body>",
        "<main>",
        f"<h1>{_text(title)}</h1>",
        *body,
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def inline_svg(svg: str) -> str:
    """Return the text of an SVG file as it may stand inside a page: its element alone."""
    return svg[svg.index("<svg") :].rstrip()


def _diagram(drawing: Diagram, manual: str | None) -> Iterator[str]:
    try:
        svg = inline_svg(drawing.to_text("svg", manual=manual))
    except MissingPackageError as error:
        yield f'<p class="missing">There is no drawing here: {_text(str(error))}</p>'
    else:
        label = f"{drawing.title}; the tables below say the same"
        yield f'<div class="drawing" role="group" tabindex="0" aria-label="{_text(label)}">'
        yield svg
        yield "</div>"
    yield "<h2>Arrows</h2>"
    yield from _table(("from", "event", "to", "who", "rule"), _arrow_rows(drawing, manual))
    yield "<h2>States</h2>"
    heads = ("state", "inside", "kind", "what leaves it as it is")
    yield from _table(heads, _state_rows(drawing, manual))


def _arrow_rows(drawing: Diagram, manual: str | None) -> Iterator[list[str]]:
    nodes = {node.id: node for node in drawing.nodes}
    for arrow in drawing.arrows:
        first = ", ".join(_link(node.label, node.page, manual) for node in starts(drawing, arrow))
        end = nodes[arrow.end]
        last = _link(end.label, end.page, manual)
        for labels, (here, there) in ((arrow.labels, (first, last)), (arrow.back, (last, first))):
            for text, cause, tip, page in labels:
                event = _link(text, page, manual) + _sign(arrow.mark)
                yield [here, event, there, cause.value, _tip(tip)]
    for node in drawing.nodes:
        name = _link(node.label, node.page, manual)
        for (text, cause, tip, page), words in moves(node):
            event = _link(text, page, manual)
            yield [name, event, _text(words or ""), cause.value, _tip(tip)]


def _state_rows(drawing: Diagram, manual: str | None) -> Iterator[list[str]]:
    for node in drawing.nodes:
        kept = ", ".join(_link(label.full, label.page, manual) for label, _ in stays(node))
        name = _link(node.label, node.page, manual) + _sign(node.mark)
        yield [name, _text(node.detail), node.kind.value, kept]


def _table(heads: Iterable[str], rows: Iterable[list[str]]) -> Iterator[str]:
    """A table of a diagram's; its cells are markup already."""
    yield '<div class="wide" tabindex="0" role="group" aria-label="table">\n<table>'
    cells = "".join(f'<th scope="col">{_text(head)}</th>' for head in heads)
    yield f"<thead><tr>{cells}</tr></thead>\n<tbody>"
    for first, *rest in rows:
        others = "".join(f"<td>{cell}</td>" for cell in rest)
        yield f'<tr><th scope="row">{first}</th>{others}</tr>'
    yield "</tbody>\n</table>\n</div>"


def _grid(drawing: Grid, manual: str | None) -> Iterator[str]:
    entries = [
        f'<li class="{entry.mark.value}">{_text(entry.text)}{_sign(entry.mark)}</li>'
        for entry in drawing.legend
        if entry.mark
    ]
    if entries:
        yield f'<ul class="legend">{"".join(entries)}</ul>'
    yield '<div class="wide grid" tabindex="0" role="group" aria-label="table">\n<table>'
    cells = "".join(_cell(cell, "col", manual) for cell in drawing.columns)
    yield f"<thead><tr>{cells}</tr></thead>\n<tbody>"
    for row in drawing.rows:
        others = "".join(_cell(cell, "", manual) for cell in row[1:])
        yield f"<tr>{_cell(row[0], 'row', manual)}{others}</tr>"
    yield "</tbody>\n</table>\n</div>"


def _cell(cell: Cell, scope: str, manual: str | None) -> str:
    name, extra = ("th", f' scope="{scope}"') if scope else ("td", "")
    if cell.mark:
        extra += f' class="{cell.mark.value}"'
    if cell.tip:
        extra += f' title="{_text(cell.tip)}"'
    return f"<{name}{extra}>{_link(cell.text, cell.page, manual)}{_sign(cell.mark)}</{name}>"


def _text(text: str) -> str:
    return escape(legible(text))


def _link(text: str, page: str | None, manual: str | None) -> str:
    target = address(manual, page)
    return f'<a href="{escape(target)}">{_text(text)}</a>' if target else _text(text)


def _sign(mark: Mark) -> str:
    if not mark:
        return ""
    return f' <span class="sign" aria-label="{mark.value}" role="img">{SIGNS[mark]}</span>'


def _tip(tip: str) -> str:
    return _text(tip).replace("\n", "<br>")


_STYLE = """
:root { color-scheme: light dark; --paper: PAPER; --ink: INK; --muted: MUTED; --rule: RULE;
  --link: LINK; MARKS }
@media (prefers-color-scheme: dark) { :root { --paper: PAPER; --ink: INK; --muted: MUTED;
  --rule: RULE; --link: LINK; MARKS } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.45 system-ui, Helvetica, Arial, sans-serif; }
main { max-width: 80rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; }
.subtitle, .missing { color: var(--muted); }
a { color: var(--link); }
.drawing, .wide { overflow-x: auto; }
.drawing svg, figure img { max-width: 100%; height: auto; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: separate; border-spacing: 0; font-size: .875rem; }
figure { margin: 1.5rem 0; } figcaption { margin-bottom: .5rem; }
th, td { padding: .25rem .6rem; text-align: left; vertical-align: top; font-weight: normal;
  border-bottom: 1px solid var(--rule); }
thead th { position: sticky; top: 0; background: var(--paper); font-weight: bold; z-index: 1; }
.grid { max-height: 85vh; overflow: auto; }
.grid tbody th, .grid thead th:first-child { position: sticky; left: 0;
  background: var(--paper); }
.grid thead th:first-child { z-index: 2; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .5rem; }
.legend li { padding: .1rem .5rem; border: 1px solid var(--rule); }
LOOKS
"""


def _style() -> str:
    looks = (
        f".{mark.value} {{ background: var(--{mark.value}-ground); color: var(--{mark.value}); }}"
        for mark in MARKS
    )
    style = _STYLE.strip().replace("LOOKS", "\n".join(looks))
    light, dark = style.split("@media", 1)
    return _coloured(light, 0) + "@media" + _coloured(dark, 1)


def _coloured(style: str, scheme: int) -> str:
    """The style with the colours of a scheme: 0 for light, 1 for dark."""
    link: Tint = next(iter(CAUSES.values())).colour
    tints = {"PAPER": PAPER, "INK": INK, "MUTED": MUTED, "RULE": RULE, "LINK": link}
    marks = " ".join(
        f"--{mark.value}: {INK[scheme]}; --{mark.value}-ground: {look.ground[scheme]};"
        for mark, look in MARKS.items()
    )
    words = {name: tint[scheme] for name, tint in tints.items()} | {"MARKS": marks}
    return re.sub("|".join(words), lambda found: words[found[0]], style)
