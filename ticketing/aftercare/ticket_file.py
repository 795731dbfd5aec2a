"""The printable file of a ticket as structured data: what a paper archive holds, section by section.

Every value is text as people read it; whoever prints it decides the form. Source: GZ-056 (纸质版存档), LS-068.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId
from ticketing import records, store, tables
from ticketing.aftercare import tables as aftercare_tables
from ticketing.aftercare.contacts import PURPOSE_NAMES, Purpose
from ticketing.clocks import SHANGHAI
from ticketing.dispatch.units_tables import unit
from ticketing.policy import Policy
from ticketing.record import Ticket
from ticketing.words import EVENT_NAMES, FIELD_NAMES, FLAG_NAMES, REPLY_FIELD_NAMES, STATE_NAMES, Event, State

PRINTED = ("request_type", "source", "subject", "title", "content", "place", "occurred", "named_unit")


@dataclass(frozen=True, slots=True)
class Section:
    """rows: each as long as `columns`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class TicketFile:
    """number: the archive number, `` before archiving or where the policy numbers nothing. kinds: what the policy
    wants kept, and how many of each there are."""

    ticket: TicketId
    title: str
    number: str
    policy: str
    sections: tuple[Section, ...]
    kinds: tuple[tuple[str, int], ...]


async def ticket_file(tx: AsyncConnection, ticket: Ticket, policy: Policy) -> TicketFile:
    """The file of this ticket as it is now."""
    archive = tables.ticket_archive
    query = select(archive).where(archive.c.ticket_id == ticket.id).order_by(archive.c.round.desc()).limit(1)
    packed = (await tx.execute(query)).mappings().one_or_none()
    sections = (
        _facts(ticket),
        await _replies(tx, ticket.id),
        await _contacts(tx, ticket.id),
        await _course(tx, ticket.id),
    )
    materials = packed["manifest"]["materials"] if packed else []
    return TicketFile(
        ticket=ticket.id,
        title=ticket.title,
        number=(packed["number"] or "") if packed else "",
        policy=f"{policy.title}({policy.name})",
        sections=sections,
        kinds=await _kinds(tx, ticket, policy, materials),
    )


def _facts(ticket: Ticket) -> Section:
    rows = [(FIELD_NAMES[name], getattr(ticket, name)) for name in PRINTED if getattr(ticket, name)]
    flags = "、".join(FLAG_NAMES[flag] for flag in sorted(ticket.flags))
    rows += [("办理状态", STATE_NAMES[ticket.state]), ("标记", flags or "无"), ("办理结果", ticket.result)]
    rows += [
        ("评价", ticket.rating or "未评价"),
        ("登记时间", _text(ticket.registered_at)),
        ("办结时间", _text(ticket.closed_at)),
    ]
    return Section("工单", ("项目", "内容"), tuple(rows))


async def _replies(tx: AsyncConnection, ticket_id: TicketId) -> Section:
    table = tables.ticket_reply
    rows = (await tx.execute(select(table).where(table.c.ticket_id == ticket_id).order_by(table.c.seq))).all()
    names = await _unit_names(tx)
    return Section(
        "承办单位回复",
        ("轮次", "单位", "回复时间", "内容", "退回", "不实认定"),
        tuple(
            (
                str(row.round),
                names.get(row.unit, row.unit),
                _text(row.replied_at),
                "；".join(
                    f"{REPLY_FIELD_NAMES.get(name, name)}：{_text(value)}" for name, value in row.contents.items()
                ),
                row.defect or "",
                row.untrue_why,
            )
            for row in rows
        ),
    )


@dataclass(frozen=True, slots=True)
class WrittenReply:
    """A unit's last reply as a written opinion says it (SQ-024). unit: its id; law: what it names as its ground."""

    unit: str
    replied_at: datetime
    handler: str
    situation: str
    law: str
    plan: str
    signed_by: str


