"""Verdicts: what Nova answered, word for word; and how a verdict is to be read."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

from serverfsm import (
    API_REFERENCE,
    LATEST,
    NOVA_34,
    ActionName,
    Actor,
    CompareAndSwap,
    Fault,
    Reason,
    RefusedError,
    Server,
    UnknownActionError,
    UnknownActorError,
    UnknownMicroversionError,
    Verdict,
    VmState,
    allowed,
    check,
)
from serverfsm.verdict import fault

DATA = Path(__file__).parent / "data"
CAPTURED = json.loads((DATA / "nova-34-faults.json").read_text(encoding="utf-8"))
FAULTS: dict[str, Any] = CAPTURED["faults"]
NO_SERVER = "11111111-2222-4333-8444-555555555555"

# --- Nova's own faults, byte for byte

# The captured faults that the server, the person and the version decide. The others are decided by
# the body of the request, by a quota, or before Nova looks at the action.
DECIDED_HERE = """\
400 removed console
400 volume-backed backup
400 volume-backed rescue
401 no token
401 unknown token
403 policy, delete
403 policy, manager with a host
403 policy, member
403 policy, reader
403 unlock of an admin's lock
404 action no more
404 action not yet
404 another project's server
404 another project's server, DELETE
404 another project's server, os-stop
404 unknown server
404 unknown server, DELETE
404 unknown server, os-stop
409 locked
409 locked, DELETE
409 locked, changePassword
409 locked, restore
409 never launched
409 not ready
409 task_state
409 unshelve to a zone while SHELVED
409 vm_state
410 resetNetwork
500 console
500 locked, removeFixedIp
500 no host, injectNetworkInfo
order: console's policy before unknown server
order: host before state
order: lock before state
order: policy before lock
order: state before launched
order: version cap before schema
order: version cap before unknown server
order: vm_state before task_state
""".splitlines()
# What the library says otherwise, and why.
KNOWN = {
    "401 no token": "keystonemiddleware answers 401 in its own shape, before Nova",
    "401 unknown token": "keystonemiddleware answers 401 in its own shape, before Nova",
}


def captured_server(name: str) -> Server | None:
    """The server of a captured fault: an active one, with the row's columns put in."""
    case = FAULTS[name]
    path, row = case["request"]["path"], case["row"]
    if NO_SERVER in path:
        return None
    return Server(
        row.get("vm_state", "active"),
        row.get("task_state"),
        locked=bool(row.get("locked")),
        locked_by=row.get("locked_by"),
        launched=row.get("launched_at", "") is not None,
        host=row.get("host", "") is not None,
        volume_backed=CAPTURED["volume_server"] in path,
    )


def captured_action(name: str) -> str:
    request = FAULTS[name]["request"]
    if request["method"] == "DELETE":
        return "delete"
    ((key, argument),) = json.loads(request["body"]).items()
    for variant in ActionName:
        if variant.key == key and variant.variant in (argument or {}):
            return variant.value
    return str(key)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=pytest.mark.xfail(reason=KNOWN[name], strict=True) if name in KNOWN else ()
        )
        for name in DECIDED_HERE
    ],
)
def test_nova_s_own_fault(name: str) -> None:
    request, answer = FAULTS[name]["request"], FAULTS[name]["answer"]
    verdict = check(
        captured_server(name),
        captured_action(name),
        actor=request["actor"],
        microversion=request["version"],
        rulebook=NOVA_34,
    )
    found = verdict.fault(
        NO_SERVER if NO_SERVER in request["path"] else request["path"].split("/")[3]
    )
    assert found.code == answer["code"]
    assert found.body.decode() == answer["text"]
    assert found.content_type == answer["headers"]["Content-Type"]


# One of each code, but for plain pages and what keystonemiddleware answers.
SHAPES = {
    case["answer"]["code"]: case["answer"]["text"]
    for case in FAULTS.values()
    if case["answer"]["text"].startswith("{") and case["answer"]["code"] != 401
}


