"""A page for each action: request, guards in Nova's order, where accepted, what then happens.

Only the layout belongs here; all that is said is asked of the library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from serverfsm.bodies import asked, body_schema
from serverfsm.check import check
from serverfsm.deviations import DEVIATIONS
from serverfsm.requests import LATEST, Actor, Guard, Microversion
from serverfsm.rows import SERVER_ACTION, Action, Answer, Backing, Outcome
from serverfsm.rulebook import API_REFERENCE, NOVA_34, Rulebook
from serverfsm.server import Server
from serverfsm.shapes import Shape
from serverfsm.states import LockedBy, TaskState, VmState, status_of
from serverfsm.step import follow
from serverfsm.table import ANSWERS
from serverfsm.unprompted import REACTIONS, TIMERS

from . import words
from .markup import (
    action_link,
    anchor,
    bullets,
    code,
    details,
    json_block,
    listed,
    page,
    pair_link,
    picture,
    status_link,
    table,
    vm_link,
)

__all__ = ["action_page", "filled", "refusals"]

_NUMBER: Final = '{{"{}": 0}}'


def action_page(row: Action) -> str:
    """Return the page of one action, by the API reference, with what Nova 34 does otherwise."""
    ours = NOVA_34[row.name]
    return page(
        anchor("action", row.name.value),
        row.name.value,
        f"{row.title}.{_variants(row)}",
        picture("action", row.name.value),
        _summary(row, ours),
        "## Request\n\n" + _request(row),
        "## What Nova tests, in this order\n\n" + _guards(row, ours),
        _section("Taken for granted", _assumed(row)),
        _section("Where it is accepted", _accepted(row, ours)),
        _section("Locks", _locks(row)),
        _section("What acceptance writes", _written(row)),
        _section("How it goes", _runs(row)),
        _section("How it ends", _ends(row)),
        _section("How it fails", _failures(row)),
        _section("When another request overtakes it", _overtaken(row)),
        _section("Begun without a request", _unprompted(row)),
        _section("Where Nova 34 departs", _deviations(row)),
        "## Sources\n\n" + bullets(code(each) for each in row.sources.cited()),
    )


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text.strip() else ""


def _variants(row: Action) -> str:
    others = [each.name for each in API_REFERENCE if each.name.key == row.name.key]
    if len(others) == 1:
        return ""
    links = listed((action_link(name) for name in others if name is not row.name), "and")
    return f" A variant of the key {code(row.name.key)}; the others: {links}."


def _both(reference: str, nova: str) -> str:
    return reference if reference == nova else f"{reference}; Nova 34: {nova}"


def _codes(row: Action) -> str:
    return f"{row.normal}; refused: {', '.join(map(str, sorted(row.errors)))}"


def _summary(row: Action, ours: Action) -> str:
    if row.removed is not None:
        microversions = "gone from Nova altogether"
    else:
        microversions = f"from {row.since}" + ("" if row.until is None else f", before {row.until}")
    tells = [
        ("Microversions", microversions),
        ("Who", _both(*(f"{each.policy.least.value} or more" for each in (row, ours)))),
        ("Accepted in", _both(*(_states(each) for each in (row, ours)))),
        ("Task under way", _both(*(words.tasks(each.task_states) for each in (row, ours)))),
        ("Lock", words.LOCKS[row.lock]),
        ("Answers", _both(_codes(row), _codes(ours))),
    ]
    if row.destructive:
        tells.append(("Gives up", "the server, or what its root disk holds"))
    if row.record_only:
        tells.append(("Changes", "only the record, not the guest"))
    return table(("", ""), tells)


def _states(row: Action) -> str:
    if Guard.ABSENT in row.guards:
        return "no server yet"
    if row.vm_states is None:
        return "any vm_state"
    return listed(map(vm_link, row.origins)) or "no vm_state"


# ------------------------------------------------------------------------------ request


def _last(row: Action) -> Microversion:
    """The last microversion that has the action."""
    return LATEST if row.until is None else Microversion(f"2.{Microversion(row.until).minor - 1}")


def _request(row: Action) -> str:
    bodies = table(
        ("microversions", f"value of {code(row.body_key or row.name.key)}"),
        (
            (_span(body.since, body.until), listed(map(code, body.types), "or"))
            if body.types
            else (_span(body.since, body.until), "anything; it is not looked at")
            for body in row.bodies
        ),
    )
    parameters = table(
        ("parameter", "required", "microversions", "what it looks like"),
        (
            (
                code(each.name) + (" (beside the key)" if each.beside else ""),
                "yes" if each.required else "",
                _span(each.since, each.until),
                _shape(each.shape)
                + (f"; here {listed(map(code, each.values), 'or')}" * bool(each.values)),
            )
            for each in row.parameters
        ),
    )
    ignored = ""
    if row.ignored_before is not None:
        ignored = (
            f"Below microversion {row.ignored_before} Nova does not look at "
            f"{code(row.name.variant)}, and the plain action is meant.\n"
        )
    return "\n".join(
        filter(None, (f"{code(row.endpoint)}\n", bodies, parameters, ignored, _schema(row)))
    )


def _span(since: str, until: str | None) -> str:
    return f"{since} and later" if until is None else f"{since} to before {until}"


def _shape(shape: Shape) -> str:
    """A JSON Schema in a line: its types and words."""
    types: Any = shape.get("type", "any")
    named = types if isinstance(types, str) else " or ".join(map(str, types))
    enum: Any = shape.get("enum")
    if enum and len(enum) < 12:
        return f"one of {', '.join(code(each) for each in enum)}"
    told = [
        f"{key} {shape[key]}"
        for key in ("format", "minLength", "maxLength", "minimum", "maximum")
        if key in shape
    ]
    return ", ".join([str(named), *told])


def _schema(row: Action) -> str:
    if row.removed is not None or not row.bodies:
        return ""
    version = _last(row)
    schema = body_schema(row.name, microversion=version)
    return details(f"JSON Schema of the whole body at microversion {version}", json_block(schema))


# ------------------------------------------------------------------------------- guards


def filled(row: Action, guard: Guard, answer: Answer) -> str:
    """Return the text of a refusal with all that the row knows of it."""
    rule = row.late_rule if guard in (Guard.LATE_POLICY, Guard.LOCK_OWNER) else row.rule
    attribute = guard.value.removeprefix("late_")
    text = answer.message
    for name, value in (("label", row.label), ("attribute", attribute), ("rule", rule)):
        text = text.replace(f"{{{name}}}", value)
    return text.replace("{have}", f"{{{attribute}}}")


def refusals(row: Action, guard: Guard, book: Rulebook) -> Iterator[Answer]:
    """Yield the answers with which a guard of a row refuses."""
    if guard is Guard.BODY:
        complaint = _complaint(row)
        if complaint is not None:
            yield complaint
    elif guard is Guard.LATE_BODY:
        yield from dict.fromkeys(rule.answer for rule in row.body_rules)
    elif guard in ANSWERS or guard in row.answers or isinstance(row.backing, Backing):
        yield book.answer(row, guard)


def _complaint(row: Action) -> Answer | None:
    """What Nova says of a number where the action's body should be."""
    if row.endpoint != SERVER_ACTION or not row.bodies:
        return None
    complaint = asked({row.name.key: 0}, microversion=_last(row)).complaint
    return None if complaint is None else Answer(complaint.code, complaint.message)


