"""The views: what to draw of the table. Each is one module with a function `view`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, NamedTuple

from serverfsm.diagram.model import Diagram, Grid
from serverfsm.errors import UnknownViewError
from serverfsm.rulebook import API_REFERENCE, Rulebook

__all__ = ["VIEWS", "View", "draw", "subjects"]


class View(NamedTuple):
    """One view.

    Attributes:
        module: where its `view(rulebook)` or `view(subject, rulebook)` stands; for the second the
            module has `subjects(rulebook)`, too.
        title: what it shows.
        subject: what its subject is called; "": it has none.
    """

    module: str
    title: str
    subject: str = ""


VIEWS: dict[str, View] = {
    "lifecycle": View("lifecycle", "the overview, without the tasks under way"),
    "state": View("state", "one state and all that leads there and away", "state"),
    "action": View("action", "one action, from the request to every outcome", "action"),
    "role": View("role", "what a role may do, and what a lock takes away", "role"),
    "family": View("family", "actions that belong together, with all their tasks", "family"),
    "full": View("full", "every pair of vm_state and task_state"),
    "matrix": View("matrix", "every action in every state"),
    "deviations": View("deviations", "where Nova departs from the reference"),
    "coverage": View("coverage", "the overview, coloured by a file of results", "results"),
}


def draw(
    view: str, subject: str | None = None, *, rulebook: Rulebook = API_REFERENCE
) -> Diagram | Grid:
    """Return a picture of the table.

    Args:
        view: one of `VIEWS`; or a family by itself, as "resize".
        subject: what of it: a state, an action, a role, a family, or a file of results; for the
            other views None.
        rulebook: whose rules.

    Raises:
        UnknownViewError: there is no such view, or it has no such subject.
        ResultsError: the file of results cannot be read; of the view "coverage".

    >>> draw("action", "os-stop").view, draw("resize").view
    ('action', 'family')
    """
    if view not in VIEWS:
        families = _module("family").subjects(rulebook)
        if view not in families or subject is not None:
            raise UnknownViewError(view, (*VIEWS, *families))
        view, subject = "family", view
    row = VIEWS[view]
    if not row.subject:
        if subject is not None:
            raise UnknownViewError(subject, ("none",), f"subject of {view}, which has none:")
        return _drawn(row, rulebook)
    if subject is None:
        raise UnknownViewError("", subjects(view, rulebook), row.subject)
    return _drawn(row, subject, rulebook)


def subjects(view: str, rulebook: Rulebook = API_REFERENCE) -> Iterable[str]:
    """Return what a view may be drawn of, as its users write it; nothing where it has no subject.

    >>> "ACTIVE" in subjects("state"), list(subjects("matrix"))
    (True, [])
    """
    if view not in VIEWS:
        raise UnknownViewError(view, VIEWS)
    row = VIEWS[view]
    return tuple(_module(row.module).subjects(rulebook)) if row.subject else ()


def _module(name: str) -> Any:
    return import_module(f"serverfsm.diagram.views.{name}")


def _drawn(row: View, *given: object) -> Diagram | Grid:
    drawing: Diagram | Grid = _module(row.module).view(*given)
    return drawing
