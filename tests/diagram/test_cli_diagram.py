"""`serverfsm diagram`: what it prints and writes, and how it says no."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typer
from typer.testing import CliRunner

from serverfsm import MissingPackageError
from serverfsm.cli import writing
from serverfsm.cli.diagram import MANIFEST, diagram_command, write_folder
from serverfsm.diagram import FORMATS, VIEWS, Diagram, draw
from serverfsm.diagram import collection as collected
from serverfsm.diagram.collection import Picture, collection, pictures
from serverfsm.diagram.mermaid import MAX_CHARACTERS, MAX_EDGES, edge_count
from serverfsm.diagram.views import subjects
from tests.diagram.samples import GRID, HAS_LAYOUT, SMALL

LAYOUT = pytest.mark.skipif(not HAS_LAYOUT, reason="Graphviz is not installed")
WHOLE = pytest.mark.skipif(
    not os.environ.get("SERVERFSM_ALL_PICTURES"),
    reason="lays out every picture: set SERVERFSM_ALL_PICTURES=1",
)
TEXTS = [name for name, row in FORMATS.items() if not row.is_image and name not in ("svg", "html")]
Result = Any  # of typer's runner: exit_code, stdout, stderr, output

app = typer.Typer()
app.command("diagram")(diagram_command)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def complaint(result: Result) -> str:
    """The one line on standard error of a wrong use."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    return str(result.stderr).removeprefix("serverfsm: ").rstrip()


# --- one picture


@pytest.mark.parametrize("form", TEXTS)
def test_it_prints_what_the_library_writes(form: str) -> None:
    result = run("lifecycle", "--format", form)
    assert result.exit_code == 0
    assert result.stdout_bytes == draw("lifecycle").to_bytes(form)


@LAYOUT
def test_svg_is_what_one_gets_without_asking() -> None:
    result = run("lifecycle")
    assert result.exit_code == 0
    assert ET.fromstring(result.stdout).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_subject_a_rulebook_and_a_manual_are_heeded() -> None:
    result = run(
        "role",
        "member",
        "--rulebook",
        "nova-34",
        "--format",
        "markdown",
        "--manual",
        "https://example.org/m",
    )
    assert result.exit_code == 0
    assert "rulebook nova-34" in result.stdout
    assert "(<https://example.org/m/reference/states/active.html>)" in result.stdout


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("a.mmd", b"stateDiagram"), ("a.xstate.json", b"{"), ("a.json", b"{"), ("a.dot", b"digraph")],
)
def test_the_suffix_of_the_file_says_the_format(
    tmp_path: Path, name: str, beginning: bytes
) -> None:
    path = tmp_path / name
    assert run("lifecycle", "--output", str(path)).exit_code == 0
    assert beginning in path.read_bytes()
    assert path.read_bytes() == draw("lifecycle").to_bytes(
        {"a.mmd": "mermaid", "a.xstate.json": "xstate", "a.json": "json", "a.dot": "dot"}[name]
    )


def test_format_is_stronger_than_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    assert run("lifecycle", "--format", "mermaid", "--output", str(path)).exit_code == 0
    assert path.read_text("utf-8") == draw("lifecycle").to_text("mermaid")


@LAYOUT
def test_an_image_goes_into_a_pipe() -> None:
    result = run("lifecycle", "--format", "png")
    assert result.exit_code == 0
    assert result.stdout_bytes.startswith(b"\x89PNG")


