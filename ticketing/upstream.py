"""Tickets of the platform above: taken in once, asked about by its numbers, rated and decided on from there.

Takes the caller's transaction. Everything the platform says has a key of its own; the same key again changes
nothing, and the same key with other contents is refused.

Source: LS-001, WX-003, WX-007, SQ-003, MC-001 (tickets come down); LS-018, LS-054 (results go back); LS-064 (the
platform's survey); WX-016 (the body that accepted the request decides on an extension).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId
from ticketing import service, store, tables
from ticketing.aftercare import followup, surveys
from ticketing.aftercare.sms_reply import RATINGS, Reply
from ticketing.aftercare.survey_words import Receipt, Replied, Reported
from ticketing.commands import Changes, Forward, GrantExtension, Rate, RefuseExtension
from ticketing.facts import Fact
from ticketing.policy import Rules
from ticketing.record import GuardFailed, Refused, Ticket
from ticketing.service import Outcome
from ticketing.ticket import allowed
from ticketing.upstream_tables import upstream_item, upstream_ticket
from ticketing.words import Event, RatingSource, State


class UpstreamUnknown(Refused):
    """The platform names a ticket or a request that is not here or not its own; both look the same on purpose."""

    def __init__(self) -> None:
        super().__init__("没有这个编号的转派工单或申请。请核对编号。")


class Contradicted(Refused):
    """The platform said something else under the same key before."""

    def __init__(self, what: str) -> None:
        super().__init__(f"编号「{what}」已经收到过，内容与这次不同。重复提交须与原来一致；有新内容请用新的编号。")


@dataclass(frozen=True, slots=True)
class Handed:
    """A ticket as it is handed down. digest: checksum of all of it. feedback_due_at: when an answer is wanted."""

    system: str
    external_id: str
    source: str
    changes: Changes
    digest: str
    feedback_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A ticket's number up there, and whether the platform has been told the result."""

    system: str
    external_id: str
    ticket_id: TicketId
    source: str
    digest: str
    received_at: datetime
    feedback_due_at: datetime | None
    feedback: str
    feedback_at: datetime | None


@dataclass(frozen=True, slots=True)
class Received:
    """The ticket here. created False: it was here already."""

    ticket: Ticket
    facts: tuple[Fact, ...]
    created: bool


async def receive(tx: AsyncConnection, handed: Handed, *, actor: Actor, now: datetime, rules: Rules) -> Received:
    """Open and register the platform's ticket, once; it then waits for a dispatcher or a signature.

    Raises GuardFailed for a source the platform has no business with, Contradicted, and what registering raises.
    """
    known = await find(tx, handed.system, handed.external_id)
    if known is not None:
        return await _repeated(tx, known, handed)
    exchange = rules.at(now).exchange
    if exchange is None:
        raise GuardFailed("本地规定没有上级平台转派的来源，不能接收转派工单。")
    if handed.source not in exchange.sources:
        listed = "、".join(sorted(exchange.sources))
        raise GuardFailed.by(
            f"来源「{handed.source}」不是上级平台转派的来源。可用的来源：{listed}。", exchange.sources_basis
        )
    opened = await service.open_draft(
        tx,
        actor=actor,
        now=now,
        rules=rules,
        requester=handed.changes.requester,
        source=handed.source,
        key=f"upstream:{handed.system}:{handed.external_id}",
    )
    if not opened.facts:
        # Another request with the same number was a moment faster; it has committed by now.
        known = await find(tx, handed.system, handed.external_id)
        assert known is not None
        return await _repeated(tx, known, handed)
    await tx.execute(upsert(upstream_ticket).values(**_row(handed, opened.id, now)))
    registered = await service.register(tx, opened.id, fields=handed.changes, actor=actor, now=now, rules=rules)
    told = opened.facts + registered.facts
    if Event.FORWARD in allowed(registered.ticket, actor):
        forwarded = await service.carry_out(tx, opened.id, Forward(), actor=actor, now=now, rules=rules)
        return Received(forwarded.ticket, told + forwarded.facts, created=True)
    return Received(registered.ticket, told, created=True)


