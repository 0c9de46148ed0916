"""What `verify` proves of each row: it can come about, it stands alone, its locks and guards hold.

Each check is a generator: a case for whatever it looked at, with the fault if there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import Any

from serverfsm.guards import Request, condition_holds, first_failure
from serverfsm.lifecycle import GONE, edges
from serverfsm.requests import ActionName, Actor, Guard, Microversion
from serverfsm.rows import Action, End, Outcome, When, Write
from serverfsm.rulebook import Rulebook
from serverfsm.server import Server
from serverfsm.states import ComputeDriver, PowerState, VmState, status_of
from serverfsm.verify_graph import FINE, PAIRS, Case, reached_states

__all__ = ["accepted", "alive", "ways"]


# ------------------------------------------------------------------ requests that are accepted


@lru_cache(maxsize=128)
def accepted(row: Action, book: Rulebook) -> tuple[Request, ...]:
    """A request for every case that the row's conditions tell apart, where it is accepted."""
    whens = [each.when for each in (*row.success, *row.failures)]
    whens += [each.when for each in row.writes]
    reached = reached_states(book)
    pairs = [state for state in PAIRS if state in reached and row.accepts(*state)]
    # One pair of each vm_state: no condition looks at the task.
    states = {vm: (vm, task) for vm, task in reversed(pairs)}.values()
    servers: list[Server | None] = [None] if Guard.ABSENT in row.guards else []
    for state, columns in product(states, _columns(row, whens)):
        if not columns.get("vm_state_before_resize") or state[0] is VmState.RESIZED:
            servers.append(Server(*state, **columns))
    cases = product(servers, _actors(row, whens), _versions(row, whens), _books(book, whens))
    asked = (Request(row, server, who, version, rules) for server, who, version, rules in cases)
    return tuple(request for request in asked if first_failure(request) is None)


def _columns(row: Action, whens: Sequence[When]) -> Iterator[dict[str, Any]]:
    """Every combination of the columns that the row and its conditions look at."""
    both = (False, True)
    axes: dict[str, Iterable[Any]] = {}
    if any(when.host is not None for when in whens):
        axes["host"] = both
    looks = any(when.volume_backed is not None for when in whens)
    if looks or row.backing is not None or row.volume_backed_vm_states is not None:
        axes["volume_backed"] = both
    if any(when.locked is not None for when in whens):
        axes["locked"] = both
    if any(when.launched is not None for when in whens):
        axes["launched"] = both
    if any(when.power_states is not None for when in whens):
        axes["power_state"] = PowerState
    if any(when.before_resize is not None for when in whens):
        axes["vm_state_before_resize"] = (None, VmState.ACTIVE, VmState.STOPPED)
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _actors(row: Action, whens: Sequence[When]) -> tuple[Actor, ...]:
    """The least who may, and an administrator where that makes a difference."""
    least = (row.late_policy or row.policy).least
    if any(when.administrator is not None for when in whens):
        return tuple(dict.fromkeys((least, Actor.ADMIN)))
    return (least,)


def _versions(row: Action, whens: Sequence[When]) -> list[Microversion]:
    """The first microversion of each stretch that the row and its conditions tell apart."""
    named = [row.since, *(when.since for when in whens), *(when.until for when in whens)]
    named.append(row.backing.until if row.backing is not None else None)
    found = {Microversion(text) for text in named if text is not None}
    return sorted(
        each for each in found if each >= row.since and (row.until is None or each < row.until)
    )


def _books(book: Rulebook, whens: Sequence[When]) -> list[Rulebook]:
    """The rulebook under each setting of the options that a condition tests."""
    axes: dict[str, Iterable[Any]] = {}
    for when in whens:
        if when.option is not None:
            axes[when.option.split()[0]] = (0, 1, -1)
        if when.driver is not None:
            axes["compute_driver"] = ComputeDriver
    settings = product(*axes.values())
    given = (replace(book.options, **dict(zip(axes, each, strict=True))) for each in settings)
    return [book.having(options) for options in given]


# ------------------------------------------------------------------------------------- alive


def alive(book: Rulebook) -> Iterator[Case]:
    """Every row, write, outcome and remark of a row can come about."""
    brought = {id(edge.outcome) for edge in edges(book) if edge.start in reached_states(book)}
    for name in ActionName:
        if name not in book.actions:
            yield Case(fault=f"{name}: there is no row")
    for name, row in book.actions.items():
        if row.name is not name:
            yield Case(fault=f"{row.name}: its row stands under {name}")
        asked = () if row.removed is not None else accepted(row, book)
        if not asked:
            refused = row.removed is not None
            fault = f"{row.name}: nobody is ever allowed it"
            yield Case("is taken out of Nova") if refused else Case(fault=fault)
            continue
        yield FINE
        yield from _alive_writes(row, asked)
        yield from _alive_outcomes(row, asked, brought, book.options.compute_driver)
        for guard in row.answers:
            fault = f"{row.name}: answers for {guard}, which it does not test"
            yield FINE if guard in row.guards else Case(fault=fault)
        for status in row.any_task_in if row.task_states is not None else ():
            shows = any(status_of(*each) is status and row.accepts(*each) for each in PAIRS)
            fault = f"{row.name}: any_task_in has {status}, with which it is never accepted"
            yield FINE if shows else Case(fault=fault)


