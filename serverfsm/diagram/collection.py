"""The set of pictures that stands in a repository, with an index of them for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import NamedTuple

from serverfsm.diagram.formats import FORMATS
from serverfsm.diagram.html import page
from serverfsm.diagram.markdown import escaped
from serverfsm.diagram.mermaid import MAX_CHARACTERS, MAX_EDGES, edge_count
from serverfsm.diagram.model import Diagram, Grid, identifier
from serverfsm.diagram.views import VIEWS, draw, subjects
from serverfsm.diagram.wording import plain_line
from serverfsm.rulebook import RULEBOOKS
from serverfsm.states import Status

__all__ = ["Picture", "collection", "pictures"]

_VIEWS = ("lifecycle", "role", "family", "state", "matrix", "deviations", "full")
_TITLE = "The lifecycle of a server, drawn"
_REMARK = "Written by serverfsm diagram --all from the table; not to be edited."
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'"


class Picture(NamedTuple):
    """One picture of the set.

    Attributes:
        name: its files' name without a suffix.
        view: the view's name.
        drawing: what it shows.
        rulebook: whose rules, where they are not the usual ones.
    """

    name: str
    view: str
    drawing: Diagram | Grid
    rulebook: str = ""


class _File(NamedTuple):
    picture: Picture
    format: str
    name: str
    content: bytes


def pictures() -> Iterator[Picture]:
    """Yield the pictures: each view as a whole, and of each role, family and status.

    A view as a whole is there by every rulebook that makes a difference to it.
    """
    for view in _VIEWS:
        for subject in _subjects(view):
            yield Picture(identifier(view, subject), view, draw(view, subject))
        if not VIEWS[view].subject:
            yield from _by_rulebooks(view)


def collection() -> dict[str, bytes]:
    """Return every file of the set by its name, the indexes among them.

    Raises:
        MissingPackageError: no layout program is there.
    """
    files = [each for picture in pictures() for each in _files(picture)]
    indexes = {"README.md": _readme(files), "index.html": _page(files)}
    return {
        **{name: text.encode() for name, text in indexes.items()},
        **{each.name: each.content for each in files},
    }


def _subjects(view: str) -> Iterator[str]:
    """Those of a view; of states, each status once and not its vm_states as well."""
    for subject in subjects(view):
        if view != "state" or subject in Status.__members__:
            yield subject


def _by_rulebooks(view: str) -> Iterator[Picture]:
    seen: list[Diagram | Grid] = []
    for name, rulebook in RULEBOOKS.items():
        drawing = draw(view, rulebook=rulebook)
        if all(_said(drawing) != _said(other) for other in seen):
            if seen:
                yield Picture(identifier(view, name), view, drawing, name)
            else:
                yield Picture(view, view, drawing)
        seen.append(drawing)


def _said(drawing: Diagram | Grid) -> object:
    """What a picture says, but for whose rules it says that it shows."""
    if isinstance(drawing, Diagram):
        return drawing.nodes, drawing.groups, drawing.arrows
    return drawing.columns, drawing.rows


def _files(picture: Picture) -> Iterator[_File]:
    text = "mermaid" if isinstance(picture.drawing, Diagram) else "markdown"
    for name in ("svg", "dot", text):
        content = picture.drawing.to_bytes(name)
        if name != "mermaid" or _is_drawn(picture.drawing, content):
            yield _File(picture, name, picture.name + FORMATS[name].suffixes[0], content)


def _is_drawn(drawing: Diagram | Grid, content: bytes) -> bool:
    """Whether GitHub's Mermaid draws a diagram of this size."""
    return (
        isinstance(drawing, Diagram)
        and len(content.decode()) <= MAX_CHARACTERS
        and edge_count(drawing) <= MAX_EDGES
    )


def _by_picture(files: Iterable[_File]) -> dict[Picture, list[_File]]:
    found: dict[str, tuple[Picture, list[_File]]] = {}
    for each in files:
        found.setdefault(each.picture.name, (each.picture, []))[1].append(each)
    return dict(found.values())


def _missing(picture: Picture, own: Iterable[_File]) -> str:
    """What is said where there is no Mermaid."""
    if isinstance(picture.drawing, Grid) or any(each.format == "mermaid" for each in own):
        return ""
    return (
        f"No Mermaid: it would pass the limit of {MAX_CHARACTERS} characters or of "
        f"{MAX_EDGES} arrows."
    )


def _titled(picture: Picture) -> str:
    title = plain_line(picture.drawing.title)
    return f"By the rulebook {picture.rulebook}: {title}" if picture.rulebook else title


def _alternative(picture: Picture) -> str:
    return plain_line(f"{picture.drawing.title}; {picture.drawing.subtitle}")


def _readme(files: Iterable[_File]) -> str:
    lines = [f"# {_TITLE}", _REMARK]
    last = ""
    for picture, own in _by_picture(files).items():
        if picture.view != last:
            last = picture.view
            lines.append(f"## {last.capitalize()}: {escaped(VIEWS[last].title)}")
        links = ", ".join(f"[{each.format}]({each.name})" for each in own)
        title = escaped(_titled(picture))
        lines.append(" ".join(filter(None, [f"{title} ({links}).", _missing(picture, own)])))
        lines.append(f"![{escaped(_alternative(picture))}]({own[0].name})")
    return "\n\n".join(lines) + "\n"


def _page(files: Iterable[_File]) -> str:
    lines = [f"<p>{escape(_REMARK)}</p>"]
    last = ""
    for picture, own in _by_picture(files).items():
        if picture.view != last:
            last = picture.view
            lines.append(f"<h2>{last.capitalize()}: {escape(VIEWS[last].title)}</h2>")
        links = ", ".join(f'<a href="{each.name}">{each.format}</a>' for each in own)
        words = [f"{escape(_titled(picture))} ({links}).", _missing(picture, own)]
        alternative = escape(_alternative(picture))
        lines += [
            "<figure>",
            f"<figcaption>{' '.join(filter(None, words))}</figcaption>",
            f'<img src="{own[0].name}" alt="{alternative}" loading="lazy">',
            "</figure>",
        ]
    return page(_TITLE, lines, _POLICY)
