"""Why there is no plan: which rule stands in the way, found by leaving one out at a time.

Only the words and their search belong here, worked out when a plan was not found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from serverfsm.options import Options
from serverfsm.requests import Actor
from serverfsm.search import Terms, Way, solve
from serverfsm.server import Server
from serverfsm.states import Kind, LockedBy, Status

__all__ = ["impossible", "undecided", "why_not"]


def undecided(server: Server) -> str:
    """Why a server of which only the status is known is no place to begin.

    >>> undecided(Server.from_status("RESIZE"))
    'only the status RESIZE is known, and with it a task is always under way: give its states'
    """
    if server.status is Status.UNKNOWN:
        return "Nova does not know the server's state: ask again"
    return (
        f"only the status {server.status} is known, and with it a task is always under way: "
        "give its states"
    )


def impossible(server: Server, goal: Status) -> str | None:
    """Why no plan can lead from here, or there, whatever is allowed; None if one may.

    >>> impossible(Server("active"), Status.REBOOT)
    'REBOOT shows only while a task is under way: no server comes to rest there'
    """
    if goal is Status.UNKNOWN:
        return "UNKNOWN is shown where Nova does not know the state: nothing leads there"
    if goal.kind is Kind.BUSY:
        return f"{goal} shows only while a task is under way: no server comes to rest there"
    if server.deleted and goal is not Status.DELETED:
        return "the server is deleted: every request is answered 404"
    return None


def why_not(server: Server, goal: Status, terms: Terms) -> str:
    """Return why no plan was found: what, were it otherwise, would let one be found.

    Args:
        server: where the search began.
        goal: where it should have ended.
        terms: on what terms it was made.
    """
    return next(_reasons(server, goal, terms), None) or _none(server, goal)


def _none(server: Server, goal: Status) -> str:
    if server.task_state is not None:
        return (
            f"{server.task_state} is under way, nothing that is known of ends it, and no allowed "
            f"action leads from there to {goal}"
        )
    if goal.kind is Kind.FAILED:
        return f"{goal} is where failures lead: no action's success ends there"
    return f"no sequence of allowed actions leads from {server.status} to {goal}"


def _reasons(server: Server, goal: Status, terms: Terms) -> Iterator[str]:
    """Each reason that holds, the one that is nearest to what was asked first."""
    bold = _bold(terms)
    unlocked = replace(server, locked=False, locked_by=None)
    lock = _lock(server, terms)
    if lock is not None and solve(unlocked, goal, terms):
        yield lock
    if way := solve(server, goal, bold):
        yield _including(server, goal, way, terms)
    if lock is not None and (way := solve(unlocked, goal, bold)):
        yield f"{lock}; and {_including(unlocked, goal, way, terms)}"
    for given in (terms, bold):
        for who in _others(terms):
            if way := solve(unlocked, goal, replace(given, actor=who)):
                names = [move.row.name for move in way.moves]
                named = tuple(name.value for name in names if name in terms.left_out)
                also = f", with including={named}" if named else ""
                yield (
                    f"{_a(terms.actor)} may not do what it takes, {_a(who)} may{also}: "
                    f"{', '.join(names)}"
                )
    yield from _by_options(unlocked, goal, bold)


def _bold(terms: Terms) -> Terms:
    """The same terms with no action left out."""
    return replace(terms, including=frozenset(row.name for row in terms.leading))


def _others(terms: Terms) -> list[Actor]:
    """Those who may do more, by some row's policy."""
    policies = [row.policy for row in terms.leading]
    policies += [row.late_policy for row in terms.leading if row.late_policy is not None]
    least = {policy.least for policy in policies}
    return [who for who in Actor if who in least and who.rank > terms.actor.rank]


def _a(actor: Actor) -> str:
    return f"an {actor}" if actor.value[0] in "aeiou" else f"a {actor}"


def _lock(server: Server, terms: Terms) -> str | None:
    """Why the server's lock stays; None where there is none, or it is the actor's own."""
    if not server.locked or terms.owns_lock(server):
        return None
    if server.locked_by is None:
        return "it is locked, and not known by whom: only one's own lock is planned through"
    whose = "an administrator's" if server.locked_by is LockedBy.ADMIN else "its owner's"
    return f"it is locked, and the lock is {whose}: only one's own lock is planned through"


def _including(server: Server, goal: Status, way: Way, terms: Terms) -> str:
    """What would have to be named: one action, whichever would do, or all that the way has."""
    rows = [row for row in terms.leading if row.name in terms.left_out]
    alone = [
        row
        for row in rows
        if solve(server, goal, replace(terms, including=terms.including | {row.name}))
    ]
    needed = [row for row in rows if row.name in {move.row.name for move in way.moves}]
    choices = [[row] for row in alone] or [needed]
    named = " or ".join(f"including={tuple(row.name.value for row in each)}" for each in choices)
    is_destructive = any(row.destructive for row in (alone or needed))
    what = "gives up the server or its disk" if is_destructive else "changes only the record"
    return f"only what {what} leads there: {named} would let it"


def _by_options(server: Server, goal: Status, terms: Terms) -> Iterator[str]:
    """The operator's option that would have to be otherwise."""
    whens = [each.when for row in terms.leading for each in row.success]
    whens += [each.when for row in terms.leading for each in row.writes]
    conditions = dict.fromkeys(when.option for when in whens if when.option is not None)
    for condition in conditions:
        holds = terms.book.option_holds(condition)
        name = condition.split()[0]
        for value in (-1, 0, 1):
            values: dict[str, Any] = {**_values(terms.book.options), name: value}
            book = terms.book.having(Options(**values))
            if book.option_holds(condition) is not holds:
                if solve(server, goal, replace(terms, book=book)):
                    must = "does not hold" if holds else "holds"
                    yield f"{goal} is reached only where the operator's {condition} {must}"
                break


def _values(options: Options) -> dict[str, object]:
    return {name: getattr(options, name) for name in Options.__dataclass_fields__}
