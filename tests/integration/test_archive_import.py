"""Packages brought into another system: verified, trusted or refused, read there, their recordings heard."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from callcenter.archive import bags, checking, store
from callcenter.archive.bags import BagWrong
from callcenter.archive.checking import PackageWrong
from callcenter.archive.importing import Importer, KeyNotTrusted, PackageConflict
from callcenter.archive.reading import Reader
from callcenter.archive.tables import archived_package, archived_recording, archived_week
from callcenter.archive.tars import PackageUnsafe, pack
from callcenter.cli import archive as cli
from callcenter.db import Database
from callcenter.signing import Signer
from callcenter.tables import audit
from callcenter.types import system
from recordings.custody.keys import FileKeys, KeyUnknown, new_key
from recordings.custody.leaving import decrypt
from tests.conftest import Stock
from tests.support.archived import (
    SECONDS,
    Archive,
    archive_command,
    archive_of,
    key_file,
    master_keys,
    put_away,
    recorded,
    seconds_of,
    signed_again,
    stored,
    unpacked,
)
from tests.support.clerks import Opening, opening
from tests.support.stack import PostgresForTests
from tests.support.tickets import local
from ticketing.aftercare.archive_numbers import Week
from ticketing.tables import ticket

__all__ = ["opening"]
WEEK = Week(2026, 24)


@pytest.fixture
async def empty(postgres: PostgresForTests, stock: Stock) -> AsyncIterator[Database]:
    """A second system's database, freshly migrated."""
    name = await stock.take()
    database = Database(postgres.dsn(name))
    yield database
    await database.close()
    stock.give_back(name)


