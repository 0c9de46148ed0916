"""The session that was recorded with the real Nova, step by step with the example service.

`tests/nova/session.py` has the steps and records them; `tests/nova/test_same_session.py` looks
whether Nova still answers so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from serverfsm import NOVA_34
from tests.examples import service
from tests.nova import session

RECORDED: list[dict[str, Any]] = json.loads(session.PATH.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    url = f"sqlite:///{tmp_path_factory.mktemp('session')}/compute.sqlite"
    words = {"flavor": service.FLAVOR, "bigger": service.BIGGER_FLAVOR, "image": service.IMAGE}
    with service.serving(service.Store(url, NOVA_34)) as cloud:
        yield session.run(cloud, session.Words(words))


def test_the_recording_is_of_this_session() -> None:
    steps = [json.loads(json.dumps(session.asdict(step))) for step in session.steps()]
    assert [each["step"] for each in RECORDED] == steps
    assert len(steps) >= 80


@pytest.mark.parametrize("number", range(len(RECORDED)))
def test_the_service_answers_as_nova_did(number: int, replayed: list[dict[str, Any]]) -> None:
    assert replayed[number] == RECORDED[number]
