"""Start the real Nova in this process and talk to it.

API, conductor, scheduler and two compute hosts with the fake hypervisor, on SQLite in memory, with
Nova's own test fixtures in the place of Keystone's server, Placement's server, Neutron, Cinder and
Glance. `keystonemiddleware` is the real one, so are the policy rules and the request context.

    with start() as cloud:
        server = cloud.create_server("first")
        reply = cloud.act("member", server, "os-stop")
        print(reply.code, reply.text)

Importing this module imports `nova.tests.functional`, which lets eventlet patch the process; import
it first.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import sqlite3
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

# isort: off
from nova.tests.functional import integrated_helpers  # patches the process: before all others

# isort: on
import fixtures
import webob
from keystonemiddleware import fixture as keystone_fixture
from neutronclient.common import exceptions as neutron_exceptions
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova import policy as nova_policy
from nova import rpc as nova_rpc
from nova import test as nova_test
from nova.db.api import api as api_db
from nova.db.main import api as main_db
from nova.network import neutron as neutron_api
from nova.network import security_group_api
from nova.tests import fixtures as nova_fixtures
from nova.tests.fixtures import cinder as cinder_fixtures
from nova.tests.fixtures import neutron as neutron_fixtures
from nova.virt import fake as fake_driver
from oslo_messaging.rpc import client as rpc_client
from placement import db_api as placement_db

# Nova's logging reports unhandled exceptions instead of Python; undo that.
sys.excepthook = sys.__excepthook__

NEWEST = "2.104"
PROJECT = "6f70656e737461636b20342065766572"
OTHER_PROJECT = "0d0c0b0a09080706050403020100ffee"
ADMIN_PROJECT = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
BASE_URL = "http://compute.example"
HOSTS = ("compute-1", "compute-2")
FLAVOR, BIGGER_FLAVOR, TOO_BIG_FLAVOR = "1", "2", "5"
IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
OTHER_IMAGE = "a2459075-d96c-40d5-893e-577ff92e721c"
RESCUE_IMAGE = "b0c5e1d2-7f0a-4c39-9a55-52f0d2a0e001"
NETWORK = neutron_fixtures.NeutronFixture.network_1["id"]
VOLUME = cinder_fixtures.CinderFixture.IMAGE_BACKED_VOL

#: How long the waits wait, in seconds.
PATIENCE = 30

#: What the row of a server shows of its state, in this order.
COLUMNS = ("vm_state", "task_state", "locked", "locked_by", "deleted")


@dataclass(frozen=True)
class Actor:
    """Somebody who sends requests: a user in a project with roles (none: no token at all)."""

    user: str
    project: str
    roles: tuple[str, ...]


#: Keystone implies the lower roles: admin > manager > member > reader. Servers belong to PROJECT,
#: where a cloud's administrator has no business; an administrator of that very project is rarer.
ACTORS: Mapping[str, Actor] = {
    "admin": Actor("admin-user", ADMIN_PROJECT, ("admin", "manager", "member", "reader")),
    "project-admin": Actor("project-admin-user", PROJECT, ("admin", "manager", "member", "reader")),
    "manager": Actor("manager-user", PROJECT, ("manager", "member", "reader")),
    "member": Actor("member-user", PROJECT, ("member", "reader")),
    "colleague": Actor("colleague-user", PROJECT, ("member", "reader")),
    "reader": Actor("reader-user", PROJECT, ("reader",)),
    "stranger": Actor("stranger-user", OTHER_PROJECT, ("member", "reader")),
    "anonymous": Actor("", "", ()),
}


@dataclass(frozen=True)
class Reply:
    """An answer of the API, as it came."""

    code: int
    text: str
    content_type: str
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def body(self) -> Any:
        """The body as JSON, None if there is none or it is not JSON."""
        if not self.text or "json" not in self.content_type:
            return None
        return json.loads(self.text)

    @property
    def message(self) -> str | None:
        """The message of a fault, None for any other body."""
        body = self.body
        if isinstance(body, dict) and len(body) == 1:
            (fault,) = body.values()
            if isinstance(fault, dict) and "message" in fault:
                return str(fault["message"])
        return None


@dataclass
class Casts:
    """What the API asked of the others, in order, such as "cast compute.stop_instance"."""

    made: list[str] = field(default_factory=list)

    def take(self) -> tuple[str, ...]:
        """Return what was asked since the last time, and forget it."""
        made = tuple(self.made)
        self.made.clear()
        return made


@dataclass
class Hold:
    """A hypervisor operation that waits once it began, until `release()` lets it go."""

    _reached: threading.Event = field(default_factory=threading.Event)
    _go: threading.Event = field(default_factory=threading.Event)

    def begun(self) -> None:
        """Wait until the operation began (half a minute at most)."""
        if not self._reached.wait(30):
            raise TimeoutError("the operation to hold never began")

    def release(self) -> None:
        """Let the operation go on."""
        self._go.set()

    def pause(self) -> None:
        """Say that the operation began, and wait for the release (a minute at most)."""
        self._reached.set()
        if not self._go.wait(60):
            raise TimeoutError("a held operation was never released")


class _Case(integrated_helpers._IntegratedTestBase):  # type: ignore[misc]
    """Nova's functional test case, with what a wheel lacks and without its test-only strictness."""

    CAST_AS_CALL = False
    STUB_KEYSTONE = False
    microversion = None

    def runTest(self) -> None:  # noqa: N802
        """Do nothing: testtools wants a method to run."""

    def _setup_services(self) -> None:
        self.flags(api_paste_config=f"{sys.prefix}/etc/nova/api-paste.ini", group="wsgi")
        self.flags(www_authenticate_uri="http://identity.example", group="keystone_authtoken")
        self.flags(compute_driver="fake.RescueBFVDriver")
        # A host is down when it was forced down, not when a snapshot has put back its heartbeat.
        self.flags(service_down_time=10**9)
        # The defaults of a real deployment, where Nova's and Placement's fixtures have others.
        self.flags(response_validation="warn", group="api")
        self.flags(enforce_new_defaults=True, group="oslo_policy")
        nova_policy.reset()
        nova_policy.init(suppress_deprecation_warnings=True)
        # A request costs much less without; nobody here looks at notifications or logs.
        self.flags(notification_format="unversioned", group="notifications")
        self.tokens = self.useFixture(keystone_fixture.AuthTokenFixture())
        self._complete_neighbours()
        super()._setup_services()

    def _complete_neighbours(self) -> None:
        """Add what the fixtures of Neutron and Cinder lack for some actions."""
        known = {self.neutron.security_group["name"]: self.neutron.security_group["id"]}

        def find(_client: Any, _kind: str, name: str, *_: Any) -> str:
            if name not in known:
                raise neutron_exceptions.NotFound()
            return str(known[name])

        self.useFixture(
            fixtures.MockPatchObject(
                security_group_api.neutronv20, "find_resourceid_by_name_or_id", find
            )
        )

        def get(_api: Any, context: Any, volume: str, microversion: str | None = None) -> Any:
            return {
                "display_description": "",
                **self.cinder.fake_get(context, volume, microversion),
            }

        self.useFixture(fixtures.MockPatch("nova.volume.cinder.API.get", get))

    def _setup_compute_service(self) -> Any:
        return [self._start_compute(host) for host in HOSTS]


