"""What to tell a person whose request was refused: does waiting help, and what to do instead.

Only advice belongs here, worked out from the table when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from serverfsm.guards import Reason, Refusal, Request, first_failure
from serverfsm.requests import Guard, Policy
from serverfsm.rows import Action
from serverfsm.server import Server
from serverfsm.states import Kind, LockedBy, VmState

__all__ = ["CURED_BY_WAITING", "hint", "waiting_helps", "wanted"]

Refusals = tuple[Refusal, ...]
CURED_BY_WAITING = frozenset(
    {Guard.VM_STATE, Guard.LATE_VM_STATE, Guard.TASK_STATE, Guard.HOST, Guard.LAUNCHED}
)
_WHO = {
    Policy.ADMIN_OR_OWNER: "a member of the server's project may",
    Policy.ADMIN_OR_MANAGER: "a manager of the server's project or an administrator may",
    Policy.ADMIN: "an administrator may",
}


def waiting_helps(request: Request, refusals: tuple[Refusal, ...]) -> bool:
    """Whether a task is under way whose end may leave the server where the request is accepted.

    >>> from serverfsm import Server, check
    >>> check(Server("active", "powering-off"), "os-start").retryable
    True
    >>> check(Server("active", "deleting"), "os-start").retryable
    False
    """
    server = request.server
    if server is None or not refusals:
        return False
    if any(refusal.guard not in CURED_BY_WAITING for refusal in refusals):
        return False
    row, after = request.row, request.rulebook.after
    return bool(server.pairs()) and all(
        task is not None and any(row.accepts(end, None) for end in after(vm, task))
        for vm, task in server.pairs()
    )


def hint(request: Request, refusals: tuple[Refusal, ...]) -> str:
    """Return what to do instead of a request that was refused, in words.

    >>> from serverfsm import Server, check
    >>> check(Server("paused"), "os-stop").hint
    'unpause first'
    """
    return _HINTS[refusals[0].reason](request, refusals)


def _state(request: Request, refusals: Refusals) -> str:
    server = request.server
    if waiting_helps(request, refusals):
        task = server.task_state if server is not None else None
        return f"wait for {task}" if task is not None else "wait for the task under way"
    known = {vm_state for vm_state, _ in server.pairs()} if server is not None else set()
    if server is not None and server.task_state is None and len(known) == 1:
        vm_state = known.pop()
        if _is_done(request.row, vm_state):
            return f"nothing to do: it is {vm_state} already"
        steps = _steps(request, replace(server, vm_state=vm_state, only_status=None))
        if steps:
            return f"{' or '.join(steps)} first"
    return wanted(refusals[0])


def _is_done(row: Action, vm_state: VmState) -> bool:
    """Whether the action would only lead to where the server is."""
    return vm_state.kind is Kind.STABLE and all(each.end is vm_state for each in row.success)


def _steps(request: Request, server: Server) -> list[str]:
    """The keys of the most specific actions that lead in one step to where the request passes."""
    fitting = [
        (len(row.origins), row.name.key)
        for row in request.rulebook
        if row.sources.run
        and not row.destructive
        and first_failure(replace(request, row=row, server=server)) is None
        and any(_passes_after(request, server, end) for end in _ends(row, server))
    ]
    least = min((number for number, _ in fitting), default=0)
    return list(dict.fromkeys(key for number, key in fitting if number == least))


def _ends(row: Action, server: Server) -> set[VmState]:
    assert server.vm_state is not None
    ends = {end for outcome in row.success for end in outcome.ends(server.vm_state)}
    return ends - {server.vm_state}


def _passes_after(request: Request, server: Server, vm_state: VmState) -> bool:
    after = replace(server, vm_state=vm_state, host=None, launched=True)
    return first_failure(replace(request, server=after)) is None


def _task(request: Request, refusals: Refusals) -> str:
    if waiting_helps(request, refusals):
        return f"wait for {refusals[0].have}"
    return f"{refusals[0].have} is under way and leads nowhere that allows it"


def wanted(refusal: Refusal) -> str:
    """Return where the guard would pass, in words."""
    if refusal.attribute == "task_state" and refusal.want == (None,):
        return "possible when no task is under way"
    words = ", ".join("none" if word is None else str(word) for word in refusal.want)
    return f"possible with {refusal.attribute} {words}" if words else "not possible"


def _version(request: Request, refusals: Refusals) -> str:
    row = request.row
    if request.microversion < row.since:
        return f"use microversion {row.since} or later"
    return f"gone since microversion {row.until}; use an earlier one"


def _lock(request: Request, refusals: Refusals) -> str:
    if request.server is not None and request.server.locked_by is LockedBy.ADMIN:
        return "an administrator locked it: only an administrator may do this or unlock it"
    return "unlock it first"


def _who(request: Request, refusals: Refusals) -> str:
    row = request.row
    if refusals[0].guard is Guard.LOCK_OWNER:
        return "an administrator locked it: only an administrator may unlock it"
    policy = row.policy if refusals[0].guard is Guard.POLICY else row.late_policy
    return _WHO[policy] if policy is not None else "an administrator may"


def _host(request: Request, refusals: Refusals) -> str:
    advice = _state(request, refusals)
    return "no compute host holds it" if advice == wanted(refusals[0]) else advice


_HINTS: dict[Reason, Callable[[Request, Refusals], str]] = {
    Reason.NOT_AUTHENTICATED: lambda request, refusals: "ask with a valid token",
    Reason.MICROVERSION: _version,
    Reason.REMOVED: lambda request, refusals: "Nova does not offer it any more",
    Reason.NOT_FOUND: lambda request, refusals: "there is no such server in this project",
    Reason.FORBIDDEN: _who,
    Reason.LOCKED: _lock,
    Reason.NO_HOST: _host,
    Reason.VM_STATE: _state,
    Reason.TASK_STATE: _task,
    Reason.NOT_LAUNCHED: lambda request, refusals: "it never ran: delete it and create another",
    Reason.VOLUME_BACKED: lambda request, refusals: "image-backed servers only",
    Reason.BAD_REQUEST: lambda request, refusals: (
        f"correct the body: serverfsm.bodies.body_schema({request.row.name.key!r}) says how"
    ),
    Reason.EXISTS: lambda request, refusals: "the server exists already",
    Reason.UNKNOWN_STATE: lambda request, refusals: "ask again: its state is not known",
    Reason.DEPENDS: lambda request, refusals: "it depends on what is not known",
}
