"""SVG: the laid-out picture with classes, ids, tooltips, links, and colours for light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree as ET

from serverfsm.diagram import lines as texts
from serverfsm.diagram.dot import source
from serverfsm.diagram.layout import has_program, laid_out
from serverfsm.diagram.lines import Line, clean
from serverfsm.diagram.model import Arrow, Diagram, Grid, Mark, Node, NodeKind
from serverfsm.diagram.palette import CAUSES, FONT, INK, KINDS, MARKS, MUTED, PAPER, RULE, Tint

__all__ = ["dress", "render", "style", "written"]

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_SHAPES = ("polygon", "path", "polyline", "ellipse")
_UNFILLED = ("none", "transparent")
ET.register_namespace("", _SVG)
ET.register_namespace("xlink", _XLINK)


def render(drawing: Diagram | Grid, manual: str | None = None) -> str:
    """Return a picture as SVG, with links to the manual if its root is given."""
    if isinstance(drawing, Grid):
        from serverfsm.diagram.gridsvg import render as render_grid

        return render_grid(drawing, manual)
    laid = laid_out(source(drawing, rich=has_program()), "svg")
    root = ET.fromstring(laid)
    _Painter(drawing, manual).paint(root)
    return written(root)


def written(root: ET.Element) -> str:
    """Return an SVG element as text."""
    return ET.tostring(root, encoding="unicode") + "\n"


def dress(root: ET.Element, drawing: Diagram | Grid) -> None:
    """Give the root what every picture has: a name for screen readers, and the colours."""
    root.set("class", f"serverfsm {drawing.view}")
    has_links = next(root.iter(f"{{{_SVG}}}a"), None) is not None
    root.set("role", "group" if has_links else "img")  # what is inside an image is not told
    root.set("aria-label", clean(f"{drawing.title}. {drawing.subtitle}"))
    sheet = ET.Element(f"{{{_SVG}}}style")
    sheet.text = style()
    title = ET.Element(f"{{{_SVG}}}title")
    title.text = clean(drawing.title)
    root.insert(0, sheet)
    root.insert(0, title)


class _Painter:
    """Gives what the layout program drew the words, classes and links of the model."""

    def __init__(self, drawing: Diagram, manual: str | None) -> None:
        self._drawing = drawing
        self._manual = manual
        self._nodes = {node.id: node for node in drawing.nodes}
        self._arrows = {arrow.id: arrow for arrow in drawing.arrows}
        self._groups = {group.id: group for group in drawing.groups}

    def paint(self, root: ET.Element) -> None:
        graph = next(root.iter(f"{{{_SVG}}}g"))
        graph.set("id", "graph")
        graph.set("class", "graph")
        for group in list(graph.iter(f"{{{_SVG}}}g")):
            name = group.get("id", "")
            if name in self._nodes:
                self._node(group, self._nodes[name])
            elif name in self._arrows:
                self._arrow(group, self._arrows[name])
            elif name in self._groups:
                self._stated(group, "group", self._groups[name].tip or self._groups[name].label)
            elif group is not graph:
                self._stated(group, "frame", "")
        self._frame(graph)
        _number(graph)
        dress(root, self._drawing)

    def _node(self, group: ET.Element, node: Node) -> None:
        kinds = ["node", node.kind.value, *filter(None, [node.mark and f"mark-{node.mark.value}"])]
        self._stated(group, " ".join(kinds), node.tip or node.label)
        self._texts(group, texts.of_node(node))
        if node.page and self._manual is not None:
            self._link(group, self._manual + node.page)

    def _arrow(self, group: ET.Element, arrow: Arrow) -> None:
        kinds = ["edge", arrow.cause.value]
        kinds += ["two-headed"] * bool(arrow.back)
        kinds += [f"mark-{arrow.mark.value}"] * bool(arrow.mark)
        self._stated(group, " ".join(kinds), arrow.tip)
        self._texts(group, texts.of_arrow(arrow))

    def _stated(self, group: ET.Element, kinds: str, tip: str) -> None:
        group.set("class", kinds)
        _unwrap_links(group)
        for title in group.findall(f"{{{_SVG}}}title"):
            group.remove(title)
        if tip:
            title = ET.Element(f"{{{_SVG}}}title")
            title.text = "\n".join(map(clean, tip.splitlines()))
            group.insert(0, title)

    def _texts(self, group: ET.Element, lines: Sequence[Line]) -> None:
        """Each line of the model is one text, in the same order."""
        found = [text for text in group if text.tag == f"{{{_SVG}}}text"]
        for text, line in zip(found, lines, strict=True):
            _bare(text)
            text.text = line.text  # Graphviz takes some backslashes for its own, and blanks away
            text.set("class", " ".join(filter(None, [line.kind, line.cause and line.cause.value])))
            if line.kind == "name":
                text.set("font-weight", "bold")
            if line.label is not None:
                tip = ET.SubElement(text, f"{{{_SVG}}}title")
                tip.text = "\n".join(map(clean, (line.label.tip or line.label.full).splitlines()))
                if line.label.page and self._manual is not None:
                    self._linked_text(group, text, self._manual + line.label.page)

    def _linked_text(self, group: ET.Element, text: ET.Element, address: str) -> None:
        at = list(group).index(text)
        group.remove(text)
        link = ET.Element(f"{{{_SVG}}}a", {"href": address})
        link.append(text)
        group.insert(at, link)

    def _link(self, group: ET.Element, address: str) -> None:
        """The shape and the name of a node lead to its page; its chips to pages of their own."""
        link = ET.Element(f"{{{_SVG}}}a", {"href": address})
        for child in list(group):
            if child.tag.endswith("}title") or child.tag.endswith("}a"):
                continue
            group.remove(child)
            link.append(child)
        group.insert(1, link)

    def _frame(self, graph: ET.Element) -> None:
        """What lies around the picture: title, subtitle, legend and notes."""
        for child in list(graph):
            if child.tag.endswith("}title") or child.tag.endswith("}polygon"):
                graph.remove(child)  # the whole picture's ground is transparent
        for text in graph.iter(f"{{{_SVG}}}text"):
            if text.get("class") is None:
                _recolour(text)


def _unwrap_links(group: ET.Element) -> None:
    """Without Graphviz's own links and tooltips, which only this module makes."""
    for inner in [*group.findall(f"{{{_SVG}}}g"), *group.findall(f"{{{_SVG}}}a")]:
        if inner.get("id", "").startswith("a_") or inner.tag.endswith("}a"):
            at = list(group).index(inner)
            group.remove(inner)
            for offset, child in enumerate(list(inner)):
                group.insert(at + offset, child)
            _unwrap_links(group)
            return


