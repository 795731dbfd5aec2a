"""What a regulation says about signatures, termination and supplements, as values. PURE."""

from dataclasses import dataclass
from enum import StrEnum

from ticketing.approvals.signing import Gate, Signer
from ticketing.clocks import Period
from ticketing.rules import Basis, Case, When


@dataclass(frozen=True, slots=True)
class GateRule:
    """Which signatures a kind of ticket needs.

    chain: one after the other, an inner group side by side. seal: the last signature needs the seal's number.
    reading: how a doubtful text is read here, shown to the signers. document: what the sheet is called (呈批件).
    one_per_matter: while a matter's sheet is with the leaders, there is no second one (GZ-047, 一事一报).
    until_solved: once signed, the unit replies only when the matter is solved (LS-015).
    """

    rule_id: str
    gate: Gate
    when: When
    chain: tuple[tuple[Signer, ...], ...]
    seal: bool
    reading: str
    document: str
    one_per_matter: bool
    until_solved: bool
    basis: Basis


class Rank(StrEnum):
    """Who leads the handling inside a unit, highest first."""

    PRINCIPAL = "principal"
    DEPUTY = "deputy"
    STAFF = "staff"


RANK_NAMES: dict[Rank, str] = {Rank.PRINCIPAL: "主要负责人", Rank.DEPUTY: "分管领导", Rank.STAFF: "经办人员"}


@dataclass(frozen=True, slots=True)
class LeadershipRule:
    """Who must lead the handling at least; a higher rank always may. label: as this regulation calls them."""

    when: When
    led_by: Rank
    label: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class InsideUnit:
    """principal_signs: the unit's head signs before the work is given out in the unit."""

    principal_signs: bool
    signs_basis: Basis
    leadership: tuple[LeadershipRule, ...]

    def rule(self, case: Case) -> LeadershipRule | None:
        """Who leads this ticket."""
        return next((rule for rule in self.leadership if rule.when.fits(case)), None)


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """gates: in the order of the file; of one gate the first that fits. None, empty: the regulation has no such thing.

    on_spot: leaders who answer the hotline assign on the spot, and that is noted with the dispatch (MC-020).
    """

    gates: tuple[GateRule, ...]
    inside_unit: InsideUnit | None
    on_spot: Basis | None

    def rule(self, gate: Gate, case: Case) -> GateRule | None:
        """The rule of this gate for this ticket."""
        return next((rule for rule in self.gates if rule.gate is gate and rule.when.fits(case)), None)


@dataclass(frozen=True, slots=True)
class TerminationRules:
    """least: so many requests on the matter were judged unreasonable before anybody may apply (MC-035)."""

    least: int
    rule: GateRule


@dataclass(frozen=True, slots=True)
class SupplementRules:
    """limit: how long the citizen has before a person decides. ask_first: rejections that need a supplement first."""

    limit: Period
    ask_first: frozenset[str]
    ask_first_basis: Basis
    basis: Basis
