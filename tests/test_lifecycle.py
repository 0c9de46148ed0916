"""The table as a graph, against what the real Nova was seen to do; and each step as a function."""

from __future__ import annotations

import pickle
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Actor,
    LockedBy,
    PowerState,
    Rulebook,
    Server,
    Status,
    TaskState,
    VmState,
    check,
)
from serverfsm.lifecycle import GONE, Cause, Edge, State, edges, state_name
from serverfsm.record import finish, progress, reached
from serverfsm.rows import Action, End, Outcome, Reaction, Timer
from serverfsm.step import accept

BOOKS = (API_REFERENCE, NOVA_34)

# nova-34-trajectories.md: every run of it that sets a task, a host holding the server. `+x` is a
# task_state added to the vm_state before it; `active > +powering-off`, two saves of one step, is
# written as one. A resized server is confirmed while it is deleted: those lines are left out.
TRAJECTORIES = """
    changePassword: active > +updating_password > active
    createBackup: active > +image_backup > +image_uploading > active
    createBackup: stopped > +image_backup > +image_uploading > stopped
    createBackup: paused > +image_backup > +image_uploading > paused
    createBackup: suspended > +image_backup > +image_uploading > suspended
    createImage: active > +image_snapshot_pending > +image_snapshot > +image_uploading > active
    createImage: stopped > +image_snapshot_pending > +image_snapshot > +image_uploading > stopped
    createImage: paused > +image_snapshot_pending > +image_snapshot > +image_uploading > paused
    createImage: suspended > +image_snapshot_pending > +image_snapshot > +image_uploading > suspended
    pause: active > +pausing > paused
    unpause: paused > +unpausing > active
    suspend: active > +suspending > suspended
    resume: suspended > +resuming > active
    reboot:SOFT: active > +rebooting > +reboot_pending > +reboot_started > active
    reboot:HARD: active > +rebooting_hard > +reboot_pending_hard > +reboot_started_hard > active
    reboot:HARD: stopped > +rebooting_hard > +reboot_pending_hard > +reboot_started_hard > active
    reboot:HARD: paused > +rebooting_hard > +reboot_pending_hard > +reboot_started_hard > active
    reboot:HARD: suspended > +rebooting_hard > +reboot_pending_hard > +reboot_started_hard > active
    reboot:HARD: error > +rebooting_hard > +reboot_pending_hard > +reboot_started_hard > active
    rebuild: active > +rebuilding > +rebuild_block_device_mapping > +rebuild_spawning > active
    rebuild: stopped > +rebuilding > +rebuild_block_device_mapping > +rebuild_spawning > active+powering-off > stopped
    rebuild: error > +rebuilding > +rebuild_block_device_mapping > +rebuild_spawning > active
    evacuate: active > +rebuilding > +rebuild_block_device_mapping > +rebuild_spawning > active+powering-off > stopped
    evacuate: active > +rebuilding > +rebuild_block_device_mapping > +rebuild_spawning > active
    evacuate: stopped > +rebuilding > +rebuild_block_device_mapping > +rebuild_spawning > active+powering-off > stopped
    evacuate: error > +rebuilding > +rebuild_block_device_mapping > +rebuild_spawning > active
    rescue: active > +rescuing > rescued
    rescue: stopped > +rescuing > rescued
    rescue: error > +rescuing > rescued
    unrescue: rescued > +unrescuing > active
    resize: active > +resize_prep > +resize_migrating > +resize_migrated > +resize_finish > resized
    resize: stopped > +resize_prep > +resize_migrating > +resize_migrated > +resize_finish > resized
    migrate: active > +resize_prep > +resize_migrating > +resize_migrated > +resize_finish > resized
    migrate: stopped > +resize_prep > +resize_migrating > +resize_migrated > +resize_finish > resized
    revertResize: resized > +resize_reverting > active
    revertResize: resized > +resize_reverting > +powering-off > stopped
    os-migrateLive: active > +migrating > active
    os-migrateLive: paused > +migrating > paused
    os-start: stopped > +powering-on > active
    os-stop: active > +powering-off > stopped
    os-stop: error > +powering-off > stopped
    shelve: active > +shelving > +shelving_image_uploading > shelved+shelving_offloading > shelved_offloaded
    shelve: stopped > +shelving > +shelving_image_uploading > shelved+shelving_offloading > shelved_offloaded
    shelve: paused > +shelving > +shelving_image_uploading > shelved+shelving_offloading > shelved_offloaded
    shelve: suspended > +shelving > +shelving_image_uploading > shelved+shelving_offloading > shelved_offloaded
    shelve: active > +shelving > +shelving_image_uploading > shelved
    shelve: stopped > +shelving > +shelving_image_uploading > shelved
    shelve: paused > +shelving > +shelving_image_uploading > shelved
    shelve: suspended > +shelving > +shelving_image_uploading > shelved
    shelve: active > +shelving > shelved_offloaded
    shelve: stopped > +shelving > shelved_offloaded
    shelve: paused > +shelving > shelved_offloaded
    shelveOffload: shelved > +shelving_offloading > shelved_offloaded
    unshelve: shelved > +unshelving > +powering-on > active
    unshelve: shelved_offloaded > +unshelving > +spawning > active
    delete: active > +deleting > deleted
    delete: stopped > +deleting > deleted
    delete: paused > +deleting > deleted
    delete: suspended > +deleting > deleted
    delete: rescued > +deleting > deleted
    delete: error > +deleting > deleted
    delete: shelved > +deleting > deleted
    delete: soft-delete > +deleting > deleted
    delete: active > +soft-deleting > soft-delete
    delete: stopped > +soft-deleting > soft-delete
    delete: paused > +soft-deleting > soft-delete
    delete: suspended > +soft-deleting > soft-delete
    delete: rescued > +soft-deleting > soft-delete
    delete: error > +soft-deleting > soft-delete
    delete: shelved > +soft-deleting > soft-delete
    delete: soft-delete > +soft-deleting > soft-delete
    forceDelete: active > +deleting > deleted
    forceDelete: stopped > +deleting > deleted
    forceDelete: paused > +deleting > deleted
    forceDelete: suspended > +deleting > deleted
    forceDelete: rescued > +deleting > deleted
    forceDelete: error > +deleting > deleted
    forceDelete: shelved > +deleting > deleted
    forceDelete: soft-delete > +deleting > deleted
    restore: soft-delete > +restoring > active
"""  # noqa: E501
LINES = [line.strip() for line in TRAJECTORIES.strip().splitlines()]

