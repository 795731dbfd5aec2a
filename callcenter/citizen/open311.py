"""Open311 GeoReport v2: what can be reported, requests from partners with a key, and the requests that are public.

Source: wiki.open311.org/GeoReport_v2. Public is only what a reviewer has approved for publication, with numbers in
its texts masked; nothing says who asked.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import Any
from xml.etree import ElementTree as xml

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import handling_unit
from callcenter.types import TicketId
from ticketing import tables
from ticketing.aftercare.citizen_view import NEXT_STEPS
from ticketing.aftercare.confidentiality import PUBLIC
from ticketing.prefill.data import Subject
from ticketing.prefill.masks import mask_text
from ticketing.words import STATE_NAMES, State

MOST = 1000
"""Requests in an answer; GeoReport asks for at most 1000."""
OPEN, CLOSED = "open", "closed"
ENDED = frozenset({State.CLOSED, State.ARCHIVED, State.TERMINATED, State.REJECTED, State.REFERRED, State.WITHDRAWN})
_ticket = tables.ticket

Shown = Mapping[str, str | bool | None]


@dataclass(frozen=True, slots=True)
class Keys:
    """Partners who may post: name -> SHA-256 of their key."""

    digests: Mapping[str, bytes]

    def holder(self, key: str) -> str | None:
        """Whose key it is. Every one is compared, so that the time says nothing."""
        given = hashlib.sha256(key.encode(errors="surrogateescape")).digest()
        found = [name for name, digest in self.digests.items() if compare_digest(digest, given)]
        return found[0] if found else None


def keys_of(plain: Mapping[str, str]) -> Keys:
    """Keys by partner as the settings hold them."""
    return Keys({name: hashlib.sha256(key.encode()).digest() for name, key in plain.items()})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which public requests. Times aware; None: any."""

    ids: tuple[str, ...] = ()
    service_code: str = ""
    since: datetime | None = None
    until: datetime | None = None
    status: str = ""


def service(subject: Subject, groups: Mapping[str, str]) -> Shown:
    """One kind of request."""
    return {
        "service_code": subject.code,
        "service_name": subject.name,
        "description": "、".join(subject.keywords[:6]),
        "metadata": False,
        "type": "realtime",
        "keywords": ",".join(subject.keywords[:12]),
        "group": groups.get(subject.parent, subject.parent),
    }


async def requests(tx: AsyncConnection, wanted: Wanted, subjects: Sequence[Subject]) -> list[Shown]:
    """Public requests, newest first."""
    names = {one.code: one.name for one in subjects}
    return [_request(row, names) for row in (await tx.execute(_query(wanted))).all()]


def _query(wanted: Wanted) -> Select[Any]:
    joined = _ticket.outerjoin(handling_unit, handling_unit.c.id == _ticket.c.lead_unit)
    query = select(_ticket, handling_unit.c.name.label("agency")).select_from(joined)
    query = query.where(_ticket.c.publication == PUBLIC).order_by(_ticket.c.created_at.desc()).limit(MOST)
    if wanted.ids:
        return query.where(_ticket.c.id.in_(wanted.ids))
    if wanted.service_code:
        query = query.where(_ticket.c.subject == wanted.service_code)
    if wanted.since is not None:
        query = query.where(_ticket.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(_ticket.c.created_at <= wanted.until)
    if wanted.status:
        ended = _ticket.c.state.in_(sorted(ENDED))
        query = query.where(ended if wanted.status == CLOSED else ~ended)
    return query


def _request(row: Any, names: Mapping[str, str]) -> Shown:
    state = State(row.state)
    return {
        "service_request_id": TicketId(row.id),
        "status": CLOSED if state in ENDED else OPEN,
        "status_notes": f"{STATE_NAMES[state]}。{NEXT_STEPS.get(state, '')}".rstrip("。") + "。",
        "service_name": names.get(row.subject, row.request_type),
        "service_code": row.subject if row.subject in names else "",
        "description": mask_text(f"{row.title}\n{row.content}".strip()),
        "agency_responsible": row.agency or "",
        "service_notice": "",
        "requested_datetime": row.created_at.isoformat(),
        "updated_datetime": row.updated_at.isoformat(),
        "expected_datetime": "",
        "address": mask_text(row.place),
        "address_id": "",
        "zipcode": "",
        "lat": "",
        "long": "",
        "media_url": "",
    }


def as_xml(root: str, item: str, rows: Sequence[Shown]) -> bytes:
    """Rows as GeoReport's XML."""
    top = xml.Element(root)
    for row in rows:
        one = xml.SubElement(top, item)
        for name, value in row.items():
            xml.SubElement(one, name).text = str(value).lower() if isinstance(value, bool) else value
    return bytes(xml.tostring(top, encoding="utf-8", xml_declaration=True))
