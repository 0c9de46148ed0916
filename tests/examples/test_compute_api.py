"""The example service: every endpoint, who may what, the modes, failures, restarts and races."""

from __future__ import annotations

import ast
import io
import json
import threading
import time
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compute_api.store import SERVERS, Mode, Store, columns, server_of

from serverfsm import API_REFERENCE, LATEST, NOVA_34, ActionName, Actor, Server, Step, allowed
from serverfsm.bodies import body_schemas
from tests.examples import postgres, service
from tests.test_bodies import example

FILES = sorted((service.EXAMPLES / "compute_api").glob("*.py"))
#: Of the service itself, and with what unmodified clients look up and read besides.
MOST_LINES = {("app.py", "store.py"): 400, tuple(path.name for path in FILES): 525}
NO_SERVER = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/compute.sqlite"


@pytest.fixture
def cloud(url: str) -> Iterator[Any]:
    with service.serving(Store(url, seed=1)) as running:
        yield running


def state(vm_state: str, task_state: str | None = None, **more: Any) -> Server:
    """Return a server in this state."""
    return Server.from_record({"vm_state": vm_state, "task_state": task_state, **more})


def put(store: Store, server_id: str, server: Server) -> None:
    """Give a server's record this state."""
    with store.engine.begin() as db:
        changed = SERVERS.update().where(SERVERS.c.id == server_id)
        db.execute(changed.values(**columns(Step(server, None, "")), changes=SERVERS.c.changes + 1))


def lines_of_code(text: str) -> int:
    """Count the lines that are neither blank nor comment nor docstring."""
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                documented.update(range(first.lineno, (first.end_lineno or 0) + 1))
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    used: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in nothing and token.type != tokenize.ENDMARKER:
            used.update(range(token.start[0], token.end[0] + 1))
    return len(used - documented)


def test_it_is_short() -> None:
    counted = {path.name: lines_of_code(path.read_text()) for path in FILES}
    for names, most in MOST_LINES.items():
        assert sum(counted[name] for name in names) <= most


def test_lines_are_counted() -> None:
    text = '"""One.\n\nTwo."""\n\n# No.\nx = [\n    1,\n]\n\n\ndef f():\n    """Doc."""\n'
    assert lines_of_code(text) == 4


# -------------------------------------------------------------------------------- negotiation


@pytest.mark.parametrize(
    ("headers", "answered"),
    [
        ({}, "2.1"),
        ({"OpenStack-API-Version": "compute 2.10"}, "2.10"),
        ({"OpenStack-API-Version": "Compute latest"}, LATEST),
        ({"OpenStack-API-Version": "volume 3.5, compute 2.7"}, "2.7"),
        ({"OpenStack-API-Version": "volume 3.5"}, "2.1"),
        ({"X-OpenStack-Nova-API-Version": "2.9"}, "2.9"),
        ({"OpenStack-API-Version": "compute 2.4", "X-OpenStack-Nova-API-Version": "2.9"}, "2.4"),
    ],
)
def test_a_microversion_is_negotiated(cloud: Any, headers: Any, answered: str) -> None:
    reply = cloud.send("member", "GET", "/servers", version=None, **headers)
    assert reply.code == 200
    assert reply.headers["OpenStack-API-Version"] == f"compute {answered}"
    assert reply.headers["X-OpenStack-Nova-API-Version"] == answered
    assert "OpenStack-API-Version" in reply.headers["Vary"]


@pytest.mark.parametrize("text", ["2.105", "2.0", "3.1", "1.1", "2.99999999999999999999"])
def test_a_microversion_that_there_is_not_is_406(cloud: Any, text: str) -> None:
    reply = cloud.send("member", "GET", "/servers", version=text)
    assert reply.code == 406
    assert reply.message.startswith(f"Version {text} is not supported by the API.")


@pytest.mark.parametrize("text", ["2", "2.", "two", "2.01", "-2.1", "2.1.1", "'; drop table"])
def test_a_malformed_microversion_is_400(cloud: Any, text: str) -> None:
    reply = cloud.send("member", "GET", "/servers", version=text)
    assert reply.code == 400
    assert text in reply.message


