"""Messages on a real PostgreSQL: sent at most once, receipts and replies counted once, whatever goes wrong."""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database, DatabaseAway
from callcenter.jobs import RetryPolicy, Worker
from callcenter.sms import service
from callcenter.sms.facts import (
    ReplyReceived,
    SmsDelivered,
    SmsFact,
    SmsOutcomeUnknown,
    SmsSubmitted,
    SmsUndelivered,
)
from callcenter.sms.message import Purpose, State
from callcenter.sms.port import SmsRejected, SmsUnavailable, SmsUnknown
from callcenter.sms.submit import SUBMIT_RETRIES, Submitter
from callcenter.sms.tables import sms_message
from callcenter.types import IdentityId, TicketId
from tests.support.eventually import eventually
from tests.support.sms import CITIZEN, HOURS, MORNING, NIGHT, NOON, Desk, ScriptedSender

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


@pytest.fixture
def sender(desk: Desk) -> ScriptedSender:
    assert isinstance(desk.sender, ScriptedSender)
    return desk.sender


def names(facts: tuple[SmsFact, ...] | list[SmsFact]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


async def jobs_at(db: Database) -> list[datetime]:
    async with db.transaction() as tx:
        rows = await tx.execute(text("SELECT execute_after FROM pgqueuer ORDER BY id"))
        return list(rows.scalars())


async def test_a_message_and_its_job_are_written_together_or_not_at_all(desk: Desk) -> None:
    message = service.NewMessage("s:1", await desk.who(), Purpose.SURVEY, "请回复评价", TicketId("T1"))
    async with desk.db.engine.connect() as tx:
        transaction = await tx.begin()
        await service.queue_message(tx, message, now=NOON, hours=HOURS)
        await transaction.rollback()
    assert await jobs_at(desk.db) == []
    assert (await desk.queue()).state is State.QUEUED
    assert len(await jobs_at(desk.db)) == 1
    assert await desk.queue() == service.Queued(State.QUEUED, None)
    assert len(await jobs_at(desk.db)) == 1


@pytest.mark.parametrize("key", ["", "路灯", "a b", "a" * 81])
async def test_a_key_that_cannot_stand_in_a_url_is_refused(desk: Desk, key: str) -> None:
    with pytest.raises(service.BadMessageKey):
        await desk.queue(key)


async def test_a_worker_sends_what_is_queued(desk: Desk, sender: ScriptedSender) -> None:
    await desk.queue()
    worker = Worker(desk.db.asyncpg_dsn, {service.SUBMIT_JOB: desk.submitter})
    task = asyncio.create_task(worker.run())
    await eventually(lambda: bool(desk.facts), "it is sent")
    worker.stop()
    await asyncio.wait_for(task, 30)
    assert sender.sent == [(CITIZEN.digits, "s:1")]
    row = await desk.row()
    assert (row.state, row.submit_attempts, row.gateway_id, row.submitted_at) == ("submitted", 1, "gw-1", NOON)
    [fact] = desk.facts
    assert isinstance(fact, SmsSubmitted)
    assert (fact.message.key, fact.message.purpose, fact.message.ticket) == ("s:1", Purpose.SURVEY, "T1")


async def test_a_message_of_the_night_waits_for_the_morning(desk: Desk) -> None:
    desk.now = NIGHT
    assert (await desk.queue()).sends_at == MORNING
    assert await jobs_at(desk.db) == [MORNING]


async def test_an_answer_to_the_citizen_does_not_wait(desk: Desk) -> None:
    desk.now = NIGHT
    assert (await desk.queue(purpose=Purpose.ACK)).sends_at == NIGHT


async def test_a_backlog_that_is_reached_at_night_is_put_off(desk: Desk, sender: ScriptedSender) -> None:
    await desk.queue()
    desk.now = NIGHT
    # The job that finds it too early still holds its key: putting off must not need that key.
    await desk.submit(job_id=7)
    await desk.submit(job_id=7)
    assert sender.sent == []
    assert await jobs_at(desk.db) == [NOON, MORNING]
    desk.now = MORNING
    await desk.submit(job_id=8)
    assert len(sender.sent) == 1


async def test_an_expired_message_is_not_sent(desk: Desk, sender: ScriptedSender) -> None:
    await desk.queue(expires_at=NOON + timedelta(hours=1))
    desk.now = NOON + timedelta(hours=1)
    await desk.submit()
    assert sender.sent == []
    [fact] = desk.facts
    assert isinstance(fact, SmsUndelivered)
    assert fact.reason == "expired"


async def test_who_asked_for_no_more_messages_gets_only_answers(desk: Desk, sender: ScriptedSender) -> None:
    await desk.queue("s:before")
    who = await desk.who()
    async with desk.db.transaction() as tx:
        await service.stop(tx, who, now=NOON)
        await service.stop(tx, who, now=NOON)
    assert await desk.queue("s:after") == service.Queued(State.SUPPRESSED, None)
    await desk.submit("s:before")
    assert sender.sent == []
    assert [fact.reason for fact in desk.facts if isinstance(fact, SmsUndelivered)] == ["stopped"]
    await desk.queue("a:1", Purpose.ACK)
    await desk.submit("a:1")
    async with desk.db.transaction() as tx:
        await service.allow_again(tx, who)
    await desk.queue("s:again")
    await desk.submit("s:again")
    assert [key for _, key in sender.sent] == ["a:1", "s:again"]


async def test_a_citizen_who_was_forgotten_is_not_written_to(desk: Desk, sender: ScriptedSender) -> None:
    message = service.NewMessage("s:1", IdentityId(999), Purpose.SURVEY, "请回复评价")
    async with desk.db.transaction() as tx:
        await service.queue_message(tx, message, now=NOON, hours=HOURS)
    await desk.submit()
    assert sender.sent == []
    assert (await desk.row()).reason == "no_number"


async def test_a_gateway_that_took_nothing_is_tried_again(desk: Desk, sender: ScriptedSender) -> None:
    sender.script = [SmsUnavailable("refused"), SmsUnavailable("refused")]
    await desk.queue()
    for _ in range(2):
        with pytest.raises(SmsUnavailable):
            await desk.submit()
        row = await desk.row()
        assert (row.state, row.submit_attempts) == ("queued", 0)
    await desk.submit()
    await desk.submit()
    row = await desk.row()
    assert (row.state, row.submit_attempts, row.turned_away) == ("submitted", 1, 2)
    assert len(sender.sent) == 3
    assert names(desk.facts) == ["SmsSubmitted"]


def test_a_gateway_may_be_away_for_hours() -> None:
    waited_s = sum(SUBMIT_RETRIES.pause_s(tries) for tries in range(1, SUBMIT_RETRIES.max_tries))
    assert waited_s > 4 * 3600


@pytest.mark.parametrize(
    ("error", "state", "fact"),
    [
        (SmsRejected("bad number"), "rejected", SmsUndelivered),
        (SmsUnknown("no answer"), "unknown", SmsOutcomeUnknown),
        (RuntimeError("a bug in a provider"), "unknown", SmsOutcomeUnknown),
    ],
)
async def test_every_other_failure_is_the_end_of_sending(
    desk: Desk, sender: ScriptedSender, error: Exception, state: str, fact: type[SmsFact]
) -> None:
    sender.script = [error]
    await desk.queue()
    await desk.submit()
    await desk.submit()
    row = await desk.row()
    assert (row.state, row.submit_attempts, row.reason) == (state, 1, str(error))
    assert [type(each) for each in desk.facts] == [fact]
    assert len(sender.sent) == 1


async def test_a_worker_killed_while_sending_leaves_unknown_and_nobody_sends_again(desk: Desk) -> None:
    asked = 0
    arrived = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        arrived.set()
        await reader.read()
        writer.close()

    gateway = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{gateway.sockets[0].getsockname()[1]}/cgi-bin/sendsms"
    dsn = desk.db.url.render_as_string(hide_password=False)
    await desk.queue()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.sending_worker", dsn, url, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}
    )
    try:
        await asyncio.wait_for(arrived.wait(), 60)
        assert (await desk.row()).state == "submitting"
    finally:
        child.kill()
        await child.wait()
    worker = Worker(desk.db.asyncpg_dsn, {service.SUBMIT_JOB: desk.submitter}, lease_s=2)
    task = asyncio.create_task(worker.run())
    await eventually(lambda: bool(desk.facts), "the next worker finds it", 60)
    worker.stop()
    await asyncio.wait_for(task, 30)
    gateway.close()
    assert names(desk.facts) == ["SmsOutcomeUnknown"]
    assert (await desk.row()).state == "unknown"
    assert asked == 1
    assert isinstance(desk.sender, ScriptedSender)
    assert desk.sender.sent == []
    # The receipt still tells.
    assert names(await desk.receipt(1)) == ["SmsDelivered"]


