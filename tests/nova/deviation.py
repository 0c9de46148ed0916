"""Show a deviation of the real Nova from the API reference: `python tests/nova/deviation.py NAME`.

Run it with the interpreter that `setup.py` makes. It starts Nova, forces a server into the smallest
situation in which the deviation shows (`situations.py` finds it by the rulebooks), sends the
request and prints what the reference says, what was sent and what came back. Exit status: 0 if it
shows, 1 if Nova answered otherwise (it may have been mended), 2 for wrong use.

    --list   the names
    --all    each of them, with one Nova

Nothing is sent on to conductor or compute, unless it is the hypervisor's part that is in question,
or what follows the answer: what is shown is the answer, and what is then in the server's row. A
port with an accelerator is written into the server's cached network information, for the fake
hypervisor has none.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from measure import ADDRESS, CALLS, VARIANTS
from situations import FOLLOWED, Cell, added_and_missing, smallest

from serverfsm import API_REFERENCE, NOVA_34, Actor, Server, Verdict, VmState
from serverfsm.deviations import DEVIATIONS
from serverfsm.requests import Guard
from serverfsm.rows import Deviation

if TYPE_CHECKING:
    from cloud import Cloud, Reply

#: A server that there is not.
UNKNOWN = "11111111-2222-4333-8444-555555555555"
SERVER = "$SERVER"
MESSAGE_WIDTH = 150
REQUESTS = {variant.name: variant for variant in VARIANTS}
#: How long an accepted request may take, in seconds.
PATIENCE = 30


@dataclass(frozen=True)
class Asked:
    """One request as it was sent, and what came of it."""

    cell: Cell
    server: str
    request: str
    expected: str
    reply: Reply
    left: Mapping[str, Any]
    shows: bool


# The situation


def states(server: Server | None) -> dict[str, str | None]:
    """Return the columns in which a server's states are; of one that is gone none."""
    if server is None:
        return {}
    return {
        "vm_state": str(server.vm_state),
        "task_state": server.task_state and str(server.task_state),
    }


def columns(cell: Cell) -> dict[str, Any]:
    """Return the columns of the server's row that make it the cell's."""
    server = cell.server
    if server is None:
        return {}
    found: dict[str, Any] = {**states(server)}
    if server.locked:
        found.update(locked=1, locked_by=str(server.locked_by))
    if not server.host:
        found.update(host=None, node=None)
    if not server.launched:
        found.update(launched_at=None)
    return found


def accelerate(cloud: Cloud, server: str) -> None:
    """Make the server's ports such that have an accelerator."""
    cloud.execute(
        "UPDATE instance_info_caches SET network_info ="
        """ replace(network_info, '"vnic_type": "normal"', '"vnic_type": "accelerator-direct"')"""
        " WHERE instance_uuid = ?",
        (server,),
    )


def host_of(cloud: Cloud, server: str) -> str:
    """Return the host on which the server is."""
    ((host,),) = cloud.execute("SELECT host FROM instances WHERE uuid = ?", (server,))
    return str(host)


def lose_host(cloud: Cloud, server: str) -> None:
    """Force the compute service of the server's host down."""
    cloud.host_down(host_of(cloud, server))


def make_rescuable(cloud: Cloud, server: str) -> None:
    """Give the server's own image the properties of a rescue image."""
    for name, value in (("device", "disk"), ("bus", "virtio")):
        cloud.execute(
            "INSERT INTO instance_system_metadata (instance_uuid, key, value, deleted)"
            " VALUES (?, ?, ?, 0)",
            (server, f"image_hw_rescue_{name}", value),
        )


@dataclass(frozen=True)
class Provocation:
    """What may bring about what no guard answers with: a code of the column `errors`, or an end.

    `prepare` changes the world; `argument` is sent in the place of the action's own; `lacking` is a
    hypervisor that lacks the operation, which the request then reaches; with `followed` the request
    is carried out, to its end.
    """

    what: str
    prepare: Callable[[Cloud, str], None] = lambda cloud, server: None
    argument: Any = None
    lacking: bool = False
    followed: bool = False


NONE = Provocation("")
#: By code; the first with which Nova answers so is shown.
PROVOCATIONS: Mapping[int, Sequence[Provocation]] = {
    400: (
        Provocation("a port with an accelerator", prepare=accelerate),
        Provocation("a body that is none of the action's", argument={"x": 1}),
    ),
    501: (Provocation("a hypervisor that lacks the operation", lacking=True),),
}
#: By action: what makes Nova accept what the library says *maybe* to.
HELP: Mapping[str, Provocation] = {
    "rescue": Provocation("its own image made for rescuing", prepare=make_rescuable)
}
#: By action: how it is carried out; all others as they are.
CARRIED_OUT: Mapping[str, Provocation] = {
    "evacuate": Provocation("its host down", prepare=lose_host, followed=True)
}


