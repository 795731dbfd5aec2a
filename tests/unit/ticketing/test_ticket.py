"""A ticket's life by the table: what each step needs, what it changes, and what is refused with which sentence."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import pytest

from callcenter.types import Actor, Role, UnitId
from tests.support.tickets import (
    AGENT,
    AUDITOR,
    DISPATCHER,
    FIELDS,
    MONDAY,
    REVIEWER,
    ROADS,
    ROADS_MAN,
    SUPERVISOR,
    SYSTEM,
    WATER,
    WATER_MAN,
    closed,
    contents,
    dispatched,
    do,
    draft,
    handling,
    local,
    rated,
    registered,
    replied,
    signed,
    surveying,
)
from ticketing import commands, course, facts
from ticketing.clocks import DeadlineKind, Period, parse_period
from ticketing.commands import AnyDetail, Changes
from ticketing.diagram import mermaid
from ticketing.policy import StatutoryLimit
from ticketing.record import GuardFailed, NotNow, NotYours, Refused, Ticket
from ticketing.ticket import TRANSITIONS, allowed
from ticketing.words import EVENT_NAMES, STATE_NAMES, Event, RatingSource, State

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
URGENT = replace(FIELDS, urgent=True)
COMPLAINT = replace(FIELDS, request_type="投诉")
NOTICE = commands.PhoneNotice(MONDAY, "值班室老李")
REASON = "来电人直接拨打"

DETAILS: dict[Event, AnyDetail] = {
    Event.EDIT: commands.Edit(Changes(place="桂龙路12号"), "补充地点"),
    Event.REGISTER: commands.Register(FIELDS, REASON),
    Event.ANSWER: commands.Answer("办事大厅周一至周五开放", "KB-12"),
    Event.REJECT: commands.Reject("ABUSE", "已告知"),
    Event.REFER: commands.Refer("110", "请拨打110"),
    Event.FORWARD: commands.Forward(),
    Event.WITHDRAW: commands.Withdraw("诉求人要求撤回"),
    Event.DISPATCH: commands.Dispatch(WATER),
    Event.ADD_ASSIST: commands.AddAssist(ROADS, "需要挖开路面"),
    Event.SIGN: commands.Sign(),
    Event.START: commands.Start(),
    Event.ASK_RETURN: commands.AskReturn("不属于本单位职责", "三定方案第三条"),
    Event.GRANT_RETURN: commands.GrantReturn(),
    Event.REFUSE_RETURN: commands.RefuseReturn("minor_flaw"),
    Event.ASK_EXTENSION: commands.AskExtension(2, "配件未到", MONDAY),
    Event.GRANT_EXTENSION: commands.GrantExtension(2),
    Event.REFUSE_EXTENSION: commands.RefuseExtension("理由不充分"),
    Event.REPLY: commands.Reply(contents()),
    Event.REJECT_REPLY: commands.RejectReply("VAGUE", "没有说明何时恢复"),
    Event.BEGIN_SURVEY: commands.BeginSurvey(),
    Event.SURVEY_DELIVERED: commands.SurveyDelivered(MONDAY),
    Event.RATE: commands.Rate("满意", RatingSource.CITIZEN),
    Event.NOTE_CAUSE: commands.NoteCause("NOT_DONE", "水还是没来"),
    Event.CLOSE: commands.Close(),
    Event.REWORK: commands.Rework("问题没有解决"),
    Event.ARCHIVE: commands.Archive(),
}
EVERYBODY = Actor("user", "all", frozenset(Role), WATER)


def test_every_event_has_a_command_and_every_state_and_event_a_name() -> None:
    assert set(DETAILS) == {event for _, event in course.ROWS}
    assert {event for _, event in TRANSITIONS} == set(Event) - {Event.OPEN}
    assert set(STATE_NAMES) == set(State)
    assert set(EVENT_NAMES) == set(Event)


@dataclass(frozen=True, slots=True)
class Asked:
    """An event and nothing more: enough to be told that it does not fit the state."""

    event: Event


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", [event for event in Event if event is not Event.OPEN])
def test_every_pair_is_a_transition_or_refused_with_a_sentence(state: State, event: Event) -> None:
    ticket = replace(registered(), state=state, lead_unit=WATER)
    if (state, event) in TRANSITIONS:
        return
    with pytest.raises(NotNow) as refused:
        do(ticket, Asked(event), EVERYBODY)
    sentence = refused.value.sentence
    assert STATE_NAMES[state] in sentence
    assert EVENT_NAMES[event] in sentence
    for other in allowed(ticket, EVERYBODY):
        assert EVENT_NAMES[other] in sentence


def test_every_state_is_reached_and_only_a_new_round_leaves_archived() -> None:
    reached = {transition.next for transition in TRANSITIONS.values()} | {State.DRAFT}
    left = {state for (state, _), transition in TRANSITIONS.items() if transition.next is not state}
    assert reached == set(State)
    assert left == set(State)
    assert [e for (s, e), row in TRANSITIONS.items() if s is State.ARCHIVED and row.next is not s] == [Event.REWORK]


def test_the_diagram_has_every_arrow() -> None:
    picture = mermaid()
    for (state, event), transition in TRANSITIONS.items():
        assert any(
            line.startswith(f"  {state} --> {transition.next}:") and EVENT_NAMES[event] in line
            for line in picture.splitlines()
        )


def test_a_whole_life() -> None:
    ticket = closed()
    archived, told = do(ticket, commands.Archive(), SYSTEM, MONDAY + DAY)
    assert archived.state is State.ARCHIVED
    # register, dispatch, sign, start, reply, begin survey, rate, close, archive; the draft was version 1
    assert archived.version == 10
    assert [type(fact) for fact in told] == [facts.TicketArchived]


# ---- who may -----------------------------------------------------------------------------------------------------

WRONG_PERSON: list[tuple[Callable[[], Ticket], Event, Actor, str]] = [
    (draft, Event.REGISTER, WATER_MAN, "话务员、派单员"),
    (registered, Event.DISPATCH, AGENT, "派单员"),
    (dispatched, Event.SIGN, ROADS_MAN, "主办单位"),
    (dispatched, Event.SIGN, DISPATCHER, "主办单位"),
    (dispatched, Event.SIGN, Actor("user", "lost", frozenset({Role.UNIT})), "主办单位"),
    (handling, Event.REPLY, ROADS_MAN, "主办单位"),
    (signed, Event.GRANT_RETURN, WATER_MAN, "派单员"),
    (signed, Event.GRANT_EXTENSION, WATER_MAN, "派单员"),
    (signed, Event.ADD_ASSIST, WATER_MAN, "派单员"),
    (replied, Event.REJECT_REPLY, WATER_MAN, "审核员"),
    (surveying, Event.RATE, WATER_MAN, "话务员"),
    (surveying, Event.SURVEY_DELIVERED, REVIEWER, "系统"),
    (surveying, Event.CLOSE, WATER_MAN, "审核员"),
    (closed, Event.ARCHIVE, AGENT, "督办员"),
    (registered, Event.EDIT, AUDITOR, "话务员"),
]


@pytest.mark.parametrize(("ticket", "event", "actor", "who"), WRONG_PERSON)
def test_the_wrong_person_is_told_who_may(ticket: Callable[[], Ticket], event: Event, actor: Actor, who: str) -> None:
    with pytest.raises(NotYours) as refused:
        do(ticket(), DETAILS[event], actor)
    assert who in refused.value.sentence


def test_the_assist_unit_sees_but_does_not_sign() -> None:
    ticket, _ = do(registered(), commands.Dispatch(WATER, (ROADS,)), DISPATCHER)
    assert ticket.assist_units == (ROADS,)
    with pytest.raises(NotYours):
        do(ticket, commands.Sign(), ROADS_MAN)


# ---- guards: what is missing, and where it stands ------------------------------------------------------------------

EMPTY = Changes(request_type="", source="", content=" ")
REFUSALS: list[tuple[Callable[[], Ticket], AnyDetail, Actor, str, str]] = [
    (draft, commands.Register(EMPTY, REASON), AGENT, "诉求类型、来源、诉求内容", ""),
    (draft, commands.Register(replace(FIELDS, request_type="表白"), REASON), AGENT, "「表白」不在本地规定之内", ""),
    (draft, commands.Register(replace(FIELDS, source="天上"), REASON), AGENT, "来源「天上」", ""),
    (draft, commands.Register(FIELDS), AGENT, "请写明理由", "第七条(一)"),
    (draft, commands.Edit(Changes()), AGENT, "没有要修改的内容", ""),
    (draft, commands.Edit(Changes(place="很" * 501)), AGENT, "地点最多500字", ""),
    (draft, commands.Edit(Changes(content="很" * 20_001)), AGENT, "最多20000字", ""),
    (draft, commands.Edit(Changes(content="坏\x00字")), AGENT, "无法保存的字符", ""),
    (draft, commands.Edit(Changes(content="坏\ud800字")), AGENT, "无法保存的字符", ""),
    (draft, commands.Withdraw("  "), AGENT, "请写明理由", ""),
    (registered, commands.Edit(Changes(place="别处")), AGENT, "须写明理由", ""),
    (registered, commands.Answer("好的"), AGENT, "知识点", ""),
    (registered, commands.Answer(" ", "KB-1"), AGENT, "答复内容", ""),
    (registered, commands.Reject("BORING", "已告知"), AGENT, "OUT_OF_JURISDICTION(不属于本县行政管辖范围)", ""),
    (registered, commands.Reject("ABUSE", ""), AGENT, "告知诉求人", "第四条(六)"),
    (registered, commands.Reject("OUT_OF_JURISDICTION", "已告知"), AGENT, "应向哪里反映", "第四条(一)"),
    (registered, commands.Reject("REPEAT_ALREADY_CLOSED", "已告知"), AGENT, "原工单编号", "第四条(五)"),
    (registered, commands.Reject("UNTRUE_NO_EVIDENCE", "已告知"), AGENT, "须经核实才能认定", "第四条(八)"),
    (registered, commands.Reject("OTHER_LAW", "已告知"), AGENT, "依据", "第四条(九)"),
    (registered, commands.Refer("110", ""), AGENT, "转向哪里", ""),
    (registered, commands.Dispatch(UnitId("")), DISPATCHER, "一家主办单位", "第十八条"),
    (registered, commands.Dispatch(WATER, (WATER,)), DISPATCHER, "重复", "第十八条"),
    (registered, commands.Dispatch(WATER, (ROADS, ROADS)), DISPATCHER, "重复", "第十八条"),
    (
        registered,
        commands.Dispatch(WATER, statutory=StatutoryLimit(Period(30, parse_period("1wd").clock), "", "")),
        DISPATCHER,
        "法律依据和批准人",
        "第十二条(二)8",
    ),
    (lambda: registered(fields=URGENT), commands.Dispatch(WATER), DISPATCHER, "电话通知", "第十一条(三)"),
    (
        lambda: registered(fields=URGENT),
        commands.Dispatch(WATER, phone_notice=commands.PhoneNotice(MONDAY + HOUR, "老李")),
        DISPATCHER,
        "晚于现在",
        "第十一条(三)",
    ),
    (dispatched, commands.Edit(Changes(request_type="咨询"), "写错了"), DISPATCHER, "不能再改诉求类型", ""),
    (dispatched, commands.Edit(Changes(urgent=True), "写错了"), DISPATCHER, "不能再改突发", ""),
    (dispatched, commands.AddAssist(WATER, "一起"), DISPATCHER, "已经是", "第十八条"),
    (signed, commands.AskReturn("不是我们", ""), WATER_MAN, "理由和依据", "第十二条(三)2"),
    (signed, commands.AskReturn("", "三定"), WATER_MAN, "理由和依据", "第十二条(三)2"),
    (signed, commands.GrantReturn(), DISPATCHER, "没有待审核的退单", ""),
    (signed, commands.AskExtension(2, "", MONDAY), WATER_MAN, "理由", "第十二条(二)9"),
    (signed, commands.AskExtension(2, "配件未到"), WATER_MAN, "向诉求人说明情况", "第十二条(二)9"),
    (signed, commands.AskExtension(4, "配件未到", MONDAY), WATER_MAN, "1至3个工作日", "第十二条(二)9"),
    (signed, commands.AskExtension(0, "配件未到", MONDAY), WATER_MAN, "1至3个工作日", "第十二条(二)9"),
    (signed, commands.GrantExtension(1), DISPATCHER, "没有待审核的延期", ""),
    (signed, commands.RefuseExtension("不行"), DISPATCHER, "没有待审核的延期", ""),
    (replied, commands.RejectReply("VAGUE", " "), REVIEWER, "理由", ""),
    (surveying, commands.Rate("满意", RatingSource.CITIZEN), AGENT, "诉求人本人", ""),
    (surveying, commands.Rate("满意", RatingSource.MANUAL), SYSTEM, "诉求人本人", ""),
    (surveying, commands.Rate("很好", RatingSource.MANUAL), AGENT, "满意、基本满意、不满意", ""),
    (surveying, commands.Rate("满意", RatingSource.DEFAULT), SYSTEM, "没有送达", "第十三条(二)"),
    (surveying, commands.Rate("不满意", RatingSource.DEFAULT), SYSTEM, "默认评价", "第十三条(二)"),
    (surveying, commands.SurveyDelivered(MONDAY + HOUR), SYSTEM, "送达时间", ""),
    (surveying, commands.SurveyDelivered(MONDAY - HOUR), SYSTEM, "送达时间", ""),
    (surveying, commands.NoteCause("NOT_DONE", "x"), AGENT, "只有评价不满意", ""),
    (surveying, commands.Close(), SYSTEM, "须由审核人员", "第十三条(三)"),
    (surveying, commands.Close(), REVIEWER, "客观原因", "第十三条(三)"),
    (surveying, commands.Close(cause="UNREACHABLE"), REVIEWER, "所作的解释", "第十三条(三)"),
    (surveying, commands.Rework("再做"), REVIEWER, "没有评价不满意", ""),
    (lambda: rated("满意"), commands.Rate("不满意", RatingSource.CITIZEN), SYSTEM, "不能更改", ""),
    (lambda: rated("不满意"), commands.NoteCause("WEATHER", "下雨"), AGENT, "NOT_DONE", "第十三条(三)"),
    (lambda: rated("不满意"), commands.Close(), REVIEWER, "须先人工回访", "第十三条(三)"),
    (lambda: rated("不满意"), commands.Rework("再做"), REVIEWER, "须先人工回访", "第十三条(三)"),
    (closed, commands.Rework(""), SUPERVISOR, "须写明理由", ""),
]


@pytest.mark.parametrize(("ticket", "detail", "actor", "says", "article"), REFUSALS)
def test_a_broken_rule_is_refused_with_a_sentence_and_its_article(
    ticket: Callable[[], Ticket], detail: AnyDetail, actor: Actor, says: str, article: str
) -> None:
    before = ticket()
    with pytest.raises(GuardFailed) as refused:
        do(before, detail, actor)
    assert says in refused.value.sentence
    assert article in refused.value.article
    assert refused.value.sentence.endswith(("。", "。)"))


# ---- registration and dispatch -------------------------------------------------------------------------------------


def test_what_the_platform_above_sends_needs_no_exception() -> None:
    ticket, _ = do(draft(), commands.Register(FIELDS), Actor("unit_platform", "city"))
    assert ticket.state is State.REGISTERED


def test_a_title_is_made_of_the_content_when_none_is_typed() -> None:
    assert registered().title == "龙胜镇桂龙路停水两天了，希望尽快恢复供水。"[:30]
    assert registered(fields=replace(FIELDS, title="停水")).title == "停水"


def test_what_a_person_typed_is_remembered() -> None:
    assert registered().typed == {"request_type", "source", "content", "place"}


def test_registration_starts_the_dispatch_clock_and_dispatch_meets_it() -> None:
    waiting = registered()
    due = waiting.due(DeadlineKind.DISPATCH)
    assert due is not None
    assert due.deadline.due_at == MONDAY + 2 * HOUR
    sent, _ = do(waiting, commands.Dispatch(WATER), DISPATCHER, MONDAY + HOUR)
    assert sent.due(DeadlineKind.DISPATCH) is None
    assert next(d for d in sent.dues if d.deadline.kind is DeadlineKind.DISPATCH).met_at == MONDAY + HOUR


@pytest.mark.parametrize("detail", [DETAILS[event] for event in (Event.ANSWER, Event.REJECT, Event.REFER)])
def test_an_end_at_the_desk_meets_the_dispatch_clock(detail: AnyDetail) -> None:
    done, told = do(registered(), detail, AGENT, MONDAY + HOUR)
    assert done.due(DeadlineKind.DISPATCH) is None
    assert done.result
    assert len(told) == 1


def test_dispatch_tells_both_limits() -> None:
    _, (told,) = do(registered(fields=COMPLAINT), commands.Dispatch(WATER), DISPATCHER)
    assert isinstance(told, facts.TicketDispatched)
    assert told.sign_due_at == local(2026, 6, 2, 23, 59, 59)
    assert told.handle_due_at == local(2026, 6, 15, 23, 59, 59)


def test_an_urgent_ticket_counts_minutes_from_dispatch_also_at_night_and_on_feasts() -> None:
    at = local(2023, 4, 29, 23, 50)
    ticket = dispatched(at, URGENT)
    sign, handle = ticket.due(DeadlineKind.SIGN), ticket.due(DeadlineKind.HANDLE)
    assert sign is not None
    assert handle is not None
    assert sign.deadline.due_at == local(2023, 4, 30, 0, 20)
    assert handle.deadline.due_at == local(2023, 4, 30, 23, 50)
    back = do(ticket, commands.Sign(), WATER_MAN, at + 10 * HOUR / 60)[0].due(DeadlineKind.RETURN)
    assert back is not None
    assert back.deadline.due_at == local(2023, 4, 30, 0, 30)


def test_a_statutory_limit_goes_before_all() -> None:
    other = StatutoryLimit(parse_period("30wd"), "行政处罚法第六十条", "站长")
    ticket, _ = do(registered(fields=COMPLAINT), commands.Dispatch(WATER, statutory=other), DISPATCHER)
    due = ticket.due(DeadlineKind.HANDLE)
    assert due is not None
    assert (due.deadline.rule_id, due.deadline.amount) == ("handle.statutory_override", 30)


def test_praise_runs_without_a_handling_limit() -> None:
    ticket = handling(fields=replace(FIELDS, request_type="表扬"))
    assert ticket.due(DeadlineKind.HANDLE) is None
    with pytest.raises(GuardFailed, match="没有办理时限"):
        do(ticket, commands.AskExtension(1, "忙", MONDAY), WATER_MAN)


def test_a_deadline_keeps_policy_and_calendar_version() -> None:
    due = dispatched().due(DeadlineKind.HANDLE)
    assert due is not None
    assert due.deadline.policy_version == "longsheng@1"
    assert due.deadline.calendar_version.startswith("2022-2035-")


def test_the_confidential_flag_may_be_set_while_a_unit_works() -> None:
    ticket, _ = do(handling(), commands.Edit(Changes(confidential=True), "举报人要求保密"), DISPATCHER)
    assert ticket.confidential


# ---- returns and extensions ----------------------------------------------------------------------------------------


def test_a_granted_return_ends_the_units_clocks_and_the_next_unit_has_its_own() -> None:
    asked, _ = do(signed(), DETAILS[Event.ASK_RETURN], WATER_MAN, MONDAY + HOUR)
    assert asked.due(DeadlineKind.HANDLE) is not None, "the handling clock runs while the return is judged"
    back, (told,) = do(asked, commands.GrantReturn(), DISPATCHER, MONDAY + 2 * HOUR)
    assert isinstance(told, facts.ReturnGranted)
    assert (back.state, back.lead_unit, back.returns, back.round) == (State.AWAITING_DISPATCH, None, 1, 1)
    assert [d.deadline.kind for d in back.dues if d.open] == [DeadlineKind.DISPATCH]
    again, _ = do(back, commands.Dispatch(ROADS), DISPATCHER, MONDAY + 3 * DAY)
    due = again.due(DeadlineKind.HANDLE)
    assert due is not None
    assert due.deadline.from_at == MONDAY + 3 * DAY


def test_a_refused_return_changes_no_clock() -> None:
    ticket = signed()
    asked, _ = do(ticket, DETAILS[Event.ASK_RETURN], WATER_MAN)
    back, (told,) = do(asked, commands.RefuseReturn("clue_given", "请先核实"), DISPATCHER)
    assert isinstance(told, facts.ReturnRefused)
    assert back.dues == ticket.dues
    assert not back.return_open
    with pytest.raises(GuardFailed, match="duty_fixed"):
        do(asked, commands.RefuseReturn("because"), DISPATCHER)


@pytest.mark.parametrize(
    ("asked_at", "in_time"),
    [(local(2026, 6, 2, 23, 59, 59), True), (local(2026, 6, 3, 0, 0), False)],
)
def test_the_return_window_ends_with_the_next_working_day(asked_at: datetime, in_time: bool) -> None:
    if in_time:
        assert do(signed(), DETAILS[Event.ASK_RETURN], WATER_MAN, asked_at)[0].return_open
        return
    with pytest.raises(GuardFailed, match="已超过申请退单的期限"):
        do(signed(), DETAILS[Event.ASK_RETURN], WATER_MAN, asked_at)


def test_no_return_after_an_extension_was_asked_for_even_when_it_was_refused() -> None:
    asked, _ = do(signed(), DETAILS[Event.ASK_EXTENSION], WATER_MAN)
    refused, _ = do(asked, DETAILS[Event.REFUSE_EXTENSION], DISPATCHER)
    for ticket in (asked, refused):
        with pytest.raises(GuardFailed) as told:
            do(ticket, DETAILS[Event.ASK_RETURN], WATER_MAN)
        assert told.value.article == "第十二条(三)7"


def test_no_reply_while_a_return_is_judged() -> None:
    asked, _ = do(handling(), DETAILS[Event.ASK_RETURN], WATER_MAN)
    with pytest.raises(GuardFailed, match="退单申请正在审核"):
        do(asked, commands.Reply(contents()), WATER_MAN)


def test_an_extension_counts_from_the_original_start_and_keeps_the_old_deadline() -> None:
    ticket = handling(fields=COMPLAINT)
    asked, _ = do(ticket, commands.AskExtension(5, "配件未到", MONDAY), WATER_MAN, MONDAY + DAY)
    longer, (told,) = do(asked, commands.GrantExtension(4), DISPATCHER, MONDAY + 2 * DAY)
    assert isinstance(told, facts.ExtensionGranted)
    # 10 + 4 working days from Monday 2026-06-01, over 端午 (Fri 06-19)
    assert told.due_at == local(2026, 6, 22, 23, 59, 59)
    handle = [d for d in longer.dues if d.deadline.kind is DeadlineKind.HANDLE]
    assert [(d.deadline.amount, d.open) for d in handle] == [(10, False), (14, True)]
    assert handle[0].ended_at == MONDAY + 2 * DAY
    # 10 days were granted at first; 4 are used, 6 are left.
    with pytest.raises(GuardFailed, match="1至6个工作日"):
        do(longer, commands.AskExtension(7, "还是没到", MONDAY), WATER_MAN, MONDAY + 3 * DAY)
    twice, _ = do(longer, commands.AskExtension(6, "还是没到", MONDAY), WATER_MAN, MONDAY + 3 * DAY)
    full, _ = do(twice, commands.GrantExtension(6), DISPATCHER, MONDAY + 3 * DAY)
    with pytest.raises(GuardFailed, match="已用满"):
        do(full, commands.AskExtension(1, "再来", MONDAY), WATER_MAN, MONDAY + 3 * DAY)


def test_an_extension_is_asked_for_before_the_deadline() -> None:
    with pytest.raises(GuardFailed, match="到期前"):
        do(handling(), commands.AskExtension(1, "忙", MONDAY), WATER_MAN, local(2026, 6, 5, 0, 0))


def test_no_more_is_granted_than_was_asked() -> None:
    asked, _ = do(signed(), commands.AskExtension(1, "配件未到", MONDAY), WATER_MAN)
    with pytest.raises(GuardFailed, match="不能超过申请的1"):
        do(asked, commands.GrantExtension(2), DISPATCHER)


def test_a_confidential_requester_need_not_be_told_by_the_unit() -> None:
    ticket = replace(signed(), confidential=True)
    assert do(ticket, commands.AskExtension(1, "配件未到"), WATER_MAN)[0].extension_asked == 1


# ---- replies -------------------------------------------------------------------------------------------------------

REPLIES: list[tuple[Changes, dict[str, object], str, str]] = [
    (FIELDS, {"handled_on": None}, "办理时间(具体到日)", "第十二条(四)1"),
    (URGENT, {"handled_hour": None}, "办理时间(具体到时)", "第十二条(四)1"),
    (FIELDS, {"handler": " ", "situation": ""}, "经办人、办理情况", "第十二条(四)1"),
    (FIELDS, {"handling_unit": ""}, "具体办理单位", "第十二条(四)1"),
    (FIELDS, {"citizen_contacted_at": None}, "联系诉求人的时间", "第十二条(一)"),
    (FIELDS, {"finished": False}, "阶段性办理结果、后续处理计划", "第十二条(四)1"),
    (FIELDS, {"finished": False, "stage_result": "已立项"}, "后续处理计划", "第十二条(四)1"),
    (COMPLAINT, {"not_enforcement": False}, "立案决定书", "第十二条(四)3"),
    (COMPLAINT, {"not_enforcement": False, "case_number": "龙城管〔2026〕1号"}, "立案编号和立案日期", "第十二条(四)3"),
    (COMPLAINT, {"not_enforcement": False, "not_filed_reason": "证据不足"}, "不予立案的法律依据", "第十二条(四)3"),
    (FIELDS, {"handled_on": date(2026, 6, 2)}, "2026-06-01至2026-06-01", "第十二条(四)1"),
    (FIELDS, {"handled_on": date(2026, 5, 31)}, "之间", "第十二条(四)1"),
    (FIELDS, {"handled_hour": 24}, "0至23", "第十二条(四)1"),
    (FIELDS, {"citizen_contacted_at": MONDAY + HOUR}, "晚于现在", "第十二条(四)1"),
]


@pytest.mark.clause("LS-029", "LS-055", "LS-056", "LS-058", "LS-059")
@pytest.mark.parametrize(("fields", "given", "says", "article"), REPLIES)
def test_a_reply_that_lacks_something_is_told_what(
    fields: Changes, given: dict[str, object], says: str, article: str
) -> None:
    with pytest.raises(GuardFailed) as refused:
        do(handling(fields=fields), commands.Reply(contents(**given)), WATER_MAN)  # type: ignore[arg-type]
    assert says in refused.value.sentence
    assert article in refused.value.article


@pytest.mark.clause("LS-058", "LS-059")
@pytest.mark.parametrize(
    "given",
    [
        {"case_file": "立案决定书.pdf"},
        {"case_number": "龙城管〔2026〕1号", "case_filed_on": date(2026, 6, 1)},
        {"not_filed_reason": "证据不足", "not_filed_law": "行政处罚法第五十四条"},
        {"not_enforcement": True},
    ],
)
def test_a_complaints_reply_is_complete_in_any_of_four_ways(given: dict[str, object]) -> None:
    reply = commands.Reply(contents(**{"not_enforcement": False, **given}))  # type: ignore[arg-type]
    assert do(handling(fields=COMPLAINT), reply, WATER_MAN)[0].state is State.REPLIED


def test_an_ordinary_reply_needs_no_hour_and_a_confidential_one_no_contact() -> None:
    do(handling(), commands.Reply(contents(handled_hour=None)), WATER_MAN)
    hidden = replace(handling(), confidential=True)
    do(hidden, commands.Reply(contents(citizen_contacted_at=None)), WATER_MAN)


@pytest.mark.parametrize(("at", "on_time"), [(local(2026, 6, 4, 23, 59, 59), True), (local(2026, 6, 5, 0, 0), False)])
def test_the_reply_decides_whether_it_was_in_time(at: datetime, on_time: bool) -> None:
    answered, (told,) = do(handling(), commands.Reply(contents(at)), WATER_MAN, at)
    assert isinstance(told, facts.TicketReplied)
    assert told.on_time is on_time
    assert answered.due(DeadlineKind.HANDLE) is None


def test_a_rejected_reply_runs_on_the_old_clock() -> None:
    ticket = handling()
    before = ticket.due(DeadlineKind.HANDLE)
    answered, _ = do(ticket, commands.Reply(contents()), WATER_MAN, MONDAY + HOUR)
    back, _ = do(answered, DETAILS[Event.REJECT_REPLY], REVIEWER, MONDAY + DAY)
    assert back.state is State.HANDLING
    assert back.due(DeadlineKind.HANDLE) == before


def test_a_reply_settles_an_open_extension_request() -> None:
    asked, _ = do(handling(), DETAILS[Event.ASK_EXTENSION], WATER_MAN)
    assert do(asked, commands.Reply(contents()), WATER_MAN)[0].extension_asked == 0


# ---- survey, closing, a new round ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "counts"), [(24 * HOUR, True), (24 * HOUR - timedelta(seconds=1), False)])
def test_silence_counts_only_after_the_whole_window_from_delivery(after: timedelta, counts: bool) -> None:
    delivered = MONDAY + HOUR
    ticket, (told,) = do(surveying(), commands.SurveyDelivered(delivered), SYSTEM, MONDAY + 2 * HOUR)
    assert isinstance(told, facts.SurveyReached)
    assert told.expires_at == delivered + 24 * HOUR
    silence = commands.Rate("满意", RatingSource.DEFAULT, delivered_at=delivered)
    if counts:
        assert do(ticket, silence, SYSTEM, delivered + after)[0].rating_source is RatingSource.DEFAULT
        return
    with pytest.raises(GuardFailed, match="回访期限未满"):
        do(ticket, silence, SYSTEM, delivered + after)


def test_an_unsatisfied_citizen_is_called_then_the_ticket_is_reworked() -> None:
    unhappy = rated("不满意")
    known, (told,) = do(unhappy, commands.NoteCause("NOT_DONE", "水压不够"), AGENT)
    assert isinstance(told, facts.CauseNoted)
    assert told.unit == WATER
    with pytest.raises(GuardFailed, match="只有客观原因"):
        do(known, commands.Close("解释过了"), REVIEWER)
    again, (ordered,) = do(known, commands.Rework("水压不够，请再查"), REVIEWER, MONDAY + DAY)
    assert isinstance(ordered, facts.ReworkOrdered)
    assert (again.state, again.round, again.rating, again.cause_code) == (State.AWAITING_DISPATCH, 2, None, "")
    assert [d.deadline.kind for d in again.dues if d.open] == [DeadlineKind.DISPATCH]
    assert all(d.round == 2 for d in again.dues if d.open)


def test_an_objective_cause_closes_with_an_explanation_and_is_marked() -> None:
    known, _ = do(rated("不满意"), commands.NoteCause("NO_LEGAL_GROUND", "要求超出政策"), REVIEWER)
    done, (told,) = do(known, commands.Close("已当面解释补贴政策"), REVIEWER)
    assert isinstance(told, facts.TicketClosed)
    assert told.explained
    assert (told.rating, told.source) == ("不满意", RatingSource.CITIZEN)
    assert done.state is State.CLOSED


def test_a_citizen_nobody_reaches_is_closed_unrated_by_a_reviewer() -> None:
    done, (told,) = do(surveying(), commands.Close("三天六次无人接听", "UNREACHABLE"), REVIEWER)
    assert isinstance(told, facts.TicketClosed)
    assert (told.rating, told.explained) == (None, True)
    assert done.cause_code == "UNREACHABLE"


def test_a_closed_ticket_is_taken_up_again_in_a_new_round() -> None:
    again, _ = do(closed(), commands.Rework("回头看发现没有恢复供水"), SUPERVISOR, MONDAY + 5 * DAY)
    assert (again.state, again.round, again.closed_at) == (State.AWAITING_DISPATCH, 2, None)


def test_a_refusal_changes_nothing_and_says_so_to_people() -> None:
    before = registered()
    with pytest.raises(Refused) as told:
        do(before, commands.Sign(), WATER_MAN)
    assert before == registered()
    assert "「签收」" in str(told.value)
