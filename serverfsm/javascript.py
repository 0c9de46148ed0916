"""The table as one ES module without dependencies: what `check` needs of it, and an evaluator.

Only the choice of what goes into the module belongs here; the evaluator is `verdicts.mjs`.
"""

from __future__ import annotations

import json
from dataclasses import fields
from importlib import resources
from typing import Any, Final

from serverfsm import __version__
from serverfsm.advice import CURED_BY_WAITING
from serverfsm.export_columns import columns, plain
from serverfsm.requests import FIRST, LATEST, Actor, Guard, Policy
from serverfsm.rows import Action, Answer, End, Outcome, Write
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import (
    Kind,
    LockedBy,
    PowerState,
    Status,
    TaskState,
    VmState,
    status_of,
)

__all__ = ["NOVA_RELEASE", "javascript"]

NOVA_RELEASE: Final = "34.0.0"
"""The release of Nova whose words and microversions the table has."""

Document = dict[str, Any]

# Columns of a row that the evaluator reads under their own names.
_ROW = frozenset(
    {
        "name",
        "label",
        "vm_states",
        "volume_backed_vm_states",
        "late_vm_states",
        "task_states",
        "any_task_in",
        "policy",
        "rule",
        "late_policy",
        "late_rule",
        "since",
        "until",
        "ignored_before",
        "normal",
        "destructive",
    }
)

# The module is not shown the request's body.
_OF_BODY = frozenset({Guard.BODY, Guard.LATE_BODY})


def javascript(rulebook: Rulebook = API_REFERENCE) -> str:
    """Return the text of an ES module that answers as `check` does by this rulebook.

    ASCII, and the same bytes for the same table. It may stand in a page's script element as it is.

    >>> text = javascript()
    >>> text.startswith("// serverfsm"), "import" in text
    (True, False)
    """
    head = (
        f"// serverfsm {__version__}, rulebook {rulebook.name}. "
        'Written by "serverfsm export js"; do not edit.'
    )
    evaluator = resources.files("serverfsm").joinpath("verdicts.mjs").read_text("utf-8")
    return f"{head}\nconst TABLE = {_written(_table(rulebook))};\n\n{evaluator}"


def _table(rulebook: Rulebook) -> Document:
    """What the evaluator reads of the table; `actions` are its rows."""
    from serverfsm.table import ANSWERS, INVALID_STATE

    return {
        "rulebook": rulebook.name,
        "version": __version__,
        "release": NOVA_RELEASE,
        "microversions": [FIRST, LATEST],
        "actors": {who.value: who.rank for who in Actor},
        "policies": {policy.value: policy.least.value for policy in Policy},
        "statuses": plain(tuple(Status)),
        "vm_states": plain(tuple(VmState)),
        "task_states": plain(tuple(TaskState)),
        "power_states": {state.name: state.value for state in PowerState},
        "lock_owners": plain(tuple(LockedBy)),
        "stable": [word.value for word in VmState if word.kind is Kind.STABLE],
        "gone": [word.value for word in (*VmState, *Status) if word.kind is Kind.GONE],
        "hostless": [vm.value for vm in VmState if not Server(vm).host],
        "projection": {vm.value: _projection(vm) for vm in VmState},
        "after": {vm.value: _after(rulebook, vm) for vm in VmState},
        "ends": {
            end.name: {vm.value: plain(Outcome("done", end).ends(vm)) for vm in VmState}
            for end in End
        },
        "cured_by_waiting": plain(CURED_BY_WAITING),
        "answers": {guard.value: _answer(ANSWERS[guard]) for guard in Guard if guard in ANSWERS},
        "invalid_state": _answer(INVALID_STATE),
        "actions": [_row(rulebook, row) for row in rulebook],
    }


def _projection(vm_state: VmState) -> list[Any]:
    """The status without a task, and those of the tasks that change it."""
    idle = status_of(vm_state, None)
    found = {task.value: status_of(vm_state, task).value for task in TaskState}
    return [idle.value, {task: status for task, status in found.items() if status != idle}]


def _after(rulebook: Rulebook, vm_state: VmState) -> Document:
    """Where each task may leave the server; not those that leave it where it is."""
    found = {task.value: rulebook.after(vm_state, task) for task in TaskState}
    return {task: plain(ends) for task, ends in found.items() if ends != {vm_state}}


def _row(rulebook: Rulebook, row: Action) -> Document:
    return {
        **{
            each.name: plain(getattr(row, each.name))
            for each in fields(Action)
            if each.name in _ROW and getattr(row, each.name) != each.default
        },
        "guards": plain(_guards(row)),
        **_answers(rulebook, row),
        **_backing(row),
        **({"removed": True} if row.removed is not None else {}),
        **({"writes": [_write(rulebook, each) for each in row.writes]} if row.writes else {}),
        "ends": [plain(outcome.end) for outcome in row.success],
        **({"runs": True} if row.sources.run else {}),
    }


def _guards(row: Action) -> tuple[Guard, ...]:
    return tuple(guard for guard in row.guards if guard not in _OF_BODY)


def _answer(answer: Answer) -> Document:
    return {"code": answer.code, "message": answer.message}


def _answers(rulebook: Rulebook, row: Action) -> Document:
    """The refusals of this row that differ from the common ones, by guard."""
    from serverfsm.table import ANSWERS

    found = {guard: rulebook.answer(row, guard) for guard in _guards(row)}
    own = {
        guard.value: _answer(answer)
        for guard, answer in found.items()
        if answer != ANSWERS.get(guard)
    }
    return {"answers": own} if own else {}


def _backing(row: Action) -> Document:
    if row.backing is None:
        return {}
    said = columns(row.backing)
    return {"backing": {column: said[column] for column in said if column != "answer"}}


def _write(rulebook: Rulebook, write: Write) -> Document:
    when = columns(write.when)
    if "option" in when:
        when["option"] = rulebook.option_holds(when["option"])
    if "driver" in when:
        when["driver"] = rulebook.options.compute_driver is write.when.driver
    return {"values": plain(write.values), **({"when": when} if when else {})}


def _written(table: Document) -> str:
    """The table as a literal, a line for each key and each row; `<` cannot end a script element."""
    rows = ",\n".join(_compact(row) for row in table["actions"])
    others = [f"{_compact(key)}:{_compact(table[key])},\n" for key in table if key != "actions"]
    return f'{{\n{"".join(others)}"actions":[\n{rows}\n]}}'


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
