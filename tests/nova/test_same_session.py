"""The recorded session is still what the real Nova answers.

`pytest tests/nova` in the environment that `python tests/nova/setup.py` makes.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import session  # noqa: E402


@pytest.mark.skipif(
    importlib.util.find_spec("nova") is None,
    reason="needs the environment that tests/nova/setup.py makes",
)
def test_nova_answers_the_session_as_recorded(tmp_path: Path) -> None:
    """In a process of its own: Nova's fixtures change the one that they run in."""
    fresh = tmp_path / "session.json"
    command = [sys.executable, str(HERE / "session.py"), "--write", "--path", str(fresh)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    recorded = json.loads(session.PATH.read_text(encoding="utf-8"))
    measured = json.loads(fresh.read_text(encoding="utf-8"))
    assert len(measured) == len(recorded)
    for before, now in zip(recorded, measured, strict=True):
        assert now == before
