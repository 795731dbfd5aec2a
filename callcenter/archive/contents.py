"""What a package holds, read from the tables: every row about the ticket, its calls, its messages. No decisions.

Texts stand as they were written: the chain of events and the checksums of the archive are over them, and a file that
was rewritten would prove nothing. Who the citizen is stays in the vault: the number is masked, and beside it lies what
the vault sealed, which only the vault's key opens. What was heard (transcripts) and sent (messages) has its long
numbers starred, as everywhere else.
"""

import base64
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ForeignKey, RowMapping, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import schema, ticket_calls
from callcenter import tables as hub
from callcenter.sms import tables as sms
from callcenter.types import CallId, IdentityId, TicketId
from callcenter.upstream_tables import upstream_message
from recordings import store as recording_store
from recordings import tables as recorded
from recordings.recording import Gap
from ticketing import records, store, tables
from ticketing.prefill.masks import mask_text, masked_words
from ticketing.prefill.words import Word
from ticketing.upstream_tables import upstream_item, upstream_ticket

Document = dict[str, Any]
NUMBERS_IN = ("who", "name")
"""Columns of legs where a telephone number may stand."""


async def ticket_row(tx: AsyncConnection, ticket_id: TicketId) -> Document:
    """The ticket with every column, and who asked: masked, and as the vault has it sealed."""
    row = dict((await tx.execute(select(tables.ticket).where(tables.ticket.c.id == ticket_id))).mappings().one())
    return row | {"requester": await _identity(tx, row["requester"])}


async def _identity(tx: AsyncConnection, who: int | None) -> Document | None:
    if who is None:
        return None
    table = hub.identity
    row = (await tx.execute(select(table).where(table.c.id == IdentityId(who)))).mappings().one()
    sealed = {name: base64.b64encode(bytes(row[name])).decode() for name in ("number_sealed", "number_index")}
    return {"id": who, "masked": row["masked"], **sealed}


async def events(tx: AsyncConnection, ticket_id: TicketId, most: int) -> list[Document]:
    """The first `most` events of the chain, each with the hash it names and the hash it has."""
    chain = (await store.chain_of(tx, ticket_id))[:most]
    names = store.Entry.__dataclass_fields__
    return [
        {name: getattr(entry, name) for name in names} | {"prev_hash": before, "hash": own}
        for entry, before, own in chain
    ]


async def rows_of_ticket(tx: AsyncConnection, ticket_id: TicketId) -> dict[str, list[Document]]:
    """Table -> its rows about this ticket, those that hang on them inside; tables without any are left out.

    The events are told apart from this.
    """
    found: dict[str, list[Document]] = {}
    for table in records.package_tables():
        if table is not tables.ticket_event:
            found[table.name] = await _rows(tx, table, "ticket_id", ticket_id, "id")
    for table in (upstream_ticket, upstream_item):
        found[table.name] = await _rows(tx, table, "ticket_id", ticket_id, table.primary_key.columns.keys()[-1])
    found[upstream_message.name] = await _rows(tx, upstream_message, "ticket_id", ticket_id, "id")
    for name, rows in found.items():
        for table, column in _hanging_on(name):
            for row in rows:
                row[table.name] = await _rows(tx, table, column, row["id"], *table.primary_key.columns.keys())
    return {name: rows for name, rows in found.items() if rows}


def _hanging_on(name: str) -> Iterable[tuple[Table, str]]:
    """Tables whose rows belong to a row of this one: signatures to an approval, notes to a supervision."""
    mine = {table.name for table in records.package_tables()}
    # Asked of the whole schema: a module nobody has imported yet would leave its rows out.
    known = [table for metadata in schema.METADATA for table in metadata.sorted_tables]
    for table in known:
        for key in table.foreign_keys if table.name not in mine else ():
            if _names(key) == (name, "id"):
                yield table, key.parent.name


def _names(key: ForeignKey) -> tuple[str, str]:
    return key.column.table.name, key.column.name


async def _rows(tx: AsyncConnection, table: Table, column: str, value: object, *order: str) -> list[Document]:
    query = select(table).where(table.c[column] == value).order_by(*(table.c[name] for name in order))
    return [dict(row) for row in (await tx.execute(query)).mappings()]


# ---- calls -------------------------------------------------------------------------------------------------------


