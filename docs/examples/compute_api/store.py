"""Servers in a database: every change is one UPDATE with a WHERE, by what serverfsm says.

The record is the only truth, and the work under way is a part of it: several processes may serve
one database, and what one of them leaves undone the next one does.
"""

import json
import random
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from typing import Any

import sqlalchemy as sql
from sqlalchemy import JSON, Boolean, Column, Float, Integer, Row, String, Table

import serverfsm as fsm
from compute_api.cloud import FLAVORS, IMAGES, Asking
from serverfsm import Server, Step
from serverfsm.rows import Action, EffectKind, Moment
from serverfsm.step import DONE, PROGRESS, attempt
from serverfsm.verdict import Fault, fault

KINDS: Any = {"bool": Boolean, "bool | None": Boolean, "PowerState": Integer}
STATE = [each for each in fields(Server) if each.name not in ("only_status", "key")]
TABLES = sql.MetaData()
SERVERS = Table(
    "servers", TABLES, Column("id", String, primary_key=True), Column("project", String),
    Column("started", Float), Column("updated", Float), Column("changes", Integer),
    Column("shown", JSON), Column("due", Float), Column("work", JSON),
    *(Column(each.name, KINDS.get(str(each.type), String)) for each in STATE),
)  # fmt: skip
REQUESTS = Table(  # that were accepted
    "requests", TABLES, Column("id", String, primary_key=True), Column("server", String),
    Column("action", String), Column("user", String), Column("project", String),
    Column("started", Float), Column("finished", Float), Column("failed", Boolean),
)  # fmt: skip
ATTEMPTS = 10
TOLD = ("name", "description", "imageRef", "metadata")  # what a rebuild may say anew


class Mode(StrEnum):
    """When the work of accepted requests is done."""

    IMMEDIATE = "immediate"  # before the answer
    TIMED = "timed"  # by the clock
    MANUAL = "manual"  # by a clock that stands still until it is moved


Accepted = tuple[Action, dict[str, Any], Row[Any]]
"""A request that was: its row, its parameters, and the record as acceptance has left it."""


class RefusedError(Exception):
    """The answer is this fault."""

    def __init__(self, answer: Fault) -> None:
        super().__init__(answer.code)
        self.fault = answer


