"""Figures on a real database with known answers: every metric, who is left out and why, and the tickets behind."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.reports.figures import counted
from callcenter.types import TicketId
from tests.support.appraisal import DAY, HOUR, act, answered, finished, ground, sent, with_units
from tests.support.tickets import DISPATCHER, ROADS, WATER_MAN, local
from ticketing import commands, tables
from ticketing.appraisal import sql as appraisal_sql
from ticketing.appraisal.figures import Figure, Part, evaluate
from ticketing.appraisal.populations import SELECTS
from ticketing.appraisal.terms import parse_term
from ticketing.appraisal.words import FIELDS, Kind, Population, Value
from ticketing.words import Flag, RatingSource

JUNE = parse_term("2026-06")
AFTER = local(2026, 7, 2, 9)
MONDAY = local(2026, 6, 1, 9)


async def world(tx: AsyncConnection) -> dict[str, TicketId]:
    """June: six tickets of the water unit, two of roads; each with a fate of its own."""
    await with_units(tx, MONDAY)
    ids: dict[str, TicketId] = {
        "good": await sent(tx, MONDAY, caller=1),
        "late": await sent(tx, MONDAY, caller=2),
        "unhappy": await sent(tx, MONDAY, caller=3),
        "mediated": await sent(tx, MONDAY, caller=4, flags=frozenset({Flag.MEDIATION})),
        "silent": await sent(tx, MONDAY, caller=5),
        "returned": await sent(tx, MONDAY, caller=6),
        "forgotten": await sent(tx, MONDAY, ROADS, caller=7),
    }
    for name in ("good", "unhappy", "mediated", "silent"):
        await answered(tx, ids[name], MONDAY + HOUR)
    await answered(tx, ids["late"], MONDAY + 10 * DAY)
    await finished(tx, ids["good"], MONDAY + 2 * HOUR)
    await finished(tx, ids["late"], MONDAY + 11 * DAY, "基本满意", RatingSource.MANUAL)
    await finished(tx, ids["unhappy"], MONDAY + 2 * DAY, "不满意")
    await finished(tx, ids["mediated"], MONDAY + 2 * DAY, "不满意")
    await finished(tx, ids["silent"], MONDAY + 3 * DAY, "满意", RatingSource.DEFAULT)
    await act(tx, ids["returned"], commands.Sign(), WATER_MAN, MONDAY)
    await act(tx, ids["returned"], commands.AskReturn("不属我单位", "三定方案"), WATER_MAN, MONDAY + HOUR)
    await act(tx, ids["returned"], commands.GrantReturn("确属路政"), DISPATCHER, MONDAY + 2 * HOUR)
    await act(tx, ids["returned"], commands.Dispatch(ROADS, basis="三定方案"), DISPATCHER, MONDAY + 3 * HOUR)
    await answered(tx, ids["returned"], MONDAY + 5 * HOUR, ROADS)
    # This regulation asks the citizen at once, so its office rejects no reply; another's would leave this row.
    mark = tables.ticket_reply
    await tx.execute(update(mark).where(mark.c.ticket_id == ids["returned"]).values(rejected_at=MONDAY + 6 * HOUR))
    return ids


async def figures(tx: AsyncConnection, now: datetime = AFTER) -> dict[tuple[str, str], Figure]:
    count = await counted(tx, ground(), JUNE, now)
    found = {(line.unit, figure.metric): figure for line in count.units for figure in line.figures}
    return found | {("", figure.metric): figure for figure in count.platform}


ANSWERS: list[tuple[str, str, int, int | None]] = [
    ("", "received", 7, None),
    ("", "dispatched", 8, None),
    ("water", "dispatched", 6, None),
    ("roads", "dispatched", 2, None),
    ("", "on_time_dispatch", 7, 7),
    # counted in June: closed ones, the returned one of water (left out), and what is overdue and open (one of roads;
    # the other was answered in time and waits for its survey, so it counts when it closes)
    ("water", "on_time_close", 4, 5),
    ("roads", "on_time_close", 0, 1),
    ("", "on_time_close", 4, 6),
    ("water", "closure", 5, 5),
    ("roads", "closure", 0, 1),
    ("roads", "overdue_open", 1, None),
    ("water", "on_time_sign", 4, 5),
    ("water", "satisfied_citizen", 1, 1),
    ("water", "satisfied_manual", 1, 1),
    ("water", "rated_default", 1, None),
    ("water", "returns", 1, None),
    ("water", "returns_refused", 0, 1),
    ("roads", "replies_rejected", 1, 1),
    ("water", "replies_rejected", 0, 5),
    ("water", "supervised", 0, None),
    ("", "repeated", 0, 7),
]


async def test_every_figure_has_its_known_answer(tx: AsyncConnection) -> None:
    await world(tx)
    found = await figures(tx)
    got = [(unit, metric, found[unit, metric].count, found[unit, metric].whole) for unit, metric, _, _ in ANSWERS]
    assert got == ANSWERS


@pytest.mark.clause("MC-054")
async def test_mediation_and_objective_causes_are_left_out_of_satisfaction_with_their_reasons(
    tx: AsyncConnection,
) -> None:
    await world(tx)
    figure = (await figures(tx))["water", "satisfied_citizen"]
    reasons = {left.reason: left.count for left in figure.left_out}
    assert reasons == {"行政调解、执法办案类事项单列，不片面追求满意率": 1, "因法律政策等客观原因未能满足": 1}
    assert (figure.count, figure.whole) == (1, 1), "neither counts for nor against the unit"


async def test_a_citizens_rating_a_call_and_silence_are_never_added_up(tx: AsyncConnection) -> None:
    await world(tx)
    found = await figures(tx)
    three = [found["", name] for name in ("satisfied_citizen", "satisfied_manual", "rated_default")]
    assert [(figure.count, figure.whole) for figure in three] == [(1, 1), (1, 1), (1, None)]


async def test_the_tickets_behind_a_figure_are_listed_in_its_parts(tx: AsyncConnection) -> None:
    ids = await world(tx)
    metric = ground().metrics.metric("satisfied_citizen")
    assert metric is not None
    scope = ground().scope(JUNE, AFTER)

    async def part(which: Part) -> dict[str, str]:
        return {row.ticket_id: row.reason for row in await appraisal_sql.behind(tx, metric, which, scope)}

    assert set(await part(Part.COUNTED)) == {ids["good"]}
    assert set(await part(Part.REST)) == set()
    assert set(await part(Part.LEFT_OUT)) == {ids["unhappy"], ids["mediated"]}
    outside = await part(Part.OUTSIDE)
    assert {ids["late"], ids["silent"], ids["forgotten"]} <= set(outside)


async def test_a_unit_gets_only_its_own_rows(tx: AsyncConnection) -> None:
    ids = await world(tx)
    count = await counted(tx, ground(), JUNE, AFTER, unit="roads")
    assert [line.unit for line in count.units] == ["roads"]
    metric = ground().metrics.metric("on_time_close")
    assert metric is not None
    rows = await appraisal_sql.behind(tx, metric, Part.REST, ground().scope(JUNE, AFTER, "roads"))
    assert {row.ticket_id for row in rows} == {ids["forgotten"]}
    assert {row.unit for row in rows} == {"roads"}


@pytest.mark.parametrize("term", ["2026-06", "2026"])
async def test_pages_behind_a_figure_follow_each_other(tx: AsyncConnection, term: str) -> None:
    await world(tx)
    metric = ground().metrics.metric("received")
    assert metric is not None
    scope = ground().scope(parse_term(term), local(2027, 1, 5))
    whole = [row.key for row in await appraisal_sql.behind(tx, metric, Part.COUNTED, scope)]
    paged: list[int] = []
    while rows := await appraisal_sql.behind(tx, metric, Part.COUNTED, scope, after=paged[-1] if paged else 0, limit=3):
        paged += [row.key for row in rows]
    assert paged == whole
    assert len(whole) == 7


KB = """
INSERT INTO knowledge_item (unit, state, version, live, title, valid_from, valid_until, review_due_on)
VALUES ('water', 'published', 1, 1, '停水抢修', '2099-01-01', NULL, '2099-07-15'),
       ('water', 'published', 1, 1, '旧水价', '2099-01-01', '2099-06-29', NULL),
       ('water', 'published', 1, 1, '逾期复核', '2099-01-01', NULL, '2099-06-01'),
       ('water', 'draft', 1, NULL, '草稿', '2099-01-01', NULL, NULL)"""
QUESTIONS = """
INSERT INTO knowledge_question (unit, asked, asked_by, asked_at, due_at, rule, clock, amount, policy_version,
                                calendar_version, provisional, answer, answered_at)
