"""Returns beside their asking and granting: lapse of the window, outages, and what speaks against a return. PURE.

Source: MC-027 (逾期未退视同已接收), GZ-030 (断网顺延), LS-046 to LS-053 (不予退回的七种情形).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from ticketing.clocks import DeadlineKind, deadline, is_late
from ticketing.commands import AnyDetail, AskReturn, Detail, RefuseReturn
from ticketing.facts import Fact, TicketSigned
from ticketing.policy import Anchor, Check, OnLapse, Policy, RefusalCase
from ticketing.record import Context, Due, GuardFailed, Ticket
from ticketing.transition import DISPATCHERS, NOBODY, UNITS, Part, Transition
from ticketing.words import Event, State

GRACE = "return.grace"
S, E, K = State, Event, DeadlineKind


@dataclass(frozen=True, slots=True)
class DeemSigned:
    """The window for a return has passed: the unit has taken the ticket (MC-027)."""

    event: ClassVar = Event.DEEM_SIGNED


@dataclass(frozen=True, slots=True)
class NoteOutage:
    """Something beyond the unit's power kept it from returning in time. evidence: a notice, a photograph, a number."""

    event: ClassVar = Event.NOTE_OUTAGE
    from_at: datetime
    until_at: datetime
    cause: str
    evidence: str


@dataclass(frozen=True, slots=True)
class DeemedSigned(TicketSigned):
    """Signed by lapse, not by a person."""


@dataclass(frozen=True, slots=True)
class OutageNoted(Fact):
    """return_due_at: until when the ticket may now be returned. The handling limit stays."""

    cause: str
    return_due_at: datetime


def lapsed(ticket: Ticket, kind: DeadlineKind, deadline_id: int, policy: Policy) -> DeemSigned | None:
    """What the end of this deadline brings: an unreturned ticket counts as signed, where the policy says so."""
    deemed = policy.returns.on_lapse is OnLapse.DEEMED_ACCEPTED
    window = ticket.due(DeadlineKind.RETURN)
    waiting = ticket.state is State.DISPATCHED and not ticket.return_open
    ours = window is not None and window.id == deadline_id
    return DeemSigned() if kind is DeadlineKind.RETURN and deemed and waiting and ours else None


def window_has_passed(ticket: Ticket, _: DeemSigned, context: Context) -> None:
    """Only a passed window, with no return under review, signs by itself. Source: MC-027."""
    rules, window = context.policy.returns, ticket.due(DeadlineKind.RETURN)
    if rules.on_lapse is not OnLapse.DEEMED_ACCEPTED:
        raise GuardFailed.by("本地规定没有逾期视同签收，须由承办单位签收。", rules.lapse_basis)
    if ticket.return_open:
        raise GuardFailed("退单申请正在审核，不能视同签收。")
    if window is None or not is_late(window.deadline.due_at, context.now):
        raise GuardFailed.by("退单期限未满，不能视同签收。", rules.lapse_basis)


def outage_extends(ticket: Ticket, detail: NoteOutage, context: Context) -> None:
    """A cause and evidence, an outage inside the window, no more often than the policy says. Source: GZ-030."""
    grace, window = context.policy.returns.grace, ticket.due(DeadlineKind.RETURN)
    if grace is None:
        raise GuardFailed("本地规定没有因网络等客观因素顺延退单期限。请在原期限内申请退单。")
    if not detail.cause.strip() or not detail.evidence.strip():
        raise GuardFailed.by("顺延退单期限须写明客观原因（如外网断网）,并提供证明材料。", grace.basis)
    if window is None:
        raise GuardFailed.by("退单期限尚未起算或已结束，不能顺延。", grace.basis)
    if sum(_is_grace(due, ticket) for due in ticket.dues) >= grace.times:
        raise GuardFailed.by(f"退单期限只能顺延{grace.times}次，已经顺延过。", grace.basis)
    if is_late(context.now, detail.from_at) or detail.until_at <= detail.from_at:
        raise GuardFailed.by("故障起止时间不对：须已经发生，且结束晚于开始。", grace.basis)
    if detail.until_at < window.deadline.from_at or is_late(window.deadline.due_at, detail.from_at):
        raise GuardFailed.by("故障不在本工单的退单期限之内，不能顺延。", grace.basis)
    if is_late(_longer(window, context).deadline.due_at, context.now):
        raise GuardFailed.by("顺延后的退单期限也已经过去。请继续办理。", grace.basis)


def _is_grace(due: Due, ticket: Ticket) -> bool:
    mine = ticket.dispatched_at is None or due.deadline.from_at >= ticket.dispatched_at
    return due.deadline.rule_id == GRACE and mine


def _longer(window: Due, context: Context) -> Due:
    grace, policy = context.policy.returns.grace, context.policy
    assert grace is not None
    began = window.deadline.due_at
    new = deadline(GRACE, K.RETURN, began, grace.add, context.calendar, policy.name, policy.workdays)
    return Due(new, window.round)


