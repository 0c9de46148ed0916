"""`verify` finds no fault in the two rulebooks, and each that is put in, by its row's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Options,
    Policy,
    Rulebook,
    Status,
    lifecycle,
    states,
    table,
    unprompted,
)
from serverfsm import TaskState as T
from serverfsm import VmState as V
from serverfsm.requests import Guard
from serverfsm.rows import (
    ALWAYS,
    Action,
    Answer,
    Deviation,
    End,
    Lock,
    Outcome,
    Parameter,
    Sources,
    When,
    Write,
)
from serverfsm.states import ComputeDriver
from serverfsm.verification import CHECKS, verify

BOOKS = (API_REFERENCE, NOVA_34)
A = ActionName
ROWS = API_REFERENCE.actions


def book_of(changed: dict[ActionName, Action]) -> Rulebook:
    """The reference's rulebook with other rows, past the checks of the builder."""
    book = Rulebook("broken", "a table with a fault", deviates=False)
    book.actions = {**ROWS, **changed}  # type: ignore[misc]
    return book


def broken(*names: ActionName, **changes: Any) -> Rulebook:
    return book_of({name: replace(ROWS[name], **changes) for name in names})


def faults(name: str, book: Rulebook) -> tuple[str, ...]:
    """What one check finds."""
    check = next(function for each, _, function in CHECKS if each == name)
    return tuple(dict.fromkeys(case.fault for case in check(book) if case.fault is not None))


# --- the real table


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize("driver", ComputeDriver, ids=lambda driver: driver.name)
def test_there_is_no_fault(book: Rulebook, driver: ComputeDriver) -> None:
    report = verify(book, Options(compute_driver=driver))
    assert report.faults == ()
    assert report
    assert all(report.checks)
    assert report.rulebook == book.name


def test_it_goes_through_every_case() -> None:
    checks = {check.name: check for check in verify(NOVA_34).checks}
    assert list(checks) == [name for name, _, _ in CHECKS]
    assert checks["pairs"].cases == sum(dict(checks["pairs"].kinds).values()) == 12 * 43
    assert dict(checks["pairs"].kinds)["never reached: its task is declared unused"] == 12
    assert checks["locks"].cases > 20_000
    assert checks["deviations"].cases == len(NOVA_34.deviations)
    assert checks["deviations"].kinds
    empty = [check.name for check in verify(API_REFERENCE).checks if check.cases == 0]
    assert empty == ["deviations"]
    ignoring = [kind for kind, _ in checks["locks"].kinds if kind.startswith("actions that ignore")]
    assert len(ignoring) == 2


def test_a_report_as_json() -> None:
    report = verify(broken(A.DELETE, destructive=False))
    assert not report
    document = json.loads(json.dumps(report.to_dict()))
    assert document["sound"] is False
    assert document["rulebook"] == "broken"
    assert document["cases"] == report.cases == sum(each["cases"] for each in document["checks"])
    declared = next(each for each in document["checks"] if each["name"] == "declared")
    assert declared["faults"] == ["delete: gives the server up and is not declared destructive"]
    assert set(declared) == {"name", "sentence", "cases", "kinds", "faults"}
    assert json.loads(json.dumps(verify().to_dict()))["sound"] is True


# --- faults that are put in

PAUSE, REBUILD, EVACUATE, STOP = (ROWS[name] for name in (A.PAUSE, A.REBUILD, A.EVACUATE, A.STOP))
PAUSING_FAILS = Outcome("driver-error", V.ERROR, (T.PAUSING,), When(host=True))


def without(row: Action, *guards: Guard) -> tuple[Guard, ...]:
    return tuple(guard for guard in row.guards if guard not in guards)


def swapped(row: Action, one: Guard, other: Guard) -> tuple[Guard, ...]:
    places = {one: other, other: one}
    return tuple(places.get(guard, guard) for guard in row.guards)


