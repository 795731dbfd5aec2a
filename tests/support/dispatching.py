"""Tickets of any region taken through dispatch, return, extension; units and a directory to dispatch by."""

from dataclasses import replace
from datetime import datetime

from callcenter.types import Actor, Role, TicketId, UnitId
from tests.support.regions import policy_of, rules_of
from tests.support.tickets import AGENT, CITIZEN, DISPATCHER, MONDAY, WATER, WATER_MAN
from ticketing import commands
from ticketing.commands import AnyDetail, Changes, Command
from ticketing.dispatch.units import Person, Post, Unit, UnitKind
from ticketing.facts import Fact
from ticketing.record import Ticket
from ticketing.ticket import advance, opened

HOUSING, ROADS, TOWN = UnitId("housing"), UnitId("roads"), UnitId("longji-town")
HOUSING_MAN = Actor("user", "zhu-jian", frozenset({Role.UNIT}), HOUSING)
ROADS_MAN = Actor("user", "lu-zheng", frozenset({Role.UNIT}), ROADS)
PLATFORM = Actor("unit_platform", "upstream")
TEXT = "龙胜镇桂龙路停水两天了，希望尽快恢复供水。"


def person(name: str, post: Post = Post.HANDLER, phone: str = "", login: str = "") -> Person:
    return Person(name, post, phone, login)


def unit(unit_id: UnitId = WATER, kind: UnitKind = UnitKind.DEPARTMENT, **values: object) -> Unit:
    given = {"name": f"县{unit_id}", "people": (person("王五"),), **values}
    return replace(Unit(unit_id, "", kind), **given)  # type: ignore[arg-type]


def step(region: str, ticket: Ticket, detail: AnyDetail, actor: Actor, at: datetime) -> tuple[Ticket, tuple[Fact, ...]]:
    return advance(ticket, Command(actor, detail), policy_of(region), rules_of(region).calendar, at)


def take(region: str, ticket: Ticket, detail: AnyDetail, actor: Actor, at: datetime) -> Ticket:
    return step(region, ticket, detail, actor, at)[0]


def registered(region: str, at: datetime = MONDAY, **fields: object) -> Ticket:
    policy = policy_of(region)
    ticket, _ = opened(TicketId("20260601000001"), policy, at, source=policy.sources[0], requester=CITIZEN)
    named = {"contact_name": "李女士", "place": "桂龙路"}
    given = {"request_type": "投诉", "source": policy.sources[0], "content": TEXT, **named, **fields}
    kind = policy.requester_kinds[0] if policy.requester_kinds else None
    changes = replace(Changes(requester_kind=kind, contact_name="李先生"), **given)  # type: ignore[arg-type]
    return take(region, ticket, commands.Register(changes, "来电人直接拨打"), AGENT, at)


def order(lead: UnitId = WATER, **values: object) -> commands.Dispatch:
    given = {"instruction": "请核实并尽快恢复供水", "basis": "权责清单", **values}
    return replace(commands.Dispatch(lead), **given)  # type: ignore[arg-type]


def dispatched(region: str, at: datetime = MONDAY, detail: commands.Dispatch | None = None, **fields: object) -> Ticket:
    return take(region, registered(region, at, **fields), detail or order(), DISPATCHER, at)


def signed(region: str, at: datetime = MONDAY, **fields: object) -> Ticket:
    ticket = take(region, registered(region, at, **fields), order(), DISPATCHER, at)
    return take(region, ticket, commands.Sign(), WATER_MAN, at)


def back(**values: object) -> commands.AskReturn:
    """A request for a return with all any region needs."""
    given = {"legal_basis": "三定方案第三条", "suggestion": "转交通局", "nothing_ours": True, **values}
    return replace(commands.AskReturn("不属于本单位职责"), **given)  # type: ignore[arg-type]
