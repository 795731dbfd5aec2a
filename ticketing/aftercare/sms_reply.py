"""PURE: what a citizen's SMS reply to a satisfaction survey says.

Only what the survey asked for is counted: one of the digits 1, 2, 3 or one of the words 满意, 基本满意, 不满意,
with or without a comment after a separator. Everything else goes to a person; nothing is guessed, because a wrong
满意 is the one error nobody ever notices. Decisions where the texts are silent:

- 一, 二, 三 go to a person: 一 is also how a dash looks, and the survey asks for digits.
- 非常满意, 很满意, 满意吧, 不太满意 go to a person: the three levels asked for do not hold them, and the words around
  满意 are where irony lives.
- A digit that runs into text is not a rating (`1个月了还没修`, `3天了`, `2楼漏水`); after a space, a measure word
  says the same (`3 天了`). `1、路灯不亮` and `1.路灯不亮` may open a list and go to a person; no list opens
  with 2 or 3.
- A comment that says the opposite, corrects itself, holds another rating, asks for no more messages or comes from
  a machine sends the whole reply to a person (`满意，才怪`, `1，发错了`, `3，不要再发短信`, `1【自动回复】`).
- Only an empty reply is ignored: it is the only one that certainly says nothing.

Source: LS-064 to LS-067 say what a rating leads to; what counts as one is decided here.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

Rating = Literal["满意", "基本满意", "不满意"]
Route = Literal["count", "person", "stop", "ignore"]

RATINGS: Final[tuple[Rating, Rating, Rating]] = ("满意", "基本满意", "不满意")
BY_TOKEN: Final[dict[str, Rating]] = {
    "1": "满意",
    "2": "基本满意",
    "3": "不满意",
    "满意": "满意",
    "基本满意": "基本满意",
    "不满意": "不满意",
}
STOP_WORDS: Final = frozenset({"td", "t", "n", "stop", "unsubscribe", "退订", "取消", "拒收"})


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, read. `text` is what came, untouched; `rating` is set exactly when `route` is `count`."""

    text: str
    rating: Rating | None
    route: Route
    comment: str | None = None


def parse(text: str) -> Reply:
    """What `text` (one SMS, any length) says. Never raises."""
    said = _normalised(text)
    if not said:
        return Reply(text, None, "ignore")
    if _is_stop(said):
        return Reply(text, None, "stop")
    counted = _counted(_unwrapped(said))
    if counted is None:
        return Reply(text, None, "person")
    rating, comment = counted
    return Reply(text, rating, "count", comment)


_MARKS = r"!,.。、:;~…"
"""What may close a rating or part it from a comment (after NFKC: `，！：；（）` have become ASCII)."""
_TOKEN = re.compile(r"[1-3]|基本满意|不满意|满意")
_ECHO = re.compile(rf"[\s{_MARKS}]*(?:\((?P<in>[1-3]|基本满意|不满意|满意)\)|(?P<out>[1-3]|基本满意|不满意|满意))")
_END = re.compile(rf"[\s{_MARKS}]*")
_WRAPS = ("【】", "[]", "()", "《》", "<>", "「」", "『』", "“”", "‘’", '""', "''")
_POLITE = re.compile(
    rf"(?:非常|十分|多)?(?:谢谢|感谢|谢)(?:你们|您们|您|你|了|啦|大家)?(?:辛苦了)?[\s{_MARKS}]*|辛苦了[\s{_MARKS}]*"
)
_MEASURES = re.compile(
    r"[个号楼栋幢次点层元块秒米级岁辆套件公里万千百十%％]|月|年(?!轻|底|纪)|天(?!黑|气|花|天|然)|户(?!外|口)|人(?!行|家|员|民|工)"
    r"|分(?!管|明|类)|星|礼拜|路(?!灯|面|边|口|上|段|障|况|人|政)|条(?!件|例)|组(?!织)|只(?!是|有|能|说|来|会|派|管|处)|小时|单元|平方"
)
_DOUBT = re.compile(
    r"[?吗么嘛吧呢嘞咯]|才怪|个[屁鬼]|[不否没](?:$|[\s,.。]|是|对|行吗)|或|(?:到|至|和|跟|与|还是)\s*[1-3一二三]"
)
_ANOTHER_RATING = re.compile(r"满意|(?<![0-9A-Za-z])[1-3](?![0-9A-Za-z])")
_CORRECTED = re.compile(
    r"[错误]了|[发按打回选]错|更正|改[为成]|不算|作废|撤回|重新|应该是|反话|才怪|[个放]屁|见鬼|才有鬼|开玩笑"
)
_MACHINE = re.compile(r"自动回复|自动应答|正在开[车会]|稍后(?:回复|联系)|auto[ -]?reply", re.IGNORECASE)
_NO_MORE = re.compile(
    r"退订|拒收|不要再?[发打]|别再?[发打]|不要.{0,4}骚扰|别.{0,4}骚扰|(?<![0-9A-Za-z])(?:td|stop)(?![0-9A-Za-z])", re.I
)
_COMPLAINT = re.compile(
    r"没有?(?:人|解决|处理|修|来|用|联系|回复|结果|改|好|见)|无人|还[是在没]|仍|依然|未|不(?!客气|用谢|错|好意思)|但|可是|只是|就是"
    r"|差|慢|糟|推[诿脱]|敷衍|骗|投诉|失望|怎么|为什么|凭什么|[?？]"
)
_PRAISE = re.compile(r"很好|非常好|挺好|真好|不错|点赞|(?<![没未不])(?<!没有)(?<!没能)(?:已经?)?解决了|态度好|赞|👍")
_OPENS_LIST = re.compile(r"\s*[.、)]")


