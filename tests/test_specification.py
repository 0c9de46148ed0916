"""The library against a second reading of the specification, exhaustively.

The oracle below reads `specification.py` alone; the library is asked, never consulted. Each test
says what it covers and asserts the number of cases, so that a loop cannot silently shrink.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import Any, NamedTuple

import pytest

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Actor,
    CompareAndSwap,
    Rulebook,
    Server,
    Status,
    TaskState,
    Verdict,
    VmState,
    allowed,
    check,
    status_of,
)
from tests import specification as spec

REFERENCE, NOVA = "API_REFERENCE", "NOVA_34"
RULEBOOKS: dict[str, Rulebook] = {REFERENCE: API_REFERENCE, NOVA: NOVA_34}

ACTIONS = tuple(spec.ROWS)
VM_STATES = tuple(spec.VM_STATES.split())
TASKS: tuple[str | None, ...] = (None, *spec.TASK_STATES.split())
HOSTLESS = frozenset({"shelved_offloaded", "deleted"})
LOCKS = ("none", "owner", "admin")
BACKINGS = (False, True)
RANKS = dict(zip(spec.ACTORS.split(), range(6), strict=True)) | {"owner": 3}
LATEST = "2.104"

# Besides the newest microversion: the last one of what is gone since, and the last one at which
# volume-backed servers were treated otherwise.
OLDER = {
    "addFloatingIp": ("2.43",),
    "removeFloatingIp": ("2.43",),
    "addFixedIp": ("2.43",),
    "removeFixedIp": ("2.43",),
    "os-getVNCConsole": ("2.5",),
    "os-getSPICEConsole": ("2.5",),
    "os-getSerialConsole": ("2.5",),
    "os-getRDPConsole": ("2.5",),
    "rebuild": ("2.92",),
    "rescue": ("2.86",),
    "rescue:rescue_image_ref": ("2.86",),
}
GONE = tuple((action, LATEST) for action, row in spec.ROWS.items() if row.until is not None)
REQUESTS = tuple(
    (action, version)
    for action in ACTIONS
    for version in (LATEST, *OLDER.get(action, ()))
    if (action, version) not in GONE
)
PAIRS = 516  # 12 vm_states, 42 tasks or none
ASKED = 53  # 50 actions, 3 of them at a second microversion


# The oracle: from the words of specification.py to an answer.


class Case(NamedTuple):
    """One question; the lock is "none", the "owner"'s or an "admin"'s."""

    rulebook: str
    action: str
    version: str
    actor: str
    vm_state: str
    task_state: str | None
    lock: str = "none"
    volume_backed: bool = False
    launched: bool = True
    has_host: bool = True

    def __str__(self) -> str:
        words = [
            f"{self.rulebook} {self.action} by {self.actor} at {self.version}:",
            f"{self.vm_state} / {self.task_state or 'task none'},",
            "unlocked" if self.lock == "none" else f"locked by {self.lock}",
        ]
        words += ["volume-backed"] * self.volume_backed + ["never launched"] * (not self.launched)
        return " ".join(words + ["no host"] * (not self.has_host))


class Columns(NamedTuple):
    """What the row of a server holds of its state."""

    vm_state: str
    task_state: str | None
    locked: bool
    locked_by: str | None
    deleted: bool


class Answer(NamedTuple):
    """What the specification wants; None where it does not say.

    `columns` is the server's row after an acceptance, None for a refusal.
    """

    code: int | None
    reason: str | None = None
    message: str | None = None
    columns: Columns | None = None


@dataclass(frozen=True)
class Rule:
    """What one rulebook says of one action: a row of each table, and what is put together."""

    row: spec.Row
    nova: spec.Measured
    since: int
    until: int
    policy: str
    locked: str | None
    hostless: str | None
    wrong: str
    accepted: Mapping[bool, Mapping[str, frozenset[str | None]]]
    volume_backed: str | None


@cache
def minor(version: str) -> int:
    """Return 104 for "2.104"."""
    return int(version.partition(".")[2])


@cache
def shown_status(vm_state: str, task_state: str | None) -> str:
    """Return the status of a pair of states."""
    default, exceptions = spec.STATUS[vm_state]
    for status, tasks in exceptions.items():
        if task_state in tasks.split():
            return status
    return default


def listed(text: str, known: tuple[Any, ...]) -> frozenset[Any]:
    """Return what "any vm_state", "active, stopped", "any task but …" or "task none, …" names."""
    if text.startswith("no "):
        return frozenset()
    if text.startswith("any "):
        _, _, but = text.partition(" but ")
        return frozenset(known) - (listed(but, known) if but else frozenset())
    words = {None if word == "task none" else word for word in text.split(", ")}
    assert words <= set(known), text
    return frozenset(words)


@cache
def rule(rulebook: str, action: str) -> Rule:
    """Return what the rulebook says of the action."""
    row, nova = spec.ROWS[action], spec.MEASURED[action]
    since, until = minor(row.since), minor(row.until or "2.105")
    vm_states, tasks = where(nova)
    measured = dict.fromkeys(vm_states, tasks)
    accepted = dict.fromkeys(BACKINGS, measured)
    if rulebook == NOVA:
        return Rule(
            row=row,
            nova=nova,
            since=since,
            until=until,
            policy=nova.policy,
            locked=nova.locked,
            hostless=nova.hostless,
            wrong=nova.wrong,
            accepted=accepted,
            volume_backed=nova.volume_backed,
        )
    if row.statuses is not None:
        named = set(row.statuses.split())
        image_only = set(row.unless_volume_backed.split())
        accepted = {False: by_status(named, nova), True: by_status(named - image_only, nova)}
    forbidden = row.locked == "administrators" or action.split(":")[0] in spec.LOCK_LIST.split()
    return Rule(
        row=row,
        nova=nova,
        since=since,
        until=until,
        policy=row.policy or nova.policy,
        locked=without_bug(nova.locked or spec.LOCKED, spec.LOCKED) if forbidden else None,
        hostless=nova.hostless and without_bug(nova.hostless, spec.NOT_READY),
        wrong=without_bug(nova.wrong, spec.WRONG),
        accepted=accepted,
        # "Until microversion 2.87, this API is not supported for volume-backed": then it is.
        volume_backed=None if action == "rescue" else nova.volume_backed,
    )


def where(nova: spec.Measured) -> tuple[frozenset[str], frozenset[str | None]]:
    """Return the vm_states and the tasks of "active, stopped / task none"."""
    vm_states, tasks = nova.where.split(" / ")
    return listed(vm_states, VM_STATES), listed(tasks, TASKS)


CRASHES = frozenset(spec.HOSTLESS_CRASHES.split())


def late_host(case: Case) -> str | None:
    """The answer where no host holds the server, after the states; None: it does not matter."""
    measured = spec.MEASURED[case.action].hostless_late
    if case.action not in CRASHES:
        return measured
    crash = spec.BUG.format("NovaException")
    return crash if case.rulebook == NOVA else spec.NOT_READY


def without_bug(answer: str, instead: str) -> str:
    """Return the answer, or what Nova would have said without its bug."""
    return instead if answer.startswith("500") else answer


def by_status(named: set[str], nova: spec.Measured) -> dict[str, frozenset[str | None]]:
    """Return the states whose status is named while no task is under way, with their tasks.

    The reference is silent on tasks, so those that Nova accepts; save that a named status that
    exists with a task only names its tasks. What Nova refuses after it looked at the states, it
    refuses there in this rulebook, too.
    """
    _, tasks = where(nova)
    looks_at_nothing = nova.where == spec.ANY  # then the status named is all there is to go by
    accepted = {}
    for vm_state in VM_STATES:
        default = shown_status(vm_state, None)
        shown = {task: shown_status(vm_state, task) for task in TASKS}
        if default in named:
            accepted[vm_state] = frozenset(
                task
                for task, status in shown.items()
                if (status in named if looks_at_nothing else task in tasks)
                or (status in named and status != default)
            )
        elif nova.then is not None and nova.then[0] == vm_state:
            accepted[vm_state] = tasks
        else:
            assert not named & set(shown.values())
    return accepted


def refusal(case: Case, answer: str, reason: str, **words: str | None) -> Answer:
    """Return an answer such as "409 Instance {id} is locked", in the words of the case."""
    code, _, text = answer.partition(" ")
    label = spec.MEASURED[case.action].label or case.action.split(":")[0]
    for name, value in {"action": label, "vm_state": case.vm_state, **words}.items():
        text = text.replace(f"{{{name}}}", value or "")
    return Answer(int(code), reason, text or None)


def expected(case: Case) -> Answer:
    """Return what the specification wants: the checks one by one, in the measured order."""
    if minor(case.version) < minor(spec.IGNORED_BEFORE.get(case.action, "2.0")):
        case = case._replace(action=case.action.partition(":")[0])
    return (
        at_the_door(Case(*case[:4], "", None, case.lock))
        or by_the_state(Case(*case[:3], "", *case[4:6], "", *case[7:]))
        or by_the_late_policy(case)
        or accepted(case)
    )


@cache
def at_the_door(case: Case) -> Answer | None:
    """Return the refusal by what does not look at the server's state."""
    the, actor = rule(case.rulebook, case.action), case.actor
    if actor == "anonymous":
        return Answer(401, "not_authenticated")
    if minor(case.version) < the.since:
        return Answer(the.row.early)
    if minor(case.version) >= the.until:
        return Answer(404, "microversion")
    if the.nova.gone is not None:
        return refusal(case, the.nova.gone, "removed")
    if actor == "stranger":
        return Answer(404, "not_found") if "404" in the.row.errors else None
    if RANKS[actor] < RANKS["owner" if the.nova.late else the.policy]:
        return Answer(403, "forbidden")
    if case.lock != "none" and actor != "admin" and the.locked is not None:
        return refusal(case, the.locked, "locked")
    return None


