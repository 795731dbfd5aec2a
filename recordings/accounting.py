"""The account of a leg and of a day: answered seconds against audio and gaps. PURE.

An account is closed when the leg's audio is in the store, or when all of it is explained by gaps; until then the
spool holds the only audio, and the leg is looked at again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from callcenter.types import CallId
from recordings.recording import CHINA, AnsweredLeg, Cause, Gap, Missing, Problem, tolerance_s, unaccounted_s

FINAL_AFTER = timedelta(days=7)
"""So long late facts (a store that was away, a restored call) may still change the figures of a day."""


class Place(StrEnum):
    """Where the audio of a leg is."""

    KEPT = "kept"
    """In the store, or deleted by rule with a certificate."""
    SPOOL = "spool"
    """In the spool, which has the only copy."""
    NOWHERE = "nowhere"
    """There is none."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What there is of a leg's audio. `known`: its row says the problem already, somebody settled it."""

    place: Place
    seconds: float
    problem: Problem | None = None
    path: str = ""
    known: bool = False


@dataclass(frozen=True, slots=True)
class LegAccount:
    """One leg, judged. `missing`: what nobody has accounted for yet; None when every second is."""

    leg: AnsweredLeg
    heard: Heard
    gap_s: float
    problem: Problem | None
    missing: Missing | None

    @property
    def audio_s(self) -> float:
        """Audio that counts: never more than the leg was answered."""
        return min(self.heard.seconds, self.leg.seconds)

    @property
    def all_gap_s(self) -> float:
        """Seconds explained by gaps once what is missing has become one too."""
        return self.gap_s + (self.missing.unaccounted_s if self.missing else 0.0)


@dataclass(frozen=True, slots=True)
class FileFinding:
    """A file in the spool that belongs to nobody: ORPHAN or FOREIGN."""

    problem: Problem
    name: str
    call_id: CallId | None = None


def explained_s(leg: AnsweredLeg, gaps: Iterable[Gap]) -> float:
    """Seconds of the leg that gaps explain; what two of them explain counts once."""
    seconds, reached = 0.0, leg.answered_at
    for gap in sorted(gaps, key=lambda gap: gap.from_at):
        start, end = max(gap.from_at, reached), min(gap.until_at, leg.ended_at)
        if end > start:
            seconds += (end - start).total_seconds()
            reached = end
    return seconds


def account(leg: AnsweredLeg, heard: Heard, gaps: Sequence[Gap]) -> LegAccount:
    """What to think of a leg."""
    gap_s = explained_s(leg, gaps)
    missing = _missing(leg, heard, gaps)
    problem = missing.problem if missing else heard.problem
    # 未录音 is no finding: it was decided, and the gap says so.
    if problem is Problem.MISSING and not missing and withheld(gaps) and not heard.seconds:
        problem = None
    return LegAccount(leg, heard, gap_s, problem, missing)


def _missing(leg: AnsweredLeg, heard: Heard, gaps: Sequence[Gap]) -> Missing | None:
    left_s = unaccounted_s(leg, heard.seconds, gaps)
    if left_s:
        return Missing(heard.problem or Problem.SHORT, heard.path, leg, heard.seconds, left_s)
    problem = heard.problem
    if problem is None and heard.seconds - leg.seconds > tolerance_s(leg.seconds):
        problem = Problem.LONG
    # What its row says already is on somebody's list; a gap explains the rest.
    known = heard.known and heard.problem is problem
    if problem in (Problem.SILENT, Problem.LONG) and not known:
        return Missing(problem, heard.path, leg, heard.seconds, 0.0)
    return None


def withheld(gaps: Iterable[Gap]) -> bool:
    """Whether a leg was not recorded on purpose."""
    return any(gap.cause is Cause.NOT_RECORDED for gap in gaps)


def whole_gap(leg: AnsweredLeg) -> Gap:
    """All of a leg that was not recorded for want of room."""
    return Gap(leg.call_id, leg.channel_id, leg.party, leg.answered_at, leg.ended_at, Cause.NOT_RECORDED)


# ---- days --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One Chinese day; legs belong to the day they were answered, recordings to the day they were noted.

    unaccounted_s must be 0: seconds that are neither audio nor a gap, and legs that nobody has looked at in time.
    oldest_unstored_s: age of the oldest recording of the day that is not in the store. stored_bytes: as they lie there.
    """

    day: date
    legs: int = 0
    answered_s: float = 0.0
    audio_s: float = 0.0
    gap_s: float = 0.0
    unaccounted_s: float = 0.0
    gaps_by_cause: Mapping[str, float] = field(default_factory=dict)
    by_state: Mapping[str, int] = field(default_factory=dict)
    kept: int = 0
    copied: int = 0
    uncopied: int = 0
    unstored: int = 0
    oldest_unstored_s: float = 0.0
    stored_bytes: int = 0
    computed_at: datetime | None = None
    final: bool = False

    @property
    def coverage(self) -> float:
        """Share of answered seconds that are audio or a gap with a cause; 1 for a day without calls."""
        if not self.answered_s:
            return 1.0
        return max(0.0, 1.0 - self.unaccounted_s / self.answered_s)


def day_of(at: datetime) -> date:
    """The Chinese date of a moment."""
    return at.astimezone(CHINA).date()


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """Where a Chinese day begins and ends; aware."""
    begins = datetime.combine(day, time.min, CHINA)
    return begins, begins + timedelta(days=1)


def is_final(day: date, now: datetime) -> bool:
    """Whether late facts no longer change the figures of a day."""
    return now >= bounds_of(day)[1] + FINAL_AFTER
