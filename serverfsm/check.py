"""`check`: may this request be accepted? The answer is a `Verdict`; nothing is changed.

Only asking belongs here: what was found before is looked up, the rest is `decide.py`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from serverfsm import requests
from serverfsm.requests import LATEST, ActionName, Actor, Microversion, action_names
from serverfsm.rulebook import API_REFERENCE, Rulebook

if TYPE_CHECKING:
    from serverfsm.server import Server
    from serverfsm.verdict import Verdict

__all__ = ["NOT_GIVEN", "allowed", "check"]

NOT_GIVEN: Final = object()  # a body may be None


def check(
    server: Server | None,
    action: ActionName | str | None = None,
    actor: Actor | str = Actor.MEMBER,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
    *,
    body: object = NOT_GIVEN,
) -> Verdict:
    """Say whether a request may be accepted, and if not, why not.

    Give all but the first two by keyword.

    Args:
        server: the server; None: there is none yet, which `create` alone needs, or none that
            anybody could see.
        action: request key and variant, as `ActionName`. A key that stands for several variants
            ("reboot") is decided where all of them agree.
        actor: who asks.
        microversion: "2.1" to "2.104", or "latest".
        rulebook: whose rules: `API_REFERENCE` or `NOVA_34`.
        body: instead of an action, the whole body of a POST to /servers/{id}/action: the decoded
            JSON, as {"os-stop": None}, or its bytes. It is tested, too, and names the action.
            With the action "create": the whole body of a POST to /servers.

    Raises:
        UnknownActionError, UnknownActorError, UnknownMicroversionError: there is no such word;
            all are ValueErrors and name the nearest that there is. What a body asks for is
            answered, not raised: `Verdict.action` is None if it is no action.
        MissingPackageError: a body is given, and jsonschema is not installed.
        TypeError: both a body and an action that it would name are given.

    >>> from serverfsm import Server
    >>> verdict = check(Server("paused"), "os-stop")
    >>> verdict.allowed, verdict.code, verdict.message
    (False, 409, "Cannot 'stop' instance {id} while it is in vm_state paused")
    >>> check(Server("active"), body={"reboot": {"type": "HARD"}}).action
    <ActionName.REBOOT_HARD: 'reboot:HARD'>
    """
    if body is not NOT_GIVEN:
        return _read(server, action, actor, microversion, rulebook, body)
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

    >>> from serverfsm import Server
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


def _read(
    server: Server | None,
    action: ActionName | str | None,
    actor: Actor | str,
    microversion: Microversion | str,
    rulebook: Rulebook,
    body: object,
) -> Verdict:
    """Find the verdict on what a body asks for."""
    from serverfsm.bodies import asked, complaint_about
    from serverfsm.decide import decide, refuse

    who, version = requests.actor(actor), Microversion(microversion)
    wanted: ActionName | None
    if action is None:
        wanted, complaint = asked(body, microversion=version, rulebook=rulebook)
    else:
        wanted = action_names(action)[0]
        if not rulebook[wanted].body_key:
            raise TypeError(f"give a body or {wanted.key}, not both: the body names the action")
        complaint = complaint_about(body, rulebook[wanted], microversion=version)
    if complaint is None:
        return check(server, wanted, who, version, rulebook)
    if wanted is None:
        return refuse(complaint, who)
    return decide(server, (wanted,), who, version, rulebook, complaint)


_MEMO_LIMIT: Final = 20_000
_NO_SERVER: Final = -1
_NAMES: Final = tuple(ActionName)


def _remember(
    server: Server | None,
    action: ActionName | str | None,
    actor: Actor | str,
    microversion: Microversion | str,
    rulebook: Rulebook,
) -> Verdict:
    """Find a verdict and keep it in the rulebook's memo, which is emptied when it is full."""
    from serverfsm.decide import decide  # with all that deciding needs, at first use

    names = action_names(action)
    who = requests.actor(actor)
    version = Microversion(microversion)
    word = names[0] if len(names) == 1 else str(action)
    key = _NO_SERVER if server is None else server.key
    by_actor = rulebook.memo.setdefault(version, {})
    known: Verdict | None = by_actor.get(who, {}).get(word, {}).get(key)
    if known is not None:
        return known
    verdict = decide(server, names, who, version, rulebook)
    if rulebook.remembered >= _MEMO_LIMIT:
        rulebook.forget()
        by_actor = rulebook.memo.setdefault(version, {})
    by_actor.setdefault(who, {}).setdefault(word, {})[key] = verdict
    rulebook.remembered += 1
    return verdict
