"""Measure what Nova answers to every action in every state: `tests/data/nova-34-answers.json.gz`.

One image-backed and one volume-backed server; for each cell a row is forced into the state, the
request is sent, the answer and the row are read, and everything is put back. Conductor and compute
are stubbed out, so this is the synchronous half only. `answers.py` describes the file and reads it.

Both servers went through a resize and back into ACTIVE by force: they have a finished migration
(the resize's) while the row is `resized`, and a confirmed one in other states. The states are
forced, so some of them no cloud reaches; they show the guard.

Which task_states are measured, in each vm_state:

- "all" 43, none included: as the lowest role that policy allows, unlocked and locked by the owner,
  image-backed;
- "some" (none, and three or four that occur in that state), "few" (none and one) or "none" in all
  the rest: SAMPLES, IN_SITUATIONS and AT_VERSIONS say what.

    python tests/nova/measure.py [--jobs N] [--only ACTION ...] [--output FILE]

It runs N processes (2); with two cores of its own it takes about ten minutes. `hurry.py` says how:
one cell in TWICE is measured without its short cuts, too, and must give the same answer.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from answers import PATH

if TYPE_CHECKING:
    from cloud import Cloud, Reply
    from hurry import Hurry

NEWEST = "2.104"
#: Every so many cells are measured with and without the short cuts of `hurry.py`.
TWICE = 40
ADDRESS = "10.0.0.9"
IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
OTHER_IMAGE = "a2459075-d96c-40d5-893e-577ff92e721c"
RESCUE_IMAGE = "b0c5e1d2-7f0a-4c39-9a55-52f0d2a0e001"
NETWORK = "3cb9bc59-5699-4588-a4b1-b87f96708bc6"
FLAVORS = {"first": "1", "present": "2", "next": "3"}

#: Task states that occur in each vm_state, the commonest first.
SOME: Mapping[str, tuple[str, ...]] = {
    "active": ("powering-off", "rebooting_hard", "resize_migrating", "migrating"),
    "building": ("spawning", "scheduling", "networking", "deleting"),
    "paused": ("unpausing", "migrating", "shelving", "image_uploading"),
    "suspended": ("resuming", "shelving", "image_snapshot", "deleting"),
    "stopped": ("powering-on", "rebuild_spawning", "resize_prep", "image_backup"),
    "rescued": ("unrescuing", "deleting", "soft-deleting"),
    "resized": ("resize_reverting", "resize_confirming", "deleting"),
    "soft-delete": ("restoring", "deleting", "soft-deleting"),
    "deleted": ("deleting", "soft-deleting", "powering-off"),
    "error": ("rebuilding", "rescuing", "rebooting_hard", "deleting"),
    "shelved": ("unshelving", "shelving_offloading", "deleting"),
    "shelved_offloaded": ("unshelving", "spawning", "deleting"),
}

#: What the calls that the API makes to compute return here.
CALLS: Mapping[str, Any] = {
    "confirm_resize": None,
    "get_console_output": "the last line",
    "get_serial_console": {"access_url": "ws://console.example/"},
    "get_spice_console": {"access_url": "http://console.example/"},
    "get_vnc_console": {"access_url": "http://console.example/"},
    "migrate_server": None,
    "quiesce_instance": None,
    "set_admin_password": None,
}

Argument = Callable[[tuple[int, int], str], Any]


def constant(value: Any) -> Argument:
    """Return an argument that is the same at every microversion."""
    return lambda _version, _other_host: value


def live(host: bool) -> Argument:
    """Return the argument of os-migrateLive, which changed twice."""

    def argument(version: tuple[int, int], other_host: str) -> Any:
        chosen = {"host": other_host if host else None}
        if version < (2, 25):
            return {**chosen, "block_migration": False, "disk_over_commit": False}
        return {**chosen, "block_migration": "auto"}

    return argument


def evacuation(version: tuple[int, int], _other_host: str) -> Any:
    """Return the argument of evacuate."""
    return {} if version >= (2, 14) else {"onSharedStorage": False}


def to_host(_version: tuple[int, int], other_host: str) -> Any:
    """Return an argument that names the host on which the server is not."""
    return {"host": other_host}


NOTHING = constant(None)


@dataclass(frozen=True)
class Variant:
    """A request to measure.

    `versions`: the first is measured in full, the others in "few" task_states. `least`: the lowest
    role that policy allows. `full`: whether the first version is measured in full at all.
    """

    name: str
    argument: Argument = NOTHING
    versions: tuple[str, ...] = (NEWEST, "2.1")
    least: str = "member"
    full: bool = True
    host_down: bool = False
    reclaim: bool = False

    @property
    def action(self) -> str:
        """The action key of the request's body."""
        return self.name.partition(":")[0]


