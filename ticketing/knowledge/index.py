"""The index of the knowledge base: what PostgreSQL's text search is given, and what it is asked.

A version becomes one tsvector: every pair of neighbouring Chinese characters, letters and digits by threes, each at its
place, so that a longer word is asked for as a phrase; and whole words (marked `=`), which only lift what they are in.
Titles weigh most (A), then keywords (B), then the rest (D). No extension and no dictionary of the server is needed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ticketing.knowledge.contents import plain
from ticketing.knowledge.items import Draft
from ticketing.knowledge.words import cut
from ticketing.search.text import Run, normal, run_tokens, runs

LAST_PLACE = 16_383
"""Positions of a tsvector end here (PostgreSQL manual, 12.11)."""
MOST_PLACES = 250
GAP = 3
"""Between two texts, so that no phrase reaches over."""
MOST_WORDS = 16
"""Words of one question that are asked for."""
_SAYING_NOTHING = """
    的 了 呢 吗 吧 啊 呀 嘛 是 在 我 你 您 他 她 它 我们 你们 他们 这 那 这个 那个 这些 那些 有 没有 有没有 和 与 及 或
    也 都 就 还 又 很 太 要 想 请 请问 想问 问 问下 一下 咨询 你好 您好 喂 谢谢 麻烦 知道 不知道 可以 能 能不能 可不可以
    怎么 怎么办 怎么样 如何 怎样 什么 为什么 多少 哪里 哪儿 哪个 哪些 几 个 到 去 给 对 把 被 从 向 上 下 里 现在 今天
    时候 什么时候 一个 需要 应该 是不是 然后 就是 那么 这样 那样 嗯 哦 噢 呃 好 好的 说 讲 听 看 做 办 弄 让 用
"""
STOP = frozenset(_SAYING_NOTHING.split())
"""Words that say nothing about what is asked; they are left out unless nothing else is said."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the index takes it. all_of, any_of: tsquery text; ranked_by: what lifts a result as well.

    words: what is marked in the results, normal.
    """

    words: tuple[str, ...]
    all_of: str
    any_of: str
    ranked_by: str


class NothingAsked(ValueError):
    """The question holds no word that could be looked for."""


def vector(draft: Draft) -> str:
    """The tsvector of a version, in PostgreSQL's input form."""
    places: dict[str, list[str]] = {}
    start = 1
    for text, weight, single in _weighted(draft):
        for lexeme, at in _lexemes(text, single):
            at_place = min(start + at, LAST_PLACE)
            places.setdefault(lexeme, []).append(f"{at_place}{weight}")
        start += len(text) + GAP
    return " ".join(f"{_quoted(lexeme)}:{','.join(at[:MOST_PLACES])}" for lexeme, at in places.items())


def _weighted(draft: Draft) -> Iterator[tuple[str, str, bool]]:
    yield normal(draft.title), "A", True
    for keyword in draft.keywords:
        yield normal(keyword), "B", True
    yield normal(plain(draft.contents)), "", False


def _lexemes(text: str, single: bool) -> Iterator[tuple[str, int]]:
    """Tokens with their places. single: single characters too, so that titles are found by one."""
    for run in runs(text):
        for token in run_tokens(run):
            yield token.text, token.at
        if single and run.hanzi:
            yield from ((char, run.start + offset) for offset, char in enumerate(run.text))
        if run.hanzi:
            yield from _words(run)


def _words(run: Run) -> Iterator[tuple[str, int]]:
    at = run.start
    for word in _cut_whole(run.text):
        if len(word) > 1:
            yield f"={word}", at
        at += len(word)


def _cut_whole(text: str) -> Iterator[str]:
    """Like `cut`, for texts of any length."""
    for start in range(0, len(text), 400):
        yield from cut(text[start : start + 400])


def asked(text: str) -> Asked:
    """A question in a person's own words. Raises NothingAsked."""
    words = _telling(cut(text))
    # A single character is in no token of its own, but in titles: it only counts where nothing else is said.
    longer = tuple(word for word in words if len(word) > 1 or word.isascii())
    phrases = [phrase for phrase in map(_phrase, longer or words) if phrase]
    if not phrases:
        raise NothingAsked(text[:40])
    ranked = list(dict.fromkeys([*phrases, *(_quoted(f"={word}") for word in words if len(word) > 1)]))
    return Asked(words, " & ".join(phrases), " | ".join(phrases), " | ".join([*ranked, *_across(text)]))


def _telling(words: Iterable[str]) -> tuple[str, ...]:
    """Without what says nothing; doubles once; at most MOST_WORDS, the last ones said."""
    every = tuple(dict.fromkeys(words))
    telling = tuple(word for word in every if word not in STOP)
    return (telling or every)[-MOST_WORDS:]


def _phrase(word: str) -> str:
    """A word as a phrase of its tokens."""
    tokens = [token.text for run in runs(word) for token in run_tokens(run)]
    if not tokens:
        return _quoted(word) if word and next(runs(word), None) else ""
    return "(" + " <-> ".join(map(_quoted, tokens)) + ")"


def _across(text: str) -> Iterator[str]:
    """Pairs that reach over two words: they lift the texts that say it in the same words, and match nothing alone."""
    tokens = dict.fromkeys(token.text for run in runs(normal(text)) if run.hanzi for token in run_tokens(run))
    yield from (_quoted(token) for token in list(tokens)[-40:] if token not in STOP)


def _quoted(lexeme: str) -> str:
    # Tokens hold letters, digits and Chinese only, but the form is kept whatever they hold.
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"
