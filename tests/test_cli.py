"""The command line: what it prints, and its exit status."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from serverfsm import API_REFERENCE, NOVA_34, ActionName, Actor, Options, Rulebook, Server, allowed
from serverfsm import __main__ as entry
from serverfsm.cli import app

SERVERS = Path(__file__).parent / "data" / "servers"
Result = Any  # of typer's runner: exit_code, stdout, stderr, output
DOCUMENTS = sorted(SERVERS.glob("*.json"))


def run(*arguments: str, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=given)


def complaint(result: Result) -> str:
    """The one line on standard error of a wrong use."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("serverfsm: ")
    return result.stderr.removeprefix("serverfsm: ").rstrip()


def test_there_are_real_documents_in_at_least_ten_states() -> None:
    statuses = {json.loads(path.read_text("utf-8"))["server"]["status"] for path in DOCUMENTS}
    assert len(statuses) >= 10


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_allowed_answers_every_real_document(document: Path) -> None:
    result = run("allowed", str(document), "--format", "json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    server = Server.from_api(json.loads(document.read_text("utf-8")))
    assert answer["server"]["status"] == server.status
    expected = {name.value: verdict.allowed for name, verdict in allowed(server).items()}
    assert {row["action"]: row["allowed"] for row in answer["actions"]} == expected
    assert len(expected) == len(ActionName)


def test_allowed_as_text_lists_the_allowed_first() -> None:
    result = run("allowed", str(SERVERS / "paused.json"))
    assert result.exit_code == 0
    head, *rows = result.stdout.splitlines()
    assert head == "status PAUSED, vm_state paused, task_state none"
    answers = [row.split()[1] for row in rows[1:]]
    assert answers == sorted(answers, key=["yes", "maybe", "no"].index)
    assert "unpause" in {row.split()[0] for row in rows[1:] if row.split()[1] == "yes"}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("SHUTOFF", "os-start", "--task-state", "none"), 0),
        (("ACTIVE", "os-start"), 1),
        (("ACTIVE", "pause"), 1),  # maybe counts as refused
        (("active", "os-start"), 1),
        (("SHUTOFF", "os-start", "--task-state", "none", "--locked"), 1),
        (("SHUTOFF", "os-start", "--task-state", "none", "--locked", "--as", "admin"), 0),
        (("SHUTOFF", "os-start", "--task-state", "none", "--locked-by", "admin"), 1),
        (("PAUSED", "createImage", "--task-state", "none", "--volume-backed"), 1),
        (("PAUSED", "createImage", "--task-state", "none", "--image-backed"), 0),
        (("SHUTOFF", "addFixedIp", "--microversion", "2.43"), 0),
        (("SHUTOFF", "addFixedIp", "--microversion", "2.44"), 1),
        (("SHUTOFF", "lock", "--as", "reader"), 1),
        (("SHELVED", "shelveOffload", "--task-state", "none"), 0),
        (("SHELVED", "shelveOffload", "--task-state", "none", "--rulebook", "nova-34"), 1),
    ],
)
def test_check_exit_status(arguments: tuple[str, ...], status: int) -> None:
    assert run("check", *arguments).exit_code == status
    assert run("check", *arguments, "--format", "json").exit_code == status


def test_check_says_in_words_what_json_says() -> None:
    document = str(SERVERS / "active-powering-off.json")
    text = run("check", document, "pause").stdout
    answer = json.loads(run("check", document, "pause", "--format", "json").stdout)
    assert answer["code"] == 409
    assert answer["message"] in text
    assert answer["hint"] in text
    assert answer["retryable"] is True
    assert answer["have"] == "powering-off"
    assert answer["want"] == [None]


def test_check_shows_every_failure_and_every_assumption() -> None:
    text = run("check", "PAUSED", "os-stop", "--task-state", "unpausing", "--locked").stdout
    assert "is locked" in text
    assert "vm_state paused" in text
    assert "task_state unpausing" in text
    accepted = run("check", "ACTIVE", "evacuate", "--task-state", "none", "--as", "admin").stdout
    assert "  if:     " in accepted
    assert "  writes: task_state = rebuilding" in accepted


@pytest.mark.parametrize("book", [API_REFERENCE, NOVA_34], ids=lambda book: str(book.name))
def test_check_under_an_operators_options(book: Rulebook) -> None:
    asked = ("check", "ACTIVE", "delete", "--task-state", "none", "--rulebook", book.name)
    reclaiming = ("--option", "reclaim_instance_interval=3600", "--option", "rescue_timeout = 60")
    assert "  writes: task_state = deleting\n" in run(*asked).stdout
    assert "  writes: task_state = soft-deleting\n" in run(*asked, *reclaiming).stdout
    answer = json.loads(run(*asked, *reclaiming, "--format", "json").stdout)
    assert answer["set"] == {"task_state": "soft-deleting"}
    assert "  writes: task_state = deleting\n" in run(*asked).stdout  # nothing is left behind


