"""Nodes, labels, subtitles and legends, made of rows and states in the same way for every view."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from serverfsm.diagram.folding import failed_state, is_passing
from serverfsm.diagram.model import (
    Arrow,
    Chip,
    Label,
    LegendEntry,
    Node,
    NodeKind,
    identifier,
)
from serverfsm.lifecycle import GONE, State, state_name
from serverfsm.rows import Action, Cause, Outcome, Reaction, Timer
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import VmState, status_of

__all__ = [
    "action_label",
    "action_page",
    "action_tip",
    "direction_of",
    "kind_of",
    "legend",
    "outcome_label",
    "state_id",
    "state_node",
    "state_page",
    "subtitle",
    "timer_label",
]

_LEGEND_SIZE = 7
_TASKS_IN_A_ROW = 2

_CAUSE_TEXTS = {
    Cause.PERSON: "a person's request",
    Cause.ADMINISTRATOR: "an administrator's request",
    Cause.SYSTEM: "Nova, in the course of its work",
    Cause.TIMER: "a timer",
    Cause.FAILURE: "a failure",
}

_KIND_TEXTS = {
    NodeKind.MOVING: "work is under way",
    NodeKind.REQUEST: "a request",
    NodeKind.REFUSAL: "refused",
    NodeKind.FAILED: "failed",
    NodeKind.FINAL: "the end",
    NodeKind.RESTING: "no task is under way",
}


def subtitle(rulebook: Rulebook) -> str:
    """Return whose rules a picture shows, and of which release of Nova.

    >>> subtitle(API_REFERENCE)
    'rulebook api-reference: the documented contract (Nova 34.0.0, microversions 2.1 to 2.104)'
    """
    from serverfsm.requests import FIRST, LATEST

    return (
        f"rulebook {rulebook.name}: {rulebook.title} "
        f"(Nova 34.0.0, microversions {FIRST} to {LATEST})"
    )


def kind_of(state: State, rulebook: Rulebook = API_REFERENCE) -> NodeKind:
    """Return what kind of state this is.

    >>> kind_of((VmState.PAUSED, None)).value
    'resting'
    """
    vm_state, task_state = state
    if state == GONE:
        return NodeKind.FINAL
    if task_state is not None or is_passing(vm_state, rulebook):
        return NodeKind.MOVING
    return NodeKind.FAILED if vm_state is failed_state(rulebook) else NodeKind.RESTING


def state_id(state: State) -> str:
    """Return the id of a state's node: by its status without a task, else by the pair.

    >>> state_id((VmState.STOPPED, None))
    'state-SHUTOFF'
    """
    if state[1] is None:
        return identifier("state", status_of(*state).value)
    return identifier("state", state_name(state))


def state_page(vm_state: VmState) -> str:
    """Return the manual's page of a vm_state, relative to its root."""
    return f"reference/states/{vm_state.value}.html"


def action_page(row: Action) -> str:
    """Return the manual's page of an action, relative to its root."""
    return f"reference/actions/{row.name.value.replace(':', '.')}.html"


def state_node(
    state: State, rulebook: Rulebook = API_REFERENCE, chips: Iterable[Chip] = ()
) -> Node:
    """Return the node of a state: its status, and as detail what it is inside."""
    status = status_of(*state).value
    vm_state, task_state = state
    inside = vm_state.value if task_state is None else f"{vm_state.value} + {task_state.value}"
    return Node(
        state_id(state),
        status,
        kind_of(state, rulebook),
        detail="" if inside.upper() == status else inside,
        chips=tuple(chips),
        tip=f"status {status}: vm_state {vm_state.value}, "
        f"task_state {task_state.value if task_state else 'none'}",
        page=state_page(vm_state),
    )


def action_tip(row: Action) -> str:
    """Return what a tooltip says of an action: title, who may, what a lock does, and sources."""
    said = [
        f"{row.name.value}: {row.title}; {row.normal}",
        f"for {row.policy.value.replace('_', ' ')}; lock: {row.lock.value.replace('_', ' ')}",
        "source: " + ", ".join(row.sources.cited()),
    ]
    return "\n".join(said)


def action_label(row: Action, cause: Cause, text: str = "") -> Label:
    """Return the label of an action, or of what follows from it where `text` is given."""
    return Label(text or row.name.value, cause, action_tip(row), action_page(row))


def outcome_label(row: Action, outcome: Outcome, event: str, cause: Cause) -> Label:
    """Return the label of one outcome of an action."""
    source = f"source: nova.compute.manager, {row.sources.run}" if row.sources.run else ""
    said = [f"{event}: {row.title}, {outcome.name}", *filter(None, [source])]
    return Label(event, cause, "\n".join(said), action_page(row))


def timer_label(row: Timer | Reaction, event: str, cause: Cause) -> Label:
    """Return the label of what happens without a request."""
    source = f"source: nova.compute.manager:ComputeManager.{row.source}"
    if isinstance(row, Timer):
        return Label(event, cause, f"{event}: {row.measures}: {row.does}\n{source}")
    return Label(event, cause, f"{event}: {row.does}\n{source}")


def direction_of(nodes: Iterable[Node]) -> Literal["LR", "TB"]:
    """Return where arrows are to lead: down where a run has many tasks, else to the right."""
    moving = sum(node.kind is NodeKind.MOVING for node in nodes)
    return "TB" if moving > _TASKS_IN_A_ROW else "LR"


def legend(nodes: Iterable[Node], arrows: Iterable[Arrow]) -> tuple[LegendEntry, ...]:
    """Return what the colours and shapes of these mean: what occurs alone, at most seven."""
    nodes, arrows = tuple(nodes), tuple(arrows)
    labels = [label for arrow in arrows for label in (*arrow.labels, *arrow.back)]
    labels += [chip.label for node in nodes for chip in node.chips]
    causes = {label.cause for label in labels}
    kinds = {node.kind for node in nodes}
    entries = [
        LegendEntry(text, cause=cause) for cause, text in _CAUSE_TEXTS.items() if cause in causes
    ]
    entries += [LegendEntry(text, kind=kind) for kind, text in _KIND_TEXTS.items() if kind in kinds]
    return tuple(entries[:_LEGEND_SIZE])
