"""Archived tickets with recordings that were really sealed and stored, and who makes packages of them."""

import hashlib
import io
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from callcenter import tables as hub
from callcenter.archive import bags, tars
from callcenter.archive.press import Press
from callcenter.archive.work import ArchiveWork
from callcenter.signing import Signer
from callcenter.types import RecordingId, TicketId
from recordings.custody import rows
from recordings.custody.codec import pack
from recordings.custody.custody import SealedObject, object_path
from recordings.custody.keys import FileKeys, MasterKey, write_key_file
from recordings.custody.sealed import seal
from recordings.tables import recording, recording_gap, transcript, transcript_line
from tests.support.attached import PDF, given
from tests.support.clerks import LAMP, Office
from tests.support.spoken import tone, write_sln
from tests.support.web import CALL_ID, PHONE
from ticketing.aftercare.archive_numbers import Week, week_of

SECONDS = 2
CHANNEL = "a-1.1"
FILE = "停电通知.pdf"
SPOKEN = f"我的电话是{PHONE}"


@dataclass
class Archive:
    """The archive of one office."""

    office: Office
    folder: Path
    signer: Signer

    @property
    def work(self) -> ArchiveWork:
        web = self.office.web
        press = Press(self.folder, self.signer, "测试热线")
        return ArchiveWork(web.db, web.ground.rules, web.custody, press)

    @property
    def ticket(self) -> TicketId:
        return TicketId(self.office.ticket)

    @property
    def week(self) -> Week:
        return week_of(self.office.clock.at)

    async def package(self, ticket: str = "", round_: int = 1) -> Path:
        """The package of a ticket's round, made by the worker's own code."""
        made = await self.work.make(TicketId(ticket or self.ticket), round_, self.office.clock.at)
        assert made is not None
        return self.folder / made.path


def archive_of(office: Office, folder: Path) -> Archive:
    """In the folder the API looks into, signed by a key of its own in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "signing.pem"
    return Archive(office, office.web.spool / "archive", Signer.load(key) if key.exists() else Signer.make(key))


async def put_away(office: Office, **fields: Any) -> None:
    """The ticket is registered, given a file, withdrawn and archived."""
    await office.do("agent", "register", fields={**LAMP, "request_type": "咨询", **fields})
    await given(office.web, "agent", office.ticket, PDF, FILE, purpose="citizen")
    await office.do("agent", "withdraw", reason="诉求人要求撤回")
    assert "ticket.archive" in await office.run_jobs()


async def recorded(office: Office) -> UUID:
    """The call has a leg, a talk, a gap, a transcript and one recording, compressed, not sealed yet."""
    now = office.clock.at.astimezone(UTC)
    name = uuid4()
    async with office.web.db.transaction() as tx:
        await tx.execute(insert(hub.leg).values(_leg(now)))
        talked = {"bridge_id": "b1", "kind": "bridge", "channel_id": CHANNEL, "party": "citizen"}
        await tx.execute(insert(hub.talk).values(call_id=CALL_ID, **talked, from_at=now, until_at=now))
        gap = {"from_at": now, "until_at": now + timedelta(seconds=1), "cause": "cut_short"}
        await tx.execute(insert(recording_gap).values(call_id=CALL_ID, channel_id=CHANNEL, party="citizen", **gap))
        made = insert(recording).values(_recording(now)).returning(recording.c.id)
        id_ = RecordingId((await tx.execute(made)).scalar_one())
        await rows.prepare(tx, id_, name, object_path(name, now), now)
        heard = {"call_id": CALL_ID, "model": "test", "state": "complete", "unread": []}
        text_ = (await tx.execute(insert(transcript).values(**heard).returning(transcript.c.id))).scalar_one()
        await tx.execute(insert(transcript_line).values(_line(text_)))
    return name


async def stored(office: Office, name: UUID, folder: Path) -> None:
    """Its audio is sealed and in the store."""
    custody, now = office.web.custody, office.clock.at
    packed = pack(_spoken(folder), custody.codec)
    sealed, key = seal(io.BytesIO(packed.data), name, packed.contents.codec, custody.cipher, custody.keys)
    kept = SealedObject(custody.cipher, key, len(sealed), hashlib.sha256(sealed).hexdigest())
    async with office.web.db.transaction() as tx:
        row = await rows.named(tx, name)
        assert row is not None
        await custody.store.put_new(row.path, sealed)
        assert await rows.stored(tx, row.recording_id, packed.contents, kept, now)


def key_file(office: Office, path: Path) -> Path:
    """The master keys of the office's custody, as an operator has them."""
    keys = office.web.custody.keys
    assert isinstance(keys, FileKeys)
    write_key_file(path, master_keys(keys))
    return path


