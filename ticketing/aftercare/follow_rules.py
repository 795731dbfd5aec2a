"""What a policy says of the time after a reply: asking, closing, a second round, looking back. PURE."""

from dataclasses import dataclass
from enum import StrEnum

from ticketing.clocks import Period
from ticketing.rules import Basis
from ticketing.words import Flag


class Closing(StrEnum):
    """Why a ticket could be closed; statistics never blend them."""

    RATED = "rated"
    DEFAULT = "default"
    CALLED = "called"
    """Satisfied when called, after a message that said otherwise."""
    LAWFUL = "lawful"
    """Not satisfied, but a named reviewer found the reply lawful."""
    OBJECTIVE = "objective"
    """Not satisfied, for a cause beyond the unit, which was explained."""
    UNRATED = "unrated"
    """Asked and called without a rating."""
    OFFICE = "office"
    """No survey: a reviewer closed it."""


class Unrated(StrEnum):
    """What becomes of a ticket whose citizen was called and gave no rating."""

    PERSON = "person"
    """A reviewer decides."""
    CLOSE = "close"


class CheckKind(StrEnum):
    """A look at what was reported as done."""

    RECHECK = "recheck"
    """复核: false reporting is suspected (SQ-037)."""
    LOOK_BACK = "look_back"
    """回头看 (MC-049)."""


@dataclass(frozen=True, slots=True)
class ClosedCheck:
    """One kind of look at closed tickets, and how long the person has for it."""

    kind: CheckKind
    label: str
    limit: Period
    basis: Basis


@dataclass(frozen=True, slots=True)
class FollowRules:
    """A basis of None: the regulation has no such thing.

    service: how the citizen was treated is rated too (GZ-052). lawful: a reviewer may close although the citizen is
    not satisfied (GZ-052, WX-022). call_settles: what the citizen says in the call decides, not the message before
    it (SQ-022). judged: a new round needs the judgement that the unit did not act or that the request is reasonable
    (WX-024). rounds: how often an unsatisfied citizen's ticket goes back to the unit; None: no cap. explain: the
    limit of a round that only explains again (WX-025). exempt: tickets with one of these flags are left out of the
    satisfaction rate (MC-054). unit_asks: the unit asks the citizen itself before the hotline does (MC-052).
    """

    service: Basis | None
    lawful: Basis | None
    call_settles: Basis | None
    judged: Basis | None
    rounds: int | None
    rounds_basis: Basis
    explain: Period | None
    explain_basis: Basis
    unrated: Unrated
    unrated_basis: Basis
    exempt: frozenset[Flag]
    exempt_basis: Basis
    objective_basis: Basis
    unit_asks: Period | None
    unit_asks_basis: Basis
    checks: tuple[ClosedCheck, ...]
    untrue_basis: Basis

    def check(self, kind: CheckKind) -> ClosedCheck | None:
        """The rules of that kind of look."""
        return next((check for check in self.checks if check.kind is kind), None)
