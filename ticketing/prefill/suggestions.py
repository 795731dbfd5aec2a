"""What the machine believes the fields are, kept beside the ticket until a person takes or refuses it.

A suggestion never changes a ticket by itself, and taking one does not silently replace what a person typed.
A telephone number is not kept here: only its key in the identity vault.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, IdentityId, PhoneNumber, TicketId
from ticketing import store, tables
from ticketing.commands import Changes, Edit
from ticketing.policy import Policy, Rules
from ticketing.prefill.draft import Field, Suggestion
from ticketing.record import GuardFailed, Ticket
from ticketing.service import Outcome, carry_out
from ticketing.words import FIELD_NAMES

IdentityOf = Callable[[PhoneNumber], Awaitable[IdentityId]]
FIELDS: dict[Field, str] = {
    Field.REQUEST_TYPE: "request_type",
    Field.SUBJECT: "subject",
    Field.PLACE: "place",
    Field.OCCURRED_AT: "occurred",
    Field.UNIT: "named_unit",
    Field.CONTACT_NAME: "contact_name",
    Field.CONTACT_PHONE: "requester",
    Field.URGENCY: "urgent",
    Field.SUMMARY: "content",
}
"""Which field of the ticket takes a suggestion; the others (id number, plate) are only shown."""
REASON = "采用通话转写建议"
_table = tables.ticket_suggestion


class FieldTyped(GuardFailed):
    """A person has filled in this field; taking the suggestion would replace it, so it needs an express wish."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A suggestion as it stands. value: never a telephone number; display: masked, for the screen."""

    id: int
    field: Field
    value: str
    display: str
    quote: str
    start_s: float | None
    end_s: float | None
    confidence: float
    rule: str
    state: str


async def propose(
    tx: AsyncConnection,
    ticket_id: TicketId,
    suggestions: Sequence[Suggestion],
    *,
    now: datetime,
    identity_of: IdentityOf,
) -> int:
    """Keep new suggestions; older open ones of the ticket give way. Returns how many are open now.

    What was taken or refused before, with the same value, is not proposed again.
    """
    await store.load(tx, ticket_id, lock=True)
    decided = {(kept.field, kept.value) for kept in await of_ticket(tx, ticket_id) if kept.state != "proposed"}
    open_ones = (_table.c.ticket_id == ticket_id, _table.c.state == "proposed")
    await tx.execute(update(_table).where(*open_ones).values(state="superseded", decided_at=now))
    rows = [await _row(ticket_id, suggestion, now, identity_of) for suggestion in suggestions]
    fresh = [row for row in rows if (row["field"], row["value"]) not in decided]
    if fresh:
        await tx.execute(insert(_table), fresh)
    return len(fresh)


async def of_ticket(tx: AsyncConnection, ticket_id: TicketId) -> tuple[Kept, ...]:
    """Every suggestion that still matters (proposed, taken or refused), by field, the surest first."""
    query = select(_table).where(_table.c.ticket_id == ticket_id, _table.c.state != "superseded")
    rows = (await tx.execute(query.order_by(_table.c.field, _table.c.confidence.desc(), _table.c.id))).mappings()
    names = tuple(Kept.__dataclass_fields__)
    return tuple(Kept(**{name: row[name] for name in names} | {"field": Field(row["field"])}) for row in rows)


async def take(
    tx: AsyncConnection,
    ticket_id: TicketId,
    ids: Iterable[int],
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
    expected_version: int | None = None,
    replace_typed: bool = False,
) -> Outcome:
    """Put these suggestions into the ticket: one edit, one event. At most one a field.

    Raises FieldTyped unless `replace_typed`, and what `carry_out` raises.
    """
    ticket = await store.load(tx, ticket_id, lock=True, unit=store.unit_scope(actor), viewer=actor)
    chosen = await _chosen(tx, ticket_id, tuple(ids))
    if not replace_typed:
        _refuse_typed(ticket, chosen)
    edit = Edit(
        _changes(chosen, rules.of(ticket.policy_id, ticket.policy_version)), REASON, tuple(kept.id for kept in chosen)
    )
    outcome = await carry_out(tx, ticket_id, edit, actor=actor, now=now, rules=rules, expected_version=expected_version)
    await _decide(tx, ticket_id, edit.suggestions, "taken", actor, now)
    return outcome


