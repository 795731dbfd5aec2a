"""Waiting for something to become true, with a deadline."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def eventually(check: Callable[[], bool | Awaitable[bool]], what: str, within_s: float = 20.0) -> None:
    """Return once `check` says True. Fails with `what` after `within_s`."""
    try:
        async with asyncio.timeout(within_s):
            while not await _asked(check):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {within_s:.0f} s: {what}") from None


async def _asked(check: Callable[[], bool | Awaitable[bool]]) -> bool:
    found = check()
    return bool(await found) if inspect.isawaitable(found) else bool(found)
