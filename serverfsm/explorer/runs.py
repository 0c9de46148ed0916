"""Every run that an accepted request may take, as a table that a page can look up.

Only the table's making and its form belong here: what happens is `step.follow`'s. A run hangs on
what the request met (`DIMENSIONS`). Where it does not matter, the table does not ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import product
from typing import Any, Final, NamedTuple

from serverfsm.check import check
from serverfsm.errors import ImpossibleEventError
from serverfsm.explorer.interned import Interned
from serverfsm.guards import Request
from serverfsm.lifecycle import edges
from serverfsm.requests import FIRST, ActionName, Actor, Microversion
from serverfsm.rows import Action, Cause, Effect, EffectKind, End, When
from serverfsm.rulebook import Rulebook
from serverfsm.running import due
from serverfsm.server import Server
from serverfsm.states import LockedBy, PowerState, TaskState, VmState
from serverfsm.step import DONE, PROGRESS, Step, accept, follow

__all__ = ["DIMENSIONS", "NONE", "UNCHANGED", "runs_document"]

NONE: Final = "none"
"""No server, no task, no lock: the word that a page shows."""

UNCHANGED: Final = "="
"""In a state of a run: as when the request came."""

DIMENSIONS: Final = (
    "vm_state",
    "task_state",
    "power_state",
    "volume_backed",
    "launched",
    "lock",
    "administrator",
)
"""What a run may hang on, besides the microversion."""

Document = dict[str, Any]
Met = tuple[str, str, str, bool, bool, str, bool]
"""What a request met: a value for each of the dimensions."""

State = tuple[str, str, str, str]
"""vm_state, task_state, power_state and lock."""

Run = tuple[str, tuple[Step, ...]]
"""The steps to success, or to the failure of this name."""


class Event(NamedTuple):
    """One step of a run without its states."""

    name: str
    cause: str
    passing: int  # how many states show for an instant before
    effects: tuple[str, ...]
    answer: int | None  # with what the request is answered, where it waits for this


class Menu(NamedTuple):
    """All runs that may follow one acceptance: what happens, and beside it the states.

    `runs`: "done", or the failure's name, with the events. `parts`: the parts of each state, of the
    passing ones, too, one after the other.
    """

    runs: tuple[tuple[str, tuple[Event, ...]], ...]
    parts: tuple[str, ...]


def runs_document(rulebooks: Iterable[Rulebook]) -> Document:
    """Return the runs of every action by each rulebook, at every microversion.

    `books[rulebook][action]` is a list of [first microversion's minor number, tree]. A tree is
    None, the place of a menu, or [place of a dimension, [[value, …], tree], …]. A menu is a list of
    places in `runs`; a run [word, place in `steps`, …]; a step [event, cause, states, effects,
    answer], the states being places in `states` and the last the one that stays.
    """
    writer = _Writer()
    return {
        "dimensions": DIMENSIONS,
        "books": {book.name: writer.book(book) for book in rulebooks},
        **writer.lists(),
    }


# ------------------------------------------------------------------- what a run may hang on


def _parts(part: object) -> Iterator[object]:
    """Everything that a row is made of, at any depth."""
    yield part
    if isinstance(part, Mapping):
        for value in part.values():
            yield from _parts(value)
    elif isinstance(part, tuple):
        for value in part:
            yield from _parts(value)
    elif is_dataclass(part):
        for each in fields(part):
            yield from _parts(getattr(part, each.name))


@cache
def _conditions(row: Action) -> tuple[When, ...]:
    return tuple(part for part in _parts(row) if isinstance(part, When))


def _asks(row: Action, *columns: str) -> bool:
    return any(getattr(when, each) is not None for when in _conditions(row) for each in columns)


def _writes(row: Action, column: str) -> bool:
    return any(column in write.values for write in row.writes)


def _looks_at_power(row: Action) -> bool:
    return _asks(row, "power_states") or End.POWER_STATE in _parts(row)


def _power_states(row: Action) -> Iterable[PowerState]:
    """All, if the row looks at them; else two, which tell what is kept from what is set."""
    return tuple(PowerState) if _looks_at_power(row) else tuple(PowerState)[:2]


def _dimensions(row: Action) -> tuple[int, ...]:
    """The places of the dimensions that the row's tree may ask about."""
    is_asked = {"power_state": _looks_at_power(row)}
    return tuple(at for at, name in enumerate(DIMENSIONS) if is_asked.get(name, True))


def _starts(row: Action) -> Iterator[tuple[Server | None, Met, Actor]]:
    """Every request that the row may be about, as far as its run may hang on it."""
    yield None, (NONE, "", "", False, True, "", True), Actor.ADMIN  # nothing can be unchanged
    backings = (False, True) if _asks(row, "volume_backed") else (False,)
    launches = (True, False) if _asks(row, "launched") else (True,)
    locks: tuple[LockedBy | None, ...] = (None,)
    actors: tuple[Actor, ...] = (Actor.ADMIN,)
    if _asks(row, "locked", "administrator") or _writes(row, "locked"):
        locks, actors = (None, *LockedBy), (Actor.ADMIN, Actor.MEMBER)
    pairs = [
        (vm, task)
        for vm, task in product(VmState, (None, *TaskState))
        if row.accepts(vm, task) or vm in (row.volume_backed_vm_states or ())
    ]
    for (vm, task), power, backing, launched, lock, who in product(
        pairs, _power_states(row), backings, launches, locks, actors
    ):
        server = Server(
            vm,
            task,
            power,
            locked=lock is not None,
            locked_by=lock,
            launched=launched,
            volume_backed=backing,
        )
        is_admin = who is Actor.ADMIN
        yield server, (vm, task or NONE, power.name, backing, launched, lock or NONE, is_admin), who


def _changes(row: Action) -> Iterator[str]:
    """The microversions at which the row, or what it does, changes."""
    for part in (row, row.backing, *_conditions(row)):
        for column in ("since", "until", "ignored_before", "unless_since"):
            version = getattr(part, column, None)
            if version is not None:
                yield version


# ----------------------------------------------------------------------------------- runs


def _state(server: Server | None) -> State:
    if server is None or server.vm_state is None:
        return NONE, NONE, NONE, NONE
    return (
        server.vm_state.value,
        server.task_state or NONE,
        server.power_state.name,
        server.locked_by or NONE,
    )


def _effect(effect: Effect) -> str:
    return f"{effect.kind} {effect.value}"


class _Runs:
    """The runs of one action at one microversion."""

    def __init__(self, action: ActionName, microversion: Microversion, book: Rulebook) -> None:
        self.action, self.microversion, self.book = action, microversion, book

    def menus(self) -> dict[Met, Menu]:
        """Every run that may follow, by what the request met; none where it is refused.

        What follows acceptance hangs on nothing but what that left.
        """
        found: dict[Met, Menu] = {}
        known: dict[object, Menu] = {}
        for server, met, who in _starts(self.book[self.action]):
            first = self._accepted(server, who)
            if first is None:
                continue
            key = (first.server, first.then, first.effects, first.passing)
            if key not in known:
                rests = self._followed(server, who)
                known[key] = self._menu([(word, (first, *rest)) for word, rest in rests])
            found[met] = known[key]
        return found

    def _accepted(self, server: Server | None, who: Actor) -> Step | None:
        step = accept(
            server, self.action, actor=who, microversion=self.microversion, rulebook=self.book
        )
        return step if step.verdict else None

    def _followed(self, server: Server | None, who: Actor) -> Iterator[Run]:
        failures = dict.fromkeys(each.name for each in self.book[self.action].failures)
        for word in (DONE, *failures):
            try:
                steps = follow(
                    server,
                    self.action,
                    failure=word,
                    actor=who,
                    microversion=self.microversion,
                    rulebook=self.book,
                )
            except ImpossibleEventError:
                continue  # it does not strike on this server's way
            yield word, steps[1:]

    def _menu(self, runs: Iterable[Run]) -> Menu:
        parts: list[str] = []
        named = []
        for word, steps in runs:
            events = []
            before: Server | None = None
            for step in steps:
                events.append(self._event(step, before))
                for server in (*step.passing, step.server):
                    parts += _state(server)
                before = step.server
            named.append((word, tuple(events)))
        return Menu(tuple(named), tuple(parts))

    def _event(self, step: Step, before: Server | None) -> Event:
        effects = tuple(_effect(each) for each in step.effects if each.kind is not EffectKind.TIME)
        cause = _causes(self.book)[step.event]
        answer = None if before is None else self._answer(step.event, before)
        return Event(step.event, cause, len(step.passing), effects, answer)

    def _answer(self, event: str, before: Server) -> int | None:
        """With what the request is answered, where it waits for this event."""
        name, _, word = event.rpartition(".")
        row = self.book[ActionName(name)]
        request = Request(row, before, Actor.ADMIN, self.microversion, self.book)
        return next((outcome.answer for outcome, _ in due(request, word)), None)


@cache
def _causes(book: Rulebook) -> Mapping[str, str]:
    """Who or what brings each event about; of events that change no state, by their kind."""
    found = {f"{row.name}.{word}": Cause.SYSTEM.value for row in book for word in (PROGRESS, DONE)}
    for row in book:
        found.update({f"{row.name}.{each.name}": Cause.FAILURE.value for each in row.failures})
    found.update({edge.event: edge.cause.value for edge in edges(book)})
    return found


# ------------------------------------------------------------------------------- the tree

Tree = int | list[Any] | None
_WIDTH = len(State.__args__)  # type: ignore[attr-defined]


def _origin(met: Met) -> State:
    vm_state, task_state, power_state, _, _, lock, _ = met
    return vm_state, task_state, power_state, lock


def _shared(menus: Mapping[Met, Menu]) -> Menu | None:
    """The one menu that says the same as all of these; None if there is none.

    A part of a state that is in all of them as it was when the request came is UNCHANGED.
    """
    first = next(iter(menus.values()))
    if any(menu.runs != first.runs for menu in menus.values()):
        return None
    distinct = {(_origin(met), menu.parts) for met, menu in menus.items()}
    parts = list(first.parts)
    for at, part in enumerate(parts):
        if all(each[at] == origin[at % _WIDTH] for origin, each in distinct):
            parts[at] = UNCHANGED
        elif any(each[at] != part for _, each in distinct):
            return None
    return Menu(first.runs, tuple(parts))


def _by(menus: Mapping[Met, Menu], dimension: int) -> dict[str | bool, dict[Met, Menu]]:
    found: dict[str | bool, dict[Met, Menu]] = {}
    for met, menu in menus.items():
        found.setdefault(met[dimension], {})[met] = menu
    return found


def _split(
    menus: Mapping[Met, Menu], dimensions: tuple[int, ...]
) -> tuple[int, list[tuple[list[str | bool], dict[Met, Menu]]]]:
    """The dimension that tells most, and the values of it, those together that say the same."""

    def open_ends(dimension: int) -> tuple[int, int]:
        groups = _by(menus, dimension).values()
        return sum(_shared(group) is None for group in groups), len(groups)

    telling = [each for each in dimensions if len(_by(menus, each)) > 1]
    best = min(telling, key=open_ends)
    clusters: list[tuple[list[str | bool], dict[Met, Menu]]] = []
    for value, group in _by(menus, best).items():
        for values, others in clusters:
            if _shared(group) is not None and _shared({**others, **group}) is not None:
                values.append(value)
                others.update(group)
                break
        else:
            clusters.append(([value], group))
    return best, clusters


class _Writer:
    """The lists of the document, filled while the trees are made."""

    def __init__(self) -> None:
        self._menus: Interned[tuple[int, ...]] = Interned()
        self._runs: Interned[tuple[str | int, ...]] = Interned()
        self._steps: Interned[tuple[Any, ...]] = Interned()
        self._states: Interned[State] = Interned()
        self._trees: dict[object, Tree] = {}

    def lists(self) -> Document:
        return {
            "menus": self._menus.values(),
            "runs": self._runs.values(),
            "steps": self._steps.values(),
            "states": self._states.values(),
        }

    def book(self, book: Rulebook) -> Document:
        """The bands of every action: from which microversion on, and the tree."""
        return {row.name.value: self._bands(row, book) for row in book}

    def _bands(self, row: Action, book: Rulebook) -> list[list[Any]]:
        bands: list[list[Any]] = []
        for version in sorted({Microversion(each) for each in (FIRST, *_changes(row))}):
            decides = check(None, row.name, Actor.ADMIN, version, book).action
            assert decides is not None  # an action was asked for
            tree = self._tree(book[decides], version, book)
            if not bands or bands[-1][1] != tree:
                bands.append([version.minor, tree])
        return bands

    def _tree(self, row: Action, version: Microversion, book: Rulebook) -> Tree:
        # Rows are compared by identity: one that no deviation touches has the same runs.
        key = (row, version)
        if key not in self._trees:
            menus = _Runs(row.name, version, book).menus()
            self._trees[key] = self._written(menus, _dimensions(row)) if menus else None
        return self._trees[key]

    def _written(self, menus: Mapping[Met, Menu], dimensions: tuple[int, ...]) -> Tree:
        shared = _shared(menus)
        if shared is not None:
            return self._menu(shared)
        dimension, clusters = _split(menus, dimensions)
        branches = ([values, self._written(group, dimensions)] for values, group in clusters)
        return [dimension, *branches]

    def _menu(self, menu: Menu) -> int:
        states = iter(zip(*[iter(menu.parts)] * _WIDTH, strict=True))
        runs = []
        for word, events in menu.runs:
            steps = [self._step(event, states) for event in events]
            runs.append(self._runs.place((word, *steps)))
        return self._menus.place(tuple(runs))

    def _step(self, event: Event, states: Iterator[Any]) -> int:
        shown = tuple(self._states.place(next(states)) for _ in range(event.passing + 1))
        return self._steps.place((event.name, event.cause, shown, event.effects, event.answer))
