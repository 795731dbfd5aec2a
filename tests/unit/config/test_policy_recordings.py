"""The section `recordings` of a policy: in every shipped file, cited, and wrong values are named."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from callcenter.types import Role
from config import policy_page
from config.policy_loader import load_policies, policy_ids
from config.problems import ConfigWrong
from ticketing.aftercare.hearing_rules import Watermark
from ticketing.words import Flag

SHIPPED = Path(__file__).resolve().parents[3] / "config" / "policies"


def written(folder: Path, section: dict[str, Any] | None) -> Path:
    """The folder of a policy with this section, or without one."""
    data = yaml.safe_load((SHIPPED / "longsheng.yaml").read_text(encoding="utf-8"))
    data["recordings"] = {**data["recordings"], **section} if section is not None else None
    if section is None:
        del data["recordings"]
    (folder / "longsheng.yaml").write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return folder


@pytest.mark.parametrize("policy_id", policy_ids())
def test_every_shipped_policy_asks_why_for_secrets_and_lets_no_unit_listen(policy_id: str) -> None:
    rules = load_policies(policy_id)[-1].hearing
    assert rules is not None
    assert rules.reason_confidential
    assert rules.reason_flags == {Flag.STAFF, Flag.SENSITIVE}
    assert rules.reason_types == {"举报"}
    assert rules.reason_roles == {Role.AUDITOR}
    assert not rules.unit_listens
    assert (rules.second_person_over, rules.watermark) == (10, Watermark.INAUDIBLE)
    shown = [row for row in policy_page.rows(policy_page.read(policy_id)) if row.section == "录音的收听与导出"]
    assert [row.name for row in shown] == ["收听须说明理由", "承办单位可收听所主办工单的通话", "导出"]
    assert not any(char.isascii() and char.isalpha() for row in shown for char in row.name + row.value)


def test_a_policy_may_leave_it_out(tmp_path: Path) -> None:
    assert load_policies("longsheng", written(tmp_path, None))[-1].hearing is None


def test_any_number_of_copies_and_a_tone_can_be_asked_for(tmp_path: Path) -> None:
    exports = {"second_person_over": "none", "watermark": "audible"}
    rules = load_policies("longsheng", written(tmp_path, {"exports": exports}))[-1].hearing
    assert rules is not None
    assert (rules.second_person_over, rules.watermark) == (None, Watermark.AUDIBLE)


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"reason": {"types": ["举服"]}}, "recordings.reason.types", "举服 is not known"),
    ({"reason": {"roles": ["king"]}}, "recordings.reason.roles.0", "auditor"),
    ({"reason": {"flags": ["loud"]}}, "recordings.reason.flags.0", "sensitive"),
    ({"exports": {"second_person_over": -1}}, "recordings.exports.second_person_over", "whole number"),
    ({"exports": {"second_person_over": 3, "watermark": "none"}}, "recordings.exports.watermark", "audible"),
    ({"exports": {}}, "recordings.exports.second_person_over", ""),
    ({"exports_basis": "LS-999"}, "recordings.exports_basis", "LS-999"),
]


@pytest.mark.parametrize(("section", "key", "said"), MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, section: dict[str, Any], key: str, said: str) -> None:
    with pytest.raises(ConfigWrong) as wrong:
        load_policies("longsheng", written(tmp_path, section))
    assert any(one.key == key and said in one.what_to_write for one in wrong.value.problems), str(wrong.value)
