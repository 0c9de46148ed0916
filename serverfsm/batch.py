"""`check --batch`: a JSON object a line in, one a line out, in order, in constant memory.

Only the translation of lines belongs here: a fast way for lines without surprises, and a slow one
that knows every error. Nothing is read or written here; see `cli.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from serverfsm import requests
from serverfsm.check import check
from serverfsm.errors import MalformedServerError
from serverfsm.requests import LATEST, Actor
from serverfsm.rulebook import API_REFERENCE, rulebook
from serverfsm.server import Server, key_of
from serverfsm.states import VmState
from serverfsm.verdict import Verdict

__all__ = ["LINE_LIMIT", "Batch", "lines"]

LINE_LIMIT: Final = 1_048_576
"""The longest line that is read, in bytes; a longer one is answered with an error."""

_MEMO_LIMIT: Final = 100_000
_REQUEST_KEYS = ("server", "action", "variant", "actor", "microversion", "rulebook")
_SERVER_KEYS = frozenset(
    {
        "vm_state",
        "task_state",
        "power_state",
        "locked",
        "locked_by",
        "launched",
        "host",
        "volume_backed",
    }
)
_HOSTLESS = frozenset({VmState.SHELVED_OFFLOADED.value, VmState.DELETED.value})
_POWER_STATES = frozenset({None, 0, 1, 3, 4, 6, 7})


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
        self._memo: dict[str, dict[str, dict[str, dict[str, dict[int, bytes]]]]] = {}
        self._remembered = 0

    def answer(self, line: bytes | None) -> bytes:
        """Return the answer to one line; neither has a line end. None is a line too long."""
        self._number += 1
        try:
            asked = _decoded(line)
            try:
                return self._quick(asked)
            except (KeyError, TypeError, AttributeError):
                return self._slow(asked)
        except (ValueError, RecursionError) as error:
            self.bad += 1
            reason = "nested too deeply" if isinstance(error, RecursionError) else error
            return json.dumps({"error": f"line {self._number}: {reason}"}).encode()

    def _quick(self, asked: dict[str, Any]) -> bytes:
        """The answer given before to the same question; KeyError or TypeError if there is none."""
        get = asked.get
        key = _key(asked["server"])
        if len(asked) > 5 or "variant" in asked:
            raise KeyError
        by_actor = self._memo[get("rulebook", API_REFERENCE.name)][get("microversion", LATEST)]
        return by_actor[get("actor", "member")][asked["action"]][key]

    def _slow(self, asked: dict[str, Any]) -> bytes:
        verdict = _verdict(asked)
        answer = _encoded(verdict)
        try:
            key = _key(asked["server"])
            path = (
                asked.get("rulebook", API_REFERENCE.name),
                asked.get("microversion", LATEST),
                asked.get("actor", "member"),
                asked["action"],
            )
        except (KeyError, TypeError, AttributeError):
            return answer  # unusual, if right: not worth remembering
        if "variant" not in asked and all(isinstance(word, str) for word in path):
            self._remember(path, key, answer)
        return answer

    def _remember(self, path: tuple[Any, ...], key: int, answer: bytes) -> None:
        if self._remembered >= _MEMO_LIMIT:
            self._memo.clear()
            self._remembered = 0
        level: Any = self._memo
        for word in path:
            level = level.setdefault(word, {})
        level[key] = answer
        self._remembered += 1


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


def _key(server: Any) -> int:
    """The key of a server as a line has it, if nothing about it is unusual; else KeyError."""
    get = server.get
    vm_state = get("vm_state")
    locked, launched = get("locked"), get("launched")
    host, volume_backed = get("host"), get("volume_backed")
    power_state, locked_by = get("power_state"), get("locked_by")
    locked = False if locked is None else locked
    launched = True if launched is None else launched
    host = vm_state not in _HOSTLESS if host is None else host
    volume_backed = False if volume_backed is None else volume_backed
    for flag in (locked, launched, host, volume_backed):
        if flag is not True and flag is not False:
            raise KeyError
    if (
        not server.keys() <= _SERVER_KEYS
        or power_state.__class__ not in (int, type(None))
        or power_state not in _POWER_STATES
        or (locked_by is not None and not locked)
        or vm_state is None
    ):
        raise KeyError
    return key_of(
        vm_state, get("task_state"), locked_by, locked, launched, host, volume_backed, False
    )


def _verdict(asked: dict[str, Any]) -> Verdict:
    if unknown := [key for key in asked if key not in _REQUEST_KEYS]:
        raise ValueError(f"unknown key {unknown[0]!r:.80}; valid: {', '.join(_REQUEST_KEYS)}")
    for key in ("server", "action"):
        if key not in asked:
            raise ValueError(f"{key} is missing")
    action, variant = asked["action"], asked.get("variant")
    if variant is not None:
        action = f"{action}:{variant}"
    if asked["server"] is None:
        server = None
    elif isinstance(asked["server"], dict):
        server = Server.from_record(asked["server"])
    else:
        raise MalformedServerError(f"server must be an object, not {asked['server']!r:.80}")
    given = {key: value for key, value in asked.items() if value is not None}
    return check(
        server,
        action,
        actor=requests.actor(given.get("actor", Actor.MEMBER)),
        microversion=given.get("microversion", LATEST),
        rulebook=rulebook(given.get("rulebook", API_REFERENCE.name)),
    )


def _encoded(verdict: Verdict) -> bytes:
    guard = verdict.guard
    document = {
        "allowed": verdict.allowed,
        "code": verdict.code,
        "reason": verdict.reason,
        "attribute": verdict.attribute,
        "message": verdict.message,
        "set": None if guard is None else guard.set,
        "retryable": verdict.retryable,
    }
    return json.dumps(document).encode()
