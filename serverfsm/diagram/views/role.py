"""The overview as one role has it: what it may do, and with a lock what is left of that."""

from __future__ import annotations

from functools import cache

from serverfsm.check import check
from serverfsm.diagram.folding import Fold, folds
from serverfsm.diagram.model import Diagram
from serverfsm.diagram.parts import subtitle
from serverfsm.diagram.views.lifecycle import Frame, overview
from serverfsm.errors import UnknownViewError
from serverfsm.guards import Reason
from serverfsm.requests import LATEST, ActionName, Actor, Microversion
from serverfsm.rows import Action, Cause
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import LockedBy, VmState

__all__ = ["subjects", "view"]

_LOCKED = "-locked"

# Refusals that depend on who asks, or on a lock; all others do not tell roles apart.
_OF_ROLES = frozenset({Reason.NOT_AUTHENTICATED, Reason.NOT_FOUND, Reason.FORBIDDEN, Reason.LOCKED})


def subjects(rulebook: Rulebook = API_REFERENCE) -> tuple[str, ...]:
    """Return each role that may do anything, and the same with the owner's lock on the server.

    >>> subjects()[:2]
    ('member', 'member-locked')
    """
    requests = (Cause.PERSON, Cause.ADMINISTRATOR)
    asked = [
        fold
        for fold in folds()
        if isinstance(fold.row, Action) and fold.start is not None and fold.cause in requests
    ]
    able = [actor.value for actor in Actor if any(_may(fold, actor, False) for fold in asked)]
    return tuple(name + lock for name in able for lock in ("", _LOCKED))


def view(subject: str, rulebook: Rulebook = API_REFERENCE) -> Diagram:
    """Return the overview of what a role may do, as "member" or "member-locked"."""
    if subject not in subjects(rulebook):
        raise UnknownViewError(subject, subjects(rulebook), "role")
    actor = Actor(subject.removesuffix(_LOCKED))
    is_locked = subject.endswith(_LOCKED)
    found = folds(rulebook)
    kept = [
        fold
        for fold in found
        if not isinstance(fold.row, Action) or _may(fold, actor, is_locked, rulebook)
    ]
    may = {fold.row.name for fold in kept if isinstance(fold.row, Action)}
    asked = {fold.row.name for fold in found if isinstance(fold.row, Action)}
    lacking = [name.value for name in ActionName if name in asked - may]
    lock = " while the owner's lock is on it" if is_locked else ""
    title = (
        f"What the role {actor.value} may do to a server{lock}: {len(may)} of {len(asked)} actions"
    )
    notes = ("Refused: " + ", ".join(lacking[:8]) + _more(lacking[8:]),) if lacking else ()
    return overview(kept, rulebook, Frame("role", title, subtitle(rulebook), notes))


def _more(names: list[str]) -> str:
    return f", and {len(names)} more" if names else ""


@cache
def _may(fold: Fold, actor: Actor, is_locked: bool, rulebook: Rulebook = API_REFERENCE) -> bool:
    """Whether neither role nor lock is in the way; of work under way, of its beginning anywhere."""
    assert isinstance(fold.row, Action)
    starts = {other.start for other in folds(rulebook) if other.event == fold.row.name.value}
    if fold.event == fold.row.name.value:
        starts = {fold.start}
    since = Microversion(fold.row.since) if fold.row.until else LATEST
    return any(
        check(_server(start, is_locked), fold.row.name, actor, since, rulebook).reason
        not in _OF_ROLES
        for start in starts
    )


def _server(vm_state: VmState | None, is_locked: bool) -> Server | None:
    if vm_state is None:
        return None
    return Server(vm_state, locked=is_locked, locked_by=LockedBy.OWNER if is_locked else None)
