"""The telephone menus as data, and a walk through them at any hour: the same pure machine that leads callers."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from aiohttp import web
from pydantic import AwareDatetime, Field

from callcenter.types import QueueName, Role
from callcenter.web.context import Context
from callcenter.web.problems import NotFound, Problem
from callcenter.web.router import In, Out, Routes
from ivr import menu as m
from ticketing.clocks import local_day

api = Routes("menus")
READERS = frozenset({Role.ADMIN, Role.SUPERVISOR})
SILENCE, HANG_UP = m.Signal.SILENCE.value, m.Signal.HANG_UP.value
Given = Annotated[str, Field(pattern=rf"^([0-9*#]|{SILENCE}|{HANG_UP})$")]
Queues = Annotated[tuple[Annotated[str, Field(max_length=40)], ...], Field(max_length=40)]


class MenuPrompt(Out):
    """audio: there is a recording of it to listen to."""

    name: str
    text: str
    audio: bool


class MenuTarget(Out):
    """Where a key leads. kind: queue, step, callback, message, again, wait, hang-up.

    name: of the queue, the step or the prompt, the reason of a call-back. text: of the message.
    """

    kind: str
    name: str = ""
    text: str = ""
    priority: int = 0
    request_type: str = ""


class MenuKey(Out):
    """key: 0-9 * # or `timeout` (silence). surge: only while the emergency announcement is on."""

    key: str
    surge: bool
    target: MenuTarget


class MenuStep(Out):
    """One question. wait_s: silence that counts as an answer; tries: how often it is put at most."""

    name: str
    greet: list[MenuPrompt]
    unrecorded: list[MenuPrompt]
    surge: list[MenuPrompt]
    say: list[MenuPrompt]
    wrong: MenuPrompt | None
    wait_s: float
    tries: int
    keys: list[MenuKey]


class MenuQueue(Out):
    """spans: opening times, empty: round the clock. closed, full: the step met instead. open_now: by its hours."""

    name: str
    workdays_only: bool
    spans: list[list[str]]
    closed: str
    full: str
    open_now: bool


class OneMenu(Out):
    """script: what the dialplan asks for. start_by: the first step by why a queue let the caller go."""

    script: str
    name: str
    start: str
    start_by: dict[str, str]
    queue_tried: bool
    callback_said: MenuPrompt
    withheld_said: MenuPrompt
    steps: list[MenuStep]
    queues: list[MenuQueue]


class Menus(Out):
    menus: list[OneMenu]


class MenuWalk(In):
    """at: when the call comes in, default now. given: what the caller does, one after the other: a digit, `timeout`
    (says and presses nothing) or `hangup`. full, closed: queues that take nobody whatever their hours say.

    reason: of the menu after a queue, why the queue let the caller go.
    """

    script: Annotated[str, Field(max_length=40)]
    given: Annotated[tuple[Given, ...], Field(max_length=30)] = ()
    at: AwareDatetime | None = None
    surge: bool = False
    recorded: bool = True
    withheld: bool = False
    full: Queues = ()
    closed: Queues = ()
    reason: Annotated[str, Field(max_length=20)] = ""


class MenuHeard(Out):
    """whole: heard to its end; a key pressed meanwhile is kept."""

    prompt: MenuPrompt
    whole: bool


class MenuScene(Out):
    """What follows what the caller gave (null: picking up). wait_s: how long a key is waited for then."""

    given: str | None
    step: str
    heard: list[MenuHeard]
    wait_s: float | None


class MenuEnding(Out):
    """kind: queue, message or hangup. callback: the reason a call-back was registered for, or ``."""

    kind: Literal["queue", "message", "hangup"]
    queue: str
    request_type: str
    priority: int
    callback: str


class MenuWalked(Out):
    """ended: null while the menu waits for the caller. is_workday: by the work calendar. open: queues open then."""

    at: datetime
    is_workday: bool
    open: list[str]
    scenes: list[MenuScene]
    ended: MenuEnding | None


@api.get("/api/menus", READERS)
async def read_menus(ctx: Context) -> Menus:
    """电话菜单：每一问播放什么、每个按键通向哪里、队列何时开放"""
    book = ctx.services.installation.menus
    return Menus(menus=[_menu(ctx, script, menu) for script, menu in sorted(book.items(), reverse=True)])


@api.post("/api/menus/try", READERS)
async def try_menu(ctx: Context, body: MenuWalk) -> MenuWalked:
    """试拨：在所选时间和条件下依次按键，听到什么、最后到哪里；与真实来电用同一套判断，不产生通话"""
    menu = ctx.services.installation.menus.get(body.script)
    if menu is None:
        raise NotFound
    if unknown := {*body.full, *body.closed} - set(menu.queues):
        raise Problem(422, "no_queue", f"菜单中没有队列：{'、'.join(sorted(unknown))}。请从菜单的队列中选择。")
    at = body.at or ctx.now
    context = m.MenuContext(
        now=at,
        is_workday=ctx.services.rules.calendar.works(local_day(at)),
        surge=body.surge,
        recorded=body.recorded,
        withheld=body.withheld,
        full=frozenset(QueueName(one) for one in body.full),
        closed=frozenset(QueueName(one) for one in body.closed),
    )
    return _walked(ctx, menu, context, body)


