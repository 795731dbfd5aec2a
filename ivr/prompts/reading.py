"""How a prompt's text is read aloud: tone-numbered pinyin for espeak-ng's voice cmn-latn-pinyin.

The door to pypinyin. espeak-ng 1.51 (Debian 12) reads hanzi as English letters with the voice cmn, hence pinyin.
"""

import re

from pypinyin import Style, lazy_pinyin, load_phrases_dict

# On the telephone 1 is yao in numbers that are dialled; espeak would say yi.
_DIALLED = dict(zip("0123456789", "零幺二三四五六七八九", strict=True))
_COUNTED = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_PAUSES = {"，": ",", "、": ",", "；": ",", "：": ",", "。": ".", "！": ".", "？": "."}
_HANZI = re.compile(r"[\u3400-\u9fff]+")
_PART = re.compile(r"[\u3400-\u9fff]+|[0-9]+|[，、；：。！？]|\s+")

# 重 alone is zhòng first; and 转 in 转接, 转人工 is zhuǎn
load_phrases_dict({"重听": [["chóng"], ["tīng"]], "幺": [["yāo"]]})


class UnreadableText(ValueError):
    """A prompt may hold Chinese characters, digits and ，、；：。！？ only; write out everything else."""


def reading(text: str) -> str:
    """`text` as espeak-ng is to read it: `nin2 hao3, zhe4 li3 ...`. Raises UnreadableText.

    Numbers of three digits or more are read digit by digit, 1 as yao (12345 -> 幺二三四五); shorter ones as numbers.
    """
    words = _in_words(text)
    clauses = [
        _PAUSES.get(part) or " ".join(_syllables(part))
        for part in re.findall(r"[，、；：。！？]|[^，、；：。！？]+", words)
    ]
    return " ".join(clauses).replace(" ,", ",").replace(" .", ".").strip()


def number_in_words(digits: str) -> str:
    """`12345` -> 幺二三四五, `24` -> 二十四, `7` -> 七."""
    if len(digits) > 2 or (len(digits) == 2 and digits[0] == "0"):
        return "".join(_DIALLED[digit] for digit in digits)
    if len(digits) == 1:
        return _COUNTED[digits]
    tens = "" if digits[0] == "1" else _COUNTED[digits[0]]
    return f"{tens}十" + ("" if digits[1] == "0" else _COUNTED[digits[1]])


def _in_words(text: str) -> str:
    end = 0
    words = []
    for match in _PART.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        part = match.group()
        if part.isascii() and part.isdigit():
            words.append(number_in_words(part))
        elif not part.isspace():
            words.append(part)
    if end != len(text) or not _HANZI.search(text):
        raise UnreadableText(f"cannot be read aloud from {text[end : end + 10]!r} on")
    return "".join(words)


def _syllables(hanzi: str) -> list[str]:
    return lazy_pinyin(hanzi, style=Style.TONE3, neutral_tone_with_five=True, tone_sandhi=True)
