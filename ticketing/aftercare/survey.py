"""PURE: one satisfaction survey by SMS, from waiting for its number to be free until a rating is settled.

    waiting -> queued -> submitting -> submitted | unknown | rejected -> delivered | undelivered
            -> answered | expired_default | manual -> done

The promises, kept by TRANSITIONS and tried by random histories in the tests:

- The message is submitted at most once. `Submitting` is recorded before anything is written to the gateway; a survey
  whose answer never came is `unknown` and is never sent again. Only `NotSent` (it is certain that nothing left)
  gives the attempt back.
- The first valid answer inside the window counts, and nothing changes it. Silence is the policy's rating only after
  a proven delivery and a whole window (LS-065); without the proof, a person calls (LS-066). An unclear answer
  is not silence: a person reads it, and no default follows.
- Nothing depends on when the sweep runs: whatever the window has ended by `event.at` is applied first.
- One number is asked one thing at a time, or each survey has its own extension of the access number.

Source: LS-064 to LS-067; who may answer, and when, is decided here once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from callcenter.types import PhoneNumber, TicketId
from ticketing.aftercare.sms_reply import Rating
from ticketing.aftercare.survey_words import (
    UNSATISFIED,
    Accepted,
    AskingRules,
    Barred,
    CallCause,
    Called,
    CallNeeded,
    CallNotNeeded,
    Freed,
    Kept,
    Lost,
    NotSent,
    NumberBarred,
    NumberFreed,
    Rated,
    Receipt,
    Refused,
    Replied,
    ReplyKept,
    Reported,
    ReviewNeeded,
    Settled,
    SubmitOnce,
    Submitting,
    Survey,
    SurveyEvent,
    SurveyFact,
    SurveyId,
    SurveyQueued,
    SurveyReached,
    SurveyState,
)
from ticketing.words import RatingSource

Outcome = tuple[Survey, tuple[SurveyFact, ...]]


class Trigger(StrEnum):
    """An event, as the table knows it."""

    FREED = "freed"
    BARRED = "barred"
    SUBMITTING = "submitting"
    NOT_SENT = "not_sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    LOST = "lost"
    DELIVERED = "delivered"
    FAILED = "failed"
    ON_ITS_WAY = "on_its_way"
    ANSWER = "answer"
    UNCLEAR = "unclear"
    STOP = "stop"
    WINDOW_ENDED = "window_ended"
    SILENT = "silent"
    """The window ended, delivered and unanswered, and silence means nothing."""
    CALLED = "called"
    SETTLED = "settled"


Effect = Callable[[Survey, SurveyEvent], Outcome]


@dataclass(frozen=True, slots=True)
class Step:
    """The next state, and what else changes."""

    next: SurveyState
    effect: Effect


def _plain(survey: Survey, _: SurveyEvent) -> Outcome:
    return survey, ()


def _queue(survey: Survey, _: SurveyEvent) -> Outcome:
    return replace(survey, holds_number=True), (SurveyQueued(),)


def _submit(survey: Survey, event: SurveyEvent) -> Outcome:
    return replace(survey, submitting_at=event.at), (SubmitOnce(),)


def _give_back(survey: Survey, _: SurveyEvent) -> Outcome:
    return replace(survey, submitting_at=None), ()


def _deliver(survey: Survey, event: SurveyEvent) -> Outcome:
    reached = replace(survey, delivered_at=event.at)
    return reached, (SurveyReached(event.at + survey.rules.window),)


def _call(cause: CallCause, *, release: bool) -> Effect:
    """A person calls; `release`: no answer by message can count any more."""

    def effect(survey: Survey, event: SurveyEvent) -> Outcome:
        text = event.reply.text if isinstance(event, Replied) else ""
        asked = replace(survey, cause=cause)
        if not release:
            return asked, (CallNeeded(cause, text),)
        freed, facts = _release(asked)
        return freed, (CallNeeded(cause, text), *facts)

    return effect


def _barred(survey: Survey, event: SurveyEvent) -> Outcome:
    """STOP in answer to the survey: an answer may still come of the citizen's own will."""
    asked, facts = _call(CallCause.STOPPED, release=False)(survey, event)
    return asked, (NumberBarred(survey.number), *facts)


