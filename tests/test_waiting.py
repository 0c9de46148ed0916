"""Waiters: every view of every run means what it should, in Python and in botocore's form."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Actor,
    ImpossibleEventError,
    MalformedServerError,
    Options,
    PowerState,
    RefusedError,
    Rulebook,
    Server,
    Status,
    TaskState,
    UnknownActionError,
    UnknownMicroversionError,
    UnknownStateError,
    VmState,
    accept,
    follow,
    status_of,
    waiter,
)
from serverfsm.conformance import strategies
from serverfsm.rows import Action
from serverfsm.step import Step
from serverfsm.waiting import Waiter, WaitState

SUCCESS, FAILURE, RETRY = WaitState.SUCCESS, WaitState.FAILURE, WaitState.RETRY
KEEP = Options(shelved_offload_time=-1)
RECLAIM = Options(shelved_offload_time=-1, reclaim_instance_interval=3600)
LATER = Options(shelved_offload_time=600, resize_confirm_window=600, rescue_timeout=600)
OFFLOADED = "shelved_offloaded"

# --- What the real Nova 34 was seen to do after its answer, written by hand. `+x` is a task_state
# --- added to the vm_state before it; `deleted` and `gone` are the row before and after its end.

REBUILDING = "+rebuilding > +rebuild_block_device_mapping > +rebuild_spawning > active"
RESIZING = "+resize_prep > +resize_migrating > +resize_migrated > +resize_finish > resized"
HARD = "+rebooting_hard > +reboot_pending_hard > +reboot_started_hard > active"
BUILDING = "building+scheduling > building > +networking > +block_device_mapping > +spawning"
SHELVING = "+shelving > +shelving_image_uploading > shelved"
IMAGING = "+image_snapshot_pending > +image_snapshot > +image_uploading"
OFF, ON = PowerState.SHUTDOWN, PowerState.RUNNING
SEEN_TO_SUCCEED: list[tuple[str, Server | None, dict[str, Any], str]] = [
    ("os-stop", Server("active"), {}, "active+powering-off > stopped"),
    ("os-stop", Server("error"), {}, "error+powering-off > stopped"),
    ("os-start", Server("stopped"), {}, "stopped+powering-on > active"),
    ("pause", Server("active"), {}, "active+pausing > paused"),
    ("resume", Server("suspended"), {}, "suspended+resuming > active"),
    ("reboot:HARD", Server("error"), {}, f"error{HARD}"),
    ("rebuild", Server("stopped"), {}, f"stopped{REBUILDING} > +powering-off > stopped"),
    ("rebuild", Server("error", volume_backed=True), {}, f"error{REBUILDING}"),
    ("evacuate", Server("active"), {}, f"active{REBUILDING} > +powering-off > stopped"),
    ("evacuate", Server("active"), {"microversion": "2.94"}, f"active{REBUILDING}"),
    ("resize", Server("stopped"), {}, f"stopped{RESIZING}"),
    ("migrate", Server("active"), {}, f"active{RESIZING}"),
    ("confirmResize", Server("resized", power_state=OFF), {}, "resized > stopped"),
    ("confirmResize", Server("resized", power_state=ON), {}, "resized > active"),
    ("revertResize", Server("resized"), {}, "resized+resize_reverting > active"),
    ("revertResize", Server("resized"), {}, "resized+resize_reverting > +powering-off > stopped"),
    ("shelve", Server("paused"), {}, f"paused{SHELVING}+shelving_offloading > shelved_offloaded"),
    ("shelve", Server("active"), {"options": KEEP}, f"active{SHELVING}"),
    ("shelve", Server("active", volume_backed=True), {}, "active+shelving > shelved_offloaded"),
    ("unshelve", Server("shelved"), {}, "shelved+unshelving > +powering-on > active"),
    ("unshelve", Server(OFFLOADED), {}, f"{OFFLOADED}+unshelving > +spawning > active"),
    ("createImage", Server("suspended"), {}, f"suspended{IMAGING} > suspended"),
    ("os-migrateLive", Server("paused"), {}, "paused+migrating > paused"),
    ("delete", Server("active"), {}, "active+deleting > gone"),
    ("delete", Server("resized", power_state=ON), {}, "resized+deleting > active > gone"),
    ("delete", Server("resized", power_state=OFF), {}, "resized+deleting > stopped > gone"),
    ("delete", Server("active"), {"options": RECLAIM}, "active+soft-deleting > soft-delete"),
    (
        "delete",
        Server("resized"),
        {"options": RECLAIM},
        "resized+soft-deleting > active > +soft-deleting > soft-delete",
    ),
    ("forceDelete", Server("soft-delete"), {}, "soft-delete+deleting > gone"),
    ("delete", Server("active", "reboot_started"), {}, "active+deleting > active > gone"),
    ("delete", Server("building", "spawning"), {}, "building+deleting > active > gone"),
    ("create", None, {}, f"{BUILDING} > active"),
]
SEEN_TO_FAIL: list[tuple[str, Server | None, str, str]] = [
    ("resize", Server("active"), "no-valid-host", "active+resize_prep > active"),
    ("resize", Server("stopped"), "no-valid-host", "stopped+resize_prep > stopped"),
    ("resize", Server("active"), "driver-error", "active+resize_migrating > error"),
    ("suspend", Server("active"), "driver-error", "active+suspending > error"),
    ("rescue", Server("stopped"), "driver-error", "stopped+rescuing > error"),
    ("os-stop", Server("active"), "driver-error", "active+powering-off > active"),
    ("os-stop", Server("error"), "driver-error", "error+powering-off > error"),
    ("unshelve", Server("shelved"), "image-deleted", "shelved+unshelving > error+unshelving"),
    ("unshelve", Server(OFFLOADED), "no-valid-host", f"{OFFLOADED}+unshelving > {OFFLOADED}"),
    (
        "shelve",
        Server("active"),
        "offload-failed",
        f"active{SHELVING}+shelving_offloading > shelved",
    ),
    ("delete", Server("active"), "driver-error", "active+deleting > error"),
    ("create", None, "no-valid-host", "building+scheduling > error"),
    ("confirmResize", Server("resized"), "driver-error", "resized > error"),
    ("os-migrateLive", Server("active"), "driver-error", "active+migrating > error"),
]


def views(way: str) -> list[dict[str, Any] | None]:
    """The documents that GET /servers/{id} answers along a written way; None for a 404."""
    found: list[dict[str, Any] | None] = []
    vm_state = ""
    for word in way.split(" > "):
        named, _, task = word.partition("+")
        vm_state = named or vm_state
        document = {
            "status": status_of(vm_state, task or None).value,
            "OS-EXT-STS:vm_state": vm_state,
            "OS-EXT-STS:task_state": task or None,
        }
        found.append(None if vm_state == "gone" else {"server": document})
    return found


@pytest.mark.parametrize("book", [API_REFERENCE, NOVA_34], ids=lambda book: book.name)
@pytest.mark.parametrize(("action", "origin", "asked", "way"), SEEN_TO_SUCCEED)
def test_what_was_seen_to_succeed(
    action: str, origin: Server | None, asked: dict[str, Any], way: str, book: Rulebook
) -> None:
    waiting = waiter(action, origin, actor="admin", rulebook=book, **asked)
    *on_the_way, end = [waiting.matches(view) for view in views(way)]
    assert set(on_the_way) == {RETRY}
    assert end is SUCCESS


@pytest.mark.parametrize(("action", "origin", "failure", "way"), SEEN_TO_FAIL)
def test_what_was_seen_to_fail(action: str, origin: Server | None, failure: str, way: str) -> None:
    waiting = waiter(action, origin, actor="admin")
    *on_the_way, end = [waiting.acceptor(view) for view in views(way)]
    assert {each.state for each in on_the_way} == {RETRY}
    assert end.state is FAILURE
    assert failure in end.failures
    assert failure in end.sentence


@pytest.mark.parametrize(
    ("action", "origin", "failure", "left", "evidence"),
    [
        ("createImage", Server("active"), "guest-missing", "active+image_snapshot", "the image"),
        ("createBackup", Server("stopped"), "guest-missing", "stopped+image_backup", "the image"),
        ("os-migrateLive", Server("active"), "rollback-failed", "active+migrating", "migration"),
        ("evacuate", Server("active"), "claim-failed", "active", None),
    ],
)
def test_what_never_ends(
    action: str, origin: Server, failure: str, left: str, evidence: str | None
) -> None:
    waiting = waiter(action, origin, actor="admin")
    assert failure in waiting.never_ends
    (view,) = views(left)
    assert waiting.matches(view) is RETRY
    assert failure in waiting.acceptor(view).failures
    assert waiting.tells_success is (evidence is None)
    assert evidence is None or (waiting.evidence is not None and evidence in waiting.evidence)


# --- Every run of the table, as `follow` tells it


class Case(NamedTuple):
    """One accepted request of a fully known server."""

    action: ActionName
    server: Server | None
    asked: dict[str, Any]

    def waiter(self) -> Waiter:
        return waiter(self.action, self.server, **self.asked)

    def follow(self, failure: str = "done", at: TaskState | None = None) -> tuple[Step, ...]:
        return follow(self.server, self.action, failure=failure, at=at, **self.asked)


def origins(vm_state: VmState) -> Iterator[Server]:
    for backed in (False, True):
        server = Server(vm_state, volume_backed=backed)
        yield server
        if vm_state is VmState.RESIZED:
            for before in (VmState.ACTIVE, VmState.STOPPED):
                for power in (PowerState.RUNNING, PowerState.SHUTDOWN):
                    yield replace(server, power_state=power, vm_state_before_resize=before)


def versions(row: Action) -> set[str]:
    """One at which the row is there, and the last before each at which its outcome changes."""
    latest = "latest" if row.until is None else "2.1"
    outcomes = (*row.success, *row.failures)
    return {latest, *("2.94" for each in outcomes if each.when.since == "2.95")}


def cases(book: Rulebook, options: Options) -> Iterator[Case]:
    for row in book:
        for microversion in versions(row):
            asked = {
                "actor": Actor.ADMIN,
                "microversion": microversion,
                "rulebook": book,
                "options": options,
            }
            for server in (None, *(each for vm_state in VmState for each in origins(vm_state))):
                verdict = accept(server, row.name, **asked).verdict
                if verdict is not None and verdict.allowed:
                    yield Case(row.name, server, asked)


VARIANTS = [
    (API_REFERENCE, Options()),
    (API_REFERENCE, RECLAIM),
    (API_REFERENCE, LATER),
    (NOVA_34, Options()),
    (NOVA_34, RECLAIM),
]
EVERY_VARIANT = pytest.mark.parametrize(
    ("book", "options"), VARIANTS, ids=lambda value: getattr(value, "name", None)
)


@cache
def known(book: Rulebook, options: Options) -> tuple[tuple[Case, Waiter], ...]:
    return tuple((case, case.waiter()) for case in cases(book, options))


def snapshots(steps: tuple[Step, ...]) -> list[Server]:
    found = [each for step in steps for each in (*step.passing, step.server)]
    return [each for each in found if each is not None]


def good_steps(case: Case) -> tuple[Step, ...]:
    row = API_REFERENCE[case.action]
    return case.follow() if row.sources.run else (accept(case.server, case.action, **case.asked),)


def blind(server: Server) -> dict[str, str]:
    return {"status": server.status.value}


@EVERY_VARIANT
def test_every_good_run_is_waited_for(book: Rulebook, options: Options) -> None:
    assert len(known(book, options)) > 300
    for case, waiting in known(book, options):
        steps = good_steps(case)
        *on_the_way, end = snapshots(steps)
        is_at_once = waiting.acceptors[-1].state is SUCCESS
        assert is_at_once is all(
            (each.status, each.task_state) == (end.status, end.task_state) and not end.deleted
            for each in snapshots(steps)
        )
        assert waiting.matches(end.to_api()) is SUCCESS, case
        assert waiting.matches(end) is SUCCESS, case
        assert waiting.matches(blind(end)) is (SUCCESS if waiting.status_suffices else RETRY), case
        for each in () if is_at_once else on_the_way:
            assert waiting.matches(each.to_api()) is RETRY, (case, each)
            assert waiting.matches(blind(each)) is RETRY, (case, each)


def bad_runs(case: Case) -> Iterator[tuple[str, tuple[Step, ...]]]:
    good = good_steps(case)
    tasks = {each.task_state for each in snapshots(good)} - {None}
    for failure in API_REFERENCE[case.action].failures if len(good) > 1 else ():
        for at in tasks or {None}:
            try:
                yield failure.name, case.follow(failure.name, at)
            except ImpossibleEventError:
                continue


@EVERY_VARIANT
def test_every_bad_run_is_seen_to_fail(book: Rulebook, options: Options) -> None:
    failed = 0
    for case, waiting in known(book, options):
        good = snapshots(good_steps(case))[-1]
        for name, steps in bad_runs(case):
            *on_the_way, end = (step.server for step in steps)
            assert end is not None
            acceptor = waiting.acceptor(end.to_api())
            assert name in acceptor.failures, (case, name)
            seen, good_one = (end.status, end.task_state), (good.status, good.task_state)
            if acceptor.state is RETRY:
                assert name in waiting.never_ends
            elif acceptor.state is SUCCESS:
                # Where the power state is not known two ends are good: it may be the other.
                assert seen == good_one or case.server is not None
                assert not waiting.tells_success
            failed += acceptor.state is FAILURE
            by_status = waiting.matches(blind(end))
            assert by_status in (RETRY, acceptor.state), (case, name)
            for each in () if waiting.acceptors[-1].state is SUCCESS else on_the_way:
                assert waiting.matches(each) is RETRY, (case, name, each)
    assert failed > 300


def test_every_failure_of_the_table_leads_to_some_acceptor() -> None:
    told: dict[str, set[str]] = {}
    for case, waiting in known(API_REFERENCE, Options()) + known(API_REFERENCE, RECLAIM):
        for each in waiting.acceptors:
            told.setdefault(case.action, set()).update(each.failures)
    for row in API_REFERENCE:
        assert {failure.name for failure in row.failures} <= told.get(row.name, set()), row.name


@EVERY_VARIANT
def test_of_a_known_server_no_acceptor_is_hidden_by_another(
    book: Rulebook, options: Options
) -> None:
    for case, waiting in known(book, options):
        seen = [(each.http_status, each.status, each.task_state) for each in waiting.acceptors]
        assert len(seen) == len(set(seen)), case
        assert waiting.acceptors[0].http_status == 404
        assert waiting.acceptors[-1].http_status == 200


@pytest.mark.parametrize("action", ActionName)
def test_by_its_status_alone_a_server_is_waited_for_as_if_it_were_known(action: ActionName) -> None:
    """Where the status is all that was known of the origin, no good end of any is a failure."""
    for case, _ in known(API_REFERENCE, Options()):
        if case.action is not action or case.server is None:
            continue
        if case.asked["microversion"] != "latest" or case.server.status is Status.DELETED:
            continue
        waiting = waiter(action, Server.from_status(case.server.status), **case.asked)
        *on_the_way, end = snapshots(good_steps(case))
        assert waiting.matches(end) is SUCCESS
        for each in on_the_way:
            assert waiting.matches(each) is RETRY or not each.task_state


# --- What is not known


def good_ends(waiting: Waiter) -> set[str]:
    good = [each for each in waiting.acceptors if each.state is SUCCESS]
    return {"404" if each.status is None else each.status.value for each in good}


@pytest.mark.parametrize(
    ("action", "origin", "options", "ends"),
    [
        ("shelve", Server.from_status("ACTIVE"), None, {"SHELVED_OFFLOADED"}),
        ("shelve", Server.from_status("ACTIVE"), KEEP, {"SHELVED", "SHELVED_OFFLOADED"}),
        ("shelve", Server("active"), KEEP, {"SHELVED"}),
        ("shelve", Server("active", volume_backed=True), KEEP, {"SHELVED_OFFLOADED"}),
        ("shelve", Server("active"), LATER, {"SHELVED", "SHELVED_OFFLOADED"}),
        ("confirmResize", Server("resized"), None, {"ACTIVE", "SHUTOFF"}),
        ("confirmResize", Server("resized", power_state=PowerState.RUNNING), None, {"ACTIVE"}),
        ("revertResize", Server.from_status("VERIFY_RESIZE"), None, {"ACTIVE", "SHUTOFF"}),
        (
            "revertResize",
            Server("resized", vm_state_before_resize=VmState.STOPPED),
            None,
            {"SHUTOFF"},
        ),
        ("delete", Server("active"), None, {"404", "DELETED"}),
        ("delete", Server("active"), RECLAIM, {"404", "DELETED", "SOFT_DELETED"}),
        ("delete", Server.from_status("REBUILD"), None, {"404", "DELETED"}),
        ("reboot", Server("active"), None, {"ACTIVE"}),
    ],
)
def test_good_ends(action: str, origin: Server, options: Options | None, ends: set[str]) -> None:
    assert good_ends(waiter(action, origin, actor="admin", options=options)) == ends


def test_a_resize_that_is_active_again_has_failed() -> None:
    waiting = waiter("resize", Server.from_status("ACTIVE"))
    assert waiting.matches({"status": "ACTIVE"}) is FAILURE
    assert waiting.matches({"status": "RESIZE"}) is RETRY
    assert waiting.matches({"status": "VERIFY_RESIZE"}) is SUCCESS


def test_somebody_else_came_between() -> None:
    stopping = waiter("os-stop", Server("active"))
    seen = stopping.acceptor(Server("paused"))
    assert seen.state is FAILURE
    assert seen.sentence == "somebody else's request came between"
    for task in TaskState:  # it will end, or in a 404
        assert stopping.matches(Server("paused", task)) is RETRY
    assert stopping.matches({"status": "PAUSED"}) is RETRY  # a task may be under way
    assert stopping.matches(None) is FAILURE
    assert stopping.matches(Server.from_status("UNKNOWN")) is RETRY
    assert stopping.matches({"status": "DELETED"}) is FAILURE
    assert stopping.matches({"status": "ERROR"}) is FAILURE
    assert stopping.matches(Server("error", "powering-off")) is FAILURE
    assert stopping.matches(Server("error", "deleting")) is RETRY


def test_an_action_without_work_is_over_at_once() -> None:
    for action in ("lock", "os-getConsoleOutput", "os-resetState:error"):
        waiting = waiter(action, Server("active"), actor="admin")
        assert [each.state for each in waiting.acceptors] == [FAILURE, FAILURE, SUCCESS]
        assert waiting.matches(Server("active", "pausing")) is SUCCESS
        assert waiting.tells_success
    dumping = waiter("trigger_crash_dump", Server("active"))
    assert dumping.matches(Server("active")) is SUCCESS
    assert not dumping.tells_success
    assert waiter("createImage", Server("active", volume_backed=True)).tells_success
    gone = waiter("delete", Server("shelved_offloaded"))
    assert (gone.matches(None), gone.matches(Server("shelved_offloaded"))) == (SUCCESS, FAILURE)


def test_whether_a_status_suffices() -> None:
    assert waiter("os-stop", Server("active")).status_suffices
    assert waiter("lock", Server("active")).status_suffices
    assert not waiter("createImage", Server("active")).status_suffices
    assert waiter("changePassword", Server("active")).status_suffices  # status PASSWORD


def test_refusals_and_what_cannot_be_known() -> None:
    with pytest.raises(RefusedError, match="vm_state active") as refused:
        waiter("os-start", Server("active"))
    assert refused.value.verdict.code == 409
    with pytest.raises(RefusedError) as refused:
        waiter("os-start", Server("stopped"), actor="reader")
    assert refused.value.verdict.code == 403
    with pytest.raises(RefusedError) as refused:
        waiter("os-stop", None)
    assert refused.value.verdict.code == 404
    with pytest.raises(RefusedError):
        waiter("os-stop", Server.from_status("UNKNOWN"))
    with pytest.raises(RefusedError):
        waiter("reboot:SOFT", Server.from_status("SHUTOFF"))
    with pytest.raises(MalformedServerError, match="too little is known of the server to say"):
        waiter("evacuate", Server.from_status("REBUILD"), actor="admin", microversion="2.94")
    with pytest.raises(UnknownActionError):
        waiter("os-sotp", Server("active"))
    with pytest.raises(UnknownMicroversionError):
        waiter("os-stop", Server("active"), microversion="3.0")


def test_who_locked_it_need_not_be_known_to_wait() -> None:
    assert waiter("unlock", Server("active", locked=True)).matches(Server("active")) is SUCCESS


def test_bad_views() -> None:
    stopping = waiter("os-stop", Server("active"))
    with pytest.raises(UnknownStateError, match="did you mean 'SHUTOFF'"):
        stopping.matches({"server": {"status": "SHUTOF"}})
    for bad in ({}, {"server": {}}, [], "ACTIVE", 7, {"status": "ACTIVE", "locked": 3}):
        with pytest.raises(MalformedServerError):
            stopping.matches(bad)  # type: ignore[arg-type]


# --- Forms for other programs

BOTOCORE = {  # what botocore's own test of its waiters-2.json files demands
    "type": "object",
    "required": ["version", "waiters"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": 2},
        "waiters": {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z0-9]+$"},
            "additionalProperties": {
                "type": "object",
                "required": ["operation", "delay", "maxAttempts", "acceptors"],
                "additionalProperties": False,
                "properties": {
                    "operation": {"type": "string"},
                    "description": {"type": "string"},
                    "delay": {"type": "number", "minimum": 0},
                    "maxAttempts": {"type": "integer", "minimum": 1},
                    "acceptors": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["state", "matcher", "expected"],
                            "additionalProperties": False,
                            "properties": {
                                "state": {"enum": ["success", "retry", "failure"]},
                                "matcher": {"enum": ["path", "status"]},
                                "argument": {"type": "string"},
                                "expected": {"type": ["string", "number", "boolean"]},
                            },
                        },
                    },
                },
            },
        },
    },
}
TEST = re.compile(r"""server\.(?:(\w+)|"([^"]+)") (==|!=) (?:'([^']*)'|(`null`))""")


