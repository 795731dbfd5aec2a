"""Every way to lose a recording too early, tried: API, command line, SQL as the application and as the owner.

Each is refused, and the refusal is on record though its own transaction was rolled back.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from callcenter.cli import app as cli
from callcenter.cli import recordings_retention as commands
from callcenter.custody import retention_check
from callcenter.custody.retention_work import RetentionWork
from callcenter.db import Database
from callcenter.types import CallId
from recordings.custody.custody import Custody, Kept
from recordings.retention import expiry, guards
from tests.support.expiring import audited, custody_of, expiring, lies, run_deletions
from tests.support.moving_clock import MovingClock
from tests.support.web import PASSWORD, Web, serving, with_people

_numbers = itertools.count(1)
WHY = "信访复查期间须保全证据"


@pytest.fixture(scope="module")
async def web(clock: MovingClock, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Web]:
    """The API as the application's role, which has the least rights."""
    async with serving(clock.app, tmp_path_factory.mktemp("web") / "spool") as one:
        yield await with_people(one)


@pytest.fixture(autouse=True)
def now(clock: MovingClock) -> None:
    clock.move(timedelta())


def call() -> CallId:
    return CallId(f"a-1709180001.{next(_numbers)}")


async def made(web: Web, at: datetime | None = None, one: CallId | None = None) -> Kept:
    async with web.db.transaction() as tx:
        return await expiring(tx, web.custody, one or call(), at or datetime.now(UTC))


async def sqlstate(db: Database, statement: str) -> str | None:
    """What PostgreSQL says to it; None: it was done."""
    try:
        async with db.transaction() as tx:
            await tx.execute(text(statement))
    except DBAPIError as error:
        return str(getattr(error.orig, "sqlstate", ""))
    return None


STATEMENTS = [
    "DELETE FROM recording WHERE id = {id}",
    "DELETE FROM recording",
    "UPDATE recording SET delete_not_before = '2020-01-01' WHERE id = {id}",
    "UPDATE recording SET delete_not_before = delete_not_before - 1 WHERE id = {id}",
    "UPDATE recording SET call_id = 'a-1763800000.99' WHERE id = {id}",
    "UPDATE recording SET created_at = '2000-01-01' WHERE id = {id}",
    "DELETE FROM recording_object WHERE recording_id = {id}",
    "UPDATE recording_object SET custody = 'recycled' WHERE recording_id = {id}",
    "UPDATE recording_object SET custody = 'recycled', recycled_at = '2020-01-01' WHERE recording_id = {id}",
    "UPDATE recording_object SET custody = 'deleted', recycled_at = '2020-01-01', deleted_at = now(),"
    " wrapped_key = NULL WHERE recording_id = {id}",
    "UPDATE recording_object SET custody = 'prepared' WHERE recording_id = {id}",
    "UPDATE recording_object SET path = 'elsewhere' WHERE recording_id = {id}",
    "UPDATE recording_object SET name = gen_random_uuid() WHERE recording_id = {id}",
    "UPDATE recording_object SET sealed_sha256 = repeat('0', 64) WHERE recording_id = {id}",
    "UPDATE recording_object SET samples_sha256 = repeat('0', 64) WHERE recording_id = {id}",
    "UPDATE recording_object SET sealed_bytes = 1 WHERE recording_id = {id}",
    "UPDATE recording_object SET stored_at = now() WHERE recording_id = {id}",
    "UPDATE recording_object SET deletion_began_at = now() WHERE recording_id = {id}",
    "UPDATE recording_object SET recycled_at = now() WHERE recording_id = {id}",
    "INSERT INTO recording_object (recording_id, name, path, custody, recycled_at)"
    " SELECT {id}, gen_random_uuid(), 'x', 'recycled', now()",
    "DELETE FROM legal_hold",
    "UPDATE legal_hold SET released_at = now() WHERE id = {hold}",
    "UPDATE legal_hold SET until_day = '2020-01-01' WHERE id = {hold}",
    "UPDATE legal_hold SET call_id = 'a-1763800000.99' WHERE id = {hold}",
    "INSERT INTO hold_release (hold_id, reason, asked_by, decided_by, decided_at, granted)"
    " VALUES ({hold}, 'ten characters', 'user:a', 'user:b', now(), true)",
    "UPDATE hold_release SET granted = true, decided_by = asked_by WHERE hold_id = {hold}",
    "UPDATE hold_release SET granted = true, decided_by = ' ' || upper(asked_by) WHERE hold_id = {hold}",
    "UPDATE hold_release SET asked_by = 'user:other' WHERE hold_id = {hold}",
    "DELETE FROM hold_release",
    "DELETE FROM clock_witness",
    "UPDATE clock_witness SET agreed = true, second_at = now() + interval '9 years'",
    "DELETE FROM retention_basis",
    "UPDATE retention_basis SET not_before = '2020-01-01'",
]
TRUNCATES = (
    "recording",
    "recording_object",
    "recording_gap",
    "legal_hold",
    "hold_release",
    "clock_witness",
    "retention_basis",
    "deletion_certificate",
)


