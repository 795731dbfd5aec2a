"""What people fill in and see of knowledge: the shapes of requests and answers."""

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from callcenter.types import Actor
from callcenter.web.router import In, Out
from callcenter.web.ticket_fields import Day, Name, Said, Short, Text, Version
from ticketing.clocks import local_day
from ticketing.knowledge import contents
from ticketing.knowledge.contents import FORM_NAMES, PARTS, TEMPLATE_NAMES, Contents, Template
from ticketing.knowledge.hits import Hit
from ticketing.knowledge.items import ACT_NAMES, ITEM_STATE_NAMES, Draft, Item, allowed
from ticketing.knowledge.items import Version as StoredVersion
from ticketing.knowledge.questions import Question
from ticketing.knowledge.rules import DEFECT_NAMES, TRIGGER_NAMES, Defect, Trigger
from ticketing.knowledge.store import Done
from ticketing.prefill.masks import mask_text

ItemId = Annotated[int, Field(ge=1, lt=2**63)]
Part = contents.ServiceMatter | contents.PolicyTerm | contents.NewPolicy | contents.RightsDuties


class QuestionIn(In):
    question: Said
    answer: Text = ""


class ExampleIn(In):
    case: Said
    outcome: Text = ""


class PictureIn(In):
    """reference: the address or file number the picture is kept under."""

    reference: Annotated[str, Field(min_length=1, max_length=500)]
    caption: Short = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


class PartIn(In):
    """The template's own fields; those of other templates must be left out."""

    office: Text | None = None
    address: Text | None = None
    contact: Text | None = None
    conditions: Text | None = None
    materials: Text | None = None
    steps: Text | None = None
    time_limit: Text | None = None
    standard: Text | None = None
    term: Text | None = None
    explanation: Text | None = None
    computed: bool | None = None
    scope: Text | None = None
    effective_on: Text | None = None
    cautions: Text | None = None
    revises: Text | None = None
    transition: Text | None = None
    who: Text | None = None
    how_to: Text | None = None


class ContentsIn(In):
    """template: general, service_matter, policy_term, new_policy or rights_duties."""

    template: Annotated[Template, Field(strict=False)]
    text: Text = ""
    questions: Annotated[tuple[QuestionIn, ...], Field(max_length=50)] = ()
    examples: Annotated[tuple[ExampleIn, ...], Field(max_length=50)] = ()
    pictures: Annotated[tuple[PictureIn, ...], Field(max_length=50)] = ()
    part: PartIn | None = None

    def contents(self) -> Contents:
        """As ticketing takes it. Raises ValueError for fields of another template."""
        return Contents(
            template=self.template,
            text=self.text,
            questions=tuple(contents.Question(**dict(one)) for one in self.questions),
            examples=tuple(contents.Example(**dict(one)) for one in self.examples),
            pictures=tuple(contents.Picture(**dict(one)) for one in self.pictures),
            part=self._part(),
        )

    def _part(self) -> Part | None:
        given = {} if self.part is None else {name: value for name, value in self.part if value is not None}
        kind = PARTS.get(self.template)
        if kind is None and not given:
            return None
        known = frozenset(kind.__dataclass_fields__) if kind else frozenset()
        foreign = [contents.LABELS[name] for name in given if name not in known]
        if kind is None or foreign:
            raise ValueError(f"「{TEMPLATE_NAMES[self.template]}」没有这些栏目：{'、'.join(foreign)}。请换模板或删去。")
        return kind(**given)


class DraftIn(In):
    """valid_until left out: for good. trigger: why it is written or changed."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    keywords: Annotated[tuple[Name, ...], Field(max_length=30)] = ()
    contents: ContentsIn
    valid_from: Annotated[Day, Field(strict=False)]
    valid_until: Annotated[Day, Field(strict=False)] | None = None
    trigger: Annotated[Trigger, Field(strict=False)] = Trigger.ROUTINE
    note: Short = ""

    def draft(self) -> Draft:
        """As ticketing takes it. Raises ValueError, see ContentsIn."""
        given = {name: value for name, value in self if name != "contents"}
        return Draft(**given, contents=self.contents.contents())


class NewItem(DraftIn):
    """unit: whose item it is; left out: one's own. accountable: the unit's person who answers for it."""

    unit: Annotated[str, Field(max_length=64)] = ""
    accountable: Annotated[str, Field(max_length=64)] = ""

    def draft(self) -> Draft:
        """Without what belongs to the item."""
        given = {name: value for name, value in self if name not in ("contents", "unit", "accountable")}
        return Draft(**given, contents=self.contents.contents())


class Revised(In):
    """revision: the item as the person saw it."""

    revision: Version


class Revision(Revised):
    """accountable left out: as before."""

    draft: DraftIn
    accountable: Annotated[str, Field(max_length=64)] | None = None


class Noted(Revised):
    note: Short = ""


class AskIn(In):
    """About an item (its owner is asked), or to a unit. defect: what is wrong with the item."""

    asked: Said
    unit: Annotated[str, Field(max_length=64)] = ""
    item: ItemId | None = None
    defect: Annotated[Defect, Field(strict=False)] | None = None
    ticket: Annotated[str, Field(pattern=r"^[0-9]{14}$")] | None = None


class AnswerIn(In):
    """item: the unit's item that says so from now on."""

    answer: Said
    item: ItemId | None = None


class UsedIn(In):
    """version: the one that was read."""

    ticket: Annotated[str, Field(pattern=r"^[0-9]{14}$")]
    version: Version