async def last_reply(tx: AsyncConnection, ticket_id: TicketId) -> WrittenReply | None:
    """The reply that stands: the last one that was not sent back. None when there is none."""
    table = tables.ticket_reply
    standing = (table.c.ticket_id == ticket_id, table.c.rejected_at.is_(None))
    row = (await tx.execute(select(table).where(*standing).order_by(table.c.seq.desc()).limit(1))).one_or_none()
    if row is None:
        return None

    def said(*names: str) -> str:
        return "；".join(str(row.contents[name]) for name in names if row.contents.get(name))

    return WrittenReply(
        unit=row.unit,
        replied_at=row.replied_at,
        handler=said("handler"),
        situation=said("situation"),
        law=said("not_filed_law", "not_filed_reason"),
        plan=said("stage_result", "follow_up_plan"),
        signed_by=said("signed_by"),
    )


async def _contacts(tx: AsyncConnection, ticket_id: TicketId) -> Section:
    table = aftercare_tables.ticket_contact
    rows = (await tx.execute(select(table).where(table.c.ticket_id == ticket_id).order_by(table.c.id))).all()
    names = await _unit_names(tx)
    lines = tuple(
        (
            _text(row.at),
            names.get(row.unit, row.unit) or "热线",
            PURPOSE_NAMES[Purpose(row.purpose)],
            row.method,
            row.told,
        )
        for row in rows
    )
    return Section("联系诉求人", ("时间", "单位", "目的", "方式", "情况"), lines)


async def _unit_names(tx: AsyncConnection) -> dict[str, str]:
    """What units are called, by their id."""
    return {row.id: row.name for row in await tx.execute(select(unit.c.id, unit.c.name))}


async def _course(tx: AsyncConnection, ticket_id: TicketId) -> Section:
    lines = tuple(
        (
            str(entry.seq),
            _text(entry.at),
            EVENT_NAMES[Event(entry.kind)],
            entry.actor,
            STATE_NAMES[State(entry.to_state)],
        )
        for entry, _, __ in await store.chain_of(tx, ticket_id)
    )
    return Section("办理过程", ("序号", "时间", "事项", "人员", "状态"), lines)


async def _kinds(
    tx: AsyncConnection, ticket: Ticket, policy: Policy, materials: list[dict[str, Any]]
) -> tuple[tuple[str, int], ...]:
    """How many of each kind the policy wants kept; a kind nothing here provides is kept on paper and counts 0."""
    held = {
        "工单": 1,
        "电话记录": sum(1 for one in materials if one.get("kind") in ("recording", "transcript")),
        "交办回复": await _count(tx, "ticket_reply", ticket.id) + await _count(tx, "ticket_assignment", ticket.id),
        "会议材料": await _count(tx, "ticket_dispute", ticket.id),
        "领导批示件": await _count(tx, "approval", ticket.id),
    }
    return tuple((kind, held.get(kind, 0)) for kind in policy.archive.package)


async def _count(tx: AsyncConnection, name: str, ticket_id: TicketId) -> int:
    table = next((one for one in records.package_tables() if one.name == name), None)
    if table is None:
        return 0
    return len((await tx.execute(select(table.c.id).where(table.c.ticket_id == ticket_id))).all())


def _text(value: object) -> str:
    """Times as a clock on a wall shows them."""
    if isinstance(value, datetime):
        return f"{value.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)


async def package_is_whole(tx: AsyncConnection, ticket_id: TicketId, round_: int) -> bool:
    """Whether the events a package was made of still are what they were; for backups read back. Source: GZ-055."""
    archive = tables.ticket_archive
    query = select(archive).where(archive.c.ticket_id == ticket_id, archive.c.round == round_)
    packed = (await tx.execute(query)).mappings().one_or_none()
    if packed is None or store.sha256(packed["manifest"]) != packed["sha256"]:
        return False
    chain = (await store.chain_of(tx, ticket_id))[: packed["events"]]
    return len(chain) == packed["events"] and store.broken_link(chain) is None and chain[-1][2] == packed["last_hash"]
