"""The knowledge base: search, one item with all its versions, writing, review, and what was answered from it.

Questions and defect reports are in `knowledge_questions`, many items at once in `knowledge_lines`.
"""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.audit import Audited, note
from callcenter.tables import handling_unit
from callcenter.types import Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.knowledge_shapes import (
    DraftIn,
    HitPage,
    ItemPage,
    ItemRow,
    ItemStory,
    NewItem,
    Noted,
    Revised,
    Revision,
    UsedIn,
    UsePage,
    UseRow,
    acts_of,
    done_out,
    hit_of,
    question_row,
    row_of,
    row_values,
    version_out,
)
from callcenter.web.problems import Problem
from callcenter.web.router import Query, Routes
from callcenter.web.ticket_shapes import SEES_NUMBERS
from ticketing import service
from ticketing.clocks import local_day
from ticketing.knowledge import questions as knowledge_questions
from ticketing.knowledge import search as knowledge_search
from ticketing.knowledge import service as knowledge
from ticketing.knowledge import store as knowledge_store
from ticketing.knowledge.contents import Template
from ticketing.knowledge.index import NothingAsked
from ticketing.knowledge.items import EDITORS, READERS, WRITERS, Draft, Item, ItemState
from ticketing.knowledge.search import Matched, Place

api = Routes("knowledge")
AUTHORS = WRITERS | EDITORS
ANSWERERS = frozenset({Role.AGENT, Role.DISPATCHER, Role.REVIEWER})
UnitName = Annotated[str, Field(max_length=64)]


class SearchQuery(Query):
    """text: words or a whole question. expired: show what has expired too, last. after: `next` of the page before."""

    text: Annotated[str, Field(min_length=1, max_length=200)]
    unit: UnitName = ""
    template: Template | None = None
    expired: bool = False
    after: Annotated[str, Field(pattern=r"^((all|any)\.-?[0-9]{1,9}\.[0-9]{1,18})?$")] = ""
    limit: Annotated[int, Field(ge=1, le=knowledge_search.MAX_PAGE)] = 20


class ItemsQuery(Query):
    """due: only items whose review is overdue; due_in_days: or becomes so within as many days.

    in_force: only what may be answered from today. after: `next` of the page before.
    """

    unit: UnitName = ""
    state: ItemState | None = None
    template: Template | None = None
    in_force: bool = False
    due: bool = False
    due_in_days: Annotated[int, Field(ge=0, le=366)] | None = None
    after: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    limit: Annotated[int, Field(ge=1, le=knowledge_store.MAX_PAGE)] = 50


class UsesQuery(Query):
    after: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    limit: Annotated[int, Field(ge=1, le=knowledge.MAX_PAGE)] = 50


@api.get("/api/knowledge/search", READERS)
async def search_knowledge(ctx: Context, query: SearchQuery) -> HitPage:
    """检索知识库：标题、关键词、正文依次排列，过期的不显示或排在最后"""
    now = ctx.now
    try:
        async with ctx.transaction() as tx:
            page = await knowledge_search.search(
                tx,
                query.text,
                ctx.actor,
                local_day(now),
                unit=UnitId(query.unit) if query.unit else None,
                template=query.template,
                with_expired=query.expired,
                after=_place(query.after),
                limit=query.limit,
            )
    except NothingAsked:
        raise Problem(422, "nothing_asked", "检索词中没有可以检索的文字。请输入词语或一句话。") from None
    after = f"{page.after.matched}.{page.after.score}.{page.after.item_id}" if page.after else None
    return HitPage(rows=[hit_of(hit, now) for hit in page.hits], matched=page.matched, next=after)


@api.get("/api/knowledge/items", READERS)
async def list_items(ctx: Context, query: ItemsQuery) -> ItemPage:
    """知识点列表，新的在前；单位可见本单位的草稿，可只列复核逾期的"""
    now, today = ctx.now, local_day(ctx.now)
    async with ctx.transaction() as tx:
        found = await knowledge_store.find(
            tx,
            ctx.actor,
            unit=UnitId(query.unit) if query.unit else None,
            states=(query.state,) if query.state else (),
            review_due=_due_before(query, today),
            template=query.template,
            in_force_on=today if query.in_force else None,
            after=query.after,
            limit=query.limit,
        )
    after = found[-1].id if len(found) == query.limit else None
    return ItemPage(rows=[row_of(item, now) for item in found], next=after)


