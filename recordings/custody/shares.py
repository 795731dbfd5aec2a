"""The door to shamir_mnemonic: a master key in shares of words (SLIP-0039), some of which restore it.

Custodians write them on paper. One share alone says nothing of the key; a wrong word is found by the share's own
checksum, shares that do not belong together by the set's number, and a restored key by its check digits.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics
from shamir_mnemonic.share import Share as Mnemonic

from recordings.custody.keys import KEY_BYTES, KEY_ID, Kind, MasterKey

MOST_SHARES = 16
_LINE = re.compile(
    rf"(?P<id>{KEY_ID}) (?P<kind>aes-256|sm4) share (?P<number>\d+) of (?P<shares>\d+), any (?P<needed>\d+) restore it,"
    r" check (?P<check>[0-9a-f]{8}): (?P<words>[a-z ]+)"
)


class SharesWrong(Exception):
    """The shares do not restore the key; the message says which is wrong and why."""


@dataclass(frozen=True, slots=True)
class Share:
    """One custodian's share. Its words are secret: they are never printed but by `line`."""

    key_id: str
    kind: Kind
    number: int
    shares: int
    needed: int
    check: str
    words: str

    def __repr__(self) -> str:
        return f"Share({self.key_id!r}, {self.number} of {self.shares})"

    def line(self) -> str:
        """As it is written down."""
        return (
            f"{self.key_id} {self.kind} share {self.number} of {self.shares}, any {self.needed} restore it,"
            f" check {self.check}: {self.words}"
        )


def split(key: MasterKey, shares: int = 3, needed: int = 2) -> tuple[Share, ...]:
    """Shares of a key, `needed` of which restore it. A second split makes a new set: sets do not mix.

    Raises SharesWrong for numbers that make no sense: one share must never be enough.
    """
    if not 2 <= needed <= shares <= MOST_SHARES:
        raise SharesWrong(f"shares: 2 to {MOST_SHARES}, and at least 2 of them must be needed")
    # No passphrase, so there is nothing to slow a guesser down for.
    (made,) = generate_mnemonics(1, [(needed, shares)], key.secret, iteration_exponent=0)
    return tuple(
        Share(key.id, key.kind, number, shares, needed, key.check, words) for number, words in enumerate(made, 1)
    )


def read_share(text: str) -> Share:
    """A share from the line it was written down as. Raises SharesWrong; never repeats the words."""
    found = _LINE.fullmatch(" ".join(text.split()))
    if found is None:
        raise SharesWrong("not a share: it begins `<key id> <kind> share 1 of 3, any 2 restore it, check ...:`")
    share = Share(
        found["id"],
        Kind(found["kind"]),
        int(found["number"]),
        int(found["shares"]),
        int(found["needed"]),
        found["check"],
        found["words"],
    )
    _mnemonic(share)
    return share


def join(shares: Sequence[Share]) -> MasterKey:
    """The key that shares of one key restore. Raises SharesWrong."""
    first = shares[0]
    by_index: dict[int, Share] = {}
    for share in shares:
        if (share.key_id, share.kind, share.check) != (first.key_id, first.kind, first.check):
            raise SharesWrong(f"{share!r} is of another key than {first!r}")
        if _mnemonic(share).identifier != _mnemonic(first).identifier:
            raise SharesWrong(f"{share!r} is of another set: the key was split more than once; use shares of one set")
        by_index[_mnemonic(share).index] = share
    needed = _mnemonic(first).member_threshold
    if len(by_index) < needed:
        raise SharesWrong(f"key {first.key_id}: {needed} different shares restore it, {len(by_index)} is not enough")
    try:
        secret = combine_mnemonics([share.words for share in list(by_index.values())[:needed]])
    except MnemonicError:
        raise SharesWrong(f"key {first.key_id}: these shares do not fit together") from None
    if len(secret) != KEY_BYTES[first.kind]:
        raise SharesWrong(f"key {first.key_id}: what the shares restore is not a key of kind {first.kind}")
    key = MasterKey(first.key_id, first.kind, secret)
    if key.check != first.check:
        raise SharesWrong(f"key {first.key_id}: what the shares restore is another key (check {key.check})")
    return key


def _mnemonic(share: Share) -> Mnemonic:
    try:
        return Mnemonic.from_mnemonic(share.words)
    except MnemonicError:
        # The library's own message repeats words of the share.
        raise SharesWrong(f"{share!r}: a word is wrong or missing (its checksum does not fit)") from None
