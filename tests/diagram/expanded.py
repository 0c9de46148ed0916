"""What an overview says, spelled out: every (start, event, end) that its parts stand for."""

from serverfsm.diagram.model import Diagram, NodeKind

Triple = tuple[str | None, str, str]


def expanded(drawn: Diagram) -> set[Triple]:
    """Every triple of statuses that the picture claims; start None: there is no server yet."""
    labels = {node.id: node.label for node in drawn.nodes}
    members = {group.id: group.members for group in drawn.groups}
    boxes = [node for node in drawn.nodes if node.kind is NodeKind.ANYWHERE]
    starts = {node.id for node in drawn.nodes if node.kind is NodeKind.START}
    alive = [
        node.label
        for node in drawn.nodes
        if node.kind not in (NodeKind.ANYWHERE, NodeKind.START, NodeKind.FINAL)
    ]
    excepted = {
        event: set(among.split(", "))
        for box in boxes
        for event, _, among in (part.partition(" not in ") for part in box.detail.split("; "))
    }
    claimed: set[Triple] = set()

    def from_anywhere(event: str, end: str | None) -> None:
        for start in alive:
            if start not in excepted.get(event, ()):
                claimed.add((start, event, end or start))

    for arrow in drawn.arrows:
        for label in arrow.labels:
            end = labels[arrow.end]
            if arrow.start in {box.id for box in boxes}:
                from_anywhere(label.text, end)
            else:
                for start in members.get(arrow.start, (arrow.start,)):
                    before = None if start in starts else labels[start]
                    claimed.add((before, label.text, end))
        claimed |= {(labels[arrow.end], label.text, labels[arrow.start]) for label in arrow.back}
    for owner, chip in [(node, chip) for node in drawn.nodes for chip in node.chips]:
        if owner in boxes:
            from_anywhere(chip.label.text, chip.end)
        else:
            ends = chip.end.split(" or ") if chip.end else [owner.label]
            claimed |= {(owner.label, chip.label.text, end) for end in ends}
    return claimed
