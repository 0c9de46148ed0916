"""Every example on the README's and the manual's pages is run, and must answer as it says."""

import doctest
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from serverfsm.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def commands(page: Path) -> list[tuple[str, str]]:
    """Every `$ serverfsm …` of a page, with the lines that it shows below."""
    found = []
    for block in CONSOLE.findall(page.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            if command.startswith("serverfsm "):
                found.append((command, shown))
    return found


EXAMPLES = [(page, *example) for page in PAGES for example in commands(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples(page: Path) -> None:
    failures, tried = doctest.testfile(
        str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert failures == 0
    assert tried > 0 or ">>>" not in page.read_text("utf-8")


@pytest.mark.parametrize(("page", "command", "shown"), EXAMPLES, ids=lambda value: str(value)[-60:])
def test_console_examples(
    page: Path, command: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)[1:]
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