SELECT 'water', '问', 'user:a', asked, asked + interval '3 days', 'k', 'wd', 3, 'p', 'c', FALSE, answer, at
FROM (VALUES (timestamptz '2099-06-02 09:00+08', '答', timestamptz '2099-06-03 09:00+08'),
             (timestamptz '2099-06-02 09:00+08', '答', timestamptz '2099-06-09 09:00+08'),
             (timestamptz '2099-06-02 09:00+08', NULL, NULL)) q (asked, answer, at)"""
SUPERVISED = """
INSERT INTO ticket_supervision (ticket_id, round, trigger, form, opened_by, opened_at, unit)
VALUES (NULL, 1, 'overdue', 'written', 'user:du-ban', timestamptz '2099-06-05 09:00+08', 'water')"""


@pytest.mark.clause("WX-032", "LS-085")
async def test_the_knowledge_base_and_supervision_are_counted_too(tx: AsyncConnection) -> None:
    """Far from now: when an item was uploaded is the database's own word."""
    for statement in (KB, QUESTIONS, SUPERVISED):
        await tx.execute(text(statement))
    count = await counted(tx, ground(), parse_term("2099-06"), local(2099, 7, 2))
    (water,) = count.units
    found = {figure.metric: (figure.count, figure.whole) for figure in water.figures}
    names = ("kb_valid", "kb_new", "kb_answered", "supervised")
    assert [found[name] for name in names] == [(1, 3), (0, None), (1, 3), (1, None)]


