"""Weeks of the archive: numbers without a gap, the index and its supplements, and what an auditor finds on a disk."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from callcenter.archive import checking, store, weeks
from callcenter.archive.looking import Look
from callcenter.archive.tables import archived_week
from callcenter.archive.weeks import NumberingBroken
from callcenter.db import Database
from callcenter.tables import audit
from callcenter.types import TicketId
from tests.support.archived import Archive, archive_of, put_away, signed_again, unpacked
from tests.support.clerks import Opening, opening
from tests.support.tickets import local
from ticketing import tables
from ticketing.aftercare.archive_numbers import Week
from ticketing.aftercare.tables import archive_week

__all__ = ["opening"]
WEDNESDAY = local(2026, 6, 10, 9)
WEEK = Week(2026, 24)
ASKED = {"request_type": "咨询", "content": "咨询办事时间。", "place": "文清路"}


async def several(opening: Opening, folder: Path, many: int) -> tuple[Archive, list[TicketId]]:
    """So many tickets of one week, archived one after the other."""
    office = await opening("ganzhou", WEDNESDAY)
    made = []
    for number in range(many):
        if number:
            await _another(archive_of(office, folder))
        await put_away(office)
        made.append(TicketId(office.ticket))
    return archive_of(office, folder), made


async def _another(archive: Archive) -> None:
    """The next ticket, without a call."""
    made = await archive.office.web.post("agent", "/api/tickets", {"fields": {**ASKED, "source": "网络"}})
    archive.office.ticket = made["id"]


@pytest.mark.clause("GZ-054")
async def test_twenty_archivings_at_once_get_one_to_twenty(opening: Opening, tmp_path: Path) -> None:
    office = await opening("ganzhou", WEDNESDAY)
    archive, ids = archive_of(office, tmp_path), [office.ticket]
    await office.do(
        "agent", "register", fields={"request_type": "咨询", "content": "咨询办事时间。", "place": "文清路"}
    )
    await office.do("agent", "withdraw", reason="诉求人要求撤回")
    for _ in range(19):
        await _another(archive)
        ids.append(office.ticket)
        await office.do("agent", "register", fields={})
        await office.do("agent", "withdraw", reason="诉求人要求撤回")
    jobs = await office._take_jobs()
    jobs = [job for job in jobs if job.kind == "ticket.archive"]
    assert len(jobs) == 20
    await asyncio.gather(*(office._work.archive(job) for job in jobs))
    made = await asyncio.gather(*(archive.work.make(TicketId(one), 1, office.clock.at) for one in ids))
    papers = [checking.verify(archive.folder / one.path).paper for one in made if one]
    numbers = [paper.number for paper in papers if isinstance(paper, checking.TicketPaper)]
    assert sorted(map(str, numbers)) == [f"GZ-2026W24-{seq:05d}" for seq in range(1, 21)]
    office.to(weeks.closes_at(WEEK))
    assert await archive.work.close_week(WEEK, office.clock.at) is not None
    found = list(Look([archive.signer.public_pem]).at([archive.folder]))
    assert all(one.holds for one in found), [one.sentence for one in found if not one.holds]
    assert found[-1].sentence == "2026-W24: numbers 1 to 20, 20 packages listed"


async def test_a_late_package_is_listed_in_a_supplement_and_the_index_stays(opening: Opening, tmp_path: Path) -> None:
    archive, (first, second) = await several(opening, tmp_path, 2)
    office = archive.office
    await archive.package(first)
    office.to(weeks.closes_at(WEEK))
    index = await archive.work.close_week(WEEK, office.clock.at)
    assert index is not None
    assert isinstance(index.verified.paper, checking.WeekPaper)
    assert [one.file for one in index.verified.paper.packages] == [f"{first}-r1.tar", None]
    assert [one.seq for one in index.verified.paper.packages] == [1, 2]
    assert await archive.work.close_week(WEEK, office.clock.at) is None, "nothing new"
    await archive.package(second)
    office.later(hours=23)
    supplement = await archive.work.close_week(WEEK, office.clock.at)
    assert supplement is not None
    assert isinstance(supplement.verified.paper, checking.WeekPaper)
    assert [one.ticket for one in supplement.verified.paper.packages] == [second]
    assert supplement.path.endswith("week-2026-W24-s1.tar")
    found = list(Look().at([archive.folder]))
    assert all(one.holds for one in found), found
    async with office.web.db.transaction() as tx:
        assert [(row.part, row.packages) for row in await store.weeks(tx)] == [(0, 2), (1, 1)]
        assert await store.unlisted(tx, WEEK) == ()


async def test_the_sweep_asks_for_a_closed_week_once(
    opening: Opening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, (first,) = await several(opening, tmp_path, 1)
    monkeypatch.setattr("callcenter.archive.work.datetime", archive.office.clock.stand_in())
    await archive.package(first)
    archive.office.to(weeks.closes_at(WEEK) - timedelta(seconds=1))
    await archive.work.sweep()
    assert await _queued(archive.office.web.db) == 0
    archive.office.later(seconds=1)
    await archive.work.sweep()
    await archive.work.sweep()
    assert await _queued(archive.office.web.db) == 1


async def _queued(db: Database) -> int:
    async with db.transaction() as tx:
        query = text("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'archive.week'")
        return int((await tx.execute(query)).scalar_one())


async def test_a_week_with_a_gap_is_refused_and_put_on_record(opening: Opening, tmp_path: Path) -> None:
    archive, (first,) = await several(opening, tmp_path, 1)
    await archive.package(first)
    async with archive.office.web.db.transaction() as tx:
        await tx.execute(update(archive_week).values(last=3))
    with pytest.raises(NumberingBroken, match="2026-W24: numbers missing: 2, 3"):
        await archive.work.close_week(WEEK, archive.office.clock.at)
    async with archive.office.web.db.transaction() as tx:
        [told] = (await tx.execute(select(audit).where(audit.c.action == "archive.week"))).all()
        assert (told.ok, "numbers missing" in told.detail["why"]) == (False, True)
        assert (await tx.execute(select(archived_week))).all() == []


async def test_an_invented_number_is_no_number_of_the_week(opening: Opening, tmp_path: Path) -> None:
    archive, _ = await several(opening, tmp_path, 1)
    async with archive.office.web.db.transaction() as tx:
        table = tables.ticket_archive
        row = dict((await tx.execute(select(table))).mappings().one())
        await tx.execute(insert(table).values(row | {"round": 2, "number": "GZ-2026W24-00009"}))
    with pytest.raises(NumberingBroken, match="beyond the last"):
        await archive.work.close_week(WEEK, archive.office.clock.at)


async def test_an_auditor_finds_what_is_missing_changed_or_renumbered(opening: Opening, tmp_path: Path) -> None:
    archive, (first, second) = await several(opening, tmp_path, 2)
    one, two = await archive.package(first), await archive.package(second)
    made = await archive.work.close_week(WEEK, archive.office.clock.at)
    assert made is not None
    index = archive.folder / made.path
    kept = one.read_bytes()
    one.unlink()
    assert _wrong(index) == [f"{index}: 2026-W24: {first}-r1.tar (GZ-2026W24-00001) is listed and not there"]
    one.write_bytes(two.read_bytes())
    assert _wrong(index) == [f"{index}: 2026-W24: {first}-r1.tar is not the file that was listed"]
    one.write_bytes(kept)
    assert _wrong(archive.folder) == []
    bag = unpacked(index, tmp_path / "bag")
    paper = bag / "data" / "week.json"
    for before, after, told in (
        ('"seq": 2', '"seq": 1', "numbers missing: 2; numbers given twice: 1"),
        ('"last": 2', '"last": 4', "numbers missing: 3, 4"),
        (f'"{first}-r1.tar"', '"../x.tar"', "a name no package has"),
        (f'"{first}-r1.tar"', f'"{second}-r1.tar"', "lists a file twice"),
    ):
        whole = paper.read_text()
        paper.write_text(whole.replace(before, after))
        signed_again(bag, archive.signer)
        assert told in " ".join(_wrong(bag)), told
        paper.write_text(whole)


def _wrong(path: Path) -> list[str]:
    return [found.sentence for found in Look().at([path]) if not found.holds]


async def test_the_next_index_misses_one_that_disappeared(opening: Opening, tmp_path: Path) -> None:
    archive, (first,) = await several(opening, tmp_path, 1)
    await archive.package(first)
    made = [await archive.work.close_week(WEEK, archive.office.clock.at)]
    for day in (17, 24):
        archive.office.to(local(2026, 6, day, 9))
        await _another(archive)
        await put_away(archive.office)
        await archive.package()
        made.append(await archive.work.close_week(archive.week, archive.office.clock.at))
    assert _wrong(archive.folder) == []
    middle = made[1]
    assert middle is not None
    (archive.folder / middle.path).unlink()
    [told] = _wrong(archive.folder)
    assert told.endswith("week-2026-W26 comes after week-2026-W25, which is not here")
