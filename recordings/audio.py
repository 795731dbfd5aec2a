"""The door to audio: reads, measures and repairs files. Blocking; call it in a thread (`asyncio.to_thread`).

Asterisk's own files (.sln, PCM .wav) are read directly, because a killed Asterisk leaves headers that lie;
everything else goes through libsndfile (soundfile), and what that does not know through ffmpeg.
"""

import hashlib
import io
import os
import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from recordings.recording import Problem, Sound, Unusable

BLOCK_BYTES = 1 << 20
FOREIGN_RATE = 16_000
"""ffmpeg delivers 16 kHz; a model of either rate accepts it."""
FFMPEG_LIMIT_S = 4 * 3600
"""Longer foreign audio is cut: no call lasts four hours."""
# Containers that hold one sound and cannot point at other files; playlists (hls, concat) are left out on purpose.
FFMPEG_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,amr,mp3,ogg,flac,wav,caf,aiff,asf,gsm,g729,w64,au"

_RAW_RATES = {".sln": 8_000, ".slin": 8_000, ".sln16": 16_000, ".sln48": 48_000}
_PCM, _EXTENSIBLE = 1, 0xFFFE


Opener = Callable[[], BinaryIO]
"""Opens audio that is not a file of its own: kept, decrypted as it is read. What it raises passes through."""
Source = Path | Opener


class UnreadableAudio(Exception):
    """The file cannot be decoded as audio; the other files go on. Try to play it, or convert it to WAV."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


KEPT = Path("kept recording")
"""The name of audio that has none, in errors."""


class EmptyAudio(UnreadableAudio):
    """The file exists and holds no audio at all."""


@dataclass(frozen=True, slots=True)
class Pcm:
    """Where the 16-bit samples of a plain file lie. `header_bytes` is what its header claims, None without one."""

    offset: int
    size_bytes: int
    sample_rate: int
    channels: int
    header_bytes: int | None

    @property
    def duration_s(self) -> float:
        """Length from the bytes that are there, whatever the header claims."""
        return self.size_bytes // (2 * self.channels) / self.sample_rate

    @property
    def header_lies(self) -> bool:
        """The header claims nothing or more than there is: its writer was killed."""
        return self.header_bytes is not None and self.header_bytes != self.size_bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """Mono 16-bit little-endian samples at `sample_rate`, in blocks."""

    sample_rate: int
    blocks: Iterator[bytes]


def pcm_of(path: Path) -> Pcm | None:
    """Where the samples of a .sln or 16-bit PCM .wav lie; None for every other kind of file."""
    size = path.stat().st_size
    rate = _RAW_RATES.get(path.suffix.lower())
    if rate:
        return Pcm(0, size - size % 2, rate, 1, None)
    with path.open("rb") as file:
        return _riff(file, size)


def _riff(file: IO[bytes], size: int) -> Pcm | None:
    if file.read(4) != b"RIFF" or len(file.read(4)) < 4 or file.read(4) != b"WAVE":
        return None
    layout: tuple[int, int] | None = None
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name == b"data":
            return _data_chunk(file.tell(), length, size, layout) if layout else None
        body = file.read(min(length, 64))
        if name == b"fmt " and len(body) >= 16:
            form, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
            if form not in (_PCM, _EXTENSIBLE) or bits != 16 or not 1 <= channels <= 8 or not rate:
                return None
            layout = (rate, channels)
        file.seek(length - len(body) + length % 2, os.SEEK_CUR)
    return None


def _data_chunk(offset: int, claimed: int, size: int, layout: tuple[int, int]) -> Pcm:
    rate, channels = layout
    there = size - offset
    # A claim smaller than the file is honest (other chunks may follow); 0 or too much is a header never finished.
    bytes_ = claimed if 0 < claimed <= there else there
    return Pcm(offset, bytes_ - bytes_ % (2 * channels), rate, channels, claimed)


def repair_header(path: Path) -> bool:
    """Completes the lengths of a WAV whose writer was killed (they are 0). Returns whether it changed the file.

    Idempotent: eight bytes are written in place from the size of the file, then flushed to the disk.
    """
    pcm = pcm_of(path)
    if pcm is None or not pcm.header_lies or pcm.size_bytes == 0:
        return False
    with path.open("r+b") as file:
        file.seek(4)
        file.write(struct.pack("<I", pcm.offset + pcm.size_bytes - 8))
        file.seek(pcm.offset - 4)
        file.write(struct.pack("<I", pcm.size_bytes))
        file.flush()
        os.fsync(file.fileno())
    return True


def examine(path: Path, *, repair: bool = True) -> Sound | Unusable:
    """Measures a recording, completing its header first where needed. Never raises for what is in the file."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return Unusable(Problem.MISSING)
    if path.is_symlink() or not path.is_file():
        return Unusable(Problem.UNREADABLE)
    repaired = repair and repair_header(path)
    checksum = sha256(path)
    try:
        duration_s, rate, peak = _measure(path)
    except EmptyAudio:
        return Unusable(Problem.EMPTY, size, checksum)
    except UnreadableAudio:
        return Unusable(Problem.UNREADABLE, size, checksum)
    return Sound(duration_s, rate, peak, size, checksum, repaired)


def _measure(path: Path) -> tuple[float, int, float]:
    samples, peak = 0, 0
    with opened(path) as stream:
        for block in stream.blocks:
            values = np.frombuffer(block, "<i2")
            samples += len(values)
            # int16 has no +32768: take the extremes, not the absolute value
            peak = max(peak, int(values.max()), -int(values.min()))
    if not samples:
        raise EmptyAudio(path, "holds no audio")
    return samples / stream.sample_rate, stream.sample_rate, min(1.0, peak / 32768)


