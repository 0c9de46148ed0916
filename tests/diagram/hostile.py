"""Texts that try to break out of a format, and a picture made of one."""

from serverfsm.diagram.model import (
    Arrow,
    Cell,
    Chip,
    Diagram,
    Grid,
    Group,
    Label,
    LegendEntry,
    Node,
    NodeKind,
)
from serverfsm.rows import Cause

HOSTILE = (
    "<script>alert(1)</script>",
    '"]; evil [label="',
    "back\\slash \\N \\G \\n",
    "</TD></TR></TABLE>> <b>bold</b>",
    "]]> --> <!-- {{x}} %%{init}%% }",
    "&amp; &#x3c; 'quoted' | bar || [[link]]",
    "line\none\r\ntwo\x00\x07 \u2028 end",
    "\u202eright to left\u202c \ufeff",
    '" onload="alert(1)',
    "javascript:alert(1)",
)


def hostile_diagram(text: str) -> Diagram:
    """A small picture in which every text is this one."""
    label = Label(text, Cause.PERSON, text)
    nodes = (
        Node("a", text, NodeKind.RESTING, text, (Chip(label, text), Chip(label)), text),
        Node("b", "B", NodeKind.FAILED),
    )
    return Diagram(
        view="hostile",
        title=text,
        subtitle=text,
        nodes=nodes,
        arrows=(Arrow("edge-a-b", "a", "b", (label,), (label,)),),
        groups=(Group("group-a-b", ("a", "b"), text, text),),
        legend=(LegendEntry(text, cause=Cause.PERSON),),
        notes=(text,),
    )


def hostile_grid(text: str) -> Grid:
    """A small table in which every text is this one."""
    cell = Cell(text, tip=text)
    return Grid("hostile", text, text, (cell, cell), ((cell, cell),), notes=(text,))
