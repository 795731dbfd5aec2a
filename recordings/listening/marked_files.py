"""Whose copy a file of any format is: decoded, brought to telephone rate, searched. Blocking."""

from collections.abc import Iterator
from math import gcd
from pathlib import Path

import numpy as np

from recordings.audio import opened
from recordings.listening.watermark import MOST_S, RATE, Floats, Found, search

PIECE_S = 20
"""Resampled at once; a multiple of a second, so that every rate comes out even."""


def whose(path: Path, key: bytes) -> Found | None:
    """The number marked in a file under this key. Raises UnreadableAudio (EmptyAudio)."""
    with opened(path) as stream:
        return search(_at_rate(stream.blocks, stream.sample_rate), key)


def _at_rate(blocks: Iterator[bytes], rate: int) -> Iterator[Floats]:
    """Mono at RATE, in pieces; by FFT over PIECE_S each. At the seams a millisecond is inexact, which nobody hears."""
    if rate == RATE:
        yield from (np.frombuffer(block, "<i2").astype(np.float64) for block in blocks)
        return
    held, heard = np.zeros(0), 0
    for block in blocks:
        held = np.concatenate((held, np.frombuffer(block, "<i2").astype(np.float64)))
        while len(held) >= PIECE_S * rate and heard < MOST_S * rate:
            yield _resampled(held[: PIECE_S * rate], rate)
            held, heard = held[PIECE_S * rate :], heard + PIECE_S * rate
        if heard >= MOST_S * rate:
            return
    step = rate // gcd(rate, RATE)
    if rest := len(held) // step * step:
        yield _resampled(held[:rest], rate)


def _resampled(samples: Floats, rate: int) -> Floats:
    wanted = len(samples) * RATE // rate
    spectrum = np.fft.rfft(samples)
    fitted = np.zeros(wanted // 2 + 1, np.complex128)
    most = min(len(fitted), len(spectrum))
    fitted[:most] = spectrum[:most]
    return np.asarray(np.fft.irfft(fitted, wanted) * (wanted / len(samples)), np.float64)
