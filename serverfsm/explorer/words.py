"""The words that a page offers to choose from, and what it tells of each action.

Only the form belongs here; all of it is read off the vocabulary and the rows.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from serverfsm.requests import Actor, Guard
from serverfsm.rows import Action, Answer
from serverfsm.rulebook import Rulebook
from serverfsm.server import Server
from serverfsm.states import ComputeDriver, LockedBy, PowerState, Status, TaskState, VmState
from serverfsm.verdict import fault_name

__all__ = ["actions_document", "words_document"]

Document = dict[str, Any]


def words_document() -> Document:
    """Return each word with its sentence, and what belongs to it: a status, a pair of states."""
    return {
        "vm_states": [
            {
                "word": vm.value,
                "text": vm.__doc__,
                "status": Server(vm).status.value,
                "power_state": _usual(vm).name,
            }
            for vm in VmState
        ],
        "task_states": [{"word": task.value, "text": task.__doc__} for task in TaskState],
        "power_states": [
            {"word": power.name, "text": power.__doc__, "number": power.value}
            for power in PowerState
        ],
        "statuses": [
            {"word": status.value, "text": status.__doc__, "pair": _pair(status)}
            for status in Status
        ],
        "actors": [
            {"word": who.value, "text": who.__doc__, "administrator": who is Actor.ADMIN}
            for who in Actor
        ],
        "lock_owners": [owner.value for owner in LockedBy],
    }


def _usual(vm_state: VmState) -> PowerState:
    """What the hypervisor usually says of a server in this state."""
    from serverfsm.unprompted import POWER_STATES

    return POWER_STATES[ComputeDriver.LIBVIRT].get(vm_state, PowerState.NOSTATE)


def _pair(status: Status) -> tuple[str, str | None] | None:
    """The first pair of states with this status, without a task if there is one; or none."""
    pairs = Server.from_status(status).pairs()
    idle = [pair for pair in pairs if pair[1] is None]
    return next(((vm.value, task and task.value) for vm, task in idle or pairs), None)


def actions_document(rulebooks: Collection[Rulebook]) -> Document:
    """Return what is said of every action by each rulebook, and the names of Nova's faults.

    `books[rulebook]` has a place in `rows` for each action.
    """
    rows: dict[str, int] = {}
    books = {
        book.name: {
            row.name.value: rows.setdefault(json.dumps(_row(row, book)), len(rows)) for row in book
        }
        for book in rulebooks
    }
    return {
        "books": books,
        "rows": [json.loads(row) for row in rows],
        "titles": {book.name: book.title for book in rulebooks},
        "faults": {str(code): fault_name(code) for code in sorted(_codes(rulebooks))},
        "deviations": _deviations(),
    }


def _row(row: Action, book: Rulebook) -> Document:
    sources = row.sources.cited()
    late = [guard.value for guard, answer in _answers(row, book).items() if answer.too_late]
    return {
        "title": row.title,
        "endpoint": row.endpoint,
        "policy": row.policy.value,
        "rule": row.rule,
        "lock": row.lock.value,
        "since": row.since,
        "until": row.until,
        "parameters": [
            {"name": each.name, "values": each.values, "since": each.since, "until": each.until}
            for each in row.parameters
            if each.required
        ],
        "assumes": [
            {"sentence": each.sentence, "code": each.answer.code, "message": each.answer.message}
            for each in row.assumes
        ],
        "sources": sources,
        **({"destructive": True} if row.destructive else {}),
        **({"record_only": True} if row.record_only else {}),
        **({"too_late": late} if late else {}),
    }


def _answers(row: Action, book: Rulebook) -> dict[Guard, Answer]:
    """How each guard of the row refuses that looks at the server and not at a body."""
    from serverfsm.table import ANSWERS

    own = {Guard.BACKING, Guard.REMOVED, *row.answers}
    return {
        guard: book.answer(row, guard) for guard in row.guards if guard in own or guard in ANSWERS
    }


def _codes(rulebooks: Collection[Rulebook]) -> set[int]:
    from serverfsm.table import INVALID_STATE

    found = {INVALID_STATE.code}
    for book in rulebooks:
        for row in book:
            found |= {answer.code for answer in _answers(row, book).values()}
            found |= {each.answer.code for each in row.assumes}
    return found


def _deviations() -> dict[str, list[Document]]:
    """Where Nova does not do what the reference says, by action."""
    from serverfsm.deviations import DEVIATIONS

    found: dict[str, list[Document]] = {}
    for each in DEVIATIONS:
        said = {"reference": each.documented, "nova": each.observed, "evidence": each.evidence}
        found.setdefault(each.action.value, []).append(said)
    return found
