"""The overview coloured by a file of results."""

import json
from pathlib import Path

import pytest

from serverfsm import edges
from serverfsm.diagram import Diagram, draw
from serverfsm.diagram.model import Mark
from serverfsm.errors import ResultsError
from serverfsm.lifecycle import state_name


def results(path: Path, deviating: str = "", *, only: str = "") -> str:
    """A file in which everything conforms, but for one event; or with one event alone."""
    found = [
        {
            "start": state_name(edge.start) if edge.start else None,
            "event": edge.event,
            "end": state_name(edge.end),
            "result": "deviates" if edge.event == deviating else "conforms",
        }
        for edge in edges()
        if not only or edge.event == only
    ]
    path.write_text(json.dumps({"edges": found}), "utf-8")
    return str(path)


def marks(path: str) -> dict[str, Mark]:
    picture = draw("coverage", path)
    assert isinstance(picture, Diagram)
    return {label.text: arrow.mark for arrow in picture.arrows for label in arrow.labels}


def test_all_conforms(tmp_path: Path) -> None:
    assert set(marks(results(tmp_path / "r.json")).values()) == {Mark.YES}


def test_a_deviation_colours_its_arrow(tmp_path: Path) -> None:
    found = marks(results(tmp_path / "r.json", "pause"))
    assert {text for text, mark in found.items() if mark is Mark.NO} == {"pause [deviates]"}


def test_what_is_not_seen_is_said(tmp_path: Path) -> None:
    found = marks(results(tmp_path / "r.json", only="pause"))
    # Its end was not seen, nor the way back.
    assert found["pause [part]"] is Mark.DEPENDS
    assert {mark for text, mark in found.items() if "pause" not in text} == {Mark.UNSEEN}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ("[]", 'an object with a list "edges"'),
        ('{"edges": [3]}', r"edges\[0\] should be an object, not int"),
        ('{"edges": [{"start": "a", "event": "b", "end": "c"}]}', '"result" should be one of'),
        ('{"edges": [{"start": 3, "event": "b", "end": "c"}]}', "should have the texts"),
        (
            '{"edges": [{"start": "a", "event": "b", "end": "c", "result": "conforms"}]}',
            "the lifecycle has no edge",
        ),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ResultsError, match=complaint):
        draw("coverage", str(path))
    with pytest.raises(ResultsError, match="cannot read"):
        draw("coverage", str(tmp_path / "absent.json"))
