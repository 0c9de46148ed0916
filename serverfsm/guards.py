"""The guards: each is one small test of a request; a row says which it has, in which order.

Only what decides one fully known request belongs here. What is not known is `check.py`'s to weigh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from serverfsm.requests import ActionName, Actor, Guard, Microversion, Policy
from serverfsm.rows import ALWAYS, Action, When
from serverfsm.rulebook import Rulebook
from serverfsm.server import Server
from serverfsm.states import LockedBy, TaskState, VmState
from serverfsm.table import ANSWERS

__all__ = [
    "CompareAndSwap",
    "Complaint",
    "Reason",
    "Refusal",
    "Request",
    "compare_and_swap",
    "condition_holds",
    "failures",
    "first_failure",
    "no_action",
]


class Reason(StrEnum):
    """Why a verdict is what it is."""

    OK = "ok"
    UNKNOWN_ACTION = "unknown_action"
    UNKNOWN_STATE = "unknown_state"
    NOT_AUTHENTICATED = "not_authenticated"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    LOCKED = "locked"
    VM_STATE = "vm_state"
    TASK_STATE = "task_state"
    NOT_LAUNCHED = "not_launched"
    NO_HOST = "no_host"
    MICROVERSION = "microversion"
    REMOVED = "removed"
    VOLUME_BACKED = "volume_backed"
    BAD_REQUEST = "bad_request"
    EXISTS = "exists"
    DEPENDS = "depends"


class Complaint(NamedTuple):
    """What is wrong with a request's body.

    Attributes:
        code: the HTTP status code of the answer: 400, or 404 where the body is no object at all.
        message: Nova's message.
        reason: why, as an enum.
        late: whether Nova tests it only after it has looked at who asks.
    """

    code: int
    message: str
    reason: Reason = Reason.BAD_REQUEST
    late: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """One guard that fails.

    Attributes:
        guard: which.
        reason: why, as an enum.
        code: the HTTP status code with which Nova answers if this is the first to fail.
        attribute: the attribute of the server, actor or request that it tests.
        have: the value that it found.
        want: the values that it would accept; empty: none would help.
        template: Nova's message, with {id} for the server's id.
    """

    guard: Guard
    reason: Reason
    code: int
    attribute: str
    have: object
    want: tuple[object, ...]
    template: str

    def message(self, server_id: str) -> str:
        """Return Nova's message about the server with this id."""
        if self.attribute == "body":  # it quotes the body, braces and all
            return self.template
        return self.template.replace("{id}", server_id)


@dataclass(frozen=True, slots=True)
class CompareAndSwap:
    """What must still hold of a server's record when an accepted request is written to it.

    Attributes:
        expect: column and the values it may have; `frozenset({None})` is "IS NULL"; a column
            that is absent does not matter. While all hold, `check` would accept again.
        set: column and the value to write; empty: nothing is written.
    """

    expect: Mapping[str, frozenset[object]]
    set: Mapping[str, object]

    def __hash__(self) -> int:
        return hash((frozenset(self.expect.items()), frozenset(self.set.items())))

    def holds(self, server: Server) -> bool:
        """Whether the request may still be carried out, the record being what it is by now.

        False means that another request was first. `check` or `accept` on the present server then
        says what to answer, and by which state it was beaten.

        >>> from serverfsm import Server, check
        >>> guard = check(Server("active"), "pause").guard
        >>> guard.holds(Server("active")), guard.holds(Server("active", "powering-off"))
        (True, False)
        """
        return all(getattr(server, column) in among for column, among in self.expect.items())


@dataclass(frozen=True, slots=True)
class Request:
    """One fully known request: what the guards look at.

    Attributes:
        row: the rules of the action that is asked for.
        server: what it is asked of; None: there is no server.
        actor: who asks.
        microversion: of the request.
        rulebook: whose rules.
        complaint: what is wrong with its body; None: nothing, or there is none to look at.
    """

    row: Action = field(repr=False)
    server: Server | None
    actor: Actor
    microversion: Microversion
    rulebook: Rulebook
    complaint: Complaint | None = None

    def __reduce__(self) -> tuple[object, ...]:
        # The row is the rulebook's own, found by its name, wherever the request arrives.
        return _request, (
            self.row.name,
            self.server,
            self.actor,
            self.microversion,
            self.rulebook,
            self.complaint,
        )

    @property
    def vm_states(self) -> frozenset[VmState] | None:
        """Where the action is accepted, given what the server's root disk is."""
        row, server = self.row, self.server
        narrower = row.volume_backed_vm_states if server and server.volume_backed else None
        return row.vm_states if narrower is None else narrower

    @property
    def bypasses_lock(self) -> bool:
        return self.actor is Actor.ADMIN

    @property
    def refuses_volumes(self) -> bool:
        backing = self.row.backing
        return backing is not None and (backing.until is None or self.microversion < backing.until)