def test_every_answer_has_a_request_id_of_its_own(cloud: Any) -> None:
    paths = ("/servers", "/servers/x", "/nothing", "/servers?limit=x")
    replies = [cloud.send(who, "GET", path) for who in ("member", "anonymous") for path in paths]
    ids = {reply.headers["x-openstack-request-id"] for reply in replies}
    assert len(ids) == len(replies)
    assert all(each.startswith("req-") for each in ids)


# ------------------------------------------------------------------------------------ who asks


def test_tokens_are_given_to_those_who_know_the_password(cloud: Any) -> None:
    def log_in(user: str, password: str, project: str) -> Any:
        domain = {"name": "Default"}
        who = {"name": user, "password": password, "domain": domain}
        identity = {"methods": ["password"], "password": {"user": who}}
        scope = {"project": {"name": project, "domain": domain}}
        body = {"auth": {"identity": identity, "scope": scope}}
        return cloud.send("anonymous", "POST", "/identity/v3/auth/tokens", body, prefix="")

    reply = log_in("member", "secret", "demo")
    assert reply.code == 201
    assert reply.body["token"]["user"]["name"] == "member"
    urls = [each["endpoints"][0]["url"] for each in reply.body["token"]["catalog"]]
    assert f"{cloud.url}/v2.1" in urls
    token = {"X-Auth-Token": reply.headers["X-Subject-Token"]}
    assert cloud.send("anonymous", "GET", "/servers", **token).code == 200
    for wrong in (
        ("member", "secret", "other"),
        ("member", "x", "demo"),
        ("nobody", "secret", "demo"),
    ):
        assert log_in(*wrong).code == 401
    for text in (b"{}", b"[]", b"null", b"{", b'{"auth": null}', b'{"auth": {"identity": {}}}'):
        path = "/identity/v3/auth/tokens"
        assert cloud.send("anonymous", "POST", path, text, prefix="").code == 401


def test_a_word_is_no_token_unless_there_is_no_auth(cloud: Any, tmp_path: Path) -> None:
    plain = {"X-Auth-Token": "member:demo"}
    assert cloud.send("anonymous", "GET", "/servers", **plain).code == 401
    with service.serving(Store(f"sqlite:///{tmp_path}/other.sqlite"), noauth=True) as other:
        assert other.send("anonymous", "GET", "/servers", **plain).code == 200
        assert other.send("anonymous", "GET", "/servers").code == 401
        mine = {"X-Auth-Token": "anybody:anywhere"}
        reply = other.send("anonymous", "GET", "/servers/detail?all_tenants=1", **mine)
        assert reply.body == {"servers": []}


@pytest.mark.parametrize("who", ["anonymous", "stranger", "reader", "member", "manager", "admin"])
def test_each_actor_gets_the_library_s_verdict_of_every_action(
    cloud: Any, url: str, who: str
) -> None:
    """All of the table at once: the codes that are answered are those of `allowed`."""
    store, server_id = Store(url), cloud.create()
    bodies = {
        "reboot:SOFT": {"type": "SOFT"}, "rescue": None, "resize": {"flavorRef": "2"},
        "rebuild": {"imageRef": service.IMAGE}, "os-resetState:error": {"state": "error"},
        "changePassword": {"adminPass": "x"}, "createImage": {"name": "x"}, "migrate": None,
        "os-getConsoleOutput": {}, "trigger_crash_dump": None, "unlock": None,
    }  # fmt: skip
    plain = [
        name for name in ActionName if name.variant is None and name.key.startswith(("un", "p"))
    ]
    for before in (state("paused", locked=True), state("active", "deleting")):
        verdicts = allowed(before, actor=Actor(who))
        for name in (*map(ActionName, bodies), *plain):
            put(store, server_id, before)
            reply = cloud.act(server_id, name.key, bodies.get(name), who)
            expected = verdicts[name]
            assert reply.code == expected.code, (name, reply.text)
            if not expected:
                assert reply.text.encode() == expected.fault(server_id).body
    store.engine.dispose()


