"""The command `serverfsm`: verdicts and the table, for people and for pipes.

Only reading arguments and files, and showing answers, belongs here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serverfsm import states
from serverfsm.batch import Batch, lines
from serverfsm.check import allowed, check
from serverfsm.errors import MalformedServerError, UnknownStateError, nearest
from serverfsm.export import deviation_document, table_csv, table_document, table_markdown
from serverfsm.requests import LATEST, Actor, Microversion
from serverfsm.rulebook import NOVA_34, RULEBOOKS, Rulebook
from serverfsm.server import Server
from serverfsm.states import LockedBy, Status
from serverfsm.verdict import Verdict

__all__ = ["app", "run"]

app: typer.Typer = typer.Typer(
    name="serverfsm",
    help="What may be done to an OpenStack server now, and if not, why not.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

REFUSED, WRONG_USE = 1, 2


class Role(StrEnum):
    """Values of --as; the same words as `Actor`."""

    anonymous = Actor.ANONYMOUS.value
    stranger = Actor.STRANGER.value
    reader = Actor.READER.value
    member = Actor.MEMBER.value
    manager = Actor.MANAGER.value
    admin = Actor.ADMIN.value


class Format(StrEnum):
    """Values of --format where there is a document and a text."""

    text = "text"
    json = "json"


class TableFormat(StrEnum):
    """Values of --format of `serverfsm table`."""

    text = "text"
    json = "json"
    csv = "csv"
    markdown = "markdown"


class Owner(StrEnum):
    """Values of --locked-by; the same words as `LockedBy`."""

    owner = LockedBy.OWNER.value
    admin = LockedBy.ADMIN.value


Book = StrEnum("Book", [(name.replace("-", "_"), name) for name in RULEBOOKS])  # type: ignore[misc]

As = Annotated[Role, typer.Option("--as", help="Who asks.")]
Locked = Annotated[
    bool | None, typer.Option("--locked/--unlocked", help="Whether the server is locked.")
]
LockedByOption = Annotated[Owner | None, typer.Option(help="Who locked it; implies --locked.")]
TaskState = Annotated[
    str | None, typer.Option(help="The task under way, as Nova names it; none for no task.")
]
Backed = Annotated[
    bool | None,
    typer.Option("--volume-backed/--image-backed", help="What the root disk is."),
]
Version = Annotated[str, typer.Option(help="Microversion of the request, 2.1 to 2.104, or latest.")]
BookOption = Annotated[Book, typer.Option("--rulebook", help="Whose rules.")]
FormatOption = Annotated[Format, typer.Option("--format", help="How to answer.")]
ServerArgument = Annotated[
    str,
    typer.Argument(
        metavar="SERVER",
        help="A status such as ACTIVE, a file with the JSON of GET /servers/{id}, or - for "
        "standard input.",
    ),
]

API_REFERENCE_BOOK: Book = next(iter(Book))


@app.command("allowed")
def allowed_command(
    server: ServerArgument,
    who: As = Role.member,
    locked: Locked = None,
    locked_by: LockedByOption = None,
    task_state: TaskState = None,
    volume_backed: Backed = None,
    microversion: Version = LATEST,
    book: BookOption = API_REFERENCE_BOOK,
    form: FormatOption = Format.text,
) -> None:
    """List what may be done to a server, and why the rest may not."""
    with _complaints():
        subject = _server(server, locked, locked_by, task_state, volume_backed)
        rules = RULEBOOKS[book.value]
        verdicts = allowed(
            subject, actor=Actor(who), microversion=Microversion(microversion), rulebook=rules
        )
    if form is Format.json:
        _print_json(
            {
                "server": _shown_server(subject),
                "actor": who.value,
                "microversion": str(microversion),
                "rulebook": rules.name,
                "actions": [_shown_verdict(verdict) for verdict in verdicts.values()],
            }
        )
    else:
        _print_verdicts(subject, list(verdicts.values()))


@app.command("check")
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
    batch: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Answer a file of JSON lines instead; - for input."),
    ] = None,
    who: As = Role.member,
    locked: Locked = None,
    locked_by: LockedByOption = None,
    task_state: TaskState = None,
    volume_backed: Backed = None,
    microversion: Version = LATEST,
    book: BookOption = API_REFERENCE_BOOK,
    form: FormatOption = Format.text,
) -> None:
    """Say whether one action is allowed: exit status 0 if it is, 1 if not, 2 for wrong use."""
    if batch is not None:
        if server is not None or action is not None:
            _complain("--batch takes servers and actions from its file, not as arguments")
        raise typer.Exit(_batch(batch))
    if server is None or action is None:
        _complain("a SERVER and an ACTION are needed, or --batch FILE")
    with _complaints():
        subject = _server(server, locked, locked_by, task_state, volume_backed)
        verdict = check(
            subject,
            action,
            actor=Actor(who),
            microversion=microversion,
            rulebook=RULEBOOKS[book.value],
        )
    if form is Format.json:
        _print_json(_shown_verdict(verdict))
    else:
        _print_verdict(verdict, action)
    raise typer.Exit(0 if verdict else REFUSED)


@app.command("table")
def table_command(
    book: BookOption = API_REFERENCE_BOOK,
    form: Annotated[TableFormat, typer.Option("--format", help="In which form.")] = (
        TableFormat.text
    ),
) -> None:
    """Show the whole table: every action with its rules, outcomes and sources."""
    rules = RULEBOOKS[book.value]
    if form is TableFormat.json:
        _print_json(table_document(rules))
    elif form is TableFormat.csv:
        sys.stdout.write(table_csv(rules))
    elif form is TableFormat.markdown:
        sys.stdout.write(table_markdown(rules))
    else:
        _print_table(rules)


@app.command("deviations")
def deviations_command(form: FormatOption = Format.text) -> None:
    """Show where the API reference and Nova 34 part ways, with evidence."""
    documents = [deviation_document(each) for each in NOVA_34.deviations]
    if form is Format.json:
        _print_json(documents)
        return
    console = _console()
    for deviation in NOVA_34.deviations:
        console.print(Text(f"{deviation.action}  ({deviation.name})", style="bold"))
        console.print(Text(f"  reference: {deviation.documented}"))
        console.print(Text(f"  Nova 34:   {deviation.observed}"))
        console.print(Text(f"  evidence:  {deviation.evidence}", style="dim"))


def run() -> None:
    """Run the command; a broken pipe ends it quietly."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


