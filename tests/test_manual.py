"""The manual is built once, offline, and what comes of it is looked at: pages, links, names.

The build takes about a minute and runs in a process of its own, on a copy of `docs/`.
"""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

import serverfsm
from serverfsm import ActionName, Status, TaskState, VmState
from serverfsm.deviations import DEVIATIONS
from serverfsm.unprompted import TIMERS

pytest.importorskip("myst_parser", reason="the manual takes the extra docs")
pytest.importorskip("furo", reason="the manual takes the extra docs")

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
COMMAND = ("-j", "auto", "-W", "--keep-going", "-b", "html", "docs", "html")


class Manual(NamedTuple):
    """The manual as it was built."""

    folder: Path
    complaints: str
    exit_status: int


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Manual:
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return _built(tmp_path_factory.mktemp("manual"))
    # Under xdist each worker asks for the manual, and the first builds it for all.
    folder = tmp_path_factory.getbasetemp().parent / f"manual-{run}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _built(folder)


def _built(folder: Path) -> Manual:
    result, html = folder / "result.json", folder / "html"
    if not result.exists():
        left_out = shutil.ignore_patterns("_build", "reference", "__pycache__")
        shutil.copytree(DOCS, folder / "docs", ignore=left_out)
        shutil.copy(ROOT / "CHANGELOG.md", folder)
        done = subprocess.run(
            [sys.executable, "-m", "sphinx", "-q", *COMMAND],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "http_proxy": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT)},
        )
        result.write_text(json.dumps([done.stderr, done.returncode]), "utf-8")
    return Manual(html, *json.loads(result.read_text("utf-8")))


