"""How long recordings are kept and why; legal holds, released by two persons; certificates of what was deleted."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from callcenter import accounts
from callcenter.custody import retention_desk as desk
from callcenter.custody.retention_desk import KEEPERS, Looked
from callcenter.db import Database
from callcenter.types import CALL_ID_PATTERN, CallId, RecordingId, Role
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import In, Out, Query, Routes
from recordings.retention import expiry, holds
from recordings.retention.certificates import Certificate
from recordings.retention.rules import Hold, local_day

api = Routes("retention")
READERS = KEEPERS | {Role.REVIEWER}
MAX_PAGE = 200
NOBODY: Mapping[str, str] = {}
Reason = Annotated[str, Field(min_length=1, max_length=1_000, description="不少于 10 个字")]
Day = Annotated[date, Field(strict=False)]


class Page(Query):
    """after: `next` of the page before."""

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50


class HoldPage(Page):
    """all: released ones too."""

    all: bool = False


class NewHold(In):
    """Of one recording, or of a whole call. until: its last day; left out: no cap."""

    call_id: Annotated[str, Field(pattern=f"^{CALL_ID_PATTERN.pattern}$")] | None = None
    recording_id: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    reason: Reason
    until: Day | None = None


class ReleaseAsked(In):
    """until: an earlier last day; left out: release at once."""

    reason: Reason
    until: Day | None = None


class Restored(In):
    reason: Reason
    until: Day | None = None


class KeptUntil(In):
    day: Day


class ReleaseRow(Out):
    until: date | None
    reason: str
    asked_by: str
    asked_by_name: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    granted: bool | None


class HoldRow(Out):
    """until null: no cap. standing: whether it keeps anything today."""

    id: int
    call_id: str | None
    recording_id: int | None
    reason: str
    placed_by: str
    placed_by_name: str
    placed_at: datetime
    until: date | None
    released_at: datetime | None
    standing: bool
    releases: list[ReleaseRow]


class HoldList(Out):
    rows: list[HoldRow]
    next: int | None


class PlacedOut(Out):
    """brought_back: recordings that were in recycle. too_late: those whose deletion had begun."""

    hold: int
    brought_back: list[int]
    too_late: list[int]


class RuleOut(Out):
    """policy empty: the built-in floor."""

    policy: str
    version: int
    years: int
    article: str
    counted_from: datetime


class RetentionOut(Out):
    """kept_by: date, hold, ticket, recycle, not_kept; null: it may go. custody null: it never came into the store."""

    recording: int
    call_id: str
    custody: str | None
    delete_not_before: date
    kept_by: str | None
    sentence: str
    rule: RuleOut
    holds: list[int]
    open_ticket: str | None
    recycled_at: datetime | None
    certificate: str | None


class CertificateOut(Out):
    """sha256: of the certificate; it stands in the audit's chain too."""

    id: int
    recording: int
    call_id: str
    name: str
    sealed_sha256: str
    samples_sha256: str | None
    recorded_at: datetime
    rule: RuleOut
    delete_not_before: date
    recycled_at: datetime
    deleted_at: datetime
    deleted_at_second_clock: datetime
    deleted_by: str
    sha256: str


class CertificateList(Out):
    rows: list[CertificateOut]
    next: int | None


@api.get("/api/recordings/{recording_id}/retention", READERS)
async def retention(ctx: Context, recording_id: int) -> RetentionOut:
    """一段录音为何保存、保存到何时、依据哪条规定"""
    return await _looked(ctx, recording_id)


@api.post("/api/recordings/{recording_id}/restore", KEEPERS)
async def restore(ctx: Context, recording_id: int, body: Restored) -> PlacedOut:
    """恢复回收期内的录音，并予保全"""
    return _placed(await desk.restore(_db(ctx), ctx.actor, RecordingId(recording_id), body.reason, body.until))


@api.post("/api/recordings/{recording_id}/keep-until", KEEPERS)
async def keep_until(ctx: Context, recording_id: int, body: KeptUntil) -> RetentionOut:
    """延长一段录音的保存期；只能延后，不能提前"""
    await desk.keep_longer(_db(ctx), ctx.actor, RecordingId(recording_id), body.day)
    return await _looked(ctx, recording_id)


@api.post("/api/recordings/{recording_id}/recycle", KEEPERS)
async def recycle(ctx: Context, recording_id: int) -> RetentionOut:
    """将到期的录音移入回收期；未到期、已保全或工单未归档的不予办理"""
    await desk.recycle(_db(ctx), ctx.actor, RecordingId(recording_id))
    return await _looked(ctx, recording_id)


@api.get("/api/holds", KEEPERS)
async def list_holds(ctx: Context, query: HoldPage) -> HoldList:
    """录音保全清单"""
    async with ctx.transaction() as tx:
        found = await holds.holds(tx, standing=not query.all, after=query.after, limit=query.limit)
        asked = await holds.releases_of(tx, [one.id for one in found])
        people = {one.placed_by for one in found} | {one.asked_by for one in asked}
        names = await accounts.names_of(tx, people)
        today = local_day(await expiry.database_now(tx))
    following = found[-1].id if len(found) == query.limit else None
    return HoldList(rows=[_hold(one, asked, today, names) for one in found], next=following)


