"""A ticket led through its life by API requests."""

from datetime import UTC, datetime
from typing import Any

from callcenter.types import TicketId
from tests.support.web import PHONE, Web
from ticketing.aftercare import followup, surveys
from ticketing.aftercare.survey_words import Accepted, Submitting
from ticketing.clocks import local_day

FIELDS: dict[str, Any] = {
    "request_type": "求助",
    "source": "网络",
    "content": "龙胜镇桂龙路停水两天了，希望尽快恢复供水。",
    "place": "桂龙路",
    "contact_name": "王先生",
    "phone": PHONE,
}
EXCEPTION = "来访群众当面提出，经站长同意登记"


def reply_contents() -> dict[str, Any]:
    """What 龙胜 wants in a reply."""
    now = datetime.now(UTC)
    return {
        "handled_on": local_day(now).isoformat(),
        "handling_unit": "县自来水公司抢修班",
        "handler": "张师傅",
        "situation": "管道已修复，十一点恢复供水。",
        "citizen_contacted_at": now.isoformat(),
        "not_enforcement": True,
    }


async def opened(web: Web, **fields: Any) -> dict[str, Any]:
    told: dict[str, Any] = await web.post("agent", "/api/tickets", {"fields": {**FIELDS, **fields}})
    return told


async def ask(web: Web, who: str, ticket: dict[str, Any], what: str, **body: Any) -> dict[str, Any]:
    """The next command, with the version last seen."""
    body["version"] = ticket["version"]
    told: dict[str, Any] = await web.post(who, f"/api/tickets/{ticket['id']}/{what}", body)
    return told


async def registered(web: Web, **fields: Any) -> dict[str, Any]:
    return await ask(web, "agent", await opened(web, **fields), "register", intake_exception=EXCEPTION)


async def dispatched(web: Web, unit: str = "water", **fields: Any) -> dict[str, Any]:
    return await ask(web, "dispatcher", await registered(web, **fields), "dispatch", lead=unit, basis="职责清单")


async def handling(web: Web, **fields: Any) -> dict[str, Any]:
    signed = await ask(web, "unit", await dispatched(web, **fields), "sign", person="水务值班室")
    return await ask(web, "unit", signed, "start")


async def surveying(web: Web, **fields: Any) -> dict[str, Any]:
    return await ask(web, "unit", await handling(web, **fields), "reply", contents=reply_contents())


async def asked_by_message(web: Web, ticket: dict[str, Any]) -> None:
    """The survey's message has gone out to the citizen."""
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        kept = await surveys.of_round(tx, TicketId(ticket["id"]), ticket["round"])
        assert kept is not None
        await followup.tell(tx, kept.id, [Submitting(now), Accepted(now)], rules=web.ground.rules)
