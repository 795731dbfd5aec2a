"""What a dispatch would set going, computed before it is sent: every limit, its article, the days that count. PURE.

The same rules as `ticketing.effects` starts the clocks by, so what is shown before is what holds after.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

from ticketing.approvals.approvals import missing_before_dispatch
from ticketing.approvals.rules import GateRule
from ticketing.clocks import (
    COUNTS_WORKING_DAYS,
    ONE_DAY,
    Calendar,
    Deadline,
    DeadlineKind,
    FirstDay,
    WorkdayClock,
    deadline,
    local_day,
)
from ticketing.commands import Dispatch
from ticketing.effects import limit_rules
from ticketing.limits.limits import BadChoice
from ticketing.policy import handle_limit
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.rules import Anchor, LimitRule

LONGEST = timedelta(days=62)
"""Days are listed for spans up to this; a longer one nobody reads day by day."""
DEADLINE_NAMES: dict[DeadlineKind, str] = {
    DeadlineKind.DISPATCH: "派单",
    DeadlineKind.SIGN: "签收",
    DeadlineKind.CONTACT: "联系诉求人",
    DeadlineKind.HANDLE: "办理",
    DeadlineKind.RETURN: "申请退单",
    DeadlineKind.PROGRESS: "反馈办理进展",
    DeadlineKind.ASSIST: "协办反馈意见",
    DeadlineKind.SURVEY: "回访",
    DeadlineKind.COMMITMENT: "后续事项",
    DeadlineKind.SUPERVISION: "反馈督办",
    DeadlineKind.SUPPLEMENT: "诉求人补充",
}


@dataclass(frozen=True, slots=True)
class CountedDay:
    """One day of a span. counted: it is one of the working days of the limit."""

    day: date
    counted: bool
    kind: str


@dataclass(frozen=True, slots=True)
class Planned:
    """One limit. deadline None: it begins with the signing, or its length is not set here."""

    kind: DeadlineKind
    rule: LimitRule
    deadline: Deadline | None
    days: tuple[CountedDay, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """limits: in the order they come up. choice: the rule that leaves the handling limit open. first: whose signatures
    are needed before."""

    limits: tuple[Planned, ...]
    choice: LimitRule | None
    first: GateRule | None


def plan(ticket: Ticket, detail: Dispatch, context: Context) -> Plan:
    """What this dispatch would start if it were sent now; what it still lacks is not looked at.

    Raises GuardFailed when the chosen limit is none the regulation leaves open, CalendarEnds.
    """
    sent = replace(ticket, lead_unit=detail.lead or None)
    try:
        rules = limit_rules(sent, Anchor.DISPATCH, detail, context)
    except BadChoice as bad:
        raise GuardFailed.by(bad.sentence, bad.basis) from None
    limits = (_planned(kind, rule, context) for kind, rule in rules.items() if rule is not None and rule.period)
    handle = handle_limit(context.policy, sent.case, context.now, context.calendar)
    choice = handle if handle is not None and handle.least is not None else None
    return Plan(tuple(limits), choice, missing_before_dispatch(ticket, context.policy))


def _planned(kind: DeadlineKind, rule: LimitRule, context: Context) -> Planned:
    if rule.start is not Anchor.DISPATCH or rule.period is None:
        return Planned(kind, rule, None)
    policy = context.policy
    due = deadline(rule.rule_id, kind, context.now, rule.period, context.calendar, policy.name, policy.workdays)
    return Planned(kind, rule, due, counted_days(due, context.calendar, policy.workdays))


def counted_days(due: Deadline, calendar: Calendar, workdays: WorkdayClock) -> tuple[CountedDay, ...]:
    """Every day from the start to the end of a limit in working days; empty for other clocks and for long spans."""
    first, last = local_day(due.from_at), local_day(due.due_at)
    if due.clock not in COUNTS_WORKING_DAYS or last - first > LONGEST:
        return ()
    begins = first if workdays.first is FirstDay.SAME_DAY else first + ONE_DAY
    days = (begins + ONE_DAY * n for n in range((last - begins).days + 1))
    return tuple(CountedDay(day, calendar.works(day), str(calendar.kind(day))) for day in days)
