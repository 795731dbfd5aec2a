"""PURE: the SMS templates as people look at them: when each goes out, what stands in it, how long it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from callcenter.sms.texts import LINK_LENGTH, MOST_CHARACTERS, SAID_LENGTH, TITLE_LENGTH, SmsTexts

ONE_PART, OF_SEVERAL = 70, 67
"""UTF-16 units of one message alone, and of each part of several: the header that joins them takes three
(3GPP TS 23.040, 9.2.3.24)."""


@dataclass(frozen=True, slots=True)
class Field:
    """What is put in. sample: as it looks in a preview; longest: the most it can be."""

    name: str
    said: str
    sample: str
    longest: str


FIELDS: Mapping[str, Field] = {
    one.name: one
    for one in (
        Field("title", "工单标题", "幸福小区路灯损坏", "字" * TITLE_LENGTH),
        Field("ticket", "工单编号", "20261123000017", "0" * 30),
        Field("rating", "评价", "基本满意", "基本满意"),
        Field("code", "查询码或验证码", "482913", "0" * 12),
        Field("missing", "需要补充的内容", "路灯的具体位置", "字" * SAID_LENGTH),
        Field("reason", "终结的理由", "同一事项已三次答复且无新的事实", "字" * SAID_LENGTH),
        Field("link", "评价页面地址", "https://12345.example.gov.cn/r/8Kd2mQ", "x" * LINK_LENGTH),
    )
}


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of message. fields: what may stand in it; needed: what must. joined: put behind another, never alone."""

    key: str
    title: str
    when: str
    fields: frozenset[str]
    needed: frozenset[str]
    joined: bool = False


def _one(key: str, title: str, when: str, fields: str, needed: str = "", *, joined: bool = False) -> Template:
    return Template(key, title, when, frozenset(fields.split()), frozenset(needed.split()), joined)


TEMPLATES: Mapping[str, Template] = {
    one.key: one
    for one in (
        _one("ticket_opened", "受理告知", "工单登记时，市民留有可接收短信的号码", "title ticket code", "ticket code"),
        _one("supplement", "补充材料", "派单员要求市民补充内容时", "title ticket missing", "ticket"),
        _one("survey", "满意度评价", "答复经审核、开始回访时；市民退订后不再发送", "title ticket", "ticket"),
        _one("survey_link", "评价链接", "设置了公众页面地址时，附在满意度评价之后", "link", "link", joined=True),
        _one("survey_help", "评价未识别", "市民的回复看不懂时，每次回访最多一条", "ticket", "ticket"),
        _one("survey_thanks", "评价已收到", "市民的评价计入后立即发送，不受夜间限制", "ticket rating", "ticket"),
        _one("terminated", "终结办理", "经审批终结办理时", "title ticket reason", "ticket"),
        _one("stopped", "停止发送", "市民回复退订后立即发送，此后不再发送评价短信", ""),
        _one("web_code", "网上验证码", "市民在公众页面提交诉求、核实手机号码时", "code", "code"),
    )
}


class TemplateWrong(ValueError):
    """The template cannot be used; the sentence says what to change."""

    @property
    def sentence(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Preview:
    """How a message becomes: with sample values, and how long it can get. length: UTF-16 units."""

    text: str
    length: int
    parts: int
    most_length: int
    most_parts: int


def parts_of(length: int) -> int:
    """How many messages a text costs; it is Chinese, and so always sent as UCS-2."""
    return 1 if length <= ONE_PART else -(-length // OF_SEVERAL)


def preview(template: Template, text: str, texts: SmsTexts) -> Preview:
    """`text` as this template's. Raises TemplateWrong."""
    _check(template, text)
    head = texts.signature + (texts.survey if template.joined else "")
    whole = (head + text).format(**{name: one.sample for name, one in FIELDS.items()})
    most = (head + text).format(**{name: one.longest for name, one in FIELDS.items()})
    if len(most) > MOST_CHARACTERS:
        raise TemplateWrong(f"填入最长的内容后共 {len(most)} 字，超过 {MOST_CHARACTERS} 字。请缩短。")
    return Preview(whole, _units(whole), parts_of(_units(whole)), _units(most), parts_of(_units(most)))


def _check(template: Template, text: str) -> None:
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise TemplateWrong("花括号不成对。字段应写作 {ticket} 的样子。") from None
    found = {field for _, field, _, _ in parts if field is not None}
    if any(spec or conversion for _, _, spec, conversion in parts) or not found <= template.fields:
        allowed = "、".join(f"{{{name}}}" for name in sorted(template.fields)) or "没有字段"
        raise TemplateWrong(f"有不能使用的字段。可用：{allowed}。")
    if missing := sorted(template.needed - found):
        raise TemplateWrong(f"缺少字段 {'、'.join(f'{{{name}}}' for name in missing)}。")


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
