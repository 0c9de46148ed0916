"""Where Nova 34.0.0 departs from the API reference: one row for each column of the table.

Nothing belongs here but rows. The table has the reference's value; the rulebook NOVA_34 is the
table with each `nova` value put in its column. A column `answers.lock` is the answer of one guard.
"""

from __future__ import annotations

from dataclasses import replace

from serverfsm.phrases import (
    EVACUATED_STARTED,
    EVACUATED_STOPPED,
    NOT_RESCUABLE,
    anything_until,
    of,
)
from serverfsm.requests import ActionName as A
from serverfsm.requests import Guard, Policy
from serverfsm.rows import Answer, Backing, Body, Deviation, Outcome, When
from serverfsm.states import Status
from serverfsm.states import VmState as V
from serverfsm.table import ANSWERS

__all__ = ["DEVIATIONS"]

# fmt: off


def crash(exception: str) -> Answer:
    """A guard's exception that Nova's API layer does not catch."""
    return Answer(
        500, "Unexpected API Error. Please contact the administrator\n"
        f"<class 'nova.exception.{exception}'>"
    )


def outcomes_of_evacuate(stops: When) -> tuple[Outcome, ...]:
    """An evacuated server is stopped where it was before, or this holds; else it is started."""
    return EVACUATED_STOPPED, replace(EVACUATED_STOPPED, when=stops), EVACUATED_STARTED


NULL_BEFORE_2_91 = (Body(until="2.77"), Body(("null",), since="2.77", until="2.91"))
MAKE_IMAGES = of(A.CREATE_IMAGE, A.CREATE_BACKUP, A.SHELVE)
LOCKED, NO_HOST, BUSY = ANSWERS[Guard.LOCK], ANSWERS[Guard.HOST], ANSWERS[Guard.TASK_STATE]

