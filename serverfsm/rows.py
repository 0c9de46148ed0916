"""The shape of a row of the table: what may be said of an action, a timer, a deviation.

Only shapes belong here: frozen records and the enums of their columns, no rule and no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Literal, NamedTuple

from serverfsm.requests import ActionName, Guard, Policy
from serverfsm.shapes import Shape
from serverfsm.states import ComputeDriver, PowerState, Status, TaskState, VmState, status_of

__all__ = [
    "ALWAYS",
    "SERVER_ACTION",
    "Action",
    "Answer",
    "Assumption",
    "Backing",
    "Body",
    "BodyRule",
    "Cause",
    "Deviation",
    "Effect",
    "EffectKind",
    "End",
    "Lock",
    "Moment",
    "Outcome",
    "Parameter",
    "Passing",
    "Reaction",
    "Sources",
    "Step",
    "Timer",
    "When",
    "Write",
]


SERVER_ACTION = "POST /servers/{server_id}/action"


class Lock(StrEnum):
    """What a lock on the server means for an action."""

    ADMIN_ONLY = "admin-only"  # only an administrator may do it while the server is locked
    IGNORED = "ignored"


class EffectKind(StrEnum):
    """What sort of thing an effect is."""

    IMAGE = "image"
    MIGRATION = "migration"
    TIME = "time"


class Cause(StrEnum):
    """Who or what brings a change about."""

    PERSON = "person"
    ADMINISTRATOR = "administrator"
    SYSTEM = "system"
    TIMER = "timer"
    FAILURE = "failure"


class Moment(StrEnum):
    """A moment in a server's life that a timer measures from: Nova's column for it."""

    CREATED = "created_at"
    UPDATED = "updated_at"  # the last time anything was saved
    LAUNCHED = "launched_at"
    DELETED = "deleted_at"  # of a soft-deleted server: when it was asked for
    SHELVED = "system_metadata.shelved_at"
    MIGRATED = "migrations.updated_at"  # of a resized server: when the resize was finished


class End(Enum):
    """An end that is not one fixed vm_state."""

    ORIGIN = "the vm_state as it is at that moment"
    POWER_STATE = "stopped if the guest is shut down, else active"
    BEFORE_RESIZE = "the vm_state before the resize: active or stopped"
    GONE = "deleted: the server is not found any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A condition: every column that is given must hold; a column left None does not matter.

    Attributes:
        vm_states: the vm_state is one of these; in an outcome, that of the origin.
        task_states: the task_state is one of these; None among them for none.
        host: a compute host holds the server, or (False) none does.
        volume_backed: the root disk is a volume, or (False) an image.
        launched: it ever ran, or (False) never did.
        locked: the server is locked, or (False) is not.
        administrator: who asks is an administrator, or (False) is none.
        power_states: the power state is one of these.
        before_resize: the vm_state before the resize is one of these.
        since: the request has this microversion or a later one.
        until: the request has an earlier microversion than this.
        option: an operator's option and its test, as "name > 0", "name == 0" or "name < 0".
        driver: the hypervisor is this one.
    """

    vm_states: frozenset[VmState] | None = None
    task_states: frozenset[TaskState | None] | None = None
    host: bool | None = None
    volume_backed: bool | None = None
    launched: bool | None = None
    locked: bool | None = None
    administrator: bool | None = None
    power_states: frozenset[PowerState] | None = None
    before_resize: frozenset[VmState] | None = None
    since: str | None = None
    until: str | None = None
    option: str | None = None
    driver: ComputeDriver | None = None


ALWAYS = When()


