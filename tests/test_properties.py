"""What must hold whatever is asked, in whatever order; Hypothesis looks for the exception."""

from __future__ import annotations

import copy
import pickle
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from serverfsm import (
    API_REFERENCE,
    FIRST,
    LATEST,
    NOVA_34,
    ActionName,
    Actor,
    LockedBy,
    MalformedServerError,
    Microversion,
    Policy,
    PowerState,
    Reason,
    RefusedError,
    Rulebook,
    Server,
    Status,
    TaskState,
    Verdict,
    VmState,
    allowed,
    check,
    status_of,
)
from serverfsm.conformance import strategies
from serverfsm.lifecycle import Cause, Edge, State, edges, state_name
from serverfsm.machine import (
    ABSENT,
    RefusedTriggerError,
    ServerMachine,
    ServerModel,
    WrongEventError,
    build_machine,
)
from serverfsm.rows import Action, Guard, Lock
from serverfsm.step import accept, attempt

SETTINGS = settings(deadline=None, derandomize=True, max_examples=300, database=None)
BOOKS = (API_REFERENCE, NOVA_34)

# other-actions.md, "Lock, as the API guide has it": what a lock keeps everybody else from doing.
LOCKED_WORDS = """
    delete changePassword confirmResize forceDelete pause reboot rebuild rescue resize restore
    resume revertResize shelveOffload shelve os-start os-stop suspend trigger_crash_dump unpause
    unrescue unshelve addFixedIp removeFixedIp
"""
FREE_WORDS = """
    createImage createBackup addSecurityGroup removeSecurityGroup os-getConsoleOutput
    os-getVNCConsole os-getSPICEConsole os-getSerialConsole lock
"""
GUIDE_LOCKED, GUIDE_FREE = frozenset(LOCKED_WORDS.split()), frozenset(FREE_WORDS.split())

built = cache(lambda name: build_machine(rulebook={book.name: book for book in BOOKS}[name]))


def answer(verdict: Verdict) -> tuple[object, ...]:
    """Everything that a verdict says, but for what it remembers of the question."""
    return (
        verdict.allowed,
        verdict.code,
        verdict.reason,
        verdict.refusal,
        verdict.depends_on,
        verdict.action,
        verdict.maybe,
        verdict.failures,
        verdict.guard,
        verdict.assumes,
        verdict.retryable,
        verdict.hint,
    )


# --- the machine beside the pure functions, at random


OUTCOMES = {edge.event for edge in edges() if edge.outcome is not None}


class Life(RuleBasedStateMachine):
    """One server, twice: in a live model, and as a value handed from function to function."""

    @initialize(
        server=st.none() | strategies.servers(deleted=st.just(False)),
        rulebook=strategies.rulebooks(),
    )
    def begin(self, server: Server | None, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.machine: ServerMachine = built(rulebook.name)
        self.model = ServerModel(self.machine, server)
        self.server = server

    @rule(
        action=strategies.action_names(),
        actor=strategies.actors(),
        microversion=strategies.microversions(),
    )
    def request(self, action: ActionName, actor: Actor, microversion: Microversion) -> None:
        who: dict[str, Any] = {"actor": actor, "microversion": microversion}
        step = accept(self.server, action, rulebook=self.rulebook, **who)
        assume(step.verdict.action is action)  # else see test_machine, at older microversions
        assert self.model.may_trigger(action, **who) is step.verdict.allowed
        if step.verdict.allowed:
            assert self.model.trigger(action, **who) is True
            assert step.verdict.guard is not None
        else:
            with pytest.raises(RefusedTriggerError) as refused:
                self.model.trigger(action, **who)
            assert answer(refused.value.verdict) == answer(step.verdict)
            assert step.server is self.server
        event(f"{action}: {step.verdict.code}")
        self.server = step.server

    @precondition(lambda self: self.due())
    @rule(data=st.data())
    def outcome(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.due()))
        assert self.server is not None
        possible = [
            after(self.server, edge, self.rulebook)
            for edge in self.edges_from_here()
            if edge.event == name
        ]
        assert self.model.trigger(name) is True
        assert self.model.server in possible
        event(name)
        self.server = self.model.server

    @rule(data=st.data())
    def wrong_outcome(self, data: st.DataObject) -> None:
        due = self.due()
        name = data.draw(st.sampled_from(sorted(OUTCOMES)))
        if name not in due:
            with pytest.raises(WrongEventError):
                self.model.trigger(name)

    @invariant()
    def they_agree(self) -> None:
        assert self.model.server == self.server
        if self.server is None:
            assert (self.model.state, self.model.status) == (ABSENT, None)
        else:
            assert self.server.vm_state is not None
            pair = (self.server.vm_state, self.server.task_state)
            assert self.model.state == state_name(pair)
            assert self.model.status is self.server.status is status_of(*pair)
            # What is gone is off its host; what has a lock's owner is locked.
            assert not (self.server.deleted and self.server.vm_state is not VmState.DELETED)
            assert self.server.locked or self.server.locked_by is None

    def due(self) -> list[str]:
        return [
            name
            for name in self.machine.get_triggers(self.model.state)
            if name in OUTCOMES and self.model.may_trigger(name)
        ]

    def edges_from_here(self) -> list[Edge]:
        assert self.server is not None
        assert self.server.vm_state is not None
        return outcomes_from(self.rulebook)[self.server.vm_state, self.server.task_state]


