"""Listening over the API: from the store, by whom, why, how much of it, whole calls by speaker, and copies."""

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from aiohttp import ClientPayloadError
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner
from yarl import URL

import callcenter.cli.recordings_whose  # noqa: F401 - it registers its command
from callcenter.cli import app
from callcenter.custody import exports, playbacks
from callcenter.custody.listening_tables import playback, recording_export
from callcenter.db import Database
from callcenter.tables import audit, call, leg
from callcenter.types import CallId, ChannelId, Party, RecordingId
from recordings import tables, transcripts
from recordings.custody import rows
from recordings.custody.custody import Codec, Kept
from recordings.listening.watermark import Search
from recordings.models import demo_model
from recordings.recording import Kind, Problem, State, name_of
from recordings.speech import LegAudio, transcribe_call
from recordings.vosk_door import load
from recordings.words import Line, Transcript, Word
from tests.support.cli_settings import command_environment
from tests.support.eventually import eventually
from tests.support.listening import RATE, Samples, damage, keep, speech, through_ffmpeg
from tests.support.lives import dispatched
from tests.support.spoken import COMPLAINT, silence, spoken
from tests.support.tickets import rules
from tests.support.web import CALL_ID, Answer, Web, serving, with_call, with_people
from ticketing.aftercare.hearing_rules import HearingRules
from ticketing.policy import Rules
from ticketing.tables import ticket as ticket_table

CITIZEN, AGENT, UNIT = CallId(CALL_ID), ChannelId("a-1763800000.13"), ChannelId("u-1")
ANSWERED = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
WHY = {"reason": "核查投诉"}
AUDITED = ("recording.play", "recording.heard", "recording.damaged", "recording.export", "recording.export_approve")


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path / "spool") as one:
        await with_call(await with_people(one))
        async with db.transaction() as tx:
            await tx.execute(update(call).values(answered_at=ANSWERED))
        yield one


async def recorded(
    web: Web, samples: Samples, party: Party = Party.CITIZEN, channel: str = CITIZEN, offset_s: float = 0.0
) -> int:
    """A leg of the call and its recording in the spool; its id."""
    name = name_of(CallId(CALL_ID), party, ChannelId(channel)).name
    (web.spool / name).write_bytes(samples.astype("<i2").tobytes())
    at = ANSWERED + timedelta(seconds=offset_s)
    row: dict[str, Any] = {"call_id": CALL_ID, "channel_id": channel, "kind": Kind.LEG, "party": party, "path": name}
    row |= {"state": State.VERIFIED, "sha256": "ab" * 32, "started_at": at, "duration_s": len(samples) / RATE}
    row |= {"delete_not_before": datetime.now(UTC).date() + timedelta(days=1_200)}
    who = "8001" if party is Party.AGENT else ""
    async with web.db.transaction() as tx:
        mine = {"channel_id": channel, "call_id": CALL_ID, "party": party, "name": "PJSIP/x", "who": who}
        await tx.execute(insert(leg).values(**mine, created_at=at, answered_at=at))
        made = insert(tables.recording).values(**row).returning(tables.recording.c.id)
        return int((await tx.execute(made)).scalar_one())


async def stored(web: Web, recording: int, *, codec: Codec = Codec.FLAC, copy: bool = True) -> Kept:
    """The recording is in the store, and no longer in the spool."""
    async with web.db.transaction() as tx:
        path = (
            await tx.execute(select(tables.recording.c.path).where(tables.recording.c.id == recording))
        ).scalar_one()
    kept = await keep(replace(web.custody, codec=codec), web.spool / path, recording, copy=copy)
    assert kept.contents is not None
    assert kept.sealed is not None
    async with web.db.transaction() as tx:
        await rows.prepare(tx, RecordingId(recording), kept.name, kept.path, kept.prepared_at)
        await rows.stored(tx, RecordingId(recording), kept.contents, kept.sealed, kept.prepared_at)
    (web.spool / path).unlink()
    return kept


