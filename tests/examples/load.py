"""Many writers, few servers: conflicting requests through the examples, proved afterwards.

    python -m tests.examples.load --requests 20000

runs all five examples at once on SQLite and on a private PostgreSQL, and prints what was counted;
its exit status is 1 if anything does not hold. `write` is one process of writers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, func, select, text
from sqlalchemy.exc import IntegrityError

from docs.examples.guards.record import Answer, ConflictError, Record, record
from docs.examples.guards.where import history, metadata, servers
from serverfsm import API_REFERENCE, ActionName, Actor, Server, Step, allowed
from serverfsm.running import DONE, PROGRESS, words
from serverfsm.step import attempt
from tests.examples import postgres
from tests.examples.history import Asked, Entry, Report, Write, prove
from tests.examples.stores import EXAMPLES, Store, Variant, engine_of, opened

ROOT = Path(__file__).resolve().parents[2]
WRITERS = 32
SLOTS = 4  # servers that are alive at a time
FAILING = 0.15  # how probable it is that work meets with a failure
ASKED = tuple(name for name in ActionName if name is not ActionName.CREATE)
OFTEN = tuple(
    name
    for name in ASKED
    if API_REFERENCE[name].sources.run and not API_REFERENCE[name].destructive
)

# ------------------------------------------------------------------------------- the database

_kept = MetaData()
writes = Table(
    "writes",
    _kept,
    Column("number", Integer, primary_key=True, autoincrement=True),
    *(Column(column.name, column.type) for column in servers.c),
)


def prepare(url: str) -> None:
    """Make the tables, and triggers that keep every version of every server."""
    engine = engine_of(url)
    names = [column.name for column in servers.c]
    new = ", ".join(f"NEW.{name}" for name in names)
    keep = f"INSERT INTO writes ({', '.join(names)}) VALUES ({new});"
    with engine.begin() as connection:
        metadata.create_all(connection)
        _kept.create_all(connection)
        if engine.dialect.name == "sqlite":
            for what in ("INSERT", "UPDATE"):
                connection.execute(
                    text(f"CREATE TRIGGER keep_{what} AFTER {what} ON servers BEGIN {keep} END")
                )
        else:
            connection.execute(
                text(
                    f"CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS "
                    f"$$ BEGIN {keep} RETURN NULL; END $$"
                )
            )
            connection.execute(
                text(
                    "CREATE TRIGGER keep AFTER INSERT OR UPDATE ON servers "
                    "FOR EACH ROW EXECUTE FUNCTION keep()"
                )
            )
    engine.dispose()


def kept(url: str) -> tuple[list[Write], list[Entry]]:
    """Return every version of every server, and the history."""
    engine = engine_of(url)
    with engine.connect() as connection:
        rows = connection.execute(select(writes).order_by(writes.c.number)).mappings().all()
        lines = connection.execute(select(history)).all()
        now = connection.execute(select(servers)).mappings().all()
    engine.dispose()
    found = []
    for row in rows:
        version = record(row)  # type: ignore[arg-type]
        found.append(Write(row["uuid"], version.revision, version.request_id, version.server))
    last = {write.uuid: write for write in found}
    for row in now:
        version = record(row)  # type: ignore[arg-type]
        assert last[row["uuid"]].server == version.server, "the last version is not the row"
    return found, [Entry(*line) for line in lines]


# -------------------------------------------------------------------------------- the writers


class Writer:
    """One of many who ask and work; what it is answered it tells at once."""

    def __init__(self, store: Store, name: str, seed: int, tell: Callable[[Asked], None]) -> None:
        self.store, self.name, self.tell = store, name, tell
        self.random = random.Random(seed)
        self.number = self.asked = 0

    def run(self, requests: int) -> None:
        while self.asked < requests:
            self.turn()

    def turn(self) -> None:
        """Ask once, of a server that is alive, and carry out what was accepted."""
        self.number += 1
        request_id = f"req-{self.name}-{self.number}"
        uuid, found = self._server(request_id)
        if uuid is None or found is None:
            return
        actor = self.random.choice((Actor.MEMBER, Actor.ADMIN))
        action = self._action(found.server, actor)
        if action is None:
            time.sleep(self.random.uniform(0, 0.005))
            return
        try:
            answer = self.store.request(uuid, action, request_id, actor)
        except ConflictError:
            return  # it is not in the history either, or the proof finds it
        self.asked += 1
        self.tell(told(uuid, action, actor, request_id, answer))
        self.carry_out(uuid, request_id, answer.step)

    def _server(self, request_id: str) -> tuple[str | None, Record | None]:
        """A server that is alive in one of the slots; where none is, one is made."""
        slot = self.random.randrange(SLOTS)
        with self.store.engine.connect() as connection:
            found = connection.execute(
                select(servers.c.uuid, servers.c.deleted)
                .where(servers.c.project_id == "p", servers.c.uuid.like(f"{slot}-%"))
                .order_by(func.length(servers.c.uuid).desc(), servers.c.uuid.desc())
                .limit(1)
            ).first()
        if found is not None and not found.deleted:
            return found.uuid, self.store.look(found.uuid)
        generation = 0 if found is None else int(found.uuid.partition("-")[2]) + 1
        uuid = f"{slot}-{generation}"
        try:
            step = self.store.create(uuid, request_id)
        except IntegrityError:
            return None, None  # another was first: the primary key is the guard
        self.carry_out(uuid, request_id, step)
        return None, None

    def _action(self, server: Server, actor: Actor) -> ActionName | None:
        """Mostly what begins work and is let in, as seen by now; sometimes anything."""
        verdicts = allowed(server, actor=actor)
        open_to = [name for name in ASKED if verdicts[name]]
        often = [name for name in open_to if name in OFTEN]
        if not often and self.random.random() < 0.9:
            return None  # else few builds would live to see their end
        among = self.random.choices((often, open_to, OFTEN, ASKED), (14, 2, 2, 2))[0]
        return self.random.choice(among or OFTEN)

    def carry_out(self, uuid: str, request_id: str, step: Step | None) -> None:
        """Do the work of an accepted request, until it ends or another takes the server over."""
        failing = self.random.random() < FAILING
        while step is not None and step.then is not None:
            time.sleep(self.random.uniform(0, 0.002))
            found = self.store.look(uuid)
            if found is None or found.request_id != request_id:
                return
            row = API_REFERENCE[step.then]
            names = [word for word in words(row) if word not in (PROGRESS, DONE)]
            self.random.shuffle(names)
            event = following(found.server, step.then, names if failing else [])
            if event is None:
                return  # a step of somebody else's: the proof finds it if it was not
            step = self.store.work(uuid, event, request_id)


def following(server: Server, action: ActionName, failures: Sequence[str] = ()) -> str | None:
    """Return the next event of an action's work; None if none can come about."""
    for word in (*failures, PROGRESS, DONE):
        event = f"{action}.{word}"
        if attempt(server, event) is not None:
            return event
    return None


