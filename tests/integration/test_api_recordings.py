"""Recordings over the API: any part of them, only from the spool, every playback kept; transcripts with stars."""

import hashlib
import io
import os
import wave
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from callcenter.db import Database
from callcenter.tables import audit
from callcenter.types import CallId, ChannelId, Party
from recordings import tables, transcripts
from recordings.recording import Kind, State, name_of
from recordings.words import Line, LiveWords, Transcript, UnreadLeg, Word
from tests.support.web import CALL_ID, Web, serving, with_call, with_people

SAMPLES = bytes(range(256)) * 1_000
LEG = ChannelId("a-1763800000.13")


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    spool = tmp_path / "spool"
    spool.mkdir()
    async with serving(db, spool) as one:
        await with_call(await with_people(one))
        yield one


async def recorded(web: Web, name: str, content: bytes | None, state: State = State.VERIFIED) -> int:
    """A row of a recording and, unless None, its file; returns its id."""
    if content is not None:
        (web.spool / name).write_bytes(content)
    row = {
        "call_id": CALL_ID,
        "channel_id": LEG,
        "kind": Kind.LEG,
        "party": Party.CITIZEN,
        "path": name,
        "state": state,
        "sha256": hashlib.sha256(content or b"").hexdigest(),
        "duration_s": 16.0,
        "delete_not_before": datetime.now(UTC).date(),
    }
    async with web.db.transaction() as tx:
        made = insert(tables.recording).values(**row).returning(tables.recording.c.id)
        return int((await tx.execute(made)).scalar_one())


def leg_name() -> str:
    return name_of(CALL_ID, Party.CITIZEN, LEG).name


async def plays(web: Web) -> list[tuple[str, bool]]:
    async with web.db.transaction() as tx:
        rows = select(audit.c.actor, audit.c.ok).where(audit.c.action == "recording.play").order_by(audit.c.id)
        return [(row.actor, row.ok) for row in (await tx.execute(rows)).all()]


async def test_a_leg_plays_as_a_wav_and_the_playback_is_kept(web: Web) -> None:
    recording = await recorded(web, leg_name(), SAMPLES)
    [listed] = (await web.get("reviewer", f"/api/calls/{CALL_ID}/recordings"))["recordings"]
    assert (listed["id"], listed["playable"], listed["party"]) == (recording, True, "citizen")
    answer = await web.ask("reviewer", "GET", f"/api/recordings/{recording}/audio")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "audio/wav")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{CALL_ID}_citizen.wav"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with wave.open(io.BytesIO(answer.raw)) as heard:
        assert (heard.getframerate(), heard.getnchannels(), heard.getsampwidth()) == (8_000, 1, 2)
        assert heard.readframes(len(SAMPLES)) == SAMPLES
    assert await plays(web) == [("user:reviewer", True)]


async def test_any_part_can_be_asked_for(web: Web) -> None:
    recording = await recorded(web, leg_name(), SAMPLES)
    path = f"/api/recordings/{recording}/audio"
    whole = (await web.ask("agent", "GET", path)).raw
    size = len(whole)
    for asked, first, end in [
        ("bytes=0-9", 0, 10),
        ("bytes=40-60", 40, 61),
        ("bytes=44-", 44, size),
        ("bytes=-5", size - 5, size),
        (f"bytes=100-{size * 2}", 100, size),
        (f"bytes=-{size * 2}", 0, size),
    ]:
        answer = await web.ask("agent", "GET", path, headers={"Range": asked})
        assert answer.status == 206, asked
        assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{size}"
        assert answer.raw == whole[first:end]
    for strange in ("bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6"):
        assert (await web.ask("agent", "GET", path, headers={"Range": strange})).status == 200
    beyond = await web.ask("agent", "GET", path, headers={"Range": f"bytes={size}-"})
    assert (beyond.status, beyond.code) == (416, "RangeNotThere")
    assert beyond.headers["Content-Range"] == f"bytes */{size}"
    tag = answer.headers["ETag"]
    for known, status in ((tag, 206), ('"another"', 200)):
        headers = {"Range": "bytes=0-9", "If-Range": known}
        assert (await web.ask("agent", "GET", path, headers=headers)).status == status


async def test_many_parts_are_one_playback_and_no_part_escapes_the_audit(web: Web) -> None:
    recording = await recorded(web, leg_name(), SAMPLES)
    for first in (1, 5_000, 9_000):
        headers = {"Range": f"bytes={first}-{first + 9}"}
        await web.ask("agent", "GET", f"/api/recordings/{recording}/audio", headers=headers)
    why = {"reason": "抽查录音"}
    await web.ask("auditor", "GET", f"/api/recordings/{recording}/audio", headers={"Range": "bytes=-1"}, params=why)
    assert await plays(web) == [("user:agent", True), ("user:auditor", True)]


