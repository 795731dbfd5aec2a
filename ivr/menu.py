"""A telephone menu as data, and the walk of one caller through it.

PURE: `start()` and `advance()` turn what the caller does into acts; who performs the acts is not known here.
A menu is a handful of steps; a step plays prompts and puts one question. Words: a *key* is one digit, a
*branch* is a step that a queue leads to when it is closed or full.

Human first (GB/T 33358-2016 advises against menus at all): in every menu before the queue, 0 and silence reach
an agent; `ivr.proof` proves it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta, timezone
from enum import Enum, StrEnum

from callcenter.types import QueueName

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
"""The one legal time of China; no daylight saving since 1992."""

DIGITS = "0123456789*#"


class CallbackReason(StrEnum):
    """Why the caller was offered a call-back; the field Reason of the event CallbackAsked."""

    FULL = "full"
    CLOSED = "closed"
    TIMEOUT = "timeout"
    SURGE = "surge"


class EndKind(StrEnum):
    """How a menu was left; the field Outcome of the event MenuEnded."""

    QUEUE = "queue"
    MESSAGE = "message"
    HANGUP = "hangup"


# --- targets: where a key leads


@dataclass(frozen=True, slots=True)
class ToQueue:
    """Into a queue. priority: 0 upwards, higher is served first. request_type: 咨询... or '' when not said."""

    queue: QueueName
    priority: int = 0
    request_type: str = ""


@dataclass(frozen=True, slots=True)
class ToStep:
    """To another question of the same menu."""

    step: str


@dataclass(frozen=True, slots=True)
class ToCallback:
    """A call-back is asked for, confirmed by `Menu.callback_said`, and the call ends.

    Whoever withholds the number hears `Menu.withheld_said` and goes on as silence does: nobody could call them.
    """

    reason: CallbackReason


@dataclass(frozen=True, slots=True)
class ToMessage:
    """A message, then the end of the call."""

    prompt: str


class Turn(Enum):
    """Targets without data."""

    AGAIN = "again"
    """The question once more; when it was put `tries` times, what silence does."""
    WAIT = "wait"
    """In a branch: into the queue the caller had chosen, closed or full as it may be."""
    HANG_UP = "hang-up"


Target = ToQueue | ToStep | ToCallback | ToMessage | Turn


# --- the menu


@dataclass(frozen=True, slots=True)
class Span:
    """Opening time of a day, local, `opens` included and `closes` not; opens < closes."""

    opens: time
    closes: time


@dataclass(frozen=True, slots=True)
class Hours:
    """When a queue is staffed. No spans: round the clock."""

    workdays_only: bool = False
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueRules:
    """When a queue is open, and which steps a caller meets instead when it is closed or full ('' for none)."""

    hours: Hours = Hours()
    closed: str = ""
    full: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One question. Prompts are names; a key pressed during `greet` or `surge` counts but does not cut them short.

    greet: said once, when the step is entered; unrecorded: in its place when the call is not recorded, none says the
    same in both. surge: said after it while the emergency flag is on.
    say: said each time the question is put; a key cuts it short. wait_s: silence after the last prompt that
    counts as an answer, 0.5-15. tries: how often the question is put at most, 1-5. wrong: said before the
    question is put again because of a wrong key.
    """

    say: tuple[str, ...]
    silence: Target
    keys: Mapping[str, Target]
    greet: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()
    surge: tuple[str, ...] = ()
    surge_keys: Mapping[str, Target] = field(default_factory=dict)
    wait_s: float = 3.0
    tries: int = 2
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """One file of config/menus. start_by: another first step by the reason the menu was entered for.

    queue_tried: the caller comes out of a queue that could not serve, so the menu need not lead into one.
    """

    name: str
    start: str
    steps: Mapping[str, Step]
    queues: Mapping[QueueName, QueueRules]
    callback_said: str
    withheld_said: str
    start_by: Mapping[str, str] = field(default_factory=dict)
    queue_tried: bool = False


@dataclass(frozen=True, slots=True)
class MenuContext:
    """What is true when the call comes in. now: aware. is_workday: of the local date of `now`, by the work calendar.

    surge: the emergency flag. recorded: false while there is no room for recordings. withheld: the caller's number is
    not told. full, closed: queues that take nobody at the moment, whatever their hours say.
    """

    now: datetime
    is_workday: bool
    surge: bool = False
    recorded: bool = True
    withheld: bool = False
    full: frozenset[QueueName] = frozenset()
    closed: frozenset[QueueName] = frozenset()


# --- what the caller gives, what is to be done, where the walk stands


@dataclass(frozen=True, slots=True)
class Key:
    """One digit, of DIGITS."""

    digit: str


class Signal(Enum):
    """What a caller does other than pressing a key."""

    SILENCE = "timeout"
    HANG_UP = "hangup"


Given = Key | Signal


@dataclass(frozen=True, slots=True)
class Play:
    """Play a prompt. whole: a key pressed meanwhile is kept, but the prompt is heard to its end."""

    prompt: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class GetKey:
    """Wait for a key, `wait_s` seconds; none is Signal.SILENCE."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class Route:
    """Hand the caller to the queue."""

    queue: QueueName
    priority: int
    request_type: str


@dataclass(frozen=True, slots=True)
class AskCallback:
    """Register that this caller wants to be called back."""

    reason: CallbackReason


@dataclass(frozen=True, slots=True)
class Say:
    """Play a message to its end; keys do nothing."""

    prompt: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call."""


