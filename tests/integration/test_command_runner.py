"""What nobody asks for a second time is done all the same: commands of the story across crashes and lost links."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from callcenter import command_runner, commands
from callcenter.ami import AmiClient
from callcenter.call_deeds import CallDeeds
from callcenter.call_facts import Situation
from callcenter.command_runner import CommandRunner
from callcenter.commands import Kind, State
from callcenter.control import Control
from callcenter.db import Database
from callcenter.tracker import Tracker
from callcenter.types import Actor, CallId, PhoneNumber
from tests.support.eventually import eventually
from tests.support.fake_ami import Action, FakeAmi, error, event, success
from tests.support.told import VAULT, trace

STORY = Actor("system", "story")
ID = CallId("a-1763800000.12")
LEFT_BEHIND = ["a-1763800000.13", f"u-{ID}-1"]


@pytest.fixture
async def fake() -> AsyncIterator[FakeAmi]:
    async with FakeAmi(username="actions") as server:
        yield server


@asynccontextmanager
async def running(db: Database, fake: FakeAmi) -> AsyncIterator[CommandRunner]:
    """A runner at work over the played Asterisk."""
    client = AmiClient(host="127.0.0.1", port=fake.port, username="actions", secret="s3cret")
    await client.start()
    control = Control(client, node="a", caller_number=PhoneNumber("12345"), audiosocket_address=("127.0.0.1", 12004))
    runner = CommandRunner(db, CallDeeds(db, control, Tracker(), VAULT, b"secret"), "a")
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()


async def ask(db: Database, kind: Kind, **args: object) -> int:
    async with db.transaction() as tx:
        return await commands.ask(tx, kind, key=f"{kind}:1", node="a", actor=STORY, call_id=ID, args=args)


async def until_state(db: Database, command: int, wanted: State) -> None:
    async def so() -> bool:
        result = await commands.result_of(db, command)
        return result is not None and result.state == wanted

    await eventually(so, f"the command is {wanted}")


def hung_up(fake: FakeAmi) -> list[str]:
    return [action.get("Channel") for action in fake.named("Hangup")]


async def test_legs_left_behind_are_ended_though_the_process_died_over_it(db: Database, fake: FakeAmi) -> None:
    command = await ask(db, Kind.END_OTHERS, channels=LEFT_BEHIND)
    async with db.transaction() as tx:
        await commands.take(tx, "a")
        await tx.execute(text("UPDATE call_command SET asked_at = asked_at - interval '1 hour'"))
    fake.answers["Hangup"] = lambda action: (
        success(action) if action.get("Channel") == LEFT_BEHIND[1] else error(action, "No such channel")
    )
    async with running(db, fake):
        await until_state(db, command, State.DONE)
    assert hung_up(fake) == LEFT_BEHIND


async def test_a_stranded_citizen_is_brought_back_once_asterisk_can_be_reached(db: Database, fake: FakeAmi) -> None:
    await fake.stop()
    async with running(db, fake):
        command = await ask(db, Kind.REQUEUE, channel=ID, units=[])

        async def taken() -> bool:
            async with db.transaction() as tx:
                return bool((await tx.execute(text("SELECT 1 FROM call_command WHERE state = 'running'"))).all())

        await eventually(taken, "the command is taken")
        await fake.listen()
        await until_state(db, command, State.DONE)
    assert [action.get("Channel") for action in fake.named("Redirect")] == [ID]


async def test_a_stranded_citizen_is_not_moved_twice_when_nobody_knows_whether_it_happened(
    db: Database, fake: FakeAmi
) -> None:
    def cut(action: Action) -> bytes:
        fake.cut()
        return b""

    fake.answers["Redirect"] = cut
    command = await ask(db, Kind.REQUEUE, channel=ID, units=[])
    async with running(db, fake):
        await until_state(db, command, State.UNKNOWN)
    assert len(fake.named("Redirect")) == 1


async def test_a_command_taken_in_a_commit_that_was_never_confirmed_is_nobodys(db: Database, fake: FakeAmi) -> None:
    async with running(db, fake):
        done = await ask(db, Kind.GOODBYE, channel=ID)
        await until_state(db, done, State.DONE)
        async with db.transaction() as tx:
            lost = await commands.ask(tx, Kind.TAP, key="tap:1", node="a", actor=STORY, call_id=ID)
            await commands.take(tx, "a")
            # As when PostgreSQL dies with the answer to COMMIT: the connection that listens breaks, too. The runner may
            # look before the commit has come through.
            await tx.execute(
                text(
                    """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'"""
                )
            )
        await until_state(db, lost, State.UNKNOWN)
    result = await commands.result_of(db, lost)
    assert result is not None
    assert result.code == "restarted"