@api.get("/api/menu-prompts/{name}/audio", READERS)
async def prompt_audio(ctx: Context, name: str) -> web.FileResponse:
    """试听一条语音提示"""
    path = _audio(ctx, name)
    if path is None:
        raise NotFound
    return web.FileResponse(path, headers={"Content-Type": "audio/wav"})


def _walked(ctx: Context, menu: m.Menu, context: m.MenuContext, asked: MenuWalk) -> MenuWalked:
    position, acts = m.start(menu, context, asked.reason)
    scenes = [_scene(ctx, None, position, acts)]
    for given in asked.given:
        if position.ended is not None:
            break
        position, acts = m.advance(position, _given(given))
        scenes.append(_scene(ctx, given, position, acts))
    return MenuWalked(
        at=context.now,
        is_workday=context.is_workday,
        open=[queue for queue in menu.queues if m.is_open(menu, queue, context)],
        scenes=scenes,
        ended=_ending(position, acts),
    )


def _given(text: str) -> m.Given:
    return m.Signal(text) if text in (SILENCE, HANG_UP) else m.Key(text)


def _scene(ctx: Context, given: str | None, position: m.Position, acts: Iterable[m.Act]) -> MenuScene:
    heard: list[MenuHeard] = []
    wait_s = None
    for act in acts:
        match act:
            case m.Play(prompt, whole):
                heard.append(MenuHeard(prompt=_prompt(ctx, prompt), whole=whole))
            case m.Say(prompt):
                heard.append(MenuHeard(prompt=_prompt(ctx, prompt), whole=True))
            case m.GetKey(seconds):
                wait_s = seconds
    return MenuScene(given=given, step=position.step, heard=heard, wait_s=wait_s)


def _ending(position: m.Position, acts: Iterable[m.Act]) -> MenuEnding | None:
    if position.ended is None:
        return None
    route = next((act for act in acts if isinstance(act, m.Route)), None)
    asked = next((act for act in acts if isinstance(act, m.AskCallback)), None)
    return MenuEnding(
        kind=position.ended.kind.value,
        queue=position.ended.queue,
        request_type=position.ended.request_type,
        priority=route.priority if route else 0,
        callback=asked.reason.value if asked else "",
    )


def _menu(ctx: Context, script: str, menu: m.Menu) -> OneMenu:
    now = m.MenuContext(now=ctx.now, is_workday=ctx.services.rules.calendar.works(local_day(ctx.now)))
    return OneMenu(
        script=script,
        name=menu.name,
        start=menu.start,
        start_by=dict(menu.start_by),
        queue_tried=menu.queue_tried,
        callback_said=_prompt(ctx, menu.callback_said),
        withheld_said=_prompt(ctx, menu.withheld_said),
        steps=[_step(ctx, name, step) for name, step in menu.steps.items()],
        queues=[_queue(name, rules, m.is_open(menu, name, now)) for name, rules in menu.queues.items()],
    )


def _queue(name: str, rules: m.QueueRules, open_now: bool) -> MenuQueue:
    return MenuQueue(
        name=name,
        workdays_only=rules.hours.workdays_only,
        spans=[[f"{span.opens:%H:%M}", f"{span.closes:%H:%M}"] for span in rules.hours.spans],
        closed=rules.closed,
        full=rules.full,
        open_now=open_now,
    )


def _step(ctx: Context, name: str, step: m.Step) -> MenuStep:
    keys = [MenuKey(key=key, surge=False, target=_target(ctx, target)) for key, target in step.keys.items()]
    keys += [MenuKey(key=key, surge=True, target=_target(ctx, target)) for key, target in step.surge_keys.items()]
    keys.append(MenuKey(key=SILENCE, surge=False, target=_target(ctx, step.silence)))
    return MenuStep(
        name=name,
        greet=_prompts(ctx, step.greet),
        unrecorded=_prompts(ctx, step.unrecorded),
        surge=_prompts(ctx, step.surge),
        say=_prompts(ctx, step.say),
        wrong=_prompt(ctx, step.wrong) if step.wrong else None,
        wait_s=step.wait_s,
        tries=step.tries,
        keys=keys,
    )


def _target(ctx: Context, target: m.Target) -> MenuTarget:
    match target:
        case m.ToQueue(queue, priority, request_type):
            return MenuTarget(kind="queue", name=queue, priority=priority, request_type=request_type)
        case m.ToStep(step):
            return MenuTarget(kind="step", name=step)
        case m.ToCallback(reason):
            return MenuTarget(kind="callback", name=reason.value)
        case m.ToMessage(prompt):
            return MenuTarget(kind="message", name=prompt, text=ctx.services.installation.prompts.get(prompt, ""))
        case m.Turn():
            return MenuTarget(kind=target.value)


def _prompts(ctx: Context, names: Iterable[str]) -> list[MenuPrompt]:
    return [_prompt(ctx, name) for name in names]


def _prompt(ctx: Context, name: str) -> MenuPrompt:
    text = ctx.services.installation.prompts.get(name, "")
    return MenuPrompt(name=name, text=text, audio=_audio(ctx, name) is not None)


def _audio(ctx: Context, name: str) -> Path | None:
    """Where the recording of a known prompt is."""
    here = ctx.services.installation
    if here.prompts_dir is None or name not in here.prompts:
        return None
    path = here.prompts_dir / f"{name}.wav"
    return path if path.is_file() else None
