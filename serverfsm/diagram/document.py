"""Pictures as JSON: the model itself, for other programs; `diagram.schema.json` says how."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib import resources
from typing import Any

from serverfsm.diagram.model import Diagram, Grid

__all__ = ["SCHEMA", "document", "render", "schema"]

SCHEMA = "urn:serverfsm:diagram:1"
"""The identifier of the JSON Schema that `document` obeys; see `schema`."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `document`."""
    text = resources.files("serverfsm.diagram").joinpath("diagram.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def document(drawing: Diagram | Grid, manual: str | None = None) -> dict[str, Any]:
    """Return a picture as plain JSON values, with the fields of `Diagram` or `Grid` in order.

    `manual` is the root that pages are relative to, or None.
    """
    kind = type(drawing).__name__.lower()
    return {"schema": SCHEMA, "kind": kind, "manual": manual, **_fields(drawing)}


def render(drawing: Diagram | Grid, manual: str | None) -> str:
    """Return a picture as JSON text."""
    return json.dumps(document(drawing, manual), indent=2) + "\n"


def _fields(value: Any) -> dict[str, Any]:
    names = getattr(value, "_fields", None) or [field.name for field in fields(value)]
    return {name: _plain(getattr(value, name)) for name in names}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value if value is None or type(value) in (int, bool) else str(value)
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return [_plain(each) for each in value]
    return _fields(value)