def _alive_writes(row: Action, asked: Sequence[Request]) -> Iterator[Case]:
    done = {id(_first(row.writes, request)) for request in asked}
    for place, write in enumerate(row.writes, 1):
        fault = f"{row.name}: write {place} of {len(row.writes)} is never done"
        yield FINE if id(write) in done else Case(fault=fault)


def _alive_outcomes(
    row: Action, asked: Sequence[Request], brought: set[int], driver: ComputeDriver
) -> Iterator[Case]:
    # The edges are those of one hypervisor; what another brings about is not among them.
    here = [each for each in asked if each.rulebook.options.compute_driver is driver]
    chosen = {id(_first(row.success, request)) for request in asked}
    chosen_here = {id(_first(row.success, request)) for request in here}
    for place, outcome in enumerate(row.success, 1):
        never = id(outcome) not in chosen
        if outcome.path and id(outcome) in chosen_here:
            never = id(outcome) not in brought
        fault = f"{row.name}: success {place} of {len(row.success)} never comes about"
        yield Case(fault=fault) if never else FINE
    for failure in row.failures:
        never = not any(_strikes(row, failure, request) for request in asked)
        if row.during and any(_strikes(row, failure, request) for request in here):
            never = id(failure) not in brought
        fault = f"{row.name}: failure {failure.name} never comes about"
        yield Case(fault=fault) if never else FINE


def _strikes(row: Action, failure: Outcome, request: Request) -> bool:
    """Whether at some step this is the first failure of its name whose condition holds."""
    steps = failure.path or tuple(step for outcome in row.success for step in outcome.path)
    for step in steps or (None,):
        rivals = [
            each
            for each in row.failures
            if each.name == failure.name and (not each.path or step in each.path)
        ]
        if _first(rivals, request) is failure:
            return True
    return False


def _first(rules: Iterable[Any], request: Request) -> Any:
    """The first write or outcome whose condition holds."""
    return next((each for each in rules if condition_holds(request, each.when)[0]), None)


# -------------------------------------------------------------------------------------- ways


def ways(book: Rulebook) -> Iterator[Case]:
    """What acceptance writes is where the way of its success begins; each task comes once."""
    brought = {id(edge.outcome) for edge in edges(book)}
    for row in book:
        for request in accepted(row, book) if row.removed is None else ():
            write, outcome = _first(row.writes, request), _first(row.success, request)
            if outcome is None:
                yield Case(fault=f"{row.name}: no success fits what is accepted")
                continue
            wrong = _mismatch(write, outcome, request)
            if not wrong and _is_lost(write, outcome) and id(outcome) not in brought:
                wrong = f"neither acceptance nor anything later leads to {outcome.end}"
            yield Case(fault=f"{row.name}: {wrong}") if wrong else FINE
        for outcome in row.success:
            twice = len(set(outcome.path)) != len(outcome.path)
            fault = f"{row.name}: {outcome.name} passes the same step twice"
            yield Case(fault=fault) if twice else FINE


def _is_lost(write: Write | None, outcome: Outcome) -> bool:
    """Whether the success has no steps, and acceptance does not write where it ends either."""
    is_written = write is not None and "vm_state" in write.values
    return not outcome.path and not is_written and outcome.end is not End.ORIGIN


def _mismatch(write: Write | None, outcome: Outcome, request: Request) -> str | None:
    values = {} if write is None else write.values
    before = request.server or Server(VmState.BUILDING)
    vm_state = values.get("vm_state", before.vm_state)
    task = values.get("task_state", before.task_state)
    if outcome.left is not None:
        return f"its success leaves {outcome.left} behind"
    if outcome.path:
        step = outcome.path[0]
        begins = step if isinstance(step, tuple) else (vm_state, step)
        if (vm_state, task) != begins:
            return f"acceptance writes task_state {task}, and its success begins with {begins[1]}"
    elif "vm_state" in values:
        assert before.vm_state is not None
        ends = (GONE[0],) if outcome.end is End.GONE else outcome.ends(before.vm_state)
        if vm_state not in ends:
            return f"acceptance writes vm_state {vm_state}, and its success ends in {outcome.end}"
    return None
