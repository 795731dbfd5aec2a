"""The door to chinese_calendar: one year's holidays and 调休 days, to seed config/calendars/cn-<year>.yaml.

`python -m ticketing.calendars 2026` prints that file. The running system reads the files, never this library:
an operator adds a year by writing its file, without a release.
"""

import sys
from dataclasses import dataclass
from datetime import date, timedelta

import chinese_calendar


class YearUnknown(Exception):
    """The library has no notice for this year; write the file by hand from the State Council's notice."""


NAMES = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "National Day": "国庆节",
    "Mid-autumn Festival": "中秋节",
    "Anti-Fascist 70th Day": "抗战胜利纪念日",
}


@dataclass(frozen=True, slots=True)
class YearDays:
    """What a yearly notice changes: days off that would be worked or are feasts, and weekends that are worked."""

    year: int
    holidays: dict[date, str]
    makeup_workdays: dict[date, str]


def seed_year(year: int) -> YearDays:
    """The notice for `year` as the library has it. Raises YearUnknown."""
    holidays: dict[date, str] = {}
    makeup: dict[date, str] = {}
    day = date(year, 1, 1)
    while day.year == year:
        try:
            off, name = chinese_calendar.get_holiday_detail(day)
        except NotImplementedError:
            raise YearUnknown(f"{year}: no data in chinese_calendar {chinese_calendar.__version__}") from None
        if name is not None:
            (holidays if off else makeup)[day] = NAMES[str(name)]
        day += timedelta(days=1)
    return YearDays(year, holidays, makeup)


def as_yaml(days: YearDays) -> str:
    """The text of config/calendars/cn-<year>.yaml."""
    lines = [
        f"# State Council notice for {days.year}, seeded from chinesecalendar. Every other Monday to Friday is worked.",
        "kind: year",
        f"year: {days.year}",
        f"source: 国务院办公厅关于{days.year}年部分节假日安排的通知",
        "holidays:",
        *(f"  {day}: {name}" for day, name in sorted(days.holidays.items())),
        "makeup_workdays:",
        *(f"  {day}: {name}" for day, name in sorted(days.makeup_workdays.items())),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_yaml(seed_year(int(sys.argv[1]))))
