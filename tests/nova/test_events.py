"""Without and across requests, the real Nova does today what the stored data say.

`pytest tests/nova` in the environment that `python tests/nova/setup.py` makes.
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
sys.path.insert(0, str(HERE))
import restart_rules  # noqa: E402
from happenings import Happening, load  # noqa: E402

#: How many scenarios of each kind are measured anew.
NUMBER = 8


def key(happening: Happening) -> str:
    """Return the kind and what is given, as text."""
    return json.dumps([happening.kind, dict(happening.given)])


def test_the_table_of_the_restart_gives_every_stored_restart() -> None:
    plain = [each for each in load() if each.kind == "restart" and not each.given["with"]]
    assert len(plain) == 12 * 43 * 3
    for each in plain:
        server = (each.given["vm_state"], each.given["task_state"], each.given["guest"])
        assert restart_rules.expected(server) == restart_rules.stored(each.log), server


@pytest.mark.skipif(
    importlib.util.find_spec("nova") is None,
    reason="no Nova here: python tests/nova/setup.py, then .venv-nova/bin/python -m pytest "
    "--override-ini=addopts= tests/nova",
)
def test_scenarios_at_random_go_as_stored(tmp_path: Path) -> None:
    """Some of each kind, others each time; the seed that draws them is printed."""
    seed = random.randrange(10**6)
    print(f"python tests/nova/events.py --sample {NUMBER} --seed {seed} --output FILE")
    fresh = tmp_path / "events.json.gz"
    command = [sys.executable, "events.py", "--sample", str(NUMBER), "--seed", str(seed)]
    command += ["--output", str(fresh)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    stored = {key(each): each.log for each in load()}
    measured = {key(each): each.log for each in load(fresh)}
    assert measured
    assert measured == {each: stored.get(each) for each in measured}
