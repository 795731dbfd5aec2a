"""Screens on a wall by the API: made and taken back by supervisors, read with the screen's own key."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from pydantic import Field

from callcenter import big_screens
from callcenter.audit import Audited, note
from callcenter.web.context import Context
from callcenter.web.problems import NotFound, Problem
from callcenter.web.router import In, Out, Routes
from callcenter.web.wallboard import WATCHERS, BigBoard, board_of

api = Routes("big-screens")


class NewScreen(In):
    """name: where it hangs."""

    name: Annotated[str, Field(min_length=1, max_length=60)]


class ScreenRow(Out):
    """seen_at: when it last read its figures."""

    id: int
    name: str
    created_by: str
    created_at: datetime
    ends_at: datetime
    seen_at: datetime | None


class ScreenList(Out):
    rows: list[ScreenRow]


class ScreenMade(ScreenRow):
    """key: told this once; the screen is opened at /console/wallboard/big#<key>."""

    key: str


@api.get("/api/big-screens", WATCHERS)
async def list_screens(ctx: Context) -> ScreenList:
    """在用的大屏及其最近读取时间"""
    async with ctx.transaction() as tx:
        return ScreenList(rows=[ScreenRow(**asdict(one)) for one in await big_screens.listed(tx, ctx.now)])


@api.post("/api/big-screens", WATCHERS)
async def add_screen(ctx: Context, body: NewScreen) -> ScreenMade:
    """新增大屏，得到只能读取汇总指标的密钥；密钥只显示这一次，一年内有效"""
    async with ctx.transaction() as tx:
        made, key = await big_screens.add(tx, body.name, ctx.actor, ctx.now)
        await note(tx, Audited(ctx.actor, "big_screen.add", f"big_screen:{made.id}", detail={"name": made.name}))
    return ScreenMade(**asdict(made), key=key)


@api.post("/api/big-screens/{screen_id}/revoke", WATCHERS)
async def revoke_screen(ctx: Context, screen_id: int) -> None:
    """停用一块大屏，其密钥立即失效"""
    async with ctx.transaction() as tx:
        if not await big_screens.revoke(tx, screen_id, ctx.actor, ctx.now):
            raise NotFound
        await note(tx, Audited(ctx.actor, "big_screen.revoke", f"big_screen:{screen_id}"))


@api.get("/api/big-screen", None)
async def read_screen(ctx: Context) -> BigBoard:
    """大屏的汇总指标，不含任何个人信息；凭大屏密钥（Authorization: Bearer）读取"""
    async with ctx.transaction() as tx:
        known = bool(ctx.token) and await big_screens.knows(tx, ctx.token, ctx.now)
    if not known:
        raise Problem(401, "screen_unknown", "这块大屏的密钥无效、已停用或已过期。请班长在“运行监控”中重新添加大屏。")
    whole = await board_of(ctx)
    return BigBoard(**{name: getattr(whole, name) for name in BigBoard.model_fields})
