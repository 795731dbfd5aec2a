"""kill -9 in the middle of a message: of the worker, of PostgreSQL, of Kannel's boxes.

Real processes, a real gateway, a played carrier that counts every submit. Whatever dies, a citizen's handset gets
a message at most once, a reply counts once, and every invariant of `callcenter verify` is kept.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from callcenter.sms import service
from callcenter.sms.hours import SendHours
from callcenter.sms.message import Purpose
from callcenter.stack.hotline import Api, Hotline
from callcenter.stack.stack import Stack
from callcenter.types import PhoneNumber
from callcenter.vault import Vault
from tests.support.eventually import eventually
from tests.support.faults import (
    RECOVERED_WITHIN_S,
    Gate,
    broken_lines,
    kill,
    restart,
    rows,
    until_every_invariant_holds,
    until_rows,
)
from tests.support.lives import EXCEPTION, FIELDS, reply_contents
from tests.support.story import FIRST, Story, story_for_tests

pytestmark = pytest.mark.stack

ALL_DAY = SendHours(time.min, time.max, ZoneInfo("Asia/Shanghai"))
_numbers = itertools.count(13_600_000_001)
GATEWAY_PATIENCE_S = 30.0
"""Kannel offers a receipt again every few seconds; a message it could not hand on, every ten."""


class Desk:
    """The hotline, and its gateway behind a gate."""

    def __init__(self, story: Story, gate: Gate) -> None:
        self.story, self.gate = story, gate
        self.hotline: Hotline = story.hotline
        self.stack: Stack = story.hotline.stack
        self._vault = Vault(self.stack.settings().vault_key.get_secret_value())
        self._keys = itertools.count(1)

    def number(self) -> str:
        """A citizen nobody has written to yet."""
        return str(next(_numbers))

    async def write_to(self, number: str) -> str:
        """Queue a message as a chapter of the story would; its key."""
        key = f"test:{next(self._keys)}"
        async with self.hotline.database.transaction() as tx:
            who = await self._vault.identity_of(tx, PhoneNumber(number))
            message = service.NewMessage(key, who, Purpose.INFO, "您的诉求已受理。")
            await service.queue_message(tx, message, now=datetime.now(UTC), hours=ALL_DAY)
        return key

    async def becomes(self, key: str, *states: str, within_s: float = GATEWAY_PATIENCE_S) -> Any:
        """The message's row, once it is in one of these states."""
        query = "SELECT * FROM sms_message WHERE key = :key AND state = ANY(:states)"
        return (await until_rows(self.hotline, query, within_s, key=key, states=list(states)))[0]

    async def kept(self, count: int) -> None:
        """The gate holds so many pieces more."""
        await eventually(lambda: self.gate.kept >= count, f"{count} pieces at the gate")

    def received(self, number: str) -> int:
        """Texts on this handset."""
        return len(self.stack.handsets.texts_to(number))

    def submits(self, number: str) -> int:
        """Times the gateway gave the carrier a message for this number."""
        return len([one for one in self.stack.handsets.submits if one.destination == number])


@pytest.fixture(scope="module")
async def open_desk() -> AsyncIterator[Desk]:
    stacks: list[Stack] = []
    gate = Gate(lambda: ("127.0.0.1", stacks[0].ports.kannel_sendsms))
    await gate.open()
    with pytest.MonkeyPatch.context() as patch:
        # What the environment says wins over the settings file.
        patch.setenv("CALLCENTER_KANNEL_URL", f"http://127.0.0.1:{gate.port}/cgi-bin/sendsms")
        async with story_for_tests("faults-sms", parts=("listen", "work", "serve")) as story:
            stacks.append(story.hotline.stack)
            yield Desk(story, gate)
    await gate.shut()


@pytest.fixture
async def desk(open_desk: Desk) -> AsyncIterator[Desk]:
    """Everything runs; afterwards every invariant holds."""
    open_desk.gate.kept = 0
    yield open_desk
    open_desk.gate.withhold_answers = open_desk.gate.swallow_requests = False
    await until_every_invariant_holds(open_desk.hotline)


# ---- the worker --------------------------------------------------------------------------------------------------


async def a_finished_call(desk: Desk) -> str:
    """A citizen and an agent have talked; the transcript is not made yet."""
    await desk.story.on_duty(FIRST)
    spoken = await desk.story.talk(keys="")
    spoken.citizen.hang_up()
    await desk.story.until_over(spoken.call_id)
    return spoken.call_id


async def test_the_worker_is_killed_in_a_transcription_and_in_two_submits(desk: Desk) -> None:
    call_id = await a_finished_call(desk)
    taken, lost = desk.number(), desk.number()
    async with desk.hotline.database.transaction() as tx:
        # The transcript is ready and cannot be saved: the worker is in the middle of it for as long as we like.
        await tx.execute(text("LOCK TABLE transcript IN ACCESS EXCLUSIVE MODE"))
        waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'transcript'::regclass"
        await until_rows(desk.hotline, waiting)
        desk.gate.withhold_answers = True
        answered = await desk.write_to(taken)
        await desk.kept(1)
        desk.gate.swallow_requests = True
        swallowed = await desk.write_to(lost)
        await desk.kept(2)
        await kill(desk.hotline, "work")
    assert (await desk.becomes(swallowed, "submitting")).submit_attempts == 1
    desk.gate.withhold_answers = desk.gate.swallow_requests = False
    await restart(desk.hotline, "work")

    unknown, delivered, _ = await asyncio.gather(
        desk.becomes(swallowed, "unknown", within_s=RECOVERED_WITHIN_S),
        desk.becomes(answered, "delivered", within_s=RECOVERED_WITHIN_S),
        until_rows(
            desk.hotline, "SELECT * FROM transcript WHERE call_id = :id", within_s=RECOVERED_WITHIN_S, id=call_id
        ),
    )
    assert (unknown.submit_attempts, desk.received(lost)) == (1, 0)
    assert (delivered.submit_attempts, desk.received(taken), desk.submits(taken)) == (1, 1, 1)
    await until_every_invariant_holds(desk.hotline)
    assert len(await rows(desk.hotline, "SELECT * FROM transcript WHERE call_id = :id", id=call_id)) == 1
    assert (await desk.becomes(swallowed, "unknown")).submit_attempts == 1


