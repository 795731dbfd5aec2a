"""Work calendars from config/calendars: one file a year, regional overlays, statutory feasts for years to come."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.problems import ConfigProblem, ConfigWrong, data_root, from_validation, read_text, read_yaml
from ticketing.clocks import Calendar, DayKind, build_calendar

YEAR_FILE = re.compile(r"cn-(\d{4})\.yaml")
ONE_DAY = timedelta(days=1)
# The notice of a year has moved days as early as 29 December before it (2018-12-29 was worked for 元旦 2019).
REACHES_BACK = timedelta(days=3)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class YearFile(_Strict):
    """cn-<year>.yaml: what the State Council's notice changes in a year."""

    kind: Literal["year"]
    year: int = Field(ge=2000, le=2100)
    source: str
    holidays: dict[date, str]
    makeup_workdays: dict[date, str]

    @model_validator(mode="after")
    def _days_are_of_the_year(self) -> "YearFile":
        _refuse((d for d in (*self.holidays, *self.makeup_workdays) if d.year != self.year), f"not in {self.year}")
        _refuse((d for d in self.makeup_workdays if d.weekday() < 5), "not a Saturday or Sunday: no 调休 day")
        _refuse(self.holidays.keys() & self.makeup_workdays.keys(), "both a holiday and a 调休 day; keep one")
        return self


class OverlayFile(_Strict):
    """A region's own days; `years` lists those whose regional notice is in the file."""

    kind: Literal["overlay"]
    name: str
    source: str
    years: list[int]
    holidays: dict[date, str]
    makeup_workdays: dict[date, str]

    @model_validator(mode="after")
    def _days_are_of_its_years(self) -> "OverlayFile":
        days = (*self.holidays, *self.makeup_workdays)
        _refuse((d for d in days if d.year not in self.years), "its year is not listed under years")
        _refuse(self.holidays.keys() & self.makeup_workdays.keys(), "both a holiday and a 调休 day; keep one")
        return self


class FeastDates(_Strict):
    """The feasts of a year that follow the moon or the sun."""

    spring_festival: date
    tomb_sweeping: date
    dragon_boat: date
    mid_autumn: date


class StatutoryFile(_Strict):
    """statutory.yaml: the feasts by law, for years whose notice is not out."""

    kind: Literal["statutory"]
    source: str
    fixed: dict[str, str]
    years: dict[int, FeastDates]


@dataclass(frozen=True, slots=True)
class CalendarFiles:
    """Every file under config/calendars, checked."""

    years: dict[int, YearFile]
    overlays: dict[str, OverlayFile]
    statutory: StatutoryFile


def load_calendar(
    overlays: Iterable[str] = (), folder: Traversable | None = None, imported: Mapping[str, str] | None = None
) -> Calendar:
    """The national calendar with these overlays laid over it.

    overlays: file names without .yaml. imported: as `read_files`. Raises ConfigWrong with all that is wrong.
    """
    return compose(read_files(folder, imported), tuple(overlays))


def read_files(folder: Traversable | None = None, imported: Mapping[str, str] | None = None) -> CalendarFiles:
    """Read and check every calendar file. imported: name without .yaml -> YAML text; goes before the file of that name.

    Raises ConfigWrong with all that is wrong in all of them.
    """
    place = folder or data_root() / "calendars"
    problems: list[ConfigProblem] = []
    years: dict[int, YearFile] = {}
    overlays: dict[str, OverlayFile] = {}
    statutory: StatutoryFile | None = None
    texts = {f"{name}.yaml": text for name, text in (imported or {}).items()}
    shipped = {file.name: file for file in place.iterdir() if file.name.endswith(".yaml")}
    for name in sorted(shipped.keys() | texts.keys()):
        try:
            where = f"calendars/{name}"
            data = read_text(texts[name], where) if name in texts else read_yaml(shipped[name], where)
            match _parse(name, data):
                case YearFile() as found:
                    years[found.year] = found
                case OverlayFile() as found:
                    overlays[name.removesuffix(".yaml")] = found
                case StatutoryFile() as found:
                    statutory = found
        except ConfigWrong as wrong:
            problems += wrong.problems
    if statutory is None and not problems:
        problems.append(ConfigProblem("calendars/statutory.yaml", "", "no such file; write the statutory feasts"))
    if problems or statutory is None:
        raise ConfigWrong(problems)
    return CalendarFiles(years, overlays, statutory)


