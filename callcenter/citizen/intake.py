"""A request written on the public page: kept until the code sent to its telephone comes back, then a draft ticket.

Without the code anybody could complain in another's name and have surveys sent to a stranger's telephone. Nothing of
a request is shown to staff before it is confirmed; what is not confirmed within the half hour goes after a day.
"""

import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.citizen.tables import web_request
from callcenter.flow_tickets import Ground
from callcenter.sms import service as sms
from callcenter.sms.message import Purpose
from callcenter.sms.texts import web_code_text
from callcenter.types import Actor, IdentityId, PhoneNumber, TicketId
from callcenter.vault import Vault
from ticketing import service
from ticketing.commands import Changes, Edit
from ticketing.facts import Fact

CODE_LASTS = timedelta(minutes=30)
KEPT = timedelta(days=1)
TRIES = 5
WITHIN = timedelta(hours=1)
MOST_A_NUMBER, MOST_AN_ADDRESS = 3, 20
"""Codes within the hour to one telephone, and from one address of the network (an office shares one)."""
WRITER = Actor("citizen", "web")
"""Fills in the draft; a person at the desk registers it."""


class TooManyCodes(Exception):
    """提交过于频繁，请一小时后再试，或直接拨打12345。已填写的内容没有提交。"""


class WrongCode(Exception):
    """验证码不正确或已过期。请核对短信中的验证码；多次输错后请重新提交，或拨打12345。"""


@dataclass(frozen=True, slots=True)
class Written:
    """What a citizen wrote, checked by the page: names of ticketing.commands.Changes."""

    request_type: str
    title: str
    content: str
    place: str
    occurred: str = ""
    contact_name: str = ""
    subject: str = ""
    confidential: bool = False

    def changes(self) -> Changes:
        """As ticketing takes it; what was left empty stays as it is."""
        return Changes(
            request_type=self.request_type,
            title=self.title,
            content=self.content,
            place=self.place,
            occurred=self.occurred or None,
            contact_name=self.contact_name or None,
            subject=self.subject or None,
            confidential=self.confidential or None,
        )


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ticket a request became. facts: to be told."""

    ticket: TicketId
    facts: tuple[Fact, ...]


def _token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _sealed(vault: Vault, purpose: bytes, text: str) -> bytes:
    return hmac.digest(vault.derived(purpose), text.encode(errors="surrogateescape"), "sha256")


async def begin(
    tx: AsyncConnection, ground: Ground, phone: PhoneNumber, written: Written, *, address: str, now: datetime
) -> str:
    """Keep what was written and send the code. Returns the token that names it. Raises TooManyCodes.

    address: where it came from, kept as a keyed hash only.
    """
    token, code = secrets.token_urlsafe(24), f"{secrets.randbelow(10**6):06d}"
    who = await ground.vault.identity_of(tx, phone)
    came_from = _sealed(ground.vault, b"web address", address)
    await _refuse_a_flood(tx, who, came_from, now)
    row = {
        "token_hash": _token_hash(token),
        "identity_id": who,
        "fields": asdict(written),
        "code_hash": _sealed(ground.vault, b"web code", f"{token}:{code}"),
        "from_hash": came_from,
        "created_at": now,
        "expires_at": now + CODE_LASTS,
    }
    await tx.execute(insert(web_request).values(**row))
    # An ack: it answers what this person has just done, at any hour, also after "no more messages".
    key = f"webcode:{_token_hash(token).hex()[:32]}"
    message = sms.NewMessage(key, who, Purpose.ACK, web_code_text(ground.texts, code=code), expires_at=now + CODE_LASTS)
    await sms.queue_message(tx, message, now=now, hours=ground.hours)
    return token


async def _refuse_a_flood(tx: AsyncConnection, who: IdentityId, came_from: bytes, now: datetime) -> None:
    lately = web_request.c.created_at > now - WITHIN
    for same, most in (
        (web_request.c.identity_id == who, MOST_A_NUMBER),
        (web_request.c.from_hash == came_from, MOST_AN_ADDRESS),
    ):
        if (await tx.execute(select(func.count()).where(same, lately))).scalar_one() >= most:
            raise TooManyCodes


async def confirm(tx: AsyncConnection, ground: Ground, token: str, code: str, now: datetime) -> Confirmed | None:
    """The ticket a confirmed request becomes, once, however often it is asked for; None: the code is not right.

    A wrong try is counted in this transaction, which therefore must be committed.
    """
    known = select(web_request).where(web_request.c.token_hash == _token_hash(token)).with_for_update()
    row = (await tx.execute(known)).one_or_none()
    if row is None or row.expires_at < now or row.tries >= TRIES:
        return None
    if not hmac.compare_digest(bytes(row.code_hash), _sealed(ground.vault, b"web code", f"{token}:{code}")):
        counted = update(web_request).where(web_request.c.token_hash == row.token_hash)
        await tx.execute(counted.values(tries=web_request.c.tries + 1))
        return None
    if row.ticket_id is not None:
        return Confirmed(TicketId(row.ticket_id), ())
    made = await make_ticket(
        tx, ground, IdentityId(row.identity_id), Written(**row.fields), f"web:{row.token_hash.hex()}", now
    )
    done = update(web_request).where(web_request.c.token_hash == row.token_hash)
    await tx.execute(done.values(ticket_id=made.ticket, fields={}))
    return made


async def make_ticket(
    tx: AsyncConnection, ground: Ground, who: IdentityId, written: Written, key: str, now: datetime
) -> Confirmed:
    """A draft with these fields, for a person to register. key: opens one ticket ever."""
    opened = await service.open_draft(
        tx, actor=WRITER, now=now, rules=ground.rules, requester=who, source=source_of(ground, now), key=key
    )
    if not opened.facts:
        return Confirmed(opened.ticket.id, ())
    edit = Edit(written.changes())
    edited = await service.carry_out(tx, opened.ticket.id, edit, actor=WRITER, now=now, rules=ground.rules)
    return Confirmed(opened.ticket.id, opened.facts + edited.facts)


def source_of(ground: Ground, now: datetime) -> str:
    """What the regulation calls the web as a source; its last word when it names none."""
    sources = ground.rules.at(now).sources
    return next((one for one in sources if "网" in one), sources[-1])


async def forget(tx: AsyncConnection, now: datetime) -> int:
    """Remove what was kept a day. Returns how many."""
    gone = await tx.execute(delete(web_request).where(web_request.c.created_at < now - KEPT))
    return gone.rowcount
