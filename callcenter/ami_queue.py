"""What comes out of AMI, in order: the queue between the link and its one reader, and the errors of a link."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from callcenter.ami_wire import AmiEvent


class AmiError(Exception):
    """Asterisk could not be asked; the subclasses say what the caller may do."""

    retryable = False


class AmiUnavailable(AmiError):
    """Asterisk's manager interface is not reachable; nothing was sent. Check that Asterisk runs and its port."""

    retryable = True


class LoginRefused(AmiUnavailable):
    """Asterisk refuses the AMI login. Check user and secret in manager.conf, and that no other process uses it."""


class ActionRefused(AmiError):
    """Asterisk understood the action and said no; nothing was changed."""

    def __init__(self, action: str, message: str) -> None:
        super().__init__(f"Asterisk refused {action}: {message}")
        self.action = action
        self.message = message


class OutcomeUnknown(AmiError):
    """The action left and no answer came: it may or may not have happened. Look; never send it again."""


class ActionTimeout(OutcomeUnknown):
    """Asterisk did not answer the action in time, though the link is up."""


class LinkLost(OutcomeUnknown):
    """The AMI link broke: events of the time until the next LinkUp are missing, and waiting actions are unknown.

    On the queue it marks the gap; raised, it ends an action that was waiting. at: aware UTC.
    """

    def __init__(self, at: datetime, cause: str) -> None:
        super().__init__(at, cause)
        self.at = at
        self.cause = cause

    def __str__(self) -> str:
        return f"AMI link lost: {self.cause}"


@dataclass(frozen=True, slots=True)
class LinkUp:
    """Events flow from here on. since_lost_s: length of the gap, None on the first link."""

    at: datetime
    since_lost_s: float | None


Item = AmiEvent | LinkUp | LinkLost


class EventQueue:
    """Bounded, in strict order, for one reader. Events may be refused; LinkUp and LinkLost never are."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Item] = deque()
        self._closed = False
        self._reader: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, events: Sequence[AmiEvent]) -> int:
        """How many of them there was room for: when not all, the caller must end the link, so the gap is known."""
        room = max(0, self._size - len(self._items))
        self._items.extend(events[:room])
        if events:
            self._wake()
        return min(room, len(events))

    def mark(self, change: LinkUp | LinkLost) -> bool:
        """A link change. A link lost again before any event came makes the gap before it longer: then False."""
        nothing_between = len(self._items) > 1 and isinstance(self._items[-2], LinkLost)
        if isinstance(change, LinkLost) and nothing_between and isinstance(self._items[-1], LinkUp):
            self._items.pop()
            return False
        self._items.append(change)
        self._wake()
        return True

    def close(self) -> None:
        """No more will come; the reader ends after what is there."""
        self._closed = True
        self._wake()

    async def until_half_empty(self) -> None:
        """Returns when the reader has caught up with half the queue."""
        while len(self._items) > self._size // 2:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    async def items(self) -> AsyncIterator[Item]:
        """Everything, in order, until close(). Raises RuntimeError for a second reader at the same time."""
        while True:
            while self._items:
                item = self._items.popleft()
                if self._room is not None and len(self._items) <= self._size // 2:
                    _resolve(self._room)
                    self._room = None
                yield item
            if self._closed:
                return
            if self._reader is not None:
                raise RuntimeError("events() has one reader; a second would tear the order apart")
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None

    def _wake(self) -> None:
        if self._reader is not None:
            _resolve(self._reader)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
