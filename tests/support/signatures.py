"""A county that signs before every dispatch and answer, and the people who sign there."""

from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from callcenter.types import Actor, Role, TicketId
from config.calendar_loader import load_calendar
from config.policy_loader import load_policies
from tests.support.tickets import AGENT, CITIZEN, DISPATCHER, MONDAY, WATER, WATER_MAN, contents
from ticketing import commands
from ticketing.approvals.approvals import AskSignoff, SignApproval
from ticketing.approvals.rules import Rank
from ticketing.commands import AnyDetail, Changes, Command
from ticketing.facts import Fact
from ticketing.policy import Rules
from ticketing.record import Ticket
from ticketing.ticket import advance, follows, opened


def leader(login: str, *titles: str) -> Actor:
    return Actor("user", login, frozenset({Role.LEADER}), titles=frozenset(titles))


HEAD = Actor("user", "shui-wu-zhang", frozenset({Role.UNIT_HEAD}), WATER)
OFFICE = leader("re-xian-ban", "县热线办负责人")
CHIEF = leader("fu-ban", "县政府办负责人")
DEPUTY = leader("fu-xian-zhang", "县政府分管领导")
SECTOR_DEPUTY = leader("fen-guan-dan-wei", "分管承办单位的副县长")
LINE_DEPUTY = leader("fen-guan-re-xian", "分管热线工作的副县长")
COUNTY_HEAD = leader("xian-zhang", "县长", "县政府主要领导")
SYSTEM = Actor("system", "ticketing")
SEND = commands.Dispatch(WATER, instruction="三日内联系诉求人，查明水压不足的原因")
REQUEST = Changes(
    request_type="投诉",
    source="县长热线电话",
    content="小区供水压力不足，多次反映。",
    place="城关镇",
    contact_name="李先生",
)


@cache
def rules(policy_id: str = "mengcheng") -> Rules:
    """One region as it is shipped."""
    policies = load_policies(policy_id)
    return Rules(policies, load_calendar(policies[-1].calendar.overlays))


def new(policy_id: str = "mengcheng", at: datetime = MONDAY, **values: Any) -> Ticket:
    policy = rules(policy_id).policies[-1]
    ticket, _ = opened(TicketId("20260601000001"), policy, at, source=policy.sources[0], requester=CITIZEN)
    return replace(ticket, **values)


def do(ticket: Ticket, detail: AnyDetail, actor: Actor, at: datetime = MONDAY) -> tuple[Ticket, tuple[Fact, ...]]:
    """One command and what the system does by itself after it, as the service does."""
    policy, calendar = rules(ticket.policy_id).policies[-1], rules(ticket.policy_id).calendar
    after, told = advance(ticket, Command(actor, detail), policy, calendar, at)
    following = follows(after, detail, policy)
    if following is None:
        return after, told
    then, more = do(after, following, SYSTEM, at)
    return then, told + more


def registered(policy_id: str = "mengcheng", at: datetime = MONDAY, **values: Any) -> Ticket:
    """values: what the hotline knows besides, such as request_no or flags."""
    ticket = new(policy_id, at, **values)
    return do(ticket, commands.Register(replace(REQUEST, source=ticket.source), "经站长同意登记"), AGENT, at)[0]


def handling(at: datetime = MONDAY, **values: Any) -> Ticket:
    """At the water unit, led by its principal; whatever signatures it needed before are there."""
    ticket = do(registered("mengcheng", at, **values), commands.Forward(), AGENT, at)[0]
    while ticket.signing is not None:
        signer = ticket.signing.current[0].signer.name
        ticket = do(ticket, SignApproval(), leader(f"{signer}-1", signer), at)[0]
    ticket = do(ticket, SEND, DISPATCHER, at)[0]
    ticket = do(ticket, commands.Sign(), WATER_MAN, at)[0]
    return do(ticket, commands.Start(led_by="王局长", rank=Rank.PRINCIPAL), HEAD, at)[0]


def told_citizen(at: datetime) -> commands.Contents:
    return replace(contents(at), result_told_at=at, result_told_by="电话")


def replied(at: datetime = MONDAY, **values: Any) -> Ticket:
    """The unit's principal signed and sealed the result."""
    asked = do(handling(at, **values), AskSignoff(told_citizen(at)), WATER_MAN, at)[0]
    return do(asked, SignApproval(seal="蒙水印字1号"), HEAD, at)[0]
