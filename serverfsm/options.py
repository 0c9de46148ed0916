"""`Options`: what an operator sets in nova.conf, as far as the lifecycle depends on it.

Only the options belong here; their defaults, and what they do, stand in the table's timers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from serverfsm.errors import BadOptionError, UnknownOptionError, shown
from serverfsm.states import ComputeDriver
from serverfsm.unprompted import TIMERS

__all__ = ["Options"]

_TIMERS = {timer.option: timer for timer in TIMERS}


@dataclass(frozen=True, slots=True)
class Options:
    """An operator's options, each with Nova's default. Whole seconds, unless said otherwise.

    What each measures, from when, is said in the table: `serverfsm table`.

    Attributes:
        resize_confirm_window: a resize is confirmed after so long; 0: never.
        shelved_offload_time: a shelved server leaves its host after so long; 0: at once; below
            0: never.
        reclaim_instance_interval: a deleted server can be restored for so long; 0: not at all.
        instance_build_timeout: a build that takes longer has failed; 0: never.
        reboot_timeout: the hypervisor sees to a soft reboot that takes longer; 0: never.
        rescue_timeout: a rescue ends after so long; 0: never.
        sync_power_state_interval: how often record and hypervisor are compared; below 0: never;
            0: every 60 seconds.
        shelved_poll_interval: how often Nova looks for shelved servers to offload; below 0:
            never; 0: every 60 seconds.
        compute_driver: the hypervisor.

    Raises:
        BadOptionError: a value is not a whole number, or not a driver.

    >>> Options(rescue_timeout=600).rescue_timeout, Options().sync_power_state_interval
    (600, 600)
    """

    resize_confirm_window: int = _TIMERS["resize_confirm_window"].default
    shelved_offload_time: int = _TIMERS["shelved_offload_time"].default
    reclaim_instance_interval: int = _TIMERS["reclaim_instance_interval"].default
    instance_build_timeout: int = _TIMERS["instance_build_timeout"].default
    reboot_timeout: int = _TIMERS["reboot_timeout"].default
    rescue_timeout: int = _TIMERS["rescue_timeout"].default
    sync_power_state_interval: int = _TIMERS["sync_power_state_interval"].default
    shelved_poll_interval: int = _TIMERS["shelved_offload_time"].poll
    compute_driver: ComputeDriver = ComputeDriver.LIBVIRT

    def __post_init__(self) -> None:
        for name in _NAMES:
            value: object = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise BadOptionError(
                    f"{name} must be a whole number of seconds, not {shown(value)}"
                )
        driver: object = self.compute_driver
        known = tuple(ComputeDriver)
        if not isinstance(driver, str) or driver not in known:
            raise BadOptionError(
                f"compute_driver must be {' or '.join(known)}, not {shown(driver)}"
            )
        object.__setattr__(self, "compute_driver", ComputeDriver(driver))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Options:
        """Return the options of a mapping by name, such as a section of nova.conf.

        Numbers may be text.

        Raises:
            UnknownOptionError: a name is no option that the lifecycle depends on.
            BadOptionError: as the class.

        >>> Options.from_mapping({"shelved_offload_time": "-1"}).shelved_offload_time
        -1
        """
        for name in values:
            if name not in cls.__dataclass_fields__:
                raise UnknownOptionError(name, cls.__dataclass_fields__)
        return cls(**{name: _number(value) for name, value in values.items()})


def _number(value: object) -> Any:
    """The number that a text is; anything else as it is."""
    try:
        return int(value) if isinstance(value, str) and len(value) < 20 else value
    except ValueError:
        return value


_NAMES = tuple(field.name for field in fields(Options) if field.name != "compute_driver")
