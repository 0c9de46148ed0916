"""Diagrams as the configuration of an XState machine (version 5), in JSON.

What a picture leaves open is left open: where one event has several ends, or holds in any state
with exceptions, its transitions have the guard `takes`, which whoever runs the machine provides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from serverfsm.diagram.model import Diagram, Node, NodeKind
from serverfsm.diagram.structure import Transition, tokens, transitions

__all__ = ["GUARD", "event_names", "render", "state_keys"]

GUARD = "takes"
"""The guard of transitions that the picture leaves open; its parameters tell them apart."""

_ABOUT_GUARD = (
    "provide a guard 'takes': it is given the parameters start (where an event of any state is "
    "meant, the exceptions in words), and end (the key of the state that is reached)"
)


def render(drawing: Diagram, manual: str | None) -> str:
    """Return the diagram as JSON for `createMachine`.

    States are named by their label where that is unique, events by their label. The box that
    stands for any state becomes transitions of the machine itself. A chip that leads to no one
    state of the picture is told in its state's `meta.elsewhere` and is no transition.
    """
    return json.dumps(_machine(drawing, manual), indent=2) + "\n"


def state_keys(drawing: Diagram) -> dict[str, str]:
    """Return the key of each node's state by the node's id; none for the box of any state."""
    nodes = [node for node in drawing.nodes if node.kind is not NodeKind.ANYWHERE]
    labels = [node.label for node in nodes]
    wanted = {
        node.id: node.label
        if labels.count(node.label) == 1 and re.fullmatch(r"[A-Za-z][A-Za-z0-9_+-]*", node.label)
        else node.id
        for node in nodes
    }
    names = tokens((_machine_id(drawing), *wanted.values()), r"[^A-Za-z0-9_+-]")
    return {node: names[word] for node, word in wanted.items()}


def _machine_id(drawing: Diagram) -> str:
    return tokens([f"serverfsm-{drawing.view}"], r"[^A-Za-z0-9_-]").popitem()[1]


def event_names(found: Iterable[Transition]) -> dict[str, str]:
    """Return the name of each event by its text: the text itself, but for what XState reserves."""
    texts = dict.fromkeys(each.label.text for each in found)
    reserved = [text for text in texts if not _is_event(text)]
    renamed = tokens([*(text for text in texts if _is_event(text)), *reserved], r"[^\w.:-]")
    return {text: text if _is_event(text) else f"event.{renamed[text]}" for text in texts}


def _is_event(text: str) -> bool:
    """Whether a text is an event for XState, and no wildcard and nothing of its own."""
    return bool(text) and "*" not in text and not re.match("xstate|done|error|event|__", text)


def _machine(drawing: Diagram, manual: str | None) -> dict[str, Any]:
    keys = state_keys(drawing)
    found = transitions(drawing)
    events = event_names(found)
    first = next((node for node in drawing.nodes if node.kind is NodeKind.START), None)
    states = {}
    for node in drawing.nodes:
        if node.id in keys:
            own = [each for each in found if each.start is node]
            states[keys[node.id]] = _state(node, own, keys, events)
    anywhere = [each for each in found if each.start.kind is NodeKind.ANYWHERE]
    meta = {
        "title": drawing.title,
        "subtitle": drawing.subtitle,
        "notes": list(drawing.notes),
        "manual": manual,
    }
    machine: dict[str, Any] = {
        "id": _machine_id(drawing),
        "initial": keys[first.id] if first else next(iter(keys.values()), None),
        "meta": {name: value for name, value in meta.items() if value},
        "on": _on(anywhere, keys, events),
        "states": states,
    }
    elsewhere = _elsewhere(anywhere)
    if elsewhere:
        machine["meta"]["elsewhere"] = elsewhere
    if f'"{GUARD}"' in json.dumps([machine["on"], [each.get("on") for each in states.values()]]):
        machine["meta"]["guard"] = _ABOUT_GUARD
    return {name: value for name, value in machine.items() if value not in (None, {})}


def _state(
    node: Node, own: list[Transition], keys: dict[str, str], events: dict[str, str]
) -> dict[str, Any]:
    meta: dict[str, Any] = {"label": node.label, "kind": node.kind.value}
    for name in ("detail", "tip", "page"):
        if getattr(node, name):
            meta[name] = getattr(node, name)
    if node.mark:
        meta["mark"] = node.mark.value
    elsewhere = _elsewhere(own)
    if elsewhere:
        meta["elsewhere"] = elsewhere
    on = _on(own, keys, events)
    state: dict[str, Any] = {"id": keys[node.id], "meta": meta}
    if node.kind is NodeKind.FINAL and not on:
        state["type"] = "final"
    return {**state, "on": on} if on else state


def _elsewhere(own: Iterable[Transition]) -> list[dict[str, str]]:
    return [
        {"event": each.label.text, "cause": each.label.cause.value, "end": each.words}
        for each in own
        if each.end is None or _is_unplaced(each)
    ]


def _is_unplaced(each: Transition) -> bool:
    """Whether it leads into the box of any state, which is no state."""
    return (
        each.end is not None and each.end is not each.start and each.end.kind is NodeKind.ANYWHERE
    )


def _on(
    own: Iterable[Transition], keys: dict[str, str], events: dict[str, str]
) -> dict[str, list[dict[str, Any]]]:
    by_event: dict[str, list[Transition]] = {}
    for each in own:
        if each.end is not None and not _is_unplaced(each):
            by_event.setdefault(each.label.text, []).append(each)
    return {
        events[text]: [_transition(each, len(among) > 1, keys) for each in among]
        for text, among in by_event.items()
    }


def _transition(each: Transition, is_one_of_many: bool, keys: dict[str, str]) -> dict[str, Any]:
    start, label, end, words = each
    assert end is not None
    is_anywhere = start.kind is NodeKind.ANYWHERE
    transition: dict[str, Any] = {}
    if end is not start and end.id in keys:
        transition["target"] = f"#{keys[end.id]}"
    if is_one_of_many or is_anywhere:
        params = {"start": f"{start.label} {start.detail}".strip()} if is_anywhere else {}
        if not (is_anywhere and end is start):
            params["end"] = keys.get(end.id, words)
        transition["guard"] = {"type": GUARD, "params": params}
    meta = {"event": label.text, "cause": label.cause.value, "tip": label.tip, "page": label.page}
    transition["meta"] = {name: value for name, value in meta.items() if value}
    return transition