def _row(handed: Handed, ticket_id: TicketId, now: datetime) -> dict[str, Any]:
    return {
        "system": handed.system,
        "external_id": handed.external_id,
        "ticket_id": ticket_id,
        "source": handed.source,
        "digest": handed.digest,
        "received_at": now,
        "feedback_due_at": handed.feedback_due_at,
    }


async def _repeated(tx: AsyncConnection, known: Link, handed: Handed) -> Received:
    if known.digest != handed.digest:
        raise Contradicted(handed.external_id)
    return Received(await store.load(tx, known.ticket_id), (), created=False)


async def find(tx: AsyncConnection, system: str, external_id: str) -> Link | None:
    """The ticket the platform knows by this number."""
    table = upstream_ticket
    query = select(table).where(table.c.system == system, table.c.external_id == external_id)
    return _link((await tx.execute(query)).one_or_none())


async def link_of(tx: AsyncConnection, ticket_id: TicketId) -> Link | None:
    """What the platform calls this ticket; None for one that did not come from there."""
    query = select(upstream_ticket).where(upstream_ticket.c.ticket_id == ticket_id)
    return _link((await tx.execute(query)).one_or_none())


def _link(row: Row[Any] | None) -> Link | None:
    return None if row is None else Link(**row._mapping)


async def linked(tx: AsyncConnection, system: str, external_id: str, *, lock: bool = False) -> tuple[Link, Ticket]:
    """The ticket the platform means. Raises UpstreamUnknown."""
    link = await find(tx, system, external_id)
    if link is None:
        raise UpstreamUnknown
    return link, await store.load(tx, link.ticket_id, lock=lock)


async def fed_back(tx: AsyncConnection, ticket_id: TicketId, at: datetime) -> None:
    """The result is on its way to the platform: the duty to report back is met. Source: LS-018, LS-054, SQ-003."""
    owed = (upstream_ticket.c.ticket_id == ticket_id, upstream_ticket.c.feedback == "owed")
    await tx.execute(update(upstream_ticket).where(*owed).values(feedback="given", feedback_at=at))


async def owed(tx: AsyncConnection, ticket_id: TicketId) -> None:
    """A new round: the platform is told again."""
    given = upstream_ticket.c.ticket_id == ticket_id
    await tx.execute(update(upstream_ticket).where(given).values(feedback="owed", feedback_at=None))


async def keep(
    tx: AsyncConnection, ticket_id: TicketId, kind: str, key: str, body: Mapping[str, Any], now: datetime
) -> bool:
    """Note what the platform said. False: it said so before. Raises Contradicted when it said something else."""
    table = upstream_item
    row = upsert(table).values(ticket_id=ticket_id, kind=kind, key=key, body=dict(body), received_at=now)
    if (await tx.execute(row.on_conflict_do_nothing().returning(table.c.key))).one_or_none() is not None:
        return True
    same = (table.c.ticket_id == ticket_id, table.c.kind == kind, table.c.key == key)
    before = (await tx.execute(select(table.c.body).where(*same))).scalar_one()
    if store.canonical(before) != store.canonical(dict(body)):
        raise Contradicted(key)
    return False


async def items(tx: AsyncConnection, ticket_id: TicketId, kind: str) -> tuple[dict[str, Any], ...]:
    """What the platform said of one kind, in the order it came."""
    table = upstream_item
    query = select(table.c.key, table.c.body).where(table.c.ticket_id == ticket_id, table.c.kind == kind)
    rows = await tx.execute(query.order_by(table.c.received_at, table.c.key))
    return tuple({"key": row.key, **row.body} for row in rows)


