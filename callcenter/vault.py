"""The identity vault: who the citizen is lives here, encrypted; everything else holds only an IdentityId.

A number is sealed with AES-256-GCM (NIST SP 800-38D) under a key derived from the vault key, and found again by
HMAC-SHA256. Every reveal to a person has a purpose and an audit row in the same transaction; masked is the
default. The inward use (sending an SMS, calling back) takes `number_of` and leaves no number behind.

Source: GZ-020 (电子存档的保密措施).
"""

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.audit import Audited, note
from callcenter.tables import identity
from callcenter.types import Actor, IdentityId, PhoneNumber, TicketId

NONCE_BYTES = 12


class VaultKeyWrong(Exception):
    """The vault key does not open what was sealed: CALLCENTER_VAULT_KEY is not the key of this database."""


class VaultKeyMalformed(ValueError):
    """CALLCENTER_VAULT_KEY must be 64 hex digits (32 random bytes)."""


class IdentityUnknown(LookupError):
    """No such identity in the vault."""


class Vault:
    """Seals and finds numbers. `key`: 64 hex digits."""

    def __init__(self, key: str) -> None:
        try:
            raw = bytes.fromhex(key)
        except ValueError:
            raise VaultKeyMalformed from None
        if len(raw) != 32:
            raise VaultKeyMalformed
        self._index_key = hashlib.sha256(b"callcenter/vault/index" + raw).digest()
        self._code_key = hashlib.sha256(b"callcenter/vault/code" + raw).digest()
        self._seal = AESGCM(hashlib.sha256(b"callcenter/vault/seal" + raw).digest())
        self._derive_key = hashlib.sha256(b"callcenter/vault/derive" + raw).digest()

    def derived(self, purpose: bytes) -> bytes:
        """A secret of 32 bytes for another purpose; nothing of the vault can be read from it."""
        return hmac.digest(self._derive_key, purpose, "sha256")

    def citizen_code(self, ticket: TicketId) -> str:
        """Eight digits that open a ticket's progress to who got them by message; nothing is stored."""
        mac = hmac.new(self._code_key, ticket.encode(), hashlib.sha256).digest()
        return f"{int.from_bytes(mac[:8], 'big') % 10**8:08d}"

    def index(self, number: PhoneNumber) -> bytes:
        """The blind index of a number: equal numbers give equal bytes, nothing else can be read from it."""
        return hmac.digest(self._index_key, number.digits.encode(), "sha256")

    async def identity_of(self, tx: AsyncConnection, number: PhoneNumber) -> IdentityId:
        """The identity of a number, made when it is new."""
        index = self.index(number)
        query = select(identity.c.id).where(identity.c.number_index == index)
        known = (await tx.execute(query)).scalar_one_or_none()
        if known is not None:
            return IdentityId(known)
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._seal.encrypt(nonce, number.digits.encode(), index)
        made = insert(identity).values(number_index=index, number_sealed=sealed, masked=number.masked)
        await tx.execute(made.on_conflict_do_nothing())
        return IdentityId((await tx.execute(query)).scalar_one())

    async def number_of(self, tx: AsyncConnection, who: IdentityId) -> PhoneNumber:
        """The number itself, for the system's own use. Raises IdentityUnknown, VaultKeyWrong."""
        query = select(identity.c.number_index, identity.c.number_sealed).where(identity.c.id == who)
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise IdentityUnknown(who)
        sealed = bytes(row.number_sealed)
        try:
            digits = self._seal.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bytes(row.number_index))
        except InvalidTag:
            raise VaultKeyWrong from None
        return PhoneNumber(digits.decode())

    async def reveal(self, tx: AsyncConnection, who: IdentityId, *, actor: Actor, purpose: str) -> PhoneNumber:
        """The number, shown to a person; the audit row says who saw it and why."""
        number = await self.number_of(tx, who)
        await note(tx, Audited(actor, "identity.reveal", f"identity:{who}", detail={"purpose": purpose}))
        return number


async def masked_of(tx: AsyncConnection, who: IdentityId | None) -> str:
    """`138****1234`, or `` for nobody."""
    if who is None:
        return ""
    found = await tx.execute(select(identity.c.masked).where(identity.c.id == who))
    return found.scalar_one_or_none() or ""
