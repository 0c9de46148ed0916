"""The picture of every pair: what can be reached stands there, with every transition."""

import subprocess
from shutil import which

import pytest

from serverfsm import API_REFERENCE, NOVA_34, TaskState, VmState
from serverfsm.diagram.model import NodeKind
from serverfsm.diagram.runs import reachable
from serverfsm.diagram.views import full
from serverfsm.lifecycle import edges
from serverfsm.rows import Action, Cause
from serverfsm.states import status_of
from tests.diagram import reading

BOOKS = [API_REFERENCE, NOVA_34]


@pytest.fixture(scope="module", params=BOOKS, ids=lambda book: book.name)
def drawn(request):
    return request.param, full.view(request.param)


def test_its_nodes_are_what_is_reached(drawn):
    book, picture = drawn
    found = {None}
    todo = [None]
    while todo:
        here = todo.pop()
        for edge in edges(book):
            if edge.start == here and edge.end not in found:
                found.add(edge.end)
                todo.append(edge.end)
    pairs = [
        state
        for node in picture.nodes
        if node.kind is not NodeKind.ANYWHERE
        for state in reading.states_of(node)
    ]
    assert set(pairs) == found
    assert len(pairs) == len(found)
    assert set(pairs) - {None} == reachable(book)
    assert f"{len(found) - 1} that are reached of {len(VmState) * (len(TaskState) + 1)}" in (
        picture.title
    )


def test_groups_are_the_vm_states(drawn):
    _, picture = drawn
    told = [reading.starts_of(picture, group.id) for group in picture.groups]
    assert [{state[0] for state in states} for states in told] == [
        {vm_state} for vm_state in VmState
    ]
    members = [member for group in picture.groups for member in group.members]
    assert len(members) == len(set(members))
    assert len(frozenset().union(*told)) == len(members)


def _ends(words, start):
    """The states that a chip's end means, seen from a state."""
    for word in words.split(" or "):
        status, _, task = word.partition(" + ")
        if task:
            yield from (
                (vm, TaskState(task))
                for vm in VmState
                if status_of(vm, TaskState(task)).value == status
            )
        elif word in list(TaskState):
            yield start[0], TaskState(word)
        else:
            yield from ((vm, None) for vm in VmState if status_of(vm, None).value == word)


def _counted(node):
    """How many failures a node counts without naming them, by end."""
    return [chip for chip in node.chips if chip.label.text.endswith(" failures")]


def test_every_transition_is_told_and_no_other(drawn):
    book, picture = drawn
    pairs = reachable(book)
    expected = {
        reading.told_by(edge)
        for edge in edges(book)
        if edge.start != edge.end and (edge.start is None or edge.start in pairs)
    }
    told = set()
    for arrow in picture.arrows:
        for label in arrow.labels:
            event, ways = reading.told(picture, arrow.start, arrow.end, label)
            told |= {(start, event, end) for start, _, end in ways}
    for node in picture.nodes:
        starts = reading.states_of(node) & pairs
        for chip in node.chips:
            named = [chip.label.text]
            if chip.label.text.endswith(" failures"):
                named = chip.label.tip.split("\n")
                assert len(named) == int(chip.label.text.split()[0])
            for start in starts:
                for end in _ends(chip.end, start):
                    told |= {(start, event, end) for event in named if start != end}
    assert told >= expected
    # The boxes say what may follow of several starts: of these alone more may be told.
    boxed = {
        row.name.value
        for row in book
        if any(
            isinstance(edge.row, Action)
            and edge.start
            and edge.start[1]
            and edge.outcome is None
            and edge.start != edge.end
            for edge in edges(book)
            if edge.row is row
        )
    }
    assert {event for _, event, _ in told - expected} <= boxed


def test_failures_and_restarts_are_text_and_no_line(drawn):
    _, picture = drawn
    causes = {label.cause for arrow in picture.arrows for label in arrow.labels}
    assert Cause.FAILURE not in causes


@pytest.mark.skipif(which("dot") is None, reason="Graphviz's dot is not installed")
def test_it_can_be_laid_out(drawn):
    _, picture = drawn
    done = subprocess.run(
        ["dot", "-Tplain"],
        input=picture.to_text("dot").encode(),
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 0
    assert done.stderr == b""


def test_ids_are_unique(drawn):
    ids = reading.ids(drawn[1])
    assert len(ids) == len(set(ids))