@pytest.fixture(scope="module")
async def victim(clock: MovingClock, web: Web) -> dict[str, Any]:
    """A stored recording with a hold, a wish to release it, a basis and a witness."""
    one = await made(web)
    async with clock.app.transaction() as tx:
        await expiry.witness(tx, datetime.now(UTC), "ntp://test")
        row = "INSERT INTO retention_basis (call_id, called_at, closed_at, years, policy_id, policy_version, article,"
        await tx.execute(text(f"{row} not_before) VALUES ('x', now(), now(), 3, 'x', 1, '', '2030-01-01')"))
    held = await web.post("auditor", "/api/holds", {"recording_id": one.recording_id, "reason": WHY})
    await web.post("auditor", f"/api/holds/{held['hold']}/release", {"reason": "复查已经结束，可以解除"})
    return {"id": one.recording_id, "hold": held["hold"], "kept": one}


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_the_application_cannot_lose_a_recording(
    clock: MovingClock, victim: dict[str, Any], statement: str
) -> None:
    assert await sqlstate(clock.app, statement.format(**victim)) == "23001"


@pytest.mark.parametrize("statement", [*STATEMENTS, *(f"TRUNCATE {table} CASCADE" for table in TRUNCATES)])
async def test_nor_can_the_owner_of_the_tables(clock: MovingClock, victim: dict[str, Any], statement: str) -> None:
    """Nor as a replica, which passes ordinary triggers."""
    said = statement.format(**victim)
    assert await sqlstate(clock.owner, said) == "23001"
    async with clock.owner.engine.connect() as connection:
        await connection.execute(text("SET session_replication_role = replica"))
        with pytest.raises(DBAPIError) as refused:
            await connection.execute(text(said))
        assert getattr(refused.value.orig, "sqlstate", "") == "23001"
        await connection.invalidate()


async def test_each_refusal_is_on_record_though_it_was_rolled_back(
    clock: MovingClock, web: Web, victim: dict[str, Any]
) -> None:
    work = RetentionWork(clock.app, web.custody, clock.server.clock())
    await work.watch_guards()
    before = len(await audited(clock.app, "recording.deletion_refused"))
    for db in (clock.app, clock.app, clock.owner):
        assert await sqlstate(db, f"DELETE FROM recording WHERE id = {victim['id']}") == "23001"
    await work.watch_guards()
    await work.watch_guards()
    rows = await audited(clock.app, "recording.deletion_refused")
    assert len(rows) == before + 1, "what was told is not told again"
    assert (rows[-1].subject, rows[-1].ok) == (f"recording:{victim['id']}", False)
    assert (rows[-1].detail["count"], rows[-1].detail["last_role"]) == (3, "callcenter_owner")
    assert abs(rows[-1].detail["last_at"] - datetime.now(UTC).timestamp()) < 60
    assert await sqlstate(clock.app, "TRUNCATE recording CASCADE") == "42501", "the application may not even try"


