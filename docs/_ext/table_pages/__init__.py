"""A Sphinx extension: the pages under `reference/`, made from the table before a build.

They are written there, and removed when the build is over; nothing of them is committed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from serverfsm.requests import ActionName
from serverfsm.rulebook import API_REFERENCE
from serverfsm.states import Status, VmState

from . import indexes
from .actions import action_page
from .markup import file_name
from .nova_page import nova_page
from .states import status_page, vm_state_page

__all__ = ["pages", "setup"]

FOLDER = "reference"
DATA = Path(__file__).parents[2] / "_data" / "nova-vm-states.json"


def pages() -> Iterator[tuple[str, str]]:
    """Yield every page: its name under `reference/`, and its text."""
    yield "index", indexes.reference_page()
    yield "actions/index", indexes.actions_page()
    yield "states/index", indexes.states_page()
    yield "task-states", indexes.task_states_page()
    yield "unprompted", indexes.unprompted_page()
    yield "messages", indexes.messages_page()
    yield "deviations", indexes.deviations_page()
    yield "commands", indexes.commands_page()
    yield "vm-states", nova_page(DATA)
    for name in ActionName:
        yield f"actions/{file_name(name.value)}", action_page(API_REFERENCE[name])
    for vm_state in VmState:
        yield f"states/{file_name(vm_state.value)}", vm_state_page(vm_state)
    for status in Status:
        yield f"statuses/{file_name(status.value)}", status_page(status)


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in pages():
        file = folder / f"{name}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    (folder / ".gitignore").write_text("*\n")  # a build that is killed leaves them behind


def _remove(app: Sphinx, exception: Exception | None) -> None:
    shutil.rmtree(Path(app.srcdir) / FOLDER, ignore_errors=True)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _write, priority=100)
    app.connect("build-finished", _remove)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
