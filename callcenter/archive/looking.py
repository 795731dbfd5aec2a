"""Many packages at once, as an auditor has them on a disk: each alone, then the weeks against the files. Blocking."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from callcenter.archive import bags, checking
from callcenter.archive.bags import BagWrong
from callcenter.archive.checking import PackageWrong, TicketPaper, Verified, WeekPaper
from callcenter.archive.tars import PackageUnsafe


@dataclass(frozen=True, slots=True)
class Found:
    """One sentence about one path."""

    holds: bool
    sentence: str


@dataclass
class Look:
    """One look at a number of paths. trusted: public keys (PEM), one of which must have signed everything."""

    trusted: Sequence[bytes] = ()
    indexes: dict[str, tuple[Path, Verified]] = field(default_factory=dict)

    def at(self, paths: Sequence[Path]) -> Iterator[Found]:
        """What is found, file by file, then the weeks. A path: a package, an unpacked bag, a folder of packages."""
        some = False
        for path in paths:
            for one in packages_at(path):
                some = True
                yield self._one(one)
        if not some:
            yield Found(False, f"there is no package at {', '.join(map(str, paths))}")
        for path, index in self.indexes.values():
            yield from self._week(path, index)

    def _one(self, path: Path) -> Found:
        try:
            verified = checking.verify(path, trusted=self.trusted)
        except (PackageUnsafe, BagWrong, PackageWrong) as error:
            return Found(False, f"{path}: DOES NOT HOLD: {error}")
        except OSError as error:
            return Found(False, f"{path}: cannot be read: {error.strerror}")
        if isinstance(verified.paper, WeekPaper):
            self.indexes[verified.name] = (path, verified)
        return Found(True, f"{path}: holds: {_told(verified)}; {self._key(verified)}")

    def _key(self, verified: Verified) -> str:
        if self.trusted:
            return "signed by the trusted key"
        return f"signed by key {verified.key}, which was not compared (use --key)"

    def _week(self, path: Path, index: Verified) -> Iterator[Found]:
        paper = index.paper
        assert isinstance(paper, WeekPaper)
        wrong: list[str] = []
        if path.is_file():
            checking.beside(paper, path.parent, wrong.append)
        if paper.previous is not None and len(self.indexes) > 1:
            before = self.indexes.get(paper.previous.name)
            if before is None:
                wrong.append(f"{index.name} comes after {paper.previous.name}, which is not here")
            elif before[0].is_file() and bags.sha256_of(before[0]) != paper.previous.sha256:
                wrong.append(f"{paper.previous.name} is not the index that {index.name} came after")
        for sentence in wrong:
            yield Found(False, f"{path}: {sentence}")
        if not wrong:
            waiting = sum(1 for one in paper.packages if one.file is None)
            later = f", {waiting} of them still to come" if waiting else ""
            yield Found(True, f"{paper.week}: numbers 1 to {paper.last}, {len(paper.packages)} packages listed{later}")


def _told(verified: Verified) -> str:
    paper = verified.paper
    if isinstance(paper, TicketPaper):
        number = f", number {paper.number}" if paper.number else ""
        recordings = f"{len(paper.recordings)} recording{'' if len(paper.recordings) == 1 else 's'}"
        files = f", {len(paper.attachments)} attachments" if paper.attachments else ""
        return f"ticket {paper.ticket_id}, round {paper.round}{number}, {paper.events} events, {recordings}{files}"
    return f"index of {paper.week}" + (f", supplement {paper.part}" if paper.part else "")


def packages_at(path: Path) -> Iterator[Path]:
    """Packages at a path: itself, or every tar in a folder that is no bag itself."""
    if not path.is_dir() or (path / "bagit.txt").exists():
        yield path
        return
    for one in sorted(path.rglob("*.tar")):
        # What is being written or taken in lies in folders with a dot.
        if not any(part.startswith(".") for part in one.relative_to(path).parts):
            yield one
