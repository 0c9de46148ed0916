"""What Nova does by the clock: the kind "timer".

Given are

`option`, `value`
    The option that sets the timer, and its value in the scenario.
`since`, `age`, `others`
    A timestamp ("all" of them, or one of TIMESTAMPS) is `age` seconds old (None: there is none);
    all others are `others` seconds old.
`vm_state`, `task_state`, `lock`
    The server's row; who locked it.
`with`
    What else is so: "" nothing; "another-host": another host looks; "no-host": the row has no
    host; "source-down": of a resize; "fails": what the hypervisor is asked to do fails;
    "not-implemented": it lacks it. "spacing": nothing is done, but how often Nova looks is noted
    (None: never), `value` being that of the option that says so.

Besides those of observe.py and stage.py, there are the entries ["hypervisor", operation, number of
servers], ["raises", exception], where the periodic task ended in one, and ["spacing", seconds,
whether at once], and ["refused"], where the option may not have the value.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

from cloud import Cloud  # before nova: it patches the process
from nova.compute import manager as compute_manager
from oslo_service import periodic_task
from oslo_utils import timeutils
from restart import TASKS, VM_STATES
from stage import Entry, Stage, World

Given = dict[str, Any]

WINDOW = 3600
OLD = 10 * WINDOW
INSTANCE = ("created_at", "updated_at", "launched_at", "deleted_at", "terminated_at")
MIGRATION = ("created_at", "updated_at")
TIMESTAMPS = (
    *(f"instances.{name}" for name in INSTANCE),
    *(f"migrations.{name}" for name in MIGRATION),
    "system_metadata.shelved_at",
)
SPACING = "spacing"


@dataclass(frozen=True)
class Timer:
    """A periodic task: its name, where it acts, and what it asks of the hypervisor."""

    task: str
    vm_state: str
    task_state: str | None = None
    operation: str = ""
    more: tuple[str, ...] = ()


FAILURES = ("fails", "not-implemented")
TIMERS: Mapping[str, Timer] = {
    "resize_confirm_window": Timer(
        "_poll_unconfirmed_resizes",
        "resized",
        operation="confirm_migration",
        more=(*FAILURES, "source-down"),
    ),
    "shelved_offload_time": Timer(
        "_poll_shelved_instances", "shelved", operation="destroy", more=FAILURES
    ),
    "reclaim_instance_interval": Timer(
        "_reclaim_queued_deletes", "soft-delete", operation="destroy", more=FAILURES
    ),
    "instance_build_timeout": Timer("_check_instance_build_time", "building"),
    "reboot_timeout": Timer(
        "_poll_rebooting_instances",
        "active",
        "rebooting",
        operation="poll_rebooting_instances",
        more=FAILURES,
    ),
    "rescue_timeout": Timer(
        "_poll_rescued_instances", "rescued", operation="unrescue", more=FAILURES
    ),
}
#: Option -> the periodic task whose spacing it is.
SPACINGS = {
    "shelved_poll_interval": "_poll_shelved_instances",
    "sync_power_state_interval": "_sync_power_states",
}


def given(
    option: str,
    value: int = WINDOW,
    since: str = "all",
    age: int | None = OLD,
    others: int = OLD,
    vm_state: str | None = None,
    task_state: Any = ...,
    lock: str | None = None,
    special: str = "",
) -> Given:
    """Return what is given; the states are those in which the timer acts unless said."""
    timer = TIMERS.get(option, Timer("", "active"))
    return {
        "option": option,
        "value": value,
        "since": since,
        "age": age,
        "others": others,
        "vm_state": vm_state or timer.vm_state,
        "task_state": timer.task_state if task_state is ... else task_state,
        "lock": lock,
        "with": special,
    }


def scenarios() -> Iterator[Given]:
    """Yield what is given in all scenarios."""
    for option, timer in TIMERS.items():
        yield from _times(option)
        for vm_state in VM_STATES:
            for task_state in TASKS:
                yield given(option, vm_state=vm_state, task_state=task_state)
        for lock in ("owner", "admin"):
            yield given(option, lock=lock)
        for special in ("another-host", "no-host", *timer.more, SPACING):
            yield given(option, special=special)
    for option in SPACINGS:
        for value in (-1, 0, 600, 3600):
            yield given(option, value, special=SPACING)


def _times(option: str) -> Iterator[Given]:
    """Yield the scenarios that differ in the value of the option and in the timestamps."""
    for value in (-1, 0, 1):
        yield given(option, value)
    for age in (WINDOW - 1, WINDOW, WINDOW + 1):
        yield given(option, age=age, others=age)
    for since in TIMESTAMPS:
        yield given(option, since=since, others=0)
        yield given(option, since=since, age=0)
        yield given(option, since=since, age=None)
        yield given(option, since=since, age=None, others=0)


def prepare(stage: Stage) -> dict[str, World]:
    """Return the worlds: with an active server, a resized one, a shelved one."""
    cloud: Cloud = stage.cloud
    cloud.flag(shelved_offload_time=-1)
    server = cloud.create_server("first")
    worlds = {"": stage.remember(server)}
    cloud.act("member", server, "resize", {"flavorRef": "2"})
    cloud.wait(server, "VERIFY_RESIZE")
    worlds["resize_confirm_window"] = stage.remember(server)
    worlds[""].restore()
    cloud.act("member", server, "shelve")
    cloud.wait(server, "SHELVED")
    worlds["shelved_offload_time"] = stage.remember(server)
    return worlds


def run(stage: Stage, worlds: Mapping[str, World], scenario: Given) -> list[Entry]:
    """Let the periodic task run once; return what happens."""
    option, special = scenario["option"], scenario["with"]
    timer = TIMERS.get(option, Timer("", "active"))
    columns = {name: scenario[name] for name in ("vm_state", "task_state")}
    columns.update(locked=int(scenario["lock"] is not None), locked_by=scenario["lock"])
    stage.begin(worlds.get(option, worlds[""]), **columns)
    if special == SPACING:
        stage.note(SPACING, *_spacing(SPACINGS.get(option, timer.task), scenario["value"]))
        return stage.log()
    try:
        stage.cloud.flag(**{option: scenario["value"]})
    except ValueError:
        return [["refused"]]
    host = stage.other_host() if special == "another-host" else stage.host
    with _arranged(stage, timer, scenario), stage.cloud.periodic_context() as context:
        try:
            getattr(stage.manager(host), timer.task)(context)
        except Exception as error:
            stage.note("raises", type(error).__name__)
        stage.settle()
    return stage.log()


@contextlib.contextmanager
def _arranged(stage: Stage, timer: Timer, scenario: Given) -> Iterator[None]:
    """Set the option, stop the clock, make the timestamps so old, and do what `with` says."""
    special, operation = scenario["with"], timer.operation
    now = datetime.datetime(2030, 1, 2, 3, 4, 5)
    with contextlib.ExitStack() as stack:
        back: Mapping[str, Any] = {scenario["option"]: 0}
        stack.callback(lambda: stage.cloud.flag(**back))
        timeutils.set_time_override(now)
        stack.callback(timeutils.clear_time_override)
        for name in TIMESTAMPS:
            chosen = scenario["since"] in ("all", name)
            _set_timestamp(stage, name, now, scenario["age"] if chosen else scenario["others"])
        if special == "no-host":
            stage.cloud.force(stage.server, host=None, node=None)
        if special == "source-down":
            query = "UPDATE services SET forced_down = 1 WHERE host = ?"
            stage.cloud.execute(query, (stage.other_host(),))
        if special in FAILURES:
            error = RuntimeError("broken") if special == "fails" else NotImplementedError()
            stack.enter_context(stage.cloud.failing(operation, error))
        elif operation == "poll_rebooting_instances":
            stack.enter_context(mock.patch.object(stage.driver(), operation, _polled(stage)))
        yield


def _polled(stage: Stage) -> Any:
    """Return the hypervisor's operation, which is noted."""
    return lambda _timeout, servers: stage.note(
        "hypervisor", "poll_rebooting_instances", len(servers)
    )


