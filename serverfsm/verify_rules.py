"""What `verify` proves of the rules: of locks, guards, requests, deviations and statuses.

Each check is a generator: a case for whatever it looked at, with the fault if there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, product
from typing import Any

from serverfsm.guards import Request, first_failure
from serverfsm.requests import FIRST, LATEST, Actor, Guard, Microversion
from serverfsm.rows import Action, Deviation, End, Lock
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import Family, LockedBy, Status, VmState, status_of
from serverfsm.table import ANSWERS
from serverfsm.verify_graph import FINE, PAIRS, Case, reached_states

__all__ = ["declared", "deviations", "guards", "locks", "projection", "requests"]

G = Guard

# -------------------------------------------------------------------------------------- locks


def locks(book: Rulebook) -> Iterator[Case]:
    """Nobody but an administrator gets past a lock, and what ignores locks moves no server."""
    held = {(*state, who): Server(*state, locked=True, locked_by=who)
            for state, who in product(PAIRS, LockedBy)}  # fmt: skip
    people = [who for who in Actor if who is not Actor.ADMIN]
    for row in book:
        if row.lock is Lock.IGNORED:
            yield _ignoring(row)
            yield from _unlocking(row, book)
            continue
        version = Microversion(row.since)
        for state in PAIRS:
            if not row.accepts(*state):
                continue
            for holder, who in product(LockedBy, people):
                refusal = first_failure(Request(row, held[*state, holder], who, version, book))
                let_in = refusal is None or (
                    refusal.guard is not G.LOCK and who.rank >= row.policy.least.rank
                )
                yield (
                    Case(fault=f"{row.name}: a {who} gets past the lock of {holder}")
                    if let_in
                    else FINE
                )


def _ignoring(row: Action) -> Case:
    """A row that ignores locks, and that others than administrators may ask for, moves nothing."""
    if row.policy.least is Actor.ADMIN or G.ABSENT in row.guards:
        return Case("actions that ignore locks: for administrators, or where no server is yet")
    ends = {outcome.end for outcome in (*row.success, *row.failures)}
    moves = ends != {End.ORIGIN} or any("vm_state" in write.values for write in row.writes)
    fault = f"{row.name}: ignores locks and changes the vm_state"
    kind = "actions that ignore locks: they leave the vm_state as it is"
    return Case(fault=fault) if moves else Case(kind)


def _unlocking(row: Action, book: Rulebook) -> Iterator[Case]:
    """Nobody but an administrator takes an administrator's lock away."""
    if not any(write.values.get("locked") is False for write in row.writes):
        return
    server = Server(VmState.ACTIVE, locked=True, locked_by=LockedBy.ADMIN)
    for who in Actor:
        refusal = first_failure(Request(row, server, who, LATEST, book))
        taken = refusal is None and who is not Actor.ADMIN
        fault = f"{row.name}: a {who} takes an administrator's lock away"
        yield Case(fault=fault) if taken else FINE


# ------------------------------------------------------------------------------------- guards

# Of each two, the first is tested before the second: who asks and what for come before the server
# is looked at, nova.compute.api:check_instance_state tests in this order, and late guards are late.
_OF_SERVER = (
    G.LOCK, G.HOST, G.HOST_OF_IMAGE, G.VM_STATE, G.TASK_STATE, G.LAUNCHED, G.BACKING, G.LOCK_OWNER,
    G.LATE_VM_STATE, G.LATE_POLICY,
)  # fmt: skip
BEFORE = (
    *((G.AUTHENTICATED, other) for other in Guard if other is not G.AUTHENTICATED),
    *((G.OFFERED, other) for other in Guard if other not in (G.AUTHENTICATED, G.OFFERED)),
    (G.KNOWN, G.FOUND),
    *((first, other) for first in (G.KNOWN, G.FOUND, G.POLICY) for other in _OF_SERVER),
    *((G.REMOVED, other) for other in (G.KNOWN, G.FOUND, *_OF_SERVER)),
    *((G.LOCK, other) for other in (G.VM_STATE, G.TASK_STATE, G.LAUNCHED, G.BACKING)),
    (G.VM_STATE, G.TASK_STATE),
    (G.TASK_STATE, G.LAUNCHED),
    *((state, G.BACKING) for state in (G.VM_STATE, G.TASK_STATE, G.LAUNCHED)),
    *((state, G.LATE_VM_STATE) for state in (G.VM_STATE, G.TASK_STATE, G.LAUNCHED)),
    *((other, G.LATE_POLICY) for other in _OF_SERVER if other is not G.LATE_POLICY),
)


