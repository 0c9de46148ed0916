"""Sentences for what the table says in columns: guards, conditions, ends, effects.

No rule belongs here. A word of the library that has no sentence yet is an error of the build.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any, Final

from serverfsm.requests import Guard
from serverfsm.rows import Action, Effect, Lock, Outcome, Passing, Step, When
from serverfsm.states import PowerState, TaskState, VmState

from .markup import code, listed, status_link, vm_link

__all__ = ["LOCKS", "condition", "effects", "end", "guard_sentence", "passing", "path", "tasks"]

LOCKS: Final = {
    Lock.ADMIN_ONLY: "While the server is locked only an administrator may.",
    Lock.IGNORED: "A lock does not matter, or only as its own row below says.",
}


def tasks(chosen: Iterable[TaskState | None] | None) -> str:
    """Return task_states in words; None for the column stands for any."""
    if chosen is None:
        return "any task or none"
    among = frozenset(chosen)
    return listed(
        (
            *(["no task"] if None in among else []),
            *(code(task) for task in TaskState if task in among),
        ),
        "or",
    )


def vm_states(chosen: Iterable[VmState] | None) -> str:
    if chosen is None:
        return "any vm_state"
    among = frozenset(chosen)
    return listed((vm_link(vm) for vm in VmState if vm in among), "or")


def _powers(chosen: Iterable[PowerState]) -> str:
    return listed((power.name for power in PowerState if power in chosen), "or")


_CONDITIONS: Final[dict[str, Callable[[Any], str]]] = {
    "vm_states": lambda value: f"from {vm_states(value)}",
    "task_states": lambda value: f"with {tasks(value)}",
    "host": lambda value: "a compute host holds it" if value else "no compute host holds it",
    "volume_backed": lambda value: "volume-backed" if value else "image-backed",
    "launched": lambda value: "it ran before" if value else "it never ran",
    "locked": lambda value: "it is locked" if value else "it is not locked",
    "administrator": lambda value: "asked by an administrator" if value else "asked by others",
    "power_states": lambda value: f"power state {_powers(value)}",
    "before_resize": lambda value: f"{vm_states(value)} before the resize",
    "since": lambda value: f"from microversion {value}",
    "until": lambda value: f"before microversion {value}",
    "option": lambda value: f"option {code(value)}",
    "driver": lambda value: f"hypervisor {code(value)}",
}


def condition(when: When) -> str:
    """Return a condition in words; empty where it always holds."""
    said = ((each.name, getattr(when, each.name)) for each in fields(when))
    return ", ".join(_CONDITIONS[name](value) for name, value in said if value is not None)


def end(outcome: Outcome) -> str:
    """Return where an outcome leaves the server."""
    where = vm_link(outcome.end) if isinstance(outcome.end, VmState) else outcome.end.value
    if outcome.left is None:
        return where
    left = "the task" if outcome.left == "kept" else code(outcome.left)
    return f"{where}; {left} is left behind"


def path(steps: Iterable[Step]) -> str:
    """Return the steps of a way with arrows between."""
    return " → ".join(map(_step, steps))


def _step(step: Step) -> str:
    if not isinstance(step, tuple):
        return code(step)
    vm_state, task = step
    return vm_link(vm_state) + ("" if task is None else f" + {code(task)}")


def passing(shown: Iterable[Passing]) -> str:
    """Return what shows for an instant."""
    return listed(_passed(each) for each in shown)


def _passed(each: Passing) -> str:
    where = vm_link(each.vm_state) if isinstance(each.vm_state, VmState) else each.vm_state.value
    if each.task_state is None:
        return f"{where} + no task"
    return f"{where} + {'the task' if each.task_state == 'kept' else code(each.task_state)}"


def effects(found: Iterable[Effect]) -> str:
    """Return what else comes of a step."""
    return "; ".join(_effect(each) for each in found)


def _effect(each: Effect) -> str:
    when = condition(each.when)
    return f"{each.kind.value} {code(each.value)}{f' ({when})' if when else ''}"


def _offered(row: Action) -> str:
    until = "" if row.until is None else f", before {row.until}"
    return f"The action is there: from microversion {row.since}{until}."


def _backing(row: Action) -> str:
    backing = row.backing
    assert backing is not None  # build.py: a row has the guard and the column, or neither
    until = "" if backing.until is None else f", before microversion {backing.until}"
    unless = "" if backing.unless is None else f", unless {backing.unless}"
    if backing.unless_since is not None:
        unless += f" (from {backing.unless_since})"
    return f"The root disk is no volume{until}{unless}."


def _vm_state(row: Action) -> str:
    narrower = row.volume_backed_vm_states
    also = "" if narrower is None else f" Volume-backed: {vm_states(narrower)}."
    return f"vm_state: {vm_states(row.vm_states)}.{also}"


def _task_state(row: Action) -> str:
    if not row.any_task_in:
        return f"Task under way: {tasks(row.task_states)}."
    some = listed(map(status_link, sorted(row.any_task_in)), "or")
    return f"Task under way: {tasks(row.task_states)}; with status {some} any."


_GUARDS: Final[dict[Guard, Callable[[Action], str]]] = {
    Guard.AUTHENTICATED: lambda row: "There is a valid token.",
    Guard.OFFERED: _offered,
    Guard.REMOVED: lambda row: "The action was not taken out of Nova.",
    Guard.BODY: lambda row: "The body has the form that the action wants.",
    Guard.KNOWN: lambda row: "There is such a server.",
    Guard.FOUND: lambda row: "It is not deleted, and the person's project may see it.",
    Guard.POLICY: lambda row: f"Role {row.policy.least.value} or more: {code(row.rule)}.",
    Guard.LATE_POLICY: lambda row: _late_policy(row),
    Guard.LOCK: lambda row: LOCKS[row.lock],
    Guard.LOCK_OWNER: lambda row: f"An administrator's lock: {_late_policy(row)}",
    Guard.HOST: lambda row: "A compute host holds the server.",
    Guard.HOST_OF_IMAGE: lambda row: "A compute host holds the server, if it is image-backed.",
    Guard.VM_STATE: _vm_state,
    Guard.LATE_VM_STATE: lambda row: f"vm_state, now: {vm_states(row.late_vm_states)}.",
    Guard.TASK_STATE: _task_state,
    Guard.LAUNCHED: lambda row: "The server ran at least once.",
    Guard.BACKING: _backing,
    Guard.ABSENT: lambda row: "There is no such server yet.",
    Guard.LATE_BODY: lambda row: "The values in the body are what they should be.",
}


def _late_policy(row: Action) -> str:
    least = "admin" if row.late_policy is None else row.late_policy.least.value
    return f"Role {least} or more: {code(row.late_rule)}."


def guard_sentence(guard: Guard, row: Action) -> str:
    """Return what a guard of a row lets pass."""
    return _GUARDS[guard](row)


def _complete() -> Iterator[str]:
    yield from (guard for guard in Guard if guard not in _GUARDS)
    yield from (lock for lock in Lock if lock not in LOCKS)
    yield from (each.name for each in fields(When) if each.name not in _CONDITIONS)


if missing := list(_complete()):
    raise KeyError(f"words.py has no sentence for {', '.join(missing)}")