def _request(
    name: ActionName,
    server: Server | None,
    actor: Actor,
    microversion: Microversion,
    rulebook: Rulebook,
    complaint: Complaint | None,
) -> Request:
    return Request(rulebook[name], server, actor, microversion, rulebook, complaint)


def _is_too_old(request: Request) -> bool:
    return request.microversion < request.row.since


def _is_too_new(request: Request) -> bool:
    until = request.row.until
    return until is not None and request.microversion >= until


def _versions(request: Request) -> tuple[str, ...]:
    row = request.row
    return (f"<{row.until}",) if _is_too_new(request) else (f">={row.since}",)


def _at_least(policy: Policy | None) -> tuple[Actor, ...]:
    least = Actor.ADMIN if policy is None else policy.least
    return tuple(who for who in Actor if who.rank >= least.rank)


def _role(actor: Actor) -> Actor:
    """What the actor is at home: to another project's server a stranger, in its own a member."""
    return Actor.MEMBER if actor is Actor.STRANGER else actor


def _may(request: Request) -> tuple[Actor, ...]:
    return _at_least(request.row.policy)


def _may_late(request: Request) -> tuple[Actor, ...]:
    return _at_least(request.row.late_policy)


def _in_order(
    words: type[VmState] | type[TaskState], chosen: Iterable[object] | None
) -> tuple[object, ...]:
    among = frozenset(chosen or ())
    return (*((None,) if None in among else ()), *(word for word in words if word in among))


Expected = Mapping[str, frozenset[object]]


def _one(**values: object) -> Expected:
    return {column: frozenset({value}) for column, value in values.items()}


def _expect_vm_states(request: Request, server: Server) -> Expected:
    expected: dict[str, frozenset[object]] = {}
    if request.vm_states is not None:
        expected["vm_state"] = frozenset(request.vm_states)
    if request.row.volume_backed_vm_states is not None:
        expected.update(_one(volume_backed=server.volume_backed))
    return expected


def _task_fits(request: Request, server: Server) -> bool:
    tasks = request.row.task_states
    return tasks is None or server.task_state in tasks or server.status in request.row.any_task_in


def _expect_task_states(request: Request, server: Server) -> Expected:
    tasks = request.row.task_states
    if tasks is None:
        return {}
    if server.task_state in tasks:
        return {"task_state": frozenset(tasks)}
    return _one(vm_state=server.vm_state, task_state=server.task_state)


def _expect_unlocked(request: Request, _: Server) -> Expected:
    return {} if request.bypasses_lock else _one(locked=False)


def _expect_same_lock(request: Request, server: Server) -> Expected:
    if request.actor in _may_late(request):
        return {}
    return _one(locked=server.locked, locked_by=server.locked_by)


def _expect_image(request: Request, _: Server) -> Expected:
    return _one(volume_backed=False) if request.refuses_volumes else {}


@dataclass(frozen=True, slots=True)
class _Test:
    """How one guard is tested.

    Attributes:
        reason: why a request that fails it is refused.
        attribute: what it looks at.
        passes: whether the request passes.
        have: what it found.
        want: what it would accept, in order.
        expects: what of the server's record must stay as it is for the request to pass again.
    """

    reason: Reason
    attribute: str
    passes: Callable[[Request, Server], bool]
    have: Callable[[Request, Server], object]
    want: Callable[[Request], Iterable[object]]
    expects: Callable[[Request, Server], Expected] = lambda request, server: {}


