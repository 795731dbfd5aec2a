"""The people of the demonstration take a ticket of every policy from the draft to the archive, without a telephone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import delete

from callcenter import accounts
from callcenter.stack.clerks import Clerks
from callcenter.stack.people import HANDLING_UNIT, people_of
from tests.support.clerks import Office, Opening, archived, opening
from tests.support.regions import REGIONS, policy_of
from tests.support.tickets import local
from tests.support.web import Web
from ticketing.dispatch.units_tables import unit_person

__all__ = ["opening"]
NIGHT = local(2026, 11, 23, 4, 37)
"""The demonstration is shown at any hour; a region's hours for calls to citizens must not stop it."""
EVERYWHERE = ("登记受理，受理短信发出", "提交派单", "派单到主办单位", "单位签收", "单位联系市民，开始办理")
BETWEEN: Mapping[str, tuple[str, ...]] = {
    "ganzhou": (
        "热线标记重点交办 ",
        "派单前签批：区政务服务局同意 第十一条(四)",
        "派单前签批：区委区政府相关领导同意 第十一条(四)",
        "热线审核通过，开始回访 第十四条",
    ),
    "weixi": (),
    "longsheng": (),
    "suqian": ("热线审核通过，开始回访 第十条(五)",),
    "mengcheng": (
        "热线标记重点交办 ",
        "派单前签批：县政府办负责人同意 第十条(四)",
        "承办单位登记具办人员 第五条(二)",
        "单位提请主要负责人签字盖章 第二十四条",
        "单位签批办理结果：单位主要负责人同意 第二十四条",
        "承办单位自行回访 第五条(一)、第二十五条",
        "提请反馈前签批 第二十四条",
        "反馈前签批：分管承办单位的副县长同意 第二十四条",
        "反馈前签批：分管热线工作的副县长同意 第二十四条",
        "反馈前签批：县长同意 第二十四条",
    ),
}
"""Steps that only some policies ask for, with their articles."""


@dataclass(frozen=True)
class Seat:
    """One person's way to the API of a test."""

    web: Web
    login: str

    async def get(self, path: str, **query: str | int) -> Any:
        return await self.web.get(self.login, path, **query)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return await self.web.post(self.login, path, body)


@dataclass
class Told:
    """What was shown."""

    steps: dict[str, str] = field(default_factory=dict)

    def step(self, what: str, **more: object) -> None:
        self.steps[what] = str(more.get("依据", ""))


async def with_demo_people(office: Office) -> None:
    async with office.web.db.transaction() as tx:
        for one in people_of(policy_of(office.region)).values():
            office.web.ids[one.login] = await accounts.create(
                tx, one.login, one.name, "x", one.roles, unit=one.unit, titles=one.titles
            )
        # Not registered by whoever wrote the list: the unit does it itself, where nothing is dispatched without.
        await tx.execute(delete(unit_person).where(unit_person.c.unit == HANDLING_UNIT))


@pytest.mark.parametrize("region", REGIONS)
async def test_the_clerks_do_what_each_policy_asks(opening: Opening, region: str) -> None:
    office, told = await opening(region, NIGHT), Told()
    await with_demo_people(office)

    async def sign_in(login: str) -> Seat:
        return Seat(office.web, login)

    policy = policy_of(region)
    await Clerks(policy, people_of(policy), sign_in, told.step, office.ticket).work()
    shown = [f"{what} {basis}" for what, basis in told.steps.items()]
    assert [line for line in shown if line in BETWEEN[region]] == list(BETWEEN[region])
    assert [what for what in told.steps if what in EVERYWHERE] == list(EVERYWHERE)
    await office.deliver_survey()
    await office.citizen_writes("1")
    await archived(office)