SEEDED: dict[str, tuple[str, str, Callable[[], Rulebook]]] = {
    # what is wrong: the check that finds it, what it says, and the table
    "a resize that nobody can confirm or revert": (
        "traps",
        "resized (",
        lambda: broken(A.CONFIRM_RESIZE, A.REVERT_RESIZE, vm_states=frozenset({V.ACTIVE})),
    ),
    "a task that never ends": (
        "endings",
        "active+pausing (after pause): never ends, and no row leaves it so",
        lambda: broken(A.PAUSE, success=(Outcome("done", V.PAUSED),), failures=()),
    ),
    "a task that is left behind for ever": (
        "endings",
        "error+unshelving (after unshelve.image-deleted, ",
        lambda: broken(
            A.DELETE, A.FORCE_DELETE, A.EVACUATE, A.RESET_STATE_ACTIVE, A.RESET_STATE_ERROR,
            task_states=frozenset({None}),
        ),
    ),
    "a state on the way that nothing reaches": (
        "pairs",
        "pause: passes active+pausing, which nothing reaches",
        lambda: broken(A.PAUSE, writes=()),
    ),
    "a row that is never allowed": (
        "alive",
        "pause: nobody is ever allowed it",
        lambda: broken(A.PAUSE, vm_states=frozenset()),
    ),
    "a row that only no version offers": (
        "alive",
        "pause: nobody is ever allowed it",
        lambda: broken(A.PAUSE, since="2.50", until="2.50"),
    ),
    "a write that another always comes before": (
        "alive",
        "delete: write 2 of ",
        lambda: broken(A.DELETE, writes=ROWS[A.DELETE].writes[::-1]),
    ),
    "a success that another always comes before": (
        "alive",
        "evacuate: success 2 of 3 never comes about",
        lambda: broken(A.EVACUATE, success=EVACUATE.success[::-1]),
    ),
    "a failure that another always comes before": (
        "alive",
        "pause: failure driver-error never comes about",
        lambda: broken(A.PAUSE, failures=(*PAUSE.failures, PAUSING_FAILS)),
    ),
    "a failure where the action never is": (
        "alive",
        "pause: failure too-late never comes about",
        lambda: broken(
            A.PAUSE, failures=(Outcome("too-late", V.ERROR, (T.UNPAUSING,)),)
        ),
    ),
    "a failure from where the action does not begin": (
        "alive",
        "pause: failure in-error never comes about",
        lambda: broken(A.PAUSE, failures=(
            Outcome("in-error", V.ERROR, (T.PAUSING,), When(vm_states=frozenset({V.ERROR}))),)),
    ),
    "an answer for what is not tested": (
        "alive",
        "os-stop: answers for backing, which it does not test",
        lambda: broken(A.STOP, answers={Guard.BACKING: Answer(400, "no")}),
    ),
    "a status in which the task does not matter, and which is never accepted": (
        "alive",
        "os-stop: any_task_in has PAUSED, with which it is never accepted",
        lambda: broken(A.STOP, any_task_in=frozenset({Status.PAUSED})),
    ),
    "a row that is missing": (
        "alive",
        "pause: there is no row",
        lambda: _without(A.PAUSE),
    ),
    "a row under another's name": (
        "alive",
        "suspend: its row stands under pause",
        lambda: book_of({A.PAUSE: ROWS[A.SUSPEND]}),
    ),
    "a first task that is not written": (
        "ways",
        "os-start: acceptance writes task_state powering-off",
        lambda: broken(A.START, writes=(Write({"task_state": T.POWERING_OFF}),)),
    ),
    "a state that is written and not meant": (
        "ways",
        "os-resetState:error: acceptance writes vm_state paused",
        lambda: broken(
            A.RESET_STATE_ERROR, writes=(Write({"vm_state": V.PAUSED, "task_state": None}),)
        ),
    ),
    "a success that acceptance does not bring about": (
        "ways",
        "lock: neither acceptance nor anything later leads to paused",
        lambda: broken(A.LOCK, success=(Outcome("done", V.PAUSED),)),
    ),
    "conditions that leave a gap": (
        "ways",
        "rebuild: no success fits what is accepted",
        lambda: broken(A.REBUILD, success=REBUILD.success[:1]),
    ),
    "a success that leaves its task behind": (
        "ways",
        "pause: its success leaves pausing behind",
        lambda: broken(A.PAUSE, success=(replace(PAUSE.success[0], left=T.PAUSING),)),
    ),
    "a step that comes twice": (
        "ways",
        "pause: done passes the same step twice",
        lambda: broken(A.PAUSE, success=(Outcome("done", V.PAUSED, (T.PAUSING, T.PAUSING)),)),
    ),
    "two rows for one request": (
        "requests",
        "reboot:SOFT: from 2.1 on, reboot:HARD stands for the same request",
        lambda: broken(
            A.REBOOT_SOFT, parameters=(Parameter("type", required=True, values=("SOFT", "HARD")),)
        ),
    ),
    "a variant that nothing makes": (
        "requests",
        "unshelve:host: no parameter of its makes the variant",
        lambda: broken(A.UNSHELVE_TO_HOST, parameters=()),
    ),
    "a policy that is tested after the lock": (
        "guards",
        "pause: tests lock before policy",
        lambda: broken(A.PAUSE, guards=swapped(PAUSE, Guard.LOCK, Guard.POLICY)),
    ),
    "a task that is tested before the state": (
        "guards",
        "pause: tests task_state before vm_state",
        lambda: broken(A.PAUSE, guards=swapped(PAUSE, Guard.TASK_STATE, Guard.VM_STATE)),
    ),
    "a server that everybody may see": (
        "guards",
        "pause: does not test found",
        lambda: broken(A.PAUSE, guards=without(PAUSE, Guard.FOUND)),
    ),
    "a lock that nobody tests": (
        "locks",
        "pause: a member gets past the lock of owner",
        lambda: broken(A.PAUSE, guards=without(PAUSE, Guard.LOCK)),
    ),
    "a lock that is ignored": (
        "locks",
        "pause: ignores locks and changes the vm_state",
        lambda: broken(A.PAUSE, lock=Lock.IGNORED, guards=without(PAUSE, Guard.LOCK)),
    ),
    "an administrator's lock that anybody takes away": (
        "locks",
        "unlock: a member takes an administrator's lock away",
        lambda: broken(A.UNLOCK, guards=without(ROWS[A.UNLOCK], Guard.LOCK_OWNER)),
    ),
    "a deletion that is not declared to destroy": (
        "declared",
        "forceDelete: gives the server up and is not declared destructive",
        lambda: broken(A.FORCE_DELETE, destructive=False),
    ),
    "a change of the record that leaves the task": (
        "declared",
        "os-resetState:active: changes only the record, and does not set both states at once",
        lambda: broken(A.RESET_STATE_ACTIVE, writes=(Write({"vm_state": V.ACTIVE}),)),
    ),
    "a status that is not named": (
        "projection",
        "os-stop: statuses: ERROR is accepted and not named",
        lambda: broken(A.STOP, statuses=frozenset({Status.ACTIVE})),
    ),
    "a status that is not accepted": (
        "projection",
        "os-stop: statuses: PAUSED is named and not accepted",
        lambda: broken(
            A.STOP, statuses=frozenset({Status.ACTIVE, Status.ERROR, Status.PAUSED})
        ),
    ),
}  # fmt: skip


