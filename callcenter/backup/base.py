"""A base backup: pg_basebackup's stream, packed and sealed as it comes; nothing readable touches the backup's disk.

It counts only once it was read back: opened with the key, every file compared with PostgreSQL's manifest, the manifest
with its own checksum. (The drill has pg_verifybackup say it again, on the files it restores.)
"""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from callcenter.backup.errors import BackupFailed, Tampered
from callcenter.backup.folder import BackupFolder, Base, new_stamp, write_whole
from callcenter.backup.programs import Server
from callcenter.backup.sealing import SUFFIX, SealedDraft, sync_folder, unseal
from recordings.custody.custody import Cipher
from recordings.custody.keys import KeyProvider

MANIFEST = "backup_manifest"
READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Sealing:
    """What backups are sealed with."""

    keys: KeyProvider
    cipher: Cipher = Cipher.AES_256_GCM


@dataclass(frozen=True, slots=True)
class Manifest:
    """What PostgreSQL says it copied."""

    system: str
    files: Mapping[str, tuple[int, str]]
    """Path -> bytes, SHA-256."""
    timeline: int
    start_lsn: str
    end_lsn: str


def take(
    folder: BackupFolder,
    server: Server,
    sealing: Sealing,
    *,
    inventory: Iterable[str] = (),
    other_keys: Mapping[str, tuple[str, ...]] | None = None,
) -> Base:
    """One verified base backup. inventory: lines about the store's objects. Blocking, as long as the copy takes.

    other_keys: names of the keys that are needed beside the backup's own. Raises BackupFailed.
    """
    taken_at = datetime.now(UTC)
    folder.belongs_to(server.system())
    # From here on the server keeps its log until the receiver has it: no hole after this base.
    server.keep_slot()
    stamp = new_stamp(taken_at)
    making = folder.base / f"{stamp}.making"
    making.mkdir(mode=0o700)
    try:
        base = _made(making, server, sealing, taken_at, inventory, other_keys or {})
        write_whole(making / "base.json", base.model_dump_json(indent=1) + "\n")
        making.rename(folder.base / stamp)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    sync_folder(folder.base)
    return base


def _made(
    making: Path,
    server: Server,
    sealing: Sealing,
    taken_at: datetime,
    inventory: Iterable[str],
    other_keys: Mapping[str, tuple[str, ...]],
) -> Base:
    began, stamp, binaries = time.monotonic(), making.stem, server.binaries()
    tar = making / f"base.tar{SUFFIX}"
    with SealedDraft(tar, f"base/{stamp}/base.tar", sealing.keys, sealing.cipher) as sealed:
        plain_bytes = _copy(binaries, server, stamp, sealed.write)
    objects = _keep_inventory(making / f"store{SUFFIX}", stamp, inventory, sealing)
    manifest = verified(tar, stamp, sealing.keys)
    return Base(
        stamp=stamp,
        system=server.system(),
        major=server.major(),
        segment_bytes=server.segment_bytes(),
        start_lsn=manifest.start_lsn,
        end_lsn=manifest.end_lsn,
        timeline=manifest.timeline,
        taken_at=taken_at,
        took_s=round(time.monotonic() - began, 2),
        verified_at=datetime.now(UTC),
        plain_bytes=plain_bytes,
        sealed_bytes=tar.stat().st_size,
        files=len(manifest.files),
        objects=objects,
        backup_key=sealing.keys.active,
        other_keys=other_keys,
    )


def _copy(binaries: Path, server: Server, stamp: str, write: Callable[[bytes], None]) -> int:
    """pg_basebackup's tar with its manifest and the log it needs; how many bytes. Raises BackupFailed."""
    argv = [
        str(binaries / "pg_basebackup"),
        "--pgdata=-",
        "--format=tar",
        # With its own log a base can be restored alone, to the moment it was taken.
        "--wal-method=fetch",
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        "--no-password",
        f"--label=callcenter {stamp}",
    ]
    copied = 0
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(argv, env=server.whole_env, stdout=subprocess.PIPE, stderr=said)  # noqa: S603
        try:
            assert child.stdout is not None
            while piece := child.stdout.read(READ_BYTES):
                write(piece)
                copied += len(piece)
        except BaseException:
            child.kill()
            raise
        finally:
            status = child.wait()
        if status:
            said.seek(0)
            raise BackupFailed(f"pg_basebackup: {said.read().decode('utf-8', 'replace').strip()[-1000:]}")
    return copied


