"""The explorer's page as text: what it says of runs and plans, and that it is shut off."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from serverfsm import Actor, Rulebook, Server, Status, VmState, plan
from serverfsm.cli.explore import explore_command
from serverfsm.diagram import draw
from serverfsm.errors import ImpossibleEventError, MissingPackageError
from serverfsm.explorer import page as page_module
from serverfsm.explorer.runs import UNCHANGED
from serverfsm.javascript import javascript
from serverfsm.rulebook import RULEBOOKS
from serverfsm.step import DONE, follow
from tests.browser.choices import Choice, choices, server_of, terms_of, verdict_of
from tests.browser.pages import written_page

KIBIBYTE = 1024


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    try:
        draw("lifecycle").to_text("svg")
    except MissingPackageError as error:
        pytest.skip(str(error))
    return written_page(tmp_path_factory).read_text("utf-8")


@pytest.fixture(scope="session")
def data(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(element_text(page, "data"))
    return found


def element_text(page: str, identifier: str) -> str:
    """The text of the script element of this id."""
    found = re.search(rf'<script [^>]*id="{identifier}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return found[1]


# --- the page


def test_the_page_is_small_and_whole(page: str) -> None:
    assert len(page.encode()) < 500 * KIBIBYTE
    assert "<!--[" not in page
    assert page.startswith("<!doctype html>")


def test_the_page_has_the_modules_as_they_are_exported(page: str) -> None:
    for name, book in RULEBOOKS.items():
        assert element_text(page, f"verdicts-{name}") == javascript(book)


def test_the_page_has_no_address_of_anything(page: str) -> None:
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # of XML, not loaded
    assert set(re.findall(r"[a-z]+://[^\s\"'<>)]+", markup)) <= names
    assert not re.search(r"\ssrc=|@import|url\((?!#)", markup)
    assert set(re.findall(r'<(?:link|a)[^>]*\shref="([^"#]*)', markup)) <= {"data:,", ""}


def test_the_page_may_run_its_own_program_only(page: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    program = re.search(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    assert policy is not None
    assert program is not None
    digest = b64encode(hashlib.sha256(program[1].encode()).digest()).decode()
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}' blob:"
    assert "connect-src" not in rules


def test_the_program_turns_no_data_into_markup_or_code() -> None:
    program = Path(page_module.__file__).with_name("page.mjs").read_text("utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in program


def test_a_script_that_would_end_its_element_is_no_page() -> None:
    with pytest.raises(ValueError, match="would end its script element"):
        page_module._script("module", "const text = '</SCRIPT>'")


def test_no_row_of_the_table_can_end_a_script_element() -> None:
    assert "</script" not in page_module._literal({"message": "</script>"})


# --- the runs


def table_runs(data: dict[str, Any], choice: Choice) -> dict[str, list[Any]] | None:
    """The runs that the page's table has: by word, the event, states, effects and answer of each.

    None where it has none.
    """
    runs = data["runs"]
    minor = int(choice["microversion"].partition(".")[2])
    bands = runs["books"][choice["rulebook"]][choice["action"]]
    fitting = [band for band in bands if band[0] <= minor]
    if not fitting:
        return None
    met = {
        "volume_backed": choice["disk"] == "volume",
        "launched": choice["launched"] == "yes",
        "administrator": choice["role"] == Actor.ADMIN,
        **choice,
    }
    tree = fitting[-1][1]
    while isinstance(tree, list):
        word = met[runs["dimensions"][tree[0]]]
        tree = next((branch for values, branch in tree[1:] if word in values), None)
    if tree is None:
        return None
    start = [choice[key] for key in ("vm_state", "task_state", "power_state", "lock")]
    found = {}
    for place in runs["menus"][tree]:
        word, *steps = runs["runs"][place]
        found[word] = [table_step(runs, step, start) for step in steps]
    return found


def table_step(runs: dict[str, Any], place: int, start: list[str]) -> Any:
    event, _, shown, effects, _ = runs["steps"][place]
    states = [
        [start[at] if part == UNCHANGED else part for at, part in enumerate(runs["states"][state])]
        for state in shown
    ]
    return [event, states, effects]


def library_runs(choice: Choice) -> dict[str, list[Any]]:
    """The same, as `follow` has it."""
    server, terms = server_of(choice), terms_of(choice)
    row = terms["rulebook"][verdict_of(choice).action]
    found: dict[str, list[Any]] = {}
    for word in dict.fromkeys([DONE, *(failure.name for failure in row.failures)]):
        try:
            steps = follow(server, choice["action"], failure=word, **terms)
        except ImpossibleEventError:
            continue
        found[word] = [
            [
                step.event,
                [state_of(each) for each in (*step.passing, step.server)],
                [f"{each.kind} {each.value}" for each in step.effects if each.kind != "time"],
            ]
            for step in steps
        ]
    return found


def state_of(server: Server | None) -> list[str]:
    assert server is not None
    assert server.vm_state is not None
    parts = (server.task_state, server.power_state.name, server.locked_by)
    return [server.vm_state.value, *(part or "none" for part in parts)]


def differing(data: dict[str, Any], seed: int, count: int) -> list[Choice]:
    """The accepted ones of so many choices of which the page's table says something else."""
    accepted = [choice for choice in choices(seed, count) if verdict_of(choice)]
    assert len(accepted) > count // 20
    return [choice for choice in accepted if table_runs(data, choice) != library_runs(choice)]


