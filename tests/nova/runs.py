"""Measure what Nova does after it has answered: `tests/data/nova-34-runs.json.gz`.

    python tests/nova/runs.py [--jobs N] [--only ACTION ...] [--output FILE]
    python tests/nova/runs.py --sample 40 --seed 7 --output FILE

`scenarios.py` and `failures.py` say what is measured, `observe.py` how, `trajectories.py` describes
and reads the file. Each scenario is measured twice, the second time in the opposite order; one that
differs is an error. What Nova refuses because of the server's state is left out.

There are three compute hosts, so that a rescheduled server has somewhere to go. Cinder's and
Glance's fixtures are made to answer as Cinder and Glance do where it matters (`inject.py`).

Not measured: what needs shares, accelerators, PCI devices, vTPM or another hypervisor; refusals,
which are in `nova-34-answers.json.gz`; requests that overtake each other, timers and restarts. A
host that is down for good, so that it never hears of the request, is "messages-lost". No scenario
was found to vary from run to run.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gc
import gzip
import importlib.metadata
import json
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from origins import KEEP, NO_HOST, RECLAIM, Scenario
from scenarios import every
from trajectories import PATH, Run, load

if TYPE_CHECKING:
    from cloud import Cloud, Reply
    from observe import Log

THREE_HOSTS = ("compute-1", "compute-2", "compute-3")
ADDRESS = "10.0.0.9"
OTHER_IMAGE = "a2459075-d96c-40d5-893e-577ff92e721c"
IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
RESCUE_IMAGE = "b0c5e1d2-7f0a-4c39-9a55-52f0d2a0e001"
NETWORK = "3cb9bc59-5699-4588-a4b1-b87f96708bc6"
BIGGER, TOO_BIG = "2", "5"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HOST = re.compile(r"compute-\d")
PATIENCE = 60.0
#: Actions for which one has to be an administrator.
ADMIN = (
    "evacuate",
    "injectNetworkInfo",
    "migrate",
    "os-migrateLive",
    "os-resetState",
    "shelveOffload",
    "unshelve:host",
)
BACKUP = {"name": "b", "backup_type": "daily"}

#: Request to the argument of the action; the host is another than the server's.
ARGUMENTS: Mapping[str, Callable[[Scenario, str], Any]] = {
    "addFixedIp": lambda _each, _host: {"networkId": NETWORK},
    "removeFixedIp": lambda _each, _host: {"address": "192.168.1.3"},
    "addFloatingIp": lambda _each, _host: {"address": ADDRESS},
    "removeFloatingIp": lambda _each, _host: {"address": ADDRESS},
    "addSecurityGroup": lambda _each, _host: {"name": "default"},
    "removeSecurityGroup": lambda _each, _host: {"name": "default"},
    "changePassword": lambda _each, _host: {"adminPass": "secret"},
    "createBackup": lambda each, _host: {**BACKUP, "rotation": int(each.request != "rotation-0")},
    "createImage": lambda _each, _host: {"name": "i"},
    "reboot:SOFT": lambda _each, _host: {"type": "SOFT"},
    "reboot:HARD": lambda _each, _host: {"type": "HARD"},
    "rebuild": lambda each, _host: rebuilding(each),
    "rescue": lambda _each, _host: {},
    "rescue:rescue_image_ref": lambda _each, _host: {"rescue_image_ref": RESCUE_IMAGE},
    "resize": lambda _each, _host: {"flavorRef": BIGGER},
    "migrate:host": lambda _each, host: {"host": host},
    "os-migrateLive": lambda each, _host: moving(each, None),
    "os-migrateLive:host": lambda each, host: moving(each, host),
    "unshelve:availability_zone": lambda _each, _host: {"availability_zone": "nova"},
    "unshelve:host": lambda _each, host: {"host": host},
    "evacuate": lambda each, host: evacuating(each, host),
    "os-resetState:active": lambda _each, _host: {"state": "active"},
    "os-resetState:error": lambda _each, _host: {"state": "error"},
    "os-getConsoleOutput": lambda _each, _host: {},
    "os-getVNCConsole": lambda _each, _host: {"type": "novnc"},
    "os-getSPICEConsole": lambda _each, _host: {"type": "spice-html5"},
    "os-getSerialConsole": lambda _each, _host: {"type": "serial"},
}


def numbers(version: str) -> tuple[int, ...]:
    """Return a microversion as numbers."""
    return tuple(map(int, version.split(".")))


def rebuilding(each: Scenario) -> Any:
    """Return the argument of rebuild."""
    more = {"preserve_ephemeral": True} if each.request == "preserve-ephemeral" else {}
    return {"imageRef": OTHER_IMAGE if each.request == "other-image" else IMAGE, **more}


def moving(each: Scenario, host: str | None) -> Any:
    """Return the argument of os-migrateLive, which changed several times."""
    argument: dict[str, Any] = {"host": host, "block_migration": "auto"}
    if numbers(each.version) < (2, 25):
        argument.update(block_migration=False, disk_over_commit=False)
    if each.request == "force":
        argument["force"] = True
    return argument


def evacuating(each: Scenario, host: str) -> Any:
    """Return the argument of evacuate."""
    argument: dict[str, Any] = {"host": host} if each.request.startswith("host") else {}
    if numbers(each.version) < (2, 14):
        argument["onSharedStorage"] = False
    if each.request == "host-force":
        argument["force"] = True
    return argument


@dataclass
class World:
    """A server in its place, and how to put everything back to that."""

    server: str
    restore: Callable[[], None]
    hypervisors: list[dict[str, Any]]


class Bench:
    """A Nova in which scenarios are measured."""

    def __init__(self, cloud: Cloud, log: Log) -> None:
        """Begin with an empty cloud."""
        self.cloud = cloud
        self.log = log
        self.empty = self._snapshot()
        self.worlds: dict[tuple[str, str, str], World] = {}

    # Worlds

    def world(self, origin: str, backing: str, guests: str) -> World:
        """Return the world with a server of this origin; it is made once."""
        key = (origin, backing, guests)
        if key not in self.worlds:
            self.worlds[key] = self._make(origin, backing, guests)
        return self.worlds[key]

    def enter(self, world: World) -> None:
        """Put everything back to what it was in a world."""
        world.restore()
        for host, kept in zip(THREE_HOSTS, world.hypervisors, strict=True):
            driver = self.cloud.manager(host).driver
            driver.instances = {name: copy.copy(guest) for name, guest in kept["instances"].items()}
            driver._interfaces = dict(kept["_interfaces"])
            driver._mounts = {name: dict(found) for name, found in kept["_mounts"].items()}

    def _leave(self, server: str) -> World:
        """Return the world as it is now."""
        hypervisors = []
        for host in THREE_HOSTS:
            driver = self.cloud.manager(host).driver
            hypervisors.append(
                {
                    "instances": {name: copy.copy(each) for name, each in driver.instances.items()},
                    "_interfaces": dict(driver._interfaces),
                    "_mounts": {name: dict(each) for name, each in driver._mounts.items()},
                }
            )
        return World(server, self._snapshot(), hypervisors)

    def _snapshot(self) -> Callable[[], None]:
        """Return what puts everything back, the database of cell0 as well."""
        restore, live = self.cloud.snapshot(), self.log.cell0
        copied = sqlite3.connect(":memory:", check_same_thread=False)
        live.backup(copied)

        def put_back() -> None:
            restore()
            live.rollback()
            copied.backup(live)

        return put_back

    def _make(self, origin: str, backing: str, guests: str) -> World:
        """Make a world."""
        if origin in ("active", "error(no-valid-host)", "error(build-failed)"):
            self.empty()
            for host in THREE_HOSTS:
                self.cloud.manager(host).driver.instances = {}
            return self._leave(self._created(origin, backing))
        step, _, parent = origin.partition("<")
        if step == NO_HOST:
            parent = "shelved_offloaded"
        elif step == "shelved" and backing == "volume":
            parent = "stopped"
        made = self.world(parent or "active", backing, guests)
        self.enter(made)
        self._go(step, made.server, backing)
        return self._leave(made.server)

    def _created(self, origin: str, backing: str) -> str:
        """Return a new server."""
        from inject import Stage, injected

        lines = ["network.allocate_for_instance raises RuntimeError"]
        more = {"flavorRef": TOO_BIG} if origin == "error(no-valid-host)" else {}
        stage = Stage(self.cloud, "", None, THREE_HOSTS)
        with injected(stage, lines if origin == "error(build-failed)" else []):
            server = self.cloud.create_server("s", volume=backing == "volume", wait=None, **more)
            self._settle(server)
        return server

    def _go(self, step: str, server: str, backing: str) -> None:
        """Bring a server from where it is to where a step leads."""
        forced: Mapping[str, dict[str, Any]] = {
            "building": {"vm_state": "building", "launched_at": None},
            "deleted": {"vm_state": "deleted"},
        }
        if step in forced or (step == "shelved" and backing == "volume"):
            self.cloud.force(server, **forced.get(step, {"vm_state": "shelved"}))
            return
        action, options = {
            "stopped": ("os-stop", {}),
            "paused": ("pause", {}),
            "suspended": ("suspend", {}),
            "rescued": ("rescue:rescue_image_ref", {}),
            "resized": ("resize", {}),
            "resized(migrate)": ("migrate", {}),
            "error": ("os-resetState:error", {}),
            "shelved": ("shelve", KEEP),
            "shelved_offloaded": ("shelve", {}),
            "soft-delete": ("delete", RECLAIM),
            NO_HOST: ("os-resetState:active", {}),
        }[step]
        with self._options(options):
            reply = self._send(Scenario(action), server)
            self._settle(server)
        state = self.cloud.row(server)["vm_state"]
        if reply.code >= 300 or state != step.partition("(")[0]:
            raise RuntimeError(f"{step}: {reply.code} {reply.text}, {state}")

    def _settle(self, server: str | None) -> None:
        """Wait until Nova has nothing more to do."""
        from observe import settle

        settle(self.cloud, server, PATIENCE)

    @contextlib.contextmanager
    def _options(self, options: Mapping[str, Any]) -> Iterator[None]:
        """Set the operator's options ("name" or "group.name") until the end of the block."""
        from nova import conf

        before: list[tuple[str | None, str, Any]] = []
        for path, value in options.items():
            group, _, name = path.rpartition(".")
            owner = conf.CONF[group] if group else conf.CONF
            before.append((group or None, name, owner[name]))
            self.cloud.flag(group or None, **{name: value})
        try:
            yield
        finally:
            for found, name, value in before:
                self.cloud.flag(found, **{name: value})

    # Measuring

    def measure(self, each: Scenario) -> dict[str, Any] | None:
        """Return the run, None if Nova refuses because of the server's state."""
        from inject import true_guests

        with true_guests() if each.guests == "true" else contextlib.nullcontext():
            if each.action == "create":
                return self._creation(each)
            world = self.world(*each.world)
            self.enter(world)
            return self._run(each, world.server)

    def _run(self, each: Scenario, server: str) -> dict[str, Any] | None:
        """Send a request to a server and return what happened."""
        from inject import Stage, injected

        host = self.log.row(server)[3]
        stage = Stage(self.cloud, server, host, THREE_HOSTS)
        with self._options(each.options), injected(stage, each.injected):
            vm_state, task_state, power_state, _ = self.log.row(server)
            self.log.clear()
            reply = self._send(each, server, host)
            self._settle(server)
        log = self.log.of(server)
        saved = any(entry[0] != "fault" for entry in log)
        if reply.code >= 400 and not saved and (each.failure is None or reply.code < 500):
            return None
        before = {"vm_state": vm_state, "task_state": task_state, "power_state": power_state}
        return self._record(each, reply, server, log, before, host)

    def _creation(self, each: Scenario) -> dict[str, Any]:
        """Create a server and return what happened."""
        from inject import Stage, injected

        self.empty()
        body: dict[str, Any] = {"name": "s", "flavorRef": "1", "networks": [{"uuid": NETWORK}]}
        if each.backing == "volume":
            volume = {"boot_index": 0, "uuid": "6ca404f3-d844-4169-bb96-bc792f37de98"}
            kinds = {"source_type": "volume", "destination_type": "volume"}
            body["block_device_mapping_v2"] = [{**volume, **kinds}]
        else:
            body["imageRef"] = IMAGE
        if each.request == "too-big":
            body["flavorRef"] = TOO_BIG
        elif each.request == "host":
            body["host"] = THREE_HOSTS[0]
        stage = Stage(self.cloud, "", None, THREE_HOSTS)
        with self._options(each.options), injected(stage, each.injected):
            self.log.clear()
            reply = self.cloud.send("admin", "POST", "/servers", {"server": body}, each.version)
            self._settle(None)
        server = str(reply.body["server"]["id"])
        before = {"vm_state": None, "task_state": None, "power_state": None}
        return self._record(each, reply, server, self.log.of(server), before, None)

    def _record(
        self,
        each: Scenario,
        reply: Reply,
        server: str,
        log: Sequence[Sequence[Any]],
        before: Mapping[str, Any],
        host: str | None,
    ) -> dict[str, Any]:
        """Return what is stored of a run."""
        after = self.log.row(server)[3]
        kept = "none" if after is None else "same" if after == host else "other"
        told = [[neutral(value, server) for value in entry] for entry in log]
        return {**asdict(each), "code": reply.code, **before, "host": kept, "log": told}

    def _send(self, each: Scenario, server: str, host: str | None = None) -> Reply:
        """Send a scenario's request."""
        key = each.action.partition(":")[0]
        actor = "admin" if each.action in ADMIN or key in ADMIN else "member"
        if each.action == "delete":
            return self.cloud.send(actor, "DELETE", f"/servers/{server}", version=each.version)
        other = next(name for name in THREE_HOSTS if name != host)
        make = ARGUMENTS.get(each.action)
        argument = make(each, other) if make else None
        floating = "FloatingIp" in each.action
        with self.cloud.floating_ip(server, ADDRESS) if floating else contextlib.nullcontext():
            return self.cloud.act(actor, server, key, argument, each.version)


