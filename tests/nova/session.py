"""One long session with the API, step by step, and what the real Nova answers to it.

    python tests/nova/session.py --write    (in the environment that setup.py makes)

records it to `tests/data/nova-34-session.json`, which the example service is held against.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[1] / "data" / "nova-34-session.json"
UNKNOWN = "11111111-2222-4333-8444-555555555555"
PATIENCE = 30


@dataclass(frozen=True)
class Step:
    """One request of the session.

    Attributes:
        actor: who sends it: a key of `cloud.ACTORS`, and a user of the example service.
        method, path: {a}, {b} ... stand for servers, by the names under which they were created.
        body: the JSON, a text for what is none, None for no body.
        version: of the request; None: no header.
        creates: the name of the server that it creates.
        until: the status to wait for after it, where no task shows that there is work under way.
    """

    actor: str
    method: str
    path: str
    body: Any = None
    version: str | None = "2.104"
    creates: str | None = None
    until: str | None = None


def act(
    server: str,
    action: str,
    argument: Any = None,
    actor: str = "member",
    version: str = "2.104",
    until: str | None = None,
) -> Step:
    """Return the step that sends one action."""
    path = f"/servers/{{{server}}}/action"
    return Step(actor, "POST", path, {action: argument}, version, until=until)


def create(name: str, actor: str = "member", version: str = "2.104", **more: Any) -> Step:
    """Return the step that creates a server of this name."""
    wanted = {"name": name, "flavorRef": "{flavor}", "imageRef": "{image}", "networks": "auto"}
    return Step(actor, "POST", "/servers", {"server": {**wanted, **more}}, version, name)


def show(server: str, actor: str = "member", version: str = "2.104") -> Step:
    """Return the step that looks at a server."""
    return Step(actor, "GET", f"/servers/{{{server}}}", version=version)


def raw(text: str) -> Step:
    """Return the step that sends this text for an action."""
    return Step("member", "POST", "/servers/{a}/action", text)


def steps() -> Iterator[Step]:
    """Yield the session."""
    # Versions, and who may look.
    yield create("a")
    for version in ("2.1", "2.2", "2.3", "2.8", "2.9", "2.16", "2.19", "2.26", "2.46", "2.47"):
        yield show("a", version=version)
    for version in (
        "2.62",
        "2.63",
        "2.71",
        "2.72",
        "2.73",
        "2.89",
        "2.90",
        "2.96",
        "2.100",
        "2.104",
    ):
        yield show("a", version=version)
        yield show("a", "admin", version)
    yield show("a", "admin", "2.1")
    yield show("a", "reader")
    yield show("a", "stranger")
    yield show("a", "anonymous")
    for version in ("2.105", "3.0", "2.0", "2", "abc", "2.01", "latest"):
        yield Step("member", "GET", "/servers", version=version)
    yield Step("member", "GET", "/servers", version=None)
    yield Step("member", "GET", "/servers/detail")
    yield Step("stranger", "GET", "/servers/detail")
    yield Step("member", "GET", "/servers?limit=1")
    yield Step("member", "GET", "/servers?limit=x")
    yield Step("member", "GET", "/servers?marker={unknown}")
    yield Step("member", "GET", "/servers/{unknown}")
    yield Step("member", "DELETE", "/servers/{unknown}")
    yield Step("member", "GET", "/servers/{a}/os-instance-actions/req-none")
    # Who may act.
    for actor in ("reader", "stranger", "anonymous", "colleague", "manager", "admin"):
        yield act("a", "os-stop", actor=actor)
        yield act("a", "os-start", actor=actor)
    yield Step("member", "POST", "/servers/{unknown}/action", {"os-stop": None})
    # Bodies.
    for text in (
        "{",
        "",
        "[]",
        '["os-stop"]',
        "1",
        "null",
        '"x"',
        "{}",
        '{"os-stop": null, "x": 1}',
    ):
        yield raw(text)
    yield act("a", "nothing-like-this")
    yield act("a", "reboot")
    yield act("a", "reboot", {})
    yield act("a", "reboot", {"type": "MEDIUM"})
    yield act("a", "reboot", {"type": "SOFT", "force": True})
    yield act("a", "resize", {})
    yield act("a", "resize", {"flavorRef": None})
    yield act("a", "resize", {"flavorRef": "{flavor}"})
    yield act("a", "resize", {"flavorRef": "no-such-flavor"})
    yield act("a", "rebuild", {"imageRef": "no-uuid"})
    yield act("a", "rebuild", {"imageRef": "{unknown}"})
    yield act("a", "createImage", {"name": ""})
    yield act("a", "lock", {"locked_reason": ""})
    yield act("a", "lock", {"locked_reason": 5}, version="2.72")
    yield act("a", "unlock")
    yield Step("member", "POST", "/servers", {"server": {"name": "x", "networks": "none"}})
    yield Step("member", "POST", "/servers", {"server": {"flavorRef": "1", "networks": "none"}})
    yield Step("member", "POST", "/servers", {"servers": {}})
    yield Step("reader", "POST", "/servers", create("z").body)
    yield create("y", flavorRef="no-such-flavor")
    yield create("y", imageRef="{unknown}")
    # Microversions at their edges.
    yield act("a", "trigger_crash_dump", version="2.16")
    yield act("a", "trigger_crash_dump", version="2.17")
    yield act("a", "addFixedIp", {"networkId": 1}, version="2.44")
    yield act("a", "removeFloatingIp", {"address": "192.0.2.1"}, version="2.44")
    yield act("a", "os-getVNCConsole", {"type": "novnc"}, version="2.6")
    yield act("a", "os-getVNCConsole", {"type": "novnc"}, version="2.5")
    yield act("a", "os-getVNCConsole", {"type": "vnc"}, version="2.5")
    yield act("a", "os-getConsoleOutput", {"length": "x"})
    yield act("a", "os-getConsoleOutput", {})
    yield act("a", "unshelve", {"host": "compute-1"}, version="2.90")
    yield act("a", "resetNetwork", actor="admin")
    yield act("a", "createImage", {"name": "an image"}, version="2.44")
    yield act("a", "createImage", {"name": "an image"}, version="2.45")
    yield act("a", "createBackup", {"name": "b", "backup_type": "daily", "rotation": 1})
    yield act("a", "createBackup", {"name": "b", "backup_type": "daily", "rotation": -1})
    # The power.
    yield act("a", "os-start")
    yield act("a", "os-stop")
    yield act("a", "os-stop")
    yield act("a", "pause")
    yield act("a", "os-start")
    yield act("a", "pause")
    yield act("a", "pause")
    yield act("a", "os-stop")
    yield act("a", "unpause")
    yield act("a", "unpause")
    yield act("a", "suspend")
    yield act("a", "suspend")
    yield act("a", "resume")
    yield act("a", "resume")
    yield act("a", "reboot", {"type": "SOFT"})
    yield act("a", "reboot", {"type": "hard"})
    yield act("a", "changePassword", {"adminPass": "secret"})
    # Locks.
    yield act("a", "lock")
    for action in ("os-stop", "suspend", "rescue", "shelve", "changePassword"):
        yield act("a", action, {"adminPass": "x"} if action == "changePassword" else None)
    yield act("a", "os-stop", actor="admin")
    yield act("a", "os-start", actor="manager")
    yield act("a", "createImage", {"name": "of a locked one"})
    yield Step("member", "DELETE", "/servers/{a}")
    yield act("a", "unlock", actor="colleague")
    yield act("a", "os-start")
    yield act("a", "lock", {"locked_reason": "maintenance"}, "admin")
    yield show("a")
    yield act("a", "unlock")
    yield act("a", "lock")
    yield act("a", "unlock", actor="admin")
    # Resize.
    yield act("a", "confirmResize")
    yield act("a", "revertResize")
    yield act("a", "resize", {"flavorRef": "{bigger}"})
    yield show("a")
    yield act("a", "os-stop")
    yield act("a", "confirmResize", until="ACTIVE")
    yield act("a", "resize", {"flavorRef": "{flavor}"})
    yield act("a", "revertResize")
    yield show("a", version="2.46")
    yield act("a", "os-stop")
    yield act("a", "resize", {"flavorRef": "{flavor}"})
    yield act("a", "revertResize")
    yield act("a", "os-start")
    yield act("a", "migrate")
    yield act("a", "migrate", actor="manager")
    yield act("a", "revertResize")
    # Rescue, rebuild, shelve.
    yield act("a", "unrescue")
    yield act("a", "rescue", {"adminPass": "given"})
    yield act("a", "rescue")
    yield act("a", "os-stop")
    yield act("a", "unrescue")
    for version in ("2.9", "2.46", "2.53", "2.54", "2.57", "2.74", "2.75", "2.96"):
        yield act("a", "rebuild", {"imageRef": "{image}"}, version=version)
    yield act("a", "rebuild", {"imageRef": "{image}", "name": "renamed", "description": "new"})
    yield show("a")
    yield act("a", "unshelve")
    yield act("a", "shelve")
    yield show("a")
    yield act("a", "shelve")
    yield act("a", "os-start")
    yield act("a", "shelveOffload")
    yield act("a", "os-getConsoleOutput", {})
    yield act("a", "createImage", {"name": "of a shelved one"})
    yield act("a", "unshelve", {"availability_zone": "nova"}, version="2.76")
    yield act("a", "unshelve")
    # The administrator's.
    yield act("a", "os-resetState", {"state": "error"})
    yield act("a", "os-resetState", {"state": "paused"}, "admin")
    yield act("a", "os-resetState", {"state": "error"}, "admin")
    yield act("a", "os-start")
    yield act("a", "resize", {"flavorRef": "{bigger}"})
    yield show("a")
    yield act("a", "os-resetState", {"state": "active"}, "admin")
    yield act("a", "injectNetworkInfo", actor="admin")
    yield act("a", "restore")
    # The end.
    yield create("b", networks="none")
    yield show("b")
    yield Step("member", "GET", "/servers/detail")
    yield act("b", "forceDelete")
    yield Step("reader", "DELETE", "/servers/{a}")
    yield Step("stranger", "DELETE", "/servers/{a}")
    yield Step("member", "DELETE", "/servers/{a}")
    yield show("a")
    yield act("a", "os-start")
    yield Step("member", "DELETE", "/servers/{a}")


class Words:
    """The words for which placeholders stand, and back."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.known = {**words, "unknown": UNKNOWN}

    def put(self, value: Any) -> Any:
        """Return a step's path or body with the words in place."""
        text = json.dumps(value)
        for name, word in self.known.items():
            text = text.replace(f"{{{name}}}", word)
        return json.loads(text)

    def take(self, text: str) -> str:
        """Return a text with the placeholders in the place of the words; flavors are too short."""
        for name, word in self.known.items():
            text = text.replace(word, f"{{{name}}}") if len(word) > 8 else text
        return text


