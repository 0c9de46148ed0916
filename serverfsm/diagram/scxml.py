"""Diagrams as State Chart XML (SCXML 1.0, a recommendation of the W3C).

Attributes of our own namespace hold what SCXML has no place for: true names, causes, tips.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from serverfsm.diagram.model import Diagram, Node, NodeKind
from serverfsm.diagram.structure import Transition, tokens, transitions
from serverfsm.diagram.wording import address, legible, plain_line

__all__ = ["NAMESPACE", "render"]

NAMESPACE = "urn:serverfsm:scxml:1"
_SCXML = "http://www.w3.org/2005/07/scxml"


def render(drawing: Diagram, manual: str | None) -> str:
    """Return the diagram as SCXML.

    An event's name is its label with "_" for what a name may not have, and for the dot: to SCXML
    "stop" is also the beginning of "stop.done". `fsm:event` has the true name. Where an event has
    several ends, `_event.data` says which is meant, by the state's id; where the picture speaks of
    any state with exceptions, it must say so, too. A chip that leads to no one state of the
    picture is an element `fsm:elsewhere` and no transition.
    """
    root = _document(drawing, manual)
    ET.indent(root)
    text = ET.tostring(root, "unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _document(drawing: Diagram, manual: str | None) -> ET.Element:
    states = [node for node in drawing.nodes if node.kind is not NodeKind.ANYWHERE]
    ids = tokens((node.id for node in drawing.nodes), r"[^A-Za-z0-9_-]")
    found = transitions(drawing)
    events = tokens((each.label.text for each in found), r"[^A-Za-z0-9_:-]")
    writer = _Writer(found, ids, events, manual)
    root = ET.Element("scxml", {"xmlns": _SCXML, "xmlns:fsm": NAMESPACE, "version": "1.0"})
    root.set("name", tokens([drawing.view], r"[^A-Za-z0-9_-]")[drawing.view])
    _say(root, title=drawing.title, subtitle=drawing.subtitle)
    first = next((node for node in states if node.kind is NodeKind.START), None)
    initial = first or (states[0] if states else None)
    if initial is not None:
        root.set("initial", ids[initial.id])
    parent = root
    boxes = [node for node in drawing.nodes if node.kind is NodeKind.ANYWHERE]
    if boxes and initial is not None:
        # A state around all others: what holds anywhere is tried where no inner state answers.
        box = boxes[0]
        root.set("initial", ids[box.id])
        parent = ET.SubElement(root, "state", {"id": ids[box.id], "initial": ids[initial.id]})
        _say(parent, label=box.label, detail=box.detail, tip=box.tip)
        parent.extend(writer.transitions(writer.anywhere))
    for node in states:
        parent.append(writer.state(node))
    is_open = any(each.get("cond") for each in root.iter("transition"))
    root.set("datamodel", "ecmascript" if is_open else "null")
    return root


class _Writer:
    """The elements of one diagram."""

    def __init__(
        self,
        found: tuple[Transition, ...],
        ids: dict[str, str],
        events: dict[str, str],
        manual: str | None,
    ) -> None:
        self._found = found
        self._ids = ids
        self._events = events
        self._manual = manual
        self.anywhere = [each for each in found if each.start.kind is NodeKind.ANYWHERE]

    def state(self, node: Node) -> ET.Element:
        """The element of a node, with its transitions."""
        own = [each for each in self._found if each.start is node]
        is_final = node.kind is NodeKind.FINAL and not own
        element = ET.Element("final" if is_final else "state", {"id": self._ids[node.id]})
        _say(
            element,
            label=node.label,
            kind=node.kind.value,
            detail=node.detail,
            mark=node.mark.value,
            tip=node.tip,
            href=address(self._manual, node.page) or "",
        )
        element.extend(self.transitions(own))
        return element

    def transitions(self, own: list[Transition]) -> Iterator[ET.Element]:
        """The elements of some transitions, all from one place."""
        several = [each.label.text for each in own if each.end is not None]
        for each in own:
            start, label, end, words = each
            if end is None or (end.kind is NodeKind.ANYWHERE and end is not start):
                element = ET.Element("fsm:elsewhere")
                _say(element, event=label.text, cause=label.cause.value, end=words, tip=label.tip)
                yield element
                continue
            element = ET.Element("transition", {"event": self._events[label.text]})
            cond = []
            if start.kind is NodeKind.ANYWHERE:
                cond.append("_event.data.anywhere === true")
            if several.count(label.text) > 1:
                cond.append(f"_event.data.end === '{self._ids[end.id]}'")
            if cond:
                element.set("cond", " && ".join(["_event.data", *cond]))
            if end is not start:
                element.set("target", self._ids[end.id])
            _say(element, event=label.text, cause=label.cause.value, tip=label.tip)
            yield element


def _say(element: ET.Element, **words: str) -> None:
    """Set attributes of our own namespace, those that say something."""
    for name, text in words.items():
        if text:
            text = legible(text) if name == "tip" else plain_line(text)
            element.set(f"fsm:{name}", text)