# Ends that the reference promises and Nova does not come to: `evacuate-error-starts`.
PROMISED: dict[tuple[Rulebook, str, State], set[State]] = {
    (API_REFERENCE, "evacuate", (VmState.ERROR, None)): {(VmState.STOPPED, None)}
}


def parsed(line: str) -> tuple[str, list[State]]:
    """The action of a trajectory, and its states in order."""
    action, _, way = line.partition(": ")
    states: list[State] = []
    for word in way.split(" > "):
        vm_state, _, task_state = word.partition("+")
        before = states[-1][0] if states else None
        vm = VmState(vm_state) if vm_state else before
        assert vm is not None
        states.append((vm, TaskState(task_state) if task_state else None))
    return action, states


def onward(rulebook: Rulebook, action: str) -> dict[State, set[State]]:
    """The asynchronous half of one action: from each state to the next."""
    found: dict[State, set[State]] = defaultdict(set)
    for edge in edges(rulebook):
        if edge.event == f"{action}.progress" and edge.start is not None:
            found[edge.start].add(edge.end)
    return found


def reachable(start: State, steps: dict[State, set[State]]) -> set[State]:
    seen, waiting = {start}, [start]
    while waiting:
        for state in steps.get(waiting.pop(), ()):
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    return seen


# --- What Nova was seen to do


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize("line", LINES)
def test_every_measured_run_is_a_way_through_the_graph(line: str, rulebook: Rulebook) -> None:
    """Acceptance, then progress, then done. A step more than was seen is no contradiction:

    the fake hypervisor does not show image_pending_upload.
    """
    action, states = parsed(line)
    found = {(edge.start, edge.event, edge.end) for edge in edges(rulebook)}
    assert (states[0], action, states[1]) in found
    steps = onward(rulebook, action)
    for before, after in pairwise(states[1:-1]):
        assert after in reachable(before, steps)
    assert (states[-2], f"{action}.done", states[-1]) in found


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize("action", sorted({parsed(line)[0] for line in LINES}))
def test_no_run_ends_where_none_was_seen_to_end(action: str, rulebook: Rulebook) -> None:
    """By its success, from where Nova was measured, with a host."""
    seen = defaultdict(set)
    for line in LINES:
        name, states = parsed(line)
        if name == action:
            seen[states[0]].add(states[-1])
    ends = defaultdict(set)
    for edge in edges(rulebook):
        if edge.event == f"{action}.done" and edge.start is not None:
            ends[edge.start].add(edge.end)
    steps = onward(rulebook, action)
    for start, measured in seen.items():
        first = {
            edge.end
            for edge in edges(rulebook)
            if edge.event == action and edge.start == start and edge.end[1] is not None
        }
        found = {end for each in first for state in reachable(each, steps) for end in ends[state]}
        promised = PROMISED.get((rulebook, action, start), set())
        assert found == measured | promised, (action, state_name(start))


