"""Reading a picture back: which edges of the lifecycle its nodes, arrows and labels tell of.

Only what the picture says is read: ids, tips and labels, none of what it was made from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from serverfsm.diagram.model import Diagram, Label, Node
from serverfsm.lifecycle import Edge, State
from serverfsm.rows import Reaction
from serverfsm.states import PowerState, TaskState, VmState

TASKS = (None, *TaskState)
Told = tuple[State | None, str, State]


def told_by(edge: Edge) -> Told:
    """An edge as pictures tell it: a reaction without the guest that was seen."""
    event = edge.row.name if isinstance(edge.row, Reaction) else edge.event
    return edge.start, event, edge.end


def states_of(node: Node) -> frozenset[State | None]:
    """The states that a node says it stands for."""
    if node.id == "start":
        return frozenset((None,))
    found: set[State | None] = set()
    one = re.search(r"vm_state ([\w-]+), task_state ([\w-]+)", node.tip)
    if one:
        task = None if one[2] == "none" else TaskState(one[2])
        found.add((VmState(one[1]), task))
    for vm_words, task_words in re.findall(r"vm_state: (.*)\ntask_state: (.*)", node.tip):
        found.update(
            (VmState(vm), task)
            for vm in _chosen(vm_words, [vm.value for vm in VmState])
            for task in _tasks(task_words)
        )
    return frozenset(found)


def _tasks(words: str) -> Iterator[TaskState | None]:
    for word in _chosen(words, ["none", *(task.value for task in TaskState)]):
        yield None if word == "none" else TaskState(word)


def _chosen(words: str, known: list[str]) -> list[str]:
    if words == "any":
        return known
    if words.startswith("any but "):
        left_out = words.removeprefix("any but ").split(" | ")
        assert set(left_out) <= set(known)
        return [word for word in known if word not in left_out]
    return words.split(" | ")


def guard_of(label: Label) -> tuple[str, frozenset[VmState] | None]:
    """A label's event, and the vm_states that its brackets leave; None: no vm_state is named."""
    text, _, guard = label.text.partition(" [")
    first = guard.removesuffix("]").split(", ")[0]
    words = first.removeprefix("any but ").split(" | ")
    if not all(word in list(VmState) for word in words):
        return text, None
    return text, frozenset(map(VmState, _chosen(first, [vm.value for vm in VmState])))


def followed(starts: Iterable[State | None], ends: frozenset[State | None]) -> Iterator[Told]:
    """From each start to its end among those of a node: the one end, or that of its vm_state."""
    for start in starts:
        among = [end for end in ends if end is not None]
        if len(among) > 1:
            assert start is not None
            among = [end for end in among if end[0] is start[0]] or [
                end for end in among if end[1] is start[1]
            ]
        if len(among) > 1:
            assert start is not None
            among = [end for end in among if end[1] is start[1]]
        assert len(among) == 1, (start, ends)
        yield start, "", among[0]


def starts_of(diagram: Diagram, name: str) -> frozenset[State | None]:
    """The states of a node or of all members of a group."""
    for group in diagram.groups:
        if group.id == name:
            return frozenset().union(*(states_of(diagram.node(each)) for each in group.members))
    return states_of(diagram.node(name))


def told(diagram: Diagram, name: str, end: str, label: Label) -> tuple[str, list[Told]]:
    """The event of a label, and every edge that it tells of, without the event."""
    event, vm_states = guard_of(label)
    starts = [
        start
        for start in starts_of(diagram, name)
        if vm_states is None or (start is not None and start[0] in vm_states)
    ]
    return event, list(followed(starts, states_of(diagram.node(end))))


def ids(diagram: Diagram) -> list[str]:
    """Every id of a picture."""
    parts = (*diagram.nodes, *diagram.arrows, *diagram.groups)
    return [part.id for part in parts]


def is_guest(word: str) -> bool:
    """Whether a word of a label is a power state's name."""
    return word in PowerState.__members__


def events_of(label: Label, known: Iterable[str]) -> list[str]:
    """The events that a label stands for: those that its tip begins lines with."""
    among = set(known)
    words = [line.partition(": ")[0] for line in label.tip.split("\n")]
    return [word for word in dict.fromkeys(words) if word in among]
