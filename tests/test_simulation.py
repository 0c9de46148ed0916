"""`Simulation`: what happens to servers on a virtual clock, and that all of it is the table's."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    ComputeDriver,
    MalformedServerError,
    Options,
    PowerState,
    Rulebook,
    Server,
    Simulation,
    TaskState,
    UnknownActionError,
    UnknownActorError,
    UnknownEventError,
    UnknownServerError,
    UnknownStateError,
    VmState,
    accept,
    advance,
    check,
    follow,
)
from serverfsm.clock import period
from serverfsm.lifecycle import State, edges
from serverfsm.rows import Timer
from serverfsm.running import DONE, PROGRESS, words
from serverfsm.simulation import Event
from serverfsm.step import OVERTAKEN, Step, overtakings
from serverfsm.unprompted import TIMERS

BOOKS = (API_REFERENCE, NOVA_34)
SETTINGS = (
    Options(),
    Options(reclaim_instance_interval=60, resize_confirm_window=60, rescue_timeout=100),
    Options(shelved_offload_time=60, shelved_poll_interval=60, instance_build_timeout=90),
    Options(shelved_offload_time=-1, sync_power_state_interval=-1),
    Options(compute_driver=ComputeDriver.FAKE),
)
EVERY = 600  # seconds between two looks at the guests, by default
USUAL = ("pause", "unpause", "os-stop", "os-start", "suspend", "resume", "resize", "confirmResize")


def second(source: random.Random, action: ActionName, task: TaskState | None) -> float:
    return 1


def pair(server: Server) -> State:
    assert server.vm_state is not None
    return server.vm_state, server.task_state


def named(server: Server) -> tuple[str, str | None]:
    vm_state, task = pair(server)
    return vm_state.value, task and task.value


def events_of(simulation: Simulation, uuid: str = "a") -> list[str]:
    return [event.step.event for event in simulation.history if event.uuid == uuid]


def having(server: Server | None = None, **arguments: Any) -> Simulation:
    """A simulation with one server, whose work takes a second for each task_state."""
    simulation = Simulation(duration=second, **arguments)
    simulation.put("a", server or Server("active", power_state=PowerState.RUNNING))
    return simulation


def idle() -> Iterator[Server]:
    """Servers with no task: each vm_state, from image and volume, off and running."""
    for vm_state in VmState:
        for is_volume in (False, True):
            for power in (PowerState.RUNNING, PowerState.SHUTDOWN):
                before = VmState.STOPPED if vm_state is VmState.RESIZED else None
                yield Server(
                    vm_state,
                    power_state=power,
                    volume_backed=is_volume,
                    vm_state_before_resize=before if power is PowerState.SHUTDOWN else None,
                )


# --- every history is a path in the graph, and can be replayed


@cache
def ends_by_event(rulebook: Rulebook) -> dict[tuple[State | None, str], set[State]]:
    found: dict[tuple[State | None, str], set[State]] = defaultdict(set)
    for edge in edges(rulebook):
        found[edge.start, edge.event].add(edge.end)
    return found


def replay(simulation: Simulation, put: dict[str, Server] | None = None) -> dict[str, Server]:
    """The servers that the history makes of those put there; each step proved on the way."""
    servers = dict(put or {})
    for event in simulation.history:
        before = servers.get(event.uuid)
        after = event.step.server
        if after is None:
            assert before is None or before.deleted
            continue
        _prove(event, before, simulation.rulebook)
        servers[event.uuid] = after
    for uuid, server in servers.items():
        assert simulation.server(uuid) == server
    return servers


def _prove(event: Event, before: Server | None, book: Rulebook) -> None:
    step, after = event.step, event.step.server
    assert after is not None
    verdict = step.verdict
    if verdict is not None:
        if verdict.allowed and (before is None or before.deleted):
            assert step.event == "create"
            before = None
        elif verdict.allowed or after != before:
            assert before is not None
            if after.deleted and not before.deleted:
                before = replace(before, host=False)  # which is down, or was none
        request = verdict.request
        again = accept(
            before,
            step.event,
            actor=request.actor,
            microversion=request.microversion,
            rulebook=book,
        )
        assert again.verdict is not None
        assert (again.verdict.allowed, again.verdict.code) == (verdict.allowed, verdict.code)
        assert again.server is not None
        assert replace(again.server, volume_backed=after.volume_backed) == after
        if not verdict.allowed and after == before:
            return
    elif step.event.endswith(f".{OVERTAKEN}"):
        assert before is not None
        name = ActionName(step.event.removesuffix(f".{OVERTAKEN}"))
        known = [
            found
            for at in (None, *book[name].during)
            for found in overtakings(before, name, at, rulebook=book)
        ]
        assert step in known
        return  # what comes of an overlap is no edge
    else:
        assert before is not None
        assert advance(before, step.event, rulebook=book) == step
    start = None if before is None else pair(before)
    if start != pair(after):
        assert pair(after) in ends_by_event(book)[start, step.event], (start, event)


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_a_long_random_history_is_a_path_in_the_graph(rulebook: Rulebook, options: Options) -> None:
    source = random.Random(5)
    simulation = Simulation(seed=5, rulebook=rulebook, options=options, failure_rate=0.2)
    names = [name for name in ActionName if name is not ActionName.CREATE]
    for number in range(1500):
        uuid = f"server {number % 6}"
        if uuid not in list(simulation):
            host = source.choice(("host-1", "host-2"))
            simulation.create(uuid, host=host, volume_backed=source.random() < 0.5)
        simulation.request(uuid, source.choice(names), actor="admin")
        simulation.request(uuid, source.choice(USUAL))
        simulation.run(source.choice((0, 1, 5, 50)))
        if number % 40 == 17:
            power = source.choice((None, PowerState.SHUTDOWN, PowerState.CRASHED))
            simulation.host_down("host-1", guests=power)
        if number % 40 == 27:
            simulation.host_up("host-1")
        if number % 17 == 3:
            simulation.guest(uuid, source.choice(list(PowerState)))
    replay(simulation)
    kinds = Counter(event.step.event.rpartition(".")[2] for event in simulation.history)
    assert kinds[DONE] > 60
    assert kinds[OVERTAKEN] > 5
    assert any(each.startswith("compute-restart") for each in all_events(simulation))


def all_events(simulation: Simulation) -> set[str]:
    return {event.step.event for event in simulation.history}


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_undisturbed_work_does_what_follow_says(rulebook: Rulebook, options: Options) -> None:
    book = rulebook.having(options)
    compared = 0
    for server in idle():
        for row in book:
            if not check(server, row.name, actor="admin", rulebook=book):
                continue
            simulation = having(server, rulebook=book)
            simulation.request("a", row.name, actor="admin")
            simulation.settle()
            steps = follow(server, row.name, actor="admin", rulebook=book)
            assert tuple(event.step for event in simulation.history) == steps
            assert simulation.now == len(steps) - 1
            compared += 1
    assert compared > 500


# --- determinism


def busy_week(seed: int, **arguments: Any) -> list[Event]:
    simulation = Simulation(seed=seed, failure_rate=0.3, **arguments)
    for uuid in "abc":
        simulation.create(uuid)
    for number in range(60):
        simulation.request("abc"[number % 3], USUAL[number % len(USUAL)])
        simulation.run(7)
    return simulation.history


def test_the_same_seed_gives_the_same_history_and_another_another() -> None:
    assert busy_week(1) == busy_week(1)
    assert busy_week(1) != busy_week(2)


def test_how_the_time_is_cut_does_not_matter() -> None:
    def history(*lengths: float) -> list[Event]:
        simulation = Simulation(seed=3, options=Options(rescue_timeout=60))
        simulation.create("a")
        simulation.run(600)
        simulation.request("a", "rescue")
        for seconds in lengths:
            simulation.run(seconds)
        return simulation.history

    assert history(1000) == history(*[0.5] * 2000) == history(0, 999, 1)


# --- servers


def test_a_server_is_created_and_deleted_and_created_again() -> None:
    simulation = Simulation(duration=second)
    assert list(simulation) == []
    assert simulation.show("a") is None
    assert simulation.create("a").verdict.code == 202
    assert simulation.create("b", volume_backed=True).server.volume_backed
    assert simulation.show("a")["server"]["status"] == "BUILD"
    conflict = simulation.create("a")
    assert (conflict.verdict.code, conflict.then) == (409, None)
    simulation.settle()
    assert simulation.create("a").verdict.code == 409
    assert simulation.server("a") == Server("active", power_state=PowerState.RUNNING)
    assert list(simulation) == ["a", "b"]
    assert simulation.request("a", "delete").verdict.code == 204
    simulation.settle()
    assert list(simulation) == ["b"]
    assert simulation.show("a") is None
    assert simulation.server("a").deleted
    assert simulation.request("a", "os-stop").verdict.code == 404
    assert simulation.create("a").verdict.code == 202
    assert list(simulation) == ["b", "a"], "in the order of creation"
    simulation.settle()
    assert named(simulation.server("a")) == ("active", None)
    replay(simulation)


def test_a_refused_creation_makes_nothing() -> None:
    simulation = Simulation()
    assert simulation.create("a", actor="reader").verdict.code == 403
    assert simulation.create("a", actor="anonymous").verdict.code == 401
    for wrong in ({"actor": "king"}, {"microversion": "3.1"}, {"volume_backed": "yes"}):
        with pytest.raises(ValueError):
            simulation.create("a", **wrong)
    assert list(simulation) == []
    assert len(simulation.history) == 2
    with pytest.raises(UnknownServerError, match="no server 'a'"):
        simulation.server("a")


@pytest.mark.parametrize(
    "call",
    [
        lambda simulation: simulation.server("b"),
        lambda simulation: simulation.request("b", "os-stop"),
        lambda simulation: simulation.hold("b"),
        lambda simulation: simulation.release("b"),
        lambda simulation: simulation.guest("b", PowerState.RUNNING),
    ],
)
def test_an_unknown_server_is_named(call: Callable[[Simulation], Any]) -> None:
    simulation = having()
    with pytest.raises(UnknownServerError, match="there is no server 'b'"):
        call(simulation)
    assert simulation.history == []


def test_wrong_words_are_named_and_change_nothing() -> None:
    simulation = having()
    wrong: list[tuple[type[Exception], Callable[[], Any]]] = [
        (UnknownActionError, lambda: simulation.request("a", "os-sotp")),
        (UnknownActionError, lambda: simulation.request("a", "reboot")),
        (UnknownActorError, lambda: simulation.request("a", "os-stop", actor="king")),
        (ValueError, lambda: simulation.request("a", "os-stop", microversion="1.0")),
        (UnknownActionError, lambda: simulation.fail("a", "reboot", "driver-error")),
        (UnknownEventError, lambda: simulation.fail("a", "os-stop", "driver-eror")),
        (UnknownEventError, lambda: simulation.fail("a", "os-stop", "done")),
        (UnknownStateError, lambda: simulation.fail("a", "pause", "driver-error", at="paused")),
        (UnknownStateError, lambda: simulation.guest("a", 2)),
        (UnknownStateError, lambda: simulation.host_down(guests=2)),
        (MalformedServerError, lambda: simulation.put("a", Server.from_status("ACTIVE"))),
        (ValueError, lambda: simulation.run(-1)),
        (ValueError, lambda: simulation.run(float("inf"))),
        (ValueError, lambda: simulation.run(float("nan"))),
        (ValueError, lambda: Simulation(failure_rate=1.1)),
    ]
    for error, call in wrong:
        with pytest.raises(error):
            call()
    simulation.settle()
    assert (simulation.history, simulation.now) == ([], 0)


def test_a_duration_must_be_a_length_of_time() -> None:
    for wrong in (-1.0, float("nan"), float("inf")):
        simulation = Simulation(duration=lambda *_, wrong=wrong: wrong)
        with pytest.raises(ValueError, match="finite"):
            simulation.create("a")


def test_a_refusal_changes_nothing_and_is_told() -> None:
    for server in idle():
        for row in API_REFERENCE:
            simulation = having(server)
            step = simulation.request("a", row.name)
            if not step.verdict.allowed:
                assert simulation.server("a") == server
                assert [event.step for event in simulation.history] == [step]
                assert step.server == server
                simulation.settle()
                assert simulation.now == 0


def test_what_nova_writes_before_it_refuses_is_written() -> None:
    hostless = Server("active", host=False)
    simulation = having(hostless, rulebook=NOVA_34)
    assert simulation.request("a", "pause").verdict.code == 500
    simulation.settle()
    assert simulation.server("a") == replace(hostless, task_state="pausing")


def test_what_is_put_in_the_place_of_another_takes_nothing_over() -> None:
    simulation = having()
    simulation.request("a", "pause")
    simulation.hold("a")
    simulation.put("a", Server("active", "pausing"))
    simulation.run(30)
    assert named(simulation.server("a")) == ("active", "pausing"), "nobody works on it"
    assert events_of(simulation) == ["pause"]
    simulation.request("a", "delete")
    simulation.settle()
    assert simulation.server("a").deleted, "it is not held"


def test_a_new_server_does_not_inherit_the_work_of_its_predecessor() -> None:
    simulation = Simulation(duration=_slow_reboots)
    simulation.put("a", Server("active"))
    simulation.request("a", "reboot:SOFT")
    simulation.request("a", "delete")
    simulation.run(10)
    assert simulation.server("a").deleted
    simulation.create("a")
    simulation.settle()
    assert named(simulation.server("a")) == ("active", None)
    assert "reboot:SOFT.overtaken" not in events_of(simulation)


def _slow_reboots(source: random.Random, action: ActionName, task: TaskState | None) -> float:
    return 12 if action is ActionName.REBOOT_SOFT else 1


# --- time


def test_durations_are_asked_of_for_each_step() -> None:
    asked = []

    def duration(source: random.Random, action: ActionName, task: TaskState | None) -> float:
        asked.append((action.value, task and task.value))
        return 10

    simulation = Simulation(duration=duration, now=100)
    simulation.create("a")
    simulation.settle()
    assert asked == [
        ("create", "scheduling"),
        ("create", None),
        ("create", "networking"),
        ("create", "block_device_mapping"),
        ("create", "spawning"),
    ]
    assert [event.time for event in simulation.history] == [100, 110, 120, 130, 140, 150]
    assert simulation.now == 150


def test_by_default_a_task_takes_one_to_five_seconds() -> None:
    simulation = Simulation()
    for number in range(50):
        simulation.create(str(number))
    simulation.settle()
    lengths = []
    for number in range(50):
        times = [event.time for event in simulation.history if event.uuid == str(number)]
        lengths += [after - before for before, after in pairwise(times)]
    assert all(1 <= length <= 5 for length in lengths)
    assert max(lengths) - min(lengths) > 3


def test_nothing_happens_while_no_time_passes() -> None:
    simulation = having()
    simulation.request("a", "os-stop")
    simulation.run(0)
    assert simulation.server("a").task_state is TaskState.POWERING_OFF
    simulation.run(0.99)
    assert simulation.server("a").task_state is TaskState.POWERING_OFF
    simulation.run(0.01)
    assert simulation.server("a").vm_state is VmState.STOPPED
    assert simulation.now == 1


def test_settling_ends_with_no_work_under_way() -> None:
    simulation = Simulation(seed=4, failure_rate=0.5)
    for number in range(30):
        simulation.create(str(number))
    simulation.settle()
    for action in USUAL * 2:
        for uuid in simulation:
            simulation.request(uuid, action)
        simulation.settle()
        assert not live_runs(simulation)
        now = simulation.now
        simulation.settle()
        assert simulation.now == now
    replay(simulation)


def test_held_work_stays_where_it_is() -> None:
    simulation = having()
    simulation.request("a", "resize")
    simulation.run(1.5)
    simulation.hold("a")
    simulation.settle()
    assert named(simulation.server("a")) == ("active", "resize_migrating")
    simulation.run(10_000)
    assert named(simulation.server("a")) == ("active", "resize_migrating")
    assert simulation.request("a", "pause").verdict.code == 409
    simulation.release("a")
    simulation.settle()
    assert named(simulation.server("a")) == ("resized", None)
    simulation.release("a")
    simulation.settle()
    replay(simulation, {"a": Server("active", power_state=PowerState.RUNNING)})


def test_holding_one_does_not_hold_another() -> None:
    simulation = having()
    simulation.put("b", Server("active"))
    simulation.hold("a")
    for uuid in "ab":
        simulation.request(uuid, "pause")
    simulation.settle()
    assert named(simulation.server("a")) == ("active", "pausing")
    assert named(simulation.server("b")) == ("paused", None)


# --- failures


def test_an_ordered_failure_strikes_once_and_the_next_one_next() -> None:
    simulation = having()
    simulation.fail("a", "os-stop", "driver-error")
    simulation.fail("a", "os-stop", "driver-error")
    simulation.fail("b", "os-stop", "driver-error")  # which is not there yet
    for expected in ("active", "active", "stopped"):
        simulation.request("a", "os-stop")
        simulation.settle()
        assert named(simulation.server("a")) == (expected, None)


def test_an_ordered_failure_is_for_its_action_alone() -> None:
    simulation = having()
    simulation.fail("a", "reboot:HARD", "not-implemented")
    simulation.request("a", "reboot:SOFT")
    simulation.settle()
    assert named(simulation.server("a")) == ("active", None)
    simulation.request("a", "reboot:HARD")
    simulation.settle()
    assert events_of(simulation)[-1] == "reboot:HARD.not-implemented"
    assert named(simulation.server("a")) == ("error", None)


def test_a_failure_strikes_where_it_is_told_to_or_not_at_all() -> None:
    def ends(at: str | None) -> list[str]:
        simulation = having()
        simulation.fail("a", "resize", "driver-error", at=at)
        simulation.request("a", "resize")
        simulation.settle()
        return events_of(simulation)

    progress = ["resize.progress"]
    assert ends(None) == ["resize", *progress, "resize.driver-error"]
    assert ends("resize_migrated") == ["resize", *progress * 2, "resize.driver-error"]
    assert ends("resize_finish") == ["resize", *progress * 3, "resize.driver-error"]
    assert ends("resize_prep") == ["resize", *progress * 3, "resize.done"]


def test_a_build_that_is_rescheduled_goes_on_once() -> None:
    simulation = Simulation(duration=second)
    simulation.fail("a", "create", "rescheduled", at=TaskState.SPAWNING)
    simulation.fail("a", "create", "rescheduled")
    simulation.fail("a", "create", "reschedule-exhausted", at=TaskState.NETWORKING)
    simulation.create("a")
    simulation.settle()
    assert events_of(simulation) == [
        "create",
        *["create.progress"] * 4,
        "create.rescheduled",
        "create.progress",
        "create.rescheduled",
        *["create.progress"] * 2,
        "create.reschedule-exhausted",
    ]
    assert named(simulation.server("a")) == ("error", None)
    replay(simulation)


def test_every_ordered_failure_that_follow_knows_strikes() -> None:
    book = API_REFERENCE
    for row in book:
        for server in idle():
            if not check(server, row.name, actor="admin") or not row.sources.run:
                continue
            for failure in dict.fromkeys(each.name for each in row.failures):
                simulation = having(server)
                simulation.fail("a", row.name, failure)
                simulation.request("a", row.name, actor="admin")
                simulation.settle()
                try:
                    steps = follow(server, row.name, failure=failure, actor="admin")
                except ValueError:
                    steps = follow(server, row.name, actor="admin")
                assert tuple(event.step for event in simulation.history) == steps


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_with_a_failure_rate_of_one_whatever_can_fail_does(rulebook: Rulebook) -> None:
    failed: set[tuple[ActionName, str]] = set()
    for seed in range(6):
        for server in idle():
            for row in rulebook:
                if not check(server, row.name, actor="admin", rulebook=rulebook):
                    continue
                simulation = having(server, seed=seed, failure_rate=1, rulebook=rulebook)
                step = simulation.request("a", row.name, actor="admin")
                simulation.settle()
                last = events_of(simulation)[-1].rpartition(".")[2]
                if step.then is not None and row.failures:
                    assert last not in (DONE, PROGRESS), (row.name, server)
                    failed.add((row.name, last))
    assert len(failed) > 60


def test_the_failure_rate_is_how_often_work_fails() -> None:
    simulation = Simulation(seed=1, failure_rate=0.25)
    for number in range(1500):
        simulation.put(str(number), Server("active", volume_backed=number % 2 == 0))
        simulation.request(str(number), "shelve")
    simulation.settle()
    failed = sum(
        event.step.verdict is None and not event.step.event.endswith((DONE, PROGRESS))
        for event in simulation.history
    )
    assert 320 < failed < 430
    assert sum(event.step.event == "shelve.done" for event in simulation.history) == 1500 - failed


def test_work_that_is_held_keeps_its_failure() -> None:
    simulation = having()
    simulation.fail("a", "pause", "driver-error")
    simulation.hold("a")
    simulation.request("a", "pause")
    simulation.run(10)
    simulation.release("a")
    simulation.settle()
    assert named(simulation.server("a")) == ("active", None)


# --- guests, and the periodic tasks


def test_a_guest_s_change_is_found_at_the_next_sync_and_not_before() -> None:
    simulation = having()
    simulation.run(100)
    simulation.guest("a", PowerState.SHUTDOWN)
    simulation.run(EVERY - 100.5)
    assert simulation.server("a").power_state is PowerState.RUNNING
    assert simulation.history == []
    simulation.run(0.5)
    assert events_of(simulation) == ["power-sync.SHUTDOWN"]
    assert simulation.history[0].time == EVERY
    assert named(simulation.server("a")) == ("active", "powering-off")
    simulation.settle()
    assert named(simulation.server("a")) == ("stopped", None)
    assert simulation.server("a").power_state is PowerState.SHUTDOWN
    simulation.run(10 * EVERY)
    assert len(simulation.history) == 2, "nothing more is found"


def test_a_guest_that_somebody_started_is_stopped_again() -> None:
    simulation = having(Server("stopped", power_state=PowerState.SHUTDOWN))
    simulation.guest("a", 1)
    simulation.run(EVERY + 10)
    assert events_of(simulation) == ["power-sync.RUNNING", "os-stop.done"]
    simulation.run(10 * EVERY)
    assert len(simulation.history) == 2, "the guest is off now"


def test_a_guest_that_changes_back_in_time_is_not_found() -> None:
    simulation = having()
    simulation.guest("a", PowerState.SHUTDOWN)
    simulation.run(EVERY - 1)
    simulation.guest("a", PowerState.RUNNING)
    simulation.run(EVERY)
    assert simulation.history == []


def test_the_sync_passes_by_what_is_under_way() -> None:
    simulation = having()
    simulation.run(EVERY - 3.5)
    simulation.request("a", "resize")
    simulation.guest("a", PowerState.CRASHED)
    simulation.run(3.6)
    assert all(not event.startswith("power-sync") for event in events_of(simulation))


def test_without_the_sync_nobody_learns_of_a_guest() -> None:
    simulation = having(options=Options(sync_power_state_interval=-1))
    simulation.guest("a", PowerState.SHUTDOWN)
    simulation.run(100_000)
    assert simulation.history == []


@pytest.mark.parametrize("action", ["reboot:HARD", "reboot:SOFT", "rebuild"])
def test_a_guest_that_is_started_again_runs(action: str) -> None:
    simulation = having()
    simulation.guest("a", PowerState.CRASHED)
    simulation.request("a", action)
    simulation.settle()
    simulation.run(2 * EVERY)
    assert named(simulation.server("a")) == ("active", None)
    assert not any(event.startswith("power-sync") for event in events_of(simulation))


@pytest.mark.parametrize("failure", [None, "driver-error", "image-deleted"])
def test_work_that_leaves_the_guest_alone_does_not_start_it(failure: str | None) -> None:
    simulation = having()
    simulation.guest("a", PowerState.SHUTDOWN)
    if failure is not None:
        simulation.fail("a", "createImage", failure)
    simulation.request("a", "createImage")
    simulation.run(2 * EVERY)
    assert named(simulation.server("a")) == ("stopped", None)


def test_a_failure_does_not_start_the_guest() -> None:
    simulation = having()
    simulation.guest("a", PowerState.SHUTDOWN)
    simulation.fail("a", "suspend", "driver-error")
    simulation.request("a", "suspend")
    simulation.settle()
    assert named(simulation.server("a")) == ("error", None)
    simulation.run(EVERY)
    assert simulation.server("a").power_state is PowerState.SHUTDOWN
    simulation.request("a", "os-resetState:active", actor="admin")
    simulation.run(2 * EVERY)
    assert named(simulation.server("a")) == ("stopped", None)


def test_of_a_server_without_a_host_no_guest_is_seen() -> None:
    simulation = having(Server("shelved_offloaded"))
    simulation.guest("a", PowerState.CRASHED)
    simulation.run(3 * EVERY)
    assert simulation.history == []


MEASURING = [timer for timer in TIMERS if timer.since is not None]


@pytest.mark.parametrize("timer", MEASURING, ids=lambda timer: timer.option)
@pytest.mark.parametrize("begin", [0, 7, 59, 60, 61.5, 3599, 3600])
@pytest.mark.parametrize("value", [1, 60, 100])
def test_a_timer_strikes_within_a_period_after_its_time(
    timer: Timer, begin: float, value: int
) -> None:
    options = Options(**{timer.option: value})
    every = period(timer, options)
    assert every is not None
    simulation = Simulation(options=options, duration=second)
    simulation.run(begin)
    vm_state = next(iter(timer.vm_states)) if timer.vm_states else VmState.ACTIVE
    task = None if None in (timer.task_states or {None}) else TaskState.REBOOTING
    simulation.put("a", Server(vm_state, task, PowerState.SHUTDOWN))
    simulation.run(2 * every + value)
    struck = [event.time for event in simulation.history if event.step.event == timer.option]
    if timer.event is None and timer.end is None:
        assert struck == []
        return
    assert len(struck[:1]) == 1
    late = struck[0] - (begin + value)
    assert 0 <= late <= every
    assert late > 0 or timer.at_once
    assert struck[0] % every == 0
    before = [time for time in range(0, int(struck[0]), every) if time > begin + value]
    assert before == [], "not at a later look"


@pytest.mark.parametrize("timer", MEASURING, ids=lambda timer: timer.option)
def test_a_timer_that_is_off_does_not_strike(timer: Timer) -> None:
    simulation = Simulation(options=Options(**{timer.option: timer.default}))
    vm_state = next(iter(timer.vm_states)) if timer.vm_states else VmState.ACTIVE
    simulation.put("a", Server(vm_state, power_state=PowerState.SHUTDOWN))
    simulation.run(100_000)
    assert timer.option not in all_events(simulation)


def test_timers_measure_what_happened_in_the_simulation() -> None:
    options = Options(
        rescue_timeout=300,
        resize_confirm_window=300,
        reclaim_instance_interval=300,
        shelved_offload_time=300,
        shelved_poll_interval=60,
    )
    simulation = Simulation(options=options, duration=second)
    wanted = {
        "rescue": ("rescue_timeout", "active"),
        "resize": ("resize_confirm_window", "active"),
        "delete": ("reclaim_instance_interval", "deleted"),
        "shelve": ("shelved_offload_time", "shelved_offloaded"),
    }
    for action in wanted:
        simulation.create(action)
    simulation.run(1000.5)
    for action in wanted:
        simulation.request(action, action)
    simulation.settle()
    simulation.run(280)
    for action, (option, _) in wanted.items():
        assert option not in events_of(simulation, action)
    simulation.run(90)
    for action, (option, end) in wanted.items():
        assert option in events_of(simulation, action)
        assert simulation.server(action).vm_state.value == end
    replay(simulation)


def test_a_build_that_takes_too_long_is_given_up() -> None:
    simulation = Simulation(options=Options(instance_build_timeout=100), duration=second)
    simulation.create("a")
    simulation.run(2.5)
    simulation.hold("a")
    simulation.run(200)
    assert named(simulation.server("a")) == ("error", "networking")
    simulation.release("a")
    simulation.settle()
    assert events_of(simulation)[3:5] == ["instance_build_timeout", "create.overtaken"]
    replay(simulation)


# --- hosts


def test_work_is_lost_with_its_host_and_the_restart_sees_to_it() -> None:
    simulation = having()
    simulation.request("a", "reboot:SOFT")
    simulation.run(1.5)
    simulation.host_down(guests=PowerState.SHUTDOWN)
    simulation.settle()
    simulation.run(10 * EVERY)
    assert named(simulation.server("a")) == ("active", "reboot_pending"), "nobody works on it"
    simulation.host_up()
    assert events_of(simulation)[-1] == "compute-restart.SHUTDOWN"
    simulation.settle()
    assert named(simulation.server("a")) == ("active", None)
    simulation.run(2 * EVERY)
    assert named(simulation.server("a")) == ("active", None), "its guest runs"


@pytest.mark.parametrize(
    ("action", "steps", "guests", "end"),
    [
        ("os-stop", 0, None, ("stopped", None)),
        ("pause", 0, None, ("active", None)),
        ("pause", 0, PowerState.SHUTDOWN, ("active", "pausing")),
        ("suspend", 0, None, ("active", "suspending")),
        ("rebuild", 0, None, ("error", None)),
        ("createImage", 0, None, ("active", None)),
        ("resize", 1, None, ("active", None)),
        ("resize", 2, None, ("active", "resize_migrated")),
        ("delete", 0, None, ("deleted", None)),
        ("reboot:HARD", 1, None, ("active", None)),
    ],
)
def test_what_a_restart_makes_of_interrupted_work(
    action: str, steps: int, guests: PowerState | None, end: tuple[str, str | None]
) -> None:
    simulation = having()
    simulation.request("a", action)
    simulation.run(steps + 0.5)
    simulation.host_down(guests=guests)
    simulation.run(60)
    simulation.host_up()
    simulation.settle()
    assert named(simulation.server("a")) == end
    replay(simulation, {"a": Server("active", power_state=PowerState.RUNNING)})


def test_a_restart_forgets_a_task_and_does_not_start_the_guest() -> None:
    simulation = having()
    simulation.request("a", "createImage")
    simulation.host_down(guests=PowerState.SHUTDOWN)
    simulation.host_up()
    simulation.run(2 * EVERY)
    assert named(simulation.server("a")) == ("stopped", None)


def test_an_interrupted_build_is_given_up() -> None:
    simulation = Simulation(duration=second)
    simulation.create("a")
    simulation.run(2.5)
    simulation.host_down()
    simulation.run(60)
    simulation.host_up()
    simulation.settle()
    assert named(simulation.server("a")) == ("error", None)


def test_requests_to_a_dead_host_are_carried_out_afterwards() -> None:
    simulation = Simulation(duration=second)
    for uuid in ("suspend", "shelve", "os-stop"):
        simulation.put(uuid, Server("active", power_state=PowerState.RUNNING))
    simulation.host_down()
    for uuid in ("suspend", "shelve", "os-stop"):
        assert simulation.request(uuid, uuid).verdict.allowed
    simulation.create("new")
    simulation.settle()
    simulation.host_down()  # a second time says nothing new
    simulation.run(3600)
    assert all(simulation.server(uuid).task_state is not None for uuid in simulation)
    simulation.host_up()
    simulation.settle()
    ends = [simulation.server(uuid).vm_state.value for uuid in simulation]
    assert ends == ["suspended", "shelved_offloaded", "stopped", "active"]
    assert not any(event.endswith(OVERTAKEN) for event in all_events(simulation))
    running = Server("active", power_state=PowerState.RUNNING)
    replay(simulation, dict.fromkeys(("suspend", "shelve", "os-stop"), running))


def test_what_the_restart_took_as_done_is_not_done_again() -> None:
    simulation = having()
    simulation.host_down()
    simulation.request("a", "pause")
    simulation.run(10)
    simulation.host_up()
    simulation.settle()
    assert events_of(simulation) == ["pause", "compute-restart.RUNNING", "pause.overtaken"]
    assert named(simulation.server("a")) == ("active", None)


def test_a_failure_ordered_for_a_request_to_a_dead_host_strikes() -> None:
    simulation = having()
    simulation.host_down()
    simulation.fail("a", "os-stop", "driver-error")
    simulation.request("a", "os-stop")
    simulation.run(10)
    simulation.host_up()
    simulation.settle()
    assert events_of(simulation) == ["os-stop", "os-stop.driver-error"]


@pytest.mark.parametrize("action", ["delete", "forceDelete"])
@pytest.mark.parametrize("options", SETTINGS[:2], ids=str)
def test_a_delete_on_a_dead_host_is_immediate(action: str, options: Options) -> None:
    simulation = having(options=options)
    simulation.host_down()
    step = simulation.request("a", action)
    assert step.server.deleted
    assert step.then is None
    assert simulation.show("a") is None
    assert simulation.now == 0
    simulation.host_up()
    simulation.settle()
    assert len(simulation.history) == 1


def test_a_refused_delete_on_a_dead_host_changes_nothing() -> None:
    locked = Server("active", locked=True)
    simulation = having(locked)
    simulation.host_down()
    assert simulation.request("a", "delete").server == locked
    assert simulation.server("a") == locked


def test_a_host_that_is_not_down_does_not_come_up() -> None:
    simulation = having()
    simulation.request("a", "os-stop")
    simulation.host_up()
    simulation.host_up("nowhere")
    simulation.settle()
    assert events_of(simulation) == ["os-stop", "os-stop.done"]


def test_other_hosts_do_not_care() -> None:
    simulation = having()
    simulation.put("b", Server("active", power_state=PowerState.RUNNING), host="host-2")
    simulation.host_down("host-2", guests=PowerState.SHUTDOWN)
    for uuid in "ab":
        simulation.request(uuid, "suspend")
    simulation.settle()
    assert named(simulation.server("a")) == ("suspended", None)
    assert named(simulation.server("b")) == ("active", "suspending")
    simulation.run(10 * EVERY)
    assert events_of(simulation, "b") == ["suspend"], "nobody looks at it"


def test_held_work_is_lost_with_its_host_all_the_same() -> None:
    simulation = having()
    simulation.hold("a")
    simulation.request("a", "suspend")
    simulation.run(10)
    simulation.host_down()
    simulation.host_up()
    simulation.release("a")
    simulation.settle()
    assert named(simulation.server("a")) == ("active", "suspending")


def test_held_work_waits_for_release_though_its_host_came_back() -> None:
    simulation = having()
    simulation.hold("a")
    simulation.host_down()
    simulation.request("a", "suspend")
    simulation.release("a")
    simulation.hold("a")
    simulation.host_up()
    simulation.settle()
    assert named(simulation.server("a")) == ("active", "suspending")
    simulation.release("a")
    simulation.settle()
    assert named(simulation.server("a")) == ("suspended", None)


def test_evacuation_leaves_the_dead_host() -> None:
    simulation = having()
    simulation.request("a", "pause")
    simulation.host_down(guests=PowerState.SHUTDOWN)
    assert simulation.request("a", "evacuate", actor="admin").verdict.code == 200
    simulation.settle()
    assert named(simulation.server("a")) == ("stopped", None)
    assert not any(event.endswith(OVERTAKEN) for event in events_of(simulation)), "that was lost"
    simulation.request("a", "os-start")
    simulation.settle()
    assert named(simulation.server("a")) == ("active", None), "its new host is up"
    seen = len(simulation.history)
    simulation.host_up()
    simulation.run(2 * EVERY)
    assert len(simulation.history) == seen


def test_the_old_host_lets_a_server_alone_that_is_being_evacuated() -> None:
    simulation = having()
    simulation.host_down()
    simulation.request("a", "evacuate", actor="admin", microversion="2.94")
    simulation.run(1.5)
    simulation.host_up()
    simulation.settle()
    assert named(simulation.server("a")) == ("active", None)


@pytest.mark.parametrize("failure", ["forced-no-valid-host", "claim-failed", "not-implemented"])
def test_an_evacuation_that_fails_leaves_the_server_on_the_dead_host(failure: str) -> None:
    simulation = having()
    simulation.host_down()
    simulation.fail("a", "evacuate", failure)
    simulation.request("a", "evacuate", actor="admin")
    simulation.settle()
    simulation.request("a", "os-stop")
    simulation.settle()
    assert named(simulation.server("a")) == ("active", "powering-off")
    assert simulation.request("a", "delete").server.deleted


def test_what_was_asked_of_the_dead_host_finds_the_server_gone_from_there() -> None:
    simulation = having()
    simulation.host_down()
    simulation.request("a", "suspend")
    simulation.request("a", "evacuate", actor="admin")
    simulation.settle()
    assert "suspend.overtaken" not in events_of(simulation)
    simulation.host_up()
    simulation.settle()
    assert events_of(simulation)[-1] == "suspend.overtaken"
    assert named(simulation.server("a")) == ("stopped", None)


# --- overlapping requests

DELETES = [name for name in ActionName if name not in (ActionName.CREATE, ActionName.DELETE)]


@pytest.mark.parametrize("steps", [0.5, 1.5, 2.5])
def test_a_delete_ends_whatever_was_under_way(steps: float) -> None:
    for server in idle():
        for name in DELETES:
            simulation = having(server)
            if not simulation.request("a", name, actor="admin").then:
                continue
            simulation.run(steps)
            if simulation.server("a").deleted:
                continue
            simulation.request("a", "delete", actor="admin")
            simulation.settle()
            left = simulation.server("a")
            assert left.deleted or left.task_state is None, (name, server)
            replay(simulation, {"a": server})


def test_a_hard_reboot_overtakes_a_soft_one() -> None:
    simulation = having()
    simulation.request("a", "reboot:SOFT")
    simulation.run(0.5)
    simulation.request("a", "reboot:HARD")
    simulation.settle()
    assert events_of(simulation) == [
        "reboot:SOFT",
        "reboot:HARD",
        "reboot:SOFT.overtaken",
        *["reboot:HARD.progress"] * 2,
        "reboot:HARD.done",
    ]
    assert named(simulation.server("a")) == ("active", None)


def test_a_soft_reboot_that_is_further_ends_the_hard_one_s_task() -> None:
    """As the table says of each: `overtaken`."""
    simulation = having()
    simulation.request("a", "reboot:SOFT")
    simulation.run(1.5)
    simulation.request("a", "reboot:HARD")
    simulation.settle()
    steps = {event.step.event: event.step.server for event in simulation.history}
    assert named(steps["reboot:SOFT.overtaken"]) == ("active", None)
    assert named(steps["reboot:HARD.overtaken"]) == ("active", None)


def test_after_a_reset_the_work_finds_itself_overtaken() -> None:
    for action in ("pause", "resize", "suspend", "rebuild", "shelve"):
        for state in ("active", "error"):
            simulation = having()
            simulation.request("a", action)
            simulation.run(0.5)
            simulation.request("a", f"os-resetState:{state}", actor="admin")
            before = simulation.server("a")
            at = simulation.history[0].step.server.task_state
            simulation.settle()
            known = overtakings(before, ActionName(action), at, rulebook=API_REFERENCE)
            assert simulation.history[-1].step == known[0]
            assert simulation.server("a") == known[0].server


def test_work_that_is_overtaken_and_goes_on_keeps_its_failure() -> None:
    simulation = Simulation(duration=second)
    simulation.fail("a", "create", "driver-error", at=TaskState.SPAWNING)
    simulation.create("a")
    simulation.run(0.5)
    simulation.request("a", "os-resetState:error", actor="admin")
    simulation.settle()
    assert events_of(simulation)[2] == "create.overtaken"
    assert events_of(simulation)[-1] == "create.driver-error"
    assert events_of(simulation).count("create.driver-error") == 1
    replay(simulation)


def test_two_requests_without_a_task_both_work() -> None:
    resized = Server("resized", power_state=PowerState.RUNNING)
    simulation = having(resized)
    for _ in range(2):
        assert simulation.request("a", "confirmResize").verdict.code == 204
    simulation.settle()
    assert events_of(simulation)[2:] == ["confirmResize.done", "confirmResize.overtaken"]
    replay(simulation, {"a": resized})


def test_a_lock_does_not_disturb_work() -> None:
    simulation = having()
    simulation.request("a", "os-stop")
    simulation.request("a", "lock")
    simulation.settle()
    assert named(simulation.server("a")) == ("stopped", None)
    assert simulation.server("a").locked


# --- anything at all


def live_runs(simulation: Simulation) -> list[Any]:
    """The work that is not over: it will go on, or waits to."""
    queued = [run for _, _, run, _ in simulation._queue if run is not None]
    parked = [run for life in simulation._lives.values() for run in life.parked]
    return [
        run
        for run in queued + parked
        if simulation._lives[run.life.uuid] is run.life
        and not run.life.server.deleted
        and run.outage == simulation._outages[run.host]
    ]


UUIDS = st.sampled_from(("a", "b", "c"))
HOSTS = st.sampled_from(("host-1", "host-2"))
FAILURES = [
    (row.name, word) for row in API_REFERENCE for word in words(row) if word not in (DONE, PROGRESS)
]


class Anything(RuleBasedStateMachine):
    """Every method in any order."""

    @initialize(
        seed=st.integers(0, 99),
        rulebook=st.sampled_from(BOOKS),
        options=st.sampled_from(SETTINGS),
        failure_rate=st.sampled_from((0, 0, 0.3, 1)),
    )
    def begin(self, **arguments: Any) -> None:
        self.simulation = Simulation(**arguments)
        self.put: dict[str, Server] = {}
        self.excused: set[str] = set()  # whose task nobody may be working on

    @rule(uuid=UUIDS, host=HOSTS, volume_backed=st.booleans())
    def create(self, uuid: str, host: str, volume_backed: bool) -> None:
        is_there = uuid in list(self.simulation)
        step = self.simulation.create(uuid, host=host, volume_backed=volume_backed)
        assert step.verdict is not None
        assert step.verdict.allowed is not is_there
        if not is_there:
            self.excused.discard(uuid)

    @rule(uuid=UUIDS, action=st.sampled_from(ActionName))
    def ask(self, uuid: str, action: ActionName) -> None:
        if uuid in self.simulation._lives:
            before = self.simulation.server(uuid)
            step = self.simulation.request(uuid, action, actor="admin")
            assert step.verdict is not None
            if not step.verdict.allowed and self.simulation.server(uuid) != before:
                self.excused.add(uuid)  # written before it was refused

    @rule(
        uuid=UUIDS, action=st.sampled_from((*USUAL, "shelve", "unshelve", "delete", "reboot:HARD"))
    )
    def ask_as_usual(self, uuid: str, action: str) -> None:
        if uuid in self.simulation._lives:
            self.simulation.request(uuid, action)

    @rule(uuid=UUIDS, order=st.sampled_from(FAILURES), at=st.none() | st.sampled_from(TaskState))
    def fail(self, uuid: str, order: tuple[ActionName, str], at: TaskState | None) -> None:
        self.simulation.fail(uuid, *order, at=at)

    @rule(uuid=UUIDS)
    def hold(self, uuid: str) -> None:
        if uuid in self.simulation._lives:
            self.simulation.hold(uuid)

    @rule(uuid=UUIDS)
    def release(self, uuid: str) -> None:
        if uuid in self.simulation._lives:
            self.simulation.release(uuid)

    @rule(uuid=UUIDS, power=st.sampled_from(PowerState))
    def guest(self, uuid: str, power: PowerState) -> None:
        if uuid in self.simulation._lives:
            self.simulation.guest(uuid, power)

    @rule(host=HOSTS, guests=st.none() | st.sampled_from(PowerState))
    def host_down(self, host: str, guests: PowerState | None) -> None:
        self.simulation.host_down(host, guests=guests)
        lives = self.simulation._lives.values()
        self.excused |= {life.uuid for life in lives if life.host.startswith(host)}

    @rule(host=HOSTS)
    def host_up(self, host: str) -> None:
        self.simulation.host_up(host)

    @rule(seconds=st.sampled_from((0, 1, 3, 60, 700)))
    def run_on(self, seconds: float) -> None:
        before = self.simulation.now
        self.simulation.run(seconds)
        assert self.simulation.now == before + seconds

    @rule()
    def settle(self) -> None:
        self.simulation.settle()
        simulation = self.simulation
        for run in live_runs(simulation):
            assert run.life.held or run.host in simulation._down
            assert run in run.life.parked

    @invariant()
    def what_is_shown_is_the_server(self) -> None:
        for uuid in self.simulation:
            document = self.simulation.show(uuid)
            assert document is not None
            assert Server.from_api(document) == self.simulation.server(uuid)

    @invariant()
    def a_busy_server_is_worked_on(self) -> None:
        working = live_runs(self.simulation)
        for uuid in self.simulation:
            server = self.simulation.server(uuid)
            if server.task_state is None or uuid in self.excused or self._is_left(uuid):
                continue
            assert any(
                run.life.uuid == uuid and pair(run.last) == pair(server) for run in working
            ), (uuid, server, events_of(self.simulation, uuid))

    def _is_left(self, uuid: str) -> bool:
        """Whether the table says that the task is left behind."""
        history = [event.step for event in self.simulation.history if event.uuid == uuid]
        server = self.simulation.server(uuid)
        first = len(history) - 1
        while first and pair_of(history[first - 1]) == pair(server):
            first -= 1
        for step in history[first:]:
            name, _, word = step.event.rpartition(".")
            if word == OVERTAKEN or step.event == "instance_build_timeout":
                return True
            if name in list(ActionName) and word not in (DONE, PROGRESS):
                row = self.simulation.rulebook[ActionName(name)]
                if any(each.name == word and each.left is not None for each in row.failures):
                    return True
        return False

    @invariant()
    def idle_servers_are_left_alone(self) -> None:
        """Work without a task_state there is only where a row has such a step, or none at all."""
        for run in live_runs(self.simulation):
            if run.last.task_state is None:
                row = self.simulation.rulebook[run.action]
                paths = [outcome.path for outcome in row.success]
                assert () in paths or (VmState.BUILDING, None) in {s for p in paths for s in p}

    @invariant()
    def no_work_is_done_twice(self) -> None:
        """As many runs stand where the server stands as requests led there, and no more."""
        working = Counter(
            run.life.uuid for run in live_runs(self.simulation) if pair(run.last) == pair_now(run)
        )
        for uuid, number in working.items():
            steps = [event.step for event in self.simulation.history if event.uuid == uuid]
            begun = sum(step.then is not None and not is_later(step) for step in steps)
            ended = sum(step.verdict is None and step.then is None for step in steps)
            assert number <= begun
            if not any("resetState" in step.event for step in steps) and number > 1:
                here = [
                    step for step in steps if step.server and pair_of(step) == pair_of(steps[-1])
                ]
                assert number <= sum(step.then is not None for step in here), (begun, ended)

    def teardown(self) -> None:
        if hasattr(self, "simulation"):
            replay(self.simulation)


def is_later(step: Step) -> bool:
    return step.event.endswith(f".{PROGRESS}")


def pair_of(step: Step) -> State | None:
    return None if step.server is None else pair(step.server)


def pair_now(run: Any) -> State:
    return pair(run.life.server)


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