def test_the_runs_are_those_of_the_library(data: dict[str, Any]) -> None:
    assert differing(data, 1, 20_000) == []


def test_every_accepted_action_of_an_idle_server_has_its_runs(data: dict[str, Any]) -> None:
    usual = {"task_state": "none", "power_state": "RUNNING", "disk": "image", "launched": "yes"}
    for name, book in RULEBOOKS.items():
        for row in book:
            for vm_state in (*VmState, "none"):
                choice = {
                    **usual,
                    "vm_state": str(vm_state),
                    "lock": "none",
                    "role": "admin",
                    "microversion": "2.104" if row.until is None else "2.1",
                    "rulebook": name,
                    "action": row.name.value,
                }
                if verdict_of(choice):
                    assert table_runs(data, choice) == library_runs(choice), choice


def test_the_answers_of_requests_that_wait_are_those_of_the_rows(data: dict[str, Any]) -> None:
    shown = {(event, answer) for event, _, _, _, answer in data["runs"]["steps"] if answer}
    rows = [row for book in RULEBOOKS.values() for row in book]
    said = {(f"{row.name}.{each.name}", each.answer) for row in rows for each in row.failures}
    assert shown <= said
    assert {event for event, _ in shown} == {event for event, answer in said if answer}


@pytest.mark.parametrize("column", ["states", "steps"])
def test_a_fault_in_the_runs_is_found(data: dict[str, Any], column: str) -> None:
    wrong = json.loads(json.dumps(data))
    for each in wrong["runs"][column]:
        if column == "states" and each[0] == "stopped":
            each[0] = "paused"
        elif column == "steps" and each[0] == "os-stop.done":
            each[0] = "os-stop.progress"
    assert wrong != data
    assert differing(wrong, 1, 20_000) != []


# --- the plans


def test_the_plans_are_those_of_the_library(data: dict[str, Any]) -> None:
    plans, steps = data["plans"]["plans"], data["plans"]["steps"]
    found = 0
    for name, book in RULEBOOKS.items():
        for who in (Actor.READER, Actor.MEMBER, Actor.ADMIN):
            for backing in (False, True):
                lists = iter(data["plans"]["books"][name][who][backing])
                for vm_state in VmState:
                    server = Server(vm_state, volume_backed=backing)
                    for goal in Status:
                        place = next(lists)
                        if (vm_state, goal) not in SAMPLED:
                            continue
                        expected = plan(server, goal, actor=who, rulebook=book)
                        found += bool(expected.steps)
                        if isinstance(plans[place], str):
                            assert plans[place] == expected.reason
                        else:
                            shown = [steps[each][:2] for each in plans[place]]
                            assert expected.reason is None
                            assert shown == [[s.action, s.wait_for] for s in expected.steps]
    assert found > 20


SAMPLED = {
    (vm_state, goal)
    for at, vm_state in enumerate(VmState)
    for other, goal in enumerate(Status)
    if (at + other) % 6 == 0
}


# --- the command


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The command by itself, which writes a short text in place of the page."""
    monkeypatch.setattr("serverfsm.explorer.explorer_page", lambda: "the page\n")
    found = typer.Typer()
    found.command()(explore_command)
    return found


@pytest.mark.parametrize("arguments", [[], ["--output", "-"]])
def test_explore_prints_the_page(app: typer.Typer, arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "the page\n", "")


def test_explore_replaces_a_file_whole(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("before", "utf-8")
    result = CliRunner().invoke(app, ["--output", str(path)])
    assert (result.exit_code, result.output) == (0, "")
    assert path.read_text("utf-8") == "the page\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("output", "why"), [("missing/page.html", "No such file or directory"), (".", "Is a directory")]
)
def test_explore_says_what_is_wrong_with_the_file(
    app: typer.Typer,
    output: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["--output", output])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"serverfsm: cannot write {output}: {why}\n"
    assert list(tmp_path.iterdir()) == []


def test_explore_says_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = MissingPackageError("graphviz", "diagrams", "a picture")

    def no_picture(rulebook: Rulebook) -> str:
        raise missing

    monkeypatch.setattr(page_module, "lifecycle_picture", no_picture)
    app = typer.Typer()
    app.command()(explore_command)
    result = CliRunner().invoke(app, [])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"serverfsm: {missing}\n"
