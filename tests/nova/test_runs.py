"""The real Nova 34.0.0 does today what the stored runs say: `pytest tests/nova`.

Runs in the environment that `python tests/nova/setup.py` makes.
"""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from trajectories import load  # noqa: E402

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nova") is None,
    reason="no Nova here: python tests/nova/setup.py, then .venv-nova/bin/python -m pytest "
    "--override-ini=addopts= tests/nova",
)

SAMPLE = 40


def test_runs_at_random_go_as_stored(tmp_path: Path) -> None:
    """Some runs measured anew, others each time; the seed is printed."""
    seed = random.randrange(10**6)
    print(f"tests/nova/runs.py --sample {SAMPLE} --seed {seed}")
    fresh = tmp_path / "runs.json.gz"
    command = [sys.executable, "runs.py", "--jobs", "2", "--sample", str(SAMPLE)]
    command += ["--seed", str(seed), "--output", str(fresh)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    measured = {each.key: each for each in load(fresh)}
    assert len(measured) == SAMPLE
    stored = {each.key: each for each in load() if each.key in measured}
    assert measured == stored
