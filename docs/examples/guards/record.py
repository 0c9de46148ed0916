"""What a row of the table `servers` says, and what is to be written to it; no database in here.

Every variant beside this file reads a `Record`, asks the library, and turns the library's
`CompareAndSwap` into one UPDATE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum

from serverfsm import ActionName, Actor, CompareAndSwap, Server, Step, accept

ATTEMPTS = 5
COLUMNS = tuple(
    field.name for field in fields(Server) if field.init and field.name != "only_status"
)


class ConflictError(Exception):
    """The record changed under every attempt, and each time the request was allowed again."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one look at a row found.

    Attributes:
        server: the snapshot.
        revision: goes up by one with every write.
        request_id: whose work is under way on the server, or was the last to be.
    """

    server: Server
    revision: int
    request_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request.

    Attributes:
        step: the verdict, and the action whose work goes on.
        seen: the revisions that were looked at; at all but the last the request was allowed, and
            then another was first. Empty: there is no such server.
    """

    step: Step
    seen: tuple[int, ...]


def record(row: Mapping[str, object]) -> Record:
    """Return what a row says."""
    server = Server.from_record({column: row[column] for column in COLUMNS})
    revision, request_id = row["revision"], row["request_id"]
    assert isinstance(revision, int)
    return Record(server, revision, str(request_id))


def plain(value: object) -> object:
    """Return a value as the database knows it: a word instead of the member of an enum."""
    return value.value if isinstance(value, Enum) else value


def columns(server: Server) -> dict[str, object]:
    """Return the columns of a new row."""
    return {column: plain(getattr(server, column)) for column in COLUMNS}


def ask(
    found: Record | None, action: ActionName | str, actor: Actor
) -> tuple[Step, CompareAndSwap | None]:
    """Return what the library makes of a request; with no compare-and-swap, it is refused.

    Raises:
        ValueError: the request would make a server, which is an INSERT; and all of `check`'s.
    """
    step = accept(None if found is None else found.server, action, actor=actor)
    if found is None and step.server is not None:
        raise ValueError(f"{step.event} makes a row: it is an INSERT, guarded by the primary key")
    return step, None if step.verdict is None else step.verdict.guard


def changes(step: Step, guard: CompareAndSwap, request_id: str) -> dict[str, object]:
    """Return what to write, besides the revision.

    A request that begins work, or ends that of another, takes the server over.
    """
    written = {column: plain(value) for column, value in guard.set.items()}
    if step.then is not None or "task_state" in guard.set:
        written["request_id"] = request_id
    return written


def going_on(before: Server, after: Server | None) -> CompareAndSwap:
    """Return the compare-and-swap of one step of work: nothing but what it changes is written.

    >>> from serverfsm import advance
    >>> before = Server("active", "powering-off")
    >>> swap = going_on(before, advance(before, "os-stop.done").server)
    >>> swap.holds(before), swap.holds(Server("active", "deleting"))
    (True, False)
    """
    assert after is not None
    expect = {
        "vm_state": frozenset[object]({before.vm_state}),
        "task_state": frozenset[object]({before.task_state}),
    }
    values = {column: getattr(after, column) for column in COLUMNS}
    changed = {
        column: value for column, value in values.items() if value != getattr(before, column)
    }
    return CompareAndSwap(expect, changed)
