"""What a reviewer looks at before deciding on a reply, each with its article: the same rules, asked once more. PURE.

The reply was let in by these rules when it came; a reviewer sees them answered one by one, with what the clocks say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ticketing import contents
from ticketing.aftercare import contacts, reviews
from ticketing.clocks import DeadlineKind
from ticketing.commands import Contents, Reply
from ticketing.record import Context, Due, GuardFailed, Ticket
from ticketing.rules import Basis

REPLY_RULES: tuple[tuple[str, Callable[[Ticket, Any, Context], None]], ...] = (
    ("答复要素", contents.reply_is_complete),
    ("办理时间", contents.times_are_past),
    ("办理结论", reviews.outcome_complete),
    ("结果告知诉求人", reviews.result_told),
    ("书面办理意见", reviews.opinion_given),
    ("签发人", reviews.signed_in_person),
)
LIMITS = {
    DeadlineKind.SIGN: "签收时限",
    DeadlineKind.CONTACT: "联系时限",
    DeadlineKind.HANDLE: "办理时限",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One rule and its answer. ok None: it has to be judged by a person. note: why not, or what is known."""

    label: str
    ok: bool | None
    note: str
    article: str


def checks_of(ticket: Ticket, reply: Contents | None, context: Context) -> tuple[Check, ...]:
    """Everything there is to look at. reply None: there is none in this round."""
    found: list[Check] = []
    if reply is not None:
        ruled = [_ruled(label, guard, ticket, reply, context) for label, guard in REPLY_RULES]
        # What the policy does not ask for is nothing to look at.
        found += [one for one in ruled if one.article or not one.ok]
    found.append(_contact(ticket, context))
    found += [_limit(due) for due in ticket.dues if due.deadline.kind in LIMITS]
    found += _follow_up(ticket, context)
    return tuple(found)


def _ruled(
    label: str, guard: Callable[[Ticket, Any, Context], None], ticket: Ticket, reply: Contents, context: Context
) -> Check:
    basis = _basis_of(label, context)
    try:
        guard(ticket, Reply(reply), context)
    except GuardFailed as refused:
        return Check(label, ok=False, note=refused.sentence, article=refused.article or basis)
    return Check(label, ok=True, note="", article=basis)


def _basis_of(label: str, context: Context) -> str:
    """The article a kept rule rests on; `` where the policy has no such rule."""
    answer, reply = context.policy.answer, context.policy.reply
    known: dict[str, Basis | None] = {"答复要素": reply.basis, "办理时间": reply.basis}
    if answer is not None:
        known |= {"办理结论": answer.basis, "结果告知诉求人": answer.told, "书面办理意见": answer.opinion}
    basis = known.get(label)
    return str(basis) if basis is not None else ""


def _contact(ticket: Ticket, context: Context) -> Check:
    article = str(contacts.contact_basis(ticket, context))
    if ticket.contacted_at is not None:
        return Check("联系诉求人", ok=True, note="", article=article)
    if ticket.confidential:
        return Check("联系诉求人", ok=None, note="诉求人信息保密，由热线联系。", article=article)
    if contacts.unreachable(ticket, context):
        return Check("联系诉求人", ok=None, note=f"已联系 {ticket.contact_tries} 次，未能接通。", article=article)
    asked = context.policy.answer is not None and context.policy.answer.contact is not None
    return Check("联系诉求人", ok=False if asked else None, note="没有与诉求人沟通的记录。", article=article)


def _limit(due: Due) -> Check:
    kept, label = due.deadline, LIMITS[due.deadline.kind]
    if due.met_at is None:
        note = "不再计时" if due.ended_at is not None else "尚未完成"
        return Check(label, ok=None, note=note, article=kept.rule_id)
    return Check(label, ok=due.met_at <= kept.due_at, note="", article=kept.rule_id)


def _follow_up(ticket: Ticket, context: Context) -> list[Check]:
    """The unit asks first, where the policy says so; and what only a reviewer can accept."""
    found: list[Check] = []
    follow = context.policy.follow
    if follow is not None and follow.unit_asks is not None and not ticket.confidential:
        done = ticket.followed_up_at is not None
        note = "" if done else "承办单位还没有记录对诉求人的回访。"
        found.append(Check("承办单位回访", done, note, str(follow.unit_asks_basis)))
    outcome = reviews.concluded(ticket, context.policy)
    if outcome is not None and outcome.reviewed:
        note = f"结论为「{outcome.label}」，须由审核人员认可后才能成立。"
        found.append(Check("结论审核", ok=None, note=note, article=str(outcome.basis)))
    return found
