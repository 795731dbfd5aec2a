"""Knowledge for tests: drafts of every template, and items that are in use."""

from dataclasses import replace
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, Role, UnitId
from tests.support.tickets import MONDAY, REVIEWER, WATER, WATER_MAN, rules
from ticketing.knowledge import service
from ticketing.knowledge.contents import (
    Contents,
    Example,
    NewPolicy,
    PolicyTerm,
    Question,
    RightsDuties,
    ServiceMatter,
    Template,
)
from ticketing.knowledge.items import Draft, Item
from ticketing.knowledge.rules import Trigger

OTHER_REVIEWER = Actor("user", "shen-he-2", frozenset({Role.REVIEWER}))
MATTER = ServiceMatter(
    office="县自来水公司营业厅",
    address="龙胜镇桂龙路18号",
    contact="0773-7510000",
    conditions="本县居民或单位",
    materials="身份证、房产证",
    steps="申请、查勘、交费、通水",
    time_limit="3个工作日",
    standard="符合供水条件",
)
TERM = PolicyTerm("阶梯水价", "按户年用水量分三级计价。", computed=True)
POLICY = NewPolicy(
    "全县居民用户", "2026-07-01", "以年为周期计算。", "原《水价办法》", "2026年6月前的用水仍按原价结算。"
)
DUTY = RightsDuties("全体用户", "停水后先看公告，再拨打抢修电话，保留水表照片。")
EXAMPLE = Example("一户一年用水200立方米", "前180立方米按2.1元，其余20立方米按3.0元，共438元")
FAQ = Question("欠费会停水吗?", "逾期60日经书面催告仍不交的，可以停止供水。")
WHOLE: dict[Template, Contents] = {
    Template.GENERAL: Contents(Template.GENERAL, "停水后一般四小时内抢修。"),
    Template.SERVICE_MATTER: Contents(Template.SERVICE_MATTER, part=MATTER),
    Template.POLICY_TERM: Contents(Template.POLICY_TERM, examples=(EXAMPLE,), part=TERM),
    Template.NEW_POLICY: Contents(Template.NEW_POLICY, questions=(FAQ,), part=POLICY),
    Template.RIGHTS_DUTIES: Contents(Template.RIGHTS_DUTIES, part=DUTY),
}
"""One of each template that lacks nothing."""


def draft(title: str = "停水抢修多久", text: str = "停水后一般四小时内抢修。", **values: object) -> Draft:
    """A general item of the water company."""
    base = Draft(
        title=title,
        keywords=("供水", "抢修"),
        contents=Contents(Template.GENERAL, text),
        valid_from=date(2020, 1, 1),
        valid_until=None,
        trigger=Trigger.ROUTINE,
    )
    return replace(base, **values)  # type: ignore[arg-type]


async def written(
    tx: AsyncConnection,
    of: Draft | None = None,
    *,
    unit: UnitId = WATER,
    actor: Actor = WATER_MAN,
    now: datetime = MONDAY,
) -> Item:
    return await service.write(tx, unit, "刘工", of or draft(), actor=actor, now=now, rules=rules())


async def submitted(tx: AsyncConnection, of: Draft | None = None, *, now: datetime = MONDAY) -> Item:
    item = await written(tx, of, now=now)
    return await service.submit(tx, item.id, item.revision, actor=WATER_MAN, now=now, rules=rules())


async def in_use(tx: AsyncConnection, of: Draft | None = None, *, now: datetime = MONDAY) -> Item:
    """An item of the water company that agents answer from."""
    item = await submitted(tx, of, now=now)
    return await service.approve(tx, item.id, item.revision, actor=REVIEWER, now=now, rules=rules())