@cache
def outcomes_from(rulebook: Rulebook) -> dict[State | None, list[Edge]]:
    found: dict[State | None, list[Edge]] = defaultdict(list)
    for edge in edges(rulebook):
        if edge.outcome is not None:
            found[edge.start].append(edge)
    return found


def after(server: Server, edge: Edge, rulebook: Rulebook) -> Server | None:
    """The server after an edge of the asynchronous half, by the pure functions."""
    step = attempt(server, edge.event, rulebook=rulebook)
    if step is None or step.server is None:
        return None
    ends_here = (step.server.vm_state, step.server.task_state) == edge.end
    return step.server if ends_here else None


def test_machine_and_pure_functions_live_the_same_life() -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            deadline=None,
            derandomize=True,
            database=None,
            max_examples=60,
            stateful_step_count=40,
        ),
    )


# --- refusals


@SETTINGS
@given(strategies.requests(st.none() | strategies.servers()))
def test_a_refusal_changes_nothing(question: strategies.Question) -> None:
    server = question.server
    before = copy.copy(server)
    step = accept(server, question.action, **question.options)
    assert server == before
    if step.verdict.allowed:
        assert step.server is not None
        assert step.verdict.guard is not None
        for column, value in step.verdict.guard.set.items():
            assert getattr(step.server, column) == value
    else:
        assert step.server is server
        assert step.verdict.guard is None
        assert not step.verdict.assumes


@SETTINGS
@given(strategies.requests())
def test_accepting_writes_what_it_says_and_nothing_else(question: strategies.Question) -> None:
    assert question.server is not None
    step = accept(question.server, question.action, **question.options)
    written = step.verdict.guard.set if step.verdict.guard else {}
    assert step.server is not None
    for column in Server.__dataclass_fields__:
        if column not in written and column != "key":
            assert getattr(step.server, column) == getattr(question.server, column)


@SETTINGS
@given(strategies.requests(st.none() | strategies.servers() | strategies.status_only_servers()))
def test_code_reason_and_refusal_fit_together(question: strategies.Question) -> None:
    verdict = question.check()
    row = question.rulebook[verdict.action]
    assert bool(verdict) is verdict.allowed
    assert verdict.action.key == question.action.key
    # Below its microversion a parameter is not looked at: the plain action is meant.
    assert verdict.action is question.action or question.microversion < "2.91"
    if verdict.allowed:
        assert verdict.code == row.normal
        assert verdict.reason is Reason.OK
        assert verdict.refusal is verdict.message is verdict.hint is verdict.attribute is None
        assert verdict.failures == verdict.want == ()
        assert not verdict.retryable
        verdict.raise_for_refusal()
    else:
        assert verdict.refusal is not None
        assert verdict.code == verdict.refusal.code >= 400
        assert verdict.reason is verdict.refusal.reason is not Reason.OK
        assert (verdict.attribute, verdict.have, verdict.want) == (
            verdict.refusal.attribute,
            verdict.refusal.have,
            verdict.refusal.want,
        )
        assert verdict.have not in verdict.want or verdict.maybe
        assert verdict.hint
        with pytest.raises(RefusedError) as refused:
            verdict.raise_for_refusal()
        assert refused.value.verdict is verdict


@SETTINGS
@given(strategies.requests(st.none() | strategies.servers()))
def test_failures_are_in_the_row_s_order_and_the_first_decides(
    question: strategies.Question,
) -> None:
    verdict = question.check()
    assert (verdict.refusal is None) is (verdict.failures == ())
    if verdict.refusal is not None and not verdict.maybe:
        assert verdict.failures[0] == verdict.refusal
    order = question.rulebook[verdict.action].guards
    places = [order.index(failure.guard) for failure in verdict.failures]
    assert places == sorted(set(places))


