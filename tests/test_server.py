"""One server's snapshot: what it holds, and how it is read from what Nova shows and stores."""

from __future__ import annotations

import json
import sys
from collections import UserDict
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import find
from hypothesis import strategies as st

from serverfsm import (
    LockedBy,
    MalformedServerError,
    PowerState,
    Server,
    Status,
    TaskState,
    UnknownStateError,
    VmState,
    check,
    status_of,
)
from serverfsm.conformance import strategies
from serverfsm.requests import Microversion

CAPTURED = Path(__file__).parent / "data" / "servers"
DOCUMENTS: dict[str, Any] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(CAPTURED.glob("*.json"))
}

# --- What a snapshot holds


def test_the_defaults() -> None:
    server = Server("active")
    assert server == Server(
        VmState.ACTIVE,
        None,
        PowerState.NOSTATE,
        locked=False,
        locked_by=None,
        launched=True,
        host=True,
        volume_backed=False,
        vm_state_before_resize=None,
        deleted=False,
        only_status=None,
    )
    assert server.status is Status.ACTIVE
    assert server.pairs() == ((VmState.ACTIVE, None),)
    assert list(server.possible()) == [server]


def test_words_are_turned_into_members() -> None:
    server = Server(
        "resized", "resize_reverting", 4, True, "admin", vm_state_before_resize="active"
    )
    assert server.vm_state is VmState.RESIZED
    assert server.task_state is TaskState.RESIZE_REVERTING
    assert server.power_state is PowerState.SHUTDOWN
    assert server.locked_by is LockedBy.ADMIN
    assert server.vm_state_before_resize is VmState.ACTIVE
    assert server.status is Status.REVERT_RESIZE
    assert Server(None, only_status="ERROR").only_status is Status.ERROR


@pytest.mark.parametrize("vm_state", VmState)
def test_every_server_has_a_host_but_the_offloaded_and_the_gone(vm_state: VmState) -> None:
    """nova-34-rules.md: `not ready` without a host, which shelved_offloaded has not."""
    hostless = vm_state in ("shelved_offloaded", "deleted")
    assert Server(vm_state).host is not hostless
    assert Server(vm_state, host=True).host is True
    assert Server(vm_state, host=False).host is False
    assert Server(vm_state, deleted=True).host is False


def test_a_snapshot_cannot_be_changed() -> None:
    server = Server("active")
    with pytest.raises(FrozenInstanceError):
        server.locked = True
    with pytest.raises((AttributeError, TypeError)):
        server.name = "web-1"
    assert not hasattr(server, "__dict__")
    assert sys.getsizeof(server) < 200


def test_a_snapshot_is_a_value() -> None:
    assert Server("active") == Server(VmState.ACTIVE)
    assert len({Server("active"), Server(VmState.ACTIVE), Server("paused")}) == 2
    assert replace(Server("active"), task_state="pausing").task_state is TaskState.PAUSING
    assert replace(Server("active"), vm_state="shelved_offloaded").host is True, "as it was said"
    assert "key" not in repr(Server("active"))


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "an owner of no lock": (
        {"vm_state": "active", "locked_by": "owner"},
        "locked_by is 'owner' and the server is not locked",
    ),
    "an unknown owner": (
        {"vm_state": "active", "locked": True, "locked_by": "root"},
        "locked_by must be owner, admin or null, not 'root'",
    ),
    "a resize from nowhere": (
        {"vm_state": "resized", "vm_state_before_resize": "paused"},
        "vm_state_before_resize must be active or stopped, not 'paused'",
    ),
    "two kinds of state": (
        {"vm_state": "active", "only_status": "ACTIVE"},
        "only_status is for servers whose vm_state is unknown",
    ),
    "no state": ({"vm_state": None}, "a server needs a vm_state, or a status alone"),
    "a task without a state": (
        {"vm_state": None, "only_status": "ACTIVE", "task_state": "pausing"},
        "task_state 'pausing' is given without a vm_state",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_what_contradicts_itself(case: str) -> None:
    values, message = CONTRADICTIONS[case]
    with pytest.raises(MalformedServerError) as refused:
        Server(**values)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("values", "kind", "nearest"),
    [
        ({"vm_state": "activ"}, "vm_state", "active"),
        ({"vm_state": "active", "task_state": "powering_off"}, "task_state", "powering-off"),
        ({"vm_state": "active", "power_state": 9}, "power_state", None),
        ({"vm_state": "resized", "vm_state_before_resize": "stoped"}, "vm_state", "stopped"),
        ({"vm_state": None, "only_status": "SHUTDOWN"}, "status", "SHUTOFF"),
    ],
)
def test_words_that_are_not_nova_s(values: dict[str, Any], kind: str, nearest: str | None) -> None:
    with pytest.raises(UnknownStateError) as unknown:
        Server(**values)
    assert (unknown.value.kind, unknown.value.nearest) == (kind, nearest)


