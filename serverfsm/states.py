"""The words for a server's state, and the projection of two of them onto the API status.

Only vocabulary belongs here: the members with one sentence each, and one literal table.
Words: `nova.compute.vm_states`, `task_states`, `power_state` of Nova 34.0.0, and the statuses
of the API reference. Projection: `nova.api.openstack.common:status_from_state`.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Self, TypeVar

from serverfsm.errors import UnknownStateError

__all__ = [
    "ComputeDriver",
    "Family",
    "Kind",
    "LockedBy",
    "PowerState",
    "Status",
    "TaskState",
    "VmState",
    "power_state",
    "status",
    "status_of",
    "task_state",
    "vm_state",
]


class Kind(StrEnum):
    """What a state means for somebody who waits."""

    STABLE = "stable"  # nothing is under way and nothing is wrong
    BUSY = "busy"  # a task is under way and will end
    WAITING = "waiting for the user"  # Nova goes on when a person decides
    FAILED = "failed"  # an administrator or a repair is needed
    GONE = "gone"  # the server does not exist any more


class Family(StrEnum):
    """The part of the lifecycle that a state belongs to."""

    BACKUP = "backup"
    CREATE = "create"
    DELETE = "delete"
    MIGRATE = "migrate"
    PASSWORD = "password"
    PAUSE = "pause"
    POWER = "power"
    REBOOT = "reboot"
    REBUILD = "rebuild"
    RESCUE = "rescue"
    RESIZE = "resize"
    RESTORE = "restore"
    SHELVE = "shelve"
    SNAPSHOT = "snapshot"
    SUSPEND = "suspend"


class LockedBy(StrEnum):
    """Who holds the lock: Nova's column `locked_by`, which no API answer shows."""

    OWNER = "owner"
    ADMIN = "admin"


class _Word(StrEnum):
    kind: Kind
    family: Family | None

    # The defaults are for callers of `Status("ACTIVE")`, which looks a member up.
    def __new__(
        cls, value: str, kind: Kind = Kind.STABLE, family: Family | None = None, doc: str = ""
    ) -> Self:
        word = str.__new__(cls, value)
        word._value_ = value
        word.kind = kind
        word.family = family
        word.__doc__ = doc
        return word


_STABLE, _BUSY, _WAITING, _FAILED, _GONE = Kind
_NONE: Family | None = None
F = Family


class Status(_Word):
    """The 20 values of `status` in the answer to GET /servers/{id}."""

    ACTIVE = "ACTIVE", _STABLE, _NONE, "The server is active."
    BUILD = "BUILD", _BUSY, F.CREATE, "The server is being built for the first time."
    DELETED = "DELETED", _GONE, F.DELETE, "The server is permanently deleted."
    ERROR = "ERROR", _FAILED, _NONE, "An operation failed and left the server in error."
    HARD_REBOOT = "HARD_REBOOT", _BUSY, F.REBOOT, "The server is being power-cycled."
    MIGRATING = "MIGRATING", _BUSY, F.MIGRATE, "The running server is moving to another host."
    PASSWORD = "PASSWORD", _BUSY, F.PASSWORD, "The administrative password is being changed."
    PAUSED = "PAUSED", _STABLE, F.PAUSE, "The guest is frozen in memory."
    REBOOT = "REBOOT", _BUSY, F.REBOOT, "The guest is being restarted."
    REBUILD = "REBUILD", _BUSY, F.REBUILD, "The root disk is being made anew from an image."
    RESCUE = "RESCUE", _STABLE, F.RESCUE, "The server runs a rescue image."
    RESIZE = "RESIZE", _BUSY, F.RESIZE, "The server is moving to another flavor or host."
    REVERT_RESIZE = "REVERT_RESIZE", _BUSY, F.RESIZE, "A resize is being undone on request."
    SHELVED = "SHELVED", _STABLE, F.SHELVE, "The server is off and its host still holds it."
    SHELVED_OFFLOADED = (
        "SHELVED_OFFLOADED",
        _STABLE,
        F.SHELVE,
        "The server is kept as an image or volume and no host holds it.",
    )
    SHUTOFF = "SHUTOFF", _STABLE, F.POWER, "The server is powered off."
    SOFT_DELETED = "SOFT_DELETED", _STABLE, F.DELETE, "The server is deleted and can be restored."
    SUSPENDED = "SUSPENDED", _STABLE, F.SUSPEND, "The guest's memory is saved to disk."
    UNKNOWN = "UNKNOWN", _FAILED, _NONE, "The state is unknown, or Nova cannot reach its record."
    VERIFY_RESIZE = (
        "VERIFY_RESIZE",
        _WAITING,
        F.RESIZE,
        "The resize is done and waits to be confirmed or reverted.",
    )


