"""One call's way through a menu: performs the acts of `ivr.menu` over AGI and reports each step.

Events (AMI UserEvent): MenuStep {CallId, Menu, Step, Digits} for each answer of the caller, Digits being the key,
`timeout` or `hangup`; CallbackAsked {CallId, Reason}; MenuEnded {CallId, Outcome, Queue, RequestType}, always last
and once, also when the caller hung up. Channel variables, set before MenuEnded: QUEUE, QUEUE_PRIO, REQUEST_TYPE and,
last, ROUTE (`queue` or `hangup`), so that the dialplan never sees half a decision.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from callcenter.types import CallId
from ivr.fastagi import AgiSession, CallerGone
from ivr.menu import (
    DIGITS,
    Act,
    AskCallback,
    Ended,
    GetKey,
    Given,
    HangUp,
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


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """The call a menu is asked for. script: `ivr` or `after-queue`. queue_status: why the queue let it go, or ''.

    recorded: false when there is no room for its recording; the greeting then says so. withheld: the caller's number is
    not told, so that a call-back is not offered to them in vain.
    """

    call_id: CallId
    script: str
    queue_status: str = ""
    recorded: bool = True
    withheld: bool = False


ContextFor = Callable[[IncomingCall], Awaitable[MenuContext]]
"""Asked once at the start of each call; the answer holds for the whole menu."""


async def run_menu(agi: AgiSession, menu: Menu, call: IncomingCall, context: MenuContext, prompts_dir: Path) -> Ended:
    """Lead the caller through the menu to its end. Raises LinkLost when Asterisk goes away in the middle."""
    walk = _Walk(agi, call, prompts_dir)
    position, acts = start(menu, context, call.queue_status)
    while position.ended is None:
        given = await walk.question(acts)
        await walk.report_step(position, given)
        position, acts = advance(position, given)
    await walk.end(acts)
    await walk.report_end(position.ended)
    return position.ended


class _Walk:
    """The acts of one call, performed."""

    def __init__(self, agi: AgiSession, call: IncomingCall, prompts_dir: Path) -> None:
        self._agi, self._call, self._prompts = agi, call, prompts_dir

    async def question(self, acts: Iterable[Act]) -> Given:
        """Play what is to be played and take the caller's answer."""
        try:
            return await self._answer(acts)
        except CallerGone:
            return Signal.HANG_UP

    async def end(self, acts: Iterable[Act]) -> None:
        """The last acts. A caller who hangs up during the last words has still been told the way."""
        for act in acts:
            match act:
                case Route():
                    await self._set_route(act)
                case AskCallback(reason):
                    # before the confirmation: who hangs up while it is spoken has asked all the same
                    await self._event("CallbackAsked", {"Reason": reason.value})
                case Say(prompt):
                    try:
                        await self._agi.stream_file(self._path(prompt))
                    except CallerGone:
                        continue
                case HangUp():
                    await self._agi.set_variable("ROUTE", "hangup")

    async def report_step(self, position: Position, given: Given) -> None:
        digits = given.digit if isinstance(given, Key) else given.value
        await self._event("MenuStep", {"Menu": position.menu.name, "Step": position.step, "Digits": digits})

    async def report_end(self, ended: Ended) -> None:
        fields = {"Outcome": ended.kind.value, "Queue": ended.queue, "RequestType": ended.request_type}
        await self._event("MenuEnded", fields)

    async def _answer(self, acts: Iterable[Act]) -> Given:
        digit = ""
        for act in acts:
            match act:
                case Play(prompt, whole=True):
                    digit = await self._play_whole(prompt, digit)
                case Play(prompt) if not digit:
                    digit = (await self._agi.stream_file(self._path(prompt), DIGITS)).digit
                case GetKey(wait_s) if not digit:
                    digit = await self._agi.get_digit(wait_s)
        return Key(digit) if digit else Signal.SILENCE

    async def _play_whole(self, prompt: str, digit: str) -> str:
        """Play to the end; a key pressed meanwhile is kept for the question that follows."""
        if digit:
            await self._agi.stream_file(self._path(prompt))
            return digit
        played = await self._agi.stream_file(self._path(prompt), DIGITS)
        if played.digit:
            # Asterisk drops keys that may not interrupt, so let it interrupt and go on from there.
            await self._agi.stream_file(self._path(prompt), offset=played.endpos)
        return played.digit

    async def _set_route(self, route: Route) -> None:
        await self._agi.set_variable("QUEUE", route.queue)
        await self._agi.set_variable("QUEUE_PRIO", str(route.priority))
        await self._agi.set_variable("REQUEST_TYPE", route.request_type)
        await self._agi.set_variable("ROUTE", "queue")

    async def _event(self, name: str, fields: dict[str, str]) -> None:
        await self._agi.user_event(name, {"CallId": self._call.call_id, **fields})

    def _path(self, prompt: str) -> str:
        return str(self._prompts / prompt)