class Cloud:
    """A running Nova. Made by `start()`."""

    def __init__(self, case: Any) -> None:
        self._case = case
        self._app: Callable[..., Any] = case.api_fixture.app()
        self._admin = nova_context.get_admin_context()
        self._cell = case.cell_mappings["cell1"]
        with nova_context.target_cell(self._admin, self._cell) as cell_context:
            self._db = _connection(main_db.get_engine(context=cell_context))
        self._databases = (
            self._db,
            _connection(api_db.get_engine()),
            _connection(placement_db.get_placement_engine()),
        )
        for name, actor in ACTORS.items():
            if actor.roles:
                case.tokens.add_token_data(
                    token_id=name,
                    user_id=actor.user,
                    project_id=actor.project,
                    role_list=list(actor.roles),
                )

    # Requests

    def send(
        self,
        actor: str,
        method: str,
        path: str,
        body: Any = None,
        version: str | None = NEWEST,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send `method path` (under /v2.1) as `actor` (a key of ACTORS); return the answer.

        `body` is sent as JSON, bytes as they are. `version` None sends no microversion header.
        """
        request = webob.Request.blank(f"/v2.1{path}", base_url=BASE_URL, method=method)
        if ACTORS[actor].roles:
            request.headers["X-Auth-Token"] = actor
        if version is not None:
            request.headers["OpenStack-API-Version"] = f"compute {version}"
        if body is not None:
            request.content_type = "application/json"
            request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.headers.update(headers or {})
        answer = request.get_response(self._app)
        return Reply(
            answer.status_int,
            answer.body.decode(),
            answer.headers.get("Content-Type", ""),
            dict(answer.headers),
        )

    def act(
        self,
        actor: str,
        server: str,
        action: str,
        argument: Any = None,
        version: str | None = NEWEST,
    ) -> Reply:
        """Send the server action `{action: argument}`; return the answer."""
        path = f"/servers/{server}/action"
        return self.send(actor, "POST", path, {action: argument}, version)

    def show(self, server: str, actor: str = "admin", version: str = NEWEST) -> Any:
        """Return the document of `GET /servers/{server}`, with its outer key."""
        reply = self.send(actor, "GET", f"/servers/{server}", version=version)
        if reply.code != 200:
            raise LookupError(f"GET /servers/{server}: {reply.code} {reply.text}")
        return reply.body

    # Servers

    def create_server(
        self,
        name: str,
        volume: bool = False,
        actor: str = "member",
        wait: str | None = "ACTIVE",
        **more: Any,
    ) -> str:
        """Create a server (from an image, or with `volume` from a volume); return its id.

        `wait` is the status to wait for, None for no wait; `more` goes into the request.
        """
        server: dict[str, Any] = {
            "name": name,
            "flavorRef": FLAVOR,
            "networks": [{"uuid": NETWORK}],
            **more,
        }
        if volume:
            server["block_device_mapping_v2"] = [
                {
                    "boot_index": 0,
                    "uuid": VOLUME,
                    "source_type": "volume",
                    "destination_type": "volume",
                }
            ]
        else:
            server.setdefault("imageRef", IMAGE)
        reply = self.send(actor, "POST", "/servers", {"server": server})
        if reply.code != 202:
            raise RuntimeError(f"POST /servers: {reply.code} {reply.text}")
        made = str(reply.body["server"]["id"])
        if wait is not None:
            self.wait(made, wait)
        return made

    def wait(self, server: str, status: str, task: str | None = None, **more: Any) -> Any:
        """Wait until the server has the status and exactly this task; return its document.

        `more` are further attributes that it must have.
        """
        expected = {"status": status, "OS-EXT-STS:task_state": task, **more}
        end = time.monotonic() + PATIENCE
        while True:
            shown = self.show(server)
            found = {name: shown["server"].get(name) for name in expected}
            if found == expected:
                return shown
            if time.monotonic() > end:
                raise TimeoutError(f"{expected} expected, {found} found")
            time.sleep(0.02)

    def wait_gone(self, server: str) -> None:
        """Wait until `GET` of the server answers 404."""
        end = time.monotonic() + PATIENCE
        while self.send("admin", "GET", f"/servers/{server}").code != 404:
            if time.monotonic() > end:
                raise TimeoutError(f"{server} was not deleted")
            time.sleep(0.02)

    # The row

    def row(self, server: str) -> dict[str, Any]:
        """Return the columns COLUMNS of the server's row, `deleted` and `locked` as bool."""
        query = f"SELECT {', '.join(COLUMNS)} FROM instances WHERE uuid = ?"
        found = self._db.execute(query, (server,)).fetchone()
        row = dict(zip(COLUMNS, found, strict=True))
        return {**row, "locked": bool(row["locked"]), "deleted": bool(row["deleted"])}

    def force(self, server: str, **columns: Any) -> None:
        """Write these columns of the server's row directly (host, launched_at ... as well)."""
        assignments = ", ".join(f"{column} = ?" for column in columns)
        query = f"UPDATE instances SET {assignments} WHERE uuid = ?"
        self._db.execute(query, (*columns.values(), server))
        self._db.commit()

    def execute(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run SQL on the cell's database; return the rows."""
        rows = self._db.execute(query, tuple(values)).fetchall()
        self._db.commit()
        return rows

    def snapshot(self) -> Callable[[], None]:
        """Copy the databases and what the neighbours' fixtures remember, now.

        Return a function that puts everything back, as often as it is called.
        """
        copies = []
        for live in self._databases:
            copied = sqlite3.connect(":memory:", check_same_thread=False)
            live.backup(copied)
            copies.append((copied, live))
        case = self._case
        remembered = [
            (fixture, name, copy.deepcopy(getattr(fixture, name)))
            for fixture, names in (
                (case.neutron, ("_ports", "_port_bindings")),
                (case.cinder, ("volumes", "volume_to_attachment", "volume_snapshots")),
            )
            for name in names
        ]
        images = dict(case.glance.images)

        def restore() -> None:
            for copied, live in copies:
                live.rollback()
                copied.backup(live)
            for fixture, name, value in remembered:
                setattr(fixture, name, copy.deepcopy(value))
            case.glance.images.clear()
            case.glance.images.update(images)

        return restore

    # The world around

    def flag(self, group: str | None = None, **options: Any) -> None:
        """Set configuration options of Nova until the cloud stops."""
        self._case.flags(group=group, **options)

    def host_down(self, host: str, down: bool = True) -> None:
        """Force a compute host's service down, or lift that."""
        services = self.send("admin", "GET", f"/os-services?host={host}&binary=nova-compute")
        service = services.body["services"][0]["id"]
        reply = self.send("admin", "PUT", f"/os-services/{service}", {"forced_down": down})
        if reply.code != 200:
            raise RuntimeError(f"forced_down: {reply.code} {reply.text}")

    def manager(self, host: str) -> Any:
        """Return the compute manager of a host, for its periodic tasks."""
        return self._case.computes[host].manager

    def add_image(self, image: str, properties: Mapping[str, str]) -> None:
        """Put an image with these properties into Glance."""
        plain = dict(self._case.glance.image1)
        plain.update(id=image, name="rescue", properties=dict(properties))
        self._case.glance.create(None, plain)

    def forget_notifications(self) -> None:
        """Drop what Nova's notification fixture collected: it grows with every request."""
        self._case.notifier.reset()

    @staticmethod
    def in_background(request: Callable[[], Reply]) -> Callable[[], Reply]:
        """Start a request in a thread of its own; return a function that waits for its answer."""
        answers: list[Reply] = []
        thread = threading.Thread(target=lambda: answers.append(request()), daemon=True)
        thread.start()

        def answer() -> Reply:
            thread.join(60)
            return answers[0]

        return answer

    @contextlib.contextmanager
    def periodic_context(self) -> Iterator[Any]:
        """Give the context that a compute host's periodic task runs with."""
        with nova_context.target_cell(self._admin, self._cell) as cell_context:
            yield cell_context

    @contextlib.contextmanager
    def held(self, operation: str) -> Iterator[Hold]:
        """Make an operation of the fake hypervisor, such as "power_off", wait for a release."""
        hold = Hold()
        original = getattr(fake_driver.FakeDriver, operation)

        def waiting(*arguments: Any, **named: Any) -> Any:
            hold.pause()
            return original(*arguments, **named)

        with mock.patch.object(fake_driver.FakeDriver, operation, waiting):
            try:
                yield hold
            finally:
                hold.release()

    @contextlib.contextmanager
    def failing(self, operation: str, error: Exception) -> Iterator[None]:
        """Make an operation of the fake hypervisor fail."""
        with mock.patch.object(fake_driver.FakeDriver, operation, side_effect=error):
            yield

    @contextlib.contextmanager
    def floating_ip(self, server: str, address: str) -> Iterator[None]:
        """Give Neutron a floating IP that is the server's, and can be had and given back."""
        api = neutron_api.API
        with (
            mock.patch.object(api, "associate_floating_ip"),
            mock.patch.object(api, "disassociate_floating_ip"),
            mock.patch.object(api, "get_instance_id_by_floating_address", return_value=server),
            mock.patch.object(
                api,
                "get_floating_ip_by_address",
                return_value={"floating_ip_address": address, "port_id": "a port"},
            ),
        ):
            yield

    @contextlib.contextmanager
    def cell_down(self) -> Iterator[None]:
        """Make the cell's database unreachable for the API."""
        with nova_fixtures.DownCellFixture([self._cell]):
            yield

    @contextlib.contextmanager
    def stubbed(self, answers: Mapping[str, Any]) -> Iterator[Casts]:
        """Send nothing to conductor and compute: record it, and answer calls from `answers`.

        `answers` maps a method's name to what its call returns; another call is an error.
        """
        casts = Casts()

        def cast(self: Any, ctxt: Any, method: str, **_: Any) -> None:
            casts.made.append(f"cast {self.target.topic}.{method}")

        def call(self: Any, ctxt: Any, method: str, **_: Any) -> Any:
            casts.made.append(f"call {self.target.topic}.{method}")
            return answers[method]

        base = rpc_client._BaseCallContext
        with mock.patch.object(base, "cast", cast), mock.patch.object(base, "call", call):
            yield casts


def _be_lenient() -> None:
    """Undo what Nova's tests are stricter about than Nova is: each would be an answer 500."""
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    nova_rpc.LegacyValidatingNotifier.fatal = False
    strict = nova_test.NovaExceptionReraiseFormatError
    nova_exception.NovaException._log_exception = strict.real_log_exception


def _connection(engine: Any) -> sqlite3.Connection:
    """Return the one SQLite connection of an in-memory engine."""
    connection = engine.raw_connection().driver_connection
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError(f"SQLite expected, {connection!r} found")
    return connection


@contextlib.contextmanager
def start(**options: Any) -> Iterator[Cloud]:
    """Start a Nova with these configuration options; stop it at the end of the `with` block."""
    case = _Case()
    quiet = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        case.setUp()
        _be_lenient()
        cloud = Cloud(case)
        cloud.add_image(RESCUE_IMAGE, {"hw_rescue_device": "disk", "hw_rescue_bus": "virtio"})
        for name, value in options.items():
            cloud.flag(**{name: value})
        yield cloud
    finally:
        case.doCleanups()
        objects.Service.clear_min_version_cache()
        logging.disable(quiet)
