"""Diagrams as Mermaid: escaped, and read by Mermaid itself where it is installed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from serverfsm.diagram import draw
from serverfsm.diagram.mermaid import edge_count
from serverfsm.diagram.model import Arrow, Diagram, Label, Node, NodeKind
from serverfsm.diagram.wording import legible
from serverfsm.rows import Cause
from tests.diagram import renew_goldens
from tests.diagram.programs import needs, run_mermaid
from tests.diagram.samples import CONTROLS, HOSTILE, SMALL, TEXTS, saying, squeezed

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = pytest.mark.parametrize(
    "package",
    [
        pytest.param("mermaid", marks=needs("mermaid")),
        pytest.param("mermaid-11", marks=needs("mermaid-11")),
    ],
)
# What Mermaid itself writes for an entity while it works, and reads again.
OWN_PLACEHOLDER = "ﬂ°"
TEXTS_SHOWN = [text for text in HOSTILE + CONTROLS if OWN_PLACEHOLDER not in text]

# Every line that a diagram may consist of; T is text in which all that means something is a number.
T = r"(?:[A-Za-z0-9 ,/()?!+._-]|#\d+;|<br/>)*"
NAME = r"(?:[A-Za-z]\w*|\[\*\])"
LINE = re.compile(
    rf"stateDiagram-v2|\s+(?:acc(?:Title|Descr): {T}|direction (?:LR|TB)|classDef \w+ [\w:#,; -]+"
    rf'|state "{T}" as {NAME}(?: {{)?|{NAME} : {T}|{NAME} --> {NAME}(?: : {T})?'
    rf'|class {NAME} \w+|click {NAME} href "[^"\s<>]*"|}})'
)


def said(text: str) -> str:
    """What a reader sees of a text that Mermaid is given."""
    return unescape(re.sub(r"#(\d+);", r"&#\1;", text.replace("<br/>", "\n")))


def test_a_small_diagram_line_by_line() -> None:
    lines = [line.strip() for line in SMALL.to_text("mermaid").splitlines()]
    assert lines[0] == "stateDiagram-v2"
    assert 'state "ACTIVE" as state_ACTIVE' in lines
    assert "[*] --> state_ACTIVE : create" in lines
    assert "state_ERROR --> state_ACTIVE : reset (admin)" in lines
    assert "group_1 --> state_ERROR : shelve" in lines
    assert "class state_ERROR failed" in lines
    assert "state_DELETED --> [*]" in lines


def test_a_diagram_may_run_downwards() -> None:
    down = replace(SMALL, direction="TB").to_text("mermaid")
    assert down.count("direction TB") == 3
    assert "direction LR" not in down


def test_groups_are_composite_states_in_each_other() -> None:
    text = SMALL.to_text("mermaid")
    outer = text[text.index("as group_2 {") :]
    inner = outer[outer.index("as group_1 {") : outer.index("}")]
    assert "as state_ACTIVE" in inner
    assert "as state_ERROR" not in inner
    assert "as state_ERROR" in outer[: outer.index("as group_1 {")]


def test_an_arrow_from_a_group_to_its_member_starts_at_each_member() -> None:
    lines = SMALL.to_text("mermaid").splitlines()
    assert [line.split(" : ")[0].strip() for line in lines if line.endswith(": sync (timer)")] == [
        "state_ACTIVE --> state_SHUTOFF",
        "state_SHUTOFF --> state_SHUTOFF",
        "state_ERROR --> state_SHUTOFF",
    ]


def test_links_are_there_only_with_a_manual() -> None:
    assert "click" not in SMALL.to_text("mermaid")
    linked = SMALL.to_text("mermaid", manual="../")
    assert 'click state_ACTIVE href "../reference/states/active.html"' in linked


@pytest.mark.parametrize("name", ["default", "defaults", "state", "note", "accTitle", "end", "1"])
def test_names_that_are_keywords_are_changed(name: str) -> None:
    node = Node(name, name, NodeKind.RESTING)
    arrow = Arrow("edge", name, name, (Label("x", Cause.PERSON),))
    lines = Diagram("v", "t", "s", (node,), (arrow,)).to_text("mermaid").splitlines()
    names = {line.split()[0] for line in lines if "-->" in line}
    assert len(names) == 1
    keywords = r"(?i)(default|accTitle|\d).*|state|note"
    assert not re.fullmatch(keywords, names.pop())


@given(TEXTS)
def test_no_text_leaves_its_place(text: str) -> None:
    lines = saying(text).to_text("mermaid", manual="../").split("\n")
    assert lines.pop() == ""
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    kinds = Counter(line.split()[0] for line in lines)
    assert kinds["state"] == 3
    assert kinds["class"] == 2


@given(TEXTS)
def test_every_text_is_there_unchanged(text: str) -> None:
    lines = saying(text).to_text("mermaid").splitlines()
    shown = [squeezed(said(line.split(" : ", 1)[1])) for line in lines if "-->" in line]
    expected = squeezed(legible(text))
    assert shown == [expected, expected]


@cache
def answered(package: str) -> dict[str, Any]:
    """What a version of Mermaid makes of hostile texts, by number, and of drawings, by name."""
    drawings = {"small": SMALL, **renew_goldens.drawings()}
    return run_mermaid(
        {name: drawing.to_text("mermaid") for name, drawing in drawings.items()}
        | {
            f"text {place}": saying(text).to_text("mermaid", manual="../")
            for place, text in enumerate(TEXTS_SHOWN)
        },
        package,
    )


@VERSIONS
def test_mermaid_itself_shows_every_text_and_no_markup(package: str) -> None:
    for place, text in enumerate(TEXTS_SHOWN):
        answer = answered(package)[f"text {place}"]
        assert "error" not in answer, (text, answer)
        expected = squeezed(legible(text))
        labels = Counter(squeezed(label) for label in answer["labels"])
        assert labels[expected] >= 4, (text, labels)  # group, node, and both arrows
        assert squeezed(answer["title"]) == squeezed(answer["description"]) == expected
        assert answer["scripts"] == 0


@VERSIONS
def test_mermaid_itself_draws_the_views(package: str) -> None:
    for name, drawing in {"small": SMALL, **renew_goldens.drawings()}.items():
        answer = answered(package)[name]
        assert "error" not in answer, (name, answer)
        labels = {squeezed(label) for label in answer["labels"]}
        shown = [node for node in drawing.nodes if node.kind is not NodeKind.START]
        assert {squeezed(node.label) for node in shown} <= labels
        words = {
            squeezed("\n".join(label.full for label in side))
            for arrow in drawing.arrows
            for side in (arrow.labels, arrow.back)
            if side
        }
        assert words <= labels
        assert answer["svg"].count('class="edgeLabel"') >= edge_count(drawing)


@pytest.mark.parametrize("name", sorted(renew_goldens.VIEWS))
def test_the_text_is_the_one_that_was_read(name: str) -> None:
    path = GOLDEN / f"{name}.mmd"
    assert draw(*renew_goldens.VIEWS[name]).to_text("mermaid") == path.read_text("utf-8"), (
        "if it is right: python -m tests.diagram.renew_goldens"
    )
