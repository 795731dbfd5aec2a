"""Reads config/menus/*.yaml and config/texts/<language>/prompts.yaml into the values of `ivr.menu`."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import time
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError

from callcenter.types import QueueName
from config.problems import ConfigProblem, ConfigWrong, data_root, from_validation, read_yaml
from ivr.menu import (
    CallbackReason,
    Hours,
    Menu,
    QueueRules,
    Span,
    Step,
    Target,
    ToCallback,
    ToMessage,
    ToQueue,
    ToStep,
    Turn,
)
from ivr.proof import prove

SCRIPTS = ("ivr", "after-queue")
"""What the dialplan asks for; each needs its menu."""


@dataclass(frozen=True, slots=True)
class Menus:
    """by_script: the menu for each AGI script (`ivr`, `after-queue`). prompts: text of every prompt by name."""

    by_script: Mapping[str, Menu]
    prompts: Mapping[str, str]

    @property
    def queues(self) -> frozenset[QueueName]:
        """Every queue a menu leads to; each must be in Asterisk's queues.conf."""
        return frozenset(queue for menu in self.by_script.values() for queue in menu.queues)


def load_menus(language: str = "zh-CN", root: Traversable | None = None) -> Menus:
    """All menus, proved, and the prompts' texts. Raises ConfigWrong with every problem of every file.

    root: another folder in place of config/, for a hotline's own menus.
    """
    root = root or data_root()
    problems: list[ConfigProblem] = []
    prompts: dict[str, str] = {}
    try:
        prompts = load_prompts(language, root)
    except ConfigWrong as wrong:
        problems += wrong.problems
    by_script: dict[str, Menu] = {}
    for file in _yaml_files(root.joinpath("menus")):
        try:
            script, menu = _load_menu(file, prompts)
        except ConfigWrong as wrong:
            problems += wrong.problems
            continue
        if script in by_script:
            taken = f"{script} is taken by the menu {by_script[script].name!r}; one menu a script"
            problems.append(ConfigProblem(f"menus/{file.name}", "script", taken))
        by_script[script] = menu
    if problems:
        raise ConfigWrong(problems)
    if missing := [script for script in SCRIPTS if script not in by_script]:
        raise ConfigWrong(
            [ConfigProblem("menus", "", f"no menu has `script: {script}`; write one") for script in missing]
        )
    return Menus(MappingProxyType(by_script), MappingProxyType(prompts))


def load_prompts(language: str = "zh-CN", root: Traversable | None = None) -> dict[str, str]:
    """Text of every prompt by name. Raises ConfigWrong."""
    name = f"texts/{language}/prompts.yaml"
    values = read_yaml((root or data_root()).joinpath("texts", language, "prompts.yaml"), name)
    try:
        return _PROMPTS.validate_python(values)
    except ValidationError as error:
        raise ConfigWrong(from_validation(name, error)) from None


def _yaml_files(folder: Traversable) -> list[Traversable]:
    found = [file for file in folder.iterdir() if file.name.endswith(".yaml")]
    return sorted(found, key=lambda file: file.name)


def _load_menu(file: Traversable, prompts: Collection[str]) -> tuple[str, Menu]:
    name = f"menus/{file.name}"
    values = read_yaml(file, name)
    try:
        model = _MenuModel.model_validate(values)
    except ValidationError as error:
        raise ConfigWrong(from_validation(name, error)) from None
    menu = model.menu()
    # Without prompts the texts file itself is wrong and said so; it would be said again for each prompt here.
    if prompts and (problems := prove(menu, prompts)):
        raise ConfigWrong(ConfigProblem(name, problem.key, problem.what_to_write) for problem in problems)
    return model.script, menu


