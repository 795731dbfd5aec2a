"""What people choose knowledge by: words of the regulation, filters of items and of questions."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from callcenter.db import Database
from tests.support.web import Web, serving, with_people
from ticketing.clocks import local_day

ITEMS, QUESTIONS = "/api/knowledge/items", "/api/knowledge/questions"


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


async def in_use(web: Web, title: str, **more: Any) -> dict[str, Any]:
    contents = {"template": "general", "text": "停水后一般四小时内抢修。"}
    body = {"title": title, "contents": contents, "valid_from": "2020-01-01", "accountable": "刘工", **more}
    item = await web.post("unit", ITEMS, body)
    for who, verb in (("unit", "submit"), ("reviewer", "approve")):
        item = await web.post(who, f"{ITEMS}/{item['id']}/{verb}", {"revision": item["revision"]})
    return dict(item)


@pytest.mark.clause("LS-072", "LS-074", "LS-076")
async def test_the_words_say_what_each_template_needs_and_which_article_asks_it(web: Web) -> None:
    words = await web.get("agent", "/api/knowledge/words")
    templates = {one["code"]: one for one in words["templates"]}
    matter, policy, term = templates["service_matter"], templates["new_policy"], templates["policy_term"]
    assert [one["label"] for one in matter["fields"]][:2] == ["受理单位", "地址"]
    assert "常见问题" in policy["needs"]
    assert [one["name"] for one in policy["fields"] if not one["required"]] == ["revises", "transition"]
    assert [(one["name"], one["kind"]) for one in term["fields"]][-1] == ("computed", "yes_no")
    assert templates["general"]["fields"] == []
    assert (words["question_limit"], words["length"]) == ("3个工作日", 12_000)
    assert {one["id"] for one in words["units"] if one["asked"]} == {"water", "roads", "health"}
    assert (await web.ask("admin", "GET", "/api/knowledge/words")).status == 403


async def test_items_are_listed_by_kind_validity_and_coming_review(web: Web) -> None:
    today = local_day(datetime.now(UTC))
    duty = {"template": "rights_duties", "part": {"who": "居民", "how_to": "绕行"}}
    plain = await in_use(web, "停水抢修多久")
    rights = await in_use(web, "绕行须知", contents=duty)
    later = await in_use(web, "下月起的新水价", valid_from=str(today + timedelta(days=30)))

    async def listed(**query: Any) -> list[int]:
        return [row["id"] for row in (await web.get("unit", ITEMS, **query))["rows"]]

    assert await listed(template="rights_duties") == [rights["id"]]
    assert await listed(in_force="true") == [rights["id"], plain["id"]]
    assert await listed(due_in_days=0) == []
    left = (datetime.fromisoformat(plain["review_due_on"]).date() - today).days
    assert await listed(due_in_days=left - 1) == []
    assert await listed(due_in_days=left) == [later["id"], rights["id"], plain["id"]]
    # A draft of another kind changes nothing until it has passed.
    draft = {"title": "绕行须知", "contents": {"template": "general", "text": "改写"}, "valid_from": "2020-01-01"}
    await web.post("unit", f"{ITEMS}/{rights['id']}/revise", {"revision": rights["revision"], "draft": draft})
    assert await listed(template="rights_duties") == [rights["id"]]


async def test_answered_questions_are_listed_the_latest_first_and_one_s_own_apart(web: Web) -> None:
    asked = [await web.post("agent", QUESTIONS, {"asked": f"第{n}问", "unit": "water"}) for n in range(3)]
    await web.post("reviewer", QUESTIONS, {"asked": "审核员问", "unit": "water"})
    for one in asked:
        await web.post("unit", f"{QUESTIONS}/{one['id']}/answer", {"answer": "四小时"})
    first = await web.get("agent", QUESTIONS, answered="true", limit=2)
    after = {"after_due_at": first["next_due_at"], "after_id": first["next_id"]}
    rest = await web.get("agent", QUESTIONS, answered="true", limit=2, **after)
    assert [row["asked"] for row in first["rows"] + rest["rows"]] == ["第2问", "第1问", "第0问"]
    assert (await web.get("agent", QUESTIONS, mine="true"))["rows"] == []
    (own,) = (await web.get("reviewer", QUESTIONS, mine="true"))["rows"]
    assert own["asked"] == "审核员问"
    assert (await web.get("unit2", QUESTIONS, answered="true"))["rows"] == [], "another unit's questions are not told"
