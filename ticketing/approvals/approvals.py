"""Signatures before a dispatch, inside a unit, before an answer goes out: commands, rules, effects. PURE.

Waiting for a signature burns no unit's time: before a dispatch no unit's limit runs yet, and at the feedback gate the
reply's time is fixed already. Source: MC-017 to MC-019, MC-028, MC-050, MC-051, GZ-036, GZ-047, LS-015, SQ-011.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import ClassVar

from callcenter.types import Role
from ticketing.approvals.rules import RANK_NAMES, GateRule, Rank
from ticketing.approvals.signing import GATE_NAMES, Approval, Gate, Signer, SignerKind, Step, StepState, steps_of
from ticketing.clocks import Clock, DeadlineKind, Period, deadline, local_day
from ticketing.commands import Contents, Dispatch, Reject, Reply, Start
from ticketing.effects import resume_clocks
from ticketing.facts import Fact
from ticketing.policy import Policy
from ticketing.record import Context, Due, GuardFailed, NotYours, Ticket
from ticketing.rules import Basis
from ticketing.words import Event, Flag, State

RANKS = tuple(Rank)
WITH_A_UNIT = frozenset({State.DISPATCHED, State.SIGNED, State.HANDLING})
ASKED_IN: dict[Gate, frozenset[State]] = {
    Gate.BEFORE_DISPATCH: frozenset({State.REGISTERED, State.AWAITING_DISPATCH}),
    Gate.SCOPE: frozenset({State.REGISTERED, State.AWAITING_DISPATCH}),
    Gate.BEFORE_FEEDBACK: frozenset({State.REPLIED}),
    Gate.REPORT: WITH_A_UNIT,
}
"""Where 提请签批 may ask for which gate; sign-off and termination have commands of their own."""
REASONED = frozenset({Gate.REPORT, Gate.SCOPE})
"""Gates nobody passes on to without saying why."""
SIGNED_IN: dict[Gate, frozenset[State]] = {
    Gate.BEFORE_DISPATCH: frozenset({State.AWAITING_APPROVAL}),
    Gate.SCOPE: frozenset({State.AWAITING_APPROVAL}),
    Gate.SIGNOFF: frozenset({State.AWAITING_UNIT_SIGNOFF}),
    Gate.BEFORE_FEEDBACK: frozenset({State.AWAITING_FEEDBACK_APPROVAL}),
    Gate.REPORT: WITH_A_UNIT,
    Gate.TERMINATION: WITH_A_UNIT | {State.REPLIED, State.SURVEYING},
}
"""Where signatures of a gate are collected; a ticket that leaves these states withdraws them."""


# ---- what is asked ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AskApproval:
    """reason: needed for a report to the leaders and where it is doubtful whether a request is taken in."""

    event: ClassVar = Event.ASK_APPROVAL
    gate: Gate
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SignApproval:
    """signer: as which office, for a person who holds several. instruction: what the leader orders (批示).

    seal: number of the seal or e-seal. reference: the number an outside body gave. attachments: scans, by reference.
    """

    event: ClassVar = Event.SIGN_APPROVAL
    signer: str = ""
    opinion: str = ""
    instruction: str = ""
    seal: str = ""
    reference: str = ""
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeclineApproval:
    event: ClassVar = Event.DECLINE_APPROVAL
    reason: str
    signer: str = ""


@dataclass(frozen=True, slots=True)
class CompleteApproval:
    event: ClassVar = Event.COMPLETE_APPROVAL


@dataclass(frozen=True, slots=True)
class AskSignoff:
    """The reply the unit wants to give, for its principal's signature and seal."""

    event: ClassVar = Event.ASK_SIGNOFF
    contents: Contents


# ---- what became true ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ApprovalAsked(Fact):
    gate: Gate
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApprovalSigned(Fact):
    """complete: it was the last signature."""

    gate: Gate
    signer: str
    complete: bool


@dataclass(frozen=True, slots=True)
class ApprovalDeclined(Fact):
    gate: Gate
    signer: str
    reason: str


@dataclass(frozen=True, slots=True)
class ApprovalGranted(Fact):
    gate: Gate
    instruction: str


# ---- which rule applies -------------------------------------------------------------------------------------------


def gate_rule(ticket: Ticket, gate: Gate, policy: Policy) -> GateRule | None:
    """The rule of this gate for this ticket as it stands."""
    return policy.approval.rule(gate, ticket.case) if policy.approval else None


