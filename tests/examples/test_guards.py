"""The examples of `docs/examples/guards` on SQLite and PostgreSQL: every record, load, kills.

Longer runs: `python -m tests.examples.load` and `python -m tests.examples.kill`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from docs.examples.guards.record import ATTEMPTS, Answer, ConflictError, Record, ask, columns
from docs.examples.guards.sqlalchemy_orm import ServerRow
from docs.examples.guards.where import metadata, servers, where
from serverfsm import (
    API_REFERENCE,
    LATEST,
    ActionName,
    Actor,
    CompareAndSwap,
    LockedBy,
    Server,
    Step,
    TaskState,
    VmState,
    accept,
    advance,
)
from serverfsm.guards import Request, compare_and_swap, first_failure
from tests.examples import kill, load, postgres
from tests.examples.history import Asked, Entry, Write, prove
from tests.examples.stores import EXAMPLES, MUTANTS, Store, Variant, django_alias, engine_of, opened

Asking = tuple[Step, CompareAndSwap | None]

# ------------------------------------------------------------------------------ the databases


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.cluster() as found:
        yield found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with a row for every record; its uuid is its number."""
    if request.param == "sqlite":
        with load.sqlite() as url:
            _fill(url)
            yield url
        return
    found: postgres.Cluster = request.getfixturevalue("cluster")
    with found.database("filled") as url:
        _fill(url)
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        with load.sqlite() as url:
            yield url
        return
    found: postgres.Cluster = request.getfixturevalue("cluster")
    with found.database("empty") as url:
        yield url


@cache
def records() -> tuple[Server, ...]:
    """Every record: all columns at all values, but the two that no guard looks at.

    Of those that are deleted, for which no guard holds, all have a host and were launched.
    """
    return tuple(
        Server(
            vm_state,
            task_state,
            locked=locked,
            locked_by=owner,
            launched=launched,
            host=host,
            volume_backed=is_volume,
            deleted=deleted,
        )
        for vm_state, task_state, (locked, owner), launched, host, is_volume, deleted in product(
            VmState, (None, *TaskState), LOCKS, FLAGS, FLAGS, FLAGS, FLAGS
        )
        if not deleted or (launched and host)
    )


LOCKS = ((False, None), (True, None), *((True, owner) for owner in LockedBy))
FLAGS = (False, True)
IS_FULL = bool(os.environ.get("SERVERFSM_GUARDS_FULL"))


def asked() -> Iterator[Server]:
    """The records of which every action is asked.

    In the default suite those with a task are taken at one setting of the flags; all of them with
    SERVERFSM_GUARDS_FULL=1 in the environment.
    """
    for server in records():
        is_usual = server.launched and server.host and not server.locked
        if not server.deleted and (IS_FULL or server.task_state is None or is_usual):
            yield server


Expected = frozenset[tuple[str, frozenset[object]]]


@cache
def guards() -> dict[Expected, tuple[CompareAndSwap, frozenset[int]]]:
    """Every guard of any allowed action, once for each `expect`, with the records it holds for."""
    found: dict[Expected, CompareAndSwap] = {}
    for server, row, actor in product(asked(), API_REFERENCE, (Actor.MEMBER, Actor.ADMIN)):
        request = Request(row, server, actor, LATEST, API_REFERENCE)
        if first_failure(request) is None:  # as `check`, whose memo would be emptied all the time
            guard = compare_and_swap(request)
            assert guard.holds(server)
            found.setdefault(frozenset(guard.expect.items()), guard)
    return {
        key: (
            guard,
            frozenset(number for number, each in enumerate(records()) if guard.holds(each)),
        )
        for key, guard in found.items()
    }


def _fill(url: str) -> None:
    rest = {"project_id": "p", "request_id": "", "revision": 0}
    rows = [
        {"uuid": str(number), **rest, **columns(server)} for number, server in enumerate(records())
    ]
    engine = engine_of(url)
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(insert(servers), rows)
    engine.dispose()