@lru_cache(64)
def by_the_state(case: Case) -> Answer | None:
    """Return the refusal by what does not look at who asks nor at the lock."""
    the, vm_state, task = rule(case.rulebook, case.action), case.vm_state, case.task_state
    states = the.accepted[case.volume_backed]
    if not case.has_host and the.hostless is not None:
        return refusal(case, the.hostless, "no_host")
    if case.action == "create":
        return refusal(case, the.wrong, "exists")
    if vm_state not in states:
        return refusal(case, the.wrong, "vm_state", attribute="vm_state", value=vm_state)
    if task not in states[vm_state]:
        return refusal(case, the.wrong, "task_state", attribute="task_state", value=task)
    if not case.launched and the.nova.launched:
        return refusal(case, spec.INVALID, "not_launched")
    return by_what_is_left(case)


def by_what_is_left(case: Case) -> Answer | None:
    """Return the refusal by what is looked at after the states."""
    the, vm_state = rule(case.rulebook, case.action), case.vm_state
    if not case.has_host and (late := late_host(case)) is not None:
        return refusal(case, late, "no_host")
    if the.nova.then is not None and the.nova.then[0] == vm_state:
        return refusal(case, the.nova.then[1], "vm_state")
    if case.volume_backed:
        before, answer = spec.VOLUME_BACKED_BEFORE.get(case.action, ("2.1", ""))
        if minor(case.version) < minor(before):
            return refusal(case, answer, "volume_backed")
        if the.volume_backed is not None:
            return refusal(case, the.volume_backed, "volume_backed")
    return None


