"""Shares of a master key: two of three restore it, whichever is lost; nothing else does."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic.wordlist import WORDLIST

from recordings.custody.keys import FileKeys, Kind, MasterKey, new_key
from recordings.custody.shares import Share, SharesWrong, join, read_share, split

BOTH = pytest.mark.parametrize("kind", list(Kind))


def written(key: MasterKey, shares: int = 3, needed: int = 2) -> list[str]:
    return [share.line() for share in split(key, shares, needed)]


def restored(*lines: str) -> MasterKey:
    return join([read_share(line) for line in lines])


@BOTH
@pytest.mark.parametrize("destroyed", [0, 1, 2])
def test_the_key_comes_back_whichever_share_is_destroyed(kind: Kind, destroyed: int) -> None:
    key = new_key("rk-1", kind)
    sealed = FileKeys((key,)).wrap("rk-1", bytes(range(32)))
    left = [line for number, line in enumerate(written(key)) if number != destroyed]
    back = restored(*reversed(left))
    assert back == key
    assert FileKeys((back,)).unwrap("rk-1", sealed) == bytes(range(32))


@BOTH
def test_all_three_restore_it_too_and_one_written_twice_is_one(kind: Kind) -> None:
    key = new_key("rk-1", kind)
    lines = written(key)
    assert restored(*lines) == key
    with pytest.raises(SharesWrong, match="2 different shares restore it, 1 is not enough"):
        restored(lines[0], lines[0])


@BOTH
@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_share_is_never_enough(kind: Kind, number: int) -> None:
    with pytest.raises(SharesWrong, match="not enough"):
        restored(written(new_key("rk-1", kind))[number])


@pytest.mark.parametrize(("shares", "needed"), [(3, 1), (1, 1), (2, 3), (17, 2), (0, 0)])
def test_a_split_that_protects_nothing_is_refused(shares: int, needed: int) -> None:
    with pytest.raises(SharesWrong, match="at least 2"):
        split(new_key("rk-1"), shares, needed)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_any_k_of_n_restore_and_fewer_do_not(data: st.DataObject) -> None:
    shares = data.draw(st.integers(2, 5))
    needed = data.draw(st.integers(2, shares))
    key = new_key("rk-1", data.draw(st.sampled_from(Kind)))
    lines = written(key, shares, needed)
    for some in combinations(lines, needed):
        assert restored(*some) == key
    for few in combinations(lines, needed - 1):
        with pytest.raises(SharesWrong, match="not enough"):
            restored(*few)


def test_a_share_of_another_key_is_refused() -> None:
    mine, other = written(new_key("rk-1")), written(new_key("rk-1"))
    with pytest.raises(SharesWrong, match="is of another key"):
        restored(mine[0], other[1])


def test_a_share_of_an_older_split_of_the_same_key_is_refused() -> None:
    key = new_key("rk-1")
    with pytest.raises(SharesWrong, match="another set"):
        restored(written(key)[0], written(key)[1])


@settings(max_examples=60)
@given(place=st.integers(0, 32), word=st.sampled_from(WORDLIST))
def test_every_wrong_word_is_noticed(place: int, word: str) -> None:
    words = SHARE.words.split()
    if words[place] == word:
        return
    words[place] = word
    with pytest.raises(SharesWrong, match="a word is wrong or missing"):
        read_share(_line(" ".join(words)))


def test_words_left_out_swapped_or_unknown_are_noticed_and_not_repeated() -> None:
    words = SHARE.words.split()
    swapped = [*words[:5], words[6], words[5], *words[7:]]
    for wrong in (words[:-1], words[1:], swapped, [*words, "academic"], [*words[:-1], "zzyzx"]):
        with pytest.raises(SharesWrong) as refused:
            read_share(_line(" ".join(wrong)))
        assert words[7] not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "words only like these", "rk-1 des share 1 of 3, any 2 restore it, check 00000000: a"]
)
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(SharesWrong, match="not a share"):
        read_share(text)


def test_check_digits_that_were_copied_wrong_are_noticed() -> None:
    lines = [line.replace(KEY.check, "00000000") for line in written(KEY)]
    with pytest.raises(SharesWrong, match="is another key"):
        restored(*lines[:2])


def test_a_share_may_be_typed_with_any_spaces() -> None:
    lines = written(KEY)
    assert restored(f"  {lines[0].replace(' ', '   ')}\n", lines[2]) == KEY


def test_words_do_not_show_where_a_share_is_printed() -> None:
    assert repr(SHARE) == "Share('rk-1', 1 of 3)"
    assert SHARE.words not in f"{SHARE} {SHARE!r}"


def _line(words: str) -> str:
    return Share(SHARE.key_id, SHARE.kind, 1, 3, 2, SHARE.check, words).line()


KEY = new_key("rk-1")
SHARE = split(KEY)[0]
