"""Calls put on record without a telephone: a recorded trace told to the story on a test's database."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import flow
from callcenter.ami_wire import AmiEvent
from callcenter.board import BoardEvent
from callcenter.call_events import CallEvent
from callcenter.call_facts import CallMissed
from callcenter.call_parse import Naming, parse_ami
from callcenter.tables import agent, call
from callcenter.tracker import Tracker
from callcenter.types import AgentId, CallId, IdentityId, PhoneNumber
from callcenter.vault import Vault
from tests.support.tickets import rules

SCENARIOS = Path(__file__).parents[1] / "scenarios"
KEY = "5a" * 32
VAULT = Vault(KEY)
NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def trace(story: str) -> list[CallEvent]:
    """A recorded call's events, by way of the product's own parsers."""
    read: list[CallEvent | None] = []
    for block in (SCENARIOS / f"{story}.ami.txt").read_text(encoding="utf-8").strip().split("\n\n")[1:]:
        raw = block.replace("\n", "\r\n").encode()
        event = AmiEvent.received(block.partition("\n")[0].removeprefix("Event: "), raw, datetime.now(UTC))
        read.append(parse_ami(event.name, event.fields, event.at, Naming()))
    return [event for event in read if event is not None]


async def tell(tx: AsyncConnection, story: str, *, at_once: int = 1) -> list[BoardEvent]:
    """The whole call, written as the listener does, so many changes in a batch. Returns what screens would show."""
    ground = flow.Ground("a", VAULT, rules())
    tracker = Tracker()
    changes = [change for event in trace(story) if (change := tracker.take(event)) is not None]
    shown: list[BoardEvent] = []
    for first in range(0, len(changes), at_once):
        shown += await flow.tell(tx, ground, changes[first : first + at_once])
    return shown


async def with_agents(tx: AsyncConnection, *extensions: str) -> None:
    """Agents of the queue hotline."""
    for extension in extensions:
        await tx.execute(insert(agent).values(id=AgentId(extension), name=f"话务员{extension}", queues=["hotline"]))


async def with_call(tx: AsyncConnection, number: int, caller: IdentityId | None = None) -> CallId:
    """A call on record, ended."""
    call_id = CallId(f"a-1763800000.{number}")
    row = {"id": call_id, "node": "a", "direction": "in", "state": "ended", "caller": caller}
    await tx.execute(insert(call).values(**row, started_at=NINE, ended_at=NINE))
    return call_id


async def caller(tx: AsyncConnection, digits: str = "13912345678") -> IdentityId:
    return await VAULT.identity_of(tx, PhoneNumber(digits))


def lost(call_id: CallId, at: datetime = NINE, *, asked: bool = False) -> CallMissed:
    return CallMissed(call_id, at, "hotline", "abandoned", asked)
