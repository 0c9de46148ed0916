"""Every figure beside its target, as plain text: `python tests/benchmarks/report.py`.

Cases take turns, a few hundred microseconds each, so that whatever slows the machine slows them
all; the figure of a case is the least of its medians over blocks of turns. Nothing fails for being
slow.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from serverfsm import API_REFERENCE, NOVA_34, ActionName, Actor, TaskState, VmState
from serverfsm.lifecycle import State, edges
from tests.benchmarks.cases import (
    BARE,
    BARE_ROW,
    Case,
    Figures,
    other_cases,
    table,
    target_table,
    verdict_cases,
    yes_or_no,
)

BLOCKS, TURNS, QUESTIONS = 15, 15, 200
IMPORTS = 40
FASTEST_OF = 3
JUDGED_FROM = 1_000_000

# ----------------------------------------------------------------------------- verdicts


def measure(cases: Sequence[Case]) -> Figures:
    """Return nanoseconds by group and name."""
    runs = [(case, case.compile()) for case in cases]
    for case, run in runs:
        for _ in range(10):
            run(case.rows(QUESTIONS))
    least: Figures = {}
    gc.disable()
    try:
        for _ in range(BLOCKS):
            block: dict[tuple[str, str], list[float]] = {}
            for _, (case, run) in product(range(TURNS), runs):
                rows = case.rows(QUESTIONS)
                began = perf_counter()
                run(rows)
                took = perf_counter() - began
                block.setdefault((case.group, case.name), []).append(took / QUESTIONS * 1e9)
            for key, times in block.items():
                least[key] = min(least.get(key, float("inf")), median(times))
            gc.collect()
    finally:
        gc.enable()
    return least


def verdict_report() -> None:
    """Measure and print all cases, then the targets among them."""
    cases = verdict_cases() + other_cases()
    figures = measure([case for case in cases if not case.skipped])
    lines: list[tuple[str, ...]] = []
    for case in cases:
        what = f"{case.group}: {case.name}"
        if case.skipped:
            lines.append((what, "-", "-", "-"))
            continue
        mine = figures[case.group, case.name]
        peers = (figures.get((case.group, name)) for name in (BARE, BARE_ROW))
        ratios = ("-" if peer is None else f"{mine / peer:.2f}" for peer in peers)
        lines.append((what, f"{mine:.0f}", *ratios))
    print(table(("what", "ns", f"/ {BARE}", f"/ {BARE_ROW}"), lines))
    for reason in sorted({case.skipped for case in cases if case.skipped}):
        print(f"skipped: {reason}")
    print()
    print(target_table(figures))
    print()


# ------------------------------------------------------------------------------- import

OURS, PEER = "serverfsm", "dataclasses, enum, json"
TIMED_IMPORT = "from time import perf_counter as t; a = t(); import {}; print(t() - a)"
FOREIGN = """
import sys
before = set(sys.modules)
import serverfsm
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new - sys.stdlib_module_names - {"serverfsm"}))
"""
FIRST_CHECK = """
from time import perf_counter as t; a = t()
from serverfsm import Server, check
check(Server("active"), "os-stop"); print(t() - a)
"""


def output_of(code: str) -> str:
    """Return what a new interpreter prints that runs this code."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def import_report() -> None:
    """Measure and print what `import serverfsm` costs, and what it loads."""
    alone: dict[str, list[float]] = {OURS: [], PEER: []}
    process: dict[str, list[float]] = {OURS: [], PEER: [], "sys": []}
    first = []
    output_of(f"import {OURS}, {PEER}")  # so that all is compiled
    for _ in range(IMPORTS):
        for modules, times in alone.items():
            times.append(float(output_of(TIMED_IMPORT.format(modules))))
        for modules, times in process.items():
            began = perf_counter()
            output_of(f"import {modules}")
            times.append(perf_counter() - began)
        first.append(float(output_of(FIRST_CHECK)))
    lines: list[tuple[str, ...]] = []
    for what, measured in (("the import alone", alone), ("the whole process", process)):
        mine, peer = median(measured[OURS]), median(measured[PEER])
        both = f"{mine * 1000:.1f} ms", f"{peer * 1000:.1f} ms"
        lines.append((what, *both, f"{mine / peer:.2f}", "<= 1.5", yes_or_no(mine <= peer * 1.5)))
    print(table(("import", OURS, PEER, "ratio", "target", "met"), lines))
    print(
        f"an interpreter that imports nothing: {median(process['sys']) * 1000:.1f} ms; "
        f"the import and a first check: {median(first) * 1000:.1f} ms"
    )
    foreign = output_of(FOREIGN)
    print(f"third-party modules loaded: {foreign or 'none'}; met: {yes_or_no(not foreign)}\n")


# -------------------------------------------------------------------------------- batch

# wait4() tells a child's peak only if the parent is small: a child begins as its parent's copy.
SMALL_PARENT = """
import json, os, sys, time
null = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
began = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=null)
_, status, usage = os.wait4(child, 0)
took = time.perf_counter() - began
peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([took, usage.ru_utime + usage.ru_stime, peak, os.waitstatus_to_exitcode(status)]))
"""


@dataclass(frozen=True)
class Run:
    """One run of the command: seconds on the clock, seconds of work, bytes at the peak."""

    seconds: float
    work: float
    peak: float


