"""A record of the table as plain JSON values: its columns by name, but those that say nothing.

Only the form belongs here. A new column of any record needs no line: it is exported by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum, IntEnum
from typing import Any

from serverfsm.rows import End

__all__ = ["columns", "plain"]

Document = dict[str, Any]


def columns(record: Any) -> Document:
    """Return every column of a record that differs from its default.

    >>> from serverfsm.rows import Outcome
    >>> columns(Outcome("done", End.ORIGIN, keeps_power=True))
    {'name': 'done', 'end': 'ORIGIN', 'keeps_power': True}
    """
    return {
        name: _OF_STEPS.get(name, plain)(value)
        for name, value, default in _columns(record)
        if value != default
    }


def plain(value: Any) -> Any:
    """Return a value of a column as JSON has it.

    An `End` is its name, a power state its number, and a set a list in the order in which its
    words are declared, no task first.

    >>> from serverfsm import TaskState
    >>> plain(frozenset({TaskState.UNPAUSING, None, TaskState.PAUSING}))
    [None, 'pausing', 'unpausing']
    """
    if isinstance(value, End):
        return value.name
    if isinstance(value, IntEnum):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, frozenset):
        return [plain(member) for member in sorted(value, key=_place)]
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if is_dataclass(value) or hasattr(value, "_fields"):
        return columns(value)
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    assert value is None or isinstance(value, bool | int), value
    return value


def _columns(record: Any) -> Iterator[tuple[str, object, object]]:
    """Name, value and default of every column; MISSING where there is no default."""
    if not is_dataclass(record):
        for name, value in zip(record._fields, record, strict=True):
            yield name, value, record._field_defaults.get(name, MISSING)
        return
    for each in fields(record):
        made = each.default_factory
        default = each.default if made is MISSING else made()
        yield each.name, getattr(record, each.name), default


def _step(step: Any) -> Document:
    vm_state, task_state = step if isinstance(step, tuple) else (None, step)
    return {"vm_state": plain(vm_state), "task_state": plain(task_state)}


def _path(path: Any) -> list[Document]:
    return [_step(step) for step in path]


# A step is a tuple in some rows and a word in others, and a path is a tuple, too.
_OF_STEPS: dict[str, Callable[[Any], Any]] = {"path": _path, "before": _step}


def _place(word: Any) -> int:
    if isinstance(word, Enum):
        return list(type(word)).index(word)
    return -1 if word is None else int(word)
