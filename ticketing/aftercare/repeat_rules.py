"""What a policy says of a matter brought again: by which rule it is a repeat, and what follows. PURE."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ticketing.clocks import SHANGHAI
from ticketing.rules import Basis


class Then(StrEnum):
    """What follows when a person has confirmed the repeat."""

    NOT_ACCEPTED = "not_accepted"
    """It is not taken in again (LS-008)."""
    INFORM = "inform"
    """The citizen is told the earlier result; nothing is dispatched (GZ-023)."""
    ESCALATE = "escalate"
    """A higher person handles it in person (SQ-036)."""
    COUNT = "count"
    """Its number decides who must sign (MC-017 to MC-019)."""


class Earlier(StrEnum):
    """In which state the earlier request must be."""

    CLOSED = "closed"
    OPEN = "open"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class RepeatRule:
    """within_months: after the reply to the last request; over_days: since the first request; None: no such bound.

    responsible: kind of the lead unit -> who handles it in person; `` as the kind stands for all others.
    """

    code: str
    label: str
    earlier: Earlier
    within_months: int | None
    over_days: int | None
    types: frozenset[str]
    then: Then
    responsible: tuple[tuple[str, str], ...]
    basis: Basis

    def person(self, unit_kind: str) -> str:
        """Who handles it in person in a unit of this kind."""
        titles = dict(self.responsible)
        return titles.get(unit_kind) or titles.get("") or "、".join(dict.fromkeys(titles.values()))


@dataclass(frozen=True, slots=True)
class RepeatRules:
    rules: tuple[RepeatRule, ...]
    basis: Basis

    def rule(self, code: str) -> RepeatRule | None:
        """The rule of that code."""
        return next((rule for rule in self.rules if rule.code == code), None)


@dataclass(frozen=True, slots=True)
class Past:
    """The earlier requests of a matter, as the rules see them. Aware UTC; replied_at: the last reply."""

    closed: bool
    first_at: datetime
    replied_at: datetime | None


def fired(rules: RepeatRules | None, past: Past, request_type: str, now: datetime) -> tuple[RepeatRule, ...]:
    """Every rule by which a request made now repeats the past ones, in the order of the file."""
    return tuple(rule for rule in (rules.rules if rules else ()) if _holds(rule, past, request_type, now))


def _holds(rule: RepeatRule, past: Past, request_type: str, now: datetime) -> bool:
    if rule.types and request_type not in rule.types:
        return False
    if rule.earlier is not Earlier.ANY and past.closed != (rule.earlier is Earlier.CLOSED):
        return False
    months = rule.within_months
    if months is not None and (past.replied_at is None or now > months_after(past.replied_at, months)):
        return False
    return rule.over_days is None or now > past.first_at + timedelta(days=rule.over_days)


def months_after(at: datetime, months: int) -> datetime:
    """The end of the same day `months` calendar months later; 31 January and one month is the last of February."""
    local = at.astimezone(SHANGHAI)
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day, hour=23, minute=59, second=59, microsecond=0)