class Effect(NamedTuple):
    """What comes of a step besides the server's own states.

    Attributes:
        kind: what it is about.
        value: of an image "created" or "deleted"; of a migration its status; of a time the
            `Moment` that is now.
        when: the condition.
    """

    kind: EffectKind
    value: str
    when: When = ALWAYS


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal as Nova words it.

    Attributes:
        code: the HTTP status code.
        message: the text, with {id}, {label}, {attribute}, {have}, {rule}, {status} to fill in.
        too_late: whether Nova has written already what acceptance writes.
    """

    code: int
    message: str
    too_late: bool = False


@dataclass(frozen=True, slots=True)
class Backing:
    """Volume-backed servers are refused.

    Attributes:
        answer: how.
        until: the first microversion at which they are no longer refused; None: at all.
        unless: what outside the server would make Nova accept it all the same; None: nothing.
        unless_since: the first microversion at which that helps; None: all.
    """

    answer: Answer
    until: str | None = None
    unless: str | None = None
    unless_since: str | None = None


@dataclass(frozen=True, slots=True)
class Assumption:
    """What Nova tests besides the server itself, last of all; a verdict takes it for granted.

    Attributes:
        name: in a word or two, hyphenated.
        sentence: what must hold.
        answer: what Nova says where it does not hold.
        host_up: whether it is that the compute service is up, or (False) down; None: neither.
    """

    name: str
    sentence: str
    answer: Answer
    host_up: bool | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A key inside the action's body.

    Attributes:
        name: as in the body.
        shape: what its value looks like, as JSON Schema.
        required: a request without it is answered 400.
        since: the first microversion that knows it.
        until: the first microversion that does not know it any more; None: all later ones do.
        values: of those that the shape allows, the values that mean this variant; empty: any.
        empty_counts: whether null or empty text makes the variant, too.
        beside: whether it stands beside the body's key, not inside it.
    """

    name: str
    shape: Shape = field(default_factory=dict, hash=False)
    required: bool = False
    since: str = "2.1"
    until: str | None = None
    values: tuple[str, ...] = ()
    empty_counts: bool = False
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """What the value of the action's key may be.

    Attributes:
        types: "object", which has the action's parameters, and "null"; empty: anything, it is
            not looked at.
        since: the first microversion of which this is said.
        until: the first of which it is not said any more; None: it is of all later ones.
    """

    types: tuple[Literal["object", "null"], ...] = ()
    since: str = "2.1"
    until: str | None = None


@dataclass(frozen=True, slots=True)
class BodyRule:
    """What must hold of the value of the action's key besides its form; Nova tests it later.

    Attributes:
        shape: what the value must look like, as JSON Schema.
        answer: what Nova says where it does not.
        since: the first microversion of which this is said.
        until: the first of which it is not said any more; None: it is of all later ones.
    """

    shape: Shape = field(hash=False)
    answer: Answer
    since: str = "2.1"
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """What accepting the request writes to the server's record, at once.

    Attributes:
        values: column and value, columns as in `Server`.
        when: the condition; of a row's writes, the first whose condition holds is done.
        effects: what comes with it.
        passing: what shows for an instant before.
    """

    values: Mapping[str, object]
    when: When = ALWAYS
    effects: tuple[Effect, ...] = ()
    passing: tuple[Passing, ...] = ()


Step = TaskState | tuple[VmState, TaskState | None]
"""A moment on the way: a task_state, and the vm_state where it is not the origin's."""


