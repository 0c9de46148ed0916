"""The neighbourhood of each state: every fold or edge that touches it, and nothing else."""

import pytest

from serverfsm import API_REFERENCE, NOVA_34, Status, VmState
from serverfsm.diagram.folding import folds, is_passing
from serverfsm.diagram.model import NodeKind
from serverfsm.diagram.runs import reachable
from serverfsm.diagram.views import state
from serverfsm.errors import UnknownViewError
from serverfsm.lifecycle import GONE, edges, state_name
from serverfsm.requests import Guard
from serverfsm.rows import Action
from serverfsm.states import status_of
from tests.diagram import reading

BOOKS = [API_REFERENCE, NOVA_34]
both = pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
STILL = [vm_state for vm_state in VmState if not is_passing(vm_state)]
every_still = pytest.mark.parametrize("vm_state", STILL, ids=lambda vm_state: vm_state.value)


def _busy_subjects(book):
    still = {status_of(vm_state, None).value for vm_state in STILL} | set(STILL)
    pairs = ("active+powering-off", "error+deleting", "building+scheduling", "active+resize_prep")
    return [name for name in (*state.subjects(book), *pairs) if name not in still]


EACH_BUSY = [(name, book) for book in BOOKS for name in _busy_subjects(book)]
every_busy = pytest.mark.parametrize(
    ("name", "book"), EACH_BUSY, ids=[f"{name}-{book.name}" for name, book in EACH_BUSY]
)


@both
def test_every_status_that_occurs_and_every_vm_state_is_a_subject(book):
    names = state.subjects(book)
    assert len(names) == len(set(names))
    assert set(VmState) <= set(names)
    assert {status.value for status in Status} - set(names) == {Status.UNKNOWN.value}


@both
def test_every_subject_and_every_pair_can_be_drawn(book):
    for name in (*state.subjects(book), *map(state_name, reachable(book))):
        picture = state.view(name, book)
        ids = reading.ids(picture)
        assert len(ids) == len(set(ids)), name
        nodes = {node.id for node in picture.nodes}
        assert all({arrow.start, arrow.end} <= nodes for arrow in picture.arrows)


def test_an_unknown_state_is_named():
    with pytest.raises(UnknownViewError, match="SHUTOFF"):
        state.view("SHUTOF")


# ------------------------------------------------------------------------------ without a task


def _names(label):
    """What a label stands for: itself, or of a count the names in its tip."""
    return label.tip.split("\n") if label.text.endswith(" failures") else [label.text]


def _told(picture, vm_state):
    found = set()
    centre = next(node for node in picture.nodes if reading.states_of(node) == {(vm_state, None)})

    def place(name):
        node = picture.node(name)
        if node.kind is NodeKind.START:
            return None
        return next(iter(reading.states_of(node)))[0]

    for arrow in picture.arrows:
        if "refused" in (arrow.start, arrow.end):
            continue
        if picture.node(arrow.start).kind is NodeKind.ANYWHERE:
            found |= {("any", name, vm_state) for label in arrow.labels for name in _names(label)}
            continue
        for labels, start, end in (
            (arrow.labels, arrow.start, arrow.end),
            (arrow.back, arrow.end, arrow.start),
        ):
            found |= {
                (place(start), name, place(end)) for label in labels for name in _names(label)
            }
    for chip in centre.chips:
        found |= {(vm_state, name, vm_state) for name in _names(chip.label)}
    return found


@both
@every_still
def test_every_fold_is_told_and_no_other(vm_state, book):
    picture = state.view(vm_state.value, book)
    expected = {
        (fold.start, fold.event, fold.end)
        for fold in folds(book)
        if vm_state in (fold.start, fold.end) and (fold.start is not GONE[0] or vm_state is GONE[0])
    }
    told = _told(picture, vm_state)
    anywhere = {event for start, event, _ in told if start == "any"}
    boxes = [node for node in picture.nodes if node.kind is NodeKind.ANYWHERE]
    for event in anywhere:
        excepted = {
            vm
            for box in boxes
            for part in box.detail.split("; ")
            if part.startswith(f"{event} not in ")
            for vm in reading._chosen(
                part.partition(" not in ")[2], [each.value for each in VmState]
            )
        }
        starts = {start for start, name, end in expected if (name, end) == (event, vm_state)}
        living = set(VmState) - {GONE[0], vm_state}
        assert starts - {vm_state} == living - {VmState(vm) for vm in excepted}
    shown = {each for each in told if each[0] != "any"}
    assert shown <= expected
    assert {each for each in expected - shown if each[1] not in anywhere} == set()


