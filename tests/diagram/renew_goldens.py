"""Writes the golden texts anew: python -m tests.diagram.renew_goldens; then read the difference."""

from __future__ import annotations

from pathlib import Path

from serverfsm.diagram import Diagram, draw

VIEWS = {
    "lifecycle": ("lifecycle",),
    "role-member": ("role", "member"),
    "action-os-stop": ("action", "os-stop"),
}


def drawings() -> dict[str, Diagram]:
    """The diagrams by the names of their golden texts."""
    found = {name: draw(*words) for name, words in VIEWS.items()}
    return {name: drawing for name, drawing in found.items() if isinstance(drawing, Diagram)}


if __name__ == "__main__":
    for name, drawing in drawings().items():
        path = Path(__file__).parent / "golden" / f"{name}.mmd"
        path.write_text(drawing.to_text("mermaid"), "utf-8")
