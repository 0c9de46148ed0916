"""`check(body=…)`, the schemas of bodies, and the formats in them.

That Nova answers so is `test_nova_bodies.py`'s to say; here is what our own promises are.
"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from typing import Any

import jsonschema
import pytest

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Actor,
    Microversion,
    Reason,
    Server,
    UnknownActionError,
    check,
)
from serverfsm.bodies import asked, body_schema, body_schemas, keys
from serverfsm.errors import MissingPackageError
from serverfsm.requests import Guard
from serverfsm.rows import SERVER_ACTION

BOOKS = pytest.mark.parametrize("book", [API_REFERENCE, NOVA_34], ids=lambda book: book.name)
VERSIONS = [Microversion(f"2.{minor}") for minor in range(1, 105)]
IMAGE = "f7a8d0f0-7b1e-4d5b-9c3a-1e2d3c4b5a69"
# A right value of each shape's type, by what the schema says; enums give their first.
EXAMPLES = {"uuid": IMAGE, "ipv4": "10.0.0.1", "ipv6": "::1", "base64": "YQ==", "name": "web"}


def example(schema: dict[str, Any]) -> Any:
    """A value of this shape, all that is required in it and no more."""
    if "oneOf" in schema:
        return example({"type": "string", **schema["oneOf"][0]})
    if "enum" in schema:
        return schema["enum"][0]
    if "format" in schema:
        return EXAMPLES.get(schema["format"], "web")
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        needed = schema.get("required", (schema.get("anyOf") or [{}])[0].get("required", []))
        return {name: example(schema["properties"][name]) for name in needed}
    return {None: None, "string": "10", "integer": 1, "array": [], "null": None, "boolean": True}[
        kind
    ]


@BOOKS
def test_every_action_has_a_schema_where_it_is_offered(book: Any) -> None:
    distinct = set()
    for version in VERSIONS:
        offered = {
            row.name.key
            for row in book
            if row.endpoint == SERVER_ACTION
            and row.since <= version
            and (row.until is None or version < row.until)
        }
        schemas = body_schemas(microversion=version, rulebook=book)
        assert set(schemas) == offered
        for key, schema in schemas.items():
            assert schema["required"] == [key]
            distinct.add(json.dumps(schema))
    for text in distinct:
        jsonschema.Draft202012Validator.check_schema(json.loads(text))


@BOOKS
def test_the_smallest_right_body_asks_for_its_action(book: Any) -> None:
    seen = set()
    for version in VERSIONS:
        for key, schema in body_schemas(microversion=version, rulebook=book).items():
            body = {key: example(schema["properties"][key])}
            found = asked(body, microversion=version, rulebook=book)
            assert found.complaint is None, (key, version, body, found)
            assert found.action is not None
            assert found.action.key == key
            seen.add(key)
    assert seen == set(keys(book))


VARIANTS: list[tuple[dict[str, Any], str, str]] = [
    ({"os-stop": None}, "2.1", "os-stop"),
    ({"os-stop": {"anything": [1]}}, "2.104", "os-stop"),
    ({"reboot": {"type": "Soft"}}, "2.1", "reboot:SOFT"),
    ({"reboot": {"type": "HARD"}}, "2.1", "reboot:HARD"),
    ({"rescue": None}, "2.1", "rescue"),
    ({"rescue": {"adminPass": "x"}}, "2.1", "rescue"),
    ({"rescue": {"rescue_image_ref": IMAGE}}, "2.1", "rescue:rescue_image_ref"),
    ({"unshelve": {"availability_zone": "a"}}, "2.76", "unshelve"),
    ({"unshelve": {"availability_zone": "a"}}, "2.77", "unshelve:availability_zone"),
    ({"unshelve": {"availability_zone": None}}, "2.91", "unshelve:availability_zone"),
    ({"unshelve": {"host": "a"}}, "2.91", "unshelve:host"),
    ({"unshelve": {"host": "a", "availability_zone": "b"}}, "2.91", "unshelve:host"),
    ({"unshelve": None}, "2.91", "unshelve"),
    ({"migrate": {"host": "a"}}, "2.55", "migrate"),
    ({"migrate": {"host": "a"}}, "2.56", "migrate:host"),
    ({"migrate": {"host": None}}, "2.56", "migrate"),
    ({"os-migrateLive": {"host": None, "block_migration": "auto"}}, "2.25", "os-migrateLive"),
    ({"os-migrateLive": {"host": "a", "block_migration": True}}, "2.25", "os-migrateLive:host"),
    ({"os-resetState": {"state": "error"}}, "2.1", "os-resetState:error"),
    ({"os-resetState": {"state": "active"}}, "2.1", "os-resetState:active"),
]


@pytest.mark.parametrize(("body", "version", "action"), VARIANTS)
def test_the_variant_that_a_body_means(body: Any, version: str, action: str) -> None:
    for given in (body, json.dumps(body).encode()):
        assert asked(given, microversion=version) == (ActionName(action), None)


def test_every_variant_can_be_meant() -> None:
    meant = {ActionName(action) for _, _, action in VARIANTS}
    assert {name for name in ActionName if name.variant} <= meant


REFUSED: list[tuple[Any, str, int, str]] = [
    ({"lock": {"locked_reason": ""}}, "2.73", 400, "'' should be non-empty"),
    ({"unshelve": {}}, "2.77", 400, "'availability_zone' is a required property"),
    ({"reboot": {}}, "2.1", 400, "'type' is a required property"),
    ({"createBackup": {"name": "a", "backup_type": "b"}}, "2.1", 400, "'rotation' is a required"),
    (
        {"createBackup": {"name": "a", "backup_type": "b", "rotation": -1}},
        "2.1",
        400,
        "Invalid input for field/attribute rotation. Value: -1. -1 is less than the minimum of 0",
    ),
    ({"createImage": {"name": ""}}, "2.1", 400, "'' should be non-empty"),
    ({"createImage": {"name": "a" * 256}}, "2.1", 400, "is too long"),
    ({"createImage": {"name": " a"}}, "2.1", 400, "Can not start or end with whitespace."),
    ({"resize": {"flavorRef": "1", "x": 2}}, "2.1", 400, "('x' was unexpected)"),
    ({"evacuate": {"force": True}}, "2.29", 400, "Can't force to a non-provided destination"),
    ({"addSecurityGroup": {"name": " "}}, "2.1", 400, "Security group name cannot be empty"),
    ({"os-sotp": None}, "2.1", 400, "There is no such action: os-sotp"),
    ({"delete": None}, "2.1", 400, "There is no such action: delete"),
    ({}, "2.1", 400, "Malformed request body"),
    ({"pause": None, "unpause": None}, "2.1", 400, "Malformed request body"),
    ([], "2.1", 400, "Malformed request body"),
    (["pause"], "2.1", 404, "The resource could not be found."),
    (None, "2.1", 404, "The resource could not be found."),
    (7, "2.1", 404, "The resource could not be found."),
    (b"", "2.1", 400, "Malformed request body"),
    (b'{"pause": ', "2.1", 400, "Malformed request body"),
    (b"\xff\xfe{\x00}\x00", "2.1", 400, "Malformed request body"),
    (b"[" * 100_000, "2.1", 400, "Malformed request body"),
]


@pytest.mark.parametrize(("body", "version", "code", "message"), REFUSED)
def test_what_is_refused(body: Any, version: str, code: int, message: str) -> None:
    verdict = check(Server("shelved_offloaded"), body=body, actor="admin", microversion=version)
    assert not verdict
    assert verdict.code == code
    assert verdict.message is not None
    assert message in verdict.message
    assert verdict.hint
    assert not verdict.retryable
    assert verdict.guard is None
    assert verdict.assumes == ()


def test_what_a_body_quotes_is_not_taken_for_our_own() -> None:
    reason = "{id} {label}" * 100
    verdict = check(Server("active"), body={"lock": {"locked_reason": reason}})
    fault = json.loads(verdict.fault("7").body)
    assert reason in fault["badRequest"]["message"]


def test_an_unknown_action_is_answered_and_not_raised() -> None:
    verdict = check(Server("active"), body={"os-sotp": None})
    assert (verdict.action, verdict.request, verdict.reason) == (None, None, Reason.UNKNOWN_ACTION)
    assert [each.guard for each in verdict.failures] == [Guard.BODY]
    anonymous = check(Server("active"), body={"os-sotp": None}, actor="anonymous")
    assert (anonymous.code, anonymous.reason) == (401, Reason.NOT_AUTHENTICATED)
    with pytest.raises(UnknownActionError, match="did you mean 'os-stop'"):
        check(Server("active"), "os-sotp")


def test_a_right_body_is_no_more_than_its_action() -> None:
    """The verdict is the very one of the action by its name."""
    servers = [Server(vm) for vm in ("active", "stopped", "shelved_offloaded", "error")]
    for (body, version, action), server, who, book in product(
        VARIANTS, servers, Actor, (API_REFERENCE, NOVA_34)
    ):
        asking: dict[str, Any] = {"actor": who, "microversion": version, "rulebook": book}
        assert check(server, body=body, **asking) is check(server, action, **asking)


@BOOKS
@pytest.mark.parametrize("who", Actor)
def test_a_wrong_body_has_its_place_in_the_order(who: Actor, book: Any) -> None:
    """After the microversion and before all that concerns the server and the person."""
    worst = Server("error", "deleting", locked=True, locked_by="admin", host=False)
    before = {Guard.AUTHENTICATED, Guard.OFFERED, Guard.REMOVED}
    for key, server in product(keys(book), (None, worst)):
        for version in ("2.1", "2.50", "2.104"):
            schema = body_schemas(microversion=version, rulebook=book).get(key)
            if schema is None or not schema["properties"][key]:
                continue
            verdict = check(server, body={key: 17}, actor=who, microversion=version, rulebook=book)
            first = verdict.failures[0].guard
            assert first is Guard.BODY or first in before, (key, version)
            if server is not None and first is Guard.BODY:
                plain = check(server, key, who, version, book)
                rest = [each.guard for each in verdict.failures[1:]]
                assert (
                    rest == [each.guard for each in plain.failures if each.guard not in before]
                    or plain.depends_on
                )


@BOOKS
def test_a_late_rule_comes_after_the_policy_and_before_the_lock(book: Any) -> None:
    locked = Server("error", "deleting", locked=True)
    body = {"os-migrateLive": {"host": None, "block_migration": False, "force": "yes"}}
    asking: dict[str, Any] = {"body": body, "microversion": "2.30", "rulebook": book}
    assert check(locked, actor="member", **asking).code == 403
    assert check(None, actor="admin", **asking).code == 404
    refused = check(locked, actor="admin", **asking)
    assert refused.code == 400
    assert [each.guard for each in refused.failures] == [Guard.LATE_BODY, Guard.VM_STATE,
                                                         Guard.TASK_STATE]  # fmt: skip
    body["os-migrateLive"]["host"] = "other"
    assert check(locked, actor="admin", **asking).code == 409


CREATE = {"server": {"name": "web", "flavorRef": 1, "networks": "none"}}


@pytest.mark.parametrize(
    ("body", "version", "message"),
    [
        (CREATE, "2.37", None),
        ({"server": {"name": "web", "flavorRef": "1"}}, "2.36", None),
        ({**CREATE, "os:scheduler_hints": {"group": IMAGE, "mine": 1}}, "2.104", None),
        (CREATE, "2.36", "Invalid input for field/attribute networks. Value: none. 'none' is not"),
        ({"server": {"name": "web", "flavorRef": "1"}}, "2.37", "'networks' is a required"),
        ({}, "2.1", "'server' is a required property"),
        (None, "2.1", "None is not of type 'object'"),
        (b"", "2.1", "None is not of type 'object'"),
        (b"{", "2.1", "Malformed request body"),
        ({"os-stop": None}, "2.1", "'server' is a required property"),
    ],
)
def test_the_body_of_create(body: Any, version: str, message: str | None) -> None:
    verdict = check(None, "create", body=body, microversion=version)
    assert verdict.action is ActionName.CREATE
    if message is None:
        assert (verdict.code, verdict.message) == (202, None)
    else:
        assert verdict.code == 400
        assert verdict.message is not None
        assert message in verdict.message
        assert check(None, "create", "reader", version, body=body).code == 400
        assert check(None, "create", "anonymous", version, body=body).code == 401


def test_both_an_action_and_a_body() -> None:
    with pytest.raises(TypeError, match="the body names the action"):
        check(Server("active"), "os-stop", body={"os-stop": None})


def test_no_schema_for_what_there_is_not() -> None:
    for action, version in (("delete", "2.1"), ("os-sotp", "2.1"), ("addFixedIp", "2.44")):
        with pytest.raises(UnknownActionError, match="unknown action"):
            body_schema(action, microversion=version)
    assert body_schema("reboot:SOFT") == body_schema(ActionName.REBOOT_HARD)


def test_without_jsonschema_there_is_a_clear_error() -> None:
    program = (
        "import sys; sys.modules['jsonschema'] = None\n"
        "from serverfsm import Server, check\n"
        "assert check(Server('active'), body={'os-stop': None})\n"  # any value will do
        "check(Server('active'), body={'reboot': {}})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("serverfsm.errors.MissingPackageError: ")
    assert "pip install 'serverfsm[bodies]'" in last
    assert issubclass(MissingPackageError, ImportError)
