"""Each recipe, as it stands, in its framework: a refusal arrives as `Verdict.fault` words it."""

from __future__ import annotations

import ast
import asyncio
import doctest
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from serverfsm import (
    API_REFERENCE,
    FIRST,
    LATEST,
    NOVA_34,
    ActionName,
    Actor,
    LockedBy,
    Microversion,
    Rulebook,
    Server,
    TaskState,
    Verdict,
    VmState,
    check,
)

RECIPES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "recipes"


# --- the reader's part: servers in a dict, and a request that says who asks, and for what

SERVERS = {
    "active": Server(VmState.ACTIVE),
    "stopping": Server(VmState.ACTIVE, TaskState.POWERING_OFF),
    "locked": Server(VmState.ACTIVE, locked=True, locked_by=LockedBy.ADMIN),
    "volume": Server(VmState.ACTIVE, volume_backed=True),
    "hostless": Server(VmState.ACTIVE, host=False),
    "building": Server(VmState.BUILDING, TaskState.SPAWNING, launched=False),
    "rescued": Server(VmState.RESCUED),
    "offloaded": Server(VmState.SHELVED_OFFLOADED),
    "gone": Server(VmState.DELETED, deleted=True),
}
NO_SERVER = "none"
RULEBOOKS = {"api-reference": API_REFERENCE, "nova-34": NOVA_34}


class Asked(NamedTuple):
    """One request.

    Attributes:
        server_id: a key of SERVERS, or any other text.
        action, actor, microversion: as `check` takes them.
        rulebook: a key of RULEBOOKS.
    """

    server_id: str
    action: ActionName
    actor: Actor = Actor.MEMBER
    microversion: Microversion = LATEST
    rulebook: str = "nova-34"

    @property
    def path(self) -> str:
        return f"/servers/{quote(self.server_id, safe='')}/action"

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-Action": self.action.value,
            "X-Actor": self.actor.value,
            "X-Microversion": str(self.microversion),
            "X-Rulebook": self.rulebook,
        }

    @property
    def verdict(self) -> Verdict:
        return verdict_on(self.server_id, self.headers)


def verdict_on(server_id: str | None, headers: Mapping[str, str]) -> Verdict:
    return check(
        SERVERS.get(server_id or NO_SERVER),
        headers["X-Action"],
        actor=headers["X-Actor"],
        microversion=headers["X-Microversion"],
        rulebook=RULEBOOKS[headers["X-Rulebook"]],
    )


def accepted_code(server_id: str | None, headers: Mapping[str, str]) -> int:
    """What a route of the reader's does: refuse by raising, or carry on."""
    verdict = verdict_on(server_id, headers)
    verdict.raise_for_refusal(server_id or "")
    return verdict.code


# --- the frameworks


class Answer(NamedTuple):
    """What a test client got; the names of headers in small letters."""

    code: int
    body: bytes
    headers: list[tuple[str, str]]

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


Send = Callable[[str, Mapping[str, str]], Answer]


def answer(code: int, body: bytes, headers: Any) -> Answer:
    return Answer(code, body, sorted((key.lower(), value) for key, value in headers))


@contextmanager
def loaded(name: str, changes: Mapping[str, str] | None = None) -> Iterator[ModuleType]:
    """The recipe as an imported module, without a trace in the folder or in `sys.modules`.

    Args:
        name: of the file.
        changes: text that the page tells the reader to replace, and by what.
    """
    path = RECIPES / f"{name}.py"
    text = path.read_text("utf-8")
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    module = ModuleType(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, name, module)
        exec(compile(text, path, "exec"), vars(module))
        yield module


@contextmanager
def fastapi_service() -> Iterator[Send]:
    pytest.importorskip("fastapi", reason="the recipe is for FastAPI")
    httpx = pytest.importorskip("httpx", reason="FastAPI is driven through httpx")
    from fastapi import Request, Response

    async def act(request: Request) -> Response:
        server_id = request.path_params["server_id"]
        return Response(status_code=accepted_code(server_id, request.headers))

    def act_in_a_thread(request: Request) -> Response:
        return Response(status_code=accepted_code(None, request.headers))

    with loaded("fastapi_recipe") as recipe, asyncio.Runner() as loop:
        recipe.app.add_route("/servers/{server_id}/action", act, methods=["POST"])
        recipe.app.add_route("/servers", act_in_a_thread, methods=["POST"])
        transport = httpx.ASGITransport(recipe.app)
        client = httpx.AsyncClient(transport=transport, base_url="http://service")

        def send(path: str, headers: Mapping[str, str]) -> Answer:
            got = loop.run(client.post(path, headers=headers))
            return answer(got.status_code, got.content, got.headers.multi_items())

        yield send
        loop.run(client.aclose())


@contextmanager
def flask_service() -> Iterator[Send]:
    pytest.importorskip("flask", reason="the recipe is for Flask")
    from flask import Response, request

    def act(server_id: str | None = None) -> Response:
        return Response(status=accepted_code(server_id, dict(request.headers)))

    with loaded("flask_recipe") as recipe:
        recipe.app.post("/servers/<server_id>/action")(act)
        recipe.app.post("/servers")(act)
        client = recipe.app.test_client()

        def send(path: str, headers: Mapping[str, str]) -> Answer:
            got = client.post(path, headers=headers)
            return answer(got.status_code, got.data, got.headers.items())

        yield send


