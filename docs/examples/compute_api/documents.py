"""The bodies of answers, as Nova words them at each microversion."""

from datetime import UTC, datetime
from hashlib import sha224
from typing import Any

from sqlalchemy import Row

from compute_api.cloud import CLOUD, FLAVORS, Asking
from compute_api.store import Store, server_of
from serverfsm import Actor
from serverfsm.rows import Action

SHOW, DETAIL, REBUILD = range(3)
HIDDEN: Any = object()
MOVING = {"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}


def links(kind: str, ident: str | None, base: str) -> list[dict[str, str]]:
    hrefs = {"self": f"{base}/v2.1/{kind}/{ident}", "bookmark": f"{base}/{kind}/{ident}"}
    return [{"rel": rel, "href": href} for rel, href in hrefs.items()]


def summary(row: Row[Any], asking: Asking) -> dict[str, Any]:
    """Return what GET /servers says of a server."""
    return {"id": row.id, "name": row.shown["name"], "links": links("servers", row.id, asking.base)}


def detail(row: Row[Any], asking: Asking) -> dict[str, Any]:
    """Return what GET /servers/detail says of a server."""
    return server(row, asking, DETAIL)


def server(row: Row[Any], asking: Asking, view: int = SHOW) -> dict[str, Any]:
    """Return what GET /servers/{id}, GET /servers/detail or a rebuild says of a server.

    cloud.json has the keys: since when each of the three has them, for whom, from which fact, and
    the value where there is no such fact.
    """
    now, shown, base, version = server_of(row), row.shown, asking.base, asking.microversion
    flavor, image, on = FLAVORS[shown["flavor"]], shown.get("imageRef"), now.host and "compute-1"
    has_ports = now.launched and shown.get("networks") != "none"
    sizes = {key: each for key, each in flavor.items() if key not in ("id", "name")}
    linked = {"id": flavor["id"], "links": links("flavors", flavor["id"], base)[1:]}
    source = {"id": image, "links": links("images", image, base)[1:]}
    fault = {"code": 500, "created": _moment(row.updated), "message": shown.get("fault")}
    facts = {**row._mapping, "hostname": shown["name"], **shown, **summary(row, asking)}
    facts |= {
        "status": now.status,
        "short": row.id[:8],
        "created": _moment(row.started),
        "updated": _moment(row.updated),
        "launched_at": _moment(shown.get("launched_at"), "%Y-%m-%dT%H:%M:%S.%f"),
        "flavor": {**sizes, "original_name": flavor["name"]} if version >= "2.47" else linked,
        "image": {**source, **({"properties": {}} if version >= "2.98" else {})} if image else "",
        "on": on or None,
        "hostId": on and sha224(f"{row.project}{on}".encode()).hexdigest(),
        "host_status": "UP" if on else None,
        "OS-EXT-AZ:availability_zone": "nova" if on else None,
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/sda" if now.launched else None,
        "locked_reason": shown.get("locked_reason") if now.locked else None,
        **({} if has_ports else {"addresses": {}, "security_groups": HIDDEN}),
        **({} if now.status in MOVING else {"progress": HIDDEN}),
        "fault": fault if now.status == "ERROR" and shown.get("fault") else HIDDEN,
    }
    document = {
        key: default if (fact := facts.get(name)) in (None, False) and default is not None else fact
        for *since, who, key, name, default in CLOUD["server"]
        if int(since[view].partition(".")[2]) <= version.minor
        if who == "everybody" or asking.role is Actor.ADMIN
    }
    return {key: value for key, value in document.items() if value is not HIDDEN}


def request(row: Row[Any], asking: Asking, store: Store, *, events: bool = False) -> dict[str, Any]:
    """Return what os-instance-actions says of a request, and of its events if they are wanted."""
    started, ended = (_moment(each, "%Y-%m-%dT%H:%M:%S.%f") for each in (row.started, row.finished))
    name = next(each.label for each in store.book if each.name == row.action)
    shown = {"action": name, "instance_uuid": row.server, "request_id": row.id}
    shown |= {"user_id": row.user, "project_id": row.project, "start_time": started}
    shown |= {"message": "Error" if row.failed else None}
    shown |= {"updated_at": ended or started} if asking.microversion >= "2.58" else {}
    result = None if ended is None else "Error" if row.failed else "Success"
    event = {"start_time": started, "finish_time": ended, "result": result}
    if events and (asking.microversion >= "2.51" or asking.role is Actor.ADMIN):
        shown["events"] = [{"event": f"compute_{name}", **event}]
    return shown


def answer(
    action: Action, given: dict[str, Any], row: Row[Any], asking: Asking, store: Store
) -> tuple[Any, dict[str, str]]:
    """Return the body and the headers with which an accepted request is answered."""
    version, base = asking.microversion, asking.base
    made, password = store.new_id(), given.get("adminPass") or store.new_id()[:13]
    rebuilt = {**server(row, asking, REBUILD), "adminPass": password}
    few = ("id", "links", "OS-DCF:diskConfig", "adminPass")
    created = {key: rebuilt[key] for key in few} | {"security_groups": [{"name": "default"}]}
    there = {"Location": f"{base}/v2.1/servers/{row.id}"}
    imaged = {"Location": f"{base}/v2.1/images/{made}"}
    console = {"type": given.get("type"), "url": f"{base}/console?token={made}"}
    consoles = ("os-getVNCConsole", "os-getSPICEConsole", "os-getSerialConsole")
    image = ({"image_id": made}, {}) if version >= "2.45" else (None, imaged)
    answers: dict[str, tuple[Any, dict[str, str]]] = {
        "create": ({"server": created}, there),
        "rebuild": ({"server": rebuilt}, there),
        "rescue": ({"adminPass": password}, {}),
        "evacuate": ({"adminPass": password} if version < "2.14" else None, {}),
        "os-getConsoleOutput": ({"output": "FAKE CONSOLE OUTPUT\n"}, {}),
        **dict.fromkeys(("createImage", "createBackup"), image),
        **dict.fromkeys(consoles, ({"console": console}, {})),
    }
    return answers.get(action.name.key, (None, {}))


def _moment(moment: float | None, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime(form)
