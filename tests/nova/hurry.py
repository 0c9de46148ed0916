"""Let Nova answer in a tenth of the time, by leaving out work that no answer depends on.

Most of a request's time goes into what is the same each time: tokens, routes, schemas, policy
rules, and reading the same rows through the object-relational mapper. While `hurried()` is in
force, and the hurry is on,

- a request that was sent before goes straight to Nova's own dispatcher, with the context that
  keystonemiddleware gave it the first time;
- a schema's validator is made once, and a policy rule is asked once for the same actor and target;
- a server is read once through the mapper, and then only the columns that say what state it is in;
  the plain ones are written without the mapper, and without a notification;
- what else is read about a server is read once;
- instance actions are not written down, nor that a server's mapping is to be deleted, and the
  policy file is not looked at.

`measure.py` measures some cells both ways and compares.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest import mock

from cloud import NEWEST, Cloud, Reply  # before nova: it patches the process
from nova import context as nova_context
from nova import exception, objects
from nova import policy as nova_policy
from nova.api import openstack as openstack_api
from nova.api.openstack import wsgi
from nova.api.validation import validators
from nova.objects import base as nova_objects
from nova.objects import instance as instance_objects
from nova.objects import service as service_objects
from nova.objects import share_mapping

#: The columns that are read each time.
FRESH = ("vm_state", "task_state", "locked", "locked_by", "host", "node", "launched_at", "deleted")
#: What a server's `save` may write without the mapper.
PLAIN = {"vm_state", "task_state", "locked", "locked_by", "progress", "deleted_at"}
EXPECTED = {"expected_vm_state", "expected_task_state", "admin_state_reset"}
QUERY = f"SELECT {', '.join(FRESH)} FROM instances WHERE uuid = ?"
#: What makes the answer of a fault: the function without the wrapper that makes it WSGI.
FAULT = vars(wsgi.Fault)["__call__"].func
#: What an attribute may be that needs no copy.
LEAVES = {str, int, bool, type(None), datetime.datetime}


def clone(value: Any, context: Any) -> Any:
    """Copy an object of Nova's for this context, as deep as there are such objects."""
    if isinstance(value, nova_objects.NovaObject):
        made = object.__new__(type(value))
        vars(made).update(vars(value))
        for name, each in vars(value).items():
            if type(each) not in LEAVES:
                vars(made)[name] = clone(each, context)
        made._context = context
        return made
    if not isinstance(value, dict | list | set):
        return value
    kind: Any = type(value)
    if kind in (dict, list, set):
        return kind(value)
    container = kind.__new__(kind)
    filling: Any = {dict: dict.update, list: list.extend, set: set.update}
    next(fill for base, fill in filling.items() if isinstance(value, base))(container, value)
    vars(container).update(vars(value))
    return container


def stored(value: Any) -> Any:
    """Return a value as it stands in a column: a time without its zone, which is UTC."""
    return value.replace(tzinfo=None).isoformat(" ") if hasattr(value, "tzinfo") else value


def fresh_context(context: Any) -> Any:
    """Copy a request's context, without the transactions that it is in."""
    made = copy.copy(context)
    vars(made).pop("_enginefacade_context", None)
    return made


@dataclass(frozen=True)
class Prepared:
    """A request as it reached Nova's dispatcher."""

    resource: wsgi.Resource
    environ: Mapping[str, Any]
    context: Any
    action: str
    arguments: Mapping[str, Any]
    rest: tuple[Any, ...]

    def send(self) -> Reply:
        """Send it again."""
        environ = {**self.environ, "nova.context": fresh_context(self.context)}
        request = wsgi.Request(environ)
        try:
            response = self.resource._process_stack(
                request, self.action, dict(self.arguments), *self.rest
            )
        except Exception as error:
            response = openstack_api.FaultWrapper(None)._error(error, request)
        answer = FAULT(response, request) if isinstance(response, wsgi.Fault) else response
        return Reply(
            answer.status_int,
            answer.body.decode(),
            answer.headers.get("Content-Type", ""),
            dict(answer.headers),
        )


