"""Metrics, attribution, scores and ranking as values: tables of cases, and what holds for all of them."""

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.policy_loader import load_policies
from config.report_kit import load_kit
from tests.support.tickets import local
from ticketing.appraisal.figures import Figure, Metric, MetricSet, Part, evaluate, formula, part_of, shown
from ticketing.appraisal.reports import Section
from ticketing.appraisal.score import Scheme, ScoreItem, Way, composite, ranking, score
from ticketing.appraisal.terms import BadTerm, Every, OpenOverdue, Term, counted_at, parse_term, term_of
from ticketing.appraisal.words import FIELDS, BadTest, Kind, Population, parse_test
from ticketing.policy import Policy
from ticketing.rules import Basis
from ticketing.words import Flag, RatingSource

KIT = load_kit()
CORE: MetricSet = KIT.metric_sets[0]
ALL = ("ganzhou", "weixi", "longsheng", "suqian", "mengcheng")


def policy(name: str) -> Policy:
    return load_policies(name)[-1]


# ---- terms ---------------------------------------------------------------------------------------------------------

TERMS = [
    ("2026", date(2026, 1, 1), date(2026, 12, 31), "2026年度"),
    ("2026-Q1", date(2026, 1, 1), date(2026, 3, 31), "2026年第1季度"),
    ("2026-Q4", date(2026, 10, 1), date(2026, 12, 31), "2026年第4季度"),
    ("2024-02", date(2024, 2, 1), date(2024, 2, 29), "2024年2月"),
    ("2026-W01", date(2025, 12, 29), date(2026, 1, 4), "2026年第1周（12月29日至1月4日）"),
    ("2026-10-05", date(2026, 10, 5), date(2026, 10, 5), "2026年10月5日"),
    ("2026-10-05..2026-10-07", date(2026, 10, 5), date(2026, 10, 7), "2026年10月5日至2026年10月7日"),
]


@pytest.mark.parametrize(("name", "first", "last", "label"), TERMS)
def test_a_term_reads_as_it_is_written(name: str, first: date, last: date, label: str) -> None:
    term = parse_term(name)
    assert (term.first, term.last, term.name, term.label) == (first, last, name, label)
    assert term.starts_at == local(first.year, first.month, first.day)
    assert term.before.after == term
    assert term.before.ends_at == term.starts_at


@pytest.mark.parametrize(
    "name",
    [
        "",
        "26",
        "2026-13",
        "2026-Q5",
        "2026-W60",
        "2026-02-30",
        "1999",
        "2026-10-07..2026-10-05",
        "2024-01-01..2026-01-01",
        "２０２６",
        "2026-1",
        "2026-10 ",
    ],
)
def test_what_is_no_term_is_refused(name: str) -> None:
    with pytest.raises(BadTerm):
        parse_term(name)


@given(st.dates(date(2001, 1, 10), date(2099, 12, 1)), st.sampled_from([one for one in Every if one is not Every.SPAN]))
def test_terms_of_a_length_lie_side_by_side(day: date, every: Every) -> None:
    term = term_of(day, every)
    assert term.first <= day <= term.last
    assert term.after.starts_at == term.ends_at
    assert parse_term(term.name) == term


def test_a_year_has_its_quarters_and_months() -> None:
    year = parse_term("2026")
    assert [one.name for one in year.parts(Every.QUARTER)] == [f"2026-Q{n}" for n in (1, 2, 3, 4)]
    assert len(year.parts(Every.MONTH)) == 12
    assert parse_term("2026-02-10..2026-03-20").parts(Every.MONTH)[0].name == "2026-03"


# ---- which year ----------------------------------------------------------------------------------------------------