class VmState(_Word):
    """The 12 values of `OS-EXT-STS:vm_state`: what the server is when no task is under way."""

    ACTIVE = "active", _STABLE, _NONE, "The server runs on a host."
    BUILDING = "building", _BUSY, F.CREATE, "The server was never launched yet."
    PAUSED = "paused", _STABLE, F.PAUSE, "The guest is frozen in memory."
    SUSPENDED = "suspended", _STABLE, F.SUSPEND, "The guest's memory is saved to disk."
    STOPPED = "stopped", _STABLE, F.POWER, "The server is powered off and keeps its host."
    RESCUED = "rescued", _STABLE, F.RESCUE, "The server runs a rescue image."
    RESIZED = "resized", _WAITING, F.RESIZE, "The new size waits to be confirmed or reverted."
    SOFT_DELETED = "soft-delete", _STABLE, F.DELETE, "Deleted, and restorable until reclaimed."
    DELETED = "deleted", _GONE, F.DELETE, "Permanently deleted."
    ERROR = "error", _FAILED, _NONE, "An operation failed, or an administrator said so."
    SHELVED = "shelved", _STABLE, F.SHELVE, "Off and saved as an image, still on its host."
    SHELVED_OFFLOADED = "shelved_offloaded", _STABLE, F.SHELVE, "Saved, and removed from its host."


