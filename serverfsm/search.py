"""The search behind `plan`: the cheapest way over servers at rest, by actions that are allowed.

Only searching belongs here. Whether a request is allowed `check` decides, and what comes of it
`follow`; which actions may be used at all stands in `Terms`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count
from typing import Any

from serverfsm.check import check
from serverfsm.requests import ActionName, Actor, Microversion
from serverfsm.rows import Action, End, Lock, Parameter
from serverfsm.rulebook import Rulebook
from serverfsm.server import Server
from serverfsm.states import LockedBy, Status, VmState
from serverfsm.step import Step, accept, follow

__all__ = ["Move", "Terms", "Way", "solve"]


Rank = tuple[int, int, int]
"""Of a move: whether a parameter of yours makes it, how many vm_states it begins in, its place."""


@dataclass(frozen=True)
class Terms:
    """On what terms a way is sought.

    Attributes:
        actor, microversion, book: as `check` takes them.
        costs: what each action costs.
        including: the actions that are used though they give something up.
    """

    actor: Actor
    microversion: Microversion
    book: Rulebook
    costs: Mapping[ActionName, float]
    including: frozenset[ActionName]

    @cached_property
    def leading(self) -> tuple[Action, ...]:
        """Every row that may lead a server to another vm_state."""
        return tuple(row for row in self.book if row.removed is None and _leads(row))

    @cached_property
    def left_out(self) -> frozenset[ActionName]:
        """The rows that are not used unless somebody says so."""
        given_up = {row.name for row in self.leading if row.destructive or row.record_only}
        return frozenset(given_up - self.including)

    @cached_property
    def own_lock(self) -> LockedBy | None:
        """Whose lock it would be if this actor locked a server; None: they may not."""
        locked = (self.ask(Server(VmState.ACTIVE), row) for row in self.locking(True))
        return next((step.server.locked_by for step in locked if step and step.server), None)

    def locking(self, locked: bool) -> tuple[Action, ...]:
        """The rows that put a lock on a server, or take it away."""
        return tuple(
            row
            for row in self.book
            if any(write.values.get("locked") is locked for write in row.writes)
        )

    def usable(self, server: Server) -> tuple[Action, ...]:
        """The rows that a way from this server may use; through another's lock only a few."""
        is_free = not server.locked or self.owns_lock(server)
        return tuple(
            row
            for row in self.leading
            if row.name not in self.left_out and (is_free or row.lock is Lock.IGNORED)
        )

    def parameters(self, row: Action) -> tuple[Parameter, ...]:
        """What the row's request needs in its body at this microversion."""
        version = self.microversion
        return tuple(
            each
            for each in row.parameters
            if each.required
            and version >= each.since
            and (each.until is None or version < each.until)
        )

    def owns_lock(self, server: Server) -> bool:
        """Whether the server's lock is known to be this actor's, or of this actor's side."""
        return server.locked_by is not None and server.locked_by is self.own_lock

    def ask(self, server: Server, row: Action) -> Step | None:
        """What accepting this row's request does; None if it is refused or not decided."""
        step = accept(
            server,
            row.name,
            actor=self.actor,
            microversion=self.microversion,
            rulebook=self.book,
        )
        return step if step.verdict and not step.verdict.depends_on else None


def _leads(row: Action) -> bool:
    """Whether the row may change the vm_state; the locks are the search's own business."""
    if any("locked" in write.values for write in row.writes):
        return False
    writes = any("vm_state" in write.values for write in row.writes)
    return writes or any(outcome.end is not End.ORIGIN for outcome in row.success)


@dataclass(frozen=True, slots=True)
class Move:
    """One action of a way, from its request to its end.

    Attributes:
        row: what is asked for.
        run: each step of its successful run, as `follow` tells it.
        after: the server at the end of it.
    """

    row: Action
    run: tuple[Step, ...]
    after: Server


