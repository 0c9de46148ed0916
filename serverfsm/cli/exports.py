"""`serverfsm export`: the table in forms that other programs run.

Only these commands belong here, and how their answer is written; the texts are the library's.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from serverfsm.cli.options import API_REFERENCE_BOOK, BookOption, MicroversionOption
from serverfsm.cli.reading import complain, complaints
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
    _write(javascript(RULEBOOKS[book.value]), output)


@exports.command("openapi")
def openapi_command(
    microversion: MicroversionOption = LATEST,
    book: BookOption = API_REFERENCE_BOOK,
    output: OutputOption = None,
) -> None:
    """Write the OpenAPI 3.1 document of POST /servers/{server_id}/action."""
    with complaints():
        document = openapi_document(microversion=microversion, rulebook=RULEBOOKS[book.value])
    _write(f"{json.dumps(document, indent=2)}\n", output)


def _write(text: str, output: Path | None) -> None:
    """Print the text, or put it into a file: whole, or not at all."""
    if output is None:
        sys.stdout.write(text)
        return
    try:
        if output.exists() and not output.is_file():  # a device, a pipe; a folder is an error
            output.write_text(text, "utf-8")
        else:
            _replace(output.resolve(), text)
    except (OSError, ValueError) as error:
        complain(f"cannot write {output}: {getattr(error, 'strerror', None) or error}")


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with new.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