def _note_outage(ticket: Ticket, _: NoteOutage, context: Context) -> Ticket:
    """A second window begins where the first ends; the handling limit is not touched."""
    window = ticket.due(DeadlineKind.RETURN)
    assert window is not None  # outage_extends refused otherwise
    dues = tuple(replace(due, ended_at=context.now) if due is window else due for due in ticket.dues)
    return replace(ticket, dues=(*dues, _longer(window, context)))


def _deem_signed(ticket: Ticket, _: DeemSigned, context: Context) -> Ticket:
    return replace(ticket, signed_at=context.now)


def _told_outage(_: Ticket, after: Ticket, detail: NoteOutage, context: Context) -> tuple[Fact, ...]:
    window = after.due(DeadlineKind.RETURN)
    assert window is not None
    return (OutageNoted(after.id, after.round, context.now, detail.cause, window.deadline.due_at),)


def _told_deemed(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    unit = after.lead_unit
    return (DeemedSigned(after.id, after.round, context.now, unit),) if unit else ()


def _after_refusal(ticket: Ticket, done: AnyDetail, policy: Policy) -> Detail | None:
    """A return refused when its window is already over leaves the ticket with the unit at once."""
    window = ticket.due(DeadlineKind.RETURN)
    over = window is not None and is_late(window.deadline.due_at, ticket.updated_at)
    if not isinstance(done, RefuseReturn) or not over or ticket.state is not State.DISPATCHED:
        return None
    return DeemSigned() if policy.returns.on_lapse is OnLapse.DEEMED_ACCEPTED else None


def _outage_row(state: State) -> Transition:
    return Transition(state, UNITS | DISPATCHERS, (outage_extends,))


PART = Part(
    rows={
        (S.DISPATCHED, E.DEEM_SIGNED): Transition(
            S.SIGNED, NOBODY, (window_has_passed,), system=True, anchor=Anchor.SIGN, meets=frozenset({K.SIGN})
        ),
        **{(state, E.NOTE_OUTAGE): _outage_row(state) for state in (S.DISPATCHED, S.SIGNED, S.HANDLING)},
    },
    apply={E.DEEM_SIGNED: _deem_signed, E.NOTE_OUTAGE: _note_outage},
    tell={E.DEEM_SIGNED: _told_deemed, E.NOTE_OUTAGE: _told_outage},
    follows=(_after_refusal,),
)


# ---- what speaks against a return --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """One case of 不予退回 looked at. applies None: only a person can say. why: what was found."""

    code: str
    label: str
    check: Check
    applies: bool | None
    why: str
    article: str


def precheck(
    ticket: Ticket, asked: AskReturn | None, policy: Policy, knowledge_uploaded_at: datetime | None = None
) -> tuple[Finding, ...]:
    """Every case of the policy with what the system knows of it, for the unit before it asks and for the reviewer.

    asked: the request under review, None when none is. knowledge_uploaded_at: of the item that would fit the request.
    """
    found = {
        "no_basis": lambda: _no_basis(asked),
        "extension_requested": lambda: _extension_requested(ticket),
        "duty_fixed": lambda: _duty_fixed(ticket),
        "kb_cannot_answer": lambda: _kb_later(ticket, knowledge_uploaded_at),
    }
    return tuple(_finding(case, found.get(case.code)) for case in policy.returns.refusals)


def _finding(case: RefusalCase, look: Callable[[], tuple[bool | None, str]] | None) -> Finding:
    applies, why = look() if look is not None and case.check is not Check.HUMAN else (None, "须由审核人员判断")
    return Finding(case.code, case.label, case.check, applies, why, str(case.basis))


def _no_basis(asked: AskReturn | None) -> tuple[bool | None, str]:
    if asked is None:
        return None, "尚未申请退单；申请时须写明理由和依据"
    missing = not asked.reason.strip() or not (asked.legal_basis.strip() or asked.proper_unit.strip())
    return missing, "未注明理由和依据" if missing else "已注明理由和依据"


def _extension_requested(ticket: Ticket) -> tuple[bool, str]:
    asked = bool(ticket.extensions or ticket.extension_asked)
    return asked, f"已申请延期{ticket.extensions}次" if asked else "没有申请过延期"


def _duty_fixed(ticket: Ticket) -> tuple[bool | None, str]:
    if ticket.ruled:
        return True, "职责争议已经裁定，应由原承办单位办理"
    return None, "没有职责裁定；是否依法依职责应由其办理，须由审核人员判断"


def _kb_later(ticket: Ticket, uploaded_at: datetime | None) -> tuple[bool | None, str]:
    """Source: LS-052: knowledge uploaded after the request was registered is no reason for a return."""
    if uploaded_at is None or ticket.registered_at is None:
        return None, "没有指明知识点"
    if uploaded_at > ticket.registered_at:
        return True, "知识点上传时间晚于事项登记时间"
    return None, "知识点上传早于登记；热线能否直接答复，须由审核人员判断"
