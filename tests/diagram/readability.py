"""How well a laid-out picture can be read: crossings, struck labels, and its size."""

import json
from itertools import combinations, pairwise
from typing import Any, NamedTuple

from serverfsm.diagram import Diagram
from serverfsm.diagram.dot import source
from serverfsm.diagram.layout import laid_out

Point = tuple[float, float]
_NEAR = 12.0  # points: two arrows that meet at one node touch there


class Box(NamedTuple):
    left: float
    low: float
    right: float
    high: float


class Line(NamedTuple):
    id: str
    points: list[Point]
    label: Box | None


def laid(drawing: Diagram, *, rich: bool = True) -> dict[str, Any]:
    """The layout, as Graphviz writes it in JSON."""
    found: dict[str, Any] = json.loads(laid_out(source(drawing, rich=rich), "json"))
    return found


def size(drawing: Diagram) -> Point:
    """Width and height in points, as the SVG has them, which is scaled to a greatest width."""
    root = drawing.to_text("svg").split(">", 1)[0]
    width, height = (root.split(f'{name}="')[1].split("pt")[0] for name in ("width", "height"))
    return float(width), float(height)


def lines(layout: dict[str, Any]) -> list[Line]:
    """Every arrow that is drawn, as a line of many points, and the box of its label."""
    found = []
    for edge in layout.get("edges", []):
        strokes = [op["points"] for op in edge.get("_draw_", []) if op["op"] == "b"]
        if strokes and edge.get("id"):
            points = [point for stroke in strokes for point in _sampled(stroke)]
            found.append(Line(edge["id"], points, _label(edge)))
    return found


def _sampled(stroke: list[list[float]]) -> list[Point]:
    """Points on a chain of cubic curves."""
    points = [(stroke[0][0], stroke[0][1])]
    for at in range(0, len(stroke) - 1, 3):
        curve = stroke[at : at + 4]
        for step in range(1, 17):
            t = step / 16
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            points.append(
                (
                    sum(w * p[0] for w, p in zip(weights, curve, strict=True)),
                    sum(w * p[1] for w, p in zip(weights, curve, strict=True)),
                )
            )
    return points


def _label(edge: dict[str, Any]) -> Box | None:
    boxes = []
    height = 9.5
    for op in edge.get("_ldraw_", []):
        if op["op"] == "F":
            height = op["size"]
        if op["op"] == "T" and op["text"].strip():
            x, y = op["pt"]
            left = {"l": x, "c": x - op["width"] / 2, "r": x - op["width"]}[op["align"]]
            boxes.append(Box(left, y, left + op["width"], y + 0.7 * height))
    if not boxes:
        return None
    sides = list(zip(*boxes, strict=True))
    return Box(min(sides[0]), min(sides[1]), max(sides[2]), max(sides[3]))


def crossings(drawing: Diagram) -> int:
    """How many times two arrows cross, but where they begin or end together."""
    return sum(len(_meetings(one, two)) for one, two in combinations(lines(laid(drawing)), 2))


def _meetings(one: Line, two: Line) -> list[Point]:
    ends = [one.points[0], one.points[-1], two.points[0], two.points[-1]]
    found = []
    for first in pairwise(one.points):
        for second in pairwise(two.points):
            point = _crossing(first, second)
            if point is not None and sum(_distance(point, end) < _NEAR for end in ends) < 2:
                found.append(point)
    return found


def _crossing(one: tuple[Point, Point], two: tuple[Point, Point]) -> Point | None:
    (ax, ay), (bx, by) = one
    (cx, cy), (dx, dy) = two
    across = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
    if across == 0:
        return None
    t = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / across
    u = ((cx - ax) * (by - ay) - (cy - ay) * (bx - ax)) / across
    if 0 < t < 1 and 0 < u < 1:
        return ax + t * (bx - ax), ay + t * (by - ay)
    return None


def _distance(one: Point, two: Point) -> float:
    return float(((one[0] - two[0]) ** 2 + (one[1] - two[1]) ** 2) ** 0.5)


def struck_labels(drawing: Diagram) -> list[tuple[str, str]]:
    """Every label that another arrow runs through: the ids of both."""
    found = lines(laid(drawing))
    return [
        (one.id, two.id)
        for one in found
        for two in found
        if one is not two and one.label is not None and _strikes(two.points, one.label)
    ]


def _strikes(points: list[Point], box: Box) -> bool:
    left, low, right, high = box
    sides = [
        ((left, low), (right, low)),
        ((right, low), (right, high)),
        ((right, high), (left, high)),
        ((left, high), (left, low)),
    ]
    return any(
        _crossing(part, side) is not None for part in pairwise(points) for side in sides
    ) or any(left < x < right and low < y < high for x, y in points)


__all__ = ["crossings", "laid", "lines", "size", "struck_labels"]
