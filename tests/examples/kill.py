"""SIGKILL in the middle of the load, again and again; what is left must be sound, and be freed.

    python -m tests.examples.kill --times 20

kills the writers on SQLite and on PostgreSQL, and every fourth time PostgreSQL's postmaster; the
exit status is 1 if anything does not hold.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import func, select, text

from docs.examples.guards.where import history, servers
from serverfsm import ActionName, Actor, Server, events
from serverfsm.step import REACTIONS, attempt
from tests.examples import load, postgres
from tests.examples.history import Asked, Report, is_state, prove
from tests.examples.stores import EXAMPLES, Store, Variant, engine_of, opened

PROCESSES, THREADS = 2, 5
STEPS = 50  # no way to rest is longer
RESET = ActionName.RESET_STATE_ERROR


def onslaught(
    url: str,
    times: int,
    *,
    cluster: postgres.Cluster | None = None,
    every: int = 4,
    seed: int = 1,
) -> Report:
    """Let writers loose and kill them, so many times; after each, recover and prove everything.

    Args:
        url: of the database, in which nothing is yet.
        times: how often.
        cluster: whose postmaster is killed, too, every so many times.
        every: so many.
        seed: for when.
    """
    source = random.Random(seed)
    load.prepare(url)
    asked: list[Asked] = []
    faults: list[str] = []
    counts: Counter[str] = Counter()
    for number in range(1, times + 1):
        running = [
            load.Process(
                load.Order(url, EXAMPLES, 1_000_000, THREADS * first, 100 * number + first),
                quiet=True,
            )
            for first in range(PROCESSES)
        ]
        _wait_for_writes(url, source.randint(20, 60))
        if cluster is not None and number % every == 0:
            cluster.kill()
            counts["postmaster killed"] += 1
        for process in running:
            process.kill()
        asked += [each for process in running for each in process.wait()[1]]
        if cluster is not None and number % every == 0:
            cluster.start()
        with opened(Variant.CORE, url) as store:
            _wait_for_silence(store)
            faults += recover(store, counts, f"restart-{number}")
        faults += prove(*load.kept(url), asked).faults
    report = prove(*load.kept(url), asked)
    return Report(tuple(dict.fromkeys(faults)), report.counts + counts)


def _wait_for_writes(url: str, more: int) -> None:
    """Wait until the load is well under way.

    Raises:
        RuntimeError: it is not within a minute.
    """
    engine = engine_of(url)
    query = select(func.count()).select_from(history)
    until = time.monotonic() + 60
    first: int | None = None
    try:
        while time.monotonic() < until:
            with engine.connect() as connection:
                now = connection.execute(query).scalar_one()
            first = now if first is None else first
            if now >= first + more:
                return
            time.sleep(0.01)
    finally:
        engine.dispose()
    raise RuntimeError("the writers do not write")


def _wait_for_silence(store: Store) -> None:
    """Wait until PostgreSQL has seen that its clients are gone; SQLite has none.

    Raises:
        RuntimeError: it has not within half a minute.
    """
    if store.engine.dialect.name == "sqlite":
        return
    query = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    for _ in range(600):
        with store.engine.connect() as connection:
            if connection.execute(query).scalar_one() == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("clients that were killed are still there")


def recover(store: Store, counts: Counter[str], request_id: str) -> list[str]:
    """Do what a restarted service does with each server; return what is wrong with any."""
    with store.engine.connect() as connection:
        uuids = connection.execute(select(servers.c.uuid)).scalars().all()
    faults = []
    for uuid in uuids:
        found = store.look(uuid)
        assert found is not None
        if not is_state(found.server):
            faults.append(f"{uuid}: the graph has no {found.server}")
        if found.server.deleted:
            continue
        counts["left at a task"] += found.server.task_state is not None
        _free(store, uuid, counts, request_id)
        found = store.look(uuid)
        assert found is not None
        if found.server.task_state is not None or not is_state(found.server):
            faults.append(f"{uuid}: is stuck: {found.server}")
    return faults


def _free(store: Store, uuid: str, counts: Counter[str], request_id: str) -> None:
    """Bring one server to rest: by the restart, by its unfinished work, at last by a person."""
    found = store.look(uuid)
    assert found is not None
    goes_on = _unfinished(store, uuid)
    event = reaction(found.server)
    if event is not None:
        step = store.work(uuid, event, found.request_id)
        assert step is not None, "nobody else writes"
        goes_on = step.then
        counts["freed by the restart"] += 1
    for _ in range(STEPS):
        now = store.look(uuid)
        assert now is not None
        following = None if goes_on is None else load.following(now.server, goes_on)
        if following is None:
            break
        is_told = now.server.task_state is None or following in events(now.server)
        assert is_told, f"{following} goes on, and `events` has it not"
        step = store.work(uuid, following, now.request_id)
        assert step is not None, "nobody else writes"
        counts["steps gone on with"] += 1
        goes_on = step.then
    now = store.look(uuid)
    assert now is not None
    if not now.server.deleted and now.server.task_state is not None:
        answer = store.request(uuid, RESET, f"{request_id}-{uuid}", Actor.ADMIN)
        counts["reset by an administrator"] += answer.step.verdict is not None


def reaction(server: Server) -> str | None:
    """Return what the restart of its host does with a server; None if nothing."""
    occasion = tuple(REACTIONS)[-1]
    event = f"{occasion}.{server.power_state.name}"
    step = attempt(server, event) if server.host else None
    if step is None or (step.server == server and step.then is None):
        return None
    return event


def _unfinished(store: Store, uuid: str) -> ActionName | None:
    """The action whose work the history leaves open."""
    query = (
        select(history.c.goes_on)
        .join(servers, servers.c.uuid == history.c.uuid)
        .where(servers.c.uuid == uuid, servers.c.request_id == history.c.request_id)
        .order_by(history.c.revision.desc())
        .limit(1)
    )
    with store.engine.connect() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else ActionName(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill in full; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    found = {}
    with load.sqlite(durable=True) as url:
        found["sqlite"] = onslaught(url, given.times, seed=given.seed)
    if reason := postgres.missing():
        print(f"postgresql: skipped: {reason}")
    else:
        with postgres.cluster(durable=True) as cluster:
            found["postgresql"] = onslaught(
                cluster.url, given.times, cluster=cluster, seed=given.seed
            )
    for name, report in found.items():
        load.show(name, report)
    return int(any(report.faults for report in found.values()))


if __name__ == "__main__":
    sys.exit(main())
