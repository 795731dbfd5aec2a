"""Speed of Vosk with the demo model: real-time factor, live streams a core, and the time of intake without speech.

`python -m tests.bench.bench_speech` prints a table. The speech is made by espeak-ng; the CPU counted is this
process's own, so other work on the machine costs wall time only.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from recordings import audio, vosk_door
from recordings.models import demo_model
from recordings.speech import transcribe_file
from tests.support.spoken import ANSWER, COMPLAINT, QUESTION, silence, spoken, write_sln

CALL_S = 120
PIECE_BYTES = 1_600
"""100 ms of 8 kHz: what the live tap decodes at once."""


def call_audio(seconds: int = CALL_S) -> bytes:
    """One party of a call: sentences with pauses, about half of it speech."""
    turn = b"".join(spoken(text) + silence(2.5) for text in (COMPLAINT, QUESTION, ANSWER))
    return (turn * (seconds * 16_000 // len(turn) + 1))[: seconds * 16_000]


def run(seconds: int = CALL_S, streams: int = 4) -> dict[str, Any]:
    """Real-time factors are CPU seconds per second of audio, so 1 / factor streams fit on one core."""
    started = time.perf_counter()
    model = vosk_door.load(demo_model())
    load_s = time.perf_counter() - started
    samples = call_audio(seconds)
    file_factor = _file_factor(samples, model)
    live_factor, live_wall = _live_factor(samples, model, streams)
    return {
        "model": model.name,
        "audio_s": seconds,
        "load_s": round(load_s, 3),
        "file_cpu_per_audio_s": round(file_factor, 4),
        "live_cpu_per_audio_s": round(live_factor, 4),
        "live_recognisers_per_core": int(1 / live_factor),
        "live_streams": streams,
        "live_cores_used": round(live_factor * streams * seconds / live_wall, 2),
        "cores": os.cpu_count(),
        "examine_times_real_time": round(_examine_speed(samples)),
    }


def _file_factor(samples: bytes, model: vosk_door.Model) -> float:
    with TemporaryDirectory() as folder:
        path = write_sln(Path(folder) / "leg.sln", samples)
        cpu_s = time.process_time()
        transcribe_file(path, model)
        return (time.process_time() - cpu_s) * 16_000 / len(samples)


def _live_factor(samples: bytes, model: vosk_door.Model, streams: int) -> tuple[float, float]:
    def listen(_: int) -> None:
        recogniser = vosk_door.Recogniser(model, 8_000)
        for start in range(0, len(samples), PIECE_BYTES):
            if recogniser.accept(samples[start : start + PIECE_BYTES]):
                recogniser.result()
            recogniser.partial()
        recogniser.finish()

    cpu_s, wall_s = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(listen, range(streams)))
    wall_s = time.perf_counter() - wall_s
    return (time.process_time() - cpu_s) * 16_000 / (len(samples) * streams), wall_s


def _examine_speed(samples: bytes) -> float:
    """Seconds of audio measured and hashed per CPU second."""
    with TemporaryDirectory() as folder:
        path = write_sln(Path(folder) / "leg.sln", samples * 30)
        cpu_s = time.process_time()
        audio.examine(path)
        return len(samples) * 30 / 16_000 / (time.process_time() - cpu_s)


def main() -> None:
    for name, value in run().items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
