"""The UUID of a call's live audio stream: it carries the call id, signed, so that two processes need no table. PURE.

AudioSocket offers 16 bytes and nothing else: 5 of epoch seconds, 4 of the number, 7 of an HMAC-SHA256 under the
shared secret. Who does not know the secret cannot open a stream for any call.
"""

import hmac
from uuid import UUID

from callcenter.types import CALL_ID_PATTERN, CallId

TAG_BYTES = 7


def stream_of(call_id: CallId, secret: bytes) -> UUID:
    """The stream of a call."""
    node, _, rest = call_id.partition("-")
    epoch, _, number = rest.partition(".")
    body = int(epoch).to_bytes(5, "big") + int(number).to_bytes(4, "big")
    return UUID(bytes=body + _tag(node, body, secret))


def call_of(stream: UUID, node: str, secret: bytes) -> CallId | None:
    """The call a stream belongs to; None when the signature is not ours."""
    body, tag = stream.bytes[:-TAG_BYTES], stream.bytes[-TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(node, body, secret)):
        return None
    call_id = f"{node}-{int.from_bytes(body[:5], 'big')}.{int.from_bytes(body[5:], 'big')}"
    return CallId(call_id) if CALL_ID_PATTERN.fullmatch(call_id) else None


def _tag(node: str, body: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, b"live/" + node.encode() + b"/" + body, "sha256")[:TAG_BYTES]
