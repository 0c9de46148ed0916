"""Hostile input, by the million: nothing but the documented errors may come out.

    python tests/fuzz.py --millions 5 --seconds 600 --seed 17 --extremes

prints its seed and its rate, and ends with 1 at the first other exception, printing the input.
`test_robustness.py` runs a short piece of the same.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter, OrderedDict, UserDict
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from serverfsm import (
    ActionName,
    Actor,
    BadOptionError,
    ImpossibleEventError,
    LockedBy,
    MalformedServerError,
    Microversion,
    Options,
    Plan,
    PowerState,
    RefusedError,
    Server,
    Status,
    Step,
    TaskState,
    UnknownWordError,
    Verdict,
    VmState,
    Waiter,
    accept,
    advance,
    allowed,
    check,
    edges,
    events,
    follow,
    plan,
    tick,
    waiter,
)
from serverfsm.rows import Moment
from serverfsm.rulebook import RULEBOOKS

DOCUMENTED = (
    *(MalformedServerError, UnknownWordError, ImpossibleEventError, BadOptionError, RefusedError),
)
EVENTS = tuple(dict.fromkeys(edge.event for edge in edges()))
OPTIONS = tuple(Options.__dataclass_fields__)
BOOKS = tuple(RULEBOOKS.values())
WORDS: tuple[str, ...] = tuple(
    str(word)
    for words in (Status, VmState, TaskState, ActionName, Actor, LockedBy)
    for word in words
)
KEYS = (
    *Server("active", locked=True, locked_by="owner").to_api()["server"],
    "hostId",
    "serverfsm:vm_state_before_resize",
    "server",
)
COLUMNS = tuple(name for name in Server.__dataclass_fields__ if name != "key")


class Text(str):
    """A string that is not quite one."""

    __slots__ = ()


class Number(int):
    """A number that is not quite one."""


class Dict(dict[Any, Any]):
    """A dictionary that makes up what is missing."""

    def __missing__(self, key: object) -> object:
        return f"made up for {key!r}"


class Unhashable:
    """Equal to everything and not to be looked up."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return True


class Unprintable:
    """Something whose `repr` fails, such as a database row without its session."""

    def __repr__(self) -> str:
        raise RuntimeError("the session is closed")


class Undecided:
    """Something that is neither true nor false, such as an array of numbers."""

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


def deep(depth: int, shut: Callable[[Any], Any]) -> Any:
    value: Any = None
    for _ in range(depth):
        value = shut(value)
    return value


TEXTS = (
    *("", " ", "\0", "active\0", "\0active", "\ud800", "active\udfff", "😀", "\uff41ctive"),
    *("\u017ftopped", "ACTIVE ", " active", "Active", "aCTIVE", "null", "None", "true", "0", "1"),
    *("%s", "{id}", "{}", "a" * 200, "a" * 201, "😀" * 5_000, "active" * 2_000, "2.9" * 100),
    *("2", "2.", "2.0", "2.105", "2.1.1", "-2.1", "\uff12.1", "2.1\n", "2.104 ", "2.010"),
    *("latest ", "LATEST", "2.1e1", Text("active"), Text("ACTIVE"), Text("os-stop"), Text("2.9")),
)
NUMBERS = (
    *(0, 1, -1, 2, 7, 255, 2**31, 2**64, -(10**30), 10**60, Number(1), Number(4), True, False),
    *(0.0, 1.0, -0.0, 3.5, float("nan"), float("inf"), 1e308, 4j),
    *(Decimal("1"), Decimal("NaN"), Decimal("sNaN"), Fraction(1, 3)),
)
WORD_LIKE = (
    *(PowerState.RUNNING, Status.ACTIVE, VmState.ACTIVE, TaskState.PAUSING, Actor.ADMIN),
    *(Microversion("2.9"), LockedBy.OWNER, Server("active"), ActionName.STOP),
)
CONTAINERS: tuple[Any, ...] = (
    *([], ["active"], ["ACTIVE", "ACTIVE"], (), ("active",), set(), {"active"}, frozenset("ab")),
    *({}, {"active": 1}, {1: 2}, {None: None}, {(): []}, Dict(), OrderedDict(a=1), UserDict(b=2)),
    *(MappingProxyType({"status": "ACTIVE"}), range(3), slice(1), deep(20, lambda each: [each])),
    *(deep(100, lambda each: {"server": each}), deep(50, lambda each: (each,))),
    *(b"active", b"", bytearray(b"active"), memoryview(b"active")),
)
OBJECTS = (
    *(None, Ellipsis, object(), object, type, len, print, lambda: None, Server),
    *(sys, Unhashable()),
)
ODD: tuple[Any, ...] = (*TEXTS, *NUMBERS, *WORD_LIKE, *CONTAINERS, *OBJECTS)
EXTREMES: dict[str, Any] = {
    "a list nested 5,000 deep": deep(5_000, lambda value: [value]),
    "an object nested 5,000 deep": deep(5_000, lambda value: {"server": value}),
    "a number of 5,000 digits": 10**5_000,
    "an object that cannot be printed": Unprintable(),
    "an object that is neither true nor false": Undecided(),
}