@dataclass(frozen=True, slots=True)
class Way:
    """A way that was found.

    Attributes:
        cost: of all its moves.
        moves: in order.
    """

    cost: float
    moves: tuple[Move, ...]


def solve(server: Server, goal: Status, terms: Terms) -> Way | None:
    """Return the cheapest way to the goal, unlocking the server first if the lock is one's own.

    Args:
        server: its snapshot, at rest or with a task that nothing will end.
        goal: the status in which it shall come to rest.
        terms: on what terms.
    """
    plain = _cheapest(server, goal, terms)
    if not terms.owns_lock(server):
        return plain
    unlocking = _move(server, terms, locked=False)
    if unlocking is None or (plain and plain.cost <= terms.costs[unlocking.row.name]):
        return plain
    unlocked = _cheapest(unlocking.after, goal, terms)
    if unlocked is None:
        return plain
    moves = (unlocking, *unlocked.moves)
    locking = _move(moves[-1].after, terms, locked=True)
    moves = moves if locking is None else (*moves, locking)
    cost = sum(terms.costs[move.row.name] for move in moves)
    return plain if plain is not None and plain.cost <= cost else Way(cost, moves)


def _move(server: Server, terms: Terms, *, locked: bool) -> Move | None:
    """Locking or unlocking, if it is allowed and the lock is then as it should be."""
    for row in terms.locking(locked):
        step = terms.ask(server, row)
        if step is not None and step.server is not None and step.server.locked is locked:
            return Move(row, (step,), step.server)
    return None


def _cheapest(start: Server, goal: Status, terms: Terms) -> Way | None:
    """Dijkstra's search. Of ways that cost the same: fewer moves, plain ones rather than variants
    for which a value must be given, more specific ones, the table's order; the label has them in
    this order and is compared from left to right.
    """
    rows = terms.usable(start)
    serial = count()
    settled: set[int] = set()
    # cost, number of moves, the rank of each; a serial number so that no server is compared
    queue: list[tuple[float, int, tuple[Rank, ...], int, Server, tuple[Move, ...]]]
    queue = [(0.0, 0, (), next(serial), start, ())]
    while queue:
        cost, length, ranks, _, server, moves = heapq.heappop(queue)
        if server.status is goal and server.task_state is None:
            return Way(cost, moves)
        if server.key in settled:
            continue
        settled.add(server.key)
        for order, move in _moves(server, rows, terms):
            if move.after.key not in settled:
                dearer = cost + terms.costs[move.row.name]
                rank = (_is_made(move.row), len(move.row.origins), order)
                trail = (*ranks, rank)
                label = (dearer, length + 1, trail, next(serial), move.after, (*moves, move))
                heapq.heappush(queue, label)
    return None


def _is_made(row: Action) -> bool:
    """Whether it is a variant that the presence of a parameter makes of a plain action."""
    return row.name.variant in {each.name for each in row.parameters}


def _moves(server: Server, rows: tuple[Action, ...], terms: Terms) -> Iterator[tuple[int, Move]]:
    """Every move from here to another server at rest, with its place among the rows."""
    for order, row in enumerate(rows):
        verdict = check(server, row.name, terms.actor, terms.microversion, terms.book)
        # A variant whose parameter is not looked at yet is the plain action, which has its own row.
        if not verdict.allowed or verdict.depends_on or verdict.action is not row.name:
            continue
        run = _run(server, row, terms.actor, terms.microversion, terms.book)
        after = run[-1].server
        if after is not None and after.task_state is None and after.key != server.key:
            yield order, Move(row, run, after)


@lru_cache(maxsize=4096)
def _run(
    server: Server,
    row: Action,
    actor: Actor,
    microversion: Microversion,
    book: Rulebook,
) -> tuple[Step, ...]:
    """Each step of the row's run to its success; its acceptance is all where no work follows."""
    asked: dict[str, Any] = {"actor": actor, "microversion": microversion, "rulebook": book}
    if not row.sources.run:
        return (accept(server, row.name, **asked),)
    return follow(server, row.name, **asked)
