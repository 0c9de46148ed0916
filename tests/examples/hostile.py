"""Hostile requests to the example service, in this process: `python hostile.py --requests 1000000`.

    --requests N    how many (20,000)
    --seconds S     stop after so many seconds all the same
    --seed S        the same requests again
    --database URL  unless given, a SQLite file in memory

Bodies are made from the schemas and mutated; ids, headers, names and query strings are such as
break out of SQL, HTML, logs and headers. After every answer what must hold is looked at; exit
status 1 if anything did not, with the request that shows it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

HERE = Path(__file__).resolve()
for place in (HERE.parents[2], HERE.parents[2] / "docs" / "examples"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from compute_api.app import create_app  # noqa: E402
from compute_api.cloud import TOKENS, USERS  # noqa: E402
from compute_api.store import REQUESTS, SERVERS, Mode, Store  # noqa: E402

from serverfsm import API_REFERENCE, Actor, negotiate  # noqa: E402
from serverfsm.bodies import asked, body_schemas  # noqa: E402
from serverfsm.rows import Lock  # noqa: E402
from tests.bodies import STRINGS, bodies, structures  # noqa: E402

VERSIONS = [f"2.{minor}" for minor in (1, 5, 17, 25, 30, 44, 57, 68, 73, 77, 90, 91, 96, 104)]
TOKEN_OF = {who.user: token for token, who in TOKENS.items()}
#: Texts that break out of something, if anything lets them.
HOSTILE = (
    *STRINGS,
    *("' OR '1'='1", "'; DROP TABLE servers; --", '" OR ""="', "1' UNION SELECT * FROM servers--"),
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"),
    *("a\r\nSet-Cookie: x=1", "a\nINFO forged line", "\x1b[31mred", "%0d%0aX-Injected: 1"),
    *("../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "%", "%%%", "%s%s%s%n", "{0.__class__}"),
    *("${jndi:ldap://x}", "{{7*7}}", "`id`", "$(id)", "| id", "\\", "\ud800", "\U0001f4a9" * 50),
    *("a" * 300, "a" * 5000, "[" * 500, "NaN", "Infinity", "1e400", "-0", "null", "undefined"),
)
#: Octets that are no text at all.
OCTETS = (b"\xff\xfe", b"\x00", b"\x80" * 9, bytes(range(256)), b"[" * 20_000, b'{"a":' * 3_000)
CONTENT_TYPES = ("application/json",) * 100 + (
    *("", "text/plain", "application/xml", "application/JSON", "multipart/form-data; boundary=x"),
    *("application/json; charset=utf-16", "a\tb", "application/json\r\nX-Injected: 1"),
)
#: Where FastAPI hands work to threads.
THREADED = ("fastapi.routing", "fastapi.dependencies.utils")
#: The project of the users who ask; that of "stranger" is the one that nobody else may touch.
ASKING = ("member", "colleague", "manager", "reader", "admin")


class Sent(NamedTuple):
    """A request as it goes over the wire."""

    user: str
    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Got(NamedTuple):
    """What came back."""

    code: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass
class Finding:
    """Something that did not hold."""

    what: str
    sent: Sent
    got: Got


@dataclass
class Service:
    """The service, its servers, and what is found wrong with it."""

    store: Store
    app: Any
    mine: list[str]
    others: list[str]
    locked: list[str]
    guarded: Any = None
    codes: Counter[int] = field(default_factory=Counter)
    paired: int = 0
    on_locked: int = 0
    found: list[Finding] = field(default_factory=list)

    async def send(self, sent: Sent) -> Got:
        """Send a request through the application, as a server would."""
        parts: list[dict[str, Any]] = []
        pending = [{"type": "http.request", "body": sent.body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return pending.pop() if pending else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            parts.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": sent.method,
            "scheme": "http",
            "path": sent.path,
            "raw_path": quote(sent.path, errors="replace").encode(),
            "query_string": sent.query,
            "root_path": "",
            "headers": list(sent.headers),
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8774),
            "app": self.app,
        }
        try:
            await self.app(scope, receive, send)
        except Exception as error:  # what a server would answer 500 to
            return Got(599, (), repr(error).encode(errors="replace"))
        start = next(each for each in parts if each["type"] == "http.response.start")
        body = b"".join(each.get("body", b"") for each in parts)
        return Got(start["status"], tuple(map(tuple, start["headers"])), body)

    def complain(self, what: str, sent: Sent, got: Got) -> None:
        self.found.append(Finding(what, sent, got))


# ----------------------------------------------------------------------------- what is sent


class Draw:
    """Requests by chance; the same seed gives the same."""

    def __init__(self, seed: int, service: Service) -> None:
        self.random, self.service = random.Random(seed), service
        self.made: list[bytes] = []
        for version in VERSIONS[::3]:
            for key, schema in body_schemas(microversion=version).items():
                found = [*bodies(schema, chance=3), *structures(schema, (key, "os-stop"))]
                self.made += [each.data for each in self.random.sample(found, min(40, len(found)))]
                # Right ones often enough that something happens.
                self.made += [each.data for each in found[:3]] * 4

    def text(self) -> str:
        return self.random.choice(HOSTILE)

    def ident(self) -> str:
        service, chance = self.service, self.random.random()
        if chance < 0.45:
            return self.random.choice(service.mine)
        if chance < 0.65:
            return self.random.choice(service.locked)
        if chance < 0.85:
            return self.random.choice(service.others)
        return str(uuid.UUID(int=self.random.getrandbits(128))) if chance < 0.9 else self.text()

    def request(self) -> Sent:
        """Return a request."""
        user = self.random.choice(ASKING)
        method, path = self.random.choice(ENDPOINTS)
        path = path.replace("{id}", self.ident()).replace("{text}", self.text())
        if self.random.random() < 0.02:
            method = self.random.choice(("PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"))
        query = ""
        if self.random.random() < 0.15:
            name = self.random.choice(("limit", "marker", "all_tenants", "name", self.text()))
            query = f"{quote(name, errors='replace')}={quote(self.text(), errors='replace')}"
        body = self.body(path) if method == "POST" else b""
        return Sent(user, method, path, query.encode(), self.headers(user), body)

    def headers(self, user: str) -> tuple[tuple[bytes, bytes], ...]:
        version = self.random.choice(VERSIONS)
        named = f"compute {version}" if self.random.random() < 0.97 else self.text()
        token = TOKEN_OF[user] if self.random.random() < 0.97 else self.text()
        kind = self.random.choice(CONTENT_TYPES)
        pairs = [
            ("content-type", kind),
            ("x-auth-token", token),
            ("openstack-api-version", named),
            ("host", "127.0.0.1" if self.random.random() < 0.97 else self.text()),
        ]
        if self.random.random() < 0.05:
            pairs.append((self.random.choice(("x-forwarded-host", "cookie", "x-a")), self.text()))
        return tuple((name.encode(), _header(value)) for name, value in pairs)

    def body(self, path: str) -> bytes:
        chance = self.random.random()
        if chance < 0.03:
            return self.random.choice(OCTETS)
        if path.endswith("/action"):
            return self.random.choice(self.made)
        if path.startswith("/identity"):
            return json.dumps(_filled(LOGIN, self.text())).encode(errors="replace")
        name: Any = self.random.choice(("web", self.text(), None, 7, ["web"]))
        server = {"name": name, "flavorRef": self.random.choice(("1", 1, self.text())),
                  "imageRef": self.random.choice((IMAGE, "", self.text())), "networks": "none",
                  "metadata": {self.text(): self.text()}}  # fmt: skip
        for key in self.random.sample(sorted(server), self.random.randrange(3)):
            del server[key]
        return json.dumps({"server": server}).encode(errors="replace")


IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
LOGIN = {
    "auth": {
        "identity": {"methods": ["password"], "password": {"user": {"name": "?", "password": "?"}}},
        "scope": {"project": {"name": "?"}},
    }
}
ENDPOINTS = (
    *[("POST", "/v2.1/servers/{id}/action")] * 24,
    *[("GET", "/v2.1/servers/{id}")] * 6,
    *[("GET", "/v2.1/servers/{id}/os-instance-actions")] * 2,
    *(("GET", "/v2.1/servers"), ("GET", "/v2.1/servers/detail"), ("POST", "/v2.1/servers")),
    *(("GET", "/v2.1/servers/{id}/os-instance-actions/{text}"), ("DELETE", "/v2.1/servers/{text}")),
    *(("GET", "/{text}"), ("GET", "/v2.1/{text}"), ("POST", "/identity/v3/auth/tokens")),
    *(("GET", "/v2.1/servers/{text}/../{id}"), ("POST", "/v2.1/servers/{text}/action")),
)


def _header(value: str) -> bytes:
    """A server gives the application no line ends and no NUL in a header."""
    octets = value.encode("utf-8", "replace")
    return octets.replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b" ")


def _filled(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, text) for key, each in value.items()}
    return text if value == "?" else value


# ------------------------------------------------------------------------ what must hold


def look(service: Service, sent: Sent, got: Got, before: Any) -> None:
    """Look at one answer."""
    service.codes[got.code] += 1
    if got.code >= 500 and got.code != 501:
        service.complain("5xx", sent, got)
    headers = dict(got.headers)
    if b"x-openstack-request-id" not in headers and got.code != 599:
        service.complain("no request id", sent, got)
    if any(b"\r" in each or b"\n" in each for pair in got.headers for each in pair):
        service.complain("a line end in a header", sent, got)
    if b"x-injected" in headers or b"set-cookie" in headers:
        service.complain("a header that was sent in a value", sent, got)
    if got.body:
        if not headers.get(b"content-type", b"").startswith(b"application/json"):
            service.complain("an answer that is no JSON", sent, got)
        try:
            json.loads(got.body)
        except ValueError:
            service.complain("an answer that says it is JSON, and is none", sent, got)
    if before is not None and got.code < 300:
        _look_at_the_lock(service, sent, got, before)


def _look_at_the_lock(service: Service, sent: Sent, got: Got, before: Any) -> None:
    """An accepted request on a locked server is an administrator's, or one that ignores locks."""
    if not before.locked or USERS[sent.user].role is Actor.ADMIN:
        return
    service.on_locked += 1
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent.headers}
    version = negotiate(headers).microversion
    action = None if version is None else asked(sent.body, microversion=version).action
    if action is None or API_REFERENCE[action].lock is not Lock.IGNORED:
        service.complain("a locked server was acted on", sent, got)


