"""Diagrams as PlantUML: no text leaves its place."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from serverfsm.diagram.wording import legible
from tests.diagram.samples import CONTROLS, HOSTILE, SMALL, TEXTS, saying, squeezed

# Every line that a diagram may consist of. T is text in which all that means something is a number.
T = r"(?:[A-Za-z0-9 ,/()?+._→✓✗○-]|<U\+[0-9A-F]{4}>|[\U00010000-\U0010ffff]|\\n)*"
LINKED = rf"(?:{T}|\[\[[^\s\[\]{{}}\"]+ {T}\]\])+"
NAME = r"(?:[A-Za-z]\w*_|\[\*\])"
LINE = re.compile(
    rf"@startuml|@enduml|title {T}|caption {T}|(?:left to right|top to bottom) direction"
    r"|hide empty description|skinparam shadowing false"
    r"|skinparam StateFontColor #\w{6}|skinparam State<<\w+>> \{"
    r"|  (?:Background|Border)Color #\w{6}|\s*\}|legend|endlegend"
    rf'|\s*state "{T}" as {NAME}(?: {{| <<\w+>>(?: \[\[[^\s\[\]{{}}\"]+\]\])?)'
    rf"|\s*{NAME} : {LINKED}|{NAME} -(?:\[#\w{{6}}(?:,\w+)?\])?-> {NAME}(?: : {LINKED})?|{T}"
)
JAR = os.environ.get("SERVERFSM_PLANTUML_JAR", "")


def said(text: str) -> str:
    """What a reader sees of a text that PlantUML is given."""
    return re.sub(r"<U\+([0-9A-F]{4})>", lambda found: chr(int(found[1], 16)), text)


def test_a_small_diagram_line_by_line() -> None:
    lines = [line.strip() for line in SMALL.to_text("plantuml").splitlines()]
    assert (lines[0], lines[-1]) == ("@startuml", "@enduml")
    assert 'state "ACTIVE" as state_ACTIVE_ <<resting>>' in lines
    assert "[*] -[#0b57b7]-> state_ACTIVE_ : create" in lines
    assert "state_DELETED_ --> [*]" in lines
    assert r"state_ACTIVE_ -[#57606a]-> state_ERROR_ : crash (system)\nrebuild fails (failure)" in (
        lines
    )


def test_links_are_there_only_with_a_manual() -> None:
    assert "[[" not in SMALL.to_text("plantuml")
    linked = SMALL.to_text("plantuml", manual="https://example.org/")
    assert "<<resting>> [[https://example.org/reference/states/active.html]]" in linked
    assert "[[https://example.org/reference/actions/r.html reset (admin)]]" in linked


@given(TEXTS)
def test_no_text_leaves_its_place(text: str) -> None:
    for manual in (None, "../"):
        lines = saying(text).to_text("plantuml", manual=manual).split("\n")
        assert lines.pop() == ""
        assert [line for line in lines if not LINE.fullmatch(line)] == []
        words = [line.split() or [""] for line in lines]
        assert [line[0] for line in words].count("state") == 3
        assert [line[0] for line in words].count("endlegend") == 1


@given(TEXTS)
def test_every_text_is_there_unchanged(text: str) -> None:
    lines = saying(text).to_text("plantuml").splitlines()
    shown = [line.split(" : ", 1)[1] for line in lines if "]->" in line]
    expected = squeezed(legible(text))
    assert [squeezed(said(each.replace(r"\n", " "))) for each in shown] == [expected, expected]


@pytest.mark.skipif(not JAR, reason="SERVERFSM_PLANTUML_JAR names no plantuml.jar")
def test_plantuml_itself_shows_every_text(tmp_path: Path) -> None:
    texts = [text for text in HOSTILE + CONTROLS if "]]>" not in text]  # its own SVG breaks
    source = tmp_path / "all.puml"
    source.write_text("\n".join(saying(text).to_text("plantuml") for text in texts), "utf-8")
    command = ["java", "-Djava.awt.headless=true", "-jar", JAR, "-tsvg", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for place, text in enumerate(texts):
        path = tmp_path / (f"all_{place:03}.svg" if place else "all.svg")
        shown = "".join(
            each.text or "" for each in ET.parse(path).iter() if each.tag[-4:] == "text"
        )
        bare = "".join(shown.split()).replace("\xa0", "").replace("\u200b", "")
        wanted = "".join(legible(text).split()).replace("\u200b", "")
        assert bare.count(wanted) >= 7, text  # title, caption, group, node, detail, both arrows
