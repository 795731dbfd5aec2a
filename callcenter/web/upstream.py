"""The platform above speaks: tickets come down, ratings, urges, decisions and attachments follow; it may ask how far.

Every request is signed (callcenter.upstream_wire) and looked at before anything of it is read. What it sends twice
counts once; docs/upstream-api.md is written for the people who connect it.
"""

from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from callcenter import upstream as link_
from callcenter import upstream_outbox
from callcenter.audit import Audited, note
from callcenter.board import BoardEvent
from callcenter.types import Actor, PhoneNumber, TicketId
from callcenter.upstream import UpstreamLink
from callcenter.upstream_wire import Spoken
from callcenter.web.context import Context
from callcenter.web.problems import NotFound, Problem
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_fields import Amount, Moment, Phone, Said, Short, Text
from callcenter.web.ticket_work import Work, working
from ticketing import service, store, upstream
from ticketing.aftercare import matters
from ticketing.approvals.approvals import DeclineApproval, SignApproval
from ticketing.clocks import DeadlineKind
from ticketing.commands import Changes
from ticketing.prefill.masks import mask_text
from ticketing.record import GuardFailed, Ticket
from ticketing.upstream import ExtensionDecision, Handed, UpstreamRating
from ticketing.words import STATE_NAMES, Flag, RatingSource

MOST_DAYS = 400


async def door(ctx: Context) -> None:
    """Only the platform above, and each request once. Raises NotFound where none is connected."""
    link = ctx.services.upstream
    if link is None:
        raise NotFound
    request = ctx.request
    spoken = Spoken(request.method, request.raw_path, await request.read())
    await link.check(ctx.services.database, spoken, request.headers, request.remote or "")


api = Routes("upstream", door)

ExternalId = Annotated[str, Field(pattern=r"^[^\s/\\\x00-\x1f]{1,64}$", description="上级平台的工单编号")]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="上级平台给出的唯一编号；重复提交只计一次")]


class Attachment(In):
    """What stays up there: its name and checksum. url: where it can be fetched by people who may."""

    key: Key
    name: Annotated[str, Field(min_length=1, max_length=200)]
    media_type: Annotated[str, Field(max_length=100)] = ""
    size_bytes: Annotated[int, Field(ge=0, lt=2**40)] = 0
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    url: Annotated[str, Field(pattern=r"^(https?://[^\s]{1,490})?$")] = ""


class HandedDown(In):
    """One ticket. source: one of the policy's `exchange.sources`. phone goes into the vault and nowhere else."""

    external_id: ExternalId
    source: Short
    request_type: Short
    content: Said
    title: Short = ""
    subject: Short = ""
    place: Short = ""
    occurred: Short = ""
    named_unit: Short = ""
    contact_name: Short = ""
    phone: Phone | None = None
    requester_kind: Short = ""
    urgent: bool = False
    confidential: bool = False
    flags: Annotated[tuple[Literal["key", "leader", "media", "enforcement", "staff", "sensitive"], ...], Field()] = ()
    feedback_due_at: Moment | None = None
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=50)] = ()


class TicketHere(Out):
    """created False: it had been handed down before."""

    external_id: str
    ticket: str
    state: str
    state_name: str
    created: bool


class TicketStatus(Out):
    """How far a ticket is. feedback: owed or given, with when the platform wanted it."""

    external_id: str
    ticket: str
    state: str
    state_name: str
    round: int
    lead_unit: str | None
    registered_at: datetime | None
    dispatched_at: datetime | None
    signed_at: datetime | None
    handle_due_at: datetime | None
    replied_at: datetime | None
    closed_at: datetime | None
    result: str
    rating: str | None
    rating_source: str | None
    feedback: str
    feedback_due_at: datetime | None
    attachments: int


class Taken(Out):
    """repeated: it had been said before and nothing has changed."""

    ticket: str
    state: str
    repeated: bool


class Rating(In):
    """source: the citizen's own answer, the platform's default after silence (then delivered_at proves that its message
    arrived), or what a person of the platform learnt by telephone. round: which round of work was rated."""

    key: Key
    rating: Short
    source: Literal["citizen", "default", "manual"] = "citizen"
    comment: Annotated[str, Field(max_length=1_000)] = ""
    delivered_at: Moment | None = None
    round: Annotated[int, Field(ge=1, le=1_000)] | None = None


class SurveyReceipt(In):
    """The platform's survey message was delivered at `at`, or could not be."""

    key: Key
    delivered: bool
    at: Moment


class UrgeFromAbove(In):
    key: Key
    text: Annotated[str, Field(min_length=2, max_length=500)]
    by: Short = ""


class Attachments(In):
    attachments: Annotated[tuple[Attachment, ...], Field(min_length=1, max_length=50)]


class Decision(In):
    """amount: how much is granted, in the clock the request named; left out where nothing is granted."""

    granted: bool
    amount: Amount | None = None
    reason: Text = ""
    by: Short = ""