def _stop_again(survey: Survey, _: SurveyEvent) -> Outcome:
    return survey, (NumberBarred(survey.number),)


def _expire(survey: Survey, event: SurveyEvent) -> Outcome:
    """Delivered and silent for the whole window."""
    assert survey.rules.no_reply is not None
    return _rate(survey, survey.rules.no_reply, RatingSource.DEFAULT, None)


def _answer(survey: Survey, event: SurveyEvent) -> Outcome:
    """The first valid answer. 不满意 asks for a review and a call; any other takes back a call that was asked for."""
    assert isinstance(event, Replied)
    assert event.reply.rating is not None
    rated, facts = _rate(survey, event.reply.rating, RatingSource.CITIZEN, event.reply.comment)
    if rated.rating == UNSATISFIED:
        asked: tuple[SurveyFact, ...] = (ReviewNeeded(), CallNeeded(CallCause.UNSATISFIED, event.reply.text))
        return replace(rated, cause=CallCause.UNSATISFIED), (*facts, *asked)
    if survey.state is SurveyState.MANUAL:
        return replace(rated, cause=None), (*facts, CallNotNeeded())
    return rated, facts


def _called(survey: Survey, event: SurveyEvent) -> Outcome:
    """The call's result is the rating, unless the citizen has given one (LS-066)."""
    assert isinstance(event, Called)
    if survey.rating is not None or event.rating is None:
        return _release(survey)
    rated, facts = _rate(survey, event.rating, RatingSource.MANUAL, None)
    return rated, (*facts, ReviewNeeded()) if event.rating == UNSATISFIED else facts


def _settle(survey: Survey, _: SurveyEvent) -> Outcome:
    return _release(survey)


def _rate(survey: Survey, rating: Rating, source: RatingSource, comment: str | None) -> Outcome:
    freed, facts = _release(replace(survey, rating=rating, source=source, comment=comment))
    return freed, (Rated(rating, source, comment), *facts)


def _release(survey: Survey) -> Outcome:
    if not survey.holds_number:
        return survey, ()
    return replace(survey, holds_number=False), (NumberFreed(survey.number, survey.extension),)


_S, _T = SurveyState, Trigger
_NOT_DELIVERED = (_S.SUBMITTING, _S.SUBMITTED, _S.UNKNOWN, _S.UNDELIVERED)
_SENT = (*_NOT_DELIVERED, _S.DELIVERED)
_NO_RECEIPT = _call(CallCause.NO_RECEIPT, release=True)

