"""What every rule of a policy is made of: its source, its condition, the moment it counts from. PURE."""

from dataclasses import dataclass
from enum import StrEnum

from ticketing.clocks import Period
from ticketing.words import Flag


@dataclass(frozen=True, slots=True)
class Basis:
    """Where a value comes from. No clause means that the regulation is silent and the value is our own.

    articles: the same clauses as people cite them, 第十二条(二)1. partly_ours: cited, but a part of it is our own.
    """

    clauses: tuple[str, ...] = ()
    articles: tuple[str, ...] = ()
    partly_ours: bool = False

    @property
    def is_default(self) -> bool:
        """Whether the value is ours."""
        return not self.clauses

    def __str__(self) -> str:
        return "、".join(self.articles) if self.articles else "本系统默认"


OURS = Basis()
"""The regulation is silent."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule may ask about a ticket.

    request_no: how often this matter was brought, this request included. assignment_no: how often it was dispatched,
    the coming or running dispatch included. in_hours: whether it came in office hours; None where nobody asked.
    unit: the lead unit's id; empty before it is known. grade: of the policy's own grades of severity, if it has any.
    """

    request_type: str
    source: str
    urgent: bool
    flags: frozenset[Flag] = frozenset()
    request_no: int = 1
    assignment_no: int = 1
    in_hours: bool | None = None
    unit: str = ""
    grade: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """From `least` up, and no more than `most` when that is given."""

    least: int = 1
    most: int | None = None

    def holds(self, number: int) -> bool:
        """Whether `number` lies in this range."""
        return self.least <= number and (self.most is None or number <= self.most)


@dataclass(frozen=True, slots=True)
class When:
    """The condition of a rule: every named property must fit. Nothing named fits every ticket.

    flags: all of them must be set. any_of: at least one of these conditions must hold as well.
    """

    urgent: bool | None = None
    types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    flags: frozenset[Flag] = frozenset()
    request_no: Count | None = None
    assignment_no: Count | None = None
    in_hours: bool | None = None
    units: frozenset[str] = frozenset()
    """Handling units by id: a unit's own, stricter limits (SQ-044)."""
    grades: frozenset[str] = frozenset()
    any_of: tuple["When", ...] = ()

    def fits(self, case: Case) -> bool:
        """Whether the rule is for this ticket."""
        return (
            (self.urgent is None or self.urgent == case.urgent)
            and (not self.types or case.request_type in self.types)
            and (not self.sources or case.source in self.sources)
            and self.flags <= case.flags
            and (self.request_no is None or self.request_no.holds(case.request_no))
            and (self.assignment_no is None or self.assignment_no.holds(case.assignment_no))
            and (self.in_hours is None or self.in_hours == case.in_hours)
            and (not self.units or case.unit in self.units)
            and (not self.grades or case.grade in self.grades)
            and (not self.any_of or any(one.fits(case) for one in self.any_of))
        )


class Anchor(StrEnum):
    """The moment a limit counts from."""

    REGISTERED = "registered"
    DISPATCH = "dispatch"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class LimitRule:
    """One limit. period None: the regulation sets none. rule_id: its place in the file, `handle.limits[2]`.

    least: the dispatcher may choose any limit from this to `period`, which stays the longest (GZ-024: 1-3个工作日).
    hard False: the text says 一般 or 原则上; the clock is the same, pages show the difference.
    """

    rule_id: str
    when: When
    period: Period | None
    start: Anchor
    basis: Basis
    least: Period | None = None
    hard: bool = True


@dataclass(frozen=True, slots=True)
class StatutoryLimit:
    """A limit some other law sets for this ticket (LS-040); it goes before every limit of the policy."""

    period: Period
    legal_basis: str
    approver: str
