"""The made voice: espeak-ng, resampled to what a telephone carries. The door to the program espeak-ng."""

import os
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE_HZ = 8000
VOICE = "cmn-latn-pinyin"
# About four syllables a second, a calm announcer; espeak's default 175 takes a third longer over every menu.
WORDS_PER_MIN = 220
PEAK = 0.6
"""Of full scale, about -4.4 dBFS: loud on a handset, no clipping after A-law."""
TIMEOUT_S = 30.0
# espeak leaves up to a second of nothing at the end; a caller waits it out in every menu.
QUIET = 0.01
TAIL_S = 0.1

Samples = npt.NDArray[np.int16]


class VoiceMissing(Exception):
    """espeak-ng is not installed; `apt-get install espeak-ng`, or give a recording of every prompt."""


class VoiceFailed(Exception):
    """espeak-ng did not make speech of the text; the message is what it said."""


def program() -> str:
    """Path of espeak-ng. Raises VoiceMissing."""
    found = shutil.which("espeak-ng")
    if found is None:
        raise VoiceMissing("espeak-ng is not on PATH; apt-get install espeak-ng")
    return found


def speak(pinyin: str, work_file: Path) -> Samples:
    """Tone-numbered pinyin as 8 kHz samples. work_file: a path espeak may write to and we remove.

    Raises VoiceMissing, VoiceFailed.
    """
    command = [program(), "-v", VOICE, "-s", str(WORDS_PER_MIN), "-w", str(work_file), "--", pinyin]
    try:
        # no shell, fixed program, one argument; without a UTF-8 locale espeak-ng misreads its input
        done = subprocess.run(  # noqa: S603
            command,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode or not work_file.is_file():
            raise VoiceFailed(done.stderr.decode(errors="replace").strip()[:300] or f"exit {done.returncode}")
        rate_hz, samples = _read(work_file)
    except (subprocess.TimeoutExpired, wave.Error, EOFError) as error:
        raise VoiceFailed(str(error)) from error
    finally:
        work_file.unlink(missing_ok=True)
    return _levelled(resampled(samples, rate_hz))


def resampled(samples: Samples, rate_hz: int) -> npt.NDArray[np.float64]:
    """The same sound at RATE_HZ, band-limited, by cutting (or padding) its spectrum."""
    # Both lengths whole for the ratio: 22050 -> 8000 is 441 -> 160.
    divisor = int(np.gcd(rate_hz, RATE_HZ))
    block_in, block_out = rate_hz // divisor, RATE_HZ // divisor
    blocks = -(-len(samples) // block_in)
    padded = np.zeros(blocks * block_in)
    padded[: len(samples)] = samples
    length = blocks * block_out
    # irfft cuts or pads the spectrum to `length` itself
    return np.fft.irfft(np.fft.rfft(padded), length) * (length / len(padded))


def write_wav(file: Path, samples: Samples) -> None:
    """16-bit mono at RATE_HZ, what Asterisk's format_wav takes."""
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(samples.astype("<i2").tobytes())


def _read(file: Path) -> tuple[int, Samples]:
    with wave.open(str(file), "rb") as sound:
        if sound.getsampwidth() != 2 or sound.getnchannels() != 1:
            raise VoiceFailed("espeak-ng wrote another format than 16-bit mono")
        return sound.getframerate(), np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")


def _levelled(sound: npt.NDArray[np.float64]) -> Samples:
    peak = float(np.abs(sound).max(initial=0.0))
    if peak < 100:
        raise VoiceFailed("espeak-ng made silence of the text")
    last = int(np.flatnonzero(np.abs(sound) > peak * QUIET)[-1])
    return np.round(sound[: last + int(TAIL_S * RATE_HZ)] * (PEAK * 32767 / peak)).astype(np.int16)
