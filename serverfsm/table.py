"""THE TABLE: every action of the server lifecycle, with its source.

Nothing belongs here but rows. Each row keeps the order of `rows.Action`; a column that says
nothing is left out. Rows stand as the API reference decides, and where it is silent as
Nova 34.0.0 enforces; `deviations.py` lists each column in which the two part ways. What
happens without a request stands in `unprompted.py`, what rows share in `phrases.py`.
To correct a rule, change it here and nowhere else.
"""

# The formatter would give every column a line of its own; a row is to be read at a glance.
# fmt: off

from __future__ import annotations

from dataclasses import replace

from serverfsm.phrases import (
    ADMIN,
    ADMIN_ONLY,
    ANY,
    BACK_AND_FAILED,
    BUILD_PATH,
    CONFIRM_FAILURES,
    CONFIRMED,
    CONFIRMED_FIRST,
    CONFIRMS,
    CONSOLE_TASKS,
    DELETE_FAILURES,
    DELETING,
    DELETING_OR_SOFT,
    EVACUATED_STARTED,
    EVACUATED_STOPPED,
    FORCES_TO_A_HOST,
    FROM_STOPPED,
    GONE,
    GUEST_RUNS,
    HOSTS_UP,
    IDLE,
    IGNORED,
    IMAGE_LOST,
    IMAGE_MADE,
    IMAGE_OF_DISK_LOST,
    IMAGE_OF_DISK_MADE,
    IMAGE_OF_SHELVED_LOST,
    IMAGE_PARAMETERS,
    IN_ERROR,
    KEEPS,
    LIVE_MOVING,
    LIVE_PREPARED,
    LOCAL_DELETES,
    MOVE_FAILED,
    MOVE_FAILURES,
    MOVE_OVERTAKEN,
    MOVE_TO_HOST_FAILURES,
    MOVED,
    MOVING,
    NO_GUEST,
    NO_HOST,
    NOT_ANY_MORE,
    NOT_BLANK,
    NOT_DELETING,
    NOT_OFFLOADED,
    NOT_RESCUABLE,
    NOT_RESIZED,
    NOT_RUNNING,
    NULL,
    OBJECT,
    OBJECT_OR_NULL,
    ON_FAKE,
    OWNER,
    POLICY_FIRST,
    REBUILD_OVERTAKEN,
    REBUILD_PATH,
    REQUEST,
    RESIZE_PATH,
    REVERTED,
    SHELVE_PATH,
    SHELVE_PATH_ON_FAKE,
    SOFT_DELETES,
    STARTED,
    STATE,
    UNKNOWN_PARAMETER,
    WAS_STOPPED,
    A,
    G,
    S,
    T,
    V,
    anything_until,
    back,
    done,
    fails,
    late,
    migration,
    now,
    of,
    stuck,
    task,
)
from serverfsm.rows import (
    Action,
    Answer,
    Assumption,
    Backing,
    BodyRule,
    End,
    Moment,
    Outcome,
    Parameter,
    Passing,
    Sources,
    When,
    Write,
)
from serverfsm.shapes import (
    ADDRESS,
    BOOLEAN,
    BOOLEAN_OR_AUTO,
    CERTIFICATES,
    COUNT,
    COUNT_FROM_1,
    DESCRIPTION,
    DISK,
    DISK_CONFIG,
    DISK_V2,
    ENCODED,
    FILES,
    FLAVOR,
    FQDN,
    GROUPS,
    HINTS,
    HOST_OR_NULL,
    HOSTNAME,
    IPV4,
    IPV6,
    LINES,
    METADATA,
    NAME,
    NAME_OR_NULL,
    NETWORK,
    REASON,
    REBOOT_TYPE,
    RESET_STATE,
    TAG,
    TAGS,
    TEXT,
    TEXT_OR_NULL,
    USER_DATA,
    UUID,
    UUID_OR_EMPTY,
    VOLUME_TYPE,
    WORD,
    YES,
    disks,
    networks,
    networks_or_word,
    one_of,
)
from serverfsm.states import ComputeDriver, LockedBy, PowerState

__all__ = ["ACTIONS", "ANSWERS", "INVALID_STATE"]

# How Nova refuses, unless a row says otherwise.
ANSWERS = {
    G.AUTHENTICATED: Answer(401, "The request you have made requires authentication."),
    G.OFFERED: Answer(404, "The resource could not be found."),
    G.KNOWN: Answer(404, "Instance {id} could not be found."),
    G.FOUND: Answer(404, "Instance {id} could not be found."),
    G.POLICY: Answer(403, "Policy doesn't allow {rule} to be performed."),
    G.LATE_POLICY: Answer(403, "Policy doesn't allow {rule} to be performed."),
    G.LOCK: Answer(409, "Instance {id} is locked"),
    G.LOCK_OWNER: Answer(403, "Policy doesn't allow {rule} to be performed."),
    G.HOST: Answer(409, "Instance {id} is not ready"),
    G.HOST_OF_IMAGE: Answer(409, "Instance {id} is not ready"),
    G.VM_STATE: Answer(
        409, "Cannot '{label}' instance {id} while it is in {attribute} {have}"
    ),
    G.TASK_STATE: Answer(
        409, "Cannot '{label}' instance {id} while it is in {attribute} {have}"
    ),
    G.LAUNCHED: Answer(409, "Instance {id} is in an invalid state for '{label}'"),
    G.ABSENT: Answer(409, "Instance {id} already exists."),
}
INVALID_STATE = Answer(409, "Instance {id} is in an invalid state for '{label}'")

# --------------------------------------------------------------- servers-actions.txt, in order

