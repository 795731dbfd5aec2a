"""Signatures others can check without us: Ed25519 (RFC 8032) over anchors of the audit and packages of the archive."""

import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)


class SigningKeyWrong(Exception):
    """The signing key is missing, readable by others, or not an Ed25519 private key in PEM; nothing is signed."""


class Signer:
    """Signs with one key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """The key in the file at `path`, which only its owner may read. Raises SigningKeyWrong."""
        try:
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SigningKeyWrong(f"{path}: others may read the signing key; run chmod 600 on it")
            key = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise SigningKeyWrong(f"{path}: the signing key cannot be read ({error})") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SigningKeyWrong(f"{path}: not an Ed25519 key")
        return cls(key)

    @classmethod
    def make(cls, path: Path) -> "Signer":
        """A fresh key, written to `path` (0600) if nothing is there, with `<path>.pub` beside it."""
        made = cls(Ed25519PrivateKey.generate())
        pem = made._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        path.with_name(path.name + ".pub").write_bytes(made.public_pem)
        return made

    @property
    def public_pem(self) -> bytes:
        """The public key, SubjectPublicKeyInfo in PEM."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(message)


def is_signed(public_pem: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is of this message by this key; False for a key that is none, too."""
    try:
        key = load_pem_public_key(public_pem)
        if not isinstance(key, Ed25519PublicKey):
            return False
        key.verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