@dataclass(frozen=True, slots=True)
class UpstreamRating:
    """source: whose word it is; the platform says so and it is kept apart. delivered_at: of its message."""

    key: str
    rating: str
    source: RatingSource
    comment: str
    delivered_at: datetime | None


async def rate(
    tx: AsyncConnection, ticket: Ticket, given: UpstreamRating, *, actor: Actor, now: datetime, rules: Rules
) -> Outcome:
    """The rating the platform's own survey brought. Locks nothing: `ticket` is locked already.

    A running survey of ours counts it as the citizen's answer, so that nobody asks again; else it is noted directly.
    Raises NotNow and GuardFailed: out of the survey, rated before, or silence without a proven delivery.
    Source: LS-064; LS-065 and LS-066 for silence.
    """
    kept = await surveys.of_round(tx, ticket.id, ticket.round)
    counted = next((level for level in RATINGS if level == given.rating), None)
    asked = kept is not None and kept.survey.holds_number and kept.survey.submitting_at is not None
    if kept is not None and asked and counted and given.source is RatingSource.CITIZEN:
        said = Reply(given.rating, counted, "count", given.comment or None)
        followed = await followup.tell(
            tx, kept.id, [Replied(now, f"upstream:{given.key}", said)], rules=rules, actor=actor
        )
        after = await store.load(tx, ticket.id)
        if after.rating is not None and ticket.rating is None:
            return Outcome(after, followed.facts)
    detail = Rate(given.rating, given.source, comment=given.comment, delivered_at=given.delivered_at)
    rated = await service.carry_out(tx, ticket.id, detail, actor=actor, now=now, rules=rules)
    return Outcome(rated.ticket, rated.facts + await surveys.settle(tx, ticket, now))


async def survey_receipt(
    tx: AsyncConnection, ticket: Ticket, *, delivered: bool, at: datetime, rules: Rules, actor: Actor
) -> tuple[Fact, ...]:
    """The platform's message reached the citizen, or did not; silence counts only after it did (LS-065, LS-066)."""
    kept = await surveys.of_round(tx, ticket.id, ticket.round)
    if kept is None or ticket.state is not State.SURVEYING:
        return ()
    receipt = Reported(at, Receipt.DELIVERED if delivered else Receipt.FAILED)
    return (await followup.tell(tx, kept.id, [receipt], rules=rules, actor=actor)).facts


@dataclass(frozen=True, slots=True)
class ExtensionDecision:
    """amount None: refused. by: who decided up there."""

    amount: int | None
    reason: str
    by: str


async def decide_extension(
    tx: AsyncConnection,
    system: str,
    extension_id: int,
    decision: ExtensionDecision,
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
) -> Outcome:
    """The platform grants or refuses what a unit asked for on one of its tickets (WX-016).

    Raises UpstreamUnknown, Contradicted when it was decided otherwise, and the guards of the command.
    """
    table = tables.ticket_extension
    joined = table.join(upstream_ticket, upstream_ticket.c.ticket_id == table.c.ticket_id)
    query = select(table.c.ticket_id).select_from(joined)
    query = query.where(table.c.id == extension_id, upstream_ticket.c.system == system)
    ticket_id = (await tx.execute(query)).scalar_one_or_none()
    if ticket_id is None:
        raise UpstreamUnknown
    ticket = await store.load(tx, TicketId(ticket_id), lock=True)
    body = {"amount": decision.amount, "reason": decision.reason, "by": decision.by}
    if not await keep(tx, ticket.id, "decision", str(extension_id), body, now):
        return Outcome(ticket, ())
    state = (await tx.execute(select(table.c.state).where(table.c.id == extension_id))).scalar_one()
    if state != "requested":
        raise GuardFailed("这项延期申请已经结束，不能再作决定。")
    why = f"{decision.by}：{decision.reason}".strip("：")
    detail = RefuseExtension(why) if decision.amount is None else GrantExtension(decision.amount, why)
    return await service.step(tx, ticket, detail, actor=actor, now=now, rules=rules)
