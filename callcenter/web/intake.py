"""What intake works with: the lists to choose from, what may be promised, suggestions as they come, the draft key."""

from base64 import b64encode
from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.audit import Audited, note
from callcenter.tables import call
from callcenter.types import Role, TicketId
from callcenter.web.context import Context
from callcenter.web.problems import NotFound
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_fields import Short
from callcenter.web.ticket_shapes import SuggestionRow
from callcenter.web.ticket_views import suggestion_of
from ticketing import service
from ticketing.dispatch import rules
from ticketing.guards import NEED_NAMES
from ticketing.limits.promises import Promise, in_words, promises
from ticketing.policy import Policy, PolicyMissing
from ticketing.prefill import suggestions
from ticketing.record import Ticket
from ticketing.rules import Case
from ticketing.words import FIELD_NAMES, FLAG_NAMES, Flag

api = Routes("intake")
DESK = frozenset({Role.AGENT, Role.DISPATCHER})
CHOOSERS = DESK | {Role.REVIEWER, Role.SUPERVISOR}
"""Who corrects or rejects a request, and so needs the lists."""


class Which(Query):
    """policy: `id@version` of a ticket; left out: what runs now."""

    policy: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{1,31}@[0-9]{1,6})?$")] = ""


class CodedRow(Out):
    code: str
    name: str


class SubjectRow(Out):
    """group: the class it belongs to."""

    code: str
    name: str
    group: str


class RejectRow(Out):
    """needs: what must be filled in with it. undetermined: only a supervisor decides it. basis: its article."""

    code: str
    label: str
    needs: list[CodedRow]
    basis: str
    sensitive: bool
    undetermined: bool
    ask_first: bool


class Listed(Out):
    """values: the only ones the regulation knows; basis: its article."""

    values: list[str]
    basis: str


class Asked(Out):
    """fields: names of ticket fields that must be filled in, and how people call them."""

    fields: list[CodedRow]
    basis: str


class UrgentOut(Out):
    meaning: str
    basis: str


class IntakeOptions(Out):
    """What one regulation lets people choose. Null or empty: it has no such thing.

    real_name: asked of everybody who does not want to stay unknown. exception: given where requests are normally not
    taken from the public, the article that says so. supplement: how long the citizen has, in words.
    """

    policy: str
    title: str
    request_types: list[str]
    sources: list[str]
    grades: list[str]
    requester_kinds: list[str]
    flags: list[CodedRow]
    subjects: list[SubjectRow]
    rejects: list[RejectRow]
    ways: Listed | None
    referrals: Listed | None
    urgent: UrgentOut
    real_name: Asked | None
    exception: str | None
    supplement: Listed | None


class DuesAsked(In):
    """A request as it is known so far. policy as in Which."""

    request_type: Short = ""
    source: Short = ""
    urgent: bool = False
    grade: Short = ""
    flags: Annotated[frozenset[Flag], Field(strict=False, max_length=len(Flag))] = frozenset()
    policy: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{1,31}@[0-9]{1,6})?$")] = ""


class PromiseRow(Out):
    """limit: in words, 5个工作日. due_at: at the latest. provisional: holidays of that year are not announced yet."""

    kind: str
    due_at: datetime
    limit: str
    basis: str
    hard: bool
    provisional: bool


class Promises(Out):
    rows: list[PromiseRow]


class Suggested(Out):
    """version, typed: of the ticket they are for."""

    version: int
    typed: list[str]
    suggestions: list[SuggestionRow]


class DraftKey(Out):
    """key: 32 bytes, base64."""

    key: str


@api.get("/api/intake-options", CHOOSERS)
async def intake_options(ctx: Context, query: Which) -> IntakeOptions:
    """登记时可选的内容：诉求类型、来源、事项分类、不予受理情形等，均附依据条款"""
    policy = _policy(ctx, query.policy)
    dispatching, upstream = policy.dispatching, policy.upstream
    return IntakeOptions(
        policy=policy.name,
        title=policy.title,
        request_types=list(policy.request_types),
        sources=list(policy.sources),
        grades=list(policy.grades),
        requester_kinds=list(policy.requester_kinds),
        flags=[CodedRow(code=flag, name=name) for flag, name in FLAG_NAMES.items()],
        subjects=[SubjectRow(code=one.code, name=one.name, group=one.parent) for one in ctx.services.subjects],
        rejects=_rejects(policy),
        ways=_listed(dispatching.ways) if dispatching else None,
        referrals=_listed(dispatching.referrals) if dispatching else None,
        urgent=UrgentOut(meaning=policy.urgent.meaning, basis=str(policy.urgent.basis)),
        real_name=_real_name(policy),
        exception=None if upstream.public_intake else str(upstream.basis),
        supplement=_supplement(policy),
    )


