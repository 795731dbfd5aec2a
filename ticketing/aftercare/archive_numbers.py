"""Archive numbers: a count of its own every ISO week (Monday to Sunday, local). PURE.

Source: GZ-054 (以周为单位编号); that the week is the ISO week is ours.
"""

from dataclasses import dataclass
from datetime import date, datetime

from ticketing.aftercare.secrecy_rules import Numbering
from ticketing.clocks import local_day


@dataclass(frozen=True, slots=True)
class Week:
    """An ISO week; it belongs to the year its Thursday lies in."""

    iso_year: int
    iso_week: int

    @property
    def begins_on(self) -> date:
        """Its Monday."""
        return date.fromisocalendar(self.iso_year, self.iso_week, 1)


def week_of(now: datetime) -> Week:
    """The week of this moment's local day."""
    year, week, _ = local_day(now).isocalendar()
    return Week(year, week)


def archive_number(rule: Numbering, week: Week, seq: int) -> str:
    """`GZ-2026W7-00001`, by the policy's pattern. seq: from 1."""
    return rule.pattern.format(iso_year=week.iso_year, iso_week=week.iso_week, seq=seq)
