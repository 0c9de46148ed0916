"""serverfsm: the lifecycle of an OpenStack Compute server as one executable table.

>>> from serverfsm import Server, check
>>> bool(check(Server("active"), "os-stop"))
True
"""

from serverfsm.check import allowed, check
from serverfsm.errors import (
    MalformedServerError,
    TableError,
    UnknownActionError,
    UnknownActorError,
    UnknownMicroversionError,
    UnknownRulebookError,
    UnknownStateError,
    UnknownWordError,
)
from serverfsm.guards import CompareAndSwap, Reason, Refusal
from serverfsm.requests import FIRST, LATEST, ActionName, Actor, Microversion, Policy
from serverfsm.rows import LockedBy
from serverfsm.rulebook import API_REFERENCE, NOVA_34, Rulebook
from serverfsm.server import Server
from serverfsm.states import PowerState, Status, TaskState, VmState, status_of
from serverfsm.verdict import Fault, RefusedError, Verdict

__all__ = [
    "API_REFERENCE",
    "FIRST",
    "LATEST",
    "NOVA_34",
    "ActionName",
    "Actor",
    "CompareAndSwap",
    "Fault",
    "LockedBy",
    "MalformedServerError",
    "Microversion",
    "Policy",
    "PowerState",
    "Reason",
    "Refusal",
    "RefusedError",
    "Rulebook",
    "Server",
    "Status",
    "TableError",
    "TaskState",
    "UnknownActionError",
    "UnknownActorError",
    "UnknownMicroversionError",
    "UnknownRulebookError",
    "UnknownStateError",
    "UnknownWordError",
    "Verdict",
    "VmState",
    "__version__",
    "allowed",
    "check",
    "status_of",
]

__version__ = "0.1.0"
