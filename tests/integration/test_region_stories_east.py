"""The ticket stories of 宿迁 and 蒙城, told as in test_region_stories."""

import pytest

from tests.support.clerks import LAMP, OURS, Office, Opening, answered, archived, contact, opening, table
from tests.support.tickets import local

__all__ = ["opening"]
clause = pytest.mark.clause


SUQIAN = """
开始登记 story
登记受理 agent
提请签批 agent
签批同意 supervisor
签批完成 ticketing
派单 dispatcher
申请退单 transport
同意退单 dispatcher
派单 dispatcher
督办 supervision
签收 urban
开始办理 urban
申请延期 urban
同意延期 dispatcher
协办反馈意见 police
协办反馈意见 housing
回复办理结果 urban
退回重新回复 reviewer
回复办理结果 urban
退回重新回复 reviewer
督办 supervision
回复办理结果 urban
反馈督办 urban
督办结束 supervisor
反馈督办 urban
督办结束 supervisor
开始回访 reviewer
回访短信送达 survey
记录评价 agent
记录不满意原因 agent
重新交办 reviewer
派单 dispatcher
签收 urban
开始办理 urban
回复办理结果 urban
开始回访 reviewer
回访短信送达 survey
记录评价 citizen
记录不满意原因 agent
办结 reviewer
归档 archive
"""


@clause("SQ-011", "SQ-013", "SQ-016", "SQ-017", "SQ-018", "SQ-019", "SQ-020", "SQ-021", "SQ-022", "SQ-023", "SQ-033")
async def test_suqian_is_rectified_once_after_a_call_and_then_explained(opening: Opening) -> None:
    office = await opening("suqian", local(2026, 6, 1, 9))
    fields = {**LAMP, "request_type": "投诉"}
    nameless = {**fields, "contact_name": ""}
    assert await office.refused("agent", "register", fields=nameless) == "第十条(一)"
    await office.do("agent", "register", fields=fields)
    assert await office.do("agent", "approvals/ask", gate="scope", reason="小区道路是否属于公共区域不明") == "待签批"
    await office.do("supervisor", "approvals/sign", opinion="属于受理范围")
    await office.do("dispatcher", "dispatch", lead="transport")
    await suqian_returns(office)
    await suqian_handles(office)
    await suqian_replies(office)
    await suqian_is_called(office, "不满意")
    await office.do("agent", "cause", code="NOT_DONE", note="只换了一盏。", rating="不满意")
    await office.do("reviewer", "rework", reason="请全部更换", not_done=True)
    await office.do("dispatcher", "dispatch", lead="urban")
    await office.do("urban", "sign")
    await office.do("urban", "start", contact=contact(office))
    await office.do("urban", "reply", contents=answered(office))
    await office.do("reviewer", "review/begin-survey")
    await office.deliver_survey()
    await office.citizen_writes("3")
    await office.do("agent", "cause", code="CONDITIONS", note="电缆改造须待明年。", rating="不满意")
    assert await office.refused("reviewer", "rework", reason="再次更换") == "第十条(五)"
    assert await office.do("reviewer", "close", explanation="电缆改造已列入明年计划，已向诉求人说明。") == "已办结"
    await archived(office)
    assert await office.chain() == table(SUQIAN)


async def suqian_returns(office: Office) -> None:
    """Twelve hours by day and night; the next unit gets a clock of its own."""
    assert await office.due("sign") == local(2026, 6, 1, 10)
    assert await office.due("handle") == local(2026, 6, 1, 21)
    office.later(hours=4)
    assert await office.refused("transport", "return", reason="不属本单位", legal_basis="三定方案") == "第十条(四)"
    await office.do("transport", "return", **OURS)
    await office.do("dispatcher", "return/grant")
    await office.do("dispatcher", "dispatch", lead="urban", assists=["police", "housing"])
    assert await office.due("handle") == local(2026, 6, 2, 1)
    assert await office.supervised() == ["MANY_UNITS"]


