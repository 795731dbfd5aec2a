"""A reviewer's lists and the sheet beside a ticket: what waits, in order, and the rules with their articles."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from callcenter.db import Database
from tests.support.lives import ask, handling, reply_contents, surveying
from tests.support.web import Web, serving, with_people

CALL = {"purpose": "follow_up", "method": "电话", "told": "无人接听", "over_reason": "测试"}


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


async def waiting(web: Web, tab: str, **query: Any) -> list[dict[str, Any]]:
    return list((await web.get("reviewer", "/api/review/work", tab=tab, **query))["rows"])


async def rated(web: Web, rating: str | None = "不满意") -> dict[str, Any]:
    """A ticket in its survey whose citizen was called, or is to be."""
    made = await surveying(web, phone=None)
    body = {"rating": rating, "note": "诉求人认为水压仍然不足"}
    return await ask(web, "reviewer", made, "survey/called", **body) if rating else made


async def reviewed(web: Web) -> dict[str, Any]:
    """A reply whose outcome only a reviewer can accept."""
    contents = {
        **reply_contents(),
        "outcome": "untrue_no_evidence",
        "verification": "现场核实，与反映不符",
        "explanation": "已说明",
    }
    return await ask(web, "unit", await handling(web), "reply", contents=contents)


async def test_a_reply_that_needs_a_reviewer_waits_with_its_checks_and_articles(web: Web) -> None:
    made = await reviewed(web)
    assert made["state"] == "replied"
    (row,) = await waiting(web, "replies")
    assert (row["id"], row["unit_name"], row["round"]) == (made["id"], "water", 1)
    sheet = await web.get("reviewer", f"/api/tickets/{made['id']}/review")
    checks = {one["label"]: one for one in sheet["checks"]}
    assert checks["答复要素"]["ok"] is True
    assert checks["办理时限"]["ok"] is True
    assert checks["结论审核"]["ok"] is None
    assert all(checks[name]["article"] for name in ("答复要素", "办理时限", "结论审核"))
    (reply,) = sheet["replies"]
    assert {"label": "经办人", "value": "张师傅"} in reply["fields"]
    defect = sheet["defects"][0]
    await ask(web, "reviewer", made, "review/reject-reply", defect=defect["code"], reason="请补充现场照片")
    assert await waiting(web, "replies") == []
    (reply,) = (await web.get("reviewer", f"/api/tickets/{made['id']}/review"))["replies"]
    assert (reply["rejected"], reply["rejected_at"] is not None) == (defect["label"], True)


async def test_a_call_to_make_counts_its_tries_and_goes_when_it_is_made(web: Web) -> None:
    made = await rated(web, None)
    (row,) = await waiting(web, "calls")
    assert (row["id"], row["kind_name"], row["tries"], row["due_at"] is not None) == (made["id"], "人工回访", 0, True)
    tried = {**CALL, "at": datetime.now(UTC).replace(microsecond=0).isoformat(), "reached": "not_reached"}
    made = await ask(web, "reviewer", made, "contact", **tried)
    (row,) = await waiting(web, "calls")
    assert (row["tries"], row["tried_at"] is not None) == (1, True)
    sheet = await web.get("agent", f"/api/tickets/{made['id']}/review")
    assert (sheet["survey"]["calls"], sheet["survey"]["rating"]) == (True, None)
    assert sheet["levels"] == ["满意", "基本满意", "不满意"]
    await ask(web, "agent", made, "survey/called", rating="满意", note="诉求人满意")
    assert await waiting(web, "calls") == []


async def test_an_unsatisfied_citizen_waits_for_a_decision_and_the_ways_to_close_are_the_policys(web: Web) -> None:
    made = await rated(web)
    (row,) = await waiting(web, "unsatisfied")
    assert (row["id"], row["rating"], row["cause_name"]) == (made["id"], "不满意", "")
    sheet = await web.get("reviewer", f"/api/tickets/{made['id']}/review")
    assert sheet["unsatisfied"]
    objective = next(one for one in sheet["causes"] if one["objective"])
    assert objective["code"] in sheet["closing"]["explained_causes"]
    made = await ask(web, "reviewer", made, "cause", code=objective["code"], note="受管网改造影响")
    (row,) = await waiting(web, "unsatisfied")
    assert row["cause_name"] == objective["label"]
    await ask(web, "reviewer", made, "close", explanation="已向诉求人解释改造计划")
    assert await waiting(web, "unsatisfied") == []


async def test_closed_results_wait_for_publication_only_where_they_may_be_public(web: Web) -> None:
    open_one, secret = await rated(web, "满意"), await surveying(web, phone=None, confidential=True)
    await ask(web, "reviewer", secret, "survey/called", rating="满意", note="满意")
    assert [row["id"] for row in await waiting(web, "publication")] == [open_one["id"]]
    counts = (await web.get("reviewer", "/api/review/counts"))["tabs"]
    assert (counts["publication"], counts["replies"], counts["releases"], counts["exports"]) == (1, 0, 0, 0)
    await ask(web, "reviewer", open_one, "publication", publish=True, reason="诉求人同意", consent=True, suitable=True)
    assert await waiting(web, "publication") == []


async def test_pages_follow_one_another_and_words_find_a_ticket(web: Web) -> None:
    made = [await rated(web, None) for _ in range(3)]
    first = await web.get("reviewer", "/api/review/work", tab="calls", limit=2)
    rest = await web.get("reviewer", "/api/review/work", tab="calls", limit=2, after=first["next"])
    assert [row["id"] for row in (*first["rows"], *rest["rows"])] == [one["id"] for one in made]
    assert rest["next"] is None
    assert [row["id"] for row in await waiting(web, "calls", text=made[1]["id"])] == [made[1]["id"]]
