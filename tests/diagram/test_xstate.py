"""Diagrams as machines of XState: what they say, and what XState itself does with them."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given

from serverfsm import API_REFERENCE, NOVA_34, Rulebook
from serverfsm.diagram import Diagram, draw
from serverfsm.diagram.model import NodeKind
from tests.diagram.programs import needs, run_xstate
from tests.diagram.samples import CONTROLS, HOSTILE, SMALL, TEXTS, saying
from tests.diagram.walking import Leg, legs

BOOKS = pytest.mark.parametrize("rulebook", [API_REFERENCE, NOVA_34], ids=lambda book: book.name)


def machine_of(drawing: Diagram) -> dict[str, Any]:
    machine: dict[str, Any] = json.loads(drawing.to_text("xstate"))
    return machine


def drawn(view: str, *subject: str, rulebook: Rulebook = API_REFERENCE) -> Diagram:
    drawing = draw(view, *subject, rulebook=rulebook)
    assert isinstance(drawing, Diagram)
    return drawing


def legs_of(machine: dict[str, Any]) -> set[Leg]:
    """The transitions of a configuration, by labels."""
    labels = {key: state["meta"]["label"] for key, state in machine["states"].items()}
    found = set()
    places = [(None, machine.get("on", {}))]
    places += [(key, state.get("on", {})) for key, state in machine["states"].items()]
    for key, on in places:
        for options in on.values():
            for option in options:
                target = option["target"].removeprefix("#") if "target" in option else key
                if target is not None:
                    start = None if key is None else labels[key]
                    found.add(Leg(start, option["meta"]["event"], labels[target]))
    return found


@BOOKS
def test_the_lifecycle_has_the_transitions_of_the_picture(rulebook: Rulebook) -> None:
    drawing = drawn("lifecycle", rulebook=rulebook)
    assert legs_of(machine_of(drawing)) == legs(drawing)


def test_a_small_diagram_by_its_parts() -> None:
    machine = machine_of(SMALL)
    assert machine["initial"] == "start"
    assert list(machine["states"]) == ["start", "ACTIVE", "SHUTOFF", "ERROR", "DELETED"]
    assert machine["states"]["DELETED"]["type"] == "final"
    assert legs_of(machine) == legs(SMALL)
    active = machine["states"]["ACTIVE"]
    assert active["meta"]["tip"] == "the server runs"
    assert active["meta"]["elsewhere"] == [
        {"event": "migrate", "cause": "administrator", "end": "somewhere else"}
    ]
    assert active["on"]["lock"] == [{"meta": {"event": "lock", "cause": "person"}}]


def test_several_ends_of_an_event_are_told_apart_by_a_guard() -> None:
    ends = machine_of(SMALL)["states"]["SHUTOFF"]["on"]["shelve"]
    assert [option["guard"]["params"] for option in ends] == [{"end": "ERROR"}, {"end": "ACTIVE"}]
    assert machine_of(SMALL)["states"]["ERROR"]["on"]["reset"][0].keys() == {"target", "meta"}


def test_what_holds_in_any_state_is_never_without_a_guard() -> None:
    options = machine_of(SMALL)["on"]["delete"]
    assert [option["guard"] for option in options] == [
        {"type": "takes", "params": {"start": "any state but DELETED", "end": "DELETED"}}
    ]


@given(TEXTS)
def test_every_text_is_there_exactly(text: str) -> None:
    machine = machine_of(saying(text))
    assert machine.get("meta", {}).get("title", "") == text
    state = next(iter(machine["states"].values()))
    assert state["meta"]["label"] == text
    events = {option["meta"].get("event", "") for each in state["on"].values() for option in each}
    assert text in events


def walks(drawing: Diagram, machine: dict[str, Any], count: int) -> list[list[Leg]]:
    """Random walks along the transitions of a picture, each from its first state."""
    chance = random.Random(drawing.title)
    first = machine["states"][machine["initial"]]["meta"]["label"]
    of_states = sorted(leg for leg in legs(drawing) if leg.start is not None)
    anywhere = sorted(leg for leg in legs(drawing) if leg.start is None)
    final = {node.label for node in drawing.nodes if node.kind is NodeKind.FINAL}
    found = []
    for _ in range(count):
        here, walk = first, []
        for _ in range(12):
            own = [leg for leg in of_states if leg.start == here]
            if here in final or not own + anywhere:
                break
            walk.append(chance.choice(own + anywhere))
            here = walk[-1].end
        found.append(walk)
    return found


def sent(leg: Leg, machine: dict[str, Any]) -> dict[str, str]:
    """The event that a transition takes, with what its guard asks for."""
    place = machine["states"].values() if leg.start else [machine]
    for state in place:
        if leg.start is None or state["meta"]["label"] == leg.start:
            for name, options in state["on"].items():
                for option in options:
                    target = option.get("target", "#").removeprefix("#")
                    end = machine["states"][target]["meta"]["label"] if target else leg.start
                    if (option["meta"]["event"], end) == (leg.event, leg.end):
                        return {"type": name, **option.get("guard", {}).get("params", {})}
    raise AssertionError(f"no such transition: {leg}")


@needs("xstate")
def test_xstate_itself_walks_as_the_pictures_do() -> None:
    drawings = {
        "small": SMALL,
        "lifecycle": drawn("lifecycle"),
        "nova": drawn("lifecycle", rulebook=NOVA_34),
        "role": drawn("role", "admin"),
    }
    machines = {name: machine_of(drawing) for name, drawing in drawings.items()}
    paths = {name: walks(drawings[name], machines[name], 40) for name in drawings}
    answers = run_xstate(
        {
            name: {
                "config": machine,
                "walks": [[sent(leg, machine) for leg in walk] for walk in paths[name]],
            }
            for name, machine in machines.items()
        }
    )
    taken = 0
    for name, machine in machines.items():
        assert "error" not in answers[name], answers[name]
        labels = {key: state["meta"]["label"] for key, state in machine["states"].items()}
        for walk, seen in zip(paths[name], answers[name]["walks"], strict=True):
            assert [labels[key] for key in seen[1:]] == [leg.end for leg in walk], walk
            taken += len(walk)
    assert taken > 500


@needs("xstate")
def test_xstate_itself_stays_where_a_guard_is_not_met() -> None:
    machine = machine_of(SMALL)
    events = [{"type": "create"}, {"type": "os-stop"}, {"type": "shelve"}, {"type": "delete"}]
    answer = run_xstate({"small": {"config": machine, "walks": [events]}})["small"]
    assert answer["walks"] == [["start", "ACTIVE", "SHUTOFF", "SHUTOFF", "SHUTOFF"]]


@needs("xstate")
def test_xstate_itself_takes_every_text() -> None:
    texts = HOSTILE + CONTROLS
    given_machines = {}
    for place, text in enumerate(texts):
        machine = machine_of(saying(text))
        walk = [{"type": name} for name in machine["states"][machine["initial"]]["on"]]
        given_machines[str(place)] = {"config": machine, "walks": [walk]}
    answers = run_xstate(given_machines)
    assert {texts[int(place)]: each for place, each in answers.items() if "error" in each} == {}
    for place, answer in answers.items():
        assert answer["states"] == list(given_machines[place]["config"]["states"])
