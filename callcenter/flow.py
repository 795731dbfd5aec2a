"""The story of a call, fact by fact, top to bottom: the only place where packages decide together.

Every function gets the transaction in which the fact is written; what must happen outside (a tap, a hang-up, an
SMS, a transcription) is a command or a job row in that same transaction. What screens should see is returned and
published after commit.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

import recordings.service
import ticketing.service
from callcenter import agents, call_facts, call_store, commands, jobs, metrics, missed, outgoing
from callcenter.board import BoardEvent, Json
from callcenter.call_state import IN, OUTBOUND, Call
from callcenter.custody.unrecorded import note_withheld
from callcenter.tables import call as call_table
from callcenter.tables import call_event
from callcenter.tracker import Change
from callcenter.types import Actor, AgentId, CallId, IdentityId, Party, PhoneNumber, Role, system
from callcenter.vault import Vault, masked_of
from recordings.recording import BadRecordingDone, RecordingDone
from ticketing.policy import Rules

log = logging.getLogger(__name__)

STORY = system("story")


@dataclass(frozen=True, slots=True)
class Ground:
    """What the story stands on: values given once by `app`."""

    node: str
    vault: Vault
    rules: Rules
    wrap_up_s: float = 30.0
    tap_live_words: bool = True


@dataclass(frozen=True, slots=True)
class Told:
    """One fact with what its function needs."""

    tx: AsyncConnection
    ground: Ground
    change: Change
    caller: IdentityId | None


Screens = tuple[BoardEvent, ...]


async def tell(tx: AsyncConnection, ground: Ground, changes: Sequence[Change]) -> Screens:
    """Write changes of calls and everything that follows from them. Returns what screens should see.

    A call that changed several times is one row with its last value; every fact is noted and told, in order.
    """
    learnt = {change.after.id: who for change in changes if (who := await _identity(tx, ground, change)) is not None}
    steps = _steps(changes, learnt)
    await call_store.save(tx, steps, node=ground.node)
    await note_withheld(tx, steps)
    facts = [(change, fact) for change in changes for fact in change.facts]
    await _note(tx, [fact for _, fact in facts])
    callers = learnt | await callers_of(tx, {change.after.id for change, _ in facts} - learnt.keys())
    shown: list[BoardEvent] = []
    for change, fact in facts:
        shown.extend(await _follow(Told(tx, ground, change, callers.get(change.after.id)), fact))
    return tuple(shown)


def _steps(changes: Sequence[Change], callers: Mapping[CallId, IdentityId]) -> list[call_store.Step]:
    """What each call was before the first of its changes and is after the last. PURE."""
    before: dict[CallId, Call | None] = {}
    after: dict[CallId, Call] = {}
    for change in changes:
        before.setdefault(change.after.id, change.before)
        after[change.after.id] = change.after
    return [call_store.Step(before[call_id], call, callers.get(call_id)) for call_id, call in after.items()]


async def tell_rest(tx: AsyncConnection, ground: Ground, change: Change) -> Screens:
    """A change that `tell` could not write: the call as it is, and of what follows all that can be.

    Nothing of it was written before, so every leg is saved; what cannot be is counted and logged.
    """
    whole = replace(change, before=None, facts=())
    shown = [*await _attempt(tx, lambda: tell(tx, ground, [whole]), change)]
    caller = (await callers_of(tx, [change.after.id])).get(change.after.id)
    for fact in change.facts:
        told = Told(tx, ground, change, caller)
        shown += await _attempt(tx, lambda told=told, fact=fact: _tell_one(told, fact), change)  # type: ignore[misc]
    return tuple(shown)


async def _attempt(tx: AsyncConnection, work: Callable[[], Awaitable[Screens]], change: Change) -> Screens:
    """`work`, undone when it fails. Raises what a lost database raises."""
    try:
        async with tx.begin_nested():
            return await work()
    except Exception:
        if tx.invalidated or tx.closed:
            raise
        metrics.STORY_FAILED.inc()
        log.exception("a part of a change could not be told", extra={"call": change.after.id})
        return ()


async def _tell_one(told: Told, fact: call_facts.Fact) -> Screens:
    await _note(told.tx, [fact])
    return await _follow(told, fact)


async def _follow(told: Told, fact: call_facts.Fact) -> Screens:
    chapter = CHAPTERS.get(type(fact))
    shown = await chapter(told, fact) if chapter is not None else ()
    if told.change.after.direction == OUTBOUND and type(fact) in MOVES_ON:
        shown += await outgoing.shown(told.tx, fact.call_id, fact.at)
    return shown


async def callers_of(tx: AsyncConnection, calls: Collection[CallId]) -> dict[CallId, IdentityId]:
    """Who called, as the vault knows them; a call without a known caller is absent."""
    if not calls:
        return {}
    known = call_table.c.caller.is_not(None)
    found = await tx.execute(select(call_table.c.id, call_table.c.caller).where(call_table.c.id.in_(calls), known))
    return {CallId(row.id): IdentityId(row.caller) for row in found}


async def _identity(tx: AsyncConnection, ground: Ground, change: Change) -> IdentityId | None:
    if change.before is None and change.after.direction != IN:
        return await outgoing.called_by(tx, change.after.id)
    digits = change.caller
    return await ground.vault.identity_of(tx, PhoneNumber(digits)) if digits else None


async def _note(tx: AsyncConnection, facts: Sequence[call_facts.Fact]) -> None:
    if facts:
        await tx.execute(_NOTE, [_noted(fact) for fact in facts])


_NOTE = insert(call_event)


def _noted(fact: call_facts.Fact) -> dict[str, Any]:
    known = {f.name: _plain(getattr(fact, f.name)) for f in fields(fact) if f.name not in ("call_id", "at", "caller")}
    return {"call_id": fact.call_id, "at": fact.at, "kind": type(fact).__name__, "data": known}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


# ---- the call comes in -------------------------------------------------------------------------------------------


async def call_started(told: Told, fact: call_facts.CallStarted) -> Screens:
    """A citizen is on the line; the wallboard counts them."""
    return (_screen("call.started", fact, caller=await masked_of(told.tx, told.caller)),)


async def call_queued(told: Told, fact: call_facts.CallQueued) -> Screens:
    """They wait for a person."""
    return (_screen("call.queued", fact, queue=fact.queue),)


async def agent_rang(told: Told, fact: call_facts.AgentRang) -> Screens:
    """The agent's screen pops: who (masked), what they chose, how often they called before."""
    earlier = await _earlier_calls(told.tx, told.caller, fact.call_id)
    tickets = await _earlier_tickets(told.tx, told.caller, fact.agent)
    card = {
        "agent": fact.agent,
        "identity": told.caller,
        "caller": await masked_of(told.tx, told.caller),
        "queue": told.change.after.queue,
        "request_type": told.change.after.request_type,
        "recorded": told.change.after.recorded,
        "earlier_calls": earlier,
        "earlier_tickets": tickets,
    }
    return (_screen("call.ringing", fact, audience=fact.agent, **card),)


