"""PURE: the conversation as the rules see it, and what a rule may suggest.

Only the citizen's words say something. The agent's words are questions (they tell what an answer means) and
read-backs (「您姓王，电话是…，对吗」, which the citizen affirms); a unit's and a supervisor's words are not read.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from enum import StrEnum

from callcenter.types import Party
from ticketing.prefill.masks import masked_words
from ticketing.prefill.words import Line, Quote, Utterance, in_order, join


class Field(StrEnum):
    """The fields of a draft ticket the prefill may suggest."""

    REQUEST_TYPE = "request_type"
    SUBJECT = "subject"
    PLACE = "place"
    OCCURRED_AT = "occurred_at"
    UNIT = "unit"
    CONTACT_NAME = "contact_name"
    CONTACT_PHONE = "contact_phone"
    ID_NUMBER = "id_number"
    PLATE = "plate"
    URGENCY = "urgency"
    SUMMARY = "summary"


class Topic(StrEnum):
    """What the agent asked for."""

    PHONE = "phone"
    SAME_NUMBER = "same_number"
    NAME = "name"
    PLACE = "place"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the machine believes a field is, and the words it believes it for. The agent decides.

    value: what goes into the field, as text: a type, a subject code, `路径/路径 详细` for a place, an ISO 8601
    interval with offset, a unit id, digits of a telephone; of an id number only the masked form, ever.
    display: what the agent sees, Chinese, masked. quote: the exact words, their long numbers masked; the parts of a
    suggestion that rests on two places are joined by `…`. start_s, end_s: seconds into the recording.
    confidence: 0..1, rule strength x the recogniser's confidence in the words. rule: which rule, for the record.
    """

    field: Field
    value: str = dataclass_field(repr=False)
    display: str
    quote: str
    start_s: float
    end_s: float
    confidence: float
    rule: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """`heard` is the citizen's text; `shown` is the same, character by character, with long numbers masked."""

    heard: Line
    shown: Line
    asked: tuple[frozenset[Topic], ...]
    """What the agent had asked just before each line of the citizen's text."""
    confirmed: str
    """The agent's read-backs that the citizen affirmed."""
    dictated: tuple[tuple[int, int], ...]
    """Spans in which the caller dictates to the form instead of telling what happened."""

    @property
    def text(self) -> str:
        return self.heard.text

    def topics_at(self, at: int) -> frozenset[Topic]:
        """What was asked before the words at character `at`."""
        return self.asked[self.text.count("\n", 0, at)]

    def is_dictated(self, at: int) -> bool:
        return any(start <= at < end for start, end in self.dictated)

    def quote(self, start: int, end: int) -> Quote:
        """The masked words that cover text[start:end]."""
        return self.shown.quote(start, end)

    def suggest(
        self, name: Field, value: str, display: str, spans: Sequence[tuple[int, int]], strength: float, rule: str
    ) -> Suggestion:
        """A suggestion resting on the words of `spans` (at least one, in order)."""
        quotes = [self.quote(start, end) for start, end in spans]
        conf = sum(quote.conf for quote in quotes) / len(quotes)
        return Suggestion(
            name,
            value,
            display,
            " … ".join(dict.fromkeys(quote.text for quote in quotes)),
            min(quote.start_s for quote in quotes),
            max(quote.end_s for quote in quotes),
            round(min(1.0, max(0.0, strength * conf)), 3),
            rule,
        )


def confirmed_strength(strength: float) -> float:
    """The strength of what the agent read back and the citizen affirmed: half the doubt is gone."""
    return 1 - (1 - strength) / 2


def listen(utterances: Iterable[Utterance]) -> Conversation:
    """The conversation of `utterances`, of all parties, in any order."""
    turns = in_order(tuple(utterances))
    own = [u for u in turns if u.speaker == Party.CITIZEN]
    heard = join(own)
    shown = Line("".join(_shown(heard)), masked_words(heard.words), heard.owner)
    asked, confirmed = _questions(turns)
    return Conversation(heard, shown, asked, confirmed, tuple(_dictated(heard)))


def _shown(heard: Line) -> Iterable[str]:
    """The characters of `heard` with masked words in place of the words."""
    words = masked_words(heard.words)
    last = -1
    for char, index in zip(heard.text, heard.owner, strict=True):
        if index < 0:
            yield char
        elif index != last:
            yield words[index].text
        last = index


_TOPICS: tuple[tuple[Topic, re.Pattern[str]], ...] = (
    (Topic.SAME_NUMBER, re.compile(r"(?:这个|来电|打来的)(?:号码|电话|手机)")),
    (Topic.PHONE, re.compile(r"电话|手机|号码|联系方式")),
    (Topic.NAME, re.compile(r"贵姓|怎么称呼|姓名|叫什么|您姓")),
    (Topic.PLACE, re.compile(r"地址|位置|哪里|在哪|哪个(?:乡|镇|小区|村|街)|几号楼|什么地方")),
    (Topic.TIME, re.compile(r"什么时候|多长时间|多久|几点|哪天")),
)
_READ_BACK = re.compile(r"对吗|对吧|是吗|是吧|对不对|是不是|没错吧|核对")
_YES = re.compile(r"(?:嗯|啊|哦|唉|诶)*(?:对|是的|是啊|没错|就是|嗯)")
_NO = re.compile(r"(?:嗯|啊|哦)*(?:不对|不是|错了)")


def _questions(turns: Sequence[Utterance]) -> tuple[tuple[frozenset[Topic], ...], str]:
    """What the agent had asked before each utterance of the citizen, and the affirmed read-backs."""
    asked: list[frozenset[Topic]] = []
    confirmed: list[str] = []
    said_by_agent = ""
    for turn in turns:
        text = join([turn]).text
        if turn.speaker == Party.AGENT:
            said_by_agent += text
        elif turn.speaker == Party.CITIZEN:
            asked.append(frozenset(topic for topic, cue in _TOPICS if cue.search(said_by_agent)))
            if _READ_BACK.search(said_by_agent) and _YES.match(text) and not _NO.match(text):
                confirmed.append(said_by_agent)
            said_by_agent = said_by_agent if not said_by_agent or len(text) <= 2 else ""
    return tuple(asked), "\n".join(confirmed)


# 「把工单等级改成特急」: the caller speaks to the form. A question about a ticket (「我的工单是什么状态」) is none.
_DICTATION = re.compile(
    r"(?:(?:[把将][^\n]{0,4})?(?:工单|单子|系统|字段|表单|机器人|提示词|指令)[^\n]{0,6}?"
    r"(?:等级|级别|优先|类型|类别|分类|状态|程度|承办|单位|[派转交]给|派到|改[为成]|设[为置]|填|写成|标记|标为|关闭|办结|归档)"
    r"|(?:紧急程度|优先级|诉求类型|事项分类|承办单位|处理状态|满意度)(?:是|为|改|设|填|写|[:：])?"
    r"|忽略(?:之前|以上|前面|所有|上面))"
    r"(?![^\n]{0,8}(?:什么|怎么|哪|吗|呢|多久))"
)


def _dictated(heard: Line) -> Iterable[tuple[int, int]]:
    """From the first such words to the end of the utterance."""
    for hit in _DICTATION.finditer(heard.text):
        yield hit.start(), heard.line_span(hit.start())[1]
