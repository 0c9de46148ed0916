"""What every picture can do: be written in a format, be a file, be shown in a notebook."""

from __future__ import annotations

from pathlib import Path

from serverfsm.errors import MissingPackageError

__all__ = ["Drawing"]


class Drawing:
    """A picture: a `Diagram` of nodes and arrows, or a `Grid`."""

    __slots__ = ()

    def to_text(self, format: str, *, manual: str | None = None) -> str:  # noqa: A002
        """Return the picture as text.

        Args:
            format: one of `serverfsm.diagram.FORMATS` but "png" and "pdf".
            manual: the address of the manual's root, relative or absolute, ending in "/", to link
                to; None for no links.

        Raises:
            UnknownFormatError: there is no such format, or it is no text.
            UnsuitableFormatError: the format cannot show this picture.
            MissingPackageError: the format needs a package or program that is not there.

        >>> from serverfsm.diagram import draw
        >>> draw("lifecycle").to_text("mermaid").splitlines()[0]
        'stateDiagram-v2'
        """
        from serverfsm.diagram.formats import text

        return text(self, format, manual)

    def to_bytes(self, format: str, *, manual: str | None = None) -> bytes:  # noqa: A002
        """Return the picture as a file holds it: text in UTF-8, or an image.

        Raises:
            UnknownFormatError: there is no such format.
            UnsuitableFormatError: the format cannot show this picture.
            MissingPackageError: the format needs a package or program that is not there.
        """
        from serverfsm.diagram.formats import content

        return content(self, format, manual)

    def save(self, path: str | Path, *, manual: str | None = None) -> None:
        """Write the picture to a file, in the format that its suffix names.

        Raises:
            UnknownFormatError: the suffix names no format.
            OSError: the file cannot be written.
        """
        from serverfsm.diagram.formats import format_of

        path = Path(path)
        path.write_bytes(self.to_bytes(format_of(path.name), manual=manual))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """For notebooks: SVG, or where no layout program is there the DOT text."""
        try:
            return {"image/svg+xml": self.to_text("svg"), "text/plain": self.to_text("dot")}
        except MissingPackageError:
            return {"text/plain": self.to_text("dot")}

    def _repr_svg_(self) -> str:
        """For notebooks that know SVG alone."""
        return self.to_text("svg")
