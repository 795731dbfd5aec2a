"""Sounds of which any part can be read: files of the spool, kept recordings, and what is made of them while it plays.

Each is a function of the frame's number, so any part of a WAV of it can be served without the parts before, and
nothing is ever held but the block that is on its way. Blocking; call it in a thread.
"""

import os
import stat
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from recordings import audio
from recordings.custody.custody import Codec, Kept
from recordings.custody.ground import Ground
from recordings.custody.keys import KeyUnknown, KeyWrong
from recordings.custody.objects import NotThere
from recordings.custody.sealed import Damaged, NotSealed, OtherFile
from recordings.listening import watermark
from recordings.listening.decoded import Decoded, NotDecodable, Samples

HEADER_BYTES = 44
SAMPLE_BYTES = 2
TONE_EVERY_S, TONE_S = 15.0, 0.12
TONES_HZ = (950.0, 1_400.0)
TONE_STRENGTH = 600.0
"""-35 dBFS: heard, and softer than speech."""
BROKEN = (NotThere, NotSealed, Damaged, OtherFile, KeyUnknown, KeyWrong, NotDecodable)
"""Why an object is not what was stored; the other place may have it whole."""


class NoSound(Exception):
    """There is no audio to play: no plain audio file in the spool and no readable object in a store."""


class Sound(Protocol):
    """16-bit sound. `frames` of `channels` samples each, `rate` of them a second."""

    @property
    def frames(self) -> int: ...

    @property
    def rate(self) -> int: ...

    @property
    def channels(self) -> int: ...

    def read(self, first: int, count: int) -> Samples:
        """Frames from `first` on, shape (frames, channels): `count` of them, fewer only at the end."""

    def close(self) -> None:
        """Once done; nothing can be read afterwards."""


@dataclass(frozen=True, slots=True)
class SpoolSound:
    """A plain file in the spool, read where it lies."""

    fd: int
    offset: int
    frames: int
    rate: int
    channels: int

    def read(self, first: int, count: int) -> Samples:
        frame = SAMPLE_BYTES * self.channels
        most = max(0, min(count, self.frames - first)) * frame
        heard = os.pread(self.fd, most, self.offset + first * frame)
        whole = heard[: len(heard) - len(heard) % frame]
        return np.frombuffer(whole, "<i2").astype(np.int16, copy=False).reshape(-1, self.channels)

    def close(self) -> None:
        os.close(self.fd)


def open_spool(spool: Path, name: str) -> SpoolSound:
    """The recording `name` of the spool. Raises NoSound, also for whatever is not a plain file right in it."""
    folder = spool.resolve()
    path = folder / name
    try:
        if Path(os.path.realpath(path)).parent != folder:
            raise NoSound
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        raise NoSound from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NoSound
        pcm = audio.pcm_of(path)
        if pcm is None or pcm.size_bytes == 0:
            raise NoSound
        frames = pcm.size_bytes // (SAMPLE_BYTES * pcm.channels)
        return SpoolSound(fd, pcm.offset, frames, pcm.sample_rate, pcm.channels)
    except BaseException:
        os.close(fd)
        raise


def open_kept(ground: Ground, kept: Kept, *, from_copy: bool = False) -> Decoded:
    """A recording of the store, or of its copy. Raises NoSound for what was never sound, one of BROKEN, StoreAway."""
    if kept.contents is None or kept.contents.codec is Codec.RAW or not kept.contents.frames:
        raise NoSound
    sound = Decoded(ground.open(kept, from_copy=from_copy))
    if (sound.frames, sound.rate, sound.channels) != _shape(kept):
        sound.close()
        raise NotDecodable(f"recording {kept.recording_id} is not as long as it was when it was stored")
    return sound


def _shape(kept: Kept) -> tuple[int, int, int]:
    assert kept.contents is not None
    return kept.contents.frames, kept.contents.sample_rate, kept.contents.channels


@dataclass(frozen=True, slots=True)
class Track:
    """One leg of a call. begins_at: frame of the whole at which it begins. left: the citizen's side."""

    sound: Sound
    begins_at: int
    left: bool


class StereoSound:
    """A whole call by speaker: the citizen on the left, agent and units on the right, each leg at its place."""

    channels = 2

    def __init__(self, tracks: Sequence[Track]) -> None:
        """Raises NoSound without tracks, and for tracks of different rates."""
        if not tracks or len({track.sound.rate for track in tracks}) != 1:
            raise NoSound
        self._tracks = tuple(tracks)
        self.rate = tracks[0].sound.rate
        self.frames = max(0, *(track.begins_at + track.sound.frames for track in tracks))

    def read(self, first: int, count: int) -> Samples:
        count = max(0, min(count, self.frames - first))
        mixed = np.zeros((count, 2), np.int32)
        for track in self._tracks:
            since = first - track.begins_at
            skipped = max(0, -since)
            if skipped >= count or since >= track.sound.frames:
                continue
            heard = track.sound.read(max(0, since), count - skipped)
            mono = heard.astype(np.int32).sum(axis=1) // heard.shape[1]
            mixed[skipped : skipped + len(mono), 0 if track.left else 1] += mono
        return _clipped(mixed)

    def close(self) -> None:
        for track in self._tracks:
            track.sound.close()


