"""The graph of pairs (vm_state, task_state), folded: places that stand for several, and ways.

Only what several views share of runs belongs here: places, ways between them, and their words.
A way between two places holds for each member of the first; where it holds for some alone, its
label says which in brackets. Between two places of several members the vm_state stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

from serverfsm.diagram.model import Arrow, Chip, Group, Label, Node, NodeKind, identifier
from serverfsm.diagram.parts import action_label, outcome_label, state_node, timer_label
from serverfsm.lifecycle import Edge, State, edges
from serverfsm.rows import Action, Cause, End, Reaction, Timer, When, Write
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import PowerState, TaskState, VmState, status_of

__all__ = [
    "TASKS",
    "Place",
    "Rectangle",
    "Sketch",
    "accepted_with",
    "apart",
    "begins",
    "comes_back",
    "condition_words",
    "event_text",
    "few",
    "fold",
    "fold_all",
    "grouped",
    "in_order",
    "is_everywhere",
    "is_request",
    "led_by",
    "left_behind",
    "nowhere",
    "reachable",
    "rectangles",
    "single",
    "spine_of",
    "triggers",
    "words_of_tasks",
    "words_of_vm_states",
]

TASKS: tuple[TaskState | None, ...] = (None, *TaskState)
_ANY = "any"
_MOST_NAMED = 4  # so many words of one kind stand in a node; more are in its tip
_NEARLY = 3 / 4


@dataclass(frozen=True)
class Place:
    """A node, and the states that it stands for; None among them: there is no server.

    Attributes:
        node: what is drawn.
        states: what it stands for.
    """

    node: Node
    states: frozenset[State | None]

    @property
    def vm_states(self) -> frozenset[VmState]:
        """The vm_states of its members."""
        return frozenset(state[0] for state in self.states if state is not None)

    def having(self, **columns: Any) -> Place:
        """The same place with other columns of its node."""
        return Place(replace(self.node, **columns), self.states)


class Rectangle(NamedTuple):
    """Every pair of these vm_states and these task_states, both in declared order."""

    vm_states: tuple[VmState, ...]
    task_states: tuple[TaskState | None, ...]

    @property
    def states(self) -> frozenset[State | None]:
        """Its pairs."""
        return frozenset((vm, task) for vm in self.vm_states for task in self.task_states)


def in_order(states: Iterable[State | None]) -> tuple[State, ...]:
    """Return states in declared order, without None."""
    among = frozenset(states)
    return tuple((vm, task) for vm in VmState for task in TASKS if (vm, task) in among)


@cache
def reachable(rulebook: Rulebook = API_REFERENCE) -> frozenset[State]:
    """Return every pair that a server may come to from its creation.

    >>> from serverfsm.states import TaskState as T, VmState as V
    >>> (V.ACTIVE, T.POWERING_OFF) in reachable(), (V.BUILDING, T.POWERING_OFF) in reachable()
    (True, False)
    """
    following: dict[State | None, list[State]] = {}
    for edge in edges(rulebook):
        following.setdefault(edge.start, []).append(edge.end)
    found: set[State] = set()
    todo = list(following[None])
    while todo:
        state = todo.pop()
        if state not in found:
            found.add(state)
            todo += following.get(state, [])
    return frozenset(found)


def rectangles(states: Iterable[State | None]) -> tuple[Rectangle, ...]:
    """Return states as rectangles: vm_states that have the same task_states are in one.

    >>> from serverfsm.states import TaskState as T, VmState as V
    >>> [len(each.vm_states) for each in rectangles({(V.ACTIVE, None), (V.ERROR, None)})]
    [2]
    """
    tasks: dict[VmState, list[TaskState | None]] = {}
    for vm_state, task in in_order(states):
        tasks.setdefault(vm_state, []).append(task)
    found: dict[tuple[TaskState | None, ...], list[VmState]] = {}
    for vm_state, each in tasks.items():
        found.setdefault(tuple(each), []).append(vm_state)
    return tuple(Rectangle(tuple(vms), each) for each, vms in found.items())


def is_everywhere(rectangle: Rectangle) -> bool:
    """Whether it leaves out few pairs of all."""
    return len(rectangle.states) >= _NEARLY * len(VmState) * len(TASKS)


def words_of_vm_states(vm_states: Sequence[VmState], most: int = len(VmState)) -> str:
    """Return vm_states in words, as "active | stopped", "any" or "any but deleted".

    >>> words_of_vm_states(tuple(VmState)[1:])
    'any but active'
    """
    return _words(tuple(VmState), vm_states, most)


def words_of_tasks(tasks: Sequence[TaskState | None], most: int = len(TASKS)) -> str:
    """Return task_states in words, "none" for no task under way.

    >>> words_of_tasks((None,)), words_of_tasks(TASKS[1:], 2)
    ('none', 'any but none')
    """
    return _words(TASKS, tasks, most)


def _words(
    known: Sequence[VmState] | Sequence[TaskState | None],
    chosen: Iterable[VmState | TaskState | None],
    most: int,
) -> str:
    among = frozenset(chosen)
    left_out = [word for word in known if word not in among]
    if not left_out:
        return _ANY
    is_long = len(among) > 1 and len(left_out) < len(among) and len(left_out) <= _MOST_NAMED
    if is_long:
        return f"{_ANY} but {_joined(left_out)}"
    if len(among) > most:
        return f"{len(among)} of {len(known)}"
    return _joined(word for word in known if word in among)


def _joined(words: Iterable[str | None]) -> str:
    return " | ".join("none" if word is None else str(word) for word in words)


@cache
def single(state: State, rulebook: Rulebook = API_REFERENCE, *, role: str = "") -> Place:
    """Return the place of one state.

    Args:
        state: which.
        rulebook: whose rules.
        role: where a state stands twice in a picture, what this one is: part of its id.
    """
    node = state_node(state, rulebook)
    if role:
        node = replace(node, id=identifier(role, node.id.partition("-")[2]))
    return Place(node, frozenset((state,)))


def nowhere() -> Place:
    """Return the place of what is no server yet."""
    return Place(
        Node("start", "no server", NodeKind.START, tip="there is no server yet"), frozenset((None,))
    )


def fold(
    rectangle: Rectangle,
    rulebook: Rulebook = API_REFERENCE,
    *,
    label: str = "",
    role: str = "states",
    name: str = "",
) -> Place:
    """Return one place for a rectangle of states, with its members named.

    Args:
        rectangle: which states.
        rulebook: whose rules.
        label: what stands in it; "": the status if all have the same, else the one task_state.
        role: the kind of id.
        name: the rest of the id; "": made of the members.
    """
    vm_states, tasks = rectangle
    if len(rectangle.states) == 1 and not label:
        return single((vm_states[0], tasks[0]), rulebook)
    among = f"vm_state: {words_of_vm_states(vm_states)}\ntask_state: {words_of_tasks(tasks)}"
    kind = NodeKind.ANYWHERE if is_everywhere(rectangle) else NodeKind.MOVING
    if tasks == (None,):
        kind = NodeKind.RESTING
    statuses = list(dict.fromkeys(status_of(*state).value for state in in_order(rectangle.states)))
    if not label:
        one_task = str(tasks[0]) if len(tasks) == 1 and tasks[0] is not None else "a task"
        label = statuses[0] if len(statuses) == 1 else one_task
        label = "any state" if kind is NodeKind.ANYWHERE else label
    return Place(
        Node(
            identifier(role, name or label, *([] if name else vm_states)),
            label,
            kind,
            detail=_detail(rectangle, kind),
            tip=f"{among}\nstatus: {' | '.join(statuses)}",
        ),
        rectangle.states,
    )


def _detail(rectangle: Rectangle, kind: NodeKind) -> str:
    vm_states, tasks = rectangle
    vm_words = words_of_vm_states(vm_states, _MOST_NAMED)
    if vm_words.startswith(_ANY):
        vm_words = vm_words.replace(_ANY, "any vm_state", 1)
    if tasks == (None,):
        return vm_words
    task_words = words_of_tasks(tasks, 1)
    if task_words.startswith(_ANY) or len(tasks) > 1:
        task_words = f"task_state {task_words}"
    if kind is NodeKind.ANYWHERE:
        if len(rectangle.states) == len(VmState) * len(TASKS):
            return "with any task or none"
        return f"{vm_words},\n{task_words}" if vm_words != "any vm_state" else task_words
    return f"{vm_words} + {task_words}"


def fold_all(
    states: Iterable[State | None],
    rulebook: Rulebook = API_REFERENCE,
    *,
    label: str = "",
    role: str = "states",
    name: str = "",
) -> Place:
    """Return one place for states that may make more than one rectangle; see `fold`."""
    members = in_order(states)
    found = rectangles(members)
    if len(found) == 1:
        return fold(found[0], rulebook, label=label, role=role, name=name)
    parts = [fold(each, rulebook).node for each in found]
    tip = "\nor ".join(part.tip for part in parts)
    node = Node(
        identifier(role, name or label),
        label,
        parts[0].kind,
        detail=" or ".join(part.detail or part.label for part in parts),
        tip=tip,
    )
    return Place(node, frozenset(members))


def left_behind(place: Place) -> Place:
    """Return the place as one where nothing is under way, though the task_state says so."""
    tip = f"nothing is under way, and the task_state stays\n{place.node.tip}"
    return place.having(label="task stays", kind=NodeKind.FAILED, tip=tip)


def apart(
    states: Iterable[State | None], rulebook: Rulebook, role: str = "states"
) -> Iterator[Place]:
    """Return states as few places: without a task each is its own, unless it is nearly all."""
    among = set(states)
    if None in among:
        yield nowhere()
    for rectangle in rectangles(among):
        if is_everywhere(rectangle):
            yield fold(rectangle, rulebook, role=role)
            continue
        vm_states, tasks = rectangle
        if None in tasks:
            for vm_state in vm_states:
                yield single((vm_state, None), rulebook)
        busy = tuple(task for task in tasks if task is not None)
        if busy:
            yield fold(rectangle._replace(task_states=busy), rulebook, role=role)


# ------------------------------------------------------------------------------- what events say


def begins(edge: Edge) -> bool:
    """Whether it begins something: a request that is accepted, a timer, a guest that is seen."""
    return edge.outcome is None


def event_text(edge: Edge) -> str:
    """Return an edge's event, without the guest's state where Nova only saw one."""
    return edge.row.name if isinstance(edge.row, Reaction) else edge.event


def comes_back(edge: Edge) -> bool:
    """Whether an outcome leaves the vm_state that it is in, and no task or the same one."""
    outcome = edge.outcome
    if outcome is None or outcome.goes_on or edge.event.endswith(".progress"):
        return False
    return outcome.end is End.ORIGIN


def condition_words(when: When) -> str:
    """Return a condition as a guard's words, "" where it says nothing of the server's own.

    The vm_states are left out: the states of a picture tell them.

    >>> condition_words(When(host=False, option="reclaim_instance_interval > 0"))
    'no host, reclaim_instance_interval > 0'
    """
    said = [
        word if wanted else f"{no} {word}"
        for word, no, wanted in (
            ("host", "no", when.host),
            ("volume-backed", "not", when.volume_backed),
            ("launched", "not", when.launched),
            ("locked", "not", when.locked),
            ("administrator", "no", when.administrator),
        )
        if wanted is not None
    ]
    if when.power_states is not None:
        among = [state.name for state in PowerState if state in when.power_states]
        said.append("guest " + " | ".join(among))
    if when.before_resize is not None:
        among = [vm.value for vm in VmState if vm in when.before_resize]
        said.append("before the resize " + " | ".join(among))
    if when.since is not None:
        said.append(f"since {when.since}")
    if when.until is not None:
        said.append(f"before {when.until}")
    if when.option is not None:
        said.append(when.option)
    return ", ".join(said)


def accepted_with(edge: Edge) -> tuple[Write, ...]:
    """Return the writes of an accepted request that may have led along this edge."""
    row, start = edge.row, edge.start
    if not isinstance(row, Action) or edge.outcome is not None:
        return ()
    before: tuple[object, object] = start or (None, None)
    return tuple(
        write
        for write in row.writes
        if (
            write.values.get("vm_state", before[0]),
            write.values.get("task_state", before[1]),
        )
        == edge.end
    )


def _condition(edge: Edge) -> str:
    whens = (
        [edge.outcome.when]
        if edge.outcome is not None
        else [write.when for write in accepted_with(edge)]
    )
    return _either(condition_words(when) for when in whens)


def _either(conditions: Iterable[str]) -> str:
    """One of several conditions, without those that another one includes; "" if one is none."""
    words = dict.fromkeys(conditions)
    parts = {each: set(each.split(", ")) - {""} for each in words}
    kept = [each for each in words if not any(parts[other] < parts[each] for other in words)]
    return " or ".join(kept)


def _guests(edges: Iterable[Edge]) -> str:
    """The guest's power states in the events of reactions, "" where any will do."""
    seen = {edge.event.rpartition(".")[2] for edge in edges if isinstance(edge.row, Reaction)}
    if len(seen) in (0, len(PowerState)):
        return ""
    among = [state.name for state in PowerState if state.name in seen]
    if len(among) > len(PowerState) / 2:
        others = [state.name for state in PowerState if state.name not in seen]
        return "guest not " + " | ".join(others)
    return "guest " + " | ".join(among)


