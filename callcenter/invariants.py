"""What must hold whatever failed: read from the tables, the CEL file and the spool. `callcenter verify` runs them.

Each check returns what it found wrong, one sentence a finding; an empty answer is the proof. Nothing is changed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import cel
from callcenter.attachments import work as attachments
from callcenter.call_parse import Naming, cel_call
from callcenter.custody import chain_check, kept_check, recheck_work, retention_check
from callcenter.custody.anchors import NO_PLACES, Places
from callcenter.types import TicketId
from recordings.custody.ground import Ground as Custody
from ticketing import store
from ticketing.clocks import Clock, Period, due_at
from ticketing.policy import Rules

STUCK = timedelta(seconds=60)
SETTLE = timedelta(seconds=30)
"""A call that ended so lately may still wait for its files."""
MOST = 50
"""Findings of one check that are listed."""
PAGE = 1_000
"""Tickets whose chains are read at once: a query for each took 1.4 ms, of which a tenth was the check."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where to look. now: aware UTC."""

    rules: Rules
    spool: Path
    cel_file: Path
    node: str
    now: datetime
    anchors: Places = NO_PLACES
    """Second places of the audit's chain; none: a cut tail and a rewritten history cannot be seen."""
    custody: Custody | None = None
    """Where recordings are kept; None: only the spool is looked at."""
    every_hash: bool = False
    """Read every kept recording, not a sample."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be."""

    invariant: str
    sentence: str


Check = Callable[[AsyncConnection, Ground], Awaitable[Sequence[str]]]


async def verify(tx: AsyncConnection, ground: Ground) -> tuple[Finding, ...]:
    """Every invariant on this database; none found is good."""
    found: list[Finding] = []
    for name, (_, check) in INVARIANTS.items():
        found.extend(Finding(name, sentence) for sentence in list(await check(tx, ground))[:MOST])
    return tuple(found)


async def _rows(tx: AsyncConnection, query: str, **values: object) -> Sequence[str]:
    return [str(row[0]) for row in await tx.execute(text(query), values)]


async def tickets_once(tx: AsyncConnection, _: Ground) -> Sequence[str]:
    """Every answered call opened exactly one ticket, and every ticket has the events its version says."""
    without = await _rows(
        tx,
        """SELECT c.id FROM call c LEFT JOIN ticket t ON t.call_id = c.id
           WHERE c.agent_answered_at IS NOT NULL AND c.direction <> 'outbound'
           GROUP BY c.id HAVING count(t.id) <> 1""",
    )
    uncounted = await _rows(
        tx,
        """SELECT t.id FROM ticket t LEFT JOIN ticket_event e ON e.ticket_id = t.id
           GROUP BY t.id, t.version HAVING count(e.id) <> t.version""",
    )
    return [
        *(f"call {one} was answered and has not exactly one ticket" for one in without),
        *(f"ticket {one} has not as many events as its version" for one in uncounted),
    ]


async def calls_recorded(tx: AsyncConnection, ground: Ground) -> Sequence[str]:
    """Every call Asterisk saw has a record; every answered leg has a recording or a gap with its cause."""
    started, over = await asyncio.to_thread(_logged_calls, ground.cel_file, ground.now - SETTLE)
    known = set(await _rows(tx, "SELECT id FROM call"))
    running = set(await _rows(tx, "SELECT id FROM call WHERE ended_at IS NULL"))
    silent = await _rows(
        tx,
        """SELECT l.channel_id FROM leg l JOIN call c ON c.id = l.call_id
           WHERE l.answered_at IS NOT NULL AND l.party IN ('citizen', 'agent', 'unit') AND c.ended_at < :settled
             AND l.ended_at - l.answered_at > interval '1 second'
             AND NOT EXISTS (SELECT 1 FROM recording r WHERE r.channel_id = l.channel_id
                             AND r.state NOT IN ('expected', 'missing'))
             AND NOT EXISTS (SELECT 1 FROM recording_gap g WHERE g.channel_id = l.channel_id)""",
        settled=ground.now - SETTLE,
    )
    return [
        *(f"call {one} is in Asterisk's log and has no record" for one in sorted(started - known)),
        *(f"call {one} is over in Asterisk's log and goes on here" for one in sorted(over & running)),
        *(f"leg {one} was answered and has neither recording nor gap" for one in silent),
    ]


