"""The archive by the API: what is listed, who may take a package out, why, and what is written down."""

import io
import tarfile
from pathlib import Path
from typing import Any

from sqlalchemy import select

from callcenter.tables import audit
from tests.support.archived import Archive, archive_of, put_away, recorded, stored
from tests.support.clerks import Opening, opening
from tests.support.tickets import local
from tests.support.web import Answer
from ticketing.aftercare.archive_numbers import Week

__all__ = ["opening"]
WHY = "案件复核调阅档案"


async def ready(opening: Opening, folder: Path) -> Archive:
    office = await opening("ganzhou", local(2026, 6, 10, 9))
    await stored(office, await recorded(office), folder / "spool")
    await put_away(office)
    archive = archive_of(office, folder / "keep")
    await archive.package()
    await archive.work.close_week(Week(2026, 24), office.clock.at)
    return archive


async def take(archive: Archive, who: str, what: str, **query: Any) -> Answer:
    return await archive.office.web.ask(who, "GET", f"/api/archive/{what}/file", params=query)


async def takings(archive: Archive) -> list[tuple[str, str, bool, str]]:
    async with archive.office.web.db.transaction() as tx:
        query = select(audit).where(audit.c.action == "archive.take").order_by(audit.c.id)
        return [(row.actor, row.subject, row.ok, row.detail["reason"]) for row in (await tx.execute(query)).all()]


async def test_packages_are_listed_by_ticket_number_and_week(opening: Opening, tmp_path: Path) -> None:
    archive = await ready(opening, tmp_path)
    web = archive.office.web
    [mine] = (await web.get("auditor", f"/api/tickets/{archive.ticket}/packages"))["rows"]
    assert (mine["number"], mine["week"], mine["about"]["request_type"]) == ("GZ-2026W24-00001", "2026-W24", "咨询")
    for query, many in (
        ({"week": "2026-W24"}, 1),
        ({"week": "2026-W25"}, 0),
        ({"number": "GZ-2026W24-00001"}, 1),
        ({"ticket": archive.ticket, "after": mine["id"]}, 0),
    ):
        assert len((await web.get("supervisor", "/api/archive/packages", **query))["rows"]) == many, query
    page = await web.get("supervisor", "/api/archive/packages", limit=1)
    assert page["next"] == mine["id"]
    [week] = (await web.get("supervisor", "/api/archive/weeks"))["rows"]
    assert (week["week"], week["last"], week["part"]) == ("2026-W24", 1, 0)
    assert (await web.ask("auditor", "GET", "/api/tickets/20200101000001/packages")).status == 404
    assert (await web.ask("auditor", "GET", "/api/archive/packages", params={"week": "2026-W77"})).status == 422


async def test_a_package_is_taken_out_for_a_reason_that_is_kept(opening: Opening, tmp_path: Path) -> None:
    archive = await ready(opening, tmp_path)
    assert (await take(archive, "supervisor", "packages/1")).status == 422
    assert (await take(archive, "supervisor", "packages/1", reason="    ")).status == 422
    given = await take(archive, "supervisor", "packages/1", reason=WHY)
    assert given.headers["Content-Disposition"] == f'attachment; filename="{archive.ticket}-r1.tar"'
    with tarfile.open(fileobj=io.BytesIO(given.raw)) as tar:
        assert f"{archive.ticket}-r1/data/ticket.json" in tar.getnames()
    assert (await take(archive, "supervisor", "weeks/1", reason=WHY)).code == "not_allowed"
    assert (await take(archive, "auditor", "weeks/1", reason=WHY)).status == 200
    assert (await take(archive, "auditor", "packages/77", reason=WHY)).status == 404
    assert await takings(archive) == [
        ("user:supervisor", "package:1", True, WHY),
        ("user:auditor", "archive_week:1", True, WHY),
    ]


async def test_a_secret_leaves_only_with_another_persons_approval_once(opening: Opening, tmp_path: Path) -> None:
    archive = await ready(opening, tmp_path)
    office, web = archive.office, archive.office.web
    await office.do("supervisor", "mark", reason="涉及举报人", confidential=True)
    assert (await take(archive, "auditor", "packages/1", reason=WHY)).code == "release_needed"
    asked = await web.post("auditor", f"/api/tickets/{archive.ticket}/releases", {"kind": "export", "purpose": WHY})
    await web.post("supervisor", f"/api/releases/{asked['id']}/approve", {"note": "同意"})
    assert (await take(archive, "supervisor", "packages/1", reason=WHY)).code == "release_needed"
    assert (await take(archive, "auditor", "packages/1", reason=WHY)).status == 200
    assert (await take(archive, "auditor", "packages/1", reason=WHY)).code == "release_needed"
    assert [ok for _, __, ok, ___ in await takings(archive)] == [False, False, True, False]


async def test_a_damaged_file_is_not_given_out_as_the_record(opening: Opening, tmp_path: Path) -> None:
    archive = await ready(opening, tmp_path)
    [file] = (archive.folder / "2026" / "W24").glob("*-r1.tar")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"x")
    assert (await take(archive, "auditor", "packages/1", reason=WHY)).code == "package_damaged"
    file.unlink()
    assert (await take(archive, "auditor", "packages/1", reason=WHY)).code == "package_damaged"
    elsewhere = tmp_path / "elsewhere.tar"
    elsewhere.write_bytes(whole)
    file.symlink_to(elsewhere)
    assert (await take(archive, "auditor", "packages/1", reason=WHY)).code == "package_damaged"
    assert [ok for _, __, ok, ___ in await takings(archive)] == [False, False, False]
