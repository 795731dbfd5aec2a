"""Where a long number is said in a recording: telephones, identity cards, bank cards. PURE.

Numbers are found as ticketing hides them in text. For sound the rule is stricter twice: the whole number is silent
(not only its middle), and a number that the recogniser has torn apart by one word it misheard is still one.
"""

from collections.abc import Iterable, Sequence

from callcenter.types import ChannelId
from recordings.words import Line, Transcript, Word
from ticketing.prefill.masks import SHORTEST, find_sensitive
from ticketing.prefill.numerals import DigitRun, digit_runs

PADDING_S = 0.15
"""A recogniser's word times are within some 50 ms; a digit's first consonant is worth as much again."""
TORN_S = 1.5
"""Longest gap inside a number that was torn apart."""
PIECE = 2
"""Fewest digits of a torn piece: single ones are in every sentence (一个, 三次)."""


def spoken_numbers(words: Sequence[Word]) -> tuple[tuple[float, float], ...]:
    """Seconds from and until which each number is said, on the words' clock, in order."""
    text = "".join(word.word + "\n" for word in words)
    owner = [index for index, word in enumerate(words) for _ in range(len(word.word) + 1)]
    found = [(owner[one.run.positions[0]], owner[one.run.positions[-1]]) for one in find_sensitive(text)]
    for group in _torn(digit_runs(text), owner, words):
        if sum(len(run.digits) for run in group) >= SHORTEST and len(group) > 1:
            found.append((owner[group[0].positions[0]], owner[group[-1].positions[-1]]))
    return tuple(sorted({(words[first].start_s, words[last].end_s) for first, last in found}))


def _torn(runs: Iterable[DigitRun], owner: Sequence[int], words: Sequence[Word]) -> Iterable[list[DigitRun]]:
    """Runs of digits with at most one other word, and no long pause, between them."""
    group: list[DigitRun] = []
    for run in runs:
        if len(run.digits) < PIECE:
            continue
        if group:
            before, after = owner[group[-1].positions[-1]], owner[run.positions[0]]
            whole = min(len(group[-1].digits), len(run.digits)) >= SHORTEST
            if whole or after - before > 2 or words[after].start_s - words[before].end_s > TORN_S:
                yield group
                group = []
        group.append(run)
    if group:
        yield group


def words_of(transcript: Transcript, channels: Iterable[ChannelId]) -> tuple[tuple[Word, ...], ...]:
    """What each of these channels said, in order of time; a number may run across pauses."""
    return tuple(_said(transcript.lines, channel) for channel in channels)


def _said(lines: Iterable[Line], channel: ChannelId) -> tuple[Word, ...]:
    own = (word for line in lines if line.channel_id == channel for word in line.words)
    return tuple(sorted(own, key=lambda word: word.start_s))


def frames(spans: Iterable[tuple[float, float]], offset_s: float, rate: int) -> tuple[tuple[int, int], ...]:
    """Spans on the call's clock as frames of a recording that begins at `offset_s`, padded, those that meet joined."""
    joined: list[tuple[int, int]] = []
    for begins, ends in sorted(spans):
        first = max(0, int((begins - offset_s - PADDING_S) * rate))
        last = int((ends - offset_s + PADDING_S) * rate) + 1
        if last <= first:
            continue
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)
