"""`accept` and `advance` against what the real Nova 34.0.0 did: every stored run, save by save.

The runs are in `data/nova-34-runs.json.gz`; `nova/runs.py` measured them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from serverfsm import (
    NOVA_34,
    ActionName,
    ComputeDriver,
    ImpossibleEventError,
    Options,
    PowerState,
    Rulebook,
    Server,
    Step,
    TaskState,
    accept,
    follow,
)
from serverfsm.rows import EffectKind
from serverfsm.step import attempt

sys.path.insert(0, str(Path(__file__).parent / "nova"))
from trajectories import Run, load

# The fake hypervisor, and the same with guests that do as libvirt's do.
DRIVERS = {"fake": ComputeDriver.FAKE, "true": ComputeDriver.LIBVIRT}
# What a run calls by one name, and the table by another or by several.
ALIASES = {
    ("os-start", "guest-missing"): ("driver-error",),
    ("os-stop", "guest-missing"): ("driver-error",),
    ("shelveOffload", "guest-missing"): ("driver-error",),
    ("trigger_crash_dump", "not-implemented"): ("driver-error",),
    ("confirmResize", "driver-error"): ("driver-error", "allocation-delete-failed"),
    ("revertResize", "driver-error"): ("driver-error", "source-driver-error"),
    ("revertResize", "not-implemented"): ("not-implemented", "source-not-implemented"),
    ("delete", "driver-error"): ("driver-error", "confirm-failed", "allocation-delete-failed"),
    ("forceDelete", "driver-error"): ("driver-error", "confirm-failed", "allocation-delete-failed"),
    ("create", "driver-error"): ("driver-error", "reschedule-exhausted"),
    ("os-migrateLive", "no-host"): ("pre-check-failed",),
    ("os-migrateLive:host", "no-host"): ("pre-check-failed",),
    ("os-migrateLive", "post-migration-failed"): ("post-migration-failed", "destination-failed"),
    ("os-migrateLive:host", "post-migration-failed"): (
        "post-migration-failed",
        "destination-failed",
    ),
    ("os-migrateLive", "rolled-back"): ("rolled-back", "rolled-back-in-transfer"),
    ("os-migrateLive:host", "rolled-back"): ("rolled-back", "rolled-back-in-transfer"),
    ("unshelve", "guest-missing"): ("driver-error",),
    ("os-migrateLive", "not-submitted"): ("not-submitted", "not-started"),
    ("os-migrateLive:host", "not-submitted"): ("not-submitted", "not-started"),
}
# Sent to the compute service of a host that is none.
LOST = {("rebuild", "no-host")}
# Conditions under which a run succeeds all the same, in the same way or by the snapshot's columns.
CONDITIONS = {"host-down", "no-host", "guest-missing-respawned", "rotation-failed"}
Saved = tuple[str, str | None, int]


@cache
def runs() -> tuple[Run, ...]:
    return tuple(load())


def rulebook_of(run: Run) -> Rulebook:
    options = {name: value for name, value in run.options.items() if "." not in name}
    return NOVA_34.having(Options(compute_driver=DRIVERS[run.guests], **options))


def server_of(run: Run) -> Server | None:
    """The server as the run found it."""
    if run.action == "create":
        return None
    if run.vm_state is None:  # it was buried in cell 0, whose rows are not read
        return Server("error", launched=False, host=False)
    never_built = "build-failed" in run.origin or "no-valid-host" in run.origin
    hostless = never_built or run.vm_state == "shelved_offloaded"
    hostless |= run.failure in ("host-down", "no-host")
    powers = [int(each.removeprefix("guest is ")) for each in run.injected if each[-1:].isdigit()]
    if names(run) == ("done",):
        powers = []  # Nova looks at the record alone
    before = "stopped" if run.origin.endswith("<stopped") else "active"
    return Server(
        run.vm_state,
        run.task_state,
        PowerState([*powers, run.power_state or 0][0]),
        launched=not never_built and run.vm_state != "building",
        host=not hostless,
        volume_backed=run.backing == "volume",
        vm_state_before_resize=before if run.vm_state == "resized" else None,
    )


def predictions(run: Run) -> Iterator[tuple[Step, ...]]:
    """Every course that the library knows for such a run: a failure may strike at several steps."""
    book, server = rulebook_of(run), server_of(run)
    row = book[ActionName(run.action)]
    said = {"actor": "admin", "microversion": run.version, "rulebook": book}
    if run.failure == "messages-lost" or (run.action, run.failure) in LOST or not row.sources.run:
        yield (accept(server, run.action, **said),)
        return
    for failure in names(run):
        for at in (None, *row.during):
            if run.action == "create":
                for times in range(4):  # Nova tries three hosts by default
                    yield from built((*["rescheduled"] * times, failure), at, said)
                continue
            try:
                yield follow(server, run.action, failure=failure, at=at, **said)
            except ImpossibleEventError:
                continue


def built(
    failures: tuple[str, ...], at: TaskState | None, said: dict[str, Any]
) -> Iterator[tuple[Step, ...]]:
    """A creation in which these failures strike, one after the other, if they can."""
    steps = [accept(None, "create", **said)]
    for failure in (*failures, "done"):
        while steps[-1].then is not None and steps[-1].server is not None:
            now = steps[-1].server
            words = [failure] if at in (None, now.task_state) or failure == "done" else []
            for word in dict.fromkeys((*words, "progress", "done")):
                step = attempt(now, f"create.{word}", rulebook=said["rulebook"])
                if step is not None:
                    break
            assert step is not None
            steps.append(step)
            if word == failure:
                break
    if all(any(step.event == f"create.{each}" for step in steps) for each in failures):
        yield tuple(steps)


def names(run: Run) -> tuple[str, ...]:
    """What the table calls what happened in this run."""
    if run.failure is None:
        return ("done",)
    if (run.action, run.failure) in ALIASES:
        return ALIASES[run.action, run.failure]
    is_retried = run.failure == "rescheduled" and run.action != "create"
    is_condition = is_retried or run.failure in CONDITIONS or run.failure.endswith("-ignored")
    return ("done",) if is_condition else (run.failure,)


def codes(steps: tuple[Step, ...], run: Run) -> set[int]:
    """With what the request may be answered; a call whose message is lost is answered 500."""
    assert steps[0].verdict is not None
    row, last = NOVA_34[ActionName(run.action)], steps[-1].event
    accepted = steps[0].verdict.code
    failed = [each for each in row.failures if last == f"{run.action}.{each.name}"]
    lost = {500} if run.failure == "messages-lost" else set()
    return {each.answer or accepted for each in failed} or {accepted} | lost


def saves(run: Run, steps: tuple[Step, ...]) -> list[Saved]:
    """What is saved after the state it begins with, none twice in a row."""
    servers = [each for step in steps for each in (*step.passing, step.server)]
    states = [_state(each) for each in servers if each is not None]
    if run.guests == "true":  # only libvirt's own driver waits before it uploads
        states = [each for each in states if "pending_upload" not in str(each[1])]
    first = server_of(run)
    if not states:
        return []
    begin = states[0] if first is None else _state(first)
    found = [after for before, after in pairwise([begin, *states]) if after != before]
    return [begin, *found] if first is None else found


def _state(server: Server) -> Saved:
    task = server.task_state and str(server.task_state)
    return str(server.vm_state), task, int(server.power_state)


def observed(run: Run) -> list[Saved]:
    return [entry[1:] for entry in run.log if entry[0] == "row"]


def effects(steps: tuple[Step, ...]) -> dict[EffectKind, list[str]]:
    return {
        kind: [each.value for step in steps for each in step.effects if each.kind is kind]
        for kind in (EffectKind.MIGRATION, EffectKind.IMAGE)
    }


def observed_effects(run: Run) -> dict[EffectKind, list[str]]:
    return {
        kind: [entry[1] for entry in run.log if entry[0] == kind.value]
        for kind in (EffectKind.MIGRATION, EffectKind.IMAGE)
    }


def lagging(run: Run) -> bool:
    """Whether the record's power state was made wrong, so that it says nothing."""
    return any("guest is" in each for each in run.injected)


