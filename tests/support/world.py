"""A hotline that is talked to in a given voice, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callcenter.types import system
from tests.support.lives import EXCEPTION, FIELDS, ask, reply_contents
from tests.support.voices import Plain, Voice
from tests.support.web import Web

UNITS = {"water": "县自来水公司", "roads": "县住房和城乡建设局市政设施维护中心", "health": "县卫生健康局"}
NAMES = {"agent": "陈洁", "agent2": "李强", "dispatcher": "王敏", "unit": "赵水生", "unit2": "钱路平", "head": "孙局长"}
TITLES = ("县热线工作站负责人", "县政府分管领导")
"""Whose signatures 龙胜 wants (LS-015)."""
STORY = system("story")
TITLE = "龙胜镇桂龙路与北门街交叉口自来水主管道破裂，路面积水三天无人处理，周边四百余户居民停水"
CONTENT = "桂龙路停水两天了，沿线四百余户居民和两所学校用水困难，希望尽快恢复供水并公布抢修计划。"
WHY = "市民多次来电催问，承办单位未按承诺时间办理。"


@dataclass
class World:
    """ids: of what has pages of its own, by name."""

    web: Web
    say: Voice = field(default_factory=Plain)
    ids: dict[str, str] = field(default_factory=dict)
    _last: dict[str, Any] = field(default_factory=dict)

    async def tell(self, who: str, ticket: str, what: str, **body: Any) -> dict[str, Any]:
        """The next command on a ticket, with the version it is at."""
        if self._last.get("id") != ticket:
            self._last = await self.web.get("supervisor", f"/api/tickets/{ticket}")
        self._last = await ask(self.web, who, self._last, what, **body)
        return self._last

    def forget(self) -> None:
        """Somebody else has done something to the ticket."""
        self._last = {}

    async def post(self, who: str, path: str, body: Mapping[str, Any]) -> Any:
        self.forget()
        return await self.web.post(who, f"/api/{path}", dict(body))

    def fields(self, title: str = TITLE, **more: Any) -> dict[str, Any]:
        """What a ticket is about."""
        told = {"title": self.say.short(title, 500), "content": self.say.long(CONTENT)}
        told |= {"place": self.say.short("龙胜镇桂龙路十二号", 500), "occurred": self.say.short("昨天夜里", 500)}
        told |= {"contact_name": self.say.short("王先生", 500), "named_unit": self.say.short("县自来水公司", 500)}
        return {**FIELDS, **told, **more}

    async def registered(self, title: str = TITLE, **more: Any) -> str:
        made = await self.post("agent", "tickets", {"fields": self.fields(title, **more)})
        exception = self.say.long(EXCEPTION)
        await self.tell("agent", made["id"], "register", intake_exception=exception)
        return str(made["id"])

    async def dispatched(self, unit: str = "water", title: str = TITLE, **more: Any) -> str:
        ticket = await self.registered(title, **more)
        order = {"lead": unit, "basis": self.say.short("职责清单", 500), "instruction": self.say.long("请核实办理")}
        await self.tell("dispatcher", ticket, "dispatch", **order)
        return ticket

    async def handling(self, unit: str = "water", title: str = TITLE, **more: Any) -> str:
        ticket = await self.dispatched(unit, title, **more)
        who = {"water": "unit", "roads": "unit2"}[unit]
        await self.tell(who, ticket, "sign", person=self.say.short("水务值班室", 500))
        await self.tell(who, ticket, "start")
        return ticket

    def reply(self, **more: Any) -> dict[str, Any]:
        told = {"handling_unit": self.say.short("县自来水公司抢修班", 500), "handler": self.say.short("张师傅", 500)}
        told |= {"situation": self.say.long("更换破裂管道，十一点恢复供水，路面已清理。")}
        return {**reply_contents(), **told, **more}