async def test_a_killed_writers_header_is_told_right(web: Web) -> None:
    mix = io.BytesIO()
    with wave.open(mix, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(SAMPLES)
    broken = mix.getvalue()[:40] + b"\0\0\0\0" + mix.getvalue()[44:]
    recording = await recorded(web, f"{CALL_ID}_mix_{CALL_ID}.wav", broken, State.REPAIRED)
    answer = await web.ask("agent", "GET", f"/api/recordings/{recording}/audio")
    assert answer.raw == mix.getvalue()


@pytest.mark.parametrize("kind", ["gone", "empty", "symlink", "folder", "fifo", "noise"])
async def test_what_is_no_plain_audio_file_of_the_spool_is_not_played(web: Web, tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret.sln"
    secret.write_bytes(b"secret" * 100)
    name = "x.bin" if kind == "noise" else leg_name()
    recording = await recorded(web, name, None)
    path = web.spool / name
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "symlink":
            path.symlink_to(secret)
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "noise":
            path.write_bytes(b"not audio at all")
    answer = await web.ask("agent", "GET", f"/api/recordings/{recording}/audio")
    assert (answer.status, answer.code) == (404, "NotPlayable")
    assert b"secret" not in answer.raw
    assert await plays(web) == [("user:agent", False)]


@pytest.mark.parametrize("name", ["link/secret.sln", "sub/inside.sln"])
async def test_a_path_that_leads_out_of_the_spool_is_not_played(web: Web, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.sln").write_bytes(b"secret" * 100)
    (web.spool / "sub").mkdir()
    (web.spool / "sub" / "inside.sln").write_bytes(b"secret" * 100)
    (web.spool / "link").symlink_to(tmp_path)
    recording = await recorded(web, name, None)
    answer = await web.ask("agent", "GET", f"/api/recordings/{recording}/audio")
    assert (answer.status, answer.code) == (404, "NotPlayable")


async def test_gaps_are_told(web: Web) -> None:
    now = datetime.now(UTC)
    gap = {"call_id": CALL_ID, "channel_id": LEG, "party": Party.CITIZEN, "cause": "asterisk_killed"}
    async with web.db.transaction() as tx:
        times = {"from_at": now, "until_at": now + timedelta(seconds=2)}
        await tx.execute(insert(tables.recording_gap).values(**gap, **times))
    [told] = (await web.get("auditor", f"/api/calls/{CALL_ID}/recordings"))["gaps"]
    assert (told["seconds"], told["cause"]) == (2.0, "asterisk_killed")


def words(*said: str) -> tuple[Word, ...]:
    return tuple(Word(word, float(at), at + 0.5, 0.9) for at, word in enumerate(said))


async def test_a_transcript_has_words_with_times_and_stars_for_numbers(web: Web) -> None:
    spoken = words("电话", "一三八", "零零一三", "八零零零")
    line = Line(Party.CITIZEN, LEG, spoken)
    async with web.db.transaction() as tx:
        unread = UnreadLeg(Party.UNIT, ChannelId("u-1"), "empty")
        await transcripts.save(tx, CALL_ID, Transcript("small-cn", (line,), (unread,)))
    told: dict[str, Any] = await web.get("agent", f"/api/calls/{CALL_ID}/transcript")
    [shown] = told["lines"]
    assert (told["final"], told["model"], told["unread"]) == (True, "small-cn", [{"party": "unit", "why": "empty"}])
    assert shown["text"] == "电话一三八****八零零零"
    assert [word["word"] for word in shown["words"]] == ["电话", "一三八", "****", "八零零零"]
    assert [word["start_s"] for word in shown["words"]] == [0.0, 1.0, 2.0, 3.0]
    assert shown["party_name"] == "市民"


async def test_live_words_are_read_until_the_transcript_is_there(web: Web) -> None:
    path = f"/api/calls/{CALL_ID}/transcript"
    assert (await web.get("agent", path))["lines"] == []
    async with web.db.transaction() as tx:
        await transcripts.note_live(tx, LiveWords(CallId(CALL_ID), 0, words("你好"), True, datetime.now(UTC)))
    told = await web.get("agent", path)
    assert (told["final"], [line["text"] for line in told["lines"]]) == (False, ["你好"])
    unknown = await web.ask("agent", "GET", "/api/calls/a-1763800000.99/transcript")
    assert (unknown.status, unknown.code) == (404, "not_found")


async def test_an_audit_row_that_is_old_does_not_cover_a_new_playback(web: Web) -> None:
    recording = await recorded(web, leg_name(), SAMPLES)
    long_ago = datetime.now(UTC) - timedelta(minutes=11)
    row = {"actor": "user:agent", "action": "recording.play", "subject": f"recording:{recording}", "ok": True}
    async with web.db.transaction() as tx:
        await tx.execute(insert(audit).values(**row, at=long_ago))
    await web.ask("agent", "GET", f"/api/recordings/{recording}/audio")
    assert len(await plays(web)) == 2


async def test_what_is_still_being_recorded_is_not_playable(web: Web) -> None:
    recording = await recorded(web, leg_name(), None, State.EXPECTED)
    [listed] = (await web.get("agent", f"/api/calls/{CALL_ID}/recordings"))["recordings"]
    assert not listed["playable"]
    assert (await web.ask("agent", "GET", f"/api/recordings/{recording}/audio")).status == 404
    async with web.db.transaction() as tx:
        done = update(tables.recording).where(tables.recording.c.id == recording)
        await tx.execute(done.values(state=State.COMPLETE))
    (web.spool / leg_name()).write_bytes(SAMPLES)
    assert (await web.ask("agent", "GET", f"/api/recordings/{recording}/audio")).status == 200
