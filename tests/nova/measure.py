"""Measure what Nova answers to every action in every state: `tests/data/nova-34-answers.json.gz`.

One image-backed and one volume-backed server; for each cell a row is forced into the state, the
request is sent, the answer and the row are read, and everything is put back. Conductor and compute
are stubbed out, so this is the synchronous half only. `answers.py` describes the file and reads it.

Both servers went through a resize and back into ACTIVE by force: they have a finished migration
(the resize's) while the row is `resized`, and a confirmed one in other states. The states are
forced, so some of them no cloud reaches; they show the guard.

Of every action and variant, at the newest microversion, the whole cross product is measured: 12
vm_states x 43 task_states, none included x 3 locks x 2 backings, as the lowest role that policy
allows and as administrator. `wanted` says what is measured besides with fewer task_states ("few":
none and one that occurs in that vm_state): as others, where the server was never launched, has no
host or its host is down, and at the microversions at which something changed.

    python tests/nova/measure.py [--jobs N] [--only ACTION ...] [--output FILE] [--parts DIRECTORY]
    python tests/nova/measure.py --sample N --seed S [--older] --output FILE

The first runs N processes (2) for half an hour or so; what is measured is kept in DIRECTORY until
the file is written, so that a second run goes on where the first was stopped. `hurry.py` says how
so many questions are asked: one cell in TWICE is measured without its short cuts, too, and must
give the same answer; and after each block all databases are compared with what they were.

The second asks N of the stored cells anew, at random; with --older, at older microversions only.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import importlib.metadata
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from answers import PATH, read

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

#: A task state that occurs in each vm_state.
FEW: Mapping[str, str] = {
    "active": "powering-off",
    "building": "spawning",
    "paused": "unpausing",
    "suspended": "resuming",
    "stopped": "powering-on",
    "rescued": "unrescuing",
    "resized": "resize_reverting",
    "soft-delete": "restoring",
    "deleted": "deleting",
    "error": "rebuilding",
    "shelved": "unshelving",
    "shelved_offloaded": "unshelving",
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

#: Codes after which Nova has changed nothing outside its databases.
REFUSED = (401, 403, 404, 409)
#: Where measured blocks are kept until all are.
PARTS = Path(sys.prefix) / "answers"

TaskSet = Mapping[str, Sequence["str | None"]]
Take = Callable[[], "tuple[str, ...]"]
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

    `versions`: of the first everything is measured, of the others less. `least`: the lowest role
    that policy allows.
    """

    name: str
    argument: Argument = NOTHING
    versions: tuple[str, ...] = (NEWEST, "2.1")
    least: str = "member"
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
    Variant("lock:reason", constant({"locked_reason": "why"}), (NEWEST, "2.73")),
    Variant("unlock"),
    Variant("pause"),
    Variant("unpause"),
    Variant("suspend"),
    Variant("resume"),
    Variant("reboot:SOFT", constant({"type": "SOFT"})),
    Variant("reboot:HARD", constant({"type": "HARD"})),
    Variant("rebuild", constant({"imageRef": IMAGE}), REBUILD),
    Variant("rebuild:other-image", constant({"imageRef": OTHER_IMAGE}), REBUILD),
    Variant("rescue", constant({}), RESCUE),
    Variant("rescue:rescue_image_ref", constant({"rescue_image_ref": RESCUE_IMAGE}), RESCUE),
    Variant("unrescue"),
    Variant("resize", constant({"flavorRef": FLAVORS["next"]})),
    Variant("resize:same-flavor", constant({"flavorRef": FLAVORS["present"]})),
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
    ),
    Variant("unshelve:host", to_host, (NEWEST, "2.91", "2.90"), least="admin"),
    Variant("delete"),
    Variant("delete:reclaim", reclaim=True),
    Variant("forceDelete"),
    Variant("restore"),
    Variant("trigger_crash_dump", versions=(NEWEST, "2.17", "2.16")),
    Variant("evacuate", evacuation, (NEWEST, "2.95", "2.94", "2.1"), least="admin", host_down=True),
    Variant("evacuate:host-up", evacuation, least="admin"),
    Variant("migrate", least="manager"),
    Variant("migrate:host", to_host, (NEWEST, "2.56", "2.55"), least="admin"),
    Variant("os-migrateLive", live(False), (NEWEST, "2.34", "2.33", "2.1"), least="manager"),
    Variant("os-migrateLive:host", live(True), (NEWEST, "2.34", "2.33", "2.1"), least="admin"),
    Variant("os-resetState:active", constant({"state": "active"}), least="admin"),
    Variant("os-resetState:error", constant({"state": "error"}), least="admin"),
    Variant("injectNetworkInfo", least="admin"),
    Variant("resetNetwork"),
    Variant("os-getConsoleOutput", constant({})),
    Variant("os-getVNCConsole", constant({"type": "novnc"}), CONSOLE),
    Variant("os-getSPICEConsole", constant({"type": "spice-html5"}), CONSOLE),
    Variant("os-getSerialConsole", constant({"type": "serial"}), CONSOLE),
    Variant("os-getRDPConsole", constant({"type": "rdp-html5"}), CONSOLE),
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