class MutedSound:
    """A sound with places replaced by silence. spans: first and past-the-end frame of each, in any order."""

    def __init__(self, sound: Sound, spans: Iterable[tuple[int, int]]) -> None:
        self._sound = sound
        self._spans = tuple(sorted(spans))
        self.frames, self.rate, self.channels = sound.frames, sound.rate, sound.channels

    def read(self, first: int, count: int) -> Samples:
        heard = self._sound.read(first, count).copy()
        for begins, ends in self._spans:
            if begins < first + len(heard) and ends > first:
                heard[max(0, begins - first) : ends - first] = 0
        return heard

    def close(self) -> None:
        self._sound.close()


class MarkedSound:
    """A sound with an inaudible mark in every channel. Raises NoSound for another rate than a telephone's."""

    def __init__(self, sound: Sound, mark: watermark.Mark) -> None:
        if sound.rate != watermark.RATE:
            raise NoSound
        self._sound, self._mark = sound, mark
        self.frames, self.rate, self.channels = sound.frames, sound.rate, sound.channels

    def read(self, first: int, count: int) -> Samples:
        count = max(0, min(count, self.frames - first))
        if not count:
            return np.zeros((0, self.channels), np.int16)
        hop = watermark.HOP
        begins = (first // hop - 1) * hop
        blocks = -(-(first + count - begins) // hop) + 1
        around = np.zeros((blocks * hop, self.channels), np.int16)
        before = max(0, -begins)
        heard = self._sound.read(begins + before, blocks * hop - before)
        around[before : before + len(heard)] = heard
        part = slice(first - begins, first - begins + count)
        marked = [
            around[part, channel] + self._mark.laid_under(around[:, channel], begins)[part]
            for channel in range(self.channels)
        ]
        return _clipped(np.rint(np.stack(marked, axis=1)))

    def close(self) -> None:
        self._sound.close()


class TonedSound:
    """A sound with a soft double tone every fifteen seconds, so that everybody hears that it is a copy."""

    def __init__(self, sound: Sound) -> None:
        self._sound = sound
        self.frames, self.rate, self.channels = sound.frames, sound.rate, sound.channels

    def read(self, first: int, count: int) -> Samples:
        heard = self._sound.read(first, count)
        at_s = (first + np.arange(len(heard))) / self.rate % TONE_EVERY_S
        tone = np.zeros(len(heard))
        for number, hertz in enumerate(TONES_HZ):
            sounding = (at_s >= number * TONE_S) & (at_s < (number + 1) * TONE_S)
            inside = (at_s[sounding] - number * TONE_S) / TONE_S
            # Swells and fades: a tone that begins at once clicks.
            tone[sounding] = np.sin(np.pi * inside) * np.sin(2 * np.pi * hertz * at_s[sounding])
        return _clipped(heard.astype(np.int32) + np.rint(tone * TONE_STRENGTH).astype(np.int32)[:, None])

    def close(self) -> None:
        self._sound.close()


def _clipped(values: np.ndarray[tuple[int, ...], np.dtype[np.int32]] | watermark.Floats) -> Samples:
    return np.clip(values, -32_768, 32_767).astype(np.int16)


@dataclass(frozen=True, slots=True)
class Wav:
    """A sound as the bytes of a WAV file: our own header, then its samples."""

    sound: Sound

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return SAMPLE_BYTES * self.sound.channels

    @property
    def size_bytes(self) -> int:
        """Length of the whole file."""
        return HEADER_BYTES + self.sound.frames * self.frame_bytes

    def read(self, at: int, most: int) -> bytes:
        """Up to `most` bytes from `at`; the end of the header and the start of the samples are two reads."""
        if at < HEADER_BYTES:
            return self.header()[at : at + most]
        frame = self.frame_bytes
        first, inside = divmod(at - HEADER_BYTES, frame)
        heard = self.sound.read(first, -(-(inside + most) // frame))
        return heard.astype("<i2", copy=False).tobytes()[inside : inside + most]

    def frames_in(self, first: int, end: int) -> tuple[int, int]:
        """The whole frames among the bytes from `first` to `end` (past the last)."""
        begins = -(-max(0, first - HEADER_BYTES) // self.frame_bytes)
        return begins, max(begins, (end - HEADER_BYTES) // self.frame_bytes)

    def header(self) -> bytes:
        """The 44 bytes before 16-bit PCM samples (RIFF WAVE, format 1)."""
        return wav_header(self.sound.frames * self.frame_bytes, self.sound.rate, self.sound.channels)


def wav_header(samples_bytes: int, rate: int, channels: int) -> bytes:
    """The 44 bytes before 16-bit PCM samples (RIFF WAVE, format 1)."""
    frame = SAMPLE_BYTES * channels
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, 16)
    size = struct.pack("<I", samples_bytes + HEADER_BYTES - 8)
    return b"RIFF" + size + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", samples_bytes)
