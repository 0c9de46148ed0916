"""The overview coloured by a file of results: what was seen to conform, to deviate, or not seen.

The file is JSON: {"edges": [{"start": "active", "event": "os-stop", "end":
"active+powering-off", "result": "conforms"}, …]}, with the names that `serverfsm.edges()` and
`state_name` give, start null where there is no server yet, and "conforms" or "deviates".
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from serverfsm.diagram.folding import Fold, folds
from serverfsm.diagram.model import Arrow, Diagram, Label, LegendEntry, Mark, Node
from serverfsm.diagram.parts import subtitle
from serverfsm.diagram.views.lifecycle import Frame, overview
from serverfsm.errors import ResultsError
from serverfsm.lifecycle import edges, state_name
from serverfsm.rows import Cause
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.states import status_of

__all__ = ["subjects", "view"]

_Triple = tuple[str | None, str, str]

_MARKS = {"conforms": Mark.YES, "deviates": Mark.NO}

_LEGEND = (
    LegendEntry("[ok] conforms", mark=Mark.YES),
    LegendEntry("[deviates]", mark=Mark.NO),
    LegendEntry("[part] not all seen", mark=Mark.DEPENDS),
    LegendEntry("[unseen]", mark=Mark.UNSEEN),
)


def subjects(rulebook: Rulebook = API_REFERENCE) -> tuple[str, ...]:
    """Return what the subject is: any file of results."""
    return ("FILE",)


def view(subject: str, rulebook: Rulebook = API_REFERENCE) -> Diagram:
    """Return the overview, each arrow with the mark of all edges that are folded in it.

    Raises:
        ResultsError: the file cannot be read, or says something else than results.
    """
    known = {_triple(edge): edge for edge in edges(rulebook)}
    seen = _results(subject, known)
    marks = _marks(folds(rulebook), seen)
    counted = list(seen.values())
    title = f"Coverage: {len(counted)} of {len(known)} edges seen, {counted.count(Mark.NO)} deviate"
    drawn = overview(folds(rulebook), rulebook, Frame("coverage", title, subtitle(rulebook)))
    ends = {node.id: node.label for node in drawn.nodes}
    return replace(
        drawn,
        arrows=tuple(_marked(arrow, ends, marks) for arrow in drawn.arrows),
        nodes=tuple(_with_signs(node, marks) for node in drawn.nodes),
        legend=_LEGEND,
    )


def _triple(edge: tuple[object, ...]) -> _Triple:
    start, event, end = edge[:3]
    return (state_name(start) if start else None, str(event), state_name(end))  # type: ignore[arg-type]


def _results(path: str, known: Mapping[_Triple, object]) -> dict[_Triple, Mark]:
    try:
        said = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ResultsError(f"{path} is not JSON: {error}") from None
    if not isinstance(said, dict) or not isinstance(said.get("edges"), list):
        raise ResultsError(f'{path} should be an object with a list "edges"')
    found: dict[_Triple, Mark] = {}
    for number, entry in enumerate(said["edges"]):
        triple, mark = _entry(entry, f"{path}, edges[{number}]")
        if triple not in known:
            raise ResultsError(f"{path}, edges[{number}]: the lifecycle has no edge {triple}")
        found[triple] = Mark.NO if Mark.NO in (mark, found.get(triple)) else mark
    return found


def _entry(entry: object, where: str) -> tuple[_Triple, Mark]:
    if not isinstance(entry, dict):
        raise ResultsError(f"{where} should be an object, not {type(entry).__name__}")
    start, event, end = (entry.get(key) for key in ("start", "event", "end"))
    result = entry.get("result")
    if not isinstance(event, str) or not isinstance(end, str) or not isinstance(start, str | None):
        raise ResultsError(f'{where} should have the texts "start", "event" and "end"')
    if not isinstance(result, str) or result not in _MARKS:
        raise ResultsError(f'{where}: "result" should be one of: {", ".join(_MARKS)}')
    return (start, event, end), _MARKS[result]


def _marks(
    found: Iterable[Fold], seen: Mapping[_Triple, Mark]
) -> dict[tuple[str, str], list[Mark]]:
    """The marks of all edges, by the event and the status at the end of their fold."""
    marks: dict[tuple[str, str], list[Mark]] = defaultdict(list)
    for fold in found:
        event = "any failure" if fold.cause is Cause.FAILURE else fold.event
        status = status_of(fold.end, None).value
        marks[event, status] += [seen.get(_triple(edge), Mark.UNSEEN) for edge in fold.edges]
    return marks


def _together(marks: Iterable[Mark]) -> Mark:
    """One mark for many: a deviation decides, and what is not all seen is seen in part."""
    among = set(marks)
    if Mark.NO in among:
        return Mark.NO
    return Mark.DEPENDS if len(among) > 1 else next(iter(among), Mark.UNSEEN)


def _marked(
    arrow: Arrow, ends: Mapping[str, str], marks: Mapping[tuple[str, str], list[Mark]]
) -> Arrow:
    def seen(label: Label, end: str) -> Mark:
        return _together(marks.get((label.text, ends[end]), ()))

    forth = [(label, seen(label, arrow.end)) for label in arrow.labels]
    back = [(label, seen(label, arrow.start)) for label in arrow.back]
    return replace(
        arrow,
        labels=tuple(_signed(*pair) for pair in forth),
        back=tuple(_signed(*pair) for pair in back),
        mark=_together(mark for _, mark in (*forth, *back)),
    )


def _with_signs(node: Node, marks: Mapping[tuple[str, str], list[Mark]]) -> Node:
    """A node whose chips say in words what was seen of them."""

    def signed(label: Label) -> Label:
        among = [seen for (event, _), seen in marks.items() if event == label.text]
        return _signed(label, _together(mark for seen in among for mark in seen))

    chips = tuple(chip._replace(label=signed(chip.label)) for chip in node.chips)
    return replace(node, chips=chips)


def _signed(label: Label, mark: Mark) -> Label:
    """A label with the mark in words: never colour alone."""
    return label._replace(text=f"{label.text} {_WORDS[mark]}")


_WORDS = {entry.mark: entry.text.partition("]")[0] + "]" for entry in _LEGEND}
