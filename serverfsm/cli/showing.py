"""How an answer is printed: on a terminal, into a pipe, as JSON.

Only printing that several commands share belongs here.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from serverfsm.verdict import Verdict

__all__ = ["columns", "console_of_output", "print_json", "verdict_document"]


def console_of_output() -> Console:
    """A console that colours and folds for a terminal, and neither for a pipe."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=10_000, color_system=None)


def columns(*names: str) -> Table:
    """An empty table with these columns and no lines around them."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def print_json(document: object) -> None:
    """Print a document, indented."""
    typer.echo(json.dumps(document, indent=2))


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON has it."""
    guard = verdict.guard
    return {
        "action": verdict.action and verdict.action.value,
        "allowed": verdict.allowed,
        "maybe": verdict.maybe,
        "code": verdict.code,
        "reason": verdict.reason.value,
        "attribute": verdict.attribute,
        "have": verdict.have,
        "want": list(verdict.want),
        "message": verdict.message,
        "set": None if guard is None else dict(guard.set),
        "retryable": verdict.retryable,
        "hint": verdict.hint,
        "depends_on": list(verdict.depends_on),
        "assumes": [assumption.sentence for assumption in verdict.assumes],
    }
