"""Request bodies: the JSON Schema of each, and which action a body asks for.

Only what is read off the table's parameters belongs here, and the complaints in Nova's wording.
The words of the schemas are `shapes.py`'s; a verdict on a body is `check`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from serverfsm import formats
from serverfsm.errors import MissingPackageError, UnknownActionError
from serverfsm.guards import Complaint, Reason
from serverfsm.requests import LATEST, ActionName, Microversion
from serverfsm.rows import SERVER_ACTION, Action, Body, BodyRule, Parameter
from serverfsm.rulebook import API_REFERENCE, Rulebook

__all__ = ["Asked", "asked", "body_schema", "body_schemas", "complaint_about", "keys"]

Schema = dict[str, Any]

MALFORMED = "Malformed request body"
NO_SUCH_ACTION = "There is no such action"
NOT_AN_OBJECT = "The resource could not be found."


class Asked(NamedTuple):
    """What a body asks for.

    Attributes:
        action: the action and variant; where the body is wrong, the plain action of its key, or
            None if it has no key of an action.
        complaint: what is wrong with it; None: nothing.
    """

    action: ActionName | None
    complaint: Complaint | None = None


def asked(
    body: object,
    *,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
) -> Asked:
    """Return what the body of a POST to /servers/{id}/action asks for.

    Args:
        body: the decoded JSON, such as {"os-stop": None}; or the bytes, not yet decoded.
        microversion: of the request.
        rulebook: whose rules.

    Raises:
        UnknownMicroversionError: there is no such microversion.
        MissingPackageError: jsonschema, which tests the form of the body, is not installed.

    >>> asked({"reboot": {"type": "Hard"}}).action
    <ActionName.REBOOT_HARD: 'reboot:HARD'>
    >>> asked({"reboot": None}).complaint.message
    "Invalid input for field/attribute reboot. Value: None. None is not of type 'object'"
    """
    version = Microversion(microversion)
    try:
        body = _decoded(body)
    except (ValueError, RecursionError):
        return Asked(None, Complaint(400, MALFORMED))
    if not isinstance(body, Mapping):
        one_key_at_most = not isinstance(body, list | tuple | str) or len(body) == 1
        if one_key_at_most:
            return Asked(None, Complaint(404, NOT_AN_OBJECT, Reason.NOT_FOUND))
        return Asked(None, Complaint(400, MALFORMED))
    if len(body) != 1:
        return Asked(None, Complaint(400, MALFORMED))
    ((key, value),) = body.items()
    rows = _rows(rulebook).get(key) if isinstance(key, str) else None
    if rows is None:
        return Asked(None, Complaint(400, f"{NO_SUCH_ACTION}: {key}", Reason.UNKNOWN_ACTION))
    meant = tuple(_at(rows, version))
    if not meant:
        return Asked(rows[0].name)
    complaint = _wrong_form(body, meant, version)
    if complaint is not None:
        return Asked(meant[0].name, complaint)
    row = [each for each in meant if _means(each, value, version)][-1]
    return Asked(row.name, _breaks_rule(row, value, version))


def complaint_about(
    body: object,
    row: Action,
    *,
    microversion: Microversion | str = LATEST,
) -> Complaint | None:
    """Return what is wrong with the body of a request whose endpoint names the action.

    Args:
        body: the decoded JSON, such as {"server": {"name": …}}; or the bytes, not yet decoded.
        row: of the action.
        microversion: of the request.

    Raises:
        UnknownMicroversionError, MissingPackageError: as `asked`.
    """
    try:
        body = None if body == b"" else _decoded(body)
    except (ValueError, RecursionError):
        return Complaint(400, MALFORMED)
    return _wrong_form(body, (row,), Microversion(microversion))


def body_schema(
    action: ActionName | str,
    *,
    microversion: Microversion | str = LATEST,
    rulebook: Rulebook = API_REFERENCE,
) -> Schema:
    """Return the JSON Schema, draft 2020-12, of the whole body with this action's key.

    It covers all variants of the key, as one request does. Some `format`s in it are Nova's own:
    `name` and `printable`; a validator that does not know them lets every text pass.

    Raises:
        UnknownActionError: there is no such action, or it has no body, or is not there at this
            microversion.
        UnknownMicroversionError: there is no such microversion.

    >>> body_schema("trigger_crash_dump")["properties"]
    {'trigger_crash_dump': {'type': 'null'}}
    """
    version = Microversion(microversion)
    names = {name.key: name for name in ActionName}
    key = str(action).partition(":")[0]
    of_key = tuple(row for row in rulebook if row.name.key == key and row.bodies)
    rows = tuple(_at(of_key, version))
    if not rows:
        raise UnknownActionError(action, names)
    return _schema(rows, version)


def body_schemas(
    *, microversion: Microversion | str = LATEST, rulebook: Rulebook = API_REFERENCE
) -> dict[str, Schema]:
    """Return the schema of every key that there is at this microversion, in the table's order."""
    version = Microversion(microversion)
    return {
        key: _schema(tuple(_at(rows, version)), version)
        for key, rows in _rows(rulebook).items()
        if any(_at(rows, version))
    }


