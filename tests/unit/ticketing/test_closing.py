"""How tickets end after the reply in each region: ratings, named decisions, second rounds, looks back."""

from dataclasses import replace

import pytest

from tests.support.regions import (
    CITIZEN_SELF,
    DAY,
    MONDAY,
    act,
    policy_of,
    rated,
    replied,
    surveying,
    with_cause,
)
from tests.support.tickets import AGENT, DISPATCHER, REVIEWER, SUPERVISOR, SYSTEM, WATER
from ticketing import commands
from ticketing.aftercare.closing import satisfied
from ticketing.aftercare.follow_rules import CheckKind, Closing, Unrated
from ticketing.aftercare.rechecks import Found, LookBack, LookedBack
from ticketing.aftercare.surveys import asking_rules
from ticketing.clocks import DeadlineKind, Period
from ticketing.commands import ReworkMode
from ticketing.record import GuardFailed
from ticketing.ticket import follows
from ticketing.words import Flag, RatingSource, State

LATER = MONDAY + DAY
LAWFUL = commands.Close("答复符合供水条例第十条", lawful=True)


# ---- asking -------------------------------------------------------------------------------------------------------

SILENCE = [
    ("longsheng", "满意", "LS-065"),
    ("weixi", "基本满意", "WX-023"),
    ("suqian", None, "SQ-021"),
    ("mengcheng", None, "MC-053"),
    ("ganzhou", None, ""),
]


@pytest.mark.clause("LS-065", "WX-023", "SQ-021", "MC-053")
@pytest.mark.parametrize(("region", "rating", "clause"), SILENCE)
def test_what_silence_means(region: str, rating: str | None, clause: str) -> None:
    survey = policy_of(region).survey
    assert asking_rules(policy_of(region)).no_reply == rating
    assert not clause or clause in survey.no_reply_basis.clauses
    silence = commands.Rate(rating or "满意", RatingSource.DEFAULT, delivered_at=MONDAY)
    ticket, late = surveying(region), MONDAY + 2 * DAY
    if rating is None:
        with pytest.raises(GuardFailed, match="默认评价"):
            act(region, ticket, silence, SYSTEM, late)
        return
    done = act(region, ticket, silence, SYSTEM, late)[0]
    assert (done.rating, done.rating_source) == (rating, RatingSource.DEFAULT)
    closed = act(region, done, commands.Close(), SYSTEM, late)[0]
    assert (closed.state, closed.closing) == (State.CLOSED, Closing.DEFAULT)


@pytest.mark.clause("LS-065", "LS-066", "WX-023")
@pytest.mark.parametrize("region", ["longsheng", "weixi"])
def test_without_a_delivery_silence_is_no_rating(region: str) -> None:
    with pytest.raises(GuardFailed, match="没有送达"):
        act(
            region,
            surveying(region),
            commands.Rate("满意", RatingSource.DEFAULT)
            if region == "longsheng"
            else commands.Rate("基本满意", RatingSource.DEFAULT),
            SYSTEM,
            MONDAY + 2 * DAY,
        )
    called = act(region, surveying(region), commands.Rate("满意", RatingSource.MANUAL), AGENT)[0]
    assert called.rating_source is RatingSource.MANUAL


@pytest.mark.clause("LS-064")
def test_the_citizen_is_asked_as_soon_as_the_unit_replied() -> None:
    ticket = replied("longsheng")
    assert isinstance(
        follows(ticket, commands.Reply(commands.Contents()), policy_of("longsheng")), commands.BeginSurvey
    )
    waits = replied("longsheng", outcome="untrue_no_evidence", verification="核实")
    assert follows(waits, commands.Reply(commands.Contents()), policy_of("longsheng")) is None


@pytest.mark.clause("WX-021")
@pytest.mark.parametrize("source", [RatingSource.CITIZEN, RatingSource.MANUAL])
def test_a_rating_keeps_how_it_came(source: RatingSource) -> None:
    who = AGENT if source is RatingSource.MANUAL else CITIZEN_SELF
    assert act("weixi", surveying("weixi"), commands.Rate("满意", source), who)[0].rating_source is source


@pytest.mark.clause("GZ-052")
def test_result_and_service_are_rated_and_both_must_satisfy() -> None:
    ticket = surveying("ganzhou")
    with pytest.raises(GuardFailed, match="服务过程"):
        act("ganzhou", ticket, commands.Rate("满意", RatingSource.MANUAL), AGENT)
    cold = act("ganzhou", ticket, commands.Rate("满意", RatingSource.MANUAL, service="不满意"), AGENT)[0]
    assert not satisfied(cold, policy_of("ganzhou"))
    assert cold.rating == "满意"
    with pytest.raises(GuardFailed):
        act("ganzhou", cold, commands.Close(), SYSTEM)
    warm = act("ganzhou", ticket, commands.Rate("基本满意", RatingSource.MANUAL, service="满意"), AGENT)[0]
    assert act("ganzhou", warm, commands.Close(), SYSTEM)[0].closing == Closing.RATED


