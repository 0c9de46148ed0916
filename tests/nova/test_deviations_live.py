"""Every deviation shows in the real Nova 34.0.0: `pytest tests/nova`.

Runs in the environment that `python tests/nova/setup.py` makes.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from serverfsm import NOVA_34
from serverfsm.deviations import DEVIATIONS
from serverfsm.rows import Deviation

HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nova") is None,
    reason="no Nova here: python tests/nova/setup.py, then .venv-nova/bin/python -m pytest "
    "--override-ini=addopts= tests/nova",
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a process of its own, for Nova patches the process it is in."""
    command = [sys.executable, "deviation.py", *arguments]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    """What `--all` printed of each deviation, by its name."""
    done = run("--all")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    *entries, total = done.stdout.strip().split("\n\n")
    assert total.startswith(f"{len(DEVIATIONS)} of {len(DEVIATIONS)} show, Nova 34.0.0")
    return {entry.partition("\n")[0]: entry for entry in entries}


def test_every_deviation_shows(shown: dict[str, str]) -> None:
    assert list(shown) == [each.name for each in DEVIATIONS]
    assert all(entry.endswith("  it shows") for entry in shown.values())


@pytest.mark.parametrize(
    "deviation",
    [each for each in DEVIATIONS if "leaves the task behind" in each.observed],
    ids=lambda each: each.name,
)
def test_a_task_is_left_behind(deviation: Deviation, shown: dict[str, str]) -> None:
    tasks = {write.values.get("task_state") for write in NOVA_34[deviation.action].writes}
    left = [line for line in shown[deviation.name].splitlines() if line.startswith("  left ")]
    assert left in [[f"  left       task_state={task}"] for task in tasks]


def test_names_are_listed_and_a_wrong_one_is_refused() -> None:
    assert run("--list").stdout.split() == [each.name for each in DEVIATIONS]
    done = run("pause-no-hots-crash")
    assert done.returncode == 2
    assert "unknown: pause-no-hots-crash" in done.stderr
