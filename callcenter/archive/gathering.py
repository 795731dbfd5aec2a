"""Everything one package will hold, as files by name, and the sealed files that are still to be copied."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.archive import contents
from callcenter.archive.contents import Document
from callcenter.attachments import cabinet
from callcenter.attachments import rows as attached
from callcenter.attachments.words import Attachment
from callcenter.types import CallId, TicketId
from callcenter.web.ticket_views import basis_of
from recordings import store as recording_store
from recordings.custody.custody import SUFFIX, Custody, WrappedKey, key_path
from recordings.custody.sidecar import sidecar
from recordings.custody.tables import recording_object
from recordings.recording import SETTLED, Recording, State
from ticketing import tables
from ticketing.aftercare.archive_numbers import Week, week_of
from ticketing.aftercare.confidentiality import is_secret
from ticketing.aftercare.ticket_file import ticket_file
from ticketing.policy import Policy, Rules
from ticketing.rules import Basis
from ticketing.store import load

FORMAT = "callcenter-ticket-package/1"
CALLS_KIND = "电话记录"
"""The kind of material that has the recordings with it, where a policy wants it kept."""
NAMED = {"approval": "approvals.json", "ticket_supervision": "supervisions.json"}
"""Tables with a file name of their own; the others lie in `records/`, replies one by one in `replies/`."""


class RecordingsNotStored(Exception):
    """A recording of the ticket's call is not in the store yet; the package waits for it."""

    retryable = True


class AttachmentNotStored(Exception):
    """A file of the ticket is not in the store, as its row says; the package waits for a person to look."""

    retryable = True


class NotArchived(LookupError):
    """This round of the ticket was never archived; there is nothing to make a package of."""

    retryable = False


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed recording or attachment to copy from the store, byte for byte. target: its place under `data`."""

    name: UUID
    path: str
    size_bytes: int
    sha256: str
    target: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """What goes into one package. documents: file name under `data` -> its bytes. week: of the archiving."""

    ticket: TicketId
    round: int
    number: str
    week: Week
    archived_at: datetime
    documents: Mapping[str, bytes]
    sealed: tuple[Sealed, ...]

    @property
    def name(self) -> str:
        """Of the folder and, with `.tar`, of the file."""
        return f"{self.ticket}-r{self.round}"


async def gather(tx: AsyncConnection, rules: Rules, ticket_id: TicketId, round_: int) -> Gathered:
    """All there is about this round of a ticket. Raises NotArchived, RecordingsNotStored, AttachmentNotStored."""
    table = tables.ticket_archive
    query = select(table).where(table.c.ticket_id == ticket_id, table.c.round == round_)
    row = (await tx.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotArchived(f"{ticket_id}, round {round_}")
    ticket = await load(tx, ticket_id)
    policy = rules.of(ticket.policy_id, ticket.policy_version)
    head = await contents.ticket_row(tx, ticket_id)
    chain = await contents.events(tx, ticket_id, row["events"])
    calls = await contents.calls_of(tx, head, chain)
    kept, sealed = await _recordings(tx, calls) if CALLS_KIND in policy.archive.package else ({}, ())
    given, files = await _attachments(tx, ticket_id)
    file = await ticket_file(tx, ticket, policy)
    week = week_of(row["archived_at"])
    archive = _archive(dict(row), policy) | {
        "week": f"{week.iso_year}-W{week.iso_week:02d}",
        "kinds": [{"kind": kind, "count": count} for kind, count in file.kinds],
        "recordings": [str(one.name) for one in sealed],
        "attachments": [str(one.name) for one in files],
        "secret": is_secret(ticket),
    }
    archive |= {"summary": _summary(head, archive)}
    documents = {"archive.json": archive, "ticket.json": head, **kept, **await _records(tx, ticket_id, policy)}
    documents |= given | await _calls(tx, calls)
    lines = {
        "events.jsonl": chain,
        "sms.jsonl": await contents.messages(tx, ticket_id, await _surveys(tx, ticket_id)),
    }
    return Gathered(
        ticket=ticket_id,
        round=round_,
        number=row["number"] or "",
        week=week,
        archived_at=row["archived_at"],
        documents={name: _json(value) for name, value in documents.items()}
        | {name: b"".join(_line(one) for one in value) for name, value in lines.items()},
        sealed=(*sealed, *files),
    )


def _archive(row: Document, policy: Policy) -> Document:
    """The archive's own row, whose manifest has the checksum of every table when it was archived; and under what."""
    numbering = policy.numbering
    regulation = {
        "id": policy.id,
        "version": policy.version,
        "title": policy.title,
        "region": policy.region,
        "effective_from": policy.effective_from,
        "digest": policy.digest,
        "basis": {
            "policy": _basis(policy.basis),
            "archive": _basis(policy.archive.basis),
            "numbering": _basis(numbering.basis) if numbering else None,
        },
    }
    return {"format": FORMAT, **row, "policy": regulation}


def _basis(basis: Basis) -> Document:
    return {"clauses": list(basis.clauses), "articles": list(basis.articles), "partly_ours": basis.partly_ours}


def _summary(head: Document, archive: Document) -> Document:
    """What a reader of many packages looks for; nothing of the citizen, nothing they wrote."""
    names = ("state", "request_type", "source", "subject", "urgent", "lead_unit", "rating")
    times = ("created_at", "registered_at", "closed_at")
    plain = {name: head[name] for name in names if name in head}
    return {
        **plain,
        **{name: head[name].isoformat() if head[name] else None for name in times},
        "policy": f"{archive['policy']['id']}@{archive['policy']['version']}",
        "secret": archive["secret"],
        "recordings": len(archive["recordings"]),
        "attachments": len(archive["attachments"]),
    }