def run_batch(path: Path) -> Run:
    """Answer a file of lines."""
    command = [sys.executable, "-m", "serverfsm", "check", "--batch", str(path)]
    small = [sys.executable, "-S", "-c", SMALL_PARENT, *command]
    done = subprocess.run(small, check=True, capture_output=True, text=True)
    seconds, work, peak, status = json.loads(done.stdout)
    if status != 0:
        raise RuntimeError(f"{path.name}: exit status {status} {done.stderr}")
    return Run(seconds, work, peak)


def reachable() -> set[State]:
    """Return every pair of states that a server may come to from its creation."""
    found: set[State | None] = {None}
    before = 0
    while before < len(found):
        before = len(found)
        found |= {edge.end for edge in edges() if edge.start in found}
    return {state for state in found if state is not None}


def realistic_lines(seed: int = 1) -> Iterator[str]:
    """Yield questions as a fleet asks them: mostly of servers at rest, few of locked ones.

    All reachable pairs of states, all actions, three actors.
    """
    chance = random.Random(seed)
    texts = sorted((vm.value, "" if task is None else task.value) for vm, task in reachable())
    resting = [pair for pair in texts if not pair[1]]
    moving = [pair for pair in texts if pair[1]]
    actions = [name.value for name in ActionName]
    actors = [Actor.READER.value, Actor.MEMBER.value, Actor.ADMIN.value]
    while True:
        vm_state, task_state = chance.choice(moving if chance.random() < 0.2 else resting)
        server: dict[str, object] = {
            "vm_state": vm_state,
            "task_state": task_state or None,
            "power_state": 1,
            "locked": chance.random() < 0.05,
            "volume_backed": chance.random() < 0.5,
        }
        if server["locked"]:
            server["locked_by"] = chance.choice(("owner", "admin"))
        asked = {
            "server": server,
            "action": chance.choice(actions),
            "actor": chance.choices(actors, (1, 8, 1))[0],
        }
        yield json.dumps(asked)


def hostile_lines(seed: int = 1) -> Iterator[str]:
    """Yield questions that are hardly ever asked twice: uniform over all that may be said."""
    chance = random.Random(seed)
    vm_states = [vm.value for vm in VmState]
    task_states = [None, *(task.value for task in TaskState)]
    actions = [name.value for name in ActionName]
    actors = [who.value for who in Actor]
    books = [API_REFERENCE.name, NOVA_34.name]
    while True:
        server = {
            "vm_state": chance.choice(vm_states),
            "task_state": chance.choice(task_states),
            "power_state": chance.choice((0, 1, 3, 4, 6, 7)),
            "locked": chance.random() < 0.5,
            "launched": chance.random() < 0.5,
            "host": chance.random() < 0.5,
            "volume_backed": chance.random() < 0.5,
        }
        if server["locked"]:
            server["locked_by"] = chance.choice((None, "owner", "admin"))
        asked = {
            "server": server,
            "action": chance.choice(actions),
            "actor": chance.choice(actors),
            "microversion": f"2.{chance.randint(1, 104)}",
            "rulebook": chance.choice(books),
        }
        yield json.dumps(asked)


def batch_report(count: int) -> None:
    """Measure and print how fast, and in how much memory, `--batch` answers."""
    if importlib.util.find_spec("typer") is None:
        print("batch: skipped, the command line needs typer: pip install 'serverfsm[cli]'")
        return
    lines: list[tuple[str, ...]] = []
    sizes = (count // 10, count // 2, count)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "lines"
        for name, questions in (("realistic", realistic_lines), ("hostile", hostile_lines)):
            is_usual = name == "realistic"
            before = None
            for size in sizes:
                with path.open("w", encoding="utf-8") as file:
                    file.writelines(f"{line}\n" for line in islice(questions(), size))
                runs = [run_batch(path) for _ in range(FASTEST_OF if is_usual else 1)]
                by_clock = size / min(run.seconds for run in runs)
                by_work = size / min(run.work for run in runs)
                peak = max(run.peak for run in runs) / 2**20
                speeds = f"{by_clock:,.0f}", f"{by_work:,.0f}"
                growth = "-" if before is None else f"{peak / before:.2f}"
                is_fast = is_constant = "-"
                if size >= JUDGED_FROM and is_usual:
                    is_fast = yes_or_no(by_work >= 100_000)
                elif size >= JUDGED_FROM and before is not None:
                    is_constant = yes_or_no(peak <= before * 1.1)
                figures = f"{size:,}", *speeds, is_fast, f"{peak:.0f} MiB", growth, is_constant
                lines.append((name, *figures))
                before = peak
    header = ("batch", "lines", "/s", "/CPU s", ">= 100,000", "peak", "/ shorter", "<= 1.1")
    print(table(header, lines))
    print("speed is judged by CPU seconds, start-up included: other processes disturb them less;")
    print(
        "memory by hostile lines, half of which fill all that is remembered; both from a million on"
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Measure serverfsm beside its peers.")
    parser.add_argument(
        "--batch-lines", type=int, default=1_000_000, help="of the longer input (1000000); 0: none"
    )
    parser.add_argument("--only", choices=("verdicts", "import", "batch"), help="this part")
    options = parser.parse_args()
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("transitions", "nova")
        if importlib.util.find_spec(name) is not None
    ]
    print(f"Python {platform.python_version()}, {', '.join(versions)}, {os.cpu_count()} cores\n")
    if options.only in (None, "verdicts"):
        verdict_report()
    if options.only in (None, "import"):
        import_report()
    if options.only in (None, "batch") and options.batch_lines:
        batch_report(options.batch_lines)


if __name__ == "__main__":
    main()
