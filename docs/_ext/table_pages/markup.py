"""MyST Markdown in small pieces: code, tables, links, pictures.

Only the form of a text belongs here; what is said comes from the other files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from serverfsm.requests import ActionName
from serverfsm.states import Status, TaskState, VmState, status_of

__all__ = [
    "action_link",
    "anchor",
    "bullets",
    "code",
    "details",
    "file_name",
    "json_block",
    "listed",
    "page",
    "pair_link",
    "picture",
    "status_link",
    "table",
    "vm_link",
]


def code(text: object) -> str:
    """Return a text as inline code.

    >>> code("os-stop")
    '`os-stop`'
    """
    return f"`{text}`"


def file_name(word: str) -> str:
    """Return a word as the name of a file, as `serverfsm.diagram` links to it.

    >>> file_name("reboot:SOFT")
    'reboot.SOFT'
    """
    return word.replace(":", ".")


def anchor(kind: str, word: str) -> str:
    """Return the label of the page about a word; labels are lower case.

    >>> anchor("action", "reboot:SOFT")
    'action-reboot-soft'
    """
    return f"{kind}-{word.replace(':', '-')}".lower()


def action_link(name: ActionName) -> str:
    return f"[`{name.value}`](#{anchor('action', name.value)})"


def vm_link(vm_state: VmState) -> str:
    return f"[`{vm_state.value}`](#{anchor('vm-state', vm_state.value)})"


def status_link(status: Status) -> str:
    return f"[`{status.value}`](#{anchor('status', status.value)})"


def pair_link(vm_state: VmState, task_state: TaskState | None) -> str:
    """Return a pair of states, with the status that it shows."""
    task = "" if task_state is None else f" + {code(task_state)}"
    return f"{vm_link(vm_state)}{task} ({status_of(vm_state, task_state).value})"


def listed(words: Iterable[str], last: str = "") -> str:
    """Return words with commas between.

    >>> listed(["a", "b", "c"], "or"), listed([])
    ('a, b or c', 'none')
    """
    found = list(words)
    if not found:
        return "none"
    if not last or len(found) == 1:
        return ", ".join(found)
    return f"{', '.join(found[:-1])} {last} {found[-1]}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; empty if it has no row."""
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines]) + "\n"


def _cell(text: object) -> str:
    return re.sub(r"\s*\n\s*", " ", str(text)).replace("|", "\\|")


def bullets(items: Iterable[str]) -> str:
    return "".join(f"- {item}\n" for item in items)


def picture(view: str, subject: str = "", *, rulebook: str = "") -> str:
    """Return the directive that draws a view of the table."""
    option = f":rulebook: {rulebook}\n" if rulebook else ""
    return f"```{{serverfsm-diagram}} {f'{view} {subject}'.strip()}\n{option}```\n"


def json_block(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


def details(summary: str, inner: str) -> str:
    """Return a part that is folded away."""
    return f"<details>\n<summary>{summary}</summary>\n\n{inner.strip()}\n\n</details>\n"


def page(label: str, title: str, *parts: str) -> str:
    """Return a whole page; parts that are empty are left out."""
    head = f"({label})=\n# {title}\n"
    return "\n".join([head, *(f"{part.strip()}\n" for part in parts if part.strip())])
