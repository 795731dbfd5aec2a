"""Hash functions by name: SHA-256, and SM3 where the law of cryptography (密评) asks for it."""

import hashlib
from collections.abc import Mapping

from cryptography.hazmat.primitives.hashes import SM3, Hash

from callcenter.audit_chain import Algorithm, Digest


def _sha256(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()


def _sm3_of_openssl(message: bytes) -> bytes:
    return hashlib.new("sm3", message).digest()


def _sm3_of_cryptography(message: bytes) -> bytes:
    state = Hash(SM3())
    state.update(message)
    return state.finalize()


# Python's own OpenSSL is half again as fast, and may be built without SM3; the other always has it.
_SM3 = _sm3_of_openssl if "sm3" in hashlib.algorithms_available else _sm3_of_cryptography

DIGESTS: Mapping[str, Digest] = {Algorithm.SHA256: _sha256, Algorithm.SM3: _SM3}
"""Each gives 32 bytes."""
