"""Holding to account by the API: what the system lists, cases, evidence, steps, the end, the proposal as data."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from callcenter.audit import Audited, note
from callcenter.types import Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_fields import Name, Said, Short
from ticketing import store
from ticketing.dispatch import units_store
from ticketing.policy import Policy
from ticketing.record import GuardFailed
from ticketing.supervision import accountability_findings, accountability_store
from ticketing.supervision.accountability import AccountCase, Subject, as_proposal
from ticketing.supervision.accountability_store import MAX_PAGE
from ticketing.supervision.rules import Finding

api = Routes("accountability")
SEERS = frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.LEADER})
DOERS = frozenset({Role.SUPERVISOR})
Id = Annotated[int, Field(ge=1, lt=2**63)]
Ticket = Annotated[str, Field(pattern=r"^[0-9]{14}$")]
Tickets = Annotated[tuple[Ticket, ...], Field(max_length=100, strict=False)]


class FindingQuery(Query):
    """finding: one the policy lists. after: `next` of the page before."""

    finding: Annotated[Finding, Field(strict=False)]
    since: AwareDatetime
    until: AwareDatetime
    after: Annotated[str, Field(max_length=14)] = ""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50


class FindingRow(Out):
    ticket_id: str
    unit: str | None
    times: int


class FindingPage(Out):
    label: str
    basis: str
    rows: list[FindingRow]
    next: str | None


class CaseQuery(Query):
    running: bool | None = None
    unit: Name | None = None
    before: Id | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50


class Opened(In):
    """unit null: a member of the hotline's staff, named by `person`. tickets: what shows it."""

    reason: Name
    severity: Name
    unit: Name | None = None
    person: Short = ""
    facts: Said
    tickets: Tickets = ()


class EvidenceAdded(In):
    ticket: Ticket
    note: Short = ""


class StepTaken(In):
    """recipients: by default those of the case's severity."""

    rung: Name
    note: Said
    recipients: Annotated[tuple[Name, ...], Field(max_length=10, strict=False)] = ()


class Regraded(In):
    severity: Name


class Concluded(In):
    outcome: Name
    note: Said


class StepRow(Out):
    rung: str
    label: str
    at: datetime
    by: str
    note: str
    recipients: list[str]


class CaseRow(Out):
    id: int
    reason: str
    reason_label: str
    basis: str
    severity: str
    severity_label: str
    unit: str | None
    person: str
    facts: str
    opened_at: datetime
    opened_by: str
    outcome: str
    outcome_label: str
    outcome_note: str
    ended_at: datetime | None
    ended_by: str | None
    steps: list[StepRow]


class CasePage(Out):
    rows: list[CaseRow]
    next: int | None


class Proposal(Out):
    """altered: evidence whose event is no longer what it was; empty when all holds."""

    proposal: dict[str, Any]
    altered: list[str]


class Span(Query):
    since: AwareDatetime
    until: AwareDatetime


class CaseCountRow(Out):
    unit: str | None
    reason: str
    cases: int
    held: int


class CaseCounts(Out):
    rows: list[CaseCountRow]


@api.get("/api/accountability/findings", SEERS)
async def list_findings(ctx: Context, query: FindingQuery) -> FindingPage:
    """系统自动列出的问责线索：多次督办不反馈、反复退回、逾期等"""
    policy = _policy(ctx)
    rules = accountability_store.rules_of(policy)
    rule = next((one for one in rules.findings if one.finding is query.finding), None)
    if rule is None:
        raise GuardFailed.by("本地规定没有这一类问责线索。请从规定的类别中选择。", rules.basis)
    async with ctx.transaction() as tx:
        found = await accountability_findings.find(
            tx,
            rule,
            now=ctx.now,
            since=query.since,
            until=query.until,
            scope=store.unit_scope(ctx.actor),
            after=TicketId(query.after) if query.after else None,
            limit=query.limit,
        )
    rows = [FindingRow(**asdict(one)) for one in found]
    last = found[-1].ticket_id if len(found) == query.limit else None
    return FindingPage(label=rule.label, basis=str(rule.basis), rows=rows, next=last)


@api.get("/api/accountability/cases", SEERS)
async def list_cases(ctx: Context, query: CaseQuery) -> CasePage:
    """问责案件，最新的在前"""
    async with ctx.transaction() as tx:
        found = await accountability_store.find(
            tx,
            scope=store.unit_scope(ctx.actor),
            running=query.running,
            unit=UnitId(query.unit) if query.unit else None,
            before=query.before,
            limit=query.limit,
        )
    return CasePage(rows=[_row(ctx, one) for one in found], next=found[-1].id if len(found) == query.limit else None)


@api.get("/api/accountability/counts", SEERS)
async def count_cases(ctx: Context, query: Span) -> CaseCounts:
    """一段时间内各单位、各情形的问责件数"""
    async with ctx.transaction() as tx:
        found = await accountability_store.counts(
            tx,
            scope=store.unit_scope(ctx.actor),
            since=query.since,
            until=query.until,
            nothing=frozenset({"NOT_ESTABLISHED"}),
        )
    return CaseCounts(rows=[CaseCountRow(**asdict(one)) for one in found])


