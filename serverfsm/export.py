"""The table for other programs and for people: JSON, CSV and Markdown.

Only the form belongs here; every value comes from a rulebook.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from importlib import resources
from typing import Any

from serverfsm.requests import Guard
from serverfsm.rows import Action, Deviation, End, Outcome, Timer
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import Status, TaskState, VmState, status_of

__all__ = [
    "SCHEMA",
    "deviation_document",
    "schema",
    "table_csv",
    "table_document",
    "table_markdown",
]

SCHEMA = "urn:serverfsm:table:1"
"""The identifier of the JSON Schema that `table_document` obeys; see `schema`."""

Document = dict[str, Any]


def schema() -> Document:
    """Return the JSON Schema (draft 2020-12) of `table_document`."""
    import json

    text = resources.files("serverfsm").joinpath("table.schema.json").read_text("utf-8")
    document: Document = json.loads(text)
    return document


def table_document(rulebook: Rulebook = API_REFERENCE) -> Document:
    """Return the whole table as plain JSON values.

    >>> document = table_document()
    >>> document["rulebook"], [row["action"] for row in document["actions"]][:2]
    ('api-reference', ['addFloatingIp', 'addSecurityGroup'])
    """
    from serverfsm.deviations import DEVIATIONS
    from serverfsm.unprompted import TIMERS

    return {
        "schema": SCHEMA,
        "rulebook": rulebook.name,
        "projection": [
            {"vm_state": vm.value, "task_state": _text(task), "status": status_of(vm, task).value}
            for vm in VmState
            for task in (None, *TaskState)
        ],
        "actions": [_action(row) for row in rulebook],
        "timers": [_timer(timer) for timer in TIMERS],
        "deviations": [deviation_document(each) for each in DEVIATIONS],
    }


def _action(row: Action) -> Document:
    return {
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
        "parameters": [
            {
                "name": parameter.name,
                "required": parameter.required,
                "since": parameter.since,
                "until": parameter.until,
                "values": list(parameter.values),
            }
            for parameter in row.parameters
        ],
        "writes": [
            {
                "when": _conditions(write.when),
                "set": {k: _plain(v) for k, v in write.values.items()},
            }
            for write in row.writes
        ],
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
        "assumes": [assumption.sentence for assumption in row.assumes],
        "source": row.sources.cited(),
    }


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


def _timer(timer: Timer) -> Document:
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
    }


def deviation_document(deviation: Deviation) -> Document:
    """Return one deviation as plain JSON values."""
    return {
        "name": deviation.name,
        "action": deviation.action.key,
        "variant": deviation.action.variant,
        "column": deviation.column,
        "reference": _plain(deviation.reference),
        "nova": _plain(deviation.nova),
        "documented": deviation.documented,
        "observed": deviation.observed,
        "evidence": deviation.evidence,
    }


def _plain(value: object) -> Any:
    """A value of a column as JSON has it."""
    if isinstance(value, frozenset):
        words = sorted((item for item in value if item is not None), key=str)
        return [*([None] if None in value else []), *(_plain(word) for word in words)]
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool | int):
        return value
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is None:
        return str(value)
    return {name: _plain(getattr(value, name)) for name in fields}


def _conditions(when: object) -> Document:
    return {name: value for name, value in _plain(when).items() if value is not None}


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


_COLUMNS = (
    "action",
    "variant",
    "title",
    "statuses",
    "vm_states",
    "task_states",
    "lock",
    "policy",
    "since",
    "until",
    "normal",
    "errors",
    "during",
    "success",
    "failures",
)


def _flat(row: Document) -> dict[str, str]:
    """A row's main columns, each as one line of text."""
    requires = row["requires"]
    tasks = requires["task_states"]
    return {
        "action": row["action"],
        "variant": row["variant"] or "",
        "title": row["title"],
        "statuses": " ".join(requires["statuses"]) or "any",
        "vm_states": "any"
        if requires["vm_states"] is None
        else " ".join(requires["vm_states"]) or "none",
        "task_states": tasks if tasks == "any" else _few([task or "none" for task in tasks]),
        "lock": row["lock"],
        "policy": row["policy"],
        "since": row["since"],
        "until": row["until"] or "",
        "normal": str(row["codes"]["normal"]),
        "errors": " ".join(str(code) for code in row["codes"]["errors"]),
        "during": " ".join(row["during"]["task_states"]),
        "success": " ".join(row["success"]["statuses"]),
        "failures": " ".join(failure["name"] for failure in row["failures"]),
    }


def _few(tasks: list[str]) -> str:
    """Task_states in a few words: those left out, where they are fewer."""
    missing = [task.value for task in TaskState if task.value not in tasks]
    if len(missing) < len(tasks) and "none" in tasks:
        return f"any but {' '.join(missing)}"
    return " ".join(tasks) or "none of them"


def table_csv(rulebook: Rulebook = API_REFERENCE) -> str:
    """Return the main columns as CSV (RFC 4180), lists as words with blanks between."""
    sink = io.StringIO()
    writer = csv.DictWriter(sink, _COLUMNS)
    writer.writeheader()
    writer.writerows(_flat(row) for row in table_document(rulebook)["actions"])
    return sink.getvalue()


def table_markdown(rulebook: Rulebook = API_REFERENCE) -> str:
    """Return the main columns as a Markdown table."""
    shown = [_flat(row) for row in table_document(rulebook)["actions"]]
    head = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    body = (
        "| " + " | ".join(row[column].replace("|", "\\|") for column in _COLUMNS) + " |"
        for row in shown
    )
    return "\n".join([*head, *body]) + "\n"
