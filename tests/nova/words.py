"""Write Nova's own words to `tests/data/nova-34-words.json`.

Run it with the interpreter that `setup.py` makes. Everything in the file is read from the installed
`nova`: nothing is typed by hand. Its keys:

`actions`
    Action key of `POST /servers/{id}/action` (and `DELETE /servers/{id}`, `POST /servers`,
    `POST /servers/{id}/remote-consoles` as `delete`, `create`, `remote-consoles`) -> `min` and
    `max` microversion (null: the end of the range), `expected_errors` (a list of
    [min, max, codes]), `normal` (a list of [min, max, code]), `schemas` (the microversion ranges
    that have a request schema of their own), `policies` (the rules that name this request),
    `removed` (the release that removed it, or null). All as declared: `addFloatingIp` and
    `removeFloatingIp` declare no code, but answer 202 by hand.
`policies`
    Every rule's name -> its default check string.
`power_states`
    Name -> number, as in `OS-EXT-STS:power_state`.
`status`
    vm_state -> API status -> the task_states (null: none) that give it, over the whole product.
`status_default`, `status_unknown_vm_state`
    vm_state -> the status for a task_state Nova does not know; the status for such a vm_state.
`status_filter`
    API status -> the vm_states and task_states that `GET /servers?status=` looks for.
`constants`
    The lists of states in `nova/compute/vm_states.py`.
"""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonfile
from nova import policies
from nova.api.openstack import api_version_request, common
from nova.api.openstack.compute import remote_consoles, routes, servers
from nova.compute import power_state, task_states, vm_states
from nova.objects import fields

OUTPUT = Path(__file__).resolve().parents[1] / "data" / "nova-34-words.json"
ACTION_PATH = "/servers/{server_id}/action ("
OTHER_PATHS = {
    ("POST", "/servers"): "create",
    ("DELETE", "/servers/{server_id}"): "delete",
    ("POST", "/servers/{server_id}/remote-consoles"): "remote-consoles",
}


def constants(module: Any) -> list[str]:
    """Return the values of a module's upper-case string names, sorted."""
    names = [name for name in vars(module) if name.isupper()]
    return sorted({value for name in names if isinstance(value := getattr(module, name), str)})


def status_map(vm: list[str], tasks: list[str | None]) -> dict[str, dict[str, list[str | None]]]:
    """Return vm_state -> status -> task_states, as `status_from_state` has it."""
    found: dict[str, dict[str, list[str | None]]] = {}
    for vm_state in vm:
        by_status = found.setdefault(vm_state, {})
        for task_state in tasks:
            status = common.status_from_state(vm_state, task_state)
            by_status.setdefault(status, []).append(task_state)
    return found


def status_filters(statuses: list[str]) -> dict[str, dict[str, list[str]]]:
    """Return status -> the vm_states and task_states that a list filtered by it asks for."""
    found = {}
    for status in statuses:
        vm, tasks = common.task_and_vm_state_from_status([status])
        found[status] = {"vm_states": vm, "task_states": tasks}
    return found


