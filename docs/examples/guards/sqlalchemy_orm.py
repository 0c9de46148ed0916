"""A request, and a step of the work that follows, as one UPDATE each: the SQLAlchemy ORM.

Attributes are not set on a loaded object and flushed: that UPDATE has only the primary key in its
WHERE, and whoever comes last wins.
"""

from __future__ import annotations

from sqlalchemy import Engine, String
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from docs.examples.guards.record import (
    ATTEMPTS,
    COLUMNS,
    Answer,
    ConflictError,
    Record,
    ask,
    going_on,
    record,
)
from docs.examples.guards.where import is_first, note, swap
from serverfsm import ActionName, Actor, Step
from serverfsm.step import attempt


class Base(DeclarativeBase):
    """Where the mapped classes are registered."""


class ServerRow(Base):
    """One server."""

    __tablename__ = "servers"
    uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    project_id: Mapped[str] = mapped_column(String(36))
    vm_state: Mapped[str] = mapped_column(String(32))
    task_state: Mapped[str | None] = mapped_column(String(32))
    power_state: Mapped[int]
    locked: Mapped[bool]
    locked_by: Mapped[str | None] = mapped_column(String(8))
    launched: Mapped[bool]
    host: Mapped[bool]
    volume_backed: Mapped[bool]
    vm_state_before_resize: Mapped[str | None] = mapped_column(String(32))
    deleted: Mapped[bool]
    request_id: Mapped[str] = mapped_column(String(40))
    revision: Mapped[int]


def record_of(row: ServerRow | None) -> Record | None:
    """Return what a loaded object says."""
    if row is None:
        return None
    return record({name: getattr(row, name) for name in (*COLUMNS, "request_id", "revision")})


def look(engine: Engine, uuid: str) -> Record | None:
    """Return the record of a server; None if there is none."""
    with Session(engine) as session:  # a new session: an old one would show what it saw before
        return record_of(session.get(ServerRow, uuid))


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
        with Session(engine) as session, session.begin():
            if is_first(session.execute(swap(ServerRow, uuid, step, guard, request_id))):
                session.execute(note(uuid, step, request_id, actor.value))
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
    mine = swap(ServerRow, uuid, step, guard, request_id).where(ServerRow.request_id == request_id)
    with Session(engine) as session, session.begin():
        if not is_first(session.execute(mine)):
            return None
        session.execute(note(uuid, step, request_id))
    return step


async def look_async(engine: AsyncEngine, uuid: str) -> Record | None:
    """As `look`."""
    async with AsyncSession(engine) as session:
        return record_of(await session.get(ServerRow, uuid))


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
        async with AsyncSession(engine) as session, session.begin():
            done = await session.execute(swap(ServerRow, uuid, step, guard, request_id))
            if is_first(done):
                await session.execute(note(uuid, step, request_id, actor.value))
                return Answer(step, seen)
    raise ConflictError(f"{uuid} changed {ATTEMPTS} times")


async def work_async(engine: AsyncEngine, uuid: str, event: str, request_id: str) -> Step | None:
    """As `work`."""
    found = await look_async(engine, uuid)
    step = attempt(found.server, event) if found and found.request_id == request_id else None
    if found is None or step is None:
        return None
    guard = going_on(found.server, step.server)
    mine = swap(ServerRow, uuid, step, guard, request_id).where(ServerRow.request_id == request_id)
    async with AsyncSession(engine) as session, session.begin():
        if not is_first(await session.execute(mine)):
            return None
        await session.execute(note(uuid, step, request_id))
    return step
