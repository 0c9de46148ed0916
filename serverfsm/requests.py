"""The words for a request: which action, who asks, what is tested of it, at which microversion.

Only vocabulary belongs here; what each action does stands in `table.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from serverfsm.errors import UnknownActionError, UnknownActorError, UnknownMicroversionError

__all__ = [
    "FIRST",
    "LATEST",
    "ActionName",
    "Actor",
    "Guard",
    "Microversion",
    "Policy",
    "action_names",
    "actor",
]


class ActionName(StrEnum):
    """The key of the request body, and a variant after a colon.

    `create` is POST /servers and `delete` is DELETE /servers/{id}; all others are keys of
    POST /servers/{id}/action. A variant is named by the value that makes it (`reboot:SOFT`) or by
    the parameter whose presence makes it (`unshelve:host`).
    """

    ADD_FLOATING_IP = "addFloatingIp"
    ADD_SECURITY_GROUP = "addSecurityGroup"
    CHANGE_PASSWORD = "changePassword"
    CONFIRM_RESIZE = "confirmResize"
    CREATE_BACKUP = "createBackup"
    CREATE_IMAGE = "createImage"
    LOCK = "lock"
    PAUSE = "pause"
    REBOOT_SOFT = "reboot:SOFT"
    REBOOT_HARD = "reboot:HARD"
    REBUILD = "rebuild"
    REMOVE_FLOATING_IP = "removeFloatingIp"
    REMOVE_SECURITY_GROUP = "removeSecurityGroup"
    RESCUE = "rescue"
    RESCUE_WITH_IMAGE = "rescue:rescue_image_ref"
    RESIZE = "resize"
    RESUME = "resume"
    REVERT_RESIZE = "revertResize"
    START = "os-start"
    STOP = "os-stop"
    SUSPEND = "suspend"
    UNLOCK = "unlock"
    UNPAUSE = "unpause"
    UNRESCUE = "unrescue"
    SHELVE = "shelve"
    SHELVE_OFFLOAD = "shelveOffload"
    UNSHELVE = "unshelve"
    UNSHELVE_TO_ZONE = "unshelve:availability_zone"
    UNSHELVE_TO_HOST = "unshelve:host"
    TRIGGER_CRASH_DUMP = "trigger_crash_dump"
    FORCE_DELETE = "forceDelete"
    RESTORE = "restore"
    EVACUATE = "evacuate"
    MIGRATE = "migrate"
    MIGRATE_TO_HOST = "migrate:host"
    LIVE_MIGRATE = "os-migrateLive"
    LIVE_MIGRATE_TO_HOST = "os-migrateLive:host"
    RESET_STATE_ACTIVE = "os-resetState:active"
    RESET_STATE_ERROR = "os-resetState:error"
    INJECT_NETWORK_INFO = "injectNetworkInfo"
    RESET_NETWORK = "resetNetwork"
    ADD_FIXED_IP = "addFixedIp"
    REMOVE_FIXED_IP = "removeFixedIp"
    GET_CONSOLE_OUTPUT = "os-getConsoleOutput"
    GET_VNC_CONSOLE = "os-getVNCConsole"
    GET_SPICE_CONSOLE = "os-getSPICEConsole"
    GET_SERIAL_CONSOLE = "os-getSerialConsole"
    GET_RDP_CONSOLE = "os-getRDPConsole"
    DELETE = "delete"
    CREATE = "create"

    @property
    def key(self) -> str:
        """The key of the request body: `reboot` of `reboot:SOFT`."""
        return self.value.partition(":")[0]

    @property
    def variant(self) -> str | None:
        """What follows the colon: `SOFT` of `reboot:SOFT`; None where there is no colon."""
        return self.value.partition(":")[2] or None


_BY_TEXT = {name.value: name for name in ActionName}
_BY_KEY: dict[str, tuple[ActionName, ...]] = {}
for _name in ActionName:
    _BY_KEY[_name.key] = (*_BY_KEY.get(_name.key, ()), _name)


def action_names(text: object) -> tuple[ActionName, ...]:
    """Return the actions that `text` may mean: one, or all variants of a key that has no other.

    >>> action_names("os-stop")
    (<ActionName.STOP: 'os-stop'>,)
    >>> [name.value for name in action_names("reboot")]
    ['reboot:SOFT', 'reboot:HARD']
    >>> action_names("os-sotp")
    Traceback (most recent call last):
    serverfsm.errors.UnknownActionError: unknown action 'os-sotp'; did you mean 'os-stop'?
    """
    if isinstance(text, str):
        if (name := _BY_TEXT.get(text)) is not None:
            return (name,)
        if text in _BY_KEY:
            return _BY_KEY[text]
    raise UnknownActionError(text, _BY_TEXT)


class Actor(StrEnum):
    """Who asks, by what Nova's default policies tell apart; later ones may do more.

    All but ANONYMOUS and STRANGER are seen from the server's own project, save that ADMIN is an
    administrator from outside it, whose lock is an administrator's lock. For another project's
    reader ask as of no server at all: a few policies are tested before Nova looks for one.
    """

    rank: int

    def __new__(cls, value: str, rank: int = 0, doc: str = "") -> Self:
        word = str.__new__(cls, value)
        word._value_ = value
        word.rank = rank
        word.__doc__ = doc
        return word

    ANONYMOUS = "anonymous", 0, "No valid token: every request is answered 401."
    STRANGER = "stranger", 1, "Another project's member: the server does not exist for them, 404."
    READER = "reader", 2, "May look at the project's servers and change none, 403."
    MEMBER = "member", 3, "May do what an owner may."
    MANAGER = "manager", 4, "A member who manages the project."
    ADMIN = "admin", 5, "An administrator of the cloud."


_ACTORS = {who.value: who for who in Actor}


def actor(text: object) -> Actor:
    """Return the actor that `text` names; raise UnknownActorError if there is none."""
    if isinstance(text, str) and (who := _ACTORS.get(text)) is not None:
        return who
    raise UnknownActorError(text, _ACTORS)


class Policy(StrEnum):
    """The least an actor must be by Nova's default policy of an action."""

    least: Actor

    def __new__(cls, value: str, least: Actor = Actor.ADMIN) -> Self:
        word = str.__new__(cls, value)
        word._value_ = value
        word.least = least
        return word

    ADMIN_OR_OWNER = "admin-or-owner", Actor.MEMBER
    ADMIN_OR_MANAGER = "admin-or-manager", Actor.MANAGER
    ADMIN = "admin", Actor.ADMIN