# ---- answers


class ItemRow(Out):
    """One line of a list. live: the version in use."""

    id: int
    unit: str
    accountable: str
    state: str
    state_name: str
    version: int
    live: int | None
    revision: int
    title: str
    valid_from: date
    valid_until: date | None
    verified_on: date | None
    review_due_on: date | None
    refused_at: datetime | None
    expired: bool
    stale: bool
    uploaded_at: datetime


class ItemPage(Out):
    """next: give it back as `after`."""

    rows: list[ItemRow]
    next: int | None


class VersionOut(Out):
    """text: all of it as plain lines. contents: as it was filled in."""

    number: int
    title: str
    keywords: list[str]
    template: str
    template_name: str
    forms: list[str]
    contents: dict[str, object]
    text: str
    valid_from: date
    valid_until: date | None
    trigger: str
    trigger_name: str
    note: str
    author: str
    uploaded_at: datetime


class DoneOut(Out):
    version: int
    act: str
    act_name: str
    actor: str
    note: str
    at: datetime


class QuestionRow(Out):
    id: int
    unit: str
    item: int | None
    item_version: int | None
    defect: str | None
    defect_name: str
    ticket: str | None
    asked: str
    asked_by: str
    asked_at: datetime
    due_at: datetime
    provisional: bool
    late: bool
    answer: str | None
    answered_by: str | None
    answered_at: datetime | None
    answer_item: int | None


class QuestionPage(Out):
    """next_due_at, next_id: give them back as after_due_at and after_id."""

    rows: list[QuestionRow]
    next_due_at: datetime | None
    next_id: int | None


class ItemStory(ItemRow):
    """An item with all that belongs to it. shown: the version in use, else the newest. can: acts open to who asks."""

    shown: VersionOut
    versions: list[VersionOut]
    history: list[DoneOut]
    questions: list[QuestionRow]
    uses: int
    can: list[str]


class HitOut(ItemRow):
    """title_html and snippet_html are escaped; found words stand in <em>. uses: tickets answered from it."""

    template: str
    title_html: str
    snippet_html: str
    words: list[str]
    not_yet: bool
    uses: int


class HitPage(Out):
    """matched: all (every word is said) or any. next: give it back as `after`."""

    rows: list[HitOut]
    matched: str
    next: str | None


class UpkeepRow(Out):
    unit: str
    live: int
    stale: int
    asked: int
    in_time: int
    late: int


class UpkeepPage(Out):
    rows: list[UpkeepRow]


class UseRow(Out):
    ticket: str
    version: int
    how: str
    actor: str
    used_at: datetime


class UsePage(Out):
    rows: list[UseRow]
    next: int | None


class LineWrong(Out):
    line: int
    problem: str


class Imported(Out):
    """ids: of the new items, in the order of the lines; wrong: what stands in the way, and then nothing was saved."""

    ids: list[int]
    wrong: list[LineWrong]


def row_of(item: Item, now: datetime) -> ItemRow:
    """One line about an item, judged by the local day of `now`."""
    return ItemRow(**row_values(item, now))


def row_values(item: Item, now: datetime) -> dict[str, object]:
    """What every shape of an item shows."""
    today = local_day(now)
    values = {name: getattr(item, name) for name in Item.__dataclass_fields__}
    own = {"state_name": ITEM_STATE_NAMES[item.state], "expired": item.is_expired(today), "stale": item.is_stale(today)}
    return values | own


def hit_of(hit: Hit, now: datetime) -> HitOut:
    """A search's result."""
    found = {name: getattr(hit, name) for name in ("template", "title_html", "snippet_html", "not_yet", "uses")}
    return HitOut(**row_values(hit.item, now) | found, words=list(hit.words))


def version_out(version: StoredVersion) -> VersionOut:
    """One version."""
    draft = version.draft
    return VersionOut(
        number=version.number,
        title=draft.title,
        keywords=list(draft.keywords),
        template=draft.contents.template,
        template_name=TEMPLATE_NAMES[draft.contents.template],
        forms=[name for form, name in FORM_NAMES.items() if form in draft.contents.forms],
        contents=contents.as_data(draft.contents),
        text=contents.plain(draft.contents),
        valid_from=draft.valid_from,
        valid_until=draft.valid_until,
        trigger=draft.trigger,
        trigger_name=TRIGGER_NAMES[draft.trigger],
        note=draft.note,
        author=version.author,
        uploaded_at=version.uploaded_at,
    )


def done_out(done: Done) -> DoneOut:
    """One line of an item's history."""
    values = {name: getattr(done, name) for name in Done.__dataclass_fields__}
    return DoneOut(**values, act_name=ACT_NAMES[done.act])


def question_row(question: Question, now: datetime, *, masked: bool) -> QuestionRow:
    """A question as its reader may see it. masked: long numbers in it are starred."""
    values = {name: getattr(question, name) for name in Question.__dataclass_fields__}
    veil = mask_text if masked else str
    return QuestionRow(
        **{name: value for name, value in values.items() if name not in ("item_id", "ticket_id", "asked", "answer")},
        item=question.item_id,
        ticket=question.ticket_id,
        asked=veil(question.asked),
        answer=veil(question.answer) if question.answer is not None else None,
        defect_name=DEFECT_NAMES[question.defect] if question.defect else "",
        late=question.late(now),
    )


def acts_of(item: Item, actor: Actor) -> list[str]:
    """What this person may do now, for buttons."""
    return [str(act) for act in allowed(item, actor)]
