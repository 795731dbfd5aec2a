"""Random histories of a ticket, by each of the five texts, against a small model of what the page draws."""

from collections import Counter
from dataclasses import fields
from datetime import datetime
from functools import cache
from operator import attrgetter
from random import Random

import pytest

from callcenter.types import Actor, TicketId
from tests.support.histories import DRAWN, SAID_ELSEWHERE, Model, check, settled
from tests.support.history_moves import STEPS, SYSTEM, Moves
from tests.support.regions import REGIONS
from tests.support.tickets import CITIZEN, MONDAY
from ticketing.commands import AnyDetail, Command
from ticketing.record import NotNow, NotYours, Refused, Ticket
from ticketing.ticket import TRANSITIONS, advance, follows, opened
from ticketing.words import Event, State

NUMBER = TicketId("20260601000001")
HISTORIES, BATCHES, LENGTH = 2_000, 4, 40
values = attrgetter(*(field.name for field in fields(Ticket)))
Step = tuple[AnyDetail, Actor, Ticket]


@cache
def moves_of(region: str) -> Moves:
    return Moves(region)


def steps(moves: Moves, ticket: Ticket, detail: AnyDetail, actor: Actor, now: datetime) -> list[Step]:
    """The command and what the system does by itself after it, as the service does; Refused when any of it is."""
    after, told = advance(ticket, Command(actor, detail), moves.policy, moves.calendar, now)
    assert told or detail.event in SAID_ELSEWHERE, "something became true and nobody was told"
    assert all(fact.ticket_id == NUMBER and fact.at == now for fact in told)
    done = [(detail, actor, after)]
    following = follows(after, detail, moves.policy)
    if following is None:
        return done
    try:
        return done + steps(moves, after, following, SYSTEM, now)
    except (NotNow, NotYours) as refused:
        raise AssertionError(f"the system may not do what it does by itself: {following}") from refused


def refusal_of(moves: Moves, ticket: Ticket, detail: AnyDetail, actor: Actor, now: datetime) -> list[Step] | Refused:
    try:
        return steps(moves, ticket, detail, actor, now)
    except Refused as refused:
        return refused


def live(region: str, seed: str) -> Counter[str]:
    """One history; what was accepted in it."""
    moves, chance, now = moves_of(region), Random(seed), MONDAY
    ticket, _ = opened(NUMBER, moves.policy, now, source=moves.policy.sources[0], requester=CITIZEN)
    model, seen = Model(region), Counter[str]()
    for _ in range(LENGTH):
        now += chance.choice(STEPS)
        detail, actor = moves.next_step(chance, ticket, model.state, now)
        before = values(ticket)
        came = refusal_of(moves, ticket, detail, actor, now)
        assert isinstance(came, NotNow) == (detail.event not in DRAWN[model.state])
        assert values(ticket) == before
        if isinstance(came, Refused):
            assert came.sentence
            continue
        for done, by, after in came:
            model.took(done, by)
            check(after, model)
            seen[f"{done.event}"] += 1
            ticket = after
        settled(ticket, model, moves.policy.survey.closing)
    return seen


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.parametrize("region", REGIONS)
def test_random_histories_follow_the_drawing(region: str, batch: int) -> None:
    seen = Counter[str]()
    for number in range(HISTORIES // BATCHES):
        seed = f"{region} {batch} {number}"
        try:
            seen += live(region, seed)
        except AssertionError as broken:
            raise AssertionError(f"history {seed!r}: {broken}") from broken
    whole = ("dispatch", "grant_return", "grant_extension", "close", "rework", "archive", "end_supervision")
    assert all(seen[event] for event in whole), "the histories go the whole way"


def test_the_drawing_is_the_table() -> None:
    drawn = {(state, event, to) for state, events in DRAWN.items() for event, to in events.items()}
    assert drawn == {(str(state), str(event), str(row.next)) for (state, event), row in TRANSITIONS.items()}


def test_every_event_can_happen_and_every_state_is_reached_and_left() -> None:
    """Archived alone is an end; a reviewer who finds the work undone opens a new round of it."""
    assert {event for _, event in TRANSITIONS} == set(Event) - {Event.OPEN}
    onward: dict[State, set[State]] = {state: set() for state in State}
    for (state, _), row in TRANSITIONS.items():
        onward[state].add(row.next)
    reached, fresh = {State.DRAFT}, {State.DRAFT}
    while fresh:
        fresh = {state for one in fresh for state in onward[one]} - reached
        reached |= fresh
    assert reached == set(State)
    assert all(onward[state] - {state} for state in State if state is not State.ARCHIVED), "a state without a way out"
