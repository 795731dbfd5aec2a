"""Asterisk's channel event log, the record of calls: read from its file, from where we last stood.

The file is appended and flushed by Asterisk itself, whatever happens to PostgreSQL or to us; the same rows also
reach the table `cel`. A torn last line (Asterisk killed while writing) is left for the next reading.
Columns: config/asterisk/cel_custom.conf.
"""

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.call_parse import CelRow
from callcenter.tables import mark

COLUMNS = 13
MAX_READ_BYTES = 64 * 1024 * 1024
"""A longer gap is read in pieces."""


@dataclass(frozen=True, slots=True)
class CelPiece:
    """Rows read and where to go on. bad_lines: counted, never silent."""

    rows: tuple[CelRow, ...]
    offset: int
    bad_lines: int


def read(path: Path, offset: int) -> CelPiece:
    """Rows from byte `offset` on. A file shorter than that was rotated: read from its beginning. Blocking."""
    if not path.exists():
        return CelPiece((), 0, 0)
    if path.stat().st_size < offset:
        offset = 0
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(MAX_READ_BYTES)
    whole = data[: data.rfind(b"\n") + 1]
    parsed = [parse_line(line) for line in whole.decode("utf-8", "replace").splitlines()]
    rows = tuple(row for row in parsed if row is not None)
    return CelPiece(rows, offset + len(whole), len(parsed) - len(rows))


def parse_line(line: str) -> CelRow | None:
    """One CSV line as a row; None when it is not of the shape that cel_custom.conf writes."""
    try:
        cells = next(csv.reader(io.StringIO(line)), [])
    except csv.Error:
        return None
    if len(cells) != COLUMNS:
        return None
    uniqueid, linkedid, eventtype, at, channame, appname, context, exten, _, extra, _, cid_num, userfield = cells
    try:
        moment = datetime.fromtimestamp(float(at), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return CelRow(
        eventtype=eventtype,
        at=moment,
        uniqueid=uniqueid,
        linkedid=linkedid,
        channame=channame,
        cid_num=cid_num,
        context=context,
        exten=exten,
        appname=appname,
        extra=extra,
        userfield=userfield,
    )


async def place(tx: AsyncConnection, node: str) -> int:
    """The byte offset a node's reader has reached; 0 at first."""
    found = await tx.execute(select(mark.c.value).where(mark.c.name == f"cel:{node}"))
    return int(found.scalar_one_or_none() or 0)


async def keep_place(tx: AsyncConnection, node: str, offset: int) -> None:
    """Remember the offset from which a restart reads again."""
    row = insert(mark).values(name=f"cel:{node}", value=float(offset))
    await tx.execute(
        row.on_conflict_do_update(
            index_elements=["name"], set_={"value": row.excluded.value, "at": func.clock_timestamp()}
        )
    )
