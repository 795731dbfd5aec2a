"""The watch of the disks on a real PostgreSQL: levels, what Asterisk is told, what people are told."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from callcenter.ami import AmiUnavailable
from callcenter.ami_wire import encode_action
from callcenter.board import BoardEvent
from callcenter.custody import disk_watch, storage_rows, storage_words
from callcenter.custody.disk_watch import DiskWatch, room_of
from callcenter.custody.storage_rows import places_of
from callcenter.db import Database
from callcenter.metrics import REGISTRY
from recordings import days
from recordings.accounting import DayFigures
from recordings.completeness_tables import recording_day, recording_pause
from recordings.storage import PAUSE_HOLDS_S, Level, Room
from tests.support.custody import custody_for_tests

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
TOTAL = 1_000_000


class Told:
    """Where actions of the watch go: Asterisk's side of the link, which may be down."""

    def __init__(self) -> None:
        self.up = True
        self.values: list[int] = []

    async def action(self, name: str, fields: Sequence[tuple[str, str]] = (), *, timeout_s: float = 5) -> object:
        if not self.up:
            raise AmiUnavailable("down")
        assert encode_action(name, "id", fields)
        assert (name, fields[0]) == ("Setvar", ("Variable", "NO_RECORDING_UNTIL"))
        self.values.append(int(fields[1][1]))
        return None


class Screens:
    """What was published."""

    def __init__(self) -> None:
        self.shown: list[BoardEvent] = []

    async def publish(self, events: tuple[BoardEvent, ...]) -> None:
        self.shown += events


class Disk:
    """A file system whose fill a test says."""

    def __init__(self) -> None:
        self.share = 0.1

    def __call__(self, path: Path) -> Room:
        if self.share < 0:
            raise OSError(5, "Input/output error")
        used = int(TOTAL * self.share)
        return Room(TOTAL, TOTAL - used, used, device=1)


class Watched:
    def __init__(self, db: Database) -> None:
        self.db, self.asterisk, self.screens, self.disk = db, Told(), Screens(), Disk()
        self.watch = self.again()

    def again(self) -> DiskWatch:
        """A process that has just started."""
        places = {"spool": Path("/spool")}
        return DiskWatch(self.db, self.screens, self.asterisk, "a", places, self.disk)  # type: ignore[arg-type]

    async def turn(self, share: float, after_s: float = 0) -> None:
        self.disk.share = share
        await self.watch.turn(NOW + timedelta(seconds=after_s))


@pytest.fixture
def watched(db: Database) -> Watched:
    return Watched(db)


async def test_a_full_disk_stops_recording_for_a_minute_at_a_time(watched: Watched, db: Database) -> None:
    for share, after_s in ((0.5, 0), (0.96, 10), (0.94, 20), (0.92, 30), (0.1, 40)):
        await watched.turn(share, after_s)
    until = int(NOW.timestamp() + PAUSE_HOLDS_S)
    assert watched.asterisk.values == [0, until + 10, until + 20, 0, 0]
    levels = [(event.data["level"], event.data["recording"]) for event in watched.screens.shown]
    assert levels == [("full", False), ("warn", True), ("ok", True)]
    assert {event.audience for event in watched.screens.shown} == {"supervisors"}
    async with db.transaction() as tx:
        (pause,) = (await tx.execute(select(recording_pause))).all()
    assert (pause.from_at, pause.until_at, pause.node) == (
        NOW + timedelta(seconds=10),
        NOW + timedelta(seconds=30),
        "a",
    )
    assert pause.used_share == pytest.approx(0.96)


async def test_a_warning_is_logged_once(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger=disk_watch.__name__):
        for after_s in (0, 10, 20):
            await watched.turn(0.81, after_s)
    assert [record.message for record in caplog.records] == ["disk of recordings"]
    assert REGISTRY.get_sample_value("callcenter_storage", {"place": "spool", "figure": "level"}) == 1
    assert REGISTRY.get_sample_value("callcenter_recording_paused") == 0


