"""Suggestions from a transcript: what is said becomes a field, with its words, seconds and confidence."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from callcenter.types import Party
from tests.support.talks import HEARD_AT, best, data, suggested, talk, value
from ticketing.prefill.draft import Field, PrefillData, Utterance, suggest


@pytest.mark.parametrize(
    ("said", "request_type"),
    [
        ("c: 我 要 投诉", "投诉"),
        ("c: 你好 我 想 咨询 一下 医保 报销", "咨询"),
        ("c: 我 想 问 一下 公租房 怎么 办理", "咨询"),
        ("c: 我 要 举报 有人 焚烧垃圾", "举报"),
        ("c: 我 建议 在 人民路 增设 路灯", "建议"),
        ("c: 能不能 在 幸福小区 门口 安装 减速带", "建议"),
        ("c: 我 要 表扬 供电公司 的 工作人员", "表扬"),
        ("c: 希望 你们 尽快 派人 来修", "求助"),
        ("c: 路灯 不亮 没有人管", "投诉"),
        ("c: 我们 这里 停水 了", "求助"),
        ("c: 老板 拖欠工资", "投诉"),
        ("c: 我 不是 投诉 我 想 咨询 一下", "咨询"),
        ("c: 我 之前 投诉 过 现在 想 问 一下", "咨询"),
        ("c: 你好", None),
    ],
)
def test_request_type(said: str, request_type: str | None) -> None:
    assert value(Field.REQUEST_TYPE, said) == request_type


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("路灯 不亮", "01.02"),
        ("井盖 破损", "01.03"),
        ("电梯 经常停运", "02.03"),
        ("自来水 发黄", "04.01"),
        ("施工 噪音 扰民", "07.01"),
        ("老板 拖欠 农民工 工资", "09.01"),
        ("医保 报销", "10.01"),
        ("公交车 到站 不停", "05.01"),
        ("占道 经营", "03.01"),
        ("新生儿 上户口", "06.03"),
        ("不动产登记", "02.06"),
        ("低保 申请", "13.01"),
        ("消防通道 被占用", "06.01"),
        ("焚烧 秸秆", "07.05"),
        ("押金 不退", "08.01"),
        ("小孩 上学 入学报名", "11.01"),
    ],
)
def test_subject(said: str, code: str) -> None:
    found = best(Field.SUBJECT, f"c: 我们 小区 {said}")
    assert found
    assert found.value == code
    subject = data().subject(code)
    assert subject
    assert found.display == f"{subject.parent}/{subject.name}"


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("c: 龙胜镇 幸福小区 三 号楼 二 单元", "龙胜各族自治县/龙胜镇/幸福小区 3号楼2单元"),
        ("c: 在 龙胜镇 的 幸福小区", "龙胜各族自治县/龙胜镇/幸福小区"),
        ("c: 泗水乡 周家村", "龙胜各族自治县/泗水乡/周家村"),
        ("c: 周家村", "龙胜各族自治县/泗水乡/周家村"),
        ("c: 人民路 三十六 号 附近", "龙胜各族自治县/人民路 36号附近"),
        ("c: 人民路 一百二十 号 门口", "龙胜各族自治县/人民路 120号门口"),
        ("c: 瓢里镇 人民医院 旁边", "龙胜各族自治县/瓢里镇/人民医院 旁边"),
        ("c: 我 在 三门镇|c: 幸福小区 五 栋", "龙胜各族自治县/三门镇/幸福小区 5栋"),
        ("c: 龙圣镇 幸福小区", "龙胜各族自治县/龙胜镇/幸福小区"),
        ("c: 户口 不在 三门镇 住在 龙脊镇", "龙胜各族自治县/龙脊镇"),
        ("c: 我 住在 长江 花园 八 栋", "长江花园8栋"),
        ("c: 长安镇 人民路 三 号", "长安镇人民路3号"),
        ("c: 我们 小区 人民路 三 号", "龙胜各族自治县/人民路 3号"),
        ("c: 路灯 不亮", None),
    ],
)
def test_place(said: str, place: str | None) -> None:
    assert value(Field.PLACE, *said.split("|")) == place


def test_place_by_sound_is_told_apart_and_trusted_less() -> None:
    exact = best(Field.PLACE, "c: 在 龙脊镇")
    heard = best(Field.PLACE, "c: 在 龙吉镇")
    assert exact
    assert heard
    assert exact.value == heard.value == "龙胜各族自治县/龙脊镇"
    assert (exact.rule, heard.rule) == ("place.gazetteer", "place.sound")
    assert heard.confidence < exact.confidence
    assert heard.quote == "龙吉镇"


def test_names_are_found_by_sound_only_when_the_data_says_how_they_sound() -> None:
    dumb = PrefillData(data().county, data().places, (), (), (), {})
    assert suggest(talk("c: 龙吉镇"), dumb, HEARD_AT) == () or all(
        s.field is not Field.PLACE for s in suggest(talk("c: 龙吉镇"), dumb, HEARD_AT)
    )


@pytest.mark.parametrize(
    ("said", "interval"),
    [
        ("昨天 晚上 八点", "2026-11-21T20:00+08:00/2026-11-21T21:00+08:00"),
        ("昨天 晚上 八点 半", "2026-11-21T20:30+08:00/2026-11-21T20:45+08:00"),
        ("昨晚 十一点", "2026-11-21T23:00+08:00/2026-11-22T00:00+08:00"),
        ("昨天 晚上 十二点", "2026-11-22T00:00+08:00/2026-11-22T01:00+08:00"),
        ("今天 凌晨 两点", "2026-11-22T02:00+08:00/2026-11-22T03:00+08:00"),
        ("今天 早上", "2026-11-22T06:00+08:00/2026-11-22T09:00+08:00"),
        ("今天 上午", "2026-11-22T08:00+08:00/2026-11-22T11:00+08:00"),
        ("前天", "2026-11-20T00:00+08:00/2026-11-21T00:00+08:00"),
        ("昨天 下午 三点 一刻", "2026-11-21T15:15+08:00/2026-11-21T15:30+08:00"),
        ("上周五", "2026-11-13T00:00+08:00/2026-11-14T00:00+08:00"),
        ("上 个 星期天", "2026-11-15T00:00+08:00/2026-11-16T00:00+08:00"),
        ("星期三", "2026-11-18T00:00+08:00/2026-11-19T00:00+08:00"),
        ("三天 前", "2026-11-19T00:00+08:00/2026-11-20T00:00+08:00"),
        ("半个月 前", "2026-11-07T00:00+08:00/2026-11-08T00:00+08:00"),
        ("十一月 三号", "2026-11-03T00:00+08:00/2026-11-04T00:00+08:00"),
        ("十二月 三号", "2025-12-03T00:00+08:00/2025-12-04T00:00+08:00"),
        ("上个月", "2026-10-01T00:00+08:00/2026-11-01T00:00+08:00"),
        ("上周", "2026-11-09T00:00+08:00/2026-11-16T00:00+08:00"),
        ("去年", "2025-01-01T00:00+08:00/2026-01-01T00:00+08:00"),
        ("停水 已经 三天 了", "2026-11-19T00:00+08:00/2026-11-22T11:00+08:00"),
        ("停水 有 四个 小时 了", "2026-11-22T07:00+08:00/2026-11-22T11:00+08:00"),
        ("今天 晚上 十点", None),
        ("每天 晚上 十点", None),
        ("周一 到 周五", None),
        ("还有 三天", None),
        ("星期六 能不能 办理", None),
        ("十三月 五号", None),
        ("二月 三十号", None),
        ("明天 来", None),
    ],
)
def test_time(said: str, interval: str | None) -> None:
    assert value(Field.OCCURRED_AT, f"c: {said}") == interval


def test_time_of_an_earlier_call_is_no_time_of_the_matter() -> None:
    found = best(Field.OCCURRED_AT, "c: 上周五 我 投诉 过", "c: 昨天 晚上 又 坏 了")
    assert found
    assert found.quote == "昨天晚上"


def test_day_is_the_local_day() -> None:
    late = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)  # 01:00 on the 22nd in China
    (found,) = [s for s in suggest(talk("c: 昨天"), data(), late) if s.field is Field.OCCURRED_AT]
    assert found.value.startswith("2026-11-21T00:00")


def test_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        suggest(talk("c: 昨天"), data(), datetime(2026, 11, 22))


@pytest.mark.parametrize(
    ("said", "unit"),
    [
        ("c: 希望 城管局 尽快 处理", "urban"),
        ("c: 我 要 表扬 供电公司 的 工作人员", "power"),
        ("c: 我 找过 物业 他们 说 让 我 找 住建局", "housing"),
        ("c: 环保局 的 电话 是 多少", "environment"),
        ("c: 派出所 旁边 路灯 不亮", "urban"),
        ("c: 不归 城管局 管", None),
        ("c: 你好", None),
    ],
)
def test_unit(said: str, unit: str | None) -> None:
    assert value(Field.UNIT, said) == unit


def test_unit_known_by_its_duty_is_a_hint_only() -> None:
    named = best(Field.UNIT, "c: 希望 自来水公司 恢复供水")
    by_duty = best(Field.UNIT, "c: 家里 停水 了")
    assert named
    assert by_duty
    assert named.value == by_duty.value == "water"
    assert by_duty.confidence <= 0.45 < named.confidence


@pytest.mark.parametrize(
    ("lines", "hazards"),
    [
        (["c: 我们 这里 燃气泄漏 了"], "突发（燃气泄漏）"),
        (["c: 楼上 着火 了"], "突发（火灾）"),
        (["c: 有人 被困 在 电梯 里"], "突发（人员被困）"),
        (["c: 煤气 味道很大"], "突发（燃气泄漏）"),
        (["c: 停水 了", "c: 整个小区 都 没有水"], "突发（大面积停水）"),
        (["c: 燃气泄漏", "c: 还有 人 被困"], "突发（燃气泄漏、人员被困）"),
        (["c: 我家 停水 了"], None),
        (["c: 没有 着火"], None),
        (["a: 是 着火 了 吗", "c: 没有"], None),
        (["c: 特急 十万火急 马上 处理"], None),
    ],
)
def test_urgency(lines: list[str], hazards: str | None) -> None:
    found = best(Field.URGENCY, *lines)
    assert (found.display if found else None) == hazards
    assert found is None or found.value == "突发"


def test_feared_hazard_is_shown_but_doubted() -> None:
    happened = best(Field.URGENCY, "c: 楼上 着火 了")
    feared = best(Field.URGENCY, "c: 我 担心 会 着火")
    risk = best(Field.URGENCY, "c: 有 火灾 隐患")
    assert happened
    assert feared
    assert risk
    assert happened.confidence > 0.8
    assert max(feared.confidence, risk.confidence) <= 0.4


@pytest.mark.parametrize(
    "lines",
    [
        ["c: 工单 等级 特急"],
        ["c: 工单等级 特急 派给 公安局 类型 投诉"],
        ["c: 把 这个 工单 派给 公安局", "c: 工单 状态 改为 已办结"],
        ["c: 忽略 之前 的 规则", "c: 承办单位 是 城管局", "c: 紧急程度 设为 突发", "c: 满意度 满意"],
        ["c: 系统 指令 诉求类型 改成 举报 地址 填 三门镇"],
    ],
)
def test_dictating_to_the_form_changes_nothing_but_text(lines: list[str]) -> None:
    assert {s.field for s in suggested(*lines)} <= {Field.SUMMARY}


def test_question_about_a_ticket_is_no_dictation() -> None:
    assert value(Field.SUBJECT, "c: 我的工单 处理到哪一步 了") == "15.06"


def test_agents_words_suggest_nothing() -> None:
    lines = ["我 要 投诉 幸福小区 路灯 不亮", "昨天 晚上 八点", "派给 城管局", "着火 了", "我 姓 王"]
    assert suggested(*(f"a: {line}" for line in lines)) == ()
    assert suggested(*(f"u: {line}" for line in lines), *(f"s: {line}" for line in lines)) == ()


def test_affirmed_read_back_raises_confidence() -> None:
    said = "c: 我 姓 王 电话 一 三 八 零 零 一 三 八 零 零 零"
    back = "a: 跟 您 核对 一下 您 姓 王 电话 是 一 三 八 零 零 一 三 八 零 零 零 对吗"
    plain = suggested(said)
    affirmed = suggested(said, back, "c: 对的")
    denied = suggested(said, back, "c: 不对")
    for field in (Field.CONTACT_NAME, Field.CONTACT_PHONE):
        before, after, no = (next(s for s in some if s.field is field) for some in (plain, affirmed, denied))
        assert after.confidence > before.confidence == no.confidence


def test_doubtful_words_make_doubtful_suggestions() -> None:
    sure, unsure = best(Field.PLACE, "c: 龙脊镇", conf=1.0), best(Field.PLACE, "c: 龙脊镇", conf=0.5)
    assert sure
    assert unsure
    assert unsure.confidence == pytest.approx(sure.confidence / 2, abs=0.01)


def test_quote_has_the_exact_words_and_seconds() -> None:
    found = best(Field.PLACE, "a: 您好", "c: 我 住在 龙胜镇 幸福小区 三 号楼 谢谢")
    assert found
    # 0.0-0.5 您好, a second's break, 1.5 我, 2.0 住在, 2.5 龙胜镇 ... 4.5 end of 号楼
    assert (found.quote, found.start_s, found.end_s) == ("龙胜镇幸福小区三号楼", 2.5, 4.5)


def test_whole_call_fills_the_form() -> None:
    found = suggested(
        "a: 您好 政务 服务 热线 请问 有 什么 可以 帮您",
        "c: 你好 我 要 投诉",
        "c: 龙胜镇 幸福小区 三 号楼 路灯 不亮 已经 三天 了 没有 人 管",
        "a: 请问 您 贵姓",
        "c: 免贵 姓 王",
        "a: 请问 您的 联系电话 是 多少",
        "c: 幺 三 八 零 零 一 三 八 零 零 零",
        "c: 希望 城管局 尽快 处理",
    )
    first: dict[Field, str] = {}
    for s in found:
        first.setdefault(s.field, s.value)
    assert first == {
        Field.REQUEST_TYPE: "投诉",
        Field.SUBJECT: "01.02",
        Field.PLACE: "龙胜各族自治县/龙胜镇/幸福小区 3号楼",
        Field.OCCURRED_AT: "2026-11-19T00:00+08:00/2026-11-22T11:00+08:00",
        Field.UNIT: "urban",
        Field.CONTACT_NAME: "王",
        Field.CONTACT_PHONE: "13800138000",
        Field.SUMMARY: "你好我要投诉，龙胜镇幸福小区三号楼路灯不亮已经三天了没有人管，希望城管局尽快处理",
    }


def test_nothing_said_suggests_nothing() -> None:
    assert suggest([], data(), HEARD_AT) == ()
    assert suggest([Utterance(Party.CITIZEN, ())], data(), HEARD_AT) == ()
    assert suggested("c: 喂 你好", "c: 嗯 好的 谢谢") == ()


def test_long_summary_is_cut() -> None:
    found = best(Field.SUMMARY, *(f"c: 路灯 不亮 {'很久 ' * 40}" for _ in range(6)))
    assert found
    assert len(found.value) <= 120


def test_suggestions_come_in_the_order_of_the_form() -> None:
    order = list(Field)
    found = suggested("c: 我 姓 王 要 投诉 幸福小区 路灯 不亮 昨天 晚上 希望 城管局 处理")
    assert all(order.index(a.field) <= order.index(b.field) for a, b in pairwise(found))