# ---- PostgreSQL --------------------------------------------------------------------------------------------------


async def test_postgresql_is_killed_during_a_submit(desk: Desk) -> None:
    number = desk.number()
    desk.gate.withhold_answers = True
    key = await desk.write_to(number)
    await desk.kept(1)
    await desk.stack.postgres.kill9()
    await desk.stack.handsets.next_text(number)
    desk.gate.withhold_answers = False
    await desk.stack.postgres.boot()
    message = await desk.becomes(key, "delivered")
    assert (message.submit_attempts, desk.received(number), desk.submits(number)) == (1, 1, 1)


# ---- Kannel ------------------------------------------------------------------------------------------------------


async def kannel_back(desk: Desk) -> None:
    await desk.stack.kannel.boot()
    await desk.stack.handsets.bound()


async def test_kannel_is_dead_when_a_message_is_due(desk: Desk) -> None:
    number = desk.number()
    await desk.stack.kannel.kill9()
    await desk.gate.shut()
    key = await desk.write_to(number)
    await until_rows(desk.hotline, "SELECT id FROM sms_message WHERE key = :key AND turned_away > 0", key=key)
    await kannel_back(desk)
    await desk.gate.open()
    message = await desk.becomes(key, "delivered")
    assert (message.submit_attempts, desk.received(number)) == (1, 1)


async def test_kannel_is_killed_between_taking_a_message_and_sending_it(desk: Desk) -> None:
    number = desk.number()
    await desk.stack.handsets.stop()
    key = await desk.write_to(number)
    await desk.becomes(key, "submitted")
    await desk.stack.kannel.kill9()
    await desk.stack.handsets.start()
    await kannel_back(desk)
    message = await desk.becomes(key, "delivered")
    assert (message.submit_attempts, desk.received(number), desk.submits(number)) == (1, 1, 1)


async def test_kannel_is_killed_between_sending_and_the_receipt(desk: Desk) -> None:
    number = desk.number()
    desk.stack.handsets.held.add(number)
    key = await desk.write_to(number)
    await desk.stack.handsets.next_text(number)
    await desk.becomes(key, "submitted")
    await desk.stack.kannel.kill9()
    await kannel_back(desk)
    await desk.stack.handsets.release(number)
    message = await desk.becomes(key, "delivered")
    assert (message.submit_attempts, desk.received(number), desk.submits(number)) == (1, 1, 1)


async def asked_for_a_rating(desk: Desk, number: str) -> str:
    """A ticket that was handled; the survey is on the citizen's handset."""
    agent, dispatcher, urban = [await desk.hotline.sign_in(who) for who in ("agent1", "dispatcher", "urban")]
    ticket = await agent.post("/api/tickets", {"fields": {**FIELDS, "phone": number}})
    steps: list[tuple[Api, str, dict[str, Any]]] = [
        (agent, "register", {"intake_exception": EXCEPTION}),
        (dispatcher, "dispatch", {"lead": "urban", "basis": "职责清单"}),
        (urban, "sign", {"person": "值班室"}),
        (urban, "start", {}),
        (urban, "reply", {"contents": reply_contents()}),
    ]
    for who, what, body in steps:
        ticket = await who.post(f"/api/tickets/{ticket['id']}/{what}", {"version": ticket["version"], **body})
    survey = "SELECT m.key FROM sms_message m WHERE m.ticket_id = :id AND purpose = 'survey' AND state = 'delivered'"
    await until_rows(desk.hotline, survey, GATEWAY_PATIENCE_S, id=ticket["id"])
    return str(ticket["id"])


async def test_kannel_is_killed_with_a_citizens_reply_in_its_hands(desk: Desk) -> None:
    number = desk.number()
    ticket = await asked_for_a_rating(desk, number)
    await desk.stack.kannel.smsbox.kill9()
    await desk.stack.handsets.send(number, "1")
    await desk.stack.kannel.bearerbox.kill9()
    await kannel_back(desk)
    query = "SELECT * FROM ticket WHERE id = :id AND rating IS NOT NULL AND state IN ('closed', 'archived')"
    [rated] = await until_rows(desk.hotline, query, GATEWAY_PATIENCE_S, id=ticket)
    assert (rated.rating, rated.rating_source) == ("满意", "citizen")
    replies = await rows(
        desk.hotline,
        "SELECT i.state FROM sms_inbound i JOIN ticket_survey s ON s.id = i.survey_id WHERE s.ticket_id = :id",
        id=ticket,
    )
    assert [reply.state for reply in replies] == ["counted"]


async def test_nothing_broke_that_no_fault_explains(desk: Desk) -> None:
    assert broken_lines(desk.hotline) == []