class Cancellation(In):
    """Whether a termination stands. reference: the number under which it was cancelled (销号编号)."""

    ticket: Annotated[str, Field(pattern=r"^[0-9]{14}$")]
    cancelled: bool
    reference: Short = ""
    reason: Text = ""


class Days(Query):
    """Local days, both included."""

    first: date
    last: date


class FiguresOut(Out):
    """Counts only. by_rating: rating source -> rating -> count; sources are never added up."""

    first: date
    last: date
    by_type: dict[str, int]
    by_state: dict[str, int]
    by_source: dict[str, int]
    by_rating: dict[str, dict[str, int]]


@api.post("/upstream/v1/tickets", None)
async def hand_down(ctx: Context, body: HandedDown) -> TicketHere:
    """转派工单：登记一张工单；同一编号重复提交只登记一次"""
    async with working(ctx) as work:
        requester = await ctx.services.vault.identity_of(work.tx, PhoneNumber(body.phone)) if body.phone else None
        plain = body.model_dump(exclude={"external_id", "phone", "flags", "attachments", "feedback_due_at"})
        changes = Changes(**plain, requester=requester, flags=frozenset(Flag(flag) for flag in body.flags))
        handed = Handed(
            _link(ctx).system, body.external_id, body.source, changes, _digest(ctx, body), body.feedback_due_at
        )
        received = await upstream.receive(work.tx, handed, actor=_actor(ctx), now=work.now, rules=work.rules)
        if received.created:
            await _attach(work, received.ticket.id, body.attachments)
        await work.tell(received.facts)
    ticket = received.ticket
    return TicketHere(
        external_id=body.external_id,
        ticket=ticket.id,
        state=ticket.state,
        state_name=STATE_NAMES[ticket.state],
        created=received.created,
    )


@api.get("/upstream/v1/tickets/{external_id}", None)
async def status(ctx: Context, external_id: str) -> TicketStatus:
    """查询转派工单的办理情况"""
    async with ctx.transaction() as tx:
        link, ticket = await upstream.linked(tx, _link(ctx).system, external_id)
        await note(tx, Audited(_actor(ctx), "ticket.read", f"ticket:{ticket.id}"))
        files = await upstream.items(tx, ticket.id, "attachment")
    due = ticket.due(DeadlineKind.HANDLE)
    return TicketStatus(
        external_id=external_id,
        ticket=ticket.id,
        state=ticket.state,
        state_name=STATE_NAMES[ticket.state],
        round=ticket.round,
        lead_unit=ticket.lead_unit,
        registered_at=ticket.registered_at,
        dispatched_at=ticket.dispatched_at,
        signed_at=ticket.signed_at,
        handle_due_at=due.deadline.due_at if due else None,
        replied_at=ticket.replied_at,
        closed_at=ticket.closed_at,
        result=ticket.result,
        rating=ticket.rating,
        rating_source=ticket.rating_source,
        feedback=link.feedback,
        feedback_due_at=link.feedback_due_at,
        attachments=len(files),
    )


@api.post("/upstream/v1/tickets/{external_id}/ratings", None)
async def rate(ctx: Context, external_id: str, body: Rating) -> Taken:
    """回传诉求人评价；评价来源如实保留，不与本系统的评价合并统计"""
    async with working(ctx) as work:
        ticket = await _locked(ctx, work, external_id)
        if not await _new(work, ticket, "rating", body.key, body):
            return _taken(ticket, repeated=True)
        if body.round is not None and body.round != ticket.round:
            raise GuardFailed(f"评价针对第{body.round}轮办理，工单现在是第{ticket.round}轮。请核对后重新提交。")
        given = UpstreamRating(body.key, body.rating, RatingSource(body.source), body.comment, body.delivered_at)
        rated = await upstream.rate(work.tx, ticket, given, actor=_actor(ctx), now=work.now, rules=work.rules)
        await work.tell(rated.facts)
    return _taken(rated.ticket)


@api.post("/upstream/v1/tickets/{external_id}/survey-receipts", None)
async def survey_receipt(ctx: Context, external_id: str, body: SurveyReceipt) -> Taken:
    """回传上级平台回访短信的送达结果；未送达的转人工回访"""
    async with working(ctx) as work:
        ticket = await _locked(ctx, work, external_id)
        if not await _new(work, ticket, "receipt", body.key, body):
            return _taken(ticket, repeated=True)
        if body.at > work.now + timedelta(minutes=5):
            raise GuardFailed("送达时间晚于现在。请核对后重新提交。")
        facts = await upstream.survey_receipt(
            work.tx, ticket, delivered=body.delivered, at=min(body.at, work.now), rules=work.rules, actor=_actor(ctx)
        )
        await work.tell(facts)
        return _taken(await store.load(work.tx, ticket.id))


