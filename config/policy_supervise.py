"""The sections `supervise`, `remind`, `cards`, `accountability` and `roster` of a policy file."""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from config.policy_base import Cited, Condition, ConditionPart, Lax, PeriodText, Strict, Strings, listed
from ticketing.clocks import Clock, DeadlineKind
from ticketing.rules import Basis, When
from ticketing.supervision.rules import (
    COUNTED,
    AccountabilityRules,
    Card,
    CardRule,
    CardRules,
    CaseOutcome,
    CaseReason,
    Finding,
    FindingRule,
    Form,
    On,
    RemindRules,
    RosterRules,
    Rung,
    Severity,
    SuperviseRules,
    Trigger,
)

Cite = Callable[[list[str]], Basis]
Conditions = Callable[[ConditionPart], When]
CODE = r"^[A-Z][A-Z0-9_]{1,39}$"


class TriggerPart(Strict):
    """One reason. at_least: for counted ones; window: calendar days in which the requests are counted, or absent."""

    code: str = Field(pattern=CODE)
    label: str
    on: Annotated[On, Lax] = Field(alias="upon")
    when: Condition = Field(default=ConditionPart(), alias="if")
    at_least: int = Field(default=1, ge=1, le=1000)
    window: PeriodText | None = None
    unresolved: bool = False
    basis: Cited

    @model_validator(mode="after")
    def _counts_what_can_be_counted(self) -> Self:
        if "at_least" in self.model_fields_set and self.on not in COUNTED:
            raise ValueError(f"at_least: {self.on} is not counted; take it out")
        if self.window is not None and (
            self.on not in (On.SAME_PERSON, On.PERSON_TIMES) or self.window.clock is not Clock.CALENDAR_DAY
        ):
            raise ValueError("window: write calendar days, for example 90d, for same_person or person_times only")
        if self.on is On.CASE and not self.when.model_fields_set:
            raise ValueError("if: a trigger on the case needs its condition, for example {flags: media}")
        return self


class FormsPart(Strict):
    values: list[Annotated[Form, Lax]] = Field(min_length=1)
    basis: Cited


class JointPart(Strict):
    bodies: list[str] = Field(min_length=1)
    basis: Cited


class DelegatePart(Strict):
    """The department in charge may lead a supervision."""

    basis: Cited


class SupervisePart(Strict):
    """forms: the first is the system's own. feedback: how long the unit has to answer."""

    forms: FormsPart
    feedback: PeriodText
    feedback_basis: Cited
    triggers: list[TriggerPart] = Field(min_length=1)
    untrue_causes: Strings = Field(default_factory=list)
    joint: JointPart | None = None
    delegate: DelegatePart | None = None
    basis: Cited

    @model_validator(mode="after")
    def _codes_once(self) -> Self:
        _once("triggers", [trigger.code for trigger in self.triggers])
        return self


class RemindPart(Strict):
    """working_days: for limits in days. share: 4 means that a quarter of a limit in hours is left."""

    kinds: list[Annotated[DeadlineKind, Lax]] = Field(min_length=1)
    working_days: int = Field(ge=1, le=30)
    share: int = Field(ge=2, le=100)
    basis: Cited


class CardPart(Strict):
    """percent: of the handling limit's time; after: so long after its end; neither: at its end."""

    level: Annotated[Card, Lax]
    percent: int | None = Field(default=None, ge=1, le=99)
    after: PeriodText | None = None
    basis: Cited

    @model_validator(mode="after")
    def _one_moment(self) -> Self:
        if self.percent is not None and self.after is not None:
            raise ValueError("write percent or after, not both")
        return self


class CardsPart(Strict):
    levels: list[CardPart] = Field(min_length=1)
    basis: Cited

    @model_validator(mode="after")
    def _mildest_first(self) -> Self:
        levels = [list(Card).index(part.level) for part in self.levels]
        if levels != sorted(set(levels)):
            raise ValueError("levels: write each level once, the mildest first: sms, yellow, red")
        return self


class FindingPart(Strict):
    finding: Annotated[Finding, Lax]
    label: str
    at_least: int = Field(default=1, ge=1, le=100)
    when: Condition = Field(default=ConditionPart(), alias="if")
    basis: Cited


class ReasonPart(Strict):
    """staff: may name a member of the hotline's own staff too."""

    code: str = Field(pattern=CODE)
    label: str
    staff: bool = False
    basis: Cited


class SeverityPart(Strict):
    code: str = Field(pattern=CODE)
    label: str
    recipients: list[str] = Field(min_length=1)
    basis: Cited


