"""What a knowledge item says: its forms and the fields of each template, as typed data. PURE.

Source: LS-073 (问答、举例、图文), LS-097 (rights and duties), LS-074 (service matters), LS-075 (terms and
calculations), LS-076 (new and revised policies).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

MAX_LENGTH = 12_000
"""Characters of one version in all: the index of a version reaches 16,383 places."""


class Template(StrEnum):
    """What kind of thing an item explains."""

    GENERAL = "general"
    SERVICE_MATTER = "service_matter"
    POLICY_TERM = "policy_term"
    NEW_POLICY = "new_policy"
    RIGHTS_DUTIES = "rights_duties"


TEMPLATE_NAMES: dict[Template, str] = {
    Template.GENERAL: "一般知识",
    Template.SERVICE_MATTER: "办事服务事项",
    Template.POLICY_TERM: "专业术语与计算",
    Template.NEW_POLICY: "新政策",
    Template.RIGHTS_DUTIES: "权利义务",
}


class Form(StrEnum):
    """How it is made easy to understand."""

    QA = "qa"
    EXAMPLE = "example"
    IMAGE_TEXT = "image_text"


FORM_NAMES: dict[Form, str] = {Form.QA: "问答", Form.EXAMPLE: "举例", Form.IMAGE_TEXT: "图文"}


@dataclass(frozen=True, slots=True)
class Question:
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Example:
    """A case, and what comes out of it; with numbers where something is computed."""

    case: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture kept elsewhere. reference: its address or file number; sha256: hex, so that it cannot change unseen."""

    reference: str
    caption: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class ServiceMatter:
    """How a matter is dealt with. Source: LS-074."""

    office: str = ""
    address: str = ""
    contact: str = ""
    conditions: str = ""
    materials: str = ""
    steps: str = ""
    time_limit: str = ""
    standard: str = ""


@dataclass(frozen=True, slots=True)
class PolicyTerm:
    """A term explained. computed: numbers are involved, so an example must show the calculation. Source: LS-075."""

    term: str = ""
    explanation: str = ""
    computed: bool = False


@dataclass(frozen=True, slots=True)
class NewPolicy:
    """A policy that begins. revises: the policy it replaces; then the transition must be told. Source: LS-076."""

    scope: str = ""
    effective_on: str = ""
    cautions: str = ""
    revises: str = ""
    transition: str = ""


@dataclass(frozen=True, slots=True)
class RightsDuties:
    """What people may or must do, and how exactly. Source: LS-097."""

    who: str = ""
    how_to: str = ""


Part = ServiceMatter | PolicyTerm | NewPolicy | RightsDuties
PARTS: Mapping[Template, type[Part]] = {
    Template.SERVICE_MATTER: ServiceMatter,
    Template.POLICY_TERM: PolicyTerm,
    Template.NEW_POLICY: NewPolicy,
    Template.RIGHTS_DUTIES: RightsDuties,
}
LABELS: Mapping[str, str] = {
    "office": "受理单位",
    "address": "地址",
    "contact": "联系方式",
    "conditions": "受理条件",
    "materials": "材料",
    "steps": "流程",
    "time_limit": "时限",
    "standard": "审批标准",
    "term": "术语",
    "explanation": "解释",
    "computed": "涉及数据计算",
    "scope": "适用范围",
    "effective_on": "施行时间",
    "cautions": "注意事项",
    "revises": "修订的原政策",
    "transition": "新旧政策衔接",
    "who": "适用对象",
    "how_to": "具体做法",
}
"""Fields of the templates as people read them."""
MAY_BE_EMPTY = frozenset({"computed", "revises", "transition"})


@dataclass(frozen=True, slots=True)
class Contents:
    """One version's contents. part: the template's own fields, of the type PARTS names; None for a general item."""

    template: Template
    text: str = ""
    questions: tuple[Question, ...] = ()
    examples: tuple[Example, ...] = ()
    pictures: tuple[Picture, ...] = ()
    part: Part | None = None

    @property
    def forms(self) -> frozenset[Form]:
        """The forms it uses."""
        used = {Form.QA: self.questions, Form.EXAMPLE: self.examples, Form.IMAGE_TEXT: self.pictures}
        return frozenset(form for form, values in used.items() if values)


def missing(contents: Contents) -> tuple[str, ...]:
    """What must be filled in before a review, by name; empty when the contents are whole."""
    return tuple(dict.fromkeys([*_missing_fields(contents), *_missing_beside(contents)]))


def _missing_fields(contents: Contents) -> Iterator[str]:
    wanted = PARTS.get(contents.template)
    if wanted is None:
        if not contents.text.strip() and not contents.forms:
            yield "正文、问答、举例或图文（至少一种）"
        return
    part = contents.part if isinstance(contents.part, wanted) else wanted()
    for field in fields(part):
        if field.name not in MAY_BE_EMPTY and not str(getattr(part, field.name)).strip():
            yield LABELS[field.name]


def _missing_beside(contents: Contents) -> Iterator[str]:
    match contents.part:
        case PolicyTerm(computed=True) if not contents.examples:
            yield "计算示例"
        case NewPolicy() as policy:
            if not contents.questions:
                yield "常见问题"
            if policy.revises.strip() and not policy.transition.strip():
                yield LABELS["transition"]
    for question in contents.questions:
        if not question.question.strip() or not question.answer.strip():
            yield "问答的问题和答案"
    for example in contents.examples:
        if not example.case.strip() or not example.outcome.strip():
            yield "举例的情形和结果"
    for picture in contents.pictures:
        if not picture.reference.strip() or not picture.caption.strip():
            yield "图片的编号和说明文字"


def plain(contents: Contents) -> str:
    """All of it as plain lines, for reading out, for the search, for a snippet."""
    return "\n".join(_lines(contents))


def _lines(contents: Contents) -> Iterator[str]:
    if contents.text.strip():
        yield contents.text.strip()
    for name, value in asdict(contents.part).items() if contents.part else ():
        if isinstance(value, str) and value.strip():
            yield f"{LABELS[name]}：{value.strip()}"
    for question in contents.questions:
        yield f"问：{question.question.strip()}"
        yield f"答：{question.answer.strip()}"
    for example in contents.examples:
        yield f"例：{example.case.strip()}。{example.outcome.strip()}"
    for picture in contents.pictures:
        yield f"图：{picture.caption.strip()}"


def as_data(contents: Contents) -> dict[str, Any]:
    """As JSON can hold it; `of_data` reads it back."""
    return asdict(contents)


def of_data(data: Mapping[str, Any]) -> Contents:
    """Contents from what `as_data` made."""
    template = Template(data["template"])
    part = data.get("part")
    return Contents(
        template=template,
        text=data.get("text", ""),
        questions=tuple(Question(**one) for one in data.get("questions", ())),
        examples=tuple(Example(**one) for one in data.get("examples", ())),
        pictures=tuple(Picture(**one) for one in data.get("pictures", ())),
        part=PARTS[template](**part) if part is not None else None,
    )
