"""serverfsm: the lifecycle of an OpenStack Compute server as one executable table.

>>> from serverfsm import Server, check
>>> bool(check(Server("active"), "os-stop"))
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from serverfsm.check import allowed, check
from serverfsm.requests import FIRST, LATEST, ActionName, Actor, Microversion, Policy
from serverfsm.rulebook import API_REFERENCE, NOVA_34, Rulebook

if TYPE_CHECKING:
    from serverfsm.clock import tick
    from serverfsm.errors import (
        BadCostError,
        BadOptionError,
        ImpossibleEventError,
        MalformedServerError,
        MissingLayoutError,
        MissingPackageError,
        ResultsError,
        TableError,
        UnknownActionError,
        UnknownActorError,
        UnknownEventError,
        UnknownFormatError,
        UnknownMicroversionError,
        UnknownOptionError,
        UnknownRulebookError,
        UnknownServerError,
        UnknownStateError,
        UnknownViewError,
        UnknownWordError,
        UnsuitableFormatError,
    )
    from serverfsm.guards import CompareAndSwap, Reason, Refusal
    from serverfsm.lifecycle import edges
    from serverfsm.negotiation import Negotiated, negotiate
    from serverfsm.options import Options
    from serverfsm.planning import Plan, plan
    from serverfsm.server import Server
    from serverfsm.states import (
        ComputeDriver,
        LockedBy,
        PowerState,
        Status,
        TaskState,
        VmState,
        status_of,
    )
    from serverfsm.step import Step, accept, advance, events, follow
    from serverfsm.verdict import Fault, RefusedError, Verdict
    from serverfsm.verification import verify
    from serverfsm.waiting import Waiter, WaitState, waiter

__all__ = [
    "API_REFERENCE",
    "FIRST",
    "LATEST",
    "NOVA_34",
    "ActionName",
    "Actor",
    "BadCostError",
    "BadOptionError",
    "CompareAndSwap",
    "ComputeDriver",
    "Fault",
    "ImpossibleEventError",
    "LockedBy",
    "MalformedServerError",
    "Microversion",
    "MissingLayoutError",
    "MissingPackageError",
    "Negotiated",
    "Options",
    "Plan",
    "Policy",
    "PowerState",
    "Reason",
    "Refusal",
    "RefusedError",
    "ResultsError",
    "Rulebook",
    "Server",
    "Simulation",
    "Status",
    "Step",
    "TableError",
    "TaskState",
    "UnknownActionError",
    "UnknownActorError",
    "UnknownEventError",
    "UnknownFormatError",
    "UnknownMicroversionError",
    "UnknownOptionError",
    "UnknownRulebookError",
    "UnknownServerError",
    "UnknownStateError",
    "UnknownViewError",
    "UnknownWordError",
    "UnsuitableFormatError",
    "Verdict",
    "VmState",
    "WaitState",
    "Waiter",
    "__version__",
    "accept",
    "advance",
    "allowed",
    "check",
    "edges",
    "events",
    "follow",
    "negotiate",
    "plan",
    "status_of",
    "tick",
    "verify",
    "waiter",
]

__version__ = "0.1.0"

# The rest is imported when it is first asked for, so that importing the package stays cheap.
_MODULES = {
    "clock": ("tick",),
    "errors": (
        "BadCostError",
        "BadOptionError",
        "ImpossibleEventError",
        "MalformedServerError",
        "MissingLayoutError",
        "MissingPackageError",
        "ResultsError",
        "TableError",
        "UnknownActionError",
        "UnknownActorError",
        "UnknownEventError",
        "UnknownFormatError",
        "UnknownMicroversionError",
        "UnknownOptionError",
        "UnknownRulebookError",
        "UnknownServerError",
        "UnknownStateError",
        "UnknownViewError",
        "UnknownWordError",
        "UnsuitableFormatError",
    ),
    "guards": ("CompareAndSwap", "Reason", "Refusal"),
    "lifecycle": ("edges",),
    "negotiation": ("Negotiated", "negotiate"),
    "options": ("Options",),
    "planning": ("Plan", "plan"),
    "server": ("Server",),
    "states": (
        "ComputeDriver",
        "LockedBy",
        "PowerState",
        "Status",
        "TaskState",
        "VmState",
        "status_of",
    ),
    "simulation": ("Simulation",),
    "step": ("Step", "accept", "advance", "events", "follow"),
    "verdict": ("Fault", "RefusedError", "Verdict"),
    "verification": ("verify",),
    "waiting": ("WaitState", "Waiter", "waiter"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
