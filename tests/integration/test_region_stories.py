"""One ticket a region from a call to the archive, through the API on a real PostgreSQL: returns, extension, signatures,
survey and supervision as each regulation has them. What the clock does by itself is told by the worker's own sweeps."""

import pytest

from tests.support.clerks import LAMP, OURS, Office, Opening, answered, archived, contact, opening, table
from tests.support.tickets import local

__all__ = ["opening"]
clause = pytest.mark.clause


GANZHOU = """
开始登记 story
登记受理 agent
提交派单 agent
提请签批 ticketing
签批同意 区政务服务局
签批同意 区委区政府相关领导
签批完成 ticketing
派单 dispatcher
记录网络等客观故障 transport
申请退单 transport
同意退单 dispatcher
派单 dispatcher
签收 urban
申请退单 urban
不予退回 dispatcher
督办 supervision
督办 supervision
开始办理 urban
反馈督办 urban
督办结束 supervisor
反馈督办 urban
督办结束 supervisor
协办签收 police
协办反馈意见 police
申请延期 urban
同意延期 dispatcher
回复办理结果 urban
退回重新回复 reviewer
回复办理结果 urban
退回重新回复 reviewer
督办 supervision
回复办理结果 urban
反馈督办 urban
督办结束 supervisor
开始回访 reviewer
回访短信送达 survey
记录评价 citizen
记录不满意原因 agent
办结 reviewer
归档 archive
"""


@clause(
    "GZ-025",
    "GZ-026",
    "GZ-027",
    "GZ-030",
    "GZ-031",
    "GZ-041",
    "GZ-044",
    "GZ-045",
    "GZ-047",
    "GZ-051",
    "GZ-052",
    "GZ-054",
)
async def test_ganzhou_a_key_matter_is_signed_first_and_closed_as_lawful(opening: Opening) -> None:
    office = await opening("ganzhou", local(2026, 6, 1, 9))
    await office.do("agent", "register", fields={**LAMP, "request_type": "投诉", "flags": ["key"]})
    assert await office.do("agent", "forward") == "待签批"
    assert await office.refused("dispatcher", "dispatch", lead="urban") == "NotNow"
    assert await office.refused("区委区政府相关领导", "approvals/sign") == "NotYours"
    await office.sign_all("区政务服务局", "区委区政府相关领导", opinion="同意交办")
    office.later(hours=1)
    assert await office.refused("dispatcher", "dispatch", lead="transport", chosen_limit_wd=6) == "第十一条(二)(1)"
    await office.do("dispatcher", "dispatch", lead="transport")
    await ganzhou_returns(office)
    await ganzhou_handles(office)
    await ganzhou_replies(office)
    await office.do("reviewer", "review/begin-survey")
    await office.deliver_survey()
    await office.citizen_writes("3，晚上还是暗")
    assert await office.refused("reviewer", "close", lawful=True) == "第十四条"
    await office.do("agent", "cause", code="LAWFUL_REPLY", note="照度已达标准，已向诉求人解释。")
    assert await office.do("reviewer", "close", lawful=True, explanation="照度符合国家标准，答复合规。") == "已办结"
    assert (await archived(office))["number"] == "GZ-2026W24-00001"
    assert await office.chain() == table(GANZHOU)


async def ganzhou_returns(office: Office) -> None:
    """A day more after an outage, once; granted with basis and suggestion, refused where it is the unit's own duty."""
    fault = {"cause": "外网断网", "evidence": "电信故障单12号"}
    office.to(local(2026, 6, 2, 16))
    span = {"from_at": local(2026, 6, 2, 9).isoformat(), "until_at": office.now}
    await office.do("transport", "return/outage", **span, **fault)
    assert await office.refused("transport", "return/outage", **span, **fault) == "第十一条(二)(4)"
    office.to(local(2026, 6, 3, 9))
    assert await office.refused("transport", "return", reason="不属本单位") == "第十一条(二)(4)"
    await office.do("transport", "return", **OURS)
    assert await office.do("dispatcher", "return/grant") == "待派单"
    await office.do("dispatcher", "dispatch", lead="urban", assists=["police"], chosen_limit_wd=4)
    await office.do("urban", "sign", person="值班室")
    await office.do("urban", "return", **OURS)
    await office.do("dispatcher", "return/refuse", code="own_duty", reason="路灯维护属于城管局职责")
    assert await office.supervised() == ["RETURN_REFUSED", "LEAD_REFUSES"]


