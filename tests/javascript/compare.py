"""The ES module held against `check`, both asked the same: `python tests/javascript/compare.py`.

Names of rulebooks as arguments; all unless any is given. Exit status 1 if an answer differs.
"""

from __future__ import annotations

import gc
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from serverfsm import (
    LATEST,
    ActionName,
    Actor,
    Microversion,
    Rulebook,
    Server,
    Status,
    TaskState,
    VmState,
    check,
)
from serverfsm.guards import Refusal
from serverfsm.javascript import javascript
from serverfsm.rulebook import RULEBOOKS
from serverfsm.verdict import Verdict

ANSWER = Path(__file__).with_name("answer.mjs")
DOCUMENTS = Path(__file__).parents[1] / "data" / "servers"

Given = dict[str, Any] | None  # how the module is to read a server, and what; None: no server
WORDS = tuple(sorted({word for name in ActionName for word in (name.value, name.key)}))
LOCKS: tuple[dict[str, Any], ...] = (
    {},
    {"locked": True, "locked_by": "owner"},
    {"locked": True, "locked_by": "admin"},
    {"locked": True},
)
# Each second one: every lock once, and both backings.
LOCKS_AND_BACKINGS = tuple(
    {**lock, "volume_backed": backing ^ (at % 2 == 1)}
    for at, lock in enumerate(LOCKS)
    for backing in (False, True)
)
EVERYBODY = tuple(Actor)
MAY_SOMETHING = (Actor.MEMBER, Actor.MANAGER, Actor.ADMIN)


@dataclass(frozen=True)
class Area:
    """Requests to ask about: every action with every actor, at every microversion, of each server.

    Attributes:
        name: what it is about.
        servers: what the requests are of.
        actions: keys, with or without a variant.
        actors, microversions: of the requests.
        hints: whether the hints are compared, which take long to find.
    """

    name: str
    servers: tuple[Given, ...]
    actions: Sequence[str] = WORDS
    actors: Sequence[Actor] = EVERYBODY
    microversions: Sequence[str] = (LATEST,)
    hints: bool = True


def size(area: Area) -> int:
    """How many requests an area has."""
    return len(area.servers) * len(area.actions) * len(area.actors) * len(area.microversions)


def areas(rulebook: Rulebook, *, whole: bool = True) -> tuple[Area, ...]:
    """Everything that is compared; unless `whole`, not every lock with every backing.

    Each lock, and each backing, then still meets every state, action and actor.
    """
    every_pair = list(product(VmState, (None, *TaskState)))
    names = [name.value for name in ActionName]
    return (
        Area("no server", (None,), microversions=boundaries(rulebook)),
        Area("documents", tuple({"fromApi": document} for document in documents())),
        Area("statuses", tuple({"fromStatus": status.value} for status in Status)),
        Area(
            "statuses, locked or volume-backed",
            tuple(
                {"fromRecord": {"only_status": status.value, **more}}
                for status in Status
                for more in (LOCKS[3], {"volume_backed": True})
            ),
            actors=(Actor.MEMBER, Actor.ADMIN),
        ),
        Area(
            "idle servers",
            records(product(VmState, [None]), LOCKS[:3:2], columns(volume_backed=(False, True))),
            actors=MAY_SOMETHING,
        ),
        Area(
            "keys of several variants",
            records(every_pair, LOCKS),
            actions=[word for word in WORDS if word not in names],
            actors=MAY_SOMETHING,
            hints=False,
        ),
        Area(
            "variations",
            records(
                product(VmState, [None, *THINNED]),
                LOCKS[:2],
                columns(
                    launched=(False, True),
                    host=(False, True),
                    deleted=(False, True),
                    volume_backed=(False, True),
                ),
            ),
            actors=(Actor.MEMBER, Actor.ADMIN),
            hints=False,
        ),
        Area(
            "microversions",
            records(
                product(VmState, [None, *THINNED[:1]]), ({},), columns(volume_backed=(False, True))
            ),
            actors=MAY_SOMETHING[:1],
            microversions=boundaries(rulebook),
            hints=False,
        ),
        Area(
            "every state, lock, backing and actor",
            records(every_pair, LOCKS_AND_BACKINGS if whole else LOCKS_AND_BACKINGS[::2]),
            actions=names,
            hints=False,
        ),
    )


THINNED = (TaskState.REBOOTING_HARD, TaskState.DELETING)


def columns(**values: Iterable[bool]) -> list[dict[str, bool]]:
    """Every combination of these values, by column."""
    return [dict(zip(values, each, strict=True)) for each in product(*values.values())]


def records(
    pairs: Iterable[tuple[VmState, TaskState | None]], *parts: Iterable[dict[str, Any]]
) -> tuple[Given, ...]:
    """A record for each pair of states with each combination of the parts."""
    found: list[Given] = []
    for (vm_state, task_state), *more in product(pairs, *parts):
        record: dict[str, Any] = {"vm_state": vm_state.value, "task_state": task_state}
        for part in more:
            record |= part
        found.append({"fromRecord": record})
    return tuple(found)


def documents() -> Iterator[Any]:
    """Every document that a real Nova answered."""
    for path in sorted(DOCUMENTS.glob("*.json")):
        yield json.loads(path.read_text("utf-8"))