@pytest.mark.parametrize("form", ["png", "pdf"])
def test_an_image_is_not_put_on_a_terminal(form: str) -> None:
    program = "import typer; from serverfsm.cli import diagram as d; typer.run(d.diagram_command)"
    reader, writer = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, "lifecycle", "--format", form],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(writer)
        with pytest.raises(OSError, match="Input/output"):  # nothing was written, and it is closed
            os.read(reader, 1)
    finally:
        os.close(reader)
    assert done.returncode == 2
    assert done.stderr == f"serverfsm: {form} is no text for a terminal: give --output FILE\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lifecyle",), "unknown view 'lifecyle'; did you mean 'lifecycle'?"),
        (("zzz",), "unknown view 'zzz'; valid: lifecycle, state"),
        (("role", "nobody"), "unknown role 'nobody'"),
        (("role",), "unknown role ''; valid: "),
        (("lifecycle", "ACTIVE"), "'ACTIVE'"),
        (("lifecycle", "--format", "gif"), "unknown format 'gif'; valid: dot, svg"),
        (("matrix", "--format", "mermaid"), "mermaid cannot show a grid; these can: "),
        (("lifecycle", "--output", "x.foo"), "unknown format 'x.foo'; valid: .dot"),
        (("lifecycle", "--format", "dot", "--output", "/nowhere/x.dot"), "cannot write /nowhere"),
        (("lifecycle", "--format", "dot", "--manual", "javascript:x"), "--manual must be relative"),
        (("lifecycle", "--all", "x"), "--all takes no VIEW"),
        (("--all", "x", "--format", "dot"), "--all takes no VIEW"),
        (("coverage", "no-such-file"), "no-such-file"),
    ],
)
def test_wrong_use_is_told_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    assert said in complaint(run(*arguments))
    assert not Path("x").exists()


def test_a_folder_is_no_file_to_write_to(tmp_path: Path) -> None:
    result = run("lifecycle", "--format", "dot", "--output", str(tmp_path))
    assert "cannot write" in complaint(result)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_drawn_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> bytes:
        raise MissingPackageError("graphviz", "diagrams", "a picture")

    monkeypatch.setattr("serverfsm.diagram.drawing.Drawing.to_bytes", missing)
    path = tmp_path / "a.svg"
    path.write_text("before")
    assert "pip install 'serverfsm[diagrams]'" in complaint(run("lifecycle", "--output", str(path)))
    assert [each.name for each in tmp_path.iterdir()] == ["a.svg"]
    assert path.read_text() == "before"


def test_a_file_that_cannot_be_replaced_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "replace", full)
    path = tmp_path / "a.dot"
    path.write_text("before")
    assert "No space left" in complaint(run("lifecycle", "--output", str(path)))
    assert [each.name for each in tmp_path.iterdir()] == ["a.dot"]
    assert path.read_text() == "before"


def test_without_a_view_it_lists_views_subjects_and_formats() -> None:
    result = run()
    assert result.exit_code == 0
    words = set(re.split(r"[\s,]+", result.stdout))
    assert words >= {*VIEWS, *FORMATS}
    assert words >= {*subjects("role"), *subjects("action"), *subjects("family")}


# --- the whole set


FILES = {"a.svg": b"<svg/>", "b/c.dot": b"digraph {}", "README.md": b"# index"}


def in_folder(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_gets_the_files_and_their_list(tmp_path: Path) -> None:
    assert write_folder(tmp_path / "new" / "set", FILES) == ()
    found = in_folder(tmp_path / "new" / "set")
    assert json.loads(found.pop(MANIFEST))["files"] == sorted(FILES)
    assert found == FILES


def test_files_of_an_earlier_run_are_removed_and_others_stay(tmp_path: Path) -> None:
    write_folder(tmp_path, FILES)
    (tmp_path / "notes.svg").write_text("mine")
    assert write_folder(tmp_path, {"a.svg": b"<svg>2</svg>"}) == ("README.md", "b/c.dot")
    found = in_folder(tmp_path)
    assert json.loads(found.pop(MANIFEST))["files"] == ["a.svg"]
    assert found == {"a.svg": b"<svg>2</svg>", "notes.svg": b"mine"}


def test_a_file_that_somebody_else_wrote_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("of the project")
    with pytest.raises(ValueError, match=r"README\.md was not written by an earlier run"):
        write_folder(tmp_path, FILES)
    assert in_folder(tmp_path) == {"README.md": b"of the project"}


@pytest.mark.parametrize(
    "names", [["../outside"], ["/etc/passwd"], ["a/../../outside"], [7], ["c:\\x"], "text", None]
)
def test_a_list_that_names_files_elsewhere_is_not_heeded(tmp_path: Path, names: object) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "outside").write_text("stays")
    (folder / MANIFEST).write_text(json.dumps({"files": names}))
    if names == "text":  # each letter would be a name
        write_folder(folder, FILES)
    else:
        with pytest.raises(ValueError, match="is no list of an earlier run"):
            write_folder(folder, FILES)
        assert [path.name for path in folder.iterdir()] == [MANIFEST]
    assert (tmp_path / "outside").read_text() == "stays"


