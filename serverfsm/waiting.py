"""`waiter`: what a client waits for whose request was just accepted, for this origin.

Only the waiter and its forms for other programs belong here. Nothing waits here: asking again,
and when, is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from serverfsm.acceptors import Acceptor, TaskShown, WaitState, acceptors
from serverfsm.options import Options
from serverfsm.prospects import prospect
from serverfsm.requests import LATEST, ActionName, Actor, Microversion
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import Family, Status, TaskState

__all__ = ["Acceptor", "TaskShown", "WaitState", "Waiter", "waiter"]

_INSTANCE_ACTION: Final = "its result in GET /servers/{id}/os-instance-actions/{request_id}"
_IMAGE: Final = (
    "the image: it becomes active, or is gone; the instance action says Success either way"
)
# What shows whether work succeeded that leaves the server the same either way, by what it is
# about. Nova logs a failed snapshot or reboot as a success.
_EVIDENCE: Final = {
    Family.BACKUP: _IMAGE,
    Family.SNAPSHOT: _IMAGE,
    Family.MIGRATE: "the server's host, and the status of its migration in GET /os-migrations",
    Family.PASSWORD: "the answer to the request, which waits for the guest",
    Family.REBOOT: "nothing in the API, where the instance action says Success: ask the guest",
}


@dataclass(frozen=True, slots=True)
class Waiter:
    """What to wait for after one request was accepted.

    Attributes:
        action: what was asked.
        origin: the server before the request; None: there was none.
        acceptors: the first that fits a view says what it means; the last fits every answer.
        never_ends: the failures that leave the server looking as if the work went on: the answer
            stays "retry", and only a limit of attempts ends the waiting.
        evidence: where success and a failure look alike: what shows which it was. Else None.
    """

    action: str
    origin: Server | None
    acceptors: tuple[Acceptor, ...]
    never_ends: tuple[str, ...] = ()
    evidence: str | None = None

    @property
    def tells_success(self) -> bool:
        """Whether "success" means just that, and not only that the work is over."""
        return self.evidence is None

    @property
    def status_suffices(self) -> bool:
        """Whether a good end is seen where the view shows a status and no task_state."""
        good = {each.status for each in self.acceptors if each.state is WaitState.SUCCESS}
        blind = (each for each in self.acceptors if each.task_state is not None)
        seen = {each.status for each in blind if each.state is WaitState.SUCCESS}
        return good <= seen

    def acceptor(self, view: Mapping[str, Any] | Server | None) -> Acceptor:
        """Return the first acceptor that fits what was seen: what it means, and why.

        Args:
            view: the decoded JSON that GET /servers/{id} answered, with or without the outer
                "server" key; or a `Server`; or None: the answer was 404. A view without
                `OS-EXT-STS:*` has only its status: it means "retry" unless the action shows that
                status at its end alone, and not on the way.

        Raises:
            MalformedServerError: not such a document, or one that contradicts itself.
            UnknownStateError: a word in it is not Nova's.

        >>> seen = waiter("resize", Server("active")).acceptor(Server("active"))
        >>> seen.state.value, seen.sentence.partition(" (")[0], seen.failures[0]
        ('failure', 'resize has failed', 'no-valid-host')
        """
        status, task = _shown(view)
        return next(each for each in self.acceptors if each.fits(status, task))

    def matches(self, view: Mapping[str, Any] | Server | None) -> WaitState:
        """Return what was seen means: success, failure, or retry. Takes and raises as `acceptor`.

        >>> stopping = waiter("os-stop", Server("active"))
        >>> [stopping.matches(view).value for view in (
        ...     Server("active", "powering-off"), Server("stopped"), Server("active"), None)]
        ['retry', 'success', 'failure', 'failure']
        """
        return self.acceptor(view).state

    def to_botocore(
        self, name: str | None = None, *, delay: float = 5, max_attempts: int = 120
    ) -> dict[str, Any]:
        """Return it as a whole `waiters-2.json` of botocore with this one waiter.

        Args:
            name: of the waiter, letters and digits; None: made of action and origin.
            delay: seconds between two attempts.
            max_attempts: after how many to give up.

        Raises:
            ValueError: one of them is not what it should be.

        >>> waiter("os-stop", Server("active")).to_botocore()["waiters"].keys()
        dict_keys(['OsStopFromActive'])
        """
        name = self._name() if name is None else name
        if not (isinstance(name, str) and re.fullmatch("[A-Za-z][A-Za-z0-9]*", name)):
            raise ValueError(f"a waiter's name must be letters and digits, not {name!r}")
        if not _is_number(delay) or not 0 <= delay < float("inf"):
            raise ValueError(f"delay must be a number of seconds, 0 or more, not {delay!r}")
        if not _is_number(max_attempts) or max_attempts != int(max_attempts) or max_attempts < 1:
            raise ValueError(f"max_attempts must be a whole number above 0, not {max_attempts!r}")
        what = {
            "operation": "GetServer",
            "delay": delay,
            "maxAttempts": max_attempts,
            "description": f"Wait until {self.action} is over.",
            "acceptors": [each.to_botocore() for each in self.acceptors],
        }
        return {"version": 2, "waiters": {name: what}}

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON would have it."""
        return {
            "action": str(self.action),
            "origin": None if self.origin is None else self.origin.status.value,
            "tells_success": self.tells_success,
            "evidence": self.evidence,
            "never_ends": list(self.never_ends),
            "status_suffices": self.status_suffices,
            "acceptors": [each.to_dict() for each in self.acceptors],
        }

    def _name(self) -> str:
        words = self.action if self.origin is None else f"{self.action} from {self.origin.status}"
        found: list[str] = re.findall("[A-Za-z0-9]+", re.sub("([a-z])([A-Z])", r"\1 \2", words))
        return "".join(word.capitalize() for word in found)


