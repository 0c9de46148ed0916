"""Pictures as JSON: valid by the schema beside it, complete, and the same in every process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given

from serverfsm.diagram import FORMATS, VIEWS, Diagram, Grid, draw
from serverfsm.diagram.document import document, schema
from serverfsm.diagram.formats import content
from serverfsm.diagram.model import Mark, NodeKind
from serverfsm.diagram.views import subjects
from serverfsm.errors import ResultsError
from serverfsm.rows import Cause
from serverfsm.rulebook import RULEBOOKS
from tests.diagram.samples import CONTROLS, GRID, SMALL, TEXTS, saying, table_saying

jsonschema = pytest.importorskip("jsonschema")
LAID_OUT = ("svg", "html", "png", "pdf")


def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def everything() -> Iterator[tuple[str, Diagram | Grid]]:
    """Every picture of every rulebook, but those of files of results."""
    for name, rulebook in RULEBOOKS.items():
        for view, row in VIEWS.items():
            for subject in subjects(view, rulebook) if row.subject else (None,):
                with suppress(ResultsError):  # a view of a file, of which there is none
                    yield f"{name} {view} {subject}", draw(view, subject, rulebook=rulebook)


def test_every_picture_obeys_the_schema_and_its_fields_are_in_order() -> None:
    check = validator()
    for name, drawing in everything():
        found = json.loads(drawing.to_text("json"))
        assert list(check.iter_errors(found)) == [], name
        declared = [each.name for each in fields(drawing)]
        assert list(found) == ["schema", "kind", "manual", *declared]


def test_the_schema_is_no_looser_than_the_model() -> None:
    shapes = schema()["$defs"]
    assert shapes["cause"]["enum"] == [cause.value for cause in Cause]
    assert shapes["kind"]["enum"] == [kind.value for kind in NodeKind]
    assert shapes["mark"]["enum"] == [mark.value for mark in Mark]
    broken = document(SMALL)
    broken["nodes"][0]["colour"] = "red"
    assert not validator().is_valid(broken)
    broken = document(SMALL)
    broken["arrows"][0]["labels"] = []
    assert not validator().is_valid(broken)
    broken = document(GRID)
    broken["kind"] = "diagram"
    assert not validator().is_valid(broken)


def test_what_is_in_the_model_is_in_the_document() -> None:
    found = document(SMALL, "../")
    assert found["manual"] == "../"
    assert [node["id"] for node in found["nodes"]] == [node.id for node in SMALL.nodes]
    assert found["nodes"][1]["chips"][1] == {
        "label": {"text": "os-stop", "cause": "person", "tip": "", "page": None},
        "end": "SHUTOFF",
    }
    assert found["groups"][0]["members"] == list(SMALL.groups[0].members)
    assert document(GRID)["rows"][0][1] == {
        "text": "202",
        "mark": "yes",
        "tip": "accepted",
        "page": None,
    }


@given(TEXTS)
def test_every_text_is_there_exactly(text: str) -> None:
    check(text)


@pytest.mark.parametrize("text", CONTROLS)
def test_every_control_is_there_exactly(text: str) -> None:
    check(text)


def check(text: str) -> None:
    found = json.loads(content(saying(text), "json"))
    assert [found["title"], found["subtitle"], found["notes"]] == [text, text, [text]]
    assert found["nodes"][0]["label"] == found["arrows"][0]["labels"][0]["text"] == text
    grid = json.loads(content(table_saying(text), "json"))
    assert grid["rows"][0][1]["tip"] == grid["columns"][0]["text"] == text


def digests() -> dict[str, str]:
    """A digest of each picture in each format; those to be laid out of a few only."""
    found = {}
    few = {"lifecycle", "matrix", "deviations"}
    for name, drawing in everything():
        kind = type(drawing).__name__.lower()
        for form, row in FORMATS.items():
            if kind in row.draws and (form not in LAID_OUT or drawing.view in few):
                if row.is_image:
                    continue  # bytes of the layout program, not ours
                text = drawing.to_text(form, manual="../")
                found[f"{name} {form}"] = hashlib.sha256(text.encode()).hexdigest()
    return found


def test_every_text_is_the_same_in_every_process() -> None:
    program = (
        "import json; from tests.diagram.test_document import digests; print(json.dumps(digests()))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (json.loads(process.communicate()[0]) for process in running)
    assert len(first) > 500
    assert {name for name in first if first[name] != second.get(name)} == set()
