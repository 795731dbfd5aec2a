"""The audit by the API: who saw, heard, changed or exported what, for auditors."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, Field
from sqlalchemy import RowMapping, Select, select, tuple_

from callcenter import accounts
from callcenter.audit import Audited, note
from callcenter.tables import audit
from callcenter.types import Role
from callcenter.web.audit_words import ACTIONS, name_of
from callcenter.web.context import Context
from callcenter.web.list_cells import cell_of
from callcenter.web.router import Out, Query, Routes

api = Routes("audit")
READERS = frozenset({Role.AUDITOR})
MAX_PAGE = 200
ZERO = datetime(1970, 1, 1, tzinfo=UTC)
Word = Annotated[str, Field(min_length=1, max_length=100)]


class AuditQuery(Query):
    """subject: kind:id (recording:17, call:..., identity:5, user:...); actor: user:login. before: `next` of the page
    before."""

    subject: Word | None = None
    actor: Word | None = None
    action: Word | None = None
    ok: bool | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    before: Annotated[str, Field(pattern=r"^[0-9]{1,18}-[0-9]{1,18}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50


class AuditRow(Out):
    """One deed. ok False: it was tried and refused. actor_name: of a person with an account; told: detail in words."""

    id: int
    at: datetime
    actor: str
    actor_name: str
    action: str
    action_name: str
    subject: str
    ok: bool
    detail: dict[str, Any]
    told: str


class ActionName(Out):
    code: str
    name: str


class AuditPage(Out):
    """Newest first. next: of the following page, null at the end. actions: all there are, with the first page."""

    rows: list[AuditRow]
    next: str | None
    actions: list[ActionName]


@api.get("/api/audit", READERS)
async def read_audit(ctx: Context, query: AuditQuery) -> AuditPage:
    """查询审计记录：谁在何时看过、听过、改过、导出过什么；查询本身也留痕"""
    asked = {name: str(value) for name, value in query.model_dump(exclude_none=True).items()}
    async with ctx.transaction() as tx:
        rows = (await tx.execute(page_of(query))).mappings().all()
        if query.before is None:
            await note(tx, Audited(ctx.actor, "audit.read", "audit:many", detail=asked))
        names = await accounts.names_of(tx, {row["actor"] for row in rows})
    more = len(rows) > query.limit
    shown = [_row(row, names) for row in rows[: query.limit]]
    actions = [ActionName(code=code, name=name) for code, name in ACTIONS.items()] if query.before is None else []
    return AuditPage(rows=shown, next=_mark(shown[-1]) if more else None, actions=actions)


def _row(row: RowMapping, names: Mapping[str, str]) -> AuditRow:
    kept = {name: row[name] for name in ("id", "at", "actor", "action", "subject", "ok", "detail")}
    told = cell_of("detail", row["detail"])
    return AuditRow(
        **kept,
        actor_name=names.get(row["actor"], row["actor"]),
        action_name=name_of(row["action"]),
        told=str(told) if told is not None else "",
    )


def page_of(query: AuditQuery) -> Select[Any]:
    """One row more than the page has."""
    at, same = audit.c.at, ("subject", "actor", "action", "ok")
    given = [audit.c[name] == value for name in same if (value := getattr(query, name)) is not None]
    if query.since is not None:
        given.append(at >= query.since)
    if query.until is not None:
        given.append(at < query.until)
    if query.before is not None:
        micros, number = query.before.split("-")
        passed = (ZERO + timedelta(microseconds=int(micros)), int(number))
        given.append(tuple_(at, audit.c.id) < tuple_(*passed))
    return select(audit).where(*given).order_by(at.desc(), audit.c.id.desc()).limit(query.limit + 1)


def _mark(row: AuditRow) -> str:
    return f"{(row.at - ZERO) // timedelta(microseconds=1)}-{row.id}"
