"""A page for each vm_state and for each status: what it means, what it allows, ways in and out.

Only the layout belongs here; all that is said is asked of the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from serverfsm.check import allowed
from serverfsm.export import table_document
from serverfsm.lifecycle import Edge, State, edges
from serverfsm.requests import ActionName, Actor
from serverfsm.rows import Action
from serverfsm.rulebook import API_REFERENCE, NOVA_34
from serverfsm.server import Server
from serverfsm.states import Status, TaskState, VmState, status_of
from serverfsm.verdict import Verdict

from .markup import (
    action_link,
    anchor,
    bullets,
    code,
    listed,
    page,
    picture,
    status_link,
    table,
    vm_link,
)

__all__ = ["reached", "status_page", "vm_state_page"]

_TASKS = (None, *TaskState)
_OF_THE_SERVER = frozenset(Server.__dataclass_fields__)


@cache
def reached() -> frozenset[State]:
    """Return every pair of states that comes about, whatever the operator's options.

    Found by going along the edges from where there is no server yet.
    """
    following: dict[State | None, set[State]] = {}
    for edge in edges():
        following.setdefault(edge.start, set()).add(edge.end)
    found: set[State] = set()
    fresh = set(following[None])
    while fresh:
        found |= fresh
        fresh = {end for state in fresh for end in following.get(state, ())} - found
    return frozenset(found)


def vm_state_page(vm_state: VmState) -> str:
    """Return the page of one vm_state."""
    idle = allowed(Server(vm_state))
    return page(
        anchor("vm-state", vm_state.value),
        f"{vm_state.value} (vm_state)",
        f"{vm_state.__doc__} *{vm_state.kind.value}*",
        picture("state", vm_state.value),
        "## Shows as\n\n" + _shows(vm_state),
        "## What may be done\n\n"
        "Of a server with no task under way, unlocked, launched and image-backed; it has a host "
        "unless it is shelved_offloaded or deleted.\n\n" + _allowed(vm_state),
        "## What may not, and what instead\n\n" + _refused(idle),
        _section("While a task is under way", _busy(vm_state)),
        _section(
            "How a server gets here",
            _ways(vm_state, lambda edge: edge.end, lambda edge: edge.start),
        ),
        _section(
            "How it gets away", _ways(vm_state, lambda edge: edge.start, lambda edge: edge.end)
        ),
    )


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text.strip() else ""


def _shows(vm_state: VmState) -> str:
    shown: dict[Status, list[TaskState | None]] = {}
    for task in _TASKS:
        shown.setdefault(status_of(vm_state, task), []).append(task)
    return table(
        ("status", "with task_state"),
        ((status_link(status), _few(tasks)) for status, tasks in shown.items()),
    )


def _few(tasks: list[TaskState | None]) -> str:
    """Task_states by name, unless they are most of them."""
    if len(tasks) < len(_TASKS) / 2:
        return ", ".join("none" if task is None else code(task) for task in tasks)
    left = [code(task) for task in TaskState if task not in tasks]
    return f"none, and any but {', '.join(left)}" if left else "none, and any"


def _names(verdicts: dict[ActionName, Verdict]) -> list[ActionName]:
    return [name for name, verdict in verdicts.items() if verdict]


def _allowed(vm_state: VmState) -> str:
    server = Server(vm_state)
    lines: list[tuple[str, str]] = []
    before: list[ActionName] = []
    for who in Actor:
        names = _names(allowed(server, actor=who))
        more = [name for name in names if name not in before]
        if more:
            lines.append(
                (f"{who.value}{' also' if before else ''}", listed(map(action_link, more)))
            )
        before = names or before
    nova = _names(allowed(server, rulebook=NOVA_34))
    ours = _names(allowed(server))
    lines += [
        (text, listed(map(action_link, names)))
        for text, names in (
            ("member, by Nova 34 also", [name for name in nova if name not in ours]),
            ("member, but not by Nova 34", [name for name in ours if name not in nova]),
        )
        if names
    ]
    return table(("who", "may"), lines) or "Nothing.\n"


def _refused(verdicts: dict[ActionName, Verdict]) -> str:
    refused = {name: verdict for name, verdict in verdicts.items() if not verdict}
    elsewhere: dict[tuple[int, str], list[ActionName]] = {}
    for name, verdict in refused.items():
        if verdict.attribute not in _OF_THE_SERVER:
            elsewhere.setdefault((verdict.code, verdict.hint or ""), []).append(name)
    return (
        "As a member.\n\n"
        + table(
            ("action", "answer", "instead"),
            (
                (action_link(name), f"{verdict.code} {code(verdict.message)}", verdict.hint)
                for name, verdict in refused.items()
                if verdict.attribute in _OF_THE_SERVER
            ),
        )
        + "\nWhatever the server's state:\n\n"
        + table(
            ("action", "answer", "instead"),
            (
                (listed(map(action_link, names)), number, hint)
                for (number, hint), names in elsewhere.items()
            ),
        )
    )


def _busy(vm_state: VmState) -> str:
    """What a member may do during each task that comes about, besides what is always possible."""
    tasks = [task for task in TaskState if (vm_state, task) in reached()]
    if not tasks:
        return ""
    may = {task: _names(allowed(Server(vm_state, task))) for task in tasks}
    always = [name for name in may[tasks[0]] if all(name in names for names in may.values())]
    lines = (
        (
            code(task),
            status_link(status_of(vm_state, task)),
            task.__doc__,
            listed(action_link(name) for name in names if name not in always),
        )
        for task, names in may.items()
    )
    return f"A member may always: {listed(map(action_link, always))}. Besides:\n\n" + table(
        ("task_state", "status", "", "a member may also"), lines
    )


def _ways(
    vm_state: VmState,
    here: Callable[[Edge], State | None],
    there: Callable[[Edge], State | None],
) -> str:
    """The edges between this vm_state and others, by event."""
    found: dict[tuple[str, str], set[VmState | None]] = {}
    for edge in edges():
        at, other = here(edge), there(edge)
        if at is None or at[0] is not vm_state or (other is not None and other[0] is vm_state):
            continue
        elsewhere = None if other is None else other[0]
        found.setdefault((_event(edge), edge.cause.value), set()).add(elsewhere)
    return table(
        ("by", "cause", "vm_state there"),
        ((event, cause, _others(vm_state, others)) for (event, cause), others in found.items()),
    )


def _event(edge: Edge) -> str:
    if not isinstance(edge.row, Action):
        return code(edge.event)
    rest = edge.event.removeprefix(edge.row.name.value)
    return action_link(edge.row.name) + (f" {code(rest.removeprefix('.'))}" if rest else "")


def _others(vm_state: VmState, others: set[VmState | None]) -> str:
    if others >= set(VmState) - {vm_state}:
        return "any other"
    return listed(
        (
            *(["no server yet"] if None in others else []),
            *(vm_link(vm) for vm in VmState if vm in others),
        )
    )


# ------------------------------------------------------------------------------ statuses


def status_page(status: Status) -> str:
    """Return the page of one status."""
    known = Server.from_status(status)
    pairs = known.pairs()
    verdicts = allowed(known)
    return page(
        anchor("status", status.value),
        f"{status.value} (status)",
        f"{status.__doc__} *{status.kind.value}*",
        picture("state", status.value) if pairs else "",
        "## What it stands for\n\n" + _pairs(pairs),
        "## Where only the status is known\n\n" + _known(verdicts),
        _section("Which actions show it", _roles(status)),
    )


def _pairs(pairs: tuple[State, ...]) -> str:
    if not pairs:
        return "No pair of states: Nova shows it where it does not know them.\n"
    by_vm: dict[VmState, list[TaskState | None]] = {}
    for vm_state, task in pairs:
        by_vm.setdefault(vm_state, []).append(task)
    resting = any(task is None for _, task in pairs)
    count = "One pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    come = sum(pair in reached() for pair in pairs)
    rests = "A server may rest in it." if resting else "It shows only while a task is under way."
    return f"{count} of vm_state and task_state, of which {come} come about. {rests}\n\n" + table(
        ("vm_state", "task_state"),
        ((vm_link(vm_state), _few(tasks)) for vm_state, tasks in by_vm.items()),
    )


def _known(verdicts: dict[ActionName, Verdict]) -> str:
    told: dict[str, list[ActionName]] = {}
    for name, verdict in verdicts.items():
        depends = f"**maybe**: depends on {' and '.join(verdict.depends_on)}"
        answer = "**yes**" if verdict else depends if verdict.maybe else f"no: {verdict.code}"
        told.setdefault(answer, []).append(name)
    order = sorted(told, key=lambda answer: (answer.startswith("no"), "maybe" in answer))
    return "As a member.\n\n" + table(
        ("answer", "to"), ((answer, listed(map(action_link, told[answer]))) for answer in order)
    )


@cache
def _documents() -> dict[ActionName, dict[str, set[str]]]:
    """For each action the statuses on its way, after its success and after its failures."""
    return {
        ActionName(row["name"]): {
            "on the way of": set(row["during"]["statuses"]),
            "after the success of": set(row["success"]["statuses"]),
            "after a failure of": {word for each in row["failures"] for word in each["statuses"]},
        }
        for row in table_document(API_REFERENCE)["actions"]
        if row["run"]
    }


def _roles(status: Status) -> str:
    def lines() -> Iterable[str]:
        for role in next(iter(_documents().values())):
            names = [name for name, said in _documents().items() if status.value in said[role]]
            if names:
                yield f"{role}: {listed(map(action_link, names))}"

    return bullets(lines())
