"""Looking at closed tickets again: 复核 where false reporting is suspected, 回头看 as a sample. PURE.

A look changes nothing of the ticket; a reviewer who found the work undone orders a new round. Source: SQ-037, MC-049.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from callcenter.types import UnitId
from ticketing.aftercare.follow_rules import CheckKind
from ticketing.facts import Fact
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.transition import REVIEWERS, Part, Transition
from ticketing.words import Event, State


class Found(StrEnum):
    """What the look found."""

    FINE = "fine"
    NOT_DONE = "not_done"
    UNTRUE = "untrue"
    """The reply was not what happened (GZ-046, SQ-037)."""


FOUND_NAMES = {Found.FINE: "与回复一致", Found.NOT_DONE: "办理不到位", Found.UNTRUE: "回复与事实不符"}


@dataclass(frozen=True, slots=True)
class LookBack:
    event: ClassVar = Event.LOOK_BACK
    kind: CheckKind
    found: Found
    note: str


@dataclass(frozen=True, slots=True)
class LookedBack(Fact):
    unit: UnitId | None
    kind: CheckKind
    found: Found
    note: str


def check_known(_: Ticket, detail: LookBack, context: Context) -> None:
    """The policy has this kind of look, and what was found is written down."""
    follow = context.policy.follow
    check = follow.check(detail.kind) if follow else None
    if check is None:
        raise GuardFailed("本地规定没有这种核查。请选择复核或回头看中已启用的一种。")
    if not detail.note.strip():
        raise GuardFailed.by(f"{check.label}须写明核查情况。", check.basis)


def _tell(_: Ticket, after: Ticket, detail: LookBack, context: Context) -> tuple[Fact, ...]:
    return (LookedBack(after.id, after.round, context.now, after.lead_unit, detail.kind, detail.found, detail.note),)


PART = Part(
    rows={
        (state, Event.LOOK_BACK): Transition(state, REVIEWERS, (check_known,))
        for state in (State.CLOSED, State.ARCHIVED)
    },
    tell={Event.LOOK_BACK: _tell},
)