# ---- closing ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("GZ-052", "WX-022")
@pytest.mark.parametrize("region", ["ganzhou", "weixi"])
def test_a_lawful_reply_may_close_by_a_named_reviewer_and_is_counted_apart(region: str) -> None:
    ticket = rated(region, "不满意")
    with pytest.raises(GuardFailed):
        act(region, ticket, LAWFUL, SYSTEM, LATER)
    with pytest.raises(GuardFailed, match="理由"):
        act(region, ticket, replace(LAWFUL, explanation=" "), REVIEWER, LATER)
    closed, told = act(region, ticket, LAWFUL, REVIEWER, LATER)
    assert (closed.closing, closed.rating, closed.explained) == (Closing.LAWFUL, "不满意", True)
    assert [getattr(fact, "closing", "") for fact in told] == ["lawful"]


@pytest.mark.parametrize("region", ["longsheng", "suqian", "mengcheng"])
def test_elsewhere_a_lawful_reply_alone_closes_nothing(region: str) -> None:
    with pytest.raises(GuardFailed, match="没有「答复合法合规即可办结」"):
        act(region, rated(region, "不满意"), LAWFUL, REVIEWER, LATER)


@pytest.mark.clause("WX-026", "LS-067")
@pytest.mark.parametrize(
    ("region", "code"),
    [("weixi", "BEYOND_LAW"), ("weixi", "POLICY_LIMIT"), ("weixi", "EXPECTATION"), ("longsheng", "NO_LEGAL_GROUND")],
)
def test_an_objective_cause_is_explained_closed_and_counted_apart(region: str, code: str) -> None:
    ticket = with_cause(region, code)
    with pytest.raises(GuardFailed, match="解释"):
        act(region, ticket, commands.Close(), REVIEWER, LATER)
    closed = act(region, ticket, commands.Close("已耐心解释"), REVIEWER, LATER)[0]
    assert (closed.closing, closed.exempt, closed.explained) == (Closing.OBJECTIVE, True, True)
    with pytest.raises(GuardFailed, match="客观原因"):
        act(region, with_cause(region, "NOT_DONE"), commands.Close("已解释"), REVIEWER, LATER)


@pytest.mark.clause("LS-067", "WX-024", "SQ-022")
@pytest.mark.parametrize("region", ["longsheng", "weixi", "suqian"])
def test_an_unsatisfied_citizen_is_called_and_the_cause_known_before_anything_else(region: str) -> None:
    ticket = rated(region, "不满意")
    again = commands.Rework("核实整改", reasonable=True)
    for detail in (again, commands.Close("解释", "UNREACHABLE")):
        with pytest.raises(GuardFailed, match="人工回访"):
            act(region, ticket, detail, REVIEWER, LATER)


@pytest.mark.clause("SQ-021", "MC-053")
@pytest.mark.parametrize(("region", "closes"), [("suqian", True), ("mengcheng", True), ("longsheng", False)])
def test_who_was_called_and_gave_no_rating_is_unrated(region: str, closes: bool) -> None:
    ticket, close = surveying(region), commands.Close("电话三次无人接听", unrated=True)
    assert (policy_of(region).follow.unrated is Unrated.CLOSE) is closes  # type: ignore[union-attr]
    if not closes:
        with pytest.raises(GuardFailed, match="未评价"):
            act(region, ticket, close, REVIEWER, LATER)
        return
    with pytest.raises(GuardFailed, match="人工回访的情况"):
        act(region, ticket, replace(close, explanation=""), REVIEWER, LATER)
    closed = act(region, ticket, close, REVIEWER, LATER)[0]
    assert (closed.closing, closed.rating) == (Closing.UNRATED, None)


@pytest.mark.clause("MC-054")
@pytest.mark.parametrize("flag", [Flag.MEDIATION, Flag.ENFORCEMENT, Flag.KEY])
def test_mediation_and_enforcement_are_left_out_of_the_satisfaction_rate(flag: Flag) -> None:
    ticket = replace(rated("mengcheng", "满意"), flags=frozenset({flag}))
    assert act("mengcheng", ticket, commands.Close(), SYSTEM, LATER)[0].exempt is (flag is not Flag.KEY)


# ---- a second round -----------------------------------------------------------------------------------------------


@pytest.mark.clause("WX-024")
def test_a_second_dispatch_needs_the_judgement_that_it_was_due_or_is_reasonable() -> None:
    ticket = with_cause("weixi", "REASONABLE")
    with pytest.raises(GuardFailed, match="应办未办，或者诉求合理"):
        act("weixi", ticket, commands.Rework("再次转派"), REVIEWER, LATER)
    for not_done in (True, False):
        order = commands.Rework("再次转派", not_done=not_done, reasonable=not not_done)
        again = act("weixi", ticket, order, REVIEWER, LATER)[0]
        assert (again.state, again.round) == (State.AWAITING_DISPATCH, 2)


