"""`verify`: the whole table proved consistent, case by case, with every fault named.

Only the list of checks and the shape of the report belong here; each check stands in a
`verify_*.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from serverfsm import verify_graph, verify_rows, verify_rules
from serverfsm.options import Options
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.verify_graph import Case

__all__ = ["Check", "Report", "verify"]


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found. True if it found no fault.

    Attributes:
        name: in a word.
        sentence: what holds if there is no fault.
        cases: how many things were looked at.
        faults: what is wrong, each with the name of the row; without repetition.
        kinds: how many of the cases were of what kind, where that is worth knowing.
    """

    name: str
    sentence: str
    cases: int
    faults: tuple[str, ...]
    kinds: tuple[tuple[str, int], ...] = ()

    def __bool__(self) -> bool:
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "name": self.name,
            "sentence": self.sentence,
            "cases": self.cases,
            "kinds": dict(self.kinds),
            "faults": list(self.faults),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What all checks of one rulebook found. True if none found a fault.

    Attributes:
        rulebook: its name.
        checks: in order.
    """

    rulebook: str
    checks: tuple[Check, ...]

    def __bool__(self) -> bool:
        return all(self.checks)

    @property
    def cases(self) -> int:
        """How many things were looked at."""
        return sum(check.cases for check in self.checks)

    @property
    def faults(self) -> tuple[str, ...]:
        """Every fault, in the order of the checks."""
        return tuple(fault for check in self.checks for fault in check.faults)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "rulebook": self.rulebook,
            "sound": bool(self),
            "cases": self.cases,
            "checks": [check.to_dict() for check in self.checks],
        }


CHECKS: tuple[tuple[str, str, Callable[[Rulebook], Iterator[Case]]], ...] = (
    (
        "pairs",
        "every pair of vm_state and task_state is reached, or it is said why it is not",
        verify_graph.pairs,
    ),
    (
        "traps",
        "from every state requests lead to a stable state, and to the server's end",
        verify_graph.traps,
    ),
    (
        "endings",
        "every task ends by itself, or is declared to be left behind and can be got rid of",
        verify_graph.endings,
    ),
    (
        "timers",
        "every timer is about servers that there are, does something, and has its option",
        verify_graph.timers,
    ),
    (
        "reactions",
        "whatever Nova sees it has one reaction to, and every reaction comes about",
        verify_graph.reactions,
    ),
    (
        "alive",
        "every row, write, outcome and answer can come about",
        verify_rows.alive,
    ),
    (
        "ways",
        "what acceptance writes is where the way of its success begins",
        verify_rows.ways,
    ),
    (
        "requests",
        "no two rows stand for one request, and every variant can be asked for",
        verify_rules.requests,
    ),
    (
        "guards",
        "every row tests what it must, in a sound order",
        verify_rules.guards,
    ),
    (
        "locks",
        "none but administrators get past a lock, and what ignores locks moves no server",
        verify_rules.locks,
    ),
    (
        "declared",
        "what gives the server up, or changes the record alone, is declared to",
        verify_rules.declared,
    ),
    (
        "projection",
        "a status stands for exactly the pairs that have it, and a row's for those it accepts",
        verify_rules.projection,
    ),
    (
        "deviations",
        "every deviation stands in its column and changes an answer or the exported table",
        verify_rules.deviations,
    ),
)


def verify(rulebook: Rulebook = API_REFERENCE, options: Options | None = None) -> Report:
    """Return what is proved of a rulebook, by going through every case there is.

    Args:
        rulebook: whose rules.
        options: the operator's; None: the rulebook's. Of them only the hypervisor matters: all
            others are gone through in every setting.

    >>> report = verify()
    >>> bool(report), len(report.checks), report.faults
    (True, 13, ())
    """
    book = rulebook.having(options)
    return Report(book.name, tuple(_checked(*each, book) for each in CHECKS))


def _checked(
    name: str, sentence: str, check: Callable[[Rulebook], Iterator[Case]], book: Rulebook
) -> Check:
    kinds: Counter[str] = Counter()
    faults: dict[str, None] = {}
    for case in check(book):
        kinds[case.kind] += 1
        if case.fault is not None:
            faults[case.fault] = None
    total = kinds.total()
    kinds.pop("", None)
    return Check(name, sentence, total, tuple(faults), tuple(kinds.items()))
