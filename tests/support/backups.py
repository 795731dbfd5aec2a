"""A hotline with a PostgreSQL of its own that may be killed, recordings in a store, and a folder of backups."""

import asyncio
import hashlib
import io
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import uuid4

from sqlalchemy import insert, text

from callcenter import audit
from callcenter.audit_chain import Algorithm
from callcenter.backup import drill, keeping
from callcenter.backup.base import Sealing, take
from callcenter.backup.folder import BackupFolder, Base
from callcenter.backup.programs import SLOT, Server
from callcenter.backup.receiver import Receiver
from callcenter.custody.chain_work import ChainWork
from callcenter.custody.guarding import places_of
from callcenter.custody.opening import ground_of, keys_of
from callcenter.db import Database
from callcenter.settings import Settings
from callcenter.stack import postgres
from callcenter.stack.stack import Stack
from callcenter.types import Actor, IdentityId, RecordingId, TicketId
from recordings.custody import codec, rows
from recordings.custody.custody import SealedObject, object_path
from recordings.custody.ground import Ground
from recordings.custody.sealed import seal
from recordings.tables import recording
from tests.support import spoken
from tests.support.kept_rows import AT
from tests.support.stack import new_folder
from tests.support.tickets import AGENT, MONDAY, rules
from ticketing import commands, service
from ticketing.commands import Changes

PLANTED = ("13987654321", "欧阳震华", "桂龙路987号")
"""A telephone number, a name and an address in a ticket's text: nobody may read them in a backup."""


@dataclass
class Hotline:
    """What a test of backups works on. All but the server goes on when the server was killed."""

    stack: Stack
    settings: Settings
    db: Database
    custody: Ground
    folder: BackupFolder
    sealing: Sealing

    @property
    def server(self) -> Server:
        assert self.settings.backup_database_url is not None
        return Server.at(self.settings.backup_database_url.get_secret_value())

    async def as_owner(self, *statements: str) -> None:
        """Each by itself, outside a transaction."""
        owner = Database(self.stack.postgres.url(role=postgres.OWNER), pool_size=1)
        async with owner.engine.connect() as connection:
            plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
            for one in statements:
                await plain.execute(text(one))
        await owner.close()

    async def note(self, subject: str) -> None:
        """A row of the audit, in its chain and anchored."""
        async with self.db.transaction() as tx:
            await audit.note(tx, audit.Audited(Actor("user", "wang"), "recording.play", subject))
        places = places_of(self.settings, self.custody)
        await ChainWork(self.db, Algorithm(self.settings.digest), places).seal()

    async def ticket(self) -> TicketId:
        """One that says what was PLANTED."""
        number, name, place = PLANTED
        said = Changes(request_type="求助", source="电话", content=f"{name}反映停水，电话{number}。", place=place)
        async with self.db.transaction() as tx:
            opened = await service.open_draft(tx, actor=AGENT, now=MONDAY, rules=rules(), requester=IdentityId(7))
            id_ = opened.ticket.id
            detail = commands.Register(said, "来电人直接拨打")
            await service.carry_out(tx, id_, detail, actor=AGENT, now=MONDAY, rules=rules())
            return id_

    async def recordings(self, count: int, seconds: float = 2.0) -> None:
        """Tones, kept in the store and its copy, gone from the spool."""
        source = spoken.write_sln(self.settings.spool_dir / "tone.sln", spoken.tone(seconds))
        packed = codec.pack(source, self.custody.codec)
        source.unlink()
        for number in range(count):
            name = uuid4()
            values = {
                "call_id": f"a-1795000000.{number}",
                "channel_id": f"a-1795000000.{number}",
                "kind": "leg",
                "party": "citizen",
                "path": f"{number}.sln",
                "state": "verified",
                "delete_not_before": date(2029, 11, 23),
            }
            async with self.db.transaction() as tx:
                made = await tx.execute(insert(recording).values(values).returning(recording.c.id))
                id_ = RecordingId(made.scalar_one())
                one = await rows.prepare(tx, id_, name, object_path(name, AT), AT)
                data, key = seal(
                    io.BytesIO(packed.data), name, packed.contents.codec, self.custody.cipher, self.custody.keys
                )
                for place in (self.custody.store, self.custody.copy):
                    assert place is not None
                    await place.put_new(one.path, data)
                sealed = SealedObject(self.custody.cipher, key, len(data), hashlib.sha256(data).hexdigest())
                await rows.stored(tx, id_, packed.contents, sealed, AT)
                await rows.copied(tx, id_, AT)
                await rows.spool_removed(tx, id_, AT)

    async def base(self) -> Base:
        lines = await keeping.inventory_of(self.settings.database_url)
        beside = keeping.needed_beside(self.settings)
        return await asyncio.to_thread(take, self.folder, self.server, self.sealing, inventory=lines, other_keys=beside)

    @asynccontextmanager
    async def receiving(self, tick_s: float = 0.1) -> AsyncIterator[Receiver]:
        """The log is received until the block ends."""
        receiver = Receiver(
            self.server, self.folder, self.settings.incoming_folder, self.sealing, tick_s, threading.Event()
        )
        task = asyncio.create_task(asyncio.to_thread(receiver.run))
        try:
            yield receiver
        finally:
            receiver.stop.set()
            await task

    async def is_received(self, *, synchronous: bool = False) -> bool:
        """Whether PostgreSQL sends its log to the receiver, and waits for it where it must."""
        wanted = "sync" if synchronous else "async"
        owner = Database(self.stack.postgres.url(role=postgres.OWNER), pool_size=1)
        query = text("SELECT count(*) FROM pg_stat_replication WHERE application_name = :name AND sync_state = :state")
        async with owner.transaction() as tx:
            found = (await tx.execute(query, {"name": SLOT, "state": wanted})).scalar_one()
        await owner.close()
        return bool(found)

    async def drill(self, sample: int = 100, *, flush: bool = False) -> drill.Report:
        return await keeping.drilled(
            self.settings, self.folder, self.sealing, None, sample, lambda _: None, flush=flush
        )

    async def destroy(self) -> None:
        """The server is killed and its disk is gone."""
        await self.stack.postgres.kill9()
        shutil.rmtree(self.stack.postgres.data)


@asynccontextmanager
async def hotline_with_backups(name: str = "backup", *, flush: bool = False) -> AsyncIterator[Hotline]:
    """PostgreSQL alone of a private stack, migrated; stopped and removed at the end.

    flush False: a killed process loses nothing that the kernel has; flushing is for power cuts, and disks are busy.
    """
    stack = Stack(new_folder(name))
    stack.open()
    if not flush:
        stack.postgres.settings["fsync"] = "off"
    try:
        await stack.boot_database()
        stack.write_settings()
        settings = stack.settings()
        settings.spool_dir.mkdir(parents=True, exist_ok=True)
        assert settings.backup_dir is not None
        db = Database(settings.database_url)
        yield Hotline(
            stack,
            settings,
            db,
            ground_of(settings),
            BackupFolder(settings.backup_dir),
            Sealing(keys_of(settings.backup_keys)),
        )
        await db.close()
    finally:
        await stack.remove()


def files_under(folder: Path) -> list[Path]:
    """Every file."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
