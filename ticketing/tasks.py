"""Tasks for people: what is open, by due time; and the ones that end by a written outcome.

Most tasks end by a command on their ticket (a call by its result, a review by closing or a new round), so that
none can be ticked off while the ticket waits on.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId, UnitId
from ticketing import store, tables
from ticketing.record import GuardFailed, NotYours

MAX_PAGE = 200
KIND_NAMES = {
    "review": "审核办理结果",
    "manual_call": "人工回访",
    "read_reply": "人工判读短信",
    "explain_overdue": "逾期情况说明",
    "supplement": "诉求人补充逾期，请决定如何办理",
    "unit_follow_up": "承办单位回访诉求人",
    "recheck": "复核",
    "look_back": "回头看",
}
ENDED_BY = {
    "review": "办结或重新交办",
    "manual_call": "填写人工回访结果或不满意的原因",
    "read_reply": "填写人工回访结果",
    "supplement": "记录补充情况、不予受理或撤回",
    "unit_follow_up": "记录对诉求人的回访",
    "recheck": "填写核查结果",
    "look_back": "填写核查结果",
}
"""Kind -> what on the ticket ends it."""
_table = tables.manual_task


class TaskNotFound(Exception):
    """没有这项任务，或您无权查看。请核对编号。"""


class TaskDone(Exception):
    """这项任务已经完成或取消，不需要再次处理。请刷新列表。"""


@dataclass(frozen=True, slots=True)
class Task:
    """One task. unit: whose it is; None: the hotline's own people's. done_by None: it is open or was cancelled."""

    id: int
    ticket_id: TicketId
    round: int
    kind: str
    state: str
    unit: UnitId | None
    why: str
    created_at: datetime
    due_at: datetime
    done_at: datetime | None
    done_by: str | None
    outcome: str


async def find(
    tx: AsyncConnection,
    *,
    actor: Actor,
    kind: str = "",
    ticket_id: TicketId | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int = 50,
) -> tuple[Task, ...]:
    """Open tasks this person may see, the most pressing first. after: due time and id of the last one seen."""
    scope = store.unit_scope(actor)
    wanted = [_table.c.state == "open"]
    if scope is not None:
        wanted.append(_table.c.unit == scope)
    if kind:
        wanted.append(_table.c.kind == kind)
    if ticket_id is not None:
        wanted.append(_table.c.ticket_id == ticket_id)
    query = select(_table).where(*wanted)
    if after is not None:
        query = query.where(tuple_(_table.c.due_at, _table.c.id) > after)
    ordered = query.order_by(_table.c.due_at, _table.c.id).limit(max(1, min(limit, MAX_PAGE)))
    return tuple(_task(row) for row in (await tx.execute(ordered)).all())


async def finish(tx: AsyncConnection, task_id: int, outcome: str, *, actor: Actor, now: datetime) -> Task:
    """The task is done, with what came of it.

    Raises TaskNotFound (another unit's too), TaskDone, GuardFailed for one that a command on its ticket ends,
    NotYours for a person who sees no tickets.
    """
    scope = store.unit_scope(actor)
    query = select(_table).where(_table.c.id == task_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    if row is None or (scope is not None and row.unit != scope):
        raise TaskNotFound
    if row.state != "open":
        raise TaskDone
    if row.kind in ENDED_BY:
        raise GuardFailed(f"「{KIND_NAMES[row.kind]}」不能单独勾销：请在工单上{ENDED_BY[row.kind]}，任务随之完成。")
    if row.unit is not None and scope is None:
        raise NotYours("这项说明须由承办单位填写。请提醒该单位办理。")
    if not outcome.strip():
        raise GuardFailed("请写明情况。")
    done = {"state": "done", "done_at": now, "done_by": str(actor), "outcome": outcome}
    changed = update(_table).where(_table.c.id == task_id).values(**done).returning(_table)
    return _task((await tx.execute(changed)).one())


def _task(row: Row[tuple[object, ...]]) -> Task:
    return Task(**{name: getattr(row, name) for name in Task.__dataclass_fields__})