def search(expression: str, document: Mapping[str, Any]) -> bool:
    """JMESPath, as far as the acceptors need it."""
    holds = []
    for test in expression.split(" && "):
        match = TEST.fullmatch(test)
        assert match is not None, test
        plain, quoted, sign, text, _ = match.groups()
        found = document["server"].get(plain or quoted)
        holds.append((found == text) == (sign == "=="))
    return all(holds)


def judged(export: Mapping[str, Any], view: dict[str, Any] | None, search: Any = search) -> str:
    """What botocore's loop makes of one answer."""
    (only,) = export["waiters"].values()
    for each in only["acceptors"]:
        if each["matcher"] == "status":
            if each["expected"] == (404 if view is None else 200):
                return str(each["state"])
        elif view is not None and search(each["argument"], view) == each["expected"]:
            return str(each["state"])
    raise AssertionError("no acceptor fits")


EVERY_VIEW: list[dict[str, Any] | None] = [
    None,
    *({"server": {"status": status.value}} for status in Status),
    *(view for vm in VmState for task in ("", *TaskState) for view in views(f"{vm}+{task}")),
]
SAMPLE = [
    ("os-stop", Server("error"), {}),
    ("rebuild", Server("stopped"), {}),
    ("resize", Server.from_status("ACTIVE"), {}),
    ("shelve", Server.from_status("PAUSED"), {"options": KEEP}),
    ("delete", Server("resized"), {"options": RECLAIM}),
    ("delete", Server("active", "rebooting"), {}),
    ("createImage", Server("active"), {}),
    ("evacuate", Server("error"), {}),
    ("unshelve", Server("shelved"), {}),
    ("lock", Server("active"), {}),
    ("create", None, {}),
]


