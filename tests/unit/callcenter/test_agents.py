"""What brings Asterisk's queue members to what the agents want to be."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.agents import NO_ANSWER, PAUSE_REASONS, WRAP_UP, Agent, Desired, MemberSeen, Repair, repairs
from callcenter.reconciler import members_of, observed_of
from callcenter.snapshot import SeenMember, SeenQueue
from callcenter.types import AgentId, QueueName

QUEUES = frozenset({"hotline", "enterprise"})
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def agent(who: str, desired: Desired, reason: str = "", queues: Iterable[str] = ("hotline",)) -> Agent:
    return Agent(AgentId(who), "话务员", tuple(map(QueueName, queues)), desired, reason, SINCE, None, None, "unknown")


READY, OUT = agent("8001", Desired.READY), agent("8001", Desired.LOGGED_OUT)
AT_LUNCH, WRAPPING_UP = agent("8001", Desired.PAUSED, "用餐"), agent("8001", Desired.WRAP_UP)
BOTH = agent("8001", Desired.READY, queues=("hotline", "enterprise"))
FREE, LUNCH = MemberSeen("hotline", "8001", False, ""), MemberSeen("hotline", "8001", True, "用餐")


@pytest.mark.parametrize(
    ("wanted", "seen", "todo"),
    [
        pytest.param([READY], [], [Repair("add", "hotline", "8001")], id="logs in"),
        pytest.param([READY], [FREE], [], id="as it is"),
        pytest.param([OUT], [FREE], [Repair("remove", "hotline", "8001")], id="logs out"),
        pytest.param([OUT], [], [], id="is out"),
        pytest.param([AT_LUNCH], [FREE], [Repair("pause", "hotline", "8001", "用餐")], id="goes to lunch"),
        pytest.param([AT_LUNCH], [], [Repair("add", "hotline", "8001", "用餐")], id="logs in paused"),
        pytest.param([AT_LUNCH], [LUNCH], [], id="is at lunch"),
        pytest.param([WRAPPING_UP], [LUNCH], [Repair("pause", "hotline", "8001", WRAP_UP)], id="another reason"),
        pytest.param([READY], [LUNCH], [Repair("unpause", "hotline", "8001")], id="is back"),
        pytest.param([BOTH], [FREE], [Repair("add", "enterprise", "8001")], id="one queue more"),
        pytest.param(
            [READY],
            [FREE, MemberSeen("enterprise", "8001", False, "")],
            [Repair("remove", "enterprise", "8001")],
            id="one queue less",
        ),
        pytest.param(
            [], [MemberSeen("hotline", "8015", False, "")], [Repair("remove", "hotline", "8015")], id="stranger"
        ),
        pytest.param([], [MemberSeen("not-ours", "8015", False, "")], [], id="queue of somebody else"),
        pytest.param([agent("8001", Desired.READY, queues=("closed",))], [], [], id="queue that Asterisk has not"),
    ],
)
def test_the_least_that_is_to_be_done(wanted: list[Agent], seen: list[MemberSeen], todo: list[Repair]) -> None:
    assert repairs(wanted, seen, QUEUES) == tuple(todo)


class Pause(NamedTuple):
    paused: bool
    reason: str


State = dict[tuple[str, str], Pause]


def carried_out(seen: Iterable[MemberSeen], todo: Iterable[Repair], wanted: Iterable[Agent]) -> State:
    """What Asterisk has after these actions; adding takes the pause with it, as the reconciler does."""
    state = {(one.queue, one.agent): Pause(one.paused, one.reason) for one in seen}
    ready = {one.id for one in wanted if one.desired == Desired.READY}
    for repair in todo:
        key = (repair.queue, repair.agent)
        match repair.action:
            case "remove":
                del state[key]
            case "add":
                assert key not in state
                state[key] = Pause(repair.agent not in ready, repair.reason)
            case "pause":
                assert key in state
                state[key] = Pause(True, repair.reason)
            case "unpause":
                assert state[key].paused
                state[key] = Pause(False, "")
    return state


def as_wanted(wanted: Iterable[Agent]) -> State:
    """What app_queue should show."""
    state: State = {}
    for one in wanted:
        for queue in one.queues:
            if one.desired != Desired.LOGGED_OUT and queue in QUEUES:
                reason = WRAP_UP if one.desired == Desired.WRAP_UP else one.reason
                state[queue, one.id] = Pause(one.desired != Desired.READY, reason)
    return state


EXTENSIONS = [f"80{number:02}" for number in range(1, 7)]
NAMES = st.sampled_from(["hotline", "enterprise", "closed"])


@st.composite
def wishes(draw: st.DrawFn) -> list[Agent]:
    chosen = draw(st.lists(st.sampled_from(EXTENSIONS), unique=True))
    return [one_wish(draw, who) for who in chosen]


def one_wish(draw: st.DrawFn, who: str) -> Agent:
    desired = draw(st.sampled_from(Desired))
    reason = draw(st.sampled_from([*PAUSE_REASONS, NO_ANSWER])) if desired == Desired.PAUSED else ""
    return agent(who, desired, reason, draw(st.lists(NAMES, unique=True)))


@st.composite
def statuses(draw: st.DrawFn) -> list[MemberSeen]:
    places = st.tuples(st.sampled_from(["hotline", "enterprise", "not-ours"]), st.sampled_from([*EXTENSIONS, "8015"]))
    reasons = st.sampled_from(["", WRAP_UP, *PAUSE_REASONS])
    chosen = draw(st.lists(places, unique=True))
    # Asterisk keeps no reason for a member who is not paused.
    paused = [draw(st.booleans()) for _ in chosen]
    return [
        MemberSeen(queue, who, so, draw(reasons) if so else "") for (queue, who), so in zip(chosen, paused, strict=True)
    ]


@given(wishes(), statuses())
def test_carried_out_they_make_asterisk_what_is_wanted(wanted: list[Agent], seen: list[MemberSeen]) -> None:
    state = carried_out(seen, repairs(wanted, seen, QUEUES), wanted)
    ours = {key: pause for key, pause in state.items() if key[0] in QUEUES}
    assert ours == as_wanted(wanted)
    assert {key for key in state if key[0] == "not-ours"} == {(m.queue, m.agent) for m in seen if m.queue == "not-ours"}


@given(wishes(), statuses())
def test_nothing_is_left_to_do_afterwards(wanted: list[Agent], seen: list[MemberSeen]) -> None:
    state = carried_out(seen, repairs(wanted, seen, QUEUES), wanted)
    again = [MemberSeen(queue, who, pause.paused, pause.reason) for (queue, who), pause in state.items()]
    assert repairs(wanted, again, QUEUES) == ()


@given(wishes(), statuses())
def test_nobody_is_touched_twice_in_one_queue(wanted: list[Agent], seen: list[MemberSeen]) -> None:
    touched = [(repair.queue, repair.agent) for repair in repairs(wanted, seen, QUEUES)]
    assert len(touched) == len(set(touched))


def member(who: str, status: int = 1, *, in_call: bool = False, paused: bool = False) -> SeenMember:
    return SeenMember(f"PJSIP/{who}", "话务员", status, paused, "用餐" if paused else "", in_call)


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (member("8001"), "idle"),
        (member("8001", 2), "in_use"),
        (member("8001", 2, in_call=True), "in_call"),
        (member("8001", 5), "unavailable"),
        (member("8001", 6), "ringing"),
        (member("8001", 8), "on_hold"),
        (member("8002"), "not_a_member"),
        (member("8001", 0), "unknown"),
    ],
)
def test_what_asterisk_shows_is_one_word(seen: SeenMember, word: str) -> None:
    assert observed_of(AgentId("8001"), [SeenQueue("hotline", (seen,), ())]) == word


def test_members_are_read_by_their_extension() -> None:
    queue = SeenQueue("hotline", (member("8001", paused=True), member("8002")), ())
    assert members_of([queue]) == (LUNCH, MemberSeen("hotline", "8002", False, ""))
