"""Passwords: Argon2id with OWASP's parameters (19 MiB, 2 passes), off the event loop. The one door to argon2."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
AT_ONCE = asyncio.Semaphore(4)
"""Each takes 19 MiB; a burst of sign-ins must not take the machine."""
MIN_LENGTH = 10
CLASSES = 3
NOBODY = HASHER.hash(secrets.token_urlsafe(16))
"""Checked against when the login name is unknown, so that both take equally long."""


class PasswordWeak(ValueError):
    """密码至少 10 位，须包含大写字母、小写字母、数字、符号中的三类，且不得与登录名相同。请重新设置。"""


def check_strength(password: str, login: str) -> None:
    """Raises PasswordWeak."""
    kinds = (str.isupper, str.islower, str.isdigit, lambda c: not c.isalnum())
    used = sum(any(kind(char) for char in password) for kind in kinds)
    if len(password) < MIN_LENGTH or used < CLASSES or login.casefold() in password.casefold():
        raise PasswordWeak


ONCE_ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Without what is read wrongly aloud or on paper: i, l, o, I, L, O, 0, 1."""


def one_time(login: str) -> str:
    """A password to be told once and changed at the first sign-in: three groups of five, 85 bits."""
    while True:
        made = "-".join("".join(secrets.choice(ONCE_ALPHABET) for _ in range(5)) for _ in range(3))
        try:
            check_strength(made, login)
        except PasswordWeak:
            continue
        return made


async def hash_of(password: str) -> str:
    """The encoded Argon2id hash."""
    async with AT_ONCE:
        return await asyncio.to_thread(HASHER.hash, password)


async def matches(encoded: str | None, password: str) -> bool:
    """Whether the password is right; None for an unknown login is checked too, for nothing."""
    async with AT_ONCE:
        return await asyncio.to_thread(_matches, encoded or NOBODY, password) and encoded is not None


def _matches(encoded: str, password: str) -> bool:
    try:
        return HASHER.verify(encoded, password)
    except (VerificationError, InvalidHashError):
        return False
