"""`advance` and `tick` against what the real Nova 34.0.0 did of itself: every stored scenario.

The scenarios are in `data/nova-34-events.json.gz`; `nova/events.py` measured them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from serverfsm import (
    NOVA_34,
    ActionName,
    ComputeDriver,
    Options,
    PowerState,
    Server,
    Step,
    TaskState,
    advance,
    check,
)
from serverfsm.clock import period, tick
from serverfsm.rows import Moment
from serverfsm.step import attempt, overtakings
from serverfsm.unprompted import TIMERS

sys.path.insert(0, str(Path(__file__).parent / "nova"))
from happenings import Happening, load

BOOK = NOVA_34.having(Options(compute_driver=ComputeDriver.FAKE))
Pair = tuple[str, str | None]


@cache
def happenings(kind: str) -> tuple[Happening, ...]:
    return tuple(each for each in load() if each.kind == kind)


def to_the_end(step: Step) -> Iterator[Server]:
    """Every server that a step and the work that follows it show."""
    while step.server is not None:
        yield from step.passing
        yield step.server
        if step.then is None:
            return
        words = (f"{step.then}.progress", f"{step.then}.done")
        found = [attempt(step.server, word, rulebook=BOOK) for word in words]
        step = next(each for each in found if each is not None)


def pairs(begin: Server, shown: Iterator[Server]) -> list[Pair]:
    """The states that are saved after the one it begins with, none twice in a row."""
    servers = [begin, *shown]
    states = [(str(each.vm_state), each.task_state and str(each.task_state)) for each in servers]
    return [after for before, after in pairwise(states) if after != before]


def predicted(happening: Happening, event: str) -> list[Pair]:
    server = Server(happening.given["vm_state"], happening.given["task_state"], PowerState.RUNNING)
    return pairs(server, to_the_end(advance(server, event, rulebook=BOOK)))


def observed(happening: Happening) -> list[Pair]:
    """The states that Nova saved; a record that is deleted counts as one with that vm_state."""
    begin: Pair = (happening.given["vm_state"], happening.given["task_state"])
    gone = any(entry == ("gone",) for entry in happening.log)
    rows = [begin, *happening.rows, *([("deleted", None)] if gone else [])]
    return [after for before, after in pairwise(rows) if after != before]


def different(kind: str, event: str) -> list[str]:
    return [
        f"{happening}\n  library: {ours}"
        for happening in happenings(kind)
        if not happening.given.get("with")
        and (ours := predicted(happening, f"{event}.{happening.given['guest']}"))
        != observed(happening)
    ]


def test_a_compute_service_restarts() -> None:
    """12 vm_states x 43 task_states x 3 states of the guest."""
    assert sum(not each.given["with"] for each in happenings("restart")) == 12 * 43 * 3
    wrong = different("restart", "compute-restart")
    assert not wrong, f"{len(wrong)}, such as\n" + "\n".join(wrong[:5])


# --- the power-state sync

LOCKS = {None: {}, "owner": {"locked": True, "locked_by": "owner"}}
LOCKS["admin"] = {"locked": True, "locked_by": "admin"}
Saved = tuple[str, str | None, int]


def saves(begin: Server, shown: Iterator[Server]) -> list[Saved]:
    """The states and the power state that are saved, as `pairs`."""
    states = [
        (str(each.vm_state), each.task_state and str(each.task_state), int(each.power_state))
        for each in [begin, *shown]
    ]
    return [after for before, after in pairwise(states) if after != before]


def power_of(guest: str) -> PowerState:
    return PowerState.__members__.get(guest, PowerState.NOSTATE)


def test_the_power_states_are_compared() -> None:
    """Every vm_state x every state of the guest, record right and wrong, and with tasks."""
    wrong = []
    asked = [each for each in happenings("power-sync") if not each.given["with"]]
    assert len(asked) > 12 * 6 * 2
    for happening in asked:
        given, guest = happening.given, power_of(happening.given["guest"])
        other = PowerState.SHUTDOWN if guest is PowerState.RUNNING else PowerState.RUNNING
        power = guest if given["row"] == "same" else other
        server = Server(given["vm_state"], given["task_state"], power, **LOCKS[given["lock"]])
        step = advance(server, f"power-sync.{guest.name}", rulebook=BOOK)
        # What Nova stores at once and what it begins then are one step here.
        stored = replace(server, power_state=step.server.power_state)
        ours = saves(server, iter([stored, *to_the_end(step)]))
        theirs = [entry[1:] for entry in happening.log if entry[0] == "row"]
        if ours != theirs:
            wrong.append(f"{happening}\n  library: {ours}")
    assert not wrong, f"{len(wrong)}, such as\n" + "\n".join(wrong[:5])


# --- the timers

MOMENTS = {
    Moment.CREATED: "instances.created_at",
    Moment.UPDATED: "instances.updated_at",
    Moment.LAUNCHED: "instances.launched_at",
    Moment.DELETED: "instances.deleted_at",
    Moment.SHELVED: "system_metadata.shelved_at",
    Moment.MIGRATED: "migrations.updated_at",
}
BY_OPTION = {timer.option: timer for timer in TIMERS}


def times(given: Mapping[str, Any]) -> dict[Moment, float]:
    """When each moment was, where now is 0."""
    ages = {
        moment: given["age"] if given["since"] in ("all", column) else given["others"]
        for moment, column in MOMENTS.items()
    }
    return {moment: -age for moment, age in ages.items() if age is not None}


def test_timers_strike_when_nova_s_do() -> None:
    """Each timer: each timestamp alone, just before and just after, each pair of states, locks."""
    wrong = []
    asked = [each for each in happenings("timer") if not each.given["with"]]
    assert len(asked) > 6 * 12 * 43
    for happening in asked:
        given = happening.given
        timer = BY_OPTION[given["option"]]
        book = BOOK.having(replace(BOOK.options, **{timer.option: given["value"]}))
        since = times(given)
        server = Server(
            given["vm_state"],
            given["task_state"],
            PowerState.RUNNING,
            launched=Moment.LAUNCHED in since,
            **LOCKS[given["lock"]],
        )
        step = tick(server, 0, since, timers=(timer,), rulebook=book)
        ours = pairs(server, to_the_end(step))
        if ours != observed(happening):
            wrong.append(f"{happening}\n  library: {ours}")
    assert not wrong, f"{len(wrong)}, such as\n" + "\n".join(wrong[:12])


def test_nova_looks_as_often_as_the_table_says() -> None:
    for happening in happenings("timer"):
        given = happening.given
        spacing = [entry[1] for entry in happening.log if entry[0] == "spacing"]
        if spacing:
            polled = [each for each in TIMERS if given["option"] in (each.option, each.poll_option)]
            options = BOOK.options
            if given["option"] in {each.poll_option for each in TIMERS}:
                options = replace(options, **{given["option"]: given["value"]})
            for timer in polled[:1]:
                ours = period(timer, options)
                assert (spacing[0] or 60 if ours else spacing[0]) == ours, happening


# --- overlapping requests

VARIANTS = ("delete:reclaim", "shelve:offload", "shelve:keep")  # of the scenario, not the action


@dataclass(frozen=True)
class Overlap:
    """One overlap: where the first request's work was, what it then found, what it saved."""

    happening: Happening
    held: Pair
    found: Pair
    is_gone: bool
    saved: tuple[Pair, ...]

    @property
    def first(self) -> ActionName:
        name: str = self.happening.given["first"]
        return ActionName(name.partition(":")[0] if name in VARIANTS else name)

    @property
    def explained(self) -> bool:
        """Whether it shows what the library keeps no track of."""
        given = self.happening.given
        # The confirmation inside of a delete, and a delete inside of a confirmation.
        confirms = given["first"] == "delete" and given["from"] == "VERIFY_RESIZE"
        confirms |= self.first is ActionName.CONFIRM_RESIZE and self.found != ("error", None)
        # The conductor gives up, which saves the task_state alone.
        return confirms or (given["at"], given["second"]) == (
            "cast conductor.live_migrate_instance",
            "evacuate",
        )


