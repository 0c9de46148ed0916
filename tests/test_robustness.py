"""Whatever comes from outside: an answer, or one of the documented errors, and nothing else.

The long run is `python tests/fuzz.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serverfsm import (
    API_REFERENCE,
    MalformedServerError,
    Server,
    UnknownActionError,
    UnknownActorError,
    UnknownMicroversionError,
    UnknownStateError,
    UnknownWordError,
    allowed,
    check,
)
from serverfsm.conformance import strategies
from tests import fuzz

SETTINGS = settings(deadline=None, derandomize=True, max_examples=300, database=None)
KINDS = {
    "MalformedServerError",
    "UnknownStateError",
    "UnknownActionError",
    "UnknownActorError",
    "UnknownMicroversionError",
    "server",
    "verdict",
    # What follows a request.
    "UnknownEventError",
    "ImpossibleEventError",
    "RefusedError",
    "BadOptionError",
    "step",
    "tuple",
}
SELDOM = {"options", "waiter", "plan"}


# --- a short run of the fuzzer


@pytest.mark.parametrize("seed", range(4))
def test_a_short_run(seed: int) -> None:
    generator = fuzz.Generator(seed)
    outcomes: Counter[str] = Counter()
    for _ in range(10_000):
        attempt = generator.attempt()
        outcomes[fuzz.run(attempt)] += 1
    assert set(outcomes) - SELDOM == KINDS, "the generator has lost one of its aims"
    assert min(outcomes[kind] for kind in KINDS) > 10


def test_the_same_seed_makes_the_same_attempts() -> None:
    one, two = fuzz.Generator(5), fuzz.Generator(5)
    for _ in range(500):
        assert repr(one.attempt().args) == repr(two.attempt().args)


def test_the_fuzzer_would_notice() -> None:
    def broken() -> None:
        raise KeyError("vm_state")

    with pytest.raises(KeyError):
        fuzz.run(fuzz.Attempt(broken, (), {}))


# --- everything odd, everywhere

ODD = [pytest.param(value, id=str(index)) for index, value in enumerate(fuzz.ODD)]


@pytest.mark.parametrize("value", ODD)
def test_every_odd_thing_in_every_place_of_a_document(value: Any) -> None:
    whole = Server("active", "pausing", 1, True, "owner").to_api()["server"]
    for name in fuzz.KEYS:
        for document in ({**whole, name: value}, {"server": {**whole, name: value}}):
            fuzz.run(fuzz.Attempt(Server.from_api, (document,), {}))
    fuzz.run(fuzz.Attempt(Server.from_api, (value,), {}))


@pytest.mark.parametrize("value", ODD)
def test_every_odd_thing_in_every_column(value: Any) -> None:
    for name in fuzz.COLUMNS:
        fuzz.run(fuzz.Attempt(Server.from_record, ({"vm_state": "active", name: value},), {}))
    fuzz.run(fuzz.Attempt(Server.from_record, (value,), {}))


@pytest.mark.parametrize("value", ODD)
def test_every_odd_thing_in_a_request(value: Any) -> None:
    for server in (None, Server("active"), Server.from_status("ACTIVE")):
        for call, args in ((check, (server, "pause")), (allowed, (server,))):
            for name in ("actor", "microversion"):
                fuzz.run(fuzz.Attempt(call, args, {name: value}))
        fuzz.run(fuzz.Attempt(check, (server, value), {}))


@pytest.mark.parametrize("value", fuzz.EXTREMES.values(), ids=fuzz.EXTREMES)
def test_the_extremes(value: Any) -> None:
    test_every_odd_thing_in_every_place_of_a_document(value)
    test_every_odd_thing_in_every_column(value)
    test_every_odd_thing_in_a_request(value)


# --- what is refused, and how


@pytest.mark.parametrize("flag", ["locked", "launched", "host", "volume_backed", "deleted"])
@pytest.mark.parametrize("value", [0, 1, "", "true", "false", 1.0, [], b"1", float("nan")])
def test_a_flag_is_true_or_false_and_nothing_like_it(flag: str, value: Any) -> None:
    with pytest.raises(MalformedServerError, match="must be true or false"):
        Server.from_record({"vm_state": "active", flag: value})


@pytest.mark.parametrize("value", [True, False, 1.0, "1", 2, 5, 8, -1, [], 10**60, 1j])
def test_a_power_state_is_a_number_of_nova_s(value: Any) -> None:
    for read in (
        lambda: Server.from_record({"vm_state": "active", "power_state": value}),
        lambda: Server.from_api({"status": "ACTIVE", "OS-EXT-STS:power_state": value}),
    ):
        with pytest.raises(UnknownStateError, match=r"power_state .*1 \(RUNNING\)"):
            read()


@pytest.mark.parametrize(
    "word", ["Active", "ACTIVE", " active", "active\0", "stoped", "soft_delete"]
)
def test_words_are_taken_literally(word: str) -> None:
    """evidence.md: a consumer that lowers or trims Nova's words is wrong somewhere else."""
    with pytest.raises(UnknownStateError) as unknown:
        Server(word)
    assert unknown.value.kind == "vm_state"
    assert unknown.value.word == word
    assert unknown.value.nearest in ("active", "stopped", "soft-delete")


