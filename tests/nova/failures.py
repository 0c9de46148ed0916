"""What goes wrong in the scenarios: action, name, and what is injected. Standard library only.

Names of failures are those of `serverfsm/table.py` where it has one. `inject.py` explains the lines
that say what is done to make it fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from origins import (
    BOTH,
    HOSTLESS,
    IMAGE,
    IMAGED,
    KEEP,
    NEWEST,
    ON_OFF,
    ORIGINS,
    RECLAIM,
    VOLUME,
)

RUNTIME = "raises RuntimeError"
MISSING = "raises NotImplementedError"
ROLLBACK = "raises InstanceFaultRollback(ResizeError)"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of some actions.

    `injected`: one way in a line, several things at once separated by "; ". `origins`: vm_states or
    origins; () for all that `scenarios.REQUESTS` has for the action.
    """

    actions: str
    name: str
    injected: tuple[str, ...]
    origins: tuple[str, ...] = ()
    backings: tuple[str, ...] = BOTH
    request: str = ""
    version: str = NEWEST
    options: Mapping[str, Any] = field(default_factory=dict)
    guests: str = "fake"


F = Failure
COLD = "resize migrate migrate:host"
WITH_RETRY = "resize migrate"
LIVE = "os-migrateLive os-migrateLive:host"
DELETES = "delete forceDelete"
RESCUES = "rescue rescue:rescue_image_ref"
SNAPSHOTS = "createImage createBackup"
NETWORK = f"network.get_instance_nw_info {RUNTIME}"
NO_RETRY = {"scheduler.max_attempts": 1}
STOPPED_RESIZES = ("resized<stopped", "resized(migrate)<stopped")
#: Where a deletion is measured failing.
WITH_HOST = tuple(each for each in ORIGINS if each not in ("building", "deleted", *HOSTLESS))
NOT_RESIZED = tuple(each for each in WITH_HOST if each != "resized")
UNSHELVES = "unshelve unshelve:availability_zone unshelve:host"
OFFLOADED = ("shelved_offloaded",)

