"""Every bench, one after the other, each in a process of its own; one table, and the numbers as JSON.

    python -m tests.bench [NAME...] [--quick]

A bench that this machine cannot run says why in one line. Exit status 1 only when one broke. Numbers are no
assertions: what the project aims at stands beside what was measured.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.bench.machine import described, versions
from tests.bench.single import Ended, in_a_process

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class Bench:
    """A module `bench_<name>` with `run(**arguments) -> dict`; quick: arguments for a short look, about 20 s."""

    quick: Mapping[str, Any] = field(default_factory=dict)


BENCHES: Mapping[str, Bench] = {
    "ami": Bench({"calls": 150, "rounds": 1}),
    "ivr": Bench({"rates": (200,), "seconds": 2}),
    "flow": Bench({"plain": (2,), "speech": (), "seconds": 4}),
    "api": Bench({"clients": (8,), "seconds": 3.0}),
    "speech": Bench({"seconds": 30, "streams": 2}),
    "clocks": Bench(),
    "intake": Bench({"recordings": 30, "cipher_mib": 16}),
    "custody": Bench({"recordings": 60, "kills": 6, "scale": 0.2}),
    "audit": Bench({"rows": 50_000}),
    "completeness": Bench({"calls": 20_000}),
    "search": Bench({"tickets": 200_000, "items": 2_000, "asked": 20}),
    "deadlines": Bench({"deadlines": 50_000, "late": 1_200}),
    "playback": Bench({"seconds": 600, "seeks": 50, "ffmpeg_seeks": 3}),
    "console": Bench({"rings": 10}),
    "restore": Bench({"tickets": 2_000, "recordings": 20, "write_s": 2.0}),
}


def main() -> int:
    """Run, print, write. The exit status."""
    asked = _arguments()
    machine, parts = described(), versions()
    ended: dict[str, Ended] = {}
    for name in asked.names or BENCHES:
        sys.stderr.write(f"bench {name} ...")
        sys.stderr.flush()
        ended[name] = one = in_a_process(name, BENCHES[name].quick if asked.quick else {})
        sys.stderr.write(f" {one.took_s:.0f} s\n")
    results = {name: one.result for name, one in ended.items() if one.result is not None}
    sys.stdout.write(report.page(machine, parts, results, quick=asked.quick) + "\n")
    for name, one in ended.items():
        if one.cannot or one.broke:
            sys.stdout.write(f"{name}: {'cannot run here: ' + one.cannot if one.cannot else 'broke:'}\n{one.broke}")
    _write({"quick": asked.quick, "machine": machine, "versions": parts, "results": results})
    return 1 if any(one.broke for one in ended.values()) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Numbers on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a short look, about 20 s a bench")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - BENCHES.keys())
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}; choose from {', '.join(BENCHES)}")
    return asked


def _write(everything: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    file.write_text(json.dumps(everything, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"written to {file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}\n")


if __name__ == "__main__":
    sys.exit(main())
