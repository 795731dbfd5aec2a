"""Recordings from the spool to the certificate, workers killed on the way: each is there and whole, or gone by rule."""

from pathlib import Path

from tests.support.custody_life import Life
from tests.support.moving_clock import moving_clock


async def test_every_recording_is_whole_or_gone_by_rule_with_a_certificate_whoever_is_killed(tmp_path: Path) -> None:
    async with moving_clock() as clock:
        life = Life(clock, tmp_path, count=48, kills=6, scale=0.2, say=print)
        assert await life.run() == []
        told = life.numbers
        assert told.recordings == 48
        assert told.kills == 6
        assert min(told.damaged, told.listened, told.held, told.on_open_tickets, told.restored, told.deleted) > 0
