"""What each of the five texts takes in and what it refuses: types, channels, requesters, grounds of 不予受理."""

from dataclasses import replace
from typing import Any

import pytest

from callcenter.types import Actor, UnitId
from tests.support.signatures import REQUEST, do, new, registered, rules
from tests.support.tickets import AGENT, MONDAY
from ticketing import commands
from ticketing.commands import Changes
from ticketing.dispatch import dispatching
from ticketing.dispatch.units import Person, Post, Unit
from ticketing.policy import Policy
from ticketing.record import GuardFailed
from ticketing.words import Flag, State

clause = pytest.mark.clause


def policy_of(policy_id: str) -> Policy:
    return rules(policy_id).policies[-1]


TYPES = [
    pytest.param("ganzhou", "咨询 求助 投诉 举报 意见建议", marks=clause("GZ-002")),
    pytest.param("weixi", "咨询 求助 意见建议 投诉 举报", marks=clause("WX-001")),
    pytest.param("longsheng", "咨询 求助 投诉 举报 建议 表扬", marks=clause("LS-002", "LS-098")),
    pytest.param("suqian", "咨询 求助 投诉 举报 意见建议 批评", marks=clause("SQ-046", "SQ-052")),
    pytest.param("mengcheng", "咨询 求助 投诉 举报 意见建议", marks=clause("MC-007")),
]


@pytest.mark.parametrize(("policy_id", "types"), TYPES)
def test_a_request_is_of_one_of_the_texts_types(policy_id: str, types: str) -> None:
    for name in types.split():
        changes = replace(REQUEST, request_type=name, source=policy_of(policy_id).sources[0])
        ticket = do(new(policy_id), commands.Register(changes, "例外"), AGENT)[0]
        assert ticket.request_type == name
    with pytest.raises(GuardFailed, match="不在本地规定之内"):
        do(new(policy_id), commands.Edit(Changes(request_type="闲聊")), AGENT)


CHANNELS = [
    pytest.param("ganzhou", {"电话", "网络"}, marks=clause("GZ-001")),
    pytest.param("weixi", {"电话", "省12345热线派发", "州12345热线派发"}, marks=clause("WX-003", "WX-007")),
    pytest.param("longsheng", {"市12345热线转派", "主席信箱"}, marks=clause("LS-001")),
    pytest.param("suqian", {"电话", "网站", "微信"}, marks=clause("SQ-001")),
    pytest.param(
        *("suqian", {"国务院“互联网+督查”", "国家政务服务平台", "国家“互联网+监管”", "省12345在线"}),
        marks=clause("SQ-003"),
    ),
    pytest.param("suqian", {"政风热线", "政务服务“好差评”"}, marks=clause("SQ-004")),
    pytest.param("suqian", {"市委市政府交办"}, marks=clause("SQ-005")),
    pytest.param(
        *("mengcheng", {"县长热线电话", "县长信箱", "省长热线", "市长热线电话", "人民网网友留言", "政务双微留言"}),
        marks=clause("MC-001"),
    ),
    pytest.param("mengcheng", {"政民互动栏目"}, marks=clause("MC-006")),
]


@pytest.mark.parametrize(("policy_id", "channels"), CHANNELS)
def test_a_ticket_keeps_the_channel_it_came_by(policy_id: str, channels: set[str]) -> None:
    for name in channels:
        ticket = do(new(policy_id), commands.Register(replace(REQUEST, source=name), "例外"), AGENT)[0]
        assert ticket.source == name
    with pytest.raises(GuardFailed, match="来源「漂流瓶」不在本地规定之内"):
        do(new(policy_id), commands.Edit(Changes(source="漂流瓶")), AGENT)


KEY = ["省长热线", "人民网网友留言", "市领导签批件", "市长热线电子督办单"]


@clause("MC-001", "MC-018")
@pytest.mark.parametrize("source", KEY)
def test_a_key_channel_marks_the_ticket(source: str) -> None:
    ticket = do(new("mengcheng"), commands.Register(replace(REQUEST, source=source)), AGENT)[0]
    assert Flag.KEY in ticket.flags
    assert Flag.KEY not in registered("mengcheng").flags


def test_a_channel_corrected_after_registering_marks_it_as_well() -> None:
    changed = commands.Edit(Changes(source="省长热线"), reason="登记时选错")
    assert Flag.KEY in do(registered("mengcheng"), changed, AGENT)[0].flags


@pytest.mark.parametrize(("policy_id", "own"), [("ganzhou", "意见建议"), ("longsheng", "建议")])
def test_a_suggestion_is_called_as_the_text_calls_it(policy_id: str, own: str) -> None:
    assert {policy_of(policy_id).own_type(name) for name in ("建议", "意见建议")} == {own}
    assert policy_of("ganzhou").own_type("表扬") is None