@pytest.mark.parametrize(
    "code",
    [
        *(400, 403, 404, 406, 409, 410, 415, 500, 501),
    ],
)
def test_nova_s_json_around_any_message(code: int) -> None:
    ((_, inside),) = json.loads(SHAPES[code]).items()
    made = fault(code, inside["message"])
    assert made.body.decode() == SHAPES[code]
    assert made.code == code == inside["code"]


def test_every_code_that_was_captured_is_compared() -> None:
    assert set(SHAPES) == {400, 403, 404, 406, 409, 410, 415, 500, 501}


def test_a_fault_escapes_as_json_does() -> None:
    made = fault(409, 'a "quoted" \\ \x00 \ud800 ü')
    assert json.loads(made.body) == {
        "conflictingRequest": {"code": 409, "message": 'a "quoted" \\ \x00 \ud800 ü'}
    }
    assert made.body.isascii()
    assert made == Fault(409, made.body, "application/json; charset=UTF-8")


@pytest.mark.parametrize("server_id", ["7", "{id}", "{label}", "a\\b", '"', "%s", "ü"])
def test_an_id_is_put_in_as_it_is(server_id: str) -> None:
    verdict = check(Server("active", locked=True), "pause")
    body = json.loads(verdict.fault(server_id).body)
    assert body["conflictingRequest"]["message"] == f"Instance {server_id} is locked"


# --- reading a verdict


def test_an_allowed_request() -> None:
    """nova-34-rules.md: os-stop, 202, writes task_state powering-off, from active and error."""
    verdict = check(Server("active"), "os-stop")
    assert verdict
    assert (verdict.allowed, verdict.code, verdict.reason) == (True, 202, Reason.OK)
    assert verdict.action is ActionName.STOP
    assert (verdict.refusal, verdict.message, verdict.hint, verdict.attribute) == (None,) * 4
    assert (verdict.failures, verdict.want, verdict.depends_on) == ((), (), ())
    assert verdict.have is None
    assert (verdict.maybe, verdict.retryable) == (False, False)
    assert verdict.guard == CompareAndSwap(
        expect={
            "deleted": frozenset({False}),
            "locked": frozenset({False}),
            "host": frozenset({True}),
            "vm_state": frozenset({VmState.ACTIVE, VmState.ERROR}),
            "task_state": frozenset({None}),
            "launched": frozenset({True}),
        },
        set={"task_state": "powering-off"},
    )
    verdict.raise_for_refusal()
    with pytest.raises(ValueError, match="os-stop is allowed"):
        verdict.fault("7")


def test_a_refused_request() -> None:
    verdict = check(Server("paused", "unpausing"), "os-stop")
    assert not verdict
    assert (verdict.code, verdict.reason) == (409, Reason.VM_STATE)
    assert (verdict.attribute, verdict.have) == ("vm_state", "paused")
    assert set(verdict.want) == {"active", "error"}
    assert verdict.message == "Cannot 'stop' instance {id} while it is in vm_state paused"
    assert [failure.reason for failure in verdict.failures] == [
        Reason.VM_STATE,
        Reason.TASK_STATE,
    ]
    assert verdict.failures[1].template == (
        "Cannot 'stop' instance {id} while it is in task_state unpausing"
    )
    assert verdict.failures[1].want == (None,)
    assert verdict.guard is None
    assert verdict.assumes == ()
    assert verdict.retryable, "unpausing ends in active"
    with pytest.raises(RefusedError, match="os-stop: Cannot 'stop'") as refused:
        verdict.raise_for_refusal()
    assert refused.value.verdict is verdict


def test_a_verdict_cannot_be_changed() -> None:
    verdict = check(Server("active"), "os-stop")
    with pytest.raises(FrozenInstanceError):
        verdict.allowed = False
    assert not hasattr(verdict, "__dict__")