def audio(recording: int) -> str:
    return f"/api/recordings/{recording}/audio"


def samples_of(answer: Answer) -> Any:
    with wave.open(io.BytesIO(answer.raw)) as heard:
        assert (heard.getframerate(), heard.getsampwidth()) == (RATE, 2)
        return np.frombuffer(heard.readframes(heard.getnframes()), "<i2").reshape(-1, heard.getnchannels())


async def audited(web: Web) -> list[tuple[str, str, str, bool]]:
    async with web.db.transaction() as tx:
        c = audit.c
        query = select(c.actor, c.action, c.subject, c.ok).where(c.action.in_(AUDITED)).order_by(c.id)
        return [tuple(row) for row in await tx.execute(query)]


async def playback_rows(web: Web) -> Any:
    async with web.db.transaction() as tx:
        return (await tx.execute(select(playback).order_by(playback.c.id))).all()


@pytest.mark.parametrize("codec", [Codec.FLAC, Codec.OPUS])
async def test_a_kept_recording_plays_in_any_part(web: Web, codec: Codec) -> None:
    said = speech(30.0)
    recording = await recorded(web, said)
    before = (await web.ask("agent", "GET", audio(recording))).headers["ETag"]
    await stored(web, recording, codec=codec)
    whole = await web.ask("agent", "GET", audio(recording))
    assert whole.status == 200
    assert len(whole.raw) == 44 + 2 * len(said)
    if codec is Codec.FLAC:
        assert np.array_equal(samples_of(whole)[:, 0], said)
        assert whole.headers["ETag"] == before
    else:
        assert whole.headers["ETag"] != before
    for asked, first, end in (("bytes=400001-400100", 400_001, 400_101), ("bytes=-7", 480_037, 480_044)):
        part = await web.ask("agent", "GET", audio(recording), headers={"Range": asked})
        assert (part.status, part.headers["Content-Range"]) == (206, f"bytes {first}-{end - 1}/{480_044}")
        if codec is Codec.FLAC:
            assert part.raw == whole.raw[first:end]
    [row] = (await web.get("agent", f"/api/calls/{CALL_ID}/recordings"))["recordings"]
    assert (row["custody"], row["playable"], row["offset_s"]) == ("stored", True, 0.0)
    outline = await web.get("agent", f"/api/recordings/{recording}/peaks", buckets=10)
    assert (outline["step_s"], len(outline["values"])) == (3.0, 10)


async def test_the_outline_is_the_same_before_and_after_it_was_stored(web: Web) -> None:
    recording = await recorded(web, speech(12.0))
    path = f"/api/recordings/{recording}/peaks"
    before = await web.get("agent", path)
    await stored(web, recording)
    assert await web.get("agent", path) == before
    assert len(before["values"]) == 120


async def test_seconds_heard_are_those_that_were_sent_once_each(web: Web) -> None:
    recording = await recorded(web, speech(20.0))
    second = 2 * RATE
    for first, end in ((0, 44 + 3 * second), (44 + 2 * second, 44 + 5 * second), (44 + 10 * second, 44 + 11 * second)):
        headers = {"Range": f"bytes={first}-{end - 1}"}
        assert (await web.ask("agent", "GET", audio(recording), headers=headers)).status == 206
    await web.ask("agent", "GET", audio(recording), headers={"Range": "bytes=0-43"})
    beyond = await web.ask("agent", "GET", audio(recording), headers={"Range": "bytes=99999999-"})
    head = await web.ask("agent", "HEAD", audio(recording))
    assert (beyond.status, head.status) == (416, 405)
    [row] = await playback_rows(web)
    assert (row.actor, row.subject, row.call_id, row.parts) == ("user:agent", f"recording:{recording}", CALL_ID, 4)
    assert row.seconds_heard == 6.0
    assert [(span.lower, span.upper) for span in row.heard] == [(0, 5 * RATE), (10 * RATE, 11 * RATE)]
    assert row.ended_at is None


