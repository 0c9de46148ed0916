"""Diagrams as SCXML: well-formed, its names legal, its transitions those of the picture."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from serverfsm import API_REFERENCE, NOVA_34, Rulebook
from serverfsm.diagram import Diagram, draw
from serverfsm.diagram.model import Arrow, Label
from serverfsm.diagram.scxml import NAMESPACE
from serverfsm.diagram.wording import legible
from serverfsm.rows import Cause
from tests.diagram.samples import ERROR, SHUTOFF, SMALL, TEXTS, saying, squeezed
from tests.diagram.walking import Leg, legs

BOOKS = pytest.mark.parametrize("rulebook", [API_REFERENCE, NOVA_34], ids=lambda book: book.name)
W3C = "{http://www.w3.org/2005/07/scxml}"
OURS = f"{{{NAMESPACE}}}"
# Of the recommendation: an NCName, and an event descriptor without wildcards.
NCNAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
EVENT = re.compile(r"[\w:-]+(\.[\w:-]+)*", re.ASCII)


def read(drawing: Diagram) -> ET.Element:
    return ET.fromstring(drawing.to_text("scxml").encode())


def drawn(rulebook: Rulebook) -> Diagram:
    drawing = draw("lifecycle", rulebook=rulebook)
    assert isinstance(drawing, Diagram)
    return drawing


def states(root: ET.Element) -> dict[str, ET.Element]:
    found = [each for each in root.iter() if each.tag in (f"{W3C}state", f"{W3C}final")]
    by_id = {each.attrib["id"]: each for each in found}
    assert len(by_id) == len(found)
    return by_id


def legs_of(root: ET.Element) -> set[Leg]:
    """The transitions of a document, by labels; those of the state around all from anywhere."""
    found = set()
    labels = {name: each.get(f"{OURS}label", "") for name, each in states(root).items()}
    for name, state in states(root).items():
        is_around = any(child.tag == f"{W3C}state" for child in state)
        for each in state.findall(f"{W3C}transition"):
            end = each.get("target", name)
            if not (is_around and end == name):
                start = None if is_around else labels[name]
                found.add(Leg(start, each.attrib[f"{OURS}event"], labels[end]))
    return found


@BOOKS
def test_the_lifecycle_has_the_transitions_of_the_picture(rulebook: Rulebook) -> None:
    drawing = drawn(rulebook)
    assert legs_of(read(drawing)) == legs(drawing)


def test_a_small_diagram_by_its_parts() -> None:
    root = read(SMALL)
    assert root.tag == f"{W3C}scxml"
    assert (root.get("version"), root.get("datamodel")) == ("1.0", "ecmascript")
    assert root.get("initial") == "anywhere"
    assert states(root)["anywhere"].get("initial") == "start"
    assert states(root)["state-DELETED"].tag == f"{W3C}final"
    assert legs_of(root) == legs(SMALL)
    (elsewhere,) = root.iter(f"{OURS}elsewhere")
    assert elsewhere.get(f"{OURS}end") == "somewhere else"


def test_without_open_ends_no_datamodel_is_needed() -> None:
    arrow = Arrow("edge", "state-SHUTOFF", "state-ERROR", (Label("crash", Cause.SYSTEM),))
    root = read(replace(SMALL, nodes=(SHUTOFF, ERROR), arrows=(arrow,), groups=()))
    assert root.get("datamodel") == "null"
    assert [each for each in root.iter() if each.get("cond")] == []


def test_events_with_several_ends_have_conditions() -> None:
    shelve = [
        each.get("cond")
        for each in states(read(SMALL))["state-SHUTOFF"].findall(f"{W3C}transition")
        if each.get("event") == "shelve"
    ]
    assert shelve == [
        "_event.data && _event.data.end === 'state-ERROR'",
        "_event.data && _event.data.end === 'state-ACTIVE'",
    ]


@BOOKS
def test_names_are_legal_and_no_event_is_the_beginning_of_another(rulebook: Rulebook) -> None:
    root = read(drawn(rulebook))
    assert all(NCNAME.fullmatch(name) for name in states(root))
    transitions = list(root.iter(f"{W3C}transition"))
    true_names: dict[str, set[str]] = {}
    for each in transitions:
        true_names.setdefault(each.attrib["event"], set()).add(each.attrib[f"{OURS}event"])
    assert {name for name, true in true_names.items() if len(true) > 1} == set()
    assert all(EVENT.fullmatch(name) and "." not in name for name in true_names)
    targets = {each.get("target") for each in transitions} - {None}
    assert targets <= set(states(root))


@given(TEXTS)
def test_every_text_is_there_and_stays_in_its_place(text: str) -> None:
    root = read(saying(text))
    expected = squeezed(legible(text))
    own = states(root)
    assert list(own) == ["one", "two"]
    assert own["one"].get(f"{OURS}label", "") == expected
    assert squeezed(own["one"].get(f"{OURS}tip", "")) == expected
    for each in root.iter(f"{W3C}transition"):
        assert EVENT.fullmatch(each.attrib["event"])
    said = {each.get(f"{OURS}event", "") for each in root.iter(f"{W3C}transition")}
    assert expected in said
    assert {each.tag for each in root.iter()} <= {
        f"{W3C}scxml",
        f"{W3C}state",
        f"{W3C}transition",
        f"{OURS}elsewhere",
    }
