"""The directive `serverfsm-diagram`, in manuals that Sphinx builds."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest

from serverfsm import MissingPackageError
from serverfsm.diagram import draw
from tests.diagram.samples import HAS_LAYOUT

pytest.importorskip("sphinx")

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from serverfsm.diagram import sphinx as extension

LAYOUT = pytest.mark.skipif(not HAS_LAYOUT, reason="Graphviz is not installed")

RST = """
Start
=====

.. serverfsm-diagram:: lifecycle
   :caption: The *lifecycle*.
   :name: overview

.. serverfsm-diagram:: role member
   :rulebook: nova-34
   :manual: https://example.org/m/
   :alt: A <b> "role"

See `the overview <overview_>`_.

.. toctree::

   reference/page
"""
MYST = """
# Page

```{serverfsm-diagram} lifecycle
:caption: In Markdown.
```
"""


class Built(NamedTuple):
    folder: Path
    warnings: str

    def read(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")


Build = Callable[..., Built]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Builds a manual of some pages."""

    def built(builder: str = "html", parallel: int = 1, **pages: str) -> Built:
        source = tmp_path / "source"
        for name, text in (pages or {"index.rst": RST, "reference/page.md": MYST}).items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        extensions = ["serverfsm.diagram.sphinx"]
        if any(name.endswith(".md") for name in pages) or not pages:
            pytest.importorskip("myst_parser")
            extensions.append("myst_parser")
        warnings = io.StringIO()
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                source,
                None,
                tmp_path / builder,
                tmp_path / "doctrees",
                builder,
                {"extensions": extensions, "project": "manual"},
                status=None,
                warning=warnings,
                parallel=parallel,
            )
            app.build(force_all=True)
        return Built(tmp_path / builder, re.sub(r"\x1b\[[\d;]*m", "", warnings.getvalue()))

    return built


