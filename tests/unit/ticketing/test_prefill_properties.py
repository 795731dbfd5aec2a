"""Whatever is said: suggestions quote it, and the agent's word stands."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.types import Party
from tests.support.talks import CALLER, HEARD_AT, data
from ticketing.prefill.draft import Field, FieldState, Source, Utterance, Word, filled, merge, suggest

SAID = """
我 要 投诉 咨询 举报 龙胜镇 幸福小区 三 号楼 昨天 晚上 八点 半 路灯 不亮 停水 没有水 整个小区 着火 没有 城管局 希望 姓
王 叫 建国 电话 幺 三 八 零 一 叉 X 桂 C 身份证 工单 等级 的 在 和 万 亿 半个月 前 上周 五 天 了 不是 - ？ 对
"""
VOCABULARY = [*SAID.split(), "\n", "　", "电 话", "", "13800138000"]
LINES = st.lists(st.tuples(st.sampled_from(Party), st.lists(st.sampled_from(VOCABULARY), max_size=12)), max_size=6)


@settings(max_examples=60)
@given(LINES, st.floats(0, 1), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))
def test_every_suggestion_quotes_what_the_citizen_said(
    lines: Sequence[tuple[Party, list[str]]], conf: float, heard_at: datetime
) -> None:
    utterances, at = [], 0.0
    for party, texts in lines:
        utterances.append(Utterance(party, tuple(Word(t, at + i, at + i + 0.9, conf) for i, t in enumerate(texts))))
        at += len(texts) + 1
    own = [w for u in utterances if u.speaker is Party.CITIZEN for w in u.words]
    said = "".join("".join(w.text.split()) for w in own)
    for found in suggest(utterances, data(), heard_at.replace(tzinfo=UTC), CALLER):
        assert 0 <= found.confidence <= 1
        assert found.start_s in {w.start_s for w in own}
        assert found.end_s in {w.end_s for w in own}
        for part in found.quote.split(" … "):
            assert len(part) <= len(said)
            assert any(
                all(shown in (heard, "*") for shown, heard in zip(part, said[i : i + len(part)], strict=True))
                for i in range(len(said) - len(part) + 1)
            )


@settings(max_examples=60)
@given(LINES)
def test_merging_never_touches_what_the_agent_decided(lines: Sequence[tuple[Party, list[str]]]) -> None:
    utterances = [Utterance(party, tuple(Word(t, 0.0, 1.0, 1.0) for t in texts)) for party, texts in lines]
    typed = {field: FieldState("话务员填写", Source.AGENT) for field in Field}
    emptied = {field: FieldState(None, Source.AGENT) for field in Field}
    found = suggest(utterances, data(), HEARD_AT)
    for current in (typed, emptied):
        assert filled(current, merge(current, found)) == current
