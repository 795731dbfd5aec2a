"""The rules a command must keep, one function each; a refusal is a sentence for the person. PURE.

Each takes the ticket, the command's detail and the context, and raises GuardFailed.
"""

from ticketing.clocks import LENGTHS, DeadlineKind, due_at, is_late
from ticketing.commands import (
    AddAssist,
    Answer,
    BeginSurvey,
    Dispatch,
    Edit,
    Rate,
    Refer,
    Register,
    Reject,
    SurveyDelivered,
    texts,
)
from ticketing.limits.limits import BadChoice, choose
from ticketing.policy import StatutoryNeed, handle_limit
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.words import FIELD_NAMES, RatingSource, State

MAX_TEXT = 20_000
SHORT_FIELDS = frozenset(
    {
        "request_type",
        "source",
        "subject",
        "title",
        "place",
        "occurred",
        "named_unit",
        "contact_name",
        "requester_kind",
        "grade",
        "accused",
    }
)
MAX_SHORT = 500
CLASSIFYING = frozenset({"request_type", "source", "urgent", "grade"})
"""Fields the clocks depend on."""
ON_THE_DESK = frozenset({State.DRAFT, State.REGISTERED, State.AWAITING_DISPATCH})
"""States before a unit works on the ticket."""
NEED_NAMES = {
    "referred_to": "应向哪里反映",
    "earlier_ticket": "原工单编号",
    "verification": "核实情况",
    "citation": "法律、法规或规章依据",
}
STATUTORY_NEEDS = {StatutoryNeed.LEGAL_BASIS: "法律依据", StatutoryNeed.APPROVER: "批准人"}


def readable(_: Ticket, detail: object, __: Context) -> None:
    """Text a database and a page can hold."""
    for text in texts(detail):
        if "\x00" in text or not _encodable(text):
            raise GuardFailed("文字中有无法保存的字符。请删去乱码后重新提交。")
        if len(text) > MAX_TEXT:
            raise GuardFailed(f"文字太长：最多{MAX_TEXT}字，现有{len(text)}字。请精简，或作为附件上传。")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def fields_known(_: Ticket, detail: Edit | Register, context: Context) -> None:
    """Type, source, kind of requester (GZ-001) and grade are of the policy's lists; short fields are short."""
    given, policy = detail.changes.given(), context.policy
    lists = {
        "request_type": policy.request_types,
        "source": policy.sources,
        "requester_kind": policy.requester_kinds,
        "grade": policy.grades,
    }
    for name, known in lists.items():
        if given.get(name) and not known:
            raise GuardFailed(f"本地规定没有「{FIELD_NAMES[name]}」这一项，请不要填写。")
        if given.get(name) and given[name] not in known:
            raise GuardFailed(f"{FIELD_NAMES[name]}「{given[name]}」不在本地规定之内，请从{'、'.join(known)}中选择。")
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
        raise GuardFailed(f"已派单的工单不能再改{'、'.join(fixed)}：办理时限已按它起算。请走退单或重新交办。")


def registrable(ticket: Ticket, detail: Register, context: Context) -> None:
    """All that a registered ticket must have, told at once."""
    given = detail.changes.given()
    missing = [
        FIELD_NAMES[name]
        for name in ("request_type", "source", "content", *(("grade",) if context.policy.grades else ()))
        if not str(given.get(name, getattr(ticket, name))).strip()
    ]
    if missing:
        raise GuardFailed(f"登记前还缺：{'、'.join(missing)}。请补全。")


def named(ticket: Ticket, detail: Register, context: Context) -> None:
    """Where the text asks for real names, a person at the desk takes them down; who wants to stay unknown may.

    Source: SQ-013. What came from a platform above was registered there.
    """
    rules, given = context.policy.real_name, detail.changes.given()
    if rules is None or context.actor.kind != "user" or given.get("confidential", ticket.confidential):
        return
    missing = [FIELD_NAMES[name] for name in rules.fields if not given.get(name, getattr(ticket, name))]
    if missing:
        raise GuardFailed.by(
            f"须实名登记，还缺：{'、'.join(missing)}。诉求人要求保密的，请勾选「诉求人信息保密」。", rules.basis
        )


def intake_open(_: Ticket, detail: Register, context: Context) -> None:
    """A platform that only takes what the platform above sends registers citizens' own requests as exceptions.

    Source: LS-014 (原则上不对外受理诉求事项).
    """
    upstream = context.policy.upstream
    from_above = context.actor.kind == "unit_platform"
    if not upstream.public_intake and not from_above and not detail.intake_exception.strip():
        raise GuardFailed.by(
            "本平台原则上不直接受理诉求，只承办上级转派的工单。确需登记的，请写明理由。", upstream.basis
        )


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
        raise GuardFailed(f"没有「{detail.code}」这种不予受理情形。可选：{known}。")
    if not detail.text.strip():
        raise GuardFailed.by(f"以「{reason.label}」不予受理，须写明告知诉求人的内容。", reason.basis)
    missing = [name for need, name in NEED_NAMES.items() if need in reason.needs and not getattr(detail, need)]
    if missing:
        raise GuardFailed.by(f"以「{reason.label}」不予受理，还须填写：{'、'.join(missing)}。", reason.basis)


