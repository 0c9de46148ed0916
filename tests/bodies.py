"""Request bodies, right and wrong, made from the JSON Schema of a whole body.

    for body in bodies(schema, others=[schema of other microversions]):
        print(body.kind, body.text)

No Nova and no library here. The same arguments give the same bodies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, product
from random import Random
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]
Path = tuple[Any, ...]
Known = Mapping[str, Sequence[Any]]

#: Values of every type, to stand where another one should.
TYPES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.0, 1.5, -0.5, 1e300, 2**31, 2**63, 10**30),
    *(float("inf"), float("-inf"), float("nan"), "x", [], {}, [None], [[]], {"x": 1}, {"": {}}),
)
#: Strings that a careless test of a string takes for another.
STRINGS: tuple[str, ...] = (
    *("", " ", "\n", "\t", "web-1", "a b", " a", "a ", "a\n", "\na", "a\r\n", "a\tb", "a\x0bb"),
    *("\u00a0", "a\u00a0", "\u3000a", "\u2028", "a\u0085", "a\x00b", "\x1f", "\x7f", "a\u00adb"),
    *("\u00e9", "\u6f22\u5b57", "\u0301", "\U0001f600", "\ud800", "a\udfffb", "\ufeff", "a\u200b"),
    *("\u202ea", "\uffff", "\ufdd0", "\ue000", "null", "None", "true", "%s", "%(a)s", "{0}"),
    "{id}",
    *("<b>&amp;</b>", "'", '"', "'\"", "\\", "a/b", "a,b", "a:b", "..", "-", "_", "a.b-c_d", "[1]"),
)
#: Strings that a careless reader takes for a number.
NUMERALS: tuple[str, ...] = (
    *("0", "1", "7", "-1", "-2", "+1", "-0", "1.5", "1.0", " 1", "1 ", "1\n", "\n", "1e3", "0x10"),
    *("00", "1_000", "\uff11", "\u0663", "\u00b2", "nan", "inf", "-inf", "1,0", "9" * 20),
    "9" * 400,
)
#: Spellings of a truth value, and what is near them.
TRUTHS: tuple[Any, ...] = (
    *("True", "TRUE", "true", "tRUE", "1", "ON", "On", "on", "oN", "YES", "Yes", "yes", "y", "t"),
    *("False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f", "2", "auto"),
    *("AUTO", " true", "true ", "enabled", 2),
)
UUID = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
#: Values for each format, right and wrong; those of other formats are taken, too.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "uuid": (
        *(UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}"),
        *(f"uuid:{UUID}", f"urn:{UUID}", f" {UUID}", f"{UUID}\n", UUID[:-1], f"{UUID}0"),
        f"({UUID})",
        *(UUID.replace("1", "g"), UUID.replace("-", "_"), UUID.replace("-", "", 1), f"{{{UUID}"),
        *(UUID.replace("-", "--"), UUID.replace("1", "\uff11"), f"https://images.example/{UUID}"),
        "00000000-0000-0000-0000-000000000000",
    ),
    "ipv4": (
        *("10.0.0.9", "0.0.0.0", "255.255.255.255", "127.1", "1", "10.0.0", "10.0.0.256"),
        "10.0.0.09",
        *("010.0.0.9", "10.0.0.9/32", "10.0.0.9:80", " 10.0.0.9", "10.0.0.9\n", "10.0.0.-1"),
        "0x0a.0.0.9",
        *("10.0.0.9.1", "10..0.9", "1\uff10.0.0.9", "localhost", "10.0.0.9."),
    ),
    "ipv6": (
        *("::", "::1", "fe80::1", "FE80::1", "fe80::1%eth0", "::1%", "::1/128", "[::1]"),
        "[::1]:80",
        *("::ffff:10.0.0.9", "::10.0.0.256", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9"),
        "1:2:3:4:5:6:7",
        *("::1 ", "::g", "1::2::3", "00001::", ":::", ":", "2001:db8::\uff11"),
    ),
    "base64": (
        *("", "YQ==", "YWI=", "YWJj", "YQ", "YQ=", "a", "YWJjZ", "YQ===", "YQ==YQ==", "=", "===="),
        "Y===",
        *("YQ\n==", "YW Jj", "YWJj\n", "\tYWJj", "%%", "%", "YW-_", "Y*W*J*j", "YWJj=", "\u00e9"),
        "\ud800",
        *("YWJj\x00", "data:;base64,YWJj", "YWJj" * 2561),
    ),
}
#: Strings from which one is taken that fits a pattern.
WORDS = ("a", "web-1", "compute-2", "12", "1", "a.b", "key_1", "AB", "/a", "00:16:3e:00:00:01", "")
JSON_TYPES: Mapping[type, str] = {
    bool: "boolean",
    dict: "object",
    float: "number",
    int: "integer",
    list: "array",
    str: "string",
    type(None): "null",
}
DEPTHS = (10, 100)
#: More than the usual quotas allow, in number and in length.
MANY, LONG = 129, 256


class Kind(StrEnum):
    """What was done to a body that is right."""

    RIGHT = "nothing"
    VALUE = "another value"
    MISSING = "a key left out"
    UNKNOWN = "a key too many"
    FOREIGN = "a parameter of another microversion"
    LIST = "another list"
    SEVERAL = "several things"
    KEYS = "other keys than one action's"
    TEXT = "another text"


@dataclass(frozen=True)
class Body:
    """A body as it is sent.

    `text` is mostly JSON; a byte that is no UTF-8 is a lone surrogate, as `surrogateescape` has it.
    """

    kind: Kind
    text: str

    @property
    def data(self) -> bytes:
        """What goes over the wire."""
        return self.text.encode("utf-8", "surrogateescape")


# Reading a schema


def parts(schema: Schema) -> Iterator[Schema]:
    """Yield a schema and those that it is composed of, all about the same value."""
    yield schema
    for keyword in ("allOf", "anyOf", "oneOf"):
        for each in schema.get(keyword, ()):
            yield from parts(each)


def types(schema: Schema) -> tuple[str, ...]:
    """Return the types that a schema names itself; none: any type will do."""
    named = schema.get("type", ())
    return (named,) if isinstance(named, str) else tuple(named)


def takes(schema: Schema, kind: str) -> bool:
    """Tell whether a value of this type may be right."""
    named = [types(each) for each in parts(schema) if types(each)]
    return not named or any(kind in each for each in named)


def below(schema: Schema, name: Any) -> Schema:
    """Return the schema of a property or an item; {} where it says nothing of it."""
    for each in parts(schema):
        if isinstance(name, int):
            if "items" in each:
                return dict(each["items"])
            continue
        if name in each.get("properties", {}):
            return dict(each["properties"][name])
        for pattern, inner in each.get("patternProperties", {}).items():
            if re.search(pattern, name):
                return dict(inner)
    return {}


def places(schema: Schema, value: Any, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Yield the way to every value in a body, and what the schema says there."""
    yield path, schema
    if isinstance(value, dict | list):
        names = value if isinstance(value, dict) else range(len(value))
        for name in names:
            yield from places(below(schema, name), value[name], (*path, name))


