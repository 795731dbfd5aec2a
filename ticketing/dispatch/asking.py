"""The rules of dispatches, returns and extensions: what is asked, in which window, with which needs. PURE.

Each takes the ticket, the command's detail and the context, and raises GuardFailed with the article.
"""

from datetime import datetime, timedelta

from ticketing.clocks import ONE_DAY, Calendar, Deadline, DeadlineKind, at_local, is_late, local_day
from ticketing.commands import (
    Answer,
    AskExtension,
    AskReturn,
    Dispatch,
    GrantExtension,
    Refer,
    RefuseExtension,
    RefuseReturn,
)
from ticketing.dispatch.extensions import Room, prolonged, room
from ticketing.policy import ApplyWindow, ExtensionNeed, ExtensionRule, OnLapse, ReturnNeed
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.words import CLOCK_NAMES, Event, State

WINDOW_NAMES = {
    ApplyWindow.BEFORE_DUE: "到期前均可申请",
    ApplyWindow.OPENS_1WD_BEFORE_DUE: "只在到期前最后1个工作日内申请",
    ApplyWindow.CLOSES_1WD_BEFORE_DUE: "须在到期1个工作日之前申请",
}
NEED_NAMES = {
    ReturnNeed.LEGAL_BASIS: "法律法规或政策依据",
    ReturnNeed.SUGGESTION: "办理建议",
    ReturnNeed.PROPER_UNIT: "归属单位",
    ReturnNeed.NO_PART: "全部内容均不属于本单位职责的声明",
}
UPSTREAM = "unit_platform"
"""The kind of actor that is the platform above."""


# ---- dispatch ----------------------------------------------------------------------------------------------------


def instruction_given(_: Ticket, detail: Dispatch, context: Context) -> None:
    """A dispatch says what is to be done. Source: MC-016 (明确具体办理要求)."""
    rules = context.policy.dispatching
    if rules is not None and rules.instruction is not None and not detail.instruction.strip():
        raise GuardFailed.by("派单须明确具体办理要求。请填写办理要求。", rules.instruction)


WAYS = {Event.ANSWER: "直接解答", Event.DISPATCH: "工单流转", Event.REFER: "引导"}
"""How a request was dealt with, where nobody said it more exactly."""


def way_of(detail: Answer | Refer | Dispatch) -> str:
    """How the request is dealt with (处办方式). Source: SQ-014."""
    return getattr(detail, "way", "") or WAYS[detail.event]


def way_known(_: Ticket, detail: Answer | Refer, context: Context) -> None:
    """How it was dealt with is one of the policy's ways. Source: SQ-014."""
    rules = context.policy.dispatching
    ways = rules.ways if rules is not None else None
    if ways is None and detail.way:
        raise GuardFailed("本地规定没有列出处办方式，请不要填写。")
    if ways is not None and way_of(detail) not in ways.values:
        raise GuardFailed.by(f"请选择处办方式：{'、'.join(ways.values)}。", ways.basis)


# ---- returns -----------------------------------------------------------------------------------------------------


def return_allowed(ticket: Ticket, detail: AskReturn, context: Context) -> None:
    """A return is asked for once, in its window, with reason and basis, and not after an extension was asked for."""
    rules = context.policy.returns
    if ticket.return_open:
        raise GuardFailed("退单申请正在审核，请等待结果。")
    no_basis = rules.refusal("no_basis")
    given = _return_given(detail)
    missing = [group for group in rules.needs if not group & given]
    if missing or not detail.reason.strip():
        names = "、".join("或".join(sorted(NEED_NAMES[need] for need in group)) for group in missing)
        raise GuardFailed.by(
            f"申请退单须同时说明理由和依据。还缺：{names or '理由'}。", no_basis.basis if no_basis else rules.basis
        )
    asked = rules.refusal("extension_requested")
    if asked is not None and (ticket.extensions or ticket.extension_asked):
        raise GuardFailed.by("已提出延期申请的工单不能再退回。", asked.basis)
    _in_return_window(ticket, context)


def _in_return_window(ticket: Ticket, context: Context) -> None:
    rules, window = context.policy.returns, ticket.due(DeadlineKind.RETURN)
    if window is None and ticket.state is State.DISPATCHED:
        raise GuardFailed.by("退单期限自签收起算。请先签收，再申请退单。", rules.windows[-1].basis)
    if window is not None and not is_late(window.deadline.due_at, context.now):
        return
    if rules.on_lapse is OnLapse.DEEMED_ACCEPTED:
        raise GuardFailed.by("已超过申请退单的期限，视同已接收工单。请继续办理。", rules.lapse_basis)
    raise GuardFailed.by("已超过申请退单的期限。请继续办理，职责有争议的可向热线工作站反映。", rules.windows[-1].basis)


