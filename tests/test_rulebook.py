"""A wrong row is found when the table is read, and the message says which and what."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Policy,
    Rulebook,
    Status,
    TableError,
    TaskState,
    UnknownRulebookError,
    VmState,
)
from serverfsm.build import build
from serverfsm.deviations import DEVIATIONS
from serverfsm.requests import Guard
from serverfsm.rows import Action, Answer, Backing, Deviation, End, Lock, Outcome, When, Write
from serverfsm.rulebook import RULEBOOKS, rulebook
from serverfsm.table import ACTIONS
from serverfsm.unprompted import TIMERS

NOVA: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "nova-34-words.json").read_text(encoding="utf-8")
)
KEEPS = (Outcome("done", End.ORIGIN),)
ROWS = {row.name: row for row in ACTIONS}


def broken(name: ActionName, **changes: Any) -> tuple[Action, ...]:
    """The table with one row changed."""
    return tuple(replace(row, **changes) if row.name is name else row for row in ACTIONS)


# --- a wrong row

PAUSE, STOP = ROWS[ActionName.PAUSE], ROWS[ActionName.STOP]
WRONG: dict[str, tuple[ActionName, dict[str, Any], str]] = {
    "guard twice": (
        ActionName.PAUSE,
        {"guards": (*PAUSE.guards, Guard.LOCK)},
        "a guard is listed twice",
    ),
    "no policy": (
        ActionName.PAUSE,
        {"guards": tuple(guard for guard in PAUSE.guards if guard is not Guard.POLICY)},
        "authenticated, offered and policy are tested of every request",
    ),
    "lock untested": (
        ActionName.PAUSE,
        {"guards": tuple(guard for guard in PAUSE.guards if guard is not Guard.LOCK)},
        "lock says something and no guard tests it",
    ),
    "lock ignored and tested": (
        ActionName.PAUSE,
        {"lock": Lock.IGNORED},
        "a guard tests lock, which says nothing",
    ),
    "vm_states untested": (
        ActionName.PAUSE,
        {"guards": tuple(guard for guard in PAUSE.guards if guard is not Guard.VM_STATE)},
        "vm_states says something and no guard tests it",
    ),
    "volume-backed vm_states untested": (
        ActionName.LOCK,
        {"volume_backed_vm_states": frozenset({VmState.ACTIVE})},
        "vm_states says something and no guard tests it",
    ),
    "task_states untested": (
        ActionName.PAUSE,
        {"guards": tuple(guard for guard in PAUSE.guards if guard is not Guard.TASK_STATE)},
        "task_states says something and no guard tests it",
    ),
    "backing untested": (
        ActionName.PAUSE,
        {"backing": Backing(Answer(400, "no"))},
        "backing says something and no guard tests it",
    ),
    "backing tested and empty": (
        ActionName.CREATE_BACKUP,
        {"backing": None},
        "a guard tests backing, which says nothing",
    ),
    "removed untested": (
        ActionName.PAUSE,
        {"removed": Answer(410, "no")},
        "removed says something and no guard tests it",
    ),
    "removed tested and empty": (
        ActionName.RESET_NETWORK,
        {"removed": None},
        "a guard tests removed, which says nothing",
    ),
    "late policy untested": (
        ActionName.PAUSE,
        {"late_policy": Policy.ADMIN},
        "late_policy says something and no guard tests it",
    ),
    "late policy tested and empty": (
        ActionName.UNLOCK,
        {"late_policy": None},
        "a guard tests late_policy, which says nothing",
    ),
    "impossible status": (
        ActionName.PAUSE,
        {"statuses": frozenset({Status.ACTIVE, Status.SHUTOFF})},
        "the reference names SHUTOFF and no accepted pair of states has it",
    ),
    "impossible status for its task": (
        ActionName.PAUSE,
        {"statuses": frozenset({Status.REBOOT})},
        "the reference names REBOOT and no accepted pair of states has it",
    ),
    "normal is an error": (
        ActionName.PAUSE,
        {"normal": 409},
        "normal must be a 2xx code and errors 4xx or 5xx ones",
    ),
    "an error is normal": (
        ActionName.PAUSE,
        {"errors": frozenset({202, 404})},
        "normal must be a 2xx code and errors 4xx or 5xx ones",
    ),
    "an error is no code": (
        ActionName.PAUSE,
        {"errors": frozenset({600})},
        "normal must be a 2xx code and errors 4xx or 5xx ones",
    ),
    "gone before it came": (
        ActionName.PAUSE,
        {"since": "2.10", "until": "2.9"},
        "until 2.9 is not after since 2.10",
    ),
    "never there": (
        ActionName.PAUSE,
        {"since": "2.10", "until": "2.10"},
        "until 2.10 is not after since 2.10",
    ),
    "no success": (
        ActionName.PAUSE,
        {"success": (), "writes": (), "failures": ()},
        "there is no success",
    ),
    "outcomes overlap": (
        ActionName.PAUSE,
        {"failures": (*PAUSE.failures, *PAUSE.failures)},
        "two outcomes overlap",
    ),
    "failure out of the blue": (
        ActionName.PAUSE,
        {"failures": (Outcome("lost", VmState.ERROR, (TaskState.REBUILDING,)),)},
        "failure lost strikes at a task_state that the action never has",
    ),
    "task written and never passed": (
        ActionName.PAUSE,
        {"writes": (Write({"task_state": TaskState.SUSPENDING}),)},
        "it writes suspending, and no success passes through that",
    ),
    "no reference": (
        ActionName.PAUSE,
        {"sources": replace(PAUSE.sources, reference="")},
        "a source is missing",
    ),
    "no controller": (
        ActionName.PAUSE,
        {"sources": replace(PAUSE.sources, controller="")},
        "a source is missing",
    ),
    "no guard's source": (
        ActionName.PAUSE,
        {"sources": replace(PAUSE.sources, guard="")},
        "a source is missing",
    ),
    "no policy's source": (
        ActionName.PAUSE,
        {"sources": replace(PAUSE.sources, policy="")},
        "a source is missing",
    ),
    "no run's source": (
        ActionName.PAUSE,
        {"sources": replace(PAUSE.sources, run="")},
        "it takes time and the source of its outcomes is missing",
    ),
}


WRONG |= {
    f"a word of {column} that is none": (
        ActionName.PAUSE,
        {column: words},
        f"{column} has {words_shown}, which is no {kind}",
    )
    for column, words, words_shown, kind in (
        ("statuses", frozenset({"ACTIV"}), "'ACTIV'", "Status"),
        ("vm_states", frozenset({"active"}), "'active'", "VmState"),
        ("task_states", frozenset({None, "pausin"}), "'pausin'", "TaskState"),
        ("guards", (*PAUSE.guards, "loc"), "'loc'", "Guard"),
    )
}
WRONG["an end that is none"] = (
    ActionName.PAUSE,
    {"success": (Outcome("done", "paused", (TaskState.PAUSING,)),)},
    "done ends in 'paused', which is no VmState and no End",
)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_row_is_named_with_what_is_wrong(case: str) -> None:
    name, changes, problem = WRONG[case]
    with pytest.raises(TableError, match=f"^{re.escape(f'{name}: {problem}')}$"):
        build(broken(name, **changes))


def test_two_rows_for_one_request() -> None:
    with pytest.raises(TableError, match=r"^pause: two rows for one request$"):
        build((*ACTIONS, PAUSE))


def test_rows_that_are_missing() -> None:
    left = [row for row in ACTIONS if row.name not in (ActionName.PAUSE, ActionName.STOP)]
    with pytest.raises(TableError, match=r"^no row for pause, os-stop$"):
        build(left)


def test_a_vm_state_that_nothing_reaches() -> None:
    rows = [
        replace(row, success=KEEPS, writes=()) if row.name.key == "rescue" else row
        for row in ACTIONS
    ]
    # `rescue` fails at a task that it then never has.
    rows = [replace(row, failures=()) if row.name.key == "rescue" else row for row in rows]
    with pytest.raises(TableError, match=r"^vm_state rescued is unreachable: no row leads there$"):
        build(rows)


def test_a_vm_state_that_nothing_leaves() -> None:
    def stay(row: Action) -> Action:
        if row.name is ActionName.DELETE:
            end = Outcome("done", VmState.SOFT_DELETED, (TaskState.SOFT_DELETING,))
            return replace(row, success=(end,), failures=(), writes=())
        if row.name.key in ("forceDelete", "restore", "os-resetState"):
            return replace(row, success=KEEPS, failures=(), writes=())
        return row

    with pytest.raises(TableError, match=r"^vm_state soft-delete is a trap: no row leads out"):
        build([stay(row) for row in ACTIONS])


# --- wrong deviations


def deviation(**changes: Any) -> Deviation:
    return replace(
        Deviation(
            name="test",
            action=ActionName.PAUSE,
            column="normal",
            reference=202,
            nova=200,
            documented="A.",
            observed="B.",
            evidence="C.",
        ),
        **changes,
    )


def test_a_deviation_changes_one_column_of_one_row() -> None:
    table = build(ACTIONS, [deviation()])
    assert table[ActionName.PAUSE].normal == 200
    for row in ACTIONS:
        if row.name is not ActionName.PAUSE:
            assert table[row.name] is row
    for column in Action.__dataclass_fields__:
        if column != "normal":
            assert getattr(table[ActionName.PAUSE], column) == getattr(PAUSE, column)


def test_a_deviation_of_one_guard_s_answer() -> None:
    locked = API_REFERENCE.answer(PAUSE, Guard.LOCK)
    other = Answer(500, "Unexpected API Error.")
    table = build(ACTIONS, [deviation(column="answers.lock", reference=locked, nova=other)])
    assert table[ActionName.PAUSE].answers[Guard.LOCK] == other
    assert API_REFERENCE.answer(table[ActionName.PAUSE], Guard.LOCK) == other
    assert API_REFERENCE.answer(PAUSE, Guard.LOCK) == locked
    again = deviation(column="answers.lock", reference=other, nova=locked)
    assert build(ACTIONS, [
        deviation(column="answers.lock", reference=locked, nova=other), again
    ])[ActionName.PAUSE].answers[Guard.LOCK] == locked  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"nova": 202}, "both sides are the same"),
        ({"column": "normality"}, "there is no column normality"),
        ({"reference": 204}, "the table has 202, not the reference's value"),
        (
            {"column": "answers.lock", "reference": Answer(409, "no"), "nova": Answer(500, "no")},
            "the table has Answer(code=409",
        ),
    ],
)
def test_a_wrong_deviation(changes: dict[str, Any], problem: str) -> None:
    expected = re.escape(f"pause: deviation test: {problem}")
    with pytest.raises(TableError, match=f"^{expected}"):
        build(ACTIONS, [deviation(**changes)])


def test_a_deviation_that_makes_its_row_wrong() -> None:
    with pytest.raises(TableError, match=r"^pause: normal must be a 2xx code"):
        build(ACTIONS, [deviation(nova=302)])


def test_a_deviation_of_a_guard_that_there_is_not() -> None:
    with pytest.raises(TableError):
        build(ACTIONS, [deviation(column="answers.lok")])


# --- the two books


@pytest.mark.parametrize("book", RULEBOOKS.values(), ids=str)
def test_a_rulebook_is_a_mapping_of_all_actions(book: Rulebook) -> None:
    assert len(book) == len(ActionName) == 50
    assert [row.name for row in book] == list(book.actions) == list(ActionName)
    for name in ActionName:
        assert book[name].name is name
    with pytest.raises(TypeError):
        book.actions[ActionName.PAUSE] = PAUSE
    assert repr(book) == f"<Rulebook {book.name}>"
    assert pickle.loads(pickle.dumps(book)) is book
    assert copy.copy(book) is copy.deepcopy(book) is book


def test_the_books_differ_in_the_deviations_and_nowhere_else() -> None:
    assert API_REFERENCE.deviations == ()
    assert NOVA_34.deviations == DEVIATIONS
    assert len({each.name for each in DEVIATIONS}) == len(DEVIATIONS)
    differing = set()
    for name in ActionName:
        for column in Action.__dataclass_fields__:
            if getattr(API_REFERENCE[name], column) != getattr(NOVA_34[name], column):
                differing.add((name, column))
    assert differing == {(each.action, each.column.partition(".")[0]) for each in DEVIATIONS}
    for each in DEVIATIONS:
        assert each.documented.endswith(".")
        assert each.observed.endswith(".")
        assert each.evidence


def test_books_are_found_by_name() -> None:
    assert rulebook("api-reference") is API_REFERENCE
    assert rulebook("nova-34") is NOVA_34
    with pytest.raises(UnknownRulebookError, match=r"'nova-35'; did you mean 'nova-34'\?"):
        rulebook("nova-35")
    for odd in (None, 34, [], API_REFERENCE, ""):
        with pytest.raises(UnknownRulebookError, match="valid: api-reference, nova-34"):
            rulebook(odd)


# --- the rows and Nova's own words


@pytest.mark.parametrize("name", [name for name in ActionName if name.variant is None], ids=str)
def test_versions_are_those_of_nova_s_controller(name: ActionName) -> None:
    row, nova = NOVA_34[name], NOVA["actions"][name.key]
    assert row.since == (nova["min"] or "2.1")
    after = None if nova["max"] is None else f"2.{int(nova['max'].partition('.')[2]) + 1}"
    assert row.until == after
    assert (row.removed is not None) is (nova["removed"] is not None)


@pytest.mark.parametrize("book", RULEBOOKS.values(), ids=str)
def test_policies_are_rules_of_nova(book: Rulebook) -> None:
    """Every rule is one that Nova names for this very request; a removed one has none left."""
    for row in book:
        for rule in (row.rule, row.late_rule):
            if rule and row.removed is None:
                assert rule in NOVA["policies"], row.name
                assert rule in NOVA["actions"][row.name.key]["policies"], row.name


def test_the_least_person_is_that_of_nova_s_default() -> None:
    """The check strings as Nova 34 writes them, for each of the three policies."""
    for row in NOVA_34:
        if row.removed is None:
            check_string = NOVA["policies"][row.rule]
            admin_only = check_string in ("rule:context_is_admin", "role:admin")
            manager = "manager" in check_string
            assert (row.policy is Policy.ADMIN) is admin_only, (row.name, check_string)
            assert (row.policy is Policy.ADMIN_OR_MANAGER) is manager, (row.name, check_string)


def test_options_and_conditions() -> None:
    """other-actions.md, "Timers": the operator's options, with their defaults."""
    assert {timer.option: timer.default for timer in TIMERS} == {
        "resize_confirm_window": 0,
        "shelved_offload_time": 0,
        "reclaim_instance_interval": 0,
        "instance_build_timeout": 0,
        "reboot_timeout": 0,
        "rescue_timeout": 0,
        "sync_power_state_interval": 600,
    }
    holds = API_REFERENCE.option_holds
    assert holds("shelved_offload_time == 0")
    assert not holds("shelved_offload_time > 0")
    assert not holds("shelved_offload_time < 0")
    assert not holds("reclaim_instance_interval > 0")
    assert holds("sync_power_state_interval > 599")
    assert not holds("sync_power_state_interval > 600")
    assert holds("sync_power_state_interval < 601")


