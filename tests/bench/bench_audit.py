"""The audit's chain: linking a million rows, and following it from the first to the last beside its anchors.

`python -m tests.bench audit`. A private PostgreSQL is filled with rows as the API writes them; then they are sealed as
the worker does, and verified as `callcenter verify` does.
"""

import asyncio
import resource
import shutil
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from callcenter.audit_chain import Algorithm
from callcenter.custody import anchors, chain_check
from callcenter.custody.chain_work import ChainWork
from callcenter.db import Database
from callcenter.migrations import upgrade
from callcenter.signing import Signer
from callcenter.web.audit import AuditQuery, page_of
from tests.support.stack import new_folder, postgres_for_tests

ROWS = 1_000_000
_FILL = """INSERT INTO audit (at, actor, action, subject, ok, detail)
           SELECT now() - interval '1 second' * (:last - n) / 100, 'user:agent' || n % 40,
                  (ARRAY['recording.play', 'call.read', 'ticket.read', 'session.login'])[1 + n % 4],
                  'recording:' || n % 9000, n % 50 <> 0,
                  jsonb_build_object('call', 'a-1763800000.' || n % 9000, 'seconds', n % 300, 'why', '复核投诉办理情况')
           FROM generate_series(CAST(:first AS int), CAST(:last AS int)) n"""


def run(rows: int = ROWS, algorithms: tuple[str, ...] = ("sha256", "sm3")) -> dict[str, Any]:
    """Rows a second of sealing and of verifying, for each hash."""
    return asyncio.run(_run(rows, algorithms))


async def _run(rows: int, algorithms: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {"rows": rows}
    folder = new_folder()
    try:
        async with postgres_for_tests() as server:
            for algorithm in algorithms:
                out[algorithm] = await _measured(server.admin_dsn, folder / algorithm, rows, Algorithm(algorithm))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return out


def _places(folder: Path) -> anchors.Places:
    folder.mkdir(parents=True)
    Signer.make(folder / "signing.pem")
    return anchors.places(folder / "anchors", None, folder / "signing.pem")


async def _measured(admin_dsn: str, folder: Path, rows: int, algorithm: Algorithm) -> dict[str, float]:
    database = Database(admin_dsn)
    try:
        async with database.transaction() as tx:
            await tx.execute(text("DROP SCHEMA public CASCADE"))
            await tx.execute(text("CREATE SCHEMA public"))
        await upgrade(database)
        for first in range(1, rows + 1, 50_000):
            async with database.transaction() as tx:
                await tx.execute(text(_FILL), {"first": first, "last": min(rows, first + 49_999)})
        places = _places(folder)
        work, began = ChainWork(database, algorithm, places), time.monotonic()
        await work.seal()
        sealed = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with database.transaction() as tx:
            found = await chain_check.check(tx, places)
        verified = time.monotonic()
        async with database.transaction() as tx:
            seen = (await tx.execute(page_of(AuditQuery(subject="recording:7", limit=200)))).all()
        asked = time.monotonic()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert seen
        assert not found, found
    finally:
        await database.close()
    return {
        "sealing_rows_per_s": rows / (sealed - began),
        "verify_s": verified - sealed,
        "verify_rows_per_s": rows / (verified - sealed),
        "who_saw_ms": (asked - verified) * 1000,
        "verify_memory_grown_mib": grown / 1024,
    }
