"""The hotline's review of a reply: outcomes that need it, defects, and the conclusions only it can draw. PURE.

A rejected reply restarts no clock (SQ-019). Source: GZ-028, GZ-045, GZ-050, LS-011, LS-057, LS-061, MC-039, WX-030.
"""

from ticketing.aftercare.reply_rules import Outcome
from ticketing.commands import BeginSurvey, Contents, Reject, RejectReply, Reply
from ticketing.policy import Policy
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.words import REPLY_FIELD_NAMES, Flag, State

SOLVED, PARTLY = "solved", "partly"
ANY_REJECTION = "any"


def outcome_of(contents: Contents) -> str:
    """What the reply says came of it; a finished one that says nothing says solved."""
    return contents.outcome or (SOLVED if contents.finished else PARTLY)


def outcome_complete(ticket: Ticket, detail: Reply, context: Context) -> None:
    """The outcome is one of the policy's, with all it needs."""
    answer, contents = context.policy.answer, detail.contents
    if answer is None or not answer.outcomes:
        return
    outcome = answer.outcome(outcome_of(contents))
    if outcome is None:
        known = "、".join(f"{one.code}({one.label})" for one in answer.outcomes)
        raise GuardFailed.by(f"没有「{contents.outcome}」这种办理结论。可选：{known}。", answer.basis)
    missing = [
        REPLY_FIELD_NAMES[name]
        for name in outcome.needs
        if not getattr(contents, name) and not (name == "citizen_contacted_at" and ticket.confidential)
    ]
    if missing:
        raise GuardFailed.by(f"办理结论为「{outcome.label}」的，还须填写：{'、'.join(missing)}。", outcome.basis)


def result_told(ticket: Ticket, detail: Reply, context: Context) -> None:
    """The citizen learnt the result, by the contact they left, before it is reported. Source: GZ-051."""
    answer, contents = context.policy.answer, detail.contents
    if answer is None or answer.told is None or ticket.confidential:
        return
    told = contents.result_told_at is not None and contents.result_told_by.strip()
    if not told and not contents.unreachable_why.strip():
        raise GuardFailed.by(
            "须先将办理结果告知诉求人，并填写告知的时间和方式；确实联系不上的，请写明情况。", answer.told
        )


def opinion_given(ticket: Ticket, detail: Reply, context: Context) -> None:
    """Who asked for a written opinion gets one. Source: SQ-024."""
    answer = context.policy.answer
    if answer is None or answer.opinion is None or Flag.WRITTEN_OPINION not in ticket.flags:
        return
    if not detail.contents.opinion_document.strip():
        raise GuardFailed.by("诉求人要求书面办理意见，请出具并上传后再回复。", answer.opinion)


def signed_in_person(ticket: Ticket, detail: Reply, context: Context) -> None:
    """Where a rule names who handles it in person, that person signs the reply. Source: SQ-036."""
    rule = context.policy.repeat.rule(ticket.repeat_rule) if context.policy.repeat else None
    if rule is None or not ticket.responsible or detail.contents.signed_by.strip():
        return
    raise GuardFailed.by(f"本工单属于重复诉求，须由{ticket.responsible}直接跟进办理并签发。请填写签发人。", rule.basis)


def defect_known(_: Ticket, detail: RejectReply, context: Context) -> None:
    """A reply goes back for one of the policy's defects, with the reason in words."""
    answer = context.policy.answer
    if answer is not None and answer.defect(detail.defect) is None:
        known = "、".join(f"{one.code}({one.label})" for one in answer.defects)
        raise GuardFailed.by(f"请选定退回的原因：{known}。", answer.basis)


def review_done(ticket: Ticket, _: BeginSurvey, context: Context) -> None:
    """Some outcomes stand only after a person accepted them. Source: GZ-028."""
    found = concluded(ticket, context.policy)
    if found is not None and found.reviewed and context.actor.kind != "user" and ticket.state is State.REPLIED:
        raise GuardFailed.by(f"办理结论「{found.label}」须由热线审核。", found.basis)


def concluded(ticket: Ticket, policy: Policy) -> Outcome | None:
    """The policy's words on this ticket's outcome."""
    return policy.answer.outcome(ticket.outcome) if policy.answer else None


def waits_for_review(ticket: Ticket, policy: Policy) -> bool:
    """Whether a person must look before anything follows."""
    found = concluded(ticket, policy)
    return found is not None and found.reviewed


def conclusion_follows(ticket: Ticket, detail: Reject, context: Context) -> None:
    """After handling, a request is refused only as the unit's outcome, confirmed by the review, says."""
    found = concluded(ticket, context.policy)
    if found is None or found.rejects not in (detail.code, ANY_REJECTION):
        raise GuardFailed("承办单位的办理结论不支持这种不予受理情形。请退回重新回复，或开始回访。")


def verified_first(ticket: Ticket, detail: Reject, context: Context) -> None:
    """What a unit must look into first is no ground at the desk. Source: LS-011."""
    answer, reason = context.policy.answer, context.policy.reject_reason(detail.code)
    looked_into = ticket.round > 1 or ticket.returns > 0
    if answer is None or reason is None or looked_into:
        return
    if any(one.rejects == detail.code for one in answer.outcomes):
        raise GuardFailed.by(
            f"「{reason.label}」须经核实才能认定。请先派单核实，由承办单位在回复中提出结论。", reason.basis
        )
