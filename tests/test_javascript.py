"""The ES module that `serverfsm export js` writes, run by node and held against `check`."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from typer.testing import CliRunner

import serverfsm
from serverfsm import (
    API_REFERENCE,
    FIRST,
    LATEST,
    NOVA_34,
    ActionName,
    Actor,
    Options,
    Policy,
    Rulebook,
    Server,
    Status,
    TaskState,
    VmState,
    status_of,
)
from serverfsm.cli import app
from serverfsm.javascript import NOVA_RELEASE, javascript
from serverfsm.requests import Guard
from serverfsm.rows import Answer, Backing, End, Outcome, When, Write
from serverfsm.rulebook import RULEBOOKS
from tests.javascript import compare

BOOKS = pytest.mark.parametrize("rulebook", [API_REFERENCE, NOVA_34], ids=lambda book: book.name)
NODE = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
KIBIBYTE = 1024


def run_module(text: str, program: str) -> Any:
    """What the program prints, as JSON; it stands below the module's text."""
    done = subprocess.run(
        ["node", "--input-type=module"],
        input=f"{text}\n{program}",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def message_of(call: str) -> str:
    """The message of the Error that a call throws."""
    program = (
        f"let message; try {{ {call} }} catch (error) {{ message = error.message }}"
        "console.log(JSON.stringify(message ?? null))"
    )
    message = run_module(javascript(), program)
    assert isinstance(message, str), f"{call} throws nothing"
    return message


# --- the text


@BOOKS
def test_the_text_is_the_same_whatever_the_hash_seed(rulebook: Rulebook) -> None:
    program = (
        "import sys; from serverfsm.javascript import javascript; "
        "from serverfsm.rulebook import RULEBOOKS; "
        "sys.stdout.write(javascript(RULEBOOKS[sys.argv[1]]))"
    )
    for seed in ("1", "2"):
        built = subprocess.run(
            [sys.executable, "-c", program, rulebook.name],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert built.stdout == javascript(rulebook)


@BOOKS
def test_the_text_depends_on_nothing_and_is_small(rulebook: Rulebook) -> None:
    text = javascript(rulebook)
    assert text.isascii()
    assert len(text) < 120 * KIBIBYTE
    for word in ("import", "require(", "eval", "Function(", "HTML", "fetch", "</", "<!--"):
        assert word not in text, word


def test_no_action_is_named_in_the_evaluator() -> None:
    evaluator = (Path(serverfsm.__file__).parent / "verdicts.mjs").read_text("utf-8")
    assert javascript().endswith(evaluator)
    words = {word for name in ActionName for word in (name.value, name.key)}
    assert [word for word in words if f'"{word}"' in evaluator] == []


@NODE
@BOOKS
def test_the_constants_are_the_librarys(rulebook: Rulebook) -> None:
    names = "rulebook version release microversions actors statuses vmStates taskStates actions"
    found = run_module(
        javascript(rulebook), f"console.log(JSON.stringify({{{', '.join(names.split())}}}))"
    )
    assert found == {
        "rulebook": rulebook.name,
        "version": serverfsm.__version__,
        "release": NOVA_RELEASE,
        "microversions": [FIRST, LATEST],
        "actors": list(Actor),
        "statuses": list(Status),
        "vmStates": list(VmState),
        "taskStates": list(TaskState),
        "actions": [row.name for row in rulebook],
    }
    assert NOVA_RELEASE in NOVA_34.title


@NODE
def test_the_status_is_the_librarys() -> None:
    found = run_module(
        javascript(),
        "console.log(JSON.stringify(vmStates.flatMap((vm) => "
        "[null, ...taskStates].map((task) => [vm, task, statusOf(vm, task)]))))",
    )
    assert len(found) == len(VmState) * (len(TaskState) + 1)
    for vm, task, status in found:
        assert status == status_of(vm, task)


# --- the answers


@NODE
def test_the_module_answers_as_check_does() -> None:
    """Of both rulebooks at the same time; what is left out here is in the script's whole run."""

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(compare.__file__), name, "--part"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor() as pool:
        runs = dict(zip(RULEBOOKS, pool.map(run, RULEBOOKS), strict=True))
    for name, done in runs.items():
        verdicts = sum(map(compare.size, compare.areas(RULEBOOKS[name], whole=False)))
        assert (done.stdout, done.stderr) == (f"{name}: {verdicts} verdicts, no difference\n", "")
        assert done.returncode == 0
        assert verdicts > 500_000


def test_each_state_lock_backing_actor_and_action_is_asked_about() -> None:
    """The test above cannot shrink unseen."""
    area = compare.areas(API_REFERENCE, whole=False)[-1]
    records = [given["fromRecord"] for given in area.servers if given is not None]
    pairs = {(record["vm_state"], record["task_state"]) for record in records}
    assert len(pairs) == len(VmState) * (len(TaskState) + 1)
    for column, values in (
        ("locked", {None, True}),
        ("locked_by", {None, "owner", "admin"}),
        ("volume_backed", {False, True}),
    ):
        met = {(record["vm_state"], record["task_state"], record.get(column)) for record in records}
        assert met == {(*pair, value) for pair in pairs for value in values}
    assert set(area.actors) == set(Actor)
    assert set(area.actions) == set(ActionName)
    whole = compare.areas(API_REFERENCE)[-1]
    assert len(whole.servers) == len(pairs) * 4 * 2
    assert {"2.1", "2.43", "2.44", LATEST} <= set(compare.boundaries(API_REFERENCE))


@NODE
def test_allowed_is_check_of_every_action() -> None:
    found = run_module(
        javascript(),
        "const server = fromRecord({ vm_state: 'shelved', task_state: 'unshelving' });"
        "const of = { actor: 'admin', microversion: '2.50' };"
        "console.log(JSON.stringify([Object.entries(allowed(server, of)),"
        "  actions.map((name) => [name, check(server, name, of)])]))",
    )
    assert found[0] == found[1]
    assert [name for name, _ in found[0]] == [row.name for row in API_REFERENCE]


@NODE
def test_an_operators_options_are_followed() -> None:
    keeping = NOVA_34.having(Options(reclaim_instance_interval=3600))
    asked = of_action(compare.areas(keeping, whole=False), "delete")
    assert compare.compare(keeping, javascript(keeping), asked).difference is None
    assert javascript(keeping) != javascript(NOVA_34)


# --- a fault in the embedded table is found


def of_action(areas: tuple[compare.Area, ...], name: str) -> list[compare.Area]:
    """The areas with this one action."""
    key = name.partition(":")[0]
    return [replace(area, actions=[name]) for area in areas if {name, key} & set(area.actions)]


def planted(name: ActionName, column: str, value: object) -> Rulebook:
    """Nova's rulebook with another value in one column."""
    row: Any = replace(NOVA_34[name], **{column: value})  # type: ignore[arg-type]
    book = Rulebook(NOVA_34.name, NOVA_34.title, deviates=True)
    book.__dict__["actions"] = MappingProxyType({**NOVA_34.actions, name: row})
    return book


A, V, T = ActionName, VmState, TaskState
FAULTS: list[tuple[ActionName, str, object]] = [
    (A.STOP, "label", "halt"),
    (A.STOP, "vm_states", frozenset({V.ACTIVE, V.ERROR, V.PAUSED})),
    (A.CREATE_IMAGE, "volume_backed_vm_states", frozenset({V.ACTIVE})),
    (A.UNSHELVE_TO_ZONE, "late_vm_states", frozenset({V.SHELVED})),
    (A.STOP, "task_states", frozenset({None, T.PAUSING})),
    (A.REBOOT_SOFT, "any_task_in", frozenset({Status.HARD_REBOOT})),
    (A.STOP, "guards", tuple(guard for guard in NOVA_34[A.STOP].guards if guard != Guard.HOST)),
    (A.STOP, "policy", Policy.ADMIN),
    (A.STOP, "rule", "os_compute_api:servers:halt"),
    (A.UNLOCK, "late_policy", Policy.ADMIN_OR_MANAGER),
    (A.UNLOCK, "late_rule", "os_compute_api:servers:halt"),
    (A.STOP, "since", "2.2"),
    (A.STOP, "until", "2.104"),
    (A.MIGRATE_TO_HOST, "ignored_before", "2.55"),
    (A.RESET_NETWORK, "removed", Answer(404, "No.")),
    (A.REBUILD, "backing", Backing(Answer(400, "No."), until="2.92")),
    (A.STOP, "answers", {Guard.VM_STATE: Answer(400, "No.")}),
    (A.STOP, "normal", 204),
    (
        A.RESET_STATE_ERROR,
        "writes",
        (Write({"vm_state": V.ERROR}, When(task_states=frozenset({None}))),),
    ),
    (A.STOP, "success", (Outcome("done", End.ORIGIN, (T.POWERING_OFF,)),)),
    (A.RESUME, "destructive", True),
]


@NODE
@pytest.mark.parametrize(
    ("name", "column", "value"), FAULTS, ids=[f"{name}-{column}" for name, column, _ in FAULTS]
)
def test_a_fault_in_a_column_is_found(name: ActionName, column: str, value: object) -> None:
    assert getattr(NOVA_34[name], column) != value
    text = javascript(planted(name, column, value))
    # What leads somewhere shows in the hints of other actions.
    elsewhere = {"success": A.START, "destructive": A.PAUSE}.get(column, name)
    found = compare.compare(NOVA_34, text, of_action(compare.areas(NOVA_34), elsewhere))
    assert found.difference is not None
    assert elsewhere in found.difference
    assert "only the digests differ" not in found.difference


@NODE
def test_a_fault_in_what_tasks_lead_to_is_found() -> None:
    text = javascript(NOVA_34)
    wrong = text.replace('"unpausing":["active","paused"]', '"unpausing":["paused"]')
    assert wrong != text
    asked = of_action(compare.areas(NOVA_34), A.PAUSE)[-1:]
    found = compare.compare(NOVA_34, wrong, asked).difference
    assert found is not None
    assert '"task_state":"unpausing"' in found


# --- what comes from outside

ODD: list[Any] = [None, "", 0, 1, True, False, [], {}, "active", "deleting", "ACTIVE", "DELETED"]
KEYS = (
    "status",
    "locked",
    "image",
    "hostId",
    "OS-EXT-STS:vm_state",
    "OS-EXT-STS:task_state",
    "OS-EXT-STS:power_state",
    "OS-EXT-SRV-ATTR:host",
    "OS-SRV-USG:launched_at",
    "OS-SRV-USG:terminated_at",
    "serverfsm:locked_by",
    "serverfsm:deleted",
    "serverfsm:vm_state_before_resize",
)
COLUMNS = tuple(name for name in Server.__dataclass_fields__ if name != "key")


def odd_documents(count: int) -> list[Any]:
    """Documents of real servers, with keys left out and odd values put in."""
    chance = random.Random(34)
    whole = list(compare.documents())
    found = [*whole, *ODD]
    while len(found) < count:
        document = copy.deepcopy(chance.choice(whole))
        for key in chance.sample(KEYS, chance.randint(1, 4)):
            document["server"].pop(key, None)
            if chance.random() < 0.7:
                document["server"][key] = chance.choice([*ODD, "owner", "admin", "stopped", 4])
        found.append(document)
    return found


def odd_records(count: int) -> list[Any]:
    """Flat records, some of them no servers."""
    chance = random.Random(35)
    found: list[Any] = [{}, [], "active", None, {"key": 1}, {"vm_state": "activ"}]
    while len(found) < count:
        record: dict[str, Any] = {"vm_state": chance.choice(["active", "deleted", "error", None])}
        for column in chance.sample(COLUMNS, chance.randint(0, 4)):
            record[column] = chance.choice([*ODD, "owner", "admin", "stopped", 4])
        found.append(record)
    return found


def read(given: dict[str, Any]) -> list[Any] | None:
    """What the library reads; None for an error."""
    try:
        server = compare.server_of(given)
    except ValueError:
        return None
    assert server is not None
    return [part for name in COLUMNS for part in (name, getattr(server, name))]


@NODE
@pytest.mark.parametrize(
    "given",
    [
        [{"fromApi": document} for document in odd_documents(3000)],
        [{"fromRecord": record} for record in odd_records(3000)],
        [{"fromStatus": status} for status in (*Status, *ODD, "active", "ACTIV", "constructor")],
    ],
    ids=["documents", "records", "statuses"],
)
def test_servers_are_read_or_refused_as_the_library_does(given: list[dict[str, Any]]) -> None:
    with compare.Module(javascript()) as module:
        module.send({"read": given})
        found = module.answer()
    expected = [json.loads(json.dumps(read(each))) for each in given]
    assert None in expected
    assert sum(each is not None for each in expected) > len(expected) // 10
    for each, ours, theirs in zip(given, expected, found, strict=True):
        assert theirs == ours, each


@NODE
@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('check("ACTIVE", "os-sotp")', 'unknown action "os-sotp"; did you mean "os-stop"?'),
        ('check("SHUTOF", "lock")', 'unknown status "SHUTOF"; did you mean "SHUTOFF"?'),
        ('fromRecord({vm_state: "stoped"})', 'unknown vm_state "stoped"; did you mean "stopped"?'),
        ('statusOf("active", "pasuing")', 'unknown task_state "pasuing"; did you mean "pausing"?'),
        (
            'check("ACTIVE", "lock", {actor: "root"})',
            f'unknown actor "root"; valid: {", ".join(Actor)}',
        ),
        (
            'check("ACTIVE", "lock", {microversion: "2.105"})',
            f'unknown microversion "2.105"; valid: {FIRST} to {LATEST}, or latest',
        ),
        (
            'check("ACTIVE", "lock", {as: "admin"})',
            'unknown option "as"; valid: actor, microversion',
        ),
        ("allowed(undefined)", "a server must be an object, not a value of type undefined"),
        ('allowed("ACTIVE", "admin")', 'options must be an object, not "admin"'),
        ('fromRecord({vm_state: "active", locked: 1})', "locked must be true or false, not 1"),
        ("fromApi([])", "a server document must be a JSON object, not []"),
    ],
)
def test_a_wrong_word_is_named_with_what_is_valid(call: str, message: str) -> None:
    assert message_of(call) == message


