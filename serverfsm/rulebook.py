"""A rulebook: the whole table, as the API reference has it or as one release enforces it.

The rows are read, and checked by `build.py`, when a rulebook is first used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from serverfsm.errors import UnknownRulebookError
from serverfsm.requests import LATEST, ActionName, Guard

if TYPE_CHECKING:  # the rows are read when they are first asked for
    from serverfsm.options import Options
    from serverfsm.rows import Action, Answer, Deviation
    from serverfsm.states import TaskState, VmState

__all__ = ["API_REFERENCE", "NOVA_34", "RULEBOOKS", "Rulebook", "rulebook"]


class Rulebook:
    """All rows as one authority has them, under an operator's options; compared by identity.

    `memo`, `latest` and `remembered` belong to `check`: verdicts already found, by microversion,
    actor, action and the server's key.

    >>> API_REFERENCE[ActionName.STOP].label, len(NOVA_34) == len(ActionName)
    ('stop', True)
    """

    # Slots for what every check looks at; the rest is worked out once and kept in the dict.
    __slots__ = ("__dict__", "latest", "memo", "remembered")

    def __init__(
        self,
        name: str,
        title: str,
        *,
        deviates: bool,
        base: Rulebook | None = None,
        options: Options | None = None,
    ) -> None:
        self.name = name
        self.title = title
        self._deviates = deviates
        self._base = base
        self._options = options
        self._having: dict[Options, Rulebook] = {}
        self.memo: Any = {}
        self.forget()

    def forget(self) -> None:
        """Empty the memo."""
        self.latest: Any = {}
        self.memo = {LATEST: self.latest}
        self.remembered = 0

    def __repr__(self) -> str:
        return f"<Rulebook {self.name}{'' if self._base is None else f' having {self.options}'}>"

    def __reduce__(self) -> str | tuple[object, ...]:
        if self._base is not None:
            return self._base.having, (self.options,)
        return "NOVA_34" if self._deviates else "API_REFERENCE"

    def having(self, options: Options | None) -> Rulebook:
        """Return the same rules under these options; the same object for equal options.

        Nova's defaults are those of `Options()`; None leaves the options as they are.

        >>> from serverfsm import Options, Server, check
        >>> reclaiming = NOVA_34.having(Options(reclaim_instance_interval=3600))
        >>> check(Server("active"), "delete", rulebook=reclaiming).guard.set["task_state"].value
        'soft-deleting'
        """
        base = self._base or self
        if options is None or options == self.options:
            return self
        if options == base.options:
            return base
        if options not in base._having:
            base._having[options] = Rulebook(
                self.name, self.title, deviates=self._deviates, base=base, options=options
            )
        return base._having[options]

    def __getitem__(self, name: ActionName) -> Action:
        return self.actions[name]

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions.values())

    def __len__(self) -> int:
        return len(self.actions)

    @cached_property
    def actions(self) -> Mapping[ActionName, Action]:
        """Every row by name, in the table's order; TableError if a row is wrong."""
        if self._base is not None:
            return self._base.actions
        from serverfsm.build import build
        from serverfsm.table import ACTIONS

        return build(ACTIONS, self.deviations)

    @cached_property
    def deviations(self) -> tuple[Deviation, ...]:
        """The columns in which this rulebook departs from the API reference."""
        from serverfsm.deviations import DEVIATIONS

        return DEVIATIONS if self._deviates else ()

    def answer(self, row: Action, guard: Guard) -> Answer:
        """How this guard of this row refuses."""
        from serverfsm.table import ANSWERS

        if guard is Guard.BACKING and row.backing is not None:
            return row.backing.answer
        if guard is Guard.REMOVED and row.removed is not None:
            return row.removed
        return row.answers.get(guard) or ANSWERS[guard]

    @cached_property
    def options(self) -> Options:
        """The operator's options; Nova's defaults unless `having` others."""
        from serverfsm.options import Options

        return self._options or Options()

    def option_holds(self, condition: str) -> bool:
        """Whether a condition such as "reclaim_instance_interval > 0" holds."""
        name, sign, number = condition.split()
        value: int = getattr(self.options, name)
        limit = int(number)
        return {">": value > limit, "==": value == limit, "<": value < limit}[sign]

    def after(self, vm_state: VmState, task_state: TaskState) -> frozenset[VmState]:
        """The vm_states in which the task under way may leave the server; not those it is gone in.

        >>> from serverfsm import TaskState, VmState
        >>> sorted(API_REFERENCE.after(VmState.PAUSED, TaskState.UNPAUSING))
        [<VmState.ACTIVE: 'active'>, <VmState.PAUSED: 'paused'>]
        """
        return frozenset(self._after.get((vm_state, task_state), {vm_state}))

    @cached_property
    def _after(self) -> Mapping[tuple[VmState, TaskState], set[VmState]]:
        from serverfsm.states import VmState

        found: dict[tuple[VmState, TaskState], set[VmState]] = {}
        for row in self:
            for origin in row.runs_in or (VmState.BUILDING,):
                for outcome in row.successes(origin):
                    ends = set(outcome.ends(origin))
                    for step in reversed(outcome.path):  # what may strike later counts, too
                        vm, task = step if isinstance(step, tuple) else (origin, step)
                        ends |= row.ends_of_failures(step, vm, origin)
                        if task is not None:
                            found.setdefault((vm, task), set()).update(ends)
        return found


API_REFERENCE = Rulebook("api-reference", "the documented contract", deviates=False)
NOVA_34 = Rulebook("nova-34", "what Nova 34.0.0 enforces", deviates=True)
RULEBOOKS = {book.name: book for book in (API_REFERENCE, NOVA_34)}


def rulebook(text: object) -> Rulebook:
    """Return the rulebook that `text` names; raise UnknownRulebookError if there is none."""
    if isinstance(text, str) and (book := RULEBOOKS.get(text)) is not None:
        return book
    raise UnknownRulebookError(text, RULEBOOKS)
