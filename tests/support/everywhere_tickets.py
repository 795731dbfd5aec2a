"""Tickets at every place they can be: waiting, asked back, in dispute, reviewed, surveyed, late."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, text

from callcenter.citizen.rating_links import link_of
from callcenter.sms.tables import sms_inbound
from callcenter.types import TicketId
from tests.support import desk as line
from tests.support.lives import asked_by_message
from tests.support.world import WHY, World
from ticketing import store
from ticketing.aftercare import surveys


async def at_dispatch(world: World) -> None:
    """A queue, units' requests, a dispute, a call just answered with what the machine made of it."""
    say = world.say
    world.ids["waiting"] = await world.registered("桂龙路停水", subject="04.01")
    await world.registered("阳光小区停水", subject="04.01", phone="13900139111", urgent=True)
    world.ids["signing"] = await world.dispatched("water", "老旧小区加装电梯")
    await world.tell("dispatcher", world.ids["signing"], "assists", unit="roads", reason=say.long("配合围挡"))
    back = await world.dispatched("roads", "路口护栏缺失")
    await world.tell("unit2", back, "sign")
    reason = {"reason": say.long("不归我管"), "legal_basis": say.long("三定方案"), "suggestion": say.long("派给城管")}
    await world.tell("unit2", back, "return", **reason, proper_unit=say.short("城管局", 500))
    longer = await world.dispatched("roads", "桥面坑洞")
    await world.tell("unit2", longer, "sign")
    informed = {"citizen_informed_at": datetime.now(UTC).isoformat(), "signed_by": say.short("李局长", 500)}
    await world.tell("unit2", longer, "extension", amount=3, reason=say.long("配件未到"), **informed)
    dispute = await world.dispatched("roads", "绿化带归谁管养")
    await world.tell("dispatcher", dispute, "dispute", reason=say.long("两家都说不管"), units=["roads"])
    world.ids |= {"return": back, "extension": longer, "dispute": dispute}
    world.ids["draft"] = await line.rings(world.web)
    spoken = say.each(["我要投诉龙胜镇桂龙路的路灯坏了三天了晚上一片漆黑"])
    await line.said(world.web, world.ids["draft"], *spoken)


async def under_review(world: World) -> None:
    """A reply to be looked through, one sent back, an unsatisfied citizen, a secret file, promises."""
    say = world.say
    doubtful = {"outcome": "untrue_no_evidence", "explanation": say.long("已当面说明")}
    doubtful |= {"verification": say.long("现场核实三处，与反映的情况不符")}
    for name, title in (("replied", "饮用水浑浊"), ("sent_back", "水压不足")):
        ticket = world.ids[name] = await world.handling("water", title)
        await world.tell("unit", ticket, "reply", contents=world.reply(**doubtful))
    why = say.long("请补充现场照片")
    await world.tell("reviewer", world.ids["sent_back"], "review/reject-reply", defect="VAGUE", reason=why)
    part = {"finished": False, "stage_result": say.long("临时供水"), "follow_up_plan": say.long("更换主管")}
    ticket = world.ids["unsatisfied"] = await world.handling("water", "供水管道改造", phone=None)
    await world.tell("unit", ticket, "reply", contents=world.reply(**part))
    await world.tell("reviewer", ticket, "survey/called", rating="不满意", note=say.long("水压不足"))
    await surveyed(world)
    secret = world.ids["secret"] = await world.handling("water", "举报私接水管", confidential=True)
    asked = {"kind": "export", "purpose": say.short("纪委调阅", 500)}
    await world.post("supervisor", f"tickets/{secret}/releases", asked)


async def surveyed(world: World) -> None:
    """A citizen who answers a survey by message in words of their own."""
    web, now = world.web, datetime.now(UTC)
    ticket = world.ids["surveyed"] = await world.handling("water", "夜间停水未通知")
    await world.tell("unit", ticket, "reply", contents=world.reply())
    async with web.db.transaction() as tx:
        kept = await surveys.of_round(tx, TicketId(ticket), 1)
        of = await store.load(tx, TicketId(ticket))
        assert kept is not None
        told = {"gateway_key": "m1", "identity_id": of.requester, "to_number": "12345", "survey_id": kept.id}
        body = world.say.long("满意，谢谢")
        await tx.execute(insert(sms_inbound).values(**told, body=body, received_at=now, state="person"))
    world.forget()
    await asked_by_message(web, {"id": ticket, "round": 1})
    said = {"rating": "满意", "comment": world.say.short("恢复得很快", 500)}
    answer = await web.ask(None, "POST", f"/citizen/rate/{link_of(web.vault, TicketId(ticket), 1)}", data=said)
    assert answer.status == 200, answer.raw
    public = {"publish": True, "reason": world.say.long("适宜公开"), "consent": True, "suitable": True}
    await world.tell("reviewer", ticket, "publication", **public)


async def late(world: World) -> None:
    """Over its limit, led to a case; duty, sessions of leaders."""
    web, say = world.web, world.say
    now = datetime.now(UTC)
    ticket = world.ids["late"] = await world.handling("water", "桂龙路路灯不亮", urgent=False)
    async with web.db.transaction() as tx:
        for one, from_at, due_at in (
            (ticket, "- interval '9 days'", "-"),
            (world.ids["sent_back"], "- interval '2 days'", "+"),
        ):
            moved = f"from_at = now() {from_at}, due_at = now() {due_at} interval '1 day'"
            of = "kind = 'handle' AND ticket_id = :id"
            await tx.execute(text(f"UPDATE ticket_deadline SET {moved} WHERE {of}"), {"id": one})
    after = await world.tell("supervisor", ticket, "supervise", trigger="OTHER", reason=say.long("群众多次来电"))
    rows = (await web.get("unit", "/api/supervisions", ticket=ticket))["rows"]
    number = rows[0]["id"]
    answer = {"version": after["version"], "text": say.long("已组织抢修，今晚恢复供水")}
    await world.post("unit", f"supervisions/{number}/answer", answer)
    await world.post("supervisor", f"supervisions/{number}/notes", {"text": say.long("现场查看，情况属实")})
    case = {"reason": "UNIT_MISCONDUCT", "severity": "MINOR", "unit": "water", "facts": say.long(WHY)}
    opened = await world.post("supervisor", "accountability/cases", {**case, "tickets": [ticket]})
    step = {"rung": "REPORT", "note": say.long("约谈分管负责人")}
    await world.post("supervisor", f"accountability/cases/{opened['id']}/steps", step)
    more = {"ticket": world.ids["ticket"], "note": say.short("补充", 500)}
    await world.post("supervisor", f"accountability/cases/{opened['id']}/evidence", more)
    times = {"from_at": (now - timedelta(hours=1)).isoformat(), "until_at": (now + timedelta(hours=8)).isoformat()}
    for kind, unit, name in (("hotline", None, "李值班"), ("unit", "water", "周值班")):
        shift = {"kind": kind, "unit": unit, "name": say.line(name, 64), "phone": "13800138001", **times}
        planned = await world.post("supervisor", "rosters", shift)
        noted = {"kind": "note", "person": say.line(name, 64), "text": say.short("夜间来电较多", 500)}
        await world.post("supervisor", f"rosters/{planned['id']}/records", noted)
