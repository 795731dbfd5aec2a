"""A knowledge item's life: written by its unit, reviewed by the hotline, published, verified anew, expired. PURE.

One table says who may do what in which state. A published item that is being changed stays in use in its published
version until the new one has passed the review. Every version is kept.
Source: LS-020 (梳理、采编、审核、更新), LS-095, GZ-016 (the unit answers for it), LS-070 (why it is updated).
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from callcenter.types import Actor, Role, TicketId, UnitId
from ticketing.clocks import Calendar, due_at, local_day
from ticketing.knowledge.contents import FORM_NAMES, MAX_LENGTH, TEMPLATE_NAMES, Contents, missing, plain
from ticketing.knowledge.rules import TRIGGER_NAMES, KnowledgeRules, Trigger
from ticketing.policy import Policy
from ticketing.record import GuardFailed, NotYours, Refused

WRITERS = frozenset({Role.UNIT, Role.UNIT_HEAD})
EDITORS = frozenset({Role.REVIEWER, Role.SUPERVISOR})
READERS = frozenset(Role) - {Role.ADMIN}


class KnowledgeNotFound(Refused):
    """There is no such item, or it is not for this person to see; both look the same on purpose."""

    def __init__(self) -> None:
        super().__init__("没有这条知识点，或您无权查看。请核对编号。")


class KnowledgeChanged(Refused):
    """Somebody else changed the item meanwhile; read it again, then decide again."""

    def __init__(self) -> None:
        super().__init__("这条知识点刚刚被他人修改，本次操作没有保存。请刷新后再操作。")


class KnowledgeOff(Refused):
    """This regulation has no knowledge base; add the section `knowledge` to its file in config/policies."""

    def __init__(self) -> None:
        super().__init__("本地规定没有设置知识库。如需启用，请联系管理员在政策文件中补充。")


class ItemState(StrEnum):
    """Where the newest version of an item stands."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    PUBLISHED = "published"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


ITEM_STATE_NAMES: dict[ItemState, str] = {
    ItemState.DRAFT: "编写中",
    ItemState.IN_REVIEW: "待审核",
    ItemState.PUBLISHED: "已发布",
    ItemState.EXPIRED: "已过期",
    ItemState.WITHDRAWN: "已撤下",
}


class Act(StrEnum):
    """What can happen to an item; each is one row of knowledge_event."""

    WRITE = "write"
    REVISE = "revise"
    SUBMIT = "submit"
    APPROVE = "approve"
    REFUSE = "refuse"
    VERIFY = "verify"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"


ACT_NAMES: dict[Act, str] = {
    Act.WRITE: "采编",
    Act.REVISE: "更新",
    Act.SUBMIT: "提交审核",
    Act.APPROVE: "审核通过",
    Act.REFUSE: "审核不通过",
    Act.VERIFY: "复核确认",
    Act.EXPIRE: "到期",
    Act.WITHDRAW: "撤下",
}


@dataclass(frozen=True, slots=True)
class Item:
    """An item. version: the newest; live: the one in use, None while none is. revision counts every change.

    accountable: the person of the unit who answers for it. verified_on, review_due_on: local dates; the dates of
    validity are the live version's (the newest's while none is live), both included. refused_at: when an update of
    it did not pass the review, until a later one does. uploaded_at: set by the database, never changes.
    """

    id: int
    unit: UnitId
    accountable: str
    state: ItemState
    version: int
    live: int | None
    revision: int
    title: str
    valid_from: date
    valid_until: date | None
    verified_on: date | None
    review_due_on: date | None
    refused_at: datetime | None
    uploaded_at: datetime

    def in_force(self, day: date) -> bool:
        """Whether its live version may be used on that day."""
        return self.live is not None and self.valid_from <= day and not self.is_expired(day)

    def is_expired(self, day: date) -> bool:
        """Whether its validity has ended."""
        return self.valid_until is not None and self.valid_until < day

    def is_stale(self, day: date) -> bool:
        """Whether its review is overdue."""
        return self.live is not None and self.review_due_on is not None and self.review_due_on < day