def keys(rulebook: Rulebook = API_REFERENCE) -> tuple[str, ...]:
    """Return every key that a body may have at one microversion or another."""
    return tuple(_rows(rulebook))


# ------------------------------------------------------------------------------ from the rows


@lru_cache(16)
def _rows(rulebook: Rulebook) -> dict[str, tuple[Action, ...]]:
    """The rows of each key, the plain one first."""
    found: dict[str, tuple[Action, ...]] = {}
    for row in rulebook:
        if row.endpoint == SERVER_ACTION:
            found[row.name.key] = (*found.get(row.name.key, ()), row)
    return found


def _holds_at(said: Action | Body | BodyRule | Parameter, version: Microversion) -> bool:
    return version >= said.since and (said.until is None or version < said.until)


def _at(rows: Sequence[Action], version: Microversion) -> Iterator[Action]:
    return (row for row in rows if _holds_at(row, version))


def _parameters(row: Action, version: Microversion) -> dict[str, Parameter]:
    return {each.name: each for each in row.parameters if _holds_at(each, version)}


def _types(row: Action, version: Microversion) -> tuple[str, ...]:
    return next((body.types for body in row.bodies if _holds_at(body, version)), ())


def _decoded(body: object) -> object:
    """The JSON of bytes; what is none is decoded already."""
    if isinstance(body, bytes | bytearray | memoryview):
        return json.loads(str(body, "utf-8"))
    return body


def _schema(rows: tuple[Action, ...], version: Microversion) -> Schema:
    key = rows[0].body_key or rows[0].name.key
    beside = [each for each in _parameters(rows[0], version).values() if each.beside]
    return {
        "type": "object",
        "properties": {
            key: _of_value(rows, version),
            **{each.name: dict(each.shape) for each in beside},
        },
        "required": [key],
        "additionalProperties": False,
    }


def _of_value(rows: tuple[Action, ...], version: Microversion) -> Schema:
    """The schema of what stands under the key: what any of these variants may be given."""
    of_rows = [_types(row, version) for row in rows]
    if () in of_rows:
        return {}
    types = [each for each in ("object", "null") if any(each in of_row for of_row in of_rows)]
    schema: Schema = {"type": types[0] if len(types) == 1 else types}
    if "object" not in types:
        return schema
    objects = [
        {name: each for name, each in _parameters(row, version).items() if not each.beside}
        for row, of_row in zip(rows, of_rows, strict=True)
        if "object" in of_row
    ]
    known = {name: each for parameters in objects for name, each in parameters.items()}
    schema["properties"] = {name: dict(each.shape) for name, each in known.items()}
    needed = [[name for name, each in of_row.items() if each.required] for of_row in objects]
    if common := [name for name in known if all(name in each for each in needed)]:
        schema["required"] = common
    elif all(needed):
        schema["anyOf"] = [{"required": each} for each in needed]
    schema["additionalProperties"] = False
    return schema


