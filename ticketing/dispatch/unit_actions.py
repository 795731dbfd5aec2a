"""What a unit can do with a ticket now, and what stands in the way of the rest, before anybody fills in a form. PURE.

Every command is tried on the very rules that will judge it, with all it could be asked to bring; what is then refused
is refused whatever the person types. A thing this regulation does not know, or this ticket has no use for, is left
out. Source: the guards of the table, with their own articles.
"""

from collections.abc import Callable
from dataclasses import dataclass

from callcenter.types import TicketId, UnitId
from ticketing.aftercare import reply_form
from ticketing.aftercare.commitments import KeepCommitment
from ticketing.aftercare.contacts import NoteContact
from ticketing.approvals import approvals
from ticketing.approvals.approvals import AskApproval, AskSignoff
from ticketing.approvals.rules import LeadershipRule, Rank
from ticketing.approvals.signing import Gate
from ticketing.approvals.termination import AskTermination, Judgement
from ticketing.clocks import CalendarEnds, Deadline, DeadlineKind, local_day
from ticketing.commands import AskExtension, AskReturn, Contents, Detail, Reply, Sign, Start
from ticketing.dispatch import asking
from ticketing.dispatch.assists import GiveOpinion, ReportProgress, SignAssist
from ticketing.dispatch.hops import ForwardDown, HandBack
from ticketing.dispatch.returns import NoteOutage
from ticketing.policy import ExtensionNeed, ReturnNeed
from ticketing.record import Context, Refused, Ticket
from ticketing.ticket import TRANSITIONS
from ticketing.words import Event

SOME = "—"
"""Stands for whatever a person would write."""
EXTENSION_NEED_NAMES = {
    ExtensionNeed.CITIZEN_INFORMED: "向诉求人说明情况的时间",
    ExtensionNeed.NEW_DUE: "新的办理期限",
    ExtensionNeed.SIGNATURE: "主要负责人签字",
    ExtensionNeed.SEAL: "单位盖章（编号）",
}
Probe = Callable[[Ticket, Context], Detail | None]
"""The command with all it may bring; None: this regulation, or this ticket, has no such thing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An action. refused: why not now, `` when it can be done; article: of that rule."""

    event: Event
    refused: str
    article: str


@dataclass(frozen=True, slots=True)
class Leadership:
    """Who must lead the handling inside the unit at least. ranks: those that do, highest first."""

    label: str
    ranks: tuple[Rank, ...]
    article: str


@dataclass(frozen=True, slots=True)
class ExtensionNeeded:
    """What an extension by `amount` brings with it."""

    amount: int
    new_due: Deadline
    needs: tuple[ExtensionNeed, ...]


def standing(ticket: Ticket, event: Event, context: Context) -> Standing | None:
    """How this action stands; None for one there is no use for here."""
    transition, probe = TRANSITIONS.get((ticket.state, event)), PROBES.get(event)
    if transition is None or probe is None:
        return None
    try:
        detail = probe(ticket, context)
        if detail is None:
            return None
        if event in (Event.REPLY, Event.ASK_SIGNOFF):
            return _of_reply(ticket, event, context)
        for guard in transition.guards:
            guard(ticket, detail, context)
    except Refused as refused:
        return Standing(event, refused.sentence, refused.article)
    except CalendarEnds:
        return Standing(event, "工作日历还没有覆盖到相应的期限，请联系管理员。", "")
    return Standing(event, "", "")


def _of_reply(ticket: Ticket, event: Event, context: Context) -> Standing:
    """What it says is judged when it is said; only what must come before it is known now."""
    first = next(iter(reply_form.reply_form(ticket, context).before), None)
    return Standing(event, first.sentence if first else "", first.article if first else "")


def leadership(ticket: Ticket, context: Context) -> Leadership | None:
    """Who must lead, where the regulation says so. Source: MC-028."""
    inside = context.policy.approval.inside_unit if context.policy.approval else None
    rule: LeadershipRule | None = inside.rule(ticket.case) if inside else None
    if rule is None or rule.led_by is Rank.STAFF:
        return None
    high = tuple(rank for rank in Rank if tuple(Rank).index(rank) <= tuple(Rank).index(rule.led_by))
    return Leadership(rule.label, high, str(rule.basis))


def return_needs(context: Context) -> tuple[tuple[ReturnNeed, ...], ...]:
    """Groups of which at least one each is given with a return."""
    return tuple(tuple(sorted(group)) for group in context.policy.returns.needs)


