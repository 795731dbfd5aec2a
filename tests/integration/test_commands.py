"""Commands as rows: asked once, taken by one, finished once, never repeated after a crash."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import commands, missed
from callcenter.call_deeds import CallDeeds
from callcenter.command_runner import CommandRunner
from callcenter.commands import Command, Kind, Result, State, StillRunning
from callcenter.control import Control
from callcenter.db import Database
from callcenter.tables import call_command
from callcenter.tracker import Tracker
from callcenter.types import Actor, AgentId, CallId, PhoneNumber
from tests.support.eventually import eventually
from tests.support.told import VAULT, caller, lost, with_call

ME = Actor("user", "wangmin")
ID = CallId("a-1763800000.12")


async def ask(tx: AsyncConnection, key: str, kind: Kind = Kind.MERGE, node: str = "a", **args: Any) -> int:
    return await commands.ask(tx, kind, key=key, node=node, actor=ME, call_id=ID, args=args)


async def state(db: Database, command: int) -> str:
    async with db.transaction() as tx:
        query = select(call_command.c.state).where(call_command.c.id == command)
        return str((await tx.execute(query)).scalar_one())


async def test_a_command_is_asked_taken_and_finished(db: Database) -> None:
    async with db.transaction() as tx:
        command = await ask(tx, "k1", Kind.CONSULT, unit="urban")
    assert await commands.result_of(db, command) is None
    async with db.transaction() as tx:
        (taken,) = await commands.take(tx, "a")
    assert (taken.id, taken.kind, taken.args, taken.call_id, taken.state) == (
        command, Kind.CONSULT, {"unit": "urban"}, ID, State.RUNNING,
    )  # fmt: skip
    async with db.transaction() as tx:
        await commands.finish(tx, command, Result(State.DONE, data={"channel": "u"}))
    assert await commands.result_of(db, command) == Result(State.DONE, "ok", "", {"channel": "u"})


async def test_the_same_key_is_the_same_command(db: Database) -> None:
    async with db.transaction() as tx:
        first = await ask(tx, "k1")
        assert await ask(tx, "k1", Kind.HANG_UP) == first
        assert await ask(tx, "k2") != first
    async with db.transaction() as tx:
        taken = await commands.take(tx, "a")
    assert (taken[0].id, taken[0].kind, len(taken)) == (first, Kind.MERGE, 2)


async def test_two_who_ask_at_once_with_one_key_ask_once(db: Database) -> None:
    async def once() -> int:
        async with db.transaction() as tx:
            return await ask(tx, "k1")

    assert len(set(await asyncio.gather(*(once() for _ in range(8))))) == 1


async def test_what_is_rolled_back_was_never_asked(db: Database) -> None:
    async with db.engine.connect() as tx:
        transaction = await tx.begin()
        await ask(tx, "k1")
        await transaction.rollback()
    async with db.transaction() as tx:
        assert await commands.take(tx, "a") == ()


async def test_two_takers_never_have_the_same_command(db: Database) -> None:
    async with db.transaction() as tx:
        asked = [await ask(tx, f"k{number}") for number in range(40)]

    async def taker() -> list[int]:
        mine: list[int] = []
        while True:
            async with db.transaction() as tx:
                taken = await commands.take(tx, "a", limit=3)
            if not taken:
                return mine
            mine += [one.id for one in taken]

    shares = await asyncio.gather(*(taker() for _ in range(4)))
    assert sorted(one for share in shares for one in share) == asked
    assert all(share == sorted(share) for share in shares)


async def test_a_node_takes_its_own_commands_only(db: Database) -> None:
    async with db.transaction() as tx:
        mine, _ = await ask(tx, "k1"), await ask(tx, "k2", node="b")
        assert [one.id for one in await commands.take(tx, "a")] == [mine]


async def test_who_waits_is_told_when_it_ends(db: Database) -> None:
    async with db.transaction() as tx:
        command = await ask(tx, "k1")
        (_,) = await commands.take(tx, "a")
    waiting = asyncio.create_task(commands.wait(db, command, within_s=10))
    async with db.transaction() as tx:
        await commands.finish(tx, command, Result(State.FAILED, "UnitBusy", "承办单位电话占线。"))
    result = await waiting
    assert (result.state, result.code, result.sentence) == (State.FAILED, "UnitBusy", "承办单位电话占线。")


async def test_who_waits_too_long_is_told_so(db: Database) -> None:
    async with db.transaction() as tx:
        command = await ask(tx, "k1")
    with pytest.raises(StillRunning):
        await commands.wait(db, command, within_s=0.05)


async def test_an_end_is_written_once(db: Database) -> None:
    async with db.transaction() as tx:
        command = await ask(tx, "k1")
        await commands.take(tx, "a")
    for end in (Result(State.UNKNOWN, "restarted"), Result(State.DONE)):
        async with db.transaction() as tx:
            await commands.finish(tx, command, end)
    assert await state(db, command) == State.UNKNOWN


class Unheard:
    """An AMI that must not be spoken to: what it is asked for fails the test."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def action(self, name: str, fields: object = (), *, timeout_s: float = 5) -> Any:
        self.asked.append(name)
        raise AssertionError(name)

    async def originate(self, **_: Any) -> Any:
        self.asked.append("Originate")
        raise AssertionError("Originate")