async def look_abroad(service: Service, sent: Sent, got: Got, unknown: str) -> None:
    """Another project's server is answered, to the letter, as one that there is not."""
    (ident,) = [each for each in service.others if each in sent.path]
    twin = await service.send(sent._replace(path=sent.path.replace(ident, unknown)))
    service.paired += 1
    if (got.code, got.body.replace(ident.encode(), b"?")) != (
        twin.code,
        twin.body.replace(unknown.encode(), b"?"),
    ):
        service.complain(f"{twin.code} {twin.body!r} for an unknown one", sent, got)


@contextmanager
def no_forged_log(service: Service) -> Iterator[None]:
    """Every line of the log stays one line, without control characters."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if any(ord(char) < 32 or ord(char) == 127 for char in text):
                nothing = Sent("", "", "", b"", (), b"")
                service.complain(f"a log line: {text!r}", nothing, Got(0, (), b""))

    handler, root = Handler(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


# ------------------------------------------------------------------------------------ the run


def prepare(url: str, count: int = 12) -> Service:
    """Return a service with servers of two projects, some of them locked by an administrator."""
    store = Store(url, API_REFERENCE, Mode.IMMEDIATE, seed=1)
    app = create_app(store, noauth=False)
    service = Service(store, app, [], [], [])

    async def make(user: str) -> str:
        body = {"server": {"name": "web", "flavorRef": "1", "imageRef": IMAGE, "networks": "none"}}
        headers = _as(user)
        sent = Sent(user, "POST", "/v2.1/servers", b"", headers, json.dumps(body).encode())
        got = await service.send(sent)
        assert got.code == 202, got
        return str(json.loads(got.body)["server"]["id"])

    async def lock(ident: str) -> None:
        path = f"/v2.1/servers/{ident}/action"
        got = await service.send(Sent("admin", "POST", path, b"", _as("admin"), b'{"lock": null}'))
        assert got.code == 202, got

    async def all_of_it() -> None:
        for _ in range(count):
            service.mine.append(await make("member"))
            service.others.append(await make("stranger"))
            service.locked.append(await make("member"))
            await lock(service.locked[-1])

    asyncio.run(all_of_it())
    service.guarded = abroad(service)
    return service


def _as(user: str) -> tuple[tuple[bytes, bytes], ...]:
    token = TOKEN_OF[user].encode()
    return (
        (b"content-type", b"application/json"),
        (b"x-auth-token", token),
        (b"openstack-api-version", b"compute 2.104"),
        (b"host", b"127.0.0.1"),
    )


def abroad(service: Service) -> Sequence[Any]:
    """Return the whole records of the project that nobody but an administrator may touch."""
    rows = service.store.rows(SERVERS, project=USERS["stranger"].project)
    return [tuple(row) for row in rows]


async def attack(service: Service, requests: int, seconds: float, seed: int) -> int:
    """Send requests until there were so many, or the time is up; return how many there were."""
    draw, end, sent_so_far = Draw(seed, service), time.monotonic() + seconds, 0
    fresh, due = random.Random(seed), 1_000
    while sent_so_far < requests and time.monotonic() < end and len(service.found) < 20:
        sent = draw.request()
        is_abroad = any(each in sent.path for each in service.others)
        if is_abroad and sent.user == "admin":
            sent = sent._replace(user="member", headers=_as("member"))
        is_locked = sent.method == "POST" and any(each in sent.path for each in service.locked)
        before = None
        if is_locked:
            ident = next(each for each in service.locked if each in sent.path)
            before = next(iter(service.store.rows(SERVERS, id=ident)))
        got = await service.send(sent)
        sent_so_far += 1
        look(service, sent, got, before)
        if is_abroad:
            await look_abroad(service, sent, got, str(uuid.UUID(int=fresh.getrandbits(128))))
            sent_so_far += 1
        if sent_so_far >= due:
            due += 1_000
            await refresh(service)
            if due % 50_000 == 1_000:
                print(f"{sent_so_far} requests, {len(service.found)} findings", flush=True)
    if abroad(service) != service.guarded:
        nothing = Sent("", "", "", b"", (), b"")
        service.complain("another project's servers were changed", nothing, Got(0, (), b""))
    return sent_so_far


async def refresh(service: Service) -> None:
    """Bring servers back to where most can be done, and replace those that were deleted."""
    body = b'{"os-resetState": {"state": "active"}}'
    for place in (service.mine, service.locked):
        for at, ident in enumerate(place):
            path = f"/v2.1/servers/{ident}/action"
            got = await service.send(Sent("admin", "POST", path, b"", _as("admin"), body))
            if got.code == 404:
                made = {"server": {"name": "web", "flavorRef": "1", "imageRef": IMAGE,
                                   "networks": "none"}}  # fmt: skip
                text = json.dumps(made).encode()
                got = await service.send(
                    Sent("member", "POST", "/v2.1/servers", b"", _as("member"), text)
                )
                place[at] = str(json.loads(got.body)["server"]["id"])
    for ident in service.locked:
        path = f"/v2.1/servers/{ident}/action"
        await service.send(Sent("admin", "POST", path, b"", _as("admin"), b'{"lock": null}'))
    # Else lists get longer and longer, and a long run ever slower.
    kept = (*service.mine, *service.locked, *service.others)
    with service.store.engine.begin() as db:
        db.execute(SERVERS.delete().where(SERVERS.c.id.not_in(kept)))
        db.execute(REQUESTS.delete())


async def at_once(call: Any, *given: Any, **named: Any) -> Any:
    """Stand for `run_in_threadpool`: one request at a time needs no threads."""
    return call(*given, **named)


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack, and say what was found."""
    parser = argparse.ArgumentParser(description="Hostile requests to the example service.")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--database")
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}", flush=True)
    for module in THREADED:
        vars(importlib.import_module(module))["run_in_threadpool"] = at_once
    with tempfile.TemporaryDirectory() as folder:
        service = prepare(given.database or f"sqlite:///{folder}/compute.sqlite")
        began = time.monotonic()
        with no_forged_log(service):
            sent = asyncio.run(attack(service, given.requests, given.seconds, given.seed))
        seconds = time.monotonic() - began
    for finding in service.found:
        print(f"{finding.what}\n  {finding.sent}\n  {finding.got}")
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(service.codes.items()))
    print(f"{sent} requests in {seconds:.0f} s; {codes}")
    print(f"{service.paired} of them about another project's server, each with its twin about none")
    print(f"{service.on_locked} accepted on a locked server, by who is no administrator")
    print(f"{len(service.found)} findings")
    return 1 if service.found else 0


if __name__ == "__main__":
    sys.exit(main())
