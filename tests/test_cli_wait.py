"""`serverfsm wait`: what it prints, and its exit status."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from serverfsm import Options, Server, waiter
from serverfsm.cli import app

SERVERS = Path(__file__).parent / "data" / "servers"


def run(*arguments: str, given: str | None = None) -> Any:
    return CliRunner().invoke(app, ["wait", *arguments], input=given)


def complaint(result: Any) -> str:
    """The one line on standard error of a wrong use."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return str(result.stderr).removeprefix("serverfsm: ").rstrip()


def test_text_says_what_each_view_means() -> None:
    result = run("pause", "ACTIVE")
    assert result.exit_code == 0
    head, columns, *rows = re.sub(r" \([a-z, -]+\)", "", result.stdout).splitlines()
    assert head == "pause from ACTIVE"
    assert columns.split() == ["means", "seen", "why"]
    assert [" ".join(row.split()) for row in rows] == [
        "failure 404; DELETED + no task; DELETED alone the server is gone, and pause with it",
        "success PAUSED + no task pause has succeeded",
        "retry ACTIVE + pausing pause is under way",
        "failure ACTIVE + no task pause has failed",
        "failure ERROR + no task; ERROR alone; ERROR + pausing something has failed",
        (
            "failure BUILD, SUSPENDED, SHUTOFF, RESCUE, VERIFY_RESIZE, SOFT_DELETED, SHELVED, "
            "SHELVED_OFFLOADED + no task somebody else's request came between"
        ),
        "success PAUSED alone pause shows this status at no other time",
        "retry anything else another task is under way, or the state does not show: look again",
    ]


def test_text_says_what_cannot_be_told() -> None:
    text = run("createImage", "ACTIVE", "--image-backed").stdout
    assert "\nwhether it succeeded shows: the image: " in text
    assert re.search(
        "\ngive up some time: after .*guest-missing.* it looks under way for ever\n", text
    )


def test_an_action_without_work() -> None:
    rows = run("lock", "ACTIVE").stdout.splitlines()
    assert rows[-1].split()[:3] == ["success", "anything", "else"]


def test_json_and_botocore_are_the_librarys() -> None:
    document = json.loads((SERVERS / "shutoff.json").read_text("utf-8"))
    expected = waiter("os-start", Server.from_api(document))
    for server, given in ((str(SERVERS / "shutoff.json"), None), ("-", json.dumps(document))):
        as_json = run("os-start", server, "--format", "json", given=given)
        assert json.loads(as_json.stdout) == expected.to_dict()
        as_botocore = run("os-start", server, "--format", "botocore", given=given)
        assert json.loads(as_botocore.stdout) == expected.to_botocore()


def test_no_server_yet() -> None:
    answer = json.loads(run("create", "--format", "json").stdout)
    assert answer == waiter("create", None).to_dict()


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        (("shelve", "ACTIVE"), {"SHELVED_OFFLOADED"}),
        (
            ("shelve", "ACTIVE", "--option", "shelved_offload_time=-1"),
            {"SHELVED", "SHELVED_OFFLOADED"},
        ),
        (
            (
                *("shelve", "ACTIVE", "--task-state", "none", "--image-backed"),
                *("--option", "shelved_offload_time=-1", "--option", "rescue_timeout=5"),
            ),
            {"SHELVED"},
        ),
        (("evacuate", "ACTIVE", "--as", "admin"), {"SHUTOFF"}),
        (("evacuate", "ACTIVE", "--as", "admin", "--microversion", "2.94"), {"ACTIVE"}),
        (("migrate", "ACTIVE", "--as", "manager", "--rulebook", "nova-34"), {"VERIFY_RESIZE"}),
    ],
)
def test_options_reach_the_waiter(arguments: tuple[str, ...], ends: set[str]) -> None:
    answer = json.loads(run(*arguments, "--format", "json").stdout)
    good = [each for each in answer["acceptors"] if each["state"] == "success"]
    assert {each["status"] for each in good} == ends


def test_a_refused_action_has_exit_status_1() -> None:
    result = run("os-start", "ACTIVE")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "serverfsm: 409, there is nothing to wait for: "
        "os-start: Cannot 'start' instance {id} while it is in vm_state active\n"
    )
    assert run("migrate", "ACTIVE", "--as", "manager").exit_code == 1
    assert run("os-stop").exit_code == 1  # of no server


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("os-sotp", "ACTIVE"), "unknown action 'os-sotp'; did you mean 'os-stop'?"),
        (("os-stop", "ACTIV"), "'ACTIV' is neither a status nor a file; did you mean ACTIVE?"),
        (("os-stop", "ACTIVE", "--option", "a"), "--option must be NAME=VALUE, not 'a'"),
        (
            ("delete", "ACTIVE", "--option", "reclaim_interval=1"),
            "unknown option 'reclaim_interval'; did you mean 'reclaim_instance_interval'?",
        ),
        (
            ("delete", "ACTIVE", "--option", "reclaim_instance_interval=soon"),
            "reclaim_instance_interval must be a whole number of seconds, not 'soon'",
        ),
        (
            ("evacuate", "REBUILD", "--as", "admin", "--microversion", "2.94"),
            (
                "evacuate of a server in status REBUILD: too little is known of the server to say "
                "whether ACTIVE, task none is the end; give its vm_state and task_state before it"
            ),
        ),
    ],
)
def test_wrong_use_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    assert complaint(run(*arguments)) == message


def test_the_last_of_equal_options_holds() -> None:
    result = run(
        *("delete", "ACTIVE", "--format", "json"),
        *("--option", "reclaim_instance_interval=0", "--option", "reclaim_instance_interval = 9"),
    )
    options = Options(reclaim_instance_interval=9)
    expected = waiter("delete", Server.from_status("ACTIVE"), options=options)
    assert json.loads(result.stdout) == expected.to_dict()


def test_either_module_may_be_imported_first() -> None:
    for module in ("serverfsm.cli", "serverfsm.cli.wait"):
        code = (
            f"import {module}; from serverfsm.cli import app; print(len(app.registered_commands))"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert int(answer.stdout) == len(app.registered_commands)
