"""Write what the real Nova answers to `GET /servers/{id}` to `tests/data/servers/*.json`.

Every server is brought into its state by requests alone; no row is forced. A state that lasts only
a moment is held there: an operation of the fake hypervisor waits until the answer has been read.
Run it with the interpreter that `setup.py` makes; `README.md` beside the files is written, too.
"""

from __future__ import annotations

import importlib.metadata
import json
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloud import (
    BIGGER_FLAVOR,
    IMAGE,
    NEWEST,
    TOO_BIG_FLAVOR,
    Cloud,
    start,
)

OUTPUT = Path(__file__).resolve().parents[1] / "data" / "servers"

#: File name without `.json` -> (how it was made, what makes it).
Maker = Callable[[Cloud], Any]
CAPTURES: dict[str, tuple[str, Maker]] = {}


def capture(name: str, how: str) -> Callable[[Maker], Maker]:
    """Register a function that returns the document of the file `name`."""

    def register(maker: Maker) -> Maker:
        CAPTURES[name] = (how, maker)
        return maker

    return register


def settle(
    cloud: Cloud, server: str, action: str, status: str, argument: Any = None, actor: str = "member"
) -> Any:
    """Send an action that must be accepted, wait for its end, return the server."""
    accept(cloud, server, action, argument, actor)
    # An offloaded server is shown as such a moment before it has left its host.
    gone = {"OS-EXT-SRV-ATTR:host": None} if status == "SHELVED_OFFLOADED" else {}
    return cloud.wait(server, status, **gone)


def accept(
    cloud: Cloud, server: str, action: str, argument: Any = None, actor: str = "member"
) -> None:
    """Send an action that must be accepted."""
    reply = cloud.act(actor, server, action, argument)
    if reply.code >= 300:
        raise RuntimeError(f"{action}: {reply.code} {reply.text}")


def held(
    cloud: Cloud,
    server: str,
    operation: str,
    action: str,
    status: str,
    task: str,
    argument: Any = None,
    actor: str = "member",
) -> Any:
    """Send an action, hold the hypervisor's operation, return the server, and let it go on."""
    with cloud.held(operation) as hold:
        accept(cloud, server, action, argument, actor)
        hold.begun()
        return cloud.wait(server, status, task)


def after_release(cloud: Cloud, server: str, status: str, document: Any) -> Any:
    """Wait for the status that follows a held operation, and return the document unchanged."""
    cloud.wait(server, status)
    return document


@capture("active", "created from an image")
def active(cloud: Cloud) -> Any:
    return cloud.show(cloud.create_server("web-1", metadata={"tier": "web"}, tags=["web"]))


def view(actor: str, version: str) -> Maker:
    """Return a maker of an active server's document as this actor sees it at this microversion."""

    def maker(cloud: Cloud) -> Any:
        return cloud.show(cloud.create_server("web-1"), actor, version)

    return maker


for _actor, _version in [
    ("member", NEWEST),
    ("reader", NEWEST),
    ("admin", "2.1"),
    ("member", "2.1"),
    ("admin", "2.8"),
    ("member", "2.8"),
    ("member", "2.46"),
    ("member", "2.72"),
]:
    _label = f"{_actor}" if _version == NEWEST else f"{_version}-{_actor}"
    capture(f"active-{_label}", f"as `active`, asked for as {_actor} at {_version}")(
        view(_actor, _version)
    )


@capture("active-volume-backed", "created from a bootable volume")
def volume_backed(cloud: Cloud) -> Any:
    return cloud.show(cloud.create_server("db-1", volume=True))


