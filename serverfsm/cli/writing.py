"""How a command's result is written: to standard output, or whole into a file or not at all."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import typer

from serverfsm.cli.reading import complain

__all__ = ["put", "write_bytes", "write_text"]


def write_text(text: str, output: Path | None) -> None:
    """Print the text, or put it into a file in UTF-8; complain and exit if that fails."""
    if output is None:
        sys.stdout.write(text)
    else:
        write_bytes(text.encode(), output)


def write_bytes(content: bytes, output: Path | None) -> None:
    """Write the bytes to standard output or into a file; complain and exit if that fails."""
    if output is None:
        sys.stdout.flush()
        typer.get_binary_stream("stdout").write(content)
        return
    try:
        put(output, content)
    except (OSError, ValueError) as error:
        complain(f"cannot write {output}: {getattr(error, 'strerror', None) or error}")


def put(path: Path, content: bytes) -> None:
    """Put the bytes into a file: whole, or not at all.

    Raises:
        OSError, ValueError: it cannot be written.
    """
    if path.exists() and not path.is_file():  # a device, a pipe; a folder is an error
        path.write_bytes(content)
        return
    path = path.resolve()
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with new.open("xb") as file:
            file.write(content)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