def neutral(value: Any, server: str) -> Any:
    """Return a value of the log without what is new in every run."""
    if not isinstance(value, str):
        return value
    return HOST.sub("{host}", UUID.sub("{uuid}", value.replace(server, "{id}")))


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """Start a Nova to measure in."""
    import cloud as clouds
    from inject import answering_cinder, answering_glance
    from observe import observed

    with (
        mock.patch.object(clouds, "HOSTS", THREE_HOSTS),
        clouds.start() as cloud,
        answering_glance(cloud),
        answering_cinder(cloud),
        observed(cloud) as log,
    ):
        cloud.flag("quota", instances=-1, cores=-1, ram=-1)
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)
        yield Bench(cloud, log)


def measured(chosen: Sequence[Scenario], times: int) -> list[dict[str, Any]]:
    """Return the runs of these scenarios, in their order; each is measured so many times."""
    with bench() as at:
        first = [at.measure(each) for each in chosen]
        differing = 0
        for _ in range(times - 1):
            again = [at.measure(each) for each in reversed(chosen)][::-1]
            for each, one, other in zip(chosen, first, again, strict=True):
                if one != other:
                    differing += 1
                    print(f"differs: {each.key}\n  {one}\n  {other}", file=sys.stderr)
    if differing:
        raise SystemExit(f"tests/nova/runs.py: {differing} were not the same every time")
    return [each for each in first if each is not None]


