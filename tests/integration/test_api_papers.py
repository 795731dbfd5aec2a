"""Small papers downloaded: what they say, who gets them, and that each download is written down."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from callcenter.db import Database
from callcenter.tables import audit
from callcenter.types import UnitId
from tests.support.documents import text_of
from tests.support.lives import ask, handling, surveying
from tests.support.web import PHONE, Web, serving, with_people
from ticketing.appraisal.reports import Format
from ticketing.dispatch import units_store
from ticketing.dispatch.units import Unit


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        ready = await with_people(one)
        async with ready.db.transaction() as tx:
            await units_store.seed(tx, [Unit(UnitId("water"), "县水利局")], datetime.now(UTC))
        yield ready


async def paper(web: Web, who: str, path: str, format_: Format, method: str = "GET") -> str:
    """What the file says, without blanks."""
    answer = await web.ask(who, method, path, params={"format": str(format_)})
    assert answer.status == 200, answer.raw[:300]
    assert "filename*=UTF-8''%" in answer.headers["Content-Disposition"]
    return text_of(answer.raw, format_).replace(" ", "").replace("\n", "")


async def downloads(web: Web) -> list[tuple[str, str, Any]]:
    async with web.db.transaction() as tx:
        query = select(audit).where(audit.c.action == "paper.download").order_by(audit.c.id)
        return [(row.actor, row.subject, row.detail["paper"]) for row in await tx.execute(query)]


@pytest.mark.parametrize("format_", [Format.DOCX, Format.PDF])
@pytest.mark.clause("SQ-024", "GZ-056")
async def test_an_opinion_and_a_file_say_what_the_unit_replied(web: Web, format_: Format) -> None:
    ticket = await surveying(web)
    opinion = await paper(web, "unit", f"/api/tickets/{ticket['id']}/opinion/paper", format_)
    for words in ("书面办理意见", "县水利局", "管道已修复", "张师傅", ticket["id"]):
        assert words in opinion
    file = await paper(web, "reviewer", f"/api/tickets/{ticket['id']}/file/paper", format_, "POST")
    for words in ("工单办理档案", "桂龙路", "办理过程", "派单", "打印"):
        assert words in file
    assert PHONE not in opinion + file
    told = [(subject, title) for _, subject, title in await downloads(web)]
    assert told == [(f"ticket:{ticket['id']}", "书面办理意见"), (f"ticket:{ticket['id']}", "工单办理档案")]


async def test_there_is_no_opinion_before_a_reply_and_none_for_others(web: Web) -> None:
    ticket = await handling(web)
    path = f"/api/tickets/{ticket['id']}/opinion/paper"
    assert (await web.ask("unit", "GET", path)).status == 404
    assert (await web.ask("unit2", "GET", path)).status == 404
    assert (await web.ask("agent", "GET", path)).status == 403
    assert await downloads(web) == []


async def test_a_confidential_file_is_not_given_without_a_second_person(web: Web) -> None:
    ticket = await surveying(web, confidential=True)
    refused = await web.ask("reviewer", "POST", f"/api/tickets/{ticket['id']}/file/paper")
    assert (refused.status, refused.code) == (403, "release_needed")


@pytest.mark.clause("LS-062")
async def test_a_supervision_becomes_a_notice(web: Web) -> None:
    ticket = await handling(web)
    await ask(web, "supervisor", ticket, "supervise", trigger="OTHER", reason="群众多次来电", form="written")
    [row] = (await web.get("supervisor", "/api/supervisions"))["rows"]
    notice = await paper(web, "supervisor", f"/api/supervisions/{row['id']}/paper", Format.PDF)
    for words in ("督办通知书", "县水利局", "群众多次来电", row["form_name"], ticket["id"]):
        assert words in notice
    assert (await web.ask("unit2", "GET", f"/api/supervisions/{row['id']}/paper")).status == 404


@pytest.mark.clause("LS-015")
async def test_a_matter_for_the_leaders_becomes_a_sheet_to_be_signed(web: Web) -> None:
    ticket = await handling(web)
    await ask(web, "unit", ticket, "approvals/ask", gate="report", reason="涉及产权移交，需县政府协调")
    [approval] = (await web.get("supervisor", f"/api/tickets/{ticket['id']}/approvals"))["rows"]
    sheet = await paper(web, "supervisor", f"/api/approvals/{approval['id']}/paper", Format.DOCX)
    for words in ("呈批件", "涉及产权移交", "停水两天", *(step["signer"] for step in approval["steps"])):
        assert words in sheet


async def test_a_case_becomes_a_proposal(web: Web) -> None:
    ticket = await handling(web)
    body = {"reason": "UNIT_MISCONDUCT", "severity": "MINOR", "unit": "water", "facts": "推诿扯皮"}
    case = await web.post("supervisor", "/api/accountability/cases", {**body, "tickets": [ticket["id"]]})
    said = await paper(web, "leader", f"/api/accountability/cases/{case['id']}/paper", Format.DOCX)
    for words in ("追责问责建议书", "县水利局", "推诿扯皮", ticket["id"]):
        assert words in said