class RungPart(Strict):
    """severe: only a case of the last severity comes here."""

    code: str = Field(pattern=CODE)
    label: str
    severe: bool = False
    basis: Cited


class OutcomePart(Strict):
    code: str = Field(pattern=CODE)
    label: str
    basis: Cited


class AccountabilityPart(Strict):
    findings: list[FindingPart] = Field(default_factory=list)
    reasons: list[ReasonPart] = Field(min_length=1)
    severities: list[SeverityPart] = Field(min_length=1)
    ladder: list[RungPart] = Field(min_length=1)
    outcomes: list[OutcomePart] = Field(min_length=1)
    basis: Cited

    @model_validator(mode="after")
    def _codes_once(self) -> Self:
        for name in ("reasons", "severities", "ladder", "outcomes"):
            _once(name, [part.code for part in getattr(self, name)])
        _once("findings", [part.finding for part in self.findings])
        return self


class LoginPart(Strict):
    basis: Cited


class SessionPart(Strict):
    weeks: int = Field(ge=1, le=52)
    basis: Cited


class RosterPart(Strict):
    """kinds: which duties are planned: unit, hotline, leader. daily_login, leader_session: absent: no such rule."""

    kinds: Annotated[list[Literal["unit", "hotline", "leader"]], BeforeValidator(listed), Field(min_length=1)]
    daily_login: LoginPart | None = None
    leader_session: SessionPart | None = None
    basis: Cited


def _once(name: str, codes: list[str]) -> None:
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise ValueError(f"{name}: {', '.join(twice)} stands twice; give each its own code")


def supervise_rules(part: SupervisePart | None, cite: Cite, condition: Conditions) -> SuperviseRules | None:
    """The section as a value."""
    if part is None:
        return None
    triggers = tuple(
        Trigger(t.code, t.label, t.on, cite(t.basis), condition(t.when), t.at_least, t.window, t.unresolved)
        for t in part.triggers
    )
    return SuperviseRules(
        forms=tuple(part.forms.values),
        forms_basis=cite(part.forms.basis),
        feedback=part.feedback,
        feedback_basis=cite(part.feedback_basis),
        triggers=triggers,
        untrue_causes=frozenset(part.untrue_causes),
        joint=tuple(part.joint.bodies) if part.joint else (),
        joint_basis=cite(part.joint.basis) if part.joint else Basis(),
        delegate=part.delegate is not None,
        delegate_basis=cite(part.delegate.basis) if part.delegate else Basis(),
        basis=cite(part.basis),
    )


def remind_rules(part: RemindPart | None, cite: Cite) -> RemindRules | None:
    """The section as a value."""
    if part is None:
        return None
    return RemindRules(frozenset(part.kinds), part.working_days, part.share, cite(part.basis))


def card_rules(part: CardsPart | None, cite: Cite) -> CardRules | None:
    """The section as a value."""
    if part is None:
        return None
    levels = tuple(CardRule(one.level, one.percent, one.after, cite(one.basis)) for one in part.levels)
    return CardRules(levels, cite(part.basis))


def accountability_rules(
    part: AccountabilityPart | None, cite: Cite, condition: Conditions
) -> AccountabilityRules | None:
    """The section as a value."""
    if part is None:
        return None
    return AccountabilityRules(
        findings=tuple(
            FindingRule(f.finding, f.label, f.at_least, condition(f.when), cite(f.basis)) for f in part.findings
        ),
        reasons=tuple(CaseReason(r.code, r.label, r.staff, cite(r.basis)) for r in part.reasons),
        severities=tuple(Severity(s.code, s.label, tuple(s.recipients), cite(s.basis)) for s in part.severities),
        ladder=tuple(Rung(r.code, r.label, r.severe, cite(r.basis)) for r in part.ladder),
        outcomes=tuple(CaseOutcome(o.code, o.label, cite(o.basis)) for o in part.outcomes),
        basis=cite(part.basis),
    )


def roster_rules(part: RosterPart | None, cite: Cite) -> RosterRules | None:
    """The section as a value."""
    if part is None:
        return None
    login, session = part.daily_login, part.leader_session
    return RosterRules(
        kinds=tuple(part.kinds),
        daily_login=login is not None,
        login_basis=cite(login.basis) if login else Basis(),
        leader_session_weeks=session.weeks if session else None,
        session_basis=cite(session.basis) if session else Basis(),
        basis=cite(part.basis),
    )
