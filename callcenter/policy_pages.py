"""A regulation as people read it on a screen: every value in force, the article behind it, what is ours."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clause:
    """A quoted clause. article: as people cite it; level: enforce, support or context."""

    id: str
    article: str
    quote: str
    level: str


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One rule. clauses: ids; source: articles, or that it is ours; ours: in part or whole our own decision."""

    section: str
    name: str
    value: str
    clauses: tuple[str, ...]
    source: str
    ours: bool


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """A whole regulation."""

    id: str
    title: str
    region: str
    version: str
    lines: tuple[PolicyLine, ...]
    clauses: tuple[Clause, ...]
