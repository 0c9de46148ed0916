"""The explorer's page, written by its command: once for all tests, whichever process runs them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from serverfsm.cli.explore import explore_command

LONGEST = 300  # seconds that another process may take


def written_page(factory: pytest.TempPathFactory) -> Path:
    """The file; the first process that asks for it writes it, the others wait."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    page, turn = shared / "explorer.html", shared / "explorer.turn"
    try:
        turn.touch(exist_ok=False)
    except FileExistsError:
        end = time.monotonic() + LONGEST
        while not page.exists() and time.monotonic() < end:
            time.sleep(0.2)
        return page
    app = typer.Typer()
    app.command()(explore_command)
    result = CliRunner().invoke(app, ["--output", str(page)])
    assert (result.exit_code, result.output) == (0, ""), result.output
    return page
