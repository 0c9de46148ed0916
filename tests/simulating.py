"""What the tests of `Simulation` share: servers to begin with, and the proof of a history."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    ComputeDriver,
    Options,
    PowerState,
    Rulebook,
    Server,
    Simulation,
    TaskState,
    VmState,
    accept,
    advance,
)
from serverfsm.lifecycle import State, edges
from serverfsm.simulation import Event
from serverfsm.step import OVERTAKEN, overtakings

BOOKS = (API_REFERENCE, NOVA_34)
SETTINGS = (
    Options(),
    Options(reclaim_instance_interval=60, resize_confirm_window=60, rescue_timeout=100),
    Options(shelved_offload_time=60, shelved_poll_interval=60, instance_build_timeout=90),
    Options(shelved_offload_time=-1, sync_power_state_interval=-1),
    Options(compute_driver=ComputeDriver.FAKE),
)
EVERY = 600  # seconds between two looks at the guests, by default
USUAL = ("pause", "unpause", "os-stop", "os-start", "suspend", "resume", "resize", "confirmResize")


def second(source: random.Random, action: ActionName, task: TaskState | None) -> float:
    return 1


def pair(server: Server) -> State:
    assert server.vm_state is not None
    return server.vm_state, server.task_state


def named(server: Server) -> tuple[str, str | None]:
    vm_state, task = pair(server)
    return vm_state.value, task and task.value


def events_of(simulation: Simulation, uuid: str = "a") -> list[str]:
    return [event.step.event for event in simulation.history if event.uuid == uuid]


def having(server: Server | None = None, **arguments: Any) -> Simulation:
    """A simulation with one server, whose work takes a second for each task_state."""
    simulation = Simulation(duration=second, **arguments)
    simulation.put("a", server or Server("active", power_state=PowerState.RUNNING))
    return simulation


def idle() -> Iterator[Server]:
    """Servers with no task: each vm_state, from image and volume, off and running."""
    for vm_state in VmState:
        for is_volume in (False, True):
            for power in (PowerState.RUNNING, PowerState.SHUTDOWN):
                before = VmState.STOPPED if vm_state is VmState.RESIZED else None
                yield Server(
                    vm_state,
                    power_state=power,
                    volume_backed=is_volume,
                    vm_state_before_resize=before if power is PowerState.SHUTDOWN else None,
                )


@cache
def ends_by_event(rulebook: Rulebook) -> dict[tuple[State | None, str], set[State]]:
    found: dict[tuple[State | None, str], set[State]] = defaultdict(set)
    for edge in edges(rulebook):
        found[edge.start, edge.event].add(edge.end)
    return found


def replay(simulation: Simulation, put: dict[str, Server] | None = None) -> dict[str, Server]:
    """The servers that the history makes of those put there; each step proved on the way."""
    servers = dict(put or {})
    for event in simulation.history:
        before = servers.get(event.uuid)
        after = event.step.server
        if after is None:
            assert before is None or before.deleted
            continue
        _prove(event, before, simulation.rulebook)
        servers[event.uuid] = after
    for uuid, server in servers.items():
        assert simulation.server(uuid) == server
    return servers


def _prove(event: Event, before: Server | None, book: Rulebook) -> None:
    step, after = event.step, event.step.server
    assert after is not None
    verdict = step.verdict
    if verdict is not None:
        if verdict.allowed and (before is None or before.deleted):
            assert step.event == "create"
            before = None
        elif verdict.allowed or after != before:
            assert before is not None
            if after.deleted and not before.deleted:
                before = replace(before, host=False)  # which is down, or was none
        request = verdict.request
        again = accept(
            before,
            step.event,
            actor=request.actor,
            microversion=request.microversion,
            rulebook=book,
        )
        assert again.verdict is not None
        assert (again.verdict.allowed, again.verdict.code) == (verdict.allowed, verdict.code)
        assert again.server is not None
        assert replace(again.server, volume_backed=after.volume_backed) == after
        if not verdict.allowed and after == before:
            return
    elif step.event.endswith(f".{OVERTAKEN}"):
        assert before is not None
        name = ActionName(step.event.removesuffix(f".{OVERTAKEN}"))
        known = [
            found
            for at in (None, *book[name].during)
            for found in overtakings(before, name, at, rulebook=book)
        ]
        assert step in known
        return  # what comes of an overlap is no edge
    else:
        assert before is not None
        assert advance(before, step.event, rulebook=book) == step
    start = None if before is None else pair(before)
    if start != pair(after):
        assert pair(after) in ends_by_event(book)[start, step.event], (start, event)


def all_events(simulation: Simulation) -> set[str]:
    return {event.step.event for event in simulation.history}


def live_runs(simulation: Simulation) -> list[Any]:
    """The work that is not over: it will go on, or waits to."""
    queued = [run for _, _, run, _ in simulation._queue if run is not None]
    parked = [run for life in simulation._lives.values() for run in life.parked]
    return [
        run
        for run in queued + parked
        if simulation._lives[run.life.uuid] is run.life
        and not run.life.server.deleted
        and run.outage == simulation._outages[run.host]
    ]