class Passing(NamedTuple):
    """A state that is saved, and shows for an instant, on the way from one step to the next.

    Attributes:
        vm_state: an `End` where it depends.
        task_state: "kept": as it was.
        before: the step that comes next; None: the end.
        power: the power state that is saved with it; None: what belongs to the vm_state.
    """

    vm_state: VmState | End
    task_state: TaskState | Literal["kept"] | None = None
    before: Step | None = None
    power: PowerState | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way in which an accepted action ends.

    Attributes:
        name: "done", or the failure's name.
        end: the vm_state afterwards; no task is under way then.
        path: success: the steps in order. Failure: the task_states at which it can strike;
            empty: at any of the action's.
        when: the condition; of several that fit, the first holds.
        left: a task_state that Nova leaves behind though nothing is under way any more;
            "kept": whatever it was.
        effects: what comes with it.
        passing: what shows for an instant on the way.
        answer: the code with which the request itself is answered then, where it waits for its
            outcome; None: that of acceptance.
        keeps_power: whether the hypervisor is not asked for the guest's power state.
        goes_on: whether the work goes on from there.
    """

    name: str
    end: VmState | End
    path: tuple[Step, ...] = ()
    when: When = ALWAYS
    left: TaskState | Literal["kept"] | None = None
    effects: tuple[Effect, ...] = ()
    passing: tuple[Passing, ...] = ()
    answer: int | None = None
    keeps_power: bool = False
    goes_on: bool = False

    def ends(self, origin: VmState) -> tuple[VmState, ...]:
        """The vm_states to which it may lead from this origin; none where the server is gone.

        >>> Outcome("done", End.BEFORE_RESIZE).ends(VmState.RESIZED)
        (<VmState.ACTIVE: 'active'>, <VmState.STOPPED: 'stopped'>)
        """
        if isinstance(self.end, VmState):
            return (self.end,)
        return {
            End.ORIGIN: (origin,),
            End.GONE: (),
            End.POWER_STATE: (VmState.ACTIVE, VmState.STOPPED),
            End.BEFORE_RESIZE: (VmState.ACTIVE, VmState.STOPPED),
        }[self.end]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where each part of a row comes from.

    Attributes:
        reference: section of the API reference: statuses, lock, policy, parameters, codes.
        controller: function under `nova.api.openstack.compute`: label, versions, codes.
        guard: function of `nova.compute.api` unless a module is named, which tests the server's
            state and writes: guards, states, writes.
        policy: module under `nova.policies`: who may.
        run: method of `nova.compute.manager:ComputeManager` unless a module is named, which does
            the work: outcomes. Empty where nothing follows.
    """

    reference: str
    controller: str
    guard: str
    policy: str
    run: str = ""

    def cited(self) -> list[str]:
        """Every source in full, the reference first."""
        guard = self.guard if ":" in self.guard else f"nova.compute.api:{self.guard}"
        run = self.run if ":" in self.run else f"nova.compute.manager:ComputeManager.{self.run}"
        cited = (
            self.reference,
            f"nova.api.openstack.compute.{self.controller}",
            guard,
            f"nova.policies.{self.policy}",
            *([run] if self.run else []),
        )
        return list(dict.fromkeys(cited))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Action:
    """One action variant: everything the library knows of it.

    Attributes:
        name: request key and variant.
        title: the reference's heading.
        label: the action's name inside Nova's messages.
        statuses: the statuses that the reference names as precondition; None: it names none.
        vm_states: where it is accepted; None: in any.
        volume_backed_vm_states: the same for volume-backed servers; None: as `vm_states`.
        late_vm_states: a narrower set, tested later and refused in other words; None: none.
        forced_in: the vm_states in which Nova itself begins it, past its guards.
        hosted_at: the task_states during which a host holds the server that had none before; a
            failure there lets go of it again.
        task_states: the tasks with which it is accepted, None among them for no task under way;
            the column None: with any task or none.
        any_task_in: statuses in which the task does not matter, whatever `task_states` says.
        guards: what Nova tests, in its order, the first failure deciding.
        lock: what a lock means.
        policy, rule: the least role by default, and the name of Nova's policy rule.
        late_policy, late_rule: the same for a second rule, tested after the state.
        since, until: the first microversion that has it, the first that answers 404 again.
        ignored_before: of a variant made by a parameter: below this microversion Nova does not
            look at the parameter, and the plain action is meant.
        removed: how Nova answers now that the action is taken out, whoever asks; else None.
        backing: how volume-backed servers are refused; None: they are not.
        answers: refusals that differ from the table's common ones.
        endpoint: method and path of the request.
        body_key: the key of its body, where that is not the action's own.
        bodies: what its body may be; empty: there is none, or it is not looked at.
        parameters: keys of the body.
        body_rules: what must hold of the body besides, tested later.
        normal, errors: the answer codes listed.
        writes: what acceptance writes.
        effects: what comes with entering a task_state, besides what acceptance brings.
        success, failures: how it ends.
        assumes: what a verdict takes for granted.
        overtaken: what its work still writes when another request has changed the server
            meanwhile; `path`: the task_states at which its work was then; none fits: nothing.
        destructive: whether it gives up the server or what its root disk holds.
        record_only: whether it changes only what the record says, not the guest.
        sources: where all this is said.
    """

    name: ActionName
    title: str
    label: str
    statuses: frozenset[Status] | None = None
    vm_states: frozenset[VmState] | None
    volume_backed_vm_states: frozenset[VmState] | None = None
    late_vm_states: frozenset[VmState] | None = None
    forced_in: frozenset[VmState] = frozenset()
    hosted_at: frozenset[TaskState] = frozenset()
    task_states: frozenset[TaskState | None] | None
    any_task_in: frozenset[Status] = frozenset()
    guards: tuple[Guard, ...]
    lock: Lock
    policy: Policy
    rule: str
    late_policy: Policy | None = None
    late_rule: str = ""
    since: str = "2.1"
    until: str | None = None
    ignored_before: str | None = None
    removed: Answer | None = None
    backing: Backing | None = None
    answers: Mapping[Guard, Answer] = field(default_factory=dict)
    endpoint: str = SERVER_ACTION
    body_key: str = ""
    bodies: tuple[Body, ...] = (Body(),)
    parameters: tuple[Parameter, ...] = ()
    body_rules: tuple[BodyRule, ...] = ()
    normal: int
    errors: frozenset[int]
    writes: tuple[Write, ...] = ()
    effects: Mapping[TaskState, tuple[Effect, ...]] = field(default_factory=dict)
    success: tuple[Outcome, ...]
    failures: tuple[Outcome, ...] = ()
    assumes: tuple[Assumption, ...] = ()
    overtaken: tuple[Outcome, ...] = ()
    destructive: bool = False
    record_only: bool = False
    sources: Sources

    def accepts(self, vm_state: VmState, task_state: TaskState | None) -> bool:
        """Whether this pair of states alone is no reason to refuse."""
        return self._begins_in(vm_state) and (
            self.task_states is None
            or task_state in self.task_states
            or status_of(vm_state, task_state) in self.any_task_in
        )

    @property
    def origins(self) -> tuple[VmState, ...]:
        """Every vm_state in which it is accepted with one task or another, or none.

        Empty for `create`, which begins where there is no server.
        """
        return tuple(filter(self._begins_in, VmState))

    @property
    def writes_state(self) -> bool:
        """Whether acceptance changes the server's record at all."""
        return any(write.values for write in self.writes)

    @property
    def runs_in(self) -> tuple[VmState, ...]:
        """Every vm_state in which its work may begin."""
        return tuple(vm for vm in VmState if self._begins_in(vm) or vm in self.forced_in)

    def successes(self, origin: VmState) -> tuple[Outcome, ...]:
        """The ways in which it may succeed from this vm_state: up to the first that is certain."""
        found = []
        for outcome in self.success:
            when = outcome.when
            if when.vm_states is None or origin in when.vm_states:
                found.append(outcome)
                if when in (ALWAYS, When(vm_states=when.vm_states)):
                    break
        return tuple(found)

    def ends_of_failures(self, step: Step, vm_state: VmState, origin: VmState) -> set[VmState]:
        """The vm_states to which a failure at this step, in this vm_state, may lead.

        Only failures that may strike work begun in `origin` count.
        """
        return {
            end
            for failure in self.failures
            if not failure.path or step in failure.path
            if failure.when.vm_states is None or origin in failure.when.vm_states
            for end in failure.ends(vm_state)
        }

    def _begins_in(self, vm_state: VmState) -> bool:
        return (self.vm_states is None or vm_state in self.vm_states) and (
            self.late_vm_states is None or vm_state in self.late_vm_states
        )

    @property
    def during(self) -> tuple[TaskState, ...]:
        """Every task_state of a successful run, in order of first appearance."""
        seen: dict[TaskState, None] = {}
        for outcome in self.success:
            for step in outcome.path:
                task = step[1] if isinstance(step, tuple) else step
                if task is not None:
                    seen[task] = None
        return tuple(seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """Something that Nova does by the clock.

    Attributes:
        option: the operator's option that sets it.
        default: its value unless set, in seconds.
        off: what value switches it off, in words.
        on_from: the least value with which it is on.
        since: from what moment it measures; None: it measures nothing, it comes round.
        at_once: whether it has run out when exactly so much time has passed, not only after.
        poll: how often Nova looks, in seconds, unless `poll_option` says otherwise.
        poll_option: the operator's option that says how often; 0 in it means every 60 seconds.
        measures: what is measured, from when.
        vm_states, task_states: where it applies, as in `Action`.
        does: what then happens, in words.
        event: the action that it sets going, or None where it does what `end` says.
        past_guards: whether it does so without the API, and so without the action's guards.
        end: the vm_state afterwards where no action is set going.
        leaves_task: whether the task_state stays as it was.
        reaction: the name of the reaction to the guest that it sets going; None: none.
        unknown_is_past: whether a moment that is not recorded counts as long ago.
        source: function of Nova.
    """

    option: str
    default: int
    off: str
    on_from: int = 1
    since: Moment | None = None
    at_once: bool = False
    poll: int = 60
    poll_option: str | None = None
    measures: str
    vm_states: frozenset[VmState] | None
    task_states: frozenset[TaskState | None] | None
    does: str
    event: ActionName | None = None
    past_guards: bool = False
    end: VmState | End | None = None
    leaves_task: bool = False
    reaction: str | None = None
    unknown_is_past: bool = False
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What Nova does of itself when it sees a server and its guest; the first row that fits.

    Attributes:
        name: on what occasion: the event is this name, a dot, and the guest's power state.
        vm_states, task_states: where it applies, as in `Action`.
        guest: the power states of the guest with which it applies; None: any.
        end: the vm_state afterwards.
        left: the task_state afterwards; "kept": as it was.
        then: the action that goes on from there, if it does not end at once.
        passing: what shows for an instant before.
        stores_power: whether the guest's power state is written to the record.
        effects: what comes with it.
        cause: who or what brings it about.
        does: what Nova does, in words.
        source: function of Nova.
    """

    name: str
    vm_states: frozenset[VmState] | None = None
    task_states: frozenset[TaskState | None] | None = None
    guest: frozenset[PowerState] | None = None
    end: VmState | End = End.ORIGIN
    left: TaskState | Literal["kept"] | None = None
    then: ActionName | None = None
    passing: tuple[Passing, ...] = ()
    stores_power: bool = False
    effects: tuple[Effect, ...] = ()
    cause: Cause = Cause.SYSTEM
    does: str
    source: str

    def applies(self, vm_state: VmState, task_state: TaskState | None, guest: PowerState) -> bool:
        """Whether it is about a server and a guest in these states."""
        return (
            (self.vm_states is None or vm_state in self.vm_states)
            and (self.task_states is None or task_state in self.task_states)
            and (self.guest is None or guest in self.guest)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One column in which Nova 34 does not do what the reference says.

    Attributes:
        name: a stable identifier.
        action: the row.
        column: the column of `Action` that differs.
        reference: its value by the API reference; the row in the table has this one.
        nova: its value by Nova 34.0.0.
        documented: what the reference says, in a sentence.
        observed: what Nova does, in a sentence, and what it should do where it fails.
        evidence: where both can be seen.
    """

    name: str
    action: ActionName
    column: str
    reference: object
    nova: object
    documented: str
    observed: str
    evidence: str