def test_a_list_that_is_no_json_is_told(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(ValueError, match="is no list of an earlier run"):
        write_folder(tmp_path, FILES)


def test_a_run_cut_short_is_made_good_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, {"old.svg": b"old"})
    real, left = os.replace, [3]

    def failing(*paths: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(28, "No space left on device")
        real(*paths)

    monkeypatch.setattr(writing.os, "replace", failing)
    with pytest.raises(OSError, match="No space left"):
        write_folder(tmp_path, FILES)
    monkeypatch.undo()
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
    assert write_folder(tmp_path, {"other.svg": b"x"}) == ("a.svg", "old.svg")
    assert in_folder(tmp_path).keys() == {MANIFEST, "other.svg"}


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    def few() -> Iterator[Picture]:
        yield Picture("small", "lifecycle", SMALL)
        yield Picture("grid", "matrix", GRID)

    monkeypatch.setattr(collected, "pictures", few)


@LAYOUT
@pytest.mark.usefixtures("_few")
def test_all_writes_pictures_and_indexes(tmp_path: Path) -> None:
    folder = tmp_path / "diagrams"
    assert run("--all", str(folder)).exit_code == 0
    found = in_folder(folder)
    assert found.keys() == {
        "README.md",
        "index.html",
        MANIFEST,
        "small.svg",
        "small.dot",
        "small.mmd",
        "grid.svg",
        "grid.dot",
        "grid.md",
    }
    assert found["small.mmd"] == SMALL.to_bytes("mermaid")
    readme, page = found["README.md"].decode(), found["index.html"].decode()
    for text in (readme, page):
        assert set(re.findall(r"(?:src=\"|href=\"|\]\()([\w.-]+)", text)) == (
            found.keys() - {"README.md", "index.html", MANIFEST}
        )
    assert "![A small picture: 5 states; made by hand](small.svg)" in readme
    assert 'alt="A small picture: 5 states; made by hand"' in page
    assert all(stat.S_ISREG(path.stat().st_mode) for path in folder.iterdir())


@LAYOUT
@pytest.mark.usefixtures("_few")
def test_where_a_picture_is_too_large_for_mermaid_the_index_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collected, "MAX_EDGES", 3)
    files = collection()
    assert "small.mmd" not in files
    assert "No Mermaid: it would pass the limit" in files["README.md"].decode()
    assert "No Mermaid" in files["index.html"].decode()


@pytest.mark.usefixtures("_few")
def test_all_without_a_layout_program_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> bytes:
        raise MissingPackageError("graphviz", "diagrams", "a picture")

    monkeypatch.setattr("serverfsm.diagram.drawing.Drawing.to_bytes", missing)
    assert "serverfsm[diagrams]" in complaint(run("--all", str(tmp_path / "set")))
    assert not (tmp_path / "set").exists()


@cache
def all_pictures() -> list[Picture]:
    return list(pictures())


def test_the_set_has_every_role_family_and_status_and_its_names_are_unique() -> None:
    found = all_pictures()
    names = [picture.name for picture in found]
    assert len({name.casefold() for name in names}) == len(names)
    for view in ("role", "family"):
        drawn = [picture for picture in found if picture.view == view]
        assert len(drawn) == len(list(subjects(view)))
    assert {"lifecycle", "lifecycle-nova-34", "matrix", "matrix-nova-34"} <= set(names)
    assert {"deviations", "full", "state-ACTIVE", "state-ERROR"} <= set(names)


def test_what_is_written_as_mermaid_is_within_githubs_limits() -> None:
    drawn = [picture.drawing for picture in all_pictures() if isinstance(picture.drawing, Diagram)]
    sizes = [(len(each.to_text("mermaid")), edge_count(each), each.title) for each in drawn]
    large = [size for size in sizes if size[0] > MAX_CHARACTERS or size[1] > MAX_EDGES]
    assert len(large) <= 2, large


@WHOLE
def test_the_whole_set_is_of_a_sensible_size(tmp_path: Path) -> None:
    assert run("--all", str(tmp_path / "set")).exit_code == 0
    found = in_folder(tmp_path / "set")
    assert sum(map(len, found.values())) < 6 * 2**20
    assert run("--all", str(tmp_path / "set")).exit_code == 0
    assert in_folder(tmp_path / "set") == found
