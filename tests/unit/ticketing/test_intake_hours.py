"""Requests are taken in at any hour of any day: nothing of the registration asks the office hours."""

import pytest

from callcenter.types import IdentityId, TicketId
from tests.support.regions import REGIONS, policy_of, rules_of
from tests.support.tickets import AGENT, local
from ticketing.commands import Changes, Command, Register
from ticketing.ticket import advance, opened
from ticketing.words import State

HOURS = [
    local(2026, 6, 7, 3, 0),  # a Sunday night
    local(2026, 10, 1, 23, 59),  # a holiday
    local(2026, 6, 3, 12, 30),  # the office's lunch
]


@pytest.mark.clause("GZ-006", "LS-025", "MC-021", "SQ-001")
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("at", HOURS)
def test_a_request_is_registered_at_any_hour(region: str, at: object) -> None:
    rules, policy = rules_of(region), policy_of(region)
    source, kind = policy.sources[0], policy.request_types[0]
    draft, _ = opened(TicketId("20260607000001"), policy, at, source=source, requester=IdentityId(7))  # type: ignore[arg-type]
    fields = Changes(request_type=kind, source=source, content="路灯坏了没人修", place="桂龙路", contact_name="王先生")
    detail = Register(fields, "群众当面提出，经站长同意登记")
    after, _ = advance(draft, Command(AGENT, detail), policy, rules.calendar, at)  # type: ignore[arg-type]
    assert (after.state, after.registered_at) == (State.REGISTERED, at)
