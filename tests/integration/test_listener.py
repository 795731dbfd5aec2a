"""The listener on a real PostgreSQL: gaps made up from Asterisk's log and a look at its channels, a database that
goes away and comes back, a change that cannot be written, events told twice.

Asterisk is played: its manager interface byte for byte, its log line by line.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from callcenter import flow, listener
from callcenter.ami import AmiClient
from callcenter.board import Board
from callcenter.call_parse import WANTED
from callcenter.db import Database
from callcenter.listener import Listener
from callcenter.metrics import STORY_FAILED
from callcenter.stack.stack import Stack
from callcenter.types import CallId, ChannelId
from callcenter.vault import Vault
from tests.support.cel_lines import CALL, PHONE, TRUNK, Log
from tests.support.eventually import eventually
from tests.support.fake_ami import Action, FakeAmi, listing, message
from tests.support.stack import new_folder
from tests.support.tickets import rules

OTHER = CallId("a-1763800090.40")
AGENT = "a-1763800001.13"
T0 = datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)
NUMBER = "13800138000"


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


# ---- Asterisk, played --------------------------------------------------------------------------------------------


def told(name: str, second: float, channel: str, call: str = CALL, **headers: str) -> bytes:
    """One event about a channel."""
    stamp = f"{at(second).timestamp():.6f}"
    named = (("Event", name), ("Timestamp", stamp), ("Uniqueid", channel), ("Linkedid", call))
    return message(*named, *headers.items())


def ringing(call: str = CALL, second: float = 0.0) -> list[bytes]:
    """A citizen reaches the hotline, is answered by Asterisk and waits."""
    number = {"CallerIDNum": NUMBER, "Channel": TRUNK, "Context": "from-trunk", "Exten": "12345"}
    return [
        told("Newchannel", second, call, call, **number),
        told("Newstate", second + 0.1, call, call, ChannelState="6"),
        told("QueueCallerJoin", second + 1, call, call, Queue="hotline"),
    ]


def talking(second: float = 3.0) -> list[bytes]:
    """Agent 8001 answers; both share a bridge."""
    bridge = {"BridgeUniqueid": "b-1", "BridgeTechnology": "simple_bridge"}
    agent = {"DestUniqueid": AGENT, "Interface": "PJSIP/8001"}
    return [
        told("Newchannel", second, AGENT, Channel=PHONE, Context="from-agent", Exten="s"),
        told("AgentCalled", second, CALL, **agent),
        told("Newstate", second + 1, AGENT, ChannelState="6"),
        told("QueueCallerLeave", second + 1, CALL, Queue="hotline"),
        told("AgentConnect", second + 1, CALL, **agent),
        told("BridgeEnter", second + 1.1, AGENT, **bridge),
        told("BridgeEnter", second + 1.1, CALL, **bridge),
    ]


def hanging_up(second: float = 20.0) -> list[bytes]:
    left = {"BridgeUniqueid": "b-1", "BridgeTechnology": "simple_bridge"}
    return [
        told("BridgeLeave", second, CALL, **left),
        told("BridgeLeave", second, AGENT, **left),
        told("Hangup", second + 0.1, AGENT, Cause="16"),
        told("Hangup", second + 0.2, CALL, Cause="16"),
    ]


def logged(log: Log, *, until: float = 20.0) -> None:
    """The same call as Asterisk's log has it; until: when it ended."""
    log.queued(CALL, at(1))
    log.talking(CALL, AGENT, at(4))
    log.gone(CALL, AGENT, at(until))
    log.gone(CALL, CALL, at(until))
    log.over(CALL, at(until))


class Channels:
    """What CoreShowChannels answers: each time the next of these lists, the last one for ever."""

    def __init__(self, *lists: Sequence[str]) -> None:
        self.lists = list(lists) or [[]]
        self.asked = 0

    def __call__(self, action: Action) -> bytes:
        self.asked += 1
        now = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        return listing(action, [self._item(action, one) for one in now], "CoreShowChannelsComplete")

    @staticmethod
    def _item(action: Action, channel: str) -> bytes:
        citizen = channel != AGENT
        return message(
            ("Event", "CoreShowChannel"),
            ("ActionID", action.id),
            ("Channel", TRUNK if citizen else PHONE),
            ("Uniqueid", channel),
            ("Linkedid", channel if citizen else CALL),
            ("ChannelStateDesc", "Up"),
            ("Application", "Queue"),
        )


