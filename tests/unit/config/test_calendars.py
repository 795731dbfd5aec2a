"""Calendar files: what is shipped is what the notices say, and a wrong file is told completely."""

from pathlib import Path

import pytest

from config.calendar_loader import load_calendar, read_files
from config.problems import ConfigWrong
from ticketing.calendars import YearUnknown, as_yaml, seed_year

SHIPPED = Path(__file__).resolve().parents[3] / "config" / "calendars"


@pytest.mark.parametrize("year", [2022, 2023, 2024, 2025, 2026])
def test_a_shipped_year_is_what_the_library_says(year: int) -> None:
    assert (SHIPPED / f"cn-{year}.yaml").read_text(encoding="utf-8") == as_yaml(seed_year(year))


def test_a_year_without_a_notice_cannot_be_seeded() -> None:
    with pytest.raises(YearUnknown):
        seed_year(2040)


def test_lunar_feasts_of_announced_years_agree_with_the_statute() -> None:
    """The rule for unannounced years, tried on announced ones: every statutory feast is a day off."""
    files = read_files()
    assert set(range(2027, 2036)) == set(files.statutory.years)
    for feasts in files.statutory.years.values():
        assert (feasts.tomb_sweeping.month, feasts.tomb_sweeping.day) in {(4, 4), (4, 5)}
        assert 120 <= (feasts.dragon_boat - feasts.spring_festival).days <= 155
        assert 215 <= (feasts.mid_autumn - feasts.spring_festival).days <= 253


def _copy(to: Path) -> None:
    for file in SHIPPED.iterdir():
        (to / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")


def test_every_wrong_file_is_told_at_once(tmp_path: Path) -> None:
    _copy(tmp_path)
    wrong_day = "kind: year\nyear: 2024\nsource: x\nholidays: {2023-01-01: 元旦}\nmakeup_workdays: {2024-02-05: 春节}\n"
    (tmp_path / "cn-2024.yaml").write_text(wrong_day, encoding="utf-8")
    (tmp_path / "cn-2025.yaml").write_text("kind: year\nyear: 2026\n", encoding="utf-8")
    (tmp_path / "odd.yaml").write_text("kind: holiday\n", encoding="utf-8")
    with pytest.raises(ConfigWrong) as told:
        load_calendar(folder=tmp_path)
    files = [problem.file for problem in told.value.problems]
    assert {"calendars/cn-2024.yaml", "calendars/cn-2025.yaml", "calendars/odd.yaml"} == set(files)
    assert files.count("calendars/cn-2025.yaml") == 3, "three missing keys, three lines"


def test_a_file_of_another_year_is_named(tmp_path: Path) -> None:
    _copy(tmp_path)
    text = (tmp_path / "cn-2024.yaml").read_text(encoding="utf-8")
    (tmp_path / "cn-2021.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigWrong, match=r"cn-2021.yaml: year: the file of 2024 is named cn-2024.yaml"):
        load_calendar(folder=tmp_path)


def test_an_unknown_overlay_is_named() -> None:
    with pytest.raises(ConfigWrong, match=r"calendars/nowhere.yaml: no such overlay"):
        load_calendar(["nowhere"])


def test_a_past_year_that_nobody_tells_is_named(tmp_path: Path) -> None:
    _copy(tmp_path)
    (tmp_path / "cn-2024.yaml").unlink()
    with pytest.raises(ConfigWrong, match=r"cn-2024.yaml: no days for 2024"):
        load_calendar(folder=tmp_path)


def test_a_new_notice_changes_the_version_and_ends_the_doubt(tmp_path: Path) -> None:
    _copy(tmp_path)
    notice = "kind: year\nyear: 2027\nsource: x\nholidays: {2027-01-01: 元旦}\nmakeup_workdays: {}\n"
    (tmp_path / "cn-2027.yaml").write_text(notice, encoding="utf-8")
    before, after = load_calendar(), load_calendar(folder=tmp_path)
    assert before.version != after.version
    middle = before.first.replace(year=2027, month=6)
    assert before.is_provisional(middle, middle)
    assert not after.is_provisional(middle, middle)
