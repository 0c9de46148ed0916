"""The table as JSON, CSV and Markdown."""

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from serverfsm import API_REFERENCE, NOVA_34, ActionName, Rulebook
from serverfsm.export import schema, table_csv, table_document, table_markdown

WORDS = json.loads((Path(__file__).parent / "data" / "nova-34-words.json").read_text("utf-8"))
BOOKS = pytest.mark.parametrize("rulebook", [API_REFERENCE, NOVA_34], ids=lambda book: book.name)


def rows(rulebook: Rulebook = API_REFERENCE) -> dict[str, dict]:
    """The exported rows by name."""
    found = {}
    for row in table_document(rulebook)["actions"]:
        name = row["action"] if row["variant"] is None else f"{row['action']}:{row['variant']}"
        assert name not in found
        found[name] = row
    return found


@BOOKS
def test_json_obeys_the_published_schema(rulebook: Rulebook) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    document = table_document(rulebook)
    jsonschema.validate(document, schema(), jsonschema.Draft202012Validator)
    assert document["schema"] == schema()["$id"]
    assert json.loads(json.dumps(document)) == document


def test_schema_refuses_what_is_no_table() -> None:
    document = table_document()
    document["actions"][0]["requires"]["statuses"] = ["STOPPED"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema(), jsonschema.Draft202012Validator)


def test_schema_knows_the_words_of_nova() -> None:
    words = schema()["$defs"]
    assert sorted(words["vm_state"]["enum"]) == sorted(WORDS["vm_states"])
    assert sorted(words["task_state"]["enum"]) == sorted(WORDS["task_states"])


@BOOKS
def test_every_action_is_exported_once(rulebook: Rulebook) -> None:
    assert set(rows(rulebook)) == {name.value for name in ActionName}


def test_every_action_of_nova_is_exported() -> None:
    keys = {row["action"] for row in table_document()["actions"]}
    # `remote-consoles` is a resource of its own, not an action of a server.
    assert keys == set(WORDS["actions"]) - {"remote-consoles"}


@pytest.mark.parametrize("name", ActionName)
def test_codes_and_versions_are_those_of_novas_decorators(name: ActionName) -> None:
    """`expected_errors`, `response` and `api_version` of the controllers, read from Nova 34."""
    decorated, row = WORDS["actions"][name.key], NOVA_34[name]
    expected = {code for _, _, codes in decorated["expected_errors"] for code in codes}
    never: set[object] = set()
    for each in NOVA_34.deviations:
        if (each.action, each.column) == (name, "errors"):
            assert isinstance(each.reference, frozenset)
            assert isinstance(each.nova, frozenset)
            never |= each.reference - each.nova
    assert expected - never <= row.errors
    if row.removed is None and "loating" not in name:  # floating_ips answers 202 by hand
        assert row.normal in {code for _, _, code in decorated["normal"]}
    if name.variant is None and decorated["min"] is not None:
        assert row.since == decorated["min"]
    if decorated["max"] is None:
        assert row.until is None
    else:
        assert row.until == f"2.{int(decorated['max'].partition('.')[2]) + 1}"


def test_documented_statuses_are_those_of_the_reference() -> None:
    # Read from the sections "Preconditions" of servers-actions and from its sister pages.
    documented = {
        "addFloatingIp": {"ACTIVE", "SHUTOFF"},
        "confirmResize": {"VERIFY_RESIZE"},
        "createImage": {"ACTIVE", "SHUTOFF", "SUSPENDED", "PAUSED"},
        "reboot:SOFT": {"ACTIVE"},
        "reboot:HARD": {
            "ACTIVE",
            "ERROR",
            "HARD_REBOOT",
            "PAUSED",
            "REBOOT",
            "SHUTOFF",
            "SUSPENDED",
        },
        "rebuild": {"ACTIVE", "SHUTOFF", "ERROR"},
        "resize": {"ACTIVE", "SHUTOFF"},
        "revertResize": {"VERIFY_RESIZE"},
        "os-start": {"SHUTOFF"},
        "os-stop": {"ACTIVE", "ERROR"},
        "unrescue": {"RESCUE"},
        "shelve": {"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"},
        "shelveOffload": {"SHELVED"},
        "unshelve": {"SHELVED", "SHELVED_OFFLOADED"},
        "unshelve:availability_zone": {"SHELVED_OFFLOADED"},
        "unshelve:host": {"SHELVED_OFFLOADED"},
        "restore": {"SOFT_DELETED"},
    }
    exported = rows()
    assert {name for name, row in exported.items() if row["documented"]} == set(documented)
    for name, statuses in documented.items():
        assert set(exported[name]["requires"]["statuses"]) == statuses, name


def test_where_the_reference_is_silent_the_accepted_statuses_are_exported() -> None:
    exported = rows()
    assert exported["pause"]["requires"]["statuses"] == ["ACTIVE"]
    assert exported["lock"]["requires"]["statuses"] == []  # any


def test_no_task_is_told_apart_from_any_task() -> None:
    exported = rows()
    assert exported["os-stop"]["requires"]["task_states"] == [None]
    assert exported["delete"]["requires"]["task_states"] == "any"
    assert None in exported["reboot:HARD"]["requires"]["task_states"]
    consoles = exported["os-getVNCConsole"]["requires"]["task_states"]
    assert len(consoles) == 41
    assert not {"deleting", "migrating"} & set(consoles)


def test_projection_is_novas() -> None:
    projection = {
        (pair["vm_state"], pair["task_state"]): pair["status"]
        for pair in table_document()["projection"]
    }
    assert len(projection) == len(WORDS["vm_states"]) * (len(WORDS["task_states"]) + 1)


def test_deviations_name_both_sides() -> None:
    for deviation in table_document(NOVA_34)["deviations"]:
        assert deviation["reference"] != deviation["nova"], deviation["name"]
        assert deviation["documented"]
        assert deviation["observed"]
        assert deviation["evidence"]


@BOOKS
def test_csv_has_a_line_for_each_action(rulebook: Rulebook) -> None:
    read = list(csv.DictReader(io.StringIO(table_csv(rulebook))))
    assert len(read) == len(ActionName)
    stop = next(row for row in read if row["action"] == "os-stop")
    assert (stop["statuses"], stop["task_states"], stop["normal"]) == (
        "ACTIVE ERROR",
        "none",
        "202",
    )


@BOOKS
def test_markdown_is_one_table(rulebook: Rulebook) -> None:
    lines = table_markdown(rulebook).splitlines()
    assert len(lines) == 2 + len(ActionName)
    assert len({line.count("|") for line in lines}) == 1
