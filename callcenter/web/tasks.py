"""Tasks for people: calls to make, texts to read, results to review, explanations to write."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from callcenter.audit import Audited, note
from callcenter.types import Role, TicketId
from callcenter.web.context import Context
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_fields import Said
from callcenter.web.ticket_shapes import Veil, veil_of
from ticketing import tasks
from ticketing.tasks import KIND_NAMES, MAX_PAGE, Task

api = Routes("tasks")
WORKERS = frozenset({Role.AGENT, Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR, Role.UNIT})


Kind = Literal[
    "review", "manual_call", "read_reply", "explain_overdue", "supplement", "unit_follow_up", "recheck", "look_back"
]


class TaskQuery(Query):
    """after_due_at, after_id: `next_due_at` and `next_id` of the page before."""

    kind: Kind | None = None
    ticket: Annotated[str, Field(max_length=14)] = ""
    after_due_at: AwareDatetime | None = None
    after_id: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50


class TaskDone(In):
    outcome: Said


class TaskRow(Out):
    id: int
    ticket: str
    round: int
    kind: str
    kind_name: str
    state: str
    unit: str | None
    why: str
    created_at: datetime
    due_at: datetime
    late: bool
    done_at: datetime | None
    done_by: str | None
    outcome: str


class TaskPage(Out):
    rows: list[TaskRow]
    next_due_at: datetime | None
    next_id: int | None


@api.get("/api/tasks", WORKERS)
async def list_tasks(ctx: Context, query: TaskQuery) -> TaskPage:
    """待办任务，按期限排列；承办单位只见本单位的"""
    veil, now = veil_of(ctx.actor), ctx.now
    after = (query.after_due_at, query.after_id) if query.after_due_at else None
    ticket = TicketId(query.ticket) if query.ticket else None
    async with ctx.transaction() as tx:
        found = await tasks.find(
            tx, actor=ctx.actor, kind=query.kind or "", ticket_id=ticket, after=after, limit=query.limit
        )
    last = found[-1] if len(found) == query.limit else None
    rows = [_row(one, veil, now) for one in found]
    return TaskPage(rows=rows, next_due_at=last.due_at if last else None, next_id=last.id if last else None)


@api.post("/api/tasks/{task_id}/done", WORKERS)
async def finish_task(ctx: Context, task_id: int, body: TaskDone) -> TaskRow:
    """完成任务，写明结果；回访与审核在工单上办理后自动完成"""
    now = ctx.now
    async with ctx.transaction() as tx:
        done = await tasks.finish(tx, task_id, body.outcome, actor=ctx.actor, now=now)
        await note(tx, Audited(ctx.actor, "task.done", f"task:{task_id}", detail={"ticket": done.ticket_id}))
    return _row(done, veil_of(ctx.actor), now)


def _row(task: Task, veil: Veil, now: datetime) -> TaskRow:
    return TaskRow(
        id=task.id,
        ticket=task.ticket_id,
        round=task.round,
        kind=task.kind,
        kind_name=KIND_NAMES[task.kind],
        state=task.state,
        unit=task.unit,
        why=veil.text(task.why),
        created_at=task.created_at,
        due_at=task.due_at,
        late=now > task.due_at if task.done_at is None else task.done_at > task.due_at,
        done_at=task.done_at,
        done_by=task.done_by,
        outcome=veil.text(task.outcome),
    )
