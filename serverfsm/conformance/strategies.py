"""Hypothesis strategies: words, servers, requests, and what GET /servers/{id} answers.

Everything is drawn from the vocabulary, the improbable along with the usual; no rule of the
lifecycle belongs here. It is the only module of the library that imports `hypothesis`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from serverfsm.check import check
from serverfsm.requests import FIRST, LATEST, ActionName, Actor, Microversion
from serverfsm.rulebook import RULEBOOKS, Rulebook
from serverfsm.server import Server
from serverfsm.states import LockedBy, PowerState, Status, TaskState, VmState
from serverfsm.verdict import Verdict

__all__ = [
    "Options",
    "Question",
    "action_names",
    "actors",
    "microversions",
    "power_states",
    "requests",
    "rulebooks",
    "server_documents",
    "servers",
    "status_only_servers",
    "statuses",
    "task_states",
    "vm_states",
]


def statuses() -> SearchStrategy[Status]:
    """Return a strategy for the 20 API statuses."""
    return st.sampled_from(Status)


def vm_states() -> SearchStrategy[VmState]:
    """Return a strategy for the 12 vm_states.

    >>> from hypothesis import find
    >>> find(vm_states(), lambda state: state.value == "stopped")
    <VmState.STOPPED: 'stopped'>
    """
    return st.sampled_from(VmState)


def task_states() -> SearchStrategy[TaskState | None]:
    """Return a strategy for the 42 task_states and None, which stands for no task.

    None comes in one of three draws, since most that is worth asking is asked of idle servers.
    """
    some: SearchStrategy[TaskState | None] = st.sampled_from(TaskState)
    return st.one_of(st.none(), some, some)


def power_states() -> SearchStrategy[PowerState]:
    """Return a strategy for the six power states."""
    return st.sampled_from(PowerState)


def actors() -> SearchStrategy[Actor]:
    """Return a strategy for the kinds of person who may ask."""
    return st.sampled_from(Actor)


def microversions() -> SearchStrategy[Microversion]:
    """Return a strategy for the 104 microversions: each of them, and often the last."""
    known = [Microversion(f"2.{minor}") for minor in range(FIRST.minor, LATEST.minor + 1)]
    return st.one_of(st.just(LATEST), st.sampled_from(known))


def action_names() -> SearchStrategy[ActionName]:
    """Return a strategy for the actions, every variant by its own name."""
    return st.sampled_from(ActionName)


def rulebooks() -> SearchStrategy[Rulebook]:
    """Return a strategy for the rulebooks."""
    return st.sampled_from(tuple(RULEBOOKS.values()))


_COLUMNS: dict[str, SearchStrategy[Any]] = {
    "vm_state": vm_states(),
    "task_state": task_states(),
    "power_state": power_states(),
    "locked": st.booleans(),
    "locked_by": st.none() | st.sampled_from(LockedBy),
    "launched": st.sampled_from((True, True, True, False)),
    "host": st.sampled_from((None, None, True, False)),
    "volume_backed": st.booleans(),
    "vm_state_before_resize": st.sampled_from((None, VmState.ACTIVE, VmState.STOPPED)),
    "deleted": st.sampled_from((False, False, False, True)),
}


@st.composite
def _snapshots(draw: DrawFn, columns: dict[str, SearchStrategy[Any]]) -> Server:
    values = {name: draw(strategy) for name, strategy in columns.items()}
    if not values["locked"]:
        values["locked_by"] = None
    return Server(**values)


def servers(**columns: SearchStrategy[Any]) -> SearchStrategy[Server]:
    """Return a strategy for servers whose states are known: the full product, likely or not.

    Args:
        columns: attributes of `Server` and the strategy to draw each from instead of from all
            its values. `locked_by` is None wherever `locked` is drawn False.

    Raises:
        TypeError: a column is not an attribute of `Server`.

    >>> from hypothesis import find, strategies as st
    >>> find(servers(vm_state=st.just("paused")), lambda server: not server.locked).status
    <Status.PAUSED: 'PAUSED'>
    >>> servers(vmstate=st.just("paused"))
    Traceback (most recent call last):
    TypeError: a server has no column vmstate
    """
    for name in columns:
        if name not in _COLUMNS:
            raise TypeError(f"a server has no column {name}")
    return _snapshots(_COLUMNS | columns)


def status_only_servers() -> SearchStrategy[Server]:
    """Return a strategy for servers of which the API status is known and no state."""
    return st.builds(_only_status, statuses(), st.booleans(), st.booleans())


def _only_status(status: Status, locked: bool, volume_backed: bool) -> Server:
    return Server(
        None,
        only_status=status,
        locked=locked,
        volume_backed=volume_backed,
        deleted=status is Status.DELETED,
    )


class Options(TypedDict):
    """The keyword arguments of `check`, `allowed` and `accept`."""

    actor: Actor
    microversion: Microversion
    rulebook: Rulebook


class Question(NamedTuple):
    """One request, as it may be put to `check`."""

    server: Server | None
    action: ActionName
    actor: Actor
    microversion: Microversion
    rulebook: Rulebook

    @property
    def options(self) -> Options:
        """All but server and action, as the keyword arguments of `check`."""
        return Options(actor=self.actor, microversion=self.microversion, rulebook=self.rulebook)

    def check(self) -> Verdict:
        """Return the library's own answer."""
        return check(self.server, self.action, **self.options)


