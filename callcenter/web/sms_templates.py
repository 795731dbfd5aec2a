"""The SMS templates: what goes out, when, how long it becomes; a draft is checked here before it goes into the file."""

from typing import Annotated

from pydantic import Field

from callcenter.sms import templates
from callcenter.sms.templates import Preview, Template
from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.problems import NotFound
from callcenter.web.router import In, Out, Routes

api = Routes("sms_templates")
READERS = frozenset({Role.ADMIN, Role.SUPERVISOR})


class SmsField(Out):
    """needed: a template without it is refused."""

    name: str
    said: str
    sample: str
    needed: bool


class SmsPreview(Out):
    """With sample values. length: UTF-16 units (a Chinese character is one); most: with the longest values."""

    text: str
    length: int
    parts: int
    most_length: int
    most_parts: int


class SmsTemplate(Out):
    """joined: put behind another message, never sent alone."""

    key: str
    title: str
    when: str
    text: str
    joined: bool
    fields: list[SmsField]
    preview: SmsPreview


class SmsTemplates(Out):
    """signature: at the head of every message. opens, closes: no message but answers goes out outside these hours.

    one_part, of_several: how many characters a single message holds, and each of several. file: where the texts are.
    """

    signature: str
    opens: str
    closes: str
    one_part: int
    of_several: int
    file: str
    rows: list[SmsTemplate]


class SmsDraft(In):
    """text: as it would stand in the file, with {fields}, without the signature."""

    text: Annotated[str, Field(min_length=4, max_length=500)]


FILE = "config/texts/zh-CN/sms.yaml"


@api.get("/api/sms-templates", READERS)
async def read_templates(ctx: Context) -> SmsTemplates:
    """短信模板：内容、发送时机、字数和条数、用示例填好的样子；模板是配置文件，须报备后修改"""
    ground = ctx.services.ground
    rows = [_row(ctx, one, getattr(ground.texts, one.key)) for one in templates.TEMPLATES.values()]
    return SmsTemplates(
        signature=ground.texts.signature,
        opens=f"{ground.hours.opens:%H:%M}",
        closes=f"{ground.hours.closes:%H:%M}",
        one_part=templates.ONE_PART,
        of_several=templates.OF_SEVERAL,
        file=FILE,
        rows=rows,
    )


@api.post("/api/sms-templates/{key}/try", READERS)
async def try_template(ctx: Context, key: str, body: SmsDraft) -> SmsPreview:
    """试写：检查模板的字段和长度，看填好的样子；不保存"""
    one = templates.TEMPLATES.get(key)
    if one is None:
        raise NotFound
    return _preview(templates.preview(one, body.text, ctx.services.ground.texts))


def _row(ctx: Context, one: Template, text: str) -> SmsTemplate:
    named = (templates.FIELDS[name] for name in sorted(one.fields))
    fields = [SmsField(name=f.name, said=f.said, sample=f.sample, needed=f.name in one.needed) for f in named]
    shown = _preview(templates.preview(one, text, ctx.services.ground.texts))
    return SmsTemplate(
        key=one.key, title=one.title, when=one.when, text=text, joined=one.joined, fields=fields, preview=shown
    )


def _preview(one: Preview) -> SmsPreview:
    return SmsPreview(
        text=one.text, length=one.length, parts=one.parts, most_length=one.most_length, most_parts=one.most_parts
    )