REFERENCE = (
    Action(
        name=A.ADD_FLOATING_IP, title="Add (Associate) Floating Ip", label="addFloatingIp",
        statuses=of(S.ACTIVE, S.SHUTOFF),
        vm_states=of(V.ACTIVE, V.STOPPED), task_states=IDLE, any_task_in=of(S.ACTIVE, S.SHUTOFF),
        guards=(*REQUEST, G.VM_STATE, G.TASK_STATE), lock=IGNORED,
        policy=OWNER, rule="os_compute_api:os-floating-ips:add",
        until="2.44",
        bodies=OBJECT,
        parameters=(
            Parameter("address", ADDRESS, required=True), Parameter("fixed_address", ADDRESS),
        ),
        normal=202, errors=of(400, 401, 403, 404),
        success=KEEPS,
        sources=Sources(
            "servers-actions: addFloatingIp", "floating_ips:_add_floating_ip",
            "nova.api.openstack.compute.floating_ips:_add_floating_ip", "floating_ips"
        ),
    ),
    Action(
        name=A.ADD_SECURITY_GROUP, title="Add Security Group To A Server", label="addSecurityGroup",
        vm_states=ANY, task_states=ANY,
        guards=(*REQUEST, G.LATE_BODY), lock=IGNORED,
        policy=OWNER, rule="os_compute_api:os-security-groups:add",
        bodies=OBJECT, parameters=(Parameter("name", WORD, required=True),),
        body_rules=NOT_BLANK,
        normal=202, errors=of(400, 401, 403, 404, 409),
        success=KEEPS,
        sources=Sources(
            "servers-actions: addSecurityGroup", "security_groups:_addSecurityGroup",
            "nova.network.security_group_api:add_to_instance", "security_groups"
        ),
    ),
    Action(
        name=A.CHANGE_PASSWORD, title="Change Administrative Password", label="changePassword",
        vm_states=of(V.ACTIVE), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-admin-password",
        answers={G.LOCK: INVALID_STATE},
        bodies=OBJECT, parameters=(Parameter("adminPass", TEXT, required=True),),
        normal=202, errors=of(400, 401, 403, 404, 409, 501),
        writes=task(T.UPDATING_PASSWORD),
        success=(done(End.ORIGIN, T.UPDATING_PASSWORD),),
        failures=(
            *(
                Outcome(name, End.ORIGIN, (T.UPDATING_PASSWORD,), answer=409)
                for name in (
                    "not-running", "guest-agent-not-enabled", "not-supported", "driver-error",
                )
            ),
            Outcome("not-implemented", End.ORIGIN, (T.UPDATING_PASSWORD,), answer=501),
        ),
        sources=Sources(
            "servers-actions: changePassword", "admin_password:change_password",
            "API.set_admin_password", "admin_password", "set_admin_password"
        ),
    ),
    Action(
        name=A.CONFIRM_RESIZE, title="Confirm Resized Server", label="confirmResize",
        statuses=of(S.VERIFY_RESIZE),
        vm_states=of(V.RESIZED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:servers:confirm_resize",
        normal=204, errors=of(400, 401, 403, 404, 409),
        writes=(Write({}, effects=migration("confirming")),),
        success=(done(End.POWER_STATE, effects=migration("confirmed")),),
        failures=(
            fails("driver-error", passing=(), effects=MOVE_FAILED),
            fails(
                "allocation-delete-failed", passing=(Passing(End.POWER_STATE),),
                effects=migration("confirmed", "error")
            ),
            Outcome("not-implemented", V.ACTIVE, effects=MOVE_FAILED),
        ),
        assumes=(NOT_RESIZED, HOSTS_UP),
        overtaken=(
            late(V.ERROR, when=DELETING_OR_SOFT, passing=CONFIRMED),
            late(End.POWER_STATE),
        ),
        sources=Sources(
            "servers-actions: confirmResize", "servers:_confirm_resize", "API.confirm_resize",
            "servers", "_confirm_resize"
        ),
    ),
    Action(
        name=A.CREATE_BACKUP, title="Create Server Back Up", label="createBackup",
        vm_states=of(V.ACTIVE, V.STOPPED, V.PAUSED, V.SUSPENDED), task_states=IDLE,
        guards=(*REQUEST, *STATE, G.BACKING, G.HOST), lock=IGNORED,
        policy=OWNER, rule="os_compute_api:os-create-backup",
        backing=Backing(Answer(400, "Backup is not supported for volume-backed instances.")),
        bodies=OBJECT,
        parameters=(
            Parameter("name", NAME, required=True), Parameter("backup_type", TEXT, required=True),
            Parameter("rotation", COUNT, required=True), Parameter("metadata", METADATA),
        ),
        normal=202, errors=of(400, 401, 403, 404, 409),
        writes=task(T.IMAGE_BACKUP, IMAGE_MADE),
        success=(
            done(End.ORIGIN, T.IMAGE_BACKUP, T.IMAGE_UPLOADING, when=ON_FAKE),
            done(End.ORIGIN, T.IMAGE_BACKUP, T.IMAGE_PENDING_UPLOAD, T.IMAGE_UPLOADING),
        ),
        failures=(
            back("driver-error", effects=IMAGE_LOST),
            back("not-implemented", effects=IMAGE_LOST),
            back("image-deleted"),
            back(
                "image-upload-failed", T.IMAGE_PENDING_UPLOAD, T.IMAGE_UPLOADING,
                effects=IMAGE_LOST
            ),
            stuck("guest-missing", T.IMAGE_BACKUP, IMAGE_LOST, passing=NO_GUEST),
        ),
        sources=Sources(
            "servers-actions: createBackup", "create_backup:_create_backup", "API.backup",
            "create_backup", "backup_instance"
        ),
    ),
    Action(
        name=A.CREATE_IMAGE, title="Create Image", label="createImage",
        statuses=of(S.ACTIVE, S.SHUTOFF, S.SUSPENDED, S.PAUSED),
        vm_states=of(V.ACTIVE, V.STOPPED, V.PAUSED, V.SUSPENDED),
        volume_backed_vm_states=of(V.ACTIVE, V.STOPPED, V.SUSPENDED),
        task_states=IDLE,
        guards=(*REQUEST, *STATE, G.HOST_OF_IMAGE), lock=IGNORED,
        policy=OWNER, rule="os_compute_api:servers:create_image",
        bodies=OBJECT, parameters=IMAGE_PARAMETERS,
        normal=202, errors=of(400, 401, 403, 404, 409),
        writes=(
            Write({}, When(volume_backed=True), IMAGE_MADE),
            Write({"task_state": T.IMAGE_SNAPSHOT_PENDING}, effects=IMAGE_MADE),
        ),
        success=(
            done(End.ORIGIN, when=When(volume_backed=True)),
            done(
                End.ORIGIN, T.IMAGE_SNAPSHOT_PENDING, T.IMAGE_SNAPSHOT, T.IMAGE_UPLOADING,
                when=ON_FAKE
            ),
            done(
                End.ORIGIN, T.IMAGE_SNAPSHOT_PENDING, T.IMAGE_SNAPSHOT, T.IMAGE_PENDING_UPLOAD,
                T.IMAGE_UPLOADING
            ),
        ),
        failures=(
            back("driver-error", effects=IMAGE_LOST),
            back("not-implemented", effects=IMAGE_LOST),
            back("image-deleted"),
            back(
                "image-upload-failed", T.IMAGE_PENDING_UPLOAD, T.IMAGE_UPLOADING,
                effects=IMAGE_LOST
            ),
            stuck("guest-missing", T.IMAGE_SNAPSHOT, IMAGE_LOST, passing=NO_GUEST),
        ),
        sources=Sources(
            "servers-actions: createImage", "servers:_create_image",
            "API.snapshot, API.snapshot_volume_backed", "servers", "snapshot_instance"
        ),
    ),
    Action(
        name=A.LOCK, title="Lock Server", label="lock",
        vm_states=ANY, task_states=ANY,
        guards=REQUEST, lock=IGNORED,
        policy=OWNER, rule="os_compute_api:os-lock-server:lock",
        bodies=anything_until("2.73", "object", "null"),
        parameters=(Parameter("locked_reason", REASON, since="2.73"),),
        normal=202, errors=of(401, 403, 404),
        writes=(
            Write({"locked": True, "locked_by": LockedBy.ADMIN}, When(administrator=True)),
            Write({}, When(locked=True)),
            Write({"locked": True, "locked_by": LockedBy.OWNER}),
        ),
        success=KEEPS,
        sources=Sources("servers-actions: lock", "lock_server:_lock", "API.lock", "lock_server"),
    ),
    Action(
        name=A.PAUSE, title="Pause Server", label="pause",
        vm_states=of(V.ACTIVE), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-pause-server:pause",
        normal=202, errors=of(401, 403, 404, 409, 501),
        writes=task(T.PAUSING),
        success=(done(V.PAUSED, T.PAUSING),),
        failures=(back("not-implemented", T.PAUSING), back("driver-error", T.PAUSING)),
        sources=Sources(
            "servers-actions: pause", "pause_server:_pause", "API.pause", "pause_server",
            "pause_instance"
        ),
    ),
    Action(
        name=A.REBOOT_SOFT, title="Reboot Server", label="reboot",
        statuses=of(S.ACTIVE),
        vm_states=of(V.ACTIVE), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:servers:reboot",
        bodies=OBJECT,
        parameters=(
            Parameter(
                "type", REBOOT_TYPE, required=True, values=("SOFT", "Soft", "soft")
            ),
        ),
        normal=202, errors=of(401, 403, 404, 409),
        writes=task(T.REBOOTING),
        success=(done(V.ACTIVE, T.REBOOTING, T.REBOOT_PENDING, T.REBOOT_STARTED),),
        failures=(
            back("network-failure", T.REBOOTING),
            Outcome("driver-error-guest-runs", V.ACTIVE, (T.REBOOT_STARTED,), GUEST_RUNS),
            fails("not-implemented", T.REBOOT_STARTED),
            fails("driver-error", T.REBOOT_STARTED),
            fails("guest-missing", T.REBOOT_STARTED),
        ),
        overtaken=(late(V.ACTIVE, T.REBOOT_PENDING, T.REBOOT_STARTED),),
        sources=Sources(
            "servers-actions: reboot", "servers:_reboot", "API._soft_reboot", "servers",
            "_reboot_instance"
        ),
    ),
    Action(
        name=A.REBOOT_HARD, title="Reboot Server", label="reboot",
        statuses=of(S.ACTIVE, S.ERROR, S.HARD_REBOOT, S.PAUSED, S.REBOOT, S.SHUTOFF, S.SUSPENDED),
        vm_states=of(V.ACTIVE, V.STOPPED, V.PAUSED, V.SUSPENDED, V.ERROR),
        task_states=of(
            None, T.REBOOTING, T.REBOOT_PENDING, T.REBOOT_STARTED, T.REBOOTING_HARD, T.PAUSING,
            T.UNPAUSING, T.SUSPENDING, T.RESUMING
        ),
        any_task_in=of(S.HARD_REBOOT),
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:servers:reboot",
        bodies=OBJECT,
        parameters=(
            Parameter(
                "type", REBOOT_TYPE, required=True, values=("HARD", "Hard", "hard")
            ),
        ),
        normal=202, errors=of(401, 403, 404, 409),
        writes=task(T.REBOOTING_HARD),
        success=(done(V.ACTIVE, T.REBOOTING_HARD, T.REBOOT_PENDING_HARD, T.REBOOT_STARTED_HARD),),
        failures=(
            back("network-failure", T.REBOOTING_HARD),
            Outcome("driver-error-guest-runs", V.ACTIVE, (T.REBOOT_STARTED_HARD,), GUEST_RUNS),
            fails("not-implemented", T.REBOOT_STARTED_HARD),
            fails("driver-error", T.REBOOT_STARTED_HARD),
        ),
        overtaken=(
            late(
                V.ERROR, T.REBOOT_PENDING_HARD, left=T.REBOOT_STARTED_HARD,
                when=When(power_states=NOT_RUNNING)
            ),
            late(V.ACTIVE, T.REBOOT_PENDING_HARD, T.REBOOT_STARTED_HARD),
        ),
        sources=Sources(
            "servers-actions: reboot", "servers:_reboot", "API._hard_reboot", "servers",
            "_reboot_instance"
        ),
    ),
    Action(
        name=A.REBUILD, title="Rebuild Server", label="rebuild",
        statuses=of(S.ACTIVE, S.SHUTOFF, S.ERROR),
        vm_states=of(V.ACTIVE, V.STOPPED, V.ERROR), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.BACKING), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:servers:rebuild",
        backing=Backing(
            Answer(
                400, "Image {image} is unacceptable: Unable to rebuild with a different image for "
                "a volume-backed server."
            ),
            until="2.93", unless="the image is the one that the volume was made from"
        ),
        bodies=OBJECT,
        parameters=(
            Parameter("name", NAME), Parameter("imageRef", UUID, required=True),
            Parameter("adminPass", TEXT), Parameter("metadata", METADATA),
            Parameter("preserve_ephemeral", BOOLEAN),
            Parameter("OS-DCF:diskConfig", DISK_CONFIG), Parameter("accessIPv4", IPV4),
            Parameter("accessIPv6", IPV6), Parameter("personality", FILES, until="2.57"),
            Parameter("description", DESCRIPTION, since="2.19"),
            Parameter("key_name", NAME_OR_NULL, since="2.54"),
            Parameter("user_data", USER_DATA, since="2.57"),
            Parameter("trusted_image_certificates", CERTIFICATES, since="2.63"),
            Parameter("hostname", HOSTNAME, since="2.90", until="2.94"),
            Parameter("hostname", FQDN, since="2.94"),
        ),
        normal=202, errors=of(400, 401, 403, 404, 409),
        writes=task(T.REBUILDING),
        success=(
            done(
                V.STOPPED, *REBUILD_PATH, (V.ACTIVE, T.POWERING_OFF), when=FROM_STOPPED,
                passing=STARTED, effects=now(Moment.LAUNCHED)
            ),
            done(V.ACTIVE, *REBUILD_PATH, effects=now(Moment.LAUNCHED)),
        ),
        failures=(
            fails("no-valid-host", T.REBUILDING, passing=()),
            stuck("scheduler-error", T.REBUILDING),
            stuck("guest-missing", T.REBUILDING, passing=NO_GUEST),
            fails("preserve-ephemeral-not-supported", T.REBUILDING),
            fails("reimage-failed", T.REBUILDING, when=When(volume_backed=True)),
            fails("volume-failed", T.REBUILD_BLOCK_DEVICE_MAPPING),
            back("not-implemented", *REBUILD_PATH),
            fails("driver-error", *REBUILD_PATH),
            fails("driver-error", (V.ACTIVE, T.POWERING_OFF), passing=(Passing(V.ACTIVE),)),
        ),
        destructive=True,
        overtaken=(
            # As soon as the disk is given up, the next task_state.
            *REBUILD_OVERTAKEN,
            late(V.ERROR, T.REBUILDING, left=T.REBUILD_BLOCK_DEVICE_MAPPING, when=NOT_DELETING),
        ),
        sources=Sources(
            "servers-actions: rebuild", "servers:_rebuild", "API.rebuild", "servers",
            "rebuild_instance"
        ),
    ),
    Action(
        name=A.REMOVE_FLOATING_IP,
        title="Remove (Disassociate) Floating Ip",
        label="removeFloatingIp",
        vm_states=ANY, task_states=ANY,
        guards=REQUEST, lock=IGNORED,
        policy=OWNER, rule="os_compute_api:os-floating-ips:remove",
        until="2.44",
        bodies=OBJECT, parameters=(Parameter("address", ADDRESS, required=True),),
        normal=202, errors=of(400, 401, 403, 404, 409),
        success=KEEPS,
        sources=Sources(
            "servers-actions: removeFloatingIp", "floating_ips:_remove_floating_ip",
            "nova.api.openstack.compute.floating_ips:_remove_floating_ip", "floating_ips"
        ),
    ),
    Action(
        name=A.REMOVE_SECURITY_GROUP,
        title="Remove Security Group From A Server",
        label="removeSecurityGroup",
        vm_states=ANY, task_states=ANY,
        guards=(*REQUEST, G.LATE_BODY), lock=IGNORED,
        policy=OWNER, rule="os_compute_api:os-security-groups:remove",
        bodies=OBJECT, parameters=(Parameter("name", WORD, required=True),),
        body_rules=NOT_BLANK,
        normal=202, errors=of(400, 401, 403, 404, 409),
        success=KEEPS,
        sources=Sources(
            "servers-actions: removeSecurityGroup", "security_groups:_removeSecurityGroup",
            "nova.network.security_group_api:remove_from_instance", "security_groups"
        ),
    ),
    rescue := Action(
        name=A.RESCUE, title="Rescue Server", label="rescue",
        vm_states=of(V.ACTIVE, V.STOPPED, V.ERROR), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.BACKING, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-rescue",
        backing=Backing(
            Answer(400, "Instance {id} cannot be rescued: Cannot rescue a volume-backed instance"),
            until="2.87"
        ),
        bodies=OBJECT_OR_NULL, parameters=(Parameter("adminPass", TEXT),),
        normal=200, errors=of(400, 401, 403, 404, 409, 501),
        writes=task(T.RESCUING),
        success=(done(V.RESCUED, T.RESCUING, effects=now(Moment.LAUNCHED)),),
        failures=(
            back("network-failure", T.RESCUING),
            back("image-not-found", T.RESCUING),
            fails("not-implemented", T.RESCUING),
            fails("driver-error", T.RESCUING),
        ),
        sources=Sources(
            "servers-actions: rescue", "rescue:_rescue", "API.rescue", "rescue", "rescue_instance"
        ),
    ),
    replace(rescue,
        name=A.RESCUE_WITH_IMAGE,
        bodies=OBJECT,
        parameters=(*rescue.parameters, Parameter("rescue_image_ref", UUID, required=True)),
        assumes=(
            Assumption(
                "rescue-image",
                "the image exists, and for a volume-backed server has the properties "
                "hw_rescue_bus and hw_rescue_device, and its host can rescue volumes",
                NOT_RESCUABLE
            ),
        ),
    ),
    Action(
        name=A.RESIZE, title="Resize Server", label="resize",
        statuses=of(S.ACTIVE, S.SHUTOFF),
        vm_states=of(V.ACTIVE, V.STOPPED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:servers:resize",
        bodies=OBJECT,
        parameters=(
            Parameter("flavorRef", FLAVOR, required=True),
            Parameter("OS-DCF:diskConfig", DISK_CONFIG),
        ),
        normal=202, errors=of(400, 401, 403, 404, 409),
        writes=task(T.RESIZE_PREP),
        effects=MOVING,
        success=(done(V.RESIZED, *RESIZE_PATH, effects=MOVED),),
        failures=MOVE_FAILURES,
        assumes=(
            HOSTS_UP,
            Assumption(
                "other-flavor", "the flavor exists, fits the image and is not the present one",
                Answer(400, "When resizing, instances must change flavor!")
            ),
        ),
        overtaken=MOVE_OVERTAKEN,
        sources=Sources(
            "servers-actions: resize", "servers:_resize", "API.resize", "servers", "finish_resize"
        ),
    ),
    Action(
        name=A.RESUME, title="Resume Suspended Server", label="resume",
        vm_states=of(V.SUSPENDED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-suspend-server:resume",
        normal=202, errors=of(401, 403, 404, 409),
        writes=task(T.RESUMING),
        success=(done(V.ACTIVE, T.RESUMING),),
        failures=(
            back("network-failure", T.RESUMING),
            back("not-supported", T.RESUMING),
            fails("driver-error", T.RESUMING),
        ),
        sources=Sources(
            "servers-actions: resume", "suspend_server:_resume", "API.resume", "suspend_server",
            "resume_instance"
        ),
    ),
    Action(
        name=A.REVERT_RESIZE, title="Revert Resized Server", label="revertResize",
        statuses=of(S.VERIFY_RESIZE),
        vm_states=of(V.RESIZED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:servers:revert_resize",
        normal=202, errors=of(400, 401, 403, 404, 409),
        writes=task(T.RESIZE_REVERTING, migration("reverting")),
        effects={T.POWERING_OFF: REVERTED},
        success=(
            done(V.STOPPED, T.RESIZE_REVERTING, T.POWERING_OFF, when=WAS_STOPPED),
            done(V.ACTIVE, T.RESIZE_REVERTING, effects=REVERTED),
        ),
        failures=(
            Outcome("not-implemented", V.ACTIVE, (T.RESIZE_REVERTING,), effects=MOVE_FAILED),
            Outcome(
                "source-not-implemented", V.ACTIVE, (T.RESIZE_REVERTING,), effects=BACK_AND_FAILED
            ),
            fails("driver-error", T.RESIZE_REVERTING, effects=MOVE_FAILED),
            fails("source-driver-error", T.RESIZE_REVERTING, effects=BACK_AND_FAILED),
            fails("allocation-failed", T.RESIZE_REVERTING, effects=BACK_AND_FAILED),
            fails(
                "driver-error", T.POWERING_OFF, passing=(Passing(End.ORIGIN),), effects=MOVE_FAILED
            ),
        ),
        assumes=(NOT_RESIZED,),
        overtaken=(
            late(V.ERROR, T.RESIZE_REVERTING, left="kept"),
            late(V.ERROR, T.POWERING_OFF, when=DELETING_OR_SOFT),
            late(V.STOPPED, T.POWERING_OFF),
        ),
        sources=Sources(
            "servers-actions: revertResize", "servers:_revert_resize", "API.revert_resize",
            "servers", "finish_revert_resize"
        ),
    ),
    Action(
        name=A.START, title="Start Server", label="start",
        statuses=of(S.SHUTOFF),
        vm_states=of(V.STOPPED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, G.HOST, *STATE), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:servers:start",
        normal=202, errors=of(401, 403, 404, 409),
        writes=task(T.POWERING_ON),
        success=(done(V.ACTIVE, T.POWERING_ON),),
        failures=(
            back("network-failure", T.POWERING_ON),
            back("not-implemented", T.POWERING_ON),
            back("driver-error", T.POWERING_ON),
        ),
        sources=Sources(
            "servers-actions: os-start", "servers:_start", "API.start", "servers",
            "start_instance"
        ),
    ),
    Action(
        name=A.STOP, title="Stop Server", label="stop",
        statuses=of(S.ACTIVE, S.ERROR),
        vm_states=of(V.ACTIVE, V.ERROR), forced_in=of(V.STOPPED, V.PAUSED),
        task_states=IDLE,
        guards=(*REQUEST, G.LOCK, G.HOST, *STATE), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:servers:stop",
        normal=202, errors=of(401, 403, 404, 409),
        writes=task(T.POWERING_OFF),
        success=(done(V.STOPPED, T.POWERING_OFF),),
        failures=(back("driver-error", T.POWERING_OFF),),
        sources=Sources(
            "servers-actions: os-stop", "servers:_stop", "API.stop", "servers", "stop_instance"
        ),
    ),
    Action(
        name=A.SUSPEND, title="Suspend Server", label="suspend",
        vm_states=of(V.ACTIVE), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-suspend-server:suspend",
        normal=202, errors=of(401, 403, 404, 409),
        writes=task(T.SUSPENDING),
        success=(done(V.SUSPENDED, T.SUSPENDING),),
        failures=(back("not-supported", T.SUSPENDING), fails("driver-error", T.SUSPENDING)),
        sources=Sources(
            "servers-actions: suspend", "suspend_server:_suspend", "API.suspend",
            "suspend_server", "suspend_instance"
        ),
    ),
    Action(
        name=A.UNLOCK, title="Unlock Server", label="unlock",
        vm_states=ANY, task_states=ANY,
        guards=(*REQUEST, G.LOCK_OWNER), lock=IGNORED,
        policy=OWNER, rule="os_compute_api:os-lock-server:unlock",
        late_policy=ADMIN, late_rule="os_compute_api:os-lock-server:unlock:unlock_override",
        normal=202, errors=of(401, 403, 404),
        writes=(Write({"locked": False, "locked_by": None}),),
        success=KEEPS,
        sources=Sources(
            "servers-actions: unlock", "lock_server:_unlock",
            "API.is_expected_locked_by, API.unlock", "lock_server"
        ),
    ),
    Action(
        name=A.UNPAUSE, title="Unpause Server", label="unpause",
        vm_states=of(V.PAUSED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-pause-server:unpause",
        normal=202, errors=of(401, 403, 404, 409, 501),
        writes=task(T.UNPAUSING),
        success=(done(V.ACTIVE, T.UNPAUSING),),
        failures=(back("not-implemented", T.UNPAUSING), back("driver-error", T.UNPAUSING)),
        sources=Sources(
            "servers-actions: unpause", "pause_server:_unpause", "API.unpause", "pause_server",
            "unpause_instance"
        ),
    ),
    Action(
        name=A.UNRESCUE, title="Unrescue Server", label="unrescue",
        statuses=of(S.RESCUE),
        vm_states=of(V.RESCUED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-unrescue",
        normal=202, errors=of(401, 403, 404, 409, 501),
        writes=task(T.UNRESCUING),
        success=(done(V.ACTIVE, T.UNRESCUING),),
        failures=(
            back("network-failure", T.UNRESCUING),
            fails("driver-error", T.UNRESCUING),
            Outcome("not-implemented", V.ACTIVE, (T.UNRESCUING,)),
        ),
        sources=Sources(
            "servers-actions: unrescue", "rescue:_unrescue", "API.unrescue", "rescue",
            "unrescue_instance"
        ),
    ),
)

# ---------------------------------------------------------------------- its sister pages

SISTER_PAGES = (
    Action(
        name=A.SHELVE, title="Shelve Server", label="shelve",
        statuses=of(S.ACTIVE, S.SHUTOFF, S.PAUSED, S.SUSPENDED),
        vm_states=of(V.ACTIVE, V.STOPPED, V.PAUSED, V.SUSPENDED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-shelve:shelve",
        normal=202, errors=of(401, 403, 404, 409),
        writes=task(T.SHELVING, IMAGE_OF_DISK_MADE),
        success=(
            done(V.SHELVED_OFFLOADED, T.SHELVING, when=When(volume_backed=True)),
            done(
                V.SHELVED_OFFLOADED, *SHELVE_PATH_ON_FAKE, (V.SHELVED, T.SHELVING_OFFLOADING),
                when=When(option="shelved_offload_time == 0", driver=ComputeDriver.FAKE)
            ),
            done(V.SHELVED, *SHELVE_PATH_ON_FAKE, when=ON_FAKE, effects=now(Moment.SHELVED)),
            done(
                V.SHELVED_OFFLOADED, *SHELVE_PATH, (V.SHELVED, T.SHELVING_OFFLOADING),
                when=When(option="shelved_offload_time == 0")
            ),
            done(V.SHELVED, *SHELVE_PATH, effects=now(Moment.SHELVED)),
        ),
        failures=(
            Outcome(
                "image-create-failed", End.ORIGIN, (T.SHELVING,), When(volume_backed=False),
                left=T.SHELVING, answer=500
            ),
            back("guest-missing", T.SHELVING),
            back("image-deleted", *SHELVE_PATH),
            back("image-upload-failed", *SHELVE_PATH[1:]),
            back("driver-error", T.SHELVING),
            Outcome("network-failure", End.ORIGIN, (T.SHELVING,), When(volume_backed=True)),
            Outcome("offload-failed", End.ORIGIN, (T.SHELVING,), When(volume_backed=True)),
            Outcome("network-failure", V.SHELVED, ((V.SHELVED, T.SHELVING_OFFLOADING),)),
            Outcome("offload-failed", V.SHELVED, ((V.SHELVED, T.SHELVING_OFFLOADING),)),
        ),
        sources=Sources(
            "other-actions: shelve", "shelve:_shelve", "API.shelve", "shelve", "_shelve_instance"
        ),
    ),
    Action(
        name=A.SHELVE_OFFLOAD, title="Shelf-Offload (Remove) Server", label="shelveOffload",
        statuses=of(S.SHELVED),
        vm_states=of(V.SHELVED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-shelve:shelve_offload",
        normal=202, errors=of(401, 403, 404, 409),
        writes=task(T.SHELVING_OFFLOADING),
        success=(done(V.SHELVED_OFFLOADED, T.SHELVING_OFFLOADING),),
        failures=(
            back("network-failure", T.SHELVING_OFFLOADING),
            back("driver-error", T.SHELVING_OFFLOADING),
        ),
        sources=Sources(
            "other-actions: shelveOffload", "shelve:_shelve_offload", "API.shelve_offload",
            "shelve", "_shelve_offload_instance"
        ),
    ),
    unshelve := Action(
        name=A.UNSHELVE, title="Unshelve (Restore) Shelved Server", label="unshelve",
        statuses=of(S.SHELVED, S.SHELVED_OFFLOADED),
        vm_states=of(V.SHELVED, V.SHELVED_OFFLOADED), hosted_at=of(T.SPAWNING),
        task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-shelve:unshelve",
        bodies=anything_until("2.77", "null"),
        normal=202, errors=of(400, 401, 403, 404, 409),
        writes=task(T.UNSHELVING),
        success=(
            done(
                V.ACTIVE, T.UNSHELVING, T.POWERING_ON, when=When(vm_states=of(V.SHELVED)),
                effects=IMAGE_OF_DISK_LOST
            ),
            done(
                V.ACTIVE, T.UNSHELVING, T.SPAWNING,
                effects=(*IMAGE_OF_DISK_LOST, *now(Moment.LAUNCHED))
            ),
        ),
        failures=(
            back("no-valid-host", T.UNSHELVING),
            back("scheduler-error", T.UNSHELVING),
            back("network-failure", T.POWERING_ON),
            back("network-failure", T.SPAWNING),
            Outcome("image-deleted", V.ERROR, (T.UNSHELVING,), left=T.UNSHELVING),
            back("driver-error"),
        ),
        overtaken=(
            late(
                V.ACTIVE, T.UNSHELVING, when=When(host=False, task_states=IDLE),
                passing=(Passing(End.ORIGIN, T.SPAWNING),)
            ),
        ),
        sources=Sources(
            "other-actions: unshelve", "shelve:_unshelve", "API.unshelve", "shelve",
            "_unshelve_instance"
        ),
    ),
    unshelve_to_zone := replace(  # to an availability zone: there has to be no host to leave
        unshelve,
        name=A.UNSHELVE_TO_ZONE,
        statuses=of(S.SHELVED_OFFLOADED),
        late_vm_states=of(V.SHELVED_OFFLOADED),
        guards=(*unshelve.guards, G.LATE_VM_STATE),
        since="2.77", ignored_before="2.77",
        answers={G.OFFERED: UNKNOWN_PARAMETER, G.LATE_VM_STATE: NOT_OFFLOADED},
        bodies=OBJECT,
        parameters=(
            Parameter("availability_zone", NAME, required=True, since="2.77", until="2.91"),
            Parameter(
                "availability_zone", TEXT_OR_NULL, required=True, since="2.91", empty_counts=True
            ),
        ),
        success=unshelve.success[1:],
        failures=tuple(each for each in unshelve.failures if each.path != (T.POWERING_ON,)),
    ),
    replace(  # to a host
        unshelve_to_zone,
        name=A.UNSHELVE_TO_HOST,
        guards=(*unshelve_to_zone.guards, G.LATE_POLICY),
        late_policy=ADMIN,
        late_rule="os_compute_api:os-shelve:unshelve_to_host",
        since="2.91",
        parameters=(
            Parameter("availability_zone", TEXT_OR_NULL, since="2.77"),
            Parameter("host", TEXT, required=True, since="2.91"),
        ),
    ),
    Action(
        name=A.TRIGGER_CRASH_DUMP, title="Trigger Crash Dump In Server", label="trigger_crash_dump",
        vm_states=of(V.ACTIVE, V.PAUSED, V.RESCUED, V.RESIZED, V.ERROR), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, G.HOST, *STATE), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:servers:trigger_crash_dump",
        since="2.17", bodies=NULL,
        normal=202, errors=of(400, 401, 403, 404, 409),
        success=KEEPS,
        failures=(back("driver-error"),),
        sources=Sources(
            "other-actions: trigger_crash_dump", "servers:_trigger_crash_dump",
            "API.trigger_crash_dump", "servers", "trigger_crash_dump"
        ),
    ),
    Action(
        name=A.FORCE_DELETE, title="Force-Delete Server", label="forceDelete",
        vm_states=ANY, task_states=ANY,
        guards=(*REQUEST, G.LOCK), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-deferred-delete:force",
        normal=202, errors=of(401, 403, 404, 409),
        writes=(
            *LOCAL_DELETES,
            Write({"task_state": T.DELETING}, effects=IMAGE_OF_SHELVED_LOST),
        ),
        success=(
            done(End.GONE, when=NO_HOST),
            done(End.GONE, T.DELETING, when=CONFIRMED_FIRST, passing=CONFIRMED, effects=CONFIRMS),
            done(End.GONE, T.DELETING),
        ),
        failures=(*CONFIRM_FAILURES, *DELETE_FAILURES),
        destructive=True,
        overtaken=(late(End.GONE, T.DELETING),),
        sources=Sources(
            "other-actions: forceDelete", "deferred_delete:_force_delete", "API.force_delete",
            "deferred_delete", "terminate_instance"
        ),
    ),
    Action(
        name=A.RESTORE, title="Restore Soft-Deleted Instance", label="restore",
        statuses=of(S.SOFT_DELETED),
        vm_states=of(V.SOFT_DELETED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-deferred-delete:restore",
        answers={G.LOCK: INVALID_STATE},
        normal=202, errors=of(401, 403, 404, 409),
        writes=(
            Write({"vm_state": V.ACTIVE, "task_state": None}, NO_HOST),
            Write({"task_state": T.RESTORING}),
        ),
        success=(
            done(V.ACTIVE, when=NO_HOST),
            Outcome("done", V.ACTIVE, (T.RESTORING,), ON_FAKE, keeps_power=True),
            done(V.ACTIVE, T.RESTORING),
        ),
        failures=(back("driver-error", T.RESTORING),),
        sources=Sources(
            "other-actions: restore", "deferred_delete:_restore", "API.restore",
            "deferred_delete", "restore_instance"
        ),
    ),
    Action(
        name=A.EVACUATE, title="Evacuate Server", label="evacuate",
        vm_states=of(V.ACTIVE, V.STOPPED, V.ERROR), task_states=ANY,
        guards=(*REQUEST, G.LATE_BODY, G.HOST, *STATE), lock=IGNORED,
        policy=ADMIN, rule="os_compute_api:os-evacuate",
        answers={G.HOST: Answer(400, "The target host can't be the same one.")},
        bodies=OBJECT,
        parameters=(
            Parameter("host", FQDN),
            Parameter("onSharedStorage", BOOLEAN, required=True, until="2.14"),
            Parameter("adminPass", TEXT),
            Parameter("force", BOOLEAN, since="2.29", until="2.68"),
        ),
        body_rules=(
            BodyRule(
                {"not": {
                    "required": ["adminPass", "onSharedStorage"],
                    "properties": {"onSharedStorage": {"enum": [*YES]}}
                }},
                Answer(400, "admin password can't be changed on existing disk"), until="2.14"
            ),
            *FORCES_TO_A_HOST,
        ),
        normal=200, errors=of(400, 401, 403, 404, 409),
        writes=task(T.REBUILDING, migration("accepted")),
        effects={T.REBUILD_BLOCK_DEVICE_MAPPING: migration("pre-migrating")},
        success=(
            EVACUATED_STOPPED,
            replace(EVACUATED_STOPPED, when=When(since="2.95")),
            EVACUATED_STARTED,
        ),
        failures=(
            fails("no-valid-host", T.REBUILDING, passing=(), effects=migration("error")),
            back("forced-no-valid-host", T.REBUILDING, effects=migration("error")),
            stuck("scheduler-error", T.REBUILDING),
            back("claim-failed", T.REBUILDING, effects=migration("failed")),
            fails("not-supported", T.REBUILDING, effects=migration("pre-migrating", "failed")),
            fails(
                "server-group-violated", T.REBUILDING,
                effects=migration("pre-migrating", "failed")
            ),
            fails(
                "network-failure", T.REBUILDING, passing=(*NO_GUEST, *IN_ERROR),
                effects=migration("pre-migrating", "failed")
            ),
            fails("volume-failed", T.REBUILD_BLOCK_DEVICE_MAPPING, effects=migration("failed")),
            back("not-implemented", *REBUILD_PATH[1:], effects=migration("failed")),
            fails("driver-error", *REBUILD_PATH[1:], effects=migration("failed")),
            fails(
                "driver-error", (V.ACTIVE, T.POWERING_OFF), passing=(Passing(V.ACTIVE),),
                effects=migration("failed")
            ),
        ),
        assumes=(
            Assumption(
                "host-down",
                "the server's compute service is down, and the target is another host",
                Answer(400, "Compute service of {host} is still in use."),
                host_up=False
            ),
        ),
        destructive=True,
        overtaken=REBUILD_OVERTAKEN,
        sources=Sources(
            "other-actions: evacuate", "evacuate:_evacuate", "API.evacuate", "evacuate",
            "rebuild_instance"
        ),
    ),
    migrate := Action(
        name=A.MIGRATE, title="Migrate Server", label="migrate",
        vm_states=of(V.ACTIVE, V.STOPPED), task_states=IDLE,
        guards=(*REQUEST, G.LOCK, *STATE, G.HOST), lock=ADMIN_ONLY,
        policy=ADMIN, rule="os_compute_api:os-migrate-server:migrate",
        bodies=anything_until("2.56", "object", "null"),
        normal=202, errors=of(400, 401, 403, 404, 409),
        writes=task(T.RESIZE_PREP),
        effects=MOVING,
        success=(done(V.RESIZED, *RESIZE_PATH, effects=MOVED),),
        failures=MOVE_FAILURES,
        assumes=(HOSTS_UP,),
        overtaken=MOVE_OVERTAKEN,
        sources=Sources(
            "other-actions: migrate", "migrate_server:_migrate", "API.resize", "migrate_server",
            "finish_resize"
        ),
    ),
    replace(migrate,
        name=A.MIGRATE_TO_HOST,
        rule="os_compute_api:os-migrate-server:migrate:host",
        since="2.56", ignored_before="2.56",
        bodies=OBJECT,
        parameters=(Parameter("host", HOST_OR_NULL, required=True, since="2.56"),),
        failures=MOVE_TO_HOST_FAILURES,
    ),
    live_migrate := Action(
        name=A.LIVE_MIGRATE, title="Live-Migrate Server", label="os-migrateLive",
        vm_states=of(V.ACTIVE, V.PAUSED), task_states=IDLE,
        guards=(*REQUEST, G.LATE_BODY, G.LOCK, *STATE), lock=ADMIN_ONLY,
        policy=ADMIN, rule="os_compute_api:os-migrate-server:migrate_live",
        bodies=OBJECT,
        parameters=(
            Parameter("block_migration", BOOLEAN, required=True, until="2.25"),
            Parameter("block_migration", BOOLEAN_OR_AUTO, required=True, since="2.25"),
            Parameter("disk_over_commit", BOOLEAN, required=True, until="2.25"),
            Parameter("host", HOST_OR_NULL, required=True),
            Parameter("force", BOOLEAN, since="2.30", until="2.68"),
        ),
        body_rules=FORCES_TO_A_HOST,
        normal=202, errors=of(400, 401, 403, 404, 409),
        writes=task(T.MIGRATING),
        success=(done(
            End.ORIGIN, T.MIGRATING,
            effects=(*LIVE_MOVING, *migration("completed"))
        ),),
        failures=(
            back("no-valid-host", T.MIGRATING, effects=migration("accepted", "error")),
            back("pre-check-failed", T.MIGRATING, effects=migration("accepted", "error")),
            *(
                fails(name, T.MIGRATING, passing=(), effects=migration("accepted", "error"))
                for name in ("scheduler-error", "check-crashed")
            ),
            stuck("not-submitted", T.MIGRATING, effects=migration("accepted", "queued")),
            stuck("not-started", T.MIGRATING, effects=migration("accepted", "queued", "error")),
            back(
                "rolled-back", T.MIGRATING, effects=(*LIVE_PREPARED, *migration("error", "failed"))
            ),
            back(
                "rolled-back-in-transfer", T.MIGRATING,
                effects=(*LIVE_MOVING, *migration("failed"))
            ),
            stuck("rollback-failed", T.MIGRATING, effects=(*LIVE_PREPARED, *migration("error"))),
            *(
                fails(
                    name, T.MIGRATING, passing=passing, effects=(*LIVE_MOVING, *migration("error"))
                )
                for name, passing in (
                    ("driver-error", ()),
                    ("rollback-failed-in-transfer", ()),
                    ("post-migration-failed", (Passing(End.ORIGIN),)),
                )
            ),
            fails(
                "destination-failed", T.MIGRATING,
                passing=(Passing(V.ERROR, power=PowerState.NOSTATE),),
                effects=(*LIVE_MOVING, *migration("error"))
            ),
        ),
        overtaken=(late(V.ERROR, T.MIGRATING, passing=(Passing(End.ORIGIN),)),),
        sources=Sources(
            "other-actions: os-migrateLive", "migrate_server:_migrate_live", "API.live_migrate",
            "migrate_server", "nova.conductor.manager:ComputeTaskManager._live_migrate"
        ),
    ),
    replace(live_migrate,
        name=A.LIVE_MIGRATE_TO_HOST,
        rule="os_compute_api:os-migrate-server:migrate_live:host",
    ),
    reset_state := Action(
        name=A.RESET_STATE_ACTIVE, title="Reset Server State", label="os-resetState",
        vm_states=ANY, task_states=ANY,
        guards=REQUEST, lock=IGNORED,
        policy=ADMIN, rule="os_compute_api:os-admin-actions:reset_state",
        bodies=OBJECT,
        parameters=(Parameter("state", RESET_STATE, required=True, values=("active",)),),
        normal=202, errors=of(401, 403, 404),
        writes=(Write({"vm_state": V.ACTIVE, "task_state": None}),),
        success=(done(V.ACTIVE),),
        record_only=True,
        sources=Sources(
            "other-actions: os-resetState", "admin_actions:_reset_state",
            "nova.api.openstack.compute.admin_actions:_reset_state", "admin_actions"
        ),
    ),
    replace(reset_state,
        name=A.RESET_STATE_ERROR,
        bodies=OBJECT,
        parameters=(Parameter("state", RESET_STATE, required=True, values=("error",)),),
        writes=(Write({"vm_state": V.ERROR, "task_state": None}),),
        success=(done(V.ERROR),),
    ),
    Action(
        name=A.INJECT_NETWORK_INFO, title="Inject Network Information", label="injectNetworkInfo",
        vm_states=ANY, task_states=ANY,
        guards=(*REQUEST, G.LOCK, G.HOST), lock=ADMIN_ONLY,
        policy=ADMIN, rule="os_compute_api:os-admin-actions:inject_network_info",
        normal=202, errors=of(401, 403, 404, 409),
        success=KEEPS,
        sources=Sources(
            "other-actions: injectNetworkInfo", "admin_actions:_inject_network_info",
            "API.inject_network_info", "admin_actions"
        ),
    ),
    Action(
        name=A.RESET_NETWORK, title="Reset Networking On A Server", label="resetNetwork",
        vm_states=ANY, task_states=ANY,
        guards=NOT_ANY_MORE, lock=IGNORED,
        policy=ADMIN, rule="os_compute_api:os-admin-actions:reset_network",
        removed=Answer(
            410, "This resource is no longer available. No forwarding address is given."
        ),
        normal=202, errors=of(401, 403, 404, 409, 410),
        success=KEEPS,
        sources=Sources(
            "other-actions: resetNetwork", "admin_actions:_reset_network",
            "nova.api.openstack.compute.admin_actions:_reset_network", "admin_actions"
        ),
    ),
    add_fixed_ip := Action(
        name=A.ADD_FIXED_IP, title="Add (Associate) Fixed Ip", label="addFixedIp",
        vm_states=ANY, task_states=ANY,
        guards=(*REQUEST, G.LOCK, G.HOST), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:os-multinic:add",
        until="2.44",
        bodies=OBJECT, parameters=(Parameter("networkId", NETWORK, required=True),),
        normal=202, errors=of(400, 401, 403, 404),
        success=KEEPS,
        sources=Sources(
            "other-actions: addFixedIp", "multinic:_add_fixed_ip", "API.add_fixed_ip", "multinic"
        ),
    ),
    replace(add_fixed_ip,
        name=A.REMOVE_FIXED_IP, title="Remove (Disassociate) Fixed Ip", label="removeFixedIp",
        rule="os_compute_api:os-multinic:remove",
        bodies=OBJECT, parameters=(Parameter("address", ADDRESS, required=True),),
        sources=Sources(
            "other-actions: removeFixedIp", "multinic:_remove_fixed_ip", "API.remove_fixed_ip",
            "multinic"
        ),
    ),
    Action(
        name=A.GET_CONSOLE_OUTPUT, title="Show Console Output", label="os-getConsoleOutput",
        vm_states=ANY, task_states=ANY,
        guards=(*REQUEST, G.HOST), lock=IGNORED,
        policy=OWNER, rule="os_compute_api:os-console-output",
        bodies=OBJECT, parameters=(Parameter("length", LINES),),
        normal=200, errors=of(401, 403, 404, 409, 501),
        success=KEEPS,
        sources=Sources(
            "other-actions: os-getConsoleOutput", "console_output:get_console_output",
            "API.get_console_output", "console_output"
        ),
    ),
    get_vnc_console := Action(
        name=A.GET_VNC_CONSOLE, title="Get VNC Console", label="get_vnc_console",
        vm_states=ANY, task_states=CONSOLE_TASKS,
        guards=(*POLICY_FIRST, G.HOST, G.TASK_STATE), lock=IGNORED,
        policy=OWNER, rule="os_compute_api:os-remote-consoles",
        until="2.6",
        bodies=OBJECT,
        parameters=(Parameter("type", one_of("novnc", "xvpvnc"), required=True),),
        normal=200, errors=of(400, 401, 403, 404, 409, 501),
        success=KEEPS,
        sources=Sources(
            "other-actions: os-getVNCConsole", "remote_consoles:get_vnc_console",
            "API.get_vnc_console", "remote_consoles"
        ),
    ),
    replace(get_vnc_console,
        name=A.GET_SPICE_CONSOLE, title="Get SPICE Console", label="get_spice_console",
        parameters=(Parameter("type", one_of("spice-html5"), required=True),),
        sources=Sources(
            "other-actions: os-getSPICEConsole", "remote_consoles:get_spice_console",
            "API.get_spice_console", "remote_consoles"
        ),
    ),
    replace(get_vnc_console,
        name=A.GET_SERIAL_CONSOLE, title="Get Serial Console", label="get_serial_console",
        parameters=(Parameter("type", one_of("serial"), required=True),),
        sources=Sources(
            "other-actions: os-getSerialConsole", "remote_consoles:get_serial_console",
            "API.get_serial_console", "remote_consoles"
        ),
    ),
    Action(
        name=A.GET_RDP_CONSOLE, title="Get RDP Console", label="get_rdp_console",
        vm_states=ANY, task_states=ANY,
        guards=NOT_ANY_MORE, lock=IGNORED,
        policy=OWNER, rule="os_compute_api:os-remote-consoles",
        until="2.6",
        removed=Answer(
            400,
            "The server could not comply with the request since it is either malformed or "
            "otherwise incorrect."
        ),
        parameters=(Parameter("type", one_of("rdp-html5"), required=True),),
        normal=200, errors=of(400, 401, 403, 404, 409, 501),
        success=KEEPS,
        sources=Sources(
            "other-actions: os-getRDPConsole", "remote_consoles:get_rdp_console",
            "nova.api.openstack.compute.remote_consoles:get_rdp_console", "remote_consoles"
        ),
    ),
    Action(
        name=A.DELETE, title="Delete Server", label="delete",
        vm_states=ANY, task_states=ANY,
        guards=(*REQUEST, G.LOCK), lock=ADMIN_ONLY,
        policy=OWNER, rule="os_compute_api:servers:delete",
        endpoint="DELETE /servers/{server_id}", bodies=(),
        normal=204, errors=of(401, 403, 404, 409),
        writes=(
            Write(
                GONE, replace(SOFT_DELETES, host=False, vm_states=of(V.RESIZED)), CONFIRMS,
                (
                    Passing(End.ORIGIN, T.SOFT_DELETING), *CONFIRMED,
                    Passing(End.POWER_STATE, T.SOFT_DELETING), Passing(V.SOFT_DELETED)
                )
            ),
            Write(
                GONE, replace(SOFT_DELETES, host=False), IMAGE_OF_SHELVED_LOST,
                (Passing(End.ORIGIN, T.SOFT_DELETING), Passing(V.SOFT_DELETED))
            ),
            *LOCAL_DELETES,
            Write(
                {"task_state": T.SOFT_DELETING}, SOFT_DELETES,
                (*now(Moment.DELETED), *IMAGE_OF_SHELVED_LOST)
            ),
            Write({"task_state": T.DELETING}, effects=IMAGE_OF_SHELVED_LOST),
        ),
        success=(
            done(End.GONE, when=NO_HOST),
            done(
                V.SOFT_DELETED, T.SOFT_DELETING,
                when=replace(SOFT_DELETES, vm_states=of(V.RESIZED)),
                effects=CONFIRMS, passing=(*CONFIRMED, Passing(End.POWER_STATE, "kept"))
            ),
            done(V.SOFT_DELETED, T.SOFT_DELETING, when=SOFT_DELETES),
            done(End.GONE, T.DELETING, when=CONFIRMED_FIRST, passing=CONFIRMED, effects=CONFIRMS),
            done(End.GONE, T.DELETING),
        ),
        failures=(
            *CONFIRM_FAILURES,
            Outcome(
                "confirm-failed", V.ERROR, (T.SOFT_DELETING,), CONFIRMED_FIRST,
                left=T.SOFT_DELETING, effects=MOVE_FAILED, answer=500
            ),
            *DELETE_FAILURES,
            Outcome(
                "soft-delete-failed", End.POWER_STATE, (T.SOFT_DELETING,), CONFIRMED_FIRST,
                effects=CONFIRMS, passing=(*CONFIRMED, Passing(End.POWER_STATE, "kept"))
            ),
            back("soft-delete-failed", T.SOFT_DELETING),
        ),
        destructive=True,
        overtaken=(late(End.GONE, T.DELETING),),
        sources=Sources(
            "other-actions: DELETE /servers/{id}", "servers:delete",
            "API.delete, API.soft_delete", "servers", "terminate_instance"
        ),
    ),
    Action(
        name=A.CREATE, title="Create Server", label="create",
        vm_states=frozenset(), hosted_at=of(T.NETWORKING, T.BLOCK_DEVICE_MAPPING, T.SPAWNING),
        task_states=frozenset(),
        guards=(G.AUTHENTICATED, G.OFFERED, G.BODY, G.POLICY, G.ABSENT), lock=IGNORED,
        policy=OWNER, rule="os_compute_api:servers:create",
        endpoint="POST /servers", body_key="server", bodies=OBJECT,
        parameters=(
            Parameter("name", NAME, required=True), Parameter("imageRef", UUID_OR_EMPTY),
            Parameter("flavorRef", FLAVOR, required=True), Parameter("adminPass", TEXT),
            Parameter("metadata", METADATA),
            Parameter("networks", networks(TEXT, tag=False), until="2.32"),
            Parameter("networks", networks(TEXT, tag=True), since="2.32", until="2.37"),
            Parameter(
                "networks", networks_or_word(tag=False), required=True, since="2.37", until="2.42"
            ),
            Parameter("networks", networks_or_word(tag=True), required=True, since="2.42"),
            Parameter("OS-DCF:diskConfig", DISK_CONFIG), Parameter("accessIPv4", IPV4),
            Parameter("accessIPv6", IPV6), Parameter("personality", FILES, until="2.57"),
            Parameter("availability_zone", NAME),
            Parameter("block_device_mapping", disks(DISK)),
            Parameter("block_device_mapping_v2", disks(DISK_V2), until="2.32"),
            Parameter(
                "block_device_mapping_v2", disks(DISK_V2, tag=TAG), since="2.32", until="2.33"
            ),
            Parameter("block_device_mapping_v2", disks(DISK_V2), since="2.33", until="2.42"),
            Parameter(
                "block_device_mapping_v2", disks(DISK_V2, tag=TAG), since="2.42", until="2.67"
            ),
            Parameter(
                "block_device_mapping_v2", disks(DISK_V2, tag=TAG, volume_type=VOLUME_TYPE),
                since="2.67"
            ),
            Parameter("config_drive", BOOLEAN), Parameter("key_name", NAME),
            Parameter("min_count", COUNT_FROM_1), Parameter("max_count", COUNT_FROM_1),
            Parameter("return_reservation_id", BOOLEAN), Parameter("security_groups", GROUPS),
            Parameter("user_data", ENCODED), Parameter("description", DESCRIPTION, since="2.19"),
            Parameter("tags", TAGS, since="2.52"),
            Parameter("trusted_image_certificates", CERTIFICATES, since="2.63"),
            Parameter("host", FQDN, since="2.74"),
            Parameter("hypervisor_hostname", FQDN, since="2.74"),
            Parameter("hostname", HOSTNAME, since="2.90", until="2.94"),
            Parameter("hostname", FQDN, since="2.94"),
            Parameter("os:scheduler_hints", HINTS, beside=True),
            Parameter("OS-SCH-HNT:scheduler_hints", HINTS, beside=True),
        ),
        normal=202, errors=of(400, 401, 403, 409),
        writes=(
            Write(
                {"vm_state": V.BUILDING, "task_state": T.SCHEDULING}, effects=now(Moment.CREATED)
            ),
        ),
        success=(
            done(V.ACTIVE, *BUILD_PATH, effects=now(Moment.LAUNCHED)),
        ),
        failures=(
            *(
                fails(name, (V.BUILDING, T.SCHEDULING), passing=())
                for name in ("no-valid-host", "scheduler-error")
            ),
            *(
                fails(name, *BUILD_PATH[1:], passing=())
                for name in ("build-aborted", "driver-error")
            ),
            Outcome("rescheduled", V.BUILDING, BUILD_PATH[1:], left=T.SCHEDULING, goes_on=True),
            fails(
                "reschedule-exhausted", *BUILD_PATH[1:],
                passing=(Passing(V.BUILDING, T.SCHEDULING),)
            ),
        ),
        overtaken=(
            late(V.BUILDING, T.SCHEDULING, when=NOT_DELETING, goes_on=True),
            late(V.BUILDING, T.NETWORKING, left=T.BLOCK_DEVICE_MAPPING, goes_on=True),
            late(V.BUILDING, T.BLOCK_DEVICE_MAPPING, left=T.SPAWNING, when=DELETING),
            late(
                V.BUILDING, T.BLOCK_DEVICE_MAPPING, left=T.SCHEDULING,
                passing=(Passing(V.BUILDING, T.SPAWNING),), goes_on=True
            ),
            late(V.ACTIVE, T.SPAWNING, when=DELETING),
            late(V.ERROR, T.SPAWNING, passing=(Passing(V.ACTIVE),)),
        ),
        sources=Sources(
            "other-actions: POST /servers", "servers:create", "API.create", "servers",
            "_build_and_run_instance"
        ),
    ),
)

ACTIONS: tuple[Action, ...] = (*REFERENCE, *SISTER_PAGES)

# task_states that no row sets, each with the reason.
