"""What `check` answers with: a `Verdict`, and the fault to send instead of an acceptance.

Only the shape of an answer belongs here; how it is found stands in `check.py` and `guards.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from serverfsm.advice import CURED_BY_WAITING, hint, waiting_helps, wanted
from serverfsm.guards import (
    CompareAndSwap,
    Reason,
    Refusal,
    Request,
    compare_and_swap,
    failures,
)
from serverfsm.requests import ActionName
from serverfsm.rows import Assumption

__all__ = [
    "CompareAndSwap",
    "Fault",
    "Reason",
    "Refusal",
    "RefusedError",
    "Verdict",
    "fault",
    "fault_name",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer of Nova.

    Attributes:
        code: the HTTP status code.
        body: the JSON, byte for byte as Nova writes it.
        content_type: its media type.
    """

    code: int
    body: bytes
    content_type: str = "application/json; charset=UTF-8"


# nova.api.openstack.wsgi:Fault._fault_names
_FAULT_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def fault_name(code: int) -> str:
    """Return the key of Nova's error answer with this code."""
    return _FAULT_NAMES.get(code, "computeFault")


def fault(code: int, message: str) -> Fault:
    """Return Nova's error answer with this code and message.

    >>> fault(409, "Instance 7 is locked").body
    b'{"conflictingRequest": {"code": 409, "message": "Instance 7 is locked"}}'
    """
    import json

    body = json.dumps({fault_name(code): {"code": code, "message": message}})
    return Fault(code, body.encode())


class RefusedError(Exception):
    """A request was refused.

    Attributes:
        verdict: all about it.
        server_id: the server's id, if it was given; else empty.
    """

    def __init__(self, verdict: Verdict, server_id: str = "") -> None:
        super().__init__(f"{verdict.action or 'no action'}: {verdict.message}")
        self.verdict = verdict
        self.server_id = server_id

    @property
    def fault(self) -> Fault:
        """Nova's own error answer."""
        return self.verdict.fault(self.server_id)

    def __reduce__(self) -> tuple[type[RefusedError], tuple[Verdict, str]]:
        return RefusedError, (self.verdict, self.server_id)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one request. True if it is allowed.

    Attributes:
        allowed: whether the request may be accepted. What cannot be decided is not allowed.
        code: the HTTP status code to answer with.
        reason: why.
        refusal: the guard that decides, with what it found; None if the request is allowed.
        depends_on: the attributes that would decide what cannot be decided; else empty.
        request: what was asked; where the server's states are not known and all possible ones
            are allowed alike, the first of these. None where a body asks for no action.
    """

    allowed: bool
    code: int
    reason: Reason
    refusal: Refusal | None
    depends_on: tuple[str, ...]
    request: Request | None

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def action(self) -> ActionName | None:
        """What was asked, as it was understood; None where a body asks for no action."""
        return None if self.request is None else self.request.row.name

    @property
    def maybe(self) -> bool:
        """Refused only because something is not known: see `depends_on`."""
        return not self.allowed and bool(self.depends_on)

    @property
    def failures(self) -> tuple[Refusal, ...]:
        """Every guard that fails, in the order in which Nova tests them; the first decides.

        Where the states are not known, only the one that decides.
        """
        if self.refusal is None:
            return ()
        asked = self.request
        if self.depends_on or asked is None or asked.server is None or not asked.server.vm_state:
            return (self.refusal,)
        return failures(asked)

    @property
    def guard(self) -> CompareAndSwap | None:
        """The compare-and-swap of an allowed request.

        None where the request is refused, and where what to write depends on what is not known.
        """
        if not self.allowed or self.depends_on or self.request is None:
            return None
        return compare_and_swap(self.request)

    @property
    def assumes(self) -> tuple[Assumption, ...]:
        """What an allowed request takes for granted: conditions that lie outside the server."""
        return self.request.row.assumes if self.allowed and self.request is not None else ()

    @property
    def attribute(self) -> str | None:
        """The attribute that the deciding guard tests."""
        return None if self.refusal is None else self.refusal.attribute

    @property
    def have(self) -> object:
        """The value that the deciding guard found."""
        return None if self.refusal is None else self.refusal.have

    @property
    def want(self) -> tuple[object, ...]:
        """The values that the deciding guard would accept."""
        return () if self.refusal is None else self.refusal.want

    @property
    def message(self) -> str | None:
        """Nova's message with {id} for the server's id; None if allowed."""
        return None if self.refusal is None else self.refusal.template

    @property
    def retryable(self) -> bool:
        """Whether a task is under way after which the same request may be accepted."""
        if self.refusal is None or self.maybe or self.refusal.guard not in CURED_BY_WAITING:
            return False
        if self.request is None:
            return False
        server = self.request.server
        if server is not None and server.vm_state is not None and server.task_state is None:
            return False
        return waiting_helps(self.request, self.failures)

    @property
    def hint(self) -> str | None:
        """What to do instead, in words; None if allowed."""
        if self.refusal is None:
            return None
        if self.request is None:
            return "the body has to be an object whose only key is an action, such as os-stop"
        if self.depends_on:
            which = f"it depends on {' and '.join(self.depends_on)}"
            decisive = self.refusal.attribute in self.depends_on
            return f"{which}: {wanted(self.refusal)}" if decisive else which
        return hint(self.request, self.failures)

    def fault(self, server_id: str) -> Fault:
        """Return Nova's own error answer about the server with this id.

        Raises:
            ValueError: the request is allowed.

        >>> from serverfsm import Server, check
        >>> check(Server("active", locked=True), "pause").fault("7").body
        b'{"conflictingRequest": {"code": 409, "message": "Instance 7 is locked"}}'
        """
        if self.refusal is None:
            raise ValueError(f"{self.action} is allowed: there is no fault")
        return fault(self.code, self.refusal.message(server_id))

    def raise_for_refusal(self, server_id: str = "") -> Verdict:
        """Return this verdict if the request is allowed.

        Args:
            server_id: the server's id, for `RefusedError.fault`.

        Raises:
            RefusedError: the request is refused.
        """
        if not self.allowed:
            raise RefusedError(self, server_id)
        return self