async def test_a_commit_that_comes_through_late_leaves_nothing_running(
    db: Database, fake: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_runner, "LOOK_EVERY_S", 0.05)
    async with running(db, fake):
        done = await ask(db, Kind.GOODBYE, channel=ID)
        await until_state(db, done, State.DONE)
        async with db.transaction() as tx:
            late = await commands.ask(tx, Kind.TAP, key="tap:1", node="a", actor=STORY, call_id=ID)
            await commands.take(tx, "a")
        await until_state(db, late, State.UNKNOWN)


# ---- an agent takes a call back to their telephone ----------------------------------------------------------------


def in_a_talk(runner: CommandRunner) -> CallId:
    """A recorded call up to where citizen and agent hear each other. Returns its id."""
    for one in trace("taken-back"):
        runner.deeds.tracker.take(one)
        talking = [call.id for call in runner.deeds.tracker.calls.values() if call.situation == Situation.TALKING]
        if talking:
            return talking[0]
    raise AssertionError("nobody talks in the trace")


async def rejoin(db: Database, call_id: CallId, agent: str) -> int:
    async with db.transaction() as tx:
        args = {"agent": agent}
        return await commands.ask(
            tx, Kind.REJOIN, key=f"rejoin:{agent}", node="a", actor=STORY, call_id=call_id, args=args
        )


async def test_an_agent_is_rung_into_their_own_call_and_then_the_old_leg_ends(db: Database, fake: FakeAmi) -> None:
    fake.answers["Originate"] = lambda action: (
        success(action) + event("OriginateResponse", ("ActionID", action.id), ("Response", "Success"), ("Reason", "4"))
    )
    async with running(db, fake) as runner:
        call_id = in_a_talk(runner)
        await until_state(db, await rejoin(db, call_id, "8001"), State.DONE)
    done = [action for action in fake.actions if action.name in ("Redirect", "Originate", "Hangup")]
    assert [action.name for action in done] == ["Redirect", "Originate", "Redirect", "Hangup"]
    aside, rung, back, ended = done
    old = ended.get("Channel")
    assert (aside.get("Channel"), aside.get("Context"), aside.get("ExtraChannel")) == (call_id, "hold", old)
    assert (rung.get("Channel"), rung.get("ChannelId")) == ("PJSIP/8001", f"r-{call_id}-1")
    assert (back.get("Channel"), back.get("Context")) == (call_id, "conf-citizen")


async def test_nobody_takes_another_agents_call_back(db: Database, fake: FakeAmi) -> None:
    async with running(db, fake) as runner:
        command = await rejoin(db, in_a_talk(runner), "8002")
        await until_state(db, command, State.FAILED)
        result = await commands.result_of(db, command)
    assert result is not None
    assert result.code == "NothingLeft"
    assert not [action for action in fake.actions if action.name in ("Redirect", "Originate", "Hangup")]


async def test_a_ring_whose_end_nobody_knows_is_neither_repeated_nor_is_the_old_leg_ended(
    db: Database, fake: FakeAmi
) -> None:
    def cut(action: Action) -> bytes:
        fake.cut()
        return b""

    fake.answers["Originate"] = cut
    async with running(db, fake) as runner:
        await until_state(db, await rejoin(db, in_a_talk(runner), "8001"), State.UNKNOWN)
    assert len(fake.named("Originate")) == 1
    assert fake.named("Hangup") == []
