"""Which limit of a policy holds for a ticket, what the dispatcher may choose, how far it can be extended. PURE.

Source: 办理期限 of the five regulations (GZ-024, WX-014, LS-030, SQ-015, MC-029...), 延期 (GZ-027, WX-017, WX-019,
LS-042, SQ-018, MC-034) and 退回 (GZ-029, WX-012, LS-043, SQ-020, MC-026).
"""

from dataclasses import replace
from datetime import datetime

from ticketing.clocks import Calendar, Clock, Deadline, DeadlineKind, Period, deadline
from ticketing.policy import Basis, CapKind, ExtensionRule, Policy, first_fit, handle_limit
from ticketing.rules import Anchor, Case, LimitRule, When


class BadChoice(ValueError):
    """The dispatcher chose a limit the regulation does not leave open; `sentence` says what may be chosen."""

    def __init__(self, sentence: str, basis: Basis) -> None:
        self.sentence = sentence
        self.basis = basis
        super().__init__(sentence)


def dispatch_limit(policy: Policy, case: Case, registered_at: datetime, calendar: Calendar) -> LimitRule | None:
    """Until when a request registered at that moment must be dispatched.

    Source: WX-008 to WX-010: office hours are those of the policy, on working days. Raises CalendarEnds.
    """
    if any(rule.when.in_hours is not None for rule in policy.dispatch):
        case = replace(case, in_hours=policy.calendar.office_hours.open_at(registered_at, calendar))
    return first_fit(policy.dispatch, case)


def unit_limits(
    policy: Policy, case: Case, dispatched_at: datetime, calendar: Calendar, chosen: Period | None = None
) -> dict[DeadlineKind, LimitRule | None]:
    """The unit's limits for a ticket dispatched at that moment. chosen: the dispatcher's own handling limit.

    Raises BadChoice, CalendarEnds.
    """
    handle = handle_limit(policy, case, dispatched_at, calendar)
    return {
        DeadlineKind.SIGN: first_fit(policy.sign, case),
        DeadlineKind.CONTACT: first_fit(policy.contact, case),
        DeadlineKind.HANDLE: handle if chosen is None else choose(handle, chosen),
        DeadlineKind.RETURN: first_fit(policy.returns.windows, case),
    }


def choose(rule: LimitRule | None, chosen: Period) -> LimitRule:
    """The rule with the limit the dispatcher chose; only what the regulation leaves open. Raises BadChoice.

    Source: GZ-024, GZ-025: 1-3 and 3-5 working days; the upper bound is the longest.
    """
    if rule is None or rule.least is None or rule.period is None:
        basis = rule.basis if rule is not None else Basis()
        raise BadChoice("本地规定没有给出可以选择的办理时限。请不要填写自选时限。", basis)
    if chosen.clock is not rule.period.clock or not rule.least.amount <= chosen.amount <= rule.period.amount:
        span = f"{rule.least.amount}至{rule.period.amount}个工作日"
        raise BadChoice(f"办理时限只能在{span}之间选择。请改填其中之一。", rule.basis)
    return replace(rule, period=chosen)


def with_grace(policy: Policy, window: LimitRule, outage_days: int) -> tuple[LimitRule, Basis]:
    """The return window after an outage of so many working days, once, and what it rests on.

    Only where the policy gives such a grace and counts in the same unit; at most the grace. Source: GZ-030.
    """
    grace = policy.returns.grace
    if not outage_days or grace is None or window.period is None or grace.add.clock is not window.period.clock:
        return window, window.basis
    longer = Period(window.period.amount + min(outage_days, grace.add.amount), window.period.clock)
    return replace(window, period=longer), joined(window.basis, grace.basis)


def longest(rule: ExtensionRule, running: Deadline, policy: Policy, calendar: Calendar) -> Deadline | None:
    """The running handling limit with every extension the policy allows; None when it allows none, or no end is set.

    Raises CalendarEnds.
    """
    cap, amount, clock, from_at = rule.cap, running.amount, running.clock, running.from_at
    if cap.kind is CapKind.FACTOR:
        total = amount * (1 + cap.factor)
    elif cap.period is None:
        return None
    elif cap.kind is CapKind.CALENDAR:
        # Days after the due time, whatever clock that had (SQ-018).
        from_at, clock, total = running.due_at, Clock.CALENDAR_DAY, cap.period.amount
    elif cap.period.clock is not clock:
        return None
    elif cap.kind is CapKind.TOTAL:
        total = cap.period.amount
    else:
        total = amount + cap.period.amount * (cap.max_count or 0)
    if clock is running.clock and total <= amount:
        return None
    period = Period(total, clock)
    return deadline(running.rule_id, running.kind, from_at, period, calendar, policy.name, policy.workdays)


def progress_rule(policy: Policy) -> LimitRule | None:
    """How often the unit reports while a statutory limit runs; None where nothing is said. Source: MC-031."""
    every, basis = policy.handle.progress_every, policy.handle.progress_basis
    return None if every is None else LimitRule("handle.progress_every", When(), every, Anchor.DISPATCH, basis)


def joined(one: Basis, other: Basis) -> Basis:
    """Both sources of a value."""
    clauses = tuple(dict.fromkeys((*one.clauses, *other.clauses)))
    articles = tuple(dict.fromkeys((*one.articles, *other.articles)))
    ours = one.partly_ours or other.partly_ours or (bool(clauses) and one.is_default != other.is_default)
    return Basis(clauses, articles, ours)
