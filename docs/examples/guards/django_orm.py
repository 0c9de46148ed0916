"""A request, and a step of the work that follows, as one UPDATE each: the Django ORM.

Nothing is changed by `save()`: that UPDATE has only the primary key in its WHERE.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q

from docs.examples.guards.record import (
    ATTEMPTS,
    Answer,
    ConflictError,
    Record,
    ask,
    changes,
    going_on,
    plain,
    record,
)
from serverfsm import ActionName, Actor, CompareAndSwap, Step
from serverfsm.step import attempt

if not settings.configured:  # in a project, its settings are there already
    name = os.environ.get("GUARDS_SQLITE", ":memory:")
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": name}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()


if TYPE_CHECKING:
    Text = models.CharField[str, str]
    TextOrNull = models.CharField[str | None, str | None]
    Number = models.IntegerField[int, int]
    Flag = models.BooleanField[bool, bool]


class ServerRow(models.Model):
    """One server."""

    uuid: Text = models.CharField(max_length=36, primary_key=True)
    project_id: Text = models.CharField(max_length=36)
    vm_state: Text = models.CharField(max_length=32)
    task_state: TextOrNull = models.CharField(max_length=32, null=True)
    power_state: Number = models.IntegerField()
    locked: Flag = models.BooleanField()
    locked_by: TextOrNull = models.CharField(max_length=8, null=True)
    launched: Flag = models.BooleanField()
    host: Flag = models.BooleanField()
    volume_backed: Flag = models.BooleanField()
    vm_state_before_resize: TextOrNull = models.CharField(max_length=32, null=True)
    deleted: Flag = models.BooleanField()
    request_id: Text = models.CharField(max_length=40)
    revision: Number = models.IntegerField()

    objects = models.Manager["ServerRow"]()

    class Meta:
        app_label = "guards"
        db_table = "servers"


class HistoryRow(models.Model):
    """One thing that happened to a server."""

    pk = models.CompositePrimaryKey("uuid", "revision")
    uuid: Text = models.CharField(max_length=36)
    revision: Number = models.IntegerField()
    request_id: Text = models.CharField(max_length=40)
    actor: TextOrNull = models.CharField(max_length=16, null=True)
    event: Text = models.CharField(max_length=64)
    goes_on: TextOrNull = models.CharField(max_length=64, null=True)

    objects = models.Manager["HistoryRow"]()

    class Meta:
        app_label = "guards"
        db_table = "history"


def where(guard: CompareAndSwap) -> Q:
    """Return what must hold of a row. `__in` leaves None out without a word: it has its own Q."""
    found = Q()
    for column, accepted in guard.expect.items():
        among = Q((f"{column}__in", [plain(value) for value in accepted if value is not None]))
        found &= among | Q((f"{column}__isnull", True)) if None in accepted else among
    return found


def look(uuid: str, *, using: str = "default") -> Record | None:
    """Return the record of a server; None if there is none."""
    row = ServerRow.objects.using(using).filter(uuid=uuid).values().first()
    return None if row is None else record(row)


def swapped(
    rows: models.QuerySet[ServerRow], step: Step, guard: CompareAndSwap, request_id: str
) -> bool:
    """Write, unless another request was first; the revision always, so that the row is locked."""
    written = changes(step, guard, request_id)
    return rows.filter(where(guard)).update(**written, revision=F("revision") + 1) == 1


def note(
    rows: models.QuerySet[ServerRow], step: Step, request_id: str, actor: str | None = None
) -> None:
    """Record the step at the revision which the same transaction wrote."""
    row = rows.values("uuid", "revision").get()
    HistoryRow.objects.using(rows.db).create(
        **row, request_id=request_id, actor=actor, event=step.event, goes_on=plain(step.then)
    )


def request(
    uuid: str,
    action: ActionName | str,
    request_id: str,
    *,
    actor: Actor = Actor.MEMBER,
    using: str = "default",
) -> Answer:
    """Accept a request, or say why not; beaten by another, look again.

    Raises:
        ConflictError: it was beaten at every attempt.
        ValueError: the action is `create`, or as `check`.
    """
    seen: tuple[int, ...] = ()
    row = ServerRow.objects.using(using).filter(uuid=uuid)
    for _ in range(ATTEMPTS):
        found = look(uuid, using=using)
        step, guard = ask(found, action, actor)
        if found is None or guard is None:
            return Answer(step, (*seen, found.revision) if found else seen)
        seen = (*seen, found.revision)
        with transaction.atomic(using):
            if swapped(row, step, guard, request_id):
                note(row, step, request_id, actor.value)
                return Answer(step, seen)
    raise ConflictError(f"{uuid} changed {ATTEMPTS} times")


def work(uuid: str, event: str, request_id: str, *, using: str = "default") -> Step | None:
    """Write a step of a request's work; None, and nothing written, if another took over.

    Raises:
        serverfsm.UnknownEventError: there is no such event.
    """
    row = ServerRow.objects.using(using).filter(uuid=uuid)
    found = look(uuid, using=using)
    step = attempt(found.server, event) if found and found.request_id == request_id else None
    if found is None or step is None:
        return None
    with transaction.atomic(using):
        mine = row.filter(request_id=request_id)
        if not swapped(mine, step, going_on(found.server, step.server), request_id):
            return None
        note(row, step, request_id)
    return step