def test_every_condition_of_the_table_names_an_option() -> None:
    conditions = {
        each.when.option
        for row in ACTIONS
        for each in (*row.writes, *row.success, *row.failures)
        if each.when.option is not None
    }
    assert len(conditions) >= 2
    for condition in conditions:
        assert API_REFERENCE.option_holds(condition) in (True, False)


# --- row methods


def test_a_row_accepts_pairs_of_states() -> None:
    """nova-34-rules.md: os-stop from active and error with no task; delete from anywhere."""
    accepted = [
        (vm_state, task_state)
        for vm_state in VmState
        for task_state in (None, *TaskState)
        if STOP.accepts(vm_state, task_state)
    ]
    assert accepted == [(VmState.ACTIVE, None), (VmState.ERROR, None)]
    delete = ROWS[ActionName.DELETE]
    assert all(delete.accepts(vm, task) for vm in VmState for task in (None, *TaskState))


def test_the_tasks_of_a_run() -> None:
    """nova-34-trajectories.md: reboot:SOFT of ACTIVE, and rebuild of SHUTOFF."""
    assert ROWS[ActionName.REBOOT_SOFT].during == ("rebooting", "reboot_pending", "reboot_started")
    assert ROWS[ActionName.LOCK].during == ()
    assert ROWS[ActionName.REBUILD].during == (
        "rebuilding",
        "rebuild_block_device_mapping",
        "rebuild_spawning",
        "powering-off",
    )