def _bare(text: ET.Element) -> None:
    for name in ("fill", "font-family", "font-weight"):
        text.attrib.pop(name, None)


def _number(graph: ET.Element) -> None:
    """Every shape and text gets the id of its group and a number."""
    for group in graph.iter(f"{{{_SVG}}}g"):
        name = group.get("id", "")
        for number, element in enumerate(_own(group)):
            element.set("id", f"{name}.{number}")
            if not element.tag.endswith("}text"):
                kind = "head" if _is_head(group, element) else "shape"
                element.set("class", "line" if element.get("fill") in _UNFILLED else kind)
                for colour in ("fill", "stroke"):
                    if element.get(colour) not in (None, *_UNFILLED):
                        element.attrib.pop(colour)
            elif element.get("class") is None:
                element.set("class", "frame")


def _own(group: ET.Element) -> Iterator[ET.Element]:
    for child in group:
        if child.tag.endswith("}a"):
            yield from _own(child)
        elif child.tag.rpartition("}")[2] in (*_SHAPES, "text"):
            yield child


def _is_head(group: ET.Element, element: ET.Element) -> bool:
    return "edge" in group.get("class", "").split() and element.tag.endswith("}polygon")


def _recolour(text: ET.Element) -> None:
    """A text of the frame: by the variable of the colour that the DOT text gives it."""
    names = {tint.light: name for name, tint in _variables()}
    name = names.get(text.get("fill", INK.light), "ink")
    text.attrib.pop("font-family", None)
    text.attrib.pop("fill", None)
    text.set("class", f"frame of-{name}")


