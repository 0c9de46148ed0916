"""Write one real refusal of each kind, byte for byte, to `tests/data/nova-34-faults.json`.

Run it with the interpreter that `setup.py` makes. The file maps the kind's name to `request`
(actor, method, path, microversion, body as sent, further headers), `row` (the columns forced
before, in a server that was ACTIVE), `quota` (the project's limits, where they matter) and `answer`
(code, text: the body as it came, headers). "501" is a hypervisor that lacks the operation.
`server` and `volume_server` are the ids of the image-backed and the volume-backed server.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonfile
from cloud import FLAVOR, IMAGE, NETWORK, NEWEST, TOO_BIG_FLAVOR, Cloud, start

OUTPUT = Path(__file__).resolve().parents[1] / "data" / "nova-34-faults.json"
UNLIMITED = -1
UNKNOWN = "11111111-2222-4333-8444-555555555555"
HEADERS = (
    "Content-Type",
    "OpenStack-API-Version",
    "Retry-After",
    "Vary",
    "WWW-Authenticate",
    "X-OpenStack-Nova-API-Version",
)
LIVE = {"host": None, "block_migration": "auto"}


@dataclass(frozen=True)
class Refusal:
    """A request that Nova refuses, and the row to force before it.

    `server` is "image" or "volume" for the two servers, or an id. `body` None sends no body, a
    string is sent as it is. `path` is appended to `/servers/{id}`, unless it begins with "/v2.1".
    `not_implemented` is an operation that the hypervisor lacks, `quota` what a project may have.
    """

    body: Any = None
    row: Mapping[str, Any] = field(default_factory=dict)
    actor: str = "member"
    version: str | None = NEWEST
    server: str = "image"
    method: str = "POST"
    path: str = "/action"
    headers: Mapping[str, str] = field(default_factory=dict)
    not_implemented: str | None = None
    quota: Mapping[str, int] = field(default_factory=dict)


STOPPED = {"vm_state": "stopped"}
LOCKED = {"locked": 1, "locked_by": "owner"}
ADMIN_LOCKED = {"locked": 1, "locked_by": "admin"}

REFUSALS: Mapping[str, Refusal] = {
    # 400
    "400 schema, value": Refusal({"reboot": {"type": "WARM"}}),
    "400 schema, missing key": Refusal({"resize": {}}),
    "400 schema, additional key": Refusal({"reboot": {"type": "SOFT", "now": True}}),
    "400 schema, null expected": Refusal({"os-resetState": None}, actor="admin"),
    "400 schema, empty unshelve up to 2.90": Refusal({"unshelve": {}}, version="2.90"),
    "400 schema of an older microversion": Refusal({"migrate": {"host": 1}}, actor="admin"),
    "400 malformed JSON": Refusal("{os-stop"),
    "400 two actions": Refusal({"os-stop": None, "os-start": None}),
    "400 empty object": Refusal({}),
    "400 no body": Refusal(),
    "400 unknown action": Refusal({"os-dance": None}),
    "400 removed console": Refusal({"os-getRDPConsole": {"type": "rdp-html5"}}, version="2.1"),
    "400 malformed microversion": Refusal({"os-stop": None}, version="two"),
    "400 volume-backed backup": Refusal(
        {"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}, server="volume"
    ),
    "400 volume-backed rescue": Refusal({"rescue": None}, server="volume"),
    "400 same flavor": Refusal({"resize": {"flavorRef": "1"}}),
    "400 unknown flavor": Refusal({"resize": {"flavorRef": "no-such-flavor"}}),
    "400 unknown image": Refusal({"rebuild": {"imageRef": UNKNOWN}}),
    "400 host in use": Refusal({"evacuate": {}}, actor="admin"),
    "400 no migration": Refusal({"confirmResize": None}, {"vm_state": "resized"}),
    # 401
    "401 no token": Refusal({"os-stop": None}, actor="anonymous"),
    "401 unknown token": Refusal(
        {"os-stop": None}, actor="anonymous", headers={"X-Auth-Token": "no-such-token"}
    ),
    "401 before a malformed microversion": Refusal(
        {"os-stop": None}, actor="anonymous", version="two"
    ),
    # 403
    "403 policy, reader": Refusal({"os-stop": None}, actor="reader"),
    "403 policy, member": Refusal({"migrate": None}),
    "403 policy, manager with a host": Refusal({"migrate": {"host": "compute-2"}}, actor="manager"),
    "403 policy, delete": Refusal(actor="reader", method="DELETE", path=""),
    "403 unlock of an admin's lock": Refusal({"unlock": None}, ADMIN_LOCKED),
    "403 quota, create": Refusal(
        {
            "server": {
                "name": "one-too-many",
                "imageRef": IMAGE,
                "flavorRef": FLAVOR,
                "networks": [{"uuid": NETWORK}],
            }
        },
        path="/v2.1/servers",
        quota={"instances": 2},
    ),
    "403 quota, resize": Refusal({"resize": {"flavorRef": TOO_BIG_FLAVOR}}, quota={"cores": 2}),
    # 404
    "404 unknown server": Refusal({"pause": None}, server=UNKNOWN),
    "404 unknown server, os-stop": Refusal({"os-stop": None}, server=UNKNOWN),
    "404 unknown server, DELETE": Refusal(server=UNKNOWN, method="DELETE", path=""),
    "404 unknown server, GET": Refusal(server=UNKNOWN, method="GET", path=""),
    "404 no uuid": Refusal({"pause": None}, server="web-1"),
    "404 another project's server": Refusal({"pause": None}, actor="stranger"),
    "404 another project's server, os-stop": Refusal({"os-stop": None}, actor="stranger"),
    "404 another project's server, DELETE": Refusal(actor="stranger", method="DELETE", path=""),
    "404 action not yet": Refusal({"trigger_crash_dump": None}, version="2.16"),
    "404 action no more": Refusal({"addFixedIp": {"networkId": NETWORK}}, version="2.44"),
    "404 a list for an object": Refusal(["os-stop"]),
    "404 unknown path": Refusal(method="GET", path="/no-such-thing"),
    "404 method not allowed": Refusal(method="PATCH", path=""),
    # 406, 410, 415
    "406 microversion too high": Refusal({"os-stop": None}, version="2.999"),
    "406 microversion too low": Refusal({"os-stop": None}, version="2.0"),
    "410 resetNetwork": Refusal({"resetNetwork": None}),
    "415 content type": Refusal(
        "<os-stop/>", headers={"Content-Type": "application/xml", "Accept": "application/xml"}
    ),
    # 409
    "409 vm_state": Refusal({"os-start": None}),
    "409 task_state": Refusal({"os-stop": None}, {"task_state": "rebooting"}),
    "409 never launched": Refusal({"os-stop": None}, {"launched_at": None}),
    "409 locked": Refusal({"os-stop": None}, LOCKED),
    "409 locked, DELETE": Refusal(row=LOCKED, method="DELETE", path=""),
    "409 locked, restore": Refusal({"restore": None}, LOCKED),
    "409 locked, changePassword": Refusal({"changePassword": {"adminPass": "secret"}}, LOCKED),
    "409 not ready": Refusal({"os-stop": None}, {"host": None}),
    "409 unshelve to a zone while SHELVED": Refusal(
        {"unshelve": {"availability_zone": "nova"}}, {"vm_state": "shelved"}
    ),
    # 500, 501
    "500 console": Refusal(
        {"os-getSPICEConsole": {"type": "spice-html5"}}, {"task_state": "migrating"}, version="2.1"
    ),
    "500 locked, removeFixedIp": Refusal(
        {"removeFixedIp": {"address": "192.168.1.30"}}, LOCKED, version="2.1"
    ),
    "500 no host, injectNetworkInfo": Refusal(
        {"injectNetworkInfo": None}, {"host": None}, actor="admin"
    ),
    "501 hypervisor": Refusal(
        {"changePassword": {"adminPass": "secret"}}, not_implemented="set_admin_password"
    ),
    # The order of the checks
    "order: microversion before token's policy": Refusal(
        {"migrate": None}, actor="reader", version="2.999"
    ),
    "order: unknown action of an unknown server": Refusal({"os-dance": None}, server=UNKNOWN),
    "order: schema before unknown server": Refusal({"reboot": {"type": "WARM"}}, server=UNKNOWN),
    "order: schema before policy": Refusal({"migrate": {"host": 1}}),
    "order: version cap before unknown server": Refusal(
        {"trigger_crash_dump": None}, server=UNKNOWN, version="2.16"
    ),
    "order: version cap before schema": Refusal({"addFixedIp": {}}, version="2.44"),
    "order: policy before lock": Refusal({"migrate": None}, LOCKED),
    "order: lock before state": Refusal({"os-start": None}, LOCKED),
    "order: host before state": Refusal({"os-start": None}, {"host": None}),
    "order: vm_state before task_state": Refusal({"os-start": None}, {"task_state": "deleting"}),
    "order: state before launched": Refusal({"os-start": None}, {"launched_at": None}),
    "order: console's policy before unknown server": Refusal(
        {"os-getVNCConsole": {"type": "novnc"}}, actor="reader", server=UNKNOWN, version="2.1"
    ),
}


def encode(body: Any) -> bytes | None:
    """Return the bytes to send for a body: JSON, a string as it is, None for no body."""
    if body is None:
        return None
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def refuse(cloud: Cloud, servers: Mapping[str, str], refusal: Refusal) -> dict[str, Any]:
    """Force the row, send the request, put everything back; return the entry of the file."""
    server = servers.get(refusal.server, refusal.server)
    whole = refusal.path.startswith("/v2.1")
    path = refusal.path.removeprefix("/v2.1") if whole else f"/servers/{server}{refusal.path}"
    body = encode(refusal.body)
    broken: AbstractContextManager[None] = (
        cloud.failing(refusal.not_implemented, NotImplementedError())
        if refusal.not_implemented
        else nullcontext()
    )
    restore = cloud.snapshot()
    if refusal.row:
        cloud.force(server, **refusal.row)
    for resource, limit in refusal.quota.items():
        cloud.flag("quota", **{resource: limit})
    with broken:
        reply = cloud.send(
            refusal.actor, refusal.method, path, body, refusal.version, refusal.headers
        )
    restore()
    for resource in refusal.quota:
        cloud.flag("quota", **{resource: UNLIMITED})
    return {
        "request": {
            "actor": refusal.actor,
            "method": refusal.method,
            "path": f"/v2.1{path}",
            "version": refusal.version,
            "body": body.decode() if body is not None else None,
            "headers": dict(refusal.headers),
        },
        "row": dict(refusal.row),
        "quota": dict(refusal.quota),
        "answer": {
            "code": reply.code,
            "text": reply.text,
            "headers": {name: reply.headers[name] for name in HEADERS if name in reply.headers},
        },
    }


def main() -> None:
    """Send every request of REFUSALS and write the file."""
    with start() as cloud:
        servers = {
            "image": cloud.create_server("web-1"),
            "volume": cloud.create_server("db-1", volume=True),
        }
        faults = {kind: refuse(cloud, servers, refusal) for kind, refusal in REFUSALS.items()}
    for kind, fault in faults.items():
        expected = kind.split()[0].rstrip(":")
        if expected.isdigit() and int(expected) != fault["answer"]["code"]:
            print(f"{kind}: {fault['answer']}")
    jsonfile.write(
        OUTPUT,
        {
            "nova": importlib.metadata.version("nova"),
            "server": servers["image"],
            "volume_server": servers["volume"],
            "faults": faults,
        },
    )


if __name__ == "__main__":
    main()
