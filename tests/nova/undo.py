"""Put back what requests change in a running Nova, row by row: a copy of the databases is slower.

undo = Undo(cloud)
...  # a request
if undo.changed():
    undo.back()
assert undo.complete()
"""

from __future__ import annotations

import contextlib
import copy
import sqlite3
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloud import Cloud

SERVERS = "instances"


class Undo:
    """Puts back what is done to the databases and to what the neighbours' fixtures remember.

    Triggers write down, for each changed row, the statement that undoes the change; but for what is
    done while `paused()`. Of the table `instances`, which is changed all the time, the rows are
    kept instead.
    """

    def __init__(self, cloud: Cloud) -> None:
        """Begin to write down changes."""
        self._databases = cloud._databases
        case = cloud._case
        self._images = case.glance.images
        self._watched = [
            (fixture, name)
            for fixture, names in (
                (case.neutron, ("_ports", "_port_bindings")),
                (case.cinder, ("volumes", "volume_to_attachment", "volume_snapshots")),
            )
            for name in names
        ]
        self._on = True
        for database in self._databases:
            database.create_function("undoing", 0, lambda: self._on)
            database.executescript("".join(undo_script(database)))
        self.start()

    def start(self) -> None:
        """Take the world as it is now for the one to put back."""
        self._fixtures = [copy.deepcopy(getattr(*watched)) for watched in self._watched]
        self._was = dict(self._images)
        self.mark()
        self._rows = [rows_of(database) for database in self._databases]
        self._servers = [rows.get(SERVERS, []) for rows in self._rows]

    def mark(self) -> None:
        """Take the databases as they are now for those to put back."""
        for database in self._databases:
            database.execute("DELETE FROM temp.undo")
            database.commit()
        self._count()

    def _count(self) -> None:
        self._changes = [database.total_changes for database in self._databases]

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let changes be for a while that are not to be put back; none may be waiting for that."""
        self._on = False
        try:
            yield
        finally:
            self._on = True
            self._count()

    def changed(self) -> bool:
        """Tell whether anything was written to the databases since the mark."""
        return self._changes != [database.total_changes for database in self._databases]

    def back(self) -> None:
        """Put everything back."""
        for database, servers in zip(self._databases, self._servers, strict=True):
            database.rollback()
            for rowid, *values in servers:
                columns = ", ".join(f'"{name}" = ?' for name in columns_of(database, SERVERS))
                query = f"UPDATE {SERVERS} SET {columns} WHERE rowid = ?"
                database.execute(query, (*values, rowid))
            found = database.execute("SELECT statement FROM temp.undo ORDER BY n DESC").fetchall()
            for (statement,) in found:
                database.execute(statement)
        for watched, value in zip(self._watched, self._fixtures, strict=True):
            if getattr(*watched) != value:
                setattr(*watched, copy.deepcopy(value))
        if self._images != self._was:
            self._images.clear()
            self._images.update(self._was)
        self.mark()

    def complete(self) -> bool:
        """Tell whether every row of every table is what it was at the start."""
        return self._rows == [rows_of(database) for database in self._databases]


def tables(database: sqlite3.Connection) -> list[str]:
    """Return the names of a database's tables."""
    query = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return [name for (name,) in database.execute(query)]


@cache
def columns_of(database: sqlite3.Connection, table: str) -> list[str]:
    """Return the names of a table's columns."""
    return [row[1] for row in database.execute(f'PRAGMA main.table_info("{table}")')]


def rows_of(database: sqlite3.Connection) -> dict[str, list[Any]]:
    """Return all rows of all tables."""
    return {
        table: database.execute(f'SELECT rowid, * FROM main."{table}" ORDER BY rowid').fetchall()
        for table in tables(database)
    }


def undo_script(database: sqlite3.Connection) -> Iterator[str]:
    """Yield SQL that makes the triggers of every table, in the temporary schema."""
    yield "CREATE TEMP TABLE undo (n INTEGER PRIMARY KEY, statement TEXT);\n"
    for table in tables(database):
        columns = columns_of(database, table)
        old = {column: f'quote(old."{column}")' for column in columns}
        listed = ", ".join(f'"{column}"' for column in columns)
        pairs = " || ', ' || ".join(f"'\"{column}\" = ' || {old[column]}" for column in columns)
        values = " || ', ' || ".join(old.values())
        for event, statement in {
            "INSERT": f"'DELETE FROM main.\"{table}\" WHERE rowid = ' || new.rowid",
            "UPDATE": f"'UPDATE main.\"{table}\" SET ' || {pairs}"
            " || ' WHERE rowid = ' || new.rowid",
            "DELETE": f"'INSERT INTO main.\"{table}\" (rowid, {listed}) VALUES (' || old.rowid"
            f" || ', ' || {values} || ')'",
        }.items():
            if (event, table) == ("UPDATE", SERVERS):
                continue
            yield (
                f'CREATE TEMP TRIGGER "{event}_{table}" AFTER {event} ON main."{table}" '
                f"WHEN undoing() BEGIN INSERT INTO undo (statement) VALUES ({statement}); END;\n"
            )