def _variables() -> list[tuple[str, Tint]]:
    named = [("ink", INK), ("muted", MUTED), ("rule", RULE), ("paper", PAPER)]
    named += [(cause.value, ink.colour) for cause, ink in CAUSES.items()]
    for kind, look in KINDS.items():
        named += [(f"{kind.value}-ground", look.ground), (f"{kind.value}-border", look.border)]
    for mark, look in MARKS.items():
        named += [(f"{mark.value}-ground", look.ground), (f"{mark.value}-border", look.border)]
    return named


def style() -> str:
    """Return the style sheet of every picture: variables for light and dark, then rules."""
    light = " ".join(f"--fsm-{name}: {tint.light};" for name, tint in _variables())
    dark = " ".join(f"--fsm-{name}: {tint.dark};" for name, tint in _variables())
    rules = [
        f".serverfsm {{ {light} font-family: {FONT}; color-scheme: light dark; }}",
        f"@media (prefers-color-scheme: dark) {{ .serverfsm {{ {dark} }} }}",
        f'[data-theme="light"] .serverfsm {{ {light} }}',
        f'[data-theme="dark"] .serverfsm {{ {dark} }}',
        ".serverfsm text { fill: var(--fsm-ink); }",
        ".serverfsm .detail, .serverfsm .staying { fill: var(--fsm-muted); }",
        ".serverfsm .group .line { fill: none; stroke: var(--fsm-rule); }",
        ".serverfsm .cell .shape { fill: none; stroke: var(--fsm-rule); }",
        ".serverfsm .frame .line, .serverfsm .frame .shape { fill: none; stroke: none; }",
        ".serverfsm a:hover text, .serverfsm a:focus text { text-decoration: underline; }",
    ]
    rules += [
        f".serverfsm .of-{name} {{ fill: var(--fsm-{name}); }}"
        for name, _ in _variables()
        if not name.endswith(("-ground", "paper", "rule"))
    ]
    for cause in CAUSES:
        colour = f"var(--fsm-{cause.value})"
        rules.append(f".serverfsm text.{cause.value} {{ fill: {colour}; }}")
        rules.append(f".serverfsm .edge.{cause.value} .line {{ stroke: {colour}; }}")
        rules.append(
            f".serverfsm .edge.{cause.value} .head {{ fill: {colour}; stroke: {colour}; }}"
        )
    rules += [*_looks(NodeKind), *_marks()]
    return "\n".join(rules)


def _looks(kinds: Iterable[NodeKind]) -> Iterator[str]:
    for kind in kinds:
        yield (
            f".serverfsm .node.{kind} .shape {{ fill: var(--fsm-{kind}-ground); "
            f"stroke: var(--fsm-{kind}-border); }}"
        )
        yield f".serverfsm .node.{kind} .line {{ stroke: var(--fsm-{kind}-border); }}"


def _marks() -> Iterator[str]:
    for mark in filter(None, Mark):
        ground, border = f"var(--fsm-{mark.value}-ground)", f"var(--fsm-{mark.value}-border)"
        yield f".serverfsm .node.mark-{mark.value} .shape {{ fill: {ground}; stroke: {border}; }}"
        yield f".serverfsm .node.mark-{mark.value} .line {{ stroke: {border}; }}"
        yield f".serverfsm .edge.mark-{mark.value} .line {{ stroke: {border}; }}"
        yield (f".serverfsm .edge.mark-{mark.value} .head {{ fill: {border}; stroke: {border}; }}")
        yield f".serverfsm .cell .shape.mark-{mark.value} {{ fill: {ground}; }}"
        yield f".serverfsm text.mark-{mark.value} {{ fill: {border}; }}"
