"""The shipped menus, as a caller meets them: keys pressed -> outcome."""

from dataclasses import replace
from datetime import datetime

import pytest

from callcenter.types import QueueName
from config.menu_loader import load_menus
from ivr.menu import (
    Act,
    AskCallback,
    Ended,
    EndKind,
    Given,
    Key,
    Menu,
    MenuContext,
    Play,
    Position,
    Route,
    Say,
    Signal,
    advance,
    start,
)

MENUS = load_menus().by_script
MAIN, AFTER = MENUS["ivr"], MENUS["after-queue"]

MONDAY_MORNING = datetime.fromisoformat("2026-01-05T10:00:00+08:00")
LUNCH = datetime.fromisoformat("2026-01-05T12:30:00+08:00")
NIGHT_IN_UTC = datetime.fromisoformat("2026-01-05T16:30:00+00:00")  # 00:30 in China
OPENING = datetime.fromisoformat("2026-01-05T09:00:00+08:00")
CLOSING = datetime.fromisoformat("2026-01-05T17:00:00+08:00")

ALL_FULL = frozenset(QueueName(name) for name in ("hotline", "enterprise"))
USUAL = MenuContext(MONDAY_MORNING, is_workday=True)
HOLIDAY = MenuContext(MONDAY_MORNING, is_workday=False)
SURGE = MenuContext(MONDAY_MORNING, is_workday=True, surge=True)
FULL = MenuContext(MONDAY_MORNING, is_workday=True, full=ALL_FULL)
SHUT = MenuContext(MONDAY_MORNING, is_workday=True, closed=frozenset({QueueName("enterprise")}))
FULL_HOLIDAY = MenuContext(MONDAY_MORNING, is_workday=False, full=ALL_FULL)

HANGUP = Ended(EndKind.HANGUP)
MESSAGE = Ended(EndKind.MESSAGE)


def queue(name: str, request_type: str = "") -> Ended:
    return Ended(EndKind.QUEUE, name, request_type)


def given(word: str) -> Given:
    return Signal(word) if len(word) > 1 else Key(word)


def walk(menu: Menu, context: MenuContext, words: list[str], reason: str = "") -> tuple[Position, list[Act]]:
    position, acts = start(menu, context, reason)
    heard = list(acts)
    for word in words:
        assert position.ended is None, f"ended before {word}"
        position, acts = advance(position, given(word))
        heard += acts
    return position, heard


@pytest.mark.parametrize(
    ("context", "words", "outcome"),
    [
        (USUAL, ["timeout"], queue("hotline")),
        (USUAL, ["0"], queue("hotline")),
        (USUAL, ["1"], queue("hotline", "咨询")),
        (USUAL, ["2"], queue("hotline", "求助")),
        (USUAL, ["3"], queue("hotline", "投诉")),
        (USUAL, ["4"], queue("hotline", "举报")),
        (USUAL, ["5"], queue("hotline", "建议")),
        (USUAL, ["6"], queue("hotline", "表扬")),
        (USUAL, ["7"], queue("enterprise")),
        (USUAL, ["9", "3"], queue("hotline", "投诉")),
        (USUAL, ["9", "timeout"], queue("hotline")),
        (USUAL, ["9", "9"], queue("hotline")),
        (USUAL, ["#", "1"], queue("hotline", "咨询")),
        (USUAL, ["8", "*"], queue("hotline")),
        (USUAL, ["hangup"], HANGUP),
        (USUAL, ["9", "hangup"], HANGUP),
        (HOLIDAY, ["1"], queue("hotline", "咨询")),
        (HOLIDAY, ["7", "timeout"], queue("hotline")),
        (HOLIDAY, ["7", "0"], queue("hotline")),
        (HOLIDAY, ["7", "1"], MESSAGE),
        (HOLIDAY, ["7", "5", "5"], queue("hotline")),
        (HOLIDAY, ["7", "hangup"], HANGUP),
        (SHUT, ["7", "timeout"], queue("hotline")),
        (SURGE, ["timeout"], queue("hotline")),
        (SURGE, ["0"], queue("hotline")),
        (SURGE, ["3"], queue("hotline", "投诉")),
        (SURGE, ["8"], queue("emergency")),
        (SURGE, ["*"], MESSAGE),
        (FULL, ["0", "timeout"], queue("hotline")),
        (FULL, ["timeout", "0"], queue("hotline")),
        (FULL, ["3", "timeout"], queue("hotline", "投诉")),
        (FULL, ["3", "1"], MESSAGE),
        (FULL, ["7", "0"], queue("enterprise")),
        (FULL, ["0", "8", "8"], queue("hotline")),
        (FULL_HOLIDAY, ["7", "0"], queue("hotline")),
    ],
)
def test_keys_before_the_queue(context: MenuContext, words: list[str], outcome: Ended) -> None:
    position, _ = walk(MAIN, context, words)
    assert position.ended == outcome


