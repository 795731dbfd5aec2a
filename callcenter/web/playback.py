"""A recording as a WAV over HTTP: our own header over the samples that are there, any part of it by Range (RFC 9110).

The path comes from the database, never from a request, and is opened only as a plain file inside the spool.
Blocking functions; call them in a thread.
"""

import os
import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from recordings import audio

HEADER_BYTES = 44
BLOCK_BYTES = 64 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class NotPlayable(Exception):
    """这段录音没有可播放的音频文件。请查看录音状态和缺失原因，或联系管理员。"""


class RangeNotThere(Exception):
    """所请求的片段超出录音长度。请从头播放。"""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        super().__init__(size_bytes)


@dataclass(frozen=True, slots=True)
class Sound:
    """An open file seen as a WAV: `head`, then `samples_bytes` from `offset` of the file. Close `fd` when done."""

    fd: int
    head: bytes
    offset: int
    samples_bytes: int

    @property
    def size_bytes(self) -> int:
        """Length of the whole WAV."""
        return len(self.head) + self.samples_bytes

    def read(self, at: int, most: int) -> bytes:
        """Up to `most` bytes of the WAV from `at`; the end of the header and the start of the samples are two reads."""
        if at < len(self.head):
            return self.head[at : at + most]
        begun = at - len(self.head)
        return os.pread(self.fd, min(most, self.samples_bytes - begun), self.offset + begun)


def open_sound(spool: Path, name: str) -> Sound:
    """The recording `name` of the spool. Raises NotPlayable, also for whatever is not a plain file right in it."""
    folder = spool.resolve()
    path = folder / name
    try:
        if Path(os.path.realpath(path)).parent != folder:
            raise NotPlayable
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        raise NotPlayable from None
    try:
        return _sound(fd, path)
    except BaseException:
        os.close(fd)
        raise


def _sound(fd: int, path: Path) -> Sound:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise NotPlayable
    pcm = audio.pcm_of(path)
    if pcm is None or pcm.size_bytes == 0:
        raise NotPlayable
    return Sound(fd, wav_header(pcm.size_bytes, pcm.sample_rate, pcm.channels), pcm.offset, pcm.size_bytes)


def wav_header(samples_bytes: int, rate: int, channels: int) -> bytes:
    """The 44 bytes before 16-bit PCM samples (RIFF WAVE, format 1)."""
    frame = 2 * channels
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, 16)
    size = struct.pack("<I", samples_bytes + HEADER_BYTES - 8)
    return b"RIFF" + size + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", samples_bytes)


def part_of(asked: str, size_bytes: int) -> tuple[int, int] | None:
    """First and past-the-end byte a Range header asks for; None when it is none, or not one we serve, so: all.

    Raises RangeNotThere when it begins past the end.
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return (max(0, size_bytes - int(last)), size_bytes) if int(last) else _refuse(size_bytes)
    if last and int(last) < int(first):
        return None
    if int(first) >= size_bytes:
        return _refuse(size_bytes)
    return int(first), min(int(last) + 1, size_bytes) if last else size_bytes


def _refuse(size_bytes: int) -> tuple[int, int]:
    raise RangeNotThere(size_bytes)