def askable(ticket: Ticket, policy: Policy) -> tuple[GateRule, ...]:
    """The signatures somebody could ask for now; what speaks against each is said when it is asked."""
    if ticket.approval:
        return ()
    here = (gate_rule(ticket, gate, policy) for gate, states in ASKED_IN.items() if ticket.state in states)
    return tuple(rule for rule in here if rule is not None and rule.rule_id not in ticket.cleared)


def missing_before_dispatch(ticket: Ticket, policy: Policy) -> GateRule | None:
    """The signatures this ticket still needs before anybody may dispatch it in this round."""
    rule = gate_rule(ticket, Gate.BEFORE_DISPATCH, policy)
    if rule is None or rule.rule_id in ticket.cleared:
        return None
    if ticket.leader_instruction and policy.approval:
        # What a leader wrote while signing makes it a leader's ticket; that alone asks for no second round of signing.
        case = replace(ticket.case, flags=ticket.flags - {Flag.LEADER})
        without = policy.approval.rule(Gate.BEFORE_DISPATCH, case)
        return None if without is not None and without.rule_id in ticket.cleared else rule
    return rule


def asked_for(rule: GateRule, ticket: Ticket, context: Context, why: str = "") -> Approval:
    """The signatures this rule asks for, all open."""
    return Approval(
        gate=rule.gate,
        rule_id=rule.rule_id,
        steps=steps_of(rule.chain),
        asked_by=str(context.actor),
        unit=ticket.lead_unit,
        why=why,
        basis=str(rule.basis),
        reading=rule.reading,
        seal=rule.seal,
    )


def names(chain: Iterable[Iterable[Signer]]) -> str:
    """The signers in order, as a sentence names them."""
    return ",再由".join("、".join(signer.name for signer in group) for group in chain)


def settled(ticket: Ticket) -> Ticket:
    """A ticket that has left the states of its gate collects no signatures any more."""
    if ticket.approval and ticket.state not in SIGNED_IN[Gate(ticket.approval)]:
        return replace(ticket, approval="", signing=None)
    return ticket


# ---- guards -------------------------------------------------------------------------------------------------------


def approval_askable(ticket: Ticket, detail: AskApproval, context: Context) -> None:
    """The gate exists here and now, is not passed and not being asked for already."""
    gate = GATE_NAMES[detail.gate]
    if ticket.state not in ASKED_IN.get(detail.gate, frozenset()):
        raise GuardFailed(f"工单现在不能提请「{gate}」。")
    rule = gate_rule(ticket, detail.gate, context.policy)
    if rule is None:
        raise GuardFailed(f"按本地规定，本工单不需要「{gate}」。")
    if rule.rule_id in ticket.cleared:
        raise GuardFailed.by(f"「{gate}」本轮已经完成，不需要再次提请。", rule.basis)
    _not_asked_yet(ticket, detail.gate)
    if ticket.approval and detail.gate is Gate.REPORT:
        # Both run beside the work; a report must not quietly withdraw the other.
        other = GATE_NAMES[Gate(ticket.approval)]
        raise GuardFailed.by(f"「{other}」正在签批，请待其完成后再提请「{gate}」。", rule.basis)
    if detail.gate in REASONED and not detail.reason.strip():
        raise GuardFailed.by(f"提请「{gate}」须写明情况和理由。", rule.basis)


def _not_asked_yet(ticket: Ticket, gate: Gate) -> None:
    if ticket.approval == gate:
        raise GuardFailed(f"「{GATE_NAMES[gate]}」正在签批，请等待结果。")


def signature_fits(ticket: Ticket, detail: SignApproval, context: Context) -> None:
    """Signed by the one whose turn it is, once, not by who asked, with the seal or the number the step needs."""
    signing, step = _turn(ticket, detail.signer, context)
    last = len([one for one in signing.steps if one.state is StepState.OPEN]) == 1
    if signing.seal and last and not detail.seal.strip():
        raise GuardFailed(f"须由{step.signer.name}签字并盖章：请填写印章或电子印章编号。", signing.basis)
    if step.signer.kind is SignerKind.EXTERNAL and not detail.reference.strip():
        raise GuardFailed(f"请填写{step.signer.name}的文号或销号编号。", signing.basis)


def decline_fits(ticket: Ticket, detail: DeclineApproval, context: Context) -> None:
    """By the one whose turn it is, with a reason."""
    _turn(ticket, detail.signer, context)
    if not detail.reason.strip():
        raise GuardFailed("签批不同意须写明理由。")