PROXY = ("2.1", "2.43", "2.44")
CONSOLE = ("2.1", "2.5", "2.6")
BACKUP = {"name": "b", "backup_type": "daily", "rotation": 1}
REBUILD = ("2.104", "2.93", "2.92", "2.1")
RESCUE = ("2.104", "2.87", "2.86", "2.1")

VARIANTS: tuple[Variant, ...] = (
    Variant("addFixedIp", constant({"networkId": NETWORK}), PROXY),
    Variant("removeFixedIp", constant({"address": "192.168.1.30"}), PROXY),
    Variant("addFloatingIp", constant({"address": ADDRESS}), PROXY),
    Variant("removeFloatingIp", constant({"address": ADDRESS}), PROXY),
    Variant("addSecurityGroup", constant({"name": "default"})),
    Variant("removeSecurityGroup", constant({"name": "default"})),
    Variant("changePassword", constant({"adminPass": "secret"})),
    Variant("confirmResize"),
    Variant("revertResize"),
    Variant("createBackup", constant(BACKUP)),
    Variant("createImage", constant({"name": "i"}), (NEWEST, "2.45", "2.44", "2.1")),
    Variant("lock", versions=(NEWEST, "2.73", "2.72", "2.1")),
    Variant("lock:reason", constant({"locked_reason": "why"}), (NEWEST, "2.73"), full=False),
    Variant("unlock"),
    Variant("pause"),
    Variant("unpause"),
    Variant("suspend"),
    Variant("resume"),
    Variant("reboot:SOFT", constant({"type": "SOFT"})),
    Variant("reboot:HARD", constant({"type": "HARD"})),
    Variant("rebuild", constant({"imageRef": IMAGE}), REBUILD),
    Variant("rebuild:other-image", constant({"imageRef": OTHER_IMAGE}), REBUILD, full=False),
    Variant("rescue", constant({}), RESCUE),
    Variant(
        "rescue:rescue_image_ref", constant({"rescue_image_ref": RESCUE_IMAGE}), RESCUE, full=False
    ),
    Variant("unrescue"),
    Variant("resize", constant({"flavorRef": FLAVORS["next"]})),
    Variant("resize:same-flavor", constant({"flavorRef": FLAVORS["present"]}), full=False),
    Variant("os-start"),
    Variant("os-stop"),
    Variant("shelve"),
    Variant("shelveOffload", least="admin"),
    Variant("unshelve", versions=(NEWEST, "2.91", "2.77", "2.76", "2.1")),
    Variant(
        "unshelve:availability_zone",
        constant({"availability_zone": "nova"}),
        (NEWEST, "2.91", "2.77", "2.76"),
    ),
    Variant(
        "unshelve:no-availability_zone",
        constant({"availability_zone": None}),
        (NEWEST, "2.91", "2.90"),
        full=False,
    ),
    Variant("unshelve:host", to_host, (NEWEST, "2.91", "2.90"), least="admin"),
    Variant("delete"),
    Variant("delete:reclaim", reclaim=True),
    Variant("forceDelete"),
    Variant("restore"),
    Variant("trigger_crash_dump", versions=(NEWEST, "2.17", "2.16")),
    Variant("evacuate", evacuation, (NEWEST, "2.95", "2.94", "2.1"), least="admin", host_down=True),
    Variant("evacuate:host-up", evacuation, least="admin", full=False),
    Variant("migrate", least="manager"),
    Variant("migrate:host", to_host, (NEWEST, "2.56", "2.55"), least="admin"),
    Variant("os-migrateLive", live(False), (NEWEST, "2.34", "2.33", "2.1"), least="manager"),
    Variant("os-migrateLive:host", live(True), (NEWEST, "2.34", "2.33", "2.1"), least="admin"),
    Variant("os-resetState:active", constant({"state": "active"}), least="admin"),
    Variant("os-resetState:error", constant({"state": "error"}), least="admin"),
    Variant("injectNetworkInfo", least="admin"),
    Variant("resetNetwork", full=False),
    Variant("os-getConsoleOutput", constant({})),
    Variant("os-getVNCConsole", constant({"type": "novnc"}), CONSOLE),
    Variant("os-getSPICEConsole", constant({"type": "spice-html5"}), CONSOLE),
    Variant("os-getSerialConsole", constant({"type": "serial"}), CONSOLE),
    Variant("os-getRDPConsole", constant({"type": "rdp-html5"}), CONSOLE, full=False),
    Variant(
        "remote-consoles",
        constant({"protocol": "vnc", "type": "novnc"}),
        (NEWEST, "2.6", "2.5"),
    ),
)