def overlaps() -> Iterator[Overlap]:
    for happening in happenings("overlap"):
        if happening.given["order"] == "second":
            continue  # the work of the second request goes first: the first finds it done
        begun = ("resized", None) if happening.given["first"] == "confirmResize" else ("", None)
        moments: dict[str, Pair] = {}
        now: Pair = begun
        saved: list[Pair] = []
        is_gone = False
        for name, *values in happening.log:
            if name == "row":
                now = (values[0], values[1])
                if "released" in moments and "delivered" not in moments:
                    saved.append(now)
            elif name == "gone":
                is_gone = is_gone or "released" not in moments
            elif name in ("held", "released", "delivered"):
                moments[name] = now
        if moments.get("held", begun) != moments["released"]:
            found = moments["released"]
            rows = [after for before, after in pairwise([found, *saved]) if after != before]
            yield Overlap(happening, moments.get("held", begun), found, is_gone, tuple(rows))


def foretold(overlap: Overlap) -> list[tuple[Pair, ...]]:
    """What the library knows that such work may save."""
    given = overlap.happening.given
    server = Server(
        *overlap.found,
        PowerState.SHUTDOWN if "SHUTOFF" in given["from"] else PowerState.RUNNING,
        host=given["from"] != "SHELVED_OFFLOADED",
        deleted=overlap.is_gone,
    )
    at = None if overlap.held[1] is None else TaskState(overlap.held[1])
    return [
        tuple(pairs(server, to_the_end(step)))
        for step in overtakings(server, overlap.first, at, rulebook=BOOK)
    ]


