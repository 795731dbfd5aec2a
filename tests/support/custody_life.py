"""The whole life of many recordings: intake, both stores, damage and repair, listening, holds, expiry. Workers are
killed all the while, and the clock of the database and the second clock go on by years.

`Life.run` goes through it; what is not as it must be comes back as sentences, and none is the proof. Ten thousand:
`python -m tests.bench custody`.
"""

import asyncio
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import insert, select, text

from callcenter.custody import retention_check
from callcenter.custody.recheck_work import Recheck
from callcenter.tables import call, leg
from callcenter.types import Actor, CallId, RecordingId, Role
from recordings.custody import rows
from recordings.custody.custody import Custody, Kept
from recordings.custody.recheck import Place
from recordings.custody.sidecar import is_recording_path
from recordings.listening.sounds import open_kept
from recordings.recording import CHINA
from recordings.retention import expiry, holds
from recordings.retention.rules import retention_floor
from recordings.tables import recording
from tests.support.intake_run import RATE, ROOT, Centre, Made, announce, made, unproved
from tests.support.intake_worker import Child, prepare
from tests.support.moving_clock import MovingClock
from tests.support.retention_worker import Expirer
from tests.support.tickets import rules
from ticketing import service

AGENT = Actor("user", "agent", frozenset({Role.AGENT}))
MOST_IN_SPOOL = 240
"""Files that wait in the spool at a time: what Asterisk makes while workers work."""
PACE_S = 0.03


@dataclass
class Numbers:
    """What was measured on the way."""

    recordings: int = 0
    audio_s: float = 0.0
    intake_s: float = 0.0
    kills: int = 0
    damaged: int = 0
    listened: int = 0
    held: int = 0
    restored: int = 0
    on_open_tickets: int = 0
    deleted: int = 0


