"""The session that was recorded with the real Nova, step by step with the example service.

`tests/nova/session.py` has the steps and records them; `tests/nova/test_same_session.py` looks
whether Nova still answers so.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serverfsm import NOVA_34

HERE = Path(__file__).resolve().parent


def _module(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


service = _module("examples_service", HERE / "service.py")
session = _module("nova_session", HERE.parent / "nova" / "session.py")
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
