"""Anchors: how long the audit's chain was and which hash it ended with, kept in a second place and signed.

A line of JSON each, in `anchors-YYYY-MM.jsonl` of the anchor folder: appended, flushed to the disk, each naming the
hash of the line before, so that a line taken out is noticed and one signature (the last) speaks for all before it.
Every hour one more lies in the object store, written once. Who can change the database cannot change these as well.
"""

import base64
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from callcenter.audit_chain import Algorithm, Anchor
from callcenter.signing import Signer, is_signed
from recordings.custody.objects import AlreadyThere, NotThere, ObjectStore, StoreAway

OBJECTS = "anchors"
OBJECTS_READ = 48
"""An anchor speaks for everything before it: the newest say whether history was rewritten, older ones add nothing."""
LONGEST_LINE = 2048


class AnchorsAway(Exception):
    """The anchor folder cannot be written. The audit goes on without its second place; see to the disk."""

    retryable = True


class AnchorLine(BaseModel):
    """One anchor as it is written. count: links since the anchor before. key: SHA-256 of the public key."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    seq: int = Field(gt=0)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    digest: Algorithm
    at: AwareDatetime
    count: int
    previous: str = Field(pattern=r"^([0-9a-f]{64})?$")
    key: str
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """What is signed: the line without its signature, keys sorted, no spaces."""
        return _spelled(self.model_dump(mode="json", exclude={"signature"}))

    def line(self) -> bytes:
        """As it stands in the file, without the line's end."""
        return _spelled(self.model_dump(mode="json"))


def _spelled(values: dict[str, object]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest link. linked_at: aware UTC, by the database's clock."""

    seq: int
    hash: bytes
    digest: Algorithm
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Places:
    """Where anchors go and who signs them. Neither place: a cut tail and a rewritten history cannot be seen."""

    folder: Path | None = None
    store: ObjectStore | None = None
    signer: Signer | None = None
    trusted: tuple[bytes, ...] = ()
    """Public keys (PEM) whose signatures count; those of retired signing keys too."""

    def sign(self, tip: Tip, count: int, previous: str) -> AnchorLine:
        """The anchor of this tip."""
        key = fingerprint(self.signer.public_pem) if self.signer else ""
        said = AnchorLine(
            seq=tip.seq,
            hash=tip.hash.hex(),
            digest=tip.digest,
            at=tip.linked_at.astimezone(UTC),
            count=count,
            previous=previous,
            key=key,
        )
        if self.signer is None:
            return said
        return said.model_copy(update={"signature": base64.b64encode(self.signer.sign(said.signed_bytes())).decode()})

    def is_genuine(self, said: AnchorLine) -> bool:
        """Whether one of the trusted keys signed it."""
        signature = base64.b64decode(said.signature)
        known = [pem for pem in self.trusted if fingerprint(pem) == said.key]
        return any(is_signed(pem, said.signed_bytes(), signature) for pem in known)


NO_PLACES = Places()


def fingerprint(public_pem: bytes) -> str:
    """SHA-256 of a public key's PEM, hex."""
    return hashlib.sha256(public_pem).hexdigest()


def places(folder: Path | None, store: ObjectStore | None, signing_key: Path | None) -> Places:
    """Trusted are the signing key's public half and every `*.pub` beside it. Raises SigningKeyWrong. Blocking."""
    if signing_key is None:
        return Places(folder, store)
    signer = Signer.load(signing_key)
    others = tuple(path.read_bytes() for path in sorted(signing_key.parent.glob("*.pub")))
    return Places(folder, store, signer, tuple(dict.fromkeys((signer.public_pem, *others))))


def append(places: Places, tip: Tip) -> int:
    """Write the anchor of `tip`, on the disk when this returns; what is anchored already is left out.

    Returns the seq of the line that was the newest before; 0: none. One writer at a time, whichever the process.
    Blocking. Raises AnchorsAway.
    """
    if places.folder is None:
        raise AnchorsAway("no anchor folder")
    try:
        with _locked(places.folder):
            seq, previous = _newest(places.folder)
            if tip.seq > seq:
                line = places.sign(tip, tip.seq - seq, previous).line()
                path = places.folder / f"anchors-{tip.linked_at.astimezone(UTC):%Y-%m}.jsonl"
                _write(path, line + b"\n")
            return seq
    except OSError as error:
        raise AnchorsAway(f"{places.folder}: {error.strerror}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder is ours; its new entries are on the disk afterwards."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        if os.write(file, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)
    finally:
        os.close(file)


def _newest(folder: Path) -> tuple[int, str]:
    """Seq and hash of the newest whole line. A line the power cut short never counted: it is taken away."""
    for path in reversed(files_of(folder)):
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 2 * LONGEST_LINE))
            end = file.read()
            whole = end[: end.rfind(b"\n") + 1]
            if len(whole) < len(end):
                file.truncate(size - len(end) + len(whole))
                os.fsync(file.fileno())
        if whole:
            line = whole[:-1].rsplit(b"\n", 1)[-1]
            try:
                return AnchorLine.model_validate_json(line).seq, hashlib.sha256(line).hexdigest()
            except ValidationError:
                # Not ours to mend: `verify` names it, and the next line begins anew.
                return 0, ""
    return 0, ""


