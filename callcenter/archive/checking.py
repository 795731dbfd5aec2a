"""Whether a package is what it says it is: offline, from the file alone. Blocking.

Four proofs, each standing on the one before: the bag is whole and signed (`bags`), the chain of events is unbroken and
as long as the archive says, every recording and attachment is the sealed file its paper describes, and a week's numbers
have no gap.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from callcenter.archive import bags, tars
from callcenter.archive.bags import BagWrong
from callcenter.archive.tars import PackageUnsafe
from callcenter.attachments import cabinet
from recordings.custody.custody import SUFFIX
from recordings.custody.sealed import LONGEST_HEADER, NotSealed, read_header
from ticketing.store import NO_HASH
from ticketing.store import sha256 as chained

TICKET_FORMAT, WEEK_FORMAT = "callcenter-ticket-package/1", "callcenter-week-index/1"
MOST_JSON_BYTES = 64 * 1024 * 1024
WEEK = re.compile(r"[0-9]{4}-W[0-9]{2}")


_Model = TypeVar("_Model", bound=BaseModel)


class PackageWrong(Exception):
    """The package does not verify; nothing is imported from it."""


class _Read(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class TicketPaper(_Read):
    """`data/archive.json` as far as it is relied on. attachments: None in packages made before they had any."""

    format: str
    ticket_id: str = Field(pattern=r"^[0-9]{14}$")
    round: int = Field(ge=1, le=10_000)
    number: str | None
    week: str = Field(pattern=rf"^{WEEK.pattern}$")
    archived_at: str
    manifest: dict[str, Any]
    sha256: str
    events: int = Field(ge=1)
    last_hash: str
    secret: bool
    recordings: list[str]
    attachments: list[str] | None = None
    summary: dict[str, str | int | bool | None]


class Entry(_Read):
    """One package as a week's index lists it. seq: its place in the week's count, None where nothing is numbered.

    file: its name beside the index; None: not packed yet when the index was made, a supplement will name it.
    """

    seq: int | None
    number: str | None
    ticket: str
    round: int
    file: str | None
    sha256: str | None
    size_bytes: int | None


class Previous(_Read):
    """The index made before this one; a week whose index disappears is missed by the next."""

    name: str
    sha256: str


class WeekPaper(_Read):
    """`data/week.json`. part: 0, or the number of the supplement. last: the last number given out in the week."""

    format: str
    week: str = Field(pattern=rf"^{WEEK.pattern}$")
    part: int = Field(ge=0)
    last: int = Field(ge=0)
    previous: Previous | None
    packages: list[Entry]


@dataclass(frozen=True, slots=True)
class Verified:
    """A package that holds. key: fingerprint of the one that signed it. files: how many it has."""

    paper: TicketPaper | WeekPaper
    key: str
    info: Mapping[str, str]
    files: int

    @property
    def name(self) -> str:
        """Of its file, without `.tar`."""
        paper = self.paper
        if isinstance(paper, TicketPaper):
            return f"{paper.ticket_id}-r{paper.round}"
        return week_name(paper.week, paper.part)


def week_name(week: str, part: int) -> str:
    """`week-2026-W24`, and `week-2026-W24-s1` for its first supplement."""
    return f"week-{week}" + (f"-s{part}" if part else "")


@dataclass(frozen=True, slots=True)
class _Bag:
    """An unpacked bag while it is checked."""

    folder: Path

    def read(self, name: str) -> bytes:
        path = self.folder / bags.DATA / name
        if not path.is_file() or path.stat().st_size > MOST_JSON_BYTES:
            raise PackageWrong(f"data/{name} is missing or too large to be read")
        return path.read_bytes()

    def parsed(self, name: str, model: type[_Model]) -> _Model:
        try:
            return model.model_validate_json(self.read(name))
        except ValidationError as error:
            raise PackageWrong(f"data/{name}: {str(error).splitlines()[1]}") from None


def verify(path: Path, *, trusted: Sequence[bytes] = (), limits: tars.Limits = tars.USUAL) -> Verified:
    """A package, as a tar or as the unpacked folder. trusted: public keys (PEM), one of which must have signed it.

    Raises PackageUnsafe, BagWrong, PackageWrong.
    """
    if path.is_dir() and not path.is_symlink():
        tars.in_bag(path, limits)
        return verify_folder(path, trusted=trusted)
    with TemporaryDirectory(prefix="callcenter-archive-") as scratch:
        folder = tars.unpack(path, Path(scratch), limits)
        return verify_folder(folder, trusted=trusted)


def verify_folder(folder: Path, *, trusted: Sequence[bytes] = ()) -> Verified:
    """The same for a folder of plain files. Raises BagWrong, PackageWrong."""
    info = bags.check_bag(folder)
    key = bags.fingerprint((folder / bags.PUBLIC_KEY).read_bytes())
    if trusted and key not in {bags.fingerprint(one) for one in trusted}:
        raise PackageWrong(f"signed by key {key[:16]}, which is not the key it was compared with")
    bag = _Bag(folder)
    paper = _ticket(bag) if (folder / bags.DATA / "archive.json").is_file() else _week(bag)
    verified = Verified(paper, key, info, len(bags.payload_names(folder)))
    if folder.name != verified.name or info.get("External-Identifier", "").split(" ")[0] != _identifier(verified):
        raise PackageWrong(
            f"it calls itself {folder.name} and {info.get('External-Identifier')}; it is {verified.name}"
        )
    return verified


def _identifier(verified: Verified) -> str:
    return verified.paper.ticket_id if isinstance(verified.paper, TicketPaper) else verified.name


# ---- a ticket ----------------------------------------------------------------------------------------------------


def _ticket(bag: _Bag) -> TicketPaper:
    paper = bag.parsed("archive.json", TicketPaper)
    if paper.format != TICKET_FORMAT:
        raise PackageWrong(f"format {paper.format} is not known here")
    if chained(paper.manifest) != paper.sha256 or paper.manifest.get("ticket") != paper.ticket_id:
        raise PackageWrong("the list of parts made at archiving is not what its checksum says")
    if (paper.manifest.get("number"), paper.manifest.get("round")) != (paper.number, paper.round):
        raise PackageWrong("number or round differ from the list of parts made at archiving")
    _chain_holds(bag, paper)
    _sealed_hold(bag, "recordings", SUFFIX, paper.recordings)
    _sealed_hold(bag, "attachments", cabinet.SUFFIX, paper.attachments or [])
    if paper.attachments is not None:
        _no_attachment_lacks(bag, paper.attachments)
    return paper


def _chain_holds(bag: _Bag, paper: TicketPaper) -> None:
    # Not splitlines(): a text may hold a line separator of Unicode.
    lines = bag.read("events.jsonl").split(b"\n")[:-1]
    before = NO_HASH
    for seq, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            named, own = entry.pop("prev_hash"), entry.pop("hash")
            hashed = chained([before, entry])
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            raise PackageWrong(f"event {seq} cannot be read") from None
        if (entry.get("seq"), entry.get("ticket_id"), named) != (seq, paper.ticket_id, before):
            raise PackageWrong(f"event {seq} does not follow the one before it")
        if hashed != own:
            raise PackageWrong(f"event {seq} is not what its hash says")
        before = own
    if (len(lines), before) != (paper.events, paper.last_hash):
        raise PackageWrong(f"the chain has {len(lines)} events and does not end where the archive says")


def _sealed_hold(bag: _Bag, kind: str, suffix: str, listed: Sequence[str]) -> None:
    folder = bag.folder / bags.DATA / kind
    there = {path.stem for path in folder.glob(f"*{suffix}")}
    if there != set(listed):
        raise PackageWrong(f"the {kind} are not those the archive lists")
    for name in sorted(there):
        _sealed_holds(bag, kind, folder / f"{name}{suffix}")


def _sealed_holds(bag: _Bag, kind: str, path: Path) -> None:
    told, one = bag.parsed(f"{kind}/{path.stem}.json", _SealedPaper).object, f"{kind.removesuffix('s')} {path.stem}"
    with path.open("rb") as file:
        beginning = file.read(LONGEST_HEADER)
    try:
        name = str(read_header(beginning).name)
    except NotSealed as error:
        raise PackageWrong(f"{one}: {error}") from None
    if not path.stem == name == told.name:
        raise PackageWrong(f"{one} is the sealed file of another one, {name}")
    if (path.stat().st_size, bags.sha256_of(path)) != (told.sealed_bytes, told.sealed_sha256):
        raise PackageWrong(f"{one} is not the file that was stored")


def _no_attachment_lacks(bag: _Bag, listed: Sequence[str]) -> None:
    """Every row of a file that was not taken back has its bytes here."""
    rows = _ROWS.validate_json(bag.read(ROWS)) if (bag.folder / bags.DATA / ROWS).is_file() else []
    known = {bag.parsed(f"attachments/{name}.json", _AttachmentPaper).object.sha256 for name in listed}
    for row in rows:
        if row.removed_at is None and row.sha256 not in known:
            raise PackageWrong(f"attachment {row.id} is listed and not there")


class _ObjectPaper(_Read):
    name: str
    sealed_bytes: int
    sealed_sha256: str
    key_id: str
    wrapped_key: str


class _SealedPaper(_Read):
    object: _ObjectPaper


class _Given(_Read):
    id: int
    name: str


class _AttachmentObject(_ObjectPaper):
    sha256: str


class _AttachmentPaper(_Read):
    files: list[_Given] = Field(min_length=1)
    object: _AttachmentObject


class _Row(_Read):
    id: int
    sha256: str
    removed_at: str | None


ROWS = "records/attachment.json"
_ROWS = TypeAdapter(list[_Row])


def recording_paper(raw: bytes) -> _ObjectPaper:
    """What `data/recordings/<uuid>.json` says about the sealed file. Raises PackageWrong."""
    try:
        return _SealedPaper.model_validate_json(raw).object
    except ValidationError:
        raise PackageWrong("the recording's paper cannot be read") from None


def attachment_paper(raw: bytes) -> _AttachmentPaper:
    """What `data/attachments/<uuid>.json` says: the sealed file, and as what it was given. Raises PackageWrong."""
    try:
        return _AttachmentPaper.model_validate_json(raw)
    except ValidationError:
        raise PackageWrong("the attachment's paper cannot be read") from None


# ---- a week ------------------------------------------------------------------------------------------------------


def _week(bag: _Bag) -> WeekPaper:
    paper = bag.parsed("week.json", WeekPaper)
    if paper.format != WEEK_FORMAT:
        raise PackageWrong(f"format {paper.format} is not known here")
    files = [one.file for one in paper.packages if one.file]
    if len(set(files)) != len(files) or not all(tars.SAFE_NAME.fullmatch(one) and "/" not in one for one in files):
        raise PackageWrong("the index lists a file twice, or one with a name no package has")
    if paper.part == 0:
        missing = gaps([one.seq for one in paper.packages if one.seq is not None], paper.last)
        if missing:
            raise PackageWrong(missing)
    return paper


def gaps(seqs: Sequence[int], last: int) -> str:
    """What is wrong with a week's numbers, which must be 1 to `last`, each once; `` when nothing is."""
    lost = sorted(set(range(1, last + 1)) - set(seqs))
    twice = sorted({one for one in seqs if seqs.count(one) > 1}) if len(set(seqs)) != len(seqs) else []
    foreign = sorted(set(seqs) - set(range(1, last + 1)))
    told = [("missing", lost), ("given twice", twice), ("beyond the last", foreign)]
    return "; ".join(f"numbers {what}: {', '.join(map(str, some[:20]))}" for what, some in told if some)


def beside(index: WeekPaper, folder: Path, tell: Callable[[str], None]) -> None:
    """Compare a week's index with the files in `folder`; each finding is told as one sentence."""
    for one in index.packages:
        if one.file is None:
            continue
        path = folder / one.file
        if path.is_symlink() or not path.is_file():
            tell(f"{index.week}: {one.file} ({one.number or 'no number'}) is listed and not there")
        elif bags.sha256_of(path) != one.sha256:
            tell(f"{index.week}: {one.file} is not the file that was listed")


__all__ = ["BagWrong", "PackageUnsafe", "PackageWrong", "TicketPaper", "Verified", "WeekPaper", "verify"]