def by_the_late_policy(case: Case) -> Answer | None:
    """Return the refusal by a policy that is looked at after the state."""
    the = rule(case.rulebook, case.action)
    if the.nova.late and RANKS[case.actor] < RANKS[the.policy]:
        return Answer(403, "forbidden")
    writes = spec.LOCK_WRITES.get((case.action, side(case), case.lock), "")
    return refusal(case, writes, "forbidden") if writes.startswith("403") else None


def side(case: Case) -> str:
    """Return whose lock it is if this person locks."""
    return "admin" if case.actor == "admin" else "owner"


def accepted(case: Case) -> Answer:
    """Return the acceptance, with what it writes."""
    the = rule(case.rulebook, case.action)
    writes = the.nova.writes
    if case.action in ("lock", "unlock"):
        writes = spec.LOCK_WRITES[case.action, side(case), case.lock]
    elif not case.has_host and the.nova.hostless_writes is not None:
        writes = the.nova.hostless_writes
    elif case.volume_backed and the.nova.volume_backed_writes is not None:
        writes = the.nova.volume_backed_writes
    columns = columns_of(case)._replace(**assignments(writes))
    return Answer(the.row.normal, "ok", None, columns)


def columns_of(case: Case) -> Columns:
    """Return the server's row before the request."""
    owner = None if case.lock == "none" else case.lock
    return Columns(case.vm_state, case.task_state, owner is not None, owner, deleted=False)


