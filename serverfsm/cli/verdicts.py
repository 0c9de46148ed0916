"""`serverfsm allowed` and `serverfsm check`: what may be done to a server now, and why not.

Only these two commands belong here, and how a verdict is shown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.text import Text

from serverfsm.batch import Batch, lines
from serverfsm.check import allowed, check
from serverfsm.cli.options import (
    API_REFERENCE_BOOK,
    REFUSED,
    WRONG_USE,
    AsOption,
    BackingOption,
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
from serverfsm.cli.reading import complain, complaints, operator_options, read_server
from serverfsm.cli.showing import columns, console_of_output, print_json, verdict_document
from serverfsm.requests import LATEST, Actor, Microversion
from serverfsm.rulebook import RULEBOOKS
from serverfsm.server import Server
from serverfsm.verdict import Verdict

__all__ = ["allowed_command", "check_command"]


def allowed_command(
    server: ServerArgument,
    who: AsOption = Role.member,
    locked: LockedOption = None,
    locked_by: LockedByOption = None,
    task_state: TaskStateOption = None,
    volume_backed: BackingOption = None,
    microversion: MicroversionOption = LATEST,
    book: BookOption = API_REFERENCE_BOOK,
    option: OperatorOption = None,
    form: FormatOption = Format.text,
) -> None:
    """List what may be done to a server, and why the rest may not."""
    with complaints():
        subject = read_server(server, locked, locked_by, task_state, volume_backed)
        rules = RULEBOOKS[book.value].having(operator_options(option))
        verdicts = allowed(
            subject, actor=Actor(who), microversion=Microversion(microversion), rulebook=rules
        )
    if form is Format.json:
        print_json(
            {
                "server": _server_document(subject),
                "actor": who.value,
                "microversion": str(microversion),
                "rulebook": rules.name,
                "actions": [verdict_document(verdict) for verdict in verdicts.values()],
            }
        )
    else:
        _print_verdicts(subject, list(verdicts.values()))


def check_command(
    server: Annotated[
        str | None,
        typer.Argument(
            metavar="SERVER",
            help="A status, a file with the JSON of a server, or - for standard input.",
        ),
    ] = None,
    action: Annotated[
        str | None,
        typer.Argument(metavar="ACTION", help="The request key, as os-stop or reboot:HARD."),
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="The whole request body instead of ACTION, as '{\"os-stop\": null}'.",
        ),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Answer a file of JSON lines instead; - for input."),
    ] = None,
    who: AsOption = Role.member,
    locked: LockedOption = None,
    locked_by: LockedByOption = None,
    task_state: TaskStateOption = None,
    volume_backed: BackingOption = None,
    microversion: MicroversionOption = LATEST,
    book: BookOption = API_REFERENCE_BOOK,
    option: OperatorOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Say whether one action is allowed: exit status 0 if it is, 1 if not, 2 for wrong use."""
    if batch is not None:
        if server is not None or action is not None or body is not None:
            complain("--batch takes servers and actions from its file, not as arguments")
        if option:
            complain("--batch takes no --option: it answers by Nova's defaults")
        raise typer.Exit(_answer_file(batch))
    if server is None or (action is None) is (body is None):
        complain("a SERVER and either an ACTION or --body JSON are needed, or --batch FILE")
    asked = (
        {"action": action} if body is None else {"body": body.encode("utf-8", "surrogateescape")}
    )
    with complaints():
        verdict = check(
            read_server(server, locked, locked_by, task_state, volume_backed),
            actor=Actor(who),
            microversion=microversion,
            rulebook=RULEBOOKS[book.value].having(operator_options(option)),
            **asked,
        )
    if form is Format.json:
        print_json(verdict_document(verdict))
    else:
        _print_verdict(verdict, action or str(verdict.action or "no action"))
    raise typer.Exit(0 if verdict else REFUSED)


# ------------------------------------------------------------------------------ a file of lines


def _answer_file(name: str) -> int:
    """Answer a file of lines; the exit status."""
    if name == "-":
        return _answer(sys.stdin.buffer)
    with complaints():
        source = Path(name).open("rb")  # noqa: SIM115
    with source:
        return _answer(source)


def _answer(source: BinaryIO) -> int:
    """Answer whatever has arrived before reading on, so that a waiting writer is not left so."""
    batch = Batch()
    sink = sys.stdout.buffer
    read: Any = getattr(source, "read1", source.read)

    def chunks() -> Iterator[bytes]:
        while chunk := read(65536):
            yield chunk
            sink.flush()

    for line in lines(chunks()):
        sink.write(batch.answer(line) + b"\n")
    sink.flush()
    return WRONG_USE if batch.bad else 0


# ------------------------------------------------------------------------------ showing


def _server_document(server: Server) -> dict[str, Any]:
    return {
        "status": server.status.value,
        "vm_state": server.vm_state and server.vm_state.value,
        "task_state": server.task_state and server.task_state.value,
        "power_state": server.power_state.value,
        "locked": server.locked,
        "locked_by": server.locked_by and server.locked_by.value,
        "launched": server.launched,
        "host": server.host,
        "volume_backed": server.volume_backed,
    }


def _description(server: Server) -> str:
    words = [f"status {server.status}"]
    if server.vm_state is not None:
        words.append(f"vm_state {server.vm_state}")
        words.append(f"task_state {server.task_state or 'none'}")
    if server.locked:
        words.append(f"locked by {server.locked_by or 'somebody'}")
    if server.volume_backed:
        words.append("volume-backed")
    return ", ".join(words)


def _print_verdicts(server: Server, verdicts: list[Verdict]) -> None:
    console = console_of_output()
    console.print(Text(_description(server), style="bold"))
    table = columns("action", "answer", "why", "instead")
    for verdict in sorted(verdicts, key=_rank):
        word, style = _WORDS[_rank(verdict)]
        table.add_row(
            Text(str(verdict.action)),
            Text(f"{word} {verdict.code}", style=style),
            Text(_why(verdict)),
            Text(verdict.hint or ""),
        )
    console.print(table)


def _rank(verdict: Verdict) -> int:
    return 0 if verdict else 1 if verdict.maybe else 2


_WORDS = (("yes", "green"), ("maybe", "yellow"), ("no", "red"))


def _why(verdict: Verdict) -> str:
    if verdict.refusal is None or verdict.maybe:
        return ""
    have = verdict.have
    if verdict.attribute in ("vm_state", "task_state", "microversion", "status"):
        return f"{verdict.attribute} {have or 'none'}"
    return verdict.reason.value.replace("_", " ")


def _print_verdict(verdict: Verdict, action: str) -> None:
    console = console_of_output()
    word = ("allowed", "maybe", "refused")[_rank(verdict)]
    console.print(Text(f"{action}: {word}, {verdict.code}", style="bold"))
    if verdict.message is not None and not verdict.maybe:
        console.print(Text(f"  answer: {verdict.message}"))
    for failure in verdict.failures[1:]:
        console.print(Text(f"  also:   {failure.attribute}: {failure.template}"))
    if verdict.hint is not None:
        console.print(Text(f"  hint:   {verdict.hint}"))
    if verdict.retryable:
        console.print(Text("  retry:  yes, a task is under way"))
    guard = verdict.guard
    if guard is not None and guard.set:
        writes = ", ".join(f"{column} = {value}" for column, value in guard.set.items())
        console.print(Text(f"  writes: {writes}"))
    if verdict.allowed and verdict.depends_on:
        console.print(Text(f"  writes: depends on {', '.join(verdict.depends_on)}"))
    for assumption in verdict.assumes:
        console.print(Text(f"  if:     {assumption.sentence}"))