# ------------------------------------------------------------------- every record, every guard

Matching = Callable[[str], list[frozenset[int]]]


def _numbers(rows: object) -> frozenset[int]:
    assert hasattr(rows, "__iter__")
    return frozenset(int(uuid) for uuid in rows)


def _core(url: str) -> list[frozenset[int]]:
    engine = engine_of(url)
    with engine.connect() as connection:
        found = [
            _numbers(
                connection.execute(select(servers.c.uuid).where(*where(servers, guard))).scalars()
            )
            for guard, _ in guards().values()
        ]
    engine.dispose()
    return found


def _orm(url: str) -> list[frozenset[int]]:
    engine = engine_of(url)
    with Session(engine) as session:
        found = [
            _numbers(session.scalars(select(ServerRow.uuid).where(*where(ServerRow, guard))))
            for guard, _ in guards().values()
        ]
    engine.dispose()
    return found


def _core_async(url: str) -> list[frozenset[int]]:
    async def go() -> list[frozenset[int]]:
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with engine.connect() as connection:
            found = []
            for guard, _ in guards().values():
                query = select(servers.c.uuid).where(*where(servers, guard))
                found.append(_numbers((await connection.execute(query)).scalars()))
        await engine.dispose()
        return found

    return asyncio.run(go())


def _orm_async(url: str) -> list[frozenset[int]]:
    async def go() -> list[frozenset[int]]:
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with AsyncSession(engine) as session:
            found = []
            for guard, _ in guards().values():
                query = select(ServerRow.uuid).where(*where(ServerRow, guard))
                found.append(_numbers(await session.scalars(query)))
        await engine.dispose()
        return found

    return asyncio.run(go())


def _django(url: str) -> list[frozenset[int]]:
    using = django_alias(url)
    from django.db import connections

    from docs.examples.guards import django_orm

    rows = django_orm.ServerRow.objects.using(using)
    found = [
        _numbers(rows.filter(django_orm.where(guard)).values_list("uuid", flat=True))
        for guard, _ in guards().values()
    ]
    connections[using].close()
    return found


MATCHING: dict[Variant, Matching] = {
    Variant.CORE: _core,
    Variant.CORE_ASYNC: _core_async,
    Variant.ORM: _orm,
    Variant.ORM_ASYNC: _orm_async,
    Variant.DJANGO: _django,
}


@pytest.mark.parametrize("variant", EXAMPLES)
def test_the_where_matches_exactly_where_the_guard_holds(filled: str, variant: Variant) -> None:
    matched = MATCHING[variant](filled)
    assert len(matched) == len(guards()) > 100
    for (guard, holds), found in zip(guards().values(), matched, strict=True):
        assert found == holds, guard
        assert 0 < len(found) < len(records())


def test_the_guards_have_what_is_easily_got_wrong() -> None:
    expected = [accepted for guard, _ in guards().values() for accepted in guard.expect.values()]
    assert any(None in accepted and len(accepted) > 1 for accepted in expected)
    assert frozenset({None}) in expected
    assert any(not guard.set for guard, _ in guards().values())


def test_work_that_writes_no_task_begins_only_where_none_is_under_way() -> None:
    """Else it would take the server from a request whose work is not over."""
    seen = 0
    for vm_state, task_state, is_volume in product(VmState, (None, *TaskState), FLAGS):
        server = Server(vm_state, task_state, volume_backed=is_volume, host=True)
        for row in API_REFERENCE:
            request = Request(row, server, Actor.ADMIN, LATEST, API_REFERENCE)
            if first_failure(request) or "task_state" in compare_and_swap(request).set:
                continue
            if accept(server, row.name, actor=Actor.ADMIN).then is not None:
                seen += 1
                assert task_state is None, (server, row.name)
    assert seen


# ------------------------------------------------------------------------ one request, one step


