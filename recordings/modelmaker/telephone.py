"""What a telephone line does to speech, and what it carries when nobody speaks.

Samples are floats of -1..1 at RATE until `pcm`. scipy is imported where it is used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 8_000
Samples = NDArray[np.float64]
Pcm = NDArray[np.int16]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Line:
    """How bad a line is. `share` of the calls get each kind of damage; noise is so many dB under the speech."""

    share: float
    noise_db: tuple[float, float]


TRAINING = Line(0.67, (5.0, 30.0))
HELD_OUT = Line(1.0, (10.0, 25.0))
UNHARMED = Line(0.0, (30.0, 30.0))


def resampled(samples: NDArray[Any], rate: int, warp: float = 1.0) -> Samples:
    """The samples at RATE. warp: 0.88 to 1.14 makes the vocal tract longer or shorter, and the speech as well."""
    from scipy import signal

    step = 50  # Hz: both rates in whole steps keep the filters short
    return np.asarray(signal.resample_poly(samples, RATE // step, round(rate / step * warp)), np.float64)


def through_a_line(samples: Samples, rng: Random, babble: Samples, line: Line) -> Pcm:
    """Telephone band, noise, some level, A-law: each on its `share` of the calls, the level always.

    babble: people in the background, longer than the speech or repeated.
    """
    if rng.random() < line.share:
        samples = _band(samples, rng)
    if rng.random() < line.share:
        samples = _noisy(samples, rng, babble, line.noise_db)
    loudest = np.abs(samples).max() + 1e-9
    samples = samples * (_gain(rng.uniform(-24, -1)) / loudest)
    if rng.random() < line.share:
        samples = alaw(samples)
    return pcm(samples)


def pcm(samples: Samples) -> Pcm:
    """16-bit samples."""
    return np.clip(np.round(samples * 32_767), -32_768, 32_767).astype(np.int16)


def alaw(samples: Samples) -> Samples:
    """G.711 A-law there and back: a sign, 8 segments, 16 steps in each."""
    loudness = np.abs(np.clip(samples, -0.9999, 0.9999))
    segment = np.clip(np.floor(np.log2(np.maximum(loudness, 1e-9) * 128)), 0, 6)
    step = 2.0**segment / 2048
    coded: Samples = np.copysign((np.floor(loudness / step) + 0.5) * step, samples)
    return coded


def _band(samples: Samples, rng: Random) -> Samples:
    from scipy import signal

    edges = [rng.uniform(180, 350), rng.uniform(3200, 3600)]
    sections = signal.butter(int(rng.integers(2, 5)), edges, "band", fs=RATE, output="sos")
    return np.asarray(signal.sosfilt(sections, samples), np.float64)


def _noisy(samples: Samples, rng: Random, babble: Samples, below_db: tuple[float, float]) -> Samples:
    kind = int(rng.integers(0, 4))
    if kind == 3:
        noise = np.resize(np.roll(babble, int(rng.integers(0, len(babble)))), len(samples))
    else:
        noise = _hiss(len(samples), rng, 0.5 * kind)
        if rng.random() < 0.3:
            noise = noise + noise.std() * np.sin(2 * np.pi * 50 * np.arange(len(samples)) / RATE)
    loud = samples[np.abs(samples) > 0.02 * np.abs(samples).max()]
    speech = np.sqrt(np.mean(loud**2)) if len(loud) else 0.0
    gain = speech / (noise.std() + 1e-9) * _gain(-rng.uniform(*below_db))
    return samples + noise * float(gain)


def _hiss(count: int, rng: Random, slope: float) -> Samples:
    """Noise whose amplitude falls with frequency ** slope: 0 white, 0.5 pink, 1 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 20) ** slope, count)


def _gain(db: float) -> float:
    return float(10 ** (db / 20))


def _noise(times: Samples, rng: Random) -> Samples:
    return _hiss(len(times), rng, rng.uniform(0, 1))


def _cadence(times: Samples, rng: Random, on_s: float, off_s: float) -> Samples:
    """A 450 Hz tone that comes and goes, as exchanges in China send it (GF 002-9002)."""
    tone = np.sin(2 * np.pi * rng.uniform(420, 480) * times)
    on = (times + rng.uniform(0, on_s + off_s)) % (on_s + off_s) < on_s
    return np.where(on, tone, 0.0)


def _keys(times: Samples, rng: Random) -> Samples:
    low, high = rng.choice([697, 770, 852, 941]), rng.choice([1209, 1336, 1477])
    tones = np.sin(2 * np.pi * low * times) + np.sin(2 * np.pi * high * times)
    return np.where(times % 0.4 < 0.15, tones, 0.0)


def _tune(times: Samples, rng: Random) -> Samples:
    notes = rng.uniform(250, 1600, 8)[((times / rng.uniform(0.15, 1.0)).astype(int) * 5) % 8]
    fall = rng.uniform(1, 3)
    tones = sum((np.sin(2 * np.pi * k * notes * times) / k**fall for k in (1, 2, 3)), np.zeros(len(times)))
    return np.where(times % 1.0 < rng.uniform(0.2, 1.5), tones, 0.0)


NOT_SPEECH: Mapping[str, Callable[[Samples, Random], Samples]] = {
    "noise": _noise,
    "ringing": lambda times, rng: _cadence(times, rng, 1.0, 4.0),
    "busy": lambda times, rng: _cadence(times, rng, 0.35, 0.35),
    "congestion": lambda times, rng: _cadence(times, rng, 0.7, 0.7),
    "keys": _keys,
    "tune": _tune,
    "silence": lambda times, rng: np.zeros(len(times)),
}
"""What a line carries when nobody speaks: seconds -> samples."""


def not_speech(kind: str, rng: Random) -> Pcm:
    """Two to six seconds of it, with a little noise, at some level, often through A-law. Silence is digital zeros."""
    times = np.arange(int(rng.uniform(2, 6) * RATE)) / RATE
    sound = NOT_SPEECH[kind](times, rng)
    if kind == "silence":
        return pcm(sound)
    hiss = _hiss(len(times), rng, rng.uniform(0, 1))
    sound = sound / (np.abs(sound).max() + 1e-9) + hiss / hiss.std() * _gain(rng.uniform(-60, -10))
    sound = sound / np.abs(sound).max() * _gain(rng.uniform(-45, -3))
    return pcm(alaw(sound) if rng.random() < 0.6 else sound)
