"""The FastAGI server against an Asterisk that is well, ill, slow, hostile or gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ivr.fastagi import (
    MAX_ENVIRONMENT_BYTES,
    AgiSession,
    CallerGone,
    CommandRefused,
    FastAgiServer,
    LinkLost,
    Played,
    UnsafeValue,
)
from tests.support.agi_client import CALL_ID, TOKEN, Caller, call, environment, raw

DEADLINE_S = 10.0
Script = Callable[[AgiSession], Awaitable[None]]


@asynccontextmanager
async def serving(
    script: Script, *, max_sessions: int = 50, environment_timeout_s: float = 5.0, session_timeout_s: float = 60.0
) -> AsyncIterator[FastAgiServer]:
    server = FastAgiServer(
        "127.0.0.1",
        0,
        TOKEN,
        {"ivr": script},
        max_sessions=max_sessions,
        environment_timeout_s=environment_timeout_s,
        session_timeout_s=session_timeout_s,
    )
    await server.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield server
    finally:
        await server.stop()


async def route(agi: AgiSession) -> None:
    """The shortest useful script."""
    await agi.set_variable("ROUTE", "queue")


async def reached(condition: Callable[[], bool]) -> None:
    """Let the loop run until it holds; `serving` sets the deadline."""
    while not condition():
        await asyncio.sleep(0)


async def still_serves(server: FastAgiServer) -> bool:
    return (await call(server.port, Caller())).variables == {"ROUTE": "queue"}


# --- a session


async def talk(script: Script, caller: Caller | None = None) -> list[str]:
    """The commands Asterisk got."""
    async with serving(script) as server:
        heard = await call(server.port, caller or Caller())
    return heard.commands


async def test_commands_go_out_as_asterisk_wants_them() -> None:
    results: list[object] = []

    async def script(agi: AgiSession) -> None:
        results.append(await agi.stream_file("/p/keys", "0123456789*#"))
        results.append(await agi.get_digit(2.5))
        results.append(await agi.get_digit(2))
        await agi.set_variable("REQUEST_TYPE", "咨询")
        await agi.user_event("MenuStep", {"CallId": CALL_ID, "Digits": ""})

    commands = await talk(script, Caller(["7", "timeout"], during={"keys": "#"}))
    assert results == [Played("#", 8000), "7", ""]
    assert commands == [
        'STREAM FILE "/p/keys" "0123456789*#" 0',
        "WAIT FOR DIGIT 2500",
        "WAIT FOR DIGIT 2000",
        'SET VARIABLE REQUEST_TYPE "咨询"',
        f'EXEC UserEvent "MenuStep,CallId: {CALL_ID},Digits: "',
    ]


@pytest.mark.parametrize(
    "unsafe",
    [
        lambda agi: agi.set_variable("CALLERID(num)", "1"),
        lambda agi: agi.set_variable("__CALL_ID", "1"),
        lambda agi: agi.set_variable("ROUTE", 'queue" x'),
        lambda agi: agi.exec("System", "true"),
        lambda agi: agi.exec("UserEvent", 'x"\nHANGUP'),
        lambda agi: agi.exec("UserEvent", "${CALLERID(num)}"),
        lambda agi: agi.user_event("X", {"A": "1,B: 2"}),
        lambda agi: agi.user_event("X", {"A": "1\nB: 2"}),
        lambda agi: agi.user_event("X", {"A": "${Y}"}),
        lambda agi: agi.user_event("X", {"A: 1,B": "2"}),
        lambda agi: agi.user_event("X,A: 1", {}),
        lambda agi: agi.stream_file("/p/" + "a" * 500),
        lambda agi: agi.stream_file('/p/a" "'),
        lambda agi: agi.stream_file("/p/a", '"'),
    ],
)
async def test_unsafe_commands_never_reach_asterisk(unsafe: Callable[[AgiSession], Awaitable[object]]) -> None:
    async def script(agi: AgiSession) -> None:
        with pytest.raises(UnsafeValue):
            await unsafe(agi)
        await agi.set_variable("ROUTE", "queue")

    assert await talk(script) == ['SET VARIABLE ROUTE "queue"']


async def scripted(script: Script, *replies: bytes) -> FastAgiServer:
    """A call in which Asterisk answers the commands with these bytes, then closes."""
    async with serving(script) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(environment())
        for reply in replies:
            await reader.readline()
            writer.write(reply)
        writer.write_eof()
        await reader.read()
        writer.close()
        return server


async def test_hangup_line_is_no_answer_and_the_next_reply_is_not_off_by_one() -> None:
    seen: list[object] = []

    async def script(agi: AgiSession) -> None:
        await agi.set_variable("ROUTE", "queue")
        seen.append("set")
        with pytest.raises(CallerGone):
            await agi.get_digit(1)
        await agi.user_event("MenuEnded", {"Outcome": "hangup"})
        seen.append("told")

    await scripted(script, b"HANGUP\n200 result=1\n", b"200 result=0\n")
    assert seen == ["set", "told"]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"200 result=-1\n", CallerGone),
        (b"HANGUP\n511 result=-1 Command Not Permitted on a dead channel\n", CallerGone),
        (b"510 Invalid or unknown command\n", CommandRefused),
        (b"520 Invalid command syntax.  Proper usage not available.\n", CommandRefused),
        (
            b"520-Invalid command syntax.  Proper usage follows:\n Usage: x\n HANGUP\n520 End of proper usage.\n",
            CommandRefused,
        ),
        (b"520-Invalid command syntax.\n" + b"x\n" * 200, LinkLost),
        (b"hello\n", LinkLost),
        (b"agi_arg_1: x\n", LinkLost),
        (b"200 result=255\n", LinkLost),
        (b"", LinkLost),
        (b"200 result=0", LinkLost),
        (b"x" * (MAX_ENVIRONMENT_BYTES * 3) + b"\n", LinkLost),
        (b"\xff\xfe\n", LinkLost),
    ],
)
async def test_what_asterisk_may_answer_to_a_command(reply: bytes, error: type[Exception]) -> None:
    caught: list[type[Exception]] = []

    async def script(agi: AgiSession) -> None:
        try:
            await agi.get_digit(1)
        except Exception as raised:
            caught.append(type(raised))

    await scripted(script, reply)
    assert caught == [error]


async def test_trying_is_passed_over() -> None:
    got: list[str] = []

    async def script(agi: AgiSession) -> None:
        await agi.answer()
        got.append(await agi.get_digit(1))

    await scripted(script, b"200 result=0\n", b"100 result=0 Trying...\n200 result=50\n")
    assert got == ["2"]


async def test_after_a_cancelled_command_no_reply_is_taken_for_another() -> None:
    async def script(agi: AgiSession) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await agi.get_digit(60)
        with pytest.raises(LinkLost):
            await agi.set_variable("ROUTE", "queue")

    async with serving(script) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(environment())
        assert await reader.read() == b"WAIT FOR DIGIT 60000\n"
        writer.close()
    assert server.counts.failed == 0


# --- the server


async def test_connect_and_close_does_no_harm() -> None:
    async with serving(route) as server:
        for _ in range(20):
            assert await raw(server.port, b"", end=True) == b""
        assert await still_serves(server)
        assert server.counts.refused == 20


async def test_close_in_the_middle_of_the_environment_does_no_harm() -> None:
    async with serving(route) as server:
        for cut in (1, 10, len(environment()) - 1):
            assert await raw(server.port, environment()[:cut], end=True) == b""
        assert await still_serves(server)


@pytest.mark.parametrize("head", [environment(token="wrong"), environment(token=""), environment(script="shell")])
async def test_wrong_token_or_script_is_closed_without_a_word(head: bytes) -> None:
    async with serving(route) as server:
        assert await raw(server.port, head) == b""
        assert server.counts.accepted == 0
        assert await still_serves(server)


async def test_environment_without_end_is_closed_at_its_limit() -> None:
    async with serving(route) as server:
        endless = b"agi_x: " + b"y" * (MAX_ENVIRONMENT_BYTES * 2)
        assert await raw(server.port, endless) == b""
        assert await still_serves(server)


async def test_slow_loris_is_closed_and_keeps_nobody_waiting() -> None:
    async with serving(route, environment_timeout_s=0.3) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"agi_network: yes\n")
        assert await still_serves(server)
        assert await reader.read() == b""
        writer.close()
        assert server.counts.refused == 1


async def test_more_sessions_than_allowed_are_closed_and_room_comes_back() -> None:
    release = asyncio.Event()

    async def script(agi: AgiSession) -> None:
        await agi.set_variable("ROUTE", "queue")
        await release.wait()

    async with serving(script, max_sessions=2) as server:
        held = [asyncio.create_task(call(server.port, Caller())) for _ in range(2)]
        await reached(lambda: server.counts.accepted == 2)
        assert (await call(server.port, Caller())).commands == []
        release.set()
        await asyncio.gather(*held)
        await reached(lambda: server.sessions == 0)
        assert await still_serves(server)


async def test_error_in_one_call_leaves_the_others_alone() -> None:
    async def script(agi: AgiSession) -> None:
        await agi.set_variable("ROUTE", "queue")
        if server.counts.failed == 0:
            raise KeyError("boom")

    async with serving(script) as server:
        assert await still_serves(server)
        assert await still_serves(server)
        assert (server.counts.failed, server.counts.finished) == (1, 1)


async def test_session_that_hangs_is_ended() -> None:
    async def script(agi: AgiSession) -> None:
        await agi.get_digit(1)

    async with serving(script, session_timeout_s=0.2) as server:
        assert await raw(server.port, environment()) == b"WAIT FOR DIGIT 1000\n"
        assert server.counts.broken == 1


async def test_stop_ends_every_session_and_the_port_is_free_again() -> None:
    async def script(agi: AgiSession) -> None:
        await agi.get_digit(60)

    async with serving(script) as server:
        port = server.port
        callers = [asyncio.create_task(raw(port, environment())) for _ in range(5)]
        await reached(lambda: server.counts.accepted == 5)
        await server.stop()
        assert server.sessions == 0
        await asyncio.gather(*callers)
    again = FastAgiServer("127.0.0.1", port, TOKEN, {"ivr": route})
    await again.start()
    assert await still_serves(again)
    await again.stop()


@pytest.mark.parametrize(("host", "token"), [("0.0.0.0", TOKEN), ("192.0.2.1", TOKEN), ("127.0.0.1", "short")])
async def test_open_address_or_weak_token_does_not_start(host: str, token: str) -> None:
    with pytest.raises(ValueError):
        await FastAgiServer(host, 0, token, {"ivr": route}).start()
