"""What is written to a server's record: by acceptance, by progress, by an end.

Pure functions from one `Server` to the next; which of them applies is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from serverfsm.errors import MalformedServerError
from serverfsm.rows import End, Outcome, Passing, Step
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import PowerState, TaskState, VmState
from serverfsm.unprompted import POWER_STATES

__all__ = ["finish", "passing", "progress", "reached", "require_states", "written"]

State = tuple[VmState, TaskState | None]


def require_states(server: Server) -> None:
    if server.vm_state is None:
        raise MalformedServerError(
            f"only the status {server.status} is known: what becomes of the server cannot be said"
        )


def written(server: Server | None, values: Mapping[str, Any]) -> Server:
    """Return the server with these columns written; a new one if there is none yet."""
    if server is None:
        return Server(launched=False, host=False, **values)
    if server.vm_state is None:
        raise MalformedServerError(
            f"only the status {server.status} is known: what becomes of the server cannot be said"
        )
    return replace(server, **values) if values else server


def progress(server: Server, pair: State, rulebook: Rulebook = API_REFERENCE) -> Server:
    """Return the server at the next step of its task."""
    vm_state, task_state = pair
    power = (
        server.power_state if vm_state is server.vm_state else _power(server, vm_state, rulebook)
    )
    return replace(server, vm_state=vm_state, task_state=task_state, power_state=power)


def _power(server: Server, vm_state: VmState, rulebook: Rulebook) -> PowerState:
    """What the hypervisor says of the guest once the server is in this vm_state."""
    return POWER_STATES[rulebook.options.compute_driver].get(vm_state, server.power_state)


def finish(
    server: Server,
    outcome: Outcome,
    rulebook: Rulebook = API_REFERENCE,
    *,
    failed: bool = False,
) -> Server:
    """Return the server after an outcome of its task; a failure does not ask the hypervisor.

    >>> finish(Server("active", "powering-off"), Outcome("done", VmState.STOPPED)).power_state
    <PowerState.SHUTDOWN: 4>
    """
    assert server.vm_state is not None
    end = reached(server, outcome.end)
    is_unasked = failed or outcome.keeps_power or outcome.end is End.ORIGIN
    offloaded = outcome.end is End.GONE or end is VmState.SHELVED_OFFLOADED
    return replace(
        server,
        vm_state=end,
        task_state=server.task_state if outcome.left == "kept" else outcome.left,
        power_state=server.power_state if is_unasked else _power(server, end, rulebook),
        launched=server.launched or end is VmState.ACTIVE,
        host=not offloaded and (server.host or end is VmState.ACTIVE),
        vm_state_before_resize=_before_resize(server, end),
        deleted=outcome.end is End.GONE,
    )


def _before_resize(server: Server, end: VmState) -> VmState | None:
    if end is not VmState.RESIZED:
        return None
    return server.vm_state_before_resize if server.vm_state is end else server.vm_state


def reached(server: Server, end: VmState | End) -> VmState:
    """The vm_state to which an end leads this server."""
    assert server.vm_state is not None
    if isinstance(end, VmState):
        return end
    if end is End.ORIGIN:
        return server.vm_state
    if end is End.GONE:
        return VmState.DELETED
    if end is End.BEFORE_RESIZE:
        return server.vm_state_before_resize or VmState.ACTIVE
    is_off = server.power_state is PowerState.SHUTDOWN
    return VmState.STOPPED if is_off else VmState.ACTIVE


def passing(
    server: Server,
    rows: Iterable[Passing],
    rulebook: Rulebook,
    before: Step | None = None,
    *,
    asks: bool = True,
) -> tuple[Server, ...]:
    """Return what shows for an instant, one after the other, before a step or the end.

    `asks`: whether the hypervisor is asked for the power state; the API does not.
    """
    found: list[Server] = []
    for row in rows:
        if row.before == before:
            now = found[-1] if found else server
            task = server.task_state if row.task_state == "kept" else row.task_state
            vm_state = server.vm_state if row.vm_state is End.ORIGIN else reached(now, row.vm_state)
            assert vm_state is not None
            shown = progress(now, (vm_state, task), rulebook)
            power = now.power_state if not asks else row.power
            found.append(shown if power is None else replace(shown, power_state=power))
    return tuple(found)