async def test_a_restarted_watch_knows_that_the_disk_was_full(watched: Watched, db: Database) -> None:
    await watched.turn(0.96)
    watched.watch = watched.again()
    await watched.turn(0.94, 10)
    assert watched.asterisk.values[-1] > 0
    assert len(watched.screens.shown) == 1
    async with db.transaction() as tx:
        (row,) = await storage_rows.read(tx)
        (pause,) = (await tx.execute(select(recording_pause))).all()
    assert (row.level, row.since, row.looked_at) == (Level.FULL, NOW, NOW + timedelta(seconds=10))
    assert (pause.from_at, pause.until_at) == (NOW, None)


async def test_a_disk_that_cannot_be_read_does_not_stop_recording(watched: Watched, db: Database) -> None:
    await watched.turn(0.96)
    await watched.turn(-1, 10)
    assert watched.asterisk.values[-1] == 0
    async with db.transaction() as tx:
        assert await storage_words.parts(tx, NOW + timedelta(seconds=10)) == {
            "storage spool a": "cannot be read: Input/output error"
        }


async def test_a_disk_that_hangs_is_waited_for_by_one_thread_only(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_watch, "READ_WITHIN_S", 0.01)
    import threading

    released, asked = threading.Event(), []

    def hang(path: Path) -> Room:
        asked.append(path)
        released.wait(10)
        return Room(TOTAL, TOTAL, 0)

    watched.watch.read = hang
    for after_s in (0, 10, 20):
        await watched.watch.turn(NOW + timedelta(seconds=after_s))
    assert len(asked) == 1
    assert watched.screens.shown[0].data["level"] == "unknown"
    released.set()
    await asyncio.gather(*watched.watch._reading.values())


async def test_an_asterisk_that_is_away_is_told_when_it_is_back(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_watch, "LOOK_S", 0.01)
    monkeypatch.setattr(disk_watch, "EVERY_S", 3600.0)
    watched.disk.share, watched.asterisk.up = 0.96, False
    running = asyncio.create_task(watched.watch.run())
    try:
        async with asyncio.timeout(10):
            while not watched.screens.shown:
                await asyncio.sleep(0.01)
            assert watched.asterisk.values == []
            watched.asterisk.up = True
            while not watched.asterisk.values:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert watched.asterisk.values[0] > 0


async def test_days_left_come_from_what_was_stored_of_late(watched: Watched, db: Database) -> None:
    async with db.transaction() as tx:
        for back in range(1, 4):
            figures = DayFigures(date(2026, 11, 22) - timedelta(days=back), stored_bytes=20_000, computed_at=NOW)
            await days._write(tx, figures)
        await tx.execute(insert(recording_day).values(**_blank(date(2026, 11, 22), stored_bytes=10**9)))
    watched.watch.places = {"spool": Path("/spool"), "store": Path("/store")}
    await watched.turn(0.85)
    async with db.transaction() as tx:
        told = await storage_words.parts(tx, NOW)
    # 950,000 less 850,000 at 20,000 a day: what today brings is not a whole day yet.
    assert told["storage store a"] == "85% used, 0.0 GiB free, about 5 days left"
    assert REGISTRY.get_sample_value("callcenter_storage", {"place": "store", "figure": "days_left"}) == pytest.approx(
        5
    )
    async with db.transaction() as tx:
        late = await storage_words.parts(tx, NOW + timedelta(minutes=5))
    assert late["storage store a"].startswith("nobody has looked for 300 s")


def _blank(day: date, **more: object) -> dict[str, object]:
    names = ("legs", "answered_s", "audio_s", "gap_s", "unaccounted_s", "kept", "copied", "uncopied", "unstored")
    zero: dict[str, object] = dict.fromkeys((*names, "oldest_unstored_s"), 0)
    return {"day": day, "gaps_by_cause": {}, "by_state": {}, "computed_at": NOW, **zero, **more}


def test_places_are_the_folders_of_this_machine(tmp_path: Path) -> None:
    custody = custody_for_tests(tmp_path / "spool")
    places = places_of(custody)
    assert list(places) == ["spool", "store", "copy"]
    assert places_of(custody_for_tests(tmp_path / "spool", copy=False)).keys() == {"spool", "store"}
    room = room_of(tmp_path)
    assert room.total_bytes > 0
    assert 0 <= room.used_share <= 1