@cache
def assignments(writes: str) -> dict[str, Any]:
    """Return what "vm_state deleted, task_state none, also deleted=True" assigns."""
    found: dict[str, Any] = {}
    if writes != "nothing":
        for part in writes.replace("also ", "").replace("=", " ").split(", "):
            column, value = part.split(" ")
            found[column] = {"True": True, "False": False, "none": None, "None": None}.get(
                value, value
            )
    return found


# The comparison


def server_of(case: Case) -> Server:
    """Return the library's server of a case."""
    return Server(
        VmState(case.vm_state),
        case.task_state and TaskState(case.task_state),  # type: ignore[arg-type]
        locked=case.lock != "none",
        locked_by=None if case.lock == "none" else case.lock,  # type: ignore[arg-type]
        launched=case.launched,
        host=case.has_host,
        volume_backed=case.volume_backed,
    )


def verdict_of(case: Case, server: Server) -> Verdict:
    """Return the library's verdict on a case."""
    return check(
        server,
        case.action,
        actor=case.actor,
        microversion=case.version,
        rulebook=RULEBOOKS[case.rulebook],
    )


def difference(case: Case, verdict: Verdict, want: Answer) -> str | None:
    """Return how the verdict is not what the specification wants, None if it is."""
    guard = verdict.guard
    columns = None if guard is None else written(case, guard)
    have = Answer(verdict.code, verdict.reason.value, verdict.message, columns)
    since = minor(spec.UNDECIDED.get(case.action, "2.999"))
    undecided = want.code == 400 and case.volume_backed and minor(case.version) >= since
    problems = []
    if have != want:
        problems = [
            f"{name} is {got!r}, not {wanted!r}"
            for name, got, wanted in zip(Answer._fields, have, want, strict=True)
            if got != wanted and wanted is not None and (verdict.allowed or name != "columns")
        ]
    if verdict.allowed is not (want.columns is not None):
        problems.append(f"allowed is {verdict.allowed}")
    if verdict.maybe is not undecided:
        problems.append(f"maybe is {verdict.maybe}")
    return f"{case}: {'; '.join(problems)}" if problems else None


def written(case: Case, guard: CompareAndSwap) -> Columns:
    """Return the server's row after the guard's writes."""
    return columns_of(case)._replace(**guard.set)  # type: ignore[arg-type]


