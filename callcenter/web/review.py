"""A reviewer's work list, and what a reply is judged by: the policy's rules, the rounds before, talks and surveys."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import accounts
from callcenter.custody import exports
from callcenter.types import Role, TicketId
from callcenter.web.context import Context
from callcenter.web.review_rules import abuse_rules, closing_rows, code_rows, rework_rows
from callcenter.web.review_shapes import (
    CheckRow,
    ContactRow,
    ReplyField,
    ReplyRow,
    ReviewCounts,
    ReviewPage,
    ReviewRow,
    ReviewSheet,
    SurveyRow,
    WorkQuery,
)
from callcenter.web.router import Routes
from callcenter.web.ticket_fields import ReplyContents
from callcenter.web.ticket_shapes import Veil, veil_of
from callcenter.web.ticket_views import basis_of, unit_names
from ticketing import service, tables
from ticketing.aftercare import closing, contacts, review_lists, review_sheet
from ticketing.aftercare import tables as aftercare
from ticketing.aftercare.abuse import STEP_NAMES, AbuseStep
from ticketing.aftercare.follow_rules import Unrated
from ticketing.aftercare.review_lists import Item
from ticketing.aftercare.survey import TRANSITIONS, Trigger
from ticketing.aftercare.survey_words import SurveyState
from ticketing.policy import Policy
from ticketing.record import Context as Judged
from ticketing.record import Due, Ticket
from ticketing.tasks import KIND_NAMES
from ticketing.words import REPLY_FIELD_NAMES, STATE_NAMES

api = Routes("review")
REVIEWERS = frozenset({Role.REVIEWER, Role.SUPERVISOR})
READERS = REVIEWERS | {Role.AGENT, Role.DISPATCHER}
REACHED_NAMES = {"spoken": "已接通", "not_reached": "未接通", "refused": "拒绝交谈"}
FILES = ("attachments", "opinion_document", "case_file")


@api.get("/api/review/work", REVIEWERS)
async def review_work(ctx: Context, query: WorkQuery) -> ReviewPage:
    """审核回访待办：按类别，先到先办或按期限排列"""
    now, rules, veil = ctx.now, ctx.services.rules, veil_of(ctx.actor)
    async with ctx.transaction() as tx:
        found, after = await review_lists.find(
            tx, query.tab, actor=ctx.actor, now=now, text=query.text, after=query.after, limit=query.limit
        )
        names = await unit_names(tx, {one.lead_unit for one in found if one.lead_unit})
    rows = [_work_row(one, names, rules.of(one.policy_id, one.policy_version), veil) for one in found]
    reach = rules.at(now).reach
    return ReviewPage(rows=rows, next=after, quiet=reach is not None and contacts.quiet(reach, now))


@api.get("/api/review/counts", REVIEWERS)
async def review_counts(ctx: Context) -> ReviewCounts:
    """审核回访各类待办的件数"""
    now = ctx.now
    publishes = ctx.services.rules.at(now).secrecy is not None
    async with ctx.transaction() as tx:
        tabs = await review_lists.counts(tx, actor=ctx.actor, now=now, publishes=publishes)
        tabs["exports"] = len(await exports.listed(tx, ctx.actor, now, waiting=True))
    return ReviewCounts(tabs=tabs)


@api.get("/api/tickets/{ticket_id}/review", READERS)
async def review_sheet_of(ctx: Context, ticket_id: str) -> ReviewSheet:
    """审核一张工单所需：答复与各项要求及依据、历次答复、联系与回访情况、可选的退回原因和办结方式"""
    now, rules, veil = ctx.now, ctx.services.rules, veil_of(ctx.actor)
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        policy = rules.of(ticket.policy_id, ticket.policy_version)
        given = await _rows(tx, tables.ticket_reply, ticket.id)
        talks = await _rows(tx, aftercare.ticket_contact, ticket.id)
        abuses = await _rows(tx, aftercare.ticket_abuse, ticket.id)
        survey = await _survey(tx, ticket, policy)
        people = await accounts.names_of(tx, {row.actor for row in talks} | {row.noted_by for row in abuses})
        units = await unit_names(tx, {row.unit for row in (*given, *talks) if row.unit})
    context = Judged(ctx.actor, policy, rules.calendar, now)
    return ReviewSheet(
        version=ticket.version,
        checks=_checks(ticket, given, context),
        replies=[_reply_row(row, policy, units, veil) for row in reversed(given)],
        contacts=[_contact_row(row, units, people, veil) for row in reversed(talks)],
        defects=code_rows(policy.answer.defects) if policy.answer else [],
        causes=code_rows(policy.survey.causes, str(policy.survey.unsatisfied_basis)),
        levels=list(policy.survey.levels),
        service=_article(policy.follow.service if policy.follow else None),
        unsatisfied=closing.is_unsatisfied(ticket, policy),
        cause_name=_cause_name(ticket.cause_code, policy),
        call_rating=ticket.call_rating,
        survey=survey,
        closing=closing_rows(ticket, policy),
        rework=rework_rows(policy),
        looks=code_rows(policy.follow.checks) if policy.follow else [],
        publication=_article(policy.secrecy.publication_basis if policy.secrecy else None),
        direct_survey=_direct_survey(ticket, policy),
        abuse=abuse_rules(policy, abuses, people, str(ctx.actor), veil),
    )


def _work_row(one: Item, names: dict[str, str], policy: Policy, veil: Veil) -> ReviewRow:
    return ReviewRow(
        key=f"{one.id}-{one.item}",
        item=one.item,
        id=one.id,
        version=one.version,
        round=one.round,
        state_name=STATE_NAMES[one.state],
        request_type=one.request_type,
        title=veil.text(one.title),
        place=veil.text(one.place),
        urgent=one.urgent,
        unit_name=names.get(one.lead_unit or "", one.lead_unit or ""),
        kind=one.kind,
        kind_name=_kind_name(one),
        why=veil.text(one.why),
        since=one.at,
        due_at=one.due_at,
        rating=one.rating,
        cause_name=_cause_name(one.cause_code, policy),
        tries=one.tries,
        tried_at=one.tried_at,
    )


def _kind_name(one: Item) -> str:
    steps = {str(step): name for step, name in STEP_NAMES.items() if step is not AbuseStep.HANDED_OVER}
    return (KIND_NAMES | steps).get(one.kind, "")


def _cause_name(code: str, policy: Policy) -> str:
    cause = policy.survey.cause(code)
    return cause.label if cause else code


def _article(basis: object) -> str:
    return str(basis) if basis is not None else ""


def _direct_survey(ticket: Ticket, policy: Policy) -> str:
    follow = policy.follow
    waits = follow is not None and follow.unit_asks is not None and ticket.followed_up_at is None
    return str(follow.unit_asks_basis) if follow is not None and waits and not ticket.confidential else ""


async def _rows(tx: AsyncConnection, table: Any, ticket_id: TicketId) -> Sequence[Any]:
    return (await tx.execute(select(table).where(table.c.ticket_id == ticket_id).order_by(table.c.id))).all()


def _checks(ticket: Ticket, given: Sequence[Any], context: Judged) -> list[CheckRow]:
    last = next((row for row in reversed(given) if row.round == ticket.round and row.rejected_at is None), None)
    reply = ReplyContents.model_validate_json(json.dumps(last.contents)).contents() if last is not None else None
    dues = {due.deadline.rule_id: due for due in ticket.dues}
    return [
        _check_row(one, dues.get(one.article), context.policy) for one in review_sheet.checks_of(ticket, reply, context)
    ]


def _check_row(one: review_sheet.Check, due: Due | None, policy: Policy) -> CheckRow:
    return CheckRow(
        label=one.label,
        ok=one.ok,
        note=one.note,
        article=basis_of(policy, one.article) if due else one.article,
        due_at=due.deadline.due_at if due else None,
        done_at=due.met_at if due else None,
    )


def _reply_row(row: Any, policy: Policy, units: dict[str, str], veil: Veil) -> ReplyRow:
    outcome = policy.answer.outcome(row.contents.get("outcome", "")) if policy.answer else None
    code, _, why = (row.defect or "").partition(":")
    defect = policy.answer.defect(code) if policy.answer else None
    return ReplyRow(
        round=row.round,
        at=row.replied_at,
        unit_name=units.get(row.unit, row.unit),
        outcome=outcome.label if outcome else "",
        fields=_fields(row.contents, veil),
        files=[one for name in FILES for one in _listed(row.contents.get(name))],
        rejected_at=row.rejected_at,
        rejected=defect.label if defect else code,
        rejected_why=veil.text(why),
        untrue=veil.text(row.untrue_why),
    )


def _fields(said: dict[str, Any], veil: Veil) -> list[ReplyField]:
    """What the reply says, field by field, in the order people know them."""
    day, hour = said.get("handled_on", ""), said.get("handled_hour")
    values = {**said, "handled_at": f"{day} {hour}时" if hour is not None else day}
    shown = [name for name in REPLY_FIELD_NAMES if name not in ("outcome", *FILES) and values.get(name)]
    return [ReplyField(label=REPLY_FIELD_NAMES[name], value=veil.text(_said(values[name]))) for name in shown]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "；".join(_said(one) for one in value)
    if isinstance(value, dict):
        return "，".join(str(one) for name, one in value.items() if name in ("kind", "place", "taken_at"))
    return str(value)


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []


def _contact_row(row: Any, units: dict[str, str], people: dict[str, str], veil: Veil) -> ContactRow:
    return ContactRow(
        at=row.at,
        by=units.get(row.unit, row.unit) if row.unit else people.get(row.actor, row.actor),
        purpose_name=contacts.PURPOSE_NAMES[contacts.Purpose(row.purpose)],
        reached=row.reached,
        reached_name=REACHED_NAMES[row.reached],
        method=veil.text(row.method),
        told=veil.text(row.told),
    )


async def _survey(tx: AsyncConnection, ticket: Ticket, policy: Policy) -> SurveyRow | None:
    table = tables.ticket_survey
    query = select(table).where(table.c.ticket_id == ticket.id, table.c.round == ticket.round)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    ends_at: datetime | None = row.expires_at if row.rated_at is None else None
    return SurveyRow(
        state=row.state,
        cause=row.cause or "",
        delivered_at=row.delivered_at,
        ends_at=ends_at,
        rating=row.rating,
        source=row.rating_source,
        comment=row.comment or "",
        calls=(SurveyState(row.state), Trigger.CALLED) in TRANSITIONS,
        unrated_closes=policy.follow is not None and policy.follow.unrated is Unrated.CLOSE,
    )
