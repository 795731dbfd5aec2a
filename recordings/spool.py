"""The folder Asterisk writes recordings into: what lies in it, what nobody has claimed, what is not ours. Blocking
parts run in threads.
"""

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import ChannelId
from recordings import store
from recordings.recording import ForeignFile, SpoolName, parse_name

QUIET_S = 10.0
"""A file is looked at only when nothing was written to it for so long: Asterisk writes every two seconds."""
CLAIMED_AT_ONCE = 5_000
"""Names asked for in one statement; PostgreSQL takes 32,767 values, and a store that was away fills the spool."""
OF_THE_DISK = frozenset({"lost+found"})
"""Entries a file system makes by itself."""


class NoSpool(Exception):
    """The folder of the recordings is not there; see that the disk is mounted and CALLCENTER_SPOOL is right."""


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """One entry. name: None for what is not ours. written_at_s: epoch of the last write."""

    name: SpoolName | None
    written_at_s: float


def look(spool: Path) -> Mapping[str, SpoolFile]:
    """Every entry of the spool by name, sorted. Blocking. Raises NoSpool."""
    found: dict[str, SpoolFile] = {}
    try:
        with os.scandir(spool) as entries:
            for entry in entries:
                if entry.name in OF_THE_DISK:
                    continue
                try:
                    written_at_s = entry.stat(follow_symlinks=False).st_mtime
                except FileNotFoundError:
                    continue  # stored and removed while we look
                name = _parsed(entry.name) if entry.is_file(follow_symlinks=False) else None
                found[entry.name] = SpoolFile(name, written_at_s)
    except OSError as error:
        raise NoSpool(f"the recording spool {spool} cannot be read: {error.strerror}") from error
    return dict(sorted(found.items()))


def _parsed(entry: str) -> SpoolName | None:
    try:
        return parse_name(entry)
    except ForeignFile:
        return None


async def unclaimed(
    tx: AsyncConnection,
    files: Mapping[str, SpoolFile],
    now_s: float,
    alive: Collection[ChannelId],
    over: Collection[ChannelId] = (),
) -> Sequence[SpoolName]:
    """Files of ours without a row, whose call is not going on and which are quiet, or whose leg is `over`."""
    ours = [file for file in files.values() if file.name and file.name.channel_id not in alive]
    ready = [
        file.name
        for file in ours
        if file.name and (file.name.channel_id in over or now_s - file.written_at_s >= QUIET_S)
    ]
    claimed: set[str] = set()
    for first in range(0, len(ready), CLAIMED_AT_ONCE):
        names = [one.name for one in ready[first : first + CLAIMED_AT_ONCE]]
        claimed |= await store.claimed_paths(tx, names)
    return [one for one in ready if one.name not in claimed]


async def looked(spool: Path) -> Mapping[str, SpoolFile]:
    """The same as `look`, in a thread. Raises NoSpool."""
    return await asyncio.to_thread(look, spool)
