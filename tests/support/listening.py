"""Speech to listen to, and recordings kept as intake keeps them, without a database."""

import hashlib
import io
import subprocess
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from callcenter.types import RecordingId
from recordings.custody.codec import pack
from recordings.custody.custody import Custody, Kept, SealedObject, object_path
from recordings.custody.ground import Ground
from recordings.custody.sealed import seal
from tests.support.spoken import ANSWER, COMPLAINT, QUESTION, spoken

Samples = npt.NDArray[np.int16]
RATE = 8_000
SENTENCES = (COMPLAINT, QUESTION, ANSWER, "我家楼下的餐馆油烟太大天天晚上都开着", "水管爆了整条街都是水请尽快派人来修")
AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


class Plain:
    """Samples in memory as a sound."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples.reshape(len(samples), -1)
        self.frames, self.channels = self._samples.shape
        self.rate = RATE

    def read(self, first: int, count: int) -> Samples:
        return self._samples[first : first + count]

    def close(self) -> None:
        pass


def speech(seconds: float, *, noise: float = 12.0, seed: int = 1) -> Samples:
    """People talking with pauses between, on a line that hisses softly (`noise`: its strength, of 32,767)."""
    chance = np.random.default_rng(seed)
    parts: list[npt.NDArray[np.float64]] = []
    wanted, there = int(seconds * RATE), 0
    for sentence in cycle(SENTENCES):
        said = np.frombuffer(spoken(sentence), "<i2").astype(np.float64) * chance.uniform(0.2, 0.5)
        parts += [said, np.zeros(int(RATE * chance.uniform(0.1, 0.8)))]
        there += len(parts[-1]) + len(said)
        if there >= wanted:
            break
    whole = np.concatenate(parts)[:wanted]
    return np.clip(np.rint(whole + noise * chance.standard_normal(wanted)), -32_768, 32_767).astype(np.int16)


def through_ffmpeg(samples: Samples, suffix: str, folder: Path, *options: str) -> Path:
    """The sound in another format."""
    target = folder / f"piece{suffix}"
    command = ["ffmpeg", "-y", "-v", "error", "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "pipe:0"]
    subprocess.run([*command, *options, str(target)], input=samples.astype("<i2").tobytes(), check=True)
    return target


async def keep(custody: Ground, path: Path, recording_id: int = 1, *, copy: bool = True) -> Kept:
    """The file at `path`, compressed, sealed and in both places; the file stays."""
    packed = pack(path, custody.codec)
    name = uuid4()
    data, key = seal(io.BytesIO(packed.data), name, packed.contents.codec, custody.cipher, custody.keys)
    where = object_path(name, AT)
    await custody.store.put_new(where, data)
    if copy and custody.copy is not None:
        await custody.copy.put_new(where, data)
    sealed = SealedObject(custody.cipher, key, len(data), hashlib.sha256(data).hexdigest())
    return Kept(
        recording_id=RecordingId(recording_id),
        name=name,
        path=where,
        custody=Custody.STORED,
        contents=packed.contents,
        sealed=sealed,
        prepared_at=AT,
        stored_at=AT,
        copied_at=AT if copy else None,
        spool_removed_at=None,
        recycled_at=None,
        deleted_at=None,
    )


def damage(custody: Ground, kept: Kept, at: float = 0.5) -> None:
    """One byte of the store's object is another; at: where, as a share of its length."""
    assert custody.store.folder is not None
    file = custody.store.folder / kept.path
    content = bytearray(file.read_bytes())
    content[int(len(content) * at)] ^= 0x40
    file.write_bytes(content)
