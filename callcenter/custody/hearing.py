"""Who may hear a call, and when they must say why.

Hearing a call is reading its ticket with the citizen's own voice: whoever may not read the ticket does not hear the
call either. Source: GZ-055, LS-096, WX-031, MC-048.
"""

from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.custody.tickets_of_calls import tickets_of
from callcenter.tables import call, leg
from callcenter.types import Actor, AgentId, CallId, Party, Role, TicketId
from ticketing import store
from ticketing.aftercare.confidentiality import is_secret
from ticketing.aftercare.hearing_rules import SILENT, HearingRules
from ticketing.policy import Rules
from ticketing.record import NotYours, Ticket, TicketNotFound

HEARS_ALL = frozenset({Role.REVIEWER, Role.SUPERVISOR, Role.AUDITOR})


@dataclass(frozen=True, slots=True)
class Listener:
    """A signed-in person. extension: the telephone they answer with, None without one."""

    actor: Actor
    extension: AgentId | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A call this person may hear. tickets: what it was about; rules: of those tickets' policies, else today's."""

    call_id: CallId
    tickets: tuple[Ticket, ...]
    rules: tuple[HearingRules, ...]

    @property
    def secret(self) -> bool:
        """Whether a copy needs a second person."""
        return any(is_secret(ticket) for ticket in self.tickets)

    def asks_why(self, actor: Actor) -> bool:
        """Whether this person must say why they listen."""
        return any(
            actor.roles & one.reason_roles
            or any(
                ticket.request_type in one.reason_types
                or ticket.flags & one.reason_flags
                or (ticket.confidential and one.reason_confidential)
                for ticket in self.tickets
            )
            for one in self.rules
        )


async def hearable(tx: AsyncConnection, call_id: str, listener: Listener, rules: Rules) -> Heard | None:
    """The call, if this person may hear it; None if not, and for one that does not exist."""
    row = (await tx.execute(select(call.c.id, call.c.agent_id).where(call.c.id == call_id))).one_or_none()
    if row is None:
        return None
    tickets = await _tickets(tx, CallId(call_id), listener.actor)
    if tickets is None:
        return None
    found = Heard(CallId(call_id), tickets, _rules(tickets, rules))
    if listener.actor.roles & HEARS_ALL or await _took_part(tx, call_id, row.agent_id, listener):
        return found
    return found if _of_their_unit(found, listener.actor) else None


async def _tickets(tx: AsyncConnection, call_id: CallId, actor: Actor) -> tuple[Ticket, ...] | None:
    """The tickets of a call; None when there is one that this person may not read."""
    ids: list[str] = list((await tx.execute(tickets_of(call_id))).scalars())
    try:
        unit = store.unit_scope(actor)
        found = [await store.load(tx, TicketId(one), unit=unit, viewer=actor) for one in ids]
    except (TicketNotFound, NotYours):
        return None
    return tuple(found)


def _rules(tickets: tuple[Ticket, ...], rules: Rules) -> tuple[HearingRules, ...]:
    policies = [rules.of(one.policy_id, one.policy_version) for one in tickets] or [rules.policies[-1]]
    return tuple(policy.hearing or SILENT for policy in policies)


async def _took_part(tx: AsyncConnection, call_id: str, agent: str | None, listener: Listener) -> bool:
    if Role.AGENT not in listener.actor.roles or listener.extension is None:
        return False
    own = exists().where(leg.c.call_id == call_id, leg.c.party == Party.AGENT, leg.c.who == listener.extension)
    return agent == listener.extension or bool((await tx.execute(select(own))).scalar_one())


def _of_their_unit(found: Heard, actor: Actor) -> bool:
    """A unit hears only what the policy lets it, and never who is to stay unknown to it."""
    return bool(found.tickets) and all(
        rule.unit_listens and actor.unit is not None and ticket.lead_unit == actor.unit and not ticket.confidential
        for ticket, rule in zip(found.tickets, found.rules, strict=True)
    )
