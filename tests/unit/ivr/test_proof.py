"""prove(): what it refuses, and that what it accepts holds for every input."""

from dataclasses import replace
from datetime import UTC, time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callcenter.types import QueueName
from config.menu_loader import load_menus
from ivr.menu import (
    DIGITS,
    CallbackReason,
    EndKind,
    Given,
    Hours,
    Key,
    Menu,
    MenuContext,
    QueueRules,
    Signal,
    Span,
    Step,
    Target,
    ToCallback,
    ToMessage,
    ToQueue,
    ToStep,
    Turn,
    advance,
    start,
)
from ivr.proof import ANSWERS, MAX_DEPTH, prove

PROMPTS = {"hello", "bye", "done"}
HOTLINE, DESK = QueueName("hotline"), QueueName("desk")
AGENT = ToQueue(HOTLINE)


def step(silence: Target = AGENT, **keys: Target) -> Step:
    named = {"star": "*", "zero": "0", "one": "1"}
    return Step(say=("hello",), silence=silence, keys={named[key]: target for key, target in keys.items()})


def menu(
    steps: dict[str, Step] | None = None,
    *,
    start: str = "a",
    start_by: dict[str, str] | None = None,
    queues: dict[QueueName, QueueRules] | None = None,
    callback_said: str = "done",
    withheld_said: str = "done",
    queue_tried: bool = False,
) -> Menu:
    return Menu(
        name="m",
        start=start,
        steps=steps or {"a": step(zero=AGENT)},
        queues=queues or {HOTLINE: QueueRules()},
        callback_said=callback_said,
        withheld_said=withheld_said,
        start_by=start_by or {},
        queue_tried=queue_tried,
    )


def test_shipped_menus_hold() -> None:
    loaded = load_menus()
    for one in loaded.by_script.values():
        assert prove(one, loaded.prompts) == []


@pytest.mark.parametrize(
    ("wrong", "key", "words"),
    [
        (menu(start="b"), "start", "no step 'b'"),
        (menu(start_by={"FULL": "b"}), "start_by.FULL", "no step 'b'"),
        (menu({"a": step(zero=ToStep("b"))}), "steps.a.keys.0", "no step 'b'"),
        (menu({"a": step(zero=ToQueue(DESK))}), "steps.a.keys.0", "'desk' is not under queues"),
        (menu(callback_said="nope"), "callback_said", "no text"),
        (menu(withheld_said="nope"), "withheld_said", "no text"),
        (menu({"a": step(zero=AGENT, one=ToMessage("nope"))}), "steps.a.keys.1", "no text"),
        (menu({"a": replace(step(zero=AGENT), wrong="nope")}), "steps.a.wrong", "no text"),
        (menu({"a": replace(step(zero=AGENT), greet=("nope",))}), "steps.a.greet", "no text"),
        (menu({"a": step(one=AGENT)}), "steps.a.keys", "add the key 0"),
        (menu({"a": step(zero=ToMessage("bye"))}), "steps.a.keys.0", "does not reach an agent"),
        (menu({"a": step(zero=Turn.HANG_UP)}), "steps.a.keys.0", "does not reach an agent"),
        (menu({"a": step(zero=ToCallback(CallbackReason.FULL))}), "steps.a.keys.0", "does not reach"),
        (menu({"a": step(ToMessage("bye"), zero=AGENT)}), "steps.a.silence", "does not reach an agent"),
        (menu({"a": step(Turn.AGAIN, zero=AGENT)}), "steps.a.silence", "cannot put the question again"),
        (menu({"a": step(zero=AGENT, one=Turn.WAIT)}), "steps.a.keys.1", "nothing was chosen"),
        (menu({"a": replace(step(zero=AGENT), tries=0)}), "steps.a.tries", "1 or more"),
        (menu({"a": replace(step(zero=AGENT), keys={"0": AGENT, "12": AGENT})}), "steps.a.keys.12", "a key is"),
        (menu({"a": step(zero=AGENT), "b": step(zero=AGENT)}), "steps.b", "nothing leads here"),
        (menu({"a": step(zero=AGENT, one=ToStep("a"))}), "steps.a", "question 3 in a row"),
        (
            menu(
                {
                    "a": step(zero=AGENT, one=ToStep("b")),
                    "b": step(zero=AGENT, one=ToStep("c")),
                    "c": step(zero=AGENT),
                }
            ),
            "steps.c",
            "question 3 in a row",
        ),
        (
            menu(queues={HOTLINE: QueueRules(hours=Hours(spans=(Span(time(9), time(9)),)))}),
            "queues.hotline.hours",
            "opening time before",
        ),
        (menu(queues={HOTLINE: QueueRules(full="b")}), "queues.hotline.full", "no step 'b'"),
        (
            # the branch of a full queue leads nowhere near a person
            menu(
                {"a": step(zero=AGENT), "b": step(ToMessage("bye"), zero=Turn.WAIT)},
                queues={HOTLINE: QueueRules(full="b")},
            ),
            "steps.b.silence",
            "does not reach an agent",
        ),
    ],
)
def test_refused_with_the_place_and_what_to_write(wrong: Menu, key: str, words: str) -> None:
    problems = prove(wrong, PROMPTS)
    assert any(problem.key == key and words in problem.what_to_write for problem in problems), problems


def test_after_the_queue_a_message_is_an_end() -> None:
    assert prove(menu({"a": step(ToMessage("bye"))}, queue_tried=True), PROMPTS) == []


