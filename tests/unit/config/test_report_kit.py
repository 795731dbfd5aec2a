"""Metric sets, templates and what policies say of them: every mistake is told with its key and what to write."""

import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from config.policy_appraisal import AppraisalPart, ReportsPart, appraisal_rules, report_rules
from config.policy_loader import load_policies
from config.problems import ConfigWrong, data_root
from config.report_kit import load_kit
from ticketing.policy import Policy
from ticketing.rules import Basis

Change = Callable[[dict[str, Any]], None]


def copied(folder: Path) -> Path:
    """The shipped files, to be spoilt."""
    for name in ("metrics", "reports"):
        shutil.copytree(Path(str(data_root().joinpath(name))), folder / name)
    return folder


def spoil(file: Path, change: Change) -> None:
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(data)
    file.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")


def metric(name: str, **values: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        next(one for one in data["metrics"] if one["id"] == name).update(values)

    return change


METRICS: list[tuple[Change, str]] = [
    (metric("satisfied_citizen", among=[]), "never blended"),
    (metric("satisfied_citizen", among=["rating_source=citizen|manual"]), "never blended"),
    (metric("service_citizen", among=["service_rating=满意"]), "never blended"),
    (metric("closed", among=["luck"]), "no fact of work"),
    (metric("received", among=["closed"]), "no fact of tickets"),
    (metric("direct", counted=["state=solved"]), "no value of state"),
    (metric("received", at="counted"), "write happened"),
    (metric("received", whole="全部"), "a rate has counted and whole"),
    (metric("direct", whole=""), "a rate has counted and whole"),
    (metric("direct", colour="red"), "no such key"),
    (metric("direct", of="luck"), "Input should be"),
    (metric("direct", id="received"), "stands twice"),
]


@pytest.mark.clause("GZ-013")
@pytest.mark.parametrize(("change", "told"), METRICS)
def test_a_wrong_metric_is_told(tmp_path: Path, change: Change, told: str) -> None:
    root = copied(tmp_path)
    spoil(root / "metrics" / "core.yaml", change)
    with pytest.raises(ConfigWrong) as wrong:
        load_kit(root=root)
    assert told in str(wrong.value)
    assert "metrics/core.yaml" in str(wrong.value)


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    root = copied(tmp_path)

    def change(data: dict[str, Any]) -> None:
        metric("closed", among=["luck"])(data)
        metric("direct", colour="red")(data)

    spoil(root / "metrics" / "core.yaml", change)
    spoil(root / "reports" / "bulletin.yaml", lambda data: data["sections"].append({"show": "luck", "heading": "x"}))
    with pytest.raises(ConfigWrong) as wrong:
        load_kit(root=root)
    assert len(wrong.value.problems) == 3


@pytest.mark.clause("GZ-013")
def test_an_older_version_of_the_set_stays_beside_the_newer(tmp_path: Path) -> None:
    root = copied(tmp_path)
    shutil.copy(root / "metrics" / "core.yaml", root / "metrics" / "core.1.yaml")
    with pytest.raises(ConfigWrong, match="stands in two files"):
        load_kit(root=root)
    spoil(root / "metrics" / "core.yaml", lambda data: data.update(version=2))
    assert {one.name for one in load_kit(root=root).metric_sets} == {"core@1", "core@2"}


def item(index: int, **values: Any) -> Change:
    return lambda data: data["appraisal"]["units"]["items"][index].update(values)


def definition(index: int, **values: Any) -> Change:
    return lambda data: data["reports"]["definitions"][index].update(values)


POLICIES: list[tuple[Change, str]] = [
    (item(0, points=11), "they must make scale"),
    (item(0, way="rate", metric=""), "write metric"),
    (item(4, code="institution"), "a code stands twice"),
    (item(9, each=0), "write each"),
    (item(0, luck=1), "Extra inputs"),
    (lambda data: data["appraisal"]["units"].update(scale=50), "they must make scale"),
    (lambda data: data["appraisal"].update(metrics="core"), "String should match"),
    (lambda data: data["appraisal"]["attribution"].update(open_overdue="never"), "this_term"),
    (lambda data: data["reports"]["hot"].update(public_least=1), "greater than or equal to 3"),
    (definition(0, every="span"), "a span has no grid"),
    (definition(0, id="analysis"), "an id stands twice"),
    (definition(0, variants=[]), "at least 1 item"),
    (definition(0, make={"day": 0}), "greater than or equal to 1"),
]


@cache
def shipped() -> dict[str, Any]:
    text = data_root().joinpath("policies", "longsheng.yaml").read_text(encoding="utf-8")
    whole: dict[str, Any] = yaml.safe_load(text)
    return {name: whole[name] for name in ("appraisal", "reports")}


@cache
def policy() -> Policy:
    return load_policies("longsheng")[-1]


def spoilt(change: Change) -> Policy:
    """The policy with its two sections changed. Raises ValidationError."""
    data = deepcopy(shipped())
    change(data)
    appraisal = appraisal_rules(AppraisalPart.model_validate(data["appraisal"]), lambda _: Basis())
    reports = report_rules(ReportsPart.model_validate(data["reports"]), lambda _: Basis())
    return replace(policy(), appraisal=appraisal, reports=reports)


@pytest.mark.parametrize(("change", "told"), POLICIES)
def test_a_wrong_section_is_told(change: Change, told: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        spoilt(change)
    assert told in str(wrong.value)


NAMES: list[tuple[Change, str]] = [
    (item(5, metric="luck"), "is no rate of core@1"),
    (item(5, metric="rejections"), "is no rate of core@1"),
    (item(9, metric="on_time_close"), "is no count of core@1"),
    (lambda data: data["appraisal"]["rank"].update(by="received"), "write a rate"),
    (lambda data: data["appraisal"].update(metrics="core@9"), "no such set"),
    (definition(0, template="luck"), "no such template"),
]


@pytest.mark.parametrize(("change", "told"), NAMES)
def test_a_policy_that_names_what_is_not_there_is_told(change: Change, told: str) -> None:
    with pytest.raises(ConfigWrong) as wrong:
        load_kit([spoilt(change)])
    assert told in str(wrong.value)