@api.get("/api/knowledge/items/{item_id}", READERS)
async def read_item(ctx: Context, item_id: int) -> ItemStory:
    """一条知识点的全部：现行内容、各版本、经过、提问与纠错、引用次数"""
    now = ctx.now
    async with ctx.transaction() as tx:
        item = await knowledge_store.load(tx, item_id, ctx.actor)
        versions = await knowledge_store.versions_of(tx, item_id)
        history = await knowledge_store.history_of(tx, item_id)
        questions = await knowledge_questions.about(tx, item_id)
        uses = await knowledge.uses_of(tx, item_id)
    # What is not in use yet is for those who write and review it.
    working = ctx.has(*EDITORS, Role.AUDITOR) or (ctx.has(*WRITERS) and ctx.actor.unit == item.unit)
    seen = [one for one in versions if working or one.number == item.live]
    shown = next((one for one in seen if one.number == (item.live or item.version)), seen[0])
    masked = not ctx.has(*SEES_NUMBERS)
    return ItemStory(
        **row_values(item, now),
        shown=version_out(shown),
        versions=[version_out(one) for one in seen],
        history=[done_out(one) for one in history] if working else [],
        questions=[question_row(one, now, masked=masked) for one in questions] if working or not masked else [],
        uses=uses,
        can=acts_of(item, ctx.actor),
    )


@api.post("/api/knowledge/items", AUTHORS)
async def write_item(ctx: Context, body: NewItem) -> ItemRow:
    """采编知识点，得到草稿；单位写本单位的，热线审核员可代单位编写"""
    unit, draft, rules = await own_unit(ctx, body.unit), draft_of(body), ctx.services.rules
    return await _kept(
        ctx,
        "write",
        lambda tx, now: knowledge.write(tx, unit, body.accountable, draft, actor=ctx.actor, now=now, rules=rules),
    )


@api.post("/api/knowledge/items/{item_id}/revise", AUTHORS)
async def revise_item(ctx: Context, item_id: int, body: Revision) -> ItemRow:
    """更新知识点，形成新版本；审核通过前仍用现行版本"""
    draft, common = draft_of(body.draft), {"actor": ctx.actor, "rules": ctx.services.rules}

    def revise(tx: AsyncConnection, now: datetime) -> Awaitable[Item]:
        more = {**common, "now": now, "accountable": body.accountable}
        return knowledge.revise(tx, item_id, body.revision, draft, **more)  # type: ignore[arg-type]

    return await _kept(ctx, "revise", revise)


@api.post("/api/knowledge/items/{item_id}/submit", AUTHORS)
async def submit_item(ctx: Context, item_id: int, body: Revised) -> ItemRow:
    """提交热线审核；缺少模板要求的内容时一次列明"""
    rules = ctx.services.rules
    return await _kept(
        ctx,
        "submit",
        lambda tx, now: knowledge.submit(tx, item_id, body.revision, actor=ctx.actor, now=now, rules=rules),
    )


@api.post("/api/knowledge/items/{item_id}/approve", EDITORS)
async def approve_item(ctx: Context, item_id: int, body: Noted) -> ItemRow:
    """审核通过并发布；不能审核本人编写的"""
    rules = ctx.services.rules
    return await _kept(
        ctx,
        "approve",
        lambda tx, now: knowledge.approve(
            tx, item_id, body.revision, actor=ctx.actor, now=now, rules=rules, note=body.note
        ),
    )


@api.post("/api/knowledge/items/{item_id}/refuse", EDITORS)
async def refuse_item(ctx: Context, item_id: int, body: Noted) -> ItemRow:
    """审核不通过，写明原因退回单位修改"""
    return await _kept(
        ctx,
        "refuse",
        lambda tx, now: knowledge.refuse(tx, item_id, body.revision, actor=ctx.actor, now=now, note=body.note),
    )