async def ganzhou_handles(office: Office) -> None:
    """The first talk, the other unit's opinion, and an extension on the last working day, at most as long again."""
    assert await office.do("urban", "start", contact=contact(office)) == "办理中"
    assert await office.answer_supervisions() == ["书面督办", "书面督办"]
    await office.do("police", "assist/sign")
    await office.do("police", "assist/opinion", opinion="该路段夜间无治安问题。")
    assert await office.due("handle") == local(2026, 6, 9, 23, 59, 59)
    late = {"reason": "灯杆需定制"}
    early = await office.refused("urban", "extension", amount=2, **late)
    assert early.startswith("第十一条(二)(2)")
    office.to(local(2026, 6, 9, 9))
    assert await office.refused("urban", "extension", amount=5, **late) == "第十一条(二)(2)"
    await office.do("urban", "extension", amount=2, **late)
    await office.do("dispatcher", "extension/grant", amount=2)
    assert await office.due("handle") == local(2026, 6, 11, 23, 59, 59)


async def ganzhou_replies(office: Office) -> None:
    """Told to the citizen first; sent back twice, which is supervised."""
    office.to(local(2026, 6, 11, 10))
    silent = answered(office, result_told_at=None, result_told_by="")
    assert await office.refused("urban", "reply", contents=silent) == "第十三条"
    for defect in ("INCOMPLETE", "NOT_BY_RULE"):
        assert await office.do("urban", "reply", contents=answered(office)) == "已回复（待审核）"
        await office.do("reviewer", "review/reject-reply", defect=defect, reason="请写明更换数量")
    assert await office.supervised() == ["REPLY_REJECTED_TWICE"]
    await office.do("urban", "reply", contents=answered(office))
    await office.answer_supervisions()


WEIXI = """
开始登记 story
登记受理 agent
提交派单 agent
派单 dispatcher
签收 transport
申请退单 transport
同意退单 dispatcher
派单 dispatcher
签收 urban
增加协办单位 dispatcher
协办反馈意见 police
开始办理 urban
申请延期 urban
同意延期 dispatcher
督办 supervision
反馈督办 urban
督办结束 supervisor
回复办理结果 urban
开始回访 ticketing
回访短信送达 survey
记录评价 citizen
记录不满意原因 agent
重新交办 reviewer
派单 dispatcher
签收 urban
开始办理 urban
回复办理结果 urban
开始回访 ticketing
回访短信送达 survey
记录评价 survey
办结 ticketing
归档 archive
"""


@clause("WX-010", "WX-011", "WX-012", "WX-015", "WX-016", "WX-017", "WX-023", "WX-024", "WX-025", "WX-027")
async def test_weixi_what_was_not_explained_is_explained_again_and_silence_is_enough(opening: Opening) -> None:
    office = await opening("weixi", local(2026, 6, 5, 20))
    await office.do("agent", "register", fields={**LAMP, "request_type": "求助"})
    await office.do("agent", "forward")
    assert await office.due("dispatch") == local(2026, 6, 8, 10), "a Friday night waits for Monday ten o'clock"
    office.to(local(2026, 6, 8, 9))
    await office.do("dispatcher", "dispatch", lead="transport")
    await weixi_returns(office)
    await weixi_handles(office)
    await office.do("urban", "reply", contents=answered(office))
    assert await office.refused("reviewer", "review/reject-reply", defect="VAGUE", reason="含糊") == "NotNow"
    await office.deliver_survey()
    await office.citizen_writes("不满意")
    await office.do("agent", "cause", code="REASONABLE", note="诉求人认为没有说明原因。")
    again = {"reason": "请说明更换进度", "mode": "explain"}
    assert await office.refused("reviewer", "rework", **again) == "第九条(二)"
    await office.do("reviewer", "rework", **again, reasonable=True)
    await weixi_explains(office)
    assert (await archived(office))["number"] == ""
    assert await office.chain() == table(WEIXI)