BACKINGS = ("image", "volume")


LOCKS = (None, "owner", "admin")


def crossed(
    version: str, situation: str, actor: str, locks: Sequence[str | None], tasks: str
) -> Iterator[Block]:
    """Yield a block for each of these locks and each backing."""
    for lock, backing in product(locks, BACKINGS):
        yield Block(version, situation, backing, actor, lock, tasks)


def wanted(variant: Variant) -> Iterator[Block]:
    """Yield the blocks of a variant; of two that differ in the task set alone the first counts."""
    newest, *others = variant.versions
    for actor in (variant.least, "admin"):
        yield from crossed(newest, "", actor, LOCKS, "all")
    for actor in ("member", "manager", "project-admin", "reader", "stranger"):
        yield from crossed(newest, "", actor, LOCKS, "few")
    yield from crossed(newest, "", "anonymous", [None], "none")
    situations = ["never-launched", "no-host", "host-down"]
    if variant.name in RESIZED_ONLY:
        situations.append("no-migration")
    places = [*product([newest], situations), *product(others, [""])]
    for version, situation in places:
        yield from crossed(version, situation, variant.least, LOCKS, "few")
        yield from crossed(version, situation, "member", [None], "few")
        yield from crossed(version, situation, "admin", [None], "few")


def blocks(variant: Variant) -> list[Block]:
    """Return the blocks of a variant, none twice."""
    found: dict[Block, Block] = {}
    for block in wanted(variant):
        found.setdefault(replace(block, tasks=""), block)
    return list(found.values())


def is_down(variant: Variant, block: Block) -> bool:
    """Tell whether the server's host is down in this block."""
    return variant.host_down or block.situation == "host-down"