class Elsewhere:
    """The archive of the second system."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder

    def importer(self, *trusted: bytes, trust_new: bool = False) -> Importer:
        return Importer(self.database, self.folder, trusted, trust_new, system("archive-import"))


async def made(opening: Opening, folder: Path) -> tuple[Archive, UUID, Path]:
    """An archived ticket with a recording, and its package."""
    office = await opening("ganzhou", local(2026, 6, 10, 9))
    name = await recorded(office)
    await stored(office, name, folder / "spool")
    await put_away(office)
    archive = archive_of(office, folder / "keep")
    return archive, name, await archive.package()


async def test_an_empty_system_takes_a_package_finds_it_and_plays_its_recording(
    opening: Opening, empty: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, name, package = await made(opening, tmp_path)
    week = await archive.work.close_week(WEEK, archive.office.clock.at)
    assert week is not None
    there = Elsewhere(empty, tmp_path / "elsewhere")
    importer = there.importer(archive.signer.public_pem)
    now = archive.office.clock.at
    taken = await importer.take(package, now)
    assert (taken.new, taken.name) == (True, f"{archive.ticket}-r1")
    assert (await importer.take(package, now)).new is False, "a second time changes nothing"
    assert (await importer.take(archive.folder / week.path, now)).new
    async with empty.transaction() as tx:
        [row] = await store.packages(tx, week=WEEK, ticket=archive.ticket, number="GZ-2026W24-00001")
        assert (row.source, row.document["request_type"], row.secret) == ("imported", "咨询", False)
        [index] = await store.weeks(tx, week=WEEK)
        assert (index.source, index.last) == ("imported", 1)
        assert await store.packages_with(tx, name) == (row.path,)
        assert (await tx.execute(select(func.count()).select_from(ticket))).scalar_one() == 0, "no ticket is pretended"
        told = (await tx.execute(select(audit.c.ok).where(audit.c.action == "archive.import"))).scalars().all()
    assert told == [True, True]
    assert (there.folder / row.path).read_bytes() == package.read_bytes()
    keys = key_file(archive.office, tmp_path / "recordings.key")
    with Reader(there.folder / row.path) as reader:
        with reader.recording(name, FileKeys.load(keys)) as heard:
            assert heard.read(4) == b"fLaC"
        with pytest.raises(KeyUnknown):
            reader.recording(name, FileKeys((new_key("other"),)))
    cli.play(there.folder / row.path, str(name), keys, tmp_path / "heard")
    cli.show(there.folder / row.path)
    assert f"recordings/{name}.ccr" in capsys.readouterr().out
    assert seconds_of(tmp_path / "heard" / f"{name}.flac") == SECONDS


async def test_a_package_still_opens_after_the_master_key_was_rotated(opening: Opening, tmp_path: Path) -> None:
    office = await opening("ganzhou", local(2026, 6, 10, 9))
    name = await recorded(office)
    await stored(office, name, tmp_path / "spool")
    keys, fresh = office.web.custody.keys, new_key("rk-2")
    assert isinstance(keys, FileKeys)
    both = FileKeys((*master_keys(keys), fresh))
    async with office.web.db.transaction() as tx:
        [row] = (await tx.execute(text("SELECT recording_id, key_id, wrapped_key FROM recording_object"))).all()
        wrapped = both.wrap("rk-2", keys.unwrap(row.key_id, bytes(row.wrapped_key)))
        changed = text("UPDATE recording_object SET key_id = 'rk-2', wrapped_key = :wrapped")
        await tx.execute(changed, {"wrapped": wrapped})
    await put_away(office)
    package = await archive_of(office, tmp_path / "keep").package()
    only_new = FileKeys((fresh,))
    with Reader(package) as reader, reader.recording(name, only_new) as heard:
        assert heard.read(4) == b"fLaC"
    bag = unpacked(package, tmp_path / "bag")
    assert decrypt(bag / "data" / "recordings" / f"{name}.ccr", only_new, tmp_path).exists()


async def test_nobody_elses_key_is_believed_unless_asked_for(opening: Opening, empty: Database, tmp_path: Path) -> None:
    archive, _, package = await made(opening, tmp_path)
    there, now = Elsewhere(empty, tmp_path / "elsewhere"), archive.office.clock.at
    other = Signer.make(tmp_path / "other.pem").public_pem
    for trusted in ((), (other,)):
        with pytest.raises(KeyNotTrusted) as refused:
            await there.importer(*trusted).take(package, now)
        assert refused.value.key == bags.fingerprint(archive.signer.public_pem)
    assert await _rows(empty) == (0, 0, [False, False])
    assert (await there.importer(trust_new=True).take(package, now)).new
    assert await _rows(empty) == (1, 1, [False, False, True])


async def _rows(database: Database) -> tuple[int, int, list[bool]]:
    """Packages, their recordings, and what the audit says of imports."""
    async with database.transaction() as tx:
        counts = [
            (await tx.execute(select(func.count()).select_from(one))).scalar_one()
            for one in (archived_package, archived_recording)
        ]
        query = select(audit.c.ok).where(audit.c.action == "archive.import").order_by(audit.c.id)
        told = list((await tx.execute(query)).scalars())
    return counts[0], counts[1], told


async def test_the_command_takes_a_folder_into_another_database(
    opening: Opening, empty: Database, tmp_path: Path
) -> None:
    archive, _, __ = await made(opening, tmp_path)
    await archive.work.close_week(WEEK, archive.office.clock.at)
    url = empty.url.render_as_string(hide_password=False)
    where = ("--into", url, "--folder", tmp_path / "elsewhere")
    refused, said = await asyncio.to_thread(archive_command, "import", archive.folder, *where)
    assert (refused, said.count("is not trusted here"), "2 of 2" in said) == (1, 2, True), said
    key = ("--key", tmp_path / "keep" / "signing.pem.pub")
    for word in ("imported as", "was here already as"):
        status, said = await asyncio.to_thread(archive_command, "import", archive.folder, *where, *key)
        assert (status, said.count(word)) == (0, 2), said
    assert (await _rows(empty))[:2] == (1, 1)
    status, said = await asyncio.to_thread(archive_command, "verify", tmp_path / "elsewhere", *key)
    assert (status, "numbers 1 to 1, 1 packages listed" in said) == (0, True), said


async def test_what_does_not_verify_is_refused_and_leaves_nothing(
    opening: Opening, empty: Database, tmp_path: Path
) -> None:
    archive, _, package = await made(opening, tmp_path)
    there, now = Elsewhere(empty, tmp_path / "elsewhere"), archive.office.clock.at
    importer = there.importer(archive.signer.public_pem)
    changed = tmp_path / "changed.tar"
    data = package.read_bytes()
    changed.write_bytes(data.replace("幸福小区".encode(), "幸福小村".encode()))
    (tmp_path / "cut.tar").write_bytes(data[: len(data) // 2])
    (tmp_path / "link.tar").symlink_to(package)
    for path, error in (
        (changed, BagWrong),
        (tmp_path / "cut.tar", PackageUnsafe),
        (tmp_path / "link.tar", PackageUnsafe),
        (tmp_path, PackageUnsafe),
        (tmp_path / "absent.tar", PackageUnsafe),
    ):
        with pytest.raises(error):
            await importer.take(path, now)
    assert await _rows(empty) == (0, 0, [False] * 5)
    assert not [one for one in there.folder.rglob("*") if one.is_file()]


async def test_two_packages_of_one_round_by_one_key_are_not_both_the_record(
    opening: Opening, empty: Database, tmp_path: Path
) -> None:
    archive, _, package = await made(opening, tmp_path)
    there, now = Elsewhere(empty, tmp_path / "elsewhere"), archive.office.clock.at
    importer = there.importer(archive.signer.public_pem)
    await importer.take(package, now)
    bag = unpacked(package, tmp_path / "bag")
    head = bag / "data" / "ticket.json"
    head.write_text(head.read_text().replace("幸福小区", "幸福小村"))
    signed_again(bag, archive.signer)
    pack(bag, tmp_path / "second.tar")
    with pytest.raises(PackageConflict):
        await importer.take(tmp_path / "second.tar", now)
    assert (await _rows(empty))[:2] == (1, 1)


async def test_a_package_cannot_call_itself_another_tickets(opening: Opening, tmp_path: Path) -> None:
    archive, _, package = await made(opening, tmp_path)
    bag = unpacked(package, tmp_path / "bag")
    other = bag.rename(bag.with_name("20260610000099-r1"))
    signed_again(other, archive.signer)
    with pytest.raises(PackageWrong, match="it calls itself 20260610000099-r1"):
        checking.verify(other)


async def test_rows_of_the_archive_are_never_changed(opening: Opening, tmp_path: Path) -> None:
    archive, _, __ = await made(opening, tmp_path)
    await archive.work.close_week(WEEK, archive.office.clock.at)
    for table in (archived_package, archived_recording, archived_week):
        for statement in (f"DELETE FROM {table.name}", f"TRUNCATE {table.name} CASCADE"):
            with pytest.raises(Exception, match="append-only"):
                async with archive.office.web.db.transaction() as tx:
                    await tx.execute(text(statement))