async def _earlier_calls(tx: AsyncConnection, caller: IdentityId | None, this: CallId) -> int:
    if caller is None:
        return 0
    query = select(call_table.c.id).where(call_table.c.caller == caller, call_table.c.id != this).limit(100)
    return len((await tx.execute(query)).all())


async def _earlier_tickets(tx: AsyncConnection, caller: IdentityId | None, agent: str) -> list[Json]:
    """The citizen's last tickets that an agent may see; what is about staff or secrets is not on the card."""
    if caller is None:
        return []
    viewer = Actor("user", agent, frozenset({Role.AGENT}))
    return [asdict(one) for one in await ticketing.service.earlier_tickets(tx, caller, viewer)]


async def agent_missed_ring(told: Told, fact: call_facts.AgentMissedRing) -> Screens:
    """An offered call was not answered: the agent is paused, so that the next caller does not ring in vain."""
    who = AgentId(fact.agent)
    paused = agents.Desired.PAUSED
    await agents.wish(told.tx, who, paused, at=fact.at, actor=STORY, reason=agents.NO_ANSWER)
    return (_screen("agent.missed_ring", fact, agent=fact.agent, rang_s=fact.rang_s),)


async def agent_answered(told: Told, fact: call_facts.AgentAnswered) -> Screens:
    """A person speaks with the citizen: a draft ticket opens, the tap starts, earlier missed calls are settled.

    A call about a ticket opens none of its own, and what the citizen once called for in vain is still open.
    """
    if told.change.after.direction == OUTBOUND:
        return (_screen("call.answered", fact, agent=fact.agent, wait_s=fact.wait_s),)
    opened = await ticketing.service.open_draft(
        told.tx, call_id=fact.call_id, requester=told.caller, request_type=told.change.after.request_type,
        actor=STORY, now=fact.at, rules=told.ground.rules,
    )  # fmt: skip
    if told.caller is not None:
        await missed.settle(told.tx, told.caller, fact.call_id, fact.at)
    if told.ground.tap_live_words:
        await _command(told, commands.Kind.TAP, fact, key=f"tap:{fact.call_id}")
    return (_screen("call.answered", fact, agent=fact.agent, wait_s=fact.wait_s, ticket=opened.id),)


