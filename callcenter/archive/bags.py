"""The door to bagit: folders become bags (BagIt 1.0, RFC 8493), signed, and bags are checked by the public library.

`bagit.make_bag` is not used: it moves the files about and changes the working directory of the whole process, which a
server with threads cannot have. The tag files are a few lines each and are written here; what is written is then
validated by `bagit` itself, so that a bag the public tool does not accept is never kept.

The signature cannot stand in what it signs: it is over `tagmanifest-sha256.txt` and lies beside it, listed nowhere,
which RFC 8493 (2.2.4) allows. `openssl pkeyutl -verify -rawin` checks it without us.
"""

import hashlib
import logging
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import bagit

from callcenter.signing import Signer, is_signed

DATA = "data"
DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
SIGNATURE, PUBLIC_KEY = "signature.ed25519", "signing-key.pub"
TAGS = frozenset({"bagit.txt", "bag-info.txt", MANIFEST, PUBLIC_KEY})
"""Every tag file of a bag of ours but the tag manifest and its signature; it lists exactly these."""
BLOCK_BYTES = 1024 * 1024
# It writes of each finding before it raises; whoever asked tells it once.
logging.getLogger(bagit.__name__).disabled = True


class BagWrong(Exception):
    """The bag is damaged, incomplete, or not signed by the key it names."""


def close_bag(folder: Path, info: Mapping[str, str], signer: Signer) -> None:
    """Make a signed bag of `folder`, whose payload lies in `data` already. Blocking. Raises BagWrong."""
    payload = [(name, folder / name) for name in payload_names(folder)]
    oxum = f"{sum(path.stat().st_size for _, path in payload)}.{len(payload)}"
    lines = {name: _printable(value) for name, value in {**info, "Payload-Oxum": oxum}.items()}
    _write(folder / "bagit.txt", DECLARATION)
    _write(folder / "bag-info.txt", "".join(f"{name}: {value}\n" for name, value in lines.items()))
    (folder / PUBLIC_KEY).write_bytes(signer.public_pem)
    _write(folder / MANIFEST, _listing(payload))
    _write(folder / TAG_MANIFEST, _listing([(name, folder / name) for name in sorted(TAGS)]))
    (folder / SIGNATURE).write_bytes(signer.sign((folder / TAG_MANIFEST).read_bytes()))
    check_bag(folder)


def check_bag(folder: Path) -> Mapping[str, str]:
    """What `bag-info.txt` says of a bag that is whole, unchanged and signed by the key in it. Blocking.

    Raises BagWrong. Whose key it is, is the caller's question.
    """
    for needed in (*TAGS, TAG_MANIFEST, SIGNATURE):
        if not (folder / needed).is_file():
            raise BagWrong(f"{needed} is missing")
    beside = {path.name for path in folder.iterdir()} - TAGS - {TAG_MANIFEST, SIGNATURE, DATA}
    if beside:
        # The library lets other files lie about; nobody vouches for them.
        raise BagWrong(f"there are files that no manifest and no signature covers: {', '.join(sorted(beside)[:5])}")
    signed = (folder / TAG_MANIFEST).read_bytes()
    if not is_signed((folder / PUBLIC_KEY).read_bytes(), signed, (folder / SIGNATURE).read_bytes()):
        raise BagWrong("the signature is not of this tag manifest: the package was changed after it was signed")
    if _listed(signed) != TAGS:
        raise BagWrong("the tag manifest does not list exactly the tag files of a package")
    return _validated(folder)


def _validated(folder: Path) -> Mapping[str, str]:
    try:
        bag = bagit.Bag(str(folder))
        bag.validate()
    except (bagit.BagError, ValueError, OSError) as error:
        raise BagWrong(_sentence(error)) from None
    if bag.version_info != (1, 0) or bag.encoding != "UTF-8" or bag.algorithms != ["sha256"]:
        raise BagWrong("not a BagIt 1.0 bag in UTF-8 with SHA-256 manifests")
    info: dict[str, object] = bag.info
    if not all(isinstance(value, str) for value in info.values()):
        raise BagWrong("a field stands twice in bag-info.txt")
    return {name: str(value) for name, value in info.items()}


def _sentence(error: Exception) -> str:
    details = [str(one) for one in getattr(error, "details", None) or ()]
    return "; ".join([str(error).split(";")[0].strip(), *details[:5]])


def payload_names(folder: Path) -> list[str]:
    """Every file under `data`, as manifests name it, in order. Raises BagWrong for what is not a plain file."""
    return sorted(_payload(folder, folder / DATA))


def _payload(folder: Path, inside: Path) -> Iterator[str]:
    for path in inside.iterdir():
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BagWrong(f"{path.relative_to(folder)} is not a plain file")
        if path.is_dir():
            yield from _payload(folder, path)
        else:
            yield path.relative_to(folder).as_posix()


def sha256_of(path: Path) -> str:
    """Of a whole file, hex. Blocking."""
    with path.open("rb") as file:
        return sha256_of_file(file)


def sha256_of_file(file: BinaryIO) -> str:
    """Of what is left to read of an open file, hex. Blocking."""
    digest = hashlib.sha256()
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def fingerprint(public_pem: bytes) -> str:
    """A public key's name: the SHA-256 of its PEM without blanks, hex, so that a changed line end is no other key."""
    return hashlib.sha256(b"".join(public_pem.split())).hexdigest()


def _listing(files: list[tuple[str, Path]]) -> str:
    return "".join(f"{sha256_of(path)}  {name}\n" for name, path in files)


def _listed(manifest: bytes) -> frozenset[str]:
    lines = manifest.decode("utf-8", errors="replace").splitlines()
    return frozenset(line.partition("  ")[2] for line in lines)


def _printable(value: str) -> str:
    """One line of text: no line ends, no marks that turn the reading direction, nothing invisible."""
    kinds = ((char, unicodedata.category(char)) for char in value)
    return "".join(char for char, kind in kinds if kind[0] != "C" and kind not in ("Zl", "Zp")).strip()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
