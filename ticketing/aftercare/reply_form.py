"""What a reply to this very ticket needs, as a form can ask for it: from the same policy values the guards read. PURE.

A form that asks for less would be refused, one that asks for more would waste people's time; the tests fill each form
as it says and leave out one part after the other. Source: LS-055 to LS-061, GZ-049, GZ-051, SQ-024, SQ-036, MC-050.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ticketing import guards
from ticketing.aftercare import commitments, contacts
from ticketing.aftercare.reply_rules import Outcome
from ticketing.approvals import approvals
from ticketing.approvals.signing import Gate
from ticketing.commands import Contents, Reply
from ticketing.policy import Precision
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.rules import Basis
from ticketing.words import REPLY_FIELD_NAMES, Flag


class Kind(StrEnum):
    """How a field is filled in."""

    TEXT = "text"
    LONG = "long"
    DAY = "day"
    DAY_HOUR = "day_hour"
    MOMENT = "moment"
    FLAG = "flag"
    FILES = "files"
    SCENE = "scene"
    PAPER = "paper"
    """One file, or the number of a paper."""


KINDS: dict[str, Kind] = {
    "handled_at": Kind.DAY,
    "handling_unit": Kind.TEXT,
    "handler": Kind.TEXT,
    "situation": Kind.LONG,
    "citizen_contacted_at": Kind.MOMENT,
    "result_told_at": Kind.MOMENT,
    "result_told_by": Kind.TEXT,
    "unreachable_why": Kind.LONG,
    "stage_result": Kind.LONG,
    "follow_up_plan": Kind.LONG,
    "follow_up_by": Kind.DAY,
    "explanation": Kind.LONG,
    "statement": Kind.LONG,
    "verification": Kind.LONG,
    "case_file": Kind.PAPER,
    "case_number": Kind.TEXT,
    "case_filed_on": Kind.DAY,
    "not_filed_reason": Kind.LONG,
    "not_filed_law": Kind.LONG,
    "not_enforcement": Kind.FLAG,
    "opinion_document": Kind.PAPER,
    "signed_by": Kind.TEXT,
    "scene": Kind.SCENE,
    "attachments": Kind.FILES,
}
"""Every field a reply can hold beside `finished` and `outcome`, in the order people fill them in."""
ALWAYS_OFFERED = frozenset({"situation", "attachments", "scene", "citizen_contacted_at"})
ONLY_UNFINISHED = frozenset({"follow_up_by"})


@dataclass(frozen=True, slots=True)
class Field:
    """required: whatever else the reply says. least: of a list, how many at least when it is needed."""

    key: str
    label: str
    kind: Kind
    required: bool
    article: str
    least: int = 0


@dataclass(frozen=True, slots=True)
class OneOf:
    """Of these groups at least one is filled in whole."""

    groups: tuple[tuple[str, ...], ...]
    article: str


@dataclass(frozen=True, slots=True)
class Choice:
    """An outcome, and what it needs besides. reviewed: it stands only after the hotline accepted it."""

    code: str
    label: str
    needs: tuple[str, ...]
    reviewed: bool
    article: str


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why nothing can be sent yet, and what to do first."""

    sentence: str
    article: str


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """fields: in order. unfinished: what a reply that is not the last word needs; stage_refused: why there can be none.

    follow_up_most_days: how far ahead the rest may be promised. signoff: the article by which the unit's principal
    signs and seals the result; `` where the clerk replies. before: what must happen first.
    """

    fields: tuple[Field, ...]
    unfinished: tuple[str, ...]
    unfinished_article: str
    stage_refused: str
    follow_up_most_days: int
    one_of: tuple[OneOf, ...]
    outcomes: tuple[Choice, ...]
    signoff: str
    before: tuple[Hindrance, ...]


