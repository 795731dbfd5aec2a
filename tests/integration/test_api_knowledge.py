"""The knowledge base through the API: a life, who sees what, questions, lines in and out, pages."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from callcenter.db import Database
from callcenter.web.groups import GROUPS
from tests.support.lives import registered
from tests.support.web import PHONE, Answer, Web, serving, with_people

ITEMS = "/api/knowledge/items"
DUTY = {"template": "rights_duties", "part": {"who": "居民", "how_to": "绕行"}}
GENERAL: dict[str, Any] = {"template": "general", "text": "停水后一般四小时内抢修。"}


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


def written(title: str = "停水抢修多久", **more: Any) -> dict[str, Any]:
    base = {"title": title, "keywords": ["供水"], "contents": GENERAL, "valid_from": "2020-01-01"}
    return {**base, "accountable": "刘工", **more}


async def step(web: Web, who: str, item: dict[str, Any], verb: str, **body: Any) -> dict[str, Any]:
    told: dict[str, Any] = await web.post(who, f"{ITEMS}/{item['id']}/{verb}", {"revision": item["revision"], **body})
    return told


async def in_use(web: Web, **more: Any) -> dict[str, Any]:
    item = await step(web, "unit", await web.post("unit", ITEMS, written(**more)), "submit")
    return await step(web, "reviewer", item, "approve")


async def lines(web: Web, who: str, *given: Any, publish: bool = False) -> Answer:
    raw = "\n".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in given)
    address = f"/api/knowledge/import?publish={str(publish).lower()}"
    return await web.ask(who, "POST", address, data=raw.encode())


@pytest.mark.clause("LS-020")
async def test_a_life_through_the_api(web: Web) -> None:
    item = await web.post("unit", ITEMS, written())
    assert (item["state_name"], item["unit"], item["live"]) == ("编写中", "water", None)
    item = await step(web, "unit", item, "submit")
    item = await step(web, "reviewer", item, "refuse", note="请写明范围")
    assert (item["state"], item["refused_at"] is not None) == ("draft", True)
    draft = {name: value for name, value in written("停水抢修时限").items() if name != "accountable"}
    item = await step(web, "unit", item, "revise", draft={**draft, "trigger": "policy_change"})
    item = await step(web, "unit", item, "submit")
    item = await step(web, "reviewer", item, "approve", note="可以")
    assert (item["state"], item["live"], item["refused_at"]) == ("published", 2, None)
    stale = await web.ask("unit", "POST", f"{ITEMS}/{item['id']}/verify", {"revision": 1})
    assert (stale.status, stale.code) == (409, "KnowledgeChanged")
    item = await step(web, "unit", item, "verify", note="核对无误")
    story = await web.get("unit", f"{ITEMS}/{item['id']}")
    assert [one["act_name"] for one in story["history"]] == [
        "采编", "提交审核", "审核不通过", "更新", "提交审核", "审核通过", "复核确认",
    ]  # fmt: skip
    assert story["can"] == ["revise", "verify", "withdraw"]
    assert [one["number"] for one in story["versions"]] == [2, 1]
    assert story["shown"]["trigger_name"] == "政策调整"
    await step(web, "reviewer", item, "withdraw", note="依据废止")
    assert (await web.get("agent", "/api/knowledge/search", text="停水"))["rows"] == []


async def test_agents_see_what_is_in_use_and_nothing_else(web: Web) -> None:
    draft = await web.post("unit", ITEMS, written())
    for who in ("agent", "unit2"):
        hidden = await web.ask(who, "GET", f"{ITEMS}/{draft['id']}")
        unknown = await web.ask(who, "GET", f"{ITEMS}/999999")
        assert hidden.status == 404
        assert hidden.anonymous() == unknown.anonymous()
        assert (await web.get(who, ITEMS))["rows"] == []
    item = await in_use(web)
    newer = {name: value for name, value in written("改写中").items() if name != "accountable"}
    await step(web, "unit", item, "revise", draft=newer)
    seen = await web.get("agent", f"{ITEMS}/{item['id']}")
    assert (seen["shown"]["title"], [one["number"] for one in seen["versions"]]) == ("停水抢修多久", [1])
    assert (seen["history"], seen["can"]) == ([], [])
    assert len((await web.get("unit", f"{ITEMS}/{item['id']}"))["versions"]) == 2


async def test_a_search_shows_marks_pages_and_what_was_used(web: Web) -> None:
    items = [await in_use(web, title=f"停水公告{n}") for n in range(3)]
    first = await web.get("agent", "/api/knowledge/search", text="请问停水怎么办", limit=2)
    assert (first["matched"], len(first["rows"])) == ("all", 2)
    assert all(row["title_html"].startswith("<em>停水</em>") for row in first["rows"])
    rest = await web.get("agent", "/api/knowledge/search", text="请问停水怎么办", limit=2, after=first["next"])
    assert {row["id"] for row in first["rows"] + rest["rows"]} == {item["id"] for item in items}
    assert rest["next"] is None
    ticket = await registered(web)
    used = items[0]
    await web.post("agent", f"{ITEMS}/{used['id']}/used", {"ticket": ticket["id"], "version": 1})
    wrong = await web.ask("agent", "POST", f"{ITEMS}/{used['id']}/used", {"ticket": ticket["id"], "version": 2})
    assert (wrong.status, wrong.code) == (422, "GuardFailed")
    assert (await web.get("agent", f"{ITEMS}/{used['id']}"))["uses"] == 1
    (row,) = (await web.get("supervisor", f"{ITEMS}/{used['id']}/uses"))["rows"]
    assert (row["ticket"], row["version"], row["how"], row["actor"]) == (ticket["id"], 1, "linked", "user:agent")
    nothing = await web.ask("agent", "GET", "/api/knowledge/search", params={"text": "？！"})
    assert (nothing.status, nothing.code) == (422, "nothing_asked")


@pytest.mark.clause("LS-071", "LS-072")
async def test_questions_and_defects_through_the_api(web: Web) -> None:
    item = await in_use(web)
    told = {"asked": f"请联系{PHONE}，时限不对", "item": item["id"], "defect": "wrong"}
    asked = await web.post("agent", "/api/knowledge/questions", told)
    assert (asked["unit"], asked["defect_name"], asked["late"]) == ("water", "内容有错", False)
    await web.post("agent", "/api/knowledge/questions", {"asked": "修路吗？", "unit": "roads"})
    (row,) = (await web.get("unit", "/api/knowledge/questions"))["rows"]
    assert row["asked"] == "请联系138****8000，时限不对", "a unit sees no citizen's number"
    assert (await web.get("unit", "/api/knowledge/questions", overdue="true"))["rows"] == []
    path = f"/api/knowledge/questions/{asked['id']}/answer"
    assert (await web.ask("unit2", "POST", path, {"answer": "不是我"})).status == 404
    done = await web.post("unit", path, {"answer": "已更正", "item": item["id"]})
    assert (done["answered_by"], done["answer_item"]) == ("user:unit", item["id"])
    assert (await web.ask("unit", "POST", path, {"answer": "再答"})).code == "QuestionAnswered"
    unknown = await web.ask("agent", "POST", "/api/knowledge/questions", {"asked": "在吗？", "unit": "nobody"})
    assert (unknown.status, unknown.code) == (422, "unit_unknown")
    span = {"since": "2026-01-01T00:00:00+08:00", "until": "2026-12-31T00:00:00+08:00"}
    upkeep = {row["unit"]: row for row in (await web.get("supervisor", "/api/knowledge/upkeep", **span))["rows"]}
    assert upkeep["water"]["live"] == 1
    span["until"] = "2027-12-31T00:00:00+08:00"
    assert (await web.ask("supervisor", "GET", "/api/knowledge/upkeep", params=span)).code == "span_wrong"


async def test_questions_are_paged(web: Web) -> None:
    for n in range(3):
        await web.post("agent", "/api/knowledge/questions", {"asked": f"第{n}问", "unit": "water"})
    first = await web.get("agent", "/api/knowledge/questions", limit=2)
    after = {"after_due_at": first["next_due_at"], "after_id": first["next_id"]}
    rest = await web.get("agent", "/api/knowledge/questions", limit=2, **after)
    assert [row["asked"] for row in first["rows"] + rest["rows"]] == ["第0问", "第1问", "第2问"]


@pytest.mark.clause("LS-074")
async def test_a_template_takes_its_own_fields_only_and_says_what_it_lacks(web: Web) -> None:
    foreign = written(contents={"template": "service_matter", "part": {"how_to": "先关阀门"}})
    answer = await web.ask("unit", "POST", ITEMS, foreign)
    assert (answer.status, answer.code) == (422, "wrong_template")
    assert "具体做法" in answer.body["detail"]
    half = await web.post("unit", ITEMS, written(contents={"template": "service_matter", "part": {"office": "营业厅"}}))
    answer = await web.ask("unit", "POST", f"{ITEMS}/{half['id']}/submit", {"revision": half["revision"]})
    assert answer.status == 422
    for name in ("地址", "联系方式", "受理条件", "材料", "流程", "时限", "审批标准"):
        assert name in answer.body["detail"]
    assert answer.body["basis"].startswith("第十五条")


async def test_lines_come_in_all_or_none_and_go_out_as_they_came(web: Web) -> None:
    given = [
        {"unit": "water", **written("停水公告")},
        {"unit": "roads", **written("修路公告", contents=DUTY)},
    ]
    done = await lines(web, "reviewer", *given, "", publish=True)
    assert done.status == 200
    assert len(done.body["ids"]) == 2
    (hit,) = (await web.get("agent", "/api/knowledge/search", text="绕行"))["rows"]
    assert (hit["unit"], hit["live"], hit["state"]) == ("roads", 1, "published")
    out = await web.ask("agent", "GET", "/api/knowledge/export")
    told = [json.loads(line) for line in out.raw.splitlines()]
    assert [one["title"] for one in told] == ["停水公告", "修路公告"]
    assert told[1]["contents"]["part"] == {"who": "居民", "how_to": "绕行"}
    again = await lines(web, "reviewer", *out.raw.decode().splitlines())
    assert (again.status, len(again.body["ids"]), again.body["wrong"]) == (200, 2, [])
    mine = await lines(web, "unit", written("本单位的"))
    assert (await web.get("unit", f"{ITEMS}/{mine.body['ids'][0]}"))["state"] == "draft"


async def test_every_wrong_line_is_named_and_nothing_is_saved(web: Web) -> None:
    answer = await lines(
        web,
        "unit",
        written("好的"),
        "{不是 JSON",
        {**written("缺内容"), "contents": {}},
        {"unit": "roads", **written("别的单位")},
        {"unit": "nobody", **written("没有的单位")},
        {**written("坏日期"), "valid_from": "2026-02-30"},
        {**written("倒着的"), "valid_until": "2019-01-01"},
        {**written("别的栏目"), "contents": {"template": "general", "text": "正文", "part": {"term": "术语"}}},
    )
    assert (answer.status, answer.body["ids"]) == (200, [])
    wrong = {row["line"]: row["problem"] for row in answer.body["wrong"]}
    assert set(wrong) == {2, 3, 4, 5, 6, 7, 8}
    assert "JSON" in wrong[2]
    assert "contents.template" in wrong[3]
    assert "本单位" in wrong[4]
    assert "nobody" in wrong[5]
    assert "valid_from" in wrong[6]
    assert "早于" in wrong[7]
    assert "术语" in wrong[8]
    assert (await web.get("unit", ITEMS))["rows"] == []
    assert (await lines(web, "unit", "")).code == "no_lines"
    assert (await lines(web, "unit", written(), publish=True)).code == "NotYours"


async def test_items_are_listed_by_page_and_by_overdue_review(web: Web) -> None:
    items = [await in_use(web, title=f"公告{n}") for n in range(3)]
    first = await web.get("agent", ITEMS, limit=2)
    rest = await web.get("agent", ITEMS, limit=2, after=first["next"])
    assert [row["id"] for row in first["rows"] + rest["rows"]] == [item["id"] for item in reversed(items)]
    assert (await web.get("agent", ITEMS, due="true"))["rows"] == []


MODULES = {
    "话务": ("GET", "/api/calls"),
    "工单": ("GET", "/api/tickets"),
    "知识库": ("GET", "/api/knowledge/search"),
    "统计分析": ("GET", "/api/appraisal/figures"),
    "热点搜索": ("GET", "/api/appraisal/topics"),
    "数据共享": ("POST", "/upstream/v1/tickets"),
    "督查反馈": ("GET", "/api/supervisions"),
}


@pytest.mark.clause("GZ-007")
@pytest.mark.parametrize("module", MODULES)
def test_every_module_a_hotline_must_have_is_there(module: str) -> None:
    """What each of them does is proved by its own tests."""
    assert MODULES[module] in {(route.method, route.path) for group in GROUPS for route in group.routes}
