"""PURE: numbers as people say and write them: digits one by one (`幺三八 零零一三`), cardinals (`一百二十`), and the
identifiers made of them (mobile and fixed numbers, 居民身份证, vehicle plates).

Spans count characters of the text as given; nothing is normalised first, so they may be used to cut it.
Homophones are not guessed (是 is not 四), with one exception: 要, 腰, 妖 between or before digits are 幺, as no other
word of the language stands there and a recogniser that never learnt 幺 writes one of them.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

DIGITS: Final = {"零": "0", "〇": "0", "○": "0", "幺": "1"} | dict(zip("一二三四五六七八九", "123456789", strict=True))
SOFT_ONES: Final = frozenset("要腰妖")
CHECK_CHARS: Final = frozenset("XxＸｘ叉")
"""The eleventh check character of a 居民身份证, as written and as said."""


@dataclass(frozen=True, slots=True)
class DigitRun:
    """Digits said one after another: text[start:end] reads `digits` (ASCII, perhaps with a final X)."""

    start: int
    end: int
    digits: str
    positions: tuple[int, ...]
    """Where each digit stands in the text."""

    def cut(self, first: int, last: int) -> "DigitRun":
        """The run of digits[first:last]."""
        kept = self.positions[first:last]
        return DigitRun(kept[0], kept[-1] + 1, self.digits[first:last], kept)


@dataclass(frozen=True, slots=True)
class NumberSpan:
    """A cardinal: text[start:end] means `value`."""

    start: int
    end: int
    value: int


@dataclass(frozen=True, slots=True)
class Plate:
    """A vehicle plate: text[start:end] reads `plate`, for example 桂C12345."""

    start: int
    end: int
    plate: str


def digit(char: str) -> str | None:
    """The ASCII digit a character says, or None. Full-width, circled and other scripts' digits are digits."""
    said = DIGITS.get(char)
    if said is not None or char.isascii():
        return said or (char if char.isdecimal() else None)
    value = unicodedata.digit(char, None)
    return None if value is None else str(value)


# Between two digits of one number people pause, write blanks or hyphens, and say 嗯. A line break is a pause, too.
_GAP = re.compile(r"(?:\s|[-‐‑–—－·，、]|嗯|啊|呃|额|哦|诶|然后|后面是?|接着|再是){0,6}")


def digit_runs(text: str) -> tuple[DigitRun, ...]:
    """Every longest run of digits in `text`, pauses inside it allowed; of any length from 1."""
    runs: list[DigitRun] = []
    at = 0
    while at < len(text):
        run = _run_at(text, at)
        if run is None:
            at += 1
        else:
            runs.append(run)
            at = run.end
    return tuple(runs)


def _run_at(text: str, start: int) -> DigitRun | None:
    """The longest run that begins exactly at `start`."""
    if digit(text[start]) is None and not _soft_one(text, start):
        return None
    found: list[tuple[int, str]] = []
    at = start
    while at < len(text):
        said = digit(text[at]) or ("1" if _soft_one(text, at) else None)
        if said is None and text[at] in CHECK_CHARS and len(found) == 17:
            said = "X"
        if said is None:
            break
        found.append((at, said))
        gap = _GAP.match(text, at + 1)
        at = gap.end() if gap else at + 1
    positions = tuple(position for position, _ in found)
    return DigitRun(positions[0], positions[-1] + 1, "".join(said for _, said in found), positions)


def _soft_one(text: str, at: int) -> bool:
    """`要` that stands for 幺: ten digits follow it, or six digits lie about it within one run."""
    if text[at] not in SOFT_ONES:
        return False
    after = _hard_digits(text, at + 1, 1)
    if after == 10:
        return True
    before = _hard_digits(text, at - 1, -1)
    return before > 0 and after > 0 and before + after >= 6


def _hard_digits(text: str, at: int, step: int) -> int:
    """How many plain digits stand together from `at` on, walking by `step`, blanks skipped; at most 11."""
    count = 0
    while 0 <= at < len(text) and count < 11:
        if digit(text[at]) is not None or (count and text[at] in SOFT_ONES):
            count += 1
        elif text[at] not in " -":
            break
        at += step
    return count


_SMALL = {"零": 0, "〇": 0, "两": 2, "俩": 2} | dict(zip("一二三四五六七八九", range(1, 10), strict=True))
_SCALE = {"十": 10, "百": 100, "千": 1000}
_BIG = {"万": 10_000, "亿": 100_000_000}
_CARDINAL = re.compile(r"[零〇一二三四五六七八九两十百千万亿]+|[0-9]{1,9}(?:[万亿])?")


