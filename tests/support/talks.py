"""Conversations for prefill tests, written as lines of words, and what is suggested for them."""

from datetime import UTC, datetime
from functools import cache

from callcenter.types import Party, PhoneNumber
from config.prefill_loader import load_prefill
from ticketing.prefill.draft import Field, PrefillData, Suggestion, Utterance, Word, suggest

HEARD_AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
"""Sunday 2026-11-22, 11:00 in China."""
CALLER = PhoneNumber("13912345678")


@cache
def data() -> PrefillData:
    return load_prefill("longsheng")


def talk(*lines: str, conf: float = 1.0) -> list[Utterance]:
    """`c: 我 要 投诉` and `a: 请问 您 贵姓`; words half a second long, one after another; a second between lines."""
    speakers = {"c": Party.CITIZEN, "a": Party.AGENT, "u": Party.UNIT, "s": Party.SUPERVISOR}
    utterances, at = [], 0.0
    for line in lines:
        who, _, text = line.partition(":")
        words = []
        for word in text.split():
            words.append(Word(word, at, at + 0.5, conf))
            at += 0.5
        utterances.append(Utterance(speakers[who], tuple(words)))
        at += 1.0
    return utterances


def suggested(*lines: str, conf: float = 1.0) -> tuple[Suggestion, ...]:
    return suggest(talk(*lines, conf=conf), data(), HEARD_AT, CALLER)


def best(field: Field, *lines: str, conf: float = 1.0) -> Suggestion | None:
    return next((s for s in suggested(*lines, conf=conf) if s.field is field), None)


def value(field: Field, *lines: str) -> str | None:
    found = best(field, *lines)
    return found.value if found else None