def test_all_problems_are_told_at_once() -> None:
    wrong = menu({"a": step(one=ToMessage("nope"))}, callback_said="nope", start_by={"X": "y"})
    assert {problem.key for problem in prove(wrong, PROMPTS)} == {
        "callback_said",
        "start_by.X",
        "steps.a.keys",
        "steps.a.keys.1",
    }


ENDS = st.one_of(
    st.builds(ToCallback, st.sampled_from(CallbackReason)),
    st.just(ToMessage("bye")),
    st.sampled_from([Turn.AGAIN, Turn.HANG_UP]),
    st.builds(ToQueue, st.just(HOTLINE), st.integers(0, 9), st.sampled_from(["", "咨询"])),
)
TO_DESK, TO_B = ToQueue(DESK), ToStep("b")


def steps(fixed: dict[str, Target], *others: Target) -> st.SearchStrategy[Step]:
    """Steps with the fixed keys and silence to the agent, or `others`; other keys as drawn."""
    targets = st.one_of(ENDS, st.sampled_from(others)) if others else ENDS
    keys = st.dictionaries(st.sampled_from(DIGITS), targets, max_size=4)
    return st.builds(
        Step,
        say=st.just(("hello",)),
        silence=st.sampled_from([AGENT, *others]),
        keys=keys.map(lambda drawn: drawn | {"0": AGENT} | fixed),
        surge_keys=keys.map(lambda drawn: {key: to for key, to in drawn.items() if key != "0"}),
        tries=st.integers(1, 4),
    )


# a leads to b by key and to c when the desk is closed or full: menus of the deepest shape that can hold
MENUS = st.builds(
    Menu,
    name=st.just("m"),
    start=st.just("a"),
    steps=st.fixed_dictionaries(
        {"a": steps({"1": TO_B, "2": TO_DESK}, TO_DESK), "b": steps({}), "c": steps({}, Turn.WAIT, TO_DESK)}
    ),
    queues=st.builds(
        lambda workdays_only: {
            HOTLINE: QueueRules(),
            DESK: QueueRules(Hours(workdays_only), closed="c", full="c"),
        },
        st.booleans(),
    ),
    callback_said=st.just("done"),
    withheld_said=st.just("done"),
)
ANY_TARGET = st.one_of(ENDS, st.sampled_from([TO_DESK, TO_B, ToStep("a"), Turn.WAIT, ToMessage("nope")]))
ANY_STEP = st.builds(
    Step,
    say=st.lists(st.sampled_from(["hello", "nope"]), max_size=2).map(tuple),
    silence=ANY_TARGET,
    keys=st.dictionaries(st.text(max_size=2), ANY_TARGET, max_size=4),
    tries=st.integers(-1, 3),
)
ANY_RULES = st.builds(
    QueueRules, st.builds(Hours, st.booleans()), st.sampled_from(["", "a", "b"]), st.sampled_from(["", "b"])
)
ANY_MENU = st.builds(
    Menu,
    name=st.just("m"),
    start=st.sampled_from(["a", "b"]),
    steps=st.dictionaries(st.sampled_from("abc"), ANY_STEP),
    queues=st.dictionaries(st.sampled_from([HOTLINE, DESK]), ANY_RULES),
    callback_said=st.just("done"),
    withheld_said=st.just("done"),
    queue_tried=st.booleans(),
)
QUEUE_SETS = st.frozensets(st.sampled_from([HOTLINE, DESK]))
CONTEXTS = st.builds(
    MenuContext,
    now=st.datetimes(timezones=st.just(UTC)),
    is_workday=st.booleans(),
    surge=st.booleans(),
    withheld=st.booleans(),
    full=QUEUE_SETS,
    closed=QUEUE_SETS,
)
BOUND = MAX_DEPTH * 4
SHIPPED = load_menus().by_script


@settings(max_examples=300)
@given(st.one_of(MENUS, ANY_MENU), CONTEXTS, st.lists(st.sampled_from(ANSWERS), min_size=BOUND, max_size=BOUND))
def test_what_is_proved_ends_whatever_the_caller_does(drawn: Menu, context: MenuContext, answers: list[Given]) -> None:
    if prove(drawn, PROMPTS):
        return
    position, _ = start(drawn, context)
    for answer in answers:
        position, _ = advance(position, answer)
    assert position.ended is not None


@settings(max_examples=300)
@given(MENUS, CONTEXTS, st.lists(st.sampled_from(ANSWERS), max_size=3), st.sampled_from([Key("0"), Signal.SILENCE]))
def test_what_is_proved_leads_to_a_person_from_everywhere(
    drawn: Menu, context: MenuContext, before: list[Given], then: Given
) -> None:
    assume(not prove(drawn, PROMPTS))
    position, _ = start(drawn, context)
    for answer in before:
        after, _ = advance(position, answer)
        if after.ended:
            break
        position = after
    for _ in range(BOUND):
        position, _ = advance(position, then)
    assert position.ended
    assert position.ended.kind is EndKind.QUEUE


@given(st.lists(st.sampled_from(ANSWERS), min_size=BOUND, max_size=BOUND), CONTEXTS, st.text(max_size=9))
def test_shipped_menus_end_whatever_the_caller_does(answers: list[Given], context: MenuContext, reason: str) -> None:
    for shipped in SHIPPED.values():
        position, _ = start(shipped, context, reason)
        for answer in answers:
            position, _ = advance(position, answer)
        assert position.ended is not None
