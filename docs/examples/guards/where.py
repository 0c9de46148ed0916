"""The tables in SQLAlchemy, and the statements that all SQLAlchemy variants share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    Update,
    insert,
    literal,
    or_,
    select,
    update,
)

from docs.examples.guards.record import changes, plain
from serverfsm import CompareAndSwap, Step

metadata = MetaData()
servers = Table(
    "servers",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("project_id", String(36), nullable=False),
    Column("vm_state", String(32), nullable=False),
    Column("task_state", String(32)),
    Column("power_state", Integer, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("locked_by", String(8)),
    Column("launched", Boolean, nullable=False),
    Column("host", Boolean, nullable=False),
    Column("volume_backed", Boolean, nullable=False),
    Column("vm_state_before_resize", String(32)),
    Column("deleted", Boolean, nullable=False),
    Column("request_id", String(40), nullable=False),
    Column("revision", Integer, nullable=False),
)
history = Table(
    "history",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("request_id", String(40), nullable=False),
    Column("actor", String(16)),
    Column("event", String(64), nullable=False),
    Column("goes_on", String(64)),
)


def where(entity: Any, guard: CompareAndSwap) -> list[ColumnElement[bool]]:
    """Return what must hold of a row.

    NULL is in no IN list: where None is among the accepted values, it is a test of its own.

    Args:
        entity: a Table, or a mapped class.
        guard: a verdict's.
    """
    columns = getattr(entity, "c", entity)
    found: list[ColumnElement[bool]] = []
    for name, accepted in guard.expect.items():
        column = getattr(columns, name)
        among = column.in_([plain(value) for value in accepted if value is not None])
        found.append(or_(column.is_(None), among) if None in accepted else among)
    return found


def swap(entity: Any, uuid: str, step: Step, guard: CompareAndSwap, request_id: str) -> Update:
    """Return the UPDATE; it matches one row, or none if another request was first.

    The revision is written always: a guard that writes nothing takes the row's lock, too.
    """
    columns = getattr(entity, "c", entity)
    return (
        update(entity)
        .where(columns.uuid == uuid, *where(entity, guard))
        .values(**changes(step, guard, request_id), revision=columns.revision + 1)
    )


def is_first(result: Any) -> bool:
    """Whether an executed UPDATE matched its row."""
    return bool(result.rowcount == 1)


def note(uuid: str, step: Step, request_id: str, actor: str | None = None) -> Insert:
    """Return the INSERT that records the step at the revision which the same transaction wrote."""
    row = select(
        servers.c.uuid,
        servers.c.revision,
        literal(request_id, String),
        literal(actor, String),
        literal(step.event, String),
        literal(plain(step.then), String),
    ).where(servers.c.uuid == uuid)
    return insert(history).from_select([column.name for column in history.c], row)
