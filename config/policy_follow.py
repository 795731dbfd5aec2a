"""The section `follow` of a policy file: asking, closing, a second round, looking back."""

from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, Field

from config.policy_base import Cited, CountText, Lax, LimitText, PeriodText, Strict, listed
from ticketing.aftercare.follow_rules import CheckKind, ClosedCheck, FollowRules, Unrated
from ticketing.rules import Basis
from ticketing.words import Flag


class CheckPart(Strict):
    kind: Annotated[CheckKind, Lax]
    label: str
    limit: PeriodText
    basis: Cited


class FollowPart(Strict):
    """A `_basis` left out: the regulation has no such thing."""

    service_basis: Cited | None = None
    lawful_basis: Cited | None = None
    call_settles_basis: Cited | None = None
    judged_basis: Cited | None = None
    rounds: CountText
    rounds_basis: Cited
    explain: LimitText
    explain_basis: Cited
    unrated: Annotated[Unrated, Lax]
    unrated_basis: Cited
    exempt: Annotated[list[Annotated[Flag, Lax]], BeforeValidator(listed)]
    exempt_basis: Cited
    objective_basis: Cited
    unit_asks: LimitText
    unit_asks_basis: Cited
    checks: list[CheckPart] = Field(default_factory=list)
    untrue_basis: Cited


def follow_rules(part: FollowPart | None, cite: Callable[[list[str]], Basis]) -> FollowRules | None:
    """The section as a value."""
    if part is None:
        return None

    def maybe(basis: list[str] | None) -> Basis | None:
        return cite(basis) if basis else None

    return FollowRules(
        service=maybe(part.service_basis),
        lawful=maybe(part.lawful_basis),
        call_settles=maybe(part.call_settles_basis),
        judged=maybe(part.judged_basis),
        rounds=part.rounds,
        rounds_basis=cite(part.rounds_basis),
        explain=part.explain,
        explain_basis=cite(part.explain_basis),
        unrated=part.unrated,
        unrated_basis=cite(part.unrated_basis),
        exempt=frozenset(part.exempt),
        exempt_basis=cite(part.exempt_basis),
        objective_basis=cite(part.objective_basis),
        unit_asks=part.unit_asks,
        unit_asks_basis=cite(part.unit_asks_basis),
        checks=tuple(ClosedCheck(c.kind, c.label, c.limit, cite(c.basis)) for c in part.checks),
        untrue_basis=cite(part.untrue_basis),
    )
