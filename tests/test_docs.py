"""Every example on the README's and the manual's pages is run, and must answer as it says."""

from __future__ import annotations

import ast
import doctest
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from serverfsm import ActionName, Simulation
from serverfsm.cli import app
from serverfsm.deviations import DEVIATIONS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LEFT_OUT = {"_build", "examples", "reference"}  # built; with tests of their own; generated
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in DOCS.rglob("*.md") if page.relative_to(DOCS).parts[0] not in LEFT_OUT),
]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<kind>.*?)\n(?P<text>.*?)^(?P=ticks)$", re.M | re.S)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    kind: str
    text: str
    number: int  # among those of its page

    def __str__(self) -> str:
        return f"{_name(self.page)}-{self.number}"


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(*kinds: str) -> list[Block]:
    """The blocks of these kinds, or all."""
    return [block for page in PAGES for block in _of(page) if not kinds or block.kind in kinds]


def _of(page: Path) -> list[Block]:
    found = enumerate(FENCE.finditer(page.read_text("utf-8")))
    return [Block(page, each["kind"], each["text"], number) for number, each in found]


def commands(block: Block) -> list[tuple[str, str]]:
    """Every `$ …` of a block, with the lines that it shows below."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


EXAMPLES = [(block.page, *each) for block in blocks("console") for each in commands(block)]
RUN = [block for block in blocks("python") if ">>>" not in block.text]


# ------------------------------------------------------------------------ python


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_python_examples(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _at_home(monkeypatch, tmp_path)
    failures, tried = doctest.testfile(
        str(page),
        module_relative=False,
        optionflags=doctest.NORMALIZE_WHITESPACE,
        globs={"__name__": "__main__"},
        encoding="utf-8",
    )
    assert failures == 0
    assert tried > 0 or ">>>" not in page.read_text("utf-8")


class StandIn:
    """A cloud for code that needs one: `connection` as openstacksdk has it, on a simulation."""

    def __init__(self) -> None:
        self.server_id = "web"
        self.simulation = Simulation(seed=1)
        self.simulation.create(self.server_id)
        self.simulation.settle()
        self.compute = self

    def get(self, path: str) -> StandIn:
        assert path == f"/servers/{self.server_id}"
        return self

    @property
    def status_code(self) -> int:
        return 404 if self.simulation.show(self.server_id) is None else 200

    def json(self) -> Any:
        return self.simulation.show(self.server_id)

    def stop_server(self, server_id: str) -> None:
        self.simulation.request(server_id, ActionName.STOP)

    def get_server(self) -> Any:
        """What botocore's waiter calls."""
        return {**self.json(), "ResponseMetadata": {"HTTPStatusCode": self.status_code}}

    def names(self) -> dict[str, Any]:
        return {
            "connection": self,
            "server_id": self.server_id,
            "get_server": self.get_server,
        }


@pytest.mark.parametrize("page", sorted({block.page for block in RUN}), ids=_name)
def test_python_that_needs_a_cloud(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Code without `>>>` is run after the page's examples, in the same names."""
    _at_home(monkeypatch, tmp_path)
    cloud = StandIn()
    names: dict[str, Any] = {"__name__": "__main__"}
    text = page.read_text("utf-8")
    examples = doctest.DocTestParser().get_examples(text)
    exec("".join(each.source for each in examples if not each.exc_msg), names)
    monkeypatch.setattr(time, "sleep", cloud.simulation.run)
    names |= cloud.names()
    for block in (block for block in RUN if block.page == page):
        missing = [name for name in _imported(block.text) if importlib.util.find_spec(name) is None]
        if missing:
            pytest.skip(f"{block}: not installed: {', '.join(missing)}")
        exec(compile(block.text, str(block), "exec"), names)


def _imported(source: str) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return sorted({name.partition(".")[0] for name in found})


def _at_home(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Go where the paths of the examples lead somewhere, and what they write is thrown away."""
    (folder / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(folder)


# ----------------------------------------------------------------------- console


@pytest.mark.parametrize(("page", "command", "shown"), EXAMPLES, ids=lambda value: str(value)[-60:])
def test_console_examples(
    page: Path, command: str, shown: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _at_home(monkeypatch, tmp_path)
    program, *words = shlex.split(command)
    assert program == "serverfsm", f"{page}: {command}"
    given = None
    if "<<<" in words:
        at = words.index("<<<")
        words, given = words[:at], words[at + 1]
    result = CliRunner().invoke(app, words, input=given)
    printed = [line.rstrip() for line in result.output.splitlines()]
    wanted = shown.rstrip().splitlines()
    if wanted and wanted[-1] == "...":
        wanted.pop()
        printed = printed[: len(wanted)]
    assert printed == wanted


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5
    assert len(blocks("python")) >= 20


# --------------------------------------------------------------------- other kinds


def _is_shell(block: Block) -> None:
    """Shell is read, and what it names is there: extras, modules, files."""
    bash = shutil.which("bash")
    assert bash is not None
    subprocess.run([bash, "-n"], input=block.text, text=True, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for extras in re.findall(r"(?:serverfsm|\.)\[([a-z,]+)\]", block.text):
        assert set(extras.split(",")) <= set(project["optional-dependencies"]), extras
    for path in re.findall(r"(?<!\S)(?:docs|tests)/[\w./-]+", block.text):
        assert (ROOT / path).exists() or "_build" in path, path


def _is_json(block: Block) -> None:
    json.loads(block.text)


def _is_measured(block: Block) -> None:
    """What `tests/nova/deviation.py` prints; `tests/nova/test_deviations_live.py` runs it."""
    shown = commands(block)
    assert shown
    for command, output in shown:
        _, file, name = shlex.split(command)
        assert (ROOT / file).exists()
        assert name in {each.name for each in DEVIATIONS}
        assert output.startswith(f"{name}\n")


def _is_directive(block: Block) -> None:
    """What is shown of a Sphinx page is a directive of ours that the manual's pages use, too."""
    assert re.fullmatch(r"\.\. serverfsm-diagram:: \w[\w -]*\n", block.text)


CHECKS: dict[str, Callable[[Block], None]] = {
    "rst": _is_directive,
    "sh": _is_shell,
    "json": _is_json,
    "text": _is_measured,
}


@pytest.mark.parametrize("block", blocks(*CHECKS), ids=str)
def test_other_blocks(block: Block) -> None:
    CHECKS[block.kind](block)


@pytest.mark.parametrize("block", blocks("console"), ids=str)
def test_console_without_a_prompt(block: Block) -> None:
    """Commands to be copied as a whole are read as shell; those with `$` are run above."""
    if commands(block):
        assert block.text.startswith("$ "), f"{block}: what comes before the first $ is not run"
    else:
        _is_shell(block)


def test_no_block_is_left_unread() -> None:
    """Directives, in braces, are for Sphinx: the build is `test_manual.py`'s."""
    known = {"python", "console", *CHECKS}
    unread = [
        f"{block}: {block.kind or 'no kind'}"
        for block in blocks()
        if block.kind not in known and not block.kind.startswith("{")
    ]
    assert not unread
    for page in PAGES:
        fences = re.findall(r"^\s*(?:`{3,}|~{3,}|:{3,})", page.read_text("utf-8"), re.M)
        assert len(fences) == 2 * len(_of(page)), f"{_name(page)}: a block that is not seen here"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        assert (page.parent / target).exists(), target
