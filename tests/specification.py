"""A second reading of the specification, in the sources' own terms, to test the library against.

Only what the sources say belongs here, as literals: no rule of the library, no code, no import
from `serverfsm`. Nothing here may be derived from the library's table: two readings by two readers
are the point. Where a literal and the library differ, the source decides, not either of them.

`ROWS`
    What the API reference says, one row an action: `servers-actions.txt` in the order of its
    sections, then its sister pages as `other-actions.md` lists them. None is silence.
`LOCK_LIST`
    What the API guide says of locks.
`MEASURED`
    What Nova 34.0.0 was measured to answer, in the words of `nova-34-rules.md`. It is what holds
    where the reference is silent, and all that holds for Nova 34.
`LOCK_WRITES`
    The same for `lock` and `unlock`, which depend on who asks and on whose lock it is.
`VOLUME_BACKED_BEFORE`, `UNDECIDED`
    Volume-backed servers at older microversions; where the answer hangs on an image that a
    server's snapshot does not tell.
`DISAGREEMENTS`
    Where the two cannot both be right, and why the reference is followed or not.
`STATUS`
    The statuses that a pair of states shows as, from the measured words.

What is neither in the reference nor in the measurement was read in Nova 34.0.0 itself; each such
literal says so.
"""

from __future__ import annotations

from dataclasses import dataclass

# The words, separated by blanks.
VM_STATES = (
    "active building paused suspended stopped rescued resized soft-delete deleted error shelved "
    "shelved_offloaded"
)

TASK_STATES = (
    "scheduling block_device_mapping networking spawning image_snapshot image_snapshot_pending "
    "image_pending_upload image_uploading image_backup updating_password resize_prep "
    "resize_migrating resize_migrated resize_finish resize_reverting resize_confirming rebooting "
    "reboot_pending reboot_started rebooting_hard reboot_pending_hard reboot_started_hard pausing "
    "unpausing suspending resuming powering-off powering-on rescuing unrescuing rebuilding "
    "rebuild_block_device_mapping rebuild_spawning migrating deleting soft-deleting restoring "
    "shelving shelving_image_pending_upload shelving_image_uploading shelving_offloading unshelving"
)

# vm_state: its status, and the statuses that it shows as while certain tasks are under way.
STATUS: dict[str, tuple[str, dict[str, str]]] = {
    "active": (
        "ACTIVE",
        {
            "REBOOT": "rebooting reboot_pending reboot_started",
            "HARD_REBOOT": "rebooting_hard reboot_pending_hard reboot_started_hard",
            "PASSWORD": "updating_password",
            "REBUILD": "rebuilding rebuild_block_device_mapping rebuild_spawning",
            "MIGRATING": "migrating",
            "RESIZE": "resize_prep resize_migrating resize_migrated resize_finish",
        },
    ),
    "building": ("BUILD", {}),
    "paused": ("PAUSED", {"MIGRATING": "migrating"}),
    "suspended": ("SUSPENDED", {}),
    "stopped": (
        "SHUTOFF",
        {
            "REBUILD": "rebuilding rebuild_block_device_mapping rebuild_spawning",
            "RESIZE": "resize_prep resize_migrating resize_migrated resize_finish",
        },
    ),
    "rescued": ("RESCUE", {}),
    "resized": ("VERIFY_RESIZE", {"REVERT_RESIZE": "resize_reverting"}),
    "soft-delete": ("SOFT_DELETED", {}),
    "deleted": ("DELETED", {}),
    "error": ("ERROR", {"REBUILD": "rebuilding rebuild_block_device_mapping rebuild_spawning"}),
    "shelved": ("SHELVED", {}),
    "shelved_offloaded": ("SHELVED_OFFLOADED", {}),
}

# other-actions.md, "Statuses"; UNKNOWN is no pair's.
STATUSES = (
    "ACTIVE BUILD DELETED ERROR HARD_REBOOT MIGRATING PASSWORD PAUSED REBOOT REBUILD RESCUE RESIZE "
    "REVERT_RESIZE SHELVED SHELVED_OFFLOADED SHUTOFF SOFT_DELETED SUSPENDED UNKNOWN VERIFY_RESIZE"
)

# Who asks, the least first.
ACTORS = "anonymous stranger reader member manager admin"

# Who can never do a thing to a server, whatever its state, and Nova's answer.
DOOR = {"anonymous": 401, "stranger": 404, "reader": 403}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the reference says of one action; words are separated by blanks.

    Attributes:
        statuses: the statuses named as precondition; None: none is named.
        unless_volume_backed: those of them that are for image-backed servers only.
        locked: "administrators" where the action's own section says that only they may do it to
            a locked server; None where it is silent: see LOCK_LIST.
        policy: who may by default: "owner" (and administrators) or "admin"; None: silent.
        normal, errors: the response codes.
        after: the statuses it ends in unless it fails; "unchanged"; None: silent.
        required, optional: the parameters of the body. Our copy of the reference names them and
            does not mark them: which are required is read in Nova 34's request schemas.
        since: the first microversion with this action; until: the first without.
        early: the answer before `since`: 404 where there is no such action, 400 where there is
            and its body's schema has no such key; None: no source, Nova 34 ignores the key.
    """

    statuses: str | None = None
    unless_volume_backed: str = ""
    locked: str | None = None
    policy: str | None = None
    normal: int = 202
    errors: str
    after: str | None = None
    required: str = ""
    optional: str = ""
    since: str = "2.1"
    until: str | None = None
    early: int | None = 404


ROWS: dict[str, Row] = {
    # servers-actions.txt, section by section
    "addFloatingIp": Row(
        statuses="ACTIVE SHUTOFF",  # "ACTIVE or STOPPED"
        errors="400 401 403 404",
        required="address",
        optional="fixed_address",
        until="2.44",
    ),
    "addSecurityGroup": Row(errors="400 401 403 404 409", required="name"),
    "changePassword": Row(policy="owner", errors="400 401 403 404 409 501", required="adminPass"),
    "confirmResize": Row(
        statuses="VERIFY_RESIZE",
        locked="administrators",
        normal=204,
        errors="400 401 403 404 409",
        after="ACTIVE SHUTOFF",
    ),
    "createBackup": Row(
        policy="owner",
        errors="400 401 403 404 409",
        required="name backup_type rotation",
        optional="metadata",
    ),
    "createImage": Row(
        statuses="ACTIVE SHUTOFF SUSPENDED PAUSED",
        unless_volume_backed="PAUSED",
        errors="400 401 403 404 409",
        after="unchanged",
        required="name",
        optional="metadata",
    ),
    "lock": Row(policy="owner", errors="401 403 404", optional="locked_reason"),
    "pause": Row(policy="owner", errors="401 403 404 409 501", after="PAUSED"),
    "reboot:SOFT": Row(
        statuses="ACTIVE",
        locked="administrators",
        errors="401 403 404 409",
        after="ACTIVE",
        required="type",
    ),
    "reboot:HARD": Row(
        statuses="ACTIVE ERROR HARD_REBOOT PAUSED REBOOT SHUTOFF SUSPENDED",
        locked="administrators",
        errors="401 403 404 409",
        after="ACTIVE",
        required="type",
    ),
    "rebuild": Row(
        statuses="ACTIVE SHUTOFF ERROR",
        errors="400 401 403 404 409",
        after="SHUTOFF ACTIVE",
        required="imageRef",
        optional="accessIPv4 accessIPv6 adminPass metadata name OS-DCF:diskConfig personality "
        "preserve_ephemeral description key_name user_data trusted_image_certificates hostname",
    ),
    "removeFloatingIp": Row(errors="400 401 403 404 409", required="address", until="2.44"),
    "removeSecurityGroup": Row(errors="400 401 403 404 409", required="name"),
    "rescue": Row(
        normal=200,
        errors="400 401 403 404 409 501",
        after="RESCUE",
        optional="adminPass",
    ),
    "rescue:rescue_image_ref": Row(
        normal=200,
        errors="400 401 403 404 409 501",
        after="RESCUE",
        required="rescue_image_ref",
        optional="adminPass",
    ),
    "resize": Row(
        statuses="ACTIVE SHUTOFF",
        locked="administrators",
        errors="400 401 403 404 409",
        after="VERIFY_RESIZE",
        required="flavorRef",
        optional="OS-DCF:diskConfig",
    ),
    # "Resumes a suspended server", "Unpauses a paused server": no paragraph "Preconditions".
    "resume": Row(policy="owner", errors="401 403 404 409", after="ACTIVE"),
    "revertResize": Row(
        statuses="VERIFY_RESIZE",  # "and the OS-EXT-STS:vm_state is resized"
        locked="administrators",
        errors="400 401 403 404 409",
        after="ACTIVE SHUTOFF",
    ),
    "os-start": Row(
        statuses="SHUTOFF", locked="administrators", errors="401 403 404 409", after="ACTIVE"
    ),
    "os-stop": Row(
        statuses="ACTIVE ERROR", locked="administrators", errors="401 403 404 409", after="SHUTOFF"
    ),
    "suspend": Row(policy="owner", errors="401 403 404 409", after="SUSPENDED"),
    "unlock": Row(policy="owner", errors="401 403 404"),
    "unpause": Row(policy="owner", errors="401 403 404 409 501", after="ACTIVE"),
    "unrescue": Row(statuses="RESCUE", errors="401 403 404 409 501", after="ACTIVE"),
    # other-actions.md, line by line
    "shelve": Row(
        statuses="ACTIVE SHUTOFF PAUSED SUSPENDED",
        locked="administrators",
        policy="owner",
        errors="401 403 404 409",
        after="SHELVED SHELVED_OFFLOADED",
    ),
    "shelveOffload": Row(
        statuses="SHELVED",
        locked="administrators",
        policy="owner",
        errors="401 403 404 409",
        after="SHELVED_OFFLOADED",
    ),
    "unshelve": Row(
        statuses="SHELVED SHELVED_OFFLOADED",
        locked="administrators",
        policy="owner",
        errors="400 401 403 404 409",
        after="ACTIVE",
    ),
    "unshelve:availability_zone": Row(
        statuses="SHELVED_OFFLOADED",
        locked="administrators",
        policy="owner",
        errors="400 401 403 404 409",
        after="ACTIVE",
        required="availability_zone",
        since="2.77",
        early=None,
    ),
    "unshelve:host": Row(
        statuses="SHELVED_OFFLOADED",
        locked="administrators",
        policy="admin",
        errors="400 401 403 404 409",
        after="ACTIVE",
        required="host",
        optional="availability_zone",
        since="2.91",
        early=400,  # Nova 34 asked at 2.90; before 2.77 it ignores the key
    ),
    "trigger_crash_dump": Row(
        errors="400 401 403 404 409",
        after="unchanged",
        since="2.17",
    ),
    "forceDelete": Row(policy="owner", errors="401 403 404 409", after="DELETED"),
    "restore": Row(
        statuses="SOFT_DELETED", policy="owner", errors="401 403 404 409", after="ACTIVE"
    ),
    "evacuate": Row(
        normal=200,
        errors="400 401 403 404 409",
        required="onSharedStorage",  # until 2.13
        optional="host adminPass force",
    ),
    "migrate": Row(policy="admin", errors="400 401 403 404 409", after="VERIFY_RESIZE"),
    "migrate:host": Row(
        policy="admin",
        errors="400 401 403 404 409",
        after="VERIFY_RESIZE",
        required="host",
        since="2.56",
        early=None,
    ),
    "os-migrateLive": Row(
        policy="admin",
        errors="400 401 403 404 409",
        after="unchanged",
        required="host block_migration disk_over_commit",
        optional="force",
    ),
    "os-migrateLive:host": Row(
        policy="admin",
        errors="400 401 403 404 409",
        after="unchanged",
        required="host block_migration disk_over_commit",
        optional="force",
    ),
    "os-resetState:active": Row(
        policy="admin", errors="401 403 404", after="ACTIVE", required="state"
    ),
    "os-resetState:error": Row(
        policy="admin", errors="401 403 404", after="ERROR", required="state"
    ),
    "injectNetworkInfo": Row(policy="admin", errors="401 403 404 409", after="unchanged"),
    "resetNetwork": Row(policy="admin", errors="401 403 404 409 410"),
    "addFixedIp": Row(
        policy="owner",
        errors="400 401 403 404",
        after="unchanged",
        required="networkId",
        until="2.44",
    ),
    "removeFixedIp": Row(
        policy="owner",
        errors="400 401 403 404",
        after="unchanged",
        required="address",
        until="2.44",
    ),
    "os-getConsoleOutput": Row(
        normal=200, errors="401 403 404 409 501", after="unchanged", optional="length"
    ),
    "os-getVNCConsole": Row(
        normal=200,
        errors="400 401 403 404 409 501",
        after="unchanged",
        required="type",
        until="2.6",
    ),
    "os-getSPICEConsole": Row(
        normal=200,
        errors="400 401 403 404 409 501",
        after="unchanged",
        required="type",
        until="2.6",
    ),
    "os-getSerialConsole": Row(
        normal=200,
        errors="400 401 403 404 409 501",
        after="unchanged",
        required="type",
        until="2.6",
    ),
    "os-getRDPConsole": Row(
        normal=200, errors="400 401 403 404 409 501", required="type", until="2.6"
    ),
    "delete": Row(
        policy="owner", normal=204, errors="401 403 404 409", after="DELETED SOFT_DELETED"
    ),
    # No 404: there is no server in its path, and everybody creates in a project of their own. Its
    # body has no line of its own.
    "create": Row(policy="owner", errors="400 401 403 409", after="ACTIVE"),
}

# (action, parameter): the first microversion with it, the first without. "to 2.67" is "2.68" here.
# The reference's lines say so; those of rebuild are from Nova 34's request schemas.
PARAMETER_LIMITS: dict[tuple[str, str], tuple[str, str | None]] = {
    ("lock", "locked_reason"): ("2.73", None),
    ("unshelve:availability_zone", "availability_zone"): ("2.77", None),
    ("unshelve:host", "host"): ("2.91", None),
    ("unshelve:host", "availability_zone"): ("2.77", None),
    ("evacuate", "onSharedStorage"): ("2.1", "2.14"),
    ("evacuate", "force"): ("2.29", "2.68"),
    ("migrate:host", "host"): ("2.56", None),
    ("os-migrateLive", "disk_over_commit"): ("2.1", "2.25"),
    ("os-migrateLive", "force"): ("2.30", "2.68"),
    ("os-migrateLive:host", "disk_over_commit"): ("2.1", "2.25"),
    ("os-migrateLive:host", "force"): ("2.30", "2.68"),
    ("rebuild", "description"): ("2.19", None),
    ("rebuild", "key_name"): ("2.54", None),
    ("rebuild", "user_data"): ("2.57", None),
    ("rebuild", "personality"): ("2.1", "2.57"),
    ("rebuild", "trusted_image_certificates"): ("2.63", None),
    ("rebuild", "hostname"): ("2.90", None),
}

# The API guide: what a person who is no administrator may not do while the server is locked.
LOCK_LIST = (
    "delete changePassword confirmResize forceDelete pause reboot rebuild rescue resize restore "
    "resume revertResize shelveOffload shelve os-start os-stop suspend trigger_crash_dump unpause "
    "unrescue unshelve addFixedIp removeFixedIp"
)

# The forms of Nova's refusals; {action} is the name in MEASURED.label or else the request key.
LOCKED = "409 Instance {id} is locked"
NOT_READY = "409 Instance {id} is not ready"
WRONG = "409 Cannot '{action}' instance {id} while it is in {attribute} {value}"
INVALID = "409 Instance {id} is in an invalid state for '{action}'"
FORBIDDEN = "403 Policy doesn't allow {rule} to be performed."
# Two lines in Nova's body, one in the measurement's text.
BUG = "500 Unexpected API Error. Please contact the administrator\n<class 'nova.exception.{}'>"
NOT_OFFLOADED = (
    '409 Specifying an availability zone or a host when unshelving server "{id}" with status '
    '"{vm_state}" is not supported. The server status must be SHELVED_OFFLOADED.'
)


@dataclass(frozen=True)
class Measured:
    """What Nova 34.0.0 answers, in the words of the measurement.

    Attributes:
        where: "vm_states / tasks" where it is accepted.
        writes: what acceptance writes.
        policy: the least role: "owner" (a member), "manager" or "admin".
        label: the action's name in messages, where it is not the request key.
        locked: the answer to a person who is no administrator while the server is locked; None:
            as if it were unlocked.
        hostless: the answer while no host holds the server, before any state is looked at; None:
            it makes no difference.
        wrong: the answer in any other state.
        launched: whether a server that was never launched is refused.
        then: (vm_state, answer) of a refusal after all of the above.
        volume_backed: the answer for volume-backed servers, after all of the above.
        volume_backed_writes: what acceptance writes for them, where that differs.
        hostless_late: the answer while no host holds the server, after the states.
        hostless_writes: what acceptance writes where no host holds the server.
        late: whether the role is looked at only now, after all of the above.
        gone: the answer to everybody with a token, whatever the server: the action was removed.
    """

    where: str
    writes: str = "nothing"
    policy: str = "owner"
    label: str = ""
    locked: str | None = None
    hostless: str | None = None
    wrong: str = WRONG
    launched: bool = False
    then: tuple[str, str] | None = None
    volume_backed: str | None = None
    volume_backed_writes: str | None = None
    hostless_late: str | None = None
    hostless_writes: str | None = None
    late: bool = False
    gone: str | None = None


ANY = "any vm_state / any task"
REMOVED = "410 This resource is no longer available. No forwarding address is given."
MALFORMED = (
    "400 The server could not comply with the request since it is either malformed or otherwise "
    "incorrect."
)
SAME_HOST = "400 The target host can't be the same one."
NO_BACKUP = "400 Backup is not supported for volume-backed instances."
NO_RESCUE = "400 Instance {id} cannot be rescued: Cannot rescue a volume-backed instance"
BY_HAND = "vm_state deleted, task_state none, also deleted=True"

# Measured: below this microversion the parameter is not looked at, and the plain action is meant.
IGNORED_BEFORE = {
    "unshelve:availability_zone": "2.77",
    "unshelve:host": "2.77",
    "migrate:host": "2.56",
}

# Measured without a host, image-backed: after the states, BUG with NovaException.
HOSTLESS_CRASHES = (
    "changePassword createBackup createImage pause unpause suspend resume reboot:SOFT reboot:HARD "
    "rescue rescue:rescue_image_ref unrescue shelve shelveOffload"
)

MEASURED: dict[str, Measured] = {
    "addFixedIp": Measured(
        ANY, locked=BUG.format("InstanceIsLocked"), hostless=BUG.format("NovaException")
    ),
    "removeFixedIp": Measured(
        ANY, locked=BUG.format("InstanceIsLocked"), hostless=BUG.format("NovaException")
    ),
    "addFloatingIp": Measured(ANY),
    "removeFloatingIp": Measured(ANY),
    "addSecurityGroup": Measured(ANY),
    "removeSecurityGroup": Measured(ANY),
    "changePassword": Measured(
        "active / task none", "task_state updating_password", locked=INVALID, launched=True
    ),
    "confirmResize": Measured("resized / task none", locked=LOCKED, launched=True),
    "revertResize": Measured(
        "resized / task none", "task_state resize_reverting", locked=LOCKED, launched=True
    ),
    "createBackup": Measured(
        "active, paused, suspended, stopped / task none",
        "task_state image_backup",
        launched=True,
        volume_backed=NO_BACKUP,
    ),
    "createImage": Measured(
        "active, paused, suspended, stopped / task none",
        "task_state image_snapshot_pending",
        launched=True,
        volume_backed_writes="nothing",
    ),
    "lock": Measured(ANY, "see LOCK_WRITES"),
    "unlock": Measured(ANY, "see LOCK_WRITES"),
    "pause": Measured("active / task none", "task_state pausing", locked=LOCKED, launched=True),
    "unpause": Measured("paused / task none", "task_state unpausing", locked=LOCKED, launched=True),
    "suspend": Measured(
        "active / task none", "task_state suspending", locked=LOCKED, launched=True
    ),
    "resume": Measured(
        "suspended / task none", "task_state resuming", locked=LOCKED, launched=True
    ),
    "reboot:SOFT": Measured(
        "active / task none", "task_state rebooting", locked=LOCKED, launched=True
    ),
    "reboot:HARD": Measured(
        "active, paused, suspended, stopped, error / task none, rebooting, reboot_pending, "
        "reboot_started, pausing, unpausing, suspending, resuming, rebooting_hard",
        "task_state rebooting_hard",
        locked=LOCKED,
        launched=True,
    ),
    "rebuild": Measured(
        "active, stopped, error / task none", "task_state rebuilding", locked=LOCKED, launched=True
    ),
    "rescue": Measured(
        "active, stopped, error / task none",
        "task_state rescuing",
        locked=LOCKED,
        launched=True,
        volume_backed=NO_RESCUE,
    ),
    "rescue:rescue_image_ref": Measured(  # with an image fit for volume-backed servers
        "active, stopped, error / task none", "task_state rescuing", locked=LOCKED, launched=True
    ),
    "unrescue": Measured(
        "rescued / task none", "task_state unrescuing", locked=LOCKED, launched=True
    ),
    # Here and for migrate, the host: nova/compute/api.py, resize(), and Nova 34 asked.
    "resize": Measured(
        "active, stopped / task none",
        "task_state resize_prep",
        locked=LOCKED,
        launched=True,
        hostless_late=NOT_READY,
    ),
    "os-start": Measured(
        "stopped / task none",
        "task_state powering-on",
        label="start",
        locked=LOCKED,
        hostless=NOT_READY,
        launched=True,
    ),
    "os-stop": Measured(
        "active, error / task none",
        "task_state powering-off",
        label="stop",
        locked=LOCKED,
        hostless=NOT_READY,
        launched=True,
    ),
    "shelve": Measured(
        "active, paused, suspended, stopped / task none",
        "task_state shelving",
        locked=LOCKED,
        launched=True,
    ),
    "shelveOffload": Measured(
        "shelved / task none",
        "task_state shelving_offloading",
        policy="admin",
        locked=LOCKED,
        launched=True,
    ),
    "unshelve": Measured(
        "shelved, shelved_offloaded / task none",
        "task_state unshelving",
        locked=LOCKED,
        launched=True,
    ),
    "unshelve:availability_zone": Measured(
        "shelved, shelved_offloaded / task none",
        "task_state unshelving",
        locked=LOCKED,
        launched=True,
        then=("shelved", NOT_OFFLOADED),
    ),
    # Not in the measurement; nova/compute/api.py, unshelve(), and Nova 34 asked: as above, then
    # the policy unshelve_to_host.
    "unshelve:host": Measured(
        "shelved, shelved_offloaded / task none",
        "task_state unshelving",
        policy="admin",
        locked=LOCKED,
        launched=True,
        then=("shelved", NOT_OFFLOADED),
        late=True,
    ),
    "delete": Measured(ANY, "task_state deleting", locked=LOCKED, hostless_writes=BY_HAND),
    "forceDelete": Measured(ANY, "task_state deleting", locked=LOCKED, hostless_writes=BY_HAND),
    # Without a host: nova/compute/api.py, restore().
    "restore": Measured(
        "soft-delete / task none",
        "task_state restoring",
        locked=INVALID,
        launched=True,
        hostless_writes="vm_state active, task_state none",
    ),
    "trigger_crash_dump": Measured(
        "active, paused, rescued, resized, error / task none",
        locked=LOCKED,
        hostless=NOT_READY,
        launched=True,
    ),
    "evacuate": Measured(
        "active, stopped, error / any task",
        "task_state rebuilding",
        policy="admin",
        hostless=SAME_HOST,
        launched=True,
    ),
    # nova-34-words.json: os-migrate-server:migrate and :migrate_live are rule:project_manager_or
    # _admin, both with :host are rule:context_is_admin. A lock: rule 6 of the order of the checks.
    "migrate": Measured(
        "active, stopped / task none",
        "task_state resize_prep",
        policy="manager",
        locked=LOCKED,
        launched=True,
        hostless_late=NOT_READY,
    ),
    "migrate:host": Measured(
        "active, stopped / task none",
        "task_state resize_prep",
        policy="admin",
        launched=True,
        hostless_late=NOT_READY,
    ),
    "os-migrateLive": Measured(
        "active, paused / task none",
        "task_state migrating",
        policy="manager",
        locked=LOCKED,
        launched=True,
    ),
    "os-migrateLive:host": Measured(
        "active, paused / task none", "task_state migrating", policy="admin", launched=True
    ),
    "os-resetState:active": Measured(ANY, "vm_state active, task_state none", policy="admin"),
    "os-resetState:error": Measured(ANY, "vm_state error, task_state none", policy="admin"),
    "injectNetworkInfo": Measured(ANY, policy="admin", hostless=BUG.format("NovaException")),
    "resetNetwork": Measured(ANY, gone=REMOVED),
    "os-getConsoleOutput": Measured(ANY, hostless=NOT_READY),
    "os-getVNCConsole": Measured(
        "any vm_state / any task but migrating, deleting",
        label="get_vnc_console",
        hostless=NOT_READY,
    ),
    # Their names in a message were never measured; those of Nova's functions, as for VNC.
    "os-getSPICEConsole": Measured(
        "any vm_state / any task but migrating, deleting",
        label="get_spice_console",
        hostless=NOT_READY,
        wrong=BUG.format("InstanceInvalidState"),
    ),
    "os-getSerialConsole": Measured(
        "any vm_state / any task but migrating, deleting",
        label="get_serial_console",
        hostless=NOT_READY,
        wrong=BUG.format("InstanceInvalidState"),
    ),
    "os-getRDPConsole": Measured(ANY, gone=MALFORMED),
    # Nobody can ask for a server that exists: decided, not measured.
    "create": Measured("no vm_state / any task", wrong="409 "),
}

# (action, who, lock before): what is written; an administrator is from outside the project.
# "owner" are members and managers. nova/compute/api.py: an owner's lock() on any lock does nothing.
LOCK_WRITES: dict[tuple[str, str, str], str] = {
    ("lock", "owner", "none"): "also locked=True, locked_by=owner",
    ("lock", "owner", "owner"): "nothing",
    ("lock", "owner", "admin"): "nothing",
    ("lock", "admin", "none"): "also locked=True, locked_by=admin",
    ("lock", "admin", "owner"): "also locked_by=admin",
    ("lock", "admin", "admin"): "nothing",
    ("unlock", "owner", "none"): "nothing",
    ("unlock", "owner", "owner"): "also locked=False, locked_by=None",
    ("unlock", "owner", "admin"): FORBIDDEN.format(
        rule="os_compute_api:os-lock-server:unlock:unlock_override"
    ),
    ("unlock", "admin", "none"): "nothing",
    ("unlock", "admin", "owner"): "also locked=False, locked_by=None",
    ("unlock", "admin", "admin"): "also locked=False, locked_by=None",
}

# Volume-backed servers before a microversion: (action, microversion): answer. Both sources say so.
# Rebuilding is accepted if the image is the one that the volume was made from: undecided. So is
# rescuing with no image named, from the microversion of UNDECIDED on, if the server's own image has
# the properties of a rescue image: nova/compute/api.py, rescue().
VOLUME_BACKED_BEFORE: dict[str, tuple[str, str]] = {
    "rebuild": ("2.93", "400 "),
    "rescue": ("2.87", NO_RESCUE),
    "rescue:rescue_image_ref": ("2.87", NO_RESCUE),
}
UNDECIDED = {"rebuild": "2.1", "rescue": "2.87"}


@dataclass(frozen=True)
class Disagreement:
    """The reference and the measurement cannot both be right.

    Attributes:
        actions: which.
        about: the cells, in words.
        reference, measured: what each says.
        reason: why the default rulebook answers as it does.
    """

    actions: str
    about: str
    reference: str
    measured: str
    reason: str


DISAGREEMENTS = (
    Disagreement(
        "addFloatingIp",
        "any vm_state but active and stopped",
        "only when its status is ACTIVE or STOPPED",
        "202 in any vm_state with any task",
        "a precondition in words; STOPPED is no status, what is stopped shows SHUTOFF",
    ),
    Disagreement(
        "createImage",
        "PAUSED, volume-backed",
        "PAUSED is only supported for image-backed servers",
        "202, writes nothing",
        "the sentence is older than Nova's change, but it is what the contract promises",
    ),
    Disagreement(
        "reboot:HARD",
        "active with reboot_pending_hard or reboot_started_hard",
        "HARD_REBOOT is among the statuses, and it covers three tasks of active servers",
        "409 for two of the three",
        "a status named that exists with a task only names its tasks; SHUTOFF, PAUSED, SUSPENDED "
        "and ERROR with these tasks are other statuses, of whose tasks the reference is silent",
    ),
    Disagreement(
        "shelveOffload",
        "members and managers",
        "admin or owner",
        "403, administrators only",
        "a default policy in words",
    ),
    Disagreement(
        "migrate os-migrateLive",
        "managers",
        "admin",
        "the default rule is project_manager_or_admin",
        "a default policy in words",
    ),
    Disagreement(
        "rescue",
        "volume-backed, from 2.87, no image named",
        "only until 2.87 is it not supported for volume-backed servers",
        "400 unless the server's own image has the properties of a rescue image",
        "supported from 2.87; that the image fits is taken for granted, as for any rescue image",
    ),
    Disagreement(
        "addFixedIp removeFixedIp",
        "locked, no administrator",
        "in the guide's list of what a lock forbids",
        "500, an exception that nobody catches",
        "a refusal by a lock is 409, although 409 is not in the action's list of codes",
    ),
    Disagreement(
        "addFixedIp removeFixedIp injectNetworkInfo",
        "no host",
        "no 500 among the codes",
        "500, an exception that nobody catches",
        "what other actions answer without a host: 409",
    ),
    Disagreement(
        "os-getSPICEConsole os-getSerialConsole",
        "migrating or deleting",
        "no 500 among the codes",
        "500, an exception that nobody catches",
        "what os-getVNCConsole answers: 409",
    ),
)