async def weixi_returns(office: Office) -> None:
    """Within 24 hours from signing, nothing else is asked for; afterwards not."""
    assert await office.due("sign") == local(2026, 6, 8, 11)
    assert await office.refused("transport", "return", reason="不属本单位") == "第七条"
    await office.do("transport", "sign")
    await office.do("transport", "return", reason="不属本单位")
    await office.do("dispatcher", "return/grant")
    await office.do("dispatcher", "dispatch", lead="urban")
    await office.do("urban", "sign")
    office.later(hours=25)
    assert await office.refused("urban", "return", reason="不属本单位") == "第七条"


async def weixi_handles(office: Office) -> None:
    """Five working days in all; a unit that is late all the same is supervised."""
    await office.do("dispatcher", "assists", unit="police", reason="需交通疏导")
    await office.do("police", "assist/opinion", opinion="可夜间施工。")
    await office.do("urban", "start", contact=contact(office))
    assert await office.refused("urban", "extension", amount=3, reason="等待备件") == "第八条"
    await office.do("urban", "extension", amount=2, reason="等待备件")
    await office.do("dispatcher", "extension/grant", amount=2)
    assert await office.due("handle") == local(2026, 6, 15, 23, 59, 59)
    office.to(local(2026, 6, 16, 9))
    await office.sweep()
    assert await office.supervised() == ["OVERDUE"]
    assert await office.answer_supervisions() == ["书面督办"]


async def weixi_explains(office: Office) -> None:
    """A round that only explains has three working days of its own; a day's silence after it is 基本满意."""
    await office.do("dispatcher", "dispatch", lead="urban")
    assert await office.due("handle") == local(2026, 6, 22, 23, 59, 59), "past the festival on Friday the 19th"
    await office.do("urban", "sign")
    await office.do("urban", "start", contact=contact(office))
    await office.do("urban", "reply", contents=answered(office, outcome="explained"))
    await office.deliver_survey()
    office.later(hours=24)
    await office.sweep()
    story = await office.story()
    assert (story["rating"], story["rating_source"], story["round"]) == ("基本满意", "default", 2)
    assert story["approvals"] == []


LONGSHENG = """
开始登记 story
登记受理 agent
提交派单 agent
派单 dispatcher
督办 supervision
签收 urban
申请退单 urban
不予退回 dispatcher
申请延期 urban
同意延期 dispatcher
开始办理 urban
协办反馈意见 police
提请签批 urban
签批同意 县热线工作站负责人
签批同意 县政府分管领导
签批完成 ticketing
预警 reminders
督办 supervision
预警 reminders
预警 reminders
反馈督办 urban
督办结束 supervisor
反馈督办 urban
督办结束 supervisor
回复办理结果 urban
退回重新回复 reviewer
回复办理结果 urban
开始回访 ticketing
回访短信送达 survey
记录评价 survey
办结 ticketing
归档 archive
"""


@clause("LS-013", "LS-014", "LS-015", "LS-041", "LS-042", "LS-051", "LS-053", "LS-057", "LS-058", "LS-062", "LS-063")
@clause("LS-065", "LS-068", "LS-079", "LS-087", "LS-090")
async def test_longsheng_is_raised_to_the_county_late_warned_and_silence_is_satisfied(opening: Opening) -> None:
    office = await opening("longsheng", local(2026, 6, 1, 9))
    fields = {**LAMP, "request_type": "投诉"}
    assert await office.refused("agent", "register", fields=fields) == "第二条、第七条(一)"
    await office.do("agent", "register", fields=fields, intake_exception="市12345热线授权本站登记")
    await office.do("agent", "forward")
    assert await office.refused("dispatcher", "dispatch", lead="power", basis="权责清单") == "第二十五条(一)"
    await office.do("dispatcher", "dispatch", lead="urban", assists=["police"])
    assert await office.supervised() == ["SEVERAL_UNITS"]
    await longsheng_handles(office)
    await longsheng_is_late(office)
    await longsheng_replies(office)
    await office.deliver_survey()
    office.later(hours=23)
    await office.sweep()
    assert (await office.story())["rating"] is None
    office.later(hours=1)
    await office.sweep()
    story = await office.story()
    assert (story["rating"], story["rating_source"]) == ("满意", "default")
    file = await archived(office)
    assert [kind["kind"] for kind in file["kinds"]] == ["工单", "电话记录", "交办回复", "会议材料", "领导批示件"]
    assert await office.chain() == table(LONGSHENG)