class Centre:
    """A listener at work between a played Asterisk and a database."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.log = Log(folder / "cel.csv")
        self.spool = folder
        self.fake = FakeAmi()
        self.channels = Channels()

    @asynccontextmanager
    async def listening(self, away_since: datetime | None = None) -> AsyncIterator["Centre"]:
        """From the first link on; away_since: when an earlier run was last alive."""
        self.fake.answers["CoreShowChannels"] = lambda action: self.channels(action)
        client = AmiClient(host="127.0.0.1", port=self.fake.port, username="events", secret="s3cret", wanted=WANTED)
        board = Board("unix:///nonexistent/callcenter-tests/valkey.sock")
        ground = flow.Ground("a", Vault("5a" * 32), rules(), tap_live_words=False)
        reader = Listener(self.database, client, ground, board, self.log.path, self.spool)
        async with self.database.transaction() as tx:
            await reader.load(tx, away_since)
        running = asyncio.create_task(reader.run())
        await client.start()
        await client.ready(10)
        try:
            yield self
        finally:
            await client.close()
            await running
            await board.close()

    async def tell(self, *events: bytes) -> None:
        await self.fake.send(b"".join(events))

    async def lose_the_link(self) -> None:
        """Cut, and back when the listener has caught up."""
        gaps = len(await self.rows("SELECT 1 FROM listener_gap WHERE until_at IS NOT NULL"))
        self.fake.cut()
        await self.until("SELECT 1 FROM listener_gap WHERE until_at IS NOT NULL HAVING count(*) > :gaps", gaps=gaps)

    async def rows(self, query: str, **values: object) -> Sequence[Any]:
        async with self.database.transaction() as tx:
            return (await tx.execute(text(query), values)).all()

    async def until(self, query: str, within_s: float = 20.0, **values: object) -> Any:
        """The first row, once there is one."""
        found: list[Any] = []

        async def there() -> bool:
            found[:] = await self.rows(query, **values)
            return bool(found)

        await eventually(there, query, within_s)
        return found[0]

    async def call(self, call_id: str = CALL, *, ended: bool = True) -> Any:
        """The call's row, once it is over (or just there)."""
        over = "ended_at IS NOT NULL" if ended else "true"
        return await self.until(f"SELECT * FROM call WHERE id = :id AND {over}", id=call_id)

    async def kinds(self, call_id: str = CALL) -> list[str]:
        """Every fact told of a call, in order."""
        rows = await self.rows("SELECT kind FROM call_event WHERE call_id = :id ORDER BY id", id=call_id)
        return [row.kind for row in rows]


@pytest.fixture
async def centre(db: Database, tmp_path: Path) -> AsyncIterator[Centre]:
    made = Centre(db, tmp_path)
    async with made.fake:
        yield made


# ---- gaps --------------------------------------------------------------------------------------------------------


async def test_what_happened_in_a_gap_is_told_from_the_log(centre: Centre) -> None:
    async with centre.listening():
        await centre.tell(*ringing())
        await centre.call(ended=False)
        centre.log.started(CALL, at(0))
        logged(centre.log)
        await centre.lose_the_link()
        call = await centre.call()
    assert (call.exit_reason, call.agent_id, call.queue) == ("answered", "8001", "hotline")
    assert (call.agent_answered_at, call.ended_at) == (at(4), at(20))
    talks = await centre.rows("SELECT party, from_at, until_at FROM talk ORDER BY party")
    assert [tuple(row) for row in talks] == [("agent", at(4), at(20)), ("citizen", at(4), at(20))]
    assert len(await centre.rows("SELECT 1 FROM ticket WHERE call_id = :id", id=CALL)) == 1
    assert len(await centre.rows("SELECT 1 FROM pgqueuer WHERE entrypoint = 'recordings.watch'")) == 1
    [gap] = await centre.rows("SELECT * FROM listener_gap WHERE until_at IS NOT NULL")
    assert gap.cause == "Asterisk closed the connection"
    assert gap.until_at