RESIZED_ONLY = ("confirmResize", "revertResize", "delete", "delete:reclaim", "forceDelete")


@dataclass(frozen=True)
class Block:
    """A grid to measure: all vm_states, and for each the task_states of a task set."""

    version: str
    situation: str
    backing: str
    actor: str
    lock: str | None
    tasks: str


#: What is measured of the first version besides "all": actor, lock, backing, task set.
SAMPLES: tuple[tuple[str, str | None, str, str], ...] = (
    ("member", None, "image", "some"),
    ("member", None, "volume", "some"),
    ("member", "owner", "image", "few"),
    ("member", "owner", "volume", "few"),
    ("member", "admin", "image", "some"),
    ("member", "admin", "volume", "none"),
    ("admin", None, "image", "some"),
    ("admin", None, "volume", "few"),
    ("admin", "owner", "image", "few"),
    ("admin", "owner", "volume", "none"),
    ("admin", "admin", "image", "few"),
    ("admin", "admin", "volume", "none"),
    ("manager", None, "image", "few"),
    ("manager", None, "volume", "none"),
    ("manager", "owner", "image", "none"),
    ("manager", "admin", "image", "none"),
    ("project-admin", None, "image", "none"),
    ("project-admin", None, "volume", "none"),
    ("project-admin", "owner", "image", "none"),
    ("project-admin", "admin", "image", "none"),
    ("reader", None, "image", "none"),
    ("reader", None, "volume", "none"),
    ("reader", "owner", "image", "none"),
    ("stranger", None, "image", "none"),
    ("stranger", None, "volume", "none"),
    ("stranger", "owner", "image", "none"),
)
#: The same of the situations, and of the other versions; "least" is the variant's lowest role.
IN_SITUATIONS = (
    ("member", None, "image", "few"),
    ("member", None, "volume", "none"),
    ("least", None, "image", "few"),
    ("least", None, "volume", "none"),
)
AT_VERSIONS = (
    ("member", None, "image", "few"),
    ("member", None, "volume", "few"),
    ("member", "owner", "image", "none"),
    ("least", None, "image", "few"),
    ("least", None, "volume", "few"),
)