def _return_given(detail: AskReturn) -> frozenset[ReturnNeed]:
    texts_given = {
        ReturnNeed.LEGAL_BASIS: detail.legal_basis,
        ReturnNeed.SUGGESTION: detail.suggestion,
        ReturnNeed.PROPER_UNIT: detail.proper_unit,
    }
    said = {need for need, text in texts_given.items() if text.strip()}
    return frozenset(said | ({ReturnNeed.NO_PART} if detail.nothing_ours else set()))


def return_is_open(ticket: Ticket, _: object, __: Context) -> None:
    if not ticket.return_open:
        raise GuardFailed("没有待审核的退单申请。")


def return_refusal_cited(_: Ticket, detail: RefuseReturn, context: Context) -> None:
    """A refusal names one of the policy's cases."""
    rules = context.policy.returns
    if rules.refusals and rules.refusal(detail.code) is None:
        known = "、".join(f"{case.code}({case.label})" for case in rules.refusals)
        raise GuardFailed.by(f"不予退回须选定一种情形：{known}。", rules.basis)
    if not rules.refusals and not detail.reason.strip():
        raise GuardFailed.by("不予退回须写明理由。", rules.basis)


# ---- extensions --------------------------------------------------------------------------------------------------


def extension_allowed(ticket: Ticket, detail: AskExtension, context: Context) -> None:
    """Asked for in its window, with a reason and all the policy needs, and within the cap."""
    rules = context.policy.extension
    running = ticket.due(DeadlineKind.HANDLE)
    if running is None:
        raise GuardFailed.by("本工单没有办理时限，不需要延期。", rules.basis)
    if ticket.extension_asked:
        raise GuardFailed("延期申请正在审核，请等待结果。")
    if ticket.return_open:
        raise GuardFailed("退单申请正在审核，不能同时申请延期。")
    if is_late(running.deadline.due_at, context.now):
        raise GuardFailed.by("办理时限已过，延期须在到期前申请。", rules.basis)
    if not detail.reason.strip():
        raise GuardFailed.by("申请延期须说明理由。", rules.basis)
    _in_apply_window(running.deadline, context)
    within_cap(ticket, detail.amount, context)
    _needs_met(ticket, detail, context)


def apply_span(running: Deadline, window: ApplyWindow, calendar: Calendar) -> tuple[datetime | None, datetime]:
    """From when (None: at once) until when an extension may be asked for; both aware UTC.

    GZ-026 says 到期前1个工作日内 and can be read two ways; `window` says which one runs here. Raises CalendarEnds.
    """
    due = running.due_at
    last_day = local_day(due)
    while not calendar.works(last_day):
        last_day -= ONE_DAY
    begins = at_local(last_day, datetime.min.time())
    if window is ApplyWindow.OPENS_1WD_BEFORE_DUE:
        return begins, due
    if window is ApplyWindow.CLOSES_1WD_BEFORE_DUE:
        return None, begins - timedelta(seconds=1)
    return None, due


def _in_apply_window(running: Deadline, context: Context) -> None:
    rules = context.policy.extension
    opens, closes = apply_span(running, rules.window, context.calendar)
    if (opens is not None and context.now < opens) or is_late(closes, context.now):
        raise GuardFailed.by(f"现在不能申请延期：本地按「{WINDOW_NAMES[rules.window]}」执行。", rules.window_basis)


def _needs_met(ticket: Ticket, detail: AskExtension, context: Context) -> None:
    rules, needs = context.policy.extension, extension_needs(ticket, detail.amount, context)
    informed = ExtensionNeed.CITIZEN_INFORMED in needs
    if informed and detail.citizen_informed_at is None and not ticket.confidential:
        raise GuardFailed.by("申请延期前须向诉求人说明情况，并填写说明时间。", rules.basis)
    if detail.citizen_informed_at is not None and is_late(context.now, detail.citizen_informed_at):
        raise GuardFailed.by("向诉求人说明情况的时间晚于现在。请核对。", rules.basis)
    unsigned = [
        name
        for need, name, given in (
            (ExtensionNeed.SIGNATURE, "主要负责人签字", detail.signed_by),
            (ExtensionNeed.SEAL, "单位盖章（编号）", detail.seal),
        )
        if need in needs and not given.strip()
    ]
    if unsigned:
        total = f"办理总时长超过{rules.over}的延期申请须有" if rules.over else "延期申请须有"
        raise GuardFailed.by(f"{total}{'和'.join(unsigned)}。", rules.over_basis if rules.over else rules.basis)
    if ExtensionNeed.NEW_DUE in needs:
        _new_due_stated(ticket, detail, context)


