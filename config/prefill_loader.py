"""Loads what the prefill knows of a region: gazetteer, subject categories, handling units. All problems at once.

Also the door of pypinyin: how names sound is worked out here, once, so that the prefill itself stays pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import time
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pypinyin import Style, lazy_pinyin, pinyin

from callcenter.types import PhoneNumber, UnitId
from config.problems import ConfigProblem, ConfigWrong, data_root, from_validation, read_yaml
from ticketing.prefill.data import Hazard, Place, PlaceKind, PrefillData, Subject, Unit

SUBJECTS_FILE = "subjects.yaml"
SOUND_LENGTH = 3
"""Names of fewer characters are found by their characters only: too many other words sound like them."""

Name = Annotated[str, StringConstraints(pattern=r"^[\u4e00-\u9fff〇0-9]{2,30}$")]
Phrase = Annotated[str, StringConstraints(pattern=r"^\S{2,20}$")]
RequestType = Literal["咨询", "求助", "投诉", "举报", "建议", "表扬"]
Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Hours = Annotated[list[Annotated[list[Clock], Field(min_length=2, max_length=2)]], Field(min_length=1)]
M = TypeVar("M", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PlaceItem(_Strict):
    name: Name
    kind: Literal["village", "road", "estate", "spot"]
    aliases: list[Name] = []


class TownItem(_Strict):
    name: Name
    aliases: list[Name] = []
    places: list[PlaceItem] = []


class GazetteerFile(_Strict):
    """config/gazetteer/<region>.yaml"""

    schema_: Literal["hotline-gazetteer/1"] = Field(alias="schema")
    county: Name
    aliases: list[Name] = []
    towns: Annotated[list[TownItem], Field(min_length=1)]
    roads: list[Name] = []
    estates: list[Name] = []
    spots: list[Name] = []


class SubjectItem(_Strict):
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}\.[0-9]{2}$")]
    name: Name
    leans: RequestType | None = None
    keywords: Annotated[list[Phrase], Field(min_length=1)]


class ClassItem(_Strict):
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")]
    name: Name
    subjects: Annotated[list[SubjectItem], Field(min_length=1)]


class HazardItem(_Strict):
    name: Name
    any: list[Annotated[str, StringConstraints(min_length=2, max_length=20)]] = []
    all: list[Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=20)]], Field(min_length=1)]] = []

    @model_validator(mode="after")
    def _says_something(self) -> "HazardItem":
        if not self.any and len(self.all) < 2:
            raise ValueError("write words under `any`, or two groups or more under `all`")
        return self


class SubjectsFile(_Strict):
    """config/subjects.yaml"""

    schema_: Literal["hotline-subjects/1"] = Field(alias="schema")
    classes: Annotated[list[ClassItem], Field(min_length=1)]
    hazards: list[HazardItem] = []


class PersonItem(_Strict):
    """Who does a unit's hotline work; usually entered in the directory, not here."""

    name: Annotated[str, StringConstraints(pattern=r"^\S{2,20}$")]
    post: Literal["principal", "deputy", "liaison", "handler", "duty"]
    phone: Annotated[str, StringConstraints(pattern=r"^[0-9]{3,20}$")] = ""
    login: str = ""
    full_time: bool = True


class UnitItem(_Strict):
    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
    name: Name
    aliases: list[Name] = []
    duties: list[Phrase] = []
    phone: Annotated[str, StringConstraints(pattern=r"^[0-9]{3,20}$")]
    duty: Literal["always"] | Hours
    kind: Literal["department", "township", "enterprise", "subordinate"] = "department"
    parent: str | None = None
    territory: list[Name] = []
    industry: list[Phrase] = []
    administrative: bool = True
    people: list[PersonItem] = []


class UnitsFile(_Strict):
    """config/units/<region>.yaml"""

    schema_: Literal["hotline-units/1"] = Field(alias="schema")
    region: Name
    office_hours: Hours
    units: Annotated[list[UnitItem], Field(min_length=1)]


def load_prefill(region: str) -> PrefillData:
    """What the prefill needs for `region` (the name of its files, for example `longsheng`).

    Raises ConfigWrong with every problem of the three files.
    """
    problems: list[ConfigProblem] = []
    gazetteer_name, units_name = f"gazetteer/{region}.yaml", f"units/{region}.yaml"
    gazetteer = _read(gazetteer_name, GazetteerFile, problems)
    subjects = _read(SUBJECTS_FILE, SubjectsFile, problems)
    units = _read(units_name, UnitsFile, problems)
    if gazetteer:
        problems += check_gazetteer(gazetteer_name, gazetteer)
    if subjects:
        problems += check_subjects(SUBJECTS_FILE, subjects)
    if units:
        problems += check_units(units_name, units)
    if problems or gazetteer is None or subjects is None or units is None:
        raise ConfigWrong(problems)
    return build(gazetteer, subjects, units)


def build(gazetteer: GazetteerFile, subjects: SubjectsFile, units: UnitsFile) -> PrefillData:
    """The checked files as the values the prefill works with."""
    places = tuple(_places(gazetteer))
    return PrefillData(
        county=gazetteer.county,
        places=places,
        subjects=tuple(_subjects(subjects)),
        hazards=tuple(Hazard(h.name, tuple(h.any), tuple(tuple(g) for g in h.all)) for h in subjects.hazards),
        units=tuple(_unit(item) for item in units.units),
        sounds=sounds_of({syllable for p in places for _, spoken in p.syllables for syllable in spoken}),
    )


def sounds_of(syllables: set[str]) -> Mapping[str, frozenset[str]]:
    """Every common character (GB 2312) that can sound like one of `syllables`, with all its toneless readings."""
    sounds: dict[str, frozenset[str]] = {}
    for char in _common_characters():
        readings = frozenset(pinyin(char, style=Style.NORMAL, heteronym=True)[0])
        if readings & syllables:
            sounds[char] = readings
    return sounds


