"""What happens when a second request comes while a first is under way: the kind "overlap".

Given are

`first`, `from`
    The first request, and the status of the server when it comes.
`at`
    Where the first is held (`Stage.at`).
`second`
    The second request; or "power-sync": the guest powers itself off, and the host compares power
    states; "guest-off": only the former; "restart": the host's compute service starts.
`order`
    "first": the second's message to conductor or compute waits until the first has ended.
    "second": the second goes as far as it comes before the first goes on. "": there is no message.

Entries of their own are ["first", code, message] and ["second", code, message], the answers;
["held"], ["released"] and, for the second's message, ["delivered"].
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from cloud import FLAVOR, IMAGE, NETWORK, Reply
from measure import VARIANTS
from nova import objects
from restart import ATTRIBUTES
from stage import Entry, Stage, World

Given = dict[str, Any]
ACTOR = "project-admin"
ARGUMENTS = {variant.name: variant.argument for variant in VARIANTS}

#: First request, status -> where it is held.
FIRST: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("pause", "ACTIVE"): ("cast compute.pause_instance", "in pause"),
    ("unpause", "PAUSED"): ("cast compute.unpause_instance", "in unpause"),
    ("suspend", "ACTIVE"): ("cast compute.suspend_instance", "in suspend"),
    ("resume", "SUSPENDED"): ("cast compute.resume_instance", "in resume"),
    ("os-stop", "ACTIVE"): ("cast compute.stop_instance", "in power_off"),
    ("os-start", "SHUTOFF"): ("cast compute.start_instance", "in power_on"),
    ("reboot:SOFT", "ACTIVE"): (
        "cast compute.reboot_instance",
        "after reboot_pending",
        "in reboot",
    ),
    ("reboot:HARD", "ACTIVE"): (
        "cast compute.reboot_instance",
        "after reboot_pending_hard",
        "in reboot",
    ),
    ("reboot:HARD", "SHUTOFF"): (
        "cast compute.reboot_instance",
        "after reboot_pending_hard",
        "in reboot",
    ),
    ("rescue", "ACTIVE"): ("cast compute.rescue_instance", "in rescue"),
    ("unrescue", "RESCUE"): ("cast compute.unrescue_instance", "in unrescue"),
    ("changePassword", "ACTIVE"): ("in set_admin_password",),
    ("createImage", "ACTIVE"): (
        "cast compute.snapshot_instance",
        "in snapshot",
        "after image_uploading",
    ),
    ("createBackup", "ACTIVE"): (
        "cast compute.backup_instance",
        "in snapshot",
        "after image_uploading",
    ),
    ("shelve", "ACTIVE"): (
        "cast compute.shelve_instance",
        "in power_off",
        "in snapshot",
        "after shelving_image_uploading",
    ),
    ("shelve:offload", "ACTIVE"): ("after shelving_image_uploading", "in destroy"),
    ("shelveOffload", "SHELVED"): ("cast compute.shelve_offload_instance", "in destroy"),
    ("unshelve", "SHELVED"): (
        "cast conductor.unshelve_instance",
        "cast compute.start_instance",
        "in power_on",
    ),
    ("unshelve", "SHELVED_OFFLOADED"): (
        "cast conductor.unshelve_instance",
        "cast compute.unshelve_instance",
        "in spawn",
    ),
    ("rebuild", "ACTIVE"): (
        "cast conductor.rebuild_instance",
        "cast compute.rebuild_instance",
        "in destroy",
        "after rebuild_block_device_mapping",
        "in spawn",
    ),
    ("rebuild", "SHUTOFF"): ("in spawn", "after powering-off"),
    ("resize", "ACTIVE"): (
        "cast conductor.migrate_server",
        "cast compute.prep_resize",
        "cast compute.resize_instance",
        "in migrate_disk_and_power_off",
        "cast compute.finish_resize",
        "in finish_migration",
    ),
    ("migrate", "ACTIVE"): ("cast compute.prep_resize", "in finish_migration"),
    ("confirmResize", "VERIFY_RESIZE"): ("cast compute.confirm_resize", "in confirm_migration"),
    ("revertResize", "VERIFY_RESIZE"): (
        "cast compute.revert_resize",
        "in destroy",
        "cast compute.finish_revert_resize",
        "in finish_revert_migration",
    ),
    ("revertResize", "VERIFY_RESIZE of SHUTOFF"): ("after powering-off",),
    ("os-migrateLive", "ACTIVE"): (
        "cast conductor.live_migrate_instance",
        "cast compute.live_migration",
        "in pre_live_migration",
        "in live_migration",
        "in post_live_migration_at_destination",
    ),
    ("evacuate", "ACTIVE"): (
        "cast conductor.rebuild_instance",
        "cast compute.rebuild_instance",
        "in spawn",
        "after powering-off",
    ),
    ("delete", "ACTIVE"): ("cast compute.terminate_instance", "in destroy"),
    ("delete", "VERIFY_RESIZE"): ("in confirm_migration", "cast compute.terminate_instance"),
    ("forceDelete", "ACTIVE"): ("cast compute.terminate_instance", "in destroy"),
    ("delete:reclaim", "ACTIVE"): ("cast compute.soft_delete_instance", "in soft_delete"),
    ("restore", "SOFT_DELETED"): ("cast compute.restore_instance", "in restore"),
    ("create", ""): (
        "cast conductor.schedule_and_build_instances",
        "cast compute.build_and_run_instance",
        "after networking",
        "after block_device_mapping",
        "in spawn",
    ),
}
#: Second request -> its message, None where there is none.
SECOND: Mapping[str, str | None] = {
    "delete": "cast compute.terminate_instance",
    "forceDelete": "cast compute.terminate_instance",
    "delete:reclaim": "cast compute.soft_delete_instance",
    "reboot:HARD": "cast compute.reboot_instance",
    "evacuate": "cast conductor.rebuild_instance",
    "os-resetState:active": None,
    "os-resetState:error": None,
    "lock": None,
    "os-stop": None,
    "power-sync": None,
    "guest-off": None,
    "restart": None,
}


def scenarios() -> Iterator[Given]:
    """Yield what is given in all scenarios."""
    for (first, status), points in FIRST.items():
        for point in points:
            for second, message in SECOND.items():
                if not _told_apart(first, point, second):
                    continue
                for order in ("first", "second") if message else ("",):
                    yield {
                        "first": first,
                        "from": status,
                        "at": point,
                        "second": second,
                        "order": order,
                    }


def _told_apart(first: str, point: str, second: str) -> bool:
    """Tell whether this is measured: whether it may differ from what is measured anyway."""
    if second == "restart":  # a message outlives the service, work under way does not
        return point.startswith("cast compute.")
    if second == "forceDelete":  # as "delete"
        return first in ("pause", "resize", "create", "restore") or "elete" in first
    if second in ("lock", "os-stop", "guest-off"):
        return point.startswith("in ")
    return True


def prepare(stage: Stage) -> dict[str, World]:
    """Return the world of every status from which a first request is sent."""
    cloud = stage.cloud
    cloud.flag(shelved_offload_time=-1)
    server = cloud.create_server("first")
    worlds = {"ACTIVE": stage.remember(server)}

    def reach(status: str, source: str, request: str, name: str = "") -> None:
        worlds[source].restore()
        stage.server, stage.host = server, worlds[source].host
        with _options(stage, request):
            reply = ask(stage, request)
            if reply.code >= 400:
                raise RuntimeError(f"{request}: {reply.code} {reply.text}")
            cloud.wait(server, status)
        worlds[name or status] = stage.remember(server)

    reach("SHUTOFF", "ACTIVE", "os-stop")
    reach("PAUSED", "ACTIVE", "pause")
    reach("SUSPENDED", "ACTIVE", "suspend")
    reach("RESCUE", "ACTIVE", "rescue")
    reach("VERIFY_RESIZE", "ACTIVE", "resize")
    reach("VERIFY_RESIZE", "SHUTOFF", "resize", "VERIFY_RESIZE of SHUTOFF")
    reach("SHELVED", "ACTIVE", "shelve")
    reach("SHELVED_OFFLOADED", "SHELVED", "shelveOffload")
    reach("SOFT_DELETED", "ACTIVE", "delete:reclaim")
    return worlds


def run(stage: Stage, worlds: Mapping[str, World], given: Given) -> list[Entry]:
    """Hold the first request, send the second; return what happens."""
    first, message = given["first"], SECOND[given["second"]]
    stage.begin(worlds[given["from"] or "ACTIVE"])
    if first == "create":
        stage.server, stage.host = "", None
    waits: AbstractContextManager[Any] = (
        stage.at(message) if message and given["order"] == "first" else nullcontext()
    )
    with stage.at(given["at"]) as hold:
        with _options(stage, first):
            first_answered = _in_background(stage, "first", first)
            hold.begun()
            stage.stall()
        stage.note("held")
        stage.host = _host(stage)
        with waits as post:
            second_answered = _second(stage, given["second"])
            stage.note("released")
            hold.release()
            first_answered()
            if post is not None:
                stage.settle()
                if post.messages:
                    stage.note("delivered")
                post.release()
            second_answered()
            stage.settle()
    return stage.log()


def _second(stage: Stage, second: str) -> Callable[[], Any]:
    """Let the second come, as far as it comes; return a function that waits for its answer."""
    answered: Callable[[], Any] = nullcontext
    if second in ("power-sync", "guest-off"):
        _lose_guest(stage, sync=second == "power-sync")
    elif second == "restart":
        _restart(stage)
    else:
        with _options(stage, second):
            answered = _in_background(stage, "second", second)
            stage.stall()
    stage.stall()
    return answered


def ask(stage: Stage, request: str) -> Reply:
    """Send a request to the server."""
    cloud, key = stage.cloud, request.partition(":")[0]
    if key == "delete":
        return cloud.send(ACTOR, "DELETE", f"/servers/{stage.server}")
    if key == "create":
        body = {
            "name": "second",
            "flavorRef": FLAVOR,
            "imageRef": IMAGE,
            "networks": [{"uuid": NETWORK}],
        }
        reply = cloud.send(ACTOR, "POST", "/servers", {"server": body})
        stage.server = str(reply.body["server"]["id"])
        return reply
    argument = ARGUMENTS.get(request, ARGUMENTS.get(key))
    value = argument((2, 104), "") if argument else None
    if request == "resize":
        value = {"flavorRef": "2"}
    return cloud.act(ACTOR, stage.server, key, value)


def _in_background(stage: Stage, who: str, request: str) -> Callable[[], Any]:
    """Send a request, whose answer goes into the log; return a function that waits for it."""

    def send() -> Reply:
        reply = ask(stage, request)
        stage.answer(who, reply)
        return reply

    return stage.cloud.in_background(send)


@contextlib.contextmanager
def _options(stage: Stage, request: str) -> Iterator[None]:
    """Arrange what a request needs, until its answer."""
    flag = stage.cloud.flag
    if request == "evacuate" and stage.host:
        stage.cloud.execute("UPDATE services SET forced_down = 1 WHERE host = ?", (stage.host,))
    if request == "delete:reclaim":
        flag(reclaim_instance_interval=3600)
    if request == "shelve:offload":
        flag(shelved_offload_time=0)
    try:
        yield
    finally:
        flag(reclaim_instance_interval=0)


def _host(stage: Stage) -> str | None:
    """Return the host in the server's row, None without a row."""
    query = "SELECT host FROM instances WHERE uuid = ?"
    found = stage.cloud.execute(query, (stage.server,))
    return str(found[0][0]) if found and found[0][0] else None


def _lose_guest(stage: Stage, sync: bool) -> None:
    """Let the guest power itself off; compare power states."""
    if stage.host is None:
        return
    if stage.server in stage.driver().instances:
        stage.set_guest("SHUTDOWN")
    if sync:
        with stage.cloud.periodic_context() as context:
            stage.manager()._sync_power_states(context)
            stage.stall()


def _restart(stage: Stage) -> None:
    """Let the server's compute service start."""
    if stage.host is None:
        return
    with stage.cloud.periodic_context() as context:
        found = objects.InstanceList.get_by_host(context, stage.host, expected_attrs=ATTRIBUTES)
        for instance in found:
            if instance.uuid == stage.server:
                stage.manager()._init_instance(context, instance)