# What is right


def right(schema: Schema, random: Random, known: Known, share: float) -> Any:
    """Return a value that the schema allows.

    `known` has values for properties by their name. `share` is the part of the optional properties
    to put in, 0 to 1. Raise ValueError if no value is found.
    """
    for keyword in ("oneOf", "anyOf"):
        if keyword in schema:
            rest = {name: each for name, each in schema.items() if name != keyword}
            return right({**rest, **random.choice(schema[keyword])}, random, known, share)
    for each in schema.get("allOf", ()):
        schema = {**schema, **each}
    if "enum" in schema:
        return random.choice(schema["enum"])
    kind = random.choice(types(schema) or ("string" if "format" in schema else "anything",))
    if kind == "object":
        return _right_object(schema, random, known, share)
    if kind == "array":
        return _right_array(schema, random, known, share)
    if kind == "string":
        return _right_string(schema, random)
    least = schema.get("minimum", 0)
    return {
        "null": None,
        "boolean": random.choice((True, False)),
        "integer": least + random.choice((0, 1, 7)),
        "number": least + random.choice((0, 1, 1.5)),
        "anything": random.choice((None, {}, [], "x", 1, True)),
    }[kind]


def _right_object(schema: Schema, random: Random, known: Known, share: float) -> dict[str, Any]:
    required = schema.get("required", ())
    made: dict[str, Any] = {}
    for name, inner in schema.get("properties", {}).items():
        if name not in required and random.random() >= share:
            continue
        made[name] = (
            random.choice(_given(inner, known[name]))
            if name in known
            else right(inner, random, known, share)
        )
    for pattern, inner in schema.get("patternProperties", {}).items():
        names = [word for word in WORDS if re.search(pattern, word)]
        for name in names[: 2 if share else 0]:
            made[name] = right(inner, random, known, share)
    return made


