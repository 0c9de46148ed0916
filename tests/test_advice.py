"""What a refused person is told: that it helps to wait, or what to do instead, must be true."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Actor,
    LockedBy,
    Reason,
    Rulebook,
    Server,
    TaskState,
    Verdict,
    VmState,
    check,
)
from serverfsm.advice import waiting_helps
from serverfsm.lifecycle import State, edges, state_name
from serverfsm.requests import Guard

BOOKS = (API_REFERENCE, NOVA_34)
FIRST_STEPS = re.compile(r"^(?P<steps>\S+(?: or \S+)*) first$")


@cache
def quiet_ends(rulebook: Rulebook) -> dict[State, set[VmState]]:
    """Of every busy state, the vm_states in which the task's own outcomes may leave the server."""
    by_row: dict[object, dict[State, set[State]]] = defaultdict(lambda: defaultdict(set))
    for edge in edges(rulebook):
        if edge.outcome is not None and edge.start is not None:
            by_row[edge.row][edge.start].add(edge.end)
    found: dict[State, set[VmState]] = defaultdict(set)
    for steps in by_row.values():
        for start in [state for state in steps if state[1] is not None]:
            seen, waiting = {start}, [start]
            while waiting:
                new = steps.get(waiting.pop(), set()) - seen
                seen |= new
                waiting.extend(new)
            # A state with no task is an end unless the run goes on from it, as a build does.
            found[start] |= {vm for vm, task in seen if task is None and (vm, task) not in steps}
    return found


# --- Waiting

CURABLE = {
    Guard.VM_STATE,
    Guard.LATE_VM_STATE,
    Guard.TASK_STATE,
    Guard.HOST,
    Guard.LAUNCHED,
}


def waits(rulebook: Rulebook) -> Iterator[tuple[str, Verdict, bool]]:
    """Every refusal in a state that some row leads to, and whether the graph says to wait."""
    for (vm_state, task_state), ends in quiet_ends(rulebook).items():
        server = Server(vm_state, task_state)
        for action in ActionName:
            verdict = check(server, action, actor="admin", rulebook=rulebook)
            if not verdict.allowed:
                may_end_well = any(
                    check(Server(end), action, actor="admin", rulebook=rulebook)
                    for end in ends - {VmState.DELETED}
                )
                curable = {failure.guard for failure in verdict.failures} <= CURABLE
                name = f"{state_name((vm_state, task_state))}: {action}"
                yield name, verdict, curable and may_end_well


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_where_a_task_may_end_well_the_advice_is_to_wait(rulebook: Rulebook) -> None:
    found = [(name, verdict.retryable) for name, verdict, helps in waits(rulebook) if helps]
    assert [name for name, retryable in found if not retryable] == []
    assert len(found) > 500


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_nobody_is_told_to_wait_in_vain(rulebook: Rulebook) -> None:
    found = [(name, verdict.retryable) for name, verdict, helps in waits(rulebook) if not helps]
    assert len(found) > 500
    assert [name for name, retryable in found if retryable] == []


@pytest.mark.parametrize("action", ["pause", "createImage", "resize"])
def test_what_is_being_deleted_is_not_waited_for(action: str) -> None:
    """nova-34-trajectories.md: active > +deleting > deleted > GONE; a failure ends in error."""
    verdict = check(Server("active", "deleting"), action)
    assert not verdict.retryable
    assert "wait" not in (verdict.hint or "")


@pytest.mark.parametrize(
    ("server", "action", "helps"),
    [
        (Server("active", "powering-off"), "os-start", True),
        (Server("active", "powering-off"), "os-stop", True),  # which may fail, and leave it active
        (Server("paused", "unpausing"), "os-stop", True),
        (Server("building", "spawning", launched=False), "pause", True),
        (Server("active", "deleting"), "os-start", False),
        (Server("active"), "os-start", False),  # no task under way
        (Server("active", "powering-off", locked=True), "os-start", False),  # and a lock
        (Server("active", "image_snapshot"), "resume", False),  # which leads elsewhere
        (Server("active", "resize_prep"), "confirmResize", True),
    ],
)
def test_whether_to_wait(server: Server, action: str, helps: bool) -> None:
    verdict = check(server, action)
    assert not verdict.allowed
    assert verdict.retryable is helps
    if helps:
        assert verdict.hint == f"wait for {server.task_state}"