class Guard(StrEnum):
    """What Nova tests before it accepts a request; a row lists its own in Nova's order."""

    AUTHENTICATED = "authenticated"  # there is a valid token
    OFFERED = "offered"  # the action exists at this microversion
    REMOVED = "removed"  # the action was not taken out of Nova altogether
    BODY = "body"  # the body has the form that the action wants
    KNOWN = "known"  # there is such a server at all
    FOUND = "found"  # it is not deleted, and the person's project may see it
    POLICY = "policy"  # the person's role may do this
    LOCK = "lock"  # the server is not locked, or the person is an administrator
    HOST = "host"  # a compute host holds the server
    HOST_OF_IMAGE = "host_of_image"  # one does, if the server is image-backed
    VM_STATE = "vm_state"
    TASK_STATE = "task_state"
    LAUNCHED = "launched"  # the server ran at least once
    BACKING = "backing"  # image-backed, or the action supports volumes
    LOCK_OWNER = "lock_owner"  # who locked it may unlock it
    ABSENT = "absent"  # there is no server yet
    LATE_VM_STATE = "late_vm_state"  # a narrower vm_state, tested after the state
    LATE_POLICY = "late_policy"  # a second policy rule, tested after the state
    LATE_BODY = "late_body"  # what must hold of the body besides its form


class Microversion(str):
    """A microversion of the Compute API, "2.1" to "2.104"; ordered by number, not by letters.

    Raises:
        UnknownMicroversionError: Nova 34 has no such microversion.

    >>> Microversion("2.9") < Microversion("2.10"), Microversion("latest")
    (True, '2.104')
    """

    __slots__ = ("minor",)
    minor: int

    def __new__(cls, text: object) -> Microversion:
        known = _MICROVERSIONS.get(text) if isinstance(text, str) else None
        if known is None:
            remark = f"valid: {FIRST} to {LATEST}, or latest"
            raise UnknownMicroversionError(text, (), remark)
        return known

    def __lt__(self, other: str) -> bool:
        return self.minor < Microversion(other).minor

    def __le__(self, other: str) -> bool:
        return self.minor <= Microversion(other).minor

    def __gt__(self, other: str) -> bool:
        return self.minor > Microversion(other).minor

    def __ge__(self, other: str) -> bool:
        return self.minor >= Microversion(other).minor


def _microversions(last: int) -> dict[str, Microversion]:
    made = {}
    for minor in range(1, last + 1):
        version = str.__new__(Microversion, f"2.{minor}")
        version.minor = minor
        made[str(version)] = version
    return {**made, "latest": made[f"2.{last}"]}


_MICROVERSIONS = _microversions(104)
FIRST = Microversion("2.1")
LATEST = Microversion("latest")