def test_another_project_s_server_is_like_one_that_there_is_not(cloud: Any) -> None:
    mine = cloud.create()
    for method, path, body in (
        ("GET", "/servers/{}", None),
        ("DELETE", "/servers/{}", None),
        ("POST", "/servers/{}/action", {"os-stop": None}),
        ("GET", "/servers/{}/os-instance-actions", None),
        ("GET", "/servers/{}/os-instance-actions/req-1", None),
    ):
        theirs, none = (
            cloud.send("stranger", method, path.format(each), body) for each in (mine, NO_SERVER)
        )
        assert theirs.code == none.code == 404
        assert theirs.text.replace(mine, NO_SERVER) == none.text
    assert cloud.send("stranger", "GET", "/servers").body == {"servers": []}
    assert cloud.send("admin", "GET", "/servers").body == {"servers": []}
    everybody_s = cloud.send("admin", "GET", "/servers?all_tenants=1").body["servers"]
    assert [each["id"] for each in everybody_s] == [mine]
    assert cloud.send("stranger", "GET", "/servers?all_tenants=1").body == {"servers": []}


@pytest.mark.parametrize("actor", ["member", "manager", "reader"])
def test_no_action_tells_whether_another_project_has_a_server(cloud: Any, actor: str) -> None:
    """Some policies are tested before Nova looks for the server: a reader's 403 would tell."""
    theirs = cloud.create(actor="stranger")
    for version in ("2.1", "2.104"):
        for key, schema in body_schemas(microversion=version).items():
            body = {key: example(schema["properties"][key])}
            found, none = (
                cloud.send(actor, "POST", f"/servers/{each}/action", body, version)
                for each in (theirs, NO_SERVER)
            )
            assert (found.code, found.text.replace(theirs, NO_SERVER)) == (none.code, none.text)


# --------------------------------------------------------------------------- servers, and answers


def test_a_server_is_created_listed_shown_and_deleted(cloud: Any) -> None:
    server = cloud.create("web", description="mine", metadata={"a": "b"})
    (listed,) = cloud.send("member", "GET", "/servers").body["servers"]
    assert (listed["id"], listed["name"]) == (server, "web")
    shown = cloud.show(server, "member")
    assert (shown["status"], shown["description"]) == ("ACTIVE", "mine")
    assert shown["metadata"] == {"a": "b"}
    assert Server.from_api({"server": shown}).vm_state == "active"
    (detail,) = cloud.send("member", "GET", "/servers/detail").body["servers"]
    assert {**shown, **detail} == shown
    assert cloud.send("member", "DELETE", f"/servers/{server}").code == 204
    assert cloud.send("member", "GET", f"/servers/{server}").code == 404
    assert cloud.send("member", "DELETE", f"/servers/{server}").code == 404


def test_pages(cloud: Any) -> None:
    made = [cloud.create(f"web-{number}") for number in range(5)]
    seen, path = [], "/servers?limit=2"
    while path:
        body = cloud.send("member", "GET", path).body
        seen += [each["id"] for each in body["servers"]]
        links = body.get("servers_links", [{"href": ""}])
        path = links[0]["href"].partition("/v2.1")[2]
    assert seen == made[::-1]
    for wrong in ("limit=-1", "limit=two", "limit=1;drop", f"marker={NO_SERVER}"):
        assert cloud.send("member", "GET", f"/servers?{wrong}").code == 400


def test_a_volume_backed_server(cloud: Any) -> None:
    volume = {"uuid": NO_SERVER, "source_type": "volume", "destination_type": "volume"}
    disks = [{**volume, "boot_index": 0}]
    server = cloud.create(imageRef="", block_device_mapping_v2=disks)
    assert cloud.show(server)["image"] == ""
    reply = cloud.act(server, "createBackup", {"name": "x", "backup_type": "y", "rotation": 1})
    assert (reply.code, reply.message) == (
        400, "Backup is not supported for volume-backed instances.",
    )  # fmt: skip


def test_images_passwords_and_consoles(cloud: Any) -> None:
    server = cloud.create()
    image = cloud.act(server, "createImage", {"name": "x"}, version="2.45")
    assert len(image.body["image_id"]) == 36
    image = cloud.act(server, "createImage", {"name": "x"}, version="2.44")
    assert (image.code, image.text) == (202, "")
    assert "/images/" in image.headers["Location"]
    assert cloud.act(server, "rescue", {"adminPass": "mine"}).body == {"adminPass": "mine"}
    assert cloud.act(server, "unrescue").code == 202
    assert "output" in cloud.act(server, "os-getConsoleOutput", {}).body
    console = cloud.act(server, "os-getVNCConsole", {"type": "novnc"}, version="2.5").body[
        "console"
    ]
    assert console["type"] == "novnc"
    rebuilt = cloud.act(server, "rebuild", {"imageRef": service.IMAGE, "name": "new"}).body[
        "server"
    ]
    assert (rebuilt["status"], rebuilt["name"]) == ("REBUILD", "new")
    assert cloud.status(server) == ("ACTIVE", None)


