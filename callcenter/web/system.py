"""How the installation fares: processes, disks, backups, the queue, and jobs that wait for a person."""

import asyncio
from datetime import date, datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import heartbeat, jobs, surge
from callcenter.audit import Audited, note
from callcenter.backup import marks as backups
from callcenter.board import BoardAway
from callcenter.custody import chain_work, storage_rows
from callcenter.custody.chain_work import Standing
from callcenter.custody.disk_watch import room_of
from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import Out, Routes
from recordings.storage import Level
from ticketing.clocks import Calendar, CalendarEnds, local_day

api = Routes("system")
READERS = frozenset({Role.ADMIN, Role.AUDITOR})
KEEPERS = frozenset({Role.ADMIN})
State = Literal["ok", "warn", "bad", "off"]
ASK_FROM = (11, 15)
"""Month and day from which next year's notice is missed: it has come out in November of most years."""


class SystemProcess(Out):
    """part: serve, listen, ivr, speech or work. silent_s: since it last said that it can do its work."""

    part: str
    node: str
    state: State
    silent_s: float


class SystemCheck(Out):
    """state off: not set up. said: Chinese, what it is about and what to do. at: of what was last done."""

    key: str
    name: str
    state: State
    said: str
    at: datetime | None = None


class SystemDisk(Out):
    """place: spool, store or copy. days_left: at the pace of the last two weeks; null: it does not grow."""

    node: str
    place: str
    state: State
    total_bytes: int | None
    free_bytes: int | None
    used_share: float | None
    days_left: float | None
    looked_at: datetime
    error: str


class SystemQueue(Out):
    """Jobs of one kind: waiting (`late_s`: how long the oldest has been due), running, held for a person."""

    kind: str
    waiting: int
    running: int
    held: int
    late_s: float


class SystemHeld(Out):
    """A job that failed for good. reason: its last error, as logged."""

    id: int
    kind: str
    key: str
    tries: int
    held_at: datetime
    reason: str


class SystemPolicy(Out):
    id: str
    title: str
    region: str
    version: int
    effective_from: date


class SystemState(Out):
    """surge_until: the emergency announcement is played until then."""

    version: str
    node: str
    now: datetime
    policy: SystemPolicy
    calendar: str
    surge_until: datetime | None
    processes: list[SystemProcess]
    checks: list[SystemCheck]
    disks: list[SystemDisk]
    queues: list[SystemQueue]
    held: list[SystemHeld]


@api.get("/api/system", READERS)
async def read_system(ctx: Context) -> SystemState:
    """系统状态：版本、进程、磁盘、备份、第二时钟、任务队列和待人工处理的任务"""
    services, policy = ctx.services, ctx.services.rules.policies[-1]
    checks = [await _board(ctx), await _spool(ctx), _clock(services.installation.second_clock), _calendar(ctx)]
    async with ctx.transaction() as tx:
        ages = await heartbeat.ages(tx, ctx.now)
        until = await surge.ends_at(tx, ctx.now)
        checks += [await _audit(tx), *await _backups(tx, ctx.now)]
        places = await storage_rows.read(tx)
        queues = _queues(await jobs.queue_sizes(tx))
        held = await jobs.held_jobs(tx)
    return SystemState(
        version=services.version,
        node=services.node,
        now=ctx.now,
        policy=SystemPolicy(
            id=policy.id,
            title=policy.title,
            region=policy.region,
            version=policy.version,
            effective_from=policy.effective_from,
        ),
        calendar=services.rules.calendar.version,
        surge_until=until,
        processes=[_process(name, age) for name, age in sorted(ages.items())],
        checks=checks,
        disks=[_disk(one, ctx.now) for one in places],
        queues=queues,
        held=[
            SystemHeld(id=one.id, kind=one.kind, key=one.key, tries=one.tries, held_at=one.held_at, reason=one.reason)
            for one in held
        ],
    )


@api.post("/api/system/jobs/{job_id}/retry", KEEPERS)
async def retry_job(ctx: Context, job_id: int) -> None:
    """把待人工处理的任务放回队列再试；可重复执行的任务不会产生两次效果"""
    async with ctx.transaction() as tx:
        back = await jobs.retry_held(tx, [job_id])
        if not back:
            raise Problem(409, "not_held", "这个任务已不在待处理之列，可能已由他人重试。请刷新。")
        await note(tx, Audited(ctx.actor, "job.retry", f"job:{job_id}"))


async def _board(ctx: Context) -> SystemCheck:
    name = "实时消息（Redis）"
    try:
        await ctx.services.board.ping()
    except BoardAway:
        said = "没有应答：屏幕不会自动更新，通话和工单照常。请检查 Redis。"
        return SystemCheck(key="board", name=name, state="bad", said=said)
    return SystemCheck(key="board", name=name, state="ok", said="正常")


