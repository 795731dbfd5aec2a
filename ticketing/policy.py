"""What a regulation says, as values: limits, windows, contents, surveys, each with its source. PURE.

A policy is data (config/policies/<id>.yaml, read by config.policy_loader). A value whose Basis has no clause is ours,
because the regulation is silent. A ticket keeps the policy version it was opened under.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from ticketing.clocks import Calendar, OfficeHours, Period, WorkdayClock, due_at, local_day


class NoPolicyInEffect(Exception):
    """No version of the policy has begun by this day; set `effective` in its file in config/policies."""


class PolicyMissing(Exception):
    """The ticket was opened under a policy version whose file is gone; put that file back into config/policies."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Where a value comes from. No clause means that the regulation is silent and the value is our own.

    articles: the same clauses as people cite them, 第十二条(二)1. partly_ours: cited, but a part of it is our own.
    """

    clauses: tuple[str, ...] = ()
    articles: tuple[str, ...] = ()
    partly_ours: bool = False

    @property
    def is_default(self) -> bool:
        """Whether the value is ours."""
        return not self.clauses

    def __str__(self) -> str:
        return "、".join(self.articles) if self.articles else "本系统默认"


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule may ask about a ticket."""

    request_type: str
    source: str
    urgent: bool


@dataclass(frozen=True, slots=True)
class When:
    """The condition of a rule: every named property must fit. Nothing named fits every ticket."""

    urgent: bool | None = None
    types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    def fits(self, case: Case) -> bool:
        """Whether the rule is for this ticket."""
        return (
            (self.urgent is None or self.urgent == case.urgent)
            and (not self.types or case.request_type in self.types)
            and (not self.sources or case.source in self.sources)
        )


class Anchor(StrEnum):
    """The moment a limit counts from."""

    REGISTERED = "registered"
    DISPATCH = "dispatch"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class LimitRule:
    """One limit. period None: the regulation sets none. rule_id: its place in the file, `handle.limits[2]`."""

    rule_id: str
    when: When
    period: Period | None
    start: Anchor
    basis: Basis


@dataclass(frozen=True, slots=True)
class StatutoryLimit:
    """A limit some other law sets for this ticket (LS-040); it goes before every limit of the policy."""

    period: Period
    legal_basis: str
    approver: str


class Pick(StrEnum):
    """Which of several fitting handling limits counts."""

    SHORTEST = "shortest"
    FIRST = "first"


@dataclass(frozen=True, slots=True)
class Upstream:
    """The platform above this one. public_intake False: citizens' own requests are registered only as exceptions."""

    platform: str
    public_intake: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class RejectReason:
    """One case of 不予受理. needs: what must be given with it, see ticketing.commands.Reject."""

    code: str
    label: str
    needs: frozenset[str]
    basis: Basis


@dataclass(frozen=True, slots=True)
class UrgentRules:
    """突发类: what it is for, and whether the unit must be told by telephone when it is dispatched."""

    meaning: str
    phone_notice: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class HandleRules:
    limits: tuple[LimitRule, ...]
    pick: Pick
    pick_basis: Basis
    statutory_basis: Basis


@dataclass(frozen=True, slots=True)
class ExtensionRules:
    """max_count None: the regulation sets no count. factor: all extensions together, as a multiple of the limit."""

    approver: str
    factor: int
    max_count: int | None
    citizen_informed: bool
    basis: Basis


class Check(StrEnum):
    """Who decides whether a refusal case applies."""

    AUTO = "auto"
    HUMAN = "human"


@dataclass(frozen=True, slots=True)
class RefusalCase:
    """One case in which a return is not granted."""

    code: str
    label: str
    check: Check
    basis: Basis


@dataclass(frozen=True, slots=True)
class ReturnRules:
    windows: tuple[LimitRule, ...]
    refusals: tuple[RefusalCase, ...]
    needs_basis: bool
    basis: Basis

    def refusal(self, code: str) -> RefusalCase | None:
        """The case of that code."""
        return next((case for case in self.refusals if case.code == code), None)


@dataclass(frozen=True, slots=True)
class LeadRules:
    """The unit dispatched to first is the lead (首接负责). reply_by_lead: only it replies to the citizen."""

    reply_by_lead: bool
    basis: Basis


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


