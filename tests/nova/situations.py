"""The requests that the library tells apart, and the smallest in which a deviation shows.

No Nova here: `deviation.py` sends them to a real one, `tests/test_deviations.py` asks the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, cached_property
from itertools import product
from typing import Any, NamedTuple

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Actor,
    LockedBy,
    Microversion,
    Rulebook,
    Server,
    Step,
    TaskState,
    Verdict,
    VmState,
    check,
    follow,
)
from serverfsm.deviations import DEVIATIONS
from serverfsm.requests import FIRST, LATEST
from serverfsm.rows import Action, Deviation, When
from serverfsm.states import status_of

Pair = tuple[VmState, TaskState | None]
Names = frozenset[str]

LOCKS = (None, *LockedBy)
YES_OR_NO = (True, False)
#: lock, launched, host, volume_backed.
CONDITIONS = tuple(product(LOCKS, YES_OR_NO, YES_OR_NO, YES_OR_NO))
TASKS: tuple[TaskState | None, ...] = (None, *TaskState)
#: How much further to look, where a deviation shows, for a cell where it shows better.
FURTHER = 2
#: Columns of what follows the answer, and shows in no verdict.
FOLLOWED = frozenset({"success"})


class Book(Rulebook):
    """The reference with some of Nova's deviations."""

    def __init__(self, names: Names) -> None:
        super().__init__("test", "some deviations", deviates=True)
        self._names = names

    @cached_property
    def deviations(self) -> tuple[Deviation, ...]:
        """The deviations of these names."""
        return tuple(each for each in DEVIATIONS if each.name in self._names)


@cache
def book(names: Names) -> Book:
    """Return the rulebook with these deviations and no others."""
    return Book(names)


def book_without(deviation: Deviation) -> Book:
    """Return Nova's rulebook without this deviation."""
    return book(frozenset({each.name for each in DEVIATIONS} - {deviation.name}))


class Cell(NamedTuple):
    """One question: may this person do that to this server (None: there is none)?

    With a body, if it is the body that is in question; else the action's plain one is meant.
    """

    action: ActionName
    actor: Actor
    version: Microversion
    server: Server | None
    body: dict[str, Any] | None = None

    def ask(self, rulebook: Rulebook) -> Verdict:
        """Return the verdict of this rulebook."""
        asked = {"action": self.action} if self.body is None else {"body": self.body}
        return check(
            self.server, actor=self.actor, microversion=self.version, rulebook=rulebook, **asked
        )

    def follow(self, rulebook: Rulebook) -> tuple[Step, ...]:
        """Return every step from the request to its end by this rulebook."""
        return follow(
            self.server,
            self.action,
            actor=self.actor,
            microversion=self.version,
            rulebook=rulebook,
        )


def answer(verdict: Verdict) -> tuple[Any, ...]:
    """Return what two rulebooks are compared by."""
    written = verdict.guard and verdict.guard.set
    return verdict.allowed, verdict.code, verdict.message, verdict.depends_on, written


def course(cell: Cell, rulebook: Rulebook) -> tuple[Any, ...]:
    """Return what comes of the request by this rulebook, step by step."""
    return tuple((step.server, step.effects, step.passing) for step in cell.follow(rulebook))


def shown_by(column: str) -> Callable[[Cell, Rulebook], tuple[Any, ...]]:
    """Return what a deviation of this column shows in: what comes of a request, or its answer."""
    return course if column in FOLLOWED else lambda cell, rulebook: answer(cell.ask(rulebook))


# The space


@cache
def rows(action: ActionName) -> tuple[Action, ...]:
    """Return every row that may decide about this action, of both rulebooks."""
    plain = {each for each in ActionName if each.value == action.key}
    return tuple(
        rulebook[name]
        for rulebook in (API_REFERENCE, NOVA_34)
        for name in (action, *plain - {action})
    )


def whens(row: Action) -> tuple[When, ...]:
    """Return every condition of what the row writes and of how it succeeds."""
    return (*(write.when for write in row.writes), *(outcome.when for outcome in row.success))


def kind_of(action: ActionName, pair: Pair) -> tuple[bool, ...]:
    """Return all that the rows tell about a pair of states."""
    vm_state, task_state = pair
    status = status_of(vm_state, task_state)
    told: list[bool] = []
    for row in rows(action):
        told += (
            among is None or vm_state in among
            for among in (
                row.vm_states,
                row.volume_backed_vm_states,
                row.late_vm_states,
                *(when.vm_states for when in whens(row)),
            )
        )
        told += (row.task_states is None or task_state in row.task_states,)
        told += (status in row.any_task_in,)
    return tuple(told)


@cache
def pairs(action: ActionName) -> dict[tuple[bool, ...], Pair]:
    """Return one pair of each kind."""
    found: dict[tuple[bool, ...], Pair] = {}
    for pair in product(VmState, TASKS):
        found.setdefault(kind_of(action, pair), pair)
    return found


@cache
def versions(action: ActionName) -> tuple[Microversion, ...]:
    """Return the first microversion of each band: FIRST, and every one that a row names."""
    named: set[str | None] = {FIRST}
    for row in rows(action):
        named |= {row.since, row.until, row.ignored_before}
        if row.backing is not None:
            named |= {row.backing.until, row.backing.unless_since}
        for when in whens(row):
            named |= {when.since, when.until}
    return tuple(sorted({Microversion(text) for text in named if text is not None}))