@pytest.mark.parametrize(("action", "origin", "asked"), SAMPLE)
def test_botocore_judges_every_view_alike(
    action: str, origin: Server | None, asked: dict[str, Any]
) -> None:
    waiting = waiter(action, origin, actor="admin", **asked)
    export = json.loads(json.dumps(waiting.to_botocore()))
    Draft202012Validator(BOTOCORE).validate(export)
    for view in EVERY_VIEW:
        assert judged(export, view) == waiting.matches(view), view


@pytest.mark.parametrize(("action", "origin", "asked"), SAMPLE)
def test_jmespath_judges_every_view_alike(
    action: str, origin: Server | None, asked: dict[str, Any]
) -> None:
    jmespath = pytest.importorskip("jmespath")
    waiting = waiter(action, origin, actor="admin", **asked)
    for view in EVERY_VIEW:
        assert judged(waiting.to_botocore(), view, jmespath.search) == waiting.matches(view), view


def test_botocore_of_every_action() -> None:
    for case, waiting in known(NOVA_34, RECLAIM):
        export = waiting.to_botocore()
        Draft202012Validator(BOTOCORE).validate(export)
        for step in good_steps(case):
            assert step.server is not None
            assert judged(export, step.server.to_api()) == waiting.matches(step.server)


@pytest.mark.parametrize(
    ("action", "origin", "name"),
    [
        ("os-stop", Server("error"), "OsStopFromError"),
        ("reboot:SOFT", Server("active"), "RebootSoftFromActive"),
        ("confirmResize", Server("resized"), "ConfirmResizeFromVerifyResize"),
        ("trigger_crash_dump", Server("active"), "TriggerCrashDumpFromActive"),
        ("create", None, "Create"),
    ],
)
def test_names_of_exported_waiters(action: str, origin: Server | None, name: str) -> None:
    assert list(waiter(action, origin).to_botocore()["waiters"]) == [name]


