"""What happened to a ticket in plain words: every key of every command has a name, codes are the regulation's."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

import ticketing
from callcenter.types import UnitId
from callcenter.web.event_words import LABELS, NOTHING_SAID, Told, said_of
from tests.support.regions import policy_of
from ticketing import commands
from ticketing.aftercare.confidentiality import Mark
from ticketing.clocks import Clock, Period
from ticketing.commands import Changes, as_data
from ticketing.policy import Policy
from ticketing.supervision.supervision import Supervise
from ticketing.words import Event, Flag

NAMES = {"unit:water": "县水务局", "unit:roads": "县交通局"}
NOTICE = datetime(2026, 6, 1, 1, 30, tzinfo=UTC)


def commands_of_tickets() -> Iterator[type[Any]]:
    for found in pkgutil.walk_packages(ticketing.__path__, "ticketing."):
        module = importlib.import_module(found.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == found.name and isinstance(getattr(kind, "event", None), Event):
                yield kind


def keys_of(kind: type[Any]) -> Iterator[str]:
    """The fields of a command and of all it is made of; a period is a text."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        yield field.name
        for part in parts_of(hints[field.name]):
            if isinstance(part, type) and is_dataclass(part) and part is not Period:
                yield from keys_of(part)


def parts_of(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (tuple, frozenset, Union, UnionType):
        for one in get_args(hint):
            yield from parts_of(one)
    else:
        yield hint


def test_every_key_of_every_command_has_a_name() -> None:
    kinds = list(commands_of_tickets())
    assert {kind.event for kind in kinds} >= set(Event) - {Event.OPEN}
    known = LABELS.keys() | NOTHING_SAID | {"changes", "before", "reason"}
    assert {f"{kind.__name__}.{key}" for kind in kinds for key in keys_of(kind) if key not in known} == set()


def told(detail: Any, policy: Policy | None = None, **more: Any) -> list[tuple[str, str]]:
    data = as_data(detail)
    assert isinstance(data, dict)
    return said_of({**data, **more}, Told(detail.event, policy or policy_of("suqian"), NAMES))


CASES: tuple[tuple[Any, list[tuple[str, str]]], ...] = (
    (
        commands.Dispatch(
            UnitId("water"),
            (UnitId("roads"),),
            "请核实",
            chosen=Period(3, Clock.WORKING_DAY),
            phone_notice=commands.PhoneNotice(NOTICE, "值班室"),
        ),
        [
            ("主办单位", "县水务局"),
            ("协办单位", "县交通局"),
            ("要求", "请核实"),
            ("时间", "2026-06-01 09:30"),
            ("签收人", "值班室"),
            ("选定时限", "3个工作日"),
        ],
    ),
    (commands.RejectReply("NOT_SPECIFIC", "太笼统"), [("回复缺陷", "不具体"), ("理由", "太笼统")]),
    (commands.Reject("NOT_SPECIFIC", "请补充"), [("情形", "反映内容不具体，经补充仍无法办理"), ("答复内容", "请补充")]),
    (Supervise("OTHER", "情况特殊"), [("督办事由", "其他需要督办的事项"), ("理由", "情况特殊")]),
    (
        Mark("涉及隐私", True, add=frozenset({Flag.SENSITIVE})),
        [("理由", "涉及隐私"), ("诉求人信息保密", "是"), ("增加标记", "涉密或隐私")],
    ),
    (
        commands.Reply(commands.Contents(handled_on=date(2026, 6, 1), situation="已修复", finished=True)),
        [("办理日期", "2026-06-01"), ("办理情况", "已修复"), ("已办结", "是"), ("不属于执法立案事项", "否")],
    ),
)


@pytest.mark.parametrize(("detail", "expected"), CASES, ids=[case[0].event for case in CASES])
def test_an_event_is_told_in_words(detail: Any, expected: list[tuple[str, str]]) -> None:
    assert told(detail) == expected


def test_an_edit_says_what_was_there_before() -> None:
    edit = commands.Edit(Changes(title="新标题", place="", urgent=True), "登记有误", (4,))
    assert told(edit, before={"title": "旧标题", "place": "桂龙路", "urgent": False}) == [
        ("标题", "旧标题 → 新标题"),
        ("地点", "桂龙路 → （清空）"),
        ("突发", "否 → 是"),
        ("理由", "登记有误"),
    ]


def test_what_nobody_knows_is_shown_as_it_is() -> None:
    about = Told(Event.REJECT, policy_of("suqian"), {})
    assert said_of({"code": "NEW", "later": "x", "lead": "new-unit"}, about) == [
        ("情形", "NEW"),
        ("later", "x"),
        ("主办单位", "new-unit"),
    ]
