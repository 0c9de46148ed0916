"""The pictures in `diagrams/` are those that the table gives today.

`serverfsm diagram --all diagrams/` renews them. Their texts are compared byte for byte; of SVG, all
but where the layout program has put things, which differs from release to release.
"""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from serverfsm.diagram.collection import collection

FOLDER = Path(__file__).resolve().parents[2] / "diagrams"
NAME = "{http://www.w3.org/2000/svg}"
RENEW = "if it is right: serverfsm diagram --all diagrams/, and look at the pictures"


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    return collection()


def committed() -> set[str]:
    return {path.name for path in FOLDER.iterdir() if path.name != "manifest.json"}


def test_the_set_is_complete(made: dict[str, bytes]) -> None:
    assert committed() == set(made), RENEW


def test_no_picture_is_stale(made: dict[str, bytes]) -> None:
    stale = [
        name
        for name, content in made.items()
        if shown(name, content) != shown(name, (FOLDER / name).read_bytes())
    ]
    assert stale == [], RENEW


def shown(name: str, content: bytes) -> object:
    """What a file says: an SVG's elements with their names, classes, texts and links."""
    if not name.endswith(".svg"):
        return content
    return sorted(
        (
            element.tag.removeprefix(NAME),
            element.get("class") or "",
            element.get("id", "") if element.tag == f"{NAME}g" else "",
            element.get("href", ""),
            " ".join((element.text or "").split()),
        )
        for element in ET.fromstring(content).iter()
        if element.tag.removeprefix(NAME) in ("g", "a", "text", "title", "style")
        and not element.get("id", "").startswith("clust")
    )


def test_a_changed_picture_is_seen(made: dict[str, bytes]) -> None:
    name = next(name for name in made if name.endswith(".svg"))
    assert shown(name, made[name]) != shown(name, made[name].replace(b"ACTIVE", b"PASSIVE"))