async def test_months_of_a_year_add_up_to_the_year_under_one_rule(tx: AsyncConnection) -> None:
    """A year is counted month by month; nothing is lost or counted twice at a month's edge."""
    await world(tx)
    year = await counted(tx, ground(), parse_term("2026"), local(2027, 1, 5))
    found = {figure.metric: figure for figure in year.platform}
    assert (found["received"].count, found["dispatched"].count) == (7, 8)
    assert (found["on_time_close"].count, found["on_time_close"].whole) == (4, 6)


@pytest.mark.clause("LS-086")
@pytest.mark.parametrize(
    ("replied", "closed", "this", "next_"),
    [
        (local(2026, 12, 31, 16), local(2026, 12, 31, 17), (1, 1), (0, 0)),
        # in time and closed in January: next year's
        (local(2026, 12, 31, 16), local(2027, 1, 2, 9), (0, 0), (1, 1)),
        # due on 31 December, nothing done: this year's, as overdue, and not again next year
        (local(2027, 1, 5, 9), local(2027, 1, 6, 9), (0, 1), (0, 0)),
    ],
)
async def test_year_end_of_work_due_on_the_last_day(
    tx: AsyncConnection, replied: datetime, closed: datetime, this: tuple[int, int], next_: tuple[int, int]
) -> None:
    """求助 is 3 working days: dispatched on Mon 28 December 2026, due at the end of Thu 31 December."""
    ticket = await sent(tx, local(2026, 12, 28, 10))
    await answered(tx, ticket, replied)
    await finished(tx, ticket, closed)
    now = local(2028, 1, 3)
    got = []
    for year in ("2026", "2027"):
        count = await counted(tx, ground(), parse_term(year), now)
        figure = next(one for one in count.platform if one.metric == "on_time_close")
        got.append((figure.count, figure.whole))
    assert got == [this, next_]


@pytest.mark.clause("LS-086")
async def test_open_work_not_due_on_the_last_day_belongs_to_next_year(tx: AsyncConnection) -> None:
    await sent(tx, local(2026, 12, 30, 10), request_type="投诉")  # 10 working days: due in January
    now = local(2027, 1, 2)
    count = await counted(tx, ground(), parse_term("2026"), now)
    figure = next(one for one in count.platform if one.metric == "on_time_close")
    assert (figure.count, figure.whole) == (0, 0)


async def test_a_term_that_still_runs_is_counted_up_to_now(tx: AsyncConnection) -> None:
    await sent(tx, MONDAY, ROADS)
    count = await counted(tx, ground(), JUNE, MONDAY + HOUR)
    found = {figure.metric: figure for figure in count.platform}
    assert found["dispatched"].count == 1
    assert found["on_time_close"].whole == 0, "nothing is due yet"


async def test_sql_says_of_every_metric_what_the_pure_engine_says(tx: AsyncConnection) -> None:
    """The same facts, read row by row, give the same figures: unit by unit, reason by reason."""
    await world(tx)
    scope = ground().scope(JUNE, AFTER)
    found = await figures(tx)
    bounds = appraisal_sql._bounds(scope, JUNE.starts_at, scope.until)
    for metric in ground().metrics.metrics:
        rows = await tx.execute(text(SELECTS[metric.population, metric.moment]), bounds)
        facts = [(row["unit"], _facts(metric.population, dict(row))) for row in rows.mappings()]
        for unit, figure in evaluate(metric, facts).items():
            assert found[unit, metric.id] == figure, metric.id


def _facts(population: Population, row: Mapping[str, Any]) -> dict[str, Value]:
    fields = FIELDS[population]
    return {name: tuple(row[name]) if kind is Kind.LIST else row[name] for name, kind in fields.items()}
