"""Acceptors: one sort of view each of a server, and what it means for somebody who waits.

Only their shape and their making out of a `Prospect` belong here; `waiting.py` has the waiter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final

from serverfsm.prospects import GONE, Prospect, Sight
from serverfsm.states import Status, TaskState, VmState, status_of

__all__ = ["NOT_FOUND", "OK", "Acceptor", "TaskShown", "WaitState", "acceptors"]


class WaitState(StrEnum):
    """What a view means for somebody who waits; the words are botocore's."""

    SUCCESS = "success"
    FAILURE = "failure"
    RETRY = "retry"


class TaskShown(Enum):
    """Instead of a task_state, in an acceptor."""

    ANY = "any"  # whatever the view shows of it
    HIDDEN = "hidden"  # the view does not show it


NOT_FOUND, OK = 404, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptor:
    """One sort of view, and what it means.

    Attributes:
        state: what it means.
        sentence: why.
        http_status: of the answer, 404 or 200; None: 200, and the next two tell.
        status: the API status that the view shows.
        task_state: the task that it shows, None for none under way; or a `TaskShown`.
        failures: the failures of the action's row that may have led here.
    """

    state: WaitState
    sentence: str
    http_status: int | None = None
    status: Status | None = None
    task_state: TaskState | TaskShown | None = TaskShown.ANY
    failures: tuple[str, ...] = ()

    def fits(self, status: Status | None, task_state: TaskState | TaskShown | None) -> bool:
        """Whether a view is of this sort; status None: the server was not found.

        >>> stopped = Acceptor(state=WaitState.SUCCESS, sentence="", status=Status.SHUTOFF,
        ...                    task_state=None)
        >>> stopped.fits(Status.SHUTOFF, None), stopped.fits(Status.SHUTOFF, TaskShown.HIDDEN)
        (True, False)
        """
        if self.http_status is not None or status is None:
            return self.http_status == (NOT_FOUND if status is None else OK)
        return self.status is status and self.task_state in (TaskShown.ANY, task_state)

    def to_botocore(self) -> dict[str, Any]:
        """Return it as an acceptor of botocore's `waiters-2.json`."""
        if self.http_status is not None:
            return {"state": self.state.value, "matcher": "status", "expected": self.http_status}
        tests = [f"server.status == '{self.status}'"]
        if self.task_state is TaskShown.HIDDEN:
            tests.append(f"server.{_VM} == `null`")
        elif self.task_state is not TaskShown.ANY:
            task = "`null`" if self.task_state is None else f"'{self.task_state}'"
            # A path that is not there is null, too: only the vm_state tells "none" from "hidden".
            tests += [f"server.{_VM} != `null`", f"server.{_TASK} == {task}"]
        argument = " && ".join(tests)
        return {
            "state": self.state.value,
            "matcher": "path",
            "argument": argument,
            "expected": True,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON would have it; a task_state may be "any" or "hidden"."""
        task = self.task_state
        return {
            "state": self.state.value,
            "http_status": self.http_status,
            "status": None if self.status is None else self.status.value,
            "task_state": None if task is None else task.value,
            "failures": list(self.failures),
            "sentence": self.sentence,
        }


_VM, _TASK = '"OS-EXT-STS:vm_state"', '"OS-EXT-STS:task_state"'


# ----------------------------------------------------------------------- made out of a prospect


_ERROR: Final = Status.ERROR
_IDLE: Final = tuple(status_of(vm_state, None) for vm_state in VmState)


def acceptors(name: str, seen: Prospect) -> Iterator[Acceptor]:
    """Yield the acceptors of the action of this name, in the order in which they are to be tried.

    >>> from serverfsm import API_REFERENCE, Server
    >>> from serverfsm.prospects import prospect
    >>> seen = prospect(Server("active"), "pause", actor="member", microversion="latest",
    ...                 rulebook=API_REFERENCE)
    >>> [(each.state.value, each.status.value) for each in list(acceptors("pause", seen))[1:4]]
    [('success', 'PAUSED'), ('retry', 'ACTIVE'), ('failure', 'ACTIVE')]
    """
    is_good = GONE in seen.good
    gone = _succeeded(name, seen.good[GONE]) if is_good else _gone_with_it(name)
    state = WaitState.SUCCESS if is_good else WaitState.FAILURE
    yield _acceptor(state, gone, http_status=NOT_FOUND)
    if seen.at_once:
        names = tuple(dict.fromkeys(name for names in seen.bad.values() for name in names))
        sentence = f"{name} was over when the request was answered"
        yield _acceptor(state, gone, status=Status.DELETED)
        yield _acceptor(WaitState.SUCCESS, sentence, http_status=OK, failures=names)
        return
    known = [*_good(name, seen), *_under_way(name, seen), *_bad(name, seen)]
    yield from known
    yield from _by_status_alone(name, known)
    sentence = "another task is under way, or the state does not show: look again"
    yield _acceptor(WaitState.RETRY, sentence, http_status=OK)


def _good(name: str, seen: Prospect) -> Iterator[Acceptor]:
    for sight in _in_order(seen.good):
        failures = seen.bad.get(sight, ())
        sentence = _succeeded(name, seen.good[sight])
        if failures:
            sentence = f"{name} is over, and has succeeded or not ({_or(failures)})"
        yield _acceptor(WaitState.SUCCESS, sentence, *sight, failures=failures)


def _under_way(name: str, seen: Prospect) -> Iterator[Acceptor]:
    for sight in _in_order(seen.way):
        failures = tuple(each for each in seen.bad.get(sight, ()) if each in seen.endless)
        for_ever = f", or it has failed and stays so ({_or(failures)})" if failures else ""
        sentence = f"{name} is under way{for_ever}"
        yield _acceptor(WaitState.RETRY, sentence, *sight, failures=failures)


def _bad(name: str, seen: Prospect) -> Iterator[Acceptor]:
    fail = WaitState.FAILURE
    told = {*seen.way, *seen.good}
    for sight in _in_order(seen.bad.keys() - told):
        told.add(sight)
        failures = seen.bad[sight]
        yield _acceptor(fail, f"{name} has failed ({_or(failures)})", *sight, failures=failures)
    if seen.overtakes:
        return  # the task that was overtaken may still write any state in passing
    tasks = [task for task in TaskState if any(task is other for _, other in seen.way)]
    for error in ((_ERROR, None), *((_ERROR, task) for task in tasks)):
        if error not in told:
            told.add(error)
            yield _acceptor(fail, "something has failed", *error)
    for status in _IDLE:
        if (status, None) not in told:
            why = "somebody else's request came between"
            if (status, None) in seen.origins:
                why = f"{name} was given up"
            elif (status, None) == GONE:
                why = _gone_with_it(name)
            yield _acceptor(fail, why, status, None)


def _by_status_alone(name: str, known: list[Acceptor]) -> Iterator[Acceptor]:
    """What a status means where no task is shown: only if no other state with it means less.

    A status that the action never leads to says nothing: another task may be under way.
    """
    for status in Status:
        same = [each for each in known if each.status is status]
        led = [each for each in same if each.failures or each.state is not WaitState.FAILURE]
        told = led or (same if status in (_ERROR, Status.DELETED) else [])
        meant = {each.state for each in told}
        if len(meant) == 1 and WaitState.RETRY not in meant:
            names = tuple(dict.fromkeys(failure for each in told for failure in each.failures))
            sentence = f"{name} shows this status at no other time" if led else told[0].sentence
            yield _acceptor(meant.pop(), sentence, status, TaskShown.HIDDEN, failures=names)


def _acceptor(
    state: WaitState,
    sentence: str,
    status: Status | None = None,
    task_state: TaskState | TaskShown | None = TaskShown.ANY,
    *,
    http_status: int | None = None,
    failures: tuple[str, ...] = (),
) -> Acceptor:
    return Acceptor(
        state=state,
        sentence=sentence,
        http_status=http_status,
        status=status,
        task_state=task_state,
        failures=failures,
    )


# ------------------------------------------------------------------------------------- in words


_TASKS: Final = (None, *TaskState)
_STATUSES: Final = tuple(Status)


def _in_order(sights: Iterable[Sight]) -> list[Sight]:
    return sorted(sights, key=lambda sight: (_STATUSES.index(sight[0]), _TASKS.index(sight[1])))


def _or(names: tuple[str, ...]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _gone_with_it(name: str) -> str:
    return f"the server is gone, and {name} with it"


def _succeeded(name: str, timer: str) -> str:
    by_now = f", and by now {timer} has run out" if timer else ""
    return f"{name} has succeeded{by_now}"
