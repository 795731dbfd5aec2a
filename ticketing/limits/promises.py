"""What can be promised to a citizen while the request is still being taken down. PURE.

Nothing has begun yet, so every limit is counted from the latest moment it can begin: registered now, dispatched when
the dispatch is due, signed when the signature is due. What is promised so is kept even when every step takes its time.
"""

from dataclasses import dataclass
from datetime import datetime

from ticketing.clocks import Calendar, Clock, Deadline, DeadlineKind, Period, deadline
from ticketing.limits.limits import dispatch_limit, unit_limits
from ticketing.policy import Policy
from ticketing.rules import Anchor, Case, LimitRule
from ticketing.words import CLOCK_NAMES

IN_ORDER = (DeadlineKind.SIGN, DeadlineKind.CONTACT, DeadlineKind.HANDLE)


@dataclass(frozen=True, slots=True)
class Promise:
    """One limit: when at the latest, and the rule it rests on."""

    rule: LimitRule
    running: Deadline


def promises(policy: Policy, case: Case, now: datetime, calendar: Calendar) -> tuple[Promise, ...]:
    """Dispatch, signature, contact and handling of a request registered `now`, those the policy has.

    now: aware. Raises CalendarEnds.
    """
    begun = {Anchor.REGISTERED: now, Anchor.DISPATCH: now, Anchor.SIGN: now}
    rule = dispatch_limit(policy, case, now, calendar)
    found = _promised(DeadlineKind.DISPATCH, rule, policy, begun, calendar)
    begun[Anchor.DISPATCH] = begun[Anchor.SIGN] = found[0].running.due_at if found else now
    limits = unit_limits(policy, case, begun[Anchor.DISPATCH], calendar)
    for kind in IN_ORDER:
        more = _promised(kind, limits[kind], policy, begun, calendar)
        if kind is DeadlineKind.SIGN and more:
            begun[Anchor.SIGN] = more[0].running.due_at
        found += more
    return found


def _promised(
    kind: DeadlineKind, rule: LimitRule | None, policy: Policy, begun: dict[Anchor, datetime], calendar: Calendar
) -> tuple[Promise, ...]:
    if rule is None or rule.period is None:
        return ()
    running = deadline(rule.rule_id, kind, begun[rule.start], rule.period, calendar, policy.name, policy.workdays)
    return (Promise(rule, running),)


def in_words(period: Period) -> str:
    """A limit as people say it: 5个工作日, 24小时; a time of the day as 10:00."""
    return str(period) if period.clock is Clock.CLOCK_TIME else f"{period.amount}{CLOCK_NAMES[period.clock]}"
