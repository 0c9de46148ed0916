"""`check(body=…)` against what the real Nova 34.0.0 said of request bodies: all that are stored.

They are in `data/nova-34-bodies.json.gz`; `nova/bodies.py` asked for them.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverfsm import NOVA_34, Server, VmState, check
from serverfsm.bodies import body_schemas, keys
from tests.bodies import Body, Kind, bodies, drawn
from tests.nova.bodies import (
    EXPLANATIONS,
    Said,
    difference,
    explained,
    load,
    same,
    verdict_of,
)

LEAST = 25_000
ACTIONS = keys(NOVA_34)
#: How many stored bodies Nova answers otherwise, and why.
EXPLAINED = {
    "500: base64": 140,
    "500: file without path or contents": 455,
    "500: no UTF-8 for the database": 45,
    "500: rotation": 1,
    "environment: fixed address": 12,
    "environment: flavor": 136,
    "environment: host": 472,
    "environment: image": 116,
    "environment: key pair": 586,
    "environment: own host": 111,
    "environment: present flavor": 4,
    "environment: quota": 16,
    "environment: security group": 192,
    "environment: zone": 53,
    "file without path or contents, complained of first": 9,
    "the class of printable characters is a format here": 126,
}


@cache
def stored() -> dict[str, list[Said]]:
    """What Nova said, by the action that the bodies were made for."""
    found: dict[str, list[Said]] = {}
    for said in load():
        found.setdefault(said.key, []).append(said)
    return found


def test_every_action_and_every_kind_of_body_is_stored() -> None:
    assert set(stored()) == set(ACTIONS)
    kinds = Counter(said.kind for found in stored().values() for said in found)
    assert kinds.keys() == {str(kind) for kind in Kind}
    assert min(kinds.values()) > 50
    assert kinds.total() >= LEAST


@pytest.mark.parametrize("key", ACTIONS)
def test_nova_said_what_the_library_says(key: str) -> None:
    different = [text for said in stored()[key] if (text := difference(said)) is not None]
    assert not different, f"{len(different)} different:\n" + "\n".join(different[:10])


def test_what_is_explained_is_counted() -> None:
    names = Counter[str]()
    for said in (said for found in stored().values() for said in found):
        verdict = verdict_of(said)
        if not same(said, verdict):
            names[str(explained(said, verdict))] += 1
    assert names == EXPLAINED
    assert EXPLAINED.keys() >= {each.name for each in EXPLANATIONS}


@pytest.mark.parametrize("key", ACTIONS)
def test_another_answer_would_be_a_difference(key: str) -> None:
    refused = (said for said in stored()[key] if said.code == 400)
    seen = next(said for said in refused if same(said, verdict_of(said)))
    assert difference(seen._replace(code=409)) is not None
    assert difference(seen._replace(message=f"{seen.message}!")) is not None
    assert difference(seen._replace(code=202, message=None)) is not None


# The bodies themselves

SCHEMAS = body_schemas(rulebook=NOVA_34)


@pytest.mark.parametrize("key", SCHEMAS)
def test_a_right_body_is_one_that_the_schema_allows(key: str) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMAS[key])
    right = [body for body in bodies(SCHEMAS[key], chance=30) if body.kind is Kind.RIGHT]
    wrong = [body for body in bodies(SCHEMAS[key], chance=0) if body.kind is Kind.VALUE]
    assert right
    assert len(wrong) > 20
    for body in right:
        validator.validate(json_of(body))
    if SCHEMAS[key]["properties"][key]:
        assert not all(validator.is_valid(json_of(body)) for body in wrong)


def json_of(body: Body) -> object:
    """The JSON of a body."""
    return json.loads(body.text)


@given(st.data())
def test_whatever_is_drawn_is_answered(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(SCHEMAS)))
    body = data.draw(drawn(SCHEMAS[key]))
    server = Server(data.draw(st.sampled_from(VmState)))
    verdict = check(server, body=body.data, actor="admin", rulebook=NOVA_34)
    assert verdict.allowed == (verdict.code < 400)
    assert verdict.allowed == (verdict.message is None)
