"""One bench in a process of its own, so that none inherits what another left in memory."""

import importlib
import json
import multiprocessing
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from callcenter.stack.errors import PartMissing
from tests.bench.machine import CannotRun


@dataclass(frozen=True, slots=True)
class Ended:
    """How one bench ended: a result, or why it could not run, or the traceback of what broke it."""

    took_s: float
    result: dict[str, Any] | None = None
    cannot: str = ""
    broke: str = ""


def in_a_process(name: str, arguments: Mapping[str, Any]) -> Ended:
    """Run `bench_<name>.run(**arguments)`."""
    began = time.monotonic()
    ours, theirs = multiprocessing.Pipe(duplex=False)
    # Not a daemon: benches have processes of their own.
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(theirs, name, dict(arguments)))
    process.start()
    theirs.close()
    try:
        told = ours.recv()
    except EOFError:
        told = {"broke": "the process ended without a word\n"}
    process.join()
    return Ended(time.monotonic() - began, **told)


def _run(pipe: Connection, name: str, arguments: dict[str, Any]) -> None:
    try:
        result = importlib.import_module(f"tests.bench.bench_{name}").run(**arguments)
    except (CannotRun, PartMissing) as error:
        pipe.send({"cannot": str(error)})
    except FileNotFoundError as error:
        # A program that is not installed; a missing file of our own is a bench that is broken.
        missing = "/" not in str(error.filename)
        pipe.send({"cannot": f"{error.filename} is not installed"} if missing else {"broke": traceback.format_exc()})
    except Exception:
        pipe.send({"broke": traceback.format_exc()})
    else:
        pipe.send({"result": json.loads(json.dumps(result))})