async def test_the_application_cannot_draw_the_numbers_of_refusals_back(clock: MovingClock) -> None:
    assert await sqlstate(clock.app, "SELECT setval('recording_refusals', 1)") == "42501"
    assert await sqlstate(clock.app, "SELECT recording_refuse(1, 'noise')") == "42501"
    assert await sqlstate(clock.app, "ALTER TABLE recording DISABLE TRIGGER ALL") == "42501"


async def test_a_guard_that_is_switched_off_or_changed_is_found(clock: MovingClock, web: Web) -> None:
    work = RetentionWork(clock.app, web.custody, clock.server.clock())
    harm = {
        "ALTER TABLE recording DISABLE TRIGGER recording_row_guard": "is switched off",
        "ALTER TABLE recording ENABLE TRIGGER recording_row_guard": "is switched off",
        "DROP TRIGGER recording_object_ticket_guard ON recording_object": "is gone",
        "CREATE OR REPLACE FUNCTION recording_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
        "$$ BEGIN RETURN OLD; END $$": "not the one that was shipped",
        "ALTER FUNCTION legal_hold_guard() SECURITY INVOKER": "not the one that was shipped",
        "DROP FUNCTION recording_row_kept() CASCADE": "function recording_row_kept of the guards is gone",
    }
    for statement, told in harm.items():
        async with clock.owner.engine.connect() as connection:
            transaction = await connection.begin()
            await connection.execute(text(statement))
            found = await retention_check.guards_stand(connection)
            assert any(told in sentence for sentence in found), (statement, found)
            await transaction.rollback()
    async with clock.owner.transaction() as tx:
        await tx.execute(text("ALTER TABLE recording DISABLE TRIGGER recording_truncate_guard"))
    await work.watch_guards()
    await work.watch_guards()
    async with clock.owner.transaction() as tx:
        await tx.execute(text("ALTER TABLE recording ENABLE ALWAYS TRIGGER recording_truncate_guard"))
        assert await guards.findings(tx) == []
    [row] = await audited(clock.app, "recording.guard_off")
    assert "recording_truncate_guard on recording is switched off" in row.detail["findings"]


async def test_custody_may_do_what_it_has_to(clock: MovingClock, web: Web) -> None:
    """Keys wrapped anew, second copies, rolling checks."""
    one = await made(web)
    for change in (
        "key_id = 'new', wrapped_key = '\\x00'",
        "copied_at = now()",
        "spool_removed_at = now()",
        "checked_at = now(), copy_checked_at = now()",
    ):
        statement = f"UPDATE recording_object SET {change} WHERE recording_id = {one.recording_id}"
        assert await sqlstate(clock.app, statement) is None, change


# ---- the API -----------------------------------------------------------------------------------------------------


async def test_the_api_says_until_when_and_why_and_keeps_the_attempt_on_record(web: Web) -> None:
    one = await made(web, datetime(2026, 1, 5, 4, tzinfo=UTC))
    at = f"/api/recordings/{one.recording_id}"
    told = await web.get("reviewer", f"{at}/retention")
    assert (told["delete_not_before"], told["kept_by"], told["rule"]["years"]) == ("2029-01-06", "date", 3)
    assert "2029-01-06 之前任何人不能删除" in told["sentence"]
    refused = await web.ask("admin", "POST", f"{at}/recycle")
    assert (refused.status, refused.code) == (409, "StillKept")
    assert "2029-01-06" in refused.body["detail"]
    earlier = await web.ask("admin", "POST", f"{at}/keep-until", {"day": "2028-01-01"})
    assert (earlier.status, earlier.code) == (409, "NeverEarlier")
    assert "2029-01-06" in earlier.body["detail"]
    later = await web.post("admin", f"{at}/keep-until", {"day": "2031-01-01"})
    assert later["delete_not_before"] == "2031-01-01"
    assert (await web.ask("admin", "POST", f"{at}/restore", {"reason": WHY})).code == "StillKept"
    subject = f"recording:{one.recording_id}"
    for action, outcomes in {
        "recording.recycle": [False],
        "recording.keep_until": [False, True],
        "recording.restore": [False],
    }.items():
        assert [row.ok for row in await audited(web.db, action) if row.subject == subject] == outcomes
    assert await custody_of(web.db, one.recording_id) is Custody.STORED
    assert (await web.ask("admin", "POST", "/api/recordings/999999/recycle")).status == 404


