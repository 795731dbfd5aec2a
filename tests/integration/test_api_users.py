"""Accounts by the API: made with a password told once, changed, locked out; what nobody may do to themselves."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from callcenter.account_desk import Wanted, refusal
from callcenter.db import Database
from callcenter.tables import agent, audit, user_account
from callcenter.types import AgentId, QueueName, Role, UnitId
from tests.support.seeded_units import seeded
from tests.support.web import PASSWORD, Answer, Web, serving, with_people

NEW: dict[str, Any] = {
    "login": "chenjie",
    "name": "陈洁",
    "roles": ["agent"],
    "extension": "8010",
    "queues": ["hotline"],
}


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as served:
        await with_people(served)
        async with db.transaction() as tx:
            await seeded(tx)
        yield served


async def user(web: Web, login: str) -> dict[str, Any]:
    rows = (await web.get("admin", "/api/users", text=login))["rows"]
    return dict(next(row for row in rows if row["login"] == login))


async def change(web: Web, login: str, who: str = "admin", **changes: Any) -> Answer:
    is_now = await user(web, login)
    kept = {name: is_now[name] for name in ("name", "roles", "unit", "titles", "extension", "queues", "version")}
    return await web.ask(who, "POST", f"/api/users/{is_now['id']}", kept | changes)


async def act(web: Web, login: str, verb: str, who: str = "admin") -> Answer:
    one = await user(web, login)
    body = {"reason": "岗位调整"} | ({"version": one["version"]} if verb in ("disable", "enable") else {})
    return await web.ask(who, "POST", f"/api/users/{one['id']}/{verb}", body)


async def audited(web: Web, action: str) -> list[dict[str, Any]]:
    async with web.db.transaction() as tx:
        return list((await tx.execute(select(audit.c.detail).where(audit.c.action == action))).scalars())


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted("王敏", frozenset()), "至少选择一个角色"),
        (Wanted("王敏", frozenset({Role.ADMIN, Role.SUPERVISOR})), "职责分离"),
        (Wanted("王敏", frozenset({Role.AUDITOR, Role.AGENT})), "职责分离"),
        (Wanted("王敏", frozenset({Role.UNIT})), "所属承办单位"),
        (Wanted("王敏", frozenset({Role.AGENT}), unit=UnitId("water")), "不属于承办单位"),
        (Wanted("王敏", frozenset({Role.AGENT}), titles=frozenset({"县长"})), "领导角色"),
        (Wanted("王敏", frozenset({Role.ADMIN}), extension=AgentId("8001")), "不使用热线分机"),
        (Wanted("王敏", frozenset({Role.AGENT}), queues=(QueueName("hotline"),)), "绑定了分机的话务员"),
        (Wanted("王敏", frozenset({Role.AGENT, Role.DISPATCHER}), extension=AgentId("8001")), ""),
    ],
)
def test_what_an_account_cannot_be(wanted: Wanted, why: str) -> None:
    said = refusal(wanted)
    assert (why in said) if why else said == ""


async def test_a_new_person_signs_in_once_with_what_was_told_and_sets_their_own(web: Web) -> None:
    made = await web.post("admin", "/api/users", NEW)
    assert (made["user"]["state"], made["user"]["queues"]) == ("first", ["hotline"])
    body = {"login": "chenjie", "password": made["password"], "bearer": True}
    web.tokens["chenjie"] = (await web.ask(None, "POST", "/api/login", body)).body["token"]
    assert (await web.ask("chenjie", "GET", "/api/agents")).code == "change_password"
    await web.post("chenjie", "/api/me/password", {"old": made["password"], "new": "Wode-mima-2026"})
    assert (await user(web, "chenjie"))["state"] == "active"
    assert made["password"] not in str(await audited(web, "user.add"))
    again = await web.ask("admin", "POST", "/api/users", NEW | {"extension": "8011"})
    assert (again.status, "已经有人使用" in again.body["detail"]) == (422, True)
    taken = await web.ask("admin", "POST", "/api/users", NEW | {"login": "zhaolei"})
    assert "已绑定给用户“chenjie”" in taken.body["detail"]


async def test_the_list_is_filtered_and_paged_by_the_server(web: Web) -> None:
    whole = await web.get("admin", "/api/users")
    logins = [row["login"] for row in whole["rows"]]
    assert (whole["total"], logins) == (11, sorted(logins))
    first = await web.get("admin", "/api/users", limit=4)
    second = await web.get("admin", "/api/users", limit=4, after=first["next"])
    assert [row["login"] for row in (*first["rows"], *second["rows"])] == logins[:8]
    for asked, found in (
        ({"role": "unit"}, ["unit", "unit2"]),
        ({"unit": "water"}, ["head", "unit"]),
        ({"text": "8009"}, ["supervisor"]),
        ({"text": "%"}, []),
        ({"state": "disabled"}, []),
    ):
        assert [row["login"] for row in (await web.get("admin", "/api/users", **asked))["rows"]] == found


async def test_a_telephone_that_is_taken_away_leaves_its_queues(web: Web) -> None:
    await web.post("agent", "/api/desk/login")
    assert (await change(web, "agent", extension="8020", queues=["enterprise"])).status == 200
    async with web.db.transaction() as tx:
        rows = {row.id: row for row in await tx.execute(select(agent))}
    assert (rows["8001"].desired, rows["8001"].user_id) == ("logged_out", None)
    assert (rows["8020"].queues, rows["8020"].desired) == (["enterprise"], "logged_out")
    (told,) = await audited(web, "user.change")
    assert (told["extension"], told["queues"]) == ("8001 -> 8020", "hotline -> enterprise")


async def test_two_who_edit_one_account_do_not_lose_a_change(web: Web) -> None:
    seen = await user(web, "agent2")
    assert (await change(web, "agent2", name="李强")).status == 200
    late = await change(web, "agent2", name="李刚", version=seen["version"])
    assert (late.status, late.code) == (409, "AccountChanged")
    assert (await user(web, "agent2"))["name"] == "李强"


async def test_who_is_disabled_is_out_at_once(web: Web) -> None:
    await web.post("agent", "/api/desk/login")
    assert (await act(web, "agent", "disable")).body["state"] == "disabled"
    assert (await web.ask("agent", "GET", "/api/me")).status == 401
    async with web.db.transaction() as tx:
        assert (await tx.execute(select(agent.c.desired).where(agent.c.id == "8001"))).scalar_one() == "logged_out"
    body = {"login": "agent", "password": PASSWORD}
    assert (await web.ask(None, "POST", "/api/login", body)).status == 401
    assert (await act(web, "agent", "enable")).body["state"] == "active"
    assert (await web.ask(None, "POST", "/api/login", body)).status == 200
    assert [told["reason"] for told in await audited(web, "user.disable")] == ["岗位调整"]


async def test_nobody_changes_their_own_rights_and_one_administrator_stays(web: Web) -> None:
    for answer in (await change(web, "admin", roles=["auditor"]), await act(web, "admin", "disable")):
        assert (answer.status, "另一位管理员" in answer.body["detail"]) == (422, True)
    assert (await act(web, "admin", "reset-password")).code == "own_password"
    await web.post("admin", "/api/users", {"login": "admin2", "name": "管理员乙", "roles": ["admin"]})
    async with web.db.transaction() as tx:
        mine = update(user_account).where(user_account.c.login == "admin2")
        web.ids["admin2"] = (
            await tx.execute(mine.values(must_change_password=False).returning(user_account.c.id))
        ).scalar_one()
    # Each disables the other at the same moment: one of them stays.
    both = await asyncio.gather(act(web, "admin2", "disable", "admin"), act(web, "admin", "disable", "admin2"))
    assert sorted(answer.status for answer in both)[0] == 200
    async with web.db.transaction() as tx:
        left = select(user_account.c.login).where(
            user_account.c.roles.contains([Role.ADMIN]), user_account.c.disabled.is_(False)
        )
        assert len((await tx.execute(left)).all()) == 1


async def test_a_reset_ends_sessions_and_the_lock(web: Web) -> None:
    await web.get("reviewer", "/api/me")
    async with web.db.transaction() as tx:
        until = datetime.now(UTC) + timedelta(minutes=10)
        await tx.execute(update(user_account).where(user_account.c.login == "reviewer").values(locked_until=until))
    assert (await user(web, "reviewer"))["state"] == "locked"
    told = (await act(web, "reviewer", "reset-password")).body
    assert (told["user"]["state"], told["user"]["sessions"]) == ("first", 0)
    assert (await web.ask("reviewer", "GET", "/api/me")).status == 401
    body = {"login": "reviewer", "password": told["password"]}
    assert (await web.ask(None, "POST", "/api/login", body)).status == 200


async def test_sessions_are_ended_and_a_lock_is_lifted_by_themselves(web: Web) -> None:
    await web.get("reviewer", "/api/me")
    assert (await user(web, "reviewer"))["sessions"] == 1
    assert (await act(web, "reviewer", "end-sessions")).body["sessions"] == 0
    assert (await web.ask("reviewer", "GET", "/api/me")).status == 401
    async with web.db.transaction() as tx:
        until = datetime.now(UTC) + timedelta(minutes=10)
        await tx.execute(update(user_account).where(user_account.c.login == "reviewer").values(locked_until=until))
    assert (await act(web, "reviewer", "unlock")).body["state"] == "active"


async def test_what_an_account_can_be_given_comes_from_here(web: Web) -> None:
    found = await web.get("admin", "/api/user-choices")
    assert set(found["queues"]) == {"hotline", "enterprise", "emergency"}
    assert {"admin", "auditor"} == set(found["alone"])
    assert found["titles"]
    assert "water" in {unit["id"] for unit in found["units"]}
    unknown = await web.ask(
        "admin", "POST", "/api/users", {"login": "clerk", "name": "经办人", "roles": ["unit"], "unit": "nowhere"}
    )
    assert (unknown.status, unknown.code) == (404, "UnitNotFound")
