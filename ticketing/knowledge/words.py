"""Cuts Chinese into words, for what a person or a caller asks for. The door of rjieba.

rjieba holds no state of ours and takes some microseconds a sentence, so it may run on the event loop for one line;
whole transcripts go to a thread.
"""

from functools import cache

import rjieba

from ticketing.search.text import normal, runs

LONGEST = 400
"""Characters of a question that are looked at."""


def cut(text: str) -> tuple[str, ...]:
    """The words of `text` (normal spelling) in order, without punctuation; at most the last `LONGEST` characters."""
    return tuple(
        part.strip()
        for run in runs(normal(text)[-LONGEST:])
        for part in (rjieba.cut(run.text) if run.hanzi else (run.text,))
        if part.strip()
    )


@cache
def ready() -> None:
    """Load the dictionary (some 40 MB, 0.1 s), so that the first question does not wait for it."""
    rjieba.cut("政务服务便民热线")