def test_the_trajectories_are_all_read() -> None:
    assert len(LINES) == len(set(LINES)) == 80
    assert len({parsed(line)[0] for line in LINES}) == 25


# --- The graph itself


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_an_edge_says_whose_it_is(rulebook: Rulebook) -> None:
    found = edges(rulebook)
    assert found is edges(rulebook), "worked out once"
    assert len(set(found)) == len(found)
    timers = 0
    for edge in found:
        name, dot, ending = edge.event.partition(".")
        if isinstance(edge.row, Reaction):
            assert (name, edge.outcome) == (edge.row.name, None)
            assert edge.row.guest is None or PowerState[ending] in edge.row.guest
            assert edge.cause is edge.row.cause
            continue
        if edge.cause is Cause.TIMER:
            assert isinstance(edge.row, Timer)
            assert edge.event == edge.row.option
            assert edge.outcome is None
            timers += 1
            continue
        assert isinstance(edge.row, Action)
        assert edge.row is rulebook[ActionName(name)]
        if not dot:
            assert edge.outcome is None
            assert edge.cause in (Cause.PERSON, Cause.ADMINISTRATOR)
            assert edge.start is None or edge.row.accepts(*edge.start)
            assert (edge.start is None) is (name == "create")
        else:
            assert edge.outcome in (*edge.row.success, *edge.row.failures)
            failed = edge.outcome in edge.row.failures
            assert edge.cause is (Cause.FAILURE if failed else Cause.SYSTEM)
            if ending != "progress":
                assert edge.outcome is not None
                assert ending == edge.outcome.name
    assert timers > 0


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_an_outcome_strikes_where_a_run_passes(rulebook: Rulebook) -> None:
    passed = defaultdict(set)
    for edge in edges(rulebook):
        name, dot, ending = edge.event.partition(".")
        if isinstance(edge.row, Reaction):
            if edge.row.then is not None:
                passed[edge.row.then.value].add(edge.end)
        elif not dot or ending == "progress":
            passed[name].add(edge.end)
    assert {
        f"{edge.event} in {state_name(edge.start)}"
        for edge in edges(rulebook)
        if edge.outcome is not None
        and edge.start is not None
        and edge.start not in passed[edge.event.partition(".")[0]]
    } == set()


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_who_asks_is_told_apart(rulebook: Rulebook) -> None:
    """other-actions.md and, for Nova, its default policies."""
    by_cause = {
        cause: {edge.event for edge in edges(rulebook) if edge.cause is cause}
        for cause in (Cause.PERSON, Cause.ADMINISTRATOR)
    }
    assert not by_cause[Cause.PERSON] & by_cause[Cause.ADMINISTRATOR]
    assert {"evacuate", "os-resetState:error", "injectNetworkInfo"} <= by_cause[Cause.ADMINISTRATOR]
    assert {"os-stop", "delete", "create", "lock"} <= by_cause[Cause.PERSON]
    assert ("shelveOffload" in by_cause[Cause.ADMINISTRATOR]) is (rulebook is NOVA_34)
    assert ("migrate" in by_cause[Cause.ADMINISTRATOR]) is (rulebook is API_REFERENCE)
    removed = {"resetNetwork", "os-getRDPConsole"}
    assert not removed & (by_cause[Cause.PERSON] | by_cause[Cause.ADMINISTRATOR])


