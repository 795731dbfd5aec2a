"""What a gateway must be able to do, and the three ways it can fail. PURE."""

import re
from dataclasses import dataclass
from typing import Protocol

from callcenter.types import PhoneNumber

KEY_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,80}")
"""Our name of a message. It stands in the gateway's logs and URLs: no number, no text in it."""


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """The gateway took the message. gateway_id: its own name for it, when it says one."""

    gateway_id: str | None = None


class SmsRejected(Exception):
    """The gateway will never send this message; its words say why. Nothing went out."""

    retryable = False


class SmsUnavailable(Exception):
    """The gateway cannot take messages now. For sure nothing went out; it is tried again."""

    retryable = True


class SmsUnknown(Exception):
    """The message may have gone out. It is never sent again; a receipt may still tell."""

    retryable = False


class SmsSender(Protocol):
    """One gateway."""

    async def send(self, to: PhoneNumber, text: str, *, key: str) -> SubmitResult:
        """Hand over one message, once. `key` comes back in its receipts.

        Raises SmsRejected or SmsUnavailable only when it is certain that nothing went out, else SmsUnknown.
        """
        ...

    async def close(self) -> None:
        """Give sockets back."""
        ...
