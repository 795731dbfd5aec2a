"""The door to the object store (obstore): a folder, S3, or memory. An object is written once and not again.

obstore writes a local file and links it into place, but never calls fsync (0.12, seen with strace); a recording is
only stored when it would survive the power going out, so local files and their folders are flushed here.
"""

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore, S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Fetch = Callable[[int, int], bytes]
"""(start, length) -> bytes of an object; fewer at its end. Blocking."""


class StoreWrong(ValueError):
    """The store's URL is not file:///folder, memory:// or s3://bucket/prefix; see docs/recordings.md."""


class StoreAway(Exception):
    """The store does not answer or refuses; the recording stays in the spool and is tried again."""

    retryable = True


class AlreadyThere(Exception):
    """An object of this name is there already; nothing was written."""


class NotThere(LookupError):
    """The store has no object of this name."""


class ObjectStore:
    """One store. url: file:///folder, memory://, or s3://bucket/prefix.

    options: for S3, as obstore's S3Config has them (endpoint, access_key_id...).
    """

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        """Raises StoreWrong. A folder is made (0700) when it is not there."""
        parts = urlsplit(url)
        self.url = url
        self.folder: Path | None = None
        self._store: LocalStore | MemoryStore | S3Store
        if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
            self.folder = Path(unquote(parts.path))
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(self.folder)
            self._store = LocalStore(prefix=self.folder)
        elif parts.scheme == "memory":
            self._store = MemoryStore()
        elif parts.scheme == "s3" and parts.netloc:
            self._store = _s3(parts.netloc, parts.path.strip("/"), dict(options or {}))
        else:
            raise StoreWrong(url)

    def __repr__(self) -> str:
        return f"ObjectStore({self.url!r})"

    async def put_new(self, path: str, data: bytes) -> None:
        """Writes an object that is not there yet, durably. Raises AlreadyThere, StoreAway."""
        try:
            await obstore.put_async(self._store, path, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            raise AlreadyThere(path) from None
        except (BaseError, OSError) as error:
            raise StoreAway(f"{self.url}: {error}") from error
        try:
            await self._flush(path)
        except StoreAway:
            # After a failed fsync the kernel forgets what it could not write: only new bytes can be flushed anew.
            # This object is ours, and nobody has been told of it.
            with contextlib.suppress(StoreAway):
                await self.delete(path)
            raise

    async def flush(self, path: str) -> None:
        """Makes sure that an object found there survives the power going out. Raises NotThere, StoreAway."""
        await self._flush(path)

    async def replace(self, path: str, data: bytes) -> None:
        """Writes an object over a damaged one: repair only. Raises StoreAway."""
        try:
            await obstore.put_async(self._store, path, data, mode="overwrite", use_multipart=False)
        except (BaseError, OSError) as error:
            raise StoreAway(f"{self.url}: {error}") from error
        await self._flush(path)

    async def read(self, path: str) -> bytes:
        """The whole object. Raises NotThere, StoreAway."""
        try:
            return bytes(await (await obstore.get_async(self._store, path)).bytes_async())
        except FileNotFoundError:
            raise NotThere(path) from None
        except (BaseError, OSError) as error:
            raise StoreAway(f"{self.url}: {error}") from error

    async def size_of(self, path: str) -> int | None:
        """Bytes of the object; None when it is not there. Raises StoreAway."""
        try:
            return int((await obstore.head_async(self._store, path))["size"])
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise StoreAway(f"{self.url}: {error}") from error

    async def delete(self, path: str) -> None:
        """Removes the object; one that is not there is removed already. Raises StoreAway."""
        try:
            await obstore.delete_async(self._store, path)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise StoreAway(f"{self.url}: {error}") from error
        if self.folder is not None:
            # What is gone stays gone when the power goes out: a certificate will say so.
            with contextlib.suppress(NotThere):
                await asyncio.to_thread(_sync, (self.folder / path).parent)

    async def names(self, prefix: str = "") -> AsyncIterator[tuple[str, int]]:
        """Path and size of every object under `prefix` (whole path parts), in pages. Raises StoreAway."""
        try:
            async for page in obstore.list(self._store, prefix or None, chunk_size=1000):
                for one in page:
                    yield str(one["path"]), int(one["size"])
        except (BaseError, OSError) as error:
            raise StoreAway(f"{self.url}: {error}") from error

    def fetch(self, path: str) -> Fetch:
        """Reads parts of the object, for a thread. What it returns raises NotThere, StoreAway."""

        def part(start: int, length: int) -> bytes:
            if not length:
                return b""
            try:
                return bytes(obstore.get_range(self._store, path, start=start, length=length))
            except FileNotFoundError:
                raise NotThere(path) from None
            except (BaseError, OSError) as error:
                # obstore says the same of a range past the end of a cut object as of a store that is away.
                if self._ends_before(path, start):
                    return b""
                raise StoreAway(f"{self.url}: {error}") from error

        return part

    def _ends_before(self, path: str, start: int) -> bool:
        try:
            return int(obstore.head(self._store, path)["size"]) <= start
        except (BaseError, OSError):
            return False

    async def _flush(self, path: str) -> None:
        if self.folder is not None:
            await asyncio.to_thread(_flush, self.folder, path)


def _s3(bucket: str, prefix: str, options: dict[str, str]) -> S3Store:
    """Answers, or StoreAway, within some ten seconds; obstore's own patience is three minutes.

    Create-only puts go out with `If-None-Match: *`, obstore's default (`conditional_put: etag`); the server must
    honour it, as AWS does since August 2024. `callcenter recordings recheck` begins by trying.
    """
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=3),
        # Between two pieces of an answer; a long recording on a slow line may take the whole time.
        "read_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=120),
        # Recordings are sealed and requests signed, but a line that is not TLS shows who reads which object.
        "allow_http": options.get("endpoint", "").startswith("http://"),
    }
    retry: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=6)}
    config = cast("S3Config", options)
    return S3Store(bucket, prefix=prefix or None, config=config, client_options=client, retry_config=retry)


def _flush(folder: Path, path: str) -> None:
    file = folder / path
    _sync(file)
    # The entry, and the entries of folders that were made for it.
    for parent in file.parents:
        _sync(parent)
        if parent == folder:
            break


def _sync(path: Path) -> None:
    """Flushes a file or folder, and keeps others out of it: obstore leaves what the umask allows."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotThere(str(path)) from None
    except OSError as error:
        raise StoreAway(f"{path}: {error.strerror}") from error
    try:
        seen = os.fstat(fd)
        if seen.st_mode & GROUP_AND_OTHERS and seen.st_uid == os.geteuid():
            os.fchmod(fd, stat.S_IMODE(seen.st_mode) & ~GROUP_AND_OTHERS)
        os.fsync(fd)
    except OSError as error:
        raise StoreAway(f"{path}: {error.strerror}") from error
    finally:
        os.close(fd)