# --- Where only the status is known


@pytest.mark.parametrize("status", Status)
def test_of_a_status_all_its_pairs_are_possible(status: Status) -> None:
    server = Server.from_status(status.value)
    assert (server.vm_state, server.only_status, server.status) == (None, status, status)
    assert server.deleted is (status is Status.DELETED)
    assert server.host is (status is not Status.DELETED)
    pairs = [
        (vm_state, task_state)
        for vm_state in VmState
        for task_state in (None, *TaskState)
        if status_of(vm_state, task_state) is status
    ]
    assert list(server.pairs()) == pairs
    possible = list(server.possible())
    assert [(each.vm_state, each.task_state) for each in possible] == pairs
    assert all(each.status is status for each in possible)


def test_how_much_a_status_leaves_open() -> None:
    """evidence.md: ACTIVE covers 28 pairs."""
    assert len(Server.from_status("ACTIVE").pairs()) == 28
    assert len(Server.from_status("REVERT_RESIZE").pairs()) == 1
    assert Server.from_status("UNKNOWN").pairs() == ()


def test_what_is_known_besides_the_status_is_kept() -> None:
    server = Server(
        None, only_status="SHELVED_OFFLOADED", locked=True, locked_by="owner", launched=False,
        volume_backed=True, power_state=4,
    )  # fmt: skip
    for each in server.possible():
        assert (each.locked, each.locked_by, each.launched) == (True, LockedBy.OWNER, False)
        assert (each.volume_backed, each.power_state) == (True, PowerState.SHUTDOWN)
        assert each.host is False, "what is offloaded has none"


# --- What Nova shows: captured from the real one, word for word


def test_enough_was_captured() -> None:
    """At least one document of each status; DELETED is listed, UNKNOWN shown by a cell down."""
    shown = {document["server"]["status"] for document in DOCUMENTS.values()}
    assert len(DOCUMENTS) >= 38
    missing = set(Status) - shown
    assert missing <= {"REBOOT"}, "a soft reboot is too short to be held"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_captured_document(name: str) -> None:
    document = DOCUMENTS[name]
    shown = document["server"]
    server = Server.from_api(document)
    assert server == Server.from_api(shown), "without the outer key"
    assert server.status == shown["status"]
    assert server.power_state == shown["OS-EXT-STS:power_state"]
    assert server.locked is shown.get("locked", False)
    assert server.locked_by is None, "Nova does not show it"
    assert server.volume_backed is (shown["image"] == "")
    assert server.vm_state == shown.get("OS-EXT-STS:vm_state")
    assert server.task_state == shown.get("OS-EXT-STS:task_state")
    assert server.host is (bool(shown["hostId"]) if "hostId" in shown else True)
    assert server.launched is (shown.get("OS-SRV-USG:launched_at", "") is not None)
    assert server.deleted is (shown["status"] == "DELETED")
    assert Server.from_api(server.to_api()) == server


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("active", {"vm_state": "active", "power_state": 1}),
        ("active-2.8-member", {"vm_state": "active", "locked": False}),
        ("active-locked-by-owner", {"locked": True, "locked_by": None}),
        ("active-volume-backed", {"volume_backed": True}),
        ("active-powering-off", {"task_state": "powering-off", "vm_state": "active"}),
        ("build-scheduling", {"vm_state": "building", "launched": False, "host": False}),
        ("error-build-failed", {"vm_state": "error", "launched": False, "host": False}),
        ("error-build-failed-member", {"vm_state": "error", "launched": False, "host": False}),
        ("shelved", {"vm_state": "shelved", "host": True}),
        ("shelved-offloaded", {"vm_state": "shelved_offloaded", "host": False}),
        ("unknown-cell-down", {"vm_state": None, "only_status": "UNKNOWN"}),
        ("deleted", {"vm_state": "deleted", "deleted": True}),
        ("soft-deleted", {"vm_state": "soft-delete", "deleted": False}),
        ("revert-resize", {"vm_state": "resized", "task_state": "resize_reverting"}),
    ],
)
def test_what_a_captured_document_tells(name: str, attributes: dict[str, Any]) -> None:
    server = Server.from_api(DOCUMENTS[name])
    assert {attribute: getattr(server, attribute) for attribute in attributes} == attributes