def test_what_cannot_be_decided_is_refused() -> None:
    """evidence.md: the status ACTIVE covers 28 pairs, of which one allows os-stop."""
    verdict = check(Server.from_status("ACTIVE"), "os-stop")
    assert (verdict.allowed, verdict.maybe, verdict.reason) == (False, True, Reason.DEPENDS)
    assert verdict.depends_on == ("task_state",)
    assert verdict.code == 409
    assert verdict.have is None
    assert verdict.want == (None,)
    assert verdict.failures == (verdict.refusal,)
    assert not verdict.retryable
    assert "task_state" in (verdict.hint or "")


def test_who_locked_it_decides_and_is_not_shown() -> None:
    verdict = check(Server("active", locked=True), "unlock")
    assert (verdict.allowed, verdict.maybe, verdict.depends_on) == (False, True, ("locked_by",))
    assert verdict.code == 403
    by_an_administrator = check(Server("active", locked=True), "unlock", actor="admin")
    assert by_an_administrator.allowed
    assert by_an_administrator.guard is not None
    assert by_an_administrator.guard.set == {"locked": False, "locked_by": None}
    both = check(Server(None, only_status="ACTIVE", locked=True), "unlock")
    assert both.maybe
    assert "locked_by" in both.depends_on


def test_a_state_that_nova_does_not_know() -> None:
    for action in ActionName:
        verdict = check(Server.from_status("UNKNOWN"), action, actor="admin")
        assert not verdict.allowed
        assert not verdict.maybe
        assert not verdict.retryable
        assert verdict.hint
    unknown = check(Server.from_status("UNKNOWN"), "os-stop")
    assert (unknown.code, unknown.reason) == (409, Reason.UNKNOWN_STATE)
    assert (unknown.attribute, unknown.have) == ("status", "UNKNOWN")
    assert "{id}" in (unknown.message or "")
    nobody = check(Server.from_status("UNKNOWN"), "os-stop", actor="anonymous")
    assert (nobody.code, nobody.reason) == (401, Reason.NOT_AUTHENTICATED)
    gone = check(Server.from_status("UNKNOWN"), "addFixedIp")
    assert (gone.code, gone.reason) == (404, Reason.MICROVERSION)


def test_what_it_takes_for_granted() -> None:
    """nova-34-rules.md, evacuate:host-up: 400 Compute service of {host} is still in use."""
    verdict = check(Server("active"), "evacuate", actor="admin")
    assert verdict.code == 200
    ((assumption),) = verdict.assumes
    assert (assumption.answer.code, assumption.answer.message) == (
        400,
        "Compute service of {host} is still in use.",
    )
    assert check(Server("paused"), "evacuate", actor="admin").assumes == ()


@pytest.mark.parametrize(
    ("version", "allowed_there", "maybe"), [("2.92", False, True), ("2.93", True, False)]
)
def test_rebuilding_what_stands_on_a_volume(version: str, allowed_there: bool, maybe: bool) -> None:
    """servers-actions.txt: with 2.93 volume-backed servers are rebuilt; before, their own image."""
    verdict = check(Server("active", volume_backed=True), "rebuild", microversion=version)
    assert (verdict.allowed, verdict.maybe) == (allowed_there, maybe)
    if maybe:
        assert (verdict.code, verdict.reason) == (400, Reason.VOLUME_BACKED)
        assert "image" in verdict.depends_on[0]
        assert verdict.depends_on[0] in (verdict.hint or "")
        assert verdict.guard is None


def test_no_server_at_all() -> None:
    """POST /servers: 202, BUILD. Everything else: there is no such server."""
    made = check(None, "create")
    assert (made.allowed, made.code) == (True, 202)
    assert made.guard == CompareAndSwap(
        expect={}, set={"vm_state": "building", "task_state": "scheduling"}
    )
    for action in ActionName:
        if action is not ActionName.CREATE:
            assert not check(None, action, actor="admin", microversion="2.20")
    assert check(None, "os-stop").code == 404
    assert check(None, "os-stop").retryable is False
    there_is_one = check(Server("active"), "create")
    assert (there_is_one.code, there_is_one.reason) == (409, Reason.EXISTS)