Act = Play | GetKey | Route | AskCallback | Say | HangUp


@dataclass(frozen=True, slots=True)
class Ended:
    """How the walk ended; queue and request_type are '' unless kind is QUEUE."""

    kind: EndKind
    queue: str = ""
    request_type: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a caller stands. put: how often the step's question was put. depth: steps met so far, from 1.

    chosen: the queue that led into the present branch.
    """

    menu: Menu = field(compare=False, repr=False)
    context: MenuContext
    step: str
    put: int = 0
    depth: int = 1
    chosen: ToQueue | None = None
    ended: Ended | None = None


Move = tuple[Position, tuple[Act, ...]]


def start(menu: Menu, context: MenuContext, reason: str = "") -> Move:
    """The first acts. reason: why the menu is entered (a QUEUESTATUS), looked up in `menu.start_by`."""
    position = Position(menu, context, menu.start_by.get(reason, menu.start))
    return _enter(position)


def advance(position: Position, given: Given) -> Move:
    """What follows when the caller gives `given`. A walk that has ended stays as it is, without acts."""
    if position.ended:
        return position, ()
    if given is Signal.HANG_UP:
        return _ended(position, Ended(EndKind.HANGUP))
    step = position.menu.steps[position.step]
    if isinstance(given, Key):
        target = _target_of(position, step, given.digit)
        if target is None or target is Turn.AGAIN:
            return _put_again(position, step, wrong=target is None)
        return _go(position, target)
    return _go(position, step.silence)


def is_open(menu: Menu, queue: QueueName, context: MenuContext) -> bool:
    """Whether the queue's hours cover `context.now` and nobody has closed it by hand."""
    hours = menu.queues[queue].hours
    if queue in context.closed or (hours.workdays_only and not context.is_workday):
        return False
    local = context.now.astimezone(CHINA).time()
    return not hours.spans or any(span.opens <= local < span.closes for span in hours.spans)


def _target_of(position: Position, step: Step, digit: str) -> Target | None:
    if position.context.surge and digit in step.surge_keys:
        return step.surge_keys[digit]
    return step.keys.get(digit)


def _enter(position: Position) -> Move:
    step = position.menu.steps[position.step]
    surge = step.surge if position.context.surge else ()
    greet = step.greet if position.context.recorded else step.unrecorded or step.greet
    whole = [Play(prompt, whole=True) for prompt in (*greet, *surge)]
    return replace(position, put=1), (*whole, *_question(step))


def _question(step: Step) -> tuple[Act, ...]:
    return (*(Play(prompt) for prompt in step.say), GetKey(step.wait_s))


def _put_again(position: Position, step: Step, *, wrong: bool) -> Move:
    # A caller who cannot find the key is not kept in the menu: the last wrong key acts as silence does.
    if position.put >= step.tries:
        return _go(position, step.silence)
    excuse = (Play(step.wrong),) if wrong and step.wrong else ()
    return replace(position, put=position.put + 1), (*excuse, *_question(step))


def _go(position: Position, target: Target) -> Move:
    match target:
        case ToQueue():
            return _to_queue(position, target)
        case ToStep(step):
            return _enter(replace(position, step=step, depth=position.depth + 1))
        case ToCallback() if position.context.withheld:
            return _not_called_back(position)
        case ToCallback(reason):
            said = position.menu.callback_said
            return _ended(position, Ended(EndKind.MESSAGE), AskCallback(reason), Say(said), HangUp())
        case ToMessage(prompt):
            return _ended(position, Ended(EndKind.MESSAGE), Say(prompt), HangUp())
        case Turn.WAIT if position.chosen:
            return _route(position, position.chosen)
    return _ended(position, Ended(EndKind.HANGUP), HangUp())


def _not_called_back(position: Position) -> Move:
    said, silence = position.menu.withheld_said, position.menu.steps[position.step].silence
    if isinstance(silence, ToCallback):
        return _ended(position, Ended(EndKind.MESSAGE), Say(said), HangUp())
    after, acts = _go(position, silence)
    return after, (Say(said) if after.ended else Play(said, whole=True), *acts)


def _to_queue(position: Position, target: ToQueue) -> Move:
    # One branch at most: inside a branch a queue is entered as it is, so that nobody goes round in circles.
    # A queue that turns out full answers QUEUESTATUS=FULL, and the menu after the queue takes over.
    if position.chosen is None and (branch := _branch(position, target.queue)):
        return _enter(replace(position, step=branch, depth=position.depth + 1, chosen=target))
    return _route(position, target)


def _branch(position: Position, queue: QueueName) -> str:
    rules = position.menu.queues[queue]
    if not is_open(position.menu, queue, position.context):
        return rules.closed
    return rules.full if queue in position.context.full else ""


def _route(position: Position, target: ToQueue) -> Move:
    request_type = target.request_type or (position.chosen.request_type if position.chosen else "")
    ended = Ended(EndKind.QUEUE, target.queue, request_type)
    return _ended(position, ended, Route(target.queue, target.priority, request_type))


def _ended(position: Position, ended: Ended, *acts: Act) -> Move:
    return replace(position, ended=ended), acts
