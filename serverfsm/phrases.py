"""What the rows of `table.py` and `unprompted.py` have in common: short forms, and shared parts.

Only parts of rows belong here, each said once; a part that one row has stands in that row.
"""

# Literal tables are to be read at a glance.
# fmt: off

from __future__ import annotations

from itertools import pairwise
from typing import Literal, TypeVar

from serverfsm.requests import ActionName, Guard, Policy
from serverfsm.rows import (
    ALWAYS,
    Answer,
    Assumption,
    Body,
    BodyRule,
    Effect,
    EffectKind,
    End,
    Lock,
    Moment,
    Outcome,
    Parameter,
    Passing,
    Step,
    When,
    Write,
)
from serverfsm.shapes import METADATA, NAME, YES
from serverfsm.states import ComputeDriver, PowerState, Status, TaskState, VmState

M = TypeVar("M")

A, V, T, S, G = ActionName, VmState, TaskState, Status, Guard


def of(*members: M) -> frozenset[M]:
    return frozenset(members)


ANY = None  # any vm_state; any task or none
IDLE = of(None)  # no task under way
ADMIN_ONLY, IGNORED = Lock.ADMIN_ONLY, Lock.IGNORED
OWNER, MANAGER, ADMIN = Policy.ADMIN_OR_OWNER, Policy.ADMIN_OR_MANAGER, Policy.ADMIN
# Before Nova looks at the server.
REQUEST = (G.AUTHENTICATED, G.OFFERED, G.BODY, G.KNOWN, G.FOUND, G.POLICY)
NOT_ANY_MORE = (G.AUTHENTICATED, G.OFFERED, G.REMOVED, *REQUEST[2:])
POLICY_FIRST = (G.AUTHENTICATED, G.OFFERED, G.BODY, G.POLICY, G.KNOWN, G.FOUND)
# What the value of an action's key may be.
OBJECT = (Body(("object",)),)
OBJECT_OR_NULL = (Body(("object", "null")),)
NULL = (Body(("null",)),)


def anything_until(version: str, *types: Literal["object", "null"]) -> tuple[Body, ...]:
    """Not looked at before this microversion; from there on, one of these."""
    return (Body(until=version), Body(types, since=version))


STATE = (G.VM_STATE, G.TASK_STATE, G.LAUNCHED)  # nova.compute.api:check_instance_state
KEEPS = (Outcome("done", End.ORIGIN),)  # nothing about the lifecycle changes
Effects = tuple[Effect, ...]
IN_ERROR = (Passing(V.ERROR, "kept"),)


def migration(*statuses: str, when: When = ALWAYS) -> Effects:
    """The statuses that the migration's record goes through."""
    return tuple(Effect(EffectKind.MIGRATION, status, when) for status in statuses)


def now(*moments: Moment) -> Effects:
    return tuple(Effect(EffectKind.TIME, moment.value) for moment in moments)


def image(change: str, when: When = ALWAYS) -> Effects:
    return (Effect(EffectKind.IMAGE, change, when),)


IMAGE_MADE, IMAGE_LOST = image("created"), image("deleted")
# Of a volume-backed server no image is made.
IMAGE_OF_DISK_MADE = image("created", When(volume_backed=False))
IMAGE_OF_DISK_LOST = image("deleted", When(volume_backed=False))
IMAGE_OF_SHELVED_LOST = image(
    "deleted", When(volume_backed=False, vm_states=of(V.SHELVED, V.SHELVED_OFFLOADED))
)


def done(
    end: VmState | End, *path: Step, when: When = ALWAYS, effects: Effects = (),
    passing: tuple[Passing, ...] = ()
) -> Outcome:
    return Outcome("done", end, path, when, None, effects, passing)


def back(name: str, *at: TaskState, effects: Effects = ()) -> Outcome:
    """A failure after which the server is what it was."""
    return Outcome(name, End.ORIGIN, at, effects=effects)


def fails(
    name: str, *at: Step, when: When = ALWAYS, effects: Effects = (),
    passing: tuple[Passing, ...] = IN_ERROR
) -> Outcome:
    """A failure that leaves the server in error: the vm_state is saved first, then the task."""
    return Outcome(name, V.ERROR, at, when, effects=effects, passing=passing)


def stuck(
    name: str, at: TaskState, effects: Effects = (), passing: tuple[Passing, ...] = ()
) -> Outcome:
    """A failure that Nova does not notice: the task_state stays."""
    return Outcome(name, End.ORIGIN, (at,), left=at, effects=effects, passing=passing)


