"""The link to the platform above: who it is, whether a request is really its own, and the figures it may read.

A nonce is stored before the request is looked at, in a transaction of its own: a request that fails is sent again
with a new one, and only its key (the external id) makes it the same request.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import metrics
from callcenter.audit import Audited, note
from callcenter.db import Database
from callcenter.sms.rate import RateLimit
from callcenter.types import Actor
from callcenter.upstream_tables import upstream_nonce
from callcenter.upstream_wire import WINDOW_S, NotSigned, Spoken, verify
from ticketing.tables import ticket

KIND = "unit_platform"
WHY = {
    "headers": "缺少签名所需的请求头，或格式不正确",
    "system": "平台名称不是已接入的上级平台",
    "clock": "请求时间与本系统相差超过 5 分钟，请校准时钟",
    "signature": "签名不正确，请核对密钥与签名内容",
    "replayed": "同一请求（随机串）已经收到过，重发请换用新的随机串",
}


class NotFromUpstream(Exception):
    """The request is not the platform's, or was heard before; `sentence` says what to mend."""

    def __init__(self, why: str) -> None:
        self.why, self.sentence = why, f"请求未被接受：{WHY[why]}。"
        super().__init__(why)


class TooManyForgeries(Exception):
    """来自这一地址的无效请求过多，请稍候再试。"""


@dataclass(frozen=True, slots=True)
class UpstreamLink:
    """Who is up there and what we share. ours: the name we speak under. url: where we report; empty: we do not."""

    system: str
    ours: str
    secret: bytes = field(repr=False)
    url: str = ""
    forgeries: RateLimit = field(
        default_factory=lambda: RateLimit(per_minute=60, burst=60, most_keys=1_000), repr=False, compare=False
    )
    """How many wrong requests from one address are written down; the rest is only counted."""

    @property
    def actor(self) -> Actor:
        """The platform as the one who does things."""
        return Actor(KIND, self.system)

    async def check(self, database: Database, spoken: Spoken, given: Mapping[str, str], remote: str) -> None:
        """Let a request of the platform pass, once. Raises NotFromUpstream, and writes it down; TooManyForgeries."""
        try:
            nonce = verify(spoken, given, system=self.system, secret=self.secret, now_s=time.time())
            async with database.transaction() as tx:
                if not await _first_time(tx, nonce):
                    raise NotSigned("replayed")
        except NotSigned as error:
            metrics.UPSTREAM.labels("in", "refused").inc()
            if not self.forgeries.allow(remote, time.monotonic()):
                raise TooManyForgeries from None
            async with database.transaction() as tx:
                detail = {"why": error.why, "from": remote, "path": spoken.target[:200]}
                await note(tx, Audited(self.actor, "upstream.refused", f"upstream:{self.system}", False, detail))
            raise NotFromUpstream(error.why) from None
        metrics.UPSTREAM.labels("in", "taken").inc()


async def _first_time(tx: AsyncConnection, nonce: str) -> bool:
    row = insert(upstream_nonce).values(nonce=nonce, seen_at=datetime.now(UTC))
    stored = await tx.execute(row.on_conflict_do_nothing().returning(upstream_nonce.c.nonce))
    return stored.one_or_none() is not None


async def forget_nonces(database: Database) -> None:
    """Sweep: nonces whose time stamps have become too old to be accepted anyway."""
    old = datetime.now(UTC) - timedelta(seconds=3 * WINDOW_S)
    async with database.transaction() as tx:
        await tx.execute(delete(upstream_nonce).where(upstream_nonce.c.seen_at < old))


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of tickets opened on the local days from `first` to `last`, both included; nothing about anybody."""

    first: date
    last: date
    by_type: Mapping[str, int]
    by_state: Mapping[str, int]
    by_source: Mapping[str, int]
    by_rating: Mapping[str, Mapping[str, int]]
    """rating source -> rating -> count; never added up over sources."""


async def figures(tx: AsyncConnection, first: date, last: date) -> Figures:
    """What is shared with the platform. A ticket's id begins with its day, so only those days are read.

    Source: GZ-070 and SQ-002 (data exchange), GZ-007 (数据共享).
    """
    days = (ticket.c.id >= f"{first:%Y%m%d}000000", ticket.c.id <= f"{last:%Y%m%d}999999")

    async def counted(*columns: Any) -> list[Any]:
        query = select(*columns, func.count()).where(*days).group_by(*columns).order_by(*columns)
        return list((await tx.execute(query)).all())

    ratings: dict[str, dict[str, int]] = {}
    for source, rating, count in await counted(ticket.c.rating_source, ticket.c.rating):
        if source is not None:
            ratings.setdefault(source, {})[rating] = count
    by_type = {row[0]: row[1] for row in await counted(ticket.c.request_type)}
    by_state = {row[0]: row[1] for row in await counted(ticket.c.state)}
    by_source = {row[0]: row[1] for row in await counted(ticket.c.source)}
    return Figures(first, last, by_type, by_state, by_source, ratings)
