"""Until when nothing may be deleted, by which rule, and what still keeps a recording after that. PURE.

Dates are Chinese dates. A date names the first day on which a recording may go; it is never brought forward.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from callcenter.types import CallId, RecordingId
from recordings.recording import CHINA

FLOOR_YEARS = 3
"""No policy may say less. Source: 龙胜 第十四条, 电话录音至少保存3年."""
RECYCLED_FOR = timedelta(days=30)
"""So long a recording whose time is over can still be brought back."""
CLOCKS_AGREE_WITHIN = timedelta(minutes=5)
"""Two clocks that are kept by NTP differ by milliseconds; more than this, and one of them is wrong."""
WITNESS_LASTS = timedelta(hours=25)
"""So long the database believes what the second clock last said: an hourly look may fail for a day."""
SHORTEST_REASON = 10
"""Characters of a reason for holding or releasing."""


class TooShort(ValueError):
    """A policy says fewer than three years; recordings are kept three years all the same."""


class NeverEarlier(ValueError):
    """The day before which a recording is kept is never brought forward, by nobody and for no reason."""

    def __init__(self, standing: date, wanted: date) -> None:
        super().__init__(f"kept until {standing}; {wanted} is earlier, and the day is never brought forward")
        self.sentence = f"这段录音在 {standing} 之前须保存；保存期只能延后，不能提前至 {wanted}。"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rule counts. years: full years, at least FLOOR_YEARS. policy_id ``: no ticket, so the floor itself."""

    years: int = FLOOR_YEARS
    policy_id: str = ""
    policy_version: int = 0
    article: str = ""

    def __post_init__(self) -> None:
        if self.years < FLOOR_YEARS:
            raise TooShort(f"{self.years} years in {self.policy_id}@{self.policy_version}; the floor is {FLOOR_YEARS}")


FLOOR = Rule()


@dataclass(frozen=True, slots=True)
class Basis:
    """One reason why the recordings of a call are kept until a day. Times are aware UTC."""

    rule: Rule
    called_at: datetime
    closed_at: datetime | None = None

    @property
    def counted_from(self) -> datetime:
        """The later of the call and the close of its ticket."""
        return self.called_at if self.closed_at is None else max(self.called_at, self.closed_at)

    @property
    def not_before(self) -> date:
        """The first day on which the recordings may go."""
        return retention_floor(self.called_at, self.closed_at, self.rule.years)


def retention_floor(recorded_at: datetime, closed_at: datetime | None = None, years: int = FLOOR_YEARS) -> date:
    """The first Chinese date on which a recording may be deleted: the years and a day after the later of both.

    The extra day is for leap days: 2024-02-29 plus three years is 2027-02-28, a day short; kept until 2027-03-01.
    Raises TooShort. Source: 龙胜 第十四条.
    """
    if years < FLOOR_YEARS:
        raise TooShort(f"{years} years; the floor is {FLOOR_YEARS}")
    later = recorded_at if closed_at is None else max(recorded_at, closed_at)
    day = later.astimezone(CHINA).date()
    try:
        anniversary = day.replace(year=day.year + years)
    except ValueError:
        anniversary = date(day.year + years, 2, 28)
    return anniversary + timedelta(days=1)


def longest(bases: Iterable[Basis]) -> Basis:
    """The one that counts: the latest day, of equals the first. There is at least one."""
    return max(bases, key=lambda basis: basis.not_before)


def agree(database_at: datetime, second_at: datetime) -> bool:
    """Whether two clocks can both be right."""
    return abs(database_at - second_at) <= CLOCKS_AGREE_WITHIN


def allowed_at(database_at: datetime, second_at: datetime) -> datetime | None:
    """The moment both clocks have reached; None while they contradict each other."""
    return min(database_at, second_at) if agree(database_at, second_at) else None


def local_day(at: datetime) -> date:
    """The Chinese date of a moment."""
    return at.astimezone(CHINA).date()


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold on one recording, or on all of a call. until: its last Chinese day; None: no cap."""

    id: int
    call_id: CallId | None
    recording_id: RecordingId | None
    reason: str
    placed_by: str
    placed_at: datetime
    until: date | None
    released_at: datetime | None

    def stands(self, today: date) -> bool:
        """Whether it keeps anything today."""
        return self.released_at is None and (self.until is None or self.until >= today)

    def shortened_by(self, until: date | None) -> bool:
        """Whether it would end earlier. until None: at once."""
        return until is None or self.until is None or until < self.until


class Keeper(StrEnum):
    """What keeps a recording."""

    DATE = "date"
    HOLD = "hold"
    TICKET = "ticket"
    RECYCLE = "recycle"
    """Its time is over; for thirty days it can still be brought back."""
    NOT_KEPT = "not_kept"
    """It never came into the store, or it is gone."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides about one recording. recycled_at: None unless it is recycled."""

    not_before: date
    holds: Sequence[Hold]
    open_ticket: str | None
    stored: bool
    recycled_at: datetime | None = None


def kept_by(one: Standing, now: datetime) -> Keeper | None:
    """What keeps it at `now` (the earlier of both clocks), the strongest first; None: it may go."""
    today = local_day(now)
    if not one.stored:
        return Keeper.NOT_KEPT
    if today < one.not_before:
        return Keeper.DATE
    if any(hold.stands(today) for hold in one.holds):
        return Keeper.HOLD
    if one.open_ticket is not None:
        return Keeper.TICKET
    if one.recycled_at is not None and now < one.recycled_at + RECYCLED_FOR:
        return Keeper.RECYCLE
    return None


def later_day(standing: date, wanted: date) -> date:
    """The day after a wish to change it. Raises NeverEarlier."""
    if wanted < standing:
        raise NeverEarlier(standing, wanted)
    return wanted
