"""One action: where it is accepted, how it is refused, every task on its way, and every end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from serverfsm.diagram.model import Arrow, Chip, Diagram, Group, Label, Node, NodeKind
from serverfsm.diagram.parts import (
    action_label,
    action_page,
    action_tip,
    direction_of,
    legend,
    subtitle,
)
from serverfsm.diagram.runs import (
    Place,
    Sketch,
    accepted_with,
    apart,
    begins,
    comes_back,
    fold_all,
    left_behind,
    single,
    spine_of,
    triggers,
)
from serverfsm.errors import UnknownViewError
from serverfsm.lifecycle import Edge, State, edges
from serverfsm.requests import Guard, Policy, action_names
from serverfsm.rows import Action, Cause, Lock
from serverfsm.rulebook import API_REFERENCE, Rulebook

__all__ = ["subjects", "view"]

_MOST = 90  # characters of a refusal that stand in its node; all of it stands in the tip
_REQUEST = "request"
_FOUND = "accepted-in"


def subjects(rulebook: Rulebook = API_REFERENCE) -> tuple[str, ...]:
    """Return every action's name."""
    return tuple(row.name.value for row in rulebook)


def view(subject: str, rulebook: Rulebook = API_REFERENCE) -> Diagram:
    """Return the picture of one action, from the request to every outcome.

    A state may stand in it twice: on the left where the request finds it, on the right where the
    work leaves it.

    Raises:
        UnknownViewError: there is no such action.

    >>> picture = view("os-stop")
    >>> [picture.node(name).detail for name in picture.spine][1:]
    ['active | paused | stopped | error + powering-off', 'stopped']
    """
    if subject not in subjects(rulebook):
        raise UnknownViewError(subject, subjects(rulebook), "action")
    (name,) = action_names(subject)
    run = _Run(rulebook[name], rulebook)
    nodes = run.nodes()
    arrows = run.arrows()
    return Diagram(
        view="action",
        title=run.title(),
        subtitle=subtitle(rulebook),
        nodes=nodes,
        arrows=arrows,
        groups=run.groups(),
        legend=legend((*run.sketch.nodes(), replace(nodes[-1], chips=())), arrows),
        notes=_notes(run.row),
        spine=(_REQUEST, *spine_of(run.sketch, _REQUEST)[1:]),
        direction=direction_of(nodes),
    )