async def refuse(tx: AsyncConnection, ticket_id: TicketId, ids: Iterable[int], *, actor: Actor, now: datetime) -> None:
    """These are wrong; they are not proposed again. Raises TicketNotFound, GuardFailed for one not open."""
    await store.load(tx, ticket_id, lock=True, unit=store.unit_scope(actor))
    chosen = await _chosen(tx, ticket_id, tuple(ids))
    await _decide(tx, ticket_id, tuple(kept.id for kept in chosen), "refused", actor, now)


async def surest(tx: AsyncConnection, ticket_id: TicketId) -> tuple[int, ...]:
    """Ids of the best open suggestion of every field nobody has typed in: what one press of 「全部采用」 takes."""
    ticket = await store.load(tx, ticket_id)
    best: dict[str, int] = {}
    for kept in await of_ticket(tx, ticket_id):
        name = FIELDS.get(kept.field)
        if kept.state == "proposed" and name is not None and name not in ticket.typed:
            best.setdefault(name, kept.id)
    return tuple(best.values())


async def _row(
    ticket_id: TicketId, suggestion: Suggestion, now: datetime, identity_of: IdentityOf
) -> dict[str, object]:
    value = suggestion.value
    if suggestion.field is Field.CONTACT_PHONE:
        value = str(await identity_of(PhoneNumber(value)))
    return {
        "ticket_id": ticket_id,
        "field": suggestion.field,
        "value": value,
        "display": suggestion.display,
        "quote": suggestion.quote,
        "start_s": suggestion.start_s,
        "end_s": suggestion.end_s,
        "confidence": suggestion.confidence,
        "rule": suggestion.rule,
        "created_at": now,
    }


async def _chosen(tx: AsyncConnection, ticket_id: TicketId, ids: tuple[int, ...]) -> list[Kept]:
    chosen = [kept for kept in await of_ticket(tx, ticket_id) if kept.id in ids and kept.state == "proposed"]
    if not chosen or len(chosen) != len(set(ids)):
        raise GuardFailed("所选建议已被处理或已被新的建议取代。请刷新后再选。")
    return chosen


def _refuse_typed(ticket: Ticket, chosen: list[Kept]) -> None:
    typed = [FIELD_NAMES[FIELDS[kept.field]] for kept in chosen if FIELDS.get(kept.field) in ticket.typed]
    if typed:
        raise FieldTyped(f"{'、'.join(typed)}已由人工填写，采用建议会覆盖它。如确要替换，请选择「替换」。")


def _changes(chosen: list[Kept], policy: Policy) -> Changes:
    given: dict[str, object] = {}
    for kept in chosen:
        name = FIELDS.get(kept.field)
        if name is None:
            raise GuardFailed(f"「{kept.display}」仅供参考，不能填入工单。")
        if name in given:
            raise GuardFailed(f"{FIELD_NAMES[name]}只能采用一条建议。")
        given[name] = _value(name, kept, policy)
    return Changes(**given)  # type: ignore[arg-type]


def _value(name: str, kept: Kept, policy: Policy) -> object:
    said = kept.value
    match name:
        case "requester":
            return IdentityId(int(said))
        case "urgent":
            return True
        case "request_type":
            return policy.own_type(said) or said
        case "named_unit" | "occurred":
            # In words, as people type it: whom the citizen means (who handles it is chosen at dispatch), and when.
            return kept.display
        case _:
            return said


async def _decide(
    tx: AsyncConnection, ticket_id: TicketId, ids: tuple[int, ...], state: str, actor: Actor, now: datetime
) -> None:
    these = (_table.c.ticket_id == ticket_id, _table.c.id.in_(ids))
    await tx.execute(update(_table).where(*these).values(state=state, decided_at=now, decided_by=str(actor)))