def _keep_inventory(path: Path, stamp: str, lines: Iterable[str], sealing: Sealing) -> int:
    count = 0
    with SealedDraft(path, f"base/{stamp}/store", sealing.keys, sealing.cipher) as sealed:
        for line in lines:
            sealed.write(f"{line}\n".encode())
            count += 1
    return count


def inventory(folder: BackupFolder, stamp: str, keys: KeyProvider) -> Iterator[str]:
    """The lines that were kept with this base. Raises Tampered, KeyMissing."""
    rest = b""
    for piece in unseal(folder.store(stamp), f"base/{stamp}/store", keys):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in whole)


class Unsealed(io.RawIOBase):
    """What a sealed file holds, as a file to be read once."""

    def __init__(self, path: Path, name: str, keys: KeyProvider) -> None:
        self._pieces, self._held = unseal(path, name, keys), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what RawIOBase gives is writable
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._held = piece
        length = min(len(buffer), len(self._held))
        buffer[:length], self._held = self._held[:length], self._held[length:]
        return length


def opened(tar: Path, stamp: str, keys: KeyProvider) -> tarfile.TarFile:
    """The sealed tar of a base as a stream of members. Raises Tampered, KeyMissing."""
    plain = io.BufferedReader(Unsealed(tar, f"base/{stamp}/base.tar", keys), READ_BYTES)
    try:
        return tarfile.open(fileobj=plain, mode="r|")
    except tarfile.TarError as error:
        raise Tampered(f"{tar}: {error}") from None


def verified(tar: Path, stamp: str, keys: KeyProvider) -> Manifest:
    """Reads a sealed base to its end, compares every file with the manifest. Blocking. Raises Tampered, KeyMissing."""
    found: dict[str, tuple[int, str]] = {}
    told = b""
    with opened(tar, stamp, keys) as members:
        for member in members:
            content = members.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            if member.name == MANIFEST:
                told = content.read()
            else:
                found[member.name.removeprefix("./")] = (member.size, _sha256(content))
    manifest = read_manifest(told)
    wrong = sorted(path for path, said in manifest.files.items() if found.get(path) != said)
    if wrong:
        raise Tampered(f"{tar}: {', '.join(wrong[:5])} is not what PostgreSQL's manifest says ({len(wrong)} files)")
    return manifest


def _sha256(content: IO[bytes]) -> str:
    return hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]  # a tar's member reads like a file


def read_manifest(told: bytes) -> Manifest:
    """PostgreSQL's backup manifest (manual, 75). Raises Tampered when its own checksum is wrong."""
    body, _, last = told.rpartition(b'"Manifest-Checksum"')
    try:
        said: dict[str, Any] = json.loads(told)
        if hashlib.sha256(body).hexdigest() != said["Manifest-Checksum"] or not last:
            raise Tampered("the backup's manifest is not what PostgreSQL wrote")
        (span,) = said["WAL-Ranges"][-1:]
        return Manifest(
            str(said.get("System-Identifier", "")),
            {_path(one): (int(one["Size"]), str(one.get("Checksum", ""))) for one in said["Files"]},
            int(span["Timeline"]),
            str(span["Start-LSN"]),
            str(span["End-LSN"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Tampered(f"the backup's manifest cannot be read ({error})") from None


def _path(one: Mapping[str, Any]) -> str:
    return bytes.fromhex(one["Encoded-Path"]).decode("latin-1") if "Encoded-Path" in one else str(one["Path"])
