"""The chain of the audit: each row is bound to all before it, so that no row changes, goes or comes in unnoticed. PURE.

hash(n) = H(hash(n-1) || canonical(row n)), hash(0) = 32 zero bytes. H is SHA-256 (FIPS 180-4) or SM3 (GB/T 32905); each
link names its own, so that a change of the setting goes on in the same chain. Canonical bytes of a row: `audit1`, then
id, at (microseconds since 1970 UTC), actor, action, subject, ok (`t` or `f`) and detail, each as four bytes of length
(big-endian) and that many bytes of UTF-8; numbers in decimal. Detail is JSON as PostgreSQL prints a jsonb: keys by
length, then by bytes, each once, `", "` and `": "` between, numbers with the digits they were written with.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

FIRST = bytes(32)
"""What the first link is bound to."""
LATE = timedelta(minutes=1)
"""A row that has no link after so long never gets one by itself: sealing goes every second."""
BACKDATED = timedelta(minutes=15)
"""No transaction of ours is open so long; a row older than this when it was linked was not written when it says."""
_MARK = b"audit1"
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)

Digest = Callable[[bytes], bytes]


class Algorithm(StrEnum):
    """H."""

    SHA256 = "sha256"
    SM3 = "sm3"


Row = tuple[int, datetime, str, str, str, bool, str]
"""id, at, actor, action, subject, ok, detail: a plain tuple, for a million of them are looked at in seconds."""


def canonical(row: Row) -> bytes:
    """The bytes that are hashed; no two rows have the same."""
    number, at, actor, action, subject, ok, detail = row
    since = at - _ZERO
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    parts = (
        str(number).encode(),
        str(micros).encode(),
        actor.encode(),
        action.encode(),
        subject.encode(),
        b"t" if ok else b"f",
        detail.encode(),
    )
    return _MARK + b"".join([len(part).to_bytes(4, "big") + part for part in parts])


def linked(previous: bytes, rows: Iterable[Row], digest: Digest) -> Iterator[bytes]:
    """The hashes of rows that follow `previous`."""
    for row in rows:
        previous = digest(previous + canonical(row))
        yield previous


@dataclass(frozen=True, slots=True)
class Anchor:
    """What was written in a second place: the chain had `seq` links then, the last of them with this hash. at: UTC."""

    seq: int
    hash: bytes
    at: datetime
    where: str
    """For the operator: file and line, or object."""


Link = tuple[int, int, bytes, str, int | None, datetime, str, str, str, bool, str]
"""seq, audit_id, hash, algorithm, then the row; its id None: there is no such row."""


@dataclass(slots=True)
class Follower:
    """Goes along the chain from its beginning, beside the anchors (by seq), and says what does not fit.

    After a break it goes on from what is stored, so that one change is one finding and not all rows after it.
    """

    digests: Mapping[str, Digest]
    anchors: Iterator[Anchor] = field(default_factory=lambda: iter(()))
    seq: int = 0
    hash: bytes | None = FIRST
    anchored: int = 0
    """Seq of the last anchor that was compared."""
    _next: Anchor | None = None
    _since: datetime | None = None
    """Older rows are not linked any more."""
    _rewritten: tuple[Anchor, int] | None = None
    _ended: bool = False

    def follow(self, links: Iterable[Link]) -> list[str]:
        """What is wrong with these, which come after those given before."""
        wrong: list[str] = []
        for link in links:
            seq, audit_id, stored = link[:3]
            if seq != self.seq + 1:
                wrong.append(
                    f"links {self.seq + 1} to {seq - 1} of the chain are gone; audit row {audit_id} comes next"
                )
                self.hash = None
                self._compare_up_to(seq - 1, wrong)
            if told := self._wrong_with(link):
                wrong.append(told)
            self.seq, self.hash = seq, stored
            self._compare_at(seq, stored)
        return wrong

    def finish(self) -> list[str]:
        """After the last link: anchors that speak of more than there is."""
        wrong: list[str] = []
        beyond: Anchor | None = None
        while (anchor := self._peek()) is not None:
            if anchor.seq > self.seq:
                beyond = anchor
            self._take(anchor)
        if beyond is not None:
            wrong.append(
                f"the chain ends at link {self.seq}, but had {beyond.seq} at {beyond.at:%Y-%m-%d %H:%M:%S} UTC says"
                f" the anchor in {beyond.where}: {beyond.seq - self.seq} rows were cut from its end"
            )
        if self._rewritten is not None:
            anchor, before = self._rewritten
            wrong.append(
                f"the chain was rewritten: link {anchor.seq} is not what it was at {anchor.at:%Y-%m-%d %H:%M:%S} UTC,"
                f" says the anchor in {anchor.where}; the change lies in links {before + 1} to {anchor.seq}"
            )
        return wrong

    def _wrong_with(self, link: Link) -> str:
        """The sentence; `` when it fits. Nothing is put into words for those that do: there are a million."""
        seq, audit_id, stored, name, number, at, actor, action, subject, ok, detail = link
        if number is None:
            return f"audit row {audit_id} is gone; link {seq} of the chain says it was there"
        digest = self.digests.get(name)
        if digest is None:
            return f"{_named(link)}: link {seq} names a hash nobody knows, {name!r}"
        row = (number, at, actor, action, subject, ok, detail)
        if self.hash is not None and digest(self.hash + canonical(row)) != stored:
            return f"{_named(link)} is not what link {seq} was made of: row or link was changed or moved"
        if self._since is not None and at < self._since:
            return f"{_named(link)} was linked ({seq}) long after the anchor that followed its time: it is backdated"
        return ""

    def _compare_at(self, seq: int, stored: bytes) -> None:
        while (anchor := self._peek()) is not None and anchor.seq == seq:
            if anchor.hash != stored and self._rewritten is None:
                self._rewritten = (anchor, self.anchored)
            self._take(anchor)

    def _compare_up_to(self, seq: int, wrong: list[str]) -> None:
        """Anchors of links that are not there."""
        while (anchor := self._peek()) is not None and anchor.seq <= seq:
            wrong.append(f"link {anchor.seq}, which is anchored ({anchor.where}), is gone")
            self._take(anchor)

    def _peek(self) -> Anchor | None:
        if self._next is None and not self._ended:
            self._next = next(self.anchors, None)
            self._ended = self._next is None
        return self._next

    def _take(self, anchor: Anchor) -> None:
        self._next = None
        if self._rewritten is None:
            self.anchored = max(self.anchored, anchor.seq)
        self._since = anchor.at - BACKDATED


def _named(link: Link) -> str:
    number, at, actor, action, subject = link[4:9]
    return f"audit row {number} ({at:%Y-%m-%d %H:%M:%S} UTC, {actor}, {action}, {subject})"