def test_what_was_asked_is_shown(cloud: Any) -> None:
    server = cloud.create()
    reply = cloud.act(server, "os-stop")
    cloud.act(server, "pause")  # refused: it does not show
    path = f"/servers/{server}/os-instance-actions"
    listed = cloud.send("member", "GET", path).body["instanceActions"]
    assert [each["action"] for each in listed] == ["stop", "create"]
    request = reply.headers["x-openstack-request-id"]
    assert listed[0]["request_id"] == request
    one = cloud.send("member", "GET", f"{path}/{request}").body["instanceAction"]
    assert one["events"][0]["result"] == "Success"
    assert "events" not in cloud.send("member", "GET", f"{path}/{request}", version="2.1").text
    assert cloud.send("member", "GET", f"{path}/req-none").message == "Action req-none not found"


def test_what_clients_look_up(cloud: Any) -> None:
    assert cloud.send("anonymous", "GET", "/", prefix="").body["versions"][0]["version"] == LATEST
    for path in ("/v2.1", "/v2.1/", "/identity/v3", "/image/v2/images", "/network/v2.0/networks"):
        assert cloud.send("anonymous", "GET", path, prefix="").code == 200
    assert len(cloud.send("member", "GET", "/flavors/detail").body["flavors"]) == 3
    assert cloud.send("member", "GET", "/flavors/1").body["flavor"]["name"] == "m1.tiny"
    assert cloud.send("member", "GET", "/flavors/99").code == 404
    assert "/v2.1/servers/{server_id}/action" in cloud.send(
        "anonymous", "GET", "/openapi.json", prefix=""
    ).body["paths"]  # fmt: skip


# -------------------------------------------------------------------------------- hostile input


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"1", b'"x"', b"{}", b"\xff\xfe", b"[" * 5000, b"NaN",
        b'{"os-stop": null, "os-start": null}', b'{"\\ud800": null}', b'{"\\u0000": 1}',
        b'{"lock": {"locked_reason": 5}}', b'{"resize": {"flavorRef": 1e400}}',
        b'{"reboot": {"type": {"a": []}}}', b'{"rebuild": {"imageRef": "\\ud800"}}',
    ],
)  # fmt: skip
def test_a_bad_body_is_answered_as_bad(cloud: Any, body: bytes) -> None:
    server = cloud.create()
    reply = cloud.send("member", "POST", f"/servers/{server}/action", body)
    assert reply.code in (400, 404)
    assert list(reply.body) in (["badRequest"], ["itemNotFound"])
    assert cloud.status(server) == ("ACTIVE", None)


@pytest.mark.parametrize(
    "text", ["\0", "\ud800", "'; drop table servers; --", "\U0001f600", "{base}"]
)
def test_any_text_is_kept_or_replaced_and_never_a_500(cloud: Any, text: str) -> None:
    server = cloud.create("web")
    body = json.dumps({"lock": {"locked_reason": text}}).encode()
    reply = cloud.send("member", "POST", f"/servers/{server}/action", body)
    assert reply.code == 202
    kept = text if text not in ("\0", "\ud800") else "?"
    assert cloud.show(server)["locked_reason"] == kept
    assert cloud.create("more", description=None, metadata={"k": "v"})


@pytest.mark.parametrize(
    "body",
    [
        b'{"os-stop": {"a": NaN}}',
        b'{"os-stop": ' + b'{"a":' * 800 + b"1" + b"}" * 801,
        b'{"os-stop": "\\u0000"}',
        b'{"os-stop": [1e400]}',
    ],
)  # fmt: skip
def test_what_nobody_looks_at_is_not_kept(cloud: Any, body: bytes) -> None:
    server = cloud.create()
    assert cloud.send("member", "POST", f"/servers/{server}/action", body).code == 202
    assert cloud.status(server) == ("SHUTOFF", None)


def test_hints_may_stand_beside_the_server(cloud: Any) -> None:
    server = {"name": "x", "flavorRef": "1", "imageRef": service.IMAGE, "networks": "none"}
    body = {"os:scheduler_hints": {}, "server": server}
    assert cloud.send("member", "POST", "/servers", body).code == 202


