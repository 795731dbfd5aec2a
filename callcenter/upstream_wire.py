"""How the two platforms prove to each other who speaks: HMAC-SHA256 over what is said, to whom and when. PURE.

The same in both directions; docs/upstream-api.md describes it for the other side. The speaker's name is part of what
is signed, so a request of ours sent back to us is not one of theirs.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

VERSION = "v1"
SYSTEM, TIMESTAMP, NONCE, SIGNATURE = (
    "X-Hotline-System",
    "X-Hotline-Timestamp",
    "X-Hotline-Nonce",
    "X-Hotline-Signature",
)
WINDOW_S = 300
"""How far the speaker's clock may be from ours; a nonce is remembered for twice as long."""
LEAST_SECRET = 32
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_SECONDS = re.compile(r"[0-9]{10}")


class NotSigned(Exception):
    """What came is not from the platform; `why` is the word for the log: headers, system, clock, signature."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One request as it is signed. target: path with its query, as it stands in the request line."""

    method: str
    target: str
    body: bytes


def headers(spoken: Spoken, *, system: str, secret: bytes, at_s: int, nonce: str) -> dict[str, str]:
    """What goes with a request. system: the speaker. at_s: Unix seconds. nonce: 16 to 64 of A-Z a-z 0-9 _ -."""
    signature = _signature(spoken, system, secret, str(at_s), nonce)
    return {SYSTEM: system, TIMESTAMP: str(at_s), NONCE: nonce, SIGNATURE: f"{VERSION}={signature}"}


def verify(spoken: Spoken, given: Mapping[str, str], *, system: str, secret: bytes, now_s: float) -> str:
    """The nonce of a request that `system` has signed; the caller refuses one it has seen. Raises NotSigned."""
    nonce, at = given.get(NONCE, ""), given.get(TIMESTAMP, "")
    if not _NONCE.fullmatch(nonce) or not _SECONDS.fullmatch(at) or not given.get(SIGNATURE):
        raise NotSigned("headers")
    if not hmac.compare_digest(given.get(SYSTEM, "").encode(), system.encode()):
        raise NotSigned("system")
    if abs(now_s - int(at)) > WINDOW_S:
        raise NotSigned("clock")
    expected = f"{VERSION}={_signature(spoken, system, secret, at, nonce)}"
    if not hmac.compare_digest(given[SIGNATURE].encode(), expected.encode()):
        raise NotSigned("signature")
    return nonce


def _signature(spoken: Spoken, system: str, secret: bytes, at: str, nonce: str) -> str:
    checksum = hashlib.sha256(spoken.body).hexdigest()
    said = "\n".join((VERSION, spoken.method, spoken.target, system, at, nonce, checksum))
    return hmac.new(secret, said.encode(), "sha256").hexdigest()
