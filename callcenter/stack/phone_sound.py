"""What the test phone says: G.711 A-law, one tone per party, speech from a wav file.

Audio is 8 kHz mono; a frame is 20 ms, 160 samples, 160 bytes of A-law (RFC 3551 PCMA).
"""

import wave
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 8000
FRAME_SAMPLES = 160
FRAME_S = FRAME_SAMPLES / RATE_HZ
_SILENT_BYTE = b"\xd5"

Samples = NDArray[np.int16]


class NotSpeech(ValueError):
    """The wav file cannot be spoken: it must be 16-bit PCM; make it with `sox -b 16` or `ffmpeg -c:a pcm_s16le`."""


class Sound(StrEnum):
    """What a window of audio holds. The parties are told apart by their tone."""

    CITIZEN = "citizen"
    AGENT = "agent"
    UNIT = "unit"
    SUPERVISOR = "supervisor"
    SECOND = "second"
    """One more party: a second citizen, a second unit."""
    MUSIC = "music"
    """Hold music when its file is the 300 Hz tone of TONE_HZ; real music is OTHER."""
    OTHER = "other"
    """Sound that is no known tone: speech, a prompt, real music."""
    SILENCE = "silence"
    NO_RTP = "no-rtp"


# Apart by more than the 40 Hz of a 100 ms Hann window, no one a multiple of another but 1500 of 300:
# a sine has no harmonics worth hearing, and 20 ms frames of A-law keep it so.
TONE_HZ: Mapping[Sound, int] = MappingProxyType(
    {
        Sound.MUSIC: 300,
        Sound.CITIZEN: 440,
        Sound.AGENT: 700,
        Sound.UNIT: 1100,
        Sound.SUPERVISOR: 1500,
        Sound.SECOND: 1900,
    }
)


@dataclass(frozen=True, slots=True)
class Voice:
    """What a phone sends: A-law bytes, again and again (`loop`) or once and then silence."""

    alaw: bytes
    loop: bool

    def frame(self, number: int) -> bytes:
        """The 160 bytes of frame `number` (from 0); silence after the end of a voice said once."""
        start = number * FRAME_SAMPLES
        if not self.loop:
            return self.alaw[start : start + FRAME_SAMPLES].ljust(FRAME_SAMPLES, _SILENT_BYTE)
        start %= len(self.alaw)
        piece = self.alaw[start : start + FRAME_SAMPLES]
        while len(piece) < FRAME_SAMPLES:
            piece += self.alaw[: FRAME_SAMPLES - len(piece)]
        return piece

    @property
    def frames(self) -> int:
        """How many frames until it has been said once."""
        return -(-len(self.alaw) // FRAME_SAMPLES)


SILENT = Voice(_SILENT_BYTE * FRAME_SAMPLES, loop=True)


def tone(sound: Sound, level: float = 0.2) -> Voice:
    """The tone of a party, one second looped; level 0..1 of full scale. Raises KeyError for a sound without one.

    0.2: four parties in one conference stay under full scale. A mixer that clips takes a party's own voice out of a
    sum that lacks part of it, and the party hears the rest of itself.
    """
    t = np.arange(RATE_HZ) / RATE_HZ
    wave_form = np.sin(2 * np.pi * TONE_HZ[sound] * t) * 32767 * level
    return Voice(alaw_encode(wave_form.astype(np.int16)), loop=True)


def speech(path: Path) -> Voice:
    """A wav file said once: 16-bit PCM, any rate, first channel. Raises NotSpeech."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise NotSpeech(f"{path}: {8 * file.getsampwidth()}-bit samples")
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")[:: file.getnchannels()]
            rate_hz = file.getframerate()
    except (wave.Error, EOFError) as error:
        raise NotSpeech(f"{path}: {error}") from None
    return Voice(alaw_encode(resample(samples.astype(np.int16), rate_hz)), loop=False)


def resample(samples: Samples, rate_hz: int) -> Samples:
    """`samples` at 8 kHz, by cutting or padding the spectrum of the whole clip (no aliasing)."""
    if rate_hz == RATE_HZ or not len(samples):
        return samples
    count = max(1, round(len(samples) * RATE_HZ / rate_hz))
    spectrum = np.fft.rfft(samples.astype(np.float64))
    kept = np.zeros(count // 2 + 1, dtype=np.complex128)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    scaled = np.fft.irfft(kept, count) * (count / len(samples))
    return np.clip(scaled, -32768, 32767).astype(np.int16)


_SEGMENT_ENDS = np.array([0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF])


def alaw_encode(samples: Samples) -> bytes:
    """G.711 A-law, one byte a sample (ITU-T G.711, tables 1a and 1b, even bits inverted)."""
    value = samples.astype(np.int32) >> 3
    mask = np.where(value >= 0, 0xD5, 0x55)
    size = np.where(value >= 0, value, -value - 1)
    segment = np.searchsorted(_SEGMENT_ENDS, size)
    step = np.where(segment < 2, size >> 1, size >> segment) & 0x0F
    return bytes((((segment << 4) | step) ^ mask).astype(np.uint8).tobytes())


def _decode_table() -> Samples:
    code = np.arange(256) ^ 0x55
    segment = (code >> 4) & 7
    size = ((code & 0x0F) << 4) + np.where(segment == 0, 8, 0x108)
    size = size << np.maximum(segment - 1, 0)
    table: Samples = np.where(code & 0x80, size, -size).astype(np.int16)
    return table


_DECODED = _decode_table()


def alaw_decode(alaw: bytes) -> Samples:
    """Samples of A-law bytes, one each."""
    return _DECODED[np.frombuffer(alaw, np.uint8)]
