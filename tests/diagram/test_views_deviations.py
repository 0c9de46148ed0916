"""The table of deviations: a row for each, with what both sides say."""

import pytest

from serverfsm import API_REFERENCE, NOVA_34
from serverfsm.diagram.views import deviations


@pytest.mark.parametrize("book", [API_REFERENCE, NOVA_34], ids=lambda book: book.name)
def test_every_deviation_has_its_row(book):
    grid = deviations.view(book)
    rows = [[cell.text for cell in row] for row in grid.rows]
    assert rows == [
        [
            each.name,
            each.action.value,
            each.column,
            each.documented,
            each.observed,
            each.evidence,
        ]
        for each in NOVA_34.deviations
    ]
    assert all(len(row) == len(grid.columns) for row in rows)
    assert f"{len(rows)} deviations" in grid.title


def test_the_rulebooks_differ_in_each_column():
    for each in NOVA_34.deviations:
        column, _, guard = each.column.partition(".")
        reference, nova = (getattr(book[each.action], column) for book in (API_REFERENCE, NOVA_34))
        if guard:
            reference, nova = reference.get(guard), nova.get(guard)
        assert reference != nova
