"""Sealed files: what was put in comes out at every place, and nothing else ever does."""

import hashlib
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recordings.custody.custody import Cipher, Codec, WrappedKey
from recordings.custody.keys import FileKeys, KeyUnknown, KeyWrong, Kind, MasterKey, new_key
from recordings.custody.objects import ObjectStore
from recordings.custody.sealed import (
    CHUNK_BYTES,
    LONGEST_HEADER,
    MAGIC,
    TAG_BYTES,
    Chunks,
    Damaged,
    NotSealed,
    OtherFile,
    SealedFile,
    read_header,
    seal,
    seal_with,
)

NAME = UUID("3f2b7c11-9a3e-4d61-8c52-6d6b5f0f6f0a")
KEYS = FileKeys((new_key("s-1", Kind.SM4), new_key("a-1")))
WHOLE = CHUNK_BYTES + TAG_BYTES
BOTH = pytest.mark.parametrize("cipher", list(Cipher))
Change = Callable[[bytes, int], bytes]
"""(sealed file, where its first chunk begins) -> what became of it."""


def contents(size: int) -> bytes:
    """Bytes that repeat nowhere near."""
    return hashlib.shake_128(b"contents").digest(size)


def sealed_of(plain: bytes, cipher: Cipher = Cipher.AES_256_GCM, name: UUID = NAME, keys: FileKeys = KEYS) -> bytes:
    return seal(io.BytesIO(plain), name, Codec.RAW, cipher, keys)[0]


def opened(sealed: bytes, keys: FileKeys = KEYS, name: UUID | None = NAME, key: WrappedKey | None = None) -> SealedFile:
    return SealedFile(lambda start, length: sealed[start : start + length], len(sealed), keys, name=name, key=key)


def everything_of(sealed: bytes, keys: FileKeys = KEYS, name: UUID | None = NAME) -> bytes:
    return io.BufferedReader(opened(sealed, keys, name)).read()


SEALED = {cipher: sealed_of(contents(2 * CHUNK_BYTES + 1000), cipher) for cipher in Cipher}
LENGTHS = (0, 1, 15, 16, 17, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 12_345)