def late(
    end: VmState | End, *at: TaskState, when: When = ALWAYS,
    left: TaskState | Literal["kept"] | None = None, passing: tuple[Passing, ...] = (),
    goes_on: bool = False
) -> Outcome:
    """What work that was overtaken at this task_state still writes."""
    return Outcome("overtaken", end, at, when, left, passing=passing, goes_on=goes_on)


def task(state: TaskState, effects: Effects = ()) -> tuple[Write, ...]:
    return (Write({"task_state": state}, effects=effects),)


# Rules of a body besides its form.
NOT_BLANK = (
    BodyRule(
        {"properties": {"name": {"pattern": r"\S"}}},
        Answer(400, "Security group name cannot be empty")
    ),
)
FORCES_TO_A_HOST = (
    BodyRule(
        {
            "if": {"required": ["force"], "properties": {"force": {"enum": [*YES]}}},
            "then": {"required": ["host"], "properties": {"host": {"type": "string"}}}
        },
        Answer(400, "Can't force to a non-provided destination"), since="2.29", until="2.68"
    ),
)
NOT_OFFLOADED = Answer(
    409, 'Specifying an availability zone or a host when unshelving server "{id}" with status '
    '"{have}" is not supported. The server status must be SHELVED_OFFLOADED.'
)
UNKNOWN_PARAMETER = Answer(
    400, "Invalid input for field/attribute {label}. Value: {body}. "
    "'availability_zone' is a required property"
)
NOT_RESIZED = Assumption(
    "finished-migration",
    "the migration of the resize is finished and not yet being confirmed or reverted",
    Answer(400, "Instance has not been resized."),
)
HOSTS_UP = Assumption(
    "host-up",
    "the compute service that has to act is up",
    Answer(409, "Service is unavailable at this time."),
    host_up=True,
)
SOFT_DELETES = When(launched=True, option="reclaim_instance_interval > 0")
GONE = {"vm_state": V.DELETED, "task_state": None, "deleted": True}
FROM_STOPPED = When(vm_states=of(V.STOPPED))
NO_HOST = When(host=False)
NOT_RUNNING = frozenset(PowerState) - {PowerState.RUNNING}
GUEST_RUNS = When(power_states=of(PowerState.RUNNING))
WAS_STOPPED = When(before_resize=of(V.STOPPED))