# --- the shape of the files

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
# The dialplan passes a queue's name through FILTER(a-z0-9).
_Queue = Annotated[str, Field(pattern=r"^[a-z0-9]{1,40}$")]
_PROMPTS: TypeAdapter[dict[str, str]] = TypeAdapter(
    dict[_Name, Annotated[str, Field(min_length=2, max_length=300)]], config=ConfigDict(strict=True)
)
_SPAN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
_TARGETS = (
    "write {queue: NAME}, {step: NAME}, {callback: full|closed|timeout|surge}, {message: PROMPT},"
    " again, wait or hang-up"
)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _QueueTarget(_Strict):
    queue: _Queue
    priority: int = Field(0, ge=0, le=100)
    request_type: str = Field("", pattern=r"^\w{0,20}$")


class _StepTarget(_Strict):
    step: _Name


class _CallbackTarget(_Strict):
    callback: Literal["full", "closed", "timeout", "surge"]


class _MessageTarget(_Strict):
    message: _Name


def _target(value: object) -> Target:
    if isinstance(value, str) and value in {turn.value for turn in Turn}:
        return Turn(value)
    if isinstance(value, dict):
        if "queue" in value:
            queue = _QueueTarget.model_validate(value)
            return ToQueue(QueueName(queue.queue), queue.priority, queue.request_type)
        if "step" in value:
            return ToStep(_StepTarget.model_validate(value).step)
        if "callback" in value:
            return ToCallback(CallbackReason(_CallbackTarget.model_validate(value).callback))
        if "message" in value:
            return ToMessage(_MessageTarget.model_validate(value).message)
    raise ValueError(_TARGETS)


def _span(value: object) -> Span:
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('write the local time as "09:00-17:00"')
    opens_h, opens_min, closes_h, closes_min = (int(part) for part in match.groups())
    return Span(time(opens_h, opens_min), time(closes_h, closes_min))


_Target = Annotated[Target, PlainValidator(_target)]
_Keys = dict[Annotated[str, Field(pattern=r"^[0-9*#]$")], _Target]


class _HoursModel(_Strict):
    days: Literal["all", "workdays"] = "all"
    open: list[Annotated[Span, PlainValidator(_span)]] = Field(default_factory=list, max_length=6)


class _QueueModel(_Strict):
    hours: _HoursModel = _HoursModel()
    closed: str = ""
    full: str = ""

    def rules(self) -> QueueRules:
        hours = Hours(self.hours.days == "workdays", tuple(self.hours.open))
        return QueueRules(hours, self.closed, self.full)


class _StepModel(_Strict):
    greet: list[_Name] = []
    unrecorded: list[_Name] = []
    surge: list[_Name] = []
    say: list[_Name] = Field(min_length=1, max_length=5)
    # An elderly caller needs time for a key; more than 15 s of nothing sounds like a dead line.
    wait_s: float = Field(3.0, ge=0.5, le=15, strict=False)
    tries: int = Field(2, ge=1, le=5)
    wrong: str = ""
    keys: _Keys
    surge_keys: _Keys = {}
    silence: _Target

    def step(self) -> Step:
        return Step(
            say=tuple(self.say),
            silence=self.silence,
            keys=MappingProxyType(self.keys),
            greet=tuple(self.greet),
            unrecorded=tuple(self.unrecorded),
            surge=tuple(self.surge),
            surge_keys=MappingProxyType(self.surge_keys),
            wait_s=self.wait_s,
            tries=self.tries,
            wrong=self.wrong,
        )


class _MenuModel(_Strict):
    name: _Name
    script: Literal["ivr", "after-queue"]
    start: str
    start_by: dict[Annotated[str, Field(pattern=r"^[A-Z]{1,20}$")], str] = {}
    queue_tried: bool = False
    callback_said: _Name
    withheld_said: _Name
    queues: dict[_Queue, _QueueModel]
    steps: dict[_Name, _StepModel] = Field(min_length=1, max_length=20)

    def menu(self) -> Menu:
        return Menu(
            name=self.name,
            start=self.start,
            steps=MappingProxyType({name: step.step() for name, step in self.steps.items()}),
            queues=MappingProxyType({QueueName(name): queue.rules() for name, queue in self.queues.items()}),
            callback_said=self.callback_said,
            withheld_said=self.withheld_said,
            start_by=MappingProxyType(self.start_by),
            queue_tried=self.queue_tried,
        )