@api.post("/api/intake-dues", CHOOSERS)
async def intake_dues(ctx: Context, body: DuesAsked) -> Promises:
    """登记时可告知诉求人的时限：假定此刻登记、各环节都用满时限，最迟何时派单、联系、办结，并附依据条款"""
    policy = _policy(ctx, body.policy)
    source = body.source if body.source in policy.sources else policy.sources[0]
    case = Case(policy.own_type(body.request_type) or "", source, body.urgent, body.flags, grade=body.grade)
    found = promises(policy, case, ctx.now, ctx.services.rules.calendar) if case.request_type else ()
    return Promises(rows=[_promise(one) for one in found])


@api.get("/api/tickets/{ticket_id}/suggestions", DESK)
async def read_suggestions(ctx: Context, ticket_id: str) -> Suggested:
    """通话转写对工单各栏的建议，通话中随时更新"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        if not await _hears(tx, ctx, ticket):
            await note(tx, Audited(ctx.actor, "suggestions.read", f"ticket:{ticket.id}"))
        kept = await suggestions.of_ticket(tx, ticket.id)
    return Suggested(version=ticket.version, typed=sorted(ticket.typed), suggestions=[suggestion_of(x) for x in kept])


@api.get("/api/draft-key", frozenset(Role))
async def draft_key(ctx: Context) -> DraftKey:
    """本人草稿的加密密钥：断网时未保存的文字以此加密后暂存在本机，他人登录后无法读取"""
    return DraftKey(key=b64encode(ctx.services.vault.derived(f"draft:{ctx.person.id}".encode())).decode())


async def _hears(tx: AsyncConnection, ctx: Context, ticket: Ticket) -> bool:
    """Whether this is the call's own agent: who hears the words is not written down for reading them every second."""
    agent = select(call.c.agent_id).where(call.c.id == ticket.call_id)
    return ctx.person.extension is not None and (await tx.execute(agent)).scalar_one_or_none() == ctx.person.extension


def _policy(ctx: Context, name: str) -> Policy:
    """Raises NotFound for a version that is not loaded."""
    known = ctx.services.rules
    if not name:
        return known.at(ctx.now)
    policy_id, _, version = name.partition("@")
    try:
        return known.of(policy_id, int(version))
    except PolicyMissing:
        raise NotFound from None


def _rejects(policy: Policy) -> list[RejectRow]:
    first = policy.supplement.ask_first if policy.supplement else frozenset[str]()
    return [
        RejectRow(
            code=one.code,
            label=one.label,
            needs=[CodedRow(code=need, name=NEED_NAMES.get(need, need)) for need in sorted(one.needs)],
            basis=str(one.basis),
            sensitive=one.sensitive,
            undetermined=one.undetermined,
            ask_first=one.code in first,
        )
        for one in policy.rejects
    ]


def _real_name(policy: Policy) -> Asked | None:
    asked = policy.real_name
    if asked is None:
        return None
    fields = [CodedRow(code=name, name=FIELD_NAMES.get(name, name)) for name in asked.fields]
    return Asked(fields=fields, basis=str(asked.basis))


def _supplement(policy: Policy) -> Listed | None:
    asked = policy.supplement
    return Listed(values=[in_words(asked.limit)], basis=str(asked.basis)) if asked else None


def _listed(names: rules.Listed | None) -> Listed | None:
    return Listed(values=list(names.values), basis=str(names.basis)) if names is not None else None


def _promise(one: Promise) -> PromiseRow:
    assert one.rule.period is not None
    return PromiseRow(
        kind=one.running.kind,
        due_at=one.running.due_at,
        limit=in_words(one.rule.period),
        basis=str(one.rule.basis),
        hard=one.rule.hard,
        provisional=one.running.provisional,
    )
