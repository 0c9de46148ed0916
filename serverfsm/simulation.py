"""`Simulation`: any number of servers on a virtual clock, for mocks and tests.

It schedules and remembers; what happens to a server is decided by `step.py` and `clock.py`.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from serverfsm.clock import period, stamped, tick
from serverfsm.errors import UnknownActionError, UnknownEventError, UnknownServerError, shown
from serverfsm.options import Options
from serverfsm.record import require_states
from serverfsm.requests import LATEST, ActionName, Actor, Microversion, action_names
from serverfsm.rows import Action, End, Moment
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.running import DONE, PROGRESS, words
from serverfsm.server import Server
from serverfsm.states import PowerState, TaskState, VmState, power_state, task_state
from serverfsm.step import OVERTAKEN, REACTIONS, Step, accept, advance, attempt, overtake
from serverfsm.unprompted import POWER_STATES, TIMERS

__all__ = ["Duration", "Event", "Simulation"]

Duration = Callable[[random.Random, ActionName, TaskState | None], float]
"""How many seconds work stays at a task_state: of the random source, the action, the task_state."""


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


@dataclass(slots=True, eq=False)
class _Life:
    """What is known of one server from its creation to its end."""

    uuid: str
    server: Server
    guest: PowerState
    host: str
    times: dict[Moment, float] = field(default_factory=dict)
    held: bool = False
    parked: list[_Run] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Run:
    """The work of an accepted request: how it left the server, and how it is to fail."""

    life: _Life
    action: ActionName
    microversion: Microversion
    last: Server
    host: str  # which carries it out
    outage: int  # how often that had gone down when the request was accepted
    origin: str | None  # where the server stays if it does not get away from there
    failure: str = DONE
    at: TaskState | None = None


def short(source: random.Random, action: ActionName, task: TaskState | None) -> float:
    """Return between one and five seconds, whatever the task_state."""
    return source.uniform(1, 5)


class Simulation:
    """Servers, their guests, and the work that is under way, on a clock that only you move.

    Two simulations with the same arguments that are asked the same have the same history. What a
    verdict assumes (`Verdict.assumes`) holds, save that hosts may go down. All times are seconds.

    Args:
        seed: of the random source for durations and failures.
        rulebook, options: as elsewhere; timers run as the options say.
        duration: how long work stays at a task_state: called with the random source, the action
            and the task_state (None where it goes on without one); by default between one and
            five seconds.
        failure_rate: how probable it is, 0 to 1, that the work of an accepted request meets with
            one of its row's failures; which, and at which task_state, is drawn among those that
            can strike.
        now: where the clock begins.

    Attributes:
        now: the time.
        history: everything that happened, refusals too, in order.
        rulebook: the rules, under the options given.

    Raises:
        ValueError: `failure_rate` is not between 0 and 1; or, later, `duration` returns what is
            no length of time.

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
        if not 0 <= failure_rate <= 1:
            raise ValueError(f"failure_rate must be between 0 and 1, not {shown(failure_rate)}")
        self.now = now
        self.history: list[Event] = []
        self.rulebook = rulebook.having(options)
        self._random = random.Random(seed)
        self._duration = duration
        self._failure_rate = failure_rate
        self._lives: dict[str, _Life] = {}
        self._down: set[str] = set()
        self._outages: Counter[str] = Counter()
        self._ordered: dict[tuple[str, ActionName], list[tuple[str, TaskState | None]]] = {}
        self._queue: list[tuple[float, int, _Run | None, int]] = []
        self._pushed = self._working = 0
        for number in range(len(TIMERS)):
            self._look_later(number)

    # ----------------------------------------------------------------------------- servers

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids of all servers that are not gone, in the order of creation."""
        return iter([uuid for uuid, life in self._lives.items() if not life.server.deleted])

    def server(self, uuid: str) -> Server:
        """Return a server's snapshot; of one that is gone the last, with `deleted` set.

        Raises:
            UnknownServerError: there never was one of this uuid.
        """
        return self._life(uuid).server

    def show(self, uuid: str) -> dict[str, Any] | None:
        """Return what GET /servers/{id} says of its state; None where that answers 404.

        That is `Server.to_api()`: `Server.from_api` makes the snapshot of it again.
        """
        life = self._lives.get(uuid)
        return None if life is None or life.server.deleted else life.server.to_api()

    def put(self, uuid: str, server: Server, *, host: str = "host-1") -> None:
        """Put a server there as it is, in the place of one of that uuid; no work is under way.

        Its guest does what its power state says. Timers measure from now. Nothing is written to
        the history.

        Args:
            uuid: of your choice.
            server: its snapshot.
            host: where it is.

        Raises:
            MalformedServerError: of the server only the status is known.
        """
        require_states(server)
        self._place(_Life(uuid, server, server.power_state, host, dict.fromkeys(Moment, self.now)))

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
            uuid: of your choice. Where a server of this uuid exists, the request is a conflict;
                where one is gone, it is succeeded by the new one.
            host: where it is to run; if that is down, the work waits for it.
            volume_backed: whether its root disk is a volume.
            actor, microversion: as `check`.

        Raises:
            UnknownActorError, UnknownMicroversionError: as `check`.
            MalformedServerError: `volume_backed` is neither true nor false.
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
        life = _Life(uuid, server, PowerState.NOSTATE, host)
        self._place(life)
        self._take(life, step, Microversion(microversion))
        return step

    def request(
        self,
        uuid: str,
        action: ActionName | str,
        *,
        actor: Actor | str = Actor.MEMBER,
        microversion: Microversion | str = LATEST,
    ) -> Step:
        """Send a request; its work begins if it is accepted. Return the answer.

        What is not this server's, as a resize that fits, is taken for granted. While its host is
        down, a server is deleted at once, evacuation takes it to another host, and all other work
        waits.

        Args:
            uuid: the server's.
            action: one action; of a key with variants, a variant.
            actor, microversion: as `check`.

        Raises:
            UnknownServerError: there never was a server of this uuid.
            UnknownActionError: as `check`, or for a key that has several variants.
            UnknownActorError, UnknownMicroversionError: as `check`.
        """
        life, name, book = self._life(uuid), _one(action), self.rulebook
        seen, origin = life.server, None
        if life.host in self._down and _deletes(book[name]):
            seen = replace(seen, host=False)  # what no host answers for, Nova deletes by itself
        step = accept(seen, name, actor=actor, microversion=microversion, rulebook=book)
        if step.server == seen:
            step = replace(step, server=life.server)
        if step.then is not None and _leaves_dead_host(book[name]):
            origin, life.host = life.host, f"{life.host}, evacuated"
        self._take(life, step, Microversion(microversion), origin)
        return step

    # ------------------------------------------------------------ what goes wrong, and waits

    def fail(
        self, uuid: str, action: ActionName | str, failure: str, *, at: TaskState | None = None
    ) -> None:
        """Have the next work of this action on this server fail.

        That is the work of the next accepted request, or what Nova begins of itself. Several
        orders are carried out one after the other. The server need not be there yet.

        Args:
            uuid: the server's.
            action: one action; of a key with variants, a variant.
            failure: a failure of its row.
            at: the task_state at which it strikes; None: the first at which it can. Where it
                cannot strike on the server's way, the request succeeds.

        Raises:
            UnknownActionError: as `check`, or for a key that has several variants.
            UnknownEventError: the row has no such failure.
            UnknownStateError: `at` is no task_state.
        """
        name = _one(action)
        known = [each.name for each in self.rulebook[name].failures]
        if failure not in known:
            raise UnknownEventError(f"{name}.{failure}", [f"{name}.{each}" for each in known])
        self._ordered.setdefault((uuid, name), []).append((failure, task_state(at)))

    def hold(self, uuid: str) -> None:
        """Keep the work on a server where it is, that of later requests too, until `release`.

        Requests are answered, and timers strike, as ever.

        Raises:
            UnknownServerError: there never was a server of this uuid.
        """
        self._life(uuid).held = True

    def release(self, uuid: str) -> None:
        """Let held work go on.

        Raises:
            UnknownServerError: there never was a server of this uuid.
        """
        life = self._life(uuid)
        life.held = False
        self._resume(life)

    def guest(self, uuid: str, power: PowerState | int) -> None:
        """Have the guest change by itself; Nova learns of it at the next power-state sync.

        Raises:
            UnknownServerError: there never was a server of this uuid.
            UnknownStateError: there is no such power state.
        """
        self._life(uuid).guest = power_state(power)

    def host_down(self, host: str = "host-1", *, guests: PowerState | int | None = None) -> None:
        """Have a compute host die: the work on it is lost, and tasks stay as they were.

        Args:
            host: which.
            guests: what becomes of its guests; None: only Nova's service dies, and they run on.

        Raises:
            UnknownStateError: there is no such power state.
        """
        power = None if guests is None else power_state(guests)
        if host not in self._down:
            self._down.add(host)
            self._outages[host] += 1
        for life in self._lives.values():
            if life.host == host and power is not None:
                life.guest = power

    def host_up(self, host: str = "host-1") -> None:
        """Have a compute host come back; nothing happens if it is not down.

        Nova looks at each of the host's servers ("compute-restart"). Then the work of requests
        that were accepted in the meantime begins: it finds the server as it is then.
        """
        if host not in self._down:
            return
        self._down.discard(host)
        for life in self._lives.values():
            if life.host == host and not life.server.deleted:
                self._restart(life)
            self._resume(life)

    # -------------------------------------------------------------------------------- time

    def run(self, seconds: float) -> None:
        """Let so many seconds pass, with everything that happens in them.

        Raises:
            ValueError: that is no length of time.
        """
        until = self.now + _checked(seconds)
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
        for life in self._lives.values():
            seen, now, book = life.server, self.now, self.rulebook
            if life.host in self._down or seen.deleted:
                continue
            guest = life.guest if seen.host else None
            step = tick(seen, now, life.times, guest=guest, timers=timers, rulebook=book)
            if step.event:
                self._take(life, step, LATEST)
        self._look_later(number)

    # -------------------------------------------------------------------------------- work

    def _life(self, uuid: str) -> _Life:
        if uuid not in self._lives:
            raise UnknownServerError(f"there is no server {shown(uuid)} in this simulation")
        return self._lives[uuid]

    def _place(self, life: _Life) -> None:
        before = self._lives.get(life.uuid)
        if before is not None and before.server.deleted:
            del self._lives[life.uuid]  # the new one is the latest
        self._lives[life.uuid] = life

    def _take(
        self, life: _Life, step: Step, microversion: Microversion, origin: str | None = None
    ) -> None:
        """Write down what came of a step, and begin the work that follows."""
        self._write(life, step)
        if step.then is not None:
            outage = self._outages[life.host]
            run = _Run(life, step.then, microversion, life.server, life.host, outage, origin)
            run.failure, run.at = self._drawn(run)
            self._later(run)

    def _write(self, life: _Life, step: Step) -> None:
        after = step.server
        assert after is not None
        if life.guest is not after.power_state:
            life.guest = self._guest_after(life, step, after)
        if after != life.server or step.effects:
            life.times = stamped(life.times, step, self.now)
        life.server = after
        self.history.append(Event(self.now, life.uuid, step))

    def _guest_after(self, life: _Life, step: Step, after: Server) -> PowerState:
        """What the guest does after a step: what work made of it, else what it did before."""
        was, book = life.server, self.rulebook
        if was.power_state is not after.power_state:
            return after.power_state
        is_known = after.vm_state in POWER_STATES[book.options.compute_driver]
        if is_known and after != was and after.vm_state in _ends(step.event, was, book):
            return after.power_state
        return life.guest

    def _drawn(self, run: _Run) -> tuple[str, TaskState | None]:
        """How a run ends: as it was ordered, or by chance."""
        if ordered := self._ordered.get((run.life.uuid, run.action)):
            return ordered.pop(0)
        if self._random.random() < self._failure_rate and (chances := self._chances(run)):
            return self._random.choice(chances)
        return DONE, None

    def _chances(self, run: _Run) -> list[tuple[str, TaskState | None]]:
        """Every failure that can strike on a run's way, with the task_state at which it does."""
        found: list[tuple[str, TaskState | None]] = []
        server: Server | None = run.last
        while server is not None:
            names = [word for word in words(self.rulebook[run.action]) if word not in _GOING_WELL]
            found += [
                (word, server.task_state) for word in names if self._attempt(run, word, server)
            ]
            step = self._attempt(run, PROGRESS, server)
            server = None if step is None else step.server
        return found

    def _later(self, run: _Run) -> None:
        seconds = self._duration(self._random, run.action, run.last.task_state)
        self._push(self.now + _checked(seconds), run)
        self._working += 1

    def _resume(self, life: _Life) -> None:
        """Let parked work go on, but for what still may not."""
        parked, life.parked = life.parked, []
        for run in parked:
            if self._is_kept(run):
                life.parked.append(run)
            else:
                self._later(run)

    def _is_kept(self, run: _Run) -> bool:
        return run.life.held or run.host in self._down

    def _restart(self, life: _Life) -> None:
        """The host that came back looks at one of its servers."""
        waiting = [run for run in life.parked if run.outage == self._outages[life.host]]
        if waiting and not life.server.host:
            return  # it has nothing of it yet
        step = advance(life.server, f"compute-restart.{life.guest.name}", rulebook=self.rulebook)
        begins = step.then is not None and step.then not in [run.action for run in waiting]
        if begins or step.server != life.server:
            self._take(life, step, LATEST)

    def _go_on(self, run: _Run) -> None:
        life = run.life
        is_lost = run.outage != self._outages[run.host] or self._lives[life.uuid] is not life
        if is_lost or life.server.deleted:
            return
        if self._is_kept(run):
            life.parked.append(run)
            return
        step = self._following(run)
        self._write(life, step)
        if run.origin is not None:
            self._arrive(run, step)
        if step.then is None:
            return
        if step.event == f"{run.action}.{run.failure}":
            run.failure, run.at = self._drawn(run)  # it struck, and yet the work goes on
        run.last = life.server
        self._later(run)

    def _following(self, run: _Run) -> Step:
        """What comes of a run next."""
        server, book = run.life.server, self.rulebook
        if (server.vm_state, server.task_state) == (run.last.vm_state, run.last.task_state):
            strikes = run.failure != DONE and run.at in (None, server.task_state)
            for word in (run.failure, PROGRESS, DONE) if strikes else (PROGRESS, DONE):
                step = self._attempt(run, word, server)
                if step is not None:
                    return step
        return overtake(server, run.action, run.last.task_state, rulebook=book)

    def _attempt(self, run: _Run, word: str, server: Server) -> Step | None:
        version, book = run.microversion, self.rulebook
        return attempt(server, f"{run.action}.{word}", microversion=version, rulebook=book)

    def _arrive(self, run: _Run, step: Step) -> None:
        """A server on its way from a dead host gets away from there, or stays."""
        if step.event == f"{run.action}.{DONE}":
            run.life.host = run.host
        elif step.event != f"{run.action}.{PROGRESS}" and run.life.host == run.host:
            assert run.origin is not None
            run.life.host = run.origin


