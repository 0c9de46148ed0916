"""The two rulebooks differ in exactly the rows of `deviations.py`, and the manual names each.

Compared are the columns of every action's row, one by one; then what they come to: what `check`
answers (allowed, code, message, what it depends on, and what an accepted request writes), and what
`follow` makes of the request. The space is every action x vm_state x task_state x lock x actor x
host x launched x root disk x microversion, 386 million cells, and no server at all. Two of its axes
are gone through by one of each kind, which leaves some thirty thousand:

- pairs of vm_state and task_state, of which no column of the rows in question (the action's, and
  the plain action's where it is a variant, in both rulebooks) tells one from another;
- microversions between two boundaries that these rows name.

All others are gone through in full. What is left out answers as what stands for it: a test asks
thousands of cells of the whole space at random whether that is so.
"""

import random
import re
import sys
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Actor,
    Microversion,
    Server,
    Verdict,
    VmState,
)
from serverfsm.deviations import DEVIATIONS
from serverfsm.export import deviation_document, table_document
from serverfsm.requests import LATEST, Guard
from serverfsm.rows import Action, Deviation
from serverfsm.table import ANSWERS

sys.path.insert(0, str(Path(__file__).parent / "nova"))
from situations import (
    CONDITIONS,
    FOLLOWED,
    TASKS,
    Cell,
    Names,
    answer,
    book,
    book_without,
    cells,
    server,
    shown_by,
    smallest,
    stand_in,
)

MANUAL = Path(__file__).parents[1] / "docs" / "nova.md"

#: Which guard reads a column; a column that is not here is read by none. `answers.x` is read by x.
READ_BY = {
    "vm_states": Guard.VM_STATE,
    "volume_backed_vm_states": Guard.VM_STATE,
    "late_vm_states": Guard.LATE_VM_STATE,
    "task_states": Guard.TASK_STATE,
    "any_task_in": Guard.TASK_STATE,
    "lock": Guard.LOCK,
    "policy": Guard.POLICY,
    "rule": Guard.POLICY,
    "late_policy": Guard.LATE_POLICY,
    "late_rule": Guard.LATE_POLICY,
    "since": Guard.OFFERED,
    "until": Guard.OFFERED,
    "removed": Guard.REMOVED,
    "backing": Guard.BACKING,
}
#: What shows in the verdict on an accepted request.
ACCEPTED = {"normal", "writes"}


# --- column by column


def columns(row: Action) -> dict[str, Any]:
    """Every column of a row with its value; the answer of each guard is a column of its own."""
    found = {name: getattr(row, name) for name in Action.__dataclass_fields__}
    answers = found.pop("answers")
    found |= {f"answers.{guard}": answers.get(guard, ANSWERS.get(guard)) for guard in Guard}
    return found


@pytest.mark.parametrize("action", ActionName, ids=str)
def test_every_column_that_differs_is_exactly_one_row(action: ActionName) -> None:
    """Whether or not anybody can see it differ."""
    ours, its = columns(API_REFERENCE[action]), columns(NOVA_34[action])
    differing = {name: (ours[name], its[name]) for name in ours if ours[name] != its[name]}
    rows = [each for each in DEVIATIONS if each.action is action]
    assert {each.column: (each.reference, each.nova) for each in rows} == differing
    assert len(rows) == len(differing)


# --- what is left out of the space


def any_cell(chance: random.Random) -> Cell:
    """A cell of the whole space."""
    pair = (chance.choice(tuple(VmState)), chance.choice(TASKS))
    return Cell(
        chance.choice(tuple(ActionName)),
        chance.choice(tuple(Actor)),
        Microversion(f"2.{chance.randint(1, LATEST.minor)}"),
        server(pair, *chance.choice(CONDITIONS)),
    )


def generic(verdict: Verdict) -> tuple[Any, ...]:
    """The answer without the value that the deciding guard found."""
    allowed, code, message, *rest = answer(verdict)
    text = None if message is None else message.replace(str(verdict.have), "...")
    return allowed, code, text, *rest


def test_a_cell_answers_as_the_one_that_stands_for_it() -> None:
    """But for the state that the message names."""
    chance = random.Random("deviations")
    for _ in range(5_000):
        cell = any_cell(chance)
        other = stand_in(cell)
        for rulebook in (API_REFERENCE, NOVA_34):
            mine, its = cell.ask(rulebook), other.ask(rulebook)
            assert [each.guard for each in mine.failures] == [each.guard for each in its.failures]
            assert generic(mine) == generic(its), (cell, other)


# --- every difference has its rows


@cache
def of_action(action: ActionName) -> tuple[Deviation, ...]:
    return tuple(each for each in DEVIATIONS if each.action is action)


@cache
def differences(action: ActionName) -> dict[Cell, tuple[Verdict, Verdict]]:
    """The cells in which the reference and Nova answer otherwise, with both answers."""
    asked = ((cell, cell.ask(API_REFERENCE), cell.ask(NOVA_34)) for cell in cells(action))
    return {cell: (ours, its) for cell, ours, its in asked if answer(ours) != answer(its)}


def explanations(cell: Cell, nova: Verdict) -> list[Names]:
    """The smallest sets of deviations with which the reference answers as Nova does."""
    possible = [each.name for each in of_action(nova.action)]
    for size in range(len(possible) + 1):
        found = [
            frozenset(chosen)
            for chosen in combinations(possible, size)
            if answer(cell.ask(book(frozenset(chosen)))) == answer(nova)
        ]
        if found:
            return found
    return []