class Attempt(NamedTuple):
    """One call, as it is made."""

    call: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Generator:
    """Makes attempts; the same ones from the same seed."""

    def __init__(self, seed: int, *, extremes: bool = False) -> None:
        self.random = random.Random(seed)
        self.odd = (*ODD, *EXTREMES.values()) if extremes else ODD

    def attempt(self) -> Attempt:
        kind = self.random.randrange(100)
        if kind < 40:
            return Attempt(Server.from_api, (self.document(),), {})
        if kind < 70:
            return Attempt(Server.from_record, (self.record(),), {})
        if kind < 78:
            return self.attempt_afterwards(kind)
        call = allowed if kind == 78 else check
        server = self.server()
        args = (server,) if call is allowed else (server, self.word(tuple(ActionName)))
        return Attempt(call, args, self.options())

    def attempt_afterwards(self, kind: int) -> Attempt:
        """Ask what follows a request, or what leads somewhere."""
        server, choice = self.server(), self.random.choice
        asked = (server, self.word(tuple(ActionName)))
        if kind == 70:
            return Attempt(accept, asked, self.options())
        if kind == 71:
            failure = choice(EVENTS).rpartition(".")[2]
            return Attempt(follow, asked, {**self.options(), "failure": failure})
        if kind == 72:
            return Attempt(waiter, asked[::-1], self.options())
        if kind == 73:
            return Attempt(Options.from_mapping, ({choice(OPTIONS): self.value()},), {})
        server = server or Server("active")
        if kind < 76:
            version = {"microversion": self.word(("2.1", "2.94", "2.104"))}
            return Attempt(advance, (server, self.word(EVENTS)), version)
        if kind == 76:
            times = {moment: self.random.randrange(100) for moment in Moment}
            limits = {name: self.random.randrange(-1, 99) for name in OPTIONS[:-1]}
            return Attempt(tick, (server, 100, times), {"options": Options(**limits)})
        if self.random.randrange(40):
            return Attempt(events, (server,), {"rulebook": choice(BOOKS)})
        return Attempt(plan, (server, self.word(tuple(Status))), self.options())

    def options(self) -> dict[str, Any]:
        return {
            "actor": self.word(tuple(Actor)),
            "microversion": self.word(("2.1", "2.43", "2.92", "2.104", "latest")),
            "rulebook": self.random.choice(BOOKS),
        }

    def word(self, usual: tuple[str, ...]) -> Any:
        """Mostly one of the usual words, as a member or as text; else anything."""
        dice = self.random.randrange(8)
        if dice < 5:
            word = self.random.choice(usual)
            return word if dice < 3 else str(word)
        return self.value()

    def value(self, depth: int = 0) -> Any:
        dice = self.random.randrange(12)
        if dice < 7 or depth > 2:
            return self.random.choice(self.odd)
        if dice < 9:
            return self.random.choice(WORDS)
        if dice == 9:
            return self.mangled(self.random.choice(WORDS))
        if dice == 10:
            return [self.value(depth + 1) for _ in range(self.random.randrange(3))]
        return {self.key(): self.value(depth + 1) for _ in range(self.random.randrange(3))}

    def mangled(self, word: str) -> str:
        """The word with one character changed, doubled or left out."""
        at = self.random.randrange(len(word))
        new = self.random.choice(("", word[at] * 2, word[at].swapcase(), "\0", "😀", "\ud800", "-"))
        return word[:at] + new + word[at + 1 :]

    def key(self) -> Any:
        """A key of a dictionary: whatever can be hashed."""
        key = self.random.choice((*KEYS, *COLUMNS, *ODD[:30]))
        try:
            hash(key)
        except TypeError:
            return "unhashable"
        return key

    def server(self) -> Server | None:
        choice = self.random.choice
        if choice((True, False, False)):
            return choice((None, Server.from_status(choice(tuple(Status)))))
        locked = choice((True, False))
        return Server(
            choice(tuple(VmState)),
            choice((None, *TaskState)),
            choice(tuple(PowerState)),
            locked,
            choice((None, *LockedBy)) if locked else None,
            choice((True, False)),
            choice((None, True, False)),
            choice((True, False)),
            choice((None, VmState.ACTIVE, VmState.STOPPED)),
            choice((True, False, False, False)),
        )

    def document(self) -> Any:
        """What GET /servers/{id} answers, with a few keys put wrong; sometimes nothing like it."""
        if self.random.randrange(10) == 0:
            return self.value()
        server = self.server()
        inner: dict[Any, Any] = {} if server is None else server.to_api()["server"]
        for _ in range(self.random.randrange(4)):
            name = self.random.choice(KEYS) if self.random.randrange(8) else self.key()
            if self.random.randrange(4):
                inner[name] = self.value()
            else:
                inner.pop(name, None)
        return self.wrapped(inner)

    def wrapped(self, inner: dict[Any, Any]) -> Any:
        kinds: tuple[Callable[[dict[Any, Any]], Any], ...] = (
            lambda each: each,
            lambda each: {"server": each},
            lambda each: {"server": each, "status": "ACTIVE"},
            Dict,
            UserDict,
            OrderedDict,
            MappingProxyType,
            lambda each: [each],
            lambda each: {"server": list(each.items())},
            lambda each: {"servers": [each]},
        )
        return self.random.choice(kinds)(inner)

    def record(self) -> Any:
        if self.random.randrange(10) == 0:
            return self.value()
        record: dict[Any, Any] = {"vm_state": self.word(tuple(VmState))}
        for _ in range(self.random.randrange(5)):
            name = self.random.choice(COLUMNS) if self.random.randrange(8) else self.key()
            record[name] = self.value()
        return self.random.choice((dict, Dict, UserDict, OrderedDict, MappingProxyType))(record)


