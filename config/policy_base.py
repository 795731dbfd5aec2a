"""What every section of a policy file is made of: periods, citations, conditions, limits."""

import re
from datetime import time
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ticketing.clocks import Period, by_time, parse_period
from ticketing.rules import Anchor, Count
from ticketing.words import Flag

_RANGE = re.compile(r">=[1-9][0-9]?|[1-9][0-9]?(-[1-9][0-9]?)?")
_CLOCK_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
DEFAULT = "default"
REPLY_FIELDS = frozenset(
    {
        *("handled_at", "handling_unit", "handler", "situation", "citizen_contacted_at", "attachments"),
        *("stage_result", "follow_up_plan", "case_file", "case_number", "case_filed_on"),
        *("not_filed_reason", "not_filed_law", "not_enforcement"),
        *("scene", "outcome", "explanation", "statement", "verification", "signed_by", "opinion_document"),
        *("result_told_at", "result_told_by", "follow_up_by"),
    }
)
"""What a reply can hold, see ticketing.commands.Contents."""


def _period(value: object) -> Period:
    if not isinstance(value, str):
        raise ValueError("write a number and a unit, for example 2wd, 24h, 30min or 10d")
    return parse_period(value)


def _by(value: object) -> Period:
    if value == "end_of_day":
        return by_time(None)
    if not isinstance(value, str) or not _CLOCK_TIME.fullmatch(value):
        raise ValueError('write end_of_day, or a time of a working day in quotes, for example "10:00"')
    return by_time(time.fromisoformat(value))


def _period_or_none(value: object) -> Period | None:
    return None if value == "none" else _period(value)


def _count_or_none(value: object) -> int | None:
    if value == "none":
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
        raise ValueError("write a whole number from 0 to 100, or none")
    return value


def listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _time(value: object) -> time:
    if not isinstance(value, str):
        raise ValueError('write a time in quotes, for example "08:30"')
    return time.fromisoformat(value)


def _reply_fields(names: list[str]) -> list[str]:
    unknown = sorted(set(names) - REPLY_FIELDS)
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no field of a reply; known are {', '.join(sorted(REPLY_FIELDS))}")
    return names


def _range(value: object) -> object:
    text = str(value)
    if not isinstance(value, int | str) or isinstance(value, bool) or not _RANGE.fullmatch(text):
        raise ValueError('write a count: 2, ">=2" or "2-3"')
    if text.startswith(">="):
        return Count(int(text[2:]))
    least, _, most = text.partition("-")
    return Count(int(least), int(most or least))


def _condition(value: object) -> object:
    return {"urgent": True} if value == "urgent" else value


PeriodText = Annotated[Period, BeforeValidator(_period)]
ByText = Annotated[Period, BeforeValidator(_by)]
LimitText = Annotated[Period | None, BeforeValidator(_period_or_none)]
CountRange = Annotated[Count, BeforeValidator(_range)]
CountText = Annotated[int | None, BeforeValidator(_count_or_none)]
TimeText = Annotated[time, BeforeValidator(_time)]
Strings = Annotated[list[str], BeforeValidator(listed)]
Cited = Annotated[list[str], BeforeValidator(listed), Field(min_length=1)]
"""Clause ids of the list at the end of the file, `default` for what is ours, or both."""
ReplyFields = Annotated[list[str], AfterValidator(_reply_fields)]
RejectNeed = Literal["referred_to", "earlier_ticket", "verification", "citation"]
Lax = Field(strict=False)


class Strict(BaseModel):
    """No unknown keys, no guessed types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=False)


class ConditionPart(Strict):
    """`if` of a rule: every named property must fit; `any`: at least one of these. Counts: 2, ">=2" or "2-3"."""

    urgent: bool | None = None
    type: Strings = []
    source: Strings = []
    flags: Annotated[list[Annotated[Flag, Lax]], BeforeValidator(listed)] = []
    request_no: CountRange | None = None
    assignment_no: CountRange | None = None
    in_hours: bool | None = None
    unit: Strings = []
    grade: Strings = []
    any: list["ConditionPart"] = []


Condition = Annotated[ConditionPart, BeforeValidator(_condition)]


class LimitPart(Strict):
    """`limit` is a length, or none; `by` a time: end_of_day, or "10:00" of this working day or the next.

    choose_from: the shortest limit the dispatcher may set instead. hard: false where the text says 一般 or 原则上.
    """

    when: Condition = Field(default=ConditionPart(), alias="if")
    limit: LimitText = None
    by: ByText | None = None
    choose_from: PeriodText | None = None
    hard: bool = True
    start: Annotated[Anchor, Lax] = Field(alias="from")
    basis: Cited

    @property
    def period(self) -> Period | None:
        """The limit, whichever way it is written."""
        return self.limit if self.by is None else self.by

    @model_validator(mode="after")
    def _says_one_limit(self) -> Self:
        if ("limit" in self.model_fields_set) == ("by" in self.model_fields_set):
            raise ValueError("write either limit, for example 2wd or none, or by, for example end_of_day")
        least, most = self.choose_from, self.limit
        if least and (most is None or least.clock is not most.clock or least.amount >= most.amount):
            raise ValueError("choose_from must be shorter than limit, in the same unit")
        return self
