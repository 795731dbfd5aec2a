"""SMS replies: what counts, what a person reads, what stops."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ticketing.aftercare.sms_reply import BY_TOKEN, RATINGS, Rating, parse

G, B, U = RATINGS

COUNTED: list[tuple[str, Rating, str | None]] = [
    ("1", G, None),
    ("2", B, None),
    ("3", U, None),
    (" 1 ", G, None),
    ("\t3\r\n", U, None),
    ("　2　", B, None),
    ("１", G, None),
    ("３", U, None),
    ("①", G, None),
    ("③", U, None),
    ("1\ufe0f\u20e3", G, None),
    ("\u200b1\ufeff", G, None),
    ("1.", G, None),
    ("1。", G, None),
    ("2！", B, None),
    ("1、", G, None),
    ("【1】", G, None),
    ("（3）", U, None),
    ("“2”", B, None),
    ("[1]。", G, None),
    ("满意", G, None),
    ("基本满意", B, None),
    ("不满意", U, None),
    ("满意。", G, None),
    ("满意~", G, None),
    ("「不满意」", U, None),
    ("【满意】", G, None),
    ("1 满意", G, None),
    ("1满意", G, None),
    ("3不满意", U, None),
    ("2：基本满意", B, None),
    ("3（不满意）", U, None),
    ("满意1", G, None),
    ("不满意 3", U, None),
    ("3，路灯还是不亮", U, "路灯还是不亮"),
    ("3 路灯还是不亮", U, "路灯还是不亮"),
    ("３　没有人来", U, "没有人来"),
    ("3\n没有人来", U, "没有人来"),
    ("3.没有解决", U, "没有解决"),
    ("3、没有解决", U, "没有解决"),
    ("3：没有解决", U, "没有解决"),
    ("3,到现在也没有人联系我", U, "到现在也没有人联系我"),
    ("2，还可以", B, "还可以"),
    ("2 有点慢", B, "有点慢"),
    ("不满意 没有人来", U, "没有人来"),
    ("不满意，打了2次电话没有人接", U, "打了2次电话没有人接"),
    ("不满意！！！", U, None),
    ("满意！谢谢", G, "谢谢"),
    ("满意谢谢", G, "谢谢"),
    ("1谢谢你们", G, "谢谢你们"),
    ("1、谢谢", G, "谢谢"),
    ("3，谢谢", U, "谢谢"),
    ("1 满意，谢谢", G, "谢谢"),
    ("满意，处理很及时", G, "处理很及时"),
    ("满意，再也没有噪音了", G, "再也没有噪音了"),
    ("基本满意，希望再快一点", B, "希望再快一点"),
    ("满意【张三】", G, "【张三】"),
]

PERSON = [
    # not what was asked for
    "0",
    "4",
    "5",
    "10",
    "12",
    "123",
    "11",
    "1.5",
    "1,000",
    "2:30",
    "0.1",
    "-1",
    "+1",
    "1%",
    "1/2",
    "½",
    "一",
    "二",
    "三",
    "好",
    "好的",
    "谢谢",
    "非常满意",
    "很满意",
    "比较满意",
    "还算满意",
    "一般",
    "滿意",
    "OK",
    "ok1",
    "a1",
    "👍",
    "。",
    "？",
    "你好",
    "你是谁",
    "回复1",
    "选1",
    "1分",
    "1#",
    # two at once, or against itself
    "1或3",
    "1或者2",
    "1 或 3",
    "1到3",
    "1-3",
    "1~3",
    "1、3",
    "1，2",
    "1 2 3",
    "1 1",
    "满意 满意",
    "1 不满意",
    "3满意",
    "满意 3",
    "不满意1",
    "1，不对，3",
    "1 满意 2 基本满意 3 不满意",
    "1，应该是3",
    # doubt, negation, irony
    "不是不满意",
    "没有不满意",
    "不太满意",
    "不很满意",
    "基本不满意",
    "满意吗",
    "满意？",
    "满意!?",
    "3!?",
    "满意吧",
    "满意 吗",
    "满意度",
    "满意度低",
    "满意才怪",
    "满意，才怪",
    "满意 个屁",
    "不满意才怪",
    "1，反话",
    "满意不了",
    "满意，但是太慢了",
    "1，没有人来",
    "1 路灯还是不亮",
    "3 不",
    "3，已经解决了，很好",
    "3，发错了",
    "1，按错了",
    # the digit belongs to the text
    "1个月了还没修",
    "3天了没有人来",
    "2楼漏水",
    "3 天了",
    "1 个月",
    "3 号楼没水",
    "2 次没人来",
    "1 路公交车",
    "3月5日",
    "1、路灯不亮",
    "1.路灯不亮",
    "1、路灯不亮 2、停水",
    "3，3天了",
    "3,300元",
    # machines and quotations
    "【自动回复】我正在开车",
    "我正在开车",
    "1【自动回复】",
    "[自动回复]满意",
    "满意，我正在开会，稍后联系",
    "【12345】请回复1满意2基本满意3不满意",
    # a stop that is not only a stop
    "不满意，退订",
    "3，不要再发短信了",
    "1 TD",
    "STOP 1",
    "不退订",
    "取消1",
    "取消订单",
    "TD1",
    "no",
    "请不要取消",
]

STOP = [
    "TD",
    "td",
    "T",
    "t",
    "ＴＤ",
    "退订",
    "【退订】",
    "退订。",
    "取消",
    "N",
    "n",
    "stop",
    "STOP!",
    " Stop ",
    "拒收",
    "TD，谢谢",
]
IGNORED = ["", " ", "\n\t", "　", "\u200b", "\ufeff \u200d"]


@pytest.mark.parametrize(("text", "rating", "comment"), COUNTED, ids=[repr(row[0]) for row in COUNTED])
def test_clear_rating_counts(text: str, rating: Rating, comment: str | None) -> None:
    reply = parse(text)
    assert (reply.route, reply.rating, reply.comment) == ("count", rating, comment)
    assert reply.text == text


@pytest.mark.parametrize("text", PERSON, ids=repr)
def test_anything_else_goes_to_a_person(text: str) -> None:
    reply = parse(text)
    assert (reply.route, reply.rating, reply.comment) == ("person", None, None)


@pytest.mark.parametrize("text", STOP, ids=repr)
def test_stop_word_stops(text: str) -> None:
    assert (parse(text).route, parse(text).rating) == ("stop", None)


@pytest.mark.parametrize("text", IGNORED, ids=repr)
def test_only_emptiness_is_ignored(text: str) -> None:
    assert (parse(text).route, parse(text).rating) == ("ignore", None)


def test_table_is_as_long_as_promised() -> None:
    assert len(COUNTED) + len(PERSON) + len(STOP) + len(IGNORED) >= 80


pieces = st.sampled_from(
    [
        *BY_TOKEN,
        "不",
        "没",
        "是",
        "很",
        "或",
        "，",
        ",",
        " ",
        "。",
        "、",
        "！",
        "？",
        "【",
        "】",
        "(",
        ")",
        "TD",
        "天",
        "个",
        "谢谢",
        "没有人来",
        "还是",
        "4",
        "0",
        "吗",
        "１",
        "③",
        "\u200b",
        "-",
        "/",
    ]
)
texts = st.one_of(st.text(max_size=40), st.lists(pieces, max_size=6).map("".join))


@given(texts)
@example("\ud800")
@example("1 " * 200)
def test_never_raises_and_rates_only_when_counted(text: str) -> None:
    reply = parse(text)
    assert (reply.rating is not None) == (reply.route == "count")
    assert reply.comment is None or (reply.route == "count" and reply.comment)
    assert reply.text == text


@given(texts)
def test_counted_text_opens_with_its_rating_and_holds_no_other(text: str) -> None:
    reply = parse(text)
    if reply.rating is None:
        return
    said = unicodedata.normalize("NFKC", text)
    others = {digit for digit in "123" if BY_TOKEN[digit] != reply.rating}
    bare = said.strip(" \t\r\n。.!,、:~…()[]【】\u200b")
    assert any(bare.startswith(token) for token, rating in BY_TOKEN.items() if rating == reply.rating)
    assert bare not in others


@given(texts)
def test_nfkc_and_outer_white_space_change_nothing(text: str) -> None:
    first = parse(text)
    for other in (unicodedata.normalize("NFKC", text), f" \n{text}　\t", text.replace(" ", "　")):
        again = parse(other)
        assert (again.rating, again.route, again.comment) == (first.rating, first.route, first.comment)


@given(
    st.sampled_from(sorted(BY_TOKEN)),
    st.sampled_from(sorted(BY_TOKEN)),
    st.sampled_from(["", " ", "，", "、", "或", "/"]),
)
def test_two_different_ratings_never_count(first: str, second: str, between: str) -> None:
    if BY_TOKEN[first] != BY_TOKEN[second]:
        assert parse(first + between + second).route == "person" or first + between + second in BY_TOKEN
