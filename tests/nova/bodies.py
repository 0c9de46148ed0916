"""Ask the real Nova what it says of request bodies: `tests/data/nova-34-bodies.json.gz`.

Each request goes to a server in a state in which Nova accepts the action, as administrator, so that
the body alone decides. Conductor and compute are stubbed out, and everything is put back.

    python tests/nova/bodies.py --write [--seed N]
    python tests/nova/bodies.py --sample N --seed S --output FILE

The first asks what `tests/bodies.py` makes from Nova's own schemas: every action, at each
microversion at which its schema changes and one before. The second asks N bodies drawn by another
seed, at any microversion. `load` reads either file, and needs the standard library only.

The file is (gzipped) JSON: `nova`, `unicode` (the version of its characters' classes), `seed`, and
`blocks`: [key, microversion, vm_state, [[kind, text, code, message], ...]]. The key is that of the
action whose schema the bodies were made from. The message is null where the answer is no fault;
"{id}" in it stands for the server's id; `short` says how a long one is stored.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import hashlib
import importlib.metadata
import json
import re
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from serverfsm import NOVA_34, Server, Verdict, VmState, check

if TYPE_CHECKING:
    from measure import Bench, Variant

    from tests.bodies import Body, Schema

PATH = Path(__file__).resolve().parents[1] / "data" / "nova-34-bodies.json.gz"
SEED = 34
#: How many bodies that are left to chance, of each kind, action and microversion.
CHANCE = 120
#: How many bodies for a microversion at which there is no such action.
FEW = 40
#: What part of the bodies of one microversion is asked at another, too.
AGAIN = 0.4
#: Longer messages are stored short.
LONGEST = 300
FIRST, NEWEST = 1, 104


class Said(NamedTuple):
    """A body, and what Nova said of it.

    kind: what the maker of the body did, a `tests.bodies.Kind`.
    message: None where the answer is no fault; a long one is stored as `short` has it.
    """

    key: str
    microversion: str
    vm_state: str
    kind: str
    text: str
    code: int
    message: str | None

    @property
    def data(self) -> bytes:
        """What was sent."""
        return self.text.encode("utf-8", "surrogateescape")


def short(message: str | None) -> str | None:
    """Return a message as it is stored: of a long one the beginning, and a digest of the whole.

    >>> short("no")
    'no'
    """
    if message is None or len(message) <= LONGEST:
        return message
    digest = hashlib.sha256(message.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{message[: LONGEST // 2]}... {len(message)} characters, sha256 {digest[:16]}"


@cache
def read(path: Path = PATH) -> dict[str, Any]:
    """Return the file as it is."""
    content: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return content


def load(path: Path = PATH) -> Iterator[Said]:
    """Yield every body of the file and what Nova said of it."""
    for key, microversion, vm_state, asked in read(path)["blocks"]:
        for kind, text, code, message in asked:
            yield Said(key, microversion, vm_state, kind, text, code, message)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file; the same content gives the same bytes."""
    text = json.dumps(content, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


# What to ask


@dataclass(frozen=True)
class Form:
    """The schema of an action's body in Nova, from one minor microversion to another, both in."""

    first: int
    last: int
    schema: Schema


def minor(version: Any, default: int) -> int:
    """Return the minor number of one of Nova's microversions, `default` where it is none."""
    return default if version.is_null() else int(version.ver_minor)


def free(key: str) -> Schema:
    """Return the schema of a body where Nova has none: anything may stand under the key."""
    return {"type": "object", "properties": {key: {}}, "required": [key]}


def forms(key: str, method: Any) -> tuple[Form, ...]:
    """Return the forms of an action's body at all microversions at which there is the action."""
    from nova.api.openstack.api_version_request import APIVersionRequest

    start = minor(APIVersionRequest(getattr(method, "min_version", None)), FIRST)
    end = minor(APIVersionRequest(getattr(method, "max_version", None)), NEWEST)
    found: list[Form] = []
    for schema, least, most in method.request_body_schemas._schemas:
        first, last = max(minor(least, start), start), min(minor(most, end), end)
        if first <= last:
            found.append(Form(first, last, schema or free(key)))
    if found[0].first > start:
        found.insert(0, Form(start, found[0].first - 1, free(key)))
    if found[-1].last < end:
        found.append(Form(found[-1].last + 1, end, free(key)))
    return tuple(found)


def actions() -> dict[str, tuple[Form, ...]]:
    """Return every action of a running Nova, and the forms of its body."""
    from nova.api.openstack.compute import routes

    methods = routes.server_controller().wsgi_actions
    return {key: forms(key, methods[key]) for key in sorted(methods)}


#: Values for parameters that must name something that there is.
KNOWN: Mapping[str, Sequence[Any]] = {
    "address": ["10.0.0.9"],
    "availability_zone": ["nova"],
    "fixed_address": ["192.168.1.30"],
    "flavorRef": ["3", 3, "2"],
    "host": ["compute-2", "compute-1"],
    "imageRef": ["155d900f-4e14-4e4c-a73d-069cbf4541e6", "a2459075-d96c-40d5-893e-577ff92e721c"],
    "networkId": ["3cb9bc59-5699-4588-a4b1-b87f96708bc6"],
    "rescue_image_ref": ["b0c5e1d2-7f0a-4c39-9a55-52f0d2a0e001"],
}
#: Parameters of which Nova thinks otherwise from a microversion on, though no schema says so.
LATER: Mapping[str, Sequence[int]] = {"metadata": (38, 39)}


def form_at(found: Sequence[Form], version: int) -> Form | None:
    """Return the form of a body at a microversion; None: there is no such action."""
    return next((each for each in found if each.first <= version <= each.last), None)


def versions(key: str, found: Sequence[Form]) -> list[int]:
    """Return the microversions to ask at."""
    wanted = {FIRST, NEWEST}
    for form in found:
        wanted |= {form.first - 1, form.first, form.last, form.last + 1}
    shape = found[0].schema["properties"][key]
    for name in shape.get("properties", {}):
        wanted |= set(LATER.get(name, ()))
    return sorted(each for each in wanted if FIRST <= each <= NEWEST)


def bodies_for(
    key: str, found: Sequence[Form], version: int, seed: int, chance: int = CHANCE
) -> list[Body]:
    """Return the bodies to ask of an action at a microversion."""
    from tests.bodies import bodies

    form = form_at(found, version)
    others = [each.schema for each in found]
    schema = others[0] if form is None else form.schema
    seed = seed * 1000 + version
    made = list(bodies(schema, others=others, known=KNOWN, seed=seed, chance=chance))
    return made if form is not None else Random(seed).sample(made, FEW)


def thinned(made: Sequence[Body], seen: set[str], random: Random) -> list[Body]:
    """Leave out some of the bodies that were asked at another microversion; add the rest to `seen`.

    All are kept that were not.
    """
    kept = [each for each in made if each.text not in seen or random.random() < AGAIN]
    seen.update(each.text for each in kept)
    return kept


@cache
def resting() -> Mapping[str, str]:
    """Return for each action the vm_state in which Nova accepted most of its variants."""
    from answers import load as answers

    wanted = ("admin", None, "", "image", None)
    accepted: dict[str, Counter[str]] = {}
    for each in answers():
        if each.code < 300 and wanted == (
            each.actor,
            each.lock,
            each.situation,
            each.backing,
            each.task_state,
        ):
            key = each.action.partition(":")[0]
            accepted.setdefault(key, Counter())[each.vm_state] += 1
    return {key: counted.most_common(1)[0][0] for key, counted in accepted.items()}


# Asking


@dataclass
class Referee:
    """A running Nova and what it is asked with."""

    bench: Bench
    asked: int = 0

    def block(self, key: str, version: int, made: Iterable[Body]) -> list[Any]:
        """Ask these bodies of an action; return a block of the file."""
        from measure import VARIANTS, Block

        variant: Variant = next(each for each in VARIANTS if each.action == key)
        microversion, vm_state = f"2.{version}", resting().get(key, "active")
        block = Block(microversion, "", "image", "admin", None, "none")
        answers: list[list[Any]] = []
        with self.bench.world(variant, block) as take:
            self.bench.prepare(block, vm_state, None)
            for body in made:
                code, message = self.ask(microversion, body)
                if self.put_back(code):
                    self.bench.prepare(block, vm_state, None)
                answers.append([str(body.kind), body.text, code, short(message)])
                take()
        self.bench.check(f"{key} at {microversion}")
        return [key, microversion, vm_state, answers]

    def ask(self, microversion: str, body: Body) -> tuple[int, str | None]:
        """Send a body; some are sent without the short cuts, too, and compared."""
        from measure import TWICE

        first = self.once(microversion, body)
        self.asked += 1
        if self.asked % TWICE == 0 and first[0] >= 400:
            with self.bench.hurry.off():
                again = self.once(microversion, body)
            if again != first:
                raise RuntimeError(f"{body}: {first} in a hurry, {again} without")
        return first

    def once(self, microversion: str, body: Body) -> tuple[int, str | None]:
        """Send a body; return the code, and the message with names in the place of ids."""
        server = self.bench.servers["image"]
        path = f"/servers/{server}/action"
        reply = self.bench.cloud.send("admin", "POST", path, body.data, microversion)
        message = reply.message
        return reply.code, None if message is None else message.replace(server, "{id}")

    def put_back(self, code: int) -> bool:
        """Undo what a request did; tell whether there was anything to undo."""
        from measure import REFUSED

        changed: bool = self.bench.undo.changed()
        if changed or code not in (400, *REFUSED):
            self.bench.undo.back()
        return changed


def start(bench: Bench) -> Referee:
    """Return a referee; its server is on the same host each time."""
    from cloud import HOSTS

    bench.rows["image"].update(host=HOSTS[0], node=HOSTS[0])
    bench.rest()
    bench.undo.start()
    return Referee(bench)


def content(blocks: Sequence[list[Any]], seed: int) -> dict[str, Any]:
    """Return what stands in the file."""
    return {
        "nova": importlib.metadata.version("nova"),
        "unicode": unicodedata.unidata_version,
        "seed": seed,
        "blocks": blocks,
    }


def measure_all(seed: int) -> dict[str, Any]:
    """Ask everything; return what stands in the file."""
    from measure import bench

    from tests.bodies import structures

    blocks = []
    with bench() as made:
        referee = start(made)
        known = actions()
        for key, found in known.items():
            began, asked = time.monotonic(), referee.asked
            seen: set[str] = set()
            for version in versions(key, found):
                bodies = thinned(bodies_for(key, found, version, seed), seen, Random(version))
                if version in (FIRST, NEWEST):
                    bodies += structures((form_at(found, version) or found[0]).schema, list(known))
                blocks.append(referee.block(key, version, bodies))
            seconds = time.monotonic() - began
            print(f"{key}: {referee.asked - asked} bodies, {seconds:.0f} s", file=sys.stderr)
            gc.collect()
    return content(blocks, seed)


def measure_sample(number: int, seed: int) -> dict[str, Any]:
    """Ask so many bodies by chance, at any microversion."""
    from measure import bench

    from tests.bodies import structures

    random, blocks = Random(seed), []
    with bench() as made:
        referee = start(made)
        known = actions()
        each = 10
        for _ in range(-(-number // each)):
            key = random.choice(list(known))
            version = random.randint(FIRST, NEWEST)
            found = known[key]
            bodies = bodies_for(key, found, version, random.randrange(10**6), each)
            bodies += random.sample(list(structures(found[0].schema, list(known))), each)
            blocks.append(referee.block(key, version, random.sample(bodies, each)))
    return content(blocks, seed)


# Comparing


class Explanation(NamedTuple):
    """Why Nova may say something else than the library.

    name: the reason.
    code: what Nova answers.
    begins: a regular expression; Nova's message begins so.
    ours: what the library answers then; None: it accepts the request.
    """

    name: str
    code: int
    begins: str
    ours: int | None = None


EXPLANATIONS: tuple[Explanation, ...] = (
    Explanation("environment: image", 400, "Cannot find image for rebuild$"),
    Explanation("environment: image", 400, "Requested rescue image '"),
    Explanation("environment: flavor", 400, "Flavor "),
    Explanation(
        "environment: present flavor", 400, "When resizing, instances must change flavor!$"
    ),
    Explanation("environment: key pair", 400, r"Invalid key_name provided\.$"),
    Explanation("environment: own host", 400, "The target host can't be the same one"),
    Explanation("environment: own host", 400, "Cannot migrate to the host where the server exists"),
    Explanation("environment: host", 400, "Compute host "),
    Explanation("environment: host", 404, "Compute host "),
    Explanation("environment: zone", 400, "The requested availability zone is not available$"),
    Explanation("environment: security group", 404, "Security group "),
    Explanation("environment: fixed address", 400, "Specified fixed address not assigned to "),
    Explanation("environment: quota", 403, "Image metadata limit exceeded$"),
    Explanation("environment: quota", 403, "Maximum number of metadata items exceeds 128$"),
    Explanation("environment: quota", 403, "Personality file (path |content )?"),
    # A value that Nova's own code stumbles over.
    Explanation("500: no UTF-8 for the database", 500, ".*DBInvalidUnicodeParameter"),
    Explanation("500: rotation", 500, ".*<class 'ValueError'>"),
    Explanation("500: base64", 500, ".*<class 'Unicode(En|De)codeError'>", 400),
    Explanation("500: file without path or contents", 500, ".*<class 'KeyError'>", 400),
)


#: How our message ends, and how Nova's goes on, where a text is not printable.
PRINTABLE_NAME = "the class of printable characters is a format here"
PRINTABLE, CLASS = "is not a 'printable'", "does not match '^["
#: Nova's schema does not ask for these keys of a file, so that it finds something else, later.
FILE_KEYS = r"(?s)field/attribute \d+\. .* '(path|contents)' is a required property$"
FILE_KEYS_FIRST = "file without path or contents, complained of first"


def verdict_of(said: Said) -> Verdict:
    """Return what the library says to a request that Nova was sent."""
    vm_state = VmState(said.vm_state)
    server = Server(vm_state, host=vm_state is not VmState.SHELVED_OFFLOADED)
    return check(
        server,
        body=said.data,
        actor="admin",
        microversion=said.microversion,
        rulebook=NOVA_34,
    )


def same(said: Said, verdict: Verdict) -> bool:
    """Tell whether the verdict is Nova's answer, word for word."""
    return verdict.code == said.code and short(verdict.message) == said.message


def explained(said: Said, verdict: Verdict) -> str | None:
    """Return the name of why a difference is none; None where it is one."""
    ours = None if verdict.allowed else verdict.code
    for each in EXPLANATIONS:
        if (said.code, ours) == (each.code, each.ours) and re.match(
            each.begins, said.message or "", re.DOTALL
        ):
            return each.name
    if said.code == ours == 400 and (verdict.message or "").endswith(PRINTABLE):
        expected = (verdict.message or "").removesuffix(PRINTABLE) + CLASS
        if (said.message or "").startswith(expected[: LONGEST // 2]):
            return PRINTABLE_NAME
    if said.code == ours == 400 and re.search(FILE_KEYS, verdict.message or ""):
        return FILE_KEYS_FIRST
    return None


def difference(said: Said) -> str | None:
    """Return what the library says otherwise than Nova, in three lines; None if it does not."""
    verdict = verdict_of(said)
    if same(said, verdict) or explained(said, verdict) is not None:
        return None
    return (
        f"{said.key} at {said.microversion}, {said.vm_state}: {said.text[:300]}\n"
        f"  library: {verdict.code} {short(verdict.message)}\n"
        f"  nova:    {said.code} {said.message}"
    )


def main() -> None:
    """Ask, and write the file."""
    parser = argparse.ArgumentParser(description="Ask Nova what it says of request bodies.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="ask everything")
    what.add_argument("--sample", type=int, metavar="N", help="ask so many bodies by chance")
    parser.add_argument("--seed", type=int, default=SEED, help=f"which bodies ({SEED})")
    parser.add_argument("--output", type=Path, default=PATH, help="the file to write")
    options = parser.parse_args()
    if options.sample is not None and options.output == PATH:
        parser.error("--sample needs --output: the file of all answers is not to be overwritten")
    print(f"seed {options.seed}", file=sys.stderr)
    if options.write:
        found = measure_all(options.seed)
    else:
        found = measure_sample(options.sample, options.seed)
    write(options.output, found)
    number = sum(len(block[3]) for block in found["blocks"])
    print(f"{options.output}: {number} answers", file=sys.stderr)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