def _told(row: Action, guard: Guard, book: Rulebook) -> str:
    return "; ".join(
        f"{answer.code} {code(' '.join(filled(row, guard, answer).split()))}"
        + (" (what acceptance writes is written already)" if answer.too_late else "")
        for answer in refusals(row, guard, book)
    )


def _guards(row: Action, ours: Action) -> str:
    def lines() -> Iterator[tuple[object, ...]]:
        for number, guard in enumerate(row.guards, 1):
            reference = words.guard_sentence(guard, row), _told(row, guard, API_REFERENCE)
            nova = words.guard_sentence(guard, ours), _told(ours, guard, NOVA_34)
            yield number, code(guard.value), *reference
            if nova != reference:
                yield "", "*Nova 34*", *nova

    is_example = Guard.BODY in row.guards and _complaint(row) is not None
    remark = f"\nThe body's refusal is an example: of {code(_NUMBER.format(row.name.key))}.\n"
    return table(("", "guard", "lets pass", "refuses with"), lines()) + remark * is_example


def _assumed(row: Action) -> str:
    return table(
        ("what", "must hold", "else"),
        (
            (each.name, each.sentence, f"{each.answer.code} {code(each.answer.message)}")
            for each in row.assumes
        ),
    )


def _accepted(row: Action, ours: Action) -> str:
    if Guard.ABSENT in row.guards:
        return ""
    version = _last(row)

    def lines() -> Iterator[tuple[object, ...]]:
        for vm_state in VmState:
            server = Server(vm_state)
            found = check(server, row.name, row.policy.least, version)
            nova = check(server, row.name, ours.policy.least, version, NOVA_34)
            answer = _answer(found.allowed, found.code)
            other = _answer(nova.allowed, nova.code)
            yield (
                pair_link(vm_state, None),
                answer if answer == other else f"{answer}; Nova 34: {other}",
                "" if found.message is None else code(found.message),
                found.hint or "",
            )

    return (
        "Of a server with no task under way, unlocked, launched and image-backed; it has a host "
        "unless it is shelved_offloaded or deleted. Asked by the least role that may, at "
        f"microversion {version}.\n\n"
    ) + table(("state", "answer", "why not", "instead"), lines())


