"""What is hidden from whom."""

from typing import Any

import pytest

from callcenter.types import Actor, IdentityId, Role, UnitId
from callcenter.web.ticket_shapes import Veil, veil_of
from callcenter.web.ticket_views import basis_of, offered
from tests.support import tickets as life
from ticketing.record import NotYours
from ticketing.words import Event

NUMBER = "13800138000"


@pytest.mark.parametrize(
    ("roles", "unit", "masked"),
    [
        ({Role.AGENT}, False, False),
        ({Role.DISPATCHER}, False, False),
        ({Role.REVIEWER}, False, False),
        ({Role.SUPERVISOR}, False, False),
        ({Role.AUDITOR}, False, True),
        ({Role.UNIT}, True, True),
        ({Role.UNIT, Role.ADMIN}, True, True),
        ({Role.UNIT, Role.REVIEWER}, False, False),
    ],
)
def test_each_role_has_its_veil(roles: set[Role], unit: bool, masked: bool) -> None:
    assert veil_of(Actor("user", "x", frozenset(roles), UnitId("water"))) == Veil(unit, masked)


def test_an_administrator_sees_no_tickets() -> None:
    with pytest.raises(NotYours):
        veil_of(Actor("user", "x", frozenset({Role.ADMIN})))


DATA: dict[str, Any] = {
    "changes": {"content": f"请打{NUMBER}", "requester": 7, "contact_name": "王先生"},
    "before": {"contact_name": "李"},
    "call_id": "a-1763800000.12",
    "earlier_ticket": "20260601000001",
    "citizen_contacted_at": "2026-06-01T09:00:00+08:00",
    "list": [NUMBER, 5, True],
}


def test_a_unit_reads_the_matter_and_not_the_person() -> None:
    seen = Veil(unit=True, masked=True).data(DATA, life.draft())
    assert seen == {
        "changes": {"content": "请打138****8000", "contact_name": "王先生"},
        "before": {"contact_name": "李"},
        "earlier_ticket": "20260601000001",
        "citizen_contacted_at": "2026-06-01T09:00:00+08:00",
        "list": ["138****8000", 5, True],
    }


def test_of_a_confidential_ticket_a_unit_reads_no_name_either() -> None:
    seen = Veil(unit=True, masked=True).data(DATA, life.draft(confidential=True))
    assert "王先生" not in str(seen)
    assert "李" not in str(seen)


def test_an_agent_reads_what_was_typed() -> None:
    assert Veil(unit=False, masked=False).data(DATA, life.draft()) == DATA


def test_decisions_are_offered_only_where_something_was_asked_for() -> None:
    calm = life.handling()
    asked = life.draft(state=calm.state, lead_unit=calm.lead_unit, return_open=True, extension_asked=1)
    decisions = {Event.GRANT_RETURN, Event.REFUSE_RETURN, Event.GRANT_EXTENSION, Event.REFUSE_EXTENSION}
    assert not decisions & set(offered(calm, life.DISPATCHER))
    assert decisions <= set(offered(asked, life.DISPATCHER))


def test_every_limit_of_a_life_names_its_article() -> None:
    policy = life.policy()
    ticket = life.handling()
    assert ticket.dues
    assert all(basis_of(policy, due.deadline.rule_id) for due in ticket.dues)
    assert basis_of(policy, "survey.window")
    assert basis_of(policy, "nothing") == ""
    assert IdentityId(7) == ticket.requester