async def calls_of(tx: AsyncConnection, ticket: Document, chain: Sequence[Document]) -> list[CallId]:
    """The call the ticket came by, those made about it, and those its events name."""
    made = await ticket_calls.calls_of(tx, TicketId(ticket["id"]))
    named = [ticket["call_id"], *made, *(entry["data"].get(key) for entry in chain for key in ("call_id", "call_ref"))]
    wanted = [one for one in dict.fromkeys(named) if isinstance(one, str) and one]
    query = select(hub.call.c.id).where(hub.call.c.id.in_(wanted)).order_by(hub.call.c.started_at, hub.call.c.id)
    return [CallId(one) for one in (await tx.execute(query)).scalars()]


async def call_document(tx: AsyncConnection, call_id: CallId) -> Document:
    """A call: its legs, who heard whom and when, what happened, and the time nothing was recorded."""
    row = dict((await tx.execute(select(hub.call).where(hub.call.c.id == call_id))).mappings().one())
    legs = await _rows(tx, hub.leg, "call_id", call_id, "created_at", "channel_id")
    talks = await _rows(tx, hub.talk, "call_id", call_id, "from_at", "id")
    happened = await _rows(tx, hub.call_event, "call_id", call_id, "id")
    gaps = await recording_store.gaps_of(tx, [call_id])
    return {
        "call": _starred(row | {"caller": await _identity(tx, row["caller"])}, ("story",)),
        "legs": [_starred(one, NUMBERS_IN) for one in legs],
        "heard": talks,
        "events": [_starred(one, ("data",)) for one in happened],
        "gaps": [_gap(one) for one in gaps],
    }


def _gap(one: Gap) -> Document:
    return {
        "channel_id": one.channel_id,
        "party": one.party.value,
        "from_at": one.from_at,
        "until_at": one.until_at,
        "cause": one.cause.value,
    }


def _starred(row: Document, names: Iterable[str]) -> Document:
    return row | {name: _star(row[name]) for name in names}


def _star(value: Any) -> Any:
    """The value with the long numbers in its texts starred."""
    if isinstance(value, dict):
        return {key: _star(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_star(item) for item in value]
    return mask_text(value) if isinstance(value, str) else value


async def transcripts_of(tx: AsyncConnection, call_id: CallId) -> list[Document]:
    """What was said, by every model that read it; long numbers starred."""
    heads = await _rows(tx, recorded.transcript, "call_id", call_id, "id")
    return [
        head | {"lines": [_line(one) for one in await _rows(tx, recorded.transcript_line, *_of(head), "seq")]}
        for head in heads
    ]


def _of(head: Document) -> tuple[str, int]:
    return "transcript_id", int(head["id"])


def _line(row: Document) -> Document:
    words = [Word(one["word"], one["start_s"], one["end_s"], one["conf"]) for one in row["words"]]
    shown = [
        {"word": one.text, "start_s": one.start_s, "end_s": one.end_s, "conf": one.conf} for one in masked_words(words)
    ]
    return row | {"text": mask_text(row["text"]), "words": shown}


# ---- messages ----------------------------------------------------------------------------------------------------


async def messages(tx: AsyncConnection, ticket_id: TicketId, surveys: Sequence[int]) -> list[Document]:
    """Short messages of the ticket with their receipts, and the answers to its surveys, in order of time."""
    out = []
    for row in await _rows(tx, sms.sms_message, "ticket_id", ticket_id, "id"):
        receipts = await _rows(tx, sms.sms_receipt, "message_key", row["key"], "dlr_type")
        out.append({"way": "out", "to": await _masked(tx, row.pop("identity_id")), **row, "receipts": receipts})
    query = select(sms.sms_inbound).where(sms.sms_inbound.c.survey_id.in_(surveys)).order_by(sms.sms_inbound.c.id)
    for found in (await tx.execute(query)).mappings():
        out.append(await _inbound(tx, found))
    return [
        _starred(one, ("body",)) for one in sorted(out, key=lambda one: one.get("created_at") or one["received_at"])
    ]


async def _inbound(tx: AsyncConnection, found: RowMapping) -> Document:
    row = dict(found)
    return {"way": "in", "from": await _masked(tx, row.pop("identity_id")), **row}


async def _masked(tx: AsyncConnection, who: int) -> str:
    query = select(hub.identity.c.masked).where(hub.identity.c.id == who)
    return (await tx.execute(query)).scalar_one_or_none() or ""
