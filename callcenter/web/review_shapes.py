"""What a reviewer's screen reads: lines of work, and the sheet beside a ticket under review."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from callcenter.web.router import Out, Query
from ticketing.aftercare.review_lists import MAX_PAGE, Tab


class WorkQuery(Query):
    """after: `next` of the page before. text: part of number, title or place."""

    tab: Tab
    text: Annotated[str, Field(max_length=64)] = ""
    after: Annotated[str, Field(pattern=r"^([0-9]{1,18}-[0-9]{14}-[0-9]{1,18})?$")] = ""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50


class ReviewRow(Out):
    """key: of this line. since: how long it waits; due_at: until when it is to be done, where a limit runs.

    tries: follow-up calls of this round that reached nobody. cause_name: why the citizen is not satisfied.
    """

    key: str
    item: int
    id: str
    version: int
    round: int
    state_name: str
    request_type: str
    title: str
    place: str
    urgent: bool
    unit_name: str
    kind: str
    kind_name: str
    why: str
    since: datetime
    due_at: datetime | None
    rating: str | None
    cause_name: str
    tries: int
    tried_at: datetime | None


class ReviewPage(Out):
    """quiet: now citizens are not called, by the policy's hours."""

    rows: list[ReviewRow]
    next: str | None
    quiet: bool


class ReviewCounts(Out):
    """By tab, up to 999; a tab that is not named is not asked for by the policy."""

    tabs: dict[str, int]


class CheckRow(Out):
    """ok null: a person has to judge it."""

    label: str
    ok: bool | None
    note: str
    article: str
    due_at: datetime | None
    done_at: datetime | None


class ReplyField(Out):
    label: str
    value: str


class ReplyRow(Out):
    """A reply as the unit gave it. files: what it names as attachments. rejected: why it went back."""

    round: int
    at: datetime
    unit_name: str
    outcome: str
    fields: list[ReplyField]
    files: list[str]
    rejected_at: datetime | None
    rejected: str
    rejected_why: str
    untrue: str


class CodeRow(Out):
    """objective: of causes, one beyond the unit."""

    code: str
    label: str
    article: str
    objective: bool


class ContactRow(Out):
    at: datetime
    by: str
    purpose_name: str
    reached: str
    reached_name: str
    method: str
    told: str


class SurveyRow(Out):
    """state: of the survey. calls: the result of a call can be written down. unrated_closes: without a rating the
    ticket closes then."""

    state: str
    cause: str
    delivered_at: datetime | None
    ends_at: datetime | None
    rating: str | None
    source: str | None
    comment: str
    calls: bool
    unrated_closes: bool


class ClosingRows(Out):
    """Ways to close beside the rating, by their articles; `` where the policy has no such way.

    explained_causes: causes that may be explained; any: rounds are used up, so every cause may.
    """

    satisfied: bool
    explained: str
    explained_causes: list[str]
    any: bool
    lawful: str
    unrated: str


class ReworkRows(Out):
    """judged: the article that asks for the judgement; explain: of the mode that only explains again."""

    judged: str
    explain: str
    rounds: int | None
    rounds_article: str
    untrue: str


class AbuseRow(Out):
    id: int
    kind_name: str
    state: str
    note: str
    evidence: list[str]
    noted_at: datetime
    noted_by: str
    mine: bool


class AbuseRules(Out):
    article: str
    kinds: list[CodeRow]
    authorities: list[str]
    records: list[AbuseRow]


class ReviewSheet(Out):
    """Everything a reviewer decides by, from the policy of this ticket and its rows. version: of the ticket.

    service: the article that asks how the citizen was treated; publication: of publishing; both `` for none.
    direct_survey: why the unit asks the citizen first, where it has not done so.
    """

    version: int
    checks: list[CheckRow]
    replies: list[ReplyRow]
    contacts: list[ContactRow]
    defects: list[CodeRow]
    causes: list[CodeRow]
    levels: list[str]
    service: str
    unsatisfied: bool
    cause_name: str
    call_rating: str
    survey: SurveyRow | None
    closing: ClosingRows
    rework: ReworkRows
    looks: list[CodeRow]
    publication: str
    direct_survey: str
    abuse: AbuseRules | None
