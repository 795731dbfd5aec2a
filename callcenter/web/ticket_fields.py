"""What people fill in about tickets: the fields and the kinds of values requests are made of."""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from callcenter.web.router import In
from ticketing.commands import Contents, Scene, SceneKind
from ticketing.guards import MAX_SHORT, MAX_TEXT
from ticketing.words import Flag

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _of_our_time(at: datetime) -> datetime:
    if not EARLIEST <= at <= LATEST:
        raise ValueError("不在 2000 年至 2100 年之间")
    return at


Version = Annotated[int, Field(ge=1, lt=2**31)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Said = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
"""Text that must not be empty."""
Short = Annotated[str, Field(max_length=MAX_SHORT)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
"""An id or a code."""
Phone = Annotated[str, Field(pattern=r"^[0-9]{3,20}$", description="仅数字；存入保密库，工单上只留编号")]
Moment = Annotated[AwareDatetime, AfterValidator(_of_our_time)]
Day = Annotated[date, Field(ge=EARLIEST.date(), le=LATEST.date())]
Amount = Annotated[int, Field(ge=1, le=3_660)]


class Fields(In):
    """Fields of a ticket; one left out stays as it is, an empty text clears it. phone: the citizen's number."""

    request_type: Short | None = None
    source: Short | None = None
    subject: Short | None = None
    title: Short | None = None
    content: Text | None = None
    place: Short | None = None
    occurred: Short | None = None
    named_unit: Short | None = None
    contact_name: Short | None = None
    urgent: bool | None = None
    confidential: bool | None = None
    requester_kind: Short | None = None
    grade: Short | None = None
    accused: Short | None = None
    flags: Annotated[frozenset[Flag], Field(strict=False, max_length=len(Flag))] | None = None
    phone: Phone | None = None

    @property
    def empty(self) -> bool:
        """Nothing is given."""
        return all(value is None for _, value in self)


class ScenePart(In):
    """现场照片或录像. ref: where it is kept; sha256: of the file."""

    kind: SceneKind
    ref: Annotated[str, Field(min_length=1, max_length=500)]
    taken_at: Moment | None = None
    place: Short = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


class ReplyContents(In):
    """What a unit's reply says; which fields it needs, the policy says. handled_hour: local.

    outcome: a code of the policy's list; result_told_at, result_told_by: when and how the citizen learnt the result.
    """

    handled_on: Day | None = None
    handled_hour: Annotated[int, Field(ge=0, le=23)] | None = None
    handling_unit: Short = ""
    handler: Short = ""
    situation: Text = ""
    citizen_contacted_at: Moment | None = None
    finished: bool = True
    stage_result: Text = ""
    follow_up_plan: Text = ""
    case_file: Short = ""
    case_number: Short = ""
    case_filed_on: Day | None = None
    not_filed_reason: Text = ""
    not_filed_law: Text = ""
    not_enforcement: bool = False
    attachments: Annotated[tuple[Short, ...], Field(max_length=20)] = ()
    scene: Annotated[tuple[ScenePart, ...], Field(max_length=20)] = ()
    outcome: Annotated[str, Field(max_length=64)] = ""
    explanation: Text = ""
    statement: Text = ""
    verification: Text = ""
    signed_by: Short = ""
    opinion_document: Short = ""
    result_told_at: Moment | None = None
    result_told_by: Short = ""
    unreachable_why: Text = ""
    follow_up_by: Day | None = None

    def contents(self) -> Contents:
        """As ticketing takes it."""
        scene = tuple(Scene(one.kind, one.ref, one.taken_at, one.place, one.sha256) for one in self.scene)
        return Contents(**dict(self) | {"scene": scene})
