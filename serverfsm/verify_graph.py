"""What `verify` proves of the table as a graph: all is reached, nothing is a trap, tasks end.

Each check is a generator: a case for whatever it looked at, with the fault if there is one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from serverfsm import unprompted
from serverfsm.lifecycle import Cause, Edge, State, edges, state_name
from serverfsm.options import Options
from serverfsm.rows import Action, Outcome, Reaction, Timer, When
from serverfsm.rulebook import Rulebook
from serverfsm.states import ComputeDriver, Kind, PowerState, TaskState, VmState

__all__ = [
    "FINE",
    "PAIRS",
    "Case",
    "endings",
    "pairs",
    "reached_states",
    "reactions",
    "timers",
    "traps",
]

PAIRS: tuple[State, ...] = tuple((vm, task) for vm in VmState for task in (None, *TaskState))


class Case(NamedTuple):
    """One thing that was looked at.

    Attributes:
        kind: what it turned out to be, where that is worth counting.
        fault: what is wrong with it, with the name of the row; None: nothing.
    """

    kind: str = ""
    fault: str | None = None


FINE = Case()


@lru_cache(maxsize=8)
def reached_states(book: Rulebook) -> frozenset[State]:
    """Every state that a server may come to, from its creation on, by whatever happens."""
    onward: dict[State | None, list[State]] = defaultdict(list)
    for edge in edges(book):
        onward[edge.start].append(edge.end)
    seen: set[State] = set()
    waiting: list[State | None] = [None]
    while waiting:
        fresh = [state for state in onward[waiting.pop()] if state not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    return frozenset(seen)


def _leading_to(goals: Iterable[State], given: Iterable[Edge]) -> set[State]:
    """Every state from which these edges lead to one of the goals, and the goals."""
    back: dict[State, list[State]] = defaultdict(list)
    for edge in given:
        if edge.start is not None:
            back[edge.end].append(edge.start)
    seen = set(goals)
    waiting = list(seen)
    while waiting:
        fresh = [state for state in back[waiting.pop()] if state not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    return seen


# ------------------------------------------------------------------------------------ pairs


def pairs(book: Rulebook) -> Iterator[Case]:
    """Every pair of vm_state and task_state is reached, or it is said why it is not."""
    reached, unused = reached_states(book), unprompted.UNUSED_TASKS
    passed = dict(_passed(book))
    tasks = {task for _, task in passed} | {task for row in book for task in row.during}
    for state in PAIRS:
        vm_state, task = state
        if state in reached:
            fault = None
            if task in unused:
                fault = f"{passed.get(state, task)}: sets {task}, which is declared unused"
            yield Case("reached", fault)
        elif state in passed:
            yield Case(fault=f"{passed[state]}: passes {state_name(state)}, which nothing reaches")
        elif task is None:
            yield Case(fault=f"vm_state {vm_state}: no row leads there")
        elif task in unused:
            yield Case("never reached: its task is declared unused")
        elif task not in tasks:
            fault = f"task_state {task}: no row sets it, and it is not declared unused"
            yield Case(fault=fault)
        else:
            yield Case("never reached: no action that is accepted there has its task")


def _passed(book: Rulebook) -> Iterator[tuple[State, str]]:
    """Every state on a way that a row says of itself, with the row's name."""
    driver = book.options.compute_driver
    for row in book:
        for origin in row.origins if row.removed is None else ():
            for outcome in _successes(row, origin, driver):
                for step in outcome.path:
                    yield (step if isinstance(step, tuple) else (origin, step)), row.name.value
            for write in row.writes:
                task = write.values.get("task_state")
                if isinstance(task, TaskState):
                    yield (origin, task), row.name.value


def _successes(row: Action, origin: VmState, driver: ComputeDriver) -> Iterator[Outcome]:
    """The ways in which the row may succeed from there with this hypervisor."""
    for outcome in row.successes(origin):
        if outcome.when.driver in (None, driver):
            yield outcome
        if outcome.when == When(driver=driver):
            return


# ------------------------------------------------------------------------------------ traps


