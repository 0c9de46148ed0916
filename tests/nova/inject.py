"""Make something go wrong in Nova: a small language, and guests that do as libvirt's.

    with injected(stage, ("driver.spawn raises RuntimeError once", "guest is 4")):
        ...

A line is one of

`OWNER.FUNCTION raises EXCEPTION [once | later | afterwards]`
    OWNER is a key of OWNERS; EXCEPTION is built in or one of Nova's, such as `NoValidHost` or
    `InstanceFaultRollback(ResizeError)`. "once": only the first call fails; "later": all but the
    first. "afterwards": the function does its work first.
`guest is missing`, `guest is 4`
    The hypervisor does not have the server's guest, or says that it is in this power state.
`power_state 4 in the row`
    The server's row has this power state, whatever the guest's is.
`host is down`, `other hosts are down`
    The service of the server's host, or of all the others, is forced down.
`image is missing`
    Glance has lost all images of the server.
`messages are lost`
    Neither conductor nor compute hears of the request.
`driver.live_migration rolls back`
    The hypervisor gives a live migration up by itself.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

from cloud import HOSTS, Cloud  # before nova: it patches the process
from nova import exception as nova_exception
from nova.compute import manager as compute_manager
from nova.compute import resource_tracker
from nova.conductor import manager as conductor_manager
from nova.conductor.tasks import live_migrate
from nova.image import glance
from nova.network import neutron
from nova.scheduler import utils as scheduler_utils
from nova.scheduler.client import query, report
from nova.virt import fake
from nova.volume import cinder
from oslo_messaging import exceptions as messaging_exceptions
from oslo_messaging.rpc import client as rpc_client

OWNERS: Mapping[str, Any] = {
    "compute": compute_manager.ComputeManager,
    "conductor": conductor_manager.ComputeTaskManager,
    "driver": fake.FakeDriver,
    "image": glance.API,
    "live-migration": live_migrate.LiveMigrationTask,
    "network": neutron.API,
    "placement": report.SchedulerReportClient,
    "scheduler": query.SchedulerQueryClient,
    "scheduler-utils": scheduler_utils,
    "tracker": resource_tracker.ResourceTracker,
    "volume": cinder.API,
}

RUNNING, PAUSED, SHUTDOWN = 1, 3, 4


@dataclass(frozen=True)
class Stage:
    """Where it happens: the server, and the host it is on (None: on none)."""

    cloud: Cloud
    server: str
    host: str | None
    hosts: Sequence[str] = HOSTS


def drivers(stage: Stage) -> list[Any]:
    """Return the hypervisors, one a host."""
    return [stage.cloud.manager(host).driver for host in stage.hosts]


@contextlib.contextmanager
def injected(stage: Stage, lines: Sequence[str]) -> Iterator[None]:
    """Let these things go wrong until the end of the `with` block."""
    with contextlib.ExitStack() as stack:
        for line in lines:
            words = line.split()
            if words[1:2] == ["raises"]:
                stack.enter_context(_raising(words[0], words[2], *words[3:]))
            elif line in _PATCHES:
                stack.enter_context(_PATCHES[line]())
            elif line.startswith("guest is "):
                _set_guest(stage, words[2])
            elif words[0] == "power_state":
                stage.cloud.force(stage.server, power_state=int(words[1]))
            else:
                _ONCE[line](stage)
        yield


def error(text: str) -> Exception:
    """Return an exception by its name: "RuntimeError", "InstanceFaultRollback(ResizeError)"."""
    name, _, inner = text.partition("(")
    owner = next(
        each for each in (nova_exception, builtins, messaging_exceptions) if hasattr(each, name)
    )
    made: Any = getattr(owner, name)
    if inner:
        return made(error(inner.removesuffix(")")))  # type: ignore[no-any-return]
    return made("injected") if owner is builtins else made()  # type: ignore[no-any-return]


def _raising(path: str, exception: str, how: str = "") -> Any:
    """Return a patch that makes a function fail."""
    owner, _, name = path.rpartition(".")
    target = OWNERS[owner]
    real = getattr(target, name)
    calls = []

    def function(*arguments: Any, **named: Any) -> Any:
        calls.append(name)
        if (how == "once" and len(calls) > 1) or (how == "later" and len(calls) == 1):
            return real(*arguments, **named)
        if how == "afterwards":
            real(*arguments, **named)
        raise error(exception)

    return mock.patch.object(target, name, function)


def _lost() -> Any:
    """Return a patch that loses all messages; a call times out at once."""

    def cast(*_: Any, **__: Any) -> None:
        return None

    def call(*_: Any, **__: Any) -> Any:
        raise messaging_exceptions.MessagingTimeout

    base = rpc_client._BaseCallContext
    return mock.patch.multiple(base, cast=cast, call=call)


def _rolls_back() -> Any:
    """Return a patch with which the hypervisor rolls back a live migration, and says no more."""

    def live_migration(
        _self: Any, context: Any, instance: Any, dest: Any, _post: Any, recover: Any, *rest: Any
    ) -> None:
        recover(context, instance, dest, migrate_data=rest[-1])

    return mock.patch.object(fake.FakeDriver, "live_migration", live_migration)


_PATCHES: Mapping[str, Callable[[], Any]] = {
    "messages are lost": _lost,
    "driver.live_migration rolls back": _rolls_back,
}


def _set_guest(stage: Stage, state: str) -> None:
    """Put the guest into a power state, or take it away ("missing")."""
    for driver in drivers(stage):
        if stage.server not in driver.instances:
            continue
        if state == "missing":
            del driver.instances[stage.server]
        else:
            driver.instances[stage.server].state = int(state)


def _down(stage: Stage, hosts: Sequence[str]) -> None:
    """Force these hosts down, as `Cloud.host_down` does, but faster."""
    query = "UPDATE services SET forced_down = 1 WHERE \"binary\" = 'nova-compute' AND host = ?"
    for host in hosts:
        stage.cloud.execute(query, (host,))


def _own_host_down(stage: Stage) -> None:
    """Force the server's host down."""
    _down(stage, [stage.host] if stage.host else [])


