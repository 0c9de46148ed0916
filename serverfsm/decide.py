"""Deciding: what was asked becomes cases that are fully known, and their answers become one.

The guards decide each case. Where something is not known there are several: they agree, or the
verdict is a *maybe*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from serverfsm.guards import Complaint, Reason, Refusal, Request, first_failure, no_action
from serverfsm.requests import ActionName, Actor, Guard, Microversion
from serverfsm.rows import Action
from serverfsm.rulebook import Rulebook
from serverfsm.server import Server
from serverfsm.states import LockedBy, Status
from serverfsm.table import INVALID_STATE
from serverfsm.verdict import Verdict

__all__ = ["decide", "refuse"]


def decide(
    server: Server | None,
    names: tuple[ActionName, ...],
    actor: Actor,
    microversion: Microversion,
    rulebook: Rulebook,
    complaint: Complaint | None = None,
) -> Verdict:
    """Return the verdict on a request for one action, or for one of several variants of it."""
    asked = tuple(
        Request(
            _row(rulebook, name, microversion), server, actor, microversion, rulebook, complaint
        )
        for name in names
    )
    cases = tuple(_verdict(case) for request in asked for case in _cases(request))
    return cases[0] if len(cases) == 1 else _merged(cases, asked[0])


def refuse(complaint: Complaint, actor: Actor) -> Verdict:
    """Return the verdict on a request whose body asks for no action."""
    refusal = no_action(complaint, actor)
    return Verdict(False, refusal.code, refusal.reason, refusal, (), None)


def _row(rulebook: Rulebook, name: ActionName, microversion: Microversion) -> Action:
    """The row that decides: that of the plain action where the variant's parameter is ignored."""
    row = rulebook[name]
    if row.ignored_before is not None and microversion < row.ignored_before:
        return rulebook[ActionName(name.key)]
    return row


def _cases(request: Request) -> tuple[Request, ...]:
    """The request once for each server that it may be about."""
    server = request.server
    if server is None or server.only_status is Status.UNKNOWN:
        return (request,)
    who_locked = server.locked and server.locked_by is None and request.row.late_policy is not None
    if server.vm_state is not None and not who_locked:
        return (request,)
    servers = (server,) if server.vm_state is not None else tuple(server.possible())
    if who_locked and Guard.LOCK_OWNER in request.row.guards:
        servers = tuple(replace(each, locked_by=who) for each in servers for who in LockedBy)
    return tuple(replace(request, server=each) for each in servers)


def _verdict(request: Request) -> Verdict:
    row = request.row
    refusal = first_failure(request)
    if request.server is not None and request.server.only_status is Status.UNKNOWN:
        refusal = _unknown(refusal, row)
    if refusal is None:
        return Verdict(True, row.normal, Reason.OK, None, (), request)
    depends_on = _might_help(request) if refusal.guard is Guard.BACKING else ()
    return Verdict(False, refusal.code, refusal.reason, refusal, depends_on, request)


def _might_help(request: Request) -> tuple[str, ...]:
    """What outside the server decides whether a volume-backed one is refused after all."""
    backing = request.row.backing
    if backing is None or backing.unless is None:
        return ()
    since = backing.unless_since
    helps = since is None or request.microversion >= since
    return (f"whether {backing.unless}",) if helps else ()


_BEFORE_THE_STATE = frozenset(
    {Guard.AUTHENTICATED, Guard.OFFERED, Guard.REMOVED, Guard.FOUND, Guard.POLICY, Guard.LOCK}
)


def _unknown(refusal: Refusal | None, row: Action) -> Refusal:
    """The refusal where even Nova does not know the state: the one before the state, or this."""
    if refusal is not None and refusal.guard in _BEFORE_THE_STATE:
        return refusal
    code, text = INVALID_STATE.code, INVALID_STATE.message.replace("{label}", row.label)
    status = Status.UNKNOWN
    return Refusal(Guard.VM_STATE, Reason.UNKNOWN_STATE, code, "status", status, (), text)


def _merged(cases: tuple[Verdict, ...], asked: Request) -> Verdict:
    """One verdict for several possible cases: decided where they agree, else a *maybe*."""
    first = cases[0]
    undecided = [text for case in cases if case.maybe for text in case.depends_on]
    refusals = [case.refusal for case in cases if case.refusal is not None]
    if not refusals:
        swaps = [case.guard for case in cases]
        if all(swap == swaps[0] for swap in swaps):
            return first
        depends_on = _deciding(asked, cases, swaps)
        return replace(first, depends_on=depends_on, request=asked)
    if len(refusals) == len(cases) and not undecided:
        return replace(first, request=asked)
    decisive = refusals[0]
    depends_on = (
        *_deciding(asked, cases, [case.allowed or case.maybe for case in cases]),
        *undecided,
    )
    return Verdict(
        False,
        decisive.code,
        Reason.DEPENDS,
        replace(decisive, reason=Reason.DEPENDS, have=None),
        tuple(dict.fromkeys(depends_on)),
        asked,
    )


def _deciding(
    asked: Request, cases: tuple[Verdict, ...], outcomes: Sequence[object]
) -> tuple[str, ...]:
    """The properties of a case on which its outcome depends, the others being the same."""
    name = asked.row.name
    names = (f"the variant of {name.key}", "vm_state", "task_state", "locked_by")
    properties = [_properties(case) for case in cases]
    apart = [at for at in range(len(names)) if len({each[at] for each in properties}) > 1]
    deciding = []
    for at in apart:
        found: dict[tuple[object, ...], set[object]] = {}
        for each, outcome in zip(properties, outcomes, strict=True):
            found.setdefault((*each[:at], *each[at + 1 :]), set()).add(outcome)
        if any(len(different) > 1 for different in found.values()):
            deciding.append(at)
    return tuple(names[at] for at in deciding or (apart if len(set(outcomes)) > 1 else ()))


def _properties(case: Verdict) -> tuple[object, ...]:
    server = None if case.request is None else case.request.server
    if server is None:
        return (case.action, None, None, None)
    return (case.action, server.vm_state, server.task_state, server.locked_by)