# ---- three parties -----------------------------------------------------------------------------------------------


async def situation_changed(told: Told, fact: call_facts.SituationChanged) -> Screens:
    """What is going on has a new name; screens follow."""
    return (_screen("call.situation", fact, before=fact.before, after=fact.after),)


async def leg_joined(told: Told, fact: call_facts.LegJoined) -> Screens:
    """The unit or a supervisor is on the line."""
    return (_screen("call.joined", fact, party=fact.party, channel=fact.channel_id),)


async def leg_left(told: Told, fact: call_facts.LegLeft) -> Screens:
    """Somebody other than the citizen left; an agent who had talked goes to wrap-up.

    Not one whose new leg is up: they took the call back to a telephone that had lost it. moved tells screens so.
    """
    after = told.change.after
    moved = fact.party == Party.AGENT and any(leg.who == fact.who for leg in after.legs_of(Party.AGENT))
    if fact.party == Party.AGENT and not moved and after.agent_answered_at is not None and _had_talked(fact):
        who = AgentId(fact.who)
        await agents.wrap_up(told.tx, who, fact.call_id, at=fact.at, wrap_up_s=told.ground.wrap_up_s)
    return (_screen("call.left", fact, party=fact.party, cause=fact.cause, answered=fact.answered, moved=moved),)


def _had_talked(fact: call_facts.LegLeft) -> bool:
    """A leg that takes a call back belongs to an agent who had talked, also when it is not answered."""
    return fact.answered or fact.channel_id.startswith(f"r-{fact.call_id}-")


async def citizen_left(told: Told, fact: call_facts.CitizenLeft) -> Screens:
    """The citizen hung up; nobody but us ends the legs of agent and unit in a conference."""
    if fact.others:
        args = {"channels": list(fact.others)}
        await _command(told, commands.Kind.END_OTHERS, fact, key=f"end:{fact.call_id}", args=args)
    return ()


async def citizen_stranded(told: Told, fact: call_facts.CitizenStranded) -> Screens:
    """No agent is left: back to the head of the queue, or a goodbye to one who has been served."""
    kind = commands.Kind.GOODBYE if fact.had_unit else commands.Kind.REQUEUE
    call = told.change.after
    args = {"channel": fact.channel_id, "units": list(fact.others), "queue": call.queue, "agent": call.agent}
    await _command(told, kind, fact, key=f"{kind}:{fact.call_id}:{fact.at.timestamp():.6f}", args=args)
    return (_screen("call.stranded", fact, had_unit=fact.had_unit),)


# ---- the call is over --------------------------------------------------------------------------------------------


