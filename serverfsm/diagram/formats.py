"""The formats in which a picture is written: each is one module with a function `render`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from serverfsm.errors import UnknownFormatError, UnsuitableFormatError

if TYPE_CHECKING:
    from serverfsm.diagram.drawing import Drawing

__all__ = ["FORMATS", "Format", "content", "format_of", "text"]


class Format(NamedTuple):
    """How one format is written.

    Attributes:
        module: where its `render(drawing, manual) -> str` stands; for images `render` of the SVG's
            module, whose DOT is laid out by the same program.
        suffixes: of its files, the usual one first.
        draws: the kinds of picture that it can show: "diagram", "grid" or both.
        is_image: whether it is bytes and not text.
    """

    module: str
    suffixes: tuple[str, ...]
    draws: tuple[str, ...] = ("diagram", "grid")
    is_image: bool = False


FORMATS: dict[str, Format] = {
    "dot": Format("dot", (".dot", ".gv")),
    "svg": Format("svg", (".svg",)),
    "png": Format("image", (".png",), is_image=True),
    "pdf": Format("image", (".pdf",), is_image=True),
    "mermaid": Format("mermaid", (".mmd", ".mermaid"), ("diagram",)),
    "plantuml": Format("plantuml", (".puml", ".plantuml"), ("diagram",)),
    "xstate": Format("xstate", (".xstate.json",), ("diagram",)),
    "scxml": Format("scxml", (".scxml",), ("diagram",)),
    "html": Format("html", (".html",)),
    "markdown": Format("markdown", (".md",)),
    "json": Format("document", (".json",)),
}


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise UnknownFormatError(name, FORMATS)
    return FORMATS[name]


def format_of(path: str) -> str:
    """Return the format that a file's name asks for, the longest suffix first.

    Raises:
        UnknownFormatError: its suffix is none of a format.

    >>> format_of("lifecycle.svg"), format_of("machine.xstate.json")
    ('svg', 'xstate')
    """
    suffixes = {suffix: name for name, row in FORMATS.items() for suffix in row.suffixes}
    for suffix in sorted(suffixes, key=len, reverse=True):
        if path.lower().endswith(suffix):
            return suffixes[suffix]
    raise UnknownFormatError(path, suffixes)


def text(drawing: Drawing, name: str, manual: str | None = None) -> str:
    """Return a picture in one of the text formats; see `Drawing.to_text`."""
    row = _format(name)
    if row.is_image:
        texts = [each for each, other in FORMATS.items() if not other.is_image]
        raise UnknownFormatError(name, texts, f"{name} is no text: to_bytes() gives it")
    _require_suitable(drawing, name, row)
    return str(_module(row).render(drawing, manual))


def content(drawing: Drawing, name: str, manual: str | None = None) -> bytes:
    """Return a picture as its file holds it; see `Drawing.to_bytes`."""
    row = _format(name)
    if not row.is_image:
        return text(drawing, name, manual).encode()
    _require_suitable(drawing, name, row)
    return bytes(_module(row).render(drawing, name))


def _module(row: Format) -> Any:
    return import_module(f"serverfsm.diagram.{row.module}")


def _require_suitable(drawing: Drawing, name: str, row: Format) -> None:
    kind = type(drawing).__name__.lower()
    if kind not in row.draws:
        fit = [each for each, other in FORMATS.items() if kind in other.draws]
        raise UnsuitableFormatError(name, kind, fit)
