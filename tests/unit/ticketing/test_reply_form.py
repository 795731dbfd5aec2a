"""The form of a reply asks for exactly what the guards ask for, in every region."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.regions import MONDAY, REGIONS, asked, calendar_of, handling, policy_of
from tests.support.tickets import WATER_MAN
from ticketing import commands
from ticketing.aftercare.reply_form import KINDS, Kind, ReplyForm, reply_form
from ticketing.approvals import approvals
from ticketing.commands import Contents, Reply, Scene, SceneKind
from ticketing.course import ROWS
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.words import REPLY_FIELD_NAMES, Event, Flag, State

GUARDS = [one for one in ROWS[State.HANDLING, Event.REPLY].guards if one is not approvals.no_signoff_asked]
FILLED: dict[Kind, Any] = {
    Kind.TEXT: "写明",
    Kind.LONG: "写明情况",
    Kind.PAPER: "file:1",
    Kind.DAY: date(2026, 6, 1),
    Kind.MOMENT: MONDAY,
    Kind.FLAG: True,
    Kind.FILES: ("file:1",),
    Kind.SCENE: (Scene(SceneKind.PHOTO, "file:1"),),
}
TYPES = ("求助", "投诉", "举报", "咨询")


def context(region: str) -> Context:
    return Context(WATER_MAN, policy_of(region), calendar_of(region), MONDAY + timedelta(minutes=5))


def accepted(region: str, ticket: Ticket, said: Contents) -> bool:
    try:
        for guard in GUARDS:
            guard(ticket, Reply(said), context(region))
    except GuardFailed:
        return False
    return True


def filled(form: ReplyForm, names: set[str], **more: Any) -> Contents:
    """A reply with these fields and nothing else."""
    values: dict[str, Any] = {}
    for one in form.fields:
        if one.key not in names:
            continue
        if one.key == "handled_at":
            values |= {"handled_on": FILLED[Kind.DAY]}
            values |= {"handled_hour": 9} if one.kind is Kind.DAY_HOUR else {}
        else:
            values[one.key] = FILLED[one.kind]
    return Contents(**values | more)


def needed(form: ReplyForm) -> set[str]:
    return {one.key for one in form.fields if one.required}


def first_ways(form: ReplyForm) -> set[str]:
    return {name for one in form.one_of for name in one.groups[0]}


def tickets(region: str) -> list[Ticket]:
    """Of every type, urgent, confidential, with a written opinion asked for."""
    plain = [handling(region, asked(kind)) for kind in TYPES if kind in policy_of(region).request_types]
    flagged = [replace(one, flags=one.flags | {Flag.WRITTEN_OPINION}) for one in plain]
    return [
        *plain,
        *flagged,
        *(replace(one, urgent=True) for one in plain),
        *(replace(one, confidential=True) for one in plain),
    ]


@pytest.mark.parametrize("region", REGIONS)
def test_what_the_form_asks_for_is_enough_and_every_part_of_it_is_needed(region: str) -> None:
    for ticket in tickets(region):
        form = reply_form(ticket, context(region))
        always, ways = needed(form), first_ways(form)
        assert accepted(region, ticket, filled(form, always | ways)), (ticket.request_type, form)
        for name in always:
            left = filled(form, (always | ways) - {name})
            assert not accepted(region, ticket, left), (region, name)
        for one in form.one_of:
            for group in one.groups:
                others = first_ways(replace(form, one_of=tuple(o for o in form.one_of if o is not one)))
                assert accepted(region, ticket, filled(form, always | others | set(group))), (region, group)
            assert not accepted(region, ticket, filled(form, always | others))


@pytest.mark.parametrize("region", REGIONS)
def test_every_outcome_needs_what_the_form_says(region: str) -> None:
    ticket = handling(region)
    form = reply_form(ticket, context(region))
    base = needed(form) | first_ways(form)
    assert form.outcomes
    for choice in form.outcomes:
        whole = base | set(choice.needs)
        assert accepted(region, ticket, filled(form, whole, outcome=choice.code)), choice
        for name in set(choice.needs) - base:
            assert not accepted(region, ticket, filled(form, whole - {name}, outcome=choice.code)), (choice, name)


@pytest.mark.parametrize("region", REGIONS)
def test_a_reply_that_is_not_the_last_word_needs_what_the_form_says(region: str) -> None:
    ticket = handling(region)
    form = reply_form(ticket, context(region))
    base = needed(form) | first_ways(form)
    assert accepted(region, ticket, filled(form, base | set(form.unfinished), finished=False))
    for name in form.unfinished:
        assert not accepted(region, ticket, filled(form, base | set(form.unfinished) - {name}, finished=False))


def test_what_must_come_first_is_said_before_anybody_types() -> None:
    untold = handling("ganzhou", talked=False)
    [first] = reply_form(untold, context("ganzhou")).before
    assert "须与诉求人沟通" in first.sentence
    assert first.article
    returning = replace(handling("longsheng"), return_open=True)
    [asked_back] = reply_form(returning, context("longsheng")).before
    assert "退单申请正在审核" in asked_back.sentence


def test_where_the_principal_signs_the_form_says_so_with_the_article() -> None:
    assert reply_form(handling("mengcheng"), context("mengcheng")).signoff
    assert not reply_form(handling("longsheng"), context("longsheng")).signoff


def test_every_field_of_a_reply_has_a_way_to_be_filled_in() -> None:
    known = {name for name in commands.Contents.__dataclass_fields__ if name not in ("finished", "outcome")}
    assert known - {"handled_on", "handled_hour"} == set(KINDS) - {"handled_at"}
    assert set(KINDS) <= set(REPLY_FIELD_NAMES)
