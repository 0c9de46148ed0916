"""`Simulation`: guests that change by themselves, timers, hosts that die, requests that overlap."""

from __future__ import annotations

import pytest

from serverfsm import (
    API_REFERENCE,
    ActionName,
    Options,
    PowerState,
    Server,
    Simulation,
    TaskState,
    VmState,
)
from serverfsm.clock import period
from serverfsm.rows import Timer
from serverfsm.step import OVERTAKEN, overtakings
from serverfsm.unprompted import TIMERS
from tests.simulating import (
    EVERY,
    SETTINGS,
    all_events,
    events_of,
    having,
    idle,
    named,
    replay,
    second,
)

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