@api.post("/upstream/v1/tickets/{external_id}/urges", None)
async def urge(ctx: Context, external_id: str, body: UrgeFromAbove) -> Taken:
    """催办：记入工单并提醒承办单位"""
    async with working(ctx) as work:
        ticket = await _locked(ctx, work, external_id)
        if not await _new(work, ticket, "urge", body.key, body):
            return _taken(ticket, repeated=True)
        said = f"{body.by}：{body.text}" if body.by else body.text
        actor = _actor(ctx)
        urged = await service.carry_out(
            work.tx, ticket.id, matters.Urge(said), actor=actor, now=work.now, rules=work.rules
        )
        await work.tell(urged.facts)
        data = {"ticket": ticket.id, "unit": ticket.lead_unit, "reason": mask_text(said), "at": work.now.isoformat()}
        work.shown.append(BoardEvent("ticket.urged", data))
    return _taken(urged.ticket)


@api.post("/upstream/v1/tickets/{external_id}/attachments", None)
async def attach(ctx: Context, external_id: str, body: Attachments) -> Taken:
    """补充附件信息（名称、校验值、地址），附件本身留在上级平台"""
    async with working(ctx) as work:
        ticket = await _locked(ctx, work, external_id)
        added = await _attach(work, ticket.id, body.attachments)
    return _taken(ticket, repeated=not added)


@api.post("/upstream/v1/extensions/{extension_id}/decision", None)
async def decide_extension(ctx: Context, extension_id: int, body: Decision) -> Taken:
    """上级平台对延期申请的决定"""
    if body.granted == (body.amount is None) or not (body.granted or body.reason.strip()):
        raise Problem(422, "invalid", "同意延期须写明同意的期限，不同意须写明理由，二者只能填写其一。")
    decision = ExtensionDecision(body.amount, body.reason, body.by)
    async with working(ctx) as work:
        outcome = await upstream.decide_extension(
            work.tx, _link(ctx).system, extension_id, decision, actor=_actor(ctx), now=work.now, rules=work.rules
        )
        await work.tell(outcome.facts)
    return _taken(outcome.ticket, repeated=not outcome.facts)


@api.post("/upstream/v1/cancellations", None)
async def cancel(ctx: Context, body: Cancellation) -> Taken:
    """终结办理的销号决定；不予销号的，工单继续办理"""
    async with working(ctx) as work:
        ticket_id = TicketId(body.ticket)
        if not await upstream_outbox.was_told(work.tx, ticket_id, "termination_requested"):
            raise upstream.UpstreamUnknown
        if not await upstream.keep(work.tx, ticket_id, "decision", "cancellation", _plain(body), work.now):
            return _taken(await store.load(work.tx, ticket_id), repeated=True)
        yes = SignApproval(opinion=body.reason, reference=body.reference)
        detail = yes if body.cancelled else DeclineApproval(body.reason)
        outcome = await service.carry_out(work.tx, ticket_id, detail, actor=_actor(ctx), now=work.now, rules=work.rules)
        await work.tell(outcome.facts)
    return _taken(outcome.ticket)


@api.get("/upstream/v1/figures", None)
async def figures(ctx: Context, query: Days) -> FiguresOut:
    """数据共享：按受理日期统计的件数，不含任何个人信息"""
    if not query.first <= query.last <= query.first + timedelta(days=MOST_DAYS):
        raise Problem(422, "invalid", f"日期须由前到后，最多{MOST_DAYS}天。")
    exchange = ctx.services.rules.at(ctx.now).exchange
    if exchange is None or exchange.sharing is None:
        raise NotFound
    async with ctx.transaction() as tx:
        found = await link_.figures(tx, query.first, query.last)
    return FiguresOut(
        first=found.first,
        last=found.last,
        by_type=dict(found.by_type),
        by_state=dict(found.by_state),
        by_source=dict(found.by_source),
        by_rating={source: dict(counts) for source, counts in found.by_rating.items()},
    )


def _link(ctx: Context) -> UpstreamLink:
    assert ctx.services.upstream is not None  # the door asked
    return ctx.services.upstream


def _actor(ctx: Context) -> Actor:
    return _link(ctx).actor


async def _locked(ctx: Context, work: Work, external_id: str) -> Ticket:
    return (await upstream.linked(work.tx, _link(ctx).system, external_id, lock=True))[1]


async def _new(work: Work, ticket: Ticket, kind: str, key: str, body: In) -> bool:
    return await upstream.keep(work.tx, ticket.id, kind, key, _plain(body), work.now)


async def _attach(work: Work, ticket_id: TicketId, files: tuple[Attachment, ...]) -> bool:
    """Whether any of them is new."""
    new = [await upstream.keep(work.tx, ticket_id, "attachment", one.key, _plain(one), work.now) for one in files]
    return any(new)


def _plain(body: In) -> dict[str, object]:
    return body.model_dump(mode="json", exclude={"key"})


def _digest(ctx: Context, body: HandedDown) -> str:
    """Of all that was sent. A number is in it by the vault's index, so that the checksum gives nothing away."""
    index = ctx.services.vault.index(PhoneNumber(body.phone)).hex() if body.phone else ""
    return store.sha256([body.model_dump(mode="json", exclude={"phone"}), index])


def _taken(ticket: Ticket, *, repeated: bool = False) -> Taken:
    return Taken(ticket=ticket.id, state=ticket.state, repeated=repeated)