def _given(schema: Schema, values: Sequence[Any]) -> list[Any]:
    """Return those values that have a type the schema takes, and null where it takes that."""
    of_type = [value for value in values if takes(schema, JSON_TYPES[type(value)])]
    return [*of_type, None] if "null" in types(schema) else of_type


def _right_array(schema: Schema, random: Random, known: Known, share: float) -> list[Any]:
    made: list[Any] = []
    length = max(schema.get("minItems", 0), 1)
    while len(made) < length:
        item = right(schema.get("items", {}), random, known, share)
        if schema.get("uniqueItems") and item in made:
            item = f"{item}{len(made)}"
        made.append(item)
    return made


def _right_string(schema: Schema, random: Random) -> str:
    found = [
        word
        for word in (FORMATS.get(schema.get("format", ""), ())[:1] or WORDS)
        if re.search(schema.get("pattern", ""), word)
        and schema.get("minLength", 0) <= len(word) <= schema.get("maxLength", len(word))
    ]
    if not found:
        raise ValueError(f"no string is known for {schema}")
    return random.choice(found)


# What may be wrong


def odd(schema: Schema) -> Iterator[Any]:
    """Yield values for a place in a body: of every type, and near to what the schema asks for."""
    yield from TYPES
    for each in parts(schema):
        yield from _near_enum(each.get("enum", ()))
        yield from FORMATS.get(each.get("format", ""), ())
        yield from _of_length(each)
        for limit in ("minimum", "maximum"):
            if limit in each:
                near = [each[limit] + step for step in (-1, -0.5, 0, 1)]
                yield from (*near, *map(str, near))
        if "patternProperties" in each:
            yield from ({f"k{number}": "v" for number in range(many)} for many in (MANY - 1, MANY))
    if not takes(schema, "string"):
        return
    yield "a" * LONG
    if any(len(each.keys() - {"type"}) > 0 for each in parts(schema)):
        yield from STRINGS
    else:
        yield from STRINGS[::4]
    if takes(schema, "integer") or any("pattern" in each for each in parts(schema)):
        yield from NUMERALS
    if takes(schema, "boolean") and schema:
        yield from TRUTHS


def _near_enum(members: Sequence[Any]) -> Iterator[Any]:
    for member in members:
        yield member
        if isinstance(member, str):
            yield from (member.swapcase(), member.upper(), member.title(), f" {member}")
            yield from (f"{member}\n", member[:-1], [member])


def _of_length(schema: Schema) -> Iterator[str]:
    for limit in ("minLength", "maxLength"):
        if limit in schema:
            for length in range(max(schema[limit] - 1, 0), schema[limit] + 2):
                yield "a" * length
    if (most := schema.get("maxLength")) is not None and most < 1000:
        yield from ("\u6f22" * most, "\U0001f600" * most, " " * (most + 1), "a" * most + "\n")
        yield "7" * (most + 1)