DEVIATIONS = (
    *(
        Deviation(
            name=f"floating-ip-any-{column[:-1]}", action=A.ADD_FLOATING_IP, column=column,
            reference=reference, nova=None,
            documented="Only a server whose status is ACTIVE or STOPPED (sic) may get one.",
            observed="Nova tests no state at all; STOPPED is no status, SHUTOFF is.",
            evidence="servers-actions: addFloatingIp; measured: addFloatingIp",
        )
        for column, reference in (
            ("vm_states", of(V.ACTIVE, V.STOPPED)), ("task_states", of(None)),
        )
    ),
    Deviation(
        name="image-of-paused-volume", action=A.CREATE_IMAGE, column="volume_backed_vm_states",
        reference=of(V.ACTIVE, V.STOPPED, V.SUSPENDED), nova=None,
        documented="PAUSED is only supported for image-backed servers.",
        observed="Nova images a paused volume-backed server, since commit cfde53e4b4 (2020).",
        evidence="servers-actions: createImage; nova.compute.api:API.snapshot_volume_backed",
    ),
    Deviation(
        name="hard-reboot-again", action=A.REBOOT_HARD, column="any_task_in",
        reference=of(Status.HARD_REBOOT), nova=frozenset(),
        documented="A server in status HARD_REBOOT may be hard rebooted.",
        observed="Of the three tasks behind that status Nova accepts only the first: 409 with "
        "reboot_pending_hard and reboot_started_hard.",
        evidence="servers-actions: reboot; nova.compute.task_states:ALLOW_REBOOT",
    ),
    Deviation(
        name="rescue-volume", action=A.RESCUE, column="backing",
        reference=Backing(NOT_RESCUABLE, until="2.87"),
        nova=Backing(
            NOT_RESCUABLE,
            unless="the server's own image has hw_rescue_device and hw_rescue_bus, and its host "
            "can rescue volumes",
            unless_since="2.87"
        ),
        documented="Volume-backed servers are supported from microversion 2.87.",
        observed="They are only with a rescue image made for it: without rescue_image_ref Nova "
        "takes the server's own for one, and answers 400 unless that has the properties "
        "hw_rescue_device and hw_rescue_bus.",
        evidence="servers-actions: rescue; nova.compute.api:API.rescue",
    ),
    Deviation(
        name="shelve-offload-admin", action=A.SHELVE_OFFLOAD, column="policy",
        reference=Policy.ADMIN_OR_OWNER, nova=Policy.ADMIN,
        documented="By default administrators and owners may offload a shelved server.",
        observed="Nova's default policy is administrators only: 403 for the owner.",
        evidence="other-actions: shelveOffload; nova.policies.shelve",
    ),
    Deviation(
        name="migrate-manager", action=A.MIGRATE, column="policy",
        reference=Policy.ADMIN, nova=Policy.ADMIN_OR_MANAGER,
        documented="By default only administrators may migrate.",
        observed="Nova's default policy lets project managers, too.",
        evidence="other-actions: migrate; nova.policies.migrate_server",
    ),
    Deviation(
        name="live-migrate-manager", action=A.LIVE_MIGRATE, column="policy",
        reference=Policy.ADMIN, nova=Policy.ADMIN_OR_MANAGER,
        documented="By default only administrators may live-migrate.",
        observed="Nova's default policy lets project managers, too.",
        evidence="other-actions: os-migrateLive; nova.policies.migrate_server",
    ),
    *(
        Deviation(
            name=f"{name}-locked-crash", action=name, column="answers.lock",
            reference=LOCKED, nova=crash("InstanceIsLocked"),
            documented="A locked server refuses this to all but administrators.",
            observed="Nova refuses with 500: the controller does not catch InstanceIsLocked. "
            "It should answer 409.",
            evidence=f"other-actions: Lock; measured: {name}",
        )
        for name in (A.ADD_FIXED_IP, A.REMOVE_FIXED_IP)
    ),
    *(
        Deviation(
            name=f"{name}-no-host-crash", action=name, column="answers.host",
            reference=NO_HOST, nova=crash("NovaException"),
            documented="The codes listed for it are client errors only.",
            observed="Where no host holds the server Nova answers 500 from inside its RPC layer. "
            "It should answer 409.",
            evidence=f"other-actions: {name}; measured: {name}",
        )
        for name in (A.ADD_FIXED_IP, A.REMOVE_FIXED_IP, A.INJECT_NETWORK_INFO)
    ),
    *(
        Deviation(
            name=f"{name}-no-host-crash", action=name, column=f"answers.{guard}",
            reference=NO_HOST, nova=replace(crash("NovaException"), too_late=True),
            documented="409 is listed for a conflict; no 500 is.",
            observed="Where no host holds the server Nova writes the task_state, then answers 500 "
            "from inside its RPC layer and leaves the task behind"
            f"{', and an image in Glance' if name in MAKE_IMAGES else ''}. It should answer 409 "
            "before. With API calls alone: shelve and offload, os-resetState to active, then "
            "pause gives 500.",
            evidence=f"reference: {name}; measured without a host: {name}",
        )
        for name, guard in (
            *((name, Guard.HOST) for name in (
                A.CHANGE_PASSWORD, A.CREATE_BACKUP, A.PAUSE, A.UNPAUSE, A.SUSPEND, A.RESUME,
                A.REBOOT_SOFT, A.REBOOT_HARD, A.RESCUE, A.RESCUE_WITH_IMAGE, A.UNRESCUE, A.SHELVE,
                A.SHELVE_OFFLOAD
            )),
            (A.CREATE_IMAGE, Guard.HOST_OF_IMAGE),
        )
    ),
    *(
        Deviation(
            name=f"{name}-busy-crash", action=name, column="answers.task_state",
            reference=BUSY, nova=crash("InstanceInvalidState"),
            documented="409 is listed for a conflict.",
            observed="While the server is being deleted or migrated Nova answers 500: the "
            "controller does not catch InstanceInvalidState. It should answer 409.",
            evidence=f"other-actions: {name}; measured: {name}",
        )
        for name in (A.GET_SPICE_CONSOLE, A.GET_SERIAL_CONSOLE)
    ),
    *(
        Deviation(
            name=f"{name}-unknown-server", action=name, column="answers.known",
            reference=ANSWERS[Guard.KNOWN],
            nova=Answer(404, "Instance {id} has no mapping to a cell."),
            documented="404 is listed, and another project's server is answered as one that is "
            "not there.",
            observed="The two 404s differ in their text, so that anybody can tell whether another "
            "project's server exists. Nova should answer as for all other actions.",
            evidence=f"reference: {name}; nova.api.openstack.compute.servers:_get_instance",
        )
        for name in (A.START, A.STOP, A.TRIGGER_CRASH_DUMP)
    ),
    *(
        Deviation(
            name=f"{name}-400", action=name, column="errors",
            reference=of(401, 403, 404, 409), nova=of(400, 401, 403, 404, 409),
            documented="400 is not among the error codes.",
            observed="Nova answers 400 where a port of the server has an accelerator.",
            evidence=f"reference: {name}; nova.api.openstack.compute expected_errors",
        )
        for name in (A.SHELVE, A.SHELVE_OFFLOAD, A.SUSPEND)
    ),
    *(
        Deviation(
            name=f"{name}-400", action=name, column="errors",
            reference=errors, nova=errors | of(400),
            documented="400 is not among the error codes.",
            observed="Nova answers 400 to a body that its schema does not allow"
            f"{', from 2.73 on' if name is A.LOCK else ''}.",
            evidence=f"reference: {name}; nova.api.validation",
        )
        for name, errors in (
            (A.LOCK, of(401, 403, 404)),
            (A.REBOOT_SOFT, of(401, 403, 404, 409)), (A.REBOOT_HARD, of(401, 403, 404, 409)),
            (A.RESET_STATE_ACTIVE, of(401, 403, 404)), (A.RESET_STATE_ERROR, of(401, 403, 404)),
            (A.GET_CONSOLE_OUTPUT, of(401, 403, 404, 409, 501)),
        )
    ),
    *(
        Deviation(
            name=f"{name}-no-501", action=name, column="errors",
            reference=errors, nova=errors - of(501),
            documented="501 is among the error codes.",
            observed="Nova answers before it asks the driver, so never 501: 202, and a rescue 200 "
            "that ends in ERROR.",
            evidence=f"reference: {name}; nova.compute.api casts; measured: {name}",
        )
        for name, errors in (
            (A.PAUSE, of(401, 403, 404, 409, 501)), (A.UNPAUSE, of(401, 403, 404, 409, 501)),
            (A.RESCUE, of(400, 401, 403, 404, 409, 501)),
            (A.RESCUE_WITH_IMAGE, of(400, 401, 403, 404, 409, 501)),
            (A.UNRESCUE, of(401, 403, 404, 409, 501)),
        )
    ),
    Deviation(
        name="unshelve-empty-object", action=A.UNSHELVE, column="bodies",
        reference=anything_until("2.77", "null"),
        nova=(*NULL_BEFORE_2_91, Body(("object", "null"), since="2.91")),
        documented="From microversion 2.77 an empty object is a bad request.",
        observed="Nova takes it as null again from 2.91, whose schema does not require "
        "availability_zone any more.",
        evidence="other-actions: unshelve; nova.api.openstack.compute.schemas.shelve:unshelve_v291",
    ),
    Deviation(
        name="evacuate-error-starts", action=A.EVACUATE, column="success",
        reference=outcomes_of_evacuate(When(since="2.95")),
        nova=outcomes_of_evacuate(When(vm_states=of(V.ACTIVE), since="2.95")),
        documented="From microversion 2.95 the server remains stopped on the destination.",
        observed="Nova starts a server that was in ERROR: it ends ACTIVE.",
        evidence="other-actions: evacuate; "
        "nova.compute.manager:ComputeManager._do_rebuild_instance",
    ),
    Deviation(
        name="reset-network-410", action=A.RESET_NETWORK, column="errors",
        reference=of(401, 403, 404, 409, 410), nova=of(401, 410),
        documented="403, 404 and 409 are among the error codes.",
        observed="Nova answers 410 to whoever has a token, for any server or none.",
        evidence="other-actions: resetNetwork; measured: resetNetwork",
    ),
)
