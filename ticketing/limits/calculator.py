"""The public calculator: from the moments of a case to every time the regulation gives it. PURE.

What a case does not say is unknown, and what depends on it stays None; a flag that is absent is not set, and a source
that is absent is an ordinary one. `callcenter policy clocks` and POST /api/policy/clocks answer with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from ticketing.clocks import Calendar, Deadline, DeadlineKind, Period, deadline, local_day
from ticketing.limits.limits import dispatch_limit, joined, longest, unit_limits, with_grace
from ticketing.policy import Anchor, Basis, Policy
from ticketing.rules import OURS, Case, LimitRule
from ticketing.words import Flag

KINDS = {
    "sign_due": DeadlineKind.SIGN,
    "contact_due": DeadlineKind.CONTACT,
    "return_due": DeadlineKind.RETURN,
    "handle_due": DeadlineKind.HANDLE,
}


@dataclass(frozen=True, slots=True)
class Moments:
    """What is known of a case; times are aware. request_type, grade None: not known.

    chosen: the handling limit the dispatcher set (甘州). outage_days: working days without a network.
    """

    request_type: str | None
    source: str
    grade: str | None = None
    urgent: bool = False
    direct_answer: bool = False
    registered_at: datetime | None = None
    dispatched_at: datetime | None = None
    signed_at: datetime | None = None
    delivered_at: datetime | None = None
    extended: bool = False
    outage_days: int = 0
    chosen: Period | None = None


@dataclass(frozen=True, slots=True)
class Time:
    """A computed time, aware UTC, and where it comes from."""

    at: datetime
    basis: Basis
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class Times:
    """Every time by its name (dispatch_due, sign_due...); names without a time are absent."""

    by_name: dict[str, Time] = field(default_factory=dict)
    default_rating: str | None = None
    rating_basis: Basis = OURS

    @property
    def provisional(self) -> bool:
        """Whether any of them touches a day whose official notice is not out."""
        return any(time.provisional for time in self.by_name.values())


def in_effect(policies: tuple[Policy, ...], at: datetime | None) -> Policy:
    """The version for a case that began then, the oldest for one before all; the newest when that is not known."""
    if at is None:
        return policies[-1]
    begun = [policy for policy in policies if policy.effective_from <= local_day(at)]
    return (begun or policies[:1])[-1]


def times(policy: Policy, known: Moments, calendar: Calendar) -> Times:
    """Every time this policy gives the case. Raises BadChoice, CalendarEnds.

    Where the request type or the grade of severity is not known, a time is given when it is the same for all.
    """
    types = policy.request_types if known.request_type is None else (known.request_type,)
    grades = policy.grades if known.grade is None and policy.grades else (known.grade,)
    cases = [replace(known, request_type=name, grade=grade) for name in types for grade in grades]
    every = [_times(policy, case, calendar) for case in cases]
    first = every[0]
    if len(every) == 1:
        return first
    same = {
        name: time
        for name, time in first.by_name.items()
        if all(name in other.by_name and other.by_name[name].at == time.at for other in every)
    }
    return replace(first, by_name=same)


def _times(policy: Policy, known: Moments, calendar: Calendar) -> Times:
    flags = frozenset({Flag.DIRECT_ANSWER}) if known.direct_answer else frozenset[Flag]()
    case = Case(known.request_type or "", known.source, known.urgent, flags, grade=known.grade or "")
    found: dict[str, Time] = {}
    if known.registered_at is not None:
        rule = dispatch_limit(policy, case, known.registered_at, calendar)
        found |= _time("dispatch_due", DeadlineKind.DISPATCH, rule, known, policy, calendar)
    if known.dispatched_at is not None or known.signed_at is not None:
        found |= _unit_times(policy, case, known, calendar)
    if known.delivered_at is None or policy.survey.no_reply is None:
        return Times(found)
    found["survey_default_at"] = _survey(policy, known.delivered_at, calendar)
    return Times(found, policy.survey.no_reply, policy.survey.no_reply_basis)


def _unit_times(policy: Policy, case: Case, known: Moments, calendar: Calendar) -> dict[str, Time]:
    from_at = known.dispatched_at or known.signed_at
    assert from_at is not None  # asked above
    rules = unit_limits(policy, case, from_at, calendar, known.chosen)
    found: dict[str, Time] = {}
    for name, kind in KINDS.items():
        rule = rules[kind]
        if rule is not None and kind is DeadlineKind.RETURN:
            longer, basis = with_grace(policy, rule, known.outage_days)
            rule = replace(longer, basis=basis)
        found |= _time(name, kind, rule, known, policy, calendar)
    if known.extended:
        found |= _extended(policy, case, rules[DeadlineKind.HANDLE], known, calendar)
    return found


def _time(
    name: str, kind: DeadlineKind, rule: LimitRule | None, known: Moments, policy: Policy, calendar: Calendar
) -> dict[str, Time]:
    running = _running(kind, rule, known, policy, calendar)
    if running is None or rule is None:
        return {}
    return {name: Time(running.due_at, rule.basis, running.provisional)}


def _running(
    kind: DeadlineKind, rule: LimitRule | None, known: Moments, policy: Policy, calendar: Calendar
) -> Deadline | None:
    """The limit from the moment it counts from; None without a limit or while that moment is not known."""
    if rule is None or rule.period is None:
        return None
    moments = {
        Anchor.REGISTERED: known.registered_at,
        Anchor.DISPATCH: known.dispatched_at,
        Anchor.SIGN: known.signed_at,
    }
    from_at = moments[rule.start]
    if from_at is None:
        return None
    return deadline(rule.rule_id, kind, from_at, rule.period, calendar, policy.name, policy.workdays)


def _extended(
    policy: Policy, case: Case, handle: LimitRule | None, known: Moments, calendar: Calendar
) -> dict[str, Time]:
    rule = policy.extension.rule(case)
    running = _running(DeadlineKind.HANDLE, handle, known, policy, calendar)
    if rule is None or running is None:
        return {}
    end = longest(rule, running, policy, calendar)
    if end is None:
        return {}
    return {"extended_due": Time(end.due_at, rule.basis, running.provisional or end.provisional)}


def _survey(policy: Policy, delivered_at: datetime, calendar: Calendar) -> Time:
    """When silence becomes the policy's rating: the window after delivery. Source: LS-065, WX-023."""
    rules = policy.survey
    kind, window = DeadlineKind.SURVEY, rules.window
    end = deadline("survey.window", kind, delivered_at, window, calendar, policy.name, policy.workdays)
    return Time(end.due_at, joined(rules.no_reply_basis, rules.window_basis), end.provisional)


def basis_names(basis: Basis) -> Iterable[str]:
    """The clause ids of a value, and `default` for what is ours."""
    if basis.is_default:
        return ["default"]
    return [*basis.clauses, "default"] if basis.partly_ours else list(basis.clauses)