def _logged_calls(cel_file: Path, before: datetime) -> tuple[set[str], set[str]]:
    """The citizens' calls of Asterisk's log that began, and those that were over, before a moment. Blocking."""
    started, over, offset = set[str](), set[str](), 0
    inbound = Naming().inbound
    while (piece := cel.read(cel_file, offset)).offset > offset:
        offset = piece.offset
        for row in piece.rows:
            call_id = cel_call(row)
            if call_id is None or row.at >= before:
                continue
            if row.eventtype == "CHAN_START" and row.context == inbound:
                started.add(call_id)
            elif row.eventtype == "LINKEDID_END" and row.linkedid == call_id:
                over.add(call_id)
    return started, over


async def surveys_sent_once(tx: AsyncConnection, _: Ground) -> Sequence[str]:
    """No message is submitted twice, and no survey has two messages."""
    twice = await _rows(tx, "SELECT key FROM sms_message WHERE submit_attempts > 1")
    double = await _rows(
        tx,
        """SELECT ticket_id || ' round ' || round FROM ticket_survey GROUP BY ticket_id, round HAVING count(*) > 1""",
    )
    return [
        *(f"message {one} was submitted more than once" for one in twice),
        *(f"ticket {one} has more than one survey" for one in double),
    ]


async def replies_counted_once(tx: AsyncConnection, _: Ground) -> Sequence[str]:
    """At most one reply counts per survey."""
    double = await _rows(
        tx,
        """SELECT survey_id FROM sms_inbound WHERE state = 'counted' AND survey_id IS NOT NULL
           GROUP BY survey_id HAVING count(*) > 1""",
    )
    return [f"survey {one} has more than one counted reply" for one in double]


async def changes_in_the_book(tx: AsyncConnection, _: Ground) -> Sequence[str]:
    """Every change of a ticket is one event, chained to the one before; the ticket stands where its last event led."""
    wrong_state = await _rows(
        tx,
        """SELECT t.id FROM ticket t LEFT JOIN ticket_event e ON e.ticket_id = t.id AND e.seq = t.version
           WHERE e.id IS NULL OR e.to_state <> t.state OR e.hash <> t.last_hash""",
    )
    broken: list[str] = []
    ids = [TicketId(one) for one in await _rows(tx, "SELECT id FROM ticket ORDER BY id")]
    for start in range(0, len(ids), PAGE):
        for one, chain in (await store.chains_of(tx, ids[start : start + PAGE])).items():
            if (seq := store.broken_link(chain)) is not None:
                broken.append(f"ticket {one}: the chain of events breaks at {seq}")
    return [*(f"ticket {one} is not where its last event led" for one in wrong_state), *broken]


async def recordings_kept(tx: AsyncConnection, ground: Ground) -> Sequence[str]:
    """No recording is gone before its time, and none has changed since it was verified or stored."""
    return await kept_check.check(tx, ground.spool, ground.custody, ground.now, every=ground.every_hash)


async def deadlines_reproducible(tx: AsyncConnection, ground: Ground) -> Sequence[str]:
    """The same start, rule and calendar give the same due time again."""
    query = text(
        """SELECT d.id, d.ticket_id, d.from_at, d.due_at, d.clock, d.amount, t.policy_id, t.policy_version
           FROM ticket_deadline d JOIN ticket t ON t.id = d.ticket_id
           WHERE d.calendar_version = :calendar AND NOT d.provisional"""
    )
    wrong: list[str] = []
    for row in await tx.execute(query, {"calendar": ground.rules.calendar.version}):
        policy = ground.rules.of(row.policy_id, row.policy_version)
        period = Period(row.amount, Clock(row.clock))
        again = due_at(row.from_at, period, ground.rules.calendar, policy.workdays)
        if again != row.due_at:
            wrong.append(f"ticket {row.ticket_id}: deadline {row.id} is {row.due_at}, computed again {again}")
    return wrong