def runner(db: Database, asterisk: Unheard) -> CommandRunner:
    control = Control(asterisk, node="a", caller_number=PhoneNumber("12345"), audiosocket_address=("127.0.0.1", 12004))
    return CommandRunner(db, CallDeeds(db, control, Tracker(), VAULT, b"secret"), "a")


async def run_until(one: CommandRunner, db: Database, command: int, ended: str) -> None:
    task = asyncio.create_task(one.run())
    try:

        async def so() -> bool:
            return await state(db, command) == ended

        await eventually(so, f"the command is {ended}")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_a_dead_process_left_running_ends_unknown_and_is_not_repeated(db: Database) -> None:
    async with db.transaction() as tx:
        command = await ask(tx, "k1", Kind.CALL_BACK, agent="8001", caller=await caller(tx))
        (taken,) = await commands.take(tx, "a")
        assert isinstance(taken, Command)
    asterisk = Unheard()
    await run_until(runner(db, asterisk), db, command, State.UNKNOWN)
    result = await commands.result_of(db, command)
    assert result is not None
    assert result.code == "restarted"
    assert "不要直接重复" in result.sentence
    assert asterisk.asked == []


async def test_a_call_back_left_running_by_a_dead_process_is_given_back_to_the_ledger(db: Database) -> None:
    async with db.transaction() as tx:
        who, own = await caller(tx), CallId("a-1763800000.900000001")
        await missed.record(tx, lost(await with_call(tx, 1, who)), who)
        (row,) = await missed.open_rows(tx, after=None, limit=1)
        await missed.take(tx, row.id, AgentId("8001"), own)
        args = {"agent": "8001", "caller": who}
        command = await commands.ask(tx, Kind.CALL_BACK, key="k1", node="a", actor=ME, call_id=own, args=args)
        await commands.take(tx, "a")
    await run_until(runner(db, Unheard()), db, command, State.UNKNOWN)
    async with db.transaction() as tx:
        (row,) = await missed.open_rows(tx, after=None, limit=1)
    assert (row.state, row.attempts) == ("open", 1)


async def test_a_command_nobody_took_for_long_is_given_up(db: Database) -> None:
    async with db.transaction() as tx:
        command = await ask(tx, "k1", Kind.CALL_BACK, agent=AgentId("8001"), caller=1)
        late = text("UPDATE call_command SET asked_at = asked_at - interval '25 seconds'")
        await tx.execute(late)
    asterisk = Unheard()
    await run_until(runner(db, asterisk), db, command, State.FAILED)
    result = await commands.result_of(db, command)
    assert result is not None
    assert result.code == "stale"
    assert asterisk.asked == []


@pytest.mark.parametrize("kind", [Kind.CONSULT, Kind.MERGE, Kind.LEAVE, Kind.HANG_UP, Kind.TAP, Kind.LISTEN])
async def test_a_command_to_a_call_that_is_over_says_so(db: Database, kind: Kind) -> None:
    async with db.transaction() as tx:
        command = await ask(tx, "k1", kind, unit="urban", supervisor="8009")
    asterisk = Unheard()
    await run_until(runner(db, asterisk), db, command, State.FAILED)
    result = await commands.result_of(db, command)
    assert result is not None
    assert (result.code, result.sentence) == ("CallGone", "通话已结束，操作没有执行。")
    assert asterisk.asked == []
