"""Pictures as pages: self-contained, readable without the drawing, and no way out for a text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings

from serverfsm import MissingPackageError
from serverfsm.diagram import Diagram, Grid, html
from serverfsm.diagram.drawing import Drawing
from serverfsm.diagram.wording import SIGNS, legible
from tests.diagram.samples import (
    CONTROLS,
    GRID,
    HAS_LAYOUT,
    HOSTILE,
    SMALL,
    TEXTS,
    saying,
    squeezed,
    table_saying,
)

EMPTY = {"meta", "img", "br"}


class Page(HTMLParser):
    """A page's rows, tags and attributes; every tag must be closed in order."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.starts: list[tuple[str, dict[str, str | None]]] = []
        self.title = ""
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.starts.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "br":
            self.handle_data("\n")
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.starts.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "tr" in self._open:
            self.rows[-1][-1] += data
        if self._open[-2:] == ["head", "title"]:
            self.title += data

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.starts if tag == name]


@pytest.fixture
def _no_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """No layout program, as on most machines."""
    real = Drawing.to_text

    def to_text(self: Drawing, format: str, *, manual: str | None = None) -> str:  # noqa: A002
        if format == "svg":
            raise MissingPackageError("graphviz", "diagrams", "a picture")
        return real(self, format, manual=manual)

    monkeypatch.setattr(Drawing, "to_text", to_text)


@pytest.mark.usefixtures("_no_layout")
def test_without_a_layout_program_the_page_says_so_and_has_its_tables() -> None:
    markup = SMALL.to_text("html")
    page = Page(markup)
    assert page.tags("svg") == []
    assert "There is no drawing here" in markup
    assert "serverfsm[diagrams]" in markup
    assert ["start", "create", "ACTIVE", "person", ""] in page.rows


@pytest.mark.skipif(not HAS_LAYOUT, reason="Graphviz is not installed")
@pytest.mark.parametrize("drawing", [SMALL, GRID], ids=["diagram", "grid"])
def test_the_page_loads_and_runs_nothing(drawing: Diagram | Grid) -> None:
    page = Page(drawing.to_text("html"))
    assert len(page.tags("svg")) == isinstance(drawing, Diagram)
    used = {tag for tag, _ in page.starts}
    assert not used & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not [name for _, each in page.starts for name in each if name.startswith("on")]
    (policy,) = [each["content"] for each in page.tags("meta") if each.get("http-equiv")]
    assert policy is not None
    assert "default-src 'none'" in policy
    styles = drawing.to_text("html")
    assert not re.search(r"url\(\s*['\"]?(?!#)|@import", styles)


@pytest.mark.skipif(not HAS_LAYOUT, reason="Graphviz is not installed")
def test_ids_are_unique_in_the_page() -> None:
    ids = [each["id"] for _, each in Page(SMALL.to_text("html")).starts if "id" in each]
    assert len(ids) == len(set(ids)) > 5


def test_a_grid_has_heads_with_scopes_and_a_sign_in_each_marked_cell() -> None:
    page = Page(GRID.to_text("html", manual="../"))
    assert page.rows == [
        ["action", "ACTIVE", "SHUTOFF"],
        ["os-stop", "202 ✓", "409 ✗"],
        ["lock", "202 ?", " ○"],
    ]
    assert [each["scope"] for each in page.tags("th")] == ["col", "col", "col", "row", "row"]
    assert [each.get("class") for each in page.tags("td")] == ["yes", "no", "depends", "unseen"]
    assert page.tags("td")[0]["title"] == "accepted"
    assert [each["href"] for each in page.tags("a")] == ["../reference/actions/os-stop.html"]
    signs = [each["aria-label"] for each in page.tags("span")]
    assert signs == ["yes", "no", "yes", "no", "depends", "unseen"]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_of_both_schemes_have_contrast() -> None:
    text = html.page("x", [])
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in text.split("@media"))
    assert light.keys() == dark.keys()
    for scheme in (light, dark):
        pairs = [("ink", "paper"), ("muted", "paper"), ("link", "paper")]
        pairs += [(name, f"{name}-ground") for name in scheme if f"{name}-ground" in scheme]
        assert len(pairs) == 7
        for name, ground in pairs:
            bright, dim = sorted(map(luminance, (scheme[name], scheme[ground])), reverse=True)
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, (name, ground)


@pytest.mark.usefixtures("_no_layout")
@pytest.mark.parametrize("text", HOSTILE + CONTROLS)
def test_hostile_text_is_shown_as_it_is(text: str) -> None:
    check(text)


@pytest.mark.skipif(not HAS_LAYOUT, reason="Graphviz is not installed")
@pytest.mark.parametrize("text", HOSTILE[:8])
def test_hostile_text_stays_in_its_place_with_a_drawing_too(text: str) -> None:
    check(text)


@pytest.mark.usefixtures("_no_layout")
def test_any_text_is_shown_as_it_is() -> None:
    @settings(deadline=None)
    @given(TEXTS)
    def shown(text: str) -> None:
        check(text)

    shown()


def check(text: str) -> None:
    expected = squeezed(legible(text))
    page = Page(saying(text).to_text("html", manual="../"))
    assert squeezed(page.title) == expected
    rows = [[squeezed(cell) for cell in row] for row in page.rows]
    assert rows[1] == [expected, expected, "two", "person", expected]
    links = {each["href"] for each in page.tags("a")}
    assert links <= {"../reference/x.html", "../reference/actions/x.html"}
    used = {tag for tag, _ in page.starts}
    assert not used & {"script", "img", "iframe", "b", "i"}
    assert not [name for _, each in page.starts for name in each if name.startswith("on")]
    grid = Page(table_saying(text).to_text("html"))
    assert [[squeezed(cell) for cell in row] for row in grid.rows] == [
        [squeezed(f"{expected} {SIGNS['yes']}")] * 2
    ] * 2
    assert squeezed(grid.tags("td")[0].get("title") or "") == expected