def test_what_an_export_is_given() -> None:
    export = waiter("os-stop", Server("active")).to_botocore("Stopped", delay=0.5, max_attempts=3)
    assert export["waiters"]["Stopped"]["delay"] == 0.5
    assert export["waiters"]["Stopped"]["maxAttempts"] == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "os-stop"}, "a waiter's name must be letters and digits, not 'os-stop'"),
        ({"name": ""}, "a waiter's name must be letters and digits, not ''"),
        ({"name": 7}, "a waiter's name must be letters and digits, not 7"),
        ({"delay": -1}, "delay must be a number of seconds, 0 or more, not -1"),
        ({"delay": float("nan")}, "delay must be a number of seconds, 0 or more, not nan"),
        ({"delay": True}, "delay must be a number of seconds, 0 or more, not True"),
        ({"max_attempts": 0}, "max_attempts must be a whole number above 0, not 0"),
        ({"max_attempts": 2.5}, "max_attempts must be a whole number above 0, not 2.5"),
        ({"max_attempts": "9"}, "max_attempts must be a whole number above 0, not '9'"),
    ],
)
def test_wrong_exports(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        waiter("os-stop", Server("active")).to_botocore(**wrong)


def test_as_a_dictionary() -> None:
    document = waiter("os-stop", Server("active")).to_dict()
    assert json.loads(json.dumps(document)) == document
    assert document["origin"] == "ACTIVE"
    assert document["acceptors"][1] == {
        "state": "success",
        "http_status": None,
        "status": "SHUTOFF",
        "task_state": None,
        "failures": [],
        "sentence": "os-stop has succeeded",
    }
    assert {each["task_state"] for each in document["acceptors"]} >= {"any", "hidden", None}
    assert "any" not in {task.value for task in TaskState}
    assert waiter("create", None).to_dict()["origin"] is None


def test_waiters_compare_and_travel() -> None:
    one, other = waiter("os-stop", Server("active")), waiter("os-stop", Server("active"))
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != waiter("os-stop", Server("error"))


# --- Whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = ("status", "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state", "locked", "server", "image")
WORDS = st.sampled_from([*Status, *VmState, *TaskState, None, "", "ACTIVE "])
ARBITRARY = st.dictionaries(st.sampled_from(KEYS), WORDS | JSON)
WAITERS = [waiter(action, origin, actor="admin", **asked) for action, origin, asked in SAMPLE]


@given(st.sampled_from(WAITERS), ARBITRARY | JSON)
def test_any_view_is_judged_or_refused(waiting: Waiter, view: Any) -> None:
    try:
        state = waiting.matches(view)
    except (MalformedServerError, UnknownStateError):
        return
    assert state in WaitState


@given(st.sampled_from(WAITERS), strategies.server_documents())
def test_any_real_document_is_judged_as_botocore_would(
    waiting: Waiter, document: dict[str, Any]
) -> None:
    view = document if "server" in document else {"server": document}
    state = waiting.matches(document)
    if not Server.from_api(document).deleted:  # which Nova answers 404
        assert judged(waiting.to_botocore(), view) == state


@given(strategies.requests(strategies.servers() | strategies.status_only_servers() | st.none()))
def test_any_question_has_a_waiter_or_a_documented_error(question: strategies.Question) -> None:
    try:
        waiting = waiter(question.action, question.server, **question.options)
    except (RefusedError, MalformedServerError):
        return
    assert waiting.matches(None) in (SUCCESS, FAILURE)
    assert question.check().allowed or question.check().maybe