Y = Every.YEAR
DUE = local(2026, 12, 31, 23, 59, 59)
JANUARY_DUE = local(2027, 1, 8, 23, 59, 59)
YEAR_END: list[tuple[str, datetime | None, datetime | None, datetime | None, int | None]] = [
    # what, finished, due, answered, counted in
    ("closed in the year", local(2026, 12, 31, 18), DUE, local(2026, 12, 30), 2026),
    ("opened the year before, closed in it", local(2026, 1, 4), local(2026, 1, 8), local(2026, 1, 3), 2026),
    ("open and not due on 31 December", local(2027, 1, 6), JANUARY_DUE, local(2027, 1, 5), 2027),
    ("open and not due, late in January", local(2027, 2, 6), JANUARY_DUE, local(2027, 2, 5), 2027),
    ("open and overdue on 31 December", local(2027, 1, 6), local(2026, 12, 20), local(2027, 1, 5), 2026),
    ("open, overdue and never finished", None, local(2026, 12, 20), None, 2026),
    ("due in the very last second", local(2027, 1, 6), DUE, local(2027, 1, 5), 2026),
    ("answered in time, closed in January", local(2027, 1, 2), DUE, local(2026, 12, 31, 23, 59, 59), 2027),
    ("answered late in December, closed in January", local(2027, 1, 2), local(2026, 12, 20), local(2026, 12, 25), 2026),
    ("answered late and closed in the year", local(2026, 12, 28), local(2026, 12, 20), local(2026, 12, 25), 2026),
    ("no limit, closed in January", local(2027, 1, 2), None, None, 2027),
    ("open, not due yet, not finished", None, None, None, None),
]


@pytest.mark.clause("LS-086")
@pytest.mark.parametrize(("what", "finished", "due", "met", "year"), YEAR_END)
def test_year_attribution(
    what: str, finished: datetime | None, due: datetime | None, met: datetime | None, year: int | None
) -> None:
    at = counted_at(finished, due, met, Y)
    assert (at and term_of(at.astimezone(local(2026, 1, 1).tzinfo).date(), Y).first.year) == year, what


def test_the_other_reading_counts_open_overdue_work_where_it_is_finished() -> None:
    finished = local(2027, 1, 6)
    assert counted_at(finished, local(2026, 12, 20), None, Y, OpenOverdue.NEXT_TERM) == finished


MOMENTS = st.datetimes(datetime(2025, 11, 1), datetime(2028, 2, 1)).map(
    lambda at: local(at.year, at.month, at.day, at.hour)
)


@given(
    MOMENTS,
    st.none() | MOMENTS,
    st.none() | MOMENTS,
    st.sampled_from([Every.YEAR, Every.MONTH, Every.QUARTER, Every.WEEK]),
)
def test_finished_work_is_in_exactly_one_term(
    finished: datetime, due: datetime | None, met: datetime | None, every: Every
) -> None:
    at = counted_at(finished, due, met, every)
    assert at is not None
    terms = [term for term in _around(at, every) if term.holds(at)]
    assert len(terms) == 1
    assert at in (finished, due)
    assert terms[0].starts_at <= finished, "never counted after it was finished"


def _around(at: datetime, every: Every) -> list[Term]:
    middle = term_of(at.astimezone(local(2026, 1, 1).tzinfo).date(), every)
    return [middle.before, middle, middle.after]


# ---- tests of facts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("luck", "known are"),
        ("not luck", "known are"),
        ("request_no", "request_no>=2"),
        ("request_no>=two", "whole number"),
        ("rating", "rating=a|b"),
        ("rating=", "known are"),
        ("flags=key", "flags~a|b"),
        ("urgent=yes", "not urgent"),
        ("rating=满意|", "empty value"),
    ],
)
def test_a_wrong_test_says_what_to_write(text: str, told: str) -> None:
    with pytest.raises(BadTest, match=told.replace("|", r"\|").replace(">", r"\>")):
        parse_test(text, Population.WORK)


def test_a_test_prints_as_it_is_written() -> None:
    for text in ("returned", "not returned", "rating=满意|基本满意", "request_no>=2", "flags~mediation|enforcement"):
        assert str(parse_test(text, Population.WORK)) == text


