"""Building a rulebook: every row is checked, alone and with the others, and deviations are put in.

What a row may say is said here; what it does say stands in `table.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from serverfsm.errors import TableError
from serverfsm.requests import ActionName, Guard, Microversion
from serverfsm.rows import Action, Deviation, End, Lock
from serverfsm.states import Status, TaskState, VmState, status_of
from serverfsm.table import ANSWERS
from serverfsm.unprompted import TIMERS

__all__ = ["build"]


def build(
    rows: Iterable[Action], deviations: Iterable[Deviation] = ()
) -> Mapping[ActionName, Action]:
    """Return the rows by name with the deviations put in.

    Raises:
        TableError: a row is wrong; the message names the row and says what is.
    """
    table: dict[ActionName, Action] = {}
    for row in rows:
        if row.name in table:
            raise TableError(f"{row.name}: two rows for one request")
        _check_row(row)
        table[row.name] = row
    missing = [name.value for name in ActionName if name not in table]
    if missing:
        raise TableError(f"no row for {', '.join(missing)}")
    for deviation in deviations:
        table[deviation.action] = _deviate(table[deviation.action], deviation)
        _check_row(table[deviation.action])
    _check_ends(table)
    return MappingProxyType(table)


def _deviate(row: Action, deviation: Deviation) -> Action:
    where = f"{row.name}: deviation {deviation.name}"
    if deviation.reference == deviation.nova:
        raise TableError(f"{where}: both sides are the same")
    column, _, part = deviation.column.partition(".")
    if column not in Action.__dataclass_fields__:
        raise TableError(f"{where}: there is no column {column}")
    if part:
        if part not in {guard.value for guard in Guard}:
            raise TableError(f"{where}: there is no guard {part}")
        guard = Guard(part)
        present: object = row.answers.get(guard) or ANSWERS[guard]
        value: object = {**row.answers, guard: deviation.nova}
    else:
        present, value = getattr(row, column), deviation.nova
    if present != deviation.reference:
        raise TableError(f"{where}: the table has {present!r}, not the reference's value")
    changes: dict[str, object] = {column: value}
    return replace(row, **changes)  # type: ignore[arg-type]


def _check_row(row: Action) -> None:
    """Raise TableError for a row that contradicts itself or lacks a source."""
    for problem in _problems(row):
        raise TableError(f"{row.name}: {problem}")


def _problems(row: Action) -> Iterator[str]:
    words = list(_word_problems(row))
    yield from words
    if words:
        return
    yield from _option_problems(row)
    yield from _guard_problems(row)
    yield from _status_problems(row)
    yield from _outcome_problems(row)
    yield from _source_problems(row)


def _word_problems(row: Action) -> Iterator[str]:
    """Words that are not Nova's: a literal column is not checked before."""
    columns: tuple[tuple[str, object, type], ...] = (
        ("statuses", row.statuses, Status),
        ("vm_states", row.vm_states, VmState),
        ("volume_backed_vm_states", row.volume_backed_vm_states, VmState),
        ("late_vm_states", row.late_vm_states, VmState),
        ("task_states", row.task_states, TaskState),
        ("any_task_in", row.any_task_in, Status),
        ("guards", row.guards, Guard),
    )
    for column, words, kind in columns:
        for word in words if isinstance(words, frozenset | tuple) else ():
            if not isinstance(word, kind) and not (word is None and kind is TaskState):
                yield f"{column} has {word!r}, which is no {kind.__name__}"
    for outcome in (*row.success, *row.failures, *row.overtaken):
        end: object = outcome.end
        if not isinstance(end, VmState | End):
            yield f"{outcome.name} ends in {end!r}, which is no VmState and no End"


def _option_problems(row: Action) -> Iterator[str]:
    known = {timer.option for timer in TIMERS}
    whens = [write.when for write in row.writes]
    outcomes = (*row.success, *row.failures, *row.overtaken)
    whens += [outcome.when for outcome in outcomes]
    effects = [*(each.effects for each in row.writes), *(each.effects for each in outcomes)]
    whens += [effect.when for some in effects for effect in some]
    for when in whens:
        if when.option is not None and when.option.split()[0] not in known:
            yield f"{when.option!r} tests an option that no timer has"


