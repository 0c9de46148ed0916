"""Time: which timer has run out for a server, and what Nova then does.

Pure: the time is given, in seconds on any clock; nothing here looks at one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from serverfsm.options import Options
from serverfsm.rows import EffectKind, Moment, Timer
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import PowerState
from serverfsm.step import Step, advance, attempt, concerns
from serverfsm.unprompted import TIMERS, UNSET_POLL

__all__ = ["due_at", "period", "stamped", "tick"]

Times = Mapping[Moment, float]


def tick(
    server: Server,
    now: float,
    times: Times,
    *,
    guest: PowerState | None = None,
    timers: Iterable[Timer] = TIMERS,
    rulebook: Rulebook = API_REFERENCE,
    options: Options | None = None,
) -> Step:
    """Return the server after Nova's periodic tasks have looked at it once.

    Nova looks every so many seconds (`period`), so that a timer strikes up to one period late.
    Where several timers have run out, the first of the table strikes; ask again for the next.

    Args:
        server: its snapshot.
        now: the time, in seconds.
        times: when each moment that is known of its life was, on the same clock; a timer whose
            moment is not known does not strike, but for one that counts as long ago
            (`Timer.unknown_is_past`). `stamped` keeps them.
        timers: the periodic tasks that look; each looks at times of its own.
        guest: what the hypervisor says of the guest now; None: what the record says.
        rulebook: whose rules.
        options: the operator's; None: the rulebook's, which are Nova's defaults.

    Returns:
        A step whose event is the timer's option, or "" if nothing was due.

    Raises:
        MalformedServerError: of the server only the status is known.

    >>> rescued, hour = Server("rescued"), Options(rescue_timeout=3600)
    >>> tick(rescued, 3600, {Moment.LAUNCHED: 0}, options=hour).event
    ''
    >>> struck = tick(rescued, 3601, {Moment.LAUNCHED: 0}, options=hour)
    >>> struck.event, str(struck.server.task_state), struck.then.value
    ('rescue_timeout', 'unrescuing', 'unrescue')
    """
    book = rulebook.having(options)
    for timer in _run_out(server, now, times, timers, book.options):
        if timer.reaction is not None:
            power = server.power_state if guest is None else guest
            step = advance(server, f"{timer.reaction}.{power.name}", rulebook=book)
            if step.server != server or step.then is not None:
                return step
        elif timer.event is not None or timer.end is not None:
            struck = attempt(server, timer.option, rulebook=book)
            if struck is not None:
                return struck
    return Step(server, None, "")


def _run_out(
    server: Server, now: float, times: Times, timers: Iterable[Timer], options: Options
) -> Iterator[Timer]:
    for timer in timers:
        at = due_at(timer, times, options)
        if at is None or not concerns(timer, server):
            continue
        if at < now or (at == now and timer.at_once):
            yield timer


def due_at(timer: Timer, times: Times, options: Options | None = None) -> float | None:
    """Return when a timer runs out, in seconds on the clock of `times`; None if it never will.

    >>> rescue = next(timer for timer in TIMERS if timer.option == "rescue_timeout")
    >>> due_at(rescue, {Moment.LAUNCHED: 100}, Options(rescue_timeout=60))
    160
    """
    seconds: int = getattr(options or Options(), timer.option)
    if seconds < timer.on_from:
        return None
    if timer.since is None:
        return float("-inf")
    since = times.get(timer.since)
    if since is None:
        return float("-inf") if timer.unknown_is_past else None
    return since + seconds


def period(timer: Timer, options: Options | None = None) -> int | None:
    """Return how often Nova looks, in seconds; None if never.

    >>> [period(timer) for timer in TIMERS]
    [60, 3600, 60, 60, 60, 60, 600]
    """
    if timer.poll_option is None:
        return timer.poll
    seconds: int = getattr(options or Options(), timer.poll_option)
    return None if seconds < 0 else seconds or UNSET_POLL


def stamped(times: Times, step: Step, now: float) -> dict[Moment, float]:
    """Return the times after a step that was taken now: what it set, and the last change.

    >>> from serverfsm.step import accept
    >>> reclaiming = Options(reclaim_instance_interval=3600)
    >>> deleting = accept(Server("active"), "delete", options=reclaiming)
    >>> sorted(moment.value for moment in stamped({}, deleting, 5))
    ['deleted_at', 'updated_at']
    """
    after = {**times, Moment.UPDATED: now}
    for effect in step.effects:
        if effect.kind is EffectKind.TIME:
            after[Moment(effect.value)] = now
    return after
