"""What must be in the tables of a call that went through the whole flow, and how late it was written."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text

from callcenter.db import Database

COMPLETE: Mapping[str, str] = {
    "answered": "c.exit_reason = 'answered' AND c.ended_at IS NOT NULL AND c.caller IS NOT NULL",
    "legs": """3 = (SELECT count(DISTINCT party) FROM leg l WHERE l.call_id = c.id AND l.answered_at IS NOT NULL
        AND l.ended_at IS NOT NULL AND party IN ('citizen', 'agent', 'unit'))""",
    "talks": """'{bridge 2,conference 3,hold 1}' = (SELECT array_agg(kind || ' ' || parties ORDER BY kind) FROM (
        SELECT kind, count(DISTINCT party) AS parties FROM talk t WHERE t.call_id = c.id AND t.until_at IS NOT NULL
        AND kind <> 'spy' GROUP BY kind) AS kinds)""",
    "recordings": "4 = (SELECT count(*) FROM recording r WHERE r.call_id = c.id AND r.state = 'verified')",
    "ticket": """1 = (SELECT count(*) FROM ticket t JOIN ticket_event e ON e.ticket_id = t.id AND e.seq = 1
        WHERE t.call_id = c.id)""",
    "commands": """3 = (SELECT count(*) FROM call_command x WHERE x.call_id = c.id AND x.state = 'done'
        AND x.kind IN ('consult', 'merge', 'leave'))""",
}
"""What is looked at -> true of a call `c` that is complete. Four recordings: three legs and the mix."""

_LOOK = text(
    "SELECT count(*) AS calls, count(*) FILTER (WHERE EXISTS (SELECT FROM transcript t WHERE t.call_id = c.id))"
    " AS transcripts, "
    + ", ".join(f"count(*) FILTER (WHERE {condition}) AS {name}" for name, condition in COMPLETE.items())
    + f", count(*) FILTER (WHERE {' AND '.join(f'({one})' for one in COMPLETE.values())}) AS complete"
    + " FROM call c WHERE c.started_at >= :since"
)
_BUSY = text(
    """SELECT (SELECT count(*) FROM call WHERE ended_at IS NULL)
            + (SELECT count(*) FROM pgqueuer WHERE entrypoint = ANY(:kinds) AND status IN ('queued', 'picked'))"""
)
_LAG = text(
    """SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM noted_at - at) * 1000)
       FROM call_event WHERE at >= :since AND kind <> 'CallStarted'"""
)


async def found(database: Database, since: datetime) -> dict[str, int]:
    """Calls begun since then, and of how many each part is complete; `complete`: every part."""
    async with database.transaction() as tx:
        return dict((await tx.execute(_LOOK, {"since": since})).mappings().one())


async def lag_p99_ms(database: Database, since: datetime) -> float:
    """From Asterisk's time of an event to its row, of 99 in 100."""
    async with database.transaction() as tx:
        return round(float((await tx.execute(_LAG, {"since": since})).scalar_one() or 0.0), 1)


async def until_quiet(database: Database, kinds: tuple[str, ...], within_s: float) -> float:
    """Seconds until no call is open and no job of these kinds is left; at most `within_s`."""
    began = time.monotonic()
    while (waited_s := time.monotonic() - began) < within_s:
        async with database.transaction() as tx:
            if not (await tx.execute(_BUSY, {"kinds": list(kinds)})).scalar_one():
                break
        await asyncio.sleep(0.25)
    return round(waited_s, 1)