def blocks(variant: Variant) -> list[Block]:
    """Return the blocks of a variant, none twice."""
    version, *others = variant.versions
    situations = ["never-launched", "no-host", "host-down"]
    if variant.name in RESIZED_ONLY:
        situations.append("no-migration")
    wanted = [(version, "", *sample) for sample in SAMPLES]
    wanted += [(version, name, *sample) for name in situations for sample in IN_SITUATIONS]
    wanted += [(other, "", *sample) for other in others for sample in AT_VERSIONS]
    if variant.full:
        full = [("least", lock, "image", "all") for lock in (None, "owner")]
        wanted = [(version, "", *sample) for sample in full] + wanted
    found: dict[tuple[Any, ...], Block] = {}
    for at, situation, who, lock, backing, tasks in wanted:
        actor = variant.least if who == "least" else who
        block = Block(at, situation, backing, actor, lock, tasks)
        found.setdefault((at, situation, actor, lock, backing), block)
    return list(found.values())


class Bench:
    """The two servers, and how to force, ask, read and put back."""

    def __init__(self, cloud: Cloud, hurry: Hurry) -> None:
        """Make the servers and remember the world as it is then."""
        self.cloud = cloud
        self.hurry = hurry
        with hurry.off():
            self.servers = {kind: self._make(kind == "volume") for kind in ("image", "volume")}
        self.restore = cloud.snapshot()
        self.rows = {kind: self._columns(server) for kind, server in self.servers.items()}
        self.down: frozenset[str] = frozenset()
        self.cells = 0

    def _make(self, volume: bool) -> str:
        """Return a server that was resized, and is ACTIVE by force."""
        cloud = self.cloud
        server = cloud.create_server("volume" if volume else "image", volume=volume)
        reply = cloud.act("member", server, "resize", {"flavorRef": FLAVORS["present"]})
        if reply.code != 202:
            raise RuntimeError(f"resize: {reply.code} {reply.text}")
        cloud.wait(server, "VERIFY_RESIZE")
        cloud.force(server, vm_state="active")
        return server

    def _columns(self, server: str) -> dict[str, Any]:
        """Return the columns that `prepare` changes."""
        names = ("launched_at", "host", "node")
        query = f"SELECT {', '.join(names)} FROM instances WHERE uuid = ?"
        return dict(zip(names, self.cloud.execute(query, (server,))[0], strict=True))

    def other_host(self, backing: str) -> str:
        """Return the host on which the server is not."""
        from cloud import HOSTS

        return next(host for host in HOSTS if host != self.rows[backing]["host"])

    def set_down(self, hosts: frozenset[str]) -> None:
        """Bring these hosts down and the others up, in the world that is put back, too."""
        if hosts == self.down:
            return
        for host in hosts ^ self.down:
            self.cloud.host_down(host, host in hosts)
        self.down = hosts
        self.hurry.forget()
        self.restore = self.cloud.snapshot()

    def prepare(self, block: Block, vm_state: str, task_state: str | None) -> dict[str, Any]:
        """Force the row of the block's server; return it as it is then."""
        server = self.servers[block.backing]
        columns: dict[str, Any] = {
            **self.rows[block.backing],
            "vm_state": vm_state,
            "task_state": task_state,
            "locked": int(block.lock is not None),
            "locked_by": block.lock,
        }
        if vm_state == "shelved_offloaded" or block.situation == "no-host":
            columns.update(host=None, node=None)
        if block.situation == "never-launched" or vm_state == "building":
            columns["launched_at"] = None
        self.cloud.force(server, **columns)
        resized = vm_state == "resized" and block.situation != "no-migration"
        self.cloud.execute(
            "UPDATE migrations SET status = ? WHERE instance_uuid = ?",
            ("finished" if resized else "confirmed", server),
        )
        return self.cloud.row(server)

    def ask(self, variant: Variant, block: Block) -> Reply:
        """Send the request."""
        server = self.servers[block.backing]
        major, minor = block.version.split(".")
        argument = variant.argument((int(major), int(minor)), self.other_host(block.backing))
        if variant.action == "delete":
            return self.cloud.send(
                block.actor, "DELETE", f"/servers/{server}", version=block.version
            )
        if variant.action == "remote-consoles":
            path, body = f"/servers/{server}/remote-consoles", {"remote_console": argument}
            return self.cloud.send(block.actor, "POST", path, body, block.version)
        return self.cloud.act(block.actor, server, variant.action, argument, block.version)

    def measure(self, variant: Variant, block: Block, tasks: TaskSet) -> list[list[Any]]:
        """Return for each vm_state the list of answers [code, message, writes, then]."""
        down = variant.host_down or block.situation == "host-down"
        self.set_down(frozenset({self.rows[block.backing]["host"]} if down else ()))
        self.cloud.flag(reclaim_instance_interval=3600 if variant.reclaim else 0)
        floating: AbstractContextManager[None] = (
            self.cloud.floating_ip(self.servers[block.backing], ADDRESS)
            if "FloatingIp" in variant.name
            else nullcontext()
        )
        with floating, self.cloud.stubbed(CALLS) as casts:
            return [
                [self.cell(variant, block, vm_state, task, casts.take) for task in tasks[vm_state]]
                for vm_state in tasks
            ]

    def cell(
        self,
        variant: Variant,
        block: Block,
        vm_state: str,
        task_state: str | None,
        take: Callable[[], tuple[str, ...]],
    ) -> list[Any]:
        """Return one answer; some are asked for twice, in a hurry and not, and compared."""
        answer = self.once(variant, block, vm_state, task_state, take)
        self.cells += 1
        if self.cells % TWICE == 0:
            with self.hurry.off():
                again = self.once(variant, block, vm_state, task_state, take)
            if answer != again:
                where = f"{variant.name}, {block}, {vm_state}, {task_state}"
                raise RuntimeError(f"{where}: {answer} in a hurry, {again} without")
        return answer

    def once(
        self,
        variant: Variant,
        block: Block,
        vm_state: str,
        task_state: str | None,
        take: Callable[[], tuple[str, ...]],
    ) -> list[Any]:
        """Return one answer: [code, message, writes, then]."""
        server = self.servers[block.backing]
        before = self.prepare(block, vm_state, task_state)
        reply = self.ask(variant, block)
        after = self.cloud.row(server)
        then = take()
        if any(call.startswith("call ") and call_name(call) not in CALLS for call in then):
            raise RuntimeError(f"{variant.name}: no answer is known for a call in {then}")
        if after != before or reply.code not in (403, 404, 409):
            self.restore()
        writes = {name: value for name, value in after.items() if value != before[name]}
        message = self.neutral(reply.message, block.backing, vm_state, task_state)
        return [reply.code, message, writes, list(then)]

    def neutral(
        self, message: str | None, backing: str, vm_state: str, task_state: str | None
    ) -> str | None:
        """Return a message with names in the place of the server's id, host and states."""
        if message is None:
            return None
        message = message.replace(self.servers[backing], "{id}")
        message = message.replace(str(self.rows[backing]["host"]), "{host}")
        for name, value in (("vm_state", vm_state), ("task_state", task_state)):
            if message.endswith(f" in {name} {value}"):
                message = message.removesuffix(str(value)) + f"{{{name}}}"
        return message