def _parse(file_name: str, data: object) -> YearFile | OverlayFile | StatutoryFile:
    name = f"calendars/{file_name}"
    models: dict[str, type[YearFile | OverlayFile | StatutoryFile]] = {
        "year": YearFile,
        "overlay": OverlayFile,
        "statutory": StatutoryFile,
    }
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in models:
        raise ConfigWrong([ConfigProblem(name, "kind", "write year, overlay or statutory")])
    try:
        model = models[kind].model_validate(data)
    except ValidationError as error:
        raise ConfigWrong(from_validation(name, error)) from None
    of_name = YEAR_FILE.fullmatch(file_name)
    if isinstance(model, YearFile) and (of_name is None or int(of_name[1]) != model.year):
        raise ConfigWrong([ConfigProblem(name, "year", f"the file of {model.year} is named cn-{model.year}.yaml")])
    return model


def compose(files: CalendarFiles, overlays: tuple[str, ...]) -> Calendar:
    """Lay the named overlays over the years. Raises ConfigWrong for an unknown overlay or a year nobody tells."""
    unknown = [name for name in overlays if name not in files.overlays]
    if unknown or not files.years:
        raise ConfigWrong(
            [ConfigProblem(f"calendars/{name}.yaml", "", "no such overlay; write the file") for name in unknown]
            or [ConfigProblem("calendars/cn-<year>.yaml", "", "no year at all; write one file a year")]
        )
    kinds: dict[date, DayKind] = {}
    unsure: set[date] = set()
    laid = [files.overlays[name] for name in overlays]
    for year in range(min(files.years), max(*files.years, *files.statutory.years) + 1):
        kinds |= _year(files, year)
        if year not in files.years or any(year not in overlay.years for overlay in laid):
            unsure |= {day for day in _days(year, REACHES_BACK) if day in kinds}
    for overlay in laid:
        kinds |= _marked(overlay.holidays, DayKind.HOLIDAY) | _marked(overlay.makeup_workdays, DayKind.MAKEUP_WORKDAY)
    return build_calendar(kinds, unsure)


def _year(files: CalendarFiles, year: int) -> dict[date, DayKind]:
    plain = {d: DayKind.WORKDAY if d.weekday() < 5 else DayKind.REST for d in _days(year)}
    announced = files.years.get(year)
    if announced is not None:
        makeup = _marked(announced.makeup_workdays, DayKind.MAKEUP_WORKDAY)
        return plain | _marked(announced.holidays, DayKind.HOLIDAY) | makeup
    if year not in files.statutory.years:
        raise ConfigWrong([ConfigProblem(f"calendars/cn-{year}.yaml", "", f"no days for {year}; write its notice")])
    return plain | _marked(statutory_days(files.statutory, year), DayKind.HOLIDAY)


def statutory_days(statutory: StatutoryFile, year: int) -> dict[date, str]:
    """The feasts of a year by law, with their names. The year is one of `statutory.years`."""
    feasts = statutory.years[year]
    moving = {feasts.tomb_sweeping: "清明节", feasts.dragon_boat: "端午节", feasts.mid_autumn: "中秋节"}
    spring = {feasts.spring_festival + ONE_DAY * n: "春节" for n in range(-1, 3)}
    fixed = {date.fromisoformat(f"{year}-{month_day}"): name for month_day, name in statutory.fixed.items()}
    return moving | spring | fixed


def _days(year: int, reach_back: timedelta = timedelta()) -> Iterator[date]:
    day = date(year, 1, 1) - reach_back
    while day.year <= year:
        yield day
        day += ONE_DAY


def _marked(days: Iterable[date], kind: DayKind) -> dict[date, DayKind]:
    return dict.fromkeys(days, kind)


def _refuse(days: Iterable[date], why: str) -> None:
    wrong = sorted(days)
    if wrong:
        raise ValueError(f"{', '.join(str(day) for day in wrong)}: {why}")
