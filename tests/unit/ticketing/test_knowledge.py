"""Knowledge items as values: templates and what they lack, the table of acts, questions as the index takes them."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.types import Actor, Party, Role, UnitId
from tests.support.knowledge import DUTY, EXAMPLE, FAQ, MATTER, POLICY, TERM, WHOLE, draft
from tests.support.tickets import MONDAY, REVIEWER, ROADS_MAN, SYSTEM, WATER_MAN, policy
from ticketing.knowledge import index as knowledge_index
from ticketing.knowledge.contents import (
    Contents,
    Example,
    Form,
    Part,
    Picture,
    Question,
    Template,
    as_data,
    missing,
    of_data,
    plain,
)
from ticketing.knowledge.hits import Hit, offers, recent
from ticketing.knowledge.items import (
    TRANSITIONS,
    Act,
    Draft,
    Item,
    ItemState,
    advance,
    allowed,
    checked,
    rules_of,
    whole,
)
from ticketing.knowledge.rules import Trigger
from ticketing.prefill.words import Utterance, Word
from ticketing.record import GuardFailed, NotYours

TODAY = date(2026, 6, 1)
ITEM = Item(
    id=1,
    unit=UnitId("water"),
    accountable="刘工",
    state=ItemState.DRAFT,
    version=1,
    live=None,
    revision=1,
    title="停水抢修多久",
    valid_from=date(2020, 1, 1),
    valid_until=None,
    verified_on=None,
    review_due_on=None,
    refused_at=None,
    uploaded_at=MONDAY,
)
RULES = rules_of(policy())


# ---- contents


@pytest.mark.clause("LS-073", "LS-074", "LS-075", "LS-076", "LS-097")
@pytest.mark.parametrize("template", list(Template))
def test_whole_contents_lack_nothing_and_come_back_as_they_were(template: Template) -> None:
    contents = WHOLE[template]
    assert missing(contents) == ()
    assert of_data(as_data(contents)) == contents
    whole(ITEM, draft(contents=contents), RULES, TODAY)


LACKING: list[tuple[Template, Part | None, dict[str, object], str]] = [
    (Template.GENERAL, None, {}, "正文、问答、举例或图文（至少一种）"),
    (Template.SERVICE_MATTER, None, {}, "受理单位"),
    (Template.SERVICE_MATTER, replace(MATTER, address=" "), {}, "地址"),
    (Template.SERVICE_MATTER, replace(MATTER, contact=""), {}, "联系方式"),
    (Template.SERVICE_MATTER, replace(MATTER, conditions=""), {}, "受理条件"),
    (Template.SERVICE_MATTER, replace(MATTER, materials=""), {}, "材料"),
    (Template.SERVICE_MATTER, replace(MATTER, steps=""), {}, "流程"),
    (Template.SERVICE_MATTER, replace(MATTER, time_limit=""), {}, "时限"),
    (Template.SERVICE_MATTER, replace(MATTER, standard=""), {}, "审批标准"),
    (Template.POLICY_TERM, replace(TERM, explanation=""), {"examples": (EXAMPLE,)}, "解释"),
    (Template.POLICY_TERM, TERM, {}, "计算示例"),
    (Template.NEW_POLICY, replace(POLICY, scope=""), {"questions": (FAQ,)}, "适用范围"),
    (Template.NEW_POLICY, replace(POLICY, effective_on=""), {"questions": (FAQ,)}, "施行时间"),
    (Template.NEW_POLICY, replace(POLICY, cautions=""), {"questions": (FAQ,)}, "注意事项"),
    (Template.NEW_POLICY, POLICY, {}, "常见问题"),
    (Template.NEW_POLICY, replace(POLICY, transition=""), {"questions": (FAQ,)}, "新旧政策衔接"),
    (Template.RIGHTS_DUTIES, replace(DUTY, how_to=""), {}, "具体做法"),
    (Template.GENERAL, None, {"questions": (Question("问?", ""),)}, "问答的问题和答案"),
    (Template.GENERAL, None, {"examples": (Example("", "果"),)}, "举例的情形和结果"),
    (Template.GENERAL, None, {"pictures": (Picture("f-1", ""),)}, "图片的编号和说明文字"),
]


@pytest.mark.clause("LS-073", "LS-074", "LS-075", "LS-076", "LS-097")
@pytest.mark.parametrize(("template", "part", "beside", "lacks"), LACKING)
def test_what_a_template_asks_for(template: Template, part: Part | None, beside: dict[str, object], lacks: str) -> None:
    contents = Contents(template, part=part, **beside)  # type: ignore[arg-type]
    assert lacks in missing(contents)
    with pytest.raises(GuardFailed, match="还缺"):
        whole(ITEM, draft(contents=contents), RULES, TODAY)


def test_a_term_without_numbers_needs_no_calculation() -> None:
    assert missing(Contents(Template.POLICY_TERM, part=replace(TERM, computed=False))) == ()


def test_a_new_policy_that_replaces_nothing_needs_no_transition() -> None:
    alone = replace(POLICY, revises="", transition="")
    assert missing(Contents(Template.NEW_POLICY, questions=(FAQ,), part=alone)) == ()


@pytest.mark.clause("LS-073")
def test_the_forms_an_item_uses() -> None:
    contents = Contents(Template.GENERAL, "", (FAQ,), (EXAMPLE,), (Picture("f-1", "抄表图"),))
    assert contents.forms == frozenset(Form)
    said = plain(contents)
    assert "问：欠费会停水吗?" in said
    assert "例：一户一年用水200立方米。前180" in said
    assert "图：抄表图" in said


@pytest.mark.clause("LS-070")
def test_why_an_item_is_updated_is_one_of_the_policys_reasons() -> None:
    for trigger in (Trigger.FUNCTION_CHANGE, Trigger.POLICY_CHANGE, Trigger.HOT_EVENT):
        assert checked(draft(trigger=trigger), RULES).trigger is trigger
    narrow = replace(RULES, triggers=frozenset({Trigger.POLICY_CHANGE}))
    with pytest.raises(GuardFailed, match="只能是：政策调整"):
        checked(draft(trigger=Trigger.HOT_EVENT), narrow)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (draft(title=" "), "标题"),
        (draft(valid_until=date(2019, 1, 1)), "早于"),
        (draft(text="水" * 12_000), "最多12000字"),
    ],
)
def test_drafts_that_are_not_kept(wrong: Draft, sentence: str) -> None:
    with pytest.raises(GuardFailed, match=sentence):
        checked(wrong, RULES)


def test_a_policy_may_allow_less() -> None:
    with pytest.raises(GuardFailed, match="本地没有「新政策」"):
        checked(draft(contents=WHOLE[Template.NEW_POLICY]), replace(RULES, templates=frozenset({Template.GENERAL})))
    with pytest.raises(GuardFailed, match="形式只能是：问答"):
        checked(draft(contents=WHOLE[Template.POLICY_TERM]), replace(RULES, forms=frozenset({Form.QA})))


# ---- the table

UNIT_HEAD = Actor("user", "head", frozenset({Role.UNIT_HEAD}), UnitId("water"))
AUDITOR = Actor("user", "shen-ji", frozenset({Role.AUDITOR}))


@pytest.mark.clause("LS-020")
@pytest.mark.parametrize("state", list(ItemState))
@pytest.mark.parametrize("act", [act for act in Act if act is not Act.WRITE])
def test_the_table_decides_who_may_do_what_in_which_state(state: ItemState, act: Act) -> None:
    item = replace(ITEM, state=state)
    step = TRANSITIONS.get((state, act))
    who = {"owner": WATER_MAN, "head": UNIT_HEAD, "editor": REVIEWER, "system": SYSTEM}
    holds = {"owner": step.owner, "head": step.owner, "editor": step.editors, "system": step.system} if step else {}
    may = {name for name, held in holds.items() if held}
    for name, actor in who.items():
        if name in may:
            after = advance(item, act, actor)
            assert step is not None
            assert (after.state, after.revision) == (step.next, 2)
        else:
            with pytest.raises((GuardFailed, NotYours)):
                advance(item, act, actor)
    for actor in (ROADS_MAN, AUDITOR):
        with pytest.raises((GuardFailed, NotYours)):
            advance(item, act, actor)


def test_what_may_be_done_is_listed() -> None:
    assert allowed(ITEM, WATER_MAN) == (Act.REVISE, Act.SUBMIT, Act.WITHDRAW)
    assert allowed(replace(ITEM, state=ItemState.IN_REVIEW), WATER_MAN) == ()
    assert allowed(replace(ITEM, state=ItemState.IN_REVIEW), REVIEWER) == (Act.APPROVE, Act.REFUSE)


# ---- what the index is given and asked


def test_titles_keywords_and_text_stand_apart_in_the_index() -> None:
    vector = dict(one.rsplit(":", 1) for one in knowledge_index.vector(draft("停水", "恢复供水。")).split(" "))
    assert vector["'停水'"] == "1A"
    assert vector["'=停水'"] == "1A"
    assert vector["'停'"] == "1A"
    assert vector["'抢修'"].endswith("B")
    assert vector["'恢复'"].isdigit()
    assert "'复'" not in vector
    assert "'水供'" not in vector, "nothing reaches from the title into the keywords"


ASKED = [
    ("停水", ("停水",), "('停水')"),
    ("我想问一下医保报销的比例是多少", ("医保", "报销", "比例"), "('医保') & ('报销') & ('比例')"),
    ("公积金提取", ("公积金", "提取"), "('公积' <-> '积金') & ('提取')"),
    ("水", ("水",), "'水'"),
    ("A4纸", ("a4", "纸"), "('a4')"),
    ("怎么办", ("怎么办",), "('怎么' <-> '么办')"),
]


@pytest.mark.parametrize(("said", "words", "match"), ASKED)
def test_a_question_as_the_index_takes_it(said: str, words: tuple[str, ...], match: str) -> None:
    asked = knowledge_index.asked(said)
    assert (asked.words, asked.all_of) == (words, match)


@given(st.text(max_size=80))
def test_any_question_is_asked_or_refused(said: str) -> None:
    try:
        asked = knowledge_index.asked(said)
    except knowledge_index.NothingAsked:
        return
    assert asked.words
    assert asked.all_of


# ---- what is offered while a citizen speaks


def said(*texts: str) -> list[Utterance]:
    return [
        Utterance(
            Party.CITIZEN, tuple(Word(word, n * 10.0 + i, n * 10.0 + i + 1) for i, word in enumerate(text.split()))
        )
        for n, text in enumerate(texts)
    ]


def hit(*words: str, **values: object) -> Hit:
    base = Hit(ITEM, 1, Template.GENERAL, words, "", "", 1, expired=False, not_yet=False, stale=False, uses=0)
    return replace(base, **values)  # type: ignore[arg-type]


def test_an_offer_quotes_what_was_said_and_when() -> None:
    line = recent(said("你 好", "我 想 问 停水 以后 多久 抢修"))
    (offer,) = offers(line, ("停水", "抢修"), [hit("停水", "抢修")])
    assert (offer.quote.text, offer.quote.start_s, offer.quote.end_s) == ("停水以后多久抢修", 13.0, 17.0)


def test_only_what_says_enough_and_is_in_force_is_offered() -> None:
    line = recent(said("停水 以后 多久 抢修"))
    asked = ("停水", "抢修")
    unfit = [hit("停水"), hit("停水", "抢修", expired=True), hit("停水", "抢修", not_yet=True)]
    assert offers(line, asked, unfit) == ()
    assert len(offers(line, asked, [hit("停水", "抢修")] * 9)) == 3
    assert len(offers(recent(said("停水 了")), ("停水",), [hit("停水")])) == 1, "one word said: one is enough"


def test_only_the_end_of_a_long_call_is_listened_to() -> None:
    line = recent(said(*(["甲乙丙丁" * 10] * 20), "停水"))
    assert 160 <= len(line.text) < 210
    assert line.text.endswith("停水")
