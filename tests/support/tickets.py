"""A hotline's people, rules and a ticket's usual life, for tests of tickets."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache

from callcenter.types import Actor, IdentityId, Role, TicketId, UnitId
from config.calendar_loader import load_calendar
from config.policy_loader import load_policies
from ticketing import commands
from ticketing.clocks import SHANGHAI, Calendar
from ticketing.commands import Changes, Command, Contents
from ticketing.facts import Fact
from ticketing.policy import Policy, Rules
from ticketing.record import Ticket
from ticketing.ticket import advance, opened
from ticketing.words import RatingSource

WATER, ROADS = UnitId("water"), UnitId("roads")
AGENT = Actor("user", "xiao-li", frozenset({Role.AGENT}))
DISPATCHER = Actor("user", "lao-wang", frozenset({Role.DISPATCHER}))
REVIEWER = Actor("user", "shen-he", frozenset({Role.REVIEWER}))
SUPERVISOR = Actor("user", "du-ban", frozenset({Role.SUPERVISOR}))
WATER_MAN = Actor("user", "shui-wu", frozenset({Role.UNIT}), WATER)
ROADS_MAN = Actor("user", "lu-zheng", frozenset({Role.UNIT}), ROADS)
AUDITOR = Actor("user", "shen-ji", frozenset({Role.AUDITOR}))
SYSTEM = Actor("system", "test")
CITIZEN = IdentityId(7)


def local(*parts: int) -> datetime:
    """That time on a wall in 龙胜."""
    return datetime(*parts, tzinfo=SHANGHAI)  # type: ignore[arg-type,misc]


MONDAY = local(2026, 6, 1, 9, 0)
"""An ordinary Monday with ordinary weeks around it."""


@cache
def rules() -> Rules:
    """龙胜 as it is shipped."""
    policies = load_policies("longsheng")
    return Rules(policies, load_calendar(policies[-1].calendar.overlays))


def policy() -> Policy:
    return rules().policies[-1]


def calendar() -> Calendar:
    return rules().calendar


FIELDS = Changes(
    request_type="求助", source="电话", content="龙胜镇桂龙路停水两天了，希望尽快恢复供水。", place="桂龙路"
)
COMPLETE = Contents(
    handled_on=date(2026, 6, 1),
    handled_hour=11,
    handling_unit="县自来水公司抢修班",
    handler="张师傅",
    situation="管道已修复，十一点恢复供水。",
    citizen_contacted_at=MONDAY,
    not_enforcement=True,
    result_told_at=MONDAY,
    result_told_by="电话",
)


def draft(at: datetime = MONDAY, **values: object) -> Ticket:
    ticket, _ = opened(TicketId("20260601000001"), policy(), at, source="电话", requester=CITIZEN)
    return replace(ticket, **values)  # type: ignore[arg-type]


def do(
    ticket: Ticket, detail: commands.AnyDetail, actor: Actor, at: datetime = MONDAY
) -> tuple[Ticket, tuple[Fact, ...]]:
    return advance(ticket, Command(actor, detail), policy(), calendar(), at)


def registered(at: datetime = MONDAY, fields: Changes = FIELDS) -> Ticket:
    detail = commands.Register(fields, "来电人直接拨打，经站长同意登记")
    return do(draft(at), detail, AGENT, at)[0]


def dispatched(at: datetime = MONDAY, fields: Changes = FIELDS) -> Ticket:
    notice = commands.PhoneNotice(at, "水务值班室") if fields.urgent else None
    return do(registered(at, fields), commands.Dispatch(WATER, phone_notice=notice), DISPATCHER, at)[0]


def signed(at: datetime = MONDAY, fields: Changes = FIELDS) -> Ticket:
    return do(dispatched(at, fields), commands.Sign(), WATER_MAN, at)[0]


def handling(at: datetime = MONDAY, fields: Changes = FIELDS) -> Ticket:
    return do(signed(at, fields), commands.Start(), WATER_MAN, at)[0]


def contents(at: datetime = MONDAY, **values: object) -> Contents:
    day = at.astimezone(SHANGHAI).date()
    return replace(COMPLETE, **{"handled_on": day, "citizen_contacted_at": at, **values})  # type: ignore[arg-type]


def replied(at: datetime = MONDAY, fields: Changes = FIELDS) -> Ticket:
    return do(handling(at, fields), commands.Reply(contents(at)), WATER_MAN, at)[0]


def surveying(at: datetime = MONDAY, fields: Changes = FIELDS) -> Ticket:
    return do(replied(at, fields), commands.BeginSurvey(), SYSTEM, at)[0]


def rated(rating: str, at: datetime = MONDAY) -> Ticket:
    rate = commands.Rate(rating, RatingSource.CITIZEN)
    return do(surveying(at), rate, Actor("citizen", "citizen"), at + timedelta(hours=1))[0]


def closed(at: datetime = MONDAY) -> Ticket:
    return do(rated("满意", at), commands.Close(), SYSTEM, at + timedelta(hours=1))[0]
