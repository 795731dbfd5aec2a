"""What the platform above is told of its tickets, fact by fact: accepted, dispatched, asked, answered, rated, closed.

Only words about the matter go up. Who the citizen is the platform knows itself; nothing is taken from the vault.
A ticket of our own goes up in three cases only, each with its clause in the policy: handed up because it is not for
us (GZ-010), pushed because it is supervised (GZ-037), to be cancelled after a termination was signed (MC-035).
Published bulletins are pushed as well (GZ-037).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import upstream_outbox
from callcenter.reports.figures import as_json, of_json
from callcenter.tables import handling_unit
from callcenter.types import TicketId, UnitId
from callcenter.upstream_outbox import Message
from ticketing import facts, store, tables, upstream
from ticketing.appraisal import reports_store
from ticketing.appraisal.reports import public_view
from ticketing.appraisal.reports_store import Run
from ticketing.approvals.approvals import ApprovalSigned
from ticketing.approvals.signing import Gate, SignerKind
from ticketing.approvals.termination import TicketTerminated
from ticketing.clocks import DeadlineKind
from ticketing.dispatch.assists import AssistRefused, OpinionGiven, ProgressReported
from ticketing.exchange_rules import ExchangeRules
from ticketing.facts import Fact
from ticketing.policy import Policy, Rules
from ticketing.record import Ticket
from ticketing.supervision.supervision import SupervisionOpened
from ticketing.words import STATE_NAMES, Event

Data = dict[str, Any]
NO_TICKET = TicketId("")


@dataclass(frozen=True, slots=True)
class Telling:
    """One ticket, one fact."""

    tx: AsyncConnection
    ticket: Ticket
    policy: Policy
    fact: Any


Contents = Callable[[Telling], Awaitable[Data | None]]
"""What is told beside the state; None: this time nothing."""
Ours = Callable[[Telling, ExchangeRules], bool]
"""Whether the platform is told although the ticket is not its own."""


def _never(_: Telling, __: ExchangeRules) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Word:
    """How a fact is told. final: with it the result is reported, the duty of LS-018, LS-054 and SQ-003 is met."""

    kind: str
    contents: Contents
    final: bool = False
    ours: Ours = _never


async def tell(tx: AsyncConnection, rules: Rules, told: Iterable[Fact], now: datetime, *, connected: bool) -> None:
    """Queue what the platform is to hear. connected: one is; without it only its own tickets' messages are kept."""
    for fact in told:
        word = WORDS.get(type(fact))
        if word is None:
            continue
        ticket = await store.load(tx, fact.ticket_id)
        policy = rules.of(ticket.policy_id, ticket.policy_version)
        telling = Telling(tx, ticket, policy, fact)
        link = await upstream.link_of(tx, fact.ticket_id)
        ours = connected and policy.exchange is not None and word.ours(telling, policy.exchange)
        if link is None and not ours:
            continue
        data = await word.contents(telling)
        if data is None:
            continue
        where = {"state": ticket.state, "state_name": STATE_NAMES[ticket.state]}
        key = f"{ticket.id}:{word.kind}:{ticket.version}"
        external = link.external_id if link else None
        await upstream_outbox.tell(tx, Message(key, word.kind, ticket.id, external, fact.round, where | data, now))
        if word.final:
            await upstream.fed_back(tx, ticket.id, now)
        elif isinstance(fact, facts.ReworkOrdered):
            await upstream.owed(tx, ticket.id)


async def asked_above(tx: AsyncConnection, ticket: Ticket, rules: Rules) -> bool:
    """Whether the platform asks the citizen, so that we do not. Source: LS-064."""
    exchange = rules.of(ticket.policy_id, ticket.policy_version).exchange
    if exchange is None or not exchange.surveyed_above(ticket.source):
        return False
    return await upstream.link_of(tx, ticket.id) is not None