class SurveyAt(StrEnum):
    """When the citizen is asked."""

    REPLY_SUBMITTED = "reply_submitted"
    REVIEW_PASSED = "review_passed"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a citizen is not satisfied. objective: beyond the unit, counted apart."""

    code: str
    label: str
    objective: bool


@dataclass(frozen=True, slots=True)
class SurveyRules:
    """levels: every rating, best first. closing: those that close a ticket.

    no_reply: the rating once `window` has passed since the message was delivered; None when silence means nothing.
    manual_call, review: how long a person has for the call or the review that a survey asks for.
    """

    at: SurveyAt
    window: Period
    levels: tuple[str, ...]
    closing: frozenset[str]
    no_reply: str | None
    no_reply_basis: Basis
    undelivered_basis: Basis
    unsatisfied_basis: Basis
    causes: tuple[Cause, ...]
    manual_call: Period
    review: Period
    basis: Basis

    def cause(self, code: str) -> Cause | None:
        """The cause of that code."""
        return next((cause for cause in self.causes if cause.code == code), None)


@dataclass(frozen=True, slots=True)
class OverdueRules:
    """What an overdue ticket asks of its unit."""

    explanation: Period | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class ArchiveRules:
    """package: the kinds of material kept. recording_years: counted from the later of call and closing."""

    package: tuple[str, ...]
    recording_years: int
    basis: Basis


@dataclass(frozen=True, slots=True)
class CalendarChoice:
    overlays: tuple[str, ...]
    office_hours: OfficeHours
    basis: Basis


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of one region's regulation. digest: of the file's text, so that a changed file is noticed."""

    id: str
    version: int
    title: str
    region: str
    effective_from: date
    effective_to: date | None
    basis: Basis
    digest: str
    upstream: Upstream
    calendar: CalendarChoice
    workdays: WorkdayClock
    request_types: tuple[str, ...]
    sources: tuple[str, ...]
    rejects: tuple[RejectReason, ...]
    urgent: UrgentRules
    dispatch: LimitRule
    sign: tuple[LimitRule, ...]
    handle: HandleRules
    extension: ExtensionRules
    returns: ReturnRules
    lead: LeadRules
    reply: ReplyRules
    survey: SurveyRules
    overdue: OverdueRules
    archive: ArchiveRules

    @property
    def name(self) -> str:
        """`<id>@<version>`, as deadlines and events cite it."""
        return f"{self.id}@{self.version}"

    def reject_reason(self, code: str) -> RejectReason | None:
        """The 不予受理 case of that code."""
        return next((reason for reason in self.rejects if reason.code == code), None)


@dataclass(frozen=True, slots=True)
class Rules:
    """All a service needs to judge: every known version of the policy in use here, and the work calendar."""

    policies: tuple[Policy, ...]
    calendar: Calendar

    def at(self, now: datetime) -> Policy:
        """The version a ticket opened now falls under.

        The newest whose effective range holds the local day; when all ranges have ended, the last one that began
        stays in use, for a hotline does not stop at midnight. Raises NoPolicyInEffect before the first begins.
        """
        day = local_day(now)
        begun = sorted((p for p in self.policies if p.effective_from <= day), key=lambda p: p.version)
        if not begun:
            raise NoPolicyInEffect(f"no policy version is in effect on {day}")
        holding = [p for p in begun if p.effective_to is None or day <= p.effective_to]
        return (holding or begun)[-1]

    def of(self, policy_id: str, version: int) -> Policy:
        """The version a ticket keeps. Raises PolicyMissing."""
        for policy in self.policies:
            if (policy.id, policy.version) == (policy_id, version):
                return policy
        raise PolicyMissing(f"policy {policy_id}@{version} is not loaded; put its file back into config/policies")


def first_fit(rules: tuple[LimitRule, ...], case: Case) -> LimitRule | None:
    """The first rule for this case; None when none is."""
    return next((rule for rule in rules if rule.when.fits(case)), None)


def handle_limit(policy: Policy, case: Case, from_at: datetime, calendar: Calendar) -> LimitRule | None:
    """The handling limit of this case: urgent rules first, then by `pick`; None when no fitting rule has a period.

    Source: LS-036 and LS-039; a 主席信箱 ticket that is a 咨询 falls under the shorter of the two limits.
    """
    fitting = [rule for rule in policy.handle.limits if rule.when.fits(case)]
    urgent = [rule for rule in fitting if rule.when.urgent]
    timed = [rule for rule in urgent or fitting if rule.period is not None]
    if not timed or policy.handle.pick is Pick.FIRST:
        return timed[0] if timed else None

    def due(rule: LimitRule) -> datetime:
        assert rule.period is not None
        return due_at(from_at, rule.period, calendar, policy.workdays)

    return min(timed, key=due)


def statutory_rule(limit: StatutoryLimit, basis: Basis) -> LimitRule:
    """A statutory limit as a rule like any other."""
    return LimitRule("handle.statutory_override", When(), limit.period, Anchor.DISPATCH, basis)


def longest_extension(policy: Policy, original: int, granted: int) -> int:
    """How much more may be granted, in the unit of the original limit (LS-042: at most once the original)."""
    return max(0, policy.extension.factor * original - granted)
