"""The knowledge base in a real PostgreSQL: a life from draft to withdrawn, what the database refuses, who may what."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.types import CallId
from tests.support.knowledge import OTHER_REVIEWER, draft, in_use, submitted, written
from tests.support.tickets import (
    AGENT,
    AUDITOR,
    DISPATCHER,
    FIELDS,
    MONDAY,
    REVIEWER,
    ROADS,
    ROADS_MAN,
    WATER,
    WATER_MAN,
    local,
    rules,
)
from ticketing import commands
from ticketing import service as tickets
from ticketing.knowledge import questions as knowledge_questions
from ticketing.knowledge import search as knowledge_search
from ticketing.knowledge import service
from ticketing.knowledge import store as knowledge_store
from ticketing.knowledge.items import Item, ItemState, KnowledgeChanged, KnowledgeNotFound, OverdueKind
from ticketing.knowledge.questions import QuestionAnswered, QuestionNotFound
from ticketing.knowledge.rules import Defect, Trigger
from ticketing.knowledge.search import Matched
from ticketing.knowledge.tables import knowledge_event, knowledge_item, knowledge_use, knowledge_version
from ticketing.record import GuardFailed, NotYours

TODAY = date(2026, 6, 1)
DAY = timedelta(days=1)


async def found(tx: AsyncConnection, words: str, **more: object) -> list[int]:
    page = await knowledge_search.search(tx, words, AGENT, TODAY, **more)  # type: ignore[arg-type]
    return [hit.item.id for hit in page.hits]


# ---- a life


@pytest.mark.clause("LS-020", "GZ-016", "SQ-002")
async def test_a_unit_writes_the_hotline_reviews_and_agents_find_it(tx: AsyncConnection) -> None:
    item = await written(tx)
    assert (item.state, item.live, item.version) == (ItemState.DRAFT, None, 1)
    assert await found(tx, "停水") == [], "nobody answers from a draft"
    item = await service.submit(tx, item.id, item.revision, actor=WATER_MAN, now=MONDAY, rules=rules())
    item = await service.approve(tx, item.id, item.revision, actor=REVIEWER, now=MONDAY, rules=rules())
    assert (item.state, item.live) == (ItemState.PUBLISHED, 1)
    assert (item.verified_on, item.review_due_on) == (TODAY, date(2026, 11, 28)), "180 days, the policy's interval"
    assert await found(tx, "停水") == [item.id]
    acts = [done.act for done in await knowledge_store.history_of(tx, item.id)]
    assert acts == ["write", "submit", "approve"]


async def test_the_published_version_stays_in_use_while_a_new_one_is_reviewed(tx: AsyncConnection) -> None:
    item = await in_use(tx)
    newer = draft("停水抢修时限", "停水后立即抢修。", trigger=Trigger.POLICY_CHANGE, note="新规定")
    item = await service.revise(tx, item.id, item.revision, newer, actor=WATER_MAN, now=MONDAY + DAY, rules=rules())
    assert (item.state, item.version, item.live, item.title) == (ItemState.DRAFT, 2, 1, "停水抢修多久")
    assert await found(tx, "四小时") == [item.id]
    assert await found(tx, "立即") == []
    item = await service.submit(tx, item.id, item.revision, actor=WATER_MAN, now=MONDAY + DAY, rules=rules())
    item = await service.approve(tx, item.id, item.revision, actor=REVIEWER, now=MONDAY + DAY, rules=rules())
    assert (item.state, item.live, item.title) == (ItemState.PUBLISHED, 2, "停水抢修时限")
    assert await found(tx, "立即") == [item.id]
    versions = await knowledge_store.versions_of(tx, item.id)
    assert [(one.number, one.draft.title) for one in versions] == [(2, "停水抢修时限"), (1, "停水抢修多久")]


async def test_what_is_withdrawn_is_not_found_and_can_come_back(tx: AsyncConnection) -> None:
    item = await in_use(tx)
    with pytest.raises(GuardFailed, match="撤下的原因"):
        await service.withdraw(tx, item.id, item.revision, actor=REVIEWER, now=MONDAY, note=" ")
    item = await service.withdraw(tx, item.id, item.revision, actor=REVIEWER, now=MONDAY, note="依据已废止")
    assert (item.state, item.live) == (ItemState.WITHDRAWN, None)
    assert await found(tx, "停水") == []
    again = await service.revise(tx, item.id, item.revision, draft(), actor=WATER_MAN, now=MONDAY, rules=rules())
    assert (again.state, again.version) == (ItemState.DRAFT, 2)


async def test_two_writers_never_both_win(tx: AsyncConnection) -> None:
    item = await in_use(tx)
    await service.verify(tx, item.id, item.revision, actor=WATER_MAN, now=MONDAY, rules=rules())
    with pytest.raises(KnowledgeChanged):
        await service.verify(tx, item.id, item.revision, actor=WATER_MAN, now=MONDAY, rules=rules())


async def test_nobody_approves_what_they_wrote(tx: AsyncConnection) -> None:
    item = await written(tx, actor=REVIEWER)
    item = await service.submit(tx, item.id, item.revision, actor=REVIEWER, now=MONDAY, rules=rules())
    with pytest.raises(NotYours, match="本人编写"):
        await service.approve(tx, item.id, item.revision, actor=REVIEWER, now=MONDAY, rules=rules())
    done = await service.approve(tx, item.id, item.revision, actor=OTHER_REVIEWER, now=MONDAY, rules=rules())
    assert done.live == 1


# ---- who may what


@pytest.mark.clause("LS-095")
async def test_only_its_unit_and_the_hotlines_editors_write_an_item(tx: AsyncConnection) -> None:
    for actor in (ROADS_MAN, AGENT, DISPATCHER, AUDITOR):
        with pytest.raises(NotYours):
            await service.write(tx, WATER, "刘工", draft(), actor=actor, now=MONDAY, rules=rules())
    item = await in_use(tx)
    for stranger in (ROADS_MAN, AGENT):
        with pytest.raises(NotYours):
            await service.revise(tx, item.id, item.revision, draft(), actor=stranger, now=MONDAY, rules=rules())
    with pytest.raises(NotYours):
        await service.verify(tx, item.id, item.revision, actor=REVIEWER, now=MONDAY, rules=rules())


@pytest.mark.clause("LS-095")
async def test_an_item_needs_somebody_of_its_unit_who_answers_for_it(tx: AsyncConnection) -> None:
    item = await service.write(tx, WATER, " ", draft(), actor=WATER_MAN, now=MONDAY, rules=rules())
    with pytest.raises(GuardFailed, match="负责的人员") as refused:
        await service.submit(tx, item.id, item.revision, actor=WATER_MAN, now=MONDAY, rules=rules())
    assert refused.value.article == "第十五条(一)"


async def test_a_draft_is_not_there_for_others(tx: AsyncConnection) -> None:
    item = await written(tx)
    for stranger in (ROADS_MAN, AGENT):
        with pytest.raises(KnowledgeNotFound) as unseen:
            await knowledge_store.load(tx, item.id, stranger)
        with pytest.raises(KnowledgeNotFound) as unknown:
            await knowledge_store.load(tx, 999_999, stranger)
        assert str(unseen.value) == str(unknown.value)
    for known in (WATER_MAN, REVIEWER, AUDITOR):
        assert (await knowledge_store.load(tx, item.id, known)).id == item.id


# ---- what the database refuses


@pytest.mark.clause("LS-052")
async def test_an_upload_time_is_the_databases_and_never_changes(db: Database) -> None:
    before = local(2001, 1, 1)
    async with db.transaction() as tx:
        item = await in_use(tx)
        stored = await service.uploaded_at(tx, item.id)
        moment = (await tx.execute(text("SELECT now()"))).scalar_one()
        assert stored == moment == await service.uploaded_at(tx, item.id, 1)
        columns = "template, title, keywords, contents, body, valid_from, trigger, author"
        claimed = text(
            f"INSERT INTO knowledge_version (item_id, version, {columns}, uploaded_at)"
            f" SELECT item_id, 2, {columns}, timestamptz '2001-01-01' FROM knowledge_version"
        )
        await tx.execute(claimed)
        assert await service.uploaded_at(tx, item.id, 2) == moment, "what a writer claims is not taken"
    for forged in (
        update(knowledge_item).values(uploaded_at=before),
        update(knowledge_version).values(uploaded_at=before),
        update(knowledge_version).values(title="改过的"),
        knowledge_version.delete(),
        knowledge_item.delete(),
        knowledge_event.delete(),
        update(knowledge_item).values(version=0),
        text("TRUNCATE knowledge_version"),
        text("TRUNCATE knowledge_item CASCADE"),
    ):
        with pytest.raises(DBAPIError):
            async with db.transaction() as tx:
                await tx.execute(forged)


@pytest.mark.clause("LS-052")
async def test_the_upload_time_of_nothing_is_not_found(tx: AsyncConnection) -> None:
    with pytest.raises(KnowledgeNotFound):
        await service.uploaded_at(tx, 999_999)


# ---- questions and defects


@pytest.mark.clause("LS-072")
async def test_a_question_is_due_after_three_working_days(tx: AsyncConnection) -> None:
    friday = local(2023, 4, 28, 15)
    asked = await knowledge_questions.ask(tx, "停水补偿怎么算?", actor=AGENT, now=friday, rules=rules(), unit=WATER)
    assert asked.due_at == local(2023, 5, 6, 23, 59, 59), "五一 in between, and Saturday 6 May is worked"
    stored = (await tx.execute(text("SELECT * FROM knowledge_question"))).one()
    assert (stored.rule, stored.amount, stored.clock) == ("knowledge.question", 3, "wd")
    assert stored.policy_version == "longsheng@1"
    assert stored.calendar_version == rules().calendar.version
    assert not asked.late(local(2023, 5, 6, 23, 59, 59))
    assert asked.late(local(2023, 5, 7))


@pytest.mark.clause("LS-072")
async def test_the_answer_may_become_an_item(tx: AsyncConnection) -> None:
    asked = await knowledge_questions.ask(tx, "停水补偿怎么算?", actor=AGENT, now=MONDAY, rules=rules(), unit=WATER)
    item = await in_use(tx, draft("停水补偿", trigger=Trigger.QUESTION))
    with pytest.raises(QuestionNotFound):
        await knowledge_questions.answer(tx, asked.id, "见知识点", actor=ROADS_MAN, now=MONDAY)
    with pytest.raises(NotYours):
        await knowledge_questions.answer(tx, asked.id, "见知识点", actor=AGENT, now=MONDAY)
    done = await knowledge_questions.answer(
        tx, asked.id, "见知识点", actor=WATER_MAN, now=MONDAY + DAY, answer_item=item.id
    )
    assert (done.answer_item, done.answered_by, done.late(MONDAY + 9 * DAY)) == (item.id, "user:shui-wu", False)
    with pytest.raises(QuestionAnswered):
        await knowledge_questions.answer(tx, asked.id, "再答", actor=WATER_MAN, now=MONDAY + DAY)
    assert await knowledge_questions.find(tx, AGENT) == ()


@pytest.mark.clause("LS-071")
@pytest.mark.parametrize("defect", list(Defect))
async def test_every_kind_of_defect_is_reported_to_the_owner(tx: AsyncConnection, defect: Defect) -> None:
    item = await in_use(tx)
    asked = await knowledge_questions.ask(
        tx, "与实际不符", actor=AGENT, now=MONDAY, rules=rules(), item_id=item.id, defect=defect
    )
    assert (asked.unit, asked.item_version, asked.defect) == (WATER, 1, defect)
    assert asked.due_at == local(2026, 6, 4, 23, 59, 59)
    assert [one.id for one in await knowledge_questions.find(tx, WATER_MAN, item_id=item.id)] == [asked.id]
    assert await knowledge_questions.find(tx, ROADS_MAN) == ()


async def test_questions_need_somebody_to_ask_and_something_to_say(tx: AsyncConnection) -> None:
    for said, more, sentence in [
        (" ", {"unit": WATER}, "写明"),
        ("停水?", {}, "哪个单位"),
        ("停水?", {"unit": WATER, "defect": Defect.WRONG}, "选择有问题的知识点"),
    ]:
        with pytest.raises(GuardFailed, match=sentence):
            await knowledge_questions.ask(tx, said, actor=AGENT, now=MONDAY, rules=rules(), **more)  # type: ignore[arg-type]


# ---- what is late


@pytest.mark.clause("GZ-040")
async def test_a_unit_that_neglects_its_knowledge_is_told_of_once(tx: AsyncConnection) -> None:
    stale = await in_use(tx)
    refused = await submitted(tx, draft("新户报装"))
    await service.refuse(tx, refused.id, refused.revision, actor=REVIEWER, now=MONDAY, note="材料不全")
    asked = await knowledge_questions.ask(tx, "停水补偿?", actor=AGENT, now=MONDAY, rules=rules(), unit=ROADS)
    in_time = local(2026, 6, 4, 12)
    told = await service.claim_neglected(tx, in_time)
    assert [(one.kind, one.unit, one.subject) for one in told] == [(OverdueKind.REFUSED, WATER, refused.id)]
    assert await knowledge_questions.claim_late(tx, in_time) == ()
    late = local(2026, 11, 29, 0, 0, 1)
    told = (*await service.claim_neglected(tx, late), *await knowledge_questions.claim_late(tx, late))
    assert [(one.kind, one.unit, one.subject) for one in told] == [
        (OverdueKind.REVIEW, WATER, stale.id),
        (OverdueKind.QUESTION, ROADS, asked.id),
    ]
    assert (*await service.claim_neglected(tx, late), *await knowledge_questions.claim_late(tx, late)) == ()
    current = await knowledge_store.load(tx, stale.id, WATER_MAN)
    kept = await service.verify(tx, stale.id, current.revision, actor=WATER_MAN, now=late, rules=rules())
    assert await service.claim_neglected(tx, late) == ()
    much_later = late + timedelta(days=200)
    assert [one.subject for one in await service.claim_neglected(tx, much_later)] == [kept.id], "and again next time"


async def test_an_expired_item_is_left_out_or_stands_last_and_is_marked(tx: AsyncConnection) -> None:
    old = await in_use(tx, draft(valid_until=date(2026, 6, 1)))
    current = await in_use(tx, draft("停水公告", "停水前一日公告。"))
    assert set(await found(tx, "停水")) == {old.id, current.id}, "its last day is still in force"
    tomorrow = TODAY + DAY
    page = await knowledge_search.search(tx, "停水", AGENT, tomorrow)
    assert [hit.item.id for hit in page.hits] == [current.id], "before any sweep has come by"
    page = await knowledge_search.search(tx, "停水", AGENT, tomorrow, with_expired=True)
    assert [(hit.item.id, hit.expired) for hit in page.hits] == [(current.id, False), (old.id, True)]
    assert [item.id for item in await service.expire(tx, local(2026, 6, 2))] == [old.id]
    assert (await knowledge_store.load(tx, old.id, WATER_MAN)).state is ItemState.EXPIRED
    assert await service.expire(tx, local(2026, 6, 2)) == ()


async def test_how_well_units_keep_their_knowledge(tx: AsyncConnection) -> None:
    await in_use(tx)
    good = await knowledge_questions.ask(tx, "甲?", actor=AGENT, now=MONDAY, rules=rules(), unit=WATER)
    await knowledge_questions.ask(tx, "乙?", actor=AGENT, now=MONDAY, rules=rules(), unit=WATER)
    await knowledge_questions.answer(tx, good.id, "答", actor=WATER_MAN, now=local(2026, 6, 4, 23, 59, 59))
    (water,) = await knowledge_questions.upkeep(tx, MONDAY, MONDAY + 30 * DAY)
    assert (water.live, water.stale, water.asked, water.in_time, water.late) == (1, 0, 2, 1, 1)


# ---- what was used


@pytest.mark.clause("GZ-021", "MC-014")
async def test_an_answer_names_the_item_it_rests_on_and_the_ticket_keeps_the_version(tx: AsyncConnection) -> None:
    item = await in_use(tx)
    ticket = await a_ticket(tx)
    detail = commands.Answer("四小时内抢修", str(item.id))
    done = await tickets.carry_out(tx, ticket.id, detail, actor=AGENT, now=MONDAY, rules=rules())
    assert done.ticket.state == "answered"
    row = (await tx.execute(select(knowledge_use))).one()
    assert (row.ticket_id, row.item_id, row.version, row.how) == (ticket.id, item.id, 1, "answer")
    (hit,) = (await knowledge_search.search(tx, "停水", AGENT, TODAY)).hits
    assert hit.uses == 1


@pytest.mark.clause("GZ-021", "MC-014")
async def test_an_answer_rests_on_nothing_but_an_item_in_use(tx: AsyncConnection) -> None:
    unpublished = await written(tx)
    over = await in_use(tx, draft(valid_until=date(2026, 5, 1), valid_from=date(2026, 1, 1)), now=local(2026, 4, 1))
    coming = await in_use(tx, draft(valid_from=date(2027, 1, 1)))
    revised = await in_use(tx)
    ticket = await a_ticket(tx)
    for reference, sentence in [
        ("KB-7", "不是知识点编号"),
        ("999999", "没有编号"),
        (str(unpublished.id), "已发布"),
        (str(over.id), "不在有效期"),
        (str(coming.id), "不在有效期"),
        (f"{revised.id}@2", "现行的是第1版"),
        (f"{revised.id}@", ""),
    ]:
        detail = commands.Answer("答复", reference)
        if not sentence:
            await tickets.carry_out(tx, ticket.id, detail, actor=AGENT, now=MONDAY, rules=rules())
            continue
        with pytest.raises(GuardFailed, match=sentence):
            async with tx.begin_nested():
                await tickets.carry_out(tx, ticket.id, detail, actor=AGENT, now=MONDAY, rules=rules())


async def a_ticket(tx: AsyncConnection) -> tickets.Outcome:
    ticket = await tickets.open_draft(tx, actor=AGENT, now=MONDAY, rules=rules(), call_id=CallId("a-1763800000.77"))
    return await tickets.register(
        tx, ticket.id, fields=FIELDS, actor=AGENT, now=MONDAY, rules=rules(), intake_exception="经站长同意"
    )


# ---- search


async def many(tx: AsyncConnection) -> dict[str, Item]:
    """Items that say 医保 in different places."""
    return {
        "body": await in_use(tx, draft("就医须知", "请携带医保卡。" + "请遵守秩序。" * 5, keywords=())),
        "keyword": await in_use(tx, draft("看病指南", "请遵守秩序。" * 5, keywords=("医保",))),
        "title": await in_use(tx, draft("医保报销比例", "住院按七成报销。", keywords=())),
        "other": await in_use(tx, draft("燃气安检", "每年一次。", keywords=())),
    }


async def test_a_title_goes_before_a_keyword_and_a_keyword_before_the_text(tx: AsyncConnection) -> None:
    items = await many(tx)
    assert await found(tx, "医保") == [items[name].id for name in ("title", "keyword", "body")]


async def test_a_question_in_a_citizens_words_finds_its_item(tx: AsyncConnection) -> None:
    items = await many(tx)
    page = await knowledge_search.search(tx, "我想问一下医保报销的比例是多少", AGENT, TODAY)
    assert [hit.item.id for hit in page.hits] == [items["title"].id]
    assert page.matched is Matched.ALL
    page = await knowledge_search.search(tx, "医保能不能报销安检", AGENT, TODAY)
    assert page.matched is Matched.ANY
    assert {hit.item.id for hit in page.hits} == {one.id for one in items.values()}
    assert page.hits[0].item.id == items["title"].id, "two of the words, in its title"


async def test_found_words_are_marked_and_nothing_of_a_text_becomes_a_tag(tx: AsyncConnection) -> None:
    await in_use(tx, draft("停水<script>alert(1)</script>", "<b>停水</b>后&请拨打电话"))
    (hit,) = (await knowledge_search.search(tx, "停水", AGENT, TODAY)).hits
    assert hit.title_html == "<em>停水</em>&lt;script&gt;alert(1)&lt;/script&gt;"
    assert hit.snippet_html == "&lt;b&gt;<em>停水</em>&lt;/b&gt;后&amp;请拨打电话"


async def test_pages_go_by_score_and_show_nothing_twice(tx: AsyncConnection) -> None:
    for n in range(7):
        await in_use(tx, draft(f"停水公告{n % 3}号", "停水。" * (n + 1)))
    seen: list[int] = []
    after = None
    while True:
        page = await knowledge_search.search(tx, "停水", AGENT, TODAY, after=after, limit=3)
        seen += [hit.item.id for hit in page.hits]
        after = page.after
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 7
    whole = await knowledge_search.search(tx, "停水", AGENT, TODAY, limit=50)
    assert seen == [hit.item.id for hit in whole.hits]


async def test_where_two_say_it_alike_the_newer_goes_first(tx: AsyncConnection) -> None:
    older = await in_use(tx, draft(), now=local(2025, 6, 2))
    newer = await in_use(tx, draft())
    assert await found(tx, "停水") == [newer.id, older.id]


async def test_filters_of_a_search(tx: AsyncConnection) -> None:
    mine = await in_use(tx)
    assert await found(tx, "停水", unit=WATER) == [mine.id]
    assert await found(tx, "停水", unit=ROADS) == []


async def test_an_edited_item_keeps_no_old_words(tx: AsyncConnection) -> None:
    item = await in_use(tx)
    changed = draft("水表校验", "免费校验水表。", keywords=())
    item = await service.revise(tx, item.id, item.revision, changed, actor=WATER_MAN, now=MONDAY, rules=rules())
    item = await service.submit(tx, item.id, item.revision, actor=WATER_MAN, now=MONDAY, rules=rules())
    await service.approve(tx, item.id, item.revision, actor=REVIEWER, now=MONDAY, rules=rules())
    assert await found(tx, "停水") == []
    assert await found(tx, "校验") == [item.id]


async def test_changing_who_answers_for_it(tx: AsyncConnection) -> None:
    item = await in_use(tx)
    after = await service.revise(
        tx, item.id, item.revision, replace(draft(), note="人员调整"), actor=WATER_MAN, now=MONDAY, rules=rules(),
        accountable="张工",
    )  # fmt: skip
    assert after.accountable == "张工"
