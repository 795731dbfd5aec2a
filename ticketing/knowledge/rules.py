"""What a regulation says of the knowledge base. PURE."""

from dataclasses import dataclass
from enum import StrEnum

from ticketing.clocks import Period
from ticketing.knowledge.contents import Form, Template
from ticketing.rules import Basis


class Defect(StrEnum):
    """What can be wrong with an item. Source: LS-071."""

    WRONG = "wrong"
    MISSING = "missing"
    EXPIRED = "expired"
    UNCLEAR = "unclear"
    INCOMPLETE = "incomplete"
    DUPLICATE = "duplicate"
    CONTRADICTORY = "contradictory"
    OLD_NEW_CONFLICT = "old_new_conflict"


DEFECT_NAMES: dict[Defect, str] = {
    Defect.WRONG: "内容有错",
    Defect.MISSING: "内容有漏",
    Defect.EXPIRED: "内容过期",
    Defect.UNCLEAR: "表述不清",
    Defect.INCOMPLETE: "内容不完整",
    Defect.DUPLICATE: "内容重复",
    Defect.CONTRADICTORY: "前后矛盾",
    Defect.OLD_NEW_CONFLICT: "新旧冲突",
}


class Trigger(StrEnum):
    """Why an item is written or changed. Source: LS-070; the last three are ours."""

    FUNCTION_CHANGE = "function_change"
    POLICY_CHANGE = "policy_change"
    HOT_EVENT = "hot_event"
    QUESTION = "question"
    CORRECTION = "correction"
    ROUTINE = "routine"


TRIGGER_NAMES: dict[Trigger, str] = {
    Trigger.FUNCTION_CHANGE: "职能变化",
    Trigger.POLICY_CHANGE: "政策调整",
    Trigger.HOT_EVENT: "热点事件",
    Trigger.QUESTION: "知识提问",
    Trigger.CORRECTION: "纠错",
    Trigger.ROUTINE: "日常维护",
}


@dataclass(frozen=True, slots=True)
class KnowledgeRules:
    """question: within which a unit answers a question or a defect report. review_every: how long an item may stand
    before its unit verifies it anew. supervised: a unit that is late, or whose update was refused, is supervised.
    """

    question: Period
    question_basis: Basis
    review_every: Period
    review_basis: Basis
    defects: frozenset[Defect]
    defects_basis: Basis
    triggers: frozenset[Trigger]
    triggers_basis: Basis
    forms: frozenset[Form]
    forms_basis: Basis
    templates: frozenset[Template]
    templates_basis: Basis
    workflow_basis: Basis
    owner_basis: Basis
    answer_basis: Basis
    supervised: bool
    supervised_basis: Basis
    basis: Basis
