"""Files of tickets through the API: what comes in, who reads it, how it is kept, and what a death leaves behind."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from callcenter import invariants
from callcenter.attachments import cabinet as cabinets
from callcenter.attachments import intake, rows
from callcenter.attachments.cabinet import Cabinet
from callcenter.attachments.recheck import AttachmentRecheck
from callcenter.attachments.tables import attachment, attachment_object
from callcenter.attachments.words import MOST_FILE_BYTES, MOST_OF_TICKET, Given, Purpose
from callcenter.attachments.work import AttachmentWork, check
from callcenter.db import Database
from callcenter.tables import audit
from callcenter.types import TicketId
from callcenter.web import attachments as door
from recordings.custody.objects import ObjectStore, StoreAway
from tests.support.attached import JPEG, PDF, give, given, office, png
from tests.support.lives import FIELDS, ask, dispatched, handling, opened, reply_contents
from tests.support.tickets import WATER_MAN
from tests.support.web import Web, serving, with_people
from ticketing.records import package_tables

AT_ONCE = timedelta(seconds=-60)
"""Older than this is everything."""


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path / "spool") as one:
        yield await with_people(one)


def cabinet(web: Web) -> Cabinet:
    return Cabinet(web.custody, web.vault)


def files_in(store: ObjectStore | None) -> list[Path]:
    assert store is not None
    assert store.folder is not None
    return sorted(path for path in (store.folder / cabinets.FOLDER).rglob("*") if path.is_file())


async def sweep(web: Web) -> int:
    """Everything that is left over is old enough by now; then the second copies."""
    work = AttachmentWork(web.db, cabinet(web))
    removed = await work.tidy(datetime.now(UTC), AT_ONCE)
    await work.copy(datetime.now(UTC))
    return removed


async def objects(web: Web) -> list[str]:
    async with web.db.transaction() as tx:
        query = select(attachment_object.c.place).order_by(attachment_object.c.id)
        return list((await tx.execute(query)).scalars())


async def audited(web: Web, action: str) -> list[tuple[str, bool]]:
    async with web.db.transaction() as tx:
        query = select(audit.c.actor, audit.c.ok).where(audit.c.action == action).order_by(audit.c.id)
        return [(row.actor, row.ok) for row in await tx.execute(query)]


async def listed(web: Web, who: str, ticket: str) -> Any:
    return (await web.get(who, f"/api/tickets/{ticket}/attachments"))["rows"]


# ---- in and out ----------------------------------------------------------------------------------------------------


async def test_a_photograph_comes_back_as_it_was_and_only_as_a_download(web: Web) -> None:
    ticket = (await handling(web))["id"]
    added = await given(web, "unit", ticket, JPEG, "../修复后 现场.JPG")
    assert (added["name"], added["kind"], added["shown"], added["ref"]) == (
        "修复后 现场.jpg",
        "jpeg",
        True,
        f"file:{added['id']}",
    )
    back = await web.ask("reviewer", "GET", f"/api/attachments/{added['id']}")
    assert back.raw == JPEG
    assert back.headers["Content-Type"] == "image/jpeg"
    assert back.headers["Content-Disposition"].startswith(f'attachment; filename="file-{added["id"]}.jpg"; filename*=')
    assert "sandbox" in back.headers["Content-Security-Policy"]
    assert back.headers["X-Content-Type-Options"] == "nosniff"
    assert back.headers["Cache-Control"] == "no-store"
    assert await audited(web, "attachment.read") == [("user:reviewer", True)]
    assert await audited(web, "attachment.add") == [("user:unit", True)]


def _everything(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def test_nothing_of_it_lies_open_on_the_disk(web: Web, tmp_path: Path) -> None:
    secret = b"%PDF-1.7 " + "王先生的身份证号".encode() * 50
    await given(web, "unit", (await handling(web))["id"], secret, "材料.pdf", purpose="reply")
    await sweep(web)
    assert [len(files_in(place)) for place in (web.custody.store, web.custody.copy)] == [1, 1]
    for path in _everything(tmp_path):
        if path.is_file():
            assert "王先生".encode() not in path.read_bytes(), path
            assert "材料" not in path.name


async def test_who_may_see_the_ticket_may_read_it_and_nobody_else(web: Web) -> None:
    ticket = await handling(web)
    added = await given(web, "unit", ticket["id"], JPEG)
    path = f"/api/attachments/{added['id']}"
    for who in ("agent", "dispatcher", "unit", "head", "reviewer", "supervisor", "auditor", "leader"):
        assert (await web.ask(who, "GET", path)).status == 200, who
    for who, status in (("unit2", 404), ("admin", 403)):
        assert (await web.ask(who, "GET", path)).status == status, who
    assert (await web.ask("unit2", "GET", f"/api/tickets/{ticket['id']}/attachments")).status == 404
    assert (await give(web, "unit2", ticket["id"], JPEG)).status == 404
    assert (await web.ask("unit2", "POST", f"{path}/remove", {})).status == 404
    # A unit that is asked to assist sees it from then on.
    await ask(web, "dispatcher", ticket, "assists", unit="roads", reason="需要配合围挡")
    assert (await web.ask("unit2", "GET", path)).status == 200
    assert (await give(web, "unit2", ticket["id"], PDF, "协办意见.pdf", purpose="reply")).status == 200


async def test_what_the_citizen_gave_is_hidden_where_the_citizen_is(web: Web) -> None:
    open_one, secret = await dispatched(web), await dispatched(web, confidential=True)
    for ticket, seen in ((open_one, 200), (secret, 404)):
        photo = await given(web, "agent", ticket["id"], JPEG, "来访照片.jpg", purpose="citizen")
        assert (await web.ask("unit", "GET", f"/api/attachments/{photo['id']}")).status == seen
        assert len(await listed(web, "unit", ticket["id"])) == (1 if seen == 200 else 0)
        assert (await web.ask("reviewer", "GET", f"/api/attachments/{photo['id']}")).status == 200
    forged = await give(web, "unit", open_one["id"], PDF, "伪称.pdf", purpose="citizen")
    assert (forged.status, forged.code) == (422, "GuardFailed")


# ---- what stays outside --------------------------------------------------------------------------------------------


async def test_sizes_from_nothing_to_too_much(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = (await handling(web))["id"]
    most = 2 * 1024 * 1024
    monkeypatch.setattr(door, "MOST_FILE_BYTES", most)
    for size in (len(PDF), 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 1024 * 1024 + 3, most):
        data = PDF + bytes(size - len(PDF))
        added = await given(web, "unit", ticket, data, f"{size}.pdf", purpose="reply")
        assert added["size_bytes"] == size
        assert (await web.ask("unit", "GET", f"/api/attachments/{added['id']}")).raw == data
    assert (await give(web, "unit", ticket, b"", "空.pdf")).code == "WrongFile"
    long = PDF + bytes(most)
    told = await give(web, "unit", ticket, long, "长.pdf")
    assert (told.status, told.code) == (413, "too_large")
    assert "2 MB" in told.body["detail"]
    assert MOST_FILE_BYTES == 20 * 1024 * 1024
    # Also where nobody said beforehand how much it would be.
    chunked = await web.ask(
        "unit", "POST", f"/api/tickets/{ticket}/attachments?purpose=reply", data=_trickle(long), headers=MULTIPART
    )
    assert chunked.status == 413
    monkeypatch.setattr(door, "PIECE_WITHIN_S", 0.05)
    slow = await web.ask(
        "unit", "POST", f"/api/tickets/{ticket}/attachments?purpose=reply", data=_trickle(PDF, 0.5), headers=MULTIPART
    )
    assert (slow.status, slow.code) == (408, "too_slow")
    assert len(await listed(web, "unit", ticket)) == 6


MULTIPART = {"Content-Type": "multipart/form-data; boundary=xx"}


async def _trickle(data: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    yield b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    for start in range(0, len(data), 1024 * 1024):
        await asyncio.sleep(pause_s)
        yield data[start : start + 1024 * 1024]
    yield b"\r\n--xx--\r\n"


async def test_a_round_has_room_for_so_many(web: Web) -> None:
    ticket = (await handling(web))["id"]
    for n in range(MOST_OF_TICKET):
        await given(web, "unit", ticket, png(n), f"{n}.png")
    told = await give(web, "unit", ticket, png(250), "多.png")
    assert (told.status, told.code) == (422, "GuardFailed")
    assert str(MOST_OF_TICKET) in told.body["detail"]


BODIES: list[tuple[bytes, dict[str, str], int]] = [
    (b"{}", {"Content-Type": "application/json"}, 415),
    (b"", MULTIPART, 400),
    (b"--xx--\r\n", MULTIPART, 400),
    (b"--yy\r\n\r\n", MULTIPART, 400),
    (
        b'--xx\r\nContent-Disposition: form-data; name="other"; filename="a.pdf"\r\n\r\n%PDF-1.7\r\n--xx--\r\n',
        MULTIPART,
        400,
    ),
    (b'--xx\r\nContent-Disposition: form-data; name="file"\r\n\r\n%PDF-1.7\r\n--xx--\r\n', MULTIPART, 400),
    (b"--xx\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n", MULTIPART, 400),
    (b"x", {"Content-Type": "multipart/form-data"}, 400),
]


async def test_bodies_that_are_no_upload_are_told_so(web: Web) -> None:
    ticket = (await handling(web))["id"]
    path = f"/api/tickets/{ticket}/attachments?purpose=reply"
    for raw, headers, status in BODIES:
        answer = await web.ask("unit", "POST", path, data=raw, headers=headers)
        assert answer.status == status, (raw[:90], answer.raw)
        assert answer.body["detail"]
    assert (await web.ask("unit", "POST", path.replace("reply", "anything"), data=b"")).status == 422
    assert await objects(web) == []


HOSTILE = [
    "../../../etc/passwd.jpg",
    'a"; filename="evil.html.jpg',
    "现场\r\nSet-Cookie: a=b.jpg",
    "<script>alert(1)</script>.jpg",
    "\u202egpj.exe.jpg",
    "=cmd|' /C calc'!A0.jpg",
    "长" * 300 + ".jpg",
]


async def test_hostile_names_do_no_harm(web: Web) -> None:
    ticket = (await handling(web))["id"]
    for n, name in enumerate(HOSTILE):
        added = await given(web, "unit", ticket, JPEG + bytes(n), name)
        assert not set(added["name"]) & set('<>"/\\|\r\n\u202e\x01')
        assert len(added["name"]) <= 120
        back = await web.ask("unit", "GET", f"/api/attachments/{added['id']}")
        told = back.headers["Content-Disposition"]
        assert told.isascii()
        assert told.count('"') == 2
        assert "Set-Cookie" not in back.headers
    cut = await give(web, "unit", ticket, PDF[:-9], "断.pdf", size=len(PDF))
    assert (cut.status, cut.code) == (400, "cut_off")
    masked = await give(web, "unit", ticket, office(), "宏.jpg")
    assert (masked.status, masked.code) == (422, "WrongFile")


# ---- once, kept, taken back ----------------------------------------------------------------------------------------


async def test_the_same_file_is_stored_once_however_often_it_is_given(web: Web) -> None:
    one, other = (await handling(web))["id"], (await handling(web))["id"]
    first, again = await given(web, "unit", one, JPEG), await given(web, "unit", one, JPEG, "另一个名字.jpg")
    assert first["id"] == again["id"]
    elsewhere = await given(web, "unit", other, JPEG)
    assert elsewhere["id"] != first["id"]
    await asyncio.gather(*(give(web, "unit", other, PDF, f"{n}.pdf", purpose="reply") for n in range(4)))
    assert len(await listed(web, "unit", other)) == 2
    await sweep(web)
    assert (await objects(web)).count("stored") == 2
    assert len(files_in(web.custody.store)) == 2
    # One ticket lets go of it, the other still has it.
    await web.post("unit", f"/api/attachments/{first['id']}/remove")
    await sweep(web)
    assert (await web.ask("unit", "GET", f"/api/attachments/{elsewhere['id']}")).raw == JPEG
    await web.post("unit", f"/api/attachments/{elsewhere['id']}/remove")
    assert await sweep(web) == 1
    assert [len(files_in(place)) for place in (web.custody.store, web.custody.copy)] == [1, 1]
    assert (await web.ask("unit", "GET", f"/api/attachments/{elsewhere['id']}")).status == 404
    # Given anew, it is there anew.
    assert (await web.ask("unit", "GET", f"/api/attachments/{(await given(web, 'unit', one, JPEG))['id']}")).raw == JPEG


async def test_only_who_gave_it_takes_it_back_and_not_once_a_reply_names_it(web: Web) -> None:
    ticket = await handling(web)
    scene = await given(web, "unit", ticket["id"], JPEG)
    spare = await given(web, "unit", ticket["id"], png(), "多余.png")
    refused = await web.ask("head", "POST", f"/api/attachments/{spare['id']}/remove", {})
    assert (refused.status, refused.code) == (403, "NotYours")
    contents = reply_contents() | {"scene": [{"kind": "photo", "ref": scene["ref"], "sha256": scene["sha256"]}]}
    await ask(web, "unit", ticket, "reply", contents=contents)
    kept = await web.ask("unit", "POST", f"/api/attachments/{scene['id']}/remove", {})
    assert (kept.status, kept.code) == (422, "GuardFailed")
    assert {row["id"]: row["removable"] for row in await listed(web, "unit", ticket["id"])} == {
        scene["id"]: False,
        spare["id"]: True,
    }
    await web.post("unit", f"/api/attachments/{spare['id']}/remove")
    assert [row["id"] for row in await listed(web, "reviewer", ticket["id"])] == [scene["id"]]
    assert await audited(web, "attachment.remove") == [("user:unit", True)]


async def test_a_number_that_only_begins_like_it_does_not_keep_a_file(web: Web) -> None:
    ticket = await handling(web)
    added = await given(web, "unit", ticket["id"], JPEG)
    contents = reply_contents() | {"attachments": [f"{added['ref']}0"]}
    await ask(web, "unit", ticket, "reply", contents=contents)
    await web.post("unit", f"/api/attachments/{added['id']}/remove")


async def test_an_archived_ticket_takes_nothing_more(web: Web) -> None:
    ticket = await opened(web, **{key: value for key, value in FIELDS.items() if key != "phone"})
    photo = await given(web, "agent", ticket["id"], JPEG, purpose="citizen")
    await ask(web, "agent", ticket, "withdraw", reason="重复登记")
    told = await give(web, "agent", ticket["id"], PDF, "晚.pdf", purpose="citizen")
    assert (told.status, told.code) == (422, "GuardFailed")
    assert (await web.ask("agent", "POST", f"/api/attachments/{photo['id']}/remove", {})).status == 422
    assert not (await web.get("agent", f"/api/tickets/{ticket['id']}/attachments"))["may_add"]


# ---- damage, and a death at any point ------------------------------------------------------------------------------


async def test_a_damaged_object_is_mended_from_the_copy_and_never_given_out(web: Web) -> None:
    ticket = (await handling(web))["id"]
    added = await given(web, "unit", ticket, JPEG)
    await sweep(web)
    [stored], [copied] = files_in(web.custody.store), files_in(web.custody.copy)
    whole, path = stored.read_bytes(), f"/api/attachments/{added['id']}"
    for spoilt in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:100], b"", JPEG):
        stored.write_bytes(spoilt)
        assert (await web.ask("unit", "GET", path)).raw == JPEG
        assert stored.read_bytes() == whole
    stored.unlink()
    assert (await web.ask("unit", "GET", path)).raw == JPEG
    for file in (stored, copied):
        file.write_bytes(whole[:-20] + bytes(20))
    gone = await web.ask("unit", "GET", path)
    assert (gone.status, gone.code) == (409, "AttachmentDamaged")
    assert (await audited(web, "attachment.read"))[-1] == ("user:unit", False)
    stored.unlink()
    async with web.db.transaction() as tx:
        [told] = await check(tx, web.custody)
    assert "has no bytes" in told


async def test_every_file_is_read_again_within_a_quarter_and_one_place_mends_the_other(web: Web) -> None:
    await given(web, "unit", (await handling(web))["id"], JPEG)
    await sweep(web)
    [stored], [copied] = files_in(web.custody.store), files_in(web.custody.copy)
    whole, again = stored.read_bytes(), AttachmentRecheck(web.db, cabinet(web))
    at = datetime.now(UTC)
    for broken in (stored, copied):
        broken.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert await again.turn(at) == 0, "read a moment ago"
        at += timedelta(days=81)
        assert await again.turn(at) == 1
        assert (stored.read_bytes(), copied.read_bytes()) == (whole, whole)
    for file in (stored, copied):
        file.write_bytes(whole[:-20] + bytes(20))
    at += timedelta(days=81)
    assert await again.turn(at) == 1
    async with web.db.transaction() as tx:
        [told] = await check(tx, web.custody)
    assert "damaged or missing in every place" in told
    copied.write_bytes(whole)
    at += timedelta(days=2)
    assert await again.turn(at) == 1, "what is in trouble is tried again"
    assert stored.read_bytes() == whole
    async with web.db.transaction() as tx:
        assert await check(tx, web.custody) == []
    assert [ok for _, ok in await audited(web, "attachment.check")] == [True, True, False, True]


async def test_a_lost_disk_is_not_filled_unasked(web: Web) -> None:
    ticket = (await handling(web))["id"]
    for data in (JPEG, PDF):
        await given(web, "unit", ticket, data, "现场.jpg" if data is JPEG else "说明.pdf")
    await sweep(web)
    gone = files_in(web.custody.store)
    for file in gone:
        file.unlink()
    await AttachmentRecheck(web.db, cabinet(web)).turn(datetime.now(UTC) + timedelta(days=81))
    assert files_in(web.custody.store) == []
    assert await audited(web, "attachment.check") == []


async def test_another_files_bytes_are_not_taken_for_it(web: Web) -> None:
    ticket = (await handling(web))["id"]
    one, other = await given(web, "unit", ticket, JPEG), await given(web, "unit", ticket, png(), "b.png")
    first, second = files_in(web.custody.store)
    whole = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(whole)
    for added in (one, other):
        assert (await web.ask("unit", "GET", f"/api/attachments/{added['id']}")).code == "AttachmentDamaged"


class Killed(BaseException):
    """The process is gone: nothing of ours runs any more."""


POINTS = ["before_store", "after_store", "before_commit", "after_commit"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_death_leaves_a_file_that_is_there_or_none(
    web: Web, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    ticket = (await handling(web))["id"]
    with monkeypatch.context() as patch:
        _die_at(patch, point)
        with pytest.raises(Killed):
            await _take_in(web, ticket)
    there = await listed(web, "unit", ticket)
    assert len(there) == (1 if point == "after_commit" else 0)
    # The telephone did not hear an answer and sends it again.
    added = await given(web, "unit", ticket, JPEG)
    assert [row["id"] for row in await listed(web, "unit", ticket)] == [added["id"]]
    await sweep(web)
    assert len(files_in(web.custody.store)) == len(files_in(web.custody.copy)) == 1
    assert set(await objects(web)) <= {"stored", "gone"}
    assert (await web.ask("unit", "GET", f"/api/attachments/{added['id']}")).raw == JPEG


def _die_at(patch: pytest.MonkeyPatch, point: str) -> None:
    put, add = Cabinet.put, rows.add

    async def no_store(*_: Any) -> Any:
        raise Killed

    async def then_die(*args: Any) -> Any:
        await put(*args)
        raise Killed

    async def added(*args: Any) -> Any:
        await add(*args)
        raise Killed

    match point:
        case "before_store":
            patch.setattr(Cabinet, "put", no_store)
        case "after_store":
            patch.setattr(Cabinet, "put", then_die)
        case "before_commit":
            patch.setattr(rows, "add", added)
        case _:
            patch.setattr(intake, "take_in", _dies_after(intake.take_in))


def _dies_after(take_in: Any) -> Any:
    async def whole(*args: Any, **more: Any) -> Any:
        await take_in(*args, **more)
        raise Killed

    return whole


async def _take_in(web: Web, ticket: str) -> None:
    whole = Given("现场.jpg", "jpeg", hashlib.sha256(JPEG).hexdigest(), JPEG, Purpose.SCENE)
    await intake.take_in(web.db, cabinet(web), TicketId(ticket), whole, actor=WATER_MAN, now=datetime.now(UTC))


async def test_a_removal_cut_off_is_finished_by_the_next_sweep(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = (await handling(web))["id"]
    added = await given(web, "unit", ticket, JPEG)
    await sweep(web)
    await web.post("unit", f"/api/attachments/{added['id']}/remove")

    async def away(*_: Any) -> None:
        raise StoreAway("test")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "delete", away)
        with pytest.raises(StoreAway):
            await sweep(web)
    assert await objects(web) == ["leaving"]
    # What is on its way out is nobody's any more: the same bytes get a place of their own.
    anew = await given(web, "unit", ticket, JPEG)
    assert await sweep(web) == 1
    assert await objects(web) == ["gone", "stored"]
    assert (await web.ask("unit", "GET", f"/api/attachments/{anew['id']}")).raw == JPEG
    async with web.db.transaction() as tx:
        gone = select(attachment_object.c.wrapped_key).where(attachment_object.c.place == "gone")
        assert (await tx.execute(gone)).scalar_one() is None


async def test_a_store_that_is_away_is_told_and_nothing_is_promised(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = (await handling(web))["id"]
    added = await given(web, "unit", ticket, JPEG)

    async def away(*_: Any) -> None:
        raise StoreAway("test")

    for name in ("put_new", "read"):
        monkeypatch.setattr(ObjectStore, name, away)
    told = await give(web, "unit", ticket, PDF, "b.pdf", purpose="reply")
    assert (told.status, told.code) == (503, "store_away")
    assert (await web.ask("unit", "GET", f"/api/attachments/{added['id']}")).code == "store_away"
    assert len(await listed(web, "unit", ticket)) == 1


async def test_the_list_is_in_the_archive_s_checksum_and_the_invariant_looks_at_the_store(web: Web) -> None:
    assert attachment in package_tables()
    assert "I16" in invariants.INVARIANTS
    ticket = (await handling(web))["id"]
    await given(web, "unit", ticket, JPEG)
    async with web.db.transaction() as tx:
        assert await check(tx, web.custody) == []
        await tx.execute(update(attachment_object).values(sealed_bytes=attachment_object.c.sealed_bytes + 1))
        assert len(await check(tx, web.custody)) == 1
