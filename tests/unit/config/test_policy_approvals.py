"""The sections approval, terminate and supplement: what a file may say, and which mistakes are told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.policy_loader import load_policies
from config.problems import ConfigWrong
from ticketing.approvals.rules import Rank
from ticketing.approvals.signing import Gate, SignerKind
from ticketing.rules import Case

SHIPPED = Path(__file__).resolve().parents[3] / "config" / "policies"


def changed(folder: Path, policy_id: str, change: Callable[[dict[str, Any]], object]) -> Path:
    data = yaml.safe_load((SHIPPED / f"{policy_id}.yaml").read_text(encoding="utf-8"))
    change(data)
    text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
    (folder / f"{policy_id}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_chains_hold_their_order_and_who_signs_side_by_side() -> None:
    rules = load_policies("mengcheng")[-1].approval
    assert rules is not None
    rule = rules.rule(Gate.BEFORE_FEEDBACK, Case("投诉", "县长热线电话", False, assignment_no=3))
    assert rule is not None
    assert [[signer.name for signer in group] for group in rule.chain] == [
        ["分管承办单位的副县长", "分管热线工作的副县长"],
        ["县长"],
    ]
    assert rules.inside_unit is not None
    assert [one.led_by for one in rules.inside_unit.leadership] == [Rank.PRINCIPAL, Rank.DEPUTY]


@pytest.mark.clause("MC-035")
def test_the_chain_of_a_termination_ends_outside() -> None:
    rules = load_policies("mengcheng")[-1].termination
    assert rules is not None
    kinds = [group[0].kind for group in rules.rule.chain]
    assert kinds == [SignerKind.UNIT_HEAD, SignerKind.OFFICE, SignerKind.TITLE, SignerKind.EXTERNAL]
    assert rules.least == 2


@pytest.mark.parametrize("policy_id", ["weixi"])
def test_a_regulation_without_signatures_has_none(policy_id: str) -> None:
    policy = load_policies(policy_id)[-1]
    assert (policy.approval, policy.termination) == (None, None)


MISTAKES: list[tuple[str, Callable[[dict[str, Any]], object], str, str]] = [
    (
        "mengcheng",
        lambda data: data["approval"]["before_dispatch"][0].update(chain=[{"unit_head": "主要负责人"}]),
        "approval.before_dispatch.0.chain",
        "no unit has the ticket yet",
    ),
    (
        "mengcheng",
        lambda data: data["approval"]["before_dispatch"][0].update(chain=[{"title": "甲", "office": "乙"}]),
        "approval.before_dispatch.0.chain",
        "write one signer",
    ),
    ("mengcheng", lambda data: data["approval"]["before_feedback"][0].update(chain=[]), "chain", "at least 1"),
    ("mengcheng", lambda data: data["terminate"].update(min_unreasonable=1), "terminate.min_unreasonable", "2"),
    ("suqian", lambda data: data.pop("approval"), "approval.scope", "who decides"),
    ("suqian", lambda data: data["supplement"].update(ask_first=["VAGUE"]), "supplement.ask_first", "NOT_SPECIFIC"),
    ("suqian", lambda data: data["supplement"].update(limit="soon"), "supplement.limit", "soon"),
]


@pytest.mark.parametrize(("policy_id", "change", "key", "hint"), MISTAKES)
def test_every_mistake_is_told_with_its_key(
    tmp_path: Path, policy_id: str, change: Callable[[dict[str, Any]], object], key: str, hint: str
) -> None:
    with pytest.raises(ConfigWrong) as wrong:
        load_policies(policy_id, changed(tmp_path, policy_id, change))
    told = [str(problem) for problem in wrong.value.problems]
    assert any(key in one and hint in one for one in told), told
