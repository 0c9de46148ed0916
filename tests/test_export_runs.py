"""The exported table is enough: runs followed by it alone are those that `follow` returns.

`Runs` knows nothing of serverfsm but the JSON document and what its schema says of each key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Actor,
    ImpossibleEventError,
    Options,
    PowerState,
    Rulebook,
    Server,
    TaskState,
    VmState,
    advance,
    check,
    follow,
)
from serverfsm.export import table_document
from serverfsm.states import ComputeDriver
from serverfsm.step import Step, overtakings

Json = dict[str, Any]
SHUTDOWN = 4
NOWHERE: Json = {
    "vm_state": None,
    "task_state": None,
    "power_state": 0,
    "locked": False,
    "locked_by": None,
    "launched": False,
    "host": False,
    "volume_backed": False,
    "vm_state_before_resize": None,
    "deleted": False,
}


def minor(version: str) -> int:
    return int(version.partition(".")[2])


class Runs:
    """Follows runs by the document; a server is a dict, and an administrator asks."""

    def __init__(self, document: Json, options: Json, version: str) -> None:
        self.rows = {row["name"]: row for row in document["actions"]}
        self.reactions = document["reactions"]
        self.options = document["options"] | options
        self.powers = document["power_states"][self.options["compute_driver"]]
        self.version = version

    def holds(self, when: Json, server: Json, origin: str | None = None) -> bool:
        seen = server | {"before_resize": server["vm_state_before_resize"]}
        seen |= {"driver": self.options["compute_driver"], "administrator": True}
        seen |= {f"{key}s": server[key] for key in ("vm_state", "task_state", "power_state")}
        seen["vm_states"] = origin or server["vm_state"]
        for key, wanted in when.items():
            if key in ("since", "until"):
                fits = (minor(self.version) >= minor(wanted)) is (key == "since")
            elif key == "option":
                option, sign, number = wanted.split()
                above = self.options[option] - int(number)
                fits = above > 0 if sign == ">" else above < 0 if sign == "<" else above == 0
            else:
                fits = seen[key] in wanted if isinstance(wanted, list) else seen[key] == wanted
            if not fits:
                return False
        return True

    def first(self, ways: list[Json], server: Json, origin: str | None = None) -> Json | None:
        return next((way for way in ways if self.holds(way.get("when", {}), server, origin)), None)

    def moved(self, server: Json, vm_state: str, task_state: str | None) -> Json:
        power = server["power_state"]
        if vm_state != server["vm_state"]:
            power = self.powers.get(vm_state, power)
        return server | {"vm_state": vm_state, "task_state": task_state, "power_state": power}

    def reached(self, server: Json, end: str) -> str:
        ends = {"ORIGIN": server["vm_state"], "GONE": "deleted"}
        ends["POWER_STATE"] = "stopped" if server["power_state"] == SHUTDOWN else "active"
        ends["BEFORE_RESIZE"] = server["vm_state_before_resize"] or "active"
        return ends.get(end, end)

    def passing(self, server: Json, rows: list[Json], before: Json | None = None) -> list[Json]:
        shown = [server]
        for row in rows:
            if row.get("before") == before:
                now, vm_state, task = shown[-1], row["vm_state"], row.get("task_state")
                vm_state = self.reached(server if vm_state == "ORIGIN" else now, vm_state)
                now = self.moved(now, vm_state, server["task_state"] if task == "kept" else task)
                shown.append(now | {"power_state": row.get("power", now["power_state"])})
        return shown[1:]

    def ended(self, server: Json, outcome: Json, *, failed: bool = False) -> Json:
        end, left = self.reached(server, outcome["end"]), outcome.get("left")
        gone, power = outcome["end"] == "GONE", server["power_state"]
        if not failed and outcome["end"] != "ORIGIN" and not outcome.get("keeps_power"):
            power = self.powers.get(end, power)
        before = server["vm_state"]
        if before == "resized":
            before = server["vm_state_before_resize"]
        return server | {
            "vm_state": end,
            "task_state": server["task_state"] if left == "kept" else left,
            "power_state": power,
            "launched": server["launched"] or end == "active",
            "host": not gone and end != "shelved_offloaded" and (server["host"] or end == "active"),
            "vm_state_before_resize": before if end == "resized" else None,
            "deleted": gone,
        }

    def step(self, was: Json, shown: list[Json], said: list[Json]) -> Json:
        held = [(e["kind"], e["value"]) for e in said if self.holds(e.get("when", {}), was)]
        return {"shown": shown, "effects": held}

    def accepted(self, name: str, server: Json) -> Json:
        write = self.first(self.rows[name]["writes"], server) or {"set": {}}
        shown = [] if server is NOWHERE else self.passing(server, write.get("passing", []))
        shown = [each | {"power_state": server["power_state"]} for each in shown]
        return self.step(server, [*shown, server | write["set"]], write.get("effects", []))

    def struck(self, row: Json, server: Json, outcome: Json) -> Json:
        shown = self.passing(server, outcome.get("passing", []))
        power = {"power_state": (shown or [server])[-1]["power_state"]}
        failed = outcome["name"] != "done"
        after = self.ended(server | power, outcome, failed=failed)
        if failed and server["task_state"] in row.get("hosted_at", []):
            after["host"] = False
        return self.step(server, [*shown, after], outcome.get("effects", []))

    def follow(
        self, name: str, server: Json, failure: str = "done", at: str | None = None
    ) -> list[Json] | None:
        """Every step of a run; None if the failure does not strike on it, or not there."""
        row, steps = self.rows[name], [self.accepted(name, server)]
        now = steps[-1]["shown"][-1]
        origin, outcomes = now["vm_state"], row["outcomes"]
        way = self.first([each for each in outcomes if each["name"] == "done"], now)
        assert way is not None
        if way.get("ends_with_acceptance"):
            return steps if failure == "done" else None
        path, place = way.get("path", [None]), 0
        while place < len(path):
            due: Json | None = way if place + 1 == len(path) and failure == "done" else None
            if failure != "done" and at in (None, now["task_state"]):
                named = [each for each in outcomes if each["name"] == failure]
                here = [each for each in named if path[place] in each.get("path", [path[place]])]
                due = self.first(here, now, origin)
            if due is not None:
                steps.append(self.struck(row, now, due))
                now = steps[-1]["shown"][-1]
                if not due.get("goes_on"):
                    return steps
                pairs = [(each["vm_state"] or origin, each["task_state"]) for each in path]
                place, failure = pairs.index((now["vm_state"], now["task_state"])), "done"
                continue
            place += 1
            if place < len(path):
                vm_state, task = path[place]["vm_state"], path[place]["task_state"]
                shown = self.passing(now, way.get("passing", []), path[place])
                after = self.moved((shown or [now])[-1], vm_state or now["vm_state"], task)
                after["host"] = after["host"] or task in row.get("hosted_at", [])
                steps.append(self.step(now, [*shown, after], row.get("effects", {}).get(task, [])))
                now = after
        return None

    def overtaken(self, name: str, server: Json, at: str | None) -> list[Json]:
        found = []
        for each in self.rows[name].get("overtaken", []):
            steps = each.get("path", [{"task_state": at}])
            is_there = at in [step["task_state"] for step in steps]
            if is_there and self.holds(each.get("when", {}), server):
                shown = self.passing(server, each.get("passing", []))
                power = {"power_state": (shown or [server])[-1]["power_state"]}
                after = self.ended(server | power, each)
                found.append(self.step(server, [*shown, after], each.get("effects", [])))
        return found or [self.step(server, [server], [])]

    def react(self, occasion: str, server: Json, guest: int) -> tuple[Json, str | None]:
        seen = {"vm_states": server["vm_state"], "task_states": server["task_state"]}
        seen["guest"] = guest
        row = next(
            each
            for each in self.reactions
            if each["name"] == occasion
            and all(value in each.get(key, [value]) for key, value in seen.items())
        )
        server = server | ({"power_state": guest} if row.get("stores_power") else {})
        shown = self.passing(server, row.get("passing", []))
        after = self.ended(server, {"end": "ORIGIN"} | row)
        return self.step(server, [*shown, after], row.get("effects", [])), row.get("then")


# --- the comparison

CLOUDS = [
    (rulebook, driver, Options(compute_driver=driver, **options))
    for rulebook in (API_REFERENCE, NOVA_34)
    for driver in ComputeDriver
    for options in ({}, {"reclaim_instance_interval": 3600, "shelved_offload_time": -1})
]
IN_EVERY_CLOUD = pytest.mark.parametrize(
    ("rulebook", "options"),
    [(rulebook, options) for rulebook, _, options in CLOUDS],
    ids=[
        f"{rulebook.name}-{driver.name}-{'reclaiming' if options.reclaim_instance_interval else ''}"
        for rulebook, driver, options in CLOUDS
    ],
)
DOCUMENTS = {
    book.name: json.loads(json.dumps(table_document(book))) for book in (API_REFERENCE, NOVA_34)
}


def runs(rulebook: Rulebook, options: Options, version: str = "2.104") -> Runs:
    given = {name: getattr(options, name) for name in Options.__dataclass_fields__}
    return Runs(DOCUMENTS[rulebook.name], given, version)


def shown(server: Server | None) -> Json:
    if server is None:
        return NOWHERE
    return {key: getattr(server, key) for key in NOWHERE}


def seen(step: Step) -> Json:
    states = [shown(server) for server in (*step.passing, step.server)]
    return {"shown": states, "effects": [(each.kind, each.value) for each in step.effects]}


def idle() -> Iterator[Server | None]:
    yield None
    for vm_state, volume, host in product(VmState, (False, True), (True, False)):
        is_resized = vm_state is VmState.RESIZED
        befores = (VmState.ACTIVE, VmState.STOPPED, None) if is_resized else (None,)
        powers = (PowerState.RUNNING, PowerState.SHUTDOWN)
        for before, power in product(befores, powers):
            yield Server(
                vm_state,
                power_state=power,
                host=host,
                volume_backed=volume,
                vm_state_before_resize=before,
            )


def endings(rulebook: Rulebook, name: ActionName) -> Iterator[tuple[str, TaskState | None]]:
    yield "done", None
    row = rulebook[name]
    for failure in dict.fromkeys(each.name for each in row.failures):
        for at in (None, *row.during):
            yield failure, at


@IN_EVERY_CLOUD
def test_runs_by_the_document_are_those_of_the_library(
    rulebook: Rulebook, options: Options
) -> None:
    """Every accepted request of an idle server: to success, and to each failure at each task."""
    book, compared, struck = rulebook.having(options), 0, set()
    for name, server in product(ActionName, idle()):
        version = "2.1" if book[name].until else "2.104"
        by_document = runs(rulebook, options, version)
        asked = {"actor": Actor.ADMIN, "microversion": version, "rulebook": book}
        if not check(server, name, **asked).allowed:
            continue
        for failure, at in endings(book, name):
            found = by_document.follow(name.value, shown(server), failure, at)
            try:
                steps = follow(server, name, failure=failure, at=at, **asked)
            except ImpossibleEventError:
                assert found is None, (name, server, failure, at)
                continue
            assert found == [seen(step) for step in steps], (name, server, failure, at)
            compared += 1
            struck.add((name, failure))
    assert compared > 1000
    never = {(row.name, each.name) for row in book for each in row.failures} - struck
    # Whether a server is deleted softly depends on the options, and so what can fail.
    assert {name for name, _ in never} == {ActionName.DELETE}


@pytest.mark.parametrize("version", ["2.94", "2.95"])
def test_runs_that_depend_on_the_microversion(version: str) -> None:
    for book, vm_state in product((API_REFERENCE, NOVA_34), ("active", "stopped", "error")):
        server = Server(vm_state, power_state=PowerState.RUNNING)
        steps = follow(server, "evacuate", actor="admin", microversion=version, rulebook=book)
        found = runs(book, Options(), version).follow("evacuate", shown(server))
        assert found == [seen(step) for step in steps]


@pytest.mark.parametrize("driver", ComputeDriver)
def test_what_was_overtaken_is_that_of_the_library(driver: ComputeDriver) -> None:
    options = Options(compute_driver=driver)
    by_document, book = runs(NOVA_34, options), NOVA_34.having(options)
    for row in book:
        places = dict.fromkeys((None, *row.during)) if row.overtaken else ()
        for at, vm_state, task in product(places, VmState, (None, *TaskState)):
            for host, power in ((True, PowerState.RUNNING), (False, PowerState.SHUTDOWN)):
                server = Server(vm_state, task, power, host=host)
                steps = overtakings(server, row.name, at, rulebook=book)
                found = by_document.overtaken(row.name.value, shown(server), at)
                assert found == [seen(step) for step in steps], (row.name, at, server)


@IN_EVERY_CLOUD
def test_reactions_are_those_of_the_library(rulebook: Rulebook, options: Options) -> None:
    by_document, book = runs(rulebook, options), rulebook.having(options)
    states = product(VmState, (None, *TaskState), PowerState)
    for occasion, (vm_state, task, guest) in product(("power-sync", "compute-restart"), states):
        server = Server(vm_state, task, PowerState.PAUSED)
        step = advance(server, f"{occasion}.{guest.name}", rulebook=book)
        found = by_document.react(occasion, shown(server), guest)
        assert found == (seen(step), step.then), (occasion, server, guest)
