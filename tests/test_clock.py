"""`tick` and what it measures, on clocks of every kind; the real timers are in test_nova_events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverfsm import (
    ActionName,
    BadOptionError,
    LockedBy,
    MalformedServerError,
    Options,
    PowerState,
    Server,
    TaskState,
    UnknownOptionError,
    VmState,
    accept,
    tick,
)
from serverfsm.clock import due_at, period, stamped
from serverfsm.rows import Moment, Timer
from serverfsm.states import ComputeDriver
from serverfsm.unprompted import TIMERS

BY_OPTION = {timer.option: timer for timer in TIMERS}
MEASURING = [timer for timer in TIMERS if timer.since is not None]


def in_reach(timer: Timer) -> Server:
    """A server that a timer is about."""
    vm_state = next(iter(timer.vm_states)) if timer.vm_states else VmState.ACTIVE
    task = None
    if timer.task_states is not None and None not in timer.task_states:
        task = sorted(timer.task_states, key=str)[0]
    return Server(vm_state, task)


@pytest.mark.parametrize("timer", MEASURING, ids=lambda timer: timer.option)
def test_a_timer_strikes_when_its_time_has_passed(timer: Timer) -> None:
    assert timer.since is not None
    options = Options(**{timer.option: 60})
    server = in_reach(timer)

    def struck(now: float) -> bool:
        return tick(server, now, {timer.since: 1000.0}, options=options).event == timer.option

    acts = timer.event is not None or timer.end is not None
    assert not struck(1059)
    assert struck(1060) is (acts and timer.at_once)
    assert struck(1061) is acts


@pytest.mark.parametrize("timer", MEASURING, ids=lambda timer: timer.option)
def test_a_timer_that_is_off_never_strikes(timer: Timer) -> None:
    assert timer.since is not None
    for value in {timer.default, 0} - {60}:
        options = Options(**{timer.option: value})
        assert due_at(timer, {timer.since: 0}, options) is None


def test_an_unknown_moment_counts_as_long_ago_only_where_the_table_says_so() -> None:
    for timer in MEASURING:
        options = Options(**{timer.option: 60})
        assert (due_at(timer, {}, options) is not None) is timer.unknown_is_past
    soft = Server("soft-delete")
    assert tick(soft, 0, {}, options=Options(reclaim_instance_interval=60)).server.deleted


def test_timers_pass_by_locks() -> None:
    options, times = Options(rescue_timeout=60), {Moment.LAUNCHED: 0.0}
    for holder in LockedBy:
        locked = Server("rescued", locked=True, locked_by=holder)
        assert tick(locked, 61, times, options=options).event == "rescue_timeout"


def test_the_sync_finds_a_guest_that_shut_itself_down() -> None:
    server = Server("active", power_state=PowerState.RUNNING)
    assert tick(server, 0, {}).event == "", "nothing has changed"
    step = tick(server, 0, {}, guest=PowerState.SHUTDOWN)
    assert (step.event, step.then) == ("power-sync.SHUTDOWN", ActionName.STOP)
    assert step.server.task_state is TaskState.POWERING_OFF
    off = Options(sync_power_state_interval=-1)
    assert tick(server, 0, {}, guest=PowerState.SHUTDOWN, options=off).event == ""


def test_only_the_timers_asked_for_look() -> None:
    server, times = Server("rescued"), {Moment.LAUNCHED: 0.0}
    options = Options(rescue_timeout=60)
    others = [timer for timer in TIMERS if timer.option != "rescue_timeout"]
    assert tick(server, 100, times, timers=others, options=options).event == ""


def test_how_often_nova_looks() -> None:
    poll = BY_OPTION["shelved_offload_time"]
    assert period(poll, Options(shelved_poll_interval=0)) == 60
    assert period(poll, Options(shelved_poll_interval=-1)) is None
    assert period(BY_OPTION["rescue_timeout"], Options(rescue_timeout=5)) == 60


def test_of_a_mere_status_no_timer_is_told() -> None:
    with pytest.raises(MalformedServerError, match="RESCUE"):
        tick(
            Server.from_status("RESCUE"),
            100,
            {Moment.LAUNCHED: 0},
            options=Options(rescue_timeout=1),
        )


def test_each_moment_is_stamped_by_some_step() -> None:
    """A timer whose moment nothing sets would never strike."""
    from serverfsm import API_REFERENCE
    from serverfsm.rows import EffectKind

    def effects() -> set[str]:
        found = set()
        for row in API_REFERENCE:
            for each in (*row.writes, *row.success, *row.failures):
                found |= {e.value for e in each.effects if e.kind is EffectKind.TIME}
        return found

    measured = {timer.since for timer in TIMERS if timer.since is not None} - {Moment.UPDATED}
    assert {moment.value for moment in measured} <= effects()
    step = accept(Server("active"), "os-stop")
    assert stamped({Moment.CREATED: 1}, step, 7) == {Moment.CREATED: 1, Moment.UPDATED: 7}


# --- options


def test_the_defaults_are_those_of_the_table() -> None:
    for timer in TIMERS:
        assert getattr(Options(), timer.option) == timer.default
        if timer.poll_option is not None:
            assert getattr(Options(), timer.poll_option) == timer.poll


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Options(rescue_timeout="60"), "rescue_timeout must be a whole number"),
        (lambda: Options(rescue_timeout=True), "not True"),
        (lambda: Options(rescue_timeout=1.5), "not 1.5"),
        (lambda: Options(compute_driver="xen"), "compute_driver must be libvirt"),
        (lambda: Options.from_mapping({"rescue_timeout": "soon"}), "not 'soon'"),
    ],
)
def test_a_bad_option_is_named(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(BadOptionError, match=words):
        make()


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(UnknownOptionError, match="did you mean 'rescue_timeout'"):
        Options.from_mapping({"rescue_timout": 60})


@given(seconds=st.integers(-(10**6), 10**6))
def test_options_may_be_text(seconds: int) -> None:
    assert Options.from_mapping({"shelved_offload_time": str(seconds)}) == Options(
        shelved_offload_time=seconds
    )
    assert Options.from_mapping({"compute_driver": "fake.FakeDriver"}).compute_driver is (
        ComputeDriver.FAKE
    )