@SETTINGS
@given(
    strategies.requests(
        strategies.servers(locked=st.just(True), deleted=st.just(False)),
        action=st.sampled_from([name for name in ActionName if name.key in GUIDE_LOCKED]),
        actor=st.sampled_from((Actor.MEMBER, Actor.MANAGER)),
        microversion=st.sampled_from([Microversion("2.1"), Microversion("2.43"), LATEST]),
    )
)
def test_curing_the_first_failure_leaves_the_others(question: strategies.Question) -> None:
    """Each failure is found for itself: who unlocks the server is told the rest unchanged."""
    server = question.server
    assert server is not None
    verdict = question.check()
    unlocked = replace(server, locked=False, locked_by=None)
    rest = check(unlocked, question.action, **question.options)
    event(f"{verdict.reason}, then {rest.reason}")
    others = [failure for failure in verdict.failures if failure.guard is not Guard.LOCK]
    assert list(rest.failures) == others
    assert len(others) == len(verdict.failures) - 1


PLACEHOLDER = re.compile(r"\{(\w*)\}")


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_no_message_has_a_hole_but_for_the_id(rulebook: Rulebook) -> None:
    """Two are known, since no snapshot holds what belongs there: which image, and which host.

    {image}: `rebuild` of a volume-backed server before 2.93. {host}: what `evacuate` assumes.
    """
    holes: dict[str, set[tuple[str, object]]] = defaultdict(set)
    asked = 0
    for vm_state in VmState:
        for task_state, lock in ((None, None), (TaskState.DELETING, LockedBy.ADMIN)):
            for launched, host, volume in ((True, True, False), (False, False, True)):
                server = Server(
                    vm_state,
                    task_state,
                    locked=lock is not None,
                    locked_by=lock,
                    launched=launched,
                    host=host,
                    volume_backed=volume,
                )
                for actor in Actor:
                    for version in ("2.1", "2.92", "2.104"):
                        asked += 1
                        found = allowed(
                            server, actor=actor, microversion=version, rulebook=rulebook
                        )
                        for name, verdict in found.items():
                            for failure in verdict.failures:
                                for hole in PLACEHOLDER.findall(failure.template):
                                    holes[hole].add((name.value, failure.reason))
    assert asked == 12 * 2 * 2 * 6 * 3
    assert set(holes) == {"id", "image"}
    assert holes["image"] == {("rebuild", Reason.VOLUME_BACKED)}
    taken_for_granted = {
        (row.name.value, hole)
        for row in rulebook
        for assumption in row.assumes
        for hole in PLACEHOLDER.findall(assumption.answer.message)
    }
    assert taken_for_granted - {pair for pair in taken_for_granted if pair[1] == "id"} == {
        ("evacuate", "host")
    }


# --- locks


def test_the_rows_have_the_guide_s_lock_list() -> None:
    for row in API_REFERENCE:
        if row.name.key in GUIDE_LOCKED:
            assert row.lock is Lock.ADMIN_ONLY, row.name
        if row.name.key in GUIDE_FREE:
            assert row.lock is Lock.IGNORED, row.name


@SETTINGS
@given(
    strategies.requests(
        strategies.servers(locked=st.just(True)),
        actor=st.sampled_from([actor for actor in Actor if actor is not Actor.ADMIN]),
    )
)
def test_nobody_but_an_administrator_passes_a_lock(question: strategies.Question) -> None:
    row = question.rulebook[question.action]
    verdict = question.check()
    if row.lock is Lock.ADMIN_ONLY or question.action.key in GUIDE_LOCKED:
        assert not verdict.allowed
        assert Reason.LOCKED in {failure.reason for failure in verdict.failures}
        # A lock is tested before any state: nova-34-rules.md, the order of the checks.
        states = {Reason.VM_STATE, Reason.TASK_STATE, Reason.NOT_LAUNCHED, Reason.NO_HOST}
        assert verdict.reason not in states


@SETTINGS
@given(
    strategies.requests(
        strategies.servers(locked=st.just(True)),
        actor=st.just(Actor.ADMIN),
    )
)
def test_a_lock_never_stops_an_administrator(question: strategies.Question) -> None:
    assert question.server is not None
    verdict = question.check()
    assert verdict.reason is not Reason.LOCKED
    unlocked = check(
        replace(question.server, locked=False, locked_by=None),
        question.action,
        **question.options,
    )
    assert (verdict.allowed, verdict.code, verdict.reason, verdict.failures) == (
        unlocked.allowed,
        unlocked.code,
        unlocked.reason,
        unlocked.failures,
    )


@SETTINGS
@given(
    strategies.requests(
        action=st.sampled_from([name for name in ActionName if name.key in GUIDE_FREE])
    )
)
def test_what_ignores_locks_does_not_see_them(question: strategies.Question) -> None:
    server = question.server
    assert server is not None
    found = {
        answer(check(replace(server, locked=locked, locked_by=owner), question.action, **options))
        for locked, owner in ((False, None), (True, "owner"), (True, "admin"), (True, None))
        for options in (question.options,)
    }
    if question.action is not ActionName.LOCK:  # which writes what the lock is
        assert len({each[:4] for each in found}) == 1
    assert {each[0] for each in found} in ({True}, {False})


