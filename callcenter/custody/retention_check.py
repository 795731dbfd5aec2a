"""What `callcenter verify` asks of retention: guards stand, and whatever is gone went by rule and left its proof."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.custody import retention_tables
from recordings.retention import expiry, guards
from recordings.retention.certificates import Certificate
from recordings.retention.rules import RECYCLED_FOR, local_day
from recordings.retention.triggers import FUNCTIONS, TRIGGERS

PAGE = 1_000

_UNPROVED = text("""
    SELECT o.recording_id FROM recording_object o
    LEFT JOIN deletion_certificate c ON c.recording_id = o.recording_id
    WHERE o.custody = 'deleted' AND (c.id IS NULL OR c.deleted_at <> o.deleted_at
        OR c.sealed_sha256 <> o.sealed_sha256 OR c.name <> o.name)
    ORDER BY o.recording_id""")
_UNAUDITED = text("""
    SELECT c.recording_id FROM deletion_certificate c WHERE c.id = ANY(:ids) AND NOT EXISTS (
        SELECT FROM audit a WHERE a.subject = 'recording:' || c.recording_id
        AND a.action = 'recording.delete' AND a.ok AND a.detail->>'sha256' = c.sha256)""")
_ROWLESS = text("""
    SELECT c.recording_id FROM deletion_certificate c JOIN recording_object o USING (recording_id)
    WHERE o.custody <> 'deleted' ORDER BY c.recording_id""")


async def guards_stand(tx: AsyncConnection) -> list[str]:
    """One sentence for each trigger that is gone, switched off or changed."""
    return await guards.findings(
        tx, {**TRIGGERS, **retention_tables.TRIGGERS}, {**FUNCTIONS, **retention_tables.FUNCTIONS}
    )


async def check(tx: AsyncConnection) -> list[str]:
    """Everything: guards, and every certificate with its recording and its row of the audit."""
    wrong = await guards_stand(tx)
    wrong += [
        f"recording {one} is deleted, and no certificate says so" for one in (await tx.execute(_UNPROVED)).scalars()
    ]
    wrong += [f"recording {one} has a certificate and is not deleted" for one in (await tx.execute(_ROWLESS)).scalars()]
    after = 0
    while page := await expiry.certificates(tx, after=after, limit=PAGE):
        wrong += [sentence for _, one, noted in page if (sentence := _wrong(one, noted))]
        silent = await tx.execute(_UNAUDITED, {"ids": [number for number, _, _ in page]})
        wrong += [f"recording {one}: the audit does not know of its deletion" for one in silent.scalars()]
        after = page[-1][0]
    return wrong


def _wrong(one: Certificate, noted: str) -> str:
    if one.sha256 != noted:
        return f"recording {one.recording_id}: its certificate was changed"
    if _too_early(one, min(one.deleted_at, one.second_at)):
        return f"recording {one.recording_id}: deleted at {one.deleted_at}, before its time"
    return ""


def _too_early(one: Certificate, at: datetime) -> bool:
    return local_day(at) < one.delete_not_before or at < one.recycled_at + RECYCLED_FOR