def test_where_a_task_may_leave_the_server() -> None:
    """By the trajectories, and the failures that servers-actions.txt names for a rebuild."""
    after = API_REFERENCE.after
    assert after(VmState.PAUSED, TaskState.UNPAUSING) >= {VmState.ACTIVE}
    assert VmState.STOPPED in after(VmState.ACTIVE, TaskState.POWERING_OFF)
    assert after(VmState.STOPPED, TaskState.REBUILDING) >= {VmState.STOPPED, VmState.ERROR}
    assert after(VmState.RESIZED, TaskState.RESIZE_REVERTING) >= {VmState.ACTIVE, VmState.STOPPED}
    assert VmState.DELETED not in after(VmState.ACTIVE, TaskState.DELETING)
    # Named by Nova, and never set by it.
    assert after(VmState.ACTIVE, TaskState.RESIZE_CONFIRMING) == {VmState.ACTIVE}


def test_conditions_are_values() -> None:
    assert When() == When()
    assert hash(When(host=False)) == hash(When(host=False))
    assert When(host=False) != When(host=None)


HOLD_TOGETHER: dict[str, Callable[[Action], bool]] = {
    "its guards are in Nova's order": lambda row: (
        row.guards[:2] == (Guard.AUTHENTICATED, Guard.OFFERED)
        and (Guard.LOCK not in row.guards or row.guards.index(Guard.LOCK) < _first_state(row))
    ),
    "a variant has the parameter that it is named by, or its value": lambda row: (
        row.name.variant is None
        or row.name.variant in {each.name for each in row.parameters}
        or any(row.name.variant in each.values for each in row.parameters)
    ),
    "its codes include those of its guards": lambda row: (
        {API_REFERENCE.answer(row, guard).code for guard in row.guards if guard in CODED}
        <= {*row.errors, *UNLISTED.get(row.name, ())}
    ),
}
CODED = {Guard.AUTHENTICATED, Guard.POLICY, Guard.LOCK, Guard.VM_STATE, Guard.TASK_STATE}
# The reference lists no 409 for them, and Nova answers it: the lists are the reference's.
UNLISTED = {
    ActionName.ADD_FLOATING_IP: (409,),
    ActionName.ADD_FIXED_IP: (409,),
    ActionName.REMOVE_FIXED_IP: (409,),
}


def _first_state(row: Action) -> int:
    states = (Guard.VM_STATE, Guard.TASK_STATE, Guard.LAUNCHED, Guard.HOST, Guard.BACKING)
    return min((row.guards.index(each) for each in states if each in row.guards), default=99)


@pytest.mark.parametrize("claim", HOLD_TOGETHER)
def test_every_row_holds_together(claim: str) -> None:
    assert [row.name.value for row in ACTIONS if not HOLD_TOGETHER[claim](row)] == []


def test_an_option_that_there_is_not() -> None:
    when = When(option="reclaim_interval > 0")
    rows = [
        replace(row, success=(replace(row.success[0], when=when),)) if row.name == "pause" else row
        for row in ACTIONS
    ]
    with pytest.raises(TableError, match="pause: 'reclaim_interval > 0' tests an option"):
        build(rows)
