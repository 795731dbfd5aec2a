"""Legs that are not recorded for want of room (未录音): each answered second of them is a gap, noted when they end."""

from collections.abc import Iterator, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.call_store import Step
from recordings import store
from recordings.recording import Cause, Gap


async def note_withheld(tx: AsyncConnection, steps: Sequence[Step]) -> None:
    """The gaps of legs that ended in these steps and were not recorded; one that is noted stays as it is."""
    await store.note_gaps(tx, [gap for step in steps for gap in withheld_by(step)])


def withheld_by(step: Step) -> Iterator[Gap]:
    """The whole answered time of every leg that has ended in this step and was not recorded. PURE."""
    before = step.before.legs if step.before else {}
    for leg in step.after.legs.values():
        if leg.recorded or leg.answered_at is None or leg.ended_at is None or leg.ended_at <= leg.answered_at:
            continue
        known = before.get(leg.channel_id)
        if known is None or known.ended_at is None or known.recorded:
            yield Gap(step.after.id, leg.channel_id, leg.party, leg.answered_at, leg.ended_at, Cause.NOT_RECORDED)