class _Run:
    """One action's edges in places: found in, asked, under way, ended."""

    def __init__(self, row: Action, rulebook: Rulebook) -> None:
        self.row = row
        self.rulebook = rulebook
        known = edges(rulebook)
        own = [edge for edge in known if edge.row is row]
        self.accepted = [edge for edge in own if begins(edge)]
        self.work = [edge for edge in own if not begins(edge)]
        self.triggers = triggers(row, known)
        self.sketch = Sketch(bare=self._bare)
        self.found_in = self._found_in()
        self.request = self.sketch.put(self._request())
        self.steps = self._steps()
        self.begun = self._begun()
        for edge in self.accepted:
            self.sketch.link(self.request, self._accepted_end(edge), edge)
        for edge in self.triggers:
            end = self.steps.get(edge.end) or self._single(edge.end)
            self.sketch.link(self._triggered(edge), end, edge)
        for edge in self.work:
            assert edge.start is not None
            self.sketch.link(self.steps[edge.start], self._end(edge), edge)

    def _bare(self, edge: Edge, text: str) -> str:
        """Shorter names: the action's own is said once, and acceptance is its code."""
        if edge.row is not self.row:
            return text
        return str(self.row.normal) if begins(edge) else text.removeprefix(f"{self.row.name}.")

    # ------------------------------------------------------------------------------- the places

    def _found_in(self) -> tuple[Place, ...]:
        places = apart({edge.start for edge in self.accepted}, self.rulebook)
        return tuple(self.sketch.put(place) for place in places)

    def _request(self) -> Place:
        row = self.row
        node = Node(
            _REQUEST,
            row.name.value,
            NodeKind.REQUEST,
            detail=f"{row.endpoint}, {row.normal}",
            tip=action_tip(row),
            page=action_page(row),
        )
        return Place(node, frozenset(edge.start for edge in self.accepted))

    def _steps(self) -> dict[State, Place]:
        """Where work is under way: one place a task whatever the vm_state, or a bare vm_state."""
        moving = [edge.start for edge in self.work if edge.start is not None]
        moving += [edge.end for edge in self.accepted if edge.end[1] is not None and self.work]
        moving = [state for state in moving if state[1] is not None or self._is_work(state)]
        found: dict[State, Place] = {}
        by_task: dict[object, set[State]] = {}
        for state in moving:
            by_task.setdefault(state[1], set()).add(state)
        for task, states in by_task.items():
            place = fold_all(states, self.rulebook, role="step", name=str(task or "work"))
            if task is None:
                place = place.having(kind=NodeKind.MOVING, id="step-work")
            found.update((state, place) for state in states)
        return found

    def _is_work(self, state: State) -> bool:
        """Whether work goes on in a state without a task."""
        return any(edge.start == state for edge in self.work)

    def _accepted_end(self, edge: Edge) -> Place:
        if edge.end in self.steps and (edge.end[1] is not None or edge.start == edge.end):
            return self.steps[edge.end]
        if _is_unchanged(edge):
            return self._unchanged
        return self._single(edge.end)

    @cached_property
    def _unchanged(self) -> Place:
        states = {edge.end for edge in self.accepted if _is_unchanged(edge)}
        return fold_all(states, self.rulebook, label="unchanged", role="end", name="unchanged")

    @cached_property
    def _kept(self) -> dict[State, Place]:
        """Where outcomes leave the vm_state as it was, if there are several of these."""
        by_task: dict[object, set[State]] = {}
        for edge in self.work:
            if comes_back(edge):
                by_task.setdefault(edge.end[1], set()).add(edge.end)
        found: dict[State, Place] = {}
        for task, states in by_task.items():
            if len(states) == 1:
                continue
            if task is None:
                label, name = "as before", "as-before"
                place = fold_all(states, self.rulebook, label=label, role="end", name=name)
            else:
                place = left_behind(fold_all(states, self.rulebook, role="left", name=str(task)))
            found.update(dict.fromkeys(states, place))
        return found

    def _end(self, edge: Edge) -> Place:
        """Where an outcome leaves the server."""
        outcome = edge.outcome
        assert outcome is not None
        goes_on = outcome.goes_on or edge.event == f"{self.row.name}.progress"
        if goes_on:
            return self.steps[edge.end]
        if comes_back(edge) and edge.end in self._kept:
            return self._kept[edge.end]
        if edge.end[1] is not None:
            return left_behind(single(edge.end, self.rulebook, role="left"))
        return self._single(edge.end)

    def _single(self, state: State) -> Place:
        """An end; another node than where the request found the server, if it did so there."""
        place = single(state, self.rulebook)
        is_there = place.node.id in {each.node.id for each in (*self.found_in, *self.begun)}
        return single(state, self.rulebook, role="end") if is_there else place

    def _begun(self) -> tuple[Place, ...]:
        """Where triggers find the server, besides the places where a request or work does."""
        known = {state for place in self.found_in if _is_one(place) for state in place.states}
        others = {edge.start for edge in self.triggers} - known - set(self.steps)
        return tuple(apart(others, self.rulebook, role="begun"))

    def _triggered(self, edge: Edge) -> Place:
        """Where a trigger finds the server."""
        assert edge.start is not None
        known = [*filter(_is_one, self.found_in), *self.begun]
        exact = [place for place in known if edge.start in place.states]
        return exact[0] if exact else self.steps[edge.start]

    # ------------------------------------------------------------------------------ the picture

    def nodes(self) -> tuple[Node, ...]:
        return (*self.sketch.nodes(), _refusals(self.row, self.rulebook))

    def arrows(self) -> tuple[Arrow, ...]:
        tip = "a guard fails: the first in this order answers"
        refused = Label("refused", self._cause(), tip)
        return (
            *self._asked(),
            Arrow(f"edge-{_REQUEST}-refused", _REQUEST, "refused", (refused,)),
            *self.sketch.arrows(),
        )

    def _cause(self) -> Cause:
        is_admins = self.row.policy is Policy.ADMIN
        return Cause.ADMINISTRATOR if is_admins else Cause.PERSON

    def _asked(self) -> Iterator[Arrow]:
        """From where it is accepted to the request."""
        if not self.found_in:
            return
        start = self.found_in[0].node.id if len(self.found_in) == 1 else _FOUND
        label = action_label(self.row, self._cause())
        yield Arrow(f"edge-{start}-{_REQUEST}", start, _REQUEST, (label,))

    def _accepting(self, pairs: int) -> str:
        if self.request.states == {None}:
            return "accepted where there is no server"
        return _count(pairs, "pair of states accepts it", "pairs of states accept it")

    def groups(self) -> tuple[Group, ...]:
        if len(self.found_in) < 2:
            return ()
        members = tuple(place.node.id for place in self.found_in)
        tip = f"{self.row.name.value} is accepted in each of these"
        return (Group(_FOUND, members, "accepted in", tip),)

    def title(self) -> str:
        row = self.row
        pairs = len({edge.start for edge in self.accepted})
        tasks = len({state[1] for state in self.steps} - {None})
        failures = len({edge.event for edge in self.work if edge.cause is Cause.FAILURE})
        said = [
            self._accepting(pairs),
            _count(tasks, "task"),
            _count(failures, "way to fail", "ways to fail"),
        ]
        if row.removed is not None:
            said = [f"removed, always {row.removed.code}"]
        return f"{row.name.value} ({row.title}): {', '.join(said)}"


