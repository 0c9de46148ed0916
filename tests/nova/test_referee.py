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
from agreement import OTHERS, difference  # noqa: E402
from answers import Answer, load, text  # noqa: E402

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


Cell = tuple[str | None, ...]
#: What says which cell a record is about.
CELL = ("action", "version", "situation", "backing", "actor", "lock", "vm_state", "task_state")


def fresh(path: Path, number: int, *options: str) -> dict[Cell, Answer]:
    """Ask stored cells at random anew; others each time, by a seed that is printed."""
    seed = random.randrange(10**6)
    print(f"tests/nova/measure.py --sample {number} --seed {seed} {' '.join(options)}")
    output = path / "sample.json"
    nova(
        "measure.py",
        "--sample",
        str(number),
        "--seed",
        str(seed),
        *options,
        "--output",
        str(output),
    )
    found = {}
    for record in json.loads(output.read_text("utf-8")):
        code, message, writes, then = record["answer"]
        cell = {name: record[name] for name in CELL}
        said = text(message, record["vm_state"], record["task_state"])
        answer = Answer(**cell, code=code, message=said, writes=writes, then=tuple(then))
        found[tuple(cell.values())] = answer
    return found


@pytest.mark.parametrize(
    ("number", "options"), [(2500, ()), (500, ("--older",))], ids=["all", "older-microversions"]
)
def test_cells_at_random_are_answered_as_stored_and_as_the_library_says(
    tmp_path: Path, number: int, options: tuple[str, ...]
) -> None:
    found = fresh(tmp_path, number, *options)
    assert len(found) > 0.95 * number
    stored = {
        cell: answer
        for answer in load()
        if (cell := tuple(getattr(answer, name) for name in CELL)) in found
    }
    assert found == stored
    different = [
        text
        for answer in found.values()
        if answer.action not in OTHERS and (text := difference(answer)) is not None
    ]
    assert not different, "\n".join(different)
