"""`serverfsm wait`: what to wait for after a request was accepted.

Only this one command belongs here, and how a waiter is shown.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from serverfsm.acceptors import NOT_FOUND, Acceptor, TaskShown, WaitState
from serverfsm.cli.options import (
    API_REFERENCE_BOOK,
    REFUSED,
    AsOption,
    BackingOption,
    BookOption,
    MicroversionOption,
    OperatorOption,
    Role,
    TaskStateOption,
)
from serverfsm.cli.reading import complaints, operator_options, read_server
from serverfsm.cli.showing import columns, console_of_output, print_json
from serverfsm.requests import LATEST, Actor
from serverfsm.rulebook import RULEBOOKS
from serverfsm.states import TaskState
from serverfsm.verdict import RefusedError
from serverfsm.waiting import Waiter, waiter

__all__ = ["wait_command"]


class WaitFormat(StrEnum):
    """Values of --format of `serverfsm wait`."""

    text = "text"
    json = "json"
    botocore = "botocore"


def wait_command(
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="The request key, as os-stop or reboot:HARD.")
    ],
    server: Annotated[
        str | None,
        typer.Argument(
            metavar="SERVER",
            help="The server before the request: a status, a file with the JSON of "
            "GET /servers/{id}, or - for standard input. None where there was none.",
        ),
    ] = None,
    who: AsOption = Role.member,
    task_state: TaskStateOption = None,
    volume_backed: BackingOption = None,
    microversion: MicroversionOption = LATEST,
    book: BookOption = API_REFERENCE_BOOK,
    option: OperatorOption = None,
    form: Annotated[WaitFormat, typer.Option("--format", help="How to answer.")] = WaitFormat.text,
) -> None:
    """Say what to wait for after an action was accepted: exit status 1 if it would be refused."""
    with complaints():
        options = operator_options(option)
        before = (
            None if server is None else read_server(server, None, None, task_state, volume_backed)
        )
        try:
            found = waiter(
                action,
                before,
                actor=Actor(who),
                microversion=microversion,
                rulebook=RULEBOOKS[book.value],
                options=options,
            )
        except RefusedError as refused:
            text = f"serverfsm: {refused.verdict.code}, there is nothing to wait for: {refused}"
            typer.echo(text, err=True)
            raise typer.Exit(REFUSED) from None
    if form is WaitFormat.botocore:
        print_json(found.to_botocore())
    elif form is WaitFormat.json:
        print_json(found.to_dict())
    else:
        _print_waiter(found)


def _print_waiter(found: Waiter) -> None:
    console = console_of_output()
    origin = "" if found.origin is None else f" from {found.origin.status}"
    console.print(Text(f"{found.action}{origin}", style="bold"))
    table = columns("means", "seen", "why")
    together: dict[tuple[WaitState, str], list[Acceptor]] = {}
    for each in found.acceptors:
        together.setdefault((each.state, each.sentence), []).append(each)
    styles = {WaitState.SUCCESS: "green", WaitState.FAILURE: "red", WaitState.RETRY: "yellow"}
    for (state, sentence), alike in together.items():
        table.add_row(Text(state.value, style=styles[state]), Text(_seen(alike)), Text(sentence))
    console.print(table)
    if found.evidence is not None:
        console.print(Text(f"whether it succeeded shows: {found.evidence}"))
    if found.never_ends:
        names = " or ".join(found.never_ends)
        console.print(Text(f"give up some time: after {names} it looks under way for ever"))


def _seen(alike: list[Acceptor]) -> str:
    """What several acceptors look for, those together that have the task or status in common."""
    words: list[str] = []
    statuses: dict[str, list[str]] = {}
    tasks: dict[str, list[str]] = {}
    for each in alike:
        if each.http_status is not None:
            words.append("404" if each.http_status == NOT_FOUND else "anything else")
        elif isinstance(each.task_state, TaskState):
            tasks.setdefault(f"{each.status}", []).append(each.task_state.value)
        else:
            statuses.setdefault(_TASK_WORDS[each.task_state], []).append(f"{each.status}")
    words += [f"{', '.join(found)}{task}" for task, found in statuses.items()]
    words += [f"{status} + {', '.join(found)}" for status, found in tasks.items()]
    return "; ".join(words)


_TASK_WORDS = {None: " + no task", TaskShown.ANY: "", TaskShown.HIDDEN: " alone"}