@pytest.mark.parametrize("odd", [None, 17, [], {}, "", b"os-stop", ("os-stop",), float("nan")])
def test_each_part_of_a_request_has_its_own_error(odd: Any) -> None:
    server = Server("active")
    with pytest.raises(UnknownActionError):
        check(server, odd)
    for call, args in ((check, (server, "os-stop")), (allowed, (server,))):
        with pytest.raises(UnknownActorError):
            call(*args, actor=odd)
        with pytest.raises(UnknownMicroversionError):
            call(*args, microversion=odd)


def test_a_refused_word_leaves_nothing_in_the_memo() -> None:
    """What was refused once is refused again, and does not fill the memory."""
    API_REFERENCE.forget()
    server = Server("active")
    for _ in range(3):
        for odd in ("os-sotp", "membr", "2.105"):
            with pytest.raises(UnknownWordError):
                check(server, odd)
            with pytest.raises(UnknownWordError):
                check(server, "os-stop", actor=odd)
            with pytest.raises(UnknownWordError):
                check(server, "os-stop", microversion=odd)
    assert API_REFERENCE.remembered == 0


def test_messages_are_short_whatever_was_given() -> None:
    huge = "active" * 1_000_000
    for read in (
        lambda: Server.from_api({"status": huge}),
        lambda: Server.from_record({"vm_state": huge}),
        lambda: Server.from_record({"vm_state": "active", huge: 1}),
        lambda: Server.from_record([huge]),
        lambda: Server.from_api([huge]),
        lambda: check(Server("active"), huge),
        lambda: check(Server("active"), "pause", actor=huge),
        lambda: check(Server("active"), "pause", microversion=huge),
    ):
        with pytest.raises(ValueError) as refused:
            read()
        assert isinstance(refused.value, fuzz.DOCUMENTED)
        assert len(str(refused.value)) < 2_000


@pytest.mark.parametrize(
    "column",
    [
        *("locked", "host", "launched", "volume_backed", "deleted"),
        "locked_by",
    ],
)
def test_messages_are_short_for_wrong_flags_too(column: str) -> None:
    with pytest.raises(MalformedServerError) as refused:
        Server.from_record({"vm_state": "active", "locked": True, column: "x" * 1_000_000})
    assert len(str(refused.value)) < 2_000


# --- whatever JSON may hold

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(fuzz.WORDS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(fuzz.KEYS), inner, max_size=6)
    ),
    max_leaves=20,
)


@SETTINGS
@given(JSON)
def test_any_json_as_a_document(body: Any) -> None:
    fuzz.run(fuzz.Attempt(Server.from_api, (body,), {}))


@SETTINGS
@given(JSON | st.dictionaries(st.sampled_from(fuzz.COLUMNS), JSON))
def test_any_json_as_a_record(record: Any) -> None:
    fuzz.run(fuzz.Attempt(Server.from_record, (record,), {}))


@SETTINGS
@given(strategies.server_documents(), st.data())
def test_any_document_with_some_keys_gone(document: dict[str, Any], data: st.DataObject) -> None:
    """Policies and microversions hide keys; what is left is read, or refused by a sentence."""
    shown = document.get("server", document)
    gone = data.draw(st.sets(st.sampled_from(sorted(shown))))
    left = {name: value for name, value in shown.items() if name not in gone}
    try:
        server = Server.from_api(left)
    except MalformedServerError:
        assert "status" in gone
        assert "OS-EXT-STS:vm_state" in gone or "OS-EXT-STS:task_state" in gone
    else:
        known = "OS-EXT-STS:vm_state" in left and "OS-EXT-STS:task_state" in left
        assert (server.vm_state is not None) is known


@SETTINGS
@given(strategies.server_documents(), st.integers(0, 10_000))
@example({"status": "ACTIVE"}, 0)
def test_a_document_with_one_character_changed(document: dict[str, Any], where: int) -> None:
    """Bits rot: what is still JSON is still either read or refused."""
    text = json.dumps(document)
    at = where % len(text)
    for new in ("", "0", "x", '"', "]"):
        try:
            body = json.loads(text[:at] + new + text[at + 1 :])
        except json.JSONDecodeError:
            continue
        fuzz.run(fuzz.Attempt(Server.from_api, (body,), {}))
