"""The character error rate is counted right, by the product's own recogniser."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.modelmaker.evaluate import Heard, Report, edits, evaluate, main
from recordings.modelmaker.heldout import MANIFEST, HeldOut
from recordings.models import demo_model
from recordings.vosk_door import load
from recordings.words import Word
from tests.support.spoken import COMPLAINT, silence, spoken, write_wav

text = st.text("停水电了不", max_size=8)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("停水了", "停水了", 0),
        ("停水了", "停电了", 1),
        ("停水了", "停水", 1),
        ("停水", "停水了", 1),
        ("", "喂", 1),
        ("停水", "", 2),
        ("我要投诉", "要投诉他", 2),
    ],
)
def test_errors_are_counted(said: str, heard: str, errors: int) -> None:
    assert edits(said, heard) == errors


@given(text, text, text)
def test_distance_is_a_metric(one: str, two: str, three: str) -> None:
    assert (edits(one, two) == 0) == (one == two)
    assert edits(one, two) == edits(two, one)
    assert edits(one, three) <= edits(one, two) + edits(two, three)


def held_out(group: str, said: str) -> HeldOut:
    return HeldOut(group=group, file=f"{group}.wav", text=said, start_s=0.5, end_s=1.5)


def test_report_sums_up_each_group() -> None:
    report = Report(cpu_s=0.2)
    word = Word("停水", 0.55, 1.45, 1.0)
    report.add(Heard(held_out("template", "停水"), "停水", (word,), True, 2.0))
    report.add(Heard(held_out("template", "停水"), "停电", (word,), False, 2.0))
    report.add(Heard(held_out("busy", ""), "", (), False, 4.0))
    lines = list(report.lines(errors=5))
    assert "CER  25.00%  1/4 characters, 1 of 2 without an error" in lines[0]
    assert "1 of 1 without an error (nothing is said; 0 characters were heard)" in lines[1]
    assert "8 s of audio" in lines[2]
    assert "grew in 1 of 2" in lines[2]
    assert "50 ms off" in lines[2]
    assert "said  停水\n    heard 停电" in lines[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_wav(tmp_path / "script.wav", silence(0.5) + spoken(COMPLAINT) + silence(0.5))
    write_wav(tmp_path / "silence.wav", silence(2.0))
    rows = [held_out("script", COMPLAINT), held_out("silence", "")]
    (tmp_path / MANIFEST).write_text("".join(f"{row.model_dump_json()}\n" for row in rows), encoding="utf-8")
    return tmp_path


def test_model_is_scored_on_a_folder(folder: Path) -> None:
    report = evaluate(load(demo_model()), folder)
    assert report.scores["script"].characters == len(COMPLAINT)
    assert report.scores["script"].errors <= 2
    assert report.scores["silence"].perfect == report.scores["silence"].sounds == 1
    assert report.grew == report.spoken == 1


def test_command_prints_a_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(demo_model()), str(folder), "--errors", "3"])
    printed = capsys.readouterr().out
    assert printed.startswith(f"{demo_model()}: ")
    assert "script" in printed


def test_folder_without_a_model_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main([str(folder), str(folder)])
    assert "am/final.mdl is missing" in capsys.readouterr().err


def test_manifest_that_is_none_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / MANIFEST).write_text('{"file": 3}\n')
    with pytest.raises(SystemExit, match="1"):
        main([str(demo_model()), str(folder)])
    assert "HeldOut" in capsys.readouterr().err