_TESTS: dict[Guard, _Test] = {
    Guard.AUTHENTICATED: _Test(
        Reason.NOT_AUTHENTICATED,
        "actor",
        lambda request, _: request.actor is not Actor.ANONYMOUS,
        lambda request, _: request.actor,
        lambda _: tuple(Actor)[1:],
    ),
    Guard.OFFERED: _Test(
        Reason.MICROVERSION,
        "microversion",
        lambda request, _: not _is_too_old(request) and not _is_too_new(request),
        lambda request, _: request.microversion,
        _versions,
    ),
    Guard.REMOVED: _Test(
        Reason.REMOVED,
        "action",
        lambda request, _: request.row.removed is None,
        lambda request, _: request.row.name,
        lambda _: (),
    ),
    Guard.BODY: _Test(
        Reason.BAD_REQUEST,
        "body",
        lambda request, _: request.complaint is None or request.complaint.late,
        lambda request, _: None,
        lambda _: (),
    ),
    Guard.LATE_BODY: _Test(
        Reason.BAD_REQUEST,
        "body",
        lambda request, _: request.complaint is None or not request.complaint.late,
        lambda request, _: None,
        lambda _: (),
    ),
    Guard.KNOWN: _Test(
        Reason.NOT_FOUND,
        "server",
        lambda request, _: request.server is not None,
        lambda request, _: None,
        lambda _: (),
    ),
    Guard.FOUND: _Test(
        Reason.NOT_FOUND,
        "server",
        lambda request, server: request.actor.rank >= Actor.READER.rank and not server.deleted,
        lambda _, server: "deleted" if server.deleted else None,
        lambda _: (),
        lambda _, server: _one(deleted=False),
    ),
    Guard.POLICY: _Test(
        Reason.FORBIDDEN,
        "actor",
        lambda request, _: _role(request.actor).rank >= request.row.policy.least.rank,
        lambda request, _: request.actor,
        _may,
    ),
    Guard.LATE_POLICY: _Test(
        Reason.FORBIDDEN,
        "actor",
        lambda request, _: request.actor in _may_late(request),
        lambda request, _: request.actor,
        _may_late,
    ),
    Guard.LOCK: _Test(
        Reason.LOCKED,
        "locked",
        lambda request, server: not server.locked or request.bypasses_lock,
        lambda _, server: server.locked,
        lambda _: (False,),
        _expect_unlocked,
    ),
    Guard.LOCK_OWNER: _Test(
        Reason.FORBIDDEN,
        "locked_by",
        lambda request, server: (
            server.locked_by is not LockedBy.ADMIN or request.actor in _may_late(request)
        ),
        lambda _, server: server.locked_by,
        lambda _: (None, LockedBy.OWNER),
        _expect_same_lock,
    ),
    Guard.HOST: _Test(
        Reason.NO_HOST,
        "host",
        lambda _, server: server.host is True,
        lambda _, server: server.host,
        lambda _: (True,),
        lambda _, server: _one(host=True),
    ),
    Guard.HOST_OF_IMAGE: _Test(
        Reason.NO_HOST,
        "host",
        lambda _, server: server.host is True or server.volume_backed,
        lambda _, server: server.host,
        lambda _: (True,),
        lambda _, server: {} if server.volume_backed else _one(host=True, volume_backed=False),
    ),
    Guard.VM_STATE: _Test(
        Reason.VM_STATE,
        "vm_state",
        lambda request, server: request.vm_states is None or server.vm_state in request.vm_states,
        lambda _, server: server.vm_state,
        lambda request: _in_order(VmState, request.vm_states),
        _expect_vm_states,
    ),
    Guard.LATE_VM_STATE: _Test(
        Reason.VM_STATE,
        "vm_state",
        lambda request, server: server.vm_state in (request.row.late_vm_states or VmState),
        lambda _, server: server.vm_state,
        lambda request: _in_order(VmState, request.row.late_vm_states),
        lambda request, _: {"vm_state": frozenset(request.row.late_vm_states or VmState)},
    ),
    Guard.TASK_STATE: _Test(
        Reason.TASK_STATE,
        "task_state",
        _task_fits,
        lambda _, server: server.task_state,
        lambda request: _in_order(TaskState, request.row.task_states),
        _expect_task_states,
    ),
    Guard.LAUNCHED: _Test(
        Reason.NOT_LAUNCHED,
        "launched",
        lambda _, server: server.launched,
        lambda _, server: server.launched,
        lambda _: (True,),
        lambda _, server: _one(launched=True),
    ),
    Guard.BACKING: _Test(
        Reason.VOLUME_BACKED,
        "volume_backed",
        lambda request, server: not (server.volume_backed and request.refuses_volumes),
        lambda _, server: server.volume_backed,
        lambda _: (False,),
        _expect_image,
    ),
    Guard.ABSENT: _Test(
        Reason.EXISTS, "server", lambda _, server: False, lambda _, server: True, lambda _: (None,)
    ),
}
_NEED_NO_SERVER = frozenset(
    {
        Guard.AUTHENTICATED,
        Guard.OFFERED,
        Guard.REMOVED,
        Guard.BODY,
        Guard.KNOWN,
        Guard.POLICY,
    }
)
_NOWHERE = Server(VmState.DELETED, deleted=True)  # what the guards see where there is no server


