"""The real Nova 34.0.0 says today what the stored data say: `pytest tests/nova`.

Runs in the environment that `python tests/nova/setup.py` makes.
"""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
sys.path.insert(0, str(HERE))
from answers import load  # noqa: E402

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nova") is None,
    reason="no Nova here: python tests/nova/setup.py, then .venv-nova/bin/python -m pytest "
    "--override-ini=addopts= tests/nova",
)


def nova(*arguments: str) -> str:
    """Run a script with Nova in a process of its own, for Nova patches the process it is in."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_words_are_still_novas() -> None:
    printed = nova("-c", "import json, words; print(json.dumps(words.words()))")
    stored = json.loads((DATA / "nova-34-words.json").read_text("utf-8"))
    assert json.loads(printed.splitlines()[-1]) == stored


def test_an_action_at_random_is_answered_as_stored(tmp_path: Path) -> None:
    """All answers of one action, asked anew; another action each time, whose name is printed."""
    stored = list(load())
    asked = {
        name: sum(each.action == name for each in stored)
        for name in sorted({each.action for each in stored})
    }
    name = random.choice([name for name, number in asked.items() if 500 < number < 2500])
    print(f"asked anew: {name}")
    fresh = tmp_path / "answers.json.gz"
    nova("measure.py", "--only", name, "--jobs", "1", "--output", str(fresh))
    answers = {str(each) for each in load(fresh)}
    assert answers == {str(each) for each in stored if each.action == name}