HOSTILE = [
    "__proto__",
    "constructor",
    "toString",
    '"); process.exit(3); ("',
    "${process.exit(3)}",
    "</script><script>alert(1)</script>",
    "\u2028\u0000\ud800",
    "x" * 100_000,
    ["os-stop"],
    {"toString": 1},
    17,
    None,
]


@NODE
def test_text_from_outside_stays_text() -> None:
    calls = (
        "name => check('ACTIVE', name)",
        "name => check('ACTIVE', 'lock', { actor: name })",
        "name => check({ vm_state: name }, 'lock')",
        "name => check({ [name]: 1 }, 'lock')",
    )
    program = (
        f"const names = {json.dumps(HOSTILE)}; const calls = [{', '.join(calls)}];"
        "const message = (call, name) => "
        "{ try { call(name); return null } catch (error) { return error.message } };"
        "console.log(JSON.stringify([calls.map((call) => names.map((name) => "
        "message(call, name))), Object.keys(Object.prototype)]))"
    )
    messages, polluted = run_module(javascript(), program)
    assert polluted == []
    for each in messages:
        for name, message in zip(HOSTILE, each, strict=True):
            assert message is None or len(message) < 2000, name
    assert all(isinstance(message, str) for message in messages[0])
    assert [
        name for name, message in zip(HOSTILE, messages[1], strict=True) if message is None
    ] == [
        None  # the usual actor
    ]


