"""A whole private stack: PostgreSQL, Valkey, Kannel, Asterisk and the played carrier, in one run folder.

    async with Stack(folder) as stack:
        settings = stack.settings()

The services die with the process that started them, however it dies (see guard.py), unless `stay()` was called.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from callcenter import softphones
from callcenter.settings import Settings
from callcenter.stack import guard, keyfiles, pids, ports, postgres, secrets
from callcenter.stack.asterisk import Asterisk, CelDatabase
from callcenter.stack.folder import RunFolder
from callcenter.stack.handset import Handsets
from callcenter.stack.kannel import Kannel
from callcenter.stack.postgres import Postgres
from callcenter.stack.process import Process
from callcenter.stack.valkey import Valkey

Migrate = Callable[[str], Awaitable[None]]
"""Brings the database at this URL (of the owning role) to the newest shape."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may differ between stacks."""

    node: str = "a"
    hotline_number: str = "12345"
    policy: str = "longsheng"
    softphones: frozenset[str] = frozenset()
    """Extensions whose telephone is the browser; empty: SIP over WebSocket is closed."""
    handset: bool = False
    """With softphones: a page that plays a citizen's telephone, for demonstrations."""
    prompts_dir: Path | None = None
    """Where the spoken prompts are; default: in the package `ivr`, where set-up makes them."""
    model_dir: Path | None = None
    """The Vosk model; default: the demo model inside the package `recordings`."""
    sms_all_day: bool = False
    """Send messages at night too."""
    wrap_up_s: float = 30.0


