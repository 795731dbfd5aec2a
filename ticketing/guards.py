"""The rules a command must keep, one function each; a refusal is a sentence for the person. PURE.

Each takes the ticket, the command's detail and the context, and raises GuardFailed.
"""

from ticketing.clocks import DeadlineKind, due_at, is_late
from ticketing.commands import (
    AddAssist,
    Answer,
    AskExtension,
    AskReturn,
    BeginSurvey,
    Close,
    Dispatch,
    Edit,
    GrantExtension,
    NoteCause,
    Rate,
    Refer,
    RefuseReturn,
    Register,
    Reject,
    Rework,
    SurveyDelivered,
    texts,
)
from ticketing.policy import longest_extension
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.words import FIELD_NAMES, RatingSource, State

MAX_TEXT = 20_000
SHORT_FIELDS = frozenset(
    {"request_type", "source", "subject", "title", "place", "occurred", "named_unit", "contact_name"}
)
MAX_SHORT = 500
CLASSIFYING = frozenset({"request_type", "source", "urgent"})
"""Fields the clocks depend on."""
ON_THE_DESK = frozenset({State.DRAFT, State.REGISTERED, State.AWAITING_DISPATCH})
"""States before a unit works on the ticket."""
NEED_NAMES = {
    "referred_to": "应向哪里反映",
    "earlier_ticket": "原工单编号",
    "verification": "核实情况",
    "citation": "法律、法规或规章依据",
}


def readable(_: Ticket, detail: object, __: Context) -> None:
    """Text a database and a page can hold."""
    for text in texts(detail):
        if "\x00" in text or not _encodable(text):
            raise GuardFailed("文字中有无法保存的字符。请删去乱码后重新提交。")
        if len(text) > MAX_TEXT:
            raise GuardFailed(f"文字太长:最多{MAX_TEXT}字,现有{len(text)}字。请精简,或作为附件上传。")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def fields_known(_: Ticket, detail: Edit | Register, context: Context) -> None:
    """Type and source are of the policy's lists; short fields are short."""
    given = detail.changes.given()
    lists = {"request_type": context.policy.request_types, "source": context.policy.sources}
    for name, known in lists.items():
        if given.get(name) and given[name] not in known:
            raise GuardFailed(f"{FIELD_NAMES[name]}「{given[name]}」不在本地规定之内,请从{'、'.join(known)}中选择。")
    for name in SHORT_FIELDS & given.keys():
        if len(str(given[name])) > MAX_SHORT:
            raise GuardFailed(f"{FIELD_NAMES[name]}最多{MAX_SHORT}字。请把细节写进诉求内容。")


def edit_fits_state(ticket: Ticket, detail: Edit, _: Context) -> None:
    """What left the desk changes only with a reason, and what the clocks depend on does not change at all."""
    given = detail.changes.given()
    if not given:
        raise GuardFailed("没有要修改的内容。请至少填写一项。")
    if ticket.state is not State.DRAFT and not detail.reason.strip():
        raise GuardFailed("工单登记后再修改须写明理由。")
    fixed = sorted(FIELD_NAMES[name] for name in given.keys() & CLASSIFYING)
    if fixed and ticket.state not in ON_THE_DESK:
        raise GuardFailed(f"已派单的工单不能再改{'、'.join(fixed)}:办理时限已按它起算。请走退单或重新交办。")


def registrable(ticket: Ticket, detail: Register, context: Context) -> None:
    """All that a registered ticket must have, told at once."""
    given = detail.changes.given()
    missing = [
        FIELD_NAMES[name]
        for name in ("request_type", "source", "content")
        if not str(given.get(name, getattr(ticket, name))).strip()
    ]
    if missing:
        raise GuardFailed(f"登记前还缺:{'、'.join(missing)}。请补全。")


def intake_open(_: Ticket, detail: Register, context: Context) -> None:
    """A platform that only takes what the platform above sends registers citizens' own requests as exceptions.

    Source: LS-014 (原则上不对外受理诉求事项).
    """
    upstream = context.policy.upstream
    from_above = context.actor.kind == "unit_platform"
    if not upstream.public_intake and not from_above and not detail.intake_exception.strip():
        raise GuardFailed.by("本平台原则上不直接受理诉求,只承办上级转派的工单。确需登记的,请写明理由。", upstream.basis)