def test_the_defaults_are_a_member_the_last_version_and_the_reference() -> None:
    server = Server("shelved")
    given = {"actor": Actor.MEMBER, "microversion": LATEST, "rulebook": API_REFERENCE}
    assert check(server, "shelveOffload") == check(server, "shelveOffload", **given)
    assert allowed(server) == allowed(server, **given)
    # other-actions.md: admin or owner by the reference, an administrator by Nova.
    assert check(server, "shelveOffload").allowed
    assert check(server, "shelveOffload", rulebook=NOVA_34).code == 403


def test_all_verdicts_at_once() -> None:
    API_REFERENCE.forget()
    for server in (None, Server("paused"), Server.from_status("ACTIVE")):
        first = allowed(server)
        assert list(first) == list(ActionName) == [row.name for row in API_REFERENCE]
        again = allowed(server)
        assert list(again) == list(first)
        assert again == first == {name: check(server, name) for name in ActionName}
    words = {name.value for name, verdict in allowed(Server("paused")).items() if verdict}
    # nova-34-rules.md: what an owner may do to a paused server with no task, unlocked.
    assert words == {
        *("addSecurityGroup", "removeSecurityGroup", "createBackup", "createImage", "lock"),
        *("unlock", "unpause", "reboot:HARD", "shelve", "trigger_crash_dump", "delete"),
        *("forceDelete", "os-getConsoleOutput"),
    }


def test_asking_again_finds_what_was_found() -> None:
    API_REFERENCE.forget()
    server = Server("active")
    first = check(server, "os-stop")
    assert check(Server("active"), ActionName.STOP, actor=Actor.MEMBER) is first
    assert check(server, "os-stop", microversion="2.104") is first
    assert check(server, "os-stop", microversion="2.103") is not first
    assert check(server, "os-stop", rulebook=NOVA_34) is not first
    assert check(replace(server, locked=True), "os-stop") is not first
    API_REFERENCE.forget()
    assert check(server, "os-stop") is not first
    assert check(server, "os-stop") == first


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("os-sotp", "os-stop"), ("Pause", "pause"), ("reboot:soft", "reboot:SOFT")],
)
def test_an_unknown_action_names_the_nearest(word: str, nearest: str) -> None:
    with pytest.raises(UnknownActionError) as unknown:
        check(Server("active"), word)
    assert (unknown.value.word, unknown.value.nearest) == (word, nearest)
    assert f"unknown action {word!r}; did you mean {nearest!r}?" in str(unknown.value)


def test_an_action_like_no_other_gets_the_list() -> None:
    with pytest.raises(UnknownActionError) as unknown:
        check(Server("active"), "xyzzy")
    assert unknown.value.nearest is None
    assert all(name.value in str(unknown.value) for name in ActionName)


def test_unknown_people_and_versions() -> None:
    with pytest.raises(UnknownActorError, match="did you mean 'admin'"):
        check(Server("active"), "pause", actor="admn")
    with pytest.raises(UnknownActorError, match="did you mean 'member'"):
        allowed(Server("active"), actor="membr")
    with pytest.raises(
        UnknownMicroversionError, match=r"'2\.105'; valid: 2\.1 to 2\.104, or latest"
    ):
        check(Server("active"), "pause", microversion="2.105")
    with pytest.raises(UnknownMicroversionError):
        allowed(Server("active"), microversion="2.0")


def test_a_verdict_is_printed_in_one_piece() -> None:
    assert repr(check(Server("active"), "os-stop")).startswith("Verdict(allowed=True, code=202")
    assert isinstance(check(Server("active"), "os-stop"), Verdict)
