"""A request's way from the desk to the archive, by each of the five texts, in the machine alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from callcenter.types import Actor, Role
from tests.support.dispatching import dispatched, registered, step, take
from tests.support.regions import REGIONS, policy_of
from tests.support.signatures import HEAD
from tests.support.tickets import (
    AGENT,
    CITIZEN,
    DISPATCHER,
    MONDAY,
    REVIEWER,
    SUPERVISOR,
    SYSTEM,
    WATER,
    WATER_MAN,
    contents,
)
from ticketing import commands
from ticketing.aftercare.contacts import NoteContact, Purpose
from ticketing.approvals.approvals import AskSignoff, SignApproval
from ticketing.approvals.rules import Rank
from ticketing.clocks import DeadlineKind
from ticketing.commands import AnyDetail, Contact
from ticketing.record import GuardFailed, NotYours, Ticket
from ticketing.ticket import follows
from ticketing.words import RatingSource, State

clause = pytest.mark.clause
HOUR = timedelta(hours=1)
TOLD = replace(
    contents(MONDAY), result_told_at=MONDAY, result_told_by="电话", signed_by="王局长", opinion_document="意见书1号"
)


def go(region: str, ticket: Ticket, detail: AnyDetail, actor: Actor, after: timedelta = HOUR) -> Ticket:
    """One command an hour after the last, and what the system does by itself after it."""
    ticket = take(region, ticket, detail, actor, ticket.updated_at + after)
    following = follows(ticket, detail, policy_of(region))
    return ticket if following is None else go(region, ticket, following, SYSTEM, timedelta(0))


def handled(region: str) -> Ticket:
    """Signed, the citizen called, in the unit's hands."""
    ticket = go(region, dispatched(region), commands.Sign("张师傅"), WATER_MAN)
    led = HEAD if region == "mengcheng" else WATER_MAN
    contact = Contact(ticket.updated_at, "电话", "已受理，联系人张师傅")
    return go(region, ticket, commands.Start(contact, led_by="王局长", rank=Rank.PRINCIPAL), led)


def called_back(ticket: Ticket) -> NoteContact:
    """The unit's own follow-up (MC-052)."""
    return NoteContact(ticket.updated_at, "电话", "诉求人表示已解决", Purpose.FOLLOW_UP)


def replied(region: str, ticket: Ticket, said: commands.Contents = TOLD) -> Ticket:
    if region != "mengcheng":
        return go(region, ticket, commands.Reply(said), WATER_MAN)
    asked = go(region, ticket, AskSignoff(said), WATER_MAN)
    return go(region, asked, SignApproval(seal="蒙水印字1号"), HEAD)


@clause("GZ-008", "LS-017", "MC-004", "WX-004")
@pytest.mark.parametrize("region", REGIONS)
def test_a_request_goes_from_the_desk_to_the_archive(region: str) -> None:
    ticket = handled(region)
    assert ticket.state is State.HANDLING
    ticket = replied(region, ticket)
    assert ticket.due(DeadlineKind.HANDLE) is None, "answered in time"
    if ticket.state is State.REPLIED:
        ticket = go(region, ticket, called_back(ticket), WATER_MAN)
        ticket = go(region, ticket, commands.BeginSurvey(), REVIEWER)
    assert ticket.state is State.SURVEYING
    ticket = go(region, ticket, commands.SurveyDelivered(ticket.updated_at + HOUR), SYSTEM)
    ticket = go(region, ticket, commands.Rate("满意", RatingSource.CITIZEN), Actor("citizen", str(CITIZEN)))
    assert ticket.state is State.CLOSED
    ticket = go(region, ticket, commands.Archive(), SUPERVISOR)
    assert ticket.state is State.ARCHIVED
    assert not [due for due in ticket.dues if due.open], "nothing runs on in the archive"


@clause("LS-017")
@pytest.mark.parametrize("region", REGIONS)
def test_only_the_unit_a_ticket_went_to_signs_and_works_it(region: str) -> None:
    for other in (AGENT, DISPATCHER, Actor("user", "bie-ren", frozenset({Role.UNIT}), WATER.__class__("roads"))):
        with pytest.raises(NotYours):
            go(region, dispatched(region), commands.Sign(), other)


@clause("LS-028", "GZ-028")
@pytest.mark.parametrize("region", ["ganzhou", "longsheng"])
def test_a_unit_that_finds_a_request_out_of_scope_explains_it_to_both(region: str) -> None:
    ticket = handled(region)
    said = replace(TOLD, outcome="out_of_scope", explanation="已向诉求人说明应走诉讼程序")
    with pytest.raises(GuardFailed, match="还须填写"):
        go(region, ticket, commands.Reply(said), WATER_MAN)
    judged = go(region, ticket, commands.Reply(replace(said, statement="属于第二条不受理情形")), WATER_MAN)
    assert judged.state is State.REPLIED, "nothing follows before the hotline looked at it"
    refused = commands.Reject("LEGAL_PROCEDURE", "已告知诉求人。", referred_to="县人民法院")
    assert go(region, judged, refused, REVIEWER).state is State.REJECTED


@clause("LS-027")
def test_an_urgent_ticket_goes_out_only_after_a_call() -> None:
    ticket = registered("longsheng", urgent=True)
    order = commands.Dispatch(WATER, basis="权责清单")
    for wrong in (None, commands.PhoneNotice(MONDAY, " "), commands.PhoneNotice(MONDAY + HOUR, "值班室")):
        with pytest.raises(GuardFailed):
            take("longsheng", ticket, replace(order, phone_notice=wrong), DISPATCHER, MONDAY)
    sent, _ = step(
        "longsheng", ticket, replace(order, phone_notice=commands.PhoneNotice(MONDAY, "值班室")), DISPATCHER, MONDAY
    )
    assert sent.state is State.DISPATCHED
