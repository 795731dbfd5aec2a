"""The rungs of a deadline: a reminder before it ends, then warning cards; each has its moment, computed once. PURE.

The moment of the next rung is stored with the deadline, so that one sweep over one partial index finds what is due.
"""

from dataclasses import dataclass, replace
from datetime import datetime, time

from ticketing.clocks import (
    ONE_DAY,
    Calendar,
    CalendarEnds,
    Clock,
    Deadline,
    DeadlineKind,
    OfficeHours,
    at_local,
    due_at,
    local_day,
)
from ticketing.policy import Policy
from ticketing.record import Ticket
from ticketing.supervision.rules import Card, CardRule

REMIND = "remind"
_BY_THE_CLOCK = frozenset({Clock.NATURAL_HOUR, Clock.NATURAL_MINUTE})


@dataclass(frozen=True, slots=True)
class Moment:
    """One rung. name: `remind` or a card's level."""

    name: str
    at: datetime


def rungs(policy: Policy, limit: Deadline, calendar: Calendar) -> tuple[Moment, ...]:
    """Every rung of this deadline, the earliest first; none where the policy has no reminders and no cards.

    Source: WX-028 (reminded before it is due), LS-087 (message, yellow, red).
    """
    found: list[Moment] = []
    if policy.remind is not None and limit.kind in policy.remind.kinds:
        at = _remind_at(policy, limit, calendar)
        found += [Moment(REMIND, at)] if limit.from_at < at < limit.due_at else []
    if policy.cards is not None and limit.kind is DeadlineKind.HANDLE:
        moments = ((rule.level, _card_at(policy, rule, limit, calendar)) for rule in policy.cards.levels)
        found += [Moment(level, at) for level, at in moments if at is not None]
    return tuple(sorted(found, key=lambda one: one.at))


def _remind_at(policy: Policy, limit: Deadline, calendar: Calendar) -> datetime:
    """Hours: a share of the time before the end. Days: when the office opens, `working_days` before the last day, or
    on the last day itself when the time is too short for that."""
    assert policy.remind is not None
    if limit.clock in _BY_THE_CLOCK:
        return limit.due_at - (limit.due_at - limit.from_at) / policy.remind.share
    day = local_day(limit.due_at)
    office = policy.calendar.office_hours
    early = day
    for _ in range(policy.remind.working_days):
        early -= ONE_DAY
        while not calendar.works(early):
            early -= ONE_DAY
    opens = at_local(early, _opening(office))
    return opens if opens > limit.from_at else at_local(day, _opening(office))


def _opening(office: OfficeHours) -> time:
    return office.spans[0][0]


def _card_at(policy: Policy, rule: CardRule, limit: Deadline, calendar: Calendar) -> datetime | None:
    """None when the calendar does not reach that far; a ticket is not held up by a card of next year."""
    if rule.percent is not None:
        return limit.from_at + (limit.due_at - limit.from_at) * rule.percent / 100
    if rule.after is not None:
        try:
            return due_at(limit.due_at, rule.after, calendar, policy.workdays)
        except CalendarEnds:
            return None
    return limit.due_at


@dataclass(frozen=True, slots=True)
class Turn:
    """What a sweep does for one deadline: remind, issue this card, and when to come again."""

    remind: bool
    card: Card | None
    next: Moment | None


def turn(policy: Policy, limit: Deadline, rung: str, now: datetime, calendar: Calendar) -> Turn:
    """What has become due since `rung` was planned. After a standstill only the gravest card is issued, and nobody is
    reminded of what is overdue."""
    all_rungs = rungs(policy, limit, calendar)
    names = [one.name for one in all_rungs]
    left = all_rungs[names.index(rung) :] if rung in names else all_rungs
    passed = [one for one in left if one.at <= now]
    cards = [Card(one.name) for one in passed if one.name != REMIND]
    ahead = [one for one in left if one.at > now]
    remind = any(one.name == REMIND for one in passed) and now <= limit.due_at
    return Turn(remind, cards[-1] if cards else None, ahead[0] if ahead else None)


def planned(ticket: Ticket, policy: Policy, calendar: Calendar) -> Ticket:
    """The ticket with the first rung of every deadline that is not stored yet."""
    if all(due.id is not None for due in ticket.dues) or (policy.remind is None and policy.cards is None):
        return ticket
    dues = []
    for due in ticket.dues:
        first = rungs(policy, due.deadline, calendar)[:1] if due.id is None and due.open else ()
        dues.append(replace(due, rung=first[0].name, rung_at=first[0].at) if first else due)
    return replace(ticket, dues=tuple(dues))