@pytest.mark.parametrize(
    ("reason", "words", "asked"),
    [
        ("TIMEOUT", ["1"], "timeout"),
        ("FULL", ["1"], "full"),
        ("JOINEMPTY", ["1"], "closed"),
        ("LEAVEEMPTY", ["1"], "closed"),
        ("", ["1"], "closed"),
        ("TIMEOUT", ["timeout"], None),
        ("FULL", ["5", "1"], "full"),
        ("FULL", ["5", "5"], None),
    ],
)
def test_keys_after_the_queue(reason: str, words: list[str], asked: str | None) -> None:
    position, acts = walk(AFTER, USUAL, words, reason)
    assert position.ended == MESSAGE
    assert [act.reason.value for act in acts if isinstance(act, AskCallback)] == ([asked] if asked else [])
    said = [act.prompt for act in acts if isinstance(act, Say)]
    assert said == (["callback-taken"] if asked else ["call-again"])


@pytest.mark.parametrize(
    ("menu", "context", "words", "outcome", "heard"),
    [
        (MAIN, FULL, ["3", "1"], queue("hotline", "投诉"), [Say("number-withheld")]),
        (MAIN, HOLIDAY, ["7", "1"], queue("hotline"), [Say("number-withheld")]),
        (MAIN, SURGE, ["*"], queue("hotline"), [Say("number-withheld")]),
        (AFTER, USUAL, ["1"], MESSAGE, [Say("number-withheld"), Say("call-again")]),
        (AFTER, USUAL, ["timeout"], MESSAGE, [Say("call-again")]),
    ],
)
def test_nobody_is_promised_a_call_to_a_number_that_is_not_told(
    menu: Menu, context: MenuContext, words: list[str], outcome: Ended, heard: list[Say]
) -> None:
    position, acts = walk(menu, replace(context, withheld=True), words)
    assert position.ended == outcome
    assert not [act for act in acts if isinstance(act, AskCallback)]
    assert [act for act in acts if isinstance(act, Say)] == heard


@pytest.mark.parametrize(
    ("now", "is_workday", "is_open"),
    [
        (MONDAY_MORNING, True, True),
        (MONDAY_MORNING, False, False),
        (LUNCH, True, False),
        (OPENING, True, True),
        (CLOSING, True, False),
        (NIGHT_IN_UTC, True, False),
    ],
)
def test_enterprise_desk_keeps_hours_and_the_hotline_does_not(now: datetime, is_workday: bool, is_open: bool) -> None:
    context = MenuContext(now, is_workday=is_workday)
    desk, _ = walk(MAIN, context, ["7"])
    hotline, _ = walk(MAIN, context, ["0"])
    assert (desk.ended == queue("enterprise")) is is_open
    assert (desk.step == "enterprise-closed") is not is_open
    assert hotline.ended == queue("hotline")


def test_recording_notice_is_heard_in_full_and_first() -> None:
    _, acts = walk(MAIN, USUAL, [])
    assert acts[0] == Play("greeting", whole=True)
    assert "录音" in load_menus().prompts["greeting"]


def test_the_greeting_does_not_promise_a_recording_that_is_not_made() -> None:
    _, usual = walk(MAIN, USUAL, [])
    _, full = walk(MAIN, replace(USUAL, recorded=False), [])
    assert usual[0] == Play("greeting", whole=True)
    assert full[0] == Play("greeting-unrecorded", whole=True)
    assert full[1:] == usual[1:]


def test_surge_announcement_only_while_the_flag_is_on() -> None:
    _, calm = walk(MAIN, USUAL, [])
    _, surge = walk(MAIN, SURGE, [])
    assert Play("surge", whole=True) not in calm
    assert surge.index(Play("surge", whole=True)) == 1


def test_surge_keys_are_no_keys_in_quiet_times() -> None:
    position, _ = walk(MAIN, USUAL, ["8"])
    assert position.ended is None
    assert position.put == 2


def test_emergency_is_served_before_others() -> None:
    _, acts = walk(MAIN, SURGE, ["8"])
    assert acts[-1] == Route(QueueName("emergency"), 10, "")
    _, acts = walk(MAIN, SURGE, ["1"])
    assert acts[-1] == Route(QueueName("hotline"), 0, "咨询")


def test_greeting_is_not_said_again_when_the_question_is() -> None:
    _, acts = walk(MAIN, USUAL, ["9"])
    assert [act.prompt for act in acts if isinstance(act, Play)] == ["greeting", "keys", "keys"]


def test_wrong_key_is_told_so() -> None:
    _, acts = walk(MAIN, USUAL, ["#"])
    assert [act.prompt for act in acts if isinstance(act, Play)] == ["greeting", "keys", "wrong-key", "keys"]


def test_an_ended_walk_stays_as_it_is() -> None:
    ended, _ = walk(MAIN, USUAL, ["0"])
    for word in ("1", "timeout", "hangup"):
        assert advance(ended, given(word)) == (ended, ())
