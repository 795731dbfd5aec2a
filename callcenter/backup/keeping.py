"""The backups of this installation: what its settings say of them, which keys must lie apart, and how old they are.

The worker looks every minute and tells /metrics and, by `mark` rows, /readyz.
"""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy.dialects.postgresql import insert

from callcenter import invariants, metrics
from callcenter.app import App, load_rules
from callcenter.backup import drill
from callcenter.backup.base import Sealing
from callcenter.backup.errors import BackupFailed
from callcenter.backup.folder import BackupFolder
from callcenter.backup.marks import LATE_S, PREFIX, shown
from callcenter.backup.receiver import received
from callcenter.backup.samples import inventory_lines
from callcenter.backup.sealing import read_header
from callcenter.custody.guarding import places_of
from callcenter.custody.opening import ground_of, keys_of
from callcenter.db import Database
from callcenter.jobs import Worker
from callcenter.settings import Settings
from callcenter.tables import mark
from recordings.custody.keys import KeyFileWrong


async def inventory_of(database_url: str) -> list[str]:
    """The store's inventory, read from the live database. Raises DatabaseAway."""
    database = Database(database_url, pool_size=1)
    try:
        async with database.transaction() as tx:
            return await inventory_lines(tx)
    finally:
        await database.close()


def needed_beside(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Names of the keys without which a restored database is no hotline. Blocking."""
    try:
        recordings = tuple(sorted(keys_of(settings.recording_keys).key_ids())) if settings.recording_keys else ()
    except KeyFileWrong as error:
        raise BackupFailed(f"which keys the recordings need cannot be said: {error}") from error
    return {"recordings": recordings, "vault": ("CALLCENTER_VAULT_KEY",), "signing": _named(settings.signing_key)}


def _named(path: Path | None) -> tuple[str, ...]:
    return () if path is None else (path.name,)


@dataclass(frozen=True, slots=True)
class _Secret:
    what: str
    without: str
    where: Path | None
    named: str


def keys_apart(settings: Settings, folder: BackupFolder) -> tuple[list[str], list[str]]:
    """What must be kept apart from the backups and from each other, as sentences; and what is wrong now. Blocking."""
    beside = needed_beside(settings)
    secrets = (
        _Secret("backup key", "no backup opens", _file(settings.backup_keys), ", ".join(_backup_key_ids(folder))),
        _Secret(
            "recording keys", "no recording opens", _file(settings.recording_keys), ", ".join(beside["recordings"])
        ),
        _Secret("vault key", "no telephone number can be read", None, "CALLCENTER_VAULT_KEY in the settings file"),
        _Secret(
            "signing key",
            "no new anchor or package is signed",
            settings.signing_key,
            "public half: keep with the packages",
        ),
    )
    told = [
        f"{one.what:15} {one.where or 'in the settings'}  ({one.named or 'none used yet'}); lost: {one.without}"
        for one in secrets
    ]
    told.append("Keep a copy of each off this machine, not with the backups; split the key files 2-of-3 among persons.")
    wrong = [
        f"{one.what} lies in the backup folder {folder.path}: whoever has the backups can read them; move it"
        for one in secrets
        if one.where is not None and one.where.resolve().is_relative_to(folder.path.resolve())
    ]
    if settings.backup_keys and settings.backup_keys == settings.recording_keys:
        wrong.append("backups and recordings have one key file: give the backups one of their own")
    return told, wrong


def _file(where: str) -> Path | None:
    parts = urlsplit(where)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _backup_key_ids(folder: BackupFolder) -> list[str]:
    """Every key that some file of the backup was sealed under."""
    files = [*folder.base.glob("*/*.ccb"), *folder.wal.glob("*.ccb")] if folder.path.is_dir() else []
    found: set[str] = set()
    for path in files:
        try:
            found.add(read_header(path).key_id)
        except (OSError, BackupFailed):
            continue
    return sorted(found)


async def drilled(
    settings: Settings,
    folder: BackupFolder,
    sealing: Sealing,
    into: Path | None,
    sample: int,
    tell: Callable[[str], None],
    *,
    flush: bool = True,
) -> drill.Report:
    """One restore drill with what this installation checks."""
    rules, custody = load_rules(settings.policy), ground_of(settings)
    places = places_of(settings, custody)

    def ground(now: datetime) -> invariants.Ground:
        return invariants.Ground(rules, settings.spool_dir, settings.cel_file, settings.node, now, places, custody)

    beside = settings.incoming_folder.parent
    beside.mkdir(parents=True, exist_ok=True)
    place = into or Path(tempfile.mkdtemp(prefix="restore-drill-", dir=beside))
    live = Database(settings.database_url, pool_size=2)
    try:
        return await drill.drill(
            drill.Plan(folder, sealing, settings.incoming_folder, place, live, ground, custody, sample, flush, tell)
        )
    finally:
        await live.close()


def ages(folder: BackupFolder, now: datetime) -> dict[str, float | None]:
    """Seconds since the newest base, since the log was complete, since the last good drill; None: never. Blocking."""
    try:
        bases = folder.bases()
    except (BackupFailed, OSError):
        bases = []
    log, last = received(folder), drill.last_drill(folder)
    times = {
        "base": bases[-1].taken_at if bases else None,
        "wal": log.complete_until if log else None,
        "drill": last.at if last is not None and last.ok else None,
    }
    return {name: None if at is None else (now - at).total_seconds() for name, at in times.items()}


def told(folder: BackupFolder) -> list[str]:
    """For the operator's screen."""
    found, log = ages(folder, datetime.now(UTC)), received(folder)
    lines = [f"{name:6} {shown(age)}{_late(name, age)}" for name, age in found.items()]
    return [*lines, *([f"log: {log.trouble}"] if log and log.trouble else [])]


def _late(name: str, age: float | None) -> str:
    return "  LATE" if age is None or age > LATE_S[name] else ""


class BackupWatch:
    """The worker's look at the folder."""

    def __init__(self, database: Database, folder: BackupFolder) -> None:
        self._database, self._folder = database, folder

    async def look(self) -> None:
        """Gauges, and one `mark` row of each age: when it was. Raises DatabaseAway."""
        now = datetime.now(UTC)
        found = await asyncio.to_thread(ages, self._folder, now)
        for name, age in found.items():
            metrics.BACKUP_AGE_S.labels(name).set(float("inf") if age is None else age)
        async with self._database.transaction() as tx:
            for name, age in found.items():
                value = 0.0 if age is None else now.timestamp() - age
                row = insert(mark).values(name=PREFIX + name, value=value)
                await tx.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))


def register(worker: Worker, app: App) -> None:
    """The worker's look every minute, where backups are set up."""
    if app.settings.backup_dir is not None:
        watch = BackupWatch(app.database, BackupFolder(app.settings.backup_dir.absolute()))
        worker.every(60, "backup.look", watch.look)