def traps(book: Rulebook) -> Iterator[Case]:
    """From every state requests lead to a stable state, giving nothing up, and to the end.

    Of what is on its way to the end only the second is wanted; where a task was left behind, the
    way to a stable state may give the disk up, or change the record.
    """
    gone = {(vm, None) for vm in VmState if vm.kind is Kind.GONE}
    stable = {(vm, None) for vm in VmState if vm.kind is Kind.STABLE}
    ways = [edge for edge in edges(book) if _is_asked_for(edge)]
    to_stable = _leading_to(stable, (edge for edge in ways if not _gives_up(edge)))
    to_stable_somehow = _leading_to(stable, ways)
    to_gone = _leading_to(gone, (edge for edge in ways if not _is_record_only(edge)))
    going = _leading_to(gone, (edge for edge in ways if edge.cause is Cause.SYSTEM))
    left = {edge.end for edge in edges(book) if _leaves(edge)}
    for state in _ordered(reached_states(book)):
        if state not in to_gone:
            yield Case(fault=f"{_where(state, book)}: no request leads to the server's end")
        if state in to_stable:
            yield Case("lead to a stable state")
        elif state in going:
            yield Case("are on their way to the server's end")
        elif state in left and state in to_stable_somehow:
            yield Case("lead to a stable state, giving the disk up or changing the record alone")
        else:
            yield Case(fault=f"{_where(state, book)}: no request leads to a stable state")


def _is_asked_for(edge: Edge) -> bool:
    """Whether it comes of a request and its success."""
    causes = (Cause.PERSON, Cause.ADMINISTRATOR, Cause.SYSTEM)
    return isinstance(edge.row, Action) and edge.cause in causes


def _is_record_only(edge: Edge) -> bool:
    return isinstance(edge.row, Action) and edge.row.record_only


def _gives_up(edge: Edge) -> bool:
    """Whether it is a request that gives up the disk or more, or leaves the guest as it is."""
    if edge.cause is Cause.SYSTEM or not isinstance(edge.row, Action):
        return False
    return edge.row.destructive or edge.row.record_only


def _ordered(states: Iterable[State]) -> list[State]:
    among = frozenset(states)
    return [state for state in PAIRS if state in among]


def _where(state: State, book: Rulebook) -> str:
    """A state by its name, with what leads there."""
    steps = (edge for edge in edges(book) if edge.end == state != edge.start)
    into = dict.fromkeys(edge.event for edge in steps)
    shown = list(into)[:6] + ["..."] * (len(into) > 6)
    return f"{state_name(state)} (after {', '.join(shown)})"


# ---------------------------------------------------------------------------------- endings


def endings(book: Rulebook) -> Iterator[Case]:
    """Every task ends by itself, or is declared to be left behind and can be got rid of."""
    resting = {state for state in PAIRS if not _is_busy(state)}
    works = [edge for edge in edges(book) if _is_work(edge)]
    ending = _leading_to(resting, works)
    requests = [edge for edge in edges(book) if isinstance(edge.row, Action)]
    out = _leading_to(resting, (edge for edge in requests if not _is_record_only(edge)))
    out_by_record = _leading_to(resting, requests)
    left = {edge.end for edge in edges(book) if _leaves(edge)}
    for state in _ordered(reached_states(book)):
        if not _is_busy(state):
            continue
        if state in ending:
            yield Case("ends by itself")
        elif state not in left:
            yield Case(fault=f"{_where(state, book)}: never ends, and no row leaves it so")
        elif state in out:
            yield Case("is left behind, and a request gets the server out of it")
        elif state in out_by_record:
            yield Case("is left behind, and only changing the record gets the server out of it")
        else:
            yield Case(fault=f"{_where(state, book)}: is left behind, and no request gets out")


def _is_busy(state: State) -> bool:
    return state[1] is not None or state[0].kind is Kind.BUSY


def _is_work(edge: Edge) -> bool:
    """Whether it comes of itself, and of the work that is under way."""
    causes = (Cause.SYSTEM, Cause.FAILURE, Cause.TIMER)
    return isinstance(edge.row, Action | Timer) and edge.cause in causes


