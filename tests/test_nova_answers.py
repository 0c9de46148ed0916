"""`NOVA_34` against what the real Nova 34.0.0 answered: every stored answer, 90,636 of them.

The answers are in `data/nova-34-answers.json.gz`; `nova/measure.py` asked for them.
"""

import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from serverfsm import NOVA_34, ActionName, Server, Verdict, check

sys.path.insert(0, str(Path(__file__).parent / "nova"))
from answers import Answer, load

ANSWERS = 90_636

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
OTHERS = {
    "remote-consoles": "a resource of its own, not an action",
    "delete:reclaim": "an operator's option; verdicts are for the defaults",
}


def server_of(answer: Answer) -> Server:
    """The server that the record was forced to be."""
    return Server(
        answer.vm_state,
        answer.task_state,
        locked=answer.lock is not None,
        locked_by=answer.lock,
        launched=answer.situation != "never-launched" and answer.vm_state != "building",
        host=answer.situation != "no-host" and answer.vm_state != "shelved_offloaded",
        volume_backed=answer.backing == "volume",
    )


def verdict_of(answer: Answer, action: str) -> Verdict:
    actor = "admin" if answer.actor == "project-admin" else answer.actor
    return check(
        server_of(answer), action, actor=actor, microversion=answer.version, rulebook=NOVA_34
    )


def says(template: str | None, message: str | None) -> bool:
    """Whether Nova's message is the template with what it does not know filled in."""
    if template is None or message is None:
        return template is message
    pattern = re.escape(template).replace(re.escape("{id}"), re.escape("{id}"))
    for unknown in ("body", "image", "host"):
        pattern = pattern.replace(re.escape(f"{{{unknown}}}"), ".+")
    return re.fullmatch(pattern, message, re.DOTALL) is not None


def changes(answer: Answer, verdict: Verdict) -> dict[str, Any]:
    """What the verdict would change in the record."""
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


def explained(answer: Answer, verdict: Verdict) -> str | None:
    """Why a difference is none: None where it is one."""
    if verdict.maybe and answer.code in (202, verdict.code):
        return "the verdict is a maybe"
    if answer.actor == "project-admin" and answer.action.startswith("lock"):
        return "an administrator of the server's own project locks as its owner"
    if answer.writes.get("deleted") and verdict.allowed:
        return "the vm_state of a deleted record is not seen by anybody"
    if "ComputeHostNotFound" in (answer.message or "") and verdict.code == 500:
        return "a hostless volume-backed server fails a step earlier, in other words"
    if answer.action == "unshelve:no-availability_zone" and answer.code == 400:
        return "a zone of null is a bad body before 2.91; bodies are not looked at"
    if answer.action == "rebuild:other-image" and answer.situation == "no-host":
        return "which image is asked for is not known to the verdict"
    return None


def difference(answer: Answer) -> str | None:
    """What the library says otherwise than Nova, in a line; None if it says the same."""
    name, assumption = ASSUMPTION.get(answer.action, (answer.action, ""))
    verdict = verdict_of(answer, SAME_AS.get(name, name))
    may_fail = answer.action not in NAMES or answer.situation == "no-migration"
    if verdict.allowed and assumption and may_fail and answer.code >= 400:
        assumed = {each.name: each.answer for each in verdict.assumes}[assumption]
        if (assumed.code, says(assumed.message, answer.message)) == (answer.code, True):
            return None
    if (
        verdict.allowed
        and answer.situation == "host-down"
        and says("Service is unavailable at this time.", answer.message)
    ):
        assert "host-up" in {each.name for each in verdict.assumes}
        return None
    same = verdict.code == answer.code and says(verdict.message, answer.message)
    if same and (not verdict.allowed or changes(answer, verdict) == answer.writes):
        return None
    if explained(answer, verdict) is not None:
        return None
    written = changes(answer, verdict) if verdict.allowed else {}
    return (
        f"{answer}\n  library: {verdict.code} {verdict.message} {written}\n"
        f"  nova:    {answer.code} {answer.message} {dict(answer.writes)}"
    )


NAMES = {name.value for name in ActionName}


@cache
def answers() -> tuple[Answer, ...]:
    return tuple(answer for answer in load() if answer.action not in OTHERS)


def test_all_answers_are_there() -> None:
    asked = Counter(answer.action for answer in load())
    assert sum(asked.values()) == ANSWERS
    keys = {name.key for name in ActionName} - {"create"}
    assert {action.partition(":")[0] for action in asked} >= keys


@pytest.mark.parametrize("action", sorted({answer.action for answer in answers()}))
def test_nova_34_answers_so(action: str) -> None:
    asked = [answer for answer in answers() if answer.action == action]
    different = [text for answer in asked if (text := difference(answer)) is not None]
    assert not different, f"{len(different)} of {len(asked)}, such as:\n" + "\n".join(different[:5])


def test_explanations_are_few() -> None:
    """What is explained away must stay the exception that it is."""
    used: Counter[str] = Counter()
    for answer in answers():
        if answer.action not in ASSUMPTION:
            verdict = verdict_of(answer, SAME_AS.get(answer.action, answer.action))
            reason = explained(answer, verdict) if verdict.code != answer.code else None
            used.update([reason] if reason is not None else [])
    assert sum(used.values()) <= 100
