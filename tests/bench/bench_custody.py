"""Ten thousand recordings from the spool to the certificate, workers killed fifty times: is each one where it must be?

`python -m tests.bench custody`. Not a race but a proof on a large scale (tests/support/custody_life.py is the small
one's too): it breaks when one recording is neither whole in both stores nor gone by rule with its certificate.
Needs some 20 GB in the temporary folder and, on two cores, most of an hour.
"""

import asyncio
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.support.custody_life import Life
from tests.support.moving_clock import moving_clock


def run(recordings: int = 10_000, kills: int = 50, scale: float = 1.0, timeout_s: float = 7_200.0) -> dict[str, Any]:
    """What was done and how long it took. scale: lengths are multiplied by it."""
    return asyncio.run(_run(recordings, kills, scale, timeout_s))


async def _run(recordings: int, kills: int, scale: float, timeout_s: float) -> dict[str, Any]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="callcenter-custody-") as folder:
        async with moving_clock() as clock:
            life = Life(clock, Path(folder), recordings, kills, scale, timeout_s=timeout_s, say=_say)
            wrong = await life.run()
    if wrong:
        raise AssertionError("\n".join([f"{len(wrong)} findings", *wrong[:50]]))
    told = asdict(life.numbers)
    return {**told, "audio_h": round(told["audio_s"] / 3600, 1), "took_s": round(time.monotonic() - began)}


def _say(line: str) -> None:
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()