class Tally:
    """Counts the cases that were asked and keeps the differences."""

    def __init__(self) -> None:
        self.asked = 0
        self.allowed = 0
        self.differences: list[str] = []
        self.actions: Counter[str] = Counter()
        self.guards: dict[object, tuple[Case, CompareAndSwap]] = {}

    def add(self, case: Case, verdict: Verdict) -> None:
        """Compare one verdict."""
        self.asked += 1
        self.allowed += verdict.allowed
        self.note(case, difference(case, verdict, expected(case)))

    def keep_guard(self, case: Case, guard: CompareAndSwap) -> None:
        """Keep a guard of an accepted request, once for each request and person."""
        key = (case[1:4], tuple(guard.expect.items()), tuple(guard.set.items()))
        self.guards.setdefault(key, (case, guard))
        if not fits(case, guard.expect):
            self.note(case, f"{case}: the guard expects {guard.expect}")

    def note(self, case: Case, problem: str | None) -> None:
        """Keep a difference."""
        if problem is not None:
            self.differences.append(problem)
            self.actions[case.action] += 1

    def report(self) -> None:
        """Fail with the number of differences, by action, and the first 20, if there are any."""
        if self.differences:
            by_action = ", ".join(f"{count} {action}" for action, count in self.actions.items())
            shown = "\n  ".join(self.differences[:20])
            pytest.fail(
                f"{len(self.differences)} differences ({by_action}), the first of them:\n  {shown}",
                pytrace=False,
            )


def questions(
    rulebook: str,
    actors: Iterable[str],
    locks: Iterable[str],
    backings: Iterable[bool],
    requests: Iterable[tuple[str, str]] = REQUESTS,
    *,
    launched: bool = True,
    has_host: bool | None = None,
) -> Iterator[tuple[Case, Server]]:
    """Yield the product of all this with every pair of states, and the server of each."""
    who = tuple(product(locks, actors))
    for vm_state, task, backing in product(VM_STATES, TASKS, backings):
        host = vm_state not in HOSTLESS if has_host is None else has_host
        servers = {
            lock: server_of(
                Case(rulebook, "", "", "", vm_state, task, lock, backing, launched, host)
            )
            for lock, _ in who
        }
        for (action, version), (lock, actor) in product(requests, who):
            yield (
                Case(
                    rulebook, action, version, actor, vm_state, task, lock, backing, launched, host
                ),
                servers[lock],
            )


# The tests


def test_the_words_are_the_library_s() -> None:
    assert set(ACTIONS) == {name.value for name in ActionName}
    assert set(spec.MEASURED) == set(ACTIONS)
    assert set(VM_STATES) == {word.value for word in VmState}
    assert set(TASKS) == {None, *(word.value for word in TaskState)}
    assert set(spec.STATUSES.split()) == {word.value for word in Status}
    assert spec.ACTORS.split() == [word.value for word in Actor]
    assert len(VM_STATES) * len(TASKS) == PAIRS
    assert (len(REQUESTS), len(GONE)) == (ASKED, 8)


def test_every_pair_has_its_status() -> None:
    got = {pair: status_of(*pair).value for pair in product(VM_STATES, TASKS)}
    assert len(got) == PAIRS
    assert got == {pair: shown_status(*pair) for pair in product(VM_STATES, TASKS)}
    assert set(got.values()) == set(spec.STATUSES.split()) - {"UNKNOWN"}


# For those who get past the door, all of it: pair of states x request x lock x backing.
@cache
def everything(rulebook: str) -> Tally:
    tally = Tally()
    for case, server in questions(rulebook, ["member", "manager", "admin"], LOCKS, BACKINGS):
        verdict = verdict_of(case, server)
        tally.add(case, verdict)
        if (guard := verdict.guard) is not None:
            tally.keep_guard(case, guard)
    return tally


@pytest.mark.parametrize("rulebook", RULEBOOKS)
def test_every_cell(rulebook: str) -> None:
    tally = everything(rulebook)
    tally.report()
    assert tally.asked == PAIRS * ASKED * 3 * 3 * 2 == 492_264
    assert tally.allowed > 100_000