@api.post("/api/holds", KEEPERS)
async def place(ctx: Context, body: NewHold) -> PlacedOut:
    """保全一段录音，或一通电话的全部录音；可不设期限"""
    if (body.call_id is None) == (body.recording_id is None):
        raise Problem(422, "invalid", "电话编号与录音编号须填写其中一项，且只填一项。")
    subject = CallId(body.call_id) if body.call_id is not None else RecordingId(body.recording_id or 0)
    return _placed(await desk.hold(_db(ctx), ctx.actor, subject, body.reason, body.until))


@api.post("/api/holds/{hold_id}/release", KEEPERS)
async def ask_release(ctx: Context, hold_id: int, body: ReleaseAsked) -> ReleaseRow:
    """申请解除或缩短保全，须由另一人审批"""
    return _release(await desk.ask_release(_db(ctx), ctx.actor, hold_id, body.reason, body.until))


@api.post("/api/holds/{hold_id}/release/grant", KEEPERS)
async def grant_release(ctx: Context, hold_id: int) -> ReleaseRow:
    """同意解除或缩短保全；申请人本人不能审批"""
    return _release(await desk.decide_release(_db(ctx), ctx.actor, hold_id, granted=True))


@api.post("/api/holds/{hold_id}/release/refuse", KEEPERS)
async def refuse_release(ctx: Context, hold_id: int) -> ReleaseRow:
    """不同意解除或缩短保全"""
    return _release(await desk.decide_release(_db(ctx), ctx.actor, hold_id, granted=False))


@api.get("/api/deletion-certificates", KEEPERS)
async def certificates(ctx: Context, query: Page) -> CertificateList:
    """已删除录音的删除凭证"""
    async with ctx.transaction() as tx:
        found = await expiry.certificates(tx, after=query.after, limit=query.limit)
    following = found[-1][0] if len(found) == query.limit else None
    return CertificateList(rows=[_certificate(*one) for one in found], next=following)


async def _looked(ctx: Context, recording_id: int) -> RetentionOut:
    async with ctx.transaction() as tx:
        return _retention(await desk.look(tx, RecordingId(recording_id)))


def _db(ctx: Context) -> Database:
    return ctx.services.database


def _placed(one: holds.Placed) -> PlacedOut:
    return PlacedOut(hold=one.hold.id, brought_back=list(one.brought_back), too_late=list(one.too_late))


def _hold(one: Hold, asked: Sequence[holds.Release], today: date, names: Mapping[str, str]) -> HoldRow:
    return HoldRow(
        id=one.id,
        call_id=one.call_id,
        recording_id=one.recording_id,
        reason=one.reason,
        placed_by=one.placed_by,
        placed_by_name=names.get(one.placed_by, one.placed_by),
        placed_at=one.placed_at,
        until=one.until,
        released_at=one.released_at,
        standing=one.stands(today),
        releases=[_release(release, names) for release in asked if release.hold_id == one.id],
    )


def _release(one: holds.Release, names: Mapping[str, str] = NOBODY) -> ReleaseRow:
    return ReleaseRow(
        until=one.until,
        reason=one.reason,
        asked_by=one.asked_by,
        asked_by_name=names.get(one.asked_by, one.asked_by),
        asked_at=one.asked_at,
        decided_by=one.decided_by,
        decided_at=one.decided_at,
        granted=one.granted,
    )


def _retention(one: Looked) -> RetentionOut:
    rule = one.basis.rule
    return RetentionOut(
        recording=one.recording.id,
        call_id=one.recording.call_id,
        custody=one.custody,
        delete_not_before=one.standing.not_before,
        kept_by=one.keeper,
        sentence=desk.why(one)[0],
        rule=RuleOut(
            policy=rule.policy_id,
            version=rule.policy_version,
            years=rule.years,
            article=rule.article,
            counted_from=one.basis.counted_from,
        ),
        holds=[held.id for held in one.standing_holds],
        open_ticket=one.ticket,
        recycled_at=one.standing.recycled_at,
        certificate=one.certificate.sha256 if one.certificate else None,
    )


def _certificate(id_: int, one: Certificate, sha256: str) -> CertificateOut:
    rule = one.rule
    return CertificateOut(
        id=id_,
        recording=one.recording_id,
        call_id=one.call_id,
        name=str(one.name),
        sealed_sha256=one.sealed_sha256,
        samples_sha256=one.samples_sha256,
        recorded_at=one.recorded_at,
        rule=RuleOut(
            policy=rule.policy_id,
            version=rule.policy_version,
            years=rule.years,
            article=rule.article,
            counted_from=one.counted_from,
        ),
        delete_not_before=one.delete_not_before,
        recycled_at=one.recycled_at,
        deleted_at=one.deleted_at,
        deleted_at_second_clock=one.second_at,
        deleted_by=one.deleted_by,
        sha256=sha256,
    )