def _means(row: Action, value: object, version: Microversion) -> bool:
    """Whether a value of the right form asks for this variant; the plain one it always may."""
    if row.name.variant is None or not isinstance(value, Mapping):
        return row.name.variant is None
    marks = [
        each
        for each in _parameters(row, version).values()
        if each.values or each.name == row.name.variant
    ]
    return all(_is_marked(value, mark) for mark in marks)


def _is_marked(value: Mapping[str, object], mark: Parameter) -> bool:
    if mark.values:
        return value.get(mark.name) in mark.values
    given = value.get(mark.name)
    return mark.name in value and (mark.empty_counts or given not in (None, ""))


# ------------------------------------------------------------------------------- complaints


def _wrong_form(body: object, rows: tuple[Action, ...], version: Microversion) -> Complaint | None:
    schema = _schema_text(rows, version)
    if schema is None:
        return None
    try:
        error = next(_validator(schema).iter_errors(body), None)
        return None if error is None else Complaint(400, _worded(error))
    except (RecursionError, UnicodeError):
        return Complaint(400, MALFORMED)


@lru_cache(4096)
def _schema_text(rows: tuple[Action, ...], version: Microversion) -> str | None:
    """The schema as text, None where every value will do; equal ones have one validator."""
    schema = _schema(rows, version)
    return json.dumps(schema) if any(schema["properties"].values()) else None


def _breaks_rule(row: Action, value: object, version: Microversion) -> Complaint | None:
    for rule in row.body_rules:
        if _holds_at(rule, version) and not _validator(json.dumps(rule.shape)).is_valid(value):
            return Complaint(rule.answer.code, rule.answer.message, late=True)
    return None


def _worded(error: Any) -> str:
    """nova.api.validation.validators:_SchemaValidator.validate"""
    if isinstance(error.cause, _NotANameError):
        return str(error.cause)
    if not error.path:
        return str(error.message)
    return (
        f"Invalid input for field/attribute {error.path[-1]}. Value: {error.instance}. "
        f"{error.message}"
    )


class _NotANameError(ValueError):
    """A text that is no name, in Nova's words: the only format with words of its own."""

    def __init__(self) -> None:
        super().__init__(
            "An invalid 'name' value was provided. The name must be: printable characters. "
            "Can not start or end with whitespace."
        )


def _name(value: object) -> bool:
    if isinstance(value, str) and formats.is_name(value):
        return True
    raise _NotANameError


@cache
def _validator(schema: str) -> Any:
    made = _validator_class()
    return made[0](json.loads(schema), format_checker=made[1])


@cache
def _validator_class() -> tuple[Any, Any]:
    """The validator that compares numbers in texts, too, as Nova's does, and its formats."""
    try:
        import jsonschema
    except ImportError:
        raise MissingPackageError("jsonschema", "bodies", "the form of a request body") from None

    plain = jsonschema.Draft202012Validator

    def compared(keyword: str) -> Any:
        def compare(validator: Any, limit: Any, value: Any, schema: Any) -> Any:
            number = _number(value)
            test = plain.VALIDATORS[keyword]
            return () if number is None else test(validator, limit, number, schema)

        return compare

    checker = jsonschema.FormatChecker(("ipv4", "ipv6"))
    for word, test in (
        ("base64", formats.is_base64),
        ("printable", formats.is_printable),
        ("uuid", formats.is_uuid),
    ):
        checker.checks(word)(_of_text(test))
    checker.checks("name", _NotANameError)(_name)
    extend: Any = jsonschema.validators.extend
    return extend(plain, {word: compared(word) for word in ("minimum", "maximum")}), checker


def _of_text(test: Any) -> Any:
    return lambda value: not isinstance(value, str) or test(value)


def _number(value: object) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(value)  # type: ignore[arg-type,call-overload]
        except (TypeError, ValueError, OverflowError):
            continue
    return None