# Each distinct guard of all those requests: whatever server fits what the guard expects would be
# accepted, and what the guard writes would be right for it. Servers that fit are looked for in
# every pair of states x lock x backing x launched.
@pytest.mark.parametrize("rulebook", RULEBOOKS)
def test_what_a_guard_expects(rulebook: str) -> None:
    guards = everything(rulebook).guards
    tally = Tally()
    for case, guard in guards.values():
        for other in fitting(case, guard.expect):
            tally.asked += 1
            columns = expected(other).columns
            if columns is None:
                tally.note(case, f"{other}: refused, but the guard of [{case}] would pass it")
            elif written(other, guard) != columns:
                tally.note(case, f"{other}: the guard of [{case}] would write {guard.set}")
    tally.report()
    assert len(guards) > 100
    assert tally.asked > 100_000


def fits(case: Case, expect: Mapping[str, frozenset[Any]]) -> bool:
    """Return whether the case's server is what a guard expects."""
    have = columns_of(case)._asdict()
    have |= {"launched": case.launched, "host": case.has_host, "volume_backed": case.volume_backed}
    return all(have[column] in values for column, values in expect.items())


def fitting(case: Case, expect: Mapping[str, frozenset[Any]]) -> Iterator[Case]:
    """Yield every case with the same request whose server is what a guard expects."""
    for vm_state, task, lock, backing, launched in product(
        [vm_state for vm_state in VM_STATES if vm_state in expect.get("vm_state", VM_STATES)],
        [task for task in TASKS if task in expect.get("task_state", TASKS)],
        LOCKS,
        BACKINGS,
        [True, False],
    ):
        host = vm_state not in HOSTLESS
        other = Case(*case[:4], vm_state, task, lock, backing, launched, host)
        if fits(other, expect):
            yield other


# For those who never do, and for all six at the newest microversion of what is gone by then: pair
# of states x request, unlocked and locked, image-backed.
@pytest.mark.parametrize("rulebook", RULEBOOKS)
def test_nobody_else_passes_the_door(rulebook: str) -> None:
    tally = Tally()
    for who, requests in ((spec.DOOR, REQUESTS), (spec.ACTORS.split(), GONE)):
        for case, server in questions(rulebook, who, ["none", "owner"], [False], requests):
            tally.add(case, verdict_of(case, server))
    tally.report()
    assert tally.asked == PAIRS * (ASKED * 3 + 8 * 6) * 2 == 213_624
    assert tally.allowed == 0
    for actor, code in spec.DOOR.items():
        case = Case(rulebook, "pause", LATEST, actor, "active", None)
        assert verdict_of(case, Server(VmState.ACTIVE)).code == expected(case).code == code


# A server that was never launched: pair of states x request x backing, for a member, unlocked.
@pytest.mark.parametrize("rulebook", RULEBOOKS)
def test_a_server_never_launched(rulebook: str) -> None:
    tally = Tally()
    for case, server in questions(rulebook, ["member"], ["none"], BACKINGS, launched=False):
        tally.add(case, verdict_of(case, server))
    tally.report()
    assert tally.asked == PAIRS * ASKED * 2 == 54_696
    assert tally.allowed > 5_000


# No host in every pair of states, and one in every pair, for the 31 actions of which it is known
# what a host means, at the last microversion with them, for an administrator.
@pytest.mark.parametrize("rulebook", RULEBOOKS)
def test_a_server_without_a_host(rulebook: str) -> None:
    named = [
        name
        for name, row in spec.MEASURED.items()
        if row.hostless or row.hostless_late or row.hostless_writes or name in CRASHES
    ]
    requests = [(action, OLDER.get(action, (LATEST,))[0]) for action in named]
    tally = Tally()
    for has_host in (False, True):
        for case, server in questions(
            rulebook, ["admin"], ["none"], [False], requests, has_host=has_host
        ):
            tally.add(case, verdict_of(case, server))
    tally.report()
    assert tally.asked == PAIRS * 31 * 2 == 31_992