def answer_grounded(_: Ticket, detail: Answer, __: Context) -> None:
    """A direct answer rests on something that can be looked up."""
    if not detail.text.strip():
        raise GuardFailed("请填写答复内容。")
    if not detail.knowledge.strip() and not detail.earlier_ticket:
        raise GuardFailed("直接答复须注明所依据的知识点或已办结的工单编号。")


def rejection_reasoned(_: Ticket, detail: Reject, context: Context) -> None:
    """不予受理 needs one of the policy's reasons, what the citizen was told, and what that reason asks for."""
    reason = context.policy.reject_reason(detail.code)
    if reason is None:
        known = "、".join(f"{r.code}({r.label})" for r in context.policy.rejects)
        raise GuardFailed(f"没有「{detail.code}」这种不予受理情形。可选:{known}。")
    if not detail.text.strip():
        raise GuardFailed.by(f"以「{reason.label}」不予受理,须写明告知诉求人的内容。", reason.basis)
    missing = [name for need, name in NEED_NAMES.items() if need in reason.needs and not getattr(detail, need)]
    if missing:
        raise GuardFailed.by(f"以「{reason.label}」不予受理,还须填写:{'、'.join(missing)}。", reason.basis)


def referral_named(_: Ticket, detail: Refer, __: Context) -> None:
    if not detail.target.strip() or not detail.text.strip():
        raise GuardFailed("引导转接须写明转向哪里,以及告知诉求人的内容。")


def reason_given(_: Ticket, detail: object, __: Context) -> None:
    if not str(getattr(detail, "reason", "")).strip():
        raise GuardFailed("请写明理由。")


def one_lead(_: Ticket, detail: Dispatch, context: Context) -> None:
    """Exactly one lead, every unit once."""
    if not detail.lead.strip():
        raise GuardFailed.by("请指定一家主办单位。", context.policy.lead.basis)
    if detail.lead in detail.assists or len(set(detail.assists)) != len(detail.assists):
        raise GuardFailed.by("同一单位不能重复出现在主办、协办之中。", context.policy.lead.basis)


def unit_told_by_phone(ticket: Ticket, detail: Dispatch, context: Context) -> None:
    """An urgent dispatch is told by telephone first (LS-027)."""
    notice = detail.phone_notice
    if not ticket.urgent or not context.policy.urgent.phone_notice:
        return
    if notice is None or not notice.person.strip():
        raise GuardFailed.by(
            "突发类工单须第一时间电话通知承办单位。请先打电话,并填写通知时间和接听人。", context.policy.urgent.basis
        )
    if is_late(context.now, notice.at):
        raise GuardFailed.by("电话通知时间晚于现在。请核对后重新填写。", context.policy.urgent.basis)


def statute_cited(_: Ticket, detail: Dispatch, context: Context) -> None:
    """A limit of another law needs that law and who approved its use."""
    other = detail.statutory
    if other is not None and not (other.legal_basis.strip() and other.approver.strip()):
        raise GuardFailed.by("另有法定时限的,须填写法律依据和批准人。", context.policy.handle.statutory_basis)


def assist_is_new(ticket: Ticket, detail: AddAssist, context: Context) -> None:
    if not detail.unit.strip() or detail.unit == ticket.lead_unit or detail.unit in ticket.assist_units:
        raise GuardFailed.by("该单位已经是本工单的主办或协办单位,或没有填写单位。", context.policy.lead.basis)