async def _records(tx: AsyncConnection, ticket_id: TicketId, policy: Policy) -> dict[str, Any]:
    found = await contents.rows_of_ticket(tx, ticket_id)
    for due in found.get("ticket_deadline", ()):
        due["basis"] = basis_of(policy, due["rule"])
    documents: dict[str, Any] = {f"replies/{one['seq']:04d}.json": one for one in found.pop("ticket_reply", ())}
    return documents | {NAMED.get(name, f"records/{name}.json"): rows for name, rows in found.items()}


async def _surveys(tx: AsyncConnection, ticket_id: TicketId) -> list[int]:
    table = tables.ticket_survey
    return list((await tx.execute(select(table.c.id).where(table.c.ticket_id == ticket_id))).scalars())


async def _calls(tx: AsyncConnection, calls: list[CallId]) -> dict[str, Any]:
    documents: dict[str, Any] = {}
    for call_id in calls:
        documents[f"calls/{call_id}.json"] = await contents.call_document(tx, call_id)
        for number, transcript in enumerate(await contents.transcripts_of(tx, call_id), 1):
            documents[f"transcripts/{call_id}-{number}.json"] = transcript
    return documents


async def _recordings(tx: AsyncConnection, calls: list[CallId]) -> tuple[dict[str, Any], tuple[Sealed, ...]]:
    """What is known of every recording, and those that have audio. Raises RecordingsNotStored."""
    documents: dict[str, Any] = {}
    sealed: list[Sealed] = []
    for one in await recording_store.recordings_of(tx, calls):
        table = recording_object
        row = (await tx.execute(select(table).where(table.c.recording_id == one.id))).mappings().one_or_none()
        custody = Custody(row["custody"]) if row else None
        if _waits(one, custody):
            raise RecordingsNotStored(f"recording {one.id} of call {one.call_id} is {custody or one.state}")
        name = f"{row['name']}.json" if row and custody is not Custody.DELETED else f"{one.id}-without-audio.json"
        documents[f"recordings/{name}"] = {"recording": _recording(one), "object": _object(dict(row)) if row else None}
        if row and custody in (Custody.STORED, Custody.RECYCLED):
            place = f"recordings/{row['name']}{SUFFIX}"
            sealed.append(Sealed(row["name"], row["path"], row["sealed_bytes"], row["sealed_sha256"], place))
            key = WrappedKey(row["key_id"], bytes(row["wrapped_key"]))
            # Where a rotation leaves it, so that the file opens by itself: see recordings.custody.sidecar.
            documents[key_path(place, key.key_id)] = sidecar(row["name"], key)
    return documents, tuple(sealed)


async def _attachments(tx: AsyncConnection, ticket_id: TicketId) -> tuple[dict[str, Any], tuple[Sealed, ...]]:
    """The files of the ticket with who gave them for what. Raises AttachmentNotStored."""
    of_object: dict[int, list[Attachment]] = {}
    for one in await attached.of_ticket(tx, ticket_id, citizens=True):
        of_object.setdefault(one.object_id, []).append(one)
    documents: dict[str, Any] = {}
    sealed: list[Sealed] = []
    for object_id, given in of_object.items():
        laid = await attached.laid(tx, object_id)
        if laid is None:
            raise AttachmentNotStored(f"attachment {given[0].id} of ticket {ticket_id}")
        documents[f"attachments/{laid.name}.json"] = {"files": [_given(one) for one in given], "object": _laid(laid)}
        place = f"attachments/{laid.name}{cabinet.SUFFIX}"
        sealed.append(Sealed(laid.name, laid.path, laid.sealed.sealed_bytes, laid.sealed.sealed_sha256, place))
    return documents, tuple(sealed)


def _given(one: Attachment) -> Document:
    return {name: getattr(one, name) for name in one.__dataclass_fields__ if name not in ("object_id", "removed_at")}


def _laid(laid: cabinet.Laid) -> Document:
    sealed = laid.sealed
    return {
        "name": laid.name,
        "sha256": laid.sha256,
        "cipher": sealed.cipher,
        "sealed_bytes": sealed.sealed_bytes,
        "sealed_sha256": sealed.sealed_sha256,
        "key_id": sealed.key.key_id,
        "wrapped_key": base64.b64encode(sealed.key.wrapped).decode(),
    }


def _waits(one: Recording, custody: Custody | None) -> bool:
    """Whether its audio is still on its way; a gap row accounts for what is missing."""
    if custody in (Custody.STORED, Custody.RECYCLED, Custody.DELETED):
        return False
    return one.state not in SETTLED or one.state is not State.MISSING


def _recording(one: Recording) -> Document:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def _object(row: Document) -> Document:
    """What the store knows: hashes, and the file's key as it is wrapped now, without which a rotated key opens nothing.

    Where it lies and when it was last looked at is the store's business.
    """
    named = {name: value for name, value in row.items() if name not in ("path", "wrapped_key", "peaks", "checked_at")}
    binary = {name: base64.b64encode(bytes(row[name])).decode() for name in ("wrapped_key", "peaks") if row[name]}
    return named | binary


def _json(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return (json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, default=_text) + "\n").encode()


def _line(value: object) -> bytes:
    # A chain is hashed over this very spelling (ticketing.store.canonical); a line break in a text is escaped in JSON.
    return (json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_text) + "\n").encode()


def _text(value: object) -> str:
    if isinstance(value, datetime | date):
        return _iso(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"no JSON spelling for {type(value).__name__}")


def _iso(value: datetime | date) -> str:
    # As the chain spells it: always UTC.
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value.isoformat()
