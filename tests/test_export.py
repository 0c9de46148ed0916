"""The table as JSON, CSV and Markdown."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from serverfsm import API_REFERENCE, NOVA_34, ActionName, Options, PowerState, Rulebook
from serverfsm.export import schema, table_csv, table_document, table_markdown
from serverfsm.export_columns import columns
from serverfsm.export_rows import action_document, timer_document
from serverfsm.requests import Guard
from serverfsm.rows import (
    Action,
    Answer,
    Assumption,
    Backing,
    Body,
    BodyRule,
    Cause,
    Effect,
    EffectKind,
    End,
    Moment,
    Outcome,
    Parameter,
    Passing,
    Reaction,
    Timer,
    When,
    Write,
)
from serverfsm.states import ComputeDriver, LockedBy
from serverfsm.unprompted import REACTIONS, TIMERS

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


def test_schema_knows_the_words_of_the_rows() -> None:
    words = schema()["$defs"]
    for name, known in (
        ("guard", [guard.value for guard in Guard]),
        ("driver", [driver.value for driver in ComputeDriver]),
        ("moment", [moment.value for moment in Moment]),
        ("option", [each.name for each in fields(Options) if each.name != "compute_driver"]),
        ("power_state", [(state.name, state.value) for state in PowerState]),
    ):
        word = words[name]
        found = word.get("enum") or [each["const"] for each in word["oneOf"]]
        if name == "power_state":
            found = [(each["title"], each["const"]) for each in word["oneOf"]]
        assert sorted(found) == sorted(known), name
    assert words["end"]["anyOf"][1]["enum"] == [end.name for end in End]
    assert words["effect"]["properties"]["kind"]["enum"] == list(EffectKind)
    assert words["reaction"]["properties"]["cause"]["enum"] == list(Cause)
    assert words["write"]["properties"]["set"]["properties"]["locked_by"]["enum"] == [
        *LockedBy,
        None,
    ]


def objects(node: Any) -> Iterator[dict]:
    """Every part of a schema that describes an object."""
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def test_schema_is_strict_and_says_what_each_key_means() -> None:
    definitions = schema()["$defs"]
    assert all(definition["description"] for definition in definitions.values())
    for each in objects(schema()):
        assert "additionalProperties" in each, each
        assert each["additionalProperties"] is False or "properties" not in each
        for key, value in each.get("properties", {}).items():
            assert value.get("description") or "$ref" in value, key


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


# --- no column is forgotten

# Values for columns that have one value in all rows.
OTHERS: dict[tuple[type, str], object] = {
    (Timer, "when"): When(host=False),
    (When, "until"): "2.50",
    (Parameter, "name"): "another",
    (Action, "body_rules"): (),
    (BodyRule, "since"): "2.50",
}
ROWS = [*API_REFERENCE, *NOVA_34]
INNER = (
    Outcome,
    When,
    Write,
    Passing,
    Effect,
    Answer,
    Assumption,
    Backing,
    Parameter,
    Body,
    BodyRule,
)
COLUMNS = [
    pytest.param(kind, name, id=f"{kind.__name__}.{name}")
    for kind in (Action, Timer, Reaction, *INNER)
    for name in (kind._fields if hasattr(kind, "_fields") else kind.__dataclass_fields__)
]


def records(kind: type, root: object) -> Iterator[Any]:
    """Every record of this sort in there."""
    if isinstance(root, kind):
        yield root
    if is_dataclass(root):
        yield from records(kind, [getattr(root, each.name) for each in fields(root)])
    elif isinstance(root, dict):
        yield from records(kind, list(root.values()))
    elif isinstance(root, list | tuple):
        for each in root:
            yield from records(kind, each)


@cache
def found(kind: type) -> list[Any]:
    """Every record of this sort in the rows."""
    return list(records(kind, (ROWS, TIMERS, REACTIONS)))


def changed(record: Any, name: str, value: object) -> Any:
    if is_dataclass(record):
        return replace(record, **{name: value})
    return record._replace(**{name: value})


def document_of(record: Any) -> object:
    """What is exported of a record: of the innermost ones, inside an action's row."""
    row = API_REFERENCE[ActionName.RESCUE]
    inside = {
        Outcome: lambda: replace(row, success=(record,)),
        When: lambda: replace(row, failures=(Outcome("failed", End.ORIGIN, when=record),)),
        Write: lambda: replace(row, writes=(record,)),
        Passing: lambda: replace(row, writes=(Write({}, passing=(record,)),)),
        Effect: lambda: replace(row, effects={next(iter(row.during)): (record,)}),
        Answer: lambda: replace(row, answers={Guard.LOCK: record}),
        Assumption: lambda: replace(row, assumes=(record,)),
        Backing: lambda: replace(row, backing=record),
        Parameter: lambda: replace(row, parameters=(record,)),
        Body: lambda: replace(row, bodies=(record,)),
        BodyRule: lambda: replace(row, body_rules=(record,)),
    }
    if isinstance(record, Timer):
        return timer_document(record)
    if isinstance(record, Reaction):
        return columns(record)
    return action_document(record if isinstance(record, Action) else inside[type(record)]())


@pytest.mark.parametrize(("kind", "name"), COLUMNS)
def test_every_column_is_exported(kind: type, name: str) -> None:
    """Each two values that a column has somewhere give different documents."""
    values = [OTHERS[kind, name]] if (kind, name) in OTHERS else []
    for record in found(kind):
        if getattr(record, name) not in values:
            values.append(getattr(record, name))
    assert len(values) > 1, "give it another value in OTHERS"
    documents = [document_of(changed(found(kind)[0], name, value)) for value in values]
    assert len({json.dumps(document) for document in documents}) == len(values)


# Keys that are named otherwise than their column, and keys that are worked out.
RENAMED = {(Write, "values"): "set", (Timer, "event"): "action"}
ADDED = {Outcome: {"ends_with_acceptance"}, Timer: {"unit"}}


@pytest.mark.parametrize(
    "kind",
    [
        *(Outcome, When, Write, Passing, Effect, Timer, Reaction, Answer, Backing, Parameter),
        *(Body, BodyRule),
    ],
)
def test_schema_has_every_column(kind: type) -> None:
    definitions = schema()["$defs"]
    of_action = definitions["action"]["properties"]
    inner = {
        Backing: of_action["backing"],
        Parameter: of_action["parameters"]["items"],
        Body: of_action["bodies"]["items"],
        BodyRule: of_action["body_rules"]["items"],
    }
    known = inner.get(kind) or definitions[kind.__name__.lower()]
    names = getattr(kind, "_fields", None) or kind.__dataclass_fields__
    keys = {RENAMED.get((kind, name), name) for name in names} | ADDED.get(kind, set())
    assert set(known["properties"]) == keys


@pytest.mark.parametrize("part", ["outcomes", "writes"])
def test_schema_refuses_a_key_that_it_does_not_know(part: str) -> None:
    document = table_document()
    row = next(row for row in document["actions"] if row["name"] == "delete")
    row[part][0]["unknown"] = True
    with pytest.raises(jsonschema.ValidationError, match="unknown"):
        jsonschema.validate(document, schema(), jsonschema.Draft202012Validator)


@BOOKS
def test_what_says_nothing_is_left_out(rulebook: Rulebook) -> None:
    document = table_document(rulebook)
    defaults = schema()["$defs"]
    for row in document["actions"]:
        for outcome in (*row["outcomes"], *row.get("overtaken", ())):
            for key, value in outcome.items():
                assert value != defaults["outcome"]["properties"][key].get("default", ...), key
    assert len(json.dumps(document)) < 300_000
