"""Small pictures made by hand, and texts that try to break out of a format."""

from __future__ import annotations

import shutil
from dataclasses import replace

from hypothesis import strategies as st

from serverfsm.diagram.model import (
    Arrow,
    Cell,
    Chip,
    Diagram,
    Grid,
    Group,
    Label,
    LegendEntry,
    Mark,
    Node,
    NodeKind,
)
from serverfsm.rows import Cause

HOSTILE = (
    "<script>alert(1)</script>",
    "</style></svg></title><img src=x onerror=alert(1)>",
    "a \"quoted\" 'word'",
    "back\\slash \\n \\u0041 \\",
    "x --> y : z",
    "[*] --> n",
    "]]> <![CDATA[ --> <!-- ?>",
    "{{ jinja }} {% raw %}",
    "%%{init: {'theme':'dark'}}%%",
    "%% no comment",
    "} state x {",
    "a|b|c \\| d",
    '"]; evil [label="',
    "&amp; &#60; #60; #quot; &lt",
    "`code` **bold** _soft_ __x__ ~~gone~~ *",
    "[link](javascript:alert(1)) [[http://x.example y]] ![i](j)",
    "http://www.example.org/?a=b www.example.org a@b.example",
    "direction TB",
    "no redirection\tLR; here",
    "end note",
    "classDef x fill:#f00;",
    "style a fill:#f00,b:#00f;",
    "click a href b",
    "!include /etc/hosts",
    "$x %date() !define",
    "@enduml @startuml",
    "endlegend",
    "== head == ---- .. //i// --s-- m",
    "1. one",
    "- one",
    "# head",
    "<U+0041> &#x41; ~b",
    "skinparam x y",
    "<<fork>> [[choice]]",
    "a:::b : c",
    "b; c, d",
    "ﬂ°°58¶ß",
    "$$x^2$$ :smile: :x:",
    "__proto__",
    "constructor",
    "*",
    "a.*",
    "xstate.init",
    "\u202eright to left\u202c \u200b \ufeff|",
    "日本語 é 😀 \u2028 \u0085",
    "x" * 500,
)
"""Texts of one line each."""

CONTROLS = (
    "bell\x07 null\x00 escape\x1b[31m",
    "a\x7fb\x9fc",
    "lone \ud800 surrogate",
    "\ufffe\uffff",
)
"""Texts with characters that XML cannot hold."""

TEXTS = st.text(
    st.sampled_from("""ab1 <>&"'\\`*_[](){}|#%:;,.!?$@~^=+-/\n\té\u202e😀""")
    | st.characters(exclude_categories=["Cs"]),
    max_size=40,
) | st.sampled_from(HOSTILE)

ACTIVE = Node(
    "state-ACTIVE",
    "ACTIVE",
    NodeKind.RESTING,
    detail="active",
    chips=(
        Chip(Label("lock", Cause.PERSON)),
        Chip(Label("os-stop", Cause.PERSON), "SHUTOFF"),
        Chip(Label("evacuate", Cause.ADMINISTRATOR), "ACTIVE or SHUTOFF"),
        Chip(Label("migrate", Cause.ADMINISTRATOR), "somewhere else"),
    ),
    tip="the server runs",
    page="reference/states/active.html",
)
SHUTOFF = Node("state-SHUTOFF", "SHUTOFF", NodeKind.RESTING, page="reference/states/stopped.html")
DELETED = Node("state-DELETED", "DELETED", NodeKind.FINAL)
START = Node("start", "start", NodeKind.START)
ERROR = Node("state-ERROR", "ERROR", NodeKind.FAILED)
ANYWHERE = Node("anywhere", "any state", NodeKind.ANYWHERE, detail="but DELETED")

SMALL = Diagram(
    view="small",
    title="A small picture: 5 states",
    subtitle="made by hand",
    nodes=(START, ACTIVE, SHUTOFF, ERROR, DELETED, ANYWHERE),
    arrows=(
        Arrow("edge-1", "start", "state-ACTIVE", (Label("create", Cause.PERSON),)),
        Arrow(
            "edge-2",
            "state-ACTIVE",
            "state-ERROR",
            (Label("crash", Cause.SYSTEM), Label("rebuild fails", Cause.FAILURE)),
            back=(Label("reset", Cause.ADMINISTRATOR, "by hand", "reference/actions/r.html"),),
        ),
        Arrow("edge-3", "group-1", "state-ERROR", (Label("shelve", Cause.PERSON),)),
        Arrow("edge-4", "state-SHUTOFF", "state-ACTIVE", (Label("shelve", Cause.PERSON),)),
        Arrow("edge-5", "anywhere", "state-DELETED", (Label("delete", Cause.PERSON),)),
        Arrow("edge-6", "group-2", "state-SHUTOFF", (Label("sync", Cause.TIMER),)),
    ),
    groups=(
        Group("group-2", ("state-ACTIVE", "state-SHUTOFF", "state-ERROR"), "known"),
        Group("group-1", ("state-ACTIVE", "state-SHUTOFF")),
    ),
    legend=(LegendEntry("a person's request", cause=Cause.PERSON),),
    notes=("One note.",),
)

GRID = Grid(
    view="matrix",
    title="A small table",
    subtitle="made by hand",
    columns=(Cell("action"), Cell("ACTIVE"), Cell("SHUTOFF")),
    rows=(
        (
            Cell("os-stop", page="reference/actions/os-stop.html"),
            Cell("202", Mark.YES, "accepted"),
            Cell("409", Mark.NO, "refused by state"),
        ),
        (Cell("lock"), Cell("202", Mark.DEPENDS), Cell("", Mark.UNSEEN)),
    ),
    legend=(LegendEntry("accepted", mark=Mark.YES), LegendEntry("refused", mark=Mark.NO)),
    notes=("One note.",),
)


def saying(text: str) -> Diagram:
    """A diagram that says a text wherever it may say one."""
    label = Label(text, Cause.PERSON, text, "reference/actions/x.html")
    one = Node(
        "one",
        text,
        NodeKind.RESTING,
        detail=text,
        chips=(Chip(label), Chip(label._replace(text=f"to {text}"), text)),
        tip=text,
        page="reference/x.html",
    )
    return Diagram(
        view="saying",
        title=text,
        subtitle=text,
        nodes=(one, replace(one, id="two", label="two", chips=())),
        arrows=(Arrow("edge", "one", "two", (label,), back=(label,)),),
        groups=(Group("group", ("one",), text, text),),
        legend=(LegendEntry(text, cause=Cause.PERSON),),
        notes=(text,),
    )


def table_saying(text: str) -> Grid:
    """A grid that says a text wherever it may say one."""
    cell = Cell(text, Mark.YES, text, "reference/x.html")
    return Grid(
        view="saying",
        title=text,
        subtitle=text,
        columns=(cell, cell),
        rows=((cell, cell),),
        legend=(LegendEntry(text, mark=Mark.YES),),
        notes=(text,),
    )


def squeezed(text: str) -> str:
    """A text as it is after formats that fold blanks."""
    return " ".join(text.split())


HAS_LAYOUT = shutil.which("dot") is not None