def test_what_a_captured_server_may_do() -> None:
    """From the document to the answer: nova-34-rules.md on os-start and os-stop."""
    for name, action, code in (
        ("active", "os-stop", 202),
        ("active-locked-by-owner", "os-stop", 409),
        ("active-powering-off", "os-stop", 409),
        ("shutoff", "os-start", 202),
        ("shelved-offloaded", "os-start", 409),
        ("error-build-failed", "os-stop", 409),
        ("deleted", "os-stop", 404),
        ("verify-resize", "confirmResize", 204),
    ):
        assert check(Server.from_api(DOCUMENTS[name]), action).code == code, (name, action)


TELLING = (
    *("status", "image", "hostId", "locked", "host_status", "OS-EXT-SRV-ATTR:host"),
    *("OS-EXT-STS:vm_state", "OS-EXT-STS:task_state", "OS-EXT-STS:power_state"),
    *("OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at"),
)
VIEWS = (
    ("active", "2.104", True),
    ("active-member", "2.104", False),
    ("active-reader", "2.104", False),
    ("active-2.1-admin", "2.1", True),
    ("active-2.1-member", "2.1", False),
    ("active-2.8-admin", "2.8", True),
    ("active-2.8-member", "2.8", False),
    ("active-2.46-member", "2.46", False),
    ("active-2.72-member", "2.72", False),
)


@pytest.mark.parametrize(("name", "version", "administrator"), VIEWS)
def test_generated_documents_look_like_captured_ones(
    name: str, version: str, administrator: bool
) -> None:
    """`server_documents` shows the keys that Nova shows, to whom and since when it shows them."""
    captured = DOCUMENTS[name]["server"]
    made = find(
        strategies.server_documents(
            st.just(Server.from_api(captured)),
            microversion=st.just(Microversion(version)),
            administrator=st.just(administrator),
        ),
        lambda document: "server" not in document,
    )
    assert set(made) <= set(captured)
    assert set(made) & set(TELLING) == set(captured) & set(TELLING)
    assert Server.from_api(made) == Server.from_api(captured)
    for key in ("status", "locked", "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state"):
        assert made.get(key) == captured.get(key)
    for key in captured:
        assert type(made.get(key, captured[key])) is type(captured[key]), key


# --- Reading a document

ACTIVE = {"status": "ACTIVE", "OS-EXT-STS:vm_state": "active", "OS-EXT-STS:task_state": None}


def test_the_least_that_a_document_needs() -> None:
    assert Server.from_api(ACTIVE) == Server("active")
    without_status = {key: value for key, value in ACTIVE.items() if key != "status"}
    assert Server.from_api(without_status) == Server("active")
    assert Server.from_api({"status": "ACTIVE"}) == Server.from_status("ACTIVE")
    assert Server.from_api({"status": "DELETED"}) == Server.from_status("DELETED")


@pytest.mark.parametrize("gone", ["OS-EXT-STS:vm_state", "OS-EXT-STS:task_state"])
def test_half_a_pair_is_no_pair(gone: str) -> None:
    half = {key: value for key, value in ACTIVE.items() if key != gone}
    assert Server.from_api(half) == Server.from_status("ACTIVE")


@pytest.mark.parametrize("mapping", [dict, UserDict, MappingProxyType])
def test_any_mapping_will_do(mapping: Any) -> None:
    assert Server.from_api(mapping(ACTIVE)) == Server("active")
    assert Server.from_api(mapping({"server": mapping(ACTIVE)})) == Server("active")
    assert Server.from_record(mapping({"vm_state": "active"})) == Server("active")


@pytest.mark.parametrize(
    ("key", "value", "attribute", "expected"),
    [
        ("locked", True, "locked", True),
        ("locked", None, "locked", False),
        ("image", "", "volume_backed", True),
        ("image", None, "volume_backed", True),
        ("image", {"id": "1"}, "volume_backed", False),
        ("hostId", "", "host", False),
        ("hostId", "cf3c", "host", True),
        ("OS-EXT-SRV-ATTR:host", None, "host", False),
        ("OS-EXT-SRV-ATTR:host", "compute-1", "host", True),
        ("OS-SRV-USG:launched_at", None, "launched", False),
        ("OS-SRV-USG:launched_at", "2026-11-23T13:09:38.503570", "launched", True),
        ("OS-EXT-STS:power_state", 4, "power_state", PowerState.SHUTDOWN),
        ("OS-EXT-STS:power_state", None, "power_state", PowerState.NOSTATE),
        ("OS-SRV-USG:terminated_at", "2026-11-23T13:10:26.429046", "deleted", False),
    ],
)
def test_what_each_key_tells(key: str, value: Any, attribute: str, expected: Any) -> None:
    server = Server.from_api({**ACTIVE, key: value})
    assert getattr(server, attribute) == expected
    usual = {"locked": False, "volume_backed": False, "host": True, "launched": True}
    for other, default in usual.items():
        if other != attribute:
            assert getattr(server, other) is default