# The reasons of `failures`, all of them and in order, where nothing but the states, the lock and
# the first launch can fail: every pair of states x such an action, for a member.
def test_all_failures_in_nova_s_order() -> None:
    requests = [
        (action, LATEST)
        for action, row in spec.MEASURED.items()
        if row.launched and row.policy == "owner" and row.then is None and row.locked is not None
    ]
    asked = 0
    tally = Tally()
    for case, server in questions(NOVA, ["member"], ["owner"], [False], requests, launched=False):
        the = rule(NOVA, case.action)
        vm_states, tasks = where(the.nova)
        wanted = ["locked"]
        wanted += ["no_host"] * (not case.has_host and the.hostless is not None)
        wanted += ["vm_state"] * (case.vm_state not in vm_states)
        wanted += ["task_state"] * (case.task_state not in tasks)
        wanted += ["not_launched"]
        wanted += ["no_host"] * (not case.has_host and late_host(case) is not None)
        got = [failure.reason.value for failure in verdict_of(case, server).failures]
        asked += 1
        if got != wanted:
            tally.note(case, f"{case}: failures {got}, not {wanted}")
    tally.report()
    assert asked == PAIRS * 20 == 10_320


def test_all_verdicts_at_once_are_the_single_ones() -> None:
    tally = Tally()
    for actor in Actor:
        server = Server(VmState.ACTIVE, TaskState.IMAGE_UPLOADING)
        for name, verdict in allowed(server, actor=actor).items():
            case = Case(REFERENCE, name.value, LATEST, actor.value, "active", "image_uploading")
            tally.add(case, verdict)
    tally.report()
    assert tally.asked == 6 * 50


# Codes, parameters and microversions


@pytest.mark.parametrize("rulebook", RULEBOOKS)
def test_the_table_of_codes(rulebook: str) -> None:
    differences = []
    for action, row in spec.ROWS.items():
        have = RULEBOOKS[rulebook][ActionName(action)]
        wanted: dict[str, object] = {"normal": row.normal, "since": row.since, "until": row.until}
        if rulebook == REFERENCE:
            wanted["errors"] = frozenset(int(code) for code in row.errors.split())
            wanted["statuses"] = row.statuses and frozenset(row.statuses.split())
        differences += [
            f"{rulebook} {action}: {column} is {getattr(have, column)}, not {value}"
            for column, value in wanted.items()
            if getattr(have, column) != value
        ]
    assert differences == []


def test_the_parameters() -> None:
    differences = []
    for action, row in spec.ROWS.items():
        if action == "create":
            continue
        required, optional = row.required.split(), row.optional.split()
        wanted = {
            name: (name in required, *spec.PARAMETER_LIMITS.get((action, name), ("2.1", None)))
            for name in required + optional
        }
        have: dict[str, tuple[bool, str, str | None]] = {}
        for item in API_REFERENCE[ActionName(action)].parameters:
            first = have.get(
                item.name, (item.required, item.since, None)
            )  # one shape, then another
            assert item.name not in have or have[item.name][2] == item.since
            have[item.name] = (item.required, first[1], item.until)
        differences += [
            f"{action}: {name} is {have.get(name)}, not {wanted.get(name)}"
            for name in sorted(wanted.keys() | have.keys())
            if have.get(name) != wanted.get(name)
        ]
    assert differences == []


# The statuses that the reference says an action ends in, against the ends of the row's successes.
def test_where_an_action_ends() -> None:
    ends = {
        "ORIGIN": "unchanged",
        "POWER_STATE": "ACTIVE SHUTOFF",
        "BEFORE_RESIZE": "ACTIVE SHUTOFF",
        "GONE": "DELETED",
    }
    differences = []
    for action, row in spec.ROWS.items():
        if row.after is None:
            continue
        got = set()
        for outcome in API_REFERENCE[ActionName(action)].success:
            end = outcome.end
            name = shown_status(end.value, None) if isinstance(end, VmState) else ends[end.name]
            got |= set(name.split())
        if got != set(row.after.split()):
            differences.append(f"{action}: ends in {sorted(got)}, not {row.after}")
    assert differences == []


