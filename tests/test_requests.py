"""The words of a request: actions, people, microversions."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from serverfsm import (
    FIRST,
    LATEST,
    ActionName,
    Actor,
    Microversion,
    Policy,
    UnknownActionError,
    UnknownActorError,
    UnknownMicroversionError,
)
from serverfsm.errors import UnknownWordError, nearest
from serverfsm.requests import action_names, actor

NOVA: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "nova-34-words.json").read_text(encoding="utf-8")
)

# --- actions


def test_the_actions_are_nova_s() -> None:
    """All that Nova routes, and no other, save the resource that replaced the consoles."""
    assert {name.key for name in ActionName} == set(NOVA["actions"]) - {"remote-consoles"}
    assert len({name.key for name in ActionName}) == 43


def test_an_action_is_a_key_and_a_variant() -> None:
    for name in ActionName:
        key, colon, variant = name.value.partition(":")
        assert name.key == key
        assert name.variant == (variant if colon else None)
        assert name.variant != ""
    assert (ActionName.REBOOT_SOFT.key, ActionName.REBOOT_SOFT.variant) == ("reboot", "SOFT")
    assert (ActionName.STOP.key, ActionName.STOP.variant) == ("os-stop", None)


def test_names_and_keys_are_understood() -> None:
    for name in ActionName:
        assert action_names(name) == action_names(name.value) == (name,)
    # A key stands for its variants only where none of the rows is the key's own.
    own = {name.value for name in ActionName}
    keys = {name.key for name in ActionName} - own
    assert keys == {"reboot", "os-resetState"}
    for key in keys:
        assert action_names(key) == tuple(name for name in ActionName if name.key == key)
        assert len(action_names(key)) == 2
    assert action_names("unshelve") == (ActionName.UNSHELVE,)


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("os-sotp", "os-stop"),
        ("stop", "os-stop"),
        ("REBUILD", "rebuild"),
        ("reboot:soft", "reboot:SOFT"),
        ("confirmresize", "confirmResize"),
        ("unshelve:az", "unshelve"),
    ],
)
def test_an_unknown_action_names_the_nearest(word: str, near: str) -> None:
    with pytest.raises(UnknownActionError) as unknown:
        action_names(word)
    assert (unknown.value.kind, unknown.value.word) == ("action", word)
    assert unknown.value.nearest == near
    assert str(unknown.value) == f"unknown action {word!r}; did you mean {near!r}?"


@pytest.mark.parametrize("odd", [None, 1, [], "", "xyzzy", b"os-stop", ("os-stop",)])
def test_what_is_no_action_gets_the_list(odd: Any) -> None:
    with pytest.raises(UnknownActionError, match=r"valid: .*os-stop"):
        action_names(odd)


# --- people


def test_people_are_ranked_in_order() -> None:
    assert [person.rank for person in Actor] == [0, 1, 2, 3, 4, 5]
    assert list(Actor) == ["anonymous", "stranger", "reader", "member", "manager", "admin"]
    assert all(person.__doc__ and person.__doc__.endswith(".") for person in Actor)


def test_policies_name_the_least_that_may() -> None:
    assert {policy.value: policy.least.value for policy in Policy} == {
        "admin-or-owner": "member",
        "admin-or-manager": "manager",
        "admin": "admin",
    }


def test_people_are_understood_by_name() -> None:
    for person in Actor:
        assert actor(person) is actor(person.value) is person
    with pytest.raises(UnknownActorError, match="unknown actor 'Admin'; did you mean 'admin'"):
        actor("Admin")
    for odd in (None, 5, [], "root"):
        with pytest.raises(UnknownActorError, match=r"valid: anonymous, .*, admin"):
            actor(odd)


# --- microversions


def test_the_range_is_nova_s() -> None:
    assert (str(FIRST), str(LATEST)) == (NOVA["microversions"]["min"], NOVA["microversions"]["max"])
    assert Microversion("latest") is LATEST
    assert len({Microversion(f"2.{minor}") for minor in range(1, 105)}) == 104


def test_microversions_are_ordered_by_number() -> None:
    versions = [Microversion(f"2.{minor}") for minor in range(1, 105)]
    shuffled = versions[:]
    random.Random(7).shuffle(shuffled)
    assert shuffled != versions
    assert sorted(shuffled) == versions
    assert (min(shuffled), max(shuffled)) == (FIRST, LATEST)
    for one, low in enumerate(versions):
        for two, high in enumerate(versions):
            assert (low < high, low <= high, low > high, low >= high, low == high) == (
                one < two,
                one <= two,
                one > two,
                one >= two,
                one == two,
            )
    assert [version.minor for version in versions] == list(range(1, 105))


def test_microversions_are_compared_with_text() -> None:
    version = Microversion("2.10")
    assert version > "2.9"
    assert version >= "2.10"
    assert version == "2.10"
    assert version < "2.100"
    assert version <= "latest"
    assert sorted(["2.9", version, "2.100"]) == ["2.9", "2.10", "2.100"], "text on the left, too"
    assert hash(version) == hash("2.10")
    assert {version: 1}["2.10"] == 1
    with pytest.raises(UnknownMicroversionError):
        assert version < "2.105"


def test_a_microversion_is_made_once() -> None:
    assert Microversion("2.7") is Microversion("2.7")
    assert Microversion(Microversion("2.7")) is Microversion("2.7")
    assert (str(Microversion("2.7")), f"{Microversion('2.7')}") == ("2.7", "2.7")


@pytest.mark.parametrize(
    "odd",
    [
        *("2.0", "2.105", "2", "2.", "2.01", "2.1 ", "v2.1", "3.1", "1.1", "", "newest", "LATEST"),
        *(2.1, 2, None, [], (2, 1), b"2.1"),
    ],
)
def test_what_is_no_microversion(odd: Any) -> None:
    with pytest.raises(UnknownMicroversionError) as unknown:
        Microversion(odd)
    message = str(unknown.value)
    assert message == f"unknown microversion {odd!r}; valid: 2.1 to 2.104, or latest"
    assert isinstance(unknown.value, ValueError)


# --- errors


def test_the_nearest_word() -> None:
    known = ["os-start", "os-stop", "Pause"]
    assert nearest("os-sotp", known) == "os-stop"
    assert nearest("PAUSE", known) == "Pause", "as it is spelt, not as it was compared"
    assert nearest("delete", known) is None
    assert nearest(17, known) is None
    assert nearest("os-stop" * 100, known) is None, "no looking for the nearest of a novel"
    assert nearest("os-stop", []) is None


def test_the_error_says_what_was_given_in_short() -> None:
    error = UnknownWordError("x" * 1_000, ["one", "two"])
    assert str(error).startswith("unknown word 'xxx")
    assert str(error).endswith("...; valid: one, two")
    assert len(str(error)) < 150
    assert error.word == "x" * 1_000
    assert str(UnknownWordError("three", ["tree"], "count again")) == (
        "unknown word 'three'; count again"
    )
