"""Loads a region's unit directory and its dispatch catalogue, checked against each other. All problems at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from callcenter.types import UnitId
from config.prefill_loader import UnitItem, UnitsFile, check_units
from config.problems import ConfigProblem, ConfigWrong, data_root, from_validation, read_yaml
from ticketing.clocks import OfficeHours
from ticketing.dispatch.catalogue import DutyOf, Entry
from ticketing.dispatch.units import Person, Post, Unit, UnitKind
from ticketing.policy import Policy


@dataclass(frozen=True, slots=True)
class Directory:
    """What a hotline begins with; afterwards people keep both up to date."""

    units: tuple[Unit, ...]
    entries: tuple[Entry, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class EntryItem(_Strict):
    """subject: code or name of a subject, or left out; keywords: words of the request."""

    code: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9-]{1,19}$")]
    subject: str = ""
    keywords: list[Annotated[str, StringConstraints(pattern=r"^\S{2,20}$")]] = []
    unit: str
    basis: Annotated[str, StringConstraints(min_length=2, max_length=200)]
    duty_of: Literal["department", "township", "shared"] = "shared"


class CatalogueFile(_Strict):
    """config/catalogue/<region>.yaml"""

    schema_: Literal["hotline-catalogue/1"] = Field(alias="schema")
    region: str
    entries: Annotated[list[EntryItem], Field(min_length=1)]


def load_directory(region: str, policy: Policy | None = None, folder: Traversable | None = None) -> Directory:
    """Units and catalogue of a region; policy: also check the units it names. Raises ConfigWrong."""
    place = folder or data_root()
    problems: list[ConfigProblem] = []
    units_name, catalogue_name = f"units/{region}.yaml", f"catalogue/{region}.yaml"
    units, catalogue = None, None
    try:
        units = UnitsFile.model_validate(read_yaml(place.joinpath(units_name), units_name))
        problems += check_units(units_name, units)
    except ValidationError as error:
        problems += from_validation(units_name, error)
    except ConfigWrong as wrong:
        problems += wrong.problems
    try:
        catalogue = CatalogueFile.model_validate(read_yaml(place.joinpath(catalogue_name), catalogue_name))
    except ValidationError as error:
        problems += from_validation(catalogue_name, error)
    except ConfigWrong as wrong:
        problems += wrong.problems
    known = {unit.id for unit in units.units} if units else set()
    if catalogue is not None and units is not None:
        problems += _check_catalogue(catalogue_name, catalogue, known)
    if policy is not None and units is not None:
        problems += _check_policy(policy, known)
    if problems or units is None or catalogue is None:
        raise ConfigWrong(problems)
    return Directory(tuple(_unit(item) for item in units.units), tuple(_entry(item) for item in catalogue.entries))


def _check_catalogue(file: str, read: CatalogueFile, known: set[str]) -> Iterator[ConfigProblem]:
    seen: set[str] = set()
    for item in read.entries:
        where = f"entries.{item.code}"
        if item.code in seen:
            yield ConfigProblem(file, where, "this code stands twice; give it a free one")
        seen.add(item.code)
        if item.unit not in known:
            yield ConfigProblem(file, f"{where}.unit", f"{item.unit} is no unit of the region; write one of its ids")
        if not item.subject and not item.keywords:
            yield ConfigProblem(file, where, "write a subject, keywords, or both")


def _check_policy(policy: Policy, known: set[str]) -> Iterator[ConfigProblem]:
    linkage = policy.dispatching.linkage if policy.dispatching else None
    for topic in linkage.topics if linkage else ():
        for unit in topic.units:
            if unit not in known:
                key = f"dispatch_rules.linkage.{topic.name}"
                yield ConfigProblem(f"policies/{policy.id}.yaml", key, f"{unit} is no unit of the region")


def _unit(item: UnitItem) -> Unit:
    hours = None
    if item.duty != "always":
        hours = OfficeHours(tuple((time.fromisoformat(a), time.fromisoformat(b)) for a, b in item.duty))
    people = tuple(Person(p.name, Post(p.post), p.phone, p.login, p.full_time) for p in item.people)
    return Unit(
        id=UnitId(item.id),
        name=item.name,
        kind=UnitKind(item.kind),
        parent=UnitId(item.parent) if item.parent else None,
        functions=tuple(item.duties),
        territory=tuple(item.territory),
        industry=tuple(item.industry),
        administrative=item.administrative,
        phone=item.phone,
        hours=hours,
        people=people,
    )


def _entry(item: EntryItem) -> Entry:
    return Entry(item.code, item.subject, tuple(item.keywords), UnitId(item.unit), item.basis, DutyOf(item.duty_of))
