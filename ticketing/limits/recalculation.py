"""A new work calendar looks at a ticket's running deadlines: what moves, what stays. PURE.

A deadline is a promise and a burden at once. A later one counts at once; an earlier one never does by itself: it is
written down, and the promise stands unless a person decides otherwise with a reason.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from callcenter.types import Role
from ticketing.clocks import Calendar, Clock, Deadline, DeadlineKind, Period, deadline
from ticketing.facts import Fact
from ticketing.policy import Policy
from ticketing.record import Context, Due, GuardFailed, Ticket
from ticketing.transition import Part, Transition
from ticketing.words import Event, State

COUNTED = frozenset({Clock.WORKING_DAY, Clock.CLOCK_TIME})
"""Clocks that ask the calendar."""
FINAL = frozenset({State.ARCHIVED, State.DRAFT})


class Result(StrEnum):
    """What the new calendar says of one deadline."""

    SAME = "same"
    LATER = "later"
    EARLIER = "earlier"


@dataclass(frozen=True, slots=True)
class Looked:
    """A running deadline and the same rule by the new calendar."""

    due: Due
    new: Deadline

    @property
    def result(self) -> Result:
        """Later, earlier or the same."""
        old = self.due.deadline.due_at
        if self.new.due_at == old:
            return Result.SAME
        return Result.LATER if self.new.due_at > old else Result.EARLIER


@dataclass(frozen=True, slots=True)
class Moved:
    """One deadline that differs. applied False: the earlier time was only written down."""

    kind: DeadlineKind
    old_due_at: datetime
    new_due_at: datetime
    applied: bool


@dataclass(frozen=True, slots=True)
class Recalculate:
    """calendar: the version that was laid over; moved: what differs by it. reason: the notice, or the person's."""

    event: ClassVar = Event.RECALCULATE
    calendar: str
    moved: tuple[Moved, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class DeadlinesMoved(Fact):
    """applied: kinds whose due time is now later (or, by a person's decision, earlier); kept: those left standing."""

    applied: tuple[DeadlineKind, ...]
    kept: tuple[DeadlineKind, ...]


def look(ticket: Ticket, policy: Policy, calendar: Calendar) -> tuple[Looked, ...]:
    """Every running deadline that another calendar counted. Raises CalendarEnds."""
    return tuple(
        Looked(due, by_calendar(due.deadline, policy, calendar))
        for due in ticket.dues
        if due.open and due.deadline.clock in COUNTED and due.deadline.calendar_version != calendar.version
    )


def by_calendar(old: Deadline, policy: Policy, calendar: Calendar) -> Deadline:
    """The same rule from the same moment, counted by this calendar."""
    period = Period(old.amount, old.clock)
    return deadline(old.rule_id, old.kind, old.from_at, period, calendar, old.policy_version, policy.workdays)


def moves(looked: tuple[Looked, ...], *, shorten: bool) -> tuple[Moved, ...]:
    """What differs; earlier times are applied only when a person says `shorten`."""
    return tuple(
        Moved(
            one.new.kind,
            one.due.deadline.due_at,
            one.new.due_at,
            applied=one.result is Result.LATER or shorten,
        )
        for one in looked
        if one.result is not Result.SAME
    )


def _something_moves(ticket: Ticket, detail: Recalculate, context: Context) -> None:
    if not detail.moved:
        raise GuardFailed("没有需要重算的时限。")
    if not detail.reason.strip():
        raise GuardFailed("重算时限须写明依据，例如放假安排通知的名称和文号。")


def _recalculated(ticket: Ticket, detail: Recalculate, context: Context) -> Ticket:
    applied = {moved.kind for moved in detail.moved if moved.applied}
    dues: list[Due] = []
    for due in ticket.dues:
        if not (due.open and due.deadline.kind in applied and due.deadline.clock in COUNTED):
            dues.append(due)
            continue
        new = by_calendar(due.deadline, context.policy, context.calendar)
        dues += [replace(due, ended_at=context.now), Due(new, due.round)]
    return replace(ticket, dues=tuple(dues))


def _told(_: Ticket, after: Ticket, detail: Recalculate, context: Context) -> tuple[Fact, ...]:
    applied = tuple(moved.kind for moved in detail.moved if moved.applied)
    kept = tuple(moved.kind for moved in detail.moved if not moved.applied)
    return (DeadlinesMoved(after.id, after.round, context.now, applied, kept),)


PART = Part(
    rows={
        (state, Event.RECALCULATE): Transition(state, frozenset({Role.SUPERVISOR}), (_something_moves,), system=True)
        for state in State
        if state not in FINAL
    },
    apply={Event.RECALCULATE: _recalculated},
    tell={Event.RECALCULATE: _told},
)
