"""The arguments and options that several commands take, and the exit statuses.

Only their words and help texts belong here; what they mean to a server is `reading.py`'s.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from serverfsm.requests import Actor
from serverfsm.rulebook import RULEBOOKS
from serverfsm.states import LockedBy

__all__ = [
    "API_REFERENCE_BOOK",
    "REFUSED",
    "WRONG_USE",
    "AsOption",
    "BackingOption",
    "Book",
    "BookOption",
    "Format",
    "FormatOption",
    "LockedByOption",
    "LockedOption",
    "MicroversionOption",
    "OperatorOption",
    "Owner",
    "Role",
    "ServerArgument",
    "TaskStateOption",
]

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


class Owner(StrEnum):
    """Values of --locked-by; the same words as `LockedBy`."""

    owner = LockedBy.OWNER.value
    admin = LockedBy.ADMIN.value


Book = StrEnum("Book", [(name.replace("-", "_"), name) for name in RULEBOOKS])  # type: ignore[misc]

API_REFERENCE_BOOK: Book = next(iter(Book))

ServerArgument = Annotated[
    str,
    typer.Argument(
        metavar="SERVER",
        help="A status such as ACTIVE, a file with the JSON of GET /servers/{id}, or - for "
        "standard input.",
    ),
]
AsOption = Annotated[Role, typer.Option("--as", help="Who asks.")]
LockedOption = Annotated[
    bool | None, typer.Option("--locked/--unlocked", help="Whether the server is locked.")
]
LockedByOption = Annotated[
    Owner | None, typer.Option("--locked-by", help="Who locked it; implies --locked.")
]
TaskStateOption = Annotated[
    str | None,
    typer.Option("--task-state", help="The task under way, as Nova names it; none for no task."),
]
BackingOption = Annotated[
    bool | None,
    typer.Option("--volume-backed/--image-backed", help="What the root disk is."),
]
MicroversionOption = Annotated[
    str,
    typer.Option("--microversion", help="Microversion of the request, 2.1 to 2.104, or latest."),
]
BookOption = Annotated[Book, typer.Option("--rulebook", help="Whose rules.")]
OperatorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option", metavar="NAME=VALUE", help="An operator's option; may be given again."
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to answer.")]
