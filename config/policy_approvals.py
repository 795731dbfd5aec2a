"""Signatures, termination and supplements in a policy file: models of the YAML, and the values made of them."""

from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field

from config.policy_base import Cited, Condition, ConditionPart, Lax, PeriodText, Strict, Strings
from ticketing.approvals.rules import (
    ApprovalRules,
    GateRule,
    InsideUnit,
    LeadershipRule,
    Rank,
    SupplementRules,
    TerminationRules,
)
from ticketing.approvals.signing import Gate, Signer, SignerKind
from ticketing.rules import Basis, When

Cite = Callable[[list[str]], Basis]
When_ = Callable[[ConditionPart], When]
_EVERY = ConditionPart()


class SignerPart(Strict):
    """A leader's title as plain text, or {office: title}, {unit_head: name}, {external: body}."""

    title: str = ""
    office: str = ""
    unit_head: str = ""
    external: str = ""

    @property
    def name(self) -> str:
        """The signer as people call them."""
        return self.title or self.office or self.unit_head or self.external


def _signer(value: object) -> object:
    if isinstance(value, str):
        value = {"title": value}
    if not isinstance(value, dict) or len(value) != 1 or not all(value.values()):
        raise ValueError("write one signer: a title, {office: ...}, {unit_head: ...} or {external: ...}")
    return value


OneSigner = Annotated[SignerPart, BeforeValidator(_signer)]


def _group(value: object) -> object:
    return value if isinstance(value, list) else [value]


Chain = Annotated[
    list[Annotated[list[OneSigner], BeforeValidator(_group), Field(min_length=1)]],
    BeforeValidator(_group),
    Field(min_length=1, max_length=9),
]
"""Signers one after the other; an inner list signs side by side."""


class GatePart(Strict):
    when: Condition = Field(default=_EVERY, alias="if")
    chain: Chain
    reading: str = ""
    document: str = ""
    one_per_matter: bool | None = None
    until_solved: bool | None = None
    seal: bool | None = None
    basis: Cited


class LeadershipPart(Strict):
    when: Condition = Field(default=_EVERY, alias="if")
    led_by: Annotated[Rank, Lax]
    label: str
    basis: Cited


class InsideUnitPart(Strict):
    principal_signs: bool
    leadership: list[LeadershipPart] = Field(default_factory=list)
    basis: Cited


class OnSpotPart(Strict):
    value: bool
    basis: Cited


class ApprovalPart(Strict):
    """Each gate: a list of rules, of which the first that fits counts."""

    before_dispatch: list[GatePart] | None = None
    inside_unit: InsideUnitPart | None = None
    signoff: list[GatePart] | None = None
    before_feedback: list[GatePart] | None = None
    report: list[GatePart] | None = None
    scope: list[GatePart] | None = None
    on_spot: OnSpotPart | None = None


class TerminatePart(Strict):
    min_unreasonable: int = Field(ge=2, le=20)
    chain: Chain
    document: str
    basis: Cited


class SupplementPart(Strict):
    limit: PeriodText
    ask_first: Strings | None = None
    ask_first_basis: Cited | None = None
    basis: Cited


def approval_rules(part: ApprovalPart | None, cite: Cite, condition: When_) -> ApprovalRules | None:
    """The section `approval` as values; None where the file has none."""
    if part is None:
        return None
    lists = {
        Gate.BEFORE_DISPATCH: part.before_dispatch,
        Gate.SIGNOFF: part.signoff,
        Gate.BEFORE_FEEDBACK: part.before_feedback,
        Gate.REPORT: part.report,
        Gate.SCOPE: part.scope,
    }
    gates = tuple(
        _gate(f"approval.{gate}[{index}]", gate, rule, cite, condition(rule.when))
        for gate, rules in lists.items()
        for index, rule in enumerate(rules or [])
    )
    on_spot = cite(part.on_spot.basis) if part.on_spot and part.on_spot.value else None
    return ApprovalRules(gates, _inside(part.inside_unit, cite, condition), on_spot)


def _gate(rule_id: str, gate: Gate, part: GatePart, cite: Cite, when: When) -> GateRule:
    return GateRule(
        rule_id=rule_id,
        gate=gate,
        when=when,
        chain=_chain(part.chain, gate),
        seal=bool(part.seal),
        reading=part.reading,
        document=part.document,
        one_per_matter=bool(part.one_per_matter),
        until_solved=bool(part.until_solved),
        basis=cite(part.basis),
    )


def _chain(parts: list[list[SignerPart]], gate: Gate) -> tuple[tuple[Signer, ...], ...]:
    return tuple(tuple(_named(one, gate) for one in group) for group in parts)


def _named(part: SignerPart, gate: Gate) -> Signer:
    if part.title:
        return Signer(part.name, SignerKind.SUPERVISOR if gate is Gate.SCOPE else SignerKind.TITLE)
    given = ((part.office, SignerKind.OFFICE), (part.unit_head, SignerKind.UNIT_HEAD))
    return Signer(part.name, next((kind for name, kind in given if name), SignerKind.EXTERNAL))


def _inside(part: InsideUnitPart | None, cite: Cite, condition: When_) -> InsideUnit | None:
    if part is None:
        return None
    rules = tuple(LeadershipRule(condition(r.when), r.led_by, r.label, cite(r.basis)) for r in part.leadership)
    return InsideUnit(part.principal_signs, cite(part.basis), rules)


def termination_rules(part: TerminatePart | None, cite: Cite) -> TerminationRules | None:
    """The section `terminate` as values; None where the file has none."""
    if part is None:
        return None
    rule = GateRule(
        rule_id="terminate",
        gate=Gate.TERMINATION,
        when=When(),
        chain=_chain(part.chain, Gate.TERMINATION),
        seal=False,
        reading="",
        document=part.document,
        one_per_matter=False,
        until_solved=False,
        basis=cite(part.basis),
    )
    return TerminationRules(part.min_unreasonable, rule)


def supplement_rules(part: SupplementPart | None, cite: Cite) -> SupplementRules | None:
    """The section `supplement` as values; None where the file has none."""
    if part is None:
        return None
    return SupplementRules(
        part.limit, frozenset(part.ask_first or ()), cite(part.ask_first_basis or part.basis), cite(part.basis)
    )


def approval_problems(
    approval: ApprovalPart | None, supplement: SupplementPart | None, codes: list[str], undetermined: bool
) -> Iterator[tuple[str, str]]:
    """What no single value shows: a head of no unit asked to sign, a code that is no rejection, doubt without a judge.

    codes: the rejections of the file; undetermined: whether one of them is for what the first receiver cannot tell.
    """
    for index, rule in enumerate((approval.before_dispatch if approval else None) or []):
        if any(one.unit_head for group in rule.chain for one in group):
            yield f"approval.before_dispatch.{index}.chain", "no unit has the ticket yet; write a title or an office"
    if undetermined and not (approval and approval.scope):
        yield "approval.scope", "a rejection is marked undetermined; say here who decides, for example [督办员]"
    for code in (supplement.ask_first if supplement else None) or []:
        if code not in codes:
            yield "supplement.ask_first", f"{code} is no code of reject; write one of {', '.join(codes)}"