_GOING_WELL = (PROGRESS, DONE)


def _one(action: ActionName | str) -> ActionName:
    """The action that is meant; a key that has several variants says too little."""
    name, *others = action_names(action)
    if others:
        raise UnknownActionError(
            action, (name, *others), f"say which: {', '.join((name, *others))}"
        )
    return name


def _checked(seconds: float) -> float:
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds must be a finite number from 0 upwards, not {shown(seconds)}")
    return seconds


def _ends(event: str, server: Server, book: Rulebook) -> list[VmState | End]:
    """The vm_states in which an event leaves a server and its guest alike; not as they were."""
    name, _, word = event.rpartition(".")
    if name in REACTIONS:
        assert server.vm_state is not None
        state = server.vm_state, server.task_state, PowerState[word]
        return [row.end for row in REACTIONS[name] if row.applies(*state)][:1]
    if word in (DONE, OVERTAKEN):
        row = book[ActionName(name)]
        return [outcome.end for outcome in (row.success if word == DONE else row.overtaken)]
    return []


def _deletes(row: Action) -> bool:
    """Whether the API alone can carry it out, where no host answers for the server."""
    return any(write.values.get("deleted") for write in row.writes)


def _leaves_dead_host(row: Action) -> bool:
    return any(assumption.host_up is False for assumption in row.assumes)