class Bench:
    """The two servers, and how to force, ask, read and put back."""

    def __init__(self, cloud: Cloud, hurry: Hurry) -> None:
        """Make the servers and remember the world as it is then."""
        from undo import Undo

        self.cloud = cloud
        self.hurry = hurry
        with hurry.off():
            self.servers = {kind: self._make(kind == "volume") for kind in BACKINGS}
        self.rows = {kind: self._columns(server) for kind, server in self.servers.items()}
        self.migrations: dict[str, str] = {}
        self.rest()
        self.undo = Undo(cloud)
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
        names = ("launched_at", "host", "node", "vm_state", "task_state", "locked", "locked_by")
        query = f"SELECT {', '.join(names)} FROM instances WHERE uuid = ?"
        return dict(zip(names, self.cloud.execute(query, (server,))[0], strict=True))

    def rest(self) -> None:
        """Write both rows back as they were when the servers were made."""
        for backing, server in self.servers.items():
            self.cloud.force(server, **self.rows[backing])
            self._migrate(server, "confirmed")

    def _migrate(self, server: str, status: str) -> None:
        """Force the status of the server's migration."""
        if self.migrations.get(server) != status:
            query = "UPDATE migrations SET status = ? WHERE instance_uuid = ?"
            self.cloud.execute(query, (status, server))
            self.migrations[server] = status

    def other_host(self, backing: str) -> str:
        """Return the host on which the server is not."""
        from cloud import HOSTS

        return next(host for host in HOSTS if host != self.rows[backing]["host"])

    def set_down(self, hosts: frozenset[str]) -> None:
        """Bring these hosts down and the others up, in the world that is put back, too."""
        if hosts == self.down:
            return
        self.rest()
        with self.hurry.off():
            for host in hosts ^ self.down:
                self.cloud.host_down(host, host in hosts)
        self.down = hosts
        self.hurry.forget()
        self.undo.start()

    def prepare(self, block: Block, vm_state: str, task_state: str | None) -> dict[str, Any]:
        """Force the row of the block's server; return it as it is then."""
        server = self.servers[block.backing]
        forced: dict[str, Any] = {
            "vm_state": vm_state,
            "task_state": task_state,
            "locked": block.lock is not None,
            "locked_by": block.lock,
        }
        columns = {**self.rows[block.backing], **forced}
        if vm_state == "shelved_offloaded" or block.situation == "no-host":
            columns.update(host=None, node=None)
        if block.situation == "never-launched" or vm_state == "building":
            columns["launched_at"] = None
        resized = vm_state == "resized" and block.situation != "no-migration"
        with self.undo.paused():
            self.cloud.force(server, **columns)
            self._migrate(server, "finished" if resized else "confirmed")
        return {**forced, "deleted": False}

    def ask(self, variant: Variant, block: Block) -> Reply:
        """Send the request."""
        server = self.servers[block.backing]
        major, minor = block.version.split(".")
        argument = variant.argument((int(major), int(minor)), self.other_host(block.backing))
        body: dict[str, Any] | None = {variant.action: argument}
        method, path = "POST", f"/servers/{server}/action"
        if variant.action == "delete":
            method, path, body = "DELETE", f"/servers/{server}", None
        elif variant.action == "remote-consoles":
            path, body = f"/servers/{server}/remote-consoles", {"remote_console": argument}
        return self.hurry.send(block.actor, method, path, body, block.version)

    @contextmanager
    def world(self, variant: Variant, block: Block) -> Iterator[Take]:
        """Make the world around the servers what the block wants it to be."""
        down = {self.rows[block.backing]["host"]} if is_down(variant, block) else ()
        self.set_down(frozenset(down))
        self.cloud.flag(reclaim_instance_interval=3600 if variant.reclaim else 0)
        floating: AbstractContextManager[None] = (
            self.cloud.floating_ip(self.servers[block.backing], ADDRESS)
            if "FloatingIp" in variant.name
            else nullcontext()
        )
        with floating, self.cloud.stubbed(CALLS) as casts:
            yield casts.take
        self.cloud.forget_notifications()

    def check(self, what: str) -> None:
        """Raise an error unless all is as it was when the hosts last went down or up."""
        with self.undo.paused():
            self.rest()
        if not self.undo.complete():
            raise RuntimeError(f"{what}: not all was put back")

    def measure(self, variant: Variant, block: Block, tasks: TaskSet) -> list[list[Any]]:
        """Return for each vm_state the list of answers [code, message, writes, then]."""
        with self.world(variant, block) as take:
            grid = [
                [self.cell(variant, block, vm_state, task, take) for task in tasks[vm_state]]
                for vm_state in tasks
            ]
        self.check(f"{variant.name}, {block}")
        return grid

    def cell(
        self, variant: Variant, block: Block, vm_state: str, task_state: str | None, take: Take
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
        self, variant: Variant, block: Block, vm_state: str, task_state: str | None, take: Take
    ) -> list[Any]:
        """Return one answer: [code, message, writes, then]."""
        before = self.prepare(block, vm_state, task_state)
        reply = self.ask(variant, block)
        changed = self.undo.changed()
        after = self.cloud.row(self.servers[block.backing]) if changed else before
        then = take()
        if any(call.startswith("call ") and call_name(call) not in CALLS for call in then):
            raise RuntimeError(f"{variant.name}: no answer is known for a call in {then}")
        if changed or reply.code not in REFUSED:
            self.undo.back()
        writes = {name: value for name, value in after.items() if value != before[name]}
        message = self.neutral(reply.message, block.backing, vm_state, task_state)
        return [reply.code, message, writes, list(then)]

    def neutral(
        self, message: str | None, backing: str, vm_state: str, task_state: str | None
    ) -> str | None:
        """Return a message with names in the place of the server's id, its states, and hosts."""
        if message is None:
            return None
        message = message.replace(self.servers[backing], "{id}")
        for host in (str(self.rows[backing]["host"]), self.other_host(backing)):
            message = message.replace(host, "{host}")
        for name, value in (("vm_state", vm_state), ("task_state", task_state)):
            if message.endswith(f" in {name} {value}"):
                message = message.removesuffix(str(value)) + f"{{{name}}}"
        return message