@BOTH
@pytest.mark.parametrize("size", LENGTHS)
def test_any_length_seals_and_opens(cipher: Cipher, size: int) -> None:
    sealed = sealed_of(contents(size), cipher)
    file = opened(sealed)
    assert (file.size_bytes, io.BufferedReader(file).read()) == (size, contents(size))
    chunks = max(1, -(-size // CHUNK_BYTES))
    assert len(sealed) == file.head.head_bytes + size + TAG_BYTES * chunks
    assert file.head.plain_bytes(len(sealed)) == size


@BOTH
def test_what_is_sealed_shows_nothing_of_the_contents_or_the_key(cipher: Cipher) -> None:
    first, second = sealed_of(bytes(3 * CHUNK_BYTES), cipher), sealed_of(bytes(3 * CHUNK_BYTES), cipher)
    assert bytes(32) not in first
    assert first[-WHOLE:] != second[-WHOLE:], "every file has a key of its own"


Steps = st.lists(
    st.tuples(
        st.sampled_from((io.SEEK_SET, io.SEEK_CUR, io.SEEK_END)),
        st.integers(-200_000, 400_000),
        st.integers(0, 150_000),
    ),
    max_size=12,
)


@BOTH
@settings(max_examples=40)
@given(size=st.integers(0, 3 * CHUNK_BYTES + 99), steps=Steps)
def test_every_seek_and_read_gives_the_plain_bytes(
    cipher: Cipher, size: int, steps: list[tuple[int, int, int]]
) -> None:
    plain = contents(size)
    file, model = io.BufferedReader(opened(sealed_of(plain, cipher))), io.BytesIO(plain)
    for whence, offset, length in steps:
        place = {io.SEEK_SET: 0, io.SEEK_CUR: model.tell(), io.SEEK_END: size}[whence] + offset
        if place < 0:
            with pytest.raises(ValueError, match="before the beginning"):
                file.raw.seek(place)
            continue
        assert file.seek(place) == model.seek(place)
        assert file.read(length) == model.read(length)
        assert file.tell() == model.tell()


@BOTH
@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
@example(place=0, bit=0)
@example(place=len(MAGIC), bit=0)
@example(place=10**6, bit=7)
def test_every_flipped_bit_is_noticed(cipher: Cipher, place: int, bit: int) -> None:
    sealed = bytearray(SEALED[cipher])
    sealed[min(place * len(sealed) // 10**6, len(sealed) - 1)] ^= 1 << bit
    with pytest.raises((NotSealed, OtherFile, Damaged, KeyUnknown, KeyWrong)):
        everything_of(bytes(sealed))


@BOTH
def test_every_byte_of_the_header_is_bound(cipher: Cipher) -> None:
    sealed = SEALED[cipher]
    for place in range(read_header(sealed).head_bytes):
        with pytest.raises((NotSealed, OtherFile, Damaged, KeyUnknown, KeyWrong)):
            everything_of(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])


@BOTH
@settings(max_examples=40, deadline=None)
@given(kept=st.integers(0, 10**6))
def test_every_cut_is_noticed_when_the_file_is_opened(cipher: Cipher, kept: int) -> None:
    sealed = SEALED[cipher]
    with pytest.raises((NotSealed, Damaged)):
        opened(sealed[: kept * len(sealed) // (10**6 + 1)])


def _chunk(sealed: bytes, head: int, number: int) -> bytes:
    return sealed[head + number * WHOLE : head + (number + 1) * WHOLE]


def _swapped(sealed: bytes, head: int) -> bytes:
    return sealed[:head] + _chunk(sealed, head, 1) + _chunk(sealed, head, 0) + sealed[head + 2 * WHOLE :]


def _last_made_first(sealed: bytes, head: int) -> bytes:
    return sealed[:head] + _chunk(sealed, head, 2)


OTHER = sealed_of(contents(2 * CHUNK_BYTES + 1000))
CHANGES: dict[str, Change] = {
    "cut after a whole chunk": lambda sealed, head: sealed[: head + 2 * WHOLE],
    "cut after the first chunk": lambda sealed, head: sealed[: head + WHOLE],
    "cut inside a tag": lambda sealed, head: sealed[: head + WHOLE + 5],
    "cut by one byte": lambda sealed, head: sealed[:-1],
    "two chunks swapped": _swapped,
    "a chunk left out": lambda sealed, head: sealed[:head] + sealed[head + WHOLE :],
    "a chunk twice": lambda sealed, head: sealed[: head + WHOLE] + sealed[head:],
    "only the last chunk": _last_made_first,
    "a byte appended": lambda sealed, head: sealed + b"x",
    "a tag appended": lambda sealed, head: sealed + bytes(TAG_BYTES),
    "a chunk appended": lambda sealed, head: sealed + sealed[head : head + WHOLE],
    "the chunk of another file": lambda sealed, head: (
        sealed[:head] + _chunk(OTHER, read_header(OTHER).head_bytes, 0) + sealed[head + WHOLE :]
    ),
    "all chunks of another file": lambda sealed, head: sealed[:head] + OTHER[read_header(OTHER).head_bytes :],
}


@BOTH
@pytest.mark.parametrize("change", CHANGES)
def test_no_chunk_can_be_moved_dropped_added_or_borrowed(cipher: Cipher, change: str) -> None:
    sealed = SEALED[cipher]
    changed = CHANGES[change](sealed, read_header(sealed).head_bytes)
    assert changed != sealed
    with pytest.raises(Damaged):
        everything_of(changed)


@BOTH
@pytest.mark.parametrize("kept", [0, 5, len(MAGIC) + 3, 100, -1, 15])
def test_a_file_cut_inside_its_header_is_none(cipher: Cipher, kept: int) -> None:
    """-1: one byte of the header is missing; 15: header whole, the only tag is not."""
    head = read_header(SEALED[cipher]).head_bytes
    with pytest.raises(NotSealed):
        opened(SEALED[cipher][: {-1: head - 1, 15: head + 15}.get(kept, kept)])


@pytest.mark.parametrize("kept", [0, 7, 300, 50_000, WHOLE + 400])
async def test_an_object_that_was_cut_in_the_store_is_damaged_not_away(tmp_path: Path, kept: int) -> None:
    """The database knows how long it was: reads go past its end."""
    store, sealed = ObjectStore(tmp_path.as_uri()), SEALED[Cipher.AES_256_GCM]
    await store.put_new("a.ccr", sealed[:kept])
    with pytest.raises((NotSealed, Damaged)):
        SealedFile(store.fetch("a.ccr"), len(sealed), KEYS)


def test_another_file_under_this_name_is_told_apart() -> None:
    swapped = sealed_of(b"another", name=uuid4())
    with pytest.raises(OtherFile):
        opened(swapped)
    assert everything_of(swapped, name=None) == b"another"


def test_the_name_in_the_header_cannot_be_rewritten() -> None:
    sealed = sealed_of(b"another", name=uuid4())
    with pytest.raises(Damaged):
        opened(sealed.replace(str(read_header(sealed).name).encode(), str(NAME).encode()))


@BOTH
@pytest.mark.parametrize("kind", list(Kind))
def test_another_master_key_of_the_same_name_opens_nothing(cipher: Cipher, kind: Kind) -> None:
    mine, other = FileKeys((new_key("k", kind),)), FileKeys((new_key("k", kind),))
    sealed = sealed_of(b"words", cipher, keys=mine)
    assert everything_of(sealed, mine) == b"words"
    with pytest.raises(KeyWrong):
        opened(sealed, other)


def test_an_unknown_master_key_is_named() -> None:
    with pytest.raises(KeyUnknown, match="a-1"):
        opened(sealed_of(b""), FileKeys((new_key("other"),)))


def test_the_key_of_another_file_opens_nothing() -> None:
    with pytest.raises(Damaged):
        opened(SEALED[Cipher.AES_256_GCM], key=read_header(OTHER).key)
    with pytest.raises(NotSealed, match="not one of its cipher"):
        opened(SEALED[Cipher.AES_256_GCM], key=read_header(SEALED[Cipher.SM4_GCM]).key)


def test_a_file_is_sealed_under_the_key_that_was_asked_for() -> None:
    sealed, key = seal(io.BytesIO(b"x"), NAME, Codec.RAW, Cipher.SM4_GCM, KEYS, key_id="s-1")
    assert (key.key_id, read_header(sealed).key, everything_of(sealed)) == ("s-1", key, b"x")
    with pytest.raises(KeyUnknown):
        seal(io.BytesIO(b"x"), NAME, Codec.RAW, Cipher.SM4_GCM, KEYS, key_id="none")


def test_only_the_chunks_that_are_asked_for_are_fetched() -> None:
    sealed, fetched = sealed_of(contents(20 * CHUNK_BYTES)), list[int]()

    def fetch(start: int, length: int) -> bytes:
        fetched.append(start)
        return sealed[start : start + length]

    file = SealedFile(fetch, len(sealed), KEYS)
    fetched.clear()
    file.seek(7 * CHUNK_BYTES + 5)
    assert file.read(100) == contents(20 * CHUNK_BYTES)[7 * CHUNK_BYTES + 5 :][:100]
    assert fetched == [file.head.head_bytes + 7 * WHOLE]


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_nothing_but_not_sealed_comes_of_any_bytes(noise: bytes) -> None:
    for beginning in (noise, MAGIC + noise, MAGIC + struct.pack("<I", len(noise)) + noise):
        with pytest.raises(NotSealed):
            read_header(beginning)


_SAMPLE = sealed_of(b"")
GOOD: dict[str, object] = json.loads(_SAMPLE[len(MAGIC) + 4 : read_header(_SAMPLE).head_bytes])
Values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.lists(st.text(max_size=3))


@settings(max_examples=200)
@given(field=st.sampled_from([*GOOD, "more"]), value=Values)
def test_a_header_with_any_other_value_is_refused_or_opens_nothing(field: str, value: object) -> None:
    body = json.dumps({**GOOD, field: value}).encode()
    sealed = MAGIC + struct.pack("<I", len(body)) + body + bytes(TAG_BYTES)
    if len(body) > LONGEST_HEADER:
        return
    with pytest.raises((NotSealed, OtherFile, Damaged, KeyUnknown, KeyWrong)):
        opened(sealed)


WRONG_HEADERS: dict[str, dict[str, object]] = {
    "key id leaves the folder": {"key_id": "../../etc"},
    "key id with a line break": {"key_id": "a\n"},
    "no key id": {"key_id": ""},
    "name in another form": {"name": f"urn:uuid:{NAME}"},
    "name in capitals": {"name": str(NAME).upper()},
    "no chunks at all": {"chunk_bytes": 0},
    "huge chunks": {"chunk_bytes": 1 << 30},
    "prefix too long": {"nonce_prefix": "AAAAAAAAAAAAAAAA"},
    "not base64": {"wrapped_key": "=?="},
    "unknown cipher": {"cipher": "rc4"},
    "unknown codec": {"codec": "mp3"},
}


@pytest.mark.parametrize("wrong", WRONG_HEADERS)
def test_a_wrong_header_is_refused(wrong: str) -> None:
    body = json.dumps({**GOOD, **WRONG_HEADERS[wrong]}).encode()
    with pytest.raises(NotSealed, match="header is damaged"):
        read_header(MAGIC + struct.pack("<I", len(body)) + body)


def test_a_file_with_more_chunks_than_numbers_is_refused() -> None:
    head = read_header(SEALED[Cipher.AES_256_GCM])
    with pytest.raises(NotSealed):
        head.plain_bytes(head.head_bytes + ((1 << 32) + 1) * WHOLE)


# ---- known answers -----------------------------------------------------------------------------------------------

GCM_VECTORS = {
    # RFC 8998, appendix A.1.
    Cipher.SM4_GCM: (
        "0123456789abcdeffedcba9876543210",
        "00001234567800000000abcd",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec",
    ),
    # McGrew and Viega, The Galois/Counter Mode of Operation, test case 16.
    Cipher.AES_256_GCM: (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
}


@BOTH
def test_a_chunk_is_the_standards_gcm(cipher: Cipher) -> None:
    """The nonce of the vectors, read as ours: prefix, number, mark of the last chunk."""
    key, nonce, bound, plain, expected = (bytes.fromhex(one) for one in GCM_VECTORS[cipher])
    number, last = struct.unpack(">IB", nonce[7:])
    chunks = Chunks(cipher, key, nonce[:7], bound)
    assert chunks.seal(number, cast("bool", last), plain) == expected
    assert chunks.open(number, cast("bool", last), expected) == plain


FIXED = FileKeys((MasterKey("fixed-1", Kind.AES_256, bytes(range(32))),))
KNOWN = {
    Cipher.AES_256_GCM: "89434352310d0a1ae3000000d86d5837e5db23b3ff9c454b499998c6573d7a517161ea5e721ebb7e2f92a3",
    Cipher.SM4_GCM: "89434352310d0a1ac700000086a7ea99693383b051c42277348eb2e90be210db80db073aa906a8cf73175b",
}


@BOTH
def test_a_fixed_file_is_the_same_for_ever(cipher: Cipher) -> None:
    """What was sealed by any version of this opens in every later one."""
    file_key = bytes(range(100, 132))[: 32 if cipher is Cipher.AES_256_GCM else 16]
    key = WrappedKey("fixed-1", FIXED.wrap("fixed-1", file_key))
    sealed = seal_with(io.BytesIO("一二三四五".encode()), NAME, Codec.OPUS, cipher, key, file_key, bytes(range(7)))
    head = read_header(sealed).head_bytes
    assert (sealed[:12] + sealed[head:]).hex() == KNOWN[cipher]
    assert hashlib.sha256(sealed[:head]).hexdigest() == HEADS[cipher]
    assert everything_of(sealed, FIXED) == "一二三四五".encode()


HEADS = {
    Cipher.AES_256_GCM: "d975ab52e2c8f5fa75b05923ce810f29e8ef9f9547bca132a5c9a1795d601e72",
    Cipher.SM4_GCM: "1dfe65488dac89ca02fffffd2a72d951c8db49991b085c1bf46ab57e8a7f82e9",
}
