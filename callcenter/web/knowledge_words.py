"""What the regulation lets people write and ask of knowledge: templates with their fields, causes, defects; units."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import handling_unit
from callcenter.web.context import Context
from callcenter.web.router import Out, Routes
from ticketing.dispatch.units_tables import unit
from ticketing.knowledge.contents import (
    FORM_NAMES,
    LABELS,
    MAX_LENGTH,
    MAY_BE_EMPTY,
    PARTS,
    TEMPLATE_NAMES,
    Contents,
    Template,
    missing,
)
from ticketing.knowledge.items import ACT_NAMES, ITEM_STATE_NAMES, READERS, rules_of
from ticketing.knowledge.rules import DEFECT_NAMES, TRIGGER_NAMES, KnowledgeRules
from ticketing.limits.promises import in_words

api = Routes("knowledge")


class Word(Out):
    """One value to send, and what people call it."""

    code: str
    name: str


class TemplateField(Out):
    """kind: text or yes_no. required: without it the item is not submitted."""

    name: str
    label: str
    kind: str
    required: bool


class TemplateOut(Word):
    """fields: those of its own, beside the text, 问答, 举例 and 图文. needs: all that an empty one lacks, by name."""

    fields: list[TemplateField]
    needs: list[str]


class KnowledgeUnit(Out):
    """asked: it is in use, so that items can be written for it and questions put to it."""

    id: str
    name: str
    asked: bool


class KnowledgeWords(Out):
    """question_limit, review_every: in words. length: characters of one item at most."""

    templates: list[TemplateOut]
    templates_basis: str
    forms: list[Word]
    forms_basis: str
    triggers: list[Word]
    triggers_basis: str
    defects: list[Word]
    defects_basis: str
    states: list[Word]
    acts: list[Word]
    question_limit: str
    question_basis: str
    review_every: str
    review_basis: str
    owner_basis: str
    length: int
    units: list[KnowledgeUnit]


@api.get("/api/knowledge/words", READERS)
async def knowledge_words(ctx: Context) -> KnowledgeWords:
    """知识库的模板及其栏目、更新原因、问题类型、时限及依据，和承办单位名称"""
    rules = rules_of(ctx.services.rules.at(ctx.now))
    async with ctx.transaction() as tx:
        units = await _units(tx)
    return KnowledgeWords.model_validate({**_chosen(rules), **_limits(rules), "units": units})


def _chosen(rules: KnowledgeRules) -> dict[str, object]:
    return {
        "templates": [_template(one) for one in Template if one in rules.templates],
        "templates_basis": str(rules.templates_basis),
        "forms": [Word(code=one, name=name) for one, name in FORM_NAMES.items() if one in rules.forms],
        "forms_basis": str(rules.forms_basis),
        "triggers": [Word(code=one, name=name) for one, name in TRIGGER_NAMES.items() if one in rules.triggers],
        "triggers_basis": str(rules.triggers_basis),
        "defects": [Word(code=one, name=name) for one, name in DEFECT_NAMES.items() if one in rules.defects],
        "defects_basis": str(rules.defects_basis),
        "states": [Word(code=one, name=name) for one, name in ITEM_STATE_NAMES.items()],
        "acts": [Word(code=one, name=name) for one, name in ACT_NAMES.items()],
    }


def _limits(rules: KnowledgeRules) -> dict[str, object]:
    return {
        "question_limit": in_words(rules.question),
        "question_basis": str(rules.question_basis),
        "review_every": in_words(rules.review_every),
        "review_basis": str(rules.review_basis),
        "owner_basis": str(rules.owner_basis),
        "length": MAX_LENGTH,
    }


def _template(template: Template) -> TemplateOut:
    kind = PARTS.get(template)
    empty = kind() if kind else None
    fields = [
        TemplateField(
            name=name,
            label=LABELS[name],
            kind="yes_no" if isinstance(getattr(empty, name), bool) else "text",
            required=name not in MAY_BE_EMPTY,
        )
        for name in (kind.__dataclass_fields__ if kind else ())
    ]
    needs = list(missing(Contents(template, part=empty)))
    return TemplateOut(code=template, name=TEMPLATE_NAMES[template], fields=fields, needs=needs)


async def _units(tx: AsyncConnection) -> list[KnowledgeUnit]:
    """Every unit that may own an item, as the directory calls it."""
    called = select(handling_unit.c.id, handling_unit.c.name, handling_unit.c.active)
    known = {row.id: (row.name, row.active) for row in await tx.execute(called)}
    listed = {row.id: row.name for row in await tx.execute(select(unit.c.id, unit.c.name))}
    names = {**{one: name for one, (name, _) in known.items()}, **listed}
    return [
        KnowledgeUnit(id=one, name=name, asked=known.get(one, ("", False))[1])
        for one, name in sorted(names.items(), key=lambda pair: pair[1])
    ]
