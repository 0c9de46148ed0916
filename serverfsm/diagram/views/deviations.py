"""Where Nova 34 departs from the API reference: a table with a row for each deviation."""

from __future__ import annotations

from serverfsm.diagram.model import Cell, Grid, Mark
from serverfsm.diagram.parts import action_page, subtitle
from serverfsm.export_rows import whole
from serverfsm.rows import Deviation
from serverfsm.rulebook import API_REFERENCE, NOVA_34, Rulebook

__all__ = ["view"]

_COLUMNS = (
    Cell("deviation", tip="its name"),
    Cell("action"),
    Cell("column", tip="of the action's row in the table"),
    Cell("the reference says", tip="and rulebook api-reference has"),
    Cell("Nova 34 does", tip="and rulebook nova-34 has"),
    Cell("evidence"),
)


def view(rulebook: Rulebook = API_REFERENCE) -> Grid:
    """Return the deviations of Nova 34 from the reference, whichever rulebook is given.

    >>> len(view().rows) == len(NOVA_34.deviations)
    True
    """
    found = NOVA_34.deviations
    actions = {deviation.action for deviation in found}
    return Grid(
        view="deviations",
        title=f"Where Nova 34 departs from the reference: {len(found)} deviations in "
        f"{len(actions)} actions",
        subtitle=subtitle(NOVA_34),
        columns=_COLUMNS,
        rows=tuple(_row(deviation) for deviation in found),
        notes=("Each is one column of the table in which the two rulebooks differ.",),
    )


def _row(deviation: Deviation) -> tuple[Cell, ...]:
    page = action_page(NOVA_34[deviation.action])
    return (
        Cell(deviation.name),
        Cell(deviation.action.value, tip=NOVA_34[deviation.action].title, page=page),
        Cell(deviation.column),
        Cell(deviation.documented, Mark.NONE, f"{deviation.column}: {whole(deviation.reference)}"),
        Cell(deviation.observed, Mark.NONE, f"{deviation.column}: {whole(deviation.nova)}"),
        Cell(deviation.evidence),
    )