async def bulletin(tx: AsyncConnection, rules: Rules, run: Run, now: datetime, *, connected: bool) -> None:
    """A published report is pushed, its public side alone, where the policy says so. Source: GZ-037 (月度通报)."""
    policy = rules.at(now)
    definition = policy.reports.definition(run.definition) if policy.reports else None
    pushed = policy.exchange is not None and policy.exchange.supervision is not None
    if not (connected and pushed and definition is not None and policy.reports is not None):
        return
    figures = public_view(of_json(await reports_store.figures_of(tx, run.id)), policy.reports.hot)
    data = {
        "title": definition.title,
        "term": run.term,
        "revision": run.revision,
        "sent_to": list(definition.sent_to),
        "figures": as_json(figures),
    }
    await upstream_outbox.tell(tx, Message(f"report:{run.id}:bulletin", "bulletin", NO_TICKET, None, 1, data, now))


# ---- contents -----------------------------------------------------------------------------------------------------


def _said(*names: str) -> Contents:
    """These attributes of the fact, as they are."""

    async def contents(told: Telling) -> Data:
        return {name: _plain(getattr(told.fact, name)) for name in names}

    return contents


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


async def _accepted(told: Telling) -> Data:
    return {"registered_at": _plain(told.fact.at), "request_type": told.ticket.request_type}


async def _rejected(told: Telling) -> Data:
    reason = told.policy.reject_reason(told.fact.code)
    label = {"label": reason.label, "basis": str(reason.basis)} if reason else {}
    return {"code": told.fact.code, "text": told.fact.text} | label


async def _referred(told: Telling) -> Data:
    ticket, target = told.ticket, told.fact.target
    matter = {"request_type": ticket.request_type, "title": ticket.title, "content": ticket.content}
    return {"target": target, "place": ticket.place} | matter


def _for_the_platform(told: Telling, exchange: ExchangeRules) -> bool:
    return exchange.referrals is not None and told.policy.upstream.platform in told.fact.target


async def _dispatched(told: Telling) -> Data:
    fact, due = told.fact, told.ticket.due(DeadlineKind.HANDLE)
    named = await _names(told.tx, (fact.lead, *fact.assists))
    return {
        "lead": named[fact.lead],
        "assists": [named[unit] for unit in fact.assists],
        "handle_due_at": _plain(due.deadline.due_at) if due else None,
    }


async def _returned(told: Telling) -> Data:
    return {"unit": (await _names(told.tx, (told.fact.unit,)))[told.fact.unit]}


async def _extension_asked(told: Telling) -> Data:
    """extension: what the platform's decision names. clock: what `amount` counts."""
    table = tables.ticket_extension
    query = select(table.c.id, table.c.amount, table.c.reason, table.c.unit).where(table.c.ticket_id == told.ticket.id)
    row = (await told.tx.execute(query.order_by(table.c.id.desc()).limit(1))).one()
    due = told.ticket.due(DeadlineKind.HANDLE)
    return {
        "extension": row.id,
        "amount": row.amount,
        "clock": due.deadline.clock if due else None,
        "due_at": _plain(due.deadline.due_at) if due else None,
        "unit": (await _names(told.tx, (row.unit,)))[row.unit],
        "reason": row.reason,
        "decided_by": "platform" if _decides(told) else "hotline",
    }


def _decides(told: Telling) -> bool:
    rules = told.policy.dispatching
    above = rules.upstream_extension if rules else None
    return above is not None and told.ticket.source in above.sources


async def _opinion(told: Telling) -> Data:
    """The assisting unit's own words. Source: LS-019 (to the lead and to the city's hotline, not to the citizen)."""
    table = tables.ticket_event
    query = select(table.c.data).where(table.c.ticket_id == told.ticket.id, table.c.kind == Event.GIVE_OPINION)
    data = (await told.tx.execute(query.order_by(table.c.seq.desc()).limit(1))).scalar_one_or_none() or {}
    unit = (await _names(told.tx, (told.fact.unit,)))[told.fact.unit]
    return {"unit": unit, "opinion": data.get("opinion", ""), "refused": isinstance(told.fact, AssistRefused)}


async def _replied(told: Telling) -> Data:
    unit = (await _names(told.tx, (told.fact.unit,)))[told.fact.unit]
    return {"unit": unit, "on_time": told.fact.on_time, "contents": await _contents(told)}


