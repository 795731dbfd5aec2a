"""The recipe of docs/policies.md: limits by severity, 2 h / 24 h / 7 d / 15 d, by writing one data file."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from callcenter.types import Actor, Role, TicketId, UnitId
from config.calendar_loader import load_calendar
from config.policy_loader import load_policies
from tests.support.tickets import local
from ticketing import commands
from ticketing.clocks import Calendar, DeadlineKind
from ticketing.commands import Changes, Command
from ticketing.limits.cases import answer
from ticketing.policy import Policy
from ticketing.record import GuardFailed, Ticket
from ticketing.ticket import advance, opened

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"
DESK = Actor("user", "desk", frozenset({Role.AGENT, Role.DISPATCHER}))
FRIDAY = local(2026, 9, 25, 10)
"""The first day of a holiday; severity does not wait for working days."""


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policies("severity", EXAMPLES)[-1]


@pytest.fixture(scope="module")
def calendar() -> Calendar:
    return load_calendar()


def dispatched(policy: Policy, calendar: Calendar, grade: str | None) -> Ticket:
    ticket, _ = opened(TicketId("20260925000001"), policy, FRIDAY, source="电话")
    fields = Changes(request_type="求助", content="路面塌陷", grade=grade)
    for detail in (commands.Register(fields), commands.Dispatch(UnitId("roads"), instruction="立即处置", basis="三定")):
        ticket, _ = advance(ticket, Command(DESK, detail), policy, calendar, FRIDAY)
    return ticket


@pytest.mark.parametrize(
    ("grade", "due"),
    [
        ("一级", FRIDAY + timedelta(hours=2)),
        ("二级", FRIDAY + timedelta(hours=24)),
        ("三级", local(2026, 10, 2, 23, 59, 59)),
        ("四级", local(2026, 10, 10, 23, 59, 59)),
    ],
)
def test_each_grade_has_its_limit(policy: Policy, calendar: Calendar, grade: str, due: datetime) -> None:
    running = dispatched(policy, calendar, grade).due(DeadlineKind.HANDLE)
    assert running is not None
    assert running.deadline.due_at == due


@pytest.mark.parametrize(("grade", "says"), [(None, "紧急程度"), ("五级", "一级、二级、三级、四级")])
def test_a_grade_must_be_chosen_from_the_list(policy: Policy, calendar: Calendar, grade: str, says: str) -> None:
    with pytest.raises(GuardFailed, match=says):
        dispatched(policy, calendar, grade)


def test_the_grade_stays_once_the_clocks_run(policy: Policy, calendar: Calendar) -> None:
    edit = commands.Edit(Changes(grade="四级"), "降级")
    with pytest.raises(GuardFailed, match="紧急程度"):
        advance(dispatched(policy, calendar, "一级"), Command(DESK, edit), policy, calendar, FRIDAY)


def test_a_regulation_without_grades_takes_none(policy: Policy, calendar: Calendar) -> None:
    plain = replace(policy, grades=())
    with pytest.raises(GuardFailed, match="不要填写"):
        dispatched(plain, calendar, "一级")


def test_the_calculator_knows_the_grades(policy: Policy, calendar: Calendar) -> None:
    case = {"id": "1", "type": "求助", "dispatched_at": FRIDAY.isoformat()}
    graded = answer({**case, "grade": "一级"}, 1, (policy,), calendar)
    assert graded["handle_due"] == (FRIDAY + timedelta(hours=2)).isoformat()
    assert answer(case, 1, (policy,), calendar)["handle_due"] is None, "not known, and not the same for all"
