"""A hotline at work as rows: agents, calls that wait and talk, a morning behind them. For screens and their bounds."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import agent, call, leg, missed_call, talk
from callcenter.types import IdentityId, PhoneNumber
from callcenter.vault import Vault

SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"
QUEUES = ("hotline", "enterprise")
DOING = ("ready", "paused", "wrap_up", "logged_out")


async def with_agents(tx: AsyncConnection, count: int, now: datetime, first: int = 8100) -> list[str]:
    """Agents of every state; the first of them ready. Returns their extensions."""
    rows = [
        {
            "id": str(first + n),
            "name": f"{SURNAMES[n % len(SURNAMES)]}话务员",
            "queues": [QUEUES[n % 2]],
            "desired": DOING[n % 4],
            "reason": "用餐" if n % 4 == 1 else "",
            "since": now - timedelta(minutes=n % 50),
            "wrap_up_until": now + timedelta(seconds=30) if n % 4 == 2 else None,
            "observed": "idle",
        }
        for n in range(count)
    ]
    await tx.execute(insert(agent), rows)
    return [str(row["id"]) for row in rows]


async def caller(tx: AsyncConnection, vault: Vault, number: int = 0) -> IdentityId:
    return await vault.identity_of(tx, PhoneNumber(f"1380013{number % 10_000:04d}"))


def call_row(number: int, who: IdentityId, at: datetime, **values: Any) -> dict[str, Any]:
    """A call that began then; what is not given has not happened."""
    nothing = {"agent_id": None, "agent_answered_at": None, "ended_at": None, "exit_reason": None, "request_type": None}
    row = {"id": f"a-1763800000.{number}", "node": "a", "direction": "in", "caller": who, "queue": QUEUES[0]}
    return {**row, "started_at": at, "queued_at": at + timedelta(seconds=8), **nothing, "state": "queued", **values}


async def with_waiting(tx: AsyncConnection, vault: Vault, count: int, now: datetime, first: int = 1) -> None:
    """Citizens in the queue, each some seconds longer than the one before."""
    who = await caller(tx, vault)
    rows = [
        call_row(first + n, who, now - timedelta(seconds=10 + 7 * n), queued_at=now - timedelta(seconds=5 + 7 * n))
        for n in range(count)
    ]
    await tx.execute(insert(call), rows)


async def with_talks(tx: AsyncConnection, vault: Vault, agents: list[str], now: datetime, first: int = 1000) -> None:
    """Each of these agents talks with a citizen."""
    who = await caller(tx, vault, 7)
    rows, legs = [], []
    for n, extension in enumerate(agents):
        at = now - timedelta(seconds=40 + 11 * n)
        rows.append(call_row(first + n, who, at, agent_id=extension, agent_answered_at=at, state="talking"))
        base = {"call_id": f"a-1763800000.{first + n}", "name": "", "created_at": at, "answered_at": at}
        legs.append({**base, "channel_id": f"{first + n}.1", "party": "citizen", "who": ""})
        legs.append({**base, "channel_id": f"{first + n}.2", "party": "agent", "who": extension})
    await tx.execute(insert(call), rows)
    await tx.execute(insert(leg), legs)
    working = update(agent).where(agent.c.id.in_(agents))
    await tx.execute(working.values(desired="ready", reason="", observed="in_use"))


async def with_morning(tx: AsyncConnection, vault: Vault, day: datetime, hours: range, first: int = 5000) -> None:
    """Calls of the hours behind: of ten, six answered in time, two late, one gave up, one left in the menu."""
    who, rows = await caller(tx, vault, 3), list[dict[str, Any]]()
    for hour in hours:
        for n in range(30 + 12 * (hour % 5)):
            at = day + timedelta(hours=hour, seconds=71 * n % 3600)
            rows.append(_past(first + len(rows), who, at, n % 10))
    if rows:
        await tx.execute(insert(call), rows)


def _past(number: int, who: IdentityId, at: datetime, kind: int) -> dict[str, Any]:
    def after(seconds: float) -> datetime:
        return at + timedelta(seconds=seconds)

    if kind == 9:
        return call_row(number, who, at, queued_at=None, state="ended", ended_at=after(20), exit_reason="ivr_drop")
    if kind == 8:
        return call_row(number, who, at, state="ended", ended_at=after(60), exit_reason="abandoned")
    met = after(15 if kind < 6 else 50)
    ended = {"state": "ended", "ended_at": after(200), "exit_reason": "answered"}
    return call_row(number, who, at, agent_id="8001", agent_answered_at=met, **ended)


async def with_three_party(tx: AsyncConnection, vault: Vault, call_id: str, at: datetime) -> None:
    """A call that was answered, taken to a unit and merged, with who was in which bridge when."""
    who = await caller(tx, vault, 21)

    def after(seconds: float) -> datetime:
        return at + timedelta(seconds=seconds)

    ended = {"ended_at": after(240), "exit_reason": "answered", "state": "ended"}
    row = call_row(1, who, at, agent_id="8001", agent_answered_at=after(20), queued_at=after(12), **ended)
    await tx.execute(insert(call).values(**{**row, "id": call_id, "answered_at": after(1)}))
    own = {"call_id": call_id, "name": ""}
    legs = [
        ("c.1", "citizen", "", 0, 1, 230, True),
        ("c.2", "agent", "8001", 14, 20, 231, True),
        ("c.3", "unit", "urban", 70, 84, 240, False),
    ]
    for channel, party, name, begun, answered, over, recorded in legs:
        times = {"created_at": after(begun), "answered_at": after(answered), "ended_at": after(over)}
        told = {"channel_id": channel, "party": party, "who": name, "cause": 16, "recorded": recorded}
        await tx.execute(insert(leg).values(**own, **told, **times))
    stays = [
        ("b1", "bridge", "c.1", "citizen", 20, 68),
        ("b1", "bridge", "c.2", "agent", 20, 68),
        ("held-c.2", "phone_hold", "c.2", "agent", 40, 55),
        ("h1", "hold", "c.1", "citizen", 68, 100),
        ("k1", "conference", "c.2", "agent", 69, 231),
        ("k1", "conference", "c.3", "unit", 84, 240),
        ("k1", "conference", "c.1", "citizen", 100, 230),
    ]
    for bridge, kind, channel, party, begun, over in stays:
        told = {"bridge_id": bridge, "kind": kind, "channel_id": channel, "party": party}
        await tx.execute(insert(talk).values(call_id=call_id, **told, from_at=after(begun), until_at=after(over)))


async def with_missed(tx: AsyncConnection, vault: Vault, call_id: str, at: datetime, **values: Any) -> int:
    """A call that nobody answered, in the ledger; its id there."""
    who = await caller(tx, vault, 33)
    row = call_row(1, who, at - timedelta(seconds=50), state="ended", ended_at=at, exit_reason="abandoned")
    await tx.execute(insert(call).values(**{**row, "id": call_id}))
    told = {"call_id": call_id, "caller": who, "queue": QUEUES[0], "reason": "abandoned", "at": at}
    made = insert(missed_call).values(**told, due_at=at + timedelta(minutes=30), **values).returning(missed_call.c.id)
    return int((await tx.execute(made)).scalar_one())
