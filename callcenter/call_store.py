"""Calls as rows: what the pure machine holds, saved after each change and read back after a restart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.call_events import Place
from callcenter.call_facts import Situation
from callcenter.call_state import Call, Leg, Stay
from callcenter.tables import call as call_table
from callcenter.tables import leg as leg_table
from callcenter.tables import talk as talk_table
from callcenter.types import CallId, ChannelId, IdentityId, Party

MOST_IDS = 1000
"""Calls asked for at a time: a statement carries at most 32,767 values, and a day's log names more calls."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call between two looks. caller: None when this step did not learn it."""

    before: Call | None
    after: Call
    caller: IdentityId | None = None


async def save(tx: AsyncConnection, steps: Sequence[Step], *, node: str) -> None:
    """Write what changed, each call at most once in `steps`. A caller is kept once known."""
    rows = [row for step in steps if (row := _changed_row(step, node))]
    await _write(tx, _SAVE_CALLS, rows)
    await _write(tx, _SAVE_LEGS, [_leg_row(step.after.id, leg) for step in steps for leg in _changed_legs(step)])
    await _write(tx, _SAVE_STAYS, [_stay_row(step.after.id, stay) for step in steps for stay in _changed_stays(step)])


async def _write(tx: AsyncConnection, statement: Insert, rows: list[dict[str, Any]]) -> None:
    if rows:
        await tx.execute(statement, rows)


def _changed_row(step: Step, node: str) -> dict[str, Any] | None:
    row = _call_row(step.after, node)
    if step.caller is None and step.before is not None and _call_row(step.before, node) == row:
        return None
    return {**row, "caller": step.caller}


def _changed_legs(step: Step) -> list[Leg]:
    known = step.before.legs if step.before else {}
    return [leg for key, leg in step.after.legs.items() if known.get(key) != leg]


def _changed_stays(step: Step) -> list[Stay]:
    known = frozenset(step.before.stays) if step.before else frozenset()
    return [stay for stay in step.after.stays if stay not in known]


LEG_COLUMNS = ("party", "name", "who", "answered_at", "ended_at", "cause", "recorded")
CALL_COLUMNS = (
    *("id", "node", "direction", "state", "queue", "request_type", "agent_id", "started_at", "answered_at"),
    *("queued_at", "agent_ringing_at", "agent_answered_at", "ended_at", "exit_reason", "story"),
)


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


def _leg_row(call_id: CallId, leg: Leg) -> dict[str, Any]:
    return {
        "channel_id": leg.channel_id,
        "call_id": call_id,
        "party": leg.party,
        "name": leg.name,
        # The citizen's number lives in the vault only.
        "who": "" if leg.party == Party.CITIZEN else leg.who,
        "created_at": leg.created_at,
        "answered_at": leg.answered_at,
        "ended_at": leg.ended_at,
        "cause": leg.cause,
        "recorded": leg.recorded,
    }


def _stay_row(call_id: CallId, stay: Stay) -> dict[str, Any]:
    return {
        "call_id": call_id,
        "bridge_id": stay.bridge_id,
        "kind": stay.place,
        "channel_id": stay.channel_id,
        "party": stay.party,
        "from_at": stay.from_at,
        "until_at": stay.until_at,
    }


# Made once: building such a statement takes longer than PostgreSQL needs for it.


def _save_calls() -> Insert:
    row = insert(call_table)
    kept = ("id", "node", "started_at", "caller")
    new = {name: row.excluded[name] for name in CALL_COLUMNS if name not in kept}
    caller = func.coalesce(row.excluded.caller, call_table.c.caller)
    return row.on_conflict_do_update(index_elements=["id"], set_={**new, "caller": caller})


def _save_legs() -> Insert:
    row = insert(leg_table)
    new = {name: row.excluded[name] for name in LEG_COLUMNS}
    return row.on_conflict_do_update(index_elements=["channel_id"], set_=new)


def _save_stays() -> Insert:
    row = insert(talk_table)
    return row.on_conflict_do_update(constraint="talk_once", set_={"until_at": row.excluded.until_at})


_SAVE_CALLS, _SAVE_LEGS, _SAVE_STAYS = _save_calls(), _save_legs(), _save_stays()


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
    times = row.created_at, row.answered_at, row.ended_at
    return Leg(channel_id, row.name, party, row.who, *times, row.cause, row.recorded)


def _stay(row: Any) -> Stay:
    place, channel_id, party = Place(row.kind), ChannelId(row.channel_id), Party(row.party)
    return Stay(row.bridge_id, place, channel_id, party, row.from_at, row.until_at)
