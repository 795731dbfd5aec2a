"""A private Kannel: bearerbox (towards the carrier) and smsbox (towards us), on loopback with generated passwords."""

import asyncio
from pathlib import Path

from callcenter.stack import paths, templates
from callcenter.stack.ports import LOOPBACK, Ports
from callcenter.stack.process import Process, listens
from callcenter.stack.secrets import Secrets

HOW_TO_GET = "run `make setup`, or install it with: apt-get install kannel"
# bearerbox waits for its connections to close and writes its store.
STOP_WITHIN_S = 20.0


class Kannel:
    """Both processes of the gateway; data and configuration in `<folder>/kannel`."""

    def __init__(self, folder: Path, ports: Ports, secrets: Secrets, *, hotline_number: str) -> None:
        self.bearerbox = Process("bearerbox", folder)
        self.smsbox = Process("smsbox", folder)
        self._home = folder / "kannel"
        self._ports = ports
        self._secrets = secrets
        self._hotline_number = hotline_number

    @property
    def url(self) -> str:
        """Where texts are handed in."""
        return f"http://{LOOPBACK}:{self._ports.kannel_sendsms}/cgi-bin/sendsms"

    @property
    def running(self) -> bool:
        return self.bearerbox.running and self.smsbox.running

    async def boot(self) -> None:
        """Start bearerbox, then smsbox, each until its port answers."""
        self._prepare()
        await self.boot_bearerbox()
        await self.boot_smsbox()

    async def boot_bearerbox(self) -> None:
        """Start bearerbox alone; a smsbox that runs connects to it again by itself."""
        await self.bearerbox.start(self._argv("bearerbox"))
        await self.bearerbox.wait_ready(self._smsbox_port_listens)

    async def boot_smsbox(self) -> None:
        """Start smsbox alone, to a bearerbox that runs."""
        await self.smsbox.start(self._argv("smsbox"))
        await self.smsbox.wait_ready(self._sendsms_listens)

    async def stop(self) -> None:
        """Ask both to end; smsbox first, so that it hands over what it still holds."""
        await self.smsbox.stop(STOP_WITHIN_S)
        await self.bearerbox.stop(STOP_WITHIN_S)

    async def kill9(self) -> None:
        """A crash of both processes at once."""
        await asyncio.gather(self.bearerbox.kill9(), self.smsbox.kill9())

    def _argv(self, box: str) -> list[str]:
        # 3: errors. Below, and in smsbox's errors too, Kannel writes texts, numbers and our callback's token.
        level = "4" if box == "smsbox" else "3"
        return [paths.program(box, HOW_TO_GET), "-v", level, str(self._home / "kannel.conf")]

    def _prepare(self) -> None:
        for name in ("store", "dlr"):
            (self._home / name).mkdir(parents=True, exist_ok=True)
        ports, passwords = self._ports, self._secrets
        values = {
            "home": self._home,
            "hotline_number": self._hotline_number,
            "admin_port": ports.kannel_admin,
            "admin_password": passwords.kannel_admin,
            "smsbox_port": ports.kannel_smsbox,
            "sendsms_port": ports.kannel_sendsms,
            "sendsms_password": passwords.kannel_sendsms,
            "smsc_port": ports.smsc,
            "smsc_password": passwords.smsc,
            "callback_port": ports.sms_callback,
            "callback_token": passwords.sms_callback_token,
        }
        templates.render_folder("kannel", values, self._home)

    async def _smsbox_port_listens(self) -> bool:
        return await listens(LOOPBACK, self._ports.kannel_smsbox)

    async def _sendsms_listens(self) -> bool:
        return await listens(LOOPBACK, self._ports.kannel_sendsms)
