"""Questions to units, and reports of what is wrong with an item: asked by the hotline, answered within the limit.

The limit is a stored fact like a ticket's: from when, until when, by which policy and which calendar.
Source: LS-072 (3 working days), LS-071 (what can be wrong).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, Role, TicketId, UnitId
from ticketing.clocks import Clock, DeadlineKind, Period, deadline, local_day
from ticketing.knowledge import store
from ticketing.knowledge.items import EDITORS, WRITERS, KnowledgeOverdue, OverdueKind, rules_of
from ticketing.knowledge.rules import DEFECT_NAMES, Defect
from ticketing.knowledge.tables import knowledge_item, knowledge_question
from ticketing.policy import Rules
from ticketing.record import GuardFailed, NotYours, Refused

ASKERS = frozenset({Role.AGENT, Role.DISPATCHER}) | EDITORS
SEE_ALL = ASKERS | {Role.AUDITOR}
RULE = "knowledge.question"
MAX_PAGE = 200
_t = knowledge_question


class QuestionNotFound(Refused):
    """There is no such question, or it is not for this person to see."""

    def __init__(self) -> None:
        super().__init__("没有这条知识提问，或您无权查看。请核对编号。")


class QuestionAnswered(Refused):
    """It has been answered already; ask again if the answer does not do."""

    def __init__(self) -> None:
        super().__init__("这条提问已经答复。如答复不能解决问题，请重新提问。")


@dataclass(frozen=True, slots=True)
class Question:
    """defect None: a plain question. answer_item: the item that holds the answer. Times are aware UTC."""

    id: int
    unit: UnitId
    item_id: int | None
    item_version: int | None
    defect: Defect | None
    ticket_id: TicketId | None
    asked: str
    asked_by: str
    asked_at: datetime
    due_at: datetime
    provisional: bool
    answer: str | None
    answered_by: str | None
    answered_at: datetime | None
    answer_item: int | None

    def late(self, now: datetime) -> bool:
        """Whether the answer came, or still comes, after the limit."""
        return (self.answered_at or now).replace(microsecond=0) > self.due_at


async def ask(
    tx: AsyncConnection,
    asked: str,
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
    unit: UnitId | None = None,
    item_id: int | None = None,
    defect: Defect | None = None,
    ticket_id: TicketId | None = None,
) -> Question:
    """Ask a unit; about an item, its owner. With a defect: report what is wrong with it. The limit starts now.

    Raises GuardFailed, KnowledgeNotFound, KnowledgeOff.
    """
    policy = rules.at(now)
    ours = rules_of(policy)
    if not asked.strip():
        raise GuardFailed("请写明要问的内容，或知识点的问题所在。")
    if defect is not None and item_id is None:
        raise GuardFailed("请选择有问题的知识点。")
    if defect is not None and defect not in ours.defects:
        raise GuardFailed.by(f"本地规定没有「{DEFECT_NAMES[defect]}」这种问题。", ours.defects_basis)
    item = await store.load(tx, item_id, actor) if item_id is not None else None
    asked_of = item.unit if item is not None else unit
    if asked_of is None:
        raise GuardFailed("请选择向哪个单位提问。")
    due = deadline(RULE, DeadlineKind.COMMITMENT, now, ours.question, rules.calendar, policy.name, policy.workdays)
    row = insert(_t).values(
        unit=asked_of,
        item_id=item_id,
        item_version=item.live or item.version if item is not None else None,
        defect=defect,
        ticket_id=ticket_id,
        asked=asked,
        asked_by=str(actor),
        asked_at=now,
        due_at=due.due_at,
        rule=due.rule_id,
        clock=due.clock,
        amount=due.amount,
        policy_version=due.policy_version,
        calendar_version=due.calendar_version,
        provisional=due.provisional,
    )
    return _question((await tx.execute(row.returning(_t))).one())


async def answer(
    tx: AsyncConnection, question_id: int, said: str, *, actor: Actor, now: datetime, answer_item: int | None = None
) -> Question:
    """The unit's answer; it ends the limit. answer_item: the unit's item that says so from now on.

    A defect is answered by a newer version of the item, or by why it is right as it is.
    Raises QuestionNotFound, QuestionAnswered, NotYours, GuardFailed.
    """
    question = await get(tx, question_id, actor, lock=True)
    if not (actor.roles & WRITERS and actor.unit == question.unit):
        raise NotYours("知识提问须由被提问的单位答复。请提醒该单位办理。")
    if question.answered_at is not None:
        raise QuestionAnswered
    if not said.strip():
        raise GuardFailed("请写明答复；知识点没有问题的，写明理由。")
    if answer_item is not None and (await store.load(tx, answer_item, actor)).unit != question.unit:
        raise GuardFailed("只能引用本单位的知识点。")
    done = {"answer": said, "answered_by": str(actor), "answered_at": now, "answer_item": answer_item}
    changed = update(_t).where(_t.c.id == question_id).values(**done).returning(_t)
    return _question((await tx.execute(changed)).one())


async def get(tx: AsyncConnection, question_id: int, actor: Actor, *, lock: bool = False) -> Question:
    """The question. Raises QuestionNotFound, also for one another unit was asked."""
    query = select(_t).where(_t.c.id == question_id, *_scope(actor))
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise QuestionNotFound
    return _question(row)


async def find(
    tx: AsyncConnection,
    actor: Actor,
    *,
    unit: UnitId | None = None,
    item_id: int | None = None,
    overdue_at: datetime | None = None,
    answered: bool = False,
    asked_by: str | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int = 50,
) -> tuple[Question, ...]:
    """Open questions, the most pressing first, or answered ones, the latest first. after: due time and id.

    overdue_at: only those late by then. asked_by: `user:login`.
    """
    wanted = [_t.c.answered_at.is_not(None) if answered else _t.c.answered_at.is_(None), *_scope(actor)]
    if unit is not None:
        wanted.append(_t.c.unit == unit)
    if item_id is not None:
        wanted.append(_t.c.item_id == item_id)
    if asked_by is not None:
        wanted.append(_t.c.asked_by == asked_by)
    if overdue_at is not None:
        wanted.append(_t.c.due_at < overdue_at.replace(microsecond=0))
    place = tuple_(_t.c.due_at, _t.c.id)
    if after is not None:
        wanted.append(place < after if answered else place > after)
    order = (_t.c.due_at.desc(), _t.c.id.desc()) if answered else (_t.c.due_at, _t.c.id)
    query = select(_t).where(*wanted).order_by(*order)
    rows = (await tx.execute(query.limit(max(1, min(limit, MAX_PAGE))))).all()
    return tuple(_question(row) for row in rows)


async def about(tx: AsyncConnection, item_id: int, limit: int = 20) -> tuple[Question, ...]:
    """The newest questions about an item, answered ones too."""
    query = select(_t).where(_t.c.item_id == item_id).order_by(_t.c.id.desc()).limit(limit)
    return tuple(_question(row) for row in (await tx.execute(query)).all())


async def claim_late(tx: AsyncConnection, now: datetime, limit: int = 500) -> tuple[KnowledgeOverdue, ...]:
    """Questions whose limit has passed and were not told yet; each is told once. Sweeps share the work."""
    past = (_t.c.answered_at.is_(None), _t.c.due_at < now.replace(microsecond=0), _t.c.noticed_at.is_(None))
    query = select(_t).where(*past).order_by(_t.c.due_at).limit(limit).with_for_update(skip_locked=True)
    found = tuple(_question(row) for row in (await tx.execute(query)).all())
    if found:
        await tx.execute(update(_t).where(_t.c.id.in_([one.id for one in found])).values(noticed_at=now))
    return tuple(
        KnowledgeOverdue(OverdueKind.QUESTION, q.unit, q.id, q.asked[:60], q.due_at, now, q.ticket_id) for q in found
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """An open question that is due later by a new calendar."""

    question_id: int
    old_due_at: datetime
    new_due_at: datetime


async def recalculate(tx: AsyncConnection, rules: Rules, now: datetime, limit: int = 500) -> tuple[Moved, ...]:
    """Look at open questions counted by another calendar. A later due time counts; an earlier one never does."""
    policy, calendar = rules.at(now), rules.calendar
    old = (_t.c.answered_at.is_(None), _t.c.clock == Clock.WORKING_DAY, _t.c.calendar_version != calendar.version)
    query = select(_t).where(*old).order_by(_t.c.due_at, _t.c.id).limit(limit).with_for_update(skip_locked=True)
    moved: list[Moved] = []
    for row in (await tx.execute(query)).all():
        period = Period(row.amount, Clock(row.clock))
        new = deadline(RULE, DeadlineKind.COMMITMENT, row.asked_at, period, calendar, policy.name, policy.workdays)
        if new.due_at > row.due_at:
            by_new = {"due_at": new.due_at, "calendar_version": calendar.version, "provisional": new.provisional}
            await tx.execute(update(_t).where(_t.c.id == row.id).values(**by_new, noticed_at=None))
            moved.append(Moved(row.id, row.due_at, new.due_at))
    return tuple(moved)


# ---- how well a unit keeps its knowledge


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One unit's work on the knowledge base in a span. Source: LS-085, WX-032 (知识库更新维护、知识库建设).

    live: items in use at its end; stale: of them, past their review. asked: questions due in the span, answered
    in_time or late (open ones count as late).
    """

    unit: UnitId
    live: int
    stale: int
    asked: int
    in_time: int
    late: int