@dataclass(frozen=True, slots=True)
class Draft:
    """One version as it is written. note: what changed and why, for the reviewer."""

    title: str
    keywords: tuple[str, ...]
    contents: Contents
    valid_from: date
    valid_until: date | None
    trigger: Trigger
    note: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A stored version. author: `user:login`. uploaded_at: set by the database, never changes."""

    item_id: int
    number: int
    draft: Draft
    author: str
    author_unit: UnitId | None
    uploaded_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table. owner: people of the item's own unit may; editors: people of the hotline who review."""

    next: ItemState
    owner: bool = False
    editors: bool = False
    system: bool = False


_S = ItemState
TRANSITIONS: dict[tuple[ItemState, Act], Step] = {
    (_S.DRAFT, Act.REVISE): Step(_S.DRAFT, owner=True, editors=True),
    (_S.DRAFT, Act.SUBMIT): Step(_S.IN_REVIEW, owner=True, editors=True),
    (_S.DRAFT, Act.WITHDRAW): Step(_S.WITHDRAWN, owner=True, editors=True),
    (_S.IN_REVIEW, Act.APPROVE): Step(_S.PUBLISHED, editors=True),
    (_S.IN_REVIEW, Act.REFUSE): Step(_S.DRAFT, editors=True),
    (_S.PUBLISHED, Act.REVISE): Step(_S.DRAFT, owner=True, editors=True),
    (_S.PUBLISHED, Act.VERIFY): Step(_S.PUBLISHED, owner=True),
    (_S.PUBLISHED, Act.EXPIRE): Step(_S.EXPIRED, system=True),
    (_S.PUBLISHED, Act.WITHDRAW): Step(_S.WITHDRAWN, owner=True, editors=True),
    (_S.EXPIRED, Act.REVISE): Step(_S.DRAFT, owner=True, editors=True),
    (_S.EXPIRED, Act.WITHDRAW): Step(_S.WITHDRAWN, owner=True, editors=True),
    (_S.WITHDRAWN, Act.REVISE): Step(_S.DRAFT, owner=True, editors=True),
}


def rules_of(policy: Policy) -> KnowledgeRules:
    """What the policy says of knowledge. Raises KnowledgeOff."""
    if policy.knowledge is None:
        raise KnowledgeOff
    return policy.knowledge


def may_write(actor: Actor, unit: UnitId) -> bool:
    """Whether this person writes items of that unit: its own people, and the hotline's editors on its behalf."""
    return bool(actor.roles & EDITORS) or (bool(actor.roles & WRITERS) and actor.unit == unit)


def advance(item: Item, act: Act, actor: Actor, author: str = "") -> Item:
    """The item after this act; contents and dates are the caller's. author: who wrote the version under review.

    Raises GuardFailed, NotYours, each with a sentence.
    """
    step = TRANSITIONS.get((item.state, act))
    if step is None:
        can = "、".join(ACT_NAMES[one] for one in allowed(item, actor)) or "不能再做任何操作"
        name = ITEM_STATE_NAMES[item.state]
        raise GuardFailed(f"知识点处于「{name}」，不能「{ACT_NAMES[act]}」；现在可以：{can}。")
    if not _may(step, item, actor):
        raise NotYours(f"「{ACT_NAMES[act]}」只能由{_who(step)}操作。请交给有此权限的人员。")
    if act is Act.APPROVE and author == str(actor):
        raise NotYours("不能审核本人编写的知识点。请交给其他审核员。")
    return replace(item, state=step.next, revision=item.revision + 1)


def allowed(item: Item, actor: Actor) -> tuple[Act, ...]:
    """What this person may do to the item as it stands, for buttons."""
    return tuple(act for (state, act), step in TRANSITIONS.items() if state is item.state and _may(step, item, actor))


def _may(step: Step, item: Item, actor: Actor) -> bool:
    if actor.kind != "user":
        return step.system
    owns = step.owner and bool(actor.roles & WRITERS) and actor.unit == item.unit
    return owns or (step.editors and bool(actor.roles & EDITORS))


