"""The pages that list: all actions, states, task_states, timers, deviations, messages, commands.

Only the layout belongs here; all that is said is asked of the library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from serverfsm.bodies import MALFORMED, NO_SUCH_ACTION, NOT_AN_OBJECT
from serverfsm.check import allowed
from serverfsm.cli import app
from serverfsm.deviations import DEVIATIONS
from serverfsm.lifecycle import edges
from serverfsm.requests import ActionName, Guard
from serverfsm.rows import Action
from serverfsm.rulebook import API_REFERENCE, NOVA_34, RULEBOOKS
from serverfsm.server import Server
from serverfsm.states import PowerState, Status, TaskState, VmState, status_of
from serverfsm.unprompted import REACTIONS, TIMERS, UNUSED_TASKS

from . import words
from .actions import refusals
from .markup import (
    action_link,
    bullets,
    code,
    file_name,
    listed,
    page,
    pair_link,
    picture,
    status_link,
    table,
    vm_link,
)
from .states import reached

__all__ = [
    "actions_page",
    "commands_page",
    "deviations_page",
    "messages_page",
    "reference_page",
    "states_page",
    "task_states_page",
    "unprompted_page",
]


def _contents(names: list[str], *, is_hidden: bool = True) -> str:
    hidden = ":hidden:\n" if is_hidden else ":maxdepth: 1\n"
    return "```{toctree}\n" + hidden + "\n" + "\n".join(names) + "\n```\n"


def reference_page() -> str:
    return page(
        "reference",
        "The table, page by page",
        "These pages are made from the table when the manual is built: what they say is what "
        "`check`, `follow` and the commands answer.",
        picture("lifecycle"),
        _contents(
            [
                "actions/index",
                "states/index",
                "task-states",
                "unprompted",
                "messages",
                "deviations",
                "commands",
            ],
            is_hidden=False,
        ),
    )


def actions_page() -> str:
    return page(
        "all-actions",
        "All actions",
        "Every action of a server that the Compute API has, and creating and deleting it. "
        "*Accepted in* is the vm_state with the task_state that the action wants; what else is "
        "tested stands on its page.",
        table(
            ("action", "", "accepted in", "task", "who", "lock", "answers"),
            (
                (
                    action_link(row.name),
                    row.title,
                    _where(row),
                    _task(row),
                    row.policy.least.value,
                    row.lock.value,
                    row.normal if row.removed is None else row.removed.code,
                )
                for row in API_REFERENCE
            ),
        ),
        picture("matrix"),
        _contents([file_name(name.value) for name in ActionName]),
    )


def _where(row: Action) -> str:
    if Guard.ABSENT in row.guards:
        return "no server yet"
    return "any" if row.vm_states is None else listed(map(vm_link, row.origins))


def _task(row: Action) -> str:
    if row.task_states is None:
        return "any or none"
    return "none" if row.task_states == {None} else "some"


def states_page() -> str:
    statuses = table(
        ("status", "", "kind", "pairs of states"),
        (
            (
                status_link(each),
                each.__doc__,
                each.kind.value,
                len(Server.from_status(each).pairs()),
            )
            for each in Status
        ),
    )
    vm_states = table(
        ("vm_state", "", "kind", "status with no task", "actions that a member may do"),
        (
            (
                vm_link(each),
                each.__doc__,
                each.kind.value,
                status_link(status_of(each, None)),
                sum(map(bool, allowed(Server(each)).values())),
            )
            for each in VmState
        ),
    )
    powers = table(
        ("power_state", "number", ""),
        ((code(each.name), each.value, each.__doc__) for each in PowerState),
    )
    return page(
        "all-states",
        "All states",
        "A server's state is its vm_state and its task_state; the status is worked out from both. "
        "[Why the status is not the state](../../concepts/status.md)",
        "## Statuses\n\nAs `status` in the answer to GET /servers/{id}.\n\n" + statuses,
        "## vm_states\n\nAs `OS-EXT-STS:vm_state`.\n\n" + vm_states,
        "## Power states\n\nAs `OS-EXT-STS:power_state`: what the hypervisor last said of the "
        "guest.\n\n" + powers,
        _contents(
            [
                *(file_name(each.value) for each in VmState),
                *(f"../statuses/{file_name(each.value)}" for each in Status),
            ]
        ),
    )


def task_states_page() -> str:
    return page(
        "all-task-states",
        "All task_states",
        "As `OS-EXT-STS:task_state`; null is no task.",
        table(
            ("task_state", "", "part of", "during", "status"),
            (
                (
                    code(task),
                    task.__doc__ or "",
                    task.family or "",
                    UNUSED_TASKS.get(task) or listed(map(action_link, _during(task))),
                    ", ".join(map(status_link, _statuses(task))),
                )
                for task in TaskState
            ),
        ),
        "(left-behind)=\n## What is left behind\n\n"
        "After these failures the task_state stays though nothing is under way any more. "
        "[Operate it](../operate.md) says what gets the server out.\n\n"
        + table(
            ("state", "left by", "a member may then"),
            ((pair_link(*state), listed(events), _may(state)) for state, events in _left().items()),
        ),
    )


def _during(task: TaskState) -> list[ActionName]:
    return [row.name for row in API_REFERENCE if task in row.during]


def _statuses(task: TaskState) -> list[Status]:
    shown = {status_of(vm_state, task) for vm_state in VmState if (vm_state, task) in reached()}
    return [status for status in Status if status in shown]


def _left() -> dict[tuple[VmState, TaskState | None], list[str]]:
    found: dict[tuple[VmState, TaskState | None], dict[str, None]] = {}
    for edge in edges():
        if edge.outcome is not None and edge.outcome.left is not None and not edge.outcome.goes_on:
            found.setdefault(edge.end, {})[code(edge.event)] = None
    return {state: list(found[state]) for state in sorted(found, key=_place)}


def _place(state: tuple[VmState, TaskState | None]) -> tuple[int, int]:
    vm_state, task = state
    return list(VmState).index(vm_state), (None, *TaskState).index(task)


def _may(state: tuple[VmState, TaskState | None]) -> str:
    row_runs = {row.name for row in API_REFERENCE if row.sources.run}
    verdicts = allowed(Server(*state))
    return listed(
        action_link(name) for name, verdict in verdicts.items() if verdict and name in row_runs
    )


def unprompted_page() -> str:
    timers = table(
        ("option", "default", "off", "looks every", "at", "measures", "then Nova"),
        (
            (
                code(each.option),
                f"{each.default} s",
                each.off,
                f"{each.poll} s" + (f" ({code(each.poll_option)})" if each.poll_option else ""),
                f"{words.vm_states(each.vm_states)}; {words.tasks(each.task_states)}",
                each.measures,
                each.does,
            )
            for each in TIMERS
        ),
    )
    reactions = "\n".join(
        f"### {name}\n\n"
        + table(
            ("vm_state", "task_state", "guest", "Nova", "ends in", "source"),
            (
                (
                    words.vm_states(each.vm_states),
                    words.tasks(each.task_states),
                    "any"
                    if each.guest is None
                    else listed(power.name for power in PowerState if power in each.guest),
                    each.does + ("" if each.then is None else f": {action_link(each.then)}"),
                    vm_link(each.end) if isinstance(each.end, VmState) else each.end.value,
                    code(each.source),
                )
                for each in REACTIONS
                if each.name == name
            ),
        )
        for name in dict.fromkeys(each.name for each in REACTIONS)
    )
    return page(
        "without-a-request",
        "Without a request",
        "What Nova does of itself: by the clock, and on seeing a guest. The first row that fits.",
        "## Timers\n\n" + timers,
        "## On seeing a guest\n\n" + reactions,
    )


def messages_page() -> str:
    """Every text of a refusal, with the actions that have it."""
    found: dict[tuple[int, str], dict[str, dict[ActionName, None]]] = {}
    for book in RULEBOOKS.values():
        for row in book:
            for guard in row.guards:
                for answer in refusals(row, guard, book):
                    key = (answer.code, _general(answer.message, guard))
                    found.setdefault(key, {}).setdefault(guard.value, {})[row.name] = None
            for assumption in row.assumes:
                key = (assumption.answer.code, assumption.answer.message)
                found.setdefault(key, {}).setdefault(f"taken for granted: {assumption.name}", {})[
                    row.name
                ] = None
    fixed = ((400, MALFORMED), (400, f"{NO_SUCH_ACTION}: {{key}}"), (404, NOT_AN_OBJECT))
    for number, text in fixed:
        found.setdefault((number, text), {})["the body names no action"] = {}
    return page(
        "all-messages",
        "All messages",
        "What stands under `message` in the body of a refusal, by either rulebook. What is in "
        "braces is filled in: `{id}` is the server's, `{label}` the action's name in messages.",
        table(
            ("code", "message", "guard", "actions"),
            (
                (
                    number,
                    code(" ".join(text.split())),
                    ", ".join(map(code, guards)),
                    _actions(guards),
                )
                for (number, text), guards in sorted(found.items())
            ),
        ),
        "A name as Nova uses it in messages, where it is not the key:\n\n"
        + bullets(
            f"{action_link(row.name)}: {code(row.label)}"
            for row in API_REFERENCE
            if row.label != row.name.key
        ),
    )


def _general(message: str, guard: Guard) -> str:
    """A message of the body's form as it is worded for any field and value."""
    if guard is Guard.BODY:
        return re.sub(r"attribute .*", "attribute {field}. Value: {value}. {complaint}", message)
    return message


