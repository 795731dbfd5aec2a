"""The outline of a sound: its loudest sample every so often, as one byte each."""

import numpy as np

from recordings.listening.sounds import Sound

STEP_S = 0.1
BLOCK_STEPS = 300


def peaks_of(sound: Sound) -> bytes:
    """Loudest sample of every 100 ms, all channels, 0 to 255, as `recording_object.peaks` has them. Blocking."""
    step = round(sound.rate * STEP_S)
    found = bytearray()
    for first in range(0, sound.frames, step * BLOCK_STEPS):
        heard = np.abs(sound.read(first, step * BLOCK_STEPS).astype(np.int32)).max(axis=1)
        heard = np.pad(heard, (0, -len(heard) % step))
        found += ((heard.reshape(-1, step).max(axis=1) * 255 + 16_384) // 32_768).astype(np.uint8).tobytes()
    return bytes(found)


def drawn(peaks: bytes, buckets: int) -> tuple[float, tuple[int, ...]]:
    """The outline in at most `buckets` steps of the same length: seconds a step, and the loudest of each."""
    if not peaks:
        return STEP_S, ()
    together = max(1, -(-len(peaks) // buckets))
    return round(together * STEP_S, 3), tuple(max(peaks[n : n + together]) for n in range(0, len(peaks), together))