def extension_needed(ticket: Ticket, amount: int, context: Context) -> ExtensionNeeded:
    """What asking for so much needs, and until when it would give. Raises GuardFailed beyond the cap, CalendarEnds."""
    asking.within_cap(ticket, amount, context)
    needs = asking.extension_needs(ticket, amount, context)
    if ticket.confidential:
        needs -= {ExtensionNeed.CITIZEN_INFORMED}
    return ExtensionNeeded(amount, asking.new_deadline(ticket, amount, context), tuple(sorted(needs)))


# ---- each command, with all it may bring ---------------------------------------------------------------------------


def _start(_: Ticket, __: Context) -> Detail:
    return Start(None, SOME, Rank.PRINCIPAL)


def _return(_: Ticket, __: Context) -> Detail:
    return AskReturn(SOME, SOME, SOME, suggestion=SOME, nothing_ours=True)


def _extension(ticket: Ticket, context: Context) -> Detail:
    """By one, the least there is: what refuses that refuses more."""
    if ticket.due(DeadlineKind.HANDLE) is None or context.policy.extension.rule(ticket.case) is None:
        return AskExtension(1, SOME)
    if not asking.room_of(ticket, context).most:
        return AskExtension(1, SOME)
    day = local_day(asking.new_deadline(ticket, 1, context).due_at)
    return AskExtension(1, SOME, context.now, SOME, SOME, day)


def _outage(ticket: Ticket, context: Context) -> Detail | None:
    window = ticket.due(DeadlineKind.RETURN)
    if context.policy.returns.grace is None or window is None:
        return None
    return NoteOutage(window.deadline.from_at, min(window.deadline.due_at, context.now), SOME, SOME)


def _forward(ticket: Ticket, _: Context) -> Detail | None:
    return ForwardDown(UnitId(SOME), SOME) if ticket.authority is None else None


def _hand_back(ticket: Ticket, _: Context) -> Detail | None:
    return HandBack(SOME) if ticket.authority is not None else None


def _reply(ticket: Ticket, context: Context) -> Detail | None:
    return None if approvals.gate_rule(ticket, Gate.SIGNOFF, context.policy) else Reply(Contents())


def _signoff(ticket: Ticket, context: Context) -> Detail | None:
    return AskSignoff(Contents()) if approvals.gate_rule(ticket, Gate.SIGNOFF, context.policy) else None


def _report(ticket: Ticket, context: Context) -> Detail | None:
    rule = approvals.gate_rule(ticket, Gate.REPORT, context.policy)
    return AskApproval(Gate.REPORT, SOME) if rule and rule.rule_id not in ticket.cleared else None


def _progress(ticket: Ticket, _: Context) -> Detail | None:
    runs = any(due.deadline.kind is DeadlineKind.PROGRESS for due in ticket.dues)
    return ReportProgress(SOME) if runs else None


def _terminate(ticket: Ticket, context: Context) -> Detail | None:
    rules = context.policy.termination
    if rules is None or ticket.request_no < rules.least:
        return None
    others = (Judgement(TicketId(f"{SOME}{n}"), SOME) for n in range(1, rules.least))
    return AskTermination(SOME, (Judgement(ticket.id, SOME), *others))


def _keep(ticket: Ticket, _: Context) -> Detail | None:
    return KeepCommitment(SOME) if ticket.due(DeadlineKind.COMMITMENT) is not None else None


def _contact(_: Ticket, context: Context) -> Detail:
    # With a reason for the hour: at night it is asked for, not forbidden.
    return NoteContact(context.now, SOME, SOME, over_reason=SOME)


def _opinion(ticket: Ticket, context: Context) -> Detail | None:
    return GiveOpinion(SOME) if context.actor.unit in ticket.assist_units else None


def _sign_assist(ticket: Ticket, context: Context) -> Detail | None:
    return SignAssist() if context.actor.unit in ticket.assist_units else None


PROBES: dict[Event, Probe] = {
    Event.SIGN: lambda ticket, context: Sign(),
    Event.SIGN_ASSIST: _sign_assist,
    Event.START: _start,
    Event.NOTE_CONTACT: _contact,
    Event.REPLY: _reply,
    Event.ASK_SIGNOFF: _signoff,
    Event.GIVE_OPINION: _opinion,
    Event.REPORT_PROGRESS: _progress,
    Event.KEEP_COMMITMENT: _keep,
    Event.FORWARD_DOWN: _forward,
    Event.HAND_BACK: _hand_back,
    Event.ASK_EXTENSION: _extension,
    Event.ASK_RETURN: _return,
    Event.NOTE_OUTAGE: _outage,
    Event.ASK_APPROVAL: _report,
    Event.ASK_TERMINATION: _terminate,
}
"""In the order people come to them."""