class _Reader(HTMLParser):
    """What of a page other pages refer to, and what it refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("script", "img", "iframe", "source") and "src" in given:
            self.loads.append(given["src"])
        if tag == "link" and {"stylesheet", "icon", "preload"} & set(given.get("rel", "").split()):
            self.loads.append(given["href"])

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@cache
def read(file: Path) -> _Reader:
    reader = _Reader()
    reader.feed(file.read_text("utf-8"))
    return reader


def pages(manual: Manual) -> Iterator[Path]:
    """Every page but those that Sphinx makes without content."""
    own = {"genindex.html", "search.html", "py-modindex.html"}
    return (file for file in sorted(manual.folder.rglob("*.html")) if file.name not in own)


def text(manual: Manual, page: str) -> str:
    return re.sub(r"\s+", " ", "".join(read(manual.folder / page).words))


def file_name(word: str) -> str:
    return word.replace(":", ".")


# ------------------------------------------------------------------------- the build


def test_it_builds_without_a_warning(manual: Manual) -> None:
    assert (manual.complaints.strip(), manual.exit_status) == ("", 0)


def test_the_build_leaves_nothing_in_its_source(manual: Manual) -> None:
    assert not (manual.folder.parent / "docs" / "reference").exists()


def test_links_and_anchors_hold(manual: Manual) -> None:
    broken = []
    seen = 0
    for file in pages(manual):
        for link in read(file).links:
            address, anchor = urldefrag(link)
            if urlsplit(address).scheme:
                continue
            seen += 1
            target = (file.parent / unquote(address)).resolve() if address else file
            if not target.exists():
                broken.append(f"{file.name}: {link}")
            elif target.suffix == ".html" and unquote(anchor) not in read(target).anchors | {""}:
                broken.append(f"{file.name}: {link}: no such anchor")
    assert not broken
    assert seen > 1000


def test_pages_load_nothing_from_elsewhere(manual: Manual) -> None:
    for file in pages(manual):
        outside = [source for source in read(file).loads if urlsplit(source).netloc]
        assert not outside, file.name
    for sheet in manual.folder.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text("utf-8"))


# ------------------------------------------------------------------------- the pages


def test_the_first_page_is_the_way_of_two_minutes(manual: Manual) -> None:
    said = text(manual, "index.html")
    begin = said.index("Two minutes")
    order = ["pip install", "serverfsm check RESCUE os-stop", "unrescue first", "import Server"]
    places = [said.index(words, begin) for words in order]
    assert places == sorted(places)
    assert places[-1] < said.index("Where to go on", begin)


@pytest.mark.parametrize("name", ActionName, ids=str)
def test_every_action_has_its_page(manual: Manual, name: ActionName) -> None:
    row = serverfsm.API_REFERENCE[name]
    said = text(manual, f"reference/actions/{file_name(name.value)}.html")
    assert name.value in said
    assert row.title in said
    for source in row.sources.cited():
        assert source in said
    for failure in row.failures:
        assert failure.name in said
    for guard in row.guards:
        assert guard.value in said
    for parameter in row.parameters:
        assert parameter.name in said
    for deviation in DEVIATIONS:
        assert deviation.name in said or deviation.action is not name


@pytest.mark.parametrize("vm_state", VmState, ids=str)
def test_every_vm_state_has_its_page(manual: Manual, vm_state: VmState) -> None:
    said = text(manual, f"reference/states/{file_name(vm_state.value)}.html")
    assert str(vm_state.__doc__) in said
    for name in ActionName:  # allowed or not, each is there
        assert name.value in said, name


@pytest.mark.parametrize("status", Status, ids=str)
def test_every_status_has_its_page(manual: Manual, status: Status) -> None:
    said = text(manual, f"reference/statuses/{file_name(status.value)}.html")
    assert str(status.__doc__) in said
    for name in ActionName:
        assert name.value in said, name


def test_the_lists_are_whole(manual: Manual) -> None:
    for page, words in (
        ("reference/actions/index.html", ActionName),
        ("reference/states/index.html", [*VmState, *Status]),
        ("reference/task-states.html", TaskState),
        ("reference/deviations.html", [each.name for each in DEVIATIONS]),
        ("reference/unprompted.html", [each.option for each in TIMERS]),
    ):
        said = text(manual, page)
        assert not [word for word in words if str(word) not in said], page


def test_messages_are_those_that_verdicts_have(manual: Manual) -> None:
    said = text(manual, "reference/messages.html")
    for message in ("Instance {id} is locked", "Policy doesn't allow {rule} to be performed."):
        assert message in said
    with_label = "Cannot '{label}' instance {id} while it is in {attribute} {have}"
    assert with_label in said


def test_timers_of_the_operator_s_page() -> None:
    page = (DOCS / "operate.md").read_text("utf-8")
    for timer in TIMERS:
        assert re.search(rf"^\| `{timer.option}` \| {timer.default}\b", page, re.M), timer.option


def test_where_nova_s_own_page_disagrees(manual: Manual) -> None:
    said = text(manual, "reference/vm-states.html")
    data = json.loads((DOCS / "_data" / "nova-vm-states.json").read_text("utf-8"))
    assert len(data["commands"]) == 20
    # Counted by others, against the decorators of Nova's source.
    assert "20 commands in its table 13 are accepted in other states than it says" in said
    assert said.count("disagrees") - said.count("page disagrees") == 13


@pytest.mark.parametrize(
    "page",
    [
        "reference/index.html",
        "reference/vm-states.html",
        *(f"reference/actions/{file_name(name.value)}.html" for name in ActionName),
        *(f"reference/states/{vm_state.value}.html" for vm_state in VmState),
    ],
)
def test_pictures_are_drawn(manual: Manual, page: str) -> None:
    markup = (manual.folder / page).read_text("utf-8")
    figure = re.search(r"<figure[^>]*serverfsm-diagram.*?</figure>", markup, re.DOTALL)
    assert figure is not None
    assert "<svg" in figure[0]
    assert "<title" in figure[0]


# -------------------------------------------------------------------- the API reference


@cache
def inventory(folder: Path) -> dict[str, dict[str, Any]]:
    from sphinx.util.inventory import InventoryFile

    content = (folder / "objects.inv").read_bytes()
    return dict(InventoryFile.loads(content, uri="").data)


@cache
def public_modules() -> frozenset[str]:
    """Modules that the package takes its names from, and that examples import from."""
    found = {f"serverfsm.{home}" for home in serverfsm._HOMES.values()}
    found |= {"serverfsm.check", "serverfsm.requests", "serverfsm.rulebook"}
    imports = re.compile(r"from (serverfsm\.[\w.]+) import (\w+)")
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for module, name in imports.findall(page.read_text("utf-8")):
            inner = f"{module}.{name}"
            is_package = hasattr(importlib.import_module(module), "__path__")
            is_module = is_package and importlib.util.find_spec(inner) is not None
            found.add(inner if is_module else module)
    return frozenset(found)


def test_every_public_name_is_documented(manual: Manual) -> None:
    known = {
        name
        for kind, names in inventory(manual.folder).items()
        if kind[:3] == "py:"
        for name in names
    }
    missing = []
    modules = ["serverfsm", *sorted(public_modules())]
    for module in map(importlib.import_module, modules):
        missing += [
            f"{module.__name__}.{name}"
            for name in _public(module)
            if not known & {f"{home}.{name}" for home in _homes(module, name)}
            if name != "__version__"
        ]
    assert not missing
    assert public_modules() <= known


def _public(module: Any) -> list[str]:
    """What it lists; where it lists nothing, the classes that it defines."""
    own = [each for each in vars(module).values() if isinstance(each, type)]
    return getattr(module, "__all__", None) or [
        each.__name__ for each in own if each.__module__ == module.__name__
    ]


def _homes(module: Any, name: str) -> set[str]:
    """The modules under which a name may be documented: where it is, and where it comes from."""
    found = getattr(module, name)
    also = {home for home in public_modules() if _given(home, name) is found}
    return also | {module.__name__, str(getattr(found, "__module__", ""))}


def _given(module: str, name: str) -> object:
    return getattr(importlib.import_module(module), name, None)