def master_keys(keys: FileKeys) -> tuple[MasterKey, ...]:
    """What only the provider knows; a test plays the operator who has the file."""
    return tuple(keys._held.values())


def unpacked(package: Path, into: Path) -> Path:
    """The bag as a folder."""
    into.mkdir(parents=True)
    return tars.unpack(package, into)


def signed_again(bag: Path, signer: Signer) -> None:
    """Someone with another key makes the manifests fit what they changed, and signs."""
    lines = (bag / "bag-info.txt").read_text(encoding="utf-8").splitlines()
    info = dict(line.split(": ", 1) for line in lines if not line.startswith("Payload-Oxum"))
    for name in (*bags.TAGS, bags.TAG_MANIFEST, bags.SIGNATURE):
        (bag / name).unlink()
    bags.close_bag(bag, info, signer)


def _spoken(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return write_sln(folder / f"{CALL_ID}_citizen_{CHANNEL}.sln", tone(SECONDS))


def seconds_of(path: Path) -> float:
    """How long a recording plays, by a player that is not ours."""
    asked = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)]
    return float(subprocess.run(asked, capture_output=True, check=True).stdout)


def bagit_says(bag: Path) -> int:
    """The exit status of the public tool."""
    asked = [sys.executable, "-m", "bagit", "--validate", str(bag)]
    return subprocess.run(asked, capture_output=True, check=False).returncode


def archive_command(*words: str | Path) -> tuple[int, str]:
    """`callcenter archive ...` as a stranger runs it, without settings, elsewhere: exit status and what it said."""
    asked = [sys.executable, "-m", "callcenter", "archive", *map(str, words)]
    bare = {"PATH": "/usr/bin", "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    ran = subprocess.run(asked, capture_output=True, check=False, cwd="/", env=bare)
    return ran.returncode, (ran.stdout + ran.stderr).decode()


def _leg(now: datetime) -> dict[str, Any]:
    times = {"created_at": now, "answered_at": now, "ended_at": now + timedelta(seconds=SECONDS)}
    return {"channel_id": CHANNEL, "call_id": CALL_ID, "party": "citizen", "name": f"PJSIP/{PHONE}-1", **times}


def _recording(now: datetime) -> dict[str, Any]:
    return {
        "call_id": CALL_ID,
        "channel_id": CHANNEL,
        "kind": "leg",
        "party": "citizen",
        "path": f"{CALL_ID}_citizen_{CHANNEL}.sln",
        "state": "verified",
        "started_at": now,
        "ended_at": now + timedelta(seconds=SECONDS),
        "duration_s": float(SECONDS),
        "delete_not_before": now.date() + timedelta(days=1097),
    }


def _line(transcript_id: int) -> dict[str, Any]:
    words = [{"word": "我的电话是", "start_s": 0.0, "end_s": 1.0, "conf": 0.9}]
    words += [{"word": PHONE, "start_s": 1.0, "end_s": 2.0, "conf": 0.9}]
    said = {"text": SPOKEN, "words": words, "confidence": 0.9, "start_s": 0.0, "end_s": 2.0}
    return {"transcript_id": transcript_id, "seq": 0, "party": "citizen", "channel_id": CHANNEL, **said}
