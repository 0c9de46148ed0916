"""What a compute service does with a server when it starts, and when it compares power states.

Kinds "restart" (`ComputeManager._init_instance`) and "power-sync" (`_sync_power_states`);
`happenings.py` says what the stored scenarios hold.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import cloud  # noqa: F401  before nova: it patches the process
from nova import exception as nova_exception
from nova import objects
from stage import POWER, Entry, Stage, World

WORDS = Path(__file__).resolve().parents[1] / "data" / "nova-34-words.json"
_words = json.loads(WORDS.read_text(encoding="utf-8"))
VM_STATES: list[str] = _words["vm_states"]
TASKS: list[str | None] = [None, *_words["task_states"]]
GUESTS = ("RUNNING", "SHUTDOWN", "PAUSED")
ATTRIBUTES = ["info_cache", "metadata", "system_metadata", "numa_topology", "flavor"]

Given = dict[str, Any]

#: What else may be so when a compute service starts, and (vm_state, task_state, guest) to try.
SPECIAL: Mapping[str, tuple[tuple[str, str | None, str], ...]] = {
    "delete-fails": (("active", "deleting", "RUNNING"), ("error", "deleting", "RUNNING")),
    "vif-plug-fails": (
        ("active", None, "RUNNING"),
        ("active", "rescuing", "RUNNING"),
        ("stopped", None, "SHUTDOWN"),
        ("paused", "image_uploading", "PAUSED"),
        ("error", None, "RUNNING"),
        ("active", "powering-off", "RUNNING"),
        ("active", "migrating", "RUNNING"),
    ),
    "stop-fails": (("active", "powering-off", "RUNNING"), ("error", "powering-off", "RUNNING")),
    "start-fails": (("stopped", "powering-on", "SHUTDOWN"), ("active", "powering-on", "RUNNING")),
    "reboot-fails": (
        ("active", "reboot_pending", "RUNNING"),
        ("active", "reboot_pending", "SHUTDOWN"),
        ("active", "rebooting_hard", "SHUTDOWN"),
    ),
    "unpause-fails": (("paused", "unpausing", "PAUSED"),),
    "resumes-guests": tuple(
        (vm_state, task_state, guest)
        for vm_state in ("active", "stopped", "paused", "suspended", "rescued", "resized", "error")
        for task_state in (None, "rescuing")
        for guest in GUESTS
    ),
    "resume-of-guests-fails": (
        ("active", None, "SHUTDOWN"),
        ("active", "rescuing", "SHUTDOWN"),
        ("active", None, "RUNNING"),
        ("resized", None, "SHUTDOWN"),
    ),
    "another-host": (("active", "deleting", "RUNNING"), ("active", "powering-off", "RUNNING")),
    "running-migration": (("active", "migrating", "RUNNING"), ("paused", "migrating", "PAUSED")),
    "resizing-from-stopped": (("stopped", "resize_migrating", "SHUTDOWN"),),
}
OPERATIONS = {
    "delete-fails": ("destroy", RuntimeError("broken")),
    "vif-plug-fails": ("plug_vifs", nova_exception.VirtualInterfacePlugException("broken")),
    "stop-fails": ("power_off", RuntimeError("broken")),
    "start-fails": ("power_on", RuntimeError("broken")),
    "reboot-fails": ("reboot", RuntimeError("broken")),
    "unpause-fails": ("unpause", RuntimeError("broken")),
    "resume-of-guests-fails": ("resume_state_on_host_boot", RuntimeError("broken")),
}


def restarts() -> Iterator[Given]:
    """Yield what is given in the scenarios of the kind "restart"."""
    for vm_state in VM_STATES:
        for task_state in TASKS:
            for guest in GUESTS:
                yield _start(vm_state, task_state, guest, "")
    for special, states in SPECIAL.items():
        for vm_state, task_state, guest in states:
            yield _start(vm_state, task_state, guest, special)


def _start(vm_state: str, task_state: str | None, guest: str, special: str) -> Given:
    return {"vm_state": vm_state, "task_state": task_state, "guest": guest, "with": special}


def make_server(stage: Stage) -> World:
    """Return the world with one active server in it."""
    return stage.remember(stage.cloud.create_server("first"))


def restart(stage: Stage, world: World, given: Given) -> list[Entry]:
    """Let the server's compute service start; return what happens."""
    states = {name: given[name] for name in ("vm_state", "task_state")}
    stage.begin(world, **states, power_state=POWER["RUNNING"])
    stage.set_guest(given["guest"])
    special = given["with"]
    manager = stage.manager()
    with _special(stage, special), stage.cloud.periodic_context() as context:
        found = objects.InstanceList.get_by_host(context, stage.host, expected_attrs=ATTRIBUTES)
        for instance in found:
            if special == "another-host":
                manager = stage.manager(stage.other_host())
            try:
                manager._init_instance(context, instance)
            except Exception as error:  # it would end the start of the service
                stage.note("raises", type(error).__name__)
        stage.settle()
    return stage.log()