def call_name(call: str) -> str:
    """Return the method's name in "call compute.name"."""
    return call.rpartition(".")[2]


def task_sets() -> dict[str, dict[str, list[str | None]]]:
    """Return name -> vm_state -> task_states."""
    words = json.loads((PATH.parent / "nova-34-words.json").read_text(encoding="utf-8"))
    every: list[str | None] = [None, *words["task_states"]]
    return {
        "all": dict.fromkeys(FEW, every),
        "few": {vm_state: [None, task] for vm_state, task in FEW.items()},
        "none": {vm_state: [None] for vm_state in FEW},
    }


@contextmanager
def bench() -> Iterator[Bench]:
    """Start a Nova, and give the bench to measure it on."""
    from cloud import start
    from hurry import hurried

    with start() as cloud, hurried(cloud) as hurry:
        cloud.flag("quota", instances=-1, cores=-1, ram=-1)
        made = Bench(cloud, hurry)
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)
        yield made


# The file


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


#: The attributes of a block in the file, after the action.
NAMES = ("version", "situation", "backing", "actor", "lock", "tasks")


def pack(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the contents of the file for these records; `answers.py` describes them."""
    answers, grids = Interned(), Interned()
    packed = []
    for record in records:
        grid = [[answers.index(answer) for answer in row] for row in record["grid"]]
        packed.append([record["action"], *(record[name] for name in NAMES), grids.index(grid)])
    return {
        "nova": importlib.metadata.version("nova"),
        "vm_states": list(FEW),
        "task_sets": task_sets(),
        "answers": answers.values,
        "grids": grids.values,
        "blocks": packed,
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file; the same content gives the same bytes."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


# Parts: a file for each variant, with a record a line


def part_of(directory: Path, variant: Variant) -> Path:
    """Return the file of a variant's records."""
    return directory / f"{variant.name.replace(':', '_')}.jsonl"


def read_part(directory: Path, variant: Variant) -> dict[Block, dict[str, Any]]:
    """Return the records of a variant that were written, whole lines only."""
    path = part_of(directory, variant)
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    records = [json.loads(line) for line in lines]
    return {Block(*(record[name] for name in NAMES)): record for record in records}


def claimed(directory: Path, variant: Variant) -> bool:
    """Tell whether no other process has begun with this variant."""
    try:
        part_of(directory, variant).with_suffix(".claim").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def measure_parts(variants: Sequence[Variant], directory: Path) -> None:
    """Measure what is not measured yet of those variants that no other process has begun with."""
    tasks = task_sets()
    with bench() as made:
        for variant in variants:
            if not claimed(directory, variant):
                continue
            began, cells = time.monotonic(), made.cells
            known = read_part(directory, variant)
            with part_of(directory, variant).open("w", encoding="utf-8") as file:
                for record in known.values():
                    file.write(json.dumps(record) + "\n")
                for block in blocks(variant):
                    if block in known:
                        continue
                    grid = made.measure(variant, block, tasks[block.tasks])
                    record = {"action": variant.name, **vars(block), "grid": grid}
                    file.write(json.dumps(record) + "\n")
                    file.flush()
            seconds, cells = time.monotonic() - began, made.cells - cells
            print(f"{variant.name}: {cells} cells, {seconds:.0f} s", file=sys.stderr, flush=True)


def run(variants: Sequence[Variant], jobs: int, directory: Path) -> Iterator[dict[str, Any]]:
    """Measure the variants in `jobs` processes; yield the records in the order of VARIANTS."""
    directory.mkdir(parents=True, exist_ok=True)
    for claim in directory.glob("*.claim"):
        claim.unlink()
    names = [variant.name for variant in variants]
    options = ["--worker", "--parts", str(directory), "--only", *names]
    running = [subprocess.Popen([sys.executable, __file__, *options]) for _ in range(jobs)]
    if max([process.wait() for process in running]) != 0:
        raise SystemExit("tests/nova/measure.py: a process failed")
    for variant in variants:
        known = read_part(directory, variant)
        for block in blocks(variant):
            yield known[block]


# A sample


def sample(number: int, seed: int, older: bool) -> list[tuple[Variant, Block, str, str | None]]:
    """Return stored cells at random, in an order in which hosts seldom go down or up."""
    variants = {variant.name: variant for variant in VARIANTS}
    tasks = read()["task_sets"]
    stored = [
        (variants[name], Block(*rest))
        for name, *rest, _grid in read()["blocks"]
        if not older or rest[0] != variants[name].versions[0]
    ]
    sizes = [sum(map(len, tasks[block.tasks].values())) for _, block in stored]
    random = Random(seed)
    chosen = []
    for variant, block in random.choices(stored, sizes, k=number):
        vm_state, task_states = random.choice(list(tasks[block.tasks].items()))
        chosen.append((variant, block, vm_state, random.choice(task_states)))
    return sorted(chosen, key=lambda cell: (is_down(*cell[:2]), cell[1].backing))


def measure_sample(number: int, seed: int, older: bool) -> Iterator[dict[str, Any]]:
    """Ask stored cells anew, one in five without the short cuts; yield a record for each."""
    with bench() as made:
        for count, (variant, block, vm_state, task_state) in enumerate(sample(number, seed, older)):
            slowly = made.hurry.off() if count % 5 == 0 else nullcontext()
            with made.world(variant, block) as take, slowly:
                answer = made.once(variant, block, vm_state, task_state, take)
            states = {"vm_state": vm_state, "task_state": task_state}
            yield {"action": variant.name, **vars(block), **states, "answer": answer}
        made.check("the sample")


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description="Measure what Nova answers.")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--only", nargs="+", help="these actions and variants")
    parser.add_argument("--output", type=Path, default=PATH, help="the file to write")
    parser.add_argument("--parts", type=Path, default=PARTS, help="where to keep what is measured")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--sample", type=int, help="ask so many stored cells anew")
    parser.add_argument("--seed", type=int, default=0, help="which cells")
    parser.add_argument("--older", action="store_true", help="at older microversions only")
    options = parser.parse_args()
    if (options.only or options.sample) and not options.worker and options.output == PATH:
        parser.error("needs --output: the file of all answers is not to be overwritten")
    if options.sample:
        found = list(measure_sample(options.sample, options.seed, options.older))
        options.output.write_text(json.dumps(found), encoding="utf-8")
        return
    chosen = [each for each in VARIANTS if not options.only or each.name in options.only]
    if options.worker:
        measure_parts(chosen, options.parts)
        return
    began = time.monotonic()
    write(options.output, pack(run(chosen, min(options.jobs, len(chosen)), options.parts)))
    print(f"{options.output}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    for variant in chosen:
        for suffix in (".jsonl", ".claim"):
            part_of(options.parts, variant).with_suffix(suffix).unlink()


if __name__ == "__main__":
    main()
