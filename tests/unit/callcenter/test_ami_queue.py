"""The queue between the AMI link and its one reader."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from callcenter.ami_queue import EventQueue, Item, LinkLost, LinkUp
from callcenter.ami_wire import AmiEvent

NOW = datetime(2026, 11, 22, tzinfo=UTC)
UP, LOST = LinkUp(NOW, None), LinkLost(NOW, "cut")


def numbered(number: int) -> AmiEvent:
    return AmiEvent("X", {"No": str(number)}, NOW, NOW)


async def rest(queue: EventQueue) -> list[Item]:
    queue.close()
    return [item async for item in queue.items()]


async def following(items: AsyncIterator[Item]) -> Item:
    return await anext(items)


async def test_items_come_out_in_order_until_the_close() -> None:
    queue = EventQueue(10)
    events = [numbered(number) for number in range(5)]
    assert queue.put(events) == 5
    assert await rest(queue) == events


async def test_full_queue_refuses_events_but_never_a_link_change() -> None:
    queue = EventQueue(2)
    assert queue.put([numbered(number) for number in range(3)]) == 2
    assert queue.put([numbered(3)]) == 0
    assert queue.mark(LOST)
    assert await rest(queue) == [numbered(0), numbered(1), LOST]


async def test_link_lost_again_before_any_event_is_one_longer_gap() -> None:
    queue = EventQueue(10)
    later = LinkLost(NOW, "again")
    assert [queue.mark(change) for change in (UP, LOST, UP, later, UP, later)] == [True, True, True, False, True, False]
    assert await rest(queue) == [UP, LOST]


async def test_waiting_reader_is_woken_by_an_event_and_by_the_close() -> None:
    queue = EventQueue(10)
    items = queue.items()
    waiting = asyncio.create_task(following(items))
    await asyncio.sleep(0)
    queue.put([numbered(1)])
    assert await waiting == numbered(1)
    waiting = asyncio.create_task(following(items))
    await asyncio.sleep(0)
    queue.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_second_reader_is_refused() -> None:
    queue = EventQueue(10)
    first = asyncio.create_task(following(queue.items()))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one reader"):
        await following(queue.items())
    queue.put([numbered(1)])
    assert await first == numbered(1)


async def test_room_is_there_when_half_of_it_was_read() -> None:
    queue = EventQueue(4)
    queue.put([numbered(number) for number in range(4)])
    room = asyncio.create_task(queue.until_half_empty())
    items = queue.items()
    await following(items)
    await asyncio.sleep(0)
    assert not room.done()
    await following(items)
    await asyncio.wait_for(room, 5)
