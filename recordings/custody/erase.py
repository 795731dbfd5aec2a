"""Takes a recording out of its stores: the second place first, then the store, keys beside the object included.

A store that is not mounted looks like one where everything is deleted already. So a mark is left beside the object
before it goes; whoever comes again after a crash needs the object or the mark to believe that this is the store.
"""

from contextlib import suppress

from recordings.custody.ground import Ground
from recordings.custody.objects import AlreadyThere, ObjectStore, StoreAway

MARK = ".erasing"


def mark_path(path: str) -> str:
    """Where the mark of an object that is being erased lies."""
    return path + MARK


async def erase(ground: Ground, path: str, *, copied: bool) -> None:
    """Every object of this recording is gone when it returns. copied: the second place is known to have it.

    Raises StoreAway, also for a store that has neither the object nor the mark; may be called again.
    """
    if ground.copy is not None:
        await _erase(ground.copy, path, sure=copied)
    elif copied:
        raise StoreAway(f"{path} has a copy, and no second place is set; set CALLCENTER_COPY_URL")
    await _erase(ground.store, path, sure=True)


async def _erase(place: ObjectStore, path: str, *, sure: bool) -> None:
    there = await place.size_of(path) is not None
    marked = await place.size_of(mark_path(path)) is not None
    if not there and not marked:
        if sure:
            raise StoreAway(f"{place.url} has no {path}, which nobody has deleted; is it the right store, and mounted?")
        return
    if not marked:
        with suppress(AlreadyThere):
            await place.put_new(mark_path(path), b"")
    for name in [name async for name, _ in place.names(f"{path}.key")]:
        await place.delete(name)
    await place.delete(path)
    if await place.size_of(path) is not None:
        raise StoreAway(f"{place.url} still has {path} after its deletion; are old versions of objects kept there?")


async def forget_marks(ground: Ground, path: str) -> None:
    """After the certificate is written: the marks have done their work. Raises StoreAway."""
    for place in (ground.copy, ground.store):
        if place is not None:
            await place.delete(mark_path(path))
