"""What a role sees is what `check` lets it do."""

import pytest

from serverfsm import LATEST, Actor, LockedBy, Microversion, Server, VmState, check
from serverfsm.diagram import Diagram, draw
from serverfsm.diagram.views import subjects
from serverfsm.errors import UnknownViewError
from serverfsm.guards import Reason
from serverfsm.lifecycle import GONE
from serverfsm.rulebook import API_REFERENCE
from tests.diagram.expanded import expanded


@pytest.mark.parametrize("name", subjects("role"))
def test_an_action_is_shown_where_role_and_lock_let_it_pass(name: str) -> None:
    picture = draw("role", name)
    assert isinstance(picture, Diagram)
    shown = {event for _, event, _ in expanded(picture)}
    for row in API_REFERENCE:
        since = Microversion(row.since) if row.until else LATEST
        role, _, lock = name.partition("-")
        verdicts = [
            check(server(vm_state, bool(lock)), row.name, Actor(role), since)
            for vm_state in VmState
            if vm_state is not GONE[0]
        ]
        if row.removed or not row.origins:
            continue
        if row.name.value in shown:
            assert any(verdict.reason is not Reason.FORBIDDEN for verdict in verdicts)
        else:
            assert not any(verdict.allowed for verdict in verdicts), row.name


def server(vm_state: VmState, is_locked: bool) -> Server:
    return Server(vm_state, locked=is_locked, locked_by=LockedBy.OWNER if is_locked else None)


def test_an_unknown_role_is_named() -> None:
    with pytest.raises(UnknownViewError, match="unknown role 'membr'; did you mean 'member'"):
        draw("role", "membr")