def test_overtaken_work_saves_what_nova_s_does() -> None:
    wrong, right = [], Counter[str]()
    for overlap in overlaps():
        saved, known = overlap.saved, foretold(overlap)
        shorter = saved
        if ":reclaim" in overlap.happening.given["second"] and saved[-1:] == (("deleted", None),):
            shorter = saved[:-1]  # of a server that never ran, the delete itself follows
        if saved in known or shorter in known:
            right[overlap.first] += 1
        elif not overlap.explained:
            wrong.append(f"{overlap}\n  library: {known}")
    assert not wrong, f"{len(wrong)}, such as\n" + "\n".join(wrong[:5])
    assert right.total() >= 430
    assert len(right) >= 20


def test_overlaps_explained_away_are_few() -> None:
    assert sum(each.explained for each in overlaps()) <= 40


# --- lost races

CHANGES: dict[str, dict[str, Any]] = {
    "resetState:error": {"vm_state": "error"},
    "resetState:active": {"vm_state": "active"},
    "stopped": {"vm_state": "stopped"},
    "locked": {"locked": True, "locked_by": "owner"},
    "locked by admin": {"locked": True, "locked_by": "admin"},
    "deleted": {"deleted": True},
}


SAME_AS = {
    "rebuild:other-image": "rebuild",
    "unshelve:no-availability_zone": "unshelve:availability_zone",
}


def test_whoever_loses_a_race_in_nova_loses_it_by_the_guard() -> None:
    """What Nova's own compare-and-swap refuses, the verdict's refuses; it sees more than Nova's.

    Nova looks at the task_state alone when it saves: a vm_state that was reset meanwhile, or a
    lock, it does not see.
    """
    lost = kept = noticed = 0
    for happening in happenings("race"):
        given = happening.given
        if not given["change"]:
            continue
        server = Server(
            given["vm_state"],
            launched=given["vm_state"] != "building",
            volume_backed=given["backing"] == "volume",
        )
        name: str = SAME_AS.get(given["action"], given["action"])
        book = BOOK
        if name == "delete:reclaim":
            name, book = "delete", BOOK.having(replace(BOOK.options, reclaim_instance_interval=60))
        actor = given.get("actor", "admin")
        verdict = check(server, name, actor=actor, rulebook=book)
        if verdict.guard is None:
            continue
        change = CHANGES.get(given["change"], {"task_state": given["change"]})
        holds = verdict.guard.holds(replace(server, **change))
        code = next(entry[1] for entry in happening.log if entry[0] == "answer")
        if code >= 400:
            assert not holds, happening
            lost += 1
        elif "task_state" in change:
            assert holds, happening
            kept += 1
        elif not holds:
            noticed += 1
    assert (lost > 400, kept > 400, noticed > 200) == (True, True, True), (lost, kept, noticed)