Bare = Callable[[Edge, str], str]


def _label(text: str, edges: Sequence[Edge], start: Place, bare: Bare) -> Label:
    edge = edges[0]
    vm_states = {each.start[0] for each in edges if each.start is not None}
    guards = []
    if len(vm_states) < len(start.vm_states):
        guards.append(words_of_vm_states([vm for vm in VmState if vm in vm_states]))
    conditions = list(dict.fromkeys(_condition(each) for each in edges))
    if edge.cause is not Cause.FAILURE and (condition := _either(conditions)):
        guards.append(condition)
    if guests := _guests(edges):
        guards.append(guests)
    shown = bare(edge, text) + (f" [{', '.join(guards)}]" if guards else "")
    said = _said(text, edge)
    tips = [said.tip]
    if any(conditions):
        tips.append("if: " + " or ".join(each or "otherwise" for each in conditions))
    return Label(shown, edge.cause, "\n".join(tips), said.page)


def _said(text: str, edge: Edge) -> Label:
    if not isinstance(edge.row, Action):
        return timer_label(edge.row, text, edge.cause)
    if edge.outcome is None:
        return action_label(edge.row, edge.cause)
    return outcome_label(edge.row, edge.outcome, text, edge.cause)


def is_request(edge: Edge) -> bool:
    """Return whether an edge is a request that is accepted."""
    return begins(edge) and isinstance(edge.row, Action)