def _guard_problems(row: Action) -> Iterator[str]:
    guards = set(row.guards)
    if len(guards) != len(row.guards):
        yield "a guard is listed twice"
    if not guards >= {Guard.AUTHENTICATED, Guard.OFFERED, Guard.POLICY}:
        yield "authenticated, offered and policy are tested of every request"
    limits_vm_states = row.vm_states is not None or row.volume_backed_vm_states is not None
    for column, is_set, testing in (
        ("lock", row.lock is Lock.ADMIN_ONLY, {Guard.LOCK}),
        ("vm_states", limits_vm_states, {Guard.VM_STATE, Guard.ABSENT}),
        ("task_states", row.task_states is not None, {Guard.TASK_STATE, Guard.ABSENT}),
        ("backing", row.backing is not None, {Guard.BACKING}),
        ("removed", row.removed is not None, {Guard.REMOVED}),
        ("late_vm_states", row.late_vm_states is not None, {Guard.LATE_VM_STATE}),
        ("late_policy", row.late_policy is not None, {Guard.LATE_POLICY, Guard.LOCK_OWNER}),
    ):
        tested = bool(guards & testing)
        if is_set and not tested:
            yield f"{column} says something and no guard tests it"
        if tested and not is_set and column not in ("vm_states", "task_states"):
            yield f"a guard tests {column}, which says nothing"


def _status_problems(row: Action) -> Iterator[str]:
    seen = {status for vm in row.origins for status in _statuses(row, vm)}
    for status in sorted((row.statuses or frozenset()) - seen):
        yield f"the reference names {status} and no accepted pair of states has it"


def _statuses(row: Action, vm_state: VmState) -> Iterator[Status]:
    for task in (None, *TaskState):
        if row.accepts(vm_state, task):
            yield status_of(vm_state, task)


def _outcome_problems(row: Action) -> Iterator[str]:
    if not 200 <= row.normal < 300 or not all(400 <= code < 600 for code in row.errors):
        yield "normal must be a 2xx code and errors 4xx or 5xx ones"
    if row.until is not None and Microversion(row.until) <= row.since:
        yield f"until {row.until} is not after since {row.since}"
    if not row.success:
        yield "there is no success"
    keys = [(each.name, each.when, each.path) for each in (*row.success, *row.failures)]
    if len(set(keys)) != len(keys):
        yield "two outcomes overlap"
    for failure in row.failures:
        steps = {step for outcome in row.success for step in outcome.path}
        if not set(failure.path) <= steps:
            yield f"failure {failure.name} strikes at a task_state that the action never has"
    for write in row.writes:
        task = write.values.get("task_state")
        if task is not None and task not in row.during:
            yield f"it writes {task}, and no success passes through that"


def _source_problems(row: Action) -> Iterator[str]:
    sources = row.sources
    if not all((sources.reference, sources.controller, sources.guard, sources.policy)):
        yield "a source is missing"
    if row.during and not sources.run:
        yield "it takes time and the source of its outcomes is missing"


def _check_ends(table: Mapping[ActionName, Action]) -> None:
    """Raise TableError for a vm_state that nothing reaches, or that nothing leaves."""
    moves = {move for row in table.values() for move in _moves(row)}
    reached = {end for _, end in moves}
    left = {start for start, _ in moves} | {VmState.DELETED}
    for vm in VmState:
        if vm not in reached:
            raise TableError(f"vm_state {vm} is unreachable: no row leads there")
        if vm not in left:
            raise TableError(f"vm_state {vm} is a trap: no row leads out of it")


def _moves(row: Action) -> Iterator[tuple[VmState | None, VmState]]:
    """Every change of vm_state that the row may bring about; from None where there is no server."""
    origins: Iterable[VmState | None] = (None,) if Guard.ABSENT in row.guards else row.origins
    for origin in origins:
        for outcome in (*row.success, *row.failures):
            way = [origin, *(step[0] for step in outcome.path if isinstance(step, tuple))]
            for end in outcome.ends(origin or VmState.BUILDING) or (VmState.DELETED,):
                stops = [*way, end]
                yield from (
                    (start, after)
                    for start, after in itertools.pairwise(stops)
                    if after is not None and start is not after
                )
