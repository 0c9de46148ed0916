"""What happens without a request: on seeing a guest, on starting, and by the clock; one row each.

Nothing belongs here but rows. Sources are methods of `nova.compute.manager:ComputeManager`.
"""

# A row is to be read at a glance.
# fmt: off

from __future__ import annotations

from typing import Any

from serverfsm.phrases import (
    ANY,
    IDLE,
    NOT_RUNNING,
    REBUILD_PATH,
    A,
    T,
    V,
    migration,
    of,
)
from serverfsm.rows import (
    Cause,
    End,
    Moment,
    Passing,
    Reaction,
    Timer,
)
from serverfsm.states import ComputeDriver, PowerState

__all__ = ["POWER_STATES", "REACTIONS", "TIMERS", "UNSET_POLL", "UNUSED_TASKS"]

UNUSED_TASKS = {T.RESIZE_CONFIRMING: "named by Nova and never set by it"}

# ------------------------------------------------------------------- what the guest then does

# The power state once a vm_state is reached and no task is under way; a vm_state that is not
# here keeps what the hypervisor last said. Source: nova.virt.libvirt.driver, and the measured
# trajectories, whose fake hypervisor knows RUNNING and SHUTDOWN alone.
POWER_STATES = {
    ComputeDriver.LIBVIRT: {
        V.ACTIVE: PowerState.RUNNING,
        V.SOFT_DELETED: PowerState.SHUTDOWN,
        V.PAUSED: PowerState.PAUSED,
        V.SUSPENDED: PowerState.SHUTDOWN,
        V.STOPPED: PowerState.SHUTDOWN,
        V.RESCUED: PowerState.RUNNING,
        V.SHELVED: PowerState.SHUTDOWN,
        V.SHELVED_OFFLOADED: PowerState.SHUTDOWN,
        V.DELETED: PowerState.NOSTATE,
    },
    ComputeDriver.FAKE: {
        V.ACTIVE: PowerState.RUNNING,
        V.STOPPED: PowerState.SHUTDOWN,
        V.RESCUED: PowerState.SHUTDOWN,
        V.SHELVED: PowerState.SHUTDOWN,
        V.SHELVED_OFFLOADED: PowerState.SHUTDOWN,
        V.DELETED: PowerState.NOSTATE,
    },
}

# ------------------------------------------------------- what Nova does of itself, seeing a guest

# First match wins. `_sync_instance_power_state` skips a server with a task under way.
POWER_SYNC = (
    Reaction(
        name="power-sync", cause=Cause.TIMER, vm_states=of(V.ACTIVE), task_states=IDLE,
        guest=of(PowerState.SHUTDOWN, PowerState.CRASHED, PowerState.SUSPENDED),
        left=T.POWERING_OFF, then=A.STOP, stores_power=True,
        does="stops the server whose guest powered itself off",
        source="_sync_instance_power_state",
    ),
    Reaction(
        name="power-sync", cause=Cause.TIMER, vm_states=of(V.STOPPED), task_states=IDLE,
        guest=of(PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED),
        left=T.POWERING_OFF, then=A.STOP, stores_power=True,
        does="powers the guest off that somebody started behind Nova's back",
        source="_sync_instance_power_state",
    ),
    Reaction(
        name="power-sync", cause=Cause.TIMER, vm_states=of(V.PAUSED), task_states=IDLE,
        guest=of(PowerState.SHUTDOWN, PowerState.CRASHED),
        left=T.POWERING_OFF, then=A.STOP, stores_power=True,
        does="stops the server whose frozen guest is gone",
        source="_sync_instance_power_state",
    ),
    Reaction(
        name="power-sync", cause=Cause.TIMER, task_states=IDLE, stores_power=True,
        does="stores the guest's power state", source="_sync_instance_power_state",
    ),
    Reaction(
        name="power-sync", cause=Cause.TIMER, left="kept",
        does="nothing: a task is under way", source="_sync_instance_power_state",
    ),
)