# (action, vm_state, volume-backed, the last microversion before the change, answer before, after);
# None: refused, and no source says how.
EDGES = (
    ("addFloatingIp", "active", False, "2.43", 202, 404),
    ("removeFloatingIp", "active", False, "2.43", 202, 404),
    ("addFixedIp", "active", False, "2.43", 202, 404),
    ("removeFixedIp", "active", False, "2.43", 202, 404),
    ("os-getVNCConsole", "active", False, "2.5", 200, 404),
    ("os-getSPICEConsole", "active", False, "2.5", 200, 404),
    ("os-getSerialConsole", "active", False, "2.5", 200, 404),
    ("os-getRDPConsole", "active", False, "2.5", 400, 404),
    ("os-getConsoleOutput", "active", False, "2.5", 200, 200),
    ("trigger_crash_dump", "active", False, "2.16", 404, 202),
    ("rescue", "active", False, "2.86", 200, 200),
    ("rescue:rescue_image_ref", "active", False, "2.86", 200, 200),
    ("rescue:rescue_image_ref", "active", True, "2.86", 400, 200),
    ("rebuild", "active", False, "2.92", 202, 202),
    ("rebuild", "active", True, "2.92", 400, 202),
    ("unshelve", "shelved", False, "2.76", 202, 202),
    ("unshelve", "shelved", False, "2.90", 202, 202),
    ("unshelve:availability_zone", "shelved_offloaded", False, "2.76", 202, 202),
    ("unshelve:availability_zone", "shelved_offloaded", False, "2.90", 202, 202),
    ("unshelve:host", "shelved_offloaded", False, "2.90", 400, 202),
    ("migrate", "active", False, "2.55", 202, 202),
    ("migrate:host", "active", False, "2.55", 202, 202),
    ("resetNetwork", "active", False, "2.43", 410, 410),
)


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge[0]}-{edge[3]}-{edge[2]}")
@pytest.mark.parametrize("rulebook", RULEBOOKS)
def test_the_edges_of_the_microversions(
    rulebook: str, edge: tuple[str, str, bool, str, int | None, int]
) -> None:
    action, vm_state, volume_backed, last, before, after = edge
    tally = Tally()
    for version, code in ((last, before), (f"2.{minor(last) + 1}", after)):
        host = vm_state not in HOSTLESS
        case = Case(
            rulebook, action, version, "admin", vm_state, None, "none", volume_backed, True, host
        )
        assert expected(case).code == code
        tally.add(case, verdict_of(case, server_of(case)))
    tally.report()
    assert tally.asked == 2


def test_rescuing_a_volume_backed_server_without_an_image() -> None:
    server = Server(VmState.ACTIVE, volume_backed=True)
    for rulebook, version, code in (
        (API_REFERENCE, "2.86", 400),
        (API_REFERENCE, "2.87", 200),
        (NOVA_34, "2.86", 400),
        (NOVA_34, "2.87", 400),
    ):
        verdict = check(server, "rescue", microversion=version, rulebook=rulebook)
        assert verdict.code == code, (rulebook, version)


# The oracle's own check: its two rulebooks differ in the actions of the listed disagreements, and
# in no other.
def test_the_disagreements_are_all_listed() -> None:
    differing = set()
    for action, version in REQUESTS:
        for case, _ in questions(NOVA, ["member"], ["none"], BACKINGS, [(action, version)]):
            locked = case._replace(actor="manager", lock="owner")
            if differs(case) or differs(locked) or differs(case._replace(actor="admin")):
                differing.add(action)
                break
    stated = {action for item in spec.DISAGREEMENTS for action in item.actions.split()}
    assert differing == stated


def differs(case: Case) -> bool:
    """Return whether the two rulebooks answer a case differently."""
    return expected(case) != expected(case._replace(rulebook=REFERENCE))
