"""`check(body=…)` says what the real Nova 34.0.0 says today of bodies drawn anew each time.

Runs in the environment that `python tests/nova/setup.py` makes: `pytest tests/nova`.
"""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.nova.bodies import difference, load

HERE = Path(__file__).resolve().parent
NUMBER = 600

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nova") is None,
    reason="no Nova here: python tests/nova/setup.py, then .venv-nova/bin/python -m pytest "
    "--override-ini=addopts= tests/nova",
)


def test_bodies_drawn_anew_are_answered_alike(tmp_path: Path) -> None:
    seed, output = random.randrange(10**6), tmp_path / "bodies.json.gz"
    arguments = ["--sample", str(NUMBER), "--seed", str(seed), "--output", str(output)]
    print("tests/nova/bodies.py", *arguments)
    # In a process of its own, for Nova patches the process it is in.
    command = [sys.executable, "bodies.py", *arguments]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = list(load(output))
    assert len(found) == NUMBER
    assert min(Counter(said.code for said in found)[code] for code in (202, 400, 404)) > 0
    different = [text for said in found if (text := difference(said)) is not None]
    assert not different, "\n".join(different[:20])