FAILURES: tuple[Failure, ...] = (
    # power
    F("changePassword", "not-running", ("guest is 4", "guest is missing")),
    F(
        "changePassword",
        "guest-agent-not-enabled",
        (
            "driver.set_admin_password raises InstanceAgentNotEnabled",
            "driver.set_admin_password raises QemuGuestAgentNotEnabled",
        ),
    ),
    F(
        "changePassword",
        "not-supported",
        ("driver.set_admin_password raises SetAdminPasswdNotSupported",),
    ),
    F("changePassword", "not-implemented", (f"driver.set_admin_password {MISSING}",)),
    F("changePassword", "driver-error", (f"driver.set_admin_password {RUNTIME}",)),
    F("pause", "driver-error", (f"driver.pause {RUNTIME}",)),
    F("pause", "not-implemented", (f"driver.pause {MISSING}",)),
    F("unpause", "driver-error", (f"driver.unpause {RUNTIME}",)),
    F("unpause", "not-implemented", (f"driver.unpause {MISSING}",)),
    F("suspend", "driver-error", (f"driver.suspend {RUNTIME}",)),
    F(
        "suspend",
        "not-supported",
        (
            f"driver.suspend {MISSING}",
            "driver.suspend raises InstanceFaultRollback(InstanceSuspendFailure)",
        ),
    ),
    F("resume", "driver-error", (f"driver.resume {RUNTIME}",)),
    F("resume", "not-supported", (f"driver.resume {MISSING}",)),
    F("resume reboot:SOFT reboot:HARD unrescue os-start", "network-failure", (NETWORK,)),
    F("os-stop", "driver-error", (f"driver.power_off {RUNTIME}",)),
    F("os-stop", "guest-missing", ("guest is missing",)),
    F("os-start", "driver-error", (f"driver.power_on {RUNTIME}",)),
    F("os-start", "not-implemented", (f"driver.power_on {MISSING}",)),
    F("os-start", "guest-missing", ("guest is missing",)),
    F(
        "reboot:SOFT reboot:HARD",
        "driver-error-guest-runs",
        (f"driver.reboot {RUNTIME}; guest is 1",),
    ),
    F(
        "reboot:SOFT reboot:HARD",
        "driver-error",
        (
            f"driver.reboot {RUNTIME}; guest is 4",
            f"driver.reboot {RUNTIME}; guest is 3",
            f"driver.reboot {RUNTIME}; guest is missing",
        ),
    ),
    F("reboot:SOFT reboot:HARD", "not-implemented", (f"driver.reboot {MISSING}; guest is 4",)),
    F("reboot:SOFT", "guest-missing", ("guest is missing",)),
    F("reboot:HARD", "guest-missing-respawned", ("guest is missing",)),
    F("trigger_crash_dump", "driver-error", (f"driver.trigger_crash_dump {RUNTIME}",)),
    F("trigger_crash_dump", "not-implemented", (f"driver.trigger_crash_dump {MISSING}",)),
    F("injectNetworkInfo", "network-failure", (NETWORK,), ON_OFF),
    F("injectNetworkInfo", "driver-error", (f"driver.inject_network_info {RUNTIME}",), ON_OFF),
    F(
        "addFixedIp",
        "network-failure",
        (
            f"network.add_fixed_ip_to_instance {RUNTIME}",
            "network.add_fixed_ip_to_instance raises NoMoreFixedIps",
        ),
        ON_OFF,
        version="2.43",
    ),
    F(
        "removeFixedIp",
        "network-failure",
        (f"network.remove_fixed_ip_from_instance {RUNTIME}",),
        ON_OFF,
        version="2.43",
    ),
    # images
    F(SNAPSHOTS, "driver-error", (f"driver.snapshot {RUNTIME}",), IMAGED, IMAGE),
    F(SNAPSHOTS, "not-implemented", (f"driver.snapshot {MISSING}",), IMAGED, IMAGE),
    F(
        SNAPSHOTS,
        "image-deleted",
        ("driver.snapshot raises ImageNotFound", "driver.snapshot raises ImageNotFound afterwards"),
        IMAGED,
        IMAGE,
    ),
    F(
        SNAPSHOTS,
        "image-upload-failed",
        ("driver.snapshot raises CouldNotUploadImage afterwards",),
        IMAGED,
        IMAGE,
    ),
    F(SNAPSHOTS, "guest-missing", ("guest is missing",), IMAGED, IMAGE),
    F(
        SNAPSHOTS,
        "image-create-failed",
        ("image.create raises ImageQuotaExceeded", f"image.create {RUNTIME}"),
        IMAGED,
        IMAGE,
    ),
    F("createBackup", "rotation-failed", (f"image.get_all {RUNTIME}",), IMAGED, IMAGE),
    F(
        "createImage",
        "volume-snapshot-failed",
        (
            f"volume.create_snapshot_force {RUNTIME}",
            "volume.create_snapshot_force raises OverQuota",
        ),
        IMAGED,
        VOLUME,
    ),
    # rescue
    F(RESCUES, "driver-error", (f"driver.rescue {RUNTIME}",)),
    F(RESCUES, "not-implemented", (f"driver.rescue {MISSING}",)),
    F(RESCUES, "driver-error", (f"driver.power_off {RUNTIME}",)),
    F(RESCUES, "image-not-found", ("compute._get_rescue_image raises ImageNotFound",)),
    F(RESCUES, "network-failure", (NETWORK,)),
    F("unrescue", "driver-error", (f"driver.unrescue {RUNTIME}",)),
    F("unrescue", "not-implemented", (f"driver.unrescue {MISSING}",)),
    # rebuild
    F(
        "rebuild",
        "no-valid-host",
        ("scheduler.select_destinations raises NoValidHost",),
        request="other-image",
    ),
    F(
        "rebuild",
        "scheduler-error",
        ("scheduler.select_destinations raises MessagingTimeout",),
        request="other-image",
    ),
    F("rebuild", "not-implemented", (f"driver.spawn {MISSING}", f"driver.destroy {MISSING}")),
    F("rebuild", "driver-error", (f"driver.spawn {RUNTIME}", f"driver.destroy {RUNTIME}")),
    F("rebuild", "volume-failed", (f"compute._prep_block_device {RUNTIME}",)),
    F("rebuild", "image-not-found", ("image.get raises ImageNotFound",)),
    F("rebuild", "driver-error", (f"driver.power_off {RUNTIME}",)),
    F("rebuild", "driver-error", (f"driver.power_off {RUNTIME} later",), ("stopped",)),
    F("rebuild", "guest-missing", ("guest is missing",)),
    F("rebuild", "preserve-ephemeral-not-supported", ("",), request="preserve-ephemeral"),
    F(
        "rebuild",
        "reimage-failed",
        (f"volume.reimage_volume {RUNTIME}",),
        backings=VOLUME,
        request="other-image",
    ),
    F("rebuild", "driver-error", (f"driver.spawn {RUNTIME}",), request="other-image"),
    # evacuate
    F(
        "evacuate",
        "no-valid-host",
        ("host is down; scheduler.select_destinations raises NoValidHost",),
    ),
    F("evacuate", "no-valid-host", ("host is down; other hosts are down",)),
    F(
        "evacuate",
        "scheduler-error",
        ("host is down; scheduler.select_destinations raises MessagingTimeout",),
    ),
    F(
        "evacuate",
        "claim-failed",
        ("host is down; tracker.rebuild_claim raises ComputeResourcesUnavailable",),
    ),
    F(
        "evacuate",
        "server-group-violated",
        ("host is down; compute._validate_instance_group_policy raises GroupAffinityViolation",),
    ),
    F(
        "evacuate",
        "not-supported",
        ("host is down; compute._check_instance_exists raises InstanceExists",),
    ),
    F("evacuate", "driver-error", (f"host is down; driver.spawn {RUNTIME}",)),
    F("evacuate", "driver-error", (f"host is down; driver.power_off {RUNTIME}",), ON_OFF),
    F("evacuate", "driver-error", (f"host is down; driver.spawn {RUNTIME}",), version="2.94"),
    F("evacuate", "not-implemented", (f"host is down; driver.spawn {MISSING}",)),
    F("evacuate", "network-failure", (f"host is down; network.setup_networks_on_host {RUNTIME}",)),
    F("evacuate", "volume-failed", (f"host is down; compute._prep_block_device {RUNTIME}",)),
    F(
        "evacuate",
        "forced-no-valid-host",
        ("host is down; scheduler-utils.claim_resources_on_destination raises NoValidHost",),
        request="host-force",
        version="2.67",
    ),
    # resize and cold migration
    F(COLD, "no-valid-host", ("scheduler.select_destinations raises NoValidHost",)),
    F(COLD, "scheduler-error", (f"scheduler.select_destinations {RUNTIME}",)),
    F(
        WITH_RETRY,
        "rescheduled",
        ("tracker.resize_claim raises ComputeResourcesUnavailable once",),
    ),
    F(
        WITH_RETRY,
        "reschedule-exhausted",
        (
            "tracker.resize_claim raises ComputeResourcesUnavailable",
            f"tracker.resize_claim {RUNTIME}",
        ),
    ),
    F(
        WITH_RETRY,
        "claim-failed",
        ("tracker.resize_claim raises ComputeResourcesUnavailable",),
        options=NO_RETRY,
    ),
    F("migrate:host", "claim-failed", ("tracker.resize_claim raises ComputeResourcesUnavailable",)),
    F(
        "migrate:host",
        "server-group-violated",
        ("compute._validate_instance_group_policy raises GroupAffinityViolation",),
    ),
    F(
        WITH_RETRY,
        "server-group-violated",
        ("compute._validate_instance_group_policy raises GroupAffinityViolation",),
    ),
    F(WITH_RETRY, "build-aborted", ("tracker.resize_claim raises BuildAbortException",)),
    F(
        WITH_RETRY,
        "same-host",
        ("compute._prep_resize raises InstanceFaultRollback(UnableToMigrateToSelf)",),
    ),
    F(COLD, "disk-not-movable", (f"driver.migrate_disk_and_power_off {ROLLBACK}",)),
    F(COLD, "not-implemented", (f"driver.migrate_disk_and_power_off {MISSING}",)),
    F(
        COLD,
        "driver-error",
        (
            f"driver.migrate_disk_and_power_off {RUNTIME}",
            f"network.migrate_instance_start {RUNTIME}",
            f"network.setup_networks_on_host {RUNTIME}",
            f"network.migrate_instance_finish {RUNTIME}",
            f"driver.finish_migration {RUNTIME}",
        ),
    ),
    F(COLD, "network-failure", (NETWORK,)),
    F(COLD, "volume-failed", (f"compute._terminate_volume_connections {RUNTIME}",)),
    F(COLD, "swap-update-failed", (f"compute._update_bdm_for_swap_to_finish_resize {RUNTIME}",)),
    F(COLD, "not-implemented", (f"driver.finish_migration {MISSING}",)),
    F(
        "confirmResize",
        "driver-error",
        (
            f"driver.confirm_migration {RUNTIME}",
            f"network.setup_networks_on_host {RUNTIME}",
            f"compute._delete_allocation_after_move {RUNTIME}",
        ),
    ),
    F("confirmResize", "not-implemented", (f"driver.confirm_migration {MISSING}",)),
    F("confirmResize", "guest-stopped-ignored", ("guest is 4",)),
    F(
        "revertResize",
        "driver-error",
        (
            f"driver.destroy {RUNTIME}",
            f"network.setup_networks_on_host {RUNTIME}",
            f"driver.finish_revert_migration {RUNTIME}",
            f"network.migrate_instance_finish {RUNTIME}",
        ),
    ),
    F(
        "revertResize",
        "allocation-failed",
        ("compute._revert_allocation raises AllocationMoveFailed",),
    ),
    F(
        "revertResize",
        "not-implemented",
        (f"driver.destroy {MISSING}", f"driver.finish_revert_migration {MISSING}"),
    ),
    F("revertResize", "driver-error", (f"driver.power_off {RUNTIME}",), STOPPED_RESIZES),
    # live migration
    F(LIVE, "no-valid-host", ("scheduler.select_destinations raises NoValidHost",)),
    F(LIVE, "no-valid-host", ("other hosts are down",)),
    F(LIVE, "scheduler-error", (f"scheduler.select_destinations {RUNTIME}",)),
    F(LIVE, "pre-check-failed", ("host is down",)),
    F(
        LIVE,
        "pre-check-failed",
        (
            "driver.check_can_live_migrate_destination raises MigrationPreCheckError",
            "driver.check_can_live_migrate_source raises InvalidSharedStorage",
        ),
    ),
    F(LIVE, "check-crashed", (f"driver.check_can_live_migrate_destination {RUNTIME}",)),
    F(LIVE, "not-submitted", (f"compute._start_recorded_task {RUNTIME}",)),
    F(
        LIVE,
        "rolled-back",
        (
            f"driver.pre_live_migration {RUNTIME}",
            "driver.live_migration rolls back",
        ),
    ),
    F(
        LIVE,
        "rollback-failed",
        (
            f"driver.pre_live_migration {RUNTIME}; compute._revert_allocation {RUNTIME}",
            f"network.setup_networks_on_host {RUNTIME}",
        ),
    ),
    F(
        LIVE,
        "rollback-failed-in-transfer",
        (f"driver.live_migration rolls back; compute._revert_allocation {RUNTIME}",),
    ),
    F(
        LIVE,
        "driver-error",
        (
            f"driver.live_migration {RUNTIME}",
            f"driver.live_migration {MISSING}",
        ),
    ),
    F(
        LIVE,
        "post-migration-failed",
        (
            f"driver.post_live_migration {RUNTIME}",
            f"network.migrate_instance_start {RUNTIME}",
            f"driver.post_live_migration_at_destination {RUNTIME}",
        ),
    ),
    # shelve
    F(
        "shelve",
        "image-create-failed",
        (f"image.create {RUNTIME}", "image.create raises ImageQuotaExceeded"),
        IMAGED,
        IMAGE,
    ),
    F("shelve", "driver-error", (f"driver.snapshot {RUNTIME}",), IMAGED, IMAGE),
    F("shelve", "driver-error", (f"driver.snapshot {RUNTIME}",), IMAGED, IMAGE, guests="true"),
    F("shelve", "image-deleted", ("driver.snapshot raises ImageNotFound",), IMAGED, IMAGE),
    F(
        "shelve",
        "image-upload-failed",
        ("driver.snapshot raises CouldNotUploadImage afterwards",),
        IMAGED,
        IMAGE,
    ),
    F("shelve", "driver-error", (f"driver.power_off {RUNTIME}",)),
    F("shelve", "guest-missing", ("guest is missing",)),
    F("shelve", "network-failure", (NETWORK,)),
    F("shelve", "offload-failed", (f"driver.destroy {RUNTIME}", f"network.unbind_ports {RUNTIME}")),
    F("shelve", "driver-error", (f"driver.snapshot {RUNTIME}",), IMAGED, IMAGE, options=KEEP),
    F(
        "shelveOffload",
        "driver-error",
        (
            f"driver.destroy {RUNTIME}",
            f"driver.power_off {RUNTIME}",
            f"network.unbind_ports {RUNTIME}",
            f"tracker.delete_allocation_for_shelve_offloaded_instance {RUNTIME}",
        ),
    ),
    F("shelveOffload", "network-failure", (NETWORK,)),
    F("shelveOffload", "guest-missing", ("guest is missing",)),
    F("unshelve", "driver-error", (f"driver.power_on {RUNTIME}",), ("shelved",)),
    F("unshelve", "guest-missing", ("guest is missing",), ("shelved",)),
    F("unshelve", "network-failure", (NETWORK,), ("shelved",)),
    F(UNSHELVES, "no-valid-host", ("scheduler.select_destinations raises NoValidHost",), OFFLOADED),
    F(UNSHELVES, "scheduler-error", (f"scheduler.select_destinations {RUNTIME}",), OFFLOADED),
    F(UNSHELVES, "image-deleted", ("image is missing",), OFFLOADED, IMAGE),
    F(
        UNSHELVES,
        "driver-error",
        (
            f"driver.spawn {RUNTIME}",
            f"driver.spawn {MISSING}",
            "tracker.instance_claim raises ComputeResourcesUnavailable",
            f"network.setup_instance_network_on_host {RUNTIME}",
            f"compute._prep_block_device {RUNTIME}",
        ),
        OFFLOADED,
    ),
    # deletion
    F(DELETES, "driver-error", (f"driver.destroy {RUNTIME}",), NOT_RESIZED),
    F(
        DELETES,
        "driver-error",
        (
            "driver.destroy raises InstancePowerOffFailure",
            f"network.deallocate_for_instance {RUNTIME}",
        ),
        ("active", "resized"),
    ),
    F(
        DELETES,
        "allocation-delete-failed",
        (f"placement.delete_allocation_for_instance {RUNTIME}",),
        ("active", "resized"),
    ),
    F(DELETES, "volume-failed-ignored", (f"volume.attachment_delete {RUNTIME}",), ON_OFF, VOLUME),
    F(DELETES, "guest-missing-ignored", ("guest is missing",), ON_OFF),
    F(DELETES, "host-down", ("host is down",), WITH_HOST),
    F("delete", "host-down", ("host is down",), WITH_HOST, options=RECLAIM),
    F(
        "delete",
        "soft-delete-failed",
        (f"driver.soft_delete {RUNTIME}",),
        WITH_HOST,
        options=RECLAIM,
    ),
    F(DELETES, "confirm-failed", (f"driver.confirm_migration {RUNTIME}",), ("resized",)),
    F(
        "delete",
        "confirm-failed",
        (f"driver.confirm_migration {RUNTIME}",),
        ("resized",),
        options=RECLAIM,
    ),
    F("restore", "driver-error", (f"driver.restore {RUNTIME}",)),
    # creation
    F("create", "no-valid-host", ("scheduler.select_destinations raises NoValidHost",), ("",)),
    F("create", "scheduler-error", (f"scheduler.select_destinations {RUNTIME}",), ("",)),
    F("create", "no-valid-host", ("",), ("",), request="too-big"),
    F(
        "create",
        "rescheduled",
        (
            f"driver.spawn {RUNTIME} once",
            "tracker.instance_claim raises ComputeResourcesUnavailable once",
        ),
        ("",),
    ),
    F(
        "create",
        "reschedule-exhausted",
        (
            f"driver.spawn {RUNTIME}",
            f"network.allocate_for_instance {RUNTIME}",
            "tracker.instance_claim raises ComputeResourcesUnavailable",
        ),
        ("",),
    ),
    F("create", "driver-error", (f"driver.spawn {RUNTIME}",), ("",), options=NO_RETRY),
    F("create", "driver-error", (f"driver.spawn {RUNTIME}",), ("",), request="host"),
    F(
        "create",
        "build-aborted",
        (
            "network.allocate_for_instance raises NoMoreFixedIps",
            "driver.spawn raises BuildAbortException",
            "driver.spawn raises ImageUnacceptable",
            "driver.spawn raises VirtualInterfaceCreateException",
            "compute._prep_block_device raises InvalidBDM",
        ),
        ("",),
    ),
)
