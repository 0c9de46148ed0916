"""Where the servers come from and what is asked of them. Standard library only.

`ORIGINS` says how a server comes to where a request finds it, `REQUESTS` what is asked there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trajectories import key_of

NEWEST = "2.104"

#: vm_state -> how a server comes there. `a<b` is made from b, by what makes `a` from "active".
ORIGINS: Mapping[str, tuple[str, ...]] = {
    "active": ("active",),
    "building": ("building",),
    "paused": ("paused",),
    "suspended": ("suspended",),
    "stopped": ("stopped",),
    "rescued": ("rescued", "rescued<stopped", "rescued<error"),
    "resized": ("resized", "resized<stopped", "resized(migrate)", "resized(migrate)<stopped"),
    "soft-delete": (
        "soft-delete",
        "soft-delete<stopped",
        "soft-delete<paused",
        "soft-delete<suspended",
        "soft-delete<rescued",
        "soft-delete<resized",
        "soft-delete<error",
        "soft-delete<shelved",
    ),
    "deleted": ("deleted",),
    "error": (
        "error",
        "error<stopped",
        "error<paused",
        "error<suspended",
        "error<rescued",
        "error(no-valid-host)",
        "error(build-failed)",
    ),
    "shelved": ("shelved", "shelved<stopped", "shelved<paused", "shelved<suspended"),
    "shelved_offloaded": (
        "shelved_offloaded",
        "shelved_offloaded<stopped",
        "shelved_offloaded<paused",
        "shelved_offloaded<suspended",
    ),
}
#: Servers of this kind have no host.
HOSTLESS = ("shelved_offloaded", "error(no-valid-host)", "error(build-failed)")
NO_HOST = "active(no-host)"
BOTH, IMAGE, VOLUME = ("image", "volume"), ("image",), ("volume",)
ANY = tuple(ORIGINS)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run to measure; the fields are those of `trajectories.Run`."""

    action: str
    request: str = ""
    origin: str = "active"
    backing: str = "image"
    version: str = NEWEST
    options: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None
    injected: tuple[str, ...] = ()
    guests: str = "fake"

    @property
    def key(self) -> str:
        """The same as that of its run."""
        return key_of(self)

    @property
    def world(self) -> tuple[str, str, str]:
        """What has to be made ready before it can be measured."""
        return (self.origin, self.backing, self.guests)


@dataclass(frozen=True, slots=True)
class Request:
    """A request to send in these vm_states.

    `passive`: nothing follows, so that one origin in each vm_state is enough. `down`: the server's
    host must be down. `versions`: the first is measured most.
    """

    action: str
    vm_states: tuple[str, ...] = ANY
    request: str = ""
    versions: tuple[str, ...] = (NEWEST,)
    backings: tuple[str, ...] = BOTH
    passive: bool = False
    down: bool = False
    options: tuple[Mapping[str, Any], ...] = ({},)


KEEP, RECLAIM = {"shelved_offload_time": -1}, {"reclaim_instance_interval": 3600}
IMAGED = ("active", "stopped", "paused", "suspended")
REBUILT = ("active", "stopped", "error")
UNSHELVED = ("shelved", "shelved_offloaded")
ON_OFF = ("active", "stopped")
MOVED_LIVE = ("active", "paused")

REQUESTS: tuple[Request, ...] = (
    Request("addSecurityGroup", passive=True),
    Request("removeSecurityGroup", passive=True),
    Request("addFixedIp", versions=("2.43",), passive=True),
    Request("removeFixedIp", versions=("2.43",), passive=True),
    Request("addFloatingIp", versions=("2.43",), passive=True),
    Request("removeFloatingIp", versions=("2.43",), passive=True),
    Request("lock", passive=True),
    Request("unlock", passive=True),
    Request("trigger_crash_dump", passive=True),
    Request("injectNetworkInfo", passive=True),
    Request("os-getConsoleOutput", passive=True),
    Request("os-getVNCConsole", versions=("2.5",), passive=True),
    Request(
        "os-getSPICEConsole", versions=("2.5",), passive=True, options=({"spice.enabled": True},)
    ),
    Request(
        "os-getSerialConsole",
        versions=("2.5",),
        passive=True,
        options=({"serial_console.enabled": True},),
    ),
    Request("changePassword", ("active",)),
    Request("confirmResize", ("resized",)),
    Request("revertResize", ("resized",)),
    Request("createBackup", IMAGED),
    Request("createBackup", ("active",), "rotation-0"),
    Request("createImage", IMAGED, versions=(NEWEST, "2.44")),
    Request("pause", ("active",)),
    Request("unpause", ("paused",)),
    Request("suspend", ("active",)),
    Request("resume", ("suspended",)),
    Request("reboot:SOFT", ("active",)),
    Request("reboot:HARD", ("active", "stopped", "paused", "suspended", "error")),
    Request("rebuild", REBUILT, versions=(NEWEST, "2.92")),
    Request("rebuild", REBUILT, "other-image"),
    Request("rescue", REBUILT, backings=IMAGE),
    Request("rescue:rescue_image_ref", REBUILT),
    Request("unrescue", ("rescued",)),
    Request("resize", ON_OFF),
    Request("migrate", ON_OFF),
    Request("migrate:host", ON_OFF),
    Request("os-migrateLive", MOVED_LIVE, versions=(NEWEST, "2.24")),
    Request("os-migrateLive:host", MOVED_LIVE),
    Request("os-migrateLive:host", MOVED_LIVE, "force", versions=("2.67",)),
    Request("os-start", ("stopped",)),
    Request("os-stop", ("active", "error")),
    Request("shelve", IMAGED, options=({}, KEEP)),
    Request("shelveOffload", ("shelved",)),
    Request("unshelve", UNSHELVED, versions=(NEWEST, "2.76")),
    Request("unshelve:availability_zone", ("shelved_offloaded",)),
    Request("unshelve:host", ("shelved_offloaded",)),
    Request("delete", options=({}, RECLAIM)),
    Request("forceDelete"),
    Request("restore", ("soft-delete",)),
    Request("evacuate", REBUILT, versions=(NEWEST, "2.94", "2.13"), down=True),
    Request("evacuate", REBUILT, "host", down=True),
    Request("evacuate", REBUILT, "host-force", versions=("2.67",), down=True),
    Request("os-resetState:active"),
    Request("os-resetState:error"),
)