@pytest.mark.clause("WX-025")
@pytest.mark.parametrize("mode", list(ReworkMode))
def test_the_second_round_explains_again_or_handles_again_with_a_fresh_limit(mode: ReworkMode) -> None:
    order = commands.Rework("再次转派", mode=mode, reasonable=True)
    again = act("weixi", with_cause("weixi", "REASONABLE"), order, REVIEWER, LATER)[0]
    sent = act("weixi", again, commands.Dispatch(WATER, basis="职责"), DISPATCHER, LATER)[0]
    due = sent.due(DeadlineKind.HANDLE)
    assert due is not None
    assert due.deadline.from_at == LATER
    follow = policy_of("weixi").follow
    assert follow is not None
    assert follow.explain is not None
    fresh = follow.explain if mode is ReworkMode.EXPLAIN else None
    assert (due.deadline.rule_id == "follow.explain") is (mode is ReworkMode.EXPLAIN)
    if fresh:
        assert Period(due.deadline.amount, due.deadline.clock) == fresh


@pytest.mark.clause("SQ-022", "SQ-023")
@pytest.mark.parametrize("said", ["满意", "不满意"])
def test_the_call_after_an_unsatisfied_message_decides(said: str) -> None:
    ticket = with_cause("suqian", "NOT_DONE", said)
    assert ticket.rating == "不满意", "the first rating stays"
    order = commands.Rework("核实整改")
    if said == "满意":
        assert isinstance(
            follows(ticket, commands.NoteCause("NOT_DONE", "x", said), policy_of("suqian")), commands.Close
        )
        assert act("suqian", ticket, commands.Close(), SYSTEM, LATER)[0].closing == Closing.CALLED
        with pytest.raises(GuardFailed, match="已表示满意"):
            act("suqian", ticket, order, REVIEWER, LATER)
        return
    with pytest.raises(GuardFailed):
        act("suqian", ticket, commands.Close(), SYSTEM, LATER)
    assert act("suqian", ticket, order, REVIEWER, LATER)[0].round == 2


@pytest.mark.clause("SQ-023")
def test_there_is_one_rectification_and_then_a_person_explains() -> None:
    ticket = replace(with_cause("suqian", "NOT_DONE", "不满意"), round=2)
    with pytest.raises(GuardFailed, match="以1轮为限"):
        act("suqian", ticket, commands.Rework("再整改"), REVIEWER, LATER)
    assert act("suqian", ticket, commands.Close("已整改并说明"), REVIEWER, LATER)[0].state is State.CLOSED


def test_explaining_again_exists_only_where_the_regulation_has_it() -> None:
    order = commands.Rework("再解释", mode=ReworkMode.EXPLAIN)
    with pytest.raises(GuardFailed, match="再次回应解释"):
        act("longsheng", with_cause("longsheng", "NOT_DONE"), order, REVIEWER, LATER)


# ---- looking back -------------------------------------------------------------------------------------------------

LOOKS = [("mengcheng", CheckKind.LOOK_BACK), ("suqian", CheckKind.RECHECK), ("ganzhou", CheckKind.RECHECK)]


@pytest.mark.clause("MC-049", "SQ-037", "GZ-046")
@pytest.mark.parametrize(("region", "kind"), LOOKS)
@pytest.mark.parametrize("state", [State.CLOSED, State.ARCHIVED])
def test_a_closed_ticket_is_looked_at_again(region: str, kind: CheckKind, state: State) -> None:
    ticket = replace(rated(region, "满意"), state=state, closed_at=LATER)
    looked, told = act(region, ticket, LookBack(kind, Found.UNTRUE, "现场并未修复"), SUPERVISOR, LATER)
    assert looked.state is state
    assert isinstance(told[0], LookedBack)
    assert told[0].found is Found.UNTRUE
    other = next(one for one in CheckKind if one is not kind)
    with pytest.raises(GuardFailed, match="没有这种核查"):
        act(region, ticket, LookBack(other, Found.FINE, "没有问题"), SUPERVISOR, LATER)
    with pytest.raises(GuardFailed, match="写明核查情况"):
        act(region, ticket, LookBack(kind, Found.FINE, " "), SUPERVISOR, LATER)


@pytest.mark.clause("GZ-046", "SQ-037")
@pytest.mark.parametrize("state", [State.CLOSED, State.ARCHIVED])
def test_a_false_reply_opens_a_new_round_and_is_told_as_untrue(state: State) -> None:
    ticket = replace(rated("suqian", "满意"), state=state, closed_at=LATER, archived_at=LATER)
    again, told = act("suqian", ticket, commands.Rework("谎报", untrue=True), SUPERVISOR, LATER)
    assert (again.round, again.rating, again.archived_at) == (2, None, None)
    assert [getattr(fact, "untrue", None) for fact in told] == [True]