class TaskState(_Word):
    """The 42 values of `OS-EXT-STS:task_state`; no task under way is None, which is no member."""

    SCHEDULING = "scheduling", _BUSY, F.CREATE, "A host is being chosen."
    BLOCK_DEVICE_MAPPING = "block_device_mapping", _BUSY, F.CREATE, "Disks are being attached."
    NETWORKING = "networking", _BUSY, F.CREATE, "Networks are being allocated."
    SPAWNING = "spawning", _BUSY, F.CREATE, "The hypervisor is making the guest."
    IMAGE_SNAPSHOT = "image_snapshot", _BUSY, F.SNAPSHOT, "The disk is being copied."
    IMAGE_SNAPSHOT_PENDING = (
        "image_snapshot_pending",
        _BUSY,
        F.SNAPSHOT,
        "A snapshot was asked for and has not begun.",
    )
    IMAGE_PENDING_UPLOAD = "image_pending_upload", _BUSY, F.SNAPSHOT, "The copy is to be uploaded."
    IMAGE_UPLOADING = "image_uploading", _BUSY, F.SNAPSHOT, "The copy is being uploaded."
    IMAGE_BACKUP = "image_backup", _BUSY, F.BACKUP, "A backup was asked for."
    UPDATING_PASSWORD = "updating_password", _BUSY, F.PASSWORD, "The guest's password changes."
    RESIZE_PREP = "resize_prep", _BUSY, F.RESIZE, "A host for the new size is being prepared."
    RESIZE_MIGRATING = "resize_migrating", _BUSY, F.RESIZE, "The disk is being moved."
    RESIZE_MIGRATED = "resize_migrated", _BUSY, F.RESIZE, "The disk has been moved."
    RESIZE_FINISH = "resize_finish", _BUSY, F.RESIZE, "The guest is being started on its new host."
    RESIZE_REVERTING = "resize_reverting", _BUSY, F.RESIZE, "The resize is being undone."
    RESIZE_CONFIRMING = "resize_confirming", _BUSY, F.RESIZE, "Named by Nova and never set by it."
    REBOOTING = "rebooting", _BUSY, F.REBOOT, "A soft reboot was asked for."
    REBOOT_PENDING = "reboot_pending", _BUSY, F.REBOOT, "The host has taken up the soft reboot."
    REBOOT_STARTED = "reboot_started", _BUSY, F.REBOOT, "The guest is shutting down to restart."
    REBOOTING_HARD = "rebooting_hard", _BUSY, F.REBOOT, "A hard reboot was asked for."
    REBOOT_PENDING_HARD = "reboot_pending_hard", _BUSY, F.REBOOT, "The host took up the reboot."
    REBOOT_STARTED_HARD = "reboot_started_hard", _BUSY, F.REBOOT, "The guest is power-cycled."
    PAUSING = "pausing", _BUSY, F.PAUSE, "The guest is being frozen."
    UNPAUSING = "unpausing", _BUSY, F.PAUSE, "The guest is being unfrozen."
    SUSPENDING = "suspending", _BUSY, F.SUSPEND, "The guest's memory is being saved."
    RESUMING = "resuming", _BUSY, F.SUSPEND, "The guest's memory is being loaded."
    POWERING_OFF = "powering-off", _BUSY, F.POWER, "The guest is being powered off."
    POWERING_ON = "powering-on", _BUSY, F.POWER, "The guest is being powered on."
    RESCUING = "rescuing", _BUSY, F.RESCUE, "The rescue image is being started."
    UNRESCUING = "unrescuing", _BUSY, F.RESCUE, "The server's own disk is being started again."
    REBUILDING = "rebuilding", _BUSY, F.REBUILD, "A rebuild or an evacuation was asked for."
    REBUILD_BLOCK_DEVICE_MAPPING = (
        "rebuild_block_device_mapping",
        _BUSY,
        F.REBUILD,
        "Disks are being attached anew.",
    )
    REBUILD_SPAWNING = "rebuild_spawning", _BUSY, F.REBUILD, "The guest is being made anew."
    MIGRATING = "migrating", _BUSY, F.MIGRATE, "The running guest is moving to another host."
    DELETING = "deleting", _BUSY, F.DELETE, "The server is being deleted."
    SOFT_DELETING = "soft-deleting", _BUSY, F.DELETE, "The server is being marked as deleted."
    RESTORING = "restoring", _BUSY, F.RESTORE, "The soft-deleted server is being brought back."
    SHELVING = "shelving", _BUSY, F.SHELVE, "The server is being shelved."
    SHELVING_IMAGE_PENDING_UPLOAD = (
        "shelving_image_pending_upload",
        _BUSY,
        F.SHELVE,
        "The shelved copy is to be uploaded.",
    )
    SHELVING_IMAGE_UPLOADING = (
        "shelving_image_uploading",
        _BUSY,
        F.SHELVE,
        "The shelved copy is being uploaded.",
    )
    SHELVING_OFFLOADING = "shelving_offloading", _BUSY, F.SHELVE, "Its host is letting go of it."
    UNSHELVING = "unshelving", _BUSY, F.SHELVE, "The server is being brought back to a host."


class PowerState(IntEnum):
    """The values of `OS-EXT-STS:power_state`: what the hypervisor last said of the guest."""

    kind: Kind

    def __new__(cls, value: int, kind: Kind = Kind.STABLE, doc: str = "") -> Self:
        state = int.__new__(cls, value)
        state._value_ = value
        state.kind = kind
        state.__doc__ = doc
        return state

    NOSTATE = 0, _BUSY, "The hypervisor has not been asked, or has no such guest."
    RUNNING = 1, _STABLE, "The guest runs."
    PAUSED = 3, _STABLE, "The guest is frozen in memory."
    SHUTDOWN = 4, _STABLE, "The guest is off."
    CRASHED = 6, _FAILED, "The guest crashed."
    SUSPENDED = 7, _STABLE, "The guest's memory is saved to disk."


class ComputeDriver(StrEnum):
    """The hypervisor, by Nova's option `compute_driver`, where what happens depends on it."""

    LIBVIRT = "libvirt.LibvirtDriver"
    FAKE = "fake.FakeDriver"  # the one that Nova is tested with: it has no guests


del F