async def _spool(ctx: Context) -> SystemCheck:
    name = "录音目录"
    try:
        room = await asyncio.to_thread(room_of, ctx.services.spool)
    except OSError as error:
        said = f"录音目录不可读：{error.strerror}。请检查目录和权限。"
        return SystemCheck(key="spool", name=name, state="bad", said=said)
    return SystemCheck(key="spool", name=name, state="ok", said=f"已用 {room.used_share:.0%}")


def _clock(second_clock: str) -> SystemCheck:
    name = "第二时钟"
    if not second_clock:
        said = "未设置 CALLCENTER_SECOND_CLOCK：到期录音不会删除。"
        return SystemCheck(key="second_clock", name=name, state="off", said=said)
    return SystemCheck(key="second_clock", name=name, state="ok", said=f"{second_clock}，删除录音前须与之核对一致")


def _calendar(ctx: Context) -> SystemCheck:
    """Whether this year's notice is in, and late in the year the next one's."""
    today, calendar = local_day(ctx.now), ctx.services.rules.calendar
    asked = [today.year, *([today.year + 1] if (today.month, today.day) >= ASK_FROM else [])]
    missing = [year for year in asked if _provisional(calendar, year)]
    name = "工作日历"
    if missing:
        years = "、".join(map(str, missing))
        said = f"{years} 年放假安排（全国或地方）尚未导入，时限按法定节假日推算。请在“工作日历”中导入通知。"
        return SystemCheck(key="calendar", name=name, state="warn", said=said)
    return SystemCheck(key="calendar", name=name, state="ok", said=f"{today.year} 年放假安排已导入")


def _provisional(calendar: Calendar, year: int) -> bool:
    try:
        return calendar.is_provisional(date(year, 1, 1), date(year, 12, 31))
    except CalendarEnds:
        return True


AUDIT_SAID: dict[Standing, tuple[State, str]] = {
    Standing.OK: ("ok", "审计记录已按时封链并锚定"),
    Standing.UNLINKED: ("bad", "审计记录超过一分钟没有封链。请检查后台任务进程（work）是否运行。"),
    Standing.NO_ANCHOR: ("warn", "审计没有第二处锚定。请设置 CALLCENTER_ANCHOR_DIR。"),
    Standing.LATE: ("bad", "审计锚定落后一分钟以上。请检查 CALLCENTER_ANCHOR_DIR 所在磁盘。"),
}


async def _audit(tx: AsyncConnection) -> SystemCheck:
    state, said = AUDIT_SAID[await chain_work.standing(tx)]
    return SystemCheck(key="audit", name="审计链", state=state, said=said)


BACKUPS = {"base": "全量备份", "wal": "增量日志备份", "drill": "恢复演练"}


async def _backups(tx: AsyncConnection, now: datetime) -> list[SystemCheck]:
    times = await backups.times(tx)
    if not times:
        said = "未设置 CALLCENTER_BACKUP_DIR：没有备份。"
        return [SystemCheck(key="backup", name="备份", state="off", said=said)]
    return [_backup(kind, name, times.get(kind), now) for kind, name in BACKUPS.items()]


def _backup(kind: str, name: str, at: datetime | None, now: datetime) -> SystemCheck:
    if at is None:
        return SystemCheck(key=f"backup.{kind}", name=name, state="bad", said="还没有成功过。请查看 work 进程的日志。")
    late = (now - at).total_seconds() > backups.LATE_S[kind]
    said = "已过期，请查看 work 进程的日志。" if late else "按时"
    return SystemCheck(key=f"backup.{kind}", name=name, state="bad" if late else "ok", said=said, at=at)


def _process(name: str, silent_s: float) -> SystemProcess:
    part, _, node = name.partition(":")
    state: State = "ok" if silent_s < heartbeat.STALE_S else "bad"
    return SystemProcess(part=part, node=node, state=state, silent_s=max(0.0, silent_s))


LEVELS: dict[Level, State] = {Level.OK: "ok", Level.WARN: "warn", Level.FULL: "bad", Level.UNKNOWN: "bad"}


def _disk(one: storage_rows.PlaceRow, now: datetime) -> SystemDisk:
    stale = now - one.looked_at > storage_rows.STALE
    return SystemDisk(
        node=one.node,
        place=one.place,
        state="bad" if stale else LEVELS[one.level],
        total_bytes=one.total_bytes,
        free_bytes=one.free_bytes,
        used_share=one.used_share,
        days_left=one.days_left,
        looked_at=one.looked_at,
        error=one.error,
    )


def _queues(sizes: list[jobs.QueueSize]) -> list[SystemQueue]:
    """One row a kind. PURE."""
    found: dict[str, dict[str, jobs.QueueSize]] = {}
    for size in sizes:
        found.setdefault(size.kind, {})[size.state] = size
    return [
        SystemQueue(
            kind=kind,
            waiting=states["queued"].count if "queued" in states else 0,
            running=states["picked"].count if "picked" in states else 0,
            held=states["failed"].count if "failed" in states else 0,
            late_s=max(0.0, states["queued"].late_s) if "queued" in states else 0.0,
        )
        for kind, states in sorted(found.items())
    ]