def test_allowed_under_an_operators_options() -> None:
    asked = ("allowed", str(SERVERS / "shutoff.json"), "--format", "json")
    answer = json.loads(run(*asked, "--option", "reclaim_instance_interval=3600").stdout)
    server = Server.from_api(json.loads((SERVERS / "shutoff.json").read_text("utf-8")))
    rules = API_REFERENCE.having(Options(reclaim_instance_interval=3600))
    for row, verdict in zip(
        answer["actions"], allowed(server, rulebook=rules).values(), strict=True
    ):
        assert row["action"] == verdict.action
        assert row["set"] == (None if verdict.guard is None else verdict.guard.set)
    plain = json.loads(run(*asked).stdout)
    changed = [
        row["action"]
        for row, other in zip(answer["actions"], plain["actions"], strict=True)
        if row != other
    ]
    assert changed == ["delete"]
    assert {**answer, "actions": None} == {**plain, "actions": None}


def test_a_key_with_variants_only() -> None:
    result = run("check", "ACTIVE", "reboot", "--task-state", "none")
    assert result.exit_code == 0
    assert "depends on the variant of reboot" in result.stdout


def test_a_server_from_standard_input() -> None:
    text = (SERVERS / "shutoff.json").read_text("utf-8")
    assert run("check", "-", "os-start", given=text).exit_code == 0


def test_unlocked_overrides_the_document() -> None:
    document = str(SERVERS / "active-locked-by-owner.json")
    assert run("check", document, "pause").exit_code == 1
    assert run("check", document, "pause", "--unlocked").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("allowed", "ACTIV"), "'ACTIV' is neither a status nor a file; did you mean ACTIVE?"),
        (("check", "ACTIVE", "os-sotp"), "unknown action 'os-sotp'; did you mean 'os-stop'?"),
        (
            ("check", "ACTIVE"),
            "a SERVER and either an ACTION or --body JSON are needed, or --batch FILE",
        ),
        (
            ("check", "ACTIVE", "pause", "--batch", "-"),
            "--batch takes servers and actions from its file, not as arguments",
        ),
        (
            ("check", "--batch", "-", "--option", "rescue_timeout=60"),
            "--batch takes no --option: it answers by Nova's defaults",
        ),
        (("allowed", "ACTIVE", "--option", "a"), "--option must be NAME=VALUE, not 'a'"),
        (
            ("allowed", "ACTIVE", "--option", "rescue_time=1"),
            "unknown option 'rescue_time'; did you mean 'rescue_timeout'?",
        ),
        (
            ("check", "ACTIVE", "pause", "--option", "rescue_timeout=soon"),
            "rescue_timeout must be a whole number of seconds, not 'soon'",
        ),
        (
            ("check", "ACTIVE", "pause", "--microversion", "2.105"),
            "unknown microversion '2.105'; valid: 2.1 to 2.104, or latest",
        ),
        (
            ("check", "ACTIVE", "pause", "--task-state", "powering_off"),
            "unknown task_state 'powering_off'; did you mean 'powering-off'?",
        ),
        (
            ("check", "ACTIVE", "pause", "--locked-by", "admin", "--unlocked"),
            "--locked-by and --unlocked contradict each other",
        ),
        (
            ("check", "RESIZE", "pause", "--task-state", "resize_prep"),
            (
                "status RESIZE with task_state resize_prep means active or stopped: give a file "
                "with the whole server"
            ),
        ),
        (
            ("check", "SHUTOFF", "pause", "--task-state", "rebuilding"),
            (
                "status SHUTOFF with task_state rebuilding means no vm_state: give a file with the "
                "whole server"
            ),
        ),
    ],
)
def test_wrong_use_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    assert complaint(run(*arguments)) == message


def test_wrong_options_name_the_valid_ones() -> None:
    result = run("check", "ACTIVE", "pause", "--as", "root")
    assert result.exit_code == 2
    for who in Actor:
        assert who.value in result.output


def test_broken_files(tmp_path: Path) -> None:
    broken = tmp_path / "server.json"
    broken.write_text('{"server":\n  {"status": "ACTIVE",\n  }}', "utf-8")
    assert complaint(run("allowed", str(broken))).startswith(f"{broken}: line 3: not JSON: ")
    broken.write_text("{}", "utf-8")
    assert "neither status nor" in complaint(run("allowed", str(broken)))
    broken.write_text('{"status": "STOPPED"}', "utf-8")
    assert complaint(run("allowed", str(broken))).startswith(f"{broken}: unknown status 'STOPPED'")
    broken.write_text('{"a": ' * 100_000, "utf-8")
    assert complaint(run("allowed", str(broken))) == "nested too deeply"
    broken.write_bytes(b"\xff\xfe")
    assert "decode" in complaint(run("allowed", str(broken)))
    assert "directory" in complaint(run("allowed", str(tmp_path)))
    assert "No such file" in complaint(run("check", "--batch", str(tmp_path / "none")))


