"""What recordings are kept with, in folders of a test's own."""

from pathlib import Path

from recordings.custody.custody import Cipher, Codec
from recordings.custody.ground import Ground
from recordings.custody.keys import FileKeys, KeyProvider, new_key
from recordings.custody.objects import ObjectStore


def custody_for_tests(
    spool: Path,
    *,
    codec: Codec = Codec.FLAC,
    cipher: Cipher = Cipher.AES_256_GCM,
    keys: KeyProvider | None = None,
    copy: bool = True,
) -> Ground:
    """Stores beside the spool (`store`, `store-copy`), a fresh master key unless `keys` are given."""
    spool.mkdir(parents=True, exist_ok=True)
    beside = spool.absolute().parent
    return Ground(
        spool,
        ObjectStore((beside / "store").as_uri()),
        ObjectStore((beside / "store-copy").as_uri()) if copy else None,
        keys or FileKeys((new_key("test-1"),)),
        codec,
        cipher,
    )