async def longsheng_handles(office: Office) -> None:
    """A return refused for a clue that is there; an extension, and then no return; the leaders take the matter up."""
    office.to(local(2026, 6, 2, 9))
    await office.do("urban", "sign")
    await office.do("urban", "return", **OURS)
    checked = await office.web.get("dispatcher", f"/api/tickets/{office.ticket}/return/precheck")
    cases = {row["code"]: row["check"] for row in checked["findings"]}
    assert (len(cases), cases["duty_fixed"], cases["clue_given"]) == (7, "auto", "human")
    await office.do("dispatcher", "return/refuse", code="clue_given", reason="已提供地点，请现场核实")
    longer = {"reason": "灯杆需定制"}
    told = {"citizen_informed_at": office.now}
    assert await office.refused("urban", "extension", amount=5, **longer) == "第十二条(二)9"
    assert await office.refused("urban", "extension", amount=11, **longer, **told) == "第十二条(二)9"
    await office.do("urban", "extension", amount=5, **longer, **told)
    assert await office.refused("urban", "return", **OURS) == "第十二条(三)7"
    await office.do("dispatcher", "extension/grant", amount=5)
    assert await office.due("handle") == local(2026, 6, 23, 23, 59, 59)
    await office.do("urban", "start", contact=contact(office))
    await office.do("police", "assist/opinion", opinion="可配合夜间施工。")
    await office.do("urban", "approvals/ask", gate="report", reason="涉及产权移交，需县政府协调")
    signed = await office.sign_all("县热线工作站负责人", "县政府分管领导", opinion="同意提级办理")
    assert signed == ["县热线工作站负责人", "县政府分管领导"]
    unfinished = answered(
        office, finished=False, stage_result="已勘查", follow_up_plan="月底更换", not_enforcement=True
    )
    assert await office.refused("urban", "reply", contents=unfinished) == "第七条(三)"


async def longsheng_is_late(office: Office) -> None:
    """SMS, yellow and red; a written explanation; supervision."""
    for at in (local(2026, 6, 22, 9), local(2026, 6, 24, 9), local(2026, 6, 26, 9)):
        office.to(at)
        await office.sweep()
    cards = (await office.web.get("urban", "/api/cards"))["rows"]
    assert [card["level"] for card in reversed(cards)] == ["sms", "yellow", "red"]
    assert await office.supervised() == ["SEVERAL_UNITS", "OVERDUE"]
    [task] = (await office.web.get("urban", "/api/tasks", kind="explain_overdue"))["rows"]
    await office.web.post("urban", f"/api/tasks/{task['id']}/done", {"outcome": "定制灯杆延误，已加急。"})
    assert await office.answer_supervisions() == ["网络督办", "网络督办"]


async def longsheng_replies(office: Office) -> None:
    """A complaint is answered with what became of its case; a conclusion only the hotline can draw is sent back."""
    assert await office.refused("urban", "reply", contents=answered(office)) == "第十二条(四)3"
    outside = {"outcome": "out_of_scope", "explanation": "已向诉求人说明", "statement": "产权不明"}
    held = await office.do("urban", "reply", contents=answered(office, **outside, not_enforcement=True))
    assert held == "已回复（待审核）"
    await office.do("reviewer", "review/reject-reply", defect="OFF_POINT", reason="产权已移交，请办理")
    case = {"case_number": "龙城管立〔2026〕8号", "case_filed_on": "2026-06-25"}
    assert await office.do("urban", "reply", contents=answered(office, **case)) == "回访中"
