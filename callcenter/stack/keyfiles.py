"""The keys of a private stack: made at its first start, 0600 in a folder of their own."""

from pathlib import Path

BACKUPS = "Master keys of the backups. Whoever has this file and a backup has every ticket."


def recording_keys(folder: Path) -> Path:
    """The file of the recordings' master keys."""
    # Late: setting up and stopping a stack must work before anything is installed.
    from recordings.custody.keys import new_key, write_key_file

    path = _in(folder, "recordings.key")
    if not path.exists():
        write_key_file(path, (new_key("rk-1"),))
    return path


def backup_key(folder: Path) -> Path:
    """The file of the keys of backups: another than the recordings', so that no backup opens its own recordings."""
    from recordings.custody.keys import new_key, write_key_file

    path = _in(folder, "backup.key")
    if not path.exists():
        write_key_file(path, (new_key("bk-1"),), whose=BACKUPS)
    return path


def signing_key(folder: Path) -> Path:
    """The private key that signs anchors and packages; its public half lies beside it."""
    from callcenter.signing import Signer

    path = _in(folder, "signing.pem")
    if not path.exists():
        Signer.make(path)
    return path


def _in(folder: Path, name: str) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / name
