"""PNG and PDF, as Graphviz lays the DOT text out."""

from __future__ import annotations

from serverfsm.diagram.dot import source
from serverfsm.diagram.layout import laid_out
from serverfsm.diagram.model import Diagram, Grid

__all__ = ["render"]


def render(drawing: Diagram | Grid, format: str) -> bytes:  # noqa: A002
    """Return a picture as "png" or "pdf", on white."""
    return laid_out(source(drawing, paper=True), format)