# What a compute service does on starting with each of its servers: `_init_instance`. Whatever it
# leaves alone stays so until somebody resets the state.
REBOOT_TASKS = of(T.REBOOTING, T.REBOOT_STARTED, T.REBOOTING_HARD, T.REBOOT_STARTED_HARD)
HARD_REBOOT = (
    Passing(End.ORIGIN, T.REBOOT_PENDING_HARD), Passing(End.ORIGIN, T.REBOOT_STARTED_HARD)
)
REBOOTABLE = of(V.ACTIVE, V.STOPPED, V.PAUSED, V.SUSPENDED)


def restart(does: str, **columns: Any) -> Reaction:
    return Reaction(name="compute-restart", does=does, source="_init_instance", **columns)


RESTART = (
    restart("nothing: it is soft-deleted", vm_states=of(V.SOFT_DELETED), left="kept"),
    restart(
        "nothing: it is in error", vm_states=of(V.ERROR),
        task_states=of(None, *T) - {T.RESIZE_MIGRATING, T.DELETING}, left="kept",
    ),
    restart("ends the deletion", vm_states=of(V.DELETED), end=End.GONE),
    restart("gives the interrupted build up", vm_states=of(V.BUILDING), end=V.ERROR),
    restart(
        "gives the interrupted build up",
        task_states=of(T.SCHEDULING, T.BLOCK_DEVICE_MAPPING, T.NETWORKING, T.SPAWNING), end=V.ERROR,
    ),
    restart(
        "gives the interrupted rebuild up",
        vm_states=of(V.ACTIVE, V.STOPPED), task_states=of(*REBUILD_PATH), end=V.ERROR,
    ),
    restart(
        "forgets the interrupted task",
        task_states=of(
            T.IMAGE_SNAPSHOT_PENDING, T.IMAGE_SNAPSHOT, T.IMAGE_PENDING_UPLOAD, T.IMAGE_UPLOADING,
            T.RESIZE_PREP
        ),
    ),
    restart("deletes it now", task_states=of(T.DELETING), end=End.GONE),
    restart(
        "goes on with the soft reboot", vm_states=of(V.ACTIVE), task_states=of(T.REBOOT_PENDING),
        guest=of(PowerState.RUNNING), left="kept", then=A.REBOOT_SOFT,
    ),
    restart(
        "reboots it hard", vm_states=of(V.ACTIVE), task_states=of(T.REBOOT_PENDING),
        guest=NOT_RUNNING, left=T.REBOOT_PENDING_HARD, then=A.REBOOT_HARD,
    ),
    restart(
        "goes on with the hard reboot",
        vm_states=REBOOTABLE, task_states=of(T.REBOOT_PENDING_HARD), left="kept",
        then=A.REBOOT_HARD,
    ),
    restart(
        "reboots it hard", vm_states=REBOOTABLE, task_states=REBOOT_TASKS, guest=NOT_RUNNING,
        left=T.REBOOT_PENDING_HARD, then=A.REBOOT_HARD,
    ),
    restart(
        "reboots it hard", vm_states=of(V.RESCUED), task_states=REBOOT_TASKS, guest=NOT_RUNNING,
        passing=HARD_REBOOT,
    ),
    restart(
        "reboots it hard", task_states=REBOOT_TASKS, guest=NOT_RUNNING, end=V.ACTIVE,
        passing=HARD_REBOOT,
    ),
    restart(
        "takes the task as done, for the guest runs",
        task_states=REBOOT_TASKS | of(T.PAUSING, T.UNPAUSING), guest=of(PowerState.RUNNING),
        end=V.ACTIVE,
    ),
    restart(
        "goes on unpausing", vm_states=of(V.PAUSED), task_states=of(T.UNPAUSING),
        guest=of(PowerState.PAUSED), left="kept", then=A.UNPAUSE,
    ),
    restart(
        "unpauses it", task_states=of(T.UNPAUSING), guest=of(PowerState.PAUSED), end=V.ACTIVE,
    ),
    restart(
        "goes on stopping it", vm_states=of(V.ACTIVE, V.STOPPED, V.PAUSED),
        task_states=of(T.POWERING_OFF), left="kept", then=A.STOP,
    ),
    restart("stops it", task_states=of(T.POWERING_OFF), end=V.STOPPED),
    restart(
        "goes on starting it", vm_states=of(V.STOPPED), task_states=of(T.POWERING_ON), left="kept",
        then=A.START,
    ),
    restart(
        "goes on unshelving it", vm_states=of(V.SHELVED), task_states=of(T.POWERING_ON),
        left="kept", then=A.UNSHELVE,
    ),
    restart("starts it", task_states=of(T.POWERING_ON), end=V.ACTIVE),
    restart("gives the interrupted move up", task_states=of(T.RESIZE_MIGRATING)),
    restart(
        "gives the interrupted live migration up", task_states=of(T.MIGRATING),
        effects=migration("error"),
    ),
    restart("nothing", left="kept"),
)
REACTIONS = (*POWER_SYNC, *RESTART)


