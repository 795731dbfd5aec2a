"""A provider of master keys with the manners of a PKCS#11 token: keys are handles, secrets stay inside.

It stands for a hardware module, of which a plug-in is a thin shape over C_FindObjects, C_WrapKey and C_UnwrapKey.
"""

import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding, aes_key_wrap_with_padding

from recordings.custody.keys import KeysAway, KeyUnknown, KeyWrong


class TokenError(Exception):
    """CKR_...: how a token says no."""


def _two_keys() -> dict[int, tuple[str, bytes]]:
    return {7: ("hsm-1", secrets.token_bytes(32)), 9: ("hsm-2", secrets.token_bytes(32))}


@dataclass
class Token:
    """The outside world: a module with two keys, found by label."""

    slot_full: bool = True
    _objects: dict[int, tuple[str, bytes]] = field(default_factory=_two_keys, repr=False)

    def find_objects(self) -> dict[str, int]:
        if not self.slot_full:
            raise TokenError("CKR_DEVICE_REMOVED")
        return {label: handle for handle, (label, _) in self._objects.items()}

    def wrap_key(self, handle: int, key: bytes) -> bytes:
        """CKM_AES_KEY_WRAP_KWP."""
        return aes_key_wrap_with_padding(self._objects[handle][1], key)

    def unwrap_key(self, handle: int, wrapped: bytes) -> bytes:
        try:
            return aes_key_unwrap_with_padding(self._objects[handle][1], wrapped)
        except InvalidUnwrap:
            raise TokenError("CKR_WRAPPED_KEY_INVALID") from None


class TokenKeys:
    """The plug-in."""

    def __init__(self, token: Token) -> None:
        self.token = token

    @property
    def active(self) -> str:
        return max(self._handles())

    def key_ids(self) -> frozenset[str]:
        return frozenset(self._handles())

    def wrap(self, key_id: str, file_key: bytes) -> bytes:
        return self.token.wrap_key(self._handle(key_id), file_key)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        handle = self._handle(key_id)
        try:
            return self.token.unwrap_key(handle, wrapped)
        except TokenError:
            raise KeyWrong(key_id) from None

    def _handles(self) -> dict[str, int]:
        try:
            return self.token.find_objects()
        except TokenError as error:
            raise KeysAway(f"the token does not answer: {error}") from error

    def _handle(self, key_id: str) -> int:
        try:
            return self._handles()[key_id]
        except KeyError:
            raise KeyUnknown(key_id) from None


def make() -> TokenKeys:
    """The factory an operator names."""
    return TokenKeys(Token())


def unplugged() -> TokenKeys:
    """A factory whose driver finds no token."""
    raise TokenError("the token is not in its slot")


class _Half:
    active = "a"

    def key_ids(self) -> frozenset[str]:
        return frozenset("a")

    def wrap(self, key_id: str, file_key: bytes) -> bytes:
        return file_key


half = _Half
"""A factory of something that is no provider."""