class Figures(HTMLParser):
    """What stands in the figures of a page: roles and names, links, ids, and pictures."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.named: list[tuple[str | None, str | None]] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.captions: list[str] = []
        self.pictures = 0
        self._inside: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if "id" in found:
            self.ids.append(found["id"] or "")
        self._inside.append(tag)
        if "figure" not in self._inside:
            return
        if tag == "figcaption":
            self.captions.append("")
        if tag in ("div", "pre") and "aria-label" in found:
            self.named.append((found.get("role"), found["aria-label"]))
        if tag == "a":
            self.links.append(found.get("href") or "")
        self.pictures += tag == "svg"

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "figcaption" in self._inside:
            self.captions[-1] += data


@LAYOUT
@pytest.mark.parametrize("builder", ["html", "dirhtml"])
def test_pages_have_inline_pictures_that_link_to_the_manual(build: Build, builder: str) -> None:
    built = build(builder, parallel=2)
    assert built.warnings == ""
    start = Figures(built.read("index.html"))
    assert start.pictures == 2
    lifecycle = draw("lifecycle")
    names = [f"{lifecycle.title}; {lifecycle.subtitle}", 'A <b> "role"']
    assert start.named == [("group", name) for name in names]
    assert "reference/states/active.html" in start.links
    assert "https://example.org/m/reference/states/active.html" in start.links
    assert start.captions[0].strip().startswith("The lifecycle.")
    assert len(start.ids) == len(set(start.ids)) > 50
    assert {"overview", "state-ACTIVE", "picture-1-start", "picture-2-state-ACTIVE"} <= set(
        start.ids
    )
    page = "reference/page.html" if builder == "html" else "reference/page/index.html"
    inner = Figures(built.read(page))
    up = "../" if builder == "html" else "../../"
    assert f"{up}reference/states/active.html" in inner.links
    assert inner.captions[0].strip().startswith("In Markdown.")


@LAYOUT
def test_on_one_page_for_all_nothing_is_linked(build: Build) -> None:
    built = build("singlehtml")
    assert built.warnings == ""
    found = Figures(built.read("index.html"))
    assert [link for link in found.links if "reference" in link and "example.org" not in link] == []
    assert ("img", f"{draw('lifecycle').title}; {draw('lifecycle').subtitle}") in found.named


@pytest.mark.parametrize(
    ("builder", "name"), [("text", "index.txt"), ("man", "manual.1"), ("latex", "manual.tex")]
)
def test_elsewhere_there_are_tables(build: Build, builder: str, name: str) -> None:
    built = build(builder)
    assert built.warnings == ""
    text = built.read(name).replace("\\", "")
    rows = [line for line in text.splitlines() if "ACTIVE" in line and "pause" in line]
    assert any("PAUSED" in line and "person" in line for line in rows)
    assert "<svg" not in text


@pytest.mark.parametrize(
    ("directive", "said"),
    [
        (".. serverfsm-diagram:: lifecyle", "unknown view 'lifecyle'; did you mean 'lifecycle'?"),
        (".. serverfsm-diagram:: role nobody", "unknown role 'nobody'"),
        (".. serverfsm-diagram:: lifecycle\n   :rulebook: nvoa-34", "unknown rulebook 'nvoa-34'"),
        (".. serverfsm-diagram:: lifecycle\n   :format: gif", '"gif" unknown; choose from "svg"'),
        (".. serverfsm-diagram:: matrix\n   :format: mermaid", "mermaid cannot show a grid"),
        (".. serverfsm-diagram::", "1 argument(s) required, 0 supplied"),
        (".. serverfsm-diagram:: lifecycle\n   :colour: red", 'unknown option: "colour"'),
    ],
)
def test_bad_arguments_are_errors_at_their_line(build: Build, directive: str, said: str) -> None:
    built = build("text", **{"index.rst": f"Title\n=====\n\n{directive}\n"})
    assert said in built.warnings
    assert re.search(r"index\.rst:4: ERROR", built.warnings)


def test_mermaid_is_written_for_a_page_that_runs_it(build: Build) -> None:
    text = "Title\n=====\n\n.. serverfsm-diagram:: lifecycle\n   :format: mermaid\n   :manual: m/\n"
    built = build("html", **{"index.rst": text})
    assert built.warnings == ""
    markup = built.read("index.html")
    assert '<pre class="mermaid" aria-label="The lifecycle of a server' in markup
    found = re.search(r'<pre class="mermaid"[^>]*>(.*?)</pre>', markup, re.DOTALL)
    assert found is not None
    assert nodes.unescape(found[1]).startswith("stateDiagram-v2")
    assert "--&gt;" in found[1]
    assert "<br" not in found[1]


def test_without_a_layout_program_there_is_a_warning_and_a_table(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> str:
        raise MissingPackageError("graphviz", "diagrams", "a picture")

    monkeypatch.setattr(extension, "_svg", missing)
    built = build("html", **{"index.rst": "Title\n=====\n\n.. serverfsm-diagram:: lifecycle\n"})
    assert re.search(r"index\.rst:4: WARNING: .*serverfsm\[diagrams\]", built.warnings)
    assert "| ACTIVE | pause | PAUSED | person |" in built.read("index.html")


def test_a_file_beside_the_page_is_found_and_watched(build: Build, tmp_path: Path) -> None:
    text = "Title\n=====\n\n.. serverfsm-diagram:: coverage results.txt\n"
    built = build("text", **{"index.rst": text, "results.txt": "no results"})
    assert str(tmp_path / "source" / "results.txt") in built.warnings
    missing = build("text", **{"index.rst": text.replace("results", "other")})
    assert "other.txt" in missing.warnings


def test_a_picture_is_drawn_once_for_equal_words() -> None:
    before = extension._drawn.cache_info().hits
    assert extension._drawn("lifecycle", None, "nova-34") is extension._drawn(
        "lifecycle", None, "nova-34"
    )
    assert extension._drawn.cache_info().hits > before
