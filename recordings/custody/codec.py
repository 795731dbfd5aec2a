"""From a file of the spool to what is sealed of it: measured, compressed, and proved before the original may go.

Everything is in memory; plain audio is never written to a disk. Blocking; call it in a thread. A second door to
soundfile, which compresses.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from recordings.audio import Pcm, Witness, pcm_of, samples_of, sha256
from recordings.custody.custody import Codec, Contents

BLOCK_S = 60
WINDOWS_PER_S = 10
FORMATS = {Codec.FLAC: ("FLAC", "PCM_16"), Codec.OPUS: ("OGG", "OPUS")}
OPUS_RATES = frozenset({8_000, 12_000, 16_000, 24_000, 48_000})
RATES = range(4_000, 192_001)
"""A header that says another rate lies; what it heads is kept as it came."""

# How unlike its original a lossy copy may be: the difference of the level (standard deviation of the samples) of
# each 100 ms, as a share of the loudest of it and its neighbours. Measured 2026-11-22 with libsndfile 1.2.2 at
# 8 kHz: speech, tones, noise and bursts differ by at most 0.07 anywhere, clicks by 0.12; badly clipped speech by
# 0.06 on average, 0.22 in the worst of a hundred windows and 0.60 in the worst of all. A lost second differs by 1.
LIKE_ON_AVERAGE, LIKE_MOSTLY, LIKE_EVERYWHERE = 0.10, 0.35, 0.80
MOSTLY = 0.98
FLOOR = 30.0
"""Level under which a difference is not heard (-60 dBFS)."""

_Samples = npt.NDArray[np.int16]


class NotLike(Exception):
    """What was decoded is not the recording that was compressed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the samples of a recording are. levels: of every 100 ms, empty unless they were asked for."""

    frames: int
    sample_rate: int
    channels: int
    samples_sha256: str
    peaks: bytes
    levels: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Packed:
    """What is to be sealed. file_sha256: of the file in the spool, as it was read."""

    contents: Contents
    data: bytes
    file_sha256: str


def pack(path: Path, codec: Codec) -> Packed:
    """The file at `path`, compressed and proved by decoding it again.

    Where the codec cannot take it, or its copy is not like the original, FLAC is taken; where there are no plain
    samples (not decodable, or not what Asterisk writes), the file as it is. Raises OSError.
    """
    pcm = pcm_of(path)
    if pcm is not None and pcm.size_bytes and pcm.sample_rate in RATES:
        original = measured_file(path, pcm, levels=codec is Codec.OPUS)
        for one in (codec, Codec.FLAC):
            data = _encoded(path, pcm, one)
            if data is not None and is_like(io.BytesIO(data), one, original):
                return Packed(_contents(original, one, len(data)), data, sha256(path))
    data = path.read_bytes()
    return Packed(Contents(Codec.RAW, 0, 0, 0, None, len(data), b""), data, hashlib.sha256(data).hexdigest())


def _contents(original: Measured, codec: Codec, plain_bytes: int) -> Contents:
    return Contents(
        codec=codec,
        frames=original.frames,
        sample_rate=original.sample_rate,
        channels=original.channels,
        samples_sha256=original.samples_sha256,
        plain_bytes=plain_bytes,
        peaks=original.peaks,
    )


def is_same(file: BinaryIO, codec: Codec, packed: Packed, path: Path) -> Contents | None:
    """What is in `file`, where that is the recording that was packed from `path`; None where it is another.

    For a file that lies in the store already: it may have been compressed otherwise. Raises OSError, and what reading
    `file` raises.
    """
    if codec is Codec.RAW:
        data = b"".join(iter(lambda: file.read(1 << 20), b""))
        same = hashlib.sha256(data).hexdigest() == packed.file_sha256
        return Contents(Codec.RAW, 0, 0, 0, None, len(data), b"") if same else None
    pcm = pcm_of(path)
    if pcm is None or not pcm.size_bytes:
        return None
    original = measured_file(path, pcm, levels=codec is Codec.OPUS)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return _contents(original, codec, size) if is_like(file, codec, original) else None


def is_like(file: BinaryIO, codec: Codec, original: Measured) -> bool:
    """Whether a compressed copy is the original: every sample for FLAC, length and level of every 100 ms for Opus.

    Raises what reading `file` raises.
    """
    try:
        found = measured(file, levels=codec is Codec.OPUS)
    except NotLike:
        return False
    if (found.frames, found.sample_rate, found.channels) != (original.frames, original.sample_rate, original.channels):
        return False
    if codec is Codec.FLAC:
        return found.samples_sha256 == original.samples_sha256
    return sounds_like(original.levels, found.levels)


def sounds_like(original: npt.NDArray[np.float64], copy: npt.NDArray[np.float64]) -> bool:
    """Whether two rows of levels are of the same sound, one of them compressed with loss."""
    if len(original) != len(copy):
        return False
    around = np.pad(original, 1, mode="edge")
    loudest = np.maximum(np.maximum(around[:-2], around[2:]), original)
    unlike = np.abs(original - copy) / (loudest + FLOOR)
    most = float(np.quantile(unlike, MOSTLY))
    return float(unlike.mean()) <= LIKE_ON_AVERAGE and most <= LIKE_MOSTLY and float(unlike.max()) <= LIKE_EVERYWHERE


def measured_file(path: Path, pcm: Pcm, *, levels: bool = False) -> Measured:
    """What the samples of a plain file are. Raises OSError."""
    blocks = samples_of(path, pcm, pcm.sample_rate * BLOCK_S)
    return _measured(blocks, pcm.sample_rate, pcm.channels, levels)


def measured(file: BinaryIO, *, levels: bool = False) -> Measured:
    """What the samples of a compressed file are. Raises NotLike where it cannot be decoded, and what reading raises."""
    witness = Witness(file)
    try:
        with soundfile.SoundFile(io.BufferedReader(witness)) as sound:
            return _measured(_decoded(sound), sound.samplerate, sound.channels, levels)
    except soundfile.LibsndfileError as error:
        raise NotLike(error.error_string) from error
    finally:
        witness.testify()


def _decoded(sound: soundfile.SoundFile) -> Iterator[_Samples]:
    while len(block := sound.read(sound.samplerate * BLOCK_S, dtype="int16", always_2d=True)):
        yield block


def _encoded(path: Path, pcm: Pcm, codec: Codec) -> bytes | None:
    """The compressed file; None where the codec cannot take such samples."""
    if codec is Codec.OPUS and (pcm.sample_rate not in OPUS_RATES or pcm.channels > 2):
        return None
    form, subtype = FORMATS[codec]
    out = io.BytesIO()
    try:
        with soundfile.SoundFile(out, "w", pcm.sample_rate, pcm.channels, subtype, format=form) as sound:
            for block in samples_of(path, pcm, pcm.sample_rate * BLOCK_S):
                sound.write(block)
    except soundfile.LibsndfileError:
        return None
    return out.getvalue()


def _measured(blocks: Iterable[_Samples], rate: int, channels: int, levels: bool) -> Measured:
    """blocks: BLOCK_S long, the last one may be shorter."""
    frames, digest = 0, hashlib.sha256()
    peaks: list[bytes] = []
    heard: list[npt.NDArray[np.float64]] = []
    # Windows begin at whole samples, also at rates that are not a multiple of ten.
    starts = (np.arange(BLOCK_S * WINDOWS_PER_S) * rate) // WINDOWS_PER_S
    for block in blocks:
        frames += len(block)
        digest.update(np.ascontiguousarray(block, "<i2").data)
        own = starts[: np.searchsorted(starts, len(block))]
        peaks.append(_peaks(block, own))
        if levels:
            heard.append(_levels(block, own))
    row = np.concatenate(heard) if heard else np.empty(0)
    return Measured(frames, rate, channels, digest.hexdigest(), b"".join(peaks), row)


def _peaks(block: _Samples, starts: npt.NDArray[Any]) -> bytes:
    # int16 has no +32768: take the extremes, not the absolute value.
    high = np.maximum.reduceat(block.max(axis=1), starts).astype(np.int32)
    low = np.minimum.reduceat(block.min(axis=1), starts).astype(np.int32)
    loudest = np.maximum(high, -low)
    return ((loudest * 255 + 16_384) // 32_768).astype(np.uint8).tobytes()


def _levels(block: _Samples, starts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Standard deviation of every window, of all channels together: a constant offset is not heard."""
    counts = np.diff(np.append(starts, len(block)))[:, None]
    values = block.astype(np.float64)
    mean = np.add.reduceat(values, starts, axis=0) / counts
    square = np.add.reduceat(values * values, starts, axis=0) / counts
    variance: npt.NDArray[np.float64] = np.maximum(square - mean * mean, 0.0).mean(axis=1)
    return np.sqrt(variance)
