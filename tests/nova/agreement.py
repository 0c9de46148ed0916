"""Does the library say what Nova answered? Used by the test of the stored answers and by that of
the live Nova.

    difference(answer)  # None, or a text that says what the library says and what Nova said

Needs the library and the standard library only.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from answers import Answer

from serverfsm import NOVA_34, ActionName, Options, Server, Verdict, check
from serverfsm.states import LockedBy, TaskState, VmState

# Requests that another name stands for, or that the library does not tell apart.
SAME_AS = {
    "lock:reason": "lock",
    "rebuild:other-image": "rebuild",
    "unshelve:no-availability_zone": "unshelve:availability_zone",  # the zone is null
}
# Conditions outside the server that do not hold: what the verdict assumes is then refused.
ASSUMPTION = {
    "evacuate:host-up": ("evacuate", "host-down"),
    "resize:same-flavor": ("resize", "other-flavor"),
    "confirmResize": ("confirmResize", "finished-migration"),
    "revertResize": ("revertResize", "finished-migration"),
}
OTHERS = {"remote-consoles": "a resource of its own, not an action"}
# Asked where an operator's option is not at its default.
RECLAIMING = NOVA_34.having(Options(reclaim_instance_interval=3600))
RULEBOOKS = {"delete:reclaim": ("delete", RECLAIMING)}
NAMES = {name.value for name in ActionName}


@cache
def server(
    vm_state: str, task_state: str | None, lock: str | None, situation: str, backing: str
) -> Server:
    """Return the server that a record was forced to be."""
    return Server(
        VmState(vm_state),
        None if task_state is None else TaskState(task_state),
        locked=lock is not None,
        locked_by=None if lock is None else LockedBy(lock),
        launched=situation != "never-launched" and vm_state != "building",
        host=situation != "no-host" and vm_state != "shelved_offloaded",
        volume_backed=backing == "volume",
    )


def verdict_of(answer: Answer) -> Verdict:
    """Return what the library says to the request."""
    name, _assumption = ASSUMPTION.get(answer.action, (answer.action, ""))
    name, rulebook = RULEBOOKS.get(name, (name, NOVA_34))
    return check(
        server(answer.vm_state, answer.task_state, answer.lock, answer.situation, answer.backing),
        SAME_AS.get(name, name),
        actor="admin" if answer.actor == "project-admin" else answer.actor,
        microversion=answer.version,
        rulebook=rulebook,
    )


@cache
def says(template: str | None, message: str | None) -> bool:
    """Tell whether Nova's message is the template with what it does not know filled in."""
    if template is None or message is None:
        return template is message
    pattern = re.escape(template)
    for unknown in ("body", "image", "host"):
        pattern = pattern.replace(re.escape(f"{{{unknown}}}"), ".+")
    return re.fullmatch(pattern, message, re.DOTALL) is not None


def changes(answer: Answer, verdict: Verdict) -> dict[str, Any]:
    """Return what the verdict would change in the record."""
    if not verdict.allowed:
        return {}
    present = {
        "vm_state": answer.vm_state,
        "task_state": answer.task_state,
        "locked": answer.lock is not None,
        "locked_by": answer.lock,
        "deleted": False,
    }
    assert verdict.guard is not None
    found = verdict.guard.set
    return {column: value for column, value in found.items() if present[column] != value}


def same(answer: Answer, verdict: Verdict) -> bool:
    """Tell whether the verdict is Nova's answer: its code, its message, and what it writes."""
    if verdict.code != answer.code or not says(verdict.message, answer.message):
        return False
    return not verdict.allowed or changes(answer, verdict) == answer.writes


def assumed(answer: Answer, verdict: Verdict) -> bool:
    """Tell whether Nova refuses because something does not hold that the verdict assumes."""
    _name, assumption = ASSUMPTION.get(answer.action, (answer.action, ""))
    assumptions = {each.name: each.answer for each in verdict.assumes}
    tested = []
    if answer.action not in NAMES or answer.situation == "no-migration":
        tested.append(assumption)
    if answer.situation == "host-down":
        tested.append("host-up")
    return any(
        (known.code, says(known.message, answer.message)) == (answer.code, True)
        for name in tested
        if (known := assumptions.get(name)) is not None
    )


def explained(answer: Answer, verdict: Verdict) -> str | None:
    """Return why a difference is none: None where it is one."""
    if verdict.maybe and answer.code in (202, verdict.code):
        return "the verdict is a maybe"
    if answer.actor == "project-admin" and answer.action.startswith("lock"):
        return "an administrator of the server's own project locks as its owner"
    if answer.writes.get("deleted") and verdict.code == answer.code:
        if answer.situation == "host-down":
            return "Nova deletes by itself what no host answers for; a snapshot shows no such thing"
        if verdict.guard is not None and verdict.guard.set.get("deleted"):
            return "the vm_state of a deleted record is not seen by anybody"
    if "ComputeHostNotFound" in (answer.message or "") and verdict.code == 500:
        return "a hostless volume-backed server fails a step earlier, in other words"
    if answer.action == "unshelve:no-availability_zone" and answer.code == 400:
        return "a zone of null is a bad body before 2.91; bodies are not looked at"
    if answer.action == "rebuild:other-image" and answer.situation == "no-host":
        return "which image is asked for is not known to the verdict"
    return None


def difference(answer: Answer) -> str | None:
    """Return what the library says otherwise than Nova, in three lines; None if it does not."""
    verdict = verdict_of(answer)
    if same(answer, verdict) or assumed(answer, verdict) or explained(answer, verdict) is not None:
        return None
    return (
        f"{answer}\n  library: {verdict.code} {verdict.message} {changes(answer, verdict)}\n"
        f"  nova:    {answer.code} {answer.message} {dict(answer.writes)}"
    )