def changed(value: Any, path: Path, new: Any) -> Any:
    """Return a copy of a body with another value at the end of a path."""
    if not path:
        return deepcopy(new)
    copied = deepcopy(value)
    _at(copied, path[:-1])[path[-1]] = deepcopy(new)
    return copied


def without(value: Any, path: Path) -> Any:
    """Return a copy of a body without the key at the end of a path."""
    copied = deepcopy(value)
    del _at(copied, path[:-1])[path[-1]]
    return copied


def _at(value: Any, path: Path) -> Any:
    for name in path:
        value = value[name]
    return value


def pruned(value: Any, schema: Schema, path: Path) -> Any:
    """Return a copy of a body with nothing but what is required and what the path goes through."""
    if isinstance(value, list):
        return [pruned(each, below(schema, 0), path[1:]) for each in value]
    if not isinstance(value, dict):
        return value
    required = {name for each in parts(schema) for name in each.get("required", ())}
    return {
        name: pruned(inner, below(schema, name), path[1:] if path[:1] == (name,) else ())
        for name, inner in value.items()
        if name in required or path[:1] == (name,)
    }


def _values(schema: Schema, full: Any) -> Iterator[Any]:
    for path, inner in places(schema, full):
        if path:
            small = pruned(full, schema, path)
            for new in odd(inner):
                yield changed(small, path, new)


def _objects(schema: Schema, full: Any) -> Iterator[tuple[Path, Schema, Any]]:
    """Yield every object in a body but the outermost: the way, its schema, the body around it."""
    for path, inner in places(schema, full):
        if path and takes(inner, "object"):
            around = pruned(full, schema, path)
            if isinstance(_at(around, path), dict):
                yield path, inner, around


def _missing(schema: Schema, full: Any) -> Iterator[Any]:
    for path, inner, around in _objects(schema, full):
        required = [name for each in parts(inner) for name in each.get("required", ())]
        for name in required:
            yield without(around, (*path, name))
            yield changed(without(around, (*path, name)), (*path, "x"), 1)
        yield changed(around, path, {})


def _unknown(schema: Schema, full: Any) -> Iterator[Any]:
    for path, inner, around in _objects(schema, full):
        names = [name for each in parts(inner) for name in each.get("properties", {})]
        for name in ("x", "", " ", "a/b", "a\n", "\u00e9", "\ud800", "a" * 255, "a" * 256):
            yield changed(around, (*path, name), "1")
        yield changed(changed(around, (*path, "z"), 1), (*path, "b"), None)
        for name in names:
            for other in sorted({name.swapcase(), name.lower(), f" {name}"} - {name}):
                yield changed(around, (*path, other), None)


def _foreign(schema: Schema, full: Any, others: Sequence[Schema], known: Known) -> Iterator[Any]:
    for (path, inner, around), other in product(_objects(schema, full), others):
        there = other
        for name in path:
            there = below(there, name)
        have = {name for each in parts(inner) for name in each.get("properties", {})}
        for part in parts(there):
            for name, its in part.get("properties", {}).items():
                if name not in have:
                    value = known[name][0] if name in known else right(its, Random(0), known, 1)
                    for each in (value, None):
                        yield changed(around, (*path, name), each)


def _lists(schema: Schema, full: Any) -> Iterator[Any]:
    for path, inner in places(schema, full):
        value = _at(full, path)
        if not isinstance(value, list):
            continue
        around = pruned(full, schema, path)
        most = max((each.get("maxItems", 0) for each in parts(inner)), default=0)
        many = [f"a{number}" for number in range(most + 1)]
        twins: tuple[list[Any], ...] = (["a", "a"], [1, 1.0], [1, True], [{}, {}], ["a", "A"])
        more = ([*value, None], [value], [*value, ""], value * 2, value * 6)
        for each in ([], many, many[1:], *more, *twins):
            yield changed(around, path, each)


