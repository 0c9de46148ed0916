"""`Simulation`: histories, servers, time, ordered failures."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
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
    check,
    follow,
)
from serverfsm.running import DONE, PROGRESS
from serverfsm.simulation import Event
from serverfsm.step import OVERTAKEN
from tests.simulating import (
    BOOKS,
    SETTINGS,
    USUAL,
    all_events,
    events_of,
    having,
    idle,
    live_runs,
    named,
    replay,
    second,
)

# --- every history is a path in the graph, and can be replayed


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