def guards(book: Rulebook) -> Iterator[Case]:
    """Each row tests what it must, in an order that gives nothing away and that Nova has."""
    for row in book:
        place = {guard: number for number, guard in enumerate(row.guards)}
        for first, second in BEFORE:
            if first in place and second in place:
                fault = f"{row.name}: tests {second} before {first}"
                yield FINE if place[first] < place[second] else Case(fault=fault)
        needed = {G.AUTHENTICATED, G.OFFERED, G.POLICY}
        needed |= set() if G.ABSENT in place else {G.KNOWN, G.FOUND}
        needed |= {G.LOCK} if row.lock is Lock.ADMIN_ONLY else set()
        for guard in sorted(needed, key=list(Guard).index):
            fault = f"{row.name}: does not test {guard}"
            yield FINE if guard in place else Case(fault=fault)


# ----------------------------------------------------------------------------------- requests


def requests(book: Rulebook) -> Iterator[Case]:
    """At no microversion do two rows stand for one request, and a variant can be asked for."""
    for row in book:
        variant, made = row.name.variant, row.name.variant is None
        for each in row.parameters:
            made = made or variant in (each.name, *each.values)
        fault = f"{row.name}: no parameter of its makes the variant"
        yield FINE if made else Case(fault=fault)
    for one, other in combinations(book, 2):
        if one.name.key == other.name.key:
            yield Case(fault=_overlap(one, other))


def _overlap(one: Action, other: Action) -> str | None:
    """What both rows stand for, if there is such a request."""
    mine, its = _marks(one), _marks(other)
    first = max(_decides_from(one), _decides_from(other))
    apart = any(row.until is not None and first >= row.until for row in (one, other))
    if apart or mine.keys() != its.keys():
        return None
    if all(not mine[name] or not its[name] or set(mine[name]) & set(its[name]) for name in mine):
        return f"{one.name}: from {first} on, {other.name} stands for the same request"
    return None


def _decides_from(row: Action) -> Microversion:
    """The first microversion at which requests are decided by this row."""
    return Microversion(row.ignored_before or row.since)


def _marks(row: Action) -> dict[str, tuple[str, ...]]:
    """What of a body tells the row from others: a parameter that is there, or its only values."""
    return {
        each.name: each.values
        for each in row.parameters
        if each.required and (each.values or each.name == row.name.variant)
    }


# --------------------------------------------------------------------------------- deviations

# Which guard reads a column; the columns that are not here show in the exported table.
READ_BY = {
    "vm_states": G.VM_STATE,
    "volume_backed_vm_states": G.VM_STATE,
    "late_vm_states": G.LATE_VM_STATE,
    "task_states": G.TASK_STATE,
    "any_task_in": G.TASK_STATE,
    "lock": G.LOCK,
    "policy": G.POLICY,
    "late_policy": G.LATE_POLICY,
    "late_rule": G.LATE_POLICY,
    "since": G.OFFERED,
    "until": G.OFFERED,
    "removed": G.REMOVED,
    "backing": G.BACKING,
}
EXPORTED = frozenset(
    {"title", "label", "statuses", "rule", "parameters", "bodies", "normal", "errors", "writes",
     "success", "failures", "assumes", "sources", "guards"}
)  # fmt: skip


def deviations(book: Rulebook) -> Iterator[Case]:
    """Each deviation stands in its column, and changes an answer or the exported table."""
    for deviation in book.deviations:
        column, _, part = deviation.column.partition(".")
        fault = f"{deviation.action}: deviation {deviation.name}"
        if deviation.reference == deviation.nova:
            yield Case(fault=f"{fault}: both sides are the same")
        elif _value(API_REFERENCE, deviation) != deviation.reference:
            yield Case(fault=f"{fault}: the reference's rows have another {deviation.column}")
        elif _value(book, deviation) != deviation.nova:
            yield Case(fault=f"{fault}: the rows have another {deviation.column}")
        elif column in EXPORTED:
            yield Case("show in the exported table")
        elif not part and column not in READ_BY:
            yield Case(fault=f"{fault}: {column} shows nowhere")
        elif not _shows(deviation, Guard(part) if part else READ_BY[column], book):
            yield Case(fault=f"{fault}: no answer differs for it")
        else:
            yield Case("show in an answer")