class Hurry:
    """What is remembered of requests and rows; `forget()` it when other than FRESH changes."""

    def __init__(self, cloud: Cloud) -> None:
        """Begin with nothing remembered."""
        self._cloud = cloud
        self._stack = wsgi.Resource._process_stack
        self._read = instance_objects.Instance.get_by_uuid
        self._save = instance_objects.Instance.save
        self._target = nova_context.set_target_cell
        self._gather = nova_context.scatter_gather_single_cell
        self._validator = validators._SchemaValidator
        self._authorize = nova_policy._ENFORCER.authorize
        self._validators: dict[Any, Any] = {}
        self._allowed: dict[Any, Any] = {}
        self._instances: dict[Any, Any] = {}
        self._prepared: dict[Any, Prepared] = {}
        self._rows: dict[Any, Any] = {}
        self._learning: Any = None
        self.on = True

    def forget(self) -> None:
        """Forget everything that was read."""
        self._instances.clear()
        self._rows.clear()

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """Take no short cut for a while."""
        self.on = False
        try:
            yield
        finally:
            self.on = True

    # Requests

    def send(
        self, actor: str, method: str, path: str, body: Any = None, version: str = NEWEST
    ) -> Reply:
        """Do what `Cloud.send` does; a second time, without the way to Nova's dispatcher."""
        if not self.on:
            return self._cloud.send(actor, method, path, body, version)
        key = (actor, method, path, repr(body), version)
        if key in self._prepared:
            return self._prepared[key].send()
        self._learning = key
        try:
            return self._cloud.send(actor, method, path, body, version)
        finally:
            self._learning = None

    def stack(self, resource: Any, request: Any, action: str, arguments: Any, *rest: Any) -> Any:
        """Dispatch a request, in the place of `_process_stack`, and remember it."""
        if self._learning is not None:
            environ = dict(request.environ)
            context = fresh_context(environ.pop("nova.context"))
            self._prepared[self._learning] = Prepared(
                resource, environ, context, action, dict(arguments), rest
            )
            self._learning = None
        return self._stack(resource, request, action, arguments, *rest)

    def validator(self, schema: Any, *options: Any, **named: Any) -> Any:
        """Return a schema's validator, in the place of `_SchemaValidator`."""
        if not self.on:
            return self._validator(schema, *options, **named)
        key = (id(schema), options, tuple(named.items()))
        if key not in self._validators:
            self._validators[key] = (self._validator(schema, *options, **named), schema)
        return self._validators[key][0]

    def authorize(self, rule: str, target: Any, context: Any, **named: Any) -> Any:
        """Ask for a rule, in the place of the policy enforcer's `authorize`."""
        who = (context.user_id, context.project_id, tuple(context.roles), context.is_admin)
        if not (self.on and isinstance(target, dict)):
            return self._authorize(rule, target, context, **named)
        key = (rule, tuple(target.items()), who, context.system_scope)
        if key not in self._allowed:
            self._allowed[key] = self._authorize(rule, target, context)
        if self._allowed[key] or not named.get("do_raise"):
            return self._allowed[key]
        return self._authorize(rule, target, context, **named)

    # Rows

    def target(self, context: Any, cell: Any) -> None:
        """Connect a context with a cell, in the place of `set_target_cell`."""
        known = nova_context.CELL_CACHE.get(cell.uuid) if self.on and cell is not None else None
        if known is None:
            self._target(context, cell)
            return
        context.db_connection, context.mq_connection = known
        context.cell_uuid = cell.uuid

    def gather(self, context: Any, cell: Any, function: Any, *arguments: Any, **named: Any) -> Any:
        """Ask a cell in this thread, in the place of `scatter_gather_single_cell`."""
        if not self.on:
            return self._gather(context, cell, function, *arguments, **named)
        targeted = fresh_context(context)
        if targeted.cell_uuid != cell.uuid:
            nova_context.set_target_cell(targeted, cell)
        try:
            return {cell.uuid: function(targeted, *arguments, **named)}
        except exception.NovaException as error:
            return {cell.uuid: error}

    def instance(
        self, context: Any, uuid: str, expected_attrs: Any = None, use_slave: bool = False
    ) -> Any:
        """Return a server, in the place of `Instance.get_by_uuid`."""
        if not self.on:
            return self._read(context, uuid, expected_attrs, use_slave)
        project = None if context.is_admin else context.project_id
        attributes = None if expected_attrs is None else tuple(sorted(set(expected_attrs)))
        key = (uuid, attributes, project, context.read_deleted)
        rows = self._cloud._db.execute(QUERY, (uuid,)).fetchall()
        fresh = dict(zip(FRESH, rows[0], strict=True)) if rows else {"deleted": True}
        known = self._instances.get(key)
        if fresh["deleted"] or known is None:
            return self._remember(key, fresh, context, expected_attrs, use_slave)
        if isinstance(known, Exception):
            raise exception.InstanceNotFound(instance_id=uuid)
        made = clone(known, context)
        for name in ("vm_state", "task_state", "locked_by", "host", "node"):
            setattr(made, f"_obj_{name}", fresh[name])
        made._obj_locked = bool(fresh["locked"])
        if not fresh["launched_at"]:
            made._obj_launched_at = None
        return made

    def _remember(
        self, key: Any, fresh: Mapping[str, Any], context: Any, expected: Any, use_slave: bool
    ) -> Any:
        """Read a server through the mapper; remember it unless it is special."""
        plain = not fresh["deleted"] and fresh["launched_at"]
        try:
            found = self._read(context, key[0], expected, use_slave)
        except exception.InstanceNotFound as error:
            if plain:
                self._instances[key] = error
            raise
        if plain:
            self._instances[key] = clone(found, None)
        return found

    def save(self, server: Any, **expected: Any) -> None:
        """Write down plain columns of a server, in the place of `Instance.save`."""
        changes = {name: getattr(server, name) for name in server.obj_what_changed()}
        if not (self.on and changes and changes.keys() <= PLAIN and expected.keys() <= EXPECTED):
            self._save(server, **expected)
            return
        where, values = "uuid = ? AND deleted = 0", [*map(stored, changes.values()), server.uuid]
        for column in ("vm_state", "task_state"):
            wanted = expected.get(f"expected_{column}")
            if wanted is not None:
                listed = [wanted] if isinstance(wanted, str) else list(wanted)
                where += f" AND coalesce({column}, '') IN ({', '.join('?' * len(listed))})"
                values += [each or "" for each in listed]
        columns = ", ".join(f"{column} = ?" for column in changes)
        database = self._cloud._db
        written = database.execute(f"UPDATE instances SET {columns} WHERE {where}", values)
        database.commit()
        if written.rowcount == 1:
            server.obj_reset_changes()
        else:
            self._save(server, **expected)

    def once(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return a class method that reads the same objects once, and copies of them else."""

        def function(context: Any, *arguments: Any, **named: Any) -> Any:
            if not self.on:
                return real(context, *arguments, **named)
            key = (name, context.cell_uuid, repr(arguments), repr(named))
            if key not in self._rows:
                self._rows[key] = clone(real(context, *arguments, **named), None)
            return clone(self._rows[key], context)

        return function

    def nothing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does nothing while the hurry is on, and what `real` does else."""
        empty = SimpleNamespace(finish=lambda: None, finish_with_failure=lambda *_: None)

        def function(*arguments: Any, **named: Any) -> Any:
            return empty if self.on else real(*arguments, **named)

        return function


@contextlib.contextmanager
def hurried(cloud: Cloud) -> Iterator[Hurry]:
    """Take the short cuts until the end of the `with` block."""
    hurry = Hurry(cloud)
    event = objects.InstanceActionEvent
    enforcer = nova_policy._ENFORCER

    def stack(resource: Any, *arguments: Any) -> Any:
        return hurry.stack(resource, *arguments)

    def save(server: Any, **expected: Any) -> None:
        hurry.save(server, **expected)

    with contextlib.ExitStack() as patches:
        for target, name, new in [
            (wsgi.Resource, "_process_stack", stack),
            (validators, "_SchemaValidator", hurry.validator),
            (enforcer, "authorize", hurry.authorize),
            (enforcer, "load_rules", hurry.nothing(enforcer.load_rules)),
            (nova_context, "set_target_cell", hurry.target),
            (nova_context, "scatter_gather_single_cell", hurry.gather),
            (instance_objects.Instance, "get_by_uuid", hurry.instance),
            (instance_objects.Instance, "save", save),
            *(
                (owner, name, hurry.once(f"{owner.__name__}.{name}", getattr(owner, name)))
                for owner, name in (
                    (objects.InstanceMapping, "get_by_instance_uuid"),
                    (objects.BlockDeviceMappingList, "get_by_instance_uuid"),
                    (objects.RequestSpec, "get_by_instance_uuid"),
                    (objects.Service, "get_by_compute_host"),
                    (share_mapping.ShareMappingList, "get_by_instance_uuid"),
                    (service_objects, "get_minimum_version_all_cells"),
                )
            ),
            *(
                (owner, name, hurry.nothing(getattr(owner, name)))
                for owner, name in (
                    (objects.InstanceAction, "action_start"),
                    (objects.InstanceMapping, "save"),
                    (event, "event_start"),
                    (event, "event_finish"),
                    (event, "event_finish_with_failure"),
                )
            ),
        ]:
            patches.enter_context(mock.patch.object(target, name, new))
        yield hurry
