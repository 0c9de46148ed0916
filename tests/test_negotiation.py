"""Which microversion headers ask for."""

from __future__ import annotations

import json

import pytest

from serverfsm import LATEST, negotiate

MODERN, LEGACY = "OpenStack-API-Version", "X-OpenStack-Nova-API-Version"


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({}, "2.1"),
        ({MODERN: "compute 2.79"}, "2.79"),
        ({MODERN.lower(): "Compute  2.79 "}, "2.79"),
        ({MODERN: "compute latest"}, LATEST),
        ({MODERN: "compute 2.3, compute 2.4"}, "2.4"),
        ({MODERN: "compute 2.3, volume 3.1"}, "2.3"),
        ({MODERN: "volume 3.1"}, "2.1"),
        ({MODERN: "compute"}, "2.1"),
        ({MODERN: "volume 3.1", LEGACY: "2.5"}, "2.5"),
        ({MODERN: "compute 2.79", LEGACY: "2.5"}, "2.79"),
        ({LEGACY: "2.5"}, "2.5"),
        ({LEGACY.upper(): "2.5, 2.6"}, "2.6"),
        ({LEGACY: "latest"}, LATEST),
    ],
)
def test_the_microversion(headers: dict[str, str], version: str) -> None:
    found = negotiate(headers)
    assert (found.microversion, found.fault) == (version, None)
    assert found.headers == {
        MODERN: f"compute {version}",
        LEGACY: version,
        "Vary": f"{MODERN}, {LEGACY}",
    }


@pytest.mark.parametrize(
    "text", ["2", "2.01", "v2.1", "2.1.1", "-2.1", "", "\uff12.1", "2.1\r\nX: y"]
)
def test_a_wrong_form(text: str) -> None:
    found = negotiate({LEGACY: text})
    assert found.microversion is None
    assert found.fault is not None
    message = json.loads(found.fault.body)["badRequest"]["message"]
    assert message.startswith(f"API Version String {text.strip()} is of invalid format.")
    assert found.headers == {}


@pytest.mark.parametrize("text", ["2.105", "1.1", "3.0", "2.0", "2." + "9" * 10_000])
def test_out_of_range(text: str) -> None:
    found = negotiate({MODERN: f"compute {text}"})
    assert found.microversion is None
    assert found.fault is not None
    assert found.fault.code == 406
    message = json.loads(found.fault.body)["computeFault"]["message"]
    assert message == (
        f"Version {text} is not supported by the API. Minimum is 2.1 and maximum is 2.104."
    )
    assert found.headers[LEGACY] == text
