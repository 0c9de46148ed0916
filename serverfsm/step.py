"""The server after something happened to it: a request was accepted, or a task went on or ended.

Pure functions from one `Server` to the next; nothing belongs here that decides whether.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from serverfsm.check import check
from serverfsm.errors import MalformedServerError
from serverfsm.requests import LATEST, ActionName, Actor, Microversion
from serverfsm.rows import End, Outcome
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import PowerState, TaskState, VmState
from serverfsm.verdict import Verdict

__all__ = ["Step", "accept", "finish", "progress"]


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a request.

    Attributes:
        server: the server afterwards; the same as before if the request was refused, None if
            there is none.
        verdict: the answer to the request.
    """

    server: Server | None
    verdict: Verdict


def accept(
    server: Server | None,
    action: ActionName | str,
    *,
    actor: Actor | str = Actor.MEMBER,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
) -> Step:
    """Return the server after the synchronous half of a request.

    Raises:
        UnknownActionError, UnknownActorError, UnknownMicroversionError: as `check`.
        MalformedServerError: the request is allowed, and of the server only the status is known.

    >>> accept(Server("active"), "os-stop").server.task_state
    <TaskState.POWERING_OFF: 'powering-off'>
    """
    verdict = check(server, action, actor=actor, microversion=microversion, rulebook=rulebook)
    if verdict.guard is None:
        return Step(server, verdict)
    return Step(written(server, verdict.guard.set), verdict)


def written(server: Server | None, values: Any) -> Server:
    """Return the server with these columns written; a new one if there is none yet."""
    if server is None:
        return Server(launched=False, host=False, **values)
    if server.vm_state is None:
        raise MalformedServerError(
            f"only the status {server.status} is known: what becomes of the server cannot be said"
        )
    return replace(server, **values) if values else server


def progress(server: Server, pair: tuple[VmState, TaskState | None]) -> Server:
    """Return the server at the next step of its task."""
    return replace(server, vm_state=pair[0], task_state=pair[1])


def finish(server: Server, outcome: Outcome) -> Server:
    """Return the server after an outcome of its task.

    >>> from serverfsm.rulebook import API_REFERENCE
    >>> stopping = accept(Server("active"), "os-stop").server
    >>> finish(stopping, API_REFERENCE[ActionName.STOP].success[0]).status
    <Status.SHUTOFF: 'SHUTOFF'>
    """
    from serverfsm.table import POWER_STATES

    assert server.vm_state is not None
    end = reached(server, outcome)
    offloaded = outcome.end is End.GONE or end is VmState.SHELVED_OFFLOADED
    return replace(
        server,
        vm_state=end,
        task_state=outcome.left,
        power_state=POWER_STATES.get(end, server.power_state),
        launched=server.launched or end is VmState.ACTIVE,
        host=not offloaded and (server.host or end is VmState.ACTIVE),
        vm_state_before_resize=_before_resize(server, end),
        deleted=outcome.end is End.GONE,
    )


def _before_resize(server: Server, end: VmState) -> VmState | None:
    if end is not VmState.RESIZED:
        return None
    return server.vm_state_before_resize if server.vm_state is end else server.vm_state


def reached(server: Server, outcome: Outcome) -> VmState:
    """The vm_state to which an outcome leads this server."""
    assert server.vm_state is not None
    if isinstance(outcome.end, VmState):
        return outcome.end
    if outcome.end is End.ORIGIN:
        return server.vm_state
    if outcome.end is End.GONE:
        return VmState.DELETED
    if outcome.end is End.BEFORE_RESIZE:
        return server.vm_state_before_resize or VmState.ACTIVE
    is_off = server.power_state is PowerState.SHUTDOWN
    return VmState.STOPPED if is_off else VmState.ACTIVE