def find_numbers(text: str) -> tuple[NumberSpan, ...]:
    """Every cardinal in `text`: 十五, 一百二十, 两千三, 一万二, 36, 3万. Digits said one by one are none (二零二三)."""
    spans: list[NumberSpan] = []
    for hit in _CARDINAL.finditer(text):
        value = parse_number(hit[0])
        if value is not None:
            spans.append(NumberSpan(hit.start(), hit.end(), value))
    return tuple(spans)


def parse_number(text: str) -> int | None:
    """The value of a cardinal, or None when it is none (`几`, `二零二三`, `十十`). 两千三 is 2300, 一万二 is 12000."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    if hit := re.fullmatch(r"([0-9]{1,9})([万亿])", text):
        return int(hit[1]) * _BIG[hit[2]]
    if not text or not all(c in _SMALL or c in _SCALE or c in _BIG for c in text):
        return None
    return _big(text)


def _big(text: str) -> int | None:
    """A cardinal in Chinese characters, by 亿 and 万."""
    for name, worth in (("亿", 100_000_000), ("万", 10_000)):
        left, sign, right = text.partition(name)
        if not sign:
            continue
        if name in right:
            return None
        high, low = _big(left), _tail(right, worth)
        if high is None or low is None or low >= worth:
            return None
        return high * worth + low
    return _section(text)


def _tail(text: str, worth: int) -> int | None:
    """What follows 万 or 亿: a lone digit counts the next place (一万二 = 12000), 零 takes that back (一万零二)."""
    if len(text) == 1 and text in _SMALL and text not in "零〇":
        return _SMALL[text] * worth // 10
    return _big(text[1:] if len(text) > 1 and text[0] in "零〇" else text) if text else 0


def _section(text: str) -> int | None:
    """A cardinal below ten thousand."""
    total, scale, at = 0, 10_000, 0
    if text.startswith("十"):
        text = "一" + text
    while at < len(text):
        if text[at] in "零〇" and at + 1 < len(text) and at > 0:
            at += 1
            continue
        value = _SMALL.get(text[at])
        step = _SCALE.get(text[at + 1]) if at + 1 < len(text) else None
        if value is None or (step is None and at + 1 < len(text)) or (step is not None and step >= scale):
            return None
        if step is None:
            return total + value * _last_place(text, at, scale)
        total, scale, at = total + value * step, step, at + 2
    return total if text else None


def _last_place(text: str, at: int, scale: int) -> int:
    """The worth of a last bare digit: 两千三 counts hundreds; 三十五, 一百零三 and 五 count ones."""
    if at == 0 or text[at - 1] in "零〇" or scale == 10_000:
        return 1
    return scale // 10


_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_FIXED = re.compile(r"0(?:10|2[0-9]|[3-9][0-9]{2})[2-8][0-9]{6,7}")
_SERVICE = re.compile(r"[48]00[0-9]{7}")
_WITH_COUNTRY = re.compile(r"(?:0?0?86)(1[3-9][0-9]{9})")


def phone_in(digits: str) -> str | None:
    """`digits` as a telephone number of the mainland (mobile, fixed with area code, 400/800), without 86; else None.

    Source: the number plan of 电信网编号计划; short codes and local numbers need a cue and are not judged here.
    """
    if hit := _WITH_COUNTRY.fullmatch(digits):
        return hit[1]
    whole = _MOBILE.fullmatch(digits) or _FIXED.fullmatch(digits) or _SERVICE.fullmatch(digits)
    return digits if whole else None


_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def id_number_ok(digits: str) -> bool:
    """`digits` is a 公民身份号码: 18 characters, a date of birth that exists, the check character right.

    Source: GB 11643-1999, ISO 7064 MOD 11-2.
    """
    if not re.fullmatch(r"[1-9][0-9]{16}[0-9X]", digits):
        return False
    try:
        date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    except ValueError:
        return False
    total = sum(int(d) * weight for d, weight in zip(digits, _WEIGHTS, strict=False))
    return digits[17] == "10X98765432"[total % 11]


_PLATE = re.compile(
    r"(?P<province>[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼])\s*(?P<city>[A-HJ-NP-Za-hj-np-z])"
    r"(?:\s|[·•])*(?P<number>(?:[A-HJ-NP-Za-hj-np-z0-9零〇幺一二三四五六七八九]\s*){4,5}"
    r"(?:[A-HJ-NP-Za-hj-np-z0-9零〇幺一二三四五六七八九挂学警港澳]))(?![A-Za-z0-9零〇幺一二三四五六七八九])"
)


def find_plates(text: str) -> tuple[Plate, ...]:
    """Vehicle plates, written or with spoken digits (`桂 C 一二三四五`); five characters, six for new energy."""
    return tuple(_plates(text))


def _plates(text: str) -> Iterator[Plate]:
    for hit in _PLATE.finditer(text):
        number = "".join(digit(c) or c for c in hit["number"] if not c.isspace()).upper()
        yield Plate(hit.start(), hit.end(), hit["province"] + hit["city"].upper() + number)
