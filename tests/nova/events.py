"""Measure what happens without a request, or across requests: `nova-34-events.json.gz`.

    python tests/nova/events.py [--only KIND ...] [--jobs N] [--output FILE]
    python tests/nova/events.py --sample N --seed S --output FILE

The first measures all scenarios of these kinds (of all kinds), and keeps the others that the file
has; the second measures N stored ones of each kind, drawn at random. `happenings.py` describes the
file and reads it; `restart.py`, `timers.py`, `overlaps.py` and `races.py` have the scenarios. With
two cores of its own it takes about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import overlaps
import races
import restart
import stage as stages  # before nova: it patches the process
import timers
from happenings import PATH, load

Given = dict[str, Any]
Log = list[list[Any]]
Result = tuple[str, Given, Log]


@dataclass(frozen=True)
class Kind:
    """How one kind of scenario is measured."""

    scenarios: Callable[[], Iterator[Given]]
    prepare: Callable[[stages.Stage], Any]
    run: Callable[[stages.Stage, Any, Given], Log]


KINDS: Mapping[str, Kind] = {
    "restart": Kind(restart.restarts, restart.make_server, restart.restart),
    "power-sync": Kind(restart.syncs, restart.make_server, restart.sync),
    "timer": Kind(timers.scenarios, timers.prepare, timers.run),
    "overlap": Kind(overlaps.scenarios, overlaps.prepare, overlaps.run),
    "race": Kind(races.scenarios, races.prepare, races.run),
}
Task = tuple[str, int]


def tasks(kinds: Sequence[str]) -> list[Task]:
    """Return all scenarios of these kinds, each as its kind and number."""
    return [(name, number) for name in kinds for number, _ in enumerate(KINDS[name].scenarios())]


def sample(wanted: Sequence[Task], number: int, seed: int) -> list[Task]:
    """Return so many of the stored scenarios of each kind."""
    draw = random.Random(seed)
    stored = {(happening.kind, json.dumps(happening.given)) for happening in load()}
    given = {
        name: [json.dumps(each) for each in KINDS[name].scenarios()]
        for name in {kind for kind, _ in wanted}
    }
    wanted = [(name, index) for name, index in wanted if (name, given[name][index]) in stored]
    drawn = []
    for name in dict.fromkeys(kind for kind, _ in wanted):
        of_kind = [task for task in wanted if task[0] == name]
        drawn += sorted(draw.sample(of_kind, min(number, len(of_kind))))
    return drawn


def measure(wanted: Sequence[Task]) -> Iterator[tuple[str, int, Log]]:
    """Start a Nova and yield what happens in these scenarios."""
    with stages.staged() as stage:
        empty = stage.cloud.snapshot()
        for name in dict.fromkeys(kind for kind, _ in wanted):
            began = time.monotonic()
            kind = KINDS[name]
            empty()
            prepared = kind.prepare(stage)
            numbers = {number for each, number in wanted if each == name}
            for number, given in enumerate(kind.scenarios()):
                if number in numbers:
                    yield name, number, kind.run(stage, prepared, given)
                    stage.cloud.forget_notifications()
            seconds = time.monotonic() - began
            print(f"{name}: {len(numbers)} in {seconds:.0f} s", file=sys.stderr, flush=True)


def run(wanted: Sequence[Task], jobs: int) -> list[Result]:
    """Measure these scenarios in `jobs` processes."""
    with tempfile.TemporaryDirectory() as directory:
        running = []
        for job in range(min(jobs, len(wanted))):
            share = Path(directory) / f"{job}.json"
            share.write_text(json.dumps(wanted[job::jobs]), encoding="utf-8")
            running.append((share, subprocess.Popen([sys.executable, __file__, "--part", share])))
        codes = [process.wait() for _, process in running]
        if any(codes):
            raise SystemExit("tests/nova/events.py: a process failed")
        found = {
            (kind, number): log
            for share, _ in running
            for kind, number, log in json.loads(share.read_text(encoding="utf-8"))
        }
    given = {name: list(KINDS[name].scenarios()) for name in {kind for kind, _ in found}}
    return [(name, given[name][number], found[name, number]) for name, number in wanted]


def run_part(share: Path) -> None:
    """Measure the scenarios that a file names, and write the results in its place."""
    wanted = [(kind, number) for kind, number in json.loads(share.read_text(encoding="utf-8"))]
    share.write_text(json.dumps(list(measure(wanted))), encoding="utf-8")


def pack(results: Sequence[Result]) -> dict[str, Any]:
    """Return the contents of the file for these results; `happenings.py` describes them."""
    logs: dict[str, int] = {}
    kinds: dict[str, dict[str, Any]] = {}
    for kind, given, log in results:
        stored = kinds.setdefault(kind, {"given": list(given), "scenarios": []})
        index = logs.setdefault(json.dumps(log), len(logs))
        stored["scenarios"].append([*(given[name] for name in stored["given"]), index])
    return {
        "nova": importlib.metadata.version("nova"),
        "kinds": kinds,
        "logs": [json.loads(log) for log in logs],
    }


def write(path: Path, results: Sequence[Result]) -> None:
    """Write the file; the same results give the same bytes."""
    text = json.dumps(pack(results), separators=(",", ":"), ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def kept(path: Path, measured: Sequence[str]) -> list[Result]:
    """Return what the file has of the kinds that were not measured."""
    if not path.is_file():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        data = json.load(file)
    return [
        (kind, dict(zip(stored["given"], values, strict=True)), data["logs"][log])
        for kind, stored in data["kinds"].items()
        if kind not in measured
        for *values, log in stored["scenarios"]
    ]


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description="Measure what happens without a request.")
    parser.add_argument("--only", nargs="+", choices=list(KINDS), help="these kinds")
    parser.add_argument("--sample", type=int, help="measure so many of each kind, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing (0)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--output", type=Path, default=PATH, help="the file to write")
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        run_part(options.part)
        return
    if options.sample and options.output == PATH:
        parser.error("--sample needs --output: the file of all scenarios is not to be overwritten")
    began = time.monotonic()
    kinds = options.only or list(KINDS)
    wanted = tasks(kinds)
    if options.sample:
        wanted = sample(wanted, options.sample, options.seed)
    results = run(wanted, options.jobs)
    if not options.sample:
        results += kept(options.output, kinds)
    order = list(KINDS)
    write(options.output, sorted(results, key=lambda result: order.index(result[0])))
    print(f"{options.output}: {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