# ------------------------------------------------------------------------------ reading


def _complain(message: object) -> NoReturn:
    typer.echo(f"serverfsm: {message}", err=True)
    raise typer.Exit(WRONG_USE)


@contextmanager
def _complaints() -> Iterator[None]:
    """Turn the library's errors, and those of files, into one line and exit status 2."""
    try:
        yield
    except (ValueError, OSError, RecursionError) as error:
        _complain("nested too deeply" if isinstance(error, RecursionError) else error)


def _server(
    argument: str,
    locked: bool | None,
    locked_by: Owner | None,
    task_state: str | None,
    volume_backed: bool | None,
) -> Server:
    server = _read_server(argument)
    changes: dict[str, Any] = {}
    if task_state is not None:
        server = _with_task(server, None if task_state == "none" else task_state)
    if locked_by is not None and locked is not False:
        changes.update(locked=True, locked_by=LockedBy(locked_by.value))
    elif locked_by is not None:
        raise MalformedServerError("--locked-by and --unlocked contradict each other")
    elif locked is not None:
        changes.update(locked=locked, locked_by=server.locked_by if locked else None)
    if volume_backed is not None:
        changes["volume_backed"] = volume_backed
    return replace(server, **changes)


def _read_server(argument: str) -> Server:
    if argument == "-":
        return _parse_server(sys.stdin.read(), "standard input")
    if argument.upper() in Status.__members__:
        return Server.from_status(argument.upper())
    path = Path(argument)
    if path.exists():
        return _parse_server(path.read_text("utf-8"), argument)
    advice = nearest(argument, Status)
    hint = f"; did you mean {advice}?" if advice else ""
    raise MalformedServerError(f"{argument!r} is neither a status nor a file{hint}")


def _parse_server(text: str, where: str) -> Server:
    try:
        return Server.from_api(json.loads(text))
    except json.JSONDecodeError as error:
        raise MalformedServerError(f"{where}: line {error.lineno}: not JSON: {error.msg}") from None
    except (MalformedServerError, UnknownStateError) as error:
        raise MalformedServerError(f"{where}: {error}") from None


def _with_task(server: Server, task_state: str | None) -> Server:
    """The server with this task; its vm_state follows from its status where only that is known."""
    task = states.task_state(task_state)
    if server.vm_state is not None:
        return replace(server, task_state=task)
    fitting = [vm for vm, other in server.pairs() if other is task]
    if len(fitting) != 1:
        known = " or ".join(vm.value for vm in fitting) or "no vm_state"
        raise MalformedServerError(
            f"status {server.status} with task_state {task or 'none'} means {known}: give a file "
            "with the whole server"
        )
    return Server(
        fitting[0],
        task,
        locked=server.locked,
        locked_by=server.locked_by,
        volume_backed=server.volume_backed,
    )


def _batch(name: str) -> int:
    """Answer a file of lines; the exit status."""
    if name == "-":
        return _answer(sys.stdin.buffer)
    with _complaints():
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


def _console() -> Console:
    """A console that colours and folds for a terminal, and neither for a pipe."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=10_000, color_system=None)


def _print_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2))


def _shown_server(server: Server) -> dict[str, Any]:
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


def _shown_verdict(verdict: Verdict) -> dict[str, Any]:
    guard = verdict.guard
    return {
        "action": verdict.action.value,
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


def _describe(server: Server) -> str:
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
    console = _console()
    console.print(Text(_describe(server), style="bold"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("action", "answer", "why", "instead"):
        table.add_column(column, overflow="fold")
    for verdict in sorted(verdicts, key=_rank):
        style = "green" if verdict else "yellow" if verdict.maybe else "red"
        table.add_row(
            Text(verdict.action.value),
            Text(f"{_answer_word(verdict)} {verdict.code}", style=style),
            Text(_why(verdict)),
            Text(verdict.hint or ""),
        )
    console.print(table)


def _rank(verdict: Verdict) -> int:
    return 0 if verdict else 1 if verdict.maybe else 2


def _answer_word(verdict: Verdict) -> str:
    return "yes" if verdict else "maybe" if verdict.maybe else "no"


def _why(verdict: Verdict) -> str:
    if verdict.refusal is None or verdict.maybe:
        return ""
    have = verdict.have
    if verdict.attribute in ("vm_state", "task_state", "microversion", "status"):
        return f"{verdict.attribute} {have or 'none'}"
    return verdict.reason.value.replace("_", " ")


def _print_verdict(verdict: Verdict, action: str) -> None:
    console = _console()
    word = {"yes": "allowed", "maybe": "maybe", "no": "refused"}[_answer_word(verdict)]
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


def _print_table(rules: Rulebook) -> None:
    console = _console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=None)
    for column in ("action", "accepted in", "task", "lock", "policy", "codes", "leads to"):
        table.add_column(column, overflow="fold")
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


# Commands in files of their own; importing one registers it with `app`.
from serverfsm import cli_lifecycle, cli_wait  # noqa: E402, F401
