"""Messages through a real Kannel to a played carrier and its handsets, and back into a real PostgreSQL."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.jobs import RetryPolicy, Worker
from callcenter.sms import service
from callcenter.sms.facts import ReplyReceived, SmsFact, SmsUndelivered
from callcenter.sms.intake import Intake
from callcenter.sms.kannel import KannelSender, receipts_url
from callcenter.sms.message import Purpose
from callcenter.sms.port import SmsUnavailable
from callcenter.sms.texts import survey_text
from callcenter.stack.stack import Stack
from callcenter.types import PhoneNumber, TicketId
from config.sms_loader import load_sms
from tests.support.eventually import eventually
from tests.support.sms import HOURS, Desk
from tests.support.stack import new_folder

pytestmark = pytest.mark.stack

LONG = survey_text(load_sms().texts, title="幸福路23号楼前路灯不亮已三天", ticket="LS20261122-0007") * 3
ESTABLISHED = "01"


@dataclass
class Gateway:
    """A Kannel of this module's own, with our desk and callback door at it."""

    stack: Stack
    desk: Desk

    @property
    def door(self) -> Intake:
        token, desk = self.stack.secrets.sms_callback_token, self.desk
        return Intake(token, desk.db.transaction, desk.vault.identity_of, desk.tell)

    async def queue(self, number: str, body: str = LONG) -> str:
        """Queue one message to `number`; its key."""
        key = f"survey:{number}"
        message = service.NewMessage(
            key, await self.desk.who(PhoneNumber(number)), Purpose.SURVEY, body, TicketId("T1")
        )
        async with self.desk.db.transaction() as tx:
            await service.queue_message(tx, message, now=self.desk.now, hours=HOURS)
        return key

    async def becomes(self, key: str, state: str) -> None:
        async def there() -> bool:
            return bool((await self.desk.row(key)).state == state)

        await eventually(there, f"{key} becomes {state}", 40)

    def submits(self, number: str) -> int:
        return sum(1 for submit in self.stack.handsets.submits if submit.destination == number)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        policy = {service.SUBMIT_JOB: RetryPolicy(max_tries=100, first_s=0.2, longest_s=0.2)}
        worker = Worker(self.desk.db.asyncpg_dsn, {service.SUBMIT_JOB: self.desk.submitter}, policies=policy, lease_s=2)
        task = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await asyncio.wait_for(task, 40)


async def nothing(url: str) -> None:
    """No tables: the stack's own database is not started."""


@pytest.fixture(scope="module")
async def kannel() -> AsyncIterator[Stack]:
    stack = Stack(new_folder("kannel"), migrate=nothing)
    stack.open()
    try:
        await stack.handsets.start()
        await stack.kannel.boot()
        await stack.handsets.bound()
        yield stack
    finally:
        await stack.remove()


@pytest.fixture
async def gateway(kannel: Stack, db: Database) -> AsyncIterator[Gateway]:
    told = receipts_url(f"http://127.0.0.1:{kannel.ports.sms_callback}", kannel.secrets.sms_callback_token)
    sender = KannelSender(kannel.kannel.url, "callcenter", kannel.secrets.kannel_sendsms, told)
    yield Gateway(kannel, Desk(db, sender=sender))
    await sender.close()


async def test_a_long_chinese_text_arrives_whole_and_is_told_delivered(gateway: Gateway) -> None:
    async with gateway.door.serving(gateway.stack.ports.sms_callback), gateway.working():
        key = await gateway.queue("13800000001")
        arrived = await gateway.stack.handsets.next_text("13800000001")
        await gateway.becomes(key, "delivered")
    assert arrived.text == LONG
    assert arrived.sender == "12345"
    assert arrived.parts > 1
    row = await gateway.desk.row(key)
    assert (row.submit_attempts, row.reason) == (1, None)
    # The gateway's receipt may overtake its answer to the submit; then delivered is all there is left to say.
    assert [type(fact).__name__ for fact in gateway.desk.facts] in (
        ["SmsSubmitted", "SmsDelivered"],
        ["SmsDelivered"],
    )


@pytest.mark.parametrize(
    ("number", "ill", "state", "reason"),
    [("13800000002", "undeliverable", "undelivered", "failed"), ("13800000003", "rejected", "rejected", "rejected")],
)
async def test_what_does_not_arrive_is_told(gateway: Gateway, number: str, ill: str, state: str, reason: str) -> None:
    getattr(gateway.stack.handsets, ill).add(number)
    async with gateway.door.serving(gateway.stack.ports.sms_callback), gateway.working():
        key = await gateway.queue(number, "您好")
        await gateway.becomes(key, state)
    [fact] = [fact for fact in gateway.desk.facts if isinstance(fact, SmsUndelivered)]
    assert (fact.message.key, fact.reason) == (key, reason)
    assert gateway.submits(number) == 1


@pytest.mark.parametrize("said", ["1", "不满意，路灯还是不亮" * 20, "Ça va? café"], ids=["digit", "long", "latin"])
async def test_a_reply_arrives_as_it_was_written(gateway: Gateway, said: str) -> None:
    async with gateway.door.serving(gateway.stack.ports.sms_callback):
        await gateway.stack.handsets.send("13800000004", said)
        await eventually(lambda: bool(gateway.desk.facts), "the reply is here")
    [fact] = gateway.desk.facts
    assert isinstance(fact, ReplyReceived)
    assert fact.body == said
    assert fact.to_number == "12345"
    assert fact.identity == await gateway.desk.who(PhoneNumber("13800000004"))


