"""The command `serverfsm`: verdicts, plans and the table, for people and for pipes.

Only the list of commands belongs here; each stands in a file of this package.
"""

from __future__ import annotations

import os
import sys

import typer

from serverfsm.cli.diagram import diagram_command
from serverfsm.cli.explore import explore_command
from serverfsm.cli.exports import exports
from serverfsm.cli.lifecycle import plan_command, verify_command
from serverfsm.cli.tables import deviations_command, table_command
from serverfsm.cli.verdicts import allowed_command, check_command
from serverfsm.cli.wait import wait_command

__all__ = ["app", "run"]

app: typer.Typer = typer.Typer(
    name="serverfsm",
    help="What may be done to an OpenStack server now, and if not, why not.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

# In the order of `serverfsm --help`.
app.command("allowed")(allowed_command)
app.command("check")(check_command)
app.command("table")(table_command)
app.command("deviations")(deviations_command)
app.command("plan")(plan_command)
app.command("verify")(verify_command)
app.command("wait")(wait_command)
app.command("diagram")(diagram_command)
app.command("explore")(explore_command)
app.add_typer(exports, name="export")


def run() -> None:
    """Run the command; a broken pipe ends it quietly."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
