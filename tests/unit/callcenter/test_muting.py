"""Where long numbers are said: found in words as a recogniser gives them, whole, and with what it tore apart."""

import pytest

from callcenter.custody import muting
from callcenter.types import ChannelId, Party
from recordings.words import Line, Transcript, Word


def said(text: str) -> tuple[Word, ...]:
    """Words parted by spaces, half a second each, every second; `_` is a second nobody speaks."""
    return tuple(Word(one, float(at), at + 0.5, 0.9) for at, one in enumerate(text.split()) if one != "_")


CASES = [
    ("a mobile number, in groups", "电话 一三八 零零一三 八零零零 谢谢", [(1.0, 3.5)]),
    ("digit by digit", "是 一 三 八 零 零 一 三 八 零 零 零 对", [(1.0, 11.5)]),
    ("with 嗯 between", "一三八 嗯 零零一三 八零零零", [(0.0, 3.5)]),
    ("one word misheard inside", "一三八 零零 是 三八 零零零", [(0.0, 4.5)]),
    ("a fixed number", "号码 是 五一二 三四五六", [(2.0, 3.5)]),
    ("an identity card", "一一零一零一 一九九零零三零七 四五七八", [(0.0, 2.5)]),
    ("two numbers", "一三八零零一三八零零零 还有 一三九零零一三九零零零", [(0.0, 0.5), (2.0, 2.5)]),
    ("digits are written as digits", "13800138000 对", [(0.0, 0.5)]),
    ("short ones are no numbers of a person", "一二三四五 热线 三单元 五零二", []),
    ("pieces far apart are not one", "三八五 是 _ _ 六七八九", []),
    ("many small numbers are not one", "一个 两 三次 四 天 五块 六毛", []),
    ("a pause alone does not part a number", "三八五 _ _ _ 六七八九", [(0.0, 4.5)]),
    ("nothing said", "", []),
]


@pytest.mark.parametrize(("name", "text", "spans"), CASES, ids=[row[0] for row in CASES])
def test_spoken_numbers(name: str, text: str, spans: list[tuple[float, float]]) -> None:
    assert list(muting.spoken_numbers(said(text))) == spans, name


def test_spans_become_frames_of_the_recording_with_padding_and_meet() -> None:
    spans = [(10.0, 11.0), (11.2, 12.0), (20.0, 20.5), (1.0, 2.0)]
    assert muting.frames(spans, 5.0, 8_000) == ((38_800, 57_201), (118_800, 125_201))
    assert muting.frames([(4.9, 5.5)], 5.0, 8_000) == ((0, 5_201),)
    assert muting.frames([], 5.0, 8_000) == ()


def test_a_number_may_run_across_lines_of_one_speaker_and_not_across_speakers() -> None:
    mine, theirs = ChannelId("a-1763800000.12"), ChannelId("a-1763800000.13")
    first, second = said("一三八 零零"), tuple(word.shifted(2.0) for word in said("一三 八零零零"))
    between = Line(Party.AGENT, theirs, (Word("三四五", 1.6, 1.9, 0.9),))
    heard = Transcript("m", (Line(Party.CITIZEN, mine, first), between, Line(Party.CITIZEN, mine, second)))
    own, other = muting.words_of(heard, [mine, theirs])
    assert muting.spoken_numbers(own) == ((0.0, 3.5),)
    assert muting.spoken_numbers(other) == ()
