"""`check --batch`: lines in, lines out."""

import json
import random
from typing import Any

import pytest

from serverfsm import API_REFERENCE, NOVA_34, ActionName, Actor, Server, TaskState, VmState, check
from serverfsm import batch as batch_module
from serverfsm.batch import LINE_LIMIT, Batch, lines

FULL = {
    "server": {
        "vm_state": "active",
        "task_state": None,
        "power_state": 1,
        "locked": False,
        "locked_by": None,
        "launched": True,
        "host": True,
        "volume_backed": False,
    },
    "action": "os-stop",
    "actor": "member",
    "microversion": "2.96",
    "rulebook": "api-reference",
}


def ask(document: Any, batch: Batch | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((batch or Batch()).answer(json.dumps(document).encode()))
    return answer


def test_a_whole_line() -> None:
    assert ask(FULL) == {
        "allowed": True,
        "code": 202,
        "reason": "ok",
        "attribute": None,
        "message": None,
        "set": {"task_state": "powering-off"},
        "retryable": False,
    }


def test_all_but_vm_state_and_action_may_be_left_out() -> None:
    assert ask({"server": {"vm_state": "active"}, "action": "os-stop"}) == ask(FULL)


def test_a_server_without_a_host_unless_said_otherwise() -> None:
    for vm_state in ("shelved_offloaded", "deleted"):
        refused = ask({"server": {"vm_state": vm_state}, "action": "os-start"})
        assert (refused["code"], refused["reason"]) == (409, "no_host")
        assert refused["message"] == "Instance {id} is not ready"
    refused = ask({"server": {"vm_state": "deleted", "host": True}, "action": "os-start"})
    assert refused["reason"] == "vm_state"


def test_a_variant_may_stand_by_itself() -> None:
    line = {"server": {"vm_state": "paused"}, "action": "reboot", "variant": "HARD"}
    assert ask(line)["set"] == {"task_state": "rebooting_hard"}


def test_create_needs_no_server() -> None:
    answer = ask({"server": None, "action": "create"})
    assert answer["set"] == {"vm_state": "building", "task_state": "scheduling"}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "not JSON: Expecting value at column 1"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes at column 2"),
        (b"[1]", "not a JSON object"),
        (b"\xff", "not UTF-8: byte 1"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"action": "pause"}', "server is missing"),
        (b'{"server": {"vm_state": "active"}}', "action is missing"),
        (b'{"server": 3, "action": "pause"}', "server must be an object, not 3"),
        (b'{"server": {}, "action": "pause"}', "a server needs a vm_state"),
        (
            b'{"server": {"vm_state": "activ"}, "action": "pause"}',
            "unknown vm_state 'activ'; did you mean 'active'?",
        ),
        (
            b'{"server": {"vm_state": ["active"]}, "action": "pause"}',
            "unknown vm_state ['active']; valid: ",
        ),
        (
            b'{"server": {"vm_state": "active", "locked": 1}, "action": "pause"}',
            "locked, launched, host, volume_backed and deleted must be true or false, not 1",
        ),
        (
            b'{"server": {"vm_state": "active", "power_state": true}, "action": "pause"}',
            "unknown power_state True; valid: ",
        ),
        (
            b'{"server": {"vm_state": "active", "power_state": 2}, "action": "pause"}',
            "unknown power_state 2; valid: 0 (NOSTATE), 1 (RUNNING)",
        ),
        (
            b'{"server": {"vm_state": "active", "locked_by": "admin"}, "action": "pause"}',
            "locked_by is 'admin' and the server is not locked",
        ),
        (
            b'{"server": {"vm_state": "active"}, "action": "puase"}',
            "unknown action 'puase'; did you mean 'pause'?",
        ),
        (
            b'{"server": {"vm_state": "active"}, "action": ["pause"]}',
            "unknown action ['pause']",
        ),
        (
            b'{"server": {"vm_state": "active"}, "action": "pause", "actor": "root"}',
            "unknown actor 'root'",
        ),
        (
            b'{"server": {"vm_state": "active"}, "action": "pause", "microversion": "2.105"}',
            "unknown microversion '2.105'; valid: 2.1 to 2.104, or latest",
        ),
        (
            b'{"server": {"vm_state": "active"}, "action": "pause", "rulebook": "nova-33"}',
            "unknown rulebook 'nova-33'; did you mean 'nova-34'?",
        ),
        (
            b'{"server": {"vm_state": "active", "taskstate": null}, "action": "pause"}',
            "unknown key 'taskstate' of a server",
        ),
        (b'{"server": {"vm_state": "active"}, "action": "pause", "who": 1}', "unknown key 'who'"),
    ],
)
def test_a_bad_line_says_what_is_wrong(line: bytes, error: str) -> None:
    batch = Batch()
    for number in (1, 2):  # the second time round nothing may have been remembered wrongly
        answer = json.loads(batch.answer(line))
        assert answer["error"].startswith(f"line {number}: {error}")
    assert batch.bad == 2


def test_one_and_true_are_not_confused_in_the_memo() -> None:
    batch = Batch()
    right = {"server": {"vm_state": "active", "locked": True}, "action": "pause"}
    assert ask(right, batch)["reason"] == "locked"
    assert ask(right, batch)["reason"] == "locked"
    wrong = {"server": {"vm_state": "active", "locked": 1}, "action": "pause"}
    assert "error" in ask(wrong, batch)
    assert "error" in ask({**right, "server": {"vm_state": "active", "power_state": 1.0}}, batch)


def test_answers_do_not_depend_on_what_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A memo that is emptied all the time, and one that never is, against check itself."""
    pick = random.Random(34)
    small, large = Batch(), Batch()
    monkeypatch.setattr(batch_module, "_MEMO_LINES", 50)
    for _ in range(20_000):
        vm_state = pick.choice(list(VmState))
        task_state = pick.choice([None, None, *TaskState])
        locked_by = pick.choice([None, "owner", "admin"])
        server = {
            "vm_state": vm_state,
            "task_state": task_state,
            "locked": locked_by is not None,
            "locked_by": locked_by,
            "launched": pick.random() < 0.9,
            "volume_backed": pick.random() < 0.2,
        }
        action = pick.choice(list(ActionName))
        who = pick.choice(list(Actor))
        version = pick.choice(["2.1", "2.43", "2.92", "2.104"])
        book = pick.choice([API_REFERENCE, NOVA_34])
        line = {
            "server": server,
            "action": action,
            "actor": who,
            "microversion": version,
            "rulebook": book.name,
        }
        verdict = check(
            Server.from_record(server), action, actor=who, microversion=version, rulebook=book
        )
        expected = {
            "allowed": verdict.allowed,
            "code": verdict.code,
            "reason": verdict.reason,
            "attribute": verdict.attribute,
            "message": verdict.message,
            "set": None if verdict.guard is None else verdict.guard.set,
            "retryable": verdict.retryable,
        }
        assert ask(line, small) == expected
        assert ask(line, large) == expected
    assert small.bad == large.bad == 0


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_how_they_arrive(size: int) -> None:
    whole = b"one\n\ntwo\r\nthree" * 40
    chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert list(lines(chunks)) == whole.split(b"\n")


def test_a_line_too_long_is_refused_and_the_next_is_read() -> None:
    chunks = [b"x" * LINE_LIMIT, b"x" * 10, b"y\nshort\n", b"z" * (LINE_LIMIT + 1) + b"\nlast"]
    assert list(lines(chunks)) == [None, b"short", None, b"last"]
    assert list(lines([b"x" * (LINE_LIMIT + 1)])) == [None]
    assert "longer than" in json.loads(Batch().answer(None))["error"]
