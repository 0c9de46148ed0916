"""`serverfsm explore`: the whole table as one page to look around in.

Only the command belongs here; the page is the package `explorer`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serverfsm.cli.reading import complaints
from serverfsm.cli.writing import write_text

__all__ = ["explore_command"]

_STANDARD_OUTPUT = Path("-")


def explore_command(
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="Where to; - for standard output.")
    ] = _STANDARD_OUTPUT,
) -> None:
    """Write one HTML page that shows every state, action, run and plan, and needs no network."""
    with complaints():
        from serverfsm.explorer import explorer_page  # takes a layout program

        page = explorer_page()
    write_text(page, None if output == _STANDARD_OUTPUT else output)