async def recording_finished(told: Told, fact: call_facts.RecordingFinished) -> Screens:
    """A leg's file is complete: take it in, have it verified."""
    done = RecordingDone(fact.call_id, fact.channel_id, fact.party, fact.file, fact.mix)
    try:
        taken = await recordings.service.finished(told.tx, done, fact.at)
    except BadRecordingDone as error:
        metrics.FORGED_EVENTS.inc()
        log.warning("a RecordingDone was not believed", extra={"call": fact.call_id, "why": str(error)})
        return ()
    for recording in taken:
        await jobs.enqueue(told.tx, "recording.verify", {"recording": recording}, key=f"verify:{recording}")
    return ()


async def recording_withheld(told: Told, fact: call_facts.RecordingWithheld) -> Screens:
    """There is no room for the recording: who talks is told by telephone, and the screens say 未录音."""
    return (_screen("call.not_recorded", fact, party=fact.party, recorded=False),)


async def call_missed(told: Told, fact: call_facts.CallMissed) -> Screens:
    """Nobody spoke to the citizen: one row in the ledger, due in half an hour."""
    await missed.record(told.tx, fact, told.caller)
    return (_screen("call.missed", fact, queue=fact.queue, reason=fact.reason, asked=fact.asked),)


async def call_ended(told: Told, fact: call_facts.CallEnded) -> Screens:
    """The call is over: its transcript is made when the files are there; a call of ours is settled."""
    if told.change.after.direction != IN:
        await outgoing.ended(told.tx, told.change.after, fact.at)
    if told.change.after.reached:
        await enqueue_transcription(told.tx, fact.call_id, fact.at)
    return (_screen("call.ended", fact, exit_reason=fact.exit_reason),)


async def enqueue_transcription(tx: AsyncConnection, call_id: CallId, ended_at: datetime) -> None:
    """Once a call: the transcript from the files of its legs."""
    run_at = ended_at + timedelta(seconds=1)
    await jobs.enqueue(tx, "call.transcribe", {"call": call_id}, key=f"transcribe:{call_id}", run_at=run_at)


async def watch_recordings(tx: AsyncConnection) -> None:
    """After a gap: what was told of files in it was not heard, so the folder is looked through at once."""
    await jobs.enqueue(tx, "recordings.watch", {}, key="recordings.watch")


# ---- small tools -------------------------------------------------------------------------------------------------


async def _command(
    told: Told, kind: commands.Kind, fact: call_facts.Fact, *, key: str, args: dict[str, Any] | None = None
) -> None:
    await commands.ask(
        told.tx, kind, key=key, node=told.ground.node, actor=STORY, call_id=fact.call_id, args=args
    )  # fmt: skip


def _screen(kind: str, fact: call_facts.Fact, audience: str = "", **data: Any) -> BoardEvent:
    return BoardEvent(kind, {"call": fact.call_id, "at": fact.at.isoformat(), **data}, audience)


Chapter = Callable[[Told, Any], Awaitable[Screens]]

CHAPTERS: Mapping[type[call_facts.Fact], Chapter] = {
    call_facts.CallStarted: call_started,
    call_facts.CallQueued: call_queued,
    call_facts.AgentRang: agent_rang,
    call_facts.AgentMissedRing: agent_missed_ring,
    call_facts.AgentAnswered: agent_answered,
    call_facts.SituationChanged: situation_changed,
    call_facts.LegJoined: leg_joined,
    call_facts.LegLeft: leg_left,
    call_facts.CitizenLeft: citizen_left,
    call_facts.CitizenStranded: citizen_stranded,
    call_facts.RecordingFinished: recording_finished,
    call_facts.RecordingWithheld: recording_withheld,
    call_facts.CallMissed: call_missed,
    call_facts.CallEnded: call_ended,
}
"""Fact -> the function that tells what follows; a fact without one is only noted."""

MOVES_ON = frozenset({call_facts.CallStarted, call_facts.LegJoined, call_facts.CallAnswered, call_facts.CallEnded})
"""Where a call about a ticket is, for those who have the ticket open."""
