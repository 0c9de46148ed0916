"""The words are Nova's, all of them and no other, and so is the projection onto the status."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from serverfsm import PowerState, Status, TaskState, UnknownStateError, VmState, states, status_of
from serverfsm.states import Family, Kind

# Read from the installed nova 34.0.0 by tests/nova/words.py; nothing in it is typed by hand.
NOVA: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "nova-34-words.json").read_text(encoding="utf-8")
)
# other-actions.md, "Statuses".
REFERENCE_STATUSES = """
    ACTIVE BUILD DELETED ERROR HARD_REBOOT MIGRATING PASSWORD PAUSED REBOOT REBUILD RESCUE RESIZE
    REVERT_RESIZE SHELVED SHELVED_OFFLOADED SHUTOFF SOFT_DELETED SUSPENDED UNKNOWN VERIFY_RESIZE
"""


def test_nova_34() -> None:
    assert NOVA["nova"] == "34.0.0"


@pytest.mark.parametrize(
    ("words", "key", "number"), [(VmState, "vm_states", 12), (TaskState, "task_states", 42)]
)
def test_none_missing_and_none_invented(words: Any, key: str, number: int) -> None:
    assert sorted(words) == sorted(NOVA[key])
    assert len(words) == len(set(words)) == number


def test_the_statuses_are_the_reference_s() -> None:
    assert sorted(Status) == sorted(REFERENCE_STATUSES.split())
    assert len(Status) == 20
    # Nova gives all of them to some pair, but for UNKNOWN, which it gives to what it does not know.
    given = {status for by_status in NOVA["status"].values() for status in by_status}
    assert set(Status) - given == {NOVA["status_unknown_vm_state"]} == {"UNKNOWN"}


def test_the_power_states() -> None:
    assert {state.name: state.value for state in PowerState} == NOVA["power_states"]


def test_every_pair_has_nova_s_status() -> None:
    compared = 0
    for vm_state, by_status in NOVA["status"].items():
        for status, tasks in by_status.items():
            for task_state in tasks:
                found = status_of(vm_state, task_state)
                assert found == status, (vm_state, task_state)
                assert type(found) is Status
                member = None if task_state is None else TaskState(task_state)
                assert status_of(VmState(vm_state), member) is found
                compared += 1
    assert compared == 12 * 43


@pytest.mark.parametrize(
    ("vm_state", "task_state"),
    [
        *(("ACTIVE", None), ("activ", None), ("", None), ("SHUTOFF", None), ("powering-off", None)),
        *(("active", "ACTIVE"), ("active", ""), ("active", "none"), ("stopped", "stopped")),
        ("stopping", "stopping"),
    ],
)
def test_what_is_not_nova_s_is_unknown(vm_state: str, task_state: str | None) -> None:
    assert status_of(vm_state, task_state) is Status.UNKNOWN


def test_a_status_is_no_vm_state_but_by_another_spelling() -> None:
    """evidence.md: a consumer that mixes the vocabularies up must be told, not understood."""
    for status in Status:
        with pytest.raises(UnknownStateError):
            states.vm_state(status.value)
        with pytest.raises(UnknownStateError):
            states.task_state(status.value)
    for vm_state in VmState:
        with pytest.raises(UnknownStateError):
            states.status(vm_state.value)


# --- reading


@pytest.mark.parametrize(
    ("read", "words"),
    [(states.status, Status), (states.vm_state, VmState), (states.task_state, TaskState)],
)
def test_a_word_and_its_text_are_read(read: Any, words: Any) -> None:
    for word in words:
        assert read(word) is word
        assert read(word.value) is word


def test_no_task_is_none_and_nothing_else() -> None:
    assert states.task_state(None) is None
    for odd in ("", "None", "null", False, 0):
        with pytest.raises(UnknownStateError):
            states.task_state(odd)


@pytest.mark.parametrize(
    ("read", "word", "nearest"),
    [
        (states.status, "SHUTDOWN", "SHUTOFF"),
        (states.status, "active", "ACTIVE"),
        (states.status, "SOFT-DELETED", "SOFT_DELETED"),
        (states.vm_state, "soft_deleted", "soft-delete"),
        (states.vm_state, "STOPPED", "stopped"),
        (states.task_state, "powering_off", "powering-off"),
        (states.task_state, "resize_preparing", "resize_prep"),
    ],
)
def test_an_unknown_word_names_the_nearest(read: Any, word: str, nearest: str) -> None:
    with pytest.raises(UnknownStateError) as unknown:
        read(word)
    error = unknown.value
    assert (error.word, error.nearest) == (word, nearest)
    assert str(error) == f"unknown {error.kind} {word!r}; did you mean {nearest!r}?"
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("read", "kind", "known"),
    [
        (states.status, "status", list(Status)),
        (states.vm_state, "vm_state", list(VmState)),
        (states.task_state, "task_state", list(TaskState)),
    ],
)
@pytest.mark.parametrize("odd", [17, "", [], "xyzzy", "x" * 201])
def test_what_resembles_nothing_gets_the_list(read: Any, kind: str, known: Any, odd: Any) -> None:
    with pytest.raises(UnknownStateError) as unknown:
        read(odd)
    assert unknown.value.kind == kind
    assert unknown.value.nearest is None
    assert str(unknown.value).endswith("valid: " + ", ".join(known))


def test_power_states_are_numbers() -> None:
    for name, number in NOVA["power_states"].items():
        assert states.power_state(number) is PowerState[name]
        assert PowerState[name] == number
    # 2 and 5 are gaps in Nova's numbering; True is 1 only to Python.
    for odd in (2, 5, 8, -1, True, "1", 1.0, None, []):
        with pytest.raises(UnknownStateError, match=r"4 \(SHUTDOWN\)") as unknown:
            states.power_state(odd)
        assert unknown.value.kind == "power_state"
    with pytest.raises(UnknownStateError, match=r"did you mean '1 \(RUNNING\)'"):
        states.power_state("RUNNING")


# --- what is said of each word


@pytest.mark.parametrize("word", [*Status, *VmState, *TaskState], ids=repr)
def test_every_word_is_explained(word: Any) -> None:
    assert word.kind in Kind
    assert word.family is None or word.family in Family
    assert word.__doc__.endswith(".")
    assert word.__doc__ != type(word).__doc__


def test_the_kinds_that_a_waiting_person_asks_for() -> None:
    assert {word for word in VmState if word.kind is Kind.GONE} == {"deleted"}
    assert {word for word in Status if word.kind is Kind.GONE} == {"DELETED"}
    # servers-actions.txt: a resize waits for confirmResize or revertResize.
    assert {word for word in VmState if word.kind is Kind.WAITING} == {"resized"}
    assert {word for word in Status if word.kind is Kind.WAITING} == {"VERIFY_RESIZE"}
    assert {word for word in VmState if word.kind is Kind.FAILED} == {"error"}
    assert {word for word in TaskState if word.kind is not Kind.BUSY} == set()


def test_a_status_is_busy_where_a_task_or_a_build_is_all_that_gives_it() -> None:
    for status in Status:
        pairs = [
            pair for pair in product(VmState, (None, *TaskState)) if status_of(*pair) is status
        ]
        by_tasks_alone = bool(pairs) and all(task is not None for _, task in pairs)
        building = {vm_state for vm_state, _ in pairs} == {VmState.BUILDING}
        assert (status.kind is Kind.BUSY) is (by_tasks_alone or building), status
