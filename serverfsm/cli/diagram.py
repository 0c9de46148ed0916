"""`serverfsm diagram`: one picture of the table, or the whole set of them in a folder.

Only the command belongs here, and how its files are written; pictures are `serverfsm.diagram`'s.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from serverfsm.cli.options import API_REFERENCE_BOOK, BookOption
from serverfsm.cli.reading import complain, complaints
from serverfsm.cli.writing import put, write_bytes
from serverfsm.diagram.drawing import Drawing
from serverfsm.diagram.formats import FORMATS, format_of
from serverfsm.diagram.views import VIEWS, draw, subjects
from serverfsm.rulebook import RULEBOOKS, Rulebook

__all__ = ["MANIFEST", "diagram_command", "write_folder"]

MANIFEST = "manifest.json"
"""The file that lists what an earlier run wrote into a folder, and a later one may remove."""

_DEFAULT_FORMAT = "svg"


def diagram_command(
    view: Annotated[
        str | None, typer.Argument(metavar="[VIEW]", help="What to draw; without it, the list.")
    ] = None,
    subject: Annotated[
        str | None, typer.Argument(metavar="[SUBJECT]", help="Of what, as a state or an action.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"One of {', '.join(FORMATS)}. Else as the suffix of FILE says, else "
            f"{_DEFAULT_FORMAT}.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Where to; else standard output."),
    ] = None,
    book: BookOption = API_REFERENCE_BOOK,
    manual: Annotated[
        str | None,
        typer.Option("--manual", metavar="URL", help="Where the manual stands, to link to it."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--all", metavar="DIR", help="Write the whole set, with an index."),
    ] = None,
) -> None:
    """Draw the lifecycle, a state, an action, a role ... as SVG, PNG, Mermaid and other formats."""
    rulebook = RULEBOOKS[book.value]
    with complaints():
        root = _manual(manual)
        if folder is not None:
            if view is not None or form is not None or output is not None or root is not None:
                raise ValueError("--all takes no VIEW, --format, --output or --manual")
            _write_all(folder)
        elif view is None:
            _list(rulebook)
        else:
            _write_one(view, subject, rulebook, _format(form, output), output, root)


def _format(form: str | None, output: Path | None) -> str:
    if form is not None:
        return form
    if output is None or str(output) == "-":
        return _DEFAULT_FORMAT
    return format_of(output.name)


def _manual(given: str | None) -> str | None:
    """The manual's root as renderers take it, ending in a slash."""
    if given is None:
        return None
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", given)
    if (scheme and scheme[1].lower() not in ("http", "https")) or not given.isprintable():
        raise ValueError(f"--manual must be relative or begin with https:, not {given!r}")
    return given if given.endswith("/") or not given else f"{given}/"


def _list(rulebook: Rulebook) -> None:
    typer.echo("serverfsm diagram VIEW [SUBJECT], where VIEW is one of\n")
    width = max(map(len, VIEWS))
    for name, row in VIEWS.items():
        typer.echo(f"  {name:<{width}}  {row.title}")
        for line in _wrapped(subjects(name, rulebook)):
            typer.echo(f"  {'':<{width}}    {line}")
    typer.echo(f"\nformats: {', '.join(FORMATS)}")


def _wrapped(words: Iterable[str]) -> list[str]:
    return textwrap.wrap(" ".join(words), 80, break_long_words=False, break_on_hyphens=False)


def _write_one(
    view: str,
    subject: str | None,
    rulebook: Rulebook,
    form: str,
    output: Path | None,
    manual: str | None,
) -> None:
    is_printed = output is None or str(output) == "-"
    if is_printed and form in FORMATS and FORMATS[form].is_image and sys.stdout.isatty():
        raise ValueError(f"{form} is no text for a terminal: give --output FILE")
    drawing: Drawing = draw(view, subject, rulebook=rulebook)
    try:
        content = drawing.to_bytes(form, manual=manual)
    except RuntimeError as error:  # of the layout program
        complain(error)
    write_bytes(content, None if is_printed else output)


def _write_all(folder: Path) -> None:
    from serverfsm.diagram.collection import collection

    removed = write_folder(folder, collection())
    typer.echo(f"wrote {folder}; removed {len(removed)} files of an earlier run")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Write files into a folder, remove those of an earlier run, and return what was removed.

    Args:
        folder: made if it is not there.
        files: the content of each, by its path in the folder, with "/" between.

    Raises:
        ValueError: a file is there that no earlier run wrote, or the list of these is broken.
        OSError: something cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    former = _former(folder)
    foreign = [
        name
        for name, content in files.items()
        if name not in former
        and (folder / name).exists()
        and not ((folder / name).is_file() and (folder / name).read_bytes() == content)
    ]
    if foreign:
        raise ValueError(f"{folder / foreign[0]} was not written by an earlier run: it stays")
    folder.mkdir(parents=True, exist_ok=True)
    # Listed before they are written, so that a run that is cut short leaves no unlisted file.
    put(folder / MANIFEST, _manifest({**dict.fromkeys(former), **files}))
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        put(folder / name, content)
    stale = tuple(name for name in former if name not in files and (folder / name).is_file())
    for name in stale:
        (folder / name).unlink()
    put(folder / MANIFEST, _manifest(files))
    return stale


def _manifest(files: Mapping[str, object]) -> bytes:
    return (
        json.dumps({"made by": "serverfsm diagram --all", "files": sorted(files)}, indent=2) + "\n"
    ).encode()


def _former(folder: Path) -> tuple[str, ...]:
    """What an earlier run wrote."""
    path = folder / MANIFEST
    if not path.exists():
        return ()
    try:
        names = json.loads(path.read_text("utf-8"))["files"]
        if not all(_is_inside(name) for name in names):
            raise ValueError("it names files elsewhere")
        return tuple(names)
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path} is no list of an earlier run: {error}") from None


def _is_inside(name: object) -> bool:
    if not isinstance(name, str) or not name or "\\" in name or "\0" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and ":" not in name
