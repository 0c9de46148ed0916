"""What must hold of a load, proved from three records of it that do not know of each other.

`Write`: each version of each row, as the database's own triggers kept it. `Entry`: the history that
the examples write. `Asked`: what those who asked were answered.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from serverfsm import API_REFERENCE, Actor, Server, Step, accept, check
from serverfsm.lifecycle import State, edges
from serverfsm.step import REACTIONS, attempt


@dataclass(frozen=True, slots=True)
class Write:
    """One version of a row.

    Attributes:
        uuid, revision, request_id: the row's.
        server: what it said.
    """

    uuid: str
    revision: int
    request_id: str
    server: Server


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history.

    Attributes:
        uuid, revision: of which server, and the revision that was written with it.
        request_id: whose.
        actor: who asked; None: it is a step of work.
        event: what happened.
        goes_on: the action whose work goes on; None: none does.
    """

    uuid: str
    revision: int
    request_id: str
    actor: str | None
    event: str
    goes_on: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as its sender saw it.

    Attributes:
        uuid, action, actor, request_id: what was asked.
        seen: the revisions that were looked at; all but the last lost a race.
        code: the HTTP status code of the answer.
        allowed: whether it was accepted.
        attribute, have: what refused it, and the value that it found, as text; else None.
    """

    uuid: str
    action: str
    actor: str
    request_id: str
    seen: tuple[int, ...]
    code: int
    allowed: bool
    attribute: str | None
    have: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        faults: in words; none if all holds.
        counts: of what was looked at.
    """

    faults: tuple[str, ...]
    counts: Counter[str] = field(default_factory=Counter)


@cache
def _edges() -> frozenset[tuple[State | None, str, State]]:
    return frozenset((edge.start, edge.event, edge.end) for edge in edges(API_REFERENCE))


@cache
def _states() -> frozenset[State]:
    """Every state that the graph has."""
    return frozenset(end for _, _, end in _edges())


def pair(server: Server) -> State:
    assert server.vm_state is not None
    return server.vm_state, server.task_state


def is_edge(before: Server | None, event: str, after: Server) -> bool:
    """Whether the graph has this step; one that changes neither state needs no edge."""
    start = None if before is None else pair(before)
    return start == pair(after) or (start, event, pair(after)) in _edges()


def is_state(server: Server) -> bool:
    """Whether the graph has this state."""
    return pair(server) in _states()


@dataclass(slots=True)
class _Life:
    """What is known of one server."""

    uuid: str
    writes: list[Write] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


def prove(
    writes: Iterable[Write],
    entries: Iterable[Entry],
    asked: Sequence[Asked],
    *,
    is_over: bool = True,
) -> Report:
    """Check everything.

    Args:
        writes: in the order in which the database made them.
        entries: in any order.
        asked: in any order; those of killed processes may be missing.
        is_over: whether all work has had the time to end.
    """
    lives: dict[str, _Life] = {}
    for write in writes:
        lives.setdefault(write.uuid, _Life(write.uuid)).writes.append(write)
    for entry in sorted(entries, key=lambda entry: entry.revision):
        lives.setdefault(entry.uuid, _Life(entry.uuid)).entries.append(entry)
    faults: list[str] = []
    counts: Counter[str] = Counter()
    for life in lives.values():
        found = list(_versions(life))
        if not found:
            found = [*_steps(life), *_tasks(life, counts, is_over)]
        faults += found
    faults += _answers(lives, asked, counts)
    counts["servers"] = len(lives)
    counts["writes"] = sum(len(life.writes) for life in lives.values())
    return Report(tuple(faults), counts)


def _versions(life: _Life) -> Iterator[str]:
    """Each revision is written once, in order, and has its line in the history."""
    written = [write.revision for write in life.writes]
    if written != list(range(len(written))):
        yield f"{life.uuid}: revisions are not 0, 1, 2, …: a write was lost or made twice"
    elif written != [entry.revision for entry in life.entries]:
        yield f"{life.uuid}: the history does not have one line for each write"


def _steps(life: _Life) -> Iterator[str]:
    """Each step is what the library makes of the record before it, and an edge of the graph."""
    before: Server | None = None
    for write, entry in zip(life.writes, life.entries, strict=True):
        where = f"{life.uuid} at {write.revision}, {entry.event}"
        step = _again(before, entry)
        if step is None or (step.verdict is not None and not step.verdict.allowed):
            yield f"{where}: cannot come about with {before}"
        elif step.server != write.server:
            yield f"{where}: makes {step.server}, and {write.server} was written"
        elif not is_edge(before, entry.event, write.server):
            yield f"{where}: is no edge of the graph"
        before = write.server


def _again(before: Server | None, entry: Entry) -> Step | None:
    if entry.actor is not None:
        return accept(before, entry.event, actor=entry.actor)
    return None if before is None else attempt(before, entry.event)