def requests(
    server: SearchStrategy[Server] | SearchStrategy[Server | None] | None = None,
    *,
    action: SearchStrategy[ActionName] | None = None,
    actor: SearchStrategy[Actor] | None = None,
    microversion: SearchStrategy[Microversion] | None = None,
    rulebook: SearchStrategy[Rulebook] | None = None,
) -> SearchStrategy[Question]:
    """Return a strategy for requests: who asks what of which server, and by whose rules.

    Args:
        server: what it is asked of; unless given, `servers()`.
        action, actor, microversion, rulebook: the rest; unless given, any.

    >>> from hypothesis import find
    >>> question = find(requests(), lambda question: question.action.value == "os-stop")
    >>> question.check().action
    <ActionName.STOP: 'os-stop'>
    """
    return st.builds(
        Question,
        servers() if server is None else server,
        action_names() if action is None else action,
        actors() if actor is None else actor,
        microversions() if microversion is None else microversion,
        rulebooks() if rulebook is None else rulebook,
    )


# Keys by the first microversion that shows them, to everybody and besides to administrators.
# Source: nova.api.openstack.compute.views.servers:ViewBuilder.show of Nova 34.0.0.
_ID = "9d1ef5a3-4e0c-4f6e-8f7f-0d0a1f3c5b7e"
_SHOWN: dict[str, dict[str, Any]] = {
    "2.1": {
        "id": _ID,
        "name": "web-1",
        "tenant_id": "6f70656e737461636b20342065766572",
        "user_id": "fake",
        "created": "2026-11-23T13:09:37Z",
        "updated": "2026-11-23T13:09:38Z",
        "accessIPv4": "",
        "accessIPv6": "",
        "addresses": {},
        "metadata": {},
        "config_drive": "",
        "key_name": None,
        "links": [{"rel": "self", "href": f"http://compute.example/v2.1/servers/{_ID}"}],
        "OS-DCF:diskConfig": "MANUAL",
        "os-extended-volumes:volumes_attached": [],
    },
    "2.19": {"description": None},
    "2.26": {"tags": []},
    "2.63": {"trusted_image_certificates": None},
    "2.71": {"server_groups": []},
    "2.73": {"locked_reason": None},
}
_SHOWN_TO_ADMINISTRATORS: dict[str, dict[str, Any]] = {
    "2.1": {"OS-EXT-SRV-ATTR:instance_name": "instance-00000001"},
    "2.3": {
        "OS-EXT-SRV-ATTR:launch_index": 0,
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
        "OS-EXT-SRV-ATTR:user_data": None,
    },
}
_DATE = "2026-11-23T13:09:38.503570"
_HOST_ID = "cf3c4426d2e27b5f5a8e4f2e00bced7153623aeb1d26a1a86b4eb312"


def _shown(server: Server, version: Microversion, *, administrator: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"status": server.status.value}
    for since, keys in _SHOWN.items():
        if version >= since:
            shown |= keys
    shown["image"] = "" if server.volume_backed else {"id": _ID, "links": []}
    shown["flavor"] = (
        {"original_name": "m1.tiny", "vcpus": 1, "ram": 512}
        if version >= "2.47"
        else {"id": "1", "links": []}
    )
    shown["hostId"] = _HOST_ID if server.host else ""
    shown["OS-EXT-AZ:availability_zone"] = "nova" if server.host else ""
    shown["OS-EXT-STS:power_state"] = server.power_state.value
    if server.vm_state is not None:
        shown["OS-EXT-STS:vm_state"] = server.vm_state.value
        shown["OS-EXT-STS:task_state"] = server.task_state and server.task_state.value
    shown["OS-SRV-USG:launched_at"] = _DATE if server.launched else None
    shown["OS-SRV-USG:terminated_at"] = _DATE if server.deleted else None
    if version >= "2.9":
        shown["locked"] = server.locked
    if administrator:
        for since, keys in _SHOWN_TO_ADMINISTRATORS.items():
            if version >= since:
                shown |= keys
        host = "compute-1" if server.host else None
        shown["OS-EXT-SRV-ATTR:host"] = shown["OS-EXT-SRV-ATTR:hypervisor_hostname"] = host
        if version >= "2.16":
            shown["host_status"] = "UP" if server.host else ""
    return shown


@st.composite
def _documents(
    draw: DrawFn,
    server: SearchStrategy[Server],
    microversion: SearchStrategy[Microversion],
    administrator: SearchStrategy[bool],
) -> dict[str, Any]:
    version = draw(microversion)
    shown = _shown(draw(server), version, administrator=draw(administrator))
    return {"server": shown} if draw(st.booleans()) else shown


def server_documents(
    server: SearchStrategy[Server] | None = None,
    *,
    microversion: SearchStrategy[Microversion] | None = None,
    administrator: SearchStrategy[bool] | None = None,
) -> SearchStrategy[dict[str, Any]]:
    """Return a strategy for what GET /servers/{id} answers, decoded from JSON.

    Every key that tells a server's state is there at the microversions and for the people that
    Nova shows it to, and most of the other keys; with the outer "server" key or without.

    Args:
        server: what is shown; unless given, `servers()`.
        microversion: at which; unless given, any.
        administrator: to an administrator, or (False) to somebody who is none; unless given, both.

    >>> from hypothesis import find, strategies as st
    >>> paused = st.just(Server("paused", volume_backed=True))
    >>> document = find(server_documents(paused), lambda document: "server" not in document)
    >>> document["status"], document["image"], Server.from_api(document).vm_state
    ('PAUSED', '', <VmState.PAUSED: 'paused'>)
    """
    return _documents(
        servers() if server is None else server,
        microversions() if microversion is None else microversion,
        st.booleans() if administrator is None else administrator,
    )
