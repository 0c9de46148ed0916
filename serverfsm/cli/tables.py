"""`serverfsm table` and `serverfsm deviations`: the table itself, and where Nova departs from it.

Only these two commands belong here; the documents are `export.py`'s.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from serverfsm.cli.options import API_REFERENCE_BOOK, BookOption, Format, FormatOption
from serverfsm.cli.showing import columns, console_of_output, print_json
from serverfsm.export import deviation_document, table_csv, table_document, table_markdown
from serverfsm.rulebook import NOVA_34, RULEBOOKS, Rulebook

__all__ = ["deviations_command", "table_command"]


class TableFormat(StrEnum):
    """Values of --format of `serverfsm table`."""

    text = "text"
    json = "json"
    csv = "csv"
    markdown = "markdown"


def table_command(
    book: BookOption = API_REFERENCE_BOOK,
    form: Annotated[TableFormat, typer.Option("--format", help="In which form.")] = (
        TableFormat.text
    ),
) -> None:
    """Show the whole table: every action with its rules, outcomes and sources."""
    rules = RULEBOOKS[book.value]
    if form is TableFormat.json:
        print_json(table_document(rules))
    elif form is TableFormat.csv:
        sys.stdout.write(table_csv(rules))
    elif form is TableFormat.markdown:
        sys.stdout.write(table_markdown(rules))
    else:
        _print_table(rules)


def deviations_command(form: FormatOption = Format.text) -> None:
    """Show where the API reference and Nova 34 part ways, with evidence."""
    documents = [deviation_document(each) for each in NOVA_34.deviations]
    if form is Format.json:
        print_json(documents)
        return
    console = console_of_output()
    for deviation in NOVA_34.deviations:
        console.print(Text(f"{deviation.action}  ({deviation.name})", style="bold"))
        console.print(Text(f"  reference: {deviation.documented}"))
        console.print(Text(f"  Nova 34:   {deviation.observed}"))
        console.print(Text(f"  evidence:  {deviation.evidence}", style="dim"))


def _print_table(rules: Rulebook) -> None:
    console = console_of_output()
    table = columns("action", "accepted in", "task", "lock", "policy", "codes", "leads to")
    for row in table_document(rules)["actions"]:
        requires = row["requires"]
        tasks = requires["task_states"]
        table.add_row(
            f"{row['action']}:{row['variant']}" if row["variant"] else row["action"],
            " ".join(requires["vm_states"]) if requires["vm_states"] is not None else "any",
            "any" if tasks == "any" else "none" if tasks == [None] else "some",
            row["lock"],
            row["policy"],
            " ".join(map(str, [row["codes"]["normal"], *row["codes"]["errors"]])),
            " ".join(row["success"]["statuses"]) if row["during"]["task_states"] else "",
        )
    console.print(table)
