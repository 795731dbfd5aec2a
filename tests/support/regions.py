"""A ticket's way under any region's rules, for tests of what the regulations ask after a reply."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from callcenter.types import Actor, Role, TicketId
from config.calendar_loader import load_calendar
from config.policy_loader import load_policies
from tests.support.tickets import AGENT, CITIZEN, DISPATCHER, SYSTEM, WATER, WATER_MAN
from tests.support.tickets import MONDAY as MONDAY
from ticketing import commands
from ticketing.approvals.approvals import AskSignoff, SignApproval
from ticketing.approvals.rules import Rank
from ticketing.clocks import SHANGHAI, Calendar
from ticketing.commands import Changes, Command, Contents
from ticketing.facts import Fact
from ticketing.policy import Policy, Rules
from ticketing.record import Ticket
from ticketing.ticket import advance, opened
from ticketing.words import RatingSource

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WATER_HEAD = Actor("user", "shui-wu-ju-zhang", frozenset({Role.UNIT_HEAD}), WATER)
CITIZEN_SELF = Actor("citizen", "citizen")
REGIONS = ("ganzhou", "weixi", "longsheng", "suqian", "mengcheng")


@cache
def rules_of(region: str) -> Rules:
    policies = load_policies(region)
    return Rules(policies, load_calendar(policies[-1].calendar.overlays))


def policy_of(region: str) -> Policy:
    return rules_of(region).policies[-1]


def calendar_of(region: str) -> Calendar:
    return rules_of(region).calendar


def asked(request_type: str = "求助", **values: Any) -> Changes:
    changes = Changes(request_type=request_type, content="桂龙路停水两天了。", place="桂龙路", contact_name="王某")
    return replace(changes, **values)


def act(
    region: str, ticket: Ticket, detail: commands.AnyDetail, actor: Actor, at: datetime = MONDAY
) -> tuple[Ticket, tuple[Fact, ...]]:
    return advance(ticket, Command(actor, detail), policy_of(region), calendar_of(region), at)


def draft(region: str, number: str = "20260601000001") -> Ticket:
    policy = policy_of(region)
    return opened(TicketId(number), policy, MONDAY, source=policy.sources[0], requester=CITIZEN)[0]


def registered(region: str, fields: Changes | None = None) -> Ticket:
    detail = commands.Register(fields or asked(), "站长同意登记")
    return act(region, draft(region), detail, AGENT)[0]


def with_unit(region: str, fields: Changes | None = None) -> Ticket:
    """Dispatched and signed: the unit has it."""
    sent = act(
        region,
        registered(region, fields),
        commands.Dispatch(WATER, basis="职责清单", instruction="请尽快核实办理"),
        DISPATCHER,
    )[0]
    return act(region, sent, commands.Sign(), WATER_MAN)[0]


def handling(region: str, fields: Changes | None = None, *, talked: bool = True) -> Ticket:
    contact = commands.Contact(MONDAY, "电话", "已告知受理情况") if talked else None
    start = commands.Start(contact, "李局长", Rank.PRINCIPAL)
    return act(region, with_unit(region, fields), start, WATER_HEAD)[0]


def contents(at: datetime = MONDAY, **values: Any) -> Contents:
    whole = Contents(
        handled_on=at.astimezone(SHANGHAI).date(),
        handled_hour=9,
        handling_unit="抢修班",
        handler="张师傅",
        situation="管道已修复，恢复供水。",
        citizen_contacted_at=at,
        not_enforcement=True,
        result_told_at=at,
        result_told_by="电话",
    )
    return replace(whole, **values)


def replied(region: str, fields: Changes | None = None, at: datetime = MONDAY, **values: Any) -> Ticket:
    ticket, said = handling(region, fields), contents(at, **values)
    if region != "mengcheng":
        return act(region, ticket, commands.Reply(said), WATER_MAN, at)[0]
    waiting = act(region, ticket, AskSignoff(said), WATER_MAN, at)[0]
    signed = act(region, waiting, SignApproval(opinion="同意", seal="水务局公章"), WATER_HEAD, at)[0]
    return act(region, signed, commands.Reply(said), SYSTEM, at)[0]


def surveying(region: str, fields: Changes | None = None, **values: Any) -> Ticket:
    return act(region, replied(region, fields, **values), commands.BeginSurvey(), SYSTEM)[0]


def rated(region: str, rating: str, fields: Changes | None = None) -> Ticket:
    rate = commands.Rate(rating, RatingSource.CITIZEN)
    return act(region, surveying(region, fields), rate, CITIZEN_SELF, MONDAY + HOUR)[0]


def with_cause(region: str, code: str, said: str = "", fields: Changes | None = None) -> Ticket:
    """Not satisfied, called, and the cause is known."""
    note = commands.NoteCause(code, "电话回访了解", said)
    return act(region, rated(region, "不满意", fields), note, AGENT, MONDAY + 2 * HOUR)[0]


def day(number: int) -> date:
    return MONDAY.date() + timedelta(days=number)