def layers(method: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Yield a controller method's decorators, outermost first, and the method itself."""
    current: Callable[..., Any] | None = method
    while current is not None:
        yield current
        current = getattr(current, "__wrapped__", None)


def expected_errors(method: Callable[..., Any]) -> list[list[Any]]:
    """Return [min, max, codes] of each `wsgi.expected_errors` on the method."""
    found = []
    for layer in layers(method):
        inside = inspect.getclosurevars(layer).nonlocals
        if "errors" in inside:
            errors = inside["errors"]
            codes = [errors] if isinstance(errors, int) else sorted(errors)
            found.append([inside["min_version"], inside["max_version"], codes])
    return found


def normal_codes(method: Callable[..., Any]) -> list[list[Any]]:
    """Return [min, max, code] of each `wsgi.response`; 200 where there is none."""
    codes = getattr(method, "wsgi_codes", None)
    if codes is None:
        return [[None, None, 200]]
    return [[low, high, code] for code, low, high in codes._codes]


def schema_ranges(method: Callable[..., Any]) -> list[list[str | None]]:
    """Return the microversion ranges with a request schema of their own, lowest first."""
    schemas = getattr(method, "request_body_schemas", None)
    entries = schemas._schemas if schemas is not None else []
    return [[version(low), version(high)] for _, low, high in entries]


def version(request: Any) -> str | None:
    """Return a microversion as text, None for the null version."""
    return None if request.is_null() else str(request.get_string())


def describe(method: Callable[..., Any], rules: list[str]) -> dict[str, Any]:
    """Return what Nova declares about one API method."""
    return {
        "min": getattr(method, "min_version", None),
        "max": getattr(method, "max_version", None),
        "expected_errors": expected_errors(method),
        "normal": normal_codes(method),
        "schemas": schema_ranges(method),
        "policies": sorted(rules),
        "removed": removed_in(method),
    }


def removed_in(method: Callable[..., Any]) -> str | None:
    """Return the release in which Nova removed the method (`wsgi.removed`), if it did.

    Nova stores the reason where the release should be, so the release is read from the decorator.
    """
    for layer in layers(method):
        if getattr(layer, "removed", False):
            reason = str(layer.removed_reason)  # type: ignore[attr-defined]
            words = [word for word in reason.split() if word.count(".") == 2 and word[0].isdigit()]
            return words[-1] if words else "yes"
    return None


def action_methods() -> dict[str, Callable[..., Any]]:
    """Return the name of every server action, and of the three other requests -> its method."""
    main, others = routes.server_controller.args
    found: dict[str, Callable[..., Any]] = {}
    for controller in (main, *others):
        for key, name in controller.wsgi_actions.items():
            found[key] = getattr(controller, name)
    found["create"] = servers.ServersController.create
    found["delete"] = servers.ServersController.delete
    found["remote-consoles"] = remote_consoles.RemoteConsolesController.create
    return found


def rules_by_action() -> dict[str, list[str]]:
    """Return action -> the names of the policy rules whose documentation names its request."""
    found: dict[str, list[str]] = {}
    for rule in policies.list_rules():
        for operation in getattr(rule, "operations", None) or []:
            path, method = operation["path"], operation["method"]
            if path.startswith(ACTION_PATH):
                name = path.removeprefix(ACTION_PATH).removesuffix(")")
            else:
                name = OTHER_PATHS.get((method, path), "")
            if name:
                found.setdefault(name, []).append(rule.name)
    return found


def words() -> dict[str, Any]:
    """Return the whole file."""
    vm, tasks = constants(vm_states), constants(task_states)
    product: list[str | None] = [None, *tasks]
    statuses = status_map(vm, product)
    rules = rules_by_action()
    return {
        "nova": importlib.metadata.version("nova"),
        "microversions": {
            "min": api_version_request.min_api_version().get_string(),
            "max": api_version_request.max_api_version().get_string(),
        },
        "vm_states": vm,
        "task_states": tasks,
        "power_states": {
            name: fields.InstancePowerState.index(value)
            for name in ("NOSTATE", "RUNNING", "PAUSED", "SHUTDOWN", "CRASHED", "SUSPENDED")
            if (value := power_state.STATE_MAP[getattr(power_state, name)])
        },
        "constants": {
            name: sorted(value)
            for name, value in vars(vm_states).items()
            if name.startswith("ALLOW")
        },
        "status": statuses,
        "status_default": {vm_state: common.status_from_state(vm_state) for vm_state in vm},
        "status_unknown_vm_state": common.status_from_state("no such vm_state", None),
        "status_filter": status_filters(sorted(set().union(*statuses.values()))),
        "actions": {
            key: describe(method, rules.get(key, [])) for key, method in action_methods().items()
        },
        "policies": {rule.name: rule.check_str for rule in policies.list_rules()},
    }


if __name__ == "__main__":
    jsonfile.write(OUTPUT, words())
