"""Every action in every state: a table of verdicts, with each task in the cells' tips."""

from __future__ import annotations

from serverfsm.decide import decide
from serverfsm.diagram.model import Cell, Grid, LegendEntry, Mark
from serverfsm.diagram.parts import action_page, action_tip, state_page, subtitle
from serverfsm.diagram.runs import TASKS, rectangles, words_of_tasks, words_of_vm_states
from serverfsm.lifecycle import State
from serverfsm.requests import FIRST, LATEST, Actor, Guard, Microversion
from serverfsm.rows import Action, Lock
from serverfsm.rulebook import API_REFERENCE, Rulebook
from serverfsm.server import Server
from serverfsm.states import TaskState, VmState, status_of
from serverfsm.verdict import Verdict

__all__ = ["asker", "version", "view"]

_NO_SERVER = "no server"
_ASKED_OF = (
    "Asked of a server that is not locked, was launched, has its host if its state has one, and of "
    "which no task is under way, by the role of the row, at the latest microversion that has the "
    "action."
)
_FEW = 2  # so many tasks are named in a cell; more are in its tip


def view(rulebook: Rulebook = API_REFERENCE) -> Grid:
    """Return every action by every state.

    A cell has the code of the answer where no task is under way, of an image-backed server and
    after a slash of a volume-backed one if that differs. Its tip has the answer with each task.
    """
    rows = tuple(_row(row, rulebook) for row in rulebook)
    accepted = sum(cell.mark is Mark.YES for row in rows for cell in row[4:-1])
    depends = sum(cell.mark is Mark.DEPENDS for row in rows for cell in row[4:-1])
    return Grid(
        view="matrix",
        title=f"Every action in every state: {len(rows)} actions, {len(VmState)} states, "
        f"{accepted} accepted, {depends} depending",
        subtitle=subtitle(rulebook),
        columns=_columns(),
        rows=rows,
        legend=(
            LegendEntry("accepted", mark=Mark.YES),
            LegendEntry("refused", mark=Mark.NO),
            LegendEntry("depends: image-backed / volume-backed, or on the task", mark=Mark.DEPENDS),
        ),
        notes=(
            _ASKED_OF,
            "DELETED: while the record is still there; once it is gone every answer is 404.",
            "A cell's tip says the answer with each task_state.",
        ),
    )


def asker(row: Action) -> Actor:
    """Return the least role that may do this, by Nova's default policies.

    >>> asker(API_REFERENCE.actions["migrate"]).value
    'admin'
    """
    late = row.late_policy if Guard.LATE_POLICY in row.guards else None
    policies = [row.policy, *([late] if late is not None else [])]
    return max((policy.least for policy in policies), key=lambda actor: actor.rank)


def version(row: Action) -> Microversion:
    """Return the latest microversion that has the action.

    >>> version(API_REFERENCE.actions["addFixedIp"])
    '2.43'
    """
    if row.until is None:
        return LATEST
    return Microversion(f"2.{Microversion(row.until).minor - 1}")


def _columns() -> tuple[Cell, ...]:
    return (
        Cell("action"),
        Cell("lock", tip="whether a lock on the server matters"),
        Cell("role", tip="the least that may"),
        Cell("microversions"),
        Cell(_NO_SERVER, tip="there is no server of this id"),
        *(
            Cell(
                status_of(vm_state, None).value,
                tip=f"vm_state {vm_state.value}, no task under way",
                page=state_page(vm_state),
            )
            for vm_state in VmState
        ),
        Cell("with a task", tip="the task_states with which it is accepted, too"),
    )


def _row(row: Action, rulebook: Rulebook) -> tuple[Cell, ...]:
    asked = _Asked(row, rulebook)
    locked = "admin" if row.lock is Lock.ADMIN_ONLY else "ignored"
    return (
        Cell(row.name.value, tip=action_tip(row), page=action_page(row)),
        Cell(locked, tip=_LOCKS[row.lock]),
        Cell(asker(row).value, tip=_roles(row)),
        Cell(_versions(row)),
        _one(asked.of(None), row),
        *(asked.cell(vm_state) for vm_state in VmState),
        asked.with_a_task(),
    )


