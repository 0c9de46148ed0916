"""`check --batch`: a JSON object a line in, one a line out, in order, in constant memory.

Only the translation of lines belongs here. Nothing is read or written; see `cli/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from serverfsm.check import check
from serverfsm.errors import MalformedServerError, shown
from serverfsm.guards import Refusal
from serverfsm.requests import LATEST, Actor
from serverfsm.rulebook import API_REFERENCE, rulebook
from serverfsm.server import Server
from serverfsm.verdict import Verdict

__all__ = ["LINE_LIMIT", "Batch", "lines"]

LINE_LIMIT: Final = 1_048_576
"""The longest line that is read, in bytes; a longer one is answered with an error."""

_MEMO_LINES: Final = 32_768
_MEMO_LINE_LENGTH: Final = 512
_KEYS = frozenset({"server", "action", "variant", "actor", "microversion", "rulebook"})


def lines(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """Cut chunks of bytes into lines without their ends; None for a line over LINE_LIMIT.

    >>> list(lines([b"one\\ntw", b"o\\n", b"three"]))
    [b'one', b'two', b'three']
    """
    rest = b""
    too_long = False
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield None if too_long or len(line) > LINE_LIMIT else line
            too_long = False
        if len(rest) > LINE_LIMIT:
            too_long, rest = True, b""
    if rest or too_long:
        yield None if too_long else rest


class Batch:
    """Answers lines, and counts those that were bad.

    Attributes:
        bad: how many lines so far were answered with an error.

    >>> batch = Batch()
    >>> batch.answer(b'{"server": {"vm_state": "paused"}, "action": "lock"}')[:31]
    b'{"allowed": true, "code": 202, '
    >>> batch.answer(b'{"server": {}, "action": "lock"}'), batch.bad
    (b'{"error": "line 2: a server needs a vm_state"}', 1)
    """

    def __init__(self) -> None:
        self.bad = 0
        self._number = 0
        self._memo: dict[bytes | None, bytes] = {}

    def answer(self, line: bytes | None) -> bytes:
        """Return the answer to one line; neither has a line end. None is a line too long."""
        self._number += 1
        known = self._memo.get(line)
        if known is not None:
            return known
        try:
            answer = _encoded(_verdict(_decoded(line)))
        except (ValueError, RecursionError) as error:
            self.bad += 1
            reason = "nested too deeply" if isinstance(error, RecursionError) else error
            return json.dumps({"error": f"line {self._number}: {reason}"}).encode()
        if line is not None and len(line) <= _MEMO_LINE_LENGTH:
            if len(self._memo) >= _MEMO_LINES:
                self._memo.clear()
            self._memo[line] = answer
        return answer


def _decoded(line: bytes | None) -> dict[str, Any]:
    if line is None:
        raise ValueError(f"longer than {LINE_LIMIT} bytes")
    try:
        asked = json.loads(line)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(asked, dict):
        raise ValueError("not a JSON object")
    return asked


def _verdict(asked: dict[str, Any]) -> Verdict:
    if not asked.keys() <= _KEYS:
        unknown = next(key for key in asked if key not in _KEYS)
        raise ValueError(f"unknown key {shown(unknown)}; valid: {', '.join(sorted(_KEYS))}")
    if "server" not in asked or "action" not in asked:
        raise ValueError(f"{'action' if 'server' in asked else 'server'} is missing")
    get = asked.get
    action: Any = asked["action"]
    variant, book = get("variant"), get("rulebook")
    return check(
        _server(get("server")),
        action if variant is None else f"{action}:{variant}",
        get("actor") or Actor.MEMBER,
        get("microversion") or LATEST,
        API_REFERENCE if book is None else rulebook(book),
    )


def _server(record: object) -> Server | None:
    if record is None:
        return None
    if isinstance(record, dict):
        return Server.from_record(record)
    raise MalformedServerError(f"server must be an object, not {shown(record)}")


def _encoded(verdict: Verdict) -> bytes:
    if verdict.refusal is not None:
        return _refused(verdict.refusal, verdict.reason, verdict.retryable)
    guard = verdict.guard
    return _object(verdict.code, "ok", None, None, None if guard is None else guard.set, False)


@cache
def _refused(refusal: Refusal, reason: str, retryable: bool) -> bytes:
    return _object(refusal.code, reason, refusal.attribute, refusal.template, None, retryable)


def _object(
    code: int,
    reason: str,
    attribute: str | None,
    message: str | None,
    written: Mapping[str, object] | None,
    retryable: bool,
) -> bytes:
    answer = {
        "allowed": attribute is None,
        "code": code,
        "reason": reason,
        "attribute": attribute,
        "message": message,
        "set": written,
        "retryable": retryable,
    }
    return json.dumps(answer).encode()
