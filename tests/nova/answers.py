"""Read `tests/data/nova-34-answers.json.gz`: what Nova answered. Standard library only.

    for answer in load(PATH):
        print(answer.action, answer.vm_state, answer.task_state, answer.code, answer.message)

The file is gzipped JSON with these keys:

`nova`
    The version of Nova that answered.
`vm_states`
    The vm_states, in the order of every grid.
`task_sets`
    Name -> vm_state -> the task_states (null: none) that were measured in it.
`answers`
    The different answers: [code, message, writes, then]. Message is null where there is none;
    "{vm_state}" and "{task_state}" in it stand for the server's.
`grids`
    The different grids: for each vm_state, for each task_state, an index into `answers`.
`blocks`
    What was measured: [action, version, situation, backing, actor, lock, task set, grid]; grid is
    an index into `grids`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[1] / "data" / "nova-34-answers.json.gz"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request to one server in one state, and what came of it.

    action
        Action key, a variant after a colon; "delete" and "remote-consoles" for those requests.
    version
        Microversion of the request.
    situation
        "": launched, and on a host that is up; but `building` is not launched, and
        `shelved_offloaded` has no host.
        "never-launched": no launched_at. "no-host": no host. "host-down": the host is down.
        "no-migration": without the finished migration that a resized server has otherwise.
    backing
        "image" or "volume".
    actor
        "reader", "member", "manager" in the server's project; "admin" in another project,
        "project-admin" in the server's; "stranger": a member of another project; "anonymous": no
        token.
    lock
        None, "owner" or "admin": who locked the server.
    vm_state, task_state
        What the row was forced to.
    code, message
        The answer; "{id}" in the message stands for the server's id, "{host}" for any host.
    writes
        What the request changed in the row among vm_state, task_state, locked, locked_by, deleted.
    then
        What the API asked of others, in order, such as "cast compute.stop_instance".
    """

    action: str
    version: str
    situation: str
    backing: str
    actor: str
    lock: str | None
    vm_state: str
    task_state: str | None
    code: int
    message: str | None
    writes: Mapping[str, Any]
    then: tuple[str, ...]


@cache
def text(message: str | None, vm_state: str, task_state: str | None) -> str | None:
    """Return a stored message with the states in place."""
    if message is None:
        return None
    return message.replace("{vm_state}", vm_state).replace("{task_state}", str(task_state))


@cache
def read(path: Path = PATH) -> dict[str, Any]:
    """Return the file as it is."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
        return found


def load(path: Path = PATH, only: str | None = None) -> Iterator[Answer]:
    """Yield every answer of the file, or of one action only, block by block."""
    data = read(path)
    for action, version, situation, backing, actor, lock, task_set, grid in data["blocks"]:
        if only not in (None, action):
            continue
        rows = zip(data["vm_states"], data["grids"][grid], strict=True)
        for vm_state, indexes in rows:
            tasks = data["task_sets"][task_set][vm_state]
            for task_state, index in zip(tasks, indexes, strict=True):
                code, message, writes, then = data["answers"][index]
                yield Answer(
                    action,
                    version,
                    situation,
                    backing,
                    actor,
                    lock,
                    vm_state,
                    task_state,
                    code,
                    text(message, vm_state, task_state),
                    writes,
                    tuple(then),
                )
