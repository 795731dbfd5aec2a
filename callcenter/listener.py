"""The listener of one Asterisk node: events in order, told to the story in transactions, gaps closed from CEL.

Receive, decide, commit, then speak: events go through the tracker at once; what changed is written in one
transaction for as many events as were waiting; screens hear of it after the commit. While PostgreSQL is away the
changes wait here and the events in the client's bounded queue; if that overflows, the link is dropped on purpose
and the gap is closed from Asterisk's own record (CEL) and a snapshot, as after any other gap.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

import recordings.service
from callcenter import call_events as ev
from callcenter import call_store, cel, flow, metrics
from callcenter.ami import AmiClient, AmiError, AmiEvent, LinkLost, LinkUp
from callcenter.board import Board, BoardEvent
from callcenter.call_parse import CelRow, Naming, call_of, cel_call, parse_ami, parse_cel, party_of, place_of
from callcenter.call_state import Call
from callcenter.db import Database, DatabaseAway
from callcenter.snapshot import Snapshot, snapshot
from callcenter.tables import listener_gap
from callcenter.tracker import Change, Tracker
from callcenter.types import ChannelId

log = logging.getLogger(__name__)

T = TypeVar("T")

HOLDING = {"BridgeWait": "holding_bridge"}
"""Application -> technology, where a snapshot tells only the former."""

BATCH = 200
GATHER_S = 0.02
MOST_PENDING = 2_000
"""So many changes wait for PostgreSQL in memory; then events wait in the client's queue."""
RETRY_S = (0.2, 0.5, 1.0, 2.0)
RECHECK_S = 15.0
"""Calls are compared with Asterisk's own list this often; what is gone twice in a row is closed."""
LOOK_AGAIN_S = 1.0
"""After a gap the second look comes so soon. The log's last rows of a hang-up reach the file within it."""
AWAY = "the listener was not running"
"""The cause of a gap that no lost link explains."""


