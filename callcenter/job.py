"""What the job queue hands out: a job, its retry policy, what became of a run. Values and errors only."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel, JsonValue

_Model = TypeVar("_Model", bound=BaseModel)


class JobsNotInstalled(Exception):
    """The job tables are missing or older than this program; run `callcenter migrate`."""


class JobKillsWorkers(Exception):
    """Workers died again and again while running this job; look at its input, then give it back to the queue."""

    retryable = False


@dataclass(frozen=True, slots=True)
class Job:
    """What a handler gets. `tries` is 1 on the first run; a run cut short by a dead worker is not counted."""

    id: int
    kind: str
    key: str
    body: bytes
    tries: int

    @property
    def payload(self) -> dict[str, JsonValue]:
        """The object given to `enqueue`. Raises ValueError when the row holds something else."""
        found = json.loads(self.body)
        if not isinstance(found, dict):
            raise ValueError(f"job {self.id}: payload is not a JSON object")
        return found

    def parse(self, model: type[_Model]) -> _Model:
        """The payload as `model`. Raises pydantic.ValidationError, which holds the job."""
        return model.model_validate_json(self.body)


Handler = Callable[[Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Tries and the pauses between them: `first_s`, doubling up to `longest_s`."""

    max_tries: int = 8
    first_s: float = 2.0
    longest_s: float = 600.0

    def pause_s(self, tries: int) -> float:
        """Pause after the failed run number `tries` (from 1)."""
        return min(self.longest_s, self.first_s * 2.0 ** min(tries - 1, 40))


class Outcome(StrEnum):
    """How a run of a job, or of a sweep, ended."""

    DONE = "done"
    RETRIED = "retried"
    HELD = "held"
    RELEASED = "released"
    """The worker stopped first; the job is back in the queue."""
    SWEPT = "swept"
    SWEEP_FAILED = "sweep_failed"


@dataclass(frozen=True, slots=True)
class Run:
    """One run, for metrics. kind: the job's kind or the sweep's name."""

    kind: str
    outcome: Outcome
    took_s: float


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that waits for a person. reason: the last error, as logged."""

    id: int
    kind: str
    key: str
    tries: int
    held_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class QueueSize:
    """state: queued, picked or failed (held). late_s: how long the oldest has been due; negative: not yet."""

    kind: str
    state: str
    count: int
    late_s: float
