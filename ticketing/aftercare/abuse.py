"""Nuisance: noted with its evidence, confirmed by another person, handed over to an authority; no blocking. PURE.

Source: MC-022, LS-009.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from ticketing.facts import Fact
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.transition import CALLERS_BACK, DESK, Part, Transition
from ticketing.words import Event, State


class AbuseStep(StrEnum):
    """How far a note of nuisance has come."""

    NOTED = "noted"
    CONFIRMED = "confirmed"
    HANDED_OVER = "handed_over"


STEP_NAMES = {AbuseStep.NOTED: "已记录", AbuseStep.CONFIRMED: "已复核", AbuseStep.HANDED_OVER: "已移交"}


class EvidenceKind(StrEnum):
    CALL = "call"
    RECORDING = "recording"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Evidence:
    """ref: the call's id, the recording's path, the message's id."""

    kind: EvidenceKind
    ref: str


@dataclass(frozen=True, slots=True)
class NoteAbuse:
    """One step. record: the note it goes on with, None for a new one. authority, receipt: where it was handed over."""

    event: ClassVar = Event.NOTE_ABUSE
    step: AbuseStep
    note: str
    kind: str = ""
    evidence: tuple[Evidence, ...] = ()
    record: int | None = None
    authority: str = ""
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class AbuseNoted(Fact):
    step: AbuseStep
    kind: str


def abuse_step_complete(_: Ticket, detail: NoteAbuse, context: Context) -> None:
    """Each step has what it needs; whether it follows on the one before is checked where the note can be read."""
    rules = context.policy.abuse
    if rules is None:
        raise GuardFailed("本地规定没有移交滋扰行为的程序。辱骂、骚扰的来电请按不予受理的情形处理。")
    if not detail.note.strip():
        raise GuardFailed.by("请写明情况。", rules.basis)
    match detail.step:
        case AbuseStep.NOTED if detail.kind not in {one.code for one in rules.kinds}:
            known = "、".join(f"{one.code}({one.label})" for one in rules.kinds)
            raise GuardFailed.by(f"请选定滋扰情形：{known}。", rules.basis)
        case AbuseStep.NOTED if not any(one.ref.strip() for one in detail.evidence):
            raise GuardFailed.by("记录滋扰须附证据：通话或录音编号。", rules.basis)
        case AbuseStep.HANDED_OVER if detail.authority not in rules.authorities:
            raise GuardFailed.by(f"请选定移交的部门：{'、'.join(rules.authorities)}。", rules.basis)
    if detail.step is not AbuseStep.NOTED and detail.record is None:
        raise GuardFailed.by("请选定要复核或移交的滋扰记录。", rules.basis)


def _tell(_: Ticket, after: Ticket, detail: NoteAbuse, context: Context) -> tuple[Fact, ...]:
    return (AbuseNoted(after.id, after.round, context.now, detail.step, detail.kind),)


PART = Part(
    rows={
        (state, Event.NOTE_ABUSE): Transition(state, DESK | CALLERS_BACK, (abuse_step_complete,))
        for state in State
        if state is not State.ARCHIVED
    },
    tell={Event.NOTE_ABUSE: _tell},
)