@clause("GZ-001")
@pytest.mark.parametrize("policy_id", ["ganzhou", "weixi", "longsheng", "suqian", "mengcheng"])
def test_a_requester_is_a_person_or_an_enterprise(policy_id: str) -> None:
    for kind in ("个人", "企业"):
        assert do(new(policy_id), commands.Edit(Changes(requester_kind=kind)), AGENT)[0].requester_kind == kind
    with pytest.raises(GuardFailed, match="诉求人类别「外星人」"):
        do(new(policy_id), commands.Edit(Changes(requester_kind="外星人")), AGENT)


@clause("LS-014")
def test_a_county_station_takes_citizens_in_only_as_an_exception() -> None:
    with pytest.raises(GuardFailed, match="原则上不直接受理"):
        do(new("longsheng"), commands.Register(replace(REQUEST, source="电话")), AGENT)


@clause("GZ-006", "SQ-001", "MC-021")
@pytest.mark.parametrize("policy_id", ["ganzhou", "weixi", "suqian", "mengcheng"])
def test_the_others_take_everybody_in_at_any_hour(policy_id: str) -> None:
    assert registered(policy_id, MONDAY.replace(hour=3)).state is not State.DRAFT


REJECTS = [
    pytest.param("ganzhou", "LEGAL_PROCEDURE", "referred_to", marks=clause("GZ-003")),
    pytest.param("ganzhou", "IN_PETITION", None, marks=clause("GZ-003")),
    pytest.param("ganzhou", "AGAINST_LAW_OR_POLICY", "citation", marks=clause("GZ-004")),
    pytest.param("ganzhou", "STATE_SECRET", None, marks=clause("GZ-005")),
    pytest.param("ganzhou", "TRADE_SECRET", None, marks=clause("GZ-005")),
    pytest.param("ganzhou", "PRIVACY", None, marks=clause("GZ-005")),
    pytest.param("ganzhou", "PUBLIC_MORALS", None, marks=clause("GZ-005")),
    pytest.param("weixi", "EMERGENCY", "referred_to", marks=clause("WX-001")),
    ("weixi", "OUT_OF_JURISDICTION", "referred_to"),
    ("weixi", "SECRET_OR_PRIVACY", None),
    ("weixi", "OTHER_LAW", "citation"),
    pytest.param("longsheng", "OUT_OF_JURISDICTION", "referred_to", marks=clause("LS-004")),
    pytest.param("longsheng", "SECRET_OR_PRIVACY", None, marks=clause("LS-005")),
    pytest.param("longsheng", "OTHER_STATE_ORGAN", "referred_to", marks=clause("LS-006")),
    pytest.param("longsheng", "LEGAL_PROCEDURE", "referred_to", marks=clause("LS-007")),
    pytest.param("longsheng", "IN_PETITION", None, marks=clause("LS-007")),
    pytest.param("longsheng", "ABUSE", None, marks=clause("LS-009")),
    pytest.param("longsheng", "NO_SUBSTANCE", None, marks=clause("LS-010")),
    pytest.param("longsheng", "OTHER_LAW", "citation", marks=clause("LS-012")),
    pytest.param("suqian", "OUT_OF_JURISDICTION", "referred_to", marks=clause("SQ-006")),
    pytest.param("suqian", "LEGAL_PROCEDURE", "referred_to", marks=clause("SQ-007")),
    pytest.param("suqian", "IN_PETITION", "referred_to", marks=clause("SQ-007")),
    pytest.param("suqian", "SECRET_OR_PRIVACY", None, marks=clause("SQ-008")),
    pytest.param("suqian", "ABUSE", None, marks=clause("SQ-009")),
    pytest.param("suqian", "NO_LEGAL_BASIS", None, marks=clause("SQ-009")),
    pytest.param("suqian", "EMERGENCY", "referred_to", marks=clause("SQ-010")),
    pytest.param("suqian", "OTHER", "citation", marks=clause("SQ-049")),
    pytest.param("mengcheng", "OUT_OF_JURISDICTION", "referred_to", marks=clause("MC-008")),
    pytest.param("mengcheng", "LEGAL_PROCEDURE", "referred_to", marks=clause("MC-009")),
    pytest.param("mengcheng", "IN_PETITION", None, marks=clause("MC-009")),
    pytest.param("mengcheng", "OTHER_STATE_ORGAN", "referred_to", marks=clause("MC-010")),
    pytest.param("mengcheng", "SECRET_OR_PRIVACY", None, marks=clause("MC-011")),
    pytest.param("mengcheng", "PUBLIC_MORALS", None, marks=clause("MC-011")),
    pytest.param("mengcheng", "OTHER_LAW", "citation", marks=clause("MC-065")),
]
SECRETS = {"STATE_SECRET", "TRADE_SECRET", "PRIVACY", "SECRET_OR_PRIVACY"}


