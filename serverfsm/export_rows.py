"""A row of the table as plain JSON values: of an action, of a timer, of a deviation.

Only the form belongs here. What a row says of its outcomes stands there under the names of its
columns; what is worked out from it, such as the statuses of a run, stands beside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from serverfsm.export_columns import columns, plain
from serverfsm.options import Options
from serverfsm.requests import Guard
from serverfsm.rows import Action, Answer, Backing, Deviation, End, Outcome, Timer, Write
from serverfsm.running import goes_on
from serverfsm.states import Status, TaskState, VmState, status_of

__all__ = ["action_document", "deviation_document", "timer_document", "whole"]

Document = dict[str, Any]

# Columns of a row that stand in its document under their own names, where they say something.
_ROW = (
    "late_vm_states",
    "forced_in",
    "hosted_at",
    "late_policy",
    "late_rule",
    "ignored_before",
    "body_key",
    "body_rules",
    "backing",
    "effects",
    "overtaken",
    "destructive",
    "record_only",
)
_TIMER = (
    "on_from",
    "since",
    "at_once",
    "when",
    "past_guards",
    "end",
    "leaves_task",
    "reaction",
    "unknown_is_past",
)


def action_document(row: Action) -> Document:
    """Return one row as plain JSON values."""
    said = columns(row)
    return {
        "name": row.name.value,
        "action": row.name.key,
        "variant": row.name.variant,
        "title": row.title,
        "label": row.label,
        "guards": [guard.value for guard in row.guards],
        "requires": {
            "statuses": _ordered(Status, required_statuses(row)),
            "vm_states": None if row.vm_states is None else [vm.value for vm in row.origins],
            "vm_states_if_volume_backed": _ordered(VmState, row.volume_backed_vm_states)
            if row.volume_backed_vm_states is not None
            else None,
            "task_states": "any" if row.task_states is None else _tasks(row.task_states),
            "any_task_in": _ordered(Status, row.any_task_in),
            "launched": Guard.LAUNCHED in row.guards,
            "host": Guard.HOST in row.guards,
            "image_backed_until": row.backing.until or "always" if row.backing else None,
        },
        "documented": row.statuses is not None,
        "lock": row.lock.value,
        "policy": row.policy.value,
        "rule": row.rule,
        "since": row.since,
        "until": row.until,
        "removed": None if row.removed is None else row.removed.code,
        "codes": {"normal": row.normal, "errors": sorted(row.errors)},
        "endpoint": row.endpoint,
        "bodies": [
            {"types": list(body.types), "since": body.since, "until": body.until}
            for body in row.bodies
        ],
        "parameters": [
            {
                "name": parameter.name,
                "shape": plain(parameter.shape),
                "required": parameter.required,
                "since": parameter.since,
                "until": parameter.until,
                "values": list(parameter.values),
                **({"empty_counts": True} if parameter.empty_counts else {}),
                **({"beside": True} if parameter.beside else {}),
            }
            for parameter in row.parameters
        ],
        "writes": [_write(write) for write in row.writes],
        "during": {
            "task_states": [task.value for task in row.during],
            "statuses": _ordered(Status, _statuses_during(row)),
        },
        "success": {
            "statuses": _ordered(Status, _statuses_after(row, row.success)),
            "vm_states": _ordered(VmState, _vm_states_after(row, row.success)),
        },
        "failures": [
            {
                "name": failure.name,
                "statuses": _ordered(Status, _statuses_after(row, [failure])),
                "at": [_step(step) for step in failure.path],
            }
            for failure in row.failures
        ],
        "outcomes": [
            *({**columns(each), **_ends_at_once(row, each)} for each in row.success),
            *(columns(each) for each in row.failures),
        ],
        "assumes": [assumption.sentence for assumption in row.assumes],
        "source": row.sources.cited(),
        "run": row.sources.cited()[-1] if row.sources.run else None,
        **({"assumptions": said["assumes"]} if row.assumes else {}),
        **_answers(row),
        **{column: said[column] for column in _ROW if column in said},
    }


def _write(write: Write) -> Document:
    said = columns(write)
    values = said.pop("values")
    return {"when": {}, **said, "set": values}


def _ends_at_once(row: Action, success: Outcome) -> Document:
    """Whether nothing follows acceptance on this way."""
    is_all = not row.sources.run or not goes_on(row, success)
    return {"ends_with_acceptance": True} if is_all else {}


def _answers(row: Action) -> Document:
    """The refusals that differ from the common ones, by guard."""
    removed = {} if row.removed is None else {Guard.REMOVED: row.removed}
    answers = plain({**row.answers, **removed})
    return {"answers": answers} if answers else {}


def required_statuses(row: Action) -> set[Status]:
    """The statuses that the reference names, or where it is silent those of the accepted pairs.

    Empty where any state will do.
    """
    if row.statuses is not None:
        return set(row.statuses)
    if row.vm_states is None:
        return set()
    tasks = (None, *TaskState)
    return {status_of(vm, t) for vm in row.origins for t in tasks if row.accepts(vm, t)}


def _origins(row: Action) -> Iterable[VmState]:
    return row.origins or (VmState.BUILDING,)


def _statuses_during(row: Action) -> set[Status]:
    found: set[Status] = set()
    for origin in _origins(row):
        for outcome in row.successes(origin):
            for step in outcome.path:
                vm_state, task = step if isinstance(step, tuple) else (origin, step)
                found.add(status_of(vm_state, task))
    return found


def _vm_states_after(row: Action, outcomes: Iterable[Outcome]) -> set[VmState]:
    found: set[Any] = set()
    for outcome in outcomes:
        gone = outcome.end is End.GONE
        found.update({VmState.DELETED} if gone else ())
        for origin in _origins(row):
            if outcome.when.vm_states is None or origin in outcome.when.vm_states:
                found.update(outcome.ends(origin))
    return found


def _statuses_after(row: Action, outcomes: Iterable[Outcome]) -> set[Status]:
    found: set[Any] = set()
    for outcome in outcomes:
        for vm_state in _vm_states_after(row, [outcome]):
            found.add(status_of(vm_state, outcome.left))
    return found


def timer_document(timer: Timer) -> Document:
    """Return one timer as plain JSON values."""
    said = columns(timer)
    return {
        "option": timer.option,
        "default": timer.default,
        "unit": "seconds",
        "off": timer.off,
        "poll": timer.poll,
        "poll_option": timer.poll_option,
        "measures": timer.measures,
        "vm_states": None if timer.vm_states is None else _ordered(VmState, timer.vm_states),
        "task_states": "any" if timer.task_states is None else _tasks(timer.task_states),
        "does": timer.does,
        "action": _text(timer.event),
        "source": timer.source,
        **{column: said[column] for column in _TIMER if column in said},
    }


def deviation_document(deviation: Deviation) -> Document:
    """Return one deviation as plain JSON values."""
    return {
        "name": deviation.name,
        "action": deviation.action.key,
        "variant": deviation.action.variant,
        "column": deviation.column,
        "reference": whole(deviation.reference),
        "nova": whole(deviation.nova),
        "documented": deviation.documented,
        "observed": deviation.observed,
        "evidence": deviation.evidence,
    }


def whole(value: object) -> Any:
    """Return a value of a column; an answer, or options, also with what says nothing."""
    if isinstance(value, Answer | Backing | Options):
        return {each.name: whole(getattr(value, each.name)) for each in fields(value)}
    return plain(value)


def _step(step: object) -> Any:
    if isinstance(step, tuple):
        return [_text(word) for word in step]
    return str(step)


def _tasks(tasks: Iterable[TaskState | None]) -> list[str | None]:
    among = set(tasks)
    return [_text(task) for task in (None, *TaskState) if task in among]


def _ordered(words: Iterable[Any], chosen: Iterable[Any]) -> list[str]:
    among = set(chosen)
    return [word.value for word in words if word in among]


def _text(word: str | None) -> str | None:
    return None if word is None else str(word)
