"""The page, put together: markup, style, program, data, verdicts and pictures in one text.

Only the putting together belongs here, and what keeps the page shut off from any network.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from importlib import resources
from typing import Any, Final

from serverfsm import __version__
from serverfsm.explorer.picture import lifecycle_picture
from serverfsm.explorer.plans import plans_document
from serverfsm.explorer.runs import runs_document
from serverfsm.explorer.words import actions_document, words_document
from serverfsm.javascript import NOVA_RELEASE, javascript
from serverfsm.requests import Actor
from serverfsm.rulebook import RULEBOOKS

__all__ = ["explorer_page"]

_SERVER_ID: Final = "8c65cb68-0681-4c30-bc88-6b83a8a26aee"
_PLACE: Final = re.compile(r"<!--\[(\w+)\]-->")


def explorer_page() -> str:
    """Return the page: one HTML document with all that it needs, ASCII but for the pictures.

    The same text for the same table. It takes some seconds to make.

    Raises:
        MissingPackageError: the picture needs a package or program that is not there.
    """
    # First: they are quickly made, or fail.
    pictures = [
        f'<template id="picture-{name}">{lifecycle_picture(book)}</template>'
        for name, book in RULEBOOKS.items()
    ]
    program = _script("module", _asset("page.mjs"))
    data = _script("application/json", _literal(_data()), "data")
    verdicts = [
        _script("text/plain", javascript(book), f"verdicts-{name}")
        for name, book in RULEBOOKS.items()
    ]
    parts = {
        "policy": _policy(_asset("page.mjs")),
        "version": f"serverfsm {__version__}, Nova {NOVA_RELEASE}",
        "style": f"<style>\n{_asset('page.css')}</style>",
        "pictures": "\n".join(pictures),
        "data": "\n".join([data, *verdicts]),
        "program": program,
    }
    return _PLACE.sub(lambda place: parts[place[1]], _asset("page.html"))


def _asset(name: str) -> str:
    return resources.files("serverfsm.explorer").joinpath(name).read_text("utf-8")


def _data() -> dict[str, Any]:
    books = tuple(RULEBOOKS.values())
    return {
        "server_id": _SERVER_ID,
        "usual": {"role": Actor.MEMBER.value},
        "words": words_document(),
        "actions": actions_document(books),
        "runs": runs_document(books),
        "plans": plans_document(books),
    }


def _literal(value: object) -> str:
    """The value as JSON that cannot end a script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _script(kind: str, text: str, identifier: str = "") -> str:
    """A script element; the text must not end it."""
    if re.search("</script|<!--", text, re.IGNORECASE):
        raise ValueError(f"{identifier or kind}: the text would end its script element")
    named = f' id="{identifier}"' if identifier else ""
    return f'<script type="{kind}"{named}>{text}</script>'


def _policy(program: str) -> str:
    """What the page may do: run its own program and the verdicts' modules, and load nothing."""
    digest = b64encode(hashlib.sha256(program.encode()).digest()).decode()
    rules = [
        "default-src 'none'",
        f"script-src 'sha256-{digest}' blob:",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(rules)}">'