# ---- figures -------------------------------------------------------------------------------------------------------

WORK: dict[str, Any] = {
    **{name: {"bool": False, "int": 0, "text": "", "list": ()}[kind] for name, kind in FIELDS[Population.WORK].items()},
    "request_no": 1,
    "round": 1,
    "state": "closed",
    "closed": True,
    "handle_limited": True,
    "sign_limited": True,
}
ELSEWHERE, TERMINATED = "已准予退单，由其他单位办理", "不合理诉求已按程序终结销号"
ENFORCED, OBJECTIVE = "行政调解、执法办案类事项单列，不片面追求满意率", "因法律政策等客观原因未能满足"
CONTACTED = {"contact_limited": True, "contacted_in_time": True}
SENT = {"dispatch_limited": True, "dispatched": True}
ASKED, GRANTED, REFUSED = ({"decision": one} for one in ("requested", "granted", "refused"))
GOOD = {"replied_in_time": True, "solved": True, "rating": "满意", "rating_source": "citizen"}
FIGURES: list[tuple[str, list[dict[str, Any]], int, int | None, list[tuple[str, int]]]] = [
    ("on_time_close", [GOOD, {}, {}], 1, 3, []),
    ("on_time_close", [], 0, 0, []),
    (
        "on_time_close",
        [GOOD, {"returned": True}, {"state": "terminated"}],
        1,
        1,
        [(ELSEWHERE, 1), (TERMINATED, 1)],
    ),
    ("on_time_close", [{"handle_limited": False}], 0, 0, []),
    ("closure", [{}, {"closed": False}], 1, 2, []),
    ("overdue_open", [{"closed": False}, {}, {"closed": False, "replied_in_time": True}], 1, None, []),
    ("on_time_sign", [{"signed_in_time": True}, {}], 1, 2, []),
    (
        "on_time_contact",
        [CONTACTED, {"contact_limited": True}, {}],
        1,
        2,
        [],
    ),
    ("solved", [GOOD, {"solved": True, "explained": True}, {}], 1, 3, []),
    ("satisfied_citizen", [GOOD, GOOD | {"rating": "基本满意"}, GOOD | {"rating": "不满意"}], 2, 3, []),
    ("satisfied_citizen", [GOOD | {"rating_source": "manual"}, GOOD | {"rating_source": "default"}], 0, 0, []),
    ("satisfied_manual", [GOOD | {"rating_source": "manual"}, GOOD], 1, 1, []),
    ("rated_default", [GOOD | {"rating_source": "default"}, GOOD], 1, None, []),
    (
        "satisfied_citizen",
        [GOOD, GOOD | {"rating": "不满意", "flags": ("enforcement",)}],
        1,
        1,
        [(ENFORCED, 1)],
    ),
    (
        "satisfied_citizen",
        [GOOD | {"rating": "不满意", "objective": True}],
        0,
        0,
        [(OBJECTIVE, 1)],
    ),
    ("satisfied_citizen", [GOOD | {"rating": "不满意", "abusive": True}], 0, 0, [("有滋扰记录", 1)]),
    ("satisfied_citizen", [GOOD | {"rating": "不满意", "exempt": True}], 0, 0, [("按规定不计入满意率", 1)]),
    ("service_citizen", [GOOD | {"service_rating": "满意"}, GOOD | {"service_rating": "不满意"}, GOOD], 1, 2, []),
    ("service_manual", [GOOD | {"service_rating": "满意"}], 0, 0, []),
    ("reworked", [{"reworked": True}, {}], 1, None, []),
    ("dispatched", [{}, {}], 2, None, []),
    ("closed", [{}, {"closed": False}], 1, None, []),
]