IMAGE_PARAMETERS = (Parameter("name", NAME, required=True), Parameter("metadata", METADATA))
BUILD_PATH = (
    (V.BUILDING, T.SCHEDULING), (V.BUILDING, None), (V.BUILDING, T.NETWORKING),
    (V.BUILDING, T.BLOCK_DEVICE_MAPPING), (V.BUILDING, T.SPAWNING)
)
REBUILD_PATH = (T.REBUILDING, T.REBUILD_BLOCK_DEVICE_MAPPING, T.REBUILD_SPAWNING)
RESIZE_PATH = (T.RESIZE_PREP, T.RESIZE_MIGRATING, T.RESIZE_MIGRATED, T.RESIZE_FINISH)
SHELVE_PATH = (T.SHELVING, T.SHELVING_IMAGE_PENDING_UPLOAD, T.SHELVING_IMAGE_UPLOADING)
NO_GUEST = (Passing(End.ORIGIN, "kept", power=PowerState.NOSTATE),)
ON_FAKE = When(driver=ComputeDriver.FAKE)  # its images are uploaded without waiting
SHELVE_PATH_ON_FAKE = (T.SHELVING, T.SHELVING_IMAGE_UPLOADING)
STARTED = (Passing(V.ACTIVE, None, (V.ACTIVE, T.POWERING_OFF), PowerState.RUNNING),)
MOVING = {
    T.RESIZE_MIGRATING: migration("pre-migrating", "migrating"),
    T.RESIZE_MIGRATED: migration("post-migrating"),
}
MOVED = (*migration("finished"), *now(Moment.MIGRATED, Moment.LAUNCHED))
MOVE_FAILED = migration("error")
NOT_MOVED = migration("pre-migrating", "error")
MOVE_FAILURES = (
    back("no-valid-host", T.RESIZE_PREP, effects=NOT_MOVED),
    back("scheduler-error", T.RESIZE_PREP, effects=NOT_MOVED),
    back("same-host", T.RESIZE_PREP, effects=NOT_MOVED),
    *(
        fails(name, T.RESIZE_PREP, effects=NOT_MOVED)
        for name in ("claim-failed", "build-aborted", "network-failure")
    ),
    *(  # no other host is left: the conductor gives up first, then the compute service
        fails(name, T.RESIZE_PREP, passing=(Passing(End.ORIGIN),), effects=NOT_MOVED)
        for name in ("reschedule-exhausted", "server-group-violated")
    ),
    back("disk-not-movable", T.RESIZE_MIGRATING, effects=MOVE_FAILED),
    back("not-implemented", T.RESIZE_MIGRATING, effects=MOVE_FAILED),
    fails("volume-failed", T.RESIZE_MIGRATING, effects=MOVE_FAILED),
    back("swap-update-failed", T.RESIZE_MIGRATED, effects=MOVE_FAILED),
    fails("driver-error", *RESIZE_PATH[1:], effects=MOVE_FAILED),
    Outcome("not-implemented", V.ACTIVE, (T.RESIZE_FINISH,), effects=MOVE_FAILED),
)
# Its next save fails, and the failure is saved with the task_state that it would have had.
MOVE_OVERTAKEN = (
    *(late(V.ERROR, at, left=left) for at, left in pairwise(RESIZE_PATH)),
    late(V.ERROR, T.RESIZE_FINISH),
)
DELETING = When(task_states=of(T.DELETING))
NOT_DELETING = When(task_states=of(None, *T) - {T.DELETING})
DELETING_OR_SOFT = When(task_states=of(T.DELETING, T.SOFT_DELETING))
REBUILD_OVERTAKEN = (
    late(V.ERROR, T.REBUILDING, left=T.REBUILDING, when=NOT_DELETING),
    late(
        V.ERROR, T.REBUILD_BLOCK_DEVICE_MAPPING, left=T.REBUILD_SPAWNING, when=NOT_DELETING
    ),
    late(V.ERROR, T.REBUILD_SPAWNING, T.POWERING_OFF, when=NOT_DELETING),
)
MOVE_TO_HOST_FAILURES = (  # where no other host would do
    *(each for each in MOVE_FAILURES if not any(at.vm_state is End.ORIGIN for at in each.passing)),
    fails("server-group-violated", T.RESIZE_PREP, effects=NOT_MOVED),
)
BACK_AND_FAILED = migration("reverted", "error")
REVERTED = (*migration("reverted"), *now(Moment.LAUNCHED))
LIVE_PREPARED = migration("accepted", "queued", "preparing")
LIVE_MOVING = (*LIVE_PREPARED, *migration("running"))
# The new host takes the server over, and has no guest of it yet.
ARRIVED = (
    Passing(End.ORIGIN, "kept", T.REBUILD_BLOCK_DEVICE_MAPPING, PowerState.NOSTATE),
)
EVACUATED = (*migration("done"), *now(Moment.LAUNCHED))
EVACUATED_STOPPED = done(
    V.STOPPED, *REBUILD_PATH, (V.ACTIVE, T.POWERING_OFF), when=FROM_STOPPED,
    passing=(*ARRIVED, *STARTED), effects=EVACUATED
)
EVACUATED_STARTED = done(V.ACTIVE, *REBUILD_PATH, passing=ARRIVED, effects=EVACUATED)
# Deleting a resized server confirms the resize before.
CONFIRMED_FIRST = When(vm_states=of(V.RESIZED))
CONFIRMED = (Passing(End.POWER_STATE),)
CONFIRMS = migration("confirmed", when=CONFIRMED_FIRST)
# What no host holds, the API deletes by itself.
LOCAL_DELETES = tuple(
    Write(GONE, when, (*IMAGE_OF_SHELVED_LOST, *CONFIRMS), passing=passing)
    for when, passing in (
        (
            When(host=False, vm_states=of(V.RESIZED)),
            (Passing(End.ORIGIN, T.DELETING), *CONFIRMED),
        ),
        (NO_HOST, (Passing(End.ORIGIN, T.DELETING),)),
    )
)
CONFIRM_FAILURES = (
    Outcome(
        "confirm-failed", V.ERROR, (T.DELETING,), CONFIRMED_FIRST, left=T.DELETING,
        effects=MOVE_FAILED, answer=500
    ),
    Outcome(
        "allocation-delete-failed", V.ERROR, (T.DELETING,), CONFIRMED_FIRST, passing=CONFIRMED,
        effects=(*CONFIRMS, *MOVE_FAILED), answer=500
    ),
    Outcome(
        "driver-error", V.ERROR, (T.DELETING,), CONFIRMED_FIRST, passing=CONFIRMED,
        effects=CONFIRMS
    ),
)
DELETE_FAILURES = (
    fails("driver-error", T.DELETING),
    fails("allocation-delete-failed", T.DELETING, passing=(Passing(V.DELETED),)),
)
CONSOLE_TASKS = of(None, *T) - {T.DELETING, T.MIGRATING}
NOT_RESCUABLE = Answer(
    400, "Instance {id} cannot be rescued: Cannot rescue a volume-backed instance"
)