@contextmanager
def neighbours(
    cloud: Cloud, cell: Cell, server: str, provocation: Provocation = NONE
) -> Iterator[None]:
    """Provide what the request needs besides the server; let no more follow than is asked for."""
    key = cell.action.key
    floating: AbstractContextManager[None] = (
        cloud.floating_ip(server, ADDRESS) if "FloatingIp" in key else nullcontext()
    )
    after: AbstractContextManager[Any] = cloud.stubbed(CALLS)
    if provocation.lacking:
        after = cloud.failing(key, NotImplementedError())
    elif provocation.followed:
        after = nullcontext()
    with floating, after:
        yield
        if provocation.lacking:
            settle(cloud, server)
        elif provocation.followed:
            finish(cloud, server, f"compute_{NOVA_34[cell.action].sources.run}")


def settle(cloud: Cloud, server: str) -> None:
    """Wait until no task is under way, a few seconds at most."""
    end = time.monotonic() + 5
    while cloud.row(server)["task_state"] is not None and time.monotonic() < end:
        time.sleep(0.02)


def finish(cloud: Cloud, server: str, event: str) -> None:
    """Wait until the server's last action has come to the end of this event."""
    last = "SELECT max(id) FROM instance_actions WHERE instance_uuid = ?"
    query = f"SELECT finish_time FROM instance_actions_events WHERE action_id = ({last})"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = cloud.execute(f"{query} AND event = ?", (server, event))
        if found and found[0][0] is not None:
            return
        time.sleep(0.02)


# The request


def request_of(cell: Cell, other_host: str) -> tuple[str, str, Any]:
    """Return method, path with SERVER in it, and body."""
    variant = REQUESTS[cell.action.value]
    if cell.body is not None:
        return "POST", f"/servers/{SERVER}/action", cell.body
    if cell.action.key == "delete":
        return "DELETE", f"/servers/{SERVER}", None
    argument = variant.argument((2, cell.version.minor), other_host)
    return "POST", f"/servers/{SERVER}/action", {cell.action.key: argument}


def matches(verdict: Verdict, reply: Reply, server: str) -> bool:
    """Tell whether Nova answered so; `{...}` in the template is what the library cannot know."""
    if verdict.code != reply.code:
        return False
    if verdict.message is None:
        return True
    pattern = re.escape(verdict.message.replace("{id}", server))
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+", pattern), reply.message or "") is not None


class Bench:
    """An image-backed and a volume-backed server, made once and put back after each request."""

    def __init__(self, cloud: Cloud) -> None:
        """Make the servers."""
        self.cloud = cloud
        self.servers = {
            volume: cloud.create_server("volume" if volume else "image", volume=volume)
            for volume in (False, True)
        }
        self.restore = cloud.snapshot()

    def other_host(self, server: str) -> str:
        """Return the host on which the server is not."""
        from cloud import HOSTS

        host = host_of(self.cloud, server)
        return next(each for each in HOSTS if each != host)

    def ask(
        self,
        cell: Cell,
        expected: str,
        shows: Callable[[Reply, str], bool],
        provocation: Provocation = NONE,
    ) -> Asked:
        """Force the row, send the request, put everything back."""
        cloud = self.cloud
        volume = cell.server is not None and cell.server.volume_backed
        there = self.servers[volume]
        server = there if cell.server is not None else UNKNOWN
        other_host = self.other_host(there)
        method, path, body = request_of(cell, other_host)
        if provocation.argument is not None:
            body = {cell.action.key: provocation.argument}
        forced = columns(cell)
        if forced:
            cloud.force(server, **forced)
        provocation.prepare(cloud, server)
        before = cloud.row(there)
        with neighbours(cloud, cell, server, provocation):
            reply = cloud.send(
                cell.actor.value, method, path.replace(SERVER, server), body, str(cell.version)
            )
        left = {name: new for name, new in cloud.row(there).items() if new != before[name]}
        self.restore()
        cloud.manager(other_host).driver.instances.pop(server, None)  # a guest that went there
        return Asked(
            cell,
            ", ".join(part for part in (in_words(forced, volume), provocation.what) if part),
            f"{method} /v2.1{path} {json.dumps(body) if body is not None else ''}".rstrip(),
            expected,
            hide(reply, server),
            left,
            shows(reply, server),
        )


def in_words(forced: Mapping[str, Any], volume: bool) -> str:
    """Return what is particular about a server."""
    if not forced:
        return "there is none"
    kind = "volume-backed" if volume else "image-backed"
    return ", ".join((kind, *(f"{name}={value or 'NULL'}" for name, value in forced.items())))


def hide(reply: Reply, server: str) -> Reply:
    """Return the reply with SERVER in the place of the server's id."""
    return type(reply)(reply.code, reply.text.replace(server, SERVER), reply.content_type)


# The deviations


def said(verdict: Verdict) -> str:
    """Return a verdict in a line."""
    return answered(verdict.code, (verdict.message or "").replace("{id}", SERVER))


def answered(code: int, message: str | None) -> str:
    """Return an answer in a line."""
    text = " ".join((message or "").split())
    short = text if len(text) <= MESSAGE_WIDTH else f"{text[:MESSAGE_WIDTH]} ..."
    return f"{code} {short}".rstrip()