@SETTINGS
@given(
    strategies.requests(
        strategies.servers(locked=st.just(True), deleted=st.just(False)),
        action=st.just(ActionName.UNLOCK),
        actor=st.sampled_from((Actor.MEMBER, Actor.MANAGER)),
    )
)
def test_an_administrator_s_lock_is_not_the_owner_s_to_lift(question: strategies.Question) -> None:
    server = question.server
    assert server is not None
    verdict = question.check()
    assert verdict.allowed is (server.locked_by is LockedBy.OWNER)
    assert verdict.maybe is (server.locked_by is None)
    if server.locked_by is LockedBy.ADMIN:
        assert verdict.code == 403


# --- who may ask


@SETTINGS
@given(
    strategies.requests(
        strategies.servers() | strategies.status_only_servers(),
        action=st.sampled_from([name for name in ActionName if name is not ActionName.CREATE]),
    )
)
def test_whoever_may_less_is_allowed_less(question: strategies.Question) -> None:
    ranked = sorted(Actor, key=lambda actor: actor.rank)
    answers = [
        check(question.server, question.action, **{**question.options, "actor": actor}).allowed
        for actor in ranked
    ]
    assert answers == sorted(answers)
    assert not any(answers[: ranked.index(Actor.MEMBER)])


@SETTINGS
@given(
    strategies.requests(
        st.none() | strategies.servers(),
        action=st.sampled_from([name for name in ActionName if name is not ActionName.CREATE]),
    )
)
def test_the_door_comes_first(question: strategies.Question) -> None:
    """The order of the checks, measured: token, version, removal, whose it is, policy."""
    verdict = question.check()
    row = question.rulebook[verdict.action]
    gone = question.server is None or question.server.deleted
    if question.actor is Actor.ANONYMOUS:
        assert verdict.code == 401
    elif question.microversion < row.since or (row.until and question.microversion >= row.until):
        assert verdict.reason is Reason.MICROVERSION
        # Of a variant the version lacks the parameter, not the action: the schema answers.
        assert verdict.code in ((404,) if question.action.variant is None else (400, 404))
    elif question.action is ActionName.RESET_NETWORK:
        assert (verdict.code, verdict.reason) == (410, Reason.REMOVED)
    elif question.action is ActionName.GET_RDP_CONSOLE:
        assert (verdict.code, verdict.reason) == (400, Reason.REMOVED)
    elif gone or question.actor is Actor.STRANGER:
        assert (verdict.code, verdict.reason) == (404, Reason.NOT_FOUND)
    elif question.actor is Actor.READER:
        assert (verdict.code, verdict.reason) == (403, Reason.FORBIDDEN)
    else:
        assert verdict.code != 401


# --- compare and swap


@st.composite
def accepted(draw: st.DrawFn) -> strategies.Question:
    """A request that is allowed."""
    asked = draw(
        strategies.requests(
            strategies.servers(
                deleted=st.just(False), task_state=st.none() | strategies.task_states()
            ),
            actor=st.sampled_from((Actor.MEMBER, Actor.MANAGER, Actor.ADMIN)),
        )
    )
    found = allowed(asked.server, **asked.options)
    return asked._replace(action=draw(st.sampled_from([name for name in found if found[name]])))


@settings(SETTINGS, max_examples=500)
@given(accepted(), strategies.servers(), st.data())
def test_a_guard_holds_what_it_promises(
    question: strategies.Question, other: Server, data: st.DataObject
) -> None:
    """While every expected column holds, the same request is allowed and writes the same."""
    verdict = question.check()
    assert verdict.allowed
    guard = verdict.guard
    assert guard is not None
    for column, values in guard.expect.items():
        assert getattr(question.server, column) in values
    columns = {
        column: data.draw(st.sampled_from(sorted(values, key=str)))
        for column, values in guard.expect.items()
    }
    if not columns.get("locked", other.locked):
        columns.setdefault("locked_by", None)
    changed = replace(other, **columns)
    again = check(changed, question.action, **question.options)
    event(f"{question.action}")
    assert again.allowed, again.failures
    assert again.guard is not None
    assert again.guard.set == guard.set


@settings(SETTINGS, max_examples=150)
@given(accepted())
def test_a_guard_names_columns_and_fits_a_where_clause(question: strategies.Question) -> None:
    guard = question.check().guard
    assert guard is not None
    columns = set(Server.__dataclass_fields__) - {"key", "only_status"}
    assert set(guard.expect) <= columns
    assert set(guard.set) <= columns
    assert all(isinstance(values, frozenset) and values for values in guard.expect.values())
    assert hash(guard) == hash(question.check().guard)
    assert guard.expect["deleted"] == {False}, "what is gone is not found"