def _without(name: ActionName) -> Rulebook:
    book = book_of({})
    book.actions = {key: row for key, row in ROWS.items() if key is not name}  # type: ignore[misc]
    return book


@pytest.mark.parametrize("what", SEEDED)
def test_a_fault_is_found(what: str) -> None:
    check, fault, made = SEEDED[what]
    found = faults(check, made())
    assert [each for each in found if each.startswith(fault)], found


def test_many_faults_are_tried_and_every_check_is() -> None:
    assert len(SEEDED) >= 15
    elsewhere = {"timers", "reactions", "deviations"}
    assert {check for check, _, _ in SEEDED.values()} == {name for name, _, _ in CHECKS} - elsewhere


# --- faults outside the rows of actions


def timed(monkeypatch: pytest.MonkeyPatch, option: str, changes: dict[str, Any]) -> None:
    present = unprompted.TIMERS
    timers = tuple(replace(each, **changes) if each.option == option else each for each in present)
    for module in (unprompted, lifecycle):
        monkeypatch.setattr(module, "TIMERS", timers)


@pytest.mark.parametrize(
    ("option", "changes", "fault"),
    [
        ("rescue_timeout", {"vm_states": frozenset()}, "no server is ever in a state"),
        (
            "rescue_timeout",
            {"vm_states": frozenset({V.ACTIVE})},
            "sets unrescue going in active, refused there",
        ),
        ("rescue_timeout", {"default": 7}, "its default is 7, and the option's 0"),
        ("rescue_timeout", {"option": "rescue_time"}, "there is no such option"),
        ("rescue_timeout", {"poll_option": "poll"}, "there is no option poll"),
        ("sync_power_state_interval", {"reaction": "sync"}, "there is no reaction sync"),
    ],
)
def test_a_wrong_timer_is_found(
    option: str, changes: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, option, changes)
    found = faults("timers", book_of({}))
    assert [each for each in found if fault in each and each.startswith(option[:6])], found


