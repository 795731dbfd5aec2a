"""`callcenter verify` finds what must never be: each violation is planted by hand, past triggers and constraints."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import invariants
from callcenter.types import CallId, ChannelId, Party, TicketId
from recordings.audio import sha256
from recordings.recording import name_of
from tests.support.cel_lines import CALL, Log
from tests.support.custody import custody_for_tests
from tests.support.spoken import tone, write_sln
from tests.support.tickets import AGENT, DISPATCHER, FIELDS, MONDAY, SYSTEM, WATER, rules
from ticketing import commands, service

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CITIZEN = ChannelId(CALL)


@dataclass
class Book:
    """A sound database with its log and spool, and ways to spoil it."""

    tx: AsyncConnection
    ground: invariants.Ground
    log: Log
    ticket: TicketId

    async def spoil(self, statement: str, **values: object) -> None:
        """One change no trigger, foreign key or constraint of ours would let through."""
        await self.tx.execute(text("SET LOCAL session_replication_role = replica"))
        for each in statement.split(";"):
            changed = await self.tx.execute(text(each), {k: v for k, v in values.items() if f":{k}" in each})
            assert each.lstrip().startswith("ALTER") or changed.rowcount, f"nothing was spoilt by {each}"

    async def found(self, *, at: datetime = NOW) -> list[tuple[str, str]]:
        """(invariant, sentence) of everything that is wrong."""
        wrong = await invariants.verify(self.tx, replace(self.ground, now=at))
        return [(one.invariant, one.sentence) for one in wrong]


@pytest.fixture
async def book(tx: AsyncConnection, tmp_path: Path) -> Book:
    """A call that was answered and recorded, with a dispatched ticket."""
    spool, log = tmp_path / "spool", Log(tmp_path / "cel.csv")
    spool.mkdir()
    ticket = (await service.open_draft(tx, actor=SYSTEM, now=MONDAY, rules=rules(), call_id=CALL)).ticket.id
    for actor, detail in ((AGENT, commands.Register(FIELDS, "来电人直接拨打")), (DISPATCHER, commands.Dispatch(WATER))):
        await service.carry_out(tx, ticket, detail, actor=actor, now=MONDAY, rules=rules())
    ground = invariants.Ground(rules(), spool, log.path, "a", NOW, custody=custody_for_tests(spool))
    kept = Book(tx, ground, log, ticket)
    began, ended = NOW - timedelta(minutes=9), NOW - timedelta(minutes=5)
    await add_call(kept, CALL, began, ended)
    file = write_sln(spool / name_of(CALL, Party.CITIZEN, CITIZEN).name, tone(4))
    await tx.execute(
        text(
            """INSERT INTO recording (call_id, channel_id, kind, party, path, state, sha256, size_bytes,
                                      delete_not_before)
               VALUES (:call, :call, 'leg', 'citizen', :path, 'verified', :sha256, :size, '2029-11-23')"""
        ),
        {"call": CALL, "path": file.name, "sha256": sha256(file), "size": file.stat().st_size},
    )
    return kept


async def add_call(book: Book, call_id: str, began: datetime, ended: datetime | None) -> None:
    """A call and its citizen's leg, on record and in Asterisk's log."""
    values = {"id": call_id, "began": began, "ended": ended, "state": "ended" if ended else "talking"}
    await book.tx.execute(
        text(
            """INSERT INTO call (id, node, state, agent_id, started_at, answered_at, agent_answered_at, ended_at)
               VALUES (:id, 'a', :state, '8001', :began, :began, :began, :ended)"""
        ),
        values,
    )
    await book.tx.execute(
        text(
            """INSERT INTO leg (channel_id, call_id, party, name, created_at, answered_at, ended_at)
               VALUES (:id, :id, 'citizen', 'PJSIP/trunk-00000001', :began, :began, :ended)"""
        ),
        values,
    )
    book.log.started(call_id, began)
    if ended:
        book.log.over(call_id, ended)


async def test_a_sound_book_has_nothing_wrong(book: Book) -> None:
    assert await book.found() == []


OTHER = CallId("a-1763800099.7")
LONG_AGO = NOW - timedelta(minutes=10)

SPOILT = [
    pytest.param("I1", "UPDATE ticket SET call_id = NULL", "has not exactly one ticket", id="call-without-ticket"),
    pytest.param(
        "I1",
        "DELETE FROM ticket_event WHERE seq = 2",
        "has not as many events as its version",
        id="ticket-without-its-event",
    ),
    pytest.param(
        "I2",
        "ALTER TABLE recording DISABLE TRIGGER USER; DELETE FROM recording",
        "has neither recording nor gap",
        id="answered-and-not-recorded",
    ),
    pytest.param(
        "I2",
        "UPDATE recording SET state = 'missing', sha256 = NULL",
        "has neither recording nor gap",
        id="missing-without-a-cause",
    ),
    pytest.param(
        "I2",
        "UPDATE call SET ended_at = NULL, state = 'talking'",
        "is over in Asterisk's log and goes on here",
        id="call-that-never-ends",
    ),
    pytest.param(
        "I3",
        """ALTER TABLE sms_message DROP CONSTRAINT submitted_at_most_once;
           INSERT INTO sms_message (key, identity_id, purpose, body, state, submit_attempts, created_at)
           VALUES ('survey:1', 7, 'survey', 'x', 'delivered', 2, now())""",
        "message survey:1 was submitted more than once",
        id="sent-twice",
    ),
    pytest.param(
        "I3",
        """ALTER TABLE ticket_survey DROP CONSTRAINT ticket_survey_once_a_round;
           INSERT INTO ticket_survey (ticket_id, round, state, window_s, opened_at)
           SELECT id, 1, 'queued', 60, now() FROM ticket, generate_series(1, 2)""",
        "round 1 has more than one survey",
        id="asked-twice",
    ),
    pytest.param(
        "I4",
        """INSERT INTO sms_inbound (gateway_key, identity_id, to_number, body, received_at, state, survey_id)
           SELECT 'id:' || n, 7, '12345', '1', now(), 'counted', 5 FROM generate_series(1, 2) n""",
        "survey 5 has more than one counted reply",
        id="counted-twice",
    ),
    pytest.param("I5", "UPDATE ticket SET state = 'closed'", "is not where its last event led", id="moved-by-hand"),
    pytest.param(
        "I5",
        "UPDATE ticket_event SET actor = 'user:nobody' WHERE seq = 2",
        "the chain of events breaks at 2",
        id="history-rewritten",
    ),
    pytest.param(
        "I7",
        "UPDATE ticket_deadline SET due_at = due_at + interval '1 hour'",
        "computed again",
        id="deadline-moved",
    ),
    pytest.param(
        "I10",
        """INSERT INTO call_command (key, node, kind, args, actor, state, started_at)
           VALUES ('k', 'a', 'consult', '{}', 'user:x', 'running', :long_ago)""",
        "has been running for more than a minute",
        id="command-of-nobody",
    ),
    pytest.param(
        "I10",
        """INSERT INTO pgqueuer (priority, entrypoint, status, dedupe_key, headers)
           VALUES (0, 'call.transcribe', 'failed', 'k', '{"key": "k"}')""",
        "is held",
        id="job-held",
    ),
    pytest.param(
        "I10",
        """INSERT INTO pgqueuer (priority, entrypoint, status, dedupe_key, headers, heartbeat)
           VALUES (0, 'call.transcribe', 'picked', 'k', '{"key": "k"}', :long_ago)""",
        "its worker has been silent",
        id="job-of-a-dead-worker",
    ),
    pytest.param(
        "I10",
        """INSERT INTO sms_message (key, identity_id, purpose, body, state, submit_attempts, created_at, submitting_at)
           VALUES ('survey:1', 7, 'survey', 'x', 'submitting', 1, now(), :long_ago)""",
        "message survey:1 has been at the gateway's door",
        id="message-at-the-door",
    ),
    pytest.param(
        "I10",
        """INSERT INTO missed_call (call_id, reason, at, due_at, state, calling_as)
           VALUES (:call, 'abandoned', :long_ago, :long_ago, 'calling', 'a-1763800001.900000001');
           INSERT INTO call_command (key, node, kind, args, actor, state, done_at)
           VALUES ('call_back:a-1763800001.900000001', 'a', 'call_back', '{}', 'user:x', 'failed', :long_ago)""",
        "is being called back by nobody",
        id="call-back-of-nobody",
    ),
    pytest.param(
        "I13",
        """INSERT INTO audit (at, actor, action, subject, ok)
           VALUES (now() - interval '2 minutes', 'user:x', 'recording.play', 'recording:1', true)""",
        "is not in the chain",
        id="audit-row-put-in",
    ),
    pytest.param(
        "I14",
        """INSERT INTO recording_object (recording_id, name, path, custody, codec, cipher, key_id, wrapped_key,
                                         sealed_bytes, sealed_sha256, stored_at)
           SELECT id, gen_random_uuid(), 'a/b/x', 'stored', 'raw', 'aes-256-gcm', 'k', 'w', 9, repeat('0', 64), now()
           FROM recording;
           INSERT INTO recording_trouble (recording_id, place, trouble, why)
           SELECT id, 'store', 'absent', 'there is no second place' FROM recording""",
        "is absent in the store",
        id="recording-lost",
    ),
    pytest.param(
        "I15",
        "ALTER TABLE recording DISABLE TRIGGER recording_row_guard",
        "guard recording_row_guard on recording is switched off",
        id="guard-switched-off",
    ),
    pytest.param(
        "I15",
        """ALTER TABLE recording_object DISABLE TRIGGER USER;
           INSERT INTO recording_object (recording_id, name, path, custody, codec, cipher, key_id, sealed_bytes,
                                         sealed_sha256, stored_at, recycled_at, deleted_at)
           SELECT id, gen_random_uuid(), 'x.ccr', 'deleted', 'raw', 'aes-256-gcm', 'k', 9, repeat('0', 64), now(),
                  now(), now() FROM recording;
           ALTER TABLE recording_object ENABLE ALWAYS TRIGGER recording_object_row_guard,
               ENABLE ALWAYS TRIGGER recording_object_truncate_guard,
               ENABLE ALWAYS TRIGGER recording_object_ticket_guard""",
        "is deleted, and no certificate says so",
        id="deleted-without-a-certificate",
    ),
    pytest.param(
        "I16",
        """INSERT INTO attachment_object (name, path, place, sha256, plain_bytes, cipher, key_id, wrapped_key,
                                          sealed_bytes, sealed_sha256, prepared_at, stored_at)
           VALUES (gen_random_uuid(), 'attachment/x.sealed', 'stored', repeat('0', 64), 9, 'aes-256-gcm', 'k', 'w', 9,
                   repeat('0', 64), now(), now())""",
        "has no bytes in",
        id="attachment-lost",
    ),
]


@pytest.mark.parametrize(("invariant", "statement", "sentence"), SPOILT)
async def test_a_violation_is_found(book: Book, invariant: str, statement: str, sentence: str) -> None:
    await book.spoil(statement, long_ago=LONG_AGO, call=CALL)
    found = [told for name, told in await book.found() if name == invariant]
    assert found, "nothing was found"
    assert all(sentence in told for told in found), found


async def test_a_call_only_asterisk_knows_is_found(book: Book) -> None:
    book.log.started(OTHER, LONG_AGO)
    assert await book.found() == [("I2", f"call {OTHER} is in Asterisk's log and has no record")]


async def test_a_call_that_just_began_is_not_missed_yet(book: Book) -> None:
    book.log.started(OTHER, NOW - timedelta(seconds=2))
    assert await book.found() == []


async def test_a_call_that_goes_on_is_nothing_wrong(book: Book) -> None:
    await service.open_draft(book.tx, actor=SYSTEM, now=MONDAY, rules=rules(), call_id=OTHER)
    await add_call(book, OTHER, LONG_AGO, None)
    assert await book.found() == []


async def test_a_recording_that_is_gone_or_changed_is_found(book: Book) -> None:
    [file] = book.ground.spool.iterdir()
    with file.open("r+b") as content:
        content.write(b"\x01\x02")
    assert await book.found() == [("I6", f"recording {file.name} is not what was verified")]
    file.unlink()
    assert await book.found() == [("I6", f"recording {file.name} is gone before its time")]
    assert await book.found(at=NOW.replace(year=2030)) == []


def test_every_invariant_has_a_violation_here() -> None:
    planted = {param.values[0] for param in SPOILT} | {"I6"}
    assert planted == set(invariants.INVARIANTS)