def _actions(guards: dict[str, dict[ActionName, None]]) -> str:
    names = {name for found in guards.values() for name in found}
    if len(names) > len(ActionName) / 2:
        return f"{len(names)} of {len(ActionName)}"
    return listed(action_link(name) for name in ActionName if name in names) if names else ""


def deviations_page() -> str:
    return page(
        "all-deviations",
        "All deviations",
        f"The {len(DEVIATIONS)} columns in which {NOVA_34.title} is not {API_REFERENCE.title}. "
        "[How they were measured](../nova.md), each with a command that shows it.",
        picture("deviations"),
        table(
            ("name", "action", "column", "the reference", "Nova 34.0.0"),
            (
                (
                    code(each.name),
                    action_link(each.action),
                    code(each.column),
                    each.documented,
                    each.observed,
                )
                for each in DEVIATIONS
            ),
        ),
    )


def commands_page() -> str:
    """The commands with their options, asked of the program itself."""
    return page(
        "commands",
        "All commands",
        "What `serverfsm --help` and its commands say.",
        *_commands(typer.main.get_command(app), "serverfsm"),
    )


def _commands(command: Any, name: str) -> Iterator[str]:
    # Typer may bring a click of its own: what a command can do tells what it is.
    context = command.context_class(command, info_name=name)
    if hasattr(command, "list_commands"):
        for each in command.list_commands(context):
            yield from _commands(command.get_command(context, each), f"{name} {each}")
        return
    records = (
        each.get_help_record(context) or (each.make_metavar(context), each.help or "")
        for each in command.params
    )
    yield f"## {name}\n\n{command.help or ''}\n\n" + table(
        ("", ""), ((code(usage), _plain(said)) for usage, said in records)
    )


def _plain(said: str) -> str:
    """A line of help without what Markdown would take for its own."""
    return said.replace("[", "(").replace("]", ")").replace("<", "&lt;").replace("*", "\\*")
