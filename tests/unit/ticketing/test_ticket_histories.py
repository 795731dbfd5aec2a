"""Random histories of a ticket against a small model of what the regulation draws on one page."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.types import Actor, Role
from tests.support.tickets import FIELDS, MONDAY, ROADS, WATER, contents, do, draft
from ticketing import commands
from ticketing.commands import AnyDetail, Changes
from ticketing.record import NotNow, Refused, Ticket
from ticketing.ticket import TRANSITIONS, Transition
from ticketing.words import Event, RatingSource, State

PEOPLE = [
    Actor("user", "desk", frozenset({Role.AGENT, Role.DISPATCHER})),
    Actor("user", "water", frozenset({Role.UNIT}), WATER),
    Actor("user", "roads", frozenset({Role.UNIT}), ROADS),
    Actor("user", "review", frozenset({Role.REVIEWER, Role.SUPERVISOR})),
    Actor("system", "survey"),
]
DESK = ("edit", "answer", "reject", "refer", "dispatch", "withdraw")
BESIDE = ("edit", "add_assist", "ask_return", "refuse_return", "grant_return")
EXTEND = ("ask_extension", "grant_extension", "refuse_extension")
# What may happen where, written down again by hand.
DRAWN: dict[str, tuple[str, ...]] = {
    "draft": ("edit", "register", "withdraw"),
    "registered": (*DESK, "forward"),
    "awaiting_dispatch": DESK,
    "dispatched": ("edit", "add_assist", "sign"),
    "signed": (*BESIDE, *EXTEND, "start"),
    "handling": (*BESIDE, *EXTEND, "reply"),
    "replied": ("reject_reply", "begin_survey"),
    "surveying": ("survey_delivered", "rate", "note_cause", "close", "rework"),
    "closed": ("rework", "archive"),
    **dict.fromkeys(("answered", "rejected", "referred", "withdrawn"), ("archive",)),
    "archived": (),
}
LEADS_TO = {
    "register": "registered", "answer": "answered", "reject": "rejected", "refer": "referred", "withdraw": "withdrawn",
    "forward": "awaiting_dispatch", "dispatch": "dispatched", "sign": "signed", "start": "handling",
    "grant_return": "awaiting_dispatch", "reply": "replied", "reject_reply": "handling", "begin_survey": "surveying",
    "close": "closed", "rework": "awaiting_dispatch", "archive": "archived",
}  # fmt: skip
EARLY_ENDS = ("withdraw", "answer", "reject", "refer", "archive")
ANYBODY = Transition(State.ARCHIVED, frozenset(Role))
WORKING = {State.DISPATCHED, State.SIGNED, State.HANDLING, State.REPLIED, State.SURVEYING, State.CLOSED}


COMPLAINT = replace(FIELDS, request_type="投诉")
SAID = (RatingSource.CITIZEN, RatingSource.MANUAL)


def _details(now: datetime) -> dict[Event, list[AnyDetail]]:
    silence = commands.Rate("满意", RatingSource.DEFAULT, delivered_at=MONDAY)
    return {
        Event.EDIT: [commands.Edit(Changes(place="别处"), "核对"), commands.Edit(Changes(urgent=True), "突发")],
        Event.REGISTER: [commands.Register(fields, "例外") for fields in (FIELDS, COMPLAINT)],
        Event.ANSWER: [commands.Answer("开放", "KB-1")],
        Event.REJECT: [commands.Reject("ABUSE", "已告知")],
        Event.REFER: [commands.Refer("110", "请拨打")],
        Event.FORWARD: [commands.Forward()],
        Event.WITHDRAW: [commands.Withdraw("不用了")],
        Event.DISPATCH: [
            commands.Dispatch(unit, phone_notice=commands.PhoneNotice(now, "值班室")) for unit in (WATER, ROADS)
        ],
        Event.ADD_ASSIST: [commands.AddAssist(ROADS, "一起")],
        Event.SIGN: [commands.Sign()],
        Event.START: [commands.Start()],
        Event.ASK_RETURN: [commands.AskReturn("不是我们", "三定")],
        Event.GRANT_RETURN: [commands.GrantReturn()],
        Event.REFUSE_RETURN: [commands.RefuseReturn("clue_given")],
        Event.ASK_EXTENSION: [commands.AskExtension(n, "忙", now) for n in (1, 3)],
        Event.GRANT_EXTENSION: [commands.GrantExtension(n) for n in (1, 2)],
        Event.REFUSE_EXTENSION: [commands.RefuseExtension("不行")],
        Event.REPLY: [commands.Reply(contents(now))],
        Event.REJECT_REPLY: [commands.RejectReply("VAGUE", "说清楚")],
        Event.BEGIN_SURVEY: [commands.BeginSurvey()],
        Event.SURVEY_DELIVERED: [commands.SurveyDelivered(now)],
        Event.RATE: [silence, *(commands.Rate(rating, source) for rating in ("满意", "不满意") for source in SAID)],
        Event.NOTE_CAUSE: [commands.NoteCause("NOT_DONE", "没做完"), commands.NoteCause("CONDITIONS", "下雨")],
        Event.CLOSE: [commands.Close(), commands.Close("解释过了", "CONDITIONS")],
        Event.REWORK: [commands.Rework("再做")],
        Event.ARCHIVE: [commands.Archive()],
    }  # fmt: skip


@dataclass
class Model:
    """What one page of the regulation knows of a ticket."""

    state: str = "draft"
    accepted: int = 1
    round: int = 1
    ratings: dict[int, str] = field(default_factory=dict)

    def took(self, event: Event, detail: AnyDetail) -> None:
        self.accepted += 1
        if isinstance(detail, commands.Rate):
            assert self.round not in self.ratings, "a second rating counted in one round"
            self.ratings[self.round] = detail.rating
        if event is Event.REWORK:
            self.round += 1
        self.state = LEADS_TO.get(event, self.state)


def _check(ticket: Ticket, model: Model) -> None:
    assert (ticket.state, ticket.version, ticket.round) == (model.state, model.accepted, model.round)
    assert ticket.rating == model.ratings.get(model.round)
    assert (ticket.rating is None) == (ticket.rating_source is None)
    at_a_unit = ticket.state in WORKING or (ticket.state is State.ARCHIVED and ticket.dispatched_at is not None)
    assert (ticket.lead_unit is not None) == at_a_unit
    running = [due.deadline.kind for due in ticket.dues if due.open]
    assert len(running) == len(set(running)), "two clocks of one kind run at once"
    if ticket.state in {State.CLOSED, State.ARCHIVED, State.REJECTED, State.ANSWERED, State.REFERRED, State.WITHDRAWN}:
        assert not running, "a clock runs on after the end"
        assert ticket.closed_at is not None
    if ticket.return_open or ticket.extension_asked:
        assert ticket.state in {State.SIGNED, State.HANDLING}
    assert not (ticket.return_open and ticket.extension_asked)


def _draw(chance: Random, state: str, now: datetime) -> tuple[AnyDetail, Actor]:
    """Mostly what the drawing allows and somebody who may do it, rarely an early end; sometimes anything by anyone."""
    details = _details(now)
    if chance.random() < 0.1:
        return chance.choice(details[chance.choice(list(details))]), chance.choice(PEOPLE)
    likely = [name for name in DRAWN[state] if name not in EARLY_ENDS or chance.random() < 0.05] or list(EARLY_ENDS)
    event = Event(chance.choice(likely))
    fitting = [person for person in PEOPLE if person.roles & TRANSITIONS.get((State(state), event), ANYBODY).roles]
    return chance.choice(details[event]), chance.choice([*fitting, PEOPLE[-1]])


@settings(max_examples=600, deadline=None)
@given(st.integers(0, 2**64))
def test_random_histories_follow_the_drawing(seed: int) -> None:
    chance = Random(seed)
    now, ticket, model = MONDAY, draft(), Model()
    for _ in range(80):
        now += chance.choice([timedelta(minutes=5), timedelta(hours=3), timedelta(days=1)])
        detail, actor = _draw(chance, model.state, now)
        refusal = None
        try:
            after, told = do(ticket, detail, actor, now)
        except Refused as refused:
            refusal = refused
        assert isinstance(refusal, NotNow) == (detail.event not in DRAWN[model.state])
        if refusal is not None:
            continue
        assert told, "something became true and nobody was told"
        model.took(detail.event, detail)
        _check(after, model)
        ticket = after
