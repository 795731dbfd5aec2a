"""The live board on a real Valkey: everybody who follows hears, nobody else is held up, and nothing breaks it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from callcenter.board import CHANNEL, MAX_BYTES, Board, BoardAway, BoardEvent, decode, encode
from callcenter.stack.stack import Stack
from callcenter.stack.valkey import Valkey
from tests.support.eventually import eventually
from tests.support.stack import new_folder

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def valkey() -> AsyncIterator[Valkey]:
    stack = Stack(new_folder("board"))
    stack.open()
    try:
        await stack.valkey.boot()
        yield stack.valkey
    finally:
        await stack.remove()


@pytest.fixture
async def board(valkey: Valkey) -> AsyncIterator[Board]:
    board = Board(valkey.url)
    yield board
    await board.close()


class Follower:
    """Somebody who follows, and what they heard."""

    def __init__(self, board: Board) -> None:
        self.heard: list[BoardEvent] = []
        self.away: BoardAway | None = None
        self._task = asyncio.create_task(self._follow(board))

    async def _follow(self, board: Board) -> None:
        try:
            async with aclosing(board.follow()) as events:  # type: ignore[type-var]
                async for event in events:
                    self.heard.append(event)
        except BoardAway as error:
            self.away = error

    async def until(self, count: int) -> list[BoardEvent]:
        await eventually(lambda: len(self.heard) >= count, f"{count} events")
        return self.heard

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def following(board: Board, *, already: int = 0) -> Follower:
    """A follower whom Valkey counts."""
    one = Follower(board)
    await eventually(lambda: counted(board, already + 1), "the follower is there")
    return one


async def counted(board: Board, followers: int) -> bool:
    reply = await board._commands.execute_command("PUBSUB", "NUMSUB", CHANNEL)  # type: ignore[no-untyped-call]
    return int(reply[1]) == followers


async def test_every_follower_hears_every_event_in_order(board: Board) -> None:
    one = await following(board)
    other = await following(board, already=1)
    told = [BoardEvent("words.live", {"seq": number, "text": "路灯不亮"}, audience="8001") for number in range(50)]
    await board.publish(tuple(told[:20]))
    await board.publish(tuple(told[20:]))
    assert await one.until(50) == told
    assert await other.until(50) == told
    for follower in (one, other):
        await follower.stop()
    await eventually(lambda: counted(board, 0), "nobody follows any more")


async def test_an_event_too_long_is_dropped_and_the_others_are_heard(board: Board) -> None:
    one = await following(board)
    short, long = BoardEvent("a", {"n": 1}), BoardEvent("b", {"text": "字" * MAX_BYTES})
    await board.publish((long, short))
    await board.publish((long,))
    assert await one.until(1) == [short]
    assert board.dropped == 2
    await one.stop()


@pytest.mark.parametrize(
    "junk", [b"", b"{", b"[]", b"1", b"\xff\xfe", b'{"kind": 1, "data": {}, "audience": ""}', b"{}"]
)
async def test_what_is_no_event_breaks_no_follower(board: Board, junk: bytes) -> None:
    one = await following(board)
    await board._commands.publish(CHANNEL, junk)
    await board.publish((BoardEvent("a", {}),))
    assert await one.until(1) == [BoardEvent("a", {})]
    await one.stop()


def test_an_event_is_read_as_it_was_told_and_times_as_text() -> None:
    at = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    event = BoardEvent("call.started", {"caller": "139****0001", "n": None, "list": ["一", 2]}, "8001")
    assert decode(encode(event)) == event
    told = decode(encode(BoardEvent("a", {"at": at})))  # type: ignore[dict-item]
    assert told == BoardEvent("a", {"at": at.isoformat()})


async def test_without_redis_nothing_is_held_up_and_what_was_not_told_is_counted() -> None:
    board = Board("unix:///nonexistent/valkey.sock")
    await board.publish((BoardEvent("a", {}), BoardEvent("b", {})))
    assert board.dropped == 2
    with pytest.raises(BoardAway):
        await board.ping()
    follower = Follower(board)
    await eventually(lambda: follower.away is not None, "the follower is told")
    await board.close()


async def test_a_killed_redis_is_told_to_its_followers_and_heard_again_when_it_is_back(valkey: Valkey) -> None:
    board = Board(valkey.url)
    await board.ping()
    one = await following(board)
    await valkey.kill9()
    await eventually(lambda: one.away is not None, "the follower is told")
    await board.publish((BoardEvent("lost", {}),))
    assert board.dropped == 1
    await valkey.boot()
    again = await following(board)
    await board.publish((BoardEvent("back", {}),))
    assert await again.until(1) == [BoardEvent("back", {})]
    await again.stop()
    await board.close()
