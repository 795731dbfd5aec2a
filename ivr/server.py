"""IvrServer: the FastAGI server with the menus in it. One per Asterisk node, on that node."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from callcenter.types import BadCallId, call_id
from ivr.fastagi import MAX_PATH, AgiSession, Counts, EnvironmentRefused, FastAgiServer, quoted
from ivr.menu import Menu, MenuContext
from ivr.proof import prompts_of
from ivr.session import ContextFor, IncomingCall, run_menu

logger = logging.getLogger(__name__)

# A caller hears nothing while the context is asked for; a menu without it is better than a silent line.
CONTEXT_TIMEOUT_S = 1.0

SCRIPTS = frozenset({"ivr", "after-queue"})
"""What the dialplan may ask for: agi://host:port/<script>."""


class PromptsMissing(Exception):
    """Prompts have no sound file; make them with `python -m ivr.prompts --texts FILE --out DIR`."""

    def __init__(self, folder: Path, prompts: list[str]) -> None:
        self.folder, self.prompts = folder, prompts
        super().__init__(f"no sound file in {folder} for: {', '.join(prompts)}; make them with ivr.prompts")


class IvrServer:
    """Serves `menus` (by script name, of SCRIPTS) to an Asterisk on this machine.

    token: what the dialplan sends as agi_arg_1. prompts_dir: absolute, holds `<prompt>.wav`. context_for: asked once
    a call; when it fails or takes over CONTEXT_TIMEOUT_S the call gets a menu with every queue open.
    """

    def __init__(
        self,
        host: str,
        port: int,
        token: str,
        menus: Mapping[str, Menu],
        prompts_dir: Path,
        context_for: ContextFor,
    ) -> None:
        if unknown := sorted(set(menus) - SCRIPTS):
            raise ValueError(f"the dialplan asks for no menu named {', '.join(unknown)}")
        self._menus, self._prompts, self._context_for = menus, prompts_dir.absolute(), context_for
        self._agi = FastAgiServer(host, port, token, dict.fromkeys(menus, self._run))

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._agi.port

    @property
    def counts(self) -> Counts:
        """Connections so far, for the metrics."""
        return self._agi.counts

    @property
    def sessions(self) -> int:
        """Callers in a menu now."""
        return self._agi.sessions

    async def start(self) -> None:
        """Listen. Raises PromptsMissing, OSError (port taken), ValueError (address, token or folder not usable)."""
        quoted(str(self._prompts), MAX_PATH - 50)
        named = {prompt for menu in self._menus.values() for _, prompt in prompts_of(menu)}
        if missing := sorted(name for name in named if not (self._prompts / f"{name}.wav").is_file()):
            raise PromptsMissing(self._prompts, missing)
        await self._agi.start()

    async def stop(self) -> None:
        """Listen no longer; callers in a menu go on to the queue."""
        await self._agi.stop()

    async def _run(self, agi: AgiSession) -> None:
        environment = agi.environment
        try:
            known_id = call_id(environment.unique_id)
        except BadCallId as wrong:
            raise EnvironmentRefused("agi_uniqueid is no call id; set systemname in asterisk.conf") from wrong
        said, withheld, *_ = (*environment.arguments, "", "")
        first = environment.script == "ivr"
        status, recorded = ("", said != "no") if first else (said, True)
        call = IncomingCall(known_id, environment.script, status, recorded, withheld == "yes")
        context = replace(await self._context(call), recorded=call.recorded, withheld=call.withheld)
        await run_menu(agi, self._menus[environment.script], call, context, self._prompts)

    async def _context(self, call: IncomingCall) -> MenuContext:
        try:
            async with asyncio.timeout(CONTEXT_TIMEOUT_S):
                return await self._context_for(call)
        except Exception:
            # Whatever is broken behind it, the citizen on the line still gets a menu and a person.
            logger.exception("menu context not available; every queue is taken as open")
            return MenuContext(now=datetime.now(UTC), is_workday=True)
