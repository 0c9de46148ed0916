"""`serverfsm plan` and `serverfsm verify`: what to do to get there, and whether the table is sound.

Only these two commands belong here, and how a plan and a report are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.text import Text

from serverfsm.cli.options import (
    API_REFERENCE_BOOK,
    REFUSED,
    AsOption,
    BackingOption,
    Book,
    BookOption,
    Format,
    FormatOption,
    LockedByOption,
    LockedOption,
    MicroversionOption,
    OperatorOption,
    Role,
    ServerArgument,
    TaskStateOption,
)
from serverfsm.cli.reading import assigned, complaints, operator_options, read_server
from serverfsm.cli.showing import console_of_output, print_json
from serverfsm.errors import BadOptionError
from serverfsm.planning import Plan, PlanStep, plan
from serverfsm.requests import LATEST, Actor
from serverfsm.rulebook import RULEBOOKS
from serverfsm.verification import Report, verify

__all__ = ["plan_command", "verify_command"]


def plan_command(
    server: ServerArgument,
    goal: Annotated[
        str, typer.Option("--to", metavar="STATUS", help="Where it shall come to rest.")
    ],
    who: AsOption = Role.member,
    locked: LockedOption = None,
    locked_by: LockedByOption = None,
    task_state: TaskStateOption = None,
    volume_backed: BackingOption = None,
    microversion: MicroversionOption = LATEST,
    book: BookOption = API_REFERENCE_BOOK,
    including: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ACTION",
            help="Use this action though it gives up the server or its disk (delete, rebuild) or "
            "changes only the record (os-resetState); may be given again.",
        ),
    ] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(metavar="ACTION=NUMBER", help="What an action costs, else 1; repeatable."),
    ] = None,
    option: OperatorOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Find the cheapest allowed way to a status: exit status 0 if there is one, 1 if not."""
    with complaints():
        found = plan(
            read_server(server, locked, locked_by, task_state, volume_backed),
            goal.upper(),
            actor=Actor(who),
            microversion=microversion,
            rulebook=RULEBOOKS[book.value],
            options=operator_options(option),
            cost=_costs(cost),
            including=including or (),
        )
    if form is Format.json:
        print_json(found.to_dict())
    else:
        _print_plan(found)
    raise typer.Exit(0 if found else REFUSED)


def verify_command(
    book: Annotated[
        Book | None, typer.Option("--rulebook", help="Whose rules; both unless given.")
    ] = None,
    form: FormatOption = Format.text,
) -> None:
    """Prove the table consistent, case by case: exit status 0 if no fault is found, 1 if one is."""
    books = RULEBOOKS.values() if book is None else (RULEBOOKS[book.value],)
    reports = [verify(each) for each in books]
    if form is Format.json:
        print_json([report.to_dict() for report in reports])
    else:
        for report in reports:
            _print_report(report)
    raise typer.Exit(0 if all(reports) else REFUSED)


# ------------------------------------------------------------------------------ reading


def _costs(texts: Iterable[str] | None) -> dict[str, float]:
    form = "--cost must be ACTION=NUMBER"
    return {name: _number(value, form) for name, value in assigned(texts, form).items()}


def _number(text: str, form: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadOptionError(f"{form}, and {text!r} is no number") from None


# ------------------------------------------------------------------------------ showing


def _print_plan(found: Plan) -> None:
    console = console_of_output()
    way = f"{found.start.status} to {found.goal}"
    if not found:
        console.print(Text(f"{way}: no plan", style="bold"))
        console.print(Text(f"  reason:  {found.reason}"))
    else:
        count = len(found.actions)
        actions = f"{count or 'no'} action{'' if count == 1 else 's'}"
        console.print(Text(f"{way}: {actions}, cost {found.cost:g}", style="bold"))
        for step in found.steps:
            for line in _lines(step):
                console.print(Text(f"  {line}"))
    for assumption in found.assumptions:
        console.print(Text(f"  assumed: {assumption}", style="dim"))


def _lines(step: PlanStep) -> Iterable[str]:
    if step.action is not None:
        yield step.action.value
    for each in step.parameters:
        fixed = f" = {each.values[0]}" if each.values else ""
        yield f"    with: {each.name}{fixed}"
    for assumption in step.assumes:
        yield f"    if:   {assumption.sentence}"
    if step.wait_for is not None:
        shows = (f"{status} + {task or 'none'}" for status, task in step.passes)
        yield f"wait for {step.wait_for}"
        yield f"    past: {', '.join(shows)}"


def _print_report(report: Report) -> None:
    console = console_of_output()
    faults = len(report.faults)
    sound = "no fault" if not faults else f"{faults} fault{'' if faults == 1 else 's'}"
    console.print(Text(f"{report.rulebook}: {sound} in {report.cases} cases", style="bold"))
    for check in report.checks:
        style = "green" if check else "red"
        line = Text(f"  {check.name:<10} {check.cases:>6}  ", style=style)
        console.print(line.append(check.sentence, style="default"))
        for kind, number in check.kinds:
            console.print(Text(f"    {number:>15}  {kind}", style="dim"))
        for fault in check.faults:
            console.print(Text(f"    fault: {fault}", style="red"))