def test_a_task_that_is_wrongly_declared_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unprompted, "UNUSED_TASKS", {T.RESIZE_CONFIRMING: "so", T.PAUSING: "no"})
    assert faults("pairs", book_of({})) == ("pause: sets pausing, which is declared unused",)
    monkeypatch.setattr(unprompted, "UNUSED_TASKS", {})
    assert faults("pairs", book_of({})) == (
        "task_state resize_confirming: no row sets it, and it is not declared unused",
    )


def test_a_wrong_projection_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verify()  # the pairs of each status are remembered
    status, by_task = states.STATUS_OF[V.PAUSED]
    changed = (status, {**by_task, T.UNPAUSING: Status.ACTIVE})
    monkeypatch.setitem(states.STATUS_OF, V.PAUSED, changed)
    found = faults("projection", book_of({}))
    assert found[0].startswith("status ACTIVE: stands for 28 pairs, and 29 have it")


def test_a_wrong_reaction_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    first = unprompted.REACTIONS[0]
    rows = tuple(row for row in unprompted.REACTIONS if row.name == first.name)
    monkeypatch.setattr(unprompted, "REACTIONS", rows[::-1])
    found = faults("reactions", book_of({}))
    assert f"{first.name}: {first.does}: never done, other rows come before" in found
    monkeypatch.setattr(unprompted, "REACTIONS", rows[:1])
    found = faults("reactions", book_of({}))
    assert any("no row is about active+pausing with the guest RUNNING" in each for each in found)
    monkeypatch.setattr(unprompted, "REACTIONS", (replace(first, left=T.POWERING_ON), *rows[1:]))
    found = faults("reactions", book_of({}))
    assert any("leaves active+powering-on, where no os-stop is" in each for each in found)


DEVIATION = NOVA_34.deviations[0]


@pytest.mark.parametrize(
    ("deviation", "fault"),
    [
        (replace(DEVIATION, nova=DEVIATION.reference), "both sides are the same"),
        (replace(DEVIATION, reference=frozenset()), "the reference's rows have another vm_states"),
        (replace(DEVIATION, nova=frozenset()), "the rows have another vm_states"),
        (
            Deviation(
                name="unread", action=A.STOP, column="destructive",
                reference=False, nova=True,
                documented="", observed="", evidence="",
            ),
            "destructive shows nowhere",
        ),
        (
            Deviation(
                name="unseen", action=A.LOCK, column="answers.lock",
                reference=table.ANSWERS[Guard.LOCK], nova=Answer(500, "crash"),
                documented="", observed="", evidence="",
            ),
            "no answer differs for it",
        ),
        (
            Deviation(
                name="idle", action=A.LOCK, column="late_policy",
                reference=None, nova=Policy.ADMIN,
                documented="", observed="", evidence="",
            ),
            "no answer differs for it",
        ),
    ],
)  # fmt: skip
def test_a_deviation_that_is_none_is_found(deviation: Deviation, fault: str) -> None:
    row = NOVA_34[deviation.action]
    changes: dict[str, Any] = {deviation.column: deviation.nova}
    if deviation.column == "answers.lock":
        changes = {"answers": {Guard.LOCK: deviation.nova}}
    if deviation.name in ("unread", "unseen", "idle"):
        row = replace(row, **changes)
    book = Rulebook("broken", "a table with a fault", deviates=True)
    book.actions = {**NOVA_34.actions, row.name: row}  # type: ignore[misc]
    book.deviations = (deviation,)  # type: ignore[misc]
    found = faults("deviations", book)
    assert found == (f"{deviation.action}: deviation {deviation.name}: {fault}",)


def test_what_is_a_row_of_one_s_own_is_verified_too() -> None:
    """A rulebook of other rows may be sound."""
    longer = replace(
        PAUSE, success=(Outcome("done", V.PAUSED, (T.PAUSING,), ALWAYS),),
        failures=(Outcome("driver-error", End.ORIGIN, (T.PAUSING,)),),
        sources=Sources("mine", "mine", "mine", "mine", "mine"),
    )  # fmt: skip
    assert verify(book_of({A.PAUSE: longer}))
