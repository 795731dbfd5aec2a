"""Is it alive, is it ready: for load balancers, probes and the operator."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

from aiohttp import web
from pydantic import Field

from callcenter import heartbeat, surge
from callcenter.backup import marks as backup_marks
from callcenter.board import BoardAway
from callcenter.custody import chain_work, storage_words
from callcenter.custody.disk_watch import room_of
from callcenter.db import DatabaseAway
from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.router import In, Out, Routes

api = Routes("health")
COMMANDERS = frozenset({Role.SUPERVISOR, Role.ADMIN})


class Surge(In):
    """minutes: how long the announcement is played; it ends by itself."""

    minutes: Annotated[int, Field(ge=1, le=24 * 60)]


class SurgeState(Out):
    on: bool
    until: datetime | None


@api.get("/livez", None)
async def livez(ctx: Context) -> web.Response:
    """进程是否存活"""
    return web.json_response({"alive": True, "version": ctx.services.version})


@api.get("/readyz", None)
async def readyz(ctx: Context) -> web.Response:
    """能否提供服务：数据库、缓存、录音磁盘逐项说明"""
    parts = {"database": "ok", "board": "ok", "disk": "ok"}
    try:
        await ctx.services.database.ping()
    except DatabaseAway:
        parts["database"] = "PostgreSQL does not answer; nothing can be saved"
    try:
        await ctx.services.board.ping()
    except BoardAway:
        parts["board"] = "Redis does not answer; screens do not update, calls and tickets go on"
    try:
        parts["disk"] = storage_words.of_room(await asyncio.to_thread(room_of, ctx.services.spool))
    except OSError as error:
        parts["disk"] = f"the folder of recordings cannot be read: {error.strerror}"
    if parts["database"] == "ok":
        async with ctx.transaction() as tx:
            ages = await heartbeat.ages(tx, ctx.now)
            parts |= await backup_marks.parts(tx, ctx.now)
            parts["audit"] = await chain_work.state(tx)
            parts |= await storage_words.parts(tx, ctx.now)
        parts |= {f"process {n}": "ok" if s < heartbeat.STALE_S else f"silent for {s:.0f} s" for n, s in ages.items()}
    ready = parts["database"] == "ok"
    return web.json_response({"ready": ready, "parts": parts}, status=200 if ready else 503)


@api.post("/api/surge/on", COMMANDERS)
async def surge_on(ctx: Context, body: Surge) -> SurgeState:
    """启用突发事件提示音，到时自动停止"""
    until = ctx.now + timedelta(minutes=body.minutes)
    async with ctx.transaction() as tx:
        await surge.switch_on(tx, until, ctx.actor)
    return SurgeState(on=True, until=until)


@api.post("/api/surge/off", COMMANDERS)
async def surge_off(ctx: Context) -> SurgeState:
    """停用突发事件提示音"""
    async with ctx.transaction() as tx:
        await surge.switch_off(tx, ctx.actor)
    return SurgeState(on=False, until=None)
