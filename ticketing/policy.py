"""What a regulation says, as values: limits, windows, contents, surveys, each with its source. PURE.

A policy is data (config/policies/<id>.yaml, read by config.policy_loader). A value whose Basis has no clause is ours,
because the regulation is silent. A ticket keeps the policy version it was opened under.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from ticketing.aftercare.follow_rules import FollowRules
from ticketing.aftercare.hearing_rules import HearingRules
from ticketing.aftercare.repeat_rules import RepeatRules
from ticketing.aftercare.reply_rules import AnswerRules, ReachRules
from ticketing.aftercare.reply_rules import Precision as Precision
from ticketing.aftercare.reply_rules import ReplyRules as ReplyRules
from ticketing.aftercare.reply_rules import TypeContents as TypeContents
from ticketing.aftercare.secrecy_rules import AbuseRules, Numbering, SecrecyRules
from ticketing.appraisal.rules import AppraisalRules as AppraisalRules
from ticketing.appraisal.rules import ReportRules as ReportRules
from ticketing.approvals.rules import ApprovalRules, SupplementRules, TerminationRules
from ticketing.clocks import Calendar, OfficeHours, Period, WorkdayClock, due_at, local_day
from ticketing.dispatch.rules import DispatchRules
from ticketing.exchange_rules import ExchangeRules
from ticketing.intake_rules import RealNameRules
from ticketing.intake_rules import RejectReason as RejectReason
from ticketing.intake_rules import Upstream as Upstream
from ticketing.intake_rules import UrgentRules as UrgentRules
from ticketing.knowledge.rules import KnowledgeRules
from ticketing.rules import OURS
from ticketing.rules import Anchor as Anchor
from ticketing.rules import Basis as Basis
from ticketing.rules import Case as Case
from ticketing.rules import LimitRule as LimitRule
from ticketing.rules import StatutoryLimit as StatutoryLimit
from ticketing.rules import When as When
from ticketing.supervision.rules import AccountabilityRules, CardRules, RemindRules, RosterRules, SuperviseRules


class NoPolicyInEffect(Exception):
    """No version of the policy has begun by this day; set `effective` in its file in config/policies."""


class PolicyMissing(Exception):
    """The ticket was opened under a policy version whose file is gone; put that file back into config/policies."""


SAME_TYPE = {"建议": "意见建议", "意见建议": "建议"}


class Pick(StrEnum):
    """Which of several fitting handling limits counts."""

    SHORTEST = "shortest"
    FIRST = "first"


class StatutoryNeed(StrEnum):
    """What a limit of another law needs before it counts."""

    LEGAL_BASIS = "legal_basis"
    APPROVER = "approver"


@dataclass(frozen=True, slots=True)
class HandleRules:
    """progress_every: how often the unit reports while a statutory limit runs (MC-031); None: never."""

    limits: tuple[LimitRule, ...]
    pick: Pick
    pick_basis: Basis
    statutory_basis: Basis
    statutory_needs: frozenset[StatutoryNeed] = frozenset(StatutoryNeed)
    progress_every: Period | None = None
    progress_basis: Basis = OURS


class CapKind(StrEnum):
    """How a regulation limits extensions."""

    FACTOR = "factor_of_original"
    """All extensions together: at most so many times the limit that was granted (LS-042, GZ-027)."""
    INCREMENT = "increment"
    """Each extension at most `period`, at most `max_count` of them (WX-019)."""
    TOTAL = "total_from_start"
    """Limit and extensions together: at most `period` from where the limit began (WX-017, MC-034)."""
    CALENDAR = "calendar_increment"
    """All extensions together: at most `period` of calendar days after the due time (SQ-018)."""


@dataclass(frozen=True, slots=True)
class Cap:
    """factor for FACTOR, period for the others. max_count None: the regulation sets no count."""

    kind: CapKind
    factor: int = 0
    period: Period | None = None
    max_count: int | None = None


@dataclass(frozen=True, slots=True)
class ExtensionRule:
    """What one kind of ticket may be given. approver: the body that decides, as people call it."""

    when: When
    cap: Cap
    approver: str
    basis: Basis


class ApplyWindow(StrEnum):
    """When an extension may be asked for."""

    BEFORE_DUE = "before_due"
    OPENS_1WD_BEFORE_DUE = "opens_1wd_before_due"
    """Only during the last working day (one reading of GZ-026)."""
    CLOSES_1WD_BEFORE_DUE = "closes_1wd_before_due"
    """At least one working day before the due time (the other)."""


class ExtensionNeed(StrEnum):
    """What a request for an extension must bring."""

    CITIZEN_INFORMED = "citizen_informed"
    NEW_DUE = "new_due"
    SIGNATURE = "principal_signature"
    SEAL = "seal"


@dataclass(frozen=True, slots=True)
class ExtensionRules:
    """rules: the first that fits. None fits: no extension. over: beyond this total from the start, `over_needs`
    are asked for as well (MC-033)."""

    rules: tuple[ExtensionRule, ...]
    window: ApplyWindow
    window_basis: Basis
    needs: frozenset[ExtensionNeed]
    over: Period | None
    over_needs: frozenset[ExtensionNeed]
    over_basis: Basis
    basis: Basis

    def rule(self, case: Case) -> ExtensionRule | None:
        """The rule for this ticket."""
        return next((rule for rule in self.rules if rule.when.fits(case)), None)


class Check(StrEnum):
    """Who decides whether a refusal case applies."""

    AUTO = "auto"
    HUMAN = "human"
    HINT = "auto_hint"
    """The system says what it found; a person decides."""


@dataclass(frozen=True, slots=True)
class RefusalCase:
    """One case in which a return is not granted."""

    code: str
    label: str
    check: Check
    basis: Basis


class OnLapse(StrEnum):
    """What the end of the return window means."""

    NONE = "none"
    DEEMED_ACCEPTED = "deemed_accepted"
    """The unit has taken the ticket (MC-027)."""


class ReturnNeed(StrEnum):
    """What a return must bring besides its reason."""

    LEGAL_BASIS = "legal_basis"
    SUGGESTION = "suggestion"
    """How it should be handled instead."""
    PROPER_UNIT = "proper_unit"
    NO_PART = "no_part_of_duty"
    """The unit states that no part of the matter is its duty (MC-024 beside MC-026)."""


@dataclass(frozen=True, slots=True)
class Grace:
    """A longer return window after an outage beyond the unit's power (GZ-030)."""

    add: Period
    times: int
    basis: Basis


