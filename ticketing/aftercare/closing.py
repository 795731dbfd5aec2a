"""How a ticket may end after its reply: by the citizen's rating, by a person's named decision, or in a new round. PURE.

Source: GZ-052, WX-022 to WX-026, SQ-021 to SQ-023, LS-064 to LS-067, MC-052 to MC-054.
"""

from ticketing.aftercare.follow_rules import Closing, Unrated
from ticketing.commands import BeginSurvey, Close, NoteCause, Rate, Rework, ReworkMode
from ticketing.policy import Policy
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.words import RatingSource, State

REOPENED = frozenset({State.CLOSED, State.ARCHIVED})


def satisfied(ticket: Ticket, policy: Policy) -> bool:
    """Whether the citizen's ratings close the ticket: of the result, and of the service where it was rated."""
    closing = policy.survey.closing
    return ticket.rating in closing and (not ticket.service_rating or ticket.service_rating in closing)


def settled_by_call(ticket: Ticket, policy: Policy) -> bool:
    """Whether the citizen, called after an unsatisfied answer, said otherwise. Source: SQ-022, SQ-023."""
    settles = policy.follow is not None and policy.follow.call_settles is not None
    return settles and ticket.call_rating in policy.survey.closing


def is_unsatisfied(ticket: Ticket, policy: Policy) -> bool:
    """Whether there is a rating and it closes nothing."""
    return ticket.rating is not None and not satisfied(ticket, policy)


def unit_asked_first(ticket: Ticket, detail: BeginSurvey, context: Context) -> None:
    """The unit asks the citizen itself before the hotline does; a reviewer may go on with a reason. Source: MC-052."""
    follow = context.policy.follow
    if follow is None or follow.unit_asks is None or context.actor.kind != "user" or ticket.confidential:
        return
    if ticket.followed_up_at is None and not detail.reason.strip():
        raise GuardFailed.by(
            "承办单位尚未记录对诉求人的回访。请先督促其回访；确需直接回访的，请写明理由。", follow.unit_asks_basis
        )


def service_rated(_: Ticket, detail: Rate, context: Context) -> None:
    """Where both are rated, a call asks for both. Source: GZ-052."""
    follow, levels = context.policy.follow, context.policy.survey.levels
    if detail.service and detail.service not in levels:
        raise GuardFailed(f"对服务过程的评价只能是{'、'.join(levels)}。")
    if (
        follow is not None
        and follow.service is not None
        and detail.source is RatingSource.MANUAL
        and not detail.service
    ):
        raise GuardFailed.by("人工回访须同时填写对办理结果和服务过程的评价。", follow.service)


def cause_known(ticket: Ticket, detail: NoteCause, context: Context) -> None:
    """An unsatisfied rating gets its cause, by the policy's list, and what the citizen says is one of its levels."""
    rules = context.policy.survey
    if not is_unsatisfied(ticket, context.policy):
        raise GuardFailed("只有评价不满意的工单需要记录原因。")
    if rules.cause(detail.code) is None or not detail.note.strip():
        known = "、".join(f"{cause.code}({cause.label})" for cause in rules.causes)
        raise GuardFailed.by(f"请选定原因并写明回访了解到的情况。可选原因：{known}。", rules.unsatisfied_basis)
    if detail.rating and detail.rating not in rules.levels:
        raise GuardFailed(f"评价只能是{'、'.join(rules.levels)}。")


def closable(ticket: Ticket, detail: Close, context: Context) -> None:
    """A satisfied citizen closes the ticket; anything else takes a person's named decision and its reason."""
    policy = context.policy
    if satisfied(ticket, policy) or settled_by_call(ticket, policy):
        return
    rules = policy.survey
    if context.actor.kind != "user":
        raise GuardFailed.by("诉求人没有表示满意，须由审核人员决定重新交办或说明后办结。", rules.unsatisfied_basis)
    if detail.lawful:
        _lawful(detail, policy)
    elif detail.unrated:
        _unrated(ticket, detail, policy)
    else:
        _explained(ticket, detail, policy)


