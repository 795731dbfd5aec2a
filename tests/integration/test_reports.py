"""Reports as rows, jobs and files; topics and cases from a real database; the API and the command line."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner

from callcenter.cli import app
from callcenter.db import Database
from callcenter.jobs import Job
from callcenter.reports import orders
from callcenter.reports.figures import Ground, freeze, of_json, ranked
from callcenter.reports.work import ReportWork, write_once
from callcenter.tables import audit
from callcenter.types import TicketId
from config.policy_loader import load_policies
from tests.support.appraisal import DAY, HOUR, answered, finished, ground, kit, sent, with_units
from tests.support.tickets import REVIEWER, ROADS, SUPERVISOR, local, rules
from tests.support.web import Web, serving, with_people
from ticketing import service
from ticketing.aftercare.confidentiality import DecidePublication
from ticketing.appraisal import reports_sql, reports_store
from ticketing.appraisal.reports import Format, Frozen, TopicKind, kinds_of, public_view
from ticketing.appraisal.rules import Variant
from ticketing.appraisal.terms import Every, parse_term
from ticketing.record import GuardFailed, TicketNotFound
from ticketing.words import Flag

JUNE = parse_term("2026-06")
MONDAY = local(2026, 6, 1, 9)
AFTER = local(2026, 7, 1, 7)


def definition(report: str = "monthly") -> Any:
    return orders.definition_of(ground().policy, report)


async def one_good_ticket(tx: AsyncConnection, at: datetime = MONDAY, **fields: Any) -> TicketId:
    ticket = await sent(tx, at, **fields)
    await answered(tx, ticket, at + HOUR)
    await finished(tx, ticket, at + 2 * HOUR)
    return ticket


async def frozen(tx: AsyncConnection, report: str = "monthly", now: datetime = AFTER) -> Frozen:
    return await freeze(tx, ground(), definition(report), JUNE, now)


# ---- runs ----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("LS-083")
async def test_the_sweep_asks_for_each_report_once_when_its_hour_has_come(tx: AsyncConnection) -> None:
    await one_good_ticket(tx)
    assert await orders.sweep(tx, rules(), AFTER - timedelta(seconds=1)) == ()
    asked = await orders.sweep(tx, rules(), AFTER)
    assert {(run.definition, run.term) for run in asked} == {
        ("monthly", "2026-06"),
        ("analysis", "2026-Q2"),
        ("industry", "2026-Q2"),
    }
    assert await orders.sweep(tx, rules(), AFTER + HOUR) == ()
    jobs = (await tx.execute(text("SELECT dedupe_key FROM pgqueuer WHERE entrypoint = 'report.make'"))).scalars().all()
    assert sorted(jobs) == [
        f"report.make:{run.definition}:{run.term}:1" for run in sorted(asked, key=lambda r: r.definition)
    ]


async def test_no_report_is_made_for_a_time_before_the_first_ticket(tx: AsyncConnection) -> None:
    assert await orders.sweep(tx, rules(), AFTER) == ()
    await one_good_ticket(tx, local(2026, 7, 1, 8))
    assert await orders.sweep(tx, rules(), local(2026, 7, 2, 9)) == ()


async def test_two_sweeps_at_once_ask_once(db: Database) -> None:
    async with db.transaction() as tx:
        await one_good_ticket(tx)

    async def sweep() -> int:
        async with db.transaction() as tx:
            return len(await orders.sweep(tx, rules(), AFTER))

    assert sum(await asyncio.gather(sweep(), sweep(), sweep())) == 3


async def make(db: Database, folder: Path, report: str = "monthly", remarks: str = "") -> int:
    """A run asked for and made by its job; its number."""
    async with db.transaction() as tx:
        run = await orders.order(tx, definition(report), JUNE, actor=SUPERVISOR, now=AFTER, remarks=remarks)
        assert run is not None
    await reporter(db, folder).make(job_of(run.id))
    return run.id


def reporter(db: Database, folder: Path) -> ReportWork:
    return ReportWork(db, rules(), kit(), folder)


def job_of(run: int) -> Job:
    return Job(1, orders.MAKE_JOB, "k", json.dumps({"run": run}).encode(), 1)


async def test_a_made_report_has_frozen_figures_and_its_files(db: Database, tmp_path: Path) -> None:
    async with db.transaction() as tx:
        await with_units(tx, MONDAY)
        await one_good_ticket(tx)
    number = await make(db, tmp_path, remarks="供水问题集中")
    async with db.transaction() as tx:
        run, files = await reports_store.run_of(tx, number), await reports_store.files_of(tx, number)
        figures = of_json(await reports_store.figures_of(tx, number))
    assert (run.state, run.revision, run.metrics, run.policy) == ("made", 1, "core@1", "longsheng@1")
    assert {(file.variant, file.format) for file in files} == {(v, f) for v in Variant for f in Format}
    assert figures.remarks == "供水问题集中"
    assert {figure.metric: figure.count for figure in figures.platform}["received"] == 1
    for file in files:
        assert orders.read(tmp_path, file)[:4] in (b"PK\x03\x04", b"%PDF")


async def test_a_job_that_runs_twice_makes_one_report(db: Database, tmp_path: Path) -> None:
    async with db.transaction() as tx:
        await one_good_ticket(tx)
    number = await make(db, tmp_path)
    async with db.transaction() as tx:
        first = await reports_store.run_of(tx, number)
        await one_good_ticket(tx, MONDAY + DAY)
    await reporter(db, tmp_path).make(job_of(number))
    async with db.transaction() as tx:
        assert await reports_store.run_of(tx, number) == first
        assert len(await reports_store.files_of(tx, number)) == 6


async def test_frozen_figures_stay_and_a_new_making_is_a_new_revision(db: Database, tmp_path: Path) -> None:
    number = await make(db, tmp_path)
    for change in ("figures = '{}'", "digest = ''", "term = '2026-07'"):
        with pytest.raises(DBAPIError, match="figures once frozen stay"):
            async with db.transaction() as tx:
                await tx.execute(text(f"UPDATE report_run SET {change} WHERE id = {number}"))
    with pytest.raises(DBAPIError, match="never deleted"):
        async with db.transaction() as tx:
            await tx.execute(text("DELETE FROM report_run"))
    again = await make(db, tmp_path)
    async with db.transaction() as tx:
        assert (await reports_store.run_of(tx, again)).revision == 2


async def test_a_run_whose_job_was_lost_is_asked_for_again(tx: AsyncConnection) -> None:
    run = await orders.order(tx, definition(), JUNE, actor=SUPERVISOR, now=AFTER)
    assert run is not None
    await tx.execute(text("DELETE FROM pgqueuer"))
    await orders.sweep(tx, rules(), AFTER + orders.LOST_AFTER + HOUR)
    keys = (await tx.execute(text("SELECT dedupe_key FROM pgqueuer"))).scalars().all()
    assert f"report.make:monthly:{JUNE.name}:1" in keys


async def test_a_kept_file_that_was_changed_is_not_handed_out(db: Database, tmp_path: Path) -> None:
    number = await make(db, tmp_path)
    async with db.transaction() as tx:
        file = (await reports_store.files_of(tx, number))[0]
    orders.path_of(tmp_path, number, file.variant, file.format).write_bytes(b"something else")
    with pytest.raises(orders.FileNotKept):
        orders.read(tmp_path, file)


# ---- what a report says --------------------------------------------------------------------------------------------


@pytest.mark.clause("SQ-026", "SQ-028", "LS-077", "GZ-015", "GZ-058")
async def test_topics_grow_from_the_terms_before(tx: AsyncConnection) -> None:
    await with_units(tx, MONDAY)
    for month, many in ((4, 5), (5, 5), (6, 8)):
        for n in range(many):
            at, to = local(2026, month, 10, 9, n), (ROADS if n % 2 else None)
            await sent(tx, at, **({"to": to} if to else {}), caller=n + 1, subject="供水", place="桂龙路")
    for n in range(6):
        await sent(tx, local(2026, 6, 11, 9, n), caller=n, subject="作风", place="某局", flags=frozenset({Flag.STAFF}))
    found = {(topic.subject, topic.place): topic for topic in (await frozen(tx)).topics}
    assert set(found) == {("供水", ""), ("供水", "桂龙路")}, "requests about staff are in no topic"
    topic = found["供水", "桂龙路"]
    assert (topic.count, topic.before, topic.callers, topic.units, topic.terms) == (8, 5, 8, 2, 3)
    assert set(kinds_of(topic, ground().reports.hot)) == set(TopicKind)


@pytest.mark.clause("GZ-015", "WX-005")
async def test_each_unit_sees_what_its_requests_are_about(tx: AsyncConnection) -> None:
    await with_units(tx, MONDAY)
    for n in range(3):
        await sent(tx, MONDAY, caller=n, subject="供水")
    await sent(tx, MONDAY, ROADS, subject="坑洼")
    until = ground().scope(JUNE, AFTER).until
    own = await reports_sql.unit_topics(tx, JUNE, until, "water")
    assert [(one.unit, one.subject, one.count) for one in own] == [("water", "供水", 3)]
    assert {one.unit for one in await reports_sql.unit_topics(tx, JUNE, until)} == {"water", "roads"}


@pytest.mark.clause("SQ-050", "LS-083", "SQ-051")
async def test_the_public_sees_no_confidential_request_and_no_case_that_was_not_decided(tx: AsyncConnection) -> None:
    await with_units(tx, MONDAY)
    good = await one_good_ticket(tx, subject="供水", place="桂龙路", title="停水两天已恢复")
    other = await one_good_ticket(tx, MONDAY + DAY, subject="供水", place="桂龙路", title="王五家停水")
    for n in range(5):
        await sent(tx, MONDAY, caller=n + 10, subject="供水", place="桂龙路", confidential=n < 3)
    for ticket in (good, other):
        await reports_sql.choose_case(tx, JUNE, ticket, "good", "办理及时", SUPERVISOR, AFTER)
    decided = DecidePublication(True, "诉求人同意", consent=True, suitable=True)
    await service.carry_out(tx, good, decided, actor=REVIEWER, now=MONDAY + DAY, rules=rules())
    inside = await frozen(tx)
    public = public_view(inside, ground().reports.hot)
    assert {case.title for case in inside.cases} == {"停水两天已恢复", "王五家停水"}
    assert {(case.title, case.ticket) for case in public.cases} == {("停水两天已恢复", "")}
    assert {topic.count for topic in inside.topics} == {7}
    assert {topic.count for topic in public.topics} == set(), "four are public, fewer than are shown to everybody"


async def test_a_case_is_chosen_once_and_must_be_there(tx: AsyncConnection) -> None:
    ticket = await one_good_ticket(tx)
    await reports_sql.choose_case(tx, JUNE, ticket, "problem", "逾期", SUPERVISOR, AFTER)
    with pytest.raises(GuardFailed):
        await reports_sql.choose_case(tx, JUNE, ticket, "good", "不逾期", SUPERVISOR, AFTER)
    with pytest.raises(TicketNotFound):
        await reports_sql.choose_case(tx, JUNE, TicketId("20990101000001"), "good", "", SUPERVISOR, AFTER)


@pytest.mark.clause("SQ-026")
async def test_an_event_is_followed_once_and_gathers_its_tickets(tx: AsyncConnection) -> None:
    await sent(tx, MONDAY, subject="供水", place="桂龙路")
    await sent(tx, MONDAY, subject="供水", place="别处")
    number = await reports_sql.track(tx, "供水", "桂龙路", "桂龙路停水", "", SUPERVISOR, MONDAY)
    with pytest.raises(GuardFailed):
        await reports_sql.track(tx, "供水", "桂龙路", "又一次", "", SUPERVISOR, MONDAY)
    (event,) = await reports_sql.tracked_topics(tx, MONDAY + HOUR)
    assert (event["many"], event["still_open"], event["last_week"]) == (1, 1, 1)
    assert await reports_sql.untrack(tx, number, SUPERVISOR, MONDAY + DAY)
    assert not await reports_sql.untrack(tx, number, SUPERVISOR, MONDAY + DAY)
    assert await reports_sql.tracked_topics(tx, MONDAY + DAY) == []


@pytest.mark.clause("SQ-029")
async def test_an_emergency_day_can_be_reported_on_demand(tx: AsyncConnection) -> None:
    suqian = Ground(load_policies("suqian")[-1], kit())
    await sent(tx, MONDAY, subject="供水")
    await sent(tx, MONDAY + DAY, subject="供水")
    daily = orders.definition_of(suqian.policy, "emergency-daily")
    figures = await freeze(tx, suqian, daily, parse_term("2026-06-01"), MONDAY + 5 * HOUR)
    assert (daily.every, figures.overview.received, figures.label) == (None, 1, "2026年6月1日")


@pytest.mark.clause("GZ-057")
async def test_units_are_ranked_by_their_closures(tx: AsyncConnection) -> None:
    await with_units(tx, MONDAY)
    ganzhou = Ground(load_policies("ganzhou")[-1], kit())
    await one_good_ticket(tx)
    forgotten = await sent(tx, MONDAY, ROADS)
    figures = await freeze(tx, ganzhou, orders.definition_of(ganzhou.policy, "monthly"), JUNE, AFTER)
    assert figures.ranked_by == "closure"
    assert [(line.place, line.unit, line.value) for line in figures.ranking] == [(1, "water", 1.0), (2, "roads", 0.0)]
    assert forgotten


@pytest.mark.clause("MC-057", "MC-058")
async def test_quarters_are_collected_and_make_the_years_score_in_two_groups(tx: AsyncConnection) -> None:
    await with_units(tx, MONDAY)
    await tx.execute(text("UPDATE unit SET kind = 'township' WHERE id = 'roads'"))
    mengcheng = Ground(load_policies("mengcheng")[-1], kit())
    await one_good_ticket(tx, local(2026, 2, 3, 9))
    second = await sent(tx, local(2026, 6, 1, 9))  # never answered: the second quarter is a bad one
    await sent(tx, local(2026, 6, 1, 9), ROADS)
    year, now = parse_term("2026"), local(2027, 2, 1, 8)
    collection = orders.definition_of(mengcheng.policy, "collection")
    for quarter in year.parts(Every.QUARTER):
        run = await orders.order(tx, collection, quarter, actor=SUPERVISOR, now=now)
        assert run is not None
    figures = await freeze(tx, mengcheng, orders.definition_of(mengcheng.policy, "appraisal"), year, now)
    water = {one.term: one.total for one in figures.collected if one.unit == "water"}
    assert set(water) == {"2026-Q1", "2026-Q2"}
    first_total, second_total = water["2026-Q1"], water["2026-Q2"]
    assert first_total is not None
    assert second_total is not None
    assert first_total > second_total
    ranked_water = next(line for line in figures.ranking if line.unit == "water")
    assert ranked_water.value == round((first_total + second_total) / 2, 2)
    assert {(line.group, line.unit, line.place) for line in figures.ranking} == {
        ("县直单位", "water", 1),
        ("乡镇", "roads", 1),
    }
    assert second


@pytest.mark.clause("SQ-030", "LS-085", "WX-032")
async def test_points_people_put_in_count_in_the_score(tx: AsyncConnection) -> None:
    await with_units(tx, MONDAY)
    suqian = Ground(load_policies("suqian")[-1], kit())
    await one_good_ticket(tx)
    report = orders.definition_of(suqian.policy, "monitoring")

    async def total() -> float | None:
        figures = await freeze(tx, suqian, report, JUNE, AFTER)
        line = next(one for one in figures.units if one.unit == "water")
        return line.score.total if line.score else None

    full = await total()
    for value in (10.0, 0.0):
        await reports_store.put_in(tx, JUNE, "water", "test_call", value, "拨测", actor=SUPERVISOR, now=AFTER)
    tested = await total()
    assert full is not None
    assert tested is not None
    assert tested < full, "the mean of two test calls is half of the points"


async def test_a_ranking_has_a_line_for_every_unit_that_had_work(tx: AsyncConnection) -> None:
    await one_good_ticket(tx)
    figures = await frozen(tx)
    assert [line.unit for line in figures.ranking] == ["water"], "also a unit the directory no longer has"
    assert ranked(ground(), figures.units, {}) != ()


async def test_a_report_can_be_written_without_leaving_a_run(tx: AsyncConnection) -> None:
    from callcenter.reports import fonts

    await one_good_ticket(tx)
    data = await write_once(tx, ground(), definition(), JUNE, Variant.PUBLIC, Format.XLSX, fonts.find(), AFTER)
    assert data[:2] == b"PK"
    assert await reports_store.runs(tx) == ()


# ---- the API -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


@pytest.mark.clause("GZ-060", "GZ-013")
async def test_a_unit_reads_its_own_figures_and_nobody_elses(web: Web) -> None:
    async with web.db.transaction() as tx:
        ticket = await one_good_ticket(tx)
        await sent(tx, MONDAY, ROADS)
    whole = await web.get("supervisor", "/api/appraisal/figures", term="2026-06")
    assert {line["unit"] for line in whole["units"]} == {"water", "roads"}
    assert whole["platform"]
    own = await web.get(
        "unit",
        "/api/appraisal/figures",
        term="2026-06",
    )
    assert [line["unit"] for line in own["units"]] == ["water"]
    assert own["platform"] is None
    figure = next(one for one in own["units"][0]["figures"] if one["metric"] == "on_time_close")
    assert (figure["rate"], figure["formula"]) == (1.0, "期限内办理回复件数 1 ÷ 应办结件数 1 = 100.00%")
    behind = "/api/appraisal/figures/on_time_close/tickets"
    rows = (await web.get("unit", behind, term="2026-06", unit="roads"))["rows"]
    assert [(row["ticket"], row["unit"]) for row in rows] == [(ticket, "water")]
    assert (await web.get("unit2", behind, term="2026-06", part="counted"))["rows"] == []
    places = (await web.get("unit", "/api/appraisal/ranking", term="2026-06"))["rows"]
    assert [(row["unit"], row["place"]) for row in places] == [("water", 1)]
    topics = await web.get("unit", "/api/appraisal/topics", term="2026-06")
    assert topics["topics"] is None


REFUSED = [
    ("GET", "/api/appraisal/figures?term=2026-06", "agent", 403),
    ("GET", "/api/appraisal/figures?term=2026-13", "supervisor", 422),
    ("GET", "/api/appraisal/figures/luck/tickets?term=2026-06", "supervisor", 404),
    ("GET", "/api/reports", "unit", 403),
    ("GET", "/api/reports", "agent", 403),
    ("GET", "/api/reports/runs/99", "supervisor", 404),
    ("GET", "/api/reports/files/99", "auditor", 404),
    ("POST", "/api/reports", "auditor", 403),
    ("POST", "/api/reports/runs/99/publish", "supervisor", 404),
    ("POST", "/api/reports/events/99/close", "supervisor", 404),
]


async def test_doors_of_reports_are_closed_to_others(web: Web) -> None:
    for method, path, who, status in REFUSED:
        body = {"definition": "monthly", "term": "2026-06"} if path == "/api/reports" else {}
        answer = await web.ask(who, method, path, body if method == "POST" else None)
        assert answer.status == status, (path, answer.raw)


async def test_a_report_is_made_downloaded_with_a_trace_and_published(web: Web) -> None:
    async with web.db.transaction() as tx:
        await one_good_ticket(tx)
    known = await web.get("auditor", "/api/reports/definitions")
    assert "monthly" in {row["id"] for row in known["rows"]}
    asked = await web.post("supervisor", "/api/reports", {"definition": "monthly", "term": "2026-06"})
    early = await web.ask("supervisor", "POST", f"/api/reports/runs/{asked['id']}/publish", {})
    assert early.status == 422
    await reporter(web.db, web.spool / "reports").make(job_of(asked["id"]))
    run = await web.get("auditor", f"/api/reports/runs/{asked['id']}")
    assert (run["state"], len(run["files"])) == ("made", 6)
    pdf = next(file for file in run["files"] if (file["variant"], file["format"]) == ("internal", "pdf"))
    got = await web.ask("auditor", "GET", f"/api/reports/files/{pdf['id']}")
    assert (got.status, got.raw[:4], got.headers["Content-Type"]) == (200, b"%PDF", "application/pdf")
    published = await web.post("supervisor", f"/api/reports/runs/{asked['id']}/publish")
    assert (published["state"], published["published_by"]) == ("published", "user:supervisor")
    page = await web.get("supervisor", "/api/reports", definition="monthly")
    assert [row["id"] for row in page["rows"]] == [asked["id"]]
    async with web.db.transaction() as tx:
        rows = (await tx.execute(select(audit).where(audit.c.action.like("report.%")).order_by(audit.c.id))).all()
    assert [(row.action, row.actor) for row in rows] == [
        ("report.make", "user:supervisor"),
        ("report.download", "user:auditor"),
        ("report.publish", "user:supervisor"),
    ]
    assert rows[1].detail["sha256"] == pdf["sha256"]


INPUTS = [
    ({"item": "institution", "value": 8}, 204),
    ({"item": "institution", "value": 11}, 422),
    ({"item": "luck", "value": 1}, 422),
    ({"item": "on_time", "value": 1}, 422),
    ({"item": "institution", "value": 8, "unit": "nobody"}, 404),
    ({"item": "institution", "value": 8, "term": "26"}, 422),
]


@pytest.mark.clause("LS-085")
async def test_points_are_put_in_by_a_supervisor_within_their_limits(web: Web) -> None:
    async with web.db.transaction() as tx:
        await with_units(tx, MONDAY)
    for given, status in INPUTS:
        body = {"term": "2026", "unit": "water", "note": "制度健全"} | given
        answer = await web.ask("supervisor", "POST", "/api/appraisal/inputs", body)
        assert answer.status == status, (given, answer.raw)
    assert (await web.ask("auditor", "POST", "/api/appraisal/inputs", body)).status == 403


async def test_cases_and_events_are_chosen_by_the_api(web: Web) -> None:
    async with web.db.transaction() as tx:
        ticket = await one_good_ticket(tx, subject="供水", place="桂龙路")
    case = {"term": "2026-06", "ticket": ticket, "kind": "good", "comment": "当天恢复供水"}
    await web.post("reviewer", "/api/reports/cases", case)
    assert (await web.ask("reviewer", "POST", "/api/reports/cases", case)).status == 422
    event = {"subject": "供水", "place": "桂龙路", "title": "桂龙路停水"}
    made = await web.post("supervisor", "/api/reports/events", event)
    rows = (await web.get("auditor", "/api/reports/events"))["rows"]
    assert [(row["id"], row["title"]) for row in rows] == [(made["id"], "桂龙路停水")]
    await web.post("supervisor", f"/api/reports/events/{made['id']}/close")
    assert (await web.get("auditor", "/api/reports/events"))["rows"] == []


async def test_metrics_are_told_with_their_version(web: Web) -> None:
    told = await web.get("unit", "/api/appraisal/metrics")
    assert told["name"] == "core@1"
    row = next(one for one in told["metrics"] if one["id"] == "satisfied_citizen")
    assert row["rating_source"] == "citizen"
    assert "因法律政策等客观原因未能满足" in row["left_out"]


# ---- the command line ----------------------------------------------------------------------------------------------


def environment(db: Database, folder: Path) -> dict[str, str]:
    ports = dict.fromkeys(("AMI_PORT", "AGI_PORT", "AUDIOSOCKET_PORT", "SMS_CALLBACK_PORT"), "1")
    secrets = ("AMI_EVENTS_SECRET", "AMI_ACTIONS_SECRET", "AGI_TOKEN", "KANNEL_PASSWORD", "SMS_CALLBACK_TOKEN")
    plain = {"DATABASE_URL": db.asyncpg_dsn, "REDIS_URL": "redis://x", "KANNEL_URL": "http://x", "VAULT_KEY": "5a" * 32}
    paths = {name: str(folder) for name in ("SPOOL_DIR", "MODEL_DIR", "CEL_FILE")}
    values = ports | dict.fromkeys(secrets, "x" * 40) | plain | paths
    return {f"CALLCENTER_{name}": value for name, value in values.items()}


async def run_cli(db: Database, folder: Path, *arguments: str) -> Any:
    import_module("callcenter.cli.reports")  # registers its commands
    return await asyncio.to_thread(CliRunner().invoke, app, ["reports", *arguments], env=environment(db, folder))


async def test_the_command_line_makes_a_report_into_a_file(db: Database, tmp_path: Path) -> None:
    async with db.transaction() as tx:
        await one_good_ticket(tx)
    out = tmp_path / "june.docx"
    done = await run_cli(db, tmp_path, "make", "monthly", "--period", "2026-06", "--out", str(out), "--public")
    assert done.exit_code == 0, done.output
    assert out.read_bytes()[:2] == b"PK"
    listed = await run_cli(db, tmp_path, "list")
    assert "monthly" in listed.output


WRONG = [
    (("make", "luck", "--period", "2026-06", "--out", "x.pdf"), "no such report"),
    (("make", "monthly", "--period", "June", "--out", "x.pdf"), "2026-10"),
    (("make", "monthly", "--period", "2026-06", "--out", "x.txt"), ".docx"),
]


async def test_the_command_line_says_what_is_wrong(db: Database, tmp_path: Path) -> None:
    for arguments, told in WRONG:
        done = await run_cli(db, tmp_path, *arguments)
        assert done.exit_code == 1
        assert told in done.output
