"""The calls of a node as they are now, in memory: events in, changes out. No I/O.

What was ended is remembered for a while, so that a late or replayed event does not open the call again.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from callcenter.call_events import CallEvent, CallOver, LegSeen, RecordingEnded
from callcenter.call_facts import CallStarted, Fact
from callcenter.call_parse import direction_of
from callcenter.call_state import OUTBOUND, Call
from callcenter.calls import advance, begin
from callcenter.types import CallId, Party

REMEMBER_ENDED = 20_000


@dataclass(frozen=True, slots=True)
class Change:
    """One call before and after, and what became true on the way."""

    before: Call | None
    after: Call
    facts: tuple[Fact, ...]

    @property
    def caller(self) -> str:
        """The caller's digits if this change learnt them."""
        return next((fact.caller for fact in self.facts if isinstance(fact, CallStarted)), "")


class Tracker:
    """Holds `Call` values by id; every method returns what changed."""

    def __init__(self) -> None:
        self.calls: dict[CallId, Call] = {}
        self._ended: OrderedDict[CallId, Call] = OrderedDict()

    def load(self, calls: Iterable[Call]) -> None:
        """Take calls read from the database: open ones to go on with, ended ones to recognise."""
        for call in calls:
            if call.ended_at is None:
                self.calls.setdefault(call.id, call)
            else:
                self._forget(call)

    def knows(self, call_id: CallId) -> bool:
        """Whether the call is open here or was ended lately."""
        return call_id in self.calls or call_id in self._ended

    def take(self, event: CallEvent) -> Change | None:
        """Apply one event; None when nothing changed."""
        known = self.calls.get(event.call_id)
        if known is None:
            return self._take_unknown(event)
        call, facts = advance(known, event)
        if call is known and not facts:
            return None
        self._keep(call)
        return Change(known, call, facts)

    def _take_unknown(self, event: CallEvent) -> Change | None:
        ended = self._ended.get(event.call_id)
        if ended is not None:
            if not isinstance(event, RecordingEnded):
                return None
            # The hangup handler tells of the file around the hang-up; either order is fine.
            _, facts = advance(ended, event)
            return Change(ended, ended, facts)
        if not isinstance(event, LegSeen) or str(event.channel_id) != str(event.call_id):
            return None
        direction = direction_of(event.call_id)
        # Only a call about a ticket may begin with a unit: its telephone rings first.
        if event.party not in (Party.CITIZEN, Party.AGENT) and (event.party, direction) != (Party.UNIT, OUTBOUND):
            return None
        call, facts = begin(event, direction)
        self._keep(call)
        return Change(None, call, facts)

    def end(self, call_id: CallId, event: CallOver) -> Change | None:
        """End a call that Asterisk no longer has."""
        return self.take(event) if call_id in self.calls else None

    def _keep(self, call: Call) -> None:
        if call.ended_at is None:
            self.calls[call.id] = call
        else:
            self.calls.pop(call.id, None)
            self._forget(call)

    def _forget(self, call: Call) -> None:
        self._ended[call.id] = call
        while len(self._ended) > REMEMBER_ENDED:
            self._ended.popitem(last=False)