def reply_form(ticket: Ticket, context: Context) -> ReplyForm:
    """The form of this ticket's next reply."""
    rules = context.policy.reply
    required, one_of = _required(ticket, context), _one_of(ticket, context)
    outcomes = tuple(_choice(one, ticket) for one in context.policy.answer.outcomes) if context.policy.answer else ()
    signoff = approvals.gate_rule(ticket, Gate.SIGNOFF, context.policy)
    wanted = {name for group in one_of for names in group.groups for name in names}
    wanted |= {name for choice in outcomes for name in choice.needs} | set(rules.if_unfinished)
    offered = wanted | required.keys() | ALWAYS_OFFERED | ONLY_UNFINISHED
    if ticket.confidential:
        offered -= {"citizen_contacted_at", "result_told_at", "result_told_by", "unreachable_why"}
    return ReplyForm(
        fields=tuple(_field(name, required, ticket, context) for name in KINDS if name in offered),
        unfinished=rules.if_unfinished,
        unfinished_article=str(rules.unfinished_basis),
        stage_refused=_refusal(approvals.solved_when_raised, ticket, Reply(Contents(finished=False)), context),
        follow_up_most_days=commitments.LONGEST_DAYS,
        one_of=one_of,
        outcomes=outcomes,
        signoff=str(signoff.basis) if signoff else "",
        before=tuple(_before(ticket, context)),
    )


def _required(ticket: Ticket, context: Context) -> dict[str, Basis]:
    """Fields every reply to this ticket has, with the rule that asks."""
    policy = context.policy
    found = dict.fromkeys(policy.reply.required, policy.reply.basis)
    if ticket.confidential:
        found.pop("citizen_contacted_at", None)
    answer = policy.answer
    if answer is not None and answer.opinion is not None and Flag.WRITTEN_OPINION in ticket.flags:
        found["opinion_document"] = answer.opinion
    repeat = policy.repeat.rule(ticket.repeat_rule) if policy.repeat else None
    if repeat is not None and ticket.responsible:
        found["signed_by"] = repeat.basis
    return found


def _one_of(ticket: Ticket, context: Context) -> tuple[OneOf, ...]:
    policy = context.policy
    kinds = [one for one in policy.reply.by_type if ticket.request_type in one.types and one.one_of]
    found = [OneOf(one.one_of, str(one.basis)) for one in kinds]
    told = policy.answer.told if policy.answer else None
    if told is not None and not ticket.confidential:
        found.append(OneOf((("result_told_at", "result_told_by"), ("unreachable_why",)), str(told)))
    return tuple(found)


def _choice(one: Outcome, ticket: Ticket) -> Choice:
    needs = tuple(name for name in one.needs if not (ticket.confidential and name == "citizen_contacted_at"))
    return Choice(one.code, one.label, needs, one.reviewed, str(one.basis))


def _field(name: str, required: dict[str, Basis], ticket: Ticket, context: Context) -> Field:
    kind, rules = KINDS[name], context.policy.reply
    precise = rules.urgent_precision if ticket.urgent else rules.precision
    if name == "handled_at" and precise is Precision.HOUR:
        kind = Kind.DAY_HOUR
    basis = required.get(name)
    least = 1 if kind in (Kind.FILES, Kind.SCENE) else 0
    return Field(name, REPLY_FIELD_NAMES[name], kind, basis is not None, str(basis) if basis else "", least)


def _before(ticket: Ticket, context: Context) -> list[Hindrance]:
    """What stands in the way whatever the reply says."""
    found: list[Hindrance] = []
    for guard in (guards.no_request_open, contacts.contact_recorded):
        try:
            guard(ticket, None, context)
        except GuardFailed as refused:
            found.append(Hindrance(refused.sentence, refused.article))
    return found


def _refusal(guard: Callable[[Ticket, Any, Context], None], ticket: Ticket, detail: Reply, context: Context) -> str:
    try:
        guard(ticket, detail, context)
    except GuardFailed as refused:
        return str(refused)
    return ""
