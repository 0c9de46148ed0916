"""Plans: each can be carried out step by step, is the cheapest there is, and is found if one is.

What a plan is held against is searched here once more, in the simplest way, over `accept`,
`advance` and `follow`, and with the words of the documentation instead of the table's columns.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Actor,
    Microversion,
    Options,
    Rulebook,
    Server,
    Status,
    TaskState,
    UnknownActionError,
    UnknownActorError,
    UnknownStateError,
    VmState,
    accept,
    check,
    follow,
)
from serverfsm.conformance.strategies import servers
from serverfsm.errors import BadCostError
from serverfsm.planning import Plan, PlanStep, plan

BOOKS = (API_REFERENCE, NOVA_34)
GIVING_UP = frozenset({"delete", "forceDelete", "rebuild", "evacuate"})
LEFT_OUT = GIVING_UP | {"os-resetState:active", "os-resetState:error"}
LOCKING = frozenset({"lock", "unlock"})
AT_REST = {
    Status.ACTIVE, Status.PAUSED, Status.SUSPENDED, Status.SHUTOFF, Status.RESCUE, Status.ERROR,
    Status.VERIFY_RESIZE, Status.SOFT_DELETED, Status.DELETED, Status.SHELVED,
    Status.SHELVED_OFFLOADED,
}  # fmt: skip


# --- a second search, as simple as can be


@cache
def moves(
    server: Server, who: Actor, book: Rulebook, version: str = "latest"
) -> tuple[tuple[str, Server], ...]:
    """Every action that is allowed here, with where its success ends."""
    found = []
    for name in ActionName:
        asked: Any = {"actor": who, "rulebook": book, "microversion": version}
        step = accept(server, name, **asked)
        if step.verdict is None or not step.verdict.allowed or step.verdict.action is not name:
            continue
        end = follow(server, name, **asked)[-1].server if book[name].sources.run else step.server
        if end is not None and end.task_state is None:
            found.append((name.value, end))
    return tuple(found)


def distances(
    start: Server,
    who: Actor,
    book: Rulebook,
    without: frozenset[str] = LEFT_OUT,
    cost: dict[str, float] | None = None,
) -> dict[Status, float]:
    """What it costs to come to rest in each status: round after round until nothing is cheaper."""
    costs = cost or {}
    cheapest = {start: 0.0}
    changed = True
    while changed:
        changed = False
        for server, so_far in list(cheapest.items()):
            for name, end in moves(server, who, book):
                if name in without | LOCKING:
                    continue
                total = so_far + costs.get(name.partition(":")[0], 1.0)
                if total < cheapest.get(end, math.inf) - 1e-9:
                    cheapest[end] = total
                    changed = True
    found: dict[Status, float] = {}
    for server, total in cheapest.items():
        if server.task_state is None:
            found[server.status] = min(total, found.get(server.status, math.inf))
    return found


def carry_out(found: Plan, start: Server, **asked: Any) -> Server:
    """Do what a plan says, and hold every step against what comes of it."""
    now = start
    for step in found.steps:
        if step.action is None:
            now = step.server
            continue
        verdict = check(now, step.action, **asked)
        assert verdict.allowed
        assert verdict.assumes == step.assumes
        book = asked.get("rulebook", API_REFERENCE)
        run = (
            follow(now, step.action, **asked)
            if book[step.action].sources.run
            else (accept(now, step.action, **asked),)
        )
        end = run[-1].server
        assert end == step.server
        assert step.wait_for == (end.status if len(run) > 1 else None)
        if step.wait_for is not None:
            shown = [each.server for each in run[:-1] if each.server is not None]
            assert {(each.status, each.task_state) for each in shown} <= set(step.passes)
        now = end
    return now


def idle(vm: VmState, backed: bool = False, **more: Any) -> Server:
    return Server(vm, volume_backed=backed, **more)


STARTS = [
    idle(vm, backed, **more)
    for vm, backed in product(VmState, (False, True))
    if vm is not VmState.BUILDING
    for more in (
        ({"vm_state_before_resize": "active"}, {"vm_state_before_resize": "stopped"}, {})
        if vm is VmState.RESIZED
        else ({},)
    )
]


IMAGE_BACKED = [start for start in STARTS if not start.volume_backed]


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
@pytest.mark.parametrize("who", [Actor.READER, Actor.MEMBER, Actor.MANAGER, Actor.ADMIN])
def test_a_plan_is_found_where_there_is_one_and_is_the_cheapest(who: Actor, book: Rulebook) -> None:
    for start in STARTS:
        best = distances(start, who, book)
        for goal in Status:
            found = plan(start, goal, actor=who, rulebook=book)
            assert bool(found) is (found.reason is None)
            if goal not in best:
                assert not found, (start, goal)
                assert found.reason
                assert found.steps == ()
                assert found.cost is None
                continue
            assert found, (start, goal, found.reason)
            assert found.cost == best[goal] == len(found.actions)
            end = carry_out(found, start, actor=who, rulebook=book)
            assert (end.status, end.task_state) == (goal, None)
            assert not {name.value for name in found.actions} & (LEFT_OUT | LOCKING)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_with_everything_included_too(book: Rulebook) -> None:
    nothing: frozenset[str] = frozenset()
    for who, start in product((Actor.MEMBER, Actor.ADMIN), IMAGE_BACKED):
        best = distances(start, who, book, nothing)
        for goal in AT_REST:
            found = plan(start, goal, actor=who, rulebook=book, including=sorted(LEFT_OUT))
            assert bool(found) is (goal in best), (start, goal, found.reason)
            if found:
                assert found.cost == best[goal]
                carry_out(found, start, actor=who, rulebook=book)


COSTS: tuple[dict[str, float], ...] = (
    {"os-stop": 5.0, "shelve": 0.25},
    {"unpause": 9.0, "suspend": 0.0, "resume": 0.0},
    {"resize": 3.0, "confirmResize": 7.5, "revertResize": 0.5, "migrate": 2.0},
)


@pytest.mark.parametrize("cost", COSTS)
def test_the_cheapest_by_given_costs(cost: dict[str, float]) -> None:
    for who, start in product((Actor.MEMBER, Actor.ADMIN), IMAGE_BACKED):
        best = distances(start, who, API_REFERENCE, LEFT_OUT, cost)
        for goal in AT_REST:
            found = plan(start, goal, actor=who, cost=cost)
            assert bool(found) is (goal in best)
            if found:
                assert found.cost == pytest.approx(best[goal])
                carry_out(found, start, actor=who)


# --- the manual's example, and what a step says


def words(found: Plan) -> list[str]:
    """A plan as the command line tells it."""
    told: list[str] = []
    for step in found.steps:
        told += [step.action.value] if step.action else []
        told += [f"wait for {step.wait_for}"] if step.wait_for else []
    return told


def test_from_paused_to_shutoff() -> None:
    told = ["unpause", "wait for ACTIVE", "os-stop", "wait for SHUTOFF"]
    assert words(plan(Server("paused"), "SHUTOFF")) == told
    by_status = plan(Server.from_status("PAUSED"), Status.SHUTOFF)
    assert words(by_status) == told
    assert by_status.assumptions == ("no task is under way: only the status PAUSED is known",)
    assert by_status.start.vm_state is None


def test_a_step_says_what_it_needs_and_what_shows_meanwhile() -> None:
    (resize,) = plan(Server("active"), "VERIFY_RESIZE").steps
    assert [each.name for each in resize.parameters] == ["flavorRef"]
    assert [each.name for each in resize.assumes] == ["host-up", "other-flavor"]
    assert resize.passes == tuple(
        (Status.RESIZE, TaskState(task))
        for task in ("resize_prep", "resize_migrating", "resize_migrated", "resize_finish")
    )
    assert (resize.wait_for, resize.cost) == (Status.VERIFY_RESIZE, 1.0)
    (reboot,) = plan(Server("error"), "ACTIVE").steps
    assert reboot.action is ActionName.REBOOT_HARD
    assert [(each.name, each.values) for each in reboot.parameters] == [
        ("type", ("HARD", "Hard", "hard"))
    ]
    assert resize.server.vm_state_before_resize is VmState.ACTIVE


def test_parameters_are_those_of_the_microversion() -> None:
    for version, names in (("2.13", ["onSharedStorage"]), ("2.14", [])):
        found = plan(
            Server("error"), "ACTIVE", actor="admin", microversion=version,
            cost={"reboot": 10, "os-stop": 10, "rescue": 10}, including=["evacuate"],
        )  # fmt: skip
        assert found.actions == (ActionName.EVACUATE,)
        assert [each.name for each in found.steps[0].parameters] == names


def test_a_plan_as_json() -> None:
    found = plan(Server("active", "powering-off"), "VERIFY_RESIZE")
    document = json.loads(json.dumps(found.to_dict()))
    assert document["found"] is True
    assert document["goal"] == "VERIFY_RESIZE"
    assert [step["action"] for step in document["steps"]] == [None, "resize"]
    assert [step["wait_for"] for step in document["steps"]] == ["SHUTOFF", "VERIFY_RESIZE"]
    assert document["steps"][1]["passes"][0] == {"status": "RESIZE", "task_state": "resize_prep"}
    assert [Server.from_api(step["server"]) for step in document["steps"]] == [
        step.server for step in found.steps
    ]
    none = json.loads(json.dumps(plan(Server("active"), "ERROR").to_dict()))
    assert (none["found"], none["cost"], none["steps"]) == (False, None, [])
    assert none["reason"]


def test_a_goal_that_is_reached_already() -> None:
    found = plan(Server("paused", locked=True, locked_by="admin"), "PAUSED")
    assert found
    assert (found.steps, found.cost, found.reason) == ((), 0.0, None)
    assert plan(Server("deleted", deleted=True), "DELETED")
    # ACTIVE shows, and the server is on its way elsewhere.
    busy = plan(Server("active", "powering-off"), "ACTIVE")
    assert words(busy) == ["wait for SHUTOFF", "os-start", "wait for ACTIVE"]


# --- ties


def test_ties_go_to_fewer_steps_then_to_the_more_specific_then_to_the_table() -> None:
    # From SUSPENDED both resume and a hard reboot lead to ACTIVE.
    assert plan(Server("suspended"), "ACTIVE").actions == (ActionName.RESUME,)
    # The plain action: no zone is needed, though that variant is accepted in fewer states.
    assert plan(Server("shelved_offloaded"), "ACTIVE").actions == (ActionName.UNSHELVE,)
    # All of these cost nothing.
    free = plan(Server("paused"), "SHUTOFF", cost=lambda name: 0)
    assert free.actions == (ActionName.UNPAUSE, ActionName.STOP)
    # resize and migrate begin in the same states; resize stands first.
    admin = plan(Server("active"), "VERIFY_RESIZE", actor="admin")
    assert admin.actions == (ActionName.RESIZE,)
    again = plan(Server("active"), "VERIFY_RESIZE", actor="admin")
    assert again == admin


# --- costs


def test_a_cost_by_key_holds_for_its_variants_unless_they_have_their_own() -> None:
    paused = Server("paused")
    dear = plan(paused, "ACTIVE", cost={"unpause": 3, "reboot": 2})
    assert (dear.actions, dear.cost) == ((ActionName.REBOOT_HARD,), 2.0)
    own = {"reboot:HARD": 9, "unpause": 3, "reboot": 2, "shelve": 9}
    assert plan(paused, "ACTIVE", cost=own).actions == (ActionName.UNPAUSE,)
    members = {ActionName.UNPAUSE: 5.5, ActionName.REBOOT_HARD: 5.25, ActionName.SHELVE: 9}
    assert plan(paused, "ACTIVE", cost=members).cost == 5.25
    assert plan(paused, "ACTIVE", cost=lambda name: len(name.value)).cost == 7.0


@pytest.mark.parametrize("value", [-1, math.inf, math.nan, "1", None, True, 10**400, [1]])
def test_a_cost_that_is_none(value: Any) -> None:
    with pytest.raises(BadCostError, match=r"^the cost of 'os-stop' must be a finite number"):
        plan(Server("active"), "PAUSED", cost={"os-stop": value})
    with pytest.raises(BadCostError, match="must be a finite number from 0 upwards, not"):
        plan(Server("active"), "PAUSED", cost=lambda name: value)


def test_costs_that_are_no_costs() -> None:
    with pytest.raises(BadCostError, match="a mapping or a function, not 7"):
        plan(Server("active"), "PAUSED", cost=7)  # type: ignore[arg-type]
    with pytest.raises(UnknownActionError, match="did you mean 'os-stop'"):
        plan(Server("active"), "PAUSED", cost={"os-sotp": 1})
    with pytest.raises(BadCostError, match="add up to more than a number can hold"):
        plan(Server("paused"), "SHUTOFF", cost=lambda name: 1.7e308)


# --- what is left out


def test_nothing_is_given_up_unless_told() -> None:
    active = Server("active")
    refused = plan(active, "DELETED")
    assert not refused
    assert refused.reason is not None
    assert "including=('delete',)" in refused.reason
    deleting = plan(active, "DELETED", including=("delete",))
    assert words(deleting) == ["delete", "wait for DELETED"]
    assert deleting.steps[-1].server.deleted
    assert plan(active, "DELETED", including=[ActionName.FORCE_DELETE]).actions == (
        ActionName.FORCE_DELETE,
    )
    assert plan(active, "DELETED", including="delete").actions == (ActionName.DELETE,)


def test_a_named_key_stands_for_its_variants() -> None:
    found = plan(Server("active"), "ERROR", actor="admin", including=["os-resetState"])
    assert found.actions == (ActionName.RESET_STATE_ERROR,)
    assert words(found) == ["os-resetState:error"]
    with pytest.raises(UnknownActionError):
        plan(Server("active"), "ERROR", including=["resetState"])


def test_what_is_said_to_let_a_plan_in_does() -> None:
    for who, start, goal in product((Actor.MEMBER, Actor.ADMIN), STARTS, AT_REST):
        refused = plan(start, goal, actor=who)
        if refused.reason is None or not refused.reason.startswith("only what"):
            continue
        for choice in refused.reason.split("including=(")[1:]:
            names = [word.strip(" ',") for word in choice.partition(")")[0].split(",")]
            assert plan(start, goal, actor=who, including=[name for name in names if name])


# --- locks


def locked(vm: str, by: str | None, **more: Any) -> Server:
    return Server(vm, locked=True, locked_by=by, **more)


@pytest.mark.parametrize("who", ["member", "manager"])
def test_one_s_own_lock_is_taken_away_and_put_back(who: str) -> None:
    found = plan(locked("paused", "owner"), "SHUTOFF", actor=who)
    assert words(found) == [
        "unlock", "unpause", "wait for ACTIVE", "os-stop", "wait for SHUTOFF", "lock",
    ]  # fmt: skip
    assert found.cost == 4.0
    end = carry_out(found, locked("paused", "owner"), actor=who)
    assert (end.locked, end.locked_by) == (True, "owner")


def test_what_is_gone_is_not_locked_again() -> None:
    found = plan(locked("active", "owner"), "DELETED", including=["delete"])
    assert words(found) == ["unlock", "delete", "wait for DELETED"]


def test_an_administrator_s_own_lock_stops_none_of_his_actions() -> None:
    found = plan(locked("paused", "admin"), "SHUTOFF", actor="admin")
    assert found.actions == (ActionName.UNPAUSE, ActionName.STOP)
    assert found.steps[-1].server.locked_by == "admin"


@pytest.mark.parametrize(
    ("who", "by", "words"),
    [
        ("member", "admin", "the lock is an administrator's"),
        ("manager", "admin", "the lock is an administrator's"),
        ("admin", "owner", "the lock is its owner's"),
        ("member", None, "not known by whom"),
        ("admin", None, "not known by whom"),
    ],
)
def test_another_s_lock_is_never_planned_through(who: str, by: str | None, words: str) -> None:
    found = plan(locked("paused", by), "SHUTOFF", actor=who)
    assert not found
    assert found.reason is not None
    assert words in found.reason


def test_through_another_s_lock_only_what_ignores_locks() -> None:
    """And whatever is found can be done by an actor whom the lock is not about."""
    # At a microversion at which an evacuated server is started.
    asked: dict[str, Any] = {
        "actor": "admin",
        "including": ["evacuate", "os-resetState"],
        "microversion": "2.94",
    }
    evacuated = plan(locked("error", "owner"), "ACTIVE", **asked, cost={"os-resetState": 2})
    assert evacuated.actions == (ActionName.EVACUATE,)
    assert plan(locked("paused", "owner"), "ACTIVE", **asked).actions == (
        ActionName.RESET_STATE_ACTIVE,
    )


def test_locks_against_the_second_search() -> None:
    for start, goal in product(STARTS, AT_REST):
        best = distances(start, Actor.MEMBER, API_REFERENCE)
        holding = Server(
            start.vm_state, volume_backed=start.volume_backed, locked=True, locked_by="owner",
            vm_state_before_resize=start.vm_state_before_resize,
        )  # fmt: skip
        found = plan(holding, goal)
        assert bool(found) is (goal in best)
        if found:
            assert found.cost == (0 if best[goal] == 0 else best[goal] + 2)
            end = carry_out(found, holding)
            assert (end.locked, end.locked_by) == (True, "owner")


def test_a_reader_s_lock_is_nobody_s() -> None:
    found = plan(locked("paused", "owner"), "SHUTOFF", actor="reader")
    assert not found


# --- a task under way, and states that are not known


def test_a_task_under_way_is_waited_for() -> None:
    found = plan(Server("active", "pausing"), "SHUTOFF")
    assert words(found) == [
        "wait for PAUSED", "unpause", "wait for ACTIVE", "os-stop", "wait for SHUTOFF",
    ]  # fmt: skip
    wait = found.steps[0]
    assert (wait.action, wait.cost, wait.parameters) == (None, 0.0, ())
    assert wait.passes == ((Status.ACTIVE, TaskState.PAUSING),)
    assert found.assumptions == ("pause, which is under way, succeeds",)
    building = plan(Server("building", "networking", launched=False, host=False), "SHUTOFF")
    assert words(building)[0] == "wait for ACTIVE"
    assert [task for _, task in building.steps[0].passes] == [
        "networking", "block_device_mapping", "spawning",
    ]  # fmt: skip
    assert plan(Server.from_status("BUILD"), "ACTIVE")
    gone = plan(Server("active", "deleting"), "ACTIVE")
    assert not gone
    assert gone.reason == "the server is deleted: every request is answered 404"
    assert words(plan(Server("active", "deleting"), "DELETED")) == ["wait for DELETED"]


def test_a_task_whose_end_is_not_known() -> None:
    found = plan(Server("active", "rebuilding"), "SHUTOFF")
    assert found.reason == (
        "it is not known how rebuilding will end: in ACTIVE by rebuild, or in SHUTOFF by "
        "evacuate; ask again when it has"
    )


def test_a_task_that_nothing_ends() -> None:
    left = Server("error", "unshelving")
    found = plan(left, "ACTIVE", actor="admin", including=["evacuate"], microversion="2.94")
    assert found.actions == (ActionName.EVACUATE,)
    none = plan(left, "PAUSED", actor="admin")
    assert none.reason is not None
    assert not none


@pytest.mark.parametrize("status", [s for s in Status if s not in AT_REST and s != "BUILD"])
def test_a_status_with_which_a_task_is_always_under_way(status: Status) -> None:
    assert not plan(Server.from_status(status), "ACTIVE")
    refused = plan(Server("active"), status)
    assert not refused
    assert refused.reason is not None
    assert refused.reason.startswith(f"{status} ")
    assert "shows only while a task" in refused.reason or status is Status.UNKNOWN


# --- why there is none


@pytest.mark.parametrize(
    ("start", "goal", "asked", "reason"),
    [
        (Server("deleted", deleted=True), "ACTIVE", {}, "the server is deleted"),
        (Server("active"), "ERROR", {}, "an admin may, with including=('os-resetState:error',)"),
        (Server("active"), "SHUTOFF", {"actor": "reader"}, "a member may: os-stop"),
        (Server("active"), "SHUTOFF", {"actor": "anonymous"}, "an anonymous may not"),
        (Server("active"), "SHELVED", {}, "shelved_offload_time == 0 does not hold"),
        (
            Server("active"),
            "SOFT_DELETED",
            {"including": ["delete"]},
            "reclaim_instance_interval > 0 holds",
        ),
        (Server("building"), "BUILD", {}, "BUILD shows only while a task is under way"),
        (
            Server("error", launched=False),
            "PAUSED",
            {"actor": "admin", "including": sorted(LEFT_OUT)},
            "no sequence of allowed actions leads from ERROR to PAUSED",
        ),
    ],
)
def test_the_reason(start: Server, goal: str, asked: dict[str, Any], reason: str) -> None:
    found = plan(start, goal, **asked)
    assert not found
    assert found.reason is not None
    assert reason in found.reason


def test_options_decide() -> None:
    later = Options(shelved_offload_time=-1)
    assert words(plan(Server("active"), "SHELVED", options=later)) == [
        "shelve", "wait for SHELVED",
    ]  # fmt: skip
    assert len(plan(Server("active"), "SHELVED_OFFLOADED", options=later).actions) == 2
    assert len(plan(Server("active"), "SHELVED_OFFLOADED").actions) == 1
    soft = Options(reclaim_instance_interval=60)
    found = plan(Server("active"), "DELETED", options=soft, including=["delete", "forceDelete"])
    assert found.actions == (ActionName.FORCE_DELETE,)
    found = plan(Server("active"), "SOFT_DELETED", options=soft, including=["delete"])
    assert found.actions == (ActionName.DELETE,)


def test_a_rulebook_decides() -> None:
    shelved = Server("shelved")
    assert plan(shelved, "SHELVED_OFFLOADED").actions == (ActionName.SHELVE_OFFLOAD,)
    assert (
        ActionName.SHELVE_OFFLOAD
        not in plan(shelved, "SHELVED_OFFLOADED", rulebook=NOVA_34).actions
    )


# --- odd input


def test_words_that_are_none() -> None:
    with pytest.raises(UnknownStateError, match="did you mean 'SHUTOFF'"):
        plan(Server("active"), "SHUTOF")
    with pytest.raises(UnknownActorError):
        plan(Server("active"), "SHUTOFF", actor="root")
    with pytest.raises(ValueError, match="unknown microversion"):
        plan(Server("active"), "SHUTOFF", microversion="2.105")


@settings(max_examples=150, deadline=None)
@given(
    servers(),
    st.sampled_from(Status),
    st.sampled_from(Actor),
    st.sampled_from(BOOKS),
    st.sampled_from(("2.1", "2.60", "2.95", "latest")),
    st.sets(st.sampled_from(sorted(LEFT_OUT))),
)
def test_whatever_is_asked(
    start: Server, goal: Status, who: Actor, book: Rulebook, version: str, including: set[str]
) -> None:
    """Always an answer; a plan can be carried out and ends in its goal; a refusal has a reason."""
    asked: dict[str, Any] = {"actor": who, "rulebook": book, "microversion": version}
    found = plan(start, goal, **asked, including=including)
    json.dumps(found.to_dict(), allow_nan=False)
    if not found:
        assert found.reason
        assert (found.steps, found.cost) == ((), None)
        return
    begin = next(iter(_beginnings(start)))
    end = carry_out(found, begin, **asked)
    assert (end.status, end.task_state) == (goal, None)
    assert end.locked is start.locked or end.deleted
    assert not {name.value for name in found.actions} & (LEFT_OUT - including)
    assert found == plan(start, goal, **asked, including=including)
    assert Microversion(version)


def _beginnings(start: Server) -> Iterator[Server]:
    if start.vm_state is not None:
        yield start
    else:
        yield from (each for each in start.possible() if each.task_state is None)


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(st.text(max_size=20), st.integers(), st.none(), st.lists(st.integers())),
    st.one_of(st.none(), st.integers(), st.text(), st.dictionaries(st.text(), st.floats())),
)
def test_odd_values_are_value_errors(goal: Any, cost: Any) -> None:
    with suppress(ValueError):
        plan(Server("active"), goal, cost=cost)
        assert goal in list(Status)


def test_a_plan_is_a_value() -> None:
    found = plan(Server("paused"), "SHUTOFF")
    assert isinstance(found.steps[0], PlanStep)
    with pytest.raises(AttributeError):
        found.reason = "no"  # type: ignore[misc]
    assert found == plan(Server("paused"), "SHUTOFF")


def test_a_plan_takes_no_time() -> None:
    pairs = [(start, goal) for start in STARTS for goal in AT_REST]
    spent = []
    for start, goal in pairs:
        begun = time.process_time()
        if plan(start, goal):
            spent.append(time.process_time() - begun)
    assert sorted(spent)[len(spent) // 2] < 0.05