async def test_a_hold_is_released_by_two_different_persons_only(clock: MovingClock, web: Web) -> None:
    whose = call()
    one = await made(web, None, whose)
    placed = await web.post("supervisor", "/api/holds", {"call_id": whose, "reason": WHY})
    hold = f"/api/holds/{placed['hold']}"
    short = await web.ask("supervisor", "POST", f"{hold}/release", {"reason": "短"})
    assert (short.status, short.code) == (422, "ReasonTooShort")
    assert (await web.ask("admin", "POST", f"{hold}/release/grant")).code == "NothingAsked"
    await web.post("supervisor", f"{hold}/release", {"reason": "复查已经结束，可以解除"})
    again = await web.ask("admin", "POST", f"{hold}/release", {"reason": "复查已经结束，可以解除"})
    assert (again.status, again.code) == (409, "ReleaseAsked")
    for verb in ("grant", "refuse"):
        own = await web.ask("supervisor", "POST", f"{hold}/release/{verb}")
        assert (own.status, own.code) == (403, "SamePerson")
    await web.post("auditor", f"{hold}/release/refuse")
    await web.post("supervisor", f"{hold}/release", {"reason": "复查已经结束，先缩短", "until": "2029-05-01"})
    await web.post("auditor", f"{hold}/release/grant")
    longer = {"reason": "这个日期并不更早，应当拒绝", "until": "2030-05-01"}
    assert (await web.ask("supervisor", "POST", f"{hold}/release", longer)).code == "NotShorter"
    [row] = [row for row in (await web.get("admin", "/api/holds"))["rows"] if row["id"] == placed["hold"]]
    assert (row["until"], row["standing"]) == ("2029-05-01", True)
    await web.post("admin", f"{hold}/release", {"reason": "复查已经结束，可以解除"})
    done = await web.post("auditor", f"{hold}/release/grant")
    assert (done["asked_by"], done["decided_by"], done["granted"]) == ("user:admin", "user:auditor", True)
    assert (await web.ask("admin", "POST", f"{hold}/release", {"reason": WHY})).code == "HoldEnded"
    everything = (await web.get("admin", "/api/holds", all="true", limit=200))["rows"]
    [row] = [row for row in everything if row["id"] == placed["hold"]]
    assert row["released_at"] is not None
    assert [release["granted"] for release in row["releases"]] == [False, True, True]
    outcomes = [
        row.ok for row in await audited(web.db, "hold.grant_release") if row.subject == f"hold:{placed['hold']}"
    ]
    assert outcomes == [False, False, True, True]
    assert await custody_of(web.db, one.recording_id) is Custody.STORED