def _answer(is_allowed: bool, number: int) -> str:
    return f"**yes**\u00a0{number}" if is_allowed else f"no\u00a0{number}"


def _locks(row: Action) -> str:
    if Guard.LOCK not in row.guards and Guard.LOCK_OWNER not in row.guards:
        return ""
    locks = (("not locked", False, None), *((f"by {who.value}", True, who) for who in LockedBy))
    actors = [who for who in Actor if who.rank >= row.policy.least.rank]
    return table(
        ("locked", *(who.value for who in actors)),
        (
            (
                text,
                *(
                    _locked(row, Server(row.origins[0], locked=is_locked, locked_by=owner), who)
                    for who in actors
                ),
            )
            for text, is_locked, owner in locks
        ),
    )


def _locked(row: Action, server: Server, who: Actor) -> str:
    verdict = check(server, row.name, who, _last(row))
    return _answer(verdict.allowed, verdict.code)


# ------------------------------------------------------------------------- what follows


def _written(row: Action) -> str:
    return table(
        ("when", "writes", "shows before, for an instant", "and"),
        (
            (
                words.condition(write.when) or "always",
                ", ".join(f"{column} = {code(value)}" for column, value in write.values.items())
                or "nothing",
                words.passing(write.passing) if write.passing else "",
                words.effects(write.effects),
            )
            for write in row.writes
        ),
    )


def _runs(row: Action) -> str:
    """The course of every run by `follow`, for each state in which it may begin."""
    if not row.sources.run:
        return "" if row.removed is not None else "Nothing follows the answer.\n"
    beginnings: dict[tuple[str, ...], list[str]] = {}
    for vm_state in row.origins or (None,):
        server = None if vm_state is None else Server(vm_state)
        run = follow(server, row.name, actor=Actor.ADMIN, microversion=_last(row))
        verdict = run[0].verdict
        if verdict is None or not verdict.allowed:
            continue
        shown = tuple(_show(each.server) for each in run)
        origin = "no server" if vm_state is None else vm_link(vm_state)
        beginnings.setdefault(shown, []).append(origin)
    return (
        "Image-backed, with Nova's default options and libvirt.\n\n"
        + table(
            ("from", "shows, step by step"),
            ((listed(origins), " → ".join(shown)) for shown, origins in beginnings.items()),
        )
        if beginnings
        else ""
    )


def _show(server: Server | None) -> str:
    if server is None or server.deleted:
        return "gone (404)"
    assert server.vm_state is not None
    status = status_of(server.vm_state, server.task_state)
    return status_link(status) + _with(server.task_state)


def _with(task: TaskState | None) -> str:
    return "" if task is None else f" + {code(task)}"


def _ends(row: Action) -> str:
    if not row.sources.run or len(row.success) == 1:
        return ""
    return "The first condition that holds.\n\n" + table(
        ("when", "task_states", "ends in", "and"),
        (
            (
                words.condition(each.when) or "else",
                words.path(each.path),
                words.end(each),
                _besides(each),
            )
            for each in row.success
        ),
    )


def _besides(outcome: Outcome) -> str:
    said = [words.effects(outcome.effects)]
    if outcome.passing:
        said.append(f"shows for an instant: {words.passing(outcome.passing)}")
    if outcome.answer is not None:
        said.append(f"the request itself is answered {outcome.answer}")
    return "; ".join(filter(None, said))


def _outcomes(outcomes: Iterable[Outcome], *, named: bool = True) -> str:
    return table(
        (*(("failure",) if named else ()), "strikes at", "when", "leaves the server in", "and"),
        (
            (
                *((code(each.name),) if named else ()),
                ", ".join(words.path([step]) for step in each.path) or "any of its task_states",
                words.condition(each.when),
                words.end(each),
                _besides(each),
            )
            for each in outcomes
        ),
    )


def _failures(row: Action) -> str:
    return _outcomes(row.failures)


def _overtaken(row: Action) -> str:
    if not row.overtaken:
        return ""
    return "Its work writes once more, over what the other request has written:\n\n" + _outcomes(
        row.overtaken, named=False
    )


def _unprompted(row: Action) -> str:
    found = [
        f"{code(timer.option)}: Nova {timer.does}." for timer in TIMERS if timer.event is row.name
    ]
    found += [
        f"{code(each.name)}: Nova {each.does} ({words.vm_states(each.vm_states)}, "
        f"{words.tasks(each.task_states)})."
        for each in REACTIONS
        if each.then is row.name
    ]
    return bullets(found)


def _deviations(row: Action) -> str:
    return table(
        ("name", "the reference", "Nova 34.0.0", "evidence"),
        (
            (code(each.name), each.documented, each.observed, code(each.evidence))
            for each in DEVIATIONS
            if each.action is row.name
        ),
    )