def extension_needs(ticket: Ticket, amount: int, context: Context) -> frozenset[ExtensionNeed]:
    """What a request for so much more must bring; beyond the policy's total it is more. Source: MC-033."""
    rules, running = context.policy.extension, ticket.due(DeadlineKind.HANDLE)
    if rules.over is None or running is None or running.deadline.clock is not rules.over.clock:
        return rules.needs
    beyond = running.deadline.amount + amount > rules.over.amount
    return rules.needs | rules.over_needs if beyond else rules.needs


def _new_due_stated(ticket: Ticket, detail: AskExtension, context: Context) -> None:
    """The day it will be done is stated, and is the day the extension gives. Source: MC-032."""
    rules, day = context.policy.extension, local_day(new_deadline(ticket, detail.amount, context).due_at)
    if detail.new_due is None:
        raise GuardFailed.by(f"申请延期须明确新的办理期限。按所申请的延期，应填{day}。", rules.basis)
    if detail.new_due != day:
        raise GuardFailed.by(f"填写的新期限{detail.new_due}与所申请的延期不符，应为{day}。", rules.basis)


def approver_decides(ticket: Ticket, _: GrantExtension | RefuseExtension, context: Context) -> None:
    """The body that accepted the request decides: for a ticket from above, the platform above. Source: WX-016."""
    rules = context.policy.dispatching
    above = rules.upstream_extension if rules is not None else None
    from_above = above is not None and ticket.source in above.sources
    by_above = context.actor.kind == UPSTREAM
    if above is not None and from_above and not by_above:
        raise GuardFailed.by(
            "本工单由上级热线受理，延期须经受理的上级热线同意。申请已提交，请等待上级平台答复。", above.basis
        )
    if by_above and not from_above:
        raise GuardFailed("本工单的延期由本地热线决定。")
    if context.actor.kind not in ("user", UPSTREAM):
        raise GuardFailed("延期只能由受理的热线机构决定。")


def extension_grantable(ticket: Ticket, detail: GrantExtension, context: Context) -> None:
    """Something was asked for, no more than that is granted, and the cap is kept."""
    if not ticket.extension_asked:
        raise GuardFailed("没有待审核的延期申请。")
    if detail.amount > ticket.extension_asked:
        raise GuardFailed(f"同意的延期不能超过申请的{ticket.extension_asked}。")
    within_cap(ticket, detail.amount, context)


def extension_is_open(ticket: Ticket, _: object, __: Context) -> None:
    if not ticket.extension_asked:
        raise GuardFailed("没有待审核的延期申请。")


def extension_rule(ticket: Ticket, context: Context) -> ExtensionRule:
    """The rule that says how long this ticket may be extended. Raises GuardFailed when none does."""
    rule = context.policy.extension.rule(ticket.case)
    if rule is None:
        raise GuardFailed.by("本类工单不能延期。", context.policy.extension.basis)
    return rule


def room_of(ticket: Ticket, context: Context) -> Room:
    """How much more this ticket may be given. Raises GuardFailed when it has no limit or may not be extended."""
    running, rule = ticket.due(DeadlineKind.HANDLE), extension_rule(ticket, context)
    if running is None:
        raise GuardFailed.by("本工单没有办理时限，不需要延期。", context.policy.extension.basis)
    return room(rule, running.deadline, ticket.extended, ticket.extensions_granted)


def within_cap(ticket: Ticket, amount: int, context: Context) -> None:
    """Raises GuardFailed unless the cap leaves room for so much more."""
    left, rule = room_of(ticket, context), extension_rule(ticket, context)
    if not left.most:
        raise GuardFailed.by("延期已用满，不能再延长。", rule.basis)
    if not 1 <= amount <= left.most:
        raise GuardFailed.by(f"延长的时限须为1至{left.most}{CLOCK_NAMES[left.clock]}。", rule.basis)


def new_deadline(ticket: Ticket, amount: int, context: Context) -> Deadline:
    """The handling limit after `amount` more. Raises GuardFailed when none runs, CalendarEnds."""
    running, rule, policy = ticket.due(DeadlineKind.HANDLE), extension_rule(ticket, context), context.policy
    if running is None:
        raise GuardFailed.by("本工单没有办理时限，不需要延期。", policy.extension.basis)
    name, workdays = policy.name, policy.workdays
    return prolonged(rule, running.deadline, ticket.extended, amount, context.calendar, name, workdays)
