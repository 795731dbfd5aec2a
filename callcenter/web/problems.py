"""Errors as RFC 9457 problem details: which exception is which status, and the sentence the person reads."""

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import ValidationError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from callcenter import (
    account_desk,
    agents,
    commands,
    control_errors,
    db,
    flow_tickets,
    missed,
    softphones,
    ticket_calls,
    upstream,
    vault,
)
from callcenter.archive.store import NoPackage
from callcenter.attachments import cabinet as attachment_cabinet
from callcenter.attachments import intake as attachment_intake
from callcenter.attachments.kinds import WrongFile
from callcenter.citizen import intake
from callcenter.custody import exports, retention_desk
from callcenter.reports.figures import NoReportsHere
from callcenter.reports.orders import FileNotKept, ReportUnknown
from callcenter.sms.templates import TemplateWrong
from callcenter.types import BadNumber
from callcenter.web.passwords import PasswordWeak
from callcenter.web.playback import NotPlayable, RangeNotThere
from recordings.retention import holds
from recordings.retention import rules as retention_rules
from recordings.store import NoRecording
from ticketing import clocks, policy, record, store, tasks
from ticketing import upstream as handed_down
from ticketing.aftercare import releases
from ticketing.appraisal import reports_store
from ticketing.appraisal import terms as appraisal_terms
from ticketing.dispatch import catalogue_store, units_store
from ticketing.knowledge import items as knowledge
from ticketing.knowledge import questions as knowledge_questions
from ticketing.supervision import accountability_store, roster
from ticketing.supervision import lists as supervision_lists

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
MOST_FIELDS = 20
"""Wrong fields that are listed, and characters of a field's name."""


@dataclass
class Problem(Exception):
    """An error the API tells by itself. detail: Chinese, what is wrong and what to do. basis: the article behind it."""

    status: int
    code: str
    detail: str
    errors: Sequence[Mapping[str, Any]] = ()
    basis: str = ""


class NotFound(Problem):
    """Nothing there, or not for this person: the two look the same."""

    def __init__(self) -> None:
        super().__init__(404, "not_found", "没有找到，或您无权查看。请核对编号。")


class NotAllowed(Problem):
    """Signed in, but without the role."""

    def __init__(self) -> None:
        super().__init__(403, "not_allowed", "您的角色不能执行此操作，如确需办理请联系管理员授权。")


class NotSignedIn(Problem):
    """No session, or it has ended."""

    def __init__(self) -> None:
        super().__init__(401, "not_signed_in", "未登录或登录已过期，请重新登录；未保存的内容会保留在本页。")


STATUS: dict[type[Exception], int] = {
    account_desk.AccountNotFound: 404,
    account_desk.AccountChanged: 409,
    account_desk.AccountRefused: 422,
    agents.AgentUnknown: 404,
    agents.PauseReasonUnknown: 422,
    PasswordWeak: 422,
    intake.TooManyCodes: 429,
    softphones.NotASoftphone: 409,
    softphones.SoftphonesWrong: 503,
    missed.MissedCallSettled: 409,
    missed.CallBackRunning: 409,
    ticket_calls.CitizenOnTheLine: 409,
    ticket_calls.ContactNotNoted: 409,
    commands.StillRunning: 504,
    control_errors.PbxAway: 503,
    control_errors.ControlError: 409,
    vault.IdentityUnknown: 404,
    BadNumber: 422,
    NoRecording: 404,
    holds.NoHold: 404,
    holds.HoldEnded: 409,
    holds.ReasonTooShort: 422,
    holds.NotShorter: 422,
    holds.ReleaseAsked: 409,
    holds.NothingAsked: 409,
    holds.SamePerson: 403,
    retention_rules.NeverEarlier: 409,
    retention_desk.NoCall: 404,
    retention_desk.StillKept: 409,
    NotPlayable: 404,
    RangeNotThere: 416,
    exports.NotTranscribed: 409,
    exports.ExportUnknown: 404,
    exports.ExportOver: 410,
    exports.ExportWaits: 403,
    exports.ExportNotYours: 409,
    exports.ExportSettled: 409,
    record.TicketNotFound: 404,
    units_store.UnitNotFound: 404,
    catalogue_store.EntryChanged: 409,
    TemplateWrong: 422,
    upstream.NotFromUpstream: 401,
    upstream.TooManyForgeries: 429,
    handed_down.UpstreamUnknown: 404,
    handed_down.Contradicted: 409,
    record.StaleTicket: 409,
    record.NotNow: 409,
    record.NotYours: 403,
    record.GuardFailed: 422,
    knowledge.KnowledgeNotFound: 404,
    knowledge.KnowledgeChanged: 409,
    knowledge.KnowledgeOff: 409,
    knowledge_questions.QuestionNotFound: 404,
    knowledge_questions.QuestionAnswered: 409,
    tasks.TaskNotFound: 404,
    releases.ReleaseNotFound: 404,
    NoPackage: 404,
    appraisal_terms.BadTerm: 422,
    reports_store.ReportNotFound: 404,
    ReportUnknown: 404,
    NoReportsHere: 409,
    FileNotKept: 409,
    supervision_lists.SupervisionNotFound: 404,
    accountability_store.CaseNotFound: 404,
    roster.ShiftNotFound: 404,
    roster.SessionNotFound: 404,
    tasks.TaskDone: 409,
    flow_tickets.MaterialsNotReady: 409,
    clocks.CalendarEnds: 409,
    policy.NoPolicyInEffect: 503,
    policy.PolicyMissing: 503,
    store.PolicyChanged: 503,
    attachment_intake.AttachmentUnknown: 404,
    attachment_intake.TriedTooOften: 503,
    attachment_cabinet.AttachmentDamaged: 409,
    attachment_cabinet.NotKept: 503,
    WrongFile: 422,
    db.DatabaseAway: 503,
    NoFreeConnection: 503,
}
"""Exception -> status, the first match along its bases."""