def _leaves(edge: Edge) -> bool:
    """Whether its row says that a task stays though nothing is under way any more."""
    if edge.outcome is not None:
        return edge.outcome.left is not None
    if isinstance(edge.row, Timer):
        return edge.row.leaves_task
    return isinstance(edge.row, Reaction) and edge.row.left is not None and edge.row.then is None


# ------------------------------------------------------------------------------------ timers


def timers(book: Rulebook) -> Iterator[Case]:
    """Every timer finds a server that it is about, does what it says, and has its option."""
    reached = reached_states(book)
    options = {field.name: field.default for field in fields(Options)}
    moved = {edge.event for edge in edges(book) if edge.start in reached}
    for timer in unprompted.TIMERS:
        yield from (Case(fault=f"{timer.option}: {wrong}") for wrong in _wrong(timer, options))
        about = [state for state in _ordered(reached) if _is_about(timer, state)]
        if not about:
            yield Case(fault=f"{timer.option}: no server is ever in a state that it is about")
        elif timer.event is None and timer.end is None:
            yield Case("set a reaction going, or nothing")
        elif timer.option not in moved:
            yield Case(fault=f"{timer.option}: nothing ever comes of it")
        else:
            yield FINE
        row = None if timer.event is None else book[timer.event]
        for state in about if row is not None else ():
            is_refused = row is not None and not row.accepts(*state)
            fault = (
                f"{timer.option}: sets {timer.event} going in {state_name(state)}, refused there"
            )
            yield Case(fault=fault) if is_refused else FINE


def _wrong(timer: Timer, options: Mapping[str, object]) -> Iterator[str]:
    if timer.option not in options:
        yield "there is no such option"
    elif options[timer.option] != timer.default:
        yield f"its default is {timer.default}, and the option's {options[timer.option]}"
    if timer.reaction not in (None, *(row.name for row in unprompted.REACTIONS)):
        yield f"there is no reaction {timer.reaction}"
    if timer.poll_option is not None and timer.poll_option not in options:
        yield f"there is no option {timer.poll_option}"


def _is_about(timer: Timer, state: State) -> bool:
    vm_state, task = state
    return (timer.vm_states is None or vm_state in timer.vm_states) and (
        timer.task_states is None or task in timer.task_states
    )


# --------------------------------------------------------------------------------- reactions


def reactions(book: Rulebook) -> Iterator[Case]:
    """Whatever Nova sees it has one answer to; each answer is given, and goes on as its action."""
    for name in dict.fromkeys(row.name for row in unprompted.REACTIONS):
        rows = [row for row in unprompted.REACTIONS if row.name == name]
        given: dict[int, list[State]] = defaultdict(list)
        for (vm_state, task), guest in product(PAIRS, PowerState):
            fits = (row for row in rows if row.applies(vm_state, task, guest))
            first = next(fits, None)
            if first is None:
                where = state_name((vm_state, task))
                yield Case(fault=f"{name}: no row is about {where} with the guest {guest.name}")
            else:
                yield FINE
                given[id(first)].append((vm_state, task))
        for row in rows:
            fault = f"{name}: {row.does}: never done, other rows come before"
            yield FINE if given[id(row)] else Case(fault=fault)
            if row.then is not None:
                yield from _going_on(row, given[id(row)], book)


def _going_on(row: Reaction, states: Iterable[State], book: Rulebook) -> Iterator[Case]:
    """The action that a reaction sets going begins where the reaction leaves the server."""
    action = book[row.then] if row.then is not None else None
    if action is None:
        return
    way = {
        step if isinstance(step, tuple) else (origin, step)
        for origin in action.runs_in
        for outcome in action.success
        for step in outcome.path
    }
    for vm_state, task in states:
        end = row.end if isinstance(row.end, VmState) else vm_state
        state = (end, task if row.left == "kept" else row.left)
        fault = f"{row.name}: {row.does}: leaves {state_name(state)}, where no {row.then} is"
        yield FINE if state in way else Case(fault=fault)
