"""Read `tests/data/nova-34-events.json.gz`: what happens without a request, or across requests.

    for happening in load():
        print(happening.kind, happening.given, happening.log)

Standard library only. The file is gzipped JSON with these keys:

`nova`
    The version of Nova that was measured.
`kinds`
    Kind -> `given`, the names of what is given, and `scenarios`, each a list of the values in that
    order and an index into `logs`.
`logs`
    The different logs.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[1] / "data" / "nova-34-events.json.gz"

Entry = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Happening:
    """One scenario, and what happened to the server in it.

    kind
        What the scenario is about; `given` is described in the module that measures it: "restart"
        and "power-sync" in restart.py, "timer" in timers.py, "overlap" in overlaps.py, "race" in
        races.py.
    given
        What is so when it begins.
    log
        What happened, in order: the entries of observe.py and of stage.py, such as
        ("row", "active", "powering-off", 4) and ("gone",).
    """

    kind: str
    given: Mapping[str, Any]
    log: tuple[Entry, ...]

    @property
    def rows(self) -> tuple[tuple[str, str | None], ...]:
        """The pairs of vm_state and task_state that were saved, none twice in a row."""
        rows: list[tuple[str, str | None]] = []
        for name, *values in self.log:
            if name == "row" and (not rows or rows[-1] != (values[0], values[1])):
                rows.append((values[0], values[1]))
        return tuple(rows)


def load(path: Path = PATH) -> Iterator[Happening]:
    """Yield every scenario of the file, kind by kind."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        data = json.load(file)
    logs = [tuple(tuple(entry) for entry in log) for log in data["logs"]]
    for kind, stored in data["kinds"].items():
        for *values, log in stored["scenarios"]:
            yield Happening(kind, dict(zip(stored["given"], values, strict=True)), logs[log])
