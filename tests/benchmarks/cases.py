"""What is measured, and against what: shared by `test_verdicts.py` and `report.py`.

A case is one statement. `Case.compile` makes a function of it that runs it many times, with every
name a local variable, so that little but the statement is timed. The states are those of a
database row: text that a driver has just decoded, never the members of our enumerations.
"""

from __future__ import annotations

import os
import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import repeat
from typing import Any

from transitions import Machine

from serverfsm import API_REFERENCE, Rulebook, Server, TaskState, VmState, allowed, check
from serverfsm.lifecycle import Cause, edges, state_name
from serverfsm.machine import ServerModel, build_machine

LEGAL, REFUSED, MORE = "legal", "refused", "more"

BARE = "dict[key]"
BARE_ROW = "dict[row's states]"
CHECK = "check(server)"
CHECK_ROW = "check(Server(row))"
TRANSITIONS = "transitions may_trigger"
NOVA = "nova guard decorators"
ALLOWED = "allowed(server)"

UNROLLED = 20


def fresh(text: str) -> str:
    """Return the text as a new object, as it comes out of a database or a request."""
    return text.encode().decode()


class Row:
    """What an ORM makes of a database row."""

    def __init__(self, vm_state: str, task_state: str | None = None) -> None:
        """Make a row whose words are new objects."""
        self.vm_state = fresh(vm_state)
        self.task_state = None if task_state is None else fresh(task_state)
        self.uuid = "4d4a1c2e-0000-4000-8000-000000000000"
        self.host = "compute-1"
        self.launched_at = "2026-01-01T00:00:00Z"
        self.locked = False