def run(attempt: Attempt) -> str:
    """Make the call and look at all that it gave; return what came of it, in a word.

    Raises:
        Exception: an error that is not documented, or a result that is wrong.
    """
    try:
        result = attempt.call(*attempt.args, **attempt.kwargs)
    except DOCUMENTED as error:
        result = error
    if isinstance(result, DOCUMENTED):
        assert isinstance(result, ValueError | RefusedError)
        assert 0 < len(str(result)) < 100_000, "a message is for reading"
        return type(result).__name__
    if isinstance(result, Server):
        assert isinstance(hash(result), int)
        assert isinstance(result.status, Status)
        assert isinstance(result.to_api(), dict)
        return "server"
    if isinstance(result, Verdict | dict):
        return seen(result)
    steps = result if attempt.call is follow else (result,)
    for step in steps if isinstance(result, Step) or attempt.call is follow else ():
        assert isinstance(step.event, str)
        assert step.server is None or isinstance(step.server.to_api(), dict)
    if isinstance(result, Plan):
        assert bool(result) is (result.reason is None)
    if isinstance(result, Waiter):
        assert isinstance(result.to_botocore(), dict)
    return type(result).__name__.lower()


def seen(result: Verdict | dict[ActionName, Verdict]) -> str:
    """Look at all that a verdict says, or each of several."""
    verdicts = result.values() if isinstance(result, dict) else (result,)
    for verdict in verdicts:
        assert verdict.allowed is (200 <= verdict.code < 300)
        assert (verdict.refusal is None) is verdict.allowed
        assert verdict.allowed is (verdict.hint is None)
        assert verdict.allowed is (not verdict.failures)
        assert verdict.retryable in (False, not verdict.allowed)
    return "verdict"


def main() -> int:
    """Run attempts until there were enough, or time is up; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--millions", type=float, default=1.0, help="how many attempts")
    parser.add_argument("--seconds", type=float, default=600.0, help="and how long at most")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--extremes", action="store_true", help="with what has no repr or no truth")
    options = parser.parse_args()
    generator = Generator(options.seed, extremes=options.extremes)
    print(f"seed {options.seed}", flush=True)
    wanted = int(options.millions * 1e6)
    outcomes: Counter[str] = Counter()
    start = time.monotonic()
    while outcomes.total() < wanted and time.monotonic() - start < options.seconds:
        attempt = generator.attempt()
        try:
            outcomes[run(attempt)] += 1
        except Exception:
            traceback.print_exc()
            print(f"seed {options.seed}, attempt {outcomes.total()}: {attempt.call.__qualname__}")
            for part in (*attempt.args, *attempt.kwargs.items()):
                try:
                    print(f"  {part!r:.2000}")
                except Exception as error:
                    print(f"  cannot be printed: {type(error).__name__}")
            return 1
    seconds = time.monotonic() - start
    print(f"{outcomes.total():,} attempts, {seconds:.0f} s, {outcomes.total() / seconds:,.0f}/s")
    for outcome, number in outcomes.most_common():
        print(f"{number:>12,} {outcome}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
