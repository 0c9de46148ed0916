"""Record every save of a server's row, and wait until Nova has nothing more to do.

    with start() as cloud, observed(cloud) as log:
        server = cloud.create_server("first")
        settle(cloud)
        log.clear()
        cloud.act("member", server, "os-stop")
        settle(cloud, server)
        log.of(server)
        # [["row", "active", "powering-off", 1], ["row", "stopped", None, 4]]

The entries, in the order in which they were written, whoever wrote them:

`["row", vm_state, task_state, power_state]`
    A save after which one of the three differs from before (or the row is new). The power state is
    Nova's number: 0 none, 1 running, 3 paused, 4 shut down, 6 crashed, 7 suspended.
`["gone"]`
    The row is marked as deleted.
`["migration", status]`
    A migration of the server is new, or its status another.
`["fault", message]`
    A fault is recorded. The message of an exception that is not Nova's is the exception's name.
`["image", "created" | "deleted"]`
    Glance got or lost an image of the server.
`["request", "created" | "deleted"]`
    The API's record of a server that is not built yet; its server is building, scheduling.

Triggers of the database write them down, so no way of saving escapes; what is rolled back, or was
written by `Cloud.force` before `clear()`, or is put back by `Cloud.snapshot()`, does not appear.
While `observed()` is in force, messages are taken up at once, not after up to 50 milliseconds.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from cloud import PATIENCE, Cloud  # before nova: it patches the process
from nova import context as nova_context
from nova import thread_pool_factory
from nova.db.api import api as api_db
from nova.db.main import api as main_db
from oslo_messaging._drivers import impl_fake
from oslo_messaging.rpc import server as rpc_server

Entry = list[Any]

#: Seconds between two looks whether work is over.
PAUSE = 0.002

_ROW = "'row', NEW.vm_state, NEW.task_state, NEW.power_state"
_CHANGED = " OR ".join(
    f"OLD.{column} IS NOT NEW.{column}" for column in ("vm_state", "task_state", "power_state")
)
#: Event and table, condition, server, what to write down (at most four values).
_CELL_TRIGGERS = (
    ("INSERT ON main.instances", "TRUE", "NEW.uuid", _ROW),
    ("UPDATE ON main.instances", _CHANGED, "NEW.uuid", _ROW),
    ("UPDATE ON main.instances", "OLD.deleted IS NOT NEW.deleted", "NEW.uuid", "'gone'"),
    ("INSERT ON main.migrations", "TRUE", "NEW.instance_uuid", "'migration', NEW.status"),
    (
        "UPDATE ON main.migrations",
        "OLD.status IS NOT NEW.status",
        "NEW.instance_uuid",
        "'migration', NEW.status",
    ),
    ("INSERT ON main.instance_faults", "TRUE", "NEW.instance_uuid", "'fault', NEW.message"),
)
_API_TRIGGERS = (
    ("INSERT ON main.build_requests", "TRUE", "NEW.instance_uuid", "'request', 'created'"),
    ("DELETE ON main.build_requests", "TRUE", "OLD.instance_uuid", "'request', 'deleted'"),
)
_LENGTHS = {"row": 4, "gone": 1}


class Log:
    """What was written down since the last `clear()`."""

    def __init__(self, cloud: Cloud) -> None:
        """Begin to write down."""
        self._ticks = itertools.count(1)
        self._since = 0
        self._images: list[tuple[int, str | None, Entry]] = []
        self._connections: list[tuple[Any, int]] = []
        for engine in _cell_engines(cloud):
            self._attach(engine, _CELL_TRIGGERS)
        self._attach(api_db.get_engine(), _API_TRIGGERS)

    def of(self, server: str) -> list[Entry]:
        """Return the entries of a server, in order."""
        query = "SELECT tick, a, b, c, d FROM observed WHERE server = ? AND tick > ?"
        found: list[tuple[int, Entry]] = []
        for connection, _ in self._connections:
            for tick, *values in connection.execute(query, (server, self._since)).fetchall():
                found.append((tick, values[: _LENGTHS.get(values[0], 2)]))
        found += [
            (tick, entry)
            for tick, owner, entry in self._images
            if tick > self._since and owner in (None, server)
        ]
        return [entry for _, entry in sorted(found, key=lambda each: each[0])]

    @property
    def cell0(self) -> Any:
        """The connection to the database of servers that no host was found for."""
        return self._connections[0][0]

    def row(self, server: str) -> tuple[Any, ...]:
        """Return vm_state, task_state, power_state and host of a server; all None without a row."""
        query = "SELECT vm_state, task_state, power_state, host FROM instances WHERE uuid = ?"
        for connection, _ in self._connections[:-1]:
            found = connection.execute(query, (server,)).fetchone()
            if found:
                return tuple(found)
        return (None, None, None, None)

    def clear(self) -> None:
        """Forget what was written down."""
        self._since = next(self._ticks)
        self._images.clear()

    def image(self, owner: str | None, what: str) -> None:
        """Write down that an image was created or deleted."""
        self._images.append((next(self._ticks), owner, ["image", what]))

    def _attach(self, engine: Any, triggers: tuple[tuple[str, str, str, str], ...]) -> None:
        """Make the triggers, which live in the connection only, not in the database."""
        connection = engine.raw_connection().driver_connection
        connection.create_function("tick", 0, lambda: next(self._ticks))
        connection.execute("CREATE TEMP TABLE observed (tick, server, a, b, c, d)")
        for number, (event, condition, server, values) in enumerate(triggers):
            padded = ", ".join([values] + ["NULL"] * (3 - values.count(",")))
            connection.execute(
                f"CREATE TEMP TRIGGER observed_{number} AFTER {event} WHEN {condition} BEGIN "
                f"INSERT INTO observed VALUES (tick(), {server}, {padded}); END"
            )
        connection.commit()
        self._connections.append((connection, len(triggers)))

    def detach(self) -> None:
        """Stop writing down."""
        for connection, triggers in self._connections:
            for number in range(triggers):
                connection.execute(f"DROP TRIGGER temp.observed_{number}")
            connection.execute("DROP TABLE temp.observed")
            connection.commit()


class Work:
    """What is under way: messages not taken up, messages being handled, work in the background."""

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._queues: dict[int, list[Any]] = {}
        self._busy = 0
        self._arrival = threading.Event()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way at this moment."""
        return not self._busy and not any(self._queues.values())

    def poll(self, exchange: Any, target: Any, pool: Any) -> Any:
        """Take a message up, in the place of `FakeExchange.poll`."""
        with exchange._queues_lock:
            if target.server:
                queue = exchange._get_server_queue(target.topic, target.server)
            else:
                queue = exchange._get_topic_queue(target.topic, pool)
            self._queues[id(queue)] = queue
            if not queue:
                return (None, None, None, None)
            self._busy += 1
            return queue.pop(0)

    @staticmethod
    def time() -> float:
        """Return the time, as the module `time` does for the listeners."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let a listener sleep until a message comes, in the place of `time.sleep`."""
        self._arrival.wait(seconds)

    def delivering(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return what delivers a message, as `real` does, and wakes the listeners."""

        def deliver(*arguments: Any, **named: Any) -> None:
            real(*arguments, **named)
            arrival, self._arrival = self._arrival, threading.Event()
            arrival.set()

        return deliver

    def handled(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return what handles a message, as `real` does, and says so afterwards."""

        def process(server: Any, incoming: Any) -> None:
            try:
                real(server, incoming)
            finally:
                self._busy -= 1

        return process

    def spawned(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return what starts work in the background, as `real` does, and counts it."""

        def finished(_future: Any) -> None:
            self._busy -= 1

        def spawn(*arguments: Any, **named: Any) -> Any:
            self._busy += 1
            try:
                future = real(*arguments, **named)
            except BaseException:
                self._busy -= 1
                raise
            future.add_done_callback(finished)
            return future

        return spawn


_WORK: weakref.WeakKeyDictionary[Cloud, Work] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def observed(cloud: Cloud) -> Iterator[Log]:
    """Write down what happens to the servers until the end of the `with` block."""
    log, work = Log(cloud), Work()
    glance = cloud._case.glance
    server, factory = rpc_server.RPCServer, thread_pool_factory
    deliver = impl_fake.FakeExchange.deliver_message
    with contextlib.ExitStack() as stack:
        stack.callback(log.detach)
        for target, name, new in (
            (impl_fake, "time", work),
            (impl_fake.FakeExchange, "deliver_message", work.delivering(deliver)),
            (impl_fake.FakeExchange, "poll", lambda *given: work.poll(*given)),
            (server, "_process_incoming", work.handled(server._process_incoming)),
            (factory, "spawn_on", work.spawned(factory.spawn_on)),
            (glance, "create", _creating(glance, log)),
            (glance, "delete", _deleting(glance, log)),
        ):
            stack.enter_context(mock.patch.object(target, name, new))
        _WORK[cloud] = work
        stack.callback(_WORK.pop, cloud)
        yield log


def settle(cloud: Cloud, server: str | None = None, patience: float = PATIENCE) -> None:
    """Wait until no message is under way and nothing is done in the background.

    Only inside `observed(cloud)`. Raise TimeoutError after `patience` seconds, which is what an
    operation that `Cloud.held` holds leads to.
    """
    work = _WORK[cloud]
    end = time.monotonic() + patience
    calm = 0
    while calm < 3:
        time.sleep(PAUSE if calm == 0 else 0)
        calm = calm + 1 if work.idle else 0
        if time.monotonic() > end:
            state = cloud.row(server) if server else "Nova"
            raise TimeoutError(f"{state} is still at work")


def _cell_engines(cloud: Cloud) -> list[Any]:
    """Return the engines of the cells' databases."""
    admin = nova_context.get_admin_context()
    engines = []
    for name in ("cell0", "cell1"):
        with nova_context.target_cell(admin, cloud._case.cell_mappings[name]) as context:
            engines.append(main_db.get_engine(context=context))
    return engines


def _owner(image: Any) -> str | None:
    """Return the server of which this is an image."""
    return ((image or {}).get("properties") or {}).get("instance_uuid")


def _creating(glance: Any, log: Log) -> Callable[..., Any]:
    """Return `glance.create`, written down."""
    real = glance.create

    def create(context: Any, metadata: Any, data: Any = None) -> Any:
        made = real(context, metadata, data)
        log.image(_owner(made), "created")
        return made

    return create


def _deleting(glance: Any, log: Log) -> Callable[..., Any]:
    """Return `glance.delete`, written down."""
    real = glance.delete

    def delete(context: Any, image_id: Any) -> Any:
        owner = _owner(glance.images.get(image_id))
        real(context, image_id)
        log.image(owner, "deleted")

    return delete
