"""What a starting compute service does with a server, as a table: the first row that fits decides.

Standard library only. `test_events.py` holds it against every stored scenario of the kind "restart"
in which nothing else is so (`with` is ""): there the row says that the guest runs, whatever the
hypervisor says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Row = tuple[str, str | None, int]
Saves = tuple[tuple[str | Row, ...], ...]
RUNNING, PAUSED, SHUTDOWN = "RUNNING", "PAUSED", "SHUTDOWN"
NUMBERS = {RUNNING: 1, PAUSED: 3, SHUTDOWN: 4}

BUILD = {"scheduling", "block_device_mapping", "networking", "spawning"}
REBUILD = {"rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"}
IMAGE = {"image_snapshot", "image_snapshot_pending", "image_pending_upload", "image_uploading"}
SOFT = {"rebooting", "reboot_pending", "reboot_started"}
UNDER_WAY = {"rebooting", "rebooting_hard", "reboot_started", "reboot_started_hard"}
HARD_FROM = {"active", "stopped", "paused", "suspended"}

Server = tuple[str, str | None, str]


@dataclass(frozen=True)
class Rule:
    """Where it fits (None: anywhere), and the saves: of vm_state, task_state, power state."""

    vm_states: set[str] | None
    task_states: set[str] | None
    guests: set[str] | None
    saves: Callable[[Server], list[Row]]
    not_task_states: frozenset[str] = frozenset()

    def fits(self, server: Server) -> bool:
        """Tell whether the rule is for this vm_state, task_state, guest."""
        vm_state, task_state, guest = server
        return (
            (self.vm_states is None or vm_state in self.vm_states)
            and (self.task_states is None or task_state in self.task_states)
            and (self.guests is None or guest in self.guests)
            and task_state not in self.not_task_states
        )


GONE: Row = ("gone", None, 0)


def nothing(_server: Server) -> list[Row]:
    """Leave it as it is."""
    return []


def delete(_server: Server) -> list[Row]:
    """Delete it."""
    return [("deleted", None, 0), GONE]


def ends(vm_state: str, power: int = 1) -> Callable[[Server], list[Row]]:
    """Return what saves this vm_state and no task."""
    return lambda _server: [(vm_state, None, power)]


def clear(server: Server) -> list[Row]:
    """Save no task."""
    return [(server[0], None, 1)]


def reboot(server: Server) -> list[Row]:
    """Reboot it: hard unless a soft reboot was under way and the guest runs."""
    vm_state, task_state, guest = server
    soft = task_state in SOFT and guest == RUNNING
    kind = "" if soft else "_hard"
    saves: list[Row] = []
    if task_state in SOFT and not soft:
        saves.append((vm_state, "reboot_pending_hard", 1))
    saves.append((vm_state, f"reboot_pending{kind}", NUMBERS[guest]))
    saves.append((vm_state, f"reboot_started{kind}", NUMBERS[guest]))
    saves.append(("rescued" if vm_state == "rescued" else "active", None, 1))
    return saves


RULES = (
    Rule({"soft-delete"}, None, None, nothing),
    Rule({"error"}, None, None, nothing, frozenset({"resize_migrating", "deleting"})),
    Rule({"deleted"}, None, None, lambda _: [GONE]),
    Rule({"building"}, None, None, ends("error")),
    Rule(None, BUILD, None, ends("error")),
    Rule({"active", "stopped"}, REBUILD, None, ends("error")),
    Rule(None, {*IMAGE, "resize_prep"}, None, clear),
    Rule(None, {"deleting"}, None, delete),
    Rule({"active"}, {"reboot_pending"}, None, reboot),
    Rule(HARD_FROM, {"reboot_pending_hard"}, None, reboot),
    Rule(None, UNDER_WAY, {SHUTDOWN, PAUSED}, reboot),
    Rule(None, {*UNDER_WAY, "pausing", "unpausing"}, {RUNNING}, ends("active")),
    # The power state is the hypervisor's afterwards; the fake one's guests stay paused.
    Rule(None, {"unpausing"}, {PAUSED}, ends("active", NUMBERS[PAUSED])),
    Rule(None, {"powering-off"}, None, ends("stopped", 4)),
    Rule(None, {"powering-on"}, None, ends("active")),
    Rule(None, {"resize_migrating", "migrating"}, None, clear),
    Rule(None, None, None, nothing),
)


def expected(server: Server) -> list[Row]:
    """Return the saves by the table; one that changes nothing is left out."""
    rule = next(rule for rule in RULES if rule.fits(server))
    last: Row = (server[0], server[1], 1)
    found: list[Row] = []
    for row in rule.saves(server):
        if row != last:
            found.append(row)
        last = row
    return found


def stored(log: tuple[tuple[object, ...], ...]) -> list[Row]:
    """Return the saves in a stored log."""
    return [GONE if entry[0] == "gone" else entry[1:] for entry in log]  # type: ignore[misc]
