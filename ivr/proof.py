"""The proof that a menu holds: every name exists, every path ends, a person is always near.

PURE. `prove()` first checks the names a menu uses, then walks every path of it with `advance()` itself, in every
situation that can change a path (emergency or not; number shown or withheld; the queues open, closed, full, or both).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

from callcenter.types import QueueName
from ivr.menu import (
    DIGITS,
    Act,
    EndKind,
    Given,
    HangUp,
    Key,
    Menu,
    MenuContext,
    Position,
    Route,
    Say,
    Signal,
    Step,
    Target,
    ToMessage,
    ToQueue,
    ToStep,
    Turn,
    advance,
    start,
)

MAX_DEPTH = 2
"""Questions a caller may meet one after another; deeper menus lose callers (DESIGN decision 5)."""

ANSWERS: tuple[Given, ...] = (*(Key(digit) for digit in DIGITS), Signal.SILENCE, Signal.HANG_UP)


@dataclass(frozen=True, slots=True, order=True)
class MenuProblem:
    """What is wrong at which key of the menu (`steps.main.keys.3`), and what to write instead."""

    key: str
    what_to_write: str


def prove(menu: Menu, prompts: Collection[str]) -> list[MenuProblem]:
    """All problems of the menu, none when it holds. prompts: the names of all prompts that have a text.

    Proved: each path ends in a queue, a message and hang-up, or a hang-up, after at most MAX_DEPTH questions;
    before the queue, 0 and silence reach a queue from every question; every prompt, step and queue exists.
    """
    problems = set(_names(menu, prompts))
    if not problems:
        problems = {problem for position in _beginnings(menu) for problem in _walk(position)}
        problems |= set(_unreached(menu))
    return sorted(problems)


def targets_of(step: Step) -> Iterator[tuple[str, Target]]:
    """(key below the step, target) of all keys, then silence."""
    yield from ((f"keys.{digit}", target) for digit, target in step.keys.items())
    yield from ((f"surge_keys.{digit}", target) for digit, target in step.surge_keys.items())
    yield "silence", step.silence


def prompts_of(menu: Menu) -> Iterator[tuple[str, str]]:
    """(key, prompt) of every prompt the menu can play."""
    yield "callback_said", menu.callback_said
    yield "withheld_said", menu.withheld_said
    for name, step in menu.steps.items():
        for part in ("greet", "unrecorded", "surge", "say"):
            yield from ((f"steps.{name}.{part}", prompt) for prompt in getattr(step, part))
        if step.wrong:
            yield f"steps.{name}.wrong", step.wrong
        for key, target in targets_of(step):
            if isinstance(target, ToMessage):
                yield f"steps.{name}.{key}", target.prompt


# --- names


def _names(menu: Menu, prompts: Collection[str]) -> Iterator[MenuProblem]:
    yield from (
        MenuProblem(key, f"the prompt {prompt!r} has no text; add it to the prompts or name another")
        for key, prompt in prompts_of(menu)
        if prompt not in prompts
    )
    yield from (
        MenuProblem(key, f"there is no step {step!r}; write one of: {', '.join(menu.steps)}")
        for key, step in _steps_named(menu)
        if step not in menu.steps
    )
    for name, step in menu.steps.items():
        yield from _step_names(menu, name, step)
    for queue, rules in menu.queues.items():
        if any(span.opens >= span.closes for span in rules.hours.spans):
            yield MenuProblem(f"queues.{queue}.hours", "write the opening time before the closing time")


def _steps_named(menu: Menu) -> Iterator[tuple[str, str]]:
    yield "start", menu.start
    yield from ((f"start_by.{reason}", step) for reason, step in menu.start_by.items())
    for queue, rules in menu.queues.items():
        yield from (
            (f"queues.{queue}.{part}", step) for part, step in (("closed", rules.closed), ("full", rules.full)) if step
        )
    for name, step_data in menu.steps.items():
        yield from (
            (f"steps.{name}.{key}", target.step) for key, target in targets_of(step_data) if isinstance(target, ToStep)
        )


def _step_names(menu: Menu, name: str, step: Step) -> Iterator[MenuProblem]:
    at = f"steps.{name}"
    if not menu.queue_tried and "0" not in step.keys:
        yield MenuProblem(f"{at}.keys", "add the key 0 and lead it to a queue with agents")
    if step.tries < 1:
        yield MenuProblem(f"{at}.tries", "write 1 or more")
    if step.silence is Turn.AGAIN:
        yield MenuProblem(f"{at}.silence", "silence cannot put the question again; lead it to a queue")
    for key, target in targets_of(step):
        part, _, digit = key.partition(".")
        if part != "silence" and (len(digit) != 1 or digit not in DIGITS):
            yield MenuProblem(f"{at}.{key}", f"a key is one of {DIGITS}")
        if isinstance(target, ToQueue) and target.queue not in menu.queues:
            yield MenuProblem(f"{at}.{key}", f"the queue {target.queue!r} is not under queues; add it there")


# --- paths


def _beginnings(menu: Menu) -> Iterator[Position]:
    reasons = ["", *menu.start_by]
    for context in _situations(menu):
        for reason in reasons:
            position, _ = start(menu, context, reason)
            yield position


def _situations(menu: Menu) -> Iterator[MenuContext]:
    # Closed by hand stands for closed by the hours: advance() asks both through is_open(). One time of day is
    # enough therefore, unless a queue is closed at that time anyway; then `open` is covered by another queue.
    none, every = frozenset[QueueName](), frozenset(menu.queues)
    for surge, withheld, full, closed in product((False, True), (False, True), (none, every), (none, every)):
        for now in _moments(menu):
            yield MenuContext(now, is_workday=True, surge=surge, withheld=withheld, full=full, closed=closed)


def _moments(menu: Menu) -> Iterator[datetime]:
    yield datetime(2026, 1, 5, 4, tzinfo=UTC)
    for rules in menu.queues.values():
        for span in rules.hours.spans:
            # +8: opens is local time of China, and a moment at which that queue is open
            yield datetime.fromisoformat(f"2026-01-05T{span.opens.isoformat()}+08:00")


def _walk(beginning: Position) -> Iterator[MenuProblem]:
    todo, seen = [beginning], {beginning}
    while todo:
        position = todo.pop()
        at = f"steps.{position.step}"
        if position.depth > MAX_DEPTH:
            yield MenuProblem(at, f"is question {position.depth} in a row; {MAX_DEPTH} is the limit")
            continue
        if lost := _lost_waits(position):
            yield from lost
            continue
        for given in ANSWERS:
            after, acts = advance(position, given)
            yield from _judged(position, given, after, acts)
            if after.ended is None and after not in seen:
                seen.add(after)
                todo.append(after)
        if not position.menu.queue_tried:
            yield from _human_first(position)


def _lost_waits(position: Position) -> list[MenuProblem]:
    if position.chosen:
        return []
    step = position.menu.steps[position.step]
    return [
        MenuProblem(f"steps.{position.step}.{key}", "nothing was chosen to wait for; name a queue")
        for key, target in targets_of(step)
        if target is Turn.WAIT
    ]


def _judged(before: Position, given: Given, after: Position, acts: tuple[Act, ...]) -> Iterator[MenuProblem]:
    key = f"steps.{before.step}"
    if after.ended is None:
        # (depth, put) grows with every answer and both are bounded: that is why every walk ends.
        if (after.depth, after.put) <= (before.depth, before.put):
            yield MenuProblem(key, f"{given} leads back to the same question for ever")
    elif not _ends_as_said(after.ended.kind, given, acts):
        yield MenuProblem(key, f"{given} ends in no queue, no message and no hang-up")


def _ends_as_said(kind: EndKind, given: Given, acts: tuple[Act, ...]) -> bool:
    match kind:
        case EndKind.QUEUE:
            return isinstance(acts[-1], Route)
        case EndKind.MESSAGE:
            return isinstance(acts[-1], HangUp) and any(isinstance(act, Say) for act in acts)
        case EndKind.HANGUP:
            return given is Signal.HANG_UP or isinstance(acts[-1], HangUp)


def _human_first(position: Position) -> Iterator[MenuProblem]:
    step = position.step
    for given, key in ((Key("0"), f"steps.{step}.keys.0"), (Signal.SILENCE, f"steps.{step}.silence")):
        here = position
        # MAX_DEPTH questions, each put at most `tries` times, and one more to see the end
        for _ in range(sum(one.tries for one in position.menu.steps.values()) + 1):
            if here.ended is None and here.depth <= MAX_DEPTH and not _lost_waits(here):
                here, _ = advance(here, given)
        if here.ended is None or here.ended.kind is not EndKind.QUEUE:
            yield MenuProblem(key, "does not reach an agent; lead it to a queue")


def _unreached(menu: Menu) -> Iterator[MenuProblem]:
    named = {step for _, step in _steps_named(menu)}
    yield from (
        MenuProblem(f"steps.{name}", "nothing leads here; lead a key to it or take it out")
        for name in menu.steps
        if name not in named
    )