@pytest.mark.parametrize("variant", EXAMPLES)
def test_a_request_is_written_recorded_and_followed_by_its_work(url: str, variant: Variant) -> None:
    load.prepare(url)
    with opened(variant, url) as store:
        _build(store, "a")
        answer = store.request("a", ActionName.STOP, "req-stop", Actor.MEMBER)
        assert (answer.step.verdict and answer.step.verdict.code) == 202
        refused = store.request("a", ActionName.PAUSE, "req-pause", Actor.MEMBER)
        verdict = refused.step.verdict
        assert verdict is not None
        assert (verdict.code, verdict.have) == (409, TaskState.POWERING_OFF)
        found = store.look("a")
        assert found is not None
        assert found.server == answer.step.server
        assert (found.revision, found.request_id) == (refused.seen[-1], "req-stop")
        assert store.work("a", "os-stop.done", "req-pause") is None
        assert store.work("a", "os-stop.done", "req-stop") is not None
        assert store.request("b", ActionName.STOP, "req-b", Actor.MEMBER).seen == ()
        with pytest.raises(ValueError, match="INSERT"):
            store.request("b", ActionName.CREATE, "req-b", Actor.MEMBER)
    written, entries = load.kept(url)
    assert [entry.request_id for entry in entries if entry.uuid == "a"][-2:] == ["req-stop"] * 2
    assert prove(written, entries, []).faults == ()


@pytest.mark.parametrize("variant", EXAMPLES)
def test_a_deletion_is_not_undone_by_the_work_that_it_overtakes(url: str, variant: Variant) -> None:
    load.prepare(url)
    with opened(variant, url) as store:
        _build(store, "a")
        store.request("a", ActionName.REBOOT_SOFT, "req-reboot", Actor.MEMBER)
        store.request("a", ActionName.DELETE, "req-delete", Actor.MEMBER)
        assert store.work("a", "reboot:SOFT.progress", "req-reboot") is None
        assert store.work("a", "delete.done", "req-delete") is not None
        found = store.look("a")
        assert found is not None
        assert found.server.deleted
    assert prove(*load.kept(url), []).faults == ()


@pytest.mark.parametrize("variant", EXAMPLES)
def test_the_same_task_of_another_request_is_not_ended(url: str, variant: Variant) -> None:
    load.prepare(url)
    with opened(variant, url) as store:
        _build(store, "a")
        for request_id in ("req-1", "req-2"):
            answer = store.request("a", ActionName.REBOOT_HARD, request_id, Actor.MEMBER)
            assert answer.step.then is ActionName.REBOOT_HARD
        assert store.work("a", "reboot:HARD.progress", "req-1") is None
        assert store.work("a", "reboot:HARD.progress", "req-2") is not None