async def _result(told: Telling) -> Data:
    """The result as it stands after review; survey: who asks the citizen now."""
    exchange = told.policy.exchange
    above = exchange is not None and exchange.surveyed_above(told.ticket.source)
    return {"contents": await _contents(told), "survey": "platform" if above else "hotline"}


async def _contents(told: Telling) -> Data:
    table = tables.ticket_reply
    query = select(table.c.contents).where(table.c.ticket_id == told.ticket.id, table.c.round == told.ticket.round)
    return (await told.tx.execute(query.order_by(table.c.seq.desc()).limit(1))).scalar_one_or_none() or {}


async def _closed(told: Telling) -> Data:
    rating = {"rating": told.fact.rating, "rating_source": told.fact.source}
    return rating | {"explained": told.fact.explained, "result": told.ticket.result}


async def _to_cancel(told: Telling) -> Data | None:
    """All signatures down here are there, and the next is the platform's. Source: MC-035."""
    signing = told.ticket.signing
    if told.fact.gate is not Gate.TERMINATION or signing is None:
        return None
    if not any(step.signer.kind is SignerKind.EXTERNAL for step in signing.current):
        return None
    ticket = told.ticket
    matter = {"request_type": ticket.request_type, "content": ticket.content, "request_no": ticket.request_no}
    signed = [step.signer.name for step in signing.steps if step.signed_by]
    return matter | {"reason": signing.why, "signed": signed}


def _cancelled_above(told: Telling, exchange: ExchangeRules) -> bool:
    return exchange.cancellation is not None


async def _supervised(told: Telling) -> Data:
    unit = told.fact.unit
    named = (await _names(told.tx, (unit,)))[unit] if unit else ""
    return {"trigger": told.fact.trigger, "unit": named, "title": told.ticket.title}


def _pushed(_: Telling, exchange: ExchangeRules) -> bool:
    return exchange.supervision is not None


async def _names(tx: AsyncConnection, units: Iterable[UnitId]) -> dict[UnitId, str]:
    """Units as people call them; one that is not on the list by its id."""
    wanted = set(units)
    query = select(handling_unit.c.id, handling_unit.c.name).where(handling_unit.c.id.in_(wanted))
    known = {row.id: row.name for row in await tx.execute(query)}
    return {unit: known.get(unit, unit) for unit in wanted}


WORDS: Mapping[type[Fact], Word] = {
    facts.TicketRegistered: Word("accepted", _accepted),
    facts.TicketRejected: Word("rejected", _rejected, final=True),
    facts.TicketReferred: Word("referred", _referred, final=True, ours=_for_the_platform),
    facts.TicketAnswered: Word("answered", _said("text"), final=True),
    facts.TicketWithdrawn: Word("withdrawn", _said("reason"), final=True),
    facts.TicketDispatched: Word("dispatched", _dispatched),
    facts.TicketSigned: Word("signed", _returned),
    facts.ReturnGranted: Word("returned", _returned),
    facts.ExtensionAsked: Word("extension_requested", _extension_asked),
    facts.ExtensionGranted: Word("extension_granted", _said("due_at")),
    facts.ExtensionRefused: Word("extension_refused", _said("reason")),
    OpinionGiven: Word("opinion", _opinion),
    AssistRefused: Word("opinion", _opinion),
    ProgressReported: Word("progress", _said("progress")),
    facts.TicketReplied: Word("replied", _replied),
    facts.ReplyRejected: Word("reply_rejected", _said("reason")),
    facts.SurveyBegun: Word("result", _result, final=True),
    facts.TicketRated: Word("rated", _said("rating", "source")),
    facts.TicketClosed: Word("closed", _closed, final=True),
    facts.ReworkOrdered: Word("reworked", _said("reason")),
    ApprovalSigned: Word("termination_requested", _to_cancel, ours=_cancelled_above),
    TicketTerminated: Word("terminated", _said("reason"), final=True, ours=_cancelled_above),
    SupervisionOpened: Word("supervised", _supervised, ours=_pushed),
}
"""Fact -> message; what is not here stays here."""