def waiter(
    action: ActionName | str,
    server: Server | None,
    *,
    actor: Actor | str = Actor.MEMBER,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
    options: Options | None = None,
) -> Waiter:
    """Return what a client waits for that has just had this request accepted.

    Args:
        action: what was asked, as `check`.
        server: the server as it was before the request; None: there was none. What is not known
            of it (with `Server.from_status`, of a resized server, of its backing) may be anything
            with which the request is accepted; where only the status is known, no task was under
            way, unless the status means that one was.
        actor, microversion, rulebook: as `check`.
        options: the operator's; None: the rulebook's, which are Nova's defaults.

    Returns:
        The waiter. An action whose work is done when it is answered has one that succeeds at once.

    Raises:
        RefusedError: the request is not accepted; the error carries the verdict.
        MalformedServerError: too little is known of the server to tell a good end from a step
            on the way.
        UnknownActionError, UnknownActorError, UnknownMicroversionError: as `check`.

    >>> shelving = waiter("shelve", Server.from_status("ACTIVE"), options=Options(
    ...     shelved_offload_time=-1))
    >>> [each.status.value for each in shelving.acceptors if each.state is WaitState.SUCCESS]
    ['SHELVED', 'SHELVED_OFFLOADED', 'SHELVED', 'SHELVED_OFFLOADED']
    """
    book = rulebook.having(options)
    seen = prospect(server, action, actor=actor, microversion=microversion, rulebook=book)
    found = tuple(acceptors(str(action), seen))
    doubts = any(each.state is WaitState.SUCCESS and each.failures for each in found)
    return Waiter(
        str(action), server, found, seen.endless, _evidence(seen.families) if doubts else None
    )


def _evidence(families: frozenset[Family]) -> str:
    return next((text for about, text in _EVIDENCE.items() if about in families), _INSTANCE_ACTION)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(
    view: Mapping[str, Any] | Server | None,
) -> tuple[Status | None, TaskState | TaskShown | None]:
    """Status and task of a view, None for the status where there is no server."""
    server = Server.from_api(view) if view is not None and not isinstance(view, Server) else view
    if server is not None and server.vm_state is None:
        return server.status, TaskShown.HIDDEN
    if server is None or server.deleted:
        return None, TaskShown.HIDDEN
    return server.status, server.task_state