async def test_a_database_lost_after_the_send_leaves_unknown(desk: Desk, sender: ScriptedSender) -> None:
    turns = itertools.count(1)

    @asynccontextmanager
    async def lost_at_the_second_time() -> AsyncIterator[AsyncConnection]:
        if next(turns) == 2:
            raise DatabaseAway("gone")
        async with desk.db.transaction() as tx:
            yield tx

    await desk.queue()
    job = service.SUBMIT_JOB
    shaky = Submitter(lost_at_the_second_time, sender, desk.vault.number_of, HOURS, desk.tell, now=lambda: NOON)
    worker = Worker(desk.db.asyncpg_dsn, {job: shaky}, policies={job: RetryPolicy(first_s=0.01)}, lease_s=2)
    task = asyncio.create_task(worker.run())
    await eventually(lambda: bool(desk.facts), "the job ran again")
    worker.stop()
    await asyncio.wait_for(task, 30)
    assert names(desk.facts) == ["SmsOutcomeUnknown"]
    assert len(sender.sent) == 1


async def test_a_second_run_of_a_living_submit_neither_sends_nor_spoils_its_answer(
    desk: Desk, sender: ScriptedSender
) -> None:
    async def meanwhile() -> None:
        await desk.submit()

    sender.script = [meanwhile]
    await desk.queue()
    await desk.submit()
    assert len(sender.sent) == 1
    assert names(desk.facts) == ["SmsOutcomeUnknown", "SmsSubmitted"]
    assert (await desk.row()).state == "submitted"