def _common_characters() -> Iterator[str]:
    """The 6763 characters of GB 2312, rows 16 to 87."""
    for row in range(0xB0, 0xF8):
        for cell in range(0xA1, 0xFF):
            try:
                yield bytes((row, cell)).decode("gb2312")
            except UnicodeDecodeError:
                continue  # the five empty cells at the end of row 55


def check_gazetteer(file: str, read: GazetteerFile) -> list[ConfigProblem]:
    """Names and aliases must tell places apart."""
    at_root = [("aliases", name) for name in (read.county, *read.aliases)]
    towns = [(f"towns.{t.name}", name) for t in read.towns for name in (t.name, *t.aliases)]
    inner = [(f"towns.{t.name}.{p.name}", n) for t in read.towns for p in t.places for n in (p.name, *p.aliases)]
    loose = [(kind, n) for kind, some in _loose(read) for n in some]
    return _doubles(file, [*at_root, *towns, *inner, *loose], "another place has this name; keep it in one place")


def check_subjects(file: str, read: SubjectsFile) -> list[ConfigProblem]:
    """Codes stand once and below their class; a keyword stands once in a subject."""
    problems = _doubles(file, [(f"classes.{c.code}", c.code) for c in read.classes], "this class code stands twice")
    codes = [(f"classes.{c.code}", s.code) for c in read.classes for s in c.subjects]
    problems += _doubles(file, codes, "this subject code stands twice; give it a free one")
    for group in read.classes:
        for subject in group.subjects:
            where = f"classes.{group.code}.{subject.code}"
            if not subject.code.startswith(group.code + "."):
                problems.append(ConfigProblem(file, where, f"the code must begin with {group.code}."))
            problems += _doubles(file, [(f"{where}.keywords", w) for w in subject.keywords], "this word stands twice")
    return problems


def check_units(file: str, read: UnitsFile) -> list[ConfigProblem]:
    """Ids, names and telephones tell units apart; hours begin before they end."""
    problems = _doubles(file, [("units", u.id) for u in read.units], "two units have this id")
    problems += _doubles(file, [(f"units.{u.id}.phone", u.phone) for u in read.units], "two units have this telephone")
    names = [(f"units.{u.id}", name) for u in read.units for name in (u.name, *u.aliases)]
    problems += _doubles(file, names, "two units answer to this name; keep it with one")
    problems += _parents(file, read)
    spans = [("office_hours", read.office_hours)] + [
        (f"units.{u.id}.duty", u.duty) for u in read.units if u.duty != "always"
    ]
    for where, hours in spans:
        if any(start >= end for start, end in hours):
            problems.append(ConfigProblem(file, where, "hours must begin before they end, as in ['08:30', '12:00']"))
    return problems


def _parents(file: str, read: UnitsFile) -> Iterator[ConfigProblem]:
    """A parent is another unit of the file; companies and subordinates have one (LS-090)."""
    known = {unit.id for unit in read.units}
    for unit in read.units:
        if unit.parent is not None and (unit.parent not in known or unit.parent == unit.id):
            yield ConfigProblem(file, f"units.{unit.id}.parent", "write the id of another unit of this file")
        if unit.parent is None and unit.kind in ("enterprise", "subordinate"):
            yield ConfigProblem(file, f"units.{unit.id}.parent", "write the department it belongs to")


def _doubles(file: str, named: Iterable[tuple[str, str]], what: str) -> list[ConfigProblem]:
    """A problem for each value that stands a second time."""
    seen: set[str] = set()
    problems: list[ConfigProblem] = []
    for where, value in named:
        if value in seen:
            problems.append(ConfigProblem(file, where, f"{value}: {what}"))
        seen.add(value)
    return problems


def _read(name: str, model: type[M], problems: list[ConfigProblem]) -> M | None:
    """The file as `model`, or None with what is wrong added to `problems`."""
    try:
        return model.model_validate(read_yaml(data_root().joinpath(name), name))
    except ConfigWrong as wrong:
        problems.extend(wrong.problems)
    except ValidationError as error:
        problems.extend(from_validation(name, error))
    return None


def _loose(read: GazetteerFile) -> tuple[tuple[Literal["road", "estate", "spot"], list[str]], ...]:
    """Places whose town the file does not say."""
    return (("road", read.roads), ("estate", read.estates), ("spot", read.spots))


def _places(read: GazetteerFile) -> Iterator[Place]:
    root = (read.county,)
    yield _place(root, "county", read.aliases)
    for town in read.towns:
        yield _place((*root, town.name), "town", town.aliases)
        for item in town.places:
            yield _place((*root, town.name, item.name), item.kind, item.aliases)
    for kind, names in _loose(read):
        for name in names:
            yield _place((*root, name), kind, ())


def _place(path: tuple[str, ...], kind: PlaceKind, aliases: Iterable[str]) -> Place:
    names = (path[-1], *aliases)
    spoken = ((name, tuple(lazy_pinyin(name))) for name in names if len(name) >= SOUND_LENGTH)
    return Place(path, kind, names[1:], tuple((n, s) for n, s in spoken if len(s) == len(n)))


def _subjects(read: SubjectsFile) -> Iterator[Subject]:
    for group in read.classes:
        for item in group.subjects:
            yield Subject(item.code, item.name, group.name, tuple(item.keywords), item.leans)


def _unit(item: UnitItem) -> Unit:
    duty = None
    if item.duty != "always":
        duty = tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in item.duty)
    return Unit(UnitId(item.id), item.name, tuple(item.aliases), tuple(item.duties), PhoneNumber(item.phone), duty)