@NODE
def test_a_message_of_the_table_cannot_end_a_script_element() -> None:
    message = "</script><!-- ${1} ` ' \" \\ \u2028 {have} {id} $& $1"
    book = planted(A.STOP, "answers", {Guard.VM_STATE: Answer(409, message)})
    text = javascript(book)
    assert "</" not in text
    assert "<!--" not in text
    found = run_module(
        text, "console.log(JSON.stringify(check({ vm_state: 'paused' }, 'os-stop').message))"
    )
    assert found == message.replace("{have}", "paused")


# --- the command


def test_export_js_prints_the_module() -> None:
    for name, book in RULEBOOKS.items():
        result = CliRunner().invoke(app, ["export", "js", "--rulebook", name])
        assert result.exit_code == 0
        assert result.stdout == javascript(book)


def test_export_js_writes_a_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.mjs"
    path.write_text("before", "utf-8")
    result = CliRunner().invoke(app, ["export", "js", "--output", str(path)])
    assert (result.exit_code, result.output) == (0, "")
    assert path.read_bytes().decode("ascii") == javascript()
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_stays_as_it_was_if_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.mjs"
    path.write_text("before", "utf-8")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    result = CliRunner().invoke(app, ["export", "js", "--output", str(path)])
    assert result.exit_code == 2
    assert result.stderr == f"serverfsm: cannot write {path}: No space left on device\n"
    assert path.read_text("utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_export_js_follows_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "table.mjs", tmp_path / "link.mjs"
    link.symlink_to(path)
    result = CliRunner().invoke(app, ["export", "js", "--output", str(link)])
    assert result.exit_code == 0
    assert link.is_symlink()
    assert path.read_text("utf-8") == javascript()


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("missing/table.mjs", "No such file or directory"),
        (".", "Is a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_export_js_says_what_is_wrong_with_the_file(
    output: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["export", "js", "--output", output])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == f"serverfsm: cannot write {output}: {why}\n"
    assert list(tmp_path.iterdir()) == []


def test_export_js_writes_to_a_device_as_it_is() -> None:
    result = CliRunner().invoke(app, ["export", "js", "--output", os.devnull])
    assert (result.exit_code, result.output) == (0, "")
    assert Path(os.devnull).is_char_device()