# ------------------------------------------------------------------------------- the clock

# Seconds between two looks where the option that says so is 0: oslo.service's DEFAULT_INTERVAL.
UNSET_POLL = 60
TIMERS = (
    Timer(
        option="resize_confirm_window", default=0, off="0",
        since=Moment.MIGRATED, at_once=True,
        measures="seconds since the migration was finished (Migration.updated_at)",
        vm_states=of(V.RESIZED), task_states=IDLE,
        does="confirms the resize, as an administrator would",
        event=A.CONFIRM_RESIZE, source="_poll_unconfirmed_resizes",
    ),
    Timer(
        option="shelved_offload_time", default=0, off="below 0",
        poll=3600, poll_option="shelved_poll_interval",
        since=Moment.SHELVED,
        measures="seconds since the server was shelved (system_metadata shelved_at)",
        vm_states=of(V.SHELVED), task_states=IDLE,
        does="offloads the shelved server; at 0 shelving itself goes on to offload",
        event=A.SHELVE_OFFLOAD, past_guards=True, source="_poll_shelved_instances",
    ),
    Timer(
        option="reclaim_instance_interval", default=0, off="0",
        since=Moment.DELETED, unknown_is_past=True,
        measures="seconds since the soft delete (Instance.deleted_at)",
        vm_states=of(V.SOFT_DELETED), task_states=IDLE,
        does="deletes the server for good; a missing deleted_at counts as long ago",
        end=End.GONE, source="_reclaim_queued_deletes",
    ),
    Timer(
        option="instance_build_timeout", default=0, off="0",
        since=Moment.CREATED,
        measures="seconds since the server was created (Instance.created_at)",
        vm_states=of(V.BUILDING), task_states=ANY,
        does="gives the build up: the server is in error, its task_state stays",
        end=V.ERROR, leaves_task=True, source="_check_instance_build_time",
    ),
    Timer(
        option="reboot_timeout", default=0, off="0",
        since=Moment.UPDATED,
        measures="seconds since the record last changed (Instance.updated_at)",
        vm_states=ANY, task_states=of(T.REBOOTING, T.REBOOT_PENDING, T.REBOOT_STARTED),
        does="asks the hypervisor to see to guests that hang in a reboot; only vmware does",
        source="_poll_rebooting_instances",
    ),
    Timer(
        option="rescue_timeout", default=0, off="0",
        since=Moment.LAUNCHED,
        measures="seconds since the rescue image was started (Instance.launched_at)",
        vm_states=of(V.RESCUED), task_states=IDLE,
        does="unrescues the server",
        event=A.UNRESCUE, source="_poll_rescued_instances",
    ),
    Timer(
        option="sync_power_state_interval", default=600, off="below 0",
        poll=600, poll_option="sync_power_state_interval",
        on_from=0, reaction="power-sync",
        measures="seconds between two comparisons of record and hypervisor",
        vm_states=ANY, task_states=IDLE,
        does="stores the power state, and stops a server whose guest powered itself off",
        source="_sync_instance_power_state",
    ),
)