def _explained(ticket: Ticket, detail: Close, policy: Policy) -> None:
    """Only a cause beyond the unit, or rounds used up, and what the citizen was told. Source: LS-067, WX-026."""
    rules = policy.survey
    if ticket.rating is not None and not ticket.cause_code:
        raise GuardFailed.by("评价不满意，须先人工回访并记录原因。", rules.unsatisfied_basis)
    cause = rules.cause(ticket.cause_code or detail.cause)
    if cause is None or not (cause.objective or _rounds_used(ticket, policy)):
        raise GuardFailed.by("只有客观原因可以说明后办结；其他情形请重新交办。", rules.unsatisfied_basis)
    if not detail.explanation.strip():
        raise GuardFailed.by("说明后办结须写明向诉求人所作的解释。", rules.unsatisfied_basis)


def _lawful(detail: Close, policy: Policy) -> None:
    """The reviewer answers by name for finding the reply lawful. Source: GZ-052, WX-022."""
    lawful = policy.follow.lawful if policy.follow else None
    if lawful is None:
        raise GuardFailed("本地规定没有「答复合法合规即可办结」的情形。请重新交办，或因客观原因说明后办结。")
    if not detail.explanation.strip():
        raise GuardFailed.by("须写明认定答复内容符合法律法规和政策规定的理由。", lawful)


def _unrated(ticket: Ticket, detail: Close, policy: Policy) -> None:
    """Asked and called without an answer: not rated, and not satisfied either. Source: SQ-021, MC-053."""
    follow = policy.follow
    if follow is None or follow.unrated is not Unrated.CLOSE or ticket.rating is not None:
        raise GuardFailed("不能按「未评价」办结。请人工回访，或由审核人员决定。")
    if not detail.explanation.strip():
        raise GuardFailed.by("按未评价办结，须写明人工回访的情况。", follow.unrated_basis)


def _rounds_used(ticket: Ticket, policy: Policy) -> bool:
    return policy.follow is not None and policy.follow.rounds is not None and ticket.round > policy.follow.rounds


def reworkable(ticket: Ticket, detail: Rework, context: Context) -> None:
    """A new round needs a reason; during a survey also an unsatisfied rating, its cause, and room for a round."""
    if not detail.reason.strip():
        raise GuardFailed("重新交办须写明理由。")
    policy = context.policy
    rules, follow = policy.survey, policy.follow
    if detail.mode is ReworkMode.EXPLAIN and (follow is None or follow.explain is None):
        raise GuardFailed("本地规定没有「再次回应解释」这种交办方式。请选择重新办理。")
    if ticket.state in REOPENED:
        _was_taken_in(ticket)
        return
    if not is_unsatisfied(ticket, policy):
        raise GuardFailed("诉求人没有评价不满意，不能在回访中重新交办。")
    if not ticket.cause_code:
        raise GuardFailed.by("重新交办前须先人工回访并记录不满意的原因。", rules.unsatisfied_basis)
    if follow is None:
        return
    if settled_by_call(ticket, policy):
        raise GuardFailed.by("诉求人在人工回访中已表示满意，不需要重新交办。", follow.rounds_basis)
    if follow.judged is not None and not (detail.not_done or detail.reasonable):
        raise GuardFailed.by("再次转派须认定承办单位应办未办，或者诉求合理。请选定并写明理由。", follow.judged)
    if _rounds_used(ticket, policy):
        raise GuardFailed.by(f"回访不满意的核实整改以{follow.rounds}轮为限。请说明后办结。", follow.rounds_basis)


def _was_taken_in(ticket: Ticket) -> None:
    """What was withdrawn before it was registered holds nothing to work on."""
    if ticket.registered_at is None:
        raise GuardFailed("工单未经登记受理，不能重新交办。请按诉求人的要求新建工单。")


def closing_of(ticket: Ticket, detail: Close, policy: Policy) -> Closing:
    """Why this closing is allowed."""
    if satisfied(ticket, policy):
        return Closing.DEFAULT if ticket.rating_source is RatingSource.DEFAULT else Closing.RATED
    if settled_by_call(ticket, policy):
        return Closing.CALLED
    if detail.lawful:
        return Closing.LAWFUL
    return Closing.UNRATED if detail.unrated else Closing.OBJECTIVE


def is_exempt(ticket: Ticket, closing: Closing, policy: Policy) -> bool:
    """Left out of the satisfaction rate, or counted apart. Source: MC-054, WX-026."""
    flagged = policy.follow is not None and bool(ticket.flags & policy.follow.exempt)
    return flagged or closing is Closing.OBJECTIVE
