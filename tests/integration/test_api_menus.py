"""Menus, SMS templates, speech models and the system's state by the API, as an administrator looks at them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from callcenter import heartbeat
from callcenter.db import Database
from callcenter.sms.templates import TEMPLATES, TemplateWrong, parts_of, preview
from callcenter.tables import audit, mark
from config.sms_loader import load_sms
from tests.support.web import Web, serving, with_people


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as served:
        yield await with_people(served)


# ---- menus --------------------------------------------------------------------------------------------------------


async def test_every_key_is_told_with_where_it_leads(web: Web) -> None:
    main, after = (await web.get("supervisor", "/api/menus"))["menus"]
    assert (main["script"], after["script"], after["queue_tried"]) == ("ivr", "after-queue", True)
    greeting = next(step for step in main["steps"] if step["name"] == main["start"])
    keys = {(one["key"], one["surge"]): one["target"] for one in greeting["keys"]}
    assert keys["3", False] == {"kind": "queue", "name": "hotline", "text": "", "priority": 0, "request_type": "投诉"}
    assert keys["8", True]["priority"] == 10
    assert keys["timeout", False]["name"] == "hotline"
    assert greeting["greet"][0]["text"].startswith("您好，12345")
    ends = {
        one["target"]["text"] for step in after["steps"] for one in step["keys"] if one["target"]["kind"] == "message"
    }
    assert ends == {"您的来电已有记录。请您稍后再拨12345，再见。"}


WEEKDAY, NIGHT = "2026-06-03T10:00:00+08:00", "2026-06-03T22:00:00+08:00"
HOLIDAY = "2026-06-19T10:00:00+08:00"
WALKS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"given": ["timeout"]}, "queue", {"queue": "hotline"}),
    ({"given": ["3"]}, "queue", {"queue": "hotline", "request_type": "投诉"}),
    ({"given": ["#", "#"]}, "queue", {"queue": "hotline"}),
    ({"given": ["9", "0"]}, "queue", {"queue": "hotline"}),
    ({"given": ["7"], "at": WEEKDAY}, "queue", {"queue": "enterprise"}),
    ({"given": ["7", "1"], "at": NIGHT}, "message", {"callback": "closed"}),
    ({"given": ["7", "timeout"], "at": HOLIDAY}, "queue", {"queue": "hotline"}),
    ({"given": ["7", "0"], "at": WEEKDAY, "closed": ["enterprise"]}, "queue", {"queue": "hotline"}),
    ({"given": ["0", "1"], "full": ["hotline"]}, "message", {"callback": "full"}),
    ({"given": ["8"], "surge": True}, "queue", {"queue": "emergency", "priority": 10}),
    ({"given": ["8", "hangup"]}, "hangup", {}),
    ({"script": "after-queue", "given": ["1"], "reason": "TIMEOUT"}, "message", {"callback": "timeout"}),
    ({"script": "after-queue", "given": ["timeout"]}, "message", {"callback": ""}),
]


@pytest.mark.parametrize(("asked", "kind", "end"), WALKS)
async def test_a_caller_ends_where_the_machine_leads(
    web: Web, asked: dict[str, Any], kind: str, end: dict[str, Any]
) -> None:
    walked = await web.post("supervisor", "/api/menus/try", {"script": "ivr"} | asked)
    assert walked["ended"]["kind"] == kind
    assert {name: walked["ended"][name] for name in end} == end
    assert len(walked["scenes"]) == len(asked["given"]) + 1


async def test_what_is_heard_follows_hours_emergency_and_recording(web: Web) -> None:
    def heard(walked: dict[str, Any]) -> list[str]:
        return [one["prompt"]["name"] for scene in walked["scenes"] for one in scene["heard"]]

    plain = await web.post("admin", "/api/menus/try", {"script": "ivr", "at": WEEKDAY})
    assert (heard(plain), plain["ended"], plain["is_workday"]) == (["greeting", "keys"], None, True)
    assert plain["scenes"][0]["wait_s"] == 1
    odd = await web.post(
        "admin", "/api/menus/try", {"script": "ivr", "at": HOLIDAY, "surge": True, "recorded": False, "given": ["#"]}
    )
    assert heard(odd) == ["greeting-unrecorded", "surge", "keys", "wrong-key", "keys"]
    assert (odd["is_workday"], odd["open"]) == (False, ["hotline", "emergency"])
    assert (await web.ask("admin", "POST", "/api/menus/try", {"script": "none"})).status == 404
    assert (await web.ask("admin", "POST", "/api/menus/try", {"script": "ivr", "full": ["x"]})).code == "no_queue"
    assert (await web.ask("admin", "POST", "/api/menus/try", {"script": "ivr", "given": ["12"]})).status == 422


async def test_a_prompt_is_listened_to_and_no_other_file(web: Web) -> None:
    sound = await web.ask("admin", "GET", "/api/menu-prompts/greeting/audio")
    assert (sound.status, sound.headers["Content-Type"], sound.raw[:4]) == (200, "audio/wav", b"RIFF")
    for name in ("nope", "..%2fmade%2fgreeting", "greeting.wav"):
        assert (await web.ask("admin", "GET", f"/api/menu-prompts/{name}/audio")).status == 404


# ---- SMS ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "parts"), [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (500, 8)])
def test_a_long_message_costs_a_part_for_each_67(length: int, parts: int) -> None:
    assert parts_of(length) == parts


@pytest.mark.parametrize(
    ("key", "draft", "why"),
    [
        ("survey", "请评价工单{ticket}：1满意。", ""),
        ("survey", "请评价：1满意 2基本满意。", "{ticket}"),
        ("survey", "工单{ticket}由{name}办理。", "不能使用"),
        ("survey", "工单{ticket已办结。", "不成对"),
        ("survey", "工单{ticket!r}已办结。", "不能使用"),
        ("supplement", "工单{ticket}" + "还" * 300 + "{missing}", "超过 500"),
        ("stopped", "不再发送短信。", ""),
    ],
)
def test_a_draft_is_checked_as_the_file_is(key: str, draft: str, why: str) -> None:
    texts = load_sms().texts
    if not why:
        assert preview(TEMPLATES[key], draft, texts).text.startswith(texts.signature)
        return
    with pytest.raises(TemplateWrong, match=why.replace("{", r"\{")):
        preview(TEMPLATES[key], draft, texts)


async def test_every_template_of_the_file_is_shown_and_none_other(web: Web) -> None:
    shown = await web.get("supervisor", "/api/sms-templates")
    texts = {one["key"]: one["text"] for one in shown["rows"]}
    kept = vars_of(load_sms().texts)
    assert texts == {key: kept[key] for key in kept.keys() - {"signature"}}
    thanks = next(one for one in shown["rows"] if one["key"] == "survey_thanks")
    assert thanks["preview"]["text"] == "【12345热线】已收到您对工单20261123000017的评价：基本满意。感谢您的支持！"
    tried = await web.ask("admin", "POST", "/api/sms-templates/survey/try", {"text": "请评价，谢谢。"})
    assert (tried.status, "{ticket}" in tried.body["detail"]) == (422, True)


def vars_of(texts: object) -> dict[str, str]:
    return {name: getattr(texts, name) for name in type(texts).__slots__}  # type: ignore[attr-defined]


# ---- models and the system ----------------------------------------------------------------------------------------


async def test_the_model_in_use_is_told_with_its_facts(web: Web) -> None:
    found = await web.get("admin", "/api/models")
    first = found["models"][0]
    assert (first["in_use"], first["demo"], first["whole"], first["sample_rate_hz"]) == (True, True, True, 8000)
    assert first["words"] > 20_000
    assert found["known"][0]["command"].startswith("callcenter models install vosk-model-small-cn-0.22 --folder ")


async def test_the_system_says_what_is_silent_and_what_waits(web: Web) -> None:
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        await heartbeat._write(tx, "work:a", now)
        await heartbeat._write(tx, "speech:a", now - timedelta(minutes=5))
        rows = [{"name": "backup:base", "value": now.timestamp()}, {"name": "backup:wal", "value": 0.0}]
        await tx.execute(insert(mark), rows)
        job = await tx.execute(
            text(
                "INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, headers, status)"
                " VALUES (0, 'sms.submit', '{}', now(), 'sms.submit:17', '{}', 'failed') RETURNING id"
            )
        )
        job_id = job.scalar_one()
    found = await web.get("auditor", "/api/system")
    assert {one["part"]: one["state"] for one in found["processes"]} == {"work": "ok", "speech": "bad"}
    checks = {one["key"]: one["state"] for one in found["checks"]}
    assert (checks["backup.base"], checks["backup.wal"], checks["second_clock"]) == ("ok", "bad", "off")
    assert [one["key"] for one in found["held"]] == ["sms.submit:17"]
    assert (await web.ask("auditor", "POST", f"/api/system/jobs/{job_id}/retry", {})).status == 403
    await web.post("admin", f"/api/system/jobs/{job_id}/retry")
    again = await web.get("admin", "/api/system")
    assert (again["held"], [one["waiting"] for one in again["queues"]]) == ([], [1])
    assert (await web.ask("admin", "POST", f"/api/system/jobs/{job_id}/retry", {})).code == "not_held"
    async with web.db.transaction() as tx:
        assert list((await tx.execute(select(audit.c.subject).where(audit.c.action == "job.retry"))).scalars()) == [
            f"job:{job_id}"
        ]
