"""Colours of causes, kinds and marks, in light and dark, with the lines and shapes that go along.

Every pair of text and ground has a contrast of at least 4.5 to 1, which a test computes.
"""

from __future__ import annotations

from typing import NamedTuple

from serverfsm.diagram.model import Mark, NodeKind
from serverfsm.rows import Cause

__all__ = [
    "CAUSES",
    "FONT",
    "INK",
    "KINDS",
    "MARKS",
    "MUTED",
    "PAPER",
    "RULE",
    "Ink",
    "Look",
    "Tint",
]

FONT = "Helvetica,Arial,sans-serif"


class Tint(NamedTuple):
    """One colour in the light and in the dark scheme, as "#rrggbb"."""

    light: str
    dark: str


class Ink(NamedTuple):
    """How an arrow and its text look: a colour, and a line that tells it without colour."""

    colour: Tint
    line: str  # a Graphviz edge style
    width: float  # points


class Look(NamedTuple):
    """How a kind of node looks: a ground, and a shape that tells it without colour."""

    ground: Tint
    border: Tint
    shape: str  # a Graphviz node shape
    style: str  # a Graphviz node style
    rings: int = 1  # how many borders


PAPER = Tint("#ffffff", "#131416")  # what a transparent picture is expected to lie on
INK = Tint("#1b1f24", "#e8eaed")
MUTED = Tint("#57606a", "#a9b1ba")
RULE = Tint("#afb8c1", "#5a636e")

CAUSES: dict[Cause, Ink] = {
    Cause.PERSON: Ink(Tint("#0b57b7", "#8ab8ff"), "solid", 1.4),
    Cause.ADMINISTRATOR: Ink(Tint("#7a28a8", "#d6a4f5"), "bold", 2.4),
    Cause.SYSTEM: Ink(Tint("#57606a", "#a9b1ba"), "solid", 1.0),
    Cause.TIMER: Ink(Tint("#8a5300", "#f0b866"), "dotted", 1.8),
    Cause.FAILURE: Ink(Tint("#b3261e", "#ff9b93"), "dashed", 1.4),
}

KINDS: dict[NodeKind, Look] = {
    NodeKind.START: Look(INK, INK, "circle", "filled"),
    NodeKind.RESTING: Look(
        Tint("#eef5ff", "#1c2836"), Tint("#0b57b7", "#8ab8ff"), "box", "rounded,filled"
    ),
    NodeKind.MOVING: Look(
        Tint("#f6f8fa", "#22262b"), Tint("#57606a", "#a9b1ba"), "box", "rounded,filled,dashed"
    ),
    NodeKind.FAILED: Look(
        Tint("#fff1f0", "#3a1f1e"), Tint("#b3261e", "#ff9b93"), "box", "filled,diagonals"
    ),
    NodeKind.FINAL: Look(Tint("#f6f8fa", "#22262b"), INK, "box", "filled", 2),
    NodeKind.ANYWHERE: Look(PAPER, MUTED, "folder", "filled"),
    NodeKind.REQUEST: Look(
        Tint("#eef5ff", "#1c2836"), Tint("#0b57b7", "#8ab8ff"), "box", "filled,bold"
    ),
    NodeKind.REFUSAL: Look(
        Tint("#fff1f0", "#3a1f1e"), Tint("#b3261e", "#ff9b93"), "note", "filled"
    ),
}

MARKS: dict[Mark, Look] = {
    Mark.YES: Look(Tint("#dff5e3", "#16351f"), Tint("#17692f", "#7ee29a"), "box", "filled"),
    Mark.NO: Look(Tint("#ffe5e2", "#43201d"), Tint("#a1160e", "#ffa69e"), "box", "filled"),
    Mark.DEPENDS: Look(Tint("#fff3d6", "#3a2e10"), Tint("#7a4a00", "#f2c063"), "box", "filled"),
    Mark.UNSEEN: Look(
        Tint("#eceff2", "#2a2e33"), Tint("#57606a", "#a9b1ba"), "box", "filled,dashed"
    ),
}
