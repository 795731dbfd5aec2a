"""Led elsewhere: whereto, and what the citizen was told."""

import pytest

from tests.support.signatures import do, registered
from tests.support.tickets import AGENT
from ticketing import commands
from ticketing.record import GuardFailed
from ticketing.words import State


@pytest.mark.clause("MC-015")
@pytest.mark.parametrize(("target", "text"), [("", "请向县供电公司反映"), ("县供电公司", " "), (" ", "")])
def test_a_citizen_is_not_led_elsewhere_without_being_told_where(target: str, text: str) -> None:
    with pytest.raises(GuardFailed, match="转向哪里"):
        do(registered(), commands.Refer(target, text), AGENT)


@pytest.mark.clause("MC-015")
def test_where_a_citizen_was_led_and_what_they_were_told_stays_on_the_ticket() -> None:
    refer = commands.Refer("县供电公司", "请拨打县供电公司 95598，已为您转接。")
    ticket, _ = do(registered(), refer, AGENT)
    assert ticket.state is State.REFERRED
    assert "县供电公司" in ticket.result
    assert "95598" in ticket.result
