"""`serverfsm export`: the table in forms that other programs run.

Only these commands belong here; the texts are the library's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from serverfsm.cli.options import API_REFERENCE_BOOK, BookOption, MicroversionOption
from serverfsm.cli.reading import complaints
from serverfsm.cli.writing import write_text
from serverfsm.javascript import javascript
from serverfsm.openapi import openapi_document
from serverfsm.requests import LATEST
from serverfsm.rulebook import RULEBOOKS

__all__ = ["exports"]

exports: typer.Typer = typer.Typer(
    help="Write the table in a form that other programs run.", no_args_is_help=True
)

OutputOption = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Where to; else standard output.")
]


@exports.command("js")
def js_command(book: BookOption = API_REFERENCE_BOOK, output: OutputOption = None) -> None:
    """Write one ES module without dependencies that answers check and allowed."""
    write_text(javascript(RULEBOOKS[book.value]), output)


@exports.command("openapi")
def openapi_command(
    microversion: MicroversionOption = LATEST,
    book: BookOption = API_REFERENCE_BOOK,
    output: OutputOption = None,
) -> None:
    """Write the OpenAPI 3.1 document of POST /servers/{server_id}/action."""
    with complaints():
        document = openapi_document(microversion=microversion, rulebook=RULEBOOKS[book.value])
    write_text(f"{json.dumps(document, indent=2)}\n", output)
