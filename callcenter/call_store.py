"""Calls as rows: what the pure machine holds, saved after each change and read back after a restart."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.call_events import Place
from callcenter.call_facts import Situation
from callcenter.calls import Call, Leg, Stay
from callcenter.tables import call as call_table
from callcenter.tables import leg as leg_table
from callcenter.tables import talk as talk_table
from callcenter.types import CallId, ChannelId, IdentityId, Party

MOST_IDS = 1000
"""Calls asked for at a time: a statement carries at most 32,767 values, and a day's log names more calls."""


async def save(tx: AsyncConnection, before: Call | None, after: Call, *, node: str, caller: IdentityId | None) -> None:
    """Write what changed between two values of one call. `caller` is kept once known."""
    row = _call_row(after, node)
    changed = insert(call_table).values(**row, caller=caller)
    keep = {column: changed.excluded[column] for column in row if column not in ("id", "node", "started_at")}
    if caller is not None:
        keep["caller"] = changed.excluded.caller
    await tx.execute(changed.on_conflict_do_update(index_elements=["id"], set_=keep))
    old_legs = before.legs if before else {}
    await _save_legs(tx, after.id, [leg for key, leg in after.legs.items() if old_legs.get(key) != leg])
    old_stays = frozenset(before.stays) if before else frozenset()
    await _save_stays(tx, after.id, [stay for stay in after.stays if stay not in old_stays])


def _call_row(call: Call, node: str) -> dict[str, Any]:
    story = {
        "in_queue": call.in_queue,
        "waiting_since": call.waiting_since.isoformat() if call.waiting_since else None,
        "callback_asked": call.callback_asked,
        "menu_outcome": call.menu_outcome,
    }
    return {
        "id": call.id,
        "node": node,
        "direction": call.direction,
        "state": call.shown if call.ended_at is None else Situation.ENDED,
        "queue": call.queue or None,
        "request_type": call.request_type or None,
        "agent_id": call.agent or None,
        "started_at": call.started_at,
        "answered_at": call.answered_at,
        "queued_at": call.queued_at,
        "agent_ringing_at": call.agent_ringing_at,
        "agent_answered_at": call.agent_answered_at,
        "ended_at": call.ended_at,
        "exit_reason": call.exit_reason or None,
        "story": story,
    }


async def _save_legs(tx: AsyncConnection, call_id: CallId, legs: Sequence[Leg]) -> None:
    for leg in legs:
        row = insert(leg_table).values(
            channel_id=leg.channel_id,
            call_id=call_id,
            party=leg.party,
            name=leg.name,
            # The citizen's number lives in the vault only.
            who="" if leg.party == Party.CITIZEN else leg.who,
            created_at=leg.created_at,
            answered_at=leg.answered_at,
            ended_at=leg.ended_at,
            cause=leg.cause,
        )
        new = {name: row.excluded[name] for name in ("party", "name", "who", "answered_at", "ended_at", "cause")}
        await tx.execute(row.on_conflict_do_update(index_elements=["channel_id"], set_=new))


async def _save_stays(tx: AsyncConnection, call_id: CallId, stays: Sequence[Stay]) -> None:
    for stay in stays:
        row = insert(talk_table).values(
            call_id=call_id,
            bridge_id=stay.bridge_id,
            kind=stay.place,
            channel_id=stay.channel_id,
            party=stay.party,
            from_at=stay.from_at,
            until_at=stay.until_at,
        )
        await tx.execute(row.on_conflict_do_update(constraint="talk_once", set_={"until_at": row.excluded.until_at}))


async def load_open(tx: AsyncConnection, node: str) -> dict[CallId, Call]:
    """Calls of a node that have not ended."""
    query = select(call_table).where(call_table.c.ended_at.is_(None), call_table.c.node == node)
    return await _with_parts(tx, (await tx.execute(query)).all())


async def load(tx: AsyncConnection, ids: Iterable[CallId]) -> dict[CallId, Call]:
    """These calls, ended ones included; unknown ids are absent."""
    wanted, found = list(ids), dict[CallId, Call]()
    for first in range(0, len(wanted), MOST_IDS):
        query = select(call_table).where(call_table.c.id.in_(wanted[first : first + MOST_IDS]))
        found |= await _with_parts(tx, (await tx.execute(query)).all())
    return found


async def _with_parts(tx: AsyncConnection, rows: Sequence[Any]) -> dict[CallId, Call]:
    ids = [row.id for row in rows]
    legs = (await tx.execute(select(leg_table).where(leg_table.c.call_id.in_(ids)))).all()
    talks = (await tx.execute(select(talk_table).where(talk_table.c.call_id.in_(ids)).order_by(talk_table.c.id))).all()
    calls: dict[CallId, Call] = {}
    for row in rows:
        own_legs = {ChannelId(x.channel_id): _leg(x) for x in legs if x.call_id == row.id}
        stays = tuple(_stay(x) for x in talks if x.call_id == row.id)
        calls[CallId(row.id)] = _call(row, own_legs, stays)
    return calls


def _call(row: Any, legs: dict[ChannelId, Leg], stays: tuple[Stay, ...]) -> Call:
    return Call(
        id=CallId(row.id),
        started_at=row.started_at,
        direction=row.direction,
        queue=row.queue or "",
        request_type=row.request_type or "",
        agent=row.agent_id or "",
        legs=legs,
        stays=stays,
        answered_at=row.answered_at,
        queued_at=row.queued_at,
        waiting_since=datetime.fromisoformat(since) if (since := row.story.get("waiting_since")) else None,
        in_queue=bool(row.story.get("in_queue")),
        agent_ringing_at=row.agent_ringing_at,
        agent_answered_at=row.agent_answered_at,
        callback_asked=str(row.story.get("callback_asked", "")),
        menu_outcome=str(row.story.get("menu_outcome", "")),
        ended_at=row.ended_at,
        exit_reason=row.exit_reason or "",
        shown=Situation(row.state),
    )


def _leg(row: Any) -> Leg:
    channel_id, party = ChannelId(row.channel_id), Party(row.party)
    return Leg(channel_id, row.name, party, row.who, row.created_at, row.answered_at, row.ended_at, row.cause)


def _stay(row: Any) -> Stay:
    place, channel_id, party = Place(row.kind), ChannelId(row.channel_id), Party(row.party)
    return Stay(row.bridge_id, place, channel_id, party, row.from_at, row.until_at)
