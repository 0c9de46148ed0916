"""The table for other programs and for people: JSON, CSV and Markdown.

Only the form belongs here; every value comes from a rulebook.
"""

from __future__ import annotations

import csv
import io
import json
from importlib import resources
from typing import Any

from serverfsm.export_columns import columns, plain
from serverfsm.export_rows import action_document, deviation_document, timer_document, whole
from serverfsm.options import Options
from serverfsm.rows import End
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import PowerState, TaskState, VmState, status_of

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
    from serverfsm.table import ANSWERS
    from serverfsm.unprompted import POWER_STATES, REACTIONS, TIMERS, UNUSED_TASKS

    return {
        "schema": SCHEMA,
        "rulebook": rulebook.name,
        "projection": [
            {"vm_state": vm.value, "task_state": plain(task), "status": status_of(vm, task).value}
            for vm in VmState
            for task in (None, *TaskState)
        ],
        "power_state_names": {state.name: state.value for state in PowerState},
        "power_states": plain(POWER_STATES),
        "ends": {end.name: end.value for end in End},
        "options": whole(Options()),
        "answers": plain(ANSWERS),
        "actions": [action_document(row) for row in rulebook],
        "timers": [timer_document(timer) for timer in TIMERS],
        "reactions": [columns(reaction) for reaction in REACTIONS],
        "unused_tasks": plain(UNUSED_TASKS),
        "deviations": [deviation_document(each) for each in DEVIATIONS],
    }


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