def return_allowed(ticket: Ticket, detail: AskReturn, context: Context) -> None:
    """A return is asked for once, in its window, with reason and basis, and not after an extension was asked for."""
    rules = context.policy.returns
    if ticket.return_open:
        raise GuardFailed("退单申请正在审核,请等待结果。")
    no_basis = rules.refusal("no_basis")
    if not detail.reason.strip() or (rules.needs_basis and not detail.legal_basis.strip()):
        raise GuardFailed.by("申请退单须同时说明理由和依据。", no_basis.basis if no_basis else rules.basis)
    asked = rules.refusal("extension_requested")
    if asked is not None and (ticket.extensions or ticket.extension_asked):
        raise GuardFailed.by("已提出延期申请的工单不能再退回。", asked.basis)
    window = ticket.due(DeadlineKind.RETURN)
    if window is None or is_late(window.deadline.due_at, context.now):
        raise GuardFailed.by(
            "已超过申请退单的期限。请继续办理,职责有争议的可向热线工作站反映。", rules.windows[-1].basis
        )


def return_is_open(ticket: Ticket, _: object, __: Context) -> None:
    if not ticket.return_open:
        raise GuardFailed("没有待审核的退单申请。")


def return_refusal_cited(_: Ticket, detail: RefuseReturn, context: Context) -> None:
    """A refusal names one of the policy's cases."""
    rules = context.policy.returns
    if rules.refusal(detail.code) is None:
        known = "、".join(f"{case.code}({case.label})" for case in rules.refusals)
        raise GuardFailed.by(f"不予退回须选定一种情形:{known}。", rules.basis)


def extension_allowed(ticket: Ticket, detail: AskExtension, context: Context) -> None:
    """Asked for before the deadline, with a reason, the citizen informed, and within the cap."""
    rules = context.policy.extension
    running = ticket.due(DeadlineKind.HANDLE)
    if running is None:
        raise GuardFailed.by("本工单没有办理时限,不需要延期。", rules.basis)
    if ticket.extension_asked:
        raise GuardFailed("延期申请正在审核,请等待结果。")
    if ticket.return_open:
        raise GuardFailed("退单申请正在审核,不能同时申请延期。")
    if is_late(running.deadline.due_at, context.now):
        raise GuardFailed.by("办理时限已过,延期须在到期前申请。", rules.basis)
    if not detail.reason.strip():
        raise GuardFailed.by("申请延期须说明理由。", rules.basis)
    if rules.citizen_informed and detail.citizen_informed_at is None and not ticket.confidential:
        raise GuardFailed.by("申请延期前须向诉求人说明情况,并填写说明时间。", rules.basis)
    if rules.max_count is not None and ticket.extensions >= rules.max_count:
        raise GuardFailed.by(f"最多可以延期{rules.max_count}次,已经用完。", rules.basis)
    _within_cap(ticket, detail.amount, context)


def extension_grantable(ticket: Ticket, detail: GrantExtension, context: Context) -> None:
    """Something was asked for, no more than that is granted, and the cap is kept."""
    if not ticket.extension_asked:
        raise GuardFailed("没有待审核的延期申请。")
    if detail.amount > ticket.extension_asked:
        raise GuardFailed(f"同意的延期不能超过申请的{ticket.extension_asked}。")
    _within_cap(ticket, detail.amount, context)


def extension_is_open(ticket: Ticket, _: object, __: Context) -> None:
    if not ticket.extension_asked:
        raise GuardFailed("没有待审核的延期申请。")


def _within_cap(ticket: Ticket, amount: int, context: Context) -> None:
    running = ticket.due(DeadlineKind.HANDLE)
    original = running.deadline.amount - ticket.extended if running else 0
    most = longest_extension(context.policy, original, ticket.extended)
    if not 1 <= amount <= most:
        unit = running.deadline.clock if running else ""
        raise GuardFailed.by(
            f"延长的时限须为1至{most}{unit}:延期合计不得超过原办理时限{original}{unit}的"
            f"{context.policy.extension.factor}倍。"
            if most
            else "延期已用满,不能再延长。",
            context.policy.extension.basis,
        )


def no_request_open(ticket: Ticket, _: object, __: Context) -> None:
    if ticket.return_open:
        raise GuardFailed("退单申请正在审核,不能回复。请等待审核结果。")


def survey_not_begun(ticket: Ticket, _: BeginSurvey, __: Context) -> None:
    if ticket.rating is not None:
        raise GuardFailed("本轮已经有评价,不能再次回访。")


