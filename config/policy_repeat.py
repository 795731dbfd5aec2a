"""The section `repeat` of a policy file: when one matter brought again is a repeat, and what follows."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from config.policy_base import Cited, Lax, Strict, Strings
from ticketing.aftercare.repeat_rules import Earlier, RepeatRule, RepeatRules, Then
from ticketing.rules import Basis


class RepeatRulePart(Strict):
    """responsible: kind of the unit -> who handles it in person; `other` for every other kind."""

    code: str = Field(pattern=r"^[a-z][a-z_]{1,39}$")
    label: str
    earlier: Annotated[Earlier, Lax]
    within_months: int | None = Field(default=None, ge=1, le=24)
    over_days: int | None = Field(default=None, ge=1, le=365)
    types: Strings = Field(default_factory=list)
    then: Annotated[Then, Lax]
    responsible: dict[str, str] = Field(default_factory=dict)
    basis: Cited


class RepeatPart(Strict):
    rules: list[RepeatRulePart] = Field(min_length=1)
    basis: Cited


def repeat_rules(part: RepeatPart | None, cite: Callable[[list[str]], Basis]) -> RepeatRules | None:
    """The section as a value."""
    if part is None:
        return None
    rules = tuple(
        RepeatRule(
            code=rule.code,
            label=rule.label,
            earlier=rule.earlier,
            within_months=rule.within_months,
            over_days=rule.over_days,
            types=frozenset(rule.types),
            then=rule.then,
            responsible=tuple(("" if kind == "other" else kind, title) for kind, title in rule.responsible.items()),
            basis=cite(rule.basis),
        )
        for rule in part.rules
    )
    return RepeatRules(rules, cite(part.basis))