def pack(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the contents of the file for these runs; `trajectories.py` describes them."""
    columns = [each.name for each in fields(Run)]
    logs = sorted({json.dumps(run["log"]) for run in runs})
    index = {text: number for number, text in enumerate(logs)}
    rows = [
        [index[json.dumps(run["log"])] if name == "log" else run[name] for name in columns]
        for run in runs
    ]
    return {
        "nova": importlib.metadata.version("nova"),
        "logs": [json.loads(text) for text in logs],
        "columns": columns,
        "runs": rows,
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file; the same content gives the same bytes."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def shares(chosen: Sequence[Scenario], jobs: int) -> list[list[Scenario]]:
    """Share the scenarios out among the processes, those of a world together."""
    worlds: dict[tuple[str, str, str], list[Scenario]] = defaultdict(list)
    for each in chosen:
        worlds[each.world].append(each)
    found: list[list[Scenario]] = [[] for _ in range(jobs)]
    for world in sorted(worlds.values(), key=len, reverse=True):
        min(found, key=len).extend(world)
    return [share for share in found if share]


def run_part(part: Path, times: int) -> None:
    """Measure the scenarios whose keys are in the file, and write their runs there."""
    by_key = {each.key: each for each in every()}
    chosen = [by_key[key] for key in json.loads(part.read_text("utf-8"))]
    part.write_text(json.dumps(measured(chosen, times)), encoding="utf-8")


def run(chosen: Sequence[Scenario], jobs: int, times: int) -> list[dict[str, Any]]:
    """Measure the scenarios in so many processes; return the runs in their order."""
    with tempfile.TemporaryDirectory() as directory:
        running = []
        for number, share in enumerate(shares(chosen, jobs)):
            part = Path(directory) / f"{number}.json"
            part.write_text(json.dumps([each.key for each in share]), encoding="utf-8")
            command = [sys.executable, __file__, "--part", str(part), "--times", str(times)]
            running.append((part, subprocess.Popen(command)))
        failed = [process for _, process in running if process.wait() != 0]
        if failed:
            raise SystemExit("tests/nova/runs.py: a process failed")
        found = [each for part, _ in running for each in json.loads(part.read_text("utf-8"))]
    order = {each.key: number for number, each in enumerate(chosen)}
    names = [each.name for each in fields(Scenario)]
    return sorted(found, key=lambda each: order[Scenario(**{n: each[n] for n in names}).key])


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description="Measure what Nova does after its answer.")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--only", nargs="+", help="these actions and variants")
    parser.add_argument("--sample", type=int, help="so many scenarios of the stored file, once")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--times", type=int, default=2, help="how often each is measured (2)")
    parser.add_argument("--output", type=Path, default=PATH, help="the file to write")
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        run_part(options.part, options.times)
        return
    if (options.only or options.sample) and options.output == PATH:
        parser.error("--only and --sample need --output: the file is not to be overwritten")
    chosen = [each for each in every() if not options.only or each.action in options.only]
    times = options.times
    if options.sample:
        stored = {each.key for each in load()}
        chosen = [each for each in chosen if each.key in stored]
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
        times = 1
    began = time.monotonic()
    runs = run(chosen, options.jobs, times)
    write(options.output, pack(runs))
    seconds = time.monotonic() - began
    print(f"{options.output}: {len(runs)} runs, {seconds:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
