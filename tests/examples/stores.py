"""The examples under one hood, so that one load runs on all of them; and mutants of them.

A store is used by one thread. What is wrong with a mutant stands in its docstring.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import closing, suppress
from enum import StrEnum
from importlib import import_module
from typing import Any

from sqlalchemy import Engine, create_engine, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from docs.examples.guards import sqlalchemy_core, sqlalchemy_orm
from docs.examples.guards.record import Answer, Record, ask, changes, columns, going_on
from docs.examples.guards.where import is_first, note, servers, swap
from serverfsm import ActionName, Actor, CompareAndSwap, Step
from serverfsm.step import attempt


class Variant(StrEnum):
    """Which example, or which mutant."""

    CORE = "core"
    CORE_ASYNC = "core-async"
    ORM = "orm"
    ORM_ASYNC = "orm-async"
    DJANGO = "django"
    NO_WHERE = "no-where"
    NAIVE = "naive"
    CARELESS_WORK = "careless-work"
    UNRECORDED = "unrecorded"


EXAMPLES = tuple(Variant)[:5]
MUTANTS = tuple(Variant)[5:]
WAIT = 60  # seconds for which SQLite waits for the lock


def engine_of(url: str) -> Engine:
    """Return an engine for few threads."""
    return create_engine(url, connect_args=_arguments(url), pool_size=1, max_overflow=-1)


def _arguments(url: str) -> dict[str, Any]:
    return {"timeout": WAIT} if make_url(url).get_backend_name() == "sqlite" else {}


def django_alias(url: str) -> str:
    """Make a database known to Django; return its alias."""
    import_module("docs.examples.guards.django_orm")  # which configures Django
    from django.db import connections

    if url not in connections.databases:
        at = make_url(url)
        is_sqlite = at.get_backend_name() == "sqlite"
        given: dict[str, Any] = {
            "ENGINE": f"django.db.backends.{'sqlite3' if is_sqlite else 'postgresql'}",
            "NAME": at.database,
            "OPTIONS": {"timeout": WAIT} if is_sqlite else {},
        }
        if not is_sqlite:
            given |= {"USER": at.username, "HOST": at.host, "PORT": at.port}
        connections.databases[url] = connections.databases["default"] | given
    return url


class Store:
    """SQLAlchemy Core, and what all stores do by it."""

    def __init__(self, url: str) -> None:
        self.engine = engine_of(url)

    def close(self) -> None:
        self.engine.dispose()

    def look(self, uuid: str) -> Record | None:
        return sqlalchemy_core.look(self.engine, uuid)

    def create(self, uuid: str, request_id: str) -> Step:
        return sqlalchemy_core.create(self.engine, uuid, request_id)

    def request(self, uuid: str, action: ActionName, request_id: str, actor: Actor) -> Answer:
        return sqlalchemy_core.request(self.engine, uuid, action, request_id, actor=actor)

    def work(self, uuid: str, event: str, request_id: str) -> Step | None:
        return sqlalchemy_core.work(self.engine, uuid, event, request_id)


class _Orm(Store):
    def look(self, uuid: str) -> Record | None:
        return sqlalchemy_orm.look(self.engine, uuid)

    def request(self, uuid: str, action: ActionName, request_id: str, actor: Actor) -> Answer:
        return sqlalchemy_orm.request(self.engine, uuid, action, request_id, actor=actor)

    def work(self, uuid: str, event: str, request_id: str) -> Step | None:
        return sqlalchemy_orm.work(self.engine, uuid, event, request_id)


class _Async(Store):
    module: Any = sqlalchemy_core

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._runner = asyncio.Runner()
        asynchronous = url.replace("sqlite:", "sqlite+aiosqlite:")
        self._engine = create_async_engine(asynchronous, connect_args=_arguments(url), pool_size=1)

    def close(self) -> None:
        self._runner.run(self._engine.dispose())
        self._runner.close()
        super().close()

    def look(self, uuid: str) -> Record | None:
        found: Record | None = self._runner.run(self.module.look_async(self._engine, uuid))
        return found

    def request(self, uuid: str, action: ActionName, request_id: str, actor: Actor) -> Answer:
        answering = self.module.request_async(self._engine, uuid, action, request_id, actor=actor)
        found: Answer = self._runner.run(answering)
        return found

    def work(self, uuid: str, event: str, request_id: str) -> Step | None:
        found: Step | None = self._runner.run(
            self.module.work_async(self._engine, uuid, event, request_id)
        )
        return found


class _OrmAsync(_Async):
    module = sqlalchemy_orm


class _Django(Store):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.using = django_alias(url)

    def close(self) -> None:
        from django.db import connections

        connections[self.using].close()
        super().close()

    def look(self, uuid: str) -> Record | None:
        from docs.examples.guards import django_orm

        return django_orm.look(uuid, using=self.using)

    def request(self, uuid: str, action: ActionName, request_id: str, actor: Actor) -> Answer:
        from docs.examples.guards import django_orm

        return django_orm.request(uuid, action, request_id, actor=actor, using=self.using)

    def work(self, uuid: str, event: str, request_id: str) -> Step | None:
        from docs.examples.guards import django_orm

        return django_orm.work(uuid, event, request_id, using=self.using)


# ------------------------------------------------------------------------------ the mutants


class _NoWhere(Store):
    """The UPDATE finds its row by the id alone."""

    def write(
        self, uuid: str, step: Step, guard: CompareAndSwap, request_id: str, actor: str | None
    ) -> None:
        values = changes(step, guard, request_id) | {"revision": servers.c.revision + 1}
        with self.engine.begin() as connection:
            connection.execute(update(servers).where(servers.c.uuid == uuid).values(**values))
            connection.execute(note(uuid, step, request_id, actor))

    def request(self, uuid: str, action: ActionName, request_id: str, actor: Actor) -> Answer:
        found = self.look(uuid)
        step, guard = ask(found, action, actor)
        if found is not None and guard is not None:
            _think()
            self.write(uuid, step, guard, request_id, actor.value)
        return Answer(step, (found.revision,) if found else ())


class _Naive(_NoWhere):
    """A loaded object is changed and flushed: read, check, write."""

    def request(self, uuid: str, action: ActionName, request_id: str, actor: Actor) -> Answer:
        with Session(self.engine) as session:
            row = session.get(sqlalchemy_orm.ServerRow, uuid)
            found = sqlalchemy_orm.record_of(row)
            step, guard = ask(found, action, actor)
            if found is None or guard is None or row is None:
                return Answer(step, (found.revision,) if found else ())
            session.commit()
            _think()
            values = {**columns(found.server), **changes(step, guard, request_id)}
            for name, value in values.items():
                setattr(row, name, value)
            row.revision = sqlalchemy_orm.ServerRow.revision + 1
            session.flush()
            session.execute(note(uuid, step, request_id, actor.value))
            session.commit()
        return Answer(step, (found.revision,))


class _CarelessWork(_NoWhere):
    """Requests are guarded; the end of their work is written whoever has the server by then."""

    def request(self, uuid: str, action: ActionName, request_id: str, actor: Actor) -> Answer:
        return sqlalchemy_core.request(self.engine, uuid, action, request_id, actor=actor)

    def work(self, uuid: str, event: str, request_id: str) -> Step | None:
        found = self.look(uuid)
        step = attempt(found.server, event) if found and found.request_id == request_id else None
        if found is not None and step is not None:
            _think()
            guard = going_on(found.server, step.server)
            self.write(uuid, step, guard, request_id, None)
        return step


class _Unrecorded(Store):
    """The record is written in one transaction, what happened in another, which may not come."""

    def request(self, uuid: str, action: ActionName, request_id: str, actor: Actor) -> Answer:
        found = self.look(uuid)
        step, guard = ask(found, action, actor)
        if found is None or guard is None:
            return Answer(step, (found.revision,) if found else ())
        written = swap(servers, uuid, step, guard, request_id)
        with self.engine.begin() as connection:
            is_written = is_first(connection.execute(written))
        if not is_written:
            return super().request(uuid, action, request_id, actor)
        if random.random() < 0.9:
            with suppress(IntegrityError), self.engine.begin() as connection:
                connection.execute(note(uuid, step, request_id, actor.value))
        return Answer(step, (found.revision,))


def _think() -> None:
    """Let others in between."""
    time.sleep(random.uniform(0, 0.004))


_STORES: dict[Variant, Callable[[str], Store]] = {
    Variant.CORE: Store,
    Variant.CORE_ASYNC: _Async,
    Variant.ORM: _Orm,
    Variant.ORM_ASYNC: _OrmAsync,
    Variant.DJANGO: _Django,
    Variant.NO_WHERE: _NoWhere,
    Variant.NAIVE: _Naive,
    Variant.CARELESS_WORK: _CarelessWork,
    Variant.UNRECORDED: _Unrecorded,
}


def opened(variant: Variant, url: str) -> closing[Store]:
    """Return a store to be used in a `with`."""
    return closing(_STORES[variant](url))
