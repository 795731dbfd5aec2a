"""Calls as a real Asterisk told them (`record.py` made the files): which facts follow, and whether its log agrees.

`<story>.ami.txt`: the events of the manager interface. `<story>.cel.txt`: the channel event log of the same call.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter import call_facts as facts
from callcenter import cel
from callcenter.ami_wire import AmiEvent
from callcenter.call_events import CallEvent, LegGone, Place
from callcenter.call_facts import Fact
from callcenter.call_parse import Naming, parse_ami, parse_cel
from callcenter.calls import Call, Stay
from callcenter.tracker import Tracker
from callcenter.types import Party

HERE = Path(__file__).parent
NAMING = Naming()
NEAR = timedelta(milliseconds=50)
"""How far the two sources' times of one thing may be apart."""
SPY_NEAR = timedelta(milliseconds=200)
"""ChanSpy tells the manager only when it has found the channel; the log tells when it was started."""

STORIES: dict[str, list[str]] = {}


@cache
def ami(story: str) -> tuple[CallEvent, ...]:
    """The story's call events, by way of the product's own parsers."""
    read: list[CallEvent | None] = []
    for block in (HERE / f"{story}.ami.txt").read_text(encoding="utf-8").strip().split("\n\n")[1:]:
        raw = block.replace("\n", "\r\n").encode()
        event = AmiEvent.received(block.partition("\n")[0].removeprefix("Event: "), raw, datetime.now(UTC))
        read.append(parse_ami(event.name, event.fields, event.at, NAMING))
    return tuple(event for event in read if event is not None)


@cache
def log(story: str) -> tuple[CallEvent, ...]:
    """The same call out of Asterisk's log."""
    piece = cel.read(HERE / f"{story}.cel.txt", 0)
    assert piece.rows
    assert piece.bad_lines == 0
    return tuple(event for row in piece.rows if (event := parse_cel(row, NAMING)) is not None)


@dataclass
class Told:
    call: Call
    facts: list[Fact]

    @property
    def kinds(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts]


def tell(events: Iterable[CallEvent]) -> Told:
    tracker, told = Tracker(), []
    last: Call | None = None
    for event in events:
        change = tracker.take(event)
        if change is not None:
            told.extend(change.facts)
            last = change.after
    assert last is not None
    return Told(last, told)


def line(fact: Fact) -> str:
    """A fact as a line of the tables above."""
    match fact:
        case facts.CallStarted():
            return f"CallStarted {fact.direction} {fact.caller}".strip()
        case facts.MenuStepTaken():
            return f"MenuStepTaken {fact.step} {fact.digits}"
        case facts.MenuDone():
            return f"MenuDone {fact.outcome} {fact.queue} {fact.request_type}".rstrip()
        case facts.CallQueued():
            return f"CallQueued {fact.queue}"
        case facts.CallbackWanted():
            return f"CallbackWanted {fact.reason}"
        case facts.AgentRang() | facts.AgentAnswered() | facts.AgentMissedRing():
            return f"{type(fact).__name__} {fact.agent}"
        case facts.SituationChanged():
            return f"-> {fact.after}"
        case facts.LegJoined():
            return f"LegJoined {fact.party}"
        case facts.LegLeft():
            return f"LegLeft {fact.party} {fact.cause}{'' if fact.answered else ' unanswered'}"
        case facts.CitizenLeft():
            return f"CitizenLeft, {len(fact.others)} others"
        case facts.CitizenStranded():
            return f"CitizenStranded {'after' if fact.had_unit else 'before'} a unit, {len(fact.others)} others"
        case facts.RecordingFinished():
            return f"RecordingFinished {fact.party}{' and mix' if fact.mix else ''}"
        case facts.CallMissed():
            return f"CallMissed {fact.reason}{' asked' if fact.asked else ''}"
        case facts.CallEnded():
            return f"CallEnded {fact.exit_reason}"
    return type(fact).__name__
