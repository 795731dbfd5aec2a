"""One ticket with everything a page of it can show: a recorded three-party call with words and a gap, messages, files,
signatures, supervision, a second round."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import insert, update

from callcenter.sms.message import Purpose
from callcenter.sms.tables import sms_message
from callcenter.tables import call, leg, talk
from callcenter.types import CallId, ChannelId, Party, system
from recordings import transcripts
from recordings.recording import Cause, Kind, State, name_of
from recordings.tables import recording, recording_gap
from recordings.words import Line, Transcript, Word
from tests.support.listening import RATE, speech
from tests.support.lives import EXCEPTION, FIELDS, ask, reply_contents
from tests.support.web import CALL_ID, PHONE, Web, add_call
from ticketing import service

SECONDS = 24
LINES = (
    (Party.AGENT, 1.0, 3.0, "您好请讲"),
    (Party.CITIZEN, 4.0, 9.0, "桂龙路停水两天了"),
    (Party.CITIZEN, 10.0, 14.0, f"我的电话是{PHONE}"),
    (Party.UNIT, 16.0, 20.0, "我们马上派人去修"),
)
CHANNELS = {Party.CITIZEN: CALL_ID, Party.AGENT: "a-1763800000.13", Party.UNIT: "a-1763800000.14"}
BEGAN_AFTER = {Party.CITIZEN: 0.0, Party.AGENT: 0.0, Party.UNIT: 12.0}
TITLE = "龙胜镇桂龙路与北门街交叉口自来水主管道破裂，路面积水三天无人处理，周边四百余户居民停水"


@dataclass(frozen=True, slots=True)
class Whole:
    """The ticket as it stands, and its call."""

    ticket: dict[str, Any]
    call: str
    answered_at: datetime

    @property
    def id(self) -> str:
        return str(self.ticket["id"])


Said = tuple[tuple[Party, float, float, str], ...]
"""Who said from when to when, in seconds of the recording, what."""


async def heard_call(web: Web, call_id: str = CALL_ID, said: Said = LINES) -> datetime:
    """A call of a citizen, an agent and a unit: legs, who heard whom, recordings in the spool, words, one gap."""
    answered = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    ended = answered + timedelta(seconds=SECONDS)
    web.spool.mkdir(exist_ok=True)
    async with web.db.transaction() as tx:
        times = {"started_at": answered, "answered_at": answered, "agent_answered_at": answered, "ended_at": ended}
        await tx.execute(update(call).where(call.c.id == call_id).values(**times))
        for party, channel in CHANNELS.items():
            began = answered + timedelta(seconds=BEGAN_AFTER[party])
            who = {"agent": "8001", "unit": "water"}.get(party, "")
            row = {"channel_id": channel, "call_id": call_id, "party": party, "name": "PJSIP/x", "who": who}
            await tx.execute(insert(leg).values(**row, created_at=began, answered_at=began, ended_at=ended))
            await tx.execute(insert(recording).values(**_recording(web, call_id, party, began)))
        await tx.execute(insert(talk), list(_talks(call_id, answered, ended)))
        gap = {"call_id": call_id, "channel_id": CHANNELS[Party.UNIT], "party": Party.UNIT, "cause": Cause.CUT_SHORT}
        cut = {"from_at": ended - timedelta(seconds=2), "until_at": ended}
        await tx.execute(insert(recording_gap).values(**gap, **cut))
        lines = tuple(
            Line(party, ChannelId(CHANNELS[party]), (Word(words, start_s, end_s, 0.93),))
            for party, start_s, end_s, words in said
        )
        await transcripts.save(tx, CallId(call_id), Transcript("test", lines, ()))
    return answered


def _recording(web: Web, call_id: str, party: Party, began: datetime) -> dict[str, Any]:
    seconds = SECONDS - BEGAN_AFTER[party]
    samples = speech(seconds, seed=len(party))
    channel = CHANNELS[party]
    name = name_of(CallId(call_id), party, ChannelId(channel)).name
    (web.spool / name).write_bytes(np.asarray(samples).astype("<i2").tobytes())
    row: dict[str, Any] = {"call_id": call_id, "channel_id": channel, "kind": Kind.LEG, "party": party, "path": name}
    row |= {"state": State.VERIFIED, "sha256": "ab" * 32, "started_at": began, "duration_s": len(samples) / RATE}
    row |= {"ended_at": began + timedelta(seconds=seconds)}
    return row | {"delete_not_before": datetime.now(UTC).date() + timedelta(days=1_200)}


def _talks(call_id: str, answered: datetime, ended: datetime) -> Any:
    merged = answered + timedelta(seconds=BEGAN_AFTER[Party.UNIT])
    for party, from_at, until_at, bridge, kind in (
        (Party.CITIZEN, answered, merged, "b1", "bridge"),
        (Party.AGENT, answered, merged, "b1", "bridge"),
        (Party.AGENT, answered + timedelta(seconds=1), answered + timedelta(seconds=2), "held", "phone_hold"),
        *((party, merged, ended, "b2", "conference") for party in CHANNELS),
    ):
        row = {"call_id": call_id, "bridge_id": bridge, "kind": kind, "channel_id": CHANNELS[party], "party": party}
        yield {**row, "from_at": from_at, "until_at": until_at}


async def whole_ticket(web: Web, **fields: Any) -> Whole:
    """In its second round: replied to, sent back for another, supervised, with messages out."""
    async with web.db.transaction() as tx:
        caller = await add_call(tx, web.vault, CALL_ID)
        now, rules = datetime.now(UTC), web.ground.rules
        drafted = await service.open_draft(
            tx, actor=system("story"), now=now, rules=rules, call_id=CallId(CALL_ID), requester=caller
        )
    answered = await heard_call(web)
    ticket = await web.get("agent", f"/api/tickets/{drafted.id}")
    given = {**FIELDS, "title": TITLE, "subject": "供水", "source": "电话", **fields}
    given.pop("phone")
    ticket = await ask(web, "agent", ticket, "edit", fields=given, reason="补全诉求")
    ticket = await ask(web, "agent", ticket, "register", intake_exception=EXCEPTION)
    ticket = await ask(web, "dispatcher", ticket, "dispatch", lead="water", assists=["roads"], basis="职责清单")
    ticket = await ask(web, "unit", ticket, "sign", person="水务值班室")
    ticket = await ask(web, "unit", ticket, "start")
    ticket = await ask(web, "unit", ticket, "approvals/ask", gate="report", reason="涉及产权移交，需县政府协调")
    await web.post("supervisor", f"/api/tickets/{ticket['id']}/urge", {"reason": "市民多次来电催问"})
    ticket = await web.get("supervisor", f"/api/tickets/{ticket['id']}")
    ticket = await ask(web, "supervisor", ticket, "supervise", trigger="OTHER", reason="停水户数多", form="written")
    async with web.db.transaction() as tx:
        await tx.execute(insert(sms_message), list(_messages(ticket["id"], caller)))
    return Whole(ticket, CALL_ID, answered)


async def answered_ticket(web: Web, whole: Whole) -> dict[str, Any]:
    """The other unit says what it thinks, and the lead replies."""
    ticket = await ask(web, "unit2", await web.get("unit2", f"/api/tickets/{whole.id}"), "assist/sign", person="李工")
    await ask(web, "unit2", ticket, "assist/opinion", opinion="路面由我局恢复")
    ticket = await web.get("unit", f"/api/tickets/{whole.id}")
    return await ask(web, "unit", ticket, "reply", contents=reply_contents())


def _messages(ticket: str, caller: int) -> Any:
    now = datetime.now(UTC)
    for key, state, body, reason in (
        ("told", "delivered", f"您反映的事项已受理，工单编号{ticket}。", ""),
        ("survey", "undelivered", "您对办理结果是否满意？", "carrier: no route"),
    ):
        row = {"key": f"{key}:{ticket}", "identity_id": caller, "purpose": Purpose.INFO, "ticket_id": ticket}
        sent = {"submit_attempts": 1, "submitted_at": now, "final_at": now, "reason": reason}
        yield {**row, "body": body, "state": state, "created_at": now, **sent}
