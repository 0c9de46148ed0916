"""Read `tests/data/nova-34-runs.json.gz`: what Nova did after it had answered. Standard library.

    for run in load():
        print(run.action, run.origin, run.failure, run.code, run.log)

The file is gzipped JSON with these keys:

`nova`
    The version of Nova.
`logs`
    The different logs: lists of entries. `observe.py` says what an entry is.
`columns`
    The names of a run's values, in order: the attributes of `Run`.
`runs`
    What was measured, one list a run; `log` is an index into `logs`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PATH = Path(__file__).resolve().parents[1] / "data" / "nova-34-runs.json.gz"

Entry = tuple[Any, ...]


class Asked(Protocol):
    """What says which run is meant; `Run` explains each."""

    @property
    def action(self) -> str: ...
    @property
    def request(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def backing(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def options(self) -> Mapping[str, Any]: ...
    @property
    def failure(self) -> str | None: ...
    @property
    def injected(self) -> tuple[str, ...]: ...
    @property
    def guests(self) -> str: ...


def key_of(asked: Asked) -> str:
    """Return which run is meant, as one string."""
    options = ",".join(f"{name}={value}" for name, value in sorted(asked.options.items()))
    return "|".join(
        (
            *(asked.action, asked.request, asked.origin, asked.backing, asked.version, options),
            *(asked.failure or "", ";".join(asked.injected), asked.guests),
        )
    )


@dataclass(frozen=True, slots=True)
class Run:
    """One accepted request, and all that came of it.

    action
        Request key, a variant after a colon, as in `serverfsm.requests.ActionName`.
    request
        What else is special about the request: "" for nothing, "other-image", "rotation-0" ...
    origin
        How the server came to where it was: "stopped", "resized<stopped" (resized while it was
        stopped), "error(no-valid-host)" ...; "" for a creation. `vm_state` is what the row said.
    backing
        "image" or "volume".
    version
        Microversion of the request.
    options
        The operator's options that were not at their defaults.
    failure
        None where nothing went wrong, or the name of what did. "host-down" and the like name a
        condition under which a request is served in another way.
    injected
        What was done to make it fail, such as "driver.spawn raises RuntimeError".
    guests
        "fake": the hypervisor as Nova has it, whose guests know no pause and no suspension, and
        are not started by a rescue. "true": guests do as those of libvirt.
    code
        HTTP status code of the answer.
    vm_state, task_state, power_state
        The row before the request; all None for a creation.
    host
        What became of the server's host: "same", "other", "none" (it has none any more).
    log
        What was saved, in order; "{id}" stands for the server's id, "{uuid}" for any other.
    """

    action: str
    request: str
    origin: str
    backing: str
    version: str
    options: Mapping[str, Any]
    failure: str | None
    injected: tuple[str, ...]
    guests: str
    code: int
    vm_state: str | None
    task_state: str | None
    power_state: int | None
    host: str
    log: tuple[Entry, ...]

    @property
    def key(self) -> str:
        """What was measured, as one string; no two runs have the same."""
        return key_of(self)

    @property
    def before_resize(self) -> str | None:
        """The vm_state before the resize: "active" or "stopped"; None unless resized."""
        if self.vm_state != "resized":
            return None
        return "stopped" if self.origin.endswith("<stopped") else "active"

    @property
    def rows(self) -> tuple[tuple[str, str | None, int], ...]:
        """The saves alone: vm_state, task_state, power_state."""
        return tuple((each[1], each[2], each[3]) for each in self.log if each[0] == "row")

    @property
    def gone(self) -> bool:
        """Whether the server is deleted in the end."""
        return ("gone",) in self.log

    def of(self, kind: str) -> tuple[Any, ...]:
        """The values of the entries of a kind with one value, such as "migration"."""
        return tuple(each[1] for each in self.log if each[0] == kind)


def load(path: Path = PATH) -> Iterator[Run]:
    """Yield every run of the file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        data = json.load(file)
    logs = [tuple(tuple(entry) for entry in log) for log in data["logs"]]
    for values in data["runs"]:
        named = dict(zip(data["columns"], values, strict=True))
        named["injected"] = tuple(named["injected"])
        named["log"] = logs[named["log"]]
        yield Run(**named)