_VERSIONS = ("since", "until", "ignored_before", "unless_since")


def boundaries(rulebook: Rulebook) -> tuple[str, ...]:
    """The first microversion and the latest, and each at which a row changes and the one before."""
    found = {1, LATEST.minor}
    for row in rulebook:
        parts: list[object] = [row, row.backing, *(write.when for write in row.writes)]
        for part in parts:
            for name in _VERSIONS:
                version = getattr(part, name, None)
                if version is not None:
                    minor = Microversion(version).minor
                    found |= {max(1, minor - 1), minor}
    return tuple(f"2.{minor}" for minor in sorted(found))


def server_of(given: Given) -> Server | None:
    """The server as the library reads it."""
    if given is None:
        return None
    ((how, what),) = given.items()
    return READERS[how](what)


READERS: dict[str, Callable[[Any], Server]] = {
    "fromApi": Server.from_api,
    "fromRecord": Server.from_record,
    "fromStatus": Server.from_status,
}


def line(verdict: Verdict, with_hint: bool) -> str:
    """A verdict as a line of JSON, as answer.mjs writes the module's."""
    refusal = verdict.refusal
    failures = ",".join([_refusal(each).failure for each in verdict.failures])
    parts = (
        "true" if verdict.allowed else "false",
        str(verdict.code),
        f'"{verdict.reason}"',
        "null,null,null,[]" if refusal is None else _refusal(refusal).columns,
        "true" if verdict.maybe else "false",
        _compact(verdict.depends_on) if verdict.depends_on else "[]",
        "true" if verdict.retryable else "false",
        f"[{failures}]",
        _compact(verdict.hint) if with_hint else "null",
    )
    return f"[{','.join(parts)}]"


class _Refusal(NamedTuple):
    """A refusal as JSON: the columns that a verdict has, too, and the whole as a failure."""

    refusal: Refusal  # kept, so that no other gets its id
    columns: str
    failure: str


_refusals: dict[int, _Refusal] = {}


def _refusal(refusal: Refusal) -> _Refusal:
    known = _refusals.get(id(refusal))
    if known is None:
        columns = (refusal.template, refusal.attribute, refusal.have, refusal.want)
        start = (refusal.guard, refusal.reason, refusal.code)
        known = _Refusal(refusal, _compact(columns)[1:-1], _compact((*start, *columns)))
        _refusals[id(refusal)] = known
    return known


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Module:
    """The module in a node of its own; a context manager that ends it."""

    def __init__(self, text: str) -> None:
        self._node = subprocess.Popen(
            ["node", str(ANSWER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.send({"module": text})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._node.kill()
        self._node.communicate()

    def send(self, question: object) -> None:
        """Ask; `answer` is to be called for each question but the first."""
        assert self._node.stdin is not None
        self._node.stdin.write(_compact(question) + "\n")
        self._node.stdin.flush()

    def answer(self) -> Any:
        """Return the next answer."""
        assert self._node.stdout is not None
        answer = self._node.stdout.readline()
        if not answer:
            raise RuntimeError("node has ended; its message stands above")
        return json.loads(answer)


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
        verdicts: how many were compared.
        difference: the first that differs, in words; None if none does.
    """

    verdicts: int
    difference: str | None


def compare(rulebook: Rulebook, text: str, asked: Iterable[Area]) -> Comparison:
    """Ask the library by this rulebook and the module of this text; stop at a difference."""
    verdicts = 0
    with Module(text) as module:
        for area in asked:
            servers = [server_of(given) for given in area.servers]
            module.send({"servers": area.servers})
            assert module.answer() == len(servers)
            requests = product(area.actions, area.actors, area.microversions)
            for action, actor, microversion in requests:
                question = {
                    "action": action,
                    "actor": actor,
                    "microversion": microversion,
                    "hint": area.hints,
                }
                module.send(question)
                lines = [
                    line(check(server, action, actor, microversion, rulebook), area.hints)
                    for server in servers
                ]
                rulebook.forget()
                verdicts += len(lines)
                if module.answer() != hashlib.sha256("\n".join(lines).encode()).hexdigest():
                    module.send({**question, "show": True})
                    found = _first_difference(area, lines, module.answer())
                    where = f"{rulebook.name}, {area.name}: {action} by {actor} at {microversion}"
                    return Comparison(verdicts, f"{where}, {found}")
    return Comparison(verdicts, None)


def _first_difference(area: Area, ours: list[str], theirs: list[str]) -> str:
    for given, one, other in zip(area.servers, ours, theirs, strict=True):
        if one != other:
            return f"of {_compact(given)}:\n  library: {one}\n  module:  {other}"
    return "only the digests differ"


def main(arguments: Sequence[str]) -> int:
    """Compare by these rulebooks; print what came of it. With --part, not everything."""
    gc.disable()  # nothing here is cyclic, and verdicts are many
    status = 0
    names = [name for name in arguments if name != "--part"]
    for name in names or RULEBOOKS:
        rulebook = RULEBOOKS[name]
        asked = areas(rulebook, whole="--part" not in arguments)
        found = compare(rulebook, javascript(rulebook), asked)
        print(f"{name}: {found.verdicts} verdicts, {found.difference or 'no difference'}")
        status |= found.difference is not None
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
