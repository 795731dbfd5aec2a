"""Reading a package in its tar, where it is: its papers, its recordings and attachments, opened as read. Blocking."""

import base64
import os
from pathlib import Path
from types import TracebackType
from uuid import UUID

from callcenter.archive import tars
from callcenter.archive.bags import DATA
from callcenter.archive.checking import MOST_JSON_BYTES, PackageWrong, attachment_paper, recording_paper
from callcenter.archive.tars import Member
from callcenter.attachments import cabinet
from recordings.custody.custody import SUFFIX, WrappedKey
from recordings.custody.keys import KeyProvider
from recordings.custody.sealed import SealedFile


class Reader:
    """An open package. Close it, or use `with`. Raises PackageUnsafe."""

    def __init__(self, path: Path) -> None:
        with tars.opened(path) as file:
            self.name, inside = tars.members(file)
            self._fd = os.dup(file.fileno())
        self._members = {one.name: one for one in inside}

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        os.close(self._fd)

    @property
    def names(self) -> tuple[str, ...]:
        """The payload's files, as they lie under `data`."""
        inside = (name.partition("/") for name in self._members)
        return tuple(rest for first, _, rest in inside if first == DATA)

    def read(self, name: str) -> bytes:
        """A paper of the payload. Raises PackageWrong."""
        one = self._member(name)
        if one.size_bytes > MOST_JSON_BYTES:
            raise PackageWrong(f"data/{name} is too large to be read")
        return os.pread(self._fd, one.size_bytes, one.offset)

    @property
    def recordings(self) -> tuple[UUID, ...]:
        """Recordings the package has audio of."""
        return self._sealed_in("recordings/", SUFFIX)

    @property
    def attachments(self) -> tuple[UUID, ...]:
        """Files of the ticket the package has."""
        return self._sealed_in("attachments/", cabinet.SUFFIX)

    def _sealed_in(self, folder: str, suffix: str) -> tuple[UUID, ...]:
        stems = (Path(name).stem for name in self.names if name.startswith(folder) and name.endswith(suffix))
        return tuple(UUID(stem) for stem in stems)

    def recording(self, name: UUID, keys: KeyProvider) -> SealedFile:
        """What was recorded, as the store would give it: sealed bytes are read from the tar, only where asked for.

        Raises PackageWrong for one that is not there, and what SealedFile raises.
        """
        told = recording_paper(self.read(f"recordings/{name}.json"))
        key = WrappedKey(told.key_id, base64.b64decode(told.wrapped_key))
        return self._sealed(f"recordings/{name}{SUFFIX}", name, key, keys)

    def attachment(self, name: UUID, keys: KeyProvider) -> SealedFile:
        """The file as it was given. Raises PackageWrong for one that is not there, and what SealedFile raises."""
        told = attachment_paper(self.read(f"attachments/{name}.json")).object
        key = WrappedKey(told.key_id, base64.b64decode(told.wrapped_key))
        return self._sealed(f"attachments/{name}{cabinet.SUFFIX}", name, key, keys)

    def _sealed(self, place: str, name: UUID, key: WrappedKey, keys: KeyProvider) -> SealedFile:
        one = self._member(place)

        def fetch(start: int, length: int) -> bytes:
            return os.pread(self._fd, max(0, min(length, one.size_bytes - start)), one.offset + start)

        return SealedFile(fetch, one.size_bytes, keys, name=name, key=key)

    def _member(self, name: str) -> Member:
        found = self._members.get(f"{DATA}/{name}")
        if found is None:
            raise PackageWrong(f"data/{name} is not in it")
        return found
