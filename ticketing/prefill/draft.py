"""PURE: a draft ticket from a transcript: suggestions with their evidence, and how they meet what the agent typed.

`suggest` reads the citizen's words and says what the fields of the ticket may be, each time with the words it rests
on, their seconds and a confidence. Nothing it says changes a ticket: the agent takes, changes or refuses each one. What
a caller dictates to the form (「工单等级特急」) stays text. `merge` keeps the agent's word above the machine's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import datetime
from enum import StrEnum
from typing import Final

from callcenter.types import PhoneNumber
from ticketing.prefill.data import PrefillData
from ticketing.prefill.matter import suggest_matter
from ticketing.prefill.people import suggest_people
from ticketing.prefill.place import suggest_places
from ticketing.prefill.talk import Field, Suggestion, listen
from ticketing.prefill.time import suggest_times
from ticketing.prefill.words import Utterance, Word

__all__ = [
    "Decision",
    "Field",
    "FieldState",
    "PrefillData",
    "Source",
    "Suggestion",
    "Utterance",
    "Verdict",
    "Word",
    "merge",
    "suggest",
]

PER_FIELD: Final = 2
"""Suggestions kept for one field: the best, and one other to choose."""
MAX_CHARS: Final = 20_000
"""What is read of a transcript, about an hour and a half of one person's speech; more is not a call but an attack."""


def suggest(
    utterances: Iterable[Utterance], data: PrefillData, heard_at: datetime, caller: PhoneNumber | None = None
) -> tuple[Suggestion, ...]:
    """What the fields may be, by field in the order of the form, best first.

    utterances: of all parties, in any order, times in one clock. heard_at: aware, when the call began; relative times
    count from it. caller: the number the call came from, for 「就是这个号码」. Raises ValueError for a naive time.
    """
    if heard_at.tzinfo is None:
        raise ValueError("heard_at must be an aware datetime")
    talk = listen(_limited(utterances))
    if not talk.text:
        return ()
    found = [
        *suggest_matter(talk, data),
        *suggest_places(talk, data),
        *suggest_times(talk, heard_at),
        *suggest_people(talk, caller),
    ]
    return tuple(kept for name in Field for kept in _best(found, name))


def _limited(utterances: Iterable[Utterance]) -> Iterable[Utterance]:
    """Utterances up to MAX_CHARS characters in all."""
    room = MAX_CHARS
    for utterance in utterances:
        room -= sum(len(word.text) for word in utterance.words)
        if room < 0:
            return
        yield utterance


def _best(found: Iterable[Suggestion], name: Field) -> Sequence[Suggestion]:
    """The best suggestions for one field, one for each value; of equals the one said later, as people correct
    themselves."""
    by_value: dict[str, Suggestion] = {}
    for suggestion in sorted(found, key=lambda s: (-s.confidence, -s.start_s)):
        if suggestion.field == name:
            by_value.setdefault(suggestion.value, suggestion)
    return tuple(by_value.values())[:PER_FIELD]


class Source(StrEnum):
    """Who a field's value is from."""

    EMPTY = "empty"
    SUGGESTED = "suggested"
    """The machine's, shown in the form and not yet taken by the agent."""
    CONFIRMED = "confirmed"
    """The machine's, taken by the agent."""
    AGENT = "agent"
    """Typed, changed or emptied by the agent."""


@dataclass(frozen=True, slots=True)
class FieldState:
    """A field of the draft as it stands. `refused`: values the agent has turned down."""

    value: str | None = dataclass_field(default=None, repr=False)
    source: Source = Source.EMPTY
    refused: frozenset[str] = dataclass_field(default=frozenset(), repr=False)


class Verdict(StrEnum):
    """What becomes of a suggestion."""

    FILL = "fill"
    """The field is empty: show it there, marked as the machine's."""
    REPLACE = "replace"
    """It takes the place of an older suggestion nobody has taken yet."""
    AGREE = "agree"
    """The field says so already: only the evidence is new."""
    BESIDE = "beside"
    """The field is the agent's, or a better suggestion fills it: show it beside, never inside."""
    DROP = "drop"
    """The agent has refused this value: it does not come back."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A suggestion and what becomes of it."""

    suggestion: Suggestion
    verdict: Verdict


def merge(current: Mapping[Field, FieldState], suggestions: Iterable[Suggestion]) -> tuple[Decision, ...]:
    """What becomes of each suggestion, best first within a field. At most one for a field is FILL or REPLACE.

    What an agent typed, changed, emptied or took stays; only an empty field, or one that holds a suggestion nobody
    has taken, is filled. Merging the outcome again with the same suggestions changes nothing.
    """
    decisions: list[Decision] = []
    settled: set[Field] = set()
    for suggestion in sorted(suggestions, key=lambda s: -s.confidence):
        state = current.get(suggestion.field, FieldState())
        verdict = _verdict(state, suggestion, taken=suggestion.field in settled)
        if verdict in (Verdict.FILL, Verdict.REPLACE) or (
            verdict is Verdict.AGREE and state.source is Source.SUGGESTED
        ):
            settled.add(suggestion.field)
        decisions.append(Decision(suggestion, verdict))
    return tuple(decisions)


def _verdict(state: FieldState, suggestion: Suggestion, *, taken: bool) -> Verdict:
    if suggestion.value in state.refused:
        return Verdict.DROP
    if state.value == suggestion.value:
        return Verdict.AGREE
    if taken or state.source in (Source.AGENT, Source.CONFIRMED):
        return Verdict.BESIDE
    return Verdict.REPLACE if state.source is Source.SUGGESTED else Verdict.FILL


def filled(current: Mapping[Field, FieldState], decisions: Iterable[Decision]) -> dict[Field, FieldState]:
    """The fields after `decisions`."""
    after = dict(current)
    for decision in decisions:
        if decision.verdict in (Verdict.FILL, Verdict.REPLACE):
            name = decision.suggestion.field
            refused = after.get(name, FieldState()).refused
            after[name] = FieldState(decision.suggestion.value, Source.SUGGESTED, refused)
    return after
