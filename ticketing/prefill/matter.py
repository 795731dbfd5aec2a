"""PURE: what it is about: request type, subject, unit, urgency and a summary, from the citizen's words."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from ticketing.prefill.data import Hazard, PrefillData, Subject, Unit
from ticketing.prefill.talk import Conversation, Field, Suggestion, confirmed_strength

Span = tuple[int, int]
URGENT: Final = "突发"

_TYPES: Final[tuple[tuple[str, float, re.Pattern[str]], ...]] = (
    ("咨询", 0.88, re.compile(r"(?:我)?(?:想|要|来)?咨询(?:一下|下)?")),
    ("咨询", 0.75, re.compile(r"(?:我)?想(?:要)?(?:问|了解|知道)(?:一下|问|下)?|问一下|打听(?:一下)?")),
    (
        "咨询",
        0.62,
        re.compile(
            r"怎么办理|怎么补办|怎么报销|怎么申请|需要(?:带)?(?:什么|哪些)材料|要准备哪些|在哪里办|多长时间才能办|可以在网上|能报销多少"
            r"|几点上班|周末上班吗|电话是多少|条件是什么|可以申请|可以办|在什么地方"
        ),
    ),
    ("咨询", 0.5, re.compile(r"请问")),
    ("投诉", 0.92, re.compile(r"(?:我)?(?:要|想)?投诉(?:一下)?")),
    (
        "投诉",
        0.55,
        re.compile(r"没有?人管|不归他们管|一直没有|态度(?:很差|不好|差|恶劣)|扰民|影响休息|不给退|拖欠|乱收费|不作为"),
    ),
    ("投诉", 0.5, re.compile(r"(?:我)?(?:要|想)?反映(?:一下|一个)?")),
    ("求助", 0.9, re.compile(r"求助|帮帮(?:我|忙)|救命|救救")),
    ("求助", 0.6, re.compile(r"(?:希望|请|请求|麻烦)[^\n]{0,12}?(?:尽快|派人|恢复|来修|修一下|疏通|修复|清理)")),
    ("举报", 0.92, re.compile(r"(?:我)?(?:要|想)?举报(?:一下)?")),
    ("建议", 0.9, re.compile(r"(?:我)?(?:想|要)?(?:提(?:一)?个)?建议")),
    (
        "建议",
        0.65,
        re.compile(r"(?:能不能|希望能?够?|请求)[^\n]{0,16}?(?:增设|增加|加装|安装|修建|延长|硬化|加强)"),
    ),
    ("表扬", 0.92, re.compile(r"(?:我)?(?:要|想)?表扬|送(?:一)?面?锦旗|感谢信")),
    ("表扬", 0.45, re.compile(r"态度(?:很好|非常好)|非常感谢")),
)
_DENIED = re.compile(r"(?:不是|不想|不要|没有|没|不用|不|别|未|拒绝)(?:来|要|想|再)?$")
_PAST_BEFORE = re.compile(r"(?:之前|上次|以前|已经|曾经|原来|前面)[^\n]{0,5}$")
_PAST_AFTER = re.compile(r"过|的?(?:电话|热线|中心|箱|处理|结果|人员|材料|是多少)")


def suggest_matter(talk: Conversation, data: PrefillData) -> Iterator[Suggestion]:
    """Suggestions for type, subject, unit, urgency, summary."""
    subjects = _ranked_subjects(talk, data)
    yield from _request_type(talk, subjects)
    yield from _subjects(talk, subjects)
    yield from _units(talk, data)
    yield from _hazards(talk, data)
    yield from _summary(talk, data)


def _request_type(talk: Conversation, subjects: list[tuple[float, Subject, Span]]) -> Iterator[Suggestion]:
    """What the citizen says the call is; failing that, what such a matter usually is."""
    best: dict[str, tuple[float, Span]] = {}
    for name, strength, cue in _TYPES:
        for hit in cue.finditer(talk.text):
            if _is_an_act(talk, hit) and strength > best.get(name, (0.0, (0, 0)))[0]:
                best[name] = (strength, hit.span())
    if subjects and (leans := subjects[0][1].leans) and leans not in best:
        best[leans] = (0.4, subjects[0][2])
    if not best:
        return
    ranked = sorted(best.items(), key=lambda item: (-item[1][0], item[1][1]))
    name, (strength, span) = ranked[0]
    if len(ranked) > 1 and strength - ranked[1][1][0] < 0.1:
        strength *= 0.8
    rule = "type.said" if strength > 0.7 else "type.implied"
    yield talk.suggest(Field.REQUEST_TYPE, name, name, (span,), strength, rule)


def _is_an_act(talk: Conversation, hit: re.Match[str]) -> bool:
    """Said now and meant: not 「不是投诉」, not 「之前投诉过」, not dictated to the form."""
    before = talk.text[max(0, hit.start() - 8) : hit.start()].rpartition("\n")[2]
    past = _PAST_BEFORE.search(before) or _PAST_AFTER.match(talk.text, hit.end())
    spoken_of = past and hit[0].endswith(("投诉", "举报", "咨询", "建议", "反映", "求助", "表扬"))
    return not (talk.is_dictated(hit.start()) or _DENIED.search(before) or spoken_of)


def _ranked_subjects(talk: Conversation, data: PrefillData) -> list[tuple[float, Subject, Span]]:
    """(score, subject, span of its longest keyword), best first. A keyword counts once, the longer the more."""
    scores: dict[str, float] = defaultdict(float)
    best: dict[str, tuple[Subject, Span]] = {}
    seen: set[str] = set()
    for hit in data.subject_words.find(talk.text):
        word = talk.text[hit.start : hit.end]
        if word in seen or talk.is_dictated(hit.start):
            continue
        seen.add(word)
        for subject in hit.value:
            scores[subject.code] += len(word) ** 1.5
            old = best.get(subject.code)
            if old is None or hit.end - hit.start > old[1][1] - old[1][0]:
                best[subject.code] = (subject, (hit.start, hit.end))
    return sorted(((scores[code], *best[code]) for code in best), key=lambda item: (-item[0], item[2]))


def _subjects(talk: Conversation, ranked: list[tuple[float, Subject, Span]]) -> Iterator[Suggestion]:
    """The best subject, and the second when it is close."""
    for place, (score, subject, span) in enumerate(ranked[:2]):
        rest = ranked[1 - place][0] if len(ranked) > 1 else 0.0
        if place == 1 and score < 0.6 * rest:
            return
        word = talk.text[span[0] : span[1]]
        strength = min(0.9, 0.42 + 0.09 * len(word)) * (1.0 if score > 1.5 * rest else 0.85 if place == 0 else 0.6)
        if word in talk.confirmed:
            strength = confirmed_strength(strength)
        display = f"{subject.parent}/{subject.name}"
        yield talk.suggest(Field.SUBJECT, subject.code, display, (span,), strength, "subject.keywords")


_ASKED_OF = re.compile(
    r"(?:希望|请求|请|建议|投诉|举报|表扬|要求|麻烦|找|联系|转给|咨询|感谢)(?:你们|一下|让|叫|由|县|市|我们|给|这个){0,2}$"
)
_IS_A_PLACE = re.compile(r"(?:大?门口|旁边|对面|附近|后面|前面|楼下|里面|这边)")
_NOT_THIS_UNIT = re.compile(r"(?:不是|不归|不属于)[^\n]{0,2}$")


def _units(talk: Conversation, data: PrefillData) -> Iterator[Suggestion]:
    """The unit the citizen asks to act, else one they name; else, weakly, one whose duty was named."""
    named: dict[str, tuple[float, Unit, Span]] = {}
    for hit in data.unit_words.find(talk.text):
        before = talk.text[max(0, hit.start - 8) : hit.start].rpartition("\n")[2]
        place = _IS_A_PLACE.match(talk.text, hit.end)
        if talk.is_dictated(hit.start) or place or _NOT_THIS_UNIT.search(before):
            continue
        strength = 0.88 if _ASKED_OF.search(before) else 0.65
        if hit.value.id not in named or strength > named[hit.value.id][0]:
            named[hit.value.id] = (strength, hit.value, (hit.start, hit.end))
    for strength, unit, span in sorted(named.values(), key=lambda item: (-item[0], item[2]))[:2]:
        crowd = 0.85 if len(named) > 1 else 1.0
        yield talk.suggest(Field.UNIT, unit.id, unit.name, (span,), strength * crowd, "unit.named")
    if not named:
        yield from _by_duty(talk, data)


def _by_duty(talk: Conversation, data: PrefillData) -> Iterator[Suggestion]:
    """A hint at most (0.45): who is in charge follows from territory and precedent, too."""
    hits = [hit for hit in data.duty_words.find(talk.text) if not talk.is_dictated(hit.start)]
    if hits:
        best = max(hits, key=lambda hit: (hit.end - hit.start, -hit.start))
        unit = best.value[0]
        yield talk.suggest(Field.UNIT, unit.id, unit.name, ((best.start, best.end),), 0.45, "unit.duty")


_NO_HAZARD = re.compile(r"(?:没有|没|不是|不会|并未|未)(?:发生)?$")
_MAYBE = re.compile(r"(?:怕|担心|容易|可能|会不会|万一|如果|要是|防止|避免|预防|怎么防|存在)[^\n]{0,5}$")
_RISK_ONLY = re.compile(r"(?:的)?(?:隐患|风险|危险|怎么办$|应急|演练|知识|险)")
_NEAR_CHARS: Final = 40


def _hazards(talk: Conversation, data: PrefillData) -> Iterator[Suggestion]:
    """突发, for hazards the citizen names; never for a level they name (「特急」): nobody orders a level by phone."""
    found: list[tuple[float, str, tuple[Span, ...]]] = []
    for hazard in data.hazards:
        if spans := _hazard_spans(talk.text, hazard):
            doubtful = any(_is_doubtful(talk.text, span) for span in spans)
            found.append((0.4 if doubtful else 0.9 if len(spans) == 1 else 0.8, hazard.name, spans))
    if found:
        strength = max(strength for strength, _, _ in found)
        sure = [item for item in found if item[0] > 0.4] or found
        spans = tuple(sorted({span for _, _, some in sure for span in some}))
        display = f"{URGENT}（{'、'.join(name for _, name, _ in sure)}）"
        yield talk.suggest(Field.URGENCY, URGENT, display, spans, strength, "urgency.hazard")


def _hazard_spans(text: str, hazard: Hazard) -> tuple[Span, ...]:
    """Where the hazard is named: one word, or one word of each group within forty characters."""
    if alone := _surest(text, _all(text, hazard.any_of)):
        return (alone,)
    groups = [_all(text, group) for group in hazard.all_of]
    for anchor in groups[0] if groups else ():
        near = [_surest(text, [s for s in group if abs(s[0] - anchor[0]) <= _NEAR_CHARS]) for group in groups[1:]]
        found = [span for span in near if span is not None]
        if len(found) == len(near):
            return tuple(sorted((anchor, *found)))
    return ()


def _surest(text: str, spans: list[Span]) -> Span | None:
    """The first of `spans`; a doubtful one only when no other is there."""
    return min(spans, key=lambda span: (_is_doubtful(text, span), span), default=None)


def _all(text: str, words: tuple[str, ...]) -> list[Span]:
    """Every place where one of `words` stands and is not denied."""
    hits = [hit.span() for word in words for hit in re.finditer(re.escape(word), text)]
    return sorted(span for span in hits if not _NO_HAZARD.search(text[max(0, span[0] - 5) : span[0]]))


def _is_doubtful(text: str, span: Span) -> bool:
    """Feared, asked about or a mere risk: still shown, because a fire missed costs more than a look."""
    before = text[max(0, span[0] - 9) : span[0]].rpartition("\n")[2]
    return bool(_MAYBE.search(before) or _RISK_ONLY.match(text, span[1]))


# Possessive (`++`): no backtracking into a long number.
_SMALL_TALK = re.compile(
    r"(?:喂|嗯|啊|哦|你好|您好|好的|好|对的|对|是的|谢谢你?|没有了|不用了|可以|不需要保密|需要保密|再见|请问|就是这个(?:号码|电话)"
    r"|是(?:政务|市民)?热线吗|我的?(?:手机号?码?|电话号?码?|联系方式)是?|免贵姓.|我姓.(?:先生|女士)?"
    r"|[0-9零一二三四五六七八九幺\s*])++"
)
SUMMARY_CHARS: Final = 120
_SUMMARY_LINES: Final = 4


def _summary(talk: Conversation, data: PrefillData) -> Iterator[Suggestion]:
    """The citizen's own clauses that say most, in their order: names of subjects and places, wishes, hazards."""
    lines: list[tuple[float, int, int]] = []
    start = 0
    for line in talk.text.split("\n"):
        score = _substance(line, data)
        if score > 0:
            lines.append((score, start, start + len(line)))
        start += len(line) + 1
    if not lines:
        return
    chosen = sorted(sorted(lines, key=lambda item: (-item[0], item[1]))[:_SUMMARY_LINES], key=lambda item: item[1])
    while len(chosen) > 1 and sum(end - at + 1 for _, at, end in chosen) > SUMMARY_CHARS:
        chosen.remove(min(chosen, key=lambda item: item[0]))
    said = "，".join(talk.shown.text[at:end] for _, at, end in chosen)
    value = said if len(said) <= SUMMARY_CHARS else said[: SUMMARY_CHARS - 1] + "…"
    spans = [(at, end) for _, at, end in chosen]
    yield talk.suggest(Field.SUMMARY, value, value, spans, 0.6, "summary.clauses")


_WISH = re.compile(r"希望|建议|请求|要求|能不能|投诉|举报|咨询|反映|想问|怎么办|尽快|没有?人管|没有解决")


def _substance(line: str, data: PrefillData) -> float:
    """How much a clause says; 0 for greetings, numbers and yes."""
    if not line or _SMALL_TALK.fullmatch(line):
        return 0.0
    score = 0.2 + min(len(line), 20) / 20
    score += 2.0 * sum(1 for _ in data.subject_words.find(line))
    score += 1.0 * sum(1 for _ in data.place_words.find(line))
    score += 3.0 * any(word in line for hazard in data.hazards for word in hazard.any_of)
    return score + 1.5 * bool(_WISH.search(line))