TIMED = {
    # other-actions.md, "Timers": what each does to whom.
    "resize_confirm_window": {("resized", "resized")},
    "shelved_offload_time": {("shelved", "shelved+shelving_offloading")},
    "rescue_timeout": {("rescued", "rescued+unrescuing")},
}


@pytest.mark.parametrize("option", TIMED)
def test_what_the_clock_sets_going(option: str) -> None:
    found = {
        (state_name(edge.start), state_name(edge.end))
        for edge in edges()
        if edge.event == option and edge.start is not None
    }
    assert found == TIMED[option]


def test_what_the_clock_ends_by_itself() -> None:
    reclaimed = [edge for edge in edges() if edge.event == "reclaim_instance_interval"]
    assert {edge.end for edge in reclaimed} == {GONE}
    assert {edge.start[0] for edge in reclaimed if edge.start} == {VmState.SOFT_DELETED}
    given_up = [edge for edge in edges() if edge.event == "instance_build_timeout"]
    assert {edge.end[0] for edge in given_up} == {VmState.ERROR}
    assert {edge.start[0] for edge in given_up if edge.start} == {VmState.BUILDING}
    # These two change no state by themselves.
    events = {edge.event for edge in edges()}
    assert not {"reboot_timeout", "sync_power_state_interval"} & events


def test_an_edge_can_be_handed_to_another_process() -> None:
    stop = next(edge for edge in edges() if edge.event == "os-stop.done")
    again = pickle.loads(pickle.dumps(stop))
    assert isinstance(again, Edge)
    assert (again.start, again.event, again.end, again.cause) == stop[:4]
    assert again.outcome == stop.outcome


def test_the_name_of_a_state() -> None:
    names = {
        state_name((vm_state, task_state)): (vm_state, task_state)
        for vm_state in VmState
        for task_state in (None, *TaskState)
    }
    assert len(names) == 12 * 43
    assert names["active"] == (VmState.ACTIVE, None)
    assert names["soft-delete+soft-deleting"] == (VmState.SOFT_DELETED, TaskState.SOFT_DELETING)
    assert state_name(GONE) == "deleted"


# --- Step by step: accept


def test_accepting_writes_at_once() -> None:
    """nova-34-rules.md: what each answer writes."""
    for server, action, columns in (
        (Server("active"), "os-stop", {"task_state": "powering-off"}),
        (Server("active"), "lock", {"locked": True, "locked_by": "owner"}),
        (Server("active", locked=True, locked_by="owner"), "lock", {}),
        (
            Server("active", locked=True, locked_by="owner"),
            "unlock",
            {"locked": False, "locked_by": None},
        ),
        (Server("active"), "createImage", {"task_state": "image_snapshot_pending"}),
        (Server("active", volume_backed=True), "createImage", {}),
        (Server("active"), "trigger_crash_dump", {}),
        (Server("resized"), "confirmResize", {}),
        (Server("soft-delete"), "restore", {"task_state": "restoring"}),
        (Server("active", "powering-off"), "delete", {"task_state": "deleting"}),
        (
            Server("shelved_offloaded", "spawning"),
            "delete",
            {"vm_state": "deleted", "task_state": None, "deleted": True},
        ),
    ):
        step = accept(server, action)
        assert step.verdict.allowed, action
        assert step.server == replace(server, **columns), action