TaskSet = Mapping[str, Sequence[str | None]]


def call_name(call: str) -> str:
    """Return the method's name in "call compute.name"."""
    return call.rpartition(".")[2]


def task_sets() -> dict[str, dict[str, list[str | None]]]:
    """Return name -> vm_state -> task_states."""
    words = json.loads((PATH.parent / "nova-34-words.json").read_text(encoding="utf-8"))
    product: list[str | None] = [None, *words["task_states"]]
    return {
        "all": dict.fromkeys(SOME, product),
        "some": {vm_state: [None, *tasks] for vm_state, tasks in SOME.items()},
        "few": {vm_state: [None, tasks[0]] for vm_state, tasks in SOME.items()},
        "none": {vm_state: [None] for vm_state in SOME},
    }


def measured(variants: Sequence[Variant]) -> Iterator[dict[str, Any]]:
    """Start a Nova and yield a record for each block of these variants."""
    from cloud import start
    from hurry import hurried

    tasks = task_sets()
    with start() as cloud, hurried(cloud) as hurry:
        cloud.flag("quota", instances=-1, cores=-1, ram=-1)
        bench = Bench(cloud, hurry)
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)
        for variant in variants:
            began = time.monotonic()
            for block in blocks(variant):
                grid = bench.measure(variant, block, tasks[block.tasks])
                cloud.forget_notifications()
                yield {"action": variant.name, **vars(block), "grid": grid}
            seconds = time.monotonic() - began
            print(f"{variant.name}: {seconds:.0f} s", file=sys.stderr, flush=True)