@dataclass(frozen=True)
class Case:
    """One statement to time.

    Attributes:
        group: LEGAL, REFUSED or MORE.
        name: what it is called in tables.
        statement: the code; `row` in it is a new row each time if `per_row` is set.
        names: the other names in it.
        per_row: the state that each run's row has, or None.
        skipped: why it cannot be run here; else empty.
    """

    group: str
    name: str
    statement: str
    names: Mapping[str, Any] = field(default_factory=dict)
    per_row: str | None = None
    skipped: str = ""

    def rows(self, count: int) -> Sequence[Any]:
        """Return what the compiled function wants for `count` runs of the statement."""
        if self.per_row is None:
            return range(count // UNROLLED)
        return [Row(self.per_row) for _ in range(count)]

    def compile(self) -> Callable[[Iterable[Any]], None]:
        """Return a function that runs the statement for what `rows` returns."""
        times = UNROLLED if self.per_row is None else 1
        body = textwrap.indent("\n".join(repeat(self.statement, times)), " " * 8)
        parameters = "".join(f", {name}={name}" for name in self.names)
        source = f"def run(rows{parameters}):\n    for row in rows:\n{body}\n"
        scope = dict(self.names)
        exec(source, scope)
        run: Callable[[Iterable[Any]], None] = scope["run"]
        return run


@dataclass(frozen=True)
class Target:
    """One target of the project: how two cases must compare.

    Attributes:
        group, case: what must be fast.
        peer: the case of the same group that it is compared with; None: `limit` is in ns.
        limit: at most so many times the peer's time.
        times_faster: the peer takes at least `limit` times as long, instead.
    """

    group: str
    case: str
    peer: str | None
    limit: float
    times_faster: bool = False

    @property
    def wanted(self) -> str:
        """The target in words."""
        if self.peer is None:
            return f"< {self.limit / 1000:g} us"
        sign = "1/" if self.times_faster else ""
        return f"<= {sign}{self.limit:g} x {self.peer}"

    def line(self, figures: Figures) -> tuple[str, str, str, str, str]:
        """Return what, time, ratio, target, and whether it is met, from ns by group and case."""
        what = f"{self.group}: {self.case}"
        mine = figures.get((self.group, self.case))
        if mine is None:
            return what, "-", "-", self.wanted, "not measured"
        time = f"{mine:.0f} ns"
        if self.peer is None:
            return what, time, "-", self.wanted, yes_or_no(mine < self.limit)
        peer = figures.get((self.group, self.peer))
        if peer is None:
            return what, time, "-", self.wanted, "not measured"
        if self.times_faster:
            ratio = f"1/{peer / mine:.1f}"
            return what, time, ratio, self.wanted, yes_or_no(peer >= mine * self.limit)
        return what, time, f"{mine / peer:.2f}", self.wanted, yes_or_no(mine <= peer * self.limit)


TARGETS = (
    *(
        target
        for group, nova in ((LEGAL, 3), (REFUSED, 10))
        for mine, bare in ((CHECK, BARE), (CHECK_ROW, BARE_ROW))
        for target in (
            Target(group, mine, bare, 5),
            Target(group, mine, TRANSITIONS, 100, times_faster=True),
            Target(group, mine, NOVA, nova, times_faster=True),
        )
    ),
    Target(MORE, ALLOWED, None, 10_000),
)

Figures = dict[tuple[str, str], float]
"""Nanoseconds by group and case."""


def yes_or_no(is_met: bool) -> str:
    """Return how a table says whether a target is met."""
    return "yes" if is_met else "NO"


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return lines of cells as plain text in columns; all but the first column end flush right."""
    cells = [tuple(header), *(tuple(line) for line in lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def target_table(figures: Figures) -> str:
    """Return the table of targets."""
    header = ("what", "time", "ratio", "target", "met")
    return table(header, [target.line(figures) for target in TARGETS])


class Guarded:
    """A live server as users of `transitions` write it: the guard is a method."""

    locked = False
    launched = True
    host = True

    def is_free(self) -> bool:
        """Whether neither lock nor host nor launch is in the way."""
        return not self.locked and self.launched and self.host


def plain_machine(vm_state: str) -> Any:
    """Return a model of a plain `transitions.Machine`: our states and requests, one guard."""
    model = Guarded()
    states = [state_name((vm, task)) for vm in VmState for task in (None, *TaskState)]
    machine = Machine(model, states=states, initial=vm_state, auto_transitions=False)
    for edge in edges():
        is_request = edge.outcome is None and edge.cause is not Cause.TIMER
        if is_request and edge.start is not None:
            machine.add_transition(
                edge.event, state_name(edge.start), state_name(edge.end), conditions="is_free"
            )
    return model


class Context:
    """What Nova's guards ask of a request context."""

    is_admin = False


def nova_names() -> dict[str, Any]:
    """Return Nova's guards around an empty `stop`, and what it raises; ImportError without Nova."""
    os.environ.setdefault("OS_NOVA_DISABLE_EVENTLET_PATCHING", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nova_api = import_module("nova.compute.api")
        exception, vm_states = nova_api.exception, nova_api.vm_states

    class Api:
        @nova_api.check_instance_lock
        @nova_api.check_instance_host()
        @nova_api.check_instance_state(vm_state=[vm_states.ACTIVE, vm_states.ERROR])
        def stop(self, context: Context, instance: Row) -> None:
            """Stand for the method behind the guards of nova.compute.api:API.stop."""

    return {"api": Api(), "context": Context(), "InvalidState": exception.InstanceInvalidState}


def verdict_cases() -> list[Case]:
    """Return every case in which one request is judged, legal and refused."""
    try:
        nova, skipped = nova_names(), ""
    except ImportError as error:
        nova, skipped = {}, f"{error}; see tests/nova/setup.py"
    found = []
    for group, vm_state in ((LEGAL, "active"), (REFUSED, "paused")):
        found += _cases_of(group, vm_state, nova, skipped)
    return found


_GUARDED_CALL = """\
try:
    api.stop(context, instance)
except InvalidState:
    pass"""


def _cases_of(group: str, vm_state: str, nova: Mapping[str, Any], skipped: str) -> list[Case]:
    row = Row(vm_state)
    bare = {
        (vm.value, None if task is None else task.value): object()
        for vm in VmState
        for task in (None, *TaskState)
    }
    action = fresh("os-stop")
    ours = {"check": check, "server": Server(row.vm_state, row.task_state), "action": action}
    making = {"check": check, "Server": Server, "action": action}
    verdict = check(ours["server"], action)
    if verdict.allowed is not (group == LEGAL):
        raise AssertionError(f"{group}: {verdict}")
    model, plain = ServerModel(build_machine(), ours["server"]), plain_machine(vm_state)
    if not model.may_trigger(action) is plain.may_trigger(action) is verdict.allowed:
        raise AssertionError(f"{group}: the machines do not agree with {verdict}")
    lookup = "bare[row.vm_state, row.task_state]"
    made = "Server(row.vm_state, row.task_state)"
    return [
        Case(group, BARE, "bare[key]", {"bare": bare, "key": (row.vm_state, row.task_state)}),
        Case(group, BARE_ROW, lookup, {"bare": bare}, per_row=vm_state),
        Case(group, CHECK, "check(server, action)", ours),
        Case(group, "if check(server)", "if check(server, action): pass", ours),
        Case(group, "Server(row)", made, {"Server": Server}, per_row=vm_state),
        Case(group, CHECK_ROW, f"check({made}, action)", making, per_row=vm_state),
        Case(
            group,
            "check(from_record(row))",
            "check(Server.from_record(record), action)",
            {**making, "record": {"vm_state": row.vm_state, "task_state": row.task_state}},
        ),
        Case(
            group,
            "ServerModel.may_trigger",
            "model.may_trigger(action)",
            {"model": model, "action": action},
        ),
        Case(
            group,
            TRANSITIONS,
            "plain.may_trigger(action)",
            {"plain": plain, "action": action},
        ),
        Case(group, NOVA, _GUARDED_CALL, {**nova, "instance": row}, skipped=skipped),
    ]


def other_cases() -> list[Case]:
    """Return what is measured besides: many verdicts, new ones, and what one has to tell."""
    server, action = Server(fresh("active")), fresh("os-stop")
    refused = check(Server(fresh("paused")), action)
    book = Rulebook("benchmark", API_REFERENCE.title, deviates=False)
    new = {
        "forget": book.forget,
        "check": check,
        "server": server,
        "action": action,
        "rulebook": book,
    }
    return [
        Case(MORE, ALLOWED, "allowed(server)", {"allowed": allowed, "server": server}),
        Case(
            MORE, "check, not yet asked", "forget(); check(server, action, rulebook=rulebook)", new
        ),
        Case(MORE, "verdict.guard", "verdict.guard", {"verdict": check(server, action)}),
        Case(MORE, "verdict.failures", "verdict.failures", {"verdict": refused}),
        Case(MORE, "verdict.retryable", "verdict.retryable", {"verdict": refused}),
        Case(MORE, "verdict.hint", "verdict.hint", {"verdict": refused}),
        Case(MORE, "verdict.fault()", "verdict.fault('7')", {"verdict": refused}),
    ]