def test_an_administrator_takes_a_lock_over() -> None:
    """nova-34-rules.md, lock: an administrator writes locked_by=admin over an owner's lock."""
    owned = Server("active", locked=True, locked_by="owner")
    taken = accept(owned, "lock", actor="admin").server
    assert taken == replace(owned, locked_by=LockedBy.ADMIN)
    assert accept(taken, "unlock").server == taken, "and the owner cannot lift it"
    assert accept(taken, "unlock", actor="admin").server == Server("active")


@pytest.mark.parametrize("state", ["active", "error"])
def test_an_administrator_resets_the_state(state: str) -> None:
    for vm_state in VmState:
        for task_state in (None, TaskState.DELETING):
            server = Server(vm_state, task_state)
            step = accept(server, f"os-resetState:{state}", actor=Actor.ADMIN)
            assert step.server == replace(server, vm_state=state, task_state=None)


def test_creating() -> None:
    step = accept(None, "create")
    assert step.server == Server("building", "scheduling", launched=False, host=False)
    assert step.server.status is Status.BUILD
    refused = accept(None, "create", actor="anonymous")
    assert refused.server is None
    assert refused.verdict.code == 401


# --- Step by step: progress and finish


def success(action: str, number: int = -1) -> Outcome:
    return API_REFERENCE[ActionName(action)].success[number]


def test_progress_stores_the_power_state_with_a_new_vm_state_alone() -> None:
    server = Server("stopped", "rebuild_spawning", 4, True, "admin", volume_backed=True)
    on = progress(server, (VmState.ACTIVE, TaskState.POWERING_OFF))
    assert on == replace(server, vm_state="active", task_state="powering-off", power_state=1)
    assert progress(on, (VmState.ACTIVE, None)) == replace(on, task_state=None)


@pytest.mark.parametrize(
    ("server", "action", "power", "end"),
    [
        (Server("active", "powering-off", 1), "os-stop", PowerState.SHUTDOWN, "stopped"),
        (Server("stopped", "powering-on", 4), "os-start", PowerState.RUNNING, "active"),
        (Server("active", "pausing", 1), "pause", PowerState.PAUSED, "paused"),
        (Server("paused", "unpausing", 3), "unpause", PowerState.RUNNING, "active"),
        (Server("active", "rescuing", 1), "rescue", PowerState.RUNNING, "rescued"),
        (Server("active", "resize_finish", 1), "resize", PowerState.RUNNING, "resized"),
        (Server("stopped", "resize_finish", 4), "resize", PowerState.SHUTDOWN, "resized"),
        (Server("resized", None, 1), "confirmResize", PowerState.RUNNING, "active"),
        (Server("resized", None, 4), "confirmResize", PowerState.SHUTDOWN, "stopped"),
        (Server("active", "shelving_image_uploading", 1), "shelve", PowerState.SHUTDOWN, "shelved"),
    ],
)
def test_how_an_outcome_leaves_the_guest(
    server: Server, action: str, power: PowerState, end: str
) -> None:
    """nova-34-trajectories.md, "final power"; a real hypervisor's rescued server runs."""
    after = finish(server, success(action))
    assert (after.vm_state, after.task_state, after.power_state) == (end, None, power)
    assert after.vm_state is reached(server, success(action).end)
    assert after.host is True
    assert not after.deleted


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_finishing_leads_where_the_graph_says(rulebook: Rulebook) -> None:
    """Both read the table, each in its own way; a task that is left behind is left by both."""
    drawn: dict[tuple[Any, str], set[State]] = defaultdict(set)
    for edge in edges(rulebook):
        if edge.outcome is not None and not edge.event.endswith(".progress"):
            drawn[edge.start, edge.event].add(edge.end)
    finished: dict[tuple[Any, str], set[State]] = defaultdict(set)
    for edge in edges(rulebook):
        if edge.outcome is None or edge.start is None or edge.event.endswith(".progress"):
            continue
        for power_state in (PowerState.RUNNING, PowerState.SHUTDOWN):
            for before in ("active", "stopped"):
                server = Server(*edge.start, power_state, vm_state_before_resize=before)
                after = finish(server, edge.outcome)
                assert after.vm_state is not None
                finished[edge.start, edge.event].add((after.vm_state, after.task_state))
    assert finished == drawn
    assert any(task is not None for ends in drawn.values() for _, task in ends)