def _others_down(stage: Stage) -> None:
    """Force all hosts but the server's down."""
    _down(stage, [host for host in stage.hosts if host != stage.host])


def _lose_images(stage: Stage) -> None:
    """Take the server's images away."""
    images = stage.cloud._case.glance.images
    for name, image in list(images.items()):
        if (image.get("properties") or {}).get("instance_uuid") == stage.server:
            del images[name]


_ONCE: Mapping[str, Callable[[Stage], None]] = {
    "host is down": _own_host_down,
    "other hosts are down": _others_down,
    "image is missing": _lose_images,
}


@contextlib.contextmanager
def answering_cinder(cloud: Cloud) -> Iterator[None]:
    """Let Cinder say when it has written an image to a volume: its fixture never does."""
    query = "SELECT instance_uuid FROM block_device_mapping WHERE volume_id = ? AND deleted = 0"

    def reimage(_self: Any, _context: Any, volume: str, *_: Any, **__: Any) -> None:
        for (server,) in cloud.execute(query, (volume,)):
            event = {"name": "volume-reimaged", "server_uuid": server, "status": "completed"}
            body = {"events": [{**event, "tag": volume}]}
            cloud.send("admin", "POST", "/os-server-external-events", body)

    with mock.patch.object(cinder.API, "reimage_volume", reimage):
        yield


@contextlib.contextmanager
def answering_glance(cloud: Cloud) -> Iterator[None]:
    """Let Glance's fixture do what it leaves out: an image is not active before it has its data.

    And it lists those images of a server that are asked for, not all that there are.
    """
    service, driver = cloud._case.glance, fake.FakeDriver
    create, detail, snapshot = service.create, service.detail, driver.snapshot

    def creating(context: Any, metadata: Any, data: Any = None) -> Any:
        if "instance_uuid" in (metadata.get("properties") or {}):
            metadata.setdefault("status", "queued")
        return create(context, metadata, data)

    def listing(context: Any, **asked: Any) -> Any:
        wanted = {
            name.removeprefix("property-"): value
            for name, value in (asked.get("filters") or {}).items()
            if name.startswith("property-")
        }
        return [
            image
            for image in detail(context)
            if wanted.items() <= (image.get("properties") or {}).items()
        ]

    def taking(self: Any, context: Any, instance: Any, image: str, update: Any) -> None:
        snapshot(self, context, instance, image, update)
        service.images[image]["status"] = "active"

    with (
        mock.patch.object(service, "create", creating),
        mock.patch.object(service, "detail", listing),
        mock.patch.object(driver, "snapshot", taking),
    ):
        yield


@contextlib.contextmanager
def true_guests() -> Iterator[None]:
    """Let the guests of the fake hypervisor do as those of libvirt, until the end of the block."""
    driver = fake.FakeDriver

    def into(name: str, state: int) -> Callable[..., Any]:
        real = getattr(driver, name)

        def function(self: Any, *arguments: Any, **named: Any) -> Any:
            result = real(self, *arguments, **named)
            found = [*arguments[:2], named.get("instance")]
            server = next(each.uuid for each in found if hasattr(each, "task_state"))
            if server in self.instances:
                self.instances[server].state = state
            return result

        return function

    def lacking(*_: Any, **__: Any) -> Any:
        raise NotImplementedError

    arrive = driver.post_live_migration_at_destination

    def arriving(self: Any, context: Any, instance: Any, *rest: Any, **named: Any) -> None:
        arrive(self, context, instance, *rest, **named)
        if instance.vm_state == "paused":
            self.instances[instance.uuid].state = PAUSED

    states = {
        "pause": PAUSED,
        "unpause": RUNNING,
        "suspend": SHUTDOWN,
        "resume": RUNNING,
        "rescue": RUNNING,
        "migrate_disk_and_power_off": SHUTDOWN,
    }
    patches: dict[str, Any] = {name: into(name, state) for name, state in states.items()}
    patches.update(
        soft_delete=lacking, restore=lacking, post_live_migration_at_destination=arriving
    )
    with mock.patch.multiple(driver, **patches):
        yield