def is_read_by_a_guard(deviation: Deviation) -> bool:
    column = deviation.column.partition(".")[0]
    return column in READ_BY or column in ACCEPTED or column in ("answers", "guards")


def governs(deviation: Deviation, verdicts: tuple[Verdict, Verdict]) -> bool:
    """Whether its column is one that decides between these verdicts."""
    column, _, part = deviation.column.partition(".")
    failing = {refusal.guard for verdict in verdicts for refusal in verdict.failures}
    if column in ACCEPTED:
        return all(verdicts)
    if column == "guards":
        sides = (deviation.reference, deviation.nova)
        ours, its = (set(side) if isinstance(side, tuple) else set() for side in sides)
        return bool(failing & (ours ^ its))
    return (Guard(part) if column == "answers" else READ_BY.get(column)) in failing


@pytest.mark.parametrize("action", ActionName, ids=str)
def test_every_difference_is_explained_by_the_rows_that_govern_it(action: ActionName) -> None:
    by_name = {each.name: each for each in DEVIATIONS}
    for cell, verdicts in differences(action).items():
        assert verdicts[0].action is verdicts[1].action
        explained = explanations(cell, verdicts[1])
        assert len(explained) == 1, (cell, explained)
        for name in explained[0]:
            assert governs(by_name[name], verdicts), (cell, name)


def test_only_actions_with_a_row_differ() -> None:
    """A variant may differ by the plain action's rows, where its parameter is ignored."""
    decided = {
        verdict.action
        for action in ActionName
        for verdicts in differences(action).values()
        for verdict in verdicts
    }
    assert decided == {each.action for each in DEVIATIONS if is_read_by_a_guard(each)}
    for action in ActionName:
        if not of_action(action):
            assert NOVA_34[action] is API_REFERENCE[action]


# --- every row makes a difference


def exported(rulebook: Any, action: ActionName) -> Any:
    """The action's row in the exported table."""
    (row,) = (
        row
        for row in table_document(rulebook)["actions"]
        if (row["action"], row["variant"]) == (action.key, action.variant)
    )
    return row


def ends_apart(action: ActionName, rulebook: Any) -> set[Cell]:
    """The cells in which a request comes to another end by this rulebook than by the reference."""
    return {
        cell
        for cell in cells(action)
        if cell.follow(rulebook)[-1].server != cell.follow(API_REFERENCE)[-1].server
    }


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda each: each.name)
def test_without_a_row_the_difference_shrinks(deviation: Deviation) -> None:
    """In the answers, or in what follows; else it is the exported table that shows it."""
    without = book_without(deviation)
    assert (deviation.column in FOLLOWED) <= (not is_read_by_a_guard(deviation))
    there = set(differences(deviation.action))
    left = {
        cell
        for cell in cells(deviation.action)
        if answer(cell.ask(without)) != answer(cell.ask(API_REFERENCE))
    }
    if is_read_by_a_guard(deviation):
        assert left < there
        return
    assert left == there
    if deviation.column in FOLLOWED:
        assert ends_apart(deviation.action, without) < ends_apart(deviation.action, NOVA_34)
    else:
        assert exported(without, deviation.action) != exported(NOVA_34, deviation.action)


def test_every_row_is_exported() -> None:
    documents = table_document(NOVA_34)["deviations"]
    assert documents == [deviation_document(each) for each in DEVIATIONS]
    assert all(document["reference"] != document["nova"] for document in documents)


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda each: each.name)
def test_every_row_has_a_smallest_request_that_shows_it(deviation: Deviation) -> None:
    """These are what `nova/deviation.py` sends to the real Nova."""
    found = smallest(deviation)
    assert found
    for cell in found:
        assert cell.action is deviation.action
        if is_read_by_a_guard(deviation) or deviation.column in FOLLOWED:
            shown = shown_by(deviation.column)
            assert shown(cell, API_REFERENCE) != shown(cell, NOVA_34)
            assert shown(cell, book_without(deviation)) != shown(cell, NOVA_34)


def test_a_server_that_was_in_error_is_evacuated_into_another_state() -> None:
    """What the row about it says, seen from outside."""
    for version, error in (("2.94", VmState.ACTIVE), ("2.95", VmState.STOPPED)):
        for state, end in (("error", error), ("active", error), ("stopped", VmState.STOPPED)):
            cell = Cell(
                ActionName.EVACUATE, Actor.ADMIN, Microversion(version), Server(VmState(state))
            )
            documented, real = (cell.follow(each)[-1].server for each in (API_REFERENCE, NOVA_34))
            assert documented is not None
            assert real is not None
            assert documented.vm_state is end
            assert real.vm_state is (VmState.ACTIVE if state == "error" else end)


# --- the manual


def test_the_manual_has_every_deviation_once_and_no_other() -> None:
    text = MANUAL.read_text("utf-8")
    known = sorted(each.name for each in DEVIATIONS)
    entries = re.findall(r"^Rows: (.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert sorted(name for entry in entries for name in re.findall(r"`([^`]+)`", entry)) == known
    commands = re.findall(r"tests/nova/deviation\.py ([^\s`-][^\s`]*)", text)
    assert {name for name in commands if name != "NAME"} <= set(known)
    assert len(commands) >= len(entries) > 0


def test_the_manual_s_own_links_lead_somewhere() -> None:
    text = MANUAL.read_text("utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    targets = re.findall(r"\]\(#([^)]+)\)", text)
    assert len(targets) >= 10
    assert set(targets) <= anchors