_Key = tuple[Rulebook, str, Guard, object, bool]
_refusals: dict[_Key, Refusal] = {}


def first_failure(request: Request) -> Refusal | None:
    """Return the refusal that decides, or None if every guard passes."""
    return next(_failing(request), None)


def failures(request: Request) -> tuple[Refusal, ...]:
    """Return every refusal, in the order in which Nova tests."""
    return tuple(_failing(request))


def _failing(request: Request) -> Iterator[Refusal]:
    server = request.server
    for guard in request.row.guards:
        if server is None and guard not in _NEED_NO_SERVER:
            continue
        test = _TESTS[guard]
        if test.passes(request, server or _NOWHERE):
            continue
        if request.complaint is not None and test.attribute == "body":
            yield _complaining(request.complaint, guard)
        else:
            yield _refusal(request, guard, test)


def _complaining(complaint: Complaint, guard: Guard) -> Refusal:
    code, message = complaint.code, complaint.message
    return Refusal(guard, complaint.reason, code, "body", None, (), message)


def no_action(complaint: Complaint, actor: Actor) -> Refusal:
    """Return the refusal of a request whose body asks for no action."""
    if actor is not Actor.ANONYMOUS:
        return _complaining(complaint, Guard.BODY)
    test, answer = _TESTS[Guard.AUTHENTICATED], ANSWERS[Guard.AUTHENTICATED]
    want = tuple(Actor)[1:]
    return Refusal(
        Guard.AUTHENTICATED, test.reason, answer.code, test.attribute, actor, want, answer.message
    )


def _refusal(request: Request, guard: Guard, test: _Test) -> Refusal:
    """The refusal of this guard, made once for each of the few things that it can find."""
    have = test.have(request, request.server or _NOWHERE)
    row, book = request.row, request.rulebook
    narrow = request.vm_states is not row.vm_states
    key = (book, row.name, guard, have, narrow)
    known = _refusals.get(key)
    if known is not None:
        return known
    answer = book.answer(row, guard)
    rule = row.late_rule if guard in (Guard.LATE_POLICY, Guard.LOCK_OWNER) else row.rule
    text = answer.message
    for name, value in (
        ("{label}", row.label),
        ("{attribute}", test.attribute),
        ("{have}", str(have)),
        ("{rule}", rule),
    ):
        text = text.replace(name, value)
    want = tuple(test.want(request))
    refusal = Refusal(guard, test.reason, answer.code, test.attribute, have, want, text)
    _refusals[key] = refusal
    return refusal


def compare_and_swap(request: Request) -> CompareAndSwap:
    """Return what must still hold, and what to write, when an accepted request is carried out."""
    row, server = request.row, request.server
    expect: dict[str, frozenset[object]] = {}
    if server is not None:
        for guard in row.guards:
            expect.update(_TESTS[guard].expects(request, server))
    for write in row.writes:
        holds, looked_at = condition_holds(request, write.when)
        if server is not None:
            expect.update(_one(**{column: getattr(server, column) for column in looked_at}))
        if holds:
            return CompareAndSwap(expect, dict(write.values))
    return CompareAndSwap(expect, {})


def condition_holds(request: Request, when: When) -> tuple[bool, tuple[str, ...]]:
    """Whether a condition of the table holds, and the attributes of the server it looked at."""
    if when is ALWAYS:
        return True, ()
    server = request.server or _NOWHERE
    seen = {
        "host": (when.host, server.host),
        "volume_backed": (when.volume_backed, server.volume_backed),
        "launched": (when.launched, server.launched),
        "locked": (when.locked, server.locked),
    }
    among = {
        "vm_state": (when.vm_states, server.vm_state),
        "task_state": (when.task_states, server.task_state),
        "power_state": (when.power_states, server.power_state),
        "vm_state_before_resize": (when.before_resize, server.vm_state_before_resize),
    }
    version, administrator, book = request.microversion, when.administrator, request.rulebook
    holds = (
        all(wanted is None or wanted is found for wanted, found in seen.values())
        and all(wanted is None or found in wanted for wanted, found in among.values())
        and (administrator is None or administrator is request.bypasses_lock)
        and (when.since is None or version >= when.since)
        and (when.until is None or version < when.until)
        and (when.option is None or book.option_holds(when.option))
        and (when.driver is None or book.options.compute_driver is when.driver)
    )
    columns = {**seen, **among}.items()
    return holds, tuple(column for column, (wanted, _) in columns if wanted is not None)
