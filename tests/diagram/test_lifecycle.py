"""The overview says what the graph says, no more and no less; and it can be read."""

import shutil

import pytest

from serverfsm import API_REFERENCE, NOVA_34, Rulebook
from serverfsm.diagram import Diagram, draw
from serverfsm.diagram.folding import folds
from serverfsm.diagram.model import NodeKind
from serverfsm.diagram.views import subjects
from serverfsm.lifecycle import GONE
from serverfsm.rows import Action, Cause
from serverfsm.states import VmState, status_of
from tests.diagram.expanded import Triple, expanded
from tests.diagram.readability import crossings, size, struck_labels

BOOKS = (API_REFERENCE, NOVA_34)
OVERVIEWS = [("lifecycle", None), *(("role", name) for name in subjects("role"))]
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not there")


def drawn(view: str, subject: str | None, rulebook: Rulebook) -> Diagram:
    picture = draw(view, subject, rulebook=rulebook)
    assert isinstance(picture, Diagram)
    return picture


def status(vm_state: VmState | None) -> str | None:
    return None if vm_state is None else status_of(vm_state, None).value


def true(rulebook: Rulebook) -> set[Triple]:
    """Every triple of the folded graph that is no failure; nothing follows once it is gone."""
    return {
        (status(fold.start), fold.event, status_of(fold.end, None).value)
        for fold in folds(rulebook)
        if not fold.is_failure and fold.start is not GONE[0]
    }


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_the_overview_is_exact(rulebook: Rulebook) -> None:
    claimed = expanded(drawn("lifecycle", None, rulebook))
    known = true(rulebook)
    failures = {triple for triple in claimed if triple[1] == "any failure"}
    # An event that leads to one state from all others may stay there, too.
    assert {triple for triple in known - claimed if triple[0] != triple[2]} == set()
    assert {triple for triple in claimed - known - failures if triple[0] != triple[2]} == set()
    assert {triple[1] for triple in claimed - failures} == {triple[1] for triple in known}


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_any_failure_is_any(rulebook: Rulebook) -> None:
    """A failure ends there from every state of which the box says so."""
    claimed = {
        (start, end)
        for start, event, end in expanded(drawn("lifecycle", None, rulebook))
        if event == "any failure" and start != end
    }
    found = {(status(fold.start), status(fold.end)) for fold in folds(rulebook) if fold.is_failure}
    assert claimed
    assert claimed <= found


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize("name", subjects("role"))
def test_a_role_sees_part_of_the_overview(name: str, rulebook: Rulebook) -> None:
    claimed = {
        triple
        for triple in expanded(drawn("role", name, rulebook))
        if triple[1] != "any failure" and triple[0] != triple[2]
    }
    assert claimed <= true(rulebook)


@pytest.mark.parametrize(("view", "subject"), OVERVIEWS)
@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_groups_nest_and_lead_somewhere(view: str, subject: str, rulebook: Rulebook) -> None:
    picture = drawn(view, subject, rulebook)
    for group in picture.groups:
        assert len(group.members) > 1
        assert any(arrow.start == group.id for arrow in picture.arrows)
        for other in picture.groups:
            one, two = set(group.members), set(other.members)
            assert one <= two or two <= one or not one & two


@pytest.mark.parametrize(("view", "subject"), OVERVIEWS)
def test_names_are_unique(view: str, subject: str | None) -> None:
    picture = drawn(view, subject, API_REFERENCE)
    ids = [each.id for each in (*picture.nodes, *picture.arrows, *picture.groups)]
    assert len(ids) == len(set(ids))
    assert len(picture.legend) <= 7


def test_the_title_counts() -> None:
    picture = drawn("lifecycle", None, API_REFERENCE)
    numbers = [int(word) for word in picture.title.split() if word.isdigit()]
    states = [node for node in picture.nodes if node.label.isupper()]
    plain = [
        fold for fold in folds() if fold.cause is not Cause.FAILURE and fold.start is not GONE[0]
    ]
    actions = {fold.row.name for fold in plain if isinstance(fold.row, Action)}
    moves = {triple for triple in true(API_REFERENCE) if triple[0] != triple[2]}
    assert numbers == [len(states), len(actions), len(moves)]


def test_kinds() -> None:
    picture = drawn("lifecycle", None, API_REFERENCE)
    kinds = {node.label: node.kind for node in picture.nodes}
    assert [name for name, kind in kinds.items() if kind is NodeKind.MOVING] == ["BUILD"]
    assert [name for name, kind in kinds.items() if kind is NodeKind.FINAL] == ["DELETED"]
    assert [name for name, kind in kinds.items() if kind is NodeKind.FAILED] == ["ERROR"]


@needs_dot
@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize(("view", "subject"), OVERVIEWS)
def test_it_can_be_read(view: str, subject: str | None, rulebook: Rulebook) -> None:
    picture = drawn(view, subject, rulebook)
    assert crossings(picture) <= 3
    assert struck_labels(picture) == []
    width, height = size(picture)
    assert width <= 1200
    assert width / height <= 2.5
