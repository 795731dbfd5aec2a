"""Holding to account (问责): a case against a unit or a member of the staff, its ladder, its end. PURE.

The system lists what may lead to a case and gathers evidence; people decide every step. Source: GZ-063..066,
WX-033..037, LS-088, LS-089, SQ-040..043, MC-045..047, MC-061.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from callcenter.types import TicketId, UnitId
from ticketing.record import GuardFailed
from ticketing.supervision.rules import AccountabilityRules


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is held to account: a unit, a member of the hotline's staff, or a person of a unit."""

    unit: UnitId | None = None
    person: str = ""

    @property
    def staff(self) -> bool:
        """Whether it is one of the hotline's own people."""
        return self.unit is None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One event of a ticket, by its place and hash, so that nobody can change it afterwards unseen."""

    ticket_id: TicketId
    seq: int
    hash: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One rung that was taken. recipients: to whom it went."""

    rung: str
    at: datetime
    by: str
    note: str
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountCase:
    """One case. outcome empty: it is open. steps: in the order they were taken."""

    id: int
    policy_id: str
    policy_version: int
    reason: str
    severity: str
    subject: Subject
    facts: str
    opened_at: datetime
    opened_by: str
    steps: tuple[Step, ...] = ()
    outcome: str = ""
    outcome_note: str = ""
    ended_at: datetime | None = None
    ended_by: str | None = None


def check_opening(rules: AccountabilityRules, reason: str, severity: str, subject: Subject, facts: str) -> None:
    """A reason and a severity of the policy, somebody it may name, and what happened. Raises GuardFailed."""
    why = rules.reason(reason)
    if why is None:
        known = "、".join(f"{one.code}({one.label})" for one in rules.reasons)
        raise GuardFailed.by(f"没有「{reason}」这项问责情形。请从下列情形中选择：{known}。", rules.basis)
    if rules.severity(severity) is None:
        known = "、".join(f"{one.code}({one.label})" for one in rules.severities)
        raise GuardFailed.by(f"没有「{severity}」这一情节。请从下列情节中选择：{known}。", rules.basis)
    if subject.staff and not subject.person.strip():
        raise GuardFailed.by("请写明问责对象：承办单位，或热线工作人员的姓名。", why.basis)
    if subject.staff and not why.staff:
        raise GuardFailed.by("这种情形针对承办单位。请选择承办单位，或改选针对工作人员的情形。", why.basis)
    if not facts.strip():
        raise GuardFailed.by("请写明事实经过和造成的影响。", why.basis)


def take_step(
    rules: AccountabilityRules,
    case: AccountCase,
    rung_code: str,
    note: str,
    by: str,
    now: datetime,
    recipients: tuple[str, ...] = (),
) -> AccountCase:
    """The case one rung further. recipients: by default the severity's, for a rung only severe cases reach.

    Rungs go in the policy's order, each once; a case of the last severity may pass over some. Raises GuardFailed.
    """
    _open(rules, case)
    rung = rules.rung(rung_code)
    if rung is None:
        known = "、".join(f"{one.code}({one.label})" for one in rules.ladder)
        raise GuardFailed.by(f"没有「{rung_code}」这一步骤。请从下列步骤中选择：{known}。", rules.basis)
    severe = _severe(rules, case)
    if rung.severe and not severe:
        last = rules.severities[-1].label
        raise GuardFailed.by(f"只有「{last}」的才「{rung.label}」。请先调整情节，或选择其他步骤。", rung.basis)
    order = [one.code for one in rules.ladder]
    taken = max((order.index(step.rung) for step in case.steps), default=-1)
    place = order.index(rung_code)
    if place <= taken:
        raise GuardFailed.by(f"「{rung.label}」已经进行过，或已进入后续步骤。请选择后续步骤。", rung.basis)
    if not severe and place > taken + 1:
        before = rules.ladder[taken + 1].label
        raise GuardFailed.by(f"请先「{before}」，再「{rung.label}」。", rung.basis)
    if not note.strip():
        raise GuardFailed.by("请写明这一步骤的情况。", rung.basis)
    to = recipients or _recipients(rules, case)
    return replace(case, steps=(*case.steps, Step(rung_code, now, by, note, to)))


def regrade(rules: AccountabilityRules, case: AccountCase, severity: str) -> AccountCase:
    """The case with another severity. Raises GuardFailed."""
    _open(rules, case)
    if rules.severity(severity) is None:
        known = "、".join(f"{one.code}({one.label})" for one in rules.severities)
        raise GuardFailed.by(f"没有「{severity}」这一情节。请从下列情节中选择：{known}。", rules.basis)
    return replace(case, severity=severity)


def conclude(
    rules: AccountabilityRules, case: AccountCase, outcome: str, note: str, by: str, now: datetime
) -> AccountCase:
    """The case with its end; tolerated faults are an end of their own where the policy has it (SQ-043)."""
    _open(rules, case)
    if rules.outcome(outcome) is None:
        known = "、".join(f"{one.code}({one.label})" for one in rules.outcomes)
        raise GuardFailed.by(f"没有「{outcome}」这一处理结果。请从下列结果中选择：{known}。", rules.basis)
    if not note.strip():
        raise GuardFailed.by("请写明处理结果的依据和理由。", rules.basis)
    return replace(case, outcome=outcome, outcome_note=note, ended_at=now, ended_by=by)


def _open(rules: AccountabilityRules, case: AccountCase) -> None:
    if case.outcome:
        raise GuardFailed.by("这一案件已经办结，不能再改。如有新情况，请另立新案。", rules.basis)


def _severe(rules: AccountabilityRules, case: AccountCase) -> bool:
    return len(rules.severities) > 1 and case.severity == rules.severities[-1].code


def _recipients(rules: AccountabilityRules, case: AccountCase) -> tuple[str, ...]:
    severity = rules.severity(case.severity)
    return severity.recipients if severity else ()


def as_proposal(
    rules: AccountabilityRules, case: AccountCase, evidence: tuple[Evidence, ...], unit_name: str = ""
) -> Mapping[str, Any]:
    """The case as structured data for the bodies it goes to (GZ-066): who, why by which article, what shows it."""
    reason, severity, outcome = rules.reason(case.reason), rules.severity(case.severity), rules.outcome(case.outcome)
    return {
        "case": case.id,
        "policy": f"{case.policy_id}@{case.policy_version}",
        "subject": {"unit": case.subject.unit, "unit_name": unit_name, "person": case.subject.person},
        "reason": {
            "code": case.reason,
            "label": reason.label if reason else "",
            "basis": str(reason.basis) if reason else "",
        },
        "severity": severity.label if severity else case.severity,
        "recipients": list(_recipients(rules, case)),
        "facts": case.facts,
        "opened_at": case.opened_at.isoformat(),
        "opened_by": case.opened_by,
        "evidence": [
            {"ticket": one.ticket_id, "event": one.seq, "sha256": one.hash, "note": one.note} for one in evidence
        ],
        "steps": [
            {
                "rung": step.rung,
                "label": rung.label if (rung := rules.rung(step.rung)) else step.rung,
                "at": step.at.isoformat(),
                "by": step.by,
                "note": step.note,
                "recipients": list(step.recipients),
            }
            for step in case.steps
        ],
        "outcome": {"code": case.outcome, "label": outcome.label if outcome else "", "note": case.outcome_note},
    }