@api.post("/api/knowledge/items/{item_id}/verify", WRITERS)
async def verify_item(ctx: Context, item_id: int, body: Noted) -> ItemRow:
    """复核确认：单位核对内容仍然真实、准确、有效，下次复核时间随之顺延"""
    rules = ctx.services.rules
    return await _kept(
        ctx,
        "verify",
        lambda tx, now: knowledge.verify(
            tx, item_id, body.revision, actor=ctx.actor, now=now, rules=rules, note=body.note
        ),
    )


@api.post("/api/knowledge/items/{item_id}/withdraw", AUTHORS)
async def withdraw_item(ctx: Context, item_id: int, body: Noted) -> ItemRow:
    """撤下知识点，写明原因；各版本仍保留"""
    return await _kept(
        ctx,
        "withdraw",
        lambda tx, now: knowledge.withdraw(tx, item_id, body.revision, actor=ctx.actor, now=now, note=body.note),
    )


@api.post("/api/knowledge/items/{item_id}/used", ANSWERERS)
async def use_item(ctx: Context, item_id: int, body: UsedIn) -> None:
    """把所参考的知识点记到工单上；直接答复所依据的由答复自动记录"""
    now = ctx.now
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(body.ticket), ctx.actor)
        item, version = await knowledge.in_use(tx, f"{item_id}@{body.version}", now)
        await knowledge.use(tx, ticket.id, item, version, "linked", actor=ctx.actor, now=now)


@api.get("/api/knowledge/items/{item_id}/uses", EDITORS | {Role.AUDITOR})
async def list_uses(ctx: Context, item_id: int, query: UsesQuery) -> UsePage:
    """引用过这条知识点的工单，新的在前"""
    async with ctx.transaction() as tx:
        await knowledge_store.load(tx, item_id, ctx.actor)
        found = await knowledge.list_uses(tx, item_id, after=query.after, limit=query.limit)
    rows = [
        UseRow(ticket=one.ticket_id, version=one.version, how=one.how, actor=one.actor, used_at=one.used_at)
        for one in found
    ]
    return UsePage(rows=rows, next=found[-1].id if len(found) == query.limit else None)


def draft_of(given: DraftIn) -> Draft:
    """The draft a person wrote. Raises Problem for fields of another template."""
    try:
        return given.draft()
    except ValueError as error:
        raise Problem(422, "wrong_template", str(error)) from None


async def own_unit(ctx: Context, named: str) -> UnitId:
    """The unit that is meant, one's own when none is named. Raises Problem for one that is not on the list."""
    unit = named or ctx.actor.unit
    if not unit:
        raise Problem(422, "unit_missing", "请选择承办单位。")
    async with ctx.transaction() as tx:
        if unit not in await active_units(tx):
            raise Problem(422, "unit_unknown", f"没有这家承办单位，或已停用：{unit}。请从单位名录中选择。")
    return UnitId(unit)


async def active_units(tx: AsyncConnection) -> frozenset[str]:
    """The ids of /api/units that are in use."""
    query = select(handling_unit.c.id).where(handling_unit.c.active)
    return frozenset((await tx.execute(query)).scalars())


async def _kept(ctx: Context, act: str, change: Callable[[AsyncConnection, datetime], Awaitable[Item]]) -> ItemRow:
    """One act on an item, audited, in one transaction."""
    now = ctx.now
    async with ctx.transaction() as tx:
        item = await change(tx, now)
        await note(tx, Audited(ctx.actor, f"knowledge.{act}", f"knowledge:{item.id}"))
    return row_of(item, now)


def _due_before(query: ItemsQuery, today: date) -> date | None:
    """The first day on which a review is not wanted yet; None: all items are."""
    if query.due_in_days is not None:
        return today + timedelta(days=query.due_in_days + 1)
    return today if query.due else None


def _place(after: str) -> Place | None:
    if not after:
        return None
    matched, score, item_id = after.split(".")
    return Place(Matched(matched), int(score), int(item_id))
