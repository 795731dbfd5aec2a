"""Asking the citizen for what a request lacks, before it is rejected or dispatched. PURE.

Source: SQ-009 (反映内容不具体 is asked to be completed first), SQ-011 (who cannot tell reports to a superior).
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from callcenter.types import Role
from ticketing import guards
from ticketing.clocks import DeadlineKind, deadline, is_late
from ticketing.commands import Changes, Reject
from ticketing.effects import keyed
from ticketing.facts import Fact
from ticketing.policy import Anchor
from ticketing.record import Context, Due, GuardFailed, Ticket
from ticketing.transition import DESK, Part, Transition
from ticketing.words import Event, State

MAX_MISSING = 200
_NOTHING = Changes()


@dataclass(frozen=True, slots=True)
class AskSupplement:
    """missing: what the citizen is asked for, in a sentence they can answer."""

    event: ClassVar = Event.ASK_SUPPLEMENT
    missing: str


@dataclass(frozen=True, slots=True)
class Supplement:
    """note: what the citizen said, or that nothing more came and the hotline goes on with what it has."""

    event: ClassVar = Event.SUPPLEMENT
    changes: Changes = _NOTHING
    note: str = ""


@dataclass(frozen=True, slots=True)
class SupplementAsked(Fact):
    missing: str


@dataclass(frozen=True, slots=True)
class SupplementGiven(Fact):
    fields: tuple[str, ...]


def supplement_askable(_: Ticket, detail: AskSupplement, context: Context) -> None:
    """The regulation knows it, and the citizen is told what is missing."""
    rules = context.policy.supplement
    if rules is None:
        raise GuardFailed("本地规定没有补充诉求的环节。请直接办理或不予受理。")
    if not detail.missing.strip():
        raise GuardFailed.by("请写明需要诉求人补充哪些内容。", rules.basis)
    if len(detail.missing) > MAX_MISSING:
        raise GuardFailed.by(f"需要补充的内容最多{MAX_MISSING}字，以便短信告知诉求人。", rules.basis)


def supplement_said(_: Ticket, detail: Supplement, __: Context) -> None:
    if not detail.changes.given() and not detail.note.strip():
        raise GuardFailed("请填写诉求人补充的内容；没有补充的，请说明情况。")


def supplement_asked_first(ticket: Ticket, detail: Reject, context: Context) -> None:
    """What is only not specific enough is not rejected before the citizen could add to it. Source: SQ-009."""
    rules = context.policy.supplement
    if rules is None or detail.code not in rules.ask_first:
        return
    if not ticket.supplements:
        raise GuardFailed.by(
            "内容不具体的诉求，应先请诉求人补充；补充后仍不具体的才能不予受理。", rules.ask_first_basis
        )
    running = ticket.due(DeadlineKind.SUPPLEMENT)
    if running is not None and not is_late(running.deadline.due_at, context.now):
        raise GuardFailed.by("诉求人补充的期限还没有到。请等待补充，或先记录补充情况。", rules.ask_first_basis)


def decided_above(_: Ticket, detail: Reject, context: Context) -> None:
    """Where the first receiver cannot tell, a supervisor decides. Source: SQ-011."""
    reason = context.policy.reject_reason(detail.code)
    if reason is not None and reason.undetermined and Role.SUPERVISOR not in context.actor.roles:
        raise GuardFailed.by("首接人员无法认定的事项须报上级认定。请提请「受理认定」，由督办员决定。", reason.basis)


def _ask(ticket: Ticket, _: AskSupplement, context: Context) -> Ticket:
    rules, policy = context.policy.supplement, context.policy
    assert rules is not None  # supplement_askable refused otherwise
    new = deadline(
        "supplement.limit",
        DeadlineKind.SUPPLEMENT,
        context.now,
        rules.limit,
        context.calendar,
        policy.name,
        policy.workdays,
    )
    return replace(ticket, supplements=ticket.supplements + 1, dues=(*ticket.dues, Due(new, ticket.round)))


def _supplement(ticket: Ticket, detail: Supplement, context: Context) -> Ticket:
    given = detail.changes.given()
    changed = replace(ticket, **given, typed=ticket.typed | given.keys())  # type: ignore[arg-type]
    return keyed(changed, context)


def _asked(_: Ticket, after: Ticket, detail: AskSupplement, context: Context) -> tuple[Fact, ...]:
    return (SupplementAsked(after.id, after.round, context.now, detail.missing),)


def _given(_: Ticket, after: Ticket, detail: Supplement, context: Context) -> tuple[Fact, ...]:
    return (SupplementGiven(after.id, after.round, context.now, tuple(detail.changes.given())),)


_WAITING = State.AWAITING_SUPPLEMENT
_ASKED = Transition(_WAITING, DESK, (supplement_askable,), cancels=frozenset({DeadlineKind.DISPATCH}))
_DONE = frozenset({DeadlineKind.SUPPLEMENT})
PART = Part(
    rows={
        (State.REGISTERED, Event.ASK_SUPPLEMENT): _ASKED,
        (State.AWAITING_DISPATCH, Event.ASK_SUPPLEMENT): _ASKED,
        (_WAITING, Event.SUPPLEMENT): Transition(
            State.REGISTERED, DESK, (guards.fields_known, supplement_said), anchor=Anchor.REGISTERED, meets=_DONE
        ),
        (_WAITING, Event.REJECT): Transition(
            State.REJECTED,
            DESK | {Role.SUPERVISOR},
            (guards.rejection_reasoned, supplement_asked_first, decided_above),
            meets=_DONE,
        ),
        (_WAITING, Event.WITHDRAW): Transition(State.WITHDRAWN, DESK, (guards.reason_given,), cancels=_DONE),
    },
    apply={Event.ASK_SUPPLEMENT: _ask, Event.SUPPLEMENT: _supplement},
    tell={Event.ASK_SUPPLEMENT: _asked, Event.SUPPLEMENT: _given},
)
