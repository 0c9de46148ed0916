"""The stateful face: one shared `transitions` machine, and the small object to hang on it.

Built from `lifecycle.edges()`; its conditions are verdicts, so that it owns no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from transitions import EventData, Machine, MachineError

from serverfsm import requests
from serverfsm.check import check
from serverfsm.errors import MalformedServerError, UnknownEventError
from serverfsm.lifecycle import Edge, State, edges, state_name
from serverfsm.record import written
from serverfsm.requests import LATEST, ActionName, Actor, Microversion
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import Status, TaskState, VmState
from serverfsm.step import attempt, events
from serverfsm.verdict import RefusedError, Verdict

__all__ = [
    "ABSENT",
    "RefusedTriggerError",
    "ServerMachine",
    "ServerModel",
    "UnknownEventError",
    "WrongEventError",
    "build_machine",
]

ABSENT = "absent"
"""The state of a model that has no server yet."""

Callback = Callable[[EventData], Any] | str


class RefusedTriggerError(RefusedError, MachineError):
    """A request was refused; `verdict` says all about it. The model is unchanged."""

    def __init__(self, verdict: Verdict, server_id: str = "") -> None:
        RefusedError.__init__(self, verdict, server_id)
        self.value = self.args[0]

    def __reduce__(self) -> tuple[type[RefusedTriggerError], tuple[Verdict, str]]:
        return RefusedTriggerError, (self.verdict, self.server_id)

    def __str__(self) -> str:
        return str(self.value)


class WrongEventError(MachineError):
    """An outcome that the server cannot have now; the message names those that it can."""

    def __str__(self) -> str:
        return str(self.value)


class ServerMachine(Machine):
    """A `transitions.Machine` that any number of `ServerModel`s share. Make it by `build_machine`.

    Attributes:
        rulebook: whose rules it follows.
    """

    rulebook: Rulebook

    def may(self, model: ServerModel, event: str, kwargs: dict[str, Any]) -> bool:
        """Whether a transition for this event would be taken now; calls no callback."""
        if event not in self.events:
            return False
        data = EventData(
            self.get_state(model.state), self.events[event], self, model, args=(), kwargs=kwargs
        )
        possible = self.events[event].transitions.get(model.state, ())
        return any(
            all(condition.check(data) for condition in transition.conditions)
            for transition in possible
        )


class ServerModel:
    """One live server.

    Subclass it to add data and methods; name these in `build_machine(before=…, after=…)`.

    Attributes:
        machine: the shared machine.
        server: the present snapshot; None before `create`.

    >>> model = ServerModel(build_machine(), Server("active"))
    >>> model.trigger("os-stop"), model.state, model.status.value
    (True, 'active+powering-off', 'ACTIVE')
    >>> model.trigger("os-stop.done"), model.server.status.value
    (True, 'SHUTOFF')
    >>> model.may_trigger("pause")
    False
    """

    __slots__ = ("_next", "machine", "server")

    def __init__(self, machine: ServerMachine, server: Server | None = None) -> None:
        if server is not None and server.vm_state is None:
            raise MalformedServerError(
                f"a live server needs its vm_state; only the status {server.status} is known"
            )
        self.machine = machine
        self.server = server
        self._next: Server | None = server

    def __repr__(self) -> str:
        return f"<ServerModel {self.state}>"

    @property
    def state(self) -> str:
        """The name of the state in the machine: `state_name` of the pair, or `absent`."""
        return ABSENT if self.server is None else state_name(_pair(self.server))

    @state.setter
    def state(self, name: str) -> None:
        # Called by transitions once a transition is taken; what it leads to was worked out before.
        self.server = self._next

    @property
    def status(self) -> Status | None:
        """The API status; None before `create`."""
        return None if self.server is None else self.server.status

    def trigger(
        self,
        event: ActionName | str,
        *,
        actor: Actor | str = Actor.MEMBER,
        microversion: Microversion | str = LATEST,
        **data: Any,
    ) -> bool:
        """Carry an event out: an action's name, or an outcome such as "os-stop.done".

        Args:
            event: which; all are in `machine.events`.
            actor, microversion: of the request.
            data: whatever the callbacks should find in `event_data.kwargs["data"]`.

        Raises:
            RefusedTriggerError: the request is refused.
            WrongEventError: the outcome cannot come about in the present state.
            UnknownEventError: there is no such event.
        """
        name, kwargs = self._asked(event, actor, microversion, data)
        verdict = kwargs["verdict"]
        if verdict is not None and not verdict:
            raise RefusedTriggerError(verdict)
        if not self.machine.may(self, name, kwargs):
            raise WrongEventError(
                f"{name} cannot come about in {self.state}; possible now: "
                f"{', '.join(self._outcomes()) or 'no outcome, only requests'}"
            )
        return bool(self.machine.events[name].trigger(self, **kwargs))

    def may_trigger(
        self,
        event: ActionName | str,
        *,
        actor: Actor | str = Actor.MEMBER,
        microversion: Microversion | str = LATEST,
    ) -> bool:
        """Whether `trigger` would carry this event out. Changes nothing.

        Raises:
            UnknownEventError: there is no such event.
        """
        name, kwargs = self._asked(event, actor, microversion, {})
        return self.machine.may(self, name, kwargs)

    def _asked(
        self,
        event: str,
        actor: Actor | str,
        microversion: Microversion | str,
        data: dict[str, Any],
    ) -> tuple[str, dict[str, Any]]:
        name = str(event)
        if name not in self.machine.events and name not in _ACTIONS:
            raise UnknownEventError(event, self.machine.events)
        verdict = None
        rulebook = self.machine.rulebook
        if name in _ACTIONS:
            verdict = check(
                self.server, name, actor=actor, microversion=microversion, rulebook=rulebook
            )
            assert verdict.action is not None  # an action was asked for
            name = verdict.action.value  # as it was understood at this microversion
        context = {
            "data": data,
            "verdict": verdict,
            "actor": requests.actor(actor),
            "microversion": Microversion(microversion),
        }
        return name, context

    def _outcomes(self) -> list[str]:
        if self.server is None:
            return []
        possible = events(self.server, rulebook=self.machine.rulebook)
        return [name for name in possible if name in self.machine.events]


_ACTIONS = frozenset(name.value for name in ActionName)


def build_machine(
    *,
    rulebook: Rulebook = API_REFERENCE,
    before: Iterable[Callback] = (),
    after: Iterable[Callback] = (),
) -> ServerMachine:
    """Return a machine with every state and edge of the lifecycle, for any number of models.

    Args:
        rulebook: whose rules.
        before, after: called with a `transitions.EventData` before and after every change; a
            string names a method of the model. `event_data.kwargs` holds "verdict" (None for an
            outcome), "actor", "microversion", and under "data" what `trigger` was given besides.
    """
    machine = ServerMachine(
        model=None,
        states=[ABSENT, *(state_name((vm, task)) for vm in VmState for task in (None, *TaskState))],
        initial=ABSENT,
        auto_transitions=False,
        send_event=True,
        before_state_change=list(before),
        after_state_change=list(after),
    )
    machine.rulebook = rulebook
    for edge in edges(rulebook):
        taken = _Taken(edge)
        machine.add_transition(
            edge.event,
            ABSENT if edge.start is None else state_name(edge.start),
            state_name(edge.end),
            conditions=[taken.is_due],
            before=[taken.prepare],
        )
    return machine


class _Taken:
    """One edge as `transitions` asks for it: whether to take it, and what it leads to."""

    __slots__ = ("edge",)

    def __init__(self, edge: Edge) -> None:
        self.edge = edge

    def is_due(self, event_data: EventData) -> bool:
        """Whether the edge leads from the model's server to where the edge says."""
        server = self._after(event_data)
        return server is not None and _pair(server) == self.edge.end

    def prepare(self, event_data: EventData) -> None:
        """Lay the server at the edge's end ready for the change of state."""
        model: Any = event_data.model
        model._next = self._after(event_data)

    def _after(self, event_data: EventData) -> Server | None:
        model: Any = event_data.model
        server: Server | None = model.server
        context, book = event_data.kwargs, event_data.machine.rulebook
        if self.edge.event in _ACTIONS:
            guard = context["verdict"].guard
            return None if guard is None else written(server, guard.set)
        if server is None:
            return None
        version = context["microversion"]
        step = attempt(server, self.edge.event, microversion=version, rulebook=book)
        return None if step is None else step.server


def _pair(server: Server) -> State:
    assert server.vm_state is not None
    return server.vm_state, server.task_state