def test_the_vm_state_before_a_resize_is_kept_while_resized() -> None:
    stopped = Server("stopped", "resize_finish", 4)
    resized = finish(stopped, success("resize"))
    assert resized.vm_state_before_resize is VmState.STOPPED
    reverting = accept(resized, "revertResize").server
    assert reverting is not None
    assert reverting.vm_state_before_resize is VmState.STOPPED
    back = finish(replace(reverting, task_state="powering-off"), success("revertResize", 0))
    assert (back.vm_state, back.vm_state_before_resize) == (VmState.STOPPED, None)
    kept = finish(resized, Outcome("lost", End.ORIGIN))
    assert kept.vm_state_before_resize is VmState.STOPPED


def test_a_build_makes_it_launched_and_gives_it_a_host() -> None:
    building = Server("building", "spawning", launched=False, host=False)
    active = finish(building, success("create"))
    assert (active.launched, active.host, active.power_state) == (True, True, PowerState.RUNNING)
    failed = finish(building, Outcome("build-failed", VmState.ERROR))
    assert (failed.vm_state, failed.launched, failed.host) == (VmState.ERROR, False, False)


def test_what_is_offloaded_or_gone_has_no_host() -> None:
    offloaded = finish(Server("shelved", "shelving_offloading"), success("shelveOffload"))
    assert (offloaded.vm_state, offloaded.host, offloaded.launched) == (
        VmState.SHELVED_OFFLOADED,
        False,
        True,
    )
    back = finish(replace(offloaded, task_state="unshelving"), Outcome("no-valid-host", End.ORIGIN))
    assert back.host is False
    again = finish(replace(offloaded, task_state="spawning"), success("unshelve"))
    assert (again.vm_state, again.host) == (VmState.ACTIVE, True)
    gone = finish(Server("active", "deleting"), success("delete"))
    assert (gone.vm_state, gone.host, gone.deleted) == (VmState.DELETED, False, True)
    assert check(gone, "os-start").code == 404


@pytest.mark.parametrize(
    ("end", "server", "vm_state"),
    [
        (End.ORIGIN, Server("paused"), "paused"),
        (End.GONE, Server("paused"), "deleted"),
        (End.POWER_STATE, Server("resized", power_state=1), "active"),
        (End.POWER_STATE, Server("resized", power_state=0), "active"),
        (End.POWER_STATE, Server("resized", power_state=4), "stopped"),
        (End.BEFORE_RESIZE, Server("resized", vm_state_before_resize="stopped"), "stopped"),
        (End.BEFORE_RESIZE, Server("resized", vm_state_before_resize="active"), "active"),
        (End.BEFORE_RESIZE, Server("resized"), "active"),
        (VmState.ERROR, Server("paused"), "error"),
    ],
)
def test_where_an_outcome_ends(end: Any, server: Server, vm_state: str) -> None:
    assert reached(server, end) == vm_state


def test_a_lock_outlasts_whatever_happens() -> None:
    locked = Server("active", "powering-off", locked=True, locked_by="owner", volume_backed=True)
    after = finish(locked, success("os-stop"))
    assert (after.locked, after.locked_by, after.volume_backed) == (True, LockedBy.OWNER, True)
