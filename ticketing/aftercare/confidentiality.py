"""Who may see what: marks that hide the citizen, classes of sensitive content, and what may be made public. PURE.

Source: LS-029, LS-084, LS-096, GZ-005, GZ-019, WX-013, WX-031, MC-048, MC-062.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from callcenter.types import Actor, Role
from ticketing.facts import Fact
from ticketing.policy import Policy
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.transition import CALLERS_BACK, DESK, REVIEWERS, Part, Transition
from ticketing.words import Event, Flag, State

GUARDED = frozenset({Flag.STAFF, Flag.SENSITIVE})
"""Tickets with one of these are seen by fewer people."""
SEES_GUARDED = frozenset({Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR, Role.LEADER, Role.AUDITOR})
ON_AN_AGENTS_DESK = frozenset({State.DRAFT, State.REGISTERED, State.AWAITING_SUPPLEMENT})
PUBLIC, WITHHELD = "public", "withheld"
MARKABLE = tuple(State)
DECIDABLE = (State.CLOSED, State.ARCHIVED, State.ANSWERED, State.REJECTED, State.REFERRED, State.TERMINATED)


@dataclass(frozen=True, slots=True)
class Mark:
    """None leaves a mark as it is. add, drop: flags. sensitivity: a class of the policy, `` for none."""

    event: ClassVar = Event.FLAG
    reason: str
    confidential: bool | None = None
    sensitivity: str | None = None
    add: frozenset[Flag] = frozenset()
    drop: frozenset[Flag] = frozenset()


@dataclass(frozen=True, slots=True)
class DecidePublication:
    """consent: the citizen agreed; suitable: nothing in it is unfit for the public."""

    event: ClassVar = Event.DECIDE_PUBLICATION
    publish: bool
    reason: str
    consent: bool = False
    suitable: bool = False


@dataclass(frozen=True, slots=True)
class TicketMarked(Fact):
    confidential: bool
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublicationDecided(Fact):
    public: bool


def mark_known(ticket: Ticket, detail: Mark, context: Context) -> None:
    """Something is changed, with a reason; hiding is for everyone, uncovering for a reviewer."""
    if not detail.reason.strip():
        raise GuardFailed("标记须写明理由。")
    rules = context.policy.secrecy
    if detail.sensitivity and (rules is None or not rules.knows(detail.sensitivity)):
        known = "、".join(f"{one.code}({one.label})" for one in rules.classes) if rules else ""
        raise GuardFailed(f"没有「{detail.sensitivity}」这种涉密类别。可选：{known or '本地规定没有分类'}。")
    uncovers = (detail.confidential is False and ticket.confidential) or (
        bool(detail.drop & GUARDED & ticket.flags) or (detail.sensitivity == "" and bool(ticket.sensitivity))
    )
    if uncovers and not context.actor.roles & REVIEWERS:
        raise GuardFailed("取消保密标记须由审核员或督办员操作。")
    opened = Mark("", detail.confidential, detail.sensitivity, detail.add, detail.drop)
    if marked(ticket, opened) == ticket:
        raise GuardFailed("标记没有变化。")


def marked(ticket: Ticket, detail: Mark) -> Ticket:
    """The ticket with these marks; whatever becomes secret is no longer public."""
    flags = (ticket.flags | detail.add) - detail.drop
    confidential = ticket.confidential if detail.confidential is None else detail.confidential
    sensitivity = ticket.sensitivity if detail.sensitivity is None else detail.sensitivity
    after = replace(ticket, flags=flags, confidential=confidential, sensitivity=sensitivity)
    return replace(after, publication=WITHHELD) if ticket.publication == PUBLIC and is_secret(after) else after


def is_secret(ticket: Ticket) -> bool:
    """Whether nothing of it may be published, and a copy needs a second person's approval."""
    return ticket.confidential or bool(ticket.sensitivity) or bool(ticket.flags & GUARDED)


def publishable(ticket: Ticket, detail: DecidePublication, context: Context) -> None:
    """Public only with the citizen's consent, if fit for it, and never what is secret. Source: LS-084, WX-031."""
    rules = context.policy.secrecy
    if rules is None:
        raise GuardFailed("本地规定没有公开办理结果的要求，不需要公开审核。")
    if not detail.reason.strip():
        raise GuardFailed.by("公开审核须写明理由。", rules.publication_basis)
    if not detail.publish:
        return
    if is_secret(ticket):
        raise GuardFailed.by("涉密、保密或反映工作人员作风的工单不得公开。", rules.publication_basis)
    if not (detail.consent and detail.suitable):
        raise GuardFailed.by("公开须诉求人同意，并经审核适宜公开；否则默认不公开。", rules.publication_basis)


def masks_citizen(ticket: Ticket, policy: Policy) -> bool:
    """Whether the citizen is shown to nobody without need, not even their name. Source: WX-013, GZ-065, MC-048."""
    rules = policy.secrecy
    return ticket.confidential or (rules is not None and ticket.request_type in rules.masked_types)


def may_see(actor: Actor, ticket: Ticket) -> bool:
    """Whether this person of the hotline may see the ticket at all; a unit's sight is the query's business."""
    if not ticket.flags & GUARDED or actor.kind != "user" or actor.roles <= {Role.UNIT, Role.UNIT_HEAD}:
        return True
    return bool(actor.roles & SEES_GUARDED) or ticket.state in ON_AN_AGENTS_DESK


def _marked(ticket: Ticket, detail: Mark, _: Context) -> Ticket:
    return marked(ticket, detail)


def _decided(ticket: Ticket, detail: DecidePublication, _: Context) -> Ticket:
    return replace(ticket, publication=PUBLIC if detail.publish else WITHHELD)


def _tell_mark(_: Ticket, after: Ticket, __: Mark, context: Context) -> tuple[Fact, ...]:
    flags = tuple(sorted(after.flags))
    return (TicketMarked(after.id, after.round, context.now, after.confidential, flags),)


def _tell_decision(_: Ticket, after: Ticket, detail: DecidePublication, context: Context) -> tuple[Fact, ...]:
    return (PublicationDecided(after.id, after.round, context.now, detail.publish),)


PART = Part(
    rows={
        **{(s, Event.FLAG): Transition(s, DESK | CALLERS_BACK, (mark_known,)) for s in MARKABLE},
        **{(state, Event.DECIDE_PUBLICATION): Transition(state, REVIEWERS, (publishable,)) for state in DECIDABLE},
    },
    apply={Event.FLAG: _marked, Event.DECIDE_PUBLICATION: _decided},
    tell={Event.FLAG: _tell_mark, Event.DECIDE_PUBLICATION: _tell_decision},
)
