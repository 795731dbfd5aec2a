"""Every secret of a private stack: made at its first start, kept in one file that only its owner reads."""

import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path

from callcenter.stack.errors import StackFailed

AGENTS = tuple(str(number) for number in range(8001, 8021))
"""Extensions of the agents' telephones."""


def _token() -> str:
    # 32 random bytes; the alphabet (A-Z a-z 0-9 - _) needs no quoting in any of the services' files.
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Secrets:
    """All passwords and tokens; a new object is a new set of random ones."""

    ami_events: str = field(default_factory=_token)
    ami_actions: str = field(default_factory=_token)
    agi_token: str = field(default_factory=_token)
    kannel_admin: str = field(default_factory=_token)
    kannel_sendsms: str = field(default_factory=_token)
    # SMPP allows eight characters for a password (SMPP 3.4, 5.2.2).
    smsc: str = field(default_factory=lambda: secrets.token_hex(4))
    sms_callback_token: str = field(default_factory=_token)
    upstream: str = field(default_factory=_token)
    """Shared with the platform above, once one is connected."""
    vault_key: str = field(default_factory=lambda: secrets.token_hex(32))
    database_owner: str = field(default_factory=_token)
    database_app: str = field(default_factory=_token)
    database_asterisk: str = field(default_factory=_token)
    database_backup: str = field(default_factory=_token)
    handset: str = field(default_factory=_token)
    """SIP password of the page that plays a citizen's telephone."""
    agents: dict[str, str] = field(default_factory=lambda: {agent: _token() for agent in AGENTS})
    """SIP password by extension."""

    def __repr__(self) -> str:
        return "Secrets(...)"


def load_or_create(path: Path) -> Secrets:
    """The secrets kept in `path`; made and written with mode 0600 when there is no such file.

    Raises StackFailed when the file is damaged or others may read it.
    """
    if not path.exists():
        made = Secrets()
        write_private(path, json.dumps(asdict(made), indent=1))
        return made
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StackFailed(f"{path}: others may read this file of secrets; run chmod 600 on it")
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        known = Secrets(**kept)
    except (ValueError, TypeError) as error:
        raise StackFailed(f"{path} is damaged ({error}); remove the run folder to start anew") from None
    if asdict(known).keys() != kept.keys():
        # Made by an older version: what it lacked was made just now and must stay the same from here on.
        write_private(path, json.dumps(asdict(known), indent=1))
    return known


def write_private(path: Path, text: str) -> None:
    """Write `text` with mode 0600, replacing the file in one step; nobody else can read it at any moment."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
