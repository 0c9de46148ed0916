"""The plans between any two states, as a table that a page can look up.

Only the form belongs here; the plans are `planning.plan`'s. They are those of an unlocked server
with no task under way, at the latest microversion.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

from serverfsm.explorer.interned import Interned
from serverfsm.planning import Plan, PlanStep, plan
from serverfsm.requests import Actor
from serverfsm.rulebook import Rulebook
from serverfsm.server import Server
from serverfsm.states import Status, VmState

__all__ = ["plans_document"]

Document = dict[str, Any]


def plans_document(rulebooks: Iterable[Rulebook]) -> Document:
    """Return every plan from a vm_state with no task under way to a status.

    `books[rulebook][actor]` has one list for image-backed servers and one for volume-backed ones,
    by vm_state and then by status, of places in `plans`. A plan is a reason why there is none, or a
    list of places in `steps`; a step [action, status to wait for, what passes, parameters, what is
    taken for granted].
    """
    steps: Interned[tuple[Any, ...]] = Interned()
    plans: Interned[str | tuple[int, ...]] = Interned()

    def place(found: Plan) -> int:
        way = tuple(steps.place(_step(each)) for each in found.steps)
        return plans.place(way if found.reason is None else found.reason)

    books = {
        book.name: {
            who.value: [
                [
                    place(plan(Server(vm, volume_backed=backing), goal, actor=who, rulebook=book))
                    for vm, goal in product(VmState, Status)
                ]
                for backing in (False, True)
            ]
            for who in Actor
        }
        for book in rulebooks
    }
    return {"books": books, "plans": plans.values(), "steps": steps.values()}


def _step(step: PlanStep) -> tuple[Any, ...]:
    """A step as JSON values that can be looked up in a dictionary."""
    return (
        step.action and step.action.value,
        step.wait_for and step.wait_for.value,
        tuple((status.value, task and task.value) for status, task in step.passes),
        tuple((each.name, each.values) for each in step.parameters),
        tuple(each.sentence for each in step.assumes),
    )
