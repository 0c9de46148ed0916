"""The pictures of single actions: every edge of the action is told, and nothing else is."""

import re

import pytest

from serverfsm import API_REFERENCE, NOVA_34, ActionName
from serverfsm.diagram.model import Diagram, NodeKind
from serverfsm.diagram.views import action
from serverfsm.errors import UnknownViewError
from serverfsm.lifecycle import edges
from serverfsm.rows import Reaction, Timer
from tests.diagram import reading

EVENTS = {edge.event for edge in edges(API_REFERENCE)}
BOOKS = [API_REFERENCE, NOVA_34]
every_action = pytest.mark.parametrize("name", [name.value for name in ActionName])
both = pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)


def _expected(name, book):
    """Every edge that belongs to an action, as pictures tell it."""
    return {
        reading.told_by(edge)
        for edge in edges(book)
        if (isinstance(edge.row, Timer) and edge.row.event == name)
        or (isinstance(edge.row, Reaction) and edge.row.then == name)
        or edge.row is book[ActionName(name)]
    }


def _told(diagram: Diagram, name: str):
    """Every edge that a picture tells of; acceptance goes through the request."""
    found = set()
    request = diagram.node("request")
    asked = {arrow.start for arrow in diagram.arrows if arrow.end == request.id}
    accepted = frozenset().union(*(reading.starts_of(diagram, start) for start in asked))
    for arrow in diagram.arrows:
        if request.id == arrow.end or arrow.end == "refused":
            continue
        for label in arrow.labels:
            event, vm_states = reading.guard_of(label)
            if arrow.start == request.id:
                starts = [s for s in accepted if vm_states is None or s[0] in vm_states]
                ways = reading.followed(starts, reading.states_of(diagram.node(arrow.end)))
                found |= {(start, name, end) for start, _, end in ways}
            else:
                _, ways = reading.told(diagram, arrow.start, arrow.end, label)
                whole = f"{name}.{event}" if f"{name}.{event}" in EVENTS else event
                found |= {(start, whole, end) for start, _, end in ways}
    return found


@both
@every_action
def test_every_edge_of_the_action_is_told_and_no_other(name, book):
    picture = action.view(name, book)
    assert _told(picture, name) == _expected(name, book)


@both
@every_action
def test_ids_are_unique_and_arrows_lead_to_nodes(name, book):
    picture = action.view(name, book)
    ids = reading.ids(picture)
    assert len(ids) == len(set(ids))
    nodes = {node.id for node in picture.nodes}
    starts = nodes | {group.id for group in picture.groups}
    assert all(arrow.start in starts and arrow.end in nodes for arrow in picture.arrows)
    assert set(picture.spine) <= nodes


@both
@every_action
def test_refusals_stand_in_novas_order(name, book):
    row = book[ActionName(name)]
    refusal = action.view(name, book).node("refused")
    assert refusal.kind is NodeKind.REFUSAL
    said = [re.match(r"(\d{3}) (\S+)", chip.label.text).groups() for chip in refusal.chips]
    names = [guard for _, guard in said]
    order = [*(guard.value for guard in row.guards), *(each.name for each in row.assumes)]
    assert names == sorted(names, key=order.index)
    codes = {book.answer(row, guard).code for guard in row.guards if "body" not in guard.value}
    assert codes <= {int(code) for code, _ in said}


@both
@every_action
def test_the_group_is_exact(name, book):
    accepted = {
        edge.start
        for edge in edges(book)
        if edge.row is book[ActionName(name)] and edge.outcome is None
    }
    picture = action.view(name, book)
    for group in picture.groups:
        assert reading.starts_of(picture, group.id) == accepted


def test_an_unknown_action_is_named():
    with pytest.raises(UnknownViewError, match="os-stop"):
        action.view("os-stopp")
