"""Extensions as numbers: how much more may be granted, and when the longer limit ends. PURE.

Source: LS-042 and GZ-027 (a multiple of the limit), WX-017 and MC-034 (a total), WX-019 (steps), SQ-018 (days).
"""

from dataclasses import dataclass

from ticketing.clocks import Calendar, Clock, Deadline, Period, WorkdayClock, deadline
from ticketing.policy import CapKind, ExtensionRule


@dataclass(frozen=True, slots=True)
class Room:
    """How much more may be granted now, and in which unit; 0 when nothing."""

    most: int
    clock: Clock


def room(rule: ExtensionRule, running: Deadline, extended: int, count: int) -> Room:
    """The longest further extension of a running handling limit.

    extended: what was granted before, in the unit of this answer. count: how many requests were granted before.
    """
    cap = rule.cap
    if cap.kind is CapKind.CALENDAR:
        most = (cap.period.amount if cap.period else 0) - extended
        clock = Clock.CALENDAR_DAY
    else:
        original, clock = running.amount - extended, running.clock
        most = _most(rule, original, extended, clock)
    spent = cap.max_count is not None and count >= cap.max_count
    return Room(0 if spent else max(0, most), clock)


def _most(rule: ExtensionRule, original: int, extended: int, clock: Clock) -> int:
    cap = rule.cap
    if cap.kind is CapKind.FACTOR:
        return cap.factor * original - extended
    if cap.period is None or cap.period.clock is not clock:
        # A cap in working days says nothing about a limit in hours.
        return 0
    return cap.period.amount - original - extended if cap.kind is CapKind.TOTAL else cap.period.amount


def prolonged(
    rule: ExtensionRule,
    running: Deadline,
    extended: int,
    amount: int,
    calendar: Calendar,
    policy_version: str,
    workdays: WorkdayClock,
) -> Deadline:
    """The limit after `amount` more, in the unit of `room`: it counts again from where it began, with what was granted.

    Calendar days are added after the original due time, whatever its clock (SQ-018). Raises CalendarEnds.
    """
    if rule.cap.kind is not CapKind.CALENDAR:
        longer, from_at = Period(running.amount + amount, running.clock), running.from_at
    else:
        longer = Period(extended + amount, Clock.CALENDAR_DAY)
        from_at = running.from_at if extended else running.due_at
    return deadline(running.rule_id, running.kind, from_at, longer, calendar, policy_version, workdays)
