"""What a regulation says of supervision, reminders, warning cards, accountability and duty, as values. PURE."""

from dataclasses import dataclass, field
from enum import StrEnum

from ticketing.clocks import DeadlineKind, Period
from ticketing.rules import Basis, Case, When


class Form(StrEnum):
    """How a unit is supervised (督办形式)."""

    PHONE = "phone"
    SMS = "sms"
    WRITTEN = "written"
    NETWORK = "network"
    SITE = "site"
    UNDERCOVER = "undercover"
    MEETING = "meeting"
    LEADER = "leader"


FORM_NAMES: dict[Form, str] = {
    Form.PHONE: "电话督办",
    Form.SMS: "短信督办",
    Form.WRITTEN: "书面督办",
    Form.NETWORK: "网络督办",
    Form.SITE: "现场督办",
    Form.UNDERCOVER: "暗访督办",
    Form.MEETING: "会议督办",
    Form.LEADER: "领导批示督办",
}


class On(StrEnum):
    """What makes a supervision begin; MANUAL and KNOWLEDGE do not come from a fact of a ticket."""

    OVERDUE = "overdue"
    OVERDUE_EXTENDED = "overdue_extended"
    """Overdue although extended, and the explanation asked for was not written in time."""
    UNSIGNED = "unsigned"
    RETURN_REFUSED = "return_refused"
    LEAD_REFUSES = "lead_refuses"
    """The lead unit of a matter of several units lets the sign limit pass, or its return is refused."""
    ASSIST_SILENT = "assist_silent"
    REPLY_REJECTED = "reply_rejected"
    UNTRUE_REPLY = "untrue_reply"
    CASE = "case"
    """The ticket fits the trigger's condition when a unit has it: its source, a leader's or the media's interest."""
    SEVERAL_UNITS = "several_units"
    DUTY_UNCLEAR = "duty_unclear"
    SAME_PERSON = "same_person"
    """One citizen brought the matter so many times."""
    PERSON_TIMES = "person_times"
    """The matter was brought so many times by anybody (人次)."""
    KNOWLEDGE = "knowledge"
    """A unit's knowledge item is past its review, or its update was refused."""
    MANUAL = "manual"


COUNTED = frozenset({On.REPLY_REJECTED, On.SEVERAL_UNITS, On.SAME_PERSON, On.PERSON_TIMES})
"""Triggers that ask for a count."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One reason for supervision. at_least: the count it needs; window: within which past; None: ever.

    unresolved: only while an earlier request of the matter is open or ended unsatisfied.
    """

    code: str
    label: str
    on: On
    basis: Basis
    when: When = field(default_factory=When)
    at_least: int = 1
    window: Period | None = None
    unresolved: bool = False


@dataclass(frozen=True, slots=True)
class SuperviseRules:
    """forms: the allowed ones, the first is what the system uses. feedback: what a supervised unit has to answer.

    joint: bodies that supervise together; delegate: the department in charge may lead the supervision.
    untrue_causes: cause codes of a follow-up that mean the reply was not true.
    """

    forms: tuple[Form, ...]
    forms_basis: Basis
    feedback: Period
    feedback_basis: Basis
    triggers: tuple[Trigger, ...]
    untrue_causes: frozenset[str]
    joint: tuple[str, ...]
    joint_basis: Basis
    delegate: bool
    delegate_basis: Basis
    basis: Basis

    def trigger(self, code: str) -> Trigger | None:
        """The reason of that code."""
        return next((trigger for trigger in self.triggers if trigger.code == code), None)


@dataclass(frozen=True, slots=True)
class RemindRules:
    """Reminders before these deadlines end: `working_days` before one that counts days; a quarter (`share` = 4) of
    the time for one that counts hours or minutes."""

    kinds: frozenset[DeadlineKind]
    working_days: int
    share: int
    basis: Basis


class Card(StrEnum):
    """Warning levels, mildest first."""

    SMS = "sms"
    YELLOW = "yellow"
    RED = "red"


CARD_NAMES: dict[Card, str] = {Card.SMS: "短信预警", Card.YELLOW: "黄牌警告", Card.RED: "红牌警告"}


@dataclass(frozen=True, slots=True)
class CardRule:
    """When a level is due by the handling limit: at `percent` of its time, or so long after it ended, or at its end."""

    level: Card
    percent: int | None
    after: Period | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class CardRules:
    """levels: mildest first."""

    levels: tuple[CardRule, ...]
    basis: Basis


class Finding(StrEnum):
    """What the system lists for accountability by itself."""

    SUPERVISED_SILENT = "supervised_silent"
    """Supervised so many times without an answer."""
    RETURNED = "returned"
    OVERDUE = "overdue"
    URGENT_OVERDUE = "urgent_overdue"
    REFUSED_RETURN = "refused_return"
    """A return without any ground was refused: inaction."""
    LOOKED_BACK = "looked_back"
    """The matter was looked at again after it was closed, and something was still wrong."""


@dataclass(frozen=True, slots=True)
class FindingRule:
    """at_least: the count that lists a ticket. when: only tickets it fits."""

    finding: Finding
    label: str
    at_least: int
    when: When
    basis: Basis


@dataclass(frozen=True, slots=True)
class CaseReason:
    """Why somebody is held to account. staff: may also name a member of the hotline's own staff."""

    code: str
    label: str
    staff: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class Severity:
    """How grave a case is, and to whom the proposal goes."""

    code: str
    label: str
    recipients: tuple[str, ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder. severe: needs the last severity."""

    code: str
    label: str
    severe: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """How a case may end."""

    code: str
    label: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class AccountabilityRules:
    """severities: mildest first. ladder: the order of steps; a severe case may pass over rungs."""

    findings: tuple[FindingRule, ...]
    reasons: tuple[CaseReason, ...]
    severities: tuple[Severity, ...]
    ladder: tuple[Rung, ...]
    outcomes: tuple[CaseOutcome, ...]
    basis: Basis

    def reason(self, code: str) -> CaseReason | None:
        """The reason of that code."""
        return next((reason for reason in self.reasons if reason.code == code), None)

    def severity(self, code: str) -> Severity | None:
        """The severity of that code."""
        return next((severity for severity in self.severities if severity.code == code), None)

    def rung(self, code: str) -> Rung | None:
        """The step of that code."""
        return next((rung for rung in self.ladder if rung.code == code), None)

    def outcome(self, code: str) -> CaseOutcome | None:
        """The end of that code."""
        return next((outcome for outcome in self.outcomes if outcome.code == code), None)


@dataclass(frozen=True, slots=True)
class RosterRules:
    """kinds: which duties are planned. daily_login: every unit signs in each working day. leader_session_weeks: a
    leader answers the telephone once in so many weeks; None: no such rule."""

    kinds: tuple[str, ...]
    daily_login: bool
    login_basis: Basis
    leader_session_weeks: int | None
    session_basis: Basis
    basis: Basis


def fitting(triggers: tuple[Trigger, ...], on: On, case: Case) -> tuple[Trigger, ...]:
    """The triggers of that kind whose condition fits the ticket."""
    return tuple(trigger for trigger in triggers if trigger.on is on and trigger.when.fits(case))