@pytest.mark.clause("GZ-013", "WX-032", "MC-054")
@pytest.mark.parametrize(("metric", "rows", "count", "whole", "left"), FIGURES)
def test_figures_of_work(
    metric: str, rows: list[dict[str, Any]], count: int, whole: int | None, left: list[tuple[str, int]]
) -> None:
    known = CORE.metric(metric)
    assert known is not None
    figure = evaluate(known, [("water", WORK | row) for row in rows])[""]
    assert (figure.count, figure.whole, [(one.reason, one.count) for one in figure.left_out]) == (count, whole, left)


OTHERS: list[tuple[str, Population, list[dict[str, Any]], int, int | None]] = [
    ("received", Population.TICKETS, [{}, {}], 2, None),
    ("direct", Population.TICKETS, [{"state": "answered"}, {}, {}, {}], 1, 4),
    ("rejected", Population.TICKETS, [{"state": "rejected"}, {}], 1, None),
    ("repeated", Population.TICKETS, [{"request_no": 2}, {"request_no": 1}, {"request_no": 3, "abusive": True}], 1, 2),
    (
        "on_time_dispatch",
        Population.TICKETS,
        [
            {"dispatch_limited": True, "dispatched": True, "dispatched_in_time": True},
            {"dispatch_limited": True, "dispatched": True},
        ],
        1,
        2,
    ),
    ("returns", Population.RETURNS, [{"decision": "granted"}, {"decision": "refused"}], 2, None),
    (
        "returns_refused",
        Population.RETURNS,
        [GRANTED, REFUSED, ASKED],
        1,
        2,
    ),
    ("returns_bad", Population.RETURNS, [{"decision": "granted"}, {"decision": "refused"}], 1, None),
    ("replies_rejected", Population.REPLIES, [{"rejected": True}, {}, {}], 1, 3),
    ("rejections", Population.REPLIES, [{"rejected": True}, {}], 1, None),
    ("supervised", Population.SUPERVISIONS, [{}, {}], 2, None),
    ("kb_valid", Population.KNOWLEDGE, [{"valid": True, "reviewed_in_time": True}, {"valid": True}, {}], 1, 3),
    ("kb_new", Population.KNOWLEDGE, [{"uploaded_in_term": True}, {}], 1, None),
    ("kb_answered", Population.QUESTIONS, [{"due": True, "answered_in_time": True}, {"due": True}, {}], 1, 2),
]


@pytest.mark.parametrize(("metric", "population", "rows", "count", "whole"), OTHERS)
def test_figures_of_everything_else(
    metric: str, population: Population, rows: list[dict[str, Any]], count: int, whole: int | None
) -> None:
    known = CORE.metric(metric)
    assert known is not None
    assert known.population is population
    fields = FIELDS[population].items()
    blank: dict[str, Any] = {name: {"bool": False, "int": 0, "text": "", "list": ()}[kind] for name, kind in fields}
    figure = evaluate(known, [("water", blank | row) for row in rows])[""]
    assert (figure.count, figure.whole) == (count, whole)


def test_every_metric_is_in_the_tables_above() -> None:
    assert {row[0] for row in FIGURES} | {row[0] for row in OTHERS} == {metric.id for metric in CORE.metrics}


def test_a_figure_prints_its_formula_with_its_numbers() -> None:
    known = CORE.metric("on_time_close")
    assert known is not None
    figure = Figure("on_time_close", "water", 12, 15)
    assert formula(known, figure) == "期限内办理回复件数 12 ÷ 应办结件数 15 = 80.00%"
    empty = Figure("on_time_close", "water", 0, 0)
    assert (formula(known, empty), shown(empty), empty.rate) == (
        "期限内办理回复件数 0 ÷ 应办结件数 0，无数据不计算",
        "—",
        None,
    )


