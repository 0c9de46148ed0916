"""The families: computed from the table, each with every edge of its actions."""

from collections import Counter

import pytest

from serverfsm import API_REFERENCE, NOVA_34
from serverfsm.diagram.folding import hub
from serverfsm.diagram.model import NodeKind
from serverfsm.diagram.views import VIEWS, draw, family
from serverfsm.errors import UnknownViewError
from serverfsm.lifecycle import edges
from serverfsm.rows import Cause, Reaction, Timer
from tests.diagram import reading

BOOKS = [API_REFERENCE, NOVA_34]
EACH = [(name, book) for book in BOOKS for name in family.subjects(book)]
every_family = pytest.mark.parametrize(
    ("name", "book"), EACH, ids=[f"{name}-{book.name}" for name, book in EACH]
)
both = pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)


def _own(name, book):
    """Every edge of a family's actions, and of what sets one of them going."""
    rows = family.families(book)[name]
    names = {row.name for row in rows}
    return [
        edge
        for edge in edges(book)
        if edge.row in rows
        or (isinstance(edge.row, Timer) and edge.row.event in names)
        or (isinstance(edge.row, Reaction) and edge.row.then in names)
    ]


@both
def test_names_are_unique_and_no_views(book):
    names = family.subjects(book)
    assert len(names) == len(set(names))
    assert not set(names) & set(VIEWS)
    keys = {row.name.key.removeprefix("os-") for row in book}
    assert set(names) <= keys


@both
def test_no_action_is_in_two(book):
    found = Counter(row.name for rows in family.families(book).values() for row in rows)
    assert set(found.values()) == {1}


@both
def test_what_always_leaves_the_hub_is_in_one(book):
    centre = hub(book)
    among = {row for rows in family.families(book).values() for row in rows}
    for row in book:
        ends = {end for each in row.successes(centre) for end in each.ends(centre)}
        if row.removed is None and centre in row.origins and centre not in ends:
            assert row in among


@every_family
def test_every_edge_is_told(name, book):
    picture = family.view(name, book)
    told = _told(picture, book)
    expected = {reading.told_by(edge) for edge in _own(name, book)}
    lines = {each for each in expected if not _is_failure(each, book)}
    assert told >= lines
    # Only timers that set no action going may come on top.
    timers = {edge.event for edge in edges(book) if isinstance(edge.row, Timer)}
    assert {event for _, event, _ in told - lines} <= timers
    known = {reading.told_by(edge) for edge in edges(book)}
    assert told <= known


def _is_failure(told, book):
    return told in _failures(book)


_FAILURES = {}


def _failures(book):
    if book not in _FAILURES:
        _FAILURES[book] = {
            reading.told_by(edge) for edge in edges(book) if edge.cause is Cause.FAILURE
        }
    return _FAILURES[book]


def _told(picture, book):
    known = {event for _, event, _ in map(reading.told_by, edges(book))}
    found = set()
    for arrow in picture.arrows:
        for label in arrow.labels:
            events = reading.events_of(label, known)
            assert events, label
            _, ways = reading.told(picture, arrow.start, arrow.end, label)
            found |= {(start, event, end) for start, _, end in ways for event in events}
    return found


@every_family
def test_every_failure_stands_where_it_strikes(name, book):
    picture = family.view(name, book)
    homes = {
        state: node
        for node in picture.nodes
        if node.kind is not NodeKind.ANYWHERE
        for state in reading.states_of(node)
    }
    for edge in _own(name, book):
        if edge.cause is not Cause.FAILURE:
            continue
        said = [
            chip
            for chip in homes[edge.start].chips
            if edge.event in f"{chip.label.text}\n{chip.label.tip}"
            or edge.event.rpartition(".")[2] in chip.label.text.split(" [")[0].split("\n")
            or edge.event.rpartition(".")[2] in chip.label.tip.split("\n")
        ]
        assert said, edge


@every_family
def test_groups_are_exact(name, book):
    picture = family.view(name, book)
    for group in picture.groups:
        leading = [arrow for arrow in picture.arrows if arrow.start == group.id]
        assert leading
        for arrow in leading:
            for label in arrow.labels:
                assert reading.guard_of(label)[1] is None


@every_family
def test_ids_are_unique(name, book):
    ids = reading.ids(family.view(name, book))
    assert len(ids) == len(set(ids))


def test_a_family_is_a_view_by_its_name():
    for name in family.subjects():
        assert draw(name) == family.view(name)
    with pytest.raises(UnknownViewError, match="resize"):
        family.view("resise")