@contextlib.contextmanager
def _special(stage: Stage, special: str) -> Iterator[None]:
    """Arrange what else is so."""
    with contextlib.ExitStack() as stack:
        if special in OPERATIONS:
            stack.enter_context(stage.cloud.failing(*OPERATIONS[special]))
        if special.startswith("resume"):
            stage.cloud.flag(resume_guests_state_on_host_boot=True)
            stack.callback(stage.cloud.flag, resume_guests_state_on_host_boot=False)
            if special == "resumes-guests":
                stack.enter_context(_told(stage, "resume_state_on_host_boot"))
        if special == "running-migration":
            _add_migration(stage)
        yield


def _told(stage: Stage, operation: str) -> AbstractContextManager[Any]:
    """Add an entry when this operation of the fake hypervisor is called."""

    def told(*_: Any, **__: Any) -> None:
        stage.note("hypervisor", operation)

    return mock.patch.object(stage.driver(), operation, told)


def _add_migration(stage: Stage) -> None:
    """Give the server a live migration that is running."""
    with stage.cloud.periodic_context() as context:
        objects.Migration(
            context=context,
            instance_uuid=stage.server,
            source_compute=stage.host,
            dest_compute=stage.other_host(),
            migration_type="live-migration",
            status="running",
        ).create()
    stage.observed.clear()


# Power states

SOME_TASKS = ("powering-off", "rebooting_hard", "resize_prep", "deleting", "image_uploading")


def syncs() -> Iterator[Given]:
    """Yield what is given in the scenarios of the kind "power-sync"."""
    for vm_state in VM_STATES:
        for guest in (*POWER, "missing"):
            for before in ("same", "other"):
                yield _sync(vm_state, guest, row=before)
    pairs = (("active", "SHUTDOWN"), ("stopped", "RUNNING"), ("paused", "SHUTDOWN"))
    for vm_state, guest in pairs:
        for task_state in SOME_TASKS:
            yield _sync(vm_state, guest, task_state=task_state)
        for lock in ("owner", "admin"):
            yield _sync(vm_state, guest, lock=lock)
        for special in ("another-host", "stop-fails", "never-launched"):
            yield _sync(vm_state, guest, special=special)
    yield _sync("active", "SHUTDOWN", special="runs-again")
    yield _sync("active", "SUSPENDED", lock="owner")
    yield _sync("stopped", "PAUSED", lock="admin")


def _sync(
    vm_state: str,
    guest: str,
    task_state: str | None = None,
    row: str = "other",
    lock: str | None = None,
    special: str = "",
) -> Given:
    return {
        "vm_state": vm_state,
        "task_state": task_state,
        "guest": guest,
        "row": row,
        "lock": lock,
        "with": special,
    }


def sync(stage: Stage, world: World, given: Given) -> list[Entry]:
    """Let the server's compute service compare the power states; return what happens."""
    power = POWER.get(given["guest"], POWER["NOSTATE"])
    other = POWER["RUNNING"] if power != POWER["RUNNING"] else POWER["SHUTDOWN"]
    columns: dict[str, Any] = {name: given[name] for name in ("vm_state", "task_state")}
    columns["power_state"] = power if given["row"] == "same" else other
    columns.update(locked=int(given["lock"] is not None), locked_by=given["lock"])
    if given["with"] == "never-launched":
        columns["launched_at"] = None
    stage.begin(world, **columns)
    host = stage.other_host() if given["with"] == "another-host" else stage.host
    stage.set_guest(given["guest"])
    with contextlib.ExitStack() as stack:
        if given["with"] == "stop-fails":
            stack.enter_context(stage.cloud.failing("power_off", RuntimeError("broken")))
        if given["with"] == "runs-again":
            stack.enter_context(_runs_again(stage))
        context = stack.enter_context(stage.cloud.periodic_context())
        stage.manager(host)._sync_power_states(context)
        stage.settle()
    return stage.log()


def _runs_again(stage: Stage) -> AbstractContextManager[Any]:
    """Let the guest run when the hypervisor is asked a second time, not out of its cache."""
    driver = stage.driver()
    real: Callable[..., Any] = driver.get_info

    def get_info(instance: Any, use_cache: bool = True) -> Any:
        if not use_cache:
            stage.set_guest("RUNNING")
        return real(instance, use_cache)

    return mock.patch.object(driver, "get_info", get_info)