def several(schema: Schema, random: Random, known: Known) -> Any:
    """Return a body in which two or three things were changed, so that two may be wrong."""
    body = right(schema, random, known, random.random())
    for _ in range(random.choice((2, 2, 3))):
        found = [(path, inner) for path, inner in places(schema, body) if path]
        path, inner = random.choice(found)
        value = _at(body, path)
        if isinstance(value, dict) and random.random() < 0.7:
            if value and random.random() < 0.5:
                body = without(body, (*path, random.choice(list(value))))
            else:
                body = changed(body, (*path, random.choice(("x", "b", "name", "host"))), None)
        else:
            body = changed(body, path, random.choice(list(odd(inner))))
    return body


# Texts


def dumped(value: Any) -> str:
    """Return a value as JSON text, in ASCII; NaN and the infinities in Python's spelling."""
    return json.dumps(value)


def texts(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield texts made from one action's body: some say the same, some are no JSON at all."""
    plain = dumped(body)
    ((key, value),) = body.items()
    name, inner = json.dumps(key), dumped(value)
    yield from (f" {plain}\n", f"\t{plain}", json.dumps(body, indent=1), f"\ufeff{plain}")
    yield json.dumps(changed(body, (key,), "\u00e9\U0001f600"), ensure_ascii=False)
    yield from (plain[:-1], plain[1:], plain + "}", plain + " x", plain[:-1] + ",}")
    yield f"{plain}{plain}"
    yield from (plain.replace('"', "'"), f"{plain} // x", f"{{{key}: {inner}}}")
    yield f"{{{name} {inner}}}"
    yield from (f"{{{name}: }}", f"{{{name}}}", f"{{{name}: {inner}, }}", f"{{{name}: undefined}}")
    yield from (f'{{{name}: "a\nb"}}', f'{{{name}: "a\x01b"}}', f'{{{name}: "\\x41"}}')
    yield f"{{{name}: 01}}"
    yield from (f'{{{name}: "\udcff"}}', f"{{{name}: +1}}", f"{{{name}: .5}}", f"{{{name}: True}}")
    yield from (f"{{{name}: NaN}}", f"{{{name}: -Infinity}}", f"{{{name}: 1e400}}")
    yield f"{{{name}: -0}}"
    yield from (f"{{{name}: 1{'0' * 400}}}", f"{{{name}: 1{'0' * 5000}}}", f'{{{name}: "\\u00e"}}')
    yield from (f"{{{name}: {inner}, {name}: {inner}}}", f"{{{name}: {inner}, {name}: 5}}")
    yield f"{{{name}: 5, {name}: {inner}}}"
    yield f'{{{name}: {inner}, {name}: "x", {name}: null}}'
    for depth in DEPTHS:
        for opened, closed in (("[", "]"), ('{"a":[', "]}")):
            yield f"{{{name}: {opened * depth}{closed * depth}}}"
    if isinstance(value, dict):
        for own, each in value.items():
            own_name, own_text = json.dumps(own), dumped(each)
            yield f"{{{name}: {{{own_name}: {own_text}, {own_name}: 5.5}}}}"
            yield f"{{{name}: {{{own_name}: 5.5, {own_name}: {own_text}}}}}"


def keys(body: Mapping[str, Any], actions: Sequence[str]) -> Iterator[str]:
    """Yield bodies that name no action, several or an unknown one, and what is no object."""
    ((key, value),) = body.items()
    for other in (
        key.upper(),
        key.lower(),
        key.title(),
        f" {key}",
        f"{key} ",
        f"{key}\n",
        f"{key}s",
    ):
        if other not in actions:
            yield dumped({other: value})
    for other in (
        "",
        "x",
        "\u00e9",
        "\ud800",
        "%s",
        "{0}",
        "a\x00b",
        "create",
        "delete",
        "action",
        "x" * 500,
    ):
        yield dumped({other: value})
    yield from (dumped({**body, "x": None}), dumped({"x": None, **body}), dumped({**body, "": 1}))
    yield from (dumped({**body, each: value}) for each in actions[:3] if each != key)
    yield from (dumped([body]), dumped([key]), dumped([key, value]), dumped(key))
    yield dumped(dumped(body))
    yield from ("", " ", "\n", "{}", "[]", '""', '"a"', '" "', "null", "true", "0", "1", "-1.5")
    yield "NaN"
    yield from ("[[]]", "[{}]", "[null]", "{{}}", "[", "{", '"', "x", "[1, 2]", '"ab"', "\udcff")
    yield "\x00"


# All of it


def bodies(
    schema: Schema,
    *,
    others: Sequence[Schema] = (),
    known: Known | None = None,
    seed: int = 0,
    chance: int = 100,
) -> Iterator[Body]:
    """Yield bodies for an action, none twice.

    Args:
        schema: of the whole body; its properties are the action's key alone.
        others: the same of other microversions.
        known: values for parameters, by name, where a schema does not say what there is.
        seed: which of the bodies that are left to chance.
        chance: how many of those, of each kind.
    """
    random, given = Random(seed), known or {}
    full = fullest(schema, given)
    made: Iterator[tuple[Kind, Any]] = chain(
        ((Kind.RIGHT, right(schema, random, given, random.random())) for _ in range(chance)),
        ((Kind.RIGHT, each) for each in (right(schema, random, given, 0), full)),
        ((Kind.MISSING, each) for each in _missing(schema, full)),
        ((Kind.UNKNOWN, each) for each in _unknown(schema, full)),
        ((Kind.FOREIGN, each) for each in _foreign(schema, full, others, given)),
        ((Kind.LIST, each) for each in _lists(schema, full)),
        ((Kind.VALUE, each) for each in _values(schema, full)),
        ((Kind.SEVERAL, several(schema, random, given)) for _ in range(chance)),
    )
    seen: set[str] = set()
    small = pruned(full, schema, ())
    written = chain(
        (Body(kind, dumped(each)) for kind, each in made),
        (Body(Kind.TEXT, text) for text in texts(small)),
    )
    for body in written:
        if body.text not in seen:
            seen.add(body.text)
            yield body


def fullest(schema: Schema, known: Known) -> Any:
    """Return a right body with every parameter, an object for each that may be one."""
    for seed in range(1000):
        body = right(schema, Random(seed), known, 1)
        shaped = all(
            isinstance(_at(body, path), dict)
            for path, inner in places(schema, body)
            if takes(inner, "object") and any("properties" in each for each in parts(inner))
        )
        listed = all(
            isinstance(_at(body, path), list)
            for path, inner in places(schema, body)
            if "items" in inner
        )
        if shaped and listed:
            return body
    raise ValueError(f"no full body was found for {schema}")


def structures(schema: Schema, actions: Sequence[str]) -> Iterator[Body]:
    """Yield bodies that go wrong before any action's schema is looked at."""
    small = pruned(fullest(schema, {}), schema, ())
    for text in dict.fromkeys(keys(small, actions)):
        yield Body(Kind.KEYS, text)


def drawn(
    schema: Schema, *, others: Sequence[Schema] = (), known: Known | None = None
) -> st.SearchStrategy[Body]:
    """Return a Hypothesis strategy of bodies for an action; the arguments are those of `bodies`."""
    given = known or {}
    stored = tuple(bodies(schema, others=others, known=given, chance=0))
    by_chance = st.randoms(use_true_random=False).map(
        lambda random: Body(Kind.SEVERAL, dumped(several(schema, random, given)))
    )
    return st.one_of(st.sampled_from(stored), by_chance)