@dataclass(frozen=True, slots=True)
class ReturnRules:
    """needs: of every group at least one. grace None: the regulation gives none."""

    windows: tuple[LimitRule, ...]
    refusals: tuple[RefusalCase, ...]
    needs: tuple[frozenset[ReturnNeed], ...]
    on_lapse: OnLapse
    lapse_basis: Basis
    grace: Grace | None
    basis: Basis

    def refusal(self, code: str) -> RefusalCase | None:
        """The case of that code."""
        return next((case for case in self.refusals if case.code == code), None)


@dataclass(frozen=True, slots=True)
class LeadRules:
    """The unit dispatched to first is the lead (首接负责). reply_by_lead: only it replies to the citizen."""

    reply_by_lead: bool
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
    window_basis: Basis = OURS

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
    grades: tuple[str, ...]
    """Grades of severity, worst first; empty where the regulation has none."""
    sources: tuple[str, ...]
    rejects: tuple[RejectReason, ...]
    urgent: UrgentRules
    dispatch: tuple[LimitRule, ...]
    sign: tuple[LimitRule, ...]
    handle: HandleRules
    extension: ExtensionRules
    returns: ReturnRules
    lead: LeadRules
    reply: ReplyRules
    survey: SurveyRules
    overdue: OverdueRules
    archive: ArchiveRules
    contact: tuple[LimitRule, ...] = ()
    answer: AnswerRules | None = None
    reach: ReachRules | None = None
    follow: FollowRules | None = None
    repeat: RepeatRules | None = None
    numbering: Numbering | None = None
    secrecy: SecrecyRules | None = None
    hearing: HearingRules | None = None
    abuse: AbuseRules | None = None
    knowledge: KnowledgeRules | None = None
    requester_kinds: tuple[str, ...] = ()
    key_sources: frozenset[str] = frozenset()
    """Channels whose tickets are 重点交办 (MC-018)."""
    key_basis: Basis = OURS
    real_name: RealNameRules | None = None
    approval: ApprovalRules | None = None
    termination: TerminationRules | None = None
    supplement: SupplementRules | None = None
    dispatching: DispatchRules | None = None
    exchange: ExchangeRules | None = None
    supervise: SuperviseRules | None = None
    remind: RemindRules | None = None
    cards: CardRules | None = None
    accountability: AccountabilityRules | None = None
    roster: RosterRules | None = None
    appraisal: AppraisalRules | None = None
    reports: ReportRules | None = None

    @property
    def name(self) -> str:
        """`<id>@<version>`, as deadlines and events cite it."""
        return f"{self.id}@{self.version}"

    def own_type(self, named: str) -> str | None:
        """The request type of that name as this text calls it (建议 may be 意见建议 here); None when unknown."""
        return next((name for name in (named, SAME_TYPE.get(named)) if name in self.request_types), None)

    def reject_reason(self, code: str) -> RejectReason | None:
        """The 不予受理 case of that code."""
        return next((reason for reason in self.rejects if reason.code == code), None)


@dataclass(slots=True)
class Rules:
    """All a service needs to judge: every known version of the policy in use here, and the work calendar.

    The one value that is not frozen: a process holds one, and an imported notice replaces its calendar at once for all.
    """

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