def told(uuid: str, action: ActionName, actor: Actor, request_id: str, answer: Answer) -> Asked:
    """What the sender of a request keeps of its answer."""
    verdict = answer.step.verdict
    assert verdict is not None
    have = None if verdict.allowed else str(verdict.have)
    return Asked(
        uuid,
        action.value,
        actor.value,
        request_id,
        answer.seen,
        verdict.code,
        verdict.allowed,
        verdict.attribute,
        have,
    )


@dataclass(frozen=True, slots=True)
class Order:
    """What one process of writers is to do.

    Attributes:
        url: of the database.
        variants: of its writers, one each.
        requests: of each writer.
        first: the number of its first writer.
        seed: for what is drawn at random.
    """

    url: str
    variants: tuple[Variant, ...]
    requests: int
    first: int
    seed: int


def write(order: Order) -> None:
    """Run the writers of one process, a thread each; print what they are answered, at once."""
    errors: list[BaseException] = []

    def go(number: int, variant: Variant) -> None:
        try:
            with opened(variant, order.url) as store:
                name = f"{order.seed}-{number}"
                Writer(store, name, order.seed * 1000 + number, _print).run(order.requests)
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=go, args=(order.first + number, variant))
        for number, variant in enumerate(order.variants)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _print(asked: Asked) -> None:
    os.write(1, json.dumps(asdict(asked)).encode() + b"\n")  # one write: threads share the file