def test_no_rate_over_ratings_mixes_their_sources() -> None:
    reads = {one.id: one.rating_source for one in CORE.metrics if one.rating_source}
    assert reads == {
        "satisfied_citizen": RatingSource.CITIZEN,
        "satisfied_manual": RatingSource.MANUAL,
        "rated_default": RatingSource.DEFAULT,
        "service_citizen": RatingSource.CITIZEN,
        "service_manual": RatingSource.MANUAL,
    }
    for one in CORE.metrics:
        tests = [*one.among, *(one.counted or ())]
        if any(test.field in ("rating", "service_rating") for test in tests):
            assert one.rating_source is not None


def _facts(kind: Kind, name: str) -> st.SearchStrategy[Any]:
    if kind is Kind.BOOL:
        return st.booleans()
    if kind is Kind.INT:
        return st.integers(0, 4)
    if kind is Kind.LIST:
        return st.lists(st.sampled_from([flag.value for flag in Flag]), unique=True).map(tuple)
    values = {"rating_source": ["", *RatingSource], "state": ["closed", "terminated", "merged", "answered"]}
    return st.sampled_from([str(one) for one in values.get(name, ["", "满意", "基本满意", "不满意"])])


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["water", "roads", ""]),
        st.fixed_dictionaries({name: _facts(kind, name) for name, kind in FIELDS[Population.WORK].items()}),
    ),
    max_size=12,
)


@given(st.sampled_from([one for one in CORE.metrics if one.population is Population.WORK]), ROWS)
def test_parts_make_the_whole_and_rates_lie_between_none_and_all(metric: Metric, rows: list[tuple[str, Any]]) -> None:
    found = evaluate(metric, rows)
    whole = found[""]
    parts = [part_of(metric, facts) for _, facts in rows]
    assert whole.count == parts.count(Part.COUNTED)
    assert sum(one.count for one in whole.left_out) == parts.count(Part.LEFT_OUT)
    if metric.is_rate:
        assert whole.whole == parts.count(Part.COUNTED) + parts.count(Part.REST)
    assert sum(parts.count(part) for part in Part) == len(rows)
    named = [figure for unit, figure in found.items() if unit]
    assert sum(figure.count for figure in named) <= whole.count
    for figure in found.values():
        assert figure.rate is None or 0.0 <= figure.rate <= 1.0
        assert (figure.rate is None) == (not figure.whole)


@given(st.sampled_from([one for one in CORE.metrics if one.population is Population.WORK]), ROWS, st.integers(0, 12))
def test_figures_of_two_halves_add_up(metric: Metric, rows: list[tuple[str, Any]], cut: int) -> None:
    first, second, both = (evaluate(metric, part)[""] for part in (rows[:cut], rows[cut:], rows))
    assert (first.count + second.count, (first.whole or 0) + (second.whole or 0)) == (both.count, both.whole or 0)


# ---- scores --------------------------------------------------------------------------------------------------------

ITEMS = (
    ScoreItem("on_time", "按时办结", "办理", Way.RATE, 40, "on_time_close", target=0.9),
    ScoreItem("rejections", "回复被退回", "办理", Way.DEDUCT, 10, "rejections", each=2),
    ScoreItem("institution", "制度建设", "制度", Way.INPUT, 30),
    ScoreItem("test_call", "拨测", "拨测", Way.INPUT, 20, mean=True),
    ScoreItem("praise", "表扬", "加分", Way.BONUS, 3, "praised", each=1),
)
SCHEME = Scheme(100, ITEMS, Basis())
FULL = {"institution": [30.0], "test_call": [20.0]}


def fig(count: int, whole: int | None = None) -> Figure:
    return Figure("m", "water", count, whole)


