"""What is measured of the time after the answer: a list of scenarios. Standard library only.

`origins.py` says where the servers come from and what is asked of them, `failures.py` what then
goes wrong. `runs.py` measures; a scenario that Nova refuses is not stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from failures import FAILURES, Failure
from origins import ANY, BOTH, HOSTLESS, NO_HOST, ORIGINS, REQUESTS, Request, Scenario


def origins_in(vm_state: str, passive: bool = False) -> tuple[str, ...]:
    """Return the origins in a vm_state; one alone for a passive request."""
    return ORIGINS[vm_state][:1] if passive else ORIGINS[vm_state]


def exists(origin: str, backing: str) -> bool:
    """Whether a server can come there: a volume-backed one is never just shelved, except by force.

    Where it is by force, that is from "stopped" alone.
    """
    return backing == "image" or (not origin.startswith("shelved<") and "<shelved" not in origin)


#: In these vm_states it matters where the server came from, except to PLAIN.
HIDING = ("resized", "error")
PLAIN = ("delete", "forceDelete", "trigger_crash_dump", "evacuate")
#: These are done as their likes are, and measured on one backing from one origin a state.
ALIKE = (
    "migrate",
    "migrate:host",
    "os-migrateLive:host",
    "unshelve:availability_zone",
    "unshelve:host",
    "rescue:rescue_image_ref",
)
#: These are done for a server on no host, too.
NEEDS_NO_HOST = (
    *("addFloatingIp", "addSecurityGroup", "delete", "forceDelete", "lock", "unlock"),
    *("os-resetState:active", "os-resetState:error", "removeFloatingIp", "removeSecurityGroup"),
)
#: Where the guests' power states matter.
POWER = (
    *("confirmResize", "createImage", "os-migrateLive", "pause", "reboot:HARD", "rescue"),
    *("resize", "restore", "resume", "revertResize", "shelve", "suspend", "unpause", "unrescue"),
    *("delete", "unshelve", "rebuild", "evacuate"),
)


def successes() -> Iterator[Scenario]:
    """Yield what goes well.

    Other microversions than the first, and deletions of volume-backed servers, are measured from
    the first origin in each vm_state alone.
    """
    for each in REQUESTS:
        for vm_state in each.vm_states:
            for origin in origins_in(vm_state, each.passive):
                first = origin == ORIGINS[vm_state][0]
                some = each.passive or (each.vm_states == ANY and not first)
                for backing in each.backings[:1] if some else each.backings:
                    if exists(origin, backing):
                        yield from _successes(each, origin, backing, first)
    for backing in BOTH:
        yield Scenario("create", origin="", backing=backing)
        for origin in ORIGINS["resized"]:
            for power in ("1", "4"):
                said = (f"power_state {power} in the row",)
                yield Scenario("confirmResize", "", origin, backing, injected=said)


def _successes(each: Request, origin: str, backing: str, first: bool) -> Iterator[Scenario]:
    """Yield a request from one origin."""
    down = ("host is down",) if each.down else ()
    for options in each.options:
        for version in each.versions if first else each.versions[:1]:
            found = Scenario(
                *(each.action, each.request, origin, backing, version, options),
                injected=down,
            )
            yield found
            newest = version == each.versions[0] and backing == "image"
            wanted = first or each.vm_states != ANY or options
            if each.action in POWER and newest and wanted:
                yield replace(found, guests="true")


def accepting(action: str, request: str) -> tuple[str, ...]:
    """Return the vm_states in which an action is accepted."""
    found = [each for each in REQUESTS if each.action == action]
    return next((each for each in found if each.request == request), found[0]).vm_states


def starts(failure: Failure, action: str) -> Iterator[tuple[str, str]]:
    """Yield the origins and backings from which a failure is measured.

    One origin in each vm_state, two where the vm_state hides what matters; a volume-backed server
    in the first vm_state alone, unless only volume-backed servers are meant.
    """
    wanted = failure.origins or accepting(action, failure.request)
    backings = failure.backings
    if action in ALIKE:
        backings = backings[-1:] if action.startswith("rescue") else backings[:1]
    for name in wanted:
        number = 2 if name in HIDING and action not in PLAIN else 1
        for turn, origin in enumerate(ORIGINS.get(name, (name,))[:number]):
            for backing in backings:
                once = backing == "volume" and len(backings) == 2
                if exists(origin, backing) and not (once and (turn or name != wanted[0])):
                    yield origin, backing


def failing() -> Iterator[Scenario]:
    """Yield what goes wrong."""
    for failure in FAILURES:
        for action in failure.actions.split():
            base = Scenario(
                action,
                failure.request,
                version=failure.version,
                options=failure.options,
                failure=failure.name,
                guests=failure.guests,
            )
            for origin, backing in starts(failure, action):
                for way in failure.injected:
                    injected = tuple(filter(None, way.split("; ")))
                    yield replace(base, origin=origin, backing=backing, injected=injected)
    yield from _lost_messages()
    yield from _without_host()


def _lost_messages() -> Iterator[Scenario]:
    """Yield each request once in each vm_state, with nobody to hear of it."""
    for each in REQUESTS:
        if each.passive or each.action.startswith("os-resetState"):
            continue
        down = ("host is down",) if each.down else ()
        for state in each.vm_states:
            if ORIGINS[state][0] not in HOSTLESS:
                yield Scenario(
                    each.action,
                    each.request,
                    ORIGINS[state][0],
                    version=each.versions[0],
                    failure="messages-lost",
                    injected=(*down, "messages are lost"),
                )


def _without_host() -> Iterator[Scenario]:
    """Yield requests to a server that is active by reset on no host, some to an offloaded one."""
    for each in REQUESTS:
        origins = [NO_HOST] if "active" in each.vm_states else []
        if each.action in ("addFixedIp", "removeFixedIp", "injectNetworkInfo"):
            origins.append("shelved_offloaded")
        failure: str | None = "no-host"
        if each.action in NEEDS_NO_HOST:
            failure = None
        elif each.action.startswith("os-migrateLive"):
            failure = "pre-check-failed"
        for origin in origins:
            yield Scenario(
                *(each.action, each.request, origin), version=each.versions[0], failure=failure
            )


def every() -> Sequence[Scenario]:
    """Return all scenarios, in a fixed order, none twice."""
    found = {each.key: each for each in (*successes(), *failing())}
    return [found[key] for key in sorted(found)]
