"""`serverfsm plan` and `serverfsm verify`: what they print, and their exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from serverfsm import NOVA_34, Server, plan, verify
from serverfsm.cli import app
from serverfsm.verification import Check, Report

SERVERS = Path(__file__).parent / "data" / "servers"
Result = Any  # of typer's runner: exit_code, stdout, stderr, output


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=given)


def complaint(*arguments: str) -> str:
    """The one line on standard error of a wrong use."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return str(result.stderr).removeprefix("serverfsm: ").rstrip()


# --- plan


def test_from_paused_to_shutoff() -> None:
    result = run("plan", "PAUSED", "--to", "SHUTOFF")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "PAUSED to SHUTOFF: 2 actions, cost 2",
        "  unpause",
        "  wait for ACTIVE",
        "      past: PAUSED + unpausing",
        "  os-stop",
        "  wait for SHUTOFF",
        "      past: ACTIVE + powering-off",
        "  assumed: no task is under way: only the status PAUSED is known",
    ]


def test_what_a_step_needs_is_shown() -> None:
    lines = run("plan", "ACTIVE", "--to", "VERIFY_RESIZE").stdout.splitlines()
    assert "      with: flavorRef" in lines
    assert "      if:   the compute service that has to act is up" in lines
    reboot = run("plan", "ERROR", "--to", "ACTIVE").stdout.splitlines()
    assert "      with: type = HARD" in reboot


def test_there_already() -> None:
    result = run("plan", "paused", "--to", "paused")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "PAUSED to PAUSED: no actions, cost 0"


def test_no_plan() -> None:
    result = run("plan", "ACTIVE", "--to", "REBOOT", "--task-state", "none")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "ACTIVE to REBOOT: no plan",
        "  reason:  REBOOT shows only while a task is under way: no server comes to rest there",
    ]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("PAUSED", "--to", "DELETED"), 1),
        (("PAUSED", "--to", "DELETED", "--including", "delete"), 0),
        (("ACTIVE", "--to", "ERROR", "--as", "admin"), 1),
        (("ACTIVE", "--to", "ERROR", "--as", "admin", "--including", "os-resetState"), 0),
        (("PAUSED", "--to", "SHUTOFF", "--as", "reader"), 1),
        (("PAUSED", "--to", "SHUTOFF", "--locked-by", "owner"), 0),
        (("PAUSED", "--to", "SHUTOFF", "--locked-by", "admin"), 1),
        (("PAUSED", "--to", "SHUTOFF", "--locked"), 1),
        (("ACTIVE", "--to", "SHELVED"), 1),
        (("ACTIVE", "--to", "SHELVED", "--option", "shelved_offload_time=-1"), 0),
        (("ACTIVE", "--to", "PAUSED", "--task-state", "powering-off"), 0),
        (("ACTIVE", "--to", "RESCUE", "--volume-backed", "--microversion", "2.86"), 1),
        (("ACTIVE", "--to", "RESCUE", "--volume-backed"), 0),
    ],
)
def test_plan_exit_status(arguments: tuple[str, ...], status: int) -> None:
    assert run("plan", *arguments).exit_code == status
    result = run("plan", *arguments, "--format", "json")
    assert result.exit_code == status
    assert json.loads(result.stdout)["found"] is (status == 0)


def test_plan_as_json_is_what_the_library_says() -> None:
    document = str(SERVERS / "active-powering-off.json")
    result = run("plan", document, "--to", "PAUSED", "--rulebook", "nova-34", "--format", "json")
    server = Server.from_api(json.loads(Path(document).read_text("utf-8")))
    expected = json.loads(json.dumps(plan(server, "PAUSED", rulebook=NOVA_34).to_dict()))
    assert json.loads(result.stdout) == expected
    assert [step["action"] for step in expected["steps"]] == [None, "os-start", "pause"]


def test_costs() -> None:
    result = run("plan", "PAUSED", "--to", "ACTIVE", "--cost", "unpause=2.5", "--cost", "reboot=0")
    assert result.stdout.splitlines()[:2] == ["PAUSED to ACTIVE: 1 action, cost 0", "  reboot:HARD"]


def test_a_plan_from_standard_input() -> None:
    text = (SERVERS / "paused.json").read_text("utf-8")
    assert run("plan", "-", "--to", "ACTIVE", given=text).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("PAUSED", "--to", "SHUTOF"), "unknown status 'SHUTOF'; did you mean 'SHUTOFF'?"),
        (("PAUSD", "--to", "SHUTOFF"), "'PAUSD' is neither a status nor a file; did you mean"),
        (("PAUSED", "--to", "ACTIVE", "--including", "os-sotp"), "unknown action 'os-sotp'; did"),
        (("PAUSED", "--to", "ACTIVE", "--cost", "os-stop"), "--cost must be ACTION=NUMBER, not"),
        (("PAUSED", "--to", "ACTIVE", "--cost", "os-stop=much"), "--cost must be ACTION=NUMBER"),
        (("PAUSED", "--to", "ACTIVE", "--cost", "os-stop=-1"), "the cost of 'os-stop' must be a"),
        (("PAUSED", "--to", "ACTIVE", "--cost", "os-stop=inf"), "the cost of 'os-stop' must be a"),
        (("PAUSED", "--to", "ACTIVE", "--option", "rescue_timeout"), "--option must be NAME=VALUE"),
        (("PAUSED", "--to", "ACTIVE", "--option", "rescue_time=1"), "unknown option 'rescue_time'"),
        (("PAUSED", "--to", "ACTIVE", "--microversion", "2.105"), "unknown microversion '2.105'"),
    ],
)
def test_wrong_use_of_plan_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    assert complaint("plan", *arguments).startswith(message)


def test_a_goal_is_needed() -> None:
    result = run("plan", "PAUSED")
    assert result.exit_code == 2
    assert "--to" in result.output


# --- verify


def test_verify_prints_each_check() -> None:
    result = run("verify", "--rulebook", "nova-34")
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    report = verify(NOVA_34)
    assert head == f"nova-34: no fault in {report.cases} cases"
    for check in report.checks:
        (line,) = (line for line in lines if check.sentence in line)
        assert line.split()[:2] == [check.name, str(check.cases)]


def test_verify_goes_through_both_rulebooks_unless_told() -> None:
    result = run("verify", "--format", "json")
    assert result.exit_code == 0
    reports = json.loads(result.stdout)
    assert [report["rulebook"] for report in reports] == ["api-reference", "nova-34"]
    assert all(report["sound"] for report in reports)


def test_verify_with_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Check("traps", "there is none", 7, ("paused: is one",), (("looked at", 7),))
    monkeypatch.setattr("serverfsm.cli.lifecycle.verify", lambda book: Report(book.name, (check,)))
    result = run("verify", "--rulebook", "api-reference")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "api-reference: 1 fault in 7 cases",
        "  traps           7  there is none",
        "                  7  looked at",
        "    fault: paused: is one",
    ]
    assert run("verify", "--format", "json").exit_code == 1
