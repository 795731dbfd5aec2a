"""Report runs, their files and what people put in for scores, as rows. A made report's figures never change again."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor
from ticketing import tables
from ticketing.appraisal.reports import Format
from ticketing.appraisal.rules import Variant
from ticketing.appraisal.tables import appraisal_input, report_file, report_run
from ticketing.appraisal.terms import Term
from ticketing.record import GuardFailed, Refused
from ticketing.store import sha256

MAX_PAGE = 200


class ReportNotFound(Refused):
    """There is no such report or file, or it is not for this person."""

    def __init__(self) -> None:
        super().__init__("没有这份报告。请核对编号。")


@dataclass(frozen=True, slots=True)
class Run:
    """One making of a report. state: asked, made, published."""

    id: int
    definition: str
    term: str
    revision: int
    state: str
    remarks: str
    asked_by: str
    asked_at: datetime
    publish_by: datetime | None
    made_at: datetime | None
    metrics: str | None
    policy: str | None
    digest: str | None
    published_at: datetime | None
    published_by: str | None


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file of a run, below the reports folder under its run's number."""

    id: int
    run_id: int
    variant: Variant
    format: Format
    name: str
    sha256: str
    size_bytes: int


_RUN = [report_run.c[name] for name in Run.__dataclass_fields__]
_FILE = [report_file.c[name] for name in ReportFile.__dataclass_fields__]


async def ask(
    tx: AsyncConnection,
    definition: str,
    term: Term,
    *,
    actor: Actor,
    now: datetime,
    publish_by: datetime | None,
    remarks: str = "",
    first_only: bool = False,
) -> Run | None:
    """A new run, the next revision. first_only: None when there is one for that term already (the sweep's way)."""
    same = (report_run.c.definition == definition, report_run.c.term == term.name)
    last = (await tx.execute(select(func.max(report_run.c.revision)).where(*same))).scalar_one() or 0
    if first_only and last:
        return None
    row = upsert(report_run).values(
        definition=definition,
        term=term.name,
        revision=last + 1,
        remarks=remarks,
        asked_by=str(actor),
        asked_at=now,
        publish_by=publish_by,
    )
    made = (await tx.execute(row.on_conflict_do_nothing().returning(*_RUN))).one_or_none()
    if made is None and not first_only:
        raise GuardFailed("同一报告正由他人生成，请稍候刷新列表。")
    return None if made is None else Run(*made)


async def run_of(tx: AsyncConnection, run_id: int, *, lock: bool = False) -> Run:
    """Raises ReportNotFound."""
    query = select(*_RUN).where(report_run.c.id == run_id)
    found = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    if found is None:
        raise ReportNotFound
    return Run(*found)


async def figures_of(tx: AsyncConnection, run_id: int) -> Any:
    """The frozen figures as JSON. Raises ReportNotFound while there are none."""
    query = select(report_run.c.figures).where(report_run.c.id == run_id)
    figures = (await tx.execute(query)).scalar_one_or_none()
    if figures is None:
        raise ReportNotFound
    return figures


async def last_figures(tx: AsyncConnection, definitions: tuple[str, ...], term: Term) -> Any | None:
    """The frozen figures of the newest run of one of these definitions for that term."""
    same = (report_run.c.definition.in_(definitions), report_run.c.term == term.name, report_run.c.figures.is_not(None))
    query = select(report_run.c.figures).where(*same).order_by(report_run.c.id.desc()).limit(1)
    return (await tx.execute(query)).scalar_one_or_none()


async def freeze(
    tx: AsyncConnection,
    run_id: int,
    figures: Any,
    *,
    policy: str,
    metrics: str,
    now: datetime,
    files: list[dict[str, Any]],
) -> None:
    """The figures and files of a run, at once. Its state is `made` then."""
    done = {"state": "made", "figures": figures, "digest": sha256(figures), "made_at": now}
    change = update(report_run).where(report_run.c.id == run_id, report_run.c.state == "asked")
    changed = await tx.execute(change.values(**done, policy=policy, metrics=metrics))
    if changed.rowcount and files:
        await tx.execute(insert(report_file), [one | {"run_id": run_id} for one in files])


