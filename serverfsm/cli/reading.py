"""What the arguments say: a server, an operator's options; and what is wrong with them.

Only reading that several commands share belongs here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import typer

from serverfsm import states
from serverfsm.cli.options import WRONG_USE, Owner
from serverfsm.errors import BadOptionError, MalformedServerError, UnknownStateError, nearest
from serverfsm.options import Options
from serverfsm.server import Server
from serverfsm.states import LockedBy, Status

__all__ = ["assigned", "complain", "complaints", "operator_options", "read_server"]


def complain(message: object) -> NoReturn:
    """Say in one line what is wrong, and end with exit status 2."""
    typer.echo(f"serverfsm: {message}", err=True)
    raise typer.Exit(WRONG_USE)


@contextmanager
def complaints() -> Iterator[None]:
    """Turn the library's errors, and those of files, into one line and exit status 2."""
    try:
        yield
    except (ValueError, OSError, ImportError, RecursionError) as error:
        complain("nested too deeply" if isinstance(error, RecursionError) else error)


def assigned(texts: Iterable[str] | None, form: str) -> dict[str, str]:
    """The values of an option that is given as NAME=VALUE; the last of equal names holds."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise BadOptionError(f"{form}, not {text!r}")
        found[name.strip()] = value.strip()
    return found


def operator_options(texts: Iterable[str] | None) -> Options:
    """The operator's options of every --option; Nova's defaults for the rest."""
    return Options.from_mapping(assigned(texts, "--option must be NAME=VALUE"))


def read_server(
    argument: str,
    locked: bool | None,
    locked_by: Owner | None,
    task_state: str | None,
    volume_backed: bool | None,
) -> Server:
    """The server that SERVER names, changed as the options say."""
    server = _named(argument)
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


def _named(argument: str) -> Server:
    if argument == "-":
        return _parsed(sys.stdin.read(), "standard input")
    if argument.upper() in Status.__members__:
        return Server.from_status(argument.upper())
    path = Path(argument)
    if path.exists():
        return _parsed(path.read_text("utf-8"), argument)
    advice = nearest(argument, Status)
    hint = f"; did you mean {advice}?" if advice else ""
    raise MalformedServerError(f"{argument!r} is neither a status nor a file{hint}")


def _parsed(text: str, where: str) -> Server:
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