def test_what_is_deleted_and_what_is_merely_marked() -> None:
    """other-actions.md: DELETED; nova-34-trajectories.md: `deleted > GONE`."""
    deleted = {
        "status": "DELETED",
        "OS-EXT-STS:vm_state": "deleted",
        "OS-EXT-STS:task_state": None,
    }
    assert not Server.from_api(deleted).deleted
    date = "2026-11-23T13:10:26.429046"
    assert Server.from_api({**deleted, "OS-SRV-USG:terminated_at": date}).deleted


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "neither status nor"),
        ({"server": {}}, "neither status nor"),
        ({"servers": [ACTIVE]}, "neither status nor"),
        ([ACTIVE], "must be a JSON object"),
        (None, "must be a JSON object, not None"),
        ("active", "must be a JSON object, not 'active'"),
        ({**ACTIVE, "locked": "false"}, "locked must be true or false"),
        ({**ACTIVE, "locked": 1}, "locked must be true or false"),
        ({**ACTIVE, "status": "SHUTOFF"}, "status SHUTOFF contradicts"),
        ({**ACTIVE, "OS-EXT-STS:task_state": "rebooting"}, "which are REBOOT"),
        ({"OS-EXT-STS:vm_state": "active"}, "needs OS-EXT-STS:task_state"),
        ({"OS-EXT-STS:vm_state": None, "OS-EXT-STS:task_state": None}, "or a status"),
        ({**ACTIVE, "serverfsm:locked_by": "owner"}, "the server is not locked"),
    ],
)
def test_what_is_no_document(document: Any, message: str) -> None:
    with pytest.raises(MalformedServerError) as refused:
        Server.from_api(document)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("key", "word", "kind", "nearest"),
    [
        ("status", "SHUTOF", "status", "SHUTOFF"),
        ("OS-EXT-STS:vm_state", "ACTIVE", "vm_state", "active"),
        ("OS-EXT-STS:task_state", "power-off", "task_state", "powering-off"),
        ("OS-EXT-STS:power_state", 17, "power_state", None),
    ],
)
def test_a_document_in_other_words(key: str, word: Any, kind: str, nearest: str | None) -> None:
    with pytest.raises(UnknownStateError) as unknown:
        Server.from_api({**ACTIVE, key: word})
    assert (unknown.value.kind, unknown.value.word, unknown.value.nearest) == (kind, word, nearest)


def test_a_document_is_left_as_it_was() -> None:
    for document in DOCUMENTS.values():
        before = json.dumps(document)
        Server.from_api(document)
        assert json.dumps(document) == before


def test_what_is_written_is_json_and_nova_s() -> None:
    full = Server(
        "resized", "resize_reverting", 4, True, "admin", volume_backed=True,
        vm_state_before_resize="stopped",
    )  # fmt: skip
    document = json.loads(json.dumps(full.to_api()))
    assert Server.from_api(document) == full
    shown = document["server"]
    own = {key for key in shown if key.startswith("serverfsm:")}
    assert own == {"serverfsm:locked_by", "serverfsm:vm_state_before_resize"}
    assert set(shown) - own <= set(DOCUMENTS["active"]["server"])


# --- Reading a record


def test_a_record_is_what_the_attributes_are() -> None:
    record = {"vm_state": "active", "task_state": "pausing", "power_state": 1, "locked": True}
    server = Server.from_record({**record, "locked_by": "owner", "host": None, "launched": None})
    assert server == Server("active", "pausing", 1, True, "owner")
    assert Server.from_record({"only_status": "ACTIVE"}) == Server(None, only_status="ACTIVE")
    assert Server.from_record({"vm_state": "shelved_offloaded"}).host is False


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "a server needs a vm_state"),
        ({"vm_state": None}, "a server needs a vm_state"),
        (
            {"vm_state": "active", "vmstate": 1},
            "unknown key 'vmstate' of a server; valid: vm_state,",
        ),
        ({"vm_state": "active", "key": 5}, "unknown key 'key' of a server"),
        ({"vm_state": "active", 5: 5}, "unknown key 5 of a server"),
        ({"vm_state": "active", "locked": "yes"}, "must be true or false, not 'yes'"),
        ([("vm_state", "active")], "a server must be an object, not [('vm_state'"),
        (None, "a server must be an object, not None"),
    ],
)
def test_what_is_no_record(record: Any, message: str) -> None:
    with pytest.raises(MalformedServerError) as refused:
        Server.from_record(record)
    assert message in str(refused.value)