@capture("active-locked-by-owner", "`lock` with a reason, as member")
def locked_by_owner(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    accept(cloud, server, "lock", {"locked_reason": "backup under way"})
    return cloud.show(server)


@capture("active-locked-by-admin", "`lock` without a reason, as admin of another project")
def locked_by_admin(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    accept(cloud, server, "lock", actor="admin")
    return cloud.show(server)


@capture("active-host-down", "created; then its host forced down by an admin")
def host_down(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    host = cloud.show(server)["server"]["OS-EXT-SRV-ATTR:host"]
    cloud.host_down(host)
    try:
        return cloud.show(server)
    finally:
        cloud.host_down(host, down=False)


@capture("unknown-cell-down", "created; then its cell's database made unreachable")
def cell_down(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    with cloud.cell_down():
        return cloud.show(server)


@capture("active-powering-off", "`os-stop`, held in power_off")
def powering_off(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    document = held(cloud, server, "power_off", "os-stop", "ACTIVE", "powering-off")
    return after_release(cloud, server, "SHUTOFF", document)


@capture("active-image-snapshot", "`createImage`, held while the snapshot is taken")
def image_snapshot(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    argument = {"name": "web-1-image"}
    document = held(cloud, server, "snapshot", "createImage", "ACTIVE", "image_snapshot", argument)
    return after_release(cloud, server, "ACTIVE", document)


@capture("hard-reboot", "`reboot` HARD, held in reboot")
def hard_reboot(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    argument = {"type": "HARD"}
    document = held(
        cloud, server, "reboot", "reboot", "HARD_REBOOT", "reboot_started_hard", argument
    )
    return after_release(cloud, server, "ACTIVE", document)


@capture("password", "`changePassword`, held in set_admin_password")
def password(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    # This action waits for the compute host before it answers, so the request is held, too.
    with cloud.held("set_admin_password") as hold:
        waiting = cloud.in_background(
            lambda: cloud.act("member", server, "changePassword", {"adminPass": "secret"})
        )
        hold.begun()
        document = cloud.wait(server, "PASSWORD", "updating_password")
    waiting()
    return after_release(cloud, server, "ACTIVE", document)


@capture("build-scheduling", "created; the conductor has not begun (the cast was dropped)")
def build_scheduling(cloud: Cloud) -> Any:
    with cloud.stubbed({}):
        return cloud.show(cloud.create_server("web-1", wait=None))


@capture("build-spawning", "created, held in spawn")
def build_spawning(cloud: Cloud) -> Any:
    with cloud.held("spawn") as hold:
        server = cloud.create_server("web-1", wait=None)
        hold.begun()
        document = cloud.wait(server, "BUILD", "spawning")
    return after_release(cloud, server, "ACTIVE", document)


@capture("shutoff", "`os-stop`")
def shutoff(cloud: Cloud) -> Any:
    return settle(cloud, cloud.create_server("web-1"), "os-stop", "SHUTOFF")


@capture("shutoff-volume-backed", "created from a bootable volume, `os-stop`")
def shutoff_volume_backed(cloud: Cloud) -> Any:
    return settle(cloud, cloud.create_server("db-1", volume=True), "os-stop", "SHUTOFF")


@capture("shutoff-powering-on", "`os-stop`, `os-start`, held in power_on")
def powering_on(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    settle(cloud, server, "os-stop", "SHUTOFF")
    document = held(cloud, server, "power_on", "os-start", "SHUTOFF", "powering-on")
    return after_release(cloud, server, "ACTIVE", document)


@capture("paused", "`pause`")
def paused(cloud: Cloud) -> Any:
    return settle(cloud, cloud.create_server("web-1"), "pause", "PAUSED")


@capture("suspended", "`suspend`")
def suspended(cloud: Cloud) -> Any:
    return settle(cloud, cloud.create_server("web-1"), "suspend", "SUSPENDED")


@capture("rescue", "`rescue`")
def rescue(cloud: Cloud) -> Any:
    return settle(cloud, cloud.create_server("web-1"), "rescue", "RESCUE")


@capture("rebuild", "`rebuild`, held in spawn")
def rebuild(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    document = held(
        cloud, server, "spawn", "rebuild", "REBUILD", "rebuild_spawning", {"imageRef": IMAGE}
    )
    return after_release(cloud, server, "ACTIVE", document)


@capture("resize", "`resize`, held in migrate_disk_and_power_off")
def resize(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    argument = {"flavorRef": BIGGER_FLAVOR}
    document = held(
        cloud,
        server,
        "migrate_disk_and_power_off",
        "resize",
        "RESIZE",
        "resize_migrating",
        argument,
    )
    return after_release(cloud, server, "VERIFY_RESIZE", document)


@capture("verify-resize", "`resize` while ACTIVE")
def verify_resize(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    return settle(cloud, server, "resize", "VERIFY_RESIZE", {"flavorRef": BIGGER_FLAVOR})


@capture("verify-resize-from-shutoff", "`os-stop`, `resize`")
def verify_resize_from_shutoff(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    settle(cloud, server, "os-stop", "SHUTOFF")
    return settle(cloud, server, "resize", "VERIFY_RESIZE", {"flavorRef": BIGGER_FLAVOR})


@capture("verify-resize-migrated", "`migrate` as admin, while ACTIVE")
def verify_resize_migrated(cloud: Cloud) -> Any:
    return settle(cloud, cloud.create_server("web-1"), "migrate", "VERIFY_RESIZE", actor="admin")


@capture("revert-resize", "`resize`, `revertResize`, held in finish_revert_migration")
def revert_resize(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    settle(cloud, server, "resize", "VERIFY_RESIZE", {"flavorRef": BIGGER_FLAVOR})
    document = held(
        cloud,
        server,
        "finish_revert_migration",
        "revertResize",
        "REVERT_RESIZE",
        "resize_reverting",
    )
    return after_release(cloud, server, "ACTIVE", document)


@capture("migrating", "`os-migrateLive` as admin, held in live_migration")
def migrating(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    argument = {"host": None, "block_migration": "auto"}
    document = held(
        cloud,
        server,
        "live_migration",
        "os-migrateLive",
        "MIGRATING",
        "migrating",
        argument,
        "admin",
    )
    return after_release(cloud, server, "ACTIVE", document)


@capture("shelved", "`shelve` with shelved_offload_time -1")
def shelved(cloud: Cloud) -> Any:
    cloud.flag(shelved_offload_time=-1)
    try:
        return settle(cloud, cloud.create_server("web-1"), "shelve", "SHELVED")
    finally:
        cloud.flag(shelved_offload_time=0)


@capture("shelved-offloaded", "`shelve` with shelved_offload_time 0")
def shelved_offloaded(cloud: Cloud) -> Any:
    return settle(cloud, cloud.create_server("web-1"), "shelve", "SHELVED_OFFLOADED")


@capture("shelved-offloaded-spawning", "`shelve`, `unshelve`, held in spawn")
def unshelving(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    settle(cloud, server, "shelve", "SHELVED_OFFLOADED")
    document = held(cloud, server, "spawn", "unshelve", "SHELVED_OFFLOADED", "spawning")
    return after_release(cloud, server, "ACTIVE", document)


@capture("soft-deleted", "DELETE with reclaim_instance_interval 3600")
def soft_deleted(cloud: Cloud) -> Any:
    cloud.flag(reclaim_instance_interval=3600)
    try:
        server = cloud.create_server("web-1")
        cloud.send("member", "DELETE", f"/servers/{server}")
        return cloud.wait(server, "SOFT_DELETED")
    finally:
        cloud.flag(reclaim_instance_interval=0)


@capture("error-build-failed", "created with a flavor that fits no host: never launched, no host")
def build_failed(cloud: Cloud) -> Any:
    server = cloud.create_server("huge-1", wait=None, flavorRef=TOO_BIG_FLAVOR)
    cloud.wait(server, "ERROR")
    return cloud.show(server)


@capture("error-build-failed-member", "as `error-build-failed`, asked for as member")
def build_failed_member(cloud: Cloud) -> Any:
    server = cloud.create_server("huge-1", wait=None, flavorRef=TOO_BIG_FLAVOR)
    cloud.wait(server, "ERROR")
    return cloud.show(server, "member")


@capture("error-reset-state", "`os-resetState` to error, as admin")
def error_by_reset(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    return settle(cloud, server, "os-resetState", "ERROR", {"state": "error"}, "admin")


@capture("deleted", "DELETE; as `GET /servers/detail?deleted=true` lists it to an admin")
def deleted(cloud: Cloud) -> Any:
    server = cloud.create_server("web-1")
    cloud.send("member", "DELETE", f"/servers/{server}")
    cloud.wait_gone(server)
    path = "/servers/detail?deleted=true&all_tenants=true"
    listed = cloud.send("admin", "GET", path).body["servers"]
    return {"server": next(found for found in listed if found["id"] == server)}


def without_paths(text: str) -> str:
    """Put a usual directory in the place of this machine's (a fault shows admins a traceback)."""
    for kind in ("purelib", "stdlib"):
        usual = "/usr/lib/python3/dist-packages" if kind == "purelib" else "/usr/lib/python3"
        text = text.replace(sysconfig.get_paths()[kind], usual)
    return text


def clean(cloud: Cloud) -> None:
    """Delete all servers, so that the hosts have room for the next."""
    listed = cloud.send("admin", "GET", "/servers?all_tenants=true").body["servers"]
    for server in listed:
        cloud.act("admin", server["id"], "forceDelete")
    for server in listed:
        cloud.wait_gone(server["id"])


def readme(done: dict[str, str]) -> str:
    """Return the text of the README: one line a file."""
    version = importlib.metadata.version("nova")
    lines = [
        "# What `GET /servers/{id}` answers",
        "",
        f"Answers of the real Nova {version} with its fake hypervisor, word for word, as admin at",
        f"microversion {NEWEST} unless the line says otherwise. No state was forced. Written by",
        "`tests/nova/capture_servers.py`; ids and dates are new in every run. In the traceback",
        "of a fault, the directory of Python's packages is replaced by a usual one.",
        "",
        *(f"- `{name}.json`: {how}" for name, how in sorted(done.items())),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Capture everything."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    done: dict[str, str] = {}
    with start() as cloud:
        cloud.flag("quota", instances=-1, cores=-1, ram=-1)
        for name, (how, maker) in CAPTURES.items():
            document = maker(cloud)
            text = without_paths(json.dumps(document, indent=2, ensure_ascii=False))
            (OUTPUT / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            done[name] = how
            clean(cloud)
    (OUTPUT / "README.md").write_text(readme(done), encoding="utf-8")


if __name__ == "__main__":
    main()
