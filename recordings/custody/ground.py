"""What recordings are kept with: the stores, the keys, how they are compressed and sealed. Given by the hub."""

from dataclasses import dataclass
from pathlib import Path

from recordings.custody.custody import Cipher, Codec, Kept
from recordings.custody.keys import KeyProvider
from recordings.custody.objects import ObjectStore
from recordings.custody.sealed import NotSealed, SealedFile


@dataclass(frozen=True, slots=True)
class Ground:
    """store: where recordings are; copy: the second place, None where there is none (and /readyz says so)."""

    spool: Path
    store: ObjectStore
    copy: ObjectStore | None
    keys: KeyProvider
    codec: Codec = Codec.FLAC
    cipher: Cipher = Cipher.AES_256_GCM

    def open(self, kept: Kept, *, from_copy: bool = False) -> SealedFile:
        """The contents of a kept recording, seekable, decrypted as they are read. Blocking.

        Raises what SealedFile raises; NotSealed for one that is not stored.
        """
        where = self.copy if from_copy else self.store
        if kept.sealed is None or where is None:
            raise NotSealed(f"recording {kept.recording_id} is {kept.custody}; there is no sealed file")
        fetch = where.fetch(kept.path)
        return SealedFile(fetch, kept.sealed.sealed_bytes, self.keys, name=kept.name, key=kept.sealed.key)
