"""Findings and daily figures by the API and the command line."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from callcenter.cli import app, recordings_findings, recordings_storage
from callcenter.db import Database
from callcenter.tables import audit
from callcenter.types import CallId, ChannelId, Party
from recordings import completeness, days, findings
from recordings.accounting import FileFinding
from recordings.recording import AnsweredLeg, Problem
from tests.support.web import Web, serving, with_people

CALL, CHANNEL = CallId("a-1763800000.12"), ChannelId("a-1763800000.12")
START = datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)
LEG = AnsweredLeg(CALL, CHANNEL, Party.CITIZEN, START, START + timedelta(seconds=10))
DAY = date(2025, 11, 22)


REGISTERED = (recordings_findings, recordings_storage)
"""Commands are known once their modules are imported."""


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path / "spool") as one:
        await with_people(one)
        async with db.transaction() as tx:
            await completeness.take_account(tx, tmp_path / "spool", [LEG], START)
            await findings.see_files(tx, [FileFinding(Problem.FOREIGN, "notes.txt")], START)
            await days.compute(tx, DAY, START)
        yield one


async def test_findings_tell_since_when_and_what_to_do(web: Web) -> None:
    page = await web.get("supervisor", "/api/recordings/findings")
    assert [(row["kind"], row["kind_name"], row["subject"]) for row in page["rows"]] == [
        ("foreign", "录音目录中的外来文件", "notes.txt"),
        ("missing", "没有录音文件", CHANNEL),
    ]
    assert page["open"] == {"foreign": 1, "missing": 1}
    (file, leg) = page["rows"]
    assert "不会删除" in file["what_to_do"]
    assert (leg["call"], leg["party"], leg["answered_s"], leg["audio_s"]) == (CALL, "citizen", 10.0, 0.0)
    assert datetime.fromisoformat(leg["since"]) == START
    first = await web.get("supervisor", "/api/recordings/findings", limit=1)
    rest = await web.get("supervisor", "/api/recordings/findings", limit=1, before=first["next"])
    assert [row["kind"] for row in rest["rows"]] == ["missing"]


async def test_a_person_closes_what_they_have_looked_into(web: Web) -> None:
    page = await web.get("supervisor", "/api/recordings/findings")
    file, leg = page["rows"]
    closed = await web.post("supervisor", f"/api/recordings/findings/{leg['id']}/close", {"note": "当日磁盘更换"})
    assert (closed["resolved_by"], closed["note"]) == ("supervisor", "当日磁盘更换")
    refused = await web.ask("supervisor", "POST", f"/api/recordings/findings/{file['id']}/close", {"note": "不管它"})
    assert (refused.status, refused.body["title"]) == (409, "still_there")
    unknown = await web.ask("supervisor", "POST", "/api/recordings/findings/999999/close", {"note": "没有"})
    assert unknown.status == 404
    left = await web.get("supervisor", "/api/recordings/findings")
    assert [row["kind"] for row in left["rows"]] == ["foreign"]
    assert len((await web.get("supervisor", "/api/recordings/findings", all="true"))["rows"]) == 2
    async with web.db.transaction() as tx:
        rows = (
            (await tx.execute(select(audit.c.ok).where(audit.c.action == "recording.finding_closed"))).scalars().all()
        )
    assert sorted(rows) == [False, False, True]


async def test_the_figures_of_days_and_their_workbook(web: Web) -> None:
    term = {"from": "2025-11-20", "to": "2025-11-25"}
    (row,) = (await web.get("supervisor", "/api/recordings/days", **term))["rows"]
    assert (row["day"], row["legs"], row["answered_s"], row["gap_s"], row["unaccounted_s"]) == (
        "2025-11-22",
        1,
        10.0,
        10.0,
        0.0,
    )
    assert (row["coverage"], row["gaps_by_cause"], row["final"]) == (1.0, {"file_missing": 10.0}, False)
    answer = await web.ask("supervisor", "GET", "/api/recordings/days.xlsx", params=term)
    assert answer.status == 200
    with ZipFile(io.BytesIO(answer.raw)) as book:
        words = "".join(book.read(name).decode() for name in book.namelist() if name.endswith(".xml"))
    assert "未说明秒数" in words
    assert "2025-11-22" in words


@pytest.mark.parametrize("term", [("2025-11-25", "2025-11-20"), ("2020-01-01", "2025-01-01")])
async def test_days_the_wrong_way_round_or_too_many_are_refused(web: Web, term: tuple[str, str]) -> None:
    query = dict(zip(("from", "to"), term, strict=True))
    answer = await web.ask("supervisor", "GET", "/api/recordings/days", params=query)
    assert (answer.status, answer.body["title"]) == (422, "term_wrong")


async def test_readiness_names_the_disk(web: Web) -> None:
    parts = (await web.ask(None, "GET", "/readyz")).body["parts"]
    assert "disk" in parts


async def told(*command: str) -> Result:
    """What the command line answers; it runs a loop of its own."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["recordings", *command, "--json"]))


async def test_a_plan_is_printed_for_each_codec() -> None:
    shown = await told("plan", "--hours-a-day", "8")
    assert shown.exit_code == 0, shown.output
    rows = {row["codec"]: row for row in json.loads(shown.output)}
    assert rows.keys() == {"flac", "opus", "raw"}
    assert rows["flac"]["GB kept"] == pytest.approx(3 * rows["flac"]["GB a year"], abs=0.2)


@dataclass(frozen=True)
class Given:
    """The settings the command line reads."""

    database_url: str


async def test_the_command_line_lists_findings_and_disks(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Given(web.db.engine.url.render_as_string(hide_password=False).replace("+asyncpg", ""))
    monkeypatch.setattr("callcenter.cli.look.settings_or_fail", lambda: given)
    monkeypatch.setattr("callcenter.cli.recordings_storage.settings_or_fail", lambda: given)
    monkeypatch.setattr("callcenter.custody.opening.ground_of", lambda _: web.custody)
    found = await told("findings")
    assert found.exit_code == 1, found.output
    assert [json.loads(line)["kind"] for line in found.output.splitlines()] == ["foreign", "missing"]
    disks = await told("storage")
    assert [json.loads(line)["place"] for line in disks.output.splitlines()] == ["spool", "store", "copy"], disks.output
