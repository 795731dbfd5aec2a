"""Cuts text into words, and knows which words are frequent. The door of jieba in this tool."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from recordings.modelmaker.sentences import PAUSE

OF_THE_CORPUS = 100_000
"""Frequency given to slot words, so that they are not cut apart."""
_NOT_HANZI = re.compile("[^\u4e00-\u9fff]")
_DIGITS = re.compile("([零幺一二三四五六七八九]{3,})")
"""Said one by one: each is a word."""
_WORD = re.compile("[\u4e00-\u9fff]{1,3}")


class Segmenter:
    """jieba without its hidden Markov model: only words it knows, so the lexicon is closed."""

    def __init__(self, own_words: Iterable[str]) -> None:
        """own_words: words jieba must not cut."""
        import jieba

        jieba.setLogLevel("WARNING")
        self._jieba: Any = jieba.Tokenizer()
        self._jieba.initialize()
        for word in own_words:
            self._jieba.add_word(word, OF_THE_CORPUS)

    def clauses(self, utterance: str) -> list[list[str]]:
        """The words of each clause; clauses are parted by PAUSE, everything but hanzi is left out."""
        cut = (list(self._words(_NOT_HANZI.sub("", clause))) for clause in utterance.split(PAUSE))
        return [words for words in cut if words]

    def _words(self, text: str) -> Iterator[str]:
        for part in _DIGITS.split(text):
            yield from part if _DIGITS.fullmatch(part) else self._jieba.cut(part, HMM=False)

    def frequent(self, words: int, characters: int) -> dict[str, int]:
        """The most frequent words of two or three characters and the most frequent characters, with their counts."""
        counts: Mapping[str, int] = self._jieba.FREQ
        known = [(word, count) for word, count in counts.items() if count and _WORD.fullmatch(word)]
        known.sort(key=lambda item: (-item[1], item[0]))
        longer = [item for item in known if len(item[0]) > 1][:words]
        return dict(longer + [item for item in known if len(item[0]) == 1][:characters])