async def suqian_handles(office: Office) -> None:
    """Six days more and no longer; both opinions."""
    await office.do("urban", "sign")
    await office.do("urban", "start", contact=contact(office))
    assert await office.refused("urban", "extension", amount=7, reason="定制灯杆") == "第十条(三)"
    await office.do("urban", "extension", amount=6, reason="定制灯杆")
    await office.do("dispatcher", "extension/grant", amount=6)
    assert await office.refused("urban", "extension", amount=1, reason="仍未到货") == "第十条(三)"
    for unit in ("police", "housing"):
        await office.do(unit, "assist/opinion", opinion="无意见。")


async def suqian_replies(office: Office) -> None:
    """What is not specific is supplemented inside the same limit; twice is poor quality."""
    office.to(local(2026, 6, 5, 9))
    due = await office.due("handle")
    for defect in ("NOT_SPECIFIC", "INCOMPLETE"):
        await office.do("urban", "reply", contents=answered(office))
        await office.do("reviewer", "review/reject-reply", defect=defect, reason="请写明更换了几盏")
        assert await office.due("handle") == due
    assert await office.supervised() == ["MANY_UNITS", "POOR_QUALITY"]
    await office.do("urban", "reply", contents=answered(office))
    await office.answer_supervisions()
    await office.do("reviewer", "review/begin-survey")


async def suqian_is_called(office: Office, rating: str) -> None:
    """A message without an answer is followed by a call."""
    await office.deliver_survey()
    office.later(hours=24)
    await office.sweep()
    [task] = (await office.web.get("agent", "/api/tasks", kind="manual_call"))["rows"]
    assert task["why"] == "诉求人未回复，请人工回访"
    await office.do("agent", "survey/called", rating=rating, note="诉求人称仍有两盏不亮。")


MENGCHENG = """
开始登记 story
登记受理 agent
提交派单 agent
提请签批 ticketing
签批同意 县政府办负责人
签批完成 ticketing
派单 dispatcher
督办 supervision
申请退单 transport
同意退单 dispatcher
督办结束 supervision
派单 dispatcher
督办 supervision
逾期未退视为签收 ticketing
开始办理 urban-head
增加协办单位 dispatcher
督办 supervision
协办反馈意见 police
申请延期 urban
同意延期 dispatcher
提请单位签批 urban
签批同意 urban-head
回复办理结果 ticketing
退回重新回复 reviewer
督办 supervision
提请单位签批 urban
签批同意 urban-head
回复办理结果 ticketing
反馈督办 urban
督办结束 supervisor
反馈督办 urban
督办结束 supervisor
反馈督办 urban
督办结束 supervisor
记录联系诉求人 urban
提请签批 reviewer
签批同意 分管热线工作的副县长
签批同意 分管承办单位的副县长
签批同意 县长
开始回访 ticketing
回访短信送达 survey
记录评价 citizen
办结 ticketing
归档 archive
"""


@clause("MC-003", "MC-016", "MC-018", "MC-024", "MC-025", "MC-026", "MC-027", "MC-028", "MC-032", "MC-033", "MC-034")
@clause("MC-036", "MC-039", "MC-050", "MC-051", "MC-052", "MC-053")
async def test_mengcheng_is_signed_at_every_level_and_deemed_accepted(opening: Opening) -> None:
    office = await opening("mengcheng", local(2026, 6, 1, 9))
    await office.do("agent", "register", fields={**LAMP, "request_type": "投诉", "flags": ["key"]})
    assert await office.do("agent", "forward") == "待签批"
    await office.sign_all("县政府办负责人", instruction="请城管局牵头三日内报结果")
    send = {"lead": "transport", "instruction": "查明损坏原因并修复"}
    assert await office.refused("dispatcher", "dispatch", **send) == "第五条(二)"
    await with_handlers(office, "transport", "urban")
    assert await office.refused("dispatcher", "dispatch", **{**send, "instruction": ""}) == "第十条(三)"
    await office.do("dispatcher", "dispatch", **send)
    assert await office.supervised() == ["KEY_CHANNEL"]
    await mengcheng_returns(office)
    await mengcheng_handles(office)
    await mengcheng_replies(office)
    await mengcheng_feeds_back(office)
    await office.deliver_survey()
    await office.citizen_writes("1")
    assert (await office.story())["rating_source"] == "citizen"
    await archived(office)
    assert await office.chain() == table(MENGCHENG)


