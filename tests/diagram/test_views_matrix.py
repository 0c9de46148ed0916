"""The matrix: each cell agrees with `check` for every combination that it claims."""

import re

import pytest

from serverfsm import API_REFERENCE, NOVA_34, Actor, LockedBy, Server, TaskState, VmState, check
from serverfsm.diagram.model import Mark
from serverfsm.diagram.views import matrix
from serverfsm.requests import Guard
from tests.diagram import reading

BOOKS = [API_REFERENCE, NOVA_34]
both = pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
TASKS = (None, *TaskState)


@pytest.fixture(scope="module", params=BOOKS, ids=lambda book: book.name)
def drawn(request):
    return request.param, matrix.view(request.param)


def _cells(drawn):
    """Each row of the table with its cells by head."""
    book, grid = drawn
    heads = [cell.text for cell in grid.columns]
    for row, cells in zip(book, grid.rows, strict=True):
        assert len(cells) == len(heads)
        yield row, dict(zip(heads, cells, strict=True))


def _head(vm_state):
    return Server(vm_state).status.value


def _asked(row, server, book, **changed):
    return check(server, row.name, **{"actor": matrix.asker(row), **changed}, rulebook=book)


def _claims(tip):
    """What a tip says: (task_state, whether volume-backed) and the answer."""
    found = {}
    for line in tip.split("\n"):
        words, backed, code, message = re.fullmatch(
            r"task_state ([^,:]*)(?:, (image|volume)-backed)?: (\d{3})(?: (.*))?", line
        ).groups()
        for task in reading._tasks(words):
            for volume in {None: (False, True), "image": (False,), "volume": (True,)}[backed]:
                assert (task, volume) not in found
                found[task, volume] = int(code), message
    return found


def test_each_tip_agrees_with_check_for_every_pair_of_states(drawn):
    book, _ = drawn
    count = 0
    for row, cells in _cells(drawn):
        for vm_state in VmState:
            claims = _claims(cells[_head(vm_state)].tip)
            assert set(claims) == {(task, volume) for task in TASKS for volume in (False, True)}
            for (task, volume), (code, message) in claims.items():
                server = Server(vm_state, task, volume_backed=volume)
                verdict = _asked(row, server, book, microversion=matrix.version(row))
                assert verdict.code == code, (row.name, vm_state, task, volume)
                if not verdict:
                    said = message.replace("{task_state}", str(task))
                    assert verdict.message.replace("\n", " ") == said
                count += 1
    assert count == len(book) * len(VmState) * len(TASKS) * 2


def test_each_cell_has_the_answer_with_no_task(drawn):
    book, _ = drawn
    for row, cells in _cells(drawn):
        for vm_state in VmState:
            cell = cells[_head(vm_state)]
            image, volume = (
                _asked(
                    row,
                    Server(vm_state, volume_backed=each),
                    book,
                    microversion=matrix.version(row),
                )
                for each in (False, True)
            )
            assert cell.text.split(" / ")[0] == str(image.code)
            assert cell.text.split(" / ")[-1] == str(volume.code)
            if image.allowed != volume.allowed:
                assert cell.mark is Mark.DEPENDS
            else:
                assert cell.mark is (Mark.YES if image else Mark.NO)


def test_no_server(drawn):
    book, _ = drawn
    for row, cells in _cells(drawn):
        verdict = _asked(row, None, book, microversion=matrix.version(row))
        assert cells["no server"].text == str(verdict.code)
        assert cells["no server"].mark is (Mark.YES if verdict else Mark.NO)


def test_tasks_with_which_it_is_accepted(drawn):
    book, _ = drawn
    for row, cells in _cells(drawn):
        cell = cells["with a task"]
        accepted = {
            (vm_state, task)
            for vm_state in VmState
            for task in TaskState
            if _asked(row, Server(vm_state, task), book, microversion=matrix.version(row))
        }
        if cell.mark is Mark.NO:
            assert accepted == set()
            continue
        told = set()
        for line in cell.tip.split("\n"):
            vm_words, _, words = line.rpartition(": ")
            for vm_state in reading._chosen(vm_words or "any", [vm.value for vm in VmState]):
                tasks = reading._chosen(words, [task.value for task in TaskState])
                told |= {(VmState(vm_state), TaskState(task)) for task in tasks}
        assert told == accepted


def test_the_lock_column_agrees_with_check(drawn):
    book, _ = drawn
    for row, cells in _cells(drawn):
        locked = [Server(vm_state, locked=True, locked_by=LockedBy.OWNER) for vm_state in VmState]
        free = [Server(vm_state) for vm_state in VmState]
        version = matrix.version(row)

        def codes(servers, row=row, version=version):
            who = min(matrix.asker(row), Actor.MANAGER, key=lambda each: each.rank)
            return [
                _asked(row, each, book, microversion=version, actor=who).code for each in servers
            ]

        may = matrix.asker(row).rank <= Actor.MANAGER.rank
        if cells["lock"].text == "ignored":
            assert codes(locked) == codes(free)
        elif may:
            refused = book.answer(row, Guard.LOCK).code
            assert all(code == refused for code in codes(locked))
        else:
            assert Guard.LOCK in row.guards


def test_the_role_is_the_least_that_may(drawn):
    book, _ = drawn
    for row, cells in _cells(drawn):
        least = Actor(cells["role"].text)
        below = [actor for actor in Actor if actor.rank < least.rank]
        makes = Guard.ABSENT in row.guards
        if makes:  # a stranger is a member at home
            below.remove(Actor.STRANGER)
        version = matrix.version(row)
        codes = {vm: _asked(row, Server(vm), book, microversion=version).code for vm in VmState}
        assert 403 not in codes.values()
        if row.removed is None:
            for actor in below:
                servers = [None] if makes else [Server(vm) for vm in VmState]
                assert not any(
                    _asked(row, each, book, microversion=version, actor=actor) for each in servers
                )


def test_the_microversions_are_the_rows(drawn):
    for row, cells in _cells(drawn):
        words = cells["microversions"].text
        first = "2.1" if words == "all" else re.search(r"2\.\d+", words)[0]
        assert first == row.since
        assert (" to " in words) == (row.until is not None)
