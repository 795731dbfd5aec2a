"""Recordings by the hundred through the real intake, in worker processes that are killed again and again.

`made` fills a spool with real speech in the lengths calls have; `announce` tells of it as Asterisk would; `Centre`
starts workers (tests.support.intake_worker) and kills them; `unproved` says which recordings are not in every store,
sample for sample.
"""

import asyncio
import hashlib
import io
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel
from sqlalchemy import text

import recordings.service
from callcenter import jobs
from callcenter.db import Database
from callcenter.job import RetryPolicy
from callcenter.types import CallId, ChannelId, Party
from recordings.custody import rows
from recordings.custody.codec import NotLike, measured
from recordings.custody.custody import Codec, Contents, Custody, Kept
from recordings.custody.ground import Ground
from recordings.custody.objects import NotThere
from recordings.custody.sealed import Damaged, NotSealed, OtherFile
from recordings.custody.sidecar import is_recording_path
from recordings.recording import Kind, RecordingDone, name_of
from tests.support.intake_worker import Child
from tests.support.spoken import ANSWER, COMPLAINT, QUESTION, cut_by_kill, spoken, write_wav

RATE = 8_000
ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = RetryPolicy(max_tries=1_000_000, first_s=0.05, longest_s=1.0)
REAPED_ELSEWHERE = 255
"""What asyncio says of a child that another part of this process has waited for: their numbers come round again."""


# ---- the spool ---------------------------------------------------------------------------------------------------


@cache
def _talk() -> npt.NDArray[np.int16]:
    """Some minutes of people talking, with the pauses people make."""
    sentences = [np.frombuffer(spoken(one, speed=speed), "<i2") for one in SENTENCES for speed in (140, 175)]
    chance = np.random.default_rng(7)
    parts: list[npt.NDArray[np.int16]] = []
    while sum(len(part) for part in parts) < 180 * RATE:
        parts.append(sentences[chance.integers(len(sentences))])
        parts.append(np.zeros(int(chance.uniform(0.2, 2.5) * RATE), np.int16))
    return np.concatenate(parts)


SENTENCES = (
    COMPLAINT,
    QUESTION,
    ANSWER,
    "您好这里是市民热线请问有什么可以帮您",
    "小区物业收费太高没有人管",
    "谢谢再见",
)


def length_s(chance: random.Random) -> float:
    """How long a leg of a call is: most between half a minute and four minutes, some seconds, some half an hour."""
    if chance.random() < 0.06:
        return chance.uniform(0.3, 4.0)
    return min(1_800.0, chance.lognormvariate(4.5, 0.8))


def speech(seconds: float, chance: random.Random) -> bytes:
    """So much talk from somewhere, at somebody's loudness, on a line with a little noise; no two are equal."""
    frames, talk = max(1, int(seconds * RATE)), _talk()
    start = chance.randrange(len(talk))
    heard = np.resize(np.roll(talk, -start), frames) * chance.uniform(0.1, 1.0)
    noise = np.random.default_rng(chance.getrandbits(32)).normal(0, chance.uniform(1, 12), frames)
    return bytes((heard + noise).clip(-32_768, 32_767).astype("<i2").data)


class Made(BaseModel):
    """One file of the spool, and what must be kept of it."""

    call_id: str
    channel_id: str
    party: str
    name: str
    mix: bool
    samples_sha256: str
    seconds: float


def made(spool: Path, count: int, *, seed: int = 1, scale: float = 1.0, first: int = 1) -> Iterator[Made]:
    """`count` recordings of calls: citizen's leg, agent's leg, mix; one mix in twenty as a killed Asterisk leaves it.

    scale: lengths are multiplied by it. first: number of the first call.
    """
    chance = random.Random(seed)
    number = 0
    for call in range(first, first + count):
        call_id = f"a-1795000000.{call * 10}"
        seconds = max(0.05, length_s(chance) * scale)
        for party, channel, mix in (
            (Party.CITIZEN, call_id, False),
            (Party.AGENT, f"a-1795000000.{call * 10 + 1}", False),
            (Party.CITIZEN, call_id, True),
        ):
            if number == count:
                return
            number += 1
            samples = speech(seconds, chance)
            yield _written(spool, CallId(call_id), party, ChannelId(channel), samples, mix, chance.random() < 0.05)


def _written(
    spool: Path, call_id: CallId, party: Party, channel: ChannelId, samples: bytes, mix: bool, killed: bool
) -> Made:
    name = name_of(call_id, party, channel, Kind.MIX if mix else Kind.LEG).name
    path = spool / name
    if not mix:
        path.write_bytes(samples)
    elif killed and len(samples) > 40_000:
        samples = cut_by_kill(write_wav(path, samples)).read_bytes()[44:]
    else:
        write_wav(path, samples)
    return Made(
        call_id=call_id,
        channel_id=channel,
        party=party,
        name=name,
        mix=mix,
        samples_sha256=hashlib.sha256(samples).hexdigest(),
        seconds=len(samples) / 2 / RATE,
    )