@pytest.mark.parametrize("ident", ["%00", "%27%20or%201=1", "x" * 5000, "%F0%9F%98%80", "..%2f.."])
def test_any_id_is_just_not_found(cloud: Any, ident: str) -> None:
    assert cloud.send("member", "GET", f"/servers/{ident}").code == 404
    assert cloud.act(ident, "os-stop").code == 404
    assert cloud.send("member", "DELETE", f"/servers/{ident}").code == 404


@pytest.mark.parametrize(
    "server",
    [
        None, [], {}, {"name": "x"}, {"flavorRef": "1"}, {"name": 5, "flavorRef": "1"},
        {"name": "", "flavorRef": "1"}, {"name": "x", "flavorRef": "99", "networks": "none"},
        {"name": "x", "flavorRef": "1", "networks": "none", "bogus": 1},
        {"name": "x", "flavorRef": "1", "networks": "none", "imageRef": NO_SERVER},
        {"name": "x" * 300, "flavorRef": "1", "networks": "none"},
        {"name": "x", "flavorRef": [], "networks": "none"},
        {"name": "x", "flavorRef": "1", "networks": "none"},
    ],
)  # fmt: skip
def test_a_wrong_server_is_not_created(cloud: Any, server: Any) -> None:
    assert cloud.send("member", "POST", "/servers", {"server": server}).code == 400
    assert cloud.send("member", "GET", "/servers").body == {"servers": []}


def test_sizes_and_types_are_limited(cloud: Any) -> None:
    server = cloud.create()
    path = f"/servers/{server}/action"
    assert cloud.send("member", "POST", path, b'{"os-stop": null}' + b" " * 120_000).code == 413
    kind = {"Content-Type": "text/xml"}
    assert cloud.send("member", "POST", path, b"<a/>", **kind).code == 415
    assert cloud.send("member", "PATCH", path).code == 404
    assert cloud.status(server) == ("ACTIVE", None)


# ---------------------------------------------------------------------------------------- modes


@pytest.fixture
def manual(url: str) -> Iterator[Any]:
    with service.serving(Store(url, mode=Mode.MANUAL, seconds={"resize": 10})) as running:
        yield running


def test_by_hand_time_passes_when_it_is_told(manual: Any) -> None:
    server = manual.create()
    assert manual.status(server) == ("BUILD", "scheduling")
    assert manual.control("run").code == 204
    assert manual.status(server) == ("ACTIVE", None)
    manual.act(server, "resize", {"flavorRef": "2"})
    assert manual.status(server) == ("RESIZE", "resize_prep")
    refused = manual.act(server, "os-stop")
    assert (
        refused.message == f"Cannot 'stop' instance {server} while it is in task_state resize_prep"
    )
    manual.control("tick", seconds=9)
    assert manual.status(server) == ("RESIZE", "resize_prep")
    manual.control("tick", seconds=1)
    assert manual.status(server) == ("RESIZE", "resize_migrating")
    manual.control("tick", seconds=100)
    assert manual.status(server) == ("VERIFY_RESIZE", None)
    assert manual.show(server)["flavor"]["original_name"] == "m1.small"


def test_a_deletion_overtakes(manual: Any) -> None:
    server = manual.create()
    manual.control("run")
    manual.act(server, "resize", {"flavorRef": "2"})
    assert manual.send("member", "DELETE", f"/servers/{server}").code == 204
    assert manual.status(server) == ("ACTIVE", "deleting")
    manual.control("run")
    assert manual.send("member", "GET", f"/servers/{server}").code == 404


def test_an_administrator_frees_a_server_and_its_work_ends(manual: Any) -> None:
    server = manual.create()
    manual.control("run")
    manual.act(server, "os-stop")
    manual.act(server, "os-resetState", {"state": "error"}, "admin")
    manual.control("run")
    assert manual.status(server) == ("ERROR", None)