@contextmanager
def django_service() -> Iterator[Send]:
    pytest.importorskip("django", reason="the recipe is for Django")
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    from django.http import HttpRequest, HttpResponse
    from django.test import Client, override_settings
    from django.urls import path as route

    def act(request: HttpRequest, server_id: str) -> HttpResponse:
        return HttpResponse(status=accepted_code(server_id, request.headers))

    async def act_async(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=accepted_code(None, request.headers))

    routes = (route("servers/<str:server_id>/action", act), route("servers", act_async))
    middleware = ["django_recipe.RefusalMiddleware"]
    with (
        loaded("django_recipe"),
        override_settings(ROOT_URLCONF=routes, MIDDLEWARE=middleware),
    ):
        client = Client()

        def send(path: str, headers: Mapping[str, str]) -> Answer:
            got = client.post(path, headers=dict(headers))
            return answer(got.status_code, got.content, got.headers.items())

        yield send


@contextmanager
def falcon_service() -> Iterator[Send]:
    pytest.importorskip("falcon", reason="the recipe is for Falcon")
    from falcon import Request, Response, testing

    class Servers:
        def on_post(
            self, request: Request, response: Response, server_id: str | None = None
        ) -> None:
            # What a route wrote before it refused must not be sent.
            response.media = response.text = "draft"
            names = ("X-Action", "X-Actor", "X-Microversion", "X-Rulebook")
            headers = {name: request.get_header(name, required=True) for name in names}
            response.status = accepted_code(server_id, headers)

    with loaded("falcon_recipe") as recipe:
        recipe.app.add_route("/servers/{server_id}/action", Servers())
        recipe.app.add_route("/servers", Servers())
        client = testing.TestClient(recipe.app)

        def send(path: str, headers: Mapping[str, str]) -> Answer:
            got = client.simulate_post(path, headers=headers)
            return answer(got.status_code, got.content, got.headers.items())

        yield send


@contextmanager
def falcon_asgi_service() -> Iterator[Send]:
    pytest.importorskip("falcon", reason="the recipe is for Falcon")
    from falcon import testing
    from falcon.asgi import Request, Response

    class Servers:
        async def on_post(self, request: Request, response: Response, server_id: str) -> None:
            names = ("X-Action", "X-Actor", "X-Microversion", "X-Rulebook")
            headers = {name: request.get_header(name, required=True) for name in names}
            response.status = accepted_code(server_id, headers)

    changes = {"from falcon import": "from falcon.asgi import", "def refuse": "async def refuse"}
    with loaded("falcon_recipe", changes) as recipe:
        recipe.app.add_route("/servers/{server_id}/action", Servers())
        client = testing.TestClient(recipe.app)

        def send(path: str, headers: Mapping[str, str]) -> Answer:
            got = client.simulate_post(path, headers=headers)
            return answer(got.status_code, got.content, got.headers.items())

        yield send


SERVICES: dict[str, Callable[[], AbstractContextManager[Send]]] = {
    "django_recipe": django_service,
    "falcon_recipe": falcon_service,
    "fastapi_recipe": fastapi_service,
    "flask_recipe": flask_service,
}


@pytest.fixture(scope="module", params=SERVICES)
def send(request: pytest.FixtureRequest) -> Iterator[Send]:
    with SERVICES[request.param]() as sender:
        yield sender


# --- every action, in the states, by the actors and at the versions that make it be refused

ASKED = (
    *(
        Asked(server_id, action, rulebook=rulebook)
        for server_id, action, rulebook in product((*SERVERS, NO_SERVER), ActionName, RULEBOOKS)
    ),
    *(Asked("active", action, actor) for actor, action in product(Actor, ActionName)),
    *(Asked("active", action, microversion=FIRST) for action in ActionName),
)


@pytest.mark.parametrize("action", ActionName, ids=lambda action: action.value)
def test_the_verdict_is_what_arrives(send: Send, action: ActionName) -> None:
    for asked in ASKED:
        if asked.action is not action:
            continue
        got, verdict = send(asked.path, asked.headers), asked.verdict
        assert got.code == verdict.code, asked
        if verdict:
            assert verdict.action is not None
            assert got.code == RULEBOOKS[asked.rulebook][verdict.action].normal, asked
        else:
            fault = verdict.fault(asked.server_id)
            assert (got.code, got.body) == (fault.code, fault.body), asked
            assert got.header("content-type") == [fault.content_type], asked


def codes(servers: list[Server | None], actors: list[Actor], rulebook: Rulebook) -> set[int]:
    """The codes of all refusals of these."""
    verdicts = (
        check(server, action, actor=actor, microversion=version, rulebook=rulebook)
        for server, action, actor in product(servers, ActionName, actors)
        for version in (FIRST, LATEST)
    )
    return {verdict.code for verdict in verdicts if not verdict}


