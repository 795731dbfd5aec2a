"""Recordings from the spool to the certificate, workers killed on the way: each is there and whole, or gone by rule."""

from pathlib import Path

from tests.support.custody_life import Life
from tests.support.moving_clock import moving_clock


async def test_every_recording_is_whole_or_gone_by_rule_with_a_certificate_whoever_is_killed(tmp_path: Path) -> None:
    async with moving_clock() as clock:
        life = Life(clock, tmp_path, count=36, kills=4, scale=0.2)
        assert await life.run() == []
        told = life.numbers
        assert told.recordings == 36
        assert told.kills == 4
        assert min(told.damaged, told.listened, told.held, told.on_open_tickets, told.restored, told.deleted) > 0