def referral_named(_: Ticket, detail: Refer, __: Context) -> None:
    """Whereto, and what the citizen was told: the unit and its telephone, or that they were put through.

    Source: MC-015; putting through and three-party calls are callcenter.control's.
    """
    if not detail.target.strip() or not detail.text.strip():
        raise GuardFailed("引导转接须写明转向哪里，以及告知诉求人的内容。")


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
            "突发类工单须第一时间电话通知承办单位。请先打电话，并填写通知时间和接听人。", context.policy.urgent.basis
        )
    if is_late(context.now, notice.at):
        raise GuardFailed.by("电话通知时间晚于现在。请核对后重新填写。", context.policy.urgent.basis)


def statute_cited(_: Ticket, detail: Dispatch, context: Context) -> None:
    """A limit of another law needs that law and who approved its use."""
    other, rules = detail.statutory, context.policy.handle
    if other is None:
        return
    if other.period.clock not in LENGTHS:
        raise GuardFailed.by("另有法定时限的，须以工作日、小时、分钟或天计算。", rules.statutory_basis)
    said = {StatutoryNeed.LEGAL_BASIS: other.legal_basis, StatutoryNeed.APPROVER: other.approver}
    empty = [need for need, text in said.items() if not text.strip()]
    missing = [STATUTORY_NEEDS[need] for need in empty if need in rules.statutory_needs]
    if missing:
        raise GuardFailed.by(f"另有法定时限的，须填写{'和'.join(missing)}。", rules.statutory_basis)


def choice_fits(ticket: Ticket, detail: Dispatch, context: Context) -> None:
    """A chosen handling limit lies within what the regulation leaves open. Source: GZ-024, GZ-025."""
    if detail.chosen is None:
        return
    policy = context.policy
    if detail.statutory is not None:
        raise GuardFailed.by("另有法定时限的，不能再自选办理时限。请去掉其中一项。", policy.handle.statutory_basis)
    try:
        choose(handle_limit(policy, ticket.case, context.now, context.calendar), detail.chosen)
    except BadChoice as bad:
        raise GuardFailed.by(bad.sentence, bad.basis) from None


def assist_is_new(ticket: Ticket, detail: AddAssist, context: Context) -> None:
    taken = (ticket.lead_unit, ticket.authority, *ticket.assist_units)
    if not detail.unit.strip() or detail.unit in taken:
        raise GuardFailed.by("该单位已经是本工单的主办、协办或主管单位，或没有填写单位。", context.policy.lead.basis)


def no_request_open(ticket: Ticket, _: object, __: Context) -> None:
    if ticket.return_open:
        raise GuardFailed("退单申请正在审核，不能回复。请等待审核结果。")


def survey_not_begun(ticket: Ticket, _: BeginSurvey, __: Context) -> None:
    if ticket.rating is not None:
        raise GuardFailed("本轮已经有评价，不能再次回访。")


def delivery_is_past(ticket: Ticket, detail: SurveyDelivered, context: Context) -> None:
    """A delivery lies between the reply and now, and is noted once, while a rating is still waited for."""
    if ticket.rating is not None:
        raise GuardFailed("本轮评价已经记录，不再等待回访短信的答复。")
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
        raise GuardFailed("本轮评价已经记录，不能更改。")
    if detail.rating not in rules.levels:
        raise GuardFailed(f"评价只能是{'、'.join(rules.levels)}。")
    if detail.source is not RatingSource.DEFAULT:
        return
    if detail.rating != rules.no_reply:
        raise GuardFailed.by("未回复时只能按规定的默认评价记录。", rules.no_reply_basis)
    if detail.delivered_at is None:
        raise GuardFailed.by("回访短信没有送达，不能按未回复处理。请人工回访。", rules.undelivered_basis)
    expires = due_at(detail.delivered_at, rules.window, context.calendar, context.policy.workdays)
    if context.now < expires:
        raise GuardFailed.by("回访期限未满，不能按未回复处理。", rules.no_reply_basis)


def rater_is_fit(_: Ticket, detail: Rate, context: Context) -> None:
    """The citizen's own rating and the default come by the system; a person enters only what a call found out."""
    by_person = context.actor.kind == "user"
    if context.actor.kind == "unit_platform":
        # The platform above says whose word it hands down: the citizen's, silence, or a call of its own people.
        return
    if by_person != (detail.source is RatingSource.MANUAL):
        raise GuardFailed("评价只能由诉求人本人回复，或由回访人员据人工回访结果填写。")
