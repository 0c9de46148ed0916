"""`accept`, `advance`, `events`, `follow`, `overtake`: over every state and every row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    ComputeDriver,
    ImpossibleEventError,
    MalformedServerError,
    Options,
    PowerState,
    Rulebook,
    Server,
    TaskState,
    UnknownActionError,
    UnknownEventError,
    VmState,
    accept,
    advance,
    check,
    events,
    follow,
)
from serverfsm.lifecycle import State, edges
from serverfsm.rows import EffectKind, Reaction
from serverfsm.running import DONE, PROGRESS
from serverfsm.step import REACTIONS, Step, attempt, overtake

BOOKS = (API_REFERENCE, NOVA_34)
RECLAIMING = Options(reclaim_instance_interval=60)
SETTINGS = (
    Options(),
    RECLAIMING,
    Options(shelved_offload_time=-1),
    Options(shelved_offload_time=60, compute_driver=ComputeDriver.FAKE),
)
PAIRS = [(vm, task) for vm in VmState for task in (None, *TaskState)]


def pair(server: Server) -> State:
    assert server.vm_state is not None
    return server.vm_state, server.task_state


def idle() -> Iterator[Server]:
    """Servers with no task: each vm_state, from image and volume, off and running."""
    for vm_state in VmState:
        for is_volume in (False, True):
            for power in (PowerState.RUNNING, PowerState.SHUTDOWN):
                for before in (VmState.ACTIVE, VmState.STOPPED):
                    if vm_state is VmState.RESIZED or before is VmState.ACTIVE:
                        resized_from = before if vm_state is VmState.RESIZED else None
                        yield Server(
                            vm_state,
                            power_state=power,
                            volume_backed=is_volume,
                            vm_state_before_resize=resized_from,
                        )


@cache
def ends_by_event(rulebook: Rulebook) -> dict[tuple[State | None, str], set[State]]:
    found: dict[tuple[State | None, str], set[State]] = defaultdict(set)
    for edge in edges(rulebook):
        found[edge.start, edge.event].add(edge.end)
    return found


# --- accepting


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_a_request_is_written_if_it_is_accepted_and_only_then(
    rulebook: Rulebook, options: Options
) -> None:
    accepted = 0
    book = rulebook.having(options)
    ends = ends_by_event(book)
    for server in idle():
        for row in book:
            step = accept(server, row.name, actor="admin", rulebook=book)
            assert step.verdict is not None
            assert step.event == row.name
            refusal = step.verdict.refusal
            if refusal is None:
                assert step.server is not None
                assert step.verdict.guard is not None
                assert step.server == replace(server, **step.verdict.guard.set)
                assert pair(step.server) in ends[pair(server), row.name.value]
                accepted += 1
            elif not book.answer(row, refusal.guard).too_late:
                assert step == Step(server, step.verdict, row.name.value)
    assert accepted > 500


def test_where_nova_finds_out_too_late_the_task_is_written() -> None:
    """docs/nova.md: without a host Nova answers 500 and leaves the task behind."""
    hostless = Server("active", host=False)
    step = accept(hostless, "pause", rulebook=NOVA_34)
    assert step.verdict is not None
    assert (step.verdict.code, step.server) == (500, replace(hostless, task_state="pausing"))
    assert step.then is None
    assert accept(hostless, "pause").server == hostless


def test_the_options_decide_what_a_delete_writes() -> None:
    server = Server("active")
    assert accept(server, "delete").server == replace(server, task_state="deleting")
    kept = accept(server, "delete", options=RECLAIMING)
    assert kept.server == replace(server, task_state="soft-deleting")
    unbuilt = Server("error", launched=False)
    assert accept(unbuilt, "delete", options=RECLAIMING).server.task_state is TaskState.DELETING


def test_of_a_server_without_a_known_state_nothing_follows() -> None:
    unknown = Server.from_status("ACTIVE")
    assert accept(unknown, "unshelve").server == unknown
    for call in (lambda: accept(unknown, "lock"), lambda: events(unknown)):
        with pytest.raises(MalformedServerError, match="ACTIVE"):
            call()
    with pytest.raises(MalformedServerError, match="ACTIVE"):
        advance(unknown, "os-stop.done")


# --- advancing


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_what_may_happen_is_what_advance_does(rulebook: Rulebook) -> None:
    """In each of the 516 states: the events named are taken along edges, and no other is."""
    ends = ends_by_event(rulebook)
    outcomes = {edge.event for edge in edges(rulebook) if edge.outcome is not None}
    taken = 0
    for vm_state, task_state in PAIRS:
        server = Server(vm_state, task_state)
        possible = events(server, rulebook=rulebook)
        for event in possible:
            after = advance(server, event, rulebook=rulebook).server
            assert after is not None
            known = ends[pair(server), event]
            assert pair(after) in known or (pair(after) == pair(server) and not known), event
            taken += 1
        for event in outcomes - set(possible):
            step = attempt(server, event, rulebook=rulebook)
            assert step is None or (step.server, step.effects) == (server, ()), event
    assert taken > 500


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_every_sight_of_a_guest_leads_along_an_edge(rulebook: Rulebook) -> None:
    ends = ends_by_event(rulebook)
    for vm_state, task_state in PAIRS:
        server = Server(vm_state, task_state)
        for name in REACTIONS:
            for guest in PowerState:
                event = f"{name}.{guest.name}"
                after = advance(server, event, rulebook=rulebook).server
                assert after is not None
                if pair(after) != pair(server):
                    assert ends[pair(server), event] == {pair(after)}
                else:
                    assert not ends[pair(server), event]


def test_the_power_state_is_stored_where_no_task_is_under_way() -> None:
    for vm_state, task_state in PAIRS:
        server = Server(vm_state, task_state, PowerState.RUNNING)
        after = advance(server, "power-sync.SUSPENDED").server
        assert after is not None
        stored = PowerState.SUSPENDED if task_state is None else PowerState.RUNNING
        assert after.power_state is stored


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("os-sotp.done", "did you mean 'os-stop.done'"),
        ("os-stop.doen", "did you mean 'os-stop.done'"),
        ("os-stop", "unknown event"),
        ("lock.done", "unknown event"),
        ("power-sync.SHUTDWON", "did you mean 'power-sync.SHUTDOWN'"),
        ("rescue_timout", "did you mean 'rescue_timeout'"),
        ("", "unknown event"),
        (None, "unknown event"),
    ],
)
def test_an_unknown_event_is_named(event: str, words: str) -> None:
    with pytest.raises(UnknownEventError, match=words):
        advance(Server("active"), event)


def test_an_impossible_event_names_what_is_possible() -> None:
    with pytest.raises(ImpossibleEventError) as error:
        advance(Server("active", "pausing"), "os-stop.done")
    assert "vm_state active and task_state pausing" in str(error.value)
    assert "pause.done" in str(error.value)
    with pytest.raises(ImpossibleEventError, match="nothing but requests"):
        advance(Server("active"), "os-stop.done")


@given(event=st.text())
def test_any_other_text_is_an_unknown_event(event: str) -> None:
    with pytest.raises((UnknownEventError, ImpossibleEventError)):
        advance(Server("shelved"), event)


# --- whole runs


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_every_accepted_action_ends(rulebook: Rulebook, options: Options) -> None:
    """With success, and with each failure at each step: a task is left only where a row says so."""
    book = rulebook.having(options)
    seen = set()
    for server in (*idle(), None):
        for row in book:
            if not check(server, row.name, actor="admin", rulebook=book):
                continue
            steps = follow(server, row.name, actor="admin", rulebook=book)
            assert _ended(steps[-1].server, None)
            for failure in row.failures:
                for at in (None, *row.during):
                    try:
                        steps = follow(
                            server,
                            row.name,
                            failure=failure.name,
                            at=at,
                            actor="admin",
                            rulebook=book,
                        )
                    except ImpossibleEventError:
                        continue
                    seen.add((row.name, failure.name))
                    lefts = {each.left for each in row.failures if each.name == failure.name}
                    assert any(_ended(steps[-1].server, left) for left in {None, *lefts})
    soft_deletes = options.reclaim_instance_interval > 0
    missing = {
        (row.name, failure.name) for row in book for failure in row.failures if row.sources.run
    } - seen
    assert missing <= {
        (ActionName.DELETE, "soft-delete-failed" if not soft_deletes else "driver-error"),
        (ActionName.DELETE, "allocation-delete-failed"),
        # At once only where that is what the option says.
        (ActionName.SHELVE, "offload-failed"),
        # The record says that the guest runs.
        (ActionName.REBOOT_HARD, "driver-error-guest-runs"),
    }, missing


def _ended(server: Server | None, left: TaskState | None) -> bool:
    return server is not None and server.task_state is left


def test_a_run_can_be_followed_step_by_step() -> None:
    """Each step of `follow` is what `advance` gives for its event."""
    for server in idle():
        for row in API_REFERENCE:
            first, *later = follow(server, row.name, actor="admin")
            before = first.server
            for step in later:
                assert before is not None
                assert advance(before, step.event) == step
                before = step.server


def test_a_failure_that_does_not_strike_is_said_so() -> None:
    with pytest.raises(UnknownEventError, match=r"pause\.driver-error"):
        follow(Server("active"), "pause", failure="driver-eror")
    with pytest.raises(ImpossibleEventError, match="at powering-on"):
        follow(
            Server("shelved_offloaded"),
            "unshelve",
            failure="network-failure",
            at=TaskState.POWERING_ON,
        )
    with pytest.raises(UnknownActionError):
        follow(Server("active"), "puase")
    assert len(follow(Server("paused"), "pause")) == 1, "refused"


def test_a_rebuild_of_a_stopped_server_shows_active_on_the_way() -> None:
    steps = follow(Server("stopped", power_state=PowerState.SHUTDOWN), "rebuild")
    shown = [state for step in steps for state in (*step.passing, step.server)]
    assert [(each.vm_state.value, each.task_state and each.task_state.value) for each in shown] == [
        ("stopped", "rebuilding"),
        ("stopped", "rebuild_block_device_mapping"),
        ("stopped", "rebuild_spawning"),
        ("active", None),
        ("active", "powering-off"),
        ("stopped", None),
    ]
    assert [each.power_state for each in shown[-3:]] == [1, 1, 4]


def test_effects_tell_of_migrations_images_and_times() -> None:
    def told(kind: EffectKind, *steps: Step) -> list[str]:
        return [each.value for step in steps for each in step.effects if each.kind is kind]

    resize = follow(Server("active"), "resize")
    assert told(EffectKind.MIGRATION, *resize) == [
        "pre-migrating",
        "migrating",
        "post-migrating",
        "finished",
    ]
    assert "migrations.updated_at" in told(EffectKind.TIME, *resize)
    image = follow(Server("active"), "createImage", failure="driver-error")
    assert told(EffectKind.IMAGE, *image) == ["created", "deleted"]
    assert told(EffectKind.IMAGE, *follow(Server("active", volume_backed=True), "shelve")) == []


# --- overtaken


def test_overtaken_work_mostly_writes_nothing() -> None:
    deleting = Server("paused", "deleting")
    for row in API_REFERENCE:
        step = overtake(deleting, row.name, None)
        assert step.event == f"{row.name}.overtaken"
        assert step.then is None
        if not row.overtaken:
            assert step.server == deleting


def test_the_reactions_are_complete() -> None:
    """For every state and guest some row applies, so that nothing is undecided."""
    for rows in REACTIONS.values():
        assert all(isinstance(row, Reaction) for row in rows)
        for vm_state, task_state in PAIRS:
            assert all(
                any(row.applies(vm_state, task_state, guest) for row in rows)
                for guest in PowerState
            )


def test_progress_and_done_are_no_names_of_failures() -> None:
    names = {failure.name for row in API_REFERENCE for failure in row.failures}
    assert not names & {PROGRESS, DONE, "overtaken"}


def test_a_build_has_a_host_from_its_claim_on_and_loses_it_with_its_failure() -> None:
    """Measured: deleted before, it is gone at once; deleted after, it is `deleting` for a while."""
    steps = follow(None, "create")
    hosts = {step.server.task_state: step.server.host for step in steps if step.server}
    assert hosts == {
        TaskState.SCHEDULING: False,
        None: True,  # the end, after a moment without a task and a host
        TaskState.NETWORKING: True,
        TaskState.BLOCK_DEVICE_MAPPING: True,
        TaskState.SPAWNING: True,
    }
    claimed = next(step.server for step in steps if step.server and step.server.host)
    assert accept(claimed, "delete").server == replace(claimed, task_state="deleting")
    assert accept(steps[0].server, "delete").server.deleted
    failed = follow(None, "create", failure="build-aborted", at=TaskState.SPAWNING)
    assert failed[-1].server.host is False
    unshelving = follow(Server("shelved_offloaded"), "unshelve", failure="driver-error")
    assert unshelving[-1].server.host is False
