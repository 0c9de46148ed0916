"""A request, and a step of the work that follows, as one UPDATE each: SQLAlchemy Core."""

from __future__ import annotations

from sqlalchemy import Engine, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from docs.examples.guards.record import (
    ATTEMPTS,
    Answer,
    ConflictError,
    Record,
    ask,
    columns,
    going_on,
    record,
)
from docs.examples.guards.where import is_first, note, servers, swap
from serverfsm import ActionName, Actor, Step, accept
from serverfsm.step import attempt


def look(engine: Engine, uuid: str) -> Record | None:
    """Return the record of a server; None if there is none."""
    with engine.connect() as connection:
        rows = connection.execute(select(servers).where(servers.c.uuid == uuid)).mappings()
        row = rows.one_or_none()
    return None if row is None else record(row)  # type: ignore[arg-type]


def create(
    engine: Engine,
    uuid: str,
    request_id: str,
    *,
    project_id: str = "p",
    actor: Actor = Actor.MEMBER,
) -> Step:
    """Accept a request for a new server. What forbids a second one is the primary key.

    Raises:
        sqlalchemy.exc.IntegrityError: another request made a server of this uuid first.
    """
    step = accept(None, ActionName.CREATE, actor=actor)
    if step.server is not None:
        values = columns(step.server)
        values |= {"uuid": uuid, "project_id": project_id, "request_id": request_id, "revision": 0}
        with engine.begin() as connection:
            connection.execute(insert(servers).values(values))
            connection.execute(note(uuid, step, request_id, actor.value))
    return step


def request(
    engine: Engine,
    uuid: str,
    action: ActionName | str,
    request_id: str,
    *,
    actor: Actor = Actor.MEMBER,
) -> Answer:
    """Accept a request, or say why not; beaten by another, look again.

    Raises:
        ConflictError: it was beaten at every attempt.
        ValueError: the action is `create`, or as `check`.
    """
    seen: tuple[int, ...] = ()
    for _ in range(ATTEMPTS):
        found = look(engine, uuid)
        step, guard = ask(found, action, actor)
        if found is None or guard is None:
            return Answer(step, (*seen, found.revision) if found else seen)
        seen = (*seen, found.revision)
        with engine.begin() as connection:
            if is_first(connection.execute(swap(servers, uuid, step, guard, request_id))):
                connection.execute(note(uuid, step, request_id, actor.value))
                return Answer(step, seen)
    raise ConflictError(f"{uuid} changed {ATTEMPTS} times")


def work(engine: Engine, uuid: str, event: str, request_id: str) -> Step | None:
    """Write a step of a request's work; None, and nothing written, if another took over.

    Raises:
        serverfsm.UnknownEventError: there is no such event.
    """
    found = look(engine, uuid)
    step = attempt(found.server, event) if found and found.request_id == request_id else None
    if found is None or step is None:
        return None
    guard = going_on(found.server, step.server)
    mine = swap(servers, uuid, step, guard, request_id).where(servers.c.request_id == request_id)
    with engine.begin() as connection:
        if not is_first(connection.execute(mine)):
            return None
        connection.execute(note(uuid, step, request_id))
    return step


async def look_async(engine: AsyncEngine, uuid: str) -> Record | None:
    """As `look`."""
    async with engine.connect() as connection:
        rows = await connection.execute(select(servers).where(servers.c.uuid == uuid))
        row = rows.mappings().one_or_none()
    return None if row is None else record(row)  # type: ignore[arg-type]


async def request_async(
    engine: AsyncEngine,
    uuid: str,
    action: ActionName | str,
    request_id: str,
    *,
    actor: Actor = Actor.MEMBER,
) -> Answer:
    """As `request`."""
    seen: tuple[int, ...] = ()
    for _ in range(ATTEMPTS):
        found = await look_async(engine, uuid)
        step, guard = ask(found, action, actor)
        if found is None or guard is None:
            return Answer(step, (*seen, found.revision) if found else seen)
        seen = (*seen, found.revision)
        async with engine.begin() as connection:
            done = await connection.execute(swap(servers, uuid, step, guard, request_id))
            if is_first(done):
                await connection.execute(note(uuid, step, request_id, actor.value))
                return Answer(step, seen)
    raise ConflictError(f"{uuid} changed {ATTEMPTS} times")


async def work_async(engine: AsyncEngine, uuid: str, event: str, request_id: str) -> Step | None:
    """As `work`."""
    found = await look_async(engine, uuid)
    step = attempt(found.server, event) if found and found.request_id == request_id else None
    if found is None or step is None:
        return None
    guard = going_on(found.server, step.server)
    mine = swap(servers, uuid, step, guard, request_id).where(servers.c.request_id == request_id)
    async with engine.begin() as connection:
        if not is_first(await connection.execute(mine)):
            return None
        await connection.execute(note(uuid, step, request_id))
    return step