class Interned:
    """A list of different JSON values, and the index of each."""

    def __init__(self) -> None:
        """Begin with none."""
        self.values: list[Any] = []
        self._indexes: dict[str, int] = {}

    def index(self, value: Any) -> int:
        """Return the index of a value, which is added if it is new."""
        key = json.dumps(value, sort_keys=True)
        if key not in self._indexes:
            self._indexes[key] = len(self.values)
            self.values.append(value)
        return self._indexes[key]


def pack(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the contents of the file for these records; `answers.py` describes them."""
    answers, grids = Interned(), Interned()
    packed = [
        [
            *(record[name] for name in ("action", "version", "situation", "backing", "actor")),
            record["lock"],
            record["tasks"],
            grids.index([[answers.index(answer) for answer in row] for row in record["grid"]]),
        ]
        for record in records
    ]
    return {
        "nova": importlib.metadata.version("nova"),
        "vm_states": list(SOME),
        "task_sets": task_sets(),
        "answers": answers.values,
        "grids": grids.values,
        "blocks": packed,
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file; the same content gives the same bytes."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def shares(variants: Sequence[Variant], jobs: int) -> list[list[Variant]]:
    """Share the variants out among `jobs` processes."""
    return [list(variants[job::jobs]) for job in range(jobs)]


def run_part(names: Sequence[str], output: Path) -> None:
    """Measure the variants of these names, and write their records, one a line."""
    chosen = [variant for variant in VARIANTS if variant.name in names]
    with output.open("w", encoding="utf-8") as file:
        for record in measured(chosen):
            file.write(json.dumps(record) + "\n")


def run(variants: Sequence[Variant], jobs: int) -> list[dict[str, Any]]:
    """Measure the variants in `jobs` processes; return the records in the order of VARIANTS."""
    with tempfile.TemporaryDirectory() as directory:
        running = []
        for number, share in enumerate(shares(variants, jobs)):
            part = Path(directory) / f"{number}.jsonl"
            names = [variant.name for variant in share]
            command = [sys.executable, __file__, "--part", str(part), "--only", *names]
            running.append((part, subprocess.Popen(command)))
        failed = [process for _, process in running if process.wait() != 0]
        if failed:
            raise SystemExit("tests/nova/measure.py: a process failed")
        records = [
            json.loads(line)
            for part, _ in running
            for line in part.read_text(encoding="utf-8").splitlines()
        ]
    order = {variant.name: number for number, variant in enumerate(VARIANTS)}
    return sorted(records, key=lambda record: order[record["action"]])


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description="Measure what Nova answers.")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--only", nargs="+", help="these actions and variants")
    parser.add_argument("--output", type=Path, default=PATH, help="the file to write")
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only and not options.part and options.output == PATH:
        parser.error("--only needs --output: the file of all answers is not to be overwritten")
    names = options.only or [variant.name for variant in VARIANTS]
    if options.part:
        run_part(names, options.part)
        return
    chosen = [variant for variant in VARIANTS if variant.name in names]
    began = time.monotonic()
    write(options.output, pack(run(chosen, min(options.jobs, len(chosen)))))
    print(f"{options.output}: {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
