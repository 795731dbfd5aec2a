"""Commands to a call: asked in one process (the API, a flow), carried out by the listener that holds the AMI.

A command is a row with a unique key, written in the transaction that caused it, carried out at most once. What was
running when a process died is looked into, then `unknown`; it is never blindly repeated, since it may have rung
somebody. The asker waits for the row, not for the process.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database, DatabaseAway, listen, notify
from callcenter.tables import call_command
from callcenter.types import Actor, CallId

ASKED = "call_command"
DONE = "call_command_done"
STALE_S = 20.0
"""A command nobody took for this long is not carried out any more: the call has moved on."""
AGAIN_S = 0.2
"""Whoever waits for a command asks again so long after a lost connection."""


class Kind(StrEnum):
    """What can be asked of a call."""

    CONSULT = "consult"
    CANCEL_CONSULT = "cancel_consult"
    MERGE = "merge"
    DROP_UNIT = "drop_unit"
    LEAVE = "leave"
    HANG_UP = "hang_up"
    LISTEN = "listen"
    WHISPER = "whisper"
    BARGE = "barge"
    STOP_LISTENING = "stop_listening"
    CALL_BACK = "call_back"
    TAP = "tap"
    REQUEUE = "requeue"
    GOODBYE = "goodbye"
    END_OTHERS = "end_others"
    SET_ASIDE = "set_aside"
    """The agent's page is gone: the citizen hears music instead of nothing."""
    REJOIN = "rejoin"
    """The agent's telephone is rung again and takes its call back."""


class State(StrEnum):
    """Where a command is."""

    ASKED = "asked"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Command:
    """One command. args: plain JSON, checked again where it is carried out."""

    id: int
    key: str
    node: str
    call_id: CallId | None
    kind: Kind
    args: dict[str, Any]
    actor: str
    state: State
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended. code: a stable word for programs; sentence: Chinese, for the person who asked."""

    state: State
    code: str = "ok"
    sentence: str = ""
    data: dict[str, Any] | None = None


class StillRunning(Exception):
    """操作已提交，电话系统尚未答复，请稍候查看通话状态，不要重复操作。"""


async def ask(
    tx: AsyncConnection,
    kind: Kind,
    *,
    key: str,
    node: str,
    actor: Actor,
    call_id: CallId | None = None,
    args: dict[str, Any] | None = None,
) -> int:
    """Ask for a command, carried out after commit. The same key again is the same command. Returns its id."""
    row = insert(call_command).values(
        key=key, node=node, call_id=call_id, kind=kind, args=args or {}, actor=str(actor), state=State.ASKED
    )
    made = await tx.execute(row.on_conflict_do_nothing(index_elements=["key"]).returning(call_command.c.id))
    new_id = made.scalar_one_or_none()
    if new_id is None:
        known = select(call_command.c.id).where(call_command.c.key == key)
        return int((await tx.execute(known)).scalar_one())
    await notify(tx, ASKED, node)
    return int(new_id)


async def wait(database: Database, command_id: int, *, within_s: float) -> Result:
    """The command's end, also when PostgreSQL is away meanwhile. Raises StillRunning after `within_s` without one."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                with suppress(DatabaseAway):
                    async with listen(database, DONE) as told:
                        if (result := await _told_end(database, command_id, told)) is not None:
                            return result
                await asyncio.sleep(AGAIN_S)
    except TimeoutError:
        raise StillRunning from None


async def _told_end(database: Database, command_id: int, told: "asyncio.Queue[str | None]") -> Result | None:
    """The command's end; None when the connection was lost before it was told."""
    while True:
        result = await result_of(database, command_id)
        if result is not None:
            return result
        while (payload := await told.get()) != str(command_id):
            if payload is None:
                return None


async def result_of(database: Database, command_id: int) -> Result | None:
    """How a command ended, or None while it has not."""
    async with database.transaction() as tx:
        query = select(call_command.c.state, call_command.c.result).where(call_command.c.id == command_id)
        row = (await tx.execute(query)).one()
    if row.state in (State.ASKED, State.RUNNING):
        return None
    told = row.result or {}
    return Result(State(row.state), told.get("code", ""), told.get("sentence", ""), told.get("data"))


async def take(tx: AsyncConnection, node: str, *, limit: int = 50) -> tuple[Command, ...]:
    """Asked commands of a node, oldest first, now running: theirs alone, even with two takers."""
    asked = (
        select(call_command.c.id)
        .where(call_command.c.state == State.ASKED, call_command.c.node == node)
        .order_by(call_command.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list((await tx.execute(asked)).scalars())
    if not ids:
        return ()
    running = (
        update(call_command)
        .where(call_command.c.id.in_(ids))
        .values(state=State.RUNNING, started_at=func.clock_timestamp())
        .returning(call_command)
    )
    rows = (await tx.execute(running)).all()
    return tuple(_command(row) for row in sorted(rows, key=lambda row: int(row.id)))


async def left_running(tx: AsyncConnection, node: str) -> tuple[Command, ...]:
    """Commands a dead process left behind."""
    query = select(call_command).where(call_command.c.state == State.RUNNING, call_command.c.node == node)
    return tuple(_command(row) for row in await tx.execute(query.order_by(call_command.c.id)))


async def finish(tx: AsyncConnection, command_id: int, result: Result) -> None:
    """Write how a command ended and tell whoever waits."""
    told = {"code": result.code, "sentence": result.sentence, "data": result.data}
    done = update(call_command).where(call_command.c.id == command_id, call_command.c.state == State.RUNNING)
    await tx.execute(done.values(state=result.state, result=told, done_at=func.clock_timestamp()))
    await notify(tx, DONE, str(command_id))


def _command(row: Any) -> Command:
    return Command(
        id=row.id,
        key=row.key,
        node=row.node,
        call_id=CallId(row.call_id) if row.call_id else None,
        kind=Kind(row.kind),
        args=dict(row.args),
        actor=row.actor,
        state=State(row.state),
        asked_at=row.asked_at,
    )
