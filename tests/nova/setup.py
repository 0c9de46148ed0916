"""Make the virtual environment in which the real Nova runs: `python tests/nova/setup.py`.

Standard library only. A second run returns at once: the environment keeps a stamp, the list of
requirements that it was made from, and is made again only when that list has changed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
DEFAULT_PATH = REPO / ".venv-nova"
STAMP = "serverfsm-requirements.txt"
MINIMUM_PYTHON = (3, 11)

#: Nova, its neighbour Placement, and what `nova.tests.functional` imports besides.
NOVA: tuple[str, ...] = (
    "nova==34.0.0",
    "openstack-placement==16.0.0",
    "oslotest==6.1.1",
    "wsgi-intercept==1.13.1",
)
#: What our own tests need beside Nova.
TOOLS: tuple[str, ...] = ("pytest", "pytest-benchmark", "transitions", "hypothesis")


class SetupError(Exception):
    """Why no environment could be made, in one line."""


def requirements(repo: Path = REPO) -> list[str]:
    """Return pip's arguments: Nova, the tools, the project itself once it can be built."""
    project = ["--editable=."] if (repo / "pyproject.toml").is_file() else []
    return [*NOVA, *TOOLS, *project]


def interpreter(path: Path) -> Path:
    """Return the Python of the environment at `path`."""
    return path / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def wanted_stamp(repo: Path = REPO) -> str:
    """Return what the stamp file says when the environment is right."""
    version = f"python=={sys.version_info.major}.{sys.version_info.minor}"
    return "\n".join([version, *requirements(repo)]) + "\n"


def is_ready(path: Path, repo: Path = REPO) -> bool:
    """Tell whether the environment at `path` was made from today's requirements."""
    stamp = path / STAMP
    return (
        interpreter(path).is_file()
        and stamp.is_file()
        and stamp.read_text(encoding="utf-8") == wanted_stamp(repo)
    )


def make(path: Path, repo: Path = REPO) -> None:
    """Make the environment at `path`, or bring it up to date; raise SetupError if pip fails."""
    (path / STAMP).unlink(missing_ok=True)
    try:
        venv.create(path, with_pip=True, clear=not interpreter(path).is_file())
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"cannot make a virtual environment at {path}: {error}") from error
    command = [str(interpreter(path)), "-m", "pip", "install", "--quiet", *requirements(repo)]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise SetupError(f"pip failed: {lines[-1] if lines else 'it gave no reason'}")
    (path / STAMP).write_text(wanted_stamp(repo), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing; return 0, or 1 after one line on standard error."""
    parser = argparse.ArgumentParser(description="Make the environment in which Nova runs.")
    parser.add_argument("--path", type=Path, default=DEFAULT_PATH, help="where (.venv-nova)")
    path: Path = parser.parse_args(arguments).path.resolve()
    try:
        if sys.version_info < MINIMUM_PYTHON:
            have = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise SetupError(f"Nova 34 needs Python 3.11 or later, this is {have}")
        if is_ready(path):
            print(f"{path} is ready")
            return 0
        print(f"making {path} (a few minutes)", flush=True)
        make(path)
    except SetupError as error:
        print(f"tests/nova/setup.py: {error}", file=sys.stderr)
        return 1
    print(f"{path} is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