class Store:
    """The servers, and the work on them.

    Args:
        url: of the database, as SQLAlchemy takes it; tables that are missing are made.
        rulebook, mode: whose rules, and when work is done.
        seconds: how long work stays at each task_state: by action, "" for all others.
        seed: of ids and passwords.

    Attributes:
        stop: set it to end the work that is done by the clock.
    """

    def __init__(
        self, url: str, rulebook: fsm.Rulebook = fsm.API_REFERENCE, mode: Mode = Mode.IMMEDIATE,
        *, seconds: Mapping[str, float] | None = None, seed: int | None = None,
    ) -> None:  # fmt: skip
        self.book, self.mode, self.seconds = rulebook, mode, {"": 1.0, **(seconds or {})}
        self.random, self.stopped_clock, self.stop = (
            random.Random(seed),
            time.time(),
            threading.Event(),
        )
        self.orders: list[tuple[Any, ...]] = []
        self.engine = sql.create_engine(url)
        if self.engine.dialect.name == "sqlite":
            sql.event.listen(self.engine, "connect", _prepare)
        TABLES.create_all(self.engine)
        threading.Thread(target=self._keep_working, daemon=True).start()

    def _keep_working(self) -> None:
        """Do what an earlier process has left, and by the clock what is due from now on."""
        if self.mode is Mode.IMMEDIATE:
            self.run()
        while self.mode is Mode.TIMED and not self.stop.wait(0.05):
            self.run(until=self.now())

    def now(self) -> float:
        return self.stopped_clock if self.mode is Mode.MANUAL else time.time()

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def rows(self, table: Table, *where: Any, **values: Any) -> Sequence[Row[Any]]:
        """Return the rows where this holds, with these values, the latest first."""
        query = sql.select(table).where(*where).filter_by(**clean(values))
        with self.engine.connect() as db:
            return db.execute(query.order_by(table.c.started.desc(), table.c.id)).all()

    def request(self, asking: Asking, server_id: str = "", **what: Any) -> Accepted:
        """Carry out a request, given as `action`, `body` or both, as `check` takes them.

        Raises:
            RefusedError: it is refused, or asks for what is not there.
        """
        rules: Any = {"microversion": asking.microversion, "rulebook": self.book}
        for _ in range(ATTEMPTS):
            found = self.rows(SERVERS, id=server_id)
            row = next((each for each in found if not asking.is_blind_to(each.project)), None)
            server = server_of(row) if row else None
            rules["actor"] = asking.towards(row.project) if row else asking.role
            verdict = fsm.check(server, **what, **rules)
            if not verdict or verdict.action is None or verdict.guard is None:
                raise RefusedError(verdict.fault(server_id))
            action = self.book[verdict.action]
            body = json.loads(what.get("body", "{}"))
            body = body.get("server" if row is None else action.name.key)
            names = {each.name for each in action.parameters} if isinstance(body, dict) else set()
            given = clean({name: body[name] for name in names if name in body})
            _require(verdict, given, row.shown["flavor"] if row else None)
            step, changes = fsm.accept(server, action.name, **rules), {**verdict.guard.set}
            told = {name: given[name] for name in TOLD if action.destructive and name in given}
            if "locked" in changes:
                told["locked_reason"] = given.get("locked_reason")
            if step.then is not None:
                work = {"action": step.then, "request": asking.request, "given": given}
                changes["work"] = {**work, **place(step), "version": asking.microversion}
                changes["due"] = self._due(self.now(), step.then)
            with self.engine.begin() as db:
                if row is None:
                    server_id = self._insert(db, asking, step, given, changes)
                elif not self._swap(db, row, verdict.guard.expect, changes, told):
                    continue  # another request was first: what it has left decides
                return self._accepted(db, asking, server_id, step, given)
        raise RefusedError(fault(409, f"Instance {server_id} is being changed by others"))

    def _insert(
        self, db: sql.Connection, asking: Asking, step: Step, given: Any, changes: Any
    ) -> str:
        """Write the record of a new server; return its id."""
        shown = {**given, "flavor": str(given["flavorRef"]), "user": asking.user}
        record = {**columns(step), **changes, "volume_backed": not given.get("imageRef")}
        record |= {"id": self.new_id(), "project": asking.project, "shown": shown, "changes": 0}
        db.execute(SERVERS.insert().values(**record, started=self.now(), updated=self.now()))
        return str(record["id"])

    def _accepted(
        self, db: sql.Connection, asking: Asking, server: str, step: Step, given: dict[str, Any]
    ) -> Accepted:
        """Write down an accepted request, and do its work if that is done at once."""
        row, now = self.book[fsm.ActionName(step.event)], self.now()
        if row.writes_state or step.then:
            who = {"id": asking.request, "user": asking.user, "project": asking.project}
            times = {"started": now, "finished": None if step.then else now, "failed": False}
            columns = {"server": server, "action": row.name.value, **who, **times}
            db.execute(REQUESTS.insert().values(columns))
        left = db.execute(SERVERS.select().where(SERVERS.c.id == server)).one()
        db.commit()
        if self.mode is Mode.IMMEDIATE:
            self.run(server)
        return row, given, left

    def _due(self, since: float, action: str) -> float:
        return since + self.seconds.get(action, self.seconds[""])

    def run(self, server: str | None = None, until: float = 1e99) -> None:
        """Do what work there is, or is due until then, on one server or on all."""
        where = [SERVERS.c.due <= until, *([SERVERS.c.id == server] if server else [])]
        while due := self.rows(SERVERS, *where):
            for row in sorted(due, key=lambda each: (each.due, each.id)):
                self._go_on(row)

    def _go_on(self, row: Row[Any]) -> None:
        """Take the next step of the work on a server, unless anybody changes it meanwhile."""
        work, step, now = row.work, self._following(row), self.now()
        failed = step.event.rpartition(".")[2] not in ("", PROGRESS, DONE)
        due = None if step.then is None else self._due(row.due, work["action"])
        changes = {**columns(step), "work": {**work, **place(step)}, "due": due}
        told = _seen(row, step, now) | ({"fault": step.event} if failed else {})
        with self.engine.begin() as db:
            if self._swap(db, row, {"changes": {row.changes}}, changes, told):
                ended = ({"failed": True} if failed else {}) | ({} if due else {"finished": now})
                mine = REQUESTS.update().where(REQUESTS.c.id == work["request"])
                db.execute(mine.values({"id": work["request"], **ended}))

    def _following(self, row: Row[Any]) -> Step:
        """What comes of work next; it ends where another request came between."""
        server, work = server_of(row), row.work
        if row.deleted or (row.vm_state, row.task_state) != (work["vm_state"], work["task_state"]):
            return Step(server, None, "")
        rules: Any = {"microversion": work["version"], "rulebook": self.book}
        for order in [*self.orders, (work["action"], PROGRESS), (work["action"], DONE)]:
            action, word, which, at = (*order, None, None)[:4]
            fits = action == work["action"] and which in (None, row.id)
            fits = fits and at in (None, row.task_state)
            if fits and (step := attempt(server, f"{action}.{word}", **rules)):
                self.orders = [each for each in self.orders if each is not order]
                return step
        return Step(server, None, "")

    def _swap(
        self, db: sql.Connection, row: Row[Any], expect: Mapping[str, Any],
        changes: Mapping[str, Any], told: Mapping[str, Any],
    ) -> bool:  # fmt: skip
        """Write to a record by one UPDATE; return whether it still was what is expected."""
        where = [SERVERS.c.id == row.id, *([SERVERS.c.changes == row.changes] if told else [])]
        for name, among in expect.items():
            column, words = SERVERS.c[name], [plain(each) for each in among if each is not None]
            where.append(sql.or_(column.in_(words), *([column.is_(None)] if None in among else [])))
        values = {name: plain(each) for name, each in changes.items()}
        values |= {"changes": SERVERS.c.changes + 1, "updated": self.now()}
        values |= {"shown": {**row.shown, **told}} if told else {}
        return db.execute(SERVERS.update().where(*where).values(values)).rowcount == 1

    def fail(self, action: str, failure: str, server: str | None = None, at: Any = None) -> None:
        """Order a failure: it strikes work of the action as soon as it can."""
        fsm.Simulation(rulebook=self.book).fail("", action, failure, at=at)
        self.orders.append((action, failure, server, at))

    def tick(self, seconds: float) -> None:
        """Move the clock that stands still, and do what is due by then."""
        if self.mode is not Mode.MANUAL or not 0 <= seconds < 1e9:
            raise ValueError("--mode manual has a clock to move, by seconds from 0 upwards")
        self.stopped_clock += seconds
        self.run(until=self.now())