@pytest.mark.parametrize(("policy_id", "code", "need"), REJECTS)
def test_a_ground_of_refusal_needs_what_the_text_asks_for(policy_id: str, code: str, need: str | None) -> None:
    ticket = new(policy_id, state=State.REGISTERED, request_type="投诉", content="x", registered_at=MONDAY)
    reason = policy_of(policy_id).reject_reason(code)
    assert reason is not None
    given: Any = {need: "县人民法院，电话0000-0000000"} if need else {}
    if need:
        with pytest.raises(GuardFailed) as refused:
            do(ticket, commands.Reject(code, "已向来电人说明。"), AGENT)
        assert refused.value.article == str(reason.basis)
    with pytest.raises(GuardFailed, match="告知诉求人的内容"):
        do(ticket, commands.Reject(code, " ", **given), AGENT)
    done = do(ticket, commands.Reject(code, "已向来电人说明。", **given), AGENT)[0]
    assert done.state is State.REJECTED
    if code in SECRETS:
        assert Flag.SENSITIVE in done.flags, "what a secret's record says is seen by fewer"


def test_no_ground_of_its_own_making_refuses_a_request() -> None:
    ticket = new("mengcheng", state=State.REGISTERED)
    with pytest.raises(GuardFailed, match="没有「TIRESOME」这种不予受理情形"):
        do(ticket, commands.Reject("TIRESOME", "不想办"), AGENT)


META = [
    pytest.param("ganzhou", "2022-09-20", "2027-09-19", marks=clause("GZ-068")),
    pytest.param("weixi", "2024-10-15", None, marks=clause("WX-038")),
    pytest.param("longsheng", "2023-03-31", "2028-03-30", marks=clause("LS-091")),
    pytest.param("suqian", "2020-10-19", None),
    pytest.param("mengcheng", "2022-05-30", None, marks=clause("MC-059")),
]


@pytest.mark.parametrize(("policy_id", "begins", "ends"), META)
def test_a_text_is_in_force_from_and_until(policy_id: str, begins: str, ends: str | None) -> None:
    policy = policy_of(policy_id)
    assert str(policy.effective_from) == begins
    assert (str(policy.effective_to) if policy.effective_to else None) == ends
    assert new(policy_id).policy_version == policy.version, "a ticket keeps the version it was opened under"


@clause("SQ-013")
def test_names_are_taken_down_where_the_text_asks_for_them_unless_the_citizen_stays_unknown() -> None:
    bare = replace(REQUEST, source="电话", contact_name=None)
    with pytest.raises(GuardFailed, match="须实名登记，还缺：联系人") as refused:
        do(new("suqian"), commands.Register(bare), AGENT)
    assert refused.value.article == "第十条(一)"
    with pytest.raises(GuardFailed, match="还缺：诉求人"):
        do(new("suqian", requester=None), commands.Register(replace(bare, contact_name="李先生")), AGENT)
    unknown = replace(bare, confidential=True)
    assert do(new("suqian", requester=None), commands.Register(unknown), AGENT)[0].state is not State.DRAFT
    above = Actor("upstream", "省12345在线")
    assert do(new("suqian"), commands.Register(bare), above)[0].contact_name == ""
    elsewhere = replace(bare, source="县长热线电话")
    assert do(new("mengcheng"), commands.Register(elsewhere), AGENT)[0].contact_name == ""


@clause("GZ-067")
def test_a_sub_centre_works_under_the_same_text() -> None:
    direct, sub = (
        do(new("ganzhou"), commands.Register(replace(REQUEST, source=source)), AGENT)[0]
        for source in ("电话", "热线分中心")
    )
    assert sub.source == "热线分中心"
    assert [due.deadline for due in sub.dues] == [due.deadline for due in direct.dues]


@clause("MC-012")
def test_a_refused_request_stays_on_record_with_what_was_told_and_where_it_was_sent() -> None:
    ticket = registered("mengcheng")
    waiting = replace(ticket, state=State.REGISTERED)
    told = commands.Reject(
        "OUT_OF_JURISDICTION", "已告知不予受理的依据。", referred_to="利辛县信访局，电话0000-0000000"
    )
    done = do(waiting, told, AGENT)[0]
    assert (done.state, done.result) == (State.REJECTED, "已告知不予受理的依据。")
    reason = policy_of("mengcheng").reject_reason("OUT_OF_JURISDICTION")
    assert reason is not None
    assert str(reason.basis) == "第八条(一)、第八条"
    assert commands.as_data(told) == {
        "code": "OUT_OF_JURISDICTION",
        "text": "已告知不予受理的依据。",
        "referred_to": "利辛县信访局，电话0000-0000000",
    }


@clause("LS-006", "MC-010")
@pytest.mark.parametrize(("policy_id", "article"), [("longsheng", "第四条(三)"), ("mengcheng", "第八条(三)、第八条")])
def test_a_party_organ_gets_a_request_only_when_it_administers_as_well(policy_id: str, article: str) -> None:
    ticket, detail = registered(policy_id), commands.Dispatch(UnitId("organ"), basis="三定方案")
    organ = Unit(UnitId("organ"), "县委某部", people=(Person("王五", Post.HANDLER),))
    dispatching.check(ticket, detail, dispatching.Known({organ.id: organ}), policy_of(policy_id))
    other = replace(organ, administrative=False)
    with pytest.raises(GuardFailed, match="不履行行政管理职能") as refused:
        dispatching.check(ticket, detail, dispatching.Known({other.id: other}), policy_of(policy_id))
    assert refused.value.article == article
