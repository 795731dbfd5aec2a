"""The listener of one Asterisk node: events in order, told to the story in transactions, gaps closed from CEL.

Receive, decide, commit, then speak: events go through the tracker at once; what changed is written in one
transaction for as many events as were waiting; screens hear of it after the commit. While PostgreSQL is away the
changes wait here and the events in the client's bounded queue; if that overflows, the link is dropped on purpose
and the gap is closed from Asterisk's own record (CEL) and a snapshot, as after any other gap.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import call_events as ev
from callcenter import call_store, cel, flow, metrics
from callcenter.ami import AmiClient, AmiError, AmiEvent, LinkLost, LinkUp
from callcenter.board import Board, BoardEvent
from callcenter.call_parse import CelRow, Naming, call_of, cel_call, parse_ami, parse_cel, party_of, place_of
from callcenter.db import Database, DatabaseAway
from callcenter.snapshot import Snapshot, snapshot
from callcenter.tables import listener_gap
from callcenter.tracker import Change, Tracker
from callcenter.types import CallId, ChannelId

log = logging.getLogger(__name__)

T = TypeVar("T")

HOLDING = {"BridgeWait": "holding_bridge"}
"""Application -> technology, where a snapshot tells only the former."""

BATCH = 200
RETRY_S = (0.2, 0.5, 1.0, 2.0)
RECHECK_S = 15.0
"""Calls are compared with Asterisk's own list this often; what is gone twice in a row is closed."""


@dataclass
class Listener:
    """One node's reader. `on_link`: told True/False when the link comes and goes (agents are reconciled then)."""

    database: Database
    client: AmiClient
    ground: flow.Ground
    board: Board
    cel_file: Path
    naming: Naming = field(default_factory=Naming)
    on_link: Callable[[bool], Awaitable[None]] | None = None
    tracker: Tracker = field(default_factory=Tracker)
    _pending: list[Change] = field(default_factory=list)
    _gone_once: frozenset[CallId] = frozenset()

    async def run(self) -> None:
        """Read until the client is closed."""
        await self._until_saved(self._load)
        async for batch in _batches(self.client.events(), RECHECK_S):
            for item in batch:
                await self._take(item)
            await self.flush()
            if not batch:
                await self._recheck()

    async def _load(self, tx: AsyncConnection) -> None:
        self.tracker.load((await call_store.load_open(tx, self.ground.node)).values())

    async def _take(self, item: AmiEvent | LinkUp | LinkLost) -> None:
        if isinstance(item, AmiEvent):
            self._read(item)
        elif isinstance(item, LinkLost):
            await self.flush()
            await self._until_saved(lambda tx: _gap_began(tx, self.ground.node, item))
            if self.on_link:
                await self.on_link(False)
        else:
            await self._resync(item)

    def _read(self, item: AmiEvent) -> None:
        """One event; one that breaks the reader is counted and left out, the next ones are read."""
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
        pending, self._pending = self._pending, []
        if not pending:
            return
        try:
            screens = await self._until_saved(lambda tx: self._tell(tx, pending))
        except Exception:
            log.exception("a batch of changes was refused; trying them one by one")
            screens = await self._one_by_one(pending)
        await self.board.publish(screens)

    async def _tell(self, tx: AsyncConnection, changes: Sequence[Change]) -> flow.Screens:
        screens: list[BoardEvent] = []
        for change in changes:
            screens.extend(await flow.tell(tx, self.ground, change))
        return tuple(screens)

    async def _one_by_one(self, changes: Sequence[Change]) -> flow.Screens:
        """One change that cannot be written must not take the others with it."""
        screens: list[BoardEvent] = []
        for change in changes:
            try:
                screens.extend(await self._until_saved(lambda tx, one=change: self._tell(tx, [one])))  # type: ignore[misc]
            except Exception:
                metrics.STORY_FAILED.inc()
                log.exception("a change could not be told", extra={"call": change.after.id})
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
        """Snapshot first, then CEL up to now, then the difference; buffered events come after and repeat nothing."""
        try:
            seen = await snapshot(self.client)
        except AmiError as error:
            log.warning("no snapshot, the next link will take one", extra={"error": str(error)})
            return
        await self._read_cel()
        self._compare(seen, link.at, ended_as="interrupted" if link.since_lost_s is not None else "reconciled")
        await self.flush()
        await self._until_saved(lambda tx: _gap_ended(tx, self.ground.node, link.at))
        if self.on_link:
            await self.on_link(True)

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

    def _compare(self, seen: Snapshot, at: datetime, ended_as: str) -> None:
        """Calls Asterisk has and we do not know are taken in; calls it no longer has are ended."""
        for event in snapshot_events(seen, at, self.naming):
            self._apply(event)
        alive = {ChannelId(channel.channel_id) for channel in seen.channels}
        for call_id, call in list(self.tracker.calls.items()):
            up = [leg for leg in call.legs.values() if leg.is_up]
            if not any(leg.channel_id in alive for leg in up):
                self._apply(ev.CallOver(call_id, ChannelId(call_id), at, ended_as))
                continue
            for leg in up:
                if leg.channel_id not in alive:
                    self._apply(ev.LegGone(call_id, leg.channel_id, at))

    async def _recheck(self) -> None:
        """Between events: what Asterisk has not had for two looks is closed; the place in CEL moves on."""
        if not self.client.up:
            return
        try:
            seen = await snapshot(self.client)
        except AmiError:
            return
        alive = {event.call_id for event in snapshot_events(seen, seen.taken_at, self.naming)}
        gone = frozenset(self.tracker.calls.keys() - alive)
        for call_id in gone & self._gone_once:
            self._apply(ev.CallOver(call_id, ChannelId(call_id), datetime.now(UTC), "reconciled"))
        self._gone_once = gone
        await self.flush()
        if not self.tracker.calls:
            await self._read_cel()


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


async def _gap_began(tx: AsyncConnection, node: str, lost: LinkLost) -> None:
    await tx.execute(insert(listener_gap).values(node=node, from_at=lost.at, cause=lost.cause))


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
