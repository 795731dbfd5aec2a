"""What a regulation says of the platform above: what comes from it, what goes back, who asks the citizen. PURE.

A Basis that is None: the regulation has no such thing.
"""

from dataclasses import dataclass
from enum import StrEnum

from ticketing.rules import Basis


class Surveyor(StrEnum):
    """Who asks the citizen about a ticket that came from above."""

    PLATFORM = "platform"
    """The platform above sends its own message and hands the rating down (LS-064)."""
    HOTLINE = "hotline"


@dataclass(frozen=True, slots=True)
class ExchangeRules:
    """sources: those whose tickets the platform hands down, each with its own number and a duty to report back.

    feedback: where that duty stands. referrals: what is not for this hotline is handed up (GZ-010). supervision:
    supervised tickets and published bulletins are pushed (GZ-037). cancellation: the platform has the last word on
    a termination (MC-035). sharing: it may read our figures (GZ-070, SQ-002).
    """

    sources: frozenset[str]
    sources_basis: Basis
    feedback: Basis
    survey: Surveyor
    survey_basis: Basis
    referrals: Basis | None = None
    supervision: Basis | None = None
    cancellation: Basis | None = None
    sharing: Basis | None = None

    def surveyed_above(self, source: str) -> bool:
        """Whether the platform asks the citizen of such a ticket."""
        return self.survey is Surveyor.PLATFORM and source in self.sources
