"""Finding tickets by words: an index of Chinese word pairs, newest tickets first, for ten years of them.

Every token of a ticket is kept as a number that also holds the half-month the ticket was opened in. So a search asks
one half-month after the other, from the newest back, until a page is full: a word that stands in every other ticket
costs as little as one that stands in none. The tokens of the units that work on a ticket are kept the same way, and
what was found is read again in the ticket itself, within the asker's scope.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from zlib import crc32

from sqlalchemy import ColumnElement, Select, Text, any_, func, literal_column, null, select
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import cast

from callcenter.types import TicketId, UnitId
from ticketing import tables
from ticketing.record import GuardFailed, Ticket
from ticketing.search.tables import ticket_words
from ticketing.search.text import terms, token_set

_ticket, _words = tables.ticket, ticket_words
MOST_TOKENS = 24
"""Of one question; the rest is only read again in the tickets found."""
FIRST_LOOK, WIDEST_LOOK = 1, 256
"""Half-months asked for in one statement: one, then four times as many each time."""
FEWEST_READ, MOST_READ = 250, 4_000
"""Tickets that are read at once: most words fill a page with the first few."""
SERIAL_DIGITS = 6
"""The last digits of a ticket's number, which people read out."""


class TooShort(GuardFailed):
    """The text to look for has no token."""

    def __init__(self) -> None:
        super().__init__("检索词太短或只有符号。请至少输入两个连续的汉字，或字母、数字。")


def bucket_of(ticket_id: str) -> int:
    """The half-month of a ticket's number (yyyymmdd and six digits); newer ones are greater, without gaps."""
    year, month, day = int(ticket_id[:4]), int(ticket_id[4:6]), int(ticket_id[6:8])
    return (year * 12 + month - 1) * 2 + (day > 15)


def keys(bucket: int, tokens: Iterable[str], units: Iterable[str] = ()) -> list[int]:
    """Tokens and units of a half-month as the index holds them: 32 bits, so that two may share one (rarely).

    Whatever is found is read again, so a shared number costs a look and shows nothing wrong.
    """
    return sorted({_key(bucket, text) for text in (*tokens, *_as_tokens(units))})


def _key(bucket: int, token: str) -> int:
    return crc32(f"{bucket}:{token}".encode()) - 2**31


def _as_tokens(units: Iterable[str]) -> tuple[str, ...]:
    # No token of a text holds this sign.
    return tuple(f"@{unit}" for unit in units)


def words_of(ticket: Ticket) -> list[int] | None:
    """What the ticket is found by; None while it says nothing."""
    if not any(_texts(ticket)):
        return None
    tokens = token_set(ticket.id[-SERIAL_DIGITS:], *_texts(ticket))
    return keys(bucket_of(ticket.id), tokens, _units(ticket))


def _texts(ticket: Ticket) -> tuple[str, ...]:
    return ticket.title, ticket.content, ticket.place


def _units(ticket: Ticket) -> frozenset[UnitId]:
    return frozenset(unit for unit in (ticket.lead_unit, ticket.authority, *ticket.assist_units) if unit)


async def keep(tx: AsyncConnection, before: Ticket | None, after: Ticket) -> None:
    """Make the index say what the ticket says; nothing is written unless its text or its units have changed."""
    if before is not None and (_texts(before), _units(before)) == (_texts(after), _units(after)):
        return
    words = words_of(after)
    if words is None and (before is None or not any(_texts(before))):
        return
    row = upsert(_words).values(ticket_id=after.id, words=words or [])
    await tx.execute(row.on_conflict_do_update(index_elements=[_words.c.ticket_id], set_={"words": words or []}))


async def newest_first(
    tx: AsyncConnection,
    listing: Select[Any],
    text: str,
    *,
    units: Iterable[UnitId] = (),
    limit: int,
    after: TicketId | None = None,
) -> list[Any]:
    """Rows of `listing` for the newest `limit` tickets that say every term of `text`, those below id `after`.

    units: only tickets these work on; `listing` must hold that condition too. Raises TooShort.
    """
    wanted = terms(text)
    if len(wanted) == 1 and _is_number(wanted[0]):
        rows = await _by_number(tx, listing, wanted[0], limit, after)
        if rows:
            return rows
    tokens = sorted(token_set(*wanted), key=lambda token: (-len(token), token))[:MOST_TOKENS]
    if not tokens:
        raise TooShort
    said = listing.where(*(_says(term) for term in wanted)).order_by(_ticket.c.id.desc())
    found: list[Any] = []
    async with _by_index(tx):
        async for ids in _candidates(tx, (*tokens, *_as_tokens(units)), after):
            # By their numbers, so that no reckoning of PostgreSQL's can begin at the other end.
            these = said.where(_ticket.c.id == any_(cast(ids, ARRAY(Text)))).limit(limit - len(found))
            found += (await tx.execute(these)).mappings().all()
            if len(found) >= limit:
                break
    return found


