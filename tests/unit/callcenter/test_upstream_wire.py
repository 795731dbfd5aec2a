"""How two platforms prove who speaks."""

import pytest

from callcenter.upstream_wire import NONCE, SIGNATURE, SYSTEM, TIMESTAMP, NotSigned, Spoken, headers, verify
from tests.support.upper import SECRET, THEIRS, signed

NOW = 1_780_000_000
SPOKEN = Spoken("POST", "/upstream/v1/tickets?x=1", '{"external_id": "市2026-1"}'.encode())
KEY = SECRET.encode()


def given(**changed: str) -> dict[str, str]:
    return headers(SPOKEN, system=THEIRS, secret=KEY, at_s=NOW, nonce="n" * 16) | changed


def why(spoken: Spoken = SPOKEN, now_s: float = NOW, shown: dict[str, str] | None = None, key: bytes = KEY) -> str:
    with pytest.raises(NotSigned) as refused:
        verify(spoken, given() if shown is None else shown, system=THEIRS, secret=key, now_s=now_s)
    return refused.value.why


def test_both_sides_sign_alike() -> None:
    """The simulator was written from the document, not from the code."""
    other = signed(SPOKEN.method, SPOKEN.target, SPOKEN.body, at=NOW, nonce="n" * 16)
    assert given() == other


@pytest.mark.parametrize("now_s", [NOW - 300, NOW, NOW + 300])
def test_the_nonce_of_a_good_request_is_told(now_s: float) -> None:
    assert verify(SPOKEN, given(), system=THEIRS, secret=KEY, now_s=now_s) == "n" * 16


@pytest.mark.parametrize(
    "changed",
    [
        Spoken("GET", SPOKEN.target, SPOKEN.body),
        Spoken("POST", "/upstream/v1/tickets?x=2", SPOKEN.body),
        Spoken("POST", SPOKEN.target, SPOKEN.body + b" "),
    ],
)
def test_whatever_is_changed_breaks_the_signature(changed: Spoken) -> None:
    assert why(changed) == "signature"


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ({}, "headers"),
        (given(**{NONCE: "short"}), "headers"),
        (given(**{NONCE: "n" * 15 + "\n"}), "headers"),
        (given(**{TIMESTAMP: "now"}), "headers"),
        (given(**{SIGNATURE: ""}), "headers"),
        (given(**{SYSTEM: "somebody"}), "system"),
        (given(**{NONCE: "m" * 16}), "signature"),
        (given(**{TIMESTAMP: str(NOW + 1)}), "signature"),
        (given(**{SIGNATURE: "v1=" + "0" * 64}), "signature"),
        (given(**{SIGNATURE: "v1=签名"}), "signature"),
    ],
)
def test_wrong_headers_are_told_apart_for_the_log(shown: dict[str, str], told: str) -> None:
    assert why(shown=shown) == told


@pytest.mark.parametrize("now_s", [NOW - 301, NOW + 301])
def test_a_request_from_another_time_is_refused(now_s: float) -> None:
    assert why(now_s=now_s) == "clock"


def test_another_secret_is_another_signature() -> None:
    assert why(key=b"x" * 40) == "signature"


def test_our_own_request_sent_back_is_not_theirs() -> None:
    ours = headers(SPOKEN, system="xian-12345", secret=KEY, at_s=NOW, nonce="n" * 16)
    assert why(shown=ours) == "system"
    assert why(shown=ours | {SYSTEM: THEIRS}) == "signature"
