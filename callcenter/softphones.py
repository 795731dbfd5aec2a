"""Telephones in browsers: which extensions are one, with which SIP password, and which browsers hold one now.

The passwords are Asterisk's own (pjsip.conf), in a file of their own: JSON, extension -> password, mode 0600. It is
read at every question, so that a new telephone needs no restart.
"""

import asyncio
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from callcenter.types import AgentId

HANDSET = AgentId("trunk-handset")
"""The page that plays a citizen's telephone, among the passwords and in pjsip.conf."""


class NotASoftphone(LookupError):
    """您的分机配的是话机，不是浏览器电话，请用话机接听。需要改用浏览器电话请联系管理员。"""


class SoftphonesWrong(Exception):
    """浏览器电话的密码文件不可用，暂时只能用话机。请联系管理员检查文件及其权限（0600）。"""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One browser that is connected. browser: its own random name; taken: set when another connection came after it."""

    browser: str
    taken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Softphones:
    """Those of this installation. url: Asterisk's WebSocket; secrets: the file of passwords.

    handset: a page without sign-in plays a citizen's telephone, for demonstrations.
    """

    url: str
    secrets: Path
    handset: bool = False
    lines: dict[AgentId, Line] = field(default_factory=dict)
    """Connected to this process; a telephone has one connection at a time."""
    _handsets: list[object] = field(default_factory=list)

    def password_of(self, extension: AgentId) -> str:
        """The SIP password of a telephone. Raises NotASoftphone, SoftphonesWrong. Blocking."""
        try:
            if self.secrets.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SoftphonesWrong(f"{self.secrets}: others may read it")
            known = json.loads(self.secrets.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SoftphonesWrong(f"{self.secrets}: {error}") from error
        password = known.get(extension) if isinstance(known, dict) else None
        if not isinstance(password, str):
            raise NotASoftphone(extension)
        return password

    def held_by_other(self, extension: AgentId, browser: str) -> bool:
        """Whether another browser of this person holds the telephone now."""
        line = self.lines.get(extension)
        return line is not None and line.browser != browser

    def hold(self, extension: AgentId, line: Line) -> None:
        """From now on `line` is the telephone; who held it is told so."""
        before = self.lines.get(extension)
        self.lines[extension] = line
        if before is not None:
            before.taken.set()

    def let_go(self, extension: AgentId, line: Line) -> None:
        """`line` has ended; another that came after it stays."""
        if self.lines.get(extension) is line:
            del self.lines[extension]

    @property
    def handsets(self) -> int:
        """How many pages play a citizen now."""
        return len(self._handsets)

    @contextmanager
    def one_handset_more(self) -> Iterator[None]:
        """While the block runs, a page plays a citizen."""
        one = object()
        self._handsets.append(one)
        try:
            yield
        finally:
            self._handsets.remove(one)
