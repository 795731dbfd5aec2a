"""A survey's life: its table, its windows, whose reply counts, and random histories against a small model."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.types import PhoneNumber, TicketId
from ticketing.aftercare.sms_reply import Rating, parse
from ticketing.aftercare.survey import TRANSITIONS, Trigger, advance, ends_at, match, next_waiting, open_survey
from ticketing.aftercare.survey_words import (
    Accepted,
    AskingRules,
    Barred,
    CallCause,
    Called,
    CallNeeded,
    CallNotNeeded,
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
    Tick,
)
from ticketing.words import RatingSource

T0 = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
RULES = AskingRules(DAY, "满意")
NUMBER = PhoneNumber("13800138000")
S = SurveyState


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def a_survey(name: str = "s1", **kwargs: object) -> Survey:
    return open_survey(SurveyId(name), TicketId("t1"), NUMBER, RULES, T0, **kwargs)[0]  # type: ignore[arg-type]


def said(hours: float, text: str, key: str | None = None) -> Replied:
    return Replied(at(hours), key or f"mo-{hours}-{text}", parse(text))


def run(survey: Survey, *events: SurveyEvent) -> tuple[Survey, list[SurveyFact]]:
    facts: list[SurveyFact] = []
    for event in events:
        survey, new = advance(survey, event)
        facts += new
    return survey, facts


SENT = (Submitting(at(0)), Accepted(at(0)))
DELIVERED = (*SENT, Reported(at(1), Receipt.DELIVERED))


def test_satisfied_answer_ends_it() -> None:
    survey, facts = run(a_survey(), *DELIVERED, said(2, "1"))
    assert (survey.state, survey.rating, survey.source) == (S.ANSWERED, "满意", RatingSource.CITIZEN)
    assert facts == [
        SubmitOnce(),
        SurveyReached(at(25)),
        ReplyKept("mo-2-1", Kept.COUNTED),
        Rated("满意", RatingSource.CITIZEN),
        NumberFreed(NUMBER, ""),
    ]
    assert run(survey, Settled(at(3)))[0].state is S.DONE


def test_unsatisfied_answer_asks_for_review_and_call() -> None:
    survey, facts = run(a_survey(), *DELIVERED, said(2, "3，路灯还是不亮"))
    assert facts[-4:] == [
        Rated("不满意", RatingSource.CITIZEN, "路灯还是不亮"),
        NumberFreed(NUMBER, ""),
        ReviewNeeded(),
        CallNeeded(CallCause.UNSATISFIED, "3，路灯还是不亮"),
    ]
    done, after = run(survey, Called(at(30), "满意"))
    assert (done.state, done.rating, after) == (S.DONE, "不满意", [])


def test_silence_after_delivery_is_the_default() -> None:
    survey, facts = run(a_survey(), *DELIVERED, Tick(at(24.99)))
    assert survey.state is S.DELIVERED
    survey, facts = run(survey, Tick(at(25)))
    assert survey.state is S.EXPIRED_DEFAULT
    assert facts == [Rated("满意", RatingSource.DEFAULT), NumberFreed(NUMBER, "")]


def test_silence_means_nothing_where_the_policy_has_no_default() -> None:
    survey = replace(a_survey(), rules=AskingRules(DAY, None))
    survey, facts = run(survey, *DELIVERED, Tick(at(25)))
    assert (survey.state, survey.rating) == (S.MANUAL, None)
    assert CallNeeded(CallCause.SILENT) in facts


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        (SENT, CallCause.NO_RECEIPT),
        ((Submitting(at(0)), Lost(at(0.1))), CallCause.NO_RECEIPT),
        ((Submitting(at(0)),), CallCause.NO_RECEIPT),
        ((*SENT, Reported(at(1), Receipt.FAILED)), CallCause.UNDELIVERED),
        ((*SENT, Reported(at(1), Receipt.ON_ITS_WAY)), CallCause.NO_RECEIPT),
    ],
)
def test_without_proof_of_delivery_a_person_calls(events: tuple[SurveyEvent, ...], cause: CallCause) -> None:
    survey, facts = run(a_survey(), *events, Tick(at(24)))
    assert (survey.state, survey.rating, survey.cause) == (S.MANUAL, None, cause)
    assert [f for f in facts if isinstance(f, CallNeeded)] == [CallNeeded(cause)]
    done, facts = run(survey, Called(at(26), "基本满意"))
    assert (done.state, facts) == (S.DONE, [Rated("基本满意", RatingSource.MANUAL)])


def test_rejected_for_good_goes_to_a_person_at_once() -> None:
    survey, facts = run(a_survey(), Submitting(at(0)), Refused(at(0)))
    assert survey.state is S.REJECTED
    assert facts == [SubmitOnce(), CallNeeded(CallCause.REJECTED), NumberFreed(NUMBER, "")]
    assert run(survey, Called(at(3), None))[0].state is S.DONE


def test_unknown_is_never_sent_again() -> None:
    survey, facts = run(
        a_survey(), Submitting(at(0)), Lost(at(0.1)), Submitting(at(0.2)), NotSent(at(0.3)), Submitting(at(0.4))
    )
    assert survey.state is S.UNKNOWN
    assert facts == [SubmitOnce()]


def test_what_certainly_never_left_may_be_tried_again() -> None:
    survey, facts = run(a_survey(), Submitting(at(0)), NotSent(at(0.1)), Submitting(at(1)), Accepted(at(1)))
    assert (survey.state, facts) == (S.SUBMITTED, [SubmitOnce(), SubmitOnce()])
    assert survey.submitting_at == at(1)


def test_receipt_before_the_gateways_answer_is_kept() -> None:
    survey, _ = run(a_survey(), Submitting(at(0)), Reported(at(0.1), Receipt.DELIVERED), Accepted(at(0.2)))
    assert survey.state is S.DELIVERED


def test_receipt_resolves_unknown() -> None:
    lost = (Submitting(at(0)), Lost(at(0.1)))
    assert run(a_survey(), *lost, Reported(at(1), Receipt.DELIVERED))[0].state is S.DELIVERED
    assert run(a_survey(), *lost, Reported(at(1), Receipt.ON_ITS_WAY))[0].state is S.SUBMITTED
    assert run(a_survey(), *lost, Reported(at(1), Receipt.FAILED))[0].state is S.UNDELIVERED


def test_failed_then_delivered_is_delivered_and_never_back() -> None:
    failed = (*SENT, Reported(at(1), Receipt.FAILED))
    survey, _ = run(a_survey(), *failed, Reported(at(2), Receipt.DELIVERED), Reported(at(3), Receipt.FAILED))
    assert (survey.state, survey.delivered_at) == (S.DELIVERED, at(2))


def test_answer_proves_delivery() -> None:
    for events in (SENT, (Submitting(at(0)), Lost(at(0.1))), (*SENT, Reported(at(1), Receipt.FAILED))):
        assert run(a_survey(), *events, said(2, "2"))[0].rating == "基本满意"


def test_first_answer_counts_and_later_ones_are_kept() -> None:
    survey, facts = run(a_survey(), *DELIVERED, said(2, "3"), said(3, "1"), said(4, "满意"))
    assert survey.rating == "不满意"
    assert [f.kept for f in facts if isinstance(f, ReplyKept)] == [Kept.COUNTED, Kept.NOT_FIRST, Kept.NOT_FIRST]


def test_unclear_answer_goes_to_a_person_and_no_default_follows() -> None:
    survey, facts = run(a_survey(), *DELIVERED, said(2, "不太满意"), Tick(at(26)))
    assert (survey.state, survey.rating) == (S.MANUAL, None)
    assert CallNeeded(CallCause.UNCLEAR, "不太满意") in facts
    assert NumberFreed(NUMBER, "") in facts


def test_clear_answer_after_an_unclear_one_counts_inside_the_window() -> None:
    survey, facts = run(a_survey(), *DELIVERED, said(2, "你好"), said(3, "1"))
    assert (survey.state, survey.rating) == (S.ANSWERED, "满意")
    assert CallNotNeeded() in facts
    late, facts = run(a_survey(), *DELIVERED, said(2, "你好"), said(25, "1"))
    assert (late.state, late.rating) == (S.MANUAL, None)
    assert ReplyKept("mo-25-1", Kept.UNMATCHED) in facts


def test_empty_reply_changes_nothing() -> None:
    survey, facts = run(a_survey(), *DELIVERED, said(2, " "))
    assert survey.state is S.DELIVERED
    assert facts[-1] == ReplyKept("mo-2- ", Kept.EMPTY)


def test_late_answer_is_kept_unmatched_whether_the_sweep_ran_or_not() -> None:
    swept = run(a_survey(), *DELIVERED, Tick(at(25)), said(25, "3"))
    not_swept = run(a_survey(), *DELIVERED, said(25, "3"))
    assert swept == not_swept
    survey, facts = not_swept
    assert (survey.rating, survey.source) == ("满意", RatingSource.DEFAULT)
    assert facts[-1] == ReplyKept("mo-25-3", Kept.UNMATCHED)


def test_stop_bars_the_number_at_any_time() -> None:
    survey, facts = run(a_survey(), *DELIVERED, said(2, "TD"))
    assert survey.state is S.MANUAL
    assert facts[-2:] == [NumberBarred(NUMBER), CallNeeded(CallCause.STOPPED, "TD")]
    for events in ((*DELIVERED, said(2, "1")), (*DELIVERED, Tick(at(25))), (*DELIVERED, said(2, "T"))):
        assert NumberBarred(NUMBER) in run(run(a_survey(), *events)[0], said(26, "退订"))[1]


def test_barred_number_gets_no_message() -> None:
    survey, facts = open_survey(SurveyId("s"), TicketId("t"), NUMBER, RULES, T0, barred=True)
    assert (survey.state, facts) == (S.MANUAL, (CallNeeded(CallCause.STOPPED),))
    survey, facts_ = run(a_survey(), Barred(at(0)), Submitting(at(1)))
    assert survey.state is S.MANUAL
    assert SubmitOnce() not in facts_


def test_same_reply_twice_counts_once_and_says_nothing_new() -> None:
    survey, _ = run(a_survey(), *DELIVERED, said(2, "1", "key"))
    assert advance(survey, said(2, "1", "key")) == (survey, ())


def test_reply_before_the_question_is_not_its_answer() -> None:
    survey, facts = run(a_survey(), said(0, "3"), Submitting(at(1)))
    assert survey.rating is None
    assert facts[0] == ReplyKept("mo-0-3", Kept.UNMATCHED)


def test_second_survey_of_a_number_waits_for_the_first() -> None:
    first, facts = open_survey(SurveyId("a"), TicketId("t1"), NUMBER, RULES, T0)
    assert (first.state, facts) == (S.QUEUED, (SurveyQueued(),))
    second, facts = open_survey(SurveyId("b"), TicketId("t2"), NUMBER, RULES, at(1), others=[first])
    assert (second.state, facts) == (S.WAITING, ())
    third, _ = open_survey(SurveyId("c"), TicketId("t3"), NUMBER, RULES, at(2), others=[first, second])
    freed = NumberFreed(NUMBER, "")
    assert next_waiting([first, second, third], freed) is None
    answered, facts_ = run(first, *DELIVERED, said(2, "1"))
    assert freed in facts_
    assert next_waiting([answered, third, second], freed) == second


def test_newcomer_does_not_overtake_the_waiting() -> None:
    first = a_survey("a")
    second = a_survey("b", others=[first])
    answered, _ = run(first, *DELIVERED, said(2, "1"))
    assert a_survey("c", others=[answered, second]).state is S.WAITING


def test_extensions_tell_two_surveys_of_a_number_apart() -> None:
    one = run(a_survey("a", extension="0001"), *SENT)[0]
    two = run(a_survey("b", extension="0002", others=[one]), *SENT)[0]
    assert match([one, two], NUMBER, "106912345" + "0002") == two
    assert match([one, two], NUMBER, "106912345" + "0001") == one
    assert match([one, two], NUMBER, "106912345") is None


def test_reply_is_matched_to_the_open_survey_else_to_the_last_asked() -> None:
    first = run(a_survey("a"), *DELIVERED, said(2, "1"))[0]
    second = run(replace(a_survey("b"), opened_at=at(3)), Submitting(at(3)), Accepted(at(3)))[0]
    waiting = replace(a_survey("c"), state=S.WAITING, holds_number=False)
    assert match([first, second, waiting], NUMBER, "12345") == second
    assert match([first, waiting], NUMBER, "12345") == first
    assert match([first, second], PhoneNumber("13900139000"), "12345") is None
    assert match([run(a_survey("d"), *SENT)[0], second], NUMBER, "12345") is None


def test_every_state_is_reached_and_left() -> None:
    reached = {step.next for step in TRANSITIONS.values()} | {S.WAITING}
    assert reached == set(S)
    assert {state for state, _ in TRANSITIONS} == set(S) - {S.DONE}
    assert {trigger for _, trigger in TRANSITIONS} == set(Trigger)


@dataclass
class Model:
    """The rules once more, told as plain bookkeeping."""

    asked: datetime | None = None
    pending: bool = False
    lost: bool = False
    delivered: datetime | None = None
    human: bool = False
    over: bool = False
    """No answer can count any more."""
    done: bool = False
    default: bool = False
    rating: Rating | None = None
    submits: int = 0

    def hear(self, event: SurveyEvent) -> None:
        if self.asked and not self.over and event.at >= (self.delivered or self.asked) + DAY:
            self.over = True
            if self.delivered and not self.human:
                self.rating, self.default = "满意", True
        if self.done:
            return
        match event:
            case Submitting() if self.asked is None and not self.over:
                self.asked, self.pending, self.submits = event.at, True, self.submits + 1
            case NotSent() if self.pending and not self.over:
                self.asked, self.pending, self.submits = None, False, self.submits - 1
            case Accepted() if not self.over:
                self.pending = self.lost = False
            case Lost() if self.pending and not self.over:
                self.pending, self.lost = False, True
            case Refused() if (self.pending or self.lost) and not self.over:
                self.over = self.human = True
            case Barred() if self.asked is None:
                self.over = self.human = True
            case Reported() if self.asked and not self.over and not self.human:
                self.pending = self.lost = False
                if event.receipt is Receipt.DELIVERED:
                    self.delivered = self.delivered or event.at
            case Replied() if self.asked and not self.over and event.at >= self.asked and event.reply.route != "ignore":
                self.pending = self.lost = False
                self.human = True
                if event.reply.rating:
                    self.rating, self.over = event.reply.rating, True
            case Called() if (self.human or self.over) and not self.default:
                self.rating = self.rating or event.rating
                self.done = self.over = True
            case Settled():
                self.done = self.over = True
            case _:
                pass


RECEIPTS = st.sampled_from(Receipt)
TEXTS = st.sampled_from(["1", "2", "3", "满意", "不满意 没人来", "你好", "1或3", "TD", "", "不太满意"])
MAKERS = st.one_of(
    st.sampled_from([Submitting, NotSent, Accepted, Refused, Lost, Tick, Settled, Barred]).map(
        lambda kind: ("plain", kind)
    ),
    st.sampled_from([Submitting, Accepted]).map(lambda kind: ("plain", kind)),
    st.tuples(st.just("receipt"), RECEIPTS),
    st.tuples(st.just("reply"), TEXTS),
    st.tuples(st.just("reply"), TEXTS),
    st.tuples(st.just("call"), st.sampled_from(["满意", "不满意", None])),
)
STEPS = st.lists(st.tuples(MAKERS, st.sampled_from([0.0, 0.1, 1.0, 8.0, 23.9, 24.0, 30.0])), max_size=14)


def events_of(steps: list[tuple[tuple[str, object], float]]) -> list[SurveyEvent]:
    events: list[SurveyEvent] = []
    hours = 0.0
    for index, ((kind, what), pause) in enumerate(steps):
        hours += pause
        made: SurveyEvent
        if kind == "plain":
            made = what(at(hours))  # type: ignore[operator]
        elif kind == "receipt":
            made = Reported(at(hours), what)  # type: ignore[arg-type]
        elif kind == "call":
            made = Called(at(hours), what)  # type: ignore[arg-type]
        else:
            made = said(hours, str(what), f"k{index}")
        events.append(made)
    return events


@given(STEPS)
def test_random_histories_agree_with_the_model(steps: list[tuple[tuple[str, object], float]]) -> None:
    survey, model = a_survey(), Model()
    facts: list[SurveyFact] = []
    given_back = 0
    for event in events_of(steps):
        before = survey
        survey, new = advance(survey, event)
        model.hear(event)
        facts += new
        given_back += before.state is S.SUBMITTING and isinstance(event, NotSent) and survey.state is S.QUEUED
        assert survey.state is before.state or (before.state in {s for s, _ in TRANSITIONS})
        assert not survey.holds_number or survey.state not in (S.DONE, S.ANSWERED, S.EXPIRED_DEFAULT, S.REJECTED)
        assert (survey.rating, survey.state is S.DONE) == (model.rating, model.done)
    rated = [fact for fact in facts if isinstance(fact, Rated)]
    assert len(rated) == (survey.rating is not None)
    assert facts.count(SubmitOnce()) - given_back == model.submits <= 1
    assert sum(isinstance(f, ReplyKept) and f.kept is Kept.COUNTED for f in facts) <= 1
    assert facts.count(NumberFreed(NUMBER, "")) <= 1


@given(STEPS)
def test_repeating_an_event_changes_nothing(steps: list[tuple[tuple[str, object], float]]) -> None:
    """All but what gives an attempt back and takes it again: those two undo each other."""
    survey = a_survey()
    for event in events_of(steps):
        survey, _ = advance(survey, event)
        again, facts = advance(survey, event)
        assert again == survey
        assert facts == () or facts == (NumberBarred(NUMBER),)


@given(STEPS, st.lists(st.floats(0, 200), max_size=6))
def test_sweeps_in_between_change_nothing(steps: list[tuple[tuple[str, object], float]], ticks: list[float]) -> None:
    events = events_of(steps)
    sweeps: list[SurveyEvent] = [Tick(at(hours)) for hours in ticks]
    last = at(1000)
    plain, facts = run(a_survey(), *events, Tick(last))
    swept, swept_facts = run(a_survey(), *sorted([*events, *sweeps], key=lambda e: e.at), Tick(last))
    assert (plain.state, plain.rating, plain.source) == (swept.state, swept.rating, swept.source)
    assert facts == swept_facts


def test_window_runs_from_delivery_else_from_submit() -> None:
    assert ends_at(a_survey()) is None
    assert ends_at(run(a_survey(), *SENT)[0]) == at(24)
    assert ends_at(run(a_survey(), *DELIVERED)[0]) == at(25)
    assert ends_at(run(a_survey(), *DELIVERED, said(2, "1"))[0]) is None
