"""What the test phone hears: received frames with their arrival, told apart by tone.

Arrival times are seconds of the monotonic clock (`time.monotonic()`); a window is 100 ms.
Frames come in order of arrival; jitter is part of what is measured.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from callcenter.stack.phone_sound import RATE_HZ, TONE_HZ, Samples, Sound, alaw_decode

WINDOW_S = 0.1
# Full scale is 32767. A citizen talking over a bad line is ~1000; comfort noise of A-law silence is 8.
_QUIET_RMS = 60.0
_TONE_AMPLITUDE = 250.0
# A tone 22 dB under the loudest is leakage of the window, not a party.
_RELATIVE = 0.08
# Tones that explain less than this share of the energy are accidents in speech or music.
_EXPLAINED = 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """From start_s to end_s (monotonic) exactly these sounds were heard."""

    start_s: float
    end_s: float
    sounds: frozenset[Sound]

    def __str__(self) -> str:
        return f"{self.end_s - self.start_s:.1f}s {'+'.join(sorted(self.sounds))}"


def listen(samples: Samples) -> frozenset[Sound]:
    """The sounds in one window of 8 kHz samples, normally 800 of them; empty -> NO_RTP."""
    if not len(samples):
        return frozenset({Sound.NO_RTP})
    x = samples.astype(np.float64)
    rms = float(np.sqrt(np.mean(x * x)))
    if rms < _QUIET_RMS:
        return frozenset({Sound.SILENCE})
    amplitudes = _amplitudes(x)
    loudest = max(amplitudes.values())
    heard = {sound: size for sound, size in amplitudes.items() if size > max(_TONE_AMPLITUDE, _RELATIVE * loudest)}
    explained = sum(size * size / 2 for size in heard.values())
    if explained < _EXPLAINED * rms * rms:
        return frozenset({Sound.OTHER})
    return frozenset(heard)


def _amplitudes(x: NDArray[np.float64]) -> dict[Sound, float]:
    windowed = x * np.hanning(len(x))
    k = np.arange(len(x))
    return {
        sound: float(abs(np.dot(windowed, np.exp(-2j * np.pi * hz / RATE_HZ * k))) * 4 / len(x))
        for sound, hz in TONE_HZ.items()
    }


class Ear:
    """Remembers every received frame of one call."""

    def __init__(self) -> None:
        self._arrivals: list[float] = []
        self._frames: list[bytes] = []

    def add(self, arrived_s: float, alaw: bytes) -> None:
        """One RTP payload. A timestamp that runs backwards (clock step) counts as just now."""
        if self._arrivals and arrived_s < self._arrivals[-1]:
            arrived_s = self._arrivals[-1]
        self._arrivals.append(arrived_s)
        self._frames.append(alaw)

    @property
    def frames(self) -> int:
        """How many frames were received."""
        return len(self._frames)

    @property
    def first_s(self) -> float | None:
        """When the first frame came."""
        return self._arrivals[0] if self._arrivals else None

    @property
    def last_s(self) -> float | None:
        """When the newest frame came."""
        return self._arrivals[-1] if self._arrivals else None

    def alaw(self, start_s: float, end_s: float) -> bytes:
        """The A-law bytes that arrived in [start_s, end_s)."""
        first, last = bisect_left(self._arrivals, start_s), bisect_left(self._arrivals, end_s)
        return b"".join(self._frames[first:last])

    def windows(self, start_s: float, end_s: float) -> list[tuple[float, frozenset[Sound]]]:
        """(start, sounds) of every whole 100 ms window in [start_s, end_s]."""
        count = int((end_s - start_s) / WINDOW_S + 1e-6)
        starts = [start_s + i * WINDOW_S for i in range(count)]
        return [(s, listen(alaw_decode(self.alaw(s, s + WINDOW_S)))) for s in starts]

    def heard(self, start_s: float, end_s: float) -> dict[Sound, float]:
        """Which share (0..1) of the windows in [start_s, end_s] held each sound; absent = never."""
        windows = self.windows(start_s, end_s)
        counts = Counter(sound for _, sounds in windows for sound in sounds)
        return {sound: counts[sound] / len(windows) for sound in Sound if counts[sound]}

    def timeline(self, start_s: float, end_s: float) -> list[Stretch]:
        """The same windows, equal neighbours joined."""
        stretches: list[Stretch] = []
        for start, sounds in self.windows(start_s, end_s):
            if stretches and stretches[-1].sounds == sounds:
                stretches[-1] = Stretch(stretches[-1].start_s, start + WINDOW_S, sounds)
            else:
                stretches.append(Stretch(start, start + WINDOW_S, sounds))
        return stretches

    def longest_gap_s(self, start_s: float, end_s: float) -> float:
        """The longest pause between two frames in [start_s, end_s]; the whole span when fewer than two came."""
        first, last = bisect_left(self._arrivals, start_s), bisect_left(self._arrivals, end_s)
        arrivals = self._arrivals[first:last]
        if len(arrivals) < 2:
            return end_s - start_s
        return max(b - a for a, b in pairwise(arrivals))
