"""Questions to units and reports of what is wrong with an item, and how well units keep their knowledge."""

from datetime import timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field

from callcenter.audit import Audited, note
from callcenter.types import Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.knowledge import own_unit
from callcenter.web.knowledge_shapes import (
    AnswerIn,
    AskIn,
    QuestionPage,
    QuestionRow,
    UpkeepPage,
    UpkeepRow,
    question_row,
)
from callcenter.web.problems import Problem
from callcenter.web.router import Query, Routes
from callcenter.web.ticket_fields import Moment
from callcenter.web.ticket_shapes import SEES_NUMBERS
from ticketing import service
from ticketing.knowledge import questions
from ticketing.knowledge.items import EDITORS, WRITERS
from ticketing.knowledge.questions import ASKERS, SEE_ALL, Upkeep

api = Routes("knowledge")
LONGEST = timedelta(days=366)


class QuestionsQuery(Query):
    """overdue: only those past their limit. answered: those that are, the latest first. mine: asked by oneself.

    after_due_at, after_id: `next_due_at`, `next_id` of the page before.
    """

    unit: Annotated[str, Field(max_length=64)] = ""
    item: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    overdue: bool = False
    answered: bool = False
    mine: bool = False
    after_due_at: AwareDatetime | None = None
    after_id: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=questions.MAX_PAGE)] = 50


class UpkeepQuery(Query):
    """since, until: when the answers were due; at most 366 days."""

    since: Moment
    until: Moment


@api.post("/api/knowledge/questions", ASKERS)
async def ask_unit(ctx: Context, body: AskIn) -> QuestionRow:
    """知识提问或纠错：向单位提问，或指出知识点的问题，由所属单位在规定时限内答复"""
    unit = await own_unit(ctx, body.unit) if body.unit else None
    now = ctx.now
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(body.ticket), ctx.actor) if body.ticket else None
        asked = await questions.ask(
            tx,
            body.asked,
            actor=ctx.actor,
            now=now,
            rules=ctx.services.rules,
            unit=unit,
            item_id=body.item,
            defect=body.defect,
            ticket_id=ticket.id if ticket else None,
        )
        await note(tx, Audited(ctx.actor, "knowledge.ask", f"question:{asked.id}", detail={"unit": asked.unit}))
    return question_row(asked, now, masked=False)


@api.get("/api/knowledge/questions", SEE_ALL | WRITERS)
async def list_questions(ctx: Context, query: QuestionsQuery) -> QuestionPage:
    """未答复的知识提问与纠错，按期限排列，可只列逾期的、本人提出的或已答复的；单位只见本单位的"""
    now = ctx.now
    async with ctx.transaction() as tx:
        found = await questions.find(
            tx,
            ctx.actor,
            unit=UnitId(query.unit) if query.unit else None,
            item_id=query.item,
            overdue_at=now if query.overdue else None,
            answered=query.answered,
            asked_by=str(ctx.actor) if query.mine else None,
            after=(query.after_due_at, query.after_id) if query.after_due_at else None,
            limit=query.limit,
        )
    masked = not ctx.has(*SEES_NUMBERS)
    last = found[-1] if len(found) == query.limit else None
    rows = [question_row(one, now, masked=masked) for one in found]
    return QuestionPage(rows=rows, next_due_at=last.due_at if last else None, next_id=last.id if last else None)


@api.post("/api/knowledge/questions/{question_id}/answer", WRITERS)
async def answer_question(ctx: Context, question_id: int, body: AnswerIn) -> QuestionRow:
    """答复知识提问或纠错，可注明已写入的知识点"""
    now = ctx.now
    async with ctx.transaction() as tx:
        done = await questions.answer(tx, question_id, body.answer, actor=ctx.actor, now=now, answer_item=body.item)
        await note(tx, Audited(ctx.actor, "knowledge.answer", f"question:{question_id}"))
    return question_row(done, now, masked=not ctx.has(*SEES_NUMBERS))


@api.get("/api/knowledge/upkeep", EDITORS | {Role.AUDITOR, Role.LEADER})
async def list_upkeep(ctx: Context, query: UpkeepQuery) -> UpkeepPage:
    """各单位知识库维护情况：现行条数、复核逾期、提问答复是否及时"""
    if not timedelta() < query.until - query.since <= LONGEST:
        raise Problem(422, "span_wrong", "起止时间应先后有序，且相差不超过 366 天。请核对。")
    async with ctx.transaction() as tx:
        found = await questions.upkeep(tx, query.since, query.until)
    return UpkeepPage(rows=[UpkeepRow(**{n: getattr(one, n) for n in Upkeep.__dataclass_fields__}) for one in found])
