"""Nobody changes the audit unnoticed: each attack is made past the triggers, as the owner of the database could."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callcenter import metrics
from callcenter.audit import Audited, note
from callcenter.audit_chain import FIRST, Algorithm, linked
from callcenter.custody import anchors, chain_check
from callcenter.custody.chain_work import BATCH, ChainWork
from callcenter.db import Database
from callcenter.digests import DIGESTS
from callcenter.signing import Signer
from callcenter.types import Actor
from recordings.custody.objects import ObjectStore

WANG = Actor("user", "wang")


class Undone(Exception):
    """The deed is taken back."""


@dataclass
class Book:
    """An audit with its chain and its second places."""

    db: Database
    work: ChainWork
    places: anchors.Places

    async def note(self, *subjects: str) -> None:
        """One row each, each in a transaction of its own."""
        for subject in subjects:
            async with self.db.transaction() as tx:
                await note(tx, Audited(WANG, "recording.play", subject, detail={"seconds": 3.5, "why": "复核"}))

    async def grow(self, rows: int, rounds: int = 1) -> None:
        """Rows, sealed and anchored after each round."""
        for _ in range(rounds):
            await self.note(*(f"recording:{n}" for n in range(rows)))
            await self.work.seal()

    async def attack(self, *statements: str) -> None:
        """As the superuser, with every trigger and foreign key switched off."""
        async with self.db.transaction() as tx:
            for table in ("audit", "audit_link"):
                await tx.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
            for statement in statements:
                assert (await tx.execute(text(statement))).rowcount
            for table in ("audit", "audit_link"):
                await tx.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER ALL"))

    async def found(self) -> list[str]:
        async with self.db.transaction() as tx:
            return await chain_check.check(tx, self.places)

    async def column(self, query: str) -> list[object]:
        async with self.db.transaction() as tx:
            return list((await tx.execute(text(query))).scalars())

    @property
    def folder(self) -> Path:
        assert self.places.folder is not None
        return self.places.folder

    @property
    def file(self) -> Path:
        (one,) = anchors.files_of(self.folder)
        return one


@pytest.fixture
def book(db: Database, tmp_path: Path) -> Book:
    Signer.make(tmp_path / "signing.pem")
    store = ObjectStore((tmp_path / "copy").as_uri())
    places = anchors.places(tmp_path / "anchors", store, tmp_path / "signing.pem")
    return Book(db, ChainWork(db, Algorithm.SHA256, places), places)


async def test_a_chain_nobody_touched_holds(book: Book) -> None:
    await book.grow(4, rounds=3)
    await book.work.keep_object()
    assert await book.found() == []
    assert await book.column("SELECT seq FROM audit_link ORDER BY seq") == list(range(1, 13))
    lines = [json.loads(line) for line in book.file.read_text().splitlines()]
    assert [(line["seq"], line["count"]) for line in lines] == [(4, 4), (8, 4), (12, 4)]


async def test_nothing_new_writes_no_anchor(book: Book) -> None:
    await book.grow(2)
    before = book.file.read_bytes()
    await book.work.seal()
    assert book.file.read_bytes() == before


async def test_an_edited_row_is_named(book: Book) -> None:
    await book.grow(5)
    await book.attack("UPDATE audit SET actor = 'user:li' WHERE id = 3")
    (told,) = await book.found()
    assert "audit row 3 " in told
    assert "user:li" in told


async def test_every_field_of_a_row_is_bound(book: Book) -> None:
    await book.grow(7)
    changes = (
        "at = at + interval '1 microsecond'",
        "action = 'recording.export'",
        "subject = 'recording:77'",
        "ok = NOT ok",
        """detail = detail || '{"why": "x"}'""",
        """detail = jsonb_set(detail, '{seconds}', '3.50')""",
    )
    await book.attack(*(f"UPDATE audit SET {change} WHERE id = {n}" for n, change in enumerate(changes, 1)))
    told = await book.found()
    assert [f"audit row {n} " in one for n, one in enumerate(told, 1)] == [True] * len(changes)


async def test_a_deleted_row_is_named(book: Book) -> None:
    await book.grow(5)
    await book.attack("DELETE FROM audit WHERE id = 3")
    (told,) = await book.found()
    assert "audit row 3 is gone" in told


async def test_a_row_deleted_with_its_link_is_named_by_the_gap(book: Book) -> None:
    await book.grow(5)
    await book.attack("DELETE FROM audit_link WHERE seq = 3", "DELETE FROM audit WHERE id = 3")
    (told,) = await book.found()
    assert "links 3 to 3" in told


async def test_moved_rows_are_named(book: Book) -> None:
    await book.grow(5)
    await book.attack(
        "UPDATE audit_link SET audit_id = 100 WHERE seq = 2",
        "UPDATE audit_link SET audit_id = 2 WHERE seq = 3",
        "UPDATE audit_link SET audit_id = 3 WHERE seq = 2",
    )
    told = await book.found()
    assert ["audit row 3 " in told[0], "audit row 2 " in told[1], len(told)] == [True, True, 2]


async def test_a_row_put_in_between_is_named(book: Book) -> None:
    """Behind the newest link nothing is linked any more, whatever number a row takes."""
    await book.grow(5)
    book.work.floor.linked = 5
    insert = "INSERT INTO audit (id, at, actor, action, subject, ok) OVERRIDING SYSTEM VALUE"
    await book.attack(f"{insert} VALUES (-7, now() - interval '2 hours', 'user:li', 'call.read', 'call:x', true)")
    await book.work.seal()
    (told,) = await book.found()
    assert "audit row -7 " in told
    assert "is not in the chain" in told


async def test_a_backdated_row_is_named(book: Book) -> None:
    await book.grow(3)
    async with book.db.transaction() as tx:
        await tx.execute(
            text(
                """INSERT INTO audit (at, actor, action, subject, ok)
                   VALUES (now() - interval '2 hours', 'user:li', 'call.read', 'call:x', true)"""
            )
        )
    await book.work.seal()
    (told,) = await book.found()
    assert "audit row 4 " in told
    assert "backdated" in told


async def cut_tail(book: Book) -> None:
    await book.attack("DELETE FROM audit_link WHERE seq > 6", "DELETE FROM audit WHERE id > 6")


async def test_a_cut_tail_is_seen_from_the_anchors(book: Book) -> None:
    await book.grow(4, rounds=2)
    await cut_tail(book)
    (told,) = await book.found()
    assert "ends at link 6" in told
    assert "2 rows were cut" in told


async def test_a_cut_tail_is_seen_from_the_object_store_when_the_file_was_cut_too(book: Book) -> None:
    await book.grow(4, rounds=2)
    await book.work.keep_object()
    await cut_tail(book)
    book.file.write_bytes(book.file.read_bytes().splitlines(keepends=True)[0])
    (told,) = await book.found()
    assert "object anchors/" in told
    assert "2 rows were cut" in told


async def test_the_sealing_process_sees_a_cut_tail_at_once(book: Book) -> None:
    await book.grow(8)
    await cut_tail(book)
    before = metrics.AUDIT_ANCHORS.labels("file", "ahead")._value.get()
    await book.work.seal()
    assert metrics.AUDIT_ANCHORS.labels("file", "ahead")._value.get() == before + 1


async def rechained(book: Book, algorithm: Algorithm = Algorithm.SHA256) -> None:
    """A row is edited and every hash after it made anew, as one who knows the code would do it."""
    await book.attack("UPDATE audit SET actor = 'user:li' WHERE id = 6")
    async with book.db.transaction() as tx:
        query = "SELECT id, at, actor, action, subject, ok, detail::text FROM audit ORDER BY id"
        rows = [tuple(row) for row in await tx.execute(text(query))]
    hashes = list(linked(FIRST, rows, DIGESTS[algorithm]))
    await book.attack(
        *(f"UPDATE audit_link SET hash = '\\x{made.hex()}' WHERE seq = {seq}" for seq, made in enumerate(hashes, 1))
    )


async def test_a_history_made_anew_is_seen_from_the_anchors(book: Book) -> None:
    await book.grow(4, rounds=3)
    await rechained(book)
    (told,) = await book.found()
    assert "rewritten" in told
    assert "links 5 to 8" in told


async def test_a_history_made_anew_with_the_anchor_file_is_seen_from_the_object_store(book: Book) -> None:
    await book.grow(4, rounds=3)
    await book.work.keep_object()
    await rechained(book)
    forger = replace(book.places, signer=None)
    book.file.unlink()
    await ChainWork(book.db, Algorithm.SHA256, forger).seal()
    told = await book.found()
    assert any("signature is not ours" in one for one in told)
    assert any("rewritten" in one and "object anchors/" in one for one in told)


Lines = list[bytes]
SPOILT: tuple[tuple[Callable[[Lines], Lines], str], ...] = (
    (lambda lines: lines[:1] + lines[2:], "line 2: does not follow"),
    (lambda lines: [lines[0], lines[1].replace(b'"count":4', b'"count":5'), lines[2]], "line 3: does not follow"),
    (lambda lines: [lines[1], lines[0], lines[2]], "does not follow"),
    (lambda lines: [*lines[:2], lines[2].replace(b'"count":4', b'"count":5')], "signature is not ours"),
    (lambda lines: [*lines[:2], lines[2][:-30] + b"\n"], "not an anchor"),
)
"""An anchor file of three lines: a line taken out, edited, moved, the last one edited, and cut inside a line."""


async def test_a_spoilt_anchor_file_is_named(book: Book) -> None:
    await book.grow(4, rounds=3)
    sound = book.file.read_bytes()
    for spoil, said in SPOILT:
        book.file.write_bytes(b"".join(spoil(sound.splitlines(keepends=True))))
        assert any(said in one for one in await book.found()), said


async def test_a_forged_object_is_named(book: Book) -> None:
    await book.grow(4)
    await book.work.keep_object()
    assert book.places.store is not None
    ((name, _),) = [one async for one in book.places.store.names(anchors.OBJECTS)]
    await book.places.store.replace(name, (await book.places.store.read(name)).replace(b'"seq":4', b'"seq":9'))
    (told,) = await book.found()
    assert name in told


async def test_a_cut_anchor_file_is_seen_from_the_chain(book: Book) -> None:
    """The newest links are older than a minute and no anchor speaks for them."""
    await book.grow(4, rounds=3)
    book.file.write_bytes(b"".join(book.file.read_bytes().splitlines(keepends=True)[:2]))
    assert await book.found() == []
    await book.attack("UPDATE audit_link SET linked_at = linked_at - interval '2 minutes'")
    (told,) = await book.found()
    assert "end at link 8" in told


async def test_rows_without_a_link_are_told_after_a_minute(book: Book) -> None:
    await book.note("recording:1")
    assert await book.found() == []
    await book.attack("UPDATE audit SET at = at - interval '2 minutes'")
    (told,) = await book.found()
    assert "audit row 1 " in told


async def test_sm3_goes_on_in_a_chain_of_sha256(book: Book) -> None:
    await book.grow(3)
    book.work.algorithm = Algorithm.SM3
    await book.grow(3)
    assert await book.found() == []
    assert await book.column("SELECT digest FROM audit_link ORDER BY seq") == ["sha256"] * 3 + ["sm3"] * 3
    await book.attack("UPDATE audit SET ok = false WHERE id = 5")
    assert "audit row 5 " in (await book.found())[0]


async def test_many_writers_and_two_sweeps_at_once_make_one_chain_without_gaps(book: Book) -> None:
    other = ChainWork(book.db, Algorithm.SHA256, book.places)

    async def write(number: int) -> None:
        for turn in range(6):
            with suppress(Undone):
                await write_one(number, turn)

    async def write_one(number: int, turn: int) -> None:
        async with book.db.transaction() as tx:
            await note(tx, Audited(WANG, "call.read", f"call:{number}-{turn}"))
            await asyncio.sleep(0)
            if turn == 3:
                # What is rolled back leaves a hole in the numbers and none in the chain.
                raise Undone

    async def sweep(work: ChainWork) -> None:
        for _ in range(8):
            await work.seal()

    await asyncio.gather(*(write(n) for n in range(6)), sweep(book.work), sweep(other))
    await book.work.seal()
    assert await book.found() == []
    seqs = await book.column("SELECT seq FROM audit_link ORDER BY seq")
    assert seqs == list(range(1, 31))


async def test_a_row_committed_after_later_ones_is_linked_all_the_same(book: Book) -> None:
    async with book.db.transaction() as slow:
        await note(slow, Audited(WANG, "call.read", "call:slow"))
        await book.grow(3, rounds=2)
        assert book.work.floor.linked < 1
    await book.work.seal()
    assert await book.found() == []
    assert await book.column("SELECT audit_id FROM audit_link ORDER BY seq DESC LIMIT 1") == [1]


async def test_killed_between_link_and_anchor_the_next_process_writes_it(book: Book) -> None:
    await book.grow(3)
    await book.note("recording:9")
    lost = ChainWork(book.db, Algorithm.SHA256, replace(book.places, folder=None))
    await lost.seal()
    again = ChainWork(book.db, Algorithm.SHA256, book.places)
    await again.seal()
    assert json.loads(book.file.read_text().splitlines()[-1])["seq"] == 4
    assert await book.found() == []


async def test_a_line_the_power_cut_short_never_counted(book: Book) -> None:
    await book.grow(3)
    with book.file.open("ab") as file:
        file.write(b'{"at":"2026-11-22T')
    await book.grow(2)
    assert await book.found() == []


async def test_an_anchor_that_cannot_be_written_holds_nobody_up_and_is_made_up_for(book: Book) -> None:
    book.folder.parent.mkdir(exist_ok=True)
    book.folder.write_text("in the way")
    before = metrics.AUDIT_ANCHORS.labels("file", "failed")._value.get()
    await book.grow(3)
    assert await book.column("SELECT count(*) FROM audit_link") == [3]
    assert metrics.AUDIT_ANCHORS.labels("file", "failed")._value.get() == before + 1
    book.folder.unlink()
    await book.work.seal()
    assert await book.found() == []
    assert book.file.stat().st_mode & 0o777 == 0o600


async def test_more_rows_than_a_batch_are_linked_in_one_round(book: Book) -> None:
    async with book.db.transaction() as tx:
        await tx.execute(
            text(
                f"""INSERT INTO audit (actor, action, subject, ok)
                    SELECT 'user:wang', 'call.read', 'call:' || n, true FROM generate_series(1, {2 * BATCH + 1}) n"""
            )
        )
    await book.work.seal()
    assert await book.column("SELECT max(seq) FROM audit_link") == [2 * BATCH + 1]
    assert await book.found() == []


async def refused(book: Book, statement: str) -> None:
    async with book.db.transaction() as tx:
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        with pytest.raises(DBAPIError, match="append-only"):
            async with tx.begin_nested():
                await tx.execute(text(statement))


async def test_the_owner_cannot_change_links_even_as_a_replica(book: Book) -> None:
    await book.grow(1)
    for table in ("audit", "audit_link"):
        await refused(book, f"DELETE FROM {table}")
        await refused(book, f"TRUNCATE {table} CASCADE")
    await refused(book, "UPDATE audit_link SET seq = 2")
    await refused(book, "UPDATE audit SET ok = false")


async def test_what_cannot_be_audited_does_not_happen(book: Book) -> None:
    """Fault 35: the deed and its row are one transaction."""

    async def deed() -> None:
        async with book.db.transaction() as tx:
            await tx.execute(text("INSERT INTO handling_unit (id, name, number) VALUES ('w', '水务局', '07737512345')"))
            await note(tx, Audited(WANG, "unit.add", "unit:w"))

    async with book.db.transaction() as tx:
        await tx.execute(text("ALTER TABLE audit ADD CONSTRAINT full_now CHECK (false) NOT VALID"))
    with pytest.raises(DBAPIError, match="full_now"):
        await deed()
    assert await book.column("SELECT id FROM handling_unit") == []
    async with book.db.transaction() as tx:
        await tx.execute(text("ALTER TABLE audit DROP CONSTRAINT full_now"))
    await deed()
    assert await book.column("SELECT id FROM handling_unit") == ["w"]
