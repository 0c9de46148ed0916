"""`Server`: what one server is at one moment, as far as the lifecycle asks. Immutable.

Only the snapshot and its two ways in and out belong here: the document that the Compute API
shows, and the flat record of a database row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from serverfsm import states
from serverfsm.errors import MalformedServerError, shown
from serverfsm.states import LockedBy, PowerState, Status, TaskState, VmState, status_of

__all__ = ["Server"]

_VM, _TASK, _POWER = "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state", "OS-EXT-STS:power_state"
_LAUNCHED, _TERMINATED = "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at"
_HOST = "OS-EXT-SRV-ATTR:host"
# What no answer of Nova shows, kept by to_api() for from_api() under names of our own.
_LOCKED_BY, _BEFORE_RESIZE = "serverfsm:locked_by", "serverfsm:vm_state_before_resize"
_DELETED = "serverfsm:deleted"

_HOSTLESS = frozenset({VmState.SHELVED_OFFLOADED, VmState.DELETED})
# Words are numbered so that a server's key is one small integer.
_STATE_NUMBER = {word: number for number, word in enumerate((*VmState, *Status))}
_TASK_NUMBER = {word: number for number, word in enumerate((None, *TaskState))}
_OWNER_NUMBER = {None: 0, LockedBy.OWNER: 1, LockedBy.ADMIN: 2}
_OWNERS = {owner.value: owner for owner in LockedBy}
_BEFORE_NUMBER = {None: 0, VmState.ACTIVE: 1, VmState.STOPPED: 2}


@dataclass(frozen=True, slots=True)
class Server:
    """One server's snapshot.

    Words may be given as text; they are checked and turned into members.

    Attributes:
        vm_state: the stable state; None where only the status is known.
        task_state: the task under way; None for none.
        power_state: what the hypervisor last said.
        locked: whether the server is locked.
        locked_by: who locked it; None if nobody did, or if it is not known who.
        launched: whether it ever ran (Nova's `launched_at` is set).
        host: whether a compute host holds it. Unless said otherwise one does, except where the
            server is shelved_offloaded or deleted. Never None once the server is made.
        volume_backed: whether its root disk is a volume.
        vm_state_before_resize: where a resized server goes back to: active or stopped; None:
            not known, or not resized.
        deleted: the record itself is gone; every request is answered 404.
        only_status: the API status, where that is all that is known; else None.

    Raises:
        UnknownStateError: a word is not Nova's.
        MalformedServerError: two attributes contradict each other, or one is of a wrong type.

    >>> server = Server("active", "powering-off")
    >>> server.status, server.host
    (<Status.ACTIVE: 'ACTIVE'>, True)
    """

    vm_state: VmState | None
    task_state: TaskState | None = None
    power_state: PowerState = PowerState.NOSTATE
    locked: bool = False
    locked_by: LockedBy | None = None
    launched: bool = True
    host: bool | None = None
    volume_backed: bool = False
    vm_state_before_resize: VmState | None = None
    deleted: bool = False
    only_status: Status | None = None
    key: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.vm_state.__class__ is not VmState and self.vm_state is not None:
            put(self, "vm_state", states.vm_state(self.vm_state))
        if self.task_state.__class__ is not TaskState and self.task_state is not None:
            put(self, "task_state", states.task_state(self.task_state))
        if self.power_state.__class__ is not PowerState:
            put(self, "power_state", states.power_state(self.power_state))
        if self.host is None:
            put(self, "host", self.vm_state not in _HOSTLESS and self.deleted is not True)
        flags = (self.locked, self.launched, self.host, self.volume_backed, self.deleted)
        for flag in flags:
            if flag is not True and flag is not False:
                raise MalformedServerError(
                    "locked, launched, host, volume_backed and deleted must be true or false, "
                    f"not {shown(flag)}"
                )
        if (
            self.locked_by is not None
            or self.vm_state is None
            or self.vm_state_before_resize is not None
            or self.only_status is not None
        ):
            self._check_rare(put)
        put(self, "key", self._number(flags))

    def _number(self, flags: tuple[Any, ...]) -> int:
        """One small integer for all that is known: equal for equal servers and for no others."""
        state = self.vm_state if self.vm_state is not None else self.only_status
        assert state is not None
        number = _STATE_NUMBER[state] * 64 + _TASK_NUMBER[self.task_state]
        for flag in flags:
            number = number * 2 + flag
        number = number * 3 + _OWNER_NUMBER[self.locked_by]
        number = number * 3 + _BEFORE_NUMBER[self.vm_state_before_resize]
        return number * 8 + self.power_state

    def _check_rare(self, put: Any) -> None:
        if self.locked_by is not None:
            owner = _OWNERS.get(self.locked_by) if isinstance(self.locked_by, str) else None
            if owner is None:
                raise MalformedServerError(
                    f"locked_by must be owner, admin or null, not {shown(self.locked_by)}"
                )
            put(self, "locked_by", owner)
            if not self.locked:
                raise MalformedServerError(
                    f"locked_by is {owner.value!r} and the server is not locked"
                )
        if self.vm_state_before_resize is not None:
            before = states.vm_state(self.vm_state_before_resize)
            if before not in (VmState.ACTIVE, VmState.STOPPED):
                raise MalformedServerError(
                    f"vm_state_before_resize must be active or stopped, not {before.value!r}"
                )
            put(self, "vm_state_before_resize", before)
        if self.only_status is not None:
            put(self, "only_status", states.status(self.only_status))
            if self.vm_state is not None:
                raise MalformedServerError("only_status is for servers whose vm_state is unknown")
        elif self.vm_state is None:
            raise MalformedServerError("a server needs a vm_state, or a status alone")
        if self.vm_state is None and self.task_state is not None:
            raise MalformedServerError(
                f"task_state {self.task_state.value!r} is given without a vm_state"
            )

    @property
    def status(self) -> Status:
        """The API status."""
        if self.only_status is not None:
            return self.only_status
        assert self.vm_state is not None
        return status_of(self.vm_state, self.task_state)

    def pairs(self) -> tuple[tuple[VmState, TaskState | None], ...]:
        """Every (vm_state, task_state) that the server may be in, by what is known of it."""
        if self.vm_state is not None:
            return ((self.vm_state, self.task_state),)
        return _pairs(self.status)

    def possible(self) -> Iterator[Server]:
        """Every server with known states that this may be."""
        for vm_state, task_state in self.pairs():
            yield Server(
                vm_state,
                task_state,
                self.power_state,
                self.locked,
                self.locked_by,
                self.launched,
                self.host and vm_state not in _HOSTLESS,
                self.volume_backed,
                self.vm_state_before_resize,
                self.deleted,
            )

    @classmethod
    def from_status(cls, status: Status | str) -> Server:
        """Return a server of which only the API status is known.

        >>> Server.from_status("ACTIVE").vm_state is None
        True
        """
        known = states.status(status)
        gone = known is Status.DELETED
        return cls(None, only_status=known, deleted=gone, host=not gone)

    @classmethod
    def from_api(cls, body: Mapping[str, Any]) -> Server:
        """Return the server that GET /servers/{id} described.

        Args:
            body: the decoded JSON, with or without the outer "server" key, of any microversion
                and for any role. Without `locked` it is not locked; without `OS-EXT-STS:*` only
                its status is known; it is volume-backed where `image` is empty; it has a host
                unless `OS-EXT-SRV-ATTR:host` or `hostId` is empty; it was launched unless
                `OS-SRV-USG:launched_at` is null.

        Raises:
            MalformedServerError: not such a document, or one that contradicts itself.
            UnknownStateError: a word in it is not Nova's.

        >>> Server.from_api({"server": {"status": "SHUTOFF", "OS-EXT-STS:vm_state": "stopped",
        ...                             "OS-EXT-STS:task_state": None}}).vm_state
        <VmState.STOPPED: 'stopped'>
        """
        document = _document(body)
        status = document.get("status")
        if status is None and _VM not in document:
            raise MalformedServerError(
                f"neither status nor {_VM} is there: this is not what GET /servers/{{id}} answers"
            )
        known = None if status is None else states.status(status)
        locked = document.get("locked", False)
        locked = False if locked is None else locked
        if locked is not True and locked is not False:
            raise MalformedServerError(f"locked must be true or false, not {shown(locked)}")
        common: dict[str, Any] = {
            "locked": locked,
            "locked_by": document.get(_LOCKED_BY),
            "launched": document.get(_LAUNCHED, "") is not None,
            "volume_backed": not _is_given(document.get("image", {})),
            "vm_state_before_resize": document.get(_BEFORE_RESIZE),
        }
        power = document.get(_POWER)
        if power is not None:
            common["power_state"] = power
        if document.get(_VM) is None or _TASK not in document:
            if known is None:
                raise MalformedServerError(f"{_VM} needs {_TASK} beside it, or a status")
            gone = document.get(_DELETED, known is Status.DELETED)
            host = _has_host(document, not gone)
            return cls(None, only_status=known, deleted=gone, host=host, **common)
        server = cls(
            document[_VM],
            document[_TASK],
            deleted=document.get(_DELETED, _is_gone(document)),
            host=_has_host(document, None),
            **common,
        )
        if known is not None and server.status is not known:
            raise MalformedServerError(
                f"status {known.value} contradicts {_VM} {server.vm_state} and {_TASK} "
                f"{server.task_state}, which are {server.status.value}"
            )
        return server

    def to_api(self) -> dict[str, Any]:
        """Return the part of a GET /servers/{id} answer that tells this server's state.

        `Server.from_api(server.to_api()) == server` for every server. What Nova keeps to itself
        stands under keys that begin with `serverfsm:`; values that Nova would show as a name or
        a date and that a snapshot does not know stand as placeholders.
        """
        document: dict[str, Any] = {"status": self.status.value}
        if self.vm_state is not None:
            document[_VM] = self.vm_state.value
            document[_TASK] = None if self.task_state is None else self.task_state.value
        document[_POWER] = self.power_state.value
        document["locked"] = self.locked
        document["image"] = "" if self.volume_backed else {"id": "unknown"}
        document[_HOST] = "unknown" if self.host else None
        document[_LAUNCHED] = "unknown" if self.launched else None
        document[_TERMINATED] = "unknown" if self.deleted else None
        if self.deleted or self.only_status is Status.DELETED:
            document[_DELETED] = self.deleted
        if self.locked_by is not None:
            document[_LOCKED_BY] = self.locked_by.value
        if self.vm_state_before_resize is not None:
            document[_BEFORE_RESIZE] = self.vm_state_before_resize.value
        return {"server": document}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Server:
        """Return the server of a flat record, such as a database row or a line of `--batch`.

        Args:
            record: keys as the attributes of this class, all optional but `vm_state` (or
                `only_status`); null means what leaving the key out means.

        Raises:
            MalformedServerError: a key is not an attribute, or a value is of a wrong type.
            UnknownStateError: a word in it is not Nova's.

        >>> Server.from_record({"vm_state": "shelved_offloaded", "task_state": None}).host
        False
        """
        if not isinstance(record, Mapping):
            raise MalformedServerError(f"a server must be an object, not {shown(record)}")
        if unknown := [key for key in record if key not in _RECORD_KEYS]:
            raise MalformedServerError(
                f"unknown key {shown(unknown[0])} of a server; valid: {', '.join(_RECORD_KEYS)}"
            )
        given = {key: value for key, value in record.items() if value is not None}
        if "vm_state" not in given and "only_status" not in given:
            raise MalformedServerError("a server needs a vm_state")
        return cls(given.pop("vm_state", None), **given)


_RECORD_KEYS = tuple(name for name in Server.__dataclass_fields__ if name != "key")


@cache
def _pairs(status: Status) -> tuple[tuple[VmState, TaskState | None], ...]:
    """Every pair of states that has this status."""
    return tuple(
        (vm, task) for vm in VmState for task in (None, *TaskState) if status_of(vm, task) is status
    )


def _document(body: object) -> Mapping[str, Any]:
    if isinstance(body, Mapping) and isinstance(body.get("server"), Mapping):
        body = body["server"]
    if not isinstance(body, Mapping):
        raise MalformedServerError(f"a server document must be a JSON object, not {shown(body)}")
    return body


def _is_given(value: object) -> bool:
    """Whether a value is neither null nor empty text."""
    return value is not None and not (isinstance(value, str) and value == "")


def _is_gone(document: Mapping[str, Any]) -> bool:
    """Whether it is of a server whose record is deleted: a soft-deleted one has a date, too."""
    return document[_VM] == VmState.DELETED.value and document.get(_TERMINATED) is not None


def _has_host(document: Mapping[str, Any], default: bool | None) -> Any:
    """Whether the document shows a host; `default` (None: as the vm_state says) if it is silent."""
    for name in (_HOST, "hostId"):
        if name in document:
            return _is_given(document[name])
    return default