async def test_a_playback_ends_when_nobody_asked_for_more_and_says_how_much(web: Web) -> None:
    recording = await recorded(web, speech(2.0))
    await web.ask("agent", "GET", audio(recording))
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        assert await playbacks.end_idle(tx, now + timedelta(minutes=9)) == 0
        assert await playbacks.end_idle(tx, now + timedelta(minutes=11)) == 1
        assert await playbacks.end_idle(tx, now + timedelta(minutes=11)) == 0
        detail = select(audit.c.detail).where(audit.c.action == "recording.heard")
        told = (await tx.execute(detail)).scalar_one()
    assert (told["seconds"], told["parts"], told["call"]) == (2.0, 1, CALL_ID)
    await web.ask("agent", "GET", audio(recording))
    assert [action for _, action, _, _ in await audited(web)] == ["recording.play", "recording.heard", "recording.play"]
    assert len(await playback_rows(web)) == 2


async def test_what_comes_after_the_end_of_a_playback_is_a_new_one(web: Web) -> None:
    recording = await recorded(web, speech(2.0))
    await web.ask("agent", "GET", audio(recording), headers={"Range": "bytes=0-8043"})
    now = datetime.now(UTC)
    [row] = await playback_rows(web)
    async with web.db.transaction() as tx:
        await playbacks.end_idle(tx, now + timedelta(minutes=11))
        await playbacks.heard(tx, row.id, [(4_000, 8_000)], now + timedelta(minutes=12))
    first, second = await playback_rows(web)
    assert (first.seconds_heard, second.seconds_heard) == (0.5, 0.5)
    assert (second.actor, second.subject, second.ended_at) == (first.actor, first.subject, None)


CHANGES = [
    "DELETE FROM playback",
    "TRUNCATE playback",
    "UPDATE playback SET heard = '{}'",
    "UPDATE playback SET actor = 'user:nobody'",
    "UPDATE playback SET reason = 'x'",
    "DELETE FROM recording_export",
]


async def test_what_was_heard_cannot_be_unsaid(web: Web) -> None:
    recording = await recorded(web, speech(2.0))
    await web.ask("agent", "GET", audio(recording))
    await with_words(web)
    await export(web, "reviewer", recording)
    for change in CHANGES:
        with pytest.raises(DBAPIError, match=r"refused|does not change"):
            await execute(web, change)


async def execute(web: Web, statement: str) -> None:
    async with web.db.transaction() as tx:
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        await tx.execute(text(statement))


async def test_only_who_took_part_or_supervises_hears_a_call_and_others_see_nothing_there(web: Web) -> None:
    recording = await recorded(web, speech(2.0))
    paths = (audio(recording), f"/api/recordings/{recording}/peaks")
    of_call = tuple(f"/api/calls/{CALL_ID}/{what}" for what in ("recordings", "audio", "transcript"))
    for who in ("agent", "reviewer", "supervisor"):
        for path in (*paths, *of_call):
            assert (await web.ask(who, "GET", path)).status == 200, (who, path)
    unknown = {path: path.replace(f"/{recording}/", "/987654/") for path in paths}
    unknown |= {path: path.replace(CALL_ID, "a-1763800000.99") for path in of_call}
    for who in ("agent2", "unit", "head"):
        for path in (*paths, *of_call):
            foreign, nobody = await web.ask(who, "GET", path), await web.ask(who, "GET", unknown[path])
            assert foreign.status == 404, (who, path)
            assert foreign.anonymous() == nobody.anonymous()
    refused = {(actor, subject) for actor, _, subject, ok in await audited(web) if not ok}
    assert {("user:agent2", f"recording:{recording}"), ("user:unit", f"call:{CALL_ID}")} <= refused


async def test_an_agent_who_joined_hears_the_call(web: Web) -> None:
    recording = await recorded(web, speech(1.0))
    async with web.db.transaction() as tx:
        mine = {"channel_id": "a-1763800000.77", "call_id": CALL_ID, "party": "agent", "name": "PJSIP/8002"}
        await tx.execute(insert(leg).values(**mine, who="8002", created_at=ANSWERED, answered_at=ANSWERED))
    assert (await web.ask("agent2", "GET", audio(recording))).status == 200


async def change_ticket(tx: AsyncConnection, ticket: str, **values: Any) -> None:
    """As if it had been so from the beginning; tickets do not change without an event otherwise."""
    await tx.execute(text("SET LOCAL session_replication_role = replica"))
    await tx.execute(update(ticket_table).where(ticket_table.c.id == ticket).values(**values))


async def about(web: Web, **values: Any) -> str:
    """The call gets a ticket that the water works lead; its id."""
    made = await dispatched(web)
    async with web.db.transaction() as tx:
        await change_ticket(tx, made["id"], call_id=CALL_ID, **values)
    return str(made["id"])


async def test_who_may_not_read_the_ticket_does_not_hear_its_call(web: Web) -> None:
    recording = await recorded(web, speech(1.0))
    await about(web, flags=["staff"])
    assert (await web.ask("agent", "GET", audio(recording), params=WHY)).status == 404
    assert (await web.ask("reviewer", "GET", audio(recording), params=WHY)).status == 200


REASONS = [
    ("auditor", {}, True),
    ("reviewer", {}, False),
    ("reviewer", {"confidential": True}, True),
    ("reviewer", {"flags": ["sensitive"]}, True),
    ("reviewer", {"request_type": "举报"}, True),
    ("agent", {"confidential": True}, True),
]


@pytest.mark.clause("LS-096", "GZ-055")
@pytest.mark.parametrize(("who", "ticket", "asked"), REASONS)
async def test_the_policy_says_who_must_say_why(web: Web, who: str, ticket: dict[str, Any], asked: bool) -> None:
    recording = await recorded(web, speech(1.0))
    await about(web, **ticket)
    for given in ({}, {"reason": "查 "}):
        answer = await web.ask(who, "GET", audio(recording), params=given)
        assert (answer.status, answer.code) == ((422, "reason_needed") if asked else (200, ""))
    header = {"X-Reason": quote("核查市民投诉")}
    assert (await web.ask(who, "GET", audio(recording), headers=header)).status == 200
    assert [row.reason for row in await playback_rows(web)] == (["核查市民投诉"] if asked else [""])
    strange = {"X-Reason": "%ff%00%0a"}
    assert (await web.ask(who, "GET", audio(recording), headers=strange)).status == (422 if asked else 200)


async def test_a_unit_hears_the_calls_of_its_tickets_only_where_the_policy_lets_it(
    db: Database, tmp_path: Path
) -> None:
    shipped = rules()
    hearing = replace(shipped.policies[-1].hearing or HearingRules(), unit_listens=True)
    here = Rules((*shipped.policies[:-1], replace(shipped.policies[-1], hearing=hearing)), shipped.calendar)
    async with serving(db, tmp_path / "spool", shipped=here) as web:
        await with_call(await with_people(web))
        recording = await recorded(web, speech(1.0))
        assert (await web.ask("unit", "GET", audio(recording))).status == 404
        ticket = await about(web)
        assert (await web.ask("unit", "GET", audio(recording))).status == 200
        assert (await web.ask("unit2", "GET", audio(recording))).status == 404
        async with web.db.transaction() as tx:
            await change_ticket(tx, ticket, confidential=True)
        assert (await web.ask("unit", "GET", audio(recording), params=WHY)).status == 404


STRANGE = ["..%2f..%2fetc%2fpasswd", "%2e%2e", "%00", "1%00", "-1", "%EF%BC%91", "9" * 40, "%ff", "0x1"]


async def test_ids_that_are_none_lead_nowhere_and_are_kept(web: Web) -> None:
    for count, strange in enumerate(STRANGE, 1):
        for path in (f"/api/recordings/{strange}/audio", f"/api/calls/{strange}/audio"):
            answer = await web.ask("supervisor", "GET", URL(path, encoded=True))
            assert answer.status == 404, path
        refused = [row for row in await audited(web) if not row[3]]
        assert len(refused) == 2 * count, strange
    assert all(subject.isascii() and len(subject) < 120 for _, _, subject, _ in refused)


async def to_be_looked_at(web: Web) -> list[RecordingId]:
    """What is to be mended now, not in a quarter."""
    async with web.db.transaction() as tx:
        ordered = await tx.execute(text("SELECT payload FROM pgqueuer WHERE entrypoint = 'recording.recheck'"))
        return [RecordingId(json.loads(one)["recording"]) for one in ordered.scalars()]


async def test_a_recording_whose_object_is_gone_or_damaged_is_heard_from_the_copy(web: Web) -> None:
    said = speech(10.0)
    recording = await recorded(web, said)
    kept = await stored(web, recording)
    assert web.custody.store.folder is not None
    damage(web.custody, kept, 0.0)
    assert np.array_equal(samples_of(await web.ask("agent", "GET", audio(recording)))[:, 0], said)
    assert await to_be_looked_at(web) == [recording]
    (web.custody.store.folder / kept.path).unlink()
    assert np.array_equal(samples_of(await web.ask("agent", "GET", audio(recording)))[:, 0], said)
    assert web.custody.copy is not None
    assert web.custody.copy.folder is not None
    (web.custody.copy.folder / kept.path).unlink()
    nowhere = await web.ask("agent", "GET", audio(recording))
    assert (nowhere.status, nowhere.code) == (404, "NotPlayable")


async def test_damage_in_the_middle_ends_the_sound_and_the_next_request_takes_the_copy(web: Web) -> None:
    said = speech(60.0)
    recording = await recorded(web, said)
    kept = await stored(web, recording)
    damage(web.custody, kept, 0.6)
    with pytest.raises(ClientPayloadError):
        await web.ask("agent", "GET", audio(recording))
    rows_of = [(action, ok) for _, action, _, ok in await audited(web)]
    assert rows_of == [("recording.play", True), ("recording.damaged", False)]
    assert await to_be_looked_at(web) == [recording]

    async def written() -> bool:
        return bool((await playback_rows(web))[0].seconds_heard)

    # The listener sees the break before the server has noted what was sent.
    await eventually(written, "what was sent is written down")
    [row] = await playback_rows(web)
    assert 0 < row.seconds_heard < 45
    assert np.array_equal(samples_of(await web.ask("agent", "GET", audio(recording)))[:, 0], said)


async def test_a_listener_who_hangs_up_has_heard_what_was_sent(web: Web) -> None:
    recording = await recorded(web, np.tile(speech(30.0), 40))
    headers = {"Authorization": f"Bearer {await web.sign_in('agent')}"}
    async with web.client.get(audio(recording), headers=headers) as response:
        await response.content.readexactly(100_000)
        response.close()

    async def written() -> bool:
        return bool((await playback_rows(web))[0].seconds_heard)

    await eventually(written, "what was sent is written down")
    [row] = await playback_rows(web)
    assert 100_000 / 2 / RATE - 1 < row.seconds_heard < 1_200


async def test_words_of_the_transcript_are_where_the_stereo_sound_has_speech(web: Web) -> None:
    said = {Party.CITIZEN: (CITIZEN, 0.0), Party.AGENT: (AGENT, 4.0), Party.UNIT: (UNIT, 9.5)}
    legs = []
    for party, (channel, offset_s) in said.items():
        heard = silence(1.0) + spoken(COMPLAINT) + silence(0.5)
        recording = await recorded(web, np.frombuffer(heard, "<i2"), party, channel, offset_s)
        path = web.spool / name_of(CallId(CALL_ID), party, ChannelId(channel)).name
        legs.append(LegAudio(party, ChannelId(channel), path, offset_s))
        if party is Party.AGENT:
            agents = recording
    heard_words = await transcribe_call(legs, load(demo_model()))
    async with web.db.transaction() as tx:
        await transcripts.save(tx, CallId(CALL_ID), heard_words)
    await stored(web, agents)
    sound = samples_of(await web.ask("reviewer", "GET", f"/api/calls/{CALL_ID}/audio", params={"view": "stereo"}))
    assert sound.shape[1] == 2
    told = await web.get("reviewer", f"/api/calls/{CALL_ID}/transcript")
    spoken_by = {line["party"] for line in told["lines"]}
    assert spoken_by == set(said)
    for line in told["lines"]:
        side = sound[:, 0 if line["party"] == "citizen" else 1].astype(float)
        for word in line["words"]:
            here = side[int(word["start_s"] * RATE) : int(word["end_s"] * RATE)]
            assert here.std() > 300, (line["party"], word)
    assert np.abs(sound[: 4 * RATE, 1]).max() == 0
    listed = await web.get("reviewer", f"/api/calls/{CALL_ID}/recordings")
    assert [row["offset_s"] for row in listed["recordings"]] == [0.0, 4.0, 9.5]
    assert listed["begins_s"] == 0.0
    [row] = await playback_rows(web)
    assert (row.subject, row.seconds_heard) == (f"call:{CALL_ID}", pytest.approx(len(sound) / RATE, abs=0.001))


async def test_a_call_without_audio_has_no_sound(web: Web) -> None:
    answer = await web.ask("reviewer", "GET", f"/api/calls/{CALL_ID}/audio")
    assert (answer.status, answer.code) == (404, "NotPlayable")
    wrong = await web.ask("reviewer", "GET", f"/api/calls/{CALL_ID}/audio", params={"view": "other"})
    assert wrong.status == 422


NUMBER = "一三八零零一三八零零零"
PHONE_WORDS = (
    ("我的", 0.5, 0.9),
    ("电话", 0.9, 1.4),
    ("一三八", 2.0, 2.8),
    ("零零一三", 2.8, 3.9),
    ("八零零零", 3.9, 5.0),
    ("谢谢", 6.0, 6.5),
)


async def with_words(web: Web, words: tuple[tuple[str, float, float], ...] = PHONE_WORDS) -> None:
    line = Line(Party.CITIZEN, ChannelId(CITIZEN), tuple(Word(word, start, end, 0.9) for word, start, end in words))
    async with web.db.transaction() as tx:
        await transcripts.save(tx, CallId(CALL_ID), Transcript("m", (line,)))


async def export(web: Web, who: str, recording: int, reason: str = "信访部门调取") -> Answer:
    return await web.ask(who, "POST", f"/api/recordings/{recording}/exports", {"reason": reason})


@pytest.mark.clause("GZ-055")
async def test_a_copy_has_the_number_silent_the_rest_as_it_was_and_says_whose_it_is(web: Web) -> None:
    said = speech(75.0)
    recording = await recorded(web, said)
    await stored(web, recording)
    await with_words(web)
    made = (await export(web, "reviewer", recording)).body
    assert (made["muted"], made["second_person"], made["watermark"]) == (1, "", "inaudible")
    copy = samples_of(await web.ask("reviewer", "GET", f"/api/exports/{made['id']}/audio"))[:, 0].astype(float)
    silent = slice(int(1.85 * RATE), int(5.15 * RATE))
    assert copy[silent].std() < 6
    assert np.corrcoef(copy[silent], said[silent])[0, 1] < 0.05
    rest = np.ones(len(said), bool)
    rest[silent] = False
    difference = copy[rest] - said[rest]
    assert difference.std() < 10 ** (-26 / 20) * said[rest].std()
    looking = Search()
    looking.hear(copy[9_999:])
    found = looking.found(exports.watermark_key(web.vault))
    assert found is not None
    assert found.number == made["id"]
    part = await web.ask("reviewer", "GET", f"/api/exports/{made['id']}/audio", headers={"Range": "bytes=44-1043"})
    assert part.status == 206
    assert np.frombuffer(part.raw, "<i2").tolist() == copy[:500].tolist()
    subjects = [(action, subject) for _, action, subject, _ in await audited(web)]
    assert subjects == [("recording.export", f"recording:{recording}"), ("recording.play", f"export:{made['id']}")]


async def test_a_number_that_espeak_says_and_the_model_hears_is_silent_in_the_copy(web: Web) -> None:
    before, number, after = (spoken(one) for one in ("我要投诉路灯不亮我的电话是", NUMBER, "好的我帮您记录一下"))
    heard = b"".join((silence(0.4), before, silence(0.3), number, silence(0.6), after, silence(0.4)))
    recording = await recorded(web, np.frombuffer(heard, "<i2"))
    path = web.spool / name_of(CallId(CALL_ID), Party.CITIZEN, ChannelId(CITIZEN)).name
    words = await transcribe_call([LegAudio(Party.CITIZEN, ChannelId(CITIZEN), path)], load(demo_model()))
    async with web.db.transaction() as tx:
        await transcripts.save(tx, CallId(CALL_ID), words)
    made = (await export(web, "reviewer", recording)).body
    copy = samples_of(await web.ask("reviewer", "GET", f"/api/exports/{made['id']}/audio"))[:, 0].astype(float)
    said = np.frombuffer(heard, "<i2").astype(float)
    begins = int((0.4 + 0.3) * RATE) + len(before) // 2
    ends = begins + len(number) // 2
    assert made["muted"] == 1, words.text
    assert copy[begins:ends].std() < 0.02 * said[begins:ends].std()
    for first, last in ((0, begins - 3_000), (ends + 3_000, len(said))):
        assert (copy[first:last] - said[first:last]).std() < 10 ** (-26 / 20) * said[first:last].std()


async def test_a_copy_is_refused_while_nobody_knows_what_was_said(web: Web) -> None:
    recording = await recorded(web, speech(3.0))
    other = await recorded(web, speech(3.0), Party.AGENT, AGENT, 1.0)
    none = await export(web, "reviewer", recording)
    assert (none.status, none.code) == (409, "NotTranscribed")
    await with_words(web)
    assert (await export(web, "reviewer", recording)).status == 200
    assert (await export(web, "reviewer", other)).status == 409
    async with web.db.transaction() as tx:
        own = update(tables.recording).where(tables.recording.c.id == other)
        await tx.execute(own.values(problem=Problem.SILENT))
    assert (await export(web, "reviewer", other)).status == 200
    for reason in ("", "查", "   "):
        assert (await export(web, "reviewer", recording, reason)).status == 422
    assert (await export(web, "agent", recording)).status == 403
    assert (await export(web, "reviewer", 987_654)).status == 404