def test_every_code_of_a_refusal_is_among_them() -> None:
    either = (False, True)
    flags = product(either, repeat=4)
    servers = [
        Server(vm, locked=locked, launched=launched, host=host, volume_backed=volume)
        for (locked, launched, host, volume), vm in product(flags, VmState)
    ]
    occurring = set[int]()
    for rulebook in RULEBOOKS.values():
        occurring |= codes([*servers], [Actor.MEMBER], rulebook)
        occurring |= codes([None, *SERVERS.values()], [*Actor], rulebook)
    verdicts = [asked.verdict for asked in ASKED]
    assert {verdict.code for verdict in verdicts if not verdict} == occurring
    assert any(verdict.allowed for verdict in verdicts)


def test_a_route_without_an_id(send: Send) -> None:
    asked = Asked(NO_SERVER, ActionName.CREATE, Actor.ANONYMOUS)
    fault = asked.verdict.fault("")
    got = send("/servers", asked.headers)
    assert (got.code, got.body, got.header("content-type")) == (
        fault.code,
        fault.body,
        [fault.content_type],
    )


def test_falcon_s_other_interface_as_the_page_says() -> None:
    refused = Asked("locked", ActionName.STOP)
    with falcon_asgi_service() as send:
        got, fault = send(refused.path, refused.headers), refused.verdict.fault("locked")
        accepted = Asked("active", ActionName.STOP)
        assert send(accepted.path, accepted.headers).code == accepted.verdict.code
    assert (got.code, got.body) == (fault.code, fault.body)
    assert got.header("content-type") == [fault.content_type]


# --- ids come from the URL

HOSTILE = {
    "quotes": "\"'`",
    "json": '"}, "admin": {"x": "',
    "header": "7\r\nX-Injected: yes\r\n\r\n<html>",
    "newline at the end": "7\n",
    "line separator": "7\u2028\u2029\x85",
    "nul": "7\x00",
    "controls": "\x01\x1b[31m\x7f",
    "backslash": "\\u0022\\",
    "markup": "<img src=x onerror=alert(1)>",
    "placeholders": "{id} {label} %s %(id)s {0}",
    "not ascii": "ü☃\U0001f600\u202e",
    "not ascii, 10 kB": "ü" * 5_000,
    "10 kB": "7" * 10_000,
    "10 kB of quotes": '"' * 10_000,
}


def unknown(server_id: str) -> Asked:
    return Asked(server_id, ActionName.STOP)


def bare(answer: Answer) -> list[tuple[str, str]]:
    """The headers, but for the length."""
    return [header for header in answer.headers if header[0] != "content-length"]


@pytest.mark.parametrize("server_id", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_id_is_text_in_the_body_alone(send: Send, server_id: str) -> None:
    asked, tame = unknown(server_id), unknown("7")
    got = send(asked.path, asked.headers)
    template = asked.verdict.message
    assert template is not None
    assert "{id}" in template
    ((_, fault),) = json.loads(got.body).items()
    assert fault == {"code": asked.verdict.code, "message": server_id.join(template.split("{id}"))}
    assert got.body.isascii()
    assert got.code == asked.verdict.code
    assert got.header("content-length") in ([str(len(got.body))], [])
    assert bare(got) == bare(send(tame.path, tame.headers))


@pytest.mark.parametrize("octets", ["%FF%FE", "%C0%AF", "%ED%A0%80", "%E2%98"])
def test_an_id_that_is_not_utf_8(send: Send, octets: str) -> None:
    tame = unknown("7")
    got = send(f"/servers/{octets}/action", tame.headers)
    ((_, fault),) = json.loads(got.body).items()
    before, _, after = str(tame.verdict.message).partition("{id}")
    assert fault["code"] == got.code == tame.verdict.code
    assert fault["message"].startswith(before)
    assert fault["message"].endswith(after)
    assert bare(got) == bare(send(tame.path, tame.headers))


# --- what is not a refusal, and the page


def test_other_errors_are_left_alone(send: Send) -> None:
    headers = {**unknown("7").headers, "X-Rulebook": "no such book"}
    try:
        got = send("/servers/7/action", headers)
    except KeyError:
        return  # some test clients raise what the service would answer with 500
    assert got.code == 500


@pytest.mark.parametrize("name", SERVICES)
def test_at_most_ten_lines(name: str) -> None:
    text = (RECIPES / f"{name}.py").read_text("utf-8")
    docstring = ast.parse(text).body[0].end_lineno
    lines = [line for line in text.splitlines()[docstring:] if line.strip()]
    assert 0 < len(lines) <= 10


def test_every_recipe_is_driven() -> None:
    assert {path.stem for path in RECIPES.glob("*.py")} == set(SERVICES)


def test_the_example_on_the_page() -> None:
    pytest.importorskip("flask", reason="the example is for Flask")
    pytest.importorskip("jsonschema", reason="the example reads the action off the body")
    with loaded("flask_recipe"):
        failures, tried = doctest.testfile(str(RECIPES / "README.md"), module_relative=False)
    assert failures == 0
    assert tried > 0
