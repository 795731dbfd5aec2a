"""What a policy says of taking requests in: from whom, what is refused, what is urgent. PURE."""

from dataclasses import dataclass

from ticketing.rules import Basis


@dataclass(frozen=True, slots=True)
class Upstream:
    """The platform above this one. public_intake False: citizens' own requests are registered only as exceptions."""

    platform: str
    public_intake: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class RejectReason:
    """One case of 不予受理. needs: what must be given with it, see ticketing.commands.Reject.

    sensitive: what was said is seen by fewer and never published (GZ-005). undetermined: the first receiver cannot
    tell; only a supervisor decides (SQ-011).
    """

    code: str
    label: str
    needs: frozenset[str]
    basis: Basis
    sensitive: bool = False
    undetermined: bool = False


@dataclass(frozen=True, slots=True)
class UrgentRules:
    """突发类: what it is for, and whether the unit must be told by telephone when it is dispatched."""

    meaning: str
    phone_notice: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class RealNameRules:
    """What is asked of a citizen by name; kept apart from the request, masked, each look written down (SQ-013)."""

    fields: tuple[str, ...]
    basis: Basis