async def test_a_receipt_may_come_before_the_gateways_answer(desk: Desk, sender: ScriptedSender) -> None:
    early: list[SmsFact] = []

    async def meanwhile() -> None:
        early.extend(await desk.receipt(8))
        early.extend(await desk.receipt(1))

    sender.script = [meanwhile]
    await desk.queue()
    await desk.submit()
    assert names(early) == ["SmsSubmitted", "SmsDelivered"]
    assert desk.facts == []
    assert (await desk.row()).state == "delivered"


@pytest.mark.parametrize(
    ("types", "state", "facts"),
    [
        ((8, 1), "delivered", [SmsDelivered]),
        ((1, 8), "delivered", [SmsDelivered]),
        ((4, 8, 8, 1, 1), "delivered", [SmsDelivered]),
        ((8, 2), "undelivered", [SmsUndelivered]),
        ((2, 1), "undelivered", [SmsUndelivered]),
        ((1, 2), "delivered", [SmsDelivered]),
        ((16,), "rejected", [SmsUndelivered]),
        ((4,), "submitted", []),
    ],
)
async def test_receipts_in_any_order_tell_the_end_once(
    desk: Desk, types: tuple[int, ...], state: str, facts: list[type[SmsFact]]
) -> None:
    await desk.queue()
    await desk.submit()
    told: list[SmsFact] = []
    for dlr_type in types:
        told += await desk.receipt(dlr_type)
    assert [type(fact) for fact in told] == facts
    assert (await desk.row()).state == state
    async with desk.db.transaction() as tx:
        rows = await tx.execute(text("SELECT dlr_type FROM sms_receipt ORDER BY dlr_type"))
        assert list(rows.scalars()) == sorted(set(types))


