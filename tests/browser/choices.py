"""What may be chosen in the explorer, drawn at random with a seed, and what the library says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from serverfsm import LATEST, ActionName, Actor, Rulebook, Server, TaskState, VmState, check
from serverfsm.requests import Microversion
from serverfsm.rulebook import RULEBOOKS
from serverfsm.states import LockedBy, PowerState
from serverfsm.verdict import Verdict

NONE = "none"
SERVER_ID = "8c65cb68-0681-4c30-bc88-6b83a8a26aee"

Choice = dict[str, str]


def choices(seed: int, count: int) -> Iterator[Choice]:
    """So many choices, each of an action of a server; idle servers more often than not."""
    chance = random.Random(seed)
    tasks = [task.value for task in TaskState]
    for _ in range(count):
        yield {
            "vm_state": chance.choice([*(vm.value for vm in VmState), NONE]),
            "task_state": chance.choice([NONE, chance.choice(tasks)]),
            "power_state": chance.choice(list(PowerState)).name,
            "disk": chance.choice(["image", "volume"]),
            "launched": chance.choice(["yes", "yes", "no"]),
            "lock": chance.choice([NONE, NONE, *(owner.value for owner in LockedBy)]),
            "role": chance.choice([*(who.value for who in Actor), "member", "admin"]),
            "microversion": chance.choice([LATEST, f"2.{chance.randint(1, LATEST.minor)}"]),
            "rulebook": chance.choice(list(RULEBOOKS)),
            "action": chance.choice(list(ActionName)).value,
        }


def server_of(choice: Choice) -> Server | None:
    """The server that is chosen."""
    if choice["vm_state"] == NONE:
        return None
    named: dict[str, Any] = {
        key: None if choice[key] == NONE else choice[key] for key in ("task_state", "lock")
    }
    return Server(
        VmState(choice["vm_state"]),
        named["task_state"],
        PowerState[choice["power_state"]],
        locked=named["lock"] is not None,
        locked_by=named["lock"],
        launched=choice["launched"] == "yes",
        volume_backed=choice["disk"] == "volume",
    )


def terms_of(choice: Choice) -> dict[str, Any]:
    """Who asks, at which microversion, by whose rules."""
    book: Rulebook = RULEBOOKS[choice["rulebook"]]
    version = Microversion(choice["microversion"])
    return {"actor": Actor(choice["role"]), "microversion": version, "rulebook": book}


def verdict_of(choice: Choice, action: str | None = None) -> Verdict:
    """What the library answers."""
    return check(server_of(choice), action or choice["action"], **terms_of(choice))


def answer_of(verdict: Verdict) -> str:
    """The word that the page has for it."""
    return "allowed" if verdict.allowed else "depends" if verdict.maybe else "refused"