@both
@every_still
def test_accepted_and_refused_are_all_actions(vm_state, book):
    picture = state.view(vm_state.value, book)
    refused = picture.node("refused").tip.split("\n")
    expected = [
        row.name.value
        for row in book
        if not row.accepts(vm_state, None) or row.removed is not None or Guard.ABSENT in row.guards
    ]
    assert refused == expected
    assert f"{len(book) - len(refused)} actions accepted" in picture.title


# --------------------------------------------------------------------------------- with a task


def _own(name, book):
    return {
        pair
        for pair in reachable(book)
        if name in (status_of(*pair).value, pair[0].value, state_name(pair))
    }


@every_busy
def test_every_edge_is_told_and_no_other(name, book):
    picture = state.view(name, book)
    own = _own(name, book)
    reached = reachable(book) | {None}
    near = [
        edge
        for edge in edges(book)
        if edge.start in own or (edge.end in own and edge.start in reached)
    ]
    known = {event for _, event, _ in map(reading.told_by, edges(book))}
    moving = {reading.told_by(edge) for edge in near if edge.start != edge.end}
    told = set()
    for arrow in picture.arrows:
        for label in arrow.labels:
            events = reading.events_of(label, known)
            if label.text.endswith(" failures"):
                words = label.tip.split("\n")
                assert len(words) == int(label.text.split()[0])
                whole = {event for _, event, _ in moving}
                events = [
                    event
                    for word in words
                    for event in whole
                    if event == _bare(word) or event.endswith(f".{_bare(word)}")
                ]
            assert events, label
            if label.text.endswith(" failures"):
                starts = reading.starts_of(picture, arrow.start)
                ways = {(start, event, end) for start, event, end in moving if start in starts}
                ends = reading.states_of(picture.node(arrow.end))
                told |= {way for way in ways if way[1] in events and way[2] in ends}
                continue
            _, ways = reading.told(picture, arrow.start, arrow.end, label)
            told |= {(start, event, end) for start, _, end in ways for event in events}
    assert told <= {reading.told_by(edge) for edge in edges(book)}
    asked = {
        reading.told_by(edge)
        for edge in near
        if edge.start in own
        and edge.end not in own
        and isinstance(edge.row, Action)
        and edge.outcome is None
    }
    assert moving - told <= asked


def _bare(word):
    return word.partition(" [")[0]


@every_busy
def test_what_is_accepted_stands_in_the_pair_or_for_all(name, book):
    picture = state.view(name, book)
    own = _own(name, book)
    for_all = [chip for node in picture.nodes if node.id == "each" for chip in node.chips]
    for pair in own:
        nodes = [
            node
            for node in picture.nodes
            if node.kind is not NodeKind.ANYWHERE and pair in reading.states_of(node)
        ]
        said = {
            reading.guard_of(chip.label)[0]
            for chip in (*for_all, *(chip for node in nodes for chip in node.chips))
            if (reading.guard_of(chip.label)[1] or {pair[0]}) >= {pair[0]}
        }
        arrows = {
            reading.guard_of(label)[0]
            for arrow in picture.arrows
            if arrow.start in {node.id for node in nodes}
            for label in arrow.labels
        }
        accepted = {
            edge.event
            for edge in edges(book)
            if edge.start == pair and edge.outcome is None and isinstance(edge.row, Action)
        }
        assert accepted <= said | arrows
        requests = {row.name.value for row in book}
        assert said & requests <= accepted
