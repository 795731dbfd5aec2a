"""PostgreSQL's own programs, of the version of the server: found, and run against it by the role of backups.

Looked for in the wheel, on PATH and where Debian and Red Hat put them. The password goes by the environment, never on
a command line, where every user of the machine could read it.
"""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from callcenter.backup.errors import BackupFailed
from callcenter.stack import paths
from callcenter.stack.errors import PartMissing

SLOT = "callcenter_backup"
"""The replication slot, and the name to write into synchronous_standby_names."""


@dataclass(frozen=True, slots=True)
class Server:
    """The live server, as libpq wants it. database_url: of a role with REPLICATION."""

    env: Mapping[str, str]

    @classmethod
    def at(cls, database_url: str) -> "Server":
        """From `postgresql://role:password@host:port/db?host=/socket/folder`."""
        parts = urlsplit(database_url)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        found = {
            "PGHOST": asked.get("host") or parts.hostname,
            "PGPORT": asked.get("port") or (str(parts.port) if parts.port else None),
            "PGUSER": unquote(parts.username or ""),
            "PGPASSWORD": unquote(parts.password or ""),
            "PGSSLMODE": asked.get("sslmode"),
            "PGSSLROOTCERT": asked.get("sslrootcert"),
        }
        named = {name: value for name, value in found.items() if value}
        return cls({**named, "PGAPPNAME": SLOT, "PGCONNECT_TIMEOUT": "5"})

    @property
    def whole_env(self) -> dict[str, str]:
        """What a program is started with; English messages, so that they can be understood here."""
        return {**os.environ, **self.env, "LC_ALL": "C"}

    def told(self, command: str) -> list[str]:
        """The answer to one command of the replication protocol, its fields. Blocking. Raises BackupFailed."""
        argv = [str(psql()), "-XAtq", "-v", "VERBOSITY=verbose", "-d", "replication=true", "-c", command]
        done = subprocess.run(argv, env=self.whole_env, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise BackupFailed(f"PostgreSQL refuses `{command}`: {done.stderr.strip()[-500:]}")
        return done.stdout.strip().split("|")

    def system(self) -> str:
        """The cluster's identifier: another cluster has another."""
        return self.told("IDENTIFY_SYSTEM")[0]

    def binaries(self) -> Path:
        """The folder of the programs of this server's version."""
        return binaries_of(self.major())

    def major(self) -> int:
        """Its version: 18."""
        return int(self.told("SHOW server_version_num")[0]) // 10_000

    def segment_bytes(self) -> int:
        """How long a segment of its log is; 16 MiB unless the cluster was made otherwise."""
        number, unit = re.fullmatch(r"(\d+)(MB|GB)", self.told("SHOW wal_segment_size")[0]).groups()  # type: ignore[union-attr]
        return int(number) << (20 if unit == "MB" else 30)

    def keep_slot(self) -> bool:
        """Make the slot unless it is there: from now on the server keeps its log until it was received. True: new."""
        try:
            self.told(f"CREATE_REPLICATION_SLOT {SLOT} PHYSICAL RESERVE_WAL")
        except BackupFailed as error:
            if "42710" in str(error):
                return False
            raise
        return True

    def drop_slot(self) -> None:
        """The server keeps its log for nobody any more; a slot that is not there is fine."""
        try:
            self.told(f"DROP_REPLICATION_SLOT {SLOT}")
        except BackupFailed as error:
            if "42704" not in str(error):
                raise


def psql() -> Path:
    """Any psql: it speaks with servers of every version."""
    for folder in _folders():
        if (folder / "psql").is_file():
            return folder / "psql"
    raise PartMissing("psql is not installed; install PostgreSQL's client programs")


def binaries_of(major: int) -> Path:
    """The folder with postgres, pg_basebackup, pg_receivewal, pg_verifybackup of this version. Raises PartMissing."""
    for folder in _folders():
        if (folder / "postgres").is_file() and _major(folder / "postgres") == major:
            return folder
    raise PartMissing(
        f"the programs of PostgreSQL {major} (postgres, pg_basebackup, pg_verifybackup) are not on PATH; install "
        f"postgresql-{major}"
    )


def _folders() -> list[Path]:
    found: list[Path] = []
    with contextlib.suppress(PartMissing):
        found.append(paths.postgres_bin())
    if config := shutil.which("postgres"):
        found.append(Path(config).resolve().parent)
    found += [Path(one) for one in os.environ.get("PATH", os.defpath).split(os.pathsep) if one]
    return [*found, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *Path("/usr").glob("pgsql-*/bin")]


def _major(program: Path) -> int | None:
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"\) (\d+)", done.stdout)
    return int(found[1]) if found else None
