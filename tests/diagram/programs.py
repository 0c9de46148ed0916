"""Mermaid and XState themselves, where they are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MODULES = Path(os.environ.get("SERVERFSM_NODE_MODULES", HERE / "node_modules"))
_INSTALL = "npm ci --prefix tests/diagram"
_CHROMIUM = shutil.which("chromium")


def _needs(package: str) -> str:
    """Why a package cannot be run here; empty if it can."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (MODULES / package).is_dir():
        return f"npm's {package} is not installed: {_INSTALL}"
    if package.startswith("mermaid") and _CHROMIUM is None:
        return "chromium is not installed"
    return ""


def needs(package: str) -> pytest.MarkDecorator:
    """A mark that skips a test where a package cannot be run."""
    return pytest.mark.skipif(bool(_needs(package)), reason=_needs(package) or "it is there")


def run_mermaid(texts: dict[str, str], package: str = "mermaid") -> dict[str, Any]:
    """What Mermaid makes of some texts; see check_mermaid.mjs."""
    library = MODULES / package / "dist" / "mermaid.min.js"
    return _run("check_mermaid.mjs", [str(library), str(_CHROMIUM)], texts)


def run_xstate(machines: dict[str, Any]) -> dict[str, Any]:
    """What XState makes of some configurations; see check_xstate.mjs."""
    library = MODULES / "xstate" / "dist" / "xstate.esm.js"
    return _run("check_xstate.mjs", [str(library)], machines)


def _run(script: str, arguments: list[str], given: object) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(HERE / script), *arguments],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers
