"""Transcripts and live words in a real PostgreSQL."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import CallId, ChannelId, Party
from recordings import transcripts
from recordings.live import LiveWords
from recordings.words import Line, Transcript, UnreadLeg, Word

CALL = CallId("a-1763800000.12")
START = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def words(said: str, start_s: float = 0.0) -> tuple[Word, ...]:
    return tuple(Word(part, start_s + n, start_s + n + 0.5, 0.75) for n, part in enumerate(said.split()))


def line(said: str, party: Party = Party.CITIZEN, start_s: float = 0.0) -> Line:
    return Line(party, ChannelId("a-1763800000.12"), words(said, start_s))


async def test_a_transcript_comes_back_as_it_was_saved(tx: AsyncConnection) -> None:
    assert await transcripts.transcript_of(tx, CALL) is None
    saved = Transcript(
        "demo_model",
        (line("路灯 坏了"), line("好的", Party.AGENT, 3.5)),
        (UnreadLeg(Party.UNIT, ChannelId("u-1"), "is empty (0 bytes)"),),
    )
    await transcripts.save(tx, CALL, saved)
    assert await transcripts.transcript_of(tx, CALL) == saved
    rows = await tx.execute(text("SELECT seq, text, start_s, confidence FROM transcript_line ORDER BY seq"))
    assert [tuple(row) for row in rows] == [(0, "路灯坏了", 0.0, 0.75), (1, "好的", 3.5, 0.75)]


async def test_a_job_that_runs_twice_leaves_one_transcript_per_model(tx: AsyncConnection) -> None:
    await transcripts.save(tx, CALL, Transcript("small", (line("第 一 次"), line("两 行"))))
    await transcripts.save(tx, CALL, Transcript("small", (line("第 二 次"),)))
    await transcripts.save(tx, CALL, Transcript("large", (line("大 模型"),)))
    small = await transcripts.transcript_of(tx, CALL, "small")
    large = await transcripts.transcript_of(tx, CALL)
    assert small is not None
    assert large is not None
    assert (small.text, large.text) == ("市民：第二次", "市民：大模型")
    assert (await tx.execute(text("SELECT count(*) FROM transcript"))).scalar_one() == 2


async def test_the_state_says_whether_every_leg_was_read(tx: AsyncConnection) -> None:
    lost = (UnreadLeg(Party.CITIZEN, ChannelId("c"), "is empty (0 bytes)"),)
    for model, transcript in {
        "complete": Transcript("complete", ()),
        "partial": Transcript("partial", (line("好"),), lost),
        "failed": Transcript("failed", (), lost),
    }.items():
        await transcripts.save(tx, CALL, transcript)
        state = await tx.execute(text("SELECT state FROM transcript WHERE model = :model"), {"model": model})
        assert state.scalar_one() == model


def live(said: str, seq: int = 0, *, final: bool = False) -> LiveWords:
    return LiveWords(CALL, seq, words(said), final, START)


async def test_live_words_grow_until_they_are_final(tx: AsyncConnection) -> None:
    for told in (live("我 要"), live("我 要 投诉"), live("我 要 投诉 路灯", final=True), live("我 要 头")):
        await transcripts.note_live(tx, told)
    await transcripts.note_live(tx, live("请", seq=1))
    assert await transcripts.live_of(tx, CALL) == (live("我 要 投诉 路灯", final=True), live("请", seq=1))


async def test_an_empty_final_takes_a_partial_back(tx: AsyncConnection) -> None:
    await transcripts.note_live(tx, live("嗯"))
    await transcripts.note_live(tx, live("", final=True))
    assert await transcripts.live_of(tx, CALL) == ()
