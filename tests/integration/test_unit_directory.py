"""The unit directory in a real PostgreSQL: seeded, edited, its people changed and their changes filed."""

from dataclasses import replace
from datetime import date, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import units as hub
from callcenter.types import UnitId
from tests.support.dispatching import HOUSING, HOUSING_MAN
from tests.support.dispatching import person as human
from tests.support.dispatching import unit as made
from tests.support.regions import REGIONS, rules_of
from tests.support.seeded_units import DAY, HOUR, SUBJECT, directory, seeded
from tests.support.tickets import DISPATCHER, MONDAY, local
from ticketing.dispatch import catalogue_store, units_store
from ticketing.dispatch.catalogue import DutyOf, Entry
from ticketing.dispatch.units import Post, UnitKind
from ticketing.dispatch.units_store import PeopleChange
from ticketing.record import GuardFailed, StaleTicket

# ---- the directory -----------------------------------------------------------------------------------------------


@pytest.mark.clause("LS-023", "MC-060", "GZ-008")
@pytest.mark.parametrize("region", REGIONS)
async def test_every_region_begins_with_its_own_units_townships_and_catalogue(tx: AsyncConnection, region: str) -> None:
    given = directory(region)
    await hub.seed(tx, given.units, given.entries, MONDAY)
    kept = await units_store.load(tx)
    assert {one.unit for one in kept.values()} == set(given.units)
    kinds = {one.unit.kind for one in kept.values()}
    assert {UnitKind.DEPARTMENT, UnitKind.TOWNSHIP, UnitKind.ENTERPRISE} <= kinds
    assert all(one.unit.parent in kept for one in kept.values() if one.unit.kind is UnitKind.ENTERPRISE)
    assert set(await catalogue_store.entries(tx)) == set(given.entries)


async def test_what_people_changed_survives_the_next_start(tx: AsyncConnection) -> None:
    await seeded(tx)
    old = await units_store.one(tx, HOUSING)
    mine = replace(old.unit, name="县住建局(改)", phone="0773751000", people=())
    saved = await units_store.save(tx, mine, MONDAY, old.version)
    edited = Entry("P-WATER", SUBJECT, ("停水",), HOUSING, "改过的依据", DutyOf.SHARED)
    await catalogue_store.save(tx, edited, MONDAY)
    await seeded(tx)
    assert (await units_store.one(tx, HOUSING)).unit.name == "县住建局(改)"
    assert edited in await catalogue_store.entries(tx)
    with pytest.raises(StaleTicket):
        await units_store.save(tx, mine, MONDAY, old.version)
    assert saved.version == old.version + 1


async def test_a_company_has_a_department_and_nobody_is_under_himself(tx: AsyncConnection) -> None:
    await seeded(tx)
    for wrong in (made(UnitId("new-one"), UnitKind.ENTERPRISE), made(HOUSING, parent=HOUSING)):
        with pytest.raises(GuardFailed):
            await units_store.save(tx, wrong, MONDAY, None if wrong.id == "new-one" else 1)
    with pytest.raises(units_store.UnitNotFound):
        await units_store.save(tx, made(UnitId("x1"), UnitKind.SUBORDINATE, parent=UnitId("nowhere")), MONDAY, None)


@pytest.mark.clause("WX-006")
async def test_a_unit_keeps_its_telephone_and_when_it_is_answered(tx: AsyncConnection) -> None:
    await seeded(tx, "weixi")
    unit = (await units_store.one(tx, HOUSING)).unit
    calendar = rules_of("weixi").calendar
    assert unit.phone == "605"
    assert [unit.open_at(at, calendar) for at in (MONDAY, local(2026, 6, 1, 12, 30), local(2026, 6, 6, 9, 0))] == [
        True,
        False,
        False,
    ]


@pytest.mark.clause("LS-006")
async def test_the_directory_says_who_performs_administrative_functions(tx: AsyncConnection) -> None:
    await seeded(tx)
    kept = await units_store.load(tx)
    assert [unit for unit, one in kept.items() if not one.unit.administrative] == ["disabled"]


# ---- filing of changes (LS-016) ----------------------------------------------------------------------------------


