"""An inaudible number in exported sound: found again in a piece of it, after telephone codecs, and only with the key.

Four pseudo-noise sequences of some half a minute lie one over another, below the sound and shaped like it: the first
says where the piece begins, the others are turned against it, and how far each is turned is 16 bits: 32 bits of an
export's number and 16 that check it. The sequences repeat, so any piece will do; what a piece is short of in length is
missing in certainty, never in correctness. Everything is a function of the position in the sound, so that any part can
be marked without the rest. numpy only; blocking.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Samples = npt.NDArray[np.int16]

RATE = 8_000
"""Samples a second of telephone sound; the mark is made and looked for at this rate."""
HOP, WINDOW = 256, 512
"""Blocks of 32 ms that overlap by half, aligned to the beginning of the sound."""
PERIOD = 1 << 18
"""Samples after which the sequences begin again (32.8 s)."""
STEP = 4
"""Samples a sequence is turned by for each unit of its 16 bits: codecs move sound by parts of a sample."""
BELOW_DB = 30.0
"""How far the mark lies below the sound around it, in time and pitch; a listener needs some 20 dB to hear noise."""
FLOOR = 1.2
"""Strength in silence, of 32,767: -89 dBFS, far below the noise of any line."""
LOWEST_HZ, HIGHEST_HZ = 250.0, 3_400.0
SMOOTH = 4
"""Bins (of 15.6 Hz) on each side that are taken for one pitch."""
SURE = 5.6
"""How far a peak must stand out of the noise, in standard deviations. Noise alone reaches it once in some 100 files,
and four peaks together with a fitting check not in the age of the universe."""
MOST_S = 600.0
"""No more of a file is looked at: ten minutes are more than enough."""

_FADE = np.sqrt(np.hanning(WINDOW + 1)[:WINDOW])
_BINS = np.fft.rfftfreq(WINDOW, 1 / RATE)
_BAND = ((_BINS >= LOWEST_HZ) & (_BINS <= HIGHEST_HZ)).astype(np.float64)
_SEQUENCES = 4


@dataclass(frozen=True, slots=True)
class Found:
    """A number that was found. sure: the weakest of its four peaks, in standard deviations of the noise."""

    number: int
    sure: float


@dataclass(frozen=True, slots=True)
class Mark:
    """One export's mark: its number (32 bits) under a key."""

    key: bytes
    number: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < 1 << 32:
            raise ValueError("the number of a mark has 32 bits")

    def laid_under(self, around: Samples, first: int) -> Floats:
        """What to add to `around`, samples of one channel from a multiple of HOP (`first`, may be negative) on.

        The first and the last HOP samples of what comes back are half of it only: hand over that much more.
        """
        blocks = len(around) // HOP - 1
        spectra = np.fft.rfft(_framed(around.astype(np.float64), blocks) * _FADE)
        loud = np.sqrt(_smoothed(np.abs(spectra) ** 2) / (WINDOW / 2))
        strength = np.maximum(loud * 10 ** (-BELOW_DB / 20), FLOOR)
        places = (first // HOP + np.arange(blocks)) % (PERIOD // HOP)
        made = np.fft.irfft(_spectra(self.key, self.number)[places] * strength) * _FADE
        return _added(made, len(around))


@lru_cache(maxsize=8)
def _spectra(key: bytes, number: int) -> npt.NDArray[np.complex64]:
    """The mark's own blocks, one for each HOP of the period, at strength 1."""
    whole = np.zeros(PERIOD)
    for sequence, turned in zip(_sequences(key), (0, *_symbols(key, number)), strict=True):
        whole += np.roll(sequence, turned * STEP)
    whole /= np.sqrt(_SEQUENCES)
    blocks = _framed(np.concatenate((whole, whole[:HOP])), PERIOD // HOP)
    return (np.fft.rfft(blocks * _FADE) * _BAND).astype(np.complex64)


@lru_cache(maxsize=4)
def _sequences(key: bytes) -> tuple[Floats, ...]:
    """Chips of +1 and -1, as SHAKE-256 of the key gives them."""
    raw = hashlib.shake_256(b"callcenter/watermark/chips" + key).digest(_SEQUENCES * PERIOD // 8)
    chips = np.unpackbits(np.frombuffer(raw, np.uint8)).astype(np.float64) * 2 - 1
    return tuple(chips.reshape(_SEQUENCES, PERIOD))


def _symbols(key: bytes, number: int) -> tuple[int, int, int]:
    return number >> 16, number & 0xFFFF, _check(key, number)


def _check(key: bytes, number: int) -> int:
    said = hmac.digest(key, b"callcenter/watermark/check" + number.to_bytes(4, "big"), "sha256")
    return int.from_bytes(said[:2], "big")


class Search:
    """Looks for a mark in sound that comes in pieces: `hear` them in order, then `found`."""

    def __init__(self) -> None:
        self._folded = np.zeros(PERIOD)
        self._held = np.zeros(0)
        self._at = 0
        self.heard = 0

    def hear(self, samples: Floats) -> None:
        """Mono, at RATE, of any scale."""
        self.heard += len(samples)
        waiting = np.concatenate((self._held, samples))
        blocks = len(waiting) // HOP - 1
        if blocks < 1:
            self._held = waiting
            return
        flat = _flattened(waiting, blocks)
        places = (self._at + np.arange(len(flat))) % PERIOD
        np.add.at(self._folded, places, flat)
        self._at += blocks * HOP
        self._held = waiting[blocks * HOP :]

    def found(self, key: bytes) -> Found | None:
        """The number marked under this key; None when there is none, or too little of it."""
        spectrum = np.fft.rfft(self._folded)
        peaks = [_peak(spectrum, sequence) for sequence in _sequences(key)]
        begins, sign = peaks[0][0], peaks[0][2]
        if any(sure < SURE or other != sign for _, sure, other in peaks):
            return None
        turns = [round((place - begins) % PERIOD / STEP) % (PERIOD // STEP) for place, _, _ in peaks[1:]]
        number = turns[0] << 16 | turns[1]
        if turns[2] != _check(key, number):
            return None
        return Found(number, min(sure for _, sure, _ in peaks))


def search(pieces: Iterable[Floats], key: bytes) -> Found | None:
    """The number in a sound. pieces: mono at RATE, in order."""
    looking = Search()
    for piece in pieces:
        looking.hear(piece)
        if looking.heard >= MOST_S * RATE:
            break
    return looking.found(key)


def _peak(spectrum: npt.NDArray[Any], sequence: Floats) -> tuple[float, float, bool]:
    """Where the sequence lies (in half samples), how far that stands out, and whether it is upside down."""
    product = spectrum * np.conj(np.fft.rfft(sequence))
    likeness = np.fft.irfft(product, 2 * PERIOD)
    place = int(np.argmax(np.abs(likeness)))
    return place / 2, float(abs(likeness[place]) / (likeness.std() or 1.0)), bool(likeness[place] < 0)


def _flattened(samples: Floats, blocks: int) -> Floats:
    """The sound with every pitch and every moment equally loud: speech is loud in few places, and would drown it."""
    spectra = np.fft.rfft(_framed(samples, blocks) * _FADE)
    loud = np.sqrt(_smoothed(np.abs(spectra) ** 2))
    loud += 1e-9 + 1e-3 * loud.max(axis=1, keepdims=True)
    made = np.fft.irfft(spectra / loud * _BAND) * _FADE
    return _added(made, (blocks + 1) * HOP)


def _framed(samples: Floats, blocks: int) -> Floats:
    """Overlapping blocks, shape (blocks, WINDOW)."""
    return np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[: blocks * HOP : HOP]


def _added(blocks: Floats, length: int) -> Floats:
    """Overlapping blocks put together again."""
    whole = np.zeros(length)
    halves = blocks.reshape(len(blocks), 2, HOP)
    whole[: len(blocks) * HOP] += halves[:, 0].ravel()
    whole[HOP : (len(blocks) + 1) * HOP] += halves[:, 1].ravel()
    return whole


def _smoothed(power: Floats) -> Floats:
    """Each bin as the mean of its neighbours."""
    wide = np.pad(power, ((0, 0), (SMOOTH + 1, SMOOTH)), mode="edge")
    summed = np.cumsum(wide, axis=1)
    return np.asarray((summed[:, 2 * SMOOTH + 1 :] - summed[:, : -2 * SMOOTH - 1]) / (2 * SMOOTH + 1))