def _tasks(life: _Life, counts: Counter[str], is_over: bool) -> Iterator[str]:
    """At most one request's work is under way; each ends, or another's request takes over."""
    under_way: Entry | None = None
    for write, entry in zip(life.writes, life.entries, strict=True):
        where = f"{life.uuid} at {write.revision}, {entry.event}"
        if entry.actor is not None:
            counts["accepted"] += 1
            if write.request_id != entry.request_id:
                continue  # it neither began work nor ended any
            counts["overtaken"] += under_way is not None
        elif entry.event.rpartition(".")[0] in REACTIONS:
            counts["restarts"] += 1
        elif under_way is None or under_way.request_id != entry.request_id:
            yield f"{where}: is a step of {entry.request_id}, which has not the server"
        elif entry.event.rpartition(".")[0] != under_way.goes_on:
            yield f"{where}: is no step of {under_way.goes_on}"
        under_way = None if entry.goes_on is None else entry
        if under_way is None and entry.actor is None:
            counts["finished"] += 1
    if is_over and under_way is not None:
        yield f"{life.uuid}: the work of {under_way.request_id} has no end"


def _answers(
    lives: dict[str, _Life], asked: Sequence[Asked], counts: Counter[str]
) -> Iterator[str]:
    """What each was answered is what the record that it saw says; what was accepted is there."""
    accepted = {
        entry.request_id: entry
        for life in lives.values()
        for entry in life.entries
        if entry.actor is not None
    }
    races: dict[tuple[str, int], set[str]] = defaultdict(set)
    won: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for each in asked:
        life = lives.get(each.uuid)
        if life is None or not each.seen or max(each.seen) >= len(life.writes):
            yield f"{each.request_id}: saw what was never written"
            continue
        counts["requests"] += 1
        records = [write.server for write in life.writes]
        lost = each.seen if each.allowed else each.seen[:-1]
        for revision in lost:
            races[each.uuid, revision].add(each.request_id)
        if each.allowed is not (each.request_id in accepted):
            is_there = "is" if each.request_id in accepted else "is not"
            yield f"{each.request_id}: was answered {each.code} and {is_there} in the history"
        elif each.allowed:
            won[each.uuid, each.seen[-1]].append(accepted[each.request_id])
            yield from _won(each, records, accepted[each.request_id].revision)
        else:
            counts["refused"] += 1
            yield from _refused(each, records)
        for revision, next_look in zip(each.seen, each.seen[1:], strict=False):
            counts["beaten"] += 1
            yield from _beaten(each, records, revision, next_look)
    for (uuid, revision), rivals in races.items():
        if len(rivals) > 1:
            counts["races"] += 1
            yield from _raced(lives[uuid], revision, won[uuid, revision])


def _won(each: Asked, records: list[Server], revision: int) -> Iterator[str]:
    """What it was based on held to the last."""
    guard = check(records[each.seen[-1]], each.action, actor=each.actor).guard
    if guard is None or not guard.holds(records[revision - 1]):
        yield f"{each.request_id}: {each.action} was accepted over {records[revision - 1]}"


def _refused(each: Asked, records: list[Server]) -> Iterator[str]:
    """The answer names the state that the record had."""
    have = None if each.attribute is None else getattr(records[each.seen[-1]], each.attribute, None)
    verdict = check(records[each.seen[-1]], each.action, actor=each.actor)
    is_record = each.attribute in Server.__dataclass_fields__
    if verdict.allowed or verdict.code != each.code:
        yield f"{each.request_id}: {each.code} is not the answer to {records[each.seen[-1]]}"
    elif is_record and each.attribute != "deleted" and str(have) != each.have:
        yield f"{each.request_id}: says {each.attribute} {each.have}, and it was {have}"


def _beaten(each: Asked, records: list[Server], seen: int, next_look: int) -> Iterator[str]:
    """It was beaten by a write that the record has."""
    guard = check(records[seen], each.action, actor=each.actor).guard
    if guard is None or all(guard.holds(record) for record in records[seen + 1 : next_look + 1]):
        yield f"{each.request_id}: lost at revision {seen}, and nothing stood in its way"


def _raced(life: _Life, revision: int, winners: list[Entry]) -> Iterator[str]:
    """Of two that exclude each other, one alone wrote on what both saw.

    The second may win, too, where what the first did is over and the record is again as it was.
    """
    before = life.writes[revision].server
    winners = sorted(winners, key=lambda entry: entry.revision)
    for number, first in enumerate(winners):
        for second in winners[number + 1 :]:
            guard = check(before, second.event, actor=second.actor or Actor.MEMBER).guard
            since = life.writes[first.revision : second.revision]
            if guard is None or not any(guard.holds(write.server) for write in since):
                yield (
                    f"{life.uuid}: {first.event} and {second.event} both won the race that began "
                    f"at revision {revision}"
                )
