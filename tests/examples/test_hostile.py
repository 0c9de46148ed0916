"""Hostile requests to the example service: a short run of `hostile.py`, and what it must find.

The long run: `python tests/examples/hostile.py --requests 1000000`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from serverfsm import Actor
from serverfsm.openapi import openapi_document
from tests.examples import hostile


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for module in hostile.THREADED:
        monkeypatch.setattr(f"{module}.run_in_threadpool", hostile.at_once)
    return hostile.prepare(f"sqlite:///{tmp_path}/compute.sqlite", count=4)


def attack(service: Any, requests: int, seed: int = 1) -> list[str]:
    """Return what was found wrong."""
    with hostile.no_forged_log(service):
        asyncio.run(hostile.attack(service, requests, float("inf"), seed))
    return [finding.what for finding in service.found]


def test_a_short_run_finds_nothing(service: Any) -> None:
    assert attack(service, 1_500) == []
    assert {200, 202, 400, 401, 403, 404, 409} <= service.codes.keys()
    assert service.paired > 50
    assert service.on_locked > 0


def test_a_stranger_who_sees_a_server_is_found(service: Any, monkeypatch: Any) -> None:
    at_home = hostile.USERS["stranger"].role
    monkeypatch.setattr("compute_api.cloud.Asking.towards", lambda asking, project: at_home)
    assert any("for an unknown one" in each for each in attack(service, 1_500))


def test_a_lock_that_does_not_hold_is_found(service: Any, monkeypatch: Any) -> None:
    towards = hostile.USERS["member"].__class__.towards

    def too_much(asking: Any, project: str) -> Actor:
        found: Actor = towards(asking, project)
        return Actor.ADMIN if found is Actor.MEMBER else found

    monkeypatch.setattr("compute_api.cloud.Asking.towards", too_much)
    assert "a locked server was acted on" in attack(service, 3_000)


def test_a_crash_is_found(service: Any, monkeypatch: Any) -> None:
    def crash(*_: Any, **__: Any) -> Any:
        raise KeyError("hidden")

    monkeypatch.setattr("compute_api.documents.summary", crash)
    assert "5xx" in attack(service, 500)


@pytest.mark.parametrize("version", ["2.1", "2.79", "2.104"])
def test_what_schemathesis_makes_of_the_openapi_document(service: Any, version: str) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    document = openapi_document(microversion=version)
    document["servers"] = [{"url": "/"}]
    document["paths"] = {f"/v2.1{path}": each for path, each in document["paths"].items()}
    schema = schemathesis.openapi.from_dict(document)
    schema.app = service.app
    operation = schema["/v2.1/servers/{server_id}/action"]["POST"]
    documented = {int(code) for code in operation.definition.raw["responses"]}
    codes: Counter[int] = Counter()

    @given(case=operation.as_strategy())
    @settings(max_examples=150, deadline=None, suppress_health_check=[*HealthCheck], database=None)
    def run(case: Any) -> None:
        if not codes.total() % 10:
            asyncio.run(hostile.refresh(service))
        case.headers = {name.decode(): value.decode() for name, value in hostile._as("admin")}
        case.headers["openstack-api-version"] = f"compute {version}"
        case.path_parameters = {"server_id": service.mine[codes.total() % len(service.mine)]}
        answer = case.call()
        codes[answer.status_code] += 1
        assert answer.status_code in documented

    run()
    assert len(codes) > 2