async def announce(db: Database, spool: Path, files: Sequence[Made], at: datetime | None = None) -> None:
    """Tells of files as RecordingDone does: a row each, and a job that verifies it."""
    for file in files:
        leg = name_of(CallId(file.call_id), Party(file.party), ChannelId(file.channel_id)).name
        done = RecordingDone(
            CallId(file.call_id),
            ChannelId(file.channel_id),
            Party(file.party),
            str(spool / leg),
            str(spool / file.name) if file.mix else "",
        )
        async with db.transaction() as tx:
            for id_ in await recordings.service.finished(tx, done, at or datetime.now(UTC)):
                await jobs.enqueue(tx, "recording.verify", {"recording": id_}, key=f"verify:{id_}")


# ---- many workers, killed ----------------------------------------------------------------------------------------


@dataclass
class Centre:
    """Workers on one database and folder; `kills` counts those that were killed, by us or by themselves.

    A job that was running when three workers died is held for a person; `given_back` counts those we gave back.
    """

    db: Database
    child: Child
    kills: int = 0
    given_back: int = 0
    log: list[str] = field(default_factory=list)

    async def work(self, until_done: int, kills: int, *, seed: int = 3, timeout_s: float = 60.0) -> None:
        """Runs workers, one after the other, until so many recordings have left the spool.

        A worker is killed when it has cleared its share of them and a random moment more, `kills` times in all; one
        that killed itself counts too. Raises TimeoutError with what is left.
        """
        chance, deadline = random.Random(seed), time.monotonic() + timeout_s
        share = until_done / (kills + 1)
        while (done := await self.cleared()) < until_done:
            target = min(until_done, int(share * (self.kills + 1))) if self.kills < kills else until_done
            die = self.child.die if self.kills < kills else 0.0
            await self._give_back()
            told = self.child.model_copy(update={"seed": chance.getrandbits(30), "die": die})
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.intake_worker", told.model_dump_json(), cwd=ROOT
            )
            try:
                while process.returncode is None and done < target:
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"{done} of {until_done} after {timeout_s} s: {await self._left()}")
                    await asyncio.sleep(0.03)
                    await self._give_back()
                    done = await self.cleared()
                if done < until_done and process.returncode is None:
                    await asyncio.sleep(chance.uniform(0, 0.15))
            finally:
                if process.returncode is None:
                    process.kill()
                code = await process.wait()
            if code not in (-signal.SIGKILL, REAPED_ELSEWHERE):
                raise RuntimeError(f"a worker ended by itself ({code})")
            if done < until_done:
                self.kills += 1
                self.log.append(f"{done} cleared")

    async def _give_back(self) -> None:
        async with self.db.transaction() as tx:
            held = [one for one in await jobs.held_jobs(tx) if one.reason.startswith("JobKillsWorkers")]
            self.given_back += await jobs.retry_held(tx, [one.id for one in held])

    async def cleared(self) -> int:
        """Recordings whose file has left the spool."""
        async with self.db.transaction() as tx:
            query = text("SELECT count(*) FROM recording_object WHERE spool_removed_at IS NOT NULL")
            return int((await tx.execute(query)).scalar_one())

    async def _left(self) -> str:
        async with self.db.transaction() as tx:
            sizes = await jobs.queue_sizes(tx)
            held = await jobs.held_jobs(tx)
        return f"{sizes} {[(one.kind, one.reason) for one in held]}"


# ---- the proof ---------------------------------------------------------------------------------------------------


async def unproved(db: Database, ground: Ground, files: Sequence[Made]) -> list[str]:
    """One sentence for every recording that is not whole in every store, or still in the spool, and for every object
    that is nobody's; none is the proof.
    """
    found: list[str] = []
    known = await _rows(db)
    for file in files:
        kept = known.get(file.name)
        if kept is None or kept.custody is not Custody.STORED or kept.contents is None:
            found.append(f"{file.name}: not stored")
            continue
        found += [f"{file.name}: {one}" for one in await asyncio.to_thread(_wrong, ground, kept, kept.contents, file)]
    for place in (ground.store, ground.copy):
        if place is not None:
            there = {path async for path, _ in place.names() if is_recording_path(path)}
            found += [f"{place.url}: {path} is nobody's" for path in there - {kept.path for kept in known.values()}]
    return found


async def _rows(db: Database) -> dict[str, Kept]:
    async with db.transaction() as tx:
        names = {row.id: row.path for row in await tx.execute(text("SELECT id, path FROM recording"))}
        kept = await rows.kept_of(tx, list(names))
    return {names[id_]: one for id_, one in kept.items()}


def _wrong(ground: Ground, kept: Kept, contents: Contents, file: Made) -> Iterator[str]:
    if contents.samples_sha256 != file.samples_sha256:
        yield "other samples were stored"
    if (ground.spool / file.name).exists() or kept.spool_removed_at is None:
        yield "still in the spool"
    if ground.copy is not None and kept.copied_at is None:
        yield "has no copy"
    for from_copy in (False, True)[: 1 if ground.copy is None else 2]:
        if not _opens(ground, kept, contents, from_copy):
            yield f"does not open {'in the copy' if from_copy else 'in the store'}"


def _opens(ground: Ground, kept: Kept, contents: Contents, from_copy: bool) -> bool:
    try:
        heard = measured(io.BufferedReader(ground.open(kept, from_copy=from_copy)))
    except (NotThere, NotSealed, Damaged, OtherFile, NotLike):
        return False
    lossless = contents.codec is Codec.FLAC
    same = heard.samples_sha256 == contents.samples_sha256 if lossless else heard.frames == contents.frames
    return same and len(contents.peaks) == -(-contents.frames * 10 // contents.sample_rate)