def show_errors(bench: Bench, deviation: Deviation) -> Iterator[Asked]:
    """Provoke the codes that Nova adds; ask where those should come that it never gives."""
    added, missing = added_and_missing(deviation)
    row = NOVA_34[deviation.action]
    given = {*row.errors, row.normal}
    for code, cell in zip((*added, *missing), smallest(deviation), strict=True):
        tried = PROVOCATIONS.get(code, ()) or (NONE,)
        if code in missing:
            provocation = tried[0] if code >= 500 else NONE
            yield bench.ask(cell, str(code), lambda reply, _: reply.code in given, provocation)
            continue
        expected = f"{row.normal}, or one of the codes listed, of which {code} is none"
        asked = [bench.ask(cell, expected, gives(code), each) for each in tried]
        yield next((each for each in asked if each.shows), asked[0])


def gives(code: int) -> Callable[[Reply, str], bool]:
    """Return a test whether the answer has this code."""
    return lambda reply, _: reply.code == code


def show_verdict(bench: Bench, deviation: Deviation) -> Iterator[Asked]:
    """Ask where the verdicts of the two rulebooks differ by this deviation."""
    for cell in smallest(deviation):
        ours, nova = cell.ask(API_REFERENCE), cell.ask(NOVA_34)

        def shows(reply: Reply, server: str, ours: Verdict = ours, nova: Verdict = nova) -> bool:
            return matches(nova, reply, server) and not matches(ours, reply, server)

        yield bench.ask(cell, said(ours), shows)
        if ours.refusal is not None and ours.refusal.guard is Guard.KNOWN:
            yield bench.ask(hidden(cell), said(ours), gives(ours.code))
        if nova.maybe:
            help_ = HELP[cell.action.key]
            yield bench.ask(cell, said(ours), gives(NOVA_34[nova.action].normal), help_)


def show_end(bench: Bench, deviation: Deviation) -> Iterator[Asked]:
    """Let the request be carried out where the rulebooks see it end otherwise."""
    for cell in smallest(deviation):
        code = NOVA_34[cell.action].normal
        ours, nova = (states(cell.follow(book)[-1].server) for book in (API_REFERENCE, NOVA_34))
        expected = f"{code}, and in the end {', '.join(f'{k}={v}' for k, v in ours.items() if v)}"
        how = CARRIED_OUT.get(cell.action.key, Provocation("", followed=True))
        asked = bench.ask(cell, expected, gives(code), how)
        found = {**states(cell.server), **asked.left}
        shows = ours != nova and all(found[column] == nova[column] for column in nova)
        yield replace(asked, shows=asked.shows and shows)


def hidden(cell: Cell) -> Cell:
    """Return the same question of a stranger about a server that there is."""
    return cell._replace(actor=Actor.STRANGER, server=Server(VmState.ACTIVE))


def show(bench: Bench, deviation: Deviation) -> bool:
    """Print one deviation as it is today; return whether it shows."""
    showing = show_verdict
    if deviation.column == "errors":
        showing = show_errors
    elif deviation.column in FOLLOWED:
        showing = show_end
    print(deviation.name)
    print(f"  reference  {deviation.documented} [{deviation.evidence}]")
    asked = list(showing(bench, deviation))
    for each in asked:
        print_asked(each)
    shows = bool(asked) and all(each.shows for each in asked)
    print(f"  {'it shows' if shows else 'IT DOES NOT SHOW'}\n", flush=True)
    return shows


def print_asked(asked: Asked) -> None:
    """Print one request and what came of it."""
    print(f"  server     {asked.server}")
    print(f"  request    {asked.request}")
    print(f"             OpenStack-API-Version: compute {asked.cell.version}, as {who(asked)}")
    print(f"  expected   {asked.expected}")
    print(f"  answered   {answered(asked.reply.code, asked.reply.message)}")
    if asked.left:
        print(f"  left       {', '.join(f'{name}={new}' for name, new in asked.left.items())}")


def who(asked: Asked) -> str:
    """Return the actor in words."""
    actor = asked.cell.actor
    if actor is Actor.STRANGER:
        return "a member of another project"
    if actor is Actor.ADMIN:
        return "an administrator"
    return f"a {actor.value} of the server's project"


def main(arguments: Sequence[str] | None = None) -> int:
    """Show what is asked for; return the exit status."""
    names = {each.name: each for each in DEVIATIONS}
    parser = argparse.ArgumentParser(description="Show a deviation of the real Nova.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a name of `--list`")
    parser.add_argument("--list", action="store_true", help="the names, one a line")
    parser.add_argument("--all", action="store_true", help="each, with one Nova")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(names))
        return 0
    unknown = [name for name in options.names if name not in names]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; --list lists the names")
    chosen = list(names) if options.all else options.names
    if not chosen:
        parser.error("a NAME is missing, or --all")
    from cloud import start

    began = time.monotonic()
    with start() as cloud:
        bench = Bench(cloud)
        showing = [show(bench, names[name]) for name in chosen]
    release = importlib.metadata.version("nova")
    seconds = time.monotonic() - began
    print(f"{sum(showing)} of {len(showing)} show, Nova {release}, {seconds:.0f} s")
    return 0 if all(showing) else 1


if __name__ == "__main__":
    sys.exit(main())