def delivery_is_past(ticket: Ticket, detail: SurveyDelivered, context: Context) -> None:
    """A delivery lies between the reply and now, and is noted once."""
    if ticket.due(DeadlineKind.SURVEY) is not None:
        raise GuardFailed("回访短信的送达时间已经记录。")
    if is_late(context.now, detail.at) or (ticket.replied_at and is_late(detail.at, ticket.replied_at)):
        raise GuardFailed("回访短信的送达时间不在回复之后、现在之前。")


def rating_counts(ticket: Ticket, detail: Rate, context: Context) -> None:
    """One rating a round, of the policy's levels; silence is a rating only after delivery and the whole window.

    Source: LS-065, LS-066: without a delivered message the manual call's result is the rating.
    """
    rules = context.policy.survey
    if ticket.rating is not None:
        raise GuardFailed("本轮评价已经记录,不能更改。")
    if detail.rating not in rules.levels:
        raise GuardFailed(f"评价只能是{'、'.join(rules.levels)}。")
    if detail.source is not RatingSource.DEFAULT:
        return
    if detail.rating != rules.no_reply:
        raise GuardFailed.by("未回复时只能按规定的默认评价记录。", rules.no_reply_basis)
    if detail.delivered_at is None:
        raise GuardFailed.by("回访短信没有送达,不能按未回复处理。请人工回访。", rules.undelivered_basis)
    expires = due_at(detail.delivered_at, rules.window, context.calendar, context.policy.workdays)
    if context.now < expires:
        raise GuardFailed.by("回访期限未满,不能按未回复处理。", rules.no_reply_basis)


def rater_is_fit(_: Ticket, detail: Rate, context: Context) -> None:
    """The citizen's own rating and the default come by the system; a person enters only what a call found out."""
    by_person = context.actor.kind == "user"
    if by_person != (detail.source is RatingSource.MANUAL):
        raise GuardFailed("评价只能由诉求人本人回复,或由回访人员据人工回访结果填写。")


def cause_known(ticket: Ticket, detail: NoteCause, context: Context) -> None:
    rules = context.policy.survey
    if ticket.rating is None or ticket.rating in rules.closing:
        raise GuardFailed("只有评价不满意的工单需要记录原因。")
    if rules.cause(detail.code) is None or not detail.note.strip():
        known = "、".join(f"{cause.code}({cause.label})" for cause in rules.causes)
        raise GuardFailed.by(f"请选定原因并写明回访了解到的情况。可选原因:{known}。", rules.unsatisfied_basis)


def closable(ticket: Ticket, detail: Close, context: Context) -> None:
    """A satisfied citizen closes the ticket; anything else takes a person's explanation and a cause.

    An unsatisfied citizen is called first (LS-067), and only a cause beyond the unit lets it close.
    """
    rules = context.policy.survey
    if ticket.rating in rules.closing:
        return
    if context.actor.kind != "user":
        raise GuardFailed.by("诉求人没有表示满意,须由审核人员决定重新交办或说明后办结。", rules.unsatisfied_basis)
    if ticket.rating is not None and not ticket.cause_code:
        raise GuardFailed.by("评价不满意,须先人工回访并记录原因。", rules.unsatisfied_basis)
    cause = rules.cause(ticket.cause_code or detail.cause)
    if cause is None or not cause.objective:
        raise GuardFailed.by("只有客观原因可以说明后办结;其他情形请重新交办。", rules.unsatisfied_basis)
    if not detail.explanation.strip():
        raise GuardFailed.by("说明后办结须写明向诉求人所作的解释。", rules.unsatisfied_basis)


def reworkable(ticket: Ticket, detail: Rework, context: Context) -> None:
    """A new round needs a reason; during a survey, an unsatisfied rating whose cause is known."""
    if not detail.reason.strip():
        raise GuardFailed("重新交办须写明理由。")
    rules = context.policy.survey
    if ticket.state is State.SURVEYING and (ticket.rating is None or ticket.rating in rules.closing):
        raise GuardFailed("诉求人没有评价不满意,不能在回访中重新交办。")
    if ticket.state is State.SURVEYING and not ticket.cause_code:
        raise GuardFailed.by("重新交办前须先人工回访并记录不满意的原因。", rules.unsatisfied_basis)