def agrees(run: Run, steps: tuple[Step, ...]) -> bool:
    ours, theirs = saves(run, steps), observed(run)
    if ("gone",) in run.log and ours and ours[-1][:2] == ("deleted", None):
        # Nobody sees the vm_state of a record that is deleted; Nova does not always save it.
        ours = ours[:-1]
        theirs = [each for each in theirs if each[:2] != ("deleted", None)]
    if lagging(run):
        ours, theirs = pairs(ours), pairs(theirs)
    same_effects = effects(steps) == observed_effects(run)
    return ours == theirs and same_effects and run.code in codes(steps, run)


def pairs(states: list[Saved]) -> list[Saved]:
    """The states without their power state, none twice in a row."""
    found = [(*each[:2], 0) for each in states]
    return [each for at, each in enumerate(found) if at == 0 or each != found[at - 1]]


def explained(run: Run) -> str | None:
    """Why the library need not say what Nova did; None where it must."""
    verdict = next(predictions(run))[0].verdict if names(run) == ("done",) else None
    if verdict is not None and verdict.maybe:
        return "the verdict is a maybe"
    if run.code >= 400 and not observed(run) and run.failure not in CONDITIONS:
        return "refused for what lies outside the server: a quota, an image, a console type"
    if run.failure == "image-create-failed":
        return "the effect is that of acceptance, and comes before the failure"
    if run.failure == "no-host" and run.request:
        return "which image is asked for is not known to the library"
    if "(no-host)" in run.origin and run.action in ("delete", "forceDelete"):
        return "destroyed at once; the library shows what a host that is down does"
    if run.request == "rotation-0":
        return "the backups that are rotated away are not the server's state"
    return None


def difference(run: Run) -> str | None:
    if explained(run) is not None:
        return None
    found = list(predictions(run))
    if any(agrees(run, steps) for steps in found):
        return None
    lines = [f"{run.action} {run.request} {run.origin} {run.backing} {run.version} {run.failure}"]
    lines += [f"  {run.injected} {run.guests} {dict(run.options)}"]
    lines += [f"  nova:    {run.code} {observed(run)} {list(observed_effects(run).values())}"]
    for steps in found:
        said = f"{codes(steps, run)} {saves(run, steps)} {list(effects(steps).values())}"
        lines += [f"  library: {said}"]
    return "\n".join(dict.fromkeys(lines))


def test_all_runs_are_there() -> None:
    assert len(runs()) >= 1_500
    assert len({run.key for run in runs()}) == len(runs())
    assert {run.action for run in runs()} >= {
        row.name.value for row in NOVA_34 if row.sources.run and row.removed is None
    }


@pytest.mark.parametrize("action", sorted({run.action for run in runs()}))
def test_nova_34_does_so(action: str) -> None:
    asked = [run for run in runs() if run.action == action]
    different = [text for run in asked if (text := difference(run)) is not None]
    assert not different, f"{len(different)} of {len(asked)}, such as:\n" + "\n".join(different[:9])


def test_explanations_are_few() -> None:
    """What is explained away must stay the exception that it is."""
    assert sum(explained(run) is not None for run in runs()) <= 66
