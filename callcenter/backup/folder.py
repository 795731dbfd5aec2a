"""The folder of backups: what lies where, and what may be removed.

`cluster` names the cluster it belongs to; `base/<UTC stamp>/` has `base.tar.ccb`, `store.ccb` (the store's inventory)
and `base.json`; `wal/<segment>.ccb` the log, `wal/<segment>.live.ccb` the segment that is being written. Everything
that is restored comes out of sealed files; what is plain only helps to list and to prune.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from callcenter.backup.errors import BackupFailed, Nothing, Tampered
from callcenter.backup.sealing import SUFFIX, sync_folder
from callcenter.backup.wal import Segment, position

STAMP = "%Y%m%dT%H%M%SZ"
LIVE = ".live" + SUFFIX


class Base(BaseModel):
    """`base.json`: one base backup. start_lsn, end_lsn: where its log begins and where it is consistent."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    stamp: str
    system: str
    major: int
    segment_bytes: int
    start_lsn: str
    end_lsn: str
    timeline: int
    taken_at: AwareDatetime
    took_s: float
    verified_at: AwareDatetime
    plain_bytes: int
    sealed_bytes: int
    files: int
    objects: int
    """Recordings in the store's inventory."""
    backup_key: str
    """The key that opens this backup."""
    other_keys: Mapping[str, tuple[str, ...]]
    """Keys that are needed beside it, by purpose: they are in no backup."""

    @property
    def first_segment(self) -> int:
        """Number of the segment its log begins in."""
        return position(self.start_lsn) // self.segment_bytes

    @property
    def last_segment(self) -> int:
        """Number of the segment in which it becomes consistent; up to here it brings its own log."""
        return (position(self.end_lsn) - 1) // self.segment_bytes


@dataclass(frozen=True, slots=True)
class BackupFolder:
    """`path`: CALLCENTER_BACKUP_DIR."""

    path: Path

    @property
    def base(self) -> Path:
        return self.path / "base"

    @property
    def wal(self) -> Path:
        return self.path / "wal"

    def make(self) -> None:
        """The folders (0700)."""
        for folder in (self.path, self.base, self.wal):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def belongs_to(self, system: str) -> None:
        """Raises BackupFailed when backups of another cluster are here; an empty folder becomes this cluster's."""
        self.make()
        file = self.path / "cluster"
        if not file.exists():
            write_whole(file, system + "\n")
        if (there := file.read_text(encoding="ascii").strip()) != system:
            raise BackupFailed(
                f"{self.path} holds backups of cluster {there}, this is cluster {system}; name an empty folder by "
                "CALLCENTER_BACKUP_DIR and keep the old one until you no longer need it"
            )

    def bases(self) -> list[Base]:
        """Every verified base backup, the oldest first."""
        found: list[Base] = []
        for file in sorted(self.base.glob("*/base.json")):
            if file.parent.suffix:
                continue
            try:
                one = Base.model_validate_json(file.read_bytes())
            except ValidationError:
                raise Tampered(f"{file} is damaged; the sealed copy beside it may still be whole") from None
            if one.stamp != file.parent.name:
                raise Tampered(f"{file} says that it is {one.stamp}: backups were swapped")
            found.append(one)
        return found

    def newest(self) -> Base:
        """Raises Nothing."""
        bases = self.bases()
        if not bases:
            raise Nothing(f"{self.path} has no verified base backup; take one with `callcenter backup base`")
        return bases[-1]

    def tar(self, stamp: str) -> Path:
        return self.base / stamp / f"base.tar{SUFFIX}"

    def store(self, stamp: str) -> Path:
        return self.base / stamp / f"store{SUFFIX}"

    def segment(self, name: str) -> Path:
        return self.wal / f"{name}{SUFFIX}"

    def live(self, name: str) -> Path:
        return self.wal / f"{name}{LIVE}"

    def segments(self, segment_bytes: int) -> dict[Segment, Path]:
        """Every whole segment, and where it is."""
        named = ((Segment.parse(path.name.removesuffix(SUFFIX), segment_bytes), path) for path in self._sealed())
        return {one: path for one, path in named if one is not None}

    def live_segments(self, segment_bytes: int) -> dict[Segment, Path]:
        """Segments that were being written."""
        named = ((Segment.parse(path.name.removesuffix(LIVE), segment_bytes), path) for path in self._sealed())
        return {one: path for one, path in named if one is not None}

    def _sealed(self) -> list[Path]:
        return sorted(self.wal.glob(f"*{SUFFIX}")) if self.wal.is_dir() else []

    def prune(self, keep: int) -> tuple[list[str], int]:
        """Remove all but the newest `keep` bases, and log that no base needs. The stamps, and how many segments.

        keep: at least 1, so the newest verified base always stays, and all log since the oldest that is kept.
        """
        if keep < 1:
            raise BackupFailed("at least one base backup is kept; --keep is 1 or more")
        bases = self.bases()
        kept = bases[-keep:]
        if not kept:
            return [], 0
        gone = [one.stamp for one in bases[:-keep]]
        oldest = kept[0].stamp
        unfinished = [path.name for path in self.base.iterdir() if path.suffix == ".making" and path.stem < oldest]
        for name in [*gone, *unfinished]:
            shutil.rmtree(self.base / name)
        return gone, self._prune_log(min(one.first_segment for one in kept), kept[0].segment_bytes)

    def _prune_log(self, first: int, segment_bytes: int) -> int:
        everything = self.segments(segment_bytes) | self.live_segments(segment_bytes)
        unneeded = [path for one, path in everything.items() if one.number < first]
        for path in unneeded:
            path.unlink()
        return len(unneeded)


def new_stamp(now: datetime) -> str:
    """The name of a base backup begun now."""
    return now.astimezone(UTC).strftime(STAMP)


def write_whole(path: Path, text: str) -> None:
    """Durably, replacing what was there in one step."""
    draft = path.with_name(path.name + ".making")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)
