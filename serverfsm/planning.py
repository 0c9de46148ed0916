"""`plan`: the cheapest sequence of allowed requests from here to a status, or why there is none.

What a plan is, and what stands before and after the search, belongs here; the search itself is
`search.py`'s, and the reason why there is no plan `reasons.py`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from serverfsm import requests, states
from serverfsm.errors import BadCostError, shown
from serverfsm.options import Options
from serverfsm.reasons import impossible, undecided, why_not
from serverfsm.requests import LATEST, ActionName, Actor, Microversion
from serverfsm.rows import Assumption, Parameter
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.search import Move, Terms, solve
from serverfsm.server import Server
from serverfsm.states import Kind, Status, TaskState
from serverfsm.step import DONE, PROGRESS, Step, advance, events

__all__ = ["Cost", "Plan", "PlanStep", "plan"]

Cost = Mapping[ActionName, float] | Mapping[str, float] | Callable[[ActionName], float]
"""What actions cost: by name, by the key of all variants, or worked out; 1 unless said."""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One request with the wait that follows it, or a wait alone.

    Attributes:
        action: what to ask for; None: nothing, only wait.
        wait_for: the status to wait for, with no task under way; None: nothing to wait for.
        passes: each status and task_state that shows meanwhile, in order.
        server: the server at the end of the step.
        parameters: those that the request needs, and whose values you must give where they are
            not fixed.
        cost: of the request.
        assumes: what the verdict takes for granted.
    """

    action: ActionName | None
    wait_for: Status | None
    passes: tuple[tuple[Status, TaskState | None], ...]
    server: Server
    parameters: tuple[Parameter, ...] = ()
    cost: float = 0.0
    assumes: tuple[Assumption, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain JSON values; the server as `Server.from_api` reads it."""
        return {
            "action": self.action and self.action.value,
            "parameters": [
                {"name": each.name, "values": list(each.values)} for each in self.parameters
            ],
            "wait_for": self.wait_for and self.wait_for.value,
            "passes": [
                {"status": status.value, "task_state": task and task.value}
                for status, task in self.passes
            ],
            "server": self.server.to_api()["server"],
            "cost": self.cost,
            "assumes": [each.sentence for each in self.assumes],
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """The way to a goal. True if there is one.

    Attributes:
        start: the server as it was given.
        goal: the status to come to rest in.
        steps: what to do, in order; empty where the server is there already, or there is no way.
        cost: of all steps; None: there is no way.
        reason: why there is no way; None: there is one.
        assumptions: what was taken for granted of the start.
    """

    start: Server
    goal: Status
    steps: tuple[PlanStep, ...] = ()
    cost: float | None = None
    reason: str | None = None
    assumptions: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.reason is None

    @property
    def actions(self) -> tuple[ActionName, ...]:
        """What to ask for, in order, without the waits."""
        return tuple(step.action for step in self.steps if step.action is not None)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        return {
            "start": self.start.to_api()["server"],
            "goal": self.goal.value,
            "found": bool(self),
            "reason": self.reason,
            "cost": self.cost,
            "assumptions": list(self.assumptions),
            "steps": [step.to_dict() for step in self.steps],
        }


def plan(
    server: Server,
    goal: Status | str,
    *,
    actor: Actor | str = Actor.MEMBER,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
    options: Options | None = None,
    cost: Cost | None = None,
    including: Iterable[ActionName | str] = (),
) -> Plan:
    """Return the cheapest sequence of allowed requests that ends in a status.

    Every action is taken to succeed. Of plans that cost the same the one with fewer steps is
    returned, then the one with a plain action rather than a variant that needs a value of yours
    (`unshelve:host`), with an action that is accepted in fewer states, with one that comes first
    in the table. A lock of the actor's own side is taken away and put back; another's is not
    planned through.

    Args:
        server: its snapshot. Where a task is under way the plan begins by waiting for its end.
        goal: where it shall come to rest.
        actor, microversion, rulebook: as `check`.
        options: the operator's; None: the rulebook's, which are Nova's defaults.
        cost: what an action costs, 1 unless said: a mapping by name or by the key of all its
            variants, or a function of the name.
        including: actions, by name or key, that may be used though they give up the server or its
            disk (`delete`, `rebuild` …) or change only the record (`os-resetState`).

    Raises:
        UnknownStateError: there is no such status.
        UnknownActionError, UnknownActorError, UnknownMicroversionError: as `check`.
        BadCostError: a cost is not a number from 0 upwards.

    >>> found = plan(Server("paused"), "SHUTOFF")
    >>> [(step.action.value, step.wait_for.value) for step in found.steps]
    [('unpause', 'ACTIVE'), ('os-stop', 'SHUTOFF')]
    >>> plan(Server("active"), "ERROR", actor="admin").reason
    "only what changes only the record leads there: including=('os-resetState:error',) would let it"
    """
    wanted = states.status(goal)
    terms = Terms(
        requests.actor(actor),
        Microversion(microversion),
        rulebook.having(options),
        _costs(cost, rulebook),
        _included(including),
    )
    known, assumptions = _with_states(server)
    if known is None:
        return Plan(server, wanted, reason=undecided(server))
    steps: tuple[PlanStep, ...] = ()
    reason = impossible(known, wanted)
    if reason is None:
        wait, whose, reason = _wait(known, terms)
        if wait is not None:
            steps, known = (wait,), wait.server
            assumptions = (*assumptions, f"{whose}, which is under way, succeeds")
            reason = impossible(known, wanted)
    way = None if reason is not None else solve(known, wanted, terms)
    if way is None:
        reason = reason or why_not(known, wanted, terms)
        return Plan(server, wanted, reason=reason, assumptions=assumptions)
    steps = (*steps, *(_step(move, terms) for move in way.moves))
    total = sum((step.cost for step in steps), 0.0)
    if not math.isfinite(total):
        raise BadCostError("the costs of the plan add up to more than a number can hold")
    return Plan(server, wanted, steps, total, None, assumptions)


def _step(move: Move, terms: Terms) -> PlanStep:
    verdict = move.run[0].verdict
    return PlanStep(
        move.row.name,
        move.after.status if len(move.run) > 1 else None,
        _passed(move.run),
        move.after,
        terms.parameters(move.row),
        terms.costs[move.row.name],
        verdict.assumes if verdict is not None else (),
    )


def _passed(run: tuple[Step, ...]) -> tuple[tuple[Status, TaskState | None], ...]:
    """What shows on the way, without repetition, before the end of it."""
    seen = [run[0].server]
    for step in run[1:]:
        seen += [*step.passing, step.server]
    shows = [(each.status, each.task_state) for each in seen[:-1] if each is not None]
    return tuple(dict.fromkeys(shows))


# ----------------------------------------------------------------- where the plan may begin


def _with_states(server: Server) -> tuple[Server | None, tuple[str, ...]]:
    """The server with its states, and what was assumed for them; None if they are not known."""
    if server.vm_state is not None:
        return server, ()
    at_rest = [vm for vm, task in server.pairs() if task is None]
    if len(at_rest) != 1:
        return None, ()
    known = replace(server, vm_state=at_rest[0], only_status=None)
    return known, (f"no task is under way: only the status {server.status} is known",)


def _wait(server: Server, terms: Terms) -> tuple[PlanStep | None, str, str | None]:
    """The wait for the task under way, with whose it may be; or why its end is not known.

    Neither where no task is under way, or one that nothing will end.
    """
    if server.task_state is None and server.vm_state and server.vm_state.kind is not Kind.BUSY:
        return None, "", None
    runs: dict[Server, dict[str, tuple[Step, ...]]] = {}
    for event in events(server, microversion=terms.microversion, rulebook=terms.book):
        name, _, word = event.rpartition(".")
        run = _rest(server, name, word, terms) if word in (PROGRESS, DONE) else ()
        if run and (end := run[-1].server) is not None:
            runs.setdefault(end, {})[name] = run
    if len(runs) > 1:
        ends = ", or ".join(f"in {end.status} by {' or '.join(by)}" for end, by in runs.items())
        task = server.task_state or server.vm_state
        return None, "", f"it is not known how {task} will end: {ends}; ask again when it has"
    for end, by in runs.items():
        shows = ((server.status, server.task_state), *_passed(next(iter(by.values()))))
        return PlanStep(None, end.status, tuple(dict.fromkeys(shows)), end), " or ".join(by), None
    return None, "", None


def _rest(server: Server, name: str, word: str, terms: Terms) -> tuple[Step, ...]:
    """The rest of a run that is under way, to its success."""
    run: list[Step] = []
    now: Server | None = server
    while now is not None and (not run or run[-1].then is not None):
        word = _next(now, name, terms) if run else word
        step = advance(now, f"{name}.{word}", microversion=terms.microversion, rulebook=terms.book)
        run.append(step)
        now = step.server
    return tuple(run)


def _next(server: Server, name: str, terms: Terms) -> str:
    due = events(server, microversion=terms.microversion, rulebook=terms.book)
    return PROGRESS if f"{name}.{PROGRESS}" in due else DONE


# ----------------------------------------------------------------- what was asked for


def _named(word: object) -> tuple[ActionName, ...]:
    """The action with this name, and every variant of this key."""
    requests.action_names(word)
    return tuple(name for name in ActionName if word in (name.value, name.key))


def _included(including: Iterable[ActionName | str]) -> frozenset[ActionName]:
    words = (including,) if isinstance(including, str) else including
    return frozenset(name for word in words for name in _named(word))


def _costs(cost: object, rulebook: Rulebook) -> Mapping[ActionName, float]:
    """What each action costs."""
    if cost is None:
        return dict.fromkeys(rulebook.actions, 1.0)
    if callable(cost):
        return {name: _number(cost(name), name) for name in rulebook.actions}
    if not isinstance(cost, Mapping):
        raise BadCostError(f"costs are a mapping or a function, not {shown(cost)}")
    found = dict.fromkeys(rulebook.actions, 1.0)
    # What is said of a key holds for its variants; what is said of a variant goes before.
    for word in sorted(cost, key=lambda word: isinstance(word, str) and ":" in word):
        number = _number(cost[word], word)
        found.update(dict.fromkeys(_named(word), number))
    return found


def _number(value: object, word: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        if is_number and math.isfinite(value) and value >= 0:  # type: ignore[arg-type,operator]
            return float(value)  # type: ignore[arg-type]
    except OverflowError:  # a whole number too large for a float
        pass
    raise BadCostError(
        f"the cost of {shown(str(word))} must be a finite number from 0 upwards, not {shown(value)}"
    )