async def test_a_call_the_listener_never_heard_of_is_on_record(centre: Centre) -> None:
    centre.log.started(CALL, at(0))
    logged(centre.log)
    async with centre.listening(away_since=at(-5)):
        call = await centre.call()
    assert (call.exit_reason, call.agent_id) == ("answered", "8001")
    assert (await centre.kinds())[0] == "CallStarted"
    masked = await centre.rows("SELECT masked FROM identity JOIN call ON call.caller = identity.id")
    assert [row.masked for row in masked] == ["138****8000"]
    [gap] = await centre.rows("SELECT * FROM listener_gap WHERE until_at IS NOT NULL")
    assert (gap.cause, gap.from_at) == ("the listener was not running", at(-5))
    assert gap.until_at


async def test_a_call_that_went_down_with_asterisk_ended_when_the_link_was_lost(centre: Centre) -> None:
    async with centre.listening():
        await centre.tell(*ringing())
        await centre.call(ended=False)
        await centre.lose_the_link()
        call = await centre.call()
    [gap] = await centre.rows("SELECT * FROM listener_gap WHERE until_at IS NOT NULL")
    assert (call.exit_reason, call.ended_at) == ("interrupted", gap.from_at)
    [missed] = await centre.rows("SELECT * FROM missed_call")
    assert (missed.call_id, missed.reason, missed.state) == (CALL, "interrupted", "open")


async def test_audio_written_after_the_last_sign_of_life_dates_the_end(centre: Centre) -> None:
    centre.log.started(CALL, at(0))
    spoken = centre.spool / f"{CALL}_citizen_{CALL}.sln"
    spoken.write_bytes(bytes(32_768))
    written_at = datetime.fromtimestamp(spoken.stat().st_mtime, UTC)
    async with centre.listening(away_since=at(-5)):
        call = await centre.call()
    assert (call.exit_reason, call.ended_at) == ("interrupted", written_at)


async def test_a_call_that_came_between_the_look_and_the_log_goes_on(centre: Centre) -> None:
    # The first look sees nobody; by the time the log is read there is a call; the second look sees it.
    centre.channels = Channels([], [OTHER])
    centre.log.started(OTHER, at(0))
    async with centre.listening(away_since=at(-5)):
        await centre.until("SELECT 1 FROM listener_gap WHERE until_at IS NOT NULL")
        assert centre.channels.asked >= 2
        assert (await centre.call(OTHER, ended=False)).ended_at is None


async def test_a_leg_that_asterisk_lost_ends_and_the_call_goes_on(centre: Centre) -> None:
    async with centre.listening():
        await centre.tell(*ringing(), *talking())
        await centre.until("SELECT 1 FROM call WHERE state = 'talking'")
        centre.channels = Channels([CALL])
        await centre.lose_the_link()
        await centre.until("SELECT 1 FROM leg WHERE channel_id = :id AND ended_at IS NOT NULL", id=AGENT)
        assert (await centre.call(ended=False)).ended_at is None


async def test_a_look_that_gets_no_answer_is_made_again(centre: Centre) -> None:
    answers = centre.channels
    refused = message(("Response", "Error"), ("Message", "not now"))

    def refuse_once(action: Action) -> bytes:
        answers.asked += 1
        named = refused.replace(b"\r\n\r\n", f"\r\nActionID: {action.id}\r\n\r\n".encode())
        return named if answers.asked == 1 else Channels()(action)

    centre.channels = refuse_once  # type: ignore[assignment]
    async with centre.listening(away_since=at(-5)):
        await centre.until("SELECT 1 FROM listener_gap WHERE until_at IS NOT NULL")
    assert answers.asked >= 2


