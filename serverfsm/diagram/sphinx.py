"""The Sphinx extension `serverfsm.diagram.sphinx`: the directive `serverfsm-diagram`.

It draws inline SVG in HTML, with links to the manual's own pages, and tables elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import serverfsm
from serverfsm.errors import MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

    from serverfsm.diagram.model import Diagram, Grid

__all__ = ["DrawnNode", "ServerfsmDiagram", "draw_all", "setup"]

_LOGGER = logging.getLogger(__name__)


class DrawnNode(nodes.General, nodes.Element):
    """A picture in a page, until it is known for which builder; its attributes say which."""


class ServerfsmDiagram(SphinxDirective):
    """`.. serverfsm-diagram:: VIEW [SUBJECT]`.

    Options: `rulebook` (a name of `serverfsm.rulebook.RULEBOOKS`), `manual` (the root that pages
    are linked from; else this manual's own), `alt` and `caption` (text), `name` (to refer to it),
    `format` (svg or mermaid). Where a view reads a file, the subject is its path from the page.
    """

    required_arguments = 1
    optional_arguments = 1
    final_argument_whitespace = False
    option_spec: ClassVar[dict[str, Callable[[str], Any]] | None] = {
        "rulebook": directives.unchanged_required,
        "manual": directives.unchanged,
        "alt": directives.unchanged_required,
        "caption": directives.unchanged_required,
        "name": directives.unchanged,
        "format": lambda text: directives.choice(text, ("svg", "mermaid")),
    }

    def run(self) -> list[nodes.Node]:
        """Return the figure, with the picture to be drawn; an error at its line if it cannot be."""
        view, *rest = self.arguments
        subject = self._subject(rest[0]) if rest else None
        book = self.options.get("rulebook", serverfsm.API_REFERENCE.name)
        form = self.options.get("format", "svg")
        try:
            drawing = _drawn(view, subject, book)
            if form == "mermaid":
                drawing.to_text(form)
        except ValueError as error:
            raise self.error(f"serverfsm-diagram: {error}") from None
        picture = DrawnNode(
            "",
            view=view,
            subject=subject,
            rulebook=book,
            manual=self.options.get("manual"),
            alt=self.options.get("alt") or f"{drawing.title}; {drawing.subtitle}",
            format=form,
        )
        self.set_source_info(picture)
        figure = nodes.figure("", picture, classes=["serverfsm-diagram"])
        if "caption" in self.options:
            words, messages = self.parse_inline(self.options["caption"])
            figure += nodes.caption(self.options["caption"], "", *words)
            figure += messages
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure]

    def _subject(self, given: str) -> str:
        """The subject, or the file that it names beside the page; that is then watched."""
        _, path = self.env.relfn2path(given)
        if not Path(path).is_file():
            return given
        self.env.note_dependency(path)
        return str(path)


def draw_all(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Put raw HTML or a literal block in the place of each picture, as the builder needs it."""
    taken = set(document.ids)
    for number, picture in enumerate(list(document.findall(DrawnNode)), 1):
        drawing = _drawn(picture["view"], picture["subject"], picture["rulebook"])
        new: nodes.Element
        if app.builder.format == "html":
            manual = picture["manual"]
            if manual is None:
                manual = _root(app.builder.get_target_uri(docname))
            markup = _markup(picture, drawing, manual)
            new = nodes.raw(
                "", _with_unique_ids(markup, taken, f"picture-{number}-"), format="html"
            )
        else:
            text = drawing.to_text("markdown")
            new = nodes.literal_block(text, text, language="none")
        new.source, new.line = picture.source, picture.line
        picture.replace_self(new)


def _root(page: str) -> str | None:
    """The way from a page to the manual's root; None if all is one page."""
    return None if "#" in page else "../" * page.count("/")


def _markup(picture: DrawnNode, drawing: Diagram | Grid, manual: str | None) -> str:
    name = escape(picture["alt"])
    if picture["format"] == "mermaid":
        text = escape(drawing.to_text("mermaid", manual=manual))
        return f'<pre class="mermaid" aria-label="{name}">{text}</pre>'
    try:
        svg = _svg(drawing, manual)
    except MissingPackageError as error:
        _LOGGER.warning("%s", error, location=picture, type="serverfsm", subtype="layout")
        return f'<pre aria-label="{name}">{escape(drawing.to_text("markdown"))}</pre>'
    # What has the role of an image may have no links inside it.
    role = "group" if "<a " in svg else "img"
    return f'<div role="{role}" aria-label="{name}">{_inside(svg, role)}</div>'


def _inside(svg: str, role: str) -> str:
    """An SVG element as a part of a page: no wider than it, its role the surrounding's."""
    head, bracket, rest = svg[svg.index("<svg") :].rstrip().partition(">")
    head = re.sub(r' (?:role|aria-label)="[^"]*"', "", head)
    hidden = ' aria-hidden="true"' if role == "img" else ""
    return f'{head} style="max-width: 100%; height: auto"{hidden}{bracket}{rest}'


_ID = re.compile(r'(<[^<>]* id=")([^"]+)(?=")')
_REFERENCE = re.compile(r'(<[^<>]* (?:xlink:)?href="#|url\(#)([^")]+)(?=[")])')


def _with_unique_ids(markup: str, taken: set[str], prefix: str) -> str:
    """Markup whose ids that are taken have a prefix; all of its ids are then taken."""
    new = {found[2]: found[2] for found in _ID.finditer(markup)}
    new |= {each: prefix + each for each in new if each in taken}
    taken.update(new.values())

    def renamed(found: re.Match[str]) -> str:
        return found[1] + new.get(found[2], found[2])

    return _REFERENCE.sub(renamed, _ID.sub(renamed, markup))


@lru_cache(maxsize=512)
def _drawn(view: str, subject: str | None, book: str) -> Diagram | Grid:
    from serverfsm.diagram.views import draw
    from serverfsm.errors import UnknownRulebookError
    from serverfsm.rulebook import RULEBOOKS

    if book not in RULEBOOKS:
        raise UnknownRulebookError(book, RULEBOOKS)
    return draw(view, subject, rulebook=RULEBOOKS[book])


@lru_cache(maxsize=512)
def _svg(drawing: Diagram | Grid, manual: str | None) -> str:
    return drawing.to_text("svg", manual=manual)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Tell Sphinx of the directive."""
    app.add_node(DrawnNode)
    app.add_directive("serverfsm-diagram", ServerfsmDiagram)
    app.connect("doctree-resolved", draw_all)
    return {
        "version": serverfsm.__version__,
        "env_version": 1,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
