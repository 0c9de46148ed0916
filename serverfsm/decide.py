"""Deciding: what was asked becomes cases that are fully known, and their answers become one.

The guards decide each case. Where something is not known there are several: they agree, or the
verdict is a *maybe*.
"""

from __future__ import annotations

from dataclasses import replace

from serverfsm.guards import Reason, Refusal, Request, first_failure
from serverfsm.requests import ActionName, Actor, Guard, Microversion
from serverfsm.rulebook import Rulebook
from serverfsm.server import Server
from serverfsm.states import LockedBy, Status
from serverfsm.verdict import Verdict

__all__ = ["decide"]


def decide(
    server: Server | None,
    names: tuple[ActionName, ...],
    actor: Actor,
    microversion: Microversion,
    rulebook: Rulebook,
) -> Verdict:
    """Return the verdict on a request for one action, or for one of several variants of it."""
    found = tuple(
        _one(Request(rulebook[name], server, actor, microversion, rulebook)) for name in names
    )
    return found[0] if len(found) == 1 else _merge(found, found[0].request)


def _one(request: Request) -> Verdict:
    server = request.server
    if server is None:
        return _verdict(request)
    if server.vm_state is None:
        if not server.pairs():
            return _unknown_state(request)
        candidates = tuple(server.possible())
    else:
        candidates = (server,)
    if Guard.LOCK_OWNER in request.row.guards and server.locked and server.locked_by is None:
        candidates = tuple(
            replace(each, locked_by=owner) for each in candidates for owner in LockedBy
        )
    elif server.vm_state is not None:
        return _verdict(request)
    return _merge(tuple(_verdict(replace(request, server=each)) for each in candidates), request)


def _verdict(request: Request) -> Verdict:
    row = request.row
    refusal = first_failure(request)
    if refusal is None:
        return Verdict(True, row.normal, Reason.OK, None, (), request)
    unless = row.backing.unless if refusal.guard is Guard.BACKING and row.backing else None
    depends_on = () if unless is None else (f"whether {unless}",)
    return Verdict(False, refusal.code, refusal.reason, refusal, depends_on, request)


def _unknown_state(request: Request) -> Verdict:
    """The verdict on a server whose state even Nova does not know."""
    known = first_failure(replace(request, server=None))
    if known is not None and known.guard is not Guard.FOUND:
        return Verdict(False, known.code, known.reason, known, (), request)
    refusal = Refusal(
        Guard.VM_STATE,
        Reason.UNKNOWN_STATE,
        409,
        "status",
        Status.UNKNOWN,
        (),
        f"Instance {{id}} is in an invalid state for '{request.row.label}'",
    )
    return Verdict(False, refusal.code, refusal.reason, refusal, (), request)


def _merge(verdicts: tuple[Verdict, ...], request: Request) -> Verdict:
    """One verdict for several possible cases: decided where they agree, else *maybe*."""
    first = verdicts[0]
    refused = [verdict for verdict in verdicts if verdict.refusal is not None]
    if not refused:
        same = all(verdict.guard == first.guard for verdict in verdicts)
        depends_on = () if same else _differences(verdicts)
        return replace(first, depends_on=depends_on, request=first.request if same else request)
    if len(refused) == len(verdicts):
        return replace(first, depends_on=(), request=request)
    decisive = refused[0].refusal
    assert decisive is not None
    return Verdict(
        False,
        decisive.code,
        Reason.DEPENDS,
        replace(decisive, reason=Reason.DEPENDS, have=None),
        _differences(verdicts),
        request,
    )


def _differences(verdicts: tuple[Verdict, ...]) -> tuple[str, ...]:
    """What sets the cases apart: attributes of the server, or the variant of the action."""
    found = []
    if len({verdict.action for verdict in verdicts}) > 1:
        found.append(f"the variant of {verdicts[0].action.key}")
    servers = [verdict.request.server for verdict in verdicts]
    found.extend(
        attribute
        for attribute in ("vm_state", "task_state", "locked_by")
        if len({getattr(server, attribute, None) for server in servers}) > 1
    )
    return tuple(found)