def test_a_failure_that_was_ordered_strikes_once(cloud: Any) -> None:
    first, second = cloud.create(), cloud.create()
    order = {"action": "resize", "failure": "driver-error", "server": second}
    assert cloud.control("fail", **order).code == 204
    for server in (first, second):
        assert cloud.act(server, "resize", {"flavorRef": "2"}).code == 202
    assert cloud.status(first) == ("VERIFY_RESIZE", None)
    assert cloud.status(second) == ("ERROR", None)
    shown = cloud.show(second)
    assert shown["fault"]["message"] == "resize.driver-error"
    assert shown["flavor"]["original_name"] == "m1.tiny"
    path = f"/servers/{second}/os-instance-actions"
    assert cloud.send("member", "GET", path).body["instanceActions"][0]["message"] == "Error"
    assert cloud.act(second, "os-resetState", {"state": "active"}, "admin").code == 202
    assert cloud.act(second, "resize", {"flavorRef": "2"}).code == 202
    assert cloud.status(second) == ("VERIFY_RESIZE", None)


def test_a_creation_may_fail_and_so_may_what_is_under_way(manual: Any) -> None:
    manual.control("fail", action="create", failure="no-valid-host")
    server = manual.create()
    manual.control("run")
    assert manual.status(server) == ("ERROR", None)
    server = manual.create()
    manual.control("run")
    manual.act(server, "suspend")
    manual.control("fail", action="suspend", failure="driver-error", server=server)
    manual.control("run", server=server)
    assert manual.status(server) == ("ERROR", None)


def test_control_says_what_is_wrong_and_is_the_administrator_s(cloud: Any) -> None:
    for what, given in (
        ("fail", {"action": "resize", "failure": "no-such"}),
        ("fail", {"action": "rezise", "failure": "driver-error"}),
        ("fail", {"action": "resize"}),
        ("fail", {"action": "resize", "failure": "driver-error", "at": "nowhere"}),
        ("tick", {"seconds": 5}),
        ("run", {"servers": 1}),
    ):
        reply = cloud.control(what, **given)
        assert reply.code == 400, (what, given)
    assert cloud.send("member", "POST", "/control/run", {}, prefix="").code == 404
    assert cloud.send("admin", "POST", "/control/session", {}, prefix="").code == 404
    assert cloud.send("admin", "POST", "/control/run", [], prefix="").code == 400


def test_work_takes_its_time(url: str) -> None:
    with service.serving(Store(url, mode=Mode.TIMED, seconds={"": 0.05})) as cloud:
        server, end = cloud.create(), time.monotonic() + 30
        seen = [cloud.status(server)]
        while seen[-1] != ("ACTIVE", None) and time.monotonic() < end:
            seen.append(cloud.status(server))
        assert seen[-1] == ("ACTIVE", None)
        assert {status for status, _ in seen[:-1]} == {"BUILD"}


# ------------------------------------------------------------------------------ restarts, races


@pytest.mark.parametrize("mode", list(Mode))
def test_a_new_process_brings_back_the_servers_and_frees_them(url: str, mode: Mode) -> None:
    """Servers at each task_state of a resize, a rebuild and a deletion."""
    store = Store(url, mode=Mode.MANUAL, seconds={"": 0.1})
    with service.serving(store) as cloud:
        servers = [cloud.create(f"web-{number}") for number in range(8)]
        cloud.control("run")
        for server, action in zip(servers, ("resize", "rebuild") * 4, strict=True):
            given = {"resize": {"flavorRef": "2"}, "rebuild": {"imageRef": service.IMAGE}}[action]
            assert cloud.act(server, action, given).code == 202
            cloud.control("tick", seconds=0.1)
        assert len({cloud.status(server) for server in servers}) > 3
        gone = cloud.create("gone")
        cloud.send("member", "DELETE", f"/servers/{gone}")
    with service.serving(Store(url, mode=mode, seconds={"": 0.01})) as cloud:
        if mode is Mode.MANUAL:
            cloud.control("run")
        end = time.monotonic() + 30
        while any(cloud.status(each)[1] for each in servers) and time.monotonic() < end:
            time.sleep(0.02)
        seen = Counter(cloud.status(server) for server in servers)
        assert seen == {("VERIFY_RESIZE", None): 4, ("ACTIVE", None): 4}
        while cloud.send("admin", "GET", f"/servers/{gone}").code != 404:
            assert time.monotonic() < end
            time.sleep(0.02)