@api.post("/api/accountability/cases", DOERS)
async def open_case(ctx: Context, body: Opened) -> CaseRow:
    """立案：写明对象、情形、情节和事实，附工单作为证据"""
    subject = Subject(UnitId(body.unit) if body.unit else None, body.person)
    async with ctx.transaction() as tx:
        if body.unit:
            await units_store.one(tx, UnitId(body.unit))
        made = await accountability_store.open_case(
            tx,
            _policy(ctx),
            reason=body.reason,
            severity=body.severity,
            subject=subject,
            facts=body.facts,
            tickets=tuple(TicketId(one) for one in body.tickets),
            actor=ctx.actor,
            now=ctx.now,
        )
        await note(tx, Audited(ctx.actor, "accountability.open", f"case:{made.id}", detail={"reason": body.reason}))
    return _row(ctx, made)


@api.get("/api/accountability/cases/{case_id}", SEERS)
async def case_story(ctx: Context, case_id: int) -> CaseRow:
    """一件问责案件及其步骤"""
    async with ctx.transaction() as tx:
        return _row(ctx, await accountability_store.load(tx, case_id, scope=store.unit_scope(ctx.actor)))


@api.get("/api/accountability/cases/{case_id}/proposal", SEERS)
async def case_proposal(ctx: Context, case_id: int) -> Proposal:
    """问责建议书的数据：对象、依据、证据清单和校验，报送有关机关"""
    async with ctx.transaction() as tx:
        case = await accountability_store.load(tx, case_id, scope=store.unit_scope(ctx.actor))
        evidence = await accountability_store.evidence_of(tx, case_id)
        broken = await accountability_store.altered(tx, evidence)
        known = await units_store.load(tx, [case.subject.unit]) if case.subject.unit else {}
        name = known[case.subject.unit].unit.name if case.subject.unit in known else ""
        await note(tx, Audited(ctx.actor, "accountability.export", f"case:{case_id}"))
    rules = accountability_store.rules_of(_policy_of(ctx, case))
    told = dict(as_proposal(rules, case, evidence, name))
    return Proposal(proposal=told, altered=[f"{one.ticket_id}#{one.seq}" for one in broken])


@api.post("/api/accountability/cases/{case_id}/evidence", DOERS)
async def add_evidence(ctx: Context, case_id: int, body: EvidenceAdded) -> CaseRow:
    """补充证据：把工单的全部记录连同校验值列入案卷"""
    async with ctx.transaction() as tx:
        case = await accountability_store.load(tx, case_id, lock=True)
        if case.outcome:
            raise GuardFailed("这一案件已经办结，不能再补充证据。")
        await accountability_store.add_evidence(tx, case_id, TicketId(body.ticket), body.note, ctx.actor, ctx.now)
        await note(tx, Audited(ctx.actor, "accountability.evidence", f"case:{case_id}", detail={"ticket": body.ticket}))
    return _row(ctx, case)


@api.post("/api/accountability/cases/{case_id}/steps", DOERS)
async def take_step(ctx: Context, case_id: int, body: StepTaken) -> CaseRow:
    """进行下一步骤：约谈、通报、专报、提出问责建议等"""
    async with ctx.transaction() as tx:
        case = await accountability_store.load(tx, case_id)
        after = await accountability_store.step(
            tx,
            case_id,
            body.rung,
            body.note,
            tuple(body.recipients),
            policy=_policy_of(ctx, case),
            actor=ctx.actor,
            now=ctx.now,
        )
        await note(tx, Audited(ctx.actor, "accountability.step", f"case:{case_id}", detail={"rung": body.rung}))
    return _row(ctx, after)


@api.post("/api/accountability/cases/{case_id}/severity", DOERS)
async def regrade_case(ctx: Context, case_id: int, body: Regraded) -> CaseRow:
    """调整情节轻重"""
    async with ctx.transaction() as tx:
        case = await accountability_store.load(tx, case_id)
        after = await accountability_store.regrade(tx, case_id, body.severity, policy=_policy_of(ctx, case))
        grade = {"from": case.severity, "to": body.severity}
        await note(tx, Audited(ctx.actor, "accountability.severity", f"case:{case_id}", detail=grade))
    return _row(ctx, after)


@api.post("/api/accountability/cases/{case_id}/outcome", DOERS)
async def conclude_case(ctx: Context, case_id: int, body: Concluded) -> CaseRow:
    """结案：予以问责、不予问责，或按容错纠错机制处理"""
    async with ctx.transaction() as tx:
        case = await accountability_store.load(tx, case_id)
        after = await accountability_store.conclude(
            tx, case_id, body.outcome, body.note, policy=_policy_of(ctx, case), actor=ctx.actor, now=ctx.now
        )
        await note(tx, Audited(ctx.actor, "accountability.end", f"case:{case_id}", detail={"outcome": body.outcome}))
    return _row(ctx, after)


def _policy(ctx: Context) -> Policy:
    return ctx.services.rules.at(ctx.now)


def _policy_of(ctx: Context, case: AccountCase) -> Policy:
    return ctx.services.rules.of(case.policy_id, case.policy_version)


def _row(ctx: Context, case: AccountCase) -> CaseRow:
    rules = accountability_store.rules_of(_policy_of(ctx, case))
    reason, severity, outcome = rules.reason(case.reason), rules.severity(case.severity), rules.outcome(case.outcome)
    plain = {name: value for name, value in asdict(case).items() if name in CaseRow.model_fields and name != "steps"}
    steps = [
        StepRow(**asdict(step), label=rung.label if (rung := rules.rung(step.rung)) else step.rung)
        for step in case.steps
    ]
    return CaseRow(
        **plain,
        unit=case.subject.unit,
        person=case.subject.person,
        reason_label=reason.label if reason else "",
        basis=str(reason.basis) if reason else "",
        severity_label=severity.label if severity else "",
        outcome_label=outcome.label if outcome else "",
        steps=steps,
    )