async def test_a_reply_we_could_not_store_is_offered_again(gateway: Gateway) -> None:
    outcomes: list[str] = []

    async def broken_at_first(tx: AsyncConnection, facts: tuple[SmsFact, ...]) -> None:
        if not outcomes:
            raise RuntimeError("the database went away")
        await gateway.desk.tell(tx, facts)

    door = gateway.door
    door.tell, door.count = broken_at_first, outcomes.append
    async with door.serving(gateway.stack.ports.sms_callback):
        await gateway.stack.handsets.send("13800000005", "3")
        await eventually(lambda: bool(gateway.desk.facts), "the reply is offered again", 40)
    assert outcomes == ["failed", "message"]
    [fact] = gateway.desk.facts
    assert isinstance(fact, ReplyReceived)
    assert fact.body == "3"


async def test_a_message_waits_for_a_gateway_that_is_down(gateway: Gateway) -> None:
    kannel = gateway.stack.kannel
    await kannel.smsbox.stop()
    try:
        key = await gateway.queue("13800000006", "您好")
        with pytest.raises(SmsUnavailable):
            await gateway.desk.submit(key)
        assert (await gateway.desk.row(key)).state == "queued"
    finally:
        await kannel.boot_smsbox()
    async with gateway.door.serving(gateway.stack.ports.sms_callback), gateway.working():
        await gateway.becomes(key, "delivered")
    assert gateway.submits("13800000006") == 1


async def test_a_wrong_password_sends_nothing_and_is_tried_again(gateway: Gateway) -> None:
    gateway.desk.sender = KannelSender(gateway.stack.kannel.url, "callcenter", "wrong", "http://127.0.0.1:9/x?y=z")
    key = await gateway.queue("13800000007", "您好")
    with pytest.raises(SmsUnavailable, match="CALLCENTER_KANNEL"):
        await gateway.desk.submit(key)
    await gateway.desk.sender.close()
    assert (await gateway.desk.row(key)).state == "queued"
    assert gateway.submits("13800000007") == 0


async def test_smsbox_killed_with_our_request_unread_is_unknown_and_never_sent_again(gateway: Gateway) -> None:
    kannel = gateway.stack.kannel
    number = "13800000008"
    async with gateway.door.serving(gateway.stack.ports.sms_callback), gateway.working():
        _signal(kannel.smsbox.pid, signal.SIGSTOP)
        key = await gateway.queue(number, "您好")
        await eventually(lambda: unread_bytes(gateway.stack.ports.kannel_sendsms) > 0, "the request is written")
        await kannel.smsbox.kill9()
        await gateway.becomes(key, "unknown")
        await kannel.boot_smsbox()
        # A message queued later overtakes it: this one is not sent again.
        other = await gateway.queue("13800000009", "您好")
        await gateway.becomes(other, "delivered")
    assert gateway.submits(number) == 0
    assert [type(fact).__name__ for fact in gateway.desk.facts if fact_key(fact) == key] == ["SmsOutcomeUnknown"]


async def test_smsbox_killed_with_our_message_handed_on_is_unknown_until_the_receipt_tells(gateway: Gateway) -> None:
    kannel = gateway.stack.kannel
    number = "13800000010"
    async with gateway.door.serving(gateway.stack.ports.sms_callback), gateway.working():
        _signal(kannel.bearerbox.pid, signal.SIGSTOP)
        key = await gateway.queue(number, "您好")
        await eventually(lambda: unread_bytes(gateway.stack.ports.kannel_smsbox) > 0, "smsbox has handed it on")
        await kannel.smsbox.kill9()
        await gateway.becomes(key, "unknown")
        _signal(kannel.bearerbox.pid, signal.SIGCONT)
        await kannel.boot_smsbox()
        await gateway.becomes(key, "delivered")
    assert gateway.submits(number) == 1
    told = [type(fact).__name__ for fact in gateway.desk.facts if fact_key(fact) == key]
    assert [told[0], told[-1]] == ["SmsOutcomeUnknown", "SmsDelivered"]


async def test_kannel_keeps_neither_numbers_nor_texts_in_its_logs(gateway: Gateway) -> None:
    async with gateway.door.serving(gateway.stack.ports.sms_callback), gateway.working():
        key = await gateway.queue("13800000011", "一句不该留下的话")
        await gateway.becomes(key, "delivered")
    logs = logs_of(gateway.stack)
    assert logs
    for secret in ("13800000011", "一句不该留下的话", gateway.stack.secrets.sms_callback_token):
        assert not any(secret.encode() in log for log in logs)


def logs_of(stack: Stack) -> list[bytes]:
    return [path.read_bytes() for path in stack.folder.path.rglob("*.log")]


def fact_key(fact: object) -> str | None:
    message = getattr(fact, "message", None)
    return None if message is None else str(message.key)


def unread_bytes(port: int) -> int:
    """Bytes that peers have sent to connections of this local port and nobody has read (proc(5), /proc/net/tcp)."""
    unread = 0
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        local, _, state, queues = line.split()[1:5]
        if state == ESTABLISHED and int(local.split(":")[1], 16) == port:
            unread += int(queues.split(":")[1], 16)
    return unread


def _signal(pid: int | None, number: signal.Signals) -> None:
    assert pid is not None
    os.kill(pid, number)
