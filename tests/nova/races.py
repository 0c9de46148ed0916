"""What Nova answers to the loser of a race: the kind "race".

Nova's API reads a server, tests its state and saves what it decided. Here another request changes
the row in between, just before the first save. Conductor and compute are stubbed out. Given are

`action`, `backing`
    A variant of `measure.py` that writes a state, sent by the lowest role that may; "image" or
    "volume".
`vm_state`
    Where the server is, with no task.
`change`
    What the other request does (CHANGES); "": nothing.

The log: ["row", …] and ["gone"] for what the other does, ["changed"], what the first then saves,
["answer", code, message] and ["then", what the API asked of conductor and compute …].
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import answers
from cloud import Reply
from measure import CALLS, VARIANTS, Variant
from nova.db.main import api as main_db
from restart import VM_STATES
from stage import Entry, Stage, World

Given = dict[str, Any]

#: The other request's doing -> the columns that it writes; None: it deletes the row.
CHANGES: Mapping[str, Mapping[str, Any] | None] = {
    "": {},
    "deleting": {"task_state": "deleting"},
    "soft-deleting": {"task_state": "soft-deleting"},
    "powering-off": {"task_state": "powering-off"},
    "rebooting": {"task_state": "rebooting"},
    "suspending": {"task_state": "suspending"},
    "rebuilding": {"task_state": "rebuilding"},
    "resetState:error": {"vm_state": "error", "task_state": None},
    "resetState:active": {"vm_state": "active", "task_state": None},
    "stopped": {"vm_state": "stopped", "task_state": None},
    "locked": {"locked": 1, "locked_by": "owner"},
    "locked by admin": {"locked": 1, "locked_by": "admin"},
    "deleted": None,
}


#: Measured on a volume-backed server, too.
BOTH = ("delete", "rebuild", "shelve", "os-stop")
VARIANT = {variant.name: variant for variant in VARIANTS}


def scenarios() -> Iterator[Given]:
    """Yield what is given: for every variant that writes a state, every vm_state it begins in."""
    begins = {
        (answer.action, answer.backing, answer.vm_state)
        for answer in answers.load()
        if _begins(answer, VARIANT[answer.action])
    }
    for action in VARIANT:
        for backing in ("image", "volume") if action in BOTH else ("image",):
            for vm_state in VM_STATES:
                if (action, backing, vm_state) in begins:
                    for change in CHANGES:
                        yield {
                            "action": action,
                            "backing": backing,
                            "vm_state": vm_state,
                            "change": change,
                        }


def _begins(answer: answers.Answer, variant: Variant) -> bool:
    """Tell whether this is an accepted request that wrote a state where no task was under way."""
    return (
        answer.version == variant.versions[0]
        and not answer.situation
        and answer.lock is None
        and answer.task_state is None
        and answer.code < 300
        and bool({"vm_state", "task_state"} & set(answer.writes))
    )


def prepare(stage: Stage) -> dict[str, World]:
    """Return the worlds: with an image-backed and with a volume-backed server, both resized."""
    cloud = stage.cloud
    servers = {}
    for backing in ("image", "volume"):
        servers[backing] = server = cloud.create_server(backing, volume=backing == "volume")
        cloud.act("member", server, "resize", {"flavorRef": "2"})
        cloud.wait(server, "VERIFY_RESIZE")
    return {backing: stage.remember(server) for backing, server in servers.items()}


def run(stage: Stage, worlds: Mapping[str, World], given: Given) -> list[Entry]:
    """Send the request and let another change the row; return what happens."""
    variant, vm_state = VARIANT[given["action"]], given["vm_state"]
    columns: dict[str, Any] = {"vm_state": vm_state}
    if vm_state == "shelved_offloaded":
        columns.update(host=None, node=None)
    if vm_state == "building":
        columns.update(launched_at=None)
    stage.begin(worlds[given["backing"]], **columns)
    if vm_state != "resized":
        query = "UPDATE migrations SET status = 'confirmed' WHERE instance_uuid = ?"
        stage.cloud.execute(query, (stage.server,))
        stage.observed.clear()
    stage.before_save = _change(stage, CHANGES[given["change"]])
    with _options(stage, variant), stage.cloud.stubbed(CALLS) as casts:
        reply = _ask(stage, variant)
        stage.answer("answer", reply)
        stage.note("then", *casts.take())
    if not stage.saved:
        raise RuntimeError(f"{given}: the API saved nothing, {reply}")
    return stage.log()


def _ask(stage: Stage, variant: Variant) -> Reply:
    """Send the request."""
    version = variant.versions[0]
    major, minor = version.split(".")
    if variant.action == "delete":
        return stage.cloud.send(variant.least, "DELETE", f"/servers/{stage.server}")
    argument = variant.argument((int(major), int(minor)), stage.other_host())
    return stage.cloud.act(variant.least, stage.server, variant.action, argument, version)


def _change(stage: Stage, columns: Mapping[str, Any] | None) -> Callable[[], None]:
    """Return what the other request does."""

    def change() -> None:
        if columns is None:
            with stage.cloud.periodic_context() as context:
                main_db.instance_destroy(context, stage.server)
        elif columns:
            stage.cloud.force(stage.server, **columns)
        stage.note("changed")

    return change


@contextlib.contextmanager
def _options(stage: Stage, variant: Variant) -> Iterator[None]:
    """Arrange what a variant needs."""
    if variant.host_down:
        query = "UPDATE services SET forced_down = 1 WHERE host = ?"
        stage.cloud.execute(query, (stage.host,))
    stage.cloud.flag(reclaim_instance_interval=3600 if variant.reclaim else 0)
    try:
        yield
    finally:
        stage.cloud.flag(reclaim_instance_interval=0)