_LOCKS = {
    Lock.ADMIN_ONLY: "while the server is locked only an administrator may",
    Lock.IGNORED: "a lock does not matter",
}


def _versions(row: Action) -> str:
    if row.until is not None:
        return f"{row.since} to {version(row)}"
    return "all" if row.since == FIRST else f"from {row.since}"


def _roles(row: Action) -> str:
    said = f"{row.policy.value} ({row.rule})"
    if row.late_policy is not None:
        said += f"; tested later: {row.late_policy.value} ({row.late_rule})"
    return said


def _one(verdict: Verdict, row: Action) -> Cell:
    mark = Mark.YES if verdict else Mark.NO
    return Cell(
        str(verdict.code),
        mark,
        (verdict.message or "accepted").replace("\n", " "),
        action_page(row),
    )


class _Asked:
    """All answers to one action, by its least role."""

    def __init__(self, row: Action, rulebook: Rulebook) -> None:
        self.row = row
        self.rulebook = rulebook
        self.actor = asker(row)
        self.version = version(row)

    def of(self, server: Server | None) -> Verdict:
        return decide(server, (self.row.name,), self.actor, self.version, self.rulebook)

    def cell(self, vm_state: VmState) -> Cell:
        image, volume = (self.of(Server(vm_state, volume_backed=backed)) for backed in _BACKED)
        text = str(image.code)
        if _said(image) != _said(volume):
            text = f"{image.code} / {volume.code}"
        mark = Mark.YES if image else Mark.NO
        if image.allowed is not volume.allowed:
            mark = Mark.DEPENDS
        return Cell(text, mark, "\n".join(self._tips(vm_state)), action_page(self.row))

    def _tips(self, vm_state: VmState) -> list[str]:
        """One line for each answer: with which task_states, of which servers, and the answer."""
        tasks: dict[tuple[str, str], list[TaskState | None]] = {}
        for task in TASKS:
            said = [
                _said(self.of(Server(vm_state, task, volume_backed=backed))) for backed in _BACKED
            ]
            if said[0] == said[1]:
                tasks.setdefault(("", said[0]), []).append(task)
            else:
                tasks.setdefault(("image-backed", said[0]), []).append(task)
                tasks.setdefault(("volume-backed", said[1]), []).append(task)
        return [
            f"task_state {words_of_tasks(among)}{f', {backed}' if backed else ''}: {said}"
            for (backed, said), among in tasks.items()
        ]

    def with_a_task(self) -> Cell:
        """The tasks with which an image-backed server's request is accepted."""
        pairs: list[State] = [
            (vm_state, task)
            for vm_state in VmState
            for task in TaskState
            if self.of(Server(vm_state, task))
        ]
        if not pairs:
            return Cell("none", Mark.NO, "accepted with no task under way alone, if at all")
        found = rectangles(pairs)
        is_all = len(pairs) == len(VmState) * len(TaskState)
        words = [_rectangle(each, _FEW) for each in found]
        tips = [_rectangle(each, len(TASKS)) for each in found]
        mark = Mark.YES if is_all else Mark.DEPENDS
        return Cell("; ".join(words), mark, "\n".join(tips))


_BACKED = (False, True)


def _rectangle(
    rectangle: tuple[tuple[VmState, ...], tuple[TaskState | None, ...]], most: int
) -> str:
    vm_states, tasks = rectangle
    words = words_of_tasks((None, *tasks)).replace("none | ", "")
    if most < len(tasks) and not words.startswith("any"):
        words = f"{len(tasks)} of {len(TaskState)}"
    if len(vm_states) == len(VmState):
        return words
    return f"{words_of_vm_states(vm_states)}: {words}"


def _said(verdict: Verdict) -> str:
    """The answer in words, without the task_state that it quotes."""
    if verdict:
        return str(verdict.code)
    message = (verdict.message or "").replace("\n", " ")
    if verdict.attribute == "task_state":
        message = message.replace(str(verdict.have), "{task_state}")
    return f"{verdict.code} {message}"
