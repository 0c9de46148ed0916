"""`Simulation`: any number of servers on a virtual clock, for mocks and tests.

It schedules and remembers; what happens to a server is decided by `step.py` and `clock.py`.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from serverfsm.clock import period, stamped, tick
from serverfsm.errors import UnknownActionError, UnknownEventError, UnknownServerError, shown
from serverfsm.options import Options
from serverfsm.requests import LATEST, ActionName, Actor, Microversion, action_names
from serverfsm.rows import Action, Moment
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.running import DONE, PROGRESS
from serverfsm.server import Server
from serverfsm.states import PowerState, TaskState, power_state
from serverfsm.step import Step, accept, attempt, overtake
from serverfsm.unprompted import TIMERS

__all__ = ["Event", "Simulation"]

Duration = Callable[[random.Random, ActionName, TaskState | None], float]


class Event(NamedTuple):
    """Something that happened.

    Attributes:
        time: when, in seconds.
        uuid: the server's.
        step: what it was and what came of it.
    """

    time: float
    uuid: str
    step: Step


@dataclass(slots=True)
class _Life:
    """What is known of one server."""

    server: Server
    guest: PowerState
    host: str
    times: dict[Moment, float] = field(default_factory=dict)
    held: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """The work of an accepted request: how it left the server, and how it is to fail."""

    uuid: str
    action: ActionName
    microversion: Microversion
    last: Server
    outage: int  # how often the host had gone down when it began
    failure: str = DONE
    at: TaskState | None = None


def short(source: random.Random, action: ActionName, task: TaskState | None) -> float:
    """Between one and five seconds, whatever the task_state."""
    return source.uniform(1, 5)


class Simulation:
    """Servers, their guests, and the work that is under way, on a clock that only you move.

    Two simulations with the same arguments that are asked the same have the same history. What a
    verdict assumes (`Verdict.assumes`) holds, save that hosts may go down.

    Args:
        seed: of the random source for durations and failures.
        rulebook, options: as elsewhere; timers run as the options say.
        duration: how many seconds a task_state lasts: called with the random source, the action
            and the task_state; by default between one and five.
        failure_rate: how probable it is that an accepted request fails, 0 to 1; with which of
            its row's failures, and where, is drawn.
        now: where the clock begins, in seconds.

    Attributes:
        now: the time.
        history: everything that happened, refusals too, in order.

    >>> simulation = Simulation(seed=7)
    >>> simulation.create("a").verdict.code
    202
    >>> simulation.settle()
    >>> simulation.server("a").status
    <Status.ACTIVE: 'ACTIVE'>
    >>> simulation.guest("a", PowerState.SHUTDOWN)  # it shuts itself down, and nobody knows yet
    >>> simulation.run(600)
    >>> simulation.settle()
    >>> simulation.server("a").status
    <Status.SHUTOFF: 'SHUTOFF'>
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        rulebook: Rulebook = API_REFERENCE,
        options: Options | None = None,
        duration: Duration = short,
        failure_rate: float = 0,
        now: float = 0,
    ) -> None:
        self.now = now
        self.history: list[Event] = []
        self.rulebook = rulebook.having(options)
        self._random = random.Random(seed)
        self._duration = duration
        self._failure_rate = failure_rate
        self._lives: dict[str, _Life] = {}
        self._down: set[str] = set()
        self._outages: Counter[str] = Counter()
        self._ordered: dict[tuple[str, ActionName], list[tuple[str, TaskState | None]]]
        self._ordered = defaultdict(list)
        self._parked: dict[str, list[_Run]] = defaultdict(list)
        self._queue: list[tuple[float, int, _Run | None, int]] = []
        self._pushed = self._working = 0
        for number in range(len(TIMERS)):
            self._look_later(number)

    # ----------------------------------------------------------------------------- servers

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids of all servers that are not gone, in the order of creation."""
        return (uuid for uuid, life in self._lives.items() if not life.server.deleted)

    def server(self, uuid: str) -> Server:
        """Return a server's snapshot; of one that is gone the last, with `deleted` set.

        Raises:
            UnknownServerError: there never was one of this uuid.
        """
        return self._life(uuid).server

    def show(self, uuid: str) -> dict[str, Any] | None:
        """Return what GET /servers/{id} says of its state; None where that answers 404."""
        life = self._lives.get(uuid)
        return None if life is None or life.server.deleted else life.server.to_api()

    def put(self, uuid: str, server: Server, *, host: str = "host-1") -> None:
        """Put a server there as it is, in the place of one of that uuid; no work is under way."""
        self._lives[uuid] = _Life(server, server.power_state, host, dict.fromkeys(Moment, self.now))

    def create(
        self,
        uuid: str,
        *,
        host: str = "host-1",
        volume_backed: bool = False,
        actor: Actor | str = Actor.MEMBER,
        microversion: Microversion | str = LATEST,
    ) -> Step:
        """Ask for a new server, which then is built; return the answer.

        Args:
            uuid: of your choice. Where a server of this uuid exists, the request is a conflict.
            host: where it is to run.
            volume_backed: whether its root disk is a volume.
            actor, microversion: as `check`.
        """
        life = self._lives.get(uuid)
        present = None if life is None or life.server.deleted else life.server
        name, book = ActionName.CREATE, self.rulebook
        step = accept(present, name, actor=actor, microversion=microversion, rulebook=book)
        if step.server is None or step.then is None:
            self.history.append(Event(self.now, uuid, step))
            return step
        server = replace(step.server, volume_backed=volume_backed)
        step = replace(step, server=server)
        self._lives[uuid] = _Life(server, PowerState.NOSTATE, host)
        self._take(uuid, step, Microversion(microversion))
        return step

    def request(
        self,
        uuid: str,
        action: ActionName | str,
        *,
        actor: Actor | str = Actor.MEMBER,
        microversion: Microversion | str = LATEST,
    ) -> Step:
        """Send a request; its work begins if it is accepted.

        Raises:
            UnknownServerError: there never was a server of this uuid.
            UnknownActionError, UnknownActorError, UnknownMicroversionError: as `check`.
        """
        life, names = self._life(uuid), action_names(action)
        is_down = life.host in self._down
        rows = [self.rulebook[name] for name in names]
        seen = life.server
        if is_down and all(_deletes(row) for row in rows):
            seen = replace(seen, host=False)  # what no host answers for, Nova deletes by itself
        book = self.rulebook
        step = accept(seen, action, actor=actor, microversion=microversion, rulebook=book)
        if step.verdict is None or not step.verdict.allowed:
            self.history.append(Event(self.now, uuid, step))
            return step
        if all(_leaves_dead_host(row) for row in rows):
            life.host = f"{life.host}, evacuated"
        self._take(uuid, step, Microversion(microversion))
        return step

    # ------------------------------------------------------------ what goes wrong, and waits

    def fail(
        self, uuid: str, action: ActionName | str, failure: str, *, at: TaskState | None = None
    ) -> None:
        """Have the next accepted request for this action on this server fail.

        Args:
            uuid: the server's.
            action: one action; of a key with variants, a variant.
            failure: a failure of its row.
            at: the task_state at which it strikes; None: the first at which it can. Where it
                cannot strike on the server's way, the request succeeds.

        Raises:
            UnknownActionError: as `check`, or for a key that has several variants.
            UnknownEventError: the row has no such failure.
        """
        name, *others = action_names(action)
        if others:
            raise UnknownActionError(action, (name, *others), f"say which: {name} …")
        known = [each.name for each in self.rulebook[name].failures]
        if failure not in known:
            raise UnknownEventError(f"{name}.{failure}", [f"{name}.{each}" for each in known])
        self._ordered[uuid, name].append((failure, at))

    def hold(self, uuid: str) -> None:
        """Keep the work on a server where it is, until `release`."""
        self._life(uuid).held = True

    def release(self, uuid: str) -> None:
        """Let held work go on."""
        self._life(uuid).held = False
        self._resume(uuid)

    def guest(self, uuid: str, power: PowerState | int) -> None:
        """Have the guest change by itself; Nova learns of it at the next power-state sync."""
        self._life(uuid).guest = power_state(power)

    def host_down(self, host: str = "host-1", *, guests: PowerState | None = None) -> None:
        """Have a compute host die: the work on it is lost.

        Args:
            host: which.
            guests: what becomes of its guests; None: only Nova's service dies, and they run on.
        """
        self._down.add(host)
        self._outages[host] += 1
        for life in self._lives.values():
            if life.host == host and guests is not None:
                life.guest = guests

    def host_up(self, host: str = "host-1") -> None:
        """Have a compute host come back: Nova looks at each of its servers as it does then.

        Requests that were accepted in the meantime are carried out afterwards.
        """
        self._down.discard(host)
        for uuid, life in self._lives.items():
            if life.host == host and not life.server.deleted:
                event = f"compute-restart.{life.guest.name}"
                step = attempt(life.server, event, rulebook=self.rulebook)
                if step is not None and (step.server != life.server or step.then is not None):
                    self._take(uuid, step, LATEST)
                self._resume(uuid)

    # -------------------------------------------------------------------------------- time

    def run(self, seconds: float) -> None:
        """Let so many seconds pass, with everything that happens in them."""
        until = self.now + seconds
        while self._queue and self._queue[0][0] <= until:
            self._next()
        self.now = until

    def settle(self) -> None:
        """Let time pass until no work is under way, but for what is held or on a dead host."""
        while self._working:
            self._next()

    def _next(self) -> None:
        self.now, _, run, number = heapq.heappop(self._queue)
        if run is None:
            self._look(number)
        else:
            self._working -= 1
            self._go_on(run)

    def _push(self, time: float, run: _Run | None, number: int = 0) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (time, self._pushed, run, number))

    def _look_later(self, number: int) -> None:
        timer, options = TIMERS[number], self.rulebook.options
        every = period(timer, options)
        if every is not None and getattr(options, timer.option) >= timer.on_from:
            self._push(self.now + every, None, number)

    def _look(self, number: int) -> None:
        """One of Nova's periodic tasks goes round."""
        timers = (TIMERS[number],)
        for uuid, life in self._lives.items():
            if life.host in self._down or life.server.deleted:
                continue
            seen, now, book = life.server, self.now, self.rulebook
            step = tick(seen, now, life.times, guest=life.guest, timers=timers, rulebook=book)
            if step.event:
                self._take(uuid, step, LATEST)
        self._look_later(number)

    # -------------------------------------------------------------------------------- work

    def _life(self, uuid: str) -> _Life:
        if uuid not in self._lives:
            raise UnknownServerError(f"there is no server {shown(uuid)} in this simulation")
        return self._lives[uuid]

    def _take(self, uuid: str, step: Step, microversion: Microversion) -> None:
        """Write down what came of a step, and begin the work that follows."""
        life, after = self._lives[uuid], step.server
        assert after is not None
        was = life.server
        if (was.vm_state, was.power_state) != (after.vm_state, after.power_state):
            life.guest = after.power_state
        life.server = after
        life.times = stamped(life.times, step, self.now)
        self.history.append(Event(self.now, uuid, step))
        if step.then is not None and step.event != f"{step.then}.{PROGRESS}":
            outage = self._outages[life.host]
            failure, at = self._drawn(uuid, step.then)
            self._later(_Run(uuid, step.then, microversion, after, outage, failure, at))

    def _drawn(self, uuid: str, action: ActionName) -> tuple[str, TaskState | None]:
        """How the next run of this action ends: as it was ordered, or by chance."""
        if ordered := self._ordered[uuid, action]:
            return ordered.pop(0)
        row = self.rulebook[action]
        if not row.failures or self._random.random() >= self._failure_rate:
            return DONE, None
        return self._random.choice(row.failures).name, self._random.choice((None, *row.during))

    def _later(self, run: _Run) -> None:
        seconds = self._duration(self._random, run.action, run.last.task_state)
        self._working += 1
        self._push(self.now + seconds, run)

    def _resume(self, uuid: str) -> None:
        for run in self._parked.pop(uuid, ()):
            self._later(run)

    def _go_on(self, run: _Run) -> None:
        life = self._lives[run.uuid]
        server = life.server
        if server.deleted or (run.outage != self._outages[life.host] and not life.held):
            return
        if life.held or life.host in self._down:
            self._parked[run.uuid].append(run)
            return
        if (server.vm_state, server.task_state) != (run.last.vm_state, run.last.task_state):
            at, book = run.last.task_state, self.rulebook
            self._take(run.uuid, overtake(server, run.action, at, rulebook=book), run.microversion)
            return
        step = self._following(run, server)
        if step is None:
            return
        self._take(run.uuid, step, run.microversion)
        if step.then is not None and step.server is not None:
            self._later(replace(run, last=step.server))

    def _following(self, run: _Run, server: Server) -> Step | None:
        words = [PROGRESS, DONE]
        if run.failure != DONE and run.at in (None, server.task_state):
            words.insert(0, run.failure)
        version, book = run.microversion, self.rulebook
        for word in words:
            event = f"{run.action}.{word}"
            step = attempt(server, event, microversion=version, rulebook=book)
            if step is not None:
                return step
        return None


def _deletes(row: Action) -> bool:
    """Whether the API alone can carry it out, where no host answers for the server."""
    return any(write.values.get("deleted") for write in row.writes)


def _leaves_dead_host(row: Action) -> bool:
    return any(assumption.name == "host-down" for assumption in row.assumes)