def test_hint_and_retryable_say_the_same() -> None:
    """It is being unshelved: in a moment it has a host and is active."""
    verdict = check(Server("shelved_offloaded", "spawning"), "os-stop")
    assert verdict.reason is Reason.NO_HOST
    assert verdict.retryable
    assert "wait for spawning" in (verdict.hint or "")


def test_where_only_the_status_is_known() -> None:
    """Every pair behind it must be busy, and end well."""
    reverting = check(Server.from_status("REVERT_RESIZE"), "os-stop")
    assert reverting.retryable
    assert "wait" in (reverting.hint or "")
    migrating = check(Server.from_status("MIGRATING"), "unpause")
    assert not migrating.retryable, "it may be the active one"
    paused = check(Server.from_status("PAUSED"), "os-start")
    assert not paused.retryable
    assert paused.hint
    nowhere = check(None, "os-start")
    assert not nowhere.retryable
    assert not waiting_helps(nowhere.request, nowhere.failures)
    busy = check(Server("active", "pausing"), "os-stop")
    assert waiting_helps(busy.request, busy.failures)
    assert not waiting_helps(busy.request, ()), "where nothing fails there is nothing to wait for"


# --- What to do first


def first_steps(verdict: Verdict) -> list[str]:
    match = FIRST_STEPS.match(verdict.hint or "")
    return match["steps"].split(" or ") if match else []


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize("actor", [Actor.MEMBER, Actor.MANAGER, Actor.ADMIN])
def test_the_first_step_is_allowed_and_leads_on(actor: Actor, rulebook: Rulebook) -> None:
    options: dict[str, Any] = {"actor": actor, "rulebook": rulebook}
    advised = 0
    for vm_state in VmState:
        server = Server(vm_state)
        for action in ActionName:
            verdict = check(server, action, **options)
            if {failure.guard for failure in verdict.failures} - CURABLE - {Guard.LATE_VM_STATE}:
                continue  # see the test of steps that do not help
            for step in first_steps(verdict):
                advised += 1
                taken = [
                    name
                    for name in ActionName
                    if name.key == step and check(server, name, **options).allowed
                ]
                assert taken, (vm_state, action, step)
                ends = {
                    edge.end[0]
                    for edge in edges(rulebook)
                    if edge.event in {f"{name}.done" for name in taken} and edge.end[1] is None
                }
                assert any(check(Server(end), action, **options) for end in ends)
    assert advised > 40


@pytest.mark.parametrize(
    ("vm_state", "action", "step"),
    [
        ("paused", "os-stop", "unpause"),
        ("suspended", "pause", "resume"),
        ("rescued", "os-stop", "unrescue"),
        ("stopped", "pause", "os-start"),
        ("soft-delete", "os-stop", "restore"),
        ("shelved", "os-stop", "unshelve"),
        ("shelved_offloaded", "os-stop", "unshelve"),
    ],
)
def test_the_obvious_step(vm_state: str, action: str, step: str) -> None:
    """servers-actions.txt: each of these makes the server ACTIVE again."""
    assert step in first_steps(check(Server(vm_state), action))


def test_a_resize_is_confirmed_or_reverted_first() -> None:
    steps = first_steps(check(Server("resized"), "os-stop"))
    assert set(steps) == {"confirmResize", "revertResize"}


@pytest.mark.parametrize(
    ("vm_state", "action"), [("rescued", "createImage"), ("rescued", "createBackup")]
)
def test_the_first_step_is_allowed_on_a_locked_server_too(vm_state: str, action: str) -> None:
    server = Server(vm_state, locked=True, locked_by="admin")
    verdict = check(server, action)
    assert verdict.reason is Reason.VM_STATE, "a lock does not matter to it"
    for step in first_steps(verdict):
        assert check(server, step).allowed


@pytest.mark.parametrize(
    ("server", "action", "unhelped"),
    [
        (Server("rescued", volume_backed=True), "createBackup", Reason.VOLUME_BACKED),
        (Server("paused"), "unshelve:host", Reason.FORBIDDEN),
    ],
    ids=["a volume", "an administrator's"],
)
def test_no_step_is_advised_that_does_not_help(
    server: Server, action: str, unhelped: Reason
) -> None:
    verdict = check(server, action)
    assert verdict.reason is Reason.VM_STATE
    assert unhelped in {failure.reason for failure in verdict.failures}
    assert first_steps(verdict) == []


