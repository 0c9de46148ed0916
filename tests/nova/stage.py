"""A server in a running Nova, put back before every scenario, with what happens to it recorded.

    with staged() as stage:
        world = stage.remember(stage.cloud.create_server("first"))
        stage.begin(world, vm_state="paused")
        ...
        stage.settle()
        print(stage.log())

The entries are those of `observe.py`, and those that a scenario adds with `note`.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from cloud import HOSTS, PATIENCE, Cloud, Hold, Reply, start  # before nova: it patches the process
from nova import utils as nova_utils
from nova.db.main import api as main_db
from nova.virt import fake as fake_driver
from observe import _WORK, Log, observed, settle
from oslo_messaging.rpc import client as rpc_client

#: What the hypervisor may say of a guest, by Nova's numbers.
POWER = {"NOSTATE": 0, "RUNNING": 1, "PAUSED": 3, "SHUTDOWN": 4, "CRASHED": 6, "SUSPENDED": 7}
#: After so many looks without anything new, all that is not held waits for what is held.
LOOKS = 60

Entry = list[Any]


@dataclass(frozen=True)
class World:
    """A server, its host, and how to put back everything as it was when this was made."""

    server: str
    host: str | None
    restore: Callable[[], None]


@dataclass
class Post:
    """A message that is not delivered until `release()`."""

    message: str
    messages: list[Callable[[], None]] = field(default_factory=list)
    _released: bool = False

    def wants(self, message: str) -> bool:
        """Tell whether this message is to be withheld."""
        return message == self.message and not self.messages and not self._released

    def begun(self) -> None:
        """Wait until there is the message (half a minute at most)."""
        end = time.monotonic() + PATIENCE
        while not self.messages:
            time.sleep(0.001)
            if time.monotonic() > end:
                raise TimeoutError(f"{self.message} was never sent")

    def release(self) -> None:
        """Deliver the message."""
        if not self._released:
            self._released = True
            for send in self.messages:
                send()


@dataclass
class Stage:
    """A running Nova and one server at a time. Made by `staged()`."""

    cloud: Cloud
    observed: Log
    server: str = ""
    host: str | None = ""
    #: Called once, before the next save of the server.
    before_save: Callable[[], None] | None = None
    _notes: list[tuple[int, Entry]] = field(default_factory=list)
    _posts: list[Post] = field(default_factory=list)
    _hold: tuple[str | None, Hold] | None = None
    _task: str | None = None

    # The world

    def manager(self, host: str | None = None) -> Any:
        """Return the compute manager of a host, the server's unless named."""
        return self.cloud.manager(host or self.host or "")

    def driver(self, host: str | None = None) -> Any:
        """Return the fake hypervisor of a host, the server's unless named."""
        return self.manager(host).driver

    def other_host(self) -> str:
        """Return the host on which the server is not."""
        return next(host for host in HOSTS if host != self.host)

    def remember(self, server: str) -> World:
        """Return the world as it is now, the guests included."""
        settle(self.cloud)
        restore = self.cloud.snapshot()
        guests = {host: _guests(self.driver(host)) for host in HOSTS}
        query = "SELECT host FROM instances WHERE uuid = ?"
        host = self.cloud.execute(query, (server,))[0][0]

        def restore_all() -> None:
            restore()
            for name, remembered in guests.items():
                _put_guests(self.driver(name), remembered)

        return World(server, host, restore_all)

    def begin(self, world: World, **columns: Any) -> None:
        """Put the world back, write these columns of the server's row, and begin a new log."""
        self.before_save = None
        world.restore()
        self.server, self.host = world.server, world.host
        if columns:
            self.cloud.force(self.server, **columns)
        self._task = self.cloud.row(self.server)["task_state"]
        self._notes.clear()
        self.observed.clear()

    def set_guest(self, power: str, host: str | None = None) -> None:
        """Make the hypervisor say this of the guest; "missing" takes the guest away."""
        guests = self.driver(host).instances
        if power == "missing":
            guests.pop(self.server, None)
            return
        guests[self.server] = fake_driver.FakeInstance("guest", POWER[power], self.server)

    # What happens

    def log(self) -> list[Entry]:
        """Return what happened to the server since `begin`, ids and hosts replaced."""
        entries = self.observed.of(self.server)
        for number, (place, entry) in enumerate(self._notes):
            entries.insert(place + number, entry)
        neutral = [
            [self.neutral(value) if isinstance(value, str) else value for value in entry]
            for entry in entries
        ]
        # Every image of the neighbour's fixture counts as a backup, so a rotation deletes many.
        return [
            entry
            for number, entry in enumerate(neutral)
            if not (number and entry == neutral[number - 1] == ["image", "deleted"])
        ]

    @property
    def saved(self) -> bool:
        """Whether `before_save` was called."""
        return self.before_save is None

    def note(self, *entry: Any) -> None:
        """Add an entry to the log."""
        self._notes.append((len(self.observed.of(self.server)), list(entry)))

    def answer(self, who: str, reply: Reply) -> None:
        """Add the answer to a request to the log: who asked, the code, the message."""
        self.note(who, reply.code, reply.message)

    def neutral(self, text: str) -> str:
        """Return a text with names in the place of the server's id and host."""
        text = text.replace(self.server, "{id}")
        return text.replace(self.host, "{host}") if self.host else text

    def settle(self) -> None:
        """Wait until nothing is under way."""
        settle(self.cloud, self.server)

    def stall(self) -> None:
        """Wait until nothing goes on but what is held, and what waits for it."""
        seen, looks = self._look(), 0
        while looks < LOOKS:
            time.sleep(0.001)
            now = self._look()
            looks = looks + 1 if now == seen else 0
            seen = now

    def _look(self) -> tuple[int, int]:
        work = _WORK[self.cloud]
        queued = any(work._queues.values())
        return -1 if queued else work._busy, len(self.observed.of(self.server))

    @contextlib.contextmanager
    def at(self, point: str) -> Iterator[Hold | Post]:
        """Hold Nova at a point, the first time that it comes there.

        "cast TOPIC.METHOD": the message is not delivered. "in OPERATION": the fake hypervisor's
        operation has begun. "after TASK_STATE": this task_state of the server was saved.
        """
        how, _, what = point.partition(" ")
        ways: Mapping[str, Callable[[str], AbstractContextManager[Hold | Post]]] = {
            "cast": self._withheld,
            "in": self._held_in,
            "after": self._held_after,
        }
        with ways[how](what) as hold:
            try:
                yield hold
            finally:
                hold.release()

    @contextlib.contextmanager
    def _withheld(self, message: str) -> Iterator[Post]:
        post = Post(message)
        self._posts.append(post)
        try:
            yield post
        finally:
            self._posts.remove(post)

    @contextlib.contextmanager
    def _held_in(self, operation: str) -> Iterator[Hold]:
        holds = [Hold()]
        held = holds[0]
        real = getattr(fake_driver.FakeDriver, operation)

        def once(*arguments: Any, **named: Any) -> Any:
            if holds:
                holds.pop().pause()
            return real(*arguments, **named)

        with mock.patch.object(fake_driver.FakeDriver, operation, once):
            yield held

    @contextlib.contextmanager
    def _held_after(self, task_state: str) -> Iterator[Hold]:
        hold = Hold()
        self._hold = (task_state, hold)
        try:
            yield hold
        finally:
            self._hold = None

    # The hooks

    def save(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return `instance_update_and_get_original` with what is to be done before and after."""

        def function(context: Any, uuid: str, *arguments: Any, **named: Any) -> Any:
            self.server = self.server or uuid
            if uuid != self.server:
                return real(context, uuid, *arguments, **named)
            if self.before_save:
                hook, self.before_save = self.before_save, None
                hook()
            result = real(context, uuid, *arguments, **named)
            self._hold_after(result[1].task_state)
            return result

        return function

    def _hold_after(self, task_state: str | None) -> None:
        """Wait after a save that is to be held."""
        before, self._task = self._task, task_state
        if self._hold and before != task_state and self._hold[0] == task_state:
            (_, hold), self._hold = self._hold, None
            hold.pause()

    def cast(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return the sending of a cast, which waits if it is to be withheld."""

        def function(call: Any, ctxt: Any, method: str, **named: Any) -> None:
            # The long operations have a topic of their own, "compute-alt".
            message = f"{call.target.topic.partition('-')[0]}.{method}"
            for post in self._posts:
                if post.wants(message):
                    post.messages.append(lambda: real(call, ctxt, method, **named))
                    return
            real(call, ctxt, method, **named)

        return function


def _locked_by_host(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return `utils.synchronized` with a lock for each host: here they share one process."""

    def synchronized(name: str, *arguments: Any, **named: Any) -> Any:
        manager = sys._getframe(1).f_locals.get("self")
        return real(f"{name} {getattr(manager, 'host', '')}", *arguments, **named)

    return synchronized


Guests = tuple[Mapping[str, tuple[str, int]], Mapping[str, Any]]


def _guests(driver: Any) -> Guests:
    """Return a fake hypervisor's guests and what they use."""
    guests = {uuid: (guest.name, guest.state) for uuid, guest in driver.instances.items()}
    return guests, dict(vars(driver.resources))


def _put_guests(driver: Any, remembered: Guests) -> None:
    """Make these the guests of a fake hypervisor."""
    guests, resources = remembered
    driver.instances.clear()
    for uuid, (name, state) in guests.items():
        driver.instances[uuid] = fake_driver.FakeInstance(name, state, uuid)
    vars(driver.resources).update(resources)


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """Start a Nova, and record what happens to a server in it."""
    with start() as cloud, observed(cloud) as log, contextlib.ExitStack() as stack:
        cloud.flag("quota", instances=-1, cores=-1, ram=-1)
        stage = Stage(cloud, log)
        save, call = "instance_update_and_get_original", rpc_client._BaseCallContext
        for target, name, new in (
            (main_db, save, stage.save(getattr(main_db, save))),
            (call, "cast", stage.cast(call.cast)),
            (nova_utils, "synchronized", _locked_by_host(nova_utils.synchronized)),
        ):
            stack.enter_context(mock.patch.object(target, name, new))
        yield stage
