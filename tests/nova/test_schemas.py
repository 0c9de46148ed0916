"""The schema of every body, at every microversion, is the one that Nova tests with.

Run with the interpreter that `setup.py` makes.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from serverfsm import NOVA_34, Microversion
from serverfsm.bodies import body_schema, keys

KEYS = {*keys(NOVA_34), "create"}
VERSIONS = [Microversion(f"2.{minor}") for minor in range(1, 105)]
#: Nova's pattern of printable characters is kilobytes long; ours is a format of that name.
LONG = 500
#: Without these keys in a file to inject Nova answers 500: we refuse it.
STRICTER = ["path", "contents"]


pytestmark = pytest.mark.filterwarnings("ignore")  # Nova's imports warn


def methods() -> Iterator[tuple[str, Any]]:
    """Yield each action's key, or "create", and the controller's method for it."""
    from nova.api.openstack import compute

    for module in pkgutil.iter_modules(compute.__path__):
        found = importlib.import_module(f"{compute.__name__}.{module.name}")
        for _, controller in inspect.getmembers(found, inspect.isclass):
            for method in vars(controller).values():
                if key := getattr(method, "wsgi_action", None):
                    yield key, method
    from nova.api.openstack.compute.servers import ServersController

    yield "create", ServersController.create


def schemas_of(method: Any) -> list[Any]:
    """Return what the decorators of a method have registered: schema, first and last version."""
    while method is not None:
        if (found := getattr(method, "request_body_schemas", None)) is not None:
            return list(found._schemas)
        method = getattr(method, "__wrapped__", None)
    return []


@cache
def registered() -> dict[str, list[Any]]:
    """Return what Nova has registered for each key that we know."""
    return {key: schemas_of(method) for key, method in methods() if key in KEYS}


def theirs(key: str, version: Microversion) -> Any:
    """Return Nova's schema as ours are written."""
    from nova.api.openstack.api_version_request import APIVersionRequest

    asked = APIVersionRequest(version)
    found = next((each for each, low, high in registered()[key] if asked.matches(low, high)), None)
    if not found:  # none, or one that lets everything pass
        found = {
            "type": "object",
            "properties": {key: {}},
            "required": [key],
            "additionalProperties": False,
        }
    return {**_named(found), "additionalProperties": False}


def _named(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_named(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        "format" if _is_printable(name, value) else name: "printable"
        if _is_printable(name, value)
        else _named(value)
        for name, value in schema.items()
    }


def _is_printable(name: str, value: Any) -> bool:
    return name == "pattern" and isinstance(value, str) and len(value) > LONG


def ours(key: str, version: Microversion) -> Any:
    """Return our schema without what is stricter on purpose."""
    return _lenient(body_schema(key, microversion=version, rulebook=NOVA_34))


def _lenient(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_lenient(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _lenient(value)
        for name, value in schema.items()
        if (name, value) != ("required", STRICTER)
    }


def offered(key: str) -> list[Microversion]:
    """Return the microversions at which we say that there is such an action."""
    rows = [row for row in NOVA_34 if row.name.key == key]
    return [
        version
        for version in VERSIONS
        if any(row.since <= version and (row.until is None or version < row.until) for row in rows)
    ]


def test_nova_has_a_method_for_every_key() -> None:
    assert registered().keys() == KEYS


#: What is taken out of Nova is refused before its body is looked at.
REMOVED = {row.name.key for row in NOVA_34 if row.removed is not None}


@pytest.mark.parametrize("key", sorted(KEYS - REMOVED))
def test_schema_is_novas(key: str) -> None:
    """Keyword by keyword, in Nova's order, on which its choice between two complaints depends."""
    for version in offered(key):
        assert json.dumps(ours(key, version)) == json.dumps(theirs(key, version)), version
