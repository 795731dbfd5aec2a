"""Telephone, id number, name and plate of who calls: found, and masked wherever shown."""

import pytest

from tests.support.talks import CALLER, best, suggested, value
from ticketing.prefill.draft import Field

ID_SPOKEN = "一 一 零 一 零 五 一 九 四 九 一 二 三 一 零 零 二 叉"


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (["c: 我的 电话 是 幺 三 八 零 零 一 三 八 零 零 零"], "13800138000"),
        (["c: 幺三八 零零一三", "c: 八零零零"], "13800138000"),
        (["c: 幺三八 零零一三", "a: 嗯", "c: 八零零零"], "13800138000"),
        (["c: 一 三 八 零 零 一 三 八 零 零 零 一共 三 个人"], "13800138000"),
        (["c: 13800138000"], "13800138000"),
        (["c: 电话 是 要 三 八 零 零 一 三 八 零 零 零"], "13800138000"),
        (["c: 零 七 七 三 七 五 一 二 三 四 五"], "07737512345"),
        (["a: 请问 您的 联系电话 是 多少", "c: 七 五 一 二 三 四 五"], "7512345"),
        (["c: 七 五 一 二 三 四 五"], None),
        (["c: 电话 四 七 幺 一 六 九 零 三零五三对"], None),
        (["c: 一 二 三 四 五"], None),
        (["a: 请问 是 用 这个 号码 联系 您 吗", "c: 对的"], CALLER.digits),
        (["c: 就是 这个 号码"], CALLER.digits),
        (["a: 您的 电话 是 一 三 八 零 零 一 三 八 零 零 零 吗"], None),
        (["u: 我的 电话 是 一 三 八 零 零 一 三 八 零 零 零"], None),
    ],
)
def test_contact_phone(lines: list[str], number: str | None) -> None:
    assert value(Field.CONTACT_PHONE, *lines) == number


def test_telephone_is_masked_wherever_it_is_shown() -> None:
    found = suggested("c: 我要 投诉 我的 电话 是 幺 三 八 零 零 一 三 八 零 零 零 尽快 处理")
    phone = next(s for s in found if s.field is Field.CONTACT_PHONE)
    assert (phone.display, phone.quote) == ("138****8000", "幺三八****八零零零")
    assert "13800138000" not in repr(found)
    assert "零零一三八零零零" not in repr(found)
    summary = next(s for s in found if s.field is Field.SUMMARY)
    assert "幺三八****八零零零" in summary.value


def test_somebody_elses_telephone_is_trusted_less() -> None:
    own = best(Field.CONTACT_PHONE, "c: 我的 电话 是 一 三 八 零 零 一 三 八 零 零 零")
    theirs = best(Field.CONTACT_PHONE, "c: 老板 的 电话 是 一 三 八 零 零 一 三 八 零 零 零")
    assert own
    assert theirs
    assert theirs.confidence < 0.5 < own.confidence


def test_corrected_number_comes_first() -> None:
    found = suggested("c: 电话 一 三 八 零 零 一 三 八 零 零 零", "c: 不对 电话 一 三 九 零 零 一 三 九 零 零 零")
    assert next(s.value for s in found if s.field is Field.CONTACT_PHONE) == "13900139000"


def test_id_number_leaves_only_in_masked_form() -> None:
    found = suggested(f"c: 身份证 号码 是 {ID_SPOKEN}")
    number = next(s for s in found if s.field is Field.ID_NUMBER)
    assert number.value == number.display == "110***********002X"
    assert number.quote == "一一零***********零零二叉"
    assert not any("19491231" in s.value or "一九四九" in s.quote for s in found)


def test_id_number_with_a_wrong_check_character_is_not_suggested() -> None:
    assert value(Field.ID_NUMBER, "c: 身份证 是 " + ID_SPOKEN.replace("叉", "三")) is None


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["c: 我 姓 王"], "王"),
        (["c: 免贵 姓 李"], "李"),
        (["c: 我 是 王 女士"], "王女士"),
        (["c: 我 叫 王 建国 我家 住在 幸福小区"], "王建国"),
        (["c: 我 叫 王 刚 我家 住在 幸福小区"], "王刚"),
        (["c: 我 姓 欧阳"], "欧阳"),
        (["a: 请问 您 贵姓", "c: 陈"], "陈"),
        (["a: 我 姓 王 很高兴 为您 服务"], None),
        (["c: 我 叫 了 好几次 物业"], None),
        (["c: 老百姓 都 知道"], None),
    ],
)
def test_contact_name(lines: list[str], name: str | None) -> None:
    assert value(Field.CONTACT_NAME, *lines) == name


def test_plate_is_suggested() -> None:
    assert value(Field.PLATE, "c: 车牌 是 桂 C 一 二 三 四 五") == "桂C12345"
