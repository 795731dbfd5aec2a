"""`callcenter check-config`: every mistake of every file at once, with file, key and what to write."""

import shutil
from pathlib import Path

import pytest

from config import problems
from config.check import every_problem

CONFIG = Path(problems.__file__).parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of config/ that every loader reads instead of the shipped one."""
    copy = tmp_path / "config"
    shutil.copytree(CONFIG, copy, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    for name in ("calendar", "clause", "menu", "policy", "prefill", "sms", "unit"):
        monkeypatch.setattr(f"config.{name}_loader.data_root", lambda: copy)
    monkeypatch.setattr("config.report_kit.data_root", lambda: copy)
    return copy


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_shipped_files_are_right(folder: Path) -> None:
    assert every_problem() == ()


def test_mistakes_in_many_files_come_together(folder: Path) -> None:
    _replace(folder / "policies" / "ganzhou.yaml", "limit: 3wd", "limit: 3 days")
    _replace(folder / "policies" / "mengcheng.yaml", "limit: 1wd", "limit: soon")
    _replace(folder / "policies" / "longsheng.yaml", "overlays: [gx-sanyuesan]", "overlays: [gx-nothing]")
    (folder / "units" / "suqian.yaml").unlink()
    _replace(folder / "calendars" / "cn-2023.yaml", "year: 2023", "year: 2032")
    found = {(problem.file, problem.key) for problem in every_problem()}
    assert found >= {
        ("policies/ganzhou.yaml", "handle.limits.0.limit"),
        ("policies/mengcheng.yaml", "contact.0.limit"),
        ("units/suqian.yaml", ""),
    }
    assert any(file == "calendars/cn-2023.yaml" for file, _ in found)


def test_an_overlay_nobody_wrote_is_told_with_who_names_it(folder: Path) -> None:
    _replace(folder / "policies" / "longsheng.yaml", "overlays: [gx-sanyuesan]", "overlays: [gx-nothing]")
    told = [str(problem) for problem in every_problem()]
    assert told == [
        "config/calendars/gx-nothing.yaml: longsheng@1 names it under calendar.overlays: no such overlay; "
        "write the file"
    ]


def test_a_file_wrong_in_its_shape_still_tells_its_unlisted_clauses(folder: Path) -> None:
    policy = folder / "policies" / "suqian.yaml"
    _replace(policy, "limit: 1h", "limit: 1 hour")
    _replace(policy, "basis: SQ-016}", "basis: SQ-999}")
    told = {problem.key for problem in every_problem() if problem.file == "policies/suqian.yaml"}
    assert told == {"sign.0.limit", "sign.0.basis"}
