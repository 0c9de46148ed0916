"""The OpenAPI 3.1 document of POST /servers/{server_id}/action, at one microversion.

Only the form belongs here: the schemas are `bodies.py`'s, the codes are the rows'.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from serverfsm.bodies import body_schemas
from serverfsm.requests import FIRST, LATEST, Microversion
from serverfsm.rows import SERVER_ACTION, Action
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.verdict import fault_name

__all__ = ["openapi_document"]

Document = dict[str, Any]


def openapi_document(
    *, microversion: Microversion | str = LATEST, rulebook: Rulebook = API_REFERENCE
) -> Document:
    """Return the document as plain JSON values.

    The body is one of the components, one for each action's key; what a key's variants have in
    common and in which codes they differ stands in its `x-codes`: for each variant the normal
    code and the errors.

    Args:
        microversion: for which; actions that it does not have are left out.
        rulebook: whose rules.

    Raises:
        UnknownMicroversionError: there is no such microversion.

    >>> document = openapi_document(microversion="2.1")
    >>> document["openapi"], "trigger_crash_dump" in document["components"]["schemas"]
    ('3.1.0', False)
    """
    version = Microversion(microversion)
    schemas = body_schemas(microversion=version, rulebook=rulebook)
    rows = {key: _rows(rulebook, key, version) for key in schemas}
    method, path = SERVER_ACTION.split()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"OpenStack Compute: actions of a server ({rulebook.name})",
            "summary": f"Every action of microversion {version}.",
            "version": str(version),
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/v2.1"}],
        "security": [{"token": []}],
        "paths": {path: {method.lower(): _operation(rows, version)}},
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}
            },
            "schemas": {
                **{
                    key: {**_titled(rows[key]), **schema, "x-codes": _codes(rows[key])}
                    for key, schema in schemas.items()
                },
                "fault": _FAULT,
            },
        },
    }


# One key, which says what sort of fault it is.
_FAULT: Document = {
    "description": "A refusal; its only key says of which sort it is.",
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
        "required": ["code", "message"],
    },
}


def _rows(rulebook: Rulebook, key: str, version: Microversion) -> list[Action]:
    return [
        row
        for row in rulebook
        if row.name.key == key
        and row.since <= version
        and (row.until is None or version < row.until)
    ]


def _titled(rows: list[Action]) -> Document:
    return {"title": rows[0].title, "description": f"Source: {rows[0].sources.reference}."}


def _codes(rows: Iterable[Action]) -> Document:
    return {row.name.value: {"normal": row.normal, "errors": sorted(row.errors)} for row in rows}


def _operation(rows: dict[str, list[Action]], version: Microversion) -> Document:
    every = [row for of_key in rows.values() for row in of_key]
    normal = sorted({row.normal for row in every})
    errors = sorted({code for row in every for code in row.errors})
    return {
        "operationId": "server_action",
        "summary": "Run an action.",
        "parameters": [
            {
                "name": "server_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "format": "uuid"},
            },
            {
                "name": "OpenStack-API-Version",
                "in": "header",
                "description": f"Without it the microversion is {FIRST}.",
                "required": version != FIRST,
                "schema": {"const": f"compute {version}"},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [{"$ref": f"#/components/schemas/{key}"} for key in rows]}
                }
            },
        },
        "responses": {
            **{
                str(code): _answer(code, [row for row in every if row.normal == code])
                for code in normal
            },
            **{
                str(code): {
                    **_answer(code, [row for row in every if code in row.errors]),
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/fault"}}
                    },
                }
                for code in errors
            },
        },
    }


def _answer(code: int, rows: list[Action]) -> Document:
    word = HTTPStatus(code).phrase if code < 400 else fault_name(code)
    return {"description": f"{word}: {', '.join(row.name.value for row in rows)}"}