async def upkeep(tx: AsyncConnection, since: datetime, until: datetime) -> tuple[Upkeep, ...]:
    """Every unit that has items or was asked, by name. [since, until): when the answers were due."""
    i = knowledge_item.c
    in_use = i.live.is_not(None)
    items = select(
        i.unit,
        func.count().filter(in_use).label("live"),
        func.count().filter(in_use, i.review_due_on < local_day(until)).label("stale"),
    ).group_by(i.unit)
    good = _t.c.answered_at < _t.c.due_at + func.make_interval(0, 0, 0, 0, 0, 0, 1)
    asked = (
        select(_t.c.unit, func.count().label("asked"), func.count().filter(good).label("in_time"))
        .where(_t.c.due_at >= since, _t.c.due_at < until)
        .group_by(_t.c.unit)
    )
    live = {row.unit: (row.live, row.stale) for row in (await tx.execute(items)).all()}
    answered = {row.unit: (row.asked, row.in_time) for row in (await tx.execute(asked)).all()}
    return tuple(
        Upkeep(UnitId(unit), *live.get(unit, (0, 0)), many, well, many - well)
        for unit in sorted(live.keys() | answered.keys())
        for many, well in [answered.get(unit, (0, 0))]
    )


def _scope(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    if actor.kind != "user" or actor.roles & SEE_ALL:
        return ()
    if actor.roles & WRITERS and actor.unit is not None:
        return (_t.c.unit == actor.unit,)
    raise NotYours("您的账号不能查看知识提问。请联系管理员设置角色和所属单位。")


def _question(row: Row[tuple[object, ...]]) -> Question:
    values = {name: getattr(row, name) for name in Question.__dataclass_fields__}
    return Question(**values | {"defect": Defect(values["defect"]) if values["defect"] else None})
