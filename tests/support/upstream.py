"""A hotline and the platform above it, connected, for tests of what goes down and up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text

from callcenter import jobs, upstream_outbox
from callcenter.db import Database
from callcenter.job import RetryPolicy
from callcenter.upstream import UpstreamLink
from callcenter.upstream_client import UpstreamClient
from config.calendar_loader import load_calendar
from config.policy_loader import load_policies
from tests.support.lives import ask, reply_contents
from tests.support.upper import OURS, SECRET, THEIRS, UpperPlatform, upper_platform
from tests.support.web import PHONE, Web, serving, with_people
from ticketing.policy import Rules

AT_ONCE = RetryPolicy(max_tries=1_000, first_s=0.02, longest_s=0.05)
TICKET: dict[str, Any] = {
    "source": "市12345热线转派",
    "request_type": "求助",
    "content": "龙胜镇桂龙路停水两天了，希望尽快恢复供水。",
    "place": "桂龙路",
    "contact_name": "王先生",
    "phone": PHONE,
}


@cache
def shipped(policy_id: str) -> Rules:
    policies = load_policies(policy_id)
    return Rules(policies, load_calendar(policies[-1].calendar.overlays))


@asynccontextmanager
async def both(db: Database, spool: Path, policy_id: str = "longsheng") -> AsyncIterator[tuple[Web, UpperPlatform]]:
    """The platform, and a hotline that is connected to it; its worker runs when a test starts it."""
    async with upper_platform() as platform:
        link = UpstreamLink(THEIRS, OURS, SECRET.encode(), platform.url)
        async with serving(db, spool, shipped=shipped(policy_id), upstream=link) as web:
            platform.hotline = str(web.client.make_url("")).rstrip("/")
            yield await with_people(web), platform


@asynccontextmanager
async def working(db: Database, platform: UpperPlatform) -> AsyncIterator[None]:
    """A worker that sends."""
    client = UpstreamClient(UpstreamLink(THEIRS, OURS, SECRET.encode(), platform.url))
    sender = upstream_outbox.Sender(db.transaction, client.send, OURS)
    kind = upstream_outbox.SEND_JOB
    worker = jobs.Worker(db.asyncpg_dsn, {kind: sender}, policies={kind: AT_ONCE})
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(task, 30)
        await client.close()


async def waiting(db: Database) -> int:
    async with db.transaction() as tx:
        return int(
            (await tx.execute(text("SELECT count(*) FROM upstream_message WHERE state = 'waiting'"))).scalar_one()
        )


async def drained(db: Database, platform: UpperPlatform) -> None:
    """Every message goes out, as a worker would send it; the worker itself runs where something goes wrong."""
    client = UpstreamClient(UpstreamLink(THEIRS, OURS, SECRET.encode(), platform.url))
    sender = upstream_outbox.Sender(db.transaction, client.send, OURS)
    async with db.transaction() as tx:
        queued = (
            await tx.execute(text("SELECT id FROM upstream_message WHERE state = 'waiting' ORDER BY id"))
        ).scalars()
    for message in queued.all():
        await sender(jobs.Job(message, upstream_outbox.SEND_JOB, "", b'{"message": %d}' % message, 1))
    await client.close()


async def none_waits(db: Database) -> bool:
    return await waiting(db) == 0


async def count(db: Database, table: Any, *where: Any) -> int:
    async with db.transaction() as tx:
        return int((await tx.execute(select(func.count()).select_from(table).where(*where))).scalar_one())


async def now_of(web: Web, ticket_id: str) -> dict[str, Any]:
    told: dict[str, Any] = await web.get("supervisor", f"/api/tickets/{ticket_id}")
    return told


async def handed(platform: UpperPlatform, external_id: str = "市2026-0001", **fields: Any) -> dict[str, Any]:
    said = await platform.hand_down(external_id, **{**TICKET, **fields})
    assert said.status == 200, said.body
    told: dict[str, Any] = said.body
    return told


async def to_handling(web: Web, ticket_id: str) -> dict[str, Any]:
    now = await ask(web, "dispatcher", await now_of(web, ticket_id), "dispatch", lead="water", basis="职责清单")
    return await ask(web, "unit", await ask(web, "unit", now, "sign", person="水务值班室"), "start")


async def to_survey(web: Web, ticket_id: str) -> dict[str, Any]:
    now = await to_handling(web, ticket_id)
    return await ask(web, "unit", now, "reply", contents=reply_contents())
