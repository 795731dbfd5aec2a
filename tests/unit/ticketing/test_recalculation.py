"""What an imported notice does to running deadlines: later counts, earlier is only written down."""

from datetime import date, timedelta

import pytest

from callcenter.types import Actor, Role
from config.calendar_loader import load_calendar
from tests.support.tickets import SUPERVISOR, WATER_MAN, local, policy, registered, rules
from ticketing import commands
from ticketing.clocks import Calendar, DayKind, DeadlineKind, build_calendar
from ticketing.commands import Command
from ticketing.limits.recalculation import DeadlinesMoved, Recalculate, Result, look, moves
from ticketing.record import GuardFailed, NotYours, Ticket
from ticketing.ticket import advance

BEFORE = local(2027, 2, 1, 9)
DISPATCHER = Actor("user", "lao-wang", frozenset({Role.DISPATCHER}))
SYSTEM = Actor("system", "calendar")


def announced(**days: DayKind) -> Calendar:
    """2027 with these days as the notice says: `d0209=HOLIDAY`; all of it announced."""
    base = load_calendar(policy().calendar.overlays)
    every = [base.first + timedelta(days=n) for n in range(len(base.kinds))]
    kinds = {day: base.kind(day) for day in every}
    kinds |= {date(2027, int(name[1:3]), int(name[3:5])): kind for name, kind in days.items()}
    return build_calendar(kinds)


def dispatched() -> Ticket:
    """A 求助 dispatched on Monday 2027-02-01: three working days."""
    ticket = registered(BEFORE)
    detail = commands.Dispatch("water")  # type: ignore[arg-type]
    return advance(ticket, Command(DISPATCHER, detail), policy(), rules().calendar, BEFORE)[0]


def due_on(ticket: Ticket, kind: DeadlineKind) -> date:
    due = ticket.due(kind)
    assert due is not None
    return (due.deadline.due_at + timedelta(hours=8)).date()


LONGER = announced(d0204=DayKind.HOLIDAY, d0205=DayKind.HOLIDAY, d0208=DayKind.HOLIDAY)
SHORTER = announced(d0206=DayKind.MAKEUP_WORKDAY, d0207=DayKind.MAKEUP_WORKDAY)


def test_a_year_without_its_notice_is_provisional() -> None:
    due = dispatched().due(DeadlineKind.HANDLE)
    assert due is not None
    assert due.deadline.provisional
    assert due_on(dispatched(), DeadlineKind.HANDLE) == date(2027, 2, 4)


def test_a_later_due_time_counts_at_once_and_the_old_one_stays_on_record() -> None:
    ticket = dispatched()
    looked = look(ticket, policy(), LONGER)
    assert {(one.new.kind, one.result) for one in looked} == {
        (DeadlineKind.SIGN, Result.SAME),
        (DeadlineKind.HANDLE, Result.LATER),
    }
    detail = Recalculate(LONGER.version, moves(looked, shorten=False), "国办发明电〔2026〕9号")
    after, told = advance(ticket, Command(SYSTEM, detail), policy(), LONGER, BEFORE)
    assert due_on(after, DeadlineKind.HANDLE) == date(2027, 2, 9)
    old = [due for due in after.dues if due.deadline.kind is DeadlineKind.HANDLE and not due.open]
    assert len(old) == 1
    assert not after.due(DeadlineKind.HANDLE).deadline.provisional  # type: ignore[union-attr]
    assert [type(fact) for fact in told] == [DeadlinesMoved]


def test_an_earlier_due_time_is_written_down_and_the_promise_stands() -> None:
    ticket = replace_due(dispatched())
    looked = look(ticket, policy(), SHORTER)
    moved = moves(looked, shorten=False)
    assert [(one.kind, one.applied) for one in moved] == [(DeadlineKind.HANDLE, False)]
    after, told = advance(ticket, Command(SYSTEM, Recalculate("c", moved, "通知")), policy(), SHORTER, BEFORE)
    assert after.dues == ticket.dues
    assert told == (DeadlinesMoved(ticket.id, 1, BEFORE, (), (DeadlineKind.HANDLE,)),)


def replace_due(ticket: Ticket) -> Ticket:
    """The same ticket dispatched for ten working days, so that the weekend lies inside."""
    later = registered(BEFORE, commands.Changes(request_type="投诉", source="电话", content="噪声"))
    detail = commands.Dispatch(ticket.lead_unit or "water")  # type: ignore[arg-type]
    return advance(later, Command(DISPATCHER, detail), policy(), rules().calendar, BEFORE)[0]


def test_a_person_may_let_the_earlier_time_count_with_a_reason() -> None:
    ticket = replace_due(dispatched())
    moved = moves(look(ticket, policy(), SHORTER), shorten=True)
    before = due_on(ticket, DeadlineKind.HANDLE)
    after, _ = advance(ticket, Command(SUPERVISOR, Recalculate("c", moved, "通知")), policy(), SHORTER, BEFORE)
    assert due_on(after, DeadlineKind.HANDLE) < before


@pytest.mark.parametrize(
    ("actor", "detail", "refusal"),
    [
        (WATER_MAN, Recalculate("c", (), "x"), NotYours),
        (SYSTEM, Recalculate("c", (), "x"), GuardFailed),
    ],
)
def test_nobody_recalculates_without_right_or_cause(actor: Actor, detail: Recalculate, refusal: type) -> None:
    with pytest.raises(refusal):
        advance(dispatched(), Command(actor, detail), policy(), LONGER, BEFORE)