def led_by(edges: Iterable[Edge], states: Iterable[State | None]) -> tuple[Chip, ...]:
    """Return edges from some states as chips, one an event, with its ends in words.

    An end is told by its task_state where the vm_state stays, else by its status.
    """
    among = frozenset(states)
    vm_states = {state[0] for state in among if state is not None}
    found: dict[tuple[str, Cause], list[Edge]] = {}
    for edge in edges:
        if edge.start in among:
            found.setdefault((event_text(edge), edge.cause), []).append(edge)
    chips = []
    for (text, _), here in found.items():
        label = _said(text, here[0])
        starts = {edge.start[0] for edge in here if edge.start is not None}
        guard = ""
        if starts != vm_states:
            guard = f" [{words_of_vm_states([vm for vm in VmState if vm in starts])}]"
        words = dict.fromkeys(_end_words(edge) for edge in here)
        chips.append(Chip(label._replace(text=text + guard), " or ".join(words)))
    return tuple(chips)


def _end_words(edge: Edge) -> str:
    vm_state, task = edge.end
    if task is not None and edge.start is not None and edge.start[0] is vm_state:
        return task.value
    status = status_of(*edge.end).value
    return status if task is None else f"{status} + {task.value}"


# ----------------------------------------------------------------------------------- the sketch