def clean(value: Any) -> Any:
    """Return JSON whose texts any database takes: without NUL and lone surrogates."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode().replace("\0", "?")
    if isinstance(value, dict):
        return {clean(key): clean(each) for key, each in value.items()}
    return [clean(each) for each in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    return getattr(value, "value", value)


def server_of(row: Row[Any]) -> Server:
    """Return the snapshot that serverfsm looks at."""
    return Server(**{each.name: getattr(row, each.name) for each in STATE})


def columns(step: Step) -> dict[str, Any]:
    return {each.name: plain(getattr(step.server, each.name)) for each in STATE}


def place(step: Step) -> dict[str, Any]:
    return {name: columns(step)[name] for name in ("vm_state", "task_state")}


def _require(verdict: fsm.Verdict, given: dict[str, Any], flavor: str | None) -> None:
    """Refuse what is not there, and a resize to the same flavor."""
    wanted, image = str(given.get("flavorRef", flavor)), given.get("imageRef")
    same = [each.answer for each in verdict.assumes if each.name == "other-flavor"]
    lost = "Cannot find image for rebuild" if flavor else "Can not find requested image"
    if wanted not in FLAVORS:
        raise RefusedError(fault(400, f"Flavor {wanted} could not be found."))
    if not (flavor or image or any(name.startswith("block_device") for name in given)):
        raise RefusedError(fault(400, "Missing imageRef attribute"))
    if image and image not in IMAGES:
        raise RefusedError(fault(400, lost))
    if same and wanted == flavor:
        raise RefusedError(fault(same[0].code, same[0].message))


def _seen(row: Row[Any], step: Step, now: float) -> dict[str, Any]:
    """What else of a record work changes: by its effects, not by its name."""
    effects, flavor = {each[:2] for each in step.effects}, row.shown["flavor"]
    seen: dict[str, Any] = (
        {"launched_at": now} if (EffectKind.TIME, Moment.LAUNCHED) in effects else {}
    )
    if (EffectKind.MIGRATION, "finished") in effects:
        seen |= {"flavor": str(row.work["given"].get("flavorRef", flavor)), "former": flavor}
    if (EffectKind.MIGRATION, "reverted") in effects:
        seen["flavor"] = row.shown["former"]
    return seen


def _prepare(connection: Any, _: object) -> None:
    """Let SQLite wait for another writer, and not for the disk at each commit."""
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