@dataclass
class Listener:
    """One node's reader. on_link: told True/False when the link comes and goes; on_event: told every event first.

    Agents are reconciled by both.
    """

    database: Database
    client: AmiClient
    ground: flow.Ground
    board: Board
    cel_file: Path
    spool: Path
    naming: Naming = field(default_factory=Naming)
    on_link: Callable[[bool], Awaitable[None]] | None = None
    on_event: Callable[[AmiEvent], None] | None = None
    tracker: Tracker = field(default_factory=Tracker)
    _pending: list[Change] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _gone_once: frozenset[ChannelId] = frozenset()
    _recheck_at_s: float = 0.0
    _lost_at: datetime | None = None
    """When the link was lost that is not made up for yet: Asterisk lived until then, at least."""

    async def load(self, tx: AsyncConnection, away_since: datetime | None) -> None:
        """Before the client starts: take up the open calls. away_since: the last sign of life of an earlier run."""
        self.tracker.load((await call_store.load_open(tx, self.ground.node)).values())
        self._lost_at = away_since
        if away_since is not None:
            await _gap_began(tx, self.ground.node, away_since, AWAY)

    async def run(self) -> None:
        """Read until the client is closed."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._write())
            async for batch in _batches(self.client.events(), RECHECK_S):
                for item in batch:
                    await self._take(item)
                self._news.set()
                if len(self._pending) >= MOST_PENDING:
                    await self.flush()
                # With more events waiting the log would be ahead of them.
                if len(batch) < BATCH and time.monotonic() >= self._recheck_at_s:
                    await self._recheck()
            async with self._writing:
                writing.cancel()
            await self.flush()

    async def _write(self) -> None:
        """Reading does not wait for writing: a command is judged by what a call is now."""
        while True:
            await self._news.wait()
            # One step of a call is a handful of events within milliseconds: one transaction.
            await asyncio.sleep(GATHER_S)
            self._news.clear()
            await self.flush()

    async def _take(self, item: AmiEvent | LinkUp | LinkLost) -> None:
        if isinstance(item, AmiEvent):
            self._read(item)
        elif isinstance(item, LinkLost):
            await self.flush()
            self._lost_at = self._lost_at or item.at
            await self._until_saved(lambda tx: _gap_began(tx, self.ground.node, item.at, item.cause))
            if self.on_link:
                await self.on_link(False)
        else:
            await self._resync(item)

    def _read(self, item: AmiEvent) -> None:
        """One event; one that breaks the reader is counted and left out, the next ones are read."""
        if self.on_event:
            self.on_event(item)
        try:
            self._apply(parse_ami(item.name, item.fields, item.at, self.naming))
        except Exception:
            metrics.FORGED_EVENTS.inc()
            log.exception("an event could not be read", extra={"event_name": item.name})

    def _apply(self, event: ev.CallEvent | None) -> None:
        if event is None:
            return
        change = self.tracker.take(event)
        if change is not None:
            self._pending.append(change)

    async def flush(self) -> None:
        """Write what is pending, however long PostgreSQL takes to come back; then tell the screens."""
        async with self._writing:
            pending, self._pending = self._pending, []
            if not pending:
                return
            try:
                screens = await self._until_saved(lambda tx: flow.tell(tx, self.ground, pending))
            except Exception:
                log.exception("a batch of changes was refused; trying them one by one")
                screens = await self._one_by_one(pending)
            await self.board.publish(screens)

    async def _one_by_one(self, changes: Sequence[Change]) -> flow.Screens:
        """One change that cannot be written must not take the others with it."""
        screens: list[BoardEvent] = []
        for change in changes:
            try:
                screens.extend(await self._until_saved(lambda tx, one=change: flow.tell(tx, self.ground, [one])))  # type: ignore[misc]
            except Exception:
                log.exception("a change could not be told; keeping what can be", extra={"call": change.after.id})
                screens.extend(await self._until_saved(lambda tx, one=change: flow.tell_rest(tx, self.ground, one)))  # type: ignore[misc]
        return tuple(screens)

    async def _until_saved(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        tries = 0
        while True:
            try:
                async with self.database.transaction() as tx:
                    return await work(tx)
            except DatabaseAway:
                pause_s = RETRY_S[min(tries, len(RETRY_S) - 1)]
                tries += 1
                log.warning("PostgreSQL is away; changes wait", extra={"pause_s": pause_s, "tries": tries})
                await asyncio.sleep(pause_s)

    # ---- after a gap -----------------------------------------------------------------------------------------

    async def _resync(self, link: LinkUp) -> None:
        """Snapshot first, then CEL up to now, then the difference; buffered events come after and repeat nothing.

        A call that Asterisk neither has nor saw the end of went down with it.
        """
        seen = await self._look()
        if seen is None:
            return
        await self._read_cel()
        for event in snapshot_events(seen, link.at, self.naming):
            self._apply(event)
        gone = self._gone(seen)
        if gone:
            await asyncio.sleep(LOOK_AGAIN_S)
            again = await self._look()
            if again is None:
                return
            await self._read_cel()
            await self._end(gone & self._gone(again), self._lost_at, "interrupted")
        await self.flush()
        await self._until_saved(lambda tx: self._caught_up(tx, link.at))
        self._gone_once, self._lost_at = frozenset(), None
        if self.on_link:
            await self.on_link(True)

    async def _look(self) -> Snapshot | None:
        """What Asterisk has now; None when the link is lost again, and the next one will be made up for."""
        while self.client.up:
            try:
                return await snapshot(self.client)
            except AmiError as error:
                log.warning("no snapshot, asking again", extra={"error": str(error)})
                await asyncio.sleep(LOOK_AGAIN_S)
        return None

    async def _caught_up(self, tx: AsyncConnection, at: datetime) -> None:
        await _gap_ended(tx, self.ground.node, at)
        # What was told of recordings in the gap was not heard.
        await flow.watch_recordings(tx)

    async def _read_cel(self) -> None:
        while True:
            offset = int(await self._until_saved(lambda tx: cel.place(tx, self.ground.node)))
            piece = await asyncio.to_thread(cel.read, self.cel_file, offset)
            if piece.bad_lines:
                metrics.CEL_BAD_LINES.inc(piece.bad_lines)
            if piece.offset == offset:
                return
            await self._replay(piece.rows)
            await self.flush()
            await self._until_saved(lambda tx, to=piece.offset: cel.keep_place(tx, self.ground.node, to))  # type: ignore[misc]

    async def _replay(self, rows: Sequence[CelRow]) -> None:
        calls = {call_id for row in rows if (call_id := cel_call(row)) and not self.tracker.knows(call_id)}
        known = await self._until_saved(lambda tx: call_store.load(tx, calls))
        self.tracker.load(known.values())
        for row in rows:
            self._apply(parse_cel(row, self.naming))

    def _gone(self, seen: Snapshot) -> frozenset[ChannelId]:
        """Legs that are up for us and that Asterisk does not have."""
        alive = {channel.channel_id for channel in seen.channels}
        legs = (leg for call in self.tracker.calls.values() for leg in call.legs.values() if leg.is_up)
        return frozenset(leg.channel_id for leg in legs if leg.channel_id not in alive)

    async def _end(self, gone: frozenset[ChannelId], at: datetime | None, cause: str) -> None:
        """End these legs where they are still up, and calls that have no other; never before what is known of them."""
        for call in tuple(self.tracker.calls.values()):
            up = {leg.channel_id for leg in call.legs.values() if leg.is_up}
            if not up & gone:
                continue
            heard = await asyncio.to_thread(recordings.service.last_written, self.spool, call.id)
            when = max([last_known(call), *(moment for moment in (at, heard) if moment)])
            if up <= gone:
                self._apply(ev.CallOver(call.id, ChannelId(call.id), when, cause))
                continue
            for channel_id in sorted(up & gone):
                self._apply(ev.LegGone(call.id, channel_id, when))

    async def _recheck(self) -> None:
        """Now and then: read the log, and end what Asterisk has not had for two looks. Lost events heal here."""
        self._recheck_at_s = time.monotonic() + RECHECK_S
        if not self.client.up:
            return
        try:
            seen = await snapshot(self.client)
        except AmiError:
            return
        await self._read_cel()
        gone = self._gone(seen)
        await self._end(gone & self._gone_once, datetime.now(UTC), "reconciled")
        self._gone_once = gone
        await self.flush()


def last_known(call: Call) -> datetime:
    """The latest moment anything is known of a call. PURE."""
    legs = call.legs.values()
    times = [call.started_at, *(leg.created_at for leg in legs), *(stay.from_at for stay in call.stays)]
    times += [leg.answered_at for leg in legs if leg.answered_at] + [leg.ended_at for leg in legs if leg.ended_at]
    times += [stay.until_at for stay in call.stays if stay.until_at]
    return max(times)


def snapshot_events(seen: Snapshot, at: datetime, naming: Naming) -> tuple[ev.CallEvent, ...]:
    """A snapshot as events: legs that exist, are up, and where they are, the citizen's leg first. PURE."""
    conferenced = {member.channel_id for room in seen.conferences for member in room.members}
    events: list[ev.CallEvent] = []
    for channel in sorted(seen.channels, key=lambda c: str(c.channel_id) != c.linkedid):
        call_id = channel.call_id or call_of({"Uniqueid": channel.channel_id, "Linkedid": channel.linkedid})
        if call_id is None:
            continue
        party, who = party_of(channel.channel_id, channel.name, naming)
        events.append(ev.LegSeen(call_id, channel.channel_id, at, channel.name, channel.leg or party, who))
        if channel.state == "Up":
            events.append(ev.LegAnswered(call_id, channel.channel_id, at))
        if channel.bridge_id:
            technology = "softmix" if channel.channel_id in conferenced else HOLDING.get(channel.application, "")
            place = place_of(technology)
            events.append(ev.BridgeEntered(call_id, channel.channel_id, at, channel.bridge_id, place))
    return tuple(events)


async def _gap_began(tx: AsyncConnection, node: str, at: datetime, cause: str) -> None:
    await tx.execute(insert(listener_gap).values(node=node, from_at=at, cause=cause))


async def _gap_ended(tx: AsyncConnection, node: str, at: datetime) -> None:
    open_gap = update(listener_gap).where(listener_gap.c.node == node, listener_gap.c.until_at.is_(None))
    await tx.execute(open_gap.values(until_at=at))


async def _batches(items: AsyncIterator[T], idle_s: float) -> AsyncIterator[list[T]]:
    """Items as they come, as many at once as are waiting; an empty list when none came for `idle_s`."""
    following = asyncio.ensure_future(anext(items))
    try:
        while True:
            done, _ = await asyncio.wait({following}, timeout=idle_s)
            batch: list[T] = []
            while done and len(batch) < BATCH:
                try:
                    batch.append(following.result())
                except StopAsyncIteration:
                    if batch:
                        yield batch
                    return
                following = asyncio.ensure_future(anext(items))
                await asyncio.sleep(0)
                done = {following} if following.done() else set()
            yield batch
    finally:
        following.cancel()
