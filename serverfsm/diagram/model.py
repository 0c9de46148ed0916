"""What a picture consists of, before any format: nodes, groups, arrows and labels, or a grid.

Only shapes of things to draw belong here: `views` fill them, and one file a format renders them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple

from serverfsm.diagram.drawing import Drawing
from serverfsm.rows import Cause

__all__ = [
    "Arrow",
    "Cell",
    "Chip",
    "Diagram",
    "Grid",
    "Group",
    "Label",
    "LegendEntry",
    "Mark",
    "Node",
    "NodeKind",
    "identifier",
]


class NodeKind(StrEnum):
    """What a node stands for; each kind has a shape of its own."""

    START = "start"  # there is no server yet
    RESTING = "resting"  # no task is under way
    MOVING = "moving"  # work is under way
    FAILED = "failed"  # ERROR: an administrator is needed, as a rule
    FINAL = "final"  # nothing follows
    ANYWHERE = "anywhere"  # any state, with exceptions that its detail names
    REQUEST = "request"  # what somebody sends
    REFUSAL = "refusal"  # an answer of 400 and above


class Mark(StrEnum):
    """What was seen of a cell, an arrow or a node; NONE: nothing is said."""

    NONE = ""
    YES = "yes"  # accepted; in a coverage picture: conforms
    NO = "no"  # refused; in a coverage picture: deviates
    DEPENDS = "depends"  # on something that the picture does not show
    UNSEEN = "unseen"  # not reached


class Label(NamedTuple):
    """One event on an arrow or a chip.

    Attributes:
        text: exact API identifiers, as "os-stop".
        cause: who or what brings it about.
        tip: a sentence or more about the rule, and its source; for tooltips.
        page: the manual's page, relative to its root, as "reference/actions/os-stop.html".
    """

    text: str
    cause: Cause
    tip: str = ""
    page: str | None = None

    @property
    def full(self) -> str:
        """The text, and in brackets who causes it unless a person does: never colour alone."""
        return self.text if self.cause is Cause.PERSON else f"{self.text} ({_WORDS[self.cause]})"


_WORDS = {
    Cause.PERSON: "person",
    Cause.ADMINISTRATOR: "admin",
    Cause.SYSTEM: "system",
    Cause.TIMER: "timer",
    Cause.FAILURE: "failure",
}


class Chip(NamedTuple):
    """An arrow shown as text inside a node, as "unrescue -> ACTIVE"; end None: it stays there."""

    label: Label
    end: str | None = None

    @property
    def full(self) -> str:
        """The chip in words."""
        return self.label.full if self.end is None else f"{self.label.full} -> {self.end}"


@dataclass(frozen=True, slots=True)
class Node:
    """A state, a request, a refusal, or the box that stands for any state.

    Attributes:
        id: unique in the diagram, of letters, digits, "_", "." and "-".
        label: the exact identifier of the API.
        kind: what it stands for.
        detail: a second line, as the vm_state where the label is a status.
        chips: arrows folded into the node.
        tip: what a tooltip says.
        page: the manual's page, relative to its root.
        mark: what was seen of it.
    """

    id: str
    label: str
    kind: NodeKind
    detail: str = ""
    chips: tuple[Chip, ...] = ()
    tip: str = ""
    page: str | None = None
    mark: Mark = Mark.NONE


@dataclass(frozen=True, slots=True)
class Group:
    """States that share an arrow, drawn with a border; groups nest and never overlap.

    Attributes:
        id: unique in the diagram.
        members: ids of all nodes inside, those of inner groups included.
        label: what stands at its border; often nothing.
        tip: what a tooltip says.
    """

    id: str
    members: tuple[str, ...]
    label: str = ""
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """From a node or a group to a node, for one or more events.

    Attributes:
        id: unique in the diagram.
        start: the id of a node, or of a group: it then holds for every member.
        end: the id of a node.
        labels: the events that go forth, at least one.
        back: the events that go back; any: the arrow has two heads.
        mark: what was seen of it.
    """

    id: str
    start: str
    end: str
    labels: tuple[Label, ...]
    back: tuple[Label, ...] = ()
    mark: Mark = Mark.NONE

    @property
    def cause(self) -> Cause:
        """Who or what causes its first event: the arrow's colour and line."""
        return self.labels[0].cause

    @property
    def tip(self) -> str:
        """The tips of its labels, a line each."""
        tips = [label.tip or label.full for label in (*self.labels, *self.back)]
        return "\n".join(dict.fromkeys(tips))


class LegendEntry(NamedTuple):
    """What a colour or a shape means; one of `cause`, `kind` and `mark` is set."""

    text: str
    cause: Cause | None = None
    kind: NodeKind | None = None
    mark: Mark = Mark.NONE


@dataclass(frozen=True, slots=True)
class Diagram(Drawing):
    """A picture of nodes and arrows.

    Attributes:
        view: the view's name, as "lifecycle".
        title: what it shows, with counts.
        subtitle: rulebook and Nova release.
        nodes, groups, arrows: in the order in which they are drawn.
        legend: at most seven entries, only of what occurs.
        notes: sentences below the picture.
        spine: ids of nodes that form a straight line from the left.
        ranks: sets of nodes that are to stand in one column.
        columns: nodes of which each is to stand to the right of the one before.
        direction: where arrows lead, "LR" to the right or "TB" down; long runs read better down.
    """

    view: str
    title: str
    subtitle: str
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    groups: tuple[Group, ...] = ()
    legend: tuple[LegendEntry, ...] = ()
    notes: tuple[str, ...] = ()
    spine: tuple[str, ...] = ()
    ranks: tuple[tuple[str, ...], ...] = ()
    columns: tuple[str, ...] = ()
    direction: Literal["LR", "TB"] = "LR"

    def node(self, id: str) -> Node:  # noqa: A002
        """Return a node by its id.

        Raises:
            KeyError: there is none.
        """
        return {node.id: node for node in self.nodes}[id]


class Cell(NamedTuple):
    """One cell of a grid: a short text, what it means, and what a tooltip says."""

    text: str
    mark: Mark = Mark.NONE
    tip: str = ""
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Grid(Drawing):
    """A picture that is a table.

    Attributes:
        view: the view's name, as "matrix".
        title: what it shows, with counts.
        subtitle: rulebook and Nova release.
        columns: the head of each column, the first that of the rows' own heads.
        rows: one cell a column.
        legend: what the marks mean.
        notes: sentences below the table.
    """

    view: str
    title: str
    subtitle: str
    columns: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    legend: tuple[LegendEntry, ...] = ()
    notes: tuple[str, ...] = field(default=())


def identifier(kind: str, *words: str) -> str:
    """Return a stable id of letters, digits, "_", "." and "-", for SVG and CSS.

    >>> identifier("state", "active+powering-off")
    'state-active.powering-off'
    >>> identifier("edge", "ACTIVE", "reboot:SOFT")
    'edge-ACTIVE-reboot.SOFT'
    """
    return "-".join((kind, *(re.sub(r"[^A-Za-z0-9_-]+", ".", word) for word in words)))
