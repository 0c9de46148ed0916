"""`check`: may this request be accepted? The answer is a `Verdict`; nothing is changed.

The guards decide a case whose states are all known. Here words from outside become such cases,
what is not known becomes several cases and a *maybe*, and answers are kept for the next time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from serverfsm import requests
from serverfsm.guards import Reason, Refusal, Request, first_failure
from serverfsm.requests import LATEST, ActionName, Actor, Microversion, action_names
from serverfsm.rows import Guard, LockedBy
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import Status
from serverfsm.verdict import Verdict

__all__ = ["allowed", "check"]


def check(
    server: Server | None,
    action: ActionName | str,
    *,
    actor: Actor | str = Actor.MEMBER,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
) -> Verdict:
    """Say whether a request may be accepted, and if not, why not.

    Args:
        server: the server; None: there is none yet, which `create` alone needs.
        action: request key and variant, as `ActionName`. A key that stands for several variants
            ("reboot") is decided where all of them agree.
        actor: who asks.
        microversion: "2.1" to "2.104", or "latest".
        rulebook: whose rules: `API_REFERENCE` or `NOVA_34`.

    Raises:
        UnknownActionError, UnknownActorError, UnknownMicroversionError: there is no such word;
            all are ValueErrors and name the nearest that there is.

    >>> verdict = check(Server("paused"), "os-stop")
    >>> verdict.allowed, verdict.code, verdict.message
    (False, 409, "Cannot 'stop' instance {id} while it is in vm_state paused")
    """
    try:
        if microversion is LATEST:
            return rulebook.latest[actor][action][server.key]  # type: ignore
        return rulebook.memo[microversion][actor][action][server.key]  # type: ignore
    except (KeyError, TypeError, AttributeError):
        return _remember(server, action, actor, microversion, rulebook)


def allowed(
    server: Server | None,
    *,
    actor: Actor | str = Actor.MEMBER,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
) -> dict[ActionName, Verdict]:
    """Return the verdict of every action, in the table's order.

    Raises:
        UnknownActorError, UnknownMicroversionError: there is no such word.

    >>> verdicts = allowed(Server("paused"))
    >>> [name.value for name, verdict in verdicts.items() if verdict and "pause" in name]
    ['unpause']
    """
    try:
        by_action = rulebook.memo[microversion][actor]
        key = server.key  # type: ignore[union-attr]
        return {name: by_action[name][key] for name in _NAMES}
    except (KeyError, TypeError, AttributeError):
        return {
            name: check(server, name, actor=actor, microversion=microversion, rulebook=rulebook)
            for name in rulebook.actions
        }


_MEMO_LIMIT: Final = 100_000
_NO_SERVER: Final = -1
_NAMES: Final = tuple(ActionName)


def _remember(
    server: Server | None,
    action: ActionName | str,
    actor: Actor | str,
    microversion: Microversion | str,
    rulebook: Rulebook,
) -> Verdict:
    """Find a verdict and keep it in the rulebook's memo, which is emptied when it is full."""
    names = action_names(action)
    who = requests.actor(actor)
    version = Microversion(microversion)
    found = tuple(
        _decide(Request(rulebook[name], server, who, version, rulebook)) for name in names
    )
    verdict = found[0] if len(found) == 1 else _merge(found, found[0].request)
    if rulebook.remembered >= _MEMO_LIMIT:
        rulebook.forget()
    by_actor = rulebook.latest if version is LATEST else rulebook.memo.setdefault(version, {})
    word = names[0] if len(names) == 1 else str(action)
    by_key = by_actor.setdefault(who, {}).setdefault(word, {})
    by_key[_NO_SERVER if server is None else server.key] = verdict
    rulebook.remembered += 1
    return verdict


def _decide(request: Request) -> Verdict:
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