async def test_the_same_receipt_ten_times_at_once_is_one_fact(desk: Desk) -> None:
    await desk.queue()
    await desk.submit()
    told = await asyncio.gather(*(desk.receipt(1) for _ in range(10)))
    assert names([fact for facts in told for fact in facts]) == ["SmsDelivered"]


async def test_a_receipt_for_nothing_of_ours_says_nothing(desk: Desk) -> None:
    assert await desk.receipt(1, "s:unknown") == ()


async def test_a_reply_is_stored_and_told_once(desk: Desk) -> None:
    told = await asyncio.gather(*(desk.inbound("1", "gw-1") for _ in range(5)))
    [fact] = [fact for facts in told for fact in facts]
    assert isinstance(fact, ReplyReceived)
    assert (fact.body, fact.to_number, fact.identity) == ("1", "12345", await desk.who())
    assert len(await desk.inbound("1", "gw-2")) == 1
    # Without a name of the gateway's: the same words at the same time are the same message.
    assert len(await desk.inbound("不满意", sent_at="100")) == 1
    assert await desk.inbound("不满意", sent_at="100") == ()
    assert len(await desk.inbound("不满意", sent_at="101")) == 1


async def test_a_reply_is_settled(desk: Desk) -> None:
    [fact] = await desk.inbound("1", "gw-1")
    assert isinstance(fact, ReplyReceived)
    async with desk.db.transaction() as tx:
        await service.settle(tx, fact.inbound_id, "counted", survey_id=5)
        row = (await tx.execute(text("SELECT state, survey_id FROM sms_inbound"))).one()
    assert tuple(row) == ("counted", 5)


async def test_what_was_never_heard_of_again_is_given_up(desk: Desk, sender: ScriptedSender) -> None:
    await desk.queue("s:old")
    await desk.queue("s:new")
    for key, age in (("s:old", service.LONGEST_SUBMIT * 2), ("s:new", timedelta(0))):
        values = {"state": "submitting", "submit_attempts": 1, "submitting_at": NOON - age}
        async with desk.db.transaction() as tx:
            await tx.execute(update(sms_message).where(sms_message.c.key == key).values(values))
    async with desk.db.transaction() as tx:
        facts = await service.give_up_lost(tx, now=NOON)
    assert names(facts) == ["SmsOutcomeUnknown"]
    assert (await desk.row("s:old")).state == "unknown"
    assert (await desk.row("s:new")).state == "submitting"
    await desk.submit("s:old")
    assert sender.sent == []


@pytest.mark.parametrize("change", ["state = 'queued'", "state = 'submitting'", "submit_attempts = 2"])
async def test_the_database_itself_refuses_a_second_send(desk: Desk, change: str) -> None:
    await desk.queue()
    await desk.submit()
    with pytest.raises(DBAPIError):
        async with desk.db.transaction() as tx:
            await tx.execute(text(f"UPDATE sms_message SET {change}"))


async def test_no_number_lies_in_the_tables_of_messages(desk: Desk) -> None:
    await desk.queue()
    await desk.submit()
    await desk.receipt(1)
    await desk.inbound("1")
    async with desk.db.transaction() as tx:
        for table in ("sms_message", "sms_receipt", "sms_inbound", "sms_stop", "pgqueuer_log"):
            rows = (await tx.execute(text(f"SELECT t::text FROM {table} t"))).scalars()
            assert not any(CITIZEN.digits in row for row in rows)