async def _candidates(
    tx: AsyncConnection, tokens: tuple[str, ...], after: TicketId | None
) -> AsyncIterator[list[TicketId]]:
    """Tickets the index holds every token for, the newest first, a few at first and then more at once."""
    size = FEWEST_READ
    for look in _looks(*await _span(tx, after)):
        below = after
        while True:
            ids = list((await tx.execute(_look(tokens, look, below).limit(size))).scalars())
            if ids:
                yield ids
            if len(ids) < size:
                break
            below, size = ids[-1], min(size * 2, MOST_READ)


BY_INDEX = {
    # PostgreSQL reckons with one comparison a row; to compare some sixty words with 256 half-months costs thousands.
    "enable_seqscan": "off",
    # It also reckons with far more rows than there are, and calls workers whose start takes longer than the search.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


@asynccontextmanager
async def _by_index(tx: AsyncConnection) -> AsyncIterator[None]:
    """Inside, PostgreSQL takes the index by itself, whatever it reckons that the search costs."""
    await tx.execute(select(*(func.set_config(name, value, True) for name, value in BY_INDEX.items())))
    yield
    await tx.execute(select(*(func.set_config(name, null(), True) for name in BY_INDEX)))


def _is_number(term: str) -> bool:
    return term.isascii() and term.isdigit() and 8 <= len(term) <= 14 and term.startswith("20")


async def _by_number(
    tx: AsyncConnection, listing: Select[Any], digits: str, limit: int, after: TicketId | None
) -> list[Any]:
    """Tickets whose number begins so; a range, so that the primary key serves whatever the collation."""
    query = listing.where(_ticket.c.id.between(digits.ljust(14, "0"), digits.ljust(14, "9")))
    if after is not None:
        query = query.where(_ticket.c.id < after)
    return list((await tx.execute(query.order_by(_ticket.c.id.desc()).limit(limit))).mappings().all())


async def _span(tx: AsyncConnection, after: TicketId | None) -> tuple[int, int]:
    """The newest and the oldest half-month to ask for; (0, 1), an empty span, when nothing is indexed."""
    query = select(func.max(_words.c.ticket_id), func.min(_words.c.ticket_id))
    newest, oldest = (await tx.execute(query)).one()
    if newest is None:
        return 0, 1
    return bucket_of(min(newest, after) if after is not None else newest), bucket_of(oldest)


def _looks(newest: int, oldest: int) -> Iterator[range]:
    """Half-months to ask for, newest first, a few at first and then more at once."""
    width = FIRST_LOOK
    while newest >= oldest:
        yield range(newest, max(oldest, newest - width + 1) - 1, -1)
        newest, width = newest - width, min(width * 4, WIDEST_LOOK)


def _look(tokens: tuple[str, ...], look: range, below: TicketId | None) -> Select[Any]:
    """Numbers of tickets of these half-months that hold every token.

    A ticket has tokens of its own half-month only, so two tokens of one ticket are always of the same one.
    """
    numbers = ([_key(bucket, token) for bucket in look] for token in tokens)
    held = (_words.c.words.overlap(cast(one, ARRAY(INTEGER))) for one in numbers)
    # An expression, so that nothing tempts PostgreSQL to walk the primary key and look at every ticket there is.
    number = _words.c.ticket_id.concat("")
    query = select(_words.c.ticket_id).where(*held)
    if below is not None:
        query = query.where(number < below)
    return query.order_by(number.desc())


def _says(term: str) -> ColumnElement[bool]:
    """The ticket says this term, in the same spelling as `search_text.normal` gives."""
    text = func.concat_ws(" ", _ticket.c.id, _ticket.c.title, _ticket.c.content, _ticket.c.place)
    plain = func.lower(func.normalize(text, literal_column("NFKC")).collate("C"))
    return plain.contains(term, autoescape=True)