_V, _T, _S = VmState, TaskState, Status
_RESIZING = dict.fromkeys(
    (_T.RESIZE_PREP, _T.RESIZE_MIGRATING, _T.RESIZE_MIGRATED, _T.RESIZE_FINISH), _S.RESIZE
)
_REBUILDING = dict.fromkeys(
    (_T.REBUILDING, _T.REBUILD_BLOCK_DEVICE_MAPPING, _T.REBUILD_SPAWNING), _S.REBUILD
)
_REBOOTING = {
    _T.REBOOTING: _S.REBOOT,
    _T.REBOOT_PENDING: _S.REBOOT,
    _T.REBOOT_STARTED: _S.REBOOT,
    _T.REBOOTING_HARD: _S.HARD_REBOOT,
    _T.REBOOT_PENDING_HARD: _S.HARD_REBOOT,
    _T.REBOOT_STARTED_HARD: _S.HARD_REBOOT,
}
_MIGRATING = {_T.MIGRATING: _S.MIGRATING}
_PASSWORD = {_T.UPDATING_PASSWORD: _S.PASSWORD}

# vm_state: (the status with any other task or none, the tasks that change it)
STATUS_OF: dict[VmState, tuple[Status, dict[TaskState, Status]]] = {
    _V.ACTIVE: (_S.ACTIVE, _REBOOTING | _PASSWORD | _REBUILDING | _MIGRATING | _RESIZING),
    _V.BUILDING: (_S.BUILD, {}),
    _V.PAUSED: (_S.PAUSED, _MIGRATING),
    _V.SUSPENDED: (_S.SUSPENDED, {}),
    _V.STOPPED: (_S.SHUTOFF, _RESIZING | _REBUILDING),
    _V.RESCUED: (_S.RESCUE, {}),
    _V.RESIZED: (_S.VERIFY_RESIZE, {_T.RESIZE_REVERTING: _S.REVERT_RESIZE}),
    _V.SOFT_DELETED: (_S.SOFT_DELETED, {}),
    _V.DELETED: (_S.DELETED, {}),
    _V.ERROR: (_S.ERROR, _REBUILDING),
    _V.SHELVED: (_S.SHELVED, {}),
    _V.SHELVED_OFFLOADED: (_S.SHELVED_OFFLOADED, {}),
}


def status_of(vm_state: str, task_state: str | None) -> Status:
    """Return the API status of a pair of states; UNKNOWN for a pair that is not Nova's.

    >>> status_of("active", None), status_of("active", "resize_prep"), status_of("activ", None)
    (<Status.ACTIVE: 'ACTIVE'>, <Status.RESIZE: 'RESIZE'>, <Status.UNKNOWN: 'UNKNOWN'>)
    """
    vm = _VM_STATES.get(vm_state)
    if vm is None:
        return Status.UNKNOWN
    default, by_task = STATUS_OF[vm]
    if task_state is None:
        return default
    task = _TASK_STATES.get(task_state)
    return Status.UNKNOWN if task is None else by_task.get(task, default)


_W = TypeVar("_W", bound=StrEnum)


def _by_text(words: type[_W]) -> dict[str, _W]:
    return {word.value: word for word in words}


_STATUSES = _by_text(Status)
_VM_STATES = _by_text(VmState)
_TASK_STATES = _by_text(TaskState)


def status(text: object) -> Status:
    """Return the status that `text` names; raise UnknownStateError if there is none.

    >>> status("SHUTOF")
    Traceback (most recent call last):
    serverfsm.errors.UnknownStateError: unknown status 'SHUTOF'; did you mean 'SHUTOFF'?
    """
    return _word("status", text, _STATUSES)


def vm_state(text: object) -> VmState:
    """Return the vm_state that `text` names; raise UnknownStateError if there is none."""
    return _word("vm_state", text, _VM_STATES)


def task_state(text: object) -> TaskState | None:
    """Return the task_state that `text` names, None for None; raise UnknownStateError."""
    return None if text is None else _word("task_state", text, _TASK_STATES)


def power_state(number: object) -> PowerState:
    """Return the power state with this number; raise UnknownStateError if there is none."""
    if isinstance(number, int) and not isinstance(number, bool):
        try:
            return PowerState(number)
        except ValueError:
            pass
    known = (f"{state.value} ({state.name})" for state in PowerState)
    raise UnknownStateError("power_state", number, known)


def _word(kind: str, text: object, words: dict[str, _W]) -> _W:
    if isinstance(text, str) and (word := words.get(text)) is not None:
        return word
    raise UnknownStateError(kind, text, words)