async def with_handlers(office: Office, *names: str) -> None:
    for unit in names:
        people = [{"name": "张工", "phone": "13900139000"}]
        body = {"post": "handler", "people": people, "changed_on": office.clock.at.date().isoformat()}
        await office.web.post("dispatcher", f"/api/unit-directory/{unit}/people", body)


async def mengcheng_returns(office: Office) -> None:
    """Only what is in no part its duty goes back; who does not return it in a working day has taken it."""
    assert await office.refused("transport", "return", reason="不属本单位", legal_basis="三定方案") == "第十六条"
    await office.do("transport", "return", **OURS, nothing_ours=True)
    await office.do("dispatcher", "return/grant")
    office.to(local(2026, 6, 2, 10))
    await office.do("dispatcher", "dispatch", lead="urban", instruction="查明损坏原因并修复")
    office.to(local(2026, 6, 4, 8))
    await office.sweep()
    assert (await office.story())["state_name"] == "已签收"
    assert await office.refused("urban", "return", **OURS, nothing_ours=True) == "第十六条"


async def mengcheng_handles(office: Office) -> None:
    """The principal leads and calls; fifteen working days in all, beyond ten with signature, seal and the new day."""
    lead = {"led_by": "李副局长", "rank": "deputy"}
    assert await office.refused("urban", "start", **lead) == "第十七条"
    assert await office.refused("urban-head", "start", **lead) == "第十七条"
    await office.do("urban-head", "start", led_by="王局长", rank="principal", contact=contact(office))
    await office.do("dispatcher", "assists", unit="police", reason="需交通疏导")
    await office.do("police", "assist/opinion", opinion="可夜间施工。")
    longer = {"reason": "灯杆需定制", "new_due": "2026-06-24"}
    sealed = {"signed_by": "王局长", "seal": "城管印字3号"}
    assert await office.refused("urban", "extension", amount=6, **longer, **sealed) == "第十九条"
    assert await office.refused("urban", "extension", amount=5, **longer) == "第十九条"
    await office.do("urban", "extension", amount=5, **longer, **sealed)
    await office.do("dispatcher", "extension/grant", amount=5)
    assert await office.due("handle") == local(2026, 6, 24, 23, 59, 59)


async def mengcheng_replies(office: Office) -> None:
    """Signed and sealed by the unit's principal, and once more after it came back."""
    office.to(local(2026, 6, 23, 9))
    assert await office.refused("urban", "reply", contents=answered(office)) == "第二十四条"
    for seal in ("城管印字4号", "城管印字5号"):
        await office.do("urban", "signoff", contents=answered(office))
        assert await office.refused("urban-head", "approvals/sign") == "第二十四条"
        await office.sign_all("urban-head", seal=seal)
        if seal.endswith("4号"):
            await office.do("reviewer", "review/reject-reply", defect="POOR", reason="没有写明处理结果")
    assert await office.supervised() == ["KEY_CHANNEL", "SEVERAL_UNITS", "REPLY_REJECTED"]
    await office.answer_supervisions()


async def mengcheng_feeds_back(office: Office) -> None:
    """The unit asks the citizen itself; two deputies side by side and the county head sign before the hotline does."""
    asked = {"at": office.now, "method": "电话", "told": "诉求人表示路灯已亮", "purpose": "follow_up"}
    await office.do("urban", "contact", **asked)
    assert await office.refused("reviewer", "review/begin-survey") == "第二十四条"
    await office.do("reviewer", "approvals/ask", gate="before_feedback")
    assert await office.refused("县长", "approvals/sign") == "NotYours"
    await office.sign_all("分管热线工作的副县长", "分管承办单位的副县长", "县长", opinion="同意反馈")
    assert (await office.story())["state_name"] == "回访中"