# --- what was asked before


@settings(SETTINGS, max_examples=150)
@given(st.lists(strategies.requests(), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_what_was_asked_before_does_not_matter(
    questions: list[strategies.Question], order: Any
) -> None:
    for book in BOOKS:
        book.forget()
    first = [answer(question.check()) for question in questions]
    assert [answer(question.check()) for question in questions] == first
    shuffled = list(enumerate(questions))
    order.shuffle(shuffled)
    for book in BOOKS:
        book.forget()
    for index, question in shuffled:
        assert answer(question.check()) == first[index]
    for index, question in enumerate(questions):
        found = allowed(question.server, **question.options)
        assert answer(found[question.action]) == first[index]
        assert list(found) == list(ActionName)


@SETTINGS
@given(strategies.requests())
def test_a_member_and_its_text_are_the_same_word(question: strategies.Question) -> None:
    for book in BOOKS:
        book.forget()
    server, action, actor, version, book = question
    by_text = check(server, str(action), actor=str(actor), microversion=str(version), rulebook=book)
    assert answer(by_text) == answer(question.check())
    if version == LATEST:
        by_name = check(server, action, actor=actor, microversion="latest", rulebook=book)
        assert answer(by_name) == answer(by_text)


@pytest.mark.parametrize(
    ("asked_before", "asked"),
    [
        (Server("active", power_state=1), Server("active", power_state=4)),
        (Server("resized"), Server("resized", vm_state_before_resize=VmState.STOPPED)),
    ],
)
def test_a_verdict_tells_what_was_asked(asked_before: Server, asked: Server) -> None:
    API_REFERENCE.forget()
    check(asked_before, "pause")
    assert check(asked, "pause").request.server == asked


@pytest.mark.xfail(reason="of several cases that agree the first stands for what was asked")
@pytest.mark.parametrize(
    ("server", "action"),
    [
        (Server.from_status("ACTIVE"), "lock"),
        (Server("active", locked=True), "unlock"),  # whose owner is then made up
    ],
    ids=["a mere status", "an unknown owner"],
)
def test_a_verdict_tells_what_was_asked_where_all_cases_agree(server: Server, action: str) -> None:
    """`Verdict.request` is documented as what was asked."""
    verdict = check(server, action, actor="admin")
    assert verdict.allowed
    assert verdict.request.server == server


def test_a_full_memo_is_emptied_and_the_answers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    # `serverfsm.check` is the function; the module of the same name is behind it.
    monkeypatch.setattr(sys.modules[check.__module__], "_MEMO_LIMIT", 5)
    API_REFERENCE.forget()
    servers = [Server(vm_state, task) for vm_state in VmState for task in (None, *TaskState)]
    first = [check(server, "os-stop").code for server in servers]
    assert API_REFERENCE.remembered <= 5
    assert [check(server, "os-stop").code for server in servers] == first
    assert first.count(202) == 2, "os-stop: active and error with no task"


@pytest.mark.parametrize(
    ("server", "options"),
    [(None, {}), (Server("active"), {"microversion": "latest"})],
    ids=["no server", "latest as text"],
)
def test_asking_again_takes_no_more_memory(server: Server | None, options: dict[str, Any]) -> None:
    API_REFERENCE.forget()
    for _ in range(10):
        check(server, "create", **options)
    assert API_REFERENCE.remembered == 1


# --- there and back


@SETTINGS
@given(strategies.servers() | strategies.status_only_servers())
def test_to_api_and_back(server: Server) -> None:
    assert Server.from_api(server.to_api()) == server
    assert Server.from_api(server.to_api()["server"]) == server


@pytest.mark.parametrize(
    "server",
    [
        Server("soft-delete", deleted=True),
        Server("active", deleted=True),
        Server(None, only_status=Status.ACTIVE, deleted=True),
        Server(None, only_status=Status.DELETED, deleted=False),
    ],
    ids=["soft-delete", "active", "status ACTIVE", "status DELETED"],
)
def test_to_api_and_back_for_every_server(server: Server) -> None:
    """Its docstring says so, and nova-34-trajectories.md has `soft-delete > GONE`."""
    assert Server.from_api(server.to_api()) == server


@SETTINGS
@given(strategies.servers() | strategies.status_only_servers())
def test_records_and_back(server: Server) -> None:
    record = {column: getattr(server, column) for column in Server.__dataclass_fields__}
    del record["key"]
    assert Server.from_record(record) == server
    plain = {
        column: getattr(value, "value", value)
        for column, value in record.items()
        if value is not None
    }
    assert Server.from_record(plain) == server


def visible(server: Server, document: dict[str, Any]) -> Server:
    """The server as far as this document tells it."""
    shown = document.get("server", document)
    known = server if "locked" in shown else replace(server, locked=False, locked_by=None)
    return replace(known, locked_by=None, vm_state_before_resize=None)


@SETTINGS
@given(strategies.servers(deleted=st.just(False)) | strategies.status_only_servers(), st.data())
def test_a_document_tells_the_server_that_it_shows(server: Server, data: st.DataObject) -> None:
    document = data.draw(strategies.server_documents(st.just(server)))
    assert Server.from_api(document) == visible(server, document)


@SETTINGS
@given(strategies.servers() | strategies.status_only_servers())
def test_servers_are_values(server: Server) -> None:
    for other in (pickle.loads(pickle.dumps(server)), copy.copy(server), copy.deepcopy(server)):
        assert other == server
        assert hash(other) == hash(server)
        assert other.key == server.key
        assert type(other.vm_state) is type(server.vm_state)
    assert replace(server) == server


@SETTINGS
@given(strategies.servers(), strategies.servers())
def test_keys_tell_servers_apart(one: Server, two: Server) -> None:
    """The memo finds a verdict by the key: two servers with one key would be one to it."""
    assert (one.key == two.key) is (one == two)
    for column in Server.__dataclass_fields__:
        if column not in ("key", "only_status"):
            try:
                other = replace(one, **{column: getattr(two, column)})
            except MalformedServerError:
                continue
            assert (other.key == one.key) is (other == one), column


def test_no_two_states_share_a_key() -> None:
    keys: dict[int, Server] = {}
    for vm_state in VmState:
        for task_state in (None, *TaskState):
            for bits in range(32):
                locked, launched, host, volume, deleted = (bool(bits >> at & 1) for at in range(5))
                for owner in (None, LockedBy.OWNER, LockedBy.ADMIN) if locked else (None,):
                    server = Server(
                        vm_state,
                        task_state,
                        locked=locked,
                        locked_by=owner,
                        launched=launched,
                        host=host,
                        volume_backed=volume,
                        deleted=deleted,
                    )
                    assert keys.setdefault(server.key, server) == server
    for status in Status:
        server = Server.from_status(status)
        assert keys.setdefault(server.key, server) == server
    assert len(keys) == 12 * 43 * (16 * 1 + 16 * 3) + 20
    assert -1 not in keys, "the key of no server at all"


@SETTINGS
@given(strategies.requests(st.none() | strategies.servers() | strategies.status_only_servers()))
def test_verdicts_are_pickled_with_all_that_they_say(question: strategies.Question) -> None:
    verdict = question.check()
    again = pickle.loads(pickle.dumps(verdict))
    assert type(again) is Verdict
    assert answer(again) == answer(verdict)
    assert again.request.rulebook is question.rulebook
    assert again.request.server == verdict.request.server
    if not verdict.allowed:
        error = pickle.loads(pickle.dumps(RefusedError(verdict)))
        assert type(error) is RefusedError
        assert str(error) == str(RefusedError(verdict))
        assert answer(error.verdict) == answer(verdict)


def test_an_unpickled_verdict_equals_the_verdict() -> None:
    verdict = check(Server("paused"), "os-stop")
    assert pickle.loads(pickle.dumps(verdict)) == verdict


@pytest.mark.parametrize(
    "words", [Status, VmState, TaskState, PowerState, ActionName, Actor, Policy, LockedBy, Reason]
)
def test_words_are_pickled_to_themselves(words: Iterable[Any]) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for word in words:
            assert pickle.loads(pickle.dumps(word, protocol)) is word
            assert copy.deepcopy(word) is word


def test_microversions_and_rulebooks_are_pickled_to_themselves() -> None:
    for minor in range(FIRST.minor, LATEST.minor + 1):
        version = Microversion(f"2.{minor}")
        again = pickle.loads(pickle.dumps(version))
        assert again is version
        assert again.minor == minor
        assert copy.deepcopy(version) is version
    for book in BOOKS:
        assert pickle.loads(pickle.dumps(book)) is book
        assert copy.deepcopy(book) is book


@pytest.mark.parametrize(
    "fail",
    [
        lambda: check(Server("active"), "os-sotp"),
        lambda: check(Server("active"), "pause", actor="root"),
        lambda: check(Server("active"), "pause", microversion="3.0"),
        lambda: Server("activ"),
    ],
    ids=["action", "actor", "microversion", "state"],
)
def test_errors_about_words_are_pickled(fail: Callable[[], object]) -> None:
    """Otherwise a pool of processes breaks instead of reporting the error."""
    with pytest.raises(ValueError) as caught:
        fail()
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value)
    assert str(again) == str(caught.value)
    assert (again.word, again.nearest) == (caught.value.word, caught.value.nearest)


# --- where the status is all


def candidates(status: Status) -> list[tuple[VmState, TaskState | None]]:
    return [
        (vm_state, task_state)
        for vm_state in VmState
        for task_state in (None, *TaskState)
        if status_of(vm_state, task_state) is status
    ]


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize("volume_backed", [False, True], ids=["image", "volume"])
@pytest.mark.parametrize("actor", [Actor.MEMBER, Actor.ADMIN])
def test_a_status_alone_decides_where_all_its_states_agree(
    actor: Actor, volume_backed: bool, rulebook: Rulebook
) -> None:
    options: dict[str, Any] = {"actor": actor, "rulebook": rulebook}
    kinds = defaultdict(int)
    for status in Status:
        server = Server(
            None,
            only_status=status,
            volume_backed=volume_backed,
            deleted=status is Status.DELETED,
        )
        cases = [
            Server(*pair, volume_backed=volume_backed, deleted=status is Status.DELETED)
            for pair in candidates(status)
        ]
        for action in ActionName:
            verdict = check(server, action, **options)
            each = {check(case, action, **options).allowed for case in cases}
            if status is Status.UNKNOWN:
                assert cases == []
                assert not verdict.allowed
                assert not verdict.maybe
                continue
            if each == {True}:
                assert verdict.allowed
            elif any(check(case, action, **options).maybe for case in cases):
                assert verdict.maybe  # an image property that no snapshot shows
            elif each == {False}:
                assert not verdict.allowed
                assert not verdict.maybe
            else:
                assert each == {True, False}
                assert verdict.maybe
                assert not verdict.allowed
                assert verdict.reason is Reason.DEPENDS
                assert set(verdict.depends_on) <= {"vm_state", "task_state"}
                assert all(name in (verdict.hint or "") for name in verdict.depends_on)
            kinds[verdict.allowed, verdict.maybe] += 1
    assert sum(kinds.values()) == 19 * 50
    assert set(kinds) == {(True, False), (False, False), (False, True)}


@pytest.mark.parametrize(
    ("server", "action", "microversion", "decisive"),
    [
        # SOFT and HARD are both allowed with no task, and both refused while powering off.
        (Server.from_status("ACTIVE"), "reboot", "2.104", ["task_state"]),
        # With no task it depends on the image; a known (active, None) is answered maybe, too.
        (
            Server(None, only_status=Status.ACTIVE, volume_backed=True),
            "rebuild",
            "2.92",
            ["task_state", "image"],
        ),
    ],
    ids=["two variants", "outside the server"],
)
def test_a_maybe_is_not_lost(
    server: Server, action: str, microversion: str, decisive: list[str]
) -> None:
    verdict = check(server, action, microversion=microversion)
    assert not verdict.allowed
    assert verdict.maybe
    assert verdict.reason is Reason.DEPENDS
    for word in decisive:
        assert any(word in each for each in verdict.depends_on)
        assert word in (verdict.hint or "")


@pytest.mark.parametrize(
    ("actor", "action", "code"),
    [
        (Actor.STRANGER, "os-stop", 404),
        (Actor.READER, "os-stop", 403),
        (Actor.MEMBER, "migrate", 403),
    ],
)
def test_an_unknown_state_opens_no_door(actor: Actor, action: str, code: int) -> None:
    """nova-34-rules.md: 404 for another project's, then 403 by policy, before any state."""
    assert check(Server.from_status("UNKNOWN"), action, actor=actor).code == code


@pytest.mark.parametrize("action", ["delete", "forceDelete", "os-resetState:error"])
def test_what_becomes_of_a_mere_status_cannot_be_said(action: str) -> None:
    """`accept` says so: the record to write to is not known."""
    assert check(Server.from_status("ACTIVE"), action, actor="admin").allowed
    with pytest.raises(MalformedServerError, match="only the status ACTIVE is known"):
        accept(Server.from_status("ACTIVE"), action, actor="admin")


@SETTINGS
@given(strategies.requests(strategies.status_only_servers()))
def test_what_is_not_known_is_never_allowed_by_mistake(question: strategies.Question) -> None:
    assert question.server is not None
    verdict = question.check()
    cases = list(question.server.possible())
    answers = {check(case, question.action, **question.options).allowed for case in cases}
    assert verdict.allowed is (answers == {True})
    if verdict.allowed and verdict.guard is not None:
        for case in cases:
            guard = check(case, question.action, **question.options).guard
            assert guard == verdict.guard


def test_a_key_of_several_variants_is_decided_where_they_agree() -> None:
    stopped, active = Server("stopped"), Server("active")
    assert check(active, "reboot").allowed, "SOFT and HARD are allowed"
    verdict = check(stopped, "reboot")  # HARD is, SOFT is not
    assert (verdict.allowed, verdict.maybe, verdict.reason) == (False, True, Reason.DEPENDS)
    assert verdict.depends_on == ("the variant of reboot",)
    assert not check(Server("rescued"), "reboot").maybe, "neither is"
    reset = check(active, "os-resetState", actor="admin")
    assert reset.allowed
    assert reset.guard is None, "what to write depends on the variant"
    assert reset.depends_on == ("the variant of os-resetState",)
    assert accept(active, "os-resetState", actor="admin").server is active


# --- the graph


Graph = dict[State, set[State]]


def graph(wanted: Callable[[Edge], bool], rulebook: Rulebook) -> Graph:
    found: Graph = defaultdict(set)
    for edge in edges(rulebook):
        if edge.start is not None and wanted(edge):
            found[edge.start].add(edge.end)
    return found


@cache
def outcome_graph(rulebook: Rulebook) -> Graph:
    return graph(lambda edge: edge.outcome is not None, rulebook)


def reachable(starts: Iterable[State], steps: Graph) -> set[State]:
    seen, waiting = set(starts), list(starts)
    while waiting:
        for end in steps.get(waiting.pop(), ()):
            if end not in seen:
                seen.add(end)
                waiting.append(end)
    return seen


def born(rulebook: Rulebook) -> set[State]:
    return {edge.end for edge in edges(rulebook) if edge.start is None}


SOMEBODY: dict[str, Callable[[Edge], bool]] = {
    "everything": lambda edge: True,
    "without an administrator": lambda edge: edge.cause is not Cause.ADMINISTRATOR,
    "without an administrator or a timer": lambda edge: (
        edge.cause not in (Cause.ADMINISTRATOR, Cause.TIMER)
    ),
}


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_every_busy_state_ends_by_itself(rulebook: Rulebook) -> None:
    """Nobody has to ask for anything: outcomes alone lead to a state with no task."""
    life = reachable(born(rulebook), graph(SOMEBODY["everything"], rulebook))
    by_itself = outcome_graph(rulebook)
    busy = {state for state in life if state[1] is not None}
    stuck = {
        state_name(state)
        for state in busy
        if not any(task is None for _, task in reachable({state}, by_itself))
    }
    # What Nova leaves behind: a build given up by the clock, an unshelve without its image.
    assert stuck == {
        "error+scheduling",
        "error+block_device_mapping",
        "error+networking",
        "error+spawning",
        "error+unshelving",
    }
    # All tasks but the one that Nova names and never sets.
    assert {task for _, task in busy} == set(TaskState) - {TaskState.RESIZE_CONFIRMING}


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize("who", SOMEBODY)
def test_every_state_leads_to_active_or_deleted(who: str, rulebook: Rulebook) -> None:
    life = reachable(born(rulebook), graph(SOMEBODY["everything"], rulebook))
    assert {vm_state for vm_state, _ in life} == set(VmState)
    steps = graph(SOMEBODY[who], rulebook)
    for state in life:
        if state[0] is not VmState.DELETED:
            ends = reachable({state}, steps)
            assert (VmState.ACTIVE, None) in ends or (VmState.DELETED, None) in ends, state_name(
                state
            )


@pytest.mark.parametrize("rulebook", BOOKS, ids=lambda book: book.name)
def test_the_graph_is_what_check_and_finish_do(rulebook: Rulebook) -> None:
    """Every edge of a request is an accepted request, and the other way round."""
    asked: set[tuple[Any, str, Any]] = set()
    by_the_server = [row.name for row in rulebook if len(row.writes) > 1]
    no_more = [row.name for row in rulebook if row.until is not None]
    for vm_state in VmState:
        for task_state in (None, *TaskState):
            for volume_backed, host, version, actions in (
                (False, True, "2.104", ActionName),
                (False, True, "2.1", no_more),
                (True, True, "2.104", by_the_server),
                (False, False, "2.104", by_the_server),
            ):
                server = Server(vm_state, task_state, volume_backed=volume_backed, host=host)
                for action in actions:
                    step = accept(
                        server, action, actor="admin", microversion=version, rulebook=rulebook
                    )
                    if step.verdict.guard is not None:
                        assert step.server is not None
                        end = (step.server.vm_state, step.server.task_state)
                        asked.add(((vm_state, task_state), action.value, end))
    drawn = {
        (edge.start, edge.event, edge.end)
        for edge in edges(rulebook)
        if edge.outcome is None and isinstance(edge.row, Action) and edge.start is not None
    }
    assert asked <= drawn
    # Drawn and never done with default options: a soft delete alone.
    assert {each[1] for each in drawn - asked} == {"delete"}
    assert {each[2][1] for each in drawn - asked} == {TaskState.SOFT_DELETING}
