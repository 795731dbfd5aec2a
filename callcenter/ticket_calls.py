"""Calls about a ticket, to its citizen: one at a time, each a row from before it rings until the contact is noted.

Nobody who calls is shown the number: it leaves the vault where the command is carried out. Whether the citizen's
telephone was answered is known from the call; what was said is a person's statement, so an answered call waits for
the contact to be written down, and until then the ticket's citizen is not called again from here.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, exists, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.call_parse import ORIGINATED_FROM, OUTBOUND_FROM
from callcenter.tables import call, leg, missed_call
from callcenter.ticket_call_tables import ticket_call
from callcenter.types import AgentId, CallId, IdentityId, Party, TicketId, UnitId

MOST_SHOWN = 50
_T = ticket_call.c


class CitizenOnTheLine(Exception):
    """正在与这位诉求人通话，或另有人正在呼叫，请等通话结束后再拨。"""


class ContactNotNoted(Exception):
    """上一通与诉求人的通话还没有记录联系结果。请先在本工单确认联系情况，再重新拨打。"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call somebody wants. key: of the request; the same key again is the same call. agent or unit: who is rung."""

    key: str
    ticket_id: TicketId
    round: int
    caller: IdentityId
    purpose: str
    over_reason: str
    actor: str
    agent: AgentId | None
    unit: UnitId | None


@dataclass(frozen=True, slots=True)
class TicketCall:
    """One row, with what the call itself says. rang_at, answered_at: the citizen's telephone."""

    call_id: CallId
    ticket_id: TicketId
    purpose: str
    over_reason: str
    actor: str
    agent: AgentId | None
    unit: UnitId | None
    asked_at: datetime
    state: str
    ended_at: datetime | None
    noted_at: datetime | None
    staff_at: datetime | None
    rang_at: datetime | None
    answered_at: datetime | None
    citizen_ended_at: datetime | None
    cause: int | None

    @property
    def stage(self) -> str:
        """Where it is, for a screen: ringing_you, ringing_citizen, talking, or the state it ended in."""
        if self.state != "calling":
            return self.state
        if self.answered_at is not None:
            return "talking"
        return "ringing_citizen" if self.staff_at is not None else "ringing_you"

    @property
    def talked_s(self) -> float:
        """How long the citizen was on the line, seconds."""
        if self.answered_at is None or self.citizen_ended_at is None:
            return 0.0
        return max(0.0, (self.citizen_ended_at - self.answered_at).total_seconds())


def new_call_id(node: str, now: datetime) -> CallId:
    """An id for such a call; see call_parse.direction_of."""
    number = OUTBOUND_FROM + secrets.randbelow(ORIGINATED_FROM - OUTBOUND_FROM)
    return CallId(f"{node}-{int(now.timestamp())}.{number}")


async def known(tx: AsyncConnection, key: str) -> Row[Any] | None:
    """The row of an earlier request with this key."""
    return (await tx.execute(select(ticket_call).where(_T.key == key))).one_or_none()


async def begin(tx: AsyncConnection, asked: Asked, call_id: CallId, now: datetime) -> None:
    """Enter the call. Raises CitizenOnTheLine, ContactNotNoted."""
    # A call-back of the ledger of missed calls asks for the same lock: two ledgers, one citizen.
    await hold_line(tx, asked.caller)
    if await _on_the_line(tx, asked.caller):
        raise CitizenOnTheLine
    if await _not_noted(tx, asked):
        raise ContactNotNoted
    values = {name: getattr(asked, name) for name in Asked.__dataclass_fields__}
    try:
        async with tx.begin_nested():
            await tx.execute(insert(ticket_call).values(call_id=call_id, asked_at=now, **values))
    except IntegrityError:
        raise CitizenOnTheLine from None


