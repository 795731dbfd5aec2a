"""龙胜's limits as values: which rule counts for which ticket, and where it comes from."""

from dataclasses import replace
from datetime import date

import pytest

from tests.support.tickets import MONDAY, calendar, local, policy, rules
from ticketing.policy import (
    Basis,
    Case,
    NoPolicyInEffect,
    Pick,
    PolicyMissing,
    Rules,
    first_fit,
    handle_limit,
)

HANDLING = [
    (Case("咨询", "电话", False), "2wd", "第十二条(二)1"),
    (Case("求助", "电话", False), "3wd", "第十二条(二)2"),
    (Case("建议", "电话", False), "5wd", "第十二条(二)3"),
    (Case("投诉", "电话", False), "10wd", "第十二条(二)4、第十二条(二)5"),
    (Case("举报", "电话", False), "10wd", "第十二条(二)4、第十二条(二)5"),
    (Case("投诉", "主席信箱", False), "3wd", "第十二条(二)6"),
    # The mailbox gives three days, a question two: the shorter counts.
    (Case("咨询", "主席信箱", False), "2wd", "第十二条(二)1"),
    (Case("表扬", "主席信箱", False), "3wd", "第十二条(二)6"),
    (Case("投诉", "主席信箱", True), "24h", "第十二条(二)7"),
    (Case("咨询", "电话", True), "24h", "第十二条(二)7"),
]


@pytest.mark.parametrize(("case", "period", "article"), HANDLING)
def test_the_handling_limit_and_its_article(case: Case, period: str, article: str) -> None:
    rule = handle_limit(policy(), case, MONDAY, calendar())
    assert rule is not None
    assert (str(rule.period), str(rule.basis)) == (period, article)


def test_praise_has_no_limit() -> None:
    assert handle_limit(policy(), Case("表扬", "电话", False), MONDAY, calendar()) is None


def test_a_policy_may_take_the_first_rule_instead() -> None:
    first = replace(policy(), handle=replace(policy().handle, pick=Pick.FIRST))
    rule = handle_limit(first, Case("咨询", "主席信箱", False), MONDAY, calendar())
    assert rule is not None
    assert str(rule.period) == "3wd"


@pytest.mark.parametrize(("urgent", "sign", "back"), [(True, "30min", "30min"), (False, "1wd", "1wd")])
def test_sign_and_return_windows(urgent: bool, sign: str, back: str) -> None:
    case = Case("投诉", "电话", urgent)
    signing, returning = first_fit(policy().sign, case), first_fit(policy().returns.windows, case)
    assert signing is not None
    assert returning is not None
    assert (str(signing.period), str(returning.period)) == (sign, back)


def test_what_the_text_does_not_say_is_marked_as_ours() -> None:
    ordinary = first_fit(policy().sign, Case("投诉", "电话", False))
    assert ordinary is not None
    assert ordinary.basis.is_default
    assert str(ordinary.basis) == "本系统默认"
    assert policy().dispatch[0].basis.is_default
    assert not policy().survey.no_reply_basis.is_default
    assert policy().survey.basis.partly_ours


def test_the_same_article_is_cited_once() -> None:
    assert str(Basis(("LS-027", "LS-037"), ("第十一条(三)", "第十二条(二)7"))) == "第十一条(三)、第十二条(二)7"


def test_the_version_in_effect_is_chosen_by_local_day() -> None:
    old = policy()
    new = replace(old, version=2, effective_from=date(2026, 7, 1), effective_to=None)
    both = Rules((new, old), calendar())
    assert both.at(local(2026, 6, 30, 23, 59, 59)).version == 1
    assert both.at(local(2026, 7, 1, 0, 0)).version == 2
    assert both.of("longsheng", 1) is old


def test_an_expired_policy_stays_in_use() -> None:
    assert rules().at(local(2031, 1, 1, 9)).version == 1


def test_before_the_first_policy_nothing_opens() -> None:
    with pytest.raises(NoPolicyInEffect):
        rules().at(local(2023, 3, 30, 23, 59))


def test_a_ticket_of_a_lost_version_is_named() -> None:
    with pytest.raises(PolicyMissing, match="longsheng@9"):
        rules().of("longsheng", 9)