def test_batch_from_a_file(tmp_path: Path) -> None:
    good = '{"server": {"vm_state": "active"}, "action": "os-stop"}\n'
    lines = tmp_path / "lines"
    lines.write_text(good * 3, "utf-8")
    result = run("check", "--batch", str(lines))
    assert result.exit_code == 0
    assert [json.loads(line)["code"] for line in result.stdout.splitlines()] == [202] * 3
    lines.write_text(good + "?\n" + good, "utf-8")
    result = run("check", "--batch", str(lines))
    assert result.exit_code == 2
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer.get("code") for answer in answers] == [202, None, 202]
    assert answers[1]["error"].startswith("line 2: ")


def serverfsm(*arguments: str, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "serverfsm", *arguments]
    return subprocess.Popen(command, **options)  # type: ignore[call-overload, no-any-return]


def test_batch_answers_a_writer_that_waits() -> None:
    """A program may ask one line, wait for its answer, and then ask the next."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with serverfsm("check", "--batch", "-", **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for action, code in (("os-stop", 202), ("unpause", 409)):
            line = {"server": {"vm_state": "active"}, "action": action}
            process.stdin.write(json.dumps(line).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["code"] == code
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_a_closed_pipe_gives_no_traceback() -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with serverfsm("table", "--format", "json", **pipes) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""


def seen_on_a_terminal(**environment: str) -> bytes:
    """What `allowed ACTIVE` writes to a terminal."""
    control, terminal = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    env = {**clean, "TERM": "xterm-256color", **environment}
    with serverfsm("allowed", "ACTIVE", stdout=terminal, env=env):
        os.close(terminal)
        seen = b""
        try:
            while chunk := os.read(control, 65536):
                seen += chunk
        except OSError:  # the other side is closed
            pass
    os.close(control)
    return seen


def test_colours_on_a_terminal_only_and_not_where_they_are_not_wanted() -> None:
    assert b"\x1b[32m" in seen_on_a_terminal()
    assert b"\x1b[32m" not in seen_on_a_terminal(NO_COLOR="1")
    assert "\x1b" not in run("allowed", "ACTIVE").stdout


def test_table_in_every_form() -> None:
    assert len(json.loads(run("table", "--format", "json").stdout)["actions"]) == len(ActionName)
    assert run("table", "--format", "csv").stdout.startswith("action,variant,")
    assert run("table", "--format", "markdown").stdout.startswith("| action | variant |")
    text = run("table").stdout.splitlines()
    assert [line.split()[0] for line in text[1:]] == [row.name.value for row in API_REFERENCE]
    nova = json.loads(run("table", "--format", "json", "--rulebook", "nova-34").stdout)
    assert nova["rulebook"] == "nova-34"


def test_deviations() -> None:
    documents = json.loads(run("deviations", "--format", "json").stdout)
    text = run("deviations").stdout
    assert len(documents) > 10
    for document in documents:
        assert f"({document['name']})" in text
        assert document["observed"] in text


def test_completion_is_offered() -> None:
    assert "--install-completion" in run("--help").stdout


def test_without_its_extra_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("serverfsm.cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit) as stopped:
        entry.main()
    assert str(stopped.value) == (
        "serverfsm: the command line needs typer: pip install 'serverfsm[cli]'"
    )


def test_import_loads_no_third_party_module() -> None:
    code = (
        "import sys; before = set(sys.modules); import serverfsm; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.decode().strip() == "['serverfsm']"


def test_check_takes_a_whole_body() -> None:
    stopping = run("check", "ACTIVE", "--task-state", "none", "--body", '{"os-stop": null}')
    assert stopping.exit_code == 0
    assert stopping.stdout.splitlines()[0] == "os-stop: allowed, 202"
    refused = run("check", "ACTIVE", "--body", '{"reboot": {"type": "WARM"}}')
    assert refused.exit_code == 1
    assert "reboot:SOFT: refused, 400" in refused.stdout
    assert "'WARM' is not one of" in refused.stdout
    unknown = run("check", "ACTIVE", "--body", '{"os-sotp": null}', "--format", "json")
    assert unknown.exit_code == 1
    answer = json.loads(unknown.stdout)
    assert (answer["action"], answer["code"]) == (None, 400)
    malformed = run("check", "ACTIVE", "--body", "{")
    assert malformed.exit_code == 1
    assert "no action: refused, 400\n  answer: Malformed request body" in malformed.stdout


def test_check_takes_an_action_or_a_body() -> None:
    for arguments in (("ACTIVE", "pause", "--body", "{}"), ("ACTIVE",), ("--body", "{}")):
        assert "either an ACTION or --body" in complaint(run("check", *arguments))
