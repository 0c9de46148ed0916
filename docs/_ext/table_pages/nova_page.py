"""Nova's own page of states, anew from the table, and where that page is not what Nova does.

What Nova's page says stands in `docs/_data/nova-vm-states.json`; what Nova does is asked of the
library, by the rulebook NOVA_34.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serverfsm.check import allowed, check
from serverfsm.options import Options
from serverfsm.requests import ActionName, Actor
from serverfsm.rows import Action, End
from serverfsm.rulebook import NOVA_34
from serverfsm.server import Server
from serverfsm.states import TaskState, VmState
from serverfsm.step import follow

from . import words
from .markup import action_link, code, listed, page, picture, status_link, table, vm_link

__all__ = ["Row", "arrows", "nova_page", "rows"]


@dataclass(frozen=True)
class Row:
    """A row of the page's table of commands, beside what Nova does.

    Attributes:
        line: where it begins in the source of the page.
        command: its first column.
        said: the vm_states that it requires.
        does: those in which Nova accepts the command of an idle server.
        unknown_tasks: what it names as task_state that is none.
        actions: the actions that it stands for.
    """

    line: int
    command: str
    said: frozenset[VmState]
    does: frozenset[VmState]
    unknown_tasks: tuple[str, ...]
    actions: tuple[ActionName, ...]

    @property
    def agrees(self) -> bool:
        """Whether the page names the vm_states in which Nova accepts the command, and no others."""
        return self.said == self.does


def rows(data: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return every row of the page's table of commands."""
    return tuple(_row(each, data) for each in data["commands"])


def _row(each: Mapping[str, Any], data: Mapping[str, Any]) -> Row:
    actions = tuple(map(ActionName, each["actions"]))
    options = Options.from_mapping(each.get("options", {}))
    does = {vm for vm in VmState for name in actions if _is_accepted(name, vm, options)}
    named = [word for word in each["task_states"] if word not in data["no_task"]]
    return Row(
        line=each["line"],
        command=each["command"],
        said=_named(each["vm_states"], data),
        does=frozenset(does),
        unknown_tasks=tuple(word for word in named if not _is_task(word)),
        actions=actions,
    )


def _named(said: Iterable[str], data: Mapping[str, Any]) -> frozenset[VmState]:
    return frozenset(VmState(data["words"][word]) for word in said)


def _is_task(word: str) -> bool:
    return any(task.value == word.lower().replace(" ", "_") for task in TaskState)


def _is_accepted(name: ActionName, vm_state: VmState, options: Options) -> bool:
    book = NOVA_34.having(options)
    return check(Server(vm_state), name, book[name].policy.least, rulebook=book).allowed


# -------------------------------------------------------------------------- the diagram


def arrows() -> dict[tuple[VmState, VmState], set[ActionName]]:
    """Return every pair of vm_states between which an action leads, at rest before and after.

    By the outcomes of success, under any of the operator's options; an action that leaves the
    server where it was is no arrow, and neither is one that changes the record alone.
    """
    found: dict[tuple[VmState, VmState], set[ActionName]] = {}
    for row in _leading():
        for start in row.origins or (VmState.BUILDING,):
            for outcome in row.successes(start):
                among = row.volume_backed_vm_states
                if outcome.when.volume_backed and among is not None and start not in among:
                    continue
                for end in outcome.ends(start) or (VmState.DELETED,):
                    if end is not start:
                        found.setdefault((start, end), set()).add(row.name)
    return found


def _leading() -> Iterator[Action]:
    return (row for row in NOVA_34 if row.sources.run and row.removed is None)


# ------------------------------------------------------------------------------ the page


def nova_page(data_file: Path) -> str:
    """Return the page; `data_file` has what Nova's page says."""
    data = json.loads(data_file.read_text("utf-8"))
    found = rows(data)
    wrong = [row for row in found if not row.agrees]
    return page(
        "vm-states",
        "Virtual machine states, corrected",
        f"Nova {data['release']} has a page on {{external+nova:doc}}`states and transitions "
        f"<reference/vm-states>`. Of the {len(found)} commands in its table {len(wrong)} are "
        "accepted in other states than it says. This page is made from the table of Nova "
        f"{data['release']} as it was measured; the comparison with Nova's page is at the end.",
        "## The states\n\n" + picture("lifecycle", rulebook=NOVA_34.name),
        "Any server that is not deleted may be deleted, and any operation that fails may leave it "
        "in error.",
        "## What each command requires\n\nUnless its page says otherwise the server is "
        "unlocked and was launched.\n\n" + _commands(),
        "## What may be done in each state\n\nWith no task under way, by somebody of the server's "
        "project or by an administrator.\n\n" + _by_state(),
        "## How a server is made\n\n" + _creation(),
        "(vm-states-disagreements)=\n## Where Nova's page disagrees\n\n" + _comparison(data, found),
        "## Its diagram\n\n" + _diagram(data),
    )


