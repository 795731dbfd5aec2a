"""How words become readable text and ordered lines."""

import pytest

from callcenter.types import ChannelId, Party
from recordings.words import Line, Transcript, Word, joined, ordered


def words(text: str, start_s: float = 0.0) -> tuple[Word, ...]:
    return tuple(Word(part, start_s + number, start_s + number + 0.5, 0.9) for number, part in enumerate(text.split()))


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("", ""),
        ("路灯 不 亮", "路灯不亮"),
        ("我 用 wifi 上网", "我用 wifi 上网"),
        ("open the door", "open the door"),
        ("一 二 三", "一二三"),
        ("打 12345 热线", "打 12345 热线"),
    ],
)
def test_chinese_words_join_and_latin_words_keep_spaces(heard: str, text: str) -> None:
    assert joined(words(heard)) == text


def test_a_transcript_reads_in_the_order_of_speaking() -> None:
    citizen = Line(Party.CITIZEN, ChannelId("a-1.1"), words("路灯 坏了", 3.0))
    agent = Line(Party.AGENT, ChannelId("a-1.2"), words("您好", 1.0))
    unit = Line(Party.UNIT, ChannelId("u-1"), words("收到", 9.0))
    transcript = Transcript("demo", ordered([citizen, unit, agent]))
    assert transcript.text == "话务员：您好\n市民：路灯坏了\n承办单位：收到"
    assert (citizen.start_s, citizen.end_s) == (3.0, 4.5)
    assert citizen.confidence == pytest.approx(0.9)


def test_shifting_moves_both_times() -> None:
    assert Word("好", 0.1, 0.3, 1.0).shifted(2.05) == Word("好", 2.15, 2.35, 1.0)
