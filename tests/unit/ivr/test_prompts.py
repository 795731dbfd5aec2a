"""The prompt maker: what is read, what is made, what is left alone, whose recording wins."""

import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from config.menu_loader import load_prompts
from config.problems import data_root
from ivr.prompts.maker import Made, PromptsWrong, make, read_texts
from ivr.prompts.reading import UnreadableText, number_in_words, reading
from ivr.prompts.voice import RATE_HZ, VoiceMissing, resampled, write_wav

TEXTS_FILE = Path(str(data_root().joinpath("texts", "zh-CN", "prompts.yaml")))
TWO = {"hello": "您好，请稍候。", "bye": "感谢您的来电，再见。"}


@pytest.mark.parametrize(
    ("text", "pinyin"),
    [
        ("您好，再见。", "nin2 hao3, zai4 jian4."),
        ("12345", None),
        ("拨打12345热线", "bo1 da3 yao1 er4 san1 si4 wu3 re4 xian4"),
        ("咨询按1，人工按0。", "zi1 xun2 an4 yi1, ren2 gong1 an4 ling2."),
        ("重听", "chong2 ting1"),
        ("转接人工", "zhuan3 jie1 ren2 gong1"),
        ("24小时", "er4 shi2 si4 xiao3 shi2"),
        ("不在", "bu2 zai4"),
    ],
)
def test_text_is_read_as_pinyin(text: str, pinyin: str | None) -> None:
    if pinyin is None:
        with pytest.raises(UnreadableText):
            reading(text)
    else:
        assert reading(text) == pinyin


@pytest.mark.parametrize("text", ["", "  ", "，", "press 1", "您好&再见", "您好\x00", "${X}您好", "您好（请按键）"])
def test_text_that_cannot_be_read_aloud_is_refused(text: str) -> None:
    with pytest.raises(UnreadableText):
        reading(text)


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("12345", "幺二三四五"),
        ("110", "幺幺零"),
        ("7", "七"),
        ("1", "一"),
        ("10", "十"),
        ("15", "十五"),
        ("24", "二十四"),
        ("30", "三十"),
        ("07", "零七"),
    ],
)
def test_numbers(digits: str, words: str) -> None:
    assert number_in_words(digits) == words


def sound(file: Path) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    with wave.open(str(file), "rb") as opened:
        assert (opened.getframerate(), opened.getsampwidth(), opened.getnchannels()) == (8000, 2, 1)
        return np.frombuffer(opened.readframes(opened.getnframes()), dtype="<i2")


def test_every_shipped_prompt_is_speech_as_long_as_its_text(tmp_path: Path) -> None:
    texts = load_prompts()
    made = make(texts, tmp_path)
    assert made.spoken == tuple(sorted(texts))
    for name, text in texts.items():
        samples = sound(tmp_path / f"{name}.wav").astype(float)
        syllables = sum(char.isalnum() for char in text)
        assert 0.1 <= len(samples) / RATE_HZ / syllables <= 0.4, name
        # speech is loud in parts, and quiet in parts
        loudness = np.sqrt((samples[: len(samples) // 400 * 400].reshape(-1, 400) ** 2).mean(axis=1))
        assert loudness.max() > 3000, name
        assert (loudness > 300).mean() > 0.4, name
        assert np.abs(samples).max() < 32767, name


def test_second_run_leaves_the_files_alone(tmp_path: Path) -> None:
    make(TWO, tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.wav")}
    assert make(TWO, tmp_path) == Made((), (), ("bye", "hello"))
    assert {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.wav")} == before


def test_changed_text_and_damaged_file_are_made_again(tmp_path: Path) -> None:
    make({**TWO, "third": "请稍候。"}, tmp_path)
    (tmp_path / "bye.wav").write_bytes(b"RIFF")
    made = make({"hello": "您好，请稍候片刻。", "bye": TWO["bye"], "third": "请稍候。"}, tmp_path)
    assert made == Made(("bye", "hello"), (), ("third",))
    assert len(sound(tmp_path / "bye.wav")) > RATE_HZ


@pytest.mark.parametrize("manifest", ["", "[]", "{", '{"hello": 1}', "null"])
def test_damaged_manifest_only_costs_the_work(tmp_path: Path, manifest: str) -> None:
    make(TWO, tmp_path)
    (tmp_path / "prompts.json").write_text(manifest)
    assert make(TWO, tmp_path).kept == ()
    assert set(json.loads((tmp_path / "prompts.json").read_text())) == set(TWO)


def test_recording_of_the_same_name_wins_and_going_back_works(tmp_path: Path) -> None:
    recorded, out = tmp_path / "recorded", tmp_path / "out"
    recorded.mkdir()
    write_wav(recorded / "hello.wav", np.full(RATE_HZ, 1234, dtype=np.int16))
    assert make(TWO, out, recorded) == Made(("bye",), ("hello",), ())
    assert set(sound(out / "hello.wav")) == {1234}
    assert make(TWO, out, recorded).kept == ("bye", "hello")
    (recorded / "hello.wav").unlink()
    assert make(TWO, out, recorded) == Made(("hello",), (), ("bye",))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\0" * 9000])
def test_recording_of_another_format_is_refused_with_the_command_that_converts(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hello.wav").write_bytes(content)
    with pytest.raises(PromptsWrong, match="sox IN -r 8000"):
        make(TWO, tmp_path / "out", tmp_path)


def test_all_wrong_texts_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(PromptsWrong) as caught:
        make({"a": "x", "b": "您好", "../c": "您好"}, tmp_path / "out")
    assert len(caught.value.problems) == 2
    assert not (tmp_path / "out").exists()


def test_without_espeak_the_way_to_get_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VoiceMissing, match="apt-get install espeak-ng"):
        make(TWO, tmp_path)


def test_texts_file_is_the_same_for_yaml_and_for_the_maker() -> None:
    assert read_texts(TEXTS_FILE) == load_prompts()


@pytest.mark.parametrize(
    "line", ["hello", 'hello: "您好"', "hello: |", "Hello: 您好", "hello: 您好\nhello: 您好", " a: b", "a: 您好 # b"]
)
def test_texts_that_are_not_plain_lines_are_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "prompts.yaml"
    file.write_text(line, encoding="utf-8")
    with pytest.raises(PromptsWrong, match=r"prompts\.yaml:"):
        read_texts(file)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100])
def test_resampling_keeps_the_tone_and_drops_what_a_telephone_cannot_carry(rate_hz: int) -> None:
    seconds = np.arange(rate_hz) / rate_hz
    tone = (8000 * np.sin(2 * np.pi * 1000 * seconds)).astype(np.int16)
    if rate_hz > 12000:
        tone += (8000 * np.sin(2 * np.pi * 6000 * seconds)).astype(np.int16)
    spectrum = np.abs(np.fft.rfft(resampled(tone, rate_hz))) / (RATE_HZ / 2)
    assert len(spectrum) == RATE_HZ // 2 + 1
    assert spectrum.argmax() == 1000
    assert abs(spectrum[1000] - 8000) < 50
    assert np.delete(spectrum, 1000).max() < 100


def test_command_line_makes_and_tells(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ivr.prompts", "--texts", str(TEXTS_FILE), "--out", str(tmp_path)]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    total = len(load_prompts())
    assert f"{total} spoken" in first.stdout
    assert f"{total} up to date" in second.stdout
    wrong = subprocess.run([*command, "--texts", str(tmp_path / "none")], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert "none" in wrong.stderr
