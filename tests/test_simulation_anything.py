"""`Simulation`: anything at all, in any order; what must then hold."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from serverfsm import (
    API_REFERENCE,
    ActionName,
    PowerState,
    Server,
    Simulation,
    TaskState,
    VmState,
)
from serverfsm.lifecycle import State
from serverfsm.running import DONE, PROGRESS, words
from serverfsm.step import OVERTAKEN, Step
from tests.simulating import BOOKS, SETTINGS, USUAL, events_of, live_runs, pair, replay

# --- anything at all


UUIDS = st.sampled_from(("a", "b", "c"))
HOSTS = st.sampled_from(("host-1", "host-2"))
FAILURES = [
    (row.name, word) for row in API_REFERENCE for word in words(row) if word not in (DONE, PROGRESS)
]


class Anything(RuleBasedStateMachine):
    """Every method in any order."""

    @initialize(
        seed=st.integers(0, 99),
        rulebook=st.sampled_from(BOOKS),
        options=st.sampled_from(SETTINGS),
        failure_rate=st.sampled_from((0, 0, 0.3, 1)),
    )
    def begin(self, **arguments: Any) -> None:
        self.simulation = Simulation(**arguments)
        self.put: dict[str, Server] = {}
        self.excused: set[str] = set()  # whose task nobody may be working on

    @rule(uuid=UUIDS, host=HOSTS, volume_backed=st.booleans())
    def create(self, uuid: str, host: str, volume_backed: bool) -> None:
        is_there = uuid in list(self.simulation)
        step = self.simulation.create(uuid, host=host, volume_backed=volume_backed)
        assert step.verdict is not None
        assert step.verdict.allowed is not is_there
        if not is_there:
            self.excused.discard(uuid)

    @rule(uuid=UUIDS, action=st.sampled_from(ActionName))
    def ask(self, uuid: str, action: ActionName) -> None:
        if uuid in self.simulation._lives:
            before = self.simulation.server(uuid)
            step = self.simulation.request(uuid, action, actor="admin")
            assert step.verdict is not None
            if not step.verdict.allowed and self.simulation.server(uuid) != before:
                self.excused.add(uuid)  # written before it was refused

    @rule(
        uuid=UUIDS, action=st.sampled_from((*USUAL, "shelve", "unshelve", "delete", "reboot:HARD"))
    )
    def ask_as_usual(self, uuid: str, action: str) -> None:
        if uuid in self.simulation._lives:
            self.simulation.request(uuid, action)

    @rule(uuid=UUIDS, order=st.sampled_from(FAILURES), at=st.none() | st.sampled_from(TaskState))
    def fail(self, uuid: str, order: tuple[ActionName, str], at: TaskState | None) -> None:
        self.simulation.fail(uuid, *order, at=at)

    @rule(uuid=UUIDS)
    def hold(self, uuid: str) -> None:
        if uuid in self.simulation._lives:
            self.simulation.hold(uuid)

    @rule(uuid=UUIDS)
    def release(self, uuid: str) -> None:
        if uuid in self.simulation._lives:
            self.simulation.release(uuid)

    @rule(uuid=UUIDS, power=st.sampled_from(PowerState))
    def guest(self, uuid: str, power: PowerState) -> None:
        if uuid in self.simulation._lives:
            self.simulation.guest(uuid, power)

    @rule(host=HOSTS, guests=st.none() | st.sampled_from(PowerState))
    def host_down(self, host: str, guests: PowerState | None) -> None:
        self.simulation.host_down(host, guests=guests)
        lives = self.simulation._lives.values()
        self.excused |= {life.uuid for life in lives if life.host.startswith(host)}

    @rule(host=HOSTS)
    def host_up(self, host: str) -> None:
        self.simulation.host_up(host)

    @rule(seconds=st.sampled_from((0, 1, 3, 60, 700)))
    def run_on(self, seconds: float) -> None:
        before = self.simulation.now
        self.simulation.run(seconds)
        assert self.simulation.now == before + seconds

    @rule()
    def settle(self) -> None:
        self.simulation.settle()
        simulation = self.simulation
        for run in live_runs(simulation):
            assert run.life.held or run.host in simulation._down
            assert run in run.life.parked

    @invariant()
    def what_is_shown_is_the_server(self) -> None:
        for uuid in self.simulation:
            document = self.simulation.show(uuid)
            assert document is not None
            assert Server.from_api(document) == self.simulation.server(uuid)

    @invariant()
    def a_busy_server_is_worked_on(self) -> None:
        working = live_runs(self.simulation)
        for uuid in self.simulation:
            server = self.simulation.server(uuid)
            if server.task_state is None or uuid in self.excused or self._is_left(uuid):
                continue
            assert any(
                run.life.uuid == uuid and pair(run.last) == pair(server) for run in working
            ), (uuid, server, events_of(self.simulation, uuid))

    def _is_left(self, uuid: str) -> bool:
        """Whether the table says that the task is left behind."""
        history = [event.step for event in self.simulation.history if event.uuid == uuid]
        server = self.simulation.server(uuid)
        first = len(history) - 1
        while first and pair_of(history[first - 1]) == pair(server):
            first -= 1
        for step in history[first:]:
            name, _, word = step.event.rpartition(".")
            if word == OVERTAKEN or step.event == "instance_build_timeout":
                return True
            if name in list(ActionName) and word not in (DONE, PROGRESS):
                row = self.simulation.rulebook[ActionName(name)]
                if any(each.name == word and each.left is not None for each in row.failures):
                    return True
        return False

    @invariant()
    def idle_servers_are_left_alone(self) -> None:
        """Work without a task_state there is only where a row has such a step, or none at all."""
        for run in live_runs(self.simulation):
            if run.last.task_state is None:
                row = self.simulation.rulebook[run.action]
                paths = [outcome.path for outcome in row.success]
                assert () in paths or (VmState.BUILDING, None) in {s for p in paths for s in p}

    @invariant()
    def no_work_is_done_twice(self) -> None:
        """As many runs stand where the server stands as requests led there, and no more."""
        working = Counter(
            run.life.uuid for run in live_runs(self.simulation) if pair(run.last) == pair_now(run)
        )
        for uuid, number in working.items():
            steps = [event.step for event in self.simulation.history if event.uuid == uuid]
            begun = sum(step.then is not None and not is_later(step) for step in steps)
            ended = sum(step.verdict is None and step.then is None for step in steps)
            assert number <= begun
            if not any("resetState" in step.event for step in steps) and number > 1:
                here = [
                    step for step in steps if step.server and pair_of(step) == pair_of(steps[-1])
                ]
                assert number <= sum(step.then is not None for step in here), (begun, ended)

    def teardown(self) -> None:
        if hasattr(self, "simulation"):
            replay(self.simulation)


def is_later(step: Step) -> bool:
    return step.event.endswith(f".{PROGRESS}")


def pair_of(step: Step) -> State | None:
    return None if step.server is None else pair(step.server)


def pair_now(run: Any) -> State:
    return pair(run.life.server)


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