class Process:
    """A process of writers."""

    def __init__(self, order: Order, *, quiet: bool = False) -> None:
        command = [sys.executable, "-m", "tests.examples.load", "write", json.dumps(asdict(order))]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  `wait` closes it
        errors = subprocess.DEVNULL if quiet else None
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=self._output, stderr=errors)

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> tuple[int, list[Asked]]:
        """Wait for its end; return its exit status and what its writers were answered."""
        status = self._process.wait()
        self._output.seek(0)
        lines = [line for line in self._output if line.endswith(b"\n")]
        self._output.close()
        return status, [_asked(json.loads(line)) for line in lines]


def _asked(line: dict[str, Any]) -> Asked:
    return Asked(**(line | {"seen": tuple(line["seen"])}))


def orders(
    url: str, requests: int, variants: Sequence[Variant], *, processes: int, seed: int
) -> list[Order]:
    """Return what each process is to do, so that there are `WRITERS` in all."""
    each = WRITERS // processes
    share = -(-requests // WRITERS)
    mixed = [variants[number % len(variants)] for number in range(WRITERS)]
    return [
        Order(url, tuple(mixed[first : first + each]), share, first, seed)
        for first in range(0, WRITERS, each)
    ]


def run(
    url: str,
    requests: int,
    variants: Sequence[Variant] = EXAMPLES,
    *,
    processes: int = 4,
    seed: int = 1,
) -> Report:
    """Prepare the database, let all writers loose on it, and prove what came of it.

    Raises:
        RuntimeError: a process of writers failed.
    """
    prepare(url)
    given = orders(url, requests, variants, processes=processes, seed=seed)
    ended = [process.wait() for process in [Process(order) for order in given]]
    if any(status for status, _ in ended):
        raise RuntimeError(f"writers ended with exit statuses {[status for status, _ in ended]}")
    asked = [each for _, answers in ended for each in answers]
    return prove(*kept(url), asked)


@contextmanager
def sqlite(*, durable: bool = False) -> Iterator[str]:
    """Return the URL of a database in a file that is gone afterwards.

    Args:
        durable: with SQLite's defaults; else faster, and still atomic among processes.
    """
    with tempfile.TemporaryDirectory(prefix="guards-") as directory:
        url = f"sqlite:///{directory}/servers.sqlite"
        if not durable:
            engine = engine_of(url)
            with engine.connect() as connection:
                connection.execute(text("PRAGMA journal_mode=WAL"))
            engine.dispose()
        yield url


def show(name: str, report: Report) -> None:
    """Print what was found."""
    counted = ", ".join(f"{count} {what}" for what, count in sorted(report.counts.items()))
    print(f"{name}: {len(report.faults)} faults; {counted}", flush=True)
    for fault in report.faults[:20]:
        print(f"  {fault}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the full load; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variant", type=Variant, action="append", help="default: the examples")
    parser.add_argument("--on", choices=("sqlite", "postgresql"), action="append")
    given = parser.parse_args(arguments)
    failed = False
    for name in given.on or ("sqlite", "postgresql"):
        if name == "postgresql" and (reason := postgres.missing()):
            print(f"{name}: skipped: {reason}")
            continue
        with ExitStack() as stack:
            url = (
                stack.enter_context(sqlite())
                if name == "sqlite"
                else stack.enter_context(postgres.cluster()).url
            )
            began = time.monotonic()
            report = run(url, given.requests, given.variant or EXAMPLES, seed=given.seed)
            seconds = time.monotonic() - began
        show(f"{name}, {seconds:.0f} s", report)
        failed = failed or bool(report.faults)
    return int(failed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        given = json.loads(sys.argv[2])
        given["variants"] = tuple(Variant(each) for each in given["variants"])
        write(Order(**given))
    else:
        sys.exit(main())
