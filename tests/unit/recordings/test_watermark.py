"""Whose copy it is: found in a minute of it, after what telephones and players do to sound, and only with the key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from recordings.listening import marked_files
from recordings.listening.sounds import MarkedSound, MutedSound
from recordings.listening.watermark import RATE, Floats, Mark, Search, search
from tests.support.listening import Plain, Samples, speech, through_ffmpeg

KEY, OTHER = b"our key of 32 bytes".ljust(32), b"their key".ljust(32)
NUMBER = 0xC0FFEE17
WHOLE = speech(90.0)


@pytest.fixture(scope="module")
def copy() -> Samples:
    sound = MarkedSound(MutedSound(Plain(WHOLE), [(200_000, 216_000)]), Mark(KEY, NUMBER))
    return sound.read(0, sound.frames)[:, 0]


def pieces(samples: npt.NDArray[Any]) -> Iterator[Floats]:
    for first in range(0, len(samples), 50_001):
        yield samples[first : first + 50_001].astype(np.float64)


def minute(copy: Samples, first: int = 123_457) -> Samples:
    return copy[first : first + 60 * RATE]


@pytest.mark.parametrize("first", [0, 1, 77_777, 239_999])
def test_any_minute_of_it_tells_the_number_and_another_key_finds_none(copy: Samples, first: int) -> None:
    looked = Search()
    for piece in pieces(minute(copy, first)):
        looked.hear(piece)
    found = looked.found(KEY)
    assert found is not None
    assert found.number == NUMBER
    assert looked.found(OTHER) is None


def test_it_survives_another_level_both_ways_up(copy: Samples) -> None:
    for level in (0.05, 0.5, -0.7):
        found = search(pieces(minute(copy).astype(np.float64) * level), KEY)
        assert found is not None
        assert found.number == NUMBER


DEGRADED = [
    ("a-law", ".wav", ("-c:a", "pcm_alaw")),
    ("opus 16 kbit/s", ".opus", ("-c:a", "libopus", "-b:a", "16k")),
    ("mp3", ".mp3", ("-c:a", "libmp3lame", "-b:a", "24k")),
    ("44.1 kHz, 20 dB softer", ".wav", ("-ar", "44100", "-af", "volume=-20dB")),
    ("stereo, one side", ".flac", ("-af", "pan=stereo|c0=c0|c1=0*c0")),
]


@pytest.mark.parametrize(("name", "suffix", "options"), DEGRADED, ids=[row[0] for row in DEGRADED])
def test_it_survives_what_is_done_to_a_piece(
    copy: Samples, tmp_path: Path, name: str, suffix: str, options: tuple[str, ...]
) -> None:
    file = through_ffmpeg(minute(copy), suffix, tmp_path, *options)
    found = marked_files.whose(file, KEY)
    assert found is not None, name
    assert found.number == NUMBER
    assert marked_files.whose(file, OTHER) is None


@pytest.mark.parametrize("seed", range(6))
def test_speech_without_a_mark_has_none(seed: int) -> None:
    for noise in (0.0, 40.0):
        assert search(pieces(speech(60.0, noise=noise, seed=seed + 10)), KEY) is None


def test_too_little_of_it_tells_nothing_rather_than_something_wrong(copy: Samples) -> None:
    for seconds in (0, 0.02, 1, 3):
        found = search(pieces(copy[: int(seconds * RATE)]), KEY)
        assert found is None or found.number == NUMBER


def test_the_mark_is_far_below_what_is_said_and_silence_stays_silent(copy: Samples) -> None:
    untouched = WHOLE.astype(np.float64)
    untouched[200_000:216_000] = 0
    mark = copy - untouched
    for first in range(0, len(WHOLE) - RATE, RATE):
        here = slice(first, first + RATE)
        # A block of the mark reaches 32 ms beyond the sound it follows.
        around = untouched[max(0, first - 512) : first + RATE + 512]
        allowed = 10 ** (-26 / 20) * around.std() + 3
        assert mark[here].std() < allowed
    assert np.abs(copy[201_000:215_000]).max() < 12


def test_a_number_has_32_bits() -> None:
    for number in (-1, 1 << 32):
        with pytest.raises(ValueError, match="32 bits"):
            Mark(KEY, number)
