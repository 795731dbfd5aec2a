"""The clauses of the regulations (config/clauses) and which values of the other data files cite them.

A clause is a verbatim quote with an id (XX-000), its article and what the software owes it. `callcenter policy
coverage` sets these beside the code and the tests that name the ids.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources.abc import Traversable
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from config.policy_base import Lax, Strict
from config.problems import ConfigProblem, ConfigWrong, data_root, from_validation, read_yaml

ID = re.compile(r"\b[A-Z]{2}-[0-9]{3}\b")
FOLDER = "clauses"


class Level(StrEnum):
    """What the software owes a clause."""

    ENFORCE = "enforce"
    """It must guarantee it."""
    SUPPORT = "support"
    """It must be able to record or do it."""
    CONTEXT = "context"
    """Nothing of software follows; the entry says why."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause. policy: the id of the policy file it belongs to. reason: why no test follows, `context` only."""

    id: str
    policy: str
    region: str
    article: str
    quote: str
    level: Level
    category: str
    reason: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A value of a data file names a clause. file: below config/; key: its path, `handle.limits[2].basis`."""

    clause: str
    file: str
    key: str


class ClausePart(Strict):
    id: str = Field(pattern=f"^{ID.pattern}$")
    article: str = Field(min_length=2)
    level: Annotated[Level, Lax]
    category: str = Field(pattern=r"^[a-z][a-z-]+$")
    quote: str = Field(min_length=2)
    reason: str = ""

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if (self.level is Level.CONTEXT) != bool(self.reason.strip()):
            raise ValueError("write `reason` for a clause of level context, and for no other")
        return self


class ClauseFile(Strict):
    """One file of config/clauses."""

    schema_name: Literal["hotline-clauses/1"] = Field(alias="schema")
    region: str
    regulation: str
    prefix: str = Field(pattern=r"^[A-Z]{2}$")
    clauses: list[ClausePart] = Field(min_length=1)


def load_clauses(root: Traversable | None = None) -> dict[str, Clause]:
    """Every clause by id, file by file in the order they stand. root: the folder that holds `clauses/`.

    Raises ConfigWrong with all that is wrong in all files.
    """
    place = (root or data_root()) / FOLDER
    problems: list[ConfigProblem] = []
    clauses: dict[str, Clause] = {}
    for file in _yaml_files(place):
        name = f"{FOLDER}/{file.name}"
        try:
            parsed = ClauseFile.model_validate(read_yaml(file, name))
        except ValidationError as error:
            problems += from_validation(name, error)
            continue
        except ConfigWrong as wrong:
            problems += wrong.problems
            continue
        for index, part in enumerate(parsed.clauses):
            if part.id in clauses or not part.id.startswith(parsed.prefix):
                what = "stands twice" if part.id in clauses else f"does not begin with {parsed.prefix}"
                problems.append(ConfigProblem(name, f"clauses.{index}.id", f"{part.id} {what}; give it its own id"))
            values = part.model_dump()
            clauses[part.id] = Clause(policy=file.name.removesuffix(".yaml"), region=parsed.region, **values)
    if problems:
        raise ConfigWrong(problems)
    return clauses


def load_citations(
    clauses: dict[str, Clause], root: Traversable | None = None
) -> tuple[tuple[Citation, ...], tuple[ConfigProblem, ...]]:
    """Every value of the data files that is a clause id, with its place; and what is wrong with them.

    Wrong: a file that cannot be read, an id that is no clause, in a policy one of another regulation, and in a
    policy's list an article that is not the clause's.
    """
    place = root or data_root()
    problems: list[ConfigProblem] = []
    found: list[Citation] = []
    for name, file in _data_files(place, ""):
        if name.startswith(f"{FOLDER}/") or not ID.search(file.read_bytes().decode("utf-8", "replace")):
            continue
        try:
            data = read_yaml(file, name)
        except ConfigWrong as wrong:
            problems += wrong.problems
            continue
        listed = data.pop("clauses", {}) if isinstance(data, dict) and name.startswith("policies/") else {}
        for key, clause in _ids(data, ""):
            found.append(Citation(clause, name, key))
            problems += _citation_problems(clauses, name, key, clause)
        for clause, article in listed.items() if isinstance(listed, dict) else ():
            problems += _article_problems(clauses, name, str(clause), str(article))
    return tuple(found), tuple(problems)


def _citation_problems(clauses: dict[str, Clause], name: str, key: str, clause: str) -> Iterator[ConfigProblem]:
    known = clauses.get(clause)
    folder, _, file = name.partition("/")
    if known is None:
        yield ConfigProblem(name, key, f"{clause} is no clause of config/clauses; write the id of one")
    elif folder == "policies" and file.split(".")[0] != known.policy:
        yield ConfigProblem(name, key, f"{clause} belongs to {known.policy}; cite a clause of this regulation")


def _article_problems(clauses: dict[str, Clause], name: str, clause: str, article: str) -> Iterator[ConfigProblem]:
    known = clauses.get(clause)
    if known is None:
        yield ConfigProblem(name, f"clauses.{clause}", "is no clause of config/clauses; write the id of one")
    elif known.article != article:
        yield ConfigProblem(name, f"clauses.{clause}", f"write {known.article}, as config/clauses has it")


def _ids(value: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _ids(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _ids(inner, key if isinstance(inner, str) else f"{key}[{index}]")
    elif isinstance(value, str) and ID.fullmatch(value):
        yield key, value


def _yaml_files(folder: Traversable) -> list[Traversable]:
    return sorted((one for one in folder.iterdir() if one.name.endswith(".yaml")), key=lambda one: one.name)


def _data_files(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.is_dir():
            yield from _data_files(one, f"{path}{one.name}/")
        elif one.name.endswith(".yaml"):
            yield f"{path}{one.name}", one