def _turn(ticket: Ticket, signer: str, context: Context) -> tuple[Approval, Step]:
    signing, actor = ticket.signing, str(context.actor)
    if signing is None or not signing.current:
        raise GuardFailed("没有等待签批的事项。")
    if actor == signing.asked_by:
        raise GuardFailed("提请签批的人不能自己签批。请由其他有此职务的人签批。", signing.basis)
    if any(step.signed_by == actor for step in signing.steps):
        raise GuardFailed("您已经在本次签批中签过，同一人不能签两次。", signing.basis)
    step = signing.step_for(context.actor, signer)
    if step is None:
        waiting = "、".join(one.signer.name for one in signing.current)
        raise NotYours(f"现在由{waiting}签批，您的账号没有这一签批职务。请转交签批人，或请管理员核对职务。")
    return signing, step


def signatures_complete(ticket: Ticket, _: object, __: Context) -> None:
    if ticket.signing is None or not ticket.signing.complete:
        raise GuardFailed("签批尚未完成。")


def signed_before_dispatch(ticket: Ticket, _: Dispatch, context: Context) -> None:
    """No way around the signatures before a dispatch, in any round. Source: MC-017, MC-018, MC-019, GZ-047."""
    rule = missing_before_dispatch(ticket, context.policy)
    if rule is not None:
        reading = f"({rule.reading})" if rule.reading else ""
        raise GuardFailed.by(f"本工单须由{names(rule.chain)}签批后才能派单{reading}。请先提请签批。", rule.basis)


def on_spot_known(_: Ticket, detail: Dispatch, context: Context) -> None:
    """当场分办 is noted only where the regulation has leaders answer the hotline. Source: MC-020."""
    rules = context.policy.approval
    if detail.on_spot_by.strip() and (rules is None or rules.on_spot is None):
        raise GuardFailed("本地规定没有领导接听当场分办。请去掉接听领导后再派单。")


DISPATCH_RULES = (signed_before_dispatch, on_spot_known)


def led_inside_unit(ticket: Ticket, detail: Start, context: Context) -> None:
    """The principal signs before the work is given out, and it is led as high as the rule says. Source: MC-028."""
    rules = context.policy.approval.inside_unit if context.policy.approval else None
    if rules is None:
        return
    if rules.principal_signs and Role.UNIT_HEAD not in context.actor.roles:
        raise GuardFailed.by(
            "工单须经承办单位主要负责人签批后分办。请由主要负责人操作「开始办理」。", rules.signs_basis
        )
    rule = rules.rule(ticket.case)
    if rule is None or rule.led_by is Rank.STAFF:
        return
    if not detail.led_by.strip() or detail.rank is None:
        raise GuardFailed.by(f"请填写牵头办理人及其职务；本工单应由{rule.label}办理。", rule.basis)
    if RANKS.index(detail.rank) > RANKS.index(rule.led_by):
        raise GuardFailed.by(f"本工单应由{rule.label}办理，不能由{RANK_NAMES[detail.rank]}代替。", rule.basis)


def no_signoff_asked(ticket: Ticket, _: Reply, context: Context) -> None:
    """Where a unit's principal must sign the result, it does not reply without. Source: MC-050."""
    rule = gate_rule(ticket, Gate.SIGNOFF, context.policy)
    if rule is not None:
        raise GuardFailed.by("办理结果须经单位主要负责人签字盖章。请「提请单位签批」。", rule.basis)


def signoff_asked_here(ticket: Ticket, _: AskSignoff, context: Context) -> None:
    if gate_rule(ticket, Gate.SIGNOFF, context.policy) is None:
        raise GuardFailed("按本地规定，办理结果不需要单位签批。请直接回复。")


def no_feedback_gate(ticket: Ticket, _: object, context: Context) -> None:
    """The citizen is not asked before the leaders signed what they are told. Source: MC-051."""
    rule = gate_rule(ticket, Gate.BEFORE_FEEDBACK, context.policy)
    if rule is not None:
        raise GuardFailed.by(f"办理结果须由{names(rule.chain)}签批后才能反馈。请先提请签批。", rule.basis)


