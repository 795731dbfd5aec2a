"""The shape of a policy file: strict models of what the YAML says; `config.policy_loader` makes values of it."""

from datetime import date, time
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ticketing.clocks import FirstDay, Period, parse_period
from ticketing.policy import Anchor, Check, Pick, Precision, SurveyAt

REPLY_FIELDS = frozenset(
    {
        *("handled_at", "handling_unit", "handler", "situation", "citizen_contacted_at", "attachments"),
        *("stage_result", "follow_up_plan", "case_file", "case_number", "case_filed_on"),
        *("not_filed_reason", "not_filed_law", "not_enforcement"),
    }
)
"""What a reply can hold, see ticketing.commands.Contents."""


def _period(value: object) -> Period:
    if not isinstance(value, str):
        raise ValueError("write a number and a unit, for example 2wd, 24h, 30min or 10d")
    return parse_period(value)


def _period_or_none(value: object) -> Period | None:
    return None if value == "none" else _period(value)


def _count_or_none(value: object) -> int | None:
    if value == "none":
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
        raise ValueError("write a whole number from 0 to 100, or none")
    return value


def _listed(value: object) -> object:
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


def _condition(value: object) -> object:
    return {"urgent": True} if value == "urgent" else value


PeriodText = Annotated[Period, BeforeValidator(_period)]
LimitText = Annotated[Period | None, BeforeValidator(_period_or_none)]
CountText = Annotated[int | None, BeforeValidator(_count_or_none)]
TimeText = Annotated[time, BeforeValidator(_time)]
Strings = Annotated[list[str], BeforeValidator(_listed)]
Cited = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]
"""Clause ids of the list at the end of the file, `default` for what is ours, or both."""
ReplyFields = Annotated[list[str], AfterValidator(_reply_fields)]
RejectNeed = Literal["referred_to", "earlier_ticket", "verification", "citation"]
Lax = Field(strict=False)


class Strict(BaseModel):
    """No unknown keys, no guessed types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=False)


class Head(Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,31}$")
    version: int = Field(ge=1, le=9_999)
    title: str
    region: str
    effective: Annotated[tuple[date, date | None], Lax]
    basis: Cited


class UpstreamPart(Strict):
    platform: str
    public_intake: bool
    basis: Cited


class CalendarPart(Strict):
    timezone: Literal["Asia/Shanghai"]
    overlays: list[str]
    office_hours: list[Annotated[tuple[TimeText, TimeText], Lax]] = Field(min_length=1)
    basis: Cited


class WorkingDayPart(Strict):
    first: Annotated[FirstDay, Lax]
    ends_at: TimeText
    basis: Cited


class ClocksPart(Strict):
    working_day: WorkingDayPart


class NamesPart(Strict):
    values: list[str] = Field(min_length=1)
    basis: Cited


class RejectPart(Strict):
    code: str = Field(pattern=r"^[A-Z][A-Z_]{1,39}$")
    label: str
    needs: list[RejectNeed] = []
    basis: Cited


class UrgentPart(Strict):
    meaning: str
    phone_notice: bool
    basis: Cited


class ConditionPart(Strict):
    urgent: bool | None = None
    type: Strings = []
    source: Strings = []


class LimitPart(Strict):
    when: Annotated[ConditionPart, BeforeValidator(_condition)] = Field(default=ConditionPart(), alias="if")
    limit: LimitText
    start: Annotated[Anchor, Lax] = Field(alias="from")
    basis: Cited


class HandlePart(Strict):
    pick: Annotated[Pick, Lax]
    pick_basis: Cited
    statutory_basis: Cited
    limits: list[LimitPart] = Field(min_length=1)


class ExtensionPart(Strict):
    approver: str
    factor: int = Field(ge=0, le=10)
    max_count: CountText
    citizen_informed: bool
    basis: Cited


class RefusalPart(Strict):
    code: str = Field(pattern=r"^[a-z][a-z_]{1,39}$")
    label: str
    check: Annotated[Check, Lax]
    basis: Cited


class ReturnPart(Strict):
    windows: list[LimitPart] = Field(min_length=1)
    needs_basis: bool
    refuse_if: list[RefusalPart]
    basis: Cited


class LeadPart(Strict):
    reply_by_lead: bool
    basis: Cited


class PrecisionPart(Strict):
    normal: Annotated[Precision, Lax]
    urgent: Annotated[Precision, Lax]


class TypeContentsPart(Strict):
    types: list[str] = Field(min_length=1)
    one_of: list[ReplyFields] = Field(min_length=1)
    basis: Cited


class ReplyPart(Strict):
    required: ReplyFields
    precision: PrecisionPart
    if_unfinished: ReplyFields
    unfinished_basis: Cited
    by_type: list[TypeContentsPart]
    basis: Cited


class CausePart(Strict):
    code: str = Field(pattern=r"^[A-Z][A-Z_]{1,39}$")
    label: str
    objective: bool


class SurveyPart(Strict):
    at: Annotated[SurveyAt, Lax]
    window: PeriodText
    levels: list[str] = Field(min_length=2)
    closing: list[str] = Field(min_length=1)
    no_reply: str
    no_reply_basis: Cited
    undelivered_basis: Cited
    unsatisfied_basis: Cited
    manual_call: PeriodText
    review: PeriodText
    causes: list[CausePart]
    basis: Cited


class OverduePart(Strict):
    explanation: LimitText
    basis: Cited


class ArchivePart(Strict):
    package: list[str]
    recording_years: int = Field(ge=3, le=100)
    basis: Cited


class PolicyFile(Strict):
    """One file of config/policies."""

    schema_name: Literal["hotline-policy/1"] = Field(alias="schema")
    policy: Head
    upstream: UpstreamPart
    calendar: CalendarPart
    clocks: ClocksPart
    types: NamesPart
    sources: NamesPart
    reject: list[RejectPart]
    urgent: UrgentPart
    dispatch: LimitPart
    sign: list[LimitPart] = Field(min_length=1)
    handle: HandlePart
    extension: ExtensionPart
    returns: ReturnPart = Field(alias="return")
    lead: LeadPart
    reply: ReplyPart
    survey: SurveyPart
    overdue: OverduePart
    archive: ArchivePart
    clauses: dict[str, str]
