"""The address of a rating page: it names a ticket and a round, and proves that we wrote it. Nothing is stored."""

import hmac
import re

from callcenter.types import TicketId
from callcenter.vault import Vault

_LINK = re.compile(r"([0-9]{14})-([0-9]{1,3})-([0-9a-f]{24})")


def link_of(vault: Vault, ticket: TicketId, round_: int) -> str:
    """The part of the address that names and proves: `<ticket>-<round>-<mac>`."""
    mac = hmac.digest(vault.derived(b"rating link"), f"{ticket}-{round_}".encode(), "sha256").hex()[:24]
    return f"{ticket}-{round_}-{mac}"


def named_by(vault: Vault, link: str) -> tuple[TicketId, int] | None:
    """Ticket and round of a link of ours; None for any other."""
    found = _LINK.fullmatch(link)
    if found is None:
        return None
    ticket, round_ = TicketId(found[1]), int(found[2])
    return (ticket, round_) if hmac.compare_digest(link, link_of(vault, ticket, round_)) else None