def _set_timestamp(stage: Stage, name: str, now: datetime.datetime, age: int | None) -> None:
    """Make one of TIMESTAMPS so many seconds old; None: away with it."""
    table, column = name.split(".")
    moment = None if age is None else now - datetime.timedelta(seconds=age)
    execute = stage.cloud.execute
    if table == "system_metadata":
        text = moment and moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
        execute(
            "UPDATE instance_system_metadata SET value = ? WHERE key = ? AND instance_uuid = ?",
            (text, column, stage.server),
        )
        return
    key = "uuid" if table == "instances" else "instance_uuid"
    text = moment and moment.strftime("%Y-%m-%d %H:%M:%S.%f")
    execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (text, stage.server))


def _spacing(name: str, value: int) -> tuple[float | None, bool]:
    """Return how often a periodic task runs and whether at once, were its spacing `value`."""
    task = getattr(compute_manager.ComputeManager, name)
    if name in SPACINGS.values():  # as when nova.compute.manager is imported
        task = periodic_task.periodic_task(
            spacing=value, run_immediately=task._periodic_immediate, name=name
        )(lambda *_: None)
    tasks = type("Tasks", (periodic_task.PeriodicTasks,), {name: task})
    return tasks._periodic_spacing.get(name), bool(task._periodic_immediate)  # type: ignore[attr-defined]