def files_of(folder: Path) -> list[Path]:
    """The files of anchors, oldest first."""
    return sorted(folder.glob("anchors-[0-9][0-9][0-9][0-9]-[0-9][0-9].jsonl"))


class FileReader:
    """The reading end: every anchor of the folder in order, and what is wrong with the files. Blocking."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.wrong: list[str] = []
        self.seq = 0
        """Of the newest line."""
        self._previous = ""

    def anchors(self) -> Iterator[Anchor]:
        """By seq; complete `wrong` when exhausted. Memory does not grow with the files."""
        folder = self._places.folder
        last: tuple[AnchorLine, str] | None = None
        for path in files_of(folder) if folder else []:
            with path.open("rb") as file:
                for number, raw in enumerate(file, 1):
                    where = f"{path.name}, line {number}"
                    said = self._line(raw, where)
                    if said is None:
                        continue
                    last = (said, where)
                    yield Anchor(said.seq, bytes.fromhex(said.hash), said.at, where)
        if last is not None:
            self._check_signature(*last)

    def _line(self, raw: bytes, where: str) -> AnchorLine | None:
        line = raw.rstrip(b"\n")
        try:
            said = AnchorLine.model_validate_json(line)
        except ValidationError:
            self.wrong.append(f"{where}: not an anchor; the file was edited or cut")
            self._previous = ""
            return None
        ascends, previous = said.seq > self.seq, self._previous
        self._previous, self.seq = hashlib.sha256(line).hexdigest(), max(said.seq, self.seq)
        if said.previous != previous or not ascends:
            self.wrong.append(f"{where}: does not follow the line before; a line was edited, taken out or put in")
            # The lines before are no longer spoken for by the last signature.
            self._check_signature(said, where)
        return said if ascends else None

    def _check_signature(self, said: AnchorLine, where: str) -> None:
        if self._places.trusted and not self._places.is_genuine(said):
            self.wrong.append(f"{where}: the signature is not ours; the anchor is forged")


def object_path(said: AnchorLine) -> str:
    """`anchors/2026/11/22/17.json`."""
    return f"{OBJECTS}/{said.at:%Y/%m/%d}/{said.seq}.json"


async def put_object(places: Places, tip: Tip) -> bool:
    """One anchor into the object store; False when there is one of this link. Raises StoreAway."""
    if places.store is None:
        return False
    said = places.sign(tip, 0, "")
    try:
        await places.store.put_new(object_path(said), said.line())
    except AlreadyThere:
        return False
    return True


async def read_objects(places: Places) -> tuple[list[Anchor], list[str]]:
    """The newest anchors of the object store by seq, and what is wrong with them."""
    found: list[tuple[int, str]] = []
    anchors: list[Anchor] = []
    wrong: list[str] = []
    if places.store is None:
        return anchors, wrong
    try:
        async for name, _ in places.store.names(OBJECTS):
            number = name.rsplit("/", 1)[-1].removesuffix(".json")
            if number.isdigit():
                found.append((int(number), name))
            else:
                wrong.append(f"object {name}: not the name of an anchor")
        found.sort()
        for seq, name in found[-OBJECTS_READ:]:
            said = _said(await places.store.read(name))
            if said is None or said.seq != seq or (places.trusted and not places.is_genuine(said)):
                wrong.append(f"object {name}: not an anchor of ours; it was edited or forged")
                continue
            anchors.append(Anchor(said.seq, bytes.fromhex(said.hash), said.at, f"object {name}"))
    except (StoreAway, NotThere) as error:
        wrong.append(f"the anchors in the object store cannot be read: {error}")
    return anchors, wrong


def _said(data: bytes) -> AnchorLine | None:
    try:
        return AnchorLine.model_validate_json(data)
    except ValidationError:
        return None