async def test_a_recording_in_recycle_is_brought_back_by_the_api_and_its_certificate_is_shown(
    clock: MovingClock, web: Web
) -> None:
    goes, stays = [await made(web, datetime(2024, 2, 29, 4, tzinfo=UTC)) for _ in range(2)]
    work = RetentionWork(clock.app, web.custody, clock.server.clock())
    clock.move(timedelta(days=200))
    await work.sweep()
    told = await web.get("admin", f"/api/recordings/{goes.recording_id}/retention")
    assert (told["custody"], told["kept_by"]) == ("recycled", "recycle")
    # Sessions are of the application's clock, which was not moved.
    placed = await web.post("admin", f"/api/recordings/{stays.recording_id}/restore", {"reason": WHY})
    assert placed["brought_back"] == [stays.recording_id]
    clock.move(timedelta(days=231))
    await work.sweep()
    await run_deletions(work, clock.app, goes.recording_id)
    assert await custody_of(web.db, stays.recording_id) is Custody.STORED
    assert await lies(web.custody, goes.path) == []
    shown = (await web.get("auditor", "/api/deletion-certificates", limit=200))["rows"]
    [proof] = [row for row in shown if row["recording"] == goes.recording_id]
    assert proof["delete_not_before"] == "2027-03-01"
    told = await web.get("admin", f"/api/recordings/{goes.recording_id}/retention")
    assert (told["custody"], told["certificate"]) == ("deleted", proof["sha256"])
    late = await web.ask("admin", "POST", f"/api/recordings/{goes.recording_id}/restore", {"reason": WHY})
    assert (late.status, late.code) == (409, "StillKept")
    for statement in (
        "DELETE FROM deletion_certificate",
        "UPDATE deletion_certificate SET deleted_at = now()",
        f"UPDATE recording_object SET checked_at = now() WHERE recording_id = {goes.recording_id}",
        f"UPDATE recording_object SET custody = 'stored' WHERE recording_id = {goes.recording_id}",
    ):
        assert await sqlstate(clock.owner, statement) == "23001", statement


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"reason": WHY}, 422),
        ({"reason": WHY, "call_id": "a-1763800000.1", "recording_id": 1}, 422),
        ({"reason": WHY, "call_id": "a-1763800000.1"}, 404),
        ({"reason": WHY, "recording_id": 999_999}, 404),
        ({"reason": WHY, "call_id": "nobody"}, 422),
        ({"reason": WHY, "recording_id": 1, "until": "next year"}, 422),
    ],
)
async def test_a_hold_is_of_something_that_is_there(web: Web, body: dict[str, Any], status: int) -> None:
    assert (await web.ask("admin", "POST", "/api/holds", body)).status == status


# ---- the command line --------------------------------------------------------------------------------------------


async def test_the_command_line_refuses_alike_and_asks_who_it_is(
    clock: MovingClock, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Here:
        database_url = clock.settings_url

    monkeypatch.setattr(commands, "settings_or_fail", Here)
    one = await made(web, datetime(2026, 1, 5, 4, tzinfo=UTC))
    number = str(one.recording_id)

    async def run(*words: str, password: str = PASSWORD) -> tuple[int, str]:
        said = await asyncio.to_thread(CliRunner().invoke, cli, ["recordings", *words], input=f"{password}\n")
        return said.exit_code, said.output

    assert await run("why", number) == (
        0,
        f"recording {number} is kept until 2029-01-06: 3 years and a day from the later of call and close\n",
    )
    status, said = await run("recycle", number, "--as", "admin")
    assert status == 1
    assert "is kept until 2029-01-06" in said
    status, said = await run("keep-until", number, "2027-01-01", "--as", "admin")
    assert status == 1
    assert "never brought forward" in said
    assert (await run("recycle", number, "--as", "admin", password="wrong"))[0] == 1
    assert (await run("recycle", number, "--as", "agent"))[0] == 1
    status, said = await run("hold", number, "--reason", WHY, "--as", "admin")
    assert status == 0, said
    hold = said.split("hold ")[1].split()[0]
    assert hold in (await run("holds"))[1]
    assert (await run("release", hold, "--reason", "复查已经结束，可以解除", "--as", "admin"))[0] == 0
    assert "另一人审批" in (await run("release", hold, "--grant", "--as", "admin"))[1]
    assert (await run("release", hold, "--grant", "--as", "auditor"))[0] == 0
    assert (await run("due"))[0] == 0
    assert (await run("certificates"))[0] == 0
    mine = [row.ok for row in await audited(web.db, "recording.recycle") if row.subject == f"recording:{number}"]
    assert mine == [False]