def sha256(path: Path) -> str:
    """SHA-256 of the file in hexadecimal, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def opened(source: Source) -> Iterator[Stream]:
    """The samples of any audio file, or of kept audio (FLAC or Opus; nothing of it is written to a disk).

    Blocks are never empty. Raises UnreadableAudio, EmptyAudio, also while reading; for kept audio also what opening
    and reading it raises.
    """
    if isinstance(source, Path):
        with _opened_file(source) as stream:
            yield stream
    else:
        with source() as file, _opened_kept(file) as stream:
            yield stream


@contextmanager
def _opened_file(path: Path) -> Iterator[Stream]:
    try:
        if path.stat().st_size == 0:
            raise EmptyAudio(path, "is empty (0 bytes)")
        if path.is_dir():
            raise UnreadableAudio(path, "is a directory")
        pcm = pcm_of(path)
    except OSError as error:
        raise UnreadableAudio(path, error.strerror or str(error)) from error
    if pcm is not None:
        yield Stream(pcm.sample_rate, _plain_blocks(path, pcm))
        return
    sound = _sound_file(path)
    if sound is not None:
        with sound:
            yield Stream(sound.samplerate, _sound_blocks(path, sound))
        return
    with _foreign(path) as stream:
        yield stream


@contextmanager
def _opened_kept(file: BinaryIO) -> Iterator[Stream]:
    witnessed = Witness(file)
    with io.BufferedReader(witnessed) as buffered:
        try:
            sound = soundfile.SoundFile(buffered)
        except soundfile.LibsndfileError as error:
            witnessed.testify()
            raise UnreadableAudio(KEPT, f"is not audio: {error.error_string}") from error
        with sound:
            yield Stream(sound.samplerate, _witnessed_blocks(sound, witnessed))


def _witnessed_blocks(sound: soundfile.SoundFile, witnessed: "Witness") -> Iterator[bytes]:
    try:
        yield from _sound_blocks(KEPT, sound)
    finally:
        witnessed.testify()


class Witness(io.RawIOBase):
    """A file whose errors are remembered: libsndfile takes an error of its reader for the end of the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: Exception | None = None

    def testify(self) -> None:
        """Raises the first error there was."""
        if self._error is not None:
            raise self._error

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what RawIOBase gives is writable
        try:
            piece = self._file.read(len(buffer))
        except Exception as error:
            self._error = self._error or error
            return 0
        buffer[: len(piece)] = piece
        return len(piece)


def _plain_blocks(path: Path, pcm: Pcm) -> Iterator[bytes]:
    for block in samples_of(path, pcm, BLOCK_BYTES // (2 * pcm.channels)):
        yield block.tobytes() if pcm.channels == 1 else _mono(block, pcm.channels)


def samples_of(path: Path, pcm: Pcm, frames: int) -> Iterator[npt.NDArray[np.int16]]:
    """The samples of a plain file, at most `frames` at a time, one row each and one column a channel."""
    left = pcm.size_bytes
    with path.open("rb") as file:
        file.seek(pcm.offset)
        while left > 0 and (block := file.read(min(frames * 2 * pcm.channels, left))):
            left -= len(block)
            whole = len(block) - len(block) % (2 * pcm.channels)
            if whole:
                yield np.frombuffer(block[:whole], "<i2").reshape(-1, pcm.channels)


def _mono(samples: npt.NDArray[Any], channels: int) -> bytes:
    mixed = samples.reshape(-1, channels).astype(np.int32).sum(axis=1) // channels
    return bytes(mixed.astype("<i2").data)


def _sound_file(path: Path) -> soundfile.SoundFile | None:
    try:
        return soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, TypeError):
        # TypeError: soundfile wants a sample rate for file names that look like RAW
        return None


def _sound_blocks(path: Path, sound: soundfile.SoundFile) -> Iterator[bytes]:
    try:
        while len(block := sound.read(BLOCK_BYTES // 2, dtype="int16", always_2d=True)):
            yield _mono(block, sound.channels)
    except soundfile.LibsndfileError as error:
        raise UnreadableAudio(path, f"stops being audio: {error.error_string}") from error


@contextmanager
def _foreign(path: Path) -> Iterator[Stream]:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise UnreadableAudio(path, "is not WAV, FLAC, OGG or MP3, and ffmpeg is not installed (apt install ffmpeg)")
    command = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file,pipe"]
    command += ["-format_whitelist", FFMPEG_FORMATS, "-t", str(FFMPEG_LIMIT_S), "-i", f"file:{path.absolute()}"]
    command += ["-map", "0:a:0", "-ac", "1", "-ar", str(FOREIGN_RATE), "-f", "s16le", "pipe:1"]
    with tempfile.TemporaryFile() as said:
        # A file, not a pipe: ffmpeg can say more than a pipe holds while nobody reads it.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)  # noqa: S603 (no shell, own options)
        assert process.stdout is not None
        try:
            yield Stream(FOREIGN_RATE, _foreign_blocks(path, process, said))
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def _foreign_blocks(path: Path, process: subprocess.Popen[bytes], said: IO[bytes]) -> Iterator[bytes]:
    assert process.stdout is not None
    heard = False
    watchdog = threading.Timer(FFMPEG_LIMIT_S, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        # BufferedReader.read(n) waits for n bytes, so blocks stay whole samples until the last
        while block := process.stdout.read(BLOCK_BYTES):
            heard = True
            yield block[: len(block) - len(block) % 2]
    finally:
        watchdog.cancel()
    if process.wait() != 0 or not heard:
        said.seek(0, io.SEEK_SET)
        last = said.read(4096).decode(errors="replace").strip().splitlines()
        reason = last[-1].replace(f"file:{path.absolute()}", path.name) if last else "no sound in it"
        raise UnreadableAudio(path, f"cannot be decoded as audio ({reason[:200]})")
