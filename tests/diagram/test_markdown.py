"""Pictures as Markdown, read by a parser of it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given

from serverfsm.diagram import Diagram, Grid
from serverfsm.diagram.wording import SIGNS, legible
from tests.diagram.samples import (
    CONTROLS,
    GRID,
    HOSTILE,
    SMALL,
    TEXTS,
    saying,
    squeezed,
    table_saying,
)

markdown_it = pytest.importorskip("markdown_it")


class Page(HTMLParser):
    """Rows of cells, the tags that occur, the headings and the list's items of a page."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "br":
            self.handle_data("\n")
            return
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "a":
            self.links.append(dict(attributes).get("href") or "")
        elif tag in ("h1", "li", "p"):
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data
        for tag in ("h1", "li", "p"):
            if tag in self._open:
                self.texts[tag][-1] += data
                return


def read(drawing: Diagram | Grid, manual: str | None = None) -> Page:
    parser = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return Page(parser.render(drawing.to_text("markdown", manual=manual)))


def test_a_small_diagram_as_tables() -> None:
    rows = read(SMALL).rows
    assert rows[0] == ["from", "event", "to", "who"]
    assert ["start", "create", "ACTIVE", "person"] in rows
    assert ["ERROR", "reset", "ACTIVE", "administrator"] in rows
    assert ["ACTIVE, SHUTOFF", "shelve", "ERROR", "person"] in rows
    assert ["ACTIVE", "os-stop", "SHUTOFF", "person"] in rows
    assert ["ACTIVE", "active", "resting", "lock"] in rows
    assert read(SMALL).texts["h1"] == [SMALL.title]
    assert read(SMALL).texts["li"] == list(SMALL.notes)


def test_a_grid_is_one_table_with_signs() -> None:
    page = read(GRID)
    assert page.rows == [
        ["action", "ACTIVE", "SHUTOFF"],
        ["os-stop", "202 ✓", "409 ✗"],
        ["lock", "202 ?", "○"],
    ]
    assert page.texts["li"] == ["✓ accepted", "✗ refused", "One note."]


def test_links_are_there_only_with_a_manual() -> None:
    assert read(SMALL).links == []
    assert set(read(SMALL, "../").links) == {
        "../reference/states/active.html",
        "../reference/states/stopped.html",
        "../reference/actions/r.html",
    }


@pytest.mark.parametrize("text", HOSTILE + CONTROLS)
def test_hostile_text_is_shown_as_it_is(text: str) -> None:
    check(text)


@given(TEXTS)
def test_any_text_is_shown_as_it_is(text: str) -> None:
    check(text)


def check(text: str) -> None:
    expected = squeezed(legible(text))
    page = read(saying(text), "../")
    assert page.tags <= {
        "h1",
        "h2",
        "p",
        "ul",
        "li",
        "a",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "br",
    }
    assert set(page.links) <= {"../reference/x.html", "../reference/actions/x.html"}
    assert {len(row) for row in page.rows} == {4}
    own = [row for row in page.rows if row[1:3] == ["event", "to"] or row[3] == "person"]
    assert [squeezed(row[0]) for row in own[1:3]] == [expected, "two"]
    assert [squeezed(row[1]) for row in own[1:3]] == [expected, expected]
    assert squeezed((page.texts.get("h1") or [""])[0]) == expected
    assert squeezed((page.texts.get("li") or [""])[-1]) == expected
    grid = read(table_saying(text))
    assert [[squeezed(cell) for cell in row] for row in grid.rows] == [
        [squeezed(f"{expected} {SIGNS['yes']}")] * 2
    ] * 2