async def hold_line(tx: AsyncConnection, caller: IdentityId) -> None:
    """Until the transaction ends nobody else begins to call this citizen."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"line:{caller}"})


async def is_calling(tx: AsyncConnection, caller: IdentityId) -> bool:
    """Whether a call about a ticket is being made to this citizen."""
    wanted = exists().where(_T.caller == caller, _T.state == "calling")
    return bool((await tx.execute(select(wanted))).scalar_one())


async def _on_the_line(tx: AsyncConnection, caller: IdentityId) -> bool:
    back = exists().where(missed_call.c.caller == caller, missed_call.c.state == "calling")
    talking = exists().where(call.c.caller == caller, call.c.ended_at.is_(None))
    return bool((await tx.execute(select(back | talking))).scalar_one()) or await is_calling(tx, caller)


async def _not_noted(tx: AsyncConnection, asked: Asked) -> bool:
    # The unit's talks are the unit's to write down, the hotline's the hotline's.
    same_side = _T.unit == asked.unit if asked.unit is not None else _T.unit.is_(None)
    wanted = exists().where(
        _T.ticket_id == asked.ticket_id,
        _T.round == asked.round,
        same_side,
        _T.state == "reached",
        _T.noted_at.is_(None),
    )
    return bool((await tx.execute(select(wanted))).scalar_one())


async def called_by(tx: AsyncConnection, call_id: CallId) -> IdentityId | None:
    """Whom the call is to; None: it is none about a ticket."""
    who = (await tx.execute(select(_T.caller).where(_T.call_id == call_id))).scalar_one_or_none()
    return IdentityId(who) if who is not None else None


async def finish(tx: AsyncConnection, call_id: CallId, state: str, at: datetime) -> TicketId | None:
    """The call is over, or was not made. None: no such call, or settled before.

    A call given up as failed or unknown that took place after all is settled by its own end.
    """
    open_states = ("calling",) if state in ("failed", "unknown") else ("calling", "failed", "unknown")
    done = update(ticket_call).where(_T.call_id == call_id, _T.state.in_(open_states))
    found = await tx.execute(done.values(state=state, ended_at=at).returning(_T.ticket_id))
    ticket_id = found.scalar_one_or_none()
    return TicketId(ticket_id) if ticket_id is not None else None


async def about(tx: AsyncConnection, call_id: CallId) -> tuple[TicketId, UnitId | None] | None:
    """The ticket a call is about, and the unit that calls."""
    row = (await tx.execute(select(_T.ticket_id, _T.unit).where(_T.call_id == call_id))).one_or_none()
    return (TicketId(row.ticket_id), UnitId(row.unit) if row.unit else None) if row else None


async def noted(tx: AsyncConnection, call_id: CallId, ticket_id: TicketId, by: str, now: datetime) -> bool:
    """The contact is written down. False: no such call of this ticket, or noted before."""
    mine = (_T.call_id == call_id, _T.ticket_id == ticket_id, _T.noted_at.is_(None))
    return bool((await tx.execute(update(ticket_call).where(*mine).values(noted_at=now, noted_by=by))).rowcount)


async def calls_of(tx: AsyncConnection, ticket_id: TicketId) -> tuple[CallId, ...]:
    """The calls about a ticket that Asterisk saw, oldest first: any of them may have a recording."""
    seen = ticket_call.join(call, call.c.id == _T.call_id)
    query = select(_T.call_id).select_from(seen).where(_T.ticket_id == ticket_id).order_by(_T.asked_at)
    return tuple(CallId(one) for one in (await tx.execute(query)).scalars())


async def of_ticket(tx: AsyncConnection, ticket_id: TicketId, unit: UnitId | None) -> tuple[TicketCall, ...]:
    """The calls about a ticket, newest first; unit: only that unit's."""
    query = _WITH_LEGS.where(_T.ticket_id == ticket_id).order_by(_T.asked_at.desc(), _T.call_id).limit(MOST_SHOWN)
    if unit is not None:
        query = query.where(_T.unit == unit)
    return tuple(_ticket_call(row) for row in await tx.execute(query))


async def find(tx: AsyncConnection, call_id: CallId) -> TicketCall | None:
    """One of them."""
    row = (await tx.execute(_WITH_LEGS.where(_T.call_id == call_id))).one_or_none()
    return _ticket_call(row) if row else None


def _legs_joined() -> Any:
    staff, citizen = leg.alias("staff"), leg.alias("citizen")
    ours = (staff.c.call_id == _T.call_id) & (staff.c.channel_id == _T.call_id)
    theirs = (citizen.c.call_id == _T.call_id) & (citizen.c.party == Party.CITIZEN)
    columns = (
        staff.c.answered_at.label("staff_at"),
        citizen.c.created_at.label("rang_at"),
        citizen.c.answered_at,
        citizen.c.ended_at.label("citizen_ended_at"),
        citizen.c.cause,
    )
    joined = ticket_call.outerjoin(staff, ours).outerjoin(citizen, theirs)
    return select(ticket_call, *columns).select_from(joined)


_WITH_LEGS = _legs_joined()


def _ticket_call(row: Any) -> TicketCall:
    return TicketCall(**{name: getattr(row, name) for name in TicketCall.__dataclass_fields__})
