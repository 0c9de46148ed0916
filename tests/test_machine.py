"""The stateful face against the pure functions: it owns no rule, and a refusal changes nothing."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from transitions import EventData, MachineError

from serverfsm import (
    API_REFERENCE,
    NOVA_34,
    ActionName,
    Actor,
    LockedBy,
    MalformedServerError,
    PowerState,
    Rulebook,
    Server,
    Status,
    TaskState,
    UnknownActorError,
    UnknownMicroversionError,
    UnknownWordError,
    VmState,
    check,
)
from serverfsm.lifecycle import edges, state_name
from serverfsm.machine import (
    ABSENT,
    RefusedTriggerError,
    ServerMachine,
    ServerModel,
    UnknownEventError,
    WrongEventError,
    build_machine,
)
from serverfsm.step import accept

LOCKS: tuple[LockedBy | None, ...] = (None, LockedBy.OWNER, LockedBy.ADMIN)
PAIRS = tuple(product(VmState, (None, *TaskState)))

# The cells of the walk: 12 vm_states x 43 tasks (none included) x 3 locks, and no server at all.
SERVERS = 12 * 43 * 3 + 1
# Where the reference says that something begins or ends, and the version before it.
BOUNDARIES = (
    "2.1",
    "2.5",
    "2.6",
    "2.16",
    "2.17",
    "2.43",
    "2.44",
    "2.55",
    "2.56",
    "2.76",
    "2.77",
    "2.86",
    "2.87",
    "2.90",
    "2.91",
    "2.92",
    "2.93",
    "2.104",
)
CELLS = SERVERS * 50 * 6  # 50 actions, six kinds of person


@pytest.fixture(scope="module")
def machine() -> ServerMachine:
    return build_machine()


def servers() -> Iterator[Server | None]:
    yield None
    for (vm_state, task_state), owner in product(PAIRS, LOCKS):
        yield Server(vm_state, task_state, locked=owner is not None, locked_by=owner)


# --- machine and table agree


def differences(rulebook: Rulebook, actions: tuple[ActionName, ...]) -> tuple[int, int, list[Any]]:
    """Return how many cells there are, in how many the action is allowed, and all disagreements."""
    machine = build_machine(rulebook=rulebook)
    cells, allowed, found = 0, 0, []
    for server in servers():
        model = ServerModel(machine, server)
        for action, actor in product(actions, Actor):
            cells += 1
            verdict = check(server, action, actor=actor, rulebook=rulebook)
            may = model.may_trigger(action, actor=actor)
            allowed += may
            if may != verdict.allowed:
                found.append((server, action, actor, may, verdict.code))
    return cells, allowed, found


def test_machine_and_check_agree_in_every_cell() -> None:
    cells, allowed, found = differences(API_REFERENCE, tuple(ActionName))
    assert found == []
    assert cells == CELLS
    assert 0 < allowed < cells / 2, "most cells are refusals; a walk that sees none is broken"


def test_machine_and_check_agree_where_nova_deviates() -> None:
    actions = tuple({deviation.action: None for deviation in NOVA_34.deviations})
    cells, allowed, found = differences(NOVA_34, actions)
    assert found == []
    assert cells == SERVERS * len(actions) * 6
    assert len(actions) > 10
    assert 0 < allowed < cells / 2


def test_machine_and_check_agree_at_older_microversions(machine: ServerMachine) -> None:
    found = []
    cells = 0
    for vm_state, volume_backed, host in product(VmState, (False, True), (False, True)):
        server = Server(vm_state, volume_backed=volume_backed, host=host)
        model = ServerModel(machine, server)
        for action, version in product(ActionName, BOUNDARIES):
            asked: dict[str, Any] = {"actor": "admin", "microversion": version}
            cells += 1
            if model.may_trigger(action, **asked) is not check(server, action, **asked).allowed:
                found.append((server.vm_state, action, version))
    assert cells == 12 * 4 * 50 * len(BOUNDARIES)
    assert found == []


def test_every_allowed_cell_ends_where_accept_says(machine: ServerMachine) -> None:
    """As an administrator, who is allowed the most, in every state and for every action."""
    taken = 0
    for vm_state, task_state in PAIRS:
        server = Server(vm_state, task_state)
        for action in ActionName:
            step = accept(server, action, actor="admin")
            if step.verdict:
                model = ServerModel(machine, server)
                assert model.trigger(action, actor="admin") is True
                assert model.server == step.server
                assert step.server is not None
                assert model.state == state_name((step.server.vm_state, step.server.task_state))
                taken += 1
    # Allowed in every one of the 516 states by `lock` alone, and by a good ten other actions.
    assert taken > 10 * 516


def test_there_is_a_state_for_every_pair_and_an_event_for_every_edge(
    machine: ServerMachine,
) -> None:
    assert set(machine.states) == {ABSENT, *(state_name(pair) for pair in PAIRS)}
    assert len(machine.states) == 1 + 12 * 43
    drawn = edges()
    assert set(machine.events) == {edge.event for edge in drawn}
    for edge in drawn:
        start = ABSENT if edge.start is None else state_name(edge.start)
        ends = {each.dest for each in machine.events[edge.event].transitions[start]}
        assert state_name(edge.end) in ends


def test_no_automatic_transitions(machine: ServerMachine) -> None:
    assert not [name for name in machine.events if name.startswith("to_")]


@pytest.mark.parametrize(("action", "code"), [("resetNetwork", 410), ("os-getRDPConsole", 404)])
def test_a_removed_action_is_refused_and_not_unknown(
    machine: ServerMachine, action: str, code: int
) -> None:
    model = ServerModel(machine, Server("active"))
    with pytest.raises(RefusedTriggerError) as refused:
        model.trigger(action, actor="admin")
    assert refused.value.verdict.code == code


# --- refusals


def test_a_refusal_raises_with_the_verdict_and_changes_nothing(machine: ServerMachine) -> None:
    server = Server("paused")
    model = ServerModel(machine, server)
    with pytest.raises(RefusedTriggerError) as refused:
        model.trigger("os-stop", actor="member", microversion="2.1")
    assert refused.value.verdict == check(server, "os-stop", microversion="2.1")
    # nova-34-rules.md, os-stop: 409 Cannot 'stop' instance {id} while it is in vm_state {vm_state}
    assert refused.value.verdict.code == 409
    assert "Cannot 'stop' instance {id} while it is in vm_state paused" in str(refused.value)
    assert model.server is server
    assert model.state == "paused"
    assert model.trigger("unpause") is True


def test_a_refusal_is_an_error_of_both_worlds(machine: ServerMachine) -> None:
    model = ServerModel(machine, Server("paused", locked=True, locked_by="admin"))
    with pytest.raises(MachineError, match=r"^unpause: Instance \{id\} is locked$"):
        model.trigger("unpause")
    with pytest.raises(RefusedTriggerError) as refused:
        model.trigger("unpause")
    error = refused.value
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is RefusedTriggerError
    assert str(again) == str(error)
    assert again.verdict.code == error.verdict.code == 409
    # transitions' own handlers read `value`.
    assert error.value == again.value == "unpause: Instance {id} is locked"


def test_the_rulebook_decides() -> None:
    """other-actions.md: offloading is an owner's by the reference, an administrator's in Nova."""
    shelved = Server("shelved")
    assert ServerModel(build_machine(rulebook=API_REFERENCE), shelved).may_trigger("shelveOffload")
    assert not ServerModel(build_machine(rulebook=NOVA_34), shelved).may_trigger("shelveOffload")


def test_actor_and_microversion_decide(machine: ServerMachine) -> None:
    model = ServerModel(machine, Server("active"))
    assert not model.may_trigger("migrate")
    assert model.may_trigger("migrate", actor="admin")
    assert not model.may_trigger("addFloatingIp")  # 404 from 2.44
    assert model.may_trigger("addFloatingIp", microversion="2.43")


# --- callbacks


class Watched(ServerModel):
    """A model with a diary."""

    def __init__(self, machine: ServerMachine, server: Server | None) -> None:
        super().__init__(machine, server)
        self.diary: list[tuple[str, str, Any]] = []

    def write_down(self, event_data: EventData) -> None:
        self.diary.append(
            (event_data.event.name, event_data.model.state, event_data.kwargs["verdict"])
        )


def test_callbacks_see_the_verdict_the_state_and_the_data() -> None:
    seen: list[Any] = []

    def see(event_data: EventData) -> None:
        seen.append((event_data.model.state, dict(event_data.kwargs)))

    machine = build_machine(before=[see, "write_down"], after=["write_down", see])
    model = Watched(machine, Server("active"))
    model.trigger("os-stop", actor="admin", microversion="2.10", ticket=17)
    (before, given), (after, given_after) = seen
    assert (before, after) == ("active", "active+powering-off")
    assert given == given_after
    assert given["verdict"] == check(
        Server("active"), "os-stop", actor="admin", microversion="2.10"
    )
    assert (given["actor"], given["microversion"]) == (Actor.ADMIN, "2.10")
    assert given["data"] == {"ticket": 17}
    assert [entry[:2] for entry in model.diary] == [
        ("os-stop", "active"),
        ("os-stop", "active+powering-off"),
    ]
    assert all(entry[2].allowed for entry in model.diary)

    model.trigger("os-stop.done")
    assert seen[-1][0] == "stopped"
    assert seen[-1][1]["verdict"] is None, "nobody asked for an outcome"


def test_a_failing_before_callback_leaves_the_model_unchanged() -> None:
    def fail(event_data: EventData) -> None:
        raise RuntimeError("the audit log is full")

    after: list[EventData] = []
    machine = build_machine(before=[fail], after=[after.append])
    server = Server("active")
    model = ServerModel(machine, server)
    with pytest.raises(RuntimeError, match="audit log"):
        model.trigger("os-stop")
    assert model.server is server
    assert model.state == "active"
    assert after == []


def test_asking_calls_no_callback_and_changes_nothing() -> None:
    called: list[EventData] = []
    machine = build_machine(before=[called.append], after=[called.append])
    for server in (None, Server("active"), Server("active", "powering-off"), Server("resized")):
        model = ServerModel(machine, server)
        before = model.state
        answers = [model.may_trigger(event) for event in machine.events]
        assert any(answers)
        assert not all(answers)
        assert answers == [model.may_trigger(event) for event in machine.events]
        assert model.server is server
        assert model.state == before
    assert called == []


def test_a_refused_trigger_calls_no_callback() -> None:
    called: list[EventData] = []
    model = ServerModel(build_machine(before=[called.append], after=[called.append]))
    with pytest.raises(RefusedTriggerError):
        model.trigger("os-stop")
    assert called == []


# --- outcomes


def test_a_whole_life(machine: ServerMachine) -> None:
    """nova-34-trajectories.md, line by line: what an accepted action passes through."""
    model = ServerModel(machine)
    assert (model.state, model.status) == (ABSENT, None)
    model.trigger("create")
    assert model.state == "building+scheduling"
    assert model.status is Status.BUILD
    assert model.server is not None
    assert (model.server.launched, model.server.host) == (False, False)
    while model.may_trigger("create.progress"):
        model.trigger("create.progress")
    model.trigger("create.done")
    assert model.state == "active"
    assert (model.server.launched, model.server.host) == (True, True)
    passed = [model.state]
    for event in ("resize", *["resize.progress"] * 3, "resize.done"):
        model.trigger(event)
        passed.append(model.state)
    assert passed == [
        "active",
        "active+resize_prep",
        "active+resize_migrating",
        "active+resize_migrated",
        "active+resize_finish",
        "resized",
    ]
    assert model.server.vm_state_before_resize is VmState.ACTIVE
    model.trigger("confirmResize")
    assert model.state == "resized", "confirming sets no task"
    model.trigger("confirmResize.done")
    assert model.state == "active"
    model.trigger("delete")
    assert model.state == "active+deleting"
    model.trigger("delete.done")
    assert model.state == "deleted"
    assert model.server.deleted
    assert [name for name in ActionName if model.may_trigger(name, actor="admin")] == []


def test_reverting_returns_to_where_the_resize_began(machine: ServerMachine) -> None:
    """VERIFY_RESIZE<SHUTOFF: resized > +resize_reverting > +powering-off > stopped."""
    stopped = Server("resized", power_state=PowerState.SHUTDOWN, vm_state_before_resize="stopped")
    model = ServerModel(machine, stopped)
    model.trigger("revertResize")
    with pytest.raises(WrongEventError):
        model.trigger("revertResize.done")
    model.trigger("revertResize.progress")
    assert model.state == "resized+powering-off"
    model.trigger("revertResize.done")
    assert model.state == "stopped"

    running = Server("resized", power_state=PowerState.RUNNING, vm_state_before_resize="active")
    model = ServerModel(machine, running)
    model.trigger("revertResize")
    assert not model.may_trigger("revertResize.progress")
    model.trigger("revertResize.done")
    assert model.state == "active"


def test_confirming_goes_by_the_power_state(machine: ServerMachine) -> None:
    """VERIFY_RESIZE<SHUTOFF: confirmResize leaves it stopped; of a running one, active."""
    for power, end in ((PowerState.RUNNING, "active"), (PowerState.SHUTDOWN, "stopped")):
        model = ServerModel(machine, Server("resized", power_state=power))
        model.trigger("confirmResize")
        model.trigger("confirmResize.done")
        assert model.state == end


def test_rebuilding_a_stopped_server_ends_stopped(machine: ServerMachine) -> None:
    """SHUTOFF: ... +rebuild_spawning > active > +powering-off > stopped."""
    model = ServerModel(machine, Server("stopped"))
    model.trigger("rebuild")
    passed = [model.state]
    while model.may_trigger("rebuild.progress"):
        model.trigger("rebuild.progress")
        passed.append(model.state)
    assert passed == [
        "stopped+rebuilding",
        "stopped+rebuild_block_device_mapping",
        "stopped+rebuild_spawning",
        "active+powering-off",
    ]
    model.trigger("rebuild.done")
    assert model.state == "stopped"


@pytest.mark.parametrize(
    ("volume_backed", "passed"),
    [
        (True, ["shelving", "shelved_offloaded"]),
        (
            False,
            [
                "shelving",
                "shelving_image_pending_upload",
                "shelving_image_uploading",
                "shelving_offloading",
                "shelved_offloaded",
            ],
        ),
    ],
)
def test_shelving_by_what_the_root_disk_is(
    machine: ServerMachine, volume_backed: bool, passed: list[str]
) -> None:
    model = ServerModel(machine, Server("active", volume_backed=volume_backed))
    model.trigger("shelve")
    found = [model.state.rpartition("+")[2]]
    while model.may_trigger("shelve.progress"):
        model.trigger("shelve.progress")
        found.append(model.state.rpartition("+")[2])
    model.trigger("shelve.done")
    assert [*found, model.state] == passed
    assert model.server is not None
    assert model.server.host is False


def test_an_outcome_that_is_not_due_is_a_wrong_event(machine: ServerMachine) -> None:
    server = Server("active", "powering-off")
    model = ServerModel(machine, server)
    with pytest.raises(WrongEventError) as wrong:
        model.trigger("os-start.done")
    message = str(wrong.value)
    assert "os-start.done" in message
    assert "active+powering-off" in message
    assert "os-stop.done" in message, "the message names what is possible"
    assert model.server is server
    assert isinstance(wrong.value, MachineError)


def test_where_nothing_is_under_way_the_message_says_so(machine: ServerMachine) -> None:
    model = ServerModel(machine, Server("active"))
    with pytest.raises(WrongEventError, match="only requests"):
        model.trigger("os-stop.done")
    with pytest.raises(WrongEventError, match="absent"):
        ServerModel(machine).trigger("os-stop.done")


OUTCOMES = {edge.event for edge in edges() if edge.outcome is not None}


@pytest.mark.parametrize("pair", PAIRS, ids=state_name)
def test_every_outcome_named_as_possible_is_possible(
    machine: ServerMachine, pair: tuple[VmState, TaskState | None]
) -> None:
    server = Server(*pair)
    model = ServerModel(machine, server)
    outcomes = [name for name in machine.events if name in OUTCOMES]
    due = {name for name in outcomes if model.may_trigger(name)}
    from_here = {edge.event for edge in edges() if edge.start == pair and edge.outcome is not None}
    assert due <= from_here
    for name in outcomes:
        if name not in due:
            with pytest.raises(WrongEventError) as wrong:
                model.trigger(name)
            assert all(each in str(wrong.value) for each in due)
            assert model.server is server
            break
    for name in due:
        other = ServerModel(machine, server)
        assert other.trigger(name) is True
        edge_ends = {
            state_name(edge.end) for edge in edges() if edge.start == pair and edge.event == name
        }
        assert other.state in edge_ends


@pytest.mark.parametrize(
    ("vm_state", "outcome"),
    [
        ("shelved_offloaded", "delete.done"),
        ("shelved_offloaded", "forceDelete.done"),
        ("soft-delete", "restore.done"),
    ],
)
def test_nothing_is_due_where_nobody_asked(
    machine: ServerMachine, vm_state: str, outcome: str
) -> None:
    model = ServerModel(machine, Server(vm_state, host=False))
    assert not model.may_trigger(outcome)


# --- words


@pytest.mark.parametrize(
    ("event", "nearest"),
    [
        ("os-sotp", "os-stop"),
        ("os-stop.doen", "os-stop.done"),
        ("PAUSE", "pause"),
        ("rebuild.dirver-error", "rebuild.driver-error"),
    ],
)
def test_an_unknown_event_names_the_nearest(
    machine: ServerMachine, event: str, nearest: str
) -> None:
    server = Server("active")
    model = ServerModel(machine, server)
    for ask in (model.trigger, model.may_trigger):
        with pytest.raises(UnknownEventError) as unknown:
            ask(event)
        assert unknown.value.nearest == nearest
        assert f"unknown event {event!r}; did you mean {nearest!r}?" == str(unknown.value)
        assert isinstance(unknown.value, UnknownWordError)
    assert model.server is server


@pytest.mark.parametrize("event", [None, 17, [], {}, b"os-stop", "", "os-stop.", ".done", "state"])
def test_what_is_no_event_at_all(machine: ServerMachine, event: Any) -> None:
    with pytest.raises(UnknownEventError):
        ServerModel(machine, Server("active")).trigger(event)


def test_unknown_people_and_microversions(machine: ServerMachine) -> None:
    model = ServerModel(machine, Server("active", "powering-off"))
    for event in ("os-stop", "os-stop.done"):
        with pytest.raises(UnknownActorError):
            model.trigger(event, actor="root")
        with pytest.raises(UnknownMicroversionError):
            model.trigger(event, microversion="2.105")
    assert model.state == "active+powering-off"


@pytest.mark.parametrize("name", ["model", "machine", "kwargs", "args", "data", "verdict", "name"])
def test_data_may_have_any_name(name: str) -> None:
    seen: list[EventData] = []
    model = ServerModel(build_machine(before=[seen.append]), Server("active"))
    assert model.trigger("os-stop", **{name: 1})
    assert seen[0].kwargs["data"] == {name: 1}
    assert seen[0].kwargs["verdict"].allowed


# --- models


def test_a_model_needs_its_states(machine: ServerMachine) -> None:
    with pytest.raises(MalformedServerError, match="ACTIVE"):
        ServerModel(machine, Server.from_status("ACTIVE"))


def test_models_share_the_machine_and_nothing_else(machine: ServerMachine) -> None:
    one, two = ServerModel(machine, Server("active")), ServerModel(machine, Server("active"))
    one.trigger("pause")
    assert (one.state, two.state) == ("active+pausing", "active")
    assert one.machine is two.machine
    assert repr(one) == "<ServerModel active+pausing>"
    other = copy.copy(two)
    other.trigger("suspend")
    assert (other.state, two.state) == ("active+suspending", "active")


def test_ten_thousand_models_are_small(machine: ServerMachine) -> None:
    model = ServerModel(machine, Server("active"))
    assert not hasattr(model, "__dict__")
    assert not hasattr(model.server, "__dict__")
    assert not any(callable(getattr(model, name)) for name in ServerModel.__slots__)
    assert sys.getsizeof(model) + sys.getsizeof(model.server) < 600

    number = 10_000
    vm_states = list(VmState)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        models = [
            ServerModel(machine, Server(vm_states[index % 12], locked=index % 2 == 0))
            for index in range(number)
        ]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(models) == number
    each = (after - before) / number
    assert 100 < each < 600, f"{each:.0f} bytes for a model with its server"


def test_triggering_leaves_nothing_behind(machine: ServerMachine) -> None:
    """A model that has lived a life is no bigger than a new one."""
    model = ServerModel(machine, Server("active"))
    for event in ("pause", "pause.done", "unpause", "unpause.done"):
        model.trigger(event)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(500):
            for event in ("pause", "pause.done", "unpause", "unpause.done"):
                model.trigger(event)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 50_000