def _value(book: Rulebook, deviation: Deviation) -> object:
    row = book[deviation.action]
    column, _, part = deviation.column.partition(".")
    if not part:
        return getattr(row, column)
    return row.answers.get(Guard(part)) or ANSWERS[Guard(part)]


def _shows(deviation: Deviation, guard: Guard, book: Rulebook) -> bool:
    """Whether some request is answered otherwise, in one of the two books by this guard."""
    name = deviation.action
    people = sorted(Actor, key=lambda who: -who.rank)
    for server, who, version in product(_subjects(guard), people, _versions(book, deviation)):
        mine, its = (
            first_failure(Request(each[name], server, who, version, each))
            for each in (book, API_REFERENCE)
        )
        if mine != its and guard in (mine and mine.guard, its and its.guard):
            return True
    return False


@lru_cache(maxsize=32)
def _subjects(guard: Guard) -> tuple[Server | None, ...]:
    """Servers on which the guard may fail, those at rest first."""
    if guard is G.KNOWN:
        return (None,)
    changes: dict[str, Any] = _FAILING.get(guard, {})
    states = sorted(PAIRS, key=lambda state: state[1] is not None)
    kinds = [changes] if changes else [{}, {"volume_backed": True}]
    return tuple(Server(*state, **each) for state in states for each in kinds)


# What about a server makes a guard fail, unless its states do.
_FAILING = {
    G.FOUND: {"deleted": True},
    G.LOCK: {"locked": True},
    G.LOCK_OWNER: {"locked": True},
    G.HOST: {"host": False},
    G.HOST_OF_IMAGE: {"host": False},
    G.LAUNCHED: {"launched": False},
    G.BACKING: {"volume_backed": True},
}


def _versions(book: Rulebook, deviation: Deviation) -> list[Microversion]:
    found = {FIRST, LATEST}
    for row in (book[deviation.action], API_REFERENCE[deviation.action]):
        found.add(Microversion(row.since))
        for sides in (deviation.reference, deviation.nova):
            if (until := getattr(sides, "until", None)) is not None:
                found.add(Microversion(until))
    return sorted(found)


# --------------------------------------------------------------------------------- projection


def projection(book: Rulebook) -> Iterator[Case]:
    """A status stands for the pairs that have it; the reference's for those that are accepted."""
    reached = reached_states(book)
    shown = {status_of(*state) for state in reached}
    for status in Status:
        pairs = Server.from_status(status).pairs()
        meant = tuple(state for state in PAIRS if status_of(*state) is status)
        fault = f"status {status}: stands for {len(pairs)} pairs, and {len(meant)} have it"
        yield FINE if pairs == meant else Case(fault=fault)
        if not meant:
            yield Case("statuses that no pair has")
        else:
            yield FINE if status in shown else Case(fault=f"status {status}: never shows")
    for row in book:
        if row.statuses is not None:
            yield _statuses(row, book)


def _statuses(row: Action, book: Rulebook) -> Case:
    deviating = {each.column for each in book.deviations if each.action is row.name}
    if deviating & {"vm_states", "task_states", "any_task_in", "late_vm_states", "statuses"}:
        return Case("actions whose statuses a deviation is about")
    accepted = {status_of(*state) for state in PAIRS if row.accepts(*state)}
    apart = sorted(accepted ^ (row.statuses or frozenset()))
    if apart:
        what = "accepted and not named" if apart[0] in accepted else "named and not accepted"
        return Case(fault=f"{row.name}: statuses: {apart[0]} is {what}")
    return Case("actions whose statuses are those of the pairs they are accepted in")


# ----------------------------------------------------------------------------------- declared


def declared(book: Rulebook) -> Iterator[Case]:
    """What gives the server up, or changes the record alone, is declared to; and it does."""
    for row in book:
        ends = {outcome.end for outcome in row.success}
        gives_up = any(
            end is End.GONE or (isinstance(end, VmState) and end.family is Family.DELETE)
            for end in ends
        )
        fault = f"{row.name}: gives the server up and is not declared destructive"
        yield Case(fault=fault) if gives_up and not row.destructive else FINE
        if row.record_only:
            clears = all(
                "vm_state" in write.values and write.values.get("task_state", 0) is None
                for write in row.writes
            )
            is_so = bool(row.writes) and clears and not row.sources.run and not row.during
            fault = f"{row.name}: changes only the record, and does not set both states at once"
            yield Case("actions that change only the record", None if is_so else fault)
