"""Texts and hours: what may go out, and when."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from callcenter.sms import texts
from callcenter.sms.hours import SendHours, next_send_time
from config.problems import ConfigWrong, data_root
from config.sms_loader import load_sms

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOURS = SendHours(time(8), time(20), SHANGHAI)


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("now", "sends"),
    [
        ("2026-11-22 07:59:59", "2026-11-22 08:00:00"),
        ("2026-11-22 08:00:00", "2026-11-22 08:00:00"),
        ("2026-11-22 13:05:07", "2026-11-22 13:05:07"),
        ("2026-11-22 19:59:59", "2026-11-22 19:59:59"),
        ("2026-11-22 20:00:00", "2026-11-23 08:00:00"),
        ("2026-11-22 23:59:59", "2026-11-23 08:00:00"),
        ("2026-12-31 21:00:00", "2027-01-01 08:00:00"),
        ("2028-02-28 22:00:00", "2028-02-29 08:00:00"),
    ],
)
def test_a_message_leaves_inside_the_hours(now: str, sends: str) -> None:
    found = next_send_time(at(now), HOURS)
    assert found == at(sends)
    assert found.tzinfo is UTC


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York"]),
    st.times(),
    st.times(),
)
def test_the_next_time_is_soon_and_inside_the_hours(now: datetime, zone: str, one: time, other: time) -> None:
    if one == other:
        return
    hours = SendHours(min(one, other), max(one, other), ZoneInfo(zone))
    found = next_send_time(now.replace(tzinfo=UTC), hours)
    assert timedelta(0) <= found - now.replace(tzinfo=UTC) <= timedelta(hours=25)
    # Asking again changes nothing. (Where clocks are put forward an opening may fall into the missing hour.)
    if zone.startswith("Asia"):
        assert hours.opens <= found.astimezone(hours.zone).time() < hours.closes
        assert next_send_time(found, hours) == found


def test_hours_must_be_in_order() -> None:
    with pytest.raises(ValueError):
        SendHours(time(20), time(8), SHANGHAI)


@pytest.mark.parametrize(
    ("title", "sent"),
    [
        ("幸福路路灯不亮", "幸福路路灯不亮"),
        ("路灯不亮\r\n【中国银行】请点击 http://x.cn/a?b=1", "路灯不亮 中国银行请点击 httpxc…"),
        ("请拨13800138000领奖", "请拨…领奖"),
        ("“加急”{ticket}", "加急ticket"),
        ("一" * 40, "一" * 19 + "…"),
        ("<script>alert(1)</script>", "scriptalert(1)script"),
        ("\u202e\u200b", "您的诉求"),
        ("", "您的诉求"),
    ],
)
def test_a_title_is_made_harmless(title: str, sent: str) -> None:
    assert texts.harmless(title) == sent


@given(st.text())
def test_no_title_can_carry_a_link_or_a_number(title: str) -> None:
    found = texts.harmless(title)
    assert 1 <= len(found) <= texts.TITLE_LENGTH
    assert not set("【】./:@%#\n\r\0") & set(found)
    assert not any(part.isdigit() and len(part) > 4 for part in found.split())


def test_the_texts_we_ship_say_what_they_should() -> None:
    config = load_sms()
    assert texts.survey_text(config.texts, title="幸福路路灯不亮", ticket="LS20261122-0007") == (
        "【12345热线】您反映的“幸福路路灯不亮”（工单LS20261122-0007）已办结，"
        "请回复数字评价：1满意 2基本满意 3不满意。24小时内有效，退订回复TD。"
    )
    assert texts.survey_thanks_text(config.texts, ticket="T1", rating="满意") == (
        "【12345热线】已收到您对工单T1的评价：满意。感谢您的支持！"
    )
    assert "1满意 2基本满意 3不满意" in texts.survey_help_text(config.texts, ticket="T1")
    assert "T1" in texts.ticket_opened_text(config.texts, title="路灯", ticket="T1", code="12345678")
    assert texts.stopped_text(config.texts).startswith("【12345热线】")
    assert (config.hours.opens, config.hours.closes) == (time(8), time(20))


def test_a_text_that_came_out_too_long_is_refused() -> None:
    with pytest.raises(texts.TextTooLong):
        texts.survey_help_text(load_sms().texts, ticket="0" * 600)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"signature": "12345热线"}, "signature"),
        ({"hours": {"zone": "Mars/Base", "opens": "08:00", "closes": "20:00"}}, "time zone"),
        ({"hours": {"zone": "Asia/Shanghai", "opens": "20:00", "closes": "08:00"}}, "before closes"),
        ({"hours": {"zone": "Asia/Shanghai", "opens": 480, "closes": "20:00"}}, "time of day"),
        ({"texts": {"survey": "工单{ticket} {caller}"}}, "{ticket}, {title} only"),
        ({"texts": {"survey": "工单{ticket.__class__}"}}, "only"),
        ({"texts": {"survey": "工单{ticket!r}"}}, "only"),
        ({"texts": {"survey": "工单{ticket"}}, "brace"),
        ({"texts": {"survey": "请回复评价"}}, "{ticket} is missing"),
        ({"texts": {"survey": "{ticket}" + "字" * 480}}, "shorten"),
        ({"greeting": "hello"}, "greeting"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(tmp_path: Path, change: dict[str, object], said: str) -> None:
    values = yaml.safe_load(data_root().joinpath("texts/zh-CN/sms.yaml").read_text(encoding="utf-8"))
    for key, value in change.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) else value
    folder = tmp_path / "texts" / "zh-CN"
    folder.mkdir(parents=True)
    (folder / "sms.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigWrong) as wrong:
        load_sms(root=tmp_path)
    assert "config/texts/zh-CN/sms.yaml" in str(wrong.value)
    assert said in str(wrong.value)