@dataclass
class Life:
    """folder: spool, stores and keys. say: told of each chapter."""

    clock: MovingClock
    folder: Path
    count: int
    kills: int
    scale: float = 1.0
    seed: int = 1
    timeout_s: float = 120.0
    say: Callable[[str], None] = lambda _: None
    numbers: Numbers = field(default_factory=Numbers)
    files: list[Made] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        prepare(self.folder)
        self._chance = random.Random(self.seed)
        self.child = Child(dsn=self.clock.app.asyncpg_dsn, folder=str(self.folder), die=0.5 / max(40, self.count))
        self.ground = self.child.ground()
        self.recorded_at = datetime.now(UTC)

    async def run(self) -> Sequence[str]:
        """Every chapter; what went wrong."""
        for chapter in (self.take_in, self.spoil_and_mend, self.listen, self.hold, self.expire):
            began = time.monotonic()
            await chapter()
            self.say(f"{chapter.__name__}: {time.monotonic() - began:.0f} s, {self.numbers}, wrong: {len(self.wrong)}")
        return self.wrong

    # ---- intake ------------------------------------------------------------------------------------------------

    async def take_in(self) -> None:
        """Files come while workers are killed; in the end every sample is in both stores and nothing in the spool."""
        centre = Centre(self.clock.app, self.child)
        began = time.monotonic()
        arriving = asyncio.ensure_future(self._arrive(centre))
        try:
            await centre.work(self.count, self.kills * 2 // 3, seed=self.seed, timeout_s=self.timeout_s)
            await arriving
        finally:
            arriving.cancel()
        self.numbers.intake_s = time.monotonic() - began
        self.numbers.recordings = len(self.files)
        self.numbers.audio_s = sum(file.seconds for file in self.files)
        self.numbers.kills += centre.kills
        self.wrong += await unproved(self.clock.app, self.ground, self.files)

    async def _arrive(self, centre: Centre) -> None:
        coming = made(self.ground.spool, self.count, seed=self.seed, scale=self.scale)
        while True:
            batch = await asyncio.to_thread(lambda: [file for _, file in zip(range(30), coming, strict=False)])
            if not batch:
                return
            await self._legs(batch)
            await announce(self.clock.app, self.ground.spool, batch, self.recorded_at)
            self.files += batch
            while len(self.files) - await centre.cleared() > MOST_IN_SPOOL:
                await asyncio.sleep(PACE_S)

    async def _legs(self, batch: Sequence[Made]) -> None:
        """Calls and legs of these files, answered for as long as the file is: what the file is measured against."""
        calls = {file.call_id: file for file in batch if not file.mix}
        async with self.clock.app.transaction() as tx:
            known = set((await tx.execute(select(call.c.id).where(call.c.id.in_(calls)))).scalars())
            fresh = [
                {"id": one, "node": "a", "state": "ended", **self._span(calls[one])} for one in calls.keys() - known
            ]
            if fresh:
                await tx.execute(insert(call), fresh)
            for file in batch:
                if not file.mix:
                    span = self._span(file)
                    times = {"created_at": span["started_at"], "answered_at": span["started_at"]}
                    row = {"channel_id": file.channel_id, "call_id": file.call_id, "party": file.party, "name": "x"}
                    await tx.execute(insert(leg).values(**row, **times, ended_at=span["ended_at"]))

    def _span(self, file: Made) -> Mapping[str, datetime]:
        return {"started_at": self.recorded_at - timedelta(seconds=file.seconds), "ended_at": self.recorded_at}

    # ---- damage ------------------------------------------------------------------------------------------------

    async def spoil_and_mend(self) -> None:
        """Bytes flipped, objects cut, swapped and removed, each in one place: the re-check finds and mends them all."""
        kept = await self._kept()
        some = self._chance.sample(sorted(kept), max(8, self.count // 200))
        for number, id_ in enumerate(some):
            place = self.ground.store if number % 2 else self.ground.copy
            assert place is not None
            assert place.folder is not None
            _spoil(place.folder / kept[id_].path, number, place.folder / kept[some[number - 1]].path)
        self.numbers.damaged = len(some)
        recheck = Recheck(self.clock.app, self.ground, pace=_at_once)
        found: set[RecordingId] = set()
        for where in Place:
            async for one in recheck.everything(where, repair=True):
                found.add(one.recording_id)
                if not one.mended:
                    self.wrong.append(str(one))
        self.wrong += [f"damage of recording {id_} was not found" for id_ in set(some) - found]
        names = {kept[id_].path for id_ in some}
        paths = {row.path: file for row, file in await self._with_files() if row.path in names}
        self.wrong += [
            one for one in await unproved(self.clock.app, self.ground, list(paths.values())) if "nobody's" not in one
        ]

    async def listen(self) -> None:
        """Random seconds of random recordings sound as the whole recording does there."""
        for kept, file in self._chance.sample(await self._with_files(), max(5, self.count // 50)):
            self.numbers.listened += 1
            if not await asyncio.to_thread(self._sounds_right, kept, file):
                self.wrong.append(f"{file.name}: a second out of the middle sounds different")

    def _sounds_right(self, kept: Kept, file: Made) -> bool:
        sound, whole = open_kept(self.ground, kept), open_kept(self.ground, kept, from_copy=True)
        try:
            entire = whole.read(0, whole.frames)
            first = self._chance.randrange(max(1, sound.frames - RATE))
            heard = sound.read(first, RATE)
            return len(entire) == round(file.seconds * RATE) and np.array_equal(heard, entire[first : first + RATE])
        finally:
            sound.close()
            whole.close()

    # ---- holds and the end -------------------------------------------------------------------------------------

    async def hold(self) -> None:
        """Some calls are held, some of these released by two persons; some calls have a ticket that is still open."""
        calls = sorted({file.call_id for file in self.files})
        some = self._chance.sample(calls, max(6, len(calls) // 20))
        released, opened, held = some[: len(some) // 4], some[len(some) // 4 : len(some) // 2], some[len(some) // 2 :]
        self.keep = frozenset([*held, *opened])
        for one in [*held, *released]:
            async with self.clock.app.transaction() as tx:
                placed = await holds.place(tx, CallId(one), "行政复议期间须予以保全", "user:auditor")
                if one in released:
                    await holds.ask_release(tx, placed.hold.id, "复议已经结束，不再需要", "user:auditor")
                    await holds.decide_release(tx, placed.hold.id, "user:supervisor", granted=True)
        for one in opened:
            async with self.clock.app.transaction() as tx:
                await service.open_draft(tx, actor=AGENT, now=self.recorded_at, rules=rules(), call_id=CallId(one))
        self.numbers.held = sum(file.call_id in held for file in self.files)
        self.numbers.on_open_tickets = sum(file.call_id in opened for file in self.files)

    async def expire(self) -> None:
        """The day before: nothing. The day: recycled. Thirty days: some brought back, the others deleted and proved."""
        floor = retention_floor(self.recorded_at)
        before = await self._kept()
        kills = self.kills - self.numbers.kills
        await self._until(floor - timedelta(days=1), Custody.STORED, 0, self.count)
        goes = [file for file in self.files if file.call_id not in self.keep]
        await self._until(floor, Custody.RECYCLED, kills // 2, len(goes))
        back = self._chance.sample(goes, max(2, len(goes) // 100))
        names = {file.name: kept.recording_id for kept, file in await self._with_files()}
        for file in back:
            async with self.clock.app.transaction() as tx:
                await holds.place(tx, names[file.name], "当事人申请查阅这段录音", "user:supervisor")
        self.numbers.restored = len(back)
        gone = {file.name for file in goes} - {file.name for file in back}
        await self._until(floor + timedelta(days=29), Custody.RECYCLED, 0, len(gone))
        await self._until(floor + timedelta(days=31), Custody.DELETED, kills - kills // 2, len(gone))
        self.numbers.deleted = len(gone)
        await self._the_end(before, {names[name] for name in gone})

    async def _until(self, day: date, custody: Custody, kills: int, count: int) -> None:
        """Both clocks at ten in the morning of `day`, workers that are killed, until so many are where they go."""
        self.clock.move_to(datetime(day.year, day.month, day.day, 10, tzinfo=CHINA))
        told = Expirer(**self.child.model_dump(), port=self.clock.server.port)
        deadline = time.monotonic() + self.timeout_s
        for turn in range(kills + 1):
            target = count * (turn + 1) // (kills + 1)
            die = told.die if turn < kills else 0.0
            seeded = told.model_copy(update={"seed": self._chance.getrandbits(30), "die": die})
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.retention_worker", seeded.model_dump_json(), cwd=ROOT
            )
            try:
                await self._wait(process, custody, target, deadline)
                # Long enough to have done more than it may, were it wrong.
                await self._swept(process, deadline)
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()
            self.numbers.kills += turn < kills
        self.wrong += (
            [f"{day}: {there} recordings are {custody}, not {count}"]
            if ((there := await self._standing(custody)) != count)
            else []
        )

    async def _wait(self, process: asyncio.subprocess.Process, custody: Custody, target: int, deadline: float) -> None:
        while await self._standing(custody) < target and process.returncode is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{await self._standing(custody)} of {target} are {custody}")
            await asyncio.sleep(PACE_S)

    async def _swept(self, process: asyncio.subprocess.Process, deadline: float) -> None:
        """Until another sweep has gone by: it leaves a witness of both clocks."""
        before = await self._one("SELECT count(*) FROM clock_witness")
        while await self._one("SELECT count(*) FROM clock_witness") < before + 2 and process.returncode is None:
            if time.monotonic() > deadline:
                raise TimeoutError("no sweep went by")
            await asyncio.sleep(PACE_S)

    async def _the_end(self, before: Mapping[RecordingId, Kept], gone: set[RecordingId]) -> None:
        after = await self._kept()
        for id_, was in before.items():
            now = after[id_]
            wanted = Custody.DELETED if id_ in gone else Custody.STORED
            if now.custody is not wanted:
                self.wrong.append(f"recording {id_} is {now.custody}, not {wanted}")
            if id_ in gone:
                self.wrong += await self._not_proved(id_, was)
        stay = [file for kept, file in await self._with_files() if kept.recording_id not in gone]
        self.wrong += await unproved(self.clock.app, self.ground, stay)
        paths = {after[id_].path for id_ in gone}
        for place in (self.ground.store, self.ground.copy):
            assert place is not None
            async for path, _ in place.names():
                if is_recording_path(path) and path in paths:
                    self.wrong.append(f"{place.url}: {path} is still there")
        async with self.clock.app.transaction() as tx:
            self.wrong += await retention_check.check(tx)

    async def _not_proved(self, id_: RecordingId, was: Kept) -> list[str]:
        async with self.clock.app.transaction() as tx:
            found = await expiry.certificate_of(tx, id_)
        if found is None:
            return [f"recording {id_} is gone without a certificate"]
        proof = found[1]
        same = was.sealed is not None and proof.sealed_sha256 == was.sealed.sealed_sha256 and proof.name == was.name
        return [] if same else [f"the certificate of recording {id_} is of another object"]

    # ---- the database ------------------------------------------------------------------------------------------

    async def _standing(self, custody: Custody) -> int:
        return await self._one("SELECT count(*) FROM recording_object WHERE custody = :custody", custody=custody)

    async def _one(self, query: str, **values: object) -> int:
        async with self.clock.app.transaction() as tx:
            return int((await tx.execute(text(query), values)).scalar_one())

    async def _kept(self) -> dict[RecordingId, Kept]:
        async with self.clock.app.transaction() as tx:
            ids = (await tx.execute(select(recording.c.id))).scalars().all()
            return dict(await rows.kept_of(tx, [RecordingId(one) for one in ids]))

    async def _with_files(self) -> list[tuple[Kept, Made]]:
        kept, files = await self._kept(), {file.name: file for file in self.files}
        async with self.clock.app.transaction() as tx:
            names = {row.id: row.path for row in await tx.execute(select(recording.c.id, recording.c.path))}
        return [(one, files[names[id_]]) for id_, one in sorted(kept.items())]


def _spoil(path: Path, kind: int, other: Path) -> None:
    """One of five kinds of damage. other: another sealed object of this place."""
    data = path.read_bytes() if path.exists() else b""
    middle = len(data) // 2
    spoilt = (
        data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else b"",
        data[:-1],
        b"",
        other.read_bytes() if other.exists() else b"",
        None,
    )[kind % 5]
    if spoilt is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(spoilt)


async def _at_once(_: int) -> None:
    """The pace of a test: none."""