def solved_when_raised(ticket: Ticket, detail: Reply | AskSignoff, context: Context) -> None:
    """A matter raised to a higher level stays open until it is solved. Source: LS-015."""
    raised = _raised(ticket, context.policy)
    if raised is not None and not detail.contents.finished:
        raise GuardFailed.by("本事项已提级统筹办理，须办到问题解决为止，不能以阶段性结果回复。", raised)


def _raised(ticket: Ticket, policy: Policy) -> Basis | None:
    rules = policy.approval.gates if policy.approval else ()
    return next((rule.basis for rule in rules if rule.until_solved and rule.rule_id in ticket.cleared), None)


def rejected_from_scope(ticket: Ticket, _: Reject, __: Context) -> None:
    """While signatures are collected, only the doubt whether it is taken in may end in a rejection."""
    if ticket.approval != Gate.SCOPE:
        raise GuardFailed("工单正在签批，不能直接不予受理。请等待签批结果。")


# ---- effects ------------------------------------------------------------------------------------------------------


def ask(ticket: Ticket, detail: AskApproval, context: Context) -> Ticket:
    rule = gate_rule(ticket, detail.gate, context.policy)
    assert rule is not None  # approval_askable refused otherwise
    return replace(ticket, approval=str(detail.gate), signing=asked_for(rule, ticket, context, detail.reason))


def ask_signoff(ticket: Ticket, detail: AskSignoff, context: Context) -> Ticket:
    rule = gate_rule(ticket, Gate.SIGNOFF, context.policy)
    assert rule is not None  # signoff_asked_here refused otherwise
    signing = replace(asked_for(rule, ticket, context), contents=detail.contents)
    return replace(ticket, approval=str(Gate.SIGNOFF), signing=signing)


def sign(ticket: Ticket, detail: SignApproval, context: Context) -> Ticket:
    """One signature more; a leader's instruction makes it a leader's ticket (MC-005) and goes out with the dispatch."""
    signing = ticket.signing
    step = signing.step_for(context.actor, detail.signer) if signing else None
    assert signing is not None
    assert step is not None
    signed = replace(ticket, signing=signing.marked(step, StepState.SIGNED, str(context.actor)))
    said = detail.instruction.strip()
    if not said:
        return signed
    line = f"{step.signer.name}：{said}"
    kept = "\n".join(one for one in (ticket.leader_instruction, line) if one)
    leader = {Flag.LEADER} if step.signer.kind is SignerKind.TITLE else set()
    return replace(signed, leader_instruction=kept, flags=ticket.flags | leader)


def decline(ticket: Ticket, _: DeclineApproval, context: Context) -> Ticket:
    """A declined feedback is a rejected reply: it counts as one, and the old limit runs on from where it stopped."""
    ended = replace(ticket, approval="", signing=None)
    if ticket.approval != Gate.BEFORE_FEEDBACK:
        return ended
    return _run_on(replace(ended, rejections=ticket.rejections + 1), context)


def _run_on(ticket: Ticket, context: Context) -> Ticket:
    """The handling limit goes on with what was left of it at the reply: the leaders' reading is not the unit's time."""
    met = [due for due in ticket.dues if due.deadline.kind is DeadlineKind.HANDLE and due.met_at is not None]
    waited = _waited(met[-1], context) if met else 0
    if not waited:
        return resume_clocks(ticket, (DeadlineKind.HANDLE,))
    old, policy = met[-1].deadline, context.policy
    longer = Period(old.amount + waited, old.clock)
    new = deadline(old.rule_id, old.kind, old.from_at, longer, context.calendar, policy.name, policy.workdays)
    return replace(ticket, dues=(*ticket.dues, Due(new, ticket.round)))


def _waited(due: Due, context: Context) -> int:
    """How much time of this limit's clock lies between the reply and now; a part of an hour or minute is a whole."""
    assert due.met_at is not None
    replied_on, today = local_day(due.met_at), local_day(context.now)
    match due.deadline.clock:
        case Clock.WORKING_DAY:
            return context.calendar.working_days(replied_on + timedelta(days=1), today)
        case Clock.CALENDAR_DAY:
            return (today - replied_on).days
        case Clock.NATURAL_HOUR:
            return ceil((context.now - due.met_at) / timedelta(hours=1))
        case _:
            return ceil((context.now - due.met_at) / timedelta(minutes=1))


def complete(ticket: Ticket, _: object, __: Context) -> Ticket:
    assert ticket.signing is not None  # signatures_complete refused otherwise
    return replace(ticket, approval="", signing=None, cleared=ticket.cleared | {ticket.signing.rule_id})
