"""The second clock: a real SNTP exchange with a server that is well, away, unsynchronized, lying or forged."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.retention.second_clock import (
    ClockAway,
    ClockWrong,
    Remembered,
    SntpClock,
    second_clock,
    time_told,
)
from tests.support.moving_clock import LEAP_ALARM, NTP_EPOCH, TimeServer, ntp_time, time_server


@pytest.fixture
async def server() -> AsyncIterator[TimeServer]:
    async with time_server() as one:
        yield one


@pytest.mark.parametrize("shift", [timedelta(), timedelta(days=3_660), timedelta(days=-900)])
async def test_it_tells_the_servers_time_not_this_machines(server: TimeServer, shift: timedelta) -> None:
    """Ten years on NTP is in its next era."""
    server.shift = shift
    told = await asyncio.to_thread(server.clock().now)
    assert abs(told - server.now()) < timedelta(seconds=1)
    assert server.asked == 3


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"silent": True}, "timed out"),
        ({"leap": LEAP_ALARM}, "not synchronized"),
        ({"stratum": 16}, "not synchronized"),
        ({"stratum": 0, "code": b"RATE"}, "RATE"),
        ({"mode": 3}, "not a server"),
        ({"mode": 5}, "not a server"),
        ({"root_delay_s": 1.5}, "too long"),
        ({"root_dispersion_s": 16.0}, "too long"),
        ({"forged": True}, "did not ask"),
        ({"scatter": timedelta(seconds=2)}, "contradict"),
    ],
)
async def test_a_server_that_is_not_in_order_is_away(server: TimeServer, wrong: dict[str, object], why: str) -> None:
    for name, value in wrong.items():
        setattr(server, name, value)
    with pytest.raises(ClockAway, match=why):
        await asyncio.to_thread(server.clock(timeout_s=0.2).now)


async def test_nobody_there_is_away(server: TimeServer) -> None:
    with pytest.raises(ClockAway):
        await asyncio.to_thread(SntpClock("127.0.0.1", 1, timeout_s=0.2).now)
    with pytest.raises(ClockAway):
        await asyncio.to_thread(SntpClock("no-such-host.invalid", timeout_s=0.2).now)


async def test_what_it_said_is_remembered_until_it_is_stale(server: TimeServer) -> None:
    remembered = Remembered(server.clock())
    first = await asyncio.to_thread(remembered.now)
    assert await asyncio.to_thread(remembered.now) >= first
    assert server.asked == 3
    remembered.forget()
    await asyncio.to_thread(remembered.now)
    assert server.asked == 6
    await asyncio.to_thread(Remembered(remembered, fresh_s=0.0).now)


@pytest.mark.parametrize(
    "url",
    ["http://a", "ntp://", "ntp://a/path", "ntp://a?x=1", "ntp://a:x", "ntp://a:99999", "ntp://u@a", "a", "ntp:a"],
)
def test_a_wrong_setting_is_told(url: str) -> None:
    with pytest.raises(ClockWrong):
        second_clock(url)


def test_the_setting_names_host_and_port() -> None:
    assert second_clock("") is None
    assert second_clock("ntp://ntp.example.cn") == SntpClock("ntp.example.cn", 123)
    there = second_clock("ntp://127.0.0.1:1123")
    assert there is not None
    assert there.source == "ntp://127.0.0.1:1123"


@given(st.binary(max_size=80))
def test_whatever_comes_is_a_time_or_a_refusal(answer: bytes) -> None:
    try:
        at = time_told(answer, bytes(8))
    except ClockAway:
        return
    assert datetime(1968, 1, 1, tzinfo=UTC) < at < datetime(2105, 1, 1, tzinfo=UTC)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_times_of_both_eras_are_read_as_they_were_written(at: datetime) -> None:
    server = TimeServer()
    server.now = lambda: at  # type: ignore[method-assign]
    told = time_told(server.answer(bytes(40) + b"question"), b"question")
    assert abs(told - at) <= timedelta(microseconds=1)
    assert ntp_time(NTP_EPOCH) == bytes(8)