def seen(body: Any) -> Any:
    """Return what of a good answer is compared: its keys, and of lists how many there are."""
    if isinstance(body, list):
        return [len(body), seen(body[0])] if body else [0]
    if not isinstance(body, dict):
        return None
    if len(body) == 1:
        return {key: seen(value) for key, value in body.items()}
    return sorted(body)


def state(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a server's document, as an administrator sees it, is compared."""
    names = ("status", "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state", "locked", "name")
    return {name: document[name] for name in names}


def answered(code: int, text: str, body: Any, words: Words) -> dict[str, Any]:
    """Return one answer as it is recorded: of a refusal all, of anything else what `seen` says.

    Of a 401 the code alone: it is Keystone's middleware that answers, not Nova.
    """
    if code == 401:
        return {"code": code}
    if code >= 400:
        return {"code": code, "fault": json.loads(words.take(text)) if body is not None else None}
    return {"code": code, "body": seen(body)}


def run(cloud: Any, words: Words) -> list[dict[str, Any]]:
    """Go through the session; `cloud` sends requests as `cloud.Cloud.send` does."""
    made = []
    for step in steps():
        body, path = words.put(step.body), words.put(step.path)
        body = body.encode() if isinstance(body, str) else body
        reply = cloud.send(step.actor, step.method, path, body, step.version)
        if step.creates and reply.code == 202:
            words.known[step.creates] = reply.body["server"]["id"]
        answer = answered(reply.code, reply.text, reply.body, words)
        answer["settled"] = {
            name: settled(cloud, ident, step.until)
            for name, ident in words.known.items()
            if name in ("a", "b") and step.method != "GET"
        }
        made.append({"step": asdict(step), "answer": answer})
    return made


def settled(cloud: Any, server: str, until: str | None) -> dict[str, Any] | None:
    """Wait until nothing is under way on a server; return its state, None if it is gone."""
    end = time.monotonic() + PATIENCE
    while True:
        reply = cloud.send("admin", "GET", f"/servers/{server}", None, "2.104")
        if reply.code == 404:
            return None
        document = reply.body["server"]
        # Before its build is scheduled, and when it is all but gone, a server shows no task.
        at_rest = document["status"] not in ("BUILD", "DELETED")
        at_rest = at_rest and until in (None, document["status"])
        if document["OS-EXT-STS:task_state"] is None and at_rest:
            return state(document)
        if time.monotonic() > end:
            raise TimeoutError(f"{server} is still {state(document)}")
        time.sleep(0.02)


def record() -> list[dict[str, Any]]:
    """Return the session with what a real Nova, started for it, answers."""
    import cloud as nova

    words = {"flavor": nova.FLAVOR, "bigger": nova.BIGGER_FLAVOR, "image": nova.IMAGE}
    with nova.start() as cloud:
        return run(cloud, Words(words))


def main(arguments: Sequence[str] | None = None) -> int:
    """Record the session; return 0."""
    parser = argparse.ArgumentParser(description="Record the session with the real Nova.")
    parser.add_argument("--write", action="store_true", help="write it down")
    parser.add_argument("--path", type=Path, default=PATH, help=f"where ({PATH.name})")
    given = parser.parse_args(arguments)
    made = record()
    codes = sorted({each["answer"]["code"] for each in made})
    print(f"{len(made)} steps, answered {', '.join(map(str, codes))}")
    if given.write:
        text = ",\n".join(json.dumps(each, sort_keys=True) for each in made)
        given.path.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