class Rival:
    """Somebody who is there each time between an example's look and its UPDATE."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *turns: ActionName) -> None:
        self.left = list(turns)
        for module in ("sqlalchemy_core", "sqlalchemy_orm", "django_orm"):
            monkeypatch.setattr(f"docs.examples.guards.{module}.ask", self._ask)

    def _ask(self, found: Record | None, action: ActionName, actor: Actor) -> Asking:
        asking = ask(found, action, actor)
        if action is ActionName.DELETE and self.left:
            rival = self.left.pop(0)
            answer = self.store.request("a", rival, f"req-rival-{len(self.left)}", Actor.ADMIN)
            assert answer.step.verdict
        return asking

    def against(self, store: Store, rivals: Store) -> Answer:
        """What a request to delete comes to."""
        self.store = rivals
        _build(store, "a")
        return store.request("a", ActionName.DELETE, "req-delete", Actor.MEMBER)


@pytest.mark.parametrize("variant", EXAMPLES)
def test_who_is_beaten_is_told_by_which_state(
    url: str, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    load.prepare(url)
    with opened(variant, url) as store, opened(Variant.CORE, url) as rivals:
        answer = Rival(monkeypatch, ActionName.LOCK).against(store, rivals)
        verdict = answer.step.verdict
        assert verdict is not None
        assert (verdict.code, verdict.attribute, verdict.have) == (409, "locked", True)
        assert len(answer.seen) == 2


@pytest.mark.parametrize("variant", EXAMPLES)
def test_who_is_beaten_and_still_allowed_asks_again(
    url: str, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    load.prepare(url)
    with opened(variant, url) as store, opened(Variant.CORE, url) as rivals:
        answer = Rival(monkeypatch, ActionName.RESET_STATE_ERROR).against(store, rivals)
        assert answer.step.verdict
        assert len(answer.seen) == 2
        found = store.look("a")
        assert found is not None
        assert found.server == answer.step.server


@pytest.mark.parametrize("variant", EXAMPLES)
def test_who_is_beaten_each_time_gives_up(
    url: str, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    load.prepare(url)
    turns = (ActionName.RESET_STATE_ERROR, ActionName.RESET_STATE_ACTIVE) * ATTEMPTS
    with opened(variant, url) as store, opened(Variant.CORE, url) as rivals:
        rival = Rival(monkeypatch, *turns)
        with pytest.raises(ConflictError):
            rival.against(store, rivals)
        assert len(rival.left) == len(turns) - ATTEMPTS


def _build(store: Store, uuid: str) -> None:
    """Make a server and build it."""
    step: Step | None = store.create(uuid, f"req-create-{uuid}")
    while step is not None and step.then is not None and step.server is not None:
        event = load.following(step.server, step.then)
        assert event is not None
        step = store.work(uuid, event, f"req-create-{uuid}")
    found = store.look(uuid)
    assert found is not None
    assert found.server.vm_state is VmState.ACTIVE


# ------------------------------------------------------------------------------- load, and kills


def test_under_load(url: str) -> None:
    report = load.run(url, 1000, processes=2)
    assert report.faults == ()
    assert report.counts["requests"] >= 1000
    for what in ("accepted", "refused", "races", "beaten", "overtaken", "finished"):
        assert report.counts[what] > 0, f"nothing was {what}: the load is no load"


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_proof_finds_a_mutant(mutant: Variant) -> None:
    """One of a few loads, for a load need not have the race that a mutant loses."""

    def faults(seed: int) -> tuple[str, ...]:
        with load.sqlite() as url:
            return load.run(url, 200, [mutant], processes=1, seed=seed).faults

    assert any(faults(seed) for seed in range(5))


def test_killed_writers_on_sqlite() -> None:
    with load.sqlite(durable=True) as url:
        report = kill.onslaught(url, 3)
    assert report.faults == ()
    assert report.counts["accepted"] > 0


def test_killed_writers_and_postmaster_on_postgresql() -> None:
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.cluster(durable=True) as cluster:
        report = kill.onslaught(cluster.url, 3, cluster=cluster, every=3)
    assert report.faults == ()
    assert report.counts["postmaster killed"] == 1


# ---------------------------------------------------------- the proof, on histories made by hand


class History:
    """A history made by hand, from a server's creation on; true unless it is told otherwise."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.entries: list[Entry] = []
        self.asked: list[Asked] = []
        self.server: Server | None = None
        self.owner = ""

    def ask(self, action: ActionName, request_id: str) -> None:
        """Accept a request of a member."""
        revision = len(self.writes)
        step = accept(self.server, action)
        assert step.verdict
        if step.server is not None:
            self.asked.append(
                Asked(
                    "a",
                    action,
                    "member",
                    request_id,
                    (max(0, revision - 1),),
                    202,
                    True,
                    None,
                    None,
                )
            )
            self._keep(step, request_id, "member")

    def work(self, event: str, request_id: str) -> None:
        """Write a step of work."""
        assert self.server is not None
        self._keep(advance(self.server, event), request_id, None)

    def _keep(self, step: Step, request_id: str, actor: str | None) -> None:
        revision, server = len(self.writes), step.server
        assert server is not None
        self.server = server
        self.writes.append(Write("a", revision, request_id, server))
        goes_on = None if step.then is None else step.then.value
        self.entries.append(Entry("a", revision, request_id, actor, step.event, goes_on))

    @property
    def faults(self) -> tuple[str, ...]:
        return prove(self.writes, self.entries, self.asked).faults