async def jobs_owned(tx: AsyncConnection, ground: Ground) -> Sequence[str]:
    """No command is left running by nobody; no job is held for want of a person."""
    stuck = await _rows(
        tx, "SELECT id FROM call_command WHERE state = 'running' AND started_at < :since", since=ground.now - STUCK
    )
    held = await _rows(tx, "SELECT entrypoint || ' ' || id FROM pgqueuer WHERE status = 'failed'")
    orphaned = await _rows(
        tx,
        "SELECT entrypoint || ' ' || id FROM pgqueuer WHERE status = 'picked' AND heartbeat < :since",
        since=ground.now - STUCK,
    )
    calling = await _rows(
        tx,
        """SELECT m.id FROM missed_call m LEFT JOIN call c ON c.id = m.calling_as
           LEFT JOIN call_command k ON k.key = 'call_back:' || m.calling_as
           WHERE m.state = 'calling' AND (c.ended_at < :since OR (c.id IS NULL AND k.done_at < :since))""",
        since=ground.now - STUCK,
    )
    about_tickets = await _rows(
        tx,
        """SELECT t.call_id FROM ticket_call t LEFT JOIN call c ON c.id = t.call_id
           LEFT JOIN call_command k ON k.key = 'call_citizen:' || t.call_id
           WHERE t.state = 'calling' AND (c.ended_at < :since OR (c.id IS NULL AND k.done_at < :since))""",
        since=ground.now - STUCK,
    )
    sending = await _rows(
        tx,
        "SELECT key FROM sms_message WHERE state = 'submitting' AND submitting_at < :since",
        since=ground.now - timedelta(minutes=5),
    )
    return [
        *(f"command {one} has been running for more than a minute" for one in stuck),
        *(f"job {one} is held; look with `callcenter jobs held`" for one in held),
        *(f"job {one} is nobody's: its worker has been silent for more than a minute" for one in orphaned),
        *(f"missed call {one} is being called back by nobody" for one in calling),
        *(f"call {one} about a ticket is being made by nobody" for one in about_tickets),
        *(f"message {one} has been at the gateway's door for more than five minutes" for one in sending),
    ]


async def audit_chain_holds(tx: AsyncConnection, ground: Ground) -> Sequence[str]:
    """No row of the audit was changed, taken out, put in or moved; its end is where the anchors say."""
    return await chain_check.check(tx, ground.anchors, ground.now)


async def no_recording_lost(tx: AsyncConnection, ground: Ground) -> Sequence[str]:
    """What the check of the stores found and could not mend; every recording was read again in time."""
    return await recheck_work.lost(tx, ground.now)


async def deleted_by_rule(tx: AsyncConnection, _: Ground) -> Sequence[str]:
    """Every guard of the recordings stands; whatever was deleted went by rule, with a certificate the audit knows."""
    return await retention_check.check(tx)


async def no_attachment_lost(tx: AsyncConnection, ground: Ground) -> Sequence[str]:
    """Every file of a ticket lies in the store, and in its copy where it was copied."""
    return await attachments.check(tx, ground.custody) if ground.custody else ()


INVARIANTS: dict[str, tuple[str, Check]] = {
    "I1": ("tickets exist once", tickets_once),
    "I2": ("calls are on record and on tape", calls_recorded),
    "I3": ("surveys are sent at most once", surveys_sent_once),
    "I4": ("one reply counts", replies_counted_once),
    "I5": ("every change is in the book", changes_in_the_book),
    "I6": ("recordings are kept and unchanged", recordings_kept),
    "I7": ("deadlines can be computed again", deadlines_reproducible),
    "I10": ("nothing is left half done", jobs_owned),
    "I13": ("the audit's chain holds", audit_chain_holds),
    "I14": ("no kept recording is lost", no_recording_lost),
    "I15": ("recordings go by rule only", deleted_by_rule),
    "I16": ("files of tickets are kept", no_attachment_lost),
}
"""Name -> what it says, and the check."""


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)
