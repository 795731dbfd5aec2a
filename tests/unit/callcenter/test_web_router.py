"""What a handler's signature says is what the route is; and which bodies hold what no table can."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.groups import GROUPS
from callcenter.web.problems import NotFound, problem_of
from callcenter.web.router import NUL_IN_JSON, In, Out, Query, Routes
from ticketing.record import GuardFailed, NotNow, NotYours, StaleTicket, TicketNotFound
from ticketing.words import Event, State


class Body(In):
    text: str


class Asked(Query):
    limit: int = 5


class Told(Out):
    ok: bool


def test_a_route_is_read_off_its_handler() -> None:
    routes = Routes("test")

    @routes.post("/api/things/{thing_id}/parts/{part}", frozenset({Role.AGENT}))
    async def change(ctx: Context, thing_id: int, part: str, query: Asked, body: Body) -> Told:
        """改一样东西

        更多说明。
        """
        return Told(ok=True)

    [route] = routes.routes
    assert (route.method, route.status, route.answer) == ("POST", 200, Told)
    assert route.path_types == {"thing_id": int, "part": str}
    assert (route.query, route.body) == (Asked, Body)
    assert (route.summary, route.description) == ("改一样东西", "更多说明。")


@pytest.mark.parametrize("path", ["/api/things", "/api/things/{other}"])
def test_a_path_that_does_not_fit_its_handler_is_refused(path: str) -> None:
    async def read(ctx: Context, thing_id: float) -> None: ...

    with pytest.raises(TypeError):
        Routes("test").get(path + "/{thing_id}", None)(read)


@given(st.text(max_size=50))
def test_only_a_real_nul_is_found(text: str) -> None:
    raw = json.dumps({"text": text}).encode()
    assert bool(NUL_IN_JSON.search(raw)) == ("\0" in text)


@given(st.lists(st.sampled_from(["\\", "\0", "u0000", "\\u0000", "a"]), max_size=12))
def test_backslashes_before_a_nul_do_not_hide_it(parts: list[str]) -> None:
    text = "".join(parts)
    assert bool(NUL_IN_JSON.search(json.dumps(text).encode())) == ("\0" in text)


def test_every_endpoint_is_named_once_and_says_what_it_does() -> None:
    routes = [route for group in GROUPS for route in group.routes]
    names = [f"{route.tag}_{route.handler.__name__}" for route in routes]
    assert len(names) == len(set(names))
    assert all("\u4e00" <= route.summary[0] <= "\u9fff" for route in routes)


REFUSALS = [
    (TicketNotFound(), 404),
    (StaleTicket(1, 2), 409),
    (NotNow(State.DRAFT, Event.SIGN, ()), 409),
    (NotYours("不能。"), 403),
    (GuardFailed("请写明理由。", "第十二条"), 422),
]


@pytest.mark.parametrize(("error", "status"), REFUSALS, ids=lambda value: type(value).__name__)
def test_a_refusal_of_a_ticket_is_told_in_its_own_words(error: Exception, status: int) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert (problem.status, problem.detail) == (status, error.sentence)  # type: ignore[attr-defined]
    assert problem.basis == error.article  # type: ignore[attr-defined]


def test_an_error_nobody_expected_is_no_problem_of_ours() -> None:
    assert problem_of(KeyError("x")) is None
    told = problem_of(NotFound())
    assert told is not None
    assert told.status == 404