async def change(tx: AsyncConnection, post: Post, on: date, now: datetime, region: str = "longsheng") -> object:
    people = (human("新来的", post),)
    given = PeopleChange(post, people, on)
    return await units_store.change_people(tx, HOUSING, given, actor=HOUSING_MAN, now=now, rules=rules_of(region))


@pytest.mark.clause("LS-016")
async def test_a_change_of_people_is_filed_within_ten_calendar_days(tx: AsyncConnection) -> None:
    await seeded(tx)
    on = date(2026, 6, 1)
    last, late = local(2026, 6, 11, 23, 59, 59), local(2026, 6, 12, 0, 0, 1)
    in_time = await change(tx, Post.HANDLER, on, last)
    too_late = await change(tx, Post.DEPUTY, on, late)
    assert (in_time.late(late), too_late.late(late)) == (False, True)  # type: ignore[attr-defined]
    assert await change(tx, Post.DUTY, on, late) is None
    with pytest.raises(GuardFailed, match="晚于今天"):
        await change(tx, Post.HANDLER, date(2026, 7, 1), late)


@pytest.mark.clause("LS-016")
async def test_an_unfiled_change_is_reminded_of_then_flagged_each_once_and_ended_by_filing(tx: AsyncConnection) -> None:
    await seeded(tx)
    noted = {"actor": DISPATCHER, "now": MONDAY, "rules": rules_of("longsheng")}
    await units_store.note_change(tx, HOUSING, Post.DEPUTY, "分管领导调离", date(2026, 6, 1), **noted)  # type: ignore[arg-type]
    told = {
        at: await units_store.sweep_filings(tx, at) for at in (MONDAY + 6 * DAY, MONDAY + 8 * DAY, MONDAY + 9 * DAY)
    }
    assert [[due.overdue for due in found] for found in told.values()] == [[], [False], []]
    over = MONDAY + 11 * DAY
    assert [due.overdue for due in await units_store.sweep_filings(tx, over)] == [True]
    assert await units_store.sweep_filings(tx, over + DAY) == ()
    assert [one.late(over) for one in await units_store.changes_of(tx, HOUSING)] == [True]
    await change(tx, Post.DEPUTY, date(2026, 6, 1), over + HOUR)
    assert [one.filed_at is not None for one in await units_store.changes_of(tx, HOUSING)] == [True]


async def test_elsewhere_nothing_is_filed(tx: AsyncConnection) -> None:
    await seeded(tx, "weixi")
    assert await change(tx, Post.HANDLER, date(2026, 6, 1), MONDAY, "weixi") is None


@pytest.mark.clause("MC-003")
async def test_a_unit_keeps_at_least_one_handler(tx: AsyncConnection) -> None:
    await seeded(tx, "mengcheng")
    await change(tx, Post.HANDLER, date(2026, 6, 1), MONDAY, "mengcheng")
    nobody = PeopleChange(Post.HANDLER, (), date(2026, 6, 1))
    with pytest.raises(GuardFailed, match="至少1名具办人员"):
        await units_store.change_people(tx, HOUSING, nobody, actor=HOUSING_MAN, now=MONDAY, rules=rules_of("mengcheng"))


async def test_two_who_edit_one_line_of_the_catalogue_do_not_lose_a_change(tx: AsyncConnection) -> None:
    await seeded(tx)
    seen = next(line for line in await catalogue_store.lines(tx) if line.entry.code == "P-WATER")
    mine = replace(seen.entry, keywords=("停水", "爆管"))
    await catalogue_store.save(tx, mine, MONDAY + HOUR, seen_at=seen.updated_at)
    with pytest.raises(catalogue_store.EntryChanged):
        await catalogue_store.save(tx, seen.entry, MONDAY + 2 * HOUR, seen_at=seen.updated_at)
    await catalogue_store.save(tx, mine, MONDAY + 3 * HOUR, active=False)
    codes = {line.entry.code for line in await catalogue_store.lines(tx)}
    kept = next(line for line in await catalogue_store.lines(tx, all_of_them=True) if line.entry.code == "P-WATER")
    assert "P-WATER" not in codes
    assert (kept.active, kept.entry.keywords) == (False, ("停水", "爆管"))