async def test_a_copy_is_only_for_the_one_who_asked_and_for_a_day(web: Web) -> None:
    recording = await recorded(web, speech(3.0))
    await with_words(web)
    made = (await export(web, "reviewer", recording)).body
    path = f"/api/exports/{made['id']}/audio"
    assert (await web.ask("reviewer", "GET", path)).status == 200
    foreign = await web.ask("supervisor", "GET", path)
    unknown = await web.ask("supervisor", "GET", "/api/exports/987654/audio")
    assert (foreign.status, foreign.anonymous()) == (404, unknown.anonymous())
    assert [row["id"] for row in (await web.get("reviewer", "/api/exports"))["rows"]] == [made["id"]]
    assert (await web.get("supervisor", "/api/exports"))["rows"] == []
    async with web.db.transaction() as tx:
        columns = "recording_id, call_id, actor, reason, made_at, ends_at, muted, watermark, second_person"
        old = columns.replace("made_at", "made_at - interval '25 h'").replace("ends_at", "ends_at - interval '25 h'")
        await tx.execute(text(f"INSERT INTO recording_export ({columns}) SELECT {old} FROM recording_export"))
        last = (
            (await tx.execute(select(recording_export.c.id).order_by(recording_export.c.id.desc()))).scalars().first()
        )
    over = await web.ask("reviewer", "GET", f"/api/exports/{last}/audio")
    assert (over.status, over.code) == (410, "ExportOver")
    refused = [(actor, subject) for actor, _, subject, ok in await audited(web) if not ok]
    assert refused == [
        ("user:supervisor", f"export:{made['id']}"),
        ("user:supervisor", "export:987654"),
        ("user:reviewer", f"export:{last}"),
    ]


async def test_a_secret_ticket_and_many_copies_need_a_second_person(web: Web) -> None:
    recording = await recorded(web, speech(3.0))
    await with_words(web)
    for _ in range(10):
        assert (await export(web, "reviewer", recording)).body["second_person"] == ""
    many = (await export(web, "reviewer", recording)).body
    assert many["second_person"]
    path = f"/api/exports/{many['id']}"
    waiting = await web.ask("reviewer", "GET", f"{path}/audio")
    assert (waiting.status, waiting.code) == (403, "ExportWaits")
    assert (await web.get("reviewer", "/api/exports", waiting="true"))["rows"] == []
    [shown] = (await web.get("supervisor", "/api/exports", waiting="true"))["rows"]
    assert (shown["id"], shown["actor"]) == (many["id"], "user:reviewer")
    assert (await web.ask("reviewer", "POST", f"{path}/approve")).status == 409
    assert (await web.ask("auditor", "POST", f"{path}/approve")).status == 403
    assert (await web.post("supervisor", f"{path}/approve"))["approved_by"] == "user:supervisor"
    assert (await web.ask("supervisor", "POST", f"{path}/approve")).status == 409
    assert (await web.ask("reviewer", "GET", f"{path}/audio")).status == 200
    await about(web, confidential=True)
    assert (await export(web, "supervisor", recording)).body["second_person"]


async def test_the_operator_finds_out_whose_copy_a_file_is(web: Web, db: Database, tmp_path: Path) -> None:
    recording = await recorded(web, speech(80.0))
    await with_words(web)
    made = (await export(web, "reviewer", recording)).body
    copy = samples_of(await web.ask("reviewer", "GET", f"/api/exports/{made['id']}/audio"))[:, 0]
    piece = through_ffmpeg(copy[12_345 : 12_345 + 60 * RATE], ".opus", tmp_path, "-c:a", "libopus", "-b:a", "16k")
    plain = through_ffmpeg(speech(60.0, seed=5), ".wav", tmp_path)
    environment = {**command_environment(db, tmp_path), "CALLCENTER_VAULT_KEY": "5a" * 32}
    told = await asyncio.to_thread(CliRunner().invoke, app, ["recordings", "whose", str(piece)], env=environment)
    assert told.exit_code == 0, told.output
    for said in (f"export {made['id']},", "user:reviewer", "信访部门调取", f"recording {recording},", CALL_ID):
        assert said in told.output
    for file, key, why in (
        (plain, "5a", "no mark"),
        (piece, "5b", "no mark"),
        (tmp_path / "none.wav", "5a", "none.wav"),
    ):
        env = {**environment, "CALLCENTER_VAULT_KEY": key * 32}
        told = await asyncio.to_thread(CliRunner().invoke, app, ["recordings", "whose", str(file)], env=env)
        assert told.exit_code == 1
        assert why in told.output
