"""The section `exchange` of a policy file: what comes from the platform above and what goes back."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from config.policy_base import Cited, Lax, Strict
from ticketing.exchange_rules import ExchangeRules, Surveyor
from ticketing.rules import Basis


class SurveyorPart(Strict):
    by: Annotated[Surveyor, Lax]
    basis: Cited


class ExchangePart(Strict):
    """sources: of the list `sources`. A key ending in `_basis` that is left out: there is no such exchange."""

    sources: list[str] = Field(min_length=1)
    sources_basis: Cited
    feedback_basis: Cited
    survey: SurveyorPart
    referrals_basis: Cited | None = None
    supervision_basis: Cited | None = None
    cancellation_basis: Cited | None = None
    sharing_basis: Cited | None = None


def exchange_rules(part: ExchangePart | None, cite: Callable[[list[str]], Basis]) -> ExchangeRules | None:
    """The section as values; None where the file has none."""
    if part is None:
        return None

    def optional(basis: list[str] | None) -> Basis | None:
        return cite(basis) if basis else None

    return ExchangeRules(
        sources=frozenset(part.sources),
        sources_basis=cite(part.sources_basis),
        feedback=cite(part.feedback_basis),
        survey=part.survey.by,
        survey_basis=cite(part.survey.basis),
        referrals=optional(part.referrals_basis),
        supervision=optional(part.supervision_basis),
        cancellation=optional(part.cancellation_basis),
        sharing=optional(part.sharing_basis),
    )
