"""The dispatch catalogue: who is suggested, with which reasons, and who is told at once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from callcenter.types import UnitId
from tests.support.dispatching import (
    HOUSING,
    ROADS,
    TOWN,
    registered,
    unit,
)
from tests.support.regions import policy_of
from tests.support.tickets import WATER
from ticketing.clocks import DeadlineKind
from ticketing.dispatch.catalogue import DutyOf, Entry, Experience, matching, suggest, told_at_once
from ticketing.dispatch.rules import DispatchRules, RoutingKey
from ticketing.dispatch.units import UnitKind
from ticketing.record import Ticket

HOUR = timedelta(hours=1)
HANDLE, RETURN, SIGN, PROGRESS = DeadlineKind.HANDLE, DeadlineKind.RETURN, DeadlineKind.SIGN, DeadlineKind.PROGRESS


def rules(region: str) -> DispatchRules:
    found = policy_of(region).dispatching
    assert found is not None
    return found


# ---- the suggestion ----------------------------------------------------------------------------------------------

ELSEWHERE = UnitId("sanmen-town")
UNITS = {
    one.id: one
    for one in (
        unit(HOUSING, functions=("物业", "供水管理")),
        unit(WATER, UnitKind.ENTERPRISE, parent=HOUSING, functions=("停水", "水管")),
        unit(TOWN, UnitKind.TOWNSHIP, territory=("龙胜镇",)),
        unit(ELSEWHERE, UnitKind.TOWNSHIP, territory=("三门镇",)),
        unit(ROADS, industry=("停水",), functions=("公路",)),
        unit(UnitId("gone"), functions=("停水",), active=False),
    )
}


def names(region: str, ticket: Ticket, **more: object) -> list[str]:
    given: dict[str, object] = {"entries": (), "past": {}, **more}
    return [one.unit for one in suggest(ticket, UNITS, rules=rules(region), **given)]  # type: ignore[arg-type]


@pytest.mark.clause("LS-023", "GZ-022", "SQ-048", "MC-060", "WX-007")
def test_each_region_weighs_territory_function_industry_and_the_competent_department_its_way() -> None:
    assert names("longsheng", registered("longsheng"))[:2] == [TOWN, WATER]
    assert names("ganzhou", registered("ganzhou"))[:3] == [WATER, TOWN, ROADS]
    assert names("suqian", registered("suqian"))[:3] == [HOUSING, WATER, ROADS]
    assert names("mengcheng", registered("mengcheng"))[0] == WATER
    assert rules("suqian").routing[0] is RoutingKey.COMPETENT
    assert "gone" not in names("weixi", registered("weixi"))
    assert ELSEWHERE not in names("longsheng", registered("longsheng"))


@pytest.mark.clause("LS-026", "LS-090")
def test_a_suggestion_says_why_by_which_duty_list_and_through_whom() -> None:
    ticket = replace(registered("longsheng"), subject="04.01")
    entry = Entry("P-WATER", "04.01", ("停水",), WATER, "供水条例", DutyOf.DEPARTMENT)
    best = suggest(ticket, UNITS, (entry,), {}, rules("longsheng"))[0]
    assert (best.unit, best.basis, best.via) == (WATER, "供水条例", HOUSING)
    assert any("派单目录P-WATER" in reason for reason in best.reasons)
    assert any("先派其主管部门" in reason and "第二十五条" in reason for reason in best.reasons)


def test_rulings_and_what_became_of_earlier_dispatches_are_learnt() -> None:
    ticket = replace(registered("longsheng"), subject="04.01")
    plain = names("longsheng", ticket)
    assert plain.index(ROADS) if ROADS in plain else True
    ruled = names("longsheng", ticket, past={ROADS: Experience(ruled=1)})
    assert ruled[0] == ROADS
    kept = suggest(ticket, UNITS, (), {WATER: Experience(accepted=9, returned=1)}, rules("longsheng"))
    sent = suggest(ticket, UNITS, (), {WATER: Experience(accepted=1, returned=9)}, rules("longsheng"))
    score = {way: {one.unit: one.score for one in found}[WATER] for way, found in (("kept", kept), ("sent", sent))}
    assert score["kept"] > score["sent"]
    assert any("承办9件，退回1件" in reason for one in kept for reason in one.reasons)


def test_the_catalogue_finds_by_subject_first_and_then_by_most_words() -> None:
    by_subject = Entry("A", "04", (), HOUSING, "甲")
    two, one_word = Entry("B", "", ("停水", "供水"), WATER, "乙"), Entry("C", "", ("停水",), ROADS, "丙")
    other = Entry("D", "01", ("路灯",), ROADS, "丁")
    ticket = replace(registered("longsheng"), subject="04.01")
    assert [entry.code for entry in matching((one_word, other, two, by_subject), ticket)] == ["A", "B", "C"]


TOPICS = (
    "旅游投诉",
    "噪声污染",
    "交通拥堵",
    "道路阻断",
    "占道经营",
    "露天焚烧",
    "停水停电",
    "公共卫生",
    "自然灾害",
    "办事投诉",
)


@pytest.mark.clause("LS-078")
def test_the_ten_topics_of_linkage_each_have_their_units() -> None:
    linkage = rules("longsheng").linkage
    assert linkage is not None
    assert tuple(topic.name for topic in linkage.topics) == TOPICS
    assert all(topic.units for topic in linkage.topics)
    for topic in linkage.topics:
        ticket = replace(registered("longsheng"), content=f"反映{topic.keywords[0]}的问题", title="")
        assert (topic.name, topic.units) in told_at_once(ticket, rules("longsheng"))
    assert told_at_once(registered("weixi"), rules("weixi")) == ()
