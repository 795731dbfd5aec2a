"""The prefill's data files: the shipped ones are sound, and wrong ones are told all at once."""

from datetime import time

import pytest
from pydantic import ValidationError

from callcenter.types import UnitId
from config.policy_loader import policy_ids
from config.prefill_loader import (
    GazetteerFile,
    SubjectsFile,
    UnitsFile,
    build,
    check_gazetteer,
    check_subjects,
    check_units,
    load_prefill,
)
from config.problems import ConfigWrong

GAZETTEER = {
    "schema": "hotline-gazetteer/1",
    "county": "某某县",
    "towns": [{"name": "东风镇", "aliases": ["东风"], "places": [{"name": "红旗村", "kind": "village"}]}],
    "roads": ["人民路"],
}
SUBJECTS = {
    "schema": "hotline-subjects/1",
    "classes": [{"code": "01", "name": "供水", "subjects": [{"code": "01.01", "name": "停水", "keywords": ["停水"]}]}],
}
UNIT = {"id": "water", "name": "自来水公司", "phone": "601", "duty": [["08:30", "12:00"]]}
UNITS = {"schema": "hotline-units/1", "region": "某某县", "office_hours": [["08:30", "12:00"]], "units": [UNIT]}


def test_shipped_files_load() -> None:
    data = load_prefill("longsheng")
    assert {len(subject.code) for subject in data.subjects} == {5}
    assert len({subject.code[:2] for subject in data.subjects}) >= 16
    assert len(data.subjects) >= 100
    power = data.unit(UnitId("power"))
    assert power
    assert (power.phone.digits, power.duty) == ("602", None)
    labour = data.unit(UnitId("labour"))
    assert labour
    assert labour.duty == ((time(8, 30), time(12)), (time(14, 30), time(17, 30)))
    assert {hazard.name for hazard in data.hazards} >= {"燃气泄漏", "火灾", "人员被困", "大面积停水", "大面积停电"}


@pytest.mark.parametrize("region", policy_ids())
def test_every_region_has_its_places_and_units(region: str) -> None:
    data = load_prefill(region)
    assert data.unit(UnitId("water"))
    assert data.unit(UnitId("hotline"))
    assert sum(place.kind == "town" for place in data.places) >= 9


def test_missing_region_says_every_missing_file() -> None:
    with pytest.raises(ConfigWrong) as wrong:
        load_prefill("nowhere")
    assert {problem.file for problem in wrong.value.problems} == {"gazetteer/nowhere.yaml", "units/nowhere.yaml"}


def test_names_know_how_they_sound() -> None:
    data = build(
        GazetteerFile.model_validate(GAZETTEER), SubjectsFile.model_validate(SUBJECTS), UnitsFile.model_validate(UNITS)
    )
    town = next(place for place in data.places if place.kind == "town")
    assert town.syllables == (("东风镇", ("dong", "feng", "zhen")),)
    assert "dong" in data.sounds["冬"]
    assert data.places[-1].path == ("某某县", "人民路")


@pytest.mark.parametrize(
    ("model", "document"),
    [
        (GazetteerFile, {**GAZETTEER, "schema": "hotline-gazetteer/2"}),
        (GazetteerFile, {**GAZETTEER, "towns": []}),
        (GazetteerFile, {**GAZETTEER, "street": []}),
        (GazetteerFile, {**GAZETTEER, "roads": ["a road"]}),
        (GazetteerFile, {**GAZETTEER, "roads": [36]}),
        (SubjectsFile, {**SUBJECTS, "classes": []}),
        (SubjectsFile, {**SUBJECTS, "hazards": [{"name": "火灾"}]}),
        (SubjectsFile, {**SUBJECTS, "hazards": [{"name": "停水", "all": [["停水"]]}]}),
        (UnitsFile, {**UNITS, "units": [{**UNIT, "phone": 601}]}),
        (UnitsFile, {**UNITS, "units": [{**UNIT, "duty": [["8:30", "12:00"]]}]}),
        (UnitsFile, {**UNITS, "units": [{**UNIT, "duty": "sometimes"}]}),
        (UnitsFile, {**UNITS, "units": [{**UNIT, "id": "Water Works"}]}),
    ],
)
def test_wrong_shape_is_refused(
    model: type[GazetteerFile | SubjectsFile | UnitsFile], document: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(document)


def test_name_twice_is_told() -> None:
    read = GazetteerFile.model_validate({**GAZETTEER, "roads": ["人民路", "人民路"], "estates": ["东风"]})
    assert [problem.key for problem in check_gazetteer("g.yaml", read)] == ["road", "estate"]


def test_codes_belong_to_their_class_and_stand_once() -> None:
    item = {"code": "02.01", "name": "停水", "keywords": ["停水", "停水"]}
    classes = [{"code": "01", "name": "供水", "subjects": [item, {**item, "keywords": ["没水"]}]}]
    read = SubjectsFile.model_validate({**SUBJECTS, "classes": classes})
    told = [problem.what_to_write for problem in check_subjects("s.yaml", read)]
    assert len(told) == 4
    assert sum("must begin with 01." in text for text in told) == 2


def test_units_that_cannot_be_told_apart_are_told() -> None:
    twin = {**UNIT, "duty": [["12:00", "08:30"]]}
    problems = check_units("u.yaml", UnitsFile.model_validate({**UNITS, "units": [UNIT, twin]}))
    assert [problem.key for problem in problems] == ["units", "units.water.phone", "units.water", "units.water.duty"]