def _commands() -> str:
    return table(
        ("action", "vm_state", "task_state", "while it runs", "then"),
        (
            (
                action_link(row.name),
                listed(map(vm_link, row.origins)) if row.vm_states is not None else "any",
                words.tasks(row.task_states),
                listed(map(code, row.during)) if row.during else "",
                listed(dict.fromkeys(_end(each.end) for each in row.success)),
            )
            for row in _leading()
            if row.origins
        ),
    )


def _end(end: VmState | End) -> str:
    return vm_link(end) if isinstance(end, VmState) else end.value


def _by_state() -> str:
    runs = {row.name for row in _leading()}

    def may(vm_state: VmState, who: Actor) -> list[ActionName]:
        found = allowed(Server(vm_state), actor=who, rulebook=NOVA_34)
        return [name for name, verdict in found.items() if verdict and name in runs]

    return table(
        ("vm_state", "status", "members may", "administrators also"),
        (
            (
                vm_link(vm),
                status_link(Server(vm).status),
                listed(map(action_link, may(vm, Actor.MEMBER))),
                listed(
                    action_link(name)
                    for name in may(vm, Actor.ADMIN)
                    if name not in may(vm, Actor.MEMBER)
                ),
            )
            for vm in VmState
        ),
    )


def _creation() -> str:
    run = follow(None, ActionName.CREATE, rulebook=NOVA_34)
    return table(
        ("", "vm_state", "task_state", "power_state", "status"),
        (
            (
                number,
                vm_link(server.vm_state),
                "none" if server.task_state is None else code(server.task_state),
                server.power_state.name,
                status_link(server.status),
            )
            for number, server in enumerate((step.server for step in run), 1)
            if server is not None and server.vm_state is not None
        ),
    )


def _comparison(data: Mapping[str, Any], found: tuple[Row, ...]) -> str:
    no_tasks = [row for row in found if row.unknown_tasks]
    named = listed(dict.fromkeys(word for row in no_tasks for word in row.unknown_tasks))
    rest = [row.command for row in no_tasks if row.agrees]
    return (
        f"Lines are those of {code(data['source'])} in Nova {data['release']}. *Shutoff* and "
        "*Stopped* are one vm_state, `stopped`. A row is marked where the set of vm_states is "
        "not that in which Nova accepts the command of an idle server.\n\n"
        + table(
            ("", "line", "command", "named, and refused", "accepted, and not named"),
            (
                (
                    "agrees" if row.agrees else "**disagrees**",
                    row.line,
                    f"{row.command}: {listed(map(action_link, row.actions))}",
                    _difference(row.said - row.does),
                    _difference(row.does - row.said),
                )
                for row in found
            ),
        )
        + f"\nBesides, {len(no_tasks)} rows require a task_state “{named}”, which does not exist: "
        f"{listed(row.command for row in no_tasks)}"
        + (f"; {listed(rest)} would agree but for that" if rest else "")
        + ". "
        + f"No row is about {_unmentioned(found)}.\n"
    )


def _difference(states: frozenset[VmState]) -> str:
    return listed(vm_link(vm) for vm in VmState if vm in states) if states else ""


def _unmentioned(found: tuple[Row, ...]) -> str:
    mentioned = {name.key for row in found for name in row.actions}
    moving = dict.fromkeys(row.name.key for row in _leading() if row.during)
    return listed((code(key) for key in moving if key not in mentioned), "or")


def _diagram(data: Mapping[str, Any]) -> str:
    def state(word: str) -> VmState:
        return VmState(data["states"].get(word, word))

    drawn = {(state(each["start"]), state(each["end"])): each["line"] for each in data["diagram"]}
    told_apart = {pair: names for pair, names in arrows().items() if VmState.DELETED not in pair}
    told_apart = {pair: names for pair, names in told_apart.items() if VmState.ERROR is not pair[1]}
    missing = [
        (
            vm_link(start),
            vm_link(end),
            listed(action_link(name) for name in ActionName if name in names),
        )
        for (start, end), names in told_apart.items()
        if (start, end) not in drawn
    ]
    extra = [
        (vm_link(start), vm_link(end), line)
        for (start, end), line in drawn.items()
        if start is not end and (start, end) not in told_apart
    ]
    return (
        f"It has {len(drawn)} arrows, and says that all states lead to deleted and to error. "
        f"{len(missing)} that Nova's actions make are not among them"
        + (":\n\n" if missing else ".\n")
        + table(("from", "to", "by"), missing)
        + (
            f"\n{len(extra)} that are drawn no action makes:\n\n"
            + table(("from", "to", "line"), extra)
            if extra
            else "\nEach arrow that is drawn, some action makes.\n"
        )
    )