def race(count: int, cloud: Any, server: str, actions: tuple[str, ...]) -> list[Any]:
    """Send each action from so many threads at once; return the answers."""
    replies, ready = [], threading.Barrier(count)

    def send(number: int) -> None:
        ready.wait()
        replies.append(cloud.act(server, actions[number % len(actions)]))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def test_of_requests_that_race_one_wins(manual: Any) -> None:
    server = manual.create()
    manual.control("run")
    for _ in range(10):
        assert manual.status(server) == ("ACTIVE", None)
        replies = race(12, manual, server, ("os-stop", "pause", "suspend"))
        assert Counter(reply.code for reply in replies) == {202: 1, 409: 11}
        task = manual.status(server)[1]
        losers = {reply.message for reply in replies if reply.code == 409}
        assert all(each.endswith(f"while it is in task_state {task}") for each in losers)
        manual.act(server, "os-resetState", {"state": "active"}, "admin")
        manual.control("run")


def test_two_processes_may_serve_one_database(url: str) -> None:
    one, other = (Store(url, mode=Mode.MANUAL) for _ in range(2))
    with service.serving(one) as first, service.serving(other) as second:
        server = first.create()
        assert second.status(server) == ("BUILD", "scheduling")
        threads = [threading.Thread(target=store.run) for store in (one, other) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert first.status(server) == second.status(server) == ("ACTIVE", None)
        path = f"/servers/{server}/os-instance-actions"
        assert len(first.send("member", "GET", path).body["instanceActions"]) == 1
        assert first.act(server, "pause").code == 202
        assert second.act(server, "pause").code == 409


def test_a_guard_that_does_not_hold_writes_nothing(url: str, monkeypatch: Any) -> None:
    """Between check and UPDATE another request is let in: its loser looks again."""
    store = Store(url, mode=Mode.MANUAL)
    with service.serving(store) as cloud:
        server = cloud.create()
        cloud.control("run")
        swap = Store._swap
        let_in: list[str] = []

        def late(self: Store, db: Any, row: Any, *rest: Any) -> bool:
            if not let_in:
                let_in.append(row.id)
                put(store, server, state("active", "powering-off"))
            return swap(self, db, row, *rest)

        monkeypatch.setattr(Store, "_swap", late)
        reply = cloud.act(server, "pause")
        assert let_in == [server]
        assert reply.code == 409
        assert reply.message.endswith("while it is in task_state powering-off")
        (row,) = store.rows(SERVERS, id=server)
        assert server_of(row) == state("active", "powering-off")


def test_it_serves_from_postgresql() -> None:
    if (reason := postgres.missing()) is not None:
        pytest.skip(reason)
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with (
        postgres.cluster() as cluster,
        service.serving(Store(cluster.url, mode=Mode.MANUAL)) as cloud,
    ):
        server = cloud.create("\u00e9", metadata={"a": "\0"})
        cloud.control("run")
        replies = race(12, cloud, server, ("os-stop", "pause", "suspend"))
        assert Counter(reply.code for reply in replies) == {202: 1, 409: 11}
        cloud.control("run")
        assert cloud.show(server)["name"] == "\u00e9"
        for hostile in (b'{"lock": {"locked_reason": "\\u0000"}}', b'{"unlock": {"a": NaN}}'):
            path = f"/servers/{server}/action"
            assert cloud.send("member", "POST", path, hostile).code == 202
        assert cloud.send("member", "GET", "/servers/%00").code == 404
        assert cloud.send("member", "GET", "/servers?limit=1").code == 200


def test_rulebooks_differ(tmp_path: Path) -> None:
    codes = []
    for number, book in enumerate((API_REFERENCE, NOVA_34)):
        with service.serving(Store(f"sqlite:///{tmp_path}/{number}.sqlite", book)) as cloud:
            codes.append(cloud.act(cloud.create(), "migrate", actor="manager").code)
    assert codes == [403, 202]


# ---------------------------------------------------------------------------------- the command


def test_the_command_serves_and_wrong_options_are_said() -> None:
    with service.started("--seed", "7") as cloud:
        plain = {"X-Auth-Token": "member:demo"}
        assert cloud.send("anonymous", "GET", "/servers", **plain).body == {"servers": []}
    for wrong in (["--database", "nonsense"], ["--mode", "x"], ["--seconds", "x=1"]):
        with pytest.raises(RuntimeError, match="error: "), service.started(*wrong):
            raise AssertionError("it serves")
