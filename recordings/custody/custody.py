"""What a kept recording is: an object in a store, its place, how it is compressed and sealed. PURE.

A recording of the spool becomes one object. Its name is a random UUID that says nothing about the call; its path is
sharded by the Chinese day on which it was recorded and two digits of the name, so that no folder grows without end.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from callcenter.types import RecordingId
from recordings.recording import CHINA

SUFFIX = ".ccr"
"""Sealed recordings; the format is described in docs/recording-format.md."""


class Codec(StrEnum):
    """How the samples are kept inside the sealed file."""

    FLAC = "flac"
    """Lossless, about half the size; every sample can be proved."""
    OPUS = "opus"
    """Lossy, about a sixth; proved by length and by likeness."""
    RAW = "raw"
    """The bytes of the file as they came: what cannot be decoded is kept for a person to look at."""


class Cipher(StrEnum):
    """How the chunks of a sealed file are encrypted."""

    AES_256_GCM = "aes-256-gcm"
    SM4_GCM = "sm4-gcm"


class Custody(StrEnum):
    """Where a kept recording stands."""

    PREPARED = "prepared"
    """Its name is decided; the spool still has the only audio."""
    STORED = "stored"
    """In the store, read back and proved equal to the original."""
    RECYCLED = "recycled"
    """Its time is over; it stays where it is for thirty days and can be brought back."""
    DELETED = "deleted"
    """Gone from every store; the certificate says when and under which rule."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """The key of one file, wrapped by the master key `key_id`."""

    key_id: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """What is inside a sealed file, known from the moment it is stored.

    frames: samples of one channel. samples_sha256: of the 16-bit little-endian samples, channels interleaved, as they
    were in the spool; None for RAW. peaks: loudest sample of every 100 ms as one byte (0 to 255), all channels.
    """

    codec: Codec
    frames: int
    sample_rate: int
    channels: int
    samples_sha256: str | None
    plain_bytes: int
    peaks: bytes

    @property
    def duration_s(self) -> float:
        """Length in seconds; 0 for what could not be decoded."""
        return self.frames / self.sample_rate if self.sample_rate else 0.0


@dataclass(frozen=True, slots=True)
class SealedObject:
    """The file as it lies in the store."""

    cipher: Cipher
    key: WrappedKey
    sealed_bytes: int
    sealed_sha256: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One row of `recording_object`. `contents` and `sealed` are there from STORED on. Times are aware UTC."""

    recording_id: RecordingId
    name: UUID
    path: str
    custody: Custody
    contents: Contents | None
    sealed: SealedObject | None
    prepared_at: datetime
    stored_at: datetime | None
    copied_at: datetime | None
    spool_removed_at: datetime | None
    recycled_at: datetime | None
    deleted_at: datetime | None
    deletion_began_at: datetime | None = None
    """From then on its objects go; nobody may check, repair or bring back what is not there any more."""

    @property
    def readable(self) -> bool:
        """Whether the store has it."""
        return self.custody in (Custody.STORED, Custody.RECYCLED)


def object_path(name: UUID, recorded_at: datetime) -> str:
    """`2026/11/22/5f/5f0c….ccr`: by Chinese day and the first two digits of the name."""
    day = recorded_at.astimezone(CHINA)
    return f"{day:%Y/%m/%d}/{name.hex[:2]}/{name}{SUFFIX}"


def key_path(path: str, key_id: str) -> str:
    """Where a rotation leaves the file's key, wrapped anew: beside the object, whose bytes it does not touch."""
    return f"{path}.key/{key_id}"
