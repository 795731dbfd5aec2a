"""Policy files: the shipped one is whole and cited, and every mistake in a file is told at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.policy_loader import load_policies, policy_ids
from config.problems import ConfigWrong

SHIPPED = Path(__file__).resolve().parents[3] / "config" / "policies"


def _changed(folder: Path, change: Callable[[dict[str, Any]], None], name: str = "longsheng.yaml") -> Path:
    data = yaml.safe_load((SHIPPED / "longsheng.yaml").read_text(encoding="utf-8"))
    change(data)
    text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("policy_id", policy_ids())
def test_every_shipped_policy_loads(policy_id: str) -> None:
    assert load_policies(policy_id)


def _set(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = to

    return change


MISTAKES = [
    (_set("handle", "limits", 2, "limit", to="2 days"), "handle.limits.2.limit", "2wd"),
    (_set("handle", "limits", 2, "limit", to=2), "handle.limits.2.limit", "number and a unit"),
    (_set("handle", "limits", 2, "if", to={"type": "咨徇"}), "handle.limits.2.if.type", "咨徇 is not known"),
    (_set("handle", "limits", 2, "basis", to="LS-999"), "handle.limits.2.basis", "LS-999 is not in the list"),
    (_set("handle", "limits", 2, "basis", to=[]), "handle.limits.2.basis", "at least 1"),
    (lambda data: data["handle"]["limits"].pop(3), "handle.limits", "no rule for 求助"),
    (lambda data: data["sign"].pop(1), "sign", "last rule must be without `if`"),
    (_set("sign", 1, "from", to="lunch"), "sign.1.from", "dispatch"),
    (_set("dispatch", 0, "from", to="dispatch"), "dispatch.0.from", "write registered"),
    (_set("sign", 1, "from", to="registered"), "sign.1.from", "write dispatch or sign"),
    (_set("sign", 1, "choose_from", to="1h"), "sign.1", "shorter than limit, in the same unit"),
    (_set("sign", 0, "choose_from", to="10min"), "sign.0.choose_from", "only a handling limit"),
    (_set("sign", 1, "by", to="10:00"), "sign.1", "either limit"),
    (lambda data: data["sign"][1].pop("limit"), "sign.1", "either limit"),
    (_set("dispatch", 0, to={"by": "noon", "from": "registered", "basis": "default"}), "dispatch.0.by", "end_of_day"),
    (_set("sources", "key", to=["主席信箱"]), "sources", "go together"),
    (_set("handle", "progress_every", to="10wd"), "handle", "go together"),
    (_set("handle", "statutory_needs", to=["luck"]), "handle.statutory_needs.0", "legal_basis"),
    (_set("survey", "no_reply", to="还行"), "survey.no_reply", "还行 is not known"),
    (_set("survey", "closing", to=["满意", "好"]), "survey.closing", "好 is not known"),
    (_set("reply", "required", to=["handled_at", "weather"]), "reply.required", "weather: no field of a reply"),
    (_set("archive", "recording_years", to=2), "archive.recording_years", "greater than or equal to 3"),
    (_set("calendar", "office_hours", to=[["14:30", "12:00"]]), "calendar.office_hours", "ascending order"),
    (_set("calendar", "office_hours", 0, to=[510, 720]), "calendar.office_hours.0.0", "in quotes"),
    (_set("policy", "effective", to=["2023-03-31", None]), "policy.effective.0", "date"),
    (_set("extension", "rules", 0, "cap", "factor", to="1"), "extension.rules.0.cap.factor", "integer"),
    (_set("extension", "rules", 0, "cap", "max_count", to="two"), "extension.rules.0.cap.max_count", "or none"),
    (_set("extension", "rules", 0, "cap", "value", to="5wd"), "extension.rules.0.cap", "and no value"),
    (_set("return", "needs", to=["luck"]), "return.needs", "legal_basis"),
    (_set("upstream", "public_intake", to="no"), "upstream.public_intake", "boolean"),
    (_set("return", "refuse_if", 2, "check", to="auto"), "return.refuse_if.2.check", "cannot decide minor_flaw"),
    (_set("clauses", "LS-888", to="第八条"), "clauses.LS-888", "no value cites it"),
    (_set("surveys", to={}), "surveys", "no such key"),
]


@pytest.mark.parametrize(("mistake", "key", "says"), MISTAKES)
def test_a_mistake_is_told_with_its_key_and_what_to_write(
    tmp_path: Path, mistake: Callable[[dict[str, Any]], None], key: str, says: str
) -> None:
    with pytest.raises(ConfigWrong) as told:
        load_policies("longsheng", _changed(tmp_path, mistake))
    assert any(p.key.startswith(key) and says in p.what_to_write for p in told.value.problems), str(told.value)
    assert {p.file for p in told.value.problems} == {"policies/longsheng.yaml"}


def test_all_mistakes_of_a_kind_come_at_once(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["handle"]["limits"][2]["limit"] = "soon"
        data["extension"]["window"] = -1
        del data["urgent"]

    with pytest.raises(ConfigWrong) as told:
        load_policies("longsheng", _changed(tmp_path, change))
    assert {p.key for p in told.value.problems} == {"handle.limits.2.limit", "extension.window", "urgent"}


def test_versions_are_read_together_and_none_stands_twice(tmp_path: Path) -> None:
    _changed(tmp_path, lambda data: None, "longsheng.1.yaml")
    newer = _changed(tmp_path, _set("policy", "version", to=2))
    assert [policy.version for policy in load_policies("longsheng", newer)] == [1, 2]
    _changed(tmp_path, lambda data: None)
    with pytest.raises(ConfigWrong, match="1 stands twice"):
        load_policies("longsheng", tmp_path)


def test_the_file_is_named_as_its_policy(tmp_path: Path) -> None:
    with pytest.raises(ConfigWrong, match="write longsheng, as the file is named"):
        load_policies("longsheng", _changed(tmp_path, _set("policy", "id", to="longquan")))


def test_a_comment_does_not_change_the_digest_and_a_value_does(tmp_path: Path) -> None:
    shipped = load_policies("longsheng")[0].digest
    text = (SHIPPED / "longsheng.yaml").read_text(encoding="utf-8")
    (tmp_path / "longsheng.yaml").write_text("# another comment\n" + text, encoding="utf-8")
    assert load_policies("longsheng", tmp_path)[0].digest == shipped
    changed = _changed(tmp_path, _set("dispatch", 0, "limit", to="3h"))
    assert load_policies("longsheng", changed)[0].digest != shipped


def test_no_such_policy_is_named() -> None:
    with pytest.raises(ConfigWrong, match=r"config/policies/atlantis.yaml: no such policy"):
        load_policies("atlantis")
