"""`NOVA_34` against what the real Nova 34.0.0 answered: every stored answer, 405,144 of them.

The answers are in `data/nova-34-answers.json.gz`; `nova/measure.py` asked for them, and
`nova/agreement.py` compares them with the library's.
"""

import sys
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from serverfsm import ActionName, TaskState, VmState

sys.path.insert(0, str(Path(__file__).parent / "nova"))
from agreement import OTHERS, difference, explained, same, verdict_of
from answers import load, read

ANSWERS = 405_144
ACTIONS = sorted({block[0] for block in read()["blocks"]})
COMPARED = [action for action in ACTIONS if action not in OTHERS]
# The lowest role that Nova's default policy allows, where it is not a member.
LEAST = {
    "evacuate": "admin",
    "injectNetworkInfo": "admin",
    "migrate": "manager",
    "migrate:host": "admin",
    "os-migrateLive": "manager",
    "os-migrateLive:host": "admin",
    "os-resetState": "admin",
    "shelveOffload": "admin",
    "unshelve:host": "admin",
}


def size(block: list[object]) -> int:
    """How many answers a block has."""
    return sum(map(len, read()["task_sets"][block[6]].values()))


def test_all_answers_are_there() -> None:
    assert sum(map(size, read()["blocks"])) == ANSWERS
    keys = {name.key for name in ActionName} - {"create"}
    assert {action.partition(":")[0] for action in ACTIONS} >= keys


def test_the_task_sets_are_the_products_that_they_say() -> None:
    sets = read()["task_sets"]
    every = {None, *map(str, TaskState)}
    assert set(sets["all"]) == set(map(str, VmState)) == set(read()["vm_states"])
    assert all(len(tasks) == len(every) == 43 for tasks in sets["all"].values())
    assert all(set(tasks) == every for tasks in sets["all"].values())
    assert all(len(tasks) == 2 and {None} < set(tasks) < every for tasks in sets["few"].values())


@pytest.mark.parametrize("action", ACTIONS)
def test_the_whole_cross_product_was_asked(action: str) -> None:
    """Every vm_state x task_state x lock x backing, as the lowest role allowed and as admin."""
    whole = {
        (actor, lock, backing)
        for name, _version, situation, backing, actor, lock, tasks, _grid in read()["blocks"]
        if (name, situation, tasks) == (action, "", "all")
    }
    least = LEAST.get(action, LEAST.get(action.partition(":")[0], "member"))
    assert whole == set(product((least, "admin"), (None, "owner", "admin"), ("image", "volume")))


@cache
def compared(action: str) -> tuple[list[str], Counter[str]]:
    """The differences between library and Nova, and how often each explanation was needed."""
    different, reasons = [], Counter[str]()
    for answer in load(only=action):
        verdict = verdict_of(answer)
        if not same(answer, verdict):
            reason = explained(answer, verdict)
            reasons.update([] if reason is None else [reason])
            different += [] if (text := difference(answer)) is None else [text]
    return different, reasons


@pytest.mark.parametrize("action", COMPARED)
def test_nova_34_answers_so(action: str) -> None:
    different, _reasons = compared(action)
    assert not different, f"{len(different)} differ, such as:\n" + "\n".join(different[:5])


def test_explanations_are_few() -> None:
    """What is explained away must stay the exception that it is."""
    used = sum((compared(action)[1] for action in COMPARED), Counter[str]())
    print(used)
    assert used.total() <= ANSWERS // 300