def stopped() -> History:
    """A server that is built and stopped."""
    history = History()
    history.ask(ActionName.CREATE, "req-create")
    history.asked.clear()
    step = accept(None, ActionName.CREATE)
    while step.then is not None:
        assert step.server is not None
        event = load.following(step.server, step.then)
        assert event is not None
        step = advance(step.server, event)
        history.work(event, "req-create")
    history.ask(ActionName.STOP, "req-stop")
    history.work("os-stop.done", "req-stop")
    return history


def test_a_true_history_has_no_fault() -> None:
    assert stopped().faults == ()


def _lost_write(history: History) -> None:
    del history.writes[2]


def _unrecorded_write(history: History) -> None:
    del history.entries[-1]


def _wrong_write(history: History) -> None:
    last = history.writes[-1]
    history.writes[-1] = replace(last, server=replace(last.server, vm_state=VmState.PAUSED))


def _no_end(history: History) -> None:
    history.writes.pop()
    history.entries.pop()


def _anothers_work(history: History) -> None:
    history.entries[-1] = replace(history.entries[-1], request_id="req-other")


def _lost_acceptance(history: History) -> None:
    history.asked.append(replace(history.asked[-1], request_id="req-lost"))


def _refused_and_written(history: History) -> None:
    history.asked[-1] = replace(history.asked[-1], allowed=False, code=409)


def _wrong_answer(history: History) -> None:
    seen = (len(history.writes) - 2,)
    given = Asked("a", "pause", "member", "req-pause", seen, 409, False, "task_state", "deleting")
    history.asked.append(given)


def _beaten_by_nobody(history: History) -> None:
    now = len(history.writes) - 1
    given = Asked("a", "os-start", "member", "req-start", (now, now), 409, False, "vm_state", "x")
    history.asked.append(given)


def _accepted_over_a_task(history: History) -> None:
    history.asked[-1] = replace(history.asked[-1], seen=(0,))


FAULTS = [
    (_lost_write, "lost or made twice"),
    (_unrecorded_write, "one line for each write"),
    (_wrong_write, "was written"),
    (_no_end, "has no end"),
    (_anothers_work, "has not the server"),
    (_lost_acceptance, "is not in the history"),
    (_refused_and_written, "is in the history"),
    (_wrong_answer, "and it was"),
    (_beaten_by_nobody, "nothing stood in its way"),
    (_accepted_over_a_task, "was accepted over"),
]


@pytest.mark.parametrize(
    ("spoil", "fault"), FAULTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_the_proof_finds(spoil: Callable[[History], None], fault: str) -> None:
    history = stopped()
    spoil(history)
    assert any(fault in found for found in history.faults), history.faults


def test_the_proof_finds_two_winners() -> None:
    history = stopped()
    seen = (len(history.writes) - 1,)
    history.ask(ActionName.START, "req-1")
    history.asked[-1] = replace(history.asked[-1], seen=seen)
    assert history.server is not None
    step = accept(history.server, ActionName.START)
    assert not step.verdict
    taken = replace(history.entries[-1], revision=len(history.writes), request_id="req-2")
    history.entries.append(taken)
    history.writes.append(
        replace(history.writes[-1], revision=len(history.writes), request_id="req-2")
    )
    history.asked.append(replace(history.asked[-1], request_id="req-2"))
    history.work("os-start.done", "req-2")
    assert any("both won the race" in found for found in history.faults)
    assert any("cannot come about" in found for found in history.faults)