TRANSITIONS: Final[Mapping[tuple[SurveyState, Trigger], Step]] = {
    (_S.WAITING, _T.FREED): Step(_S.QUEUED, _queue),
    (_S.WAITING, _T.BARRED): Step(_S.MANUAL, _call(CallCause.STOPPED, release=True)),
    (_S.QUEUED, _T.BARRED): Step(_S.MANUAL, _call(CallCause.STOPPED, release=True)),
    (_S.QUEUED, _T.SUBMITTING): Step(_S.SUBMITTING, _submit),
    (_S.SUBMITTING, _T.NOT_SENT): Step(_S.QUEUED, _give_back),
    (_S.SUBMITTING, _T.ACCEPTED): Step(_S.SUBMITTED, _plain),
    (_S.SUBMITTING, _T.LOST): Step(_S.UNKNOWN, _plain),
    (_S.SUBMITTING, _T.REFUSED): Step(_S.REJECTED, _call(CallCause.REJECTED, release=True)),
    (_S.UNKNOWN, _T.REFUSED): Step(_S.REJECTED, _call(CallCause.REJECTED, release=True)),
    (_S.UNKNOWN, _T.ACCEPTED): Step(_S.SUBMITTED, _plain),
    (_S.UNKNOWN, _T.ON_ITS_WAY): Step(_S.SUBMITTED, _plain),
    (_S.SUBMITTING, _T.ON_ITS_WAY): Step(_S.SUBMITTED, _plain),
    (_S.SUBMITTING, _T.FAILED): Step(_S.UNDELIVERED, _plain),
    (_S.SUBMITTED, _T.FAILED): Step(_S.UNDELIVERED, _plain),
    (_S.UNKNOWN, _T.FAILED): Step(_S.UNDELIVERED, _plain),
    **{(state, _T.DELIVERED): Step(_S.DELIVERED, _deliver) for state in _NOT_DELIVERED},
    **{(state, _T.ANSWER): Step(_S.ANSWERED, _answer) for state in (*_SENT, _S.MANUAL)},
    **{(state, _T.UNCLEAR): Step(_S.MANUAL, _call(CallCause.UNCLEAR, release=False)) for state in _SENT},
    (_S.MANUAL, _T.UNCLEAR): Step(_S.MANUAL, _plain),
    **{(state, _T.STOP): Step(_S.MANUAL, _barred) for state in _SENT},
    (_S.MANUAL, _T.STOP): Step(_S.MANUAL, _stop_again),
    (_S.SUBMITTING, _T.WINDOW_ENDED): Step(_S.MANUAL, _NO_RECEIPT),
    (_S.SUBMITTED, _T.WINDOW_ENDED): Step(_S.MANUAL, _NO_RECEIPT),
    (_S.UNKNOWN, _T.WINDOW_ENDED): Step(_S.MANUAL, _NO_RECEIPT),
    (_S.UNDELIVERED, _T.WINDOW_ENDED): Step(_S.MANUAL, _call(CallCause.UNDELIVERED, release=True)),
    (_S.DELIVERED, _T.WINDOW_ENDED): Step(_S.EXPIRED_DEFAULT, _expire),
    (_S.DELIVERED, _T.SILENT): Step(_S.MANUAL, _call(CallCause.SILENT, release=True)),
    (_S.MANUAL, _T.WINDOW_ENDED): Step(_S.MANUAL, _settle),
    **{(state, _T.CALLED): Step(_S.DONE, _called) for state in (_S.MANUAL, _S.REJECTED, _S.ANSWERED)},
    **{(state, _T.SETTLED): Step(_S.DONE, _settle) for state in _S if state is not _S.DONE},
}
"""Everything that is not here changes nothing."""


def advance(survey: Survey, event: SurveyEvent) -> Outcome:
    """The survey after `event`, and what follows. A repeated event returns the same survey and no facts.

    What the window has ended by event.at is applied first, so that a late sweep changes nothing.
    """
    if isinstance(event, Replied) and event.key in survey.reply_keys:
        return survey, ()
    survey, ended = _end_window(survey, event)
    if isinstance(event, Replied):
        after, facts = _reply(survey, event)
        return after, (*ended, *facts)
    trigger = _TRIGGERS.get(type(event))
    if isinstance(event, Reported):
        trigger = _BY_RECEIPT[event.receipt]
    after, facts = _step(survey, trigger, event)
    return after, (*ended, *facts)


def ends_at(survey: Survey) -> datetime | None:
    """When the window ends without an answer; None when no window runs. The sweep's due time."""
    if survey.submitting_at is None or not survey.holds_number:
        return None
    return (survey.delivered_at or survey.submitting_at) + survey.rules.window


def open_survey(
    survey_id: SurveyId,
    ticket: TicketId,
    number: PhoneNumber,
    rules: AskingRules,
    opened_at: datetime,
    *,
    others: Iterable[Survey] = (),
    barred: bool = False,
    extension: str = "",
) -> Outcome:
    """A new survey: queued, or waiting for `others` of its number, or for a person when the number is barred."""
    survey = Survey(survey_id, ticket, number, opened_at, rules, extension, SurveyState.WAITING)
    if barred:
        return advance(survey, Barred(opened_at))
    # A waiting one counts as well, or a newer survey would overtake it.
    ahead = (o for o in others if _same_line(o, survey) and (o.holds_number or o.state is SurveyState.WAITING))
    if any(ahead):
        return survey, ()
    return advance(survey, Freed(opened_at))


