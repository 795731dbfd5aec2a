"""Section `knowledge` of a policy file: what the regulation says of the knowledge base."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from config.policy_base import Cited, Lax, PeriodText, Strict
from ticketing.knowledge.contents import Form, Template
from ticketing.knowledge.rules import Defect, KnowledgeRules, Trigger
from ticketing.rules import Basis


class QuestionPart(Strict):
    limit: PeriodText
    basis: Cited


class ReviewPart(Strict):
    every: PeriodText
    basis: Cited


class DefectsPart(Strict):
    values: list[Annotated[Defect, Lax]] = Field(min_length=1)
    basis: Cited


class TriggersPart(Strict):
    values: list[Annotated[Trigger, Lax]] = Field(min_length=1)
    basis: Cited


class FormsPart(Strict):
    values: list[Annotated[Form, Lax]] = Field(min_length=1)
    basis: Cited


class TemplatesPart(Strict):
    values: list[Annotated[Template, Lax]] = Field(min_length=1)
    basis: Cited


class SupervisedPart(Strict):
    value: bool
    basis: Cited


class KnowledgePart(Strict):
    """question: how long a unit has to answer a question or a defect report. review: how often an item is verified."""

    question: QuestionPart
    review: ReviewPart
    defects: DefectsPart
    triggers: TriggersPart
    forms: FormsPart
    templates: TemplatesPart
    supervised: SupervisedPart
    workflow_basis: Cited
    owner_basis: Cited
    answer_basis: Cited
    basis: Cited


def knowledge_rules(part: KnowledgePart | None, cite: Callable[[list[str]], Basis]) -> KnowledgeRules | None:
    """The section as values; None where the regulation has no knowledge base."""
    if part is None:
        return None
    return KnowledgeRules(
        question=part.question.limit,
        question_basis=cite(part.question.basis),
        review_every=part.review.every,
        review_basis=cite(part.review.basis),
        defects=frozenset(part.defects.values),
        defects_basis=cite(part.defects.basis),
        triggers=frozenset(part.triggers.values),
        triggers_basis=cite(part.triggers.basis),
        forms=frozenset(part.forms.values),
        forms_basis=cite(part.forms.basis),
        templates=frozenset(part.templates.values),
        templates_basis=cite(part.templates.basis),
        workflow_basis=cite(part.workflow_basis),
        owner_basis=cite(part.owner_basis),
        answer_basis=cite(part.answer_basis),
        supervised=part.supervised.value,
        supervised_basis=cite(part.supervised.basis),
        basis=cite(part.basis),
    )