POLICY_WRONG = "本地规定（政策文件）的配置有误，本次操作没有保存。请联系管理员检查配置。"
BUSY = "系统繁忙，本次操作没有保存。请稍候重试。"

SENTENCES: dict[type[Exception], str] = {
    db.DatabaseAway: "数据库暂时不可用，本次操作没有保存。请稍候重试；如持续出现请联系管理员。",
    vault.IdentityUnknown: "没有找到这位来电人，请核对。",
    BadNumber: "电话号码应为 3 至 20 位数字，不带空格和符号。请核对。",
    NoRecording: "没有这段录音，或您无权查看。请核对编号。",
    flow_tickets.MaterialsNotReady: "通话录音尚未整理完毕，暂不能归档。请稍后再试。",
    clocks.CalendarEnds: "工作日历还没有覆盖到这个期限。请缩短期限，或联系管理员补充日历。",
    policy.NoPolicyInEffect: POLICY_WRONG,
    policy.PolicyMissing: POLICY_WRONG,
    store.PolicyChanged: POLICY_WRONG,
    attachment_cabinet.NotKept: BUSY,
    NoFreeConnection: BUSY,
}
"""Sentences for exceptions whose own words are for operators."""

FIELD_PROBLEMS: dict[str, str] = {
    "missing": "必须填写",
    "extra_forbidden": "没有这一项",
    "string_type": "应为文字",
    "string_too_long": "最多 {max_length} 字",
    "string_too_short": "至少 {min_length} 字",
    "string_pattern_mismatch": "格式不正确",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "bool_type": "应为是或否",
    "bool_parsing": "应为是或否",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "too_long": "最多 {max_length} 项",
    "too_short": "至少 {min_length} 项",
    "literal_error": "只能是：{expected}",
    "enum": "只能是：{expected}",
    "timezone_aware": "时间须带时区",
    "tuple_type": "应为列表",
    "model_type": "应为一组字段",
}
"""Kind of a field's error as pydantic names it -> what the person reads."""

BUSY_STATES = frozenset({"55P03", "57014", "40001", "40P01", "53300"})
"""PostgreSQL: lock or statement timeout, serialization, deadlock, too many connections; nothing was saved."""


def problem_of(error: Exception) -> Problem | None:
    """The problem an exception is told as; None for one nobody expected."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ValidationError):
        return invalid(error)
    for kind in type(error).__mro__:
        status = STATUS.get(kind)
        if status is not None:
            basis = str(getattr(error, "article", ""))
            return Problem(status, type(error).__name__, sentence_of(error), basis=basis)
    return _of_database(error)


def _of_database(error: Exception) -> Problem | None:
    """What PostgreSQL refused: it is busy, or it cannot hold a value (SQLSTATE class 22)."""
    state = str(getattr(getattr(error, "orig", None), "sqlstate", "") or "")
    if state in BUSY_STATES:
        return Problem(503, "busy", BUSY)
    if state.startswith("22"):
        log.warning("a value got as far as the database", extra={"sqlstate": state})
        return Problem(422, "unstorable", "提交的内容中有无法保存的值，请检查后重新提交。")
    return None


def sentence_of(error: Exception) -> str:
    """What the person reads: the exception's own sentence, else its class's docstring."""
    for kind in type(error).__mro__:
        if kind in SENTENCES:
            return SENTENCES[kind]
    own = getattr(error, "sentence", None)
    return str(own) if own else inspect.cleandoc(type(error).__doc__ or "操作没有完成，请稍候重试。")


def invalid(error: ValidationError) -> Problem:
    """Bad input, every field at once: where, what, what to do."""
    rows = error.errors(include_url=False, include_input=False)
    if any(row["type"] == "json_invalid" for row in rows):
        return Problem(400, "not_json", "提交的内容不是有效的 JSON，请检查格式。")
    errors = [
        {"field": _field(row["loc"]), "problem": _field_problem(row["type"], row.get("ctx", {})), "kind": row["type"]}
        for row in rows[:MOST_FIELDS]
    ]
    fields = "、".join(row["field"] or "(整体)" for row in errors[:5])
    return Problem(422, "invalid", f"提交的内容不符合要求，请检查：{fields}。", errors)


def _field(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc)[:100]


def _field_problem(kind: str, context: Mapping[str, Any]) -> str:
    return FIELD_PROBLEMS.get(kind, "格式不正确").format_map({key: str(value) for key, value in context.items()})


def respond(problem: Problem, request_id: str) -> web.Response:
    """The problem on the wire."""
    body: dict[str, Any] = {
        "type": f"urn:callcenter:problem:{problem.code}",
        "title": problem.code,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request_id,
    }
    if problem.basis:
        body["basis"] = problem.basis
    if problem.errors:
        body["errors"] = list(problem.errors)
    return web.json_response(body, status=problem.status, content_type=CONTENT_TYPE)