async def publish(tx: AsyncConnection, run_id: int, *, actor: Actor, now: datetime) -> Run:
    """Published, by whom. Raises ReportNotFound, GuardFailed."""
    run = await run_of(tx, run_id, lock=True)
    if run.state != "made":
        raise GuardFailed("报告尚未生成或已发布，不能再次发布。")
    change = update(report_run).where(report_run.c.id == run_id)
    await tx.execute(change.values(state="published", published_at=now, published_by=str(actor)))
    return await run_of(tx, run_id)


async def runs(
    tx: AsyncConnection, *, definition: str = "", before: int | None = None, limit: int = 50
) -> tuple[Run, ...]:
    """The newest first. before: the last id of the page before."""
    query = select(*_RUN).order_by(report_run.c.id.desc()).limit(min(limit, MAX_PAGE))
    if definition:
        query = query.where(report_run.c.definition == definition)
    if before is not None:
        query = query.where(report_run.c.id < before)
    return tuple(Run(*row) for row in await tx.execute(query))


async def files_of(tx: AsyncConnection, run_id: int) -> tuple[ReportFile, ...]:
    """What was written for a run."""
    rows = await tx.execute(select(*_FILE).where(report_file.c.run_id == run_id).order_by(report_file.c.id))
    return tuple(_file(row) for row in rows)


async def file_of(tx: AsyncConnection, file_id: int) -> ReportFile:
    """Raises ReportNotFound."""
    row = (await tx.execute(select(*_FILE).where(report_file.c.id == file_id))).one_or_none()
    if row is None:
        raise ReportNotFound
    return _file(row)


def _file(row: Any) -> ReportFile:
    return ReportFile(row[0], row[1], Variant(row[2]), Format(row[3]), row[4], row[5], row[6])


async def unmade(tx: AsyncConnection, older_than: datetime) -> tuple[int, ...]:
    """Runs that were asked for long ago and are not made: their job is asked for again."""
    query = select(report_run.c.id).where(report_run.c.state == "asked", report_run.c.asked_at < older_than)
    return tuple((await tx.execute(query.order_by(report_run.c.id).limit(100))).scalars())


async def began(tx: AsyncConnection) -> datetime | None:
    """When the first ticket was registered: no report is made by itself for a time before that."""
    first: datetime | None = (await tx.execute(select(func.min(tables.ticket.c.registered_at)))).scalar_one()
    return first


# ---- what people put in ---------------------------------------------------------------------------------------------


async def put_in(
    tx: AsyncConnection, term: Term, unit: str, item: str, value: float, note: str, *, actor: Actor, now: datetime
) -> None:
    """Points for an item, of a unit or (unit ``) of the platform. Each stays; scores take the last or the mean."""
    row = {"term": term.name, "unit": unit, "item": item, "value": value, "note": note, "by": str(actor), "at": now}
    await tx.execute(insert(appraisal_input).values(**row))


@dataclass(frozen=True, slots=True)
class Given:
    """Points as they were put in. unit: `` for the platform; at: aware UTC."""

    id: int
    unit: str
    item: str
    value: float
    note: str
    by: str
    at: datetime


async def given(tx: AsyncConnection, term: Term, *, before: int | None = None, limit: int = 50) -> tuple[Given, ...]:
    """What was put in for exactly this term, the newest first. before: the last id of the page before."""
    table = appraisal_input
    columns = [table.c[name] for name in Given.__dataclass_fields__]
    query = select(*columns).where(table.c.term == term.name).order_by(table.c.id.desc()).limit(min(limit, MAX_PAGE))
    if before is not None:
        query = query.where(table.c.id < before)
    return tuple(Given(*row) for row in await tx.execute(query))


async def inputs(tx: AsyncConnection, terms: tuple[Term, ...]) -> dict[str, dict[str, list[float]]]:
    """What was put in for these terms: unit -> item -> values, oldest first."""
    table = appraisal_input
    query = select(table.c.unit, table.c.item, table.c.value).where(table.c.term.in_([term.name for term in terms]))
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in await tx.execute(query.order_by(table.c.id)):
        found[row.unit][row.item].append(row.value)
    return found