def server(pair: Pair, lock: LockedBy | None, launched: bool, host: bool, volume: bool) -> Server:
    """Return a server in these states and conditions."""
    return Server(
        *pair,
        locked=lock is not None,
        locked_by=lock,
        launched=launched,
        host=host,
        volume_backed=volume,
    )


@cache
def servers(action: ActionName) -> tuple[Server | None, ...]:
    """Return one server of each kind, one whose record is gone, and none."""
    gone = Server(VmState.DELETED, deleted=True)
    made = (server(pair, *rest) for pair in pairs(action).values() for rest in CONDITIONS)
    return (None, gone, *made)


def cells(action: ActionName) -> Iterator[Cell]:
    """Yield one cell of each kind."""
    for version, actor, each in product(versions(action), Actor, servers(action)):
        yield Cell(action, actor, version, each)


def stand_in(cell: Cell) -> Cell:
    """Return the one of `cells` that stands for this one."""
    version = max(each for each in versions(cell.action) if each <= cell.version)
    asked = cell.server
    if asked is None or asked.vm_state is None:
        return cell._replace(version=version)
    pair = pairs(cell.action)[kind_of(cell.action, (asked.vm_state, asked.task_state))]
    rest = (asked.locked_by, asked.launched, bool(asked.host), asked.volume_backed)
    return cell._replace(version=version, server=server(pair, *rest))


# The smallest


def departures(cell: Cell) -> int:
    """Return by how much it differs from a member's request about an active server.

    What no cloud brings about by itself counts for more: no host where there always is one, a
    server that was never launched, a record that is as good as gone.
    """
    asked = cell.server
    stranger = (cell.actor is not Actor.MEMBER) + 3 * (cell.actor is Actor.ANONYMOUS)
    if asked is None:
        return 1 + stranger
    natural = Server(asked.vm_state, asked.task_state)
    return (
        stranger
        + (asked.vm_state is not VmState.ACTIVE)
        + 3 * (asked.vm_state in (VmState.BUILDING, VmState.DELETED))
        + (asked.task_state is not None)
        + asked.locked
        + (asked.locked_by is LockedBy.ADMIN)
        + asked.volume_backed
        + 3 * (asked.host is not natural.host)
        + 3 * (not asked.launched)
    )


@cache
def small_cells(action: ActionName) -> tuple[Cell, ...]:
    """Return cells to look for a small one among, the smallest first, each at a new version."""
    before = (Microversion(f"2.{each.minor - 1}") for each in versions(action)[1:])
    newest = sorted({LATEST, *before}, reverse=True)
    states = dict.fromkeys((*product(VmState, (None,)), *pairs(action).values()))
    made = [server(pair, *rest) for pair in states for rest in CONDITIONS]
    found = [
        Cell(action, actor, version, each)
        for version, each, actor in product(newest, (*made, None), Actor)
    ]
    return tuple(sorted(found, key=departures))


def smallest(deviation: Deviation) -> tuple[Cell, ...]:
    """Return the cells in which it shows, as few and as small as will do; at least one.

    For a column that verdicts show, one: best where only one of the rulebooks allows the request.
    For one of FOLLOWED, one, in which something else comes of the accepted request.
    For `errors`, one for each code of `added_and_missing`, in that order: where Nova accepts the
    request as far as the library knows, or for a code below 500 that Nova never gives, where the
    reference would have it.
    """
    if deviation.column == "errors":
        return _of_errors(deviation)
    without, shown = book_without(deviation), shown_by(deviation.column)
    found: list[Cell] = []
    candidates = small_cells(deviation.action)
    if deviation.column == "bodies":
        key = deviation.action.key
        candidates = tuple(
            cell._replace(body={key: value}) for cell in candidates for value in ({}, None, "", 1)
        )
    for cell in candidates:
        if found and departures(cell) > departures(found[0]) + FURTHER:
            break
        if shown(cell, without) != shown(cell, NOVA_34) != shown(cell, API_REFERENCE):
            found.append(cell)
            if cell.ask(API_REFERENCE).allowed is not cell.ask(NOVA_34).allowed:
                return (cell,)
    return tuple(found[:1])


def added_and_missing(deviation: Deviation) -> tuple[list[int], list[int]]:
    """Return the codes that Nova adds to the reference's, and those that it never gives."""
    documented, given = deviation.reference, deviation.nova
    if not isinstance(documented, frozenset) or not isinstance(given, frozenset):
        raise TypeError(f"{deviation.name}: sets of codes expected")
    return sorted(given - documented), sorted(documented - given)


def _of_errors(deviation: Deviation) -> tuple[Cell, ...]:
    added, missing = added_and_missing(deviation)
    small = small_cells(deviation.action)
    accepted = next((cell for cell in small if cell.ask(NOVA_34).allowed), small[0])
    there = (_refused_with(code, small) if code < 500 else accepted for code in missing)
    return (*[accepted] * len(added), *there)


def _refused_with(code: int, small: tuple[Cell, ...]) -> Cell:
    """Return where the reference would have this code; else where nothing is as it should be."""
    for cell in small:
        if code in {refusal.code for refusal in cell.ask(API_REFERENCE).failures}:
            return cell
    worst = Server(VmState.ERROR, TaskState.DELETING, locked=True, locked_by=LockedBy.ADMIN)
    least = API_REFERENCE[small[0].action].policy.least
    return small[0]._replace(actor=least, server=worst)