SCORES: list[tuple[dict[str, Figure], dict[str, list[float]], float | None]] = [
    ({"on_time_close": fig(9, 10), "rejections": fig(0)}, FULL, 100.0),
    ({"on_time_close": fig(45, 100), "rejections": fig(0)}, FULL, 80.0),
    ({"on_time_close": fig(9, 10), "rejections": fig(3)}, FULL, 94.0),
    ({"on_time_close": fig(9, 10), "rejections": fig(99)}, FULL, 90.0),
    # the last that was put in, and the mean of all test calls
    ({"on_time_close": fig(9, 10), "rejections": fig(0)}, {"institution": [30, 15], "test_call": [20, 10, 0]}, 75.0),
    # nothing to go by: the others stand for the whole
    ({"on_time_close": fig(0, 0), "rejections": fig(0)}, {}, 100.0),
    ({"on_time_close": fig(9, 10)}, {"institution": [0]}, 57.14),
    (
        {"on_time_close": fig(9, 10), "rejections": fig(3), "praised": fig(2)},
        FULL,
        96.0,
    ),
    (
        {"on_time_close": fig(9, 10), "rejections": fig(0), "praised": fig(50)},
        FULL,
        100.0,
    ),
    ({}, {}, None),
]


@pytest.mark.clause("GZ-060", "LS-085", "SQ-030", "MC-056")
@pytest.mark.parametrize(("figures", "inputs", "total"), SCORES)
def test_scores(figures: dict[str, Figure], inputs: dict[str, list[float]], total: float | None) -> None:
    assert score(SCHEME, "water", figures, inputs).total == total


@given(
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(0, 30),
    st.lists(st.floats(0, 1000), max_size=4),
    st.integers(0, 20),
)
def test_a_score_lies_between_nothing_and_the_scale(
    count: int, more: int, rejected: int, given_: list[float], praised: int
) -> None:
    figures = {"on_time_close": fig(count, count + more), "rejections": fig(rejected), "praised": fig(praised)}
    found = score(SCHEME, "water", figures, {"institution": given_, "test_call": given_})
    assert found.total is not None
    assert 0.0 <= found.total <= 100.0
    assert all(one.points is None or 0 <= one.points <= one.most for one in found.points)


@pytest.mark.clause("GZ-057")
def test_equal_units_share_a_place_and_those_without_a_value_have_none() -> None:
    found = ranking({"a": 0.9, "b": 1.0, "c": 0.9, "d": None, "e": 0.5})
    assert [(one.place, one.unit) for one in found] == [(1, "b"), (2, "a"), (2, "c"), (4, "e"), (None, "d")]


@pytest.mark.clause("MC-057")
def test_the_years_score_is_the_mean_of_what_was_collected() -> None:
    assert composite([90.0, 80.0, None, 100.0]) == 90.0
    assert composite([None, None]) is None


# ---- what the five regulations say ---------------------------------------------------------------------------------


@pytest.mark.clause("MC-056", "MC-057", "MC-058")
def test_a_hundred_points_in_two_groups_collected_by_quarter() -> None:
    rules = policy("mengcheng")
    appraisal, reports = rules.appraisal, rules.reports
    assert appraisal is not None
    assert reports is not None
    assert appraisal.units.scale == 100
    assert {appraisal.group_of(kind) for kind in ("department", "township")} == {"县直单位", "乡镇"}
    assert appraisal.composite is not None
    assert appraisal.composite.of is Every.QUARTER
    annual = reports.definition("appraisal")
    assert annual is not None
    year = parse_term("2026")
    assert annual.make_at(year) == local(2027, 2, 1, 8)
    assert annual.publish_by(year) == local(2027, 2, 10, 23, 59, 59), "次年2月上旬"


@pytest.mark.clause("WX-032")
def test_five_indicator_groups_score_the_platform_and_the_units() -> None:
    appraisal = policy("weixi").appraisal
    assert appraisal is not None
    assert appraisal.platform is not None
    five = {"业务能力", "服务质量", "热线事项办理", "群众满意度", "热线知识库建设"}
    assert {item.group for item in appraisal.units.items} == five
    assert {item.group for item in appraisal.platform.items} == five


@pytest.mark.clause("LS-085")
def test_four_dimensions_are_scored() -> None:
    appraisal = policy("longsheng").appraisal
    assert appraisal is not None
    assert {item.group for item in appraisal.units.items} == {"制度建设", "数据报送", "知识库更新维护", "诉求工单处理"}


