"""`negotiate`: which microversion the headers of a request ask for, and the headers of the answer.

Only the headers belong here; what a microversion changes stands in the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from serverfsm.requests import FIRST, LATEST, Microversion
from serverfsm.verdict import Fault, fault

__all__ = ["Negotiated", "negotiate"]

HEADER = "OpenStack-API-Version"
LEGACY_HEADER = "X-OpenStack-Nova-API-Version"
_SERVICE = "compute"
_FORM = re.compile(r"[1-9][0-9]*\.(0|[1-9][0-9]*)")


class Negotiated(NamedTuple):
    """What came of the headers.

    Attributes:
        microversion: the one that is asked for; None if there is no such one.
        fault: Nova's answer where there is none: 400 for a wrong form, 406 out of range; else
            None.
        headers: to put on the answer, a fault's, too.
    """

    microversion: Microversion | None
    fault: Fault | None
    headers: Mapping[str, str]


def negotiate(headers: Mapping[str, str]) -> Negotiated:
    """Return which microversion a request asks for.

    Args:
        headers: of the request, in any case; a header that came several times has its values
            joined by commas, of which the last counts.

    >>> negotiate({"OpenStack-API-Version": "compute 2.79"}).microversion
    '2.79'
    >>> negotiate({}).microversion
    '2.1'
    >>> negotiate({"X-OpenStack-Nova-API-Version": "2.999"}).fault.code
    406
    """
    asked = _asked({name.lower(): value for name, value in headers.items()})
    if asked == "latest":
        asked = str(LATEST)
    if _FORM.fullmatch(asked) is None:
        message = (
            f"API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum."
        )
        return Negotiated(None, fault(400, message), {})
    answer = {
        HEADER: f"{_SERVICE} {asked}",
        LEGACY_HEADER: asked,
        "Vary": f"{HEADER}, {LEGACY_HEADER}",
    }
    try:
        return Negotiated(Microversion(asked), None, answer)
    except ValueError:
        valid = f"Minimum is {FIRST} and maximum is {LATEST}."
        message = f"Version {asked} is not supported by the API. {valid}"
        return Negotiated(None, fault(406, message), answer)


def _asked(headers: Mapping[str, str]) -> str:
    """The text of a microversion, as microversion_parse finds it."""
    for value in reversed(headers.get(HEADER.lower(), "").split(",")):
        service, version = [*value.split(None, 1), "", ""][:2]
        if service.lower() == _SERVICE and version.strip():
            return version.strip()
    return headers.get(LEGACY_HEADER.lower(), str(FIRST)).rpartition(",")[2].strip()
