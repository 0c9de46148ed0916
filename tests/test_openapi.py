"""The OpenAPI document: valid, and neither more nor less than the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from typer.testing import CliRunner

from serverfsm import API_REFERENCE, NOVA_34, Microversion
from serverfsm.bodies import asked, body_schemas
from serverfsm.cli import app
from serverfsm.openapi import openapi_document

BOOKS = pytest.mark.parametrize("book", [API_REFERENCE, NOVA_34], ids=lambda book: book.name)
PATH = "/servers/{server_id}/action"
VERSIONS = ["2.1", "2.5", "2.6", "2.17", "2.44", "2.72", "2.73", "2.77", "2.90", "2.91", "2.104"]


@BOOKS
@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_valid(version: str, book: Any) -> None:
    document = openapi_document(microversion=version, rulebook=book)
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert json.loads(json.dumps(document)) == document
    assert set(document["components"]["schemas"]) == {
        *body_schemas(microversion=version, rulebook=book),
        "fault",
    }


def test_the_validator_finds_a_fault() -> None:
    document = openapi_document()
    del document["paths"][PATH]["post"]["responses"]["202"]["description"]
    assert list(OpenAPIV31SpecValidator(document).iter_errors())


@BOOKS
def test_its_codes_are_the_rows(book: Any) -> None:
    version = Microversion("2.5")
    document = openapi_document(microversion=version, rulebook=book)
    codes: dict[str, Any] = {}
    for schema in document["components"]["schemas"].values():
        codes.update(schema.get("x-codes", {}))
    offered = [
        row
        for row in book
        if row.endpoint.startswith("POST /servers/")
        and row.since <= version
        and (row.until is None or version < row.until)
    ]
    assert codes == {
        row.name.value: {"normal": row.normal, "errors": sorted(row.errors)} for row in offered
    }
    responses = document["paths"][PATH]["post"]["responses"]
    assert {int(code) for code in responses} == {
        code for row in offered for code in (row.normal, *row.errors)
    }


BODIES: list[Any] = [
    {"os-stop": None},
    {"reboot": {"type": "HARD"}},
    {"reboot": {}},
    {"reboot": {"type": "HARD"}, "pause": None},
    {"createBackup": {"name": "a", "backup_type": "b", "rotation": "-1"}},
    {"createBackup": {"name": "a", "backup_type": "b", "rotation": "1"}},
    {"trigger_crash_dump": {}},
    {"unshelve": {}},
    {"unshelve": {"availability_zone": "a"}},
    {"os-sotp": None},
    [],
]


@BOOKS
@pytest.mark.parametrize("version", ["2.1", "2.77", "2.104"])
@pytest.mark.parametrize("body", BODIES, ids=str)
def test_a_body_is_valid_by_it_where_check_takes_it(body: Any, version: str, book: Any) -> None:
    document = openapi_document(microversion=version, rulebook=book)
    resource: Any = Resource.from_contents(
        {**document, "$schema": "https://json-schema.org/draft/2020-12/schema"}
    )
    registry: Any = Registry().with_resource("urn:doc", resource)
    schema = document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]
    refs = [{"$ref": f"urn:doc{each['$ref']}"} for each in schema["oneOf"]]
    validator = jsonschema.Draft202012Validator({"oneOf": refs}, registry=registry)
    found = asked(body, microversion=version, rulebook=book)
    known = found.action is not None and found.action.key in document["components"]["schemas"]
    assert validator.is_valid(body) is (found.complaint is None and known)


def test_the_command_writes_it(tmp_path: Path) -> None:
    asked = ["export", "openapi", "--microversion", "2.79", "--rulebook", "nova-34"]
    printed = CliRunner().invoke(app, asked)
    assert printed.exit_code == 0
    wanted = openapi_document(microversion="2.79", rulebook=NOVA_34)
    assert json.loads(printed.stdout) == wanted
    file = tmp_path / "openapi.json"
    assert CliRunner().invoke(app, [*asked, "--output", str(file)]).exit_code == 0
    assert json.loads(file.read_text("utf-8")) == wanted
    wrong = CliRunner().invoke(app, ["export", "openapi", "--microversion", "2.105"])
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "unknown microversion '2.105'" in wrong.stderr