class Stack:
    """One private stack in `folder`. Its parts are attributes and may be stopped, killed and started one by one."""

    def __init__(self, folder: Path, options: Options | None = None, *, migrate: Migrate | None = None) -> None:
        """`migrate` None: the product's own migrations."""
        self.options = options or Options()
        self.folder = RunFolder(folder)
        self._migrate = migrate or migrate_product
        self._guard: subprocess.Popen[bytes] | None = None
        self._claim: ports.Claim | None = None
        self._spawned: list[Process] = []

    async def __aenter__(self) -> "Stack":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything. Raises StackFailed, PartMissing or StackBusy; then nothing is left running."""
        self.open()
        try:
            await asyncio.gather(self.boot_database(), self.valkey.boot(), self._boot_sms())
            await self.asterisk.boot()
            self.write_settings()
        except BaseException:
            await self.stop()
            raise

    def open(self) -> None:
        """Claim the run folder and a block of ports, read or make the secrets, start the guard."""
        self.folder.open()
        try:
            self._claim = ports.claim(_last_block(self.folder))
        except BaseException:
            self.folder.close()
            raise
        self.ports = self._claim.ports
        self.folder.ports_file.write_text(f"{self.ports.start}\n", encoding="ascii")
        self.secrets = secrets.load_or_create(self.folder.secrets_file)
        self._guard = _start_guard(self.folder, self._claim)
        path, sockets, options = self.folder.path, self.folder.sockets(), self.options
        self.postgres = Postgres(path, sockets, self.secrets)
        self.valkey = Valkey(path, sockets)
        self.kannel = Kannel(path, self.ports, self.secrets, hotline_number=options.hotline_number)
        self.handsets = Handsets(self.ports.smsc, self.secrets.smsc)
        self.asterisk = Asterisk(
            path,
            sockets,
            self.ports,
            self.secrets,
            node=options.node,
            hotline_number=options.hotline_number,
            prompts_dir=self.prompts_dir,
            softphones=options.softphones,
            handset=options.handset,
        )

    @property
    def prompts_dir(self) -> Path:
        return self.options.prompts_dir or Path(str(files("ivr").joinpath("prompts", "made")))

    @property
    def model_dir(self) -> Path:
        return self.options.model_dir or Path(str(files("recordings").joinpath("demo_model")))

    async def boot_database(self) -> None:
        """Start PostgreSQL, migrate it, and let Asterisk write its CEL rows."""
        await self.postgres.boot()
        await self._migrate(self.postgres.url(role=postgres.OWNER))
        if await self.postgres.grant():
            self.asterisk.cel_database = CelDatabase(
                host=str(self.postgres.sockets),
                port=postgres.PORT,
                name=postgres.DATABASE,
                user=postgres.ASTERISK,
                password=self.secrets.database_asterisk,
            )

    async def spawn(self, name: str, argv: Iterable[str]) -> Process:
        """Start one of our own processes (API, listener, worker...) with this stack's settings.

        It has its log and pid file beside the services' and ends before them.
        """
        process = Process(name, self.folder.path)
        await process.start(list(argv), env={"CALLCENTER_SETTINGS": str(self.folder.settings_file)})
        self._spawned.append(process)
        return process

    def stay(self) -> None:
        """Let everything run on after this process has ended; `make stop` ends it later."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.write(guard.STAY)
            self._guard.stdin.close()
        self._release()

    async def stop(self) -> None:
        """Stop everything in order: our processes, Asterisk, Kannel, Valkey, PostgreSQL."""
        if self._claim is None:
            return
        await asyncio.gather(*(process.stop() for process in self._spawned))
        self._spawned.clear()
        await asyncio.gather(self.asterisk.stop(), self.kannel.stop(), self.valkey.stop())
        await self.handsets.stop()
        await self.postgres.stop()
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            await asyncio.to_thread(self._guard.wait)
        self._release()

    async def remove(self) -> None:
        """Stop everything and delete the run folder."""
        await self.stop()
        await asyncio.to_thread(self.folder.remove)

    def settings(self) -> Settings:
        """The settings of a process that belongs to this stack."""
        return Settings(_env_file=self.folder.settings_file)

    def write_settings(self) -> None:
        """Write the settings file, CALLCENTER_NAME='value' a line, mode 0600."""
        values = {**self._settings(), **self._secret_settings()}
        lines = [f"CALLCENTER_{name.upper()}='{value}'" for name, value in values.items()]
        secrets.write_private(self.folder.settings_file, "\n".join(lines) + "\n")

    def _settings(self) -> dict[str, object]:
        return {
            "node": self.options.node,
            "policy": self.options.policy,
            "hotline_number": self.options.hotline_number,
            "database_url": self.postgres.url(),
            "redis_url": self.valkey.url,
            "ami_port": self.ports.ami,
            "agi_port": self.ports.agi,
            "audiosocket_port": self.ports.audiosocket,
            "kannel_url": self.kannel.url,
            "kannel_user": "callcenter",
            "sms_callback_port": self.ports.sms_callback,
            "api_port": self.ports.api,
            "metrics_port": self.ports.metrics,
            "spool_dir": self.asterisk.spool,
            "prompts_dir": self.prompts_dir,
            "model_dir": self.model_dir,
            "cel_file": self.asterisk.cel_file,
            "sms_all_day": self.options.sms_all_day,
            "wrap_up_s": self.options.wrap_up_s,
            **self._softphone_settings(),
            "upstream_system": "upstream",
            **self._custody_settings(),
        }

    def _softphone_settings(self) -> dict[str, object]:
        """Where browsers' telephones are let in; their passwords are in a file of their own."""
        if not self.options.softphones:
            return {}
        kept = self.folder.path / "keys" / "softphones.json"
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        theirs = {one: self.secrets.agents[one] for one in sorted(self.options.softphones)}
        if self.options.handset:
            theirs[softphones.HANDSET] = self.secrets.handset
        secrets.write_private(kept, json.dumps(theirs, indent=1))
        url = f"ws://127.0.0.1:{self.ports.http}/ws"
        return {"softphone_url": url, "softphone_secrets": kept, "demo_handset": self.options.handset}

    def _custody_settings(self) -> dict[str, object]:
        """Where recordings are kept; the second places of a private stack are only other folders."""
        at = self.folder.path
        return {
            "store_url": (at / "store").as_uri(),
            "copy_url": (at / "store-copy").as_uri(),
            "recording_keys": keyfiles.recording_keys(at / "keys").as_uri(),
            "signing_key": keyfiles.signing_key(at / "keys"),
            "anchor_dir": at / "anchors",
            "archive_dir": at / "archive",
            "backup_dir": at / "backup",
            "backup_keys": keyfiles.backup_key(at / "keys").as_uri(),
            "backup_incoming": at / "wal-incoming",
        }

    def _secret_settings(self) -> dict[str, str]:
        return {
            "ami_events_secret": self.secrets.ami_events,
            "ami_actions_secret": self.secrets.ami_actions,
            "agi_token": self.secrets.agi_token,
            "kannel_password": self.secrets.kannel_sendsms,
            "sms_callback_token": self.secrets.sms_callback_token,
            "upstream_secret": self.secrets.upstream,
            "vault_key": self.secrets.vault_key,
            "backup_database_url": self.postgres.url(role=postgres.BACKUP),
        }

    async def _boot_sms(self) -> None:
        await self.handsets.start()
        await self.kannel.boot()
        await self.handsets.bound()

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.release()
            self._claim = None
        self.folder.close()


async def migrate_product(url: str) -> None:
    """Bring the database to the product's newest revision."""
    # Late: setting up and stopping a stack must work without the whole product importable.
    from callcenter.db import Database
    from callcenter.migrations import upgrade

    database = Database(url)
    try:
        await upgrade(database)
    finally:
        await database.close()


def stop_left_running(folder: Path) -> list[str]:
    """End whatever `stay()` left running in this run folder; the names of what ran."""
    run_folder = RunFolder(folder)
    if not run_folder.pids.is_dir():
        return []
    files_of = run_folder.pids.glob("*.pid")
    names = sorted(path.stem for path in files_of if (pid := pids.read(path)) and pid.alive)
    pids.end_all(run_folder.pids)
    return names


def _last_block(folder: RunFolder) -> int | None:
    try:
        return int(folder.ports_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _start_guard(folder: RunFolder, claim: ports.Claim) -> subprocess.Popen[bytes]:
    """The process that ends the services when we are gone; it shares both locks."""
    with (folder.path / "log" / "guard.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "callcenter.stack.guard", str(folder.pids)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(folder.lock_fd, claim.lock_fd),
        )