def _normalised(text: str) -> str:
    """NFKC, without invisible characters, every run of white space one space, trimmed."""
    kept = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in _INVISIBLE)
    return " ".join(kept.split())


# Cf: zero-width and direction marks; Mn and Me: the frame of a keycap 1️⃣; Cs: half of a broken emoji.
_INVISIBLE = frozenset({"Cf", "Mn", "Me", "Cs"})


def _unwrapped(said: str) -> str:
    """`【1】` and `“满意”。` without brackets and quotes, when they hold the whole reply."""
    for _ in range(3):
        bare = said.rstrip(f" {_MARKS}")
        pair = next((w for w in _WRAPS if len(bare) > 2 and bare[0] == w[0] and bare[-1] == w[1]), None)
        if pair is None or pair[1] in bare[1:-1]:
            return said
        said = bare[1:-1].strip()
    return said


def _is_stop(said: str) -> bool:
    """A stop word alone, or followed by thanks."""
    parts = re.split(rf"[\s{_MARKS}]+", _unwrapped(said).casefold().strip(f" {_MARKS}"), maxsplit=1)
    return parts[0] in STOP_WORDS and (len(parts) == 1 or bool(_POLITE.fullmatch(parts[1])))


def _counted(said: str) -> tuple[Rating, str | None] | None:
    """The rating and the comment, or None when a person must read it."""
    token = _TOKEN.match(said)
    if token is None:
        return None
    rating = BY_TOKEN[token[0]]
    rest = said[token.end() :]
    echo = _ECHO.match(rest)
    if echo is None or not _stands_alone(echo["in"] or echo["out"], rest[echo.end() :]):
        return _with_comment(rating, rest, digit=token[0].isdecimal())
    again = echo["in"] or echo["out"]
    if BY_TOKEN[again] != rating or again.isdecimal() == token[0].isdecimal():
        return None  # `1 不满意` contradicts itself; `1 1` and `满意 满意` are no echo, who knows what is meant
    return _with_comment(rating, rest[echo.end() :], digit=again.isdecimal())


def _stands_alone(token: str, rest: str) -> bool:
    """The second rating is one: not the 满意 of 满意度, not the digit of `1 天`."""
    if token.isdecimal() and _MEASURES.match(rest.lstrip()):
        return False
    return _parted(rest) or bool(_POLITE.fullmatch(rest))


def _parted(rest: str) -> bool:
    """Nothing follows, or a separator does."""
    return not rest or rest[0] in f" {_MARKS}(【["


def _with_comment(rating: Rating, rest: str, *, digit: bool) -> tuple[Rating, str | None] | None:
    """`rest` is what follows the rating."""
    if _END.fullmatch(rest):
        return rating, None
    if _POLITE.fullmatch(rest):
        return rating, _tidy(rest)
    if not _parted(rest):
        return None
    comment = _tidy(rest)
    if not _unwrapped(comment).strip(_MARKS):
        return None
    if (digit and _runs_into(rest, comment)) or _spoils(rating, comment):
        return None
    if digit and rating == "满意" and _OPENS_LIST.match(rest) and not _POLITE.fullmatch(comment):
        return None
    return rating, comment


def _tidy(rest: str) -> str:
    """The comment without the separators before it."""
    return rest.lstrip(f" {_MARKS}").rstrip()


def _runs_into(rest: str, comment: str) -> bool:
    """The digit belongs to what follows: `3 天了`, `1.5`, `1,000`, `2:30`."""
    return comment[0].isdecimal() or (rest[0] == " " and bool(_MEASURES.match(comment)))


def _spoils(rating: Rating, comment: str) -> bool:
    """The comment makes the rating doubtful, or asks for something a count would lose."""
    doubts = (_CORRECTED, _MACHINE, _NO_MORE)
    if _DOUBT.match(comment) or any(doubt.search(comment) for doubt in doubts) or _rates_again(comment):
        return True
    if rating == "满意":
        return bool(_COMPLAINT.search(comment))
    return rating == "不满意" and bool(_PRAISE.search(comment)) and not _COMPLAINT.search(comment)


def _rates_again(comment: str) -> bool:
    """Another rating stands in the comment; `3号楼` and `2次` are none."""
    return any(
        not (hit[0].isdecimal() and _MEASURES.match(comment, hit.end())) for hit in _ANOTHER_RATING.finditer(comment)
    )