def _who(step: Step) -> str:
    names = [("所属单位", step.owner), ("热线审核员、督办员", step.editors), ("系统", step.system)]
    return "、".join(name for name, holds in names if holds)


def checked(draft: Draft, rules: KnowledgeRules) -> Draft:
    """The draft, if it may be kept at all. Raises GuardFailed.

    Source: LS-070 (why it is updated), LS-073 (its forms), LS-074 to LS-076 and LS-097 (its template).
    """
    if not draft.title.strip():
        raise GuardFailed("请填写知识点的标题。")
    if draft.contents.template not in rules.templates:
        known = "、".join(TEMPLATE_NAMES[one] for one in TEMPLATE_NAMES if one in rules.templates)
        raise GuardFailed.by(
            f"本地没有「{TEMPLATE_NAMES[draft.contents.template]}」这种模板。可选：{known}。", rules.templates_basis
        )
    if not draft.contents.forms <= rules.forms:
        known = "、".join(FORM_NAMES[one] for one in FORM_NAMES if one in rules.forms)
        raise GuardFailed.by(f"知识点的形式只能是：{known}。", rules.forms_basis)
    if draft.trigger not in rules.triggers:
        known = "、".join(TRIGGER_NAMES[one] for one in TRIGGER_NAMES if one in rules.triggers)
        raise GuardFailed.by(f"更新原因只能是：{known}。", rules.triggers_basis)
    if draft.valid_until is not None and draft.valid_until < draft.valid_from:
        raise GuardFailed("有效期的截止日期早于开始日期。请核对。")
    length = len(plain(draft.contents)) + len(draft.title) + sum(map(len, draft.keywords))
    if length > MAX_LENGTH:
        raise GuardFailed(f"知识点共{length}字，最多{MAX_LENGTH}字。请分成几条。")
    return draft


def whole(item: Item, draft: Draft, rules: KnowledgeRules, today: date) -> None:
    """What a version needs before its review. Raises GuardFailed with all that is missing."""
    if not item.accountable.strip():
        raise GuardFailed.by("提交审核前请填写本单位对该知识点负责的人员。", rules.owner_basis)
    lacking = missing(draft.contents)
    if lacking:
        name = TEMPLATE_NAMES[draft.contents.template]
        raise GuardFailed.by(f"「{name}」还缺：{'、'.join(lacking)}。请补全后再提交审核。", rules.templates_basis)
    if draft.valid_until is not None and draft.valid_until < today:
        raise GuardFailed("有效期已经过去。请更正后再提交审核。")


def published(item: Item, draft: Draft, rules: KnowledgeRules, calendar: Calendar, now: datetime) -> Item:
    """The item once its newest version has passed: that version is in use, verified today."""
    live = replace(
        item,
        live=item.version,
        title=draft.title,
        valid_from=draft.valid_from,
        valid_until=draft.valid_until,
        refused_at=None,
    )
    return verified(live, rules, calendar, now)


def verified(item: Item, rules: KnowledgeRules, calendar: Calendar, now: datetime) -> Item:
    """The item found right today; its next review is due when the policy's interval has passed. Source: GZ-016."""
    due = local_day(due_at(now, rules.review_every, calendar))
    return replace(item, verified_on=local_day(now), review_due_on=due)


class OverdueKind(StrEnum):
    """What of a unit's upkeep of its knowledge was not done."""

    REVIEW = "review"
    """An item is past its review date."""
    QUESTION = "question"
    """A question or a defect report was not answered in time."""
    REFUSED = "refused"
    """An update did not pass the review."""


@dataclass(frozen=True, slots=True)
class KnowledgeOverdue:
    """A unit did not keep its knowledge: for the supervision. subject: of the item or the question, by `kind`.

    since: when it was due, or when the update was refused, aware UTC. Source: GZ-040.
    """

    kind: OverdueKind
    unit: UnitId
    subject: int
    title: str
    since: datetime
    at: datetime
    ticket_id: TicketId | None = None