def _is_unchanged(edge: Edge) -> bool:
    """Whether acceptance writes neither of the two states."""
    columns = {column for write in accepted_with(edge) for column in write.values}
    return edge.start == edge.end and not columns & {"vm_state", "task_state"}


def _is_one(place: Place) -> bool:
    return len(place.states) == 1


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


# --------------------------------------------------------------------------------- the refusals


def _refusals(row: Action, rulebook: Rulebook) -> Node:
    """One node with every way to be refused, in the order in which Nova tests."""
    chips: dict[str, Chip] = {}
    for guard, code, message in _answers(row, rulebook):
        label = Label(f"{code} {guard}", Cause.PERSON, f"{code}: {message}", action_page(row))
        chips.setdefault(f"{code} {message}", Chip(label, _shortened(message)))
    return Node(
        "refused",
        "refused",
        NodeKind.REFUSAL,
        detail="the first that fails answers",
        chips=tuple(chips.values()),
        tip="\n".join(f"{chip.label.text}: {chip.label.tip}" for chip in chips.values()),
        page=action_page(row),
    )


def _answers(row: Action, rulebook: Rulebook) -> Iterator[tuple[str, int, str]]:
    for guard in row.guards:
        if guard is Guard.BODY:
            if row.bodies or row.parameters:
                yield guard.value, 400, "the body has not the form that the action takes"
        elif guard is Guard.LATE_BODY:
            for rule in row.body_rules:
                yield guard.value, rule.answer.code, rule.answer.message
        else:
            answer = rulebook.answer(row, guard)
            is_late = guard in (Guard.LATE_POLICY, Guard.LOCK_OWNER)
            message = answer.message
            for word, value in (
                ("{label}", row.label),
                ("{attribute}", guard.value.removeprefix("late_")),
                ("{rule}", row.late_rule if is_late else row.rule),
            ):
                message = message.replace(word, value)
            yield guard.value, answer.code, message
    for assumption in row.assumes:
        yield assumption.name, assumption.answer.code, assumption.answer.message


def _shortened(message: str) -> str:
    return message if len(message) <= _MOST else message[: _MOST - 1] + "…"


def _notes(row: Action) -> tuple[str, ...]:
    least = row.policy.least.value
    locked = "needs an administrator" if row.lock is Lock.ADMIN_ONLY else "does not matter"
    said = [f"The least role: {least} ({row.rule}). A lock {locked}."]
    if row.late_policy is not None:
        said.append(f"Tested later: {row.late_policy.least.value} ({row.late_rule}).")
    if row.since != "2.1" or row.until is not None:
        until = f", gone from {row.until}" if row.until else ""
        said.append(f"Since microversion {row.since}{until}.")
    if row.ignored_before is not None:
        said.append(f"Below {row.ignored_before} the plain action is meant.")
    writes = [
        f"{column} = {'none' if value is None else value}"
        for write in row.writes
        for column, value in write.values.items()
        if column not in ("vm_state", "task_state")
    ]
    if writes:
        said.append(f"It also writes {', '.join(dict.fromkeys(map(str, writes)))}.")
    return (" ".join(said),)