@pytest.mark.clause("SQ-030", "SQ-031")
def test_test_calls_are_put_in_and_results_come_out_the_month_after() -> None:
    rules = policy("suqian")
    appraisal, reports = rules.appraisal, rules.reports
    assert appraisal is not None
    assert reports is not None
    calls = next(item for item in appraisal.units.items if item.code == "test_call")
    assert (calls.way, calls.mean) == (Way.INPUT, True)
    monthly, annual = reports.definition("monitoring"), reports.definition("appraisal")
    assert monthly is not None
    assert annual is not None
    assert (monthly.every, annual.every) == (Every.MONTH, Every.YEAR)
    for name in ("2026-01", "2026-02", "2026-12", "2024-01"):
        term = parse_term(name)
        due = monthly.publish_by(term)
        assert due is not None
        assert term.after.holds(due), "评估节点次月发布结果"
    year = parse_term("2026")
    due = annual.publish_by(year)
    assert due is not None
    assert parse_term("2027-01").holds(due)


SCHEDULES = [
    ("ganzhou", "monthly", Every.MONTH, "GZ-057"),
    ("ganzhou", "appraisal", Every.QUARTER, "GZ-060"),
    ("ganzhou", "special", None, "GZ-058"),
    ("ganzhou", "data", Every.MONTH, "GZ-070"),
    ("longsheng", "monthly", Every.MONTH, "LS-083"),
    ("longsheng", "analysis", Every.QUARTER, "LS-077"),
    ("longsheng", "industry", Every.QUARTER, "LS-093"),
    ("longsheng", "appraisal", Every.YEAR, "LS-086"),
    ("weixi", "units", Every.QUARTER, "WX-005"),
    ("weixi", "appraisal", Every.YEAR, "WX-032"),
    ("suqian", "weekly", Every.WEEK, "SQ-027"),
    ("suqian", "monthly", Every.MONTH, "SQ-027"),
    ("suqian", "flash", None, "SQ-027"),
    ("suqian", "hotspot", Every.WEEK, "SQ-028"),
    ("suqian", "analysis-weekly", Every.WEEK, "SQ-028"),
    ("suqian", "emergency-daily", None, "SQ-029"),
    ("suqian", "data", Every.MONTH, "SQ-002"),
    ("suqian", "appraisal", Every.YEAR, "SQ-032"),
    ("mengcheng", "weekly", Every.WEEK, "MC-055"),
    ("mengcheng", "quarterly", Every.QUARTER, "MC-055"),
    ("mengcheng", "special", None, "MC-055"),
    ("mengcheng", "annual", Every.YEAR, "MC-055"),
]


@pytest.mark.clause("GZ-057", "GZ-058", "GZ-060", "GZ-070", "LS-077", "LS-083", "LS-093", "WX-005", "SQ-002")
@pytest.mark.clause("SQ-027", "SQ-028", "SQ-029", "SQ-032", "MC-055")
@pytest.mark.parametrize(("region", "report", "every", "clause"), SCHEDULES)
def test_reports_each_regulation_asks_for(region: str, report: str, every: Every | None, clause: str) -> None:
    reports = policy(region).reports
    assert reports is not None
    definition = reports.definition(report)
    assert definition is not None
    assert definition.every is every
    assert clause in definition.basis.clauses
    if every is not None:
        term = definition.last_term(local(2026, 7, 1, 9))
        assert term is not None
        assert definition.make_at(term) >= term.ends_at


@pytest.mark.parametrize("region", ALL)
def test_every_regulation_names_metrics_and_templates_that_are_there(region: str) -> None:
    assert load_kit([policy(region)]).metrics("core@1") == CORE


def test_every_template_says_where_its_numbers_come_from() -> None:
    for template in KIT.templates:
        assert template.sections[-1].section is Section.NOTES