def next_waiting(surveys: Iterable[Survey], freed: NumberFreed) -> Survey | None:
    """The survey that has waited longest for the freed number, if no other holds it."""
    line = [s for s in surveys if s.number == freed.number and s.extension == freed.extension]
    if any(s.holds_number for s in line):
        return None
    waiting = (s for s in line if s.state is SurveyState.WAITING)
    return min(waiting, key=lambda s: (s.opened_at, s.id), default=None)


def match(surveys: Collection[Survey], sender: PhoneNumber, destination: str) -> Survey | None:
    """The survey an MO belongs to: the open one of its sender and the extension it was sent to, never a guess.

    destination: the full number the citizen answered to. None when nothing, or more than one, fits. When no survey
    is open the last one asked is returned: its `advance` keeps the reply without counting it.
    """
    asked = [s for s in surveys if s.number == sender and s.submitting_at is not None]
    named = [s for s in asked if s.extension and destination.endswith(s.extension)]
    fitting = named or [s for s in asked if not s.extension]
    still_open = [s for s in fitting if s.holds_number]
    if len(still_open) > 1:
        return None
    return still_open[0] if still_open else max(fitting, key=lambda s: (s.submitting_at, s.id), default=None)


_TRIGGERS: Final[Mapping[type[SurveyEvent], Trigger]] = {
    Freed: Trigger.FREED,
    Barred: Trigger.BARRED,
    Submitting: Trigger.SUBMITTING,
    NotSent: Trigger.NOT_SENT,
    Accepted: Trigger.ACCEPTED,
    Refused: Trigger.REFUSED,
    Lost: Trigger.LOST,
    Called: Trigger.CALLED,
    Settled: Trigger.SETTLED,
}
_BY_RECEIPT: Final = {
    Receipt.DELIVERED: Trigger.DELIVERED,
    Receipt.FAILED: Trigger.FAILED,
    Receipt.ON_ITS_WAY: Trigger.ON_ITS_WAY,
}
_BY_ROUTE: Final = {"count": Trigger.ANSWER, "person": Trigger.UNCLEAR, "stop": Trigger.STOP, "ignore": None}
_KEPT: Final = {"count": Kept.COUNTED, "person": Kept.UNCLEAR, "stop": Kept.STOP, "ignore": Kept.EMPTY}


def _step(survey: Survey, trigger: Trigger | None, event: SurveyEvent) -> Outcome:
    """One row of the table, or nothing."""
    step = TRANSITIONS.get((survey.state, trigger)) if trigger else None
    if step is None:
        return survey, ()
    after, facts = step.effect(survey, event)
    return replace(after, state=step.next), facts


def _end_window(survey: Survey, event: SurveyEvent) -> Outcome:
    """What silence has brought about by event.at."""
    end = ends_at(survey)
    if end is None or event.at < end:
        return survey, ()
    silent = survey.state is SurveyState.DELIVERED and survey.rules.no_reply is None
    return _step(survey, Trigger.SILENT if silent else Trigger.WINDOW_ENDED, event)


def _reply(survey: Survey, event: Replied) -> Outcome:
    """A reply is kept in any case; it counts while the survey is open. STOP stops the number at any time."""
    kept = replace(survey, reply_keys=survey.reply_keys | {event.key})
    route = event.reply.route
    asked = survey.submitting_at is not None and event.at >= survey.submitting_at
    if survey.holds_number and asked:
        after, facts = _step(kept, _BY_ROUTE[route], event)
        return after, (ReplyKept(event.key, _KEPT[route]), *facts)
    if route == "stop":
        return kept, (ReplyKept(event.key, Kept.STOP), NumberBarred(survey.number))
    late = Kept.NOT_FIRST if survey.source is RatingSource.CITIZEN else Kept.UNMATCHED
    return kept, (ReplyKept(event.key, late),)


def _same_line(one: Survey, other: Survey) -> bool:
    """Their answers could not be told apart."""
    return one.number == other.number and one.extension == other.extension
