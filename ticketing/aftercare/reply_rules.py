"""What a policy says of replies: their fields, outcomes and defects, contact with the citizen, and how often. PURE."""

from dataclasses import dataclass
from datetime import time
from enum import StrEnum

from ticketing.clocks import Period
from ticketing.rules import Basis


class Precision(StrEnum):
    DAY = "day"
    HOUR = "hour"


@dataclass(frozen=True, slots=True)
class TypeContents:
    """For these request types a reply must fill every field of at least one of these groups."""

    types: frozenset[str]
    one_of: tuple[tuple[str, ...], ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class ReplyRules:
    required: tuple[str, ...]
    precision: Precision
    urgent_precision: Precision
    if_unfinished: tuple[str, ...]
    unfinished_basis: Basis
    by_type: tuple[TypeContents, ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request. needs: fields of the reply it asks for.

    reviewed: it stands only after a person of the hotline accepted it. rejects: the 不予受理 case it leads to.
    """

    code: str
    label: str
    needs: tuple[str, ...]
    reviewed: bool
    rejects: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Defect:
    """Why a reply goes back to its unit."""

    code: str
    label: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """contact: a reply needs a recorded talk with the citizen. told: the citizen knows the result before the hotline
    does. opinion: a written opinion is given where the citizen asked for one. commitment: how long what a reply
    leaves open may take when the unit names no day. A basis of None: the regulation asks for no such thing."""

    outcomes: tuple[Outcome, ...]
    defects: tuple[Defect, ...]
    contact: Basis | None
    told: Basis | None
    opinion: Basis | None
    commitment: Period
    basis: Basis

    def outcome(self, code: str) -> Outcome | None:
        """The outcome of that code."""
        return next((outcome for outcome in self.outcomes if outcome.code == code), None)

    def defect(self, code: str) -> Defect | None:
        """The defect of that code."""
        return next((defect for defect in self.defects if defect.code == code), None)


@dataclass(frozen=True, slots=True)
class ReachRules:
    """How citizens may be bothered. tries: after so many, nobody could be reached. per_ticket: how often they are
    asked about one round's result, per_person: how often about anything within a day, messages and calls together.
    opens, closes: local times between which they may be called."""

    tries: int
    per_ticket: int
    per_person: int
    opens: time
    closes: time
    basis: Basis