async def test_events_and_the_log_told_again_say_nothing_new(centre: Centre) -> None:
    whole = [*ringing(), *talking(), *hanging_up()]
    async with centre.listening():
        await centre.tell(*whole)
        await centre.call()
        once = await centre.kinds()
        centre.log.started(CALL, at(0))
        logged(centre.log)
        await centre.lose_the_link()
        await centre.tell(*whole, *ringing(OTHER, 30))
        await centre.call(OTHER, ended=False)
        assert await centre.kinds() == once
    assert len(await centre.rows("SELECT 1 FROM ticket")) == 1
    assert len(await centre.rows("SELECT 1 FROM leg WHERE call_id = :id", id=CALL)) == 2
    assert len(await centre.rows("SELECT 1 FROM talk")) == 2


async def test_what_asterisk_lost_without_a_word_is_found_at_the_second_look(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "RECHECK_S", 0.2)
    async with centre.listening():
        centre.channels = Channels([CALL])
        await centre.tell(*ringing())
        await centre.call(ended=False)
        centre.channels = Channels([])
        assert (await centre.call()).exit_reason == "reconciled"


async def test_a_lost_hangup_is_made_up_from_the_log(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "RECHECK_S", 0.2)
    async with centre.listening():
        centre.channels = Channels([CALL, AGENT])
        await centre.tell(*ringing(), *talking())
        await centre.until("SELECT 1 FROM call WHERE state = 'talking'")
        centre.log.started(CALL, at(0))
        logged(centre.log)
        centre.channels = Channels([])
        call = await centre.call()
    assert (call.exit_reason, call.ended_at) == ("answered", at(20))


# ---- the database ------------------------------------------------------------------------------------------------


async def test_a_change_that_cannot_be_written_does_not_take_others_with_it(centre: Centre) -> None:
    async with centre.database.transaction() as tx:
        for statement in POISON:
            await tx.execute(text(statement))
    failed = STORY_FAILED._value.get()
    async with centre.listening():
        await centre.tell(*ringing(), *ringing(OTHER, 5))
        await centre.call(OTHER, ended=False)
        gone = [told("Hangup", 9, call, call, Cause="16") for call in (CALL, OTHER)]
        await centre.tell(*gone)
        poisoned, sound = await centre.call(CALL), await centre.call(OTHER)
    assert (poisoned.exit_reason, sound.exit_reason) == ("abandoned", "abandoned")
    assert [row.call_id for row in await centre.rows("SELECT call_id FROM missed_call")] == [OTHER]
    legs = await centre.rows("SELECT channel_id, ended_at FROM leg ORDER BY channel_id")
    assert [(leg.channel_id, leg.ended_at) for leg in legs] == [
        (ChannelId(CALL), poisoned.ended_at),
        (ChannelId(OTHER), sound.ended_at),
    ]
    assert (await centre.kinds(CALL))[-1] == (await centre.kinds(OTHER))[-1]
    assert STORY_FAILED._value.get() == failed + 1


POISON = (
    f"""CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.call_id = '{CALL}' THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$""",
    "CREATE TRIGGER poison BEFORE INSERT ON missed_call FOR EACH ROW EXECUTE FUNCTION poison()",
)
"""This call's row of the ledger cannot be written."""


@pytest.mark.stack
async def test_postgresql_goes_away_and_comes_back_and_every_change_is_written_in_order(tmp_path: Path) -> None:
    stack = Stack(new_folder("listener"))
    stack.open()
    try:
        await stack.boot_database()
        database = Database(stack.postgres.url())
        made = Centre(database, tmp_path)
        async with made.fake, made.listening():
            await made.tell(*ringing())
            await made.call(ended=False)
            await stack.postgres.kill9()
            await made.tell(*talking(), *hanging_up(), *ringing(OTHER, 30))
            await stack.postgres.boot()
            assert (await made.call()).exit_reason == "answered"
            assert (await made.call(OTHER, ended=False)).state == "queued"
            facts = await made.kinds()
            assert facts.index("AgentAnswered") < facts.index("CitizenLeft") < facts.index("CallEnded")
            assert facts.count("AgentAnswered") == facts.count("CallEnded") == 1
            assert len(await made.rows("SELECT 1 FROM ticket")) == 1
            assert not await made.rows("SELECT 1 FROM listener_gap")
        await database.close()
    finally:
        await stack.remove()