@pytest.mark.parametrize("action", ["resize", "migrate"])
def test_a_second_resize_needs_the_first_one_settled(action: str) -> None:
    """servers-actions.txt: confirm or revert; the flavor asked for is another one."""
    verdict = check(Server("resized"), action, actor="admin")
    assert "nothing to do" not in (verdict.hint or "")


# --- Every reason has its sentence


@pytest.mark.parametrize(
    ("server", "action", "options", "reason", "words"),
    [
        (Server("active"), "os-stop", {"actor": "anonymous"}, "not_authenticated", "token"),
        (Server("active"), "addFloatingIp", {}, "microversion", "since microversion 2.44"),
        (
            Server("active"),
            "trigger_crash_dump",
            {"microversion": "2.16"},
            "microversion",
            "2.17 or later",
        ),
        (Server("active"), "resetNetwork", {"actor": "admin"}, "removed", "any more"),
        (Server("active"), "os-stop", {"actor": "stranger"}, "not_found", "no such server"),
        (None, "os-stop", {}, "not_found", "no such server"),
        (Server("active"), "os-stop", {"actor": "reader"}, "forbidden", "member"),
        (Server("active"), "migrate", {}, "forbidden", "an administrator may"),
        (Server("active"), "migrate", {"rulebook": NOVA_34}, "forbidden", "manager"),
        (Server("shelved_offloaded"), "unshelve:host", {}, "forbidden", "administrator"),
        (Server("active", locked=True), "os-stop", {}, "locked", "unlock"),
        (
            Server("active", locked=True, locked_by=LockedBy.ADMIN),
            "os-stop",
            {},
            "locked",
            "only an administrator",
        ),
        (
            Server("active", locked=True, locked_by=LockedBy.ADMIN),
            "unlock",
            {},
            "forbidden",
            "only an administrator",
        ),
        (Server("active", host=False), "os-stop", {}, "no_host", "no compute host"),
        (Server("active"), "os-start", {}, "vm_state", "already"),
        (Server("deleted"), "os-start", {}, "vm_state", "no compute host|stopped"),
        (Server("active", "pausing"), "resume", {}, "vm_state", "suspended"),
        (Server("active", "powering-off"), "pause", {}, "task_state", "powering-off"),
        (Server("active", launched=False), "os-stop", {}, "not_launched", "never ran"),
        (Server("active", volume_backed=True), "createBackup", {}, "volume_backed", "image-backed"),
        (Server("active"), "create", {}, "exists", "exists"),
        (Server.from_status("UNKNOWN"), "os-stop", {}, "unknown_state", "not known"),
        (Server.from_status("ACTIVE"), "os-stop", {}, "depends", "depends on task_state"),
    ],
)
def test_what_is_said(
    server: Server | None, action: str, options: dict[str, Any], reason: str, words: str
) -> None:
    verdict = check(server, action, **options)
    if action == "os-start" and server == Server("deleted"):
        assert verdict.reason in ("no_host", "vm_state")
    else:
        assert verdict.reason == reason
    assert re.search(words, verdict.hint or ""), verdict.hint


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_every_refusal_has_a_sentence(rulebook: Rulebook) -> None:
    reasons = set()
    asked = 0
    for vm_state in VmState:
        for task_state in (None, TaskState.DELETING, TaskState.POWERING_OFF):
            for locked_by in (None, LockedBy.OWNER, LockedBy.ADMIN):
                server = Server(
                    vm_state, task_state, locked=locked_by is not None, locked_by=locked_by
                )
                for actor in Actor:
                    for action in ActionName:
                        asked += 1
                        verdict = check(server, action, actor=actor, rulebook=rulebook)
                        if not verdict.allowed:
                            hint = verdict.hint
                            assert hint
                            assert "None" not in hint
                            assert "{" not in hint
                            assert hint == hint.strip()
                            assert not hint.endswith(".")
                            reasons.add(verdict.reason)
    assert asked == 12 * 3 * 3 * 6 * 50
    assert len(reasons) >= 9
