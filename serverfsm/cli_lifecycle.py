"""`serverfsm plan` and `serverfsm verify`: what to do to get there, and whether the table is sound.

Only these two commands belong here; what is read and shown as elsewhere is `cli.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.text import Text

from serverfsm import cli
from serverfsm.errors import BadOptionError
from serverfsm.options import Options
from serverfsm.planning import Plan, PlanStep, plan
from serverfsm.requests import LATEST, Actor
from serverfsm.rulebook import RULEBOOKS
from serverfsm.verification import Report, verify

__all__ = ["plan_command", "verify_command"]


@cli.app.command("plan")
def plan_command(
    server: cli.ServerArgument,
    goal: Annotated[
        str, typer.Option("--to", metavar="STATUS", help="Where it shall come to rest.")
    ],
    who: cli.As = cli.Role.member,
    locked: cli.Locked = None,
    locked_by: cli.LockedByOption = None,
    task_state: cli.TaskState = None,
    volume_backed: cli.Backed = None,
    microversion: cli.Version = LATEST,
    book: cli.BookOption = cli.API_REFERENCE_BOOK,
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
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An operator's option; may be given again."),
    ] = None,
    form: cli.FormatOption = cli.Format.text,
) -> None:
    """Find the cheapest allowed way to a status: exit status 0 if there is one, 1 if not."""
    with cli._complaints():
        found = plan(
            cli._server(server, locked, locked_by, task_state, volume_backed),
            goal.upper(),
            actor=Actor(who),
            microversion=microversion,
            rulebook=RULEBOOKS[book.value],
            options=Options.from_mapping(_assigned(option, "--option must be NAME=VALUE")),
            cost=_costs(cost),
            including=including or (),
        )
    if form is cli.Format.json:
        cli._print_json(found.to_dict())
    else:
        _print_plan(found)
    raise typer.Exit(0 if found else cli.REFUSED)


@cli.app.command("verify")
def verify_command(
    book: Annotated[
        cli.Book | None, typer.Option("--rulebook", help="Whose rules; both unless given.")
    ] = None,
    form: cli.FormatOption = cli.Format.text,
) -> None:
    """Prove the table consistent, case by case: exit status 0 if no fault is found, 1 if one is."""
    books = RULEBOOKS.values() if book is None else (RULEBOOKS[book.value],)
    reports = [verify(each) for each in books]
    if form is cli.Format.json:
        cli._print_json([report.to_dict() for report in reports])
    else:
        for report in reports:
            _print_report(report)
    raise typer.Exit(0 if all(reports) else cli.REFUSED)


# ------------------------------------------------------------------------------ reading


def _assigned(texts: Iterable[str] | None, form: str) -> dict[str, str]:
    """The values of an option that is given as NAME=VALUE."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise BadOptionError(f"{form}, not {text!r}")
        found[name.strip()] = value.strip()
    return found


def _costs(texts: Iterable[str] | None) -> dict[str, float]:
    form = "--cost must be ACTION=NUMBER"
    return {name: _number(value, form) for name, value in _assigned(texts, form).items()}


def _number(text: str, form: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadOptionError(f"{form}, and {text!r} is no number") from None


# ------------------------------------------------------------------------------ showing


def _print_plan(found: Plan) -> None:
    console = cli._console()
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
        fixed = f" = {each.values[0]}" if len(each.values) == 1 else ""
        yield f"    with: {each.name}{fixed}"
    for assumption in step.assumes:
        yield f"    if:   {assumption.sentence}"
    if step.wait_for is not None:
        shows = (f"{status} + {task or 'none'}" for status, task in step.passes)
        yield f"wait for {step.wait_for}"
        yield f"    past: {', '.join(shows)}"


def _print_report(report: Report) -> None:
    console = cli._console()
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