class Sketch:
    """Places and the ways between them; what is put in is in the picture, and nothing else.

    Attributes:
        places: by id, in the order in which they came.
        ways: the edges by start, end and event.
    """

    def __init__(
        self,
        bare: Bare = lambda _, text: text,
        *,
        most: int = 99,
        is_shared: bool = False,
        fails_inside: bool = False,
    ) -> None:
        """Make an empty sketch.

        Args:
            bare: how an edge's event is shown.
            most: how many failures an arrow names; of more it gives the number.
            is_shared: whether what all actions at a place have in common is said once, without
                the action's name.
            fails_inside: whether failures stand in the nodes that they strike, not at arrows;
                what they alone lead to is then no node.
        """
        self.places: dict[str, Place] = {}
        self.ways: dict[tuple[str, str], dict[str, list[Edge]]] = {}
        self._bare = bare
        self._most = most
        self._is_shared = is_shared
        self._fails_inside = fails_inside

    def put(self, place: Place) -> Place:
        """Add a place if it is not there, and return it."""
        return self.places.setdefault(place.node.id, place)

    def link(self, start: Place, end: Place, edge: Edge) -> None:
        """Add one edge to the way between two places."""
        self.put(start)
        self.put(end)
        way = self.ways.setdefault((start.node.id, end.node.id), {})
        way.setdefault(event_text(edge), []).append(edge)

    def edges(self) -> tuple[Edge, ...]:
        """Return every edge that was put in."""
        return tuple(edge for way in self.ways.values() for among in way.values() for edge in among)

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes of the places."""
        if not self._fails_inside:
            return tuple(place.node for place in self.places.values())
        chips: dict[str, list[Chip]] = {}
        needed = {node for way in self._stacks(fails=False) for node in way}
        for (start, end), labels in self._stacks(fails=True).items():
            words = _named(self.places[end].node)
            chips.setdefault(start, []).extend(Chip(label, words) for label in labels)
        return tuple(
            replace(place.node, chips=(*place.node.chips, *chips.get(name, ())))
            for name, place in self.places.items()
            if name in needed
        )

    def arrows(self) -> tuple[Arrow, ...]:
        """Return one arrow a way, its events stacked."""
        stacks = self._stacks(fails=False if self._fails_inside else None)
        return tuple(
            Arrow(_edge_id(start, end), start, end, labels)
            for (start, end), labels in stacks.items()
        )

    def _stacks(self, *, fails: bool | None) -> dict[tuple[str, str], tuple[Label, ...]]:
        """The labels of each way: of failures, of all else, or (None) of both."""
        stacks: dict[tuple[str, str], tuple[Label, ...]] = {}
        for (start, end), events in self.ways.items():
            place = self.places[start]
            labels = [_label(text, edges, place, self._bare) for text, edges in events.items()]
            if self._is_shared:
                labels = self._merged(labels, list(events.values()), start)
            stacked = self._stacked(labels)
            if fails is not None:
                stacked = [each for each in stacked if (each.cause is Cause.FAILURE) is fails]
            if stacked:
                stacks[start, end] = tuple(stacked)
        return stacks

    def _merged(
        self, labels: Sequence[Label], edges: Sequence[Sequence[Edge]], start: str
    ) -> list[Label]:
        """What every action whose work is at this place has in common is said once."""
        present = {
            edge.row
            for (begin, _), events in self.ways.items()
            if begin == start
            for among in events.values()
            for edge in among
            if edge.outcome is not None
        }
        is_busy = all(state and state[1] for state in self.places[start].states)
        by_word: dict[str, list[tuple[Label, Edge]]] = {}
        for label, among in zip(labels, edges, strict=True):
            by_word.setdefault(_word(label, among[0]), []).append((label, among[0]))
        merged = []
        for word, found in by_word.items():
            is_common = is_busy and {edge.row for _, edge in found} == present
            if is_common and word != found[0][0].text:
                tips = dict.fromkeys(label.tip for label, _ in found)
                merged.append(Label(word, found[0][0].cause, "\n".join(tips)))
            else:
                merged += [label for label, _ in found]
        return merged

    def _stacked(self, labels: Sequence[Label]) -> list[Label]:
        failures = [label for label in labels if label.cause is Cause.FAILURE]
        others = [label for label in labels if label.cause is not Cause.FAILURE]
        return [*others, *few(failures, self._most, "failures")]


def _named(node: Node) -> str:
    """A node in words, where it is not drawn."""
    return f"{node.label} ({node.detail})" if node.id.startswith("left-") else node.label


def _word(label: Label, edge: Edge) -> str:
    """A label's text without the action's name, where it is an outcome."""
    if edge.outcome is None or not isinstance(edge.row, Action):
        return label.text
    return label.text.removeprefix(f"{edge.row.name.value}.")


def few(labels: Sequence[Label], most: int, what: str) -> list[Label]:
    """Return labels as they are, or one with their names in its tip if there are too many."""
    if len(labels) <= most:
        return list(labels)
    names = "\n".join(label.text for label in labels)
    return [Label(f"{len(labels)} {what}", labels[0].cause, names)]


def _edge_id(start: str, end: str) -> str:
    return identifier("edge", *(word.removeprefix("state-") for word in (start, end)))


def grouped(
    arrows: Iterable[Arrow], nodes: Iterable[Node]
) -> tuple[tuple[Arrow, ...], tuple[Group, ...]]:
    """Return arrows with those that differ in their start alone as one, from a group of starts.

    Groups are of states in which no work is under way, and do not overlap: of two that would, the
    first is kept.

    >>> from serverfsm.rows import Cause
    >>> label, resting = Label("pause", Cause.PERSON), [Node(n, n, NodeKind.RESTING) for n in "ab"]
    >>> drawn, groups = grouped([Arrow(name, name, "end", (label,)) for name in "ab"], resting)
    >>> [arrow.start for arrow in drawn], [group.members for group in groups]
    (['group-a-b'], [('a', 'b')])
    """
    alike: dict[tuple[str, tuple[Label, ...]], list[Arrow]] = {}
    for arrow in arrows:
        alike.setdefault((arrow.end, arrow.labels), []).append(arrow)
    still = {node.id for node in nodes if node.kind in (NodeKind.RESTING, NodeKind.FAILED)}
    found: dict[tuple[str, ...], Group] = {}
    drawn = []
    for (end, labels), among in alike.items():
        members = tuple(dict.fromkeys(arrow.start for arrow in among))
        is_exact = end not in members and still.issuperset(members)
        if len(members) < 2 or not is_exact or not _fits(members, found):
            drawn += among
            continue
        words = [member.removeprefix("state-") for member in members]
        group = found.setdefault(members, Group(identifier("group", *words), members))
        drawn.append(Arrow(_edge_id(group.id, end), group.id, end, labels))
    return tuple(drawn), tuple(found.values())


def _fits(members: Iterable[str], groups: Iterable[tuple[str, ...]]) -> bool:
    among = set(members)
    return all(among <= set(each) or set(each) <= among or not among & set(each) for each in groups)


def spine_of(sketch: Sketch, start: str) -> tuple[str, ...]:
    """Return the ids on the longest way that work takes from a node, each once."""
    following: dict[str, list[str]] = {}
    for (before, after), events in sketch.ways.items():
        cause = next(iter(events.values()))[0].cause
        if before == start or cause is Cause.SYSTEM:
            following.setdefault(before, []).append(after)

    def longest(node: str, passed: tuple[str, ...]) -> tuple[str, ...]:
        ways = [
            longest(after, (*passed, node))
            for after in following.get(node, ())
            if after not in passed and after != node
        ]
        return (node, *max(ways, key=len, default=()))

    return longest(start, ())


def triggers(row: Action, edges: Iterable[Edge]) -> tuple[Edge, ...]:
    """Return the edges by which a row's work begins without a request."""
    return tuple(
        edge
        for edge in edges
        if (isinstance(edge.row, Timer) and edge.row.event is row.name)
        or (isinstance(edge.row, Reaction) and edge.row.then is row.name)
    )
