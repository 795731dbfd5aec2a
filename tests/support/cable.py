"""A network between a browser and the server that a test can cut: silently, as a pulled cable does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Cable:
    """Passes every TCP connection on to `port` of the loopback, while it is whole."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._whole = asyncio.Event()
        self._whole.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What a browser opens."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """From now on nothing goes through, and nobody is told so."""
        self._whole.clear()

    def mend(self) -> None:
        """New connections go through again; the old ones are reset, as a router forgets them."""
        for end in self._ends:
            end.transport.abort()
        self._whole.set()

    async def _connected(self, near: asyncio.StreamReader, near_end: asyncio.StreamWriter) -> None:
        self._ends.add(near_end)
        await self._whole.wait()
        with suppress(OSError):
            far, far_end = await asyncio.open_connection("127.0.0.1", self._port)
            self._ends.add(far_end)
            for one in (self._pass_on(near, far_end), self._pass_on(far, near_end)):
                task = asyncio.create_task(one)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._whole.wait()
                to.write(data)
                await to.drain()
        to.close()
        self._ends.discard(to)

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Cable"]:
        """Open until the block ends."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield self
        finally:
            self._server.close()
            for task in tuple(self._tasks):
                task.cancel()
            for end in tuple(self._ends):
                end.transport.abort()
